/* S7comm: how a connection begins, messages of both protocols, what is too short or too long. */
#include "harness.h"

#define DATA(size)    "\x03\0\0" size "\x02\xf0\x80"
#define REQUEST	      "\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"
#define CONFIRM	      "\x03\0\0\x16\x11\xd0\0\1\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"
#define SETUP	      DATA("\x17") "\x32\1\0\0\0\1\0\6\0\0\xf0\0\1\xe0\1\xe0"
#define STOP	      DATA("\x12") "\x32\1\0\0\1\2\0\1\0\0\x29"
#define REFUSED	      DATA("\x15") "\x32\3\0\0\1\1\0\1\0\0\x81\4\5\x0a"
#define PLUS	      DATA("\x15") "\x72\3\0\x0a\4\xaa\xbb\xcc\xdd\x31\0\0\0\0"
#define PLUS_UNSIGNED DATA("\x11") "\x72\1\0\x0a\0\x32\0\0\0\0"

enum { MESSAGE_MAX_BYTES = 8192 };

TEST(jobs_and_answers_name_functions_and_errors)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(REQUEST));
	harness_tcp(h, 1, HARNESS_TEXT(CONFIRM));
	EXPECT_NO_FIELD(h, "protocol");
	harness_tcp(h, 0, HARNESS_TEXT(SETUP STOP));
	harness_tcp(h, 1, HARNESS_TEXT(REFUSED));
	EXPECT_FIELD(h, "protocol", "s7comm");
	EXPECT_FIELD(h, "s7comm.rosctr", "1,3");
	EXPECT_FIELD(h, "s7comm.pduref", "1,258,257");
	EXPECT_FIELD(h, "s7comm.func", "240,41,5");
	EXPECT_FIELD(h, "s7comm.funcName", "Setup communication,PLC Stop,Write Var");
	EXPECT_FIELD(h, "s7comm.errorClass", "129");
	EXPECT_FIELD(h, "s7comm.errorCode", "4");
	EXPECT_NO_FIELD(h, "s7comm.opcode");
	harness_every_truncation(h);
	harness_every_split(h, sizeof(REQUEST) - 1, NULL);
	harness_destroy(h);
}

TEST(operations_of_s7comm_plus_stand_behind_a_digest)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(PLUS PLUS_UNSIGNED));
	EXPECT_FIELD(h, "protocol", "s7comm-plus");
	EXPECT_FIELD(h, "s7comm.opcode", "49,50");
	EXPECT_NO_FIELD(h, "s7comm.func");
	harness_every_truncation(h);
	harness_every_split(h, sizeof(PLUS PLUS_UNSIGNED) - 1, NULL);
	harness_destroy(h);
}

TEST(messages_that_end_early_say_what_they_have)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x08") "\x32"));
	EXPECT_FIELD(h, "protocol", "s7comm");
	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x10") "\x32\1\0\0\0\1\0\1\0"));
	EXPECT_NO_FIELD(h, "s7comm.rosctr");
	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x12") "\x32\7\0\0\0\5\0\0\0\0\4"));
	EXPECT_FIELD(h, "s7comm.pduref", "5");
	EXPECT_NO_FIELD(h, "s7comm.func");
	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x13") "\x32\2\0\0\0\6\0\1\0\0\0\0"));
	EXPECT_FIELD(h, "s7comm.rosctr", "7,2");
	EXPECT_NO_FIELD(h, "s7comm.func");
	EXPECT_NO_FIELD(h, "s7comm.errorClass");
	EXPECT_NO_FIELD(h, "s7comm.errorCode");
	harness_tcp(h, 0, HARNESS_TEXT("\x03\0\0\x04"));
	harness_tcp(h, 0, HARNESS_TEXT("\x03\0\0\x05\0"));
	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x0a") "\x72\1\0"));
	EXPECT_NO_FIELD(h, "s7comm.opcode");
	harness_tcp(h, 0, HARNESS_TEXT(DATA("\x12") "\x32\1\0\0\0\7\0\1\0\0\x77"));
	EXPECT_FIELD(h, "s7comm.func", "119");
	EXPECT_NO_FIELD(h, "s7comm.funcName");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(only_selectors_or_a_protocol_id_begin_a_connection)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool is_s7comm;
	} cases[] = {
		{HARNESS_TEXT(REQUEST), true},
		{HARNESS_TEXT(CONFIRM), true},
		{HARNESS_TEXT(SETUP), true},
		{HARNESS_TEXT(PLUS), true},
		{HARNESS_TEXT("\x03\0\0\x0e\x09\xe0\0\0\0\1\0\xc0\1\x0a"), false},
		{HARNESS_TEXT("\x03\0\0\x0b\x06\xe0\0\0\0\1\0\xc1\1\x0a"), false},
		{HARNESS_TEXT("\x03\0\0\x16\x11\xc0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"), false},
		{HARNESS_TEXT("\x03\0\0\x17\x11\xe0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"), false},
		{HARNESS_TEXT("\x03\0\0\x06\x02\xf0\x80\x32"), false},
		{HARNESS_TEXT(DATA("\x08") "\x33"), false},
		{HARNESS_TEXT(DATA("\x07")), false},
		{HARNESS_TEXT("\x03\0\0"), false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		harness_tcp(h, 0, HARNESS_TEXT(STOP));
		EXPECT_EQ(harness_has(h, "s7comm.funcName", "PLC Stop"), cases[i].is_s7comm);
		harness_destroy(h);
	}
}

TEST(what_is_no_tpkt_ends_it_until_the_other_side_begins)
{
	static const char *const ends[] = {"\x04\0\0\x08", "\x03\0\0\x03", "\x03\0\x20\x01"};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct harness *h = harness_create();

		harness_tcp(h, 0, HARNESS_TEXT(SETUP));
		harness_tcp(h, 0, ends[i], 4);
		harness_tcp(h, 0, HARNESS_TEXT(STOP));
		EXPECT_FIELD(h, "s7comm.func", "240");
		harness_tcp(h, 1, HARNESS_TEXT(REFUSED));
		EXPECT_FIELD(h, "s7comm.func", "240,5");
		harness_destroy(h);
	}
}

TEST(the_longest_message_is_read_and_what_follows_in_its_segment)
{
	static uint8_t bytes[MESSAGE_MAX_BYTES + sizeof(STOP) - 1] = "\x03\0\x20\0\x02\xf0\x80\x32\1\0\0\0\1\0\1\0\0\4";
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(REQUEST));
	harness_tcp(h, 0, bytes, MESSAGE_MAX_BYTES - 1);
	EXPECT_NO_FIELD(h, "s7comm.func");
	harness_tcp(h, 0, bytes + MESSAGE_MAX_BYTES - 1, 1);
	EXPECT_FIELD(h, "s7comm.funcName", "Read Var");
	EXPECT_NO_FIELD(h, "tags");
	memcpy(&bytes[MESSAGE_MAX_BYTES], STOP, sizeof(STOP) - 1);
	harness_tcp(h, 0, bytes, sizeof(bytes));
	EXPECT_FIELD(h, "s7comm.func", "4,41");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}
