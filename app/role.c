/* Roles on lcores.
 *
 * Which role goes where: control always polls on the main lcore, since signals and messages end there. The replay
 * copies every packet, so it gets a lcore of its own as soon as there are three; the writer and the exporter together
 * need a fraction of one (PERFORMANCE, Consequences 8), so they stay with control. Workers take what is left, one each;
 * who asks for more of them gets them beside the other roles, and then beside each other.
 *
 * Back-off: an lcore with nothing to do first spins a little, because work usually comes in bursts, then pauses or
 * sleeps as told. Sleeping is what lets a laptop or a CI machine with more roles than CPUs get on.
 *
 * An lcore's load is what its turns took, by one reading of the time stamp counter a turn (two in turns that back off):
 * a busy turn is a burst at least, so this costs a packet next to nothing.
 *
 * After each turn an lcore reports that it keeps nothing of what control may replace (rcu.h), and it says what it is
 * at, for the watchdog: plain stores into lines of its own. */
#include "role.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "clock.h"
#include "rcu.h"

enum { SPIN_POLLS = 64, PAUSES_MAX = 256, SLEEP_MIN_NS = 20000, SLEEP_MAX_NS = 500000 };

unsigned
role_plan_workers(unsigned n_lcores, bool replay)
{
	unsigned others = replay ? 2 : 1;

	if (n_lcores <= 2)
		return 1;
	return n_lcores > others ? n_lcores - others : 1;
}

void
role_plan_init(struct role_plan *plan, enum idle_mode idle)
{
	unsigned lcore_id;

	memset(plan, 0, sizeof(*plan));
	plan->lcore[plan->n_lcores++].lcore_id = rte_get_main_lcore();
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		if (plan->n_lcores < LCORES_MAX)
			plan->lcore[plan->n_lcores++].lcore_id = lcore_id;
	}
	for (unsigned i = 0; i < plan->n_lcores; i++) {
		plan->lcore[i].idle = idle;
		plan->lcore[i].plan = plan;
	}
}

static unsigned
lcore_for(const struct role_plan *plan, enum role_kind kind, unsigned index)
{
	bool replay_alone = plan->has_replay && plan->n_lcores > 2;

	if (kind == ROLE_WORKER)
		return ((replay_alone ? 2 : 1) + index) % plan->n_lcores;
	return kind == ROLE_REPLAY && replay_alone ? 1 : 0;
}

void
role_plan_add(struct role_plan *plan, enum role_kind kind, unsigned index, const struct role *role)
{
	struct lcore_plan *lcore;

	plan->has_replay |= kind == ROLE_REPLAY;
	lcore = &plan->lcore[lcore_for(plan, kind, index)];
	lcore->has_worker |= kind == ROLE_WORKER;
	if (lcore->n_roles < ROLES_MAX)
		lcore->role[lcore->n_roles++] = *role;
}

void
role_plan_cpus(const struct role_plan *plan, bool only_workers, cpu_set_t *out)
{
	CPU_ZERO(out);
	for (unsigned i = 0; i < plan->n_lcores; i++) {
		rte_cpuset_t lcore = rte_lcore_cpuset(plan->lcore[i].lcore_id);

		if (plan->lcore[i].has_worker || !only_workers)
			CPU_OR(out, out, &lcore);
	}
}

static inline void
set_at(struct lcore_plan *lcore, unsigned at)
{
	atomic_store_explicit(&lcore->at, at, memory_order_relaxed);
}

static void
sleep_ns(int reader, long ns)
{
	struct timespec nap = {.tv_nsec = ns < SLEEP_MAX_NS ? ns : SLEEP_MAX_NS};

	rcu_reader_offline(reader);
	nanosleep(&nap, NULL);
	rcu_reader_online(reader);
}

