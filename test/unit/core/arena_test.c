#include "arena.h"

#include <errno.h>

#include "poison.h"
#include "test.h"

TEST(memory_is_zeroed_and_aligned)
{
	struct arena *arena = arena_create(256);

	REQUIRE(arena != NULL);
	for (size_t size = 0; size < 100; size++) {
		uint8_t *p = arena_alloc(arena, size);

		REQUIRE(p != NULL);
		EXPECT_EQ((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			EXPECT_EQ(p[i], 0);
		memset(p, 0xa5, size);
	}
	arena_destroy(arena);
}

TEST(allocations_do_not_overlap)
{
	enum { N = 50 };
	struct arena *arena = arena_create(100);
	uint8_t *p[N];

	for (int i = 0; i < N; i++) {
		p[i] = arena_alloc(arena, (size_t)i + 1);
		REQUIRE(p[i] != NULL);
		memset(p[i], i, (size_t)i + 1);
	}
	for (int i = 0; i < N; i++)
		for (int j = 0; j <= i; j++)
			EXPECT_EQ(p[i][j], i);
	arena_destroy(arena);
}

TEST(more_than_a_block_is_given_too)
{
	struct arena *arena = arena_create(64);
	uint8_t *p = arena_alloc(arena, 100000);

	REQUIRE(p != NULL);
	memset(p, 1, 100000);
	EXPECT(arena_used_bytes(arena) >= 100000);
	arena_destroy(arena);
}

TEST(what_cannot_be_is_enomem)
{
	struct arena *arena = arena_create(64);

	errno = 0;
	EXPECT(arena_alloc(arena, SIZE_MAX - 3) == NULL);
	EXPECT_EQ(errno, ENOMEM);
	arena_destroy(arena);
}

TEST(reset_forgets_everything_and_memory_is_zero_again)
{
	struct arena *arena = arena_create(128);
	uint8_t *p;

	memset(arena_alloc(arena, 100), 0xff, 100);
	arena_reset(arena);
	EXPECT_EQ(arena_used_bytes(arena), 0);
	p = arena_alloc(arena, 100);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(p[i], 0);
	arena_destroy(arena);
}

TEST(strings_are_copied_up_to_their_length)
{
	struct arena *arena = arena_create(64);
	const char text[128] = "hello"; /* as long as the bound: compilers look at that */

	EXPECT_STR(arena_strdup(arena, text), "hello");
	EXPECT(arena_strdup(arena, text) != text);
	EXPECT_STR(arena_strndup(arena, text, 3), "hel");
	EXPECT_STR(arena_strndup(arena, text, 99), "hello");
	EXPECT_STR(arena_strndup(arena, text, 0), "");
	arena_destroy(arena);
	arena_destroy(NULL);
}

#if POISON_ENABLED
TEST(bytes_not_handed_out_are_poisoned)
{
	struct arena *arena = arena_create(1024);
	uint8_t *a = arena_alloc(arena, 13), *b = arena_alloc(arena, 16);

	EXPECT(!__asan_address_is_poisoned(a + 12));
	EXPECT(__asan_address_is_poisoned(a + 13));
	EXPECT(__asan_address_is_poisoned(a + 16));
	EXPECT(!__asan_address_is_poisoned(b + 15));
	EXPECT(__asan_address_is_poisoned(b + 16));
	EXPECT(__asan_address_is_poisoned(b + 500));
	arena_destroy(arena);
}
#endif
