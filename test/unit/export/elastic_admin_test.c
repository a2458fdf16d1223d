#include "elastic_admin.h"

#include "test.h"

TEST(a_period_ends_when_the_next_one_begins)
{
	EXPECT_EQ(elastic_period_end("261121", 24), 1795305600);   /* 2026-11-22 */
	EXPECT_EQ(elastic_period_end("261231", 24), 1798761600);   /* 2027-01-01 */
	EXPECT_EQ(elastic_period_end("261121h06", 6), 1795262400); /* 12 o'clock */
	EXPECT_EQ(elastic_period_end("261121h23", 1), 1795305600); /* midnight */
	EXPECT_EQ(elastic_period_end("26m11", 24), 1796083200);	   /* 2026-12-01 */
	EXPECT_EQ(elastic_period_end("26m12", 24), 1798761600);	   /* 2027-01-01 */
	EXPECT_EQ(elastic_period_end("26w00", 24), 1767830400);	   /* 2026-01-08 */
	EXPECT_EQ(elastic_period_end("26w52", 24), 1798761600);	   /* 2027-01-01 */
	EXPECT_EQ(elastic_period_end("261121-shrink", 24), 1795305600);
	EXPECT_EQ(elastic_period_end("991231", 24), 946684800); /* 2000-01-01 */
}

TEST(what_is_no_period_has_no_end)
{
	static const char *const names[] = {"",		"2",	     "26",     "notes",	  "26x11",   "26m13",
					    "26m00",	"261321",    "261100", "261132",  "2611211", "261121h24",
					    "261121h6", "261121x06", "26w5",   "-261121", "26112a"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		EXPECT_EQ(elastic_period_end(names[i], 1), 0);
}
