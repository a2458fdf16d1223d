/* The exporter.
 *
 * Records are formatted here, on a polling lcore, once for all sinks: that is the part which costs (half a microsecond)
 * and never blocks. What blocks is on the sinks' threads, and between the two are batches, so that a hand-over, its
 * possible system call and the lock-free queue cost a few nanoseconds a document.
 *
 * A burst taken off a ring is kept in 'intake' until each of its records has a place in a batch. Usually that is the
 * same poll; when no batch is free, or a return ring is full, the poll ends there and the next one goes on at the same
 * record. So nothing is waited for, formatted twice or held in two places, and 'intake' is all that a poll can leave
 * behind.
 *
 * One batch is open at a time and all sinks get the same ones. A sink that stands still therefore holds up the others
 * once it holds every batch: the memory is bounded, and losing documents for one sink or buffering them without bound
 * is not for this place to decide (a spool is; it will be the sink's). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_ring.h>

#include "batch_priv.h"
#include "clock.h"
#include "export.h"
#include "file_numbers_priv.h"
#include "log.h"
#include "sink_priv.h"

static const struct setting export_settings[] = {
	SETTING_LIST(struct export_conf, sinks, "sinks", "sqlite", "where records go: sqlite, ndjson; several at once"),
	SETTING_U32(struct export_conf, batch_bytes, "exportBatchBytes", 262144, 4096, 16777216, "bytes",
		    "documents are handed to the sinks in batches of this size"),
	SETTING_U32(struct export_conf, n_batches, "exportBatches", 64, 2, 4096, "",
		    "batches there are; when all wait for a sink, records wait too"),
	SETTING_STR(struct export_conf, state_directory, "stateDir", "/var/lib/shrike",
		    "folder for what is kept between runs, such as file numbers when no sink keeps them"),
};
SETTINGS(export, "Records and where they go", export_settings);

COUNTER(formatted, "export.formatted", "records made into documents", LEDGER_NONE, LEDGER_OUT);
COUNTER(no_sink, "export.no_sink", "records taken while no sink was asked for", LEDGER_RECORDS, LEDGER_OUT);
COUNTER(oversized, "export.oversized", "documents larger than a batch, which got memory of their own", LEDGER_NONE,
	LEDGER_OUT);

enum {
	INTAKE_BURST = 32,
	SINKS_MAX = 16,
	BATCH_AGE_NS = 1000000000,
	STUCK_WAIT_S = 5, /* for a thread that has been told to abandon */
};

struct intake {
	struct record *record[INTAKE_BURST];
	unsigned n, next, returned; /* returned <= next <= n: next is the first without a place */
	unsigned worker;
	bool is_formatted; /* 'document' is that of record[next] */
	struct document document;
};

struct exporter {
	struct counters counters;
	struct exporter_params params;
	struct formatter *formatter;
	struct batch_pool *pool;
	struct batch *open;
	uint64_t open_since_ns, sequence;
	bool wants_columns;
	field_id protocol_field;
	struct intake intake;

	struct sink *sink[SINKS_MAX]; /* the first n_sinks take documents; the keeper of numbers may follow */
	unsigned n_sinks, n_threads;
	struct sink *keeper; /* of file numbers; NULL in a dry run */
	struct file_numbers *numbers;
	_Atomic uint32_t dry_run_number;

	struct ledger_gauge gauge;
	_Atomic unsigned intake_held;
	_Atomic uint64_t moves; /* odd while records are between a ring and 'intake' */
	_Atomic bool finishing, abandoned;
};

