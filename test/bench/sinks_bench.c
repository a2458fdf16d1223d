/* What the exporter and a sink of it get done: real records, the whole way from the workers' ring to the store.
 *
 *   sinks_bench SINK RECORDS TRACE [key=value...] [-- SHRIKE'S ARGUMENTS]
 *
 *   sinks_bench ndjson 2000000 mix-once.pcap ndjsonFile=/dev/null
 *   sinks_bench sqlite 5000000 mix-once.pcap sqliteFile=/data/bench.sqlite
 *
 * First a sensor replays TRACE as it always does, and the records that its worker hands over are copied and kept. Then
 * an exporter with the one sink runs on a CPU that it has for itself and does what its lcore does: it polls. All others
 * share the remaining CPUs: the thread that stands for the workers, which takes records back, gives them other
 * addresses, ids and times, and pushes them again; the sink's threads; and the process that receives (sinks_peers.h),
 * an HTTP server for elasticsearch, a subscriber for zmq.
 *
 * The time counts from the first record until the store has acknowledged the last and the sink has closed what it
 * writes, for sqlite with all indices of all segments but a small last one. Every record has to be acknowledged and,
 * where there is a receiver, received, or the exit code is 1. With zmq, which never waits, no more records are under
 * way than a subscriber's queue holds.
 *
 * Prints a line of JSON. 'format_ns': what formatter_write() alone takes for such a record; 'exporter_ns': what the
 * exporter's polls take, ring, columns and copying included, from the time stamp counter, polls that find nothing
 * aside; 'others_ns': CPU time of all other threads of this process but the stand-in's, per record. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "clock.h"
#include "control.h"
#include "export.h"
#include "field.h"
#include "log.h"
#include "record.h"
#include "sensor.h"
#include "thread.h"

#include "sinks_peers.h"

enum {
	KEPT_MAX = 65536,
	KEPT_MIN = 8192, /* more than the caches of a core hold: they come from another one's */
	CHUNKS_MAX = 1 << 20,
	RING_SLOTS = 8192,
	BURST = 32,
	WORDS_MAX = 64,
	/* libzmq learns of what was received half a queue (zmqHighWater) late, and refuses what it takes for too much.
	 */
	ZMQ_UNDER_WAY_MAX = 4800,
	PARTS = 5,
	FORMAT_PASSES = 31,
	FORMAT_WINDOW = 256,
};

static struct sensor sensor;

static struct bench {
	struct conf *conf;
	struct document_conf document;
	struct export_conf export_conf;
	struct exporter *exporter;

	struct record_pool *pool;
	struct counters counters; /* the pool's */
	struct record *kept[KEPT_MAX];
	unsigned n_kept, n_real;      /* the others are copies of these */
	struct rte_ring *worker_ring; /* of the sensor that makes them */

	struct rte_ring *records, *returns;
	cpu_set_t exporter_cpu, other_cpus;
	pthread_t worker;
	double worker_s; /* its CPU time */
	double format_ns, format_best_ns;
	uint64_t n, random;
	_Atomic uint64_t pushed;
	uint64_t begin_ns, part_ns[PARTS];

	bool has_peer, is_zmq;
	pid_t peer;
	struct peer_account *account;
} bench;

static void
die(const char *what)
{
	fprintf(stderr, "sinks_bench: %s\n", what);
	exit(1);
}

static double
cpu_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Real records */

static void
copy_text(struct record *to, const struct record_value *v, const uint8_t *text, uint32_t size)
{
	if (v->type == FIELD_OBJECT)
		record_add_object(bench.pool, to, v->field, text, size);
	else if (v->utf8)
		record_add_utf8(bench.pool, to, v->field, text, size);
	else
		record_add_str(bench.pool, to, v->field, text, size);
}

