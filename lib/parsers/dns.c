/* DNS (RFC 1035) over UDP and TCP, mDNS (RFC 6762) and LLMNR (RFC 4795).
 *
 * Recorded is one object for each question of a session, with the names and addresses that its answers bring and the
 * answers themselves; dns_store.c says how they are kept and what bounds them. An object is written when the record is
 * closed, because query and response meet in it. Over TCP a message has its length before it (RFC 7766, 8); messages
 * beyond DNS_STREAM_MESSAGE_MAX are passed over with a tag. A direction that lost bytes is not read any further, as
 * nothing tells where its next message begins.
 *
 * On UDP the parser stays with every session of its ports, also when the first datagram is none of its own: resolvers
 * keep their ports, and a session's later datagrams count as well. */
#include "dns_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	DNS_PORT = 53,
	LLMNR_PORT = 5355,
	MDNS_PORT = 5353,
	DNS_STREAM_MESSAGE_MAX = 8192, /* with the two bytes of its length */
	DNS_STREAM_MESSAGE_MIN = 17,
	LENGTH_BYTES = 2,
};

static const struct setting dns_settings[] = {
	SETTING_BOOL(struct dns_conf, output_answers, "dnsOutputAnswers", "true",
		     "write every answer of a DNS response, not only the names and addresses in them"),
	SETTING_BOOL(struct dns_conf, parse_record_all, "parseDNSRecordAll", "false",
		     "keep name servers and mail servers of DNS answers, and their addresses, in fields of their own"),
};
SETTINGS(dns, "DNS", dns_settings);

enum { F_DNS };

