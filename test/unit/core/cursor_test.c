#include "cursor.h"

#include "test.h"

static const uint8_t bytes[] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88, 0x09, 0x8a};

enum { SIZE = sizeof(bytes) };

static uint64_t
take_u8(struct cursor *c)
{
	return cursor_u8(c);
}

static uint64_t
take_be16(struct cursor *c)
{
	return cursor_be16(c);
}

static uint64_t
take_le16(struct cursor *c)
{
	return cursor_le16(c);
}

static uint64_t
take_be24(struct cursor *c)
{
	return cursor_be24(c);
}

static uint64_t
take_be32(struct cursor *c)
{
	return cursor_be32(c);
}

static uint64_t
take_le32(struct cursor *c)
{
	return cursor_le32(c);
}

static uint64_t
take_be64(struct cursor *c)
{
	return cursor_be64(c);
}

static uint64_t
take_le64(struct cursor *c)
{
	return cursor_le64(c);
}

static const struct {
	const char *name;
	uint64_t (*read)(struct cursor *);
	size_t size;
	uint64_t value; /* at the start of 'bytes' */
} readers[] = {
	{"u8", take_u8, 1, 0x01},
	{"be16", take_be16, 2, 0x0182},
	{"le16", take_le16, 2, 0x8201},
	{"be24", take_be24, 3, 0x018203},
	{"be32", take_be32, 4, 0x01820384},
	{"le32", take_le32, 4, 0x84038201},
	{"be64", take_be64, 8, 0x0182038405860788},
	{"le64", take_le64, 8, 0x8807860584038201},
};

enum { READERS = sizeof(readers) / sizeof(readers[0]) };

TEST(numbers_are_read_in_both_byte_orders)
{
	for (unsigned i = 0; i < READERS; i++) {
		struct cursor c = cursor_make(bytes, SIZE);

		EXPECT(readers[i].read(&c) == readers[i].value);
		EXPECT_EQ(cursor_left(&c), SIZE - readers[i].size);
		EXPECT(!cursor_bad(&c));
	}
}

TEST(high_bits_do_not_spread)
{
	static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint64_t expected[READERS] = {0xff,       0xffff,	   0xffff,     0xffffff,
						   0xffffffff, 0xffffffff, UINT64_MAX, UINT64_MAX};

	for (unsigned i = 0; i < READERS; i++) {
		struct cursor c = cursor_make(ones, sizeof(ones));

		EXPECT(readers[i].read(&c) == expected[i]);
	}
}

/* Beyond the end: nothing is touched (the page after it is not there), the error sticks and the cursor is at its end.
 */
static void
expect_spent(struct cursor *c)
{
	EXPECT(cursor_bad(c));
	EXPECT_EQ(cursor_left(c), 0);
	for (unsigned i = 0; i < READERS; i++)
		EXPECT_EQ(readers[i].read(c), 0);
	EXPECT(cursor_take(c, 1) == NULL);
	EXPECT_EQ(cursor_peek(c, 0), 0);
	EXPECT(cursor_bad(c));
}

TEST(every_number_at_every_truncation_is_zero_and_sticks)
{
	for (unsigned i = 0; i < READERS; i++) {
		for (size_t n = 0; n < readers[i].size; n++) {
			uint8_t *guarded = test_guard(bytes, n);
			struct cursor c = cursor_make(guarded, n);

			/* The halves of a 64-bit number are read one by one: what was there must not come through. */
			if (readers[i].size < 8)
				EXPECT_EQ(readers[i].read(&c), 0);
			else
				readers[i].read(&c);
			expect_spent(&c);
			test_guard_free(guarded, n);
		}
	}
}

TEST(a_read_up_to_the_very_end_is_good)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint8_t *guarded = test_guard(bytes, readers[i].size);
		struct cursor c = cursor_make(guarded, readers[i].size);

		EXPECT(readers[i].read(&c) == readers[i].value);
		EXPECT(!cursor_bad(&c));
		EXPECT_EQ(cursor_left(&c), 0);
		test_guard_free(guarded, readers[i].size);
	}
}

TEST(a_good_read_does_not_heal_an_error)
{
	struct cursor c = cursor_make(bytes, 3);

	EXPECT_EQ(cursor_be32(&c), 0);
	EXPECT(cursor_bad(&c));
	EXPECT_EQ(cursor_left(&c), 0);
	EXPECT(cursor_take(&c, 0) != NULL);
	EXPECT(cursor_bad(&c));
}

TEST(take_and_skip_at_every_truncation)
{
	for (size_t n = 0; n <= SIZE; n++) {
		uint8_t *guarded = test_guard(bytes, n);

		for (size_t want = 0; want <= SIZE + 2; want++) {
			struct cursor c = cursor_make(guarded, n), s = c;
			const uint8_t *p = cursor_take(&c, want);

			cursor_skip(&s, want);
			EXPECT(p == (want <= n ? guarded : NULL));
			EXPECT_EQ(cursor_bad(&c), want > n);
			EXPECT_EQ(cursor_left(&c), want <= n ? n - want : 0);
			EXPECT(s.p == c.p && cursor_bad(&s) == cursor_bad(&c));
		}
		test_guard_free(guarded, n);
	}
}

