/* ISAKMP: both versions' headers, associations, vendor ids and certificates, and ESP on the same port. */
#include "harness.h"
#include "tls_build.h"

#define INITIATOR	      "\x11\x22\x33\x44\x55\x66\x77\x88"
#define RESPONDER	      "\xaa\xbb\xcc\xdd\xee\xff\0\x11"
#define NOBODY		      "\0\0\0\0\0\0\0\0"
#define MESSAGE_ID_AND_LENGTH "\0\0\0\0\0\0\0\x1c"
/* 'rest': next payload, version, exchange, flags. */
#define HEADER(responder, rest) INITIATOR responder rest MESSAGE_ID_AND_LENGTH

/* aes-cbc of 256 bits, sha2-512, psk, modp2048, for 28800 seconds; the life's length in the long form. */
#define TRANSFORM_1                                                                                                    \
	"\0\0\0\x28\x01\x01\0\0\x80\x01\0\x07\x80\x0e\x01\0\x80\x02\0\x06\x80\x03\0\x01\x80\x04\0\x0e\x80\x0b\0\x01\0" \
	"\x0c\0"                                                                                                       \
	"\x04\0\0\x70\x80"
#define SA_1(next) next "\0\0\x3c\0\0\0\1\0\0\0\1\0\0\0\x30\1\1\0\1" TRANSFORM_1

/* Two proposals: aes-gcm-16 and prf-hmac-sha2-256 with curve25519; with an SPI of 8 bytes, chacha20-poly1305. */
#define SA_2(next)                                                                                                     \
	next "\0\0\x44\2\0\0\x28\1\1\0\4\3\0\0\x08\1\0\0\x14\3\0\0\x08\2\0\0\5\3\0\0\x08\3\0\0\x0c\0\0\0\x08\4\0\0"    \
	     "\x1f"                                                                                                    \
	     "\0\0\0\x18\2\1\x08\1"                                                                                    \
	     "SPISPISP\0\0\0\x08\1\0\0\x1c"

static struct harness *
pair(uint16_t source, uint16_t destination)
{
	struct harness *h = harness_create();

	harness_ports(h, source, destination);
	return h;
}

#define client(h, bytes) harness_udp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_udp(h, 1, HARNESS_TEXT(bytes))

TEST(version_1_shows_its_association)
{
	struct harness *h = pair(500, 500);

	EXPECT(client(h,
		      HEADER(NOBODY, "\1\x10\2\0") SA_1("\x0d") "\0\0\0\x14\xaf\xca\xd7\x13\x68\xa1\xf1\xc9 rest..."));
	EXPECT(server(h, HEADER(RESPONDER, "\1\x10\2\0") SA_1("\0")));
	EXPECT_FIELD(h, "protocol", "isakmp");
	EXPECT_FIELD(h, "isakmp.version", "1.0");
	EXPECT_FIELD(h, "isakmp.initiatorSpi", "1122334455667788");
	EXPECT_FIELD(h, "isakmp.responderSpi", "aabbccddeeff0011");
	EXPECT_FIELD(h, "isakmp.exchangeType", "identity-protection");
	EXPECT_FIELD(h, "isakmp.encryption", "aes-cbc");
	EXPECT_FIELD(h, "isakmp.hash", "sha2-512");
	EXPECT_FIELD(h, "isakmp.authMethod", "psk");
	EXPECT_FIELD(h, "isakmp.dhGroup", "modp2048");
	EXPECT_FIELD(h, "isakmp.vendorId", "dpd");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(version_2_shows_all_proposals)
{
	struct harness *h = pair(1024, 500);

	EXPECT(client(h, HEADER(NOBODY, "\x21\x20\x22\x08") SA_2("\0")));
	EXPECT_FIELD(h, "isakmp.version", "2.0");
	EXPECT_FIELD(h, "isakmp.exchangeType", "ike-sa-init");
	EXPECT_FIELD(h, "isakmp.encryption", "aes-gcm-16,chacha20-poly1305");
	EXPECT_FIELD(h, "isakmp.hash", "prf-hmac-sha2-256");
	EXPECT_FIELD(h, "isakmp.dhGroup", "curve25519");
	EXPECT_NO_FIELD(h, "isakmp.responderSpi");
	EXPECT_NO_FIELD(h, "isakmp.authMethod");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(what_is_encrypted_is_not_read)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(RESPONDER, "\1\x10\5\1") SA_1("\0"));
	client(h, HEADER(RESPONDER, "\x21\x20\x23\x08") SA_2("\0"));
	EXPECT_FIELD(h, "isakmp.exchangeType", "informational,ike-auth");
	EXPECT_NO_FIELD(h, "isakmp.encryption");
	client(h, HEADER(RESPONDER, "\1\x10\5\2") SA_1("\0"));
	EXPECT_FIELD(h, "isakmp.encryption", "aes-cbc");
	harness_destroy(h);
}

