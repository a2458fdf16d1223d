/* Time stamps that a device gives its packets, as nanoseconds since 1970.
 *
 * No driver says in which unit it counts: nanoseconds or microseconds since 1970, or ticks of a counter that began when
 * the NIC was reset. The unit shows itself against the clock. */
#ifndef PORT_TIME_H
#define PORT_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum stamp_unit {
	STAMP_UNKNOWN, /* the packet gets the wall clock */
	STAMP_NS,
	STAMP_US,
	STAMP_TICKS, /* of the device's clock */
	STAMP_FILE,  /* of a capture: any time, microseconds or (from DPDK 26.07 on) nanoseconds */
};

/* A device's counter against our clocks. */
struct device_clock {
	uint64_t first_ticks, first_monotonic_ns;
	uint64_t base_ticks, base_wall_ns;
	double ns_per_tick; /* 0: not known yet */
};

/* What all clocks said at one moment. The rate comes from the monotonic clock, since somebody may set the other. */
void device_clock_add(struct device_clock *, uint64_t ticks, uint64_t monotonic_ns, uint64_t wall_ns);

static inline uint64_t
device_clock_ns(const struct device_clock *c, uint64_t ticks)
{
	return c->base_wall_ns + (uint64_t)(int64_t)((double)(int64_t)(ticks - c->base_ticks) * c->ns_per_tick);
}

/* A live stamp is right within a day: a NIC may run on atomic time, and nobody may have set this machine's clock. */
static inline bool
stamp_is_near(uint64_t time_ns, uint64_t wall_ns)
{
	static const uint64_t day_ns = 24 * 3600 * NS_PER_S;

	return time_ns - (wall_ns - day_ns) <= 2 * day_ns;
}

/* The unit that brings a live stamp near the wall clock. */
enum stamp_unit stamp_detect(uint64_t stamp, uint64_t wall_ns, const struct device_clock *);

/* Of a capture's stamp. */
static inline bool
stamp_has_microseconds(uint64_t stamp)
{
	/* In microseconds the year 5138, in nanoseconds March 1973. */
	static const uint64_t smallest_ns = UINT64_C(100000000000000000);

	return stamp < smallest_ns;
}

/* STAMP_UNKNOWN gives 0. */
static inline uint64_t
stamp_ns(enum stamp_unit unit, uint64_t stamp, const struct device_clock *c)
{
	switch (unit) {
	case STAMP_NS:
		return stamp;
	case STAMP_US:
		return stamp * NS_PER_US;
	case STAMP_TICKS:
		return device_clock_ns(c, stamp);
	case STAMP_FILE:
		return stamp_has_microseconds(stamp) ? stamp * NS_PER_US : stamp;
	default:
		return 0;
	}
}

#endif
