/* The ledger of a running sensor.
 *
 * While others count, what an account read first says has come in has gone out or is inside a little later, but for
 * what was just between two counters; and nothing goes out that has not come in. What moved during the look, or is on
 * its way within a burst, is the slack. It is none when nothing has moved since the look before. */
#include "stats_ledger.h"

#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "packet.h"

int64_t
stats_ledger_wrong(const struct ledger_balance *b, uint64_t slack)
{
	int64_t missing = (int64_t)(b->in_before - b->inside - b->out), too_many = (int64_t)(b->out - b->in_after);

	if (missing > (int64_t)slack)
		return missing;
	return too_many > (int64_t)slack ? -too_many : 0;
}

static bool
stood_still(const struct ledger_balance *a, const struct ledger_balance *b)
{
	return a->in_after == b->in_before && a->out == b->out && b->in_before == b->in_after;
}

/* Nothing moves: what is inside counts for the surplus too. */
static int64_t
wrong_at_rest(const struct ledger_balance *b, uint64_t slack)
{
	int64_t difference = (int64_t)(b->in_after - b->inside - b->out);

	return (uint64_t)llabs(difference) > slack ? difference : 0;
}

bool
stats_ledger_look(struct stats_ledger *l, enum ledger_account account, const struct ledger_balance *b, uint64_t between,
		  uint64_t always)
{
	int *looks = &l->wrong_looks[account];
	int64_t wrong = stood_still(&l->last[account], b)
				? wrong_at_rest(b, always)
				: stats_ledger_wrong(b, always + between + (b->in_after - b->in_before));

	l->last[account] = *b;
	if (wrong == 0)
		*looks = 0;
	else if (wrong > 0)
		*looks = *looks > 0 ? *looks + 1 : 1;
	else
		*looks = *looks < 0 ? *looks - 1 : -1;
	return abs(*looks) == LEDGER_LOOKS;
}

bool
stats_ledger_all_turned(struct stats_ledger *l, const struct role_plan *plan)
{
	bool all = true;

	for (unsigned i = 0; i < plan->n_lcores; i++) {
		uint64_t turns = atomic_load_explicit(&plan->lcore[i].load.turns, memory_order_acquire);

		all = all && turns != l->turns[i];
		l->turns[i] = turns;
	}
	return all;
}

uint64_t
stats_ledger_between(enum ledger_account account, unsigned n_workers)
{
	/* A burst that is worked off, and one that it made. */
	uint64_t burst = 2 * (uint64_t)BURST_MAX * n_workers;

	return account == LEDGER_STORED ? burst * PACKET_BYTES_MAX : burst;
}

bool
stats_ledger_is_exact(enum ledger_account account, uint64_t slack, uint64_t patience_ns)
{
	uint64_t until_ns = clock_monotonic_ns() + patience_ns;
	struct ledger_balance b;
	int64_t difference;

	do {
		ledger_read(account, &b);
		difference = (int64_t)(b.in_before - b.inside - b.out);
		if (b.in_before == b.in_after && (uint64_t)llabs(difference) <= slack)
			return true;
		sched_yield();
	} while (clock_monotonic_ns() < until_ns);
	return false;
}
