/* The key that packets of one session share (RECORD.md 1.12).
 *
 * Endpoints are in canonical order, so both directions give the same key; struct packet.reversed says which one sent.
 * IPv4 addresses are v4-mapped. Protocols without addresses or ports put their id into the address bytes and leave the
 * rest zero. */
#ifndef FLOW_KEY_H
#define FLOW_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct flow_key {
	uint8_t address[2][16];
	uint16_t port[2];    /* host order */
	uint8_t tracking[3]; /* VLAN id or VNI, by sessionIdTracking */
	uint8_t protocol;    /* packet_protocol() id: sessions of different protocols never share a key */
};
_Static_assert(sizeof(struct flow_key) == 40, "hashed and compared as bytes: no padding");

/* A secret for the keyed hash. */
struct hash_secret {
	uint64_t word[4];
};

/* Random, from getrandom(2). */
void hash_secret_init(struct hash_secret *);

/* Keyed, not linear (unlike CRC or Toeplitz, where colliding keys collide under every seed). Never 0. Both hash
 * functions run on every packet: about 2 ns. */
uint32_t flow_key_hash(const struct flow_key *, const struct hash_secret *);

/* The worker that owns a key: the same for everybody in the process, and the same in every run. Sessions that only
 * their VLAN or VNI tells apart have one owner. */
unsigned flow_key_owner(const struct flow_key *, unsigned n_workers);

static inline bool
flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
