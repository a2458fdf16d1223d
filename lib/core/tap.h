/* What workers say on their feeds (feed.h): pieces of HTTP messages on "http", chunks of TCP streams on "stream".
 *
 * Each is a struct of this file followed by bytes. HTTP messages go in pieces as they are read, so that a worker keeps
 * nothing of them; the listener puts them together. A message of which one piece was refused goes on without it, and
 * the count of pieces in the last one shows it. */
#ifndef TAP_H
#define TAP_H

#include <stdint.h>

#define TAP_HTTP   "http"
#define TAP_STREAM "stream"

/* The session, by what both ends and its record know. Side 0 is the session's source. */
struct tap_flow {
	uint64_t first_ns;	/* of the session's first packet, in its present record */
	uint8_t address[2][16]; /* IPv4 as v4-mapped; zeroes: none */
	uint16_t port[2];
	uint8_t ip_protocol, direction; /* 'direction': which side says this */
};

enum tap_http_kind {
	TAP_HTTP_BEGIN,	 /* struct tap_http_begin */
	TAP_HTTP_LINE,	 /* of the start line: a request's whole, a response's reason phrase in pieces */
	TAP_HTTP_NAME,	 /* of a header's name, in pieces */
	TAP_HTTP_VALUE,	 /* of its value; the next NAME begins another header */
	TAP_HTTP_UNNAME, /* the name that has begun was none */
	TAP_HTTP_STATUS, /* struct tap_http_status: the header block is whole */
	TAP_HTTP_BODY,
	TAP_HTTP_MISSING, /* so many bytes of the body were lost */
	TAP_HTTP_END,	  /* struct tap_http_end */
};

struct tap_http {
	uint64_t message; /* unique in this worker */
	uint32_t piece;	  /* 0, 1, ... */
	uint32_t kind;
};
struct tap_http_begin {
	struct tap_flow flow;
	uint64_t time_ns;
	uint32_t is_request;
	uint32_t stream; /* HTTP/2: its names with a colon make the start line; else 0 */
};
struct tap_http_status {
	uint16_t major, minor, status; /* status 0: a request */
};
struct tap_http_end {
	uint32_t is_complete;
};

struct tap_stream {
	struct tap_flow flow;
	uint64_t time_ns;
	uint32_t sequence; /* TCP sequence number of the first byte */
	uint32_t missing;  /* bytes before it that were never seen */
};

#endif
