/* A packet on its way through a worker, and the burst it travels in.
 *
 * Threads: a burst belongs to one worker (or, in the replay role, to it). Nothing in here is shared.
 * Ownership: 'data' points into the mbuf (or into the worker's linear buffer when the mbuf is a chain) and is valid
 * until the burst ends. Time: packet time, nanoseconds since 1970. */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "flow_key.h"
#include "protocol.h"

enum { BURST_MAX = 64, PACKET_BYTES_MAX = 65535, PACKET_NO_OFFSET = 0xffff };

/* What pcap calls LINKTYPE_x: the number in a file header. Only these are decoded. */
enum link_type {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_PPP = 9,
	LINK_RAW_12 = 12, /* DLT_RAW as some systems write it into files */
	LINK_PPP_HDLC = 50,
	LINK_RAW = 101,
	LINK_CISCO_HDLC = 104,
	LINK_FRAME_RELAY = 107,
	LINK_LOOP = 108,
	LINK_LINUX_SLL = 113,
	LINK_IEEE802_11_RADIO = 127,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_NFLOG = 239,
	LINK_ETHERNET_MPACKET = 274,
	LINK_LINUX_SLL2 = 276,
};

/* What was passed on the way to the innermost packet: names that the record gets (packet_tunnel_name()). The bits
 * behind these are given out at start (PACKET_TUNNEL()). */
enum packet_tunnel {
	TUNNEL_GRE = 1 << 0,
	TUNNEL_PPPOE = 1 << 1,
	TUNNEL_PPP = 1 << 2,
	TUNNEL_MPLS = 1 << 3,
	TUNNEL_GTP = 1 << 4,
	TUNNEL_VXLAN = 1 << 5,
	TUNNEL_VXLAN_GPE = 1 << 6,
	TUNNEL_GENEVE = 1 << 7,
	PACKET_OWN_TUNNELS = 8,
};

struct session;
struct rte_mbuf;

/* Three cache lines: what came with it, what decode says of it with the key, and what became of it. */
struct packet {
	/* Set by whoever received it: port_packet(). From time_ns on as in struct packet_meta. */
	const uint8_t *data;
	struct rte_mbuf *mbuf;
	uint64_t time_ns;
	uint64_t clock_ns;	 /* greatest stamp of all packets before this one (DESIGN 2, the clock) */
	uint64_t sequence;	 /* replay: number of the packet in the whole input */
	uint64_t input_position; /* replay: offset of the record (pcapng: of the block) in its file */
	uint32_t wire_bytes;
	uint32_t input; /* replay: index of the input file; else port id */
	uint16_t link_type;
	bool has_nanoseconds; /* the input's stamps are finer than a microsecond */
	uint8_t kind;	      /* enum packet_meta_kind */
	uint32_t captured_bytes;

	/* Set by packet_decode(). */
	uint8_t verdict;       /* enum packet_verdict */
	uint8_t protocol;      /* packet_protocol(): what owns the session */
	bool reversed;	       /* the sender is the key's second endpoint */
	uint8_t ip_version;    /* 4, 6, or 0: no IP header accepted */
	uint8_t ip_protocol;   /* of the last IP header accepted, after extension headers */
	uint8_t traffic_class; /* DSCP << 2 | ECN */
	uint8_t hop_limit;
	uint8_t dispatches;	  /* nesting so far; more than PACKET_DISPATCH_MAX is corrupt */
	bool is_ethernet;	  /* the outer frame is Ethernet: MACs, VLANs and ethertype are looked at */
	uint8_t tcp_flags;	  /* of a TCP packet; else 0 */
	uint16_t frame_offset;	  /* where the outer Ethernet frame begins (after an mPacket preamble) */
	uint16_t ethernet_offset; /* of the innermost Ethernet header, or PACKET_NO_OFFSET */
	uint16_t vlan;		  /* the first tag id that is not zero, outermost first; 0: none */
	bool vlan_from_link;	  /* 'vlan' came from a LINUX_SLL tag or the NIC, not from an Ethernet header */
	bool has_outer;		  /* something of what is around says something: outer_, vni, tunnels */
	uint8_t outer_ip_version; /* 0: there is no IP header around the innermost one */
	bool fragments_differ;	  /* put together by fragments_push() from fragments that contradict each other */
	uint16_t outer_ip_offset;
	uint16_t outer_ethernet_offset; /* of the frame around the innermost one, or PACKET_NO_OFFSET */
	uint32_t vni;
	uint16_t ip_offset;	   /* of the innermost IP header */
	uint16_t tunnels;	   /* of enum packet_tunnel, and what .so files registered */
	uint32_t transport_offset; /* of what follows the IP header and its extensions; non-IP: of the protocol's header
				    */
	uint32_t transport_bytes;  /* from there to the end of the IP packet (non-IP: of the frame) */
	uint32_t payload_offset;   /* after the transport header */
	uint32_t payload_bytes;	   /* what the parsers would get, never beyond the captured bytes */
	uint32_t data_bytes;	   /* what counts as client/server bytes for protocols other than TCP (PARSERS.md) */
	uint32_t hash;
	struct flow_key key;

