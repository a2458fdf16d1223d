/* TLS and SSL 3 over a stream (RFC 8446, RFC 5246, RFC 6101), as far as it is in clear.
 *
 * Recorded are both hellos, with their JA3, JA3S and JA4 fingerprints, and the server's certificates (certs.c). Hellos
 * and certificates may lie in many records and segments. Records are not collected: their payload goes straight into
 * the stream of handshake messages, of which one is kept when it is not whole yet; messages that nobody wants are
 * passed over.
 *
 * A side is finished by its first record that is no handshake (from then on it is encrypted, or an alert), the server's
 * also by ServerHelloDone. When both are, the parser is, and what follows is only counted. SSL 2 hellos are not
 * recognised.
 *
 * Limits: of a message longer than TLS_MESSAGE_MAX the beginning is read; TLS_READ_MAX hellos and certificate messages
 * are read of each side, because every one costs digests and a peer may send as many as it likes. */
#include <errno.h>
#include <stdlib.h>

#include "tls_priv.h"

enum {
	TLS_RECORD_HEADER = 5,
	TLS_RECORD_MAX = 18432, /* RFC 5246 6.2.3: 2^14 + 2048 */
	TLS_MESSAGE_HEADER = 4,
	TLS_MESSAGE_MAX = 96 * 1024,
	TLS_READ_MAX = 16,
	TLS_FIRST_BYTES = 6,
};

enum { CALL_CLIENT_HELLO, CALL_SERVER_HELLO, CALL_CERTIFICATES };

static const char *const tls_calls[] = {"tls.client_hello", "tls.server_hello", "certs.list", NULL};

struct tls_side {
	struct shrike_buffer messages; /* the handshake message that is not whole yet */
	uint8_t header[TLS_RECORD_HEADER];
	uint8_t header_bytes;
	uint8_t messages_read;
	bool ended;
	uint16_t record_left; /* payload of the record that is being read */
};

enum { SERVER_UNKNOWN = 2 };
struct tls_state {
	struct tls_side side[2];
	uint8_t begin[2][TLS_FIRST_BYTES]; /* of each direction, until we know that this is TLS */
	uint8_t begin_bytes[2];
	bool is_tls;
	uint8_t server; /* direction */
};

static const struct field tls_fields[TLS_N_FIELDS] = {
	[TLS_F_VERSION] = {"tls.version", "tls.version", "tls", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
			   "Version", "SSL/TLS version that the server chose", NULL},
	[TLS_F_CIPHER] = {"tls.cipher", "tls.cipher", "tls", "uptermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
			  "Cipher", "SSL/TLS cipher suite that the server chose", NULL},
	[TLS_F_JA3] = {"tls.ja3", "tls.ja3", "tls", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "JA3",
		       "JA3 fingerprint of the client's hello", NULL},
	[TLS_F_JA3_STRING] = {"tls.ja3string", "tls.ja3string", "tls", "lotermfield", FIELD_STR_SET,
			      FIELD_COUNT | FIELD_TO_NUL, "JA3STR", "Text of which JA3 is the MD5", NULL},
	[TLS_F_JA3S] = {"tls.ja3s", "tls.ja3s", "tls", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "JA3S",
			"JA3S fingerprint of the server's hello", NULL},
	[TLS_F_JA3S_STRING] = {"tls.ja3sstring", "tls.ja3sstring", "tls", "lotermfield", FIELD_STR_SET,
			       FIELD_COUNT | FIELD_TO_NUL, "JA3SSTR", "Text of which JA3S is the MD5", NULL},
	[TLS_F_JA4] = {"tls.ja4", "tls.ja4", "tls", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "JA4",
		       "JA4 fingerprint of the client's hello", NULL},
	[TLS_F_JA4_RAW] = {"tls.ja4_r", "tls.ja4_r", "tls", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
			   "JA4_r", "JA4 with lists where it has hashes", NULL},
	[TLS_F_SOURCE_ID] = {"tls.srcSessionId", "tls.sessionid.src", "tls", "lotermfield", FIELD_STR_SET, FIELD_TO_NUL,
			     "Src Session Id", "Session id in the client's hello", NULL},
	[TLS_F_DESTINATION_ID] = {"tls.dstSessionId", "tls.sessionid.dst", "tls", "lotermfield", FIELD_STR_SET,
				  FIELD_TO_NUL, "Dst Session Id", "Session id in the server's hello", NULL},
	[TLS_F_ANY_ID] = {"tlsidall", "tls.sessionid", "general", "lotermfield", FIELD_NONE, FIELD_FAKE,
			  "Src or Dst Session Id", "Session id of either side",
			  "regex=^tls\\\\.sessionid\\\\.(?:(?!\\\\.cnt$).)*$"},
	[TLS_F_HOST] = {.name = "http.host"},
};