/* The association of one version is not that of the other, and version 1 wants the DOI of IPsec. */
TEST(associations_belong_to_their_version)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(NOBODY, "\x21\x10\2\0") SA_2("\0"));
	client(h, HEADER(NOBODY, "\1\x20\x22\x08") SA_1("\0"));
	client(h, HEADER(NOBODY, "\1\x10\2\0") "\0\0\0\x3c\0\0\0\2\0\0\0\1\0\0\0\x30\1\1\0\1" TRANSFORM_1);
	EXPECT_FIELD(h, "isakmp.version", "1.0,2.0");
	EXPECT_NO_FIELD(h, "isakmp.encryption");
	harness_destroy(h);
}

TEST(vendor_ids_have_a_name_or_are_hex)
{
	struct harness *h = pair(500, 500);

	client(h,
	       HEADER(NOBODY, "\x0d\x10\2\0") "\x2b\0\0\x0c\x40\x48\xb7\xd5\x6e\xbc\xe8\x85"
					      "\x0d\0\0\x16\xa9\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"
					      "\0\0\0\7\xab\xcd\xef");
	EXPECT_FIELD(h, "isakmp.vendorId", "ikev2,a90102030405060708090a0b0c0d0e0f,abcdef");
	harness_destroy(h);
}

TEST(a_chain_ends_at_a_length_that_cannot_be)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(NOBODY, "\x0d\x10\2\0") "\x0d\0\0\7\1\2\3"
						 "\x0d\0\0\3\0\0\0\7\4\5\6");
	EXPECT_FIELD(h, "isakmp.vendorId", "010203");
	client(h, HEADER(NOBODY, "\x0d\x10\2\0") "\x0d\0\0\x08\4\5\6");
	EXPECT_FIELD(h, "isakmp.vendorId", "010203");
	/* A proposal, and a transform, of less than 8 bytes. */
	client(h, HEADER(NOBODY, "\x21\x20\x22\x08") "\0\0\0\x14\0\0\0\7\1\1\0\1\0\0\0\x08\1\0\0\x14");
	client(h, HEADER(NOBODY, "\x21\x20\x22\x08") "\0\0\0\x14\0\0\0\x10\1\1\0\1\0\0\0\7\1\0\0\x14");
	EXPECT_NO_FIELD(h, "isakmp.encryption");
	client(h, HEADER(NOBODY, "\x21\x20\x22\x08") "\0\0\0\x14\0\0\0\x10\1\1\0\1\0\0\0\x08\1\0\0\x14");
	EXPECT_FIELD(h, "isakmp.encryption", "aes-gcm-16");
	harness_destroy(h);
}

TEST(a_proposal_has_as_many_transforms_as_it_says)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(NOBODY, "\x21\x20\x22\x08") "\0\0\0\x1c\0\0\0\x18\1\1\0\1"
						     "\3\0\0\x08\1\0\0\x0c\0\0\0\x08\1\0\0\x14");
	EXPECT_FIELD(h, "isakmp.encryption", "aes-cbc");
	harness_destroy(h);
}

TEST(numbers_without_a_name_give_none)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(NOBODY, "\1\x10\xf0\0") "\0\0\0\x30\0\0\0\1\0\0\0\1\0\0\0\x24\1\1\0\1\0\0\0\x1c\1\1\0\0"
						 "\x80\1\0\x09\x80\2\0\0\x80\3\0\6\x80\4\0\3\x80\2\0\1");
	EXPECT_FIELD(h, "isakmp.version", "1.0");
	EXPECT_NO_FIELD(h, "isakmp.exchangeType");
	EXPECT_NO_FIELD(h, "isakmp.encryption");
	EXPECT_FIELD(h, "isakmp.hash", "md5");
	EXPECT_NO_FIELD(h, "isakmp.authMethod");
	EXPECT_NO_FIELD(h, "isakmp.dhGroup");
	harness_destroy(h);
}

