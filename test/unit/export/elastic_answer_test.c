#include "elastic_priv.h"

#include <errno.h>
#include <string.h>

#include "test.h"

static const char taken[] =
	"{\"took\":3,\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":200}}]}";

TEST(an_answer_is_clean_only_with_every_item_and_its_end)
{
	size_t length = strlen(taken);

	EXPECT(answer_is_clean(taken, length, 2));
	EXPECT(!answer_is_clean(taken, length, 1));
	EXPECT(!answer_is_clean(taken, length, 3));
	for (size_t n = 0; n < length; n++)
		EXPECT(!answer_is_clean(taken, n, 2));
	EXPECT(!answer_is_clean("", 0, 0));
	EXPECT(!answer_is_clean("<html>", 6, 0));
}

TEST(an_error_among_many_is_not_clean)
{
	static const char text[] =
		"{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":429}}]}";

	EXPECT(!answer_is_clean(text, sizeof(text) - 1, 2));
	EXPECT(!answer_is_clean(text, sizeof(text) - 1, 1));
}

struct seen {
	unsigned n;
	struct item_answer answer[16];
	char reason[16][64];
};

static void
see(unsigned item, const struct item_answer *a, void *context)
{
	struct seen *s = context;

	EXPECT_EQ(item, s->n);
	s->answer[s->n] = *a;
	snprintf(s->reason[s->n++], sizeof(s->reason[0]), "%s", a->reason);
}

TEST(items_are_taken_come_again_or_are_refused)
{
	static const char text[] =
		"{\"took\":1,\"errors\":true,\"items\":["
		"{\"create\":{\"status\":201}},"
		"{\"create\":{\"status\":409,\"error\":{\"type\":\"version_conflict_engine_exception\",\"reason\":"
		"\"x\"}}},"
		"{\"create\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\"reason\":\"x\"}}"
		"},"
		"{\"create\":{\"status\":503,\"error\":{\"type\":\"unavailable_shards_exception\",\"reason\":\"x\"}}},"
		"{\"create\":{\"status\":403,\"error\":{\"type\":\"cluster_block_exception\",\"reason\":\"FORBIDDEN/12/"
		"\"}}},"
		"{\"create\":{\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":\"failed\"}}},"
		"{\"create\":{\"status\":400,\"error\":{\"type\":\"validation_exception\",\"reason\":\"this cluster "
		"currently has "
		"[1000]/[1000] maximum shards open\"}}},"
		"{\"create\":{\"status\":404,\"error\":{\"type\":\"index_not_found_exception\",\"reason\":\"x\"}}}]}";
	static const enum item_fate fate[] = {ITEM_TAKEN, ITEM_TAKEN,	ITEM_AGAIN, ITEM_AGAIN,
					      ITEM_AGAIN, ITEM_REFUSED, ITEM_AGAIN, ITEM_AGAIN};
	struct seen seen = {0};

	REQUIRE(answer_each(text, sizeof(text) - 1, 8, see, &seen) == 0);
	REQUIRE(seen.n == 8);
	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(seen.answer[i].fate, fate[i]);
	EXPECT(seen.answer[1].is_double);
	EXPECT(!seen.answer[0].is_double);
	EXPECT_STR(seen.reason[5], "failed");
}

TEST(an_answer_that_is_none_is_an_error_and_calls_nobody)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"items\":7}",
		"{\"errors\":true,\"items\":[]}",
		"{\"errors\":true,\"items\":[{}]}",
		"{\"errors\":true,\"items\":[{\"create\":{}}]}",
		"{\"errors\":true,\"items\":[{\"create\":{\"status\":\"201\"}}]}",
		"{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}",
		"{\"errors\":true,\"items\":[{\"create\":{\"status\":201}}",
	};
	struct seen seen = {0};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		EXPECT_EQ(answer_each(texts[i], strlen(texts[i]), 1, see, &seen), -EPROTO);
	EXPECT_EQ(seen.n, 0);
}

TEST(the_reason_of_a_refused_request_is_its_root_cause)
{
	static const char text[] =
		"{\"error\":{\"root_cause\":[{\"type\":\"a\",\"reason\":\"root\"}],\"type\":\"b\",\"reason\":"
		"\"outer\"},\"status\":400}";
	json_t *answer = json_loads(text, 0, NULL);
	char out[64];

	elastic_explain(answer, 400, out, sizeof(out));
	EXPECT_STR(out, "400 a: root");
	elastic_explain(NULL, 502, out, sizeof(out));
	EXPECT_STR(out, "answers 502");
	json_decref(answer);
}
