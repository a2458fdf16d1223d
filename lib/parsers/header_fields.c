/* Header names of the conf, sorted, so that a look-up is a binary search however many there are.
 *
 * A key is taken as it is written, but for ASCII case: header names are compared in lower case everywhere. A later line
 * for the same header (an included file, the environment) replaces an earlier one. */

#include "header_fields.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

enum { HEADER_NAME_MAX = 256, DEFINITION_MAX = 1024 };

struct definition {
	struct header_field header; /* name is ours until it is moved to a table */
	const char *kind;
	enum field_type type;
	bool is_counted;
};

struct header_fields {
	struct header_field *header;
	unsigned n;
};

struct load {
	const struct header_fields_section *section;
	struct definition *definition;
	unsigned n, capacity;
	int error;
};

/* The value of 'key' in "key:value;key:value", NULL-terminated in 'out'; false: it is not there. */
static bool
option(const char *definition, const char *key, char *out, size_t out_size)
{
	size_t key_size = strlen(key);

	for (const char *item = definition; item != NULL; item = strchr(item, ';')) {
		item += *item == ';';
		item += strspn(item, " ");
		if (strncasecmp(item, key, key_size) == 0 && item[key_size] == ':') {
			const char *value = item + key_size + 1;

			snprintf(out, out_size, "%.*s", (int)strcspn(value, ";"), value);
			return true;
		}
	}
	return false;
}

static bool
option_is(const char *definition, const char *key, bool fallback)
{
	char value[16];

	return option(definition, key, value, sizeof(value)) ? strcasecmp(value, "true") == 0 : fallback;
}

static void
definition_parse(struct definition *d, const char *text)
{
	char type[16] = "string";
	bool is_unique = option_is(text, "unique", true);

	(void)option(text, "type", type, sizeof(type));
	d->is_counted = option_is(text, "count", false);
	if (strcmp(type, "integer") == 0 || strcmp(type, "seconds") == 0 || strcmp(type, "date") == 0) {
		d->header.kind = HEADER_FIELD_INT;
		d->kind = type[0] == 'i' ? "integer" : type[0] == 's' ? "seconds" : "date";
		d->type = is_unique ? FIELD_INT_SET : FIELD_INT_LIST;
	} else if (strcmp(type, "ip") == 0) {
		d->header.kind = HEADER_FIELD_IP;
		d->kind = "ip";
		d->type = FIELD_IP_SET;
	} else {
		d->header.kind = HEADER_FIELD_STR;
		d->kind = "termfield";
		d->type = is_unique ? FIELD_STR_SET : FIELD_STR_LIST;
	}
}

static bool
is_taken(const struct header_fields_section *section, const char *name)
{
	for (unsigned i = 0; section->taken != NULL && section->taken[i] != NULL; i++)
		if (strcmp(section->taken[i], name) == 0)
			return true;
	return false;
}

/* Room for the definition of 'name': the one it has already, or a new one. */
static struct definition *
definition_of(struct load *load, const char *name)
{
	for (unsigned i = 0; i < load->n; i++)
		if (strcmp(load->definition[i].header.name, name) == 0)
			return &load->definition[i];
	if (load->n == load->capacity) {
		unsigned capacity = load->capacity == 0 ? 16 : load->capacity * 2;
		struct definition *bigger = reallocarray(load->definition, capacity, sizeof(*bigger));

		if (bigger == NULL)
			return NULL;
		load->definition = bigger;
		load->capacity = capacity;
	}
	load->definition[load->n] = (struct definition){.header = {.name = strdup(name), .name_size = strlen(name)}};
	return load->definition[load->n].header.name != NULL ? &load->definition[load->n++] : NULL;
}

static void
load_line(const char *key, const char *value, void *context)
{
	struct load *load = context;
	struct definition *d;
	char name[HEADER_NAME_MAX], quoted[HEADER_NAME_MAX];
	size_t size = strlen(key);

	if (size == 0 || size >= sizeof(name) || strlen(value) >= DEFINITION_MAX) {
		LOG_WARN("conf.header", "section=%s header=\"%s\" ignored=\"too long\"", load->section->section,
			 log_quote(quoted, sizeof(quoted), key));
		return;
	}
	text_lower(name, key, size + 1);
	if (is_taken(load->section, name)) {
		LOG_WARN("conf.header", "section=%s header=\"%s\" ignored=\"it has a field of its own\"",
			 load->section->section, log_quote(quoted, sizeof(quoted), name));
		return;
	}
	d = definition_of(load, name);
	if (d == NULL) {
		load->error = ENOMEM;
		return;
	}
	definition_parse(d, value);
}

