/* QUIC: Google's (versions 24 to 50), the IETF's (RFC 9000, RFC 9369, drafts 27 to 29), Facebook's mvfst, and
 * Facebook's Zero protocol, which is Google's handshake over TCP.
 *
 * What a client and a server say before encryption is recorded: of Google's the tags of the CHLO, of the IETF's both
 * TLS hellos (quicServerHello=false: the client's alone, as the reference). All begin with a version at a place of its
 * own, by which the first datagram is known; which kind a session is of is settled by it. Q050 encrypts its CHLO and is
 * only named.
 *
 * Limits: those of each part (quic_google.c, quic_ietf.c, quic_crypto.c). A session without a hello costs its state
 * until 32 datagrams have been seen. */

#include <stdlib.h>

#include "quic_priv.h"

enum quic_kind { KIND_GOOGLE = 1, KIND_GOOGLE_46, KIND_GOOGLE_50, KIND_IETF, KIND_ZERO };

enum {
	GOOGLE_BYTES_MIN = 101,
	GOOGLE_50_DATAGRAMS_MAX = 20,
	GOOGLE_50_BYTES_MIN = 20,
	ZERO_HEADER_BYTES = 9,
	ZERO_BYTES_MIN = 14,
	ZERO_BYTES_MAX = 8192,
};

struct quic_settings {
	bool server_hello;
};

static const struct setting quic_settings[] = {
	SETTING_BOOL(
		struct quic_settings, server_hello, "quicServerHello", "true",
		"Record what a QUIC server's hello says too (tls.version, tls.cipher, tls.ja3s, ...), not only the "
		"client's"),
};
SETTINGS(quic, "QUIC", quic_settings);

struct quic_state {
	uint8_t kind;	     /* enum quic_kind; 0: first call */
	uint8_t n_datagrams; /* Google 50 */
	uint8_t directions;  /* a bit for each that was seen */
	union {
		struct quic_ietf ietf;
		struct shrike_buffer zero;
	};
};

/* ---- Classification: what the bytes of the rule do not say */

static bool
is_mine(enum quic_kind kind, struct cursor in)
{
	size_t size = cursor_left(&in);
	uint8_t first = cursor_peek(&in, 0);

	switch (kind) {
	case KIND_GOOGLE:
		return size >= GOOGLE_BYTES_MIN && (first & 0x83) == 0x01;
	case KIND_GOOGLE_46:
	case KIND_GOOGLE_50:
		return size >= GOOGLE_BYTES_MIN && (first & 0xc0) == 0xc0;
	case KIND_IETF:
		return (first & 0xc0) == 0xc0;
	case KIND_ZERO:
		return true;
	}
	return false;
}

/* ---- Q050 and Zero */

static enum shrike_verdict
google_50_parse(struct shrike_ctx *ctx, struct quic_state *s, struct cursor in)
{
	bool is_short = cursor_left(&in) < GOOGLE_50_BYTES_MIN;

	cursor_skip(&in, 1);
	if (is_short || memcmp(in.p, "Q05", 3) != 0 || ++s->n_datagrams > GOOGLE_50_DATAGRAMS_MAX)
		return SHRIKE_DONE;
	s->directions |= (uint8_t)(1U << shrike_direction(ctx));
	if (s->directions != 3)
		return SHRIKE_MORE;
	shrike_add_protocol(ctx, "quic");
	return SHRIKE_DONE;
}

/* One message: "1QTV", a byte, its length, two bytes, then the CHLO. */
static enum shrike_verdict
zero_parse(struct shrike_ctx *ctx, struct quic_state *s, struct cursor in)
{
	struct cursor joined, message;
	size_t length;

	if (shrike_direction(ctx) != 0)
		return SHRIKE_MORE;
	if (!shrike_join(ctx, &s->zero, in, ZERO_BYTES_MAX, &joined))
		return SHRIKE_DONE;
	message = joined;
	cursor_skip(&message, 5);
	length = cursor_le16(&message);
	cursor_skip(&message, 2);
	if (ZERO_HEADER_BYTES + length > ZERO_BYTES_MAX)
		return SHRIKE_DONE;
	if (cursor_left(&joined) < ZERO_BYTES_MIN || cursor_left(&message) < length) {
		shrike_keep(ctx, &s->zero, joined);
		return SHRIKE_MORE;
	}
	cursor_limit(&message, length);
	if (quic_chlo(ctx, message))
		shrike_add_protocol(ctx, "fbzero");
	return SHRIKE_DONE;
}

/* ---- The parser */

