/* The exporter's beginning and end.
 *
 * The end has to come, whatever a sink waits for. While sinks get on they are waited for, however long it takes; one
 * that does not for EXPORT_DESTROY_WAIT_S, or at all after exporter_abandon(), is given up: its documents are counted
 * as abandoned. A thread that does not even come back from its call then (a pipe whose reader sleeps, a dead network
 * file system) cannot be ended: it keeps the memory it works on, and what it holds stays "inside" in the ledger. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exporter_priv.h"
#include "log.h"

enum { ABANDONED_WAIT_S = 2 };

static const char *const spool_words[] = {"auto", "always", "never", NULL};

static const struct setting export_settings[] = {
	SETTING_LIST(
		struct export_conf, sinks, "sinks", "sqlite",
		"where records go: sqlite, ndjson, elasticsearch, zmq; several at once (elasticsearch when that is "
		"set and this is not)"),
	SETTING_U32(struct export_conf, batch_bytes, "exportBatchBytes", 262144, 4096, 16777216, "bytes",
		    "documents are handed to the sinks in batches of this size"),
	SETTING_U32(struct export_conf, n_batches, "exportBatches", 64, 2, 4096, "",
		    "batches there are; when all wait for a sink, records wait too"),
	SETTING_ENUM(struct export_conf, spool, "spool", "auto", spool_words,
		     "what a sink does not take at once goes to disk: auto (on a live sensor; with elasticsearch in a "
		     "replay too), always, never"),
	SETTING_STR(struct export_conf, spool_directory, "spoolDir", "/var/lib/shrike/spool",
		    "folder for what sinks have not taken yet"),
	SETTING_U64(struct export_conf, spool_bytes, "spoolMax", 10737418240, 16777216, 1125899906842624, "bytes",
		    "size of the spool of each sink; when it is full the oldest goes, counted"),
	SETTING_U32(struct export_conf, spool_exit_wait_s, "spoolExitWait", 30, 0, 86400, "seconds",
		    "at the end of a run a sink that fails for so long leaves the rest in its spool for the next run"),
	SETTING_U32(struct export_conf, queue_batches, "sinkQueue", 16, 1, 4096, "batches",
		    "batches a sink with a spool holds in memory"),
	SETTING_STR(struct export_conf, state_directory, "stateDir", "/var/lib/shrike",
		    "folder for what is kept between runs, such as file numbers when no sink keeps them"),
};
SETTINGS(export, "Records and where they go", export_settings);

void
export_conf_fill(const struct conf *conf, struct export_conf *out)
{
	static const char *database[] = {"elasticsearch"};

	conf_fill(conf, &export_settings_group, out);
	if (conf_is_set(conf, "elasticsearch") && !conf_is_set(conf, "sinks"))
		out->sinks = (struct conf_list){.item = database, .n = 1};
}

static const struct sink_kind *
find_kind(const char *name)
{
	REGISTRY_FOREACH (sink_kind, struct sink_kind, slot)
		if (strcmp((*slot)->name, name) == 0)
			return *slot;
	return NULL;
}

static void
explain_unknown(const char *name, char *why, size_t why_size)
{
	size_t used = (size_t)snprintf(why, why_size, "sinks: there is no sink \"%s\", only:", name);

	REGISTRY_FOREACH (sink_kind, struct sink_kind, slot)
		if (used < why_size)
			used += (size_t)snprintf(why + used, why_size - used, " %s", (*slot)->name);
}

/* A file of --records is one run's output, and the keeper of numbers takes no documents. */
static bool
has_spool(const struct exporter *e, const struct sink_kind *kind, const char *target)
{
	const struct export_conf *c = e->params.export_conf;

	if (kind->spooling == SINK_SPOOL_NEVER || kind->write == NULL || target != NULL || c->dry_run)
		return false;
	if (c->spool != EXPORT_SPOOL_AUTO)
		return c->spool == EXPORT_SPOOL_ALWAYS;
	return c->live || kind->spooling == SINK_SPOOL_ALWAYS;
}

