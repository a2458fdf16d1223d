/* From an mbuf to a packet: what a worker does first with each. Inline, for it is mostly one copy of the metadata.
 *
 * Threads: the worker that received the mbuf. Ownership: the packet points into the mbuf, or into 'linear'. */
#ifndef PORT_PACKET_H
#define PORT_PACKET_H

#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "packet.h"

/* The bytes of a chain, one after another, in 'linear'. */
const uint8_t *port_linearise(const struct rte_mbuf *, uint8_t *linear);

/* Fills p->data and the receive members from an mbuf; a chain is copied into the i-th of the areas of PACKET_BYTES_MAX
 * bytes at 'linear', so two chains in one burst need two of them. False: longer than PACKET_BYTES_MAX (counted as a
 * drop by the caller). */
static inline bool
port_packet(struct rte_mbuf *m, uint8_t *linear, unsigned i, struct packet *p)
{
	if (unlikely(m->pkt_len > PACKET_BYTES_MAX))
		return false;
	if (likely(m->nb_segs == 1))
		p->data = rte_pktmbuf_mtod(m, const uint8_t *);
	else
		p->data = port_linearise(m, linear + (size_t)i * PACKET_BYTES_MAX);
	p->mbuf = m;
	memcpy(&p->time_ns, rte_mbuf_to_priv(m), PACKET_META_BYTES);
	p->captured_bytes = m->pkt_len;
	return true;
}

#endif
