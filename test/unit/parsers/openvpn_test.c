/* OpenVPN: the client's reset, the handshake inside, over UDP and over TCP, and what ends it. */
#include "harness.h"
#include "tls_build.h"

static const struct certificate_says certificate = {.subject_common = "vpn.example"};
static const struct hello_says hello = {.host = "vpn.example"};

/* A packet without its length. 'hmac_bytes' 0: none, and no number and time beside it. */
static void
put_packet(struct build *out, uint8_t opcode, size_t hmac_bytes, unsigned n_acknowledged, const struct build *payload)
{
	put_number(out, (uint64_t)opcode << 3, 1);
	put_text(out, "SESSION!");
	if (hmac_bytes > 0) {
		memset(out->bytes + out->size, 0xaa, hmac_bytes + 8);
		out->size += hmac_bytes + 8;
	}
	put_number(out, n_acknowledged, 1);
	for (unsigned i = 0; i < n_acknowledged; i++)
		put_number(out, i, 4);
	if (n_acknowledged > 0)
		put_text(out, "REMOTE!!");
	put_number(out, 0, 4);
	if (payload != NULL)
		put(out, payload->bytes, payload->size);
}

static void
feed(struct harness *h, unsigned direction, bool is_stream, const struct build *packet)
{
	struct build out = build_create();

	if (is_stream)
		put_number(&out, packet->size, 2);
	put(&out, packet->bytes, packet->size);
	if (is_stream)
		harness_tcp(h, direction, out.bytes, out.size);
	else
		harness_udp(h, direction, out.bytes, out.size);
	build_destroy(&out);
}

static void
feed_packet(struct harness *h, unsigned direction, bool is_stream, uint8_t opcode, size_t hmac_bytes,
	    unsigned n_acknowledged, const struct build *payload)
{
	struct build packet = build_create();

	put_packet(&packet, opcode, hmac_bytes, n_acknowledged, payload);
	feed(h, direction, is_stream, &packet);
	build_destroy(&packet);
}

enum { CONTROL = 4, ACKNOWLEDGE = 5, DATA = 6, RESET_CLIENT = 7, RESET_SERVER = 8, DATA_2 = 9 };

static void
feed_hello(struct harness *h, bool is_stream, size_t hmac_bytes)
{
	struct build messages = build_create(), records = build_create();

	put_client_hello(&messages, &hello);
	put_records(&records, &messages, 16384);
	feed_packet(h, 0, is_stream, CONTROL, hmac_bytes, 1, &records);
	build_destroy(&records);
	build_destroy(&messages);
}

/* The server's flight: hello and certificate in one record, in packets of at most 'packet_bytes' of it. */
static void
feed_server(struct harness *h, bool is_stream, size_t hmac_bytes, size_t packet_bytes)
{
	struct build messages = build_create(), records = build_create(), part = build_create();

	put_server_hello(&messages, 0x0303, 0x002f);
	put_certificates(&messages, &certificate, 1);
	put_records(&records, &messages, 16384);
	for (size_t at = 0; at < records.size; at += packet_bytes) {
		part.size = 0;
		put(&part, records.bytes + at, records.size - at < packet_bytes ? records.size - at : packet_bytes);
		feed_packet(h, 1, is_stream, CONTROL, hmac_bytes, 0, &part);
	}
	build_destroy(&part);
	build_destroy(&records);
	build_destroy(&messages);
}

static void
feed_handshake(struct harness *h, bool is_stream, size_t hmac_bytes)
{
	feed_packet(h, 0, is_stream, RESET_CLIENT, hmac_bytes, 0, NULL);
	feed_packet(h, 1, is_stream, RESET_SERVER, hmac_bytes, 1, NULL);
	feed_hello(h, is_stream, hmac_bytes);
	feed_packet(h, 1, is_stream, ACKNOWLEDGE, hmac_bytes, 2, NULL);
	feed_server(h, is_stream, hmac_bytes, 100);
}

