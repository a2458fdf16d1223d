/* libFuzzer: TCP byte order, by what has to be true of any order of any segments.
 *
 *   byte 0   1: tcpOverlap=sequence; 2: the bytes are not kept; 4: no SYN was seen; 8: little memory
 *   4 bytes  the number the source begins with (little endian)
 *   then segments of 8 bytes: 1 byte (1: from the destination; 2: its bytes are others than those of the rest; 4: its
 *   length counts in 64 bytes; 8: the hole is given up behind it; 16: far away), 2 bytes of number and 2 of
 *   acknowledgement, both relative to what is expected, 1 of length, 2 of ms since the one before
 *
 * The byte of a number is always the same but in segments that say otherwise. So what is delivered is right or wrong by
 * itself: no byte of another place, none twice, none left out without being said to be missing; and nobody is told of
 * bytes that differ where none do. */
#include "fuzz.h"

#include "tcp.h"

enum {
	SEQUENCE = 1,
	NO_BYTES = 2,
	NO_SYN = 4,
	LITTLE_MEMORY = 8,

	FROM_DESTINATION = 1,
	OTHER_BYTES = 2,
	LONG = 4,
	SKIP = 8,
	FAR = 16,

	SEGMENT_BYTES = 8,
	SEGMENTS_MAX = 300,
	LENGTH_MAX = 255 * 64,
	FAR_BYTES = 60013,
	PERIOD = 1 << 16, /* of the bytes: divides 2^32, so that they go on where numbers wrap */
	LITTLE_BYTES = 1 << 16,
	HOLDS = 4, /* by SEQUENCE and LITTLE_MEMORY */
	MS_NS = 1000000,
};

static struct {
	struct tcp_conf conf[HOLDS];
	struct tcp_hold *hold[HOLDS];
	struct counters counters;
	uint8_t right[2][2 * PERIOD], other[2][2 * PERIOD]; /* by direction and number */
} fuzz;

/* One connection. */
struct connection {
	struct tcp_hold *hold;
	uint32_t next[2];
	struct held_queue queue;
	struct tcp_recent recent;
	struct tcp_stream stream;
	bool differs; /* some segment had other bytes */
};

