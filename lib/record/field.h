/* Fields: what a record may say, one table beside each user (names and meaning: spec/FIELDS.tsv).
 *
 * A library or parser defines a const table and registers it; places in a table are local to it, and field_ids() turns
 * them into process-wide ids, fixed at fields_init(). From the same tables come the records, --list-fields, the fields
 * documents and the index templates.
 *
 * Threads: read-only after fields_init(). */
#ifndef FIELD_H
#define FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "registry.h"

enum field_type {
	FIELD_NONE, /* only a fields document; nothing is stored under it */
	FIELD_INT,
	FIELD_INT_LIST,
	FIELD_INT_SET,
	FIELD_INT_LIST_UNIQUE,
	FIELD_FLOAT,
	FIELD_FLOAT_LIST,
	FIELD_FLOAT_SET,
	FIELD_STR,
	FIELD_STR_LIST,
	FIELD_STR_SET,
	FIELD_IP,
	FIELD_IP_SET,
	FIELD_OBJECT,
};

enum field_flags {
	FIELD_COUNT = 1 << 0,	  /* NAMECnt beside the array */
	FIELD_ECS_COUNT = 1 << 1, /* NAME-cnt */
	FIELD_LINKED = 1 << 2,	  /* kept over a mid-save */
	FIELD_FORCE_UTF8 = 1 << 3,
	FIELD_NO_DB = 1 << 4, /* no fields document */
	FIELD_FAKE = 1 << 5,
	FIELD_NO_SAVE = 1 << 6, /* written by the document writer itself, not in the sorted part */
	FIELD_DIFF_FROM_LAST = 1 << 7,
	FIELD_IP_PREFIX = 1 << 8,
	/* Texts end at their first NUL, so "a" and "a\0b" are one value of a set (the reference's ghash sets; its
	 * hash sets compare the whole text and print only what comes before the NUL). */
	FIELD_TO_NUL = 1 << 9,
};

struct field {
	const char *name;	/* db name: "network.vlan.id" */
	const char *expression; /* viewer expression: "vlan" */
	const char *group;	/* "general" */
	const char *kind;	/* "integer", "termfield", "lotermfield", "ip", ... */
	enum field_type type;
	uint32_t flags;
	const char *friendly; /* "VLAN" */
	const char *help;
	const char *extra; /* further key=value pairs of the fields document, as FIELDS.tsv has them; or NULL */
};

struct field_table {
	const char *name; /* of the library or parser */
	const struct field *fields;
	unsigned n_fields;
};
REGISTRY_DECLARE(field_table, struct field_table);

#define FIELDS(name_, table)                                                                                           \
	static const struct field_table name_##_field_table = {                                                        \
		.name = #name_, .fields = table, .n_fields = sizeof(table) / sizeof(table[0])};                        \
	REGISTRY_ADD(field_table, name_##_field_table)

/* A row with a name and nothing else refers to the definition that another table has. */

/* Tables that are not objects of the link: parsers carry theirs in their descriptors, and configuration adds some. A
 * source is asked once, by fields_init(). 'each' calls add() for every table; they live as long as the process. */
struct field_source {
	void (*each)(void (*add)(void *context, const struct field_table *), void *context);
};
REGISTRY_DECLARE(field_source, struct field_source);

typedef uint16_t field_id; /* 0: none */

/* Assigns ids and output order. The same field in two tables is one field when the definitions agree; false and a log
 * line when they do not. Idempotent. */
bool fields_init(void);

/* Forgets all ids, so that fields_init() sees tables that came since. For tests; nothing that knows ids may live on. */
void fields_reset(void);

unsigned fields_count(void); /* ids are 1 .. count, in the order of field_rank() */
const struct field *field_at(field_id);
const char *field_tail(const struct field *); /* the db name without its first word: "vlan.id" */
unsigned field_tail_bytes(field_id);	      /* its length */

/* The ids of a table's rows, in the table's order; NULL for a table that is not registered. */
const field_id *field_ids(const struct field_table *);
field_id field_find(const char *name); /* by db name; 0: none */
field_id field_find_expression(const char *expression);
unsigned field_rank(field_id); /* place in the order by db name (strcmp) */

/* --list-fields: one line a field, tab separated: expression, db name, type, group, kind, help. */
void fields_list(FILE *);

#endif
