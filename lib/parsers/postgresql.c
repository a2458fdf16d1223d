/* PostgreSQL: who logs in to which database, with what.
 *
 * Read is what the client says first (the protocol's version 3): an SSLRequest perhaps, then the startup message with
 * its pairs of names and values. Then the parser is done. Limit: a startup message has at most STARTUP_MAX_BYTES, which
 * is the server's limit too. */

#include "parser.h"
#include "text.h"

enum { F_USER, F_DB, F_APP, N_FIELDS };

static const struct field postgresql_fields[N_FIELDS] = {
	[F_USER] = {"postgresql.user", "postgresql.user", "postgresql", "termfield", FIELD_STR, FIELD_LINKED, "User",
		    "User who logs in", "category=user"},
	[F_DB] = {"postgresql.db", "postgresql.db", "postgresql", "termfield", FIELD_STR, FIELD_LINKED, "Database",
		  "Database that the user asks for", NULL},
	[F_APP] = {"postgresql.app", "postgresql.app", "postgresql", "termfield", FIELD_STR, FIELD_LINKED,
		   "Application", "Name that the client gives itself", NULL},
};

enum {
	HEADER_BYTES = 8,
	STARTUP_MIN_BYTES = 16,
	STARTUP_MAX_BYTES = 10000,
	VERSION_MAJOR = 3,
	SSL_REQUEST = 80877103,
};

struct postgresql {
	bool is_postgresql;
	unsigned client; /* its direction */
	struct shrike_buffer buffer;
};

static const struct {
	const char *key;
	unsigned field;
} keys[N_FIELDS] = {{"user", F_USER}, {"database", F_DB}, {"application_name", F_APP}};

static void
emit_pair(struct shrike_ctx *ctx, const struct cursor *key, const struct cursor *value)
{
	for (unsigned i = 0; i < N_FIELDS; i++) {
		if (cursor_left(key) != strlen(keys[i].key) || memcmp(key->p, keys[i].key, cursor_left(key)) != 0)
			continue;
		shrike_emit_rest(ctx, keys[i].field, value);
		if (keys[i].field == F_USER)
			shrike_add_protocol(ctx, "postgresql");
	}
}

/* Pairs up to an empty name. */
static void
startup(struct shrike_ctx *ctx, struct cursor pairs)
{
	while (cursor_left(&pairs) > 0) {
		struct cursor key = cursor_until(&pairs, '\0');
		struct cursor value = cursor_until(&pairs, '\0');

		if (cursor_bad(&pairs) || cursor_left(&key) == 0)
			return;
		emit_pair(ctx, &key, &value);
	}
}

enum message { MESSAGE_OTHER, MESSAGE_CUT, MESSAGE_SSL_REQUEST, MESSAGE_STARTUP };

static enum message
read_message(struct cursor c, struct cursor *pairs)
{
	uint32_t size = cursor_be32(&c);
	uint32_t code = cursor_be32(&c);

	if (cursor_bad(&c))
		return MESSAGE_CUT;
	if (size == HEADER_BYTES && code == SSL_REQUEST)
		return MESSAGE_SSL_REQUEST;
	if (code >> 16 != VERSION_MAJOR || size < STARTUP_MIN_BYTES || size > STARTUP_MAX_BYTES)
		return MESSAGE_OTHER;
	if (cursor_left(&c) < size - HEADER_BYTES)
		return MESSAGE_CUT;
	*pairs = cursor_sub(&c, size - HEADER_BYTES);
	return MESSAGE_STARTUP;
}

static enum shrike_verdict
postgresql_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct postgresql *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);
	struct cursor joined, pairs;

	if (!s->is_postgresql && s->buffer.used == 0)
		s->client = d;
	if (d != s->client)
		return SHRIKE_MORE;
	if (!shrike_join(ctx, &s->buffer, in, STARTUP_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	for (;;) {
		switch (read_message(joined, &pairs)) {
		case MESSAGE_OTHER:
			return s->is_postgresql ? SHRIKE_DONE : SHRIKE_NOT_MINE;
		case MESSAGE_CUT:
			shrike_keep(ctx, &s->buffer, joined);
			return SHRIKE_MORE;
		case MESSAGE_SSL_REQUEST:
			shrike_add_protocol(ctx, "postgresql");
			s->is_postgresql = true;
			cursor_skip(&joined, HEADER_BYTES);
			continue;
		case MESSAGE_STARTUP:
			startup(ctx, pairs);
			return SHRIKE_DONE;
		}
	}
}

static const struct shrike_match postgresql_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\0\0")},
	{0},
};

static const struct shrike_parser postgresql = {
	.api = SHRIKE_API,
	.name = "postgresql",
	.match = postgresql_match,
	.fields = postgresql_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct postgresql),
	.parse = postgresql_parse,
};
SHRIKE_PARSER(postgresql);
