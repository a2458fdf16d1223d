/* Batches of documents: a pool of them, filled by the exporter, read by all sinks, given back by the last one.
 *
 * Threads: batch_get, _fits, _grow, _append, _send: the exporter's; batch_answer: each sink's, once a batch;
 * batch_pool_held, _in_use, _spooled and tickets: any. */
#ifndef BATCH_PRIV_H
#define BATCH_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "counters.h"
#include "export.h"

struct batch_pool;
struct spool_ticket;

struct batch {
	struct export_batch data;
	size_t capacity, pool_bytes;
	char *pool_text; /* of pool_bytes: what 'data.text' is, unless one document needed more */
	unsigned max_rows;
	unsigned n_bitmap_words;
	uint64_t *rejected; /* rows that some sink has refused; atomic while in sinks */
	struct batch_pool *pool;
	_Atomic bool in_use, abandoned, lost;
	_Atomic unsigned held; /* rows, for the gauge */
	_Atomic unsigned references;
	struct spool_ticket *_Atomic ticket; /* some sink has it in its spool */
};

enum batch_outcome {
	BATCH_TAKEN,	 /* by the store, or by the sink's spool */
	BATCH_ABANDONED, /* the program was told to stop at once */
	BATCH_LOST,	 /* neither store nor spool can take it */
};

/* NULL with errno. */
struct batch_pool *batch_pool_create(unsigned n_batches, size_t batch_bytes);
void batch_pool_destroy(struct batch_pool *); /* accepts NULL */
unsigned batch_pool_bitmap_words(const struct batch_pool *);
unsigned batch_pool_size(const struct batch_pool *);
uint64_t batch_pool_held(const struct batch_pool *);
unsigned batch_pool_in_use(const struct batch_pool *);

/* An empty batch, or NULL: all are in use. */
struct batch *batch_get(struct batch_pool *);
bool batch_fits(const struct batch *, size_t json_bytes);
/* A buffer of its own for an empty batch; 0 or -ENOMEM. */
int batch_grow(struct batch *, size_t json_bytes);
/* The new row, with its place filled in. */
struct export_row *batch_append(struct batch *, const char *json, size_t json_bytes);

/* From now on 'n_sinks' answers are expected. */
void batch_send(struct batch *, unsigned n_sinks);
/* 'rejected' may be NULL: none. The last answer counts every document once and frees the batch. */
void batch_answer(struct batch *, const uint64_t *rejected, enum batch_outcome, struct counters *);

/* The documents of a batch that is in some spool, after the batch itself has gone: one ticket for all sinks, so that
 * a document is counted once, when the last spool has delivered it. */
struct spool_ticket *batch_ticket(struct batch *); /* a reference more; NULL: no memory */
void spool_ticket_answer(struct spool_ticket *, const uint64_t *rejected, enum batch_outcome, struct counters *);
void spool_ticket_leave(struct spool_ticket *);		/* it stays on disk when the program ends */
void spool_ticket_cancel(struct spool_ticket *);	/* the spool did not take it; before the batch is answered */
uint64_t batch_pool_spooled(const struct batch_pool *); /* documents whose batch has gone and that are in a spool */

/* For records that never get into a batch. */
void batch_count_rejected(struct counters *, unsigned n);
void batch_count_abandoned(struct counters *, unsigned n);

#endif
