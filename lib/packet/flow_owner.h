/* Which worker owns a flow: the same answer everywhere in the process (DESIGN 1).
 *
 * Without a NIC that distributes, the owner is flow_key_owner(). With one, it is the worker of the queue into which the
 * NIC puts both directions of the flow: its symmetric Toeplitz hash and its redirection table (RETA), done again in
 * software. So what the NIC placed is never passed on, and what it cannot place (fragments, inner flows of tunnels,
 * frames of a port without RSS) goes where the NIC puts the rest of the flow.
 *
 * A worker asks after decode, and only when there is more than one:
 *
 *   if (owners->n_workers > 1) owner = flow_owner(owners, &packet->key);
 *
 * Threads: filled once before the workers start (port_start()), then read by all. */
#ifndef FLOW_OWNER_H
#define FLOW_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "flow_key.h"

enum {
	FLOW_SLOTS_MAX = 2048,	    /* the largest RETA of any driver of DPDK 22.11 (ice) */
	FLOW_RSS_SYMMETRIC = 0x6d5a /* the 16 bits that our RSS keys repeat */
};

struct flow_owners {
	unsigned n_workers;
	bool by_rss;
	uint16_t slot_mask;		       /* slots - 1 */
	uint64_t ports_of_ipv4, ports_of_ipv6; /* bit: a protocol id whose packets are hashed with their ports */
	uint16_t high[256], low[256];	       /* Toeplitz of the two bytes that are left of a flow */
	uint8_t slot[FLOW_SLOTS_MAX];	       /* the RETA: the worker of each slot */
};

/* What a NIC does. */
struct flow_rss {
	uint16_t key;	       /* repeated: FLOW_RSS_SYMMETRIC */
	uint16_t n_slots;      /* a power of two, at most FLOW_SLOTS_MAX */
	const uint8_t *worker; /* of each slot */
	/* Packets of which its hash takes the ports too; of all others it takes the addresses. */
	bool tcp_ipv4, udp_ipv4, tcp_ipv6, udp_ipv6;
};

/* Owners by flow_key_owner(). */
void flow_owners_init(struct flow_owners *, unsigned n_workers);

/* From now on as the NIC does. -EINVAL: a number of slots that is no power of two, or a worker that there is not. */
int flow_owners_follow(struct flow_owners *, const struct flow_rss *);

/* The worker for fragments of one datagram, which NICs hash by addresses: 'addresses' are source and destination as in
 * the IP header, 'bytes' is 8 or 32. Both directions give the same. */
unsigned flow_owner_of_addresses(const struct flow_owners *, const uint8_t *addresses, unsigned bytes);

/* Toeplitz with a key that repeats 16 bits, of an input whose 16-bit words add up (xor) to 'word'; the 32-bit hash is
 * this number twice. */
static inline uint16_t
flow_owner_hash(const struct flow_owners *o, uint16_t word)
{
	return o->high[word >> 8] ^ o->low[word & 0xff];
}

/* Addresses as they are in a key, ports when the NIC takes them. The words that v4-mapping adds cancel out. */
static inline uint16_t
flow_owner_fold(const struct flow_owners *o, const struct flow_key *key)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint64_t with_ports =
		memcmp(key->address[0], mapped, sizeof(mapped)) == 0 ? o->ports_of_ipv4 : o->ports_of_ipv6;
	uint64_t word[4];

	memcpy(word, key->address, sizeof(word));
	word[0] ^= word[1] ^ word[2] ^ word[3];
	word[0] ^= word[0] >> 32;
	word[0] ^= word[0] >> 16;
	return (uint16_t)(__builtin_bswap16((uint16_t)word[0]) ^
			  ((key->port[0] ^ key->port[1]) & -(with_ports >> (key->protocol & 63) & 1)));
}

/* About 2 ns. */
static inline unsigned
flow_owner(const struct flow_owners *o, const struct flow_key *key)
{
	if (!o->by_rss)
		return flow_key_owner(key, o->n_workers);
	return o->slot[flow_owner_hash(o, flow_owner_fold(o, key)) & o->slot_mask];
}

#endif
