/* The field tables, joined.
 *
 * Ids are given in the order of the db names, so a field's rank in the document is its id and nobody sorts texts while
 * a record is written. The price: ids exist only after the last table is known (parsers and plugins are loaded first),
 * and a field cannot be added later. Look-ups by text serve start-up, rules and commands; they are an open-addressing
 * table each, by db name and by expression. */
#include "field.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { FIELDS_MAX = 16384 };

/* One table's row on its way to an id. */
struct row {
	const struct field *field;
	const struct field_table *table;
	unsigned place;
};

struct text_index {
	uint32_t mask;
	field_id *slot;
};

struct table_ids {
	const struct field_table *table;
	field_id *ids;
};

/* All tables, from the link and from the sources. */
struct table_list {
	const struct field_table **table;
	unsigned n, capacity;
	bool failed;
};

static bool ready;
static unsigned n_fields;
static const struct field **field_by_id;
static uint16_t *tail_bytes_by_id;
static struct text_index by_name, by_expression;
static struct table_ids *tables;
static unsigned n_tables;

static const char *const type_names[] = {
	[FIELD_NONE] = "none",
	[FIELD_INT] = "int",
	[FIELD_INT_LIST] = "int list",
	[FIELD_INT_SET] = "int set",
	[FIELD_INT_LIST_UNIQUE] = "int list unique",
	[FIELD_FLOAT] = "float",
	[FIELD_FLOAT_LIST] = "float list",
	[FIELD_FLOAT_SET] = "float set",
	[FIELD_STR] = "str",
	[FIELD_STR_LIST] = "str list",
	[FIELD_STR_SET] = "str set",
	[FIELD_IP] = "ip",
	[FIELD_IP_SET] = "ip set",
	[FIELD_OBJECT] = "object",
};

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_definition(const struct field *a, const struct field *b)
{
	return same_text(a->name, b->name) && same_text(a->expression, b->expression) &&
	       same_text(a->group, b->group) && same_text(a->kind, b->kind) && a->type == b->type &&
	       a->flags == b->flags && same_text(a->friendly, b->friendly) && same_text(a->extra, b->extra);
}

static uint32_t
text_hash(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619U;
	return hash;
}

static const char *
field_key(field_id id, bool expression)
{
	const struct field *f = field_by_id[id]; /* every id that is in an index has one */

	return expression ? f->expression : f->name; // NOLINT(clang-analyzer-core.NullDereference): see above
}

static field_id
index_find(const struct text_index *index, const char *text, bool expression)
{
	uint32_t i;

	if (index->slot == NULL)
		return 0;
	for (i = text_hash(text) & index->mask; index->slot[i] != 0; i = (i + 1) & index->mask)
		if (strcmp(field_key(index->slot[i], expression), text) == 0)
			return index->slot[i];
	return 0;
}

static bool
index_build(struct text_index *index, bool expression)
{
	uint32_t size = 16;

	while (size < 2 * n_fields)
		size *= 2;
	index->slot = calloc(size, sizeof(index->slot[0]));
	if (index->slot == NULL)
		return false;
	index->mask = size - 1;
	for (field_id id = 1; id <= n_fields; id++) {
		const char *text = field_key(id, expression);
		uint32_t i = text_hash(text) & index->mask;

		if (index_find(index, text, expression) != 0) {
			LOG_ERROR("field.duplicate", "expression=%s field=%s other=%s", text, field_by_id[id]->name,
				  field_by_id[index_find(index, text, expression)]->name);
			return false;
		}
		while (index->slot[i] != 0)
			i = (i + 1) & index->mask;
		index->slot[i] = id;
	}
	return true;
}

static void
list_add(void *context, const struct field_table *table)
{
	struct table_list *list = context;

	if (list->n == list->capacity) {
		unsigned capacity = list->capacity * 2 + 64;
		const struct field_table **grown = realloc(list->table, capacity * sizeof(list->table[0]));

		if (grown == NULL) {
			list->failed = true;
			return;
		}
		list->table = grown;
		list->capacity = capacity;
	}
	list->table[list->n++] = table;
}

static void
list_tables(struct table_list *list)
{
	REGISTRY_FOREACH (field_table, struct field_table, table)
		list_add(list, *table);
	REGISTRY_FOREACH (field_source, struct field_source, source)
		(*source)->each(list_add, list);
}

static unsigned
count_rows(const struct table_list *list)
{
	unsigned n = 0;

	for (unsigned i = 0; i < list->n; i++)
		n += list->table[i]->n_fields;
	return n;
}

static void
collect_rows(const struct table_list *list, struct row *rows)
{
	unsigned n = 0;

	for (unsigned i = 0; i < list->n; i++)
		for (unsigned place = 0; place < list->table[i]->n_fields; place++)
			rows[n++] = (struct row){&list->table[i]->fields[place], list->table[i], place};
}

