#include "harness.h"

/* Sequence numbers after it: 1001 and 5001. */
static void
connect(struct rig *r)
{
	TCP(r, 0, .flags = TCP_S, .seq = 1000);
	TCP(r, 1, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 1001);
}

static void
start(struct rig *r)
{
	rig_init(r);
	r->feeds = true;
	rig_start(r);
}

static struct record *
finish(struct rig *r)
{
	rig_flush(r);
	return rig_record(r);
}

#define SAY(r, ms, from_, seq_, ack_, text_)                                                                           \
	TCP(r, ms, .from = from_, .flags = TCP_A, .seq = seq_, .ack = ack_, .text = text_)

TEST(a_stream_is_heard_in_the_order_of_the_conversation)
{
	struct rig r;
	struct record *rec;

	start(&r);
	connect(&r);
	SAY(&r, 2, 0, 1004, 5001, "def");
	SAY(&r, 3, 1, 5001, 1007, "answer");
	EXPECT_STR(r.heard, "");
	SAY(&r, 4, 0, 1001, 5001, "abc");
	EXPECT_STR(r.heard, "0:abc 0:def 1:answer");
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:abc 0:def 1:answer final");
	EXPECT_EQ(rec->summary.data_bytes[0], 6);
	EXPECT_EQ(rec->summary.data_bytes[1], 6);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "abcdef", 6), 0);
	/* The client's first segment met an empty queue. */
	EXPECT_STR(rig_values(rec, "tags"), "acked-unseen-segment-dst,out-of-order-dst,out-of-order-src");
	rig_stop(&r);
}

TEST(a_session_that_nobody_parses_still_counts_what_is_in_order)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.stops = 1;
	connect(&r);
	SAY(&r, 2, 0, 1001, 5001, "ab");
	SAY(&r, 3, 0, 1006, 5001, "fghi");
	SAY(&r, 4, 0, 1003, 5001, "cde");
	SAY(&r, 5, 0, 1010, 5001, "jk");
	EXPECT_STR(r.heard, "0:ab");
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:ab");
	EXPECT_EQ(rec->summary.data_bytes[0], 11);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "abcdefgh", 8), 0);
	rig_stop(&r);
}

TEST(too_much_behind_a_hole_ends_the_stream_without_gap_skip)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.conf.tcp.max_packets = 64;
	connect(&r);
	for (unsigned i = 0; i < 65; i++)
		SAY(&r, 2, 0, 2000 + i, 5001, "x");
	SAY(&r, 3, 0, 1001, 5001, "abc"); /* one packet too late */
	SAY(&r, 4, 0, 1004, 5001, "def");
	EXPECT_STR(r.heard, "");
	EXPECT_EQ(rig_counter(&r, "tcp.given_up"), 1);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "out-of-order-src,incomplete-tcp");
	EXPECT_EQ(rec->summary.data_bytes[0], 0);
	EXPECT_EQ(rec->summary.packets[0], 68);
	rig_stop(&r);
}

TEST(and_skips_the_gap_with_it)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.conf.tcp.max_packets = 64;
	r.conf.tcp.gap_skip = true;
	connect(&r);
	SAY(&r, 2, 0, 1011, 5001, "x");
	for (unsigned i = 0; i < 64; i++)
		SAY(&r, 2, 0, 2000 + i, 5001, "y");
	EXPECT_STR(r.heard, "");
	TCP(&r, 3, .flags = TCP_A, .seq = 1001, .ack = 5001);
	EXPECT_STR(r.heard, "0:[10]x");
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT(strncmp(r.heard, "0:[10]x 0:[988]y 0:y 0:y", 24) == 0);
	EXPECT_EQ(rec->summary.data_bytes[0], 65);
	EXPECT_STR(rig_values(rec, "tags"), "out-of-order-src");
	rig_stop(&r);
}

TEST(a_gap_that_the_receiver_acknowledged_is_not_waited_for)
{
	struct rig r;

	start(&r);
	r.conf.tcp.gap_skip = true;
	connect(&r);
	SAY(&r, 10, 0, 1004, 5001, "def");
	SAY(&r, 20, 1, 5001, 1007, "answer");
	EXPECT_STR(r.heard, "");
	SAY(&r, 1500, 1, 5007, 1007, "more");
	EXPECT_STR(r.heard, "0:[3]def 1:answer 1:more");
	rig_stop(&r);
}

TEST(a_stream_without_a_syn_is_picked_up_only_with_midstream)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.conf.tcp.midstream = true;
	SAY(&r, 0, 0, 70000, 90000, "abc");
	SAY(&r, 1, 1, 90000, 70003, "def");
	SAY(&r, 2, 0, 70003, 90003, "ghi");
	EXPECT_STR(r.heard, "0:abc 1:def 0:ghi");
	EXPECT_EQ(rig_counter(&r, "tcp.midstream"), 1);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.data_bytes[0], 6);
	EXPECT_STR(rig_values(rec, "tags"), "");
	rig_stop(&r);

	start(&r);
	SAY(&r, 0, 0, 70000, 90000, "abc");
	SAY(&r, 1, 1, 90000, 70003, "def");
	rec = finish(&r);
	EXPECT_STR(r.heard, " final");
	rig_stop(&r);
}

TEST(the_only_segment_of_a_session_with_one_psh_is_heard_at_its_end_and_not_counted)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_P | TCP_A, .seq = 70000, .ack = 1, .text = "single");
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:single final");
	EXPECT_EQ(rec->summary.data_bytes[0], 0);
	EXPECT_EQ(rec->summary.payload8_bytes[0], 0);
	rig_stop(&r);
}

