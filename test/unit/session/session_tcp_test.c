#include "harness.h"

/* Sequence numbers: the client's ISN is 1000, the server's 5000. */
static void
handshake(struct rig *r, unsigned flow)
{
	TCP(r, 0, .flow = flow, .flags = TCP_S, .seq = 1000);
	TCP(r, 30, .flow = flow, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 1001);
	TCP(r, 50, .flow = flow, .flags = TCP_A, .seq = 1001, .ack = 5001);
}

static void
start(struct rig *r)
{
	rig_init(r);
	rig_start(r);
}

static struct record *
finish(struct rig *r)
{
	rig_flush(r);
	return rig_record(r);
}

TEST(a_handshake_is_counted_timed_and_validated)
{
	struct rig r;
	struct record *rec;

	start(&r);
	handshake(&r, 0);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN_ACK], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_ACK], 1);
	EXPECT(rec->summary.has_init_rtt);
	EXPECT_EQ(rec->summary.init_rtt_ms, 25);
	EXPECT(rec->summary.has_tcp_seq && rec->summary.has_seq_source && rec->summary.has_seq_destination);
	EXPECT_EQ(rec->summary.seq[0], 1000);
	EXPECT_EQ(rec->summary.seq[1], 0); /* only when the SYN-ACK came first */
	EXPECT(rec->summary.syn_validated && rec->summary.syn_ack_validated);
	EXPECT_EQ(rec->summary.source_isn_count, 1);
	EXPECT(rec->summary.is_tcp);
	rig_stop(&r);
}

TEST(a_syn_ack_that_comes_first_makes_its_receiver_the_source)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 1001);
	TCP(&r, 5, .flags = TCP_P | TCP_A, .seq = 1001, .ack = 5001, .payload_bytes = 5);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.port[0], 1000);
	EXPECT_EQ(rec->summary.packets[1], 1);
	EXPECT(rec->summary.has_tcp_seq && !rec->summary.has_seq_source);
	EXPECT_EQ(rec->summary.seq[1], 5000);
	EXPECT(!rec->summary.has_init_rtt);
	EXPECT_EQ(rec->summary.data_bytes[0], 5);
	rig_stop(&r);
}

TEST(a_syn_that_comes_after_its_syn_ack_belongs_to_it_even_after_a_fin)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 1001);
	TCP(&r, 1, .flags = TCP_F | TCP_A, .seq = 1001, .ack = 5001);
	TCP(&r, 2, .flags = TCP_S, .seq = 1000);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 2);
	EXPECT(rec->summary.syn_validated && rec->summary.has_seq_source);
	EXPECT_EQ(rec->summary.seq[0], 1000);
	EXPECT_EQ(rec->summary.source_isn_count, 1);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(a_wrong_acknowledgment_validates_nothing)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_S, .seq = 1000);
	TCP(&r, 1, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 4711);
	TCP(&r, 2, .flags = TCP_A, .seq = 1001, .ack = 9999);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT(!rec->summary.syn_validated && !rec->summary.syn_ack_validated);
	rig_stop(&r);
}

TEST(data_counts_in_order_and_overlaps_once)
{
	struct rig r;
	struct record *rec;

	start(&r);
	handshake(&r, 0);
	TCP(&r, 60, .flags = TCP_P | TCP_A, .seq = 1001, .ack = 5001, .payload_bytes = 5);
	TCP(&r, 61, .flags = TCP_P | TCP_A, .seq = 1001, .ack = 5001, .payload_bytes = 5);
	TCP(&r, 62, .flags = TCP_A, .seq = 1004, .ack = 5001, .payload_bytes = 10);
	TCP(&r, 63, .flags = TCP_A, .from = 1, .seq = 5001, .ack = 1014, .payload_bytes = 3);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.data_bytes[0], 13);
	EXPECT_EQ(rec->summary.data_bytes[1], 3);
	EXPECT_EQ(rec->summary.payload8_bytes[0], 8);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "abcdecde", 8), 0) /* bytes 3.. of the third */;
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_PSH], 2);
	rig_stop(&r);
}

TEST(without_a_syn_no_payload_counts)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_P | TCP_A, .seq = 1001, .ack = 5001, .payload_bytes = 5);
	TCP(&r, 1, .flags = TCP_P | TCP_A, .seq = 1006, .ack = 5001, .payload_bytes = 5);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.data_bytes[0], 0);
	EXPECT(!rec->summary.has_tcp_seq);
	rig_stop(&r);
}

