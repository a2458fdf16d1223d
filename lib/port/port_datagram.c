/* A whole datagram on its way to the worker that owns its flow.
 *
 * It has no mbuf: its bytes lie in the table of fragments of the worker that put it together, until the next fragment
 * comes. So they are copied, into a chain when they are longer than one mbuf. */
#include <errno.h>

#include <rte_mbuf.h>

#include "cursor.h"
#include "poison.h"
#include "port_priv.h"

static struct rte_mbuf *
take_mbuf(struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	/* It may have been freed by somebody who does not know of poison. */
	if (POISON_ENABLED && m != NULL)
		port_unpoison(m);
	return m;
}

/* Appends to a chain and moves '*last' on. False: there is no mbuf. */
static bool
append_bytes(struct rte_mempool *pool, struct rte_mbuf *first, struct rte_mbuf **last, struct cursor c)
{
	while (cursor_left(&c) > 0) {
		size_t size = rte_pktmbuf_tailroom(*last);

		if (size == 0) {
			(*last)->next = take_mbuf(pool);
			if ((*last)->next == NULL)
				return false;
			*last = (*last)->next;
			first->nb_segs++;
			continue;
		}
		if (size > cursor_left(&c))
			size = cursor_left(&c);
		memcpy(rte_pktmbuf_mtod_offset(*last, uint8_t *, (*last)->data_len), cursor_take(&c, size), size);
		(*last)->data_len = (uint16_t)((*last)->data_len + size);
		first->pkt_len += (uint32_t)size;
	}
	return true;
}

static void
set_meta(struct packet_meta *meta, const struct packet *p)
{
	*meta = (struct packet_meta){
		.time_ns = p->time_ns,
		.clock_ns = p->clock_ns,
		.sequence = p->sequence,
		.input_position = p->input_position,
		.wire_bytes = p->wire_bytes,
		.input = p->input,
		.link_type = p->link_type,
		.kind = META_DATAGRAM,
		.has_nanoseconds = p->has_nanoseconds,
	};
}

struct rte_mbuf *
port_copy_datagram(struct rte_mempool *pool, const struct packet *p)
{
	struct rte_mbuf *m, *last;

	if (p->captured_bytes > PACKET_BYTES_MAX - PACKET_DECODED_BYTES) {
		errno = E2BIG;
		return NULL;
	}
	m = take_mbuf(pool);
	last = m;
	if (m == NULL || !append_bytes(pool, m, &last, cursor_make(p->data, p->captured_bytes)) ||
	    !append_bytes(pool, m, &last, cursor_make(&p->verdict, PACKET_DECODED_BYTES))) {
		rte_pktmbuf_free(m);
		errno = ENOBUFS;
		return NULL;
	}
	set_meta(rte_mbuf_to_priv(m), p);
	if (POISON_ENABLED)
		port_poison(m);
	return m;
}
