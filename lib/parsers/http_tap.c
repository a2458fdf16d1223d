/* HTTP messages for listeners, piece by piece (tap.h).
 *
 * Whether somebody listens is asked once a message, when it begins: a listener who comes later gets the next one, and
 * never one without its beginning. Pieces go out as the library says them: names and values whole, while the record
 * keeps their first bytes only, and bodies without their chunks. So nothing is kept here, and a message costs a copy.
 */
#include <string.h>

#include "http_priv.h"

static void *
reserve(struct http_call *call, enum tap_http_kind kind, size_t size)
{
	struct http_side *side = call->side;
	struct tap_http *piece = feed_reserve(call->local->feed, sizeof(*piece) + size);
	const struct tap_http head = {.message = side->tapped, .piece = side->tapped_pieces++, .kind = kind};

	if (piece == NULL)
		return NULL;
	*piece = head;
	return piece + 1;
}

void
http_tap_piece(struct http_call *call, enum tap_http_kind kind, const void *bytes, size_t size)
{
	void *place = reserve(call, kind, size);

	if (place == NULL)
		return;
	memcpy(place, bytes, size);
	feed_commit(call->local->feed, sizeof(struct tap_http) + size);
}

void
http_tap_begin(struct http_call *call)
{
	struct http_side *side = call->side;
	struct tap_http_begin begin = {
		.flow = {.first_ns = shrike_first_time_ns(call->ctx),
			 .port = {shrike_port(call->ctx, 0), shrike_port(call->ctx, 1)},
			 .ip_protocol = shrike_ip_protocol(call->ctx),
			 .direction = (uint8_t)call->direction},
		.time_ns = shrike_time_ns(call->ctx),
		.is_request = side->kind == KIND_REQUEST,
	};
	struct cursor line = http_text_cursor(&side->line);

	if (!feed_is_wanted(call->local->feed))
		return;
	side->tapped = ++call->local->tapped_messages;
	side->tapped_pieces = 0;
	for (unsigned i = 0; i < 2; i++)
		memcpy(begin.flow.address[i], shrike_address(call->ctx, i), sizeof(begin.flow.address[i]));
	http_tap_piece(call, TAP_HTTP_BEGIN, &begin, sizeof(begin));
	if (side->kind == KIND_REQUEST)
		http_tap_piece(call, TAP_HTTP_LINE, line.p, cursor_left(&line));
}

void
http_tap_status(struct http_call *call)
{
	const struct http_side *side = call->side;
	struct tap_http_status status = {.major = side->major, .minor = side->minor};

	if (side->tapped == 0)
		return;
	if (side->kind == KIND_RESPONSE)
		status = (struct tap_http_status){.major = side->machine.http_major,
						  .minor = side->machine.http_minor,
						  .status = (uint16_t)side->machine.status_code};
	http_tap_piece(call, TAP_HTTP_STATUS, &status, sizeof(status));
}

void
http_tap_missing(struct http_call *call, uint32_t bytes)
{
	http_tap(call, TAP_HTTP_MISSING, &bytes, sizeof(bytes));
}

void
http_tap_end(struct http_call *call, bool is_complete)
{
	const struct tap_http_end end = {.is_complete = is_complete};

	http_tap(call, TAP_HTTP_END, &end, sizeof(end));
	call->side->tapped = 0;
}