/* A spool's queue; two of them together never hold all batches there are. */
static void
set_up_spool(const struct exporter *e, struct sink_setup *setup)
{
	const struct export_conf *c = e->params.export_conf;
	unsigned share = setup->n_batches / (2 * (c->sinks.n > 0 ? c->sinks.n : 1));

	setup->spool_directory = c->spool_directory;
	setup->spool_bytes = c->spool_bytes;
	setup->spool_exit_wait_s = c->spool_exit_wait_s;
	setup->is_live = c->live;
	setup->queue_batches = RTE_MIN(c->queue_batches, RTE_MAX(share, 1u));
}

/* Whose file numbers count: those of a store that others write to as well come before those of this machine. */
static bool
is_keeper(const struct exporter *e, const struct sink_kind *kind)
{
	const struct conf_list *sinks = &e->params.export_conf->sinks;

	if (e->numbers == NULL || e->keeper != NULL || kind->take_file_numbers == NULL)
		return false;
	for (unsigned i = 0; i < sinks->n && !kind->is_shared; i++) {
		const struct sink_kind *other = find_kind(sinks->item[i]);

		if (other != NULL && other->is_shared && other->take_file_numbers != NULL)
			return false;
	}
	return true;
}

/* 'target' as in struct sink_params. */
static bool
add_sink(struct exporter *e, const struct sink_kind *kind, const char *target, char *why, size_t why_size)
{
	struct sink_setup setup = {
		.kind = kind,
		.params = {.conf = e->params.conf, .document = e->params.document, .target = target},
		.n_batches = e->pool != NULL ? batch_pool_size(e->pool) : 0,
		.queue_batches = e->pool != NULL ? batch_pool_size(e->pool) : 0,
		.bitmap_words = e->pool != NULL ? batch_pool_bitmap_words(e->pool) : 0,
		.cpus = e->params.library_cpus,
	};
	struct sink *s;

	if (e->n_threads == SINKS_MAX) {
		snprintf(why, why_size, "sinks: more than %d", SINKS_MAX - 1);
		return false;
	}
	if (has_spool(e, kind, target))
		set_up_spool(e, &setup);
	if (is_keeper(e, kind))
		setup.numbers = e->numbers;
	s = sink_create(&setup, why, why_size);
	if (s == NULL)
		return false;
	if (setup.numbers != NULL)
		e->keeper = s;
	e->sink[e->n_threads++] = s;
	return true;
}

static bool
add_document_sink(struct exporter *e, const char *name, const char *target, char *why, size_t why_size)
{
	const struct sink_kind *kind = find_kind(name);

	if (kind == NULL) {
		explain_unknown(name, why, why_size);
		return false;
	}
	if (!add_sink(e, kind, target, why, why_size))
		return false;
	e->n_sinks++;
	e->wants_columns = e->wants_columns || kind->wants_columns;
	return true;
}

static bool
add_sinks(struct exporter *e, char *why, size_t why_size)
{
	const struct export_conf *c = e->params.export_conf;

	for (unsigned i = 0; !c->dry_run && i < c->sinks.n; i++)
		if (!add_document_sink(e, c->sinks.item[i], NULL, why, why_size))
			return false;
	if (c->records_path != NULL && !add_document_sink(e, "ndjson", c->records_path, why, why_size))
		return false;
	if (e->numbers != NULL && e->keeper == NULL)
		return add_sink(e, &file_number_keeper, c->state_directory, why, why_size);
	return true;
}

static bool
allocate(struct exporter *e, char *why, size_t why_size)
{
	const struct export_conf *c = e->params.export_conf;

	e->formatter = formatter_create(e->params.document);
	e->pool = batch_pool_create(c->n_batches, c->batch_bytes);
	e->numbers = c->dry_run ? NULL : file_numbers_create();
	if (e->formatter != NULL && e->pool != NULL && (c->dry_run || e->numbers != NULL))
		return true;
	snprintf(why, why_size, "no memory for the exporter (%" PRIu32 " batches of %" PRIu32 " bytes): %s",
		 c->n_batches, c->batch_bytes, strerror(errno));
	return false;
}

