/* PTP: kinds and clocks, what is accepted first and what later. */
#include "harness.h"

enum { HEADER = 34 };

static uint8_t message[64];

static void
build(uint8_t type, uint8_t version, uint16_t length)
{
	static const uint8_t clock[] = {0x00, 0x1b, 0x19, 0xff, 0xfe, 0x01, 0x02, 0x03};

	memset(message, 0, sizeof(message));
	message[0] = 0x10 | type;
	message[1] = 0x10 | version;
	message[2] = (uint8_t)(length >> 8);
	message[3] = (uint8_t)length;
	memcpy(message + 20, clock, sizeof(clock));
}

static struct harness *
clocks(uint16_t port)
{
	struct harness *h = harness_create();

	harness_ports(h, port, port);
	return h;
}

TEST(each_kind_of_message_has_its_name)
{
	static const char *const names[16] = {
		"sync", "delay-req", "pdelay-req", "pdelay-resp",	    NULL,	NULL,	     NULL,
		NULL,	"follow-up", "delay-resp", "pdelay-resp-follow-up", "announce", "signaling", "management",
		NULL,	NULL,
	};

	for (uint8_t type = 0; type < 16; type++) {
		struct harness *h = clocks(type < 8 ? 319 : 320);

		build(type, 2, HEADER);
		harness_udp(h, 0, message, HEADER);
		EXPECT_EQ(harness_count(h, "protocol"), names[type] != NULL);
		EXPECT_EQ(harness_count(h, "ptp.clockId"), names[type] != NULL);
		if (names[type] != NULL) {
			EXPECT_FIELD(h, "protocol", "ptp");
			EXPECT_FIELD(h, "ptp.msgType", names[type]);
			EXPECT_FIELD(h, "ptp.clockId", "00:1b:19:ff:fe:01:02:03");
			harness_every_truncation(h);
		}
		harness_destroy(h);
	}
}

TEST(later_datagrams_of_unknown_kinds_and_versions_still_name_their_clock)
{
	struct harness *h = clocks(319);

	build(0, 2, HEADER);
	harness_udp(h, 0, message, HEADER);
	build(5, 2, HEADER);
	message[20] = 0xaa;
	EXPECT(harness_udp(h, 1, message, HEADER));
	build(1, 1, HEADER);
	message[20] = 0xbb;
	EXPECT(harness_udp(h, 0, message, HEADER));
	EXPECT_FIELD(h, "ptp.msgType", "sync,delay-req");
	EXPECT_FIELD(h, "ptp.clockId", "00:1b:19:ff:fe:01:02:03,aa:1b:19:ff:fe:01:02:03,bb:1b:19:ff:fe:01:02:03");
	harness_destroy(h);
}

TEST(later_datagrams_of_wrong_lengths_say_nothing)
{
	static const struct {
		uint16_t length;
		size_t size;
	} cases[] = {{33, 34}, {35, 34}, {34, 33}};
	struct harness *h = clocks(319);

	build(0, 2, HEADER);
	harness_udp(h, 0, message, HEADER);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build(1, 2, cases[i].length);
		EXPECT(harness_udp(h, 0, message, cases[i].size));
		EXPECT_FIELD(h, "ptp.msgType", "sync");
	}
	build(1, 2, HEADER + 2);
	harness_udp(h, 0, message, HEADER + 2);
	EXPECT_FIELD(h, "ptp.msgType", "sync,delay-req");
	harness_destroy(h);
}

TEST(what_is_no_ptp_emits_nothing)
{
	static const struct {
		uint16_t port;
		uint8_t version;
		uint16_t length;
		size_t size;
	} cases[] = {{321, 2, 34, 34}, {319, 1, 34, 34}, {320, 2, 33, 34}, {320, 2, 35, 34}, {319, 2, 34, 33}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = clocks(cases[i].port);

		build(0, cases[i].version, cases[i].length);
		harness_udp(h, 0, message, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "ptp.clockId");
		harness_destroy(h);
	}
}
