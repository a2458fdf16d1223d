/* ipv4.c and ipv6.c. */
#include "packet/frames.h"

static enum packet_verdict
verdict(const struct frame *f)
{
	return (enum packet_verdict)frames_decode_default(LINK_RAW, f).verdict;
}

TEST(ipv4_header_fields_are_kept)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ipv4_udp(&f);
	p = frames_decode_default(LINK_RAW, &f);
	EXPECT_EQ(p.ip_version, 4);
	EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_UDP);
	EXPECT_EQ(p.traffic_class, 0xb8);
	EXPECT_EQ(p.hop_limit, 63);
	EXPECT_EQ(p.key.address[0][10], 0xff);
	EXPECT_EQ(p.key.address[0][11], 0xff);
	EXPECT_EQ(p.key.address[0][9], 0);
	EXPECT_EQ(p.key.address[0][15], 1);
	EXPECT_EQ(p.key.address[1][15], 2);
}

TEST(ipv4_options_are_stepped_over)
{
	for (unsigned words = 1; words <= 10; words++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4(&f, IP_PROTOCOL_TCP, words * 4 + TCP_HEADER_BYTES + 5);
		f.bytes[14] = (uint8_t)(0x45 + words);
		frame_zero(&f, (size_t)words * 4);
		frame_tcp(&f, 1, 2);
		frame_zero(&f, 5);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT_EQ(p.transport_offset, 34 + words * 4);
		EXPECT_EQ(p.payload_bytes, 5);
		frames_expect_truncations_refused(LINK_ETHERNET, &f);
	}
}

TEST(ipv4_lengths_that_contradict_each_other_are_corrupt)
{
	struct frame good = {.size = 0}, f;

	frame_ipv4_udp(&good);
	EXPECT_EQ(verdict(&good), PACKET_OK);
	f = good;
	f.bytes[0] = 0x44; /* header of 16 bytes */
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
	f = good;
	f.bytes[0] = 0x55; /* version 5 */
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
	f = good;
	frame_set_be16(&f, 2, 19); /* shorter than the header */
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
	frame_set_be16(&f, 2, 0); /* segmentation offload */
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
	frame_set_be16(&f, 2, (unsigned)good.size + 1);
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
	f = good;
	f.bytes[0] = 0x4f; /* header longer than the packet */
	EXPECT_EQ(verdict(&f), PACKET_CORRUPT);
}

TEST(ipv4_fragments_have_their_own_verdict)
{
	static const struct {
		uint16_t field;
		uint8_t verdict;
	} cases[] = {
		{0x4000, PACKET_OK},	   /* DF */
		{0x8000, PACKET_OK},	   /* reserved */
		{0x2000, PACKET_FRAGMENT}, /* first */
		{0x0001, PACKET_FRAGMENT}, /* last */
		{0x1fff, PACKET_FRAGMENT}, {0x6001, PACKET_FRAGMENT},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_zero(&f, 20);
		frame_set_be16(&f, 20, cases[i].field);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, cases[i].verdict);
		EXPECT_EQ(p.transport_offset, 34);
		EXPECT_EQ(p.transport_bytes, 11);
	}
}

TEST(without_reassembly_the_first_ipv4_fragment_is_decoded_and_the_others_are_unknown)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.keep_ipv4_fragments = true});
	struct frame f = {.size = 0};

	REQUIRE(conf != NULL);
	frame_ipv4(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES + 4);
	frame_tcp(&f, 1, 2);
	frame_zero(&f, 4);
	frame_set_be16(&f, 6, 0x2000);
	EXPECT_EQ(frames_decode(conf, LINK_RAW, f.bytes, f.size).verdict, PACKET_OK);
	frame_set_be16(&f, 6, 0x2003);
	EXPECT_EQ(frames_decode(conf, LINK_RAW, f.bytes, f.size).verdict, PACKET_UNKNOWN_IP);
	decode_conf_destroy(conf);
}

TEST(ipv6_header_fields_are_kept)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ipv6_udp(&f);
	p = frames_decode_default(LINK_RAW, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.ip_version, 6);
	EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_UDP);
	EXPECT_EQ(p.traffic_class, 0xb8);
	EXPECT_EQ(p.hop_limit, 61);
	EXPECT(!p.reversed);
	EXPECT_EQ(p.key.address[0][0], 0x20);
	EXPECT_EQ(p.key.address[0][15], 1);
	EXPECT_EQ(p.key.address[1][15], 2);
	EXPECT_EQ(p.key.port[0], 5000);
}

/* 'extensions' headers of 8 bytes, types in turn, before UDP. */
static void
add_extensions(struct frame *f, unsigned extensions)
{
	static const uint8_t types[] = {IP_PROTOCOL_HOPOPTS, IP_PROTOCOL_DSTOPTS, IP_PROTOCOL_ROUTING};

	frame_ipv6(f, extensions > 0 ? types[0] : IP_PROTOCOL_UDP, extensions * 8 + UDP_HEADER_BYTES + 3);
	for (unsigned i = 1; i <= extensions; i++) {
		frame_u8(f, i < extensions ? types[i % 3] : IP_PROTOCOL_UDP);
		frame_zero(f, 7);
	}
	frame_udp(f, 5000, 53, 3);
	frame_add(f, "abc", 3);
}

