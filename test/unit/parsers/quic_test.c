#include "harness.h"
#include "quic_packets.h"

static const struct packet_of client_v1 = {.version = PACKETS_V1, .keys_from = "clients-id"};
static const struct packet_of server_v1 = {
	.version = PACKETS_V1, .role = QUIC_SERVER, .keys_from = "clients-id", .connection_id = ""};

static bool
feed(struct harness *h, unsigned direction, const struct bytes *datagram)
{
	return harness_udp(h, direction, datagram->at, datagram->n);
}

/* One datagram of a client with these bytes of a hello. */
static bool
feed_crypto(struct harness *h, const struct packet_of *p, uint64_t offset, const uint8_t *data, size_t n)
{
	struct bytes frames = {.n = 0}, datagram;

	put_crypto(&frames, offset, data, n);
	datagram = initial(p, &frames);
	return feed(h, p->role == QUIC_CLIENT ? 0 : 1, &datagram);
}

static void
feed_server_hello(struct harness *h, const struct packet_of *p)
{
	struct bytes frames = {.n = 0}, hello = server_hello(), datagram;

	put(&frames, (const uint8_t[]){2, 0, 0x40, 0x19, 0x01, 0, 0, 0}, 8); /* an ACK of two ranges */
	put_crypto(&frames, 0, hello.at, hello.n);
	datagram = initial(p, &frames);
	feed(h, 1, &datagram);
}

/* Classifies the other direction, so that a session ends with its parser. */
static struct harness *
with_an_answer(struct harness *h)
{
	harness_udp(h, 1, HARNESS_TEXT("nothing that anybody knows"));
	return h;
}

/* ---- IETF */

TEST(both_hellos_are_read)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0);

	EXPECT(feed_crypto(h, &client_v1, 0, hello.at, hello.n));
	EXPECT(harness_has(h, "protocol", "quic"));
	EXPECT_FIELD(h, "http.host", "example.com");
	EXPECT_EQ(harness_values(h, "tls.ja4")[0], 'q');
	EXPECT_NO_FIELD(h, "tls.cipher");
	feed_server_hello(h, &server_v1);
	EXPECT_FIELD(h, "tls.version", "TLSv1.3");
	EXPECT_FIELD(h, "tls.cipher", "TLS_AES_128_GCM_SHA256");
	EXPECT(!harness_is_live(h));
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_setting_leaves_servers_out)
{
	struct harness *h = with_an_answer(harness_create("quicServerHello=false"));
	struct bytes hello = client_hello("example.com", 0);

	EXPECT(!feed_crypto(h, &client_v1, 0, hello.at, hello.n));
	EXPECT_FIELD(h, "http.host", "example.com");
	EXPECT(!harness_is_live(h));
	harness_reset(h);
	with_an_answer(h);
	/* A server that is quicker than the client's second datagram. */
	EXPECT(feed_crypto(h, &client_v1, 0, hello.at, hello.n - 4));
	feed_server_hello(h, &server_v1);
	EXPECT_NO_FIELD(h, "tls.cipher");
	harness_destroy(h);
}

TEST(versions_have_their_keys)
{
	static const uint32_t versions[] = {1, PACKETS_V2, 0xff00001d, 0xff00001c, 0xff00001b, 0xfaceb002};
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0);

	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct packet_of p = {.version = versions[i], .keys_from = "12345678", .token = "token"};

		feed_crypto(h, &p, 0, hello.at, hello.n);
		EXPECT_FIELD(h, "http.host", "example.com");
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(a_server_may_answer_in_version_2)
{
	struct packet_of server = server_v1;
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0);

	feed_crypto(h, &client_v1, 0, hello.at, hello.n);
	server.version = PACKETS_V2;
	feed_server_hello(h, &server);
	EXPECT_FIELD(h, "tls.cipher", "TLS_AES_128_GCM_SHA256");
	harness_destroy(h);
}

TEST(frames_of_one_packet_come_in_any_order)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram;

	put_crypto(&frames, 40, hello.at + 40, hello.n - 40);
	put(&frames, (const uint8_t[]){1, 0, 0, 0, 1}, 5);
	put_crypto(&frames, 0, hello.at, 13);
	put_crypto(&frames, 13, hello.at + 13, 27);
	datagram = initial(&client_v1, &frames);
	feed(h, 0, &datagram);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_destroy(h);
}

