/* Chunks, values, sets, estimates, positions. */
#include "record.h"

#include <stdlib.h>
#include <time.h>

#include "poison.h"
#include "record_fields.h"
#include "record_id.h"
#include "test.h"

static uint64_t
lost(const char *name)
{
	uint64_t n = 0;

	REGISTRY_FOREACH (counter, struct counter, c)
		if (strcmp((*c)->name, name) == 0)
			n = test_record_counters.value[c - __start_registry_counter];
	return n;
}

/* How many values the record shows for a field; texts count once. */
static unsigned
count(const struct record *r, unsigned place)
{
	struct record_iterator it;
	struct record_value v;
	unsigned n = 0;

	record_values_begin(r, &it);
	while (record_values_next(&it, &v))
		if (v.field == test_field(place) && !v.more)
			n++;
	return n;
}

static size_t
text_of(const struct record *r, field_id field, uint8_t *out, size_t size)
{
	struct record_iterator it;
	struct record_value v;
	size_t n = 0;

	record_values_begin(r, &it);
	while (record_values_next(&it, &v)) {
		if (v.field != field || n + v.str.size > size)
			continue;
		memcpy(out + n, v.str.text, v.str.size);
		n += v.str.size;
	}
	return n;
}

static bool
add_str(struct record_pool *pool, struct record *r, unsigned place, const char *text)
{
	return record_add_str(pool, r, test_field(place), text, strlen(text));
}

