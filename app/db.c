/* "shrike db init|check|upgrade|expire": a command line of its own in front of lib/export/elastic_admin. */
#include "db.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf.h"
#include "elastic_admin.h"
#include "field.h"
#include "log.h"
#include "parsing.h"

enum { OVERRIDES_MAX = 64, SHARDS_MAX = 1024, REPLICAS_MAX = 10, DAYS_MAX = 36500 };

static const char help_text[] =
	"shrike db init|check|upgrade|expire [-c FILE] [-o KEY=VALUE]... - what Elasticsearch or OpenSearch needs\n"
	"\n"
	"  init      makes templates, indices and fields documents that are missing; leaves alone what is there\n"
	"  check     says what is there; exit 1 when something is missing\n"
	"  upgrade   as init, and templates made by shrike get the fields that came since\n"
	"  expire    deletes session indices: --days N that ended so many days ago, --size N[kMGT] the oldest beyond\n"
	"            so many bytes; never the newest; --dry-run only says which\n"
	"\n"
	"  -c, --config FILE, -o, --option KEY=VALUE, -n, --node NAME   as for the sensor: elasticsearch, prefix, ...\n"
	"      --shards N      of each session index (init, upgrade; default: one for each data node, 24 at most)\n"
	"      --replicas N    copies of each shard (default 0)\n";

enum { OPT_DAYS = 256, OPT_SIZE, OPT_SHARDS, OPT_REPLICAS, OPT_DRY_RUN, OPT_INSECURE };

static const struct option db_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"option", required_argument, NULL, 'o'},
	{"node", required_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{"days", required_argument, NULL, OPT_DAYS},
	{"size", required_argument, NULL, OPT_SIZE},
	{"shards", required_argument, NULL, OPT_SHARDS},
	{"replicas", required_argument, NULL, OPT_REPLICAS},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"insecure", no_argument, NULL, OPT_INSECURE},
	{NULL, 0, NULL, 0},
};

struct db_arguments {
	struct conf_params conf;
	const char *overrides[OVERRIDES_MAX];
	struct elastic_admin admin;
	struct elastic_expiry expiry;
	bool help;
};

static bool
read_number(const char *what, const char *text, uint64_t max, uint64_t *out)
{
	static const char units[] = "kMGT";
	char *end;
	const char *unit;

	errno = 0;
	*out = strtoull(text, &end, 10);
	unit = *end != '\0' ? strchr(units, *end) : NULL;
	for (const char *p = units; unit != NULL && p <= unit; p++)
		*out = *out > UINT64_MAX / 1000 ? UINT64_MAX : *out * 1000;
	if (end != text && text[0] != '-' && errno == 0 && (*end == '\0' || (unit != NULL && end[1] == '\0')) &&
	    *out <= max)
		return true;
	fprintf(stderr, "shrike db: --%s: '%s' is no number from 0 to %llu\n", what, text, (unsigned long long)max);
	return false;
}

static bool
read_unsigned(const char *what, const char *text, unsigned max, unsigned *out)
{
	uint64_t number;

	if (!read_number(what, text, max, &number))
		return false;
	*out = (unsigned)number;
	return true;
}

static bool
add_override(struct db_arguments *a, const char *text)
{
	if (a->conf.n_overrides == OVERRIDES_MAX) {
		fprintf(stderr, "shrike db: more than %d times -o\n", OVERRIDES_MAX);
		return false;
	}
	a->overrides[a->conf.n_overrides++] = text;
	return true;
}

static bool
read_option(struct db_arguments *a, int option)
{
	switch (option) {
	case 'c':
		a->conf.path = optarg;
		return true;
	case 'n':
		a->conf.node = optarg;
		return true;
	case 'o':
		return add_override(a, optarg);
	case OPT_INSECURE:
		return add_override(a, "elasticsearchInsecure=true");
	case 'h':
		a->help = true;
		return true;
	case OPT_DAYS:
		return read_unsigned("days", optarg, DAYS_MAX, &a->expiry.days);
	case OPT_SIZE:
		return read_number("size", optarg, UINT64_MAX, &a->expiry.max_bytes);
	case OPT_SHARDS:
		return read_unsigned("shards", optarg, SHARDS_MAX, &a->admin.shards);
	case OPT_REPLICAS:
		return read_unsigned("replicas", optarg, REPLICAS_MAX, &a->admin.replicas);
	case OPT_DRY_RUN:
		a->expiry.dry_run = true;
		return true;
	default:
		return false;
	}
}

static bool
read_arguments(struct db_arguments *a, int argc, char **argv, const char **command)
{
	int option;

	a->conf.overrides = a->overrides;
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:o:n:h", db_options, NULL)) != -1)
		if (!read_option(a, option))
			return false;
	*command = optind < argc ? argv[optind] : NULL;
	if (!a->help && (*command == NULL || optind + 1 < argc)) {
		fprintf(stderr, "shrike db: one of init, check, upgrade, expire\n");
		return false;
	}
	return true;
}

static int
run_expiry(struct db_arguments *a)
{
	if (a->expiry.days == 0 && a->expiry.max_bytes == 0) {
		fprintf(stderr, "shrike db: expire needs --days or --size\n");
		return -EINVAL;
	}
	a->expiry.now_s = (uint64_t)time(NULL);
	return elastic_db_expire(&a->admin, &a->expiry);
}

static enum exit_code
run_command(struct db_arguments *a, const char *command)
{
	int rc;

	if (strcmp(command, "init") == 0)
		rc = elastic_db_init(&a->admin);
	else if (strcmp(command, "check") == 0)
		rc = elastic_db_check(&a->admin);
	else if (strcmp(command, "upgrade") == 0)
		rc = elastic_db_upgrade(&a->admin);
	else
		rc = run_expiry(a);
	return rc == 0 ? EXIT_FINE : rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static bool
is_command(const char *command)
{
	static const char *const commands[] = {"init", "check", "upgrade", "expire"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i], command) == 0)
			return true;
	fprintf(stderr, "shrike db: '%s' is none of init, check, upgrade, expire\n", command);
	return false;
}

/* Parsers bring fields, and some sections of the conf do. */
static enum exit_code
with_fields(struct db_arguments *a, const struct conf *conf, const char *command)
{
	struct document_conf document;
	struct parsers *parsers = parsers_create(conf);
	enum exit_code code;

	if (parsers == NULL)
		return EXIT_CONF;
	conf_fill(conf, &document_settings_group, &document);
	document.node = conf_node(conf);
	a->admin.conf = conf;
	a->admin.document = &document;
	code = run_command(a, command);
	a->admin.document = NULL;
	parsers_destroy(parsers);
	return code;
}

enum exit_code
db_main(int argc, char **argv)
{
	struct db_arguments a = {0};
	const char *command = NULL;
	enum exit_code code = EXIT_CONF;
	struct conf *conf;

	if (!read_arguments(&a, argc, argv, &command))
		return EXIT_USAGE;
	if (a.help) {
		fputs(help_text, stdout);
		return EXIT_FINE;
	}
	if (!is_command(command))
		return EXIT_USAGE;
	log_set_level(LOG_LEVEL_WARN);
	conf = conf_load(&a.conf, stderr);
	if (conf != NULL)
		code = with_fields(&a, conf, command);
	conf_destroy(conf);
	return code;
}
