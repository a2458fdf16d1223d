/* Where a worker's packets come from: the queues it polls and the hand-off rings of its peers; their clock and order.
 *
 * Without mergeWindow the sources are taken in turn, a burst at a time. What comes from a queue is placed
 * (worker_place.c) when it is worked off; what comes from a ring is ours.
 *
 * With it there are two ways, because the two kinds of ports know different things.
 *
 * Capture files given as ports bring their own time and are always there to be asked, so order can be exact, and it is
 * made where they are read: one worker polls all their queues, takes the packet with the oldest stamp each time, and
 * only a file that has no more is not waited for. What it hands off is in order then, each peer has one ring with
 * something in it, and no watermarks are needed: ticks tell the clock. The length of the window does not matter.
 *
 * Live, several workers receive, and nobody knows what is still on its way. What a worker receives is distributed at
 * once; each owner merges what it received itself, per queue, and what came over each ring, waiting at most the window.
 * The clock is that of the merged order.
 *
 * The clock of a packet is the greatest stamp that this worker has seen before it, or that the worker it came from had,
 * if that is greater. */
#include <errno.h>
#include <string.h>

#include <rte_prefetch.h>

#include "worker_priv.h"

COUNTER(early, "worker.merge_early", "packets that did not wait for mergeWindow, because too many were waiting",
	LEDGER_NONE, LEDGER_OUT);

enum { LIVE_CLOCK_LAG_S = 10 };

/* Metadata that is in mbufs, and where it says that the bytes are: the replay wrote it on another lcore, or it waited
 * in the merge. Misses overlap; a CPU has some 20 of them under way and forgets what it is asked for beyond that. */
static void
prefetch_kept(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_held && i < WORKER_METADATA_AHEAD; i++)
		rte_prefetch0(w->held.meta[i]);
	for (unsigned i = 0; i < w->n_held; i++) {
		if (i + WORKER_METADATA_AHEAD < w->n_held)
			rte_prefetch0(w->held.meta[i + WORKER_METADATA_AHEAD]);
		rte_prefetch0(w->held.meta[i]->data);
	}
}

/* Ports that have no replay behind them. */
static void
stamp_clock(struct worker *w)
{
	for (unsigned i = 0; i < w->n_held; i++) {
		struct packet_meta *meta = w->held.meta[i];

		if (w->placed && meta->clock_ns >= w->clock_ns)
			w->clock_ns = meta->clock_ns;
		else
			meta->clock_ns = w->clock_ns;
		if (meta->time_ns > w->clock_ns)
			w->clock_ns = meta->time_ns;
	}
}

/* 'n' packets are in 'held'. Returns 'n'. */
static unsigned
hold(struct worker *w, unsigned n, bool placed, bool distributing)
{
	w->next_held = 0;
	w->n_held = n;
	w->placed = placed;
	w->settled = false;
	w->distributing = distributing;
	if (n == 0)
		return 0;
	atomic_store_explicit(&w->last_packet_ns, w->received_ns, memory_order_relaxed);
	if (placed && w->merge != NULL)
		prefetch_kept(w);
	if (!w->params.replay && !distributing)
		stamp_clock(w);
	return n;
}

static uint16_t
poll_queue(struct worker *w, unsigned i, struct port_burst *b)
{
	const struct worker_queue *queue = &w->queue[i];

	return w->closing ? 0 : port_receive(queue->port, queue->number, b, BURST_MAX);
}

/* The worker behind a source that is no queue. */
static unsigned
peer_of(const struct worker *w, unsigned source)
{
	unsigned peer = source - w->n_queues;

	return peer + (peer >= w->params.index);
}

static unsigned
receive_in_turn(struct worker *w)
{
	for (unsigned tries = 0; tries < w->n_sources; tries++) {
		unsigned source = w->next_source;
		bool from_peer = source >= w->n_queues;
		unsigned n;

		w->next_source = source + 1 < w->n_sources ? source + 1 : 0;
		if (likely(!from_peer))
			n = poll_queue(w, source, &w->held);
		else
			n = handoff_take(w->handoff, peer_of(w, source), &w->held, &w->tick_ns);
		if (n > 0) {
			hold(w, n, from_peer, false);
			if (unlikely(w->glances) && !from_peer)
				worker_place_burst(w, w->queue[source].port);
			return n;
		}
		if (unlikely(w->tick_ns != 0))
			return 1;
	}
	return 0;
}

/* --- a replay --------------------------------------------------------------------------------------------------- */

