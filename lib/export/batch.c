/* Batches.
 *
 * All text of a batch is one piece of memory, so a file sink writes it with one call and nobody copies a document
 * twice. A batch knows which rows were refused as a bitmap, not a count: two sinks may refuse the same document, and it
 * is one lost document then, not two. Who gives the last answer counts, on its own counters.
 *
 * Free batches are found by looking at all of them: there are a few dozen, it happens once in 256 KB of documents, and
 * a list that several sinks push to would need a lock or a ring. The gauge looks at the same flags, which no counter
 * touches.
 *
 * What goes to a spool frees its batch and leaves a ticket: the same account of the same documents, in a hundred bytes.
 *
 * A document larger than a batch gets memory from the system for as long as it is under way. That is the one allocation
 * on this path; it is bounded (EXPORT_DOCUMENT_BYTES_MAX times the number of batches) and counted. */
#include "batch_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

COUNTER(acknowledged, "export.acknowledged", "documents that every sink has taken", LEDGER_RECORDS, LEDGER_OUT);
COUNTER_LOSS(rejected_documents, "export.rejected",
	     "documents that a sink will never take, or that could not be written", LEDGER_RECORDS);
COUNTER_LOSS(abandoned_documents, "export.abandoned", "documents given up because the program was told to stop at once",
	     LEDGER_RECORDS);

COUNTER_LOSS(lost_documents, "export.spool_lost",
	     "documents that a sink's full or damaged spool lost before the store took them", LEDGER_RECORDS);

/* Documents are longer than this nearly always, so rows never run out before text. */
enum { TEXT_BYTES_PER_ROW = 384, ROWS_MIN = 16 };

struct batch_pool {
	unsigned n;
	unsigned bitmap_words;
	_Atomic uint64_t spooled;
	struct batch batch[];
};

struct spool_ticket {
	struct batch_pool *pool;
	_Atomic unsigned references; /* the batch's, and one for each spool */
	_Atomic bool abandoned, lost;
	unsigned n_rows, n_words;
	uint64_t rejected[]; /* atomic */
};

static bool
batch_init(struct batch *b, size_t bytes, unsigned rows)
{
	b->max_rows = rows;
	b->capacity = bytes;
	b->pool_bytes = bytes;
	b->n_bitmap_words = (rows + 63) / 64;
	b->pool_text = malloc(bytes);
	b->data.text = b->pool_text;
	b->data.row = calloc(rows, sizeof(*b->data.row));
	b->rejected = calloc(b->n_bitmap_words, sizeof(*b->rejected));
	return b->pool_text != NULL && b->data.row != NULL && b->rejected != NULL;
}

struct batch_pool *
batch_pool_create(unsigned n_batches, size_t batch_bytes)
{
	size_t rows = batch_bytes / TEXT_BYTES_PER_ROW;
	struct batch_pool *p = calloc(1, sizeof(*p) + n_batches * sizeof(p->batch[0]));
	bool good = p != NULL;

	if (rows < ROWS_MIN)
		rows = ROWS_MIN;
	for (unsigned i = 0; good && i < n_batches; i++) {
		p->n = i + 1;
		p->batch[i].pool = p;
		good = batch_init(&p->batch[i], batch_bytes, (unsigned)rows);
	}
	if (!good) {
		batch_pool_destroy(p);
		errno = ENOMEM;
		return NULL;
	}
	p->bitmap_words = p->batch[0].n_bitmap_words;
	return p;
}

static void
release_own_text(struct batch *b)
{
	if (b->data.text != b->pool_text)
		free(b->data.text);
	b->data.text = b->pool_text;
}

void
batch_pool_destroy(struct batch_pool *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->n; i++) {
		release_own_text(&p->batch[i]);
		free(p->batch[i].pool_text);
		free(p->batch[i].data.row);
		free(p->batch[i].rejected);
	}
	free(p);
}

unsigned
batch_pool_bitmap_words(const struct batch_pool *p)
{
	return p->bitmap_words;
}

