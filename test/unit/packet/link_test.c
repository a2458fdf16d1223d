/* Link types other than Ethernet: sll.c, null_loop.c, raw_ip.c, frame_relay.c, radiotap.c, nflog.c, ppp.c,
 * cisco_hdlc.c, mpacket.c. */
#include "packet/frames.h"

/* What all link types have in common: the right IP header is found, nothing says Ethernet, and no truncation is
 * accepted. */
static void
expect_udp(uint16_t link_type, const struct frame *f, unsigned ip_version, unsigned ip_offset)
{
	struct packet p = frames_decode_default(link_type, f);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "udp");
	EXPECT_EQ(p.ip_version, ip_version);
	EXPECT_EQ(p.ip_offset, ip_offset);
	EXPECT_EQ(p.payload_bytes, 3);
	EXPECT_EQ(p.is_ethernet, link_type == LINK_ETHERNET_MPACKET);
	frames_expect_truncations_refused(link_type, f);
}

static enum packet_verdict
verdict(uint16_t link_type, const struct frame *f)
{
	return (enum packet_verdict)frames_decode_default(link_type, f).verdict;
}

TEST(raw_ip_is_told_by_its_version)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0};

	frame_ipv4_udp(&v4);
	frame_ipv6_udp(&v6);
	expect_udp(LINK_RAW, &v4, 4, 0);
	expect_udp(LINK_RAW, &v6, 6, 0);
	expect_udp(LINK_RAW_12, &v4, 4, 0);
	expect_udp(LINK_RAW_12, &v6, 6, 0);
	expect_udp(LINK_IPV4, &v4, 4, 0);
	expect_udp(LINK_IPV6, &v6, 6, 0);
	EXPECT_EQ(verdict(LINK_IPV4, &v6), PACKET_CORRUPT);
	EXPECT_EQ(verdict(LINK_IPV6, &v4), PACKET_CORRUPT);
}

static void
begin_sll(struct frame *f, unsigned type)
{
	frame_be32(f, 0x00040001);
	frame_be16(f, 6);
	frame_zero(f, 8);
	frame_be16(f, type);
}

TEST(linux_cooked_frames_are_decoded)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0}, stp = {.size = 0};
	struct packet p;

	begin_sll(&v4, ETHERTYPE_IPV4);
	frame_ipv4_udp(&v4);
	expect_udp(LINK_LINUX_SLL, &v4, 4, 16);
	begin_sll(&v6, ETHERTYPE_IPV6);
	frame_ipv6_udp(&v6);
	expect_udp(LINK_LINUX_SLL, &v6, 6, 16);

	/* 802.2 frames have protocol 4 there, which is the number of XID. */
	begin_sll(&stp, 4);
	frame_be32(&stp, 0x42420300);
	p = frames_decode_default(LINK_LINUX_SLL, &stp);
	EXPECT_STR(frames_protocol(&p), "xid");
	EXPECT_EQ(p.ethernet_offset, PACKET_NO_OFFSET);
}

TEST(one_vlan_tag_of_a_cooked_frame_is_stepped_over)
{
	struct frame f = {.size = 0}, twice = {.size = 0};
	struct packet p;

	begin_sll(&f, ETHERTYPE_VLAN);
	frame_be16(&f, 0x2000 | 77);
	frame_be16(&f, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	expect_udp(LINK_LINUX_SLL, &f, 4, 20);
	p = frames_decode_default(LINK_LINUX_SLL, &f);
	EXPECT_EQ(p.vlan, 77);
	EXPECT(p.vlan_from_link);

	begin_sll(&twice, ETHERTYPE_VLAN);
	frame_be32(&twice, 0x00058100);
	frame_be32(&twice, 0x00060800);
	frame_ipv4_udp(&twice);
	EXPECT_EQ(verdict(LINK_LINUX_SLL, &twice), PACKET_UNKNOWN_ETHER);
}

TEST(a_cooked_frame_that_begins_otherwise_is_tried_as_ipv4)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0}, odd = {.size = 0};

	frame_ipv4_udp(&v4);
	expect_udp(LINK_LINUX_SLL, &v4, 4, 0);
	frame_ipv6_udp(&v6);
	EXPECT_EQ(verdict(LINK_LINUX_SLL, &v6), PACKET_CORRUPT);
	begin_sll(&odd, ETHERTYPE_IPV4);
	frame_ipv4_udp(&odd);
	odd.bytes[1] = 5;
	EXPECT_EQ(verdict(LINK_LINUX_SLL, &odd), PACKET_CORRUPT);
}

TEST(cooked_frames_of_version_2_are_decoded)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0}, tagged = {.size = 0};

	frame_be16(&v4, ETHERTYPE_IPV4);
	frame_zero(&v4, 18);
	frame_ipv4_udp(&v4);
	expect_udp(LINK_LINUX_SLL2, &v4, 4, 20);
	frame_be16(&v6, ETHERTYPE_IPV6);
	frame_zero(&v6, 18);
	frame_ipv6_udp(&v6);
	expect_udp(LINK_LINUX_SLL2, &v6, 6, 20);
	frame_be16(&tagged, ETHERTYPE_VLAN);
	frame_zero(&tagged, 18);
	frame_be32(&tagged, 0x00050800);
	frame_ipv4_udp(&tagged);
	EXPECT_EQ(verdict(LINK_LINUX_SLL2, &tagged), PACKET_UNKNOWN_ETHER);
}

