#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <rte_ring.h>
#include <sqlite3.h>

#include "clock.h"
#include "export_fixture.h"
#include "record.h"

COUNTER(test_emitted, "test.export.emitted", "records that the exporter's tests pushed", LEDGER_RECORDS, LEDGER_IN);

/* Two kinds of sinks that do as they are told. */
enum stall_mode { STALL_RUN, STALL_STAND, STALL_FAIL, STALL_PART, STALL_FIRST };
enum { SEQUENCES_MAX = 1 << 16, RING_SLOTS = 256, WAIT_S = 60 };

struct stall {
	_Atomic int mode;
	_Atomic unsigned reject_every; /* sequence numbers that this divides; 0: none */
	_Atomic uint64_t calls, documents, failures, largest_bytes;
	uint8_t seen[SEQUENCES_MAX];	/* by the sink's numbers */
	uint8_t numbers[SEQUENCES_MAX]; /* by what fill_summary() made */
	_Atomic unsigned n_stats;
	_Atomic bool refuses_stats;
	char stats_id[32], stats_json[64]; /* of the last one, when n_stats has counted it */
};
static struct stall stall[2];
static const int64_t FIRST_MS = 1700000000000;

static void *
stall_create(unsigned i)
{
	memset(&stall[i], 0, sizeof(stall[i]));
	return &stall[i];
}

static void *
stall_create_a(const struct sink_params *p, char *why, size_t why_size)
{
	(void)p, (void)why, (void)why_size;
	return stall_create(0);
}

static void *
stall_create_b(const struct sink_params *p, char *why, size_t why_size)
{
	(void)p, (void)why, (void)why_size;
	return stall_create(1);
}

static void
stall_destroy(void *state)
{
	(void)state;
}

static int
stall_write(void *state, struct sink_batch *b, unsigned n)
{
	struct stall *s = state;

	s->calls++;
	while (s->mode == STALL_STAND)
		usleep(1000);
	if (s->mode == STALL_FAIL) {
		sink_reject(&b[0], 0); /* means nothing in a write that fails */
		s->failures++;
		return -EIO;
	}
	for (unsigned i = 0; i < n; i++) {
		/* Only the first batch of each call; what is marked behind one that is not done means nothing. */
		if (s->mode == STALL_PART && i > 0) {
			b[n - 1].is_done = n > 2;
			s->failures++;
			return -EIO;
		}
		b[i].is_done = true;
		for (unsigned r = 0; r < b[i].batch->n_rows; r++) {
			uint64_t sequence = b[i].batch->first_sequence + r;

			s->seen[sequence % SEQUENCES_MAX]++;
			s->numbers[(b[i].batch->row[r].first_ms - FIRST_MS) % SEQUENCES_MAX]++;
			s->documents++;
			if (b[i].batch->row[r].json_bytes > s->largest_bytes)
				s->largest_bytes = b[i].batch->row[r].json_bytes;
			if (s->reject_every != 0 && sequence % s->reject_every == 0)
				sink_reject(&b[i], r);
		}
		if (s->mode == STALL_FIRST) {
			s->failures++;
			return -EIO;
		}
	}
	return 0;
}

static int
stall_write_stats(void *state, const struct export_stats *stats)
{
	struct stall *s = state;

	if (s->refuses_stats)
		return -EIO;
	snprintf(s->stats_id, sizeof(s->stats_id), "%s/%s", export_stats_index(stats), stats->id);
	snprintf(s->stats_json, sizeof(s->stats_json), "%.*s", (int)stats->json_bytes, stats->json);
	s->n_stats++;
	return 0;
}

static void
stall_gauges(void *state, struct sink_gauges *out)
{
	(void)state;
	*out = (struct sink_gauges){.requests = 7, .health_ms = 11, .spool_bytes = 13, .spool_records = 17};
}

static const struct sink_kind stall_a = {.name = "stall",
					 .max_batches = 4,
					 .wants_columns = true,
					 .create = stall_create_a,
					 .destroy = stall_destroy,
					 .write = stall_write,
					 .write_stats = stall_write_stats,
					 .gauges = stall_gauges};
REGISTRY_ADD(sink_kind, stall_a);
static const struct sink_kind stall_b = {
	.name = "stall2", .create = stall_create_b, .destroy = stall_destroy, .write = stall_write};
REGISTRY_ADD(sink_kind, stall_b);

/* A worker's side of the rings, in one thread with the exporter's polls. */
struct rig {
	struct fixture f;
	struct exporter *e;
	struct rte_ring *records, *returns;
	struct record_pool *pool;
	struct counters counters;
	struct ledger_gauge gauge;
	uint64_t pushed, returned;
};

