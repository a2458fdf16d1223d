/* Certificates: what is said of them, their order, the cache. */
#include "certs_priv.h"
#include "harness.h"
#include "tls_build.h"
#include "tls_bytes.h"

static const char curveball_cert_1[] =
	"{\"hash\":\"af:cc:00:61:95:f8:2b:59:cf:4a:d2:3b:34:d7:b8:a2:1a:b7:4d:af\",\"publicAlgorithm\":\"id-"
	"ecPublicKey\","
	"\"curve\":\"secp384r1\",\"issuerCN\":[\"infigo\"],\"issuerON\":[\"INFIGO IS\"],"
	"\"subjectCN\":[\"sans isc dshield test\"],\"subjectON\":[\"SANS Internet Storm Center\"],"
	"\"serial\":\"5ecb7cee8ca206bf9ec00728889ad99f4362cfd9\",\"altCnt\":1,\"alt\":[\"bad.curveballtest.com\"],"
	"\"notBefore\":1521875742000,\"notAfter\":1584947742000,\"remainingDays\":65,\"remainingSeconds\":5653926,"
	"\"validDays\":730,\"validSeconds\":63072000}";
static const char curveball_cert_2[] =
	"{\"hash\":\"f9:ce:21:f0:64:d4:99:f9:e9:95:e8:4d:c7:30:6d:19:62:e1:02:c4\",\"publicAlgorithm\":\"id-"
	"ecPublicKey\","
	"\"curve\":\"corrupt\",\"issuerCN\":[\"infigo\"],\"issuerON\":[\"INFIGO IS\"],\"subjectCN\":[\"infigo\"],"
	"\"subjectON\":[\"INFIGO "
	"IS\"],\"serial\":\"62344031f7ab03e6f9327cde33419cf7fb09df94\",\"notBefore\":1579183250000,"
	"\"notAfter\":1581775250000,\"remainingDays\":28,\"remainingSeconds\":2481434,\"validDays\":30,"
	"\"validSeconds\":2592000}";

static const uint64_t curveball_ns = UINT64_C(1579293816559000000);

static void
feed_curveball(struct harness *h)
{
	harness_time(h, curveball_ns);
	harness_tcp(h, 0, curveball_client, sizeof(curveball_client));
	harness_tcp(h, 1, curveball_server, sizeof(curveball_server));
}

static void
expect_curveball(struct harness *h)
{
	char both[sizeof(curveball_cert_1) + sizeof(curveball_cert_2) + 2];

	snprintf(both, sizeof(both), "%s,%s", curveball_cert_1, curveball_cert_2);
	EXPECT_FIELD(h, "cert", both);
}

/* A server's flight with these Certificate messages in one record each; for a session that is new or goes on. */
static void
feed_certificates(struct harness *h, const struct certificate_says *says, unsigned n)
{
	struct build messages = build_create(), out = build_create();

	put_certificates(&messages, says, n);
	put_records(&out, &messages, 16384);
	harness_tcp(h, 1, out.bytes, out.size);
	build_destroy(&messages);
	build_destroy(&out);
}

static void
begin(struct harness *h)
{
	struct build messages = build_create(), out = build_create();

	put_server_hello(&messages, 0x0303, 0x0035);
	put_records(&out, &messages, 16384);
	harness_tcp(h, 1, out.bytes, out.size);
	build_destroy(&messages);
	build_destroy(&out);
}

TEST(objects_are_those_of_the_reference)
{
	struct harness *h = harness_create();

	feed_curveball(h);
	expect_curveball(h);
	EXPECT(strstr(harness_json(h), "\"certCnt\":2,\"cert\":[{") != NULL);
	harness_destroy(h);
}

