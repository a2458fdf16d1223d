/* The part of a document that comes from field values.
 *
 * The values of a record lie in the order they were found; a document wants them by field. One pass links each value to
 * the list of its field and sets the field's bit; walking the bits then gives the fields in the order of their names,
 * because that is how ids are given. So nothing is sorted, and a record costs as many steps as it has values. */
#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "document_priv.h"

enum { ADDRESSES_MAX = 2000, FIRST_ENTRIES = 256 };

static struct key_text
make_key(struct arena *arena, const char *before, const char *name, size_t length, const char *after)
{
	size_t size = strlen(before) + length + strlen(after);
	char *text = arena_alloc(arena, size + 1 > KEY_BYTES ? size + 1 : KEY_BYTES);

	if (text != NULL)
		snprintf(text, size + 1, "%s%.*s%s", before, (int)length, name, after);
	return (struct key_text){text, (uint16_t)size};
}

static const char *
count_suffix(const struct field *field)
{
	return (field->flags & FIELD_ECS_COUNT) != 0 ? "-cnt\":" : "Cnt\":";
}

static bool
make_field_text(struct arena *arena, const struct field *field, struct field_text *t)
{
	const char *dot = strchr(field->name, '.'), *tail = dot != NULL ? dot + 1 : field->name;
	size_t length = strlen(tail), stem = length >= 2 ? length - 2 : 0;
	bool counted = (field->flags & (FIELD_COUNT | FIELD_ECS_COUNT)) != 0;

	t->field = field;
	if (dot != NULL) {
		t->group = arena_strndup(arena, field->name, (size_t)(dot - field->name));
		t->open = make_key(arena, "\"", field->name, (size_t)(dot - field->name), "\":{");
	}
	t->name = make_key(arena, "\"", tail, length, "\":");
	if (counted)
		t->count = make_key(arena, "\"", tail, length, count_suffix(field));
	/* RECORD.md 1.10: named after the field without its last two letters, "ip" or "Ip". */
	t->geo = make_key(arena, "\"", tail, stem, "GEO\":");
	t->asn = make_key(arena, "\"", tail, stem, "ASN\":");
	t->rir = make_key(arena, "\"", tail, stem, "RIR\":");
	return t->name.text != NULL && t->rir.text != NULL && (!counted || t->count.text != NULL) &&
	       (dot == NULL || (t->group != NULL && t->open.text != NULL));
}

int
fields_text_create(struct formatter *f)
{
	f->n_fields = fields_count();
	f->field_text = arena_alloc(f->texts, (f->n_fields + 1) * sizeof(f->field_text[0]));
	f->values = arena_alloc(f->texts, (f->n_fields + 1) * sizeof(f->values[0]));
	f->touched = arena_alloc(f->texts, (f->n_fields / 64 + 1) * sizeof(f->touched[0]));
	if (f->field_text == NULL || f->values == NULL || f->touched == NULL)
		return -ENOMEM;
	for (unsigned id = 1; id <= f->n_fields; id++)
		if (!make_field_text(f->texts, field_at((field_id)id), &f->field_text[id]))
			return -ENOMEM;
	return 0;
}

static bool
entries_grow(struct formatter *f)
{
	uint32_t n = f->entries_max > 0 ? 2 * f->entries_max : FIRST_ENTRIES;
	struct value_entry *entry = realloc(f->entry, n * sizeof(entry[0]));

	if (entry == NULL)
		return false;
	f->entry = entry;
	f->entries_max = n;
	return true;
}

static void
link_value(struct formatter *f, const struct value_head *head)
{
	struct field_values *list = &f->values[head->field];
	uint64_t bit = UINT64_C(1) << head->field % 64;
	uint32_t i = f->n_entries++;

	f->entry[i] = (struct value_entry){.head = head};
	if ((f->touched[head->field / 64] & bit) == 0) {
		f->touched[head->field / 64] |= bit;
		*list = (struct field_values){.first = i, .last = i, .n = 1};
		return;
	}
	f->entry[list->last].next = i;
	list->last = i;
	list->n++;
}

bool
values_collect(struct formatter *f, const struct record *r)
{
	struct value_walk walk = {.chunk = r->values_first};
	const struct value_head *head;

	f->n_entries = 1;
	while ((head = value_walk_next(&walk)) != NULL) {
		if (walk.continues || head->kind == VALUE_DEAD)
			continue;
		if (f->n_entries >= f->entries_max && !entries_grow(f))
			return false;
		link_value(f, head);
	}
	return true;
}

void
values_forget(struct formatter *f)
{
	memset(f->touched, 0, (f->n_fields / 64 + 1) * sizeof(f->touched[0]));
}

static void
write_integer(struct json *j, const struct value_head *head)
{
	int32_t narrow;
	int64_t wide;

	if (head->size == sizeof(wide)) {
		memcpy(&wide, value_data(head), sizeof(wide));
		json_i64(j, wide);
		return;
	}
	memcpy(&narrow, value_data(head), sizeof(narrow));
	json_i64(j, narrow);
}

static void
write_real(struct json *j, const struct value_head *head)
{
	double real;

	memcpy(&real, value_data(head), sizeof(real));
	json_double(j, real);
}

static void
write_text(struct formatter *f, const struct value_head *head)
{
	bool utf8 = head->kind == VALUE_UTF8 || (f->field_text[head->field].field->flags & FIELD_FORCE_UTF8) != 0;

	/* In one piece first: a UTF-8 sequence may lie across two chunks. */
	if (head->more)
		json_str(&f->json, f->long_text, value_gather(f->record, head, f->long_text), utf8);
	else
		json_str(&f->json, value_data(head), head->size, utf8);
}

