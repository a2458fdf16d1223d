/* What TLS costs a worker: whole sessions through parsing.h, records included, a fresh session each time.
 *
 *   tls_bench [sessions]
 *
 * The messages are those of a reference capture: a browser's hello of 517 bytes, and a server's flight with two
 * certificates, which come from the cache, or from DER when the cache is too small for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/parsers/tls_bytes.h"
#include "parsing.h"

enum { MEMORY_BYTES = 16 << 20, RECORD_CHUNKS = 256, SEGMENT = 1460 };

struct bench {
	struct parsers *parsers;
	struct parsing *parsing;
	struct record_pool *records;
	struct record *record;
	struct counters counters;
};

static struct record *
record_open(void *context, void *session)
{
	struct bench *b = context;

	(void)session;
	if (b->record == NULL)
		b->record = record_create(b->records);
	return b->record;
}

static void
record_close(void *context, void *session)
{
	(void)context;
	(void)session;
}

static const struct record *
record_peek(void *context, void *session)
{
	const struct bench *b = context;

	(void)session;
	return b->record;
}

static void
facts(void *context, void *session, struct parsing_facts *out)
{
	(void)context;
	(void)session;
	*out = (struct parsing_facts){
		.ip_protocol = 6, .port = {40000, 443}, .first_ns = UINT64_C(1579293816559000000)};
}

static void
bench_create(struct bench *b, const char *setting)
{
	const char *overrides[] = {setting};
	struct conf_params params = {.overrides = overrides, .n_overrides = setting != NULL};
	struct conf *conf = conf_load(&params, stderr);
	struct parsing_params p;

	memset(b, 0, sizeof(*b));
	b->parsers = conf != NULL ? parsers_create(conf) : NULL;
	b->records = record_pool_create(RECORD_CHUNKS, 0, &b->counters);
	p = (struct parsing_params){.parsers = b->parsers,
				    .records = b->records,
				    .counters = &b->counters,
				    .host = {b, record_open, record_close, record_peek, facts},
				    .memory_bytes = MEMORY_BYTES};
	b->parsing = b->parsers != NULL ? parsing_create(&p) : NULL;
	if (b->parsing == NULL || b->records == NULL) {
		fprintf(stderr, "tls_bench: cannot create what it measures\n");
		exit(1);
	}
	/* The conf stays: parsers hold texts of it. */
}

static void
feed(struct bench *b, void **slot, unsigned direction, const uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += SEGMENT) {
		size_t n = size - at < SEGMENT ? size - at : SEGMENT;
		struct parsing_chunk chunk = {.session = b,
					      .slot = slot,
					      .time_ns = UINT64_C(1579293816559000000),
					      .bytes = cursor_make(bytes + at, n),
					      .direction = (uint8_t)direction,
					      .transport = SHRIKE_TCP};

		(void)parsing_feed(b->parsing, &chunk);
	}
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
measure(const char *what, const char *setting, size_t client_bytes, size_t server_bytes, unsigned sessions)
{
	struct bench b;
	double begin = 0;

	bench_create(&b, setting);
	for (unsigned i = 0; i < sessions + sessions / 10; i++) {
		void *slot = NULL;

		if (i == sessions / 10)
			begin = now_ns();
		feed(&b, &slot, 0, curveball_client, client_bytes);
		feed(&b, &slot, 1, curveball_server, server_bytes);
		parsing_end(b.parsing, &slot);
		record_free(b.records, b.record);
		b.record = NULL;
	}
	printf("%-48s %8.0f ns a session\n", what, (now_ns() - begin) / sessions);
	parsing_destroy(b.parsing);
	record_pool_destroy(b.records);
	parsers_destroy(b.parsers);
}

int
main(int argc, char **argv)
{
	unsigned sessions = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;

	measure("5 bytes of a client (attach, end)", NULL, 5, 0, sessions);
	measure("ClientHello", NULL, 517, 0, sessions);
	measure("ClientHello, ja3Strings", "ja3Strings=true", 517, 0, sessions);
	measure("ClientHello, ja4Raw", "ja4Raw=true", 517, 0, sessions);
	measure("ClientHello, ServerHello", NULL, 517, 85, sessions);
	measure("both, 2 certificates from the cache", NULL, sizeof(curveball_client), sizeof(curveball_server),
		sessions);
	measure("both, 2 certificates read", "certCacheBytes=0", sizeof(curveball_client), sizeof(curveball_server),
		sessions);
	return 0;
}
