/* What others see of a worker: numbers it shows ten times a second, and a gauge for the ledger.
 *
 * The table's own numbers are the worker's and change with every packet; a copy that is written rarely costs nothing
 * and may be read at any time. */
#include "worker_priv.h"

void
worker_view_show(struct worker *w, const struct session_stats *stats)
{
	struct worker_shown *shown = &w->shown;

	for (unsigned type = 0; type < SESSION_TYPES; type++)
		atomic_store_explicit(&shown->live[type], stats->live[type], memory_order_relaxed);
	atomic_store_explicit(&shown->live_all, stats->live_all, memory_order_relaxed);
	atomic_store_explicit(&shown->closing, stats->closing, memory_order_relaxed);
	atomic_store_explicit(&shown->session_bytes, stats->bytes_in_use, memory_order_relaxed);
}

void
worker_view(const struct worker *w, struct worker_view *out)
{
	const struct worker_shown *shown = &w->shown;

	for (unsigned type = 0; type < SESSION_TYPES; type++)
		out->live[type] = atomic_load_explicit(&shown->live[type], memory_order_relaxed);
	out->live_all = atomic_load_explicit(&shown->live_all, memory_order_relaxed);
	out->closing = atomic_load_explicit(&shown->closing, memory_order_relaxed);
	out->session_bytes = atomic_load_explicit(&shown->session_bytes, memory_order_relaxed);
	out->fragments = fragments_held(w->fragments);
}

/* Packets that were counted as received, and whose turn in their run has not come: a replay that waits for head-room
 * leaves them for the next poll. Those that a peer received were counted before their run began. Exact between two
 * polls. */
static uint64_t
run_left(const void *context)
{
	const struct worker *w = context;
	bool in_run = __atomic_load_n(&w->run_mbufs, __ATOMIC_RELAXED) != 0;
	unsigned gone = in_run ? __atomic_load_n(&w->next_packet, __ATOMIC_RELAXED) : 0;

	if (w->placed)
		return w->n_held - w->next_held - gone;
	return in_run ? w->burst->n - gone : 0;
}

void
worker_view_attach(struct worker *w)
{
	w->run_gauge =
		(struct ledger_gauge){.name = "worker.run", .account = LEDGER_PACKETS, .read = run_left, .context = w};
	ledger_gauge_attach(&w->run_gauge);
}

void
worker_view_detach(struct worker *w)
{
	ledger_gauge_detach(&w->run_gauge);
}