TEST(overlapping_bytes_that_differ_are_tagged_once)
{
	struct rig r;
	struct record *rec;

	start(&r);
	connect(&r);
	for (unsigned i = 0; i < 3; i++) {
		SAY(&r, 2, 0, 1005 + 8 * i, 5001, "efgh");
		SAY(&r, 3, 0, 1001 + 8 * i, 5001, "abcdXXXX");
	}
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "out-of-order-src,tcp-overlap");
	EXPECT_EQ(rec->summary.data_bytes[0], 24);
	rig_stop(&r);
}

/* "abcd", a hole that is given up, "ijkl", and then what was missing: the same bytes as its sender's. */
TEST(what_fills_a_hole_too_late_is_not_compared_with_the_bytes_before_it)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.conf.tcp.gap_skip = true;
	connect(&r);
	SAY(&r, 2, 0, 1001, 5001, "abcd");
	SAY(&r, 3, 0, 1009, 5001, "ijkl");
	SAY(&r, 1500, 1, 5001, 1013, "answer");
	EXPECT_STR(r.heard, "0:abcd 0:[4]ijkl 1:answer");
	SAY(&r, 1501, 0, 1005, 5007, "efgh");
	SAY(&r, 1502, 0, 1007, 5007, "ghXXkl"); /* but these are other ones */
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:abcd 0:[4]ijkl 1:answer final");
	EXPECT_STR(rig_values(rec, "tags"), "acked-unseen-segment-dst,out-of-order-dst,tcp-overlap");
	EXPECT_EQ(rig_counter(&r, "tcp.overlap_differs"), 1);
	rig_stop(&r);
}

TEST(a_syn_after_a_connection_that_was_picked_up_forgets_the_bytes_of_that)
{
	struct rig r;
	struct record *rec;

	start(&r);
	r.conf.tcp.midstream = true;
	SAY(&r, 0, 0, 70000, 90000, "abcdefgh");
	TCP(&r, 1, .flags = TCP_S, .seq = 1000);
	SAY(&r, 2, 0, 997, 90000, "xxxxnew"); /* the first four are before its beginning */
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:abcdefgh 0:new final");
	EXPECT_EQ(rig_counter(&r, "tcp.overlap_differs"), 0);
	rig_stop(&r);
}

TEST(parsers_hear_of_linked_records_and_of_sessions_that_leave_none)
{
	struct rig r;

	start(&r);
	r.conf.max_packets = 3;
	connect(&r);
	SAY(&r, 2, 0, 1001, 5001, "a"); /* the linked record is written before this is heard */
	SAY(&r, 3, 0, 1002, 5001, "b");
	SAY(&r, 4, 0, 1003, 5001, "c");
	EXPECT_STR(r.heard, "0:a 0:b 0:c");
	SAY(&r, 5, 0, 1004, 5001, "d");
	EXPECT_STR(r.heard, "0:a 0:b 0:c mid 0:d");
	r.no_store = true;
	rig_flush(&r);
	EXPECT_STR(r.heard, "0:a 0:b 0:c mid 0:d none");
	rig_stop(&r);
}

TEST(parsers_end_with_both_fins_and_not_with_the_session_when_every_byte_was_there)
{
	struct rig r;
	struct record *rec;

	start(&r);
	connect(&r);
	SAY(&r, 2, 0, 1001, 5001, "abc");
	TCP(&r, 3, .flags = TCP_F | TCP_A, .seq = 1004, .ack = 5001);
	TCP(&r, 4, .from = 1, .flags = TCP_F | TCP_A, .seq = 5001, .ack = 1005);
	EXPECT_STR(r.heard, "0:abc");
	TCP(&r, 5, .flags = TCP_A, .seq = 1005, .ack = 5002);
	EXPECT_STR(r.heard, "0:abc final");
	SAY(&r, 6, 1, 5001, 1005, "late");
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(r.heard, "0:abc final");
	EXPECT_EQ(rec->summary.packets[0] + rec->summary.packets[1], 7);
	rig_stop(&r);
}

TEST(parsers_wait_behind_both_fins_for_bytes_that_are_missing)
{
	struct rig r;

	start(&r);
	connect(&r);
	SAY(&r, 2, 0, 1001, 5001, "abc");
	TCP(&r, 3, .flags = TCP_F | TCP_A, .seq = 1007, .ack = 5001);
	TCP(&r, 4, .from = 1, .flags = TCP_F | TCP_A, .seq = 5001, .ack = 1008);
	TCP(&r, 5, .flags = TCP_A, .seq = 1008, .ack = 5002);
	EXPECT_STR(r.heard, "0:abc");
	SAY(&r, 6, 0, 1004, 5002, "def");
	EXPECT_STR(r.heard, "0:abc 0:def");
	rig_flush(&r);
	EXPECT_STR(r.heard, "0:abc 0:def final");
	rig_stop(&r);
}

TEST(every_datagram_is_heard_and_icmp_too)
{
	struct rig r;

	start(&r);
	rig_udp(&r, 0, 0, 0, 3);
	rig_udp(&r, 1, 0, 1, 0); /* empty: nothing */
	rig_udp(&r, 2, 0, 1, 2);
	EXPECT_STR(r.heard, "0:abc 1:ab");
	r.heard[0] = '\0';
	rig_icmp(&r, 3, 0, 'x', 'y');
	EXPECT_STR(r.heard, "0:xy");
	rig_stop(&r);
}
