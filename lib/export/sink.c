/* A sink's thread, and what becomes of documents that it does not take at once.
 *
 * One turn of the thread looks at everything there is to do: file numbers that run low, files documents, batches, the
 * sink's own maintenance. A turn that fails anywhere leaves what failed where it is, and the next turn comes after a
 * back-off that doubles from 20 ms to 5 s; nothing is ever dropped for having failed often.
 *
 * Batches come in one of two ways.
 *
 * Without a spool (a replay into SQLite or NDJSON, --records, kinds that never fail) they stay in the queue until they
 * are answered, so the queue itself is the list of what to repeat. It has as many slots as there are batches and cannot
 * overflow; a sink that stands still ends up holding every batch, the exporter takes no more records, and a replay
 * waits. Nothing is lost and the disk is not written twice. Only sink_abandon() drops, and counts.
 *
 * With a spool (all on a live sensor, stores that are elsewhere in a replay too) the queue has sinkQueue slots. When it
 * is full, the next batch goes to the spool, and so does all that comes after it until the spool is empty again: so
 * documents arrive in the order in which they were made, the sink's thread needs to look at one place at a time, and
 * the exporter decides by two numbers without a lock. A sink that is slow or dead holds at most sinkQueue batches and
 * what is on the way to its disk; workers and other sinks do not notice, as long as the disk of the spool takes what
 * the records make (about 1 KB each; it costs 0.7 us of its thread). A disk that does not ends up holding all batches,
 * as a sink without a spool does. What this gives up: after an outage everything passes through the disk until the sink
 * has caught up.
 *
 * When the store has failed for two seconds the batches in the queue go to the spool as well: an outage may last for
 * hours, and a kill -9 must not cost what was made before it. They are behind those that found the queue full
 * meanwhile: the one place where the order is given up.
 *
 * The end of a run (sink_finish()): a sink that gets on is waited for until its spool is empty; one that fails for
 * spoolExitWait seconds puts what it still has in memory, files documents too, behind what is in its spool, and the
 * next run goes on from there. sink_abandon() does the same at once. So with a spool only a kill -9 loses documents,
 * those in memory (while the store fails the last seconds'); and only a kill -9 makes some come twice, those answered
 * since the position was noted (one write()), which stores that know documents by their id do not mind.
 *
 * The ledger. A document is one document, however many sinks there are: emitted = acknowledged (every sink has taken
 * it)
 * + rejected (some sink never will) + abandoned + lost (some spool was full) + in flight (batches) + spooled (the batch
 * has gone, some spool still has it; batch.c's tickets). What is spooled at the end of a run is in no later run's
 * LEDGER_RECORDS: there it is LEDGER_SPOOLED, found = acknowledged + rejected + lost + still there. Numbers of single
 * sinks, which count a document once each, are "sink.NAME.*", with those of former runs.
 *
 * A sink sees documents numbered from 1 (first_sequence), in the order in which it gets them: the number of those it
 * has answered before, so that a repeated batch has the number it had. */
#include "sink_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "sink_spool_priv.h"
#include "stats_box_priv.h"
#include "thread.h"
#include "waker_priv.h"

COUNTER(retries, "export.retries", "times that a sink failed and was tried again", LEDGER_NONE, LEDGER_OUT);
COUNTER_LOSS(files_abandoned, "export.files_abandoned",
	     "files documents given up because the program was told to stop at once", LEDGER_NONE);
COUNTER(stats_failed, "export.stats_failed", "stats documents that a sink could not write", LEDGER_NONE, LEDGER_OUT);

enum {
	BATCHES_AT_ONCE_MAX = 64,
	BACK_OFF_MIN_MS = 20,
	BACK_OFF_MAX_MS = 5000,
	BACK_OFF_BUSY_MAX_MS = 100, /* the store has waited for its lock itself */
	IDLE_MS = 1000,
	STOPPING_MS = 5,
	FAILING_LOG_S = 10,
	FILES_SPILL = 1024, /* so many files documents in memory go to the spool of a sink that fails */
	SPILL_AFTER_S = 2,  /* so long a sink fails until the batches in memory go there too */
};