static uint64_t
exporter_held(const void *context)
{
	const struct exporter *e = context;

	return atomic_load(&e->intake_held) + (e->pool != NULL ? batch_pool_held(e->pool) : 0);
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

/* 'target' as in struct sink_params. */
static bool
add_sink(struct exporter *e, const struct sink_kind *kind, const char *target, char *why, size_t why_size)
{
	struct sink_setup setup = {
		.kind = kind,
		.params = {.conf = e->params.conf, .document = e->params.document, .target = target},
		.queue_batches = e->pool != NULL ? batch_pool_size(e->pool) : 0,
		.bitmap_words = e->pool != NULL ? batch_pool_bitmap_words(e->pool) : 0,
		.cpus = e->params.library_cpus,
	};
	struct sink *s;

	if (e->n_threads == SINKS_MAX) {
		snprintf(why, why_size, "sinks: more than %d", SINKS_MAX - 1);
		return false;
	}
	if (e->numbers != NULL && e->keeper == NULL && kind->take_file_numbers != NULL)
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
	if (!allocate(e, why, why_size) || !add_sinks(e, why, why_size)) {
		exporter_destroy(e);
		return NULL;
	}
	return e;
}

static void
send_open(struct exporter *e)
{
	batch_send(e->open, e->n_sinks);
	for (unsigned i = 0; i < e->n_sinks; i++)
		sink_push(e->sink[i], e->open);
	e->open = NULL;
}

/* A batch with room for the document in 'intake', or NULL: none is free. */
static struct batch *
batch_with_room(struct exporter *e, size_t json_bytes)
{
	if (e->open != NULL && batch_fits(e->open, json_bytes))
		return e->open;
	if (e->open != NULL && e->open->data.n_rows > 0)
		send_open(e);
	if (e->open == NULL)
		e->open = batch_get(e->pool);
	return e->open;
}

static void
append_protocol(char *out, size_t size, const void *name, size_t length)
{
	size_t used = strlen(out);

	if (length == 0 || used + length + 2 > size)
		return;
	if (used > 0)
		out[used++] = ';';
	memcpy(out + used, name, length);
	out[used + length] = '\0';
}

static void
row_protocols(const struct exporter *e, const struct record *r, struct export_row *row)
{
	const char *first = r->summary.protocol;
	struct record_iterator at;
	struct record_value value;

	row->protocols[0] = '\0';
	if (first != NULL)
		append_protocol(row->protocols, sizeof(row->protocols), first, strlen(first));
	record_values_begin(r, &at);
	while (e->protocol_field != 0 && record_values_next(&at, &value)) {
		if (value.field != e->protocol_field || value.type != FIELD_STR || value.more)
			continue;
		if (first != NULL && value.str.size == strlen(first) &&
		    memcmp(value.str.text, first, value.str.size) == 0)
			continue;
		append_protocol(row->protocols, sizeof(row->protocols), value.str.text, value.str.size);
	}
}

static void
row_columns(const struct exporter *e, const struct record *r, struct export_row *row)
{
	const struct record_summary *s = &r->summary;

	row->packets = s->packets[0] + s->packets[1];
	row->bytes = s->bytes[0] + s->bytes[1];
	row->data_bytes = s->data_bytes[0] + s->data_bytes[1];
	row->first_ms = (int64_t)(s->first_ns / NS_PER_MS);
	row->last_ms = (int64_t)(s->last_ns / NS_PER_MS);
	row->ip_version = s->ip_version;
	row->ip_protocol = s->ip_protocol;
	memcpy(row->port, s->port, sizeof(row->port));
	memcpy(row->address, s->address, sizeof(row->address));
	row_protocols(e, r, row);
}

static void
row_append(struct exporter *e, struct batch *b, const struct record *r, const struct document *d)
{
	struct export_row *row = batch_append(b, d->json, d->json_bytes);

	e->sequence++;
	if (b->data.n_rows == 1) {
		b->data.first_sequence = e->sequence;
		e->open_since_ns = clock_monotonic_ns();
	}
	memcpy(row->id, d->id, sizeof(row->id));
	memcpy(row->index_period, d->index_period, sizeof(row->index_period));
	memcpy(row->community_id, d->community_id, sizeof(row->community_id));
	if (e->wants_columns)
		row_columns(e, r, row);
}

/* Puts the formatted document into a batch. False: no batch is free. */
static bool
place_document(struct exporter *e)
{
	struct intake *in = &e->intake;
	size_t json_bytes = in->document.json_bytes;
	struct batch *b = batch_with_room(e, json_bytes);

	if (b == NULL)
		return false;
	if (!batch_fits(b, json_bytes)) {
		if (batch_grow(b, json_bytes) < 0) {
			LOG_ERROR("export.no_memory", "document_bytes=%zu do=\"give the process more memory\"",
				  json_bytes);
			batch_count_rejected(&e->counters, 1);
			return true;
		}
		COUNTER_ADD(&e->counters, oversized, 1);
	}
	row_append(e, b, in->record[in->next], &in->document);
	return true;
}

/* True: the record at 'next' is dealt with. */
static bool
deal_with_next(struct exporter *e)
{
	struct intake *in = &e->intake;

	if (unlikely(atomic_load_explicit(&e->abandoned, memory_order_relaxed))) {
		batch_count_abandoned(&e->counters, 1);
		return true;
	}
	if (unlikely(e->n_sinks == 0)) {
		COUNTER_ADD(&e->counters, no_sink, 1);
		return true;
	}
	if (!in->is_formatted) {
		if (!formatter_write(e->formatter, in->record[in->next], &in->document)) {
			batch_count_rejected(&e->counters, 1);
			return true;
		}
		COUNTER_ADD(&e->counters, formatted, 1);
		in->is_formatted = true;
	}
	return place_document(e);
}

static unsigned
give_back(struct exporter *e)
{
	struct intake *in = &e->intake;
	unsigned n = in->next - in->returned;

	if (n > 0)
		n = rte_ring_enqueue_burst(e->params.returns[in->worker], (void **)&in->record[in->returned], n, NULL);
	in->returned += n;
	return n;
}

/* Formats, places and gives back what was taken; returns how much it did. */
static unsigned
work_off(struct exporter *e)
{
	struct intake *in = &e->intake;
	unsigned before = in->next;

	while (in->next < in->n && deal_with_next(e)) {
		in->is_formatted = false;
		in->next++;
		/* The gauge after the batch: better a record twice for a moment than not at all. */
		atomic_store_explicit(&e->intake_held, in->n - in->next, memory_order_relaxed);
	}
	return in->next - before + give_back(e);
}

static bool
can_take(struct exporter *e)
{
	if (e->intake.returned < e->intake.n)
		return false;
	if (e->n_sinks == 0 || atomic_load_explicit(&e->abandoned, memory_order_relaxed))
		return true;
	if (e->open == NULL)
		e->open = batch_get(e->pool);
	return e->open != NULL;
}

static unsigned
take_from(struct exporter *e, unsigned worker)
{
	struct intake *in = &e->intake;

	if (rte_ring_empty(e->params.records[worker]) || !can_take(e))
		return 0;
	atomic_fetch_add(&e->moves, 1);
	in->n = rte_ring_dequeue_burst(e->params.records[worker], (void **)in->record, INTAKE_BURST, NULL);
	in->next = 0;
	in->returned = 0;
	in->worker = worker;
	in->is_formatted = false;
	atomic_store(&e->intake_held, in->n);
	atomic_fetch_add(&e->moves, 1);
	return work_off(e);
}

static bool
rings_empty(const struct exporter *e)
{
	for (unsigned i = 0; i < e->params.n_workers; i++)
		if (!rte_ring_empty(e->params.records[i]))
			return false;
	return true;
}

static unsigned
send_when_due(struct exporter *e)
{
	bool due;

	if (e->open == NULL || e->open->data.n_rows == 0)
		return 0;
	due = (atomic_load_explicit(&e->finishing, memory_order_relaxed) && rings_empty(e)) ||
	      clock_monotonic_ns() - e->open_since_ns >= BATCH_AGE_NS;
	if (!due)
		return 0;
	send_open(e);
	return 1;
}

unsigned
exporter_poll(struct exporter *e)
{
	unsigned done = 0;

	if (e->intake.returned < e->intake.n)
		done += work_off(e);
	for (unsigned i = 0; i < e->params.n_workers; i++)
		done += take_from(e, i);
	return done + send_when_due(e);
}

bool
exporter_put_file(struct exporter *e, const struct export_file *file)
{
	for (unsigned i = 0; i < e->n_sinks; i++)
		if (sink_wants_files(e->sink[i]) && !sink_has_room_for_file(e->sink[i]))
			return false;
	for (unsigned i = 0; i < e->n_sinks; i++)
		/* No memory for the second sink: both get it again, which is one files document all the same. */
		if (sink_wants_files(e->sink[i]) && sink_put_file(e->sink[i], file) < 0)
			return false;
	return true;
}

bool
exporter_idle(const struct exporter *e)
{
	uint64_t moves = atomic_load(&e->moves);

	if ((moves & 1) != 0 || !rings_empty(e) || exporter_held(e) > 0)
		return false;
	for (unsigned i = 0; i < e->n_sinks; i++)
		if (!sink_idle(e->sink[i]))
			return false;
	/* Records that left a ring meanwhile were in neither place. */
	return atomic_load(&e->moves) == moves;
}

void
exporter_finish(struct exporter *e)
{
	atomic_store(&e->finishing, true);
}

void
exporter_abandon(struct exporter *e)
{
	atomic_store(&e->abandoned, true);
	for (unsigned i = 0; i < e->n_threads; i++)
		sink_abandon(e->sink[i]);
}

struct counters *
exporter_counters(struct exporter *e)
{
	return &e->counters;
}

uint32_t
exporter_file_number(void *exporter)
{
	struct exporter *e = exporter;
	uint32_t number;

	if (e->numbers == NULL)
		return atomic_fetch_add(&e->dry_run_number, 1) + 1;
	number = file_numbers_pop(e->numbers);
	if (file_numbers_low(e->numbers))
		sink_wake(e->keeper);
	return number;
}

void
exporter_describe(const struct exporter *e, void (*line)(const char *sink, const char *text, void *context),
		  void *context)
{
	char text[512];

	for (unsigned i = 0; i < e->n_sinks; i++) {
		sink_describe(e->sink[i], text, sizeof(text));
		line(sink_kind_of(e->sink[i])->name, text, context);
	}
}

/* Waits while the sinks get on; gives up on them when they do not for EXPORT_DESTROY_WAIT_S. */
static void
wait_for_sinks(struct exporter *e)
{
	uint64_t held = exporter_held(e), since_ns = clock_monotonic_ns();

	while (!exporter_idle(e) && exporter_held(e) > 0) {
		usleep(1000);
		if (exporter_held(e) != held) {
			held = exporter_held(e);
			since_ns = clock_monotonic_ns();
		}
		if (clock_monotonic_ns() - since_ns < EXPORT_DESTROY_WAIT_S * NS_PER_S)
			continue;
		LOG_ERROR("export.given_up", "documents=%" PRIu64 " waited_s=%d", held, EXPORT_DESTROY_WAIT_S);
		exporter_abandon(e);
		return;
	}
}

static bool
stop_sinks(struct exporter *e)
{
	bool stopped = true;

	for (unsigned i = 0; i < e->n_threads; i++) {
		if (sink_stop(e->sink[i], EXPORT_DESTROY_WAIT_S))
			continue;
		sink_abandon(e->sink[i]);
		if (sink_stop(e->sink[i], STUCK_WAIT_S))
			continue;
		LOG_ERROR("sink.stuck", "sink=%s do=\"look at what its file or pipe waits for\"",
			  sink_kind_of(e->sink[i])->name);
		stopped = false;
	}
	return stopped;
}

static void
abandon_intake(struct exporter *e)
{
	batch_count_abandoned(&e->counters, e->intake.n - e->intake.next);
	e->intake.next = e->intake.n;
	atomic_store(&e->intake_held, 0);
}

void
exporter_destroy(struct exporter *e)
{
	if (e == NULL)
		return;
	abandon_intake(e);
	if (e->open != NULL && e->open->data.n_rows > 0)
		send_open(e);
	if (e->pool != NULL)
		wait_for_sinks(e);
	if (!stop_sinks(e))
		return; /* A thread still uses all this: the process is about to end anyway. */
	ledger_gauge_detach(&e->gauge);
	counters_detach(&e->counters);
	for (unsigned i = 0; i < e->n_threads; i++)
		sink_destroy(e->sink[i]);
	file_numbers_destroy(e->numbers);
	batch_pool_destroy(e->pool);
	formatter_destroy(e->formatter);
	free(e);
}