TEST(a_hello_is_put_together_from_datagrams_in_any_order)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 3000);
	struct packet_of later = client_v1;

	feed_crypto(h, &client_v1, 2000, hello.at + 2000, hello.n - 2000);
	EXPECT_NO_FIELD(h, "http.host");
	feed_crypto(h, &client_v1, 0, hello.at, 1000);
	/* By now the server's id is known. */
	later.connection_id = "servers-id";
	feed_crypto(h, &later, 1000, hello.at + 1000, 1000);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_destroy(h);
}

TEST(bytes_may_come_again_with_other_borders_and_the_first_win)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 100), other = client_hello("EXAMPLE.COM", 100);

	feed_crypto(h, &client_v1, 10, hello.at + 10, 90);
	feed_crypto(h, &client_v1, 20, other.at + 20, 30);
	feed_crypto(h, &client_v1, 3, hello.at + 3, 60);
	feed_crypto(h, &client_v1, 3, other.at + 3, 97);
	feed_crypto(h, &client_v1, 0, hello.at, 5);
	EXPECT_NO_FIELD(h, "http.host");
	feed_crypto(h, &client_v1, 77, hello.at + 77, hello.n - 77);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_destroy(h);
}

TEST(after_a_retry_the_client_begins_anew)
{
	struct packet_of again = {.version = 1, .keys_from = "retry-id", .token = "a token from the server"};
	struct packet_of server = server_v1;
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0);

	feed_crypto(h, &client_v1, 0, hello.at, 30);
	harness_udp(h, 1, HARNESS_TEXT("\xf0\0\0\0\1\0\10retry-idwhatever"));
	feed_crypto(h, &again, 0, hello.at, hello.n);
	EXPECT_FIELD(h, "http.host", "example.com");
	server.keys_from = again.keys_from;
	feed_server_hello(h, &server);
	EXPECT_FIELD(h, "tls.cipher", "TLS_AES_128_GCM_SHA256");
	harness_destroy(h);
}

/* A packet of another type that is in front of the Initial. */
static void
put_long_packet(struct bytes *datagram, uint8_t first, const char *connection_id)
{
	put_number(datagram, first, 1);
	put_number(datagram, 1, 4);
	put_number(datagram, strlen(connection_id), 1);
	put(datagram, connection_id, strlen(connection_id));
	put_number(datagram, 0, 1);
	put_varint(datagram, 30, 1);
	put(datagram, "thirty bytes that mean nothing", 30);
}

TEST(an_initial_may_stand_behind_other_packets)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram = {.n = 0};

	put_crypto(&frames, 0, hello.at, hello.n);
	put_long_packet(&datagram, 0xd0, "clients-id"); /* 0-RTT */
	put_long_packet(&datagram, 0xe0, "clients-id"); /* Handshake */
	put_initial(&datagram, &client_v1, &frames, PACKETS_PADDED);
	feed(h, 0, &datagram);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(packets_of_other_connections_in_a_datagram_do_not_count)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram = {.n = 0};

	put_crypto(&frames, 0, hello.at, hello.n);
	put_long_packet(&datagram, 0xd0, "another-id");
	put_initial(&datagram, &client_v1, &frames, PACKETS_PADDED);
	feed(h, 0, &datagram);
	EXPECT_NO_FIELD(h, "http.host");
	EXPECT(!harness_has(h, "protocol", "quic"));
	harness_destroy(h);
}

TEST(what_is_not_authentic_says_nothing)
{
	struct packet_of bad = client_v1;
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0);

	bad.bad_tag = 1;
	feed_crypto(h, &bad, 0, hello.at, hello.n);
	EXPECT(!harness_has(h, "protocol", "quic"));
	feed_crypto(h, &client_v1, 0, hello.at, hello.n);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_destroy(h);
}

TEST(small_datagrams_and_other_bytes_are_not_read)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram = {.n = 0};

	put_crypto(&frames, 0, hello.at, hello.n);
	put_initial(&datagram, &client_v1, &frames, 1000);
	EXPECT(feed(h, 0, &datagram));
	EXPECT(!harness_has(h, "protocol", "quic"));
	harness_reset(h);
	with_an_answer(h);
	datagram.at[0] = 0x43;
	EXPECT(!feed(h, 0, &datagram));
	harness_destroy(h);
}

TEST(an_unknown_frame_ends_its_packet)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram;

	put_number(&frames, 0x1c, 1);
	put_crypto(&frames, 0, hello.at, hello.n);
	datagram = initial(&client_v1, &frames);
	feed(h, 0, &datagram);
	EXPECT_NO_FIELD(h, "http.host");
	harness_destroy(h);
}

