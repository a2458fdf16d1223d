/* SOCKS 4, 4a and 5: what is asked for, what is inside, refusals. */
#include "harness.h"

#define GREETING "SSH-2.0-inside\r\n"

TEST(version_4_is_recorded_when_the_proxy_answers)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("\x04\x01\x00\x50\x0a\x01\x02\x03user\0"));
	EXPECT_NO_FIELD(h, "socks.port");
	harness_tcp(h, 1, HARNESS_TEXT("\0\x5a\0\0\0\0\0\0"));
	EXPECT_FIELD(h, "socks.ip", "10.1.2.3");
	EXPECT_FIELD(h, "socks.port", "80");
	EXPECT_FIELD(h, "socks.user", "user");
	EXPECT_FIELD(h, "protocol", "socks");
	harness_tcp(h, 1, HARNESS_TEXT(GREETING));
	EXPECT_FIELD(h, "ssh.version", "ssh-2.0-inside");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(version_4a_names_a_host)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("\x04\x01\x01\xbb\0\0\0\x01\0WWW.Example\0"));
	harness_tcp(h, 1, HARNESS_TEXT("\0\x5b\0\0\0\0\0\0"));
	EXPECT_FIELD(h, "socks.host", "www.example");
	EXPECT_FIELD(h, "socks.port", "443");
	EXPECT_NO_FIELD(h, "socks.ip");
	EXPECT_NO_FIELD(h, "socks.user");
	harness_destroy(h);
}

static void
handshake_5(struct harness *h)
{
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x02\0\x02"));
	harness_tcp(h, 1, HARNESS_TEXT("\x05\x02"));
	harness_tcp(h, 0, HARNESS_TEXT("\x01\005Alice\x02pw"));
	harness_tcp(h, 1, HARNESS_TEXT("\x01\0"));
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\0\x03\007Example\0\x16"));
}

TEST(version_5_gives_user_host_and_port_and_what_is_inside)
{
	struct harness *h = harness_create();

	handshake_5(h);
	harness_tcp(h, 1, HARNESS_TEXT("\x05\0\0\x01\x01\x02\x03\x04\0\x16" GREETING));
	EXPECT_FIELD(h, "socks.user", "Alice");
	EXPECT_FIELD(h, "socks.host", "example");
	EXPECT_FIELD(h, "socks.port", "22");
	EXPECT_FIELD(h, "tags", "socks:password");
	EXPECT_FIELD(h, "ssh.version", "ssh-2.0-inside");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(messages_of_the_client_that_come_early_wait_for_their_turn)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\0"));
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\0\x01\x01\x02\x03\x04\0\x16"));
	EXPECT_NO_FIELD(h, "socks.ip");
	harness_tcp(h, 1, HARNESS_TEXT("\x05\0"));
	EXPECT_FIELD(h, "socks.ip", "1.2.3.4");
	harness_destroy(h);
}

TEST(refusals_are_tagged_and_end_it)
{
	struct harness *h = harness_create();

	handshake_5(h);
	harness_tcp(h, 1, HARNESS_TEXT("\x05\x05"));
	EXPECT_FIELD(h, "tags", "socks:password,socks:connect-failed");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\x02"));
	harness_tcp(h, 1, HARNESS_TEXT("\x05\x02"));
	harness_tcp(h, 0, HARNESS_TEXT("\x01\x01x\x01y"));
	harness_tcp(h, 1, HARNESS_TEXT("\x01\x01"));
	EXPECT_FIELD(h, "tags", "socks:password,socks:auth-failed");
	harness_destroy(h);
}

TEST(what_only_looks_like_it_leaves_nothing)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\x09"));
	harness_tcp(h, 1, HARNESS_TEXT("\x05\x01\x02\x03"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT("\x05\x01\0"));
	harness_tcp(h, 1, HARNESS_TEXT("\x05\xff"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
