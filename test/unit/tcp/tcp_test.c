#include "tcp.h"

#include <stdlib.h>

#include "test.h"

/* What came out, as text: "0:hello 1:world", "0:[5]x" behind a hole of 5 bytes. */
struct rig {
	struct tcp_conf conf;
	struct counters counters;
	struct tcp_hold *hold;
	uint32_t next[2];
	struct held_queue queue;
	struct tcp_recent recent;
	bool unsynchronised, no_bytes;
	uint64_t time_ns;
	char out[65536];
	size_t size;
	unsigned result; /* of the last push */
};

static void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->conf = (struct tcp_conf){.max_packets = 256, .max_bytes = 1 << 20, .memory_bytes = 1 << 20};
	r->next[0] = 1000;
	r->next[1] = 5000;
}

static struct rig *
rig_start(struct rig *r)
{
	r->hold = tcp_hold_create(&r->conf, 1, &r->counters);
	if (r->hold == NULL)
		abort();
	return r;
}

static void
rig_stop(struct rig *r)
{
	tcp_clear(r->hold, &r->queue);
	EXPECT_EQ(tcp_hold_bytes(r->hold), 0);
	tcp_hold_destroy(r->hold);
}

static struct tcp_stream
stream(struct rig *r)
{
	return (struct tcp_stream){.next = r->next,
				   .queue = &r->queue,
				   .recent = &r->recent,
				   .synchronised = !r->unsynchronised,
				   .keeps_bytes = !r->no_bytes};
}

static void
take(struct rig *r, const struct tcp_chunk *c)
{
	struct cursor bytes = c->bytes;
	size_t size = cursor_left(&bytes);

	tcp_recent_add(&r->recent, c->direction, bytes);
	if (r->size > 0 && r->size < sizeof(r->out) - 16)
		r->out[r->size++] = ' ';
	r->size += (size_t)snprintf(r->out + r->size, sizeof(r->out) - r->size, "%u:", c->direction);
	if (c->missing > 0)
		r->size += (size_t)snprintf(r->out + r->size, sizeof(r->out) - r->size, "[%u]", c->missing);
	if (size == 0 && c->length > 0)
		r->size += (size_t)snprintf(r->out + r->size, sizeof(r->out) - r->size, "(%u)", c->length);
	for (const uint8_t *b = cursor_take(&bytes, size); size > 0 && r->size < sizeof(r->out) - 1; size--)
		r->out[r->size++] = (char)*b++;
	r->out[r->size] = '\0';
}

static void
drain(struct rig *r)
{
	struct tcp_stream s = stream(r);
	struct tcp_chunk c;

	while (tcp_pull(r->hold, &s, &c))
		take(r, &c);
}

/* The bytes are wiped afterwards, as a packet's buffer is reused. */
static void
push_bytes(struct rig *r, unsigned d, uint32_t seq, uint32_t ack, const void *bytes, size_t size)
{
	uint8_t *copy = test_guard(bytes, size);
	struct tcp_segment seg = {.payload = cursor_make(copy, size),
				  .seq = seq,
				  .ack = ack,
				  .direction = (uint8_t)d,
				  .time_ns = r->time_ns};
	struct tcp_stream s = stream(r);

	if (tcp_in_order(r->next, r->queue.n == 0, &seg)) {
		struct tcp_chunk c = {.bytes = seg.payload, .length = (uint32_t)size, .direction = (uint8_t)d};

		take(r, &c);
		r->result = 0;
	} else {
		r->result = tcp_push(r->hold, &s, &seg);
		if ((r->result & TCP_PULL) != 0)
			drain(r);
	}
	test_guard_free(copy, size);
}

static void
push(struct rig *r, unsigned d, uint32_t seq, uint32_t ack, const char *text)
{
	push_bytes(r, d, seq, ack, text, strlen(text));
}

static uint64_t
count(const struct rig *r, const char *name)
{
	REGISTRY_FOREACH (counter, struct counter, c)
		if (strcmp((*c)->name, name) == 0)
			return r->counters.value[c - __start_registry_counter];
	test_fail(__FILE__, __LINE__, name);
	return 0;
}