TEST(objects_from_the_cache_are_the_same_but_for_the_time)
{
	struct harness *h = harness_create();

	for (unsigned i = 0; i < 3; i++) {
		feed_curveball(h);
		expect_curveball(h);
		harness_reset(h);
	}
	harness_time(h, curveball_ns + UINT64_C(70000000) * UINT64_C(1000000000));
	harness_tcp(h, 0, curveball_client, sizeof(curveball_client));
	harness_tcp(h, 1, curveball_server, sizeof(curveball_server));
	EXPECT(strstr(harness_values(h, "cert"), "\"remainingDays\":0,\"remainingSeconds\":0,\"validDays\":730") !=
	       NULL);
	harness_destroy(h);
}

static bool
one_has(struct certificate_says says, const char *text)
{
	struct harness *h = harness_create();
	const char *cert;
	bool has;

	begin(h);
	feed_certificates(h, &says, 1);
	cert = harness_json(h);
	has = strstr(cert, text) != NULL;
	harness_destroy(h);
	return has;
}

TEST(names_are_taken_from_texts_that_can_be_shown)
{
	EXPECT(one_has((struct certificate_says){.issuer_common = "\xc3\x84 CA"}, "\"issuerCN\":[\"\xc3\xa4 ca\"]"));
	EXPECT(one_has((struct certificate_says){.subject_organisation = "ACME \"Ltd\""},
		       "\"subjectON\":[\"ACME \\\"Ltd\\\"\"]"));
	EXPECT(one_has((struct certificate_says){.subject_common = "T\xe9l", .name_tag = 20},
		       "\"subjectCN\":[\"t\xc3\xa9l\"]"));
	/* BMPString */
	EXPECT(one_has((struct certificate_says){.subject_common = "x", .subject_unit = "y", .name_tag = 30},
		       "\"publicAlgorithm\":\"rsaEncryption\",\"serial\":\"01\","));
}

TEST(alternative_names_are_lower_case_and_utf8)
{
	EXPECT(one_has((struct certificate_says){.alternative = "WWW.Example", .n_alternatives = 2},
		       "\"altCnt\":2,\"alt\":[\"www.example\",\"www.example\"]"));
	EXPECT(one_has((struct certificate_says){.alternative = "\xff"}, "bad-altname"));
}

TEST(times_before_1970_are_tagged)
{
	EXPECT(one_has((struct certificate_says){.not_before = "600101000000Z"}, "cert:pre-epoch-time"));
	EXPECT(one_has((struct certificate_says){.not_before = "600101000000Z"}, "\"notBefore\":0,"));
}

TEST(authorities_are_tagged)
{
	EXPECT(one_has((struct certificate_says){.key_usage = 0x06}, "cert:certificate-authority"));
	EXPECT(!one_has((struct certificate_says){.key_usage = 0x80}, "cert:certificate-authority"));
}

TEST(the_first_certificate_is_self_signed_when_its_names_are_equal)
{
	const char *tag = "cert:self-signed";

	EXPECT(one_has((struct certificate_says){.issuer_common = "Me", .subject_common = "mE"}, tag));
	EXPECT(one_has((struct certificate_says){.issuer_common = "me",
						 .subject_common = "me",
						 .issuer_organisation = "X",
						 .subject_organisation = "X"},
		       tag));
	EXPECT(!one_has((struct certificate_says){.issuer_common = "me",
						  .subject_common = "me",
						  .issuer_organisation = "X",
						  .subject_organisation = "Y"},
			tag));
	EXPECT(!one_has(
		(struct certificate_says){.issuer_common = "me", .subject_common = "me", .subject_organisation = "Y"},
		tag));
	EXPECT(!one_has((struct certificate_says){.issuer_common = "me", .subject_common = "you"}, tag));
	EXPECT(!one_has((struct certificate_says){.issuer_common = "me", .subject_common = "me", .key_usage = 4}, tag));
}

