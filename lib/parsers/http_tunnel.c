/* HTTP inside a tunnel that CONNECT has opened, for those who listen.
 *
 * What goes through a tunnel is classified anew, and whoever recognises it gets it. HTTP is not among them: a session
 * records it once (as the reference has it). So when somebody listens, the parser stays and reads on with these calls,
 * which say messages on the feed and record nothing; without a listener it is done. Bytes that are no HTTP end it. */
#include "http_priv.h"

static int
on_status(http_parser *machine, const char *at, size_t size)
{
	http_tap(machine->data, TAP_HTTP_LINE, at, size);
	return 0;
}

static int
on_name(http_parser *machine, const char *at, size_t size)
{
	http_tap(machine->data, TAP_HTTP_NAME, at, size);
	return 0;
}

static int
on_value(http_parser *machine, const char *at, size_t size)
{
	http_tap(machine->data, TAP_HTTP_VALUE, at, size);
	return 0;
}

static int
on_headers_complete(http_parser *machine)
{
	struct http_call *call = machine->data;
	struct http_side *side = call->side;

	http_tap_status(call);
	http_text_clear(call->ctx, &side->line);
	side->in_headers = false;
	side->body_announced = BODY_LENGTH_UNKNOWN;
	if ((machine->flags & F_CHUNKED) == 0)
		machine->uses_transfer_encoding = 0;
	return side->kind == KIND_REQUEST ? http_request_body(call) : http_response_body(call);
}

static int
on_body(http_parser *machine, const char *at, size_t size)
{
	struct http_call *call = machine->data;

	if (!call->is_missing)
		http_tap(call, TAP_HTTP_BODY, at, size);
	return 0;
}

static int
on_message_complete(http_parser *machine)
{
	struct http_call *call = machine->data;

	message_tap_end(&call->local->taps, &call->side->tap, true);
	http_parser_pause(machine, 1);
	return 0;
}

const http_parser_settings http_tunnel_callbacks = {
	.on_status = on_status,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};