static struct rig r;

TEST(segments_in_order_are_chunks_and_hold_nothing)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1000, 5000, "GET ");
	push(&r, 0, 1004, 5000, "/");
	push(&r, 1, 5000, 1005, "200");
	EXPECT_STR(r.out, "0:GET  0:/ 1:200");
	EXPECT_EQ(tcp_hold_bytes(r.hold), 0);
	EXPECT_EQ(count(&r, "tcp.held"), 0);
	rig_stop(&r);
}

TEST(a_segment_behind_a_hole_waits_as_a_copy)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1003, 5000, "def");
	EXPECT_STR(r.out, "");
	EXPECT_EQ(r.result, TCP_PULL);
	push(&r, 0, 1006, 5000, "ghi");
	EXPECT_EQ(r.result, TCP_PULL | TCP_OUT_OF_ORDER);
	EXPECT(tcp_hold_bytes(r.hold) > 0);
	push(&r, 0, 1000, 5000, "abc"); /* fills the hole and is out of order itself: others waited */
	EXPECT_EQ(r.result, TCP_PULL | TCP_OUT_OF_ORDER);
	EXPECT_STR(r.out, "0:abc 0:def 0:ghi");
	EXPECT_EQ(r.queue.n, 0);
	EXPECT_EQ(count(&r, "tcp.held"), 2);
	rig_stop(&r);
}

TEST(an_answer_does_not_overtake_a_question_that_is_missing)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1003, 5000, "def");	   /* a hole before it */
	push(&r, 1, 5000, 1006, "answer"); /* acknowledges both */
	push(&r, 1, 5006, 1006, "more");
	EXPECT_STR(r.out, "");
	push(&r, 0, 1000, 5000, "abc");
	EXPECT_STR(r.out, "0:abc 0:def 1:answer 1:more");
	rig_stop(&r);
}

TEST(what_the_other_side_said_before_goes_before)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1003, 5000, "def");
	push(&r, 1, 5000, 1000, "greeting"); /* sent before anything of the client arrived */
	EXPECT_STR(r.out, "1:greeting");
	push(&r, 0, 1000, 5008, "abc");
	EXPECT_STR(r.out, "1:greeting 0:abc 0:def");
	rig_stop(&r);
}

TEST(numbers_wrap_around)
{
	rig_init(&r);
	r.next[0] = 0xfffffffd;
	rig_start(&r);
	push(&r, 0, 3, 5000, "ghi");
	push(&r, 0, 0, 5000, "def");
	push(&r, 0, 0xfffffffd, 5000, "abc");
	EXPECT_STR(r.out, "0:abc 0:def 0:ghi");
	push(&r, 0, 0xfffffffe, 5000, "bcdefghij"); /* old but for its last byte */
	EXPECT_STR(r.out, "0:abc 0:def 0:ghi 0:j");
	rig_stop(&r);
}

TEST(old_segments_are_told_apart)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1000, 5000, "abcdef");
	push(&r, 0, 1000, 5000, "abc");
	EXPECT_EQ(count(&r, "tcp.retransmitted"), 1);
	push(&r, 0, 1005, 5000, "f");
	EXPECT_EQ(count(&r, "tcp.keep_alive"), 1);
	push(&r, 0, 1004, 5000, "efgh");
	EXPECT_EQ(count(&r, "tcp.overlapping"), 1);
	EXPECT_STR(r.out, "0:abcdef 0:gh");
	rig_stop(&r);
}

TEST(of_two_with_one_number_the_longer_waits)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1003, 5000, "de");
	push(&r, 0, 1003, 5000, "d");
	EXPECT_EQ(r.result, TCP_PULL); /* dropped: no tag */
	EXPECT_EQ(r.queue.n, 1);
	push(&r, 0, 1003, 5000, "def");
	EXPECT_EQ(r.result, TCP_PULL | TCP_OUT_OF_ORDER);
	EXPECT_EQ(r.queue.n, 1);
	push(&r, 0, 1000, 5000, "abc");
	EXPECT_STR(r.out, "0:abc 0:def");
	rig_stop(&r);
}