static void
write_object(struct formatter *f, const struct value_head *head)
{
	json_raw(&f->json, (const char *)value_data(head), head->size);
	while (head->more) {
		head = value_continuation(f->record, head);
		json_bytes(&f->json, (const char *)value_data(head), head->size);
	}
}

static void
write_value(struct formatter *f, const struct value_head *head)
{
	switch (head->kind) {
	case VALUE_INT:
		write_integer(&f->json, head);
		break;
	case VALUE_FLOAT:
		write_real(&f->json, head);
		break;
	case VALUE_IP:
		json_ip(&f->json, value_data(head), 0);
		break;
	case VALUE_OBJECT:
		write_object(f, head);
		break;
	default:
		write_text(f, head);
		break;
	}
}

static void
write_array(struct formatter *f, const struct field_values *list, uint32_t max)
{
	json_array_begin(&f->json);
	for (uint32_t i = list->first, n = 0; i != 0 && n < max; i = f->entry[i].next, n++)
		write_value(f, f->entry[i].head);
	json_array_end(&f->json);
}

void
write_field_array(struct formatter *f, field_id id)
{
	write_array(f, &f->values[id], UINT32_MAX);
}

/* What is not known of an address, for each of them: this sensor has no geographic data yet. */
static void
write_unknown(struct formatter *f, const struct key_text *name, const char *what, uint32_t n)
{
	json_key_text(&f->json, name);
	json_array_begin(&f->json);
	for (uint32_t i = 0; i < n; i++)
		json_text(&f->json, what);
	json_array_end(&f->json);
}

static void
write_addresses(struct formatter *f, const struct field_text *t, const struct field_values *list)
{
	uint32_t n = list->n < ADDRESSES_MAX ? list->n : ADDRESSES_MAX;

	json_key_text(&f->json, &t->name);
	write_array(f, list, ADDRESSES_MAX);
	write_unknown(f, &t->geo, "---", n);
	write_unknown(f, &t->asn, "---", n);
	write_unknown(f, &t->rir, "", n);
}

static void
write_count(struct formatter *f, const struct field_text *t, uint32_t n)
{
	if (t->count.size == 0)
		return;
	json_key_text(&f->json, &t->count);
	json_u64(&f->json, n);
}

void
write_field_values(struct formatter *f, field_id id)
{
	const struct field_text *t = &f->field_text[id];
	const struct field_values *list = &f->values[id];
	const struct field *field = t->field;

	if (field_is_single(field)) {
		json_key_text(&f->json, &t->name);
		write_value(f, f->entry[list->last].head);
		return;
	}
	write_count(f, t, list->n);
	if (field->type == FIELD_IP_SET) {
		write_addresses(f, t, list);
	} else {
		json_key_text(&f->json, &t->name);
		write_array(f, list, UINT32_MAX);
	}
}

/* Does the text that this value holds print as 'name' does? */
static bool
is_protocol(const struct value_head *head, const char *name)
{
	return !head->more && head->size == strlen(name) && memcmp(value_data(head), name, head->size) == 0;
}

/* The session's own protocol first, and not twice. */
static void
write_protocols(struct formatter *f)
{
	const char *first = f->record->summary.protocol;
	const struct field_text *t = &f->field_text[f->protocol];
	uint32_t begin = f->values[f->protocol].first, n = first != NULL;

	for (uint32_t i = begin; i != 0; i = f->entry[i].next)
		n += first == NULL || !is_protocol(f->entry[i].head, first);
	if (n == 0)
		return;
	write_count(f, t, n);
	json_key_text(&f->json, &t->name);
	json_array_begin(&f->json);
	if (first != NULL)
		json_text(&f->json, first);
	for (uint32_t i = begin; i != 0; i = f->entry[i].next)
		if (first == NULL || !is_protocol(f->entry[i].head, first))
			write_value(f, f->entry[i].head);
	json_array_end(&f->json);
}

/* Closes the group that is open, and opens this field's, when they differ. */
static void
enter_group(struct formatter *f, const char **open, const struct field_text *t)
{
	if (*open == t->group || (*open != NULL && t->group != NULL && strcmp(*open, t->group) == 0))
		return;
	if (*open != NULL)
		json_object_end(&f->json);
	if (t->group != NULL)
		json_key_text(&f->json, &t->open);
	*open = t->group;
}

static void
write_sorted_field(struct formatter *f, field_id id, const char **group)
{
	if (id == f->protocol) {
		enter_group(f, group, &f->field_text[id]);
		write_protocols(f);
	} else if ((f->field_text[id].field->flags & FIELD_NO_SAVE) == 0) {
		enter_group(f, group, &f->field_text[id]);
		write_field_values(f, id);
	}
}

void
write_sorted_fields(struct formatter *f)
{
	const char *group = NULL;

	if (f->record->summary.protocol != NULL && !values_has(f, f->protocol)) {
		f->touched[f->protocol / 64] |= UINT64_C(1) << f->protocol % 64;
		f->values[f->protocol] = (struct field_values){0};
	}
	for (unsigned word = 0; word <= f->n_fields / 64; word++)
		for (uint64_t bits = f->touched[word]; bits != 0; bits &= bits - 1)
			write_sorted_field(f, (field_id)(word * 64 + (unsigned)__builtin_ctzll(bits)), &group);
	if (group != NULL)
		json_object_end(&f->json);
}
