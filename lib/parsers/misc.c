/* Protocols that are recognised by their first bytes or port and not parsed further.
 *
 * One table: a rule with a protocol name adds it, after its check if it has one. Where the bytes alone say too little,
 * a check looks at lengths and counts the way the protocol's own header does. The one rule without a name is a login
 * line
 * ("USER name") of whatever text protocol it may be, of which only the name is kept. */
#include "parser.h"
#include "text.h"

enum { F_USER, N_FIELDS };

static const struct field misc_fields[N_FIELDS] = {[F_USER] = {.name = "user"}};

enum {
	TACACS_PORT = 49,
	RIP_PORT = 520,
	FLOW_COUNT_MAX = 200,
	FLOW_RECORD_BYTES_MIN = 16,
	FLOW_TIME_MIN = 1000000000, /* exports of this century */
	KAFKA_VERSION_MAX = 6,
	SYSLOG_DIGITS_FROM = 2,
	JABBER_FROM = 5,
};

/* ---- Checks over the whole of the first payload */

static uint32_t
be32_at(struct cursor in, size_t offset)
{
	cursor_skip(&in, offset);
	return cursor_be32(&in);
}

static uint16_t
be16_at(struct cursor in, size_t offset)
{
	cursor_skip(&in, offset);
	return cursor_be16(&in);
}

static uint16_t
le16_at(struct cursor in, size_t offset)
{
	cursor_skip(&in, offset);
	return cursor_le16(&in);
}

static bool
contains(struct cursor in, const char *text)
{
	size_t size = cursor_left(&in);

	return text_find(cursor_take(&in, size), size, text) >= 0;
}

static bool
contains_bytes(struct cursor in, const char *bytes, size_t n)
{
	while (cursor_left(&in) >= n) {
		struct cursor at = in;

		if (memcmp(cursor_take(&at, n), bytes, n) == 0)
			return true;
		cursor_skip(&in, 1);
	}
	return false;
}

static bool
either_port_is(const struct shrike_ctx *ctx, uint16_t port)
{
	return shrike_port(ctx, 0) == port || shrike_port(ctx, 1) == port;
}

/* The two lengths of its header: total, little or big endian, then a zlib stream (78 9c). */
static bool
gh0st_check(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);

	(void)ctx;
	if (size < 15)
		return false;
	if (cursor_peek(&in, 14) == 0x9c) {
		if (be16_at(in, 7) == 0 && le16_at(in, 5) == size)
			return true;
		if (be16_at(in, 5) == 0 && be16_at(in, 7) == size)
			return true;
	}
	return be16_at(in, 7) == 0 && be16_at(in, 11) == 0 && be16_at(in, 13) == 0x789c;
}

static bool
lmtp_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return contains(in, "LMTP");
}

static bool
vnc_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 7) == '.' && cursor_peek(&in, 11) == '\n';
}

static bool
jabber_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	cursor_skip(&in, JABBER_FROM);
	return contains(in, "jabber");
}

/* "<PRI>" of RFC 3164 and 5424. */
static bool
syslog_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	cursor_skip(&in, SYSLOG_DIGITS_FROM);
	while (cursor_left(&in) > 0) {
		uint8_t byte = cursor_u8(&in);

		if (byte == '>')
			return true;
		if (byte < '0' || byte > '9')
			return false;
	}
	return false;
}

/* A frame of OSCAR: its length ends the chunk, or another frame follows. */
static bool
flap_check(struct shrike_ctx *ctx, struct cursor in)
{
	size_t length = be16_at(in, 4) + 6u;

	(void)ctx;
	if (cursor_left(&in) < 6 || length > cursor_left(&in))
		return false;
	return length == cursor_left(&in) || cursor_peek(&in, length) == '*';
}

static bool
tacacs_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)in;
	return either_port_is(ctx, TACACS_PORT);
}

static bool
rip_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)in;
	return either_port_is(ctx, RIP_PORT);
}

