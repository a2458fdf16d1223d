/* What the files of this folder share. */
#ifndef DECODE_PRIV_H
#define DECODE_PRIV_H

#include "decode.h"
#include "disabled.h"
#include "rcu.h"

enum {
	ETHERTYPE_HANDLERS_MAX = 64,
	UDP_PORT_HANDLERS_MAX = 32,
	COLLAPSE_MAX = 65536,

	IP_PROTOCOL_HOPOPTS = 0,
	IP_PROTOCOL_ICMP = 1,
	IP_PROTOCOL_IGMP = 2,
	IP_PROTOCOL_IPV4 = 4,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	IP_PROTOCOL_IPV6 = 41,
	IP_PROTOCOL_ROUTING = 43,
	IP_PROTOCOL_FRAGMENT = 44,
	IP_PROTOCOL_GRE = 47,
	IP_PROTOCOL_ESP = 50,
	IP_PROTOCOL_AH = 51,
	IP_PROTOCOL_ICMPV6 = 58,
	IP_PROTOCOL_DSTOPTS = 60,
	IP_PROTOCOL_OSPF = 89,
	IP_PROTOCOL_PIM = 103,
	IP_PROTOCOL_SCTP = 132,

	/* Pseudo ethertypes of the reference (FEATURES.md 6, step 2). */
	ETHERTYPE_PSEUDO_ETHERNET = 0,
	ETHERTYPE_PSEUDO_UNKNOWN = 1,
	ETHERTYPE_PSEUDO_NEXT = 2,
	ETHERTYPE_PSEUDO_CORRUPT = 3,
	ETHERTYPE_PSEUDO_XID = 4,
	ETHERTYPE_ISIS = 0x0083,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_TRANSPARENT_ETHERNET = 0x6558,
	ETHERTYPE_FRAME_RELAY = 0x6559,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_ERSPAN_III = 0x22eb,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_PPP = 0x880b,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_PPPOE = 0x8864,
	ETHERTYPE_ERSPAN = 0x88be,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
	ETHERTYPE_LLDP = 0x88cc,
	ETHERTYPE_CISCO_METADATA = 0x8909,
	ETHERTYPE_ESIS = 0x890d,
	ETHERTYPE_NSH = 0x894f,

	ETHERNET_HEADER_BYTES = 14,
	IPV4_HEADER_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
	TCP_HEADER_BYTES = 20,
	UDP_HEADER_BYTES = 8,
};

enum packet_tracking { TRACKING_NONE, TRACKING_VLAN, TRACKING_VNI };

struct decode_settings {
	struct conf_list save_unknown_packets;
	struct disabled_names disabled;
	int tracking; /* enum packet_tracking */
	bool trim_ethernet_padding;
	bool track_esp;
	bool keep_ipv4_fragments, keep_ipv6_fragments;
	struct conf_list drop_ips_files;
};

/* What saveUnknownPackets asks for. */
struct save_unknown {
	uint64_t ethertype[65536 / 64];
	uint64_t ip_protocol[256 / 64];
	bool corrupt;
};

/* [vlan-vni-collapse]: sorted by 'from'. */
struct collapse {
	uint32_t from, to;
};

struct decode_conf {
	bool fast; /* no setting forbids packet_decode_fast() */
	bool trim_ethernet_padding;
	bool track_esp;
	bool keep_ipv4_fragments, keep_ipv6_fragments; /* not to be put together */
	bool tracks;				       /* keys have tracking bytes */
	uint8_t tracking;			       /* enum packet_tracking */
	uint8_t tcp, udp;			       /* protocol ids */
	void *_Atomic drop_ips;			       /* struct drop_ips; NULL: none; decode_conf_replace_drop_ips() */
	uint32_t n_collapse;
	struct collapse *collapse;
	unsigned n_ethertypes, n_udp_ports;
	packet_handler ethertype[ETHERTYPE_HANDLERS_MAX]; /* [0]: none */
	packet_handler ip_protocol[256];
	uint64_t udp_port_bits[65536 / 64]; /* 8 KB that stay in the cache; a handler is searched on a hit only */
	struct {
		uint16_t number;
		packet_handler handle;
	} udp_port[UDP_PORT_HANDLERS_MAX];
	struct save_unknown save;
	uint8_t ethertype_slot[65536];
};

