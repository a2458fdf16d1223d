/* All parsers of the process, configured.
 *
 * Built-in ones register themselves; those of parsersDir come first, so that theirs is the name. Everything a worker
 * needs at a packet is resolved here: field ids by place, hooks by place, rules by their bytes. The set is fixed from
 * then on and shared by all workers without a lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disabled.h"
#include "load_priv.h"
#include "log.h"
#include "parsing_priv.h"

struct shrike_setup {
	struct parser_entry *entry;
	bool failed;
};

/* ---- Fields: the built-in tables, and what create() adds. */

/* Tables live as long as the process: field ids refer to them. */
static struct field_table *own_tables;
static unsigned n_own_tables;

static bool
table_keep(const char *name, const struct field *fields, unsigned n)
{
	struct field_table *grown;

	if (n == 0)
		return true;
	for (unsigned i = 0; i < n_own_tables; i++)
		if (own_tables[i].fields == fields)
			return true;
	grown = realloc(own_tables, (n_own_tables + 1) * sizeof(own_tables[0]));
	if (grown == NULL)
		return false;
	own_tables = grown;
	own_tables[n_own_tables++] = (struct field_table){.name = name, .fields = fields, .n_fields = n};
	return true;
}

static void
each_table(void (*add)(void *context, const struct field_table *), void *context)
{
	REGISTRY_FOREACH (shrike_parser, struct shrike_parser, parser)
		(void)table_keep((*parser)->name, (*parser)->fields, (*parser)->n_fields);
	for (unsigned i = 0; i < n_own_tables; i++)
		add(context, &own_tables[i]);
}
static const struct field_source parser_fields = {.each = each_table};
REGISTRY_ADD(field_source, parser_fields);