static void
copy_values(struct record *to, const struct record *from)
{
	static uint8_t text[RECORD_OBJECT_BYTES_MAX];
	uint32_t size = 0;
	struct record_iterator at;
	struct record_value v;

	record_values_begin(from, &at);
	while (record_values_next(&at, &v)) {
		switch (v.type) {
		case FIELD_INT:
			record_add_int(bench.pool, to, v.field, v.integer);
			break;
		case FIELD_FLOAT:
			record_add_double(bench.pool, to, v.field, v.real);
			break;
		case FIELD_IP:
			record_add_ip(bench.pool, to, v.field, v.ip);
			break;
		default:
			memcpy(text + size, v.str.text, v.str.size);
			size += v.str.size;
			if (v.more)
				break;
			copy_text(to, &v, text, size);
			size = 0;
			break;
		}
	}
}

static void
keep(const struct record *r)
{
	struct record_position_iterator at;
	struct record_position p;
	struct record *copy;

	if (bench.n_kept == KEPT_MAX)
		return;
	copy = record_create(bench.pool);
	if (copy == NULL)
		die("no memory for records");
	copy->summary = r->summary;
	copy_values(copy, r);
	record_positions_begin(r, &at);
	while (record_positions_next(&at, &p))
		record_add_position(bench.pool, copy, p.file, p.position, p.length);
	bench.kept[bench.n_kept++] = copy;
}

/* In place of the exporter's poll: all there is, and back at once. */
static unsigned
keep_records(void *context)
{
	struct record *r;
	unsigned n = 0;

	(void)context;
	for (; rte_ring_sc_dequeue(bench.worker_ring, (void **)&r) == 0; n++) {
		keep(r);
		if (rte_ring_sp_enqueue(sensor.returns[0], r) != 0)
			die("no room for records that go back");
	}
	return n;
}

