/* How roles spread over lcores. */
#include "role.h"

#include <pthread.h>
#include <unistd.h>

#include <rte_lcore.h>

#include "test.h"

static struct role_plan plan;

static void
plan_of(unsigned n_lcores)
{
	memset(&plan, 0, sizeof(plan));
	plan.n_lcores = n_lcores;
	role_plan_add(&plan, ROLE_CONTROL, 0, &(struct role){.name = "control"});
	role_plan_add(&plan, ROLE_REPLAY, 0, &(struct role){.name = "replay"});
	for (unsigned i = 0; i < role_plan_workers(n_lcores, true); i++)
		role_plan_add(&plan, ROLE_WORKER, i, &(struct role){.name = "worker"});
	role_plan_add(&plan, ROLE_WRITER, 0, &(struct role){.name = "writer"});
	role_plan_add(&plan, ROLE_EXPORTER, 0, &(struct role){.name = "exporter"});
}

TEST(one_lcore_runs_everything)
{
	plan_of(1);
	EXPECT_EQ(plan.lcore[0].n_roles, 5);
}

TEST(with_two_lcores_the_worker_has_its_own)
{
	plan_of(2);
	EXPECT_EQ(plan.lcore[0].n_roles, 4);
	REQUIRE(plan.lcore[1].n_roles == 1);
	EXPECT_STR(plan.lcore[1].role[0].name, "worker");
}

TEST(with_three_the_replay_has_its_own_too)
{
	plan_of(3);
	EXPECT_EQ(plan.lcore[0].n_roles, 3);
	EXPECT_STR(plan.lcore[1].role[0].name, "replay");
	EXPECT_STR(plan.lcore[2].role[0].name, "worker");
}

TEST(more_lcores_are_more_workers_one_each)
{
	plan_of(8);
	for (unsigned i = 2; i < 8; i++) {
		EXPECT_EQ(plan.lcore[i].n_roles, 1);
		EXPECT_STR(plan.lcore[i].role[0].name, "worker");
	}
	EXPECT_EQ(role_plan_workers(8, false), 7);
}

static unsigned
lcore_of_worker(unsigned n_lcores, bool replay, unsigned index)
{
	memset(&plan, 0, sizeof(plan));
	plan.n_lcores = n_lcores;
	if (replay)
		role_plan_add(&plan, ROLE_REPLAY, 0, &(struct role){.name = "replay"});
	role_plan_add(&plan, ROLE_WORKER, index, &(struct role){.name = "worker"});
	for (unsigned i = 0; i < n_lcores; i++)
		if (plan.lcore[i].n_roles > 0 &&
		    strcmp(plan.lcore[i].role[plan.lcore[i].n_roles - 1].name, "worker") == 0)
			return i;
	return n_lcores;
}

TEST(live_every_lcore_but_the_first_has_a_worker)
{
	EXPECT_EQ(lcore_of_worker(3, false, 0), 1);
	EXPECT_EQ(lcore_of_worker(3, false, 1), 2);
}

TEST(more_workers_than_that_go_to_the_other_roles_and_then_to_each_other)
{
	EXPECT_EQ(lcore_of_worker(2, false, 1), 0);
	EXPECT_EQ(lcore_of_worker(2, false, 2), 1);
	EXPECT_EQ(lcore_of_worker(3, true, 1), 0);
	EXPECT_EQ(lcore_of_worker(3, true, 2), 1);
	EXPECT_EQ(lcore_of_worker(3, true, 3), 2);
}

/* Roles that count, run by threads instead of lcores. */
enum { TURNS = 200 };

static struct {
	_Atomic unsigned polls, found;
} counted;

static unsigned
poll_half(void *context)
{
	unsigned n = counted.polls++;

	(void)context;
	if (n + 1 >= TURNS)
		role_plan_stop(&plan);
	usleep(50);
	counted.found += n % 2;
	return n % 2;
}

TEST(load_of_an_lcore_is_the_time_of_the_turns_that_found_work)
{
	struct lcore_load *load = &plan.lcore[0].load;

	test_eal();
	memset(&counted, 0, sizeof(counted));
	role_plan_init(&plan, IDLE_SLEEP);
	plan.n_lcores = 1;
	role_plan_add(&plan, ROLE_CONTROL, 0, &(struct role){"half", poll_half, NULL});
	EXPECT_EQ(role_plan_run(&plan), 0);
	EXPECT_EQ(load->turns, TURNS);
	EXPECT_EQ(load->busy_turns, TURNS / 2);
	EXPECT_EQ(counted.found, TURNS / 2);
	EXPECT(load->busy_cycles > 0);
	EXPECT(load->busy_cycles < load->cycles);
}

TEST(pause_does_not_wait_for_ever_for_an_lcore_that_does_not_come)
{
	test_eal();
	role_plan_init(&plan, IDLE_PAUSE);
	plan.n_lcores = 2; /* the second one never runs */
	EXPECT(!role_plan_pause(&plan, 1000000));
	role_plan_resume(&plan);
	EXPECT(!plan.pause);
}

/* The second lcore, as a thread: only role_plan_run() starts lcores. */
static struct {
	_Atomic bool stop, standing;
} other;

static void *
stand_when_told(void *context)
{
	(void)context;
	while (!other.stop) {
		plan.lcore[1].is_paused = plan.pause;
		other.standing = plan.lcore[1].is_paused;
		usleep(100);
	}
	return NULL;
}

TEST(pause_returns_when_all_other_lcores_stand)
{
	pthread_t thread;

	test_eal();
	role_plan_init(&plan, IDLE_PAUSE);
	plan.n_lcores = 2;
	memset(&other, 0, sizeof(other));
	REQUIRE(pthread_create(&thread, NULL, stand_when_told, NULL) == 0);
	EXPECT(role_plan_pause(&plan, UINT64_C(10000000000)));
	EXPECT(other.standing || plan.lcore[1].is_paused);
	role_plan_resume(&plan);
	EXPECT(!plan.lcore[1].is_paused);
	other.stop = true;
	pthread_join(thread, NULL);
}
