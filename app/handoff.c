/* Hand-off rings between workers.
 *
 * Every ordered pair has a ring of its own, so each has one producer and one consumer: no locked instruction, and order
 * is that of the sender. N x (N - 1) rings of entries are small beside the packets they can hold, which is why their
 * slots count in the size of the packet pool.
 *
 * What costs is each cache line that one core wrote and another one reads. So what its owner has to know of a packet
 * crosses in the entry, half a line, and where the next entries are the CPU knows by itself: nobody reads the mbuf. An
 * entry has room for what a plain packet of a live port has; the metadata of any other one is kept in its mbuf.
 *
 * What decode said of a packet does not travel: decoding again reads the headers, which the owner needs in its cache
 * anyway. (Datagrams that were put together are different: META_DATAGRAM.) Packets for one target are collected over a
 * burst, since the lines of a ring's two indices cross once per operation.
 *
 * A tick is not an mbuf, which the pool may not have.
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
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <rte_atomic.h>
#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_ring_peek_zc.h>

#include "packet.h"
#include "port.h"

COUNTER(handed_off, "worker.handed_off", "packets given to the worker that owns their flow", LEDGER_NONE, LEDGER_OUT);
COUNTER(taken_over, "worker.taken_over", "packets taken from the worker that received them", LEDGER_NONE, LEDGER_IN);
COUNTER_LOSS(handoff_full, "worker.handoff_full", "packets lost because the hand-off ring to their owner was full",
	     LEDGER_PACKETS);

enum { BIN_MAX = BURST_MAX + 1, ROUNDS = 2, ENTRY_PORTS = 1 << 7 };

struct entry {
	struct rte_mbuf *mbuf; /* NULL: a tick */
	const uint8_t *data;
	uint64_t time_ns;      /* a tick's clock */
	int32_t clock_lead_ns; /* of the clock that goes with the packet over its time */
	uint16_t bytes;	       /* 0: the metadata is in the mbuf */
	uint8_t pool;
	uint8_t port : 7, has_nanoseconds : 1;
};
_Static_assert(sizeof(struct entry) == 32, "two in a cache line");

struct bin {
	unsigned n;
	struct entry entry[BIN_MAX];
};

