/* DPDK's telemetry: /shrike/... for dpdk-telemetry.py and whatever else speaks to its socket.
 *
 * The commands run on threads of EAL. They read counters, which anybody may, and the last view of the stats role, under
 * a lock that is held for as long as it takes to fill an answer; nothing of what workers own. Commands cannot be taken
 * back in this DPDK, so they outlive the sensor, and answer with an error then.
 *
 * Names of entries may have letters, digits, '_' and '/' only: a counter's dots become '_'. An answer holds at most 256
 * entries and 16 KB of text, so counters are in one container for each library. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_telemetry.h>

#include "clock.h"
#include "stats_priv.h"

enum { NAME_BYTES = 64, CONTAINERS_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stats *shown; /* NULL: no sensor */

bool
stats_telemetry_lock(void)
{
	return pthread_mutex_trylock(&lock) == 0;
}

void
stats_telemetry_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

const struct stats *
stats_reader_enter(void)
{
	pthread_mutex_lock(&lock);
	return shown;
}

void
stats_reader_leave(void)
{
	pthread_mutex_unlock(&lock);
}

/* 'text' as an entry's name. */
static const char *
entry_name(char out[NAME_BYTES], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n < NAME_BYTES - 1; text++) {
		bool is_fine = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
			       (*text >= 'A' && *text <= 'Z');

		out[n++] = is_fine ? *text : '_';
	}
	out[n] = '\0';
	return out;
}

static void
add_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
	char entry[NAME_BYTES];

	rte_tel_data_add_dict_u64(d, entry_name(entry, name), value);
}

/* Entries have no fractions: three decimals as text. */
static void
add_double(struct rte_tel_data *d, const char *name, double value)
{
	char text[32], entry[NAME_BYTES];

	snprintf(text, sizeof(text), "%.3f", value);
	rte_tel_data_add_dict_string(d, entry_name(entry, name), text);
}

static void
add_text(struct rte_tel_data *d, const char *name, const char *text)
{
	char entry[NAME_BYTES], cut[RTE_TEL_MAX_STRING_LEN];

	snprintf(cut, sizeof(cut), "%s", text);
	rte_tel_data_add_dict_string(d, entry_name(entry, name), cut);
}

/* A new dictionary inside 'd', or NULL. It belongs to 'd' once it is filled: add_container(). */
static struct rte_tel_data *
begin_container(void)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d != NULL)
		rte_tel_data_start_dict(d);
	return d;
}

static void
add_container(struct rte_tel_data *d, const char *name, struct rte_tel_data *container)
{
	char entry[NAME_BYTES];

	if (container != NULL && rte_tel_data_add_dict_container(d, entry_name(entry, name), container, 0) != 0)
		rte_tel_data_free(container);
}

/* --- the commands. Each fills a dictionary, with the lock held. ----------------------------------------------------
 */

struct counter_walk {
	struct rte_tel_data *out;
	const char *wanted; /* NULL or "": all */
	char group[NAME_BYTES];
	struct rte_tel_data *container; /* of 'group' */
	bool only_losses;
};

static void
end_group(struct counter_walk *w)
{
	if (w->group[0] != '\0')
		add_container(w->out, w->group, w->container);
	w->group[0] = '\0';
}

/* Counters come in name order: those of a library follow each other. */
static void
walk_counter(const struct counter *c, uint64_t total, void *context)
{
	struct counter_walk *w = context;
	size_t length = strcspn(c->name, ".");

	if ((w->only_losses && (!c->loss || total == 0)) || length >= NAME_BYTES)
		return;
	if (w->wanted != NULL && w->wanted[0] != '\0' &&
	    (strlen(w->wanted) != length || strncmp(c->name, w->wanted, length) != 0))
		return;
	if (strlen(w->group) != length || strncmp(c->name, w->group, length) != 0) {
		end_group(w);
		memcpy(w->group, c->name, length);
		w->group[length] = '\0';
		w->container = begin_container();
	}
	if (w->container != NULL)
		add_u64(w->container, c->name[length] != '\0' ? c->name + length + 1 : c->name, total);
}

static int
show_counters(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	struct counter_walk w = {.out = d, .wanted = parameters};

	(void)s;
	counters_each(walk_counter, &w);
	end_group(&w);
	return 0;
}

static int
show_losses(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	struct counter_walk w = {.out = d, .wanted = parameters, .only_losses = true};

	(void)s;
	counters_each(walk_counter, &w);
	end_group(&w);
	return 0;
}