TEST(sixteen_ipv6_extension_headers_are_stepped_over)
{
	for (unsigned extensions = 0; extensions <= 17; extensions++) {
		struct frame f = {.size = 0};
		struct packet p;

		add_extensions(&f, extensions);
		p = frames_decode_default(LINK_RAW, &f);
		EXPECT_EQ(p.verdict, extensions <= 16 ? PACKET_OK : PACKET_CORRUPT);
		if (extensions <= 16) {
			EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_UDP);
			EXPECT_EQ(p.transport_offset, 40 + extensions * 8);
		}
		frames_expect_truncations_refused(LINK_RAW, &f);
	}
}

TEST(an_ipv6_extension_beyond_the_payload_is_corrupt)
{
	struct frame f = {.size = 0};
	struct packet p;

	add_extensions(&f, 1);
	frame_zero(&f, 100);
	f.bytes[41] = 2; /* 24 bytes, of which the payload has 19 */
	p = frames_decode_default(LINK_RAW, &f);
	EXPECT_EQ(p.verdict, PACKET_CORRUPT);
	EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_HOPOPTS);
}

TEST(ipv6_fragments_have_their_own_verdict_or_are_an_unknown_ip_protocol)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){
		.save_unknown_packets = {.item = (const char *[]){"all"}, .n = 1}, .keep_ipv6_fragments = true});
	struct frame f = {.size = 0};
	struct packet p;

	REQUIRE(conf != NULL);
	frame_ipv6(&f, IP_PROTOCOL_FRAGMENT, 8 + UDP_HEADER_BYTES);
	frame_u8(&f, IP_PROTOCOL_UDP);
	frame_zero(&f, 7);
	frame_udp(&f, 1, 2, 0);
	p = frames_decode(conf, LINK_RAW, f.bytes, f.size);
	EXPECT_EQ(p.verdict, PACKET_UNKNOWN_IP);
	EXPECT_EQ(p.ip_protocol, IP_PROTOCOL_FRAGMENT);
	p = frames_decode_default(LINK_RAW, &f);
	EXPECT_EQ(p.verdict, PACKET_FRAGMENT);
	EXPECT_EQ(p.transport_offset, 40);
	EXPECT_EQ(p.transport_bytes, 16);
	decode_conf_destroy(conf);
}

TEST(an_ipv6_payload_beyond_the_frame_or_another_version_is_corrupt)
{
	struct frame good = {.size = 0}, f;

	frame_ethernet(&good, ETHERTYPE_IPV6);
	frame_ipv6_udp(&good);
	f = good;
	frame_set_be16(&f, 18, 12);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
	f = good;
	f.bytes[14] = 0x45;
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
}

TEST(an_ipv6_payload_length_of_zero_leaves_tcp_without_payload_and_udp_corrupt)
{
	struct frame tcp = {.size = 0}, udp = {.size = 0};
	struct packet p;

	frame_ipv6(&tcp, IP_PROTOCOL_TCP, 0);
	frame_tcp(&tcp, 1, 2);
	frame_zero(&tcp, 10);
	p = frames_decode_default(LINK_RAW, &tcp);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.transport_bytes, 0);
	EXPECT_EQ(p.payload_bytes, 0);
	frame_ipv6(&udp, IP_PROTOCOL_UDP, 0);
	frame_udp(&udp, 1, 2, 0);
	EXPECT_EQ(verdict(&udp), PACKET_CORRUPT);
}

TEST(headers_that_begin_beyond_2047_are_corrupt)
{
	/* NFLOG puts a TLV of any length before the packet: 4 + its bytes + 4 is where the IP header begins. */
	for (unsigned offset = 2044; offset <= 2052; offset += 4) {
		struct frame f = {.size = 0};

		frame_be32(&f, 0x02000000);
		frame_u8(&f, offset - 8);
		frame_u8(&f, (offset - 8) >> 8);
		frame_be16(&f, 0x0100);
		frame_zero(&f, offset - 12);
		frame_be32(&f, (4u + 31) << 24 | 0x0900);
		frame_ipv4_udp(&f);
		EXPECT_EQ(frames_decode_default(LINK_NFLOG, &f).verdict,
			  offset <= PACKET_HEADER_OFFSET_MAX ? PACKET_OK : PACKET_CORRUPT);
	}
}

TEST(padding_is_trimmed_when_asked_for)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.trim_ethernet_padding = true});
	struct frame f = {.size = 0};
	struct packet p;

	REQUIRE(conf != NULL);
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_ICMP, 8);
	frame_zero(&f, 8 + 18);
	p = frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.captured_bytes, 42);
	EXPECT_EQ(p.wire_bytes, 42);
	EXPECT_EQ(p.data_bytes, 8);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.captured_bytes, 60);
	EXPECT_EQ(p.wire_bytes, 60);
	EXPECT_EQ(p.data_bytes, 26);
	decode_conf_destroy(conf);
}
