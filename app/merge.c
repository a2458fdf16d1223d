/* Merging by time stamp.
 *
 * Each source is a queue in the order in which it gave its packets, and the one whose head is oldest goes next; sources
 * are few, so the heads' stamps lie side by side in an array and are looked through. A source whose own stamps go back
 * is not sorted: its packets come out as it gave them. But one can be: datagrams that were put together have the stamp
 * of their last fragment and come from several workers, later than packets of that time.
 *
 * What it gives up: while a source is silent the others wait for the window, each packet. Knowing how far the silent
 * one has got would save that; it is latency, not work, and the mbufs are bounded. */
#include "merge.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "packet.h"
#include "pool.h"
#include "port.h"

struct merge_source {
	struct rte_mbuf **slot;
	uint32_t head, tail; /* run on: slots are taken modulo */
	bool left_out;
};

struct merge {
	struct merge_params params;
	uint32_t slot_mask;
	uint32_t held;
	unsigned n_awaited;		     /* sources that are empty and not left out */
	uint64_t head_ns[MERGE_SOURCES_MAX]; /* UINT64_MAX: empty */
	struct merge_source source[MERGE_SOURCES_MAX];
};

static size_t
slot_bytes(const struct merge *m)
{
	return ((size_t)m->slot_mask + 1) * sizeof(struct rte_mbuf *);
}

static bool
is_sorted(const struct merge *m, unsigned source)
{
	return m->params.last_is_sorted && source == m->params.n_sources - 1;
}

struct merge *
merge_create(const struct merge_params *params)
{
	struct merge *m;

	if (params->n_sources > MERGE_SOURCES_MAX) {
		errno = E2BIG;
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->params = *params;
	m->n_awaited = params->n_sources - params->last_is_sorted;
	while (m->slot_mask < params->most_mbufs + BURST_MAX)
		m->slot_mask = m->slot_mask << 1 | 1;
	for (unsigned i = 0; i < params->n_sources; i++) {
		m->head_ns[i] = UINT64_MAX;
		m->source[i].left_out = is_sorted(m, i);
		m->source[i].slot = vmem_reserve(slot_bytes(m));
		if (m->source[i].slot == NULL) {
			merge_destroy(m);
			errno = ENOMEM;
			return NULL;
		}
	}
	return m;
}

void
merge_destroy(struct merge *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < m->params.n_sources; i++) {
		struct merge_source *s = &m->source[i];

		for (; s->head != s->tail; s->head++)
			port_free(&s->slot[s->head & m->slot_mask], 1);
		vmem_release(s->slot, slot_bytes(m));
	}
	free(m);
}

static struct packet_meta *
meta_of(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}

static uint64_t
stamp_of(struct rte_mbuf *mbuf)
{
	return meta_of(mbuf)->time_ns;
}

bool
merge_has_room(const struct merge *m)
{
	return m->held < m->params.most_mbufs;
}

bool
merge_awaits(const struct merge *m, unsigned source)
{
	const struct merge_source *s = &m->source[source];

	return s->head == s->tail && !s->left_out;
}

uint64_t
merge_held(const struct merge *m)
{
	return m->held;
}

/* The last packet to its place: few steps, since sources are not far apart. */
static void
sort_last(struct merge *m, unsigned source)
{
	struct merge_source *s = &m->source[source];
	struct rte_mbuf *last = s->slot[(s->tail - 1) & m->slot_mask];
	uint32_t at = s->tail - 1;

	for (; at != s->head && stamp_of(s->slot[(at - 1) & m->slot_mask]) > stamp_of(last); at--)
		s->slot[at & m->slot_mask] = s->slot[(at - 1) & m->slot_mask];
	s->slot[at & m->slot_mask] = last;
	m->head_ns[source] = stamp_of(s->slot[s->head & m->slot_mask]);
}

void
merge_push(struct merge *m, unsigned source, struct rte_mbuf *const *mbufs, unsigned n, uint64_t now_ns)
{
	struct merge_source *s = &m->source[source];

	if (n == 0)
		return;
	if (s->head == s->tail) {
		m->head_ns[source] = stamp_of(mbufs[0]);
		m->n_awaited -= !s->left_out;
		s->left_out = is_sorted(m, source);
	}
	for (unsigned i = 0; i < n; i++) {
		meta_of(mbufs[i])->arrived_ns = now_ns;
		s->slot[s->tail++ & m->slot_mask] = mbufs[i];
		if (is_sorted(m, source))
			sort_last(m, source);
	}
	m->held += n;
}

void
merge_leave_out(struct merge *m, unsigned source)
{
	struct merge_source *s = &m->source[source];

	if (merge_awaits(m, source)) {
		s->left_out = true;
		m->n_awaited--;
	}
}

static unsigned
oldest(const struct merge *m)
{
	unsigned best = 0;

	for (unsigned i = 1; i < m->params.n_sources; i++)
		if (m->head_ns[i] < m->head_ns[best])
			best = i;
	return best;
}

static bool
may_go(const struct merge *m, unsigned source, uint64_t now_ns, uint64_t *early)
{
	const struct merge_source *s = &m->source[source];

	if (m->n_awaited == 0 || now_ns - meta_of(s->slot[s->head & m->slot_mask])->arrived_ns >= m->params.window_ns)
		return true;
	if (merge_has_room(m))
		return false;
	++*early;
	return true;
}

static struct rte_mbuf *
take_head(struct merge *m, unsigned source)
{
	struct merge_source *s = &m->source[source];
	struct rte_mbuf *mbuf = s->slot[s->head++ & m->slot_mask];

	m->held--;
	if (s->head == s->tail) {
		m->head_ns[source] = UINT64_MAX;
		m->n_awaited += !s->left_out;
	} else {
		m->head_ns[source] = stamp_of(s->slot[s->head & m->slot_mask]);
	}
	return mbuf;
}

unsigned
merge_pull(struct merge *m, uint64_t now_ns, struct rte_mbuf **mbufs, unsigned max, uint64_t *early)
{
	unsigned n = 0;

	while (n < max && m->held > 0) {
		unsigned source = oldest(m);

		if (!may_go(m, source, now_ns, early))
			break;
		mbufs[n++] = take_head(m, source);
	}
	return n;
}