unsigned
batch_pool_size(const struct batch_pool *p)
{
	return p->n;
}

uint64_t
batch_pool_held(const struct batch_pool *p)
{
	uint64_t held = 0;

	for (unsigned i = 0; i < p->n; i++)
		held += atomic_load(&p->batch[i].held);
	return held;
}

unsigned
batch_pool_in_use(const struct batch_pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n; i++)
		n += atomic_load_explicit(&p->batch[i].in_use, memory_order_relaxed);
	return n;
}

/* The first that is free: those that were used lately are in the cache, and those that never are take no memory. */
struct batch *
batch_get(struct batch_pool *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct batch *b = &p->batch[i];

		if (atomic_load_explicit(&b->in_use, memory_order_acquire))
			continue;
		atomic_store_explicit(&b->in_use, true, memory_order_relaxed);
		return b;
	}
	return NULL;
}

/* The newline counts, and one byte is left over: nothing is ever written at the very end. */
bool
batch_fits(const struct batch *b, size_t json_bytes)
{
	return b->data.n_rows < b->max_rows && json_bytes + 1 < b->capacity - b->data.text_bytes;
}

int
batch_grow(struct batch *b, size_t json_bytes)
{
	char *text = malloc(json_bytes + 2);

	if (text == NULL)
		return -ENOMEM;
	b->data.text = text;
	b->capacity = json_bytes + 2;
	return 0;
}

struct export_row *
batch_append(struct batch *b, const char *json, size_t json_bytes)
{
	struct export_row *row = &b->data.row[b->data.n_rows++];

	row->json_offset = (uint32_t)b->data.text_bytes;
	row->json_bytes = (uint32_t)json_bytes;
	memcpy(b->data.text + b->data.text_bytes, json, json_bytes);
	b->data.text[b->data.text_bytes + json_bytes] = '\n';
	b->data.text_bytes += json_bytes + 1;
	atomic_store_explicit(&b->held, b->data.n_rows, memory_order_relaxed);
	return row;
}

void
batch_send(struct batch *b, unsigned n_sinks)
{
	atomic_store_explicit(&b->references, n_sinks, memory_order_relaxed);
}

static unsigned
count_bits(const uint64_t *bits, unsigned words)
{
	unsigned n = 0;

	for (unsigned i = 0; i < words; i++)
		n += (unsigned)__builtin_popcountll(__atomic_load_n(&bits[i], __ATOMIC_RELAXED));
	return n;
}

static void
add_bits(uint64_t *to, const uint64_t *from, unsigned words)
{
	for (unsigned i = 0; from != NULL && i < words; i++)
		if (from[i] != 0)
			__atomic_fetch_or(&to[i], from[i], __ATOMIC_RELAXED);
}

/* Every document of a batch, once and for all. */
static void
count_documents(struct counters *counters, unsigned n_rows, unsigned refused, bool lost, bool abandoned)
{
	COUNTER_ADD(counters, rejected_documents, refused);
	if (lost)
		COUNTER_ADD(counters, lost_documents, n_rows - refused);
	else if (abandoned)
		COUNTER_ADD(counters, abandoned_documents, n_rows - refused);
	else
		COUNTER_ADD(counters, acknowledged, n_rows - refused);
}

static void
batch_free(struct batch *b)
{
	release_own_text(b);
	b->capacity = b->pool_bytes;
	b->data.text_bytes = 0;
	b->data.n_rows = 0;
	for (unsigned i = 0; i < b->n_bitmap_words; i++)
		__atomic_store_n(&b->rejected[i], 0, __ATOMIC_RELAXED);
	atomic_store_explicit(&b->abandoned, false, memory_order_relaxed);
	atomic_store_explicit(&b->lost, false, memory_order_relaxed);
	atomic_store_explicit(&b->held, 0, memory_order_release);
	atomic_store_explicit(&b->in_use, false, memory_order_release);
}

void
batch_count_rejected(struct counters *counters, unsigned n)
{
	COUNTER_ADD(counters, rejected_documents, n);
}

