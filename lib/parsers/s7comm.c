/* S7comm and S7comm-plus, which Siemens controllers speak: TPKT (RFC 1006) and COTP (RFC 905) below a protocol without
 * a public standard.
 *
 * A connection is recognised by a COTP connection request or confirm that names transport selectors, or by a data unit
 * whose user data begin with a protocol id. Recorded are, of S7comm, the kind of each message (ROSCTR), its reference,
 * error and function; of S7comm-plus, operations. Connections without such messages are not marked. */
#include "parser.h"
#include "tpkt.h"

enum {
	F_ROSCTR,
	F_FUNCTION,
	F_FUNCTION_NAME,
	F_REFERENCE,
	F_ERROR_CLASS,
	F_ERROR_CODE,
	F_OPERATION,
	N_FIELDS,
};

static const struct field s7comm_fields[N_FIELDS] = {
	[F_ROSCTR] = {"s7comm.rosctr", "s7comm.rosctr", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
		      "S7comm ROSCTR", "Kinds of messages: 1 job, 2 acknowledgement, 3 the same with data, 7 user data",
		      NULL},
	[F_FUNCTION] = {"s7comm.func", "s7comm.func", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
			"S7comm Function Code", "Functions, as numbers", NULL},
	[F_FUNCTION_NAME] = {"s7comm.funcName", "s7comm.funcName", "s7comm", "termfield", FIELD_STR_SET,
			     FIELD_COUNT | FIELD_TO_NUL, "S7comm Function Name", "Functions, by name", NULL},
	[F_REFERENCE] = {"s7comm.pduref", "s7comm.pduref", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
			 "S7comm PDU Reference", "Numbers that belong to a job and to its answer", NULL},
	[F_ERROR_CLASS] = {"s7comm.errorClass", "s7comm.errorClass", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
			   "S7comm Error Class", "Classes of errors that were answered", NULL},
	[F_ERROR_CODE] = {"s7comm.errorCode", "s7comm.errorCode", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
			  "S7comm Error Code", "Errors that were answered", NULL},
	[F_OPERATION] = {"s7comm.opcode", "s7comm.opcode", "s7comm", "integer", FIELD_INT_SET, FIELD_COUNT,
			 "S7comm-plus Opcode", "Operations of S7comm-plus", NULL},
};

enum {
	TPKT_MAX = 8192,
	CLASSIFY_BYTES_MIN = 7,
	COTP_REQUEST = 0xe, /* the high half of the type */
	COTP_CONFIRM = 0xd,
	COTP_DATA = 0xf,
	COTP_PARAMETERS_OFFSET = 11, /* from the TPKT's first byte */
	COTP_CALLING_SELECTOR = 0xc1,
	COTP_CALLED_SELECTOR = 0xc2,
	PROTOCOL_S7COMM = 0x32,
	PROTOCOL_S7COMM_PLUS = 0x72,
	ROSCTR_ACK = 2,
	ROSCTR_ACK_DATA = 3,
};

static const char *const function_names[] = {
	[0x00] = "CPU services",   [0x04] = "Read Var",	      [0x05] = "Write Var",    [0x1a] = "Request download",
	[0x1b] = "Download block", [0x1c] = "Download ended", [0x1d] = "Start upload", [0x1e] = "Upload",
	[0x1f] = "End upload",	   [0x28] = "PLC Control",    [0x29] = "PLC Stop",     [0xf0] = "Setup communication",
};

struct s7comm_state {
	struct shrike_buffer buffer[2];
	bool has_begun;
};

static bool
has_selector(struct cursor in, uint8_t header_bytes)
{
	cursor_limit(&in, TPKT_BYTES + 1 + (size_t)header_bytes);
	cursor_skip(&in, COTP_PARAMETERS_OFFSET);
	while (cursor_left(&in) > 0) {
		uint8_t code = cursor_u8(&in), size = cursor_u8(&in);

		if (code == COTP_CALLING_SELECTOR || code == COTP_CALLED_SELECTOR)
			return true;
		cursor_skip(&in, size);
	}
	return false;
}

