/* A record: what is known of one session, on its way from a worker to the exporter.
 *
 * A record is a chain of 1 KB chunks from its worker's pool. Values are appended as they are found; when the session is
 * saved its summary is filled in, the pointer crosses one ring, becomes JSON (document.h), and comes back on a second
 * ring to be freed.
 *
 * Threads: the worker that created it until it is pushed on the ring; then the exporter, read only; then the worker
 * again, which alone may free it. Ownership: the pool's. Limits: pool size; nothing here allocates from the system. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "field.h"

enum { RECORD_CHUNK_BYTES = 1024, RECORD_VALUE_BYTES_MAX = 16384, RECORD_OBJECT_BYTES_MAX = 1 << 20 };

enum {
	TCP_COUNT_SYN,
	TCP_COUNT_SYN_ACK,
	TCP_COUNT_ACK,
	TCP_COUNT_PSH,
	TCP_COUNT_FIN,
	TCP_COUNT_RST,
	TCP_COUNT_URG,
	TCP_COUNT_ECE,
	TCP_COUNT_CWR,
	TCP_COUNT_AE,
	TCP_COUNT_SRC_ZERO,
	TCP_COUNT_DST_ZERO,
	TCP_COUNTS
};

/* The part that every record has (RECORD.md 1.5, 1.6, 1.9). Index 0 is the source, 1 the destination. */
struct record_summary {
	uint64_t first_ns, last_ns; /* packet time */
	uint64_t saved_ns;	    /* wall clock: @timestamp */
	uint8_t address[2][16];	    /* IPv4 as v4-mapped */
	uint16_t port[2];
	uint8_t ip_version; /* 0: no addresses in the document */
	uint8_t ip_protocol;
	uint16_t ethertype;   /* 0: absent */
	uint8_t session_type; /* enum session_type, for sinks that count */
	const char *protocol; /* "tcp": first of 'protocol'; static text; NULL: none */
	uint64_t packets[2], bytes[2], data_bytes[2];
	uint8_t payload8[2][8], payload8_bytes[2];
	bool has_community_id;	      /* not for sessions of type OTHER */
	uint8_t icmp_type, icmp_code; /* for the Community ID of ICMP */

	bool is_tcp;
	bool has_init_rtt, has_tcp_seq, has_seq_source, has_seq_destination;
	bool syn_validated, syn_ack_validated;
	uint16_t tcp_count[TCP_COUNTS];
	uint32_t init_rtt_ms;
	uint32_t seq[2];
	uint8_t source_isn_count;

	uint32_t segment_count;
	bool is_final, is_linked; /* linked: rootId is written */
	uint8_t id[16];		  /* random part of the document id */
	uint8_t root_id[16];
	uint64_t root_last_ns; /* the period of the root document's id */
	/* First file and position of the root document, for autoGenerateId=consistent; 0: not known. */
	uint32_t root_file;
	uint64_t root_position;
};

/* Some bytes of a chain. A chunk of the pool is one of these, and the first two of a record lie in the record's own
 * chunk. */
struct record_chunk {
	struct record_chunk *next;
	uint16_t used, capacity; /* of 'bytes' */
	uint32_t padding;
	uint8_t bytes[];
};

struct record {
	struct record *next; /* for lists of whoever holds the record */
	uint16_t worker;     /* whose pool */
	struct record_chunk *values_first, *values_last;
	struct record_chunk *positions_first, *positions_last;
	uint32_t n_values, n_positions;
	uint32_t chunks; /* of all kinds, this one included */
	uint64_t position_last;
	uint32_t file_last;

	/* How the values are found again (record_index.c) and how big they would be (RECORD.md 1.8). */
	struct record_chunk *index; /* NULL: few values, look at all of them */
	uint32_t index_entries, index_buckets;
	uint32_t estimate_bytes; /* of all fields but objects */
	uint64_t fields_seen[2]; /* bit 'id modulo 128': there may be a value of the field */
	bool wants_mid_save;

	struct record_summary summary;
};

struct record_pool;

/* 'worker' goes into every record. NULL with errno. */
struct record_pool *record_pool_create(uint32_t max_chunks, uint16_t worker, struct counters *);
/* Accepts NULL. Returns how many chunks were not given back, and logs it when there were any. */
uint32_t record_pool_destroy(struct record_pool *);
uint32_t record_pool_room(const struct record_pool *); /* free chunks */
uint32_t record_pool_used(const struct record_pool *);