static const struct setting tls_settings[] = {
	SETTING_BOOL(struct tls_conf, ja3_strings, "ja3Strings", "false",
		     "also record the texts of which JA3 and JA3S are the MD5"),
	SETTING_BOOL(struct tls_conf, ja4_raw, "ja4Raw", "false", "also record JA4 with its lists in place of hashes"),
};
SETTINGS(tls, "TLS", tls_settings);

/* ---- Handshake messages */

static void
message_parse(struct shrike_ctx *ctx, struct tls_side *side, uint8_t type, struct cursor body)
{
	if (type == TLS_SERVER_HELLO_DONE || side->messages_read++ == TLS_READ_MAX)
		side->ended = true;
	else if (type == TLS_CLIENT_HELLO)
		shrike_call(ctx, CALL_CLIENT_HELLO, body, NULL);
	else if (type == TLS_SERVER_HELLO)
		shrike_call(ctx, CALL_SERVER_HELLO, body, NULL);
	else
		shrike_call(ctx, CALL_CERTIFICATES, body, NULL);
}

static bool
is_wanted(const struct tls_state *state, unsigned d, uint8_t type)
{
	if (d == state->server)
		return type == TLS_SERVER_HELLO || type == TLS_CERTIFICATE || type == TLS_SERVER_HELLO_DONE;
	return type == TLS_CLIENT_HELLO;
}

/* Takes one message off 'in'; false: it is not whole yet. */
static bool
message_next(struct shrike_ctx *ctx, struct tls_state *state, unsigned d, struct cursor *in)
{
	struct cursor c = *in;
	uint32_t word = cursor_be32(&c), size = word & 0xffffff;
	uint8_t type = (uint8_t)(word >> 24);
	size_t left = cursor_left(&c), have = size < left ? size : left;

	if (cursor_bad(&c))
		return false;
	if (is_wanted(state, d, type)) {
		if (have < size && have < TLS_MESSAGE_MAX)
			return false;
		message_parse(ctx, &state->side[d], type, cursor_sub(&c, have));
	} else {
		cursor_skip(&c, have);
	}
	if (have < size)
		shrike_skip_next(&state->side[d].messages, size - have);
	*in = c;
	return true;
}

static void
messages_keep(struct shrike_ctx *ctx, struct tls_side *side, struct cursor rest)
{
	size_t size = cursor_left(&rest);

	shrike_keep(ctx, &side->messages, rest);
	if (side->messages.used < size)
		side->ended = true;
}

/* No memory for what must be kept: this side has said what we could hear. */
static void
messages_parse(struct shrike_ctx *ctx, struct tls_state *state, unsigned d, struct cursor payload)
{
	struct tls_side *side = &state->side[d];
	struct cursor joined;

	if (!shrike_join(ctx, &side->messages, payload, TLS_MESSAGE_HEADER + TLS_MESSAGE_MAX + TLS_RECORD_MAX,
			 &joined)) {
		side->ended = true;
		return;
	}
	while (!side->ended && message_next(ctx, state, d, &joined))
		;
	if (side->ended)
		shrike_buffer_free(ctx, &side->messages);
	else
		messages_keep(ctx, side, joined);
}

/* What there is of the server's message that did not come to its end. A cut ClientHello would have the fingerprint of
 * another client. */
static void
side_end(struct shrike_ctx *ctx, struct tls_state *state, unsigned d)
{
	struct tls_side *side = &state->side[d];
	struct cursor rest = cursor_make(side->messages.bytes, side->messages.used);
	uint8_t type = cursor_u8(&rest);

	cursor_skip(&rest, TLS_MESSAGE_HEADER - 1);
	if (!cursor_bad(&rest) && cursor_left(&rest) > 0 && d == state->server && is_wanted(state, d, type))
		message_parse(ctx, side, type, rest);
	side->ended = true;
	shrike_buffer_free(ctx, &side->messages);
}

/* ---- Records */

/* False: longer than a record may be. */
static bool
record_begin(struct shrike_ctx *ctx, struct tls_state *state, unsigned d)
{
	struct tls_side *side = &state->side[d];
	struct cursor header = cursor_make(side->header, TLS_RECORD_HEADER);
	uint8_t type = cursor_u8(&header);

	cursor_skip(&header, 2); /* version */
	side->record_left = cursor_be16(&header);
	side->header_bytes = 0;
	if (type != TLS_RECORD_HANDSHAKE) {
		side_end(ctx, state, d);
		return true;
	}
	if (side->record_left <= TLS_RECORD_MAX)
		return true;
	shrike_add_tag(ctx, "tls:record-too-long");
	return false;
}

static bool
header_read(struct tls_side *side, struct cursor *in)
{
	while (side->header_bytes < TLS_RECORD_HEADER && cursor_left(in) > 0)
		side->header[side->header_bytes++] = cursor_u8(in);
	return side->header_bytes == TLS_RECORD_HEADER;
}