TEST(a_stream_that_begins_at_number_0_needs_no_syn)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_P | TCP_A, .seq = 0, .ack = 1, .payload_bytes = 5);
	TCP(&r, 1, .flags = TCP_P | TCP_A, .seq = 5, .ack = 1, .payload_bytes = 6);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.data_bytes[0], 11);
	rig_stop(&r);
}

TEST(a_syn_ack_from_the_side_of_the_syn_changes_no_number)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_S, .seq = 1000);
	TCP(&r, 1, .from = 1, .flags = TCP_S | TCP_A, .seq = 5000, .ack = 1001);
	TCP(&r, 2, .flags = TCP_S | TCP_A, .seq = 424242, .ack = 5001);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.seq[0], 1000);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN_ACK], 2);
	rig_stop(&r);
}

TEST(data_after_a_syn_that_nobody_answered_is_tagged_and_counts)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_S, .seq = 1000);
	TCP(&r, 1, .from = 1, .flags = TCP_P | TCP_A, .seq = 7000, .ack = 1001, .payload_bytes = 5);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.data_bytes[1], 5);
	EXPECT_STR(rig_values(rec, "tags"), "no-syn-ack");
	rig_stop(&r);
}

TEST(fin_from_both_sides_ends_the_session_after_the_closing_timeout)
{
	struct rig r;

	start(&r);
	handshake(&r, 0);
	TCP(&r, 1000, .flags = TCP_F | TCP_A, .seq = 1001, .ack = 5001);
	TCP(&r, 1001, .from = 1, .flags = TCP_F | TCP_A, .seq = 5001, .ack = 1002);
	TCP(&r, 2000, .flags = TCP_A, .seq = 1002, .ack = 5002); /* marked at second 2 */
	rig_clock(&r, 7999);
	EXPECT(rig_record(&r) == NULL);
	TCP(&r, 7999, .flags = TCP_A, .seq = 1002, .ack = 5002); /* still its session, and does not prolong it */
	rig_clock(&r, 8000);
	EXPECT(rig_record(&r) != NULL);
	EXPECT_EQ(rig_counter(&r, "session.closed"), 1);
	rig_stop(&r);
}

TEST(sessions_that_are_closing_are_known)
{
	struct session_stats stats;
	struct rig r;

	start(&r);
	handshake(&r, 0);
	handshake(&r, 1);
	TCP(&r, 100, .flags = TCP_F | TCP_A, .seq = 1001, .ack = 5001);
	TCP(&r, 110, .from = 1, .flags = TCP_F | TCP_A, .seq = 5001, .ack = 1002);
	TCP(&r, 120, .flags = TCP_A, .seq = 1002, .ack = 5002);
	session_stats(r.table, &stats);
	EXPECT_EQ(stats.live_all, 2);
	EXPECT_EQ(stats.closing, 1);
	rig_clock(&r, 100000);
	session_stats(r.table, &stats);
	EXPECT_EQ(stats.live_all, 1);
	EXPECT_EQ(stats.closing, 0);
	rig_flush(&r);
	rig_stop(&r);
}

TEST(one_fin_alone_does_not_close)
{
	struct rig r;

	start(&r);
	handshake(&r, 0);
	TCP(&r, 1000, .flags = TCP_F | TCP_A, .seq = 1001, .ack = 5001);
	TCP(&r, 1001, .from = 1, .flags = TCP_A, .seq = 5001, .ack = 1002);
	TCP(&r, 1002, .from = 1, .flags = TCP_A, .seq = 5001, .ack = 1002);
	rig_clock(&r, 60000);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(a_reset_closes_only_at_the_expected_number)
{
	struct rig r;

	start(&r);
	handshake(&r, 1); /* flow 1: exact, flow 2: ahead, flow 3: behind */
	handshake(&r, 2);
	handshake(&r, 3);
	TCP(&r, 100, .flow = 1, .flags = TCP_R | TCP_P, .seq = 1001);
	TCP(&r, 100, .flow = 2, .flags = TCP_R | TCP_P, .seq = 1002);
	TCP(&r, 100, .flow = 3, .flags = TCP_R | TCP_P, .seq = 900);
	rig_clock(&r, 10000);
	EXPECT(rig_record(&r) != NULL);
	EXPECT_EQ(rig_counter(&r, "session.closed"), 1);
	rig_flush(&r);
	for (unsigned i = 0; i < 2; i++) {
		struct record *rec = rig_record(&r);

		REQUIRE(rec != NULL);
		EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_RST], 1);
		/* Ahead of the expected number nothing more is counted. */
		EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_PSH], rec->summary.port[0] == 1003);
	}
	rig_stop(&r);
}