struct file_item {
	struct file_item *next;
	struct export_file file;
	char name[];
};

struct sink {
	/* Written by the exporter's thread, read by the sink's. */
	_Alignas(64) _Atomic uint32_t head;

	/* Written by the sink's thread, read by any. */
	_Alignas(64) _Atomic uint32_t tail;
	struct waker waker;

	_Alignas(64) const struct sink_kind *kind;
	void *state;
	struct file_numbers *numbers;
	struct batch **slot;
	uint32_t mask, queue_batches;
	struct sink_spool *spool; /* NULL: the queue has room for all batches */
	unsigned spool_exit_wait_s;
	_Atomic bool stopping, abandoned, finishing;
	_Atomic bool resting; /* at the end: what is left stays in the spool */
	bool started;
	bool dirty;		  /* written since the last flush */
	_Atomic unsigned n_files; /* until answered, not until taken off the list */
	pthread_mutex_t files_lock;
	struct file_item *files_first, **files_last;
	struct stats_box stats;
	_Atomic bool failing;
	pthread_t thread;

	/* The sink's thread's own. */
	unsigned at_once, bitmap_words;
	struct sink_batch *group;   /* [at_once] */
	struct export_batch *view;  /* [at_once], with this sink's numbers */
	uint64_t *bits;		    /* [at_once * bitmap_words] */
	uint64_t *spool_bits;	    /* for what comes out of the spool */
	size_t spool_bits_capacity; /* in words */
	uint64_t sequence;	    /* documents answered */
	uint64_t failing_since_ns, failing_logged_ns, finishing_since_ns;
	uint64_t answered_ns; /* it took or refused a batch */
	unsigned back_off_ms;
	char owner[20];
	struct counters counters;
};

static unsigned
queued(const struct sink *s)
{
	return atomic_load(&s->head) - atomic_load_explicit(&s->tail, memory_order_relaxed);
}

static bool
goes_to_spool(const struct sink *s)
{
	return s->spool != NULL && (!sink_spool_is_empty(s->spool) || queued(s) >= s->queue_batches);
}

void
sink_push(struct sink *s, struct batch *b)
{
	uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	if (goes_to_spool(s)) {
		sink_spool_push(s->spool, b);
		return;
	}
	s->slot[head & s->mask] = b;
	atomic_store(&s->head, head + 1);
	sink_wake(s);
}

void
sink_wake(struct sink *s)
{
	waker_wake(&s->waker);
}

static void
wake_sink(void *sink)
{
	sink_wake(sink);
}

static bool
numbers_low(const struct sink *s)
{
	return s->numbers != NULL && file_numbers_low(s->numbers);
}

/* Files documents in the spool come first. */
static bool
files_can_go(const struct sink *s)
{
	return atomic_load(&s->n_files) > 0 &&
	       (s->spool == NULL || spool_file_entries(sink_spool_of(s->spool)) == 0 || atomic_load(&s->resting));
}

static bool
spool_can_go(const struct sink *s)
{
	return s->spool != NULL && !atomic_load(&s->resting) && spool_entries(sink_spool_of(s->spool)) > 0;
}

static bool
has_work(const void *context)
{
	const struct sink *s = context;

	return queued(s) > 0 || files_can_go(s) || numbers_low(s) || stats_box_waits(&s->stats) || spool_can_go(s) ||
	       atomic_load(&s->stopping);
}

/* Each of these does one piece of work and returns 1, 0 (there is none) or -errno (it stays to be done). */
static int
numbers_step(struct sink *s)
{
	uint32_t first;

	if (!numbers_low(s))
		return 0;
	first = s->kind->take_file_numbers(s->state, FILE_NUMBERS_AHEAD);
	if (first == 0)
		return errno > 0 ? -errno : -EIO;
	file_numbers_push(s->numbers, first, FILE_NUMBERS_AHEAD);
	return 1;
}

static struct file_item *
file_first(struct sink *s)
{
	struct file_item *item;

	pthread_mutex_lock(&s->files_lock);
	item = s->files_first;
	pthread_mutex_unlock(&s->files_lock);
	return item;
}

