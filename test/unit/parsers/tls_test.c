/* Hellos, records and what ends a side. */
#include <time.h>

#include "harness.h"
#include "tls_build.h"
#include "tls_bytes.h"
#include "tls_priv.h"

static void
feed_curveball(struct harness *h)
{
	harness_tcp(h, 0, curveball_client, sizeof(curveball_client));
	harness_tcp(h, 1, curveball_server, sizeof(curveball_server));
}

static void
expect_curveball(struct harness *h)
{
	EXPECT_FIELD(h, "protocol", "tls");
	EXPECT_FIELD(h, "http.host", "bad.curveballtest.com");
	EXPECT_FIELD(h, "tls.version", "TLSv1.2");
	EXPECT_FIELD(h, "tls.cipher", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
	EXPECT_FIELD(h, "tls.ja3", "66918128f1b9b03303d77c6f2eefd128");
	EXPECT_FIELD(h, "tls.ja3string",
		     "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53-10,"
		     "0-23-65281-10-11-35-16-5-13-18-51-45-43-27-21,29-23-24,0");
	EXPECT_FIELD(h, "tls.ja3s", "2d1eb5817ece335c24904f516ad5da12");
	EXPECT_FIELD(h, "tls.ja3sstring", "771,49195,0-65281-11-35-16");
	EXPECT_FIELD(h, "tls.ja4", "t13d1615H2_46e7e9700bed_45f260be83e2");
	EXPECT_FIELD(h, "tls.ja4_r",
		     "t13d1615H2_000a,002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_"
		     "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,ff01_"
		     "0403,0804,0401,0503,0805,0501,0806,0601,0201");
	EXPECT_FIELD(h, "tls.srcSessionId", "078a389ef1767da304d9e10cc7a9441a734513694d3a353ed9522ac47f9c8aa4");
	EXPECT_NO_FIELD(h, "tls.dstSessionId");
	EXPECT_EQ(harness_count(h, "cert"), 2);
}

TEST(hellos_and_certificates_are_those_of_the_reference)
{
	struct harness *h = harness_create("ja3Strings=true", "ja4Raw=true");

	feed_curveball(h);
	expect_curveball(h);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(segments_do_not_matter)
{
	struct harness *h = harness_create("ja3Strings=true", "ja4Raw=true");

	feed_curveball(h);
	harness_every_split(h, 2, NULL);
	harness_destroy(h);
}

/* What a server said, in records of one handshake byte each. */
TEST(records_do_not_matter)
{
	struct harness *h = harness_create("ja3Strings=true", "ja4Raw=true");
	struct build client = build_create(), server = build_create(), out = build_create();

	put(&client, curveball_client + 5, 512);
	put(&server, curveball_server + 5, 80);
	put(&server, curveball_server + 90, 1513);
	put_records(&out, &client, 1);
	harness_tcp(h, 0, out.bytes, out.size);
	out.size = 0;
	put_records(&out, &server, 1);
	harness_tcp(h, 1, out.bytes, out.size);
	expect_curveball(h);
	build_destroy(&client);
	build_destroy(&server);
	build_destroy(&out);
	harness_destroy(h);
}

TEST(texts_behind_the_fingerprints_come_only_when_they_are_asked_for)
{
	struct harness *h = harness_create();

	feed_curveball(h);
	EXPECT_FIELD(h, "tls.ja3", "66918128f1b9b03303d77c6f2eefd128");
	EXPECT_NO_FIELD(h, "tls.ja3string");
	EXPECT_NO_FIELD(h, "tls.ja3sstring");
	EXPECT_NO_FIELD(h, "tls.ja4_r");
	harness_destroy(h);
}

TEST(when_both_sides_are_encrypted_nothing_more_is_wanted)
{
	static const uint8_t change[] = {0x14, 3, 3, 0, 1, 1};
	struct harness *h = harness_create();

	EXPECT(harness_tcp(h, 0, curveball_client, 517));
	EXPECT(harness_tcp(h, 1, curveball_server, 85));
	EXPECT(harness_tcp(h, 1, change, sizeof(change)));
	EXPECT(!harness_tcp(h, 0, change, sizeof(change)));
	EXPECT(!harness_is_live(h));
	EXPECT_EQ(harness_memory_bytes(h), 0);
	harness_destroy(h);
}

TEST(an_alert_instead_of_a_server_hello_ends_that_side_only)
{
	static const uint8_t alert[] = {0x15, 3, 3, 0, 2, 2, 40};
	struct harness *h = harness_create();

	EXPECT(harness_tcp(h, 0, curveball_client, 100));
	EXPECT(harness_tcp(h, 1, alert, sizeof(alert)));
	harness_tcp(h, 0, curveball_client + 100, 417);
	EXPECT_FIELD(h, "http.host", "bad.curveballtest.com");
	harness_destroy(h);
}

TEST(a_server_that_speaks_first_is_the_server)
{
	struct harness *h = harness_create();
	struct build messages = build_create(), out = build_create();

	put_server_hello(&messages, 0x0301, 0x0035);
	put_records(&out, &messages, 1000);
	harness_tcp(h, 0, out.bytes, out.size);
	EXPECT_FIELD(h, "tls.version", "TLSv1");
	EXPECT_FIELD(h, "tls.cipher", "TLS_RSA_WITH_AES_256_CBC_SHA");
	build_destroy(&messages);
	build_destroy(&out);
	harness_destroy(h);
}

TEST(other_protocols_are_left_alone)
{
	static const uint8_t ssl2[] = {0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80};
	static const uint8_t version4[] = {0x16, 4, 1, 0, 10, 1, 0, 0, 6};
	static const uint8_t finished[] = {0x16, 3, 1, 0, 10, 20, 0, 0, 6};
	const struct {
		const uint8_t *bytes;
		size_t size;
	} others[] = {{ssl2, sizeof(ssl2)}, {version4, sizeof(version4)}, {finished, sizeof(finished)}};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct harness *h = harness_create();

		harness_tcp(h, 0, others[i].bytes, others[i].size);
		EXPECT(!harness_has(h, "protocol", "tls"));
		EXPECT_NO_FIELD(h, "tls.ja3");
		harness_destroy(h);
	}
}

TEST(a_record_longer_than_allowed_is_tagged_and_ends_it)
{
	static const uint8_t record[] = {0x16, 3, 1, 0x48, 1, 1, 0, 0x48, 0};
	struct harness *h = harness_create();

	harness_tcp(h, 0, record, sizeof(record));
	EXPECT_FIELD(h, "tags", "tls:record-too-long");
	EXPECT(!harness_tcp(h, 1, curveball_server, sizeof(curveball_server)));
	EXPECT_NO_FIELD(h, "tls.version");
	harness_destroy(h);
}

static void
feed_hello(struct harness *h, const struct hello_says *says, size_t record_bytes)
{
	struct build messages = build_create(), out = build_create();

	put_client_hello(&messages, says);
	put_records(&out, &messages, record_bytes);
	harness_tcp(h, 0, out.bytes, out.size);
	build_destroy(&messages);
	build_destroy(&out);
}

TEST(grease_is_left_out)
{
	struct harness *h = harness_create("ja3Strings=true", "ja4Raw=true");
	struct hello_says says = {.host = "a.example", .alpn = "h2", .n_ciphers = 2, .with_grease = true};

	feed_hello(h, &says, 16384);
	EXPECT_FIELD(h, "tls.ja3string", "771,1-2,0-16,,");
	EXPECT_FIELD(h, "tls.ja4_r", "t12d0202h2_0001,0002_");
	harness_destroy(h);
}

TEST(alpn_that_cannot_be_printed_is_shown_in_hex)
{
	struct harness *h = harness_create();
	struct hello_says says = {.alpn = "\xab-\xcd"};

	feed_hello(h, &says, 16384);
	EXPECT(strncmp(harness_values(h, "tls.ja4"), "t12i0101ad_", 11) == 0);
	harness_destroy(h);
}

TEST(a_hello_of_65_kb_is_read_whatever_its_records)
{
	struct harness *h = harness_create();
	struct hello_says says = {.host = "big.example", .padding = 65000};

	feed_hello(h, &says, 1000);
	EXPECT_FIELD(h, "http.host", "big.example");
	EXPECT_FIELD(h, "tls.ja4", "t12d010200_888b19a43b15_4298e3b3ed58");
	harness_destroy(h);
}

TEST(ten_thousand_extensions_are_counted_and_not_all_listed)
{
	struct harness *h = harness_create("ja4Raw=true");
	struct hello_says says = {.n_extensions = 10000, .n_ciphers = 5000};

	feed_hello(h, &says, 16384);
	EXPECT(strncmp(harness_values(h, "tls.ja4"), "t12i999900_", 11) == 0);
	EXPECT_NO_FIELD(h, "tls.ja3");
	EXPECT_EQ(strlen(harness_values(h, "tls.ja4_r")), 11 + 500 * 5 - 1 + 1 + 256 * 5 - 1);
	harness_destroy(h);
}

TEST(at_most_sixteen_hellos_of_a_side_are_read)
{
	struct harness *h = harness_create();
	struct build messages = build_create(), out = build_create();

	for (unsigned i = 0; i < 1000; i++)
		put_client_hello(&messages, &(struct hello_says){.n_ciphers = i + 1});
	put_records(&out, &messages, 16384);
	harness_tcp(h, 0, out.bytes, out.size);
	EXPECT_EQ(harness_count(h, "tls.ja4"), 16);
	build_destroy(&messages);
	build_destroy(&out);
	harness_destroy(h);
}

TEST(sixteen_megabytes_of_certificates_cost_bounded_memory)
{
	struct harness *h = harness_create();
	struct build messages = build_create(), out = build_create();
	uint64_t most = 0;

	harness_tcp(h, 0, curveball_client, 517);
	put_server_hello(&messages, 0x0303, 0x0035);
	put_number(&messages, 0x0bffffff, 4);
	put_number(&messages, 0xfffffc, 3);
	put_number(&messages, 0xfffff9, 3);
	while (messages.size < 60000)
		put_number(&messages, 0x30, 1);
	put_records(&out, &messages, 10000);
	for (unsigned i = 0; i < 300; i++) {
		harness_tcp(h, 1, out.bytes, out.size);
		most = harness_memory_bytes(h) > most ? harness_memory_bytes(h) : most;
		if (i == 0) {
			out.size = 0;
			messages.size = 50000;
			put_records(&out, &messages, 10000);
		}
	}
	EXPECT(most <= 3 * SHRIKE_ALLOC_MAX);
	EXPECT(harness_memory_bytes(h) < 4096);
	EXPECT_NO_FIELD(h, "cert");
	build_destroy(&messages);
	build_destroy(&out);
	harness_destroy(h);
}

TEST(certificates_before_a_gap_are_recorded)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, curveball_client, sizeof(curveball_client));
	harness_tcp(h, 1, curveball_server, 1000);
	EXPECT_NO_FIELD(h, "cert");
	harness_gap(h, 1, 500);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	EXPECT(!harness_is_live(h));
	harness_destroy(h);
}

