/* TCP byte order.
 *
 * A queue of its own is rare: what comes in order never gets here (tcp_in_order()). A segment that does is linked into
 * the queue with its bytes still in the packet, the queue is drained, and only what then has to wait is copied.
 *
 * The queue is sorted as the conversation went (PARSERS 1.1): against a segment of the same direction by sequence
 * number, against one of the other by what that one acknowledges. Draining stops at the first segment that is ahead of
 * what its side is expected to send, so a hole holds back the answers behind it too. The price is latency; parsers see
 * question and answer in order.
 *
 * A sensor cannot ask for a retransmission. A hole is given up when too much waits behind it, when the receiver has
 * acknowledged what we never saw, or when the session ends; the chunk behind it carries its size in 'missing' and the
 * parser decides whether it can go on. Without tcpGapSkip the session's owner drops everything instead, as the
 * reference does.
 *
 * Numbers are compared modulo 2^32 once they come from the connection itself. Without a SYN nothing is expected, that
 * is 0, and only a stream that begins there is taken; that comparison is plain.
 *
 * Overlaps. Bytes that were delivered stay as they were. Among those that wait, tcpOverlap=first takes for each byte
 * the segment that came first, as Windows and BSD nearly do; tcpOverlap=sequence takes the segments as they are sorted,
 * as Linux and the reference do. Either can be fooled about what the receiver saw: when the versions differ the session
 * is tagged, and the pcap has both. What is compared: all bytes that wait (where nobody wants payload any more, the
 * last HELD_EDGE_BYTES of each segment), and the last TCP_RECENT_BYTES that were delivered. Bytes delivered before
 * those can be overwritten unseen; a longer memory would cost a copy of all payload. With that, all of the 154 sessions
 * of the reference captures that tcprewrite --fragroute "tcp_seg 64 old" makes overlap are tagged, and no other; 92 %
 * of them when the pieces of each packet come in random order besides. */
#include "tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

COUNTER(retransmitted, "tcp.retransmitted", "TCP segments with nothing but bytes seen before", LEDGER_NONE, LEDGER_IN);
COUNTER(keep_alive, "tcp.keep_alive", "TCP keep-alives with a byte seen before", LEDGER_NONE, LEDGER_IN);
COUNTER(overlapping, "tcp.overlapping", "TCP segments of which a part was seen before", LEDGER_NONE, LEDGER_IN);
COUNTER(differing, "tcp.overlap_differs", "TCP segments with other bytes where there were some already", LEDGER_NONE,
	LEDGER_IN);
COUNTER(held, "tcp.held", "TCP segments that waited for earlier ones", LEDGER_NONE, LEDGER_IN);
COUNTER(gaps, "tcp.gaps", "holes in TCP streams that were given up (tcpGapSkip)", LEDGER_NONE, LEDGER_IN);
COUNTER(gap_bytes, "tcp.gap_bytes", "bytes missing in them", LEDGER_NONE, LEDGER_IN);
COUNTER(cleared, "tcp.cleared", "TCP segments that waited in vain: their session ended or was given up", LEDGER_NONE,
	LEDGER_OUT);
COUNTER_LOSS(no_memory, "tcp.no_memory", "TCP segments out of order for which tcpHoldMemory had no room", LEDGER_NONE);

enum {
	LOOK_BACK = 8,		  /* segments that may overlap from further ahead */
	LOST_SEGMENTS = 16,	  /* as many behind an acknowledged hole: it is no reordering */
	LOST_NS = 1000 * 1000000, /* or so long ago */
};

static const char *const overlap_words[] = {"first", "sequence", NULL};

static const struct setting tcp_settings[] = {
	SETTING_U32(
		struct tcp_conf, max_packets, "maxTcpOutOfOrderPackets", 256, 64, 10000, "packets",
		"TCP segments of a session that may wait for earlier ones; then the hole is given up (tcpGapSkip) or "
		"the stream"),
	SETTING_U32(struct tcp_conf, max_bytes, "maxTcpOutOfOrderBytes", 4194304, 65536, 1073741824, "bytes",
		    "the same in bytes"),
	SETTING_U64(struct tcp_conf, memory_bytes, "tcpHoldMemory", 268435456, 1048576, 1099511627776, "bytes",
		    "memory of all workers for TCP segments that wait; touched as it is used"),
	SETTING_BOOL(struct tcp_conf, midstream, "tcpMidstream", "true",
		     "parse TCP connections of which the SYN was not seen"),
	SETTING_BOOL(struct tcp_conf, gap_skip, "tcpGapSkip", "true",
		     "go on behind holes in TCP streams that will not close; else such a stream is given up"),
	SETTING_ENUM(
		struct tcp_conf, overlap, "tcpOverlap", "first", overlap_words,
		"which of two segments that wait and overlap counts: the one that came first, or the one that begins "
		"first"),
};
SETTINGS(tcp, "TCP byte order", tcp_settings);