/* An empty record (one chunk), or NULL: the pool is empty. */
struct record *record_create(struct record_pool *);
void record_free(struct record_pool *, struct record *); /* accepts NULL */

/* Append a value. Sets (and DIFF_FROM_LAST) drop what is there already and return true; a field of one value keeps the
 * last. False: the pool is empty (the value is lost and counted as "record.value_lost"). Text longer than
 * RECORD_VALUE_BYTES_MAX is cut and the tag "truncated-field-..." added. Lists and sets of integers hold unsigned 32
 * bit, as the reference's. The cost does not grow with the number of values. */
bool record_add_int(struct record_pool *, struct record *, field_id, int64_t);
bool record_add_double(struct record_pool *, struct record *, field_id, double);
bool record_add_str(struct record_pool *, struct record *, field_id, const void *text, size_t size);
/* As record_add_str, for text known to be UTF-8 although the field is not FIELD_FORCE_UTF8. */
bool record_add_utf8(struct record_pool *, struct record *, field_id, const void *text, size_t size);
bool record_add_ip(struct record_pool *, struct record *, field_id, const uint8_t address[16]);
/* An address as somebody wrote it, read by the rules of RECORD.md 1.10; false and nothing added when it is none. */
bool record_add_ip_text(struct record_pool *, struct record *, field_id, const void *text, size_t size);
/* One finished JSON object for a field of type FIELD_OBJECT. Beyond RECORD_OBJECT_BYTES_MAX it is lost and counted. */
bool record_add_object(struct record_pool *, struct record *, field_id, const void *json, size_t size);

/* What the record holds already. The cost does not grow with the number of values. */
bool record_has(const struct record_pool *, const struct record *, field_id);
bool record_has_str(const struct record_pool *, const struct record *, field_id, const void *text, size_t size);
/* Takes values out again: all of the field, or the one text. Looks at all values: for rare events. */
void record_remove(struct record_pool *, struct record *, field_id);
void record_remove_str(struct record_pool *, struct record *, field_id, const void *text, size_t size);

/* Where a packet is stored: file number (0: none, dry run), offset, and 16 + captured bytes for packetLen (0 when
 * nobody wants it). Kept gap coded. False: the pool is empty, and "record.position_lost" counts. */
bool record_add_position(struct record_pool *, struct record *, uint32_t file, uint64_t position, uint32_t length);
/* The same for 'n' packets that follow the last one in its file, each at a distance from 1 to RECORD_GAP_MAX. */
enum { RECORD_GAP_MAX = 9999999 };
bool record_add_gaps(struct record_pool *, struct record *, const uint32_t *gap, unsigned n);

/* For readers: walks all values in the order they were added. */
struct record_value {
	field_id field;
	uint8_t type; /* FIELD_INT, FIELD_FLOAT, FIELD_STR, FIELD_IP, FIELD_OBJECT (its text in 'str') */
	bool utf8;    /* added by record_add_utf8() */
	bool more;    /* the next value continues this text, which lies in several chunks */
	union {
		int64_t integer;
		double real;
		uint8_t ip[16];
		struct {
			const uint8_t *text;
			uint32_t size;
		} str;
	};
};
struct record_iterator {
	const struct record_chunk *chunk;
	uint32_t offset;
};
void record_values_begin(const struct record *, struct record_iterator *);
bool record_values_next(struct record_iterator *, struct record_value *);

struct record_position {
	uint32_t file;
	uint64_t position;
	uint32_t length;
};
struct record_position_iterator {
	const struct record_chunk *chunk;
	uint32_t offset;
	struct record_position last;
};
void record_positions_begin(const struct record *, struct record_position_iterator *);
bool record_positions_next(struct record_position_iterator *, struct record_position *);

/* After a mid-save: a new record with the values of LINKED fields, but for those that fill half of what wants a
 * mid-save; NULL when there are none or the pool is empty (*lost says which). */
struct record *record_carry_linked(struct record_pool *, const struct record *, bool *lost);

/* The session wants a mid-save because a value was added to a field of more than 20000 estimated bytes (RECORD.md 1.8).
 * A record from record_carry_linked() starts without the wish. */
bool record_wants_mid_save(const struct record *);

#endif
