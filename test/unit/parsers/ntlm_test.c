/* The messages are those of MS-NLMP 4.2 and ones made by hand. */
#include "harness.h"

enum { PORT = 65102, BASE64_PORT = 65103 };

/* Hands each datagram to the hook; what is returned comes back as a tag. */
enum { CALL_NTLM, CALL_BASE64 };

static enum shrike_verdict
caller_parse(struct shrike_ctx *ctx, struct cursor in)
{
	unsigned call = shrike_port(ctx, 1) == PORT ? CALL_NTLM : CALL_BASE64;

	if (shrike_call(ctx, call, in, NULL) == 1)
		shrike_add_tag(ctx, "was-ntlm");
	return SHRIKE_MORE;
}

static const struct shrike_match caller_match[] = {{.transports = SHRIKE_UDP, .destination_port = PORT},
						   {.transports = SHRIKE_UDP, .destination_port = BASE64_PORT},
						   {0}};
static const char *const caller_calls[] = {[CALL_NTLM] = "ntlm", [CALL_BASE64] = "ntlm.base64", NULL};

static const struct shrike_parser test_ntlm_caller = {
	.api = SHRIKE_API,
	.name = "test-ntlm-caller",
	.match = caller_match,
	.calls = caller_calls,
	.parse = caller_parse,
};
SHRIKE_PARSER(test_ntlm_caller);

/* clang-format off */
static const uint8_t negotiate[] = {
	'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, 1, 0, 0, 0,
	0x07, 0xb2, 0x08, 0xa2,
	6, 0, 6, 0, 46, 0, 0, 0,
	6, 0, 6, 0, 40, 0, 0, 0,
	5, 1, 0x28, 0x0a, 0, 0, 0, 15,
	'S', 'E', 'R', 'V', 'E', 'R', 'D', 'o', 'm', 'a', 'i', 'n',
};
static const uint8_t challenge[] = {
	'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, 2, 0, 0, 0,
	12, 0, 12, 0, 56, 0, 0, 0,
	0x33, 0x82, 0x02, 0xe2,
	1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0,
	6, 0, 0x70, 0x17, 0, 0, 0, 15,
	'S', 0, 'e', 0, 'r', 0, 'v', 0, 'e', 0, 0xe4, 0,
};
static const uint8_t authenticate[] = {
	'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, 3, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	4, 0, 4, 0, 72, 0, 0, 0,
	8, 0, 8, 0, 76, 0, 0, 0,
	2, 0, 2, 0, 84, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0,
	0x01, 0x00, 0x00, 0x02,
	10, 0, 0x61, 0x4a, 0, 0, 0, 15,
	'D', 0, '1', 0, 'U', 0, 's', 0, 'e', 0, 'r', 0, 'H', 0,
};
/* clang-format on */

static struct harness *
run(const void *bytes, size_t size, uint16_t port)
{
	struct harness *h = harness_create();

	harness_ports(h, 1, port);
	(void)harness_udp(h, 0, bytes, size);
	return h;
}

