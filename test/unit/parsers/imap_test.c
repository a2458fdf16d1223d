/* IMAP. */
#include "harness.h"

#include <stdlib.h>

#define client(h, text) harness_tcp(h, 0, HARNESS_TEXT(text))
#define server(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

TEST(folders_and_headers_of_fetched_mails_are_recorded)
{
	struct harness *h = harness_create();

	server(h, "* OK Imap4rev1 ready\r\n");
	client(h, "a1 select \"INBOX\"\r\na2 EXAMINE Sent\r\na3 SELECT\r\na4 FETCH 1 RFC822\r\n");
	server(h, "From: <none@example.com>\r\n* 1 Fetch (RFC822 {99}\r\nFrom: Alice <Alice@Example.com>\r\n"
		  "TO: bob@example.com, \"C\" <carol@example.com>,\r\n dave@example.com\r\nSubject:  hello \r\n"
		  "\r\nFrom: <body@example.com>\r\n)\r\nFrom: <after@example.com>\r\n");
	EXPECT_FIELD(h, "protocol", "imap");
	EXPECT_FIELD(h, "email.folder", "INBOX,Sent");
	EXPECT_FIELD(h, "email.src", "alice@example.com");
	EXPECT_FIELD(h, "email.dst", "bob@example.com,carol@example.com");
	EXPECT_FIELD(h, "email.subject", "hello ");
	harness_every_truncation(h);
	harness_every_split(h, 5, NULL);
	harness_destroy(h);
}

TEST(ntlm_of_imap_is_read)
{
	struct harness *h = harness_create();

	server(h, "* OK IMAP4 ready\r\n");
	client(h, "a1 AUTHENTICATE NTLM\r\n");
	server(h, "+\r\n");
	client(h, "TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=\r\n");
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_destroy(h);
}

TEST(other_greetings_are_not_imap)
{
	struct harness *h = harness_create();

	server(h, "* OK hello there\r\n");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	EXPECT(server(h, "* OK im"));
	EXPECT(server(h, "ap ready\r\n"));
	EXPECT_FIELD(h, "protocol", "imap");
	harness_destroy(h);
}

TEST(an_imap_line_that_is_too_long_is_tagged)
{
	enum { SIZE = 16386 };
	char *line = malloc(SIZE);
	struct harness *h = harness_create();

	memset(line, 'a', SIZE);
	server(h, "* OK IMAP4\r\n");
	EXPECT(!harness_tcp(h, 0, line, SIZE));
	EXPECT_FIELD(h, "tags", "imap:line-too-long");
	harness_destroy(h);
	free(line);
}
