/* Blocks: 2 MB buffers in EAL memory, each carried by an mbuf.
 *
 * Hugepage buffers double the rate of O_DIRECT (PERFORMANCE B.3), and being mbufs with an external buffer they can
 * later go to a compression device or a NIC as they are. An mbuf's lengths have 16 bits, so the block's own are in the
 * private area. The mbufs are never freed while the writer lives: a block circles worker -> writer -> worker.
 *
 * Each worker owns a few blocks, so that no other can starve it; the rest is a reserve from which a worker takes when
 * it runs short, itself: the writer may be in a system call for as long as a disk takes. All of it is one allocation,
 * made at creation; without hugepages the kernel gives its pages when they are first filled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "writer_priv.h"

bool
writer_uses_blocks(const struct writer_conf *conf, enum writer_method method)
{
	if (method == WRITER_INPLACE)
		return conf->copy_unnamed && !conf->dry_run;
	return method == WRITER_SIMPLE || method == WRITER_SIMPLE_NODIRECT || method == WRITER_DISCARD;
}

unsigned
writer_block_count(const struct writer_conf *conf, unsigned n_workers)
{
	unsigned n = conf->n_blocks != 0 ? conf->n_blocks : WRITER_SHARED_BLOCKS + WRITER_OWN_BLOCKS * n_workers;

	return n > WRITER_OWN_BLOCKS_MIN * n_workers ? n : WRITER_OWN_BLOCKS_MIN * n_workers;
}

size_t
writer_memory_bytes(const struct writer_conf *conf, unsigned n_workers)
{
	/* One block more: the allocation is moved to a 2 MB boundary. */
	return writer_uses_blocks(conf, conf->effective_method)
		       ? ((size_t)writer_block_count(conf, n_workers) + 1) * WRITER_BLOCK_BYTES
		       : 0;
}

static void
nothing_to_free(void *address, void *context)
{
	(void)address, (void)context;
}

static void
block_init(struct writer *w, struct rte_mbuf *m, unsigned index)
{
	struct writer_block *b = rte_mbuf_to_priv(m);
	unsigned owned = w->n_own * w->n_workers;

	memset(b, 0, sizeof(*b));
	b->mbuf = m;
	b->address = (uint8_t *)w->memory + (size_t)index * WRITER_BLOCK_BYTES;
	b->home = index < owned ? (uint16_t)(index % w->n_workers) : (uint16_t)WRITER_SHARED;
	b->shared.free_cb = nothing_to_free;
	rte_mbuf_ext_refcnt_set(&b->shared, 1);
	rte_pktmbuf_attach_extbuf(m, b->address, rte_mem_virt2iova(b->address), UINT16_MAX, &b->shared);
	w->block[index] = b;
	writer_block_return(w, b);
}

static void *
allocate(size_t size, int socket)
{
	void *p = rte_malloc_socket("shrike_blocks", size, WRITER_BLOCK_BYTES, socket);

	return p != NULL ? p : rte_malloc_socket("shrike_blocks", size, WRITER_BLOCK_BYTES, SOCKET_ID_ANY);
}

bool
writer_blocks_create(struct writer *w, char *why, size_t why_size)
{
	static _Atomic unsigned instance;
	unsigned n = atomic_fetch_add(&instance, 1);
	char name[RTE_MEMPOOL_NAMESIZE];

	w->n_blocks = writer_block_count(w->conf, w->n_workers);
	w->n_own = RTE_MIN((unsigned)WRITER_OWN_BLOCKS, w->n_blocks / w->n_workers);
	w->block = calloc(w->n_blocks, sizeof(struct writer_block *));
	snprintf(name, sizeof(name), "wr_reserve%u", n);
	w->reserve = rte_ring_create(name, w->n_blocks, w->params.socket, RING_F_SP_ENQ | RING_F_EXACT_SZ);
	snprintf(name, sizeof(name), "shrike_blocks%u", n);
	w->pool = rte_pktmbuf_pool_create(
		name, w->n_blocks, 0, RTE_ALIGN(sizeof(struct writer_block), RTE_MBUF_PRIV_ALIGN), 0, w->params.socket);
	w->memory = allocate((size_t)w->n_blocks * WRITER_BLOCK_BYTES, w->params.socket);
	if (w->block == NULL || w->reserve == NULL || w->pool == NULL || w->memory == NULL) {
		snprintf(why, why_size,
			 "not enough memory for %u blocks of 2 MB: lower pcapBlocks (at least %u), or reserve more "
			 "hugepages",
			 w->n_blocks, WRITER_OWN_BLOCKS_MIN * w->n_workers);
		return false;
	}
	for (unsigned i = 0; i < w->n_blocks; i++)
		block_init(w, rte_pktmbuf_alloc(w->pool), i);
	return true;
}

void
writer_blocks_destroy(struct writer *w)
{
	for (unsigned i = 0; w->block != NULL && i < w->n_blocks; i++)
		if (w->block[i] != NULL)
			rte_pktmbuf_free(w->block[i]->mbuf);
	rte_mempool_free(w->pool);
	rte_free(w->memory);
	free(w->block);
	rte_ring_free(w->reserve);
}

void
writer_block_return(struct writer *w, struct writer_block *b)
{
	b->file = NULL;
	b->next = NULL;
	__atomic_store_n(&b->bytes, 0, __ATOMIC_RELAXED);
	b->fill = b->packets = 0;
	b->last = b->done = false;
	b->result = 0;
	/* Both hold all blocks: they cannot be full. */
	rte_ring_enqueue(b->home == WRITER_SHARED ? w->reserve : w->lane[b->home].empty, b->mbuf);
}

/* Counted from what the blocks and stages hold, not from what went in and out. */
uint64_t
writer_blocks_held(const void *writer)
{
	const struct writer *w = writer;
	uint64_t held = 0;

	for (unsigned i = 0; i < w->n_blocks; i++)
		held += __atomic_load_n(&w->block[i]->bytes, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < w->n_workers; i++)
		for (unsigned j = 0; j < WRITER_FILES; j++) {
			const struct writer_file *f = &w->lane[i].files[j];

			held += __atomic_load_n(&f->staged, __ATOMIC_RELAXED);
			held += __atomic_load_n(&f->cut_bytes, __ATOMIC_RELAXED);
		}
	return held;
}
