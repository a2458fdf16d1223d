/* OPC UA. */
#include "harness.h"

#define LIMITS                                                                                                         \
	"\0\0\0\0"                                                                                                     \
	"\0\0\1\0"                                                                                                     \
	"\0\0\1\0"                                                                                                     \
	"\0\0\0\0"                                                                                                     \
	"\0\0\0\0"
/* "opc.tcp://a:4840/": 17 */
#define HELLO                                                                                                          \
	"HELF\x31\0\0\0" LIMITS "\x11\0\0\0"                                                                           \
	"opc.tcp://a:4840/"
#define ACKNOWLEDGE "ACKF\x1c\0\0\0" LIMITS
/* channel, policy "policy-a", no certificate, no thumbprint */
#define OPEN                                                                                                           \
	"OPNF\x20\0\0\0"                                                                                               \
	"\1\0\0\0"                                                                                                     \
	"\x08\0\0\0"                                                                                                   \
	"policy-a"                                                                                                     \
	"\xff\xff\xff\xff"                                                                                             \
	"\xff\xff\xff\xff"
#define CLOSE "CLOF\x08\0\0\0"

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

TEST(a_client_says_where_it_goes_and_how_that_is_secured)
{
	struct harness *h = harness_create();

	EXPECT(client(h, HELLO));
	EXPECT(server(h, ACKNOWLEDGE));
	EXPECT(client(h, OPEN));
	EXPECT_FIELD(h, "protocol", "opcua");
	EXPECT_FIELD(h, "opcua.endpointUrl", "opc.tcp://a:4840/");
	EXPECT_FIELD(h, "opcua.securityPolicyUri", "policy-a");
	EXPECT_NO_FIELD(h, "cert");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

/* What makes a certificate: serial 2, issuer and subject without names, validity, a key. */
#define VALIDITY                                                                                                       \
	"\x30\x1e\x17\x0d"                                                                                             \
	"240101000000Z"                                                                                                \
	"\x17\x0d"                                                                                                     \
	"340101000000Z"
#define SIGNATURE "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
#define KEY	  "\x30\x0f\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x03\x00"
/* 5 + 3 + 13 + 2 + 32 + 2 + 17 = 74 */
#define CERTIFICATE                                                                                                    \
	"\x30\x5c\x30\x4a\xa0\x03\x02\x01\x02\x02\x01\x02" SIGNATURE "\x30\x00" VALIDITY "\x30\x00" KEY SIGNATURE      \
	"\x03\x01\x00"

TEST(the_senders_certificate_is_recorded)
{
	struct harness *h = harness_create();

	EXPECT_EQ(sizeof(CERTIFICATE) - 1, 94);
	client(h, HELLO);
	/* no policy: the certificate is read all the same */
	EXPECT(client(h, "OPNF\x76\0\0\0"
			 "\1\0\0\0"
			 "\0\0\0\x80"
			 "\x5e\0\0\0" CERTIFICATE "\0\0\0\0"));
	EXPECT_NO_FIELD(h, "opcua.securityPolicyUri");
	EXPECT_EQ(harness_count(h, "cert"), 1);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(values_beyond_their_message_say_nothing)
{
	struct harness *h = harness_create();

	client(h, "HELF\x20\0\0\0" LIMITS "\x01\0\0\0"
		  "OPNF\x14\0\0\0"
		  "\1\0\0\0"
		  "\x05\0\0\0"
		  "poli");
	client(h, "HELF\x1c\0\0\0" LIMITS);
	EXPECT_FIELD(h, "protocol", "opcua");
	EXPECT_NO_FIELD(h, "opcua.endpointUrl");
	EXPECT_NO_FIELD(h, "opcua.securityPolicyUri");
	harness_destroy(h);
}

TEST(values_have_a_greatest_length)
{
	static uint8_t message[32 + 4097] = "HELF\0\0\0\0" LIMITS;
	struct harness *h = harness_create();

	memset(message + 32, 'u', 4097);
	for (unsigned size = 4096; size <= 4097; size++) {
		message[4] = (uint8_t)(size + 32);
		message[5] = (uint8_t)((size + 32) >> 8);
		message[28] = (uint8_t)size;
		message[29] = (uint8_t)(size >> 8);
		harness_tcp(h, 0, message, size + 32);
		EXPECT_FIELD(h, "protocol", "opcua");
		EXPECT_EQ(harness_count(h, "opcua.endpointUrl"), size == 4096);
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(parts_of_messages_are_not_read_but_count)
{
	struct harness *h = harness_create();

	EXPECT(server(h, ACKNOWLEDGE));
	EXPECT(client(h, HELLO "OPNC\x20\0\0\0"
			       "\1\0\0\0"
			       "\x08\0\0\0"
			       "policy-b"
			       "\xff\xff\xff\xff"
			       "\xff\xff\xff\xff"));
	EXPECT_NO_FIELD(h, "opcua.securityPolicyUri");
	EXPECT(!client(h, CLOSE OPEN OPEN));
	EXPECT_FIELD(h, "opcua.securityPolicyUri", "policy-a");
	harness_destroy(h);
}

TEST(the_fourth_message_of_a_direction_is_the_last)
{
	struct harness *h = harness_create();

	EXPECT(client(h, HELLO));
	EXPECT(!server(h, CLOSE CLOSE CLOSE CLOSE));
	client(h, OPEN);
	EXPECT_NO_FIELD(h, "opcua.securityPolicyUri");
	harness_destroy(h);
}

TEST(bad_headers_and_long_messages_end_it)
{
	static const char *const headers[] = {"XXXF\x08\0\0\0", "MSGX\x08\0\0\0", "MSGF\x07\0\0\0", "MSGF\x01\x80\0\0"};
	static uint8_t chunk[32769] = CLOSE;
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		EXPECT(server(h, ACKNOWLEDGE));
		EXPECT(client(h, HELLO));
		EXPECT(!harness_tcp(h, 0, headers[i], 8));
		harness_reset(h);
	}
	EXPECT(server(h, ACKNOWLEDGE));
	EXPECT(client(h, HELLO "MSGF\0\x80\0\0"));
	EXPECT(harness_tcp(h, 0, chunk, 32768 - 8));
	EXPECT(client(h, OPEN));
	EXPECT_FIELD(h, "opcua.securityPolicyUri", "policy-a");
	EXPECT(!harness_tcp(h, 1, chunk, sizeof(chunk)));
	harness_destroy(h);
}

TEST(what_is_no_opc_ua_emits_nothing)
{
	struct harness *h = harness_create();
	static const char *const first[] = {"HELC\x20\0\0\0", "HELF\x07\0\0\0", "HELF\1\0\0\1"};

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		harness_tcp(h, 0, first[i], 8);
		EXPECT_NO_FIELD(h, "protocol");
		harness_reset(h);
	}
	client(h, "HELF\x20\0\0");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