/* tcprewrite --fragroute "tcp_seg 4": the second half first, then both, of which one half is garbage. */
TEST(of_differing_bytes_that_wait_those_count_that_came_first)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1004, 5000, "efgh");
	push(&r, 0, 1000, 5000, "abcdXXXX");
	EXPECT_EQ(r.result, TCP_PULL | TCP_OUT_OF_ORDER | TCP_OVERLAP_DIFFERS);
	EXPECT_STR(r.out, "0:abcd 0:efgh");
	push(&r, 0, 1010, 5000, "kl");
	push(&r, 0, 1008, 5000, "ijYYmn"); /* around it */
	EXPECT_STR(r.out, "0:abcd 0:efgh 0:ij 0:kl 0:mn");
	EXPECT_EQ(count(&r, "tcp.overlap_differs"), 2);
	rig_stop(&r);
}

TEST(or_those_of_the_segment_that_begins_first)
{
	rig_init(&r);
	r.conf.overlap = TCP_OVERLAP_SEQUENCE;
	rig_start(&r);
	push(&r, 0, 1004, 5000, "XXXX");
	push(&r, 0, 1000, 5000, "abcdefgh");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) != 0);
	EXPECT_STR(r.out, "0:abcdefgh");
	rig_stop(&r);
}

TEST(a_longer_twin_with_other_bytes_does_not_replace_the_first)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1002, 5000, "cd");
	push(&r, 0, 1002, 5000, "XXef");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) != 0);
	push(&r, 0, 1000, 5000, "ab");
	EXPECT_STR(r.out, "0:ab 0:cd 0:ef");
	rig_stop(&r);
}

TEST(equal_bytes_are_no_difference)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1004, 5000, "efgh");
	push(&r, 0, 1002, 5000, "cdef");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) == 0);
	push(&r, 0, 1000, 5000, "abcd");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) == 0);
	EXPECT_EQ(r.next[0], 1008);
	rig_stop(&r);
}

TEST(without_bytes_lengths_wait_and_the_last_bytes_still_differ)
{
	rig_init(&r);
	r.no_bytes = true;
	rig_start(&r);
	push(&r, 0, 1003, 5000, "defghijklmnopqrstuvwxyz");
	push(&r, 0, 1010, 5000, "klmnopqrstuvwxyz");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) == 0);
	push(&r, 0, 1022, 5000, "w???");
	EXPECT((r.result & TCP_OVERLAP_DIFFERS) != 0);
	push(&r, 0, 1000, 5000, "abc");
	EXPECT_EQ(r.next[0], 1026);
	EXPECT(strncmp(r.out, "0:abc 0:(23)", 12) == 0);
	rig_stop(&r);
}

TEST(a_gap_that_is_skipped_says_how_much_is_missing)
{
	struct tcp_stream s;

	rig_init(&r);
	rig_start(&r);
	s = stream(&r);
	push(&r, 0, 1005, 5000, "fgh");
	push(&r, 0, 1010, 5000, "klm");
	tcp_skip_gap(r.hold, &s);
	drain(&r);
	EXPECT_STR(r.out, "0:[5]fgh");
	tcp_skip_gap(r.hold, &s);
	drain(&r);
	EXPECT_STR(r.out, "0:[5]fgh 0:[2]klm");
	push(&r, 0, 1000, 5000, "abcde"); /* too late */
	EXPECT_STR(r.out, "0:[5]fgh 0:[2]klm");
	EXPECT_EQ(count(&r, "tcp.gaps"), 2);
	EXPECT_EQ(count(&r, "tcp.gap_bytes"), 7);
	rig_stop(&r);
}

