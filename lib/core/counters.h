/* The loss ledger: every packet and record is in a named counter, and the counters add up (DESIGN 9).
 *
 * A counter is defined beside its user:
 *
 *   COUNTER(corrupt, "packet.corrupt", "frames whose lengths contradict each other", LEDGER_PACKETS, LEDGER_OUT);
 *   COUNTER_ADD(counters, corrupt, 1);
 *
 * Every lcore role has a 'struct counters' of its own (a plain array, no atomics: each value has one writer and is
 * read by anybody, possibly a little late). Names are unique; counters_total() adds the arrays up.
 *
 * An account balances when its IN counters equal its OUT counters plus what its gauges hold right now. Gauges are
 * counted independently of the counters (pool_used(), ring counts), or the check could not fail. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "registry.h"

enum ledger_account {
	LEDGER_NONE,	 /* informational: in no account */
	LEDGER_WIRE,	 /* offered by the wire or the file = received + missed + errors + no mbuf */
	LEDGER_PACKETS,	 /* received by workers = processed + named drops */
	LEDGER_SESSIONS, /* opened = saved + not saved, by reason + live */
	LEDGER_RECORDS,	 /* emitted = acknowledged + rejected + abandoned + lost by a spool + in flight + in spools */
	LEDGER_STORED,	 /* bytes given to pcap blocks = written + lost + in blocks */
	LEDGER_SPOOLED,	 /* documents that former runs left in spools = acknowledged + rejected + lost + still there */
	LEDGER_ACCOUNTS
};

enum ledger_side { LEDGER_IN, LEDGER_OUT };

struct counter {
	const char *name; /* "session.opened": library, dot, words */
	const char *help;
	enum ledger_account account;
	enum ledger_side side; /* means nothing in LEDGER_NONE */
	bool loss;	       /* a loss: in the end summary when it is not zero, and exit 6 under --strict */
};
REGISTRY_DECLARE(counter, struct counter);

enum { COUNTERS_MAX = 512 };

struct counters {
	const char *owner; /* "worker 0" */
	struct counters *next;
	uint64_t value[COUNTERS_MAX];
};

#define COUNTER(symbol, name_, help_, account_, side_)                                                                 \
	static const struct counter symbol = {.name = name_, .help = help_, .account = account_, .side = side_};       \
	REGISTRY_ADD(counter, symbol)
#define COUNTER_LOSS(symbol, name_, help_, account_)                                                                   \
	static const struct counter symbol = {                                                                         \
		.name = name_, .help = help_, .account = account_, .side = LEDGER_OUT, .loss = true};                  \
	REGISTRY_ADD(counter, symbol)

/* The index is a link-time constant: the entry's place in its section. */
#define COUNTER_INDEX(symbol)		 ((unsigned)(&registry_counter_##symbol - __start_registry_counter))
#define COUNTER_ADD(counters, symbol, n) ((counters)->value[COUNTER_INDEX(symbol)] += (uint64_t)(n))
#define COUNTER_SET(counters, symbol, n) ((counters)->value[COUNTER_INDEX(symbol)] = (uint64_t)(n))

/* A gauge: how many of an account are inside something right now. 'read' may be called by the control role. */
struct ledger_gauge {
	const char *name;
	enum ledger_account account;
	uint64_t (*read)(const void *context);
	const void *context;
	struct ledger_gauge *next;
};

/* Linked into the process's list until counters_detach(); 'owner' must outlive it. Control thread only. */
void counters_attach(struct counters *, const char *owner);
void counters_detach(struct counters *);
void ledger_gauge_attach(struct ledger_gauge *);
void ledger_gauge_detach(struct ledger_gauge *);

/* 0 for a name nobody defined. */
uint64_t counters_total(const char *name);
uint64_t counter_total(const struct counter *);

/* Calls back for every counter with its total, in name order. */
void counters_each(void (*each)(const struct counter *, uint64_t total, void *context), void *context);

/* The same for the values of one role or port alone. */
void counters_each_of(const struct counters *, void (*each)(const struct counter *, uint64_t value, void *context),
		      void *context);

/* Returns the number of accounts that do not add up, and prints one line for each ('out' may be NULL). Exact only when
 * nothing moves: at the end, or while all roles pause. */
unsigned ledger_check(FILE *out);

/* An account while others count: 'in' is read first and last. What has left counts once, what is on its way twice at
 * most: so what in_before says has come in and neither 'inside' nor 'out' knows is missing, but for what is just
 * between two counters; and what is 'out' beyond in_after is too much. */
struct ledger_balance {
	uint64_t in_before, inside, out, in_after;
};
void ledger_read(enum ledger_account, struct ledger_balance *);
const char *ledger_account_name(enum ledger_account);

/* The sum of all counters marked as a loss; of one account (LEDGER_NONE: those that are in none). */
uint64_t ledger_losses(void);
uint64_t ledger_account_losses(enum ledger_account);

/* More counters than COUNTERS_MAX or a name twice: returns false and logs which. Called once at start. */
bool counters_validate(void);

#endif
