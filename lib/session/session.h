/* The session table: the session each packet belongs to, and its life from first packet to record.
 *
 * A worker calls, for every burst of packets that share one clock second:
 *
 *   session_prefetch_buckets(), session_prefetch_burst()     cache misses of different packets overlap
 *   for each packet, in order:
 *     session_lookup()           finds or adds; a session that is over by the clock is saved first
 *     writer_append()            (lib/writer) stores it
 *     session_process()          counters, first packets, TCP, mid-saves
 *     session_pull_payload()     if it said so: what has become ready for parsers, in order
 *
 * and session_expire() whenever the clock moved. Finished records queue up inside; session_pull() takes them.
 *
 * Threads: one table per worker and no locks; nothing else may call in but session_stats readers.
 * Ownership: the table owns its sessions; a pointer is valid until the next session_lookup(), session_expire() or
 * session_flush(). Payload: its bytes lie in the packet or in copies of the table's own, valid until the next call.
 * What parsing keeps of a session hangs on session_slot(). Time: packet time. The clock is the greatest stamp of all
 * packets before this one (packet.clock_ns); a session is over when, in whole seconds, last packet + timeout < clock.
 * So a lone flow with a long pause stays one session. Timers are a lazy wheel: no timer work per packet, a slot that
 * comes up looks at its sessions and re-inserts those that lived on. Memory: a session that has shown nothing but
 * headers costs at most 192 bytes, everything counted. Limits: maxStreams by type, the pools by the conf; when one is
 * full the session that has been idle longest is saved early (counted). */
#ifndef SESSION_H
#define SESSION_H

#include "conf.h"
#include "counters.h"
#include "decode.h"
#include "packet.h"
#include "record.h"
#include "tcp.h"

struct session_conf {
	struct tcp_conf tcp;
	uint32_t timeout_s[PACKET_PROTOCOLS_MAX]; /* by protocol id; filled by session_conf_finish() */
	uint32_t tcp_timeout_s, udp_timeout_s, icmp_timeout_s, sctp_timeout_s, esp_timeout_s, dhcp_timeout_s;
	uint32_t tcp_closing_timeout_s, tcp_save_timeout_s;
	uint32_t max_packets;	    /* maxPackets: mid-save */
	uint32_t max_sctp_chunks;   /* maxSctpOutOfOrderPackets */
	uint32_t max_streams;	    /* maxStreams, of all workers */
	bool packet_lengths;	    /* enablePacketLen, a setting of lib/record */
	bool esp_save_packets;	    /* else only the first of an ESP session is stored */
	bool dry_run;		    /* records even without stored packets */
	struct conf_list tags;	    /* -t */
	const struct field_op *ops; /* --op, parsed */
	unsigned n_ops;
};
extern const struct setting_group session_settings_group;
void session_conf_finish(struct session_conf *);

enum { FIELD_OP_TEXT_MAX = 1023 };

/* field=value on every new session. '_maxPacketsToSave=N' stores at most N packets of each. */
struct field_op {
	field_id field; /* 0: is_store_limit */
	bool is_store_limit;
	bool is_integer;
	int64_t integer;
	const char *text; /* points into the text that was parsed */
};
/* False, and the reason in 'why', for an unknown field or a bad value. */
bool field_op_parse(const char *text, struct field_op *, char *why, size_t why_size);

/* Why before_save() is called. */
enum session_save {
	SESSION_SAVE_MID,   /* a linked record is written, the session goes on */
	SESSION_SAVE_FINAL, /* its last record is, or no payload comes any more: both sides of a TCP connection are done
			     */
	SESSION_SAVE_NONE,  /* it ends without a record */
};

struct session_table_params {
	const struct session_conf *conf;
	unsigned n_workers;
	uint32_t max_sessions; /* of this worker's pool */
	struct record_pool *records;
	struct counters *counters;
	const struct hash_secret *secret; /* the one that made packet.hash */
	uint32_t start_sessions;	  /* buckets for so many at once; 0: few, and they grow (stops the worker) */
	struct record_id_source *ids;	  /* NULL: random ones of the table's own */

	/* Parsing. Bit packet_protocol_find(): sessions of that protocol have payload to pull. */
	uint64_t payload_protocols;
	/* Before the record of a session whose slot is in use, or whose stream is not at its end, is filled, or as soon
	 * as its stream is complete: values can still be added, session_pull_last() tells what waited in vain.
	 * Afterwards (not for SESSION_SAVE_MID) the slot has to be NULL. NULL: nobody wants to know. */
	void (*before_save)(void *context, struct session *, enum session_save);
	/* Asks for what lies behind a slot that is not NULL, whose session is saved soon: steps 0 to 2, each some time
	 * after the one before. NULL: nothing does. */
	void (*prefetch_slot)(const void *slot, unsigned step);
	void *context;
};

struct session_table;

/* NULL with errno. */
struct session_table *session_table_create(const struct session_table_params *);
void session_table_destroy(struct session_table *); /* accepts NULL; sessions still inside are lost and logged */

/* As soon as some have their hash, a few at a time: the table's lines for these. */
void session_prefetch_buckets(const struct session_table *, const struct packet *, unsigned n);
/* For all of the burst: their sessions. */
void session_prefetch_burst(struct session_table *, const struct packet *, unsigned n);
/* After it, for the same packets: asks for the payload and the records of those that parsers will be called for, so far
 * as can be known before. Returns how many have a session already; 'slot' is what session_slot() holds for each. */
unsigned session_prefetch_parsed(struct session_table *, const struct packet *, unsigned n, void *slot[BURST_MAX]);

