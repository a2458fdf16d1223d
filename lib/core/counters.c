/* Counters and the ledger.
 *
 * The arrays belong to their writers; this file only knows where they are and adds them up when somebody asks, so that
 * counting costs the packet path one plain addition. The list of arrays and gauges changes at start and end; the lock
 * is for a reader (metrics, live view) that runs just then.
 *
 * The sum over all arrays is taken name by name while the writers go on, so a total is exact per counter and an account
 * is exact only at rest. What balances an account besides counters is asked of the pools and rings themselves
 * (gauges): a number kept by the code that also keeps the counters would always agree with them. */
#include "counters.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "counters_priv.h"
#include "log.h"

static const char *const account_names[LEDGER_ACCOUNTS] = {
	[LEDGER_NONE] = "none",
	[LEDGER_WIRE] = "wire",
	[LEDGER_PACKETS] = "packets",
	[LEDGER_SESSIONS] = "sessions",
	[LEDGER_RECORDS] = "records",
	[LEDGER_STORED] = "stored bytes",
	[LEDGER_SPOOLED] = "spooled before",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct counters *attached;
static struct ledger_gauge *gauges;

void
counters_attach(struct counters *counters, const char *owner)
{
	struct counters **last = &attached;

	pthread_mutex_lock(&lock);
	while (*last != NULL && *last != counters)
		last = &(*last)->next;
	counters->owner = owner;
	if (*last == NULL) {
		counters->next = NULL;
		*last = counters;
	}
	pthread_mutex_unlock(&lock);
}

void
counters_detach(struct counters *counters)
{
	pthread_mutex_lock(&lock);
	for (struct counters **slot = &attached; *slot != NULL; slot = &(*slot)->next) {
		if (*slot == counters) {
			*slot = counters->next;
			break;
		}
	}
	counters->next = NULL;
	pthread_mutex_unlock(&lock);
}

void
ledger_gauge_attach(struct ledger_gauge *gauge)
{
	struct ledger_gauge **last = &gauges;

	pthread_mutex_lock(&lock);
	while (*last != NULL && *last != gauge)
		last = &(*last)->next;
	if (*last == NULL) {
		gauge->next = NULL;
		*last = gauge;
	}
	pthread_mutex_unlock(&lock);
}

void
ledger_gauge_detach(struct ledger_gauge *gauge)
{
	pthread_mutex_lock(&lock);
	for (struct ledger_gauge **slot = &gauges; *slot != NULL; slot = &(*slot)->next) {
		if (*slot == gauge) {
			*slot = gauge->next;
			break;
		}
	}
	gauge->next = NULL;
	pthread_mutex_unlock(&lock);
}

/* With the lock held. Each value has one writer; a relaxed load is whole and never cached by the compiler. */
static uint64_t
sum_at(size_t index)
{
	uint64_t sum = 0;

	if (index >= COUNTERS_MAX)
		return 0; /* counters_validate() has said so. */
	for (const struct counters *c = attached; c != NULL; c = c->next)
		sum += __atomic_load_n(&c->value[index], __ATOMIC_RELAXED);
	return sum;
}

static uint64_t
sum_of(const struct counter *const *slot)
{
	return sum_at((size_t)(slot - __start_registry_counter));
}

uint64_t
counter_total(const struct counter *counter)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	REGISTRY_FOREACH (counter, struct counter, slot)
		if (*slot == counter)
			sum = sum_of(slot);
	pthread_mutex_unlock(&lock);
	return sum;
}

uint64_t
counters_total(const char *name)
{
	REGISTRY_FOREACH (counter, struct counter, slot)
		if (strcmp((*slot)->name, name) == 0)
			return counter_total(*slot);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct counter *const *const *x = a, *const *const *y = b;

	return strcmp((**x)->name, (**y)->name);
}

void
counters_each(void (*each)(const struct counter *, uint64_t total, void *context), void *context)
{
	const struct counter *const *slots[COUNTERS_MAX];
	unsigned n = 0;

	REGISTRY_FOREACH (counter, struct counter, slot)
		if (n < COUNTERS_MAX)
			slots[n++] = slot;
	qsort(slots, n, sizeof(slots[0]), by_name);
	for (unsigned i = 0; i < n; i++)
		each(*slots[i], counter_total(*slots[i]), context);
}

void
counters_each_of(const struct counters *counters, void (*each)(const struct counter *, uint64_t value, void *context),
		 void *context)
{
	REGISTRY_FOREACH (counter, struct counter, slot) {
		size_t index = (size_t)(slot - __start_registry_counter);

		if (index < COUNTERS_MAX)
			each(*slot, __atomic_load_n(&counters->value[index], __ATOMIC_RELAXED), context);
	}
}