static void
file_drop_first(struct sink *s)
{
	struct file_item *item;

	pthread_mutex_lock(&s->files_lock);
	item = s->files_first;
	s->files_first = item->next;
	if (s->files_first == NULL)
		s->files_last = &s->files_first;
	pthread_mutex_unlock(&s->files_lock);
	free(item);
	atomic_fetch_sub(&s->n_files, 1);
}

static int
file_step(struct sink *s)
{
	struct file_item *item = file_first(s);
	int rc;

	if (item == NULL || !files_can_go(s) || (atomic_load(&s->resting) && s->spool != NULL))
		return 0;
	if (!atomic_load(&s->abandoned)) {
		rc = s->kind->write_file(s->state, &item->file);
		if (rc < 0)
			return rc;
		s->dirty = true;
	} else {
		COUNTER_ADD(&s->counters, files_abandoned, 1);
	}
	file_drop_first(s);
	return 1;
}

/* With this sink's numbers. 'bits' are clear. */
static uint64_t
present(struct sink *s, unsigned i, const struct export_batch *batch, uint64_t *bits, uint64_t sequence)
{
	s->view[i] = *batch;
	s->view[i].first_sequence = sequence;
	s->group[i] = (struct sink_batch){.batch = &s->view[i], .rejected = bits, .is_done = false};
	return sequence + batch->n_rows;
}

static unsigned
group_collect(struct sink *s)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	uint64_t sequence = s->sequence + 1;
	unsigned n = RTE_MIN(queued(s), s->at_once);

	memset(s->bits, 0, (size_t)n * s->bitmap_words * sizeof(*s->bits));
	for (unsigned i = 0; i < n; i++)
		sequence = present(s, i, &s->slot[(tail + i) & s->mask]->data, &s->bits[(size_t)i * s->bitmap_words],
				   sequence);
	return n;
}

/* How many of the first ones the sink has answered for. */
static unsigned
group_done(const struct sink *s, unsigned n, int rc)
{
	unsigned done = 0;

	if (rc == 0)
		return n;
	while (done < n && s->group[done].is_done)
		done++;
	return done;
}

static unsigned
bits_set(const uint64_t *bits, unsigned n_words)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_words; i++)
		n += (unsigned)__builtin_popcountll(bits[i]);
	return n;
}

/* What the sink has answered for row by row; returns how many it refused. */
static unsigned
count_answer(struct sink *s, const struct sink_batch *b, unsigned n_words)
{
	unsigned rejected = bits_set(b->rejected, n_words);

	if (s->kind->count != NULL)
		s->kind->count(&s->counters, b->batch->n_rows - rejected, rejected);
	s->sequence += b->batch->n_rows;
	s->answered_ns = clock_monotonic_ns();
	return rejected;
}

static void
group_answer(struct sink *s, unsigned n, bool abandoned)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	for (unsigned i = 0; i < n; i++) {
		struct batch *b = s->slot[(tail + i) & s->mask];

		if (!abandoned)
			(void)count_answer(s, &s->group[i], s->bitmap_words);
		atomic_store(&s->tail, tail + i + 1);
		batch_answer(b, s->group[i].rejected, abandoned ? BATCH_ABANDONED : BATCH_TAKEN, &s->counters);
	}
}

/* ---- Out of the spool */

/* Room for the bits of 'n' entries, clear. A former run's batches may have been larger than ours. */
static bool
spool_bits_reserve(struct sink *s, const struct spool_entry *entry, unsigned n)
{
	size_t words = 0;
	uint64_t *bits;

	for (unsigned i = 0; i < n; i++)
		words += (entry[i].batch.n_rows + 63) / 64;
	if (words > s->spool_bits_capacity) {
		bits = realloc(s->spool_bits, words * sizeof(*bits));
		if (bits == NULL)
			return false;
		s->spool_bits = bits;
		s->spool_bits_capacity = words;
	}
	memset(s->spool_bits, 0, words * sizeof(*s->spool_bits));
	return true;
}

static void
spool_group_answer(struct sink *s, const struct spool_entry *entry, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned rows = entry[i].batch.n_rows, rejected = count_answer(s, &s->group[i], (rows + 63) / 64);

		if (entry[i].ticket != NULL)
			spool_ticket_answer(entry[i].ticket, s->group[i].rejected, BATCH_TAKEN, &s->counters);
		else
			sink_spool_count_former(&s->counters, rows - rejected, rejected);
	}
}