TEST(any_byte_of_a_packet_may_be_wrong)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram;

	put_crypto(&frames, 0, hello.at, hello.n);
	datagram = initial(&client_v1, &frames);
	for (unsigned i = 0; i < 40; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			datagram.at[i] ^= (uint8_t)(1U << bit);
			feed(h, 0, &datagram);
			EXPECT_NO_FIELD(h, "http.host");
			datagram.at[i] ^= (uint8_t)(1U << bit);
			harness_reset(h);
		}
	harness_destroy(h);
}

/* ---- Hostile clients */

enum { SESSION_BYTES_MAX = 64 * 1024 };

TEST(offsets_and_lengths_are_bounded)
{
	static const struct {
		uint64_t offset, length;
		bool too_long; /* the length is more than there is */
	} frames_of[] = {
		{0x3fffffffffffffff, 100, false},
		{0x3fffffffffffffff, 0x3fffffff, true},
		{16383, 100, false},
		{16384, 100, false},
		{0, 0x3fffffff, true},
		{5000, 0, false},
	};
	struct harness *h = harness_create();
	uint8_t data[100] = {1, 0, 0x40, 0};

	for (unsigned i = 0; i < sizeof(frames_of) / sizeof(frames_of[0]); i++) {
		struct bytes frames = {.n = 0}, datagram;

		put_number(&frames, 6, 1);
		put_varint(&frames, frames_of[i].offset, 8);
		put_varint(&frames, frames_of[i].length, 4);
		put(&frames, data, frames_of[i].too_long ? sizeof(data) : frames_of[i].length);
		datagram = initial(&client_v1, &frames);
		EXPECT(feed(h, 0, &datagram));
		EXPECT(harness_memory_bytes(h) < SESSION_BYTES_MAX);
		EXPECT_NO_FIELD(h, "http.host");
	}
	harness_destroy(h);
}

TEST(a_hello_longer_than_there_is_room_is_given_up)
{
	struct harness *h = with_an_answer(harness_create("quicServerHello=false"));
	uint8_t data[1000] = {1, 0xff, 0xff, 0xff};

	EXPECT(!feed_crypto(h, &client_v1, 0, data, sizeof(data)));
	harness_destroy(h);
}

TEST(a_client_that_never_says_its_hello_is_given_up)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes hello = client_hello("example.com", 12000);
	unsigned n = 0;

	while (n < 100 && feed_crypto(h, &client_v1, 1 + n * 500, hello.at + 1 + n * 500, 500)) {
		EXPECT(harness_memory_bytes(h) < SESSION_BYTES_MAX);
		n++;
	}
	EXPECT_EQ(n, 31);
	harness_destroy(h);
}

TEST(a_datagram_full_of_tiny_frames_is_read)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 900), frames = {.n = 0}, datagram;

	for (size_t i = hello.n; i-- > 0;) {
		put_number(&frames, 6, 1);
		put_varint(&frames, i, 2);
		put_varint(&frames, 1, 1);
		put(&frames, hello.at + i, 1);
	}
	datagram = initial(&client_v1, &frames);
	feed(h, 0, &datagram);
	EXPECT_FIELD(h, "http.host", "example.com");
	harness_destroy(h);
}

TEST(an_ack_of_more_ranges_than_there_are_ends_the_packet)
{
	struct harness *h = harness_create();
	struct bytes hello = client_hello("example.com", 0), frames = {.n = 0}, datagram;

	put(&frames, (const uint8_t[]){3, 0, 0}, 3);
	put_varint(&frames, 0x3fffffffffffffff, 8);
	put_crypto(&frames, 0, hello.at, hello.n);
	datagram = initial(&client_v1, &frames);
	feed(h, 0, &datagram);
	EXPECT_NO_FIELD(h, "http.host");
	harness_destroy(h);
}

/* What the tag keeps from fuzzers: frames that make sense at their beginnings only. */
static struct bytes
random_frames(unsigned *seed)
{
	static const uint8_t types[] = {0, 1, 2, 3, 6, 6, 6, 6};
	struct bytes frames = {.n = 0}, data = client_hello("example.com", 200);

	for (unsigned n = (unsigned)rand_r(seed) % 8 + 1; n > 0; n--) {
		uint8_t type = types[(unsigned)rand_r(seed) % sizeof(types)];
		unsigned n_numbers = type == 6 ? 2 : type >= 2 ? (unsigned)rand_r(seed) % 8 : 0;

		put_number(&frames, type, 1);
		for (unsigned i = 0; i < n_numbers; i++) {
			unsigned size = 1U << rand_r(seed) % 4;
			uint64_t value = (uint64_t)rand_r(seed) << rand_r(seed) % 32 >> rand_r(seed) % 56;

			put_varint(&frames, value & ((1ULL << (8 * size - 2)) - 1), size);
		}
		if (type == 6)
			put(&frames, data.at, (unsigned)rand_r(seed) % data.n);
	}
	return frames;
}

