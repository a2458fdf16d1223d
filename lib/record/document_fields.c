/* The part of a document that comes from field values.
 *
 * The values of a record lie in the order they were found; a document wants them by field. One pass links each value to
 * the list of its field and sets the field's bit; walking the bits then gives the fields in the order of their names,
 * because that is how ids are given. So nothing is sorted, and a record costs as many steps as it has values. */
#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "document_priv.h"

enum {
	ADDRESSES_MAX = 2000,
	LINE_BYTES = 64,
	FIRST_ENTRIES = 256,
	FIELD_ROOM = 64, /* a count, brackets and commas */
	/* A number, or an address and what is not known of it; quotes, a comma, and what is written beyond a text. */
	VALUE_ROOM = 64 + JSON_STR_BYTES(0),
	PROTOCOL_ROOM = 64,
};

/* What is read for every value begins a cache line. */
static void *
alloc_lines(struct arena *arena, size_t size)
{
	char *bytes = arena_alloc(arena, size + LINE_BYTES);

	return bytes != NULL ? bytes + LINE_BYTES - (uintptr_t)bytes % LINE_BYTES : NULL;
}

static struct key_text
make_key(struct arena *arena, const char *before, const char *name, size_t length, const char *after)
{
	size_t size = strlen(before) + length + strlen(after);
	char *text = arena_alloc(arena, size + 1 > KEY_BYTES ? size + 1 : KEY_BYTES);

	if (text != NULL)
		snprintf(text, size + 1, "%s%.*s%s", before, (int)length, name, after);
	return (struct key_text){text, (uint16_t)size};
}

/* All that is before the value where a field has just one: the count, the name, a bracket. */
static struct key_text
make_alone(struct arena *arena, const struct field_text *t, const char *tail, const char *count_end)
{
	size_t length = strlen(tail), size = 2 * length + 32;
	char *text = alloc_lines(arena, size > LONG_KEY_BYTES ? size : LONG_KEY_BYTES);
	int n = 0;

	if (text != NULL && count_end != NULL)
		n = snprintf(text, size, "\"%s%s1,", tail, count_end);
	if (text != NULL)
		n += snprintf(text + n, size - (size_t)n, "\"%s\":%s", tail, t->is_single ? "" : "[");
	return (struct key_text){text, (uint16_t)n};
}

static const char *
count_suffix(const struct field *field)
{
	return (field->flags & FIELD_ECS_COUNT) != 0 ? "-cnt\":" : "Cnt\":";
}

/* Fields of one group follow each other, but for a name that sorts between them. */
static const char *
group_of(struct formatter *f, const char *name, size_t length, unsigned before)
{
	for (unsigned id = before - 1; id >= 1; id--) {
		const char *group = f->field_text[id].group;

		if (group != NULL && strlen(group) == length && memcmp(group, name, length) == 0)
			return group;
	}
	return arena_strndup(f->texts, name, length);
}

static uint32_t
key_room(const struct key_text *key)
{
	return key->size > KEY_BYTES ? key->size : KEY_BYTES;
}

static bool
make_field_text(struct formatter *f, unsigned id)
{
	const struct field *field = field_at((field_id)id);
	struct field_text *t = &f->field_text[id];
	const char *dot = strchr(field->name, '.'), *tail = dot != NULL ? dot + 1 : field->name;
	size_t length = strlen(tail), stem = length >= 2 ? length - 2 : 0;
	bool counted = (field->flags & (FIELD_COUNT | FIELD_ECS_COUNT)) != 0;

	t->is_single = field_is_single(field);
	t->is_saved = (field->flags & FIELD_NO_SAVE) == 0;
	t->is_utf8 = (field->flags & FIELD_FORCE_UTF8) != 0;
	t->is_address_set = field->type == FIELD_IP_SET;
	if (dot != NULL) {
		t->group = group_of(f, field->name, (size_t)(dot - field->name), id);
		t->open = make_key(f->texts, "\"", field->name, (size_t)(dot - field->name), "\":{");
	}
	t->name = make_key(f->texts, "\"", tail, length, "\":");
	if (counted)
		t->count = make_key(f->texts, "\"", tail, length, count_suffix(field));
	/* RECORD.md 1.10: named after the field without its last two letters, "ip" or "Ip". */
	t->geo = make_key(f->texts, "\"", tail, stem, "GEO\":");
	t->asn = make_key(f->texts, "\"", tail, stem, "ASN\":");
	t->rir = make_key(f->texts, "\"", tail, stem, "RIR\":");
	t->alone = make_alone(f->texts, t, tail, counted ? count_suffix(field) : NULL);
	t->room = LONG_KEY_BYTES + t->alone.size + key_room(&t->open) + key_room(&t->name) + key_room(&t->count) +
		  key_room(&t->geo) + key_room(&t->asn) + key_room(&t->rir) + FIELD_ROOM;
	return t->name.text != NULL && t->rir.text != NULL && t->alone.text != NULL &&
	       (!counted || t->count.text != NULL) && (dot == NULL || (t->group != NULL && t->open.text != NULL));
}

