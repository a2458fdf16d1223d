/* Which worker owns a flow.
 *
 * A Toeplitz key that repeats every 16 bits is what makes the hash symmetric; it also makes it simple. A bit of the
 * input adds the 32 key bits that begin at its place, and those depend on the place within its 16-bit word only: the
 * hash is a linear function of the sum of all words. So the NIC's answer costs two look-ups in 512 bytes each here and
 * not a loop over 300 bits, and it can be computed for every packet rather than be believed: a NIC that places a packet
 * elsewhere than its settings say (a queue of its own for some protocol, a tunnel it looks into) costs a hand-off,
 * never a session that is in two places.
 *
 * What it gives up: 16 bits of entropy. Who knows the key (it is in every manual) can aim at one worker; the session
 * tables are keyed and do not care. */
#include "flow_owner.h"

#include <errno.h>

#include "decode.h"
#include "decode_priv.h"

void
flow_owners_init(struct flow_owners *o, unsigned n_workers)
{
	*o = (struct flow_owners){.n_workers = n_workers};
}

/* Bit 15, the first on the wire, adds the key as it is; each further bit adds it one place on. */
static uint16_t
toeplitz(uint16_t key, uint16_t word)
{
	uint16_t hash = 0;

	for (unsigned bit = 0; bit < 16; bit++)
		if ((word >> (15 - bit) & 1) != 0)
			hash ^= (uint16_t)(key << bit | key >> (16 - bit) % 16);
	return hash;
}

int
flow_owners_follow(struct flow_owners *o, const struct flow_rss *rss)
{
	uint64_t tcp = UINT64_C(1) << packet_protocol_find("tcp"), udp = UINT64_C(1) << packet_protocol_find("udp");

	if (rss->n_slots == 0 || rss->n_slots > FLOW_SLOTS_MAX || (rss->n_slots & (rss->n_slots - 1)) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < rss->n_slots; i++)
		if (rss->worker[i] >= o->n_workers)
			return -EINVAL;
	for (unsigned i = 0; i < 256; i++) {
		o->low[i] = toeplitz(rss->key, (uint16_t)i);
		o->high[i] = toeplitz(rss->key, (uint16_t)(i << 8));
	}
	memcpy(o->slot, rss->worker, rss->n_slots);
	o->slot_mask = rss->n_slots - 1;
	o->ports_of_ipv4 = (rss->tcp_ipv4 ? tcp : 0) | (rss->udp_ipv4 ? udp : 0);
	o->ports_of_ipv6 = (rss->tcp_ipv6 ? tcp : 0) | (rss->udp_ipv6 ? udp : 0);
	o->by_rss = true;
	return 0;
}

unsigned
flow_owner_of_addresses(const struct flow_owners *o, const uint8_t *addresses, unsigned bytes)
{
	const uint8_t *first = addresses, *second = addresses + bytes / 2;
	unsigned skip = 16 - bytes / 2;
	struct flow_key key = {0};

	/* In canonical order: without a NIC the hash is not symmetric by itself. */
	if (memcmp(first, second, bytes / 2) > 0) {
		first = second;
		second = addresses;
	}
	if (skip > 0)
		for (unsigned i = 0; i < 2; i++)
			key.address[i][10] = key.address[i][11] = 0xff;
	memcpy(&key.address[0][skip], first, bytes / 2);
	memcpy(&key.address[1][skip], second, bytes / 2);
	return flow_owner(o, &key);
}
