/* Settings from the command line and the environment.
 *
 * -o key=value; the last of a key wins. Environment: ARKIME__key and SHRIKE__key for the default section (SHRIKE__ wins
 * where both are there), ARKIME_section__key and SHRIKE_section__key for another; DASH, COLON, DOT and SLASH stand for
 * the characters a shell does not allow in names. */
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"

void
conf_overrides_read(struct conf *conf, const char *const *overrides, unsigned n)
{
	struct conf_source source = {.layer = CONF_LAYER_OVERRIDE};
	struct conf_section *section;
	char *key, *value;

	for (unsigned i = 0; i < n; i++) {
		source.where = arena_strdup(conf->arena, overrides[i]);
		value = arena_strdup(conf->arena, overrides[i]);
		section = conf_section_lookup(conf, "default", &source);
		if (source.where == NULL || value == NULL || section == NULL) {
			conf->no_memory = true;
			return;
		}
		/* Printed in the order of the command line. */
		source.line = i + 1;
		key = strsep(&value, "=");
		if (value == NULL || conf_trim(key)[0] == '\0')
			conf_error(conf, &source, "not of the form key=value");
		else
			conf_entry_add(conf, section, conf_trim(key), conf_trim(value), &source);
	}
}

static void
replace_all(char *text, const char *word, char character)
{
	size_t length = strlen(word);
	char *hit;

	while ((hit = strstr(text, word)) != NULL) {
		*hit = character;
		memmove(hit + 1, hit + length, strlen(hit + length) + 1);
	}
}

static void
decode_name(char *text)
{
	replace_all(text, "DASH", '-');
	replace_all(text, "COLON", ':');
	replace_all(text, "DOT", '.');
	replace_all(text, "SLASH", '/');
}

/* 'rest' is what follows the prefix: "_key" or "section__key", "=", value. */
static void
read_variable(struct conf *conf, const char *variable, const char *rest)
{
	struct conf_source source = {.layer = CONF_LAYER_ENVIRONMENT};
	char *copy = arena_strdup(conf->arena, rest), *name, *key, *section_name;
	struct conf_section *section;

	source.where = arena_strndup(conf->arena, variable, strcspn(variable, "="));
	if (copy == NULL || source.where == NULL) {
		conf->no_memory = true;
		return;
	}
	name = strsep(&copy, "=");
	key = name[0] == '_' ? name : strstr(name, "__");
	if (copy == NULL || key == NULL)
		return; /* ARKIME_HOME and the like: not a setting. */
	section_name = name[0] == '_' ? NULL : name;
	*key = '\0';
	key += section_name != NULL ? 2 : 1;
	decode_name(key);
	if (section_name != NULL)
		decode_name(section_name);
	section = conf_section_lookup(conf, section_name != NULL ? section_name : "default", &source);
	if (section == NULL)
		return;
	if (key[0] == '\0')
		conf_error(conf, &source, "no key after '__'");
	else
		conf_entry_add(conf, section, key, conf_trim(copy), &source);
}

void
conf_environment_read(struct conf *conf)
{
	static const char *const prefixes[] = {"ARKIME_", "SHRIKE_"};

	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
			if (strncmp(*variable, prefixes[i], length) == 0)
				read_variable(conf, *variable, *variable + length);
	}
}
