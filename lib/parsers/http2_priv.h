/* HTTP/2's parts: see http2.c. */
#ifndef HTTP2_PRIV_H
#define HTTP2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "bodies.h"
#include "message_tap.h"
#include "parser.h"

enum { HTTP2_METHOD, HTTP2_STATUS, HTTP2_HOST, HTTP2_BODY_MAGIC, HTTP2_MD5, HTTP2_SHA256 };
enum { HTTP2_CALL_TARGET, HTTP2_CALL_FIELD };

enum {
	HTTP2_STREAMS_MAX = 128,	      /* open at once; RFC 9113 6.5.2 wants a peer to allow 100 */
	HTTP2_HEADER_FRAME_BYTES_MAX = 65536, /* four times of what is allowed without asking */
};

/* ---- http2_streams.c: open streams and their bodies. 'taps' are of those whose messages end with them. */

struct http2_stream {
	struct body body[2];	   /* by direction */
	struct message_tap tap[2]; /* likewise */
	uint8_t ended;		   /* a bit for each direction */
	uint8_t headed;		   /* likewise: its headers have come, other blocks are trailers */
	uint8_t cut;		   /* likewise: not all of them were said */
};

struct http2_streams {
	uint32_t id[HTTP2_STREAMS_MAX]; /* 0: a free place */
	struct http2_stream *stream;	/* 'room' of them */
	uint32_t room;
	bool overflowed; /* there were more than HTTP2_STREAMS_MAX */
};

struct http2_stream *http2_stream_find(const struct http2_streams *, uint32_t id); /* NULL: not open */
/* Finds or opens; NULL: all places are taken, or no memory. */
struct http2_stream *http2_stream_lookup(struct shrike_ctx *, struct http2_streams *, uint32_t id);
/* A direction has sent all; the stream closes with the other one, too. */
void http2_stream_end(struct shrike_ctx *, struct http2_streams *, struct message_taps *, uint32_t id,
		      unsigned direction);
/* None: nothing happens. */
void http2_stream_close(struct shrike_ctx *, struct http2_streams *, struct message_taps *, uint32_t id);

/* ---- http2_headers.c: HPACK, and what headers say */

/* A worker's: what nghttp2's memory calls get, with the session that is being parsed, and who listens. */
struct http2_local {
	nghttp2_mem calls;
	struct shrike_ctx *ctx;
	size_t bytes_max; /* of one piece of memory */
	char name[256];	  /* a header's, in lower case */
	struct message_taps taps;
};
void http2_memory_init(struct http2_local *);

struct http2_headers {
	nghttp2_hd_inflater *inflater;
	uint64_t allowance;	/* bytes of text that may be recorded */
	uint32_t table_allowed; /* the peer's SETTINGS_HEADER_TABLE_SIZE, the largest there was; 0: none */
	uint32_t table_limit;	/* of the inflater */
	bool is_lost;		/* the table of the encoder is not known any more */
	bool in_block;		/* END_HEADERS has not come */
	bool is_promise;	/* the block is a PUSH_PROMISE's */
	bool ends_stream;	/* nothing follows the block on its stream */
	bool is_trailer;	/* the block's stream had its headers before */
	bool is_cut;		/* of the block not everything is said */
	uint16_t status;	/* of the block; 0: none */
	uint32_t stream;	/* that the block is of: a PUSH_PROMISE's is the promised one */
	struct message_tap tap; /* of the message that the block belongs to, as long as it lasts */
};

/* One frame's part of a header block. */
void http2_headers_read(struct shrike_ctx *, struct http2_local *, struct http2_headers *, struct cursor,
			bool is_request, bool is_last);

/* ---- http2_tap.c: messages for listeners */

/* A block begins ('stream', 'is_promise' and 'ends_stream' are set), and is whole. */
void http2_tap_block_begin(struct shrike_ctx *, struct http2_streams *, struct http2_headers *, bool is_request);
void http2_tap_block_end(struct shrike_ctx *, struct http2_streams *, struct http2_headers *);
/* The session, or what is read of it, ends amid its messages. */
void http2_tap_break(struct message_taps *, struct http2_streams *, struct http2_headers *);

#endif
