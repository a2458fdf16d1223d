#include "buckets.h"
#include "test.h"

#include <stdlib.h>

static uint32_t
hash_of(uint32_t i)
{
	uint32_t h = i * 2654435761u;

	h ^= h >> 15;
	h *= 2246822519u;
	h ^= h >> 13;
	return h != 0 ? h : 1;
}

static bool
has(const struct buckets *b, uint32_t hash, uint32_t index)
{
	const struct bucket *both[2] = {buckets_first(b, hash), buckets_second(b, hash)};

	for (unsigned k = 0; k < (bucket_has_overflow(both[0]) ? 2u : 1u); k++)
		for (unsigned match = bucket_match(both[k], hash); match != 0; match &= match - 1)
			if (bucket_index(both[k], (unsigned)__builtin_ctz(match)) == index)
				return true;
	return false;
}

TEST(a_million_hashes_are_found_while_the_table_grows_and_after_half_of_them_left)
{
	enum { N = 1000000 };
	struct buckets b;
	uint32_t missing = 0;

	REQUIRE(buckets_init(&b, 0, N) == 0);
	for (uint32_t i = 1; i <= N; i++) {
		REQUIRE(buckets_insert(&b, hash_of(i), i));
		if (i % 100003 == 0)
			for (uint32_t k = 1; k <= i; k += 7)
				missing += !has(&b, hash_of(k), k);
	}
	EXPECT_EQ(missing, 0);
	EXPECT_EQ(b.used, N);
	EXPECT(buckets_bytes(&b) <= (size_t)N * 15);
	for (uint32_t i = 1; i <= N; i += 2)
		REQUIRE(buckets_remove(&b, hash_of(i), i));
	for (uint32_t i = 1; i <= N; i++)
		missing += has(&b, hash_of(i), i) != (i % 2 == 0);
	EXPECT_EQ(missing, 0);
	EXPECT_EQ(b.used, N / 2);
	EXPECT(!buckets_remove(&b, hash_of(1), 1));
	buckets_fini(&b);
}

TEST(a_full_table_still_takes_what_its_maximum_promises)
{
	enum { N = 200000 };
	struct buckets b;
	uint32_t refused = 0;

	REQUIRE(buckets_init(&b, N, N) == 0);
	for (uint32_t i = 1; i <= N; i++)
		refused += !buckets_insert(&b, hash_of(i), i);
	EXPECT_EQ(refused, 0);
	EXPECT(buckets_bytes(&b) <= (size_t)N * 10 + 1024);
	buckets_fini(&b);
}

TEST(churn_at_full_load_keeps_every_entry_findable)
{
	enum { N = 20000, ROUNDS = 400000 };
	struct buckets b;
	uint32_t *at = calloc(N, sizeof(*at)), bad = 0, refused = 0;

	REQUIRE(buckets_init(&b, N, N) == 0);
	srandom(1);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t slot = (uint32_t)random() % N;

		if (at[slot] != 0) {
			bad += !has(&b, at[slot], slot + 1);
			bad += !buckets_remove(&b, at[slot], slot + 1);
			bad += has(&b, at[slot], slot + 1);
		}
		at[slot] = hash_of(i + 1);
		if (!buckets_insert(&b, at[slot], slot + 1)) {
			refused++;
			at[slot] = 0;
		}
	}
	for (uint32_t slot = 0; slot < N; slot++)
		bad += at[slot] != 0 && !has(&b, at[slot], slot + 1);
	EXPECT_EQ(bad, 0);
	EXPECT_EQ(refused, 0);
	free(at);
	buckets_fini(&b);
}

TEST(equal_hashes_fill_two_buckets_and_are_then_refused)
{
	struct buckets b;
	uint32_t rivals[2 * BUCKET_ENTRIES];

	REQUIRE(buckets_init(&b, 1000, 1000) == 0);
	for (uint32_t i = 1; i <= 2 * BUCKET_ENTRIES; i++)
		EXPECT(buckets_insert(&b, 0x12345678, i));
	EXPECT(!buckets_insert(&b, 0x12345678, 99));
	EXPECT_EQ(buckets_rivals(&b, 0x12345678, rivals), 2 * BUCKET_ENTRIES);
	for (uint32_t i = 1; i <= 2 * BUCKET_ENTRIES; i++)
		EXPECT(has(&b, 0x12345678, i));
	EXPECT(buckets_remove(&b, 0x12345678, 3));
	EXPECT(buckets_insert(&b, 0x12345678, 99));
	EXPECT(has(&b, 0x12345678, 99));
	EXPECT_EQ(b.used, 2 * BUCKET_ENTRIES);
	buckets_fini(&b);
}

TEST(too_many_entries_are_refused_at_the_start)
{
	struct buckets b;

	EXPECT(buckets_init(&b, 0, 0) < 0);
	EXPECT(buckets_init(&b, 0, BUCKET_INDEX_MAX + 1) < 0);
}
