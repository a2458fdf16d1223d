/* Lists of addresses. */
#include "addresses.h"
#include "test.h"

static const char *
joined(const char *list)
{
	static char out[1024];
	size_t size = strlen(list), used = 0;
	uint8_t *guarded = test_guard(list, size);
	struct cursor rest = cursor_make(guarded, size), address;

	out[0] = '\0';
	while (address_next(&rest, &address) && used < sizeof(out) - 256)
		used += (size_t)snprintf(out + used, sizeof(out) - used, "[%.*s]", (int)cursor_left(&address),
					 (const char *)address.p);
	test_guard_free(guarded, size);
	return out;
}

TEST(addresses_are_bare_or_in_angle_brackets)
{
	EXPECT_STR(joined(""), "");
	EXPECT_STR(joined("a@b"), "[a@b]");
	EXPECT_STR(joined(" Alice <a@b>, c@d , <e@f>"), "[a@b][c@d ][e@f]");
	EXPECT_STR(joined("\"Doe, \tAlice\" <a@b>"), "[a@b]");
	EXPECT_STR(joined("a@b (Alice)"), "[a@b (Alice)]");
	EXPECT_STR(joined("\"Group\":x@y, <a@b>;, c@d"), "[:x@y][a@b][c@d]");
}

TEST(empty_addresses_are_some)
{
	EXPECT_STR(joined("  "), "[]");
	EXPECT_STR(joined("<>"), "[]");
	EXPECT_STR(joined("a@b, "), "[a@b][]");
	EXPECT_STR(joined("a@b,"), "[a@b]");
	EXPECT_STR(joined(","), "[]");
}

TEST(brackets_and_quotes_without_an_end_take_the_rest)
{
	EXPECT_STR(joined("\"Doe"), "[]");
	EXPECT_STR(joined("x <a@b, c@d"), "[a@b, c@d]");
}
