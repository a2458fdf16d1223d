/* CAMEL: operations within TCAP within SCCP within M3UA. */
#include "harness.h"

static uint8_t bytes[320];
static size_t used;

static void
put(const void *from, size_t n)
{
	memcpy(bytes + used, from, n);
	used += n;
}

/* A TCAP Begin with a context and these components, all the way up to SCTP; 'length' begins its header. */
static bool
send_tcap(struct harness *h, const char *context, const char *length, size_t length_size, const void *components,
	  size_t n)
{
	static const uint8_t head[] = {1,    0, 1,    1,    0, 0,    0, 0,    2,    0x10, 0,	0, 0, 0,
				       0,    1, 0,    0,    0, 2,    3, 0,    0,    0,	  0x09, 0, 3, 7,
				       0x0b, 4, 0x43, 0x64, 0, 0x0a, 4, 0x43, 0x14, 0,	  0x0b, 0};
	static const uint8_t transaction[] = {0x48, 4, 0, 0, 0, 1, 0x6b, 0x0b, 0x28, 9, 6, 7};

	used = 0;
	put(head, sizeof(head));
	put("\x62", 1);
	put(length, length_size);
	put(transaction, sizeof(transaction));
	put(context, 7);
	put(components, n);
	bytes[sizeof(head) - 1] = (uint8_t)(used - sizeof(head));
	bytes[6] = (uint8_t)(used >> 8);
	bytes[7] = (uint8_t)used;
	bytes[10] = (uint8_t)((used - 8) >> 8);
	bytes[11] = (uint8_t)(used - 8);
	harness_sctp_protocol(h, 3);
	return harness_sctp(h, 0, bytes, used);
}

#define PHASE_2		     "\4\0\0\1\0\x32\1"
#define CAMEL(h, components) send_tcap((h), PHASE_2, "\x10", 1, HARNESS_TEXT(components))

static struct harness *
both(void)
{
	struct harness *h = harness_create();

	harness_sctp_protocol(h, 3);
	harness_sctp(h, 1, HARNESS_TEXT("\1\0\3\1\0\0\0\x08"));
	harness_sctp(h, 0, HARNESS_TEXT("\1\0\3\1\0\0\0\x08"));
	return h;
}

/* Service key, called (even: 16 digits of which the last half byte is none), calling (odd), IMSI of 15 digits. */
#define CALLED	   "\x82\6\4\x13\x21\x43\xa5\xfb"
#define CALLING	   "\x83\5\x83\x13\x94\x71\x06"
#define IMSI	   "\x9f\x32\x08\x62\x02\x11\x32\x54\x76\x98\xf0"
#define ARGUMENT   "\x30\x1d\x80\1\7" CALLED CALLING IMSI
#define INITIAL_DP "\x6c\x27\xa1\x25\2\1\1\2\1\0" ARGUMENT

