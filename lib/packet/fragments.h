/* Fragments of IP datagrams, put together (RFC 791 section 3.2, RFC 8200 section 4.5).
 *
 * packet_decode() gives fragments the verdict PACKET_FRAGMENT; fragments_push() takes them, and when a datagram is
 * whole the packet becomes it: the link header and IP header of the fragment that completed it, all bytes behind, and
 * decode's answer for the whole. What it does not keep is counted by reason, so fragments taken = datagrams + joined +
 * drops + held.
 *
 * Threads: one table per worker, no locks; only fragments_held() may be called by others. Ownership: bytes are copied,
 * no mbuf is kept; the bytes of a whole datagram are the table's and valid until the next fragments_push(). Time:
 * packet time. Limits: datagrams (maxFrags), bytes (fragmentMemory) and time (fragsTimeout); beyond them the oldest
 * datagram goes. */
#ifndef FRAGMENTS_H
#define FRAGMENTS_H

#include "conf.h"
#include "counters.h"
#include "decode.h"

/* What fragments that overlap with different bytes make of their datagram. */
enum fragments_overlap {
	FRAGMENTS_REFUSE, /* it counts, but nobody reads it: packet.fragments_differ, payload_bytes is 0 */
	FRAGMENTS_FIRST,  /* the bytes that came first */
	FRAGMENTS_LAST,	  /* those that came last */
	FRAGMENTS_DROP,	  /* it never was, as in the reference */
};

struct fragments_conf {
	uint32_t timeout_s;
	uint32_t max_datagrams; /* of all workers */
	uint64_t memory_bytes;	/* of all workers */
	int overlap;		/* enum fragments_overlap */
};
extern const struct setting_group fragments_settings_group;

struct fragments_params {
	const struct fragments_conf *conf;
	const struct decode_conf *decode;
	const struct hash_secret *secret;
	struct counters *counters;
	unsigned n_workers; /* that share the limits */
};

struct fragments;

/* NULL with errno. */
struct fragments *fragments_create(const struct fragments_params *);
void fragments_destroy(struct fragments *); /* accepts NULL; what is held is lost: fragments_flush() first */

/* A packet whose verdict is PACKET_FRAGMENT. True: it is the whole datagram now, and its verdict is what decode says of
 * that; its hash is not set. False: it was taken, and counted if it is not held. */
bool fragments_push(struct fragments *, struct packet *);

/* Datagrams that began longer ago than fragsTimeout are given up, a bounded number in each call. */
void fragments_expire(struct fragments *, uint64_t clock_ns);

/* All are given up. */
void fragments_flush(struct fragments *);

/* Fragments that wait. */
uint64_t fragments_held(const struct fragments *);

#endif
