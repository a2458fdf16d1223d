/* HTTP/2 in the clear (RFC 9113), from the client's preface on, or after an upgrade (RFC 7540 3.2) from the server's
 * SETTINGS on if these are first.
 *
 * Recorded is what HTTP/1 sessions have, as far as it exists: method, host, path and query, status, names and values of
 * headers, cookies, and of bodies the media type and digests. http.c says what headers and paths mean.
 *
 * Frames of header blocks are put together before they are decoded (HTTP2_HEADER_FRAME_BYTES_MAX); bodies go through as
 * they come, whatever their frames' size; other frames are passed over, but for RST_STREAM and what SETTINGS say of
 * HPACK. Bytes that will never come cost the body they belong to, and end the parser anywhere else, since frames have
 * no marks to find them by. */

#include <stdlib.h>

#include "http2_priv.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
static const char preface[] = HTTP2_PREFACE;

enum {
	PREFACE_BYTES = sizeof(preface) - 1,
	FRAME_HEADER_BYTES = 9,
	DATA_BYTES_MAX = 1 << 20,
	SETTINGS_BYTES_MAX = 1024,
	SETTING_BYTES = 6,
	SETTING_TABLE_SIZE = 1,
	HELD_BYTES_MIN = 64,
	HELD_BYTES_KEPT = 1024
};

enum frame_type { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, CONTINUATION = 9 };

enum frame_flags { ACK = 0x01, END_STREAM = 0x01, END_HEADERS = 0x04, PADDED = 0x08, PRIORITY = 0x20 };

enum phase { FRAME_HEADER, PAYLOAD, PAD_LENGTH, BODY, SKIP, PREFACE };

struct frame {
	uint32_t length, stream;
	uint8_t type, flags;
};

struct side {
	uint8_t *held; /* the beginning of what is waited for */
	uint32_t n_held, held_room;
	uint8_t phase;	  /* enum phase */
	uint32_t left;	  /* BODY, SKIP: bytes to come */
	uint32_t padding; /* BODY: after them */
	struct frame frame;
	struct http2_headers headers;
};

struct http2_state {
	bool has_begun;
	uint8_t client; /* direction of the preface */
	struct side side[2];
	struct http2_streams streams;
};

struct http2_shared {
	struct body_settings bodies;
};

/* ---- Bytes that belong together */

static bool
hold(struct shrike_ctx *ctx, struct side *s, const struct cursor *bytes)
{
	uint32_t room = s->held_room > 0 ? s->held_room : HELD_BYTES_MIN;

	while (room < s->n_held + cursor_left(bytes))
		room *= 2;
	if (room > s->held_room) {
		uint8_t *bigger = shrike_realloc(ctx, s->held, room);

		if (bigger == NULL)
			return false;
		s->held = bigger;
		s->held_room = room;
	}
	memcpy(s->held + s->n_held, bytes->p, cursor_left(bytes));
	s->n_held += (uint32_t)cursor_left(bytes);
	return true;
}

/* 'need' bytes in one piece, uncopied where they are. False: they are not there yet (and 'in' is empty), or there is no
 * memory for what is ('failed'). 'out' is valid until release(). */
static bool
gather(struct shrike_ctx *ctx, struct side *s, struct cursor *in, uint32_t need, struct cursor *out, bool *failed)
{
	size_t wanted = need - s->n_held;
	struct cursor part;

	if (s->n_held == 0 && cursor_left(in) >= need) {
		*out = cursor_sub(in, need);
		return true;
	}
	part = cursor_sub(in, cursor_left(in) < wanted ? cursor_left(in) : wanted);
	if (!hold(ctx, s, &part)) {
		*failed = true;
		return false;
	}
	*out = cursor_make(s->held, s->n_held);
	return s->n_held == need;
}

static void
release(struct shrike_ctx *ctx, struct side *s)
{
	s->n_held = 0;
	if (s->held_room <= HELD_BYTES_KEPT)
		return;
	shrike_free(ctx, s->held);
	s->held = NULL;
	s->held_room = 0;
}

static void
skip(struct side *s, uint32_t bytes)
{
	s->phase = bytes > 0 ? SKIP : FRAME_HEADER;
	s->left = bytes;
}

static struct message_taps *
taps_of(struct shrike_ctx *ctx)
{
	return &((struct http2_local *)shrike_local(ctx))->taps;
}

/* ---- DATA (RFC 9113 6.1) */

static void
body_end(struct shrike_ctx *ctx, struct http2_state *state, struct side *s)
{
	const struct http2_shared *shared = shrike_shared(ctx);
	unsigned direction = shrike_direction(ctx);
	struct http2_stream *stream = http2_stream_find(&state->streams, s->frame.stream);

	if (stream != NULL && s->frame.flags & END_STREAM) {
		struct cursor nothing = cursor_make(NULL, 0);

		body_update(ctx, &shared->bodies, &stream->body[direction], &nothing, BODY_LENGTH_UNKNOWN);
		body_finish(ctx, &shared->bodies, &stream->body[direction], HTTP2_MD5, HTTP2_SHA256);
		http2_stream_end(ctx, &state->streams, taps_of(ctx), s->frame.stream, direction);
	}
	skip(s, s->padding);
}

