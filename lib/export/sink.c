/* A sink's thread.
 *
 * One turn of it looks at everything there is to do: file numbers that run low, files documents, batches, the sink's
 * own maintenance. A turn that fails anywhere leaves what failed where it is, and the next turn comes after a back-off
 * that doubles from 20 ms to 5 s; nothing is ever dropped for having failed often. Only sink_abandon() drops, and
 * counts.
 *
 * The exporter's lcore never waits for this thread and makes a system call for it only when it sleeps: the thread says
 * so in 'sleeping', looks at its queue once more, and then waits for the eventfd. Both sides are sequentially
 * consistent there, or each could miss the other.
 *
 * Batches stay in the queue until they are answered, so the queue itself is the list of what to repeat. It has as many
 * slots as there are batches and cannot overflow. Files documents are rare and are kept in a list with a lock. */
#include "sink_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "stats_box_priv.h"
#include "thread.h"

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
	FAILING_LOG_S = 10,
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
	_Atomic bool sleeping;

	_Alignas(64) const struct sink_kind *kind;
	void *state;
	struct file_numbers *numbers;
	struct batch **slot;
	uint32_t mask;
	int wake_fd;
	_Atomic bool stopping, abandoned;
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
	struct sink_batch *group; /* [at_once] */
	uint64_t *bits;		  /* [at_once * bitmap_words] */
	uint64_t failing_since_ns, failing_logged_ns;
	unsigned back_off_ms;
	char owner[20];
	struct counters counters;
};

static unsigned
queued(const struct sink *s)
{
	return atomic_load(&s->head) - atomic_load_explicit(&s->tail, memory_order_relaxed);
}

void
sink_push(struct sink *s, struct batch *b)
{
	uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	s->slot[head & s->mask] = b;
	atomic_store(&s->head, head + 1);
	sink_wake(s);
}

void
sink_wake(struct sink *s)
{
	uint64_t one = 1;

	if (!atomic_load(&s->sleeping) || !atomic_exchange(&s->sleeping, false))
		return;
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return; /* The counter is full: the thread wakes all the same. */
}

/* Whatever the thread waits for, a back-off included. */
static void
wake_always(struct sink *s)
{
	uint64_t one = 1;

	atomic_store(&s->sleeping, false);
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void
wait_for_wake(struct sink *s, int timeout_ms)
{
	struct pollfd p = {.fd = s->wake_fd, .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, timeout_ms) > 0 && read(s->wake_fd, &n, sizeof(n)) < 0)
		return; /* EAGAIN: somebody was faster */
}

static bool
numbers_low(const struct sink *s)
{
	return s->numbers != NULL && file_numbers_low(s->numbers);
}

static bool
has_work(const struct sink *s)
{
	return queued(s) > 0 || atomic_load(&s->n_files) > 0 || numbers_low(s) || stats_box_waits(&s->stats) ||
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

	if (item == NULL)
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

static unsigned
group_collect(struct sink *s)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	unsigned n = queued(s);

	if (n > s->at_once)
		n = s->at_once;
	for (unsigned i = 0; i < n; i++) {
		s->group[i].batch = &s->slot[(tail + i) & s->mask]->data;
		s->group[i].rejected = s->bits + (size_t)i * s->bitmap_words;
	}
	memset(s->bits, 0, (size_t)n * s->bitmap_words * sizeof(*s->bits));
	return n;
}

static unsigned
bits_set(const uint64_t *bits, unsigned words)
{
	unsigned n = 0;

	for (unsigned i = 0; i < words; i++)
		n += (unsigned)__builtin_popcountll(bits[i]);
	return n;
}

static void
group_answer(struct sink *s, unsigned n, bool abandoned)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	for (unsigned i = 0; i < n; i++) {
		struct batch *b = s->slot[(tail + i) & s->mask];
		unsigned rejected = bits_set(s->group[i].rejected, s->bitmap_words);

		if (!abandoned && s->kind->count != NULL)
			s->kind->count(&s->counters, b->data.n_rows - rejected, rejected);
		atomic_store(&s->tail, tail + i + 1);
		batch_answer(b, s->group[i].rejected, abandoned, &s->counters);
	}
}

static int
batch_step(struct sink *s)
{
	unsigned n = group_collect(s);
	bool abandoned = atomic_load(&s->abandoned);
	int rc = 0;

	if (n == 0)
		return 0;
	if (!abandoned)
		rc = s->kind->write(s->state, s->group, n);
	if (rc < 0)
		return rc;
	s->dirty = true;
	group_answer(s, n, abandoned);
	return 1;
}

