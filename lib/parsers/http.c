/* HTTP/1 (RFC 9110, RFC 9112).
 *
 * Recorded are methods, targets, versions, status codes, names and values of headers, cookies, who authorized how, and
 * of bodies their media type, their digests and the beginnings of requests. CONNECT, WebSocket and h2c hand the session
 * on to other parsers.
 *
 * The machine behind the request line (header blocks, lengths, chunks, trailers) is libhttp-parser 2.9.4. Of what
 * Debian has it is the one of the reference's own lineage: lenient where that is lenient (names with blanks, LF alone,
 * any byte in a value, both lengths at once), the same limits, 32 bytes of state for each direction, body bytes of a
 * known length passed over in one step. Its upstream is at rest, Debian patches it (CVE-2020-8287 for one).
 * node-llhttp's sources, the successor, were looked at: a server's strictness is its purpose, it refuses bare line ends
 * and blanks that captures have, and Debian ships them for Node's build only, without a library. What libhttp-parser
 * refuses and a sensor should not is done around it: request lines are read here (http_line.c), and a header line that
 * it cannot take is passed over and the machine set up again behind it, where it would give up the stream.
 *
 * Each direction is read on its own, whatever its chunks. Three values alone depend on the segments, as the reference
 * has them: media type, password tag and request body look at that part of a body which comes in its first chunk.
 * Which of a session's directions asks is learned from the last request line seen; before any, the source does.
 *
 * A gap inside a body of known length is passed over, its digests are given up; behind any other gap a direction waits
 * for a chunk that begins a message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http_priv.h"
#include "text.h"

static const struct field fields[N_FIELDS] = {
	[F_HOST] = {"http.host", "host.http", "http", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "HTTP Host",
		    "Host header, as sent and without its port", "aliases=[\"http.host\"]; category=host"},
	[F_HOST_TOKENS] = {"http.hostTokens", "host.http.tokens", "http", "lotextfield", FIELD_STR_SET, FIELD_FAKE,
			   "HTTP Host Tokens", "Words of the Host header", "aliases=[\"http.host.tokens\"]"},
	[F_URI] = {"http.uri", "http.uri", "http", "termfield", FIELD_STR_SET, FIELD_COUNT, "HTTP URI",
		   "Host and request target", "category=[\"url\",\"host\"]"},
	[F_URI_TOKENS] = {"http.uriTokens", "http.uri.tokens", "http", "lotextfield", FIELD_STR_SET, FIELD_FAKE,
			  "HTTP URI Tokens", "Words of the URI", NULL},
	[F_XFF] = {"http.xffIp", "ip.xff", "http", "ip", FIELD_IP_SET, FIELD_COUNT | FIELD_IP_PREFIX, "HTTP XFF IP",
		   "Addresses of X-Forwarded-For", "category=ip"},
	[F_USERAGENT] = {"http.useragent", "http.user-agent", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			 "HTTP Useragent", "User-Agent header", NULL},
	[F_USERAGENT_TOKENS] = {"http.useragentTokens", "http.user-agent.tokens", "http", "lotextfield", FIELD_STR_SET,
				FIELD_FAKE, "HTTP Useragent Tokens", "Words of the User-Agent header", NULL},
	[F_REQUEST_HEADER] = {"http.requestHeader", "http.hasheader.src", "http", "lotermfield", FIELD_STR_SET,
			      FIELD_COUNT, "HTTP Src Header", "Names of request headers", NULL},
	[F_RESPONSE_HEADER] = {"http.responseHeader", "http.hasheader.dst", "http", "lotermfield", FIELD_STR_SET,
			       FIELD_COUNT, "HTTP Dst Header", "Names of response headers", NULL},
	[F_REQUEST_HEADER_FIELD] = {"http.requestHeaderField", "http.header.request.field", "http", "lotermfield",
				    FIELD_STR_LIST, FIELD_NO_DB, "Request Header Fields",
				    "Names of request headers, in the order of their values", NULL},
	[F_REQUEST_HEADER_VALUE] = {"http.requestHeaderValue", "http.hasheader.src.value", "http", "lotermfield",
				    FIELD_STR_LIST, FIELD_COUNT, "Request Header Values", "Values of request headers",
				    NULL},
	[F_RESPONSE_HEADER_FIELD] = {"http.responseHeaderField", "http.header.response.field", "http", "lotermfield",
				     FIELD_STR_LIST, FIELD_NO_DB, "Response Header fields",
				     "Names of response headers, in the order of their values", NULL},
	[F_RESPONSE_HEADER_VALUE] = {"http.responseHeaderValue", "http.hasheader.dst.value", "http", "lotermfield",
				     FIELD_STR_LIST, FIELD_COUNT, "Response Header Values",
				     "Values of response headers", NULL},
	[F_ALL_HEADERS] = {"hhall", "http.hasheader", "http", "lotermfield", FIELD_NONE, FIELD_FAKE,
			   "Has Src or Dst Header", "Names of headers of either side",
			   "regex=^http\\\\.hasheader\\\\.(?:(?!(cnt|value)$).)*$"},
	[F_ALL_HEADER_VALUES] = {"hhvalueall", "http.hasheader.value", "http", "lotermfield", FIELD_NONE, FIELD_FAKE,
				 "Has Value in Src or Dst Header", "Values of headers of either side",
				 "regex=^http\\\\.hasheader\\\\.(src|dst)\\\\.value$"},
	[F_MD5] = {"http.md5", "http.md5", "http", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "HTTP Body MD5",
		   "MD5 of bodies", "category=md5"},
	[F_SHA256] = {"http.sha256", "http.sha256", "http", "lotermfield", FIELD_STR_SET, FIELD_COUNT,
		      "HTTP Body SHA256", "SHA-256 of bodies", "category=sha256"},
	[F_VERSION] = {"httpversion", "http.version", "http", "termfield", FIELD_NONE, FIELD_FAKE, "HTTP Version",
		       "Version that either side speaks", "regex=^http.version.[a-z]+$"},
	[F_CLIENT_VERSION] = {"http.clientVersion", "http.version.src", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			      "HTTP Src Version", "Version of requests", NULL},
	[F_SERVER_VERSION] = {"http.serverVersion", "http.version.dst", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			      "HTTP Dst Version", "Version of responses", NULL},
	[F_PATH] = {"http.path", "http.uri.path", "http", "termfield", FIELD_STR_SET, FIELD_COUNT, "HTTP URI Path",
		    "Request target up to its query", NULL},
	[F_KEY] = {"http.key", "http.uri.key", "http", "termfield", FIELD_STR_SET, FIELD_COUNT, "HTTP QS Keys",
		   "Keys of the query", NULL},
	[F_VALUE] = {"http.value", "http.uri.value", "http", "termfield", FIELD_STR_SET, FIELD_COUNT, "HTTP QS Values",
		     "Values of the query", NULL},
	[F_COOKIE_KEY] = {"http.cookieKey", "http.cookie.key", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			  "HTTP Cookie Keys", "Names of cookies", NULL},
	[F_COOKIE_VALUE] = {"http.cookieValue", "http.cookie.value", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			    "HTTP Cookie Values", "Values of cookies", NULL},
	[F_METHOD] = {"http.method", "http.method", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
		      "HTTP Request Method", "Methods of requests", NULL},
	[F_BODY_MAGIC] = {"http.bodyMagic", "http.bodymagic", "http", "termfield", FIELD_STR_SET, FIELD_COUNT,
			  "HTTP Body Magic", "Media types of bodies, by their first bytes", NULL},
	[F_USER] = {"http.user", "http.user", "http", "termfield", FIELD_STR_SET, FIELD_COUNT, "HTTP User",
		    "Users that authorized", "category=user"},
	[F_AUTH_TYPE] = {"http.authType", "http.authtype", "http", "lotermfield", FIELD_STR_SET, FIELD_COUNT,
			 "HTTP Auth Type", "Schemes of authorization", NULL},
	[F_STATUS_CODE] = {"http.statuscode", "http.statuscode", "http", "integer", FIELD_INT_SET, FIELD_COUNT,
			   "HTTP Status Code", "Status codes of responses", NULL},
	[F_REQUEST_BODY] = {"http.requestBody", "http.reqbody", "http", "termfield", FIELD_STR_SET, 0,
			    "HTTP Request Body", "Short request bodies", NULL},
#define METHOD_COUNT(method)                                                                                           \
	[F_METHOD_COUNT + METHOD_##                                                                                    \
		method] = {"http.method-" #method,     "http.method." #method,	 "http", "integer", FIELD_INT, 0,      \
			   "Method " #method " Count", "Requests with " #method, NULL}
	METHOD_COUNT(DELETE),
	METHOD_COUNT(GET),
	METHOD_COUNT(HEAD),
	METHOD_COUNT(POST),
	METHOD_COUNT(PUT),
	METHOD_COUNT(CONNECT),
	METHOD_COUNT(OPTIONS),
};

static const char *const calls[] = {
	[CALL_NTLM] = "ntlm.base64",
	[CALL_HEADER] = "http.header",
	[CALL_MESSAGE] = "http.message",
	[CALL_BODY] = "http.body",
	NULL,
};

/* ---- Messages */