TEST(only_the_first_certificate_can_be_self_signed)
{
	const struct certificate_says says[] = {{.serial = "a", .issuer_common = "x", .subject_common = "y"},
						{.serial = "b", .issuer_common = "me", .subject_common = "me"}};
	struct harness *h = harness_create();

	begin(h);
	feed_certificates(h, says, 2);
	feed_certificates(h, &says[1], 1);
	EXPECT(!harness_has(h, "tags", "cert:self-signed"));
	EXPECT_EQ(harness_count(h, "cert"), 2);
	harness_destroy(h);
}

/* Serial numbers in the order of the objects. */
static const char *
serials(struct harness *h)
{
	static char out[1024];
	const char *at = harness_values(h, "cert");
	size_t n = 0;

	while (at != NULL && (at = strstr(at, "\"serial\":\"")) != NULL && n + 16 < sizeof(out)) {
		at += strlen("\"serial\":\"");
		while (*at != '"')
			out[n++] = *at++;
		out[n++] = ' ';
	}
	out[n] = '\0';
	return out;
}

/* Buckets of first byte << 28 | last byte << 24 modulo 13; 0x60 to 0x65 differ in the last byte alone. */
TEST(objects_stand_in_the_order_of_the_table_even_when_they_come_in_several_messages)
{
	const struct certificate_says says[] = {{.serial = "\x01\x60"}, {.serial = "\x02\x61"}, {.serial = "\x03\x62"},
						{.serial = "\x04\x63"}, {.serial = "\x05\x64"}, {.serial = "\x06\x65"}};
	struct harness *h = harness_create();
	char expected[1024];

	begin(h);
	feed_certificates(h, says, 6);
	snprintf(expected, sizeof(expected), "%s", serials(h));
	EXPECT_EQ(strlen(expected), 6 * 5);
	harness_reset(h);
	begin(h);
	for (unsigned i = 6; i-- > 0;)
		feed_certificates(h, &says[i], 1);
	EXPECT_STR(serials(h), expected);
	harness_destroy(h);
}

TEST(a_certificate_is_known_by_its_serial_and_names)
{
	struct certificate_says same[] = {{.serial = "a", .subject_common = "x", .not_after = "800101000000Z"},
					  {.serial = "a", .subject_common = "X", .not_after = "900101000000Z"}};
	struct certificate_says other = {.serial = "a", .subject_common = "x", .subject_unit = "z"};
	struct harness *h = harness_create();

	begin(h);
	feed_certificates(h, same, 2);
	feed_certificates(h, same, 2);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	feed_certificates(h, &other, 1);
	EXPECT_EQ(harness_count(h, "cert"), 2);
	harness_destroy(h);
}

TEST(a_record_has_a_limited_number_of_certificates)
{
	struct certificate_says says[100];
	static char serial[100][3];
	struct harness *h = harness_create();

	for (unsigned i = 0; i < 100; i++) {
		snprintf(serial[i], sizeof(serial[i]), "%02u", i);
		says[i] = (struct certificate_says){.serial = serial[i]};
	}
	begin(h);
	for (unsigned i = 0; i < 100; i += 10)
		feed_certificates(h, &says[i], 10);
	EXPECT_EQ(harness_count(h, "cert"), 64);
	harness_destroy(h);
}

TEST(what_is_no_certificate_ends_the_list)
{
	struct harness *h = harness_create();
	struct build messages = build_create(), out = build_create();
	struct certificate_says says = {.serial = "a"};

	begin(h);
	put_certificates(&messages, &says, 1);
	/* The same list with something else behind, and then the certificate again with another serial. */
	messages.bytes[3] = (uint8_t)(messages.bytes[3] + 8);
	put_number(&messages, 0x0000053003, 5);
	put_number(&messages, 0x020101, 3);
	put_records(&out, &messages, 16384);
	harness_tcp(h, 1, out.bytes, out.size);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	build_destroy(&messages);
	build_destroy(&out);
	harness_destroy(h);
}

/* ---- Without a session */

