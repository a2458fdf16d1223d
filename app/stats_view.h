/* The sensor as it was at one moment, for those who ask: telemetry, the log line.
 *
 * Threads: stats_view_take() on the control lcore; a view is plain data. */
#ifndef STATS_VIEW_H
#define STATS_VIEW_H

#include "role.h"
#include "stats_numbers.h"

enum { VIEW_QUEUES_MAX = 640, VIEW_SINKS_MAX = 16, VIEW_NAME_BYTES = 32 };

enum view_queue_kind {
	QUEUE_RECEIVE, /* packets that wait in a device or on a replay's ring; as far as the driver tells */
	QUEUE_HANDOFF, /* packets from one worker to another */
	QUEUE_RECORDS, /* records for the exporter */
	QUEUE_BLOCKS,  /* pcap blocks for the disk */
	QUEUE_BATCHES, /* documents for the sinks */
	QUEUE_SINK,    /* batches for one of them */
	QUEUE_KINDS
};
extern const char *const view_queue_kinds[QUEUE_KINDS];

struct view_queue {
	enum view_queue_kind kind;
	char name[VIEW_NAME_BYTES];
	uint32_t used, size;
};

struct view_lcore {
	unsigned id;
	int cpu; /* the first that it may run on */
	char roles[128];
	uint64_t cycles, busy_cycles, turns, busy_turns;
	double busy; /* part of the time since the view before this one, 0 to 1 */
};

struct view_sink {
	char name[VIEW_NAME_BYTES];
	uint32_t batches, files, requests, health_ms;
	uint64_t spool_bytes, spool_records;
	bool failing;
};

struct stats_view {
	uint64_t taken_ns; /* monotonic */
	struct stats_counts counts;
	struct stats_gauges gauges;
	struct stats_counts delta; /* since the view before this one */
	uint64_t delta_ns;
	unsigned stalled_lcores; /* as the watchdog sees them */
	unsigned overload_stage; /* of the worker that gives up most, enum overload_stage */
	unsigned n_lcores, n_queues, n_sinks;
	struct view_lcore lcore[LCORES_MAX];
	struct view_queue queue[VIEW_QUEUES_MAX];
	struct view_sink sink[VIEW_SINKS_MAX];
};

struct space;

/* 'before': the view before this one; its taken_ns is 0 in the first. */
void stats_view_take(struct stats_view *, const struct stats_view *before, struct sensor *, const struct space *,
		     uint64_t now_ns);

/* 'now' and 'before' are an lcore's load at two moments. An lcore that has ended no turn since is inside a long one. */
double view_busy(uint64_t cycles_before, uint64_t busy_before, uint64_t cycles, uint64_t busy);

#endif
