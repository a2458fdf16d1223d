/* POP3. */
#include "harness.h"

#include <stdlib.h>

#define client(h, text) harness_tcp(h, 0, HARNESS_TEXT(text))
#define server(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

TEST(the_user_is_recorded_and_then_pop3_is_done)
{
	struct harness *h = harness_create();

	EXPECT(server(h, "+OK Pop server ready\r\n"));
	EXPECT_FIELD(h, "protocol", "pop3");
	EXPECT(!client(h, "CAPA\r\nUSER Bob \r\nPASS x\r\n"));
	EXPECT_FIELD(h, "user", "bob");
	harness_every_truncation(h);
	harness_every_split(h, 4, NULL);
	harness_destroy(h);
}

TEST(ntlm_of_pop3_is_read_until_its_third_message)
{
	struct harness *h = harness_create();

	server(h, "+OK POP3\r\n");
	client(h, "AUTH NTLM\r\n");
	server(h, "+ \r\n");
	EXPECT(client(h, "TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=\r\n"));
	EXPECT(server(h, "+ TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=\r\n"));
	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT_FIELD(h, "tags", "pop3:authntlm");
	EXPECT(!client(h, "TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=\r\n"));
	harness_destroy(h);
}

TEST(other_ok_lines_are_not_pop3)
{
	struct harness *h = harness_create();

	server(h, "+OK hello\r\n");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	EXPECT(server(h, "+OK Dove"));
	server(h, "cot ready\r\n");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	EXPECT(server(h, "+OK po"));
	EXPECT(server(h, "p ready\r\n"));
	EXPECT_FIELD(h, "protocol", "pop3");
	harness_destroy(h);
}

TEST(a_pop3_line_that_is_too_long_is_tagged)
{
	enum { SIZE = 16386 };
	char *line = malloc(SIZE);
	struct harness *h = harness_create();

	memset(line, 'a', SIZE);
	server(h, "+OK POP3\r\n");
	EXPECT(!harness_tcp(h, 0, line, SIZE));
	EXPECT_FIELD(h, "tags", "pop3:line-too-long");
	harness_destroy(h);
	free(line);
}
