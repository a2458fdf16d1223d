/* The packet interface: ethertypes, IP protocols and UDP ports of one's own, and what owns their sessions.
 *
 * Decode goes from the outer header to the inner one. What it meets that Shrike does not read by itself belongs to a
 * hook: a handler for one ethertype, one IP protocol or one UDP destination port. A handler checks its header and does
 * one of two things:
 *
 *   it makes the key of a session      packet_key_endpoints() or packet_key_opaque(), for a packet protocol that says
 *                                      what its sessions are; then PACKET_OK
 *   it is a tunnel                     packet_enter_tunnel(), then it returns what packet_decode_ethertype() or another
 *                                      of these says of what is inside
 *
 * or it says why not. Everything built in is registered in this way too; a .so adds the same objects (plugin.h) and
 * needs no other file of ours:
 *
 *   static const struct packet_protocol hello = {.name = "hello", .record_name = "hello", .type = SESSION_OTHER,
 *                                                .timeout_s = 60};
 *   PACKET_PROTOCOL(hello);
 *
 *   static enum packet_verdict
 *   handle_hello(const struct decode_conf *conf, struct packet *p, struct cursor c)
 *   {
 *           const uint8_t *id = cursor_take(&c, 4);
 *
 *           if (id == NULL)
 *                   return PACKET_CORRUPT;
 *           packet_key_opaque(p, PACKET_PROTOCOL_ID(hello), id, 4);
 *           packet_set_payload(p, c);
 *           return PACKET_OK;
 *   }
 *   static const struct packet_hook hello_hook = {.kind = HOOK_ETHERTYPE, .number = 0x88b5, .handle = handle_hello,
 *                                                 .parser = "hello"};
 *   PACKET_HOOK(hello_hook);
 *
 * A parser with a rule {.session = "hello"} (parser.h) gets the payload of these sessions, packet by packet, and fills
 * their records. What the reference calls pre-process is done by the handler (direction, payload, bytes that count),
 * process by the parser, and free by nobody: a parser's memory goes back by itself.
 *
 * Threads: a handler runs on any worker, for some packets on two of them (the one that receives, then the one that owns
 * the session), so it is a pure function of the packet: no state, or state that never changes. Ownership: the packet
 * and its bytes are borrowed for the call. Cost: once for every such packet; no system call, lock, log or malloc.
 * Nesting is bounded: behind more than 12 dispatches a packet is corrupt. Errors: two hooks for one number, or two
 * protocols or tunnels of one name, are an error at start that names both; disableParsers=NAME.so switches hooks of
 * that 'parser' off, ours too, so that another can have their number. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"
#include "plugin.h"

struct packet;
struct decode_conf;

/* How the session table treats a session: its limit of maxStreams, its counters. Packets of types TCP and SCTP are put
 * into order by their headers, so these two are for the protocols of that name alone. SESSION_UDP: the payload is a
 * datagram, classified for all parsers. */
enum session_type { SESSION_TCP, SESSION_UDP, SESSION_ICMP, SESSION_SCTP, SESSION_ESP, SESSION_OTHER, SESSION_TYPES };

