/* Delivering batches: bulk requests, several at once, until every document is taken or refused.
 *
 * Documents are packed while earlier requests are under way. What the store could not take goes into new requests, of
 * only those documents, after a pause that doubles; their ids are the same, so nothing is there twice. Those of several
 * requests go together: a store in need gets fewer requests, and the last few documents have one pause, not one each.
 * When the store does not get on for a while the delivery ends, and the error goes up: sink.c spools what comes
 * meanwhile, and offers the same documents again, but for the first batches, as many as are answered for whole. So
 * outages make a delivery longer, but not by what was done before them. What was taken of other batches is answered
 * with 409, which is fine.
 *
 * How much at once: requests grow by a fourth while they are answered quickly, up to dbBulkSize, and one more of them
 * is under way for each round that went well, up to maxESConns. A store that says 429 or 503, to a request or to more
 * than a tenth of its documents, gets half as many, one that does not answer in time also gets smaller ones, and 413
 * splits the request at hand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "elastic_priv.h"
#include "log.h"

COUNTER(taken, "sink.elasticsearch.acknowledged", "documents that the database has", LEDGER_NONE, LEDGER_OUT);
COUNTER(refused, "sink.elasticsearch.rejected", "documents that it will never take: they are in the reject file",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(requests, "sink.elasticsearch.requests", "bulk requests answered", LEDGER_NONE, LEDGER_OUT);
COUNTER(request_bytes, "sink.elasticsearch.bytes", "bytes of bulk requests, before compression", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(failed, "sink.elasticsearch.failed_requests", "bulk requests without a good answer, which were sent again",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(again, "sink.elasticsearch.retried", "documents that the database could not take at once", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(doubles, "sink.elasticsearch.doubles", "documents sent again although the database had them already",
	LEDGER_NONE, LEDGER_OUT);

enum {
	PAUSE_FIRST_MS = 50,
	PAUSE_MAX_MS = 5000,
	PATIENCE_S = 20,	  /* with a store that answers, and takes nothing */
	PATIENCE_DOWN_S = 3,	  /* with one that does not answer */
	QUICK_NS = 1000000000,	  /* an answer that lets requests grow */
	CUT_EVERY_NS = 500000000, /* all requests under way fail together: that is one sign, not many */
	ACCEPTED_LATELY_S = 60,
	WAIT_MS = 100,
	BATCHES_MAX = 64,
	FULL_SHARE = 10, /* one of so many documents refused says that the store is full */
};

struct delivery {
	struct elastic *e;
	struct sink_batch *b;
	unsigned n, batch, row;	    /* 'batch' and 'row': the next one to be packed */
	unsigned left[BATCHES_MAX]; /* documents of each that are not answered for */
	struct bulk *waiting;
	struct reject_list rejects;
	uint64_t progress_ns;
	bool forgave; /* a time-out since then */
	int error;
};

/* Adds its documents to a request whose pause is not over, if there is one with room. */
static bool
join_waiting(struct delivery *d, struct bulk *b)
{
	const struct elastic *e = d->e;
	uint64_t now_ns = clock_monotonic_ns();
	struct bulk *w = d->waiting;

	while (w != NULL && (w->not_before_ns <= now_ns || w->n_items + b->n_items > e->conf.bulk_records ||
			     w->bytes + b->bytes > e->bulk_bytes))
		w = w->next;
	if (w == NULL || !bulk_copy_all(w, b))
		return false;
	bulk_put(d->e, b);
	return true;
}

static void
wait_again(struct delivery *d, struct bulk *b, bool pause)
{
	uint64_t ms = (uint64_t)PAUSE_FIRST_MS << (b->attempts < 8 ? b->attempts : 8);

	if (pause && join_waiting(d, b))
		return;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	b->attempts++;
	/* Not all of them at one moment. */
	ms = ms * 3 / 4 + (uint64_t)random() % (ms / 2 + 1);
	b->not_before_ns = clock_monotonic_ns() + (pause ? ms * NS_PER_MS : 0);
	b->next = d->waiting;
	d->waiting = b;
}

static void
give_up(struct delivery *d, int error)
{
	if (d->error == 0)
		d->error = error;
}

/* ---- how much at once */

static void
send_less(struct elastic *e, bool smaller)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - e->window_cut_ns < CUT_EVERY_NS)
		return;
	e->window_cut_ns = now_ns;
	e->window = e->window > 2 ? e->window / 2 : 1;
	if (smaller && e->bulk_bytes / 2 >= ELASTIC_BULK_BYTES_MIN)
		e->bulk_bytes /= 2;
}

