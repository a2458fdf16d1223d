/* fragments.c. */
#include "fragments.h"

#include <stdlib.h>

#include "clock.h"
#include "packet/frames.h"

enum { DATA_MAX = 65535, IPV4_DATA_MAX = 65515 };

static struct {
	struct fragments *table;
	struct decode_conf *decode;
	struct hash_secret secret;
	struct counters counters;
	uint64_t pushed, whole;
	uint64_t now_ns;
} setup;

static const struct fragments_conf defaults = {
	.timeout_s = 480, .max_datagrams = 10000, .memory_bytes = 64 << 20, .overlap = FRAGMENTS_REFUSE};

static void
begin(const struct fragments_conf *conf)
{
	struct fragments_params params = {
		.conf = conf, .secret = &setup.secret, .counters = &setup.counters, .n_workers = 1};

	memset(&setup, 0, sizeof(setup));
	setup.now_ns = 1000 * NS_PER_S;
	hash_secret_init(&setup.secret);
	counters_attach(&setup.counters, "test");
	setup.decode = decode_conf_create(NULL);
	params.decode = setup.decode;
	setup.table = fragments_create(&params);
	REQUIRE(setup.table != NULL);
}

static uint64_t
counted(const char *reason)
{
	char name[64];

	snprintf(name, sizeof(name), "fragment.%s", reason);
	return counters_total(name);
}

/* Whatever went in is somewhere. */
static void
expect_balance(void)
{
	EXPECT_EQ(setup.pushed, setup.whole + counted("joined") + counted("duplicate") + counted("malformed") +
					counted("too_long") + counted("overlap") + counted("expired") +
					counted("pushed_out") + counted("unfinished") + fragments_held(setup.table));
}

static void
end(void)
{
	expect_balance();
	fragments_flush(setup.table);
	EXPECT_EQ(fragments_held(setup.table), 0);
	expect_balance();
	fragments_destroy(setup.table);
	decode_conf_destroy(setup.decode);
	counters_detach(&setup.counters);
}

/* The frame ends where nothing is mapped. A packet that is whole is valid until the next call. */
static bool
push(uint16_t link_type, const void *bytes, size_t size, struct packet *out)
{
	uint8_t *frame = test_guard(bytes, size);
	bool whole;

	*out = (struct packet){.data = frame,
			       .captured_bytes = (uint32_t)size,
			       .wire_bytes = (uint32_t)size,
			       .time_ns = setup.now_ns,
			       .clock_ns = setup.now_ns,
			       .link_type = link_type};
	EXPECT_EQ(packet_decode(setup.decode, out), PACKET_FRAGMENT);
	setup.pushed++;
	whole = fragments_push(setup.table, out);
	setup.whole += whole;
	test_guard_free(frame, size);
	return whole;
}

/* Bytes 'offset' to 'offset' + 'size' of an IP payload, as a fragment in an Ethernet frame. */
static bool
push_ipv4(unsigned id, const uint8_t *payload, unsigned offset, unsigned size, bool more, struct packet *out)
{
	static uint8_t bytes[14 + 20 + DATA_MAX];
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_UDP, size);
	frame_set_be16(&f, 18, id);
	frame_set_be16(&f, 20, (more ? 0x2000 : 0) | offset / 8);
	memcpy(bytes, f.bytes, f.size);
	memcpy(&bytes[f.size], &payload[offset], size);
	return push(LINK_ETHERNET, bytes, f.size + size, out);
}

static bool
push_ipv6(uint32_t id, const uint8_t *payload, unsigned offset, unsigned size, bool more, struct packet *out)
{
	struct frame f = {.size = 0};

	frame_ipv6(&f, IP_PROTOCOL_FRAGMENT, 8 + size);
	frame_u8(&f, IP_PROTOCOL_UDP);
	frame_u8(&f, 0);
	frame_be16(&f, offset | more);
	frame_be32(&f, id);
	frame_add(&f, &payload[offset], size);
	return push(LINK_RAW, f.bytes, f.size, out);
}