TEST(certificates_before_the_end_are_recorded_and_half_a_client_hello_is_not)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, curveball_client, 300);
	harness_tcp(h, 1, curveball_server, 1000);
	harness_save(h, false);
	EXPECT_NO_FIELD(h, "cert");
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	EXPECT_NO_FIELD(h, "tls.ja4");
	harness_destroy(h);
}

static const char *
version_of(uint16_t version)
{
	static char copy[64];
	struct harness *h = harness_create();
	struct build messages = build_create(), out = build_create();
	const char *value;

	put_server_hello(&messages, version, 0x1301);
	put_records(&out, &messages, 16384);
	harness_tcp(h, 1, out.bytes, out.size);
	value = harness_values(h, "tls.version");
	snprintf(copy, sizeof(copy), "%s", value != NULL ? value : "");
	build_destroy(&messages);
	build_destroy(&out);
	harness_destroy(h);
	return copy;
}

TEST(versions_have_names)
{
	EXPECT_STR(version_of(0x0002), "SSLv2");
	EXPECT_STR(version_of(0x0300), "SSLv3");
	EXPECT_STR(version_of(0x0302), "TLSv1.1");
	EXPECT_STR(version_of(0x0303), "TLSv1.2");
	EXPECT_STR(version_of(0x7f12), "TLSv1.3-draft-18");
	EXPECT_STR(version_of(0x1234), "0x1234");
}

