/* Lazy timers: lists of handles by the second in which somebody has to look at them.
 *
 * Threads: one owner. Ownership: the members are objects of one pool that hold a 'struct wheel_link' at a fixed offset.
 * Time: whole seconds of the caller's clock, which never goes back (but see wheel_reset()).
 * Lazy: a member that lives on is not moved. When its slot comes up it is taken out and given to the caller, who
 * inserts it again if it is not due. Inserting, removing and taking one is constant work; a jump of the clock, however
 * far, looks at every member at most twice. */
#ifndef WHEEL_H
#define WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

/* Beyond this many seconds a member is looked at early, and inserted again. */
enum { WHEEL_SLOTS = 1024, WHEEL_LIST_PENDING = WHEEL_SLOTS, WHEEL_LISTS };

struct wheel_link {
	uint32_t prev, next; /* a handle, or a list */
};

struct wheel_list {
	uint32_t first, last;
};

struct wheel {
	const struct pool *pool;
	size_t link_offset;
	uint64_t taken_s; /* every slot up to this second has been taken */
	uint64_t clock_s; /* the second that wheel_take() works towards */
	uint64_t occupied[WHEEL_SLOTS / 64];
	struct wheel_list list[WHEEL_LISTS];
};

void wheel_init(struct wheel *, const struct pool *, size_t link_offset);

/* Empty wheels only: the clock starts again. */
void wheel_reset(struct wheel *);

/* To be looked at when the clock has reached 'due_s', or before. */
void wheel_insert(struct wheel *, uint32_t handle, uint64_t due_s);
void wheel_remove(struct wheel *, uint32_t handle);

/* Takes out the next member whose slot has come up at 'clock_s'; 0: there is none. */
uint32_t wheel_take(struct wheel *, uint64_t clock_s);

/* Undoes the last wheel_take(): the member is the next one again. */
void wheel_put_back(struct wheel *, uint32_t handle);

/* The first member of the first occupied slot after '*slot_s' (0: of all), which stays in; '*slot_s' becomes its
 * second. 0: there is none. */
uint32_t wheel_peek(const struct wheel *, uint64_t *slot_s);

/* What wheel_take() will probably take next; 0: not known. */
static inline uint32_t
wheel_pending(const struct wheel *w)
{
	uint32_t first = w->list[WHEEL_LIST_PENDING].first;

	return first >> 31 == 0 ? first : 0;
}

/* The one behind a member in its slot; 0: it is the last. */
uint32_t wheel_next(const struct wheel *, uint32_t handle);

#endif
