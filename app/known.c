/* Captures that the store knows already. */
#include "known.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "sensor.h"

static void
append(const char *name, uint32_t number, void *context)
{
	struct known_files *known = context;

	if (known->n == known->room) {
		unsigned room = known->room > 0 ? 2 * known->room : 256;
		struct known_file *grown = realloc(known->file, room * sizeof(*grown));

		if (grown == NULL)
			return;
		known->file = grown;
		known->room = room;
	}
	known->file[known->n].name = strdup(name);
	known->file[known->n].number = number;
	known->n += known->file[known->n].name != NULL;
}

static int
compare(const void *a, const void *b)
{
	const struct known_file *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

uint32_t
known_number(const struct known_files *known, const char *absolute)
{
	unsigned low = 0, high = known->n;

	/* The first entry behind all of this name. */
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (strcmp(known->file[middle].name, absolute) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && strcmp(known->file[low - 1].name, absolute) == 0 ? known->file[low - 1].number : 0;
}

void
known_free(struct known_files *known)
{
	for (unsigned i = 0; i < known->n; i++)
		free(known->file[i].name);
	free(known->file);
}

static bool
path_is_known(const struct known_files *known, const char *path)
{
	char absolute[PATH_MAX];

	return realpath(path, absolute) != NULL && known_number(known, absolute) != 0;
}

static void
skip_known(struct sensor *s)
{
	unsigned kept = 0, skipped;

	for (unsigned i = 0; i < s->files.n; i++) {
		if (path_is_known(&s->known, s->files.path[i]))
			free(s->files.path[i]);
		else
			s->files.path[kept++] = s->files.path[i];
	}
	skipped = s->files.n - kept;
	s->files.n = kept;
	if (skipped > 0)
		LOG_INFO("replay.skipped", "files=%u note=\"known already\"", skipped);
}

static enum exit_code
require_known(const struct sensor *s)
{
	for (unsigned i = 0; i < s->files.n; i++) {
		if (path_is_known(&s->known, s->files.path[i]))
			continue;
		fprintf(stderr,
			"shrike: --reprocess: '%s' is not in the files table; leave --reprocess out to add it\n",
			s->files.path[i]);
		return EXIT_INPUT;
	}
	return EXIT_FINE;
}

enum exit_code
known_apply(struct sensor *s)
{
	struct exporter_params params = {
		.conf = s->conf, .export_conf = &s->export_conf, .document = &s->document_conf};

	if (!s->options->skip && !s->options->reprocess)
		return EXIT_FINE;
	if (export_each_file(&params, append, &s->known) != 0)
		return EXIT_ENVIRONMENT;
	qsort(s->known.file, s->known.n, sizeof(*s->known.file), compare);
	if (s->options->skip)
		skip_known(s);
	return s->options->reprocess ? require_known(s) : EXIT_FINE;
}
