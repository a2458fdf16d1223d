/* ADB: messages, texts with lengths in hex, services, files, shells, TLS. */
#include "harness.h"

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

#define NONE "\0\0\0\0"
#define ONE  "\x01\0\0\0"
#define TWO  "\x02\0\0\0"

/* arguments, length of one byte, no checksum, magic */
#define MESSAGE(command, arg0, arg1, length, magic) command arg0 arg1 length "\0\0\0" NONE magic
#define CONNECT(length, banner)			    MESSAGE("CNXN", "\x01\0\0\x01", "\0\0\x04\0", length, "\xbc\xb1\xa7\xb1") banner
#define OPEN(length, service)			    MESSAGE("OPEN", ONE, NONE, length, "\xb0\xaf\xba\xb1") service
#define OKAY					    MESSAGE("OKAY", TWO, ONE, "\0", "\xb0\xb4\xbe\xa6")
#define CLOSE					    MESSAGE("CLSE", TWO, ONE, "\0", "\xbc\xb3\xac\xba")
#define WRITE(length, bytes)			    MESSAGE("WRTE", TWO, ONE, length, "\xa8\xad\xab\xba") bytes
#define AUTH(type)				    MESSAGE("AUTH", type "\0\0\0", NONE, "\0", "\xbe\xaa\xab\xb7")
#define START_TLS				    MESSAGE("STLS", ONE, NONE, "\0", "\xac\xab\xb3\xac")

TEST(both_sides_say_what_they_are)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\x07", "host::\0") AUTH("\x02") AUTH("\x03") AUTH("\x04"));
	server(h, AUTH("\x01") CONNECT("\x0d", "Device:S1:a=b"));
	EXPECT_FIELD(h, "protocol", "adb");
	EXPECT_FIELD(h, "adb.command", "cnxn,auth");
	EXPECT_FIELD(h, "adb.version", "0x01000001");
	EXPECT_FIELD(h, "adb.maxpayload", "262144");
	EXPECT_FIELD(h, "adb.systemtype", "host,device");
	EXPECT_FIELD(h, "adb.serial", "S1");
	EXPECT_FIELD(h, "adb.authtype", "signature,rsapublickey,unknown,token");
	harness_every_truncation(h);
	harness_every_split(h, 24, NULL);
	harness_destroy(h);
}

TEST(services_end_at_a_colon_or_comma)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") OPEN("\x09", "Shell:ls\0") OPEN("\x06", "tcp,80") OPEN("\x05", "log\0:"));
	client(h, OPEN("\x03", ":ab"));
	server(h, CONNECT("\0", "") OKAY CLOSE);
	EXPECT_FIELD(h, "adb.service", "shell,tcp,log,:ab");
	EXPECT_FIELD(h, "adb.streamid", "1,2-1");
	EXPECT_FIELD(h, "adb.command", "cnxn,open,okay,clse");
	EXPECT_NO_FIELD(h, "tags");
	harness_every_truncation(h);
	harness_every_split(h, 24, NULL);
	harness_destroy(h);
}

TEST(a_service_of_63_bytes_is_enough)
{
	static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123456:x";
	struct harness *h = harness_create();

	_Static_assert(sizeof(text) - 1 == 0x45, "the length below");
	client(h,
	       CONNECT("\0", "") OPEN("\x45", "0123456789012345678901234567890123456789012345678901234567890123456:x"));
	EXPECT_EQ(strlen(harness_values(h, "adb.service")), 63);
	harness_destroy(h);
}

TEST(files_that_are_copied_are_named)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") OPEN("\x06", "sync:\0"));
	server(h, CONNECT("\0", "") OKAY);
	client(h, WRITE("\x0a", "STAT\x02\0\0\0/a"));
	client(h, WRITE("\x2a", "SEND\x06\0\0\0/b,644DATA\x04\0\0\0DENTDONE\x01\0\0\0QUIT\x09\0\0\0"));
	server(h, WRITE("\x1d", "XXXX\x09\0\0\0FAIL\x03\0\0\0badLIST\x02\0\0\0/c"));
	server(h, WRITE("\x0c", "RECV\x05\0\0\0/out")); /* longer than there is */
	EXPECT_FIELD(h, "tags", "adb:sync");
	EXPECT_FIELD(h, "adb.sync.operation", "STAT,SEND,DATA,DONE,QUIT,FAIL,LIST,RECV");
	EXPECT_FIELD(h, "adb.sync.path", "/a,/b,/c");
	harness_every_truncation(h);
	harness_every_split(h, 24, NULL);
	harness_destroy(h);
}

TEST(the_exit_code_of_a_shell_is_recorded)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") OPEN("\x0c", "shell,v2:ls\0"));
	server(h, CONNECT("\0", "") OKAY);
	server(h, WRITE("\x0c", "\x01\x01\0\0\0x\x03\x01\0\0\0\x2a"));
	server(h, WRITE("\x06", "\x03\x02\0\0\0\x2b")); /* longer than there is */
	EXPECT_FIELD(h, "tags", "adb:shell-v2");
	EXPECT_FIELD(h, "adb.shell.exitcode", "42");
	EXPECT_NO_FIELD(h, "adb.sync.operation");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(payloads_of_other_streams_are_not_read)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") OPEN("\x09", "shell,v2x"));
	server(h, WRITE("\x06", "\x03\x01\0\0\0\x2a") WRITE("\x0a", "STAT\x02\0\0\0/a"));
	EXPECT_NO_FIELD(h, "tags");
	EXPECT_NO_FIELD(h, "adb.shell.exitcode");
	EXPECT_NO_FIELD(h, "adb.sync.operation");
	harness_destroy(h);
}