struct exporter *
exporter_create(const struct exporter_params *params, char *why, size_t why_size)
{
	struct exporter *e = aligned_alloc(64, RTE_ALIGN(sizeof(*e), 64));

	if (e == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->params = *params;
	e->protocol_field = field_find("protocol");
	e->gauge = (struct ledger_gauge){
		.name = "exporter", .account = LEDGER_RECORDS, .read = exporter_held, .context = e};
	counters_attach(&e->counters, "exporter");
	ledger_gauge_attach(&e->gauge);
	e->spool_gauge = (struct ledger_gauge){
		.name = "spooled", .account = LEDGER_RECORDS, .read = exporter_spooled, .context = e};
	ledger_gauge_attach(&e->spool_gauge);
	if (!allocate(e, why, why_size) || !add_sinks(e, why, why_size)) {
		exporter_destroy(e);
		return NULL;
	}
	return e;
}

/* How long a sink that does not get on is waited for. */
static unsigned
patience_s(const struct exporter *e)
{
	unsigned asked = e->params.patience_s > 0 ? e->params.patience_s : EXPORT_DESTROY_WAIT_S;

	return atomic_load(&e->abandoned) ? RTE_MIN(asked, (unsigned)ABANDONED_WAIT_S) : asked;
}

static void
wait_for_sinks(struct exporter *e)
{
	uint64_t held = exporter_held(e), since_ns = clock_monotonic_ns();

	while (exporter_held(e) > 0) {
		usleep(1000);
		if (exporter_held(e) != held) {
			held = exporter_held(e);
			since_ns = clock_monotonic_ns();
		}
		if (clock_monotonic_ns() - since_ns < patience_s(e) * NS_PER_S)
			continue;
		LOG_ERROR("export.given_up", "documents=%" PRIu64 " waited_s=%u do=\"see sink.failing above\"", held,
			  patience_s(e));
		exporter_abandon(e);
		return;
	}
}

static bool
stop_sinks(struct exporter *e)
{
	bool stopped = true;

	for (unsigned i = 0; i < e->n_threads; i++) {
		if (sink_stop(e->sink[i], patience_s(e)))
			continue;
		sink_abandon(e->sink[i]);
		if (sink_stop(e->sink[i], ABANDONED_WAIT_S))
			continue;
		LOG_ERROR("sink.stuck", "sink=%s documents=%" PRIu64 " do=\"look at what its file or pipe waits for\"",
			  sink_kind_of(e->sink[i])->name, exporter_held(e));
		stopped = false;
	}
	return stopped;
}

bool
exporter_destroy(struct exporter *e)
{
	if (e == NULL)
		return true;
	exporter_abandon_intake(e);
	if (e->open != NULL && e->open->data.n_rows > 0)
		exporter_send_open(e);
	if (e->pool != NULL)
		wait_for_sinks(e);
	if (!stop_sinks(e))
		return false; /* A thread still uses all this. */
	ledger_gauge_detach(&e->gauge);
	ledger_gauge_detach(&e->spool_gauge);
	counters_detach(&e->counters);
	for (unsigned i = 0; i < e->n_threads; i++)
		sink_destroy(e->sink[i]);
	file_numbers_destroy(e->numbers);
	batch_pool_destroy(e->pool);
	formatter_destroy(e->formatter);
	free(e);
	return true;
}

int
export_each_file(const struct exporter_params *params, export_file_callback each, void *context)
{
	struct sink_params sink = {.conf = params->conf, .document = params->document};
	const struct export_conf *conf = params->export_conf;
	int error = 0;

	for (unsigned i = 0; i < conf->sinks.n && !conf->dry_run && error == 0; i++) {
		const struct sink_kind *kind = find_kind(conf->sinks.item[i]);

		if (kind != NULL && kind->each_file != NULL)
			error = kind->each_file(&sink, each, context);
		if (error == -ENOENT)
			error = 0;
	}
	return error;
}

int
export_read_stats(const struct exporter_params *params, char *json, size_t json_size)
{
	struct sink_params sink = {.conf = params->conf, .document = params->document};
	const struct export_conf *conf = params->export_conf;
	int error = -ENOENT;

	for (unsigned i = 0; i < conf->sinks.n && !conf->dry_run && error != 0; i++) {
		const struct sink_kind *kind = find_kind(conf->sinks.item[i]);

		if (kind != NULL && kind->read_stats != NULL)
			error = kind->read_stats(&sink, json, json_size);
	}
	return error;
}
