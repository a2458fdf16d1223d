/* What the files of lib/session share: the memory of a session and of the table. */
#ifndef SESSION_PRIV_H
#define SESSION_PRIV_H

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "buckets.h"
#include "positions.h"
#include "record_id.h"
#include "session.h"
#include "wheel.h"

enum {
	FIRST_PACKETS = 10, /* of each direction and interval: MACs, TTL, ... are looked at (PARSERS 0.5) */
	ICMP_INLINE_VALUES = 6,
	PAYLOAD8_BYTES = 8,
};

/* struct session.flags. Those with _0 have a twin for direction 1 in the next bit. */
enum {
	SESSION_REVERSED = 1 << 0, /* the source is the key's second endpoint */
	SESSION_IPV4 = 1 << 1,
	SESSION_IPV6 = 1 << 2,
	SESSION_CLOSING = 1 << 3,      /* ends tcpClosingTimeout after start.close_s */
	SESSION_LATE = 1 << 4,	       /* attachment.active_s counts */
	SESSION_IN_RECORD = 1 << 5,    /* the first packets' values are in attachment.record */
	SESSION_LIMITED = 1 << 6,      /* attachment.store_max counts */
	SESSION_STOPPED = 1 << 7,      /* no more packets are stored */
	SESSION_STORE_FAILED = 1 << 8, /* a packet could not be stored */
	SESSION_LINKED = 1 << 9,       /* was mid-saved: attachment.save_s and root_id count */
	SESSION_ENDPOINTS = 1 << 10,   /* addresses and ports are in the attachment, the key holds something else */
	TCP_TIMED = 1 << 11,	       /* due for mid-saves by time */
	TCP_STARTED = 1 << 12,	       /* a SYN or SYN-ACK was seen, ever */
	TCP_SYN_ACK_FIRST = 1 << 13,
	TCP_ACK_TIMED = 1 << 14,
	TCP_SYN_VALIDATED = 1 << 15,
	TCP_SYN_ACK_VALIDATED = 1 << 16,
	TCP_SYN_FROM_1 = 1 << 17, /* the client's ISN is isn[1] */
	TCP_SYN_SEEN_0 = 1 << 18,
	TCP_SYN_ACK_SEEN_0 = 1 << 20,
	TCP_FIN_0 = 1 << 22,		   /* state FIN */
	TCP_FIN_ACKED_0 = 1 << 24,	   /* state FIN_ACK */
	SCTP_TSN_KNOWN_0 = TCP_SYN_SEEN_0, /* tcp_next is the TSN expected */
	SESSION_WANTS_SAVE = 1 << 26,	   /* a field has grown: mid-save with the next packet */
	TCP_HELD = 1 << 27,		   /* attachment.queue is not empty */
	TCP_STOPPED = 1 << 28,		   /* given up: flags are counted, nothing else (SCTP too) */
	SESSION_NO_PAYLOAD = 1 << 29,	   /* nobody wants it */
	TCP_MIDSTREAM = 1 << 30,	   /* tcp_next comes from a segment, not from a SYN */
	TCP_SYNCHRONISED = TCP_STARTED | TCP_MIDSTREAM,

	/* What a mid-save forgets of TCP (RECORD 1.8). */
	TCP_INTERVAL_FLAGS =
		TCP_ACK_TIMED | TCP_SYN_VALIDATED | TCP_SYN_ACK_VALIDATED | 3 * TCP_SYN_SEEN_0 | 3 * TCP_SYN_ACK_SEEN_0,
};

/* Mid-save with the first packet after attachment.save_after_s. (No constant of an enum: those are signed.) */
#define SESSION_SAVE_AFTER (UINT32_C(1) << 31)