static void
expect_handshake(bool is_stream, size_t hmac_bytes)
{
	struct harness *h = harness_create();

	feed_handshake(h, is_stream, hmac_bytes);
	EXPECT_FIELD(h, "protocol", "openvpn");
	EXPECT_FIELD(h, "http.host", "vpn.example");
	EXPECT_EQ(harness_count(h, "tls.ja3"), 1);
	EXPECT_FIELD(h, "tls.version", "TLSv1.2");
	EXPECT_FIELD(h, "tls.cipher", "TLS_RSA_WITH_AES_128_CBC_SHA");
	EXPECT_EQ(harness_count(h, "cert"), 1);
	EXPECT(harness_is_live(h));
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(the_handshake_inside_is_recorded_whatever_the_hmac)
{
	static const size_t hmac_bytes[] = {0, 16, 20, 32, 64};

	for (unsigned i = 0; i < sizeof(hmac_bytes) / sizeof(hmac_bytes[0]); i++) {
		expect_handshake(false, hmac_bytes[i]);
		expect_handshake(true, hmac_bytes[i]);
	}
}

TEST(packets_of_a_stream_may_come_in_pieces)
{
	struct harness *h = harness_create();

	feed_handshake(h, true, 20);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	harness_every_split(h, 2 + 42, NULL);
	harness_destroy(h);
}

/* A first packet of 'size' bytes, all zero behind its opcode but for the byte at 'at'. */
static void
expect_reset(bool accepted, uint8_t first, size_t size, size_t at)
{
	struct harness *h = harness_create();
	uint8_t bytes[128] = {0, (uint8_t)size, first};

	if (at > 0)
		bytes[2 + at] = 1;
	harness_udp(h, 0, bytes + 2, size);
	EXPECT_EQ(harness_count(h, "protocol"), accepted);
	harness_reset(h);
	harness_tcp(h, 0, bytes, size + 2);
	EXPECT_EQ(harness_count(h, "protocol"), accepted);
	harness_destroy(h);
}

TEST(resets_have_one_of_five_lengths_and_end_with_zeroes)
{
	static const size_t sizes[] = {14, 38, 42, 54, 86};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect_reset(true, 0x38, sizes[i], 0);
		expect_reset(true, 0x38, sizes[i], sizes[i] - 6);
		expect_reset(false, 0x38, sizes[i], sizes[i] - 5);
		expect_reset(false, 0x38, sizes[i], sizes[i] - 1);
		expect_reset(false, 0x38, sizes[i] - 1, 0);
		expect_reset(false, 0x38, sizes[i] + 1, 0);
		expect_reset(false, 0x40, sizes[i], 0);
		expect_reset(false, 0x39, sizes[i], 0);
	}
}

TEST(a_reset_over_tcp_may_be_followed_by_more)
{
	struct harness *h = harness_create();
	uint8_t bytes[32] = {0, 14, 0x38};

	harness_tcp(h, 0, bytes, 15);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, bytes, 17);
	EXPECT_FIELD(h, "protocol", "openvpn");
	harness_destroy(h);
}

/* What 'packet' does in between: the hello after it is read no more. */
static void
expect_end(bool ends, bool is_stream, const struct build *packet)
{
	struct harness *h = harness_create();

	feed_packet(h, 0, is_stream, RESET_CLIENT, 0, 0, NULL);
	feed(h, 1, is_stream, packet);
	feed_hello(h, is_stream, 0);
	EXPECT_EQ(harness_count(h, "tls.ja4"), !ends);
	harness_destroy(h);
}

TEST(data_ends_it_and_other_packets_do_not)
{
	static const uint8_t opcodes[] = {DATA, DATA_2, ACKNOWLEDGE, RESET_SERVER, 3, 10, 31};
	struct build packet = build_create();

	for (unsigned i = 0; i < sizeof(opcodes); i++) {
		packet.size = 0;
		put_packet(&packet, opcodes[i], 0, 0, NULL);
		expect_end(i < 2, false, &packet);
		expect_end(i < 2, true, &packet);
	}
	build_destroy(&packet);
}