/* A UDP datagram of 'size' bytes, header and all; its bytes depend on 'seed'. */
static const uint8_t *
udp_datagram(unsigned size, unsigned seed)
{
	static uint8_t bytes[DATA_MAX];
	struct frame f = {.size = 0};

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256 + seed);
	frame_udp(&f, 5000, 53, size - UDP_HEADER_BYTES);
	memcpy(bytes, f.bytes, f.size);
	return bytes;
}

static void
expect_datagram(const struct packet *p, const uint8_t *udp, unsigned size)
{
	EXPECT_EQ(p->verdict, PACKET_OK);
	EXPECT_EQ(p->transport_bytes, size);
	EXPECT_EQ(p->payload_bytes, size - UDP_HEADER_BYTES);
	EXPECT_EQ(p->captured_bytes, p->transport_offset + size);
	EXPECT_EQ(p->wire_bytes, p->captured_bytes);
	REQUIRE(p->captured_bytes == p->transport_offset + size);
	EXPECT(memcmp(&p->data[p->transport_offset], udp, size) == 0);
}

/* The datagram that is whole decodes like one that was never cut. */
static void
expect_like_uncut(const struct packet *p)
{
	struct packet again = *p;

	EXPECT_EQ(packet_decode(setup.decode, &again), p->verdict);
	EXPECT(flow_key_equal(&again.key, &p->key));
	EXPECT_EQ(again.payload_offset, p->payload_offset);
	EXPECT_EQ(again.payload_bytes, p->payload_bytes);
	EXPECT_EQ(again.protocol, p->protocol);
	EXPECT_EQ(again.ip_protocol, p->ip_protocol);
}

TEST(fragments_in_order_become_the_datagram)
{
	const uint8_t *udp = udp_datagram(3001, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(7, udp, 0, 1480, true, &p));
	EXPECT(!push_ipv4(7, udp, 1480, 1480, true, &p));
	EXPECT_EQ(fragments_held(setup.table), 2);
	EXPECT(push_ipv4(7, udp, 2960, 41, false, &p));
	expect_datagram(&p, udp, 3001);
	expect_like_uncut(&p);
	EXPECT_EQ(p.captured_bytes, 14 + 20 + 3001);
	EXPECT(!p.fragments_differ);
	EXPECT_EQ(counted("joined"), 2);
	EXPECT_EQ(counted("reassembled"), 1);
	EXPECT_EQ(fragments_held(setup.table), 0);
	end();
}

TEST(any_order_gives_the_same_datagram)
{
	static const unsigned orders[][4] = {{3, 2, 1, 0}, {3, 0, 1, 2}, {1, 0, 3, 2}, {2, 3, 0, 1}};
	const uint8_t *udp = udp_datagram(100, 0);
	struct packet p;

	begin(&defaults);
	for (unsigned order = 0; order < 4; order++) {
		for (unsigned i = 0; i < 4; i++) {
			unsigned part = orders[order][i];
			bool whole = push_ipv4(order, udp, part * 32, part < 3 ? 32 : 4, part < 3, &p);

			EXPECT_EQ(whole, i == 3);
		}
		expect_datagram(&p, udp, 100);
		expect_like_uncut(&p);
	}
	end();
}

TEST(the_ipv4_header_is_that_of_the_last_to_come_and_its_checksum_is_right)
{
	const uint8_t *udp = udp_datagram(64, 0);
	uint32_t sum = 0;
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(9, udp, 32, 32, false, &p));
	EXPECT(push_ipv4(9, udp, 0, 32, true, &p));
	EXPECT_EQ(read_be16(&p.data[14 + 2]), 84);
	EXPECT_EQ(read_be16(&p.data[14 + 6]), 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += read_be16(&p.data[14 + i]);
	EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffff);
	end();
}

