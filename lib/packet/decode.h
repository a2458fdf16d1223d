/* Decode: link layer to transport, the enqueue phase.
 *
 * packet_decode() verifies every length before it uses it, fills the packet's decode members and either makes a flow
 * key (verdict PACKET_OK) or says why there is none. Ethertypes, IP protocols and UDP destination ports beyond the
 * built-in ones hook in through REGISTRY_ADD(packet_hook, ...), one file each; so do tunnels, whose handlers call
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

enum { PACKET_DISPATCH_MAX = 12, PACKET_VLAN_MAX = 8, PACKET_HEADER_OFFSET_MAX = 2047 };

enum session_type { SESSION_TCP, SESSION_UDP, SESSION_ICMP, SESSION_SCTP, SESSION_ESP, SESSION_OTHER, SESSION_TYPES };

/* What owns sessions: tcp, udp, icmp, icmpv6, sctp, arp, igmp, ... One const object each, registered. */
struct packet_protocol {
	const char *name;	 /* "icmpv6" */
	const char *record_name; /* what 'protocol' in the record says: "icmp" */
	enum session_type type;
	uint32_t timeout_s;	     /* default idle timeout */
	const char *timeout_setting; /* the key that overrides it, or NULL */
	bool one_way;		     /* every packet counts as sent by the source, whatever 'reversed' says */
	bool has_addresses;	     /* the record has source.ip ... (when ip_version is not 0) */
	bool has_ports;
};
REGISTRY_DECLARE(packet_protocol, struct packet_protocol);
enum { PACKET_PROTOCOLS_MAX = 64 };

/* Ids are 1.. in name order; 0 is none. */
const struct packet_protocol *packet_protocol(uint8_t id);
uint8_t packet_protocol_find(const char *name); /* 0: no such protocol */
unsigned packet_protocol_count(void);		/* the highest id */

struct decode_conf;

/* A handler gets what follows its header's dispatch point and returns the verdict of the whole packet. PACKET_OK:
 * p->key is set. An ethertype's cursor ends with the frame (padding included), an IP protocol's with the IP packet, a
 * UDP port's with the datagram. */
typedef enum packet_verdict (*packet_handler)(const struct decode_conf *, struct packet *, struct cursor);

enum packet_hook_kind { HOOK_ETHERTYPE, HOOK_IP_PROTOCOL, HOOK_UDP_PORT };

struct packet_hook {
	enum packet_hook_kind kind;
	uint16_t number;
	packet_handler handle;
	const char *parser; /* disableParsers "NAME.so" switches the hook off; NULL: always on */
};
REGISTRY_DECLARE(packet_hook, struct packet_hook);

/* Builds the dispatch tables from the registry. NULL as configuration: all defaults. Returns NULL, and the reason in
 * the log, with EINVAL on a bad saveUnknownPackets list or [vlan-vni-collapse] section, EEXIST on two hooks or
 * protocols for one thing, ENOMEM. */
struct decode_conf *decode_conf_create(const struct conf *);
void decode_conf_destroy(struct decode_conf *); /* accepts NULL */

/* packet-drop-ips from now on; NULL: none. Returns the list before, which other threads may be using still. */
const struct drop_ips *decode_conf_exchange_drop_ips(struct decode_conf *, const struct drop_ips *);

/* Returns p->verdict. Does not count: see packet_count_verdict(). Sets all decode members but 'hash', which is 0. With
 * trimEthernetPadding it also shortens captured_bytes and wire_bytes. */
enum packet_verdict packet_decode(const struct decode_conf *, struct packet *);

/* The bytes of a cursor on their way from one header to the next, in two registers. A struct cursor is passed on the
 * stack, and who passes it on copies it by loads wider than the stores of its members, which each time wait for those
 * to reach the cache: 60 ns for four tunnels. */
struct span {
	const uint8_t *bytes;
	size_t size;
};

static inline struct span
span_of(struct cursor c)
{
	return (struct span){c.p, cursor_left(&c)};
}

enum packet_verdict packet_decode_ethertype_in(const struct decode_conf *, struct packet *, uint16_t ethertype,
					       struct span);

/* For handlers of tunnels and of protocols that carry others. */
static inline enum packet_verdict
packet_decode_ethertype(const struct decode_conf *conf, struct packet *p, uint16_t ethertype, struct cursor c)
{
	return packet_decode_ethertype_in(conf, p, ethertype, span_of(c));
}
enum packet_verdict packet_decode_ethernet(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ipv4(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ipv6(const struct decode_conf *, struct packet *, struct cursor);

/* Names of enum packet_tunnel, by bit number. */
extern const char *const packet_tunnel_names[PACKET_TUNNELS];

/* Key makers for handlers: endpoints of the innermost IP header plus ports, in canonical order and with the tracking
 * bytes; or an opaque id of up to 32 bytes. Both set p->protocol and p->reversed. */
void packet_key_endpoints(const struct decode_conf *, struct packet *, uint8_t protocol, uint16_t source_port,
			  uint16_t destination_port);
void packet_key_opaque(struct packet *, uint8_t protocol, const void *id, unsigned size);

/* Ledger: one count per packet that is neither PACKET_OK nor PACKET_FRAGMENT, by name. */
void packet_count_verdict(struct counters *, const struct packet *);

/* Fills tables, ids and hash of every packet of the burst: decode, then the table's hash for those with a key. */
void decode_burst(const struct decode_conf *, const struct hash_secret *, struct burst *);

#endif
