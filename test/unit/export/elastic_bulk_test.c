#include "elastic_priv.h"

#include <stdlib.h>
#include <string.h>

#include "export_fixture.h"
#include "test.h"

static struct document_conf random_ids = {.id_style = DOCUMENT_ID_RANDOM};
static struct document_conf database_ids = {.id_style = DOCUMENT_ID_DATABASE};

static struct export_row
row_of(const char *id, const char *text)
{
	struct export_row row = {.json_bytes = (uint32_t)strlen(text), .index_period = "261121"};

	snprintf(row.id, sizeof(row.id), "%s", id);
	return row;
}

static void
destroy(struct elastic *e, struct bulk *b)
{
	bulk_put(e, b);
	bulk_free_spares(e);
}

TEST(an_item_is_an_action_line_and_the_document)
{
	struct elastic e = {.document = &random_ids, .prefix = "arkime_"};
	struct export_row row = row_of("261121-abc", "{\"a\":1}");
	struct bulk *b = bulk_get(&e);

	REQUIRE(b != NULL && bulk_append(&e, b, &row, "{\"a\":1}", 3, 4));
	EXPECT_EQ(b->n_items, 1);
	EXPECT_EQ(b->item[0].batch, 3);
	EXPECT_EQ(b->item[0].row, 4);
	REQUIRE(b->bytes < b->capacity);
	b->text[b->bytes] = '\0';
	EXPECT_STR(b->text,
		   "{\"create\":{\"_index\":\"arkime_sessions3-261121\",\"_id\":\"261121-abc\"}}\n{\"a\":1}\n");
	destroy(&e, b);
}

TEST(ids_that_the_database_makes_are_not_sent)
{
	struct elastic e = {.document = &database_ids, .prefix = ""};
	struct export_row row = row_of("261121-abc", "{}");
	struct bulk *b = bulk_get(&e);

	REQUIRE(b != NULL && bulk_append(&e, b, &row, "{}", 0, 0) && b->bytes < b->capacity);
	b->text[b->bytes] = '\0';
	EXPECT_STR(b->text, "{\"create\":{\"_index\":\"sessions3-261121\"}}\n{}\n");
	destroy(&e, b);
}

TEST(an_id_with_quotes_stays_json)
{
	struct elastic e = {.document = &random_ids, .prefix = "arkime_"};
	struct export_row row = row_of("261121-a\"b\\c\n", "{}");
	struct bulk *b = bulk_get(&e);

	REQUIRE(b != NULL && bulk_append(&e, b, &row, "{}", 0, 0));
	b->text[b->bytes] = '\0';
	EXPECT(strstr(b->text, "\"_id\":\"261121-a\\\"b\\\\c_\"}}\n{}\n") != NULL);
	destroy(&e, b);
}

TEST(items_are_copied_one_by_one_and_bodies_grow)
{
	enum { ITEMS = 2000 };
	static char text[600];
	struct elastic e = {.document = &random_ids, .prefix = "arkime_"};
	struct bulk *b = bulk_get(&e), *odd = bulk_get(&e);
	struct export_row row;

	memset(text, 'x', sizeof(text) - 1);
	row = row_of("261121-abc", text);
	REQUIRE(b != NULL && odd != NULL);
	for (unsigned i = 0; i < ITEMS; i++)
		REQUIRE(bulk_append(&e, b, &row, text, 0, i));
	for (unsigned i = 1; i < ITEMS; i += 2)
		REQUIRE(bulk_copy(odd, b, i));
	EXPECT_EQ(odd->n_items, ITEMS / 2);
	EXPECT_EQ(odd->bytes, b->bytes / 2);
	for (unsigned i = 0; i < odd->n_items; i++) {
		EXPECT_EQ(odd->item[i].row, 2 * i + 1);
		EXPECT(odd->text[odd->item[i].begin] == '{');
		EXPECT(odd->text[odd->item[i].document] == 'x');
		EXPECT(odd->text[odd->item[i].document - 1] == '\n');
	}
	REQUIRE(bulk_copy_all(odd, b));
	EXPECT_EQ(odd->n_items, ITEMS / 2 + ITEMS);
	EXPECT_EQ(odd->bytes, b->bytes + b->bytes / 2);
	EXPECT_EQ(odd->item[ITEMS / 2].row, 0);
	EXPECT_EQ(odd->item[ITEMS / 2 + ITEMS - 1].row, ITEMS - 1);
	EXPECT(memcmp(odd->text + b->bytes / 2, b->text, b->bytes) == 0);
	bulk_put(&e, odd);
	destroy(&e, b);
}

TEST(a_body_is_used_again)
{
	struct elastic e = {.document = &random_ids, .prefix = "arkime_"};
	struct export_row row = row_of("261121-abc", "{}");
	struct bulk *b = bulk_get(&e), *again;

	REQUIRE(b != NULL && bulk_append(&e, b, &row, "{}", 0, 0));
	b->attempts = 3;
	bulk_put(&e, b);
	again = bulk_get(&e);
	EXPECT(again == b);
	EXPECT_EQ(again->bytes, 0);
	EXPECT_EQ(again->n_items, 0);
	EXPECT_EQ(again->attempts, 0);
	destroy(&e, again);
}
