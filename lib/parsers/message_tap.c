/* HTTP messages for listeners, piece by piece (tap.h).
 *
 * Whether somebody listens is asked once a message, when it begins: a listener who comes later gets the next one, and
 * never one without its beginning. Pieces go out as they are read: names and values whole, while the record keeps their
 * first bytes only, and bodies without their framing. So nothing is kept here, and a message costs a copy. */
#include "message_tap.h"

#include <errno.h>
#include <string.h>

int
message_taps_init(struct message_taps *taps)
{
	taps->numbers = 0;
	taps->feed = feed_create(TAP_HTTP);
	return taps->feed != NULL ? 0 : -errno;
}

void
message_taps_fini(struct message_taps *taps)
{
	feed_destroy(taps->feed);
	taps->feed = NULL;
}

void
message_tap_copy(struct message_taps *taps, struct message_tap *tap, enum tap_http_kind kind, const void *bytes,
		 size_t size)
{
	struct tap_http *piece = feed_reserve(taps->feed, sizeof(*piece) + size);
	const struct tap_http head = {.message = tap->number, .piece = tap->pieces++, .kind = kind};

	if (piece == NULL)
		return;
	*piece = head;
	if (size > 0)
		memcpy(piece + 1, bytes, size);
	feed_commit(taps->feed, sizeof(*piece) + size);
}

void
message_tap_begin(struct shrike_ctx *ctx, struct message_taps *taps, struct message_tap *tap, unsigned direction,
		  bool is_request, uint32_t stream)
{
	struct tap_http_begin begin;

	*tap = (struct message_tap){0};
	if (!feed_is_wanted(taps->feed))
		return;
	begin = (struct tap_http_begin){
		.flow = {.first_ns = shrike_first_time_ns(ctx),
			 .port = {shrike_port(ctx, 0), shrike_port(ctx, 1)},
			 .ip_protocol = shrike_ip_protocol(ctx),
			 .direction = (uint8_t)direction},
		.time_ns = shrike_time_ns(ctx),
		.is_request = is_request,
		.stream = stream,
	};
	for (unsigned i = 0; i < 2; i++)
		memcpy(begin.flow.address[i], shrike_address(ctx, i), sizeof(begin.flow.address[i]));
	tap->number = ++taps->numbers;
	message_tap_copy(taps, tap, TAP_HTTP_BEGIN, &begin, sizeof(begin));
}

void
message_tap_status(struct message_taps *taps, struct message_tap *tap, struct tap_http_status status)
{
	message_tap_piece(taps, tap, TAP_HTTP_STATUS, &status, sizeof(status));
}

void
message_tap_missing(struct message_taps *taps, struct message_tap *tap, uint32_t bytes)
{
	message_tap_piece(taps, tap, TAP_HTTP_MISSING, &bytes, sizeof(bytes));
}

void
message_tap_end(struct message_taps *taps, struct message_tap *tap, bool is_complete)
{
	const struct tap_http_end end = {.is_complete = is_complete};

	message_tap_piece(taps, tap, TAP_HTTP_END, &end, sizeof(end));
	tap->number = 0;
}