static const http_parser_settings *
callbacks(const struct http_call *call)
{
	return call->state->in_tunnel ? &http_tunnel_callbacks : &http_callbacks;
}

/* What the side keeps of a message goes; phase and kind stay. */
static void
message_clear(struct http_call *call)
{
	struct http_side *side = call->side;

	message_tap_end(&call->local->taps, &side->tap, false);
	http_text_clear(call->ctx, &side->line);
	http_text_clear(call->ctx, &side->value);
	for (unsigned i = 0; i < COLLECTED; i++)
		http_text_clear(call->ctx, &side->collected[i]);
	body_drop(call->ctx, &side->body);
	side->collected_seen = 0;
	side->name_bytes = 0;
	side->in_headers = false;
	side->value_begun = false;
	side->body_begun = false;
	side->gap_in_body = false;
}

static void
side_stop(struct http_call *call)
{
	message_clear(call);
	call->side->phase = PHASE_STOPPED;
}

static void
message_begin(struct http_call *call, enum http_kind kind)
{
	struct http_side *side = call->side;

	side->kind = (uint8_t)kind;
	side->machine = kind == KIND_REQUEST ? call->shared->after_request_line : call->shared->before_response;
	side->phase = PHASE_MESSAGE;
	side->in_headers = true;
	http_tap_begin(call);
	if (!call->state->in_tunnel)
		http_tell_message(call, SHRIKE_HTTP_BEGIN);
}