static void
send_more(struct elastic *e, const struct bulk *b)
{
	if (clock_monotonic_ns() - b->sent_ns > QUICK_NS)
		return;
	if (e->window + 1 / e->window <= e->conf.max_connections)
		e->window += 1 / e->window;
	if (b->bytes >= e->bulk_bytes / 2 && e->bulk_bytes < e->conf.bulk_bytes)
		e->bulk_bytes = RTE_MIN(e->bulk_bytes + e->bulk_bytes / 4, (size_t)e->conf.bulk_bytes);
}

/* ---- answers */

static void
split(struct delivery *d, struct bulk *b)
{
	struct bulk *half[2] = {bulk_get(d->e), bulk_get(d->e)};
	bool good = half[0] != NULL && half[1] != NULL;

	for (unsigned i = 0; good && i < b->n_items; i++)
		good = bulk_copy(half[i >= b->n_items / 2], b, i);
	if (!good)
		give_up(d, -ENOMEM);
	for (unsigned i = 0; i < 2; i++) {
		if (half[i] == NULL)
			continue;
		half[i]->next = d->waiting;
		d->waiting = half[i];
	}
	bulk_put(d->e, b);
}

static void
refuse(struct delivery *d, const struct bulk_item *item, int status, const char *type, const char *reason)
{
	if (reject_add(&d->rejects, item->batch, item->row, status, type, reason))
		d->left[item->batch]--;
	else
		give_up(d, -ENOMEM);
}

struct answered {
	struct delivery *d;
	const struct bulk *bulk;
	struct bulk *again;
	unsigned n_taken, n_refused, n_doubles, n_again;
	unsigned n_full; /* for which the store had no room */
};

static void
item_answered(unsigned i, const struct item_answer *a, void *context)
{
	struct answered *at = context;
	struct elastic *e = at->d->e;

	if (a->fate == ITEM_TAKEN) {
		at->n_taken++;
		at->n_doubles += a->is_double;
		at->d->left[at->bulk->item[i].batch]--;
		return;
	}
	if (a->fate == ITEM_REFUSED) {
		at->n_refused++;
		refuse(at->d, &at->bulk->item[i], a->status, a->type, a->reason);
		return;
	}
	at->n_again++;
	at->n_full += a->status == 429 || a->status >= 500;
	snprintf(e->why, sizeof(e->why), "%s: %d %s: %.600s", http_hosts(e->http), a->status, a->type, a->reason);
	if (at->again == NULL)
		at->again = bulk_get(e);
	if (at->again == NULL || !bulk_copy(at->again, at->bulk, i))
		give_up(at->d, -ENOMEM);
}

static void
note_progress(struct delivery *d, unsigned n)
{
	if (n == 0)
		return;
	d->progress_ns = clock_monotonic_ns();
	d->forgave = false;
	d->e->accepted_ns = d->progress_ns;
}

/* One answer that never came is no outage: the time it was waited for does not count against the store, once. Else a
 * delivery of a hundred requests to a store that stalls now and then never ended, and began again each time. */
static void
forgive(struct delivery *d, const struct bulk *b)
{
	if (d->forgave)
		return;
	d->forgave = true;
	d->progress_ns += clock_monotonic_ns() - RTE_MAX(b->sent_ns, d->progress_ns);
}

/* True: each of its documents was answered for. */
static bool
take_items(struct delivery *d, struct bulk *b, const struct http_answer *answer)
{
	struct answered at = {.d = d, .bulk = b};
	struct elastic *e = d->e;

	if (answer_is_clean(answer->text, answer->bytes, b->n_items)) {
		for (unsigned i = 0; i < b->n_items; i++)
			d->left[b->item[i].batch]--;
		note_progress(d, b->n_items);
		send_more(e, b);
		return true;
	}
	if (answer_each(answer->text, answer->bytes, b->n_items, item_answered, &at) < 0) {
		snprintf(e->why, sizeof(e->why), "%s: the answer to a bulk request is not one", http_hosts(e->http));
		return false;
	}
	COUNTER_ADD(&e->counters, doubles, at.n_doubles);
	COUNTER_ADD(&e->counters, again, at.n_again);
	note_progress(d, at.n_taken + at.n_refused);
	if (at.n_full * FULL_SHARE > b->n_items)
		send_less(e, false);
	else
		send_more(e, b);
	if (at.again != NULL) {
		at.again->attempts = at.n_taken > 0 ? 0 : b->attempts;
		wait_again(d, at.again, true);
	}
	return true;
}

/* A request that is refused as a whole may be so for one of its documents: it is halved until that stands alone. One
 * that stands alone is to blame only if the store takes others. */
