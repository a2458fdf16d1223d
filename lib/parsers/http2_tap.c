/* What of HTTP/2 goes to listeners (message_tap.h): a message for each request and response of a stream.
 *
 * While a header block is read its message is the side's, else the stream's: the other side may close that one between
 * two frames of a block. A block that is no promise and not the first of its direction on the stream has the trailers
 * of the message, unless what came before was informational (RFC 9113 8.1), which is a message of its own as in HTTP/1.
 *
 * A stream that has no place (HTTP2_STREAMS_MAX) is heard of with its headers only, and not as complete. */
#include "http2_priv.h"

void
http2_tap_block_begin(struct shrike_ctx *ctx, struct http2_streams *streams, struct http2_headers *h, bool is_request)
{
	struct http2_local *local = shrike_local(ctx);
	unsigned direction = shrike_direction(ctx);
	struct http2_stream *stream = h->is_promise ? NULL : http2_stream_find(streams, h->stream);

	message_tap_end(&local->taps, &h->tap, false); /* of a block that was never whole */
	h->status = 0;
	h->is_cut = false;
	h->is_trailer = stream != NULL && stream->headed & 1U << direction;
	if (h->is_trailer) {
		h->is_cut = stream->cut & 1U << direction;
		h->tap = stream->tap[direction];
		stream->tap[direction].number = 0;
	} else {
		message_tap_begin(ctx, &local->taps, &h->tap, direction, is_request, h->stream);
	}
}

static bool
is_informational(const struct http2_headers *h)
{
	return !h->is_promise && h->status / 100 == 1 && !h->ends_stream;
}

void
http2_tap_block_end(struct shrike_ctx *ctx, struct http2_streams *streams, struct http2_headers *h)
{
	struct http2_local *local = shrike_local(ctx);
	unsigned direction = shrike_direction(ctx);
	struct http2_stream *stream = h->is_promise ? NULL : http2_stream_find(streams, h->stream);

	if (!h->is_trailer)
		message_tap_status(&local->taps, &h->tap, (struct tap_http_status){.major = 2, .status = h->status});
	if (h->ends_stream || h->is_promise || is_informational(h)) {
		message_tap_end(&local->taps, &h->tap, !h->is_cut && !h->is_lost);
	} else if (stream == NULL || h->is_lost) {
		message_tap_end(&local->taps, &h->tap, false);
	} else {
		stream->headed |= (uint8_t)(1U << direction);
		stream->cut |= (uint8_t)(h->is_cut << direction);
		stream->tap[direction] = h->tap;
		h->tap.number = 0;
	}
}

void
http2_tap_break(struct message_taps *taps, struct http2_streams *streams, struct http2_headers *h)
{
	message_tap_end(taps, &h->tap, false);
	for (uint32_t i = 0; i < streams->room; i++)
		for (unsigned direction = 0; direction < 2; direction++)
			message_tap_end(taps, &streams->stream[i].tap[direction], false);
}