/* A request line is whole in 'side->line'. */
static void
request_begin(struct http_call *call)
{
	struct http_side *side = call->side;
	struct cursor whole = http_text_cursor(&side->line);
	struct http_line line;

	switch (http_line_parse(whole, &line)) {
	case LINE_IS_REQUEST:
		break;
	case LINE_WITHOUT_VERSION:
		/* Its target is recorded when it is answered like a request. */
		call->state->request_direction = (uint8_t)call->direction;
		side->phase = PHASE_STOPPED;
		side->target_offset = line.target_offset;
		side->target_bytes = (uint32_t)cursor_left(&line.target);
		return;
	case LINE_IS_NONE:
		side_stop(call);
		return;
	}
	side->method = (uint8_t)line.method;
	side->major = (uint16_t)line.major;
	side->minor = (uint16_t)line.minor;
	side->target_offset = line.target_offset;
	side->target_bytes = (uint32_t)cursor_left(&line.target);
	call->state->request_direction = (uint8_t)call->direction;
	message_begin(call, KIND_REQUEST);
}

static void
skip_line_ends(struct cursor *in)
{
	while (cursor_peek(in, 0) == '\r' || cursor_peek(in, 0) == '\n')
		cursor_skip(in, 1);
}

static struct cursor
without_cr(struct cursor line)
{
	size_t size = cursor_left(&line);

	if (size > 0 && cursor_peek(&line, size - 1) == '\r')
		cursor_limit(&line, size - 1);
	return line;
}

