#include "key_priv.h"
#include "packet/frames.h"

/* A small generator of its own: the same keys in every run. */
static uint32_t
next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Addresses that often share words, so that each of the comparisons decides. */
static void
random_address(uint8_t address[16], uint32_t *state)
{
	for (unsigned i = 0; i < 16; i++)
		address[i] = next(state) % 4 == 0 ? (uint8_t)(next(state) % 3 * 0x7f) : 0;
}

TEST(endpoints_are_ordered_by_address_bytes_then_port)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	uint32_t state = 1;
	unsigned reversed = 0;

	REQUIRE(conf != NULL);
	for (unsigned i = 0; i < 20000; i++) {
		struct frame f = {.size = 0};
		struct packet p;
		uint16_t port[2] = {(uint16_t)(next(&state) % 3 * 255), (uint16_t)(next(&state) % 3 * 255)};
		int order;

		frame_ipv6(&f, IP_PROTOCOL_UDP, UDP_HEADER_BYTES);
		random_address(&f.bytes[8], &state);
		random_address(&f.bytes[24], &state);
		frame_udp(&f, port[0], port[1], 0);
		order = memcmp(&f.bytes[8], &f.bytes[24], 16);
		if (order == 0)
			order = (int)port[0] - (int)port[1];

		p = (struct packet){.data = f.bytes, .captured_bytes = (uint32_t)f.size, .link_type = LINK_RAW};
		REQUIRE(packet_decode(conf, &p) == PACKET_OK);
		EXPECT_EQ(p.reversed, order > 0);
		EXPECT(memcmp(p.key.address[p.reversed], &f.bytes[8], 16) == 0);
		EXPECT(memcmp(p.key.address[!p.reversed], &f.bytes[24], 16) == 0);
		EXPECT_EQ(p.key.port[p.reversed], port[0]);
		EXPECT_EQ(p.key.port[!p.reversed], port[1]);
		EXPECT_EQ(p.key.protocol, p.protocol);
		reversed += p.reversed;
	}
	EXPECT(reversed > 8000 && reversed < 12000);
	decode_conf_destroy(conf);
}

TEST(an_opaque_id_is_cut_to_what_a_key_holds)
{
	uint8_t id[64];
	struct packet p = {.reversed = true};

	memset(id, 0xee, sizeof(id));
	packet_key_opaque(&p, 3, id, 5);
	EXPECT_EQ(p.key.address[0][4], 0xee);
	EXPECT_EQ(p.key.address[0][5], 0);
	EXPECT_EQ(p.key.protocol, 3);
	EXPECT_EQ(p.protocol, 3);
	EXPECT(!p.reversed);
	packet_key_opaque(&p, 4, id, sizeof(id));
	EXPECT_EQ(p.key.address[1][15], 0xee);
	EXPECT_EQ(p.key.port[0], 0);
	EXPECT_EQ(p.key.protocol, 4);
}

TEST(a_key_without_an_ip_header_has_ports_only)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	struct packet p = {.captured_bytes = 0};
	static const uint8_t zeros[32];

	REQUIRE(conf != NULL);
	packet_key_endpoints(conf, &p, 1, 9, 8);
	EXPECT(p.reversed);
	EXPECT(memcmp(p.key.address, zeros, sizeof(zeros)) == 0);
	EXPECT_EQ(p.key.port[0], 8);
	packet_key_sender_first(&p, 2, 77);
	EXPECT(!p.reversed);
	EXPECT(memcmp(p.key.address, zeros, sizeof(zeros)) == 0);
	EXPECT_EQ(p.key.port[0], 77);
	decode_conf_destroy(conf);
}

/* Few values, so that addresses and ports are often equal. */
static uint8_t
some_byte(void)
{
	static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xff};

	return bytes[(unsigned)random() % sizeof(bytes)];
}

TEST(a_key_is_the_same_shuffled_from_the_header_as_put_together_from_its_numbers)
{
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct flow_key shuffled, composed;
		uint8_t ends[16];
		uint64_t tail = key_tail((uint32_t)random() & 0xffffff, (uint8_t)random());
		bool reversed;

		for (unsigned k = 0; k < sizeof(ends); k++)
			ends[k] = some_byte();
		if (i % 3 == 0)
			memcpy(&ends[4], &ends[0], 4);
		if (i % 6 == 0)
			memcpy(&ends[10], &ends[8], 2);
		reversed = key_set_ipv4(&composed, read_be32(&ends[0]), read_be32(&ends[4]), read_be16(&ends[8]),
					read_be16(&ends[10]), tail);
		EXPECT_EQ(key_set_plain_ipv4(&shuffled, ends, tail), reversed);
		EXPECT(flow_key_equal(&shuffled, &composed));
	}
}
