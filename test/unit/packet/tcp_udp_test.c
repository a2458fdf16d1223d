#include "packet/frames.h"

TEST(tcp_payload_is_what_the_ip_length_leaves)
{
	for (unsigned words = 5; words <= 15; words++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4(&f, IP_PROTOCOL_TCP, words * 4 + 7);
		frame_tcp(&f, 40000, 443);
		f.bytes[46] = (uint8_t)(words << 4);
		frame_zero(&f, words * 4 - 20 + 7);
		frames_expect_truncations_refused(LINK_ETHERNET, &f);
		frame_zero(&f, 9); /* padding */
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT_STR(frames_protocol(&p), "tcp");
		EXPECT_EQ(p.payload_offset, 34 + words * 4);
		EXPECT_EQ(p.payload_bytes, 7);
		EXPECT_EQ(p.data_bytes, 0);
		EXPECT_EQ(p.transport_bytes, words * 4 + 7);
	}
}

TEST(a_tcp_header_in_the_padding_is_accepted_without_payload)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, 3);
	frame_tcp(&f, 40000, 443);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_EQ(p.transport_bytes, 3);
	EXPECT_EQ(p.payload_bytes, 0);
	frames_expect_truncations_refused(LINK_ETHERNET, &f);
}

TEST(a_tcp_data_offset_below_five_or_beyond_the_frame_is_corrupt)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES);
	frame_tcp(&f, 40000, 443);
	f.bytes[46] = 0x40;
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
	f.bytes[46] = 0x60;
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
	frame_zero(&f, 4);
	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_OK);
}

TEST(the_udp_length_has_to_fit_the_ip_payload)
{
	static const struct {
		uint16_t length;
		uint8_t verdict;
	} cases[] = {{0, PACKET_CORRUPT}, {7, PACKET_CORRUPT},	{8, PACKET_OK},
		     {11, PACKET_OK},	  {12, PACKET_CORRUPT}, {65535, PACKET_CORRUPT}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = {.size = 0};
		struct packet p;

		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_zero(&f, 20);
		frame_set_be16(&f, 38, cases[i].length);
		p = frames_decode_default(LINK_ETHERNET, &f);
		EXPECT_EQ(p.verdict, cases[i].verdict);
		if (p.verdict == PACKET_OK) {
			EXPECT_EQ(p.payload_bytes, cases[i].length - 8);
			EXPECT_EQ(p.data_bytes, cases[i].length - 8);
		}
	}
}

static struct cursor handled;
static enum packet_verdict answer;

static enum packet_verdict
handle_test_port(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf;
	handled = c;
	p->vni = 77;
	p->ip_offset = 99;
	p->ip_protocol = 99;
	p->transport_offset = 1;
	p->data_bytes = 1;
	if (answer == PACKET_OK)
		packet_key_opaque(p, 1, "x", 1);
	return answer;
}

/* A conf with a handler for destination port 4789, and a datagram of 'payload_bytes' to it. */
static struct packet
decode_with_handler(unsigned source_port, unsigned destination_port, unsigned payload_bytes, enum packet_verdict says)
{
	static const struct packet_hook hook = {.kind = HOOK_UDP_PORT, .number = 4711, .handle = handle_test_port};
	struct decode_conf *conf = decode_conf_create(NULL);
	struct frame f = {.size = 0};
	struct packet p;

	EXPECT_EQ(decode_conf_add_hook(conf, &hook), 0);
	handled = (struct cursor){.p = NULL};
	answer = says;
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_UDP, UDP_HEADER_BYTES + payload_bytes);
	frame_udp(&f, source_port, destination_port, payload_bytes);
	frame_zero(&f, payload_bytes + 40);
	p = frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
	decode_conf_destroy(conf);
	return p;
}

TEST(a_udp_port_handler_gets_datagrams_of_more_than_eight_bytes_to_its_port)
{
	struct packet p = decode_with_handler(1000, 4711, 9, PACKET_OK);

	EXPECT(handled.p != NULL);
	EXPECT_EQ(cursor_left(&handled), 9);
	EXPECT_EQ(p.protocol, 1);
	EXPECT_EQ(p.vni, 77);

	p = decode_with_handler(1000, 4711, 8, PACKET_OK);
	EXPECT(handled.p == NULL);
	EXPECT_STR(frames_protocol(&p), "udp");
	p = decode_with_handler(4711, 1000, 9, PACKET_OK);
	EXPECT(handled.p == NULL);
	EXPECT_STR(frames_protocol(&p), "udp");
}

TEST(a_datagram_given_back_by_a_handler_is_a_session_of_its_own_endpoints)
{
	struct packet p = decode_with_handler(1000, 4711, 20, PACKET_UNKNOWN_IP);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "udp");
	EXPECT_EQ(p.ip_offset, 14);
	EXPECT_EQ(p.ip_protocol, 99); /* the inner one, as in the reference */
	EXPECT_EQ(p.vni, 77);
	EXPECT_EQ(p.transport_offset, 34);
	EXPECT_EQ(p.data_bytes, 20);
	EXPECT_EQ(p.key.port[1], 1000);
	EXPECT_EQ(p.key.port[0], 4711);
}

TEST(other_verdicts_of_a_handler_are_final)
{
	EXPECT_EQ(decode_with_handler(1000, 4711, 20, PACKET_CORRUPT).verdict, PACKET_CORRUPT);
	EXPECT_EQ(decode_with_handler(1000, 4711, 20, PACKET_UNKNOWN_ETHER).verdict, PACKET_UNKNOWN_ETHER);
	EXPECT_EQ(decode_with_handler(1000, 4711, 20, PACKET_FRAGMENT).verdict, PACKET_FRAGMENT);
}
