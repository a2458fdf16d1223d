/* Oracle Net. */
#include "harness.h"

static uint8_t packet[512];

/* A connect packet whose data begin at 'offset'. */
static size_t
connect_packet(const char *data, size_t offset)
{
	size_t length = strlen(data), size = offset + length;

	memset(packet, 0, sizeof(packet));
	packet[0] = (uint8_t)(size >> 8);
	packet[1] = (uint8_t)size;
	packet[4] = 1;
	packet[24] = (uint8_t)(length >> 8);
	packet[25] = (uint8_t)length;
	packet[27] = (uint8_t)offset;
	memcpy(packet + offset, data, length);
	return size;
}

static const char data[] = "(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=Sales.Example)(CID=(PROGRAM=sqlplus)"
			   "(HOST=Client1)(USER=Scott)))(ADDRESS=(PROTOCOL=TCP)(HOST=10.0.0.2)(PORT=1521)))";

TEST(who_connects_to_which_service_is_recorded)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, packet, connect_packet(data, 58));
	EXPECT_FIELD(h, "protocol", "oracle");
	EXPECT_FIELD(h, "oracle.host", "client1");
	EXPECT_FIELD(h, "oracle.user", "scott");
	EXPECT_FIELD(h, "oracle.service", "sales.example");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_connect_packet_in_pieces_is_one)
{
	size_t size = connect_packet(data, 58);

	for (size_t first = 8; first < size; first += 7) {
		struct harness *h = harness_create();

		EXPECT(harness_tcp(h, 0, packet, first));
		EXPECT_NO_FIELD(h, "protocol");
		harness_tcp(h, 0, packet + first, size - first);
		EXPECT_FIELD(h, "oracle.service", "sales.example");
		harness_destroy(h);
	}
}

TEST(what_goes_on_behind_its_end_is_no_connect_packet)
{
	struct harness *h = harness_create();
	size_t size = connect_packet(data, 58);

	EXPECT(harness_tcp(h, 0, packet, size - 1));
	harness_tcp(h, 0, packet + size - 1, 2);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(only_whole_values_with_keys_in_capitals_are_found)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, packet, connect_packet("(host=a)(USER=)(SERVICE_NAME=s", 28));
	EXPECT_FIELD(h, "protocol", "oracle");
	EXPECT_NO_FIELD(h, "oracle.host");
	EXPECT_EQ(harness_count(h, "oracle.user"), 1);
	EXPECT_FIELD(h, "oracle.user", "");
	EXPECT_NO_FIELD(h, "oracle.service");
	harness_destroy(h);
}

TEST(the_smallest_packet_has_no_data)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, packet, connect_packet("", 28));
	EXPECT_FIELD(h, "protocol", "oracle");
	harness_reset(h);
	harness_tcp(h, 0, packet, connect_packet("", 27));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(packets_that_are_none_are_left_alone)
{
	static const struct {
		unsigned place;
		uint8_t value;
	} wrong[] = {{1, 0xff}, {2, 1}, {4, 2}, {5, 1}, {7, 1}, {24, 0xff}, {25, 1}, {26, 1}, {27, 57}};
	struct harness *h = harness_create();

	harness_tcp(h, 1, packet, connect_packet(data, 58));
	EXPECT_NO_FIELD(h, "protocol");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t size = connect_packet(data, 58);

		packet[wrong[i].place] = wrong[i].value;
		harness_reset(h);
		harness_tcp(h, 0, packet, size);
		EXPECT_NO_FIELD(h, "protocol");
	}
	harness_destroy(h);
}