TEST(nesting_and_lengths_are_the_peers_and_cost_nothing)
{
	struct build b = build_create();
	struct certificate cert;
	struct certificate_says says = {.depth = 20000, .alternative = "a"};
	uint8_t *guarded;

	der_certificate(&b, &says);
	EXPECT(certificate_read(cursor_make(b.bytes, b.size), &cert));
	for (size_t n = 0; n < 2000; n++) {
		guarded = test_guard(b.bytes, n);
		(void)certificate_read(cursor_make(guarded, n), &cert);
		test_guard_free(guarded, n);
	}
	/* Lengths of 4 GB everywhere. */
	for (size_t i = 0; i + 5 < b.size && i < 2000; i++)
		if (b.bytes[i] == 0x83)
			b.bytes[i] = 0x84;
	(void)certificate_read(cursor_make(b.bytes, b.size), &cert);
	build_destroy(&b);
}

static const struct cert_object small_object = {.bytes = 4};

static struct cursor
numbered(uint8_t der[1000], unsigned i, bool same_end)
{
	memset(der, 0, 1000);
	memcpy(der, &i, sizeof(i));
	if (!same_end)
		memcpy(der + 996, &i, sizeof(i));
	return cursor_make(der, 1000);
}

TEST(the_cache_forgets_the_oldest_and_never_confuses)
{
	struct cert_cache *cache = cert_cache_create(65536);
	struct cert_object object;
	uint8_t der[1000];
	char text[5];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%04u", i);
		cert_cache_add(cache, numbered(der, i, false), &small_object, text);
		EXPECT(cert_cache_find(cache, numbered(der, i, false), &object) != NULL);
		EXPECT(cert_cache_find(cache, numbered(der, i + 1, false), &object) == NULL);
	}
	EXPECT(cert_cache_find(cache, numbered(der, 0, false), &object) == NULL);
	for (unsigned i = 970; i < 1000; i++) {
		const char *found = cert_cache_find(cache, numbered(der, i, false), &object);

		snprintf(text, sizeof(text), "%04u", i);
		EXPECT(found == NULL || memcmp(found, text, 4) == 0);
	}
	EXPECT(cert_cache_find(cache, numbered(der, 999, false), &object) != NULL);
	cert_cache_destroy(cache);
}

TEST(certificates_made_to_collide_push_out_only_each_other)
{
	struct cert_cache *cache = cert_cache_create(1 << 20);
	struct cert_object object;
	uint8_t der[1000];
	unsigned found = 0;

	cert_cache_add(cache, numbered(der, 12345, false), &small_object, "kept");
	for (unsigned i = 0; i < 500; i++)
		cert_cache_add(cache, numbered(der, i, true), &small_object, "bad!");
	for (unsigned i = 0; i < 500; i++)
		found += cert_cache_find(cache, numbered(der, i, true), &object) != NULL;
	EXPECT_EQ(found, 4);
	EXPECT(cert_cache_find(cache, numbered(der, 12345, false), &object) != NULL);
	cert_cache_destroy(cache);
}

TEST(objects_are_recalled_from_their_text)
{
	struct cert_object object;
	struct cursor text = cursor_make(curveball_cert_1, strlen(curveball_cert_1));
	const char *identity = strstr(curveball_cert_1, ",\"issuerCN\""),
		   *end = strstr(curveball_cert_1, ",\"altCnt\"");

	EXPECT(cert_object_recall(text, &object));
	EXPECT_EQ(object.identity_begin, identity - curveball_cert_1);
	EXPECT_EQ(object.identity_end, end - curveball_cert_1);
	EXPECT_EQ(object.order, (uint32_t)0x5e << 28 | (uint32_t)0xd9 << 24 | 1 << 18 | 1 << 12 | 1 << 6 | 1);
	for (size_t n = 0; n < strlen(curveball_cert_1); n++) {
		uint8_t *guarded = test_guard(curveball_cert_1, n);

		(void)cert_object_recall(cursor_make(guarded, n), &object);
		test_guard_free(guarded, n);
	}
}
