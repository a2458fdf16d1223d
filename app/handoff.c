/* Hand-off rings between workers.
 *
 * Every ordered pair has a ring of its own, so each has one producer and one consumer: no locked instruction, and order
 * is that of the sender. N x (N - 1) rings of pointers are small beside the packets they can hold, which is why their
 * slots count in the size of the packet pool.
 *
 * A packet crosses as it was received: the mbuf, with its metadata beside it, which is all that its owner reads of a
 * plain one. What decode said of it does not travel:
 * decoding again reads the headers, which the owner needs in its cache anyway, while the answer would be two cache
 * lines more to fetch from the other core. (Datagrams that were put together are different: META_DATAGRAM.) Packets for
 * one target are collected over a burst, since the cost of a ring is in the lines of its two indices, once per
 * operation.
 *
 * A tick is not an mbuf, which the pool may not have; it is its clock, shifted, with the lowest bit set, where pointers
 * to mbufs have none.
 *
 * The end. Packets from ports may be fragments, and what their owner puts together may belong to a third worker. So it
 * takes two rounds: a worker that has nothing left of what it received says so (round 1); when all have said so and it
 * has worked off what it took from them, it says that too (round 2); and when all have said that, nothing moves any
 * more. A peer's word is read before its ring is looked at: an empty ring after that stays empty. */
#include "handoff.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "packet.h"
#include "port.h"

COUNTER(handed_off, "worker.handed_off", "packets given to the worker that owns their flow", LEDGER_NONE, LEDGER_OUT);
COUNTER(taken_over, "worker.taken_over", "packets taken from the worker that received them", LEDGER_NONE, LEDGER_IN);
COUNTER_LOSS(handoff_full, "worker.handoff_full", "packets lost because the hand-off ring to their owner was full",
	     LEDGER_PACKETS);

enum { BIN_MAX = BURST_MAX + 1, ROUNDS = 2 };

struct bin {
	unsigned n;
	void *entry[BIN_MAX];
};

/* What came off a ring and waits behind a tick. */
struct stash {
	unsigned n, next;
	void *entry[BURST_MAX];
};

struct handoff_end {
	struct handoff *handoff;
	unsigned worker;
	struct counters *counters;
	unsigned waiting; /* entries in all bins */
	struct bin bin[HANDOFF_WORKERS_MAX];
	struct stash stash[HANDOFF_WORKERS_MAX];

	_Atomic unsigned round __rte_cache_aligned; /* that this worker has finished; read by its peers */
	/* Of ticks on rings, for the gauge. */
	_Atomic uint64_t ticks_sent, ticks_taken;
} __rte_cache_aligned;

struct handoff {
	struct handoff_params params;
	struct handoff_end *end; /* [n_workers] */
	struct rte_ring *ring[HANDOFF_WORKERS_MAX][HANDOFF_WORKERS_MAX];
	struct ledger_gauge gauge;
};

/* --- ticks ------------------------------------------------------------------------------------------------------ */

/* The year 2262 is the last one. */
static void *
tick_entry(uint64_t clock_ns)
{
	uint64_t most = UINT64_MAX >> 1;

	return (void *)(uintptr_t)((clock_ns < most ? clock_ns : most) << 1 | 1);
}

static inline bool
is_tick(const void *entry)
{
	return ((uintptr_t)entry & 1) != 0;
}

static uint64_t
tick_clock(const void *entry)
{
	return (uint64_t)(uintptr_t)entry >> 1;
}

static void
add_relaxed(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

void
handoff_put(struct handoff_end *end, unsigned to, struct rte_mbuf *m)
{
	struct bin *bin = &end->bin[to];

	bin->entry[bin->n++] = m;
	end->waiting++;
	COUNTER_ADD(end->counters, handed_off, 1);
}

void
handoff_tick(struct handoff_end *end, uint64_t clock_ns)
{
	for (unsigned to = 0; to < end->handoff->params.n_workers; to++) {
		struct bin *bin = &end->bin[to];

		if (to == end->worker)
			continue;
		bin->entry[bin->n++] = tick_entry(clock_ns);
		end->waiting++;
		add_relaxed(&end->ticks_sent, 1);
	}
}

/* Live: what the ring had no room for. */
static void
lose(struct handoff_end *end, void **entry, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = entry[i];

		if (is_tick(m)) {
			add_relaxed(&end->ticks_taken, 1);
			continue;
		}
		COUNTER_ADD(end->counters, handoff_full, 1);
		port_free_burst(&m, 1);
	}
}

static void
send_bin(struct handoff_end *end, unsigned to)
{
	struct bin *bin = &end->bin[to];
	struct rte_ring *ring = end->handoff->ring[end->worker][to];
	unsigned sent = rte_ring_sp_enqueue_burst(ring, bin->entry, bin->n, NULL);

	if (unlikely(sent < bin->n && !end->handoff->params.lossless)) {
		lose(end, &bin->entry[sent], bin->n - sent);
		sent = bin->n;
	}
	bin->n -= sent;
	end->waiting -= sent;
	if (unlikely(bin->n > 0))
		memmove(bin->entry, &bin->entry[sent], bin->n * sizeof(bin->entry[0]));
}

