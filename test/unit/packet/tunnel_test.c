/* Tunnels: the innermost packet makes the session, what is around it is told, and what only looks like a tunnel is an
 * ordinary datagram. */
#include "frames.h"

/* Ethernet, outer IPv4 of 'protocol', header bytes, then the inner packet. */
static struct frame
in_ipv4(unsigned protocol, const void *header, size_t size, const struct frame *inner)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, protocol, (unsigned)(size + inner->size));
	frame_add(&f, header, size);
	frame_add(&f, inner->bytes, inner->size);
	return f;
}

static struct frame
in_udp(unsigned port, const void *header, size_t size, const struct frame *inner)
{
	struct frame datagram = {.size = 0};

	frame_udp(&datagram, 40000, port, (unsigned)(size + inner->size));
	frame_add(&datagram, header, size);
	return in_ipv4(IP_PROTOCOL_UDP, datagram.bytes, datagram.size, inner);
}

static struct frame
in_ethernet(unsigned type, const void *header, size_t size, const struct frame *inner)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, type);
	frame_add(&f, header, size);
	frame_add(&f, inner->bytes, inner->size);
	return f;
}

static struct frame
inner_ipv6(void)
{
	struct frame f = {.size = 0};

	frame_ipv6_udp(&f);
	return f;
}

static struct frame
inner_frame(void)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV6);
	frame_ipv6_udp(&f);
	return f;
}

/* The inner packet decides over key and payload, as if it were alone; no cut frame is accepted. */
static struct packet
expect_inner(const struct frame *f)
{
	struct frame alone = {.size = 0};
	struct packet expected, p = frames_decode_default(LINK_ETHERNET, f);

	frame_ethernet(&alone, ETHERTYPE_IPV6);
	frame_ipv6_udp(&alone);
	expected = frames_decode_default(LINK_ETHERNET, &alone);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.ip_version, 6);
	EXPECT(flow_key_equal(&p.key, &expected.key));
	EXPECT_EQ(p.payload_bytes, 3);
	frames_expect_truncations_refused(LINK_ETHERNET, f);
	return p;
}

TEST(ip_in_ip_tells_the_addresses_around)
{
	struct frame inner = inner_ipv6(), f = in_ipv4(IP_PROTOCOL_IPV6, "", 0, &inner);
	struct packet p = expect_inner(&f);

	EXPECT(p.has_outer);
	EXPECT_EQ(p.outer_ip_version, 4);
	EXPECT_EQ(p.outer_ip_offset, 14);
	EXPECT_EQ(p.tunnels, 0);
	EXPECT_EQ(p.outer_ethernet_offset, PACKET_NO_OFFSET);
}

TEST(an_outer_header_at_offset_0_is_not_told)
{
	struct frame f = {.size = 0}, inner = inner_ipv6();
	struct packet p;

	frame_ipv4(&f, IP_PROTOCOL_IPV6, (unsigned)inner.size);
	frame_add(&f, inner.bytes, inner.size);
	p = frames_decode_default(LINK_RAW, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.outer_ip_version, 0);
}

TEST(gre_with_and_without_its_optional_words)
{
	struct frame inner = inner_ipv6(), ethernet = inner_frame(), f;

	f = in_ipv4(IP_PROTOCOL_GRE, "\0\0\x86\xdd", 4, &inner);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_GRE);
	f = in_ipv4(IP_PROTOCOL_GRE,
		    "\xb0\0\x86\xdd"
		    "cccckkkkssss",
		    16, &inner);
	expect_inner(&f);
	f = in_ipv4(IP_PROTOCOL_GRE,
		    "\x40\0\x86\xdd"
		    "cccc\0\x08\0\x02rr\0\0\0\0",
		    18, &inner);
	expect_inner(&f);
	f = in_ipv4(IP_PROTOCOL_GRE, "\x30\x81\x88\x0b\0\0\0\0ssssaaaa\xff\x03\0\x57", 20, &inner);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_GRE | TUNNEL_PPP);
	f = in_ipv4(IP_PROTOCOL_GRE, "\0\0\x65\x58", 4, &ethernet);
	EXPECT_EQ(expect_inner(&f).outer_ethernet_offset, 0);
	f = in_ipv4(IP_PROTOCOL_GRE, "\0\x02\x86\xdd", 4, &inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_IP);
	f = in_ipv4(IP_PROTOCOL_GRE, "\0\0\0\0", 4, &inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(gre_routing_entries_are_bounded)
{
	struct frame inner = inner_ipv6();

	for (unsigned n = 32; n <= 33; n++) {
		char header[8 + 33 * 5 + 4] = "\x40\0\x86\xdd";
		struct frame f;

		for (unsigned i = 0; i < n; i++)
			header[8 + i * 5 + 3] = 1;
		f = in_ipv4(IP_PROTOCOL_GRE, header, 8 + n * 5 + 4, &inner);
		EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, n == 32 ? PACKET_OK : PACKET_CORRUPT);
	}
}

