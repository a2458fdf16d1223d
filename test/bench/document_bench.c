/* What a record costs: filling it (worker) and writing it (exporter).
 *
 *   document_bench [records]
 *
 * A typical TCP record: two MACs, two TTLs, 12 positions, Community ID. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "document.h"

enum { WINDOW = 256 }; /* as many as may wait between a worker and the exporter */

struct bench {
	struct record_pool *pool;
	struct formatter *formatter;
	struct counters counters;
	unsigned n;
};

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
fill_summary(struct record_summary *s, unsigned i)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 20, [14] = 30, [15] = 40};

	for (unsigned side = 0; side < 2; side++) {
		memcpy(s->address[side], mapped, 16);
		memcpy(s->address[side] + 13, &i, 2 + side);
		s->port[side] = (uint16_t)(i * 7 + side);
		s->packets[side] = 6;
		s->bytes[side] = 3000 + i % 1000;
		s->data_bytes[side] = 2500 + i % 1000;
		memcpy(s->payload8[side], "GET / HT", 8);
		s->payload8_bytes[side] = 8;
	}
	s->first_ns = UINT64_C(1763716200123456789) + i * UINT64_C(1000000);
	s->last_ns = s->first_ns + 200000000;
	s->saved_ns = s->last_ns;
	s->ip_version = 4;
	s->ip_protocol = 6;
	s->ethertype = 2048;
	s->protocol = "tcp";
	s->has_community_id = s->is_tcp = s->has_init_rtt = s->has_tcp_seq = s->has_seq_source = true;
	s->seq[0] = i * 2654435761U;
	s->source_isn_count = 1;
	s->segment_count = 1;
	memcpy(s->id, &i, sizeof(i));
}

static struct record *
make_record(struct bench *b, const field_id id[4], unsigned i)
{
	struct record *r = record_create(b->pool);

	fill_summary(&r->summary, i);
	record_add_str(b->pool, r, id[0], "00:11:22:33:44:55", 17);
	record_add_str(b->pool, r, id[1], "00:11:22:33:44:66", 17);
	record_add_int(b->pool, r, id[2], 64);
	record_add_int(b->pool, r, id[3], 57);
	for (unsigned k = 0; k < 12; k++)
		record_add_position(b->pool, r, 101, 24 + (uint64_t)i * 1000 + k * 150000, 1516);
	return r;
}

/* Times of one kind of work, by window. The best window is what the code costs when nobody else disturbs the core. */
struct timing {
	double sum, best;
};

static void
timing_add(struct timing *t, double ns)
{
	t->sum += ns;
	if (t->best == 0 || ns < t->best)
		t->best = ns;
}

static void
timing_print(const char *what, const struct timing *t, unsigned n)
{
	printf("  %s: mean %.1f ns, best %.1f ns\n", what, t->sum / n, t->best / WINDOW);
}

static void
run(struct bench *b)
{
	const field_id id[4] = {field_find("source.mac"), field_find("destination.mac"), field_find("srcTTL"),
				field_find("dstTTL")};
	static struct record *window[WINDOW];
	struct timing fill = {0}, write = {0}, give_back = {0};
	size_t bytes = 0;

	for (unsigned done = 0; done < b->n; done += WINDOW) {
		double t0 = now_ns(), t1, t2;
		struct document d;

		for (unsigned i = 0; i < WINDOW; i++)
			window[i] = make_record(b, id, done + i);
		t1 = now_ns();
		for (unsigned i = 0; i < WINDOW; i++) {
			formatter_write(b->formatter, window[i], &d);
			bytes += d.json_bytes;
		}
		t2 = now_ns();
		for (unsigned i = 0; i < WINDOW; i++)
			record_free(b->pool, window[i]);
		timing_add(&fill, t1 - t0);
		timing_add(&write, t2 - t1);
		timing_add(&give_back, now_ns() - t2);
	}
	printf("records %u, %.0f bytes each\n", b->n, (double)bytes / b->n);
	timing_print("fill", &fill, b->n);
	timing_print("write", &write, b->n);
	timing_print("free", &give_back, b->n);
}

/* A record whose set grows to n distinct values: ns for each. */
static void
run_distinct(struct bench *b, unsigned n)
{
	field_id tags = field_find("tags");
	struct record *r = record_create(b->pool);
	double begin = now_ns();
	char text[32];

	for (unsigned i = 0; i < n; i++)
		record_add_str(b->pool, r, tags, text, (size_t)snprintf(text, sizeof(text), "value-%u", i));
	printf("distinct values %u: %.1f ns each, %u chunks\n", r->n_values, (now_ns() - begin) / n, r->chunks);
	record_free(b->pool, r);
}

static double
best_of_same(struct bench *b, const struct record *r)
{
	struct timing t = {0};
	struct document d;

	for (unsigned done = 0; done < b->n; done += WINDOW) {
		double begin = now_ns();

		for (unsigned i = 0; i < WINDOW; i++)
			formatter_write(b->formatter, r, &d);
		timing_add(&t, now_ns() - begin);
	}
	return t.best / WINDOW;
}

static void
run_community_id(struct bench *b)
{
	struct record *r = record_create(b->pool);
	double with, without;

	fill_summary(&r->summary, 7);
	with = best_of_same(b, r);
	r->summary.has_community_id = false;
	without = best_of_same(b, r);
	printf("the same record without fields, in cache: best %.1f ns; of it Community ID %.1f ns\n", with,
	       with - without);
	record_free(b->pool, r);
}

int
main(int argc, char **argv)
{
	struct document_conf conf = {.node = "sensor", .rotate_index = DOCUMENT_DAILY, .gap_packet_positions = true};
	static struct bench b;

	b.n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) / WINDOW * WINDOW : 512 * 1024;
	if (b.n == 0 || !fields_init())
		return 1;
	b.pool = record_pool_create(40000, 0, &b.counters);
	b.formatter = formatter_create(&conf);
	if (b.pool == NULL || b.formatter == NULL)
		return 1;
	run(&b);
	run_community_id(&b);
	for (unsigned n = 12500; n <= 200000; n *= 2)
		run_distinct(&b, n);
	formatter_destroy(b.formatter);
	return record_pool_destroy(b.pool) != 0;
}
