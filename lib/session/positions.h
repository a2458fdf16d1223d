/* Where the packets of live sessions are stored: file number, position and, when wanted, length, gap coded.
 *
 * Threads: one store per table, one owner. Memory: the last 15 bytes of a list lie in the session itself, enough for
 * three packets; what came before lies in chunks of 32 to 256 bytes from the store's pools. A packet costs 4 bytes,
 * some 12 when the one before lies in another file or more than 2 GB away. */
#ifndef POSITIONS_H
#define POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

enum {
	POSITION_INLINE_BYTES = 15,
	POSITION_ORDERS = 4,
	POSITION_ORDER_SHIFT = 30,
	POSITION_HANDLE_MASK = (1 << POSITION_ORDER_SHIFT) - 1,
};

/* All zero: empty. */
struct position_list {
	uint64_t
		last; /* position << 8 | bytes in the last chunk: one word, so that a read never waits for two writes */
	uint32_t last_file;
	uint32_t tail; /* the last chunk: order << 30 | handle; 0: none yet */
	uint8_t fill;  /* of 'bytes' */
	uint8_t bytes[POSITION_INLINE_BYTES];
};
_Static_assert(sizeof(struct position_list) == 32, "half a cache line of the session");

struct position_store {
	struct pool *pool[POSITION_ORDERS];
	bool has_lengths;
};

/* 0 or -errno. Sized for 'max_sessions' lists. */
int position_store_init(struct position_store *, uint32_t max_sessions, bool has_lengths);
void position_store_fini(struct position_store *);
size_t position_store_bytes(const struct position_store *); /* in use */

/* False, and nothing has changed: no chunk is left. 'length' is ignored unless the store has lengths. */
bool position_append(struct position_store *, struct position_list *, uint32_t file, uint64_t position,
		     uint32_t length);

/* Empties the list and gives its chunks back. */
void position_clear(struct position_store *, struct position_list *);

static inline bool
position_is_empty(const struct position_list *list)
{
	return list->fill == 0 && list->tail == 0;
}

/* The last chunk, where reading begins too; NULL: there is none. */
static inline const void *
position_last(const struct position_store *store, const struct position_list *list)
{
	if (list->tail == 0)
		return NULL;
	return pool_at(store->pool[list->tail >> POSITION_ORDER_SHIFT], list->tail & POSITION_HANDLE_MASK);
}

/* Asks for what reading touches first, when the last chunk is there. */
void position_prefetch(const struct position_store *, const struct position_list *);

/* For a prefetch: the chunk that the next position will need, or a place of no use that is always the same, because to
 * choose by a branch whether to ask costs more than to ask. */
static inline const void *
position_tail(const struct position_store *store, const struct position_list *list)
{
	uint32_t id = list->tail & -(uint32_t)(list->fill > POSITION_INLINE_BYTES - 4);

	return pool_at(store->pool[id >> POSITION_ORDER_SHIFT], id & POSITION_HANDLE_MASK);
}

struct position_reader {
	const struct position_store *store;
	const struct position_list *list;
	const uint8_t *p, *end;
	uint32_t chunk; /* being read; 0: the inline bytes, which come last */
	bool first;
	uint32_t file, length;
	uint64_t position;
};
void position_read_begin(struct position_reader *, const struct position_store *, const struct position_list *);
/* Fills 'file', 'position' and 'length' (0 without lengths) of the reader; false: that was the last one. */
bool position_read_next(struct position_reader *);
/* The packets that come next, as long as each lies in the same file at a distance of at most 'largest' and no length is
 * kept: the distances, and how many they are, at most 'n'. 0: ask position_read_next(). */
unsigned position_read_gaps(struct position_reader *, uint32_t *gap, unsigned n, uint32_t largest);

#endif