TEST(random_frames_do_no_harm)
{
	struct harness *h = harness_create();
	unsigned seed = 20261121;

	for (unsigned i = 0; i < 300; i++) {
		for (unsigned n = 0; n < 8; n++) {
			bool by_server = n > 0 && rand_r(&seed) % 4 == 0;
			struct bytes frames = random_frames(&seed), datagram;

			datagram = initial(by_server ? &server_v1 : &client_v1, &frames);
			feed(h, by_server, &datagram);
			EXPECT(harness_memory_bytes(h) < SESSION_BYTES_MAX);
		}
		harness_reset(h);
	}
	harness_destroy(h);
}

/* ---- Google's and Facebook's */

struct chlo_tag {
	const char *tag, *value;
};

static void
put_little(struct bytes *b, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		put_number(b, value >> 8 * i & 0xff, 1);
}

static struct bytes
chlo(const char *host)
{
	const struct chlo_tag tags[] = {
		{"PAD\0", "--------"}, {"SNI\0", host}, {"VER\0", "Q043"}, {"CCS\0", ""}, {"UAID", "a browser"}};
	enum { N = sizeof(tags) / sizeof(tags[0]) };
	struct bytes m = {.n = 0};
	uint32_t end = 0;

	put(&m, "CHLO", 4);
	put_little(&m, N, 2);
	put_little(&m, 0, 2);
	for (unsigned i = 0; i < N; i++) {
		end += (uint32_t)strlen(tags[i].value);
		put(&m, tags[i].tag, 4);
		put_little(&m, end, 4);
	}
	for (unsigned i = 0; i < N; i++)
		put(&m, tags[i].value, strlen(tags[i].value));
	return m;
}

/* With the beginnings of quic43.pcap and quic33-wireshark.pcap. */
static struct bytes
google_datagram(const char *version, const char *host)
{
	struct bytes d = {.n = 0}, message = chlo(host);
	bool is_old = strcmp(version, "Q034") < 0;

	put_number(&d, 0x09, 1);
	put(&d, "connecti", 8);
	put(&d, version, 4);
	put(&d, "\x01twelve-bytes", 13);
	if (is_old)
		put_number(&d, 0, 1);
	put_number(&d, 0xa0, 1);
	put_number(&d, 1, 1);
	if (strcmp(version, "Q039") < 0)
		put_little(&d, (uint32_t)message.n, 2);
	else
		put_number(&d, message.n, 2);
	put(&d, message.at, message.n);
	put(&d, "\0\0\0\0\0\0\0\0\0\0", 10);
	return d;
}

TEST(the_hello_of_google_is_read_in_every_version)
{
	static const char *const versions[] = {"Q024", "Q033", "Q034", "Q038", "Q039", "Q043", "Q045"};
	struct harness *h = with_an_answer(harness_create());

	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct bytes d = google_datagram(versions[i], "www.example.com");

		EXPECT(!feed(h, 0, &d));
		EXPECT(harness_has(h, "protocol", "quic"));
		EXPECT_FIELD(h, "quic.host", "www.example.com");
		EXPECT_FIELD(h, "quic.useragent", "a browser");
		EXPECT_FIELD(h, "quic.version", "Q043");
		harness_every_truncation(h);
		harness_reset(h);
		with_an_answer(h);
	}
	harness_destroy(h);
}

TEST(google_versions_before_24_are_not_read)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes d = google_datagram("Q023", "www.example.com");

	EXPECT(!feed(h, 0, &d));
	EXPECT(!harness_has(h, "protocol", "quic"));
	harness_destroy(h);
}

TEST(a_google_session_waits_for_its_hello)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes ack = google_datagram("Q043", "no"), d = google_datagram("Q043", "www.example.com");

	ack.at[26] = 0x40; /* no stream frame */
	EXPECT(feed(h, 0, &ack));
	EXPECT(harness_udp(h, 1,
			   HARNESS_TEXT("\x0c"
					"connecti....")));
	EXPECT(harness_udp(h, 0,
			   HARNESS_TEXT("\x0a"
					"connecti....")));
	EXPECT(!feed(h, 0, &d));
	EXPECT_FIELD(h, "quic.host", "www.example.com");
	harness_destroy(h);
}