static bool
dropbox_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return contains(in, "host_int");
}

static bool
kafka_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 4) == 0 && cursor_peek(&in, 5) <= KAFKA_VERSION_MAX && cursor_peek(&in, 7) == 0 &&
	       be16_at(in, 2) + 4u == cursor_left(&in);
}

static bool
thrift_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 4) == 0x80 && cursor_peek(&in, 5) == 1 && cursor_peek(&in, 6) == 0;
}

/* Cisco's call control: little-endian length, then zeroes. */
static bool
skinny_check(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);

	(void)ctx;
	if (size < cursor_peek(&in, 0) + 8u)
		return false;
	for (size_t i = 1; i <= 7; i++)
		if (cursor_peek(&in, i) != 0)
			return false;
	return true;
}

static bool
hdfs_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 5) == 0x0a;
}

static bool
hsrp_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)in;
	return shrike_port(ctx, 0) == shrike_port(ctx, 1);
}

static bool
safet_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 2) == cursor_left(&in);
}

/* IAC and a command (RFC 854). */
static bool
telnet_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 1) >= 0xfa;
}

static bool
fins_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_peek(&in, 1) == 0;
}

static bool
ident_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return contains(in, "USERID") || contains(in, "ERROR");
}

static bool
netflow_check(struct shrike_ctx *ctx, struct cursor in)
{
	unsigned count = be16_at(in, 2);

	(void)ctx;
	return count >= 1 && count <= FLOW_COUNT_MAX && count * FLOW_RECORD_BYTES_MIN <= cursor_left(&in) &&
	       be32_at(in, 8) >= FLOW_TIME_MIN;
}

static bool
ipfix_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return be16_at(in, 2) == cursor_left(&in) && be32_at(in, 4) >= FLOW_TIME_MIN;
}

/* Version 5 and the agent's address family: IPv6 takes twelve bytes more. */
static bool
sflow_check(struct shrike_ctx *ctx, struct cursor in)
{
	uint32_t family = be32_at(in, 4);

	(void)ctx;
	return family == 1 || (family == 2 && cursor_left(&in) >= 40);
}

static bool
ssdp_answer_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return contains(in, "\r\nST:") || contains(in, "\r\nUSN:") || contains(in, "UPnP");
}

static bool
plex_answer_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return contains(in, "plex/media-");
}

static bool
smartview_check(struct shrike_ctx *ctx, struct cursor in)
{
	static const uint8_t group[16] = {[10] = 0xff, 0xff, 224, 0, 0, 7};

	return memcmp(shrike_address(ctx, 1), group, sizeof(group)) == 0 && contains(in, "uuid:");
}

static bool
wireguard_initiation_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_left(&in) == 148;
}

static bool
wireguard_response_check(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	return cursor_left(&in) == 92;
}

/* Direct datagrams of RFC 1002 4.4.1; what they carry is mostly SMB. */
static bool
nbds_check(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t type = cursor_peek(&in, 0);

	if (type < 0x10 || type > 0x12)
		return false;
	if (contains_bytes(in, "\xffSMB", 4) || contains_bytes(in, "\xfeSMB", 4))
		shrike_add_protocol(ctx, "smb");
	return true;
}

/* "USER name", unless it is IRC's. */
static enum shrike_verdict
login_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor name = in;
	size_t size = 0;

	if (cursor_left(&in) <= 5 || contains(in, "\nNICK ") || contains(in, " +iw "))
		return SHRIKE_NOT_MINE;
	cursor_skip(&name, 5);
	while (size < cursor_left(&name) && cursor_peek(&name, size) > ' ')
		size++;
	if (size > 0)
		shrike_emit_lower(ctx, F_USER, cursor_take(&name, size), size);
	return SHRIKE_DONE;
}

/* ---- The table */

#define TCP(name, bytes_)                                                                                              \
	{                                                                                                              \
		.transports = SHRIKE_TCP, SHRIKE_BYTES(bytes_), .protocol = name                                       \
	}
