/* Modbus over TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, MODBUS Application Protocol V1.1b3).
 *
 * A message is the MBAP header (transaction, protocol 0, length, unit) and a PDU that begins with its function code.
 * Recorded are transactions and functions that the client asks for and exceptions that the server answers with; unit
 * and protocol only of messages that end in a direction's first chunk. The server is the side with port 502. */
#include "parser.h"

enum { F_UNIT, F_TRANSACTION, F_PROTOCOL, F_FUNCTION, F_EXCEPTION, N_FIELDS };

static const struct field modbus_fields[N_FIELDS] = {
	[F_UNIT] = {"modbus.unitid", "modbus.unitid", "modbus", "integer", FIELD_INT, 0, "Modbus Unit ID",
		    "Unit that is asked", NULL},
	[F_TRANSACTION] = {"modbus.transactionid", "modbus.transactionid", "modbus", "integer", FIELD_INT_SET,
			   FIELD_COUNT, "Modbus Transaction IDs", "Transactions that the client began", NULL},
	[F_PROTOCOL] = {"modbus.protocolid", "modbus.protocolid", "modbus", "integer", FIELD_INT, 0,
			"Modbus Protocol ID", "Protocol in the header, 0", NULL},
	[F_FUNCTION] = {"modbus.funccode", "modbus.funccode", "modbus", "integer", FIELD_INT_SET, FIELD_COUNT,
			"Modbus Function Code", "Functions that the client asked for", NULL},
	[F_EXCEPTION] = {"modbus.exccode", "modbus.exccode", "modbus", "integer", FIELD_INT_SET, FIELD_COUNT,
			 "Modbus Exception Code", "Exceptions that the server answered with", NULL},
};

enum {
	MODBUS_PORT = 502,
	PROTOCOL_MODBUS = 0,
	PREFIX_BYTES = 6, /* of the header: all that its length does not count */
	CLASSIFY_BYTES_MIN = 7,
	LENGTH_MIN = 2, /* unit and function */
	LENGTH_MAX = 255,
	EXCEPTION_LENGTH_MIN = 3,
	FUNCTION_IS_EXCEPTION = 0x80,
	MESSAGE_MAX_BYTES = PREFIX_BYTES + LENGTH_MAX,
};

struct modbus_side {
	struct shrike_buffer buffer;
	bool has_begun;
};

struct modbus_state {
	struct modbus_side side[2];
	bool is_modbus;
};

struct message {
	uint16_t transaction, protocol, length;
	uint8_t unit, function, exception;
};

enum read { READ_OK, READ_MORE, READ_BAD };

/* The first payload has to be one message and nothing else. */
static bool
is_modbus(struct cursor in)
{
	size_t size = cursor_left(&in);

	cursor_skip(&in, 2);
	return size >= CLASSIFY_BYTES_MIN && cursor_be16(&in) == PROTOCOL_MODBUS &&
	       cursor_be16(&in) == size - PREFIX_BYTES;
}

static enum read
read_message(struct cursor *in, struct message *m)
{
	struct cursor c = *in, body;

	m->transaction = cursor_be16(&c);
	m->protocol = cursor_be16(&c);
	m->length = cursor_be16(&c);
	if (cursor_bad(&c))
		return READ_MORE;
	if (m->protocol != PROTOCOL_MODBUS || m->length < LENGTH_MIN || m->length > LENGTH_MAX)
		return READ_BAD;
	body = cursor_sub(&c, m->length);
	if (cursor_bad(&c))
		return READ_MORE;
	m->unit = cursor_u8(&body);
	m->function = cursor_u8(&body);
	m->exception = cursor_u8(&body);
	*in = c;
	return READ_OK;
}

static void
emit_message(struct shrike_ctx *ctx, const struct message *m)
{
	unsigned server = shrike_port(ctx, 1) == MODBUS_PORT ? 1 : 0;

	if (shrike_direction(ctx) != server) {
		shrike_emit_int(ctx, F_TRANSACTION, m->transaction);
		shrike_emit_int(ctx, F_FUNCTION, m->function);
	} else if ((m->function & FUNCTION_IS_EXCEPTION) != 0 && m->length >= EXCEPTION_LENGTH_MIN) {
		shrike_emit_int(ctx, F_EXCEPTION, m->exception);
	}
}

static enum shrike_verdict
messages(struct shrike_ctx *ctx, struct modbus_side *side, struct cursor *in)
{
	enum read read;
	struct message m;

	while ((read = read_message(in, &m)) == READ_OK) {
		if (!side->has_begun) {
			shrike_emit_int(ctx, F_UNIT, m.unit);
			shrike_emit_int(ctx, F_PROTOCOL, m.protocol);
		}
		emit_message(ctx, &m);
	}
	side->has_begun = true;
	return read == READ_BAD ? SHRIKE_DONE : SHRIKE_MORE;
}

static enum shrike_verdict
modbus_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct modbus_state *state = shrike_state(ctx);
	struct modbus_side *side = &state->side[shrike_direction(ctx)];
	struct cursor joined;

	if (!state->is_modbus) {
		if (!is_modbus(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "modbus");
		state->is_modbus = true;
	}
	if (!shrike_join(ctx, &side->buffer, in, MESSAGE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (messages(ctx, side, &joined) == SHRIKE_DONE)
		return SHRIKE_DONE;
	shrike_keep(ctx, &side->buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser modbus = {
	.api = SHRIKE_API,
	.name = "modbus",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, .port = MODBUS_PORT}, {0}},
	.fields = modbus_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct modbus_state),
	.parse = modbus_parse,
};
SHRIKE_PARSER(modbus);