/* Tried once: a store that fails says so by its other writes, and newer numbers will come. */
static int
stats_step(struct sink *s)
{
	struct export_stats stats;

	if (!stats_box_take(&s->stats, &stats))
		return 0;
	if (!atomic_load(&s->abandoned) && s->kind->write_stats(s->state, &stats) < 0)
		COUNTER_ADD(&s->counters, stats_failed, 1);
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

/* One turn. Something that fails does not keep the rest from its turn; the first failure is the turn's. */
static int
turn(struct sink *s)
{
	int failed = 0, done = 0;
	int (*const step[])(struct sink *) = {numbers_step, file_step, batch_step, stats_step, maintain_between};

	for (unsigned i = 0; i < RTE_DIM(step); i++) {
		int rc = step[i](s);

		if (rc < 0 && failed == 0)
			failed = rc;
		else if (rc > 0)
			done += rc;
	}
	return failed < 0 ? failed : done;
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

/* SQLite waits for its lock itself, and being second once is no failure: the log hears of it when it lasts. */
static void
back_off(struct sink *s, int error)
{
	uint64_t now_ns = clock_monotonic_ns();

	COUNTER_ADD(&s->counters, retries, 1);
	atomic_store_explicit(&s->failing, true, memory_order_relaxed);
	if (s->back_off_ms == 0) {
		s->back_off_ms = BACK_OFF_MIN_MS;
		s->failing_since_ns = now_ns;
		s->failing_logged_ns = 0;
	}
	if (error != EBUSY || now_ns - s->failing_since_ns > FAILING_LOG_S * NS_PER_S)
		log_failing(s, error, now_ns);
	wait_for_wake(s, (int)s->back_off_ms);
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
	atomic_store(&s->sleeping, true);
	if (!has_work(s))
		wait_for_wake(s, IDLE_MS);
	atomic_store(&s->sleeping, false);
	return has_work(s) ? 0 : flush_step(s);
}

static bool
is_drained(const struct sink *s)
{
	return atomic_load(&s->stopping) && queued(s) == 0 && atomic_load(&s->n_files) == 0 &&
	       !stats_box_waits(&s->stats);
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
	int rc = maintain_step(s, true);

	return rc != 0 ? rc : flush_step(s);
}

static void *
sink_run(void *argument)
{
	struct sink *s = argument;
	int rc;

	while (!is_drained(s)) {
		rc = turn(s);
		if (rc == 0)
			rc = sleep_until_wake(s);
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
	s->group = calloc(s->at_once, sizeof(*s->group));
	s->bits = calloc((size_t)s->at_once * s->bitmap_words + 1, sizeof(*s->bits));
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->slot != NULL && s->group != NULL && s->bits != NULL && s->wake_fd >= 0;
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
	s->files_last = &s->files_first;
	pthread_mutex_init(&s->files_lock, NULL);
	stats_box_init(&s->stats);
	snprintf(s->owner, sizeof(s->owner), "sink-%.10s", s->kind->name); /* a thread's name has 15 characters */
	if (!allocate_queue(s, setup)) {
		snprintf(why, why_size, "sink %s: %s", s->kind->name, strerror(errno));
		sink_destroy(s);
		return NULL;
	}
	s->state = s->kind->create(&setup->params, why, why_size);
	if (s->state == NULL) {
		sink_destroy(s);
		return NULL;
	}
	counters_attach(&s->counters, s->owner);
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

	if (!s->started)
		return true;
	atomic_store(&s->stopping, true);
	wake_always(s);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_s;
	if (pthread_timedjoin_np(s->thread, NULL, &until) != 0)
		return false;
	s->started = false;
	return true;
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
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s->slot);
	free(s->group);
	free(s->bits);
	free(s);
}

void
sink_abandon(struct sink *s)
{
	atomic_store(&s->abandoned, true);
	wake_always(s);
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
	*out = (struct export_sink_status){
		.name = s->kind->name,
		.queued_batches = queued(s),
		.queued_files = atomic_load(&s->n_files),
		.queue_batches = s->mask + 1,
		.failing = atomic_load_explicit(&s->failing, memory_order_relaxed),
	};
	if (s->kind->gauges != NULL)
		s->kind->gauges(s->state, &out->gauges);
}

bool
sink_idle(const struct sink *s)
{
	return atomic_load(&s->n_files) == 0;
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
