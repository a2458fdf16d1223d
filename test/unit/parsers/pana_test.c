/* PANA. */
#include "harness.h"

/* reserved, length, flags, type; then session identifier and sequence number */
#define HEADER(length, type, session) "\0\0\0" length "\x80\0\0" type session "\0\0\0\x09"
#define NO_SESSION		      "\0\0\0\0"
#define SESSION			      "\x12\x34\xab\xcd"
#define EAP(length)		      "\0\2\0\0\0" length "\0\0"

#define client(h, bytes) harness_udp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_udp(h, 1, HARNESS_TEXT(bytes))

TEST(messages_sessions_and_identities_are_recorded)
{
	struct harness *h = harness_create();

	EXPECT(client(h, HEADER("\x10", "\1", NO_SESSION)));
	EXPECT_NO_FIELD(h, "pana.sessionId");
	EXPECT(server(h, HEADER("\x28", "\2", SESSION) "\0\6\0\0\0\1\0\0x\0\0\0" EAP("\4") "\1\1\0\4"));
	EXPECT(client(h, HEADER("\x24", "\2", SESSION) EAP("\x0a") "\2\1\0\x0a\1User@\0\0"));
	EXPECT(client(h, HEADER("\x10", "\3", "\0\0\0\7")));
	EXPECT(client(h, HEADER("\x10", "\4", SESSION)));
	EXPECT(client(h, HEADER("\x10", "\5", SESSION)));
	EXPECT(client(h, HEADER("\x10", "\0", SESSION)));
	EXPECT_FIELD(h, "protocol", "pana");
	EXPECT_FIELD(h, "pana.msgType", "client-initiation,auth,termination,notification");
	EXPECT_FIELD(h, "pana.sessionId", "1234abcd,00000007");
	EXPECT_FIELD(h, "pana.user", "User@");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(only_whole_identities_are_users)
{
	struct harness *h = harness_create();

	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\3\1\0\x08\1abc");	      /* success */
	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\2\1\0\x08\2abc");	      /* notification */
	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\2\1\0\x09\1abc");	      /* too long */
	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\2\1\0\5\1abc");	      /* empty */
	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\2\1\0\0\1abc");	      /* too short */
	client(h, HEADER("\x1c", "\2", SESSION) EAP("\4") "\2\1\0\x08");	      /* no type */
	client(h, HEADER("\x20", "\2", SESSION) "\0\3\0\0\0\x08\0\0\2\1\0\x08\1abc"); /* another AVP */
	EXPECT_FIELD(h, "pana.msgType", "auth");
	EXPECT_NO_FIELD(h, "pana.user");
	client(h, HEADER("\x20", "\2", SESSION) EAP("\x08") "\1\1\0\x07\1abc");
	client(h, HEADER("\x1e", "\2", SESSION) EAP("\6") "\2\1\0\6\1x"); /* no padding */
	EXPECT_FIELD(h, "pana.user", "ab,x");
	harness_destroy(h);
}

static void
ends(const char *bytes, size_t size, const char *user)
{
	struct harness *h = harness_create();

	client(h, HEADER("\x10", "\1", NO_SESSION));
	harness_udp(h, 0, bytes, size);
	client(h, HEADER("\x1e", "\2", SESSION) EAP("\6") "\2\1\0\6\1b");
	if (user != NULL)
		EXPECT_FIELD(h, "pana.user", user);
	else
		EXPECT_NO_FIELD(h, "pana.user");
	harness_destroy(h);
}

#define ENDS(bytes, user) ends(HARNESS_TEXT(bytes), (user))

TEST(a_datagram_that_contradicts_itself_ends_it)
{
	ENDS(HEADER("\x10", "\1", NO_SESSION), "b");
	ENDS("\0\0\0\x0f\0\0\0\1" NO_SESSION "\0\0\0", NULL);
	ENDS(HEADER("\x0f", "\1", NO_SESSION), NULL);
	ENDS(HEADER("\x11", "\1", NO_SESSION), NULL);
	ENDS(HEADER("\x28", "\2", NO_SESSION) EAP("\6") "\2\1\0\6\1a\0\0" EAP("\1"), "a");
	/* What is behind the message does not count. */
	ENDS(HEADER("\x18", "\2", NO_SESSION) EAP("\6") "\2\1\0\6\1a", NULL);
	ENDS(HEADER("\x17", "\2", NO_SESSION) EAP("\6") "\2\1\0\6\1a", "b");
}

TEST(what_is_no_pana_emits_nothing)
{
	struct harness *h = harness_create();

	client(h, "\0\1\0\x10\0\0\0\1" SESSION SESSION);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, HEADER("\x0f", "\1", SESSION));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, HEADER("\x10", "\0", SESSION));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, HEADER("\x10", "\5", SESSION));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "\0\0\0\x0f\0\0\0\1" SESSION "\0\0\0");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