/* struct session.seen */
enum {
	SEEN_TTL_0 = 1 << 0,
	SEEN_MAC_0 = 1 << 2,
	SEEN_VLAN = 1 << 4,
	SEEN_ETHERTYPE = 1 << 5,
	SEEN_OTHER_MAC_0 = 1 << 6, /* attachment.other_mac is in the record */
	SEEN_PEER_MAC_0 = 1 << 8,  /* the first MAC of the other side was seen on this one too */
	/* Of overload, for want of a place elsewhere. */
	SHED_PARSING = 1 << 10,
	SHED_PAYLOAD = 1 << 11,
	SHED_BEGAN = 1 << 12,	/* while new sessions were refused */
	SEEN_OUTER_0 = 1 << 13, /* session_outer of the direction is what its last packet had */
	SEEN_OUTER = 1 << 15,	/* they are in use */
};

/* Counters whose low byte is in the session. */
enum { TCP_LOW_SYN, TCP_LOW_SYN_ACK, TCP_LOW_FIN, TCP_LOW_RST, TCP_LOW_COUNTS };

/* Two cache lines: what every packet needs, and what it only writes. Index 0 is the source's direction. */
struct session {
	struct flow_key key;
	uint64_t last_ns;
	uint32_t tcp_next[2]; /* next sequence number expected; 0: none */
	uint16_t packets[2];  /* of this interval, at most maxPackets */
	uint32_t flags;

	uint32_t bytes[2];
	struct wheel_link link;
	struct position_list positions;
	uint16_t tcp_ack, tcp_psh;
	uint8_t tcp_low[TCP_LOW_COUNTS];
	uint32_t attachment; /* 0: none */
	uint8_t isn_count, ip_protocol;
	uint16_t seen; /* which values of 'start' are set */
};
_Static_assert(sizeof(struct session) == 128 && offsetof(struct session, bytes) == 64, "two cache lines");

/* Looked at for the first packets, for SYNs, and when the session is saved. What each of the first packets needs lies
 * in the first 16 bytes, which are never spread over two cache lines. */
struct session_start {
	uint8_t mac[2][6];
	uint8_t ttl[2];
	uint8_t dscp[2];
	uint64_t first_ns;
	union {
		struct {
			uint32_t isn[2];
			uint32_t syn_ms, ack_ms; /* after first_ns, plus 1; 0: not seen */
		} tcp;
		struct {
			uint8_t first_type, first_code; /* for the Community ID */
			uint8_t n_types, n_codes;
			uint8_t type[ICMP_INLINE_VALUES], code[ICMP_INLINE_VALUES];
		} icmp;
	};
	uint32_t close_s; /* second in which the session was marked for closing, modulo 2^32 */
	uint16_t ethertype;
	uint16_t vlan; /* id and enum vlan_kind */
};
_Static_assert(sizeof(struct session_start) == 48, "192 bytes a session: 128 + 48 + 10 to 15 of buckets");

/* Which fields beside network.vlan.id a VLAN id goes to. */
enum vlan_kind { VLAN_DOT1Q = 1 << 12, VLAN_DOT1AD = 1 << 13, VLAN_ID_MASK = 0x0fff };

enum { OUTER_TAGS = 6 };

/* What lies around the innermost packet, and VLAN tags beside start.vlan: one cache line for each direction. Touched
 * only by sessions that have any of it. */
struct session_outer {
	uint32_t vni;
	uint16_t tunnels; /* enum packet_tunnel */
	uint8_t has_addresses, has_macs;
	uint8_t address[2][16];
	uint8_t mac[2][6];
	uint16_t tag[OUTER_TAGS]; /* ids and enum vlan_kind; 0: no more */
};
_Static_assert(sizeof(struct session_outer) == 64, "compared as bytes, so without padding, and one cache line");

/* TCP counters that most sessions do not need. */
enum { TCP_WIDE_URG, TCP_WIDE_ECE, TCP_WIDE_CWR, TCP_WIDE_AE, TCP_WIDE_SRC_ZERO, TCP_WIDE_DST_ZERO, TCP_WIDE_COUNTS };