/* More of a line of which 'side->line' has the beginning, up to its end or the chunk's. True: it is whole. */
static bool
line_continue(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side;
	struct cursor rest = *in, line = cursor_until(&rest, '\n'), whole;
	bool is_whole = !cursor_bad(&rest);

	if (!is_whole)
		line = *in;
	*in = rest;
	if (side->line.size + cursor_left(&line) > HTTP_BLOCK_BYTES_MAX) {
		side_stop(call);
		return false;
	}
	if (!http_text_append(call->ctx, &side->line, line, HTTP_BLOCK_BYTES_MAX)) {
		call->out_of_memory = true;
		return false;
	}
	whole = without_cr(http_text_cursor(&side->line));
	side->line.size = is_whole ? (uint32_t)cursor_left(&whole) : side->line.size;
	if (!http_line_may_be(whole)) {
		side_stop(call);
		return false;
	}
	return is_whole;
}

/* The first bytes of a direction say whether it asks or answers, and it goes on so (as in the reference). True: they
 * are "HTTP/", and the library has them. */
static bool
response_begins(struct http_call *call, struct cursor *in)
{
	static const char version[] = "HTTP/";
	const size_t size = sizeof(version) - 1;
	struct http_side *side = call->side;
	struct cursor begin = *in, piece;

	if (side->line.size == 0 && cursor_left(&begin) >= size && memcmp(begin.p, version, size) != 0)
		return false;
	piece = begin;
	cursor_limit(&piece, size - side->line.size);
	cursor_skip(&begin, cursor_left(&piece));
	if (!http_text_append(call->ctx, &side->line, piece, size)) {
		call->out_of_memory = true;
		return true;
	}
	*in = begin;
	if (memcmp(side->line.bytes, version, side->line.size) != 0)
		return false;
	if (side->line.size < size)
		return true;
	http_text_clear(call->ctx, &side->line);
	message_begin(call, KIND_RESPONSE);
	side->machine.data = call;
	(void)http_parser_execute(&side->machine, callbacks(call), version, size);
	return true;
}

static void
start_continue(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side;

	if (side->line.size == 0)
		skip_line_ends(in);
	if (cursor_left(in) == 0)
		return;
	if (side->kind == KIND_RESPONSE) {
		message_begin(call, KIND_RESPONSE);
		return;
	}
	if (side->kind == KIND_UNKNOWN && side->line.size < 5 && response_begins(call, in))
		return;
	if (line_continue(call, in))
		request_begin(call);
}

/* Of the record that is about to be closed. */
static void
emit_counts(struct shrike_ctx *ctx, struct http_state *state)
{
	for (unsigned i = 0; i < HTTP_COUNTED_METHODS; i++)
		if (state->method_count[i] > 0)
			shrike_emit_int(ctx, F_METHOD_COUNT + i, state->method_count[i]);
	memset(state->method_count, 0, sizeof(state->method_count));
}

/* ---- What follows a message */

/* For those who listen (http_tunnel.c). What the client has sent before the answer is not among it. */
static void
tunnel_listen(struct http_call *call)
{
	struct http_state *state = call->state;

	emit_counts(call->ctx, state);
	state->in_tunnel = true;
	state->connect_waits = false;
	state->waiting = 0;
	state->waiting_heads = 0;
	state->waiting_lost = false;
	for (unsigned i = 0; i < 2; i++) {
		state->side[i].kind = KIND_UNKNOWN;
		if (state->side[i].phase == PHASE_CONNECT)
			state->side[i].phase = PHASE_START;
	}
}

/* A 2xx answer to CONNECT: what either side sends from here on is something else (RFC 9110 9.3.6). */
static void
tunnel_begin(struct http_call *call, struct cursor *in)
{
	unsigned client = 1 - call->direction;

	if (call->state->in_tunnel) { /* one in the other: that is far enough */
		call->state->done = true;
		return;
	}
	if (call->state->side[client].phase == PHASE_CONNECT)
		shrike_reclassify_next(call->ctx, client);
	shrike_reclassify(call->ctx, *in);
	if (feed_is_wanted(call->local->taps.feed))
		tunnel_listen(call);
	else
		call->state->done = true;
}

/* 101 (RFC 9110 7.8). WebSocket frames that came with it in one chunk are not looked at, as in the reference. */
static void
protocol_switched(struct http_call *call, struct cursor *in)
{
	if (call->state->in_tunnel) {
		call->state->done = true;
		return;
	}
	if (call->state->h2c_offered) {
		shrike_reclassify_next(call->ctx, 1 - call->direction);
		shrike_reclassify(call->ctx, *in);
	} else if (call->state->websocket_offered) {
		shrike_add_protocol(call->ctx, "websocket");
		(void)shrike_attach(call->ctx, "websocket", 0);
	}
	call->state->done = true;
}