static void
refused_whole(struct delivery *d, struct bulk *b, int status)
{
	struct elastic *e = d->e;

	if (b->n_items > 1) {
		split(d, b);
	} else if (clock_monotonic_ns() - e->accepted_ns < ACCEPTED_LATELY_S * NS_PER_S) {
		refuse(d, &b->item[0], status, "", e->why);
		bulk_put(e, b);
	} else {
		give_up(d, elastic_status_error(status));
		wait_again(d, b, true);
	}
}

static void
explain_status(struct elastic *e, const struct http_answer *answer)
{
	json_t *root = json_loadb(answer->text, answer->bytes, 0, NULL);
	char text[700];

	elastic_explain(root, answer->status, text, sizeof(text));
	snprintf(e->why, sizeof(e->why), "%s: %s", http_hosts(e->http), text);
	json_decref(root);
}

static void
status_failed(struct delivery *d, struct bulk *b, const struct http_answer *answer)
{
	struct elastic *e = d->e;

	explain_status(e, answer);
	switch (answer->status) {
	case 413:
		if (b->bytes / 2 >= ELASTIC_BULK_BYTES_MIN && b->bytes / 2 < e->bulk_bytes)
			e->bulk_bytes = b->bytes / 2;
		refused_whole(d, b, answer->status);
		return;
	case 400:
		refused_whole(d, b, answer->status);
		return;
	case 408:
	case 429:
		send_less(e, false);
		break;
	default:
		if (answer->status < 500)
			give_up(d, elastic_status_error(answer->status));
		else
			send_less(e, false);
	}
	wait_again(d, b, true);
}

static void
bulk_done(struct http_call *call, const struct http_answer *answer)
{
	struct bulk *b = call->context;
	struct delivery *d = b->delivery;
	struct elastic *e = d->e;

	atomic_store_explicit(&e->requests, http_in_flight(e->http), memory_order_relaxed);
	if (answer->error == 0 && answer->status == 200 && take_items(d, b, answer)) {
		COUNTER_ADD(&e->counters, requests, 1);
		bulk_put(e, b);
		return;
	}
	if (answer->error == -ECANCELED) {
		wait_again(d, b, false);
		return;
	}
	COUNTER_ADD(&e->counters, failed, 1);
	if (answer->error == 0 && answer->status != 200) {
		status_failed(d, b, answer);
		return;
	}
	if (answer->error == -ETIMEDOUT) {
		forgive(d, b);
		send_less(e, true);
	}
	if (answer->error != 0) /* the host rests, and so others may be tried at once */
		snprintf(e->why, sizeof(e->why), "%s", http_error(e->http));
	wait_again(d, b, answer->error == 0);
}

/* ---- requests */

static void
pass_packed(struct delivery *d)
{
	while (d->batch < d->n && d->row == d->b[d->batch].batch->n_rows) {
		d->batch++;
		d->row = 0;
	}
}

static struct bulk *
pack_next(struct delivery *d)
{
	struct elastic *e = d->e;
	struct bulk *b = d->batch < d->n ? bulk_get(e) : NULL;

	while (b != NULL && d->batch < d->n && b->n_items < e->conf.bulk_records) {
		const struct export_batch *from = d->b[d->batch].batch;
		const struct export_row *row = &from->row[d->row];

		if (b->n_items > 0 && b->bytes + row->json_bytes > e->bulk_bytes)
			break;
		if (!bulk_append(e, b, row, from->text, d->batch, d->row)) {
			give_up(d, -ENOMEM);
			break;
		}
		d->row++;
		pass_packed(d);
	}
	if (b != NULL && b->n_items == 0) {
		bulk_put(e, b);
		b = NULL;
	}
	return b;
}

/* The next one whose pause is over. 'wait_ms' gets smaller when one is over sooner than that. */
static struct bulk *
waiting_next(struct delivery *d, unsigned *wait_ms)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (struct bulk **at = &d->waiting; *at != NULL; at = &(*at)->next) {
		struct bulk *b = *at;

		if (b->not_before_ns <= now_ns) {
			*at = b->next;
			b->next = NULL;
			return b;
		}
		if ((b->not_before_ns - now_ns) / NS_PER_MS < *wait_ms)
			*wait_ms = (unsigned)((b->not_before_ns - now_ns) / NS_PER_MS) + 1;
	}
	return NULL;
}

