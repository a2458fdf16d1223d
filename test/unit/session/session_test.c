#include "harness.h"

#include <stdlib.h>

TEST(both_directions_of_a_flow_are_one_session_whose_source_sent_first)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 0, 5, 1, 20); /* the server first: it is the source */
	rig_udp(&r, 10, 5, 0, 4);
	rig_udp(&r, 20, 5, 1, 0);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.port[0], 80);
	EXPECT_EQ(rec->summary.port[1], 1005);
	EXPECT_EQ(rec->summary.address[0][15], 2);
	EXPECT_EQ(rec->summary.packets[0], 2);
	EXPECT_EQ(rec->summary.packets[1], 1);
	EXPECT_EQ(rec->summary.bytes[0], 42 + 20 + 42);
	EXPECT_EQ(rec->summary.data_bytes[0], 20);
	EXPECT_EQ(rec->summary.data_bytes[1], 4);
	EXPECT_EQ(rec->summary.payload8_bytes[0], 8);
	EXPECT_EQ(rec->summary.payload8_bytes[1], 4);
	EXPECT_EQ(memcmp(rec->summary.payload8[1], "abcd", 4), 0);
	EXPECT_EQ(rec->summary.last_ns - rec->summary.first_ns, 20000000);
	EXPECT_EQ(rec->summary.ip_protocol, 17);
	EXPECT_EQ(rec->summary.ethertype, 0x0800);
	EXPECT(rec->summary.has_community_id && rec->summary.is_final && !rec->summary.is_linked);
	EXPECT_STR(rig_values(rec, "protocol"), "udp");
	EXPECT_STR(rig_values(rec, "source.mac"), "02:00:00:00:00:02");
	EXPECT_STR(rig_values(rec, "destination.mac"), "02:00:00:00:00:01");
	EXPECT_STR(rig_values(rec, "srcTTL"), "64");
	EXPECT_STR(rig_positions(rec), "24,102,164");
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(a_session_is_over_when_the_clock_is_more_than_the_timeout_after_its_last_packet)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 900, 1, 0, 1);   /* second 0 */
	rig_udp(&r, 60999, 2, 0, 1); /* clock 60: 0 + 60 < 60 is false */
	rig_udp(&r, 61000, 3, 0, 1);
	EXPECT(rig_record(&r) == NULL);
	rig_udp(&r, 61001, 2, 0, 1); /* clock 61 */
	EXPECT(rig_record(&r) != NULL);
	EXPECT(rig_record(&r) == NULL);
	EXPECT_EQ(rig_counter(&r, "session.saved"), 1);
	rig_stop(&r);
}

TEST(the_own_late_packet_does_not_end_a_session_however_long_the_pause)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	for (int i = 0; i < 5; i++)
		rig_udp(&r, i * 3600000, 1, 0, 1);
	EXPECT(rig_record(&r) == NULL);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 5);
	rig_stop(&r);
}

TEST(a_flow_with_stamps_in_the_past_of_the_clock_stays_one_session)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 5000000, 1, 0, 1);
	for (int i = 0; i < 5; i++)
		rig_udp(&r, i * 1000, 2, 0, 1);
	rig_clock(&r, 5060000);
	EXPECT(rig_record(&r) == NULL);
	rig_clock(&r, 5061000);
	EXPECT(rig_record(&r) != NULL);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

