/* Views: packets that stay in the buffers their file was read into.
 *
 * A file is read into a ring of buffers. A packet's mbuf has no bytes of its own: it points at the packet there. That
 * saves a copy, and the 18 cache lines of a 1,100-byte packet which the worker's core has read and which this one
 * would have to fetch back to write them.
 *
 * External buffers (rte_pktmbuf_attach_extbuf()) would cost an atomic decrement and a detach for each packet. Here the
 * mbufs are direct ones, of a mempool whose driver does not keep what comes back but counts it: the mbufs are given
 * out in order, in groups, and freeing takes the mbufs of one group that are freed together off the group's count, one
 * atomic operation for up to a burst. A group without mbufs outside is used again, and a buffer when all groups up to
 * its last one are back. So any lcore may free, by any of DPDK's calls, and nothing but the count is shared. What it
 * gives up: one mbuf that is kept holds everything behind it.
 *
 * A group never spans two buffers: when a buffer is left, the rest of its group is skipped.
 *
 * How large the ring is decides in which cache a worker finds the packets. On the replay's own lcore they should be in
 * its cache still, and the buffers too when they are written again, so all of them are a fraction of one (Xeon with
 * 2 MB of second-level cache a core, downloads of 64 KB: 346 ns a packet with 2 MB of buffers, 317 with 512 KB). For
 * another core the worst place is this core's cache, because each line has to be asked from there: the ring is larger
 * than that, so that lines have gone to the cache that both share, or to memory, by the time they are asked for, and
 * workers lag by nearly all of it when they are what is slow (the same CPU, web downloads: 315 ns with 2 MB, 244 with
 * 4 MB, 240 with 8 MB). */
#include "replay_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

enum { VIEWS_AHEAD = 4 };

static const struct views_size size_beside = {.buffers = 4, .buffer_bytes = 128 << 10, .groups = 32};
static const struct views_size size_apart = {
	.buffers = VIEW_BUFFERS_MAX, .buffer_bytes = 512 << 10, .groups = VIEW_GROUPS_MAX};

/* --- the mempool's driver --------------------------------------------------------------------------------------- */

static int
views_alloc(struct rte_mempool *pool)
{
	struct views_shared *shared =
		rte_zmalloc_socket("views", sizeof(*shared), RTE_CACHE_LINE_SIZE, pool->socket_id);

	if (shared == NULL)
		return -ENOMEM;
	pool->pool_data = shared;
	return 0;
}

static void
views_free(struct rte_mempool *pool)
{
	rte_free(pool->pool_data);
}

static uint32_t
group_of(struct rte_mbuf *m)
{
	return ((const struct packet_meta *)rte_mbuf_to_priv(m))->view_group;
}

/* Runs of one group are counted together. While the pool is made there are no groups yet. */
static int
views_enqueue(struct rte_mempool *pool, void *const *mbufs, unsigned n)
{
	struct views_shared *shared = pool->pool_data;
	unsigned i = 0;

	if (unlikely(!shared->ready))
		return 0;
	while (i < n) {
		uint32_t group = group_of(mbufs[i]);
		unsigned first = i++;

		while (i < n && group_of(mbufs[i]) == group)
			i++;
		/* Release: what was read from the buffer was read before. */
		atomic_fetch_sub_explicit(&shared->group[group].outside, i - first, memory_order_release);
	}
	return 0;
}

/* Only view_take() gives them out. */
static int
views_dequeue(struct rte_mempool *pool, void **mbufs, unsigned n)
{
	(void)pool;
	(void)mbufs;
	(void)n;
	return -ENOBUFS;
}

static unsigned
views_count(const struct rte_mempool *pool)
{
	const struct views_shared *shared = pool->pool_data;
	unsigned n = pool->size;

	for (unsigned i = 0; i < VIEW_GROUPS_MAX; i++)
		n -= atomic_load_explicit(&shared->group[i].outside, memory_order_relaxed);
	return n;
}

static const struct rte_mempool_ops views_ops = {
	.name = "shrike_views",
	.alloc = views_alloc,
	.free = views_free,
	.enqueue = views_enqueue,
	.dequeue = views_dequeue,
	.get_count = views_count,
};
RTE_MEMPOOL_REGISTER_OPS(views_ops)

/* --- buffers ---------------------------------------------------------------------------------------------------- */

static inline unsigned
slot_of(const struct views *v, uint64_t group)
{
	return group & (v->size.groups - 1);
}

