/* Freed when nobody reads it, not before and not never. */
#include "rcu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "counters.h"
#include "test.h"

static unsigned n_freed;
static void *last_freed;

static void
count_free(void *object)
{
	n_freed++;
	last_freed = object;
}

static bool
begin(void)
{
	n_freed = 0;
	last_freed = NULL;
	return rcu_start() == 0;
}

TEST(what_a_reader_may_have_found_waits_until_it_reported)
{
	int object, reader;

	REQUIRE(begin());
	reader = rcu_reader_add();
	REQUIRE(reader >= 0);
	EXPECT_EQ(rcu_free_later(&object, count_free), 0);
	EXPECT_EQ(rcu_reclaim(16), 0);
	EXPECT_EQ(rcu_waiting(), 1);
	EXPECT_EQ(n_freed, 0);
	rcu_reader_quiescent(reader);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT_EQ(n_freed, 1);
	EXPECT(last_freed == &object);
	EXPECT_EQ(rcu_waiting(), 0);
	rcu_reader_remove(reader);
	rcu_stop();
}

TEST(every_reader_has_to_report)
{
	int object, a, b;

	REQUIRE(begin());
	a = rcu_reader_add();
	b = rcu_reader_add();
	REQUIRE(a >= 0 && b >= 0 && a != b);
	EXPECT_EQ(rcu_free_later(&object, count_free), 0);
	rcu_reader_quiescent(a);
	EXPECT_EQ(rcu_reclaim(16), 0);
	rcu_reader_quiescent(a);
	EXPECT_EQ(rcu_reclaim(16), 0);
	rcu_reader_quiescent(b);
	EXPECT_EQ(rcu_reclaim(16), 1);
	rcu_reader_remove(a);
	rcu_reader_remove(b);
	rcu_stop();
}

TEST(a_sleeping_reader_keeps_nothing_from_being_freed)
{
	int object, reader;

	REQUIRE(begin());
	reader = rcu_reader_add();
	rcu_reader_offline(reader);
	EXPECT_EQ(rcu_free_later(&object, count_free), 0);
	EXPECT_EQ(rcu_reclaim(16), 1);
	/* It was replaced before this one came back: it cannot find it. */
	EXPECT_EQ(rcu_free_later(&object, count_free), 0);
	rcu_reader_online(reader);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT_EQ(rcu_free_later(&object, count_free), 0);
	EXPECT_EQ(rcu_reclaim(16), 0);
	rcu_reader_remove(reader);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT_EQ(n_freed, 3);
	rcu_stop();
}

TEST(what_is_replaced_is_found_no_more_and_freed_once)
{
	void *_Atomic shared = NULL;
	int first, second, reader;

	REQUIRE(begin());
	reader = rcu_reader_add();
	EXPECT_EQ(rcu_replace(&shared, &first, count_free), 0);
	EXPECT(rcu_get(&shared) == &first);
	EXPECT_EQ(rcu_waiting(), 0); /* there was nothing before it */
	EXPECT_EQ(rcu_replace(&shared, &second, count_free), 0);
	EXPECT(rcu_get(&shared) == &second);
	rcu_reader_quiescent(reader);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT(last_freed == &first);
	EXPECT_EQ(rcu_replace(&shared, NULL, count_free), 0);
	rcu_reader_remove(reader);
	rcu_stop();
	EXPECT_EQ(n_freed, 2);
	EXPECT(last_freed == &second);
}