/* The same packets, with expiry at every second or only at the look-up, give the same sessions. */
static unsigned
sessions_of_random_traffic(bool no_expire, char *digest, size_t digest_size)
{
	struct rig r;
	struct record *rec;
	int64_t ms = 0;
	uint64_t sum = 0;
	unsigned n = 0;

	rig_init(&r);
	r.no_expire = no_expire;
	r.conf.udp_timeout_s = 10;
	r.conf.tcp_timeout_s = 15;
	/* Which of the clock's seconds a mid-save meets is lost when nobody looks. */
	r.conf.tcp_save_timeout_s = 7200;
	rig_start(&r);
	srandom(11);
	for (unsigned i = 0; i < 4000; i++) {
		unsigned flow = (unsigned)random() % 12;

		ms += random() % (random() % 50 == 0 ? 12000 : 900);
		if (flow % 2 == 0)
			rig_udp(&r, ms, flow, 0, 1);
		else
			TCP(&r, ms, .flow = flow, .flags = random() % 20 == 0 ? TCP_R : TCP_A);
	}
	r.no_expire = false;
	rig_flush(&r);
	while ((rec = rig_record(&r)) != NULL) {
		const struct record_summary *s = &rec->summary;

		n++;
		sum += (s->first_ns / 1000 * 31 + s->last_ns / 1000) * (s->packets[0] + 7) * (s->segment_count + 3);
	}
	rig_stop(&r);
	snprintf(digest, digest_size, "%llx", (unsigned long long)sum);
	return n;
}

TEST(expiring_late_changes_no_record)
{
	char with[32], without[32];
	unsigned n = sessions_of_random_traffic(false, with, sizeof(with));

	EXPECT(n > 300);
	EXPECT_EQ(sessions_of_random_traffic(true, without, sizeof(without)), n);
	EXPECT_STR(with, without);
}

TEST(a_session_of_which_nothing_was_stored_makes_no_record_and_is_counted)
{
	struct rig r;

	rig_init(&r);
	r.no_store = true;
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 1);
	rig_flush(&r);
	EXPECT(rig_record(&r) == NULL);
	EXPECT_EQ(rig_counter(&r, "session.not_saved_store_failed"), 1);
	rig_stop(&r);
}

TEST(in_a_dry_run_a_record_needs_no_stored_packet)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	r.no_store = true;
	r.conf.dry_run = true;
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 1);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->n_positions, 0);
	rig_stop(&r);
}

TEST(a_packet_that_could_not_be_stored_tags_its_session_once)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 1);
	r.no_store = true;
	rig_udp(&r, 1, 1, 0, 1);
	rig_udp(&r, 2, 1, 0, 1);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "pcap-disk-overload");
	EXPECT_STR(rig_values(rec, "srcTTL"), "64");
	EXPECT_STR(rig_positions(rec), "24");
	EXPECT_EQ(rec->summary.packets[0], 3);
	rig_stop(&r);
}

TEST(times_in_the_first_ten_seconds_of_1970_are_moved)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, -(int64_t)RIG_START_S * 1000 + 3000, 1, 0, 1);
	rig_udp(&r, -(int64_t)RIG_START_S * 1000 + 11000, 1, 0, 1);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.first_ns, 13 * UINT64_C(1000000000));
	EXPECT_EQ(rec->summary.last_ns, 11 * UINT64_C(1000000000));
	rig_stop(&r);
}