struct tcp_hold {
	struct hold memory;
	const struct tcp_conf *conf;
	struct counters *counters;

	struct tcp_chunk direct; /* of the packet itself */
	bool has_direct;
	uint32_t borrowed; /* waits, with its bytes still in the packet */
	const uint8_t *borrowed_bytes;
	bool keeps_borrowed;
	uint32_t given; /* was handed out, in no queue any more */
};

struct tcp_hold *
tcp_hold_create(const struct tcp_conf *conf, unsigned n_workers, struct counters *counters)
{
	struct tcp_hold *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return NULL;
	t->conf = conf;
	t->counters = counters;
	rc = hold_init(&t->memory, conf->memory_bytes / (n_workers > 0 ? n_workers : 1));
	if (rc < 0) {
		free(t);
		errno = -rc;
		return NULL;
	}
	return t;
}

static void
give_back(struct tcp_hold *t)
{
	if (t->given == 0)
		return;
	held_free(&t->memory, t->given);
	t->given = 0;
}

void
tcp_hold_destroy(struct tcp_hold *t)
{
	if (t == NULL)
		return;
	give_back(t);
	hold_fini(&t->memory);
	free(t);
}

uint64_t
tcp_hold_bytes(const struct tcp_hold *t)
{
	return hold_bytes_used(&t->memory);
}

struct hold *
tcp_hold_memory(struct tcp_hold *t)
{
	return &t->memory;
}

static bool
is_ahead(const struct tcp_stream *s, unsigned direction, uint32_t seq)
{
	uint32_t next = s->next[direction];

	return s->synchronised ? (int32_t)(seq - next) > 0 : seq > next;
}

/* Nothing of it is new. */
static bool
is_old(const struct tcp_stream *s, unsigned direction, uint32_t seq, uint32_t length)
{
	uint32_t next = s->next[direction];

	return s->synchronised ? (int32_t)(seq + length - next) <= 0 : (uint64_t)seq + length <= next;
}

static bool
is_keep_alive(const struct tcp_stream *s, const struct tcp_segment *seg)
{
	return cursor_left(&seg->payload) == 1 && seg->seq + 1 == s->next[seg->direction];
}

static void
count_old(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	if (is_keep_alive(s, seg))
		COUNTER_ADD(t->counters, keep_alive, 1);
	else
		COUNTER_ADD(t->counters, retransmitted, 1);
}

/* Other bytes than those that were delivered last. A keep-alive's may be garbage (RFC 9293, 3.8.4). */
static bool
differs_from_recent(const struct tcp_stream *s, const struct tcp_segment *seg)
{
	unsigned d = seg->direction;
	uint32_t next = s->next[d], from = next - s->recent->n[d], to = seg->seq + (uint32_t)cursor_left(&seg->payload);
	struct cursor mine = seg->payload, theirs = cursor_make(s->recent->bytes[d], TCP_RECENT_BYTES);

	if (is_keep_alive(s, seg))
		return false;
	if ((int32_t)(seg->seq - from) > 0)
		from = seg->seq;
	if ((int32_t)(to - next) > 0)
		to = next;
	if ((int32_t)(to - from) <= 0)
		return false;
	cursor_skip(&mine, from - seg->seq);
	cursor_skip(&theirs, TCP_RECENT_BYTES - (next - from));
	return memcmp(cursor_take(&mine, to - from), cursor_take(&theirs, to - from), to - from) != 0;
}

static void
set_direct(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	uint32_t *next = &s->next[seg->direction], seen = *next - seg->seq;
	struct cursor bytes = seg->payload;

	if (seen > 0)
		COUNTER_ADD(t->counters, overlapping, 1);
	cursor_skip(&bytes, seen);
	*next += (uint32_t)cursor_left(&bytes);
	t->has_direct = true;
	t->direct = (struct tcp_chunk){.bytes = bytes,
				       .time_ns = seg->time_ns,
				       .length = (uint32_t)cursor_left(&bytes),
				       .direction = seg->direction};
}

