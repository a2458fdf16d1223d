/* ClientHello and ServerHello (RFC 8446 4.1; RFC 5246 7.4.1), whoever carries them: TLS, QUIC, STARTTLS, OpenVPN.
 *
 * One pass over the extensions picks out what is recorded, and the fingerprints are made of what it found. A message
 * that is cut short gives what was there: the version and the ciphers of half a hello are still true. No state; the
 * scratch space is the worker's, because a list of ciphers is too large for the stack of a function that is called for
 * every hello.
 *
 * Limits: JA4_..._MAX numbers are listed; a JA3 text longer than TLS_JA3_MAX is not a client's, and gives no JA3. */
#include <stdio.h>

#include "tls_priv.h"

/* What of a ClientHello is wanted; cursors into the message. */
struct client_hello {
	uint16_t version;
	struct cursor session_id, ciphers, extensions;
	struct cursor name, groups, formats;
	bool has_name, has_ech, has_esni;
};

const char *
tls_version_name(uint16_t version, char out[TLS_VERSION_TEXT])
{
	static const char *const names[] = {"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

	if (version == 0x0002)
		return "SSLv2";
	if (version >= TLS_VERSION_SSL3 && version <= TLS_VERSION_1_3)
		return names[version - TLS_VERSION_SSL3];
	if (version >> 8 == 0x7f)
		snprintf(out, TLS_VERSION_TEXT, "TLSv1.3-draft-%02u", version & 0xffu);
	else
		snprintf(out, TLS_VERSION_TEXT, "0x%04x", version);
	return out;
}

const char *
ja4_version(uint16_t version)
{
	static const char *const names[] = {"s3", "10", "11", "12", "13"};

	if (version == 0x0002)
		return "s2";
	if (version < TLS_VERSION_SSL3 || version > TLS_VERSION_1_3)
		return "00";
	return names[version - TLS_VERSION_SSL3];
}

/* ---- Client */

static void
read_extension(struct client_hello *h, uint16_t id, struct cursor data)
{
	switch (id) {
	case TLS_EXTENSION_SERVER_NAME:
		h->has_name = tls_server_name(data, &h->name) || h->has_name;
		break;
	case TLS_EXTENSION_GROUPS:
		h->groups = tls_take_list(&data, 2);
		break;
	case TLS_EXTENSION_POINT_FORMATS:
		h->formats = tls_take_list(&data, 1);
		break;
	case TLS_EXTENSION_ECH:
		h->has_ech = true;
		break;
	case TLS_EXTENSION_ESNI:
		h->has_esni = true;
		break;
	default:
		break;
	}
}

static bool
read_client_hello(struct cursor in, struct client_hello *h, struct ja4 *ja4, char transport)
{
	struct cursor extensions;

	h->version = cursor_be16(&in);
	cursor_skip(&in, 32);
	h->session_id = cursor_sub(&in, cursor_u8(&in));
	if (cursor_bad(&in))
		return false;
	h->ciphers = tls_take_list(&in, 2);
	(void)tls_take_list(&in, 1); /* compression methods */
	h->extensions = extensions = tls_take_list(&in, 2);

	ja4_reset(ja4, transport, h->version);
	ja4_add_ciphers(ja4, h->ciphers);
	while (cursor_left(&extensions) >= 4) {
		uint16_t id = cursor_be16(&extensions);
		struct cursor data = tls_take_list(&extensions, 2);

		read_extension(h, id, data);
		ja4_add_extension(ja4, id, data);
	}
	return true;
}

/* The numbers of all extensions, also of one that is longer than the rest. */
static void
put_extension_ids(struct tls_text *t, struct cursor extensions, bool with_grease)
{
	bool first = true;

	while (cursor_left(&extensions) >= 4 && !t->full) {
		uint16_t id = cursor_be16(&extensions);

		(void)tls_take_list(&extensions, 2);
		if (!with_grease && tls_is_grease(id))
			continue;
		if (!first)
			tls_text_byte(t, '-');
		tls_text_decimal(t, id);
		first = false;
	}
}

static void
put_formats(struct tls_text *t, struct cursor formats)
{
	while (cursor_left(&formats) > 0) {
		tls_text_decimal(t, cursor_u8(&formats));
		if (cursor_left(&formats) > 0)
			tls_text_byte(t, '-');
	}
}

static void
emit_digest(struct shrike_ctx *ctx, const struct tls_text *t, unsigned hash_field, unsigned text_field)
{
	const struct tls_conf *conf = shrike_shared(ctx);
	uint8_t digest[32];

	if (t->full)
		return;
	shrike_emit_hex(ctx, hash_field, digest, shrike_digest_of(ctx, SHRIKE_MD5, t->bytes, t->size, digest));
	if (conf->ja3_strings)
		shrike_emit_bytes(ctx, text_field, t->bytes, t->size);
}

/* "version,ciphers,extensions,groups,formats" */
static void
emit_ja3(struct shrike_ctx *ctx, struct tls_local *local, const struct client_hello *h)
{
	struct tls_text t = {.bytes = local->ja3, .capacity = sizeof(local->ja3)};

	tls_text_decimal(&t, h->version);
	tls_text_byte(&t, ',');
	tls_text_list(&t, h->ciphers);
	tls_text_byte(&t, ',');
	put_extension_ids(&t, h->extensions, false);
	tls_text_byte(&t, ',');
	tls_text_list(&t, h->groups);
	tls_text_byte(&t, ',');
	put_formats(&t, h->formats);
	emit_digest(ctx, &t, TLS_F_JA3, TLS_F_JA3_STRING);
}

static void
emit_ja4(struct shrike_ctx *ctx, struct tls_local *local)
{
	const struct tls_conf *conf = shrike_shared(ctx);
	size_t raw_size, text_size;
	char text[JA4_TEXT_MAX];

	ja4_finish(ctx, &local->ja4, ja4_version(local->ja4.version), local->ja4_raw, &raw_size, text, &text_size);
	shrike_emit_bytes(ctx, TLS_F_JA4, text, text_size);
	if (conf->ja4_raw)
		shrike_emit_bytes(ctx, TLS_F_JA4_RAW, local->ja4_raw, raw_size);
}

int
tls_client_hello(struct shrike_ctx *ctx, struct cursor body, void *argument)
{
	enum { IP_PROTOCOL_TCP = 6 };
	struct tls_local *local = shrike_local(ctx);
	struct client_hello h = {0};

	(void)argument;
	if (!read_client_hello(body, &h, &local->ja4, shrike_ip_protocol(ctx) == IP_PROTOCOL_TCP ? 't' : 'q'))
		return 0;
	if (cursor_left(&h.session_id) > 0)
		shrike_emit_hex(ctx, TLS_F_SOURCE_ID, h.session_id.p, cursor_left(&h.session_id));
	if (h.has_name)
		shrike_emit_rest(ctx, TLS_F_HOST, &h.name);
	if (h.has_esni)
		shrike_add_tag(ctx, "tls:has_esni");
	if (h.has_ech)
		shrike_add_tag(ctx, "tls:has_ech");
	emit_ja3(ctx, local, &h);
	emit_ja4(ctx, local);
	return 1;
}

/* ---- Server */

struct server_hello {
	uint16_t version, cipher, chosen_version;
	struct cursor session_id, extensions;
	bool is_http2;
};

static void
read_server_extensions(struct server_hello *h)
{
	static const uint8_t h2[] = {0, 3, 2, 'h', '2'};
	struct cursor extensions = h->extensions;

	while (cursor_left(&extensions) >= 4) {
		uint16_t id = cursor_be16(&extensions);
		struct cursor data = tls_take_list(&extensions, 2);

		if (id == TLS_EXTENSION_VERSIONS && cursor_left(&data) == 2)
			h->chosen_version = cursor_be16(&data);
		else if (id == TLS_EXTENSION_ALPN && cursor_left(&data) == sizeof(h2))
			h->is_http2 = memcmp(data.p, h2, sizeof(h2)) == 0;
	}
}

/* RFC 8446 4.1.3. The early drafts of TLS 1.3 (7fXX) had neither session id nor, until draft 22, compression. */
static bool
read_server_hello(struct cursor in, struct server_hello *h)
{
	h->version = cursor_be16(&in);
	cursor_skip(&in, 32);
	if (h->version >= TLS_VERSION_SSL3 && h->version <= TLS_VERSION_1_2)
		h->session_id = cursor_sub(&in, cursor_u8(&in));
	h->cipher = cursor_be16(&in);
	if (cursor_bad(&in))
		return false;
	if (h->version < 0x0700 || h->version >= 0x7f16)
		cursor_skip(&in, 1);
	h->extensions = tls_take_list(&in, 2);
	read_server_extensions(h);
	return true;
}

/* TLS 1.3 calls itself 1.2 and says what it is in an extension (RFC 8446 4.2.1). */
static void
emit_version(struct shrike_ctx *ctx, const struct server_hello *h)
{
	uint16_t version = h->version;
	char text[TLS_VERSION_TEXT];

	if (version == TLS_VERSION_1_2 && h->chosen_version == TLS_VERSION_1_3)
		version = TLS_VERSION_1_3;
	shrike_emit_str(ctx, TLS_F_VERSION, tls_version_name(version, text));
}

static void
emit_cipher(struct shrike_ctx *ctx, uint16_t cipher)
{
	const char *name = tls_cipher_name(cipher);

	if (name != NULL)
		shrike_emit_str(ctx, TLS_F_CIPHER, name);
	else
		shrike_emit_format(ctx, TLS_F_CIPHER, "0x%04x", cipher);
}

/* "version,cipher,extensions" */
static void
emit_ja3s(struct shrike_ctx *ctx, struct tls_local *local, const struct server_hello *h)
{
	struct tls_text t = {.bytes = local->ja3, .capacity = sizeof(local->ja3)};

	tls_text_decimal(&t, h->version);
	tls_text_byte(&t, ',');
	tls_text_decimal(&t, h->cipher);
	tls_text_byte(&t, ',');
	put_extension_ids(&t, h->extensions, true);
	emit_digest(ctx, &t, TLS_F_JA3S, TLS_F_JA3S_STRING);
}

int
tls_server_hello(struct shrike_ctx *ctx, struct cursor body, void *argument)
{
	struct server_hello h = {0};

	(void)argument;
	if (!read_server_hello(body, &h))
		return 0;
	emit_version(ctx, &h);
	if (cursor_left(&h.session_id) > 0)
		shrike_emit_hex(ctx, TLS_F_DESTINATION_ID, h.session_id.p, cursor_left(&h.session_id));
	emit_cipher(ctx, h.cipher);
	if (h.is_http2)
		shrike_add_protocol(ctx, "http2");
	emit_ja3s(ctx, shrike_local(ctx), &h);
	return 1;
}