TEST(max_packets_saves_before_the_packet_is_looked_at)
{
	struct rig r;
	struct record *rec;
	uint8_t root[16];

	rig_init(&r);
	r.conf.max_packets = 3;
	rig_start(&r);
	TCP(&r, 0, .flags = TCP_S, .seq = 100);
	TCP(&r, 1, .flags = TCP_S | TCP_A, .from = 1, .seq = 500, .ack = 101);
	TCP(&r, 2, .flags = TCP_P | TCP_A, .seq = 101, .ack = 501, .payload_bytes = 10, .ttl = 33);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	/* Counted and placed in the first record, but its flags, TTL and payload belong to the second. */
	EXPECT_EQ(rec->summary.packets[0], 2);
	EXPECT_EQ(rec->n_positions, 3);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_PSH], 0);
	EXPECT_EQ(rec->summary.data_bytes[0], 0);
	EXPECT_STR(rig_values(rec, "srcTTL"), "64");
	EXPECT(rec->summary.is_linked && !rec->summary.is_final);
	EXPECT_EQ(rec->summary.segment_count, 1);
	EXPECT_EQ(memcmp(rec->summary.id, rec->summary.root_id, 16), 0);
	EXPECT(rec->summary.has_tcp_seq);
	memcpy(root, rec->summary.id, 16);

	TCP(&r, 3, .flags = TCP_A, .from = 1, .seq = 501, .ack = 111);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 0);
	EXPECT_EQ(rec->summary.packets[1], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_PSH], 1);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_SYN], 0);
	EXPECT_EQ(rec->summary.data_bytes[0], 10);
	EXPECT_STR(rig_values(rec, "srcTTL"), "33");
	EXPECT_STR(rig_values(rec, "source.mac"), "02:00:00:00:00:01");
	EXPECT(rec->summary.is_linked && rec->summary.is_final && !rec->summary.has_tcp_seq);
	EXPECT_EQ(rec->summary.segment_count, 2);
	EXPECT_EQ(memcmp(root, rec->summary.root_id, 16), 0);
	EXPECT(memcmp(root, rec->summary.id, 16) != 0);
	EXPECT_EQ(rec->summary.first_ns, RIG_START_S * UINT64_C(1000000000));
	rig_stop(&r);
}

TEST(a_save_that_was_asked_for_comes_with_the_first_packet_after_its_second)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	TCP(&r, 0, .flags = TCP_S, .seq = 100);
	session_save_after(r.table, r.packet.session, RIG_START_S + 10);
	TCP(&r, 10999, .flags = TCP_A, .seq = 101);
	EXPECT(rig_record(&r) == NULL);
	TCP(&r, 11000, .flags = TCP_A, .seq = 101);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->n_positions, 3);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_ACK], 1);
	EXPECT(rec->summary.is_linked && !rec->summary.is_final);
	/* Once. */
	TCP(&r, 12000, .flags = TCP_A, .seq = 101);
	EXPECT(rig_record(&r) == NULL);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.tcp_count[TCP_COUNT_ACK], 2);
	EXPECT(rec->summary.is_final);
	rig_stop(&r);
}

TEST(a_mid_save_keeps_linked_values_and_forgets_the_others)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	r.conf.max_packets = 4;
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 8);
	TCP(&r, 0, .flow = 2, .flags = TCP_A, .ttl = 10, .vlan = 7, .tos = 0x28);
	TCP(&r, 1, .flow = 2, .flags = TCP_A, .ttl = 11, .vlan = 8, .mac = 9);
	TCP(&r, 2, .flow = 2, .flags = TCP_A, .ttl = 10, .vlan = 7);
	TCP(&r, 3, .flow = 2, .flags = TCP_A, .ttl = 12, .vlan = 7);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "srcTTL"), "10,11");
	EXPECT_STR(rig_values(rec, "srcDscp"), "10");
	EXPECT_STR(rig_values(rec, "network.vlan.id"), "7,8");
	EXPECT_STR(rig_values(rec, "dot1q.id"), "7,8");
	EXPECT_STR(rig_values(rec, "source.mac"), "02:00:00:00:00:01,02:00:00:00:00:09");
	TCP(&r, 4, .flow = 2, .flags = TCP_A, .ttl = 12, .vlan = 7);
	rig_flush(&r);
	while ((rec = rig_record(&r)) != NULL && !rec->summary.is_linked)
		;
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "srcTTL"), "12");
	EXPECT_STR(rig_values(rec, "srcDscp"), "");
	EXPECT_STR(rig_values(rec, "network.vlan.id"), "7,8");
	EXPECT_STR(rig_values(rec, "source.mac"), "02:00:00:00:00:01,02:00:00:00:00:09");
	EXPECT_STR(rig_values(rec, "protocol"), "tcp");
	rig_stop(&r);
}