/* '*done': how many of them are answered for. */
static int
spool_write_batches(struct sink *s, const struct spool_entry *entry, unsigned n, unsigned *done)
{
	uint64_t *bits, sequence = s->sequence + 1;
	int rc;

	if (!spool_bits_reserve(s, entry, n))
		return -ENOMEM;
	bits = s->spool_bits;
	for (unsigned i = 0; i < n; i++) {
		sequence = present(s, i, &entry[i].batch, bits, sequence);
		bits += (entry[i].batch.n_rows + 63) / 64;
	}
	rc = s->kind->write(s->state, s->group, n);
	*done = group_done(s, n, rc);
	spool_group_answer(s, entry, *done);
	return rc;
}

static int
spool_write_files(struct sink *s, const struct spool_entry *entry, unsigned n, unsigned *done)
{
	int rc = 0;

	for (; rc == 0 && *done < n; *done += rc == 0)
		rc = s->kind->write_file != NULL ? s->kind->write_file(s->state, &entry[*done].file) : 0;
	return rc;
}

/* Once the queue is empty: what is in it is older. */
static int
spool_step(struct sink *s)
{
	struct spool_entry *entry;
	struct spool *spool;
	unsigned done = 0;
	int n, rc;

	if (!spool_can_go(s) || queued(s) > 0 || atomic_load(&s->abandoned) || atomic_load(&s->stopping))
		return 0;
	spool = sink_spool_of(s->spool);
	n = spool_read(spool, s->at_once, &entry);
	if (n <= 0)
		return n;
	rc = entry[0].is_file ? spool_write_files(s, entry, (unsigned)n, &done)
			      : spool_write_batches(s, entry, (unsigned)n, &done);
	if (done > 0) {
		s->dirty = true;
		spool_consume(spool, done);
	}
	return rc < 0 ? rc : 1;
}

/* ---- Into the spool, from here */

/* Files documents in memory, in their order. */
static void
spill_files(struct sink *s)
{
	struct file_item *item;
	int rc = 0;

	while (rc == 0 && (item = file_first(s)) != NULL) {
		rc = spool_append_file(sink_spool_of(s->spool), &item->file);
		if (rc == 0)
			file_drop_first(s);
	}
	if (rc < 0)
		LOG_WARN("spool.files", "sink=%s error=\"%s\" files=%u", s->kind->name, strerror(-rc),
			 atomic_load(&s->n_files));
}

/* Batches in memory, in their order. What the disk does not take stays, or at the end is lost. Returns how many. */
static unsigned
spill_batches(struct sink *s, bool is_end)
{
	unsigned done = 0;

	for (; queued(s) > 0; done++) {
		uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
		struct batch *b = s->slot[tail & s->mask];
		int rc;

		/* The batch may be gone as soon as it is answered. */
		rc = sink_spool_put(s->spool, b, &s->counters);
		if (rc < 0 && !is_end)
			break;
		atomic_store(&s->tail, tail + 1);
		if (rc < 0)
			batch_answer(b, NULL, BATCH_ABANDONED, &s->counters);
	}
	return done;
}

static void
spill_when_due(struct sink *s)
{
	if (s->spool != NULL && s->back_off_ms != 0 &&
	    clock_monotonic_ns() - s->failing_since_ns > SPILL_AFTER_S * NS_PER_S)
		(void)spill_batches(s, false);
}

/* The end, and the store does not get on: the next run has it all. What the disk does not take is lost. */
static int
rest_step(struct sink *s)
{
	if (s->spool == NULL || (!atomic_load(&s->resting) && !atomic_load(&s->abandoned)))
		return 0;
	atomic_store(&s->resting, true);
	spill_files(s);
	while (atomic_load(&s->n_files) > 0) {
		COUNTER_ADD(&s->counters, files_abandoned, 1);
		file_drop_first(s);
	}
	return spill_batches(s, true) > 0;
}

