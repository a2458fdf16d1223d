#include "registry.h"

#include "test.h"

struct fruit {
	const char *name;
};
REGISTRY_DECLARE(fruit, struct fruit);
REGISTRY_DECLARE(vegetable, struct fruit);

static const struct fruit apple = {"apple"};
REGISTRY_ADD(fruit, apple);
static const struct fruit pear = {"pear"};
REGISTRY_ADD(fruit, pear);

TEST(every_entry_is_walked_once)
{
	unsigned apples = 0, pears = 0, n = 0;

	REGISTRY_FOREACH (fruit, struct fruit, slot) {
		apples += *slot == &apple;
		pears += *slot == &pear;
		n++;
	}
	EXPECT_EQ(apples, 1);
	EXPECT_EQ(pears, 1);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(REGISTRY_COUNT(fruit), 2);
}

TEST(a_list_without_entries_is_empty)
{
	unsigned n = 0;

	REGISTRY_FOREACH (vegetable, struct fruit, slot)
		n++;
	EXPECT_EQ(n, 0);
	EXPECT_EQ(REGISTRY_COUNT(vegetable), 0);
}

/* Settings and counters of libraries that nobody here calls by name: the linker must not have dropped them. */
TEST(this_test_is_in_the_registry_itself)
{
	unsigned found = 0;

	REGISTRY_FOREACH (test, struct test, slot)
		found += strcmp((*slot)->name, "this_test_is_in_the_registry_itself") == 0;
	EXPECT_EQ(found, 1);
}
