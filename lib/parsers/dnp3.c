/* DNP3 (IEEE 1815-2012) on TCP and UDP.
 *
 * A frame of the data link layer is a header of ten bytes (05 64, length, control, destination, source, CRC) and user
 * data in blocks of at most 16 bytes, each followed by a CRC of two. Recorded are the addresses of each frame and the
 * function of its application layer, wherever in a fragment the frame stands. CRCs are not checked. A TCP stream that
 * does not continue with a frame is searched for the next one; of a datagram only the first frame counts. */
#include "parser.h"

enum { F_SOURCE, F_DESTINATION, F_FUNCTION, F_FUNCTION_NAME, N_FIELDS };

static const struct field dnp3_fields[N_FIELDS] = {
	[F_SOURCE] = {"dnp3.src", "dnp3.src", "dnp3", "integer", FIELD_INT_SET, FIELD_COUNT, "DNP3 Source Address",
		      "Addresses of stations that sent frames", NULL},
	[F_DESTINATION] = {"dnp3.dst", "dnp3.dst", "dnp3", "integer", FIELD_INT_SET, FIELD_COUNT,
			   "DNP3 Destination Address", "Addresses of stations that frames were sent to", NULL},
	[F_FUNCTION] = {"dnp3.func", "dnp3.func", "dnp3", "integer", FIELD_INT_SET, FIELD_COUNT, "DNP3 Function Code",
			"Functions of the application layer, as numbers", NULL},
	[F_FUNCTION_NAME] = {"dnp3.funcName", "dnp3.funcName", "dnp3", "termfield", FIELD_STR_SET,
			     FIELD_COUNT | FIELD_TO_NUL, "DNP3 Function Name",
			     "Functions of the application layer, by name", NULL},
};

enum {
	SYNC_0 = 0x05,
	SYNC_1 = 0x64,
	SYNC_BYTES = 2,
	HEADER_BYTES = 10,
	LENGTH_MIN = 5, /* what the length counts of the header: control and addresses */
	BLOCK_BYTES = 16,
	CRC_BYTES = 2,
	DATA_MAX_BYTES = UINT8_MAX - LENGTH_MIN,
	FRAME_MAX_BYTES = HEADER_BYTES + DATA_MAX_BYTES + (DATA_MAX_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * CRC_BYTES,
};

static const char *const function_names[] = {
	[0] = "Confirm",
	[1] = "Read",
	[2] = "Write",
	[3] = "Select",
	[4] = "Operate",
	[5] = "DirectOperate",
	[6] = "DirectOperateNoAck",
	[7] = "ImmediateFreeze",
	[8] = "ImmediateFreezeNoAck",
	[9] = "FreezeClear",
	[10] = "FreezeClearNoAck",
	[11] = "FreezeAtTime",
	[12] = "FreezeAtTimeNoAck",
	[13] = "ColdRestart",
	[14] = "WarmRestart",
	[15] = "InitializeData",
	[16] = "InitializeApplication",
	[17] = "StartApplication",
	[18] = "StopApplication",
	[19] = "SaveConfiguration",
	[20] = "EnableUnsolicited",
	[21] = "DisableUnsolicited",
	[22] = "AssignClass",
	[23] = "DelayMeasure",
	[24] = "RecordCurrentTime",
	[25] = "OpenFile",
	[26] = "CloseFile",
	[27] = "DeleteFile",
	[28] = "GetFileInfo",
	[29] = "AuthenticateFile",
	[30] = "AbortFile",
	[31] = "ActivateConfig",
	[32] = "AuthenticateRequest",
	[33] = "AuthenticateError",
	[129] = "Response",
	[130] = "UnsolicitedResponse",
	[131] = "AuthenticateResponse",
};

struct dnp3_state {
	struct shrike_buffer buffer[2];
};

static bool
is_frame(const struct cursor *in)
{
	return cursor_peek(in, 0) == SYNC_0 && cursor_peek(in, 1) == SYNC_1;
}

static size_t
frame_bytes(uint8_t length)
{
	size_t user_bytes = length - (size_t)LENGTH_MIN;

	return HEADER_BYTES + user_bytes + CRC_BYTES * ((user_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* A whole frame. Two bytes stand before the function: of transport and application control. */
static void
emit_frame(struct shrike_ctx *ctx, struct cursor in)
{
	uint16_t destination, source;
	uint8_t function;

	cursor_skip(&in, SYNC_BYTES + 2);
	destination = cursor_le16(&in);
	source = cursor_le16(&in);
	shrike_emit_int(ctx, F_DESTINATION, destination);
	shrike_emit_int(ctx, F_SOURCE, source);
	cursor_skip(&in, CRC_BYTES + 2);
	function = cursor_u8(&in);
	if (cursor_bad(&in))
		return;
	shrike_emit_int(ctx, F_FUNCTION, function);
	SHRIKE_EMIT_NAME(ctx, F_FUNCTION_NAME, function_names, function);
}

/* Passes over what is no frame. The last byte stays: the next chunk may make it the first one of a frame. */
static void
find_frame(struct cursor *in)
{
	do
		cursor_skip(in, 1);
	while (cursor_left(in) > 1 && !is_frame(in));
}

static void
frames(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		uint8_t length = cursor_peek(in, SYNC_BYTES);

		if (!is_frame(in)) {
			find_frame(in);
		} else if (length < LENGTH_MIN) {
			cursor_skip(in, SYNC_BYTES);
		} else if (cursor_left(in) < frame_bytes(length)) {
			return;
		} else {
			emit_frame(ctx, cursor_sub(in, frame_bytes(length)));
		}
	}
}

static enum shrike_verdict
parse_datagram(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t length = cursor_peek(&in, SYNC_BYTES);
	struct cursor frame;

	if (!is_frame(&in) || length < LENGTH_MIN)
		return SHRIKE_MORE;
	frame = cursor_sub(&in, frame_bytes(length));
	if (!cursor_bad(&in))
		emit_frame(ctx, frame);
	return SHRIKE_MORE;
}

static enum shrike_verdict
parse_stream(struct shrike_ctx *ctx, struct cursor in)
{
	struct dnp3_state *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_join(ctx, buffer, in, FRAME_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	frames(ctx, &joined);
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
dnp3_parse(struct shrike_ctx *ctx, struct cursor in)
{
	if (!shrike_has_protocol(ctx, "dnp3")) {
		if (cursor_left(&in) < HEADER_BYTES || cursor_peek(&in, SYNC_BYTES) < LENGTH_MIN)
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "dnp3");
	}
	return shrike_transport(ctx) == SHRIKE_UDP ? parse_datagram(ctx, in) : parse_stream(ctx, in);
}

static const struct shrike_parser dnp3 = {
	.api = SHRIKE_API,
	.name = "dnp3",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("\x05\x64")},
			{0},
		},
	.fields = dnp3_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct dnp3_state),
	.parse = dnp3_parse,
};
SHRIKE_PARSER(dnp3);
