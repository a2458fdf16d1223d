/* The watchdog.
 *
 * It is a thread and not a part of the control role, because control shares an lcore with others, on a small machine
 * with all of them: what stalls may be its own lcore. It wakes five times in the time that makes a stall and compares
 * numbers that the lcores write anyway.
 *
 * Of a stalled lcore it says how long its thread was on a CPU meanwhile: all of it is a loop that does not end, nothing
 * is a call that does not return, a stopped thread or a CPU that belongs to somebody else.
 *
 * When the watchdog itself was late (the machine slept, or the whole process was stopped) nobody is named: the others
 * did not run either. */
#include "watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "counters.h"
#include "log.h"
#include "thread.h"

COUNTER(stalls, "lcore.stalls", "times that an lcore did not come to the end of a turn for lcoreStall", LEDGER_NONE,
	LEDGER_IN);
COUNTER(stalled_ms, "lcore.stalled_ms", "milliseconds that stalled lcores stood, of those that went on", LEDGER_NONE,
	LEDGER_IN);

enum { LOOKS_PER_STALL = 5, LATE_LOOKS = 3, ROLES_TEXT = 256, REMINDER_S = 60 };

static const struct setting watchdog_settings[] = {
	SETTING_U32(struct watchdog_conf, stall_ms, "lcoreStall", 1000, 0, 3600000, "ms",
		    "an lcore that does not come to the end of a turn for so long is named in the log; 0: never"),
};
SETTINGS(watchdog, "Watchdog", watchdog_settings);

struct watched {
	uint64_t turns;	   /* as last seen */
	uint64_t since_ns; /* it has not moved since then */
	uint64_t cpu_ns;   /* of its thread at that time */
	uint64_t named_ns; /* when it was last named; 0: it is not stalled */
};

struct watchdog {
	const struct role_plan *plan;
	uint64_t stall_ns, interval_ns, looked_ns;
	struct watched lcore[LCORES_MAX];
	_Atomic unsigned n_stalled;
	struct counters counters;