static struct rte_ring *
ring_make(unsigned slots)
{
	ssize_t size = rte_ring_get_memsize(slots);
	struct rte_ring *r = aligned_alloc(64, RTE_ALIGN((size_t)size, 64));

	if (r == NULL || rte_ring_init(r, "bench", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		die("no memory for rings");
	return r;
}

static void
make_records(int argc, char **argv)
{
	static struct options o;
	struct conf_params params;
	struct conf *conf;

	if (options_parse(&o, argc, argv) != EXIT_FINE)
		die("arguments");
	log_set_level(LOG_LEVEL_WARN);
	params = (struct conf_params){.path = o.conf_path, .overrides = o.overrides.item, .n_overrides = o.overrides.n};
	conf = conf_load(&params, stderr);
	if (conf == NULL || sensor_configure(&sensor, &o, conf) != EXIT_FINE || sensor_start(&sensor) != EXIT_FINE)
		die("the sensor that makes the records");
	bench.pool = record_pool_create(CHUNKS_MAX, 0, &bench.counters);
	if (bench.pool == NULL)
		die("no memory for records");
	bench.worker_ring = sensor.records[0];
	sensor.records[0] = bench.records; /* The sensor's own exporter finds nothing. */
	role_plan_add(&sensor.plan, ROLE_EXPORTER, 0, &(struct role){"keeper", keep_records, NULL});
	if (sensor_run(&sensor) != EXIT_FINE)
		die("the replay");
	keep_records(NULL);
	sensor.records[0] = bench.worker_ring;
	if (bench.n_kept == 0)
		die("the trace gives no records");
	bench.n_real = bench.n_kept;
	for (unsigned i = 0; bench.n_kept < KEPT_MIN; i++)
		keep(bench.kept[i]);
	if (counters_total("record.value_lost") > 0 || counters_total("record.position_lost") > 0)
		die("too little room for the records");
}

/* ---- The stand-in for the workers */

static uint64_t
random_next(void)
{
	uint64_t z = bench.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Another session like this one. */
static void
renew(struct record *r, uint64_t number)
{
	struct record_summary *s = &r->summary;
	uint64_t chance = random_next(), id[2] = {random_next(), random_next()};
	uint64_t lasted_ns = s->last_ns - s->first_ns;

	s->first_ns = UINT64_C(1763716200123456789) + number * UINT64_C(10000);
	s->last_ns = s->first_ns + lasted_ns;
	s->saved_ns = s->last_ns;
	memcpy(s->address[0] + 12, &chance, 4);
	memcpy(s->address[1] + 12, (const uint8_t *)&chance + 4, 4);
	memcpy(s->id, id, sizeof(s->id));
}

/* How many records may be pushed now. */
static uint64_t
allowance(uint64_t pushed)
{
	uint64_t left = bench.n - pushed, received;

	if (!bench.is_zmq)
		return left;
	received = atomic_load_explicit(&bench.account->documents, memory_order_acquire);
	return RTE_MIN(left, received + ZMQ_UNDER_WAY_MAX - pushed);
}

/* In the order in which they came: no record is used again before all others. */
static unsigned
take_records(struct record **r, unsigned n, uint64_t pushed)
{
	if (pushed >= bench.n_kept)
		return rte_ring_dequeue_burst(bench.returns, (void **)r, n, NULL);
	n = (unsigned)RTE_MIN((uint64_t)n, bench.n_kept - pushed);
	memcpy(r, &bench.kept[pushed], n * sizeof(r[0]));
	return n;
}

static void *
stand_in(void *context)
{
	uint64_t pushed = 0, idle = 0;

	(void)context;
	while (pushed < bench.n) {
		struct record *r[BURST];
		unsigned n = (unsigned)RTE_MIN(allowance(pushed), (uint64_t)BURST);

		n = RTE_MIN(n, rte_ring_free_count(bench.records));
		n = take_records(r, n, pushed);
		for (unsigned i = 0; i < n; i++)
			renew(r[i], pushed + i);
		if (n == 0) {
			if (++idle % 4 == 0)
				usleep(50);
			else
				sched_yield();
			continue;
		}
		if (rte_ring_enqueue_bulk(bench.records, (void **)r, n, NULL) == 0)
			die("a ring is full that had room");
		pushed += n;
		if (pushed == bench.n)
			bench.worker_s = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
		atomic_store_explicit(&bench.pushed, pushed, memory_order_release);
	}
	return NULL;
}

/* ---- The exporter's lcore */

static int
compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* All records again and again: what they hold is out of the first caches by the time that it is their turn. 'format_ns'
 * is the median of the passes. 'format_best_ns' takes the best time of each window of records, which is what the code
 * costs when nobody else disturbs the core. By CPU time. */
static void
measure_format(void)
{
	static double best[KEPT_MAX / FORMAT_WINDOW], pass[FORMAT_PASSES];
	struct formatter *f = formatter_create(&bench.document);
	unsigned windows = bench.n_kept / FORMAT_WINDOW;
	struct document d;

	if (f == NULL)
		die("formatter");
	for (unsigned p = 0; p < FORMAT_PASSES; p++) {
		for (unsigned w = 0; w < windows; w++) {
			struct record **r = &bench.kept[w * FORMAT_WINDOW];
			double begin_s = cpu_seconds(CLOCK_THREAD_CPUTIME_ID), ns;

			for (unsigned i = 0; i < FORMAT_WINDOW; i++) {
				if (i + 1 < FORMAT_WINDOW)
					formatter_prefetch(r[i + 1]);
				if (!formatter_write(f, r[i], &d))
					die("a record that cannot be written");
			}
			ns = (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin_s) * 1e9 / FORMAT_WINDOW;
			pass[p] += ns / windows;
			if (p == 0 || ns < best[w])
				best[w] = ns;
		}
	}
	formatter_destroy(f);
	qsort(pass, FORMAT_PASSES, sizeof(pass[0]), compare_numbers);
	bench.format_ns = pass[FORMAT_PASSES / 2];
	for (unsigned w = 0; w < windows; w++)
		bench.format_best_ns += best[w] / windows;
}

static bool
all_done(void)
{
	if (atomic_load_explicit(&bench.pushed, memory_order_acquire) < bench.n || !exporter_idle(bench.exporter))
		return false;
	return !bench.has_peer || atomic_load(&bench.account->documents) >= bench.n;
}

/* Fifths of the records: whether the rate holds. */
static void
note_parts(unsigned *part)
{
	if (*part < PARTS && counters_total("export.acknowledged") >= bench.n / PARTS * (*part + 1))
		bench.part_ns[(*part)++] = clock_monotonic_ns() - bench.begin_ns;
}

/* Returns the cycles of polls that did something. */
static uint64_t
poll_until_done(void)
{
	uint64_t busy = 0, next_look_ns = 0;
	unsigned idle = 0, part = 0;
	bool finishing = false;

	for (;;) {
		uint64_t begin = rte_rdtsc();

		if (exporter_poll(bench.exporter) > 0) {
			busy += rte_rdtsc() - begin;
			idle = 0;
			continue;
		}
		rte_pause();
		if (++idle % 64 != 0)
			continue;
		if (clock_monotonic_ns() > next_look_ns) {
			next_look_ns = clock_monotonic_ns() + 20 * NS_PER_MS;
			note_parts(&part);
			if (bench.has_peer && waitpid(bench.peer, NULL, WNOHANG) != 0)
				die("the receiver has ended");
		}
		if (!finishing && atomic_load_explicit(&bench.pushed, memory_order_acquire) == bench.n) {
			exporter_finish(bench.exporter);
			finishing = true;
		}
		if (finishing && all_done())
			return busy;
	}
}

static void
start_exporter(char **settings, unsigned n_settings)
{
	struct conf_params params = {
		.node = "bench", .overrides = (const char *const *)settings, .n_overrides = n_settings};
	char why[512] = "";

	bench.conf = conf_load(&params, stderr);
	if (bench.conf == NULL)
		die("settings");
	export_conf_fill(bench.conf, &bench.export_conf);
	conf_fill(bench.conf, &document_settings_group, &bench.document);
	bench.document.node = "bench";

	struct exporter_params p = {.conf = bench.conf,
				    .export_conf = &bench.export_conf,
				    .document = &bench.document,
				    .n_workers = 1,
				    .records = &bench.records,
				    .returns = &bench.returns,
				    .library_cpus = &bench.other_cpus,
				    .patience_s = 600};
	bench.exporter = exporter_create(&p, why, sizeof(why));
	if (bench.exporter == NULL)
		die(why);
}

static void
print_parts(void)
{
	uint64_t before_ns = 0;

	printf("\"parts_per_s\": [");
	for (unsigned i = 0; i < PARTS && bench.part_ns[i] != 0; i++) {
		printf("%s%.0f", i > 0 ? ", " : "",
		       (double)(bench.n / PARTS) * 1e9 / (double)(bench.part_ns[i] - before_ns));
		before_ns = bench.part_ns[i];
	}
	printf("], ");
}

/* The beginning of what is printed. */
static void
print_format(void)
{
	uint64_t values = 0, positions = 0;

	for (unsigned i = 0; i < bench.n_real; i++) {
		values += bench.kept[i]->n_values;
		positions += bench.kept[i]->n_positions;
	}
	printf("{\"real_records\": %u, \"values_per_record\": %.1f, \"positions_per_record\": %.1f, \"format_ns\": "
	       "%.1f, "
	       "\"format_best_ns\": %.1f, ",
	       bench.n_real, (double)values / bench.n_real, (double)positions / bench.n_real, bench.format_ns,
	       bench.format_best_ns);
}

static int
measure(const char *sink)
{
	uint64_t busy, end_ns, acknowledged, received, bytes;
	double cpu_s, own_s, others_s;

	cpu_s = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
	own_s = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
	bench.begin_ns = clock_monotonic_ns();
	if (thread_start(&bench.worker, "stand-in", &bench.other_cpus, stand_in, NULL) != 0)
		die("thread");
	busy = poll_until_done();
	acknowledged = counters_total("export.acknowledged");
	bytes = counters_total("export.formatted_bytes");
	pthread_join(bench.worker, NULL);
	if (!exporter_destroy(bench.exporter))
		die("the sink hangs");
	end_ns = clock_monotonic_ns();
	others_s = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s - bench.worker_s -
		   (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - own_s);
	received = bench.has_peer ? atomic_load(&bench.account->documents) : acknowledged;
	print_format();
	printf("\"sink\": \"%s\", \"records\": %" PRIu64 ", \"acknowledged\": %" PRIu64 ", \"received\": %" PRIu64
	       ", \"seconds\": %.3f, \"records_per_s\": %.0f, \"bytes_per_record\": %.0f, ",
	       sink, bench.n, acknowledged, received, (double)(end_ns - bench.begin_ns) / 1e9,
	       (double)bench.n * 1e9 / (double)(end_ns - bench.begin_ns), (double)bytes / (double)bench.n);
	print_parts();
	printf("\"exporter_ns\": %.1f, \"others_ns\": %.0f}\n",
	       (double)busy * 1e9 / (double)rte_get_tsc_hz() / (double)bench.n, others_s * 1e9 / (double)bench.n);
	fflush(stdout);
	/* elasticsearch gets documents about fields, too. */
	return acknowledged == bench.n && received >= bench.n ? 0 : 1;
}

/* The exporter has the last CPU for itself. */
static void
share_cpus(void)
{
	cpu_set_t all;
	int last = -1;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		die("CPUs");
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all))
			last = i;
	CPU_ZERO(&bench.exporter_cpu);
	CPU_SET(last, &bench.exporter_cpu);
	bench.other_cpus = all;
	if (CPU_COUNT(&all) > 1)
		CPU_CLR(last, &bench.other_cpus);
}

static void
start_peer(bool subscribes, char *setting, size_t setting_size)
{
	uint16_t port = 0;

	bench.has_peer = true;
	bench.is_zmq = subscribes;
	bench.account = mmap(NULL, sizeof(*bench.account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench.account == MAP_FAILED)
		die("memory");
	bench.peer = peer_start(subscribes, &bench.other_cpus, bench.account, &port);
	if (bench.peer < 0)
		die("the receiver");
	snprintf(setting, setting_size, subscribes ? "zmqEndpoint=tcp://127.0.0.1:%u" : "elasticsearch=127.0.0.1:%u",
		 port);
}

int
main(int argc, char **argv)
{
	char sink_setting[64], peer_setting[64], *setting[WORDS_MAX] = {sink_setting};
	unsigned n_settings = 1;
	char replay[] = "-r", *word[WORDS_MAX] = {argv[0], replay};
	int n_words = 3, i = 4;

	if (argc < 4 || argc > WORDS_MAX - 8)
		die("sinks_bench SINK RECORDS TRACE [key=value...] [-- SHRIKE'S ARGUMENTS]");
	bench.n = strtoull(argv[2], NULL, 10);
	word[2] = argv[3];
	snprintf(sink_setting, sizeof(sink_setting), "sinks=%s", argv[1]);
	share_cpus();
	if (strcmp(argv[1], "elasticsearch") == 0 || strcmp(argv[1], "zmq") == 0) {
		start_peer(argv[1][0] == 'z', peer_setting, sizeof(peer_setting));
		setting[n_settings++] = peer_setting;
	}
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		setting[n_settings++] = argv[i];
	for (i++; i < argc; i++)
		word[n_words++] = argv[i];
	bench.records = ring_make(RING_SLOTS);
	bench.returns = ring_make(2 * KEPT_MAX);
	make_records(n_words, word);
	if (sched_setaffinity(0, sizeof(bench.exporter_cpu), &bench.exporter_cpu) != 0)
		die("the exporter's CPU");
	bench.document = sensor.document_conf;
	measure_format();
	if (bench.n == 0) {
		print_format();
		printf("\"sink\": null}\n");
		fflush(stdout);
		_exit(0);
	}
	start_exporter(setting, n_settings);
	i = measure(argv[1]);
	_exit(i);
}