TEST(the_smallest_fragments_of_the_longest_datagram_come_together)
{
	const uint8_t *udp = udp_datagram(IPV4_DATA_MAX, 0);
	unsigned last = IPV4_DATA_MAX / 8 * 8;
	struct packet p;

	begin(&defaults);
	for (unsigned offset = 0; offset < last; offset += 8)
		REQUIRE(!push_ipv4(1, udp, offset, 8, true, &p));
	EXPECT_EQ(fragments_held(setup.table), last / 8);
	EXPECT(push_ipv4(1, udp, last, IPV4_DATA_MAX - last, false, &p));
	expect_datagram(&p, udp, IPV4_DATA_MAX);
	end();
}

TEST(a_repeated_fragment_changes_nothing)
{
	const uint8_t *udp = udp_datagram(96, 0);
	struct packet p;

	begin(&defaults);
	for (unsigned i = 0; i < 3; i++)
		EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	for (unsigned i = 0; i < 3; i++)
		EXPECT(!push_ipv4(1, udp, 64, 32, false, &p));
	/* Other pieces of the same bytes. */
	EXPECT(!push_ipv4(1, udp, 16, 16, true, &p));
	EXPECT_EQ(counted("duplicate"), 5);
	EXPECT(push_ipv4(1, udp, 16, 64, true, &p));
	expect_datagram(&p, udp, 96);
	EXPECT(!p.fragments_differ);
	end();
}

/* tcprewrite --fragroute "ip_frag 32 old": the second of two is sent first, then the first with rubbish behind it. */
static void
overlap(enum fragments_overlap policy, bool *differs, unsigned *payload_bytes, bool *first, bool *last)
{
	struct fragments_conf conf = defaults;
	uint8_t good[96], rubbish[96];
	struct packet p;

	memcpy(good, udp_datagram(96, 0), 96);
	memcpy(rubbish, udp_datagram(96, 99), 96);
	memcpy(rubbish, good, 64);
	conf.overlap = policy;
	begin(&conf);
	EXPECT(!push_ipv4(1, good, 0, 32, true, &p));
	EXPECT(!push_ipv4(1, good, 64, 32, false, &p));
	EXPECT(push_ipv4(1, rubbish, 32, 56, true, &p));
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.data_bytes, 88);
	*differs = p.fragments_differ;
	*payload_bytes = p.payload_bytes;
	*first = memcmp(&p.data[p.transport_offset], good, 96) == 0;
	*last = memcmp(&p.data[p.transport_offset], rubbish, 88) == 0;
	EXPECT_EQ(counted("differing"), 1);
	end();
}

TEST(overlaps_with_other_bytes_are_marked_and_only_read_when_told_to)
{
	static const struct {
		enum fragments_overlap policy;
		unsigned payload_bytes;
		bool first;
	} cases[] = {{FRAGMENTS_REFUSE, 0, true}, {FRAGMENTS_FIRST, 88, true}, {FRAGMENTS_LAST, 88, false}};

	for (unsigned i = 0; i < 3; i++) {
		bool differs, first, last;
		unsigned payload_bytes;

		overlap(cases[i].policy, &differs, &payload_bytes, &first, &last);
		EXPECT(differs);
		EXPECT_EQ(payload_bytes, cases[i].payload_bytes);
		EXPECT_EQ(first, cases[i].first);
		EXPECT_EQ(last, !cases[i].first);
	}
}

TEST(overlaps_with_other_bytes_leave_nothing_with_drop)
{
	struct fragments_conf conf = defaults;
	uint8_t good[96], rubbish[96];
	struct packet p;

	memcpy(good, udp_datagram(96, 0), 96);
	memcpy(rubbish, udp_datagram(96, 99), 96);
	conf.overlap = FRAGMENTS_DROP;
	begin(&conf);
	EXPECT(!push_ipv4(1, good, 0, 32, true, &p));
	EXPECT(!push_ipv4(1, good, 64, 32, false, &p));
	EXPECT(!push_ipv4(1, rubbish, 32, 40, true, &p));
	EXPECT_EQ(counted("overlap"), 3);
	EXPECT_EQ(fragments_held(setup.table), 0);
	end();
}