/* Until then it is waited for at the end. One that takes a batch now and then, between failures, gets on. */
static uint64_t
rest_due_ns(const struct sink *s)
{
	uint64_t since_ns = RTE_MAX(s->failing_since_ns, s->finishing_since_ns);

	return RTE_MAX(since_ns, s->answered_ns) + s->spool_exit_wait_s * NS_PER_S;
}

static void
rest_when_due(struct sink *s, uint64_t now_ns)
{
	if (s->spool == NULL || s->finishing_since_ns == 0 || atomic_load(&s->resting) || now_ns < rest_due_ns(s))
		return;
	LOG_WARN("sink.rests", "sink=%s failing_s=%" PRIu64 " note=\"what it has left stays in %s for the next run\"",
		 s->kind->name, (now_ns - s->failing_since_ns) / NS_PER_S, spool_folder(sink_spool_of(s->spool)));
	atomic_store(&s->resting, true);
}

/* ---- Batches as they come */

static int
batch_step(struct sink *s)
{
	unsigned n = group_collect(s);
	bool abandoned = atomic_load(&s->abandoned);
	unsigned done;
	int rc = 0;

	if (n == 0 || (s->spool != NULL && abandoned))
		return 0;
	if (!abandoned)
		rc = s->kind->write(s->state, s->group, n);
	done = group_done(s, n, rc);
	s->dirty = s->dirty || done > 0;
	group_answer(s, done, abandoned);
	return rc < 0 ? rc : 1;
}

/* Tried once: a store that fails says so by its other writes, and newer numbers will come. */
static int
stats_step(struct sink *s)
{
	struct export_stats stats;

	if (!stats_box_take(&s->stats, &stats))
		return 0;
	if (!atomic_load(&s->abandoned) && s->kind->write_stats(s->state, &stats) < 0) {
		COUNTER_ADD(&s->counters, stats_failed, 1);
		return 0;
	}
	return 1;
}

static int
maintain_step(struct sink *s, bool at_exit)
{
	if (s->kind->maintain == NULL || atomic_load(&s->abandoned))
		return 0;
	return s->kind->maintain(s->state, at_exit);
}

static int
maintain_between(struct sink *s)
{
	return maintain_step(s, false);
}

/* One turn. Something that fails does not keep the rest from its turn; the first failure is the turn's. '*done' says
 * how much was done all the same. */
static int
turn(struct sink *s, int *done)
{
	int failed = 0;
	int (*const step[])(struct sink *) = {numbers_step, rest_step,	file_step,	 batch_step,
					      spool_step,   stats_step, maintain_between};

	for (unsigned i = 0; i < RTE_DIM(step); i++) {
		int rc = step[i](s);

		if (rc < 0 && failed == 0)
			failed = rc;
		else if (rc > 0)
			*done += rc;
	}
	return failed < 0 ? failed : *done;
}

static const char *
advice(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return "free space on the file system; nothing is lost meanwhile";
	case EROFS:
		return "mount the file system writable again, or set another path and restart";
	case EACCES:
	case EPERM:
		return "give this user the right to write there, or set another path and restart";
	case EBUSY:
	case EAGAIN:
		return "nothing: another process holds it, this one goes on when it is free";
	default:
		return "look at the file system and the store; nothing is lost meanwhile";
	}
}

static void
log_failing(struct sink *s, int error, uint64_t now_ns)
{
	const char *store = s->kind->explain != NULL ? s->kind->explain(s->state) : NULL;
	char where[256] = "", place[512], what[512];

	if (s->failing_logged_ns != 0 && now_ns - s->failing_logged_ns < FAILING_LOG_S * NS_PER_S)
		return;
	s->failing_logged_ns = now_ns;
	sink_describe(s, where, sizeof(where));
	LOG_WARN("sink.failing", "sink=%s at=\"%s\" error=\"%s\" failing_s=%" PRIu64 " batches=%u files=%u do=\"%s\"",
		 s->kind->name, log_quote(place, sizeof(place), where),
		 log_quote(what, sizeof(what), store != NULL && store[0] != '\0' ? store : strerror(error)),
		 (now_ns - s->failing_since_ns) / NS_PER_S, queued(s), atomic_load(&s->n_files), advice(error));
}