struct handoff_end {
	struct handoff *handoff;
	unsigned worker;
	struct counters *counters;
	unsigned waiting; /* entries in all bins */
	struct bin bin[HANDOFF_WORKERS_MAX];

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

/* --- entries ---------------------------------------------------------------------------------------------------- */

static void
add_relaxed(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline bool
is_tick(const struct entry *e)
{
	return e->mbuf == NULL;
}

/* All that struct packet_meta says of it has a place in an entry. */
static inline bool
fits_entry(const struct packet_meta *meta, int64_t clock_lead_ns)
{
	return meta->plain_bytes != 0 && meta->kind == META_PACKET && !meta->is_fragment &&
	       meta->wire_bytes == meta->plain_bytes && meta->link_type == LINK_ETHERNET && meta->input < ENTRY_PORTS &&
	       (meta->sequence | meta->input_position) == 0 && clock_lead_ns == (int32_t)clock_lead_ns;
}

static inline void
entry_make(struct entry *e, struct rte_mbuf *m, const struct packet_meta *meta)
{
	int64_t clock_lead_ns = (int64_t)(meta->clock_ns - meta->time_ns);

	e->mbuf = m;
	e->data = meta->data;
	e->time_ns = meta->time_ns;
	e->clock_lead_ns = (int32_t)clock_lead_ns;
	e->bytes = meta->plain_bytes;
	e->pool = meta->pool;
	e->port = meta->input;
	e->has_nanoseconds = meta->has_nanoseconds;
	if (unlikely(!fits_entry(meta, clock_lead_ns))) {
		e->bytes = 0;
		port_keep(m, meta);
	}
}

/* The packet's metadata: in 'space', or in the mbuf. */
static inline struct packet_meta *
entry_meta(const struct entry *e, struct packet_meta *space)
{
	if (unlikely(e->bytes == 0))
		return rte_mbuf_to_priv(e->mbuf);
	*space = (struct packet_meta){
		.time_ns = e->time_ns,
		.clock_ns = e->time_ns + (uint64_t)(int64_t)e->clock_lead_ns,
		.wire_bytes = e->bytes,
		.input = e->port,
		.link_type = LINK_ETHERNET,
		.kind = META_PACKET,
		.has_nanoseconds = e->has_nanoseconds,
		.pool = e->pool,
		.plain_bytes = e->bytes,
		.data = e->data,
	};
	return space;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

void
handoff_put(struct handoff_end *end, unsigned to, struct rte_mbuf *m, const struct packet_meta *meta)
{
	struct bin *bin = &end->bin[to];

	entry_make(&bin->entry[bin->n++], m, meta);
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
		bin->entry[bin->n++] = (struct entry){.time_ns = clock_ns};
		end->waiting++;
		add_relaxed(&end->ticks_sent, 1);
	}
}

/* Live: what the ring had no room for. */
static void
lose(struct handoff_end *end, struct entry *entry, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (is_tick(&entry[i])) {
			add_relaxed(&end->ticks_taken, 1);
			continue;
		}
		COUNTER_ADD(end->counters, handoff_full, 1);
		port_free(&entry[i].mbuf, 1);
	}
}

/* Past the caches: these lines are in those of whoever took the last entries from them, and an ordinary store waits for
 * each to come back, 28 ns between cores that share no cache. */
static inline void
store_entries(struct entry *to, const struct entry *from, unsigned n)
{
#ifdef __SSE2__
	__m128i *half = (void *)to;

	for (unsigned i = 0; i < 2 * n; i++)
		_mm_stream_si128(&half[i], _mm_loadu_si128((const __m128i *)(const void *)from + i));
#else
	memcpy(to, from, n * sizeof(*to));
#endif
}

static void
send_bin(struct handoff_end *end, unsigned to)
{
	struct bin *bin = &end->bin[to];
	struct rte_ring *ring = end->handoff->ring[end->worker][to];
	struct rte_ring_zc_data room;
	unsigned sent = rte_ring_enqueue_zc_burst_elem_start(ring, sizeof(bin->entry[0]), bin->n, &room, NULL);

	if (likely(sent > 0)) {
		store_entries(room.ptr1, bin->entry, room.n1);
		store_entries(room.ptr2, &bin->entry[room.n1], sent - room.n1);
		/* The ring's release does not order such stores. */
		rte_wmb();
		rte_ring_enqueue_zc_elem_finish(ring, sent);
	}
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

/* Up to 'n' entries, none beyond a tick. Returns how many they were. */
static unsigned
take_entries(const struct entry *e, unsigned n, struct port_burst *b, unsigned at)
{
	unsigned i = 0;

	for (; i < n && likely(!is_tick(&e[i])); i++, at++) {
		rte_prefetch0(e[i].data);
		b->mbuf[at] = e[i].mbuf;
		b->meta[at] = entry_meta(&e[i], &b->space[at]);
	}
	return i;
}

unsigned
handoff_take(struct handoff_end *end, unsigned from, struct port_burst *b, uint64_t *tick_ns)
{
	struct rte_ring *ring = end->handoff->ring[from][end->worker];
	struct rte_ring_zc_data there;
	unsigned there_n, n;

	there_n = rte_ring_dequeue_zc_burst_elem_start(ring, sizeof(struct entry), BURST_MAX, &there, NULL);
	if (there_n == 0)
		return 0;
	if (unlikely(is_tick(there.ptr1))) {
		*tick_ns = ((const struct entry *)there.ptr1)->time_ns;
		rte_ring_dequeue_zc_elem_finish(ring, 1);
		add_relaxed(&end->ticks_taken, 1);
		return 0;
	}
	n = take_entries(there.ptr1, there.n1, b, 0);
	if (n == there.n1 && n < there_n)
		n += take_entries(there.ptr2, there_n - n, b, n);
	rte_ring_dequeue_zc_elem_finish(ring, n);
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
		if (!rte_ring_empty(end->handoff->ring[from][end->worker]))
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
			h->ring[from][to] =
				rte_ring_create_elem(name, sizeof(struct entry), h->params.slots, SOCKET_ID_ANY,
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
free_entries(struct entry *entry, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		port_free(&entry[i].mbuf, 1); /* none in a tick */
}

static void
free_pair(struct handoff *h, unsigned from, unsigned to)
{
	struct entry entry;

	while (h->ring[from][to] != NULL && rte_ring_dequeue_elem(h->ring[from][to], &entry, sizeof(entry)) == 0)
		free_entries(&entry, 1);
	rte_ring_free(h->ring[from][to]);
	if (h->end != NULL)
		free_entries(h->end[from].bin[to].entry, h->end[from].bin[to].n);
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