TEST(a_hole_that_the_receiver_acknowledged_is_lost_when_much_or_long_waits)
{
	struct tcp_segment ack = {.direction = 1, .ack = 1008};
	struct tcp_stream s;

	rig_init(&r);
	rig_start(&r);
	s = stream(&r);
	push(&r, 0, 1005, 5000, "fgh");
	EXPECT(!tcp_gap_is_lost(r.hold, &s, &ack)); /* may be reordering */
	ack.time_ns = UINT64_C(1100000000);
	EXPECT(tcp_gap_is_lost(r.hold, &s, &ack));
	ack.ack = 1000;
	EXPECT(!tcp_gap_is_lost(r.hold, &s, &ack));
	ack.ack = 1008;
	ack.time_ns = 0;
	for (unsigned i = 0; i < 16; i++)
		push(&r, 0, 1008 + i, 5000, "x");
	EXPECT(tcp_gap_is_lost(r.hold, &s, &ack));
	ack.direction = 0;
	EXPECT(!tcp_gap_is_lost(r.hold, &s, &ack));
	rig_stop(&r);
}

TEST(full_means_one_more_packet_than_the_limit_or_more_bytes)
{
	rig_init(&r);
	r.conf.max_packets = 64;
	rig_start(&r);
	for (unsigned i = 0; i < 64; i++)
		push(&r, 0, 2000 + 2 * i, 5000, "x");
	EXPECT(!tcp_is_full(r.hold, &r.queue));
	push(&r, 0, 3000, 5000, "x");
	EXPECT(tcp_is_full(r.hold, &r.queue));
	tcp_clear(r.hold, &r.queue);
	EXPECT_EQ(count(&r, "tcp.cleared"), 65);
	r.conf.max_bytes = 10;
	push(&r, 0, 2000, 5000, "eleven byte");
	EXPECT(tcp_is_full(r.hold, &r.queue));
	rig_stop(&r);
}

TEST(what_finds_no_memory_is_counted_and_leaves_a_hole)
{
	static uint8_t big[60000];

	rig_init(&r);
	r.conf.memory_bytes = 100000;
	rig_start(&r);
	push_bytes(&r, 0, 2000, 5000, big, sizeof(big));
	EXPECT_EQ(r.queue.n, 1);
	push_bytes(&r, 0, 70000, 5000, big, sizeof(big));
	EXPECT_EQ(r.queue.n, 1);
	EXPECT_EQ(count(&r, "tcp.no_memory"), 1);
	rig_stop(&r);
}

TEST(without_a_syn_nothing_is_expected_but_number_0)
{
	struct tcp_stream s;
	struct tcp_chunk c;

	rig_init(&r);
	r.unsynchronised = true;
	r.next[0] = r.next[1] = 0;
	rig_start(&r);
	s = stream(&r);
	push(&r, 0, 0xf0000000, 77, "high");
	EXPECT_STR(r.out, "");
	EXPECT_EQ(r.queue.n, 1);
	s = stream(&r);
	tcp_skip_gap(r.hold, &s); /* nothing to skip: what is missing is not known */
	drain(&r);
	EXPECT_STR(r.out, "");
	REQUIRE(tcp_pull_single(r.hold, &s, &c));
	take(&r, &c);
	EXPECT_STR(r.out, "0:high");
	EXPECT_EQ(r.next[0], 0);
	EXPECT(!tcp_pull_single(r.hold, &s, &c));
	push(&r, 1, 0, 77, "zero");
	EXPECT_STR(r.out, "0:high 1:zero");
	rig_stop(&r);
}

