/* What storing a packet costs a worker, and how fast blocks reach the disk.
 *
 *   writer_bench [--no-huge] discard BYTES [PACKETS]        producer ns per packet, worker and writer on one CPU
 *   writer_bench [--no-huge] disk BYTES GIB [DIRECTORY]     the same with files, worker and writer on two CPUs
 *
 * Packets come from 64 buffers one after the other, as from a receive burst that decode has just read. Prints one line
 * for each of five runs and the median. */
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_memory.h>
#include <rte_pause.h>

#include "clock.h"
#include "writer.h"

enum { RUNS = 5, BUFFERS = 64 };

struct bench {
	struct writer_conf conf;
	struct writer *writer;
	struct writer_stream *stream;
	struct counters counters;
	uint32_t length;
	uint64_t packets;
	uint8_t *buffer[BUFFERS];
	_Atomic bool done;
	uint64_t waits, poll_work, polls_busy_ns;
};

static _Atomic uint32_t numbers;

static uint32_t
take_number(void *context)
{
	(void)context;
	return ++numbers;
}

/* CPU time of this thread: other programs on the machine cost this one cache and bandwidth, but not time slices. */
static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* A burst at a time, as a worker does. 'polls': the writer runs on this CPU too. Returns ns spent. */
static uint64_t
produce(struct bench *b, bool polls)
{
	uint64_t start = cpu_ns(), time_ns = UINT64_C(1700000000) * NS_PER_S;
	struct packet p[BUFFERS];

	for (unsigned i = 0; i < BUFFERS; i++)
		p[i] = (struct packet){.data = b->buffer[i],
				       .captured_bytes = b->length,
				       .store_bytes = b->length,
				       .wire_bytes = b->length,
				       .link_type = LINK_ETHERNET,
				       .has_nanoseconds = true};
	for (uint64_t n = 0; n < b->packets; n += BUFFERS) {
		while (!writer_stream_room(b->stream, BUFFERS)) {
			b->waits++;
			if (polls)
				writer_poll(b->writer);
			else
				rte_pause();
		}
		for (unsigned i = 0; i < BUFFERS; i++) {
			p[i].time_ns = time_ns += 700;
			while (!writer_append(b->stream, &p[i], p[i].file))
				if (polls)
					writer_poll(b->writer);
		}
		if (polls)
			writer_poll(b->writer);
	}
	return cpu_ns() - start;
}

/* Only the loop around it: what is subtracted. */
static uint64_t
produce_nothing(const struct bench *b)
{
	uint64_t start = cpu_ns(), time_ns = 0, sum = 0;
	struct packet p[BUFFERS];

	memset(p, 0, sizeof(p));
	for (uint64_t n = 0; n < b->packets; n += BUFFERS)
		for (unsigned i = 0; i < BUFFERS; i++) {
			p[i].time_ns = time_ns += 700;
			__asm__ volatile("" : "+r"(sum) : "m"(p[i]));
		}
	return cpu_ns() - start;
}

