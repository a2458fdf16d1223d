/* The hooks: icmp.c, igmp.c, pim.c, ospf.c, esp.c, sctp.c, arp.c, lldp.c, isis.c, esis.c (xid.c: ethernet_test.c). */
#include "packet/frames.h"

/* Ethernet and IPv4 with 'payload_bytes' zeros, padded to 60. */
static void
begin(struct frame *f, unsigned protocol, unsigned payload_bytes)
{
	frame_ethernet(f, ETHERTYPE_IPV4);
	frame_ipv4(f, protocol, payload_bytes);
	frame_zero(f, payload_bytes);
	if (f->size < 60)
		frame_zero(f, 60 - f->size);
}

/* The same packet sent back. */
static struct frame
turned(const struct frame *f)
{
	struct frame back = *f;

	memcpy(&back.bytes[26], &f->bytes[30], 4);
	memcpy(&back.bytes[30], &f->bytes[26], 4);
	return back;
}

TEST(icmp_sessions_are_by_addresses_and_count_the_padding)
{
	struct frame f = {.size = 0}, g;
	struct packet there, back;

	begin(&f, IP_PROTOCOL_ICMP, 8);
	g = turned(&f);
	there = frames_decode_default(LINK_ETHERNET, &f);
	back = frames_decode_default(LINK_ETHERNET, &g);
	EXPECT_EQ(there.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&there), "icmp");
	EXPECT_EQ(there.data_bytes, 26);
	EXPECT_EQ(there.payload_offset, 34);
	EXPECT_EQ(there.payload_bytes, 8);
	EXPECT(flow_key_equal(&there.key, &back.key));
	EXPECT(there.reversed && !back.reversed);
	EXPECT_EQ(there.key.port[0] | there.key.port[1], 0);
}

TEST(icmpv6_over_ipv4_is_corrupt_and_icmp_over_ipv6_is_icmp)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0};
	struct packet p;

	begin(&v4, IP_PROTOCOL_ICMPV6, 8);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &v4).verdict, PACKET_CORRUPT);
	frame_ipv6(&v6, IP_PROTOCOL_ICMPV6, 8);
	frame_zero(&v6, 8);
	p = frames_decode_default(LINK_RAW, &v6);
	EXPECT_STR(frames_protocol(&p), "icmpv6");
	EXPECT_EQ(p.data_bytes, 8);
	v6.bytes[6] = IP_PROTOCOL_ICMP;
	p = frames_decode_default(LINK_RAW, &v6);
	EXPECT_STR(frames_protocol(&p), "icmp");
}

TEST(icmpv6_data_begins_behind_the_extension_headers)
{
	struct frame f = {.size = 0};

	frame_ipv6(&f, IP_PROTOCOL_HOPOPTS, 16);
	frame_u8(&f, IP_PROTOCOL_ICMPV6);
	frame_zero(&f, 7 + 8 + 6);
	EXPECT_EQ(frames_decode_default(LINK_RAW, &f).data_bytes, 14);
}

TEST(protocols_with_one_session_have_one_key)
{
	static const struct {
		uint8_t number;
		const char *name;
	} cases[] = {{IP_PROTOCOL_IGMP, "igmp"}, {IP_PROTOCOL_PIM, "pim"}};

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = {.size = 0}, g;
		struct packet there, back;

		begin(&f, cases[i].number, 8);
		g = turned(&f);
		g.bytes[33] = 200;
		there = frames_decode_default(LINK_ETHERNET, &f);
		back = frames_decode_default(LINK_ETHERNET, &g);
		EXPECT_STR(frames_protocol(&there), cases[i].name);
		EXPECT(flow_key_equal(&there.key, &back.key));
		EXPECT(!there.reversed && !back.reversed);
		EXPECT_EQ(there.data_bytes, 0);
		EXPECT(packet_protocol(there.protocol)->one_way && packet_protocol(there.protocol)->has_addresses);
	}
}

TEST(ospf_sessions_are_by_addresses)
{
	struct frame f = {.size = 0}, g;
	struct packet there, back;

	begin(&f, IP_PROTOCOL_OSPF, 44);
	g = turned(&f);
	there = frames_decode_default(LINK_ETHERNET, &f);
	back = frames_decode_default(LINK_ETHERNET, &g);
	EXPECT_STR(frames_protocol(&there), "ospf");
	EXPECT(flow_key_equal(&there.key, &back.key));
	EXPECT(packet_protocol(there.protocol)->one_way);
	/* So that the source of the session's first packet is known. */
	EXPECT(there.reversed && !back.reversed);
	EXPECT_EQ(there.data_bytes, 0);
}

