#include "harness.h"

static uint8_t message[512];
static size_t size;

static void
begin(uint8_t code)
{
	memset(message, 0, sizeof(message));
	message[0] = code;
	size = 20;
}

static void
attribute(uint8_t type, const char *value, size_t n)
{
	message[size] = type;
	message[size + 1] = (uint8_t)(n + 2);
	memcpy(message + size + 2, value, n);
	size += n + 2;
}

#define ATTRIBUTE(type, literal) attribute((type), (literal), sizeof(literal) - 1)

static bool
send_message(struct harness *h, unsigned direction)
{
	message[2] = (uint8_t)(size >> 8);
	message[3] = (uint8_t)size;
	return harness_udp(h, direction, message, size);
}

static struct harness *
client(uint16_t port)
{
	struct harness *h = harness_create();

	harness_ports(h, 50000, port);
	return h;
}

TEST(a_request_says_who_wants_access)
{
	struct harness *h = client(1812);

	begin(1);
	ATTRIBUTE(1, "Steve");
	ATTRIBUTE(4, "\xc0\xa8\0\x1c");
	ATTRIBUTE(5, "\xff\xff\xff\xff");
	ATTRIBUTE(31, "00AABBccDDee");
	ATTRIBUTE(66, "10.0.0.7");
	EXPECT(send_message(h, 0));
	begin(2);
	ATTRIBUTE(8, "\x0a\0\0\3");
	EXPECT(send_message(h, 1));
	EXPECT_FIELD(h, "protocol", "radius");
	EXPECT_FIELD(h, "radius.msgType", "access-request,access-accept");
	EXPECT_FIELD(h, "radius.user", "Steve");
	EXPECT_FIELD(h, "radius.nasIp", "192.168.0.28");
	EXPECT_FIELD(h, "radius.nasPort", "4294967295");
	EXPECT_FIELD(h, "radius.mac", "00:aa:bb:cc:dd:ee");
	EXPECT_FIELD(h, "radius.endpointIp", "10.0.0.7");
	EXPECT_FIELD(h, "radius.framedIp", "10.0.0.3");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(attributes_of_wrong_sizes_say_nothing)
{
	struct harness *h = client(1645);

	begin(4);
	ATTRIBUTE(1, "");
	ATTRIBUTE(4, "\xc0\xa8\0");
	ATTRIBUTE(5, "\1\2\3\4\5");
	ATTRIBUTE(8, "");
	ATTRIBUTE(31, "00-AA-BB-CC-DD-EE");
	ATTRIBUTE(66, "nowhere");
	send_message(h, 0);
	EXPECT_EQ(harness_count(h, "radius.user"), 1);
	EXPECT_FIELD(h, "radius.user", "");
	EXPECT_NO_FIELD(h, "radius.nasIp");
	EXPECT_NO_FIELD(h, "radius.nasPort");
	EXPECT_NO_FIELD(h, "radius.framedIp");
	EXPECT_NO_FIELD(h, "radius.mac");
	EXPECT_NO_FIELD(h, "radius.endpointIp");
	harness_destroy(h);
}

TEST(attributes_end_with_the_message)
{
	struct harness *h = client(1813);

	begin(1);
	ATTRIBUTE(1, "in");
	message[3] = (uint8_t)size;
	ATTRIBUTE(1, "out");
	harness_udp(h, 0, message, size);
	begin(40);
	ATTRIBUTE(1, "unnamed");
	message[size] = 1;
	message[size + 1] = 1;
	size += 2;
	ATTRIBUTE(1, "behind");
	send_message(h, 0);
	begin(2);
	message[size] = 1;
	message[size + 1] = 9;
	size += 5;
	send_message(h, 1);
	EXPECT_FIELD(h, "radius.user", "in,unnamed");
	EXPECT_FIELD(h, "radius.msgType", "access-request,access-accept");
	harness_destroy(h);
}

TEST(what_is_no_radius_emits_nothing)
{
	static const struct {
		uint16_t port;
		uint8_t code, length, size;
	} cases[] = {{1812, 6, 20, 20}, {1812, 1, 21, 20}, {1812, 1, 19, 19}, {1814, 1, 20, 20}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = client(cases[i].port);

		begin(cases[i].code);
		message[3] = cases[i].length;
		harness_udp(h, 0, message, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "radius.msgType");
		harness_destroy(h);
	}
}