static void
setup(const struct header_fields_section *section, struct definition *d, struct shrike_setup *shrike_setup)
{
	char name[2 * HEADER_NAME_MAX], expression[2 * HEADER_NAME_MAX], help[2 * HEADER_NAME_MAX];
	char extra[2 * HEADER_NAME_MAX];
	struct field field = {
		.name = name,
		.expression = expression,
		.group = section->group,
		.kind = d->kind,
		.type = d->type,
		.flags = d->is_counted ? FIELD_COUNT : 0,
		.friendly = d->header.name,
		.help = help,
		.extra = section->alias_prefix != NULL ? extra : NULL,
	};

	snprintf(name, sizeof(name), "%s%s", section->field_prefix, d->header.name);
	snprintf(expression, sizeof(expression), "%s%s", section->expression_prefix, d->header.name);
	snprintf(help, sizeof(help), "Header %s, as [%s] asks for it", d->header.name, section->section);
	if (section->alias_prefix != NULL)
		snprintf(extra, sizeof(extra), "aliases=[\"%s%s\"]", section->alias_prefix, d->header.name);
	d->header.field = shrike_setup_field(shrike_setup, &field);
}

/* As a comparison of texts, so that the order of names of different lengths is one order. */
static int
header_compare(const void *a, const void *b)
{
	const struct header_field *one = a, *other = b;
	size_t common = one->name_size < other->name_size ? one->name_size : other->name_size;
	int difference = memcmp(one->name, other->name, common);

	if (difference != 0)
		return difference;
	return (one->name_size > other->name_size) - (one->name_size < other->name_size);
}

struct header_fields *
header_fields_create(const struct conf *conf, struct shrike_setup *shrike_setup,
		     const struct header_fields_section *section)
{
	struct load load = {.section = section};
	struct header_fields *f = calloc(1, sizeof(*f));

	conf_section_each(conf, section->section, load_line, &load);
	if (f != NULL && load.n > 0)
		f->header = calloc(load.n, sizeof(*f->header));
	if (f == NULL || load.error != 0 || (load.n > 0 && f->header == NULL)) {
		for (unsigned i = 0; i < load.n; i++)
			free(load.definition[i].header.name);
		free(load.definition);
		header_fields_destroy(f);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned i = 0; i < load.n; i++) {
		setup(section, &load.definition[i], shrike_setup);
		f->header[f->n++] = load.definition[i].header;
	}
	free(load.definition);
	if (f->n > 0)
		qsort(f->header, f->n, sizeof(*f->header), header_compare);
	return f;
}

void
header_fields_destroy(struct header_fields *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->n; i++)
		free(f->header[i].name);
	free(f->header);
	free(f);
}

const struct header_field *
header_fields_find(const struct header_fields *f, const void *name, size_t size)
{
	unsigned low = 0, high = f->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct header_field *h = &f->header[middle];
		size_t common = h->name_size < size ? h->name_size : size;
		int difference = memcmp(name, h->name, common);

		if (difference == 0 && h->name_size == size)
			return h;
		if (difference < 0 || (difference == 0 && size < h->name_size))
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
header_field_emit(struct shrike_ctx *ctx, const struct header_field *header, const void *value, size_t size)
{
	struct cursor text = text_trim(cursor_make(value, size));
	unsigned digits;
	uint64_t number;
	bool is_negative;

	switch (header->kind) {
	case HEADER_FIELD_STR:
		shrike_emit_bytes(ctx, header->field, value, size);
		return;
	case HEADER_FIELD_IP:
		(void)shrike_emit_ip_text(ctx, header->field, text.p, cursor_left(&text));
		return;
	case HEADER_FIELD_INT:
		is_negative = cursor_peek(&text, 0) == '-';
		if (is_negative)
			cursor_skip(&text, 1);
		number = text_decimal(&text, &digits);
		if (digits == 0 || number > INT64_MAX)
			return;
		shrike_emit_int(ctx, header->field, is_negative ? -(int64_t)number : (int64_t)number);
		return;
	}
}
