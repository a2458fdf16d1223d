/* SCCP and TCAP, as M3UA brings them. */
#include "harness.h"

static uint8_t message[320];
static size_t size;

/* An M3UA message with this user data of SCCP. */
static bool
send_sccp(struct harness *h, const void *data, size_t n)
{
	static const uint8_t head[] = {1, 0, 1, 1, 0, 0, 0, 0, 2, 0x10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 0};

	memcpy(message, head, sizeof(head));
	memcpy(message + sizeof(head), data, n);
	size = sizeof(head) + n;
	message[6] = (uint8_t)(size >> 8);
	message[7] = (uint8_t)size;
	message[10] = (uint8_t)((size - 8) >> 8);
	message[11] = (uint8_t)(size - 8);
	harness_sctp_protocol(h, 3);
	return harness_sctp(h, 0, message, size);
}

#define SCCP(h, data) send_sccp((h), HARNESS_TEXT(data))

/* Both sides have spoken M3UA: from here on an end is an end. */
static struct harness *
both(void)
{
	struct harness *h = harness_create();

	harness_sctp_protocol(h, 3);
	harness_sctp(h, 1, HARNESS_TEXT("\1\0\3\1\0\0\0\x08"));
	harness_sctp(h, 0, HARNESS_TEXT("\1\0\3\1\0\0\0\x08"));
	return h;
}

/* Addresses 0x0164 and 0x0214, subsystems 10 and 11. */
#define UNITDATA(length, data)                                                                                         \
	"\x09\0\3\7\x0b"                                                                                               \
	"\4\x43\x64\1\x0a"                                                                                             \
	"\4\x43\x14\2\x0b" length data
#define ABORT	"\x67\x06\x49\4\0\0\0\1"
#define CONTEXT "\x6b\x0d\x28\x0b\xa0\x09\6\7\4\0\0\1\0\x32\1"
#define INVOKE	"\x6c\x08\xa1\6\2\1\1\2\1\x14"
#define BEGIN	"\x62\x1f\x48\4\0\0\0\1" CONTEXT INVOKE

TEST(unitdata_says_who_asks_whom)
{
	struct harness *h = both();

	EXPECT(SCCP(h, UNITDATA("\x08", ABORT)));
	EXPECT_FIELD(h, "protocol", "m3ua,sccp");
	EXPECT_FIELD(h, "sccp.dst", "356");
	EXPECT_FIELD(h, "sccp.src", "532");
	EXPECT_NO_FIELD(h, "tcap.opcode");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(applications_read_messages_of_their_context)
{
	struct harness *h = both();

	EXPECT_EQ(sizeof(BEGIN) - 1, 0x21);
	EXPECT(SCCP(h, UNITDATA("\x21", BEGIN)));
	EXPECT_FIELD(h, "tcap.opcode", "20");
	EXPECT_FIELD(h, "protocol", "m3ua,sccp,camel");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(messages_without_a_context_that_is_known_say_nothing_more)
{
	struct harness *h = both();

	/* no dialogue portion */
	EXPECT(SCCP(h, UNITDATA("\x12", "\x65\x10\x48\4\0\0\0\1" INVOKE)));
	/* an abort is not looked into */
	EXPECT(SCCP(h, UNITDATA("\x21", "\x67\x1f\x48\4\0\0\0\1" CONTEXT INVOKE)));
	/* the dialogue comes after the components */
	EXPECT(SCCP(h, UNITDATA("\x21", "\x62\x1f\x48\4\0\0\0\1" INVOKE CONTEXT)));
	/* an empty element before it */
	EXPECT(SCCP(h, UNITDATA("\x1d", "\x62\x1b\x48\0" CONTEXT INVOKE)));
	/* another application, another family, an OID that is too short */
	EXPECT(SCCP(h, UNITDATA("\x21", "\x62\x1f\x48\4\0\0\0\1"
					"\x6b\x0d\x28\x0b\xa0\x09\6\7\4\0\0\1\0\x32\2" INVOKE)));
	EXPECT(SCCP(h, UNITDATA("\x21", "\x62\x1f\x48\4\0\0\0\1"
					"\x6b\x0d\x28\x0b\xa0\x09\6\7\4\0\1\1\0\x32\1" INVOKE)));
	EXPECT(SCCP(h, UNITDATA("\x19", "\x62\x17\x48\4\0\0\0\1"
					"\x6b\5\6\3\4\0\0" INVOKE)));
	EXPECT_FIELD(h, "protocol", "m3ua,sccp");
	EXPECT_NO_FIELD(h, "tcap.opcode");
	/* still there */
	EXPECT(SCCP(h, UNITDATA("\x21", BEGIN)));
	EXPECT_FIELD(h, "tcap.opcode", "20");
	harness_destroy(h);
}

TEST(the_context_may_be_anywhere_in_the_dialogue)
{
	struct harness *h = both();

	/* its last byte is beyond the dialogue */
	EXPECT(SCCP(h, UNITDATA("\x22", "\x64\x20\x48\4\0\0\0\1"
					"\x6b\x0c\6\6\1\2\6\7\4\0\0\1\0\x32"
					"\0\0" INVOKE)));
	EXPECT_NO_FIELD(h, "tcap.opcode");
	/* a byte that is no element, and an OID of something else, before it */
	EXPECT(SCCP(h, UNITDATA("\x22", "\x64\x20\x48\4\0\0\0\1"
					"\x6b\x0e\xff\6\2\1\2\6\7\4\0\0\1\0\x32\0" INVOKE)));
	EXPECT_FIELD(h, "tcap.opcode", "20");
	harness_destroy(h);
}

TEST(addresses_without_a_point_code_or_room_for_it_are_not_recorded)
{
	struct harness *h = both();

	EXPECT(SCCP(h, "\x09\0\3\5\7"
		       "\2\x43\x64"
		       "\3\x42\x14\2"
		       "\x08" ABORT));
	EXPECT_FIELD(h, "protocol", "m3ua,sccp");
	EXPECT_NO_FIELD(h, "sccp.dst");
	EXPECT_NO_FIELD(h, "sccp.src");
	/* beyond the message */
	EXPECT(SCCP(h, "\x09\0\xff\x09\1"
		       "\x08" ABORT "\x09\x43"));
	EXPECT_NO_FIELD(h, "sccp.dst");
	EXPECT_NO_FIELD(h, "sccp.src");
	harness_destroy(h);
}

TEST(what_is_no_unitdata_with_data_ends_it)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool has_addresses;
	} cases[] = {
		{HARNESS_TEXT("\x11\0\3\7\x0b"
			      "\4\x43\x64\1\x0a"
			      "\4\x43\x14\2\x0b"
			      "\x08" ABORT),
		 false},
		{HARNESS_TEXT("\x09\0\3\7\x0b"), false},
		{HARNESS_TEXT(UNITDATA("\1", "\x62")), true},
		{HARNESS_TEXT(UNITDATA("\x09", ABORT)), true},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = both();

		EXPECT(!send_sccp(h, cases[i].bytes, cases[i].size));
		EXPECT_FIELD(h, "protocol", "m3ua");
		EXPECT_EQ(harness_count(h, "sccp.dst"), cases[i].has_addresses);
		EXPECT_EQ(harness_count(h, "sccp.src"), cases[i].has_addresses);
		EXPECT_FIELD(h, "m3ua.si", "3");
		harness_destroy(h);
	}
}
