/* What the files of the stats role share: stats.c is the role, stats_log.c its lines, stats_telemetry.c DPDK's
 * telemetry, metrics.c and metrics_page.c GET /metrics. */
#ifndef STATS_PRIV_H
#define STATS_PRIV_H

#include "metrics.h"
#include "sensor.h"
#include "stats.h"
#include "stats_document.h"
#include "stats_ledger.h"
#include "stats_space.h"
#include "stats_view.h"

struct stats_log {
	uint64_t next_ns;	/* live: a line at the latest */
	uint64_t not_before_ns; /* however many packets come */
	uint64_t last_ns;
	struct stats_counts last; /* at the last line */
	uint64_t memory_warned_ns;
};

/* What the last document of a flavour ended with. */
struct stats_mark {
	uint64_t ns;
	struct stats_counts counts;
};

struct stats {
	struct sensor *sensor;
	struct stats_conf conf;
	bool live, makes_documents, is_exact;
	char host[256];
	char *former_json;
	struct stats_identity identity;
	struct stats_totals former;
	struct stats_schedule schedule;
	struct stats_mark mark[EXPORT_STATS_FLAVOURS];
	struct stats_space *space;
	struct metrics *metrics;
	struct space last_space;
	struct stats_view view[2]; /* the last one and the one before */
	unsigned current;
	uint64_t next_view_ns, next_ledger_ns, started_ns;
	struct stats_ledger ledger;
	bool ledger_failed;
	uint64_t ledger_logged_ns;
	struct stats_log log;
	struct counters counters;
	struct json json;
};

/* stats_log.c */
void stats_log_begin(struct stats_log *, uint64_t now_ns);
void stats_log_tick(struct stats *, const struct stats_view *, uint64_t now_ns);
/* Whether a line is due: 'packets' more have come since the last one. Exposed for its test. */
bool stats_log_is_due(const struct stats_log *, bool live, uint64_t every_packets, uint64_t packets, uint64_t now_ns);

/* stats_telemetry.c. From begin to end the commands answer from 's' and its last view; stats_telemetry_lock() keeps
 * them away while a view is written, and is false when one is just reading. */
void stats_telemetry_begin(struct stats *s);
void stats_telemetry_end(void);
bool stats_telemetry_lock(void);
void stats_telemetry_unlock(void);

/* For readers on threads of their own: waits for the lock. NULL: there is no sensor; leave in any case. */
const struct stats *stats_reader_enter(void);
void stats_reader_leave(void);

#endif
