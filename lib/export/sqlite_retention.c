/* Old sessions go, by the segment.
 *
 * A closed segment is dropped whole, oldest first, when a setting says so: its age (sqliteKeepDays), the size of the
 * database (sqliteKeepM), or that it is older than every pcap file there still is (sqliteFollowPcap), so that its
 * sessions point to packets that are gone. Dropping a table gives its pages to the next ones: the file does not shrink,
 * it stops growing. The segment that is open is never dropped, nor one whose indices are being built.
 *
 * Pcap files are deleted by others (the viewer, an administrator), so which of them are there is looked up, oldest
 * number first, and rows of 'files' whose file is gone go too. If none is there at all, the disk is more likely to be
 * missing than all evidence to have been deleted: nothing is dropped then.
 *
 * This runs once a minute; a segment is one transaction. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "sqlite_priv.h"

enum { LOOK_EVERY_S = 60, FILES_AT_ONCE = 256 };

/* ---- Pcap files */

/* The first packet of the oldest pcap file that is there, in ms; INT64_MIN: none, or nothing is known of it. Numbers of
 * files before it, at most FILES_AT_ONCE, go into gone[]. */
static int
oldest_pcap(struct store *s, int64_t *first_ms, int64_t gone[FILES_AT_ONCE], unsigned *n_gone)
{
	static const char sql[] = "SELECT num, name, coalesce(firstTimestamp, first * 1000) FROM files"
				  " WHERE node = ? AND name IS NOT NULL AND scheme IS NULL ORDER BY num LIMIT ?";
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, sql, &statement), step = SQLITE_DONE;

	*n_gone = 0;
	*first_ms = INT64_MIN;
	if (rc < 0)
		return rc;
	sqlite3_bind_text(statement, 1, s->document->node, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 2, FILES_AT_ONCE);
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		if (access((const char *)sqlite3_column_text(statement, 1), F_OK) == 0 || errno != ENOENT) {
			if (sqlite3_column_type(statement, 2) != SQLITE_NULL)
				*first_ms = sqlite3_column_int64(statement, 2);
			step = SQLITE_DONE;
			break;
		}
		gone[(*n_gone)++] = sqlite3_column_int64(statement, 0);
	}
	rc = store_result(s, step);
	sqlite3_finalize(statement);
	return rc;
}

static int
forget_files(struct store *s, const int64_t gone[FILES_AT_ONCE], unsigned n)
{
	sqlite3_stmt *statement = NULL;
	int rc = n > 0 ? store_prepare(s, "DELETE FROM files WHERE node = ? AND num = ?", &statement) : 0;

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		sqlite3_bind_text(statement, 1, s->document->node, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, gone[i]);
		rc = store_run(s, statement);
	}
	sqlite3_finalize(statement);
	return rc;
}

/* 0 or -errno; *before_ms: segments that end before it may go (INT64_MIN: none). */
static int
follow_pcap(struct store *s, int64_t *before_ms)
{
	int64_t gone[FILES_AT_ONCE];
	unsigned n_gone = 0;
	int rc;

	*before_ms = INT64_MIN;
	if (!s->conf.follow_pcap)
		return 0;
	rc = oldest_pcap(s, before_ms, gone, &n_gone);
	if (rc == 0 && *before_ms != INT64_MIN)
		rc = forget_files(s, gone, n_gone);
	return rc;
}

/* ---- Segments */

/* Bytes in use. */
static int
used_bytes(struct store *s, int64_t *bytes)
{
	int64_t pages = 0, unused = 0, size = 0;
	int rc = store_number(s, "PRAGMA page_count", &pages);

	if (rc == 0)
		rc = store_number(s, "PRAGMA freelist_count", &unused);
	if (rc == 0)
		rc = store_number(s, "PRAGMA page_size", &size);
	*bytes = (pages - unused) * size;
	return rc;
}

struct candidate {
	int64_t id, closed_ms, last_ms, rows;
	bool has_last;
};

static int
oldest_closed(struct store *s, struct candidate *out)
{
	static const char sql[] = "SELECT id, closed, last_packet, rows FROM segments WHERE closed IS NOT NULL"
				  " ORDER BY id LIMIT 1";
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, sql, &statement), step;

	*out = (struct candidate){0};
	if (rc < 0)
		return rc;
	step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		*out = (struct candidate){.id = sqlite3_column_int64(statement, 0),
					  .closed_ms = sqlite3_column_int64(statement, 1),
					  .last_ms = sqlite3_column_int64(statement, 2),
					  .rows = sqlite3_column_int64(statement, 3),
					  .has_last = sqlite3_column_type(statement, 2) != SQLITE_NULL};
	rc = store_result(s, step);
	sqlite3_finalize(statement);
	return rc;
}

/* Why it may go; NULL: it stays. */
static const char *
reason_to_drop(struct store *s, const struct candidate *c, int64_t before_ms, int64_t bytes)
{
	const int64_t day_ms = INT64_C(86400000);

	if (s->conf.keep_days > 0 && store_now_ms() - c->closed_ms > s->conf.keep_days * day_ms)
		return "sqliteKeepDays";
	if (s->conf.keep_mib > 0 && bytes > (int64_t)s->conf.keep_mib << 20)
		return "sqliteKeepM";
	if (before_ms != INT64_MIN && c->has_last && c->last_ms < before_ms)
		return "sqliteFollowPcap";
	return NULL;
}

/* In a transaction. */
static int
drop_segment(struct store *s, const struct candidate *c)
{
	int rc = store_exec_format(s, "DELETE FROM segments WHERE id=%" PRId64, c->id);

	if (rc == 0)
		rc = segments_refresh_views(s, c->id);
	if (rc == 0)
		rc = store_exec_format(s, "DROP TABLE IF EXISTS sessions_%" PRId64, c->id);
	return rc;
}

/* In a transaction: 1: one was dropped, 0: none is to go, -errno. */
static int
drop_one(struct store *s)
{
	int64_t before_ms = INT64_MIN, bytes = 0;
	const char *reason = NULL;
	struct candidate c;
	int rc = follow_pcap(s, &before_ms);

	if (rc == 0)
		rc = used_bytes(s, &bytes);
	if (rc == 0)
		rc = oldest_closed(s, &c);
	if (rc == 0 && c.id != 0)
		reason = reason_to_drop(s, &c, before_ms, bytes);
	if (rc < 0 || reason == NULL)
		return rc;
	rc = drop_segment(s, &c);
	if (rc == 0)
		LOG_INFO("sqlite.dropped", "segment=%" PRId64 " records=%" PRId64 " because=%s", c.id, c.rows, reason);
	return rc < 0 ? rc : 1;
}

int
retention_step(struct store *s)
{
	uint64_t now_ns = clock_monotonic_ns();
	int rc;

	if ((s->conf.keep_days == 0 && s->conf.keep_mib == 0 && !s->conf.follow_pcap) || now_ns < s->next_retention_ns)
		return 0;
	rc = store_begin(s);
	if (rc < 0)
		return rc;
	rc = drop_one(s);
	if (rc >= 0 && store_commit(s) < 0)
		rc = -EIO;
	if (rc < 0)
		store_rollback(s);
	if (rc <= 0)
		s->next_retention_ns = now_ns + LOOK_EVERY_S * NS_PER_S;
	return rc > 0;
}