TEST(overlaps_with_the_same_bytes_are_not_marked)
{
	const uint8_t *udp = udp_datagram(200, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 104, true, &p));
	EXPECT(!push_ipv4(1, udp, 48, 104, true, &p));
	EXPECT(push_ipv4(1, udp, 96, 104, false, &p));
	expect_datagram(&p, udp, 200);
	EXPECT(!p.fragments_differ);
	end();
}

TEST(a_fragment_that_contradicts_the_end_is_refused_and_the_datagram_marked)
{
	const uint8_t *udp = udp_datagram(200, 0);
	struct packet p;

	begin(&defaults);
	/* Another end; something behind the end; an end before something. */
	EXPECT(!push_ipv4(1, udp, 64, 32, false, &p));
	EXPECT(!push_ipv4(1, udp, 64, 40, false, &p));
	EXPECT(!push_ipv4(1, udp, 88, 16, true, &p));
	EXPECT_EQ(counted("overlap"), 2);
	EXPECT(push_ipv4(1, udp, 0, 64, true, &p));
	EXPECT(p.fragments_differ);
	EXPECT_EQ(p.captured_bytes, 34 + 96);
	EXPECT(!push_ipv4(2, udp, 64, 32, true, &p));
	EXPECT(!push_ipv4(2, udp, 64, 16, false, &p));
	EXPECT_EQ(counted("overlap"), 3);
	end();
}

TEST(a_hole_is_not_a_datagram)
{
	const uint8_t *udp = udp_datagram(400, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 96, true, &p));
	EXPECT(!push_ipv4(1, udp, 104, 96, true, &p));
	EXPECT(!push_ipv4(1, udp, 200, 200, false, &p));
	EXPECT_EQ(fragments_held(setup.table), 3);
	fragments_flush(setup.table);
	EXPECT_EQ(counted("unfinished"), 3);
	EXPECT(!push_ipv4(1, udp, 96, 8, true, &p));
	end();
}

TEST(datagrams_are_told_apart_by_id_protocol_and_addresses)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct frame f = {.size = 0};
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	EXPECT(!push_ipv4(2, udp, 32, 32, false, &p));
	frame_ipv4(&f, IP_PROTOCOL_TCP, 32);
	frame_set_be16(&f, 4, 1);
	frame_set_be16(&f, 6, 4);
	frame_add(&f, &udp[32], 32);
	EXPECT(!push(LINK_RAW, f.bytes, f.size, &p));
	f.bytes[9] = IP_PROTOCOL_UDP;
	f.bytes[15]++;
	EXPECT(!push(LINK_RAW, f.bytes, f.size, &p));
	f.bytes[15]--;
	f.bytes[19]++;
	EXPECT(!push(LINK_RAW, f.bytes, f.size, &p));
	EXPECT_EQ(fragments_held(setup.table), 5);
	f.bytes[19]--;
	EXPECT(push(LINK_RAW, f.bytes, f.size, &p));
	end();
}

TEST(a_datagram_waits_for_fragsTimeout_and_no_longer)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	setup.now_ns += 480 * NS_PER_S;
	EXPECT(push_ipv4(1, udp, 32, 32, false, &p));
	EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	setup.now_ns += 481 * NS_PER_S;
	EXPECT(!push_ipv4(1, udp, 32, 32, false, &p));
	EXPECT_EQ(counted("expired"), 1);
	EXPECT_EQ(fragments_held(setup.table), 1);
	fragments_expire(setup.table, setup.now_ns + 480 * NS_PER_S);
	EXPECT_EQ(fragments_held(setup.table), 1);
	fragments_expire(setup.table, setup.now_ns + 481 * NS_PER_S);
	EXPECT_EQ(counted("expired"), 2);
	EXPECT_EQ(fragments_held(setup.table), 0);
	end();
}

