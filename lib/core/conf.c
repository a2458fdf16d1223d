/* Loading a conf.
 *
 * Sections are kept as read, one list per section; nothing is resolved before somebody asks. A look-up walks a handful
 * of sections in the order of precedence, which is slow and irrelevant: it runs once per setting at start. What it
 * gives is that every value still knows where it came from, for messages and --dump-config.
 *
 * Precedence: -o, then the environment, then the files; within the environment and within the files the node's section,
 * the node class's, [default]. The last of a key wins, so an included file wins over the one that includes it. */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"

struct own_conf {
	const char *node_class;
	struct conf_list includes;
};

static const struct setting own_settings[] = {
	SETTING_STR(struct own_conf, node_class, "nodeClass", "",
		    "name of a section that is read after the node's own and before [default]"),
	SETTING_LIST(struct own_conf, includes, "includes", "",
		     "conf files read after this one, whose settings win; with a leading - the file may be missing"),
};
SETTINGS(conf, "Configuration", own_settings);

struct conf_tables
conf_registry(void)
{
	return (struct conf_tables){.groups = __start_registry_setting_group, .n = REGISTRY_COUNT(setting_group)};
}

const struct setting *
conf_setting_find(const struct conf_tables *tables, const char *key)
{
	for (unsigned g = 0; g < tables->n; g++)
		for (unsigned i = 0; i < tables->groups[g]->n_settings; i++)
			if (strcmp(tables->groups[g]->settings[i].key, key) == 0)
				return &tables->groups[g]->settings[i];
	return NULL;
}

static struct conf_section *
section_find(const struct conf *conf, enum conf_layer layer, const char *name)
{
	struct conf_section *section = conf->sections;

	while (section != NULL && (section->layer != layer || strcmp(section->name, name) != 0))
		section = section->next;
	return section;
}

struct conf_section *
conf_section_lookup(struct conf *conf, const char *name, const struct conf_source *source)
{
	struct conf_section *section = section_find(conf, source->layer, name);

	if (section != NULL)
		return section;
	if (conf->n_sections == CONF_SECTIONS_MAX) {
		conf_error(conf, source, "more than %d sections", CONF_SECTIONS_MAX);
		return NULL;
	}
	section = arena_alloc(conf->arena, sizeof(*section));
	if (section == NULL || (section->name = arena_strdup(conf->arena, name)) == NULL) {
		conf->no_memory = true;
		return NULL;
	}
	section->layer = source->layer;
	section->source = *source;
	section->next = conf->sections;
	conf->sections = section;
	conf->n_sections++;
	return section;
}

void
conf_entry_add(struct conf *conf, struct conf_section *section, const char *key, const char *value,
	       const struct conf_source *source)
{
	if (section->n == section->room) {
		unsigned room = section->room > 0 ? 2 * section->room : 16;
		struct conf_entry *grown = reallocarray(section->entries, room, sizeof(grown[0]));

		if (grown == NULL) {
			conf->no_memory = true;
			return;
		}
		section->entries = grown;
		section->room = room;
	}
	section->entries[section->n++] = (struct conf_entry){.key = key, .value = value, .source = *source};
}

static const struct conf_entry *
section_entry_find(const struct conf *conf, enum conf_layer layer, const char *name, const char *key)
{
	const struct conf_section *section = name != NULL ? section_find(conf, layer, name) : NULL;

	for (unsigned i = section != NULL ? section->n : 0; i-- > 0;)
		if (strcmp(section->entries[i].key, key) == 0)
			return &section->entries[i];
	return NULL;
}

const struct conf_entry *
conf_entry_find(const struct conf *conf, const char *key)
{
	static const enum conf_layer layers[] = {CONF_LAYER_OVERRIDE, CONF_LAYER_ENVIRONMENT, CONF_LAYER_FILE};
	const char *const names[] = {conf->node, conf->node_class, "default"};
	const struct conf_entry *entry;

	for (unsigned i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		for (unsigned j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			entry = section_entry_find(conf, layers[i], names[j], key);
			if (entry != NULL)
				return entry;
		}
	}
	return NULL;
}

