#include "page_maker.h"

#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "pool.h"
#include "role.h"
#include "test.h"

static struct role_plan plan;

static bool
is_there(void *page)
{
	unsigned char there = 0;

	return mincore(page, 4096, &there) == 0 && (there & 1);
}

TEST(pages_are_made_by_a_thread_as_they_are_used_up)
{
	const struct pool_params params = {.name = "ahead", .object_bytes = 4096, .max_objects = 4000};
	struct pool *pool = pool_create(&params);
	struct page_maker maker = {0};
	uint64_t until_ns;
	void *next;

	REQUIRE(pool != NULL);
	test_eal();
	for (int idle = IDLE_SPIN; idle <= IDLE_SLEEP; idle++) {
		role_plan_init(&plan, (enum idle_mode)idle);
		EXPECT_EQ(page_maker_start(&maker, &plan), 0);
		for (unsigned i = 0; i < 1000; i++)
			pool_get(pool);
		next = pool_at(pool, pool->used + 200);
		until_ns = clock_monotonic_ns() + 10 * NS_PER_S;
		while (!is_there(next) && clock_monotonic_ns() < until_ns)
			usleep(1000);
		EXPECT(is_there(next));
		page_maker_stop(&maker);
		page_maker_stop(&maker);
	}
	for (uint32_t handle = pool->used; handle > 0; handle--)
		pool_put(pool, handle);
	pool_destroy(pool);
}
