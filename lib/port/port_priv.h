/* What the parts of lib/port share about ethdev ports. */
#ifndef PORT_PRIV_H
#define PORT_PRIV_H

#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "port.h"

/* How port_start() tells a replay's port from a net_ring somebody made with --vdev. */
#define REPLAY_PORT_NAME "shrike_replay"

/* Ethernet, two VLANs, CRC: what a frame has beyond its MTU. */
enum { PORT_FRAME_OVERHEAD = 26 };

/* A worker's side of a receive queue. */
struct port_queue {
	uint64_t clock_ns; /* greatest stamp so far */
	uint64_t received;
	uint64_t far_stamps;   /* device stamps that no unit brings near the clock */
	uint64_t lost_tags;    /* VLAN tags that the device took off and that did not fit on again */
	uint8_t unit;	       /* enum stamp_unit */
	bool has_microseconds; /* the last stamp of a capture file was no finer */
	uint8_t pool_number;
	struct rte_mempool *pool; /* of the last mbuf; 'pool_number' is its number */
} __rte_cache_aligned;

/* Software drivers whose queues somebody else fills. */
bool port_filled_by_others(const struct rte_eth_dev_info *);

/* Offloads, frame size, queues: 'rss' is NULL without RSS. 0, or a negative errno and 'what' failed. */
int port_configure(struct port *, const struct rte_eth_dev_info *, const struct port_params *,
		   const struct rte_eth_rss_conf *rss, const char **what);

/* One segment with bytes of its own, that nobody else holds. */
static inline bool
mbuf_is_plain(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/* A pool's number for struct packet_meta: one each, for good. 0: there are too many. Any thread. */
uint8_t port_pool_number(struct rte_mempool *);

/* Time stamps: after the device was started, and whenever control looks. */
void port_time_start(struct port *);
void port_time_tick(struct port *);

/* The link. */
void port_link_start(struct port *, const struct rte_eth_dev_info *);
void port_link_tick(struct port *);
void port_link_stop(struct port *);

/* What the kernel counted on the sockets of net_af_packet, which does not ask. False: no such sockets. */
void port_sockets_find(struct port *, const struct rte_eth_dev_info *);
bool port_sockets_read(struct port *, uint64_t *delivered, uint64_t *dropped);

/* What the kernel dropped in front of net_tap, which does not ask either. False: another driver, or the device is gone.
 */
void port_tap_find(struct port *, const struct rte_eth_dev_info *);
bool port_tap_read(const struct port *, uint64_t *dropped);

/* ASan: nobody may touch an mbuf's head- and tailroom; or everybody may touch all of it. */
void port_poison(struct rte_mbuf *);
void port_unpoison(struct rte_mbuf *);

#endif
