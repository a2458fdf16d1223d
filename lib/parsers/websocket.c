/* WebSocket (RFC 6455).
 *
 * http.c attaches this parser behind a 101; it never matches by itself. Recorded are opcodes, how many frames and
 * payload bytes there were, how many of them masked, what the closing frames say, and the beginnings of a few texts.
 *
 * Frames of at most FRAME_BYTES_MAX are looked at whole; of a longer one the header counts, and its payload is passed
 * over without being kept. So a direction never holds more than one such frame. Compressed payloads (RFC 7692) are not
 * inflated: a sample shows them as sent, as far as they happen to be text. */
#include <stdlib.h>

#include "parser.h"
#include "text.h"

enum {
	F_OPCODE,
	F_CLOSE_CODE,
	F_CLOSE_REASON,
	F_PAYLOAD_BYTES,
	F_FRAME_COUNT,
	F_TEXT_SAMPLE,
	F_MASKED,
	N_FIELDS,
};

enum {
	FRAME_BYTES_MAX = 8192, /* header included */
	PAYLOAD_BYTES_MAX = 0x7fffffff - 14,
	PAYLOAD_COUNT_MAX = 0x7fffffff,
	SAMPLE_BYTES_MAX = 256,
	REASON_BYTES_MAX = 123,
};

enum { OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE = 8, OP_PING, OP_PONG };

static const struct field fields[N_FIELDS] = {
	[F_OPCODE] = {"websocket.opcode", "websocket.opcode", "websocket", "termfield", FIELD_STR_SET,
		      FIELD_COUNT | FIELD_TO_NUL, "Opcode", "Kinds of frames", NULL},
	[F_CLOSE_CODE] = {"websocket.closeCode", "websocket.closeCode", "websocket", "integer", FIELD_INT_SET,
			  FIELD_COUNT, "Close Code", "Status codes of closing frames", NULL},
	[F_CLOSE_REASON] = {"websocket.closeReason", "websocket.closeReason", "websocket", "termfield", FIELD_STR_SET,
			    FIELD_COUNT | FIELD_TO_NUL, "Close Reason", "What closing frames say", NULL},
	[F_PAYLOAD_BYTES] = {"websocket.payloadBytes", "websocket.payloadBytes", "websocket", "integer", FIELD_INT, 0,
			     "Payload Bytes", "Bytes in frames, headers not counted", NULL},
	[F_FRAME_COUNT] = {"websocket.frameCnt", "websocket.frameCnt", "websocket", "integer", FIELD_INT, 0,
			   "Frame Count", "Frames of both directions", NULL},
	[F_TEXT_SAMPLE] = {"websocket.textSample", "websocket.textSample", "websocket", "termfield", FIELD_STR_SET,
			   FIELD_COUNT | FIELD_TO_NUL, "Text Sample", "Beginnings of the first texts", NULL},
	[F_MASKED] = {"websocket.maskedFromClient", "websocket.maskedFromClient", "websocket", "integer", FIELD_INT, 0,
		      "Masked Frames", "Frames with a mask, as clients have to send them", NULL},
};

struct websocket_settings {
	uint32_t samples_max;
};

static const struct setting settings[] = {
	SETTING_U32(struct websocket_settings, samples_max, "websocketTextSampleCnt", 4, 0, 1024, "texts",
		    "texts of a WebSocket session of which the beginning is kept"),
};
SETTINGS(websocket, "WebSocket", settings);

struct websocket_state {
	struct shrike_buffer buffer[2];
	uint64_t payload_bytes;
	uint32_t frames, masked, samples;
	uint8_t data_opcode[2]; /* the last that began a message: what a continuation continues */
};

struct frame {
	uint8_t opcode;
	bool is_masked;
	uint8_t mask[4];
	uint64_t length;
	size_t header_bytes;
};

/* RFC 6455 5.2. False: not all of it is there. */
static bool
frame_header(struct cursor *in, struct frame *frame)
{
	size_t before = cursor_left(in);
	uint8_t length;

	frame->opcode = cursor_u8(in) & 0x0f;
	length = cursor_u8(in);
	frame->is_masked = (length & 0x80) != 0;
	length &= 0x7f;
	frame->length = length == 126 ? cursor_be16(in) : length == 127 ? cursor_be64(in) : length;
	for (unsigned i = 0; frame->is_masked && i < sizeof(frame->mask); i++)
		frame->mask[i] = cursor_u8(in);
	frame->header_bytes = before - cursor_left(in);
	return !cursor_bad(in);
}

static void
count_frame(struct shrike_ctx *ctx, struct websocket_state *state, const struct frame *frame)
{
	static const char *const names[16] = {[OP_TEXT] = "Text",
					      [OP_BINARY] = "Binary",
					      [OP_CLOSE] = "Close",
					      [OP_PING] = "Ping",
					      [OP_PONG] = "Pong"};
	unsigned direction = shrike_direction(ctx);

	if (frame->opcode == OP_TEXT || frame->opcode == OP_BINARY)
		state->data_opcode[direction] = frame->opcode;
	if (names[frame->opcode] != NULL)
		shrike_emit_str(ctx, F_OPCODE, names[frame->opcode]);
	else if (frame->opcode != OP_CONTINUATION)
		shrike_emit_format(ctx, F_OPCODE, "0x%x", frame->opcode);
	state->frames++;
	state->payload_bytes += frame->length;
	if (frame->is_masked)
		state->masked++;
}

