/* Pools of fixed-size objects, addressed by a 32-bit handle.
 *
 * A pool reserves address space for its maximum and the kernel gives pages as handles are first used, so a
 * small replay stays small, a table of ten million is one array, and handle -> address is one multiply. Free
 * objects are a LIFO chain through the objects themselves: the next one handed out is the one still in cache.
 *
 * Threads: one owner, no locks. pool_used() may be read by others (it may be a little old).
 * Ownership: the pool owns the memory; a handle is valid from pool_get() to pool_put().
 * Handle 0 is never given out: it means none.
 * Sanitize build: free objects are poisoned; pool_destroy() logs how many were not given back. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poison.h"

struct pool_params {
	const char *name;      /* for the memory table and messages; must outlive the pool */
	uint32_t object_bytes; /* at least 4, and a multiple of 4 */
	uint32_t max_objects;  /* at most this many are in use at once */
	uint32_t align_bytes;  /* 0 or a power of two up to 2 MB: object 1 starts aligned to this, and so do the rest
				* when object_bytes is a multiple of it */
};

/* An area that is used from its start on, whose pages can be made before they are used: vmem_ahead_step(). */
struct vmem_ahead {
	uint8_t *area; /* from vmem_reserve() */
	size_t bytes;
	const uint32_t *fresh; /* written by the area's owner: objects below this have been used */
	uint32_t object_bytes;
	size_t made; /* that much of the area needs nothing more */
	struct vmem_ahead *next;
};

struct pool {
	const char *name;
	uint8_t *base; /* of object 0, which is not used */
	uint32_t object_bytes;
	uint32_t max_objects;
	uint32_t used;
	uint32_t peak;
	uint32_t fresh;	    /* first handle never given out so far */
	uint32_t free_head; /* 0: none */
	size_t reserved_bytes;
	struct vmem_ahead ahead;
	uint8_t *area; /* of reserved_bytes; 'base' is where alignment puts it */
};

/* NULL with errno ENOMEM or EINVAL. */
struct pool *pool_create(const struct pool_params *);

/* Accepts NULL. Returns the number of objects that were still in use. */
uint32_t pool_destroy(struct pool *);

static inline void *
pool_at(const struct pool *pool, uint32_t handle)
{
	return pool->base + (size_t)handle * pool->object_bytes;
}

/* A handle to an object with undefined content (zero when it is used for the first time), or 0: the pool is full. */
static inline uint32_t
pool_get(struct pool *pool)
{
	uint32_t handle = pool->free_head;

	if (handle != 0) {
		UNPOISON(pool_at(pool, handle), pool->object_bytes);
		pool->free_head = *(uint32_t *)pool_at(pool, handle);
		/* Another core may have used it last: the next call need not wait for it as this one did. */
		__builtin_prefetch(pool_at(pool, pool->free_head), 1);
	} else if (pool->fresh <= pool->max_objects) {
		handle = pool->fresh++;
		UNPOISON(pool_at(pool, handle), pool->object_bytes);
	} else {
		return 0;
	}
	if (++pool->used > pool->peak)
		pool->peak = pool->used;
	return handle;
}

static inline void
pool_put(struct pool *pool, uint32_t handle)
{
	*(uint32_t *)pool_at(pool, handle) = pool->free_head;
	pool->free_head = handle;
	pool->used--;
	POISON(pool_at(pool, handle), pool->object_bytes);
}

static inline uint32_t
pool_room(const struct pool *pool)
{
	return pool->max_objects - pool->used;
}

static inline uint32_t
pool_handle(const struct pool *pool, const void *object)
{
	return (uint32_t)((size_t)((const uint8_t *)object - pool->base) / pool->object_bytes);
}

/* Address space for 'size' bytes of zeroes that cost memory when touched; 2 MB pages where the kernel gives them.
 * NULL with errno. vmem_release() accepts NULL. Areas of 4 MB and more that are reserved after
 * vmem_allow_reserved_pages() begin in reserved 2 MB pages (vm.nr_hugepages), at most 32 MB each and so many bytes
 * together; where those are in use by then, in others. Control thread, before there are workers. */
void vmem_allow_reserved_pages(size_t bytes);
void *vmem_reserve(size_t size);
void vmem_release(void *, size_t size);

/* Pools attach their own areas. The area must be detached before it is released. */
void vmem_ahead_attach(struct vmem_ahead *);
void vmem_ahead_detach(struct vmem_ahead *); /* also one that was never attached */

/* Makes the next 2 MB page of an area that will soon need it, about a millisecond of the kernel's time on a virtual
 * machine: for whoever has nothing else to do, on any thread, so that the area's owner need not wait for it. An area is
 * ahead by a quarter of what is used, at least 2 MB. False: there is nothing to make. */
bool vmem_ahead_step(void);

#endif
