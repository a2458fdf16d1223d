/* Commands: what other threads want done on a session.
 *
 * Each worker has a mailbox, to which any thread adds and from which its worker takes a few in every poll. They carry
 * the session's name, so that the worker finds out whether it is still there (lib/session/session_names.c); nobody else
 * looks at a session. */
#include <errno.h>

#include "mailbox.h"
#include "parsing_priv.h"
#include "rcu.h"

COUNTER(commands_run, "command.run", "commands of other threads that were run on their session", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(commands_gone, "command.session_gone", "commands whose session had ended", LEDGER_NONE, LEDGER_OUT);
COUNTER(commands_refused, "command.refused", "commands refused: the worker's ring was full", LEDGER_NONE, LEDGER_IN);

enum { COMMANDS_PER_POLL = 32 };

struct command {
	struct shrike_session to;
	void (*run)(struct shrike_ctx *, void *, size_t);
	void *data;
	size_t length;
	void (*free_data)(void *);
};
_Static_assert(sizeof(struct command) % 4 == 0, "a message of a mailbox");

struct mailbox *
parsing_mailbox_open(unsigned worker)
{
	return mailbox_open(worker, sizeof(struct command));
}

static void
finish(const struct command *c)
{
	if (c->free_data != NULL)
		c->free_data(c->data);
}

void
parsing_mailbox_close(struct mailbox *m)
{
	struct command c;

	if (m == NULL)
		return;
	mailbox_shut(m);
	while (mailbox_take(m, &c, sizeof(c), 1) > 0)
		finish(&c);
	mailbox_close(m);
}

int
shrike_session_command(struct shrike_session to, void (*run)(struct shrike_ctx *, void *data, size_t length),
		       void *data, size_t length, void (*free_data)(void *))
{
	struct command c = {.to = to, .run = run, .data = data, .length = length, .free_data = free_data};
	int error = to.generation != 0 && to.worker < MAILBOXES ? mailbox_send(to.worker, &c, sizeof(c)) : -EINVAL;

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

	if (p->mailbox == NULL)
		return 0;
	n = mailbox_take(p->mailbox, commands, sizeof(commands[0]), COMMANDS_PER_POLL);
	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		run_command(p, &commands[i]);
	COUNTER_SET(p->counters, commands_refused, mailbox_refused(p->mailbox));
	return n;
}

int
shrike_free_later(void *old, void (*free_old)(void *))
{
	return rcu_free_later(old, free_old);
}