static struct rte_ring *
ring_make(unsigned slots)
{
	struct rte_ring *r = aligned_alloc(64, RTE_ALIGN((size_t)rte_ring_get_memsize(slots), 64));

	if (rte_ring_init(r, "test", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		abort();
	return r;
}

static uint64_t
ring_read(const void *ring)
{
	return rte_ring_count(ring);
}

static bool
rig_start_with(struct rig *r, const char *const *settings, unsigned return_slots, struct exporter_params p)
{
	char why[512] = "";

	memset(r, 0, sizeof(*r));
	if (!fixture_init(&r->f, settings))
		return false;
	r->records = ring_make(RING_SLOTS);
	r->returns = ring_make(return_slots);
	r->pool = record_pool_create(4096, 0, &r->counters);
	r->gauge = (struct ledger_gauge){
		.name = "test ring", .account = LEDGER_RECORDS, .read = ring_read, .context = r->records};
	counters_attach(&r->counters, "test worker");
	ledger_gauge_attach(&r->gauge);

	p.conf = r->f.conf;
	p.export_conf = &r->f.export_conf;
	p.document = &r->f.document;
	p.n_workers = 1;
	p.records = &r->records;
	p.returns = &r->returns;
	r->e = exporter_create(&p, why, sizeof(why));
	if (r->e == NULL)
		printf("%s\n", why);
	return r->e != NULL;
}

static bool
rig_start(struct rig *r, const char *const *settings, unsigned return_slots)
{
	return rig_start_with(r, settings, return_slots, (struct exporter_params){.patience_s = 0});
}

/* The ledger adds up to the end: checked before the counters go. */
static void
rig_stop(struct rig *r)
{
	EXPECT_EQ(ledger_check(stdout), 0);
	exporter_destroy(r->e);
	counters_detach(&r->counters);
	ledger_gauge_detach(&r->gauge);
	EXPECT_EQ(record_pool_destroy(r->pool), 0);
	free(r->records);
	free(r->returns);
	fixture_fini(&r->f);
}

static void
rig_take_back(struct rig *r)
{
	void *record;

	while (rte_ring_dequeue(r->returns, &record) == 0) {
		record_free(r->pool, record);
		r->returned++;
	}
}

static void
fill_summary(struct record *record, uint64_t number)
{
	struct record_summary *s = &record->summary;

	s->first_ns = (uint64_t)FIRST_MS * NS_PER_MS + number * NS_PER_MS;
	s->last_ns = s->first_ns + NS_PER_S;
	s->saved_ns = s->last_ns;
	s->ip_version = 4;
	s->ip_protocol = 17;
	s->has_community_id = true;
	s->protocol = "udp";
	s->packets[0] = 2;
	s->bytes[0] = 200;
	s->port[1] = 53;
	for (unsigned side = 0; side < 2; side++) {
		s->address[side][10] = s->address[side][11] = 0xff;
		s->address[side][12] = (uint8_t)(10 + side);
		s->address[side][14] = (uint8_t)(number >> 8);
		s->address[side][15] = (uint8_t)number;
	}
	memcpy(s->id, &number, sizeof(number));
	s->is_final = true;
}

/* Pushes what the ring takes, at most 'n'; 'extra' texts make a document longer. */
static unsigned
rig_push(struct rig *r, unsigned n, unsigned extra)
{
	field_id tags = field_find("tags");
	unsigned done = 0;

	while (done < n && rte_ring_free_count(r->records) > 0) {
		struct record *record = record_create(r->pool);

		if (record == NULL)
			break;
		fill_summary(record, ++r->pushed);
		for (unsigned i = 0; i < extra; i++) {
			char text[64];
			int length = snprintf(text, sizeof(text), "a-tag-that-is-long-enough-%u", i);

			record_add_str(r->pool, record, tags, text, (size_t)length);
		}
		COUNTER_ADD(&r->counters, test_emitted, 1);
		rte_ring_enqueue(r->records, record);
		done++;
	}
	return done;
}

/* Polls until nothing is left to be done or WAIT_S are over. */
static bool
rig_drain(struct rig *r)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	while (!exporter_idle(r->e) && clock_monotonic_ns() < until_ns) {
		if (exporter_poll(r->e) == 0)
			usleep(100);
		rig_take_back(r);
	}
	rig_take_back(r);
	return exporter_idle(r->e);
}

static void
rig_push_all(struct rig *r, unsigned n)
{
	while (n > 0) {
		n -= rig_push(r, n, 0);
		if (exporter_poll(r->e) == 0)
			usleep(100);
		rig_take_back(r);
	}
}

static bool
seen_once(const struct stall *s, uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++)
		if (s->seen[i % SEQUENCES_MAX] != 1)
			return false;
	return s->documents == n;
}