static enum shrike_verdict
quic_parse(struct shrike_ctx *ctx, struct cursor in)
{
	const struct quic_settings *settings = shrike_shared(ctx);
	struct quic_state *s = shrike_state(ctx);

	if (s->kind == 0) {
		s->kind = (uint8_t)shrike_variant(ctx);
		if (!is_mine(s->kind, in))
			return SHRIKE_NOT_MINE;
	}
	switch ((enum quic_kind)s->kind) {
	case KIND_GOOGLE:
		return quic_google_parse(ctx, in);
	case KIND_GOOGLE_46:
		return quic_google_46_parse(ctx, in);
	case KIND_GOOGLE_50:
		return google_50_parse(ctx, s, in);
	case KIND_IETF:
		return quic_ietf_parse(ctx, &s->ietf, shrike_local(ctx), settings->server_hello, in);
	case KIND_ZERO:
		return zero_parse(ctx, s, in);
	}
	return SHRIKE_DONE;
}

static void *
quic_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct quic_settings *settings = calloc(1, sizeof(*settings));

	(void)setup;
	if (settings != NULL)
		conf_fill(conf, &quic_settings_group, settings);
	return settings;
}

static void *
quic_create_local(const void *shared)
{
	(void)shared;
	return quic_protection_create();
}

static void
quic_destroy_local(void *local)
{
	quic_protection_destroy(local);
}

static const struct shrike_match quic_match[] = {
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("Q05"), .variant = KIND_GOOGLE_50},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("Q04"), .variant = KIND_GOOGLE_46},
	{.transports = SHRIKE_UDP, .offset = 9, SHRIKE_BYTES("Q04"), .variant = KIND_GOOGLE},
	{.transports = SHRIKE_UDP, .offset = 9, SHRIKE_BYTES("Q03"), .variant = KIND_GOOGLE},
	{.transports = SHRIKE_UDP, .offset = 9, SHRIKE_BYTES("Q02"), .variant = KIND_GOOGLE},
	{.transports = SHRIKE_UDP, .offset = 9, SHRIKE_BYTES("PRST"), .protocol = "quic"},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\x00\x00\x00\x01"), .variant = KIND_IETF},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\x6b\x33\x43\xcf"), .variant = KIND_IETF},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\xff\x00\x00\x1d"), .variant = KIND_IETF},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\xff\x00\x00\x1c"), .variant = KIND_IETF},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\xff\x00\x00\x1b"), .variant = KIND_IETF},
	{.transports = SHRIKE_UDP, .offset = 1, SHRIKE_BYTES("\xfa\xce\xb0\x02"), .variant = KIND_IETF},
	{.transports = SHRIKE_TCP, .offset = 0, SHRIKE_BYTES("1QTV"), .variant = KIND_ZERO},
	{0},
};

static const struct field quic_fields[] = {
	[QUIC_HOST] = {"quic.host", "host.quic", "quic", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "QUIC Hostname", "Host that a client of Google's QUIC or Facebook's Zero asked for",
		       "category=host; aliases=[\"quic.host\"]"},
	[QUIC_HOST_TOKENS] = {"quic.hostTokens", "host.quic.tokens", "quic", "lotextfield", FIELD_STR_SET,
			      FIELD_FAKE | FIELD_TO_NUL, "Hostname Tokens", "Words of that host",
			      "aliases=[\"quic.host.tokens\"]"},
	[QUIC_USERAGENT] = {"quic.useragent", "quic.user-agent", "quic", "termfield", FIELD_STR_SET,
			    FIELD_COUNT | FIELD_TO_NUL, "User-Agent", "Program that the client says it is", NULL},
	[QUIC_VERSION] = {"quic.version", "quic.version", "quic", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "Version", "Version of Google's QUIC that the client names",
			  NULL},
};

static const char *const quic_calls[] = {
	[QUIC_CALL_CLIENT_HELLO] = "tls.client_hello",
	[QUIC_CALL_SERVER_HELLO] = "tls.server_hello",
	NULL,
};

static const struct shrike_parser quic = {
	.api = SHRIKE_API,
	.name = "quic",
	.match = quic_match,
	.fields = quic_fields,
	.n_fields = sizeof(quic_fields) / sizeof(quic_fields[0]),
	.calls = quic_calls,
	.state_bytes = sizeof(struct quic_state),
	.create = quic_create,
	.destroy = free,
	.create_local = quic_create_local,
	.destroy_local = quic_destroy_local,
	.parse = quic_parse,
};
SHRIKE_PARSER(quic);
