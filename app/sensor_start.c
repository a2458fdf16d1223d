/* Bringing the parts up: EAL, pools, input, workers, roles. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "control.h"
#include "log.h"
#include "poison.h"
#include "pool.h"
#include "rcu.h"
#include "sensor.h"
#include "sensor_handoff.h"
#include "sensor_ports.h"
#include "thread.h"
#include "worker_payload.h"

enum { FILE_EVENTS = 1024, RECORD_RING = 16384 };

static unsigned
worker_count(const struct sensor *s, unsigned n_lcores)
{
	unsigned n = s->app.workers != 0 ? s->app.workers : role_plan_workers(n_lcores, options_is_replay(s->options));

	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/* What EAL has to have for mbufs, rings and blocks; sessions and records take ordinary memory. */
static size_t
eal_memory(const struct sensor *s)
{
	unsigned lcores = s->app.lcores != 0 ? s->app.lcores : eal_cpu_count();
	unsigned workers = worker_count(s, lcores);

	return sensor_ports_memory(s, lcores, workers) + writer_memory_bytes(&s->writer_conf, workers) +
	       (options_is_replay(s->options) ? replay_memory_bytes(lcores > 1) : 0) + (16u << 20);
}

static enum exit_code
environment_error(const char *what, const char *why)
{
	fprintf(stderr, "shrike: %s: %s\n", what, why);
	return EXIT_ENVIRONMENT;
}

/* In place: what the writer asks about an input the first time a packet of it is stored. */
static bool
describe_input(void *context, uint32_t input, struct writer_input_info *info)
{
	const struct sensor *s = context;
	const struct replay_input *in = replay_input(s->replay, input);

	info->absolute = in->plain_pcap ? in->absolute : NULL;
	info->first_ns = in->first_ns;
	if (s->options->reprocess && in->absolute != NULL)
		info->number = known_number(&s->known, in->absolute);
	return true;
}

/* The ledger's gauge: records that workers have handed over and the exporter has not taken. */
static uint64_t
records_on_rings(const void *context)
{
	const struct sensor *s = context;
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_workers; i++)
		n += rte_ring_count(s->records[i]);
	return n;
}

/* Sinks and the kernel's io_uring threads must not run where lcores poll. */
static void
choose_library_cpus(struct sensor *s)
{
	cpu_set_t polling;

	role_plan_cpus(&s->plan, false, &polling);
	thread_library_cpus(&polling, &s->library_cpus);
}

/* Totals go on where the node's last run ended. */
static void
read_former_totals(struct sensor *s, const struct exporter_params *params)
{
	char json[EXPORT_STATS_JSON_BYTES_MAX];

	if (!s->options->dry_run && !s->options->no_stats && export_read_stats(params, json, sizeof(json)) == 0)
		stats_totals_parse(json, strlen(json), &s->former_totals);
}