static void
body_begin(struct shrike_ctx *ctx, struct http2_state *state, struct side *s, uint32_t bytes, uint32_t padding)
{
	s->phase = BODY;
	s->left = bytes;
	s->padding = padding;
	if (bytes == 0)
		body_end(ctx, state, s);
}

/* Of what there is in the chunk in which the body begins. */
static void
body_magic(struct shrike_ctx *ctx, const struct cursor *part)
{
	const char *magic = shrike_magic(ctx, part->p, cursor_left(part));

	if (magic != NULL)
		shrike_emit_str(ctx, HTTP2_BODY_MAGIC, magic);
}

static void
body_bytes(struct shrike_ctx *ctx, struct http2_state *state, struct side *s, struct cursor *in)
{
	const struct http2_shared *shared = shrike_shared(ctx);
	/* Looked for each time: the other side may have closed it since. */
	struct http2_stream *stream = http2_stream_find(&state->streams, s->frame.stream);
	struct cursor part = cursor_sub(in, cursor_left(in) < s->left ? cursor_left(in) : s->left);

	if (stream != NULL) {
		unsigned direction = shrike_direction(ctx);
		struct body *body = &stream->body[direction];

		message_tap_piece(taps_of(ctx), &stream->tap[direction], TAP_HTTP_BODY, part.p, cursor_left(&part));
		if (!body->begun)
			body_magic(ctx, &part);
		body_update(ctx, &shared->bodies, body, &part, BODY_LENGTH_UNKNOWN);
	}
	s->left -= (uint32_t)cursor_left(&part);
	if (s->left == 0)
		body_end(ctx, state, s);
}

static void
data_begin(struct shrike_ctx *ctx, struct http2_state *state, struct side *s)
{
	struct http2_stream *stream = http2_stream_find(&state->streams, s->frame.stream);
	uint32_t length = s->frame.length;

	if (length > DATA_BYTES_MAX) {
		shrike_add_tag(ctx, "http2:data-frame-too-large");
		if (stream != NULL)
			message_tap_missing(taps_of(ctx), &stream->tap[shrike_direction(ctx)], length);
		skip(s, length);
	} else if (stream == NULL) {
		/* Or one for which there was no place. */
		if (!state->streams.overflowed)
			shrike_add_tag(ctx, "http2:data-frame-after-close");
		skip(s, length);
	} else if (!(s->frame.flags & PADDED)) {
		body_begin(ctx, state, s, length, 0);
	} else if (length > 0) {
		s->phase = PAD_LENGTH;
	} else {
		skip(s, 0);
	}
}

static void
data_padded(struct shrike_ctx *ctx, struct http2_state *state, struct side *s, uint8_t padding)
{
	uint32_t length = s->frame.length - 1;

	if (padding > length)
		skip(s, length);
	else
		body_begin(ctx, state, s, length - padding, padding);
}

/* ---- HEADERS, PUSH_PROMISE, CONTINUATION (RFC 9113 6.2, 6.6, 6.10) */

static bool
is_header_block(const struct frame *f)
{
	return f->type == HEADERS || f->type == PUSH_PROMISE || f->type == CONTINUATION;
}

/* What is before and behind the block itself. Bad: it is no block. '*stream': that it belongs to. */
static struct cursor
block_of(const struct frame *f, struct cursor payload, uint32_t *stream)
{
	uint8_t padding = 0;

	*stream = f->stream;

	if (f->type != CONTINUATION && f->flags & PADDED)
		padding = cursor_u8(&payload);
	if (f->type == HEADERS && f->flags & PRIORITY)
		cursor_skip(&payload, 5);
	if (f->type == PUSH_PROMISE)
		*stream = cursor_be32(&payload) & 0x7fffffff;
	if (cursor_bad(&payload) || padding > cursor_left(&payload))
		cursor_fail(&payload);
	else
		cursor_limit(&payload, cursor_left(&payload) - padding);
	return payload;
}

