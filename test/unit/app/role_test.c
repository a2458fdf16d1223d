/* How roles spread over lcores. */
#include "role.h"

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
