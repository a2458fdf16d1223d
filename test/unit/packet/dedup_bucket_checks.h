/* What every way to work on a bucket has to do. The tests that include this say which: DEDUP_BUCKET_TEST(name). Each is
 * compared with loops over words, for every set of words. */
#ifndef DEDUP_BUCKET_CHECKS_H
#define DEDUP_BUCKET_CHECKS_H

#include "dedup_bucket.h"
#include "test.h"

enum { ALL_SETS = 1 << BUCKET_WORDS };

/* Words of three ticks, some flagged, some with the same tag; those of 'free' are zero. */
static struct bucket
example(unsigned free)
{
	struct bucket b = {0};

	for (unsigned i = 0; i < BUCKET_WORDS; i++)
		if ((free >> i & 1) == 0)
			b.word[i] = (UINT64_C(0x9e3779b97f4a7c15) * (i % 5 + 1) & TAG_MASK) |
				    (i % 3 == 1 ? OVERFLOWED : 0) | (uint8_t)(i % 3 + 255);
	return b;
}

static void
check_sets(void)
{
	for (unsigned free = 0; free < ALL_SETS; free++) {
		struct bucket b = example(free);
		uint64_t tag = UINT64_C(0x9e3779b97f4a7c15) * 2 & TAG_MASK, bit = UINT64_C(1) << (TAG_SHIFT + 3);
		unsigned equal = 0, with = 0, flagged = 0, alive = 0;

		for (unsigned i = 0; i < BUCKET_WORDS; i++) {
			equal |= (unsigned)((b.word[i] & TAG_MASK) == tag) << i;
			with |= (unsigned)((b.word[i] & bit) != 0) << i;
			flagged |= (unsigned)((b.word[i] & OVERFLOWED) != 0) << i;
			alive |= (unsigned)word_alive(b.word[i], 1, 2) << i;
		}
		EXPECT_EQ(bucket_equal(&b, tag), equal);
		EXPECT_EQ(bucket_with(&b, bit), with);
		EXPECT_EQ(bucket_with(&b, OVERFLOWED), flagged);
		EXPECT_EQ(bucket_alive(&b, 1, 2), alive);
		EXPECT_EQ(bucket_may_have(&b, tag), (equal | flagged) != 0);
	}
}

static void
check_keep(void)
{
	const struct bucket full = example(0);

	for (unsigned set = 0; set < ALL_SETS; set++) {
		struct bucket wanted = {0}, out, itself = full;
		unsigned n = 0;

		memset(&out, 0xff, sizeof(out));
		for (unsigned i = 0; i < BUCKET_WORDS; i++)
			if ((set >> i & 1) != 0)
				wanted.word[n++] = full.word[i];
		bucket_keep(&out, &full, set);
		bucket_keep(&itself, &itself, set);
		EXPECT(memcmp(&out, &wanted, sizeof(out)) == 0);
		EXPECT(memcmp(&itself, &wanted, sizeof(out)) == 0);
	}
}

static void
check_push(void)
{
	struct bucket b = example(0), before = b;

	bucket_push(&b, 77);
	EXPECT_EQ(b.word[0], 77);
	EXPECT(memcmp(&b.word[1], &before.word[0], sizeof(b.word) - sizeof(b.word[0])) == 0);
}

#define DEDUP_BUCKET_TEST(name)                                                                                        \
	TEST(name)                                                                                                     \
	{                                                                                                              \
		check_sets();                                                                                          \
		check_keep();                                                                                          \
		check_push();                                                                                          \
	}

#endif