TEST(what_waits_is_bounded_and_a_refusal_changes_nothing)
{
	static char object[RCU_WAITING_MAX];
	void *_Atomic shared = object;
	uint64_t refused;
	int reader, other;

	REQUIRE(begin());
	reader = rcu_reader_add();
	for (unsigned i = 0; i < RCU_WAITING_MAX; i++)
		EXPECT_EQ(rcu_free_later(&object[i], count_free), 0);
	refused = counters_total("rcu.refused");
	EXPECT_EQ(rcu_free_later(&other, count_free), -ENOSPC);
	EXPECT_EQ(rcu_replace(&shared, &other, count_free), -ENOSPC);
	EXPECT(rcu_get(&shared) == object);
	EXPECT_EQ(counters_total("rcu.refused") - refused, 2);
	rcu_reader_quiescent(reader);
	EXPECT_EQ(rcu_reclaim(10), 10);
	EXPECT(last_freed == &object[9]);
	EXPECT_EQ(rcu_replace(&shared, &other, count_free), 0);
	rcu_reader_remove(reader);
	rcu_stop();
	EXPECT_EQ(n_freed, RCU_WAITING_MAX + 1);
	EXPECT_EQ(rcu_waiting(), 0);
}

TEST(of_several_all_are_replaced_or_none)
{
	int old[3], fresh[3], others[RCU_WAITING_MAX], reader;
	void *_Atomic shared[3] = {&old[0], &old[1], NULL};
	struct rcu_change change[3];

	REQUIRE(begin());
	reader = rcu_reader_add();
	for (unsigned i = 0; i < 3; i++)
		change[i] = (struct rcu_change){&shared[i], &fresh[i], count_free};
	for (unsigned i = 0; i < RCU_WAITING_MAX - 2; i++)
		EXPECT_EQ(rcu_free_later(&others[i], count_free), 0);
	/* There is room for the first two only. */
	EXPECT_EQ(rcu_replace_all(change, 3), -ENOSPC);
	EXPECT(shared[0] == &old[0] && shared[1] == &old[1] && shared[2] == NULL);
	EXPECT_EQ(rcu_waiting(), RCU_WAITING_MAX - 2);
	rcu_reader_quiescent(reader);
	rcu_reclaim(RCU_WAITING_MAX);
	n_freed = 0;
	EXPECT_EQ(rcu_replace_all(change, 3), 0);
	EXPECT(shared[0] == &fresh[0] && shared[1] == &fresh[1] && shared[2] == &fresh[2]);
	/* Nothing was in the third place. */
	EXPECT_EQ(rcu_waiting(), 2);
	rcu_reader_quiescent(reader);
	EXPECT_EQ(rcu_reclaim(RCU_WAITING_MAX), 2);
	EXPECT_EQ(n_freed, 2);
	rcu_reader_remove(reader);
	rcu_stop();
}

TEST(there_are_so_many_readers_and_no_more)
{
	int reader[RCU_READERS_MAX];

	EXPECT_EQ(rcu_reader_add(), -ENODEV);
	rcu_reader_quiescent(-ENODEV);
	EXPECT_EQ(rcu_free_later(reader, count_free), -ENODEV);
	REQUIRE(begin());
	EXPECT_EQ(rcu_start(), -EALREADY);
	for (unsigned i = 0; i < RCU_READERS_MAX; i++)
		EXPECT((reader[i] = rcu_reader_add()) >= 0);
	EXPECT_EQ(rcu_reader_add(), -ENOSPC);
	rcu_reader_remove(reader[5]);
	EXPECT_EQ(rcu_reader_add(), reader[5]);
	for (unsigned i = 0; i < RCU_READERS_MAX; i++)
		rcu_reader_remove(reader[i]);
	rcu_stop();
	rcu_stop();
}

/* Readers that follow a pointer for ever, one that sleeps now and then, and a writer that replaces what they read: a
 * use after free is a wrong sum here, and a report in the sanitize build. */

enum { TABLE_VALUES = 64, REPLACEMENTS = 2000, READER_THREADS = 3 };

struct table {
	unsigned value[TABLE_VALUES];
};

static void *_Atomic shared_table;
static _Atomic bool stop_readers;
static _Atomic unsigned n_started, torn, rounds;
static _Atomic unsigned tables_freed;

