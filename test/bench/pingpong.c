/* The time a cache line takes from one CPU to the other: half a round trip, in nanoseconds.
 *
 *   pingpong CPU CPU
 *
 * Printed beside every benchmark of two lcores, because on a virtual machine the two CPUs may or may not share a cache,
 * and results differ by a factor with it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 200000, REPEATS = 9 };

static _Alignas(128) atomic_uint ball;
static int cpus[2];

static int
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *
answer(void *unused)
{
	(void)unused;
	if (pin(cpus[1]) != 0)
		return NULL;
	for (unsigned i = 0; i < ROUNDS * REPEATS; i++) {
		while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1)
			;
		atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	pthread_t other;
	double one_way_ns[REPEATS];

	if (argc != 3 || (cpus[0] = (int)strtoul(argv[1], NULL, 10)) == (cpus[1] = (int)strtoul(argv[2], NULL, 10))) {
		fprintf(stderr, "usage: pingpong CPU CPU (two different ones)\n");
		return 2;
	}
	if (pin(cpus[0]) != 0 || pthread_create(&other, NULL, answer, NULL) != 0) {
		fprintf(stderr, "pingpong: cannot run on CPUs %d and %d\n", cpus[0], cpus[1]);
		return 1;
	}
	for (unsigned r = 0, i = 0; r < REPEATS; r++) {
		uint64_t begin = now_ns();

		for (unsigned n = 0; n < ROUNDS; n++, i++) {
			atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
			while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2)
				;
		}
		one_way_ns[r] = (double)(now_ns() - begin) / ROUNDS / 2;
	}
	pthread_join(other, NULL);
	qsort(one_way_ns, REPEATS, sizeof(one_way_ns[0]), compare);
	printf("%.1f\n", one_way_ns[REPEATS / 2]);
	return 0;
}
