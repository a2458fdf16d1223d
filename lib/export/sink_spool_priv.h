/* The way of a sink's batches into its spool: a ring and a thread that writes.
 *
 * Threads: sink_spool_push(), sink_spool_is_empty(): the exporter's; sink_spool_put(), _spill_file(): the sink's and
 * this one's own; create, stop, destroy: control; sink_spool_of() and what is asked of it: any. */
#ifndef SINK_SPOOL_PRIV_H
#define SINK_SPOOL_PRIV_H

#include <stdbool.h>

#include "batch_priv.h"
#include "spool.h"

struct sink_spool;

struct sink_spool_setup {
	const char *sink, *directory;
	uint64_t max_bytes;
	unsigned n_batches;	     /* all there are: the ring is never full */
	bool is_live;		     /* what the disk does not take is lost at once, counted; else it is tried again */
	const void *cpus;	     /* cpu_set_t or NULL */
	void (*wake)(void *context); /* there is something to read */
	void *context;
};

struct sink_spool *sink_spool_create(const struct sink_spool_setup *, char *why, size_t why_size); /* NULL and 'why' */
/* The ring is emptied first. False: the thread is still inside a call after 'wait_s' seconds. */
bool sink_spool_stop(struct sink_spool *, unsigned wait_s);
void sink_spool_destroy(struct sink_spool *); /* accepts NULL; after it has stopped */
void sink_spool_abandon(struct sink_spool *); /* what cannot be written now is lost, counted */

void sink_spool_push(struct sink_spool *, struct batch *);
/* Nothing is inside or on its way: what comes next may pass it by. */
bool sink_spool_is_empty(const struct sink_spool *);
/* Nothing is on its way to the disk. */
bool sink_spool_is_written(const struct sink_spool *);

/* Writes one batch now and answers for it. 0 or -errno: it is not answered. */
int sink_spool_put(struct sink_spool *, struct batch *, struct counters *);
struct spool *sink_spool_of(struct sink_spool *);
unsigned sink_spool_queued(const struct sink_spool *); /* batches on the ring */

/* Counts documents of former runs that the store has answered for. */
void sink_spool_count_former(struct counters *, unsigned acknowledged, unsigned rejected);

#endif