static bool
create_table_ids(const struct table_list *list)
{
	tables = calloc(list->n + 1, sizeof(tables[0]));
	if (tables == NULL)
		return false;
	for (unsigned i = 0; i < list->n; i++) {
		struct table_ids *t = &tables[n_tables];

		t->table = list->table[i];
		t->ids = calloc(t->table->n_fields + 1, sizeof(t->ids[0]));
		if (t->ids == NULL)
			return false;
		n_tables++;
	}
	return true;
}

static struct table_ids *
table_find(const struct field_table *table)
{
	for (unsigned i = 0; i < n_tables; i++)
		if (tables[i].table == table)
			return &tables[i];
	return NULL;
}

static bool
is_reference(const struct field *f)
{
	return f->expression == NULL;
}

/* Definitions before references to them. */
static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int names = strcmp(x->field->name, y->field->name);

	return names != 0 ? names : is_reference(x->field) - is_reference(y->field);
}

/* Rows are sorted by name: equal ones are neighbours. */
static bool
assign_ids(const struct row *rows, unsigned n_rows)
{
	bool agree = true, defined = false;

	for (unsigned i = 0; i < n_rows; i++) {
		if (i == 0 || strcmp(rows[i].field->name, rows[i - 1].field->name) != 0) {
			defined = !is_reference(rows[i].field);
			if (defined)
				field_by_id[++n_fields] = rows[i].field;
		}
		if (!defined) {
			/* Whoever has it is not there: a plugin without the other. Its values are not recorded. */
			LOG_WARN("field.undefined", "field=%s table=%s", rows[i].field->name, rows[i].table->name);
			continue;
		}
		if (!is_reference(rows[i].field) && !same_definition(rows[i].field, field_by_id[n_fields])) {
			LOG_ERROR("field.conflict", "field=%s table=%s", rows[i].field->name, rows[i].table->name);
			agree = false;
		}
		table_find(rows[i].table)->ids[rows[i].place] = (field_id)n_fields;
	}
	return agree;
}

/* Asked for with each field of each record. */
static void
measure_tails(void)
{
	for (field_id id = 1; id <= n_fields; id++)
		tail_bytes_by_id[id] = (uint16_t)strlen(field_tail(field_by_id[id]));
}

static bool
init_from(const struct table_list *list, struct row *rows, unsigned n_rows)
{
	if (n_rows >= FIELDS_MAX) {
		LOG_ERROR("field.too_many", "fields=%u max=%d", n_rows, FIELDS_MAX);
		return false;
	}
	field_by_id = calloc(n_rows + 1, sizeof(const struct field *));
	tail_bytes_by_id = calloc(n_rows + 1, sizeof(uint16_t));
	if (field_by_id == NULL || tail_bytes_by_id == NULL || !create_table_ids(list))
		return false;
	collect_rows(list, rows);
	qsort(rows, n_rows, sizeof(rows[0]), compare_rows);
	if (!assign_ids(rows, n_rows))
		return false;
	measure_tails();
	return index_build(&by_name, false) && index_build(&by_expression, true);
}

bool
fields_init(void)
{
	struct table_list list = {0};
	struct row *rows;
	unsigned n_rows;

	if (ready)
		return true;
	list_tables(&list);
	n_rows = count_rows(&list);
	rows = calloc(n_rows + 1, sizeof(rows[0]));
	if (rows != NULL && !list.failed)
		ready = init_from(&list, rows, n_rows);
	free(rows);
	free(list.table);
	return ready;
}

void
fields_reset(void)
{
	for (unsigned i = 0; i < n_tables; i++)
		free(tables[i].ids);
	free(tables);
	free(field_by_id);
	free(tail_bytes_by_id);
	free(by_name.slot);
	free(by_expression.slot);
	tables = NULL;
	field_by_id = NULL;
	tail_bytes_by_id = NULL;
	by_name = by_expression = (struct text_index){0};
	n_tables = n_fields = 0;
	ready = false;
}

unsigned
fields_count(void)
{
	return n_fields;
}

const struct field *
field_at(field_id id)
{
	return field_by_id[id];
}

const char *
field_tail(const struct field *f)
{
	const char *dot = strchr(f->name, '.');

	return dot != NULL ? dot + 1 : f->name;
}

unsigned
field_tail_bytes(field_id id)
{
	return tail_bytes_by_id[id];
}

const field_id *
field_ids(const struct field_table *table)
{
	const struct table_ids *t = table_find(table);

	return t != NULL ? t->ids : NULL;
}

field_id
field_find(const char *name)
{
	return index_find(&by_name, name, false);
}

field_id
field_find_expression(const char *expression)
{
	return index_find(&by_expression, expression, true);
}

unsigned
field_rank(field_id id)
{
	return id;
}

void
fields_list(FILE *out)
{
	for (field_id id = 1; id <= n_fields; id++) {
		const struct field *f = field_by_id[id];

		fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", f->expression, f->name, type_names[f->type], f->group, f->kind,
			f->help);
	}
}