static int64_t
rows(struct rig *r, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;
	sqlite3 *db = NULL;

	sqlite3_open(fixture_path(&r->f, "store/s.sqlite"), &db);
	sqlite3_busy_timeout(db, 10000);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

static unsigned
lines(struct rig *r, const char *name)
{
	FILE *f = fopen(fixture_path(&r->f, name), "r");
	unsigned n = 0;

	for (int c = f != NULL ? getc(f) : EOF; c != EOF; c = getc(f))
		n += c == '\n';
	if (f != NULL)
		fclose(f);
	return n;
}

TEST(every_record_reaches_every_sink_once_and_comes_back)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=sqlite;ndjson;stall", NULL}, 8192));
	rig_push_all(&r, 5000);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	EXPECT_EQ(r.returned, 5000);
	EXPECT(seen_once(&stall[0], 5000));
	EXPECT_EQ(rows(&r, "SELECT count(*) FROM sessions"), 5000);
	EXPECT_EQ(rows(&r, "SELECT count(*) FROM sessions WHERE source_ip='10.0.1.2' AND protocols='udp' AND "
			   "destination_port=53 AND json_extract(document, '$.source.ip')=source_ip AND "
			   "json_extract(document, '$.network.community_id')=community_id"),
		  1);
	EXPECT_EQ(lines(&r, "lines/s.ndjson"), 5000);
	EXPECT_EQ(counters_total("export.acknowledged"), 5000);
	EXPECT_EQ(counters_total("export.formatted"), 5000);
	EXPECT_EQ(counters_total("sink.sqlite.acknowledged"), 5000);
	EXPECT_EQ(counters_total("sink.ndjson.acknowledged"), 5000);
	rig_stop(&r);
}

static void
put_stats(struct rig *r, unsigned flavour, const char *id, const char *json)
{
	struct export_stats stats = {.flavour = flavour, .id = id, .json = json, .json_bytes = strlen(json)};

	exporter_put_stats(r->e, &stats);
}

static bool
wait_for_stats(unsigned n)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	while (stall[0].n_stats < n && clock_monotonic_ns() < until_ns)
		usleep(100);
	return stall[0].n_stats == n;
}

TEST(stats_documents_reach_the_sinks_that_take_them)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", NULL}, 8192));
	put_stats(&r, 0, "test", "{\"a\":1}");
	REQUIRE(wait_for_stats(1));
	EXPECT_STR(stall[0].stats_id, "stats/test");
	EXPECT_STR(stall[0].stats_json, "{\"a\":1}");
	put_stats(&r, 2, "test-5-60", "{\"b\":2}");
	REQUIRE(wait_for_stats(2));
	EXPECT_STR(stall[0].stats_id, "dstats/test-5-60");
	EXPECT_EQ(stall[1].n_stats, 0);
	rig_stop(&r);
}

TEST(stats_documents_neither_wait_for_a_stalled_sink_nor_pile_up)
{
	struct rig r;
	char json[64];

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", "exportBatches=2", "exportBatchBytes=4096", NULL}, 8192));
	stall[0].mode = STALL_STAND;
	rig_push(&r, 10, 0);
	exporter_finish(r.e);
	while (stall[0].calls == 0) {
		exporter_poll(r.e);
		usleep(100);
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(json, sizeof(json), "{\"n\":%u}", i);
		put_stats(&r, 0, "test", json);
	}
	EXPECT_EQ(stall[0].n_stats, 0);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	EXPECT(wait_for_stats(1));
	EXPECT_STR(stall[0].stats_json, "{\"n\":999}");
	rig_stop(&r);
	EXPECT_EQ(stall[0].n_stats, 1);
}

TEST(stats_document_that_a_sink_cannot_write_is_counted_and_not_repeated)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 8192));
	stall[0].refuses_stats = true;
	put_stats(&r, 0, "test", "{}");
	while (counters_total("export.stats_failed") == 0)
		usleep(100);
	stall[0].refuses_stats = false;
	put_stats(&r, 0, "test", "{\"second\":1}");
	EXPECT(wait_for_stats(1));
	EXPECT_STR(stall[0].stats_json, "{\"second\":1}");
	EXPECT_EQ(counters_total("export.stats_failed"), 1);
	rig_stop(&r);
}

TEST(last_stats_document_is_written_before_the_sinks_end)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 8192));
	put_stats(&r, 0, "test", "{\"last\":1}");
	rig_stop(&r);
	EXPECT_EQ(stall[0].n_stats, 1);
	EXPECT_STR(stall[0].stats_json, "{\"last\":1}");
}

static void
keep_status(const struct export_sink_status *status, void *context)
{
	struct export_sink_status *kept = context;

	kept[status->name[5] == '2'] = *status;
}

TEST(status_of_sinks_tells_what_waits_where)
{
	struct export_sink_status kept[2] = {0};
	struct export_status status;
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", "exportBatches=4", NULL}, 8192));
	stall[0].mode = STALL_STAND;
	rig_push(&r, 10, 0);
	exporter_finish(r.e);
	while (stall[0].calls == 0 || stall[1].documents == 0) {
		exporter_poll(r.e);
		usleep(100);
	}
	exporter_status(r.e, &status);
	EXPECT_EQ(status.batches, 4);
	EXPECT(status.batches_in_use >= 1);
	exporter_each_sink(r.e, keep_status, kept);
	EXPECT_STR(kept[0].name, "stall");
	EXPECT_STR(kept[1].name, "stall2");
	EXPECT_EQ(kept[0].queued_batches, 1);
	EXPECT_EQ(kept[0].queue_batches, 4);
	EXPECT_EQ(kept[0].gauges.requests, 7);
	EXPECT_EQ(kept[0].gauges.health_ms, 11);
	EXPECT_EQ(kept[0].gauges.spool_bytes, 13);
	EXPECT_EQ(kept[0].gauges.spool_records, 17);
	EXPECT_EQ(kept[1].gauges.requests, 0);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	rig_stop(&r);
}