/* Sets p->session, p->direction, p->store and p->store_bytes, and p->file and p->position to none. p->session is NULL
 * when the packet has no key. */
void session_lookup(struct session_table *, struct packet *);

/* For the files document: the file of the packet of this session that was stored before, in the session's current
 * interval; 0: none, or no file has a number. */
uint32_t session_file(const struct session *);

/* After the packet was stored. May save (mid-save, maxPackets) before it counts the packet's headers, as the reference
 * does. True: payload is ready, and session_pull_payload() has to be called for p->session until it returns false. */
bool session_process(struct session_table *, struct packet *);

/* The next bytes of a stream, a datagram, or a message. */
struct session_chunk {
	struct cursor bytes; /* empty only when something is missing */
	uint64_t time_ns;    /* of the packet that brought them */
	uint32_t missing;    /* bytes of the stream before them that will not come */
	uint8_t direction;
	uint8_t type;		/* enum session_type */
	uint8_t protocol;	/* packet_protocol() */
	uint32_t sctp_protocol; /* the payload protocol of an SCTP message */
};
bool session_pull_payload(struct session_table *, struct session *, struct session_chunk *);
/* In before_save(), not for SESSION_SAVE_MID: what was waiting for bytes that did not come. */
bool session_pull_last(struct session_table *, struct session *, struct session_chunk *);

/* TCP: the sequence number behind the chunk that was pulled last. */
uint32_t session_tcp_next(const struct session *, unsigned direction);

/* Adds a tag to the session's record; opens it. */
void session_add_tag(struct session_table *, struct session *, const char *tag);

/* What overload has taken from a session; its record says so, by a tag. */
enum session_shed {
	SESSION_NOT_PARSED,   /* parsers did not see all of its payload, or values of theirs found no room in the
			       * record pool: "overload-not-parsed" */
	SESSION_HEADERS_ONLY, /* packets were stored without their payload: "overload-headers-only" */
};
void session_shed(struct session *, enum session_shed);

/* While 'refuse' is set, sessions that begin get no record if they also end before it is taken back (counted). They are
 * counted, stored and timed as any other, so one that lasts longer has lost nothing but the above. */
void session_refuse_new(struct session_table *, bool refuse);

/* A session's name lasts longer than a pointer to it: other threads may keep it and bring it back. Names are never used
 * twice; generation 0 is none. */
struct session_name {
	uint64_t generation;
	uint32_t place;
};
struct session_name session_name(struct session_table *, struct session *);
/* NULL: that session has ended. */
struct session *session_named(struct session_table *, struct session_name);

/* A pointer of the caller's; NULL in a new session. */
void **session_slot(struct session_table *, struct session *);
/* [2]: so many of the next payload bytes of each direction need not be pulled. A chunk that lies within them is counted
 * and taken off here, and session_process() does not say that there is any. */
uint32_t *session_skip(struct session_table *, struct session *);
uint64_t session_last_ns(const struct session *); /* time of its last packet */
/* Nothing more of this session is to be pulled. */
void session_stop_payload(struct session_table *, struct session *);

/* The session's record, to add values to; made when there is none. NULL: the pool is empty, which is counted.
 * session_record_close() when values were added. */
struct record *session_record_open(struct session_table *, struct session *);
void session_record_close(struct session_table *, struct session *);
const struct record *session_record_peek(const struct session_table *, const struct session *); /* NULL: none */

struct session_facts {
	uint64_t first_ns;
	uint8_t address[2][16]; /* IPv4 as v4-mapped; zeroes: none */
	uint16_t port[2];
	uint8_t ip_protocol;
};
void session_facts(const struct session_table *, const struct session *, struct session_facts *);

/* Saves up to 'max' sessions that are over, or due for a mid-save by time, at 'clock_ns'. Returns true when nothing
 * more is due. False: 'max' is reached or the record pool has no room for the next one; call again when records have
 * been pulled and freed. Cheap while the clock's second has not changed. */
bool session_expire(struct session_table *, uint64_t clock_ns, unsigned max);

/* Saves up to 'max' sessions whatever their age. True: the table is empty. False: as above. */
bool session_flush(struct session_table *, unsigned max);

/* After a flush between files: the clock starts again. */
void session_clock_reset(struct session_table *);

/* From now on at most 'packets' packets of the session's current interval are stored, then none any more, and the
 * record says truncated-pcap. */
void session_store_at_most(struct session_table *, struct session *, uint32_t packets);

/* The session's first packet after this second ends its interval, of which it is the last one: a mid-save. */
void session_save_after(struct session_table *, struct session *, uint64_t second);

/* The next finished record, or NULL. The caller owns it until it gives it to record_free(). */
struct record *session_pull(struct session_table *);

/* Room for the records of a whole burst: what the worker checks before it takes packets. Never false for good: what
 * live sessions hold of the pool is limited to half of it, and no burst is said to need more than the other half. */
bool session_room(const struct session_table *, unsigned packets);

/* Chunks the record pool should have at least, so that no burst can find it empty. */
uint32_t session_record_chunks_min(const struct session_conf *);

struct session_stats {
	uint32_t live[SESSION_TYPES];
	uint32_t live_all;
	uint32_t closing;      /* of these: ended, and waiting for tcpClosingTimeout */
	uint32_t held_chunks;  /* of the record pool, by the records of live sessions */
	uint64_t bytes_in_use; /* sessions, buckets, positions, attachments */
};
void session_stats(const struct session_table *, struct session_stats *);

#endif