/* At the end no longer than it may take. */
static unsigned
back_off_wait_ms(const struct sink *s, uint64_t now_ns)
{
	uint64_t until_ns = rest_due_ns(s);

	if (s->spool == NULL || s->finishing_since_ns == 0)
		return s->back_off_ms;
	if (now_ns >= until_ns)
		return 0;
	return (unsigned)RTE_MIN((uint64_t)s->back_off_ms, (until_ns - now_ns) / NS_PER_MS + 1);
}

/* SQLite waits for its lock itself, and being second once is no failure: the log hears of it when it lasts. */
static void
back_off(struct sink *s, int error)
{
	uint64_t now_ns = clock_monotonic_ns();

	COUNTER_ADD(&s->counters, retries, 1);
	atomic_store_explicit(&s->failing, true, memory_order_relaxed);
	if (s->finishing_since_ns == 0 && (atomic_load(&s->finishing) || atomic_load(&s->stopping)))
		s->finishing_since_ns = now_ns;
	if (s->back_off_ms == 0) {
		s->back_off_ms = BACK_OFF_MIN_MS;
		s->failing_since_ns = now_ns;
		s->failing_logged_ns = 0;
	}
	if (error != EBUSY || now_ns - s->failing_since_ns > FAILING_LOG_S * NS_PER_S)
		log_failing(s, error, now_ns);
	if (s->spool != NULL && atomic_load(&s->n_files) >= FILES_SPILL)
		spill_files(s);
	rest_when_due(s, now_ns);
	waker_wait(&s->waker, (int)back_off_wait_ms(s, now_ns));
	s->back_off_ms = RTE_MIN(s->back_off_ms * 2,
				 error == EBUSY ? (unsigned)BACK_OFF_BUSY_MAX_MS : (unsigned)BACK_OFF_MAX_MS);
}

static void
recovered(struct sink *s)
{
	if (s->back_off_ms != 0 && s->failing_logged_ns != 0)
		LOG_INFO("sink.recovered", "sink=%s failed_s=%" PRIu64, s->kind->name,
			 (clock_monotonic_ns() - s->failing_since_ns) / NS_PER_S);
	s->back_off_ms = 0;
	if (atomic_load_explicit(&s->failing, memory_order_relaxed))
		atomic_store_explicit(&s->failing, false, memory_order_relaxed);
}

static int
flush_step(struct sink *s)
{
	int rc;

	if (!s->dirty || s->kind->flush == NULL || atomic_load(&s->abandoned))
		return 0;
	rc = s->kind->flush(s->state);
	if (rc == 0)
		s->dirty = false;
	return rc;
}

/* Returns 0 or the error of the flush that an idle second is for. */
static int
sleep_until_wake(struct sink *s)
{
	waker_sleep(&s->waker, has_work, s, IDLE_MS);
	if (atomic_load(&s->stopping))
		waker_wait(&s->waker, STOPPING_MS); /* for the spool's thread */
	return has_work(s) ? 0 : flush_step(s);
}

static bool
is_drained(const struct sink *s)
{
	return atomic_load(&s->stopping) && queued(s) == 0 && atomic_load(&s->n_files) == 0 &&
	       !stats_box_waits(&s->stats) && (s->spool == NULL || sink_spool_is_written(s->spool));
}

static void
give_numbers_back(struct sink *s)
{
	uint32_t first = 0;
	unsigned n = s->numbers != NULL ? file_numbers_drain(s->numbers, &first) : 0;

	if (n > 0 && s->kind->return_file_numbers != NULL)
		s->kind->return_file_numbers(s->state, first, n);
}

static int
final_step(struct sink *s)
{
	int rc = atomic_load(&s->resting) ? 0 : maintain_step(s, true);

	if (atomic_load(&s->resting))
		return 0; /* The store is away. */

	return rc != 0 ? rc : flush_step(s);
}