static bool
records_parse(struct shrike_ctx *ctx, struct tls_state *state, unsigned d, struct cursor in)
{
	struct tls_side *side = &state->side[d];

	while (!side->ended && cursor_left(&in) > 0) {
		size_t left = cursor_left(&in);

		if (side->record_left == 0) {
			if (header_read(side, &in) && !record_begin(ctx, state, d))
				return false;
			continue;
		}
		left = left < side->record_left ? left : side->record_left;
		side->record_left -= (uint16_t)left;
		messages_parse(ctx, state, d, cursor_sub(&in, left));
	}
	return true;
}

/* ---- The parser */

/* A handshake record that begins with a hello tells who is who. */
static bool
is_hello(const uint8_t first[TLS_FIRST_BYTES])
{
	return first[0] == TLS_RECORD_HANDSHAKE && first[1] == 3 && first[2] <= 3 &&
	       (first[5] == TLS_CLIENT_HELLO || first[5] == TLS_SERVER_HELLO);
}

/* The first bytes may come one by one. MORE: too few yet; DONE: TLS; NOT_MINE. */
static enum shrike_verdict
begin_parse(struct shrike_ctx *ctx, struct tls_state *state, unsigned d, struct cursor in)
{
	uint8_t *first = state->begin[d];

	while (state->begin_bytes[d] < TLS_FIRST_BYTES && cursor_left(&in) > 0)
		first[state->begin_bytes[d]++] = cursor_u8(&in);
	if (state->begin_bytes[d] < TLS_FIRST_BYTES)
		return SHRIKE_MORE;
	if (!is_hello(first))
		return SHRIKE_NOT_MINE;
	shrike_add_protocol(ctx, "tls");
	state->is_tls = true;
	state->server = first[5] == TLS_CLIENT_HELLO ? !d : d;
	return SHRIKE_DONE;
}

/* What came before we knew, except for this chunk. */
static bool
replay_begin(struct shrike_ctx *ctx, struct tls_state *state, unsigned d, uint8_t before)
{
	return records_parse(ctx, state, !d, cursor_make(state->begin[!d], state->begin_bytes[!d])) &&
	       records_parse(ctx, state, d, cursor_make(state->begin[d], before));
}

static enum shrike_verdict
tls_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct tls_state *state = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	if (!state->is_tls) {
		uint8_t before = state->begin_bytes[d];
		enum shrike_verdict verdict = begin_parse(ctx, state, d, in);

		if (verdict != SHRIKE_DONE)
			return verdict;
		if (!replay_begin(ctx, state, d, before))
			return SHRIKE_DONE;
	}
	if (!records_parse(ctx, state, d, in))
		return SHRIKE_DONE;
	return state->side[0].ended && state->side[1].ended ? SHRIKE_DONE : SHRIKE_MORE;
}

/* Where the next record begins is not known any more. */
static enum shrike_verdict
tls_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct tls_state *state = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	(void)missing;
	if (!state->is_tls)
		return SHRIKE_DONE;
	if (!state->side[d].ended)
		side_end(ctx, state, d);
	return state->side[!d].ended ? SHRIKE_DONE : SHRIKE_MORE;
}

static void
tls_save(struct shrike_ctx *ctx, bool is_final)
{
	struct tls_state *state = shrike_state(ctx);

	if (is_final && state->is_tls && !state->side[state->server].ended)
		side_end(ctx, state, state->server);
}

void *
tls_conf_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct tls_conf *shared = calloc(1, sizeof(*shared));

	(void)setup;
	if (shared != NULL)
		conf_fill(conf, &tls_settings_group, shared);
	return shared;
}

static void *
tls_create_local(const void *shared)
{
	(void)shared;
	return calloc(1, sizeof(struct tls_local));
}

static const struct shrike_match tls_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x16\x03")},
	{0},
};

static const struct shrike_parser tls = {
	.api = SHRIKE_API,
	.name = "tls",
	.match = tls_match,
	.fields = tls_fields,
	.n_fields = TLS_N_FIELDS,
	.calls = tls_calls,
	.state_bytes = sizeof(struct tls_state),
	.create = tls_conf_create,
	.destroy = free,
	.create_local = tls_create_local,
	.destroy_local = free,
	.parse = tls_parse,
	.gap = tls_gap,
	.save = tls_save,
};
SHRIKE_PARSER(tls);

static const struct shrike_hook client_hello_hook = {"tls.client_hello", &tls, tls_client_hello};
SHRIKE_HOOK(client_hello_hook);
static const struct shrike_hook server_hello_hook = {"tls.server_hello", &tls, tls_server_hello};
SHRIKE_HOOK(server_hello_hook);