static void
resolve_node(struct conf *conf, const char *node)
{
	char name[256];

	if (node == NULL) {
		if (gethostname(name, sizeof(name)) != 0)
			snprintf(name, sizeof(name), "localhost");
		name[sizeof(name) - 1] = '\0';
		name[strcspn(name, ".")] = '\0';
		node = name;
	}
	conf->node = arena_strdup(conf->arena, node);
	if (conf->node == NULL)
		conf->no_memory = true;
}

static void
resolve_node_class(struct conf *conf)
{
	const struct conf_entry *entry;

	conf->node_class = NULL; /* It cannot be named in itself. */
	entry = conf_entry_find(conf, "nodeClass");
	if (entry != NULL && entry->value[0] != '\0')
		conf->node_class = entry->value;
}

static void
read_includes(struct conf *conf)
{
	const struct conf_entry *entry = conf_entry_find(conf, "includes");
	struct conf_list list = {0};

	if (entry != NULL)
		list = conf_list_split(conf->arena, entry->value);
	for (unsigned i = 0; i < list.n; i++)
		conf_file_read(conf, list.item[i] + (list.item[i][0] == '-'), list.item[i][0] == '-');
}

static struct conf *
conf_create(const struct conf_tables *tables)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->tables = *tables;
	conf->arena = arena_create(64 << 10);
	conf->issues = calloc(CONF_ISSUES_MAX, sizeof(conf->issues[0]));
	if (conf->arena == NULL || conf->issues == NULL) {
		conf_destroy(conf);
		return NULL;
	}
	return conf;
}

void
conf_destroy(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (struct conf_section *section = conf->sections; section != NULL; section = section->next)
		free(section->entries);
	free(conf->issues);
	arena_destroy(conf->arena);
	free(conf);
}

struct conf *
conf_load_tables(const struct conf_params *params, const struct conf_tables *tables, FILE *errors)
{
	struct conf *conf = conf_create(tables);

	if (conf == NULL) {
		fprintf(errors, "conf: %s\n", strerror(ENOMEM));
		return NULL;
	}
	resolve_node(conf, params->node);
	conf_overrides_read(conf, params->overrides, params->n_overrides);
	conf_environment_read(conf);
	if (params->path != NULL)
		conf_file_read(conf, params->path, false);
	resolve_node_class(conf);
	read_includes(conf);
	resolve_node_class(conf);
	conf_check(conf);
	conf_issues_print(conf, errors);
	if (conf->n_errors > 0 || conf->no_memory) {
		conf_destroy(conf);
		return NULL;
	}
	return conf;
}

struct conf *
conf_load(const struct conf_params *params, FILE *errors)
{
	struct conf_tables tables = conf_registry();

	return conf_load_tables(params, &tables, errors);
}

const char *
conf_node(const struct conf *conf)
{
	return conf->node;
}

bool
conf_is_set(const struct conf *conf, const char *key)
{
	return conf_entry_find(conf, key) != NULL;
}

static void
store(const struct conf *conf, const struct setting *setting, const char *text, const union conf_value *value,
      void *member)
{
	switch (setting->type) {
	case SETTING_TYPE_BOOL:
		*(bool *)member = value->boolean;
		break;
	case SETTING_TYPE_U32:
		*(uint32_t *)member = (uint32_t)value->number;
		break;
	case SETTING_TYPE_U64:
		*(uint64_t *)member = value->number;
		break;
	case SETTING_TYPE_DOUBLE:
		*(double *)member = value->real;
		break;
	case SETTING_TYPE_STR:
		*(const char **)member = text;
		break;
	case SETTING_TYPE_ENUM:
		*(int *)member = value->word;
		break;
	case SETTING_TYPE_LIST:
		*(struct conf_list *)member = conf_list_split(conf->arena, text != NULL ? text : "");
		break;
	}
}

void
conf_fill(const struct conf *conf, const struct setting_group *group, void *out)
{
	for (unsigned i = 0; i < group->n_settings; i++) {
		const struct setting *setting = &group->settings[i];
		const struct conf_entry *entry = conf_entry_find(conf, setting->key);
		const char *text = entry != NULL ? entry->value : setting->fallback;
		union conf_value value = {0};
		char why[512];

		/* conf_check() and conf_validate_tables() have seen every text that can be here. */
		if (text != NULL)
			(void)conf_value_parse(setting, text, &value, why, sizeof(why));
		store(conf, setting, text, &value, (uint8_t *)out + setting->offset);
	}
}

