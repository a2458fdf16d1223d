/* Command line.
 *
 * EAL arguments exist only before a "--": -r, -c and -n are EAL's names too, and a user who just wants to read a file
 * should not have to know EAL. Options of the reference that have nothing to act on yet are refused with a line that
 * says so, rather than accepted and ignored; those that never change a result here (--scheme, --libpcap: ways to read
 * files) are accepted. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum long_only {
	OPT_COPY = 256,
	OPT_DELETE,
	OPT_DOCTOR,
	OPT_DRY_RUN,
	OPT_DUMP_CONFIG,
	OPT_EXIT_IDLE,
	OPT_FLUSH,
	OPT_HOST,
	OPT_IGNORE_ERRORS,
	OPT_INSECURE,
	OPT_LIST_FIELDS,
	OPT_LIST_PARSERS,
	OPT_LIST_SETTINGS,
	OPT_NO_LOCK,
	OPT_NO_REFRESH,
	OPT_NO_SPI,
	OPT_NO_STATS,
	OPT_NOTHING,
	OPT_NOT_YET,
	OPT_OP,
	OPT_PACKET_COUNT,
	OPT_PRINT_CONF,
	OPT_RECORDS,
	OPT_RECURSIVE,
	OPT_REPROCESS,
	OPT_SORTED,
	OPT_STRICT,
	OPT_SUMMARY,
};

static const char short_options[] = "+c:r:R:F:i:n:t:o:qdsvTmh";

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"pcapfile", required_argument, NULL, 'r'},
	{"pcapdir", required_argument, NULL, 'R'},
	{"filelist", required_argument, NULL, 'F'},
	{"interface", required_argument, NULL, 'i'},
	{"node", required_argument, NULL, 'n'},
	{"tag", required_argument, NULL, 't'},
	{"tags", required_argument, NULL, 't'},
	{"option", required_argument, NULL, 'o'},
	{"op", required_argument, NULL, OPT_OP},
	{"quiet", no_argument, NULL, 'q'},
	{"debug", no_argument, NULL, 'd'},
	{"skip", no_argument, NULL, 's'},
	{"reprocess", no_argument, NULL, OPT_REPROCESS},
	{"recursive", no_argument, NULL, OPT_RECURSIVE},
	{"sorted", no_argument, NULL, OPT_SORTED},
	{"copy", no_argument, NULL, OPT_COPY},
	{"delete", no_argument, NULL, OPT_DELETE},
	{"dryrun", no_argument, NULL, OPT_DRY_RUN},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"flush", no_argument, NULL, OPT_FLUSH},
	{"nospi", no_argument, NULL, OPT_NO_SPI},
	{"nolockpcap", no_argument, NULL, OPT_NO_LOCK},
	{"ignoreerrors", no_argument, NULL, OPT_IGNORE_ERRORS},
	{"packetcnt", required_argument, NULL, OPT_PACKET_COUNT},
	{"exit-idle", required_argument, NULL, OPT_EXIT_IDLE},
	{"records", required_argument, NULL, OPT_RECORDS},
	{"summary", required_argument, NULL, OPT_SUMMARY},
	{"strict", no_argument, NULL, OPT_STRICT},
	{"doctor", no_argument, NULL, OPT_DOCTOR},
	{"dumpConfig", no_argument, NULL, OPT_DUMP_CONFIG},
	{"dump-config", no_argument, NULL, OPT_DUMP_CONFIG},
	{"print-conf", no_argument, NULL, OPT_PRINT_CONF},
	{"list-settings", no_argument, NULL, OPT_LIST_SETTINGS},
	{"list-fields", no_argument, NULL, OPT_LIST_FIELDS},
	{"list-parsers", no_argument, NULL, OPT_LIST_PARSERS},
	{"parsers", no_argument, NULL, OPT_LIST_PARSERS},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"scheme", no_argument, NULL, OPT_NOTHING},
	{"libpcap", no_argument, NULL, OPT_NOTHING},
	{"norefresh", no_argument, NULL, OPT_NO_REFRESH},
	{"nostats", no_argument, NULL, OPT_NO_STATS},
	{"monitor", no_argument, NULL, OPT_NOT_YET},
	{"host", required_argument, NULL, OPT_HOST},
	{"insecure", no_argument, NULL, OPT_INSECURE},
	{"provider", required_argument, NULL, OPT_NOT_YET},
	{"profile", required_argument, NULL, OPT_NOT_YET},
	{"command", required_argument, NULL, OPT_NOT_YET},
	{"command-socket", required_argument, NULL, OPT_NOT_YET},
	{"command-wait", no_argument, NULL, OPT_NOT_YET},
	{"tests", no_argument, NULL, OPT_NOT_YET},
	{"regressionTests", no_argument, NULL, OPT_NOT_YET},
	{NULL, 0, NULL, 0},
};

static const char help_text[] =
	"shrike - network sensor: packets to sessions, records and pcap\n"
	"\n"
	"  shrike -r FILE...                 replay captures (pcap, pcapng, gzip, zstd; - is standard input)\n"
	"  shrike -i eth0                    capture live; or interface=... in the settings\n"
	"  shrike db init|check|upgrade|expire   what Elasticsearch or OpenSearch needs (shrike db --help)\n"
	"  shrike [EAL arguments] -- ...     run on ports: shrike -l 0-3 -a 0000:17:00.0 -- -c shrike.conf\n"
	"  shrike --doctor                   what this machine lacks for that, and the command for it\n"
	"\n"
	"What to read\n"
	"  -r, --pcapfile FILE     a capture; may be repeated, further arguments are captures too\n"
	"  -R, --pcapdir DIR       all captures of a folder (offlineFilenameRegex); may be repeated\n"
	"      --recursive         with -R: folders in it as well\n"
	"      --sorted            with -R: in name order\n"
	"  -F, --filelist FILE     captures named in FILE, one a line (- is standard input)\n"
	"  -i, --interface NAME    live: eth0, af_xdp:eth0, tap:NAME, memif:SOCKET, 0000:17:00.0; may be repeated\n"
	"      --packetcnt N       at most N packets of each file\n"
	"  -s, --skip              skip files that are in the files table already\n"
	"      --reprocess         files that are in the files table keep their number\n"
	"      --flush             save all sessions between files\n"
	"      --ignoreerrors      go on after a file of an unknown link type\n"
	"      --exit-idle SECONDS end when no packet came for so long (default 2 when all ports are net_pcap files)\n"
	"\n"
	"What to do with it\n"
	"      --copy              store packets in pcap files of our own, not in place\n"
	"      --delete            with --copy: delete inputs that were read and stored whole\n"
	"      --dry-run           store nothing: no pcap, no database\n"
	"      --records FILE      session records as JSON lines to FILE (- is standard output)\n"
	"      --nospi             make no records\n"
	"      --norefresh         do not let Elasticsearch make everything visible to searches at the end\n"
	"      --insecure          do not check the certificate of Elasticsearch\n"
	"      --nolockpcap        files read in place may be expired by the viewer\n"
	"  -t, --tag TAG           add a tag to every session; may be repeated\n"
	"      --op FIELD=VALUE    set a field of every session; may be repeated\n"
	"\n"
	"How\n"
	"  -c, --config FILE       settings (conf/shrike.conf shows all of them)\n"
	"  -n, --node NAME         name of this sensor (default: the host name up to its first dot)\n"
	"      --host NAME         name by which viewers reach this machine (default: its host name)\n"
	"      --nostats           no documents about the sensor itself\n"
	"  -o, --option KEY=VALUE  a setting; may be repeated\n"
	"  -q, --quiet             no progress, no summary;  -d, --debug: more log lines\n"
	"      --summary FILE      the end summary as JSON\n"
	"      --strict            exit with 6 when anything was lost\n"
	"  -T                      check the settings and exit\n"
	"      --dump-config, --print-conf, --list-settings, --list-fields, --parsers, --version, --help\n"
	"\n"
	"Exit codes: 0 fine, 1 failure, 2 usage, 3 settings, 4 an input was damaged or not readable, 5 environment, 6 "
	"loss (--strict)\n";

void
options_help(void)
{
	fputs(help_text, stdout);
}

static bool
list_append(struct text_list *list, const char *text)
{
	const char **grown = realloc(list->item, (list->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	list->item = grown;
	list->item[list->n++] = text;
	return true;
}

static bool
parse_number(const char *name, const char *text, double max, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	if (end != text && *end == '\0' && errno == 0 && *out >= 0 && *out <= max)
		return true;
	fprintf(stderr, "shrike: %s: '%s' is not a number from 0 to %.0f\n", name, text, max);
	return false;
}

static const struct {
	int option;
	size_t offset;
} flag_options[] = {
	{'s', offsetof(struct options, skip)},
	{OPT_COPY, offsetof(struct options, copy)},
	{OPT_DELETE, offsetof(struct options, delete_inputs)},
	{OPT_DRY_RUN, offsetof(struct options, dry_run)},
	{OPT_FLUSH, offsetof(struct options, flush)},
	{OPT_IGNORE_ERRORS, offsetof(struct options, ignore_errors)},
	{OPT_NO_LOCK, offsetof(struct options, no_lock)},
	{OPT_NO_SPI, offsetof(struct options, no_records)},
	{OPT_NO_STATS, offsetof(struct options, no_stats)},
	{OPT_RECURSIVE, offsetof(struct options, recursive)},
	{OPT_REPROCESS, offsetof(struct options, reprocess)},
	{OPT_SORTED, offsetof(struct options, sorted)},
	{OPT_STRICT, offsetof(struct options, strict)},
};

static const struct {
	int option;
	enum action action;
} action_options[] = {
	{'v', ACTION_VERSION},
	{'h', ACTION_HELP},
	{'T', ACTION_CHECK},
	{OPT_DOCTOR, ACTION_DOCTOR},
	{OPT_DUMP_CONFIG, ACTION_DUMP_CONFIG},
	{OPT_PRINT_CONF, ACTION_PRINT_CONF},
	{OPT_LIST_SETTINGS, ACTION_LIST_SETTINGS},
	{OPT_LIST_FIELDS, ACTION_LIST_FIELDS},
	{OPT_LIST_PARSERS, ACTION_LIST_PARSERS},
};

static bool
apply_flag(struct options *o, int option)
{
	for (size_t i = 0; i < sizeof(flag_options) / sizeof(flag_options[0]); i++)
		if (flag_options[i].option == option) {
			*(bool *)((char *)o + flag_options[i].offset) = true;
			return true;
		}
	for (size_t i = 0; i < sizeof(action_options) / sizeof(action_options[0]); i++)
		if (action_options[i].option == option) {
			o->action = action_options[i].action;
			return true;
		}
	o->quiet += option == 'q';
	o->debug += option == 'd';
	return option == 'q' || option == 'd' || option == OPT_NOTHING;
}

static bool
apply_argument(struct options *o, int option, const char *argument)
{
	double number;

	switch (option) {
	case 'c':
		o->conf_path = argument;
		return true;
	case 'n':
		o->node = argument;
		return true;
	case 'r':
		return list_append(&o->files, argument);
	case 'R':
		return list_append(&o->folders, argument);
	case 'F':
		return list_append(&o->lists, argument);
	case 'i':
		return list_append(&o->interfaces, argument);
	case 't':
		return list_append(&o->tags, argument);
	case 'o':
		return list_append(&o->overrides, argument);
	case OPT_INSECURE:
		return list_append(&o->overrides, "elasticsearchInsecure=true");
	case OPT_NO_REFRESH:
		return list_append(&o->overrides, "elasticsearchRefresh=false");
	case OPT_OP:
		return list_append(&o->operations, argument);
	case OPT_HOST:
		o->host = argument;
		return true;
	case OPT_RECORDS:
		o->records_path = argument;
		return true;
	case OPT_SUMMARY:
		o->summary_path = argument;
		return true;
	case OPT_EXIT_IDLE:
		return parse_number("--exit-idle", argument, 1e6, &o->exit_idle_s);
	case OPT_PACKET_COUNT:
		if (!parse_number("--packetcnt", argument, 1e15, &number))
			return false;
		o->packets_per_file = (uint64_t)number;
		return true;
	default:
		return false;
	}
}

/* Combinations that contradict each other, as the reference refuses them. */
static const char *
contradiction(const struct options *o)
{
	bool replay = options_is_replay(o);

	if (o->skip && o->copy)
		return "--skip goes with files read in place, not with --copy";
	if (o->skip && o->reprocess)
		return "--skip and --reprocess contradict each other";
	if (o->delete_inputs && !o->copy)
		return "--delete needs --copy: without a copy the input is the only pcap there is";
	if (o->delete_inputs && o->dry_run)
		return "--delete and --dry-run contradict each other: a dry run stores nothing";
	if ((o->copy || o->skip || o->reprocess || o->flush) && !replay)
		return "--copy, --skip, --reprocess and --flush need captures to read (-r, -R or -F)";
	if (replay && o->interfaces.n > 0)
		return "-r, -R and -F read captures, -i reads live: one of them at a time";
	return NULL;
}

