/* The documents that the viewer's statistics pages read (RECORD.md 7): what is in them, and when they are due.
 *
 * Threads: the caller's. Nothing here asks the clock or the sensor. */
#ifndef STATS_DOCUMENT_H
#define STATS_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "json.h"
#include "stats_numbers.h"

/* Who says it; the same all the time. */
struct stats_identity {
	const char *version, *node, *host;
	uint64_t start_s; /* wall clock */
};

/* Of the node's former runs. */
struct stats_totals {
	uint64_t packets, kilobytes, sessions, dropped;
};

struct stats_document {
	unsigned flavour; /* of struct export_stats */
	uint64_t wall_s, delta_ms;
	struct stats_counts now, delta;
	const struct stats_gauges *gauges;
	const struct stats_identity *identity;
	const struct stats_totals *former;
};
void stats_document_write(const struct stats_document *, struct json *);
unsigned stats_document_interval_s(unsigned flavour); /* what it calls itself: 1, 5, 60, 600 */

/* The node, or "node-SLOT-INTERVAL". */
void stats_document_id(unsigned flavour, const char *node, uint64_t wall_s, char *out, size_t size);

/* The totals in a stats document. Everything 0 when it is none. */
void stats_totals_parse(const char *json, size_t size, struct stats_totals *);

struct stats_schedule {
	uint64_t period[EXPORT_STATS_FLAVOURS]; /* of the wall clock, that the last document of each was for */
};
/* From here the first period of each begins; a stats document is due at once. */
void stats_schedule_begin(struct stats_schedule *, uint64_t wall_s);
/* Bit n: a document of flavour n is due. Each is due once a period, whatever the clock does. */
unsigned stats_schedule_due(struct stats_schedule *, uint64_t wall_s);
/* A store that is short of room should keep what comes now: one document of the node in each minute at least. */
bool stats_is_important(uint64_t wall_s);

#endif
