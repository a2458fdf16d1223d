/* The stats role.
 *
 * A look at all parts once a second makes a view; documents, lines and telemetry are made of views. Whoever reads a
 * view from another thread holds a lock meanwhile; the role only ever tries it, and leaves that second out when it is
 * taken.
 *
 * Documents are for the sinks that want them (struct sink_kind, write_stats); a second of the wall clock decides what
 * is due, the monotonic clock what has gone by. In a replay only the last document of each kind would tell anything
 * after the fact, but a viewer may watch a long one, so they come as they do live.
 *
 * The check of the ledger is exact where every packet may be waited for: in builds for tests, 100 times a second. */
#include "stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "poison.h"
#include "stats_priv.h"

COUNTER(unbalanced, "ledger.unbalanced", "looks at the running sensor at which an account of the ledger did not add up",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(ledger_looks, "ledger.looks", "looks at the ledger while the sensor ran", LEDGER_NONE, LEDGER_OUT);
COUNTER(documents, "stats.documents", "documents about the sensor offered to the sinks", LEDGER_NONE, LEDGER_OUT);

enum {
	VIEW_EVERY_MS = 1000,
	EXACT_EVERY_MS = 10,
	PAUSE_PATIENCE_MS = 500,
	EXACT_PATIENCE_MS = 200,
	LEDGER_LOG_S = 60,
	FIRST_SPACE_MS = 1000, /* the first document waits so long for the disks */
	LAST_SPACE_MS = 200,
};

static const char *const check_words[] = {"auto", "exact", "running", NULL};

static const struct setting stats_settings[] = {
	SETTING_U64(
		struct stats_conf, log_every_packets, "logEveryXPackets", 50000, 1000, 4294967295, "packets",
		"a line with the sensor's numbers is logged after so many packets, but at most every 10 seconds; live "
		"also every minute"),
	SETTING_U32(struct stats_conf, max_memory_percent, "maxMemPercentage", 100, 5, 100, "percent",
		    "an error is logged while the process uses more of the machine's memory; 100: never"),
	SETTING_ENUM(
		struct stats_conf, ledger_check, "ledgerCheck", "auto", check_words,
		"how the ledger of packets and records is checked while the sensor runs: exact stops all lcores for a "
		"moment a hundred times a second (and loses packets on a fast link), running looks at what moves; "
		"auto: exact in builds for tests, else running"),
	SETTING_STR(
		struct stats_conf, metrics_listen, "metricsListen", "",
		"live: where GET /metrics is answered by HTTP, in the format of Prometheus: PORT of this machine's own "
		"address, or ADDRESS:PORT; nothing: nowhere"),
};
SETTINGS(stats, "Numbers about the sensor", stats_settings);

/* The viewer reaches this machine by that name: as the reference makes it, without asking the network. */
static void
find_host(struct stats *s, const char *option)
{
	char host[128] = "", domain[120] = "";

	if (option != NULL) {
		snprintf(s->host, sizeof(s->host), "%s", option);
		return;
	}
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "localhost");
	if (strchr(host, '.') == NULL && getdomainname(domain, sizeof(domain) - 1) == 0 && domain[0] != '\0' &&
	    strcmp(domain, "(none)") != 0)
		snprintf(s->host, sizeof(s->host), "%s.%s", host, domain);
	else
		snprintf(s->host, sizeof(s->host), "%s", host);
	if (s->live && s->makes_documents && strchr(s->host, '.') == NULL)
		LOG_INFO("stats.host",
			 "host=\"%s\" note=\"viewers reach this sensor by that name; --host sets another\"", s->host);
}

static void
start_space(struct stats *s)
{
	const struct writer_conf *writer = &s->sensor->writer_conf;
	struct stats_space_params params = {
		.directories = writer->directories.item,
		.n_directories = writer->directories.n,
		.node = s->identity.node,
		.has_template = writer->directory_template != NULL,
		.cpus = &s->sensor->library_cpus,
	};

	if (!s->live && !s->makes_documents)
		return;
	s->space = stats_space_create(&params);
	if (s->space == NULL)
		LOG_WARN("stats.space", "error=\"%m\" effect=\"free space is not reported\"");
}

bool
stats_check_conf(const struct conf *conf)
{
	struct sockaddr_storage address;
	struct stats_conf c;
	char why[256];

	conf_fill(conf, &stats_settings_group, &c);
	if (c.metrics_listen[0] == '\0' || metrics_parse_address(c.metrics_listen, &address, why, sizeof(why)))
		return true;
	fprintf(stderr, "shrike: metricsListen=%s: %s\n", c.metrics_listen, why);
	return false;
}

