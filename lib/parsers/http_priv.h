/* What the files of the http parser share.
 *
 * http.c           life of a session: which bytes are whose, what follows a message
 * http_callbacks.c what the library says while it reads a message
 * http_line.c      request lines
 * http_message.c   what a whole header block says: method, uri, host, authorization, status
 * http_field.c     single header fields, the conf's sections, cookies
 * http_target.c    path, query, protocols known by their path
 * http_text.c      a text that arrives in pieces
 * http_tap.c       whole messages for those who listen to them
 * http_tunnel.c    those inside a tunnel */
#ifndef HTTP_PRIV_H
#define HTTP_PRIV_H

#include <http_parser.h>

#include "bodies.h"
#include "header_fields.h"
#include "hooks.h"
#include "message_tap.h"
#include "parser.h"

enum {
	F_HOST,
	F_HOST_TOKENS,
	F_URI,
	F_URI_TOKENS,
	F_XFF,
	F_USERAGENT,
	F_USERAGENT_TOKENS,
	F_REQUEST_HEADER,
	F_RESPONSE_HEADER,
	F_REQUEST_HEADER_FIELD,
	F_REQUEST_HEADER_VALUE,
	F_RESPONSE_HEADER_FIELD,
	F_RESPONSE_HEADER_VALUE,
	F_ALL_HEADERS,
	F_ALL_HEADER_VALUES,
	F_MD5,
	F_SHA256,
	F_VERSION,
	F_CLIENT_VERSION,
	F_SERVER_VERSION,
	F_PATH,
	F_KEY,
	F_VALUE,
	F_COOKIE_KEY,
	F_COOKIE_VALUE,
	F_METHOD,
	F_BODY_MAGIC,
	F_USER,
	F_AUTH_TYPE,
	F_STATUS_CODE,
	F_REQUEST_BODY,
	F_METHOD_COUNT, /* the first of HTTP_COUNTED_METHODS */
	F_METHOD_COUNT_END = F_METHOD_COUNT + 7,
	N_FIELDS = F_METHOD_COUNT_END,
};

enum { CALL_NTLM, CALL_HEADER, CALL_MESSAGE, CALL_BODY };

enum {
	HTTP_BLOCK_BYTES_MAX = 80 * 1024, /* of a request line; of a header block it is the library's own limit */
	HTTP_NAME_BYTES_MAX = 39,	  /* kept of a header's name */
	HTTP_VALUE_BYTES_MAX = 8192,	  /* kept of a header's value */
	HTTP_URI_BYTES_MAX = 4096,
	HTTP_COUNTED_METHODS = 7,
	HTTP_REQUESTS_WAITING_MAX = 64, /* requests without an answer, of which the method is remembered */
};

/* ---- A text in pieces: borrowed from the chunk as long as it lies in one, else in the session's memory. */

struct http_text {
	union {
		const uint8_t *bytes;
		uint8_t *memory; /* the same, when it is ours */
	};
	uint32_t size, capacity; /* capacity 0: borrowed */
};
/* What goes beyond 'max' bytes is cut off. False: no memory. */
bool http_text_append(struct shrike_ctx *, struct http_text *, struct cursor, uint32_t max);
bool http_text_own(struct shrike_ctx *, struct http_text *); /* before the chunk goes */
void http_text_clear(struct shrike_ctx *, struct http_text *);
struct cursor http_text_cursor(const struct http_text *);

/* ---- Request lines */

enum http_method_place { /* the first HTTP_COUNTED_METHODS in the order of their fields */
			 METHOD_DELETE,
			 METHOD_GET,
			 METHOD_HEAD,
			 METHOD_POST,
			 METHOD_PUT,
			 METHOD_CONNECT,
			 METHOD_OPTIONS,
};

struct http_line {
	unsigned method; /* http_method_name() */
	struct cursor target;
	uint32_t target_offset; /* in the line */
	unsigned major, minor;
};
const char *http_method_name(unsigned method);
enum http_line_verdict {
	LINE_IS_NONE,
	LINE_IS_REQUEST,
	LINE_WITHOUT_VERSION, /* method and target are good, what follows is no version */
};
/* 'line' is without its line end. */
enum http_line_verdict http_line_parse(struct cursor line, struct http_line *);
/* False: these first bytes of a line will never be a request line. */
bool http_line_may_be(struct cursor begin);

/* ---- State */

struct http_settings {
	bool request_all, response_all, query_values, cookie_values, body_utf8_only;
	uint32_t value_bytes_max, request_body_max;
};

struct http_shared {
	struct http_settings settings;
	struct body_settings bodies;
	struct header_fields *header_fields[2]; /* of requests, of responses */
	http_parser after_request_line, before_response;
	unsigned field_start_state; /* of the library's machine: a header line begins */
};

