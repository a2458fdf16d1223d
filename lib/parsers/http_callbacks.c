/* What the library says while it reads a message: names and values, the end of a header block, body bytes.
 *
 * A name or a value may come in any number of pieces; the name is recorded when its value begins, the value when the
 * next header, the end of the block or that of the trailers shows that it is whole. What the library hears back says
 * whether a body follows: it knows neither the request that a response answers, nor what an upgrade leads to. */
#include <string.h>

#include "http_priv.h"
#include "text.h"

/* ---- Events for plugins */

void
http_tell_message(struct http_call *call, enum shrike_http_event event)
{
	struct shrike_http_message message = {.event = event, .is_request = call->side->kind == KIND_REQUEST};
	struct cursor nothing = cursor_make("", 0), target;

	if (!shrike_has_listener(call->ctx, CALL_MESSAGE))
		return;
	if (message.is_request) {
		target = http_side_target(call->side);
		message.method = http_method_name(call->side->method);
		message.method_bytes = strlen(message.method);
		message.url = (const char *)target.p;
		message.url_bytes = cursor_left(&target);
	} else {
		message.status = call->side->machine.status_code;
	}
	(void)shrike_call(call->ctx, CALL_MESSAGE, nothing, &message);
}

static void
tell_body(struct http_call *call, struct cursor bytes)
{
	struct shrike_http_message message = {.event = SHRIKE_HTTP_BODY,
					      .is_request = call->side->kind == KIND_REQUEST};

	if (shrike_has_listener(call->ctx, CALL_BODY))
		(void)shrike_call(call->ctx, CALL_BODY, bytes, &message);
}

/* ---- Headers */

static bool
side_name_is(const struct http_side *side, const char *lower, size_t size)
{
	return side->name_bytes == size && strncasecmp(side->name, lower, size) == 0;
}

static enum http_collected
header_collected(const struct http_side *side, bool is_request)
{
	if (is_request) {
		if (side_name_is(side, "host", 4))
			return COLLECT_HOST;
		if (side_name_is(side, "cookie", 6))
			return COLLECT_COOKIE;
		if (side_name_is(side, "authorization", 13))
			return COLLECT_AUTHORIZATION;
		return side_name_is(side, "proxy-authorization", 19) ? COLLECT_PROXY : COLLECT_NONE;
	}
	if (side_name_is(side, "www-authenticate", 16))
		return COLLECT_AUTHORIZATION;
	return side_name_is(side, "proxy-authenticate", 18) ? COLLECT_PROXY : COLLECT_NONE;
}

/* The name is whole, its value begins. */
static void
header_begin(struct http_call *call)
{
	struct http_side *side = call->side;
	bool is_request = http_is_request_side(call);
	char lower[HTTP_NAME_BYTES_MAX];

	side->value_begun = true;
	text_lower(lower, side->name, side->name_bytes);
	http_emit_name(call->ctx, is_request, lower, side->name_bytes);
	side->collecting = header_collected(side, is_request);
	if (side->collecting != COLLECT_NONE)
		side->collected_seen |= (uint8_t)(1u << side->collecting);
}

static void
note_upgrade(struct http_call *call, struct cursor value)
{
	if (!side_name_is(call->side, "upgrade", 7))
		return;
	if (text_starts_nocase(&value, "websocket"))
		call->state->websocket_offered = true;
	if (text_starts_nocase(&value, "h2c"))
		call->state->h2c_offered = true;
}

/* The value is whole too. */
static void
header_end(struct http_call *call)
{
	struct http_side *side = call->side;
	struct cursor value = http_text_cursor(&side->value);
	char lower[HTTP_NAME_BYTES_MAX];
	struct shrike_http_field field = {
		.is_request = http_is_request_side(call), .lower_name = lower, .name_bytes = side->name_bytes};

	if (side->value_begun) {
		text_lower(lower, side->name, side->name_bytes);
		http_emit_value(call->ctx, call->shared, call->local, &field, value);
		note_upgrade(call, value);
		if (shrike_has_listener(call->ctx, CALL_HEADER)) {
			struct shrike_http_header header = {field.is_request, side->name, lower, side->name_bytes};

			(void)shrike_call(call->ctx, CALL_HEADER, value, &header);
		}
	}
	http_text_clear(call->ctx, &side->value);
	side->value_begun = false;
	side->name_bytes = 0;
}

