/* MySQL and MariaDB: the version of the server and the user who logs in.
 *
 * Read are the server's first packet (HandshakeV10) and the client's answer (HandshakeResponse41, or an SSLRequest,
 * after which TLS begins); then the parser is done. A packet is a length of 3 bytes (LE), a sequence number and its
 * payload. Limits: VERSION_MAX_BYTES, LOGIN_MAX_BYTES. */

#include <stdlib.h>

#include "parser.h"

struct mysql_conf {
	bool long_logins;
};

static const struct setting mysql_settings[] = {
	SETTING_BOOL(struct mysql_conf, long_logins, "mysqlLongLogins", "true",
		     "MySQL logins of more than 255 bytes are read too, as clients with attributes send them"),
};
SETTINGS(mysql, "MySQL", mysql_settings);

enum { F_USER, F_VERSION, N_FIELDS };

static const struct field mysql_fields[N_FIELDS] = {
	[F_USER] = {"mysql.user", "mysql.user", "mysql", "lotermfield", FIELD_STR, FIELD_LINKED, "User",
		    "User who logs in", "category=user"},
	[F_VERSION] = {"mysql.version", "mysql.ver", "mysql", "termfield", FIELD_STR, FIELD_LINKED, "Version",
		       "Version of the server", NULL},
};

enum {
	VERSION_OFFSET = 5,
	VERSION_MAX_BYTES = 255,
	HEADER_BYTES = 4,
	FLAGS_OFFSET = 4, /* of the client's capabilities, and USER_OFFSET: from the packet's first byte */
	USER_OFFSET = 36,
	LOGIN_MIN_BYTES = 32,
	LOGIN_MAX_BYTES = 16384,
	LOGIN_SHORT_MAX_BYTES = 255, /* without mysqlLongLogins */
	BUFFER_MAX_BYTES = HEADER_BYTES + LOGIN_MAX_BYTES,
	SEQUENCE_MAX = 2,
	CLIENT_SSL = 0x0800,
};

struct mysql {
	bool has_version, wants_tls;
	uint8_t version_size;
	char version[VERSION_MAX_BYTES];
	struct shrike_buffer buffer[2];
};

enum read { READ_OK, READ_MORE, READ_BAD };

/* Printable bytes up to a zero, which has to come among the first 'max' of them. */
static enum read
read_text(struct cursor c, size_t max, struct cursor *text)
{
	const uint8_t *zero;

	cursor_limit(&c, max + 1);
	zero = memchr(c.p, '\0', cursor_left(&c));
	*text = zero != NULL ? cursor_until(&c, '\0') : c;
	for (size_t i = 0; i < cursor_left(text); i++)
		if (cursor_peek(text, i) < ' ' || cursor_peek(text, i) > '~')
			return READ_BAD;
	if (zero != NULL)
		return READ_OK;
	return cursor_left(text) > max ? READ_BAD : READ_MORE;
}

static enum shrike_verdict
greeting(struct shrike_ctx *ctx, struct mysql *s, struct cursor in)
{
	struct cursor joined, text;

	if (!shrike_join(ctx, &s->buffer[1], in, BUFFER_MAX_BYTES, &joined))
		return SHRIKE_NOT_MINE;
	text = joined;
	cursor_skip(&text, VERSION_OFFSET);
	switch (cursor_bad(&text) ? READ_MORE : read_text(text, VERSION_MAX_BYTES, &text)) {
	case READ_BAD:
		return SHRIKE_NOT_MINE;
	case READ_MORE:
		shrike_keep(ctx, &s->buffer[1], joined);
		return SHRIKE_MORE;
	case READ_OK:
		break;
	}
	if (cursor_left(&text) == 0)
		return SHRIKE_NOT_MINE;
	s->has_version = true;
	s->version_size = (uint8_t)cursor_left(&text);
	memcpy(s->version, text.p, s->version_size);
	shrike_buffer_free(ctx, &s->buffer[1]);
	return SHRIKE_MORE;
}