static int
show_ledger(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	struct ledger_balance b;

	(void)s, (void)parameters;
	for (enum ledger_account a = LEDGER_NONE + 1; a < LEDGER_ACCOUNTS; a++) {
		struct rte_tel_data *account = begin_container();

		if (account == NULL)
			continue;
		ledger_read(a, &b);
		add_u64(account, "in", b.in_before);
		add_u64(account, "out", b.out);
		add_u64(account, "inside", b.inside);
		add_u64(account, "lost", ledger_account_losses(a));
		add_container(d, ledger_account_name(a), account);
	}
	return 0;
}

static int
show_rates(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	const struct stats_view *v = &s->view[s->current];

	(void)parameters;
	add_u64(d, "interval_ms", v->delta_ns / NS_PER_MS);
	add_double(d, "packets_per_second", stats_per_second(v->delta.received, v->delta_ns));
	add_double(d, "bits_per_second", stats_per_second(v->delta.received_bytes, v->delta_ns) * 8);
	add_double(d, "sessions_per_second", stats_per_second(v->delta.opened, v->delta_ns));
	add_double(d, "records_per_second", stats_per_second(v->delta.records, v->delta_ns));
	add_double(d, "stored_bytes_per_second", stats_per_second(v->delta.stored_bytes, v->delta_ns));
	add_double(d, "dropped_per_second",
		   stats_per_second(v->delta.dropped + v->delta.overload_dropped + v->delta.fragments_dropped,
				    v->delta_ns));
	return 0;
}

static int
show_sessions(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	static const char *const types[SESSION_TYPES] = {"tcp", "udp", "icmp", "sctp", "esp", "other"};
	const struct stats_view *v = &s->view[s->current];

	(void)parameters;
	add_u64(d, "live", v->gauges.sessions_all);
	for (unsigned i = 0; i < SESSION_TYPES; i++)
		add_u64(d, types[i], v->gauges.sessions[i]);
	add_u64(d, "closing", v->gauges.closing);
	add_u64(d, "fragments", v->gauges.fragments);
	add_u64(d, "bytes", v->gauges.session_bytes);
	add_u64(d, "opened", v->counts.opened);
	add_u64(d, "records", v->counts.records);
	return 0;
}

static int
show_lcores(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	const struct stats_view *v = &s->view[s->current];
	char name[NAME_BYTES];

	(void)parameters;
	for (unsigned i = 0; i < v->n_lcores; i++) {
		const struct view_lcore *from = &v->lcore[i];
		struct rte_tel_data *lcore = begin_container();

		if (lcore == NULL)
			continue;
		add_text(lcore, "roles", from->roles);
		rte_tel_data_add_dict_int(lcore, "cpu", from->cpu);
		add_double(lcore, "busy_percent", from->busy * 100);
		add_u64(lcore, "cycles", from->cycles);
		add_u64(lcore, "busy_cycles", from->busy_cycles);
		add_u64(lcore, "turns", from->turns);
		add_u64(lcore, "busy_turns", from->busy_turns);
		snprintf(name, sizeof(name), "%u", from->id);
		add_container(d, name, lcore);
	}
	return 0;
}

/* {"records": {"size": 16384, "0": 3, "1": 0}, ...}: queues of a kind have one size, but for those of devices. */
static int
show_queues(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	const struct stats_view *v = &s->view[s->current];

	(void)parameters;
	for (unsigned kind = 0; kind < QUEUE_KINDS; kind++) {
		struct rte_tel_data *queues = begin_container();
		uint32_t size = 0;

		if (queues == NULL)
			continue;
		for (unsigned i = 0; i < v->n_queues; i++) {
			if (v->queue[i].kind != (enum view_queue_kind)kind)
				continue;
			add_u64(queues, v->queue[i].name, v->queue[i].used);
			size = RTE_MAX(size, v->queue[i].size);
		}
		add_u64(queues, "size", size);
		add_container(d, view_queue_kinds[kind], queues);
	}
	return 0;
}

static void
walk_port_counter(const struct counter *c, uint64_t value, void *context)
{
	if (strncmp(c->name, "port.", 5) == 0)
		add_u64(context, c->name + 5, value);
}

static int
show_ports(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	(void)parameters;
	for (unsigned i = 0; i < s->sensor->n_ports; i++) {
		const struct port *port = &s->sensor->port[i];
		struct rte_tel_data *to = begin_container();
		char device[RTE_ETH_NAME_MAX_LEN] = "", name[NAME_BYTES];

		if (to == NULL)
			continue;
		if (rte_eth_dev_get_name_by_port(port->id, device) == 0)
			add_text(to, "device", device);
		add_u64(to, "queues", port->n_queues);
		counters_each_of(&port->counters, walk_port_counter, to);
		snprintf(name, sizeof(name), "%u", port->id);
		add_container(d, name, to);
	}
	return 0;
}

