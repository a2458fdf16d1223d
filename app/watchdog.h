/* The watchdog: an lcore that does not come to the end of a turn is named.
 *
 * Every role's poll() does a bounded piece of work, so an lcore ends thousands of turns in a second. One that ends none
 * for 'lcoreStall' is said to be stalled, within a fifth of that more: which lcore, what it runs, what it was at, and
 * how much of the time it had a CPU at all; and again when it gets on.
 *
 * Threads: start and stop control's, before the lcores run and after they have ended; the watchdog has a thread of its
 * own. Nothing waits for it. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "role.h"

struct watchdog_conf {
	uint32_t stall_ms; /* 0: no watchdog */
};
extern const struct setting_group watchdog_settings_group;

struct watchdog;

/* NULL with errno; with stall_ms 0 too, with errno 0. */
struct watchdog *watchdog_create(const struct role_plan *, const struct watchdog_conf *);
/* Accepts NULL. */
void watchdog_destroy(struct watchdog *);

/* A thread that looks, on these CPUs. 0 or -errno. Accepts NULL. */
int watchdog_start(struct watchdog *, const cpu_set_t *cpus);

/* One look; what the thread does every fifth of 'lcoreStall'. 'now_ns' is the monotonic clock's. */
void watchdog_look(struct watchdog *, uint64_t now_ns);

/* How many lcores are stalled now. Any thread. */
unsigned watchdog_stalled(const struct watchdog *);

#endif