TEST(a_late_fragment_does_not_join_what_began_too_long_ago_though_the_clock_stood)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;
	struct frame f = {.size = 0};

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	frame_ipv4(&f, IP_PROTOCOL_UDP, 32);
	frame_set_be16(&f, 4, 1);
	frame_set_be16(&f, 6, 4);
	frame_add(&f, &udp[32], 32);
	p = (struct packet){.data = f.bytes,
			    .captured_bytes = (uint32_t)f.size,
			    .time_ns = setup.now_ns + 481 * NS_PER_S,
			    .clock_ns = setup.now_ns,
			    .link_type = LINK_RAW};
	EXPECT_EQ(packet_decode(setup.decode, &p), PACKET_FRAGMENT);
	setup.pushed++;
	EXPECT(!fragments_push(setup.table, &p));
	EXPECT_EQ(counted("expired"), 1);
	end();
}

TEST(fragments_with_stamps_far_behind_the_clock_come_together)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct frame f = {.size = 0};
	struct packet p;

	begin(&defaults);
	for (unsigned offset = 0; offset < 64; offset += 32) {
		f.size = 0;
		frame_ipv4(&f, IP_PROTOCOL_UDP, 32);
		frame_set_be16(&f, 4, 1);
		frame_set_be16(&f, 6, offset == 0 ? 0x2000 : offset / 8);
		frame_add(&f, &udp[offset], 32);
		p = (struct packet){.data = f.bytes,
				    .captured_bytes = (uint32_t)f.size,
				    .time_ns = setup.now_ns - 900 * NS_PER_S,
				    .clock_ns = setup.now_ns,
				    .link_type = LINK_RAW};
		EXPECT_EQ(packet_decode(setup.decode, &p), PACKET_FRAGMENT);
		setup.pushed++;
		EXPECT_EQ(fragments_push(setup.table, &p), offset == 32);
	}
	setup.whole++;
	EXPECT_EQ(p.verdict, PACKET_OK);
	end();
}

TEST(a_flood_pushes_out_the_oldest_datagrams)
{
	struct fragments_conf conf = defaults;
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;

	conf.max_datagrams = 100;
	begin(&conf);
	for (unsigned id = 0; id < 1000; id++)
		EXPECT(!push_ipv4(id, udp, 0, 32, true, &p));
	EXPECT_EQ(fragments_held(setup.table), 100);
	EXPECT_EQ(counted("pushed_out"), 900);
	EXPECT(push_ipv4(950, udp, 32, 32, false, &p));
	EXPECT(!push_ipv4(10, udp, 32, 32, false, &p));
	end();
}

TEST(bytes_are_bounded_and_one_datagram_always_finds_room)
{
	struct fragments_conf conf = defaults;
	const uint8_t *udp = udp_datagram(IPV4_DATA_MAX, 0);
	struct packet p;

	conf.memory_bytes = 1; /* as for the longest datagram */
	begin(&conf);
	for (unsigned id = 0; id < 20; id++)
		EXPECT(!push_ipv4(id, udp, 8, 8000, true, &p));
	EXPECT(counted("pushed_out") > 0);
	/* The oldest of all now, and grows. */
	for (unsigned offset = 0; offset < 65000; offset += 1000)
		EXPECT(!push_ipv4(19, udp, offset, 1000, true, &p));
	EXPECT(push_ipv4(19, udp, 65000, IPV4_DATA_MAX - 65000, false, &p));
	expect_datagram(&p, udp, IPV4_DATA_MAX);
	EXPECT_EQ(fragments_held(setup.table), 0);
	end();
}

TEST(fragments_beyond_the_longest_datagram_are_refused)
{
	static uint8_t bytes[66000];
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 32, true, &p));
	EXPECT(!push_ipv4(1, bytes, 65528, 8, false, &p));
	EXPECT(!push_ipv4(1, bytes, 65512, 8, true, &p));
	EXPECT_EQ(counted("too_long"), 2);
	/* The datagram is none the worse. */
	EXPECT(push_ipv4(1, udp, 32, 32, false, &p));
	end();
}