static void *
sink_run(void *argument)
{
	struct sink *s = argument;
	int rc;

	while (!is_drained(s)) {
		uint64_t answered = s->sequence;
		int done = 0;

		rc = turn(s, &done);
		if (rc == 0)
			rc = sleep_until_wake(s);
		done += s->sequence > answered; /* some batches of a write that failed */
		/* A store that takes some of it need not be left alone for long. */
		if (done > 0 && s->back_off_ms > BACK_OFF_MIN_MS)
			s->back_off_ms = BACK_OFF_MIN_MS;
		if (rc < 0 && done == 0)
			spill_when_due(s);
		if (rc < 0)
			back_off(s, -rc);
		else
			recovered(s);
	}
	give_numbers_back(s);
	while ((rc = final_step(s)) != 0)
		if (rc < 0)
			back_off(s, -rc);
	return NULL;
}

static bool
allocate_queue(struct sink *s, const struct sink_setup *setup)
{
	uint32_t slots = rte_align32pow2(setup->queue_batches > 0 ? setup->queue_batches : 1);

	s->at_once = setup->kind->max_batches > 0 ? setup->kind->max_batches : 1;
	if (s->at_once > BATCHES_AT_ONCE_MAX)
		s->at_once = BATCHES_AT_ONCE_MAX;
	s->bitmap_words = setup->bitmap_words;
	s->mask = slots - 1;
	s->slot = calloc(slots, sizeof(*s->slot));
	s->queue_batches = setup->queue_batches;
	s->group = calloc(s->at_once, sizeof(*s->group));
	s->view = calloc(s->at_once, sizeof(*s->view));
	s->bits = calloc((size_t)s->at_once * s->bitmap_words + 1, sizeof(*s->bits));
	return s->slot != NULL && s->group != NULL && s->view != NULL && s->bits != NULL && waker_init(&s->waker) == 0;
}

static bool
attach_spool(struct sink *s, const struct sink_setup *setup, char *why, size_t why_size)
{
	const struct sink_spool_setup spool = {.sink = setup->kind->name,
					       .directory = setup->spool_directory,
					       .max_bytes = setup->spool_bytes,
					       .n_batches = setup->n_batches,
					       .is_live = setup->is_live,
					       .cpus = setup->cpus,
					       .wake = wake_sink,
					       .context = s};

	s->spool = sink_spool_create(&spool, why, why_size);
	s->spool_exit_wait_s = setup->spool_exit_wait_s;
	return s->spool != NULL;
}

/* Threads that libraries start inherit the CPUs of whoever makes them do so: not those that poll. */
static void *
create_state(const struct sink_setup *setup, char *why, size_t why_size)
{
	cpu_set_t mine;
	bool moved = setup->cpus != NULL && pthread_getaffinity_np(pthread_self(), sizeof(mine), &mine) == 0 &&
		     pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), setup->cpus) == 0;
	void *state = setup->kind->create(&setup->params, why, why_size);

	if (moved)
		(void)pthread_setaffinity_np(pthread_self(), sizeof(mine), &mine);
	return state;
}

