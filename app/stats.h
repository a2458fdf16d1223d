/* The stats role: what the sensor says about itself (log line, documents for the sinks, telemetry), and the watch over
 * the ledger.
 *
 * Threads: everything on the control lcore; telemetry's own threads get at the numbers through stats_telemetry.c. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>

#include "conf.h"

struct sensor;
struct stats;

enum stats_ledger_check { LEDGER_CHECK_AUTO, LEDGER_CHECK_EXACT, LEDGER_CHECK_RUNNING };

struct stats_conf {
	uint64_t log_every_packets;
	uint32_t max_memory_percent;
	int ledger_check;
	const char *metrics_listen; /* "": no /metrics */
};
extern const struct setting_group stats_settings_group;

/* Before start: what the settings' table cannot check. False after saying what is wrong. */
bool stats_check_conf(const struct conf *);

/* When all parts have been started. NULL with errno. */
struct stats *stats_create(struct sensor *);

/* The role; looks a few times a second at the most. */
unsigned stats_poll(void *stats);

/* When the lcores have stopped, before the exporter is destroyed: the last documents. Accepts NULL. */
void stats_finish(struct stats *);

/* True: the ledger did not add up at some tick of the exact check. Accepts NULL. */
bool stats_ledger_failed(const struct stats *);

/* Before the parts go. Accepts NULL. False: a thread hangs in a file system and needs the conf. */
bool stats_destroy(struct stats *);

#endif