/* The bytes that both have are not the same, as far as is known. */
static bool
differs(const struct tcp_hold *t, const struct held *h, uint32_t from, uint32_t to, const struct tcp_segment *seg)
{
	const uint8_t *bytes = held_bytes(&t->memory, h);
	struct cursor mine = seg->payload;
	uint32_t edge_from = h->seq + h->length - HELD_EDGE_BYTES;

	if (bytes != NULL) {
		struct cursor theirs = cursor_make(bytes, h->length);

		cursor_skip(&theirs, from - h->seq);
		cursor_skip(&mine, from - seg->seq);
		return memcmp(cursor_take(&theirs, to - from), cursor_take(&mine, to - from), to - from) != 0;
	}
	if ((int32_t)(from - edge_from) < 0)
		from = edge_from;
	if ((int32_t)(from - h->seq) < 0)
		from = h->seq;
	if ((int32_t)(to - from) <= 0)
		return false;
	cursor_skip(&mine, from - seg->seq);
	return memcmp(h->edge + (from - edge_from), cursor_take(&mine, to - from), to - from) != 0;
}

/* Whether they share bytes; then both know it. */
static bool
compare(struct tcp_hold *t, struct held *h, const struct tcp_segment *seg, unsigned *result)
{
	uint32_t from = seg->seq, to = seg->seq + (uint32_t)cursor_left(&seg->payload);

	if (h->direction != seg->direction)
		return false;
	if ((int32_t)(h->seq - from) > 0)
		from = h->seq;
	if ((int32_t)(h->seq + h->length - to) < 0)
		to = h->seq + h->length;
	if ((int32_t)(to - from) <= 0)
		return false;
	h->overlapped = true;
	if (differs(t, h, from, to, seg))
		*result |= TCP_OVERLAP_DIFFERS;
	return true;
}

/* The conversation's order. 1: 'seg' comes after 'h', 0: it has the same number, -1: it comes before. */
static int
order(const struct held *h, const struct tcp_segment *seg)
{
	int32_t distance;

	if (h->direction == seg->direction) {
		distance = (int32_t)(seg->seq - h->seq);
		return distance > 0 ? 1 : distance < 0 ? -1 : 0;
	}
	distance = (int32_t)(seg->seq - h->ack);
	if (distance != 0)
		return distance > 0 ? 1 : -1;
	return (int32_t)(h->seq - seg->ack) < 0 ? 1 : -1;
}

struct place {
	uint32_t after; /* 0: at the front */
	uint32_t twin;	/* has the same number; 0: none */
	bool overlaps;
	unsigned result;
};

static struct place
find_place(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	struct place place = {.result = TCP_PULL | (s->queue->n > 0 ? TCP_OUT_OF_ORDER : 0)};
	uint32_t handle = s->queue->last;

	for (; handle != 0; handle = held_at(&t->memory, handle)->previous) {
		struct held *h = held_at(&t->memory, handle);
		int side = order(h, seg);

		place.overlaps |= compare(t, h, seg, &place.result);
		if (side < 0)
			continue;
		place.after = handle;
		place.twin = side == 0 ? handle : 0;
		break;
	}
	for (unsigned i = 0; i < LOOK_BACK && handle != 0; i++) {
		handle = held_at(&t->memory, handle)->previous;
		if (handle != 0)
			place.overlaps |= compare(t, held_at(&t->memory, handle), seg, &place.result);
	}
	return place;
}

/* A segment with the same number waits. False: the new one is not taken. */
static bool
replace_twin(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg, struct place *place)
{
	struct held *twin = held_at(&t->memory, place->twin);

	if (cursor_left(&seg->payload) <= twin->length) {
		COUNTER_ADD(t->counters, retransmitted, 1);
		return false;
	}
	/* The longer one takes its place, unless what came first has to stay. */
	if (t->conf->overlap == TCP_OVERLAP_FIRST && (place->result & TCP_OVERLAP_DIFFERS) != 0)
		return true;
	place->after = twin->previous;
	held_remove(&t->memory, s->queue, place->twin);
	held_free(&t->memory, place->twin);
	return true;
}