static void
block_read(struct shrike_ctx *ctx, struct http2_state *state, struct side *s, struct cursor payload)
{
	struct http2_headers *h = &s->headers;
	const struct frame *f = &s->frame;
	unsigned direction = shrike_direction(ctx);
	bool is_last = f->flags & END_HEADERS, is_request;
	uint32_t stream;
	struct cursor block = block_of(f, payload, &stream);

	/* RFC 9113 4.3: a block is whole before another begins. */
	if (cursor_bad(&block) || h->in_block != (f->type == CONTINUATION))
		h->is_lost = true;
	if (f->type != CONTINUATION) {
		h->is_promise = f->type == PUSH_PROMISE;
		http2_stream_lookup(ctx, &state->streams, f->stream);
		h->stream = stream;
		h->ends_stream = f->type == HEADERS && f->flags & END_STREAM;
		http2_tap_block_begin(ctx, &state->streams, h, direction == state->client || h->is_promise);
	}
	h->in_block = !is_last;
	is_request = direction == state->client && !h->is_promise;
	if (!cursor_bad(&block))
		http2_headers_read(ctx, shrike_local(ctx), h, block, is_request, is_last);
	if (is_last)
		http2_tap_block_end(ctx, &state->streams, h);
	if (f->type == HEADERS && f->flags & END_STREAM)
		http2_stream_end(ctx, &state->streams, taps_of(ctx), f->stream, direction);
}

/* ---- SETTINGS (RFC 9113 6.5) */

/* They bind the other side's encoder. */
static void
settings_read(struct side *other, struct cursor payload)
{
	while (cursor_left(&payload) >= SETTING_BYTES) {
		unsigned id = cursor_be16(&payload);
		uint32_t value = cursor_be32(&payload);

		if (id == SETTING_TABLE_SIZE && value > other->headers.table_allowed)
			other->headers.table_allowed = value;
	}
}

/* ---- Frames */

static struct frame
frame_read(struct cursor bytes)
{
	uint32_t word = cursor_be32(&bytes);
	struct frame f = {.length = word >> 8, .type = (uint8_t)word};

	f.flags = cursor_u8(&bytes);
	f.stream = cursor_be32(&bytes) & 0x7fffffff;
	return f;
}

static void
frame_begin(struct shrike_ctx *ctx, struct http2_state *state, struct side *s)
{
	if (s->frame.type == DATA) {
		data_begin(ctx, state, s);
	} else if (s->frame.type == SETTINGS && !(s->frame.flags & ACK) && s->frame.length > 0 &&
		   s->frame.length <= SETTINGS_BYTES_MAX) {
		s->phase = PAYLOAD;
	} else if (!is_header_block(&s->frame)) {
		if (s->frame.type == RST_STREAM)
			http2_stream_close(ctx, &state->streams, taps_of(ctx), s->frame.stream);
		skip(s, s->frame.length);
	} else if (s->frame.length > HTTP2_HEADER_FRAME_BYTES_MAX) {
		shrike_add_tag(ctx, "http2:hpack-budget-exceeded");
		s->headers.is_lost = true;
		skip(s, s->frame.length);
	} else if (s->frame.length > 0) {
		s->phase = PAYLOAD;
	} else {
		block_read(ctx, state, s, cursor_make(NULL, 0));
		skip(s, 0);
	}
}

/* Takes something off 'in'; false: no memory, or no preface. */
static bool
step(struct shrike_ctx *ctx, struct http2_state *state, struct side *s, struct cursor *in)
{
	static const uint32_t fixed[] = {
		[FRAME_HEADER] = FRAME_HEADER_BYTES, [PAD_LENGTH] = 1, [PREFACE] = PREFACE_BYTES};
	struct cursor bytes;
	bool failed = false;

	if (s->phase == SKIP) {
		uint32_t n = cursor_left(in) < s->left ? (uint32_t)cursor_left(in) : s->left;

		cursor_skip(in, n);
		skip(s, s->left - n);
		return true;
	}
	if (s->phase == BODY) {
		body_bytes(ctx, state, s, in);
		return true;
	}
	if (!gather(ctx, s, in, s->phase == PAYLOAD ? s->frame.length : fixed[s->phase], &bytes, &failed))
		return !failed;
	if (s->phase == PREFACE) {
		if (memcmp(bytes.p, preface, PREFACE_BYTES) != 0)
			return false;
		skip(s, 0);
	} else if (s->phase == FRAME_HEADER) {
		s->frame = frame_read(bytes);
		frame_begin(ctx, state, s);
	} else if (s->phase == PAD_LENGTH) {
		data_padded(ctx, state, s, cursor_u8(&bytes));
	} else if (s->frame.type == SETTINGS) {
		settings_read(&state->side[1 - shrike_direction(ctx)], bytes);
		skip(s, 0);
	} else {
		block_read(ctx, state, s, bytes);
		skip(s, 0);
	}
	release(ctx, s);
	return true;
}

