/* Fields that only the tests of lib/record know, one of each type. */
#ifndef RECORD_FIELDS_H
#define RECORD_FIELDS_H

#include "counters.h"
#include "record.h"

enum {
	T_INT,
	T_INT_LIST,
	T_INT_SET,
	T_INT_UNIQUE,
	T_FLOAT,
	T_FLOAT_SET,
	T_STR,
	T_STR_LIST,
	T_STR_DIFF,
	T_STR_SET,
	T_STR_GHASH,
	T_STR_UTF8,
	T_STR_LINKED,
	T_IP,
	T_IP_SET,
	T_IP_DOTTED,
	T_OBJECT,
	T_INT_LINKED,
	T_FLOAT_LIST,
	T_FIELDS
};

/* The id of one of them. */
field_id test_field(unsigned);
struct record_pool *test_record_pool(uint32_t max_chunks);
extern struct counters test_record_counters;

#endif
