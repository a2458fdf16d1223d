#include "ber.h"

#include "test.h"

#define BYTES(...) cursor_make((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct ber_element
only(struct cursor c)
{
	struct ber_element e;

	EXPECT(ber_next(&c, &e));
	EXPECT_EQ(cursor_left(&c), 0);
	return e;
}

TEST(an_element_has_tag_class_and_content)
{
	struct cursor c = BYTES(0x02, 0x01, 0x07, 0xa3, 0x02, 0x05, 0x00);
	struct ber_element e;

	REQUIRE(ber_next(&c, &e));
	EXPECT_EQ(e.tag, BER_INTEGER);
	EXPECT(!e.constructed && !e.clipped);
	EXPECT_EQ(cursor_left(&e.value), 1);
	REQUIRE(ber_next(&c, &e));
	EXPECT_EQ(e.tag, 3);
	EXPECT_EQ(e.identifier, 0xa3);
	EXPECT(e.constructed);
	EXPECT(!ber_next(&c, &e));
	EXPECT(!cursor_bad(&c));
}

TEST(long_tags_and_long_lengths_are_read)
{
	struct ber_element e = only(BYTES(0x1f, 0x81, 0x05, 0x81, 0x01, 0xaa));

	EXPECT_EQ(e.tag, 133);
	EXPECT_EQ(cursor_left(&e.value), 1);
	e = only(BYTES(0x04, 0x84, 0, 0, 0, 2, 1, 2));
	EXPECT_EQ(cursor_left(&e.value), 2);
	e = only(BYTES(0x1f, 0x8f, 0xff, 0xff, 0xff, 0x7f, 0x00));
	EXPECT_EQ(e.tag, UINT32_MAX);
}

static void
expect_malformed(struct cursor c)
{
	struct ber_element e;

	EXPECT(!ber_next(&c, &e));
	EXPECT(cursor_bad(&c));
	EXPECT_EQ(cursor_left(&c), 0);
	EXPECT_EQ(e.tag, 0);
	EXPECT_EQ(cursor_left(&e.value), 0);
}

TEST(a_malformed_header_ends_the_walk)
{
	expect_malformed(BYTES(0x30));
	expect_malformed(BYTES(0x30, 0x80, 0x05, 0x00, 0x00, 0x00));	   /* indefinite */
	expect_malformed(BYTES(0x30, 0x85, 0, 0, 0, 0, 1, 0));		   /* five length bytes */
	expect_malformed(BYTES(0x30, 0xff, 0, 0, 0, 0, 1, 0));		   /* reserved */
	expect_malformed(BYTES(0x30, 0x82, 0x01));			   /* length cut */
	expect_malformed(BYTES(0x1f, 0x81));				   /* tag cut */
	expect_malformed(BYTES(0x1f, 0x90, 0x80, 0x80, 0x80, 0x00, 0x00)); /* tag of 33 bits */
}

TEST(a_length_beyond_the_bytes_is_clipped)
{
	struct ber_element e = only(BYTES(0x04, 0x7f, 1, 2, 3));

	EXPECT(e.clipped);
	EXPECT_EQ(cursor_left(&e.value), 3);
	e = only(BYTES(0x04, 0x84, 0xff, 0xff, 0xff, 0xff));
	EXPECT(e.clipped);
	EXPECT_EQ(cursor_left(&e.value), 0);
}

TEST(a_sequence_gives_up_to_max_elements_and_unwraps_only_sequences)
{
	struct cursor inside = BYTES(0x02, 0x01, 1, 0x02, 0x01, 2, 0x02, 0x01, 3);
	struct cursor sequence = BYTES(0x30, 0x06, 0x02, 0x01, 1, 0x02, 0x01, 2);
	struct cursor set = BYTES(0x31, 0x03, 0x02, 0x01, 1);
	struct cursor broken = BYTES(0x02, 0x01, 1, 0x02);
	struct ber_element e[3];

	EXPECT_EQ(ber_sequence(inside, false, e, 3), 3);
	EXPECT_EQ(ber_sequence(inside, false, e, 2), 2);
	EXPECT_EQ(ber_int(&e[1]), 2);
	EXPECT_EQ(ber_sequence(sequence, true, e, 3), 2);
	EXPECT_EQ(ber_sequence(sequence, false, e, 3), 1);
	EXPECT_EQ(ber_sequence(set, true, e, 3), 0);
	EXPECT_EQ(ber_sequence(broken, false, e, 3), 1);
	EXPECT_EQ(ber_sequence(BYTES(0x30), true, e, 3), 0);
}