TEST(a_stalled_sink_with_the_smallest_pools_loses_nothing)
{
	struct rig r;
	uint64_t before;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", "exportBatches=2", "exportBatchBytes=4096", NULL},
			  8192));
	stall[0].mode = STALL_STAND;
	for (unsigned i = 0; i < 300; i++) {
		rig_push(&r, 10, 0);
		exporter_poll(r.e);
		rig_take_back(&r);
	}
	usleep(50000);
	/* Back-pressure: what two batches hold has been taken, no more; the ring is full. */
	before = r.returned;
	EXPECT(before > 0 && before < 64);
	EXPECT_EQ(rte_ring_free_count(r.records), 0);
	EXPECT_EQ(exporter_poll(r.e), 0);
	EXPECT_EQ(stall[0].documents, 0);
	EXPECT(stall[1].documents > 0);
	EXPECT(!exporter_idle(r.e));
	EXPECT_EQ(ledger_check(stdout), 0);
	stall[0].mode = STALL_RUN;
	rig_push_all(&r, 3000);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	EXPECT_EQ(r.returned, r.pushed);
	EXPECT(seen_once(&stall[0], r.pushed));
	EXPECT(seen_once(&stall[1], r.pushed));
	EXPECT_EQ(counters_total("export.acknowledged"), r.pushed);
	rig_stop(&r);
}

TEST(a_slow_sink_does_not_slow_another_while_batches_are_free)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", "exportBatches=64", "exportBatchBytes=4096", NULL},
			  8192));
	stall[0].mode = STALL_STAND;
	rig_push_all(&r, 200);
	exporter_finish(r.e);
	for (unsigned i = 0; i < 5000 && stall[1].documents < 200; i++) {
		exporter_poll(r.e);
		usleep(1000);
	}
	EXPECT_EQ(stall[1].documents, 200);
	EXPECT_EQ(stall[0].documents, 0);
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	EXPECT_EQ(counters_total("export.acknowledged"), 200);
	rig_stop(&r);
}

TEST(a_sink_that_fails_is_tried_again_until_it_takes_everything)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;ndjson", NULL}, 8192));
	stall[0].mode = STALL_FAIL;
	rig_push_all(&r, 1000);
	exporter_finish(r.e);
	for (unsigned i = 0; i < 1000 && stall[0].failures < 3; i++) {
		exporter_poll(r.e);
		usleep(1000);
	}
	EXPECT(stall[0].failures >= 3);
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	EXPECT(seen_once(&stall[0], 1000));
	EXPECT(counters_total("export.retries") >= 3);
	EXPECT_EQ(counters_total("export.acknowledged"), 1000);
	EXPECT_EQ(counters_total("export.rejected"), 0);
	rig_stop(&r);
}

TEST(a_document_that_two_sinks_refuse_is_one_lost_document)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", NULL}, 8192));
	stall[0].reject_every = 2;
	stall[1].reject_every = 3;
	rig_push_all(&r, 600);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	/* Divisible by 2 or 3: 300 + 200 - 100. */
	EXPECT_EQ(counters_total("export.rejected"), 400);
	EXPECT_EQ(counters_total("export.acknowledged"), 200);
	EXPECT_EQ(ledger_losses(), 400);
	rig_stop(&r);
}

TEST(abandon_counts_what_was_not_written_and_lets_go)
{
	struct rig r;
	uint64_t lost;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;stall2", "exportBatches=4", "exportBatchBytes=4096", NULL},
			  8192));
	stall[0].mode = STALL_FAIL;
	for (unsigned i = 0; i < 100; i++) {
		rig_push(&r, 10, 0);
		exporter_poll(r.e);
		rig_take_back(&r);
	}
	exporter_finish(r.e);
	exporter_abandon(r.e);
	EXPECT(rig_drain(&r));
	lost = counters_total("export.abandoned");
	EXPECT_EQ(r.returned, r.pushed);
	EXPECT_EQ(lost, r.pushed);
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	EXPECT_EQ(ledger_losses(), lost);
	rig_stop(&r);
}

TEST(a_batch_goes_out_after_a_second_even_when_it_is_not_full)
{
	uint64_t begin_ns = clock_monotonic_ns();
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 8192));
	rig_push_all(&r, 3);
	while (stall[0].documents < 3 && clock_monotonic_ns() - begin_ns < 10 * NS_PER_S) {
		exporter_poll(r.e);
		usleep(1000);
	}
	EXPECT_EQ(stall[0].documents, 3);
	EXPECT(clock_monotonic_ns() - begin_ns >= 900 * NS_PER_MS);
	EXPECT(rig_drain(&r));
	rig_stop(&r);
}

