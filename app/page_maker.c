/* Making pages ahead. */
#include "page_maker.h"

#include <sched.h>
#include <time.h>

#include <rte_common.h>

#include "pool.h"
#include "role.h"
#include "thread.h"

enum { PAUSE_MIN_NS = 1000000, PAUSE_MAX_NS = 16000000 };

static void *
run(void *argument)
{
	struct page_maker *maker = argument;
	long pause_ns = PAUSE_MIN_NS;

	/* Refused, it is as any other thread: slower, not wrong. */
	if (maker->gives_way)
		(void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
	while (!atomic_load_explicit(&maker->stop, memory_order_relaxed)) {
		if (vmem_ahead_step()) {
			pause_ns = PAUSE_MIN_NS;
			continue;
		}
		nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
		pause_ns = RTE_MIN(2 * pause_ns, (long)PAUSE_MAX_NS);
	}
	return NULL;
}

int
page_maker_start(struct page_maker *maker, const struct role_plan *plan)
{
	cpu_set_t workers, cpus;
	int error;

	role_plan_cpus(plan, true, &workers);
	thread_library_cpus(&workers, &cpus);
	*maker = (struct page_maker){.gives_way = plan->lcore[0].idle == IDLE_SLEEP};
	error = thread_start(&maker->thread, "pages", &cpus, run, maker);
	maker->has_thread = error == 0;
	return error;
}

void
page_maker_stop(struct page_maker *maker)
{
	if (!maker->has_thread)
		return;
	atomic_store(&maker->stop, true);
	pthread_join(maker->thread, NULL);
	maker->has_thread = false;
}
