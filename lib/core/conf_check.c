/* Checks of a conf: every key known, once in its section, and its value of its type.
 *
 * Sections of other nodes are checked too: the file is shared, and what is wrong there is wrong on the machine that
 * reads it next. Only free sections are not ours to judge. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_priv.h"
#include "log.h"

/* Edits cost 2, a change of case 1, so that the same word in another case is nearest. */
enum { COST_EDIT = 2, COST_CASE = 1, QUOTED_BYTES = 100 };

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned
cost_of_change(char a, char b)
{
	if (a == b)
		return 0;
	return lower(a) == lower(b) ? COST_CASE : COST_EDIT;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, changes, and swaps of neighbours. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned rows[3][CONF_NEAREST_LENGTH_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2], *oldest;
	size_t n = strlen(a), m = strlen(b);

	if (n > CONF_NEAREST_LENGTH_MAX || m > CONF_NEAREST_LENGTH_MAX)
		return COST_EDIT * (unsigned)(n > m ? n : m);
	for (unsigned j = 0; j <= m; j++)
		row[j] = COST_EDIT * j;
	for (unsigned i = 1; i <= n; i++) {
		oldest = before;
		before = above;
		above = row;
		row = oldest;
		row[0] = COST_EDIT * i;
		for (unsigned j = 1; j <= m; j++) {
			row[j] = above[j - 1] + cost_of_change(a[i - 1], b[j - 1]);
			row[j] = least(row[j], least(above[j], row[j - 1]) + COST_EDIT);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + COST_EDIT);
		}
	}
	return row[m];
}

struct nearest {
	const char *word;
	unsigned distance;
};

static void
nearest_try(struct nearest *nearest, const char *word, const char *candidate)
{
	size_t n = strlen(word), m = strlen(candidate);
	/* With a third of its letters wrong it is another word. */
	unsigned limit = least(COST_EDIT * (1 + (unsigned)n / 4), 8), d;

	if (strcasecmp(word, candidate) == 0)
		d = 0; /* Wrong case alone is always near. */
	else if (COST_EDIT * (n > m ? n - m : m - n) > limit)
		return;
	else
		d = distance(word, candidate);
	if (d < nearest->distance && d <= limit) {
		nearest->word = candidate;
		nearest->distance = d;
	}
}

const char *
conf_nearest(const struct conf_tables *tables, const char *key)
{
	struct nearest nearest = {.distance = UINT32_MAX};

	if (strlen(key) > CONF_NEAREST_LENGTH_MAX)
		return NULL;
	for (unsigned g = 0; g < tables->n; g++)
		for (unsigned i = 0; i < tables->groups[g]->n_settings; i++)
			nearest_try(&nearest, key, tables->groups[g]->settings[i].key);
	for (const char *const *known = conf_arkime_keys; *known != NULL; known++)
		nearest_try(&nearest, key, *known);
	return nearest.word;
}

/* The free section that was probably meant, or NULL. */
static const char *
nearest_section(const char *name)
{
	struct nearest nearest = {.distance = UINT32_MAX};

	for (const char *const *known = conf_free_sections; *known != NULL; known++)
		nearest_try(&nearest, name, *known);
	return nearest.word;
}

static bool
is_ours(const struct conf *conf, const char *section)
{
	return strcmp(section, "default") == 0 || (conf->node != NULL && strcmp(section, conf->node) == 0) ||
	       (conf->node_class != NULL && strcmp(section, conf->node_class) == 0);
}

/* False: the rest of the section needs no look, its name is wrong. */
static bool
check_unknown(struct conf *conf, const struct conf_section *section, const struct conf_entry *entry)
{
	char key[QUOTED_BYTES], name[QUOTED_BYTES];
	const char *near_section = is_ours(conf, section->name) ? NULL : nearest_section(section->name);
	const char *near;

	log_quote(key, sizeof(key), entry->key);
	log_quote(name, sizeof(name), section->name);
	if (near_section != NULL) {
		conf_error(conf, &section->source, "unknown section [%s]; did you mean [%s]?", name, near_section);
		return false;
	}
	/* Above that nobody reads them, and a look for the nearest costs. */
	near = conf->n_issues < CONF_ISSUES_MAX ? conf_nearest(&conf->tables, entry->key) : NULL;
	if (near != NULL)
		conf_error(conf, &entry->source, "unknown setting '%s'; did you mean '%s'?", key, near);
	else if (is_ours(conf, section->name))
		conf_error(conf, &entry->source, "unknown setting '%s'; --list-settings shows all", key);
	else
		conf_error(conf, &entry->source, "unknown setting '%s' in [%s], which is read as a node's section", key,
			   name);
	return true;
}

static void
check_value(struct conf *conf, const struct setting *setting, const struct conf_entry *entry)
{
	union conf_value value;
	char why[512];

	if (!conf_value_parse(setting, entry->value, &value, why, sizeof(why)))
		conf_error(conf, &entry->source, "%s: %s", setting->key, why);
	if (strcmp(setting->key, "includes") == 0 && entry->source.file > 0)
		conf_error(conf, &entry->source, "includes: only the first file may include others");
}