TEST(a_new_record_is_one_chunk_and_a_freed_one_none)
{
	struct record_pool *pool = test_record_pool(4);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	REQUIRE(r != NULL);
	EXPECT_EQ(record_pool_used(pool), 1);
	EXPECT_EQ(r->chunks, 1);
	EXPECT_EQ(r->worker, 3);
	record_free(pool, r);
	record_free(pool, NULL);
	EXPECT_EQ(record_pool_used(pool), 0);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(a_record_not_given_back_is_reported_by_number_of_chunks)
{
	struct record_pool *pool = test_record_pool(16);
	char text[3000] = {0};
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	REQUIRE(r != NULL);
	EXPECT(record_add_str(pool, r, test_field(T_STR_LIST), text, sizeof(text)));
	EXPECT_EQ(record_pool_destroy(pool), 4);
}

TEST(an_empty_pool_gives_no_record)
{
	struct record_pool *pool = test_record_pool(1);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(r != NULL);
	EXPECT_EQ(record_pool_room(pool), 0);
	EXPECT(record_create(pool) == NULL);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(sets_drop_duplicates_and_lists_keep_them)
{
	struct record_pool *pool = test_record_pool(64);
	uint8_t ip[2][16] = {{1}, {2}};
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	/* Twice over: the first few by looking at all values, the later ones by the index. */
	for (int i = 0; i < 40; i++) {
		EXPECT(record_add_int(pool, r, test_field(T_INT_SET), i % 10));
		EXPECT(record_add_int(pool, r, test_field(T_INT_UNIQUE), i % 7));
		EXPECT(record_add_int(pool, r, test_field(T_INT_LIST), i % 10));
		EXPECT(record_add_double(pool, r, test_field(T_FLOAT_SET), i % 3 / 2.0));
		EXPECT(record_add_double(pool, r, test_field(T_FLOAT_LIST), i % 3 / 2.0));
		EXPECT(record_add_ip(pool, r, test_field(T_IP_SET), ip[i % 2]));
		EXPECT(add_str(pool, r, T_STR_SET, i % 2 == 0 ? "even" : "odd"));
		EXPECT(add_str(pool, r, T_STR_LIST, "same"));
		EXPECT(add_str(pool, r, T_STR_DIFF, i % 4 < 2 ? "low" : "high"));
	}
	EXPECT_EQ(count(r, T_INT_SET), 10);
	EXPECT_EQ(count(r, T_INT_UNIQUE), 7);
	EXPECT_EQ(count(r, T_INT_LIST), 40);
	EXPECT_EQ(count(r, T_FLOAT_SET), 3);
	EXPECT_EQ(count(r, T_FLOAT_LIST), 40);
	EXPECT_EQ(count(r, T_IP_SET), 2);
	EXPECT_EQ(count(r, T_STR_SET), 2);
	EXPECT_EQ(count(r, T_STR_LIST), 40);
	EXPECT_EQ(count(r, T_STR_DIFF), 20);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(the_same_value_in_another_field_is_another_value)
{
	struct record_pool *pool = test_record_pool(64);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	for (int i = 0; i < 30; i++) {
		EXPECT(record_add_int(pool, r, test_field(T_INT_SET), i));
		EXPECT(record_add_int(pool, r, test_field(T_INT_UNIQUE), i));
	}
	EXPECT_EQ(count(r, T_INT_SET), 30);
	EXPECT_EQ(count(r, T_INT_UNIQUE), 30);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

/* RECORD.md 1.10: 'a', 'a\0b', 'a\0c' are one value of a ghash set; a hash set compares them whole. */
TEST(bytes_after_a_nul_count_in_hash_sets_only)
{
	struct record_pool *pool = test_record_pool(64);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	for (unsigned place = T_STR_SET; place <= T_STR_GHASH; place++) {
		EXPECT(record_add_str(pool, r, test_field(place), "a", 1));
		EXPECT(record_add_str(pool, r, test_field(place), "a\0b", 3));
		EXPECT(record_add_str(pool, r, test_field(place), "a\0c", 3));
		EXPECT(record_add_str(pool, r, test_field(place), "a\0b", 3));
	}
	EXPECT_EQ(count(r, T_STR_SET), 3);
	EXPECT_EQ(count(r, T_STR_GHASH), 1);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(a_field_of_one_value_keeps_the_last)
{
	struct record_pool *pool = test_record_pool(64);
	struct record_iterator it;
	struct record_value v;
	char text[600];
	uint8_t got[2000];
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 50; i++) {
		EXPECT(record_add_int(pool, r, test_field(T_INT), i % 2 == 0 ? i : INT64_MAX - i));
		EXPECT(record_add_str(pool, r, test_field(T_STR), text, 550 + (size_t)i));
	}
	EXPECT_EQ(count(r, T_INT), 1);
	EXPECT_EQ(count(r, T_STR), 1);
	EXPECT_EQ(text_of(r, test_field(T_STR), got, sizeof(got)), 599);
	record_values_begin(r, &it);
	while (record_values_next(&it, &v))
		if (v.field == test_field(T_INT))
			EXPECT(v.integer == INT64_MAX - 49);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(lists_of_integers_hold_32_bits_and_single_ones_64)
{
	struct record_pool *pool = test_record_pool(8);
	struct record_iterator it;
	struct record_value v;
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(record_add_int(pool, r, test_field(T_INT_SET), -1));
	EXPECT(record_add_int(pool, r, test_field(T_INT_SET), UINT32_MAX));
	EXPECT(record_add_int(pool, r, test_field(T_INT), -1));
	record_values_begin(r, &it);
	REQUIRE(record_values_next(&it, &v));
	EXPECT_EQ(v.integer, UINT32_MAX);
	REQUIRE(record_values_next(&it, &v));
	EXPECT_EQ(v.integer, -1);
	EXPECT(!record_values_next(&it, &v));
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(a_value_of_the_wrong_type_is_refused_and_counted)
{
	struct record_pool *pool = test_record_pool(8);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(!record_add_int(pool, r, test_field(T_STR), 1));
	EXPECT(!add_str(pool, r, T_INT, "1"));
	EXPECT(!record_add_double(pool, r, test_field(T_INT), 1));
	EXPECT(!record_add_object(pool, r, test_field(T_STR), "{}", 2));
	EXPECT_EQ(lost("record.value_lost"), 4);
	EXPECT_EQ(r->n_values, 0);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(texts_of_every_length_come_back_whole)
{
	enum { STEP = 37 };
	struct record_pool *pool = test_record_pool(64);
	uint8_t *text = malloc(RECORD_VALUE_BYTES_MAX), *got = malloc(RECORD_VALUE_BYTES_MAX);

	REQUIRE(pool != NULL && text != NULL && got != NULL);
	for (unsigned i = 0; i < RECORD_VALUE_BYTES_MAX; i++)
		text[i] = (uint8_t)(i * 31 + i / 251 + 1);
	for (size_t size = 0; size <= RECORD_VALUE_BYTES_MAX; size += size < 1300 ? 1 : STEP) {
		struct record *r = record_create(pool);

		/* Something in front moves the place where the chunk ends. */
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, size % 90));
		EXPECT(record_add_str(pool, r, test_field(T_STR_LIST), text, size));
		EXPECT_EQ(text_of(r, test_field(T_STR_LIST), got, RECORD_VALUE_BYTES_MAX), size);
		EXPECT(memcmp(got, text, size) == 0);
		record_free(pool, r);
		if (record_pool_used(pool) != 0)
			break;
	}
	EXPECT_EQ(record_pool_destroy(pool), 0);
	free(text);
	free(got);
}

TEST(long_texts_are_found_again_in_sets)
{
	struct record_pool *pool = test_record_pool(512);
	char *text = malloc(RECORD_VALUE_BYTES_MAX);
	struct record *r;

	REQUIRE(pool != NULL && text != NULL);
	memset(text, 'a', RECORD_VALUE_BYTES_MAX);
	r = record_create(pool);
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < 20; i++) {
			text[i * 800] = 'b'; /* differs deep inside the text, in another piece each time */
			EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, RECORD_VALUE_BYTES_MAX - 50));
			text[i * 800] = 'a';
		}
	EXPECT_EQ(count(r, T_STR_SET), 20);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
	free(text);
}

TEST(a_text_that_is_too_long_is_cut_and_tagged)
{
	struct record_pool *pool = test_record_pool(64);
	uint8_t *text = calloc(1, RECORD_VALUE_BYTES_MAX + 1), *got = malloc(RECORD_VALUE_BYTES_MAX + 1);
	uint8_t tag[64];
	struct record *r;
	size_t n;

	REQUIRE(pool != NULL && text != NULL && got != NULL);
	memset(text, 'x', RECORD_VALUE_BYTES_MAX + 1);
	r = record_create(pool);
	EXPECT(record_add_str(pool, r, test_field(T_STR_LIST), text, RECORD_VALUE_BYTES_MAX));
	EXPECT_EQ(text_of(r, field_find("tags"), tag, sizeof(tag)), 0);
	EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, RECORD_VALUE_BYTES_MAX + 1));
	EXPECT_EQ(text_of(r, test_field(T_STR_SET), got, RECORD_VALUE_BYTES_MAX + 1), RECORD_VALUE_BYTES_MAX);
	n = text_of(r, field_find("tags"), tag, sizeof(tag));
	EXPECT_EQ(n, strlen("truncated-field-strSet"));
	EXPECT(memcmp(tag, "truncated-field-strSet", n) == 0);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
	free(text);
	free(got);
}