static void
back_off(enum idle_mode mode, int reader, unsigned idle_polls)
{
	unsigned n = idle_polls < PAUSES_MAX ? idle_polls : PAUSES_MAX;

	if (mode == IDLE_SPIN || idle_polls < SPIN_POLLS)
		return;
	if (mode == IDLE_SLEEP) {
		if (idle_polls > SPIN_POLLS)
			sleep_ns(reader, (long)(idle_polls - SPIN_POLLS) * SLEEP_MIN_NS);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		rte_pause();
}

static inline void
add(_Atomic uint64_t *sum, uint64_t n)
{
	atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Of a turn that began at 'begin', after one that ended at 'since'. Returns the time at which it ended. */
static inline uint64_t
count_turn(struct lcore_load *load, bool is_busy, uint64_t since, uint64_t begin)
{
	uint64_t now = rte_rdtsc();

	add(&load->cycles, now - since);
	add(&load->turns, 1);
	if (is_busy) {
		add(&load->busy_cycles, now - begin);
		add(&load->busy_turns, 1);
	}
	return now;
}

static void
stand_still(struct lcore_plan *lcore, int reader)
{
	rcu_reader_offline(reader);
	atomic_store(&lcore->is_paused, true);
	while (atomic_load(&lcore->plan->pause) && !atomic_load(&lcore->plan->stop)) {
		if (lcore->idle == IDLE_SLEEP)
			sched_yield();
		else
			rte_pause();
	}
	atomic_store(&lcore->is_paused, false);
	rcu_reader_online(reader);
}

static unsigned
poll_roles(struct lcore_plan *lcore)
{
	unsigned work = 0;

	for (unsigned i = 0; i < lcore->n_roles; i++) {
		set_at(lcore, i);
		work += lcore->role[i].poll(lcore->role[i].context);
	}
	return work;
}

static void
take_turns(struct lcore_plan *lcore, int reader)
{
	unsigned idle_polls = 0;
	uint64_t since = rte_rdtsc(), begin = since;

	while (!atomic_load_explicit(&lcore->plan->stop, memory_order_acquire)) {
		unsigned work;

		if (unlikely(atomic_load_explicit(&lcore->plan->pause, memory_order_relaxed)) &&
		    lcore->lcore_id != rte_get_main_lcore())
			stand_still(lcore, reader);
		work = poll_roles(lcore);
		rcu_reader_quiescent(reader);
		begin = since = count_turn(&lcore->load, work > 0, since, begin);
		if (work > 0) {
			idle_polls = 0;
			continue;
		}
		set_at(lcore, LCORE_WAITS);
		back_off(lcore->idle, reader, ++idle_polls);
		begin = rte_rdtsc();
	}
}

static int
lcore_main(void *context)
{
	struct lcore_plan *lcore = context;
	int reader = rcu_reader_add();

	if (pthread_getcpuclockid(pthread_self(), &lcore->cpu_clock) != 0)
		lcore->cpu_clock = CLOCK_MONOTONIC;
	atomic_store_explicit(&lcore->is_running, true, memory_order_release);
	take_turns(lcore, reader);
	atomic_store_explicit(&lcore->is_running, false, memory_order_release);
	rcu_reader_remove(reader);
	return 0;
}

int
role_plan_run(struct role_plan *plan)
{
	int error = 0;

	for (unsigned i = 1; i < plan->n_lcores && error == 0; i++)
		error = rte_eal_remote_launch(lcore_main, &plan->lcore[i], plan->lcore[i].lcore_id);
	if (error == 0)
		lcore_main(&plan->lcore[0]);
	else
		role_plan_stop(plan);
	rte_eal_mp_wait_lcore();
	return error;
}

void
role_plan_stop(struct role_plan *plan)
{
	atomic_store_explicit(&plan->stop, true, memory_order_release);
}

static bool
others_stand(struct role_plan *plan)
{
	for (unsigned i = 1; i < plan->n_lcores; i++)
		if (!atomic_load(&plan->lcore[i].is_paused))
			return false;
	return true;
}

/* Lcores may share this one's CPU: it has to be given up while they get on to the end of their turn. */
bool
role_plan_pause(struct role_plan *plan, uint64_t patience_ns)
{
	uint64_t until_ns = clock_monotonic_ns() + patience_ns;

	atomic_store(&plan->pause, true);
	while (!others_stand(plan)) {
		if (clock_monotonic_ns() > until_ns || atomic_load(&plan->stop))
			return false;
		sched_yield();
	}
	return true;
}

/* Waits until they go on: one that had not noticed the end of this pause would be taken as standing in the next. */
void
role_plan_resume(struct role_plan *plan)
{
	atomic_store(&plan->pause, false);
	for (unsigned i = 1; i < plan->n_lcores; i++)
		while (atomic_load(&plan->lcore[i].is_paused) && !atomic_load(&plan->stop))
			sched_yield();
}
