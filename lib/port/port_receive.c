/* Receiving: a burst and the time of each packet.
 *
 * A device that stamps its packets sets a flag in each. A capture file's stamps (net_pcap) are taken as they are. On a
 * live port the unit is told by the first stamp, and each must be near the wall clock, or the packet gets that, read
 * once a burst (port_time.h).
 *
 * A live packet's time is one in nanoseconds, whatever it ends in: packets of one port belong into one pcap file.
 *
 * The clock that goes with a packet is the greatest stamp of those before it on the same queue (DESIGN 2). */
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf_dyn.h>

#include "clock.h"
#include "packet.h"
#include "poison.h"
#include "port_priv.h"

/* More than that at once a CPU takes no note of. */
enum { RECEIVED_AHEAD = 12 };

static uint64_t
device_stamp_ns(const struct port *port, struct port_queue *queue, const struct rte_mbuf *m, uint64_t wall_ns)
{
	const struct device_clock *clock = &port->clock[atomic_load_explicit(&port->clock_index, memory_order_acquire)];
	uint64_t stamp = *RTE_MBUF_DYNFIELD(m, port->time_offset, const rte_mbuf_timestamp_t *), time_ns;

	if (unlikely(queue->unit == STAMP_UNKNOWN))
		queue->unit = (uint8_t)stamp_detect(stamp, wall_ns, clock);
	time_ns = stamp_ns((enum stamp_unit)queue->unit, stamp, clock);
	if (queue->unit == STAMP_FILE)
		queue->has_microseconds = stamp_has_microseconds(stamp);
	if (queue->unit == STAMP_FILE || likely(stamp_is_near(time_ns, wall_ns)))
		return time_ns;
	queue->far_stamps++;
	return wall_ns;
}

static inline uint64_t
time_of(const struct port *port, struct port_queue *queue, const struct rte_mbuf *m, uint64_t wall_ns)
{
	if (port->time_offset < 0 || (m->ol_flags & port->time_flag) == 0)
		return wall_ns;
	return device_stamp_ns(port, queue, m, wall_ns);
}

/* A frame is stored as it was on the wire; some devices strip the tag unasked. */
static void
restore_tag(struct port_queue *queue, struct rte_mbuf *m)
{
	if (rte_vlan_insert(&m) != 0)
		queue->lost_tags++;
}

static inline uint8_t
pool_number(struct port_queue *queue, struct rte_mempool *pool)
{
	if (unlikely(queue->pool != pool)) {
		queue->pool = pool;
		queue->pool_number = port_pool_number(pool);
	}
	return queue->pool_number;
}

static void
set_meta(const struct port *port, struct port_queue *queue, struct rte_mbuf *m, struct packet_meta *meta,
	 uint64_t wall_ns)
{
	uint64_t time_ns = time_of(port, queue, m, wall_ns);
	bool is_plain = mbuf_is_plain(m);

	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0))
		restore_tag(queue, m);
	*meta = (struct packet_meta){
		.time_ns = time_ns,
		.clock_ns = queue->clock_ns,
		.wire_bytes = m->pkt_len,
		.input = port->id,
		.link_type = port->link_type,
		.kind = META_PACKET,
		.has_nanoseconds = !queue->has_microseconds,
		.pool = is_plain ? pool_number(queue, m->pool) : 0,
		.plain_bytes = is_plain ? m->data_len : 0,
		.data = rte_pktmbuf_mtod(m, const uint8_t *),
	};
	if (time_ns > queue->clock_ns)
		queue->clock_ns = time_ns;
}

/* Nobody's cache has the packets. The metadata is made here, in lines that this lcore writes again and again, and not
 * in the mbuf, whose lines whoever frees it may have. */
static void
make_meta(const struct port *port, struct port_queue *queue, struct port_burst *b, unsigned n)
{
	uint64_t wall_ns = clock_wall_ns();

	for (unsigned i = 0; i < n && i < RECEIVED_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(b->mbuf[i], void *));
	for (unsigned i = 0; i < n; i++) {
		if (i + RECEIVED_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(b->mbuf[i + RECEIVED_AHEAD], void *));
		b->meta[i] = &b->space[i];
		set_meta(port, queue, b->mbuf[i], b->meta[i], wall_ns);
	}
}

uint16_t
port_receive(const struct port *port, uint16_t queue, struct port_burst *b, uint16_t n)
{
	struct port_queue *state = &port->queue[queue];

	n = rte_eth_rx_burst(port->id, queue, b->mbuf, n);
	state->received += n;
	if (port->is_replay)
		port_burst_kept(b, n);
	else if (n > 0)
		make_meta(port, state, b, n);
	if (POISON_ENABLED)
		for (uint16_t i = 0; i < n; i++)
			port_poison(b->mbuf[i]);
	return n;
}