	/* Set by session_lookup(). */
	struct session *session; /* NULL: none */
	uint8_t direction;	 /* 0: sent by the session's source */
	bool store;		 /* the session wants this packet in the pcap */
	uint32_t store_bytes;	 /* at most so many of it; the writer may take fewer (snapLen) and says so here */

	union {
		/* Set by dedup_prefetch_burst(), for dedup_is_copy(). */
		struct {
			uint64_t copy_tag;
			uint32_t copy_bucket;
		};
		/* Set by session_lookup(), then by writer_append(). */
		struct {
			uint64_t position; /* 0: not stored */
			uint32_t file;	   /* file number; 0: none (dry run, null writer) */
		};
	};
};
_Static_assert(sizeof(struct packet) == 192 && offsetof(struct packet, verdict) == 64, "three cache lines");

/* What decode sets, in one piece. */
enum { PACKET_DECODED_BYTES = offsetof(struct packet, session) - offsetof(struct packet, verdict) };

struct burst {
	struct packet packet[BURST_MAX];
	unsigned n;
} __attribute__((aligned(64)));

/* What came with a packet, 64 bytes. The replay role writes it into the private area of the mbuf; of other ports the
 * worker that receives it has it at hand, and it is in the mbuf only when the packet has to wait (port_keep()). */
enum packet_meta_kind {
	META_PACKET,
	META_DATAGRAM, /* a packet that was put together from fragments; what decode said of it is behind it */
	META_TICK,     /* no packet: the clock has reached clock_ns */
	META_FLUSH,    /* no packet: save all sessions, then start again with the clock at zero */
	META_END,      /* no packet: the input has ended and the clock ended at clock_ns */
};

/* It says all of a plain mbuf that its reader has to know: one segment, bytes of its own, held by nobody else. So
 * nobody but its driver has the mbuf's own line in a cache. */
struct packet_meta {
	uint64_t time_ns;
	uint64_t clock_ns;
	uint64_t sequence;
	uint64_t input_position;
	uint32_t wire_bytes;
	uint32_t input;
	uint16_t link_type;
	bool has_nanoseconds;
	uint8_t kind;
	bool is_fragment;     /* on its way to the worker that puts it together */
	uint8_t pool;	      /* port_pool_number() of a plain mbuf; 0: the mbuf says */
	uint16_t plain_bytes; /* of a plain mbuf's data; 0: the mbuf says */
	union {
		uint64_t arrived_ns; /* monotonic; while it waits for others (mergeWindow) */
		uint32_t view_group; /* replay: whom to tell that a view is free again (replay_views.c) */
	};
	const uint8_t *data; /* of the first segment; no packet: NULL */
};

/* What a packet has of it, in one piece. */
enum { PACKET_META_BYTES = offsetof(struct packet_meta, is_fragment) };
_Static_assert(offsetof(struct packet, captured_bytes) - offsetof(struct packet, time_ns) == PACKET_META_BYTES &&
		       offsetof(struct packet, input) - offsetof(struct packet, time_ns) ==
			       offsetof(struct packet_meta, input),
	       "the same members in the same places");

#endif