TEST(the_other_sides_mac_needs_no_record_until_the_end)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	TCP(&r, 0, .flow = 2, .flags = TCP_A);
	TCP(&r, 1, .flow = 2, .flags = TCP_A, .mac = 2);
	TCP(&r, 2, .flow = 2, .flags = TCP_A);
	EXPECT_EQ(record_pool_used(r.records), 0);
	TCP(&r, 3, .flow = 2, .flags = TCP_A, .mac = 9);
	EXPECT(record_pool_used(r.records) > 0);
	TCP(&r, 4, .flow = 2, .flags = TCP_A, .mac = 2);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "source.mac"), "02:00:00:00:00:01,02:00:00:00:00:02,02:00:00:00:00:09");
	EXPECT_STR(rig_values(rec, "destination.mac"), "02:00:00:00:00:02");
	rig_stop(&r);
}

TEST(only_the_first_ten_packets_of_a_direction_are_looked_at_for_ttls)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	for (unsigned i = 0; i < 20; i++)
		TCP(&r, i, .flags = TCP_A, .ttl = (uint8_t)(40 + i));
	for (unsigned i = 0; i < 3; i++)
		TCP(&r, 30 + i, .flags = TCP_A, .from = 1, .ttl = (uint8_t)(90 + i));
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "srcTTL"), "40,41,42,43,44,45,46,47,48,49");
	EXPECT_STR(rig_values(rec, "dstTTL"), "90,91,92");
	rig_stop(&r);
}

TEST(a_flush_goes_by_the_last_packets)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	for (unsigned i = 0; i < 3; i++)
		rig_udp(&r, i, i, 0, 1);
	rig_udp(&r, 10, 0, 0, 1);
	rig_flush(&r);
	EXPECT_EQ(rig_record(&r)->summary.port[0], 1001);
	EXPECT_EQ(rig_record(&r)->summary.port[0], 1002);
	EXPECT_EQ(rig_record(&r)->summary.port[0], 1000);
	rig_stop(&r);
}

/* session_prefetch_burst() has seen it alive, session_lookup() must not take that for granted. */
TEST(a_session_that_ended_within_a_burst_is_not_found_any_more)
{
	struct packet burst[2];
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 0, 0, 0, 1);
	burst[0] = burst[1] = r.packet;
	session_prefetch_burst(r.table, burst, 2);
	session_lookup(r.table, &burst[0]);
	EXPECT(burst[0].session == r.packet.session);
	EXPECT_EQ(rig_counter(&r, "session.opened"), 1);
	rig_flush(&r);
	session_lookup(r.table, &burst[1]);
	EXPECT(burst[1].session != NULL);
	EXPECT_EQ(rig_counter(&r, "session.opened"), 2);
	rig_stop(&r);
}

TEST(max_streams_ends_the_session_that_has_been_idle_longest)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	r.conf.max_streams = 1; /* the least there is: 64 */
	rig_start(&r);
	for (unsigned i = 0; i < 64; i++)
		rig_udp(&r, i * 500, i, 0, 1);
	rig_udp(&r, 33000, 0, 0, 1); /* the oldest is busy again */
	EXPECT(rig_record(&r) == NULL);
	rig_udp(&r, 33001, 100, 0, 1);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.port[0], 1001);
	EXPECT(rig_record(&r) == NULL);
	EXPECT_EQ(rig_counter(&r, "session.early_streams"), 1);
	rig_stop(&r);
}

TEST(a_full_pool_ends_old_sessions_and_loses_none)
{
	struct rig r;
	unsigned n = 0;

	rig_init(&r);
	r.max_sessions = 100;
	r.conf.max_streams = 100000000;
	rig_start(&r);
	for (unsigned i = 0; i < 1000; i++) {
		TCP(&r, i, .flow = i, .flags = TCP_S, .seq = i);
		while (rig_record(&r) != NULL)
			n++;
	}
	EXPECT_EQ(n, 900);
	EXPECT_EQ(rig_counter(&r, "session.early_pool"), 900);
	rig_flush(&r);
	while (rig_record(&r) != NULL)
		n++;
	EXPECT_EQ(n, 1000);
	rig_stop(&r);
}

