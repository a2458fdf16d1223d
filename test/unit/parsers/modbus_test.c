/* Modbus: requests, exceptions, which side is the server, messages over segments. */
#include "harness.h"

#define READ_REQUEST   "\0\x07\0\0\0\x06\x0a\x03\0\0\0\x01"
#define WRITE_REQUEST  "\0\x08\0\0\0\x06\x0b\x06\0\0\0\x02"
#define READ_RESPONSE  "\0\x07\0\0\0\x05\x0a\x03\x02\x12\x34"
#define WRITE_REFUSED  "\0\x08\0\0\0\x03\x0b\x86\x02"
#define REQUEST_BYTES  (sizeof(READ_REQUEST) - 1)
#define LARGE_BYTES    (50 * LONG_MESSAGE_B)
#define LONG_MESSAGE_B 261 /* with the greatest length, 255 */

static struct harness *
session(uint16_t source, uint16_t destination)
{
	struct harness *h = harness_create();

	harness_ports(h, source, destination);
	return h;
}

TEST(requests_name_functions_and_responses_exceptions)
{
	struct harness *h = session(50000, 502);

	harness_tcp(h, 0, HARNESS_TEXT(READ_REQUEST));
	harness_tcp(h, 1, HARNESS_TEXT(READ_RESPONSE WRITE_REFUSED));
	harness_tcp(h, 0, HARNESS_TEXT(WRITE_REQUEST READ_REQUEST));
	EXPECT_FIELD(h, "protocol", "modbus");
	EXPECT_FIELD(h, "modbus.transactionid", "7,8");
	EXPECT_FIELD(h, "modbus.funccode", "3,6");
	EXPECT_FIELD(h, "modbus.exccode", "2");
	EXPECT_FIELD(h, "modbus.protocolid", "0");
	harness_every_truncation(h);
	harness_every_split(h, REQUEST_BYTES, "modbus.unitid,modbus.protocolid");
	harness_destroy(h);
}

TEST(the_unit_is_that_of_the_last_message_in_a_first_chunk)
{
	struct harness *h = session(50000, 502);

	harness_tcp(h, 0, HARNESS_TEXT(READ_REQUEST));
	EXPECT_FIELD(h, "modbus.unitid", "10");
	harness_tcp(h, 0, HARNESS_TEXT(WRITE_REQUEST));
	EXPECT_FIELD(h, "modbus.unitid", "10");
	harness_tcp(h, 1, HARNESS_TEXT(READ_RESPONSE WRITE_REFUSED));
	EXPECT_FIELD(h, "modbus.unitid", "11");
	harness_tcp(h, 1, HARNESS_TEXT(READ_RESPONSE));
	EXPECT_FIELD(h, "modbus.unitid", "11");
	harness_destroy(h);
}

TEST(the_source_is_the_server_when_the_destination_is_not)
{
	struct harness *h = session(502, 50000);

	harness_tcp(h, 0, HARNESS_TEXT(WRITE_REFUSED));
	EXPECT_FIELD(h, "modbus.exccode", "2");
	EXPECT_NO_FIELD(h, "modbus.funccode");
	harness_tcp(h, 1, HARNESS_TEXT(READ_REQUEST));
	EXPECT_FIELD(h, "modbus.funccode", "3");
	EXPECT_FIELD(h, "modbus.transactionid", "7");
	harness_destroy(h);
}

TEST(a_client_may_ask_for_any_function_and_an_exception_needs_a_code)
{
	struct harness *h = session(502, 502);

	harness_tcp(h, 0, HARNESS_TEXT("\0\x01\0\0\0\x03\x01\x83\x05"));
	harness_tcp(h, 1, HARNESS_TEXT("\0\x01\0\0\0\x02\x01\x83"));
	EXPECT_FIELD(h, "modbus.funccode", "131");
	EXPECT_NO_FIELD(h, "modbus.exccode");
	harness_destroy(h);
}

TEST(only_one_message_alone_begins_a_session)
{
	static const struct {
		uint16_t port;
		const char *bytes;
		size_t size;
		bool is_modbus;
	} cases[] = {
		{502, HARNESS_TEXT(READ_REQUEST), true},
		{502, HARNESS_TEXT("\0\x07\0\0\0\x01\x0a"), true},
		{503, HARNESS_TEXT(READ_REQUEST), false},
		{502, HARNESS_TEXT("\0\x07\0\x01\0\x06\x0a\x03\0\0\0\x01"), false},
		{502, HARNESS_TEXT(READ_REQUEST READ_REQUEST), false},
		{502, READ_REQUEST, REQUEST_BYTES - 1, false},
		{502, HARNESS_TEXT("\0\x07\0\0\0\0"), false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = session(50000, cases[i].port);

		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		EXPECT_EQ(harness_has(h, "protocol", "modbus"), cases[i].is_modbus);
		harness_destroy(h);
	}
}

TEST(what_is_no_modbus_ends_it)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{HARNESS_TEXT("\0\x07\0\x01\0\x06\x0a\x03\0\0\0\x01")},
		{HARNESS_TEXT("\0\x07\0\0\0\x01")},
		{HARNESS_TEXT("\0\x07\0\0\x01\0")},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = session(50000, 502);

		harness_tcp(h, 0, HARNESS_TEXT(READ_REQUEST));
		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		harness_tcp(h, 0, HARNESS_TEXT(WRITE_REQUEST));
		EXPECT_FIELD(h, "modbus.funccode", "3");
		EXPECT_NO_FIELD(h, "tags");
		harness_destroy(h);
	}
}

TEST(the_longest_message_is_read_and_any_number_in_a_segment)
{
	static uint8_t bytes[LARGE_BYTES + sizeof(WRITE_REQUEST) - 1];
	struct harness *h = session(50000, 502);

	memcpy(bytes, "\0\x09\0\0\0\xff\x0a\x07", 8);
	harness_tcp(h, 0, HARNESS_TEXT(READ_REQUEST));
	harness_tcp(h, 0, bytes, LONG_MESSAGE_B - 1);
	EXPECT_FIELD(h, "modbus.funccode", "3");
	harness_tcp(h, 0, bytes + LONG_MESSAGE_B - 1, 1);
	EXPECT_FIELD(h, "modbus.funccode", "3,7");
	EXPECT_NO_FIELD(h, "tags");
	for (size_t at = 0; at < LARGE_BYTES; at += LONG_MESSAGE_B)
		memcpy(&bytes[at], "\0\x0a\0\0\0\xff\x0a\x08", 8);
	memcpy(&bytes[LARGE_BYTES], WRITE_REQUEST, sizeof(WRITE_REQUEST) - 1);
	harness_tcp(h, 0, bytes, sizeof(bytes));
	EXPECT_FIELD(h, "modbus.funccode", "3,7,8,6");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}