static const char *
copy_text(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

unsigned
shrike_setup_field(struct shrike_setup *setup, const struct field *f)
{
	struct parser_entry *entry = setup->entry;
	struct field *grown = realloc(entry->extra, (entry->n_extra + 1) * sizeof(entry->extra[0]));

	if (grown == NULL) {
		setup->failed = true;
		return 0;
	}
	entry->extra = grown;
	grown[entry->n_extra] = (struct field){
		.name = copy_text(f->name),
		.expression = copy_text(f->expression),
		.group = copy_text(f->group),
		.kind = copy_text(f->kind),
		.type = f->type,
		.flags = f->flags,
		.friendly = copy_text(f->friendly),
		.help = copy_text(f->help),
		.extra = copy_text(f->extra),
	};
	return entry->parser->n_fields + entry->n_extra++;
}

static bool
resolve_fields(struct parser_entry *entry)
{
	unsigned n = entry->parser->n_fields;

	entry->n_fields = n + entry->n_extra;
	entry->field = calloc(entry->n_fields + 1, sizeof(entry->field[0]));
	if (entry->field == NULL)
		return false;
	for (unsigned i = 0; i < entry->n_fields; i++) {
		const char *name = i < n ? entry->parser->fields[i].name : entry->extra[i - n].name;

		entry->field[i] = name != NULL ? field_find(name) : 0;
	}
	return true;
}

/* ---- Entries */

const struct parser_entry *
parsers_find(const struct parsers *parsers, const char *name)
{
	for (unsigned i = 0; i < parsers->n; i++)
		if (strcmp(parsers->entry[i].parser->name, name) == 0)
			return &parsers->entry[i];
	return NULL;
}

static bool
add_entry(struct parsers *parsers, const struct shrike_parser *parser)
{
	if (parser->api != SHRIKE_API) {
		LOG_ERROR("parser.api", "parser=%s has=%u wanted=%d", parser->name, parser->api, SHRIKE_API);
		errno = EINVAL;
		return false;
	}
	if (parsers_find(parsers, parser->name) != NULL)
		return true; /* the first of a name wins */
	if (parsers->n == PARSERS_MAX) {
		LOG_ERROR("parser.too_many", "max=%d", PARSERS_MAX);
		errno = E2BIG;
		return false;
	}
	parsers->entry[parsers->n++] = (struct parser_entry){.parser = parser};
	return true;
}

/* Hooks of plugins, while parsers are made. */
struct hook_source {
	const struct shrike_hook *const *first, *const *end;
};
struct building {
	struct parsers *parsers;
	struct hook_source *source;
	unsigned n_sources;
};

static bool
add_hooks(struct building *b, const struct shrike_hook *const *first, const struct shrike_hook *const *end)
{
	struct hook_source *grown = realloc(b->source, (b->n_sources + 1) * sizeof(b->source[0]));

	if (grown == NULL)
		return false;
	b->source = grown;
	grown[b->n_sources++] = (struct hook_source){first, end};
	return true;
}

static bool
add_plugin(struct building *b, const struct shrike_plugin *plugin)
{
	if (plugin->hooks != plugin->hooks_end && !add_hooks(b, plugin->hooks, plugin->hooks_end))
		return false;
	for (const struct shrike_parser *const *parser = plugin->parsers; parser < plugin->parsers_end; parser++)
		if (!add_entry(b->parsers, *parser))
			return false;
	return true;
}

static int
compare_entries(const void *a, const void *b)
{
	const struct parser_entry *x = a, *y = b;

	return strcmp(x->parser->name, y->parser->name);
}

static void
leave_out_disabled(struct parsers *parsers, const struct conf *conf)
{
	struct disabled_names disabled;
	unsigned kept = 0;

	conf_fill(conf, &disabled_settings_group, &disabled);
	for (unsigned i = 0; i < parsers->n; i++)
		if (!name_is_disabled(&disabled, parsers->entry[i].parser->name))
			parsers->entry[kept++] = parsers->entry[i];
	parsers->n = kept;
}

static bool
create_entry(struct parser_entry *entry, const struct conf *conf)
{
	const struct shrike_parser *parser = entry->parser;
	struct shrike_setup setup = {.entry = entry};

	if (parser->create != NULL) {
		entry->shared = parser->create(conf, &setup);
		if (entry->shared == NULL || setup.failed) {
			LOG_ERROR("parser.create", "parser=%s error=%s", parser->name, strerror(errno));
			return false;
		}
	}
	return table_keep(parser->name, parser->fields, parser->n_fields) &&
	       table_keep(parser->name, entry->extra, entry->n_extra);
}

/* ---- Hooks */

static const struct parser_entry *
entry_of(const struct parsers *parsers, const struct shrike_parser *parser)
{
	for (unsigned i = 0; i < parsers->n; i++)
		if (parsers->entry[i].parser == parser)
			return &parsers->entry[i];
	return NULL; /* disabled, or another one of that name won */
}

static bool
add_target(const struct parsers *parsers, struct call_list *list, const struct shrike_hook *hook)
{
	const struct parser_entry *owner = entry_of(parsers, hook->owner);
	struct call_target *grown;

	if (owner == NULL)
		return true;
	grown = realloc(list->target, (list->n + 1) * sizeof(list->target[0]));
	if (grown == NULL)
		return false;
	list->target = grown;
	grown[list->n++] = (struct call_target){owner, hook};
	return true;
}

static bool
resolve_call(const struct building *b, const char *name, struct call_list *list)
{
	for (unsigned i = 0; i < b->n_sources; i++)
		for (const struct shrike_hook *const *hook = b->source[i].first; hook < b->source[i].end; hook++)
			if (strcmp((*hook)->name, name) == 0 && !add_target(b->parsers, list, *hook))
				return false;
	return true;
}

static bool
resolve_calls(const struct building *b, struct parser_entry *entry)
{
	static const char *const none[] = {NULL};
	const char *const *calls = entry->parser->calls != NULL ? entry->parser->calls : none;

	while (calls[entry->n_calls] != NULL)
		entry->n_calls++;
	entry->call = calloc(entry->n_calls + 1, sizeof(entry->call[0]));
	if (entry->call == NULL)
		return false;
	for (unsigned i = 0; calls[i] != NULL; i++)
		if (!resolve_call(b, calls[i], &entry->call[i]))
			return false;
	return true;
}

/* ---- All of it */

static bool
collect(struct building *b, const struct conf *conf)
{
	struct parsers *parsers = b->parsers;

	parsers->loaded = load_parsers(conf);
	if (parsers->loaded == NULL)
		return false;
	for (unsigned i = 0; i < load_count(parsers->loaded); i++)
		if (!add_plugin(b, load_plugin(parsers->loaded, i)))
			return false;
	REGISTRY_FOREACH (shrike_parser, struct shrike_parser, parser)
		if (!add_entry(parsers, *parser))
			return false;
	if (!add_hooks(b, __start_registry_shrike_hook, __stop_registry_shrike_hook))
		return false;
	leave_out_disabled(parsers, conf);
	qsort(parsers->entry, parsers->n, sizeof(parsers->entry[0]), compare_entries);
	for (unsigned i = 0; i < parsers->n; i++)
		parsers->entry[i].index = (uint16_t)i;
	return true;
}

static bool
resolve(struct building *b, const struct conf *conf)
{
	struct parsers *parsers = b->parsers;

	for (unsigned i = 0; i < parsers->n; i++)
		if (!create_entry(&parsers->entry[i], conf))
			return false;
	if (!fields_init())
		return false;
	for (unsigned i = 0; i < parsers->n; i++)
		if (!resolve_fields(&parsers->entry[i]) || !resolve_calls(b, &parsers->entry[i]))
			return false;
	parsers->magic_mode = magic_mode(conf);
	return classifier_build(parsers);
}

struct parsers *
parsers_create(const struct conf *conf)
{
	struct parsers *parsers = calloc(1, sizeof(*parsers));
	struct building b = {.parsers = parsers};
	bool ok;

	if (parsers == NULL)
		return NULL;
	errno = ENOMEM;
	ok = collect(&b, conf) && resolve(&b, conf);
	free(b.source);
	if (ok)
		return parsers;
	parsers_destroy(parsers);
	return NULL;
}

static void
destroy_entry(struct parser_entry *entry)
{
	if (entry->parser->destroy != NULL && entry->shared != NULL)
		entry->parser->destroy(entry->shared);
	for (unsigned i = 0; i < entry->n_calls; i++)
		free(entry->call[i].target);
	free(entry->call);
	free(entry->field);
	/* 'extra' stays: the process's field ids refer to it. */
}

void
parsers_destroy(struct parsers *parsers)
{
	int saved = errno;

	if (parsers == NULL)
		return;
	for (unsigned i = 0; i < parsers->n; i++)
		destroy_entry(&parsers->entry[i]);
	classifier_free(&parsers->classifier);
	load_unload(parsers->loaded);
	free(parsers);
	errno = saved;
}

unsigned
parsers_count(const struct parsers *parsers)
{
	return parsers->n;
}

const struct shrike_parser *
parsers_at(const struct parsers *parsers, unsigned i)
{
	return parsers->entry[i].parser;
}

void
parsers_reload(const struct parsers *parsers, const struct conf *conf, FILE *errors)
{
	for (unsigned i = 0; i < parsers->n; i++) {
		const struct parser_entry *entry = &parsers->entry[i];
		int error = entry->parser->reload != NULL ? entry->parser->reload(entry->shared, conf) : 0;

		if (error != 0)
			fprintf(errors, "parser %s: %s; it goes on with what it had\n", entry->parser->name,
				strerror(-error));
	}
}

int
parsers_each_plugin(const struct parsers *parsers, int (*take)(const struct shrike_plugin *, const char *path))
{
	int error = 0;

	for (unsigned i = 0; i < load_count(parsers->loaded) && error == 0; i++)
		error = take(load_plugin(parsers->loaded, i), load_path(parsers->loaded, i));
	return error;
}

void
parsers_bind_protocols(struct parsers *parsers, const char *(*name_of)(uint8_t id), unsigned n)
{
	if (!classifier_build_sessions(parsers, name_of, n))
		LOG_ERROR("parser.bind", "error=%s", strerror(errno));
}
