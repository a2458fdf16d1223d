#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/capture_stderr.h"
#include "test.h"

static struct capture_stderr capture;

static struct pool *
make(uint32_t object_bytes, uint32_t max_objects)
{
	return pool_create(
		&(struct pool_params){.name = "test pool", .object_bytes = object_bytes, .max_objects = max_objects});
}

TEST(what_came_back_last_goes_out_first)
{
	struct pool *pool = make(64, 10);
	uint32_t a, b, c;

	REQUIRE(pool != NULL);
	a = pool_get(pool);
	b = pool_get(pool);
	c = pool_get(pool);
	EXPECT(a != 0 && b != 0 && c != 0);
	EXPECT(a != b && b != c && a != c);
	pool_put(pool, a);
	pool_put(pool, c);
	pool_put(pool, b);
	EXPECT_EQ(pool_get(pool), b);
	EXPECT_EQ(pool_get(pool), c);
	EXPECT_EQ(pool_get(pool), a);
	pool_put(pool, a);
	pool_put(pool, b);
	pool_put(pool, c);
	EXPECT_EQ(pool_destroy(pool), 0);
}

TEST(a_full_pool_gives_none_and_one_back_makes_room)
{
	enum { N = 100 };
	struct pool *pool = make(32, N);
	uint32_t handle[N];
	bool seen[N + 1] = {false};

	REQUIRE(pool != NULL);
	EXPECT_EQ(pool_room(pool), N);
	for (unsigned i = 0; i < N; i++) {
		handle[i] = pool_get(pool);
		REQUIRE(handle[i] > 0 && handle[i] <= N && !seen[handle[i]]);
		seen[handle[i]] = true;
	}
	EXPECT_EQ(pool_get(pool), 0);
	EXPECT_EQ(pool_get(pool), 0);
	EXPECT_EQ(pool->used, N);
	EXPECT_EQ(pool->peak, N);
	EXPECT_EQ(pool_room(pool), 0);
	pool_put(pool, handle[N / 2]);
	EXPECT_EQ(pool_room(pool), 1);
	EXPECT_EQ(pool_get(pool), handle[N / 2]);
	EXPECT_EQ(pool_get(pool), 0);
	for (unsigned i = 0; i < N; i++)
		pool_put(pool, handle[i]);
	EXPECT_EQ(pool->used, 0);
	EXPECT_EQ(pool->peak, N);
	EXPECT_EQ(pool_destroy(pool), 0);
}

TEST(objects_keep_what_is_written_and_begin_as_zero)
{
	enum { N = 500, WORDS = 12 };
	struct pool *pool = make(WORDS * 4, N);

	REQUIRE(pool != NULL);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t *object = pool_at(pool, pool_get(pool));

		for (unsigned j = 0; j < WORDS; j++) {
			EXPECT_EQ(object[j], 0);
			object[j] = i;
		}
	}
	for (uint32_t i = 0; i < N; i++) {
		const uint32_t *object = pool_at(pool, i + 1);

		for (unsigned j = 0; j < WORDS; j++)
			EXPECT_EQ(object[j], i);
		EXPECT_EQ(pool_handle(pool, object), i + 1);
		/* Any address inside an object is that object. */
		EXPECT_EQ(pool_handle(pool, object + WORDS - 1), i + 1);
	}
	for (uint32_t i = 0; i < N; i++)
		pool_put(pool, i + 1);
	EXPECT_EQ(pool_destroy(pool), 0);
}

TEST(objects_are_aligned_as_asked)
{
	for (uint32_t align = 4; align <= 4096; align *= 2) {
		struct pool *pool = pool_create(&(struct pool_params){
			.name = "aligned", .object_bytes = align, .max_objects = 20, .align_bytes = align});

		REQUIRE(pool != NULL);
		for (int i = 0; i < 20; i++)
			EXPECT_EQ((uintptr_t)pool_at(pool, pool_get(pool)) % align, 0);
		for (uint32_t i = 1; i <= 20; i++)
			pool_put(pool, i);
		EXPECT_EQ(pool_destroy(pool), 0);
	}
}

