/* A thread that makes pages before the workers need them: vmem_ahead_step(), a millisecond and a half of the kernel's
 * time for 2 MB on a virtual machine, which the lcore that reads a capture file cannot spare: what its workers have
 * before them lasts for half of that.
 *
 * It keeps off the workers' CPUs where there are others. On an lcore's CPU it gives way whenever the lcore wakes, where
 * lcores sleep when they are idle; where they poll on, it takes its share.
 *
 * Threads: start and stop from the control thread. */
#ifndef PAGE_MAKER_H
#define PAGE_MAKER_H

#include <pthread.h>
#include <stdbool.h>

struct role_plan;

struct page_maker {
	pthread_t thread;
	bool has_thread;
	bool gives_way;
	_Atomic bool stop;
};

/* After the plan's roles were added. 0 or -errno. */
int page_maker_start(struct page_maker *, const struct role_plan *);
void page_maker_stop(struct page_maker *); /* also one that was never started */

#endif