static const struct field dns_fields[] = {
	[F_DNS] = {"dns", "dns", "dns", "(no fields doc)", FIELD_OBJECT, FIELD_COUNT | FIELD_NO_DB, "dns",
		   "One object for each question of the session", NULL},
	{"dns.ip", "ip.dns", "dns", "ip", FIELD_IP_SET, FIELD_COUNT | FIELD_IP_PREFIX, "DNS IP",
	 "Addresses of the names that were asked for", "aliases=[\"dns.ip\"]; category=ip"},
	{"dns.nameserverIp", "ip.dns.nameserver", "dns", "ip", FIELD_IP_SET, FIELD_COUNT | FIELD_IP_PREFIX, "DNS NS IP",
	 "Addresses of name servers", "category=ip"},
	{"dns.mailserverIp", "ip.dns.mailserver", "dns", "ip", FIELD_IP_SET, FIELD_COUNT | FIELD_IP_PREFIX, "DNS MX IP",
	 "Addresses of mail servers", "category=ip"},
	{"dnsipall", "ip.dns.all", "dns", "ip", FIELD_NONE, FIELD_FAKE, "DNS All IP",
	 "Searches every kind of address in DNS answers", "regex=^ip\\\\.dns(?:(?!\\\\.(cnt|all)$).)*$"},
	{"dns.host", "host.dns", "dns", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FORCE_UTF8 | FIELD_FAKE,
	 "DNS Host", "Names that were asked for, and their aliases", "aliases=[\"dns.host\"]; category=host"},
	{"dns.hostTokens", "host.dns.tokens", "dns", "lotextfield", FIELD_STR_SET, FIELD_FAKE, "Hostname Tokens",
	 "Words of the names that were asked for", "aliases=[\"dns.host.tokens\"]"},
	{"dns.nameserverHost", "host.dns.nameserver", "dns", "lotermfield", FIELD_STR_SET,
	 FIELD_COUNT | FIELD_FORCE_UTF8 | FIELD_FAKE, "DNS NS Host", "Names of name servers", "category=host"},
	{"dns.mailserverHost", "host.dns.mailserver", "dns", "lotermfield", FIELD_STR_SET,
	 FIELD_COUNT | FIELD_FORCE_UTF8 | FIELD_FAKE, "DNS MX Host", "Names of mail servers", "category=host"},
	{"dnshostall", "host.dns.all", "dns", "lotermfield", FIELD_NONE, FIELD_FAKE, "DNS All Host",
	 "Searches every kind of name in DNS messages", "regex=^host\\\\.dns(?:(?!\\\\.(cnt|all|tokens)$).)*$"},
	{"dns.puny", "dns.puny", "dns", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FAKE, "DNS Puny",
	 "International names as they were sent, in Punycode", NULL},
	{"dns.status", "dns.status", "dns", "uptermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FAKE, "DNS Status Code",
	 "Response codes", NULL},
	{"dns.opcode", "dns.opcode", "dns", "uptermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FAKE, "DNS Op Code",
	 "Operations: QUERY, NOTIFY, UPDATE, ...", NULL},
	{"dns.qt", "dns.query.type", "dns", "uptermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FAKE, "DNS Query Type",
	 "Record types that were asked for", NULL},
	{"dns.qc", "dns.query.class", "dns", "uptermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_FAKE, "DNS Query Class",
	 "Classes that were asked for", NULL},
	{"dns.queryHost", "dns.query.host", "dns", "lotermfield", FIELD_NONE, FIELD_COUNT | FIELD_FAKE,
	 "DNS Query Host", "Names that were asked for", "category=host"},
	{"dns.answersCnt", "dns.answer.cnt", "dns", "integer", FIELD_NONE, FIELD_FAKE, "DNS Answers Cnt",
	 "Number of answers", NULL},
	{"dns.answers.type", "dns.answer.type", "dns", "uptermfield", FIELD_NONE, FIELD_FAKE, "DNS Answer Type",
	 "Types of the answers", NULL},
	{"dns.answers.class", "dns.answer.class", "dns", "uptermfield", FIELD_NONE, FIELD_FAKE, "DNS Answer Class",
	 "Classes of the answers", NULL},
	{"dns.answers.ttl", "dns.answer.ttl", "dns", "integer", FIELD_NONE, FIELD_FAKE, "DNS Answer TTL",
	 "Seconds that the answers may be kept", NULL},
	{"dns.answers.ip", "dns.answer.ip", "dns", "ip", FIELD_NONE, FIELD_FAKE, "DNS Answer IP",
	 "Addresses in A and AAAA answers", NULL},
	{"dns.answers.cname", "dns.answer.cname", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer CNAME",
	 "Names in CNAME answers", NULL},
	{"dns.answers.nameserver", "dns.answer.ns", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer NS",
	 "Name servers in NS answers", NULL},
	{"dns.answers.mx", "dns.answer.mx", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer MX",
	 "Mail servers in MX answers", NULL},
	{"dns.answers.priority", "dns.answer.priority", "dns", "integer", FIELD_NONE, FIELD_FAKE, "DNS Answer Priority",
	 "Priorities in MX answers", NULL},
	{"dns.answers.https", "dns.answer.https", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer HTTPS",
	 "Text of HTTPS answers", NULL},
	{"dns.answers.txt", "dns.answer.txt", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer TXT",
	 "Texts in TXT answers", NULL},
	{"dns.answers.caa", "dns.answer.caa", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer CAA",
	 "Text of CAA answers", NULL},
	{"dns.answers.rrsig", "dns.answer.rrsig", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer RRSIG",
	 "Text of RRSIG answers", NULL},
	{"dns.answers.nsec", "dns.answer.nsec", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer NSEC",
	 "Text of NSEC answers", NULL},
	{"dns.answers.ds", "dns.answer.ds", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Answer DS",
	 "Text of DS answers", NULL},
	{"dns.headerFlags", "dns.header_flags", "dns", "uptermfield", FIELD_NONE, FIELD_FAKE | FIELD_COUNT,
	 "DNS Header Flags", "Flags of the last response: AA TC RD RA Z AD CD", NULL},
	{"dns.answers.name", "dns.answer.name", "dns", "termfield", FIELD_NONE, FIELD_FAKE, "DNS Name",
	 "Names that the answers are about", NULL},
};

/* Of sessions over TCP. */
struct dns_stream {
	struct shrike_buffer buffer[2];
	bool is_lost[2];
};

struct dns_state {
	struct dns_store store;
	struct dns_stream *stream;
	bool knows_protocol;
	bool is_multicast;
	const char *protocol;
};

static void *
dns_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct dns_conf *own = calloc(1, sizeof(*own));

	(void)setup;
	if (own != NULL)
		conf_fill(conf, &dns_settings_group, own);
	return own;
}

static void *
dns_create_local(const void *shared)
{
	struct dns_local *local = calloc(1, sizeof(*local));

	(void)shared;
	if (local == NULL)
		return NULL;
	if (getrandom(local->secret, sizeof(local->secret), 0) != sizeof(local->secret)) {
		free(local);
		errno = EIO;
		return NULL;
	}
	/* An odd factor of a product; zero would make all hashes one. */
	local->secret[1] |= 1;
	json_init(&local->json, DNS_JSON_BYTES_MAX);
	return local;
}

static void
dns_destroy_local(void *argument)
{
	struct dns_local *local = argument;

	json_fini(&local->json);
	free(local);
}

static bool
has_port(const struct shrike_ctx *ctx, uint16_t port)
{
	return shrike_port(ctx, 0) == port || shrike_port(ctx, 1) == port;
}

/* Port 53 decides before the others: resolvers also ask from 5353. */
static void
find_protocol(const struct shrike_ctx *ctx, struct dns_state *state)
{
	state->knows_protocol = true;
	state->protocol = "dns";
	if (shrike_transport(ctx) == SHRIKE_TCP || has_port(ctx, DNS_PORT))
		return;
	state->is_multicast = !has_port(ctx, LLMNR_PORT);
	state->protocol = state->is_multicast ? "mdns" : "llmnr";
}

