/* Deferred free over librte_rcu.
 *
 * rte_rcu_qsbr knows when every reader has been quiescent since a token was drawn. What waits is a ring of {object, how
 * to free it, token} in the order of the tokens, so only the head has to be looked at. DPDK's own queue
 * (rte_rcu_qsbr_dq) is not used: it has one free function for all, frees while it takes in more, and is experimental.
 *
 * There is one set of readers in a process. A table that is swapped once an hour does not need one of its own, and a
 * reader reports once for all of them.
 *
 * Given up: an lcore that never comes back keeps everything from being freed. It is named (app/watchdog.c). */
#include "rcu.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_rcu_qsbr.h>

#include "counters.h"

COUNTER(queued, "rcu.queued", "objects that were replaced, to be freed when nobody reads them", LEDGER_NONE, LEDGER_IN);
COUNTER(freed, "rcu.freed", "objects that were freed after nobody read them", LEDGER_NONE, LEDGER_OUT);
COUNTER(refused, "rcu.refused", "replacements refused: too many objects wait to be freed", LEDGER_NONE, LEDGER_IN);

struct waiting {
	void *object;
	void (*free)(void *);
	uint64_t token;
};

/* The mutex is for all but 'readers' itself, which takes care of its own. */
static struct {
	pthread_mutex_t mutex;
	struct rte_rcu_qsbr *readers;
	bool taken[RCU_READERS_MAX];
	struct waiting waiting[RCU_WAITING_MAX]; /* in the order of 'token', [first .. first + n) */
	unsigned first;
	_Atomic unsigned n;
	struct counters counters;
} rcu = {.mutex = PTHREAD_MUTEX_INITIALIZER};

int
rcu_start(void)
{
	size_t size = rte_rcu_qsbr_get_memsize(RCU_READERS_MAX);
	struct rte_rcu_qsbr *readers;

	if (rcu.readers != NULL)
		return -EALREADY;
	readers = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, (size_t)RTE_CACHE_LINE_SIZE));
	if (readers == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(readers, RCU_READERS_MAX) != 0) {
		free(readers);
		return -rte_errno;
	}
	counters_attach(&rcu.counters, "deferred free");
	pthread_mutex_lock(&rcu.mutex);
	rcu.readers = readers;
	pthread_mutex_unlock(&rcu.mutex);
	return 0;
}

/* The head of what waits. False: nothing does, or it may still be read. */
static bool
take(struct waiting *out, bool regardless)
{
	bool found = false;

	pthread_mutex_lock(&rcu.mutex);
	if (rcu.n > 0) {
		const struct waiting *head = &rcu.waiting[rcu.first];

		found = regardless || rte_rcu_qsbr_check(rcu.readers, head->token, false) == 1;
		*out = *head;
	}
	if (found) {
		rcu.first = (rcu.first + 1) % RCU_WAITING_MAX;
		rcu.n--;
		COUNTER_ADD(&rcu.counters, freed, 1);
	}
	pthread_mutex_unlock(&rcu.mutex);
	return found;
}

void
rcu_stop(void)
{
	struct rte_rcu_qsbr *readers;
	struct waiting w;

	/* First nothing comes in any more: threads of plugins may still be there. */
	pthread_mutex_lock(&rcu.mutex);
	readers = rcu.readers;
	rcu.readers = NULL;
	pthread_mutex_unlock(&rcu.mutex);
	if (readers == NULL)
		return;
	while (take(&w, true))
		w.free(w.object);
	counters_detach(&rcu.counters);
	free(readers);
	rcu.first = 0;
	for (unsigned i = 0; i < RCU_READERS_MAX; i++)
		rcu.taken[i] = false;
}

int
rcu_reader_add(void)
{
	int reader = rcu.readers == NULL ? -ENODEV : -ENOSPC;

	pthread_mutex_lock(&rcu.mutex);
	for (int i = 0; reader == -ENOSPC && i < RCU_READERS_MAX; i++)
		if (!rcu.taken[i])
			reader = i;
	if (reader >= 0)
		rcu.taken[reader] = true;
	pthread_mutex_unlock(&rcu.mutex);
	if (reader < 0)
		return reader;
	rte_rcu_qsbr_thread_register(rcu.readers, (unsigned)reader);
	rte_rcu_qsbr_thread_online(rcu.readers, (unsigned)reader);
	return reader;
}

void
rcu_reader_remove(int reader)
{
	if (reader < 0)
		return;
	rte_rcu_qsbr_thread_offline(rcu.readers, (unsigned)reader);
	rte_rcu_qsbr_thread_unregister(rcu.readers, (unsigned)reader);
	pthread_mutex_lock(&rcu.mutex);
	rcu.taken[reader] = false;
	pthread_mutex_unlock(&rcu.mutex);
}

void
rcu_reader_quiescent(int reader)
{
	if (reader >= 0)
		rte_rcu_qsbr_quiescent(rcu.readers, (unsigned)reader);
}

void
rcu_reader_offline(int reader)
{
	if (reader >= 0)
		rte_rcu_qsbr_thread_offline(rcu.readers, (unsigned)reader);
}

void
rcu_reader_online(int reader)
{
	if (reader >= 0)
		rte_rcu_qsbr_thread_online(rcu.readers, (unsigned)reader);
}

/* With the mutex. 0: so many more may wait. */
static int
room_for(unsigned n)
{
	if (rcu.readers == NULL)
		return -ENODEV;
	if (n <= RCU_WAITING_MAX - rcu.n)
		return 0;
	COUNTER_ADD(&rcu.counters, refused, 1);
	return -ENOSPC;
}

/* With the mutex, and there is room. */
static void
queue(void *object, void (*free_object)(void *))
{
	if (object == NULL)
		return;
	rcu.waiting[(rcu.first + rcu.n) % RCU_WAITING_MAX] =
		(struct waiting){.object = object, .free = free_object, .token = rte_rcu_qsbr_start(rcu.readers)};
	rcu.n++;
	COUNTER_ADD(&rcu.counters, queued, 1);
}

int
rcu_free_later(void *old, void (*free_old)(void *))
{
	int error;

	if (old == NULL)
		return 0;
	pthread_mutex_lock(&rcu.mutex);
	error = room_for(1);
	if (error == 0)
		queue(old, free_old);
	pthread_mutex_unlock(&rcu.mutex);
	return error;
}

int
rcu_replace_all(const struct rcu_change *change, unsigned n)
{
	int error;

	pthread_mutex_lock(&rcu.mutex);
	error = room_for(n);
	for (unsigned i = 0; i < n && error == 0; i++)
		queue(atomic_exchange_explicit(change[i].shared, change[i].fresh, memory_order_acq_rel),
		      change[i].free_old);
	pthread_mutex_unlock(&rcu.mutex);
	return error;
}

int
rcu_replace(void *_Atomic *shared, void *fresh, void (*free_old)(void *))
{
	return rcu_replace_all(&(struct rcu_change){shared, fresh, free_old}, 1);
}

unsigned
rcu_reclaim(unsigned max)
{
	struct waiting w;
	unsigned n = 0;

	if (rcu_waiting() == 0)
		return 0;
	for (; n < max && take(&w, false); n++)
		w.free(w.object);
	return n;
}

unsigned
rcu_waiting(void)
{
	return atomic_load_explicit(&rcu.n, memory_order_relaxed);
}
