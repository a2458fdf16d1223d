/* What the parts of lib/port share about ethdev ports. */
#ifndef PORT_PRIV_H
#define PORT_PRIV_H

#include <rte_common.h>

#include "port.h"

/* How port_start() tells a replay's port from a net_ring somebody made with --vdev. */
#define REPLAY_PORT_NAME "shrike_replay"

/* Ethernet, two VLANs, CRC: what a frame has beyond its MTU. */
enum { PORT_FRAME_OVERHEAD = 26 };

/* A worker's side of a receive queue. */
struct port_queue {
	uint64_t clock_ns; /* greatest stamp so far */
	uint64_t received;
} __rte_cache_aligned;

/* ASan: nobody may touch an mbuf's head- and tailroom; or everybody may touch all of it. */
void port_poison(struct rte_mbuf *);
void port_unpoison(struct rte_mbuf *);

#endif
