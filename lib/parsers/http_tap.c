/* What of HTTP/1 goes to listeners (message_tap.h). */
#include "http_priv.h"

void
http_tap_begin(struct http_call *call)
{
	struct http_side *side = call->side;
	struct message_taps *taps = &call->local->taps;
	struct cursor line;

	if (side->kind == KIND_REQUEST && side->major >= 2)
		return; /* HTTP/2's preface is no request (RFC 9113 3.4) */
	message_tap_begin(call->ctx, taps, &side->tap, call->direction, side->kind == KIND_REQUEST, 0);
	if (side->kind != KIND_REQUEST)
		return;
	line = http_text_cursor(&side->line);
	message_tap_piece(taps, &side->tap, TAP_HTTP_LINE, line.p, cursor_left(&line));
}

void
http_tap_status(struct http_call *call)
{
	struct http_side *side = call->side;
	struct tap_http_status status = {.major = side->major, .minor = side->minor};

	if (side->kind == KIND_RESPONSE)
		status = (struct tap_http_status){.major = side->machine.http_major,
						  .minor = side->machine.http_minor,
						  .status = (uint16_t)side->machine.status_code};
	message_tap_status(&call->local->taps, &side->tap, status);
}