TEST(a_reset_of_google_names_the_protocol)
{
	struct harness *h = harness_create();

	harness_udp(h, 1,
		    HARNESS_TEXT("\x0e"
				 "connectiPRST........"));
	EXPECT(harness_has(h, "protocol", "quic"));
	harness_destroy(h);
}

TEST(hostile_tags_end_a_hello)
{
	static const uint32_t ends[] = {0, 27, 100000, 0xffffffff};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct bytes d = google_datagram("Q043", "www.example.com"), end = {.n = 0};

		put_little(&end, ends[i], 4);
		memcpy(d.at + 30 + 8 + 2 * 8 + 4, end.at, 4); /* of VER: before the host's, or beyond all */
		feed(h, 0, &d);
		EXPECT_FIELD(h, "quic.host", "www.example.com");
		if (ends[i] != 27)
			EXPECT_NO_FIELD(h, "quic.version");
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(more_tags_than_there_are_say_nothing)
{
	struct harness *h = harness_create();
	struct bytes d = google_datagram("Q043", "www.example.com");

	memcpy(d.at + 30 + 4, "\xff\xff", 2);
	feed(h, 0, &d);
	EXPECT(harness_has(h, "protocol", "quic"));
	EXPECT_NO_FIELD(h, "quic.host");
	harness_destroy(h);
}

static struct bytes
google_46_datagram(const char *version)
{
	struct bytes d = {.n = 0}, message = chlo("www.example.com");

	put_number(&d, 0xc3, 1);
	put(&d, version, 4);
	put(&d,
	    "\x50"
	    "connectinumbtwelve-bytes\xa0\1\2\0",
	    29);
	put(&d, message.at, message.n);
	return d;
}

TEST(long_headers_of_google_are_read)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes d = google_46_datagram("Q046"), other = google_46_datagram("Q046");

	memcpy(other.at + 34, "SHLO", 4);
	EXPECT(feed(h, 0, &other));
	EXPECT(!feed(h, 0, &d));
	EXPECT_FIELD(h, "quic.host", "www.example.com");
	harness_every_truncation(h);
	harness_reset(h);
	with_an_answer(h);
	d.at[4] = '9';
	EXPECT(!feed(h, 0, &d));
	EXPECT_NO_FIELD(h, "quic.host");
	harness_destroy(h);
}

TEST(version_50_is_named_when_both_sides_speak_it)
{
	struct harness *h = with_an_answer(harness_create());
	struct bytes d = google_46_datagram("Q050");

	EXPECT(feed(h, 0, &d));
	EXPECT(feed(h, 0, &d));
	EXPECT(!harness_has(h, "protocol", "quic"));
	EXPECT(!feed(h, 1, &d));
	EXPECT(harness_has(h, "protocol", "quic"));
	harness_reset(h);
	with_an_answer(h);
	for (unsigned i = 0; i < 20; i++)
		EXPECT(feed(h, 0, &d));
	EXPECT(!feed(h, 0, &d));
	harness_destroy(h);
}

static struct bytes
zero_message(void)
{
	struct bytes m = {.n = 0}, message = chlo("graph.example.com");

	put(&m, "1QTV0", 5);
	put_little(&m, (uint32_t)message.n, 2);
	put_little(&m, 0, 2);
	put(&m, message.at, message.n);
	return m;
}

TEST(zero_of_facebook_is_read)
{
	struct harness *h = harness_create();
	struct bytes m = zero_message();

	harness_tcp(h, 1, HARNESS_TEXT("nothing"));
	EXPECT(!harness_tcp(h, 0, m.at, m.n));
	EXPECT(harness_has(h, "protocol", "quic"));
	EXPECT(harness_has(h, "protocol", "fbzero"));
	EXPECT_FIELD(h, "quic.host", "graph.example.com");
	harness_every_truncation(h);
	harness_every_split(h, 4, NULL);
	harness_reset(h);
	memcpy(m.at + 5, "\xff\xff", 2);
	harness_tcp(h, 1, HARNESS_TEXT("nothing"));
	EXPECT(!harness_tcp(h, 0, m.at, m.n));
	EXPECT(!harness_has(h, "protocol", "fbzero"));
	harness_destroy(h);
}
