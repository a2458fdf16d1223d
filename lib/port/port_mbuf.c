/* Mbufs: their pools, what a packet is to the layers above, and their poison.
 *
 * Metadata that is kept is in the private area, not in dynfields, of which only four of 8 bytes fit.
 *
 * EAL memory is all one to ASan. In the sanitize build the bytes around a packet are poisoned from reception until the
 * mbuf is freed, so that a read one byte beyond it is a report. They must be given back before: who allocates the mbuf
 * next may be a driver, whose memcpy() is checked. An mbuf somebody else still holds keeps its poison. */
#include <errno.h>

#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "poison.h"
#include "port_packet.h"
#include "port_priv.h"

_Static_assert(sizeof(struct packet_meta) == 64, "one cache line in each mbuf");
_Static_assert(sizeof(struct packet_meta) % RTE_MBUF_PRIV_ALIGN == 0, "as rte_pktmbuf_pool_create() asks");

struct rte_mempool *
port_pool_create_sized(const char *name, uint32_t n_mbufs, unsigned n_lcores, uint32_t data_room_bytes, int socket)
{
	/* A cache holds up to 1.5 times its size, out of reach of the other lcores. */
	unsigned cache = n_mbufs / 8 / (n_lcores != 0 ? n_lcores : 1);

	if (cache > RTE_MEMPOOL_CACHE_MAX_SIZE)
		cache = RTE_MEMPOOL_CACHE_MAX_SIZE;
	return rte_pktmbuf_pool_create(name, n_mbufs, cache, sizeof(struct packet_meta), (uint16_t)data_room_bytes,
				       socket);
}

struct rte_mempool *
port_pool_create(const char *name, uint32_t n_mbufs, unsigned n_lcores, int socket)
{
	return port_pool_create_sized(name, n_mbufs, n_lcores, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
}

void
port_poison(struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		POISON(m->buf_addr, m->data_off);
		POISON(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), rte_pktmbuf_tailroom(m));
	}
}

void
port_unpoison(struct rte_mbuf *m)
{
	for (; m != NULL && rte_mbuf_refcnt_read(m) == 1; m = m->next)
		UNPOISON(m->buf_addr, m->buf_len);
}

/* --- freeing ---------------------------------------------------------------------------------------------------- */

enum { POOLS_MAX = UINT8_MAX };

static struct rte_mempool *pool_of[POOLS_MAX + 1]; /* by number, from 1 on; what is there stays there */
static rte_spinlock_t pools_lock = RTE_SPINLOCK_INITIALIZER;

uint8_t
port_pool_number(struct rte_mempool *pool)
{
	unsigned number = 1;

	rte_spinlock_lock(&pools_lock);
	while (number <= POOLS_MAX && pool_of[number] != NULL && pool_of[number] != pool)
		number++;
	if (number <= POOLS_MAX)
		pool_of[number] = pool;
	rte_spinlock_unlock(&pools_lock);
	return number <= POOLS_MAX ? (uint8_t)number : 0;
}

static inline uint8_t
number_of(const struct port_burst *b, unsigned i)
{
	return b->mbuf[i] != NULL ? b->meta[i]->pool : 0;
}

/* As rte_pktmbuf_free_bulk(), which reads both lines of each mbuf. A plain one has no successor, and its metadata
 * knows the pool. */
static void
burst_free(struct port_burst *b, unsigned at, unsigned end)
{
	for (unsigned first; at < end;) {
		uint8_t number = number_of(b, at);

		first = at++;
		if (unlikely(number == 0)) {
			rte_pktmbuf_free(b->mbuf[first]);
			continue;
		}
		while (at < end && number_of(b, at) == number)
			at++;
		rte_mempool_put_bulk(pool_of[number], (void **)&b->mbuf[first], at - first);
	}
}

void
port_burst_free(struct port_burst *b, unsigned first, unsigned n)
{
	if (POISON_ENABLED)
		for (unsigned i = first; i < first + n; i++)
			port_unpoison(b->mbuf[i]);
	burst_free(b, first, first + n);
}

void
port_free(struct rte_mbuf **mbufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (POISON_ENABLED)
			port_unpoison(mbufs[i]);
		rte_pktmbuf_free(mbufs[i]);
	}
}

/* --- metadata --------------------------------------------------------------------------------------------------- */

void
port_keep(struct rte_mbuf *m, const struct packet_meta *meta)
{
	struct packet_meta *kept = rte_mbuf_to_priv(m);

	if (meta != kept)
		*kept = *meta;
}

void
port_burst_keep(struct port_burst *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		port_keep(b->mbuf[i], b->meta[i]);
	port_burst_kept(b, n);
}

void
port_burst_kept(struct port_burst *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b->meta[i] = rte_mbuf_to_priv(b->mbuf[i]);
}

/* --- packets ---------------------------------------------------------------------------------------------------- */

const uint8_t *
port_linearise(const struct rte_mbuf *m, uint8_t *linear)
{
	uint32_t size = m->pkt_len, at = 0;

	UNPOISON(linear, PACKET_BYTES_MAX);
	for (; m != NULL && m->data_len <= size - at; at += m->data_len, m = m->next)
		memcpy(linear + at, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	POISON(linear + at, PACKET_BYTES_MAX - at);
	return linear;
}

bool
port_packet_of_chain(const struct rte_mbuf *m, uint8_t *linear, struct packet *p)
{
	if (m->pkt_len > PACKET_BYTES_MAX)
		return false;
	p->data = m->nb_segs == 1 ? rte_pktmbuf_mtod(m, const uint8_t *) : port_linearise(m, linear);
	p->captured_bytes = m->pkt_len;
	return true;
}

bool
port_datagram(struct rte_mbuf *m, uint8_t *linear, struct packet *p)
{
	if (m->pkt_len < PACKET_DECODED_BYTES || !port_packet(m, rte_mbuf_to_priv(m), linear, 0, p))
		return false;
	p->captured_bytes -= PACKET_DECODED_BYTES;
	memcpy(&p->verdict, p->data + p->captured_bytes, PACKET_DECODED_BYTES);
	return true;
}