/* Takes note of the groups that are back. */
static void
take_back(struct views *v)
{
	while (v->oldest < v->current &&
	       atomic_load_explicit(&v->shared->group[slot_of(v, v->oldest)].outside, memory_order_acquire) == 0)
		v->oldest++;
}

static void
close_group(struct views *v)
{
	if (v->used == 0)
		return;
	atomic_fetch_sub_explicit(&v->shared->group[slot_of(v, v->current)].outside, VIEW_GROUP - v->used,
				  memory_order_relaxed);
	v->used = 0;
	v->current++;
}

/* A buffer that was never used ended at group 0. */
static bool
buffer_is_free(const struct views *v, unsigned ahead)
{
	return v->oldest >= v->buffer[(v->reading + ahead) % v->size.buffers].end;
}

bool
views_can_open(struct views *v)
{
	take_back(v);
	return buffer_is_free(v, 1) && buffer_is_free(v, 2);
}

static uint8_t *
next_buffer(void *context)
{
	struct views *v = context;

	take_back(v);
	if (!buffer_is_free(v, 1))
		return NULL;
	close_group(v);
	v->buffer[v->reading].end = v->current;
	v->reading = (v->reading + 1) % v->size.buffers;
	return v->buffer[v->reading].address;
}

/* --- mbufs ------------------------------------------------------------------------------------------------------ */

bool
views_make_room(struct views *v)
{
	take_back(v);
	return v->used > 0 || v->current - v->oldest < v->size.groups;
}

struct rte_mbuf *
view_take(struct views *v)
{
	unsigned slot = slot_of(v, v->current), index = slot * VIEW_GROUP + v->used;
	struct rte_mbuf *ahead = v->mbuf[(index + VIEWS_AHEAD) & (v->size.groups * VIEW_GROUP - 1)];

	/* A worker has read them, so to write their lines means to fetch them from there first. */
	rte_prefetch0_write(ahead);
	rte_prefetch0_write(rte_mbuf_to_priv(ahead));
	if (v->used++ == 0)
		atomic_store_explicit(&v->shared->group[slot].outside, VIEW_GROUP, memory_order_relaxed);
	if (v->used == VIEW_GROUP) {
		v->used = 0;
		v->current++;
	}
	return v->mbuf[index];
}

static void
prepare_mbuf(struct rte_mempool *pool, void *context, void *object, unsigned index)
{
	struct views *v = context;
	struct rte_mbuf *m = object;

	(void)pool;
	m->buf_iova = RTE_BAD_IOVA; /* nobody sends these */
	m->data_off = 0;
	((struct packet_meta *)rte_mbuf_to_priv(m))->view_group = index / VIEW_GROUP;
	v->mbuf[index] = m;
}

int
views_init(struct views *v, bool apart, const char *name, int socket)
{
	v->size = apart ? size_apart : size_beside;
	v->source = (struct capture_buffers){
		.next = next_buffer, .context = v, .bytes = v->size.buffer_bytes, .read_bytes = VIEW_READ_BYTES};
	for (unsigned i = 0; i < v->size.buffers; i++) {
		v->buffer[i].address = rte_malloc_socket("views", CAPTURE_CARRY_BYTES + v->size.buffer_bytes,
							 RTE_CACHE_LINE_SIZE, socket);
		if (v->buffer[i].address == NULL)
			return -ENOMEM;
	}
	v->pool = rte_pktmbuf_pool_create_by_ops(name, v->size.groups * VIEW_GROUP, 0, sizeof(struct packet_meta), 0,
						 socket, views_ops.name);
	if (v->pool == NULL)
		return -rte_errno;
	v->shared = v->pool->pool_data;
	v->pool_number = port_pool_number(v->pool);
	rte_mempool_obj_iter(v->pool, prepare_mbuf, v);
	v->shared->ready = true;
	return 0;
}

void
views_fini(struct views *v)
{
	rte_mempool_free(v->pool);
	for (unsigned i = 0; i < v->size.buffers; i++)
		rte_free(v->buffer[i].address);
}

size_t
replay_memory_bytes(bool apart)
{
	const struct views_size *size = apart ? &size_apart : &size_beside;

	return size->buffers * (size_t)(CAPTURE_CARRY_BYTES + size->buffer_bytes) +
	       (size_t)size->groups * VIEW_GROUP *
		       (sizeof(struct rte_mbuf) + sizeof(struct packet_meta) + 2 * RTE_CACHE_LINE_SIZE);
}