static void
message_end(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side, *other = &call->state->side[1 - call->direction];
	unsigned status = side->machine.status_code;

	message_clear(call);
	side->phase = PHASE_START;
	if (side->kind == KIND_REQUEST) {
		if (side->method == METHOD_CONNECT)
			side->phase = PHASE_CONNECT;
		return;
	}
	if (status == 101) {
		protocol_switched(call, in);
	} else if (call->state->connect_waits && status / 100 == 2) {
		tunnel_begin(call, in);
	} else if (call->state->connect_waits && status / 100 != 1) {
		call->state->connect_waits = false;
		if (other->phase == PHASE_CONNECT)
			other->phase = PHASE_START;
	}
}

/* What the client sends before CONNECT was answered goes into the tunnel. */
static void
connect_continue(struct http_call *call, struct cursor *in)
{
	call->side->phase = PHASE_STOPPED;
	if (!call->state->in_tunnel)
		shrike_reclassify(call->ctx, *in);
}

/* ---- Bytes */

/* The library says no. A header line it cannot take costs that line, all else the direction. */
static void
message_refused(struct http_call *call, enum http_errno reason)
{
	struct http_side *side = call->side;

	if (!side->in_headers || (reason != HPE_INVALID_HEADER_TOKEN && reason != HPE_LF_EXPECTED)) {
		side_stop(call);
		return;
	}
	if (!side->value_begun) {
		side->name_bytes = 0;
		http_tap(call, TAP_HTTP_UNNAME, "", 0);
	}
	side->phase = PHASE_BAD_LINE;
}

static void
bad_line_continue(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side;
	struct cursor rest = *in;

	(void)cursor_until(&rest, '\n');
	*in = rest;
	if (cursor_bad(&rest))
		return;
	side->machine.state = call->shared->field_start_state & 0x7f;
	side->machine.header_state = 0;
	side->machine.http_errno = HPE_OK;
	side->phase = PHASE_MESSAGE;
}

static void
message_continue(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side;
	size_t size = cursor_left(in);
	enum http_errno reason;

	side->machine.data = call;
	size = http_parser_execute(&side->machine, callbacks(call), (const char *)in->p, size);
	cursor_skip(in, size);
	reason = HTTP_PARSER_ERRNO(&side->machine);
	if (reason == HPE_PAUSED)
		message_end(call, in);
	else if (reason != HPE_OK)
		message_refused(call, reason);
	else if (cursor_left(in) > 0)
		side_stop(call);
}

/* Behind a gap only a chunk that begins a message makes sense again. */
static void
lost_continue(struct http_call *call, struct cursor *in)
{
	struct http_side *side = call->side;
	struct cursor begin = *in;

	cursor_limit(&begin, 16);
	if (side->kind != KIND_REQUEST && cursor_left(&begin) > 5 && memcmp(begin.p, "HTTP/", 5) == 0)
		side->phase = PHASE_START;
	else if (side->kind != KIND_RESPONSE && memchr(begin.p, ' ', cursor_left(&begin)) != NULL &&
		 http_line_may_be(begin))
		side->phase = PHASE_START;
	else
		cursor_skip(in, cursor_left(in));
}

static void
side_continue(struct http_call *call, struct cursor *in)
{
	switch ((enum http_phase)call->side->phase) {
	case PHASE_START:
		start_continue(call, in);
		break;
	case PHASE_MESSAGE:
		message_continue(call, in);
		break;
	case PHASE_BAD_LINE:
		bad_line_continue(call, in);
		break;
	case PHASE_CONNECT:
		connect_continue(call, in);
		break;
	case PHASE_LOST:
		lost_continue(call, in);
		break;
	case PHASE_STOPPED:
		break;
	}
}

