/* What the sensor has done so far, and how it is just now: the numbers behind log line, documents and telemetry.
 *
 * Threads: the stats role, on the control lcore. Everything of other lcores is read from their counters (each has one
 * writer) or from what they show for that. */
#ifndef STATS_NUMBERS_H
#define STATS_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"

struct sensor;

/* Since start; none ever goes back. */
struct stats_counts {
	uint64_t packets, bytes; /* that belong to a session; a reassembled datagram is one */
	uint64_t received, received_bytes;
	uint64_t stored_bytes, unstored_bytes;
	uint64_t opened;		 /* sessions */
	uint64_t records, records_bytes; /* 'records_bytes': of their documents */
	uint64_t dropped;		 /* before a worker had them: by devices, in captures */
	uint64_t fragments_dropped;	 /* by reassembly */
	uint64_t overload_dropped;	 /* by workers, beside fragments */
	uint64_t records_dropped;	 /* that a sink will never have */
	uint64_t duplicates;		 /* that enablePacketDedup left out */
	uint64_t cpu_ms;		 /* of all threads of the process */
};

/* Just now. */
struct stats_gauges {
	uint64_t sessions[SESSION_TYPES], sessions_all, closing, fragments;
	uint64_t session_bytes;
	uint64_t memory_bytes; /* resident and hugepages */
	double memory_percent; /* of the machine's */
	uint64_t disk_queue, sink_queue, packet_queue, record_queue;
	uint64_t health_ms;
	uint64_t used_megabytes, free_megabytes; /* of 10^6 bytes, as the reference counts them */
	double free_percent;
};

void stats_counts_read(struct stats_counts *);

/* a - b, and 0 where that would be less: a counter's owner may have gone. */
void stats_counts_subtract(struct stats_counts *out, const struct stats_counts *a, const struct stats_counts *b);

/* n for each second of 'elapsed_ns'; 0 when no time has gone by. */
double stats_per_second(uint64_t n, uint64_t elapsed_ns);

/* What 'after' is ahead of 'before', and 0 when it is not. */
static inline uint64_t
stats_ahead(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

/* Resident and hugepages; and the machine's memory. */
uint64_t stats_memory_bytes(void);
uint64_t stats_machine_bytes(void);

#endif
