#include "test.h"
#include "tpkt.h"

enum { MIN = 7, MAX = 260 };

static enum tpkt
next(const uint8_t *bytes, size_t size, struct cursor *left, struct cursor *whole)
{
	*left = cursor_make(bytes, size);
	return tpkt_next(left, MIN, MAX, whole);
}

TEST(messages_are_taken_one_by_one)
{
	static const uint8_t two[] = {3, 0, 0, 7, 'a', 'b', 'c', 3, 0xff, 0, 8, 'd', 'e', 'f', 'g'};
	struct cursor left, whole;

	EXPECT_EQ(next(two, sizeof(two), &left, &whole), TPKT_WHOLE);
	EXPECT(whole.p == two && cursor_left(&whole) == 7);
	EXPECT_EQ(tpkt_next(&left, MIN, MAX, &whole), TPKT_WHOLE);
	EXPECT(whole.p == &two[7] && cursor_left(&whole) == 8);
	EXPECT_EQ(tpkt_next(&left, MIN, MAX, &whole), TPKT_MORE);
}

TEST(a_part_of_a_message_is_left_where_it_is)
{
	static const uint8_t bytes[] = {3, 0, 0, 7, 'a', 'b', 'c'};

	for (size_t n = 0; n < sizeof(bytes); n++) {
		uint8_t *guarded = test_guard(bytes, n);
		struct cursor left, whole;

		EXPECT_EQ(next(guarded, n, &left, &whole), TPKT_MORE);
		EXPECT(left.p == guarded && cursor_left(&left) == n);
		test_guard_free(guarded, n);
	}
}

TEST(what_is_no_message_is_told_from_its_header)
{
	static const struct {
		uint8_t bytes[TPKT_BYTES];
		enum tpkt expected;
	} cases[] = {
		{{3, 0, 0, MIN}, TPKT_MORE},  {{3, 0, 0, MIN - 1}, TPKT_BAD}, {{3, 0, 1, 4}, TPKT_MORE},
		{{3, 0, 1, 5}, TPKT_BAD},     {{2, 0, 0, MIN}, TPKT_BAD},     {{4, 0, 0, MIN}, TPKT_BAD},
		{{3, 0xff, 0, 9}, TPKT_MORE},
	};
	struct cursor left, whole;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(next(cases[i].bytes, TPKT_BYTES, &left, &whole), cases[i].expected);
}
