/* Feeds: what a worker tells a listener elsewhere, if there is one.
 *
 * A feed is a name ("http", "stream"), one for each worker, and a ring of bytes that is not there before somebody
 * listens for the first time. The worker asks feed_is_wanted() - one load - and goes on when nobody does. Else it
 * copies a message into the ring; when the ring has no room the message is refused and counted: a worker never waits.
 *
 *   void *m = feed_is_wanted(f) ? feed_reserve(f, size) : NULL;
 *   if (m != NULL) {
 *           fill m;
 *           feed_commit(f, size);
 *   }
 *
 * Threads: reserve and commit: the worker's; feeds_*(): the listener's, one for each name; create and destroy: the
 * worker's owner, at the beginning and the end. A listener may come and go at any time. */
#ifndef FEED_H
#define FEED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FEED_ALIGN = 8, FEED_RING_BYTES_MIN = 65536 };

struct feed;

/* 'name' is a constant. NULL with errno. */
struct feed *feed_create(const char *name);
void feed_destroy(struct feed *); /* accepts NULL */

/* First in struct feed, for the inline below. */
struct feed_public {
	_Atomic bool is_wanted;
};
static inline bool
feed_is_wanted(const struct feed *f)
{
	return atomic_load_explicit(&((const struct feed_public *)(const void *)f)->is_wanted, memory_order_acquire);
}

/* Room for one message, or NULL, counted: none, or 'size' is more than a fourth of the ring. */
void *feed_reserve(struct feed *, size_t size);
/* The reserved message is whole; 'size' may be less than was reserved. */
void feed_commit(struct feed *, size_t size);

/* ---- The listener */

/* From now on, or no longer. The ring of each feed has 'ring_bytes' (a power of two) when it had none. 0 or -ENOMEM. */
int feeds_want(const char *name, bool wanted, size_t ring_bytes);

/* Calls for at most 'max' messages of each worker, oldest first; returns how many there were. */
typedef void (*feed_take)(const struct feed *, const void *message, size_t size, void *context);
unsigned feeds_take(const char *name, unsigned max, feed_take, void *context);

/* Refused messages, of all feeds of this name there are and were. */
uint64_t feeds_refused(const char *name);

#endif
