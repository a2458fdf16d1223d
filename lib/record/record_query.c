/* What a record holds already, and taking values out again.
 *
 * A record without an index has at most INDEX_FROM_VALUES values: all are looked at. Removal is for parsers that find
 * out that they were wrong; it always looks at all. Values that are taken out stay as dead bytes: the chunks are given
 * back with the record. */
#include "record_priv.h"

static struct value_head *
next_of_field(struct value_walk *walk, field_id field)
{
	struct value_head *head;

	while ((head = value_walk_next(walk)) != NULL)
		if (head->field == field && head->kind != VALUE_DEAD && !walk->continues)
			return head;
	return NULL;
}

bool
record_has(const struct record_pool *pool, const struct record *r, field_id field)
{
	struct value_walk walk = {.chunk = r->values_first};
	const struct field_slot *slot;

	if (r->index == NULL)
		return record_may_have(r, field) && next_of_field(&walk, field) != NULL;
	slot = record_index_slot(pool, r, field);
	return slot != NULL && slot->last != 0;
}

bool
record_has_str(const struct record_pool *pool, const struct record *r, field_id field, const void *text, size_t size)
{
	struct value v = {.field = field, .kind = VALUE_STR, .bytes = text, .size = (uint32_t)size};
	struct value_walk walk = {.chunk = r->values_first};
	struct value_head *head;

	if (size > RECORD_VALUE_BYTES_MAX)
		return false;
	if (r->index != NULL && field_is_set(field_at(field)))
		return record_index_find(pool, r, &v, record_index_hash(pool, &v)) != NULL;
	if (!record_may_have(r, field))
		return false;
	while ((head = next_of_field(&walk, field)) != NULL)
		if (value_equal(r, head, &v))
			return true;
	return false;
}

/* 'only' NULL: every value of the field. */
static void
remove_values(struct record_pool *pool, struct record *r, field_id field, const struct value *only)
{
	struct field_slot *slot = r->index != NULL ? record_index_slot(pool, r, field) : NULL;
	struct value_walk walk = {.chunk = r->values_first};
	struct value_head *head, *last = NULL;

	while ((head = next_of_field(&walk, field)) != NULL) {
		if (only != NULL && !value_equal(r, head, only)) {
			last = head;
			continue;
		}
		value_kill(r, head);
		r->n_values--;
	}
	if (slot != NULL)
		slot->last = last != NULL ? reference_of(pool, last) : 0;
}

void
record_remove(struct record_pool *pool, struct record *r, field_id field)
{
	remove_values(pool, r, field, NULL);
}

void
record_remove_str(struct record_pool *pool, struct record *r, field_id field, const void *text, size_t size)
{
	struct value v = {.field = field, .kind = VALUE_STR, .bytes = text, .size = (uint32_t)size};

	remove_values(pool, r, field, &v);
}