/* The first bytes: the client's, or a server's answer to an upgrade, whose request is stream 1. */
static bool
begin(struct shrike_ctx *ctx, struct http2_state *state, struct cursor in)
{
	struct cursor settings = in;
	struct frame f;

	if (shrike_has_protocol(ctx, "http2"))
		return false;
	state->client = (uint8_t)shrike_direction(ctx);
	if (cursor_left(&in) < PREFACE_BYTES || memcmp(in.p, preface, PREFACE_BYTES) != 0) {
		f = frame_read(cursor_sub(&settings, FRAME_HEADER_BYTES));
		if (cursor_bad(&settings) || f.type != SETTINGS || f.flags != 0 || f.stream != 0 ||
		    f.length % SETTING_BYTES != 0 || !shrike_has_protocol(ctx, "http"))
			return false;
		state->client ^= 1;
		http2_stream_lookup(ctx, &state->streams, 1);
		http2_stream_end(ctx, &state->streams, taps_of(ctx), 1, state->client);
	}
	state->side[state->client].phase = PREFACE;
	state->has_begun = true;
	shrike_add_protocol(ctx, "http2");
	return true;
}

/* Nothing more is read. */
static enum shrike_verdict
end(struct shrike_ctx *ctx, struct http2_state *state)
{
	for (unsigned direction = 0; direction < 2; direction++)
		http2_tap_break(taps_of(ctx), &state->streams, &state->side[direction].headers);
	return SHRIKE_DONE;
}

static enum shrike_verdict
http2_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct http2_state *state = shrike_state(ctx);

	if (!state->has_begun && !begin(ctx, state, in))
		return SHRIKE_NOT_MINE;
	while (cursor_left(&in) > 0)
		if (!step(ctx, state, &state->side[shrike_direction(ctx)], &in))
			return end(ctx, state);
	return SHRIKE_MORE;
}

/* Half a body has no digest; what is left of it still goes by. */
static void
body_give_up(struct shrike_ctx *ctx, struct body *body)
{
	body_drop(ctx, body);
	body->begun = true;
	body->given_up = true;
}

static enum shrike_verdict
http2_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct http2_state *state = shrike_state(ctx);
	unsigned direction = shrike_direction(ctx);
	struct side *s = &state->side[direction];
	struct http2_stream *stream;

	if (!state->has_begun || (s->phase != BODY && s->phase != SKIP) || missing > s->left)
		return end(ctx, state);
	if (s->phase == SKIP) {
		skip(s, s->left - missing);
		return SHRIKE_MORE;
	}
	stream = http2_stream_find(&state->streams, s->frame.stream);
	if (stream != NULL) {
		body_give_up(ctx, &stream->body[direction]);
		message_tap_missing(taps_of(ctx), &stream->tap[direction], missing);
	}
	s->left -= missing;
	if (s->left == 0)
		body_end(ctx, state, s);
	return SHRIKE_MORE;
}

static void
http2_save(struct shrike_ctx *ctx, bool is_final)
{
	if (is_final)
		(void)end(ctx, shrike_state(ctx));
}

/* ---- The parser */

static void *
http2_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct http2_shared *shared = calloc(1, sizeof(*shared));

	(void)setup;
	if (shared != NULL)
		conf_fill(conf, &bodies_settings_group, &shared->bodies);
	return shared;
}

static void *
http2_create_local(const void *shared)
{
	struct http2_local *local = calloc(1, sizeof(*local));

	(void)shared;
	if (local == NULL)
		return NULL;
	if (message_taps_init(&local->taps) < 0) {
		free(local);
		return NULL;
	}
	http2_memory_init(local);
	return local;
}

static void
http2_destroy_local(void *local)
{
	message_taps_fini(&((struct http2_local *)local)->taps);
	free(local);
}

static const struct shrike_match http2_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES(HTTP2_PREFACE)},
	{.transports = SHRIKE_TCP, .offset = 3, SHRIKE_BYTES("\4\0\0\0\0\0")}, /* empty flags, stream 0 */
	{0},
};

static const struct field http2_fields[] = {
	[HTTP2_METHOD] = {.name = "http.method"}, [HTTP2_STATUS] = {.name = "http.statuscode"},
	[HTTP2_HOST] = {.name = "http.host"},	  [HTTP2_BODY_MAGIC] = {.name = "http.bodyMagic"},
	[HTTP2_MD5] = {.name = "http.md5"},	  [HTTP2_SHA256] = {.name = "http.sha256"},
};

static const char *const http2_calls[] = {
	[HTTP2_CALL_TARGET] = "http.target",
	[HTTP2_CALL_FIELD] = "http.field",
	NULL,
};

static const struct shrike_parser http2 = {
	.api = SHRIKE_API,
	.name = "http2",
	.match = http2_match,
	.fields = http2_fields,
	.n_fields = sizeof(http2_fields) / sizeof(http2_fields[0]),
	.calls = http2_calls,
	.state_bytes = sizeof(struct http2_state),
	.create = http2_create,
	.destroy = free,
	.create_local = http2_create_local,
	.destroy_local = http2_destroy_local,
	.parse = http2_parse,
	.gap = http2_gap,
	.save = http2_save,
};
SHRIKE_PARSER(http2);