/* At most 'max' bytes of the payload without mask; control characters that 'kept' does not name become dots. */
static size_t
readable(char *out, size_t max, const struct frame *frame, struct cursor payload, const char *kept)
{
	size_t n = 0;

	for (; n < max && cursor_left(&payload) > 0; n++) {
		char c = (char)(cursor_u8(&payload) ^ frame->mask[n % sizeof(frame->mask)]);
		bool is_control = (unsigned char)c < 0x20 || c == 0x7f;

		out[n] = is_control && (c == '\0' || strchr(kept, c) == NULL) ? '.' : c;
	}
	return n;
}

static void
emit_sample(struct shrike_ctx *ctx, struct websocket_state *state, const struct frame *frame, struct cursor payload)
{
	const struct websocket_settings *own = shrike_shared(ctx);
	bool is_text = frame->opcode == OP_TEXT ||
		       (frame->opcode == OP_CONTINUATION && state->data_opcode[shrike_direction(ctx)] == OP_TEXT);
	char sample[SAMPLE_BYTES_MAX];
	size_t size;

	if (!is_text || state->samples >= own->samples_max)
		return;
	size = readable(sample, sizeof(sample), frame, payload, "\t\r\n");
	size = text_utf8_prefix(sample, size);
	if (size == 0)
		return;
	shrike_emit_utf8(ctx, F_TEXT_SAMPLE, sample, size);
	state->samples++;
}

/* RFC 6455 5.5.1 */
static void
emit_close(struct shrike_ctx *ctx, const struct frame *frame, struct cursor payload)
{
	struct frame rest = *frame;
	char reason[REASON_BYTES_MAX];
	unsigned high = cursor_u8(&payload) ^ frame->mask[0], low = cursor_u8(&payload) ^ frame->mask[1];
	size_t size;

	if (cursor_bad(&payload))
		return;
	shrike_emit_int(ctx, F_CLOSE_CODE, high << 8 | low);
	for (unsigned i = 0; i < sizeof(rest.mask); i++)
		rest.mask[i] = frame->mask[(i + 2) % sizeof(rest.mask)];
	size = readable(reason, sizeof(reason), &rest, payload, "\t");
	if (size == 0)
		return;
	if (text_is_utf8(reason, size))
		shrike_emit_utf8(ctx, F_CLOSE_REASON, reason, size);
	else
		shrike_emit_bytes(ctx, F_CLOSE_REASON, reason, size);
}

static void
pass_over(struct shrike_buffer *buffer, struct cursor *in, uint64_t size)
{
	uint64_t here = size < cursor_left(in) ? size : cursor_left(in);

	cursor_skip(in, (size_t)here);
	shrike_skip_next(buffer, size - here);
}

/* Takes one frame off 'in'. False: it is not all there; *in is at its beginning. */
static bool
frame_take(struct shrike_ctx *ctx, struct websocket_state *state, struct cursor *in, bool *is_refused)
{
	struct cursor rest = *in, payload;
	struct frame frame = {0};

	if (!frame_header(&rest, &frame))
		return false;
	if (frame.length > PAYLOAD_BYTES_MAX) {
		*is_refused = true;
		return false;
	}
	if (frame.header_bytes + frame.length > FRAME_BYTES_MAX) {
		count_frame(ctx, state, &frame);
		pass_over(&state->buffer[shrike_direction(ctx)], &rest, frame.length);
		*in = rest;
		return true;
	}
	payload = cursor_sub(&rest, (size_t)frame.length);
	if (cursor_bad(&rest))
		return false;
	count_frame(ctx, state, &frame);
	emit_sample(ctx, state, &frame, payload);
	if (frame.opcode == OP_CLOSE)
		emit_close(ctx, &frame, payload);
	*in = rest;
	return true;
}

static void
emit_counts(struct shrike_ctx *ctx, const struct websocket_state *state)
{
	uint64_t bytes = state->payload_bytes < PAYLOAD_COUNT_MAX ? state->payload_bytes : PAYLOAD_COUNT_MAX;

	if (state->frames > 0)
		shrike_emit_int(ctx, F_FRAME_COUNT, state->frames);
	if (bytes > 0)
		shrike_emit_int(ctx, F_PAYLOAD_BYTES, (int64_t)bytes);
	if (state->masked > 0)
		shrike_emit_int(ctx, F_MASKED, state->masked);
}

static enum shrike_verdict
websocket_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct websocket_state *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	bool is_refused = false;
	struct cursor joined;

	if (!shrike_join(ctx, buffer, in, FRAME_BYTES_MAX, &joined)) {
		shrike_add_tag(ctx, "websocket:frame-too-long");
		emit_counts(ctx, state);
		return SHRIKE_DONE;
	}
	while (cursor_left(&joined) > 0 && frame_take(ctx, state, &joined, &is_refused))
		;
	if (is_refused) {
		shrike_add_tag(ctx, "websocket:bad-length");
		emit_counts(ctx, state);
		return SHRIKE_DONE;
	}
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

/* Inside a long payload nothing is lost; elsewhere the next header cannot be found again. */
static enum shrike_verdict
websocket_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct websocket_state *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];

	if (buffer->skip < missing) {
		emit_counts(ctx, state);
		return SHRIKE_DONE;
	}
	buffer->skip -= missing;
	return SHRIKE_MORE;
}

static void
websocket_save(struct shrike_ctx *ctx, bool is_final)
{
	(void)is_final;
	emit_counts(ctx, shrike_state(ctx));
}

static void *
websocket_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct websocket_settings *own = calloc(1, sizeof(*own));

	(void)setup;
	if (own != NULL)
		conf_fill(conf, &websocket_settings_group, own);
	return own;
}

static const struct shrike_parser websocket = {
	.api = SHRIKE_API,
	.name = "websocket",
	.fields = fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct websocket_state),
	.create = websocket_create,
	.destroy = free,
	.parse = websocket_parse,
	.gap = websocket_gap,
	.save = websocket_save,
};
SHRIKE_PARSER(websocket);