TEST(fragments_without_bytes_or_of_odd_length_are_malformed)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 0, true, &p));
	EXPECT(!push_ipv4(1, udp, 8, 0, false, &p));
	EXPECT(!push_ipv4(1, udp, 0, 7, true, &p));
	EXPECT(!push_ipv6(1, udp, 0, 31, true, &p));
	EXPECT_EQ(counted("malformed"), 4);
	/* IPv4: cut to whole units, as hosts do. */
	EXPECT(!push_ipv4(1, udp, 0, 35, true, &p));
	EXPECT(push_ipv4(1, udp, 32, 32, false, &p));
	expect_datagram(&p, udp, 64);
	end();
}

TEST(ipv6_fragments_become_the_datagram)
{
	const uint8_t *udp = udp_datagram(2500, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv6(0x12345678, udp, 1240, 1240, true, &p));
	EXPECT(!push_ipv6(0x12345678, udp, 0, 1240, true, &p));
	/* Only the whole identification counts. */
	EXPECT(!push_ipv6(0x00345678, udp, 2480, 20, false, &p));
	EXPECT(push_ipv6(0x12345678, udp, 2480, 20, false, &p));
	expect_datagram(&p, udp, 2500);
	expect_like_uncut(&p);
	EXPECT_EQ(p.captured_bytes, 40 + 2500);
	EXPECT_EQ(read_be16(&p.data[4]), 2500);
	EXPECT_EQ(p.data[6], IP_PROTOCOL_UDP);
	end();
}

/* Hop-by-hop and routing header before the fragment header, a destination header behind it. */
static bool
push_ipv6_extensions(const uint8_t *payload, unsigned offset, unsigned size, bool more, unsigned next_header,
		     struct packet *out)
{
	struct frame f = {.size = 0};

	frame_ipv6(&f, IP_PROTOCOL_HOPOPTS, 8 + 16 + 8 + size);
	frame_u8(&f, IP_PROTOCOL_ROUTING);
	frame_zero(&f, 7);
	frame_u8(&f, IP_PROTOCOL_FRAGMENT);
	frame_u8(&f, 1);
	frame_zero(&f, 14);
	frame_u8(&f, next_header);
	frame_u8(&f, 0);
	frame_be16(&f, offset | more);
	frame_be32(&f, 5);
	frame_add(&f, &payload[offset], size);
	return push(LINK_RAW, f.bytes, f.size, out);
}

TEST(ipv6_extension_headers_stay_and_what_follows_is_what_the_first_fragment_says)
{
	uint8_t payload[8 + 64] = {IP_PROTOCOL_UDP};
	struct packet p;

	memcpy(&payload[8], udp_datagram(64, 0), 64);
	begin(&defaults);
	EXPECT(!push_ipv6_extensions(payload, 0, 40, true, IP_PROTOCOL_DSTOPTS, &p));
	EXPECT(push_ipv6_extensions(payload, 40, 32, false, IP_PROTOCOL_TCP, &p));
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_UDP);
	EXPECT_EQ(p.transport_offset, 40 + 24 + 8);
	EXPECT_EQ(p.payload_bytes, 56);
	EXPECT_EQ(p.captured_bytes, 40 + 24 + 72);
	expect_like_uncut(&p);
	end();
}

TEST(an_atomic_ipv6_fragment_is_whole_by_itself)
{
	const uint8_t *udp = udp_datagram(64, 0);
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv6(1, udp, 0, 32, true, &p));
	EXPECT(push_ipv6(1, udp, 0, 64, false, &p));
	expect_datagram(&p, udp, 64);
	EXPECT_EQ(fragments_held(setup.table), 1);
	EXPECT(push_ipv6(1, udp, 32, 32, false, &p));
	end();
}

