/* A stalled lcore is named, with what it was at, and so is its coming back. */
#include "watchdog.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "core/capture_stderr.h"
#include "counters.h"
#include "test.h"

static const struct watchdog_conf conf = {.stall_ms = 1000};
static struct role_plan plan;
static struct capture_stderr captured;

/* Lcore 7 runs two workers, lcore 3 control; nobody polls anything: the test moves their numbers. */
static struct watchdog *
begin(void)
{
	memset(&plan, 0, sizeof(plan));
	plan.n_lcores = 2;
	plan.lcore[0] = (struct lcore_plan){.lcore_id = 3, .n_roles = 1, .role = {{"control", NULL, NULL}}};
	plan.lcore[1] = (struct lcore_plan){
		.lcore_id = 7, .n_roles = 2, .role = {{"worker", NULL, NULL}, {"writer", NULL, NULL}}};
	for (unsigned i = 0; i < plan.n_lcores; i++) {
		plan.lcore[i].cpu_clock = CLOCK_THREAD_CPUTIME_ID;
		plan.lcore[i].is_running = true;
	}
	return watchdog_create(&plan, &conf);
}

static void
turn(unsigned i)
{
	plan.lcore[i].load.turns++;
}

TEST(an_lcore_that_ends_no_turn_is_named_once_with_what_it_was_at)
{
	struct watchdog *dog = begin();
	uint64_t stalls = counters_total("lcore.stalls"), now_ns = 5 * NS_PER_S;
	const char *text;

	REQUIRE(dog != NULL);
	capture_stderr_begin(&captured);
	plan.lcore[1].at = 1;
	for (unsigned i = 0; i < 10; i++, now_ns += 200 * NS_PER_MS) {
		turn(0);
		watchdog_look(dog, now_ns);
	}
	text = capture_stderr_end(&captured);
	EXPECT(strstr(text, "error lcore.stalled lcore=7 roles=worker,writer polling=writer for_ms=1000") != NULL);
	EXPECT(strstr(text, "lcore=3") == NULL);
	EXPECT_EQ(counters_total("lcore.stalls") - stalls, 1);
	EXPECT_EQ(watchdog_stalled(dog), 1);
	watchdog_destroy(dog);
}

TEST(going_on_is_told_and_stalling_again_too)
{
	struct watchdog *dog = begin();
	uint64_t stood_ms = counters_total("lcore.stalled_ms"), now_ns = 5 * NS_PER_S;
	const char *text, *first, *second;

	REQUIRE(dog != NULL);
	capture_stderr_begin(&captured);
	for (unsigned i = 0; i < 20; i++, now_ns += 200 * NS_PER_MS) {
		turn(0);
		if (i == 9)
			turn(1);
		watchdog_look(dog, now_ns);
	}
	text = capture_stderr_end(&captured);
	first = strstr(text, "lcore.stalled lcore=7");
	REQUIRE(first != NULL);
	text = strstr(first, "warn lcore.goes_on lcore=7 stood_ms=1800");
	REQUIRE(text != NULL);
	second = strstr(text, "lcore.stalled lcore=7");
	EXPECT(second != NULL);
	EXPECT_EQ(watchdog_stalled(dog), 1);
	EXPECT_EQ(counters_total("lcore.stalled_ms") - stood_ms, 1800);
	watchdog_destroy(dog);
}

TEST(an_lcore_that_ended_or_stands_because_control_said_so_is_not_stalled)
{
	struct watchdog *dog = begin();
	uint64_t now_ns = 5 * NS_PER_S;

	REQUIRE(dog != NULL);
	plan.lcore[0].is_running = false;
	plan.lcore[1].is_paused = true;
	for (unsigned i = 0; i < 20; i++, now_ns += 200 * NS_PER_MS)
		watchdog_look(dog, now_ns);
	EXPECT_EQ(watchdog_stalled(dog), 0);
	watchdog_destroy(dog);
}

TEST(nobody_is_named_when_the_watchdog_itself_did_not_run)
{
	struct watchdog *dog = begin();

	REQUIRE(dog != NULL);
	watchdog_look(dog, 5 * NS_PER_S);
	watchdog_look(dog, 65 * NS_PER_S);
	watchdog_look(dog, 65 * NS_PER_S + 200 * NS_PER_MS);
	EXPECT_EQ(watchdog_stalled(dog), 0);
	watchdog_destroy(dog);
}

TEST(without_a_limit_there_is_no_watchdog)
{
	const struct watchdog_conf off = {.stall_ms = 0};

	EXPECT(watchdog_create(&plan, &off) == NULL);
	EXPECT_EQ(errno, 0);
	EXPECT_EQ(watchdog_start(NULL, NULL), 0);
	EXPECT_EQ(watchdog_stalled(NULL), 0);
	watchdog_destroy(NULL);
}

/* With lcores: one stalls until the watchdog's own thread has said so, while the other goes on. */

static struct watchdog *real;
static uint64_t begin_ns, named_after_ns;

static unsigned
poll_stalls(void *context)
{
	uint64_t patience_ns = clock_monotonic_ns() + 60 * NS_PER_S;

	(void)context;
	if (named_after_ns != 0)
		return 0;
	begin_ns = clock_monotonic_ns();
	while (watchdog_stalled(real) == 0 && clock_monotonic_ns() < patience_ns)
		sched_yield();
	named_after_ns = clock_monotonic_ns() - begin_ns;
	return 1;
}

static unsigned
poll_waits_for_the_end(void *context)
{
	(void)context;
	if (named_after_ns != 0 && watchdog_stalled(real) == 0)
		role_plan_stop(&plan);
	return 0;
}

TEST(a_role_that_stalls_is_named_by_the_thread)
{
	const char *text;

	test_eal();
	role_plan_init(&plan, IDLE_SLEEP);
	REQUIRE(plan.n_lcores > 1);
	role_plan_add(&plan, ROLE_CONTROL, 0, &(struct role){"control", poll_waits_for_the_end, NULL});
	role_plan_add(&plan, ROLE_WORKER, 0, &(struct role){"stalling", poll_stalls, NULL});
	real = watchdog_create(&plan, &conf);
	REQUIRE(real != NULL);
	named_after_ns = 0;
	capture_stderr_begin(&captured);
	EXPECT_EQ(watchdog_start(real, NULL), 0);
	EXPECT_EQ(role_plan_run(&plan), 0);
	text = capture_stderr_end(&captured);
	EXPECT(strstr(text, "polling=stalling for_ms=1") != NULL);
	EXPECT(strstr(text, "lcore.goes_on") != NULL);
	EXPECT(named_after_ns >= 900 * NS_PER_MS);
	watchdog_destroy(real);
}