/* What sessions get that have shown more than headers. */
struct attachment {
	/* What every packet with payload touches, in one line. */
	uint32_t data_bytes[2] __rte_cache_aligned; /* at most 65535 packets of 65535 bytes */
	struct tcp_recent recent;
	uint8_t payload8_bytes[2];
	uint8_t tcp_tags; /* TCP_TAG_ */
	void *slot;	  /* session_slot() */
	uint32_t skip[2]; /* session_skip() */

	struct record *record; /* values found so far, or NULL */
	uint64_t root_last_ns;
	uint64_t root_position;
	uint8_t root_id[16];
	uint32_t root_file;
	uint32_t segment_count;
	uint32_t save_s;       /* next mid-save by time, modulo 2^32 */
	uint32_t save_after_s; /* SESSION_SAVE_AFTER, modulo 2^32 */
	uint32_t store_max;
	uint64_t active_s;		/* clock second in which a late packet came */
	uint32_t older, newer;		/* the list of those that hold records: sessions */
	uint32_t held_chunks;		/* of 'record', as counted in table.held_chunks */
	uint16_t wide[TCP_WIDE_COUNTS]; /* TCP_WIDE_ */
	uint8_t high[TCP_LOW_COUNTS];	/* carry of session.tcp_low */
	uint8_t payload8[2][PAYLOAD8_BYTES];
	uint8_t other_mac[2][6]; /* the last that went into the record */
	uint8_t address[2][16];	 /* SESSION_ENDPOINTS */
	uint16_t port[2];
	uint32_t name; /* its place in the table of names; 0: it has none */
	struct held_queue queue;
};
_Static_assert(sizeof(struct attachment) == 256 && offsetof(struct attachment, record) == 64, "four cache lines");

/* Tags that a session gets once, attachment.tcp_tags. Those with _0 have a twin for direction 1 in the next bit. */
enum { TCP_TAG_OUT_OF_ORDER_0 = 1 << 0, TCP_TAG_ACKED_UNSEEN_0 = 1 << 2, TCP_TAG_OVERLAP = 1 << 4 };

/* What session_process() left for session_pull_payload(). */
enum ready { READY_NOTHING, READY_CHUNK, READY_TCP, READY_SCTP };

/* Chunks of an SCTP packet that have not been looked at. */
struct sctp_walk {
	struct cursor rest;
	uint64_t time_ns;
	uint8_t direction;
	bool drains;	/* what waits may have become due */
	uint32_t given; /* handed out, in no queue any more */
};

/* The core fields that the table itself emits. */
struct session_fields {
	field_id mac[2], ttl[2], dscp[2];
	field_id outer_mac[2], outer_ip[2], vni;
	field_id vlan, dot1q, dot1ad, icmp_type, icmp_code, tags, protocol, sctp_protocol;
};

struct protocol_row {
	const char *record_name;
	uint32_t timeout_s;
	uint8_t type;
	bool one_way, has_addresses, has_ports;
	bool has_payload; /* for parsers */
};

/* Names of sessions, for those that asked for one (session_names.c). */
struct name_entry {
	uint64_t generation; /* 0: free */
	uint32_t session;    /* its handle; of a free one the next free one */
	uint32_t padding;
};
struct session_names {
	struct name_entry *entry; /* by place, from 1 on; touched as they are used */
	size_t bytes;
	uint32_t fresh, free_head, used;
	uint64_t generation; /* the last one given out */
};

struct session_table {
	const struct session_conf *conf;
	const struct hash_secret *secret;
	struct counters *counters;
	struct record_pool *records;

	struct session *session; /* by handle */
	struct attachment *attachment;
	struct session_start *start;
	uint64_t expired_until_ns; /* clocks below it have been worked off */
	struct buckets buckets;
	struct pool *sessions, *attachments;
	struct tcp_hold *tcp;
	struct position_store positions;
	struct session_outer (*outer)[2]; /* by handle */
	uint32_t n_outer;		  /* sessions that use theirs */
	size_t start_bytes, outer_bytes;
	struct vmem_ahead start_ahead;