static int
on_name(http_parser *machine, const char *at, size_t size)
{
	struct http_call *call = machine->data;
	struct http_side *side = call->side;

	if (side->value_begun)
		header_end(call);
	http_tap(call, TAP_HTTP_NAME, at, size);
	if (size > sizeof(side->name) - side->name_bytes)
		size = sizeof(side->name) - side->name_bytes;
	memcpy(&side->name[side->name_bytes], at, size);
	side->name_bytes += (uint8_t)size;
	return 0;
}

static int
on_value(http_parser *machine, const char *at, size_t size)
{
	struct http_call *call = machine->data;
	struct http_side *side = call->side;
	struct cursor piece = cursor_make(at, size);

	if (!side->value_begun)
		header_begin(call);
	http_tap(call, TAP_HTTP_VALUE, at, size);
	if (!http_text_append(call->ctx, &side->value, piece, HTTP_VALUE_BYTES_MAX) ||
	    (side->collecting != COLLECT_NONE &&
	     !http_text_append(call->ctx, &side->collected[side->collecting], piece, HTTP_BLOCK_BYTES_MAX)))
		call->out_of_memory = true;
	return call->out_of_memory;
}

/* ---- Requests without an answer: that to a HEAD has no body, whatever its length says (RFC 9110 9.3.2). */

static void
request_waits(struct http_state *state, bool is_head)
{
	if (state->waiting == HTTP_REQUESTS_WAITING_MAX)
		state->waiting_lost = true;
	if (state->waiting_lost)
		return;
	state->waiting_heads |= (uint64_t)is_head << state->waiting;
	state->waiting++;
}

/* True: the request answered was a HEAD. */
static bool
request_answered(struct http_state *state)
{
	bool is_head = (state->waiting_heads & 1) != 0;

	if (state->waiting == 0)
		return false;
	state->waiting_heads >>= 1;
	state->waiting--;
	return is_head;
}

/* ---- A header block is whole */

static void
block_end(struct http_call *call)
{
	struct http_side *side = call->side;

	for (unsigned i = 0; i < COLLECTED; i++)
		http_text_clear(call->ctx, &side->collected[i]);
	side->collected_seen = 0;
	side->in_headers = false;
	if (!shrike_has_listener(call->ctx, CALL_MESSAGE))
		http_text_clear(call->ctx, &side->line); /* else its target is told with the end of the message too */
	side->body_announced = BODY_LENGTH_UNKNOWN;
	if ((side->machine.flags & (F_CHUNKED | F_CONTENTLENGTH)) == F_CONTENTLENGTH)
		side->body_announced = side->machine.content_length;
}

enum http_body_verdict
http_request_body(struct http_call *call)
{
	if (call->side->method == METHOD_CONNECT) {
		call->state->connect_waits = true;
		return BODY_NONE_AND_UPGRADE;
	}
	request_waits(call->state, call->side->method == METHOD_HEAD);
	return BODY_AS_SENT;
}

enum http_body_verdict
http_response_body(struct http_call *call)
{
	unsigned status = call->side->machine.status_code;
	bool is_head;

	if (call->state->connect_waits && status / 100 == 2)
		return BODY_NONE_AND_UPGRADE;
	if (status == 101)
		return BODY_NONE_AND_UPGRADE;
	/* RFC 9112 6.3: these end at the blank line, whatever length they announce. */
	if (status / 100 == 1)
		return BODY_NONE;
	is_head = !call->state->connect_waits && request_answered(call->state);
	return is_head || status == 204 || status == 304 ? BODY_NONE : BODY_AS_SENT;
}

static int
request_headers(struct http_call *call)
{
	http_emit_request(call);
	http_emit_collected(call);
	http_tell_message(call, SHRIKE_HTTP_HEADERS_COMPLETE);
	block_end(call);
	return http_request_body(call);
}

/* An answer to a request line that was refused (PHASE_STOPPED, with its line kept). */
static void
answered_refused(struct http_call *call)
{
	struct http_side *other = &call->state->side[1 - call->direction];
	struct cursor target;

	if (other->phase != PHASE_STOPPED || other->line.size == 0)
		return;
	target = http_side_target(other);
	cursor_limit(&target, HTTP_URI_BYTES_MAX);
	shrike_emit_rest(call->ctx, F_URI, &target);
	http_text_clear(call->ctx, &other->line);
}