bool
handoff_send(struct handoff_end *end)
{
	for (unsigned to = 0; end->waiting > 0 && to < end->handoff->params.n_workers; to++)
		if (end->bin[to].n > 0)
			send_bin(end, to);
	return end->waiting == 0;
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

static bool
fill_stash(struct handoff_end *end, struct stash *stash, unsigned from)
{
	stash->next = 0;
	stash->n = rte_ring_sc_dequeue_burst(end->handoff->ring[from][end->worker], stash->entry, BURST_MAX, NULL);
	return stash->n > 0;
}

unsigned
handoff_take(struct handoff_end *end, unsigned from, struct rte_mbuf **mbufs, unsigned max, uint64_t *tick_ns)
{
	struct stash *stash = &end->stash[from];
	unsigned n = 0;

	if (stash->next == stash->n && !fill_stash(end, stash, from))
		return 0;
	if (unlikely(is_tick(stash->entry[stash->next]))) {
		*tick_ns = tick_clock(stash->entry[stash->next++]);
		add_relaxed(&end->ticks_taken, 1);
		return 0;
	}
	while (n < max && stash->next < stash->n && !is_tick(stash->entry[stash->next]))
		mbufs[n++] = stash->entry[stash->next++];
	COUNTER_ADD(end->counters, taken_over, n);
	return n;
}

unsigned
handoff_depth(const struct handoff *h, unsigned from, unsigned to)
{
	return h->ring[from][to] != NULL ? rte_ring_count(h->ring[from][to]) : 0;
}

unsigned
handoff_percent(const struct handoff_end *end)
{
	const struct handoff *h = end->handoff;
	unsigned most = 0;

	for (unsigned from = 0; from < h->params.n_workers; from++)
		if (from != end->worker)
			most = RTE_MAX(most, rte_ring_count(h->ring[from][end->worker]));
	return most * 100 / h->params.slots;
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static bool
all_finished(const struct handoff *h, unsigned round)
{
	for (unsigned i = 0; i < h->params.n_workers; i++)
		if (atomic_load_explicit(&h->end[i].round, memory_order_acquire) < round)
			return false;
	return true;
}

static bool
nothing_to_take(const struct handoff_end *end)
{
	for (unsigned from = 0; from < end->handoff->params.n_workers; from++) {
		if (from == end->worker)
			continue;
		if (end->stash[from].next < end->stash[from].n ||
		    !rte_ring_empty(end->handoff->ring[from][end->worker]))
			return false;
	}
	return true;
}

bool
handoff_close(struct handoff_end *end)
{
	unsigned round = atomic_load_explicit(&end->round, memory_order_relaxed);

	if (end->waiting > 0 || !all_finished(end->handoff, round) || (round > 0 && !nothing_to_take(end)))
		return false;
	if (round == ROUNDS)
		return true;
	atomic_store_explicit(&end->round, round + 1, memory_order_release);
	return false;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* Packets on rings; counted by the rings, not by the counters. */
static uint64_t
read_rings(const void *context)
{
	const struct handoff *h = context;
	uint64_t entries = 0, sent = 0, taken = 0;

	for (unsigned from = 0; from < h->params.n_workers; from++) {
		sent += atomic_load_explicit(&h->end[from].ticks_sent, memory_order_relaxed);
		taken += atomic_load_explicit(&h->end[from].ticks_taken, memory_order_relaxed);
		for (unsigned to = 0; to < h->params.n_workers; to++) {
			if (to == from)
				continue;
			entries += rte_ring_count(h->ring[from][to]) + h->end[from].bin[to].n;
			entries += h->end[to].stash[from].n - h->end[to].stash[from].next;
		}
	}
	return entries + taken > sent ? entries + taken - sent : 0;
}

static bool
create_rings(struct handoff *h)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned from = 0; from < h->params.n_workers; from++) {
		for (unsigned to = 0; to < h->params.n_workers; to++) {
			if (to == from)
				continue;
			snprintf(name, sizeof(name), "handoff%u-%u", from, to);
			h->ring[from][to] = rte_ring_create(name, h->params.slots, SOCKET_ID_ANY,
							    RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
			if (h->ring[from][to] == NULL)
				return false;
		}
	}
	return true;
}

struct handoff *
handoff_create(const struct handoff_params *params)
{
	struct handoff *h = calloc(1, sizeof(*h));
	size_t bytes = params->n_workers * sizeof(*h->end);

	if (h == NULL)
		return NULL;
	h->params = *params;
	h->end = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	if (h->end != NULL)
		memset(h->end, 0, bytes);
	if (h->end == NULL || !create_rings(h)) {
		handoff_destroy(h);
		errno = ENOMEM;
		return NULL;
	}
	h->gauge = (struct ledger_gauge){
		.name = "worker.handoff_rings", .account = LEDGER_PACKETS, .read = read_rings, .context = h};
	ledger_gauge_attach(&h->gauge);
	return h;
}

static void
free_entries(void **entry, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = entry[i];

		if (!is_tick(m))
			port_free_burst(&m, 1);
	}
}

static void
free_pair(struct handoff *h, unsigned from, unsigned to)
{
	void *entry;

	while (h->ring[from][to] != NULL && rte_ring_dequeue(h->ring[from][to], &entry) == 0)
		free_entries(&entry, 1);
	rte_ring_free(h->ring[from][to]);
	if (h->end == NULL)
		return;
	free_entries(h->end[from].bin[to].entry, h->end[from].bin[to].n);
	free_entries(&h->end[to].stash[from].entry[h->end[to].stash[from].next],
		     h->end[to].stash[from].n - h->end[to].stash[from].next);
}

void
handoff_destroy(struct handoff *h)
{
	if (h == NULL)
		return;
	if (h->gauge.read != NULL)
		ledger_gauge_detach(&h->gauge);
	for (unsigned from = 0; from < h->params.n_workers; from++)
		for (unsigned to = 0; to < h->params.n_workers; to++)
			if (to != from)
				free_pair(h, from, to);
	free(h->end);
	free(h);
}

struct handoff_end *
handoff_end(struct handoff *h, unsigned worker, struct counters *counters)
{
	struct handoff_end *end = &h->end[worker];

	end->handoff = h;
	end->worker = worker;
	end->counters = counters;
	return end;
}