TEST(a_reset_without_any_syn_neither_closes_nor_counts_more)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 0, .flags = TCP_R | TCP_P | TCP_F, .seq = 0xf0000000);
	rig_clock(&r, 10000);
	EXPECT(rig_record(&r) == NULL);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_RST], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_FIN], 0);
	rig_stop(&r);
}

TEST(a_syn_with_another_number_after_a_reset_is_a_new_session)
{
	struct rig r;
	struct record *rec;

	start(&r);
	handshake(&r, 0);
	TCP(&r, 100, .flags = TCP_R, .seq = 99999);
	TCP(&r, 200, .flags = TCP_S, .seq = 1000); /* the old number: a retransmission */
	EXPECT(rig_record(&r) == NULL);
	TCP(&r, 300, .flags = TCP_S, .seq = 2000);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 4);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN], 2);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 1);
	EXPECT_EQ(rec->summary.seq[0], 2000);
	EXPECT_EQ(rig_counter(&r, "session.port_reused"), 1);
	rig_stop(&r);
}

TEST(a_syn_with_another_number_on_an_open_connection_is_counted)
{
	struct rig r;
	struct record *rec;

	start(&r);
	handshake(&r, 0);
	TCP(&r, 200, .flags = TCP_S, .seq = 2000);
	TCP(&r, 201, .flags = TCP_S, .seq = 3000);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.source_isn_count, 3);
	EXPECT_EQ(rec->summary.seq[0], 1000);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(a_long_connection_is_saved_by_time_and_goes_on)
{
	struct rig r;
	struct record *rec;

	start(&r);
	handshake(&r, 0);
	for (unsigned s = 1; s <= 480; s += 100)
		TCP(&r, s * 1000, .flags = TCP_A, .seq = 1001, .ack = 5001);
	rig_clock(&r, 480999);
	EXPECT(rig_record(&r) == NULL);
	rig_clock(&r, 481000);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT(rec->summary.is_linked && !rec->summary.is_final);
	EXPECT_EQ(rec->summary.packets[0], 7);
	EXPECT(rec->summary.syn_validated);
	TCP(&r, 481500, .flags = TCP_A, .seq = 1001, .ack = 5001);
	TCP(&r, 900000, .flags = TCP_A, .seq = 1001, .ack = 5001);
	/* The next one 480 s after the clock at which the last was made. */
	rig_clock(&r, 961999);
	EXPECT(rig_record(&r) == NULL);
	rig_clock(&r, 962000);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.segment_count, 2);
	EXPECT(!rec->summary.has_tcp_seq && !rec->summary.syn_validated);
	/* Nothing was stored since: it ends without a third. */
	rig_clock(&r, 3000000);
	EXPECT(rig_record(&r) == NULL);
	EXPECT_EQ(rig_counter(&r, "session.not_saved_nothing_stored"), 1);
	rig_stop(&r);
}

TEST(udp_is_never_saved_by_time)
{
	struct rig r;

	start(&r);
	for (unsigned s = 0; s < 2000; s += 50)
		rig_udp(&r, s * 1000, 0, 0, 1);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(rare_flags_and_zero_windows_are_counted_and_counters_go_beyond_255)
{
	struct rig r;
	struct record *rec;

	start(&r);
	for (unsigned i = 0; i < 300; i++)
		TCP(&r, 0, .flags = TCP_S | TCP_E | TCP_C, .seq = 1000);
	TCP(&r, 1, .flags = TCP_A | TCP_U, .seq = 1001, .zero_window = true);
	TCP(&r, 1, .from = 1, .flags = TCP_A, .seq = 1, .zero_window = true);
	TCP(&r, 1, .from = 1, .flags = TCP_R, .seq = 1, .zero_window = true);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN], 300);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_ECE], 300);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_CWR], 300);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_URG], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SRC_ZERO], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_DST_ZERO], 1);
	rig_stop(&r);
}

TEST(handshake_times_are_cut_as_the_reference_cuts_them)
{
	struct rig r;
	struct record *rec;

	start(&r);
	TCP(&r, 900, .flags = TCP_S, .seq = 1000);
	TCP(&r, 2100, .flags = TCP_A, .seq = 1001); /* 2 s less 800 ms */
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.init_rtt_ms, 600);
	rig_stop(&r);
}