TEST(loopback_families_are_read_in_both_byte_orders)
{
	static const uint8_t families[] = {24, 28, 30};
	static const uint16_t links[] = {LINK_NULL, LINK_LOOP};

	for (unsigned i = 0; i < 6; i++) {
		struct frame little = {.size = 0}, big = {.size = 0};

		frame_be32(&little, (uint32_t)families[i / 2] << 24);
		frame_ipv6_udp(&little);
		frame_be32(&big, families[i / 2]);
		frame_ipv6_udp(&big);
		expect_udp(links[i % 2], &little, 6, 4);
		expect_udp(links[i % 2], &big, 6, 4);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct frame little = {.size = 0}, big = {.size = 0}, odd = {.size = 0};

		frame_be32(&little, 0x02000000);
		frame_ipv4_udp(&little);
		frame_be32(&big, 2);
		frame_ipv4_udp(&big);
		frame_be32(&odd, 0x12345678);
		frame_ipv4_udp(&odd);
		expect_udp(links[i], &little, 4, 4);
		expect_udp(links[i], &big, 4, 4);
		expect_udp(links[i], &odd, 4, 4);
	}
}

TEST(frame_relay_carries_ipv4_and_ethertypes)
{
	struct frame nlpid = {.size = 0}, type = {.size = 0}, inner = {.size = 0};

	frame_be32(&nlpid, 0x184103cc);
	frame_ipv4_udp(&nlpid);
	expect_udp(LINK_FRAME_RELAY, &nlpid, 4, 4);
	frame_be32(&type, 0x184186dd);
	frame_ipv6_udp(&type);
	expect_udp(LINK_FRAME_RELAY, &type, 6, 4);

	frame_ethernet(&inner, ETHERTYPE_FRAME_RELAY);
	frame_be32(&inner, 0x184103cc);
	frame_ipv4_udp(&inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &inner).ip_offset, 18);
}

static void
begin_radiotap(struct frame *f, unsigned frame_control, unsigned header_bytes)
{
	frame_be16(f, 0);
	frame_be16(f, header_bytes << 8);
	frame_zero(f, header_bytes - 4);
	frame_u8(f, frame_control);
	frame_zero(f, 23);
	frame_be32(f, 0xaaaa0300);
	frame_be16(f, 0);
	frame_be16(f, ETHERTYPE_IPV4);
}

TEST(radiotap_data_frames_are_decoded_and_all_others_unknown)
{
	struct frame f = {.size = 0}, g;

	begin_radiotap(&f, 0x08, 18);
	frame_ipv4_udp(&f);
	expect_udp(LINK_IEEE802_11_RADIO, &f, 4, 50);

	g = f;
	g.bytes[18] = 0x88; /* QoS data */
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_UNKNOWN_ETHER);
	g = f;
	g.bytes[19] = 0x40; /* protected, but in clear */
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_OK);
	g = f;
	g.bytes[0] = 1;
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_UNKNOWN_ETHER);
	g = f;
	g.bytes[47] = 1; /* SNAP OUI */
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_UNKNOWN_ETHER);
	g = f;
	frame_set_be16(&g, 2, 0xffff);
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_UNKNOWN_ETHER);
	g = f;
	g.size = 50;
	EXPECT_EQ(verdict(LINK_IEEE802_11_RADIO, &g), PACKET_UNKNOWN_ETHER);
}

static void
add_tlv(struct frame *f, unsigned type, unsigned length)
{
	frame_u8(f, length);
	frame_u8(f, length >> 8);
	frame_u8(f, type);
	frame_u8(f, type >> 8);
}

TEST(nflog_packets_are_found_behind_other_tlvs)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0}, f;

	frame_be32(&v4, 0x02000005);
	add_tlv(&v4, 1, 8);
	frame_zero(&v4, 4);
	add_tlv(&v4, 10, 9); /* padded to 12 */
	frame_add(&v4, "name\0\0\0\0", 8);
	add_tlv(&v4, 9, 4 + 31);
	frame_ipv4_udp(&v4);
	expect_udp(LINK_NFLOG, &v4, 4, 28);

	frame_be32(&v6, 0x0a000005);
	add_tlv(&v6, 9, 4 + 51);
	frame_ipv6_udp(&v6);
	expect_udp(LINK_NFLOG, &v6, 6, 8);

	f = v4;
	f.bytes[0] = 7;
	EXPECT_EQ(verdict(LINK_NFLOG, &f), PACKET_CORRUPT);
	f = v4;
	f.bytes[1] = 1;
	EXPECT_EQ(verdict(LINK_NFLOG, &f), PACKET_CORRUPT);
	f = v4;
	f.bytes[4] = 3; /* shorter than its own header */
	EXPECT_EQ(verdict(LINK_NFLOG, &f), PACKET_CORRUPT);
	f = v4;
	f.bytes[26] = 11; /* no packet */
	EXPECT_EQ(verdict(LINK_NFLOG, &f), PACKET_CORRUPT);
}