	struct protocol_row protocol[PACKET_PROTOCOLS_MAX];
	uint32_t live[SESSION_TYPES], limit[SESSION_TYPES];
	uint32_t n_closing;
	struct wheel wheel[SESSION_TYPES];

	struct record *done_first, *done_last; /* saved, not pulled yet */
	uint32_t holder_oldest, holder_newest; /* sessions whose attachment holds a record */
	uint32_t held_chunks, held_max, record_chunks;
	uint64_t wall_ns; /* 0: not read in this burst yet */
	struct record_id_source *ids, own_ids;
	struct session_fields fields;
	struct ledger_gauge gauge;
	bool refuse_new; /* session_refuse_new() */
	struct session_names names;
	/* By packet of the burst that was prefetched last: the handle of its session, probably; 0: none yet. The
	   session exists as long as none has ended since: then there are no hints any more. */
	uint32_t hint[BURST_MAX];
	const struct packet *hinted;
	unsigned n_hints;

	enum ready ready;
	struct session_chunk chunk; /* READY_CHUNK */
	struct sctp_walk sctp;	    /* READY_SCTP */
	void (*before_save)(void *context, struct session *, enum session_save);
	void (*prefetch_slot)(const void *slot, unsigned step);
	void *context;
};

static inline uint32_t
session_handle(const struct session_table *t, const struct session *s)
{
	return (uint32_t)(s - t->session);
}

static inline struct session_start *
session_start_of(const struct session_table *t, const struct session *s)
{
	return &t->start[s - t->session];
}

static inline struct session_outer *
session_outer_of(const struct session_table *t, const struct session *s)
{
	return t->outer[s - t->session];
}

/* NULL: the session has none. */
static inline struct attachment *
session_attachment(const struct session_table *t, const struct session *s)
{
	return s->attachment != 0 ? &t->attachment[s->attachment] : NULL;
}

/* One of its flags says that it has one. */
static inline struct attachment *
session_attached(const struct session_table *t, const struct session *s)
{
	return &t->attachment[s->attachment];
}

static inline uint8_t
session_type_of(const struct session_table *t, const struct session *s)
{
	return t->protocol[s->key.protocol].type;
}

static inline uint64_t
seconds_of(uint64_t ns)
{
	return ns / NS_PER_S;
}

/* session.c */

/* The session's attachment, made when it has none. There are as many as sessions, so it cannot fail. */
struct attachment *session_attach(struct session_table *, struct session *);

/* session_record.c: values of live sessions. Nothing fails: what finds no room is counted. */
void session_add_int(struct session_table *, struct session *, field_id, int64_t);
void session_add_ip(struct session_table *, struct session *, field_id, const uint8_t address[16]);
void session_add_str(struct session_table *, struct session *, field_id, const char *text, size_t size);

/* Everything that is known of the session without its record goes into 'r'. */
void session_record_fill(struct session_table *, struct session *, struct record *r);
/* Somebody has to give way when live sessions hold too much of the pool, but not the session that is being worked on.
 */
void session_record_make_room(struct session_table *, const struct session *current);
/* Gives the session a record; takes it away again (NULL: it has none). */
void session_record_put(struct session_table *, struct session *, struct record *);
struct record *session_record_take(struct session_table *, struct session *);

/* session_first.c: the first packets of a direction. */
void session_first_packet(struct session_table *, struct session *, const struct packet *);
void session_icmp(struct session_table *, struct session *, const struct packet *);
void session_first_flush(struct session_table *, const struct session *, struct record *);

/* session_shed.c */

/* Tags of what overload has taken. */
void session_shed_tags(struct session_table *, const struct session *, struct record *);
/* The session began while new ones were refused, and they still are: it ends without a record. Counted. */
bool session_is_refused(struct session_table *, const struct session *);