static void
receive_ahead(struct worker *w)
{
	w->n_ahead = poll_queue(w, 0, &w->ahead);
	w->n_asked = 0;
	for (unsigned i = 0; i < w->n_ahead && i < WORKER_METADATA_AHEAD; i++)
		rte_prefetch0(w->ahead.meta[i]);
}

/* What it read on another lcore comes from that one's cache, or from the one behind it. When there is enough of it a
 * worker has the next burst at hand while it works off one, and asks for what the next one needs first a packet at a
 * time (worker_ask_ahead()), so that nothing waits for it. */
static unsigned
receive_replay(struct worker *w)
{
	unsigned n = w->n_ahead;

	if (likely(n > 0)) {
		memcpy(w->held.mbuf, w->ahead.mbuf, n * sizeof(w->held.mbuf[0]));
		memcpy(w->held.meta, w->ahead.meta, n * sizeof(w->held.meta[0]));
		w->n_ahead = 0;
		hold(w, n, false, false);
	} else {
		n = poll_queue(w, 0, &w->held);
		hold(w, n, false, false);
		prefetch_kept(w);
	}
	if (n == BURST_MAX && w->params.replay_apart)
		receive_ahead(w);
	return n;
}

/* --- capture files ---------------------------------------------------------------------------------------------- */

/* Asks those that are empty; those that had nothing the last time only when all are. */
static void
fill_from_files(struct worker *w)
{
	bool ask_all = merge_held(w->merge) == 0;
	struct port_burst *b = &w->passing;

	for (unsigned i = 0; i < w->n_queues; i++) {
		unsigned n;

		if (!merge_awaits(w->merge, i) && !ask_all)
			continue;
		n = poll_queue(w, i, b);
		port_burst_keep(b, n);
		merge_push(w->merge, i, b->mbuf, n, w->received_ns);
		if (n == 0)
			merge_leave_out(w->merge, i);
	}
}

/* What the merge lets go, into 'held'. Returns how many. */
static unsigned
pull_merged(struct worker *w, uint64_t *n_early)
{
	unsigned n = merge_pull(w->merge, w->received_ns, w->held.mbuf, BURST_MAX, n_early);

	port_burst_kept(&w->held, n);
	return n;
}

static unsigned
receive_in_order(struct worker *w)
{
	uint64_t n_early = 0;

	fill_from_files(w);
	return hold(w, pull_merged(w, &n_early), false, false);
}

/* --- live ------------------------------------------------------------------------------------------------------- */

/* Into the merge, but for fragments: those go into 'held'. Returns how many. */
static unsigned
take_peer(struct worker *w, unsigned source)
{
	struct port_burst *b = &w->passing;
	unsigned n = handoff_take(w->handoff, peer_of(w, source), b, &w->tick_ns);
	unsigned n_merged = 0, n_fragments = 0;

	port_burst_keep(b, n);
	for (unsigned i = 0; i < n; i++) {
		if (unlikely(b->meta[i]->is_fragment))
			w->held.mbuf[n_fragments++] = b->mbuf[i];
		else if (unlikely(b->meta[i]->kind == META_DATAGRAM))
			merge_push(w->merge, w->n_sources, &b->mbuf[i], 1, w->received_ns);
		else
			b->mbuf[n_merged++] = b->mbuf[i];
	}
	port_burst_kept(&w->held, n_fragments);
	merge_push(w->merge, source, b->mbuf, n_merged, w->received_ns);
	return n_fragments;
}

static unsigned
fill_from_peers(struct worker *w)
{
	for (unsigned source = w->n_queues; source < w->n_sources && merge_has_room(w->merge); source++) {
		unsigned n = take_peer(w, source);

		if (unlikely(n > 0))
			return hold(w, n, true, true);
	}
	return 0;
}

static unsigned
pull(struct worker *w)
{
	uint64_t n_early = 0;
	unsigned n = pull_merged(w, &n_early);

	COUNTER_ADD(&w->counters, early, n_early);
	w->pull_next = false;
	return hold(w, n, true, false);
}

static unsigned
distribute_a_queue(struct worker *w)
{
	for (unsigned tries = 0; tries < w->n_queues; tries++) {
		unsigned i = w->next_source, n;

		w->next_source = i + 1 < w->n_queues ? i + 1 : 0;
		n = poll_queue(w, i, &w->held);
		if (n == 0)
			continue;
		w->merge_source = i;
		w->pull_next = true;
		return hold(w, n, false, true);
	}
	return 0;
}

