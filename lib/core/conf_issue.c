/* Errors and warnings of a conf.
 *
 * They are collected and printed at the end, sorted by file and line: the checks run in the order that suits them
 * (duplicates are found by sorting), the user reads from top to bottom. */
#include <stdarg.h>
#include <stdlib.h>

#include "conf_priv.h"
#include "log.h"

enum { TEXT_BYTES = 1024 };

const char *
conf_source_print(const struct conf_source *source, char *out, size_t size)
{
	char where[TEXT_BYTES / 2];

	log_quote(where, sizeof(where), source->where);
	if (source->layer == CONF_LAYER_OVERRIDE)
		snprintf(out, size, "-o %s", where);
	else if (source->layer == CONF_LAYER_ENVIRONMENT)
		snprintf(out, size, "environment %s", where);
	else if (source->line == 0)
		snprintf(out, size, "%s", where);
	else
		snprintf(out, size, "%s:%u", where, source->line);
	return out;
}

static void __attribute__((format(printf, 4, 0)))
issue_add(struct conf *conf, const struct conf_source *source, const char *level, const char *format, va_list arguments)
{
	char text[TEXT_BYTES], message[TEXT_BYTES / 2], where[TEXT_BYTES / 2];
	struct conf_issue *issue;

	if (conf->n_issues == CONF_ISSUES_MAX) {
		conf->n_unprinted++;
		return;
	}
	vsnprintf(message, sizeof(message), format, arguments);
	snprintf(text, sizeof(text), "%s: %s%s", conf_source_print(source, where, sizeof(where) - 8), level, message);
	issue = &conf->issues[conf->n_issues];
	issue->source = *source;
	issue->number = conf->n_issues;
	issue->text = arena_strdup(conf->arena, text);
	if (issue->text == NULL)
		conf->no_memory = true;
	else
		conf->n_issues++;
}

void
conf_error(struct conf *conf, const struct conf_source *source, const char *format, ...)
{
	va_list arguments;

	conf->n_errors++;
	va_start(arguments, format);
	issue_add(conf, source, "", format, arguments);
	va_end(arguments);
}

void
conf_warning(struct conf *conf, const struct conf_source *source, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	issue_add(conf, source, "warning: ", format, arguments);
	va_end(arguments);
}

static int
by_place(const void *a, const void *b)
{
	const struct conf_issue *x = a, *y = b;

	if (x->source.layer != y->source.layer)
		return x->source.layer < y->source.layer ? -1 : 1;
	if (x->source.file != y->source.file)
		return x->source.file < y->source.file ? -1 : 1;
	if (x->source.line != y->source.line)
		return x->source.line < y->source.line ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

void
conf_issues_print(struct conf *conf, FILE *out)
{
	qsort(conf->issues, conf->n_issues, sizeof(conf->issues[0]), by_place);
	for (unsigned i = 0; i < conf->n_issues; i++)
		fprintf(out, "%s\n", conf->issues[i].text);
	if (conf->n_unprinted > 0)
		fprintf(out, "and %u more\n", conf->n_unprinted);
	if (conf->no_memory)
		fprintf(out, "conf: out of memory\n");
}