/* With every pool size a record either holds a value or counts it as lost, and all chunks come back. */
TEST(what_does_not_fit_into_the_pool_is_counted)
{
	char text[700];

	memset(text, 'x', sizeof(text));
	for (uint32_t chunks = 1; chunks < 40; chunks++) {
		struct record_pool *pool = test_record_pool(chunks);
		struct record *r = record_create(pool);
		unsigned kept = 0;

		REQUIRE(pool != NULL && r != NULL);
		for (unsigned i = 0; i < 300; i++) {
			memcpy(text, &i, sizeof(i));
			kept += record_add_str(pool, r, test_field(T_STR_SET), text, i % 5 == 0 ? sizeof(text) : 9);
			kept += record_add_int(pool, r, test_field(T_INT_SET), i);
			kept += record_add_int(pool, r, test_field(T_INT_LIST + i % 2), i);
		}
		EXPECT(kept > 0);
		EXPECT_EQ(kept + lost("record.value_lost"), 900);
		/* Even i in T_INT_SET twice: said to be kept, stored once. */
		EXPECT(count(r, T_STR_SET) + count(r, T_INT_SET) + count(r, T_INT_LIST) == r->n_values);
		EXPECT_EQ(record_pool_used(pool), r->chunks);
		record_free(pool, r);
		EXPECT_EQ(record_pool_destroy(pool), 0);
	}
}

