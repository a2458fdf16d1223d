/* STUN: addresses and texts of messages, datagrams with and without the cookie, messages of a stream. */
#include "harness.h"

#define COOKIE		     "\x21\x12\xa4\x42"
#define TRANSACTION	     "abcdefghijkl"
#define HEADER(type, length) type length COOKIE TRANSACTION

/* 10.0.0.1:40000, which is the harness's source, and 192.0.2.7:5000. */
#define MAPPED_SOURCE "\0\x01\0\x08\0\1\x9c\x40\x0a\0\0\1"
#define MAPPED_OTHER  "\0\x01\0\x08\0\1\x13\x88\xc0\0\2\7"
/* The same exclusive or the cookie. */
#define XOR_SOURCE "\0\x08\0\1\xbd\x52\x2b\x12\xa4\x43"
#define XOR_OTHER  "\0\x08\0\1\x32\x9a\xe1\x12\xa6\x45"

#define BINDING_REQUEST	    HEADER("\0\1", "\0\0")
#define RESPONSE(attribute) HEADER("\1\1", "\0\x0c") attribute

#define client(h, bytes) harness_udp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_udp(h, 1, HARNESS_TEXT(bytes))

TEST(a_binding_shows_the_translated_address)
{
	struct harness *h = harness_create();

	EXPECT(client(h, BINDING_REQUEST));
	EXPECT(server(h, RESPONSE("\0\x20" XOR_OTHER)));
	EXPECT_FIELD(h, "protocol", "stun");
	EXPECT_FIELD(h, "stun.type", "Binding Request,Binding Response");
	EXPECT_FIELD(h, "stun.xorMappedIp", "192.0.2.7");
	EXPECT_FIELD(h, "stun.xorMappedPort", "5000");
	EXPECT_FIELD(h, "tags", "stun:nat-discovered");
	EXPECT_NO_FIELD(h, "stun.mappedIp");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(an_address_of_the_session_is_no_translation)
{
	struct harness *h = harness_create();

	client(h, BINDING_REQUEST);
	server(h, RESPONSE("\x80\x20" XOR_SOURCE));
	EXPECT_FIELD(h, "stun.xorMappedIp", "10.0.0.1");
	EXPECT_FIELD(h, "stun.xorMappedPort", "40000");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(other_addresses_set_no_tag)
{
	struct harness *h = harness_create();

	client(h, BINDING_REQUEST);
	EXPECT(server(h, RESPONSE(MAPPED_OTHER)));
	EXPECT(server(h, RESPONSE("\0\x12" XOR_OTHER)));
	EXPECT(server(h, RESPONSE("\0\x16" XOR_SOURCE)));
	EXPECT_FIELD(h, "stun.mappedIp", "192.0.2.7");
	EXPECT_FIELD(h, "stun.mappedPort", "5000");
	EXPECT_FIELD(h, "stun.xorPeerIp", "192.0.2.7");
	EXPECT_FIELD(h, "stun.xorPeerPort", "5000");
	EXPECT_FIELD(h, "stun.xorRelayedIp", "10.0.0.1");
	EXPECT_FIELD(h, "stun.xorRelayedPort", "40000");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

/* RFC 5769, 2.3: hidden with the transaction too. Here of zeroes, so that 12 bytes are as they were. */
TEST(addresses_of_ipv6_are_hidden_with_the_transaction)
{
	struct harness *h = harness_create();

	client(h, "\1\1\0\x18" COOKIE "\0\0\0\0\0\0\0\0\0\0\0\x0f"
		  "\0\x20\0\x14\0\2\x32\x9a\1\x13\xa9\xfa\0\0\0\0\0\0\0\0\0\0\0\x0e");
	EXPECT_FIELD(h, "stun.xorMappedIp", "2001:db8::1");
	EXPECT_FIELD(h, "stun.xorMappedPort", "5000");
	EXPECT_FIELD(h, "tags", "stun:nat-discovered");
	harness_destroy(h);
}

TEST(a_port_without_an_address_is_recorded)
{
	struct harness *h = harness_create();

	/* Of an unknown family, of a cut address of IPv6, and one that is too short for a port. */
	client(h, RESPONSE("\0\x01\0\x08\0\3\0\x50\1\2\3\4"));
	client(h, RESPONSE("\0\x01\0\x08\0\2\0\x51\1\2\3\4"));
	client(h, RESPONSE("\0\x01\0\x07\0\1\0\x52\1\2\3\4"));
	EXPECT_FIELD(h, "stun.mappedPort", "80,81");
	EXPECT_NO_FIELD(h, "stun.mappedIp");
	harness_destroy(h);
}

TEST(texts_errors_and_attributes_are_recorded)
{
	struct harness *h = harness_create();

	client(h, HEADER("\0\3", "\0\x1c") "\0\x06\0\3bob?"
					   "\x80\x29\0\0\x80\x2a\0\0\0\x25\0\0\x80\x28\0\4\1\2\3\4");
	server(h, HEADER("\1\x13", "\0\x1c") "\0\x09\0\4\0\0\3\x26"
					     "\0\x14\0\3org?"
					     "\x80\x22\0\x05"
					     "coturn??");
	EXPECT_FIELD(h, "stun.type", "Allocate Request,Allocate Error");
	EXPECT_FIELD(h, "stun.username", "bob");
	EXPECT_FIELD(h, "stun.attributes", "ice-controlled,ice-controlling,use-candidate,fingerprint");
	EXPECT_FIELD(h, "stun.error", "338");
	EXPECT_FIELD(h, "stun.realm", "org");
	EXPECT_FIELD(h, "stun.software", "cotur");
	harness_every_truncation(h);
	harness_destroy(h);
}

/* An attribute of 'n' bytes of text. */
static void
expect_text(uint16_t type, const char *field, size_t n, bool recorded)
{
	struct harness *h = harness_create();
	uint8_t bytes[1024] = HEADER("\0\1", "");
	size_t padded = (n + 3) / 4 * 4;

	bytes[2] = (uint8_t)((padded + 4) >> 8);
	bytes[3] = (uint8_t)(padded + 4);
	memcpy(bytes + 4, COOKIE, 4);
	bytes[20] = (uint8_t)(type >> 8);
	bytes[21] = (uint8_t)type;
	bytes[22] = (uint8_t)(n >> 8);
	bytes[23] = (uint8_t)n;
	memset(bytes + 24, 'x', n);
	client(h, BINDING_REQUEST);
	bytes[1] = 3;
	EXPECT(harness_udp(h, 0, bytes, 24 + padded));
	EXPECT_FIELD(h, "stun.type", "Binding Request,Allocate Request");
	EXPECT_EQ(harness_count(h, field), recorded);
	harness_destroy(h);
}

TEST(texts_have_a_bounded_length)
{
	expect_text(0x0006, "stun.username", 0, false);
	expect_text(0x0006, "stun.username", 1, true);
	expect_text(0x0006, "stun.username", 512, true);
	expect_text(0x0006, "stun.username", 513, false);
	expect_text(0x0014, "stun.realm", 0, false);
	expect_text(0x0014, "stun.realm", 762, true);
	expect_text(0x0014, "stun.realm", 763, false);
	expect_text(0x8022, "stun.software", 762, true);
	expect_text(0x8022, "stun.software", 763, false);
}

TEST(types_are_taken_from_between_the_class_bits)
{
	struct harness *h = harness_create();

	client(h, BINDING_REQUEST);
	client(h, HEADER("\0\x16", "\0\0"));
	client(h, HEADER("\1\x1c", "\0\0"));
	client(h, HEADER("\2\0", "\0\0"));
	client(h, HEADER("\0\2", "\0\0"));
	client(h, HEADER("\xc1\3", "\0\0"));
	EXPECT_FIELD(h, "stun.type",
		     "Binding Request,Send Indication,ConnectionAttempt Error,GooglePing Request,Allocate Response");
	harness_destroy(h);
}

TEST(attributes_end_where_one_is_longer_than_the_message)
{
	struct harness *h = harness_create();

	client(h, HEADER("\0\1", "\0\x10") "\0\x06\0\x0d"
					   "abcdefghijkl");
	EXPECT_FIELD(h, "stun.type", "Binding Request");
	EXPECT_NO_FIELD(h, "stun.username");
	/* What follows the message is none of it. */
	client(h, HEADER("\0\1", "\0\x08") "\0\x06\0\4abcd\0\x14\0\4efgh");
	EXPECT_FIELD(h, "stun.username", "abcd");
	EXPECT_NO_FIELD(h, "stun.realm");
	harness_destroy(h);
}

TEST(without_the_cookie_the_length_has_to_be_exact)
{
	struct harness *h = harness_create();

	EXPECT(client(h, "\0\1\0\x08"
			 "0123456789abcdef\0\x03\0\4\0\0\0\0"));
	EXPECT_FIELD(h, "stun.type", "Binding Request");
	harness_reset(h);
	client(h, "\0\1\0\x07"
		  "0123456789abcdef\0\x03\0\4\0\0\0\0");
	client(h, BINDING_REQUEST);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(the_first_datagram_that_is_no_message_ends_it)
{
	static const char *const others[] = {"nineteen bytes of it", ("\0\1\0\1" COOKIE TRANSACTION),
					     ("\x80\x60\0\1"
					      "0123456789abcdef")};
	static const size_t sizes[] = {19, 20, 20};

	for (unsigned i = 0; i < 3; i++) {
		struct harness *h = harness_create();

		EXPECT(client(h, BINDING_REQUEST));
		harness_udp(h, 0, others[i], sizes[i]);
		server(h, RESPONSE("\0\x20" XOR_OTHER));
		EXPECT_FIELD(h, "stun.type", "Binding Request");
		harness_destroy(h);
	}
}

TEST(messages_of_a_stream_are_found_by_their_lengths)
{
	struct harness *h = harness_create();

	/* The second one is ChannelData, which the reference takes for a message. */
	harness_tcp(h, 0,
		    HARNESS_TEXT(HEADER("\0\3", "\0\x08") "\0\x06\0\4user"
							  "\x40\1\0\4sixteen bytes ofabcd" HEADER("\0\4", "\0\0")));
	harness_tcp(h, 1, HARNESS_TEXT(RESPONSE("\0\x16" XOR_OTHER)));
	EXPECT_FIELD(h, "protocol", "stun");
	EXPECT_FIELD(h, "stun.type", "Allocate Request,Binding Request,Refresh Request,Binding Response");
	EXPECT_FIELD(h, "stun.username", "user");
	EXPECT_FIELD(h, "stun.xorRelayedIp", "192.0.2.7");
	harness_every_truncation(h);
	harness_every_split(h, 20, NULL);
	harness_destroy(h);
}

TEST(a_stream_begins_with_the_cookie)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0,
		    HARNESS_TEXT("\0\1\0\0"
				 "0123456789abcdef"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT("\0\1\0\0" COOKIE "abcdefghijk"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT(BINDING_REQUEST));
	EXPECT_FIELD(h, "protocol", "stun");
	harness_destroy(h);
}

TEST(messages_that_are_too_long_end_it)
{
	static uint8_t bytes[20 * 500];
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(BINDING_REQUEST HEADER("\0\3", "\x1f\xec")));
	EXPECT_NO_FIELD(h, "tags");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT(BINDING_REQUEST HEADER("\0\3", "\x1f\xed")));
	EXPECT_FIELD(h, "tags", "stun:message-too-long");
	EXPECT_FIELD(h, "stun.type", "Binding Request");
	harness_reset(h);
	for (size_t at = 0; at < sizeof(bytes); at += 20)
		memcpy(&bytes[at], at < 9000 ? BINDING_REQUEST : HEADER("\0\3", "\0\0"), 20);
	EXPECT(harness_tcp(h, 0, bytes, sizeof(bytes)));
	EXPECT_FIELD(h, "stun.type", "Binding Request,Allocate Request");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(a_question_whether_stun_comes_through_is_stun)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("RSP/2.0 STUN\r\ntoken:1\r\n\r\n"));
	EXPECT_FIELD(h, "protocol", "stun");
	EXPECT_NO_FIELD(h, "stun.type");
	harness_reset(h);
	client(h, "RSP/1.0 CLI_STUN_FIREWALLCHECK\r\n");
	EXPECT_FIELD(h, "protocol", "stun");
	harness_reset(h);
	client(h, "RSP/ STUN");
	EXPECT_NO_FIELD(h, "protocol");
	client(h, "RSP/");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