/* What owns sessions: tcp, udp, icmp, icmpv6, sctp, arp, igmp, ... One const object each, registered. */
struct packet_protocol {
	const char *name;	 /* "icmpv6" */
	const char *record_name; /* what 'protocol' in the record says: "icmp" */
	enum session_type type;
	uint32_t timeout_s; /* default idle timeout */
	/* The setting that overrides it, one of tcpTimeout, udpTimeout, icmpTimeout, sctpTimeout, espTimeout,
	 * dhcpTimeout; NULL: none does. */
	const char *timeout_setting;
	bool one_way;	    /* every packet counts as sent by the source, whatever 'reversed' says */
	bool has_addresses; /* the record has source.ip ... (of packets with an IP header) */
	bool has_ports;	    /* the two of packet_key_endpoints(); with an opaque key those of the UDP header */
};
#define PACKET_PROTOCOL(object) REGISTRY_ADD(packet_protocol, object)
/* The id of a protocol that is registered in the same file; 0 before start. */
#define PACKET_PROTOCOL_ID(object)                                                                                     \
	packet_protocol_ids[&registry_packet_protocol_##object - __start_registry_packet_protocol]

/* What decode found. Everything but PACKET_OK is counted by name, and stored and recorded only when
 * 'saveUnknownPackets' says so (then decode has made a key for one of the protocols unknown-ether, unknown-ip,
 * corrupt-ether, corrupt-ip, and the verdict is PACKET_OK). */
enum packet_verdict {
	PACKET_OK,
	PACKET_CORRUPT,	      /* headers or lengths contradict each other */
	PACKET_UNKNOWN_ETHER, /* nobody reads this link type, ethertype or LLC protocol */
	PACKET_UNKNOWN_IP,    /* this IP protocol; from a UDP port's handler: not mine, an ordinary datagram */
	/* Not for handlers, but they may come back from what is inside a tunnel. */
	PACKET_FRAGMENT,  /* for fragments_push(), which counts it */
	PACKET_FILTERED,  /* by an address of packet-drop-ips */
	PACKET_DUPLICATE, /* dedup_is_copy() */
	PACKET_ELSEWHERE, /* said by a worker, not by decode: another one owns its flow */
};

/* A handler gets what follows its header's dispatch point and returns the verdict of the whole packet. PACKET_OK: a key
 * was made (without one it is corrupt). An ethertype's cursor ends with the frame (padding included), an IP protocol's
 * with the IP packet, a UDP port's with the datagram. */
typedef enum packet_verdict (*packet_handler)(const struct decode_conf *, struct packet *, struct cursor);

enum packet_hook_kind { HOOK_ETHERTYPE, HOOK_IP_PROTOCOL, HOOK_UDP_PORT, PACKET_HOOK_KINDS };

struct packet_hook {
	enum packet_hook_kind kind;
	uint16_t number;
	packet_handler handle;
	const char *parser; /* disableParsers "NAME.so" switches the hook off; NULL: always on */
};
#define PACKET_HOOK(object) REGISTRY_ADD(packet_hook, object)

/* A tunnel's name, which 'protocol' in the records of the sessions inside it gets. Eight are built in; there is room
 * for eight more. */
struct packet_tunnel_name {
	const char *name;
};
#define PACKET_TUNNEL(object) REGISTRY_ADD(packet_tunnel_name, object)
#define PACKET_TUNNEL_BIT(object)                                                                                      \
	packet_tunnel_bits[&registry_packet_tunnel_name_##object - __start_registry_packet_tunnel_name]

/* ---- What a handler may ask */

/* Of the innermost Ethernet header so far, destination then source, 6 bytes each; NULL: there is none. */
const uint8_t *packet_macs(const struct packet *);
/* Of the innermost IP header so far, source then destination, of 'bytes' 8 or 32 together; NULL and 0: there is none.
 */
const uint8_t *packet_ip_addresses(const struct packet *, unsigned *bytes);
/* The first VLAN id that is not zero, outermost first; 0: none. */
uint16_t packet_vlan_id(const struct packet *);

/* ---- What it may say */

/* Key makers: endpoints of the innermost IP header plus ports (0 where there are none), in canonical order and with the
 * bytes of sessionIdTracking, so that both directions share a session; or an opaque id of up to 32 bytes, which is
 * whatever is the same in all packets of a session. */
void packet_key_endpoints(const struct decode_conf *, struct packet *, uint8_t protocol, uint16_t source_port,
			  uint16_t destination_port);
void packet_key_opaque(struct packet *, uint8_t protocol, const void *id, unsigned size);

/* Which way a packet with an opaque key went, after packet_key_opaque(), which says false. The first packet of a
 * session decides which of the two ways is that of its source. */
void packet_set_reversed(struct packet *, bool reversed);

/* What parsers get and what counts as the session's data bytes; a part of the handler's cursor. Without this call
 * parsers get all of the handler's cursor and no bytes count. */
void packet_set_payload(struct packet *, struct cursor payload);

/* A tunnel was entered; 'vni': of the virtual network, 0: none. */
void packet_enter_tunnel(struct packet *, uint16_t bit, uint32_t vni);

/* ---- What is inside. Each returns the verdict of the whole packet. */

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
static inline enum packet_verdict
packet_decode_ethertype(const struct decode_conf *conf, struct packet *p, uint16_t ethertype, struct cursor c)
{
	return packet_decode_ethertype_in(conf, p, ethertype, span_of(c));
}

enum packet_verdict packet_decode_ethernet(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ipv4(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ipv6(const struct decode_conf *, struct packet *, struct cursor);
/* IPv4 or IPv6 by the first four bits; 'otherwise' when they are neither. */
enum packet_verdict packet_decode_ip(const struct decode_conf *, struct packet *, struct cursor,
				     enum packet_verdict otherwise);
/* What follows an IP header, as that of AH does; the cursor ends with the IP packet. */
enum packet_verdict packet_decode_ip_protocol_in(const struct decode_conf *, struct packet *, uint8_t protocol,
						 struct span);
static inline enum packet_verdict
packet_decode_ip_protocol(const struct decode_conf *conf, struct packet *p, uint8_t protocol, struct cursor c)
{
	return packet_decode_ip_protocol_in(conf, p, protocol, span_of(c));
}

#endif
