/* Memory for what came too early: copies of segments, in queues.
 *
 * A copy, never the packet's own buffer: a replay may read on, and a NIC that ran out of buffers because of holes would
 * lose packets it need not. One hold for each worker, shared by all its sessions; a queue belongs to a session and is
 * 16 bytes there.
 *
 * Threads: one owner. Memory: address space for the maximum at start, touched as it is used; bytes lie in blocks of
 * five sizes. Limits: the bytes of all blocks together; a segment for which there is no room is not kept (the caller
 * counts). */
#ifndef HOLD_H
#define HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

enum { HOLD_SIZES = 5, HELD_EDGE_BYTES = 16 };

/* One that waits. SCTP's chunks wait here too: with their TSN, stream, flags and payload protocol. */
struct held {
	uint32_t next, previous; /* in its queue; 0: none */
	uint32_t seq, ack, length;
	uint32_t block;	  /* its bytes; 0: none are kept */
	uint32_t arrival; /* number of the segment, modulo 2^32 */
	uint32_t protocol;
	uint8_t flags;
	uint8_t direction, size_class;
	bool gap;	 /* what is missing before it is given up */
	bool overlapped; /* shares bytes with another that waits */
	uint64_t time_ns;
	uint8_t edge[HELD_EDGE_BYTES]; /* its last bytes, at the end */
};

/* Those of one session, first to be delivered first. All zero: empty. */
struct held_queue {
	uint32_t first, last;
	uint32_t bytes; /* of their payload, kept or not */
	uint32_t n;
};

struct hold {
	struct pool *held;
	struct pool *block[HOLD_SIZES];
	uint64_t block_bytes, block_bytes_max;
	uint32_t arrivals;
};

/* 0 or -errno. 'bytes_max' of blocks. */
int hold_init(struct hold *, uint64_t bytes_max);
void hold_fini(struct hold *);
uint64_t hold_bytes_used(const struct hold *);

static inline struct held *
held_at(const struct hold *hold, uint32_t handle)
{
	return pool_at(hold->held, handle);
}

/* A new one in no queue, or 0: there are too many. */
uint32_t held_create(struct hold *);
/* Room for that many bytes, or NULL: there is none, and nothing has changed. */
uint8_t *held_reserve(struct hold *, struct held *, uint32_t length);
/* Copies the bytes of payload. False as above. */
bool held_keep(struct hold *, struct held *, const uint8_t *bytes, uint32_t length);
/* What held_keep() copied, or NULL. */
const uint8_t *held_bytes(const struct hold *, const struct held *);
void held_free(struct hold *, uint32_t handle);

/* Behind 'after'; 0: at the front. */
void held_insert(struct hold *, struct held_queue *, uint32_t after, uint32_t handle);
void held_remove(struct hold *, struct held_queue *, uint32_t handle);
/* Frees all that wait. */
void held_clear(struct hold *, struct held_queue *);

#endif
