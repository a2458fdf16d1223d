/* Copies of packets that were seen a moment ago: a SPAN port that mirrors both sides of a switch gives each packet
 * twice.
 *
 * A packet is a copy when its IP header (without what routers change: TTL or hop limit, IPv4's checksum) and the 20
 * bytes behind it (TCP's header; UDP's and up to 12 bytes of payload) were there before in the current second or the
 * dedupSeconds - 1 before it. Inner packets of tunnels are compared, not what is around them. Only TCP and UDP. A copy
 * makes nobody remember the packet longer.
 *
 * A worker calls dedup_grow() before a burst, dedup_prefetch_burst() for what it has decoded, then dedup_is_copy() for
 * each packet in order, once, as soon as it has a key (a datagram that was put together gets a dedup_prefetch_burst()
 * of its own before).
 *
 * Threads: one table per worker and no locks; copies have the same flow and so the same owner (dedupVlanVni=false:
 * flow_key_owner() does not look at VLANs). Time: packet time, the same seconds in every worker. Memory: 16 bytes a
 * packet of the window, up to dedupPackets a second; beyond that what is oldest is forgotten, so that a copy may pass,
 * which is counted. */
#ifndef DEDUP_H
#define DEDUP_H

#include "conf.h"
#include "counters.h"
#include "decode.h"

enum { DEDUP_SECONDS_MAX = 30 };

struct dedup_conf {
	bool enabled;
	uint32_t seconds;
	uint32_t packets; /* a second, of all workers */
	bool vlan_vni;
};
extern const struct setting_group dedup_settings_group;

struct dedup_params {
	const struct dedup_conf *conf;
	const struct decode_conf *decode;
	const struct hash_secret *secret;
	struct counters *counters;
	unsigned n_workers; /* that share the packets */
	/* That will come, as far as anybody knows: memory for so many is made at the start. */
	uint64_t packets_about;
};

struct dedup;

/* NULL with errno. */
struct dedup *dedup_create(const struct dedup_params *);
void dedup_destroy(struct dedup *); /* accepts NULL */

/* Makes room for what came lately. Only before a burst: what dedup_prefetch_burst() has marked must have gone through
 * dedup_is_copy(). */
void dedup_grow(struct dedup *);

/* Marks those that can be copies, and asks for the lines of the table that dedup_is_copy() will look at. */
void dedup_prefetch_burst(struct dedup *, struct packet *, unsigned n);

/* True: the packet was there before; it gets the verdict PACKET_DUPLICATE. False: it is remembered. */
bool dedup_is_copy(struct dedup *, struct packet *);

/* The clock starts again: nothing was there before. */
void dedup_reset(struct dedup *);

uint64_t dedup_bytes_max(const struct dedup *);
uint64_t dedup_bytes_in_use(const struct dedup *);

#endif
