/* Threads beside the lcores.
 *
 * The CPU set is an attribute of the thread from its first instruction, not something it does to itself later: what it
 * allocates and touches first is then where it stays. The mask is blocked in the parent around the start for the same
 * reason: no signal can reach the child before it has blocked it. */
#include "thread.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 16 }; /* Of the kernel, with the NUL. */

struct start {
	void *(*run)(void *);
	void *argument;
	char name[NAME_BYTES];
};

/* What a thread does wrong itself: blocked, the kernel ends the process before anybody can say where it was. */
static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static cpu_set_t saved_cpus;
static bool saved;

static void *
thread_main(void *argument)
{
	struct start start = *(struct start *)argument;

	free(argument);
	pthread_setname_np(pthread_self(), start.name);
	return start.run(start.argument);
}

static int
create(pthread_t *thread, const cpu_set_t *cpus, struct start *start)
{
	sigset_t sent, before;
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error != 0)
		return -error;
	if (cpus != NULL)
		error = pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	if (error == 0) {
		sigfillset(&sent);
		for (unsigned i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++)
			sigdelset(&sent, own_faults[i]);
		pthread_sigmask(SIG_SETMASK, &sent, &before);
		error = pthread_create(thread, &attr, thread_main, start);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return -error;
}

int
thread_start(pthread_t *thread, const char *name, const cpu_set_t *cpus, void *(*run)(void *), void *argument)
{
	struct start *start = malloc(sizeof(*start));
	int error;

	if (start == NULL)
		return -ENOMEM;
	start->run = run;
	start->argument = argument;
	snprintf(start->name, sizeof(start->name), "%.*s", NAME_BYTES - 1, name);
	error = create(thread, cpus, start);
	if (error != 0)
		free(start);
	return error;
}

void
thread_library_cpus_save(void)
{
	saved = sched_getaffinity(0, sizeof(saved_cpus), &saved_cpus) == 0;
}

void
thread_library_cpus(const cpu_set_t *polling, cpu_set_t *out)
{
	cpu_set_t all, both;

	if (saved)
		all = saved_cpus;
	else if (sched_getaffinity(0, sizeof(all), &all) != 0)
		CPU_ZERO(&all);
	CPU_AND(&both, &all, polling);
	CPU_XOR(out, &all, &both);
	if (CPU_COUNT(out) == 0)
		*out = all;
}