static void
parse_message(struct shrike_ctx *ctx, struct dns_state *state, struct cursor in)
{
	struct dns_message message = {
		.ctx = ctx,
		.conf = shrike_shared(ctx),
		.local = shrike_local(ctx),
		.store = &state->store,
		.whole = in,
		.is_multicast = state->is_multicast,
	};

	dns_message_parse(&message, state->protocol);
}

static void
emit(struct shrike_ctx *ctx, struct dns_state *state)
{
	const struct dns_conf *conf = shrike_shared(ctx);

	dns_store_emit(ctx, &state->store, F_DNS, conf->output_answers);
}

/* A parser that is done has no save() any more. */
static enum shrike_verdict
finish(struct shrike_ctx *ctx, struct dns_state *state)
{
	emit(ctx, state);
	return SHRIKE_DONE;
}

/* Takes whole messages off 'in'. False: this is no DNS. */
static bool
parse_stream(struct shrike_ctx *ctx, struct dns_state *state, struct shrike_buffer *buffer, struct cursor *in)
{
	while (cursor_left(in) >= LENGTH_BYTES && !state->store.no_memory) {
		struct cursor rest = *in;
		size_t size = cursor_be16(&rest);

		if (size < DNS_STREAM_MESSAGE_MIN)
			return false;
		if (LENGTH_BYTES + size > DNS_STREAM_MESSAGE_MAX) {
			shrike_add_tag(ctx, "dns:tcp-message-too-long");
			if (size > cursor_left(&rest)) {
				shrike_skip_next(buffer, size - cursor_left(&rest));
				size = cursor_left(&rest);
			}
			cursor_skip(&rest, size);
			*in = rest;
			continue;
		}
		if (cursor_left(&rest) < size)
			break;
		parse_message(ctx, state, cursor_sub(&rest, size));
		*in = rest;
	}
	return !state->store.no_memory;
}

static enum shrike_verdict
parse_tcp(struct shrike_ctx *ctx, struct dns_state *state, struct cursor in)
{
	unsigned direction = shrike_direction(ctx);
	struct shrike_buffer *buffer;
	struct cursor joined;

	if (state->stream == NULL) {
		shrike_add_protocol(ctx, state->protocol);
		state->stream = shrike_alloc(ctx, sizeof(*state->stream));
	}
	if (state->stream == NULL)
		return finish(ctx, state);
	if (state->stream->is_lost[direction])
		return SHRIKE_MORE;
	buffer = &state->stream->buffer[direction];
	if (!shrike_join(ctx, buffer, in, SHRIKE_ALLOC_MAX, &joined) || !parse_stream(ctx, state, buffer, &joined))
		return finish(ctx, state);
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
dns_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct dns_state *state = shrike_state(ctx);

	if (!state->knows_protocol)
		find_protocol(ctx, state);
	if (shrike_transport(ctx) == SHRIKE_TCP)
		return parse_tcp(ctx, state, in);
	parse_message(ctx, state, in);
	return state->store.no_memory ? finish(ctx, state) : SHRIKE_MORE;
}

static enum shrike_verdict
dns_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct dns_state *state = shrike_state(ctx);
	unsigned direction = shrike_direction(ctx);

	(void)missing;
	if (state->stream == NULL)
		return finish(ctx, state);
	state->stream->is_lost[direction] = true;
	shrike_buffer_free(ctx, &state->stream->buffer[direction]);
	if (state->stream->is_lost[0] && state->stream->is_lost[1])
		return finish(ctx, state);
	return SHRIKE_MORE;
}

static void
dns_save(struct shrike_ctx *ctx, bool is_final)
{
	(void)is_final;
	emit(ctx, shrike_state(ctx));
}

static const struct shrike_parser dns = {
	.api = SHRIKE_API,
	.name = "dns",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP, .destination_port = DNS_PORT},
			{.transports = SHRIKE_UDP, .port = DNS_PORT},
			{.transports = SHRIKE_UDP, .port = LLMNR_PORT},
			{.transports = SHRIKE_UDP, .port = MDNS_PORT},
			{0},
		},
	.fields = dns_fields,
	.n_fields = sizeof(dns_fields) / sizeof(dns_fields[0]),
	.state_bytes = sizeof(struct dns_state),
	.create = dns_create,
	.destroy = free,
	.create_local = dns_create_local,
	.destroy_local = dns_destroy_local,
	.parse = dns_parse,
	.gap = dns_gap,
	.save = dns_save,
};
SHRIKE_PARSER(dns);
