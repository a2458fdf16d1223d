/* From the exporter into a sink's spool.
 *
 * The exporter's lcore must not wait for a disk and the sink's thread may stand inside a write for minutes, so a thread
 * of its own takes batches off a ring and writes them. The ring holds all batches there are and is never full.
 *
 * In a replay a disk that takes nothing is waited for, as a sink is: back-pressure reaches the file. On a live sensor a
 * batch that neither the store nor the spool takes is lost, and counted: workers must not wait.
 *
 * Once a second what was written is made to survive a loss of power too (spool_sync()). */
#include "sink_spool_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>

#include "clock.h"
#include "log.h"
#include "thread.h"
#include "waker_priv.h"

COUNTER(spooled, "export.spooled", "documents put into spools", LEDGER_NONE, LEDGER_OUT);
COUNTER(found, "spool.found", "documents that former runs left in spools", LEDGER_SPOOLED, LEDGER_IN);
COUNTER(former_acknowledged, "spool.acknowledged", "documents of former runs that stores have taken", LEDGER_SPOOLED,
	LEDGER_OUT);
COUNTER_LOSS(former_rejected, "spool.rejected", "documents of former runs that stores will never take", LEDGER_SPOOLED);
COUNTER_LOSS(former_lost, "spool.lost", "documents of former runs lost in full or damaged spools", LEDGER_SPOOLED);
COUNTER(cut_entries, "spool.cut_entries", "batches that a kill had torn, cut off when the spool was opened",
	LEDGER_NONE, LEDGER_OUT);

enum { IDLE_MS = 1000, RETRY_MIN_MS = 20, RETRY_MAX_MS = 1000 };

struct sink_spool {
	_Alignas(64) _Atomic uint32_t head;
	_Alignas(64) _Atomic uint32_t tail;
	struct waker waker;

	_Alignas(64) struct sink_spool_setup setup;
	struct spool *spool;
	struct batch **slot;
	uint32_t mask;
	_Atomic bool stopping, abandoned;
	bool started, dirty;
	uint64_t synced_ns;
	pthread_t thread;
	struct ledger_gauge gauge;
	char owner[24];
	struct counters counters;      /* the thread's */
	struct counters lost_counters; /* under the spool's lock */
};

static uint64_t
read_former(const void *context)
{
	struct spool_numbers n;

	spool_numbers(((const struct sink_spool *)context)->spool, &n);
	return n.former_documents;
}

/* spool_lost_callback */
static void
count_lost(struct spool_ticket *ticket, unsigned documents, void *context)
{
	struct sink_spool *p = context;

	if (ticket != NULL)
		spool_ticket_answer(ticket, NULL, BATCH_LOST, &p->lost_counters);
	else
		COUNTER_ADD(&p->lost_counters, former_lost, documents);
}

void
sink_spool_count_former(struct counters *counters, unsigned acknowledged, unsigned rejected)
{
	COUNTER_ADD(counters, former_acknowledged, acknowledged);
	COUNTER_ADD(counters, former_rejected, rejected);
}

/* ---- Writing */

int
sink_spool_put(struct sink_spool *p, struct batch *b, struct counters *counters)
{
	struct spool_ticket *ticket = batch_ticket(b);
	unsigned n = b->data.n_rows;
	int rc;

	if (ticket == NULL)
		return -ENOMEM;
	rc = spool_append_batch(p->spool, &b->data, ticket);
	if (rc < 0) {
		spool_ticket_cancel(ticket);
		return rc;
	}
	COUNTER_ADD(counters, spooled, n);
	batch_answer(b, NULL, BATCH_TAKEN, counters);
	return 0;
}

static void
log_failed(const struct sink_spool *p, const struct batch *b, int error)
{
	LOG_ERROR("spool.failing", "sink=%s folder=\"%s\" error=\"%s\" documents=%u do=\"%s\"", p->setup.sink,
		  spool_folder(p->spool), strerror(error), b->data.n_rows,
		  p->setup.is_live ? "look at the disk: these documents are lost to this sink"
				   : "look at the disk; nothing is lost meanwhile");
}

/* Until it is written, or lost. */
static void
write_batch(struct sink_spool *p, struct batch *b)
{
	unsigned wait_ms = RETRY_MIN_MS;
	int rc;

	while ((rc = sink_spool_put(p, b, &p->counters)) < 0) {
		log_failed(p, b, -rc);
		if (p->setup.is_live || rc == -EFBIG || atomic_load(&p->abandoned)) {
			batch_answer(b, NULL, BATCH_LOST, &p->counters);
			return;
		}
		waker_wait(&p->waker, (int)wait_ms);
		wait_ms = RTE_MIN(2 * wait_ms, (unsigned)RETRY_MAX_MS);
	}
}

static bool
has_batches(const void *context)
{
	const struct sink_spool *p = context;

	return atomic_load(&p->head) != atomic_load(&p->tail) || atomic_load(&p->stopping);
}

