/* The command line: the reference's options under their names, and ours. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit codes (DESIGN 10). */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_CONF = 3,
	EXIT_INPUT = 4,	      /* an input was damaged, partly read, or could not be read */
	EXIT_ENVIRONMENT = 5, /* hugepages, devices, permissions */
	EXIT_LOSS = 6,	      /* --strict, and something was lost */
};

struct text_list {
	const char **item;
	unsigned n;
};

/* What the user wants instead of a run. */
enum action {
	ACTION_RUN,
	ACTION_HELP,
	ACTION_VERSION,
	ACTION_CHECK, /* -T */
	ACTION_DOCTOR,
	ACTION_DUMP_CONFIG,
	ACTION_PRINT_CONF,
	ACTION_LIST_SETTINGS,
	ACTION_LIST_FIELDS,
	ACTION_LIST_PARSERS,
};

struct options {
	enum action action;
	int eal_argc; /* the arguments before "--", the program's name included; 0: none were given */
	char **eal_argv;

	const char *conf_path;
	const char *node;
	const char *host;			/* --host; NULL: this machine's name */
	struct text_list files, folders, lists; /* -r -R -F */
	struct text_list interfaces;		/* -i */
	struct text_list tags, overrides, operations;
	const char *records_path, *summary_path;
	uint64_t packets_per_file; /* --packetcnt */
	double exit_idle_s;	   /* negative: not given */
	int quiet, debug;
	bool recursive, sorted, copy, delete_inputs, dry_run, flush, skip, reprocess, no_records, no_lock,
		ignore_errors, strict, no_stats;
};

/* Returns EXIT_FINE, or EXIT_USAGE after saying on standard error what is wrong. */
enum exit_code options_parse(struct options *, int argc, char **argv);
void options_free(struct options *);
void options_help(void);

static inline bool
options_is_replay(const struct options *options)
{
	return options->files.n + options->folders.n + options->lists.n > 0;
}

#endif