	pthread_t thread;
	bool has_thread, stop; /* with the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t wake;
};

struct watchdog *
watchdog_create(const struct role_plan *plan, const struct watchdog_conf *conf)
{
	struct watchdog *dog;
	pthread_condattr_t attr;

	errno = 0;
	if (conf->stall_ms == 0)
		return NULL;
	dog = calloc(1, sizeof(*dog));
	if (dog == NULL)
		return NULL;
	dog->plan = plan;
	dog->stall_ns = conf->stall_ms * NS_PER_MS;
	dog->interval_ns = dog->stall_ns / LOOKS_PER_STALL;
	pthread_mutex_init(&dog->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dog->wake, &attr);
	pthread_condattr_destroy(&attr);
	counters_attach(&dog->counters, "watchdog");
	return dog;
}

void
watchdog_destroy(struct watchdog *dog)
{
	if (dog == NULL)
		return;
	if (dog->has_thread) {
		pthread_mutex_lock(&dog->mutex);
		dog->stop = true;
		pthread_cond_signal(&dog->wake);
		pthread_mutex_unlock(&dog->mutex);
		pthread_join(dog->thread, NULL);
	}
	counters_detach(&dog->counters);
	pthread_cond_destroy(&dog->wake);
	pthread_mutex_destroy(&dog->mutex);
	free(dog);
}

static uint64_t
cpu_ns(const struct lcore_plan *lcore)
{
	struct timespec t;

	if (clock_gettime(lcore->cpu_clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static const char *
what_it_is_at(const struct lcore_plan *lcore)
{
	unsigned at = atomic_load_explicit(&lcore->at, memory_order_relaxed);

	return at < lcore->n_roles ? lcore->role[at].name : "waiting";
}

static void
list_roles(const struct lcore_plan *lcore, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < lcore->n_roles && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? "," : "", lcore->role[i].name);
}

static void
name_it(struct watchdog *dog, const struct lcore_plan *lcore, struct watched *w, uint64_t now_ns)
{
	char roles[ROLES_TEXT];

	if (w->named_ns == 0) {
		COUNTER_ADD(&dog->counters, stalls, 1);
		dog->n_stalled++;
	}
	w->named_ns = now_ns;
	list_roles(lcore, roles, sizeof(roles));
	LOG_ERROR("lcore.stalled", "lcore=%u roles=%s polling=%s for_ms=%" PRIu64 " on_cpu_ms=%" PRIu64,
		  lcore->lcore_id, roles, what_it_is_at(lcore), (now_ns - w->since_ns) / NS_PER_MS,
		  (cpu_ns(lcore) - w->cpu_ns) / NS_PER_MS);
}

static void
note_progress(struct watchdog *dog, const struct lcore_plan *lcore, struct watched *w, uint64_t now_ns)
{
	if (w->named_ns == 0)
		return;
	w->named_ns = 0;
	dog->n_stalled--;
	COUNTER_ADD(&dog->counters, stalled_ms, (now_ns - w->since_ns) / NS_PER_MS);
	LOG_WARN("lcore.goes_on", "lcore=%u stood_ms=%" PRIu64, lcore->lcore_id, (now_ns - w->since_ns) / NS_PER_MS);
}

/* Standing between two turns because control said so is no stall. */
static bool
has_moved(const struct lcore_plan *lcore, const struct watched *w)
{
	return !atomic_load_explicit(&lcore->is_running, memory_order_acquire) ||
	       atomic_load_explicit(&lcore->is_paused, memory_order_relaxed) ||
	       atomic_load_explicit(&lcore->load.turns, memory_order_relaxed) != w->turns;
}

static void
look_at(struct watchdog *dog, const struct lcore_plan *lcore, struct watched *w, uint64_t now_ns, bool was_late)
{
	bool moved = has_moved(lcore, w) || w->since_ns == 0;

	if (moved)
		note_progress(dog, lcore, w, now_ns);
	if (moved || (was_late && w->named_ns == 0)) {
		bool runs = atomic_load_explicit(&lcore->is_running, memory_order_acquire);

		w->turns = atomic_load_explicit(&lcore->load.turns, memory_order_relaxed);
		w->since_ns = now_ns;
		w->cpu_ns = runs ? cpu_ns(lcore) : 0;
		return;
	}
	if (now_ns - w->since_ns < dog->stall_ns)
		return;
	if (w->named_ns == 0 || now_ns - w->named_ns >= REMINDER_S * NS_PER_S)
		name_it(dog, lcore, w, now_ns);
}

void
watchdog_look(struct watchdog *dog, uint64_t now_ns)
{
	bool was_late = dog->looked_ns != 0 && now_ns - dog->looked_ns > LATE_LOOKS * dog->interval_ns;

	dog->looked_ns = now_ns;
	for (unsigned i = 0; i < dog->plan->n_lcores; i++)
		look_at(dog, &dog->plan->lcore[i], &dog->lcore[i], now_ns, was_late);
}

unsigned
watchdog_stalled(const struct watchdog *dog)
{
	return dog != NULL ? atomic_load(&dog->n_stalled) : 0;
}

static void *
run(void *context)
{
	struct watchdog *dog = context;

	pthread_mutex_lock(&dog->mutex);
	while (!dog->stop) {
		uint64_t until_ns = clock_monotonic_ns() + dog->interval_ns;
		struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
					 .tv_nsec = (long)(until_ns % NS_PER_S)};

		pthread_cond_timedwait(&dog->wake, &dog->mutex, &until);
		if (!dog->stop)
			watchdog_look(dog, clock_monotonic_ns());
	}
	pthread_mutex_unlock(&dog->mutex);
	return NULL;
}

int
watchdog_start(struct watchdog *dog, const cpu_set_t *cpus)
{
	int error;

	if (dog == NULL)
		return 0;
	error = thread_start(&dog->thread, "watchdog", cpus, run, dog);
	dog->has_thread = error == 0;
	return error;
}
