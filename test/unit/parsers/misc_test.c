/* Protocols known by their first bytes: what is recognised, and what comes close but is not. */
#include "harness.h"

struct sample {
	const char *protocol; /* NULL: nothing is recognised */
	unsigned transport;
	uint16_t source_port, destination_port;
	const char *bytes;
	size_t size;
};
#define T(protocol, text)                                                                                              \
	{                                                                                                              \
		protocol, SHRIKE_TCP, 0, 0, HARNESS_TEXT(text)                                                         \
	}
#define U(protocol, text)                                                                                              \
	{                                                                                                              \
		protocol, SHRIKE_UDP, 0, 0, HARNESS_TEXT(text)                                                         \
	}
#define T_TO(protocol, port, text)                                                                                     \
	{                                                                                                              \
		protocol, SHRIKE_TCP, 0, port, HARNESS_TEXT(text)                                                      \
	}
#define U_TO(protocol, port, text)                                                                                     \
	{                                                                                                              \
		protocol, SHRIKE_UDP, 0, port, HARNESS_TEXT(text)                                                      \
	}
#define ZEROES_16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct sample samples[] = {
	T("bittorrent", "\023BitTorrent protocol\0\0\0\0"),
	T(NULL, "\023BitTorrent protoco"),
	T("redis", "*3\r\n$3\r\nSET\r\n"),
	T(NULL, "*6\r\n$3\r\nSET\r\n"),
	T("mongo", "\x30\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0rest"),
	T("splunk-replication", "abcdef\0\x06\0\0\0\x05_raw"),
	T("zabbix", "ZBXD\x01rest"),
	T("gh0st", "Gh0st\x15\0\0\0\x20\0\0\0x\x9cwatchme"
		   "x"),
	T(NULL, "Gh0st\x16\0\0\x01\x20\0\0\0x\x9c!"),
	T("lmtp", "220 mail.example LMTP ready\r\n"),
	T("vnc", "RFB 003.008\n"),
	T(NULL, "RFB 003x008\n"),
	T("jabber", "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>"),
	T(NULL, "<?xml version='1.0'?><html>"),
	T("syslog", "<134>1 2026-11-21T00:00:00Z host"),
	T(NULL, "<1x4>"),
	U("syslog", "<14>message"),
	T("flap", "\x2a\x01\0\0\0\x04rest"),
	T("flap", "\x2a\x01\0\0\0\x02re\x2a\x02\0\0\0\0"),
	T(NULL, "\x2a\x01\0\0\0\x02re!"),
	T_TO("tacacs", 49, "\xc0\x01\x01\0"),
	T_TO(NULL, 50, "\xc0\x01\x01\0"),
	T("kafka", "\0\0\0\x08\0\x03\0\0abcd"),
	T(NULL, "\0\0\0\x09\0\x03\0\0abcd"),
	T("thrift", "\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0"),
	T("thrift", "\x80\x01\0\x01\0\0\0\x04ping"),
	U_TO("rip", 520, "\x02\x02\0\0"),
	U_TO(NULL, 521, "\x02\x02\0\0"),
	T_TO("sccp", 2000, "\x0c\0\0\0\0\0\0\0\x01\0\0\0" ZEROES_16),
	T_TO("telnet", 23, "\xff\xfd\x18"),
	T_TO(NULL, 23, "\xff\xf0\x18"),
	T_TO("whois", 43, "example.com\r\n"),
	T_TO("ident", 113, "6195, 23 : USERID : UNIX : stjohns\r\n"),
	T_TO(NULL, 113, "6195, 23\r\n"),
	U("sflow", "\0\0\0\x05\0\0\0\x01" ZEROES_16 "\0\0\0\0"),
	U(NULL, "\0\0\0\x05\0\0\0\x02" ZEROES_16 "\0\0\0\0"),
	U("netflow", "\0\x05\0\x01\0\0\0\0\x60\0\0\0" ZEROES_16),
	U(NULL, "\0\x05\0\x09\0\0\0\0\x60\0\0\0" ZEROES_16),
	U("ipfix", "\0\x0a\0\x0c\x60\0\0\0\0\0\0\0"),
	U("ssdp", "HTTP/1.1 200 OK\r\nST: x\r\n"),
	U(NULL, "HTTP/1.1 200 OK\r\n\r\n"),
	U_TO("nbds", 138, "\x11\0" ZEROES_16),
	U_TO(NULL, 138, "\x13\0" ZEROES_16),
	U_TO("safet", 23294, "\0\0\x18\0\0\0\0\0" ZEROES_16),
};

static void
feed(struct harness *h, const struct sample *s)
{
	harness_ports(h, s->source_port != 0 ? s->source_port : 40000,
		      s->destination_port != 0 ? s->destination_port : 40001);
	if (s->transport == SHRIKE_TCP)
		harness_tcp(h, 0, s->bytes, s->size);
	else
		harness_udp(h, 0, s->bytes, s->size);
}

TEST(first_bytes_and_ports_tell_the_protocol)
{
	struct harness *h = harness_create();

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];

		harness_reset(h);
		feed(h, s);
		if (s->protocol != NULL)
			EXPECT_FIELD(h, "protocol", s->protocol);
		else
			EXPECT_NO_FIELD(h, "protocol");
		harness_every_truncation(h);
	}
	harness_destroy(h);
}

TEST(hsrp_asks_for_one_port_on_both_sides)
{
	struct harness *h = harness_create();

	harness_ports(h, 1985, 1985);
	harness_udp(h, 0, HARNESS_TEXT("\0\x03rest"));
	EXPECT_FIELD(h, "protocol", "hsrp");
	harness_reset(h);
	harness_ports(h, 1986, 1985);
	harness_udp(h, 0, HARNESS_TEXT("\0\x03rest"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(netbios_datagrams_that_carry_smb_say_so)
{
	struct harness *h = harness_create();

	harness_ports(h, 138, 138);
	harness_udp(h, 0, HARNESS_TEXT("\x10\0" ZEROES_16 "\xffSMB"));
	EXPECT(harness_has(h, "protocol", "nbds"));
	EXPECT(harness_has(h, "protocol", "smb"));
	harness_destroy(h);
}

TEST(a_login_line_gives_the_user_in_lower_case)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT("USER Alice\r\n"));
	EXPECT_FIELD(h, "user", "alice");
	harness_every_truncation(h);
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT("USER guest 0 * :x\r\nNICK y\r\n"));
	EXPECT_NO_FIELD(h, "user");
	harness_destroy(h);
}