#define TCP_AT(name, at, bytes_)                                                                                       \
	{                                                                                                              \
		.transports = SHRIKE_TCP, .offset = at, SHRIKE_BYTES(bytes_), .protocol = name                         \
	}
#define TCP_IF(name, bytes_, n, f)                                                                                     \
	{                                                                                                              \
		.transports = SHRIKE_TCP, SHRIKE_BYTES(bytes_), .min_bytes = n, .protocol = name, .check = f           \
	}
#define UDP(name, bytes_)                                                                                              \
	{                                                                                                              \
		.transports = SHRIKE_UDP, SHRIKE_BYTES(bytes_), .protocol = name                                       \
	}
#define UDP_AT(name, at, bytes_)                                                                                       \
	{                                                                                                              \
		.transports = SHRIKE_UDP, .offset = at, SHRIKE_BYTES(bytes_), .protocol = name                         \
	}
#define UDP_IF(name, bytes_, n, f)                                                                                     \
	{                                                                                                              \
		.transports = SHRIKE_UDP, SHRIKE_BYTES(bytes_), .min_bytes = n, .protocol = name, .check = f           \
	}
#define BOTH_IF(name, bytes_, f)                                                                                       \
	{                                                                                                              \
		.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES(bytes_), .protocol = name, .check = f              \
	}
#define TCP_TO(name, port_, n, f)                                                                                      \
	{                                                                                                              \
		.transports = SHRIKE_TCP, .destination_port = port_, .min_bytes = n, .protocol = name, .check = f      \
	}
#define TCP_TO_BYTES(name, port_, n, bytes_, f)                                                                        \
	{                                                                                                              \
		.transports = SHRIKE_TCP, .destination_port = port_, .min_bytes = n, SHRIKE_BYTES(bytes_),             \
		.protocol = name, .check = f                                                                           \
	}
#define UDP_PORT(name, port_, n, f)                                                                                    \
	{                                                                                                              \
		.transports = SHRIKE_UDP, .port = port_, .min_bytes = n, .protocol = name, .check = f                  \
	}
#define UDP_PORT_BYTES(name, port_, n, bytes_, f)                                                                      \
	{                                                                                                              \
		.transports = SHRIKE_UDP, .port = port_, .min_bytes = n, SHRIKE_BYTES(bytes_), .protocol = name,       \
		.check = f                                                                                             \
	}