int
fields_text_create(struct formatter *f)
{
	f->n_fields = fields_count();
	f->field_text = alloc_lines(f->texts, (f->n_fields + 1) * sizeof(f->field_text[0]));
	f->values = arena_alloc(f->texts, (f->n_fields + 1) * sizeof(f->values[0]));
	f->touched = arena_alloc(f->texts, (f->n_fields / 64 + 1) * sizeof(f->touched[0]));
	if (f->field_text == NULL || f->values == NULL || f->touched == NULL)
		return -ENOMEM;
	for (unsigned id = 1; id <= f->n_fields; id++)
		if (!make_field_text(f, id))
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

/* What a walk over the values keeps in registers: through the formatter every value would wait for the one before. */
struct collection {
	struct value_entry *entry;
	uint64_t *touched, touched_words;
	uint32_t n;
	size_t room;
};

static inline void
link_value(const struct formatter *f, struct collection *c, const struct value_head *head)
{
	unsigned word = head->field / 64;
	struct field_values *list = &f->values[head->field];
	uint64_t bit = UINT64_C(1) << head->field % 64, before = c->touched[word];
	uint32_t i = c->n++;

	c->entry[i].head = head;
	c->entry[i].next = 0;
	c->touched[word] = before | bit;
	c->touched_words |= UINT64_C(1) << word % 64;
	if ((before & bit) == 0) {
		c->room += f->field_text[head->field].room;
		*list = (struct field_values){.first = i, .last = i, .n = 1};
		return;
	}
	c->entry[list->last].next = i;
	list->last = i;
	list->n++;
}

/* Room for one entry more than there are. */
static inline bool
collection_reserve(struct formatter *f, struct collection *c)
{
	if (c->n < f->entries_max)
		return true;
	if (!entries_grow(f))
		return false;
	c->entry = f->entry;
	return true;
}

/* The values of one chunk. 'continues': the first of them is the rest of a text; and so for the next chunk. */
static inline bool
collect_chunk(struct formatter *f, struct collection *c, const struct record_chunk *chunk, bool *continues)
{
	const uint8_t *at = chunk->bytes, *end = chunk->bytes + chunk->used;
	bool rest = *continues;

	c->room += JSON_STR_BYTES((size_t)chunk->used);
	while (at < end) {
		const struct value_head *head = (const struct value_head *)(const void *)at;
		bool is_counted = !rest && head->kind != VALUE_DEAD;

		at += value_bytes(head);
		rest = head->more;
		c->room += VALUE_ROOM;
		if (__builtin_expect(head->kind == VALUE_FLOAT, 0))
			c->room += JSON_DOUBLE_BYTES;
		if (!is_counted)
			continue;
		if (!collection_reserve(f, c))
			return false;
		link_value(f, c, head);
	}
	*continues = rest;
	return true;
}

bool
values_collect(struct formatter *f, const struct record *r)
{
	struct collection c = {.entry = f->entry, .touched = f->touched, .n = 1};
	bool good = true, continues = false;

	c.room = f->field_text[f->protocol].room + PROTOCOL_ROOM;
	for (const struct record_chunk *chunk = r->values_first; good && chunk != NULL; chunk = chunk->next)
		good = collect_chunk(f, &c, chunk, &continues);
	f->touched_words = c.touched_words;
	f->room = c.room;
	return good;
}

void
values_forget(struct formatter *f)
{
	memset(f->touched, 0, (f->n_fields / 64 + 1) * sizeof(f->touched[0]));
}

static char *
put_integer(char *p, const struct value_head *head)
{
	int32_t narrow;
	int64_t wide;

	if (head->size == sizeof(wide)) {
		memcpy(&wide, value_data(head), sizeof(wide));
		return json_put_i64(p, wide);
	}
	memcpy(&narrow, value_data(head), sizeof(narrow));
	if ((uint32_t)narrow < 100000000)
		return json_put_short(p, (uint32_t)narrow);
	return json_put_i64(p, narrow);
}

static char *
put_real(char *p, const struct value_head *head)
{
	double real;

	memcpy(&real, value_data(head), sizeof(real));
	return json_put_double(p, real);
}

static char *
put_text(struct formatter *f, char *p, const struct value_head *head)
{
	bool utf8 = head->kind == VALUE_UTF8 || f->field_text[head->field].is_utf8;

	/* In one piece first: a UTF-8 sequence may lie across two chunks. */
	if (head->more)
		return json_put_str(p, f->long_text, value_gather(f->record, head, f->long_text), utf8);
	return json_put_str(p, value_data(head), head->size, utf8);
}

static char *
put_object(struct formatter *f, char *p, const struct value_head *head)
{
	p = json_put_bytes(p, (const char *)value_data(head), head->size);
	while (head->more) {
		head = value_continuation(f->record, head);
		p = json_put_bytes(p, (const char *)value_data(head), head->size);
	}
	return p;
}

/* With a comma behind it. */
static inline char *
put_value(struct formatter *f, char *p, const struct value_head *head)
{
	switch (head->kind) {
	case VALUE_INT:
		p = put_integer(p, head);
		break;
	case VALUE_FLOAT:
		p = put_real(p, head);
		break;
	case VALUE_IP:
		p = JSON_PUT(json_put_ip(JSON_PUT(p, "\""), value_data(head), 0), "\"");
		break;
	case VALUE_OBJECT:
		p = put_object(f, p, head);
		break;
	default:
		p = put_text(f, p, head);
		break;
	}
	*p = ',';
	return p + 1;
}

static char *
put_array(struct formatter *f, char *p, const struct field_values *list, uint32_t max)
{
	*p++ = '[';
	for (uint32_t i = list->first, n = 0; i != 0 && n < max; i = f->entry[i].next, n++)
		p = put_value(f, p, f->entry[i].head);
	return put_close(p, ']');
}

char *
put_field_array(struct formatter *f, char *p, field_id id)
{
	return put_array(f, p, &f->values[id], UINT32_MAX);
}

/* What is not known of an address, for each of them: this sensor has no geographic data yet. 'what' has its comma. */
static char *
put_unknown(char *p, const struct key_text *name, const char *what, uint32_t n)
{
	size_t size = strlen(what);

	p = put_key(p, name);
	*p++ = '[';
	for (uint32_t i = 0; i < n; i++)
		p = json_put_bytes(p, what, size);
	return JSON_PUT(put_close(p, ']'), ",");
}

static char *
put_addresses(struct formatter *f, char *p, const struct field_text *t, const struct field_values *list)
{
	uint32_t n = list->n < ADDRESSES_MAX ? list->n : ADDRESSES_MAX;

	p = JSON_PUT(put_array(f, put_key(p, &t->name), list, ADDRESSES_MAX), ",");
	p = put_unknown(p, &t->geo, "\"---\",", n);
	p = put_unknown(p, &t->asn, "\"---\",", n);
	return put_unknown(p, &t->rir, "\"\",", n);
}

static char *
put_count(char *p, const struct field_text *t, uint32_t n)
{
	if (t->count.size == 0)
		return p;
	return JSON_PUT(json_put_u64(put_key(p, &t->count), n), ",");
}

/* A field's only value, or the last of one that keeps one. */
static inline char *
put_alone(struct formatter *f, char *p, const struct field_text *t, const struct value_head *head)
{
	p = put_value(f, put_long_key(p, &t->alone), head);
	if (t->is_single)
		return p;
	p = put_close(p, ']');
	*p = ',';
	return p + 1;
}

char *
put_field_values(struct formatter *f, char *p, field_id id)
{
	const struct field_text *t = &f->field_text[id];
	const struct field_values *list = &f->values[id];

	if (t->is_single || (list->n == 1 && !t->is_address_set))
		return put_alone(f, p, t, f->entry[list->last].head);
	p = put_count(p, t, list->n);
	if (t->is_address_set)
		return put_addresses(f, p, t, list);
	return JSON_PUT(put_array(f, put_key(p, &t->name), list, UINT32_MAX), ",");
}

/* Does the text that this value holds print as 'name' does? */
static bool
is_protocol(const struct value_head *head, const char *name, size_t length)
{
	return !head->more && head->size == length && memcmp(value_data(head), name, length) == 0;
}

/* The session's own protocol with quotes and a comma, and how long it is without: a session's is mostly that of the
 * session before. */
static size_t
take_first_protocol(struct formatter *f, const char *first)
{
	size_t length;

	if (__builtin_expect(first == f->first_protocol, 1))
		return f->first_size > 0 ? f->first_size - 3U : strlen(first);
	f->first_protocol = first;
	length = strlen(first);
	f->first_size = 0;
	if (length + 3 < sizeof(f->first_text))
		f->first_size = (uint16_t)snprintf(f->first_text, sizeof(f->first_text), "\"%s\",", first);
	return length;
}

static inline char *
put_first_protocol(const struct formatter *f, char *p, const char *first, size_t length)
{
	if (f->first_size == 0)
		return JSON_PUT(json_put_bytes(JSON_PUT(p, "\""), first, length), "\",");
	memcpy(p, f->first_text, sizeof(f->first_text));
	return p + f->first_size;
}

/* The session's own protocol first, and not twice. */
static char *
put_protocols(struct formatter *f, char *p)
{
	const char *first = f->record->summary.protocol;
	const struct field_text *t = &f->field_text[f->protocol];
	uint32_t begin = f->values[f->protocol].first, n = first != NULL;
	size_t length = first != NULL ? take_first_protocol(f, first) : 0;

	for (uint32_t i = begin; i != 0; i = f->entry[i].next)
		n += first == NULL || !is_protocol(f->entry[i].head, first, length);
	if (n == 0)
		return p;
	p = JSON_PUT(put_key(put_count(p, t, n), &t->name), "[");
	if (first != NULL)
		p = put_first_protocol(f, p, first, length);
	for (uint32_t i = begin; i != 0; i = f->entry[i].next)
		if (first == NULL || !is_protocol(f->entry[i].head, first, length))
			p = put_value(f, p, f->entry[i].head);
	return JSON_PUT(put_close(p, ']'), ",");
}

/* Closes the group that is open, and opens this field's, when they differ. */
static char *
enter_group(char *p, const char **open, const struct field_text *t)
{
	if (*open == t->group)
		return p;
	if (*open != NULL)
		p = JSON_PUT(put_close(p, '}'), ",");
	if (t->group != NULL)
		p = put_key(p, &t->open);
	*open = t->group;
	return p;
}

static char *
put_sorted_field(struct formatter *f, char *p, field_id id, const char **group)
{
	const struct field_text *t = &f->field_text[id];

	if (id == f->protocol)
		return put_protocols(f, enter_group(p, group, t));
	if (t->is_saved)
		return put_field_values(f, enter_group(p, group, t), id);
	return p;
}

static inline char *
put_fields_of_word(struct formatter *f, char *p, unsigned word, const char **group)
{
	uint64_t bits = word <= f->n_fields / 64 ? f->touched[word] : 0;

	for (; bits != 0; bits &= bits - 1)
		p = put_sorted_field(f, p, (field_id)(word * 64 + (unsigned)__builtin_ctzll(bits)), group);
	return p;
}

char *
put_sorted_fields(struct formatter *f, char *p)
{
	const char *group = NULL;

	if (f->record->summary.protocol != NULL && !values_has(f, f->protocol)) {
		f->touched[f->protocol / 64] |= UINT64_C(1) << f->protocol % 64;
		f->touched_words |= UINT64_C(1) << f->protocol / 64 % 64;
		f->values[f->protocol] = (struct field_values){0};
	}
	for (unsigned base = 0; base <= f->n_fields / 64; base += 64)
		for (uint64_t words = f->touched_words; words != 0; words &= words - 1)
			p = put_fields_of_word(f, p, base + (unsigned)__builtin_ctzll(words), &group);
	if (group != NULL)
		p = JSON_PUT(put_close(p, '}'), ",");
	return p;
}
