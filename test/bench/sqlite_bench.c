/* What the default sink takes, and what the exporter takes: the whole way from record rings to a sink's store.
 *
 *   sqlite_bench [records] [sinks] [key=value...]
 *
 *   sqlite_bench 2000000 sqlite sqliteFile=/data/bench.sqlite
 *   sqlite_bench 2000000 ndjson ndjsonFile=/dev/null
 *
 * One thread is worker and exporter: it fills a record's summary anew (addresses and id at random), pushes it, polls,
 * and takes records back. Sinks run on their threads. Records are like those of short web sessions, documents of about
 * 1 KB. The time counts until everything is acknowledged, closed segments with all their indices included. Every record
 * must have been acknowledged, or the figure is worth nothing and the exit code is 1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <rte_ring.h>

#include "clock.h"
#include "export.h"
#include "record.h"

enum { RECORDS_AROUND = 8192, RING_SLOTS = 2 * RECORDS_AROUND, BURST = 32, TAGS = 9, POSITIONS = 12 };

struct bench {
	struct conf *conf;
	struct document_conf document;
	struct export_conf export_conf;
	struct exporter *exporter;
	struct record_pool *pool;
	struct counters counters;
	struct rte_ring *records, *returns;
	struct record *idle[RECORDS_AROUND];
	unsigned n_idle;
	uint64_t random;
};

static uint64_t
random_next(struct bench *b)
{
	uint64_t z = b->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct rte_ring *
ring_make(void)
{
	ssize_t size = rte_ring_get_memsize(RING_SLOTS);
	struct rte_ring *r = aligned_alloc(64, RTE_ALIGN((size_t)size, 64));

	if (r == NULL || rte_ring_init(r, "bench", RING_SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		abort();
	return r;
}

static struct record *
make_record(struct bench *b)
{
	struct record *r = record_create(b->pool);
	field_id tags = field_find("tags");

	if (r == NULL)
		abort();
	for (unsigned i = 0; i < TAGS; i++) {
		char tag[48];
		int n = snprintf(tag, sizeof(tag), "tag-of-a-usual-length-%u", i);

		record_add_str(b->pool, r, tags, tag, (size_t)n);
	}
	for (unsigned i = 0; i < POSITIONS; i++)
		record_add_position(b->pool, r, 7, 1000000 + 900 * i, 900);
	return r;
}

static void
refill(struct bench *b, struct record *r, uint64_t number)
{
	struct record_summary *s = &r->summary;
	uint64_t chance = random_next(b), id[2] = {random_next(b), random_next(b)};

	s->first_ns = UINT64_C(1763716200123456789) + number * UINT64_C(10000);
	s->last_ns = s->saved_ns = s->first_ns + 200000000;
	s->ip_version = 4;
	s->ip_protocol = 6;
	s->ethertype = 2048;
	s->protocol = "tcp";
	s->has_community_id = s->is_tcp = s->has_init_rtt = s->has_tcp_seq = s->has_seq_source = true;
	for (unsigned side = 0; side < 2; side++) {
		s->address[side][10] = s->address[side][11] = 0xff;
		memcpy(&s->address[side][12], (const uint8_t *)&chance + 4 * side, 4);
		s->port[side] = side == 0 ? (uint16_t)(chance >> 20) : 443;
		s->packets[side] = 6;
		s->bytes[side] = 3000;
		s->data_bytes[side] = 2500;
		s->payload8_bytes[side] = 8;
	}
	s->segment_count = 1;
	s->is_final = true;
	memcpy(s->id, id, sizeof(s->id));
}

static void
take_back(struct bench *b)
{
	b->n_idle += rte_ring_dequeue_burst(b->returns, (void **)&b->idle[b->n_idle], RECORDS_AROUND - b->n_idle, NULL);
}

/* Pushes up to a burst; returns how many. */
static unsigned
push_burst(struct bench *b, uint64_t number, uint64_t n)
{
	unsigned done = 0;

	while (done < BURST && done < n && b->n_idle > 0) {
		struct record *r = b->idle[b->n_idle - 1];

		refill(b, r, number + done);
		if (rte_ring_enqueue(b->records, r) != 0)
			break;
		b->n_idle--;
		done++;
	}
	return done;
}

static void
run(struct bench *b, uint64_t n)
{
	uint64_t pushed = 0;

	while (!exporter_idle(b->exporter) || pushed < n) {
		unsigned done = push_burst(b, pushed, n - pushed);

		pushed += done;
		if (pushed == n)
			exporter_finish(b->exporter);
		done += exporter_poll(b->exporter);
		take_back(b);
		if (done == 0)
			usleep(50);
	}
}

static bool
start(struct bench *b, const char *sinks, char **settings, int n_settings)
{
	const char *overrides[34];
	char sinks_setting[256], why[512] = "";
	struct conf_params params = {.node = "bench", .overrides = overrides};

	snprintf(sinks_setting, sizeof(sinks_setting), "sinks=%s", sinks);
	overrides[params.n_overrides++] = sinks_setting;
	for (int i = 0; i < n_settings && i < 32; i++)
		overrides[params.n_overrides++] = settings[i];
	b->conf = conf_load(&params, stderr);
	if (b->conf == NULL || !fields_init())
		return false;
	conf_fill(b->conf, &export_settings_group, &b->export_conf);
	conf_fill(b->conf, &document_settings_group, &b->document);
	b->document.node = "bench";
	b->records = ring_make();
	b->returns = ring_make();
	b->pool = record_pool_create(4 * RECORDS_AROUND, 0, &b->counters);
	for (; b->n_idle < RECORDS_AROUND; b->n_idle++)
		b->idle[b->n_idle] = make_record(b);

	struct exporter_params p = {.conf = b->conf,
				    .export_conf = &b->export_conf,
				    .document = &b->document,
				    .n_workers = 1,
				    .records = &b->records,
				    .returns = &b->returns};
	b->exporter = exporter_create(&p, why, sizeof(why));
	if (b->exporter == NULL)
		fprintf(stderr, "%s\n", why);
	return b->exporter != NULL;
}

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static struct bench b;
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000, acknowledged;
	double wall, thread, process, end;

	if (!start(&b, argc > 2 ? argv[2] : "sqlite", argv + 3, argc > 3 ? argc - 3 : 0))
		return 1;
	wall = seconds(CLOCK_MONOTONIC);
	thread = seconds(CLOCK_THREAD_CPUTIME_ID);
	process = seconds(CLOCK_PROCESS_CPUTIME_ID);
	run(&b, n);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	thread = seconds(CLOCK_THREAD_CPUTIME_ID) - thread;
	process = seconds(CLOCK_PROCESS_CPUTIME_ID) - process;
	acknowledged = counters_total("export.acknowledged");
	end = seconds(CLOCK_MONOTONIC);
	exporter_destroy(b.exporter);
	end = seconds(CLOCK_MONOTONIC) - end;
	printf("%" PRIu64 " records, %" PRIu64 " acknowledged, %.2f s: %.0f/s; with the end (%.2f s): %.0f/s\n", n,
	       acknowledged, wall, (double)n / wall, end, (double)n / (wall + end));
	printf("CPU per record: exporter and bench %.0f ns, sinks %.0f ns\n", thread / (double)n * 1e9,
	       (process - thread) / (double)n * 1e9);
	return acknowledged == n ? 0 : 1;
}