/* What is still needed of the chunk is copied. */
static bool
side_keep(struct http_call *call)
{
	struct http_side *side = call->side;

	if (side->line.size == 0 && side->value.size == 0 && side->collected_seen == 0)
		return true;
	if (!http_text_own(call->ctx, &side->line) || !http_text_own(call->ctx, &side->value))
		return false;
	for (unsigned i = 0; i < COLLECTED; i++)
		if (!http_text_own(call->ctx, &side->collected[i]))
			return false;
	return true;
}

/* ---- The parser */

static struct http_call
call_make(struct shrike_ctx *ctx, unsigned direction)
{
	struct http_state *state = shrike_state(ctx);

	return (struct http_call){.ctx = ctx,
				  .shared = shrike_shared(ctx),
				  .local = shrike_local(ctx),
				  .state = state,
				  .side = &state->side[direction],
				  .direction = direction};
}

static enum shrike_verdict
call_end(struct http_call *call)
{
	struct http_state *state = call->state;

	if (!state->done && !call->out_of_memory &&
	    (state->side[0].phase != PHASE_STOPPED || state->side[1].phase != PHASE_STOPPED))
		return SHRIKE_MORE;
	/* The reference counts methods when it saves, so a session that left HTTP before has no counts; a tunnel has.
	 */
	if (state->connect_waits)
		emit_counts(call->ctx, state);
	return SHRIKE_DONE;
}

/* What is left of a body of known length that nobody wants is not asked for, but its last byte, with which the library
 * finds the message's end. */
static void
skip_body(struct http_call *call)
{
	struct http_side *side = call->side;

	if (side->phase != PHASE_MESSAGE || side->in_headers || side->body_announced == BODY_LENGTH_UNKNOWN ||
	    !(side->gap_in_body || side->body.given_up) || side->machine.content_length <= 1 ||
	    shrike_has_listener(call->ctx, CALL_BODY) || side->tap.number != 0 || call->state->in_tunnel)
		return;
	shrike_skip(call->ctx, side->machine.content_length - 1);
	side->machine.content_length = 1;
}

static enum shrike_verdict
http_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct http_call call = call_make(ctx, shrike_direction(ctx));

	if (!call.state->begun) {
		call.state->begun = true;
		shrike_add_protocol(ctx, "http");
	}
	while (cursor_left(&in) > 0 && call.side->phase != PHASE_STOPPED && !call.state->done && !call.out_of_memory)
		side_continue(&call, &in);
	if (!call.state->done && !call.out_of_memory && !side_keep(&call))
		call.out_of_memory = true;
	if (!call.state->done)
		skip_body(&call);
	return call_end(&call);
}

/* True: a body of which bytes may be missing without losing its end. */
static bool
body_has_room(const struct http_side *side, uint32_t missing)
{
	if (side->phase != PHASE_MESSAGE || side->in_headers || (side->machine.flags & F_CHUNKED) != 0)
		return false;
	return side->machine.content_length >= missing; /* ULLONG_MAX: it runs to the end of the session */
}

static void
pass_over(struct http_call *call, uint32_t missing)
{
	static const char nothing[65536];

	body_drop(call->ctx, &call->side->body);
	call->side->gap_in_body = true;
	message_tap_missing(&call->local->taps, &call->side->tap, missing);
	call->is_missing = true;
	while (missing > 0 && call->side->phase == PHASE_MESSAGE && !call->state->done) {
		uint32_t size = missing < sizeof(nothing) ? missing : (uint32_t)sizeof(nothing);
		struct cursor in = cursor_make(nothing, size);

		message_continue(call, &in);
		missing -= size;
	}
}

static enum shrike_verdict
http_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct http_call call = call_make(ctx, shrike_direction(ctx));

	if (body_has_room(call.side, missing)) {
		pass_over(&call, missing);
	} else if (call.side->phase != PHASE_STOPPED && call.side->phase != PHASE_CONNECT) {
		message_clear(&call);
		call.side->phase = PHASE_LOST;
		call.state->waiting = 0;
		call.state->waiting_lost = true;
	}
	return call_end(&call);
}