TEST(more_nflog_tlvs_than_the_kernel_knows_are_corrupt)
{
	struct frame f = {.size = 0};

	frame_be32(&f, 0x02000005);
	for (unsigned i = 0; i < 64; i++)
		add_tlv(&f, 1, 4);
	add_tlv(&f, 9, 4 + 31);
	frame_ipv4_udp(&f);
	EXPECT_EQ(verdict(LINK_NFLOG, &f), PACKET_CORRUPT);
}

TEST(ppp_is_decoded_with_and_without_compression)
{
	static const struct {
		const char *bytes;
		unsigned size, ip_version;
	} headers[] = {
		{"\xff\x03\x00\x21", 4, 4}, {"\x00\x21", 2, 4},		{"\x21", 1, 4},
		{"\xff\x03\x21", 3, 4},	    {"\xff\x03\x00\x57", 4, 6}, {"\x57", 1, 6},
	};
	static const uint16_t links[] = {LINK_PPP, LINK_PPP_HDLC};

	for (unsigned i = 0; i < 12; i++) {
		struct frame f = {.size = 0};

		frame_add(&f, headers[i / 2].bytes, headers[i / 2].size);
		if (headers[i / 2].ip_version == 6)
			frame_ipv6_udp(&f);
		else
			frame_ipv4_udp(&f);
		expect_udp(links[i % 2], &f, headers[i / 2].ip_version, headers[i / 2].size);
	}
}

TEST(ppp_control_protocols_are_unknown)
{
	struct frame lcp = {.size = 0};

	frame_be32(&lcp, 0xff03c021);
	frame_be32(&lcp, 0x01010004);
	EXPECT_EQ(verdict(LINK_PPP, &lcp), PACKET_UNKNOWN_ETHER);
}

TEST(cisco_hdlc_carries_ethertypes)
{
	static const uint8_t addresses[] = {0x0f, 0x8f};

	for (unsigned i = 0; i < 2; i++) {
		struct frame v4 = {.size = 0}, slarp = {.size = 0};

		frame_u8(&v4, addresses[i]);
		frame_u8(&v4, 0);
		frame_be16(&v4, ETHERTYPE_IPV4);
		frame_ipv4_udp(&v4);
		expect_udp(LINK_CISCO_HDLC, &v4, 4, 4);
		expect_udp(LINK_PPP_HDLC, &v4, 4, 4);
		frame_u8(&slarp, addresses[i]);
		frame_u8(&slarp, 0);
		frame_be16(&slarp, 0x8035);
		frame_zero(&slarp, 14);
		EXPECT_EQ(verdict(LINK_CISCO_HDLC, &slarp), PACKET_UNKNOWN_ETHER);
	}
}

TEST(mpackets_are_ethernet_behind_a_preamble)
{
	static const struct {
		const char *bytes;
		unsigned size;
	} starts[] = {
		{"\x55\x55\x55\x55\x55\x55\x55\xd5", 8},
		{"\x50\x55\x55\x55\x55\x55\x55\xd5", 8},
		{"\x55\x55\x55\x55\x55\x55\x55\xe6", 8},
		{"\x55\x4c", 2},
		{"\x7f", 1},
		{"\xb3", 1},
		{"\x50\xd5", 2},
	};

	for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_add(&f, starts[i].bytes, starts[i].size);
		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_be32(&f, 0xdeadbeef);
		expect_udp(LINK_ETHERNET_MPACKET, &f, 4, starts[i].size + 14);
		p = frames_decode_default(LINK_ETHERNET_MPACKET, &f);
		EXPECT_EQ(p.frame_offset, starts[i].size);
		EXPECT_EQ(p.ethernet_offset, starts[i].size);
	}
}

TEST(mpacket_continuations_are_corrupt)
{
	static const uint8_t starts[] = {0x61, 0x52, 0x9e, 0x2a, 0x07, 0x19, 0x00};

	for (unsigned i = 0; i < sizeof(starts); i++) {
		struct frame f = {.size = 0};

		frame_be32(&f, 0x55555555);
		frame_u8(&f, starts[i]);
		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_zero(&f, 4);
		EXPECT_EQ(verdict(LINK_ETHERNET_MPACKET, &f), PACKET_CORRUPT);
	}
}

TEST(an_unknown_link_type_is_unknown)
{
	struct frame f = {.size = 0};

	frame_ipv4_udp(&f);
	EXPECT_EQ(verdict(147, &f), PACKET_UNKNOWN_ETHER);
	EXPECT_EQ(verdict(65535, &f), PACKET_UNKNOWN_ETHER);
}

TEST(four_bytes_and_fewer_are_corrupt_on_every_link)
{
	struct frame f = {.bytes = {0, 1, 2, 3, 4}};

	for (f.size = 0; f.size <= 4; f.size++)
		for (unsigned link_type = 0; link_type < 300; link_type++)
			EXPECT_EQ(verdict((uint16_t)link_type, &f), PACKET_CORRUPT);
}
