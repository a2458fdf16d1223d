/* The session document: a record as JSON, in the form of RECORD.md 1.
 *
 * Threads: one formatter per exporter, its own buffer; the record is only read. Cost: budget 500 ns a record. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "clock.h"
#include "conf.h"
#include "json.h"
#include "record.h"

/* A packet's time as documents have it. Those of the first ten seconds of 1970 are moved, or viewers would not find
 * them. */
static inline uint64_t
document_ms(uint64_t ns)
{
	return (ns < 10 * NS_PER_S ? ns + 10 * NS_PER_S : ns) / NS_PER_MS;
}

/* autoGenerateId. DATABASE: the index makes the id; ours (of the style RANDOM) is for sinks that need one and for
 * rootId. */
enum document_id_style { DOCUMENT_ID_RANDOM, DOCUMENT_ID_DATABASE, DOCUMENT_ID_CONSISTENT, DOCUMENT_ID_SEQUENTIAL };

/* rotateIndex */
enum document_rotation {
	DOCUMENT_HOURLY,
	DOCUMENT_HOURLY2,
	DOCUMENT_HOURLY3,
	DOCUMENT_HOURLY4,
	DOCUMENT_HOURLY6,
	DOCUMENT_HOURLY8,
	DOCUMENT_HOURLY12,
	DOCUMENT_DAILY,
	DOCUMENT_WEEKLY,
	DOCUMENT_MONTHLY
};

enum { DOCUMENT_ID_BYTES = 128, DOCUMENT_PERIOD_BYTES = 16, COMMUNITY_ID_BYTES = 40, COMMUNITY_ID_LENGTH = 30 };

struct document_conf {
	bool gap_packet_positions; /* gapPacketPos; the app copies it to struct writer_conf */
	bool packet_lengths;	   /* enablePacketLen; the app copies it to struct session_conf */
	int rotate_index;	   /* enum document_rotation */
	int id_style;		   /* enum document_id_style */
	const char *event_provider, *event_dataset;
	const char *prefix; /* as written: see document_index_name() */
	/* Filled by the app, not from the conf file: */
	const char *node;
	bool dry_run; /* no file markers, no file numbers */
	uint16_t process_id;
};
extern const struct setting_group document_settings_group;

/* Text for one record; all pointers are valid until the next call with the same formatter. */
struct document {
	const char *json; /* one line, without newline */
	size_t json_bytes;
	char id[DOCUMENT_ID_BYTES];		  /* "261121-AbCd..." */
	char index_period[DOCUMENT_PERIOD_BYTES]; /* "261121" */
	char community_id[COMMUNITY_ID_BYTES];	  /* "1:...", or "" */
};

struct formatter;
struct formatter *formatter_create(const struct document_conf *); /* NULL with errno */
void formatter_destroy(struct formatter *);			  /* accepts NULL */

/* Cannot fail: a record that does not fit grows the buffer, up to 64 MB; beyond that false (counted by the caller as
 * rejected). */
bool formatter_write(struct formatter *, const struct record *, struct document *out);

/* Brings what formatter_write() will read of a record into the cache: worth calling a record ahead, because records
 * come from another core. */
static inline void
formatter_prefetch(const struct record *r)
{
	for (unsigned i = 0; i < RECORD_CHUNK_BYTES; i += 64)
		__builtin_prefetch((const char *)r + i);
}

/* "261121" and so on, for a time (RECORD.md 1.3). */
void document_period(int rotate_index, uint64_t last_ns, char out[DOCUMENT_PERIOD_BYTES]);

/* "arkime_sessions3-261121": the prefix with its underscore (an empty one stays empty) and the period. Returns 0, or
 * -ENAMETOOLONG when the prefix has more than 50 characters or 'size' is too small. */
int document_index_name(const struct document_conf *, const char *period, char *out, size_t size);

/* Community ID v1, seed 0, with the reference's ICMP ordering (RECORD.md 1.7). 'out' gets "1:..." or "". */
void community_id(const struct record_summary *, char out[COMMUNITY_ID_BYTES]);

#endif
