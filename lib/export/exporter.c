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
 * One batch is open at a time and all sinks get the same ones. A sink without a spool that stands still therefore holds
 * up the others once it holds every batch: the memory is bounded. What a sink with a spool does not take leaves its
 * batch for the disk (sink.c). */
#include <rte_branch_prediction.h>
#include <rte_ring.h>

#include "clock.h"
#include "exporter_priv.h"
#include "log.h"
#include "row_priv.h"

COUNTER(formatted, "export.formatted", "records made into documents", LEDGER_NONE, LEDGER_OUT);
COUNTER(formatted_bytes, "export.formatted_bytes", "bytes of these documents", LEDGER_NONE, LEDGER_OUT);
COUNTER(no_sink, "export.no_sink", "records taken while no sink was asked for", LEDGER_RECORDS, LEDGER_OUT);
COUNTER(oversized, "export.oversized", "documents larger than a batch, which got memory of their own", LEDGER_NONE,
	LEDGER_OUT);

uint64_t
exporter_held(const void *context)
{
	const struct exporter *e = context;

	return atomic_load(&e->intake_held) + (e->pool != NULL ? batch_pool_held(e->pool) : 0);
}

uint64_t
exporter_spooled(const void *context)
{
	const struct exporter *e = context;

	return e->pool != NULL ? batch_pool_spooled(e->pool) : 0;
}

void
exporter_send_open(struct exporter *e)
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
		exporter_send_open(e);
	if (e->open == NULL)
		e->open = batch_get(e->pool);
	return e->open;
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
		row_columns(r, e->protocol_field, row);
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
		COUNTER_ADD(&e->counters, formatted_bytes, in->document.json_bytes);
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

	while (in->next < in->n) {
		if (in->next + 1 < in->n)
			formatter_prefetch(in->record[in->next + 1]);
		if (!deal_with_next(e))
			break;
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
	if (in->n > 0)
		formatter_prefetch(in->record[0]);
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
	exporter_send_open(e);
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

void
exporter_put_stats(struct exporter *e, const struct export_stats *stats)
{
	for (unsigned i = 0; i < e->n_sinks; i++)
		if (sink_wants_stats(e->sink[i]))
			sink_put_stats(e->sink[i], stats);
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
	for (unsigned i = 0; i < e->n_sinks; i++)
		sink_finish(e->sink[i]);
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
exporter_status(const struct exporter *e, struct export_status *out)
{
	*out = (struct export_status){.batches = batch_pool_size(e->pool),
				      .batches_in_use = batch_pool_in_use(e->pool)};
}

void
exporter_each_sink(const struct exporter *e, void (*each)(const struct export_sink_status *, void *context),
		   void *context)
{
	struct export_sink_status status;

	for (unsigned i = 0; i < e->n_sinks; i++) {
		sink_status(e->sink[i], &status);
		each(&status, context);
	}
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

void
exporter_abandon_intake(struct exporter *e)
{
	batch_count_abandoned(&e->counters, e->intake.n - e->intake.next);
	e->intake.next = e->intake.n;
	atomic_store(&e->intake_held, 0);
	give_back(e);
}
