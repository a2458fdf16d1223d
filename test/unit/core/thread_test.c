#include "thread.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

/* A thread that waits while its /proc entry is read. */
struct sleeper {
	sem_t started, go_on;
	pthread_t thread;
	pid_t tid;
};

static void *
sleep_on(void *argument)
{
	struct sleeper *s = argument;

	s->tid = gettid();
	sem_post(&s->started);
	sem_wait(&s->go_on);
	return s;
}

static int
sleeper_start(struct sleeper *s, const char *name, const cpu_set_t *cpus)
{
	int error;

	sem_init(&s->started, 0, 0);
	sem_init(&s->go_on, 0, 0);
	error = thread_start(&s->thread, name, cpus, sleep_on, s);
	if (error == 0)
		sem_wait(&s->started);
	return error;
}

static void *
sleeper_stop(struct sleeper *s)
{
	void *result = NULL;

	sem_post(&s->go_on);
	pthread_join(s->thread, &result);
	return result;
}

/* A line of /proc/self/task/TID/status, without its name. */
static const char *
status_of(pid_t tid, const char *key)
{
	static char line[4096];
	char path[64];
	size_t length = strlen(key);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	file = fopen(path, "re");
	if (file == NULL)
		return "(no such thread)";
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			fclose(file);
			line[strcspn(line, "\n")] = '\0';
			return line + length + 1 + strspn(line + length + 1, "\t ");
		}
	}
	fclose(file);
	return "(no such line)";
}

/* "0-1" or "1" as the kernel prints them -> the set. */
static cpu_set_t
parse_list(const char *list)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (*list != '\0') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last; first++)
			CPU_SET(first, &set);
		list = *end == ',' ? end + 1 : end + strlen(end);
	}
	return set;
}

static cpu_set_t
cpus_of(pid_t tid)
{
	return parse_list(status_of(tid, "Cpus_allowed_list"));
}

TEST(a_thread_has_its_name_cut_to_fifteen_characters)
{
	struct sleeper s;

	REQUIRE(sleeper_start(&s, "a-name-that-is-too-long", NULL) == 0);
	EXPECT_STR(status_of(s.tid, "Name"), "a-name-that-is-");
	EXPECT(sleeper_stop(&s) == &s);
	REQUIRE(sleeper_start(&s, "short", NULL) == 0);
	EXPECT_STR(status_of(s.tid, "Name"), "short");
	sleeper_stop(&s);
}

static bool
is_fault(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP ||
	       signal == SIGSYS || signal == SIGABRT;
}

TEST(a_thread_has_signals_blocked_but_for_its_faults_and_its_starter_keeps_its_mask)
{
	char before[64], after[64];
	struct sleeper s;
	uint64_t blocked;

	snprintf(before, sizeof(before), "%s", status_of(gettid(), "SigBlk"));
	REQUIRE(sleeper_start(&s, "signals", NULL) == 0);
	blocked = strtoull(status_of(s.tid, "SigBlk"), NULL, 16);
	snprintf(after, sizeof(after), "%s", status_of(gettid(), "SigBlk"));
	sleeper_stop(&s);
	for (int signal = 1; signal < SIGRTMIN; signal++) {
		/* KILL and STOP cannot be blocked; 32 and 33 are glibc's own. */
		if (signal != SIGKILL && signal != SIGSTOP && signal < 32)
			EXPECT((blocked >> (signal - 1) & 1) == !is_fault(signal));
	}
	EXPECT_STR(before, after);
}

TEST(a_thread_runs_on_the_cpus_it_was_given)
{
	cpu_set_t all, one;
	struct sleeper s;

	REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t seen;

		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		REQUIRE(sleeper_start(&s, "pinned", &one) == 0);
		seen = cpus_of(s.tid);
		EXPECT(CPU_EQUAL(&seen, &one));
		sleeper_stop(&s);
	}
}

TEST(cpus_that_do_not_exist_are_an_error)
{
	cpu_set_t none;
	struct sleeper s;

	CPU_ZERO(&none);
	EXPECT_EQ(sleeper_start(&s, "nowhere", &none), -EINVAL);
}

/* What rte_eal_init() does to the thread that calls it. */
static void
pin_to_first(cpu_set_t *pinned)
{
	cpu_set_t all;
	int cpu = 0;

	sched_getaffinity(0, sizeof(all), &all);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(pinned);
	CPU_SET(cpu, pinned);
	sched_setaffinity(0, sizeof(*pinned), pinned);
}

TEST(library_threads_stay_off_the_polling_cpus)
{
	cpu_set_t before, everywhere, saved, polling, cpus, seen, overlap;
	struct sleeper s;

	REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
	/* Another test may have started EAL before, which pins this thread. */
	memset(&everywhere, 0xff, sizeof(everywhere));
	REQUIRE(sched_setaffinity(0, sizeof(everywhere), &everywhere) == 0);
	REQUIRE(sched_getaffinity(0, sizeof(saved), &saved) == 0);
	thread_library_cpus_save();
	test_eal();
	pin_to_first(&polling);

	/* The trap: without a set of its own it runs where EAL has put its starter. */
	REQUIRE(sleeper_start(&s, "inherits", NULL) == 0);
	seen = cpus_of(s.tid);
	EXPECT(CPU_EQUAL(&seen, &polling));
	sleeper_stop(&s);

	thread_library_cpus(&polling, &cpus);
	REQUIRE(sleeper_start(&s, "library", &cpus) == 0);
	seen = cpus_of(s.tid);
	sleeper_stop(&s);
	CPU_AND(&overlap, &seen, &polling);
	if (CPU_COUNT(&saved) > 1) {
		EXPECT_EQ(CPU_COUNT(&overlap), 0);
		EXPECT_EQ(CPU_COUNT(&seen), CPU_COUNT(&saved) - 1);
	} else {
		EXPECT(CPU_EQUAL(&seen, &saved));
	}

	/* All CPUs poll: then all are allowed, rather than none. */
	thread_library_cpus(&saved, &cpus);
	EXPECT(CPU_EQUAL(&cpus, &saved));
	REQUIRE(sleeper_start(&s, "library", &cpus) == 0);
	seen = cpus_of(s.tid);
	EXPECT(CPU_EQUAL(&seen, &saved));
	sleeper_stop(&s);
	sched_setaffinity(0, sizeof(before), &before);
}
