/* The open streams of an HTTP/2 session (RFC 9113 5).
 *
 * Only bodies need them, and listeners: what headers say is recorded with or without a place. The ids lie together, so
 * that looking for one of 128 touches eight cache lines; the rest grows with the number open at once. */

#include "http2_priv.h"

enum { ROOM_STEP = 16, BOTH = 3 };

static uint32_t
place_of(const struct http2_streams *s, uint32_t id)
{
	uint32_t i = 0;

	while (i < s->room && s->id[i] != id)
		i++;
	return i;
}

struct http2_stream *
http2_stream_find(const struct http2_streams *s, uint32_t id)
{
	uint32_t i = id != 0 ? place_of(s, id) : s->room;

	return i < s->room ? &s->stream[i] : NULL;
}

static bool
grow(struct shrike_ctx *ctx, struct http2_streams *s)
{
	uint32_t room = s->room + ROOM_STEP;
	struct http2_stream *bigger;

	if (room > HTTP2_STREAMS_MAX)
		return false;
	bigger = shrike_alloc(ctx, room * sizeof(*bigger));
	if (bigger == NULL)
		return false;
	if (s->stream != NULL)
		memcpy(bigger, s->stream, s->room * sizeof(*bigger));
	shrike_free(ctx, s->stream);
	s->stream = bigger;
	s->room = room;
	return true;
}

struct http2_stream *
http2_stream_lookup(struct shrike_ctx *ctx, struct http2_streams *s, uint32_t id)
{
	struct http2_stream *found = http2_stream_find(s, id);
	uint32_t i;

	if (found != NULL || id == 0)
		return found;
	i = place_of(s, 0);
	if (i == s->room && !grow(ctx, s)) {
		s->overflowed = true;
		return NULL;
	}
	s->id[i] = id;
	return &s->stream[i];
}

void
http2_stream_close(struct shrike_ctx *ctx, struct http2_streams *s, struct message_taps *taps, uint32_t id)
{
	struct http2_stream *stream = http2_stream_find(s, id);

	if (stream == NULL)
		return;
	for (unsigned direction = 0; direction < 2; direction++) {
		body_drop(ctx, &stream->body[direction]);
		message_tap_end(taps, &stream->tap[direction], false);
	}
	stream->ended = 0;
	stream->headed = 0;
	stream->cut = 0;
	s->id[stream - s->stream] = 0;
}

void
http2_stream_end(struct shrike_ctx *ctx, struct http2_streams *s, struct message_taps *taps, uint32_t id,
		 unsigned direction)
{
	struct http2_stream *stream = http2_stream_find(s, id);

	if (stream == NULL)
		return;
	body_drop(ctx, &stream->body[direction]);
	message_tap_end(taps, &stream->tap[direction], (stream->cut & 1U << direction) == 0);
	stream->ended |= (uint8_t)(1U << direction);
	/* Streams of even numbers are pushed: the client has nothing to send on them. */
	if (stream->ended == BOTH || id % 2 == 0)
		http2_stream_close(ctx, s, taps, id);
}