void
batch_count_abandoned(struct counters *counters, unsigned n)
{
	COUNTER_ADD(counters, abandoned_documents, n);
}

/* ---- Tickets */

/* The last one counts; 'counters' NULL: nobody does. */
static void
ticket_put(struct spool_ticket *t, struct counters *counters)
{
	if (atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
		return;
	if (counters != NULL)
		count_documents(counters, t->n_rows, count_bits(t->rejected, t->n_words), atomic_load(&t->lost),
				atomic_load(&t->abandoned));
	atomic_fetch_sub(&t->pool->spooled, t->n_rows);
	free(t);
}

static struct spool_ticket *
ticket_create(const struct batch *b)
{
	unsigned words = (b->data.n_rows + 63) / 64;
	struct spool_ticket *t = calloc(1, sizeof(*t) + words * sizeof(t->rejected[0]));

	if (t == NULL)
		return NULL;
	t->pool = b->pool;
	t->n_rows = b->data.n_rows;
	t->n_words = words;
	atomic_store(&t->references, 1);
	return t;
}

struct spool_ticket *
batch_ticket(struct batch *b)
{
	struct spool_ticket *t = atomic_load(&b->ticket), *mine = NULL;

	if (t == NULL) {
		mine = ticket_create(b);
		if (mine == NULL)
			return NULL;
		if (atomic_compare_exchange_strong(&b->ticket, &t, mine))
			t = mine;
		else
			free(mine); /* Another sink was faster. */
	}
	atomic_fetch_add(&t->references, 1);
	return t;
}

void
spool_ticket_answer(struct spool_ticket *t, const uint64_t *rejected, enum batch_outcome outcome,
		    struct counters *counters)
{
	add_bits(t->rejected, rejected, t->n_words);
	if (outcome == BATCH_ABANDONED)
		atomic_store(&t->abandoned, true);
	if (outcome == BATCH_LOST)
		atomic_store(&t->lost, true);
	ticket_put(t, counters);
}

void
spool_ticket_leave(struct spool_ticket *t)
{
	ticket_put(t, NULL);
}

void
spool_ticket_cancel(struct spool_ticket *t)
{
	atomic_fetch_sub(&t->references, 1); /* The batch has one. */
}

uint64_t
batch_pool_spooled(const struct batch_pool *p)
{
	return atomic_load(&p->spooled);
}

/* What the batch knows goes over to its ticket. It is in the gauge twice for a moment, rather than not at all. */
static void
settle_ticket(struct batch *b, struct spool_ticket *t, struct counters *counters)
{
	add_bits(t->rejected, b->rejected, RTE_MIN(t->n_words, b->n_bitmap_words));
	if (atomic_load(&b->abandoned))
		atomic_store(&t->abandoned, true);
	if (atomic_load(&b->lost))
		atomic_store(&t->lost, true);
	atomic_fetch_add(&t->pool->spooled, t->n_rows);
	atomic_store(&b->ticket, NULL);
	batch_free(b);
	ticket_put(t, counters);
}

void
batch_answer(struct batch *b, const uint64_t *rejected, enum batch_outcome outcome, struct counters *counters)
{
	struct spool_ticket *ticket;

	if (outcome == BATCH_ABANDONED)
		atomic_store_explicit(&b->abandoned, true, memory_order_relaxed);
	if (outcome == BATCH_LOST)
		atomic_store_explicit(&b->lost, true, memory_order_relaxed);
	add_bits(b->rejected, rejected, b->n_bitmap_words);
	if (atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) != 1)
		return;
	ticket = atomic_load(&b->ticket);
	if (ticket != NULL) {
		settle_ticket(b, ticket, counters);
		return;
	}
	count_documents(counters, b->data.n_rows, count_bits(b->rejected, b->n_bitmap_words),
			atomic_load_explicit(&b->lost, memory_order_relaxed),
			atomic_load_explicit(&b->abandoned, memory_order_relaxed));
	batch_free(b);
}
