#include <pthread.h>
#include <stdlib.h>

#include "feed.h"
#include "test.h"

struct seen {
	uint64_t next, n, wrong;
};

static void
take(const struct feed *f, const void *message, size_t size, void *context)
{
	const uint64_t *value = message;
	struct seen *seen = context;
	size_t n = size / sizeof(*value);

	(void)f;
	for (size_t i = 0; i < n; i++)
		seen->wrong += value[i] != value[0];
	seen->wrong += value[0] < seen->next || n != 1 + value[0] % 61;
	seen->next = value[0] + 1;
	seen->n++;
}

/* A message whose length and bytes its number says. */
static bool
say(struct feed *f, uint64_t number)
{
	size_t n = 1 + number % 61;
	uint64_t *m = feed_reserve(f, n * sizeof(*m));

	if (m == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		m[i] = number;
	feed_commit(f, n * sizeof(*m));
	return true;
}

TEST(a_feed_is_wanted_only_while_somebody_listens)
{
	struct feed *before = feed_create("test-wanted"), *after;

	REQUIRE(before != NULL);
	EXPECT(!feed_is_wanted(before));
	EXPECT_EQ(feeds_want("test-wanted", true, FEED_RING_BYTES_MIN), 0);
	after = feed_create("test-wanted");
	REQUIRE(after != NULL);
	EXPECT(feed_is_wanted(before) && feed_is_wanted(after));
	EXPECT_EQ(feeds_want("test-wanted", false, FEED_RING_BYTES_MIN), 0);
	EXPECT(!feed_is_wanted(before) && !feed_is_wanted(after));
	feed_destroy(before);
	feed_destroy(after);
}

TEST(a_full_feed_refuses_counts_and_loses_nothing_it_took)
{
	struct feed *f = feed_create("test-full");
	struct seen seen = {0};
	uint64_t said = 0, refused = 0, base = feeds_refused("test-full");

	REQUIRE(f != NULL);
	EXPECT_EQ(feeds_want("test-full", true, FEED_RING_BYTES_MIN), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		bool good = say(f, i);

		said += good;
		refused += !good;
		if (i % 700 == 699)
			feeds_take("test-full", 150, take, &seen);
	}
	while (feeds_take("test-full", 1000, take, &seen) > 0)
		;
	EXPECT(refused > 0);
	EXPECT_EQ(seen.n, said);
	EXPECT_EQ(seen.wrong, 0);
	EXPECT_EQ(feeds_refused("test-full") - base, refused);
	EXPECT(feed_reserve(f, FEED_RING_BYTES_MIN / 2) == NULL); /* more than a fourth of the ring */
	feed_destroy(f);
	EXPECT_EQ(feeds_refused("test-full") - base, refused + 1); /* what it refused is remembered */
}

struct speaker {
	struct feed *feed;
	uint64_t said;
};

static void *
speak(void *argument)
{
	struct speaker *s = argument;

	for (uint64_t i = 0; i < 300000; i++)
		s->said += say(s->feed, i);
	return NULL;
}

TEST(a_worker_and_a_listener_at_once)
{
	struct speaker s = {.feed = feed_create("test-both")};
	struct seen seen = {0};
	pthread_t thread;
	bool is_over = false;

	REQUIRE(s.feed != NULL);
	EXPECT_EQ(feeds_want("test-both", true, FEED_RING_BYTES_MIN), 0);
	REQUIRE(pthread_create(&thread, NULL, speak, &s) == 0);
	for (;;) {
		unsigned n = feeds_take("test-both", 64, take, &seen);

		if (n == 0 && is_over)
			break;
		if (!is_over)
			is_over = pthread_tryjoin_np(thread, NULL) == 0;
	}
	EXPECT(seen.n > 0);
	EXPECT_EQ(seen.n, s.said);
	EXPECT_EQ(seen.wrong, 0);
	feed_destroy(s.feed);
}