static void
fill(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg, uint32_t handle)
{
	struct held *h = held_at(&t->memory, handle);
	struct cursor bytes = seg->payload;
	uint32_t length = (uint32_t)cursor_left(&bytes);
	uint32_t edge = length < HELD_EDGE_BYTES ? length : HELD_EDGE_BYTES;

	h->seq = seg->seq;
	h->ack = seg->ack;
	h->length = length;
	h->direction = seg->direction;
	h->time_ns = seg->time_ns;
	t->borrowed = handle;
	t->borrowed_bytes = cursor_take(&bytes, length);
	t->keeps_borrowed = s->keeps_bytes;
	bytes = seg->payload;
	cursor_skip(&bytes, length - edge);
	memcpy(h->edge + HELD_EDGE_BYTES - edge, cursor_take(&bytes, edge), edge);
}

static unsigned
enqueue(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	struct place place = find_place(t, s, seg);
	uint32_t handle;

	if (place.twin != 0 && !replace_twin(t, s, seg, &place))
		return place.result & ~(unsigned)TCP_OUT_OF_ORDER;
	handle = held_create(&t->memory);
	if (unlikely(handle == 0)) {
		COUNTER_ADD(t->counters, no_memory, 1);
		return place.result;
	}
	fill(t, s, seg, handle);
	held_at(&t->memory, handle)->overlapped = place.overlaps;
	held_insert(&t->memory, s->queue, place.after, handle);
	return place.result;
}

unsigned
tcp_push(struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	uint32_t length = (uint32_t)cursor_left(&seg->payload);
	bool ahead = is_ahead(s, seg->direction, seg->seq);
	unsigned result = 0;

	give_back(t);
	if (length == 0)
		return s->queue->n > 0 ? TCP_PULL : 0;
	if (!ahead && differs_from_recent(s, seg))
		result |= TCP_OVERLAP_DIFFERS;
	if (is_old(s, seg->direction, seg->seq, length)) {
		count_old(t, s, seg);
		result |= s->queue->n > 0 ? TCP_PULL : 0;
	} else if (s->queue->n == 0 && !ahead) {
		set_direct(t, s, seg);
		result |= TCP_PULL;
	} else {
		result |= enqueue(t, s, seg);
	}
	if ((result & TCP_OVERLAP_DIFFERS) != 0)
		COUNTER_ADD(t->counters, differing, 1);
	return result;
}

/* The bytes of one that waits, from sequence number 'from'. */
static struct cursor
bytes_of(const struct tcp_hold *t, uint32_t handle, uint32_t from)
{
	const struct held *h = held_at(&t->memory, handle);
	const uint8_t *bytes = handle == t->borrowed ? t->borrowed_bytes : held_bytes(&t->memory, h);
	struct cursor c;

	if (bytes == NULL)
		return cursor_make("", 0);
	c = cursor_make(bytes, h->length);
	cursor_skip(&c, from - h->seq);
	return c;
}

/* It leaves the queue; its bytes stay until the next call. */
static void
hand_out(struct tcp_hold *t, const struct tcp_stream *s, uint32_t handle)
{
	held_remove(&t->memory, s->queue, handle);
	if (handle == t->borrowed)
		t->borrowed = 0;
	t->given = handle;
}

static bool
covers(const struct held *h, uint32_t seq)
{
	return seq - h->seq < h->length;
}

/* tcpOverlap=first: of those that have the byte at 'seq' the one that came first, and how far nobody was earlier. */
static uint32_t
first_comer(const struct tcp_hold *t, uint32_t handle, uint32_t seq, uint32_t *end)
{
	const struct held *first = held_at(&t->memory, handle), *best = first;

	for (uint32_t i = first->next; i != 0; i = held_at(&t->memory, i)->next) {
		const struct held *h = held_at(&t->memory, i);

		if (h->direction != first->direction || !h->overlapped || !covers(h, seq) ||
		    (int32_t)(h->arrival - best->arrival) > 0)
			continue;
		best = h;
		handle = i;
	}
	*end = best->seq + best->length;
	for (uint32_t i = first->next; i != 0; i = held_at(&t->memory, i)->next) {
		const struct held *h = held_at(&t->memory, i);

		if (h->direction == first->direction && (int32_t)(h->arrival - best->arrival) < 0 &&
		    (int32_t)(h->seq - seq) > 0 && (int32_t)(h->seq - *end) < 0)
			*end = h->seq;
	}
	return handle;
}