TEST(only_linked_fields_are_carried_over_a_mid_save)
{
	struct record_pool *pool = test_record_pool(256);
	char text[3000];
	uint8_t got[4000];
	struct record *r, *next;
	bool lost = true;

	REQUIRE(pool != NULL);
	memset(text, 'y', sizeof(text));
	r = record_create(pool);
	EXPECT(record_carry_linked(pool, r, &lost) == NULL);
	EXPECT(!lost);
	EXPECT(add_str(pool, r, T_STR_SET, "gone"));
	EXPECT(record_carry_linked(pool, r, &lost) == NULL);
	EXPECT(record_add_str(pool, r, test_field(T_STR_LINKED), text, sizeof(text)));
	for (int i = 0; i < 30; i++)
		EXPECT(record_add_int(pool, r, test_field(T_INT_LINKED), i));
	next = record_carry_linked(pool, r, &lost);
	REQUIRE(next != NULL);
	EXPECT(!lost);
	EXPECT_EQ(count(next, T_STR_SET), 0);
	EXPECT_EQ(count(next, T_STR_LINKED), 1);
	EXPECT_EQ(count(next, T_INT_LINKED), 30);
	EXPECT_EQ(text_of(next, test_field(T_STR_LINKED), got, sizeof(got)), sizeof(text));
	EXPECT(memcmp(got, text, sizeof(text)) == 0);
	record_free(pool, r);
	record_free(pool, next);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(a_carry_that_finds_the_pool_empty_says_so)
{
	struct record_pool *pool = test_record_pool(1);
	struct record *r;
	bool lost = false;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(add_str(pool, r, T_STR_LINKED, "kept"));
	EXPECT(record_carry_linked(pool, r, &lost) == NULL);
	EXPECT(lost);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

/* RECORD.md 1.8: the name without its group, plus 6 + 2 * length for each text really added; more than 20000. */
TEST(a_field_of_20000_estimated_bytes_wants_a_mid_save)
{
	struct record_pool *pool = test_record_pool(256);
	char text[128];
	struct record *r;
	unsigned n = 0, expected = 0, bytes = (unsigned)strlen("strSet");

	REQUIRE(pool != NULL);
	memset(text, 'z', sizeof(text));
	while (bytes <= 20000) {
		bytes += 6 + 2 * 100;
		expected++;
	}
	r = record_create(pool);
	/* Another field does not count. */
	for (unsigned i = 0; i < 1000; i++)
		EXPECT(record_add_int(pool, r, test_field(T_INT_SET), i));
	EXPECT(!record_wants_mid_save(r));
	while (!record_wants_mid_save(r) && n < 1000) {
		memcpy(text, &n, sizeof(n));
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, 100));
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, 100)); /* a duplicate adds nothing */
		n++;
	}
	EXPECT_EQ(n, expected);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(one_huge_text_wants_a_mid_save_and_objects_never)
{
	struct record_pool *pool = test_record_pool(256);
	char *text = malloc(30000);
	struct record *r;

	REQUIRE(pool != NULL && text != NULL);
	memset(text, '1', 30000);
	r = record_create(pool);
	EXPECT(record_add_object(pool, r, test_field(T_OBJECT), text, 30000));
	EXPECT(!record_wants_mid_save(r));
	EXPECT(record_add_str(pool, r, test_field(T_STR_LINKED), text, 12000));
	EXPECT(record_wants_mid_save(r));
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
	free(text);
}

/* Else the next value would want the next mid-save. */
TEST(a_field_that_fills_half_of_what_wants_a_mid_save_is_not_carried_and_others_are)
{
	struct record_pool *pool = test_record_pool(256);
	char text[100];
	struct record *r, *next;
	bool lost;

	REQUIRE(pool != NULL);
	memset(text, 'z', sizeof(text));
	r = record_create(pool);
	EXPECT(record_add_int(pool, r, test_field(T_INT_LINKED), 1));
	for (unsigned n = 0; !record_wants_mid_save(r) && n < 1000; n++) {
		memcpy(text, &n, sizeof(n));
		EXPECT(record_add_str(pool, r, test_field(T_STR_LINKED), text, sizeof(text)));
	}
	next = record_carry_linked(pool, r, &lost);
	REQUIRE(next != NULL);
	EXPECT(!lost);
	EXPECT_EQ(count(next, T_INT_LINKED), 1);
	EXPECT_EQ(count(next, T_STR_LINKED), 0);
	record_free(pool, r);
	for (unsigned n = 0; n < 40; n++) {
		memcpy(text, &n, sizeof(n));
		EXPECT(record_add_str(pool, next, test_field(T_STR_LINKED), text, sizeof(text)));
	}
	EXPECT(!record_wants_mid_save(next));
	r = record_carry_linked(pool, next, &lost);
	REQUIRE(r != NULL);
	EXPECT_EQ(count(r, T_STR_LINKED), 40);
	record_free(pool, next);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

static double
cost_of_distinct(const void *what, size_t n)
{
	struct record_pool *pool = (struct record_pool *)(uintptr_t)what;
	struct record *r = record_create(pool);
	double begin = test_cpu_seconds(), took;
	char text[32];

	for (size_t i = 0; i < n; i++)
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text,
				      (size_t)snprintf(text, sizeof(text), "value-%zu", i)));
	took = test_cpu_seconds() - begin;
	EXPECT_EQ(r->n_values, n);
	record_free(pool, r);
	return took;
}