/* session_names.c */
bool session_names_init(struct session_names *, uint32_t max_sessions);
void session_names_fini(struct session_names *);
/* The session of this attachment ends. */
void session_unname(struct session_table *, struct attachment *);

/* session_tcp.c */

/* Of a TCP header (RFC 9293 3.1). */
enum { TCP_FLAG_SYN = 0x02, TCP_FLAG_ACK = 0x10 };

/* Which of the handshake's flags it has; no TCP: none. */
static inline uint8_t
session_tcp_handshake(const struct packet *p)
{
	return p->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK);
}

/* The packet, a SYN, begins another connection between the same ports: the session has to be saved first. */
bool session_tcp_reuses_ports(const struct session_table *, const struct session *, const struct packet *);
/* True: payload is ready. */
bool session_tcp(struct session_table *, struct session *, const struct packet *);
/* The next chunk; false: none, and those that nobody wants have been counted. */
bool session_tcp_pull(struct session_table *, struct session *, struct session_chunk *);
bool session_tcp_pull_last(struct session_table *, struct session *, struct session_chunk *);
/* What waits in vain goes, SCTP's too. */
void session_tcp_end(struct session_table *, struct session *);
void session_tcp_summary(const struct session_table *, const struct session *, struct record_summary *);
void session_tcp_mid_save(struct session_table *, struct session *);

/* session_sctp.c: as those of TCP. */
bool session_sctp(struct session_table *, struct session *, const struct packet *);
bool session_sctp_pull(struct session_table *, struct session *, struct session_chunk *);

/* The first datagram or message of a direction that is not empty gives payload8. */
void session_first_payload(struct session_table *, struct session *, unsigned direction, struct cursor);

/* The next bytes of a stream: data bytes, and the first 8 of a direction. 'bytes' may have fewer than 'size'. */
void session_payload(struct session_table *, struct session *, unsigned direction, struct cursor bytes, uint32_t size);

/* session_payload.c */

/* Nobody wants these bytes of the direction. */
static inline bool
session_skips(const struct session *s, struct attachment *att, unsigned direction, uint32_t bytes)
{
	if (likely((s->flags & SESSION_NO_PAYLOAD) != 0))
		return true;
	if (att == NULL || att->skip[direction] < bytes)
		return false;
	att->skip[direction] -= bytes;
	return true;
}

/* The chunk that session_pull_payload() will give. False: nobody wants it. */
bool session_ready(struct session_table *, const struct session *, const struct packet *, struct cursor);
/* Tells parsing, if it has anything to do with the session. */
void session_before_save(struct session_table *, struct session *, enum session_save);
/* No payload comes any more, though the session goes on for tcpClosingTimeout: parsing gives its memory back now, which
 * the next session finds in the cache, and says what it has to say while that is there. */
void session_payload_over(struct session_table *, struct session *);

void session_endpoints(const struct session_table *, const struct session *, uint8_t address[2][16], uint16_t port[2]);

/* session_save.c */

/* Writes the record and ends the session: the handle is free afterwards. */
void session_save_final(struct session_table *, struct session *);
/* 'now_s' + tcpSaveTimeout is the next one by time. */
void session_save_mid(struct session_table *, struct session *, uint64_t now_s);
/* Whether the record pool has room for this session's record. */
bool session_save_room(const struct session_table *, const struct session *);

/* session_time.c */
bool session_is_over(const struct session_table *, const struct session *, uint64_t clock_s);
bool session_is_save_due(const struct session_table *, const struct session *, uint64_t clock_s);
void session_timer_start(struct session_table *, struct session *);
void session_timer_stop(struct session_table *, struct session *);
void session_note_late(struct session_table *, struct session *, const struct packet *);
void session_mark_closing(struct session_table *, struct session *);
/* Saves the session of the type that has been idle longest, or nearly. False: there is none. */
bool session_save_idlest(struct session_table *, enum session_type);

#endif