TEST(a_constructed_string_is_its_first_piece)
{
	struct ber_element e = only(BYTES(0x24, 0x06, 0x04, 0x01, 'a', 0x04, 0x01, 'b'));
	struct cursor text = ber_string(&e);

	REQUIRE(cursor_left(&text) == 1);
	EXPECT_EQ(cursor_u8(&text), 'a');
	e = only(BYTES(0x24, 0x01, 0x04));
	text = ber_string(&e);
	EXPECT_EQ(cursor_left(&text), 0);
}

static int32_t
int_of(struct cursor c)
{
	struct ber_element e = only(c);

	return ber_int(&e);
}

TEST(integers_have_one_to_four_bytes)
{
	EXPECT_EQ(int_of(BYTES(0x02, 0x01, 0xff)), 255);
	EXPECT_EQ(int_of(BYTES(0x02, 0x02, 0x12, 0x34)), 0x1234);
	EXPECT_EQ(int_of(BYTES(0x02, 0x04, 0xff, 0xff, 0xff, 0xfe)), -2);
	EXPECT_EQ(int_of(BYTES(0x02, 0x00)), -1);
	EXPECT_EQ(int_of(BYTES(0x02, 0x05, 0, 0, 0, 0, 1)), -1);
	EXPECT_EQ(int_of(BYTES(0xa0, 0x03, 0x02, 0x01, 0x05)), 5);
}

TEST(an_oid_is_dotted_text)
{
	char text[BER_OID_TEXT_MAX];

	EXPECT_EQ(ber_oid_text(BYTES(0x55, 0x1d, 0x11), text, sizeof(text)), 9);
	EXPECT_STR(text, "2.5.29.17");
	ber_oid_text(BYTES(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), text, sizeof(text));
	EXPECT_STR(text, "1.2.840.113549.1.1.11");
	ber_oid_text(BYTES(0x27), text, sizeof(text));
	EXPECT_STR(text, "0.39");
	ber_oid_text(BYTES(0x88, 0x37), text, sizeof(text));
	EXPECT_STR(text, "2.999");
	EXPECT_EQ(ber_oid_text(BYTES(0x2a, 0x86), text, sizeof(text)), 3); /* its last number is cut */
	EXPECT_STR(text, "1.2");
	EXPECT_EQ(ber_oid_text(cursor_make("", 0), text, sizeof(text)), 0);
	EXPECT_STR(text, "");
}

TEST(an_oid_ends_before_what_overflows_or_does_not_fit)
{
	char text[BER_OID_TEXT_MAX];

	ber_oid_text(BYTES(0x2a, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), text, sizeof(text));
	EXPECT_STR(text, "1.2.18446744073709551615");
	ber_oid_text(BYTES(0x2a, 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01), text, sizeof(text));
	EXPECT_STR(text, "1.2");
	EXPECT_EQ(ber_oid_text(BYTES(0x2a, 0x86, 0x48), text, 6), 3);
	EXPECT_STR(text, "1.2");
	EXPECT_EQ(ber_oid_text(BYTES(0x2a, 0x86, 0x48), text, 8), 7);
	EXPECT_STR(text, "1.2.840");
	EXPECT_EQ(ber_oid_text(BYTES(0x2a), text, 1), 0);
	EXPECT_STR(text, "");
	EXPECT_EQ(ber_oid_text(BYTES(0x2a), text, 0), 0);
}

static long long
time_of(unsigned tag, const char *text)
{
	struct ber_element e = {.tag = tag, .value = cursor_make(text, strlen(text))};
	uint64_t seconds;
	bool pre_epoch;

	if (!ber_time(&e, &seconds, &pre_epoch))
		return -1;
	return pre_epoch ? -2 - (long long)seconds : (long long)seconds;
}

TEST(utc_times_span_1950_to_2049)
{
	EXPECT_EQ(time_of(BER_UTC_TIME, "700101000000Z"), 0);
	EXPECT_EQ(time_of(BER_UTC_TIME, "130203040506Z"), 1359864306);
	EXPECT_EQ(time_of(BER_UTC_TIME, "491231235959Z"), 2524607999);
	EXPECT_EQ(time_of(BER_UTC_TIME, "500101000000Z"), -2);
	EXPECT_EQ(time_of(BER_UTC_TIME, "691231235959Z"), -2);
	EXPECT_EQ(time_of(BER_UTC_TIME, "130203040506+0130"), 1359864306 - 5400);
	EXPECT_EQ(time_of(BER_UTC_TIME, "130203040506-0800"), 1359864306 + 28800);
	EXPECT_EQ(time_of(BER_UTC_TIME, "000229120000Z"), 951825600);
}

