/* HTTP messages on their way to those who listen, piece by piece (core/tap.h).
 *
 * Threads: all of it is the worker's. */
#ifndef MESSAGE_TAP_H
#define MESSAGE_TAP_H

#include "feed.h"
#include "parser.h"
#include "tap.h"

/* A worker's, of one parser. */
struct message_taps {
	struct feed *feed;
	uint64_t numbers; /* given so far */
};
int message_taps_init(struct message_taps *); /* 0 or -errno */
void message_taps_fini(struct message_taps *);

/* A message's. Number 0: nobody listened when it began, and nothing is done for it. */
struct message_tap {
	uint64_t number;
	uint32_t pieces;
};

/* 'direction' says it; 'stream' of HTTP/2, else 0. */
void message_tap_begin(struct shrike_ctx *, struct message_taps *, struct message_tap *, unsigned direction,
		       bool is_request, uint32_t stream);
void message_tap_copy(struct message_taps *, struct message_tap *, enum tap_http_kind, const void *bytes, size_t size);
void message_tap_status(struct message_taps *, struct message_tap *, struct tap_http_status);
void message_tap_missing(struct message_taps *, struct message_tap *, uint32_t bytes);
void message_tap_end(struct message_taps *, struct message_tap *, bool is_complete);

static inline void
message_tap_piece(struct message_taps *taps, struct message_tap *tap, enum tap_http_kind kind, const void *bytes,
		  size_t size)
{
	if (tap->number != 0)
		message_tap_copy(taps, tap, kind, bytes, size);
}

#endif
