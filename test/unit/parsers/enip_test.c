/* EtherNet/IP: headers, identities, services and the classes that paths name, on TCP and UDP. */
#include "harness.h"

enum { HEADER_BYTES = 24, BUFFER_BYTES = 8192, ITEM_UNCONNECTED = 0xb2, ITEM_CONNECTED = 0xb1, ITEM_IDENTITY = 0x0c };
enum { NOP = 0x00, LIST_IDENTITY = 0x63, REGISTER = 0x65, SEND_RR_DATA = 0x6f, SEND_UNIT_DATA = 0x70 };

#define ADDRESS "\1\0\0\2\xaf\x12\x0a\x28\1\x0a\0\0\0\0\0\0\0\0"
/* The high byte of the device type, product code, revision, status and serial number. */
#define PRODUCT "\0\x0c\0\x01\x02\x01\0\xbe\xba\xfe\xca"

static uint8_t message[BUFFER_BYTES + 1];
static size_t size;

static void
append(const void *bytes, size_t n)
{
	memcpy(message + size, bytes, n);
	size += n;
}

/* A header at the end of what is there already. */
static size_t
header(uint8_t command, uint8_t status)
{
	size_t begin = size;

	memset(message + size, 0, HEADER_BYTES);
	message[size] = command;
	message[size + 8] = status;
	size += HEADER_BYTES;
	return begin;
}

static void
end_message(size_t begin)
{
	size_t length = size - begin - HEADER_BYTES;

	message[begin + 2] = (uint8_t)length;
	message[begin + 3] = (uint8_t)(length >> 8);
}

static void
item(uint8_t type, const char *value, size_t n)
{
	const uint8_t head[] = {type, 0, (uint8_t)n, 0};

	append(head, sizeof(head));
	append(value, n);
}

/* A message with one item. */
static void
single(uint8_t command, uint8_t type, const char *value, size_t n)
{
	size_t begin = header(command, 0);

	append("\0\0\0\0\0\0\1", command == LIST_IDENTITY ? 0 : 6);
	append("\1\0", 2);
	item(type, value, n);
	end_message(begin);
}

static struct harness *
session(uint16_t port)
{
	struct harness *h = harness_create();

	size = 0;
	harness_ports(h, 50000, port);
	return h;
}

/* Sends what was built and begins anew. */
static void
send_tcp(struct harness *h, unsigned direction)
{
	harness_tcp(h, direction, message, size);
	size = 0;
}

static void
send_udp(struct harness *h, unsigned direction)
{
	harness_udp(h, direction, message, size);
	size = 0;
}

#define REQUEST(type, literal) single(SEND_RR_DATA, (type), (literal), sizeof(literal) - 1)

TEST(requests_and_replies_on_tcp)
{
	struct harness *h = session(44818);
	size_t begin = header(REGISTER, 0);

	append("\1\0\0\0", 4);
	end_message(begin);
	REQUEST(ITEM_UNCONNECTED, "\x54\x02\x20\x06\x24\x01");
	send_tcp(h, 0);
	REQUEST(ITEM_UNCONNECTED, "\xd4\0\0\0");
	single(SEND_UNIT_DATA, ITEM_CONNECTED, "\x01\0\x0e\x03\x20\xf5\x24\x01\x30\x0d", 10);
	send_tcp(h, 1);
	EXPECT_FIELD(h, "protocol", "enip,cip");
	EXPECT_FIELD(h, "enip.command", "RegisterSession,SendRRData,SendUnitData");
	EXPECT_FIELD(h, "enip.status", "0");
	EXPECT_FIELD(h, "enip.service", "Forward_Open,Get_Attribute_Single");
	EXPECT_FIELD(h, "enip.class", "Connection Manager,TCP/IP Interface");
	harness_every_truncation(h);
	harness_every_split(h, HEADER_BYTES, NULL);
	harness_destroy(h);
}

