/* FTP. */
#include "harness.h"

#define client(h, text) harness_tcp(h, 0, HARNESS_TEXT(text))
#define server(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

enum { GREETING_BYTES = 4 };

TEST(commands_codes_and_names_are_recorded)
{
	struct harness *h = harness_create();

	server(h, "220- - Welcome \t\r\n220 ready\r\n");
	client(h, "user Anonymous\r\n");
	server(h, "331 password\r\n99 no\r\n331\r\n");
	client(h, "PASS a@b\r\nCWD /x\r\n  RETR some file.txt \r\nSIZE\r\nMDTM b\r\n");
	server(h, "230_fine\r\n226 done\r\n");
	EXPECT_FIELD(h, "protocol", "ftp");
	EXPECT_FIELD(h, "ftp.banner", "Welcome");
	EXPECT_FIELD(h, "ftp.command", "USER,PASS,CWD,RETR,SIZE,MDTM");
	EXPECT_FIELD(h, "ftp.filename", "some file.txt,b");
	EXPECT_FIELD(h, "ftp.responseCode", "220,331,230,226");
	EXPECT_FIELD(h, "user", "anonymous");
	EXPECT_FIELD(h, "tags", "ftp:password");
	harness_every_truncation(h);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(greetings_of_other_protocols_are_not_ftp)
{
	struct harness *h = harness_create();

	server(h, "220 x LMTP ready\r\n");
	EXPECT(!harness_has(h, "protocol", "ftp"));
	harness_reset(h);
	server(h, "220 gateway TLS ready\r\n");
	EXPECT(!harness_has(h, "protocol", "ftp"));
	harness_reset(h);
	EXPECT(server(h, "220 gatew"));
	server(h, "ay TLS ready\r\n");
	EXPECT(!harness_has(h, "protocol", "ftp"));
	harness_destroy(h);
}

TEST(a_greeting_without_its_end_is_ftp_when_the_session_is_over)
{
	struct harness *h = harness_create();

	EXPECT(server(h, "220 ready"));
	EXPECT(!harness_has(h, "protocol", "ftp"));
	harness_save(h, true);
	EXPECT(harness_has(h, "protocol", "ftp"));
	harness_destroy(h);
}

TEST(a_client_that_says_helo_takes_it_back)
{
	struct harness *h = harness_create("disableParsers=smtp.so");

	server(h, "220 ready\r\n");
	EXPECT(harness_has(h, "protocol", "ftp"));
	EXPECT(!client(h, "EHLO x\r\n"));
	EXPECT_NO_FIELD(h, "protocol");
	EXPECT_NO_FIELD(h, "ftp.banner");
	EXPECT_NO_FIELD(h, "ftp.responseCode");
	harness_destroy(h);
}

TEST(a_line_longer_than_4096_bytes_ends_ftp)
{
	char line[4097];
	struct harness *h = harness_create();

	memset(line, 'a', sizeof(line));
	server(h, "220 ready\r\n");
	EXPECT(harness_tcp(h, 0, line, 4096));
	EXPECT(client(h, "\r"));
	EXPECT(client(h, "\n"));
	EXPECT(harness_tcp(h, 0, line, 4097));
	EXPECT(!client(h, "\n"));
	harness_destroy(h);
}

TEST(ftp_goes_on_behind_a_gap)
{
	struct harness *h = harness_create();

	server(h, "220 ready\r\n");
	client(h, "RETR hal");
	EXPECT(harness_gap(h, 0, 10));
	client(h, "rest\r\nRETR whole\r\n");
	EXPECT_FIELD(h, "ftp.filename", "whole");
	harness_destroy(h);
}
