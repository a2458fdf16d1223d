/* Mailboxes, by number, in a table that is never freed: a thread may send at any time, also while the receivers are
 * taken apart. So whoever sends says so first and looks then whether the box is open, and whoever shuts it says so
 * first and waits then for those inside, a few instructions each.
 *
 * The ring is one of DPDK's with relaxed tail sync: a sender that is scheduled out between its two steps does not hold
 * up the others. It is made without EAL, which unit tests and fuzz targets do not have. */
#include "mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

struct mailbox {
	struct rte_ring *ring;
	_Atomic bool taken, open;
	_Atomic unsigned senders; /* inside mailbox_send() */
	_Atomic uint64_t refused;
};

static struct mailbox mailboxes[MAILBOXES];

struct mailbox *
mailbox_open(unsigned number, size_t bytes)
{
	struct mailbox *m = number < MAILBOXES ? &mailboxes[number] : NULL;
	ssize_t size = rte_ring_get_memsize_elem((unsigned)bytes, MAILBOX_MESSAGES);

	if (m == NULL || size < 0 || atomic_exchange(&m->taken, true)) {
		errno = EBUSY;
		return NULL;
	}
	m->ring = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN((size_t)size, (size_t)RTE_CACHE_LINE_SIZE));
	if (m->ring == NULL ||
	    rte_ring_init(m->ring, "mailbox", MAILBOX_MESSAGES, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ) != 0) {
		free(m->ring);
		atomic_store(&m->taken, false);
		errno = ENOMEM;
		return NULL;
	}
	atomic_store(&m->refused, 0);
	atomic_store(&m->open, true);
	return m;
}

int
mailbox_send(unsigned number, const void *message, size_t bytes)
{
	struct mailbox *m = &mailboxes[number % MAILBOXES];
	int error = 0;

	if (number >= MAILBOXES)
		return -ESHUTDOWN;
	atomic_fetch_add(&m->senders, 1);
	if (!atomic_load(&m->open)) {
		error = -ESHUTDOWN;
	} else if (rte_ring_enqueue_elem(m->ring, (void *)(uintptr_t)message, (unsigned)bytes) != 0) {
		atomic_fetch_add(&m->refused, 1);
		error = -ENOBUFS;
	}
	atomic_fetch_sub(&m->senders, 1);
	return error;
}

unsigned
mailbox_take(struct mailbox *m, void *messages, size_t bytes, unsigned max)
{
	if (likely(rte_ring_empty(m->ring)))
		return 0;
	return rte_ring_dequeue_burst_elem(m->ring, messages, (unsigned)bytes, max, NULL);
}

uint64_t
mailbox_refused(const struct mailbox *m)
{
	return atomic_load(&m->refused);
}

void
mailbox_shut(struct mailbox *m)
{
	atomic_store(&m->open, false);
	while (atomic_load(&m->senders) > 0)
		sched_yield();
}

void
mailbox_close(struct mailbox *m)
{
	free(m->ring);
	m->ring = NULL;
	atomic_store(&m->taken, false);
}
