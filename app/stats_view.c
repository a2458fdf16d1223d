/* Looking at all parts of the sensor.
 *
 * Rings are asked for their number of entries, which any thread may do. What a device has in its receive queue is asked
 * only where its driver can tell. */
#include "stats_view.h"

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include "sensor.h"
#include "stats_space.h"

const char *const view_queue_kinds[QUEUE_KINDS] = {"receive", "handoff", "records", "blocks", "batches", "sink"};

double
view_busy(uint64_t cycles_before, uint64_t busy_before, uint64_t cycles, uint64_t busy)
{
	if (cycles <= cycles_before)
		return 1;
	return (double)stats_ahead(busy, busy_before) / (double)(cycles - cycles_before);
}

static void
join_roles(const struct lcore_plan *lcore, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < lcore->n_roles && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? "," : "", lcore->role[i].name);
}

static int
first_cpu(unsigned lcore_id)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore_id);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return -1;
}

static void
take_lcores(struct stats_view *v, const struct stats_view *before, const struct role_plan *plan)
{
	v->n_lcores = plan->n_lcores;
	for (unsigned i = 0; i < plan->n_lcores; i++) {
		const struct lcore_plan *from = &plan->lcore[i];
		struct view_lcore *to = &v->lcore[i];

		to->id = from->lcore_id;
		to->cpu = first_cpu(from->lcore_id);
		join_roles(from, to->roles, sizeof(to->roles));
		to->cycles = atomic_load_explicit(&from->load.cycles, memory_order_relaxed);
		to->busy_cycles = atomic_load_explicit(&from->load.busy_cycles, memory_order_relaxed);
		to->turns = atomic_load_explicit(&from->load.turns, memory_order_relaxed);
		to->busy_turns = atomic_load_explicit(&from->load.busy_turns, memory_order_relaxed);
		to->busy =
			view_busy(before->lcore[i].cycles, before->lcore[i].busy_cycles, to->cycles, to->busy_cycles);
	}
}

static void __attribute__((format(printf, 5, 6)))
add_queue(struct stats_view *v, enum view_queue_kind kind, uint32_t used, uint32_t size, const char *name, ...)
{
	struct view_queue *q = &v->queue[v->n_queues];
	va_list arguments;

	if (v->n_queues == VIEW_QUEUES_MAX)
		return;
	v->n_queues++;
	*q = (struct view_queue){.kind = kind, .used = used, .size = size};
	va_start(arguments, name);
	vsnprintf(q->name, sizeof(q->name), name, arguments);
	va_end(arguments);
}

static void
take_port_queues(struct stats_view *v, const struct port *port)
{
	for (uint16_t queue = 0; queue < port->n_queues; queue++) {
		int used = rte_eth_rx_queue_count(port->id, queue);
		uint16_t size = port_descriptors(port->id, queue);

		if (used >= 0)
			add_queue(v, QUEUE_RECEIVE, (uint32_t)used, size, "port%u_%u", port->id, queue);
	}
}

static void
take_receive_queues(struct stats_view *v, const struct sensor *s)
{
	for (unsigned i = 0; s->replay != NULL && i < s->n_workers; i++)
		add_queue(v, QUEUE_RECEIVE, replay_queue_depth(s->replay, i), s->app.receive_ring, "replay_%u", i);
	for (unsigned i = 0; s->replay == NULL && i < s->n_ports; i++)
		take_port_queues(v, &s->port[i]);
}

static void
take_handoff(struct stats_view *v, const struct sensor *s)
{
	for (unsigned from = 0; s->handoff != NULL && from < s->n_workers; from++)
		for (unsigned to = 0; to < s->n_workers; to++)
			if (from != to)
				add_queue(v, QUEUE_HANDOFF, handoff_depth(s->handoff, from, to), s->app.handoff_ring,
					  "%u_%u", from, to);
}

