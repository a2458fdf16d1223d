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

/* Of a packet whose mbuf is not plain: false when it is too long. */
bool port_packet_of_chain(const struct rte_mbuf *, uint8_t *linear, struct packet *);

static inline uint32_t
port_packet_bytes(const struct rte_mbuf *m, const struct packet_meta *meta)
{
	return likely(meta->plain_bytes != 0) ? meta->plain_bytes : m->pkt_len;
}

/* Fills p->data and the receive members from an mbuf and its metadata; a chain is copied into the i-th of the areas of
 * PACKET_BYTES_MAX bytes at 'linear', so two chains in one burst need two of them. False: longer than PACKET_BYTES_MAX
 * (counted as a drop by the caller). */
static inline bool
port_packet(struct rte_mbuf *m, const struct packet_meta *meta, uint8_t *linear, unsigned i, struct packet *p)
{
	p->mbuf = m;
	memcpy(&p->time_ns, meta, PACKET_META_BYTES);
	p->data = meta->data;
	p->captured_bytes = meta->plain_bytes;
	return likely(meta->plain_bytes != 0) || port_packet_of_chain(m, linear + (size_t)i * PACKET_BYTES_MAX, p);
}

#endif