static void *
worker(void *argument)
{
	struct bench *b = argument;
	static uint64_t spent;

	pin(1);
	spent = produce(b, false);
	while (!writer_stream_finish(b->stream))
		rte_pause();
	b->done = true;
	return &spent;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
open_writer(struct bench *b)
{
	struct writer_params params = {
		.conf = &b->conf, .n_workers = 1, .take_number = take_number, .socket = SOCKET_ID_ANY};
	char why[256];

	b->writer = writer_create(&params, why, sizeof(why));
	if (b->writer == NULL) {
		fprintf(stderr, "writer_bench: %s\n", why);
		exit(1);
	}
	b->stream = writer_stream_create(b->writer, 0, &b->counters);
}

static void
close_writer(struct bench *b)
{
	while (!writer_stream_finish(b->stream))
		writer_poll(b->writer);
	while (!writer_idle(b->writer))
		writer_poll(b->writer);
	writer_stream_destroy(b->stream);
	writer_destroy(b->writer);
}

static double
run_discard(struct bench *b)
{
	uint64_t spent, loop;

	open_writer(b);
	produce(b, true); /* touches the blocks */
	loop = produce_nothing(b);
	spent = produce(b, true);
	close_writer(b);
	printf("discard: %.1f ns a packet (loop %.1f subtracted), %.1f Gbit/s\n",
	       (double)(spent - loop) / (double)b->packets, (double)loop / (double)b->packets,
	       (double)(b->packets * (b->length + 16)) * 8 / (double)spent);
	return (double)(spent - loop) / (double)b->packets;
}

static double
run_disk(struct bench *b)
{
	uint64_t start, busy = 0, total, polls = 0;
	pthread_t thread;
	void *spent;
	double rate;

	b->done = false;
	b->waits = 0;
	open_writer(b);
	pin(0);
	start = clock_monotonic_ns();
	pthread_create(&thread, NULL, worker, b);
	while (!b->done || !writer_idle(b->writer)) {
		uint64_t before = clock_monotonic_ns();

		polls++;
		if (writer_poll(b->writer) > 0)
			busy += clock_monotonic_ns() - before;
		else
			rte_pause();
	}
	pthread_join(thread, &spent);
	total = clock_monotonic_ns() - start;
	close_writer(b);
	rate = (double)(b->packets * (b->length + 16)) / (double)total;
	printf("disk: %.2f GB/s, %.1f Gbit/s, producer %.1f ns a packet, writer busy %.1f ns a packet (%.1f %%), "
	       "waited %" PRIu64 " times\n",
	       rate, rate * 8, (double)*(uint64_t *)spent / (double)b->packets, (double)busy / (double)b->packets,
	       (double)busy * 100 / (double)total, b->waits);
	return rate;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
start_eal(bool no_huge)
{
	const char *huge[] = {"writer_bench", "--in-memory", "--no-pci", "--no-telemetry", "--lcores", "0@0"};
	const char *none[] = {"writer_bench", "--no-huge",	"--no-shconf", "-m", "512",
			      "--no-pci",     "--no-telemetry", "--lcores",    "0@0"};
	int result = no_huge ? rte_eal_init(9, (char **)(uintptr_t)none) : rte_eal_init(6, (char **)(uintptr_t)huge);

	if (result < 0) {
		fprintf(stderr, "writer_bench: EAL does not start; try --no-huge\n");
		exit(5);
	}
}

int
main(int argc, char **argv)
{
	bool no_huge = argc > 1 && strcmp(argv[1], "--no-huge") == 0;
	char **arguments = argv + 1 + no_huge;
	int n = argc - 1 - no_huge;
	bool disk = n >= 3 && strcmp(arguments[0], "disk") == 0;
	const char *const own = "/var/tmp/shrike-writer-bench", *directory = n >= 4 ? arguments[3] : own;
	static struct bench b;
	double result[RUNS];

	if (n < 2 || (!disk && strcmp(arguments[0], "discard") != 0)) {
		fprintf(stderr,
			"usage: writer_bench [--no-huge] discard BYTES [PACKETS] | disk BYTES GIB [DIRECTORY]\n");
		return 2;
	}
	b.length = (uint32_t)strtoul(arguments[1], NULL, 10);
	if (b.length == 0 || b.length > PACKET_BYTES_MAX)
		return 2;
	b.packets = disk     ? (uint64_t)(strtod(arguments[2], NULL) * (1 << 30)) / (b.length + 16)
		    : n >= 3 ? strtoull(arguments[2], NULL, 10)
			     : 10000000;
	start_eal(no_huge);
	for (unsigned i = 0; i < BUFFERS; i++) {
		b.buffer[i] = malloc(b.length + 64);
		memset(b.buffer[i], (int)i, b.length);
	}
	b.conf = (struct writer_conf){
		.directories = {.item = &directory, .n = 1},
		.file_size_max_gib = 12,
		.snap_length = 65535,
		.wire_length = true,
		.effective_method = disk ? WRITER_SIMPLE : WRITER_DISCARD,
		.node = "bench",
	};
	for (unsigned i = 0; i < RUNS; i++) {
		numbers = 0; /* the same name again: the old file goes */
		result[i] = disk ? run_disk(&b) : run_discard(&b);
	}
	qsort(result, RUNS, sizeof(result[0]), compare);
	printf("median %.2f %s\n", result[RUNS / 2], disk ? "GB/s" : "ns a packet");
	for (unsigned i = 0; i < BUFFERS; i++)
		free(b.buffer[i]);
	if (disk && directory == own)
		nftw(own, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