/* Eight times the values: linear is 8, quadratic 64. Caches and a busy machine make it up to 20, so the bound lies
 * between. */
TEST(adding_more_distinct_values_takes_time_in_proportion)
{
	enum { FEW = 12500, TIMES = 8, BOUND = 28 };
	struct record_pool *pool = test_record_pool(20000);

	REQUIRE(pool != NULL);
	EXPECT(test_grows_at_most(cost_of_distinct, pool, FEW, (size_t)TIMES * FEW, BOUND, 0));
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(positions_come_back_in_order_with_their_files)
{
	static const struct record_position in[] = {
		{0, 24, 0},   {0, 100, 76}, {0, 176, 65551},
		{7, 24, 100}, {7, 24, 0},   {7, UINT64_C(1) << 60, 16},
		{8, 10, 16},  {7, 5, 17},   {UINT32_MAX, 99, UINT32_MAX},
	};
	struct record_pool *pool = test_record_pool(64);
	struct record_position_iterator it;
	struct record_position p;
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	for (int round = 0; round < 100; round++)
		for (unsigned i = 0; i < sizeof(in) / sizeof(in[0]); i++)
			EXPECT(record_add_position(pool, r, in[i].file, in[i].position, in[i].length));
	record_positions_begin(r, &it);
	for (int round = 0; round < 100; round++)
		for (unsigned i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
			REQUIRE(record_positions_next(&it, &p));
			EXPECT_EQ(p.file, in[i].file);
			EXPECT_EQ(p.position, in[i].position);
			EXPECT_EQ(p.length, in[i].length);
		}
	EXPECT(!record_positions_next(&it, &p));
	EXPECT_EQ(r->n_positions, 100 * sizeof(in) / sizeof(in[0]));
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

/* Whatever groups they come in, over the ends of chunks. */
TEST(positions_added_by_their_distances_are_those_added_one_by_one)
{
	enum { N = 1000, LARGEST_GROUP = 70 };
	struct record_pool *pool = test_record_pool(64);
	struct record *one = record_create(pool), *many = record_create(pool);
	struct record_position_iterator a, b;
	struct record_position p, q;
	uint32_t gap[N];

	EXPECT(record_add_position(pool, one, 4, 24, 0) && record_add_position(pool, many, 4, 24, 0));
	for (unsigned i = 0; i < N; i++) {
		gap[i] = i % 7 == 0 ? RECORD_GAP_MAX : i + 1;
		EXPECT(record_add_position(pool, one, 4, one->position_last + gap[i], 0));
	}
	for (unsigned i = 0, n = 0; i < N; i += n) {
		n = 1 + i % LARGEST_GROUP < N - i ? 1 + i % LARGEST_GROUP : N - i;
		EXPECT(record_add_gaps(pool, many, &gap[i], n));
	}
	EXPECT_EQ(many->n_positions, N + 1);
	EXPECT_EQ(many->position_last, one->position_last);
	EXPECT_EQ(many->chunks, one->chunks);
	record_positions_begin(one, &a);
	record_positions_begin(many, &b);
	while (record_positions_next(&a, &p)) {
		REQUIRE(record_positions_next(&b, &q));
		EXPECT_EQ(q.file, 4);
		EXPECT_EQ(q.position, p.position);
	}
	EXPECT(!record_positions_next(&b, &q));
	record_free(pool, one);
	record_free(pool, many);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(distances_without_a_chunk_are_counted_as_lost)
{
	enum { N = 1000 };
	static uint32_t gap[N];
	struct record_pool *pool = test_record_pool(1);
	struct record *r = record_create(pool);
	uint64_t before = lost("record.position_lost");

	for (unsigned i = 0; i < N; i++)
		gap[i] = 100;
	EXPECT(record_add_position(pool, r, 4, 24, 0));
	EXPECT(!record_add_gaps(pool, r, gap, N));
	EXPECT(r->n_positions > 1);
	EXPECT_EQ(lost("record.position_lost") - before, N + 1 - r->n_positions);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(a_typical_record_is_one_chunk)
{
	struct record_pool *pool = test_record_pool(4);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(add_str(pool, r, T_STR_SET, "00:11:22:33:44:55"));
	EXPECT(add_str(pool, r, T_STR_LINKED, "00:11:22:33:44:66"));
	EXPECT(record_add_int(pool, r, test_field(T_INT_SET), 64));
	EXPECT(record_add_int(pool, r, test_field(T_INT_UNIQUE), 57));
	for (unsigned i = 0; i < 40; i++)
		EXPECT(record_add_position(pool, r, 101, 1000000 + i * 150000, 0));
	EXPECT_EQ(r->chunks, 1);
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

/* RECORD.md 1.10: texts with a dot by the rules of inet_aton, others must be a complete IPv6 literal. */
TEST(addresses_given_as_text_are_read_as_the_reference_does)
{
	static const struct {
		const char *text;
		bool good;
		uint8_t last;
	} cases[] = {
		{"1.2.3.4", true, 4}, {"1.2", true, 2},	      {"1.2.3.4 more", true, 4},    {" 1.2.3.4", false, 0},
		{"::1", true, 1},     {"::1 more", false, 0}, {"::ffff:1.2.3.4", false, 0}, {"", false, 0},
		{"12", false, 0},     {"fe80::7", true, 7},
	};
	struct record_pool *pool = test_record_pool(4);

	REQUIRE(pool != NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct record *r = record_create(pool);
		struct record_iterator it;
		struct record_value v = {0};

		EXPECT(record_add_ip_text(pool, r, test_field(T_IP), cases[i].text, strlen(cases[i].text)) ==
		       cases[i].good);
		record_values_begin(r, &it);
		EXPECT(record_values_next(&it, &v) == cases[i].good);
		EXPECT_EQ(v.ip[15], cases[i].last);
		record_free(pool, r);
	}
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

TEST(random_ids_differ_and_sequential_ids_count_up)
{
	struct record_id_source source;
	uint8_t a[16], b[16];

	REQUIRE(record_id_init(&source, false, "node", 1) == 0);
	record_id_next(&source, a);
	record_id_next(&source, b);
	EXPECT(memcmp(a, b, 16) != 0);
	REQUIRE(record_id_init(&source, true, "node", 5) == 0);
	memset(source.last + 6, 0xff, 10);
	source.last[5] = 0x41;
	record_id_next(&source, a);
	EXPECT_EQ(a[4], 5);
	EXPECT_EQ(a[5], 0x42);
	EXPECT_EQ(a[15], 0);
	record_id_next(&source, b);
	EXPECT(memcmp(a, b, 15) == 0);
	EXPECT_EQ(b[15], 1);
}

#if POISON_ENABLED
TEST(bytes_of_a_record_given_back_and_unused_bytes_of_a_chunk_are_poisoned)
{
	struct record_pool *pool = test_record_pool(4);
	struct record *r;

	REQUIRE(pool != NULL);
	r = record_create(pool);
	EXPECT(!__asan_address_is_poisoned(&r->summary));
	EXPECT(__asan_address_is_poisoned((char *)r + RECORD_CHUNK_BYTES - 1));
	EXPECT(add_str(pool, r, T_STR_LIST, "12345678"));
	EXPECT(!__asan_address_is_poisoned(r->values_first->bytes + 11));
	EXPECT(__asan_address_is_poisoned(r->values_first->bytes + 16));
	record_free(pool, r);
	EXPECT(__asan_address_is_poisoned(&r->summary));
	EXPECT_EQ(record_pool_destroy(pool), 0);
}
#endif
