/* TCP streams for those who listen to them (tap.h).
 *
 * Threads: the worker's. */
#ifndef WORKER_TAP_H
#define WORKER_TAP_H

#include "feed.h"
#include "session.h"

struct feed *worker_tap_create(void); /* NULL with errno */
void worker_tap_copy(struct feed *, const struct session_table *, const struct session *, const struct session_chunk *);

/* True: somebody listens, and the session's payload has to go on. */
static inline bool
worker_tap_chunk(struct feed *f, const struct session_table *t, const struct session *s,
		 const struct session_chunk *chunk)
{
	if (!feed_is_wanted(f) || chunk->type != SESSION_TCP)
		return false;
	worker_tap_copy(f, t, s, chunk);
	return true;
}

#endif
