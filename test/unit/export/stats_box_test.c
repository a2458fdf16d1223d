#include "stats_box_priv.h"

#include "test.h"

static struct stats_box box;

static void
put(unsigned flavour, const char *id, const char *json)
{
	struct export_stats stats = {.flavour = flavour, .id = id, .json = json, .json_bytes = strlen(json)};

	stats_box_put(&box, &stats);
}

TEST(newer_stats_document_replaces_the_one_that_waits)
{
	struct export_stats out;

	stats_box_init(&box);
	EXPECT(!stats_box_waits(&box));
	EXPECT(!stats_box_take(&box, &out));
	put(0, "node", "{\"a\":1}");
	put(0, "node", "{\"a\":22}");
	EXPECT(stats_box_waits(&box));
	REQUIRE(stats_box_take(&box, &out));
	EXPECT_STR(out.json, "{\"a\":22}");
	EXPECT_EQ(out.json_bytes, 8);
	EXPECT_STR(out.id, "node");
	EXPECT(!stats_box_waits(&box));
	EXPECT(!stats_box_take(&box, &out));
	stats_box_fini(&box);
}

TEST(each_flavour_of_stats_waits_for_itself_and_the_longest_interval_is_first)
{
	static const char *const ids[] = {"n", "n-7-5", "n-8-60", "n-9-600"};
	struct export_stats out;

	stats_box_init(&box);
	for (unsigned i = 0; i < EXPORT_STATS_FLAVOURS; i++)
		put(i, ids[i], "{}");
	for (unsigned i = EXPORT_STATS_FLAVOURS; i-- > 0;) {
		REQUIRE(stats_box_take(&box, &out));
		EXPECT_EQ(out.flavour, i);
		EXPECT_STR(out.id, ids[i]);
		EXPECT_STR(export_stats_index(&out), i == 0 ? "stats" : "dstats");
	}
	EXPECT(!stats_box_take(&box, &out));
	stats_box_fini(&box);
}

TEST(taken_stats_document_stays_as_it_is_while_newer_ones_come)
{
	struct export_stats out;

	stats_box_init(&box);
	put(1, "n-1-5", "{\"first\":1}");
	REQUIRE(stats_box_take(&box, &out));
	put(1, "n-2-5", "{\"second\":2}");
	EXPECT_STR(out.id, "n-1-5");
	EXPECT_STR(out.json, "{\"first\":1}");
	stats_box_fini(&box);
}

TEST(stats_document_that_is_too_long_is_left_out)
{
	static char json[EXPORT_STATS_JSON_BYTES_MAX + 1], id[EXPORT_STATS_ID_BYTES + 1];

	stats_box_init(&box);
	memset(json, ' ', sizeof(json) - 1);
	memset(id, 'n', sizeof(id) - 1);
	put(0, "node", json);
	put(0, id, "{}");
	put(EXPORT_STATS_FLAVOURS, "node", "{}");
	EXPECT(!stats_box_waits(&box));
	json[EXPORT_STATS_JSON_BYTES_MAX - 1] = '\0';
	id[EXPORT_STATS_ID_BYTES - 1] = '\0';
	put(0, id, json);
	EXPECT(stats_box_waits(&box));
	stats_box_fini(&box);
}
