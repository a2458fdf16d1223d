#include "harness.h"

enum { OPTIONS_OFFSET = 240, MESSAGE_BYTES = 600 };

static uint8_t message[MESSAGE_BYTES];
static size_t size;

static void
put(const void *bytes, size_t n)
{
	memcpy(message + size, bytes, n);
	size += n;
}

#define PUT(literal) put((literal), sizeof(literal) - 1)

static void
begin(uint8_t operation, uint32_t transaction)
{
	memset(message, 0, sizeof(message));
	memcpy(message, (const uint8_t[]){operation, 1, 6, 0}, 4);
	for (unsigned i = 0; i < 4; i++)
		message[4 + i] = (uint8_t)(transaction >> (24 - 8 * i));
	memcpy(message + 28, "\x00\x0b\x82\x01\xfc\x42", 6);
	memcpy(message + 236, "\x63\x82\x53\x63", 4);
	size = OPTIONS_OFFSET;
}

static struct harness *
client(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 68, 67);
	return h;
}

TEST(a_client_asks_and_gets_an_address)
{
	struct harness *h = client();

	begin(1, 0x3d1d);
	PUT("\65\1\1\0\0\x3d\7\1\x00\x0b\x82\x01\xfc\x43\62\4\xc0\xa8\0\x0a\x0c\4HosT\x3c\x08MSFT 5.0\xff");
	EXPECT(harness_session(h, "dhcp", 0, message, size));
	begin(2, 0x3d1d);
	PUT("\65\1\2\x51\7\0\0\0TheN\x51\7\1\0\0None\xff\x0c\5After");
	EXPECT(harness_session(h, "dhcp", 1, message, size));
	EXPECT_FIELD(h, "protocol", "dhcp");
	EXPECT_FIELD(h, "dhcp.type", "DISCOVER,OFFER");
	EXPECT_FIELD(h, "dhcp.id", "3d1d");
	EXPECT_FIELD(h, "dhcp.mac", "00:0b:82:01:fc:42,00:0b:82:01:fc:43");
	EXPECT_FIELD(h, "dhcp.requestIp", "192.168.0.10");
	EXPECT_FIELD(h, "dhcp.host", "host,then");
	EXPECT_FIELD(h, "dhcp.classId", "MSFT 5.0");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(options_of_wrong_sizes_say_nothing)
{
	struct harness *h = client();

	begin(1, 1);
	PUT("\65\2\1\1\65\0\62\3\1\2\3\62\5\1\2\3\4\5\x3d\6\1\1\2\3\4\5\x3d\7\2\1\2\3\4\5\6\x51\2\0\0\65\1\x13\65\1\0");
	harness_session(h, "dhcp", 0, message, size);
	EXPECT_NO_FIELD(h, "dhcp.type");
	EXPECT_NO_FIELD(h, "dhcp.requestIp");
	EXPECT_NO_FIELD(h, "dhcp.host");
	EXPECT_FIELD(h, "dhcp.mac", "00:0b:82:01:fc:42");
	harness_destroy(h);
}

TEST(an_option_beyond_the_message_ends_it)
{
	struct harness *h = client();

	begin(1, 1);
	PUT("\65\1\1\x0c\5host");
	harness_session(h, "dhcp", 0, message, size);
	EXPECT_FIELD(h, "dhcp.type", "DISCOVER");
	EXPECT_NO_FIELD(h, "dhcp.host");
	harness_destroy(h);
}

TEST(every_message_type_has_its_name)
{
	struct harness *h = client();

	for (uint8_t type = 0; type < 20; type++) {
		begin(1, 1);
		put((const uint8_t[]){53, 1, type}, 3);
		harness_session(h, "dhcp", 0, message, size);
	}
	EXPECT_FIELD(h, "dhcp.type",
		     "DISCOVER,OFFER,REQUEST,DECLINE,ACK,NAK,RELEASE,INFORM,FORCERENEW,LEASEQUERY,LEASEUNASSIGNED,"
		     "LEASEUNKNOWN,LEASEACTIVE,BULKLEASEQUERY,LEASEQUERYDONE,ACTIVELEASEQUERY,LEASEQUERYSTATUS,TLS");
	harness_destroy(h);
}

TEST(dhcpv6_has_a_type_and_a_transaction)
{
	struct harness *h = client();

	EXPECT(harness_session(h, "dhcpv6", 0, HARNESS_TEXT("\1\x00\xa8\x74\0\x10\0\7\0\0\1\x37x\0\1\0\x10\0\2ab")));
	EXPECT(harness_session(h, "dhcpv6", 1, HARNESS_TEXT("\2\x10\xa8\x74\0\x10\0\3cut\0\x10\0\4cut")));
	EXPECT_FIELD(h, "protocol", "dhcpv6");
	EXPECT_FIELD(h, "dhcp.type", "SOLICIT,ADVERTISE");
	EXPECT_FIELD(h, "dhcp.id", "a874,10a874");
	EXPECT_FIELD(h, "dhcp.classId", ",ab,cut");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(messages_of_relays_have_no_transaction)
{
	struct harness *h = client();

	EXPECT(harness_session(
		h, "dhcpv6", 0,
		HARNESS_TEXT("\x0c\1AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB\0\x10\0\5relay\0\x09\0\4\1\2\3\4")));
	EXPECT(harness_session(h, "dhcpv6", 1, HARNESS_TEXT("\x0d\1short")));
	EXPECT_FIELD(h, "dhcp.type", "RELAY_FORW,RELAY_REPL");
	EXPECT_NO_FIELD(h, "dhcp.id");
	EXPECT_FIELD(h, "dhcp.classId", "relay");
	harness_destroy(h);
}