/* False with errno. */
static bool
start_metrics(struct stats *s)
{
	struct sockaddr_storage address;
	char why[256];

	if (!s->live || s->conf.metrics_listen[0] == '\0' ||
	    !metrics_parse_address(s->conf.metrics_listen, &address, why, sizeof(why)))
		return true;
	s->metrics = metrics_create(&address, &s->sensor->library_cpus);
	if (s->metrics == NULL)
		fprintf(stderr, "shrike: metricsListen=%s: %m\n", s->conf.metrics_listen);
	return s->metrics != NULL;
}

static void
begin_intervals(struct stats *s)
{
	uint64_t now_ns = clock_monotonic_ns();

	s->started_ns = now_ns;
	s->identity.start_s = clock_wall_ns() / NS_PER_S;
	stats_schedule_begin(&s->schedule, s->identity.start_s);
	for (unsigned i = 0; i < EXPORT_STATS_FLAVOURS; i++)
		s->mark[i].ns = now_ns;
	stats_log_begin(&s->log, now_ns);
}

struct stats *
stats_create(struct sensor *sensor)
{
	struct stats *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return NULL;
	s->sensor = sensor;
	conf_fill(sensor->conf, &stats_settings_group, &s->conf);
	s->live = sensor->replay == NULL;
	s->makes_documents = !sensor->options->dry_run && !sensor->options->no_stats;
	s->is_exact = s->conf.ledger_check == LEDGER_CHECK_EXACT ||
		      (s->conf.ledger_check == LEDGER_CHECK_AUTO && POISON_ENABLED);
	s->former = sensor->former_totals;
	find_host(s, sensor->options->host);
	s->identity = (struct stats_identity){
		.version = "shrike " SHRIKE_VERSION, .node = sensor->document_conf.node, .host = s->host};
	json_init(&s->json, EXPORT_STATS_JSON_BYTES_MAX);
	counters_attach(&s->counters, "stats");
	begin_intervals(s);
	start_space(s);
	stats_telemetry_begin(s);
	if (start_metrics(s))
		return s;
	error = errno;
	stats_destroy(s);
	errno = error;
	return NULL;
}

static struct stats_view *
last_view(struct stats *s)
{
	return &s->view[s->current];
}

/* False: telemetry is reading. */
static bool
take_view(struct stats *s, uint64_t now_ns, unsigned space_patience_ms)
{
	const struct stats_view *before = last_view(s);

	if (!stats_telemetry_lock())
		return false;
	stats_space_read(s->space, &s->last_space, space_patience_ms);
	s->current ^= 1;
	stats_view_take(last_view(s), before, s->sensor, &s->last_space, now_ns);
	stats_telemetry_unlock();
	return true;
}

static void
put_document(struct stats *s, unsigned flavour, uint64_t now_ns, uint64_t wall_s, bool is_last)
{
	const struct stats_view *view = last_view(s);
	struct stats_mark *mark = &s->mark[flavour];
	char id[EXPORT_STATS_ID_BYTES];
	struct stats_document d = {
		.flavour = flavour,
		.wall_s = wall_s,
		.delta_ms = (now_ns - mark->ns) / NS_PER_MS,
		.now = view->counts,
		.gauges = &view->gauges,
		.identity = &s->identity,
		.former = &s->former,
	};
	struct export_stats stats = {
		.flavour = flavour, .important = is_last || stats_is_important(wall_s), .live = s->live, .id = id};

	stats_counts_subtract(&d.delta, &view->counts, &mark->counts);
	*mark = (struct stats_mark){.ns = now_ns, .counts = view->counts};
	stats_document_id(flavour, s->identity.node, wall_s, id, sizeof(id));
	json_reset(&s->json);
	stats_document_write(&d, &s->json);
	if (s->json.failed)
		return;
	stats.json = s->json.text;
	stats.json_bytes = s->json.size;
	exporter_put_stats(s->sensor->exporter, &stats);
	COUNTER_ADD(&s->counters, documents, 1);
}

static void
put_due_documents(struct stats *s, uint64_t now_ns)
{
	uint64_t wall_s = clock_wall_ns() / NS_PER_S;
	struct space space;
	unsigned due;

	if (!s->makes_documents)
		return;
	if (now_ns - s->started_ns < FIRST_SPACE_MS * NS_PER_MS && !stats_space_read(s->space, &space, 0))
		return;
	due = stats_schedule_due(&s->schedule, wall_s);
	for (unsigned i = 0; i < EXPORT_STATS_FLAVOURS; i++)
		if ((due >> i & 1) != 0)
			put_document(s, i, now_ns, wall_s, false);
}

