/* shrike: the command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "control.h"
#include "db.h"
#include "doctor.h"
#include "field.h"
#include "log.h"
#include "options.h"
#include "parsers_list.h"
#include "sensor.h"
#include "summary.h"

/* Actions that need no settings. True: done. */
static bool
inform(enum action action)
{
	switch (action) {
	case ACTION_HELP:
		options_help();
		return true;
	case ACTION_VERSION:
		printf("shrike %s\n", SHRIKE_VERSION);
		return true;
	case ACTION_PRINT_CONF:
		conf_print_template(stdout);
		return true;
	case ACTION_LIST_SETTINGS:
		conf_list_settings(stdout);
		return true;
	default:
		return false;
	}
}

static struct conf *
load_conf(const struct options *o)
{
	struct conf_params params = {
		.path = o->conf_path,
		.node = o->node,
		.overrides = o->overrides.item,
		.n_overrides = o->overrides.n,
	};

	return conf_load(&params, stderr);
}

/* What the run comes to, when everything else went well. */
static enum exit_code
verdict(const struct sensor *s, enum exit_code code)
{
	if (code != EXIT_FINE)
		return code;
	if (ledger_check(NULL) > 0 || stats_ledger_failed(s->stats))
		return EXIT_FAILED;
	if (summary_damaged_inputs(s) > 0)
		return EXIT_INPUT;
	if (s->options->strict && ledger_losses() > 0)
		return EXIT_LOSS;
	return EXIT_FINE;
}

static void
delete_inputs(const struct sensor *s)
{
	if (!s->options->delete_inputs || ledger_losses() > 0)
		return;
	for (uint32_t i = 0; i < replay_input_count(s->replay); i++) {
		const struct replay_input *in = replay_input(s->replay, i);

		if (in->done && in->absolute != NULL && unlink(in->absolute) != 0)
			LOG_WARN("replay.not_deleted", "file=\"%s\" error=\"%m\"", in->absolute);
	}
}

static enum exit_code
run(struct sensor *s)
{
	const struct options *o = s->options;
	enum exit_code code = sensor_start(s);
	int error;

	if (code != EXIT_FINE)
		return code;
	code = verdict(s, sensor_run(s));
	if (o->quiet == 0)
		summary_print(s, stderr);
	error = o->summary_path != NULL ? summary_write(s, o->summary_path, code) : 0;
	if (error != 0) {
		fprintf(stderr, "shrike: --summary %s: %s\n", o->summary_path, strerror(-error));
		return EXIT_FAILED;
	}
	if (code == EXIT_FINE)
		delete_inputs(s);
	return code;
}

/* What there is with these settings: parsersDir and some sections bring parsers and fields. */
static enum exit_code
list(enum action action, const struct conf *conf)
{
	struct parsers *parsers = parsers_create(conf);

	if (parsers == NULL)
		return EXIT_CONF;
	if (action == ACTION_LIST_PARSERS)
		parsers_list(parsers, stdout);
	else
		fields_list(stdout);
	parsers_destroy(parsers);
	return EXIT_FINE;
}

static enum exit_code
with_conf(const struct options *o, const struct conf *conf)
{
	struct sensor *s;
	enum exit_code code;

	if (o->action == ACTION_DUMP_CONFIG) {
		conf_dump(conf, stdout);
		return EXIT_FINE;
	}
	if (o->action == ACTION_LIST_PARSERS || o->action == ACTION_LIST_FIELDS)
		return list(o->action, conf);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return EXIT_FAILED;
	code = sensor_configure(s, o, conf);
	if (code == EXIT_FINE && o->action == ACTION_RUN)
		code = run(s);
	else if (code == EXIT_FINE && o->action == ACTION_DOCTOR)
		code = doctor(s, stdout);
	else if (code == EXIT_FINE)
		printf("shrike: settings are fine\n");
	if (!sensor_destroy(s))
		_exit(code != EXIT_FINE ? code : EXIT_FAILED);
	free(s);
	return code;
}

int
main(int argc, char **argv)
{
	struct options o;
	enum exit_code code;
	struct conf *conf;

	if (argc > 1 && strcmp(argv[1], "db") == 0)
		return db_main(argc - 1, argv + 1);
	code = options_parse(&o, argc, argv);
	if (code == EXIT_FINE && !inform(o.action)) {
		if (o.debug > 0)
			log_set_level(LOG_LEVEL_DEBUG);
		else if (o.quiet > 0)
			log_set_level(LOG_LEVEL_WARN);
		conf = load_conf(&o);
		code = conf != NULL ? with_conf(&o, conf) : EXIT_CONF;
		conf_destroy(conf);
	}
	options_free(&o);
	return code;
}