/* Out of the merge and into it by turns, so that neither starves. */
static unsigned
receive_merged(struct worker *w)
{
	unsigned n = fill_from_peers(w);

	if (unlikely(n > 0))
		return n;
	if (w->pull_next || !merge_has_room(w->merge)) {
		n = pull(w);
		return n > 0 || !merge_has_room(w->merge) ? n : distribute_a_queue(w);
	}
	n = distribute_a_queue(w);
	return n > 0 ? n : pull(w);
}

/* --- both ------------------------------------------------------------------------------------------------------- */

unsigned
worker_receive(struct worker *w, uint64_t now_ns)
{
	w->received_ns = now_ns;
	if (w->params.replay)
		return receive_replay(w);
	if (likely(w->merge == NULL))
		return receive_in_turn(w);
	if (!w->params.packet_clock)
		return receive_merged(w);
	return receive_in_order(w);
}

bool
worker_receive_is_over(struct worker *w)
{
	if (w->tick_ns != 0)
		return false;
	if (w->merge != NULL) {
		for (unsigned i = 0; i < w->n_queues; i++)
			merge_leave_out(w->merge, i);
		if (merge_held(w->merge) > 0)
			return false;
	}
	return w->handoff == NULL || handoff_close(w->handoff);
}

/* Live: empty polls let wall time, less a margin for packets still on their way, advance the clock. */
void
worker_advance_idle_clock(struct worker *w)
{
	uint64_t wall;

	if (w->params.lossless)
		return;
	wall = clock_wall_ns() - (uint64_t)LIVE_CLOCK_LAG_S * NS_PER_S;
	if (wall > w->clock_ns)
		w->clock_ns = wall;
	worker_expire_before(w, w->clock_ns);
}

/* --- set-up ----------------------------------------------------------------------------------------------------- */

int
worker_add_queue(struct worker *w, const struct port *port, uint16_t queue)
{
	if (w->n_queues == WORKER_QUEUES_MAX)
		return -E2BIG;
	w->queue[w->n_queues] = (struct worker_queue){.port = port, .number = queue};
	worker_overload_add_port(w, w->n_queues++);
	return 0;
}

static uint64_t
read_merge(const void *context)
{
	const struct worker *w = context;

	return w->params.packet_clock ? 0 : merge_held(w->merge);
}

static int
create_merge(struct worker *w)
{
	struct merge_params params = {
		.n_sources = w->n_sources + 1, /* datagrams, as they come */
		.last_is_sorted = true,
		.window_ns = w->params.merge_window_ns,
		.most_mbufs = w->params.merge_mbufs,
	};

	if (w->params.packet_clock) {
		/* Rings bring nothing to where files are read, and each of those has a burst at most. */
		params.n_sources = w->n_queues;
		params.last_is_sorted = false;
		params.window_ns = UINT64_MAX;
		params.most_mbufs = (w->n_queues + 1) * BURST_MAX;
	}
	if (w->n_sources < 2 || params.n_sources < 2)
		return 0;
	w->merge = merge_create(&params);
	if (w->merge == NULL)
		return -errno;
	w->merge_gauge = (struct ledger_gauge){
		.name = "worker.merge", .account = LEDGER_PACKETS, .read = read_merge, .context = w};
	ledger_gauge_attach(&w->merge_gauge);
	return 0;
}

unsigned
worker_queue_count(const struct worker *w)
{
	return w->n_queues;
}

int
worker_queues_done(struct worker *w, bool alone)
{
	int rc = 0;

	w->receives_alone = alone;
	w->n_sources = w->n_queues;
	if (w->params.handoff != NULL && !w->params.replay) {
		w->handoff = handoff_end(w->params.handoff, w->params.index, &w->counters);
		w->n_sources += w->params.n_workers - 1;
	}
	if (w->params.merge_window_ns > 0 && !w->params.replay)
		rc = create_merge(w);
	w->places = w->handoff != NULL || (w->merge != NULL && !w->params.packet_clock);
	/* Lossless, a full ring makes its sender wait, which it does between runs. */
	w->glances = w->handoff != NULL && w->merge == NULL && !w->params.packet_clock && !w->params.lossless;
	return rc;
}

void
worker_receive_fini(struct worker *w)
{
	if (w->merge_gauge.read != NULL)
		ledger_gauge_detach(&w->merge_gauge);
	merge_destroy(w->merge);
}
