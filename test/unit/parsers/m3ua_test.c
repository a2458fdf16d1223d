/* M3UA and M2UA, with messages of user parts that are not looked into. */
#include "harness.h"

enum { M2UA = 2, M3UA = 3 };

#define LABEL(service)                                                                                                 \
	"\0\0\0\xc8"                                                                                                   \
	"\0\0\1\x90" service "\0\0\0"
#define M3UA_DATA(service)                                                                                             \
	"\1\0\1\1\0\0\0\x18"                                                                                           \
	"\2\x10\0\x10" LABEL(service)
#define M3UA_DRAFT                                                                                                     \
	"\1\0\1\1\0\0\0\x14"                                                                                           \
	"\0\2\0\x09"                                                                                                   \
	"\x84\x64\0\x14\0"                                                                                             \
	"\0\0\0"
#define M3UA_DRAFT_TTC                                                                                                 \
	"\1\0\1\1\0\0\0\x14"                                                                                           \
	"\0\3\0\x0a"                                                                                                   \
	"\x3f\x84\x64\0\x14\0"                                                                                         \
	"\0\0"
#define M2UA_DATA                                                                                                      \
	"\1\0\6\1\0\0\0\x1c"                                                                                           \
	"\0\1\0\x05"                                                                                                   \
	"\0\0\0\0"                                                                                                     \
	"\3\0\0\x09"                                                                                                   \
	"\x85\x14\0\x64\0"                                                                                             \
	"\0\0\0"
#define M2UA_TTC                                                                                                       \
	"\1\0\6\1\0\0\0\x14"                                                                                           \
	"\3\1\0\x0a"                                                                                                   \
	"\x3f\x84\x14\0\x64\0"                                                                                         \
	"\0\0"
#define UP "\1\0\3\1\0\0\0\x08"

static bool
to(struct harness *h, unsigned direction, uint32_t protocol, const char *bytes, size_t size)
{
	harness_sctp_protocol(h, protocol);
	return harness_sctp(h, direction, bytes, size);
}

#define source(h, protocol, bytes)	to((h), 0, (protocol), HARNESS_TEXT(bytes))
#define destination(h, protocol, bytes) to((h), 1, (protocol), HARNESS_TEXT(bytes))

TEST(m3ua_says_which_user_part_its_data_is_of)
{
	struct harness *h = harness_create();

	EXPECT(source(h, M3UA, UP));
	EXPECT(destination(h, M3UA, M3UA_DATA("\4")));
	EXPECT(source(h, M3UA, M3UA_DATA("\5")));
	EXPECT_FIELD(h, "protocol", "m3ua,tup,isup");
	EXPECT_FIELD(h, "m3ua.si", "4,5");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(drafts_of_m3ua_carry_whole_messages_of_mtp3)
{
	struct harness *h = harness_create();

	EXPECT(source(h, M3UA, M3UA_DRAFT));
	EXPECT_FIELD(h, "m3ua.si", "4");
	harness_every_truncation(h);
	harness_reset(h);
	EXPECT(source(h, M3UA, M3UA_DRAFT_TTC));
	EXPECT_FIELD(h, "m3ua.si", "4");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(m2ua_carries_messages_of_mtp3)
{
	struct harness *h = harness_create();

	EXPECT(source(h, M2UA, M2UA_DATA));
	EXPECT_FIELD(h, "protocol", "m2ua,isup");
	EXPECT_FIELD(h, "m3ua.si", "5");
	harness_every_truncation(h);
	harness_reset(h);
	EXPECT(source(h, M2UA, M2UA_TTC));
	EXPECT_FIELD(h, "protocol", "m2ua,tup");
	EXPECT_FIELD(h, "m3ua.si", "4");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(directions_may_differ_in_their_layer)
{
	struct harness *h = harness_create();

	EXPECT(source(h, M3UA, UP));
	EXPECT(destination(h, M2UA, M2UA_DATA));
	EXPECT(source(h, M3UA, M3UA_DATA("\4")));
	EXPECT_FIELD(h, "protocol", "m3ua,m2ua,isup,tup");
	/* M3UA ends where nobody reads a user part, M2UA does not. */
	EXPECT(source(h, M3UA, M3UA_DATA("\x0d")));
	EXPECT(source(h, M3UA, M3UA_DATA("\5")));
	EXPECT(source(h, M2UA, M2UA_TTC));
	EXPECT_FIELD(h, "m3ua.si", "5,4,13");
	EXPECT(!source(h, M2UA, "\2\0\3\1\0\0\0\x08"));
	harness_destroy(h);
}

TEST(the_second_layer_may_begin_after_the_first_has_ended)
{
	struct harness *h = harness_create();

	source(h, M3UA, M3UA_DATA("\x0d"));
	EXPECT(destination(h, M2UA, M2UA_DATA));
	EXPECT_FIELD(h, "m3ua.si", "13,5");
	harness_reset(h);
	source(h, M3UA, M3UA_DATA("\x0d"));
	EXPECT(!destination(h, M3UA, M3UA_DATA("\4")));
	EXPECT_FIELD(h, "m3ua.si", "13");
	harness_destroy(h);
}

TEST(what_has_no_usable_data_ends_it)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{HARNESS_TEXT("\2\0\3\1\0\0\0\x08")},			      /* version */
		{HARNESS_TEXT("\1\0\3\1\0\0\0")},			      /* no header */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x19\2\x10\0\x10" LABEL("\4"))}, /* longer than its chunk */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x07\2\x10\0\x10" LABEL("\4"))}, /* shorter than its header */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x14\2\x10\0\x10" LABEL("\4"))}, /* the parameter is longer than it */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x17\2\x10\0\x0f" LABEL("\4"))}, /* the label is not whole */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x18\2\x11\0\x10" LABEL("\4"))}, /* no parameter that we know */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x1c\2\x11\0\3\2\x10\0\x10" LABEL("\4"))}, /* a length of 3 */
		{HARNESS_TEXT("\1\0\1\1\0\0\0\x10\0\2\0\x08\x84\x64\0\x14")},		/* MTP3 is not whole */
	};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT(destination(h, M3UA, UP));
		EXPECT(source(h, M3UA, UP));
		EXPECT(!to(h, 0, M3UA, cases[i].bytes, cases[i].size));
		EXPECT_NO_FIELD(h, "m3ua.si");
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(other_payload_protocols_are_not_read)
{
	struct harness *h = harness_create();

	source(h, 0, M3UA_DATA("\4"));
	destination(h, 4, M2UA_DATA);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	source(h, M3UA, "\1\0\3\1\0\0\0");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	source(h, M3UA, "\2\0\3\1\0\0\0\x08");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	/* data of the other layer is a message without data here */
	EXPECT(source(h, M2UA, M3UA_DATA("\4")));
	EXPECT_FIELD(h, "protocol", "m2ua");
	EXPECT_NO_FIELD(h, "m3ua.si");
	harness_destroy(h);
}