TEST(what_is_no_handshake_ends_it)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool ends;
	} inside[] = {
		{"\x14\3\3\0\1\1", 6, true},
		/* A message that is longer than its record, and one that is not. */
		{"\x16\3\3\0\5\x0e\0\0\2x", 10, true},
		{"\x16\3\3\0\3\x0e\0\0", 8, true},
		{"\x16\3\3\0\4\x0e\0\0\0", 9, false},
		{"\x16\3\3\0\0", 5, false},
		{"\x16\3", 2, false},
	};
	struct build packet = build_create(), payload = build_create();

	for (unsigned i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		packet.size = payload.size = 0;
		put(&payload, inside[i].bytes, inside[i].size);
		put_packet(&packet, CONTROL, 0, 0, &payload);
		expect_end(inside[i].ends, false, &packet);
		expect_end(inside[i].ends, true, &packet);
	}
	build_destroy(&payload);
	build_destroy(&packet);
}

TEST(packets_that_are_cut_and_empty_ones_end_it)
{
	struct build packet = build_create();

	put_packet(&packet, CONTROL, 0, 2, NULL);
	expect_end(false, false, &packet);
	packet.size--;
	expect_end(true, false, &packet);
	expect_end(true, true, &packet);
	packet.size = 0;
	expect_end(true, true, &packet);
	build_destroy(&packet);
}

TEST(no_more_than_256_packets_are_read)
{
	struct harness *h = harness_create();

	for (unsigned more = 0; more < 2; more++) {
		harness_reset(h);
		feed_packet(h, 0, false, RESET_CLIENT, 0, 0, NULL);
		for (unsigned i = 0; i < 254 + more; i++)
			feed_packet(h, i % 2, false, ACKNOWLEDGE, 0, 0, NULL);
		feed_hello(h, false, 0);
		EXPECT_EQ(harness_count(h, "tls.ja4"), !more);
	}
	harness_destroy(h);
}

/* One record of TLS that never ends. */
TEST(handshakes_take_bounded_memory)
{
	struct harness *h = harness_create();
	struct build payload = build_create();

	feed_packet(h, 0, true, RESET_CLIENT, 0, 0, NULL);
	put_number(&payload, 0x160303ffff, 5);
	memset(payload.bytes + payload.size, 0, 30000);
	payload.size += 30000;
	feed_packet(h, 1, true, CONTROL, 0, 0, &payload);
	feed_packet(h, 1, true, CONTROL, 0, 0, &payload);
	EXPECT(harness_memory_bytes(h) > 60000 && harness_memory_bytes(h) < 140000);
	feed_packet(h, 1, true, CONTROL, 0, 0, &payload);
	EXPECT(harness_memory_bytes(h) < 1000);
	feed_hello(h, true, 0);
	EXPECT_NO_FIELD(h, "tls.ja4");
	build_destroy(&payload);
	harness_destroy(h);
}

/* Each with another list of ciphers, so with another fingerprint. */
TEST(no_more_than_16_hellos_of_a_side_are_read)
{
	struct harness *h = harness_create();
	struct build messages = build_create(), records = build_create();

	for (unsigned i = 1; i <= 20; i++)
		put_client_hello(&messages, &(struct hello_says){.n_ciphers = i});
	put_records(&records, &messages, 16384);
	feed_packet(h, 0, false, RESET_CLIENT, 0, 0, NULL);
	feed_packet(h, 0, false, CONTROL, 0, 0, &records);
	EXPECT_EQ(harness_count(h, "tls.ja3"), 16);
	feed_server(h, false, 0, 2000);
	EXPECT_FIELD(h, "tls.version", "TLSv1.2");
	build_destroy(&records);
	build_destroy(&messages);
	harness_destroy(h);
}
