#include "test.h"
#include "wheel.h"

#include <stdlib.h>

enum { MEMBERS = 500 };

struct member {
	struct wheel_link link;
	uint64_t due_s; /* 0: not in the wheel */
};

static struct pool *
make(struct wheel *w)
{
	const struct pool_params params = {
		.name = "wheel test", .object_bytes = sizeof(struct member), .max_objects = MEMBERS, .align_bytes = 8};
	struct pool *pool = pool_create(&params);

	wheel_init(w, pool, offsetof(struct member, link));
	for (unsigned i = 0; i < MEMBERS; i++)
		memset(pool_at(pool, pool_get(pool)), 0, sizeof(struct member));
	return pool;
}

static void
destroy(struct pool *pool)
{
	for (uint32_t i = 1; i <= MEMBERS; i++)
		pool_put(pool, i);
	pool_destroy(pool);
}

static struct member *
at(struct pool *pool, uint32_t handle)
{
	return pool_at(pool, handle);
}

/* Takes everything that comes up; what is not due goes in again. Returns how often something was looked at. */
static unsigned
run(struct wheel *w, struct pool *pool, uint64_t clock_s, unsigned *due)
{
	unsigned looks = 0;
	uint32_t handle;

	while ((handle = wheel_take(w, clock_s)) != 0) {
		struct member *m = at(pool, handle);

		looks++;
		if (m->due_s <= clock_s) {
			m->due_s = 0;
			(*due)++;
		} else {
			wheel_insert(w, handle, m->due_s);
		}
	}
	return looks;
}

TEST(wheel_gives_exactly_what_a_list_of_all_members_would_at_every_clock)
{
	struct wheel w;
	struct pool *pool = make(&w);
	uint64_t clock_s = 1700000000;
	unsigned wrong = 0;

	srandom(7);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned expect = 0, got = 0;

		for (unsigned i = 0; i < 5; i++) {
			uint32_t handle = 1 + (uint32_t)random() % MEMBERS;
			struct member *m = at(pool, handle);

			if (m->due_s != 0 && random() % 2 == 0) {
				wheel_remove(&w, handle);
				m->due_s = 0;
			} else if (m->due_s != 0) {
				m->due_s += (uint64_t)random() % 100; /* lives on; the wheel is not told */
			} else {
				m->due_s = clock_s + 1 + (uint64_t)random() % (random() % 10 == 0 ? 100000 : 700);
				wheel_insert(&w, handle, m->due_s);
			}
		}
		if (round % 500 == 499)
			clock_s += 400000000;
		else if (random() % 3 == 0)
			clock_s += (uint64_t)random() % (random() % 20 == 0 ? 3000 : 4);
		for (uint32_t h = 1; h <= MEMBERS; h++)
			expect += at(pool, h)->due_s != 0 && at(pool, h)->due_s <= clock_s;
		run(&w, pool, clock_s, &got);
		wrong += expect != got;
	}
	EXPECT_EQ(wrong, 0);
	destroy(pool);
}

TEST(a_jump_of_years_looks_at_each_member_at_most_twice)
{
	struct wheel w;
	struct pool *pool = make(&w);
	uint64_t clock_s = 1000;
	unsigned due = 0;

	run(&w, pool, clock_s, &due);
	for (uint32_t h = 1; h <= MEMBERS; h++) {
		at(pool, h)->due_s = UINT64_C(40) * 365 * 86400 + h * 10;
		wheel_insert(&w, h, at(pool, h)->due_s);
	}
	EXPECT(run(&w, pool, UINT64_C(40) * 365 * 86400, &due) <= 2 * MEMBERS);
	EXPECT_EQ(due, 0);
	run(&w, pool, UINT64_C(41) * 365 * 86400, &due);
	EXPECT_EQ(due, MEMBERS);
	destroy(pool);
}

TEST(a_member_put_back_comes_next_and_work_can_stop_in_between)
{
	struct wheel w;
	struct pool *pool = make(&w);
	uint32_t first;

	for (uint32_t h = 1; h <= 3; h++)
		wheel_insert(&w, h, 50 + h / 3);
	first = wheel_take(&w, 60);
	EXPECT_EQ(first, 1);
	wheel_put_back(&w, first);
	wheel_insert(&w, 4, 55); /* behind the clock: comes up with the next second */
	EXPECT_EQ(wheel_take(&w, 60), 1);
	EXPECT_EQ(wheel_take(&w, 60), 2);
	wheel_remove(&w, 3);
	EXPECT_EQ(wheel_take(&w, 60), 0);
	EXPECT_EQ(wheel_take(&w, 61), 4);
	EXPECT_EQ(wheel_take(&w, 100000), 0);
	destroy(pool);
}

TEST(peek_walks_occupied_slots_in_order)
{
	struct wheel w;
	struct pool *pool = make(&w);
	uint64_t slot_s = 0;

	EXPECT_EQ(wheel_peek(&w, &slot_s), 0);
	wheel_insert(&w, 5, 100);
	wheel_insert(&w, 6, 100);
	wheel_insert(&w, 7, 900);
	wheel_insert(&w, 8, 5000); /* beyond the wheel: in its last slot */
	EXPECT_EQ(wheel_peek(&w, &slot_s), 5);
	EXPECT_EQ(slot_s, 100);
	EXPECT_EQ(wheel_next(&w, 5), 6);
	EXPECT_EQ(wheel_next(&w, 6), 0);
	EXPECT_EQ(wheel_peek(&w, &slot_s), 7);
	EXPECT_EQ(slot_s, 900);
	EXPECT_EQ(wheel_peek(&w, &slot_s), 8);
	EXPECT_EQ(slot_s, WHEEL_SLOTS - 1);
	EXPECT_EQ(wheel_peek(&w, &slot_s), 0);
	destroy(pool);
}