static struct table *
table_make(unsigned value)
{
	struct table *t = malloc(sizeof(*t));

	for (unsigned i = 0; t != NULL && i < TABLE_VALUES; i++)
		t->value[i] = value;
	return t;
}

static void
table_free(void *object)
{
	struct table *t = object;

	for (unsigned i = 0; i < TABLE_VALUES; i++)
		t->value[i] = UINT32_MAX - i;
	free(t);
	atomic_fetch_add(&tables_freed, 1);
}

static void
read_table(void)
{
	const struct table *t = rcu_get(&shared_table);
	unsigned first = t->value[0];

	for (unsigned i = 1; i < TABLE_VALUES; i++) {
		if (t->value[i] != first)
			atomic_fetch_add(&torn, 1);
		if (i == TABLE_VALUES / 2)
			sched_yield();
	}
	atomic_fetch_add(&rounds, 1);
}

static void
read_tables(bool sleeps)
{
	int reader = rcu_reader_add();

	atomic_fetch_add(&n_started, 1);
	for (unsigned i = 0; !atomic_load(&stop_readers); i++) {
		read_table();
		rcu_reader_quiescent(reader);
		if (sleeps && i % 8 == 0) {
			rcu_reader_offline(reader);
			nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
			rcu_reader_online(reader);
		}
	}
	rcu_reader_remove(reader);
}

static void *
reader_thread(void *sleeps)
{
	read_tables(sleeps != NULL);
	return NULL;
}

static int
reader_lcore(void *sleeps)
{
	read_tables(sleeps != NULL);
	return 0;
}

static void
replace_tables(unsigned n_readers)
{
	unsigned seen;

	while (atomic_load(&n_started) < n_readers)
		sched_yield();
	for (unsigned i = 1; i <= REPLACEMENTS; i++) {
		EXPECT_EQ(rcu_replace(&shared_table, table_make(i), table_free), 0);
		rcu_reclaim(4);
		if (i % 64 == 0)
			sched_yield();
	}
	/* All of it comes back while they go on reading. */
	seen = atomic_load(&rounds);
	while (rcu_waiting() > 0) {
		rcu_reclaim(64);
		sched_yield();
	}
	while (atomic_load(&rounds) == seen)
		sched_yield();
	EXPECT_EQ(atomic_load(&tables_freed), REPLACEMENTS);
	atomic_store(&stop_readers, true);
}

static bool
tables_begin(void)
{
	atomic_store(&stop_readers, false);
	atomic_store(&n_started, 0);
	atomic_store(&torn, 0);
	atomic_store(&tables_freed, 0);
	atomic_store(&shared_table, table_make(0));
	return begin();
}

static void
tables_end(void)
{
	EXPECT_EQ(atomic_load(&torn), 0);
	EXPECT_EQ(rcu_replace(&shared_table, NULL, table_free), 0);
	rcu_stop();
	EXPECT_EQ(atomic_load(&tables_freed), REPLACEMENTS + 1);
}

TEST(threads_read_what_another_replaces)
{
	pthread_t thread[READER_THREADS];

	REQUIRE(tables_begin());
	for (unsigned i = 0; i < READER_THREADS; i++)
		REQUIRE(pthread_create(&thread[i], NULL, reader_thread, i == 0 ? thread : NULL) == 0);
	replace_tables(READER_THREADS);
	for (unsigned i = 0; i < READER_THREADS; i++)
		pthread_join(thread[i], NULL);
	tables_end();
}

TEST(lcores_read_what_the_main_one_replaces)
{
	unsigned n = 0, lcore_id;

	test_eal();
	REQUIRE(tables_begin());
	RTE_LCORE_FOREACH_WORKER (lcore_id)
		if (rte_eal_remote_launch(reader_lcore, n == 0 ? &n : NULL, lcore_id) == 0)
			n++;
	if (n > 0)
		replace_tables(n);
	atomic_store(&stop_readers, true);
	rte_eal_mp_wait_lcore();
	REQUIRE(n > 0);
	tables_end();
}
