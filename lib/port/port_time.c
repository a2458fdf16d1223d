/* Time stamps that a device gives its packets.
 *
 * A free-running counter is compared with our clocks at start and whenever control looks at the ports, over an ever
 * longer base line, so its rate becomes exact while its offset follows the wall clock. Workers read the newest
 * comparison once a burst: control writes into a ring of eight, so a worker would have to stand still within a burst
 * for seconds to see one being written. */
#include "port_time.h"

#include <inttypes.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include "log.h"
#include "port_priv.h"

enum { FIRST_INTERVAL_NS = 10000000 };

void
device_clock_add(struct device_clock *c, uint64_t ticks, uint64_t monotonic_ns, uint64_t wall_ns)
{
	if (c->first_monotonic_ns == 0 || ticks < c->first_ticks) {
		*c = (struct device_clock){.first_ticks = ticks, .first_monotonic_ns = monotonic_ns};
	} else if (ticks > c->first_ticks && monotonic_ns > c->first_monotonic_ns) {
		c->ns_per_tick = (double)(monotonic_ns - c->first_monotonic_ns) / (double)(ticks - c->first_ticks);
	}
	c->base_ticks = ticks;
	c->base_wall_ns = wall_ns;
}

enum stamp_unit
stamp_detect(uint64_t stamp, uint64_t wall_ns, const struct device_clock *c)
{
	if (stamp_is_near(stamp, wall_ns))
		return STAMP_NS;
	if (stamp < UINT64_MAX / NS_PER_US && stamp_is_near(stamp * NS_PER_US, wall_ns))
		return STAMP_US;
	if (c->ns_per_tick > 0 && stamp_is_near(device_clock_ns(c, stamp), wall_ns))
		return STAMP_TICKS;
	return STAMP_UNKNOWN;
}

static bool
compare_clocks(struct port *port)
{
	unsigned index = atomic_load_explicit(&port->clock_index, memory_order_relaxed);
	unsigned next = (index + 1) % PORT_CLOCKS;
	uint64_t ticks, monotonic_ns = clock_monotonic_ns();

	if (rte_eth_read_clock(port->id, &ticks) != 0)
		return false;
	/* In the middle of the call, which asks the device over PCI. */
	monotonic_ns += (clock_monotonic_ns() - monotonic_ns) / 2;
	port->clock[next] = port->clock[index];
	device_clock_add(&port->clock[next], ticks, monotonic_ns, clock_wall_ns());
	atomic_store_explicit(&port->clock_index, next, memory_order_release);
	return true;
}

void
port_time_start(struct port *port)
{
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);

	port->time_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	if (flag < 0)
		port->time_offset = -1;
	else
		port->time_flag = RTE_BIT64(flag);
	for (uint16_t queue = 0; queue < port->n_queues; queue++)
		port->queue[queue].unit = port->is_capture_file ? STAMP_FILE : STAMP_UNKNOWN;
	if (port->is_replay || port->is_capture_file || port->time_offset < 0)
		return;
	port->has_clock = compare_clocks(port);
	if (port->has_clock) {
		nanosleep(&(struct timespec){.tv_nsec = FIRST_INTERVAL_NS}, NULL);
		compare_clocks(port);
	}
}

/* Once: what the packets' time is. */
static void
report_unit(struct port *port)
{
	static const char *const names[] = {[STAMP_NS] = "ns", [STAMP_US] = "us", [STAMP_TICKS] = "device ticks"};

	for (uint16_t queue = 0; queue < port->n_queues && !port->unit_reported; queue++) {
		uint8_t unit = port->queue[queue].unit;

		if (unit != STAMP_NS && unit != STAMP_US && unit != STAMP_TICKS)
			continue;
		LOG_INFO("port.time", "port=%u source=device unit=\"%s\" ns_per_tick=%.6f", port->id, names[unit],
			 unit == STAMP_TICKS ? port->clock[port->clock_index].ns_per_tick : 0.0);
		port->unit_reported = true;
	}
}

void
port_time_tick(struct port *port)
{
	if (port->has_clock)
		compare_clocks(port);
	report_unit(port);
}
