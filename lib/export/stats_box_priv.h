/* Stats documents on their way to one sink: the newest of each flavour.
 *
 * Threads: stats_box_put(), _waits(): any; stats_box_take(): the sink's. */
#ifndef STATS_BOX_PRIV_H
#define STATS_BOX_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "export.h"

struct stats_slot {
	struct export_stats stats; /* id and json as below */
	bool is_full;
	char id[EXPORT_STATS_ID_BYTES];
	char json[EXPORT_STATS_JSON_BYTES_MAX];
};

struct stats_box {
	pthread_mutex_t lock;
	_Atomic unsigned n_full;
	struct stats_slot slot[EXPORT_STATS_FLAVOURS];
	struct stats_slot taken; /* the sink's thread's */
};

void stats_box_init(struct stats_box *);
void stats_box_fini(struct stats_box *);

/* A document too long for its slot is left out, and logged. */
void stats_box_put(struct stats_box *, const struct export_stats *);
bool stats_box_waits(const struct stats_box *);

/* False: none waits. *out is valid until the next call. */
bool stats_box_take(struct stats_box *, struct export_stats *out);

#endif