static void
take_sink(const struct export_sink_status *status, void *context)
{
	struct stats_view *v = context;
	struct view_sink *to = &v->sink[v->n_sinks];

	if (v->n_sinks == VIEW_SINKS_MAX)
		return;
	*to = (struct view_sink){
		.batches = status->queued_batches,
		.files = status->queued_files,
		.requests = status->gauges.requests,
		.health_ms = status->gauges.health_ms,
		.spool_bytes = status->gauges.spool_bytes,
		.spool_records = status->gauges.spool_records,
		.failing = status->failing,
	};
	snprintf(to->name, sizeof(to->name), "%s", status->name);
	add_queue(v, QUEUE_SINK, status->queued_batches, status->queue_batches, "%s", status->name);
	v->n_sinks++;
}

static void
take_queues(struct stats_view *v, const struct sensor *s)
{
	struct export_status export;
	struct writer_load blocks;

	v->n_queues = v->n_sinks = 0;
	take_receive_queues(v, s);
	take_handoff(v, s);
	for (unsigned i = 0; i < s->n_workers; i++)
		add_queue(v, QUEUE_RECORDS, rte_ring_count(s->records[i]), rte_ring_get_capacity(s->records[i]), "%u",
			  i);
	writer_load(s->writer, &blocks);
	add_queue(v, QUEUE_BLOCKS, blocks.waiting, blocks.blocks, "disk");
	exporter_status(s->exporter, &export);
	add_queue(v, QUEUE_BATCHES, export.batches_in_use, export.batches, "export");
	exporter_each_sink(s->exporter, take_sink, v);
}

static uint64_t
waiting(const struct stats_view *v, enum view_queue_kind kind)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < v->n_queues; i++)
		if (v->queue[i].kind == kind)
			n += v->queue[i].used;
	return n;
}

static void
take_sessions(struct stats_gauges *g, const struct sensor *s)
{
	struct worker_view w;

	for (unsigned i = 0; i < s->n_workers; i++) {
		worker_view(s->worker[i], &w);
		for (unsigned type = 0; type < SESSION_TYPES; type++)
			g->sessions[type] += w.live[type];
		g->sessions_all += w.live_all;
		g->closing += w.closing;
		g->session_bytes += w.session_bytes;
		g->fragments += w.fragments;
	}
}

/* A sink's batches under way are in its queue too, until they are answered. */
static void
take_sink_gauges(struct stats_gauges *g, const struct stats_view *v)
{
	for (unsigned i = 0; i < v->n_sinks; i++) {
		const struct view_sink *sink = &v->sink[i];

		g->sink_queue += RTE_MAX(sink->batches, sink->requests);
		if (sink->health_ms > g->health_ms)
			g->health_ms = sink->health_ms;
	}
}

static void
take_gauges(struct stats_view *v, const struct sensor *s, const struct space *space)
{
	struct stats_gauges *g = &v->gauges;
	uint64_t machine = stats_machine_bytes();

	*g = (struct stats_gauges){
		.memory_bytes = stats_memory_bytes(),
		.disk_queue = waiting(v, QUEUE_BLOCKS),
		.packet_queue = waiting(v, QUEUE_RECEIVE) + waiting(v, QUEUE_HANDOFF),
		.record_queue = waiting(v, QUEUE_RECORDS),
		.used_megabytes = space->used_bytes / 1000000,
		.free_megabytes = space->free_bytes / 1000000,
	};
	if (machine > 0)
		g->memory_percent = (double)g->memory_bytes * 100 / (double)machine;
	if (space->size_bytes > 0)
		g->free_percent = (double)space->free_bytes * 100 / (double)space->size_bytes;
	take_sessions(g, s);
	take_sink_gauges(g, v);
}

void
stats_view_take(struct stats_view *v, const struct stats_view *before, struct sensor *s, const struct space *space,
		uint64_t now_ns)
{
	v->taken_ns = now_ns;
	stats_counts_read(&v->counts);
	v->stalled_lcores = watchdog_stalled(s->watchdog);
	v->overload_stage = OVERLOAD_NONE;
	for (unsigned i = 0; i < s->n_workers; i++)
		v->overload_stage = RTE_MAX(v->overload_stage, overload_stage(worker_overload(s->worker[i])));
	take_lcores(v, before, &s->plan);
	take_queues(v, s);
	take_gauges(v, s, space);
	stats_counts_subtract(&v->delta, &v->counts, &before->counts);
	v->delta_ns = before->taken_ns != 0 ? now_ns - before->taken_ns : 0;
}