TEST(a_negotiate_message_names_domain_host_and_version)
{
	struct harness *h = run(negotiate, sizeof(negotiate), PORT);

	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT_FIELD(h, "ntlm.domain", "Domain");
	EXPECT_FIELD(h, "ntlm.host", "SERVER");
	EXPECT_FIELD(h, "ntlm.version", "5.1.2600");
	EXPECT(harness_has(h, "protocol", "ntlm"));
	EXPECT_FIELD(h, "tags", "was-ntlm");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_challenge_names_its_target_in_utf8)
{
	struct harness *h = run(challenge, sizeof(challenge), PORT);

	EXPECT_FIELD(h, "ntlm.type", "2");
	EXPECT_FIELD(h, "ntlm.targetName", "Serve\xc3\xa4");
	EXPECT_FIELD(h, "ntlm.version", "6.0.6000");
	EXPECT_NO_FIELD(h, "ntlm.domain");
	EXPECT(strstr(harness_json(h), "Serve\xc3\xa4\"") != NULL);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(an_authenticate_message_names_the_user)
{
	struct harness *h = run(authenticate, sizeof(authenticate), PORT);

	EXPECT_FIELD(h, "ntlm.type", "3");
	EXPECT_FIELD(h, "ntlm.domain", "D1");
	EXPECT_FIELD(h, "user", "User");
	EXPECT_FIELD(h, "ntlm.host", "H");
	EXPECT_FIELD(h, "ntlm.version", "10.0.19041");
	harness_every_truncation(h);
	harness_destroy(h);
}

static void
expect_only_type(const uint8_t *bytes, size_t size, const char *type)
{
	struct harness *h = run(bytes, size, PORT);

	EXPECT_FIELD(h, "ntlm.type", type);
	EXPECT_NO_FIELD(h, "user");
	EXPECT_NO_FIELD(h, "ntlm.domain");
	EXPECT_NO_FIELD(h, "ntlm.host");
	harness_destroy(h);
}

TEST(names_out_of_range_are_left_out)
{
	uint8_t bytes[sizeof(authenticate)];

	memcpy(bytes, authenticate, sizeof(bytes));
	bytes[32] = 84; /* domain: two bytes of four */
	bytes[39] = 0x80;
	bytes[43] = 0xff;
	bytes[44] = 0;
	bytes[52] = 0; /* the host's length was at 44 */
	expect_only_type(bytes, sizeof(bytes), "3");
	expect_only_type(authenticate, 63, "3");
	expect_only_type(negotiate, 12, "1");
}

TEST(a_surrogate_drops_the_name_alone)
{
	uint8_t bytes[sizeof(authenticate)];
	struct harness *h;

	memcpy(bytes, authenticate, sizeof(bytes));
	bytes[77] = 0xd8;
	h = run(bytes, sizeof(bytes), PORT);
	EXPECT_NO_FIELD(h, "user");
	EXPECT_FIELD(h, "ntlm.domain", "D1");
	harness_destroy(h);
}

static void
expect_nothing(const void *bytes, size_t size, uint16_t port)
{
	struct harness *h = run(bytes, size, port);

	EXPECT_NO_FIELD(h, "ntlm.type");
	EXPECT_NO_FIELD(h, "protocol");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(other_messages_are_refused)
{
	uint8_t bytes[sizeof(negotiate)];

	expect_nothing(negotiate, 11, PORT);
	memcpy(bytes, negotiate, sizeof(bytes));
	bytes[8] = 4;
	expect_nothing(bytes, sizeof(bytes), PORT);
	bytes[8] = 0;
	expect_nothing(bytes, sizeof(bytes), PORT);
	bytes[8] = 1;
	bytes[7] = 1;
	expect_nothing(bytes, sizeof(bytes), PORT);
	expect_nothing(HARNESS_TEXT("TlRMTVNTU"), BASE64_PORT);
	expect_nothing(HARNESS_TEXT("TlRMTVNTUB"), BASE64_PORT);
	expect_nothing(HARNESS_TEXT("xTlRMTVNTUAABAAAA"), BASE64_PORT);
}

TEST(the_text_form_may_stand_among_blanks)
{
	struct harness *h =
		run(HARNESS_TEXT(" TlRMTVNTUAABAAAAB7IIogYABgAoAAAABgAGACgAAAAFASgKAAAAD1NFUlZFUg==\r\n"), BASE64_PORT);

	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT_FIELD(h, "ntlm.host", "SERVER");
	EXPECT_FIELD(h, "ntlm.version", "5.1.2600");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_text_beyond_the_limit_is_cut)
{
	static char text[40000];
	struct harness *h;

	memset(text, 'A', sizeof(text));
	memcpy(text, "TlRMTVNTUAABAAAA", 16);
	h = run(text, sizeof(text), BASE64_PORT);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_destroy(h);
}