struct sink *
sink_create(const struct sink_setup *setup, char *why, size_t why_size)
{
	struct sink *s = aligned_alloc(64, RTE_ALIGN(sizeof(*s), 64));
	int rc;

	if (s == NULL) {
		snprintf(why, why_size, "sink %s: out of memory", setup->kind->name);
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	s->kind = setup->kind;
	s->numbers = setup->numbers;
	s->waker.fd = -1;
	s->files_last = &s->files_first;
	pthread_mutex_init(&s->files_lock, NULL);
	stats_box_init(&s->stats);
	snprintf(s->owner, sizeof(s->owner), "sink-%.10s", s->kind->name); /* a thread's name has 15 characters */
	if (!allocate_queue(s, setup)) {
		snprintf(why, why_size, "sink %s: %s", s->kind->name, strerror(errno));
		sink_destroy(s);
		return NULL;
	}
	s->state = create_state(setup, why, why_size);
	if (s->state == NULL) {
		sink_destroy(s);
		return NULL;
	}
	counters_attach(&s->counters, s->owner);
	if (setup->spool_directory != NULL && !attach_spool(s, setup, why, why_size)) {
		sink_destroy(s);
		return NULL;
	}
	/* All signals are blocked there, and a closed pipe is an error of write(2). */
	rc = thread_start(&s->thread, s->owner, setup->cpus, sink_run, s);
	s->started = rc == 0;
	if (rc != 0) {
		snprintf(why, why_size, "sink %s: no thread: %s", s->kind->name, strerror(-rc));
		sink_destroy(s);
		return NULL;
	}
	return s;
}

bool
sink_stop(struct sink *s, unsigned wait_s)
{
	struct timespec until;

	if (s->started) {
		atomic_store(&s->stopping, true);
		waker_wake_always(&s->waker);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += wait_s;
		if (pthread_timedjoin_np(s->thread, NULL, &until) != 0)
			return false;
		s->started = false;
	}
	return s->spool == NULL || sink_spool_stop(s->spool, wait_s);
}

void
sink_destroy(struct sink *s)
{
	if (s == NULL)
		return;
	counters_detach(&s->counters);
	if (s->state != NULL)
		s->kind->destroy(s->state);
	while (s->files_first != NULL)
		file_drop_first(s);
	pthread_mutex_destroy(&s->files_lock);
	stats_box_fini(&s->stats);
	sink_spool_destroy(s->spool);
	waker_fini(&s->waker);
	free(s->slot);
	free(s->group);
	free(s->view);
	free(s->bits);
	free(s->spool_bits);
	free(s);
}

void
sink_abandon(struct sink *s)
{
	atomic_store(&s->abandoned, true);
	if (s->kind->interrupt != NULL)
		s->kind->interrupt(s->state);
	if (s->spool != NULL)
		sink_spool_abandon(s->spool);
	waker_wake_always(&s->waker);
}

void
sink_finish(struct sink *s)
{
	if (!atomic_exchange(&s->finishing, true))
		waker_wake_always(&s->waker);
}

bool
sink_wants_files(const struct sink *s)
{
	return s->kind->write_file != NULL;
}

bool
sink_has_room_for_file(const struct sink *s)
{
	return atomic_load(&s->n_files) < EXPORT_FILES_MAX;
}

int
sink_put_file(struct sink *s, const struct export_file *file)
{
	size_t size = strlen(file->name) + 1;
	struct file_item *item;

	item = malloc(sizeof(*item) + size);
	if (item == NULL)
		return -ENOMEM;
	item->next = NULL;
	item->file = *file;
	memcpy(item->name, file->name, size);
	item->file.name = item->name;
	atomic_fetch_add(&s->n_files, 1);
	pthread_mutex_lock(&s->files_lock);
	*s->files_last = item;
	s->files_last = &item->next;
	pthread_mutex_unlock(&s->files_lock);
	sink_wake(s);
	return 0;
}

bool
sink_wants_stats(const struct sink *s)
{
	return s->kind->write_stats != NULL;
}

void
sink_put_stats(struct sink *s, const struct export_stats *stats)
{
	stats_box_put(&s->stats, stats);
	sink_wake(s);
}

void
sink_status(const struct sink *s, struct export_sink_status *out)
{
	struct spool_numbers spool;

	*out = (struct export_sink_status){
		.name = s->kind->name,
		.queued_batches = queued(s),
		.queued_files = atomic_load(&s->n_files),
		.queue_batches = s->queue_batches,
		.failing = atomic_load_explicit(&s->failing, memory_order_relaxed),
	};
	if (s->kind->gauges != NULL)
		s->kind->gauges(s->state, &out->gauges);
	if (s->spool == NULL)
		return;
	spool_numbers(sink_spool_of(s->spool), &spool);
	out->queued_batches += sink_spool_queued(s->spool);
	out->spooling = goes_to_spool(s);
	out->gauges.spool_bytes = spool.bytes;
	out->gauges.spool_records = spool.documents;
}

bool
sink_idle(const struct sink *s)
{
	return atomic_load(&s->n_files) == 0 &&
	       (s->spool == NULL ||
		(sink_spool_is_written(s->spool) && (atomic_load(&s->resting) || sink_spool_is_empty(s->spool))));
}

const struct sink_kind *
sink_kind_of(const struct sink *s)
{
	return s->kind;
}

void
sink_describe(const struct sink *s, char *out, size_t size)
{
	out[0] = '\0';
	if (s->kind->describe != NULL)
		s->kind->describe(s->state, out, size);
}