static void
make_bytes(void)
{
	uint64_t state = 88172645463325252;

	for (unsigned i = 0; i < 2 * PERIOD; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		for (unsigned d = 0; d < 2; d++) {
			fuzz.right[d][i] = i < PERIOD ? (uint8_t)(state >> (24 + 8 * d)) : fuzz.right[d][i - PERIOD];
			fuzz.other[d][i] = (uint8_t)~fuzz.right[d][i];
		}
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	counters_attach(&fuzz.counters, "fuzz");
	make_bytes();
	for (unsigned i = 0; i < HOLDS; i++) {
		fuzz.conf[i] = (struct tcp_conf){.max_packets = 64,
						 .max_bytes = 1 << 20,
						 .memory_bytes = i & 2 ? LITTLE_BYTES : 4 << 20,
						 .midstream = true,
						 .gap_skip = true,
						 .overlap = i & 1 ? TCP_OVERLAP_SEQUENCE : TCP_OVERLAP_FIRST};
		fuzz.hold[i] = tcp_hold_create(&fuzz.conf[i], 1, &fuzz.counters);
		fuzz_require(fuzz.hold[i] != NULL, "a hold");
	}
	return 0;
}

static void
check_bytes(const struct connection *c, const struct tcp_chunk *chunk, uint32_t seq)
{
	struct cursor bytes = chunk->bytes;
	size_t size = cursor_left(&bytes);
	const uint8_t *is = cursor_take(&bytes, size);

	if (size == 0)
		return;
	fuzz_require(size == chunk->length && size <= PERIOD, "a chunk has all of its bytes or none");
	if (memcmp(is, &fuzz.right[chunk->direction][seq % PERIOD], size) == 0)
		return;
	fuzz_require(c->differs, "a byte is that of its number");
	for (size_t i = 0; i < size; i++)
		fuzz_require(is[i] == fuzz.right[chunk->direction][seq % PERIOD + i] ||
				     is[i] == fuzz.other[chunk->direction][seq % PERIOD + i],
			     "a byte is one of those of its number");
}

static void
take(struct connection *c, const struct tcp_chunk *chunk, const uint32_t before[2])
{
	unsigned d = chunk->direction;

	fuzz_require(d <= 1 && chunk->length > 0, "a chunk has a direction and a length");
	fuzz_require(c->next[d] == before[d] + chunk->missing + chunk->length, "no byte is left out or comes twice");
	fuzz_require(c->next[!d] == before[!d], "a chunk is of one side");
	check_bytes(c, chunk, before[d] + chunk->missing);
	if (chunk->missing > 0)
		tcp_recent_forget(&c->recent, d);
	tcp_recent_add(&c->recent, d, chunk->bytes);
}

/* 'before' is what was expected before the push: what comes in order counts there already. */
static void
pull(struct connection *c, uint32_t before[2])
{
	struct tcp_chunk chunk;

	while (tcp_pull(c->hold, &c->stream, &chunk)) {
		take(c, &chunk, before);
		before[0] = c->next[0];
		before[1] = c->next[1];
	}
}

static void
push(struct connection *c, const struct tcp_segment *seg)
{
	struct tcp_chunk chunk = {
		.bytes = seg->payload, .length = (uint32_t)cursor_left(&seg->payload), .direction = seg->direction};
	uint32_t before[2] = {c->next[0], c->next[1]};
	unsigned result;

	if (tcp_in_order(c->next, c->queue.n == 0, seg)) {
		if (chunk.length > 0)
			take(c, &chunk, before);
		return;
	}
	result = tcp_push(c->hold, &c->stream, seg);
	fuzz_require(c->differs || (result & TCP_OVERLAP_DIFFERS) == 0, "equal bytes are no difference");
	if ((result & TCP_PULL) != 0)
		pull(c, before);
}

static void
give_up_hole(struct connection *c)
{
	uint32_t before[2] = {c->next[0], c->next[1]};

	tcp_skip_gap(c->hold, &c->stream);
	pull(c, before);
}

static void
one_segment(struct connection *c, struct cursor *in, uint64_t *time_ns)
{
	unsigned flags = cursor_u8(in), d = flags & FROM_DESTINATION;
	int32_t scale = flags & FAR ? FAR_BYTES : 1;
	uint32_t seq = c->next[d] + (uint32_t)((int16_t)cursor_le16(in) * scale);
	uint32_t ack = c->next[!d] + (uint32_t)((int16_t)cursor_le16(in) * scale);
	uint32_t length = cursor_u8(in) * (flags & LONG ? 64u : 1u);
	struct tcp_segment seg = {.seq = seq, .ack = ack, .direction = (uint8_t)d};
	uint8_t *bytes = malloc(length + (length == 0));

	fuzz_require(bytes != NULL, "memory");
	c->differs |= (flags & OTHER_BYTES) != 0;
	memcpy(bytes, &(flags & OTHER_BYTES ? fuzz.other : fuzz.right)[d][seq % PERIOD], length);
	*time_ns += (uint64_t)cursor_le16(in) * MS_NS;
	seg.time_ns = *time_ns;
	seg.payload = cursor_make(bytes, length);
	push(c, &seg);
	free(bytes); /* whoever kept it, has a copy */
	seg.payload = cursor_make("", 0);
	if (tcp_is_full(c->hold, &c->queue) || (flags & SKIP) != 0 || tcp_gap_is_lost(c->hold, &c->stream, &seg))
		give_up_hole(c);
}

/* As at the end of a session. Every turn gives up a hole, so the queue gets shorter. */
static void
pull_last(struct connection *c)
{
	uint32_t left;
	struct tcp_chunk chunk;

	do {
		left = c->queue.n;
		give_up_hole(c);
	} while (c->queue.n < left);
	fuzz_require(!c->stream.synchronised || c->queue.n == 0, "nothing waits when all holes are given up");
	if (tcp_pull_single(c->hold, &c->stream, &chunk))
		fuzz_require(c->queue.n == 0, "the only one has left");
	tcp_clear(c->hold, &c->queue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);
	unsigned flags = cursor_u8(&in);
	uint32_t begin = cursor_le32(&in);
	struct connection c = {.hold = fuzz.hold[(flags & SEQUENCE ? 1 : 0) | (flags & LITTLE_MEMORY ? 2 : 0)]};
	uint64_t time_ns = 0;

	if (cursor_bad(&in))
		return -1;
	if ((flags & NO_SYN) == 0) {
		c.next[0] = begin;
		c.next[1] = ~begin;
	}
	c.stream = (struct tcp_stream){.next = c.next,
				       .queue = &c.queue,
				       .recent = &c.recent,
				       .synchronised = (flags & NO_SYN) == 0,
				       .keeps_bytes = (flags & NO_BYTES) == 0};
	for (unsigned i = 0; i < SEGMENTS_MAX && cursor_left(&in) >= SEGMENT_BYTES; i++)
		one_segment(&c, &in, &time_ns);
	pull_last(&c);
	fuzz_require(c.queue.n == 0 && c.queue.bytes == 0, "an empty queue holds no bytes");
	fuzz_require(tcp_hold_bytes(c.hold) == 0, "the memory of segments comes back");
	return 0;
}
