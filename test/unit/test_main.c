/* Runs the registered unit tests. */
#include "test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

static unsigned failures;
static bool skipped;

void
test_fail(const char *file, int line, const char *what)
{
	failures++;
	printf("%s:%d: %s\n", file, line, what);
}

void
test_expect_str(const char *file, int line, const char *what, const char *a, const char *b)
{
	if (a != NULL && b != NULL && strcmp(a, b) == 0)
		return;
	test_fail(file, line, what);
	printf("    \"%s\"\n    \"%s\"\n", a != NULL ? a : "(null)", b != NULL ? b : "(null)");
}

void
test_skip(const char *why)
{
	skipped = true;
	printf("    skipped: %s\n", why);
}

void
test_eal(void)
{
	static bool ready;
	const char *argv[] = {/* not const: EAL reorders it */
			      "unit-tests",
			      "--no-huge",
			      "--no-shconf",
			      "-m",
			      "512",
			      "--no-pci",
			      "--no-telemetry",
			      "--log-level=lib.*:error",
			      "--lcores",
			      "0@0,1@0,2@0",
			      NULL};

	if (ready)
		return;
	if (rte_eal_init((int)RTE_DIM(argv) - 1, (char **)(uintptr_t)argv) < 0) {
		fprintf(stderr, "unit-tests: EAL does not start\n");
		exit(5);
	}
	ready = true;
}

uint8_t *
test_guard(const void *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
	uint8_t *p = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + whole, page, PROT_NONE) != 0)
		abort();
	if (size > 0)
		memcpy(p + whole - size, bytes, size);
	return p + whole - size;
}

void
test_guard_free(uint8_t *guarded, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;

	munmap(guarded + size - whole, whole + page);
}

double
test_cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool
test_grows_at_most(test_cost cost, const void *what, size_t size, size_t larger, double times, double slack_s)
{
	enum { TURNS_MAX = 10 };
	double few = 1e9, many = 1e9;

	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		double a = cost(what, size), b = cost(what, larger);

		few = a < few ? a : few;
		many = b < many ? b : many;
		if (turn > 0 && many <= times * few + slack_s)
			return true;
	}
	printf("    %zu cost %.6f s, %zu cost %.6f s\n", size, few, larger, many);
	return false;
}

static bool
wanted(const struct test *t, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (strstr(t->file, argv[i]) != NULL || strcmp(t->name, argv[i]) == 0)
			return true;
	return false;
}

static bool
run_one(const struct test *t)
{
	unsigned before = failures;

	skipped = false;
	t->run();
	if (failures != before)
		printf("FAILED %s %s\n", t->file, t->name);
	fflush(stdout);
	return failures == before;
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0, n_skipped = 0;

	REGISTRY_FOREACH (test, struct test, t) {
		if (argc == 2 && strcmp(argv[1], "--list") == 0) {
			printf("%s:%s\n", (*t)->file, (*t)->name);
			continue;
		}
		if (!wanted(*t, argc, argv))
			continue;
		if (!run_one(*t))
			failed++;
		else if (skipped)
			n_skipped++;
		else
			passed++;
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, n_skipped);
	return failed > 0 || passed + n_skipped == 0;
}