static void
sync_when_due(struct sink_spool *p)
{
	uint64_t now_ns = clock_monotonic_ns();
	int rc;

	if (!p->dirty || now_ns - p->synced_ns < NS_PER_S)
		return;
	p->synced_ns = now_ns;
	p->dirty = false;
	rc = spool_sync(p->spool);
	if (rc < 0)
		LOG_WARN("spool.sync", "sink=%s folder=\"%s\" error=\"%s\"", p->setup.sink, spool_folder(p->spool),
			 strerror(-rc));
}

static void *
run(void *argument)
{
	struct sink_spool *p = argument;

	for (;;) {
		uint32_t tail = atomic_load(&p->tail);

		if (atomic_load(&p->head) == tail) {
			if (atomic_load(&p->stopping))
				return NULL;
			waker_sleep(&p->waker, has_batches, p, IDLE_MS);
		} else {
			write_batch(p, p->slot[tail & p->mask]);
			/* After it can be seen in the spool: sink_spool_is_empty() must not miss it. */
			atomic_store(&p->tail, tail + 1);
			p->dirty = true;
			p->setup.wake(p->setup.context);
		}
		sync_when_due(p);
	}
}

void
sink_spool_push(struct sink_spool *p, struct batch *b)
{
	uint32_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

	p->slot[head & p->mask] = b;
	atomic_store(&p->head, head + 1);
	waker_wake(&p->waker);
}

bool
sink_spool_is_written(const struct sink_spool *p)
{
	return atomic_load(&p->tail) == atomic_load(&p->head);
}

bool
sink_spool_is_empty(const struct sink_spool *p)
{
	return sink_spool_is_written(p) && spool_entries(p->spool) == 0;
}

unsigned
sink_spool_queued(const struct sink_spool *p)
{
	return atomic_load(&p->head) - atomic_load(&p->tail);
}

struct spool *
sink_spool_of(struct sink_spool *p)
{
	return p->spool;
}

/* ---- Beginning and end */

static bool
start(struct sink_spool *p, char *why, size_t why_size)
{
	uint32_t slots = rte_align32pow2(p->setup.n_batches > 0 ? p->setup.n_batches : 1);
	const struct spool_params params = {.directory = p->setup.directory,
					    .sink = p->setup.sink,
					    .max_bytes = p->setup.max_bytes,
					    .lost = count_lost,
					    .context = p};
	struct spool_numbers numbers;
	int rc;

	p->mask = slots - 1;
	p->slot = calloc(slots, sizeof(struct batch *));
	rc = p->slot != NULL ? waker_init(&p->waker) : -ENOMEM;
	if (rc < 0) {
		snprintf(why, why_size, "sink %s: its spool: %s", p->setup.sink, strerror(-rc));
		return false;
	}
	p->spool = spool_create(&params, why, why_size);
	if (p->spool == NULL)
		return false;
	spool_numbers(p->spool, &numbers);
	COUNTER_ADD(&p->counters, found, numbers.found_documents);
	COUNTER_ADD(&p->counters, cut_entries, numbers.cut_entries);
	counters_attach(&p->counters, p->owner);
	counters_attach(&p->lost_counters, p->owner);
	ledger_gauge_attach(&p->gauge);
	rc = thread_start(&p->thread, p->owner, p->setup.cpus, run, p);
	p->started = rc == 0;
	if (rc != 0)
		snprintf(why, why_size, "sink %s: no thread for its spool: %s", p->setup.sink, strerror(-rc));
	return rc == 0;
}

struct sink_spool *
sink_spool_create(const struct sink_spool_setup *setup, char *why, size_t why_size)
{
	struct sink_spool *p = aligned_alloc(64, RTE_ALIGN(sizeof(*p), 64));

	if (p == NULL) {
		snprintf(why, why_size, "sink %s: out of memory", setup->sink);
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	p->setup = *setup;
	p->waker.fd = -1;
	snprintf(p->owner, sizeof(p->owner), "spool-%.9s", setup->sink); /* a thread's name has 15 characters */
	p->gauge =
		(struct ledger_gauge){.name = p->owner, .account = LEDGER_SPOOLED, .read = read_former, .context = p};
	if (!start(p, why, why_size)) {
		sink_spool_destroy(p);
		return NULL;
	}
	return p;
}

bool
sink_spool_stop(struct sink_spool *p, unsigned wait_s)
{
	struct timespec until;

	if (!p->started)
		return true;
	atomic_store(&p->stopping, true);
	waker_wake_always(&p->waker);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_s;
	if (pthread_timedjoin_np(p->thread, NULL, &until) != 0)
		return false;
	p->started = false;
	return true;
}

void
sink_spool_abandon(struct sink_spool *p)
{
	atomic_store(&p->abandoned, true);
	waker_wake_always(&p->waker);
}

void
sink_spool_destroy(struct sink_spool *p)
{
	if (p == NULL)
		return;
	if (p->spool != NULL)
		ledger_gauge_detach(&p->gauge);
	counters_detach(&p->counters);
	counters_detach(&p->lost_counters);
	spool_destroy(p->spool, spool_ticket_leave);
	waker_fini(&p->waker);
	free(p->slot);
	free(p);
}
