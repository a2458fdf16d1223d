/* Whether the ledger adds up while the sensor runs (DESIGN 9).
 *
 * Two ways. Exact: all lcores stand still for a moment, and every account has to add up to the packet; this is what
 * builds for tests do. Running: the accounts are read while others count, so only what stays wrong for several looks,
 * by more than what can be on its way, is wrong; on a quiet sensor that is a single packet too.
 *
 * Threads: the stats role's. */
#ifndef STATS_LEDGER_H
#define STATS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "role.h"

enum { LEDGER_LOOKS = 5 };

struct stats_ledger {
	struct ledger_balance last[LEDGER_ACCOUNTS];
	int wrong_looks[LEDGER_ACCOUNTS]; /* in a row; negative: too many */
	uint64_t turns[LCORES_MAX];
};

/* What is missing (positive) or too many (negative) of an account, beyond 'slack'; 0: it may be right. */
int64_t stats_ledger_wrong(const struct ledger_balance *, uint64_t slack);

/* A look at an account while others count; 'between': how much of it can be between two counters at once, 'always':
 * also when nothing moves. True: it has now been wrong LEDGER_LOOKS times in a row. */
bool stats_ledger_look(struct stats_ledger *, enum ledger_account, const struct ledger_balance *, uint64_t between,
		       uint64_t always);

/* Every lcore has ended a turn since the call before. One that has not may stand in the middle of a packet, when its
 * CPU belongs to somebody else: then nothing moves, and yet something is between two counters. */
bool stats_ledger_all_turned(struct stats_ledger *, const struct role_plan *);

/* What can be between two counters, of an account, with so many workers. */
uint64_t stats_ledger_between(enum ledger_account, unsigned n_workers);

/* While the lcores stand: sinks have threads of their own, so an account is right as soon as it adds up once within
 * 'patience_ns'. */
bool stats_ledger_is_exact(enum ledger_account, uint64_t slack, uint64_t patience_ns);

#endif