TEST(the_first_object_is_aligned_whatever_its_size)
{
	struct pool *pool = pool_create(
		&(struct pool_params){.name = "aligned", .object_bytes = 36, .max_objects = 20, .align_bytes = 64});
	uint32_t handle;

	REQUIRE(pool != NULL);
	handle = pool_get(pool);
	EXPECT_EQ((uintptr_t)pool_at(pool, handle) % 64, 0);
	pool_put(pool, handle);
	EXPECT_EQ(pool_destroy(pool), 0);
}

TEST(parameters_that_make_no_sense_are_refused)
{
	static const struct pool_params wrong[] = {
		{.name = "x", .object_bytes = 0, .max_objects = 1},
		{.name = "x", .object_bytes = 3, .max_objects = 1},
		{.name = "x", .object_bytes = 6, .max_objects = 1},
		{.name = "x", .object_bytes = 8, .max_objects = 0},
		{.name = "x", .object_bytes = 8, .max_objects = UINT32_MAX},
		{.name = "x", .object_bytes = 8, .max_objects = 1, .align_bytes = 24},
		{.name = "x", .object_bytes = 8, .max_objects = 1, .align_bytes = 4 << 20},
	};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		errno = 0;
		EXPECT(pool_create(&wrong[i]) == NULL);
		EXPECT_EQ(errno, EINVAL);
	}
}

TEST(objects_not_given_back_are_reported)
{
	struct pool *pool = make(64, 10);

	REQUIRE(pool != NULL);
	pool_get(pool);
	pool_put(pool, pool_get(pool));
	pool_get(pool);
	capture_stderr_begin(&capture);
	EXPECT_EQ(pool_destroy(pool), 2);
	capture_stderr_end(&capture);
	EXPECT(strstr(capture.text, " error pool.leak pool=test pool objects=2\n") != NULL);
	EXPECT_EQ(pool_destroy(NULL), 0);
}

/* Resident bytes of an area. */
static size_t
resident(const void *address, size_t size)
{
	static unsigned char pages[1 << 18];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = size / page, sum = 0;
	void *start = (void *)((uintptr_t)address / page * page);

	if (n > sizeof(pages) || mincore(start, n * page, pages) != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += (pages[i] & 1) * page;
	return sum;
}

TEST(a_large_pool_costs_memory_only_where_it_is_used)
{
	struct pool *pool = make(64, 10000000);
	uint32_t handle;

	REQUIRE(pool != NULL);
	handle = pool_get(pool);
	REQUIRE(handle != 0);
	memset(pool_at(pool, handle), 1, 64);
	EXPECT(resident(pool->base, 640000000) <= 4 << 20);
	pool_put(pool, handle);
	EXPECT_EQ(pool_destroy(pool), 0);
}

TEST(reserved_memory_is_zero_and_starts_at_2_mb)
{
	uint8_t *p = vmem_reserve(5 << 20);

	REQUIRE(p != NULL);
	EXPECT_EQ((uintptr_t)p % (2 << 20), 0);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[(5 << 20) - 1], 0);
	p[(5 << 20) - 1] = 1;
	vmem_release(p, 5 << 20);
	vmem_release(NULL, 5 << 20);
}

/* In reserved pages, of this process. */
static size_t
reserved_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	size_t kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "HugetlbPages: %zu kB", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb;
}

TEST(areas_begin_in_reserved_pages_as_far_as_is_allowed)
{
	enum { AREA = 12 << 20, ALLOWED = 16 << 20 };
	size_t before = reserved_kb();
	uint8_t *p[3];
	unsigned long n_free = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");

	if (f != NULL && fscanf(f, "%lu", &n_free) != 1)
		n_free = 0;
	if (f != NULL)
		fclose(f);
	if (n_free < 16) {
		test_skip("too few reserved pages are free");
		return;
	}
	vmem_allow_reserved_pages(ALLOWED);
	for (unsigned i = 0; i < 3; i++) {
		p[i] = vmem_reserve(AREA);
		REQUIRE(p[i] != NULL);
		EXPECT_EQ(p[i][0] | p[i][AREA - 1], 0);
		memset(p[i], 1, AREA);
	}
	vmem_allow_reserved_pages(0);
	EXPECT_EQ(reserved_kb() - before, ALLOWED >> 10);
	for (unsigned i = 0; i < 3; i++)
		vmem_release(p[i], AREA);
	EXPECT_EQ(reserved_kb(), before);
}

