/* DNP3: frames on TCP and UDP, the search for the next frame, names of functions. */
#include "harness.h"

/* A read of class data from 1 to 1024, and the answer: 11 and 17 bytes of user data, the latter in two blocks. */
#define READ                                                                                                           \
	"\x05\x64\x10\xc4\x00\x04\x01\x00\xaa\xbb"                                                                     \
	"\xc0\xc1\x01\x3c\x02\x06\x3c\x03\x06\x3c\x04\xcc\xdd"
#define RESPONSE                                                                                                       \
	"\x05\x64\x16\x44\x01\x00\x00\x04\xaa\xbb"                                                                     \
	"\xc0\xc1\x81\0\0\0\0\0\0\0\0\0\0\0\0\0\xcc\xdd\0\xee\xff"
#define LINK_STATUS "\x05\x64\x05\xc9\x02\x00\x03\x00\xaa\xbb"

enum { HEADER_BYTES = 10, FUNCTION_OFFSET = 12, LARGE_BYTES = 20000, LONGEST_FRAME_BYTES = 292 };

TEST(addresses_and_functions_of_frames_on_tcp)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(READ));
	harness_tcp(h, 1, HARNESS_TEXT(RESPONSE LINK_STATUS));
	EXPECT_FIELD(h, "protocol", "dnp3");
	EXPECT_FIELD(h, "dnp3.src", "1,1024,3");
	EXPECT_FIELD(h, "dnp3.dst", "1024,1,2");
	EXPECT_FIELD(h, "dnp3.func", "1,129");
	EXPECT_FIELD(h, "dnp3.funcName", "Read,Response");
	harness_every_truncation(h);
	harness_every_split(h, HEADER_BYTES, NULL);
	harness_destroy(h);
}

TEST(of_a_datagram_the_first_frame_counts_if_it_is_whole)
{
	struct harness *h = harness_create();

	harness_udp(h, 0, READ, HEADER_BYTES);
	EXPECT_FIELD(h, "protocol", "dnp3");
	EXPECT_NO_FIELD(h, "dnp3.src");
	harness_udp(h, 0, HARNESS_TEXT("no frame" READ));
	harness_udp(h, 0, HARNESS_TEXT("\x05\x64\x04" READ));
	EXPECT_NO_FIELD(h, "dnp3.src");
	harness_udp(h, 0, HARNESS_TEXT(READ LINK_STATUS));
	harness_udp(h, 1, HARNESS_TEXT(RESPONSE));
	EXPECT_FIELD(h, "dnp3.src", "1,1024");
	EXPECT_FIELD(h, "dnp3.funcName", "Read,Response");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_stream_is_searched_for_its_next_frame)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(READ));
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x05 noise of some length \x05\x64\x04\x05" LINK_STATUS));
	EXPECT_FIELD(h, "dnp3.src", "1,3");
	harness_tcp(h, 0, HARNESS_TEXT("noise without an end\x05"));
	harness_tcp(h, 0, &RESPONSE[1], sizeof(RESPONSE) - 2);
	EXPECT_FIELD(h, "dnp3.src", "1,3,1024");
	harness_every_truncation(h);
	harness_every_split(h, HEADER_BYTES, NULL);
	harness_destroy(h);
}

TEST(functions_without_a_name_are_numbers)
{
	static const uint8_t functions[] = {33, 34, 128, 131, 132, 255};
	struct harness *h = harness_create();
	uint8_t frame[] = READ;

	for (unsigned i = 0; i < sizeof(functions); i++) {
		frame[FUNCTION_OFFSET] = functions[i];
		harness_tcp(h, 0, frame, sizeof(frame) - 1);
	}
	EXPECT_FIELD(h, "dnp3.func", "33,34,128,131,132,255");
	EXPECT_FIELD(h, "dnp3.funcName", "AuthenticateError,AuthenticateResponse");
	harness_destroy(h);
}

TEST(what_does_not_begin_with_a_frame_is_no_dnp3)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{LINK_STATUS, HEADER_BYTES - 1},
		{HARNESS_TEXT("\x05\x64\x04\xc9\x02\x00\x03\x00\xaa\xbb")},
		{HARNESS_TEXT("\x05\x65\x05\xc9\x02\x00\x03\x00\xaa\xbb")},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		harness_reset(h);
		harness_udp(h, 0, cases[i].bytes, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		harness_destroy(h);
	}
}

TEST(the_longest_frame_is_read_and_any_number_in_a_segment)
{
	static uint8_t bytes[LARGE_BYTES] = "\x05\x64\xff\xc4\x00\x04\x01\x00\xaa\xbb\xc0\xc1\x0d";
	struct harness *h = harness_create();

	harness_tcp(h, 0, bytes, LONGEST_FRAME_BYTES - 1);
	EXPECT_NO_FIELD(h, "dnp3.func");
	harness_tcp(h, 0, bytes + LONGEST_FRAME_BYTES - 1, 1);
	EXPECT_FIELD(h, "dnp3.funcName", "ColdRestart");
	memcpy(&bytes[sizeof(bytes) - sizeof(READ) + 1], READ, sizeof(READ) - 1);
	harness_tcp(h, 0, bytes, sizeof(bytes));
	EXPECT_FIELD(h, "dnp3.func", "13,1");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}