static int
response_headers(struct http_call *call)
{
	http_emit_response(call);
	http_emit_collected(call);
	answered_refused(call);
	http_tell_message(call, SHRIKE_HTTP_HEADERS_COMPLETE);
	block_end(call);
	return http_response_body(call);
}

static int
on_headers_complete(http_parser *machine)
{
	struct http_call *call = machine->data;

	header_end(call);
	http_tap_status(call);
	/* Codings without "chunked" say nothing of the length (RFC 9112 6.3 wants such requests refused):
	 * Content-Length does, or the lack of it. */
	if ((machine->flags & F_CHUNKED) == 0)
		machine->uses_transfer_encoding = 0;
	return call->side->kind == KIND_REQUEST ? request_headers(call) : response_headers(call);
}

/* ---- Bodies */

static bool
ends_with(struct cursor text, const char *word)
{
	size_t size = strlen(word);

	if (cursor_left(&text) < size)
		return false;
	cursor_skip(&text, cursor_left(&text) - size);
	return text_equals_nocase(&text, word);
}

static bool
ends_with_password(struct cursor text)
{
	static const char *const words[] = {"password", "passwd", "pass"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (ends_with(text, words[i]))
			return true;
	return false;
}

/* The last letter of these words. */
static bool
may_end_with_password(struct cursor text)
{
	uint8_t last;

	cursor_skip(&text, cursor_left(&text) - 1);
	last = cursor_u8(&text) | 0x20;
	return !cursor_bad(&text) && (last == 'd' || last == 's');
}

/* Signs are rarer than letters: from one to the next, and a look at what stands before it. */
static bool
body_says_password(struct cursor bytes)
{
	struct cursor rest = bytes, piece = cursor_until(&rest, '=');

	for (; !cursor_bad(&rest); piece = cursor_until(&rest, '='))
		if (may_end_with_password(piece) && ends_with_password(piece))
			return true;
	return false;
}

static void
emit_request_body(struct http_call *call, struct cursor bytes)
{
	const struct http_settings *settings = &call->shared->settings;
	size_t size = cursor_left(&bytes);
	bool is_utf8;

	if (!http_is_request_side(call) || size == 0 || size > settings->request_body_max)
		return;
	is_utf8 = memchr(bytes.p, '\0', size) == NULL && text_is_utf8(bytes.p, size);
	if (is_utf8)
		shrike_emit_utf8(call->ctx, F_REQUEST_BODY, bytes.p, size);
	else if (!settings->body_utf8_only)
		shrike_emit_bytes(call->ctx, F_REQUEST_BODY, bytes.p, size);
}

/* That part of a body which came in the chunk where it begins. */
static void
body_begin(struct http_call *call, struct cursor bytes)
{
	const char *type;

	call->side->body_begun = true;
	if (body_says_password(bytes))
		shrike_add_tag(call->ctx, "http:password");
	type = shrike_magic(call->ctx, bytes.p, cursor_left(&bytes));
	if (type != NULL)
		shrike_emit_str(call->ctx, F_BODY_MAGIC, type);
	emit_request_body(call, bytes);
}

static int
on_body(http_parser *machine, const char *at, size_t size)
{
	struct http_call *call = machine->data;
	struct http_side *side = call->side;
	struct cursor bytes = cursor_make(at, size);

	if (!call->is_missing)
		http_tap(call, TAP_HTTP_BODY, at, size);
	if (side->gap_in_body)
		return 0;
	if (!side->body_begun)
		body_begin(call, bytes);
	body_update(call->ctx, &call->shared->bodies, &side->body, &bytes, side->body_announced);
	tell_body(call, bytes);
	return 0;
}

static int
on_message_complete(http_parser *machine)
{
	struct http_call *call = machine->data;
	struct http_side *side = call->side;

	header_end(call); /* of the trailers */
	body_finish(call->ctx, &call->shared->bodies, &side->body, F_MD5, F_SHA256);
	message_tap_end(&call->local->taps, &side->tap, true);
	http_tell_message(call, SHRIKE_HTTP_COMPLETE);
	/* What follows may be a request line, which is read here, or no HTTP. */
	http_parser_pause(machine, 1);
	return 0;
}

/* The reason phrase of a response. */
static int
on_status(http_parser *machine, const char *at, size_t size)
{
	http_tap(machine->data, TAP_HTTP_LINE, at, size);
	return 0;
}

const http_parser_settings http_callbacks = {
	.on_status = on_status,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};