TEST(a_document_larger_than_a_batch_gets_memory_of_its_own)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall;sqlite", "exportBatches=2", "exportBatchBytes=4096", NULL},
			  8192));
	for (unsigned i = 0; i < 20; i++) {
		while (rig_push(&r, 1, i % 2 == 0 ? 500 : 0) == 0) {
			exporter_poll(r.e);
			rig_take_back(&r);
		}
	}
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	EXPECT(seen_once(&stall[0], 20));
	EXPECT(stall[0].largest_bytes > 10000);
	EXPECT_EQ(counters_total("export.oversized"), 10);
	EXPECT_EQ(counters_total("export.acknowledged"), 20);
	EXPECT_EQ(rows(&r, "SELECT count(*) FROM sessions WHERE json_array_length(document, '$.tags')=500"), 10);
	rig_stop(&r);
}

TEST(without_a_sink_records_are_counted_and_come_back)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=", NULL}, 8192));
	rig_push_all(&r, 500);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	EXPECT_EQ(r.returned, 500);
	EXPECT_EQ(counters_total("export.no_sink"), 500);
	EXPECT_EQ(counters_total("export.formatted"), 0);
	rig_stop(&r);
}

TEST(a_full_return_ring_is_tried_again)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 16));
	rig_push(&r, 100, 0);
	for (unsigned i = 0; i < 20; i++)
		exporter_poll(r.e);
	EXPECT_EQ(rte_ring_count(r.returns), 15);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	while (r.returned < 100 && exporter_poll(r.e) > 0)
		rig_take_back(&r);
	rig_take_back(&r);
	EXPECT_EQ(r.returned, 100);
	EXPECT(seen_once(&stall[0], 100));
	rig_stop(&r);
}

TEST(an_unknown_sink_is_refused_with_those_there_are)
{
	char why[512] = "";
	struct fixture f;

	REQUIRE(fixture_init(&f, (const char *[]){"sinks=sqlight", NULL}));
	struct exporter_params p = {.conf = f.conf, .export_conf = &f.export_conf, .document = &f.document};
	EXPECT(exporter_create(&p, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "sqlight") != NULL && strstr(why, "sqlite") != NULL && strstr(why, "ndjson") != NULL);
	fixture_fini(&f);
}

static void
collect_line(const char *sink, const char *text, void *context)
{
	char *out = context;

	snprintf(out + strlen(out), 512 - strlen(out), "%s %s\n", sink,
		 strrchr(text, '/') != NULL ? strrchr(text, '/') + 1 : text);
}

TEST(a_dry_run_writes_only_records_and_keeps_no_numbers)
{
	char path[128], text[512] = "", why[512] = "";
	struct exporter *e;
	struct fixture f;

	REQUIRE(fixture_init(&f, NULL));
	snprintf(path, sizeof(path), "%s/out.ndjson", f.folder);
	f.export_conf.dry_run = true;
	f.export_conf.records_path = path;
	struct exporter_params p = {.conf = f.conf, .export_conf = &f.export_conf, .document = &f.document};
	e = exporter_create(&p, why, sizeof(why));
	REQUIRE(e != NULL);
	exporter_describe(e, collect_line, text);
	EXPECT_STR(text, "ndjson out.ndjson\n");
	EXPECT_EQ(exporter_file_number(e), 1);
	EXPECT_EQ(exporter_file_number(e), 2);
	exporter_destroy(e);
	EXPECT(access(fixture_path(&f, "store"), F_OK) != 0);
	EXPECT(access(fixture_path(&f, "state"), F_OK) != 0);
	fixture_fini(&f);
}

static uint32_t
number_soon(struct exporter *e)
{
	uint32_t number = 0;

	for (unsigned i = 0; number == 0 && i < 20000; i++) {
		number = exporter_file_number(e);
		if (number == 0)
			usleep(1000);
	}
	return number;
}

static void
check_numbers(const char *sinks)
{
	for (unsigned run = 0; run < 1; run++) {
		struct rig r;

		REQUIRE(rig_start(&r, (const char *[]){sinks, NULL}, 8192));
		for (uint32_t i = 1; i <= 50; i++)
			EXPECT_EQ(number_soon(r.e), i);
		exporter_destroy(r.e);

		/* What was not used is not used up. */
		char why[512] = "";
		struct exporter_params p = {.conf = r.f.conf,
					    .export_conf = &r.f.export_conf,
					    .document = &r.f.document,
					    .n_workers = 1,
					    .records = &r.records,
					    .returns = &r.returns};
		r.e = exporter_create(&p, why, sizeof(why));
		REQUIRE(r.e != NULL);
		EXPECT_EQ(number_soon(r.e), 51);
		rig_stop(&r);
	}
}

TEST(file_numbers_come_from_sqlite_and_go_on_in_the_next_run)
{
	check_numbers("sinks=ndjson;sqlite");
}

TEST(file_numbers_come_from_a_state_file_when_no_sink_keeps_them)
{
	check_numbers("sinks=ndjson");
}

enum { NUMBER_THREADS = 4, NUMBERS_EACH = 100 };
static struct exporter *numbers_exporter;

static void *
take_numbers(void *out)
{
	for (unsigned i = 0; i < NUMBERS_EACH; i++)
		((uint32_t *)out)[i] = number_soon(numbers_exporter);
	return NULL;
}