static enum exit_code
start_exporter(struct sensor *s)
{
	struct exporter_params params = {
		.conf = s->conf,
		.export_conf = &s->export_conf,
		.document = &s->document_conf,
		.n_workers = s->n_workers,
		.records = s->records,
		.returns = s->returns,
	};
	char why[512];
	char name[32];

	for (unsigned i = 0; i < s->n_workers; i++) {
		snprintf(name, sizeof(name), "records%u", i);
		s->records[i] = rte_ring_create(name, RECORD_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "returns%u", i);
		s->returns[i] = rte_ring_create(name, RECORD_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (s->records[i] == NULL || s->returns[i] == NULL)
			return environment_error("record rings", "not enough memory");
	}
	s->records_gauge = (struct ledger_gauge){
		.name = "record.rings", .account = LEDGER_RECORDS, .read = records_on_rings, .context = s};
	ledger_gauge_attach(&s->records_gauge);
	params.library_cpus = &s->library_cpus;
	read_former_totals(s, &params);
	s->exporter = exporter_create(&params, why, sizeof(why));
	if (s->exporter == NULL)
		return environment_error("export", why);
	return EXIT_FINE;
}

static enum exit_code
start_writer(struct sensor *s)
{
	struct writer_params params = {
		.conf = &s->writer_conf,
		.n_workers = s->n_workers,
		.take_number = exporter_file_number,
		.number_context = s->exporter,
		.input = s->replay != NULL ? describe_input : NULL,
		.input_context = s,
		.helper_cpus = &s->library_cpus,
		.socket = (int)rte_socket_id(),
	};
	char why[512];

	s->file_events = rte_ring_create("file_events", FILE_EVENTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (s->file_events == NULL)
		return environment_error("file events", "not enough memory");
	params.file_events = s->file_events;
	s->writer = writer_create(&params, why, sizeof(why));
	if (s->writer == NULL)
		return environment_error("writer", why);
	return EXIT_FINE;
}

/* Each has one of its own; with EAL's memory, so not before EAL. */
static enum exit_code
make_filters(struct sensor *s)
{
	unsigned n = options_is_replay(s->options) ? 1 : s->n_workers;
	char why[512];

	if (s->filter_conf.bpf == NULL || s->filter_conf.bpf[0] == '\0')
		return EXIT_FINE;
	for (unsigned i = 0; i < n; i++) {
		s->filter[i] = filter_create(&s->filter_conf, why, sizeof(why));
		if (s->filter[i] == NULL)
			return environment_error("bpf", why);
	}
	return EXIT_FINE;
}

static enum exit_code
start_replay(struct sensor *s)
{
	struct replay_params params = {
		.files = &s->files,
		.n_workers = s->n_workers,
		.pool = s->pool[0].mempool,
		.decode = s->decode,
		.fragments = &s->fragments_conf,
		.secret = &s->secret,
		.filter = s->filter[0],
		.packets_per_file_max = s->options->packets_per_file,
		.flush_between_files = s->options->flush,
		.ignore_errors = s->options->ignore_errors,
		.ring_size = s->app.receive_ring,
		.in_place = !POISON_ENABLED,
		.apart = s->plan.n_lcores > 1,
		.socket = (int)rte_socket_id(),
	};
	char why[512];

	s->replay = replay_create(&params, why, sizeof(why));
	if (s->replay == NULL) {
		fprintf(stderr, "shrike: %s\n", why);
		return EXIT_INPUT;
	}
	s->n_ports = 1;
	if (port_start(&s->port[0], replay_port(s->replay), (uint16_t)s->n_workers, s->pool[0].mempool, why,
		       sizeof(why)) != 0)
		return environment_error("replay port", why);
	s->port[0].is_replay = true;
	return EXIT_FINE;
}

/* A live sensor sees more than any table holds. */
static uint64_t
packets_about(const struct sensor *s)
{
	return s->replay != NULL ? replay_packets_about(s->replay) : UINT32_MAX;
}

static enum exit_code
start_workers(struct sensor *s)
{
	struct worker_params params = {
		.n_workers = s->n_workers,
		.decode = s->decode,
		.secret = &s->secret,
		.sessions = &s->session_conf,
		.fragments = &s->fragments_conf,
		.dedup = &s->dedup_conf,
		.packets_about = packets_about(s),
		.max_sessions = s->app.max_sessions / s->n_workers,
		.record_chunks = s->app.record_chunks,
		.parsers = s->parsers,
		.payload_protocols = worker_payload_protocols(s->parsers),
		.parser_bytes = s->app.parser_bytes / s->n_workers,
		.writer = s->writer,
		.overload = &s->overload_conf,
		.receive_ring = s->app.receive_ring,
		.stage_times = s->app.stage_times,
		.sequential_ids = s->document_conf.id_style == DOCUMENT_ID_SEQUENTIAL,
		.node = conf_node(s->conf),
		.no_records = s->options->no_records,
	};
	enum exit_code code;

	code = sensor_start_handoff(s, &params);
	if (code != EXIT_FINE)
		return code;
	for (unsigned i = 0; i < s->n_workers; i++) {
		params.index = i;
		params.filter_now = s->replay == NULL ? &s->filter[i] : NULL;
		params.records = s->records[i];
		params.returns = s->returns[i];
		s->worker[i] = worker_create(&params);
		if (s->worker[i] == NULL)
			return environment_error("worker", strerror(errno));
	}
	return sensor_assign_queues(s);
}

/* What may grow with traffic, at most; all of it is touched as it is used. */
static void
log_memory(const struct sensor *s)
{
	LOG_INFO("start.memory",
		 "workers=%u sessions=%u records_kb=%" PRIu64 " tcp_hold_bytes=%" PRIu64 " parser_bytes=%" PRIu64
		 " dedup_bytes=%" PRIu64,
		 s->n_workers, s->app.max_sessions, (uint64_t)s->app.record_chunks * s->n_workers,
		 s->session_conf.tcp.memory_bytes, s->app.parser_bytes,
		 s->n_workers * worker_dedup_bytes(s->worker[0]));
}

static void
set_exit_idle(struct sensor *s)
{
	double seconds = s->options->exit_idle_s;

	if (seconds < 0 && s->replay == NULL && sensor_is_files(s))
		seconds = 2;
	s->exit_idle_ns = seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

static enum idle_mode
idle_mode(const struct sensor *s)
{
	if (s->app.idle != IDLE_AUTO)
		return (enum idle_mode)s->app.idle;
	return options_is_replay(s->options) || s->eal.shared_cpus ? IDLE_SLEEP : IDLE_PAUSE;
}

enum exit_code
sensor_start(struct sensor *s)
{
	enum exit_code code;
	int error;

	code = sensor_check_interfaces(s);
	if (code != EXIT_FINE)
		return code;
	thread_library_cpus_save();
	code = eal_start(s->options, &s->app, &s->interfaces, eal_memory(s), &s->eal);
	if (code != EXIT_FINE)
		return code;
	vmem_allow_reserved_pages(RTE_MIN(s->app.reserved_bytes, eal_reserved_pages_left(eal_memory(s))));
	role_plan_init(&s->plan, idle_mode(s));
	choose_library_cpus(s);
	s->watchdog = watchdog_create(&s->plan, &s->watchdog_conf);
	if ((s->watchdog == NULL && errno != 0) || rcu_start() != 0)
		return environment_error("control", "not enough memory");
	s->n_workers = worker_count(s, s->plan.n_lcores);
	flow_owners_init(&s->owners, s->n_workers);
	hash_secret_init(&s->secret);
	code = sensor_attach_interfaces(s);
	if (code == EXIT_FINE)
		code = sensor_start_pools(s);
	if (code == EXIT_FINE)
		code = make_filters(s);
	if (code == EXIT_FINE)
		code = start_exporter(s);
	if (code == EXIT_FINE)
		code = options_is_replay(s->options) ? start_replay(s) : sensor_start_ports(s);
	if (code == EXIT_FINE)
		code = start_writer(s);
	if (code == EXIT_FINE)
		code = start_workers(s);
	if (code != EXIT_FINE)
		return code;
	vmem_allow_reserved_pages(0);
	/* Each area's first page; those after it are made while the workers run. */
	while (vmem_ahead_step())
		;
	log_memory(s);
	set_exit_idle(s);
	s->stats = stats_create(s);
	if (s->stats == NULL)
		return environment_error("stats", strerror(errno));
	s->reload = reload_create(s);
	if (s->reload == NULL)
		return environment_error("reload", strerror(errno));
	control_add_roles(s);
	error = page_maker_start(&s->pages, &s->plan);
	return error == 0 ? EXIT_FINE : environment_error("pages", strerror(-error));
}

bool
sensor_destroy(struct sensor *s)
{
	page_maker_stop(&s->pages);
	reload_destroy(s->reload);
	s->reload = NULL;
	if (!exporter_destroy(s->exporter)) {
		LOG_ERROR("export.hangs",
			  "note=\"a sink does not come back from a write; its documents are not confirmed\"");
		return false;
	}
	if (!stats_destroy(s->stats)) {
		LOG_ERROR("stats.hangs", "note=\"a file system below pcapDir does not answer\"");
		return false;
	}
	if (s->records_gauge.read != NULL)
		ledger_gauge_detach(&s->records_gauge);
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_destroy(s->worker[i]);
	handoff_destroy(s->handoff);
	writer_destroy(s->writer);
	for (unsigned i = 0; i < s->n_ports; i++)
		port_close(&s->port[i]);
	replay_destroy(s->replay);
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		filter_destroy(s->filter[i]);
	decode_conf_destroy(s->decode);
	/* Before the code that frees may be unloaded. */
	rcu_stop();
	packet_unregister();
	parsers_destroy(s->parsers);
	watchdog_destroy(s->watchdog);
	capture_list_free(&s->files);
	known_free(&s->known);
	free(s->ops);
	for (unsigned i = 0; i < s->n_workers; i++) {
		rte_ring_free(s->records[i]);
		rte_ring_free(s->returns[i]);
	}
	rte_ring_free(s->file_events);
	for (unsigned i = 0; i < s->n_pools; i++)
		rte_mempool_free(s->pool[i].mempool);
	if (s->eal.started)
		eal_stop();
	return true;
}
