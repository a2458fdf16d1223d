/* MySQL. */
#include "harness.h"

#include <stdlib.h>

#define GREETING                                                                                                       \
	"\x20\0\0\0\x0a"                                                                                               \
	"8.0.32\0"                                                                                                     \
	"\1\2\3\4abcdefgh\0\xff\xf7"
/* capabilities, largest packet, charset, 23 reserved */
#define CAPABILITIES(flags)                                                                                            \
	"\x85" flags "\xff\x01"                                                                                        \
	"\0\0\0\x01"                                                                                                   \
	"\xff"                                                                                                         \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LOGIN	    "\x26\0\0\1" CAPABILITIES("\xa2") "Root\0\0"
#define SSL_REQUEST "\x20\0\0\1" CAPABILITIES("\xaa")

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

TEST(version_and_user_are_recorded)
{
	struct harness *h = harness_create();

	server(h, GREETING);
	EXPECT_NO_FIELD(h, "protocol");
	client(h, LOGIN);
	EXPECT_FIELD(h, "protocol", "mysql");
	EXPECT_FIELD(h, "mysql.version", "8.0.32");
	EXPECT_FIELD(h, "mysql.user", "root");
	harness_every_truncation(h);
	harness_every_split(h, 5, NULL);
	harness_destroy(h);
}

TEST(tls_begins_behind_an_ssl_request)
{
	struct harness *h = harness_create();

	server(h, GREETING);
	client(h, SSL_REQUEST);
	EXPECT_FIELD(h, "protocol", "mysql");
	EXPECT_NO_FIELD(h, "mysql.user");
	client(h, "\x16\x03\x01\x00\x01\x01");
	harness_destroy(h);
}

TEST(a_login_of_many_attributes_is_one)
{
	enum { ATTRIBUTES = 600 };
	static const char begin[] = "\x7e\x02\0\1" CAPABILITIES("\xa2") "Root\0\0"; /* 38 + 600 bytes */
	char login[sizeof(begin) - 1 + ATTRIBUTES];
	struct harness *h = harness_create();

	memset(login, 'x', sizeof(login));
	memcpy(login, begin, sizeof(begin) - 1);
	server(h, GREETING);
	(void)harness_tcp(h, 0, login, sizeof(login));
	EXPECT_FIELD(h, "mysql.user", "root");
	harness_destroy(h);
	h = harness_create("mysqlLongLogins=false");
	server(h, GREETING);
	(void)harness_tcp(h, 0, login, sizeof(login));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(greetings_that_are_none_are_left_alone)
{
	struct harness *h = harness_create();

	client(h, GREETING);
	server(h, LOGIN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	server(h, "\x20\0\0\0\x0a"
		  "8\1\0");
	client(h, LOGIN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	server(h, "\x20\0\0\0\x0a"
		  "\0");
	client(h, LOGIN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(a_version_without_an_end_is_bounded)
{
	struct harness *h = harness_create();
	char text[300];

	memset(text, '8', sizeof(text));
	server(h, "\x20\0\0\0\x0a");
	(void)harness_tcp(h, 1, text, sizeof(text));
	EXPECT(harness_memory_bytes(h) < 512); /* the session waits for its other side */
	client(h, LOGIN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