/* The next bytes of the segment at the head, from the number its side is expected to send. */
static void
deliver(struct tcp_hold *t, const struct tcp_stream *s, uint32_t handle, struct tcp_chunk *out)
{
	const struct held *h = held_at(&t->memory, handle);
	uint32_t *next = &s->next[h->direction], end = h->seq + h->length;

	if (h->overlapped && t->conf->overlap == TCP_OVERLAP_FIRST) {
		handle = first_comer(t, handle, *next, &end);
		h = held_at(&t->memory, handle);
	}
	if (*next != h->seq)
		COUNTER_ADD(t->counters, overlapping, 1);
	out->bytes = bytes_of(t, handle, *next);
	out->length = end - *next;
	cursor_limit(&out->bytes, out->length);
	out->time_ns = h->time_ns;
	out->direction = h->direction;
	*next = end;
	if (end == h->seq + h->length)
		hand_out(t, s, handle);
}

/* False: the head has to wait. What is wholly old goes away here. */
static bool
pull_head(struct tcp_hold *t, const struct tcp_stream *s, struct tcp_chunk *out)
{
	uint32_t handle = s->queue->first;
	struct held *h = held_at(&t->memory, handle);
	unsigned d = h->direction;

	out->missing = 0;
	out->length = 0;
	if (is_ahead(s, d, h->seq)) {
		if (!h->gap)
			return false;
		out->missing = h->seq - s->next[d];
		s->next[d] = h->seq;
		COUNTER_ADD(t->counters, gaps, 1);
		COUNTER_ADD(t->counters, gap_bytes, out->missing);
	}
	if (is_old(s, d, h->seq, h->length)) {
		COUNTER_ADD(t->counters, retransmitted, 1);
		hand_out(t, s, handle);
		return true;
	}
	deliver(t, s, handle, out);
	return true;
}

/* What came with this packet and has to wait: now its bytes are copied. */
static void
keep_borrowed(struct tcp_hold *t, const struct tcp_stream *s)
{
	uint32_t handle = t->borrowed;
	struct held *h;

	if (handle == 0)
		return;
	t->borrowed = 0;
	COUNTER_ADD(t->counters, held, 1);
	h = held_at(&t->memory, handle);
	if (!t->keeps_borrowed || likely(held_keep(&t->memory, h, t->borrowed_bytes, h->length)))
		return;
	COUNTER_ADD(t->counters, no_memory, 1);
	held_remove(&t->memory, s->queue, handle);
	held_free(&t->memory, handle);
}

bool
tcp_pull(struct tcp_hold *t, const struct tcp_stream *s, struct tcp_chunk *out)
{
	give_back(t);
	if (t->has_direct) {
		t->has_direct = false;
		*out = t->direct;
		return true;
	}
	while (s->queue->first != 0 && pull_head(t, s, out)) {
		if (out->length > 0)
			return true;
		give_back(t);
	}
	keep_borrowed(t, s);
	return false;
}

bool
tcp_is_full(const struct tcp_hold *t, const struct held_queue *q)
{
	return q->n > t->conf->max_packets || q->bytes > t->conf->max_bytes;
}

bool
tcp_gap_is_lost(const struct tcp_hold *t, const struct tcp_stream *s, const struct tcp_segment *seg)
{
	const struct held *h;

	if (s->queue->first == 0 || !s->synchronised)
		return false;
	h = held_at(&t->memory, s->queue->first);
	return h->direction != seg->direction && (int32_t)(seg->ack - h->seq) >= 0 &&
	       is_ahead(s, h->direction, h->seq) &&
	       (s->queue->n >= LOST_SEGMENTS || seg->time_ns > h->time_ns + LOST_NS);
}

void
tcp_skip_gap(struct tcp_hold *t, const struct tcp_stream *s)
{
	if (s->queue->first != 0 && s->synchronised)
		held_at(&t->memory, s->queue->first)->gap = true;
}

bool
tcp_pull_single(struct tcp_hold *t, const struct tcp_stream *s, struct tcp_chunk *out)
{
	uint32_t handle = s->queue->first;
	const struct held *h;

	give_back(t);
	if (s->queue->n != 1)
		return false;
	h = held_at(&t->memory, handle);
	*out = (struct tcp_chunk){.bytes = bytes_of(t, handle, h->seq),
				  .time_ns = h->time_ns,
				  .length = h->length,
				  .direction = h->direction};
	hand_out(t, s, handle);
	return true;
}

void
tcp_clear(struct tcp_hold *t, struct held_queue *q)
{
	give_back(t);
	t->borrowed = 0;
	COUNTER_ADD(t->counters, cleared, q->n);
	held_clear(&t->memory, q);
}
