/* SSH: version lines, HASSH and host key, whatever the segments; hostile lengths. */
#include "harness.h"

/* A KEXINIT of two names a list; the digest of "kex-a,kex-b;enc-c;mac-c;none" is the client's HASSH. */
#define LIST(text) "\0\0\0" text
#define KEXINIT                                                                                                        \
	"\0\0\0\x71\x04\x14"                                                                                           \
	"0123456789abcdef" LIST("\x0bkex-a,kex-b") LIST("\x07ssh-rsa") LIST("\005enc-c") LIST("\005enc-s")             \
		LIST("\x05mac-c") LIST("\x05mac-s") LIST("\x04none") LIST("\x04zlib") "\0\0\0\0\0\0\0\0\0\0\0\0\0pppp"
#define REPLY                                                                                                          \
	"\0\0\0\x0a\x01\x21\0\0\0\x04"                                                                                 \
	"key!"

static const char client[] = "SSH-2.0-Client_1\r\n" KEXINIT;
static const char server[] = "Hello there\r\nSSH-2.0-Server_2\r\n" KEXINIT REPLY;

static void
talk(struct harness *h)
{
	harness_tcp(h, 0, HARNESS_TEXT(client));
	harness_tcp(h, 1, HARNESS_TEXT(server));
}

TEST(both_sides_versions_algorithms_and_the_host_key)
{
	struct harness *h = harness_create();

	talk(h);
	EXPECT_FIELD(h, "protocol", "ssh");
	EXPECT_FIELD(h, "ssh.version", "ssh-2.0-client_1,ssh-2.0-server_2");
	EXPECT_FIELD(h, "ssh.hassh", "a049be38308c5c8352bcb474c61ac664");
	EXPECT_FIELD(h, "ssh.hasshServer", "b44701a5b7a806c403d6033fc129ec2b");
	EXPECT_FIELD(h, "ssh.key", "a2V5IQ==");
	harness_destroy(h);
}

TEST(segments_make_no_difference_and_no_truncation_hurts)
{
	struct harness *h = harness_create();

	talk(h);
	harness_every_truncation(h);
	harness_every_split(h, 3, NULL);
	harness_destroy(h);
}

TEST(a_length_that_cannot_be_ends_decoding)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("SSH-2.0-x\n\xff\xff\xff\xff\x04\x14"));
	harness_tcp(h, 1, HARNESS_TEXT(server));
	EXPECT_FIELD(h, "ssh.version", "ssh-2.0-x");
	EXPECT_NO_FIELD(h, "ssh.key");
	harness_destroy(h);
}

TEST(a_line_without_end_is_given_up)
{
	struct harness *h = harness_create();
	char line[5000];

	memset(line, 'S', sizeof(line));
	memcpy(line, "SSH-", 4);
	harness_tcp(h, 0, line, sizeof(line));
	harness_tcp(h, 0, HARNESS_TEXT("\n"));
	EXPECT_NO_FIELD(h, "ssh.version");
	harness_destroy(h);
}

TEST(keystrokes_in_both_directions_are_a_reverse_shell)
{
	struct harness *h = harness_create();
	char typed[64] = {0};

	harness_tcp(h, 0, HARNESS_TEXT("SSH-2.0-a\n"));
	for (unsigned i = 0; i < 20; i++) {
		harness_tcp(h, i % 2, typed, sizeof(typed));
		EXPECT_NO_FIELD(h, "tags");
	}
	for (unsigned i = 0; i < 20; i++)
		harness_tcp(h, i % 2, typed, sizeof(typed));
	EXPECT_FIELD(h, "tags", "ssh-reverse-shell");
	harness_destroy(h);
}
