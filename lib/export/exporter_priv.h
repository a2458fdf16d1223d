/* The exporter inside: what exporter.c (polls) and exporter_setup.c (beginning and end) share. */
#ifndef EXPORTER_PRIV_H
#define EXPORTER_PRIV_H

#include <stdatomic.h>

#include "batch_priv.h"
#include "export.h"
#include "file_numbers_priv.h"
#include "sink_priv.h"

enum {
	INTAKE_BURST = 32,
	SINKS_MAX = 16,
	BATCH_AGE_NS = 1000000000,
};

struct intake {
	struct record *record[INTAKE_BURST];
	unsigned n, next, returned; /* returned <= next <= n: next is the first without a place */
	unsigned worker;
	bool is_formatted; /* 'document' is that of record[next] */
	struct document document;
};

struct exporter {
	struct counters counters;
	struct exporter_params params;
	struct formatter *formatter;
	struct batch_pool *pool;
	struct batch *open;
	uint64_t open_since_ns, sequence;
	bool wants_columns;
	field_id protocol_field;
	struct intake intake;

	struct sink *sink[SINKS_MAX]; /* the first n_sinks take documents; the keeper of numbers may follow */
	unsigned n_sinks, n_threads;
	struct sink *keeper; /* of file numbers; NULL in a dry run */
	struct file_numbers *numbers;
	_Atomic uint32_t dry_run_number;

	struct ledger_gauge gauge, spool_gauge;
	_Atomic unsigned intake_held;
	_Atomic uint64_t moves; /* odd while records are between a ring and 'intake' */
	_Atomic bool finishing, abandoned;
};

/* Records taken and not answered by every sink. Any thread. */
uint64_t exporter_held(const void *exporter);

/* Documents whose batch has gone and that some spool still has. Any thread. */
uint64_t exporter_spooled(const void *exporter);

/* Hands the open batch to the sinks. */
void exporter_send_open(struct exporter *);

/* Counts what has been taken and has no place in a batch as abandoned. */
void exporter_abandon_intake(struct exporter *);

#endif