TEST(file_numbers_taken_by_several_threads_are_all_different)
{
	static uint32_t numbers[NUMBER_THREADS][NUMBERS_EACH];
	static uint8_t seen[10000];
	pthread_t thread[NUMBER_THREADS];
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=sqlite", NULL}, 8192));
	numbers_exporter = r.e;
	for (unsigned i = 0; i < NUMBER_THREADS; i++)
		EXPECT_EQ(pthread_create(&thread[i], NULL, take_numbers, numbers[i]), 0);
	for (unsigned i = 0; i < NUMBER_THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < NUMBER_THREADS * NUMBERS_EACH; i++) {
		uint32_t number = numbers[i / NUMBERS_EACH][i % NUMBERS_EACH];

		EXPECT(number > 0 && number < sizeof(seen));
		EXPECT_EQ(seen[number % sizeof(seen)]++, 0);
	}
	rig_stop(&r);
}

TEST(files_documents_wait_for_a_locked_database)
{
	struct export_file file = {.name = "/pcap/a.pcap", .first_ns = NS_PER_S};
	sqlite3 *other = NULL;
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=sqlite", NULL}, 8192));
	EXPECT_EQ(number_soon(r.e), 1);
	EXPECT_EQ(sqlite3_open(fixture_path(&r.f, "store/s.sqlite"), &other), SQLITE_OK);
	sqlite3_busy_timeout(other, 10000);
	EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (file.number = 1; file.number <= 20; file.number++)
		EXPECT(exporter_put_file(r.e, &file));
	rig_push_all(&r, 100);
	exporter_finish(r.e);
	exporter_poll(r.e);
	usleep(200000);
	EXPECT(!exporter_idle(r.e));
	EXPECT_EQ(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	EXPECT(rig_drain(&r));
	EXPECT_EQ(rows(&r, "SELECT count(*) FROM files"), 20);
	EXPECT_EQ(rows(&r, "SELECT count(*) FROM sessions"), 100);
	rig_stop(&r);
}

TEST(what_is_collected_is_sent_by_destroy)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 8192));
	rig_push(&r, 20, 0);
	exporter_poll(r.e);
	rig_take_back(&r);
	EXPECT_EQ(stall[0].documents, 0);
	rig_stop(&r);
	EXPECT_EQ(stall[0].documents, 20);
}

/* The check must be able to fail: a record taken from the ring behind everybody's back is missing. */
TEST(the_ledger_notices_a_record_that_disappears)
{
	struct rig r;
	void *record;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", NULL}, 8192));
	rig_push(&r, 10, 0);
	EXPECT_EQ(ledger_check(NULL), 0);
	EXPECT_EQ(rte_ring_dequeue(r.records, &record), 0);
	EXPECT_EQ(ledger_check(NULL), 1);
	rte_ring_enqueue(r.records, record);
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	rig_stop(&r);
}

TEST(destroy_gives_up_a_sink_that_never_takes_anything)
{
	uint64_t begin_ns = clock_monotonic_ns();
	struct rig r;

	REQUIRE(rig_start_with(&r, (const char *[]){"sinks=stall;stall2", NULL}, 8192,
			       (struct exporter_params){.patience_s = 1}));
	stall[0].mode = STALL_FAIL;
	rig_push_all(&r, 100);
	while (rte_ring_count(r.records) > 0)
		exporter_poll(r.e);
	rig_take_back(&r);
	rig_stop(&r);
	EXPECT_EQ(stall[0].documents, 0);
	EXPECT_EQ(stall[1].documents, 100);
	EXPECT(clock_monotonic_ns() - begin_ns < 10 * NS_PER_S);
}

/* Static: the sink's thread goes on using it after the test. */
static struct rig stuck;

TEST(destroy_returns_although_a_sink_hangs_inside_a_write)
{
	uint64_t begin_ns = clock_monotonic_ns();

	REQUIRE(rig_start_with(&stuck, (const char *[]){"sinks=stall", NULL}, 8192,
			       (struct exporter_params){.patience_s = 1}));
	stall[0].mode = STALL_STAND;
	rig_push_all(&stuck, 100);
	exporter_finish(stuck.e);
	for (unsigned i = 0; i < 5000 && stall[0].calls == 0; i++) {
		exporter_poll(stuck.e);
		usleep(1000);
	}
	EXPECT_EQ(stall[0].calls, 1);
	exporter_abandon(stuck.e);
	EXPECT(!exporter_destroy(stuck.e));
	EXPECT(clock_monotonic_ns() - begin_ns < 20 * NS_PER_S);
	/* Not lost without a trace: inside, and the ledger says so. */
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(counters_total("export.acknowledged") + counters_total("export.abandoned"), 0);
	stall[0].mode = STALL_RUN;
	for (unsigned i = 0; i < 5000 && counters_total("export.acknowledged") == 0; i++)
		usleep(1000);
	EXPECT_EQ(counters_total("export.acknowledged"), 100);
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT(exporter_destroy(stuck.e));
	counters_detach(&stuck.counters);
	ledger_gauge_detach(&stuck.gauge);
	rig_take_back(&stuck);
	EXPECT_EQ(record_pool_destroy(stuck.pool), 0);
	free(stuck.records);
	free(stuck.returns);
	fixture_fini(&stuck.f);
}

