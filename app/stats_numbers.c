/* Numbers about the sensor.
 *
 * Losses are added up by account of the ledger, not by name: a counter that a part adds tomorrow is in the documents
 * without a change here.
 *
 * Memory is what is resident and what hugepages hold. The reference reports its address space; ours is mostly reserved
 * and never touched (pools of the greatest size that the settings allow), and would show as many times the machine's.
 */
#include "stats_numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"

enum { PCAP_RECORD_HEADER_BYTES = 16 };

struct losses {
	uint64_t fragments, overload;
};

static void
add_loss(const struct counter *c, uint64_t total, void *context)
{
	struct losses *l = context;

	if (!c->loss || c->account != LEDGER_PACKETS)
		return;
	if (strncmp(c->name, "fragment.", 9) == 0)
		l->fragments += total;
	else
		l->overload += total;
}

static uint64_t
process_cpu_ms(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

/* Packet bytes of what got no place in a pcap. In place nothing is copied: all of it. */
static uint64_t
unstored(uint64_t bytes, uint64_t stored_bytes)
{
	uint64_t headers = counters_total("writer.stored_packets") * PCAP_RECORD_HEADER_BYTES;

	return stats_ahead(bytes, stats_ahead(stored_bytes, headers));
}

void
stats_counts_read(struct stats_counts *out)
{
	struct losses losses = {0};

	counters_each(add_loss, &losses);
	*out = (struct stats_counts){
		.packets = counters_total("worker.processed") + losses.overload,
		.bytes = counters_total("worker.processed_bytes"),
		.received = counters_total("worker.received"),
		.received_bytes = counters_total("worker.received_bytes"),
		.stored_bytes = counters_total("writer.stored_bytes"),
		.opened = counters_total("session.opened"),
		.records = counters_total("record.emitted"),
		.records_bytes = counters_total("export.formatted_bytes"),
		.dropped = ledger_account_losses(LEDGER_WIRE),
		.fragments_dropped = losses.fragments,
		.overload_dropped = losses.overload,
		.records_dropped = ledger_account_losses(LEDGER_RECORDS),
		.duplicates = counters_total("packet.duplicate"),
		.cpu_ms = process_cpu_ms(),
	};
	out->unstored_bytes = unstored(out->bytes, out->stored_bytes);
}

void
stats_counts_subtract(struct stats_counts *out, const struct stats_counts *a, const struct stats_counts *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;
	uint64_t *to = (uint64_t *)out;

	_Static_assert(sizeof(*out) % sizeof(*to) == 0, "nothing but counts");
	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = stats_ahead(x[i], y[i]);
}

double
stats_per_second(uint64_t n, uint64_t elapsed_ns)
{
	return elapsed_ns > 0 ? (double)n * 1e9 / (double)elapsed_ns : 0;
}

/* A line like "VmRSS:     1234 kB" of a file of /proc, in bytes; 0: it has none. */
static uint64_t
proc_bytes(const char *path, const char *const *names, unsigned n)
{
	FILE *f = fopen(path, "re");
	uint64_t kilobytes = 0;
	char line[256];

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		for (unsigned i = 0; i < n; i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				kilobytes += strtoull(line + strlen(names[i]), NULL, 10);
	fclose(f);
	return kilobytes * 1024;
}

uint64_t
stats_memory_bytes(void)
{
	static const char *const names[] = {"VmRSS:", "HugetlbPages:"};

	return proc_bytes("/proc/self/status", names, 2);
}

uint64_t
stats_machine_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}