static const struct shrike_match misc_match[] = {
	TCP("bittorrent", "\023BitTorrent protocol"),
	TCP("bittorrent", "BSYNC\0"),
	TCP("bitcoin", "\xf9\xbe\xb4\xd9"),
	TCP("bitcoin", "\xf9\xbe\xb4\xfe"),
	TCP("redis", "+PONG"),
	TCP("redis", "*1\r\n$"),
	TCP("redis", "*2\r\n$"),
	TCP("redis", "*3\r\n$"),
	TCP("redis", "*4\r\n$"),
	TCP("redis", "*5\r\n$"),
	TCP("redis", "-NOAUTH "),
	TCP("thrift", "\x80\x01\0\x01\0\0\0"),
	TCP("aerospike", "\x02\x01\0\0\0\0\0\x4enode"),
	TCP("aerospike", "\x02\x01\0\0\0\0\0\x23node"),
	TCP("cassandra", "\0\0\0\x25\x80\x01\0\x01\0\0\0\x0cset_"),
	TCP("cassandra", "\0\0\0\x1d\x80\x01\0\x01\0\0\0\x10"
			 "desc"),
	TCP("nsclient", "NSClient"),
	TCP("nsclient", "None&"),
	TCP("whatsapp", "ED\0\x01"),
	TCP("zabbix", "ZBXD\x01"),
	TCP("rmi", "JRMI\0\x02K"),
	TCP("rmi", "JRMI\0"),
	TCP("flash-policy", "<policy-file-request/>"),
	TCP("steam-ihscp", "\xa4\0\0\0VT01"),
	TCP("honeywell-tcc", "CBKPPR\x05P"),
	TCP("pjl", "\x1b%-12345"),
	TCP("pjl", "@PJL "),
	TCP("nzsql", "\0\0\0\x08\0\x01\0\x03"),
	TCP("splunk", "--splunk-cooked-mode"),
	TCP("x11", "l\0\x0b\0"),
	TCP("memcached", "flush_all"),
	TCP("memcached", "STORED\r\n"),
	TCP("memcached", "END\r\n"),
	TCP("memcached", "VALUE "),
	TCP("rpc-over-http", "RPC_IN_DATA "),
	TCP("rpc-over-http", "RPC_OUT_DATA "),
	TCP("hbase", "HBas\0"),
	TCP("hadoop", "hrpc\x09"),
	TCP("zookeeper", "zk_version"),
	TCP("zookeeper", "mntr\n"),
	TCP("zookeeper", "\0\0\0\x2c\0\0\0\0"),
	TCP("zookeeper", "\0\0\0\x2d\0\0\0\0"),
	TCP("elasticsearch", "ES\0\0"),
	TCP("rtsp", "RTSP/1.0 "),
	TCP("gearman", "\0REQ"),
	TCP("gearman", "\0RES"),
	TCP_AT("mongo", 8, "\0\0\0\0\xd4\x07\0\0"),
	TCP_AT("mongo", 8, "\xff\xff\xff\xff\xd4\x07\0\0"),
	TCP_AT("splunk-replication", 6, "\0\x06\0\0\0\x05_raw"),

	UDP("bittorrent", "d1:a"),
	UDP("bittorrent", "d1:r"),
	UDP("bittorrent", "d1:q"),
	UDP("bjnp", "BJNP"),
	UDP("ssdp", "M-SEARCH "),
	UDP("ssdp", "NOTIFY * "),
	UDP("bsdp", "SEARCH BSDP/"),
	UDP("bsdp", "NOTIFY BSDP/"),
	UDP("sddp", "NOTIFY ALIVE SDDP/"),
	UDP("plex-gdm", "UPDATE * "),
	UDP("plex-gdm", "VUPDATE * "),
	UDP("ubiquiti-ubnt", "\"3DU"),
	UDP("steam-friends", "VS01"),
	UDP("valve-a2s", "\xff\xff\xff\xffTSou"),
	UDP("esio", "ESIO"),
	UDP_AT("memcached", 6, "\0\0stats"),
	UDP_AT("memcached", 6, "\0\0gets "),

	{.transports = SHRIKE_TCP,
	 .offset = 13,
	 SHRIKE_BYTES("x"),
	 .min_bytes = 15,
	 .protocol = "gh0st",
	 .check = gh0st_check},
	TCP_IF("lmtp", "220 ", 0, lmtp_check),
	TCP_IF("lmtp", "220-", 0, lmtp_check),
	TCP_IF("vnc", "RFB 0", 12, vnc_check),
	TCP_IF("jabber", "<?xml", 0, jabber_check),
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("USER ")},
	BOTH_IF("syslog", "<1", syslog_check),
	BOTH_IF("syslog", "<2", syslog_check),
	BOTH_IF("syslog", "<3", syslog_check),
	BOTH_IF("syslog", "<4", syslog_check),
	BOTH_IF("syslog", "<5", syslog_check),
	BOTH_IF("syslog", "<6", syslog_check),
	BOTH_IF("syslog", "<7", syslog_check),
	BOTH_IF("syslog", "<8", syslog_check),
	BOTH_IF("syslog", "<9", syslog_check),
	TCP_IF("flap", "\x2a\x01", 0, flap_check),
	BOTH_IF("tacacs", "\xc0\x01\x01", tacacs_check),
	BOTH_IF("tacacs", "\xc0\x01\x02", tacacs_check),
	BOTH_IF("tacacs", "\xc0\x02\x01", tacacs_check),
	BOTH_IF("tacacs", "\xc0\x03\x01", tacacs_check),
	BOTH_IF("tacacs", "\xc0\x03\x02", tacacs_check),
	BOTH_IF("tacacs", "\xc1\x01\x01", tacacs_check),
	BOTH_IF("tacacs", "\xc1\x01\x02", tacacs_check),
	UDP_PORT("dropbox-lan-sync", 17500, 0, dropbox_check),
	TCP_IF("kafka", "\0\0", 10, kafka_check),
	TCP_IF("thrift", "\0\0", 21, thrift_check),
	UDP_IF("rip", "\x01\x01\0\0", 0, rip_check),
	UDP_IF("rip", "\x01\x02\0\0", 0, rip_check),
	UDP_IF("rip", "\x02\x01\0\0", 0, rip_check),
	UDP_IF("rip", "\x02\x02\0\0", 0, rip_check),
	UDP_PORT_BYTES("aruba-papi", 8211, 20, "Ir", NULL),
	TCP_TO("sccp", 2000, 21, skinny_check),
	TCP_TO_BYTES("wudo", 7680, 15, "\0\0\0\0", NULL),
	TCP_TO_BYTES("wudo", 7680, 15, "\x0eSwarm protocol", NULL),
	TCP_IF("hdfs", "\0\x1c\x50", 10, hdfs_check),
	TCP_IF("hdfs", "\0\x1c\x51", 10, hdfs_check),
	TCP_IF("hdfs", "\0\x1c\x55", 10, hdfs_check),
	UDP_PORT_BYTES("hsrp", 1985, 0, "\0\x03", hsrp_check),
	UDP_PORT_BYTES("hsrp", 2029, 0, "\0\x03", hsrp_check),
	UDP_PORT_BYTES("hsrpv2", 1985, 0, "\x01\x28\x02", hsrp_check),
	UDP_PORT_BYTES("hsrpv2", 2029, 0, "\x01\x28\x02", hsrp_check),
	UDP_PORT("safet", 23294, 24, safet_check),
	TCP_TO_BYTES("telnet", 23, 2, "\xff", telnet_check),
	{.transports = SHRIKE_UDP,
	 .destination_port = 9600,
	 .min_bytes = 12,
	 .protocol = "omron-fins",
	 .check = fins_check},
	TCP_TO_BYTES("omron-fins", 9600, 16, "FINS", NULL),
	TCP_TO("whois", 43, 0, NULL),
	TCP_TO("finger", 79, 0, NULL),
	TCP_TO("ident", 113, 0, ident_check),
	UDP_IF("netflow", "\0\x05", 24, netflow_check),
	UDP_IF("netflow", "\0\x07", 24, netflow_check),
	UDP_IF("netflow", "\0\x09", 24, netflow_check),
	UDP_IF("ipfix", "\0\x0a", 0, ipfix_check),
	UDP_IF("sflow", "\0\0\0\x05", 28, sflow_check),
	UDP_IF("ssdp", "HTTP/1.", 0, ssdp_answer_check),
	UDP_IF("plex-gdm", "HTTP/1.", 0, plex_answer_check),
	UDP_IF("samsung-smartview", "{\"data\":", 0, smartview_check),
	UDP_IF("wireguard", "\x01\0\0\0", 0, wireguard_initiation_check),
	UDP_IF("wireguard", "\x02\0\0\0", 0, wireguard_response_check),
	UDP_PORT("nbds", 138, 14, nbds_check),
	{0},
};

static const struct shrike_parser misc = {
	.api = SHRIKE_API,
	.name = "misc",
	.match = misc_match,
	.fields = misc_fields,
	.n_fields = N_FIELDS,
	.parse = login_parse,
};
SHRIKE_PARSER(misc);