struct warned {
	const char *key[256]; /* at least the keys of conf_arkime_keys */
	unsigned n;
};

static void
warn_once(struct conf *conf, struct warned *warned, const struct conf_entry *entry)
{
	for (unsigned i = 0; i < warned->n; i++)
		if (strcmp(warned->key[i], entry->key) == 0)
			return;
	if (warned->n == sizeof(warned->key) / sizeof(warned->key[0]))
		return;
	warned->key[warned->n++] = entry->key;
	conf_warning(conf, &entry->source, "'%s' is a setting of Arkime that does nothing here yet", entry->key);
}

static void
check_section(struct conf *conf, const struct conf_section *section, struct warned *warned)
{
	for (unsigned i = 0; i < section->n; i++) {
		const struct conf_entry *entry = &section->entries[i];
		const struct setting *setting = conf_setting_find(&conf->tables, entry->key);

		if (setting != NULL) {
			check_value(conf, setting, entry);
			continue;
		}
		switch (conf_foreign_key(entry->key)) {
		case CONF_FOREIGN_NO:
			if (!check_unknown(conf, section, entry))
				return;
			break;
		case CONF_FOREIGN_CAPTURE:
			if (is_ours(conf, section->name))
				warn_once(conf, warned, entry);
			break;
		case CONF_FOREIGN_VIEWER:
			break;
		}
	}
}

static int
by_key_and_place(const void *a, const void *b)
{
	const struct conf_entry *x = *(const struct conf_entry *const *)a, *y = *(const struct conf_entry *const *)b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	if (x->source.file != y->source.file)
		return x->source.file < y->source.file ? -1 : 1;
	return x->source.line < y->source.line ? -1 : 1;
}

static void
check_duplicates(struct conf *conf, const struct conf_section *section)
{
	const struct conf_entry **sorted = calloc(section->n > 0 ? section->n : 1, sizeof(sorted[0]));
	char key[QUOTED_BYTES];

	if (sorted == NULL) {
		conf->no_memory = true;
		return;
	}
	for (unsigned i = 0; i < section->n; i++)
		sorted[i] = &section->entries[i];
	qsort(sorted, section->n, sizeof(sorted[0]), by_key_and_place);
	for (unsigned i = 1; i < section->n; i++)
		if (strcmp(sorted[i]->key, sorted[i - 1]->key) == 0 &&
		    sorted[i]->source.file == sorted[i - 1]->source.file)
			conf_error(conf, &sorted[i]->source, "duplicate setting '%s', already set in line %u",
				   log_quote(key, sizeof(key), sorted[i]->key), sorted[i - 1]->source.line);
	free(sorted);
}

void
conf_check(struct conf *conf)
{
	struct warned warned = {0};

	for (const struct conf_section *section = conf->sections; section != NULL; section = section->next) {
		if (conf_section_is_free(section->name))
			continue;
		check_section(conf, section, &warned);
		/* On the command line and between ARKIME__ and SHRIKE__ the last one wins. */
		if (section->layer == CONF_LAYER_FILE)
			check_duplicates(conf, section);
	}
}

static bool
validate_setting(const struct conf_tables *tables, const struct setting *setting, FILE *errors)
{
	union conf_value value;
	char why[512];

	if (conf_setting_find(tables, setting->key) != setting) {
		fprintf(errors, "setting %s: two have this key\n", setting->key);
		return false;
	}
	if (setting->key[0] == '\0' || setting->key[strcspn(setting->key, "=#;[] \t\r\n")] != '\0') {
		fprintf(errors, "setting %s: this key cannot be written in a file\n", setting->key);
		return false;
	}
	if (setting->help == NULL || setting->help[0] == '\0') {
		fprintf(errors, "setting %s: has no help\n", setting->key);
		return false;
	}
	if (setting->type == SETTING_TYPE_ENUM && setting->words == NULL) {
		fprintf(errors, "setting %s: has no words\n", setting->key);
		return false;
	}
	if (setting->min > setting->max) {
		fprintf(errors, "setting %s: its range is empty\n", setting->key);
		return false;
	}
	if (setting->type != SETTING_TYPE_STR && setting->type != SETTING_TYPE_LIST &&
	    !conf_value_parse(setting, setting->fallback != NULL ? setting->fallback : "", &value, why, sizeof(why))) {
		fprintf(errors, "setting %s: its default: %s\n", setting->key, why);
		return false;
	}
	return true;
}

bool
conf_validate_groups(const struct conf_tables *tables, FILE *errors)
{
	bool good = true;

	for (unsigned g = 0; g < tables->n; g++)
		for (unsigned i = 0; i < tables->groups[g]->n_settings; i++)
			good &= validate_setting(tables, &tables->groups[g]->settings[i], errors);
	return good;
}