TEST(ciphers_are_in_order_and_found)
{
	unsigned n = 0;

	for (unsigned code = 0; code <= 0xffff; code++) {
		const char *name = tls_cipher_name((uint16_t)code);

		n += name != NULL;
		for (const char *c = name; c != NULL && *c != '\0'; c++)
			EXPECT((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_');
	}
	EXPECT_EQ(n, 373 + 16);
	EXPECT_STR(tls_cipher_name(0x0034), "TLS_DH_ANON_WITH_AES_128_CBC_SHA");
	EXPECT_STR(tls_cipher_name(0x1306), "TLS_AEGIS_256_SHA512");
	EXPECT_STR(tls_cipher_name(0x3a3a), "RESERVED");
	EXPECT(tls_cipher_name(0x0047) == NULL);
}

/* A hello in records of so many bytes. */
struct hard_hello {
	struct hello_says half, whole;
	size_t record_bytes;
};

/* 'size': of the two hellos. */
static double
cost_of_hello(const void *what, size_t size)
{
	const struct hard_hello *hard = what;
	struct harness *h = harness_create();
	double begin = test_cpu_seconds(), took;

	for (unsigned n = 0; n < 4; n++) {
		feed_hello(h, size == 1 ? &hard->half : &hard->whole, hard->record_bytes);
		harness_reset(h);
	}
	took = test_cpu_seconds() - begin;
	harness_destroy(h);
	return took;
}

TEST(time_is_in_proportion_to_size_whatever_a_client_sends)
{
	const struct hard_hello hard[] = {
		{{.padding = 30000}, {.padding = 60000}, 1},
		{{.n_ciphers = 15000}, {.n_ciphers = 30000}, 16384},
		{{.n_extensions = 8000}, {.n_extensions = 16000}, 16384},
		{{.n_extensions = 8000}, {.n_extensions = 16000}, 1},
	};

	for (unsigned i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
		EXPECT(test_grows_at_most(cost_of_hello, &hard[i], 1, 2, 2.5, 0.001));
}