TEST(bytes_delivered_last_are_compared_with_what_comes_again)
{
	rig_init(&r);
	rig_start(&r);
	push(&r, 0, 1000, 5000, "abcdefghijklmnopqrst");
	push(&r, 0, 1010, 5000, "klmnopqrst");
	EXPECT_EQ(r.result, 0);
	push(&r, 0, 1010, 5000, "klmnopqrsX");
	EXPECT_EQ(r.result, TCP_OVERLAP_DIFFERS);
	push(&r, 0, 1018, 5000, "sXu"); /* partly new */
	EXPECT_EQ(r.result, TCP_OVERLAP_DIFFERS | TCP_PULL);
	EXPECT_STR(r.out, "0:abcdefghijklmnopqrst 0:u");
	push(&r, 0, 1020, 5000, "?"); /* a keep-alive's byte may be anything */
	EXPECT_EQ(r.result, 0);
	push(&r, 0, 1019, 5000, "tu");
	EXPECT_EQ(r.result, 0);
	push(&r, 0, 1000, 5000, "XXXX"); /* longer ago than is remembered */
	EXPECT_EQ(r.result, 0);
	push(&r, 1, 5000, 1021, "abc");
	push(&r, 1, 4990, 1021, "0123456789abX");
	EXPECT_EQ(r.result, TCP_OVERLAP_DIFFERS);
	rig_stop(&r);
}

/* ---- Any segmentation, order and repetition of two streams gives the same two streams. */

static uint32_t
random_below(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 33) % n;
}

enum { STREAM_BYTES = 400, PIECES_MAX = 200 };

struct piece {
	uint8_t direction;
	uint32_t at, size;
};

static unsigned
cut(uint64_t *seed, struct piece *out)
{
	unsigned n = 0;

	for (uint8_t d = 0; d < 2; d++)
		for (uint32_t at = 0; at < STREAM_BYTES && n < PIECES_MAX; n++) {
			uint32_t size = 1 + random_below(seed, 40),
				 back = random_below(seed, 4) == 0 ? random_below(seed, 10) : 0;

			if (back > at)
				back = at;
			if (at + size > STREAM_BYTES)
				size = STREAM_BYTES - at;
			out[n] = (struct piece){.direction = d, .at = at - back, .size = size + back};
			at += size;
		}
	for (unsigned i = n; i > 1; i--) {
		unsigned k = random_below(seed, i);
		struct piece other = out[k];

		out[k] = out[i - 1];
		out[i - 1] = other;
	}
	return n;
}

TEST(any_order_gives_the_same_stream)
{
	static uint8_t text[2][STREAM_BYTES], got[2][STREAM_BYTES];
	uint64_t seed = 88172645463325252;

	for (unsigned d = 0; d < 2; d++)
		for (unsigned i = 0; i < STREAM_BYTES; i++)
			text[d][i] = (uint8_t)random_below(&seed, 256);
	for (unsigned round = 0; round < 500; round++) {
		struct piece piece[PIECES_MAX];
		uint32_t isn[2] = {random_below(&seed, 2) == 0 ? 0xffffff80 : 7, 0xfffffff0};
		unsigned n = cut(&seed, piece);
		struct tcp_stream s;
		uint32_t done[2] = {0, 0};

		rig_init(&r);
		r.conf.overlap = (int)(round % 2);
		r.next[0] = isn[0];
		r.next[1] = isn[1];
		rig_start(&r);
		s = stream(&r);
		for (unsigned i = 0; i < n; i++) {
			unsigned d = piece[i].direction;
			struct tcp_segment seg = {.payload = cursor_make(text[d] + piece[i].at, piece[i].size),
						  .seq = isn[d] + piece[i].at,
						  .ack = isn[!d] + piece[i].at, /* as far as the other side was */
						  .direction = (uint8_t)d};
			struct tcp_chunk c;

			EXPECT((tcp_push(r.hold, &s, &seg) & TCP_OVERLAP_DIFFERS) == 0);
			while (tcp_pull(r.hold, &s, &c)) {
				EXPECT_EQ(cursor_left(&c.bytes), c.length);
				REQUIRE(done[c.direction] + c.length <= STREAM_BYTES);
				memcpy(got[c.direction] + done[c.direction], cursor_take(&c.bytes, c.length), c.length);
				done[c.direction] += c.length;
			}
		}
		EXPECT_EQ(done[0], STREAM_BYTES);
		EXPECT_EQ(done[1], STREAM_BYTES);
		EXPECT_EQ(memcmp(got, text, sizeof(text)), 0);
		EXPECT_EQ(r.queue.n, 0);
		rig_stop(&r);
	}
}