static bool
is_s7comm(struct cursor in)
{
	size_t size = cursor_left(&in);
	struct cursor c = in;
	uint16_t length;
	uint8_t header_bytes, type, protocol;

	cursor_skip(&c, 2);
	length = cursor_be16(&c);
	header_bytes = cursor_u8(&c);
	type = cursor_u8(&c) >> 4;
	if (length < CLASSIFY_BYTES_MIN || length > size)
		return false;
	if (type == COTP_REQUEST || type == COTP_CONFIRM)
		return has_selector(in, header_bytes);
	protocol = cursor_peek(&in, TPKT_BYTES + 1 + (size_t)header_bytes);
	return type == COTP_DATA && (protocol == PROTOCOL_S7COMM || protocol == PROTOCOL_S7COMM_PLUS);
}

static void
emit_function(struct shrike_ctx *ctx, uint8_t function)
{
	shrike_emit_int(ctx, F_FUNCTION, function);
	SHRIKE_EMIT_NAME(ctx, F_FUNCTION_NAME, function_names, function);
}

static void
emit_error(struct shrike_ctx *ctx, uint8_t error_class, uint8_t error_code)
{
	if (error_class != 0)
		shrike_emit_int(ctx, F_ERROR_CLASS, error_class);
	if (error_code != 0)
		shrike_emit_int(ctx, F_ERROR_CODE, error_code);
}

static void
s7comm_message(struct shrike_ctx *ctx, struct cursor in)
{
	uint16_t reference, parameter_bytes;
	uint8_t rosctr = cursor_u8(&in), function;

	shrike_add_protocol(ctx, "s7comm");
	cursor_skip(&in, 2);
	reference = cursor_be16(&in);
	parameter_bytes = cursor_be16(&in);
	cursor_skip(&in, 2);
	if (cursor_bad(&in))
		return;
	shrike_emit_int(ctx, F_ROSCTR, rosctr);
	shrike_emit_int(ctx, F_REFERENCE, reference);
	if (rosctr == ROSCTR_ACK || rosctr == ROSCTR_ACK_DATA) {
		uint8_t error_class = cursor_u8(&in), error_code = cursor_u8(&in);

		emit_error(ctx, error_class, error_code);
	}
	function = cursor_u8(&in);
	if (parameter_bytes > 0 && !cursor_bad(&in))
		emit_function(ctx, function);
}

static void
s7comm_plus_message(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t operation;

	shrike_add_protocol(ctx, "s7comm-plus");
	cursor_skip(&in, 3); /* version, length */
	cursor_skip(&in, cursor_u8(&in));
	operation = cursor_u8(&in);
	if (!cursor_bad(&in))
		shrike_emit_int(ctx, F_OPERATION, operation);
}

/* A whole TPKT. */
static void
message(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t header_bytes, type, protocol;

	cursor_skip(&in, TPKT_BYTES);
	header_bytes = cursor_u8(&in);
	type = cursor_u8(&in) >> 4;
	if (header_bytes == 0 || type != COTP_DATA)
		return;
	cursor_skip(&in, header_bytes - 1u);
	protocol = cursor_u8(&in);
	if (protocol == PROTOCOL_S7COMM)
		s7comm_message(ctx, in);
	else if (protocol == PROTOCOL_S7COMM_PLUS)
		s7comm_plus_message(ctx, in);
}

/* False: these are not TPKTs (any more). */
static bool
messages(struct shrike_ctx *ctx, struct cursor *in)
{
	struct cursor whole;
	enum tpkt next;

	while ((next = tpkt_next(in, TPKT_BYTES, TPKT_MAX, &whole)) == TPKT_WHOLE)
		message(ctx, whole);
	return next == TPKT_MORE;
}

static enum shrike_verdict
s7comm_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct s7comm_state *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!state->has_begun && !is_s7comm(in))
		return SHRIKE_NOT_MINE;
	state->has_begun = true;
	if (!shrike_join(ctx, buffer, in, TPKT_MAX, &joined))
		return SHRIKE_DONE;
	if (!messages(ctx, &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser s7comm = {
	.api = SHRIKE_API,
	.name = "s7comm",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x03\0")}, {0}},
	.fields = s7comm_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct s7comm_state),
	.repeats = true,
	.parse = s7comm_parse,
};
SHRIKE_PARSER(s7comm);
