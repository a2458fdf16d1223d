/* Receiving: a burst and the time of each packet.
 *
 * A driver that stamps its packets sets a flag in each; of those in reach only net_pcap does, in microseconds (from
 * DPDK 26.07 on in nanoseconds), so the unit is told by the magnitude. A capture file's stamps are taken as they are.
 * On a live port a stamp far from the wall clock is a free-running counter of the NIC: packets get the wall clock then,
 * read once a burst.
 *
 * The clock that goes with a packet is the greatest stamp of those before it on the same queue (DESIGN 2). */
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include "clock.h"
#include "packet.h"
#include "poison.h"
#include "port_priv.h"

/* In microseconds the year 5138, in nanoseconds March 1973. */
static const uint64_t smallest_ns = UINT64_C(100000000000000000);
static const uint64_t plausible_ns = 24 * 3600 * NS_PER_S;

static uint64_t
stamp_ns(const struct port *port, const struct rte_mbuf *m, uint64_t wall_ns)
{
	uint64_t stamp;

	if (port->time_offset < 0 || (m->ol_flags & port->time_flag) == 0)
		return wall_ns;
	stamp = *RTE_MBUF_DYNFIELD(m, port->time_offset, const rte_mbuf_timestamp_t *);
	if (stamp < smallest_ns)
		stamp *= NS_PER_US;
	if (!port->is_capture_file && stamp - (wall_ns - plausible_ns) > 2 * plausible_ns)
		return wall_ns;
	return stamp;
}

static void
set_meta(const struct port *port, struct port_queue *queue, struct rte_mbuf *m, uint64_t wall_ns)
{
	struct packet_meta *meta = rte_mbuf_to_priv(m);
	uint64_t time_ns = stamp_ns(port, m, wall_ns);

	*meta = (struct packet_meta){
		.time_ns = time_ns,
		.clock_ns = queue->clock_ns,
		.wire_bytes = m->pkt_len,
		.input = port->id,
		.link_type = port->link_type,
		.kind = META_PACKET,
		.has_nanoseconds = time_ns % NS_PER_US != 0,
	};
	if (time_ns > queue->clock_ns)
		queue->clock_ns = time_ns;
}

uint16_t
port_receive(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_queue *state = &port->queue[queue];

	n = rte_eth_rx_burst(port->id, queue, mbufs, n);
	state->received += n;
	if (n > 0 && !port->is_replay) {
		uint64_t wall_ns = clock_wall_ns();

		for (uint16_t i = 0; i < n; i++)
			set_meta(port, state, mbufs[i], wall_ns);
	}
	if (POISON_ENABLED)
		for (uint16_t i = 0; i < n; i++)
			port_poison(mbufs[i]);
	return n;
}