TEST(esp_is_tracked_only_when_asked_for)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.track_esp = true});
	struct decode_conf *unknown = frames_conf(
		&(struct decode_settings){.save_unknown_packets = {.item = (const char *[]){"ip:esp"}, .n = 1}});
	struct frame f = {.size = 0};
	struct packet p;

	REQUIRE(conf != NULL && unknown != NULL);
	begin(&f, IP_PROTOCOL_ESP, 40);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_IP);
	p = frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "esp");
	EXPECT_EQ(p.data_bytes, 32);
	p = frames_decode(unknown, LINK_ETHERNET, f.bytes, f.size);
	EXPECT_STR(frames_protocol(&p), "unknown-ip");
	decode_conf_destroy(conf);
	decode_conf_destroy(unknown);
}

TEST(esp_shorter_than_its_header_has_no_data)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.track_esp = true});
	struct frame f = {.size = 0};

	REQUIRE(conf != NULL);
	frame_ipv4(&f, IP_PROTOCOL_ESP, 7);
	frame_zero(&f, 7);
	EXPECT_EQ(frames_decode(conf, LINK_RAW, f.bytes, f.size).data_bytes, 0);
	decode_conf_destroy(conf);
}

TEST(sctp_sessions_are_by_addresses_and_ports)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_SCTP, 12 + 16);
	frame_be16(&f, 2905);
	frame_be16(&f, 38412);
	frame_zero(&f, 8 + 16);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "sctp");
	EXPECT_EQ(p.key.port[1], 2905);
	EXPECT_EQ(p.key.port[0], 38412);
	EXPECT_EQ(p.payload_offset, 46);
	EXPECT_EQ(p.payload_bytes, 16);
	EXPECT_EQ(p.data_bytes, 16);
	frames_expect_truncations_refused(LINK_ETHERNET, &f);
}

TEST(sctp_without_its_header_is_corrupt)
{
	struct frame f = {.size = 0};

	begin(&f, IP_PROTOCOL_SCTP, 11);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
}

static void
add_arp(struct frame *f, unsigned operation, uint32_t sender, uint32_t target)
{
	frame_ethernet(f, ETHERTYPE_ARP);
	frame_be32(f, 0x00010800);
	frame_be16(f, 0x0604);
	frame_be16(f, operation);
	frame_zero(f, 6);
	frame_be32(f, sender);
	frame_zero(f, 6);
	frame_be32(f, target);
}

TEST(arp_is_an_unknown_ethertype_by_default)
{
	struct frame f = {.size = 0};

	add_arp(&f, 1, SOURCE_IPV4, DESTINATION_IPV4);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(an_arp_request_and_its_reply_share_a_session)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.track_esp = false});
	struct frame request = {.size = 0}, reply = {.size = 0}, other = {.size = 0};
	struct packet p, q, r;

	REQUIRE(conf != NULL);
	add_arp(&request, 1, SOURCE_IPV4, DESTINATION_IPV4);
	add_arp(&reply, 2, DESTINATION_IPV4, SOURCE_IPV4);
	add_arp(&other, 1, DESTINATION_IPV4, SOURCE_IPV4);
	p = frames_decode(conf, LINK_ETHERNET, request.bytes, request.size);
	q = frames_decode(conf, LINK_ETHERNET, reply.bytes, reply.size);
	r = frames_decode(conf, LINK_ETHERNET, other.bytes, other.size);
	EXPECT_STR(frames_protocol(&p), "arp");
	EXPECT_EQ(q.verdict, PACKET_OK);
	EXPECT(flow_key_equal(&p.key, &q.key));
	EXPECT(!flow_key_equal(&p.key, &r.key));
	for (size_t n = 0; n < request.size; n++)
		EXPECT_EQ(frames_decode(conf, LINK_ETHERNET, request.bytes, n).verdict, PACKET_CORRUPT);
	decode_conf_destroy(conf);
}

TEST(arp_of_another_kind_is_corrupt)
{
	static const struct {
		uint8_t offset, value;
	} changes[] = {{15, 6}, {16, 0x86}, {18, 8}, {19, 16}, {21, 0}, {21, 3}, {20, 1}};
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.track_esp = false});

	REQUIRE(conf != NULL);
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct frame f = {.size = 0};

		add_arp(&f, 1, SOURCE_IPV4, DESTINATION_IPV4);
		f.bytes[changes[i].offset] = changes[i].value;
		EXPECT_EQ(frames_decode(conf, LINK_ETHERNET, f.bytes, f.size).verdict, PACKET_CORRUPT);
	}
	decode_conf_destroy(conf);
}

TEST(lldp_and_esis_are_one_session_each)
{
	static const struct {
		uint16_t type;
		const char *name;
	} cases[] = {{ETHERTYPE_LLDP, "lldp"}, {ETHERTYPE_ESIS, "esis"}};

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, cases[i].type);
		frame_zero(&f, 46);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT_STR(frames_protocol(&p), cases[i].name);
		EXPECT_EQ(p.payload_offset, 14);
		EXPECT_EQ(p.data_bytes, 0);
		EXPECT(!packet_protocol(p.protocol)->has_addresses);
	}
}
