/* The sink "sqlite" inside: one connection, its schema, its segments.
 *
 * Threads: the sink's own, create and destroy aside. */
#ifndef SQLITE_PRIV_H
#define SQLITE_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "export.h"

enum {
	SQLITE_SCHEMA_VERSION = 2,
	SQLITE_APPLICATION_ID = 0x5348524b, /* "SHRK" */
	SQLITE_PAGE_BYTES = 16384,
	SQLITE_CACHE_KIB = 32768, /* more than one transaction writes */
	SQLITE_SORT_KIB = 1024,	  /* while an index is sorted */
	SQLITE_SORT_PAGES = SQLITE_SORT_KIB * 1024 / SQLITE_PAGE_BYTES,
	SEGMENTS_CLOSING_MAX = 32,
	SEGMENTS_PER_VIEW = 250, /* SQLite allows 500 terms in one compound SELECT */
};

struct sqlite_conf {
	const char *path;
	uint32_t segment_records, segment_minutes;
	uint32_t keep_days, keep_mib;
	bool follow_pcap;
};

/* Who writes a segment. A pid alone is soon another process's. */
struct segment_owner {
	int64_t pid, start; /* 'start': in clock ticks since boot, from /proc/PID/stat */
	int64_t token;	    /* random: this sink and no other */
	char host[96];	    /* boot id and pid name space */
};

struct segment {
	int64_t id; /* 0: none */
	int64_t created_ms;
	uint64_t rows;
	uint64_t last_sequence;	   /* of the last document in it; survives a commit of which nobody knows whether it was
				      done */
	int64_t first_ms, last_ms; /* packet time; INT64_MAX, INT64_MIN: no rows */
};

/* All that a transaction may change, so that a rollback is an assignment. */
struct segments {
	struct segment current;
	struct {
		int64_t id;
		unsigned step; /* indices built so far */
	} closing[SEGMENTS_CLOSING_MAX];
	unsigned n_closing;
	bool is_scanned; /* segments that dead processes left */
};

struct store {
	sqlite3 *db;
	struct sqlite_conf conf;
	const struct document_conf *document;
	struct segment_owner owner;
	struct segments segments;
	bool is_uncertain; /* a commit failed, and the segment's row says whether it was done */
	sqlite3_stmt *insert, *owned, *note, *put_file;
	int64_t insert_segment; /* for which 'insert' is prepared; 0: none */
	uint64_t next_retention_ns;
	char error[256];
};

/* Runs SQL that returns no rows. 0 or -errno, with 'error' set. */
int store_exec(struct store *, const char *sql);
int store_exec_format(struct store *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int store_prepare(struct store *, const char *sql, sqlite3_stmt **);
/* Steps a statement to its end and resets it. */
int store_run(struct store *, sqlite3_stmt *);
/* The first column of the first row, as a number; 0: there is no row. */
int store_number(struct store *, const char *sql, int64_t *out);
/* The errno for a result of SQLite, with 'error' set. 0 for SQLITE_OK, _DONE, _ROW. */
int store_result(struct store *, int rc);
int store_begin(struct store *);
int store_commit(struct store *);
void store_rollback(struct store *);
int64_t store_now_ms(void);

extern const struct setting_group sqlite_settings_group;

/* sqlite_files.c: a connection beside the sink's, to a file that is there. For sqlite3_close(), also after an error. 0
 * or -errno (-ENOENT: there is no file). */
int sqlite_open_beside(const struct sqlite_conf *, int busy_ms, sqlite3 **db);

/* The sink's each_file(). */
int sqlite_each_file(const struct sink_params *, export_file_callback, void *context);

/* sqlite_stats.c: the sink's read_stats(), and what its write_stats() does in an open store. */
int sqlite_read_stats(const struct sink_params *, char *json, size_t json_size);
int sqlite_put_stats(struct store *, const struct export_stats *);

/* Opens the file (folders, schema, fields) and checks that it is ours. 0 or -errno with 'error' set. */
int schema_open(struct store *);

void segment_owner_init(struct segment_owner *);
/* In a transaction: makes next->current a segment that is ours, adopting, or creating one when 'create'. */
int segments_claim(struct store *, struct segments *next, bool create);
/* In a transaction: whether next->current still is ours (1), or not (0); reads its last_sequence. */
int segments_check(struct store *, struct segments *next);
/* In a transaction: writes down what next->current has become. */
int segments_note(struct store *, const struct segments *next);
bool segment_due(const struct store *, const struct segment *);
/* Stops filling the current segment: its indices are next. */
void segments_retire(struct segments *);
/* Builds one index, or marks the segment closed. 1: did something, 0: none is closing, -errno. */
int segments_close_step(struct store *);
/* In a transaction: the views, after segment 'id' has come or gone. */
int segments_refresh_views(struct store *, int64_t id);

/* sqlite_retention.c: drops at most one old segment. 1: did, and there may be more, 0: nothing to do now, -errno. */
int retention_step(struct store *);
/* Leaves the current segment to the next process. */
int segments_release(struct store *);

#endif