static int
show_sinks(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	const struct stats_view *v = &s->view[s->current];

	(void)parameters;
	for (unsigned i = 0; i < v->n_sinks; i++) {
		const struct view_sink *from = &v->sink[i];
		struct rte_tel_data *sink = begin_container();

		if (sink == NULL)
			continue;
		add_u64(sink, "failing", from->failing);
		add_u64(sink, "batches", from->batches);
		add_u64(sink, "files", from->files);
		add_u64(sink, "requests", from->requests);
		add_u64(sink, "health_ms", from->health_ms);
		add_u64(sink, "spool_bytes", from->spool_bytes);
		add_u64(sink, "spool_records", from->spool_records);
		add_container(d, from->name, sink);
	}
	return 0;
}

static int
show_memory(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	const struct stats_view *v = &s->view[s->current];

	(void)parameters;
	add_u64(d, "process_bytes", v->gauges.memory_bytes);
	add_double(d, "process_percent", v->gauges.memory_percent);
	add_u64(d, "session_bytes", v->gauges.session_bytes);
	add_u64(d, "pcap_used_bytes", s->last_space.used_bytes);
	add_u64(d, "pcap_free_bytes", s->last_space.free_bytes);
	add_u64(d, "pcap_disk_bytes", s->last_space.size_bytes);
	return 0;
}

static int
show_info(struct stats *s, const char *parameters, struct rte_tel_data *d)
{
	(void)parameters;
	add_text(d, "version", s->identity.version);
	add_text(d, "node", s->identity.node);
	add_text(d, "host", s->identity.host);
	add_u64(d, "start_time", s->identity.start_s);
	add_u64(d, "up_ms", (clock_monotonic_ns() - s->started_ns) / NS_PER_MS);
	add_u64(d, "workers", s->sensor->n_workers);
	add_u64(d, "stalled_lcores", s->view[s->current].stalled_lcores);
	add_text(d, "overload", overload_stage_names[s->view[s->current].overload_stage]);
	add_u64(d, "ports", s->sensor->n_ports);
	add_text(d, "input", s->live ? "ports" : "captures");
	return 0;
}

static const struct {
	const char *name;
	int (*show)(struct stats *, const char *parameters, struct rte_tel_data *);
	const char *help;
} commands[] = {
	{"/shrike/info", show_info, "Version, node and start of this sensor"},
	{"/shrike/counters", show_counters, "All counters by library. Parameters: a library, such as session"},
	{"/shrike/losses", show_losses, "Counters of losses that are not zero. Parameters: a library"},
	{"/shrike/ledger", show_ledger, "Accounts of the ledger: what came in, went out, is inside, was lost"},
	{"/shrike/rates", show_rates, "Packets, bits, sessions, records a second, over the last second"},
	{"/shrike/sessions", show_sessions, "Open sessions by type"},
	{"/shrike/lcores", show_lcores, "Roles and load of each lcore"},
	{"/shrike/queues", show_queues, "What waits in each queue, by kind"},
	{"/shrike/ports", show_ports, "Counters of each port"},
	{"/shrike/sinks", show_sinks, "What waits for each sink, and whether it fails"},
	{"/shrike/memory", show_memory, "Memory, and room for pcap files"},
};

/* One function for all: the table says which is meant. */
static int
answer(const char *command, const char *parameters, struct rte_tel_data *d)
{
	int result = -1;

	rte_tel_data_start_dict(d);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; shown != NULL && i < RTE_DIM(commands); i++)
		if (strcmp(commands[i].name, command) == 0)
			result = commands[i].show(shown, parameters, d);
	pthread_mutex_unlock(&lock);
	return result;
}

void
stats_telemetry_begin(struct stats *s)
{
	static bool is_registered;

	for (unsigned i = 0; !is_registered && i < RTE_DIM(commands); i++)
		rte_telemetry_register_cmd(commands[i].name, answer, commands[i].help);
	is_registered = true;
	pthread_mutex_lock(&lock);
	shown = s;
	pthread_mutex_unlock(&lock);
}

void
stats_telemetry_end(void)
{
	pthread_mutex_lock(&lock);
	shown = NULL;
	pthread_mutex_unlock(&lock);
}
