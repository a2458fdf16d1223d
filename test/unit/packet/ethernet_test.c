#include "packet/frames.h"

static void
add_tag(struct frame *f, unsigned id, unsigned type)
{
	frame_be16(f, 0xe000 | id);
	frame_be16(f, type);
}

TEST(an_ethernet_frame_gives_offsets_addresses_and_key)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT(p.is_ethernet);
	EXPECT_EQ(p.frame_offset, 0);
	EXPECT_EQ(p.ethernet_offset, 0);
	EXPECT_EQ(p.ip_offset, 14);
	EXPECT_EQ(p.transport_offset, 34);
	EXPECT_EQ(p.transport_bytes, 11);
	EXPECT_EQ(p.payload_offset, 42);
	EXPECT_EQ(p.payload_bytes, 3);
	EXPECT_EQ(p.data_bytes, 3);
	EXPECT_EQ(p.vlan, 0);
	EXPECT_STR(frames_protocol(&p), "udp");
	frames_expect_truncations_refused(LINK_ETHERNET, &f);
}

TEST(eight_vlan_tags_are_stepped_over_and_a_ninth_is_corrupt)
{
	for (unsigned tags = 1; tags <= 9; tags++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_VLAN);
		for (unsigned i = 1; i < tags; i++)
			add_tag(&f, 100 + i, i % 2 != 0 ? ETHERTYPE_SERVICE_VLAN : ETHERTYPE_VLAN);
		add_tag(&f, 100 + tags, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, tags <= PACKET_VLAN_MAX ? PACKET_OK : PACKET_CORRUPT);
		EXPECT_EQ(p.vlan, 101);
		EXPECT(!p.vlan_from_link);
		if (tags <= PACKET_VLAN_MAX)
			EXPECT_EQ(p.ip_offset, 14 + 4 * tags);
		frames_expect_truncations_refused(LINK_ETHERNET, &f);
	}
}

TEST(the_first_vlan_id_that_is_not_zero_counts)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_SERVICE_VLAN);
	add_tag(&f, 0, ETHERTYPE_VLAN);
	add_tag(&f, 4095, ETHERTYPE_VLAN);
	add_tag(&f, 7, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).vlan, 4095);
}

TEST(a_tag_of_type_9100_is_an_unknown_ethertype)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, 0x9100);
	add_tag(&f, 5, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(a_byte_has_to_follow_the_ethertype)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, 0x9999);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
	frame_u8(&f, 0);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(llc_xid_frames_are_a_session_whatever_their_saps)
{
	static const uint8_t controls[] = {0xaf, 0xbf};

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, 3);
		frame_u8(&f, 0x12);
		frame_u8(&f, 0x34);
		frame_u8(&f, controls[i]);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT_STR(frames_protocol(&p), "xid");
		EXPECT_EQ(p.ip_version, 0);
		EXPECT_EQ(p.data_bytes, 0);
		EXPECT_EQ(p.transport_offset, 14);
		frames_expect_truncations_refused(LINK_ETHERNET, &f);
	}
}

TEST(llc_osi_frames_are_dispatched_by_their_first_byte)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ethernet(&f, 6);
	frame_be32(&f, 0xfefe0383);
	frame_be16(&f, 0x1b01);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "isis");
	EXPECT_EQ(p.payload_offset, 18);
	EXPECT_EQ(p.payload_bytes, 2);

	/* Padding belongs to the payload, as in the reference. */
	frame_zero(&f, 40);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).payload_bytes, 42);

	/* ES-IS is not recognised this way. */
	f.bytes[17] = 0x82;
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_UNKNOWN_ETHER);

	f.size = 17;
	frame_set_be16(&f, 12, 3);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
}

TEST(other_llc_and_wrong_lengths_are_corrupt)
{
	struct frame snap = {.size = 0}, spanning_tree = {.size = 0}, long_length = {.size = 0};

	frame_ethernet(&snap, 40);
	frame_be32(&snap, 0xaaaa0300);
	frame_zero(&snap, 2);
	frame_be16(&snap, ETHERTYPE_IPV4);
	frame_ipv4_udp(&snap);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &snap).verdict, PACKET_CORRUPT);

	frame_ethernet(&spanning_tree, 38);
	frame_be32(&spanning_tree, 0x42420300);
	frame_zero(&spanning_tree, 42);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &spanning_tree).verdict, PACKET_CORRUPT);

	frame_ethernet(&long_length, 5);
	frame_be32(&long_length, 0x0101af00);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &long_length).verdict, PACKET_CORRUPT);
	frame_u8(&long_length, 0);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &long_length).verdict, PACKET_OK);
}

TEST(ethernet_in_ethernet_sets_the_inner_offset_and_keeps_the_outer_vlan)
{
	static const uint16_t types[] = {ETHERTYPE_TRANSPARENT_ETHERNET, ETHERTYPE_PSEUDO_NEXT};

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_VLAN);
		if (types[i] == ETHERTYPE_PSEUDO_NEXT) {
			/* A number up to 1500 is a length here: reached through LLC only. */
			add_tag(&f, 9, 60);
			frame_be32(&f, 0xfefe0302);
			frame_be16(&f, ETHERTYPE_TRANSPARENT_ETHERNET);
		} else {
			add_tag(&f, 9, types[i]);
		}
		frame_ethernet(&f, ETHERTYPE_VLAN);
		add_tag(&f, 10, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_zero(&f, 30);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT_EQ(p.vlan, 9);
		EXPECT_EQ(p.ethernet_offset, i == 0 ? 18 : 24);
		EXPECT_EQ(p.frame_offset, 0);
	}
}

TEST(an_inner_vlan_counts_when_the_outer_frame_has_none)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_TRANSPARENT_ETHERNET);
	frame_ethernet(&f, ETHERTYPE_VLAN);
	add_tag(&f, 10, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).vlan, 10);
}

TEST(nesting_ends_at_twelve_dispatches)
{
	/* n inner Ethernet headers are n dispatches, then IPv4 and UDP one each. */
	for (unsigned n = 9; n <= 12; n++) {
		struct frame f = {.size = 0};

		for (unsigned i = 0; i < n; i++)
			frame_ethernet(&f, ETHERTYPE_TRANSPARENT_ETHERNET);
		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict,
			  n + 2 <= PACKET_DISPATCH_MAX ? PACKET_OK : PACKET_CORRUPT);
	}
}