struct http_local { /* of a worker: scratch space of one call */
	char text[HTTP_BLOCK_BYTES_MAX];
	char uri[HTTP_URI_BYTES_MAX];
	char lower[HTTP_VALUE_BYTES_MAX];
	struct message_taps taps;
};

/* Headers whose values are collected over the block and looked at when it is whole. */
enum http_collected {
	COLLECT_HOST,
	COLLECT_COOKIE,
	COLLECT_AUTHORIZATION,
	COLLECT_PROXY,
	COLLECTED,
	COLLECT_NONE = COLLECTED
};

enum http_phase {
	PHASE_START,	/* a message is to begin */
	PHASE_MESSAGE,	/* the library has it */
	PHASE_BAD_LINE, /* a header line it refused is passed over */
	PHASE_CONNECT,	/* CONNECT was sent; the answer decides what these bytes are */
	PHASE_LOST,	/* behind a gap: a chunk that begins a message is awaited */
	PHASE_STOPPED,	/* nothing more to be had here */
};

enum http_kind { KIND_UNKNOWN, KIND_REQUEST, KIND_RESPONSE };

struct http_side {
	http_parser machine;
	struct http_text line, value, collected[COLLECTED];
	struct body body;
	struct message_tap tap;
	uint64_t body_announced;
	uint32_t target_offset, target_bytes; /* in 'line' */
	uint16_t major, minor;
	uint8_t phase, kind, method;
	uint8_t name_bytes;
	bool in_headers, value_begun, body_begun, gap_in_body;
	uint8_t collecting;	/* enum http_collected, of the present header */
	uint8_t collected_seen; /* bit mask */
	char name[HTTP_NAME_BYTES_MAX];
};

struct http_state {
	struct http_side side[2];
	uint32_t method_count[HTTP_COUNTED_METHODS];
	uint64_t waiting_heads; /* bit i: the i-th request without an answer is a HEAD */
	uint8_t waiting;
	bool waiting_lost; /* more than can be remembered */
	uint8_t request_direction;
	bool begun, done, connect_waits, websocket_offered, h2c_offered;
	bool in_tunnel; /* nothing is recorded any more, somebody listens */
};

/* One call: what the callbacks of the library get. */
struct http_call {
	struct shrike_ctx *ctx;
	const struct http_shared *shared;
	struct http_local *local;
	struct http_state *state;
	struct http_side *side;
	unsigned direction;
	bool out_of_memory;
	bool is_missing; /* the bytes are stand-ins for lost ones */
};

static inline bool
http_is_request_side(const struct http_call *call)
{
	return call->direction == call->state->request_direction;
}

static inline struct cursor
http_side_target(const struct http_side *side)
{
	struct cursor line = http_text_cursor(&side->line);

	cursor_skip(&line, side->target_offset);
	return cursor_sub(&line, side->target_bytes);
}

/* ---- What the library says (http_callbacks.c) */

extern const http_parser_settings http_callbacks;
void http_tell_message(struct http_call *, enum shrike_http_event); /* to plugins */

enum http_body_verdict { BODY_AS_SENT = 0, BODY_NONE = 1, BODY_NONE_AND_UPGRADE = 2 }; /* the library's numbers */
/* Of a header block that is whole; to be asked once. */
enum http_body_verdict http_request_body(struct http_call *);
enum http_body_verdict http_response_body(struct http_call *);

/* ---- Messages inside a tunnel (http_tunnel.c) */

extern const http_parser_settings http_tunnel_callbacks;

/* ---- Whole messages for listeners (http_tap.c): nothing is done for a message that began when nobody listened. */

void http_tap_begin(struct http_call *);
void http_tap_status(struct http_call *);

static inline void
http_tap(struct http_call *call, enum tap_http_kind kind, const void *bytes, size_t size)
{
	message_tap_piece(&call->local->taps, &call->side->tap, kind, bytes, size);
}

/* ---- What is said */

extern const struct shrike_parser http_protocol;

/* Settings and known headers. False: no memory. */
bool http_fields_create(const struct conf *, struct shrike_setup *, struct http_shared *);
void http_fields_destroy(struct http_shared *);
void http_emit_name(struct shrike_ctx *, bool is_request, const char *lower_name, size_t name_bytes);
void http_emit_value(struct shrike_ctx *, const struct http_shared *, struct http_local *,
		     const struct shrike_http_field *, struct cursor value);
void http_emit_cookies(struct shrike_ctx *, const struct http_shared *, struct cursor);
void http_emit_target(struct shrike_ctx *, const struct http_shared *, struct http_local *, struct cursor target);
void http_emit_request(struct http_call *);  /* a request's header block is whole */
void http_emit_response(struct http_call *); /* a response's */
void http_emit_collected(struct http_call *);

#endif