/* A certificate payload of this type and encoding, behind a header that ends before its next payload. */
static void
feed_certificate(struct harness *h, const char rest[4], uint8_t encoding)
{
	static const struct certificate_says says = {.subject_common = "gate.example"};
	struct build b = build_create();
	struct length length;

	put(&b, INITIATOR RESPONDER, 16);
	put(&b, rest, 4);
	put(&b, MESSAGE_ID_AND_LENGTH, 8);
	put_number(&b, 0, 2);
	length = length_begin(&b, 2);
	put_number(&b, encoding, 1);
	der_certificate(&b, &says);
	length_end(&b, length);
	/* The length counts the header of four bytes. */
	b.bytes[31] += 4;
	harness_udp(h, 0, b.bytes, b.size);
	build_destroy(&b);
}

TEST(certificates_of_signatures_are_handed_on)
{
	struct harness *h = pair(500, 500);

	feed_certificate(h, "\x06\x10\2\0", 5);
	EXPECT_NO_FIELD(h, "cert");
	feed_certificate(h, "\x06\x10\2\0", 4);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	harness_every_truncation(h);
	harness_reset(h);
	feed_certificate(h, "\x25\x20\x22\0", 4);
	EXPECT_EQ(harness_count(h, "cert"), 1);
	harness_destroy(h);
}

static void
expect_message(bool accepted, const char rest[4])
{
	struct harness *h = pair(500, 500);
	char bytes[28] = INITIATOR NOBODY;

	memcpy(bytes + 16, rest, 4);
	harness_udp(h, 0, bytes, sizeof(bytes));
	EXPECT_EQ(harness_count(h, "protocol"), accepted);
	EXPECT_EQ(harness_count(h, "isakmp.version"), accepted);
	harness_destroy(h);
}

TEST(the_first_datagram_has_a_known_version_exchange_and_flags)
{
	expect_message(true, "\0\x10\0\0");
	expect_message(true, "\0\x11\5\7");
	expect_message(true, "\0\x10\x21\0");
	expect_message(true, "\0\x10\xf0\0");
	expect_message(false, "\0\x10\6\0");
	expect_message(false, "\0\x10\x22\0");
	expect_message(false, "\0\x10\xef\0");
	expect_message(false, "\0\x10\2\x08");
	expect_message(true, "\0\x20\x22\x38");
	expect_message(true, "\0\x20\x25\0");
	expect_message(false, "\0\x20\x26\0");
	expect_message(false, "\0\x20\x21\0");
	expect_message(false, "\0\x20\x22\x40");
	expect_message(false, "\0\x20\x22\1");
	expect_message(false, "\0\x30\2\0");
	expect_message(false, "\0\0\2\0");
}

TEST(later_datagrams_may_have_any_version)
{
	struct harness *h = pair(500, 500);

	client(h, HEADER(NOBODY, "\0\x10\2\0"));
	EXPECT(client(h, "short"));
	EXPECT(client(h, HEADER(NOBODY, "\0\x33\4\xf8")));
	EXPECT_FIELD(h, "isakmp.version", "1.0,3.3");
	EXPECT_FIELD(h, "isakmp.exchangeType", "identity-protection,aggressive");
	harness_destroy(h);
}

TEST(other_ports_and_short_datagrams_are_not_isakmp)
{
	struct harness *h = pair(501, 4501);

	client(h, HEADER(NOBODY, "\0\x10\2\0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
	h = pair(500, 500);
	client(h, INITIATOR NOBODY "\0\x10\2\0"
				   "1234567");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(beside_esp_four_zeroes_come_first)
{
	struct harness *h = pair(51000, 4500);

	client(h, HEADER(NOBODY, "\0\x10\2\0"));
	EXPECT_NO_FIELD(h, "protocol");
	/* The other direction has a first datagram too; ESP and messages that are cut are passed over from then on. */
	EXPECT(server(h, "\0\0\0\0" HEADER(RESPONDER, "\0\x10\2\0")));
	EXPECT(client(h, HEADER(NOBODY, "\0\x10\4\0")));
	EXPECT(client(h, "\0\0\0\0"
			 "123456789012345678901234567"));
	EXPECT_FIELD(h, "isakmp.exchangeType", "identity-protection");
	EXPECT(client(h, "\0\0\0\0" HEADER(NOBODY, "\0\x10\4\0")));
	EXPECT_FIELD(h, "isakmp.exchangeType", "identity-protection,aggressive");
	EXPECT_FIELD(h, "isakmp.responderSpi", "aabbccddeeff0011");
	harness_every_truncation(h);
	harness_destroy(h);
}