TEST(devices_identify_themselves)
{
	struct harness *h = session(44818);
	size_t begin = header(LIST_IDENTITY, 0);

	append("\3\0", 2);
	item(ITEM_IDENTITY, ADDRESS "\x31\0\x2b" PRODUCT "\x04S7-1\3", 18 + 4 + 10 + 1 + 5);
	item(ITEM_UNCONNECTED, "\x0e\x02\x20\x01\x24\x01", 6);
	item(ITEM_IDENTITY, ADDRESS "\x0f\x27\x0c" PRODUCT "\x06short", 18 + 4 + 10 + 1 + 5);
	end_message(begin);
	send_udp(h, 1);
	EXPECT_FIELD(h, "protocol", "enip");
	EXPECT_FIELD(h, "enip.command", "ListIdentity");
	EXPECT_FIELD(h, "enip.vendor", "Siemens,Vendor-9999");
	EXPECT_FIELD(h, "enip.deviceType", "DeviceType-0x002b,DeviceType-0x000c");
	EXPECT_FIELD(h, "enip.product", "S7-1");
	EXPECT_NO_FIELD(h, "enip.service");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(identities_that_cannot_be_are_not_read)
{
	static const char whole[] = ADDRESS "\x31\0\x2b" PRODUCT "\x04S7-1\3";
	static const struct {
		uint8_t status, n_items;
		size_t first_bytes;
		unsigned n_vendors;
	} cases[] = {{0, 2, 33, 1}, {0, 2, 32, 0}, {1, 2, 33, 0}, {0, 0, 33, 0}, {0, 9, 33, 0}, {0, 8, 33, 1}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = session(44818);
		size_t begin = header(LIST_IDENTITY, cases[i].status);

		append(&cases[i].n_items, 1);
		append("", 1);
		item(ITEM_IDENTITY, whole, cases[i].first_bytes);
		item(ITEM_IDENTITY, whole, sizeof(whole) - 1);
		end_message(begin);
		send_udp(h, 1);
		EXPECT_EQ(harness_count(h, "enip.vendor"), cases[i].n_vendors);
		EXPECT_EQ(harness_count(h, "enip.product"), cases[i].n_vendors);
		harness_destroy(h);
	}
}

/* NULL: it has none. */
static void
expect_values(struct harness *h, const char *field, const char *values)
{
	if (values != NULL)
		EXPECT_FIELD(h, field, values);
	else
		EXPECT_NO_FIELD(h, field);
}

TEST(the_first_class_of_a_path_is_found_behind_its_route)
{
	static const struct {
		const char *request;
		size_t size;
		const char *service, *class;
	} cases[] = {
		{HARNESS_TEXT("\x0e\x08\x11\x07"
			      "1.2.3.4\0\x20\x01\x24\x01"),
		 "Get_Attribute_Single", "Identity"},
		{HARNESS_TEXT("\x01\x03\x01\x05\x20\x02\x20\x01"), "Get_Attributes_All", "Message Router"},
		{HARNESS_TEXT("\x01\x03\x0f\x12\x00\x05\x20\x02"), "Get_Attributes_All", "Message Router"},
		{HARNESS_TEXT("\x4c\x05\x91\x03Tag\0\x21\0\xf6\0"), "Read_Tag", "EtherNet Link"},
		{HARNESS_TEXT("\x4c\x04\x24\x01\x22\0\x0f\x10\0\0"), "Read_Tag", "Class-0x100f"},
		{HARNESS_TEXT("\x4c\x06\x25\0\x01\x02\x26\0\1\2\3\4\x20\x8e"), "Read_Tag", "Class-0x8e"},
		{HARNESS_TEXT("\x4c\x01\x20"), "Read_Tag", "Class-0x00"},
		{HARNESS_TEXT("\x4c\xff\x20\x04"), "Read_Tag", "Assembly"},
		{HARNESS_TEXT("\x4c\x01\x24\x01\x20\x04"), "Read_Tag", NULL},
		{HARNESS_TEXT("\x4c\x02\x27\x01\x20\x04"), "Read_Tag", NULL},
		{HARNESS_TEXT("\x4c\x02\x40\x01\x20\x04"), "Read_Tag", NULL},
		{HARNESS_TEXT("\x4c\0\x20\x04"), "Read_Tag", NULL},
		{HARNESS_TEXT("\x0b\x01\x20\x44"), "Service-0x0b", "Modbus"},
		{HARNESS_TEXT("\x7f"), "Service-0x7f", NULL},
		{HARNESS_TEXT("\x8b\x01\x20\x44"), "Reply", NULL},
		{HARNESS_TEXT("\xdb"), "Large_Forward_Open", NULL},
		{HARNESS_TEXT(""), NULL, NULL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = session(44818);

		single(SEND_RR_DATA, ITEM_UNCONNECTED, cases[i].request, cases[i].size);
		send_udp(h, 0);
		EXPECT_EQ(harness_has(h, "protocol", "cip"), cases[i].service != NULL);
		expect_values(h, "enip.service", cases[i].service);
		expect_values(h, "enip.class", cases[i].class);
		harness_every_truncation(h);
		harness_destroy(h);
	}
}

TEST(more_items_than_sixteen_are_not_read)
{
	for (uint8_t n = 16; n <= 17; n++) {
		struct harness *h = session(44818);
		size_t begin = header(SEND_UNIT_DATA, 0);

		append("\0\0\0\0\0\0", 6);
		append(&n, 1);
		append("", 1);
		for (unsigned i = 1; i < n; i++)
			item(0xa1, "\1\0\0\x80", 4);
		item(ITEM_UNCONNECTED, "\x0e\x02\x20\x01\x24\x01", 6);
		end_message(begin);
		send_tcp(h, 0);
		EXPECT_EQ(harness_count(h, "enip.service"), n == 16);
		harness_destroy(h);
	}
}

TEST(datagrams_behind_the_first_are_not_checked)
{
	struct harness *h = session(2222);

	header(NOP, 0);
	send_udp(h, 0);
	header(0x02, 5);
	send_udp(h, 0);
	REQUEST(ITEM_UNCONNECTED, "\x0e\x02\x20\x01\x24\x01");
	message[8] = 6;
	message[2]++;
	send_udp(h, 1);
	header(REGISTER, 7);
	size--;
	send_udp(h, 1);
	EXPECT_FIELD(h, "enip.command", "NOP,SendRRData");
	EXPECT_FIELD(h, "enip.status", "0,5,6");
	EXPECT_NO_FIELD(h, "enip.service");
	harness_destroy(h);
}

TEST(only_a_known_command_of_the_right_length_begins_a_session)
{
	static const struct {
		bool is_udp;
		uint16_t port;
		uint8_t command;
		uint16_t length;
		uint8_t size;
		bool is_enip;
	} cases[] = {
		{true, 44818, 0x72, 0, 24, true},	{true, 2222, 0x73, 1, 25, true},
		{true, 44818, 0x64, 0, 25, false},	{true, 44818, 0x64, 1, 24, false},
		{true, 2221, 0x04, 0, 24, false},	{true, 44818, 0x01, 0, 24, false},
		{false, 44818, 0x66, 1, 24, true},	{false, 44818, 0x66, 0, 30, true},
		{false, 44818, 0x66, 0, 23, false},	{false, 44818, 0x74, 0, 24, false},
		{false, 2222, 0x66, 0, 24, false},	{false, 44818, 0x66, 65511, 24, true},
		{false, 44818, 0x66, 65512, 24, false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = session(cases[i].port);

		memset(message, 0, 64);
		message[0] = cases[i].command;
		message[2] = (uint8_t)cases[i].length;
		message[3] = (uint8_t)(cases[i].length >> 8);
		size = cases[i].size;
		if (cases[i].is_udp)
			send_udp(h, 0);
		else
			send_tcp(h, 0);
		EXPECT_EQ(harness_has(h, "protocol", "enip"), cases[i].is_enip);
		harness_destroy(h);
	}
}

TEST(an_unknown_command_ends_a_stream)
{
	struct harness *h = session(44818);

	header(NOP, 0);
	header(0x01, 1);
	header(REGISTER, 2);
	send_tcp(h, 0);
	header(REGISTER, 3);
	send_tcp(h, 1);
	EXPECT_FIELD(h, "enip.command", "NOP");
	EXPECT_FIELD(h, "enip.status", "0");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(messages_that_are_too_long_are_tagged)
{
	struct harness *h = session(44818);
	size_t begin = header(NOP, 1);

	size = BUFFER_BYTES;
	end_message(begin);
	harness_tcp(h, 0, message, BUFFER_BYTES - 1);
	EXPECT_NO_FIELD(h, "enip.status");
	harness_tcp(h, 0, message + BUFFER_BYTES - 1, 1);
	EXPECT_FIELD(h, "enip.status", "1");
	EXPECT_NO_FIELD(h, "tags");
	size = BUFFER_BYTES + 1;
	end_message(begin);
	harness_tcp(h, 0, message, HEADER_BYTES);
	EXPECT_FIELD(h, "tags", "enip:message-too-long");
	harness_reset(h);
	harness_tcp(h, 0, message, BUFFER_BYTES + 1);
	EXPECT_FIELD(h, "tags", "enip:message-too-long");
	harness_destroy(h);
}
