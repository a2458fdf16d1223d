/* Where a worker's packets come from: its queues in turn, and their clock. */
#include <rte_prefetch.h>

#include "worker_priv.h"

enum { LIVE_CLOCK_LAG_S = 10 };

/* Ports that have no replay behind them: the clock is the greatest stamp before each packet. */
static void
stamp_clock(struct worker *w, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet_meta *meta = meta_of(m[i]);

		meta->clock_ns = w->clock_ns;
		if (meta->time_ns > w->clock_ns)
			w->clock_ns = meta->time_ns;
	}
}

/* Buffers that another lcore or the NIC filled are in nobody's cache here: their misses overlap. */
static void
prefetch_held(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_held; i++) {
		rte_prefetch0(w->held[i]);
		rte_prefetch0(rte_mbuf_to_priv(w->held[i]));
	}
	for (unsigned i = 0; i < w->n_held; i++)
		rte_prefetch0(rte_pktmbuf_mtod(w->held[i], void *));
}

unsigned
worker_receive(struct worker *w, uint64_t now_ns)
{
	for (unsigned tries = 0; tries < w->n_ports; tries++) {
		const struct worker_port *port = &w->port[w->next_port];
		uint16_t n;

		w->next_port = (w->next_port + 1) % w->n_ports;
		n = port_receive(port->port, port->queue, w->held, BURST_MAX);
		if (n == 0)
			continue;
		if (!port->port->is_replay)
			stamp_clock(w, w->held, n);
		atomic_store_explicit(&w->last_packet_ns, now_ns, memory_order_relaxed);
		w->next_held = 0;
		w->n_held = n;
		prefetch_held(w);
		return n;
	}
	return 0;
}

/* Live: empty polls let wall time, less a margin for packets still on their way, advance the clock. */
void
worker_advance_idle_clock(struct worker *w)
{
	uint64_t wall;

	if (w->params.replay || w->params.packet_clock)
		return;
	wall = clock_wall_ns() - (uint64_t)LIVE_CLOCK_LAG_S * NS_PER_S;
	if (wall > w->clock_ns)
		w->clock_ns = wall;
	worker_expire_before(w, w->clock_ns);
}
