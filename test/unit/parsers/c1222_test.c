/* C12.22. */
#include "harness.h"

#define CALLED_TITLE	 "\xa2\x07\x06\x05\x2b\x06\x01\x04\x01"
#define CALLING_TITLE	 "\xa6\x06\x06\x04\x60\x86\x48\x01"
#define CALLED_ID(n)	 "\xa4\x03\x02\x01" n
#define CALLING_ID	 "\xa8\x06\x02\x04\x12\x34\x56\x78"
#define SERVICE(control) "\xbe\x07\x28\x05\x81\x03" control "\0\0"
#define REQUEST		 "\x60\x22" CALLED_TITLE CALLING_TITLE CALLING_ID SERVICE("\x88")
#define RESPONSE	 "\x60\x05" CALLED_ID("\x07")

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

TEST(messages_say_who_calls_whom_and_how_that_is_protected)
{
	struct harness *h = harness_create();

	EXPECT(client(h, REQUEST));
	EXPECT(server(h, RESPONSE RESPONSE));
	EXPECT_FIELD(h, "protocol", "c1222");
	EXPECT_FIELD(h, "c1222.calledApTitle", "1.3.6.1.4.1");
	EXPECT_FIELD(h, "c1222.callingApTitle", "2.16.840.1");
	EXPECT_FIELD(h, "c1222.callingApInvocationId", "305419896");
	EXPECT_FIELD(h, "c1222.calledApInvocationId", "7");
	EXPECT_FIELD(h, "c1222.securityMode", "ciphertext-with-auth");
	EXPECT_FIELD(h, "c1222.responseControl", "always");
	harness_every_truncation(h);
	harness_every_split(h, 7, NULL);
	harness_destroy(h);
}

TEST(every_control_has_a_name)
{
	struct harness *h = harness_create();

	client(h, RESPONSE "\x60\x09" SERVICE("\x81") "\x60\x09" SERVICE("\x86") "\x60\x09" SERVICE("\x8f"));
	EXPECT_FIELD(h, "c1222.securityMode", "cleartext,cleartext-with-auth,unknown");
	EXPECT_FIELD(h, "c1222.responseControl", "on-exception,never,unknown");
	harness_reset(h);
	client(h, RESPONSE "\x60\x06\xbe\x04\x28\x02\x81\0");
	EXPECT_NO_FIELD(h, "c1222.securityMode");
	EXPECT_NO_FIELD(h, "c1222.responseControl");
	harness_destroy(h);
}

TEST(relative_titles_and_negative_invocations_are_not_recorded)
{
	struct harness *h = harness_create();

	client(h, "\x60\x0d\xa2\x03\x80\x01\x05\xa4\x06\x02\x04\xff\0\0\1"
		  "\x60\x05\xa8\x03\x02\x01\xff"
		  "\x60\x09\xa4\x07\x02\x05\0\0\0\0\1");
	EXPECT_FIELD(h, "protocol", "c1222");
	EXPECT_NO_FIELD(h, "c1222.calledApTitle");
	EXPECT_NO_FIELD(h, "c1222.calledApInvocationId");
	EXPECT_FIELD(h, "c1222.callingApInvocationId", "255");
	harness_destroy(h);
}

TEST(ten_elements_are_read)
{
	struct harness *h = harness_create();

	client(h,
	       "\x60\x1c" CALLED_ID("\1") "\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0" CALLED_ID("\2") "\xa8\0");
	EXPECT_FIELD(h, "c1222.calledApInvocationId", "1,2");
	harness_reset(h);
	client(h, "\x60\x1c" CALLED_ID("\1") "\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0\x80\0" CALLED_ID(
			  "\2"));
	EXPECT_FIELD(h, "c1222.calledApInvocationId", "1");
	harness_destroy(h);
}

TEST(elements_beyond_their_message_are_cut)
{
	struct harness *h = harness_create();

	client(h, "\x60\x06\xa2\x09\x06\x07\x2b\x06" RESPONSE);
	EXPECT_FIELD(h, "c1222.calledApTitle", "1.3.6");
	EXPECT_FIELD(h, "c1222.calledApInvocationId", "7");
	harness_destroy(h);
}

TEST(messages_without_a_usable_length_end_it)
{
	static const char *const ends[] = {"\x60\x80\0\0", "\x60\x85\0\0", "\x7f\x05\0\0", "\x60\x82\x1f\xfd"};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		EXPECT(client(h, REQUEST));
		EXPECT(server(h, RESPONSE));
		EXPECT(!harness_tcp(h, 0, ends[i], 4));
		harness_reset(h);
	}
	/* one byte less is the most */
	EXPECT(client(h, REQUEST));
	EXPECT(server(h, RESPONSE));
	EXPECT(client(h, "\x60\x82\x1f\xfc"));
	harness_destroy(h);
}

TEST(the_longest_message_is_read_and_what_follows_in_its_segment)
{
	static uint8_t bytes[8192 - 9 + sizeof(RESPONSE) - 1];
	struct harness *h = harness_create();

	EXPECT(server(h, RESPONSE));
	EXPECT(client(h, "\x60\x82\x1f\xfc" CALLED_ID("\3")));
	memcpy(bytes, "\x80\x82\x1f\xf3", 4);
	memcpy(&bytes[8192 - 9], RESPONSE, sizeof(RESPONSE) - 1);
	EXPECT(harness_tcp(h, 0, bytes, sizeof(bytes)));
	EXPECT_FIELD(h, "c1222.calledApInvocationId", "7,3");
	EXPECT(harness_memory_bytes(h) < 8192);
	EXPECT(client(h, RESPONSE REQUEST));
	EXPECT_FIELD(h, "c1222.calledApTitle", "1.3.6.1.4.1");
	harness_destroy(h);
}

TEST(what_is_no_c1222_emits_nothing)
{
	static const char *const first[] = {"\x60\x04\xa3\x02\x06\0", "\x60\x80\xa2\x02\x06\0",
					    "\x61\x04\xa2\x02\x06\0", "\x60\0\xa2\x02\x06\0"};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		harness_tcp(h, 0, first[i], 6);
		EXPECT_NO_FIELD(h, "protocol");
		harness_reset(h);
	}
	harness_tcp(h, 0, "\x60\x03\xa2\x01\x06", 5);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
