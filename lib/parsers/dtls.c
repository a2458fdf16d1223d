/* DTLS (RFC 6347, RFC 9147), as far as it is in clear.
 *
 * Recorded are the JA4 fingerprint of the client's hello and the certificates. A datagram holds records, a record
 * handshake messages, each with its place in a message that may be too long for one datagram: what comes in order is
 * put together, one message of each side at a time. Fragments out of order are not kept, because the sender will send
 * the flight again when one was lost. A datagram that does not begin with a handshake record ends the parser: the rest
 * is encrypted.
 *
 * Limits: messages of more than DTLS_MESSAGE_MAX bytes are passed over; DTLS_HELLOS_MAX hellos are read of each side.
 */
#include <stdlib.h>

#include "tls_priv.h"

enum {
	DTLS_RECORD_HEADER = 13,
	DTLS_MESSAGE_HEADER = 12,
	DTLS_MESSAGE_MAX = 96 * 1024,
	DTLS_READ_MAX = 16,
	DTLS_FIRST_MIN = 100,
	DTLS_TYPE_OFFSET = 13, /* of the first message in the first record */
};

enum { F_JA4, F_JA4_RAW, N_FIELDS };
enum { CALL_CERTIFICATES, CALL_SERVER_HELLO };

static const struct field dtls_fields[N_FIELDS] = {
	[F_JA4] = {.name = "tls.ja4"},
	[F_JA4_RAW] = {.name = "tls.ja4_r"},
};
static const char *const dtls_calls[] = {"certs.list", "dtls.server_hello", NULL};

/* A message that came in part. */
struct assembly {
	struct shrike_buffer buffer;
	uint32_t length;
	uint16_t sequence;
	uint8_t type;
	bool is_open;
};

struct dtls_state {
	struct assembly side[2];
	uint8_t messages_read[2];
	bool is_dtls;
};

struct dtls_local {
	struct ja4 ja4;
	char ja4_raw[JA4_RAW_MAX];
};

/* ---- Messages */

static const char *
version_text(uint16_t version)
{
	switch (version) {
	case 0xfefc:
		return "d3";
	case 0xfefd:
		return "d2";
	case 0xfeff:
		return "d1";
	default:
		return ja4_version(version);
	}
}

static void
emit_ja4(struct shrike_ctx *ctx, struct dtls_local *local)
{
	const struct tls_conf *conf = shrike_shared(ctx);
	size_t raw_size, text_size;
	char text[JA4_TEXT_MAX];

	ja4_finish(ctx, &local->ja4, version_text(local->ja4.version), local->ja4_raw, &raw_size, text, &text_size);
	shrike_emit_bytes(ctx, F_JA4, text, text_size);
	if (conf->ja4_raw)
		shrike_emit_bytes(ctx, F_JA4_RAW, local->ja4_raw, raw_size);
}

/* RFC 6347 4.2.1: as that of TLS, with a cookie after the session id. */
static void
client_hello(struct shrike_ctx *ctx, struct cursor in)
{
	struct dtls_local *local = shrike_local(ctx);
	struct cursor extensions;

	ja4_reset(&local->ja4, 'd', cursor_be16(&in));
	cursor_skip(&in, 32); /* random */
	cursor_skip(&in, cursor_u8(&in));
	cursor_skip(&in, cursor_u8(&in));
	if (cursor_bad(&in))
		return;
	ja4_add_ciphers(&local->ja4, tls_take_list(&in, 2));
	(void)tls_take_list(&in, 1); /* compression methods */
	extensions = tls_take_list(&in, 2);
	while (cursor_left(&extensions) >= 4) {
		uint16_t id = cursor_be16(&extensions);

		ja4_add_extension(&local->ja4, id, tls_take_list(&extensions, 2));
	}
	emit_ja4(ctx, local);
}

static bool
is_wanted(uint8_t type)
{
	return type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO || type == TLS_CERTIFICATE;
}

static void
message_parse(struct shrike_ctx *ctx, uint8_t type, struct cursor body)
{
	struct dtls_state *state = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	if (state->messages_read[d] == DTLS_READ_MAX)
		return;
	state->messages_read[d]++;
	if (type == TLS_CERTIFICATE)
		shrike_call(ctx, CALL_CERTIFICATES, body, NULL);
	else if (type == TLS_SERVER_HELLO)
		shrike_call(ctx, CALL_SERVER_HELLO, body, NULL);
	else
		client_hello(ctx, body);
}

/* ---- Fragments */

struct fragment {
	uint8_t type;
	uint32_t length, offset;
	uint16_t sequence;
	struct cursor bytes;
};

/* RFC 6347 4.2.2. */
static bool
fragment_next(struct cursor *in, struct fragment *f)
{
	uint32_t size;

	f->type = cursor_u8(in);
	f->length = cursor_be24(in);
	f->sequence = cursor_be16(in);
	f->offset = cursor_be24(in);
	size = cursor_be24(in);
	f->bytes = cursor_sub(in, size);
	return !cursor_bad(in) && f->offset <= f->length && size <= f->length - f->offset;
}