TEST(fragments_inside_fragments_end_at_the_limit_of_nesting)
{
	struct frame f = {.size = 0};
	struct packet p;

	begin(&defaults);
	frame_ipv6(&f, IP_PROTOCOL_FRAGMENT, 8 * 100 + 12);
	for (unsigned i = 0; i < 100; i++) {
		frame_u8(&f, i < 99 ? IP_PROTOCOL_FRAGMENT : IP_PROTOCOL_UDP);
		frame_zero(&f, 7);
	}
	frame_udp(&f, 1, 2, 4);
	frame_zero(&f, 4);
	EXPECT(push(LINK_RAW, f.bytes, f.size, &p));
	EXPECT_EQ(p.verdict, PACKET_CORRUPT);
	/* Two are fine. */
	f.size = 0;
	frame_ipv6(&f, IP_PROTOCOL_FRAGMENT, 8 * 2 + 12);
	frame_u8(&f, IP_PROTOCOL_FRAGMENT);
	frame_zero(&f, 7);
	frame_u8(&f, IP_PROTOCOL_UDP);
	frame_zero(&f, 7);
	frame_udp(&f, 1, 2, 4);
	frame_zero(&f, 4);
	EXPECT(push(LINK_RAW, f.bytes, f.size, &p));
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.payload_bytes, 4);
	EXPECT_EQ(p.captured_bytes, 40 + 12);
	end();
}

TEST(padding_of_a_frame_is_no_part_of_the_datagram)
{
	const uint8_t *udp = udp_datagram(72, 0);
	struct frame f = {.size = 0};
	struct packet p;

	begin(&defaults);
	EXPECT(!push_ipv4(1, udp, 0, 64, true, &p));
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_UDP, 8);
	frame_set_be16(&f, 18, 1);
	frame_set_be16(&f, 20, 8);
	frame_add(&f, &udp[64], 8);
	frame_zero(&f, 60 - f.size);
	EXPECT(push(LINK_ETHERNET, f.bytes, f.size, &p));
	expect_datagram(&p, udp, 72);
	EXPECT_EQ(p.captured_bytes, 34 + 72);
	end();
}

TEST(any_pieces_in_any_order_with_repeats_give_the_datagram_and_the_ledger_adds_up)
{
	unsigned seed = 1, size = 1000;
	uint8_t udp[1000];
	struct packet p;

	memcpy(udp, udp_datagram(size, 3), size);
	begin(&defaults);
	for (unsigned id = 0; id < 500; id++) {
		bool whole = false;

		for (unsigned tries = 0; tries < 10000 && !whole; tries++) {
			unsigned offset, bytes;

			seed = seed * 1103515245 + 12345;
			offset = (seed >> 8) % (size / 8) * 8;
			bytes = ((seed >> 20) % 20 + 1) * 8;
			if (offset + bytes >= size)
				bytes = size - offset;
			whole = push_ipv4(id, udp, offset, bytes, offset + bytes < size, &p);
		}
		REQUIRE(whole);
		expect_datagram(&p, udp, size);
		EXPECT(!p.fragments_differ);
	}
	EXPECT_EQ(fragments_held(setup.table), 0);
	end();
}

TEST(rubbish_never_upsets_the_ledger)
{
	struct fragments_conf conf = defaults;
	unsigned seed = 7;
	struct packet p;

	conf.max_datagrams = 16;
	conf.memory_bytes = 1;
	for (unsigned policy = FRAGMENTS_REFUSE; policy <= FRAGMENTS_LAST; policy++) {
		conf.overlap = (int)policy;
		begin(&conf);
		for (unsigned i = 0; i < 20000; i++) {
			const uint8_t *bytes = udp_datagram(1500, i % 3);
			static uint8_t payload[66000];
			unsigned offset, size;

			seed = seed * 1103515245 + 12345;
			offset = (seed >> 7) % 8192 * 8;
			if (seed >> 28 < 12)
				offset %= 256;
			size = (seed >> 16) % 200;
			memcpy(&payload[offset], bytes, size);
			setup.now_ns += (seed & 0xff) == 0 ? 500 * NS_PER_S : 1000;
			push_ipv4((seed >> 24) % 40, payload, offset, size, (seed >> 12 & 3) != 0 || offset == 0, &p);
			if (i % 1000 == 0)
				expect_balance();
		}
		EXPECT(counted("reassembled") > 0);
		end();
	}
}