static int
send_bulk(struct delivery *d, struct bulk *b)
{
	struct elastic *e = d->e;
	int error;

	b->delivery = d;
	b->sent_ns = clock_monotonic_ns();
	b->call = (struct http_call){
		.method = "POST",
		.path = e->bulk_path,
		.body = b->text,
		.body_bytes = b->bytes,
		.is_lines = true,
		.done = bulk_done,
		.context = b,
	};
	error = http_start(e->http, &b->call);
	if (error == 0) {
		COUNTER_ADD(&e->counters, request_bytes, b->bytes);
		return 0;
	}
	b->next = d->waiting;
	d->waiting = b;
	return error;
}

/* As many as may be under way. Returns for how long nothing more has to be started, in ms. */
static unsigned
send_some(struct delivery *d)
{
	struct elastic *e = d->e;
	unsigned wait_ms = WAIT_MS;
	int error = d->error;

	while (error == 0 && http_in_flight(e->http) < (unsigned)e->window) {
		struct bulk *b = waiting_next(d, &wait_ms);

		if (b == NULL)
			b = pack_next(d);
		if (b == NULL)
			break;
		if (b->bytes > 2 * e->bulk_bytes && b->n_items > 1)
			split(d, b);
		else
			error = send_bulk(d, b);
		if (error == -ENOMEM || error == -ECANCELED)
			give_up(d, error);
	}
	atomic_store_explicit(&e->requests, http_in_flight(e->http), memory_order_relaxed);
	return wait_ms;
}

static bool
is_done(const struct delivery *d)
{
	return d->waiting == NULL && d->batch == d->n && http_in_flight(d->e->http) == 0;
}

/* A store is down when it answers nothing, for as long as it has been asked: the pause after a 429 is no such time. */
static void
look_at_patience(struct delivery *d)
{
	uint64_t now_ns = clock_monotonic_ns(), down_since_ns = http_down_since_ns(d->e->http);

	if (http_in_flight(d->e->http) == 0) {
		if (down_since_ns != 0 && now_ns - RTE_MAX(down_since_ns, d->progress_ns) > PATIENCE_DOWN_S * NS_PER_S)
			give_up(d, -EHOSTUNREACH);
		else if (now_ns - d->progress_ns > PATIENCE_S * NS_PER_S)
			give_up(d, down_since_ns != 0 ? -EHOSTUNREACH : -EBUSY);
	}
	if (http_interrupted(d->e->http))
		give_up(d, -ECANCELED);
}

/* The first batches, as many as are answered for whole. */
static unsigned
whole_batches(const struct delivery *d)
{
	unsigned n = 0;

	while (n < d->n && d->left[n] == 0)
		n++;
	return n;
}

/* Those are done, if what is refused of them gets into its file. 0 or -errno. */
static int
settle(struct delivery *d, unsigned n_batches)
{
	struct reject_list mine = {0};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < d->rejects.n; i++)
		if (d->rejects.reject[i].batch < n_batches && !reject_share(&mine, &d->rejects.reject[i]))
			rc = -ENOMEM;
	if (rc == 0)
		rc = reject_write(d->e, &mine, d->b);
	for (unsigned i = 0; rc == 0 && i < mine.n; i++)
		sink_reject(&d->b[mine.reject[i].batch], mine.reject[i].row);
	for (unsigned i = 0; rc == 0 && i < n_batches; i++)
		d->b[i].is_done = true;
	free(mine.reject);
	return rc;
}

static void
forget(struct delivery *d)
{
	http_cancel(d->e->http);
	while (d->waiting != NULL) {
		struct bulk *b = d->waiting;

		d->waiting = b->next;
		bulk_put(d->e, b);
	}
	reject_clear(&d->rejects);
	atomic_store_explicit(&d->e->requests, 0, memory_order_relaxed);
}

int
elastic_deliver(struct elastic *e, struct sink_batch *batches, unsigned n)
{
	struct delivery d = {.e = e, .b = batches, .n = n, .progress_ns = clock_monotonic_ns()};
	int rc;

	for (unsigned i = 0; i < n; i++)
		d.left[i] = batches[i].batch->n_rows;
	pass_packed(&d);
	while (!is_done(&d)) {
		unsigned wait_ms = send_some(&d);

		look_at_patience(&d);
		if (d.error != 0 && (http_in_flight(e->http) == 0 || d.error == -ECANCELED))
			break;
		http_wait(e->http, wait_ms);
	}
	rc = settle(&d, whole_batches(&d));
	if (d.error == 0)
		d.error = rc;
	forget(&d);
	return d.error;
}

void
elastic_deliver_count(struct counters *counters, uint64_t acknowledged, uint64_t rejected)
{
	COUNTER_ADD(counters, taken, acknowledged);
	COUNTER_ADD(counters, refused, rejected);
}