TEST(forwarding_says_which_way_and_from_where_to_where)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") OPEN("\x16", "forward:tcp:81;tcp:82\0"));
	EXPECT_FIELD(h, "adb.forward.direction", "forward");
	EXPECT_FIELD(h, "adb.forward.local", "tcp:81");
	EXPECT_FIELD(h, "adb.forward.remote", "tcp:82");
	client(h, OPEN("\x16", "reverse:forward:a:1;b:"));
	EXPECT_FIELD(h, "adb.forward.direction", "forward,reverse");
	EXPECT_FIELD(h, "adb.forward.local", "tcp:81,a:1");
	EXPECT_FIELD(h, "adb.forward.remote", "tcp:82,b:");
	client(h, OPEN("\x0c", "reverse:list"));
	EXPECT_EQ(harness_count(h, "adb.forward.local"), 2);
	EXPECT_FIELD(h, "adb.service", "forward,reverse");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(tls_begins_when_both_sides_said_so)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") START_TLS);
	EXPECT_FIELD(h, "tags", "adb:tls");
	server(h, START_TLS);
	EXPECT(harness_has(h, "tags", "adb:tls-encrypted"));
	client(h, "\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x03"
		  "................................\0\0\x02\x13\x01\x01\0");
	EXPECT(harness_has(h, "protocol", "tls"));
	client(h, OPEN("\x01", "x"));
	EXPECT_NO_FIELD(h, "adb.service");
	harness_destroy(h);
}

TEST(messages_are_only_looked_for_on_their_port_or_by_how_connections_begin)
{
	struct harness *h = harness_create();

	client(h, OKAY);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_ports(h, 40000, 5555);
	client(h, OKAY);
	EXPECT_FIELD(h, "protocol", "adb");
	harness_reset(h);
	client(h, MESSAGE("OKAZ", TWO, ONE, "\0", "\xb0\xb4\xbe\xa5"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, MESSAGE("OKAY", TWO, ONE, "\0", "\xb0\xb4\xbe\xa5")); /* not its magic */
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "CNXN\0\0\0\x01");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(what_is_no_message_empties_the_buffer_and_an_unknown_command_is_one)
{
	struct harness *h = harness_create();

	client(h, CONNECT("\0", ""));
	client(h, "123456789012345678901234" OPEN("\x01", "x"));
	EXPECT_NO_FIELD(h, "adb.service");
	client(h, "OPEN" ONE NONE "\xe9\x1f\0\0" NONE "\xb0\xaf\xba\xb1"); /* 8169 bytes */
	client(h, MESSAGE("OKAZ", TWO, ONE, "\0", "\xb0\xb4\xbe\xa5") OPEN("\x01", "y"));
	EXPECT_FIELD(h, "adb.command", "cnxn,unknown,open");
	EXPECT_FIELD(h, "adb.service", "y");
	harness_destroy(h);
}

TEST(no_more_than_8192_bytes_are_kept)
{
	static const char zeroes[9000];
	struct harness *h = harness_create();

	client(h, CONNECT("\0", "") "OPEN" ONE NONE "\xe8\x1f\0\0" NONE "\xb0\xaf\xba\xb1x,"); /* 8168 bytes */
	EXPECT(harness_tcp(h, 0, zeroes, sizeof(zeroes)));
	EXPECT_FIELD(h, "adb.service", "x");
	EXPECT(harness_memory_bytes(h) < 4096);
	client(h, OPEN("\x01", "y"));
	EXPECT_FIELD(h, "adb.service", "x,y");
	harness_destroy(h);
}

TEST(requests_to_the_server_have_a_length_in_hex)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, 5037);
	client(h, "000Chost:version000dshell,v2:ls x0000");
	EXPECT_FIELD(h, "protocol", "adb");
	EXPECT_FIELD(h, "adb.service", "host,shell,v2,");
	EXPECT_NO_FIELD(h, "adb.command");
	EXPECT_NO_FIELD(h, "tags");
	harness_every_truncation(h);
	harness_every_split(h, 4, NULL);
	harness_destroy(h);
}

TEST(forwarding_asked_of_the_server)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, 5037);
	client(h, "0014host:forward:t:1;t:2");
	EXPECT_FIELD(h, "adb.forward.direction", "forward");
	EXPECT_FIELD(h, "adb.forward.local", "t:1");
	client(h, "001chost:reverse:forward:t:3;t:4");
	EXPECT_FIELD(h, "adb.forward.direction", "forward");
	EXPECT_FIELD(h, "adb.forward.remote", "t:2,t:4");
	client(h, "000creverse:list");
	EXPECT_FIELD(h, "adb.forward.direction", "forward,reverse");
	EXPECT_FIELD(h, "adb.service", "host,reverse");
	harness_destroy(h);
}

TEST(lengths_of_no_request_are_refused)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, 5037);
	client(h, "0000host:version");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "1001host:version");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "00g1host:version");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_ports(h, 40000, 40001);
	client(h, "000chost:version");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

/* The four bytes of the answer wait for the rest of a message, and hide what would be hex behind them. */
TEST(an_answer_without_a_length_hides_what_follows_it)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, 5037);
	client(h, "000chost:version");
	server(h, "OKAY");
	server(h, "0004wxyz");
	EXPECT_FIELD(h, "adb.service", "host");
	server(h, "000cnot a message");
	server(h, "0003abc");
	EXPECT_FIELD(h, "adb.service", "host,abc");
	client(h, "0004sync1001");
	client(h, "0003xyz");
	EXPECT_FIELD(h, "adb.service", "host,abc,sync,xyz");
	harness_destroy(h);
}
