/* Payload on its way from a worker's sessions to its parsers: the host that lib/parsers asks for.
 *
 * Threads: the worker's. */
#ifndef WORKER_PAYLOAD_H
#define WORKER_PAYLOAD_H

#include "parsing.h"
#include "session.h"

struct worker_params;

struct worker_payload {
	struct parsing *parsing;
	struct feed *streams; /* for those who listen to TCP streams */
	struct session_table *sessions;
};

/* session_table_params.payload_protocols: those that some parser reads. */
uint64_t worker_payload_protocols(const struct parsers *);

/* 0 or -errno. */
int worker_payload_init(struct worker_payload *, const struct worker_params *, struct session_table *,
			struct record_pool *, struct counters *);
void worker_payload_fini(struct worker_payload *);

/* After session_process() returned true. */
void worker_payload_parse(struct worker_payload *, struct session *);

/* Runs commands of other threads; returns how many. */
unsigned worker_payload_commands(struct worker_payload *);

/* session_table_params.before_save */
void worker_payload_before_save(void *context, struct session *, enum session_save);

#endif