TEST(erspan_of_all_types_and_the_vlan_it_brings)
{
	struct frame inner = inner_frame(), f;
	struct packet p;

	f = in_ipv4(IP_PROTOCOL_GRE, "\0\0\x88\xbe", 4, &inner);
	expect_inner(&f);
	f = in_ipv4(IP_PROTOCOL_GRE, "\x10\0\x88\xbessss\x10\x17iiiiii", 16, &inner);
	p = expect_inner(&f);
	EXPECT_EQ(p.vlan, 23);
	EXPECT(p.vlan_from_link);
	f = in_ipv4(IP_PROTOCOL_GRE, "\x10\0\x22\xebssss\x20\x14tttttttt\0\x01pppppppp", 28, &inner);
	EXPECT_EQ(expect_inner(&f).vlan, 20);
	f = in_ipv4(IP_PROTOCOL_GRE, "\x10\0\x88\xbessss\x30\x17iiiiii", 16, &inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(tunnels_over_udp_and_their_network_ids)
{
	struct frame frame = inner_frame(), ip = inner_ipv6(), f;
	struct packet p;

	f = in_udp(4789, "\x08\0\0\0\x01\x02\x03\0", 8, &frame);
	p = expect_inner(&f);
	EXPECT_EQ(p.tunnels, TUNNEL_VXLAN);
	EXPECT_EQ(p.vni, 0x010203);
	EXPECT_EQ(p.outer_ethernet_offset, 0);
	EXPECT_EQ(p.outer_ip_offset, 14);
	f = in_udp(4790, "\x0c\0\0\x02\0\0\x07\0", 8, &ip);
	EXPECT_EQ(expect_inner(&f).vni, 7);
	f = in_udp(6081, "\x01\0\x86\xdd\0\0\x09\0oooo", 12, &ip);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_GENEVE);
	f = in_udp(2152, "\x30\xff\0\x33tttt", 8, &ip);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_GTP);
	f = in_udp(2152, "\x34\xff\0\x3bttttssn\x85\x01xx\0", 16, &ip);
	expect_inner(&f);
}

/* Wrong reserved bits, lengths or types: a session of the outer ports. */
static void
expect_plain(const struct frame *f)
{
	struct packet p = frames_decode_default(LINK_ETHERNET, f);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "udp");
	EXPECT_EQ(p.ip_version, 4);
	EXPECT_EQ(p.outer_ip_version, 0);
	EXPECT_EQ(p.data_bytes, p.payload_bytes);
}

TEST(what_only_looks_like_a_tunnel_is_an_ordinary_datagram)
{
	struct frame frame = inner_frame(), ip = inner_ipv6(), f;

	f = in_udp(4789, "\x09\0\0\0\x01\x02\x03\0", 8, &frame);
	expect_plain(&f);
	f = in_udp(4790, "\x0c\0\0\x09\0\0\x07\0", 8, &ip);
	expect_plain(&f);
	f = in_udp(6081, "\x40\0\x86\xdd\0\0\x09\0", 8, &ip);
	expect_plain(&f);
	f = in_udp(2152, "\x30\xff\0\x34tttt", 8, &ip);
	expect_plain(&f);
	f = in_udp(2152, "\x34\xff\0\x3bttttssn\x85\0xx\0", 16, &ip);
	expect_plain(&f);
}

TEST(tunnels_in_ethernet)
{
	struct frame ip = inner_ipv6(), frame = inner_frame(), f;

	f = in_ethernet(ETHERTYPE_MPLS, "\0\x01\0\x40\0\x02\x01\x40", 8, &ip);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_MPLS);
	f = in_ethernet(ETHERTYPE_PPPOE, "\x11\0\0\x01\0\x35\0\x57", 8, &ip);
	EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_PPPOE);
	f = in_ethernet(ETHERTYPE_PPPOE, "\x11\xa7\0\x01\0\x35\0\x57", 8, &ip);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
	f = in_ethernet(ETHERTYPE_NSH, "\0\x02\x02\x03pppp", 8, &frame);
	expect_inner(&f);
	f = in_ethernet(ETHERTYPE_CISCO_METADATA, "\x01\x01\0\x01\0\x05\x86\xdd", 8, &ip);
	expect_inner(&f);
}

/* All their bits are set but the one that says bottom, and in the last one only that. */
TEST(stacks_of_labels_of_any_height_are_walked_to_their_bottom)
{
	struct frame inner = inner_ipv6();

	for (unsigned above = 0; above <= 70; above++) {
		struct frame labels = {.size = 0}, f;

		for (unsigned i = 0; i < above; i++)
			frame_be32(&labels, 0xfffffeff);
		f = in_ethernet(ETHERTYPE_MPLS, labels.bytes, labels.size, &labels);
		EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
		frame_be32(&labels, 0x100);
		f = in_ethernet(ETHERTYPE_MPLS, labels.bytes, labels.size, &inner);
		EXPECT_EQ(expect_inner(&f).tunnels, TUNNEL_MPLS);
	}
}

TEST(ah_hands_on_what_is_not_built_in_and_stays_the_transport)
{
	struct frame inner = {.size = 0}, f;
	struct packet p;

	frame_zero(&inner, 32);
	f = in_ipv4(IP_PROTOCOL_AH, "\x59\x01\0\0\0\0\0\0\0\0\0\0", 12, &inner);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "ospf");
	EXPECT_EQ(p.ip_protocol, 51);
	EXPECT_EQ(p.transport_offset, 34);
	f = in_ipv4(IP_PROTOCOL_AH, "\x06\x01\0\0\0\0\0\0\0\0\0\0", 12, &inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_IP);
	f = in_ipv4(IP_PROTOCOL_AH, "\x59\xff\0\0\0\0\0\0\0\0\0\0", 12, &inner);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
}

TEST(nesting_is_bounded)
{
	struct frame f = inner_ipv6();

	for (unsigned i = 0; i < 20; i++) {
		struct frame g = {.size = 0};

		frame_ipv4(&g, i == 0 ? IP_PROTOCOL_IPV6 : IP_PROTOCOL_IPV4, (unsigned)f.size);
		frame_add(&g, f.bytes, f.size);
		f = g;
	}
	EXPECT_EQ(frames_decode_default(LINK_RAW, &f).verdict, PACKET_CORRUPT);
}
