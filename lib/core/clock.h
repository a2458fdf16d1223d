/* Clocks: one read per burst, never per packet.
 *
 * Packet time is nanoseconds since 1970 in a uint64_t; timeouts run on it. The monotonic clock is for intervals of the
 * program itself (polls, partial blocks, progress). */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* DPDK defines NS_PER_S as the double 1E9: ours is an integer, and that header must not come after this one. */
#include <rte_cycles.h>
#undef NS_PER_S
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

static inline uint64_t
clock_read_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t
clock_wall_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

static inline uint64_t
clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* CPU time of all threads of this process. */
static inline uint64_t
clock_process_cpu_ns(void)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

#endif
