#include "positions.h"
#include "test.h"

#include <stdlib.h>

struct at {
	uint32_t file, length;
	uint64_t position;
};

static bool
equals(const struct position_store *store, const struct position_list *list, const struct at *want, unsigned n)
{
	struct position_reader r;
	unsigned i = 0;

	position_read_begin(&r, store, list);
	for (; position_read_next(&r); i++)
		if (i >= n || r.file != want[i].file || r.position != want[i].position ||
		    r.length != (store->has_lengths ? want[i].length : 0))
			return false;
	return i == n;
}

/* The same when many are asked for together. */
static bool
equals_in_groups(const struct position_store *store, const struct position_list *list, const struct at *want,
		 unsigned n)
{
	enum { GAPS = 5, LARGEST = 1000000 };
	struct position_reader r;
	uint32_t gap[GAPS];
	unsigned i = 0, k;

	position_read_begin(&r, store, list);
	while (position_read_next(&r)) {
		if (i >= n || r.file != want[i].file || r.position != want[i].position)
			return false;
		i++;
		while ((k = position_read_gaps(&r, gap, GAPS, LARGEST)) > 0)
			for (unsigned g = 0; g < k; g++, i++)
				if (i >= n || want[i].file != want[i - 1].file || gap[g] > LARGEST ||
				    want[i].position - want[i - 1].position != gap[g])
					return false;
		if (i > 0 && i <= n && r.position != want[i - 1].position)
			return false;
	}
	return i == n;
}

static void
random_step(struct at *at)
{
	switch (random() % 12) {
	case 0:
		at->file = (uint32_t)random() % (random() % 2 == 0 ? 100 : 3000000);
		at->position = (uint64_t)random() % 1000;
		break;
	case 1:
		at->position = (uint64_t)random() << (random() % 30);
		break;
	case 2:
		break; /* the same place again */
	case 3:
		at->position = UINT64_MAX >> 1;
		break;
	default:
		at->position += 16 + (uint64_t)random() % (random() % 4 == 0 ? 100000000 : 2000);
	}
	at->length = 16 + (uint32_t)random() % 65536;
}

static void
round_trips(bool has_lengths)
{
	enum { LISTS = 300, PACKETS_MAX = 700 };
	static struct at want[PACKETS_MAX];
	struct position_store store;
	unsigned wrong = 0;

	REQUIRE(position_store_init(&store, 1000, has_lengths) == 0);
	srandom(3);
	for (unsigned k = 0; k < LISTS; k++) {
		struct position_list list = {0};
		unsigned n = (unsigned)random() % (k % 10 == 0 ? PACKETS_MAX : 30);
		struct at at = {0};

		for (unsigned i = 0; i < n; i++) {
			random_step(&at);
			want[i] = at;
			REQUIRE(position_append(&store, &list, at.file, at.position, at.length));
			if (i < 40)
				wrong += !equals(&store, &list, want, i + 1);
		}
		wrong += !equals(&store, &list, want, n) + !equals_in_groups(&store, &list, want, n);
		EXPECT(position_is_empty(&list) == (n == 0));
		position_clear(&store, &list);
		EXPECT(position_is_empty(&list));
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(position_store_bytes(&store), 0);
	position_store_fini(&store);
}

TEST(positions_read_back_as_they_were_appended)
{
	round_trips(false);
}

TEST(positions_with_lengths_read_back_as_they_were_appended)
{
	round_trips(true);
}

TEST(distances_come_many_at_a_time)
{
	enum { FIRST = 24, STEP = 100, STEPS = 100, FAR = 5000 };
	struct position_list list = {0};
	struct position_reader r;
	struct position_store store;
	uint32_t gap[8];
	unsigned together = 0, n;

	REQUIRE(position_store_init(&store, 10, false) == 0);
	for (unsigned i = 0; i < STEPS; i++)
		EXPECT(position_append(&store, &list, 3, FIRST + (uint64_t)i * STEP + (i > STEPS / 2 ? FAR : 0), 0));
	position_read_begin(&r, &store, &list);
	EXPECT_EQ(position_read_gaps(&r, gap, 8, STEP), 0); /* file and position of the first */
	while (position_read_next(&r))
		while ((n = position_read_gaps(&r, gap, 8, STEP)) > 0) {
			EXPECT_EQ(gap[n - 1], STEP);
			together += n;
		}
	EXPECT_EQ(r.position, FIRST + (STEPS - 1) * STEP + FAR);
	/* All but the first, the one that is too far, and up to three at the end of each chunk. */
	EXPECT(together >= STEPS * 4 / 5 && together <= STEPS - 2);
	position_clear(&store, &list);
	position_store_fini(&store);
}

TEST(three_packets_of_a_small_file_need_no_chunk_and_a_thousand_little_memory)
{
	struct position_store store;
	struct position_list list = {0};

	REQUIRE(position_store_init(&store, 1000, false) == 0);
	for (unsigned i = 0; i < 3; i++)
		EXPECT(position_append(&store, &list, 12345, UINT64_C(8000000000) + i * UINT64_C(200000000), 0));
	EXPECT_EQ(position_store_bytes(&store), 0);
	for (unsigned i = 3; i < 1000; i++)
		EXPECT(position_append(&store, &list, 12345, UINT64_C(9000000000) + i * 100000, 0));
	EXPECT(position_store_bytes(&store) <= 4400);
	position_clear(&store, &list);
	position_store_fini(&store);
}

/* A list's own bytes and an entry of many bytes do not fit into the smallest chunk together: they once went on into the
 * next one, which was another list's. */
TEST(a_long_entry_gets_a_chunk_that_holds_it)
{
	struct position_store store;
	struct position_list list[2] = {0};
	struct at want[8] = {{.file = 1, .position = 24, .length = 60}};

	REQUIRE(position_store_init(&store, 1000, true) == 0);
	for (unsigned i = 1; i < 7; i++)
		want[i] = (struct at){.file = 1, .position = 24 + 76 * i, .length = 60};
	want[7] = (struct at){.file = UINT32_MAX - 1, .position = UINT64_MAX >> 9, .length = 65535};
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 8; i++)
			EXPECT(position_append(&store, &list[k], want[i].file, want[i].position, want[i].length));
	for (unsigned k = 0; k < 2; k++) {
		EXPECT(equals(&store, &list[k], want, 8));
		position_clear(&store, &list[k]);
	}
	EXPECT_EQ(position_store_bytes(&store), 0);
	position_store_fini(&store);
}

TEST(without_a_chunk_a_position_is_refused_and_the_list_stays_as_it_was)
{
	struct position_store store;
	struct position_list list[2] = {0};
	struct at want[64];
	unsigned n = 0;

	REQUIRE(position_store_init(&store, 1, false) == 0);
	/* As if others had taken all of it. */
	for (unsigned order = 0; order < POSITION_ORDERS; order++)
		store.pool[order]->max_objects = 1;
	for (; n < 64; n++) {
		want[n] = (struct at){.file = n, .position = UINT64_C(1) << 40};
		if (!position_append(&store, &list[0], n, UINT64_C(1) << 40, 0))
			break;
	}
	EXPECT(n > 30 && n < 64);
	EXPECT(equals(&store, &list[0], want, n));
	/* What fits inline still does. */
	EXPECT(position_append(&store, &list[1], 1, 1, 0));
	position_clear(&store, &list[0]);
	position_clear(&store, &list[1]);
	position_store_fini(&store);
}