TEST(a_size_that_would_wrap_is_refused)
{
	struct cursor c = cursor_make(bytes, SIZE);

	EXPECT(cursor_take(&c, SIZE_MAX) == NULL);
	expect_spent(&c);
}

TEST(a_part_is_all_there_or_nothing)
{
	static const struct {
		uint32_t size, offset, part;
		bool is_good;
	} cases[] = {
		{10, 0, 10, true},  {10, 4, 6, true},		{10, 10, 0, true},	    {10, 4, 7, false},
		{10, 11, 0, false}, {10, 0, UINT32_MAX, false}, {10, UINT32_MAX, 1, false}, {10, UINT32_MAX, 11, false},
		{0, 0, 0, true}};
	uint8_t ten[10] = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_make_part(ten, cases[i].size, cases[i].offset, cases[i].part);

		EXPECT_EQ(!cursor_bad(&c), cases[i].is_good);
		EXPECT_EQ(cursor_left(&c), cases[i].is_good ? cases[i].part : 0);
		if (cases[i].is_good)
			EXPECT(c.p == ten + cases[i].offset);
	}
}

TEST(peek_moves_nothing_and_is_no_error)
{
	for (size_t n = 0; n <= SIZE; n++) {
		uint8_t *guarded = test_guard(bytes, n);
		struct cursor c = cursor_make(guarded, n);

		for (size_t offset = 0; offset <= SIZE; offset++)
			EXPECT_EQ(cursor_peek(&c, offset), offset < n ? bytes[offset] : 0);
		EXPECT_EQ(cursor_peek(&c, SIZE_MAX), 0);
		EXPECT(!cursor_bad(&c));
		EXPECT_EQ(cursor_left(&c), n);
		test_guard_free(guarded, n);
	}
}

TEST(a_child_ends_where_it_was_told)
{
	for (size_t n = 0; n <= SIZE; n++) {
		uint8_t *guarded = test_guard(bytes, n);

		for (size_t want = 0; want <= SIZE + 1; want++) {
			struct cursor parent = cursor_make(guarded, n), child = cursor_sub(&parent, want);

			if (want <= n) {
				EXPECT(!cursor_bad(&parent) && !cursor_bad(&child));
				EXPECT_EQ(cursor_left(&child), want);
				EXPECT_EQ(cursor_left(&parent), n - want);
				cursor_skip(&child, want + 1);
				EXPECT(cursor_bad(&child) && !cursor_bad(&parent));
			} else {
				EXPECT(cursor_bad(&child));
				EXPECT(cursor_bad(&parent));
				EXPECT_EQ(cursor_left(&child), 0);
				EXPECT_EQ(cursor_left(&parent), 0);
			}
		}
		test_guard_free(guarded, n);
	}
}

TEST(until_stops_before_the_byte_and_consumes_it)
{
	static const uint8_t text[] = "ab:c:";

	for (size_t n = 0; n < sizeof(text); n++) {
		uint8_t *guarded = test_guard(text, n);
		struct cursor c = cursor_make(guarded, n), word = cursor_until(&c, ':');

		if (n < 3) {
			EXPECT(cursor_bad(&c));
			EXPECT(cursor_bad(&word));
			EXPECT_EQ(cursor_left(&word), 0);
			EXPECT_EQ(cursor_left(&c), 0);
		} else {
			EXPECT(!cursor_bad(&c) && !cursor_bad(&word));
			EXPECT_EQ(cursor_left(&word), 2);
			EXPECT(memcmp(word.p, "ab", 2) == 0);
			EXPECT_EQ(cursor_left(&c), n - 3);
		}
		test_guard_free(guarded, n);
	}
}

TEST(until_finds_an_empty_word)
{
	struct cursor c = cursor_make("::", 2), word = cursor_until(&c, ':');

	EXPECT(!cursor_bad(&word));
	EXPECT_EQ(cursor_left(&word), 0);
	EXPECT_EQ(cursor_left(&c), 1);
}

TEST(limit_only_shortens)
{
	struct cursor c = cursor_make(bytes, SIZE);
	volatile size_t more = SIZE + 5; /* gcc -O3 warns of the branch that is not taken */

	cursor_limit(&c, more);
	EXPECT_EQ(cursor_left(&c), SIZE);
	cursor_limit(&c, 3);
	EXPECT_EQ(cursor_left(&c), 3);
	EXPECT_EQ(cursor_be32(&c), 0);
	EXPECT(cursor_bad(&c));
}

TEST(nothing_at_all_can_be_read_from)
{
	struct cursor c = cursor_make(bytes, 0), word = cursor_until(&c, 0);

	EXPECT(cursor_bad(&word));
	expect_spent(&c);
}