static void
section_lines(const struct conf_section *section, void (*each)(const struct conf_line *, void *context), void *context)
{
	for (unsigned i = 0; section != NULL && i < section->n; i++) {
		const struct conf_entry *e = &section->entries[i];

		each(
			&(struct conf_line){
				.key = e->key, .value = e->value, .where = e->source.where, .line = e->source.line},
			context);
	}
}

void
conf_section_lines(const struct conf *conf, const char *name, void (*each)(const struct conf_line *, void *context),
		   void *context)
{
	section_lines(section_find(conf, CONF_LAYER_FILE, name), each, context);
	section_lines(section_find(conf, CONF_LAYER_ENVIRONMENT, name), each, context);
}

struct pair_call {
	void (*each)(const char *key, const char *value, void *context);
	void *context;
};

static void
call_with_pair(const struct conf_line *line, void *context)
{
	const struct pair_call *call = context;

	call->each(line->key, line->value, call->context);
}

void
conf_section_each(const struct conf *conf, const char *name,
		  void (*each)(const char *key, const char *value, void *context), void *context)
{
	conf_section_lines(conf, name, call_with_pair, &(struct pair_call){each, context});
}

bool
conf_file_section_lines(const char *path, const char *name, void (*each)(const struct conf_line *, void *context),
			void *context, FILE *errors)
{
	struct conf_tables tables = conf_registry();
	struct conf *conf = conf_create(&tables);
	bool good;

	if (conf == NULL) {
		fprintf(errors, "conf: %s\n", strerror(ENOMEM));
		return false;
	}
	conf_file_read(conf, path, false);
	conf_issues_print(conf, errors);
	good = conf->n_errors == 0 && !conf->no_memory;
	if (good)
		section_lines(section_find(conf, CONF_LAYER_FILE, name), each, context);
	conf_destroy(conf);
	return good;
}

static bool
same_section(const struct conf *a, const struct conf *b, enum conf_layer layer, const char *name)
{
	const struct conf_section *x = section_find(a, layer, name), *y = section_find(b, layer, name);
	unsigned n = x != NULL ? x->n : 0;

	if (n != (y != NULL ? y->n : 0))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (strcmp(x->entries[i].key, y->entries[i].key) != 0 ||
		    strcmp(x->entries[i].value, y->entries[i].value) != 0)
			return false;
	return true;
}

static bool
same_setting(const struct conf *a, const struct conf *b, const struct setting *setting)
{
	const struct conf_entry *x = conf_entry_find(a, setting->key), *y = conf_entry_find(b, setting->key);
	const char *fallback = setting->fallback != NULL ? setting->fallback : "";

	return strcmp(x != NULL ? x->value : fallback, y != NULL ? y->value : fallback) == 0;
}

void
conf_differences(const struct conf *a, const struct conf *b, void (*each)(const char *name, void *context),
		 void *context)
{
	char name[CONF_NEAREST_LENGTH_MAX + 3];

	for (unsigned g = 0; g < a->tables.n; g++)
		for (unsigned i = 0; i < a->tables.groups[g]->n_settings; i++)
			if (!same_setting(a, b, &a->tables.groups[g]->settings[i]))
				each(a->tables.groups[g]->settings[i].key, context);
	for (unsigned i = 0; conf_free_sections[i] != NULL; i++) {
		if (same_section(a, b, CONF_LAYER_FILE, conf_free_sections[i]) &&
		    same_section(a, b, CONF_LAYER_ENVIRONMENT, conf_free_sections[i]))
			continue;
		snprintf(name, sizeof(name), "[%s]", conf_free_sections[i]);
		each(name, context);
	}
}

void
conf_dump(const struct conf *conf, FILE *out)
{
	conf_dump_tables(conf, out);
}

void
conf_list_settings(FILE *out)
{
	struct conf_tables tables = conf_registry();

	conf_list_tables(&tables, out);
}

void
conf_print_template(FILE *out)
{
	struct conf_tables tables = conf_registry();

	conf_template_tables(&tables, out);
}

bool
conf_validate_tables(FILE *errors)
{
	struct conf_tables tables = conf_registry();

	return conf_validate_groups(&tables, errors);
}
