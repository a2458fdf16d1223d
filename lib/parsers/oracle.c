/* Oracle Net (TNS): who connects from where to which service.
 *
 * Read is the client's first packet (type 1, connect): a header, then connect data as text,
 * "(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=...)(CID=(HOST=...)(USER=...)))...)". There is no public standard. */
#include "parser.h"
#include "text.h"

enum { F_USER, F_HOST, F_HOST_TOKENS, F_SERVICE, N_FIELDS };

static const struct field oracle_fields[N_FIELDS] = {
	[F_USER] = {"oracle.user", "oracle.user", "oracle", "lotermfield", FIELD_STR, FIELD_LINKED, "User",
		    "User of the client's machine", "category=user"},
	[F_HOST] = {"oracle.host", "oracle.host", "oracle", "lotermfield", FIELD_STR, FIELD_LINKED, "Oracle Host",
		    "Name of the client's machine", "category=host; aliases=[\"host.oracle\"]"},
	[F_HOST_TOKENS] = {"oracle.hostTokens", "oracle.host.tokens", "oracle", "lotextfield", FIELD_STR, FIELD_FAKE,
			   "Hostname Tokens", "Words of the name", "aliases=[\"host.oracle.tokens\"]"},
	[F_SERVICE] = {"oracle.service", "oracle.service", "oracle", "lotermfield", FIELD_STR, FIELD_LINKED, "Service",
		       "Service that the client asks for", NULL},
};

enum {
	CONNECT_MIN_BYTES = 28,
	CONNECT_MAX_BYTES = 8192, /* where it is in several segments */
	DATA_PLACE = 24,	  /* of the size of the connect data, and of where they begin */
};

static const struct {
	const char *key;
	unsigned field;
} keys[] = {{"HOST=", F_HOST}, {"USER=", F_USER}, {"SERVICE_NAME=", F_SERVICE}};

/* Connect data end with the packet. */
static bool
read_connect(struct cursor in, struct cursor *data)
{
	size_t size = cursor_left(&in);
	struct cursor c = in;
	uint16_t offset;

	if (size < CONNECT_MIN_BYTES || cursor_be16(&c) != size)
		return false;
	c = in;
	cursor_skip(&c, DATA_PLACE);
	size -= cursor_be16(&c);
	offset = cursor_be16(&c);
	cursor_skip(&in, offset);
	*data = in;
	return offset == size;
}

static void
emit_value(struct shrike_ctx *ctx, unsigned field, const char *key, struct cursor data)
{
	struct cursor value;
	ptrdiff_t place = text_find(data.p, cursor_left(&data), key);

	if (place < 0)
		return;
	cursor_skip(&data, (size_t)place + strlen(key));
	value = cursor_until(&data, ')');
	if (!cursor_bad(&data))
		shrike_emit_lower(ctx, field, value.p, cursor_left(&value));
}

struct oracle_state {
	struct shrike_buffer buffer;
};

/* It lies in several segments, and more of it has to come. */
static bool
is_begun(struct cursor in)
{
	size_t size = cursor_left(&in), length = cursor_be16(&in);

	return length >= CONNECT_MIN_BYTES && length <= CONNECT_MAX_BYTES && size < length;
}

static enum shrike_verdict
oracle_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct oracle_state *state = shrike_state(ctx);
	struct cursor data;

	if (shrike_direction(ctx) != 0 || !shrike_join(ctx, &state->buffer, in, CONNECT_MAX_BYTES, &in))
		return SHRIKE_NOT_MINE;
	if (is_begun(in)) {
		shrike_keep(ctx, &state->buffer, in);
		return SHRIKE_MORE;
	}
	if (!read_connect(in, &data))
		return SHRIKE_NOT_MINE;
	shrike_add_protocol(ctx, "oracle");
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		emit_value(ctx, keys[i].field, keys[i].key, data);
	return SHRIKE_DONE;
}

static const struct shrike_parser oracle = {
	.api = SHRIKE_API,
	.name = "oracle",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP, .offset = 2, SHRIKE_BYTES("\0\0\1\0\0\0")},
			{0},
		},
	.fields = oracle_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct oracle_state),
	.parse = oracle_parse,
};
SHRIKE_PARSER(oracle);
