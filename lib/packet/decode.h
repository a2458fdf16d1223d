/* Decode: link layer to transport, the enqueue phase.
 *
 * packet_decode() verifies every length before it uses it, fills the packet's decode members and either makes a flow
 * key (verdict PACKET_OK) or says why there is none. Ethertypes, IP protocols and UDP destination ports beyond the
 * built-in ones hook in through PACKET_HOOK(), one file each or a .so (protocol.h); so do tunnels, whose handlers call
 * packet_decode_ethertype() or packet_decode_ip() on what is inside.
 *
 * Threads: pure functions over the packet and a const configuration; any lcore. */
#ifndef DECODE_H
#define DECODE_H

#include "conf.h"
#include "counters.h"
#include "cursor.h"
#include "drop_ips.h"
#include "packet.h"
#include "protocol.h"
#include "rcu.h"

enum { PACKET_DISPATCH_MAX = 12, PACKET_VLAN_MAX = 8, PACKET_HEADER_OFFSET_MAX = 2047 };

/* Ids are 1..: the built-in ones in name order, then those of each .so; 0 is none. */
const struct packet_protocol *packet_protocol(uint8_t id);
uint8_t packet_protocol_find(const char *name); /* 0: no such protocol */
unsigned packet_protocol_count(void);		/* the highest id */

/* What a .so registers (protocol.h), from now on: its ids are given out. At start, before decode_conf_create() and all
 * who ask for protocols by id. One whose name is there already changes nothing, as with parsers. 0, or, with the reason
 * and both names in the log, -EINVAL: something in it makes no sense; -EEXIST: a protocol or tunnel of that name is
 * there already; -ENOSPC. 'path' is for messages and has to stay. */
int packet_register(const struct shrike_plugin *, const char *path);
/* Only what is built in is left. Nobody may be using the rest. */
void packet_unregister(void);

/* Builds the dispatch tables from the registry. NULL as configuration: all defaults. Returns NULL, and the reason in
 * the log, with EINVAL on a bad saveUnknownPackets list or [vlan-vni-collapse] section, EEXIST on two hooks or
 * protocols for one thing, ENOMEM. */
struct decode_conf *decode_conf_create(const struct conf *);
void decode_conf_destroy(struct decode_conf *); /* accepts NULL */

/* packet-drop-ips from now on, also while packets are decoded; NULL: none. 0, and the list belongs to the conf; the one
 * before is freed when no reader can have it any more (rcu.h: whoever decodes has to be one). -ENOSPC or -ENODEV of
 * rcu_replace(): nothing has changed. From any thread that sees no packets. */
int decode_conf_replace_drop_ips(struct decode_conf *, const struct drop_ips *);
/* The same, for rcu_replace_all(). */
struct rcu_change decode_conf_change_of_drop_ips(struct decode_conf *, const struct drop_ips *);
const struct drop_ips *decode_conf_drop_ips(const struct decode_conf *);
/* What another conf says of it: drop_ips_load() with the files that it names. */
int packet_drop_ips_load(const struct conf *, FILE *errors, const struct drop_ips **list);

/* Returns p->verdict. Does not count: see packet_count_verdict(). Sets all decode members but 'hash', which is 0. With
 * trimEthernetPadding it also shortens captured_bytes and wire_bytes. */
enum packet_verdict packet_decode(const struct decode_conf *, struct packet *);

/* A glance at an Ethernet frame before it is a packet, in a third of the time: true when packet_decode() would find a
 * plain IP header, behind two tags at most, with TCP or UDP behind it and would make '*key', with a tracking id of 0.
 * False says nothing. */
bool packet_glance(const struct decode_conf *, const uint8_t *frame, uint32_t bytes, struct flow_key *key);

/* Name of a tunnel by bit number; NULL: there is none. */
const char *packet_tunnel_name(unsigned bit);

/* Ledger: one count per packet that is neither PACKET_OK nor PACKET_FRAGMENT, by name. */
void packet_count_verdict(struct counters *, const struct packet *);

/* Fills tables, ids and hash of the burst's packets from 'first' on, before 'end': decode, then the table's hash for
 * those with a key. In order; in parts, a caller has cache misses of its own to put between. */
void decode_part(const struct decode_conf *, const struct hash_secret *, struct burst *, unsigned first, unsigned end);

#endif
