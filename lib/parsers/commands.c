/* Commands: what other threads want done on a session.
 *
 * Each worker has a ring, to which any thread adds and from which its worker takes a few in every poll. They carry the
 * session's name, so that the worker finds out whether it is still there (lib/session/session_names.c); nobody else
 * looks at a session.
 *
 * The rings are found by the worker's number, in a table that is never freed: a thread may send a command at any time,
 * also while the workers are taken apart. So whoever sends says so first and looks then whether the ring is open, and
 * whoever closes it says so first and waits then for those inside, a few instructions each.
 *
 * The ring is one of DPDK's with relaxed tail sync: a sender that is scheduled out between its two steps does not hold
 * up the others. It is made without EAL, as lib/parsers needs none. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "parsing_priv.h"
#include "rcu.h"

COUNTER(commands_run, "command.run", "commands of other threads that were run on their session", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(commands_gone, "command.session_gone", "commands whose session had ended", LEDGER_NONE, LEDGER_OUT);
COUNTER(commands_refused, "command.refused", "commands refused: the worker's ring was full", LEDGER_NONE, LEDGER_IN);

enum { WORKERS = 64, RING_COMMANDS = 4096, COMMANDS_PER_POLL = 32 };

struct command {
	struct shrike_session to;
	void (*run)(struct shrike_ctx *, void *, size_t);
	void *data;
	size_t length;
	void (*free_data)(void *);
};
_Static_assert(sizeof(struct command) % 4 == 0, "an element of a ring");

struct mailbox {
	struct rte_ring *ring;
	_Atomic bool taken, open;
	_Atomic unsigned senders; /* inside send() */
	_Atomic uint64_t refused;
};

static struct mailbox mailboxes[WORKERS];

struct mailbox *
mailbox_open(unsigned worker)
{
	struct mailbox *m = worker < WORKERS ? &mailboxes[worker] : NULL;
	ssize_t size = rte_ring_get_memsize_elem(sizeof(struct command), RING_COMMANDS);

	if (m == NULL || size < 0 || atomic_exchange(&m->taken, true)) {
		errno = EBUSY;
		return NULL;
	}
	m->ring = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN((size_t)size, (size_t)RTE_CACHE_LINE_SIZE));
	if (m->ring == NULL ||
	    rte_ring_init(m->ring, "commands", RING_COMMANDS, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ) != 0) {
		free(m->ring);
		atomic_store(&m->taken, false);
		errno = ENOMEM;
		return NULL;
	}
	atomic_store(&m->refused, 0);
	atomic_store(&m->open, true);
	return m;
}

static void
finish(const struct command *c)
{
	if (c->free_data != NULL)
		c->free_data(c->data);
}

void
mailbox_close(struct mailbox *m)
{
	struct command c;

	if (m == NULL)
		return;
	atomic_store(&m->open, false);
	while (atomic_load(&m->senders) > 0)
		sched_yield();
	while (rte_ring_dequeue_elem(m->ring, &c, sizeof(c)) == 0)
		finish(&c);
	free(m->ring);
	m->ring = NULL;
	atomic_store(&m->taken, false);
}

static int
send(const struct command *c)
{
	struct mailbox *m;
	int error = 0;

	if (c->to.generation == 0 || c->to.worker >= WORKERS)
		return -EINVAL;
	m = &mailboxes[c->to.worker];
	atomic_fetch_add(&m->senders, 1);
	if (!atomic_load(&m->open)) {
		error = -ESHUTDOWN;
	} else if (rte_ring_enqueue_elem(m->ring, (void *)(uintptr_t)c, sizeof(*c)) != 0) {
		atomic_fetch_add(&m->refused, 1);
		error = -ENOBUFS;
	}
	atomic_fetch_sub(&m->senders, 1);
	return error;
}

int
shrike_session_command(struct shrike_session to, void (*run)(struct shrike_ctx *, void *data, size_t length),
		       void *data, size_t length, void (*free_data)(void *))
{
	struct command c = {.to = to, .run = run, .data = data, .length = length, .free_data = free_data};
	int error = send(&c);

	if (error != 0)
		finish(&c);
	return error;
}

struct shrike_session
shrike_session_of(struct shrike_ctx *ctx)
{
	const struct parsing *p = ctx->parsing;
	struct shrike_session s = {.worker = p->worker, .parser = ctx->entry->index};

	if (p->mailbox == NULL)
		return (struct shrike_session){0};
	p->host.name(p->host.context, ctx->chunk->session, &s.generation, &s.place);
	return s;
}

static void
run_command(struct parsing *p, const struct command *c)
{
	struct parsing_named named;

	if (p->host.named(p->host.context, c->to.generation, c->to.place, &named)) {
		parsing_run(p, &named, c->to.parser, c->run, c->data, c->length);
		COUNTER_ADD(p->counters, commands_run, 1);
	} else {
		COUNTER_ADD(p->counters, commands_gone, 1);
	}
	finish(c);
}

unsigned
parsing_commands(struct parsing *p)
{
	struct command commands[COMMANDS_PER_POLL];
	unsigned n;

	if (likely(p->mailbox == NULL || rte_ring_empty(p->mailbox->ring)))
		return 0;
	n = rte_ring_dequeue_burst_elem(p->mailbox->ring, commands, sizeof(commands[0]), COMMANDS_PER_POLL, NULL);
	for (unsigned i = 0; i < n; i++)
		run_command(p, &commands[i]);
	COUNTER_SET(p->counters, commands_refused, atomic_load(&p->mailbox->refused));
	return n;
}

int
shrike_free_later(void *old, void (*free_old)(void *))
{
	return rcu_free_later(old, free_old);
}