TEST(keys_made_to_collide_cost_old_sessions_and_nothing_else)
{
	enum { KEYS = 50, ROOM = 2 * BUCKET_ENTRIES };
	const struct bucket *first, *second;
	struct rig r;
	struct packet p;
	unsigned sent = 0, saved = 0;

	rig_init(&r);
	r.max_sessions = 100; /* sixteen buckets, which do not grow */
	rig_start(&r);
	/* Somebody who knows the secret picks the keys of one pair of buckets. */
	r.secret = (struct hash_secret){{1, 2, 3, 4}};
	rig_udp(&r, 0, 1, 0, 0);
	first = buckets_first(&r.table->buckets, r.packet.hash);
	second = buckets_second(&r.table->buckets, r.packet.hash);
	for (uint32_t i = 1; sent < KEYS; i++) {
		p = r.packet;
		memcpy(p.key.tracking, &i, 3);
		p.hash = flow_key_hash(&p.key, &r.secret);
		if (buckets_first(&r.table->buckets, p.hash) != first ||
		    buckets_second(&r.table->buckets, p.hash) != second)
			continue;
		p.time_ns += ++sent * UINT64_C(1000);
		session_lookup(r.table, &p);
		REQUIRE(p.session != NULL);
		p.position = 1000 + sent;
		session_process(r.table, &p);
		session_lookup(r.table, &p);
		EXPECT_EQ(p.session->packets[0] + p.session->packets[1], 1);
	}
	while (rig_record(&r) != NULL)
		saved++;
	EXPECT_EQ(saved, KEYS + 1 - ROOM);
	EXPECT_EQ(rig_counter(&r, "session.early_bucket"), KEYS + 1 - ROOM);
	rig_flush(&r);
	while (rig_record(&r) != NULL)
		saved++;
	EXPECT_EQ(saved, KEYS + 1);
	rig_stop(&r);
}

TEST(a_store_limit_ends_storing_and_says_so)
{
	struct rig r;
	struct record *rec;
	struct field_op op;
	char why[100];

	rig_init(&r);
	REQUIRE(field_op_parse("_maxPacketsToSave=2", &op, why, sizeof(why)));
	r.conf.ops = &op;
	r.conf.n_ops = 1;
	r.conf.max_packets = 5;
	rig_start(&r);
	for (unsigned i = 0; i < 8; i++)
		rig_udp(&r, i, 1, 0, 1);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->n_positions, 2);
	EXPECT_EQ(rec->summary.packets[0], 5);
	EXPECT_STR(rig_values(rec, "tags"), "truncated-pcap");
	/* After the mid-save nothing is stored any more: no record. */
	rig_flush(&r);
	EXPECT(rig_record(&r) == NULL);
	EXPECT_EQ(rig_counter(&r, "session.not_saved_nothing_stored"), 1);
	rig_stop(&r);
}

TEST(tags_and_operations_are_on_every_session)
{
	static const char *tags[] = {"red", "blue"};
	struct rig r;
	struct record *rec;
	struct field_op op[2];
	char why[100];

	rig_init(&r);
	REQUIRE(field_op_parse("tags=green", &op[0], why, sizeof(why)));
	REQUIRE(field_op_parse("srcTTL=7", &op[1], why, sizeof(why)));
	r.conf.ops = op;
	r.conf.n_ops = 2;
	r.conf.tags = (struct conf_list){.item = tags, .n = 2};
	r.conf.max_packets = 2;
	rig_start(&r);
	for (unsigned i = 0; i < 3; i++)
		rig_udp(&r, i, 1, 0, 1);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "red,blue,green");
	EXPECT_STR(rig_values(rec, "srcTTL"), "7,64");
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "red,blue,green");
	EXPECT_STR(rig_values(rec, "srcTTL"), "64");
	rig_stop(&r);
}

