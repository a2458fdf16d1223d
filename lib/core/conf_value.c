/* Values: text to type.
 *
 * Arkime takes what it cannot read as 0 and clamps what is out of range; a typing error then runs for months. Here both
 * are refused, with the range in the message. Numbers are plain decimal, as in the reference: no suffixes, no hex. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"
#include "log.h"

static const char white_space[] = " \t\r\n\v\f";

char *
conf_trim(char *text)
{
	size_t n;

	text += strspn(text, white_space);
	for (n = strlen(text); n > 0 && strchr(white_space, text[n - 1]) != NULL; n--)
		text[n - 1] = '\0';
	return text;
}

/* 2^64 is the double next to UINT64_MAX, so what does not fit below it is that. */
static uint64_t
bound(double value)
{
	if (value <= 0)
		return 0;
	return value >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)value;
}

static void
append_words(const struct setting *setting, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; setting->words[i] != NULL && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
					 setting->words[i][0] != '\0' ? setting->words[i] : "(empty)");
}

const char *
conf_value_range(const struct setting *setting, char *out, size_t size)
{
	const char *unit = setting->unit != NULL ? setting->unit : "", *space = unit[0] != '\0' ? " " : "";

	switch (setting->type) {
	case SETTING_TYPE_BOOL:
		snprintf(out, size, "true or false");
		break;
	case SETTING_TYPE_U32:
	case SETTING_TYPE_U64:
		snprintf(out, size, "%" PRIu64 " to %" PRIu64 "%s%s", bound(setting->min), bound(setting->max), space,
			 unit);
		break;
	case SETTING_TYPE_DOUBLE:
		snprintf(out, size, "%.15g to %.15g%s%s", setting->min, setting->max, space, unit);
		break;
	case SETTING_TYPE_ENUM:
		append_words(setting, out, size);
		break;
	case SETTING_TYPE_STR:
	case SETTING_TYPE_LIST:
		out[0] = '\0';
		break;
	}
	return out;
}

static void
explain(const struct setting *setting, char *why, size_t why_size, const char *text, const char *what)
{
	char range[400], quoted[80];
	bool comment = strstr(text, " #") != NULL || strstr(text, " ;") != NULL;

	snprintf(why, why_size, "'%s' is %s (%s)%s", log_quote(quoted, sizeof(quoted), text), what,
		 conf_value_range(setting, range, sizeof(range)), comment ? "; a comment has to begin its line" : "");
}

static bool
parse_bool(const char *text, bool *value)
{
	static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static bool
is_whole_number(const char *text)
{
	text += *text == '-';
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool
parse_number(const struct setting *setting, const char *text, uint64_t *value, char *why, size_t why_size)
{
	double type_max = setting->type == SETTING_TYPE_U32 ? UINT32_MAX : 18446744073709551616.0;

	if (!is_whole_number(text)) {
		explain(setting, why, why_size, text, "not a whole number");
		return false;
	}
	errno = 0;
	*value = strtoull(text, NULL, 10);
	if (text[0] == '-' || errno == ERANGE || *value < bound(setting->min) || *value > bound(setting->max) ||
	    (double)*value > type_max) {
		explain(setting, why, why_size, text, "out of range");
		return false;
	}
	return true;
}

static bool
parse_real(const struct setting *setting, const char *text, double *value, char *why, size_t why_size)
{
	char *end = NULL;

	*value = strtod(text, &end);
	/* Not what strtod() takes beyond a number: hex, "inf", "nan". */
	if (text[0] == '\0' || *end != '\0' || text[strspn(text, "0123456789.+-eE")] != '\0') {
		explain(setting, why, why_size, text, "not a number");
		return false;
	}
	if (!isfinite(*value) || *value < setting->min || *value > setting->max) {
		explain(setting, why, why_size, text, "out of range");
		return false;
	}
	return true;
}

static bool
parse_word(const struct setting *setting, const char *text, int *value)
{
	for (int i = 0; setting->words[i] != NULL; i++) {
		if (strcmp(text, setting->words[i]) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

bool
conf_value_parse(const struct setting *setting, const char *text, union conf_value *value, char *why, size_t why_size)
{
	switch (setting->type) {
	case SETTING_TYPE_BOOL:
		if (parse_bool(text, &value->boolean))
			return true;
		explain(setting, why, why_size, text, "neither");
		return false;
	case SETTING_TYPE_U32:
	case SETTING_TYPE_U64:
		return parse_number(setting, text, &value->number, why, why_size);
	case SETTING_TYPE_DOUBLE:
		return parse_real(setting, text, &value->real, why, why_size);
	case SETTING_TYPE_ENUM:
		if (parse_word(setting, text, &value->word))
			return true;
		explain(setting, why, why_size, text, "none of the words");
		return false;
	case SETTING_TYPE_STR:
	case SETTING_TYPE_LIST:
		return true;
	}
	return false;
}

struct conf_list
conf_list_split(struct arena *arena, const char *text)
{
	struct conf_list list = {0};
	char *rest, *item;
	unsigned max = 1;

	for (const char *p = text; *p != '\0'; p++)
		max += *p == ';';
	list.item = arena_alloc(arena, max * sizeof(list.item[0]));
	rest = arena_strdup(arena, text);
	if (list.item == NULL || rest == NULL)
		return (struct conf_list){0};
	while ((item = strsep(&rest, ";")) != NULL) {
		item = conf_trim(item);
		if (item[0] != '\0')
			list.item[list.n++] = item;
	}
	return list;
}