static uint32_t
le24(struct cursor *c)
{
	uint32_t low = cursor_le16(c);

	return low | (uint32_t)cursor_u8(c) << 16;
}

/* The client's packet; its user is empty in an SSLRequest, which ends before it. */
static enum read
read_login(struct cursor c, uint32_t max, uint32_t *size, bool *wants_tls, struct cursor *user)
{
	struct cursor packet = c;
	uint32_t length = le24(&c);
	uint8_t sequence = cursor_u8(&c);

	if (cursor_bad(&c))
		return READ_MORE;
	if (length < LOGIN_MIN_BYTES || length > max || sequence > SEQUENCE_MAX)
		return READ_BAD;
	*size = HEADER_BYTES + length;
	if (cursor_left(&packet) < *size)
		return READ_MORE;
	cursor_limit(&packet, *size);
	c = packet;
	cursor_skip(&c, FLAGS_OFFSET);
	*wants_tls = (cursor_le16(&c) & CLIENT_SSL) != 0;
	cursor_skip(&packet, USER_OFFSET);
	*user = packet;
	if (cursor_left(&packet) == 0)
		return READ_OK;
	return read_text(packet, LOGIN_MAX_BYTES, user) == READ_OK ? READ_OK : READ_BAD;
}

static enum shrike_verdict
login(struct shrike_ctx *ctx, struct mysql *s, struct cursor in)
{
	const struct mysql_conf *conf = shrike_shared(ctx);
	uint32_t size, max = conf->long_logins ? LOGIN_MAX_BYTES : LOGIN_SHORT_MAX_BYTES;
	struct cursor joined, user;

	if (!s->has_version || !shrike_join(ctx, &s->buffer[0], in, BUFFER_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	switch (read_login(joined, max, &size, &s->wants_tls, &user)) {
	case READ_BAD:
		return SHRIKE_DONE;
	case READ_MORE:
		shrike_keep(ctx, &s->buffer[0], joined);
		return SHRIKE_MORE;
	case READ_OK:
		break;
	}
	shrike_add_protocol(ctx, "mysql");
	shrike_emit_bytes(ctx, F_VERSION, s->version, s->version_size);
	if (cursor_left(&user) > 0)
		shrike_emit_lower(ctx, F_USER, user.p, cursor_left(&user));
	if (!s->wants_tls)
		return SHRIKE_DONE;
	/* What is left of this chunk, if anything, is TLS. */
	cursor_skip(&joined, size);
	if (cursor_left(&joined) == 0) {
		shrike_buffer_free(ctx, &s->buffer[0]);
		return SHRIKE_MORE;
	}
	cursor_skip(&in, cursor_left(&in) - cursor_left(&joined));
	shrike_reclassify(ctx, in);
	return SHRIKE_DONE;
}

static enum shrike_verdict
mysql_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct mysql *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	if (!s->has_version && d == 1)
		return greeting(ctx, s, in);
	if (!s->has_version)
		return SHRIKE_NOT_MINE;
	if (d == 1)
		return SHRIKE_MORE;
	if (!s->wants_tls)
		return login(ctx, s, in);
	shrike_reclassify(ctx, in);
	return SHRIKE_DONE;
}

static void *
mysql_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct mysql_conf *settings = calloc(1, sizeof(*settings));

	(void)setup;
	if (settings != NULL)
		conf_fill(conf, &mysql_settings_group, settings);
	return settings;
}

static const struct shrike_match mysql_match[] = {
	{.transports = SHRIKE_TCP, .offset = 1, SHRIKE_BYTES("\0\0\0\x0a")},
	{0},
};

static const struct shrike_parser mysql = {
	.api = SHRIKE_API,
	.name = "mysql",
	.match = mysql_match,
	.fields = mysql_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct mysql),
	.create = mysql_create,
	.destroy = free,
	.parse = mysql_parse,
};
SHRIKE_PARSER(mysql);