/* In a child, for standard output has to be the pipe. */
static int
export_to_closed_pipe(void)
{
	static struct rig r;
	int ends[2];

	if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0)
		return 1;
	close(ends[0]);
	close(ends[1]);
	if (!rig_start(&r, (const char *[]){"sinks=ndjson;stall", "ndjsonFile=-", NULL}, 8192))
		return 2;
	rig_push_all(&r, 1000);
	exporter_finish(r.e);
	if (!rig_drain(&r))
		return 3;
	if (counters_total("export.rejected") != 1000 || counters_total("sink.ndjson.rejected") != 1000 ||
	    counters_total("sink.ndjson.acknowledged") != 0 || counters_total("export.acknowledged") != 0)
		return 4;
	if (ledger_check(stderr) != 0 || !seen_once(&stall[0], 1000))
		return 5;
	rig_stop(&r);
	return 0;
}

TEST(a_closed_pipe_rejects_documents_and_other_sinks_go_on)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(export_to_closed_pipe());
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}

/* ---- Spools */

static bool
numbers_once(const struct stall *s, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++)
		if (s->numbers[i % SEQUENCES_MAX] != 1)
			return false;
	return true;
}

/* Takes everything off the rings, whatever sinks do. False: the exporter stands still. */
static bool
rig_take_in(struct rig *r)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	while (rte_ring_count(r->records) > 0 && clock_monotonic_ns() < until_ns) {
		if (exporter_poll(r->e) == 0)
			usleep(100);
		rig_take_back(r);
	}
	return rte_ring_count(r->records) == 0;
}

/* Each has found its place in a batch, too, which it may have to wait for. */
static bool
rig_place(struct rig *r)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	while (r->returned < r->pushed && clock_monotonic_ns() < until_ns) {
		if (exporter_poll(r->e) == 0)
			usleep(100);
		rig_take_back(r);
	}
	return r->returned == r->pushed;
}

#define SPOOLED_SINKS "sinks=stall;stall2", "spool=always", "exportBatches=8", "exportBatchBytes=4096", "sinkQueue=2"

TEST(a_dead_sink_slows_neither_the_exporter_nor_other_sinks_and_gets_everything_later)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, NULL}, 8192));
	stall[0].mode = STALL_STAND;
	for (unsigned i = 0; i < 20; i++) {
		rig_push(&r, 100, 0);
		REQUIRE(rig_take_in(&r)); /* 30 times what all batches hold */
	}
	exporter_finish(r.e);
	for (unsigned i = 0; i < 10 * WAIT_S * 10 && stall[1].documents < 2000; i++) {
		exporter_poll(r.e);
		usleep(10000);
	}
	EXPECT(seen_once(&stall[1], 2000));
	EXPECT_EQ(stall[0].documents, 0);
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	EXPECT(!exporter_idle(r.e));
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	EXPECT(seen_once(&stall[0], 2000)); /* in order, by its own numbers */
	EXPECT(numbers_once(&stall[0], 1, 2000));
	EXPECT_EQ(counters_total("export.acknowledged"), 2000);
	EXPECT_EQ(ledger_losses(), 0);
	rig_stop(&r);
}

static void
rig_fail_in_part(struct rig *r, unsigned times)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;
	unsigned before;

	/* What failed before may be counted still. */
	stall[0].mode = STALL_PART;
	before = stall[0].failures;
	while (stall[0].failures < before + times + 1 && clock_monotonic_ns() < until_ns) {
		exporter_poll(r->e);
		rig_take_back(r);
		usleep(1000);
	}
	EXPECT(stall[0].failures > before + times);
	EXPECT(stall[0].documents > 0);
	stall[0].mode = STALL_RUN;
}

TEST(a_sink_that_fails_may_have_answered_for_the_first_batches)
{
	const char *spooled[] = {SPOOLED_SINKS, NULL};
	const char *queued[] = {"sinks=stall;stall2", "spool=never", "exportBatches=64", "exportBatchBytes=32768",
				NULL};
	struct rig r;

	for (unsigned i = 0; i < 2; i++) {
		REQUIRE(rig_start(&r, i == 0 ? spooled : queued, 8192));
		stall[0].mode = STALL_FAIL;
		stall[0].reject_every = 7;
		for (unsigned pushed = 0; pushed < 1000; pushed += 100) {
			rig_push(&r, 100, 0);
			REQUIRE(rig_take_in(&r));
		}
		/* Each failure is followed by a pause: some are enough. */
		rig_fail_in_part(&r, 2);
		EXPECT(rig_drain(&r));
		EXPECT_EQ(stall[0].documents, 1000);
		EXPECT(seen_once(&stall[0], 1000));
		EXPECT(numbers_once(&stall[0], 1, 1000));
		EXPECT_EQ(counters_total("export.rejected"), 1000 / 7);
		EXPECT_EQ(counters_total("export.acknowledged"), 1000 - 1000 / 7);
		rig_stop(&r);
	}
}

