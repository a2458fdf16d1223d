/* Fields and pools for the tests of lib/record. */
#include "record_fields.h"
#include "test.h"

#define ROW(place, name, type, flags) [place] = {name, name, "test", "termfield", type, flags, name, name, NULL}
static const struct field test_fields[T_FIELDS] = {
	ROW(T_INT, "zt.int", FIELD_INT, 0),
	ROW(T_INT_LIST, "zt.intList", FIELD_INT_LIST, 0),
	ROW(T_INT_SET, "zt.intSet", FIELD_INT_SET, FIELD_COUNT),
	ROW(T_INT_UNIQUE, "zt.intUnique", FIELD_INT_LIST_UNIQUE, FIELD_COUNT),
	ROW(T_FLOAT, "zt.float", FIELD_FLOAT, 0),
	ROW(T_FLOAT_SET, "zt.floatSet", FIELD_FLOAT_SET, 0),
	ROW(T_STR, "ztStr", FIELD_STR, 0),
	ROW(T_STR_LIST, "zt.strList", FIELD_STR_LIST, FIELD_COUNT),
	ROW(T_STR_DIFF, "zt.strDiff", FIELD_STR_LIST, FIELD_DIFF_FROM_LAST),
	ROW(T_STR_SET, "zt.strSet", FIELD_STR_SET, FIELD_ECS_COUNT),
	ROW(T_STR_GHASH, "zt.strGhash", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL),
	ROW(T_STR_UTF8, "zt.strUtf8", FIELD_STR_LIST, FIELD_FORCE_UTF8),
	ROW(T_STR_LINKED, "zt.strLinked", FIELD_STR_SET, FIELD_LINKED | FIELD_COUNT),
	ROW(T_IP, "zt.ip", FIELD_IP, 0),
	ROW(T_IP_SET, "ztSetIp", FIELD_IP_SET, FIELD_COUNT),
	ROW(T_IP_DOTTED, "zt.other.ip", FIELD_IP_SET, FIELD_COUNT),
	ROW(T_OBJECT, "ztObject", FIELD_OBJECT, FIELD_COUNT | FIELD_NO_DB),
	ROW(T_INT_LINKED, "zt.intLinked", FIELD_INT_SET, FIELD_LINKED | FIELD_COUNT),
	ROW(T_FLOAT_LIST, "zt.floatList", FIELD_FLOAT_LIST, 0),
};
FIELDS(record_test, test_fields);

struct counters test_record_counters;

field_id
test_field(unsigned place)
{
	if (!fields_init())
		return 0;
	return field_ids(&record_test_field_table)[place];
}

struct record_pool *
test_record_pool(uint32_t max_chunks)
{
	memset(&test_record_counters, 0, sizeof(test_record_counters));
	return fields_init() ? record_pool_create(max_chunks, 3, &test_record_counters) : NULL;
}

TEST(a_table_of_a_library_gets_ids_in_name_order)
{
	for (unsigned i = 0; i < T_FIELDS; i++) {
		EXPECT(test_field(i) != 0);
		EXPECT_STR(field_at(test_field(i))->name, test_fields[i].name);
		EXPECT_EQ(field_find(test_fields[i].name), test_field(i));
		EXPECT_EQ(field_find_expression(test_fields[i].expression), test_field(i));
	}
	EXPECT(field_rank(test_field(T_INT)) < field_rank(test_field(T_STR)));
}