struct balance {
	uint64_t in, out, inside;
};

/* With the lock held. */
static uint64_t
side_sum(enum ledger_account account, enum ledger_side side)
{
	uint64_t sum = 0;

	REGISTRY_FOREACH (counter, struct counter, slot)
		if ((*slot)->account == account && (*slot)->side == side)
			sum += sum_of(slot);
	return sum;
}

/* With the lock held. */
static uint64_t
inside_sum(enum ledger_account account)
{
	uint64_t sum = 0;

	for (const struct ledger_gauge *g = gauges; g != NULL; g = g->next)
		if (g->account == account)
			sum += g->read(g->context);
	return sum;
}

static struct balance
account_balance(enum ledger_account account)
{
	return (struct balance){.in = side_sum(account, LEDGER_IN),
				.out = side_sum(account, LEDGER_OUT),
				.inside = inside_sum(account)};
}

/* With the lock held. One line, with everything of the account that is not zero: where to begin looking. */
static void
account_print(FILE *out, enum ledger_account account, const struct balance *b)
{
	int64_t difference = (int64_t)(b->in - b->out - b->inside);

	fprintf(out, "ledger: %s do not add up: in %" PRIu64 ", out %" PRIu64 ", inside %" PRIu64 ", %" PRId64 " %s:",
		account_names[account], b->in, b->out, b->inside, difference < 0 ? -difference : difference,
		difference < 0 ? "too many" : "missing");
	REGISTRY_FOREACH (counter, struct counter, slot)
		if ((*slot)->account == account && sum_of(slot) > 0)
			fprintf(out, " %s%s=%" PRIu64, (*slot)->side == LEDGER_IN ? "+" : "-", (*slot)->name,
				sum_of(slot));
	for (const struct ledger_gauge *g = gauges; g != NULL; g = g->next)
		if (g->account == account)
			fprintf(out, " inside:%s=%" PRIu64, g->name, g->read(g->context));
	fputc('\n', out);
}

unsigned
ledger_check(FILE *out)
{
	unsigned wrong = 0;

	pthread_mutex_lock(&lock);
	for (enum ledger_account account = LEDGER_NONE + 1; account < LEDGER_ACCOUNTS; account++) {
		struct balance b = account_balance(account);

		if (b.in == b.out + b.inside)
			continue;
		wrong++;
		if (out != NULL)
			account_print(out, account, &b);
	}
	pthread_mutex_unlock(&lock);
	return wrong;
}

void
ledger_read(enum ledger_account account, struct ledger_balance *b)
{
	pthread_mutex_lock(&lock);
	b->in_before = side_sum(account, LEDGER_IN);
	atomic_thread_fence(memory_order_acquire);
	b->inside = inside_sum(account);
	atomic_thread_fence(memory_order_acquire);
	b->out = side_sum(account, LEDGER_OUT);
	atomic_thread_fence(memory_order_acquire);
	b->in_after = side_sum(account, LEDGER_IN);
	pthread_mutex_unlock(&lock);
}

const char *
ledger_account_name(enum ledger_account account)
{
	return account_names[account];
}

uint64_t
ledger_account_losses(enum ledger_account account)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	REGISTRY_FOREACH (counter, struct counter, slot)
		if ((*slot)->loss && (*slot)->account == account)
			sum += sum_of(slot);
	pthread_mutex_unlock(&lock);
	return sum;
}

uint64_t
ledger_losses(void)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	REGISTRY_FOREACH (counter, struct counter, slot)
		if ((*slot)->loss)
			sum += sum_of(slot);
	pthread_mutex_unlock(&lock);
	return sum;
}

bool
counters_validate_list(const struct counter *const *list, unsigned n)
{
	bool good = true;

	if (n > COUNTERS_MAX) {
		LOG_ERROR("counters.too_many", "counters=%u max=%u do=\"raise COUNTERS_MAX\"", n, COUNTERS_MAX);
		good = false;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(list[i]->name, list[j]->name) != 0)
				continue;
			LOG_ERROR("counters.duplicate", "name=%s help=\"%s\" help=\"%s\"", list[i]->name, list[j]->help,
				  list[i]->help);
			good = false;
		}
	}
	return good;
}

bool
counters_validate(void)
{
	return counters_validate_list(__start_registry_counter, REGISTRY_COUNT(counter));
}