#if POISON_ENABLED
TEST(objects_are_poisoned_except_while_they_are_out)
{
	struct pool *pool = make(64, 10);
	uint32_t a, b;
	uint8_t *p;

	REQUIRE(pool != NULL);
	/* Never given out yet. */
	EXPECT(__asan_region_is_poisoned(pool_at(pool, 1), 64) == pool_at(pool, 1));
	EXPECT(__asan_address_is_poisoned(pool_at(pool, 10)));
	a = pool_get(pool);
	p = pool_at(pool, a);
	EXPECT(__asan_region_is_poisoned(p, 64) == NULL);
	/* One byte before and one behind. */
	EXPECT(__asan_address_is_poisoned(p - 1));
	EXPECT(__asan_address_is_poisoned(p + 64));
	b = pool_get(pool);
	pool_put(pool, a);
	EXPECT(__asan_address_is_poisoned(p));
	EXPECT(__asan_address_is_poisoned(p + 63));
	EXPECT(__asan_region_is_poisoned(pool_at(pool, b), 64) == NULL);
	EXPECT_EQ(pool_get(pool), a);
	EXPECT(__asan_region_is_poisoned(p, 64) == NULL);
	pool_put(pool, a);
	pool_put(pool, b);
	EXPECT_EQ(pool_destroy(pool), 0);
}
#endif

/* Pages of [area, area + bytes) that are there. */
static size_t
resident_bytes(void *area, size_t bytes)
{
	static unsigned char there[64 << 20 >> 12];
	size_t n = 0;

	if (mincore(area, bytes, there) != 0)
		return 0;
	for (size_t i = 0; i < bytes >> 12; i++)
		n += (there[i] & 1u) << 12;
	return n;
}

TEST(pages_are_made_before_they_are_used_and_not_many_more)
{
	const struct pool_params params = {.name = "ahead", .object_bytes = 4096, .max_objects = 16000};
	struct pool *pool;
	uint32_t handle = 0;

	while (vmem_ahead_step())
		;
	pool = pool_create(&params);
	REQUIRE(pool != NULL);
	EXPECT_EQ(resident_bytes(pool->area, 32 << 20), 0);
	EXPECT(vmem_ahead_step());
	EXPECT(!vmem_ahead_step());
	EXPECT_EQ(resident_bytes(pool->area, 32 << 20), 2 << 20);
	for (unsigned i = 0; i < 4000; i++) {
		handle = pool_get(pool);
		while (vmem_ahead_step())
			;
	}
	/* 4000 objects, a quarter more, in pages of 2 MB. None was touched. */
	EXPECT(resident_bytes(pool->area, 32 << 20) >= (size_t)4000 * 4096 * 5 / 4);
	EXPECT(resident_bytes(pool->area, 32 << 20) <= (size_t)4000 * 4096 * 5 / 4 + (2 << 20));
	EXPECT_EQ(*(uint8_t *)pool_at(pool, handle), 0);
	for (; handle != 0; handle--)
		pool_put(pool, handle);
	EXPECT_EQ(pool_destroy(pool), 0);
	EXPECT(!vmem_ahead_step());
}

TEST(a_full_area_and_a_small_one_need_nothing_more)
{
	const struct pool_params small = {.name = "small", .object_bytes = 64, .max_objects = 100},
				 full = {.name = "full", .object_bytes = 4096, .max_objects = 1030};
	struct pool *a, *b;

	while (vmem_ahead_step())
		;
	a = pool_create(&small);
	b = pool_create(&full);
	REQUIRE(a != NULL && b != NULL);
	for (unsigned i = 0; i < 3; i++)
		EXPECT(vmem_ahead_step() == (i == 0));
	for (unsigned i = 1; i <= 1030; i++)
		EXPECT_EQ(pool_get(b), i);
	while (vmem_ahead_step())
		;
	for (unsigned i = 1; i <= 1030; i++)
		pool_put(b, i);
	pool_destroy(a);
	pool_destroy(b);
}
