/* Sessions through parsing.h, records included, for benchmarks of parsers. */
#ifndef PARSING_BENCH_H
#define PARSING_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parsing.h"

enum { BENCH_MEMORY_BYTES = 16 << 20, BENCH_RECORD_CHUNKS = 65536 };

struct bench {
	struct conf *conf; /* parsers hold texts of it */
	struct parsers *parsers;
	struct parsing *parsing;
	struct record_pool *records;
	struct record *record;
	void *slot;
	uint8_t transport;
	struct counters counters;
};

static inline struct record *
bench_record_open(void *context, void *session)
{
	struct bench *b = context;

	(void)session;
	if (b->record == NULL)
		b->record = record_create(b->records);
	return b->record;
}

static inline void
bench_record_close(void *context, void *session)
{
	(void)context;
	(void)session;
}

static inline const struct record *
bench_record_peek(void *context, void *session)
{
	const struct bench *b = context;

	(void)session;
	return b->record;
}

static inline void
bench_facts(void *context, void *session, struct parsing_facts *out)
{
	const struct bench *b = context;

	(void)session;
	*out = (struct parsing_facts){.ip_protocol = b->transport == SHRIKE_UDP ? 17 : 6, .port = {40000, 443}};
}

static inline void
bench_create(struct bench *b, enum shrike_transport transport, const char *const *overrides, unsigned n_overrides)
{
	struct conf_params params = {.overrides = overrides, .n_overrides = n_overrides};
	struct parsing_params p;

	memset(b, 0, sizeof(*b));
	b->transport = transport;
	b->conf = conf_load(&params, stderr);
	b->parsers = b->conf != NULL ? parsers_create(b->conf) : NULL;
	b->records = record_pool_create(BENCH_RECORD_CHUNKS, 0, &b->counters);
	p = (struct parsing_params){.parsers = b->parsers,
				    .records = b->records,
				    .counters = &b->counters,
				    .host = {b, bench_record_open, bench_record_close, bench_record_peek, bench_facts},
				    .memory_bytes = BENCH_MEMORY_BYTES};
	b->parsing = b->parsers != NULL && b->records != NULL ? parsing_create(&p) : NULL;
	if (b->parsing == NULL) {
		fprintf(stderr, "cannot create what is measured\n");
		exit(1);
	}
}

static inline void
bench_destroy(struct bench *b)
{
	parsing_destroy(b->parsing);
	record_pool_destroy(b->records);
	parsers_destroy(b->parsers);
	conf_destroy(b->conf);
}

static inline void
bench_feed(struct bench *b, unsigned direction, const void *bytes, size_t size)
{
	struct parsing_chunk chunk = {.session = b,
				      .slot = &b->slot,
				      .time_ns = UINT64_C(1579293816559000000),
				      .bytes = cursor_make(bytes, size),
				      .direction = (uint8_t)direction,
				      .transport = b->transport};

	(void)parsing_feed(b->parsing, &chunk);
}

static inline void
bench_session_end(struct bench *b)
{
	parsing_end(b->parsing, &b->slot);
	record_free(b->records, b->record);
	b->record = NULL;
}

static inline double
bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#endif
