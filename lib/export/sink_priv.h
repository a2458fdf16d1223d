/* One sink under way: its queue, its thread, its retries.
 *
 * Threads: sink_push, sink_put_file: the exporter's; sink_put_stats, sink_status, sink_wake, sink_idle: any; the
 * others: control. */
#ifndef SINK_PRIV_H
#define SINK_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "batch_priv.h"
#include "file_numbers_priv.h"

struct sink_setup {
	const struct sink_kind *kind;
	struct sink_params params;
	unsigned n_batches;	     /* all there are */
	unsigned queue_batches;	     /* without a spool all there are: the queue is never full */
	const char *spool_directory; /* NULL: no spool */
	uint64_t spool_bytes;
	unsigned spool_exit_wait_s;
	bool is_live;
	unsigned bitmap_words;
	struct file_numbers *numbers; /* which it keeps filled; NULL: another one does */
	const void *cpus;	      /* cpu_set_t or NULL */
};

struct sink;

struct sink *sink_create(const struct sink_setup *, char *why, size_t why_size); /* NULL and 'why' */

/* Ends when all is answered. Returns false when the thread is still inside a call after 'wait_s' seconds; the sink must
 * then stay as it is for ever. */
bool sink_stop(struct sink *, unsigned wait_s);
void sink_destroy(struct sink *); /* accepts NULL; after sink_stop() has returned true */

/* What is queued, and what comes, goes to the spool, or is answered as abandoned when there is none. */
void sink_abandon(struct sink *);

/* No more will come but what is under way: the end of the run, see sink.c. */
void sink_finish(struct sink *);

void sink_push(struct sink *, struct batch *);
bool sink_wants_files(const struct sink *);
bool sink_has_room_for_file(const struct sink *);
int sink_put_file(struct sink *, const struct export_file *); /* 0 or -ENOMEM */
bool sink_wants_stats(const struct sink *);
void sink_put_stats(struct sink *, const struct export_stats *);
void sink_status(const struct sink *, struct export_sink_status *);
void sink_wake(struct sink *);
/* No files documents wait, and nothing in its spool that it will still send (batches are the pool's to know). */
bool sink_idle(const struct sink *);
const struct sink_kind *sink_kind_of(const struct sink *);
void sink_describe(const struct sink *, char *out, size_t size);

#endif