TEST(what_two_spools_hold_is_counted_once)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, NULL}, 8192));
	stall[0].mode = stall[1].mode = STALL_FAIL;
	stall[0].reject_every = stall[1].reject_every = 7;
	for (unsigned i = 0; i < 10; i++) {
		rig_push(&r, 100, 0);
		REQUIRE(rig_take_in(&r));
	}
	stall[1].mode = STALL_RUN;
	exporter_finish(r.e);
	for (unsigned i = 0; i < 10 * WAIT_S * 10 && stall[1].documents < 1000; i++) {
		exporter_poll(r.e);
		usleep(10000);
	}
	EXPECT_EQ(stall[1].documents, 1000);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	EXPECT_EQ(stall[0].documents, 1000);
	EXPECT_EQ(counters_total("export.rejected"), 1000 / 7);
	EXPECT_EQ(counters_total("export.acknowledged"), 1000 - 1000 / 7);
	rig_stop(&r);
}

TEST(what_is_spooled_at_the_end_is_sent_by_the_next_run_and_has_an_account_of_its_own)
{
	char folder[] = "/tmp/shrike-spool-XXXXXX", setting[64];
	struct rig r;
	uint64_t found;

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(setting, sizeof(setting), "spoolDir=%s", folder);
	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, setting, "spoolExitWait=0", NULL}, 8192));
	stall[0].mode = STALL_FAIL;
	for (unsigned i = 0; i < 5; i++) {
		rig_push(&r, 100, 0);
		REQUIRE(rig_take_in(&r));
	}
	exporter_finish(r.e);
	EXPECT(rig_drain(&r)); /* although the one takes nothing */
	EXPECT(seen_once(&stall[1], 500));
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	EXPECT_EQ(ledger_losses(), 0);
	rig_stop(&r); /* 500 emitted = 500 spooled */

	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, setting, NULL}, 8192));
	r.pushed = 500;
	found = counters_total("spool.found");
	EXPECT_EQ(found, 500);
	rig_push(&r, 100, 0);
	REQUIRE(rig_take_in(&r));
	exporter_finish(r.e);
	EXPECT(rig_drain(&r));
	EXPECT(seen_once(&stall[0], 600));
	EXPECT(numbers_once(&stall[0], 1, 600));
	EXPECT_EQ(counters_total("spool.acknowledged"), 500);
	EXPECT_EQ(counters_total("export.acknowledged"), 100);
	r.pushed = r.returned;
	rig_stop(&r);
	nftw(folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(a_sink_that_takes_a_batch_now_and_then_is_waited_for_at_the_end)
{
	char folder[] = "/tmp/shrike-spool-XXXXXX", setting[64];
	struct rig r;

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(setting, sizeof(setting), "spoolDir=%s", folder);
	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, setting, "spoolExitWait=1", NULL}, 8192));
	stall[0].mode = STALL_FAIL; /* so that the spool has it all */
	for (unsigned i = 0; i < 5; i++) {
		rig_push(&r, 100, 0);
		REQUIRE(rig_take_in(&r));
	}
	stall[0].mode = STALL_FIRST;
	exporter_finish(r.e);
	EXPECT(rig_drain(&r)); /* every write fails, for more than a second */
	EXPECT(seen_once(&stall[0], 500));
	EXPECT(stall[0].failures > 50);
	EXPECT_EQ(counters_total("export.acknowledged"), 500);
	rig_stop(&r);
	nftw(folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(abandon_leaves_everything_in_the_spool)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, NULL}, 8192));
	stall[0].mode = stall[1].mode = STALL_FAIL;
	rig_push(&r, 200, 0);
	REQUIRE(rig_place(&r));
	exporter_finish(r.e);
	exporter_poll(r.e);
	exporter_abandon(r.e);
	EXPECT(rig_drain(&r));
	EXPECT_EQ(counters_total("export.abandoned"), 0);
	EXPECT_EQ(counters_total("export.acknowledged"), 0);
	rig_stop(&r);
}

TEST(a_replay_into_a_file_waits_and_a_live_sensor_spools)
{
	struct rig r;

	REQUIRE(rig_start(&r, (const char *[]){"sinks=stall", "exportBatches=4", "exportBatchBytes=4096", NULL}, 8192));
	EXPECT(access(fixture_path(&r.f, "spool"), F_OK) != 0);
	rig_stop(&r);
}

TEST(a_full_spool_loses_the_oldest_and_says_so)
{
	struct rig r;
	uint64_t lost;

	REQUIRE(rig_start(&r, (const char *[]){SPOOLED_SINKS, "spoolMax=16777216", NULL}, 8192));
	stall[0].mode = STALL_FAIL;
	while (r.pushed < 20000) { /* of 2 KB each */
		rig_push(&r, 100, 40);
		REQUIRE(rig_take_in(&r));
	}
	exporter_finish(r.e);
	stall[0].mode = STALL_RUN;
	EXPECT(rig_drain(&r));
	lost = counters_total("export.spool_lost");
	EXPECT(lost > 0 && lost < r.pushed);
	EXPECT_EQ(stall[0].documents, r.pushed - lost);
	EXPECT_EQ(stall[1].documents, r.pushed);
	EXPECT_EQ(counters_total("export.acknowledged"), r.pushed - lost);
	rig_stop(&r);
}