TEST(generalized_times_may_lack_their_end)
{
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "20130203040506Z"), 1359864306);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "20130203040506.789Z"), 1359864306);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "20130203040506.789-0100"), 1359864306 + 3600);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "201302030405Z"), 1359864300);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "2013020304"), 1359864000);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "99991231235959Z"), 253402300799);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "19000101000000Z"), -2);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "20130001000000Z"), time_of(BER_GENERALIZED_TIME, "20121201000000Z"));
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "20131301000000Z"), time_of(BER_GENERALIZED_TIME, "20140101000000Z"));
}

TEST(what_is_no_time_is_refused)
{
	EXPECT_EQ(time_of(BER_UTC_TIME, ""), -1);
	EXPECT_EQ(time_of(BER_UTC_TIME, "1302030405Z"), -1);
	EXPECT_EQ(time_of(BER_UTC_TIME, "13020304050xZ"), -1);
	EXPECT_EQ(time_of(BER_GENERALIZED_TIME, "201302030"), -1);
	EXPECT_EQ(time_of(BER_OCTET_STRING, "20130203040506Z"), -1);
}

static void
walk(struct cursor c)
{
	struct ber_element e;
	char text[BER_OID_TEXT_MAX];
	uint64_t seconds;
	bool pre_epoch;

	while (ber_next(&c, &e)) {
		struct ber_element inside[4];

		(void)ber_sequence(e.value, false, inside, 4);
		(void)ber_int(&e);
		(void)ber_oid_text(ber_string(&e), text, sizeof(text));
		(void)ber_time(&e, &seconds, &pre_epoch);
	}
}

TEST(every_truncation_stays_within_its_bytes)
{
	static const uint8_t message[] = {0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x11, 0x24, 0x03, 0x04, 0x01, 'a',
					  0x17, 0x11, '1',  '3',  '0',	'2',  '0',  '3',  '0',	'4',  '0',  '5',
					  '0',	'6',  '+',  '0',  '1',	'3',  '0',  0x18, 0x13, '2',  '0',  '1',
					  '3',	'0',  '2',  '0',  '3',	'0',  '4',  '0',  '5',	'0',  '6',  '.',
					  '7',	'8',  '9',  'Z',  0x1f, 0x81, 0x05, 0x82, 0x00, 0x02, 0x80, 0x80};

	for (size_t n = 0; n <= sizeof(message); n++) {
		uint8_t *bytes = test_guard(message, n);

		REQUIRE(bytes != NULL);
		walk(cursor_make(bytes, n));
		test_guard_free(bytes, n);
	}
}

TEST(headers_of_elements_that_may_still_come)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum ber_header header;
		uint32_t length, left;
	} cases[] = {
		{"", 0, BER_HEADER_MORE, 0, 0},
		{"\x60", 1, BER_HEADER_MORE, 0, 0},
		{"\x60\x7f", 2, BER_HEADER_OK, 127, 0},
		{"\x60\x02x", 3, BER_HEADER_OK, 2, 1},
		{"\x60\x82\x01", 3, BER_HEADER_MORE, 0, 0},
		{"\x60\x82\x01\x02", 4, BER_HEADER_OK, 258, 0},
		{"\x60\x84\xff\xff\xff\xff", 6, BER_HEADER_OK, UINT32_MAX, 0},
		{"\x60\x80", 2, BER_HEADER_BAD, 0, 0},
		{"\x60\x85", 2, BER_HEADER_BAD, 0, 0},
		{"\x7f", 1, BER_HEADER_BAD, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_make(cases[i].bytes, cases[i].size);
		uint8_t identifier;
		uint32_t length;

		EXPECT_EQ(ber_header(&c, &identifier, &length), cases[i].header);
		if (cases[i].header != BER_HEADER_OK)
			continue;
		EXPECT_EQ(identifier, 0x60);
		EXPECT_EQ(length, cases[i].length);
		EXPECT_EQ(cursor_left(&c), cases[i].left);
	}
}
