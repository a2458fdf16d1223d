/* The session document: a record as JSON, in the form of RECORD.md 1.
 *
 * Threads: one formatter per exporter, its own buffer; the record is only read. Cost: budget 500 ns a record. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "conf.h"
#include "json.h"
#include "record.h"

enum document_id_style { DOCUMENT_ID_RANDOM, DOCUMENT_ID_DATABASE, DOCUMENT_ID_CONSISTENT, DOCUMENT_ID_SEQUENTIAL };

struct document_conf {
	const char *node;
	bool gap_packet_positions;
	bool packet_lengths;
	bool dry_run;	  /* no file markers, no file numbers */
	int rotate_index; /* index into its words */
	int id_style;
	const char *event_provider, *event_dataset;
	uint16_t process_id;
};
extern const struct setting_group document_settings_group;

/* Text for one record; all pointers are valid until the next call with the same formatter. */
struct document {
	const char *json; /* one line, without newline */
	size_t json_bytes;
	char id[48];	       /* "261121-AbCd..." */
	char index_period[16]; /* "261121" */
};

struct formatter;
struct formatter *formatter_create(const struct document_conf *); /* NULL with errno */
void formatter_destroy(struct formatter *);			  /* accepts NULL */

/* Cannot fail: a record that does not fit grows the buffer, up to 64 MB; beyond that false (counted by the caller as
 * rejected). */
bool formatter_write(struct formatter *, const struct record *, struct document *out);

/* "261121" and so on, for a time (RECORD.md 1.3). */
void document_period(int rotate_index, uint64_t last_ns, char out[16]);

/* Community ID v1, seed 0, with the reference's ICMP ordering (RECORD.md 1.7). 'out' gets "1:..." or "". */
void community_id(const struct record_summary *, char out[40]);

#endif