static void
assembly_drop(struct shrike_ctx *ctx, struct assembly *a)
{
	shrike_buffer_free(ctx, &a->buffer);
	*a = (struct assembly){0};
}

static void
assembly_begin(struct shrike_ctx *ctx, struct assembly *a, const struct fragment *f)
{
	assembly_drop(ctx, a);
	a->length = f->length;
	a->sequence = f->sequence;
	a->type = f->type;
	a->is_open = f->length <= DTLS_MESSAGE_MAX;
}

static bool
is_next(const struct assembly *a, const struct fragment *f)
{
	return a->is_open && a->type == f->type && a->sequence == f->sequence && a->length == f->length &&
	       f->offset <= a->buffer.used;
}

static void
assembly_add(struct shrike_ctx *ctx, struct assembly *a, const struct fragment *f)
{
	struct cursor bytes = f->bytes, joined;
	uint32_t known;

	if (!is_next(a, f))
		return;
	/* Fragments may overlap when they are sent again in another size. */
	known = a->buffer.used - f->offset;
	if (cursor_left(&bytes) <= known)
		return;
	cursor_skip(&bytes, known);
	if (!shrike_join(ctx, &a->buffer, bytes, DTLS_MESSAGE_MAX, &joined)) {
		assembly_drop(ctx, a);
		return;
	}
	if (cursor_left(&joined) < a->length) {
		shrike_keep(ctx, &a->buffer, joined);
		return;
	}
	message_parse(ctx, a->type, joined);
	assembly_drop(ctx, a);
}

static void
fragment_parse(struct shrike_ctx *ctx, const struct fragment *f)
{
	struct dtls_state *state = shrike_state(ctx);
	struct assembly *a = &state->side[shrike_direction(ctx)];

	if (!is_wanted(f->type))
		return;
	if (cursor_left(&f->bytes) == f->length) {
		message_parse(ctx, f->type, f->bytes);
		return;
	}
	if (f->offset == 0 && (!a->is_open || a->sequence != f->sequence || a->type != f->type))
		assembly_begin(ctx, a, f);
	assembly_add(ctx, a, f);
}

/* ---- Records */

static void
record_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct fragment f;

	while (cursor_left(&in) > DTLS_MESSAGE_HEADER && fragment_next(&in, &f))
		fragment_parse(ctx, &f);
}

static void
datagram_parse(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= DTLS_RECORD_HEADER) {
		uint8_t type = cursor_u8(&in);
		uint16_t epoch;
		struct cursor payload;

		cursor_skip(&in, 2); /* version */
		epoch = cursor_be16(&in);
		cursor_skip(&in, 6); /* sequence number */
		payload = cursor_sub(&in, cursor_be16(&in));
		/* From epoch 1 on it is encrypted (RFC 6347 4.1). */
		if (type == TLS_RECORD_HANDSHAKE && epoch == 0)
			record_parse(ctx, payload);
	}
}

static enum shrike_verdict
dtls_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct dtls_state *state = shrike_state(ctx);

	if (!state->is_dtls) {
		if (cursor_left(&in) < DTLS_FIRST_MIN || cursor_peek(&in, DTLS_TYPE_OFFSET) != TLS_CLIENT_HELLO)
			return SHRIKE_NOT_MINE;
		state->is_dtls = true;
		shrike_add_protocol(ctx, "dtls");
	}
	if (cursor_left(&in) < DTLS_RECORD_HEADER)
		return SHRIKE_MORE;
	if (cursor_peek(&in, 0) != TLS_RECORD_HANDSHAKE)
		return SHRIKE_DONE;
	datagram_parse(ctx, in);
	return SHRIKE_MORE;
}

static void *
dtls_create_local(const void *shared)
{
	(void)shared;
	return calloc(1, sizeof(struct dtls_local));
}

static const struct shrike_match dtls_match[] = {
	{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x16\x01\x00"), .min_bytes = DTLS_FIRST_MIN},
	{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x16\xfe\xff"), .min_bytes = DTLS_FIRST_MIN},
	{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x16\xfe\xfe"), .min_bytes = DTLS_FIRST_MIN},
	{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x16\xfe\xfd"), .min_bytes = DTLS_FIRST_MIN},
	{0},
};

static const struct shrike_parser dtls = {
	.api = SHRIKE_API,
	.name = "dtls",
	.match = dtls_match,
	.fields = dtls_fields,
	.n_fields = N_FIELDS,
	.calls = dtls_calls,
	.state_bytes = sizeof(struct dtls_state),
	.create = tls_conf_create,
	.destroy = free,
	.create_local = dtls_create_local,
	.destroy_local = free,
	.parse = dtls_parse,
};
SHRIKE_PARSER(dtls);