TEST(operations_that_make_no_sense_are_refused_with_a_reason)
{
	static const char *const bad[] = {"tags",
					  "=x",
					  "nosuchfield=1",
					  "srcTTL=x",
					  "_maxPacketsToSave=-1",
					  "_maxPacketsToSave=",
					  "source.ip=1.2.3.4"};
	struct field_op op;
	char why[200];

	fields_init();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		EXPECT(!field_op_parse(bad[i], &op, why, sizeof(why)));
		EXPECT(why[0] != '\0');
	}
}

TEST(icmp_types_and_codes_of_all_packets_are_recorded)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_icmp(&r, 0, 0, 0, 0);
	rig_icmp(&r, 1, 0, 8, 0);
	rig_icmp(&r, 2, 1, 0, 0);
	for (unsigned i = 0; i < 10; i++)
		rig_icmp(&r, 3 + i, 0, 3, i);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.icmp_type, 8);
	EXPECT_EQ(rec->summary.icmp_code, 0);
	EXPECT_STR(rig_values(rec, "icmp.type"), "0,8,3");
	EXPECT_STR(rig_values(rec, "icmp.code"), "0,1,2,3,4,5,6,7,8,9");
	EXPECT_EQ(rec->summary.data_bytes[0], 8 * 12);
	EXPECT_EQ(rec->summary.port[0], 0);
	rig_stop(&r);
}

TEST(of_an_esp_session_only_the_first_packet_is_stored)
{
	static const uint8_t frame[] = {2,  0, 0, 0, 0, 1, 2,  0, 0, 0,	 0, 2, 8, 0,  0x45, 0, 0,
					36, 0, 0, 0, 0, 9, 50, 0, 0, 10, 0, 0, 5, 10, 0,    0, 6,
					1,  2, 3, 4, 0, 0, 0,  1, 0, 0,	 0, 0, 0, 0,  0,    0};
	struct rig r;
	struct record *rec;

	rig_init(&r);
	r.esp = true;
	rig_start(&r);
	for (unsigned i = 0; i < 3; i++)
		rig_frame(&r, i, frame, sizeof(frame));
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 3);
	EXPECT_STR(rig_positions(rec), "24");
	EXPECT_STR(rig_values(rec, "tags"), "truncated-pcap");
	rig_stop(&r);
}

TEST(all_igmp_is_one_session_with_the_addresses_of_the_first_packet)
{
	static const uint8_t frame[] = {1, 0, 0x5e, 0, 0, 1,  2, 0, 0, 0,   0, 5, 8, 0,	   0x45, 0, 0, 28,  0, 0, 0,
					0, 1, 2,    0, 0, 10, 0, 0, 5, 224, 0, 0, 1, 0x16, 0,	 0, 0, 224, 0, 0, 1};
	uint8_t other[sizeof(frame)];
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	memcpy(other, frame, sizeof(frame));
	other[29] = 9;
	rig_frame(&r, 0, frame, sizeof(frame));
	rig_frame(&r, 1, other, sizeof(other));
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.packets[0], 2);
	EXPECT_EQ(rec->summary.address[0][15], 5);
	EXPECT_EQ(rec->summary.address[1][12], 224);
	EXPECT_EQ(rec->summary.ip_version, 4);
	EXPECT(!rec->summary.has_community_id);
	EXPECT(rig_record(&r) == NULL);
	rig_stop(&r);
}

TEST(a_pool_without_chunks_is_counted_and_loses_records_not_the_ledger)
{
	struct rig r;

	rig_init(&r);
	r.record_chunks = 4;
	r.no_expire = true;
	rig_start(&r);
	for (unsigned i = 0; i < 20; i++)
		rig_udp(&r, i, i, 0, 1);
	/* Flush sees that there is no room, and waits. */
	EXPECT(!session_flush(r.table, 100));
	EXPECT_EQ(rig_counter(&r, "session.not_saved_no_record"), 0);
	for (unsigned i = 0; i < 100 && !session_flush(r.table, 100); i++)
		while (rig_record(&r) != NULL)
			;
	EXPECT_EQ(rig_counter(&r, "session.saved"), 20);
	rig_stop(&r);
}