static void
http_save(struct shrike_ctx *ctx, bool is_final)
{
	/* The end of the session is that of a body without a length. */
	for (unsigned i = 0; is_final && i < 2; i++) {
		struct http_call call = call_make(ctx, i);

		if (call.side->phase != PHASE_MESSAGE)
			continue;
		call.side->machine.data = &call;
		(void)http_parser_execute(&call.side->machine, callbacks(&call), NULL, 0);
		side_stop(&call);
	}
	emit_counts(ctx, shrike_state(ctx));
}

/* ---- At start */

/* The library's machine as it stands behind a request line, and as it stands before a response. */
static bool
machines_prepare(struct http_shared *shared)
{
	static const char line[] = "GET / HTTP/1.1\r\n";
	const http_parser_settings silent = {0};
	http_parser *machine = &shared->after_request_line;

	http_parser_init(machine, HTTP_REQUEST);
	machine->allow_chunked_length = 1;
	machine->lenient_http_headers = 1;
	if (http_parser_execute(machine, &silent, line, sizeof(line) - 1) != sizeof(line) - 1 ||
	    HTTP_PARSER_ERRNO(machine) != HPE_OK)
		return false;
	shared->field_start_state = machine->state;
	http_parser_init(&shared->before_response, HTTP_RESPONSE);
	shared->before_response.allow_chunked_length = 1;
	shared->before_response.lenient_http_headers = 1;
	return true;
}

static void
http_destroy(void *shared_)
{
	http_fields_destroy(shared_);
	free(shared_);
}

static void *
http_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct http_shared *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	if (!machines_prepare(shared)) {
		http_destroy(shared);
		errno = EINVAL;
		return NULL;
	}
	if (!http_fields_create(conf, setup, shared)) {
		http_destroy(shared);
		errno = ENOMEM;
		return NULL;
	}
	return shared;
}

static void
http_destroy_local(void *local)
{
	message_taps_fini(&((struct http_local *)local)->taps);
	free(local);
}

static void *
http_create_local(const void *shared)
{
	struct http_local *local = calloc(1, sizeof(*local));

	(void)shared;
	if (local == NULL)
		return NULL;
	if (message_taps_init(&local->taps) < 0) {
		free(local);
		return NULL;
	}
	return local;
}

#define REQUEST(method)                                                                                                \
	{                                                                                                              \
		.transports = SHRIKE_TCP | SHRIKE_SCTP, SHRIKE_BYTES(method)                                           \
	}
static const struct shrike_match matches[] = {
	REQUEST("DELETE"),
	REQUEST("GET"),
	REQUEST("HEAD"),
	REQUEST("POST"),
	REQUEST("PUT"),
	REQUEST("CONNECT"),
	REQUEST("OPTIONS"),
	REQUEST("TRACE"),
	REQUEST("COPY"),
	REQUEST("LOCK"),
	REQUEST("MKCOL"),
	REQUEST("MOVE"),
	REQUEST("PROPFIND"),
	REQUEST("PROPPATCH"),
	REQUEST("SEARCH"),
	REQUEST("UNLOCK"),
	REQUEST("ACL"),
	REQUEST("BIND"),
	REQUEST("REBIND"),
	REQUEST("UNBIND"),
	REQUEST("MKCALENDAR"),
	REQUEST("REPORT"),
	REQUEST("MKACTIVITY"),
	REQUEST("CHECKOUT"),
	REQUEST("MERGE"),
	REQUEST("M-SEARCH"),
	REQUEST("NOTIFY"),
	REQUEST("SUBSCRIBE"),
	REQUEST("UNSUBSCRIBE"),
	REQUEST("PATCH"),
	REQUEST("PURGE"),
	REQUEST("LINK"),
	REQUEST("UNLINK"),
	REQUEST("SOURCE"),
	REQUEST("PRI"),
	REQUEST("QUERY"),
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("HTTP")},
	{0},
};

const struct shrike_parser http_protocol = {
	.api = SHRIKE_API,
	.name = "http",
	.match = matches,
	.fields = fields,
	.n_fields = N_FIELDS,
	.calls = calls,
	.state_bytes = sizeof(struct http_state),
	.create = http_create,
	.destroy = http_destroy,
	.create_local = http_create_local,
	.destroy_local = http_destroy_local,
	.parse = http_parse,
	.gap = http_gap,
	.save = http_save,
};
SHRIKE_PARSER(http_protocol);
