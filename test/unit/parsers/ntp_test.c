#include "harness.h"

enum { PACKET_BYTES = 48 };

static struct harness *
client(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 123, 123);
	return h;
}

static bool
send_packet(struct harness *h, unsigned direction, uint8_t first, uint8_t stratum, const char *reference)
{
	uint8_t packet[PACKET_BYTES] = {first, stratum};

	memcpy(packet + 12, reference, 4);
	return harness_udp(h, direction, packet, sizeof(packet));
}

#define FIRST(version, mode) (uint8_t)((version) << 3 | (mode))

TEST(both_sides_of_an_exchange_are_recorded)
{
	struct harness *h = client();

	EXPECT(send_packet(h, 0, FIRST(4, 3), 0, "\0\0\0\0"));
	EXPECT_NO_FIELD(h, "ntp.refId");
	EXPECT(send_packet(h, 1, FIRST(3, 4), 1, "GPS\0"));
	EXPECT_FIELD(h, "protocol", "ntp");
	EXPECT_FIELD(h, "ntp.version", "4,3");
	EXPECT_FIELD(h, "ntp.mode", "client,server");
	EXPECT_FIELD(h, "ntp.stratum", "unspecified,primary");
	EXPECT_FIELD(h, "ntp.refId", "GPS");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(references_are_names_of_clocks_or_addresses)
{
	static const struct {
		uint8_t stratum;
		const char *bytes, *stratum_name, *text;
	} cases[] = {
		{0, "INIT", "unspecified", "INIT"},	  {1, "PPS ", "primary", "PPS"},
		{1, " \0 \0", "primary", NULL},		  {1, "A\0B\0", "primary", "41004200"},
		{1, "\xc0\1\2\3", "primary", "c0010203"}, {2, "\xc0\0\2\1", "secondary", "c0000201"},
		{15, "GPS\0", "secondary", "47505300"},	  {16, "GPS\0", "unsynchronized", NULL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = client();

		send_packet(h, 0, FIRST(4, 4), cases[i].stratum, cases[i].bytes);
		EXPECT_FIELD(h, "ntp.stratum", cases[i].stratum_name);
		if (cases[i].text != NULL)
			EXPECT_FIELD(h, "ntp.refId", cases[i].text);
		else
			EXPECT_NO_FIELD(h, "ntp.refId");
		harness_destroy(h);
	}
}

TEST(the_first_datagram_decides_whether_it_is_ntp)
{
	static const struct {
		uint8_t first, stratum;
	} cases[] = {{FIRST(0, 3), 0}, {FIRST(5, 3), 0}, {FIRST(4, 0), 0}, {FIRST(4, 3), 17}};
	struct harness *h;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		h = client();
		send_packet(h, 0, cases[i].first, cases[i].stratum, "GPS\0");
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "ntp.mode");
		harness_destroy(h);
	}
	h = client();
	send_packet(h, 0, FIRST(4, 3), 0, "\0\0\0\0");
	send_packet(h, 1, FIRST(7, 0), 200, "GPS\0");
	EXPECT_FIELD(h, "ntp.version", "4,7");
	EXPECT_FIELD(h, "ntp.mode", "client,reserved");
	EXPECT_FIELD(h, "ntp.stratum", "unspecified");
	EXPECT_NO_FIELD(h, "ntp.refId");
	harness_udp(h, 0, HARNESS_TEXT("\x23\2short"));
	EXPECT_FIELD(h, "ntp.version", "4,7");
	harness_destroy(h);
}