TEST(live_sessions_hold_at_most_half_of_the_record_chunks)
{
	struct rig r;
	unsigned n = 0;

	rig_init(&r);
	r.record_chunks = 40;
	rig_start(&r);
	for (unsigned i = 0; i < 200; i++) {
		TCP(&r, 2 * i, .flow = i, .flags = TCP_A, .ttl = 10);
		TCP(&r, 2 * i + 1, .flow = i, .flags = TCP_A, .ttl = 11);
		while (rig_record(&r) != NULL)
			n++;
		EXPECT(record_pool_used(r.records) <= 21);
	}
	EXPECT(n >= 175);
	EXPECT_EQ(rig_counter(&r, "session.early_records"), n);
	EXPECT_EQ(rig_counter(&r, "session.values_lost"), 0);
	rig_stop(&r);
}

TEST(positions_of_two_files_come_out_with_their_files)
{
	struct rig r;
	struct record *rec;
	struct record_position_iterator it;
	struct record_position at;

	rig_init(&r);
	r.file = 7;
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 1);
	EXPECT_EQ(session_file(r.packet.session), 7);
	r.file = 8;
	r.position = 24;
	rig_udp(&r, 1, 1, 0, 1);
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	record_positions_begin(rec, &it);
	EXPECT(record_positions_next(&it, &at));
	EXPECT_EQ(at.file, 7);
	EXPECT_EQ(at.position, 24);
	EXPECT(record_positions_next(&it, &at));
	EXPECT_EQ(at.file, 8);
	EXPECT_EQ(at.position, 24);
	EXPECT(!record_positions_next(&it, &at));
	rig_stop(&r);
}

#if POISON_ENABLED
#include <sanitizer/asan_interface.h>

TEST(a_session_given_back_is_poisoned_in_the_sanitize_build)
{
	struct rig r;
	struct session *s;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 1);
	s = r.packet.session;
	EXPECT(!__asan_address_is_poisoned(s));
	rig_flush(&r);
	EXPECT(__asan_address_is_poisoned(s));
	EXPECT(__asan_address_is_poisoned(&r.table->start[s - r.table->session]));
	rig_stop(&r);
}
#endif

TEST(a_session_of_three_headers_costs_at_most_192_bytes)
{
	enum { N = 1000000 };
	struct session_stats none, all;
	struct rig r;

	rig_init(&r);
	r.max_sessions = 4 * N;
	r.no_expire = true;
	r.file = 1234;
	rig_start(&r);
	session_stats(r.table, &none);
	for (unsigned i = 0; i < N; i++)
		TCP(&r, i / 1000, .flow = i, .flags = TCP_S, .seq = i);
	for (unsigned i = 0; i < N; i++)
		TCP(&r, 1000 + i / 1000, .flow = i, .from = 1, .flags = TCP_S | TCP_A, .seq = i, .ack = i + 1);
	for (unsigned i = 0; i < N; i++)
		TCP(&r, 2000 + i / 1000, .flow = i, .flags = TCP_A, .seq = i + 1, .ack = i + 1);
	session_stats(r.table, &all);
	EXPECT_EQ(all.live[SESSION_TCP], N);
	EXPECT_EQ(all.live_all, N);
	printf("    %.1f bytes a session\n", (double)(all.bytes_in_use - none.bytes_in_use) / N);
	EXPECT((all.bytes_in_use - none.bytes_in_use) / N < 192);
	session_table_destroy(r.table);
	EXPECT_EQ(rig_counter(&r, "session.not_saved_destroyed"), N);
	record_pool_destroy(r.records);
	decode_conf_destroy(r.decode);
	counters_detach(r.counters);
	r.counters->owner = NULL;
}