/* The place of "--" that ends EAL's arguments, or 0. */
static int
eal_end(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return 0;
}

static enum exit_code
parse_own(struct options *o, int argc, char **argv)
{
	int option;

	optind = 0; /* glibc: start again, with "+": stop at the first argument that is no option */
	for (;;) {
		option = getopt_long(argc, argv, short_options, long_options, NULL);
		if (option == -1 && optind < argc) {
			/* -r A B C: what a shell makes of -r *.pcap. */
			if (o->files.n == 0) {
				fprintf(stderr, "shrike: '%s' is no option; captures are named with -r\n",
					argv[optind]);
				return EXIT_USAGE;
			}
			if (!list_append(&o->files, argv[optind]))
				return EXIT_FAILED;
			argv[optind] = argv[0];
			argc -= optind;
			argv += optind;
			optind = 0;
			continue;
		}
		if (option == -1)
			return EXIT_FINE;
		if (option == OPT_NOT_YET || option == 'm') {
			fprintf(stderr,
				"shrike: this option of Arkime's capture does nothing in Shrike yet; leave it out\n");
			return EXIT_USAGE;
		}
		if (option == '?' || (!apply_flag(o, option) && !apply_argument(o, option, optarg))) {
			fprintf(stderr, "shrike: see shrike --help\n");
			return EXIT_USAGE;
		}
	}
}

enum exit_code
options_parse(struct options *o, int argc, char **argv)
{
	int end = eal_end(argc, argv);
	enum exit_code code;
	const char *why;

	memset(o, 0, sizeof(*o));
	o->exit_idle_s = -1;
	if (end > 0) {
		o->eal_argc = end;
		o->eal_argv = calloc((size_t)end + 1, sizeof(char *));
		if (o->eal_argv == NULL)
			return EXIT_FAILED;
		memcpy(o->eal_argv, argv, (size_t)end * sizeof(char *));
		argv[end] = argv[0];
		argc -= end;
		argv += end;
	}
	code = parse_own(o, argc, argv);
	if (code != EXIT_FINE)
		return code;
	why = contradiction(o);
	if (why == NULL)
		return EXIT_FINE;
	fprintf(stderr, "shrike: %s\n", why);
	return EXIT_USAGE;
}

void
options_free(struct options *o)
{
	free(o->eal_argv);
	free(o->files.item);
	free(o->folders.item);
	free(o->lists.item);
	free(o->interfaces.item);
	free(o->tags.item);
	free(o->overrides.item);
	free(o->operations.item);
}