static void
report_ledger(struct stats *s, enum ledger_account account, uint64_t now_ns)
{
	char *text = NULL, quoted[2048];
	size_t size = 0;
	FILE *out;

	COUNTER_ADD(&s->counters, unbalanced, 1);
	if (s->ledger_logged_ns != 0 && now_ns - s->ledger_logged_ns < LEDGER_LOG_S * NS_PER_S)
		return;
	s->ledger_logged_ns = now_ns;
	out = open_memstream(&text, &size);
	if (out == NULL)
		return;
	ledger_check(out);
	fclose(out);
	LOG_ERROR("ledger.unbalanced", "account=\"%s\" accounts=\"%s\" do=\"report this: it is a bug\"",
		  ledger_account_name(account), log_quote(quoted, sizeof(quoted), text));
	free(text);
}

/* Devices count packets that nobody has taken out of their queues yet. */
static uint64_t
in_devices(const struct sensor *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_ports; i++)
		if (!s->port[i].is_replay)
			n += (uint64_t)s->port[i].n_queues * UINT16_MAX;
	return n;
}

static void
look_at_running_ledger(struct stats *s, uint64_t now_ns)
{
	bool all_turned = stats_ledger_all_turned(&s->ledger, &s->sensor->plan);
	struct ledger_balance b;

	for (enum ledger_account a = LEDGER_NONE + 1; a < LEDGER_ACCOUNTS; a++) {
		uint64_t between = stats_ledger_between(a, s->sensor->n_workers);
		uint64_t always = a == LEDGER_WIRE ? in_devices(s->sensor) : 0;

		ledger_read(a, &b);
		if (stats_ledger_look(&s->ledger, a, &b, between, all_turned ? always : always + between))
			report_ledger(s, a, now_ns);
	}
	COUNTER_ADD(&s->counters, ledger_looks, 1);
}

static void
look_at_exact_ledger(struct stats *s, uint64_t now_ns)
{
	if (!role_plan_pause(&s->sensor->plan, PAUSE_PATIENCE_MS * NS_PER_MS)) {
		role_plan_resume(&s->sensor->plan);
		return;
	}
	for (unsigned i = 0; s->live && i < s->sensor->n_ports; i++)
		port_read_stats(&s->sensor->port[i]);
	for (enum ledger_account a = LEDGER_NONE + 1; a < LEDGER_ACCOUNTS; a++) {
		if (stats_ledger_is_exact(a, a == LEDGER_WIRE ? in_devices(s->sensor) : 0,
					  EXACT_PATIENCE_MS * NS_PER_MS))
			continue;
		s->ledger_failed = true;
		report_ledger(s, a, now_ns);
	}
	COUNTER_ADD(&s->counters, ledger_looks, 1);
	role_plan_resume(&s->sensor->plan);
}

static void
look_at_ledger(struct stats *s, uint64_t now_ns)
{
	if (now_ns < s->next_ledger_ns)
		return;
	if (s->is_exact)
		look_at_exact_ledger(s, now_ns);
	else
		look_at_running_ledger(s, now_ns);
	s->next_ledger_ns = clock_monotonic_ns() + (s->is_exact ? EXACT_EVERY_MS : VIEW_EVERY_MS) * NS_PER_MS;
}

unsigned
stats_poll(void *stats)
{
	struct stats *s = stats;
	uint64_t now_ns = clock_monotonic_ns();

	look_at_ledger(s, now_ns);
	if (now_ns < s->next_view_ns || !take_view(s, now_ns, 0))
		return 0;
	s->next_view_ns = now_ns + VIEW_EVERY_MS * NS_PER_MS;
	put_due_documents(s, now_ns);
	stats_log_tick(s, last_view(s), now_ns);
	return 0;
}

void
stats_finish(struct stats *s)
{
	uint64_t now_ns = clock_monotonic_ns(), wall_s = clock_wall_ns() / NS_PER_S;

	if (s == NULL || !s->makes_documents)
		return;
	while (!take_view(s, now_ns, LAST_SPACE_MS))
		usleep(1000);
	put_document(s, 0, now_ns, wall_s, true);
}

bool
stats_ledger_failed(const struct stats *s)
{
	return s != NULL && s->ledger_failed;
}

bool
stats_destroy(struct stats *s)
{
	if (s == NULL)
		return true;
	metrics_destroy(s->metrics);
	stats_telemetry_end();
	if (!stats_space_destroy(s->space))
		return false;
	counters_detach(&s->counters);
	json_fini(&s->json);
	free(s);
	return true;
}