TEST(an_initial_operation_says_who_is_involved)
{
	struct harness *h = both();

	EXPECT_EQ(sizeof(ARGUMENT) - 1, 0x1f);
	EXPECT(CAMEL(h, INITIAL_DP));
	EXPECT_FIELD(h, "protocol", "m3ua,sccp,camel");
	EXPECT_FIELD(h, "camel.op", "initialDP");
	EXPECT_FIELD(h, "tcap.opcode", "0");
	EXPECT_FIELD(h, "camel.called", "12345*#");
	EXPECT_FIELD(h, "camel.calling", "49176");
	EXPECT_FIELD(h, "camel.imsi", "262011234567890");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(all_components_are_read)
{
	struct harness *h = both();

	/* invoke, return result, reject; operations 23, 300, 98 */
	EXPECT(CAMEL(h, "\x6c\x21"
			"\xa1\6\2\1\1\2\1\x17"
			"\xa2\7\2\1\1\2\2\1\x2c"
			"\xa4\6\2\1\1\2\1\x14"
			"\xa1\6\2\1\1\2\1\x62"));
	EXPECT_FIELD(h, "tcap.opcode", "23,300,98");
	EXPECT_FIELD(h, "camel.op", "requestReportBCSMEvent");
	EXPECT_NO_FIELD(h, "camel.called");
	harness_destroy(h);
}

TEST(every_context_of_camel_is_read)
{
	static const char *const contexts[] = {"\4\0\0\1\0\x32\0", PHASE_2, "\4\0\0\1\x15\3\4", "\4\0\0\1\x17\3\4"};

	for (unsigned i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
		struct harness *h = both();

		EXPECT(send_tcap(h, contexts[i], "\x10", 1, HARNESS_TEXT(INITIAL_DP)));
		EXPECT_FIELD(h, "camel.op", "initialDP");
		harness_destroy(h);
	}
}

TEST(parameters_count_in_initial_operations_alone_and_at_their_top_level)
{
	struct harness *h = both();

	/* 20, connect */
	EXPECT(CAMEL(h, "\x6c\x27\xa1\x25\2\1\1\2\1\x14" ARGUMENT));
	/* one sequence deeper */
	EXPECT(CAMEL(h, "\x6c\x29\xa1\x27\2\1\1\2\1\0\x30\x1f" ARGUMENT));
	/* the result's operation is in a sequence */
	EXPECT(CAMEL(h, "\x6c\x0a\xa2\x08\2\1\1\x30\3\2\1\0"));
	EXPECT_FIELD(h, "camel.op", "connect,initialDP");
	EXPECT_NO_FIELD(h, "camel.called");
	EXPECT_NO_FIELD(h, "camel.calling");
	EXPECT_NO_FIELD(h, "camel.imsi");
	/* 78, constructed forms */
	EXPECT(CAMEL(h, "\x6c\x22\xa1\x20\2\1\1\2\1\x4e\x30\x18\xa2\x81\3\0\0\x21\xa3\3\0\0\x43\xaa\3\x11\x11\x11"
			"\x8a\2\x22\x22\xbf\x32\1\x33"));
	EXPECT_FIELD(h, "camel.called", "12");
	EXPECT_FIELD(h, "camel.calling", "34");
	EXPECT_FIELD(h, "camel.imsi", "111111");
	harness_destroy(h);
}

#define CALL_FROM(all, invoke, argument, number) "\x6c" all "\xa1" invoke "\2\1\1\2\1\0\x30" argument "\x83" number

TEST(digits_end_where_they_end)
{
	struct harness *h = both();

	/* odd: the cut counts half bytes, also those that are no digits */
	EXPECT(CAMEL(h, CALL_FROM("\x10", "\x0e", "\x06", "\4\x80\0\x1c\x32")));
	EXPECT_FIELD(h, "camel.calling", "12");
	/* an end in the low half */
	EXPECT(CAMEL(h, CALL_FROM("\x10", "\x0e", "\x06", "\4\0\0\x8f\x77")));
	EXPECT(CAMEL(h, CALL_FROM("\x0f", "\x0d", "\x05", "\3\0\0\xff")));
	EXPECT(CAMEL(h, CALL_FROM("\x0e", "\x0c", "\x04", "\2\x80\0")));
	EXPECT(CAMEL(h, CALL_FROM("\x0d", "\x0b", "\x03", "\1\x80")));
	EXPECT_FIELD(h, "camel.calling", "12");
	harness_destroy(h);
}

#define FIVES "\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55\x55"

TEST(numbers_of_more_than_31_digits_are_dropped)
{
	struct harness *h = both();

	EXPECT(CAMEL(h, CALL_FROM("\x1e", "\x1c", "\x14", "\x12\0\0" FIVES "\x55")));
	EXPECT_NO_FIELD(h, "camel.calling");
	EXPECT(CAMEL(h, CALL_FROM("\x1e", "\x1c", "\x14", "\x12\x80\0" FIVES "\x55")));
	EXPECT_FIELD(h, "camel.calling", "5555555555555555555555555555555");
	harness_destroy(h);
}

TEST(lengths_that_the_reference_does_not_know_end_it)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool is_known;
	} cases[] = {
		{HARNESS_TEXT("\x81\x10"), true},
		{HARNESS_TEXT("\x83\0\0\x10"), true},
		{HARNESS_TEXT("\x80"), false},
		{HARNESS_TEXT("\x84\0\0\0\x10"), false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = both();

		EXPECT_EQ(send_tcap(h, PHASE_2, cases[i].bytes, cases[i].size, HARNESS_TEXT(INITIAL_DP)),
			  cases[i].is_known);
		EXPECT_EQ(harness_count(h, "camel.op"), cases[i].is_known);
		harness_destroy(h);
	}
}