static inline bool
bit_test(const uint64_t *bits, unsigned i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static inline void
bit_set(uint64_t *bits, unsigned i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void
bit_clear(uint64_t *bits, unsigned i)
{
	bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* packet-drop-ips as it is now, for this packet; NULL: none. */
static inline const struct drop_ips *
packet_drop_ips(const struct decode_conf *conf)
{
	return rcu_get(&conf->drop_ips);
}

/* Where the cursor stands in the packet. */
static inline uint32_t
packet_offset(const struct packet *p, const struct cursor *c)
{
	return (uint32_t)(c->p - p->data);
}

static inline struct cursor
span_cursor(struct span s)
{
	return cursor_make(s.bytes, s.size);
}

/* The captured bytes from 'offset' on. */
static inline struct cursor
packet_from(const struct packet *p, uint32_t offset)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);

	cursor_skip(&c, offset);
	return c;
}

/* False: too many protocols, or a name twice. */
bool packet_protocols_valid(void);
/* A protocol of a .so, which there is room for and no other one of its name; returns its id. */
uint8_t packet_protocol_add(const struct packet_protocol *);
/* All that were added. */
void packet_protocols_forget(void);

/* Every hook, built in and of .so files, until one call does not return 0; what that returned. */
int packet_hooks_each(int (*each)(void *context, const struct packet_hook *), void *context);
/* Whose it is, for messages: "shrike's lldp", "acme (/path/acme.so)". */
void packet_hook_print(const struct packet_hook *, char *out, size_t size);

/* Decoders of link types; each gets the whole frame. */
enum packet_verdict packet_decode_sll(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_sll2(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_null(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_raw_ip(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_frame_relay(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_radiotap(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_nflog(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ppp(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_ppp_hdlc(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_cisco_hdlc(const struct decode_conf *, struct packet *, struct cursor);
enum packet_verdict packet_decode_mpacket(const struct decode_conf *, struct packet *, struct cursor);

/* What follows a PPP protocol number: IPv4, IPv6, or an unknown ethertype. */
enum packet_verdict packet_decode_ppp_protocol(const struct decode_conf *, struct packet *, uint16_t protocol,
					       struct cursor);

/* A tunnel was entered. */
static inline void
packet_tunnel(struct packet *p, enum packet_tunnel tunnel)
{
	p->tunnels |= (uint16_t)tunnel;
	p->has_outer = true;
}

static inline void
packet_vni(struct packet *p, uint32_t vni)
{
	p->vni = vni;
	p->has_outer = true;
}

/* The path for every kind of packet; packet_decode() takes a shorter one where it gives the same. */
enum packet_verdict packet_decode_general(const struct decode_conf *, struct packet *);

/* The shorter path. False: not one of its packets, or not a good one; the decode members are then undefined. */
bool packet_decode_fast(const struct decode_conf *, struct packet *);

enum packet_verdict packet_decode_tcp(const struct decode_conf *, struct packet *);
enum packet_verdict packet_decode_udp(const struct decode_conf *, struct packet *, struct span);
enum packet_verdict packet_decode_ipv4_in(const struct decode_conf *, struct packet *, struct span);
enum packet_verdict packet_decode_ipv6_in(const struct decode_conf *, struct packet *, struct span);

/* An IP header whose lengths are right: 'bytes' with its payload. Cuts the padding behind an outermost one if asked to.
 */
void packet_ip_accept(const struct decode_conf *, struct packet *, uint8_t version, uint32_t offset, uint32_t bytes);

/* Sets p->transport_* to the cursor and the payload to all of it. */
static inline void
packet_set_transport(struct packet *p, const struct cursor *c)
{
	p->transport_offset = p->payload_offset = packet_offset(p, c);
	p->transport_bytes = p->payload_bytes = (uint32_t)cursor_left(c);
}

/* A type without handler: a session where saveUnknownPackets says so, else the verdict. */
enum packet_verdict packet_unknown_ethertype(const struct decode_conf *, struct packet *, uint16_t ethertype);
enum packet_verdict packet_unknown_ip_protocol(const struct decode_conf *, struct packet *, uint8_t protocol);

/* Makes a session of a corrupt packet. False: it has not even the bytes for a key. */
bool packet_key_corrupt(struct packet *);

/* Fills 'out' from the items of saveUnknownPackets. False: *bad is the item that means nothing. */
bool save_unknown_parse(const struct conf_list *, struct save_unknown *out, const char **bad);

/* decode_conf_create() with these settings; the second argument, which may be NULL, gives [vlan-vni-collapse] only. */
struct decode_conf *decode_conf_create_from(const struct decode_settings *, const struct conf *);

/* 0, -EEXIST (that number has a handler), -ENOSPC or -EINVAL. */
int decode_conf_add_hook(struct decode_conf *, const struct packet_hook *);

/* Reads [vlan-vni-collapse]. 0, -EINVAL, -ENOSPC or -ENOMEM, and the reason in the log. */
int collapse_load(const struct conf *, struct decode_conf *);
int collapse_add(struct decode_conf *, uint32_t from, uint32_t to);
void collapse_sort(struct decode_conf *); /* after the last collapse_add() */

/* Addresses as they are in the packet, so that each direction has a session of its own; 'number' tells sessions between
 * the same addresses apart. No tracking bytes. */
void packet_key_sender_first(struct packet *, uint8_t protocol, uint16_t number);

/* The tracking bytes as one number. */
uint32_t packet_tracking_id(const struct decode_conf *, const struct packet *);

#define PROTOCOL_OTHER(symbol, name_, addresses_, timeout_s_)                                                          \
	static const struct packet_protocol symbol = {                                                                 \
		.name = name_,                                                                                         \
		.record_name = name_,                                                                                  \
		.type = SESSION_OTHER,                                                                                 \
		.timeout_s = timeout_s_,                                                                               \
		.one_way = true,                                                                                       \
		.has_addresses = addresses_,                                                                           \
	};                                                                                                             \
	PACKET_PROTOCOL(symbol)

#define HOOK(symbol, kind_, number_, handle_, parser_)                                                                 \
	static const struct packet_hook symbol = {                                                                     \
		.kind = kind_, .number = number_, .handle = handle_, .parser = parser_};                               \
	PACKET_HOOK(symbol)

#endif
