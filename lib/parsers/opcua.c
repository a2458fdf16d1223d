/* OPC UA over TCP (OPC 10000-6, 7.1): which server a client asks for, and how the channel to it is secured.
 *
 * Of the client's Hello the address is recorded, of requests to open a channel the security policy and the sender's
 * certificate. All that is at the beginning of a session: four messages of a direction are read. */
#include "parser.h"

enum { F_ENDPOINT, F_POLICY, N_FIELDS };

static const struct field opcua_fields[N_FIELDS] = {
	[F_ENDPOINT] = {"opcua.endpointUrl", "opcua.endpointUrl", "opcua", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "OPC UA Endpoint URL", "Addresses that clients ask for", NULL},
	[F_POLICY] = {"opcua.securityPolicyUri", "opcua.securityPolicyUri", "opcua", "termfield", FIELD_STR_SET,
		      FIELD_COUNT | FIELD_TO_NUL, "OPC UA Security Policy", "Security policies of channels", NULL},
};

enum { CALL_CERTIFICATE };
static const char *const opcua_calls[] = {[CALL_CERTIFICATE] = "certs.one", NULL};

enum {
	HEADER_BYTES = 8, /* type, chunk type, length of all */
	TYPE_BYTES = 3,
	MESSAGE_MAX = 32768,
	MESSAGES_MAX = 4,
	HELLO_MIN = 32,
	HELLO_LIMITS_BYTES = 20, /* version and sizes, before the address */
	CHANNEL_ID_BYTES = 4,
	TEXT_MAX = 4096,
	CERTIFICATE_MAX = 16384,
	LENGTH_NULL = 0x80000000, /* a negative length: the value is not there */
};

struct opcua {
	struct shrike_buffer buffer[2];
	uint8_t n_messages[2];
};

enum type { TYPE_HELLO, TYPE_OPEN, TYPE_OTHER, TYPE_BAD };

/* A chunk type other than F is a part of a message, which is not looked into. */
static enum type
read_type(struct cursor *c)
{
	static const char names[][TYPE_BYTES + 1] = {
		[TYPE_HELLO] = "HEL", [TYPE_OPEN] = "OPN", "ACK", "ERR", "RHE", "CLO", "MSG"};
	const uint8_t *name = cursor_take(c, TYPE_BYTES);
	uint8_t chunk = cursor_u8(c);

	if (cursor_bad(c) || (chunk != 'F' && chunk != 'C' && chunk != 'A'))
		return TYPE_BAD;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (memcmp(name, names[i], TYPE_BYTES) == 0)
			return chunk == 'F' && i < TYPE_OTHER ? (enum type)i : TYPE_OTHER;
	return TYPE_BAD;
}

/* A length and so many bytes. False: too long, or not all there. A value that is not there is empty. */
static bool
read_value(struct cursor *c, uint32_t max, struct cursor *value)
{
	uint32_t length = cursor_le32(c);

	if (length >= LENGTH_NULL)
		length = 0;
	if (length > max)
		return false;
	*value = cursor_sub(c, length);
	return !cursor_bad(c);
}

static void
hello(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor address;

	if (cursor_left(&in) < HELLO_MIN - HEADER_BYTES)
		return;
	cursor_skip(&in, HELLO_LIMITS_BYTES);
	if (read_value(&in, TEXT_MAX, &address) && cursor_left(&address) > 0)
		shrike_emit_rest(ctx, F_ENDPOINT, &address);
}

static void
open_channel(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor policy, certificate;

	cursor_skip(&in, CHANNEL_ID_BYTES);
	if (!read_value(&in, TEXT_MAX, &policy))
		return;
	if (cursor_left(&policy) > 0)
		shrike_emit_rest(ctx, F_POLICY, &policy);
	if (read_value(&in, CERTIFICATE_MAX, &certificate) && cursor_left(&certificate) > 0)
		(void)shrike_call(ctx, CALL_CERTIFICATE, certificate, NULL);
}

/* False: these are no messages, or enough of them. */
static bool
messages(struct shrike_ctx *ctx, uint8_t *n_messages, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		struct cursor c = *in, body;
		enum type type = read_type(&c);
		uint32_t length = cursor_le32(&c);

		if (type == TYPE_BAD || length < HEADER_BYTES || length > MESSAGE_MAX)
			return false;
		if (length > cursor_left(in))
			return true;
		body = cursor_sub(&c, length - HEADER_BYTES);
		*in = c;
		if (type == TYPE_HELLO)
			hello(ctx, body);
		else if (type == TYPE_OPEN)
			open_channel(ctx, body);
		if (++*n_messages >= MESSAGES_MAX)
			return false;
	}
	return true;
}

static bool
is_opcua(struct cursor in)
{
	enum { LENGTH_MAX = 16 * 1024 * 1024 };
	uint32_t length;

	cursor_skip(&in, HEADER_BYTES - sizeof(length));
	length = cursor_le32(&in);
	return !cursor_bad(&in) && length >= HEADER_BYTES && length <= LENGTH_MAX;
}

static enum shrike_verdict
opcua_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct opcua *state = shrike_state(ctx);
	unsigned direction = shrike_direction(ctx);
	struct shrike_buffer *buffer = &state->buffer[direction];
	struct cursor joined;

	if (!shrike_has_protocol(ctx, "opcua")) {
		if (!is_opcua(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "opcua");
	}
	if (!shrike_join(ctx, buffer, in, MESSAGE_MAX, &joined) ||
	    !messages(ctx, &state->n_messages[direction], &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser opcua = {
	.api = SHRIKE_API,
	.name = "opcua",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("HELF")}, {0}},
	.fields = opcua_fields,
	.n_fields = N_FIELDS,
	.calls = opcua_calls,
	.state_bytes = sizeof(struct opcua),
	.parse = opcua_parse,
};
SHRIKE_PARSER(opcua);
