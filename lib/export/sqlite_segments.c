/* Segments: the tables that sessions are in.
 *
 * One table for all sessions would need its search indices kept up row by row, in random order, which costs more than
 * everything else together and more with every million rows. So sessions are appended to a segment without any index,
 * and when it has its 500,000 records or its hour, the indices are built in one go, one per transaction, between
 * batches. An index on half a million rows takes about half a second, in which nobody can write: building it on a
 * second connection would only move the waiting to the lock, for SQLite has one writer. The id is indexed there too and
 * not before: ids are random, and keeping even that one index up row by row halves the rate and multiplies what is
 * written to the disk by five. What this gives up: a look-up in the open segment reads all of it, a third of a second
 * at most.
 *
 * Each process fills a segment of its own, so that processes share nothing but the lock. Who owns a segment stands in
 * its row, checked and renewed by every transaction; so even if somebody takes it over who wrongly believes that its
 * owner has died, no document is lost or doubled, the owner just begins another. A segment that a process leaves while
 * it is small has no owner and is filled up by the next process; one whose owner has died is adopted in the same way,
 * or closed when it is due.
 *
 * The view 'sessions' covers all segments. SQLite allows 500 terms in a compound SELECT, so it is a view over views of
 * 250 segments each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "sqlite_priv.h"

static const char *const index_columns[] = {"id", "source_ip", "destination_ip", "first_packet"};

enum { N_INDICES = sizeof(index_columns) / sizeof(index_columns[0]), FOREIGN_GRACE_MIN = 10, VIEW_SQL_BYTES = 65536 };

/* Field 22 of /proc/PID/stat; the name before it may hold anything, so count from its last parenthesis. 0: no such
 * process. */
static int64_t
process_start(int64_t pid)
{
	char path[64], text[1024];
	const char *p;
	int64_t start = 0;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	for (unsigned field = 2; p != NULL && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p == NULL || sscanf(p, "%" SCNd64, &start) != 1)
		return 0;
	return start;
}

static void
read_boot_id(char *out, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(out, (int)size, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

void
segment_owner_init(struct segment_owner *o)
{
	char boot[48], name_space[32] = "";
	ssize_t n = readlink("/proc/self/ns/pid", name_space, sizeof(name_space) - 1);

	if (n > 0)
		name_space[n] = '\0';
	read_boot_id(boot, sizeof(boot));
	o->pid = getpid();
	o->start = process_start(o->pid);
	snprintf(o->host, sizeof(o->host), "%s/%s", boot, name_space);
	if (getrandom(&o->token, sizeof(o->token), 0) != sizeof(o->token))
		o->token = store_now_ms() ^ o->pid << 48;
}

static bool
same_boot(const char *a, const char *b)
{
	const char *slash = strchr(a, '/');

	return slash != NULL && strncmp(a, b, (size_t)(slash - a) + 1) == 0;
}

/* A process of another container cannot be looked up: it lives while it writes. */
static bool
owner_lives(const struct store *s, const struct segment_owner *o, int64_t touched_ms)
{
	int64_t grace_ms = (s->conf.segment_minutes + FOREIGN_GRACE_MIN) * INT64_C(60000);

	if (o->pid == 0)
		return false;
	if (strcmp(o->host, s->owner.host) == 0)
		return process_start(o->pid) == o->start;
	return same_boot(o->host, s->owner.host) && store_now_ms() - touched_ms < grace_ms;
}

static bool
is_full(const struct store *s, uint64_t rows, int64_t created_ms)
{
	if (rows >= s->conf.segment_records)
		return true;
	return rows > 0 && store_now_ms() - created_ms >= s->conf.segment_minutes * INT64_C(60000);
}

bool
segment_due(const struct store *s, const struct segment *segment)
{
	return segment->id != 0 && is_full(s, segment->rows, segment->created_ms);
}

static bool
is_closing(const struct segments *g, int64_t id)
{
	for (unsigned i = 0; i < g->n_closing; i++)
		if (g->closing[i].id == id)
			return true;
	return false;
}

static int
set_owner(struct store *s, int64_t id)
{
	return store_exec_format(s,
				 "UPDATE segments SET owner_pid=%" PRId64 ", owner_start=%" PRId64 ", owner_host='%s',"
				 " owner_token=%" PRId64 ", touched=%" PRId64 ", last_sequence=0 WHERE id=%" PRId64,
				 s->owner.pid, s->owner.start, s->owner.host, s->owner.token, store_now_ms(), id);
}

/* What SELECT in scan_open() returns. */
struct open_segment {
	struct segment segment;
	struct segment_owner owner;
	int64_t touched_ms;
};

static void
read_open(sqlite3_stmt *row, struct open_segment *o)
{
	const unsigned char *host = sqlite3_column_text(row, 7);

	*o = (struct open_segment){
		.segment = {.id = sqlite3_column_int64(row, 0),
			    .rows = (uint64_t)sqlite3_column_int64(row, 1),
			    .created_ms = sqlite3_column_int64(row, 2),
			    .first_ms = sqlite3_column_type(row, 3) == SQLITE_NULL ? INT64_MAX
										   : sqlite3_column_int64(row, 3),
			    .last_ms = sqlite3_column_type(row, 4) == SQLITE_NULL ? INT64_MIN
										  : sqlite3_column_int64(row, 4),
			    .last_sequence = (uint64_t)sqlite3_column_int64(row, 10)},
		.owner = {.pid = sqlite3_column_int64(row, 5),
			  .start = sqlite3_column_int64(row, 6),
			  .token = sqlite3_column_int64(row, 8)},
		.touched_ms = sqlite3_column_int64(row, 9),
	};
	snprintf(o->owner.host, sizeof(o->owner.host), "%s", host != NULL ? (const char *)host : "");
}

/* Decides about one open segment: adopt it, close it, or let it be. */
static int
consider(struct store *s, struct segments *next, const struct open_segment *o)
{
	int rc;

	if (o->owner.token == s->owner.token && o->owner.pid == s->owner.pid) {
		/* Ours, but we do not know it: a commit that was reported as failed was done after all. */
		if (next->current.id == 0 && !is_closing(next, o->segment.id))
			next->current = o->segment;
		return 0;
	}
	if (owner_lives(s, &o->owner, o->touched_ms))
		return 0;
	if (is_full(s, o->segment.rows, o->segment.created_ms)) {
		if (next->n_closing == SEGMENTS_CLOSING_MAX)
			return 0;
		rc = set_owner(s, o->segment.id);
		next->closing[next->n_closing].id = o->segment.id;
		next->closing[next->n_closing++].step = 0;
		return rc;
	}
	if (next->current.id != 0)
		return 0;
	next->current = o->segment;
	next->current.last_sequence = 0;
	return set_owner(s, o->segment.id);
}

static int
scan_open(struct store *s, struct segments *next)
{
	static const char sql[] = "SELECT id, rows, created, first_packet, last_packet, owner_pid, owner_start,"
				  " owner_host, owner_token, touched, last_sequence FROM segments WHERE closed IS NULL";
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, sql, &statement), step = SQLITE_DONE;

	while (rc == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
		struct open_segment o;

		read_open(statement, &o);
		rc = consider(s, next, &o);
	}
	if (rc == 0)
		rc = store_result(s, step);
	sqlite3_finalize(statement);
	next->is_scanned = rc == 0;
	return rc;
}

/* "CREATE VIEW name AS SELECT * FROM prefixA UNION ALL SELECT * FROM prefixB ..." for the numbers that 'sql' selects,
 * number 0 first when it is one of them; no view when there are none. */
static int
recreate_view(struct store *s, const char *name, const char *prefix, const char *sql, bool with_zero)
{
	sqlite3_stmt *statement = NULL;
	char *text = malloc(VIEW_SQL_BYTES);
	int rc = text != NULL ? store_prepare(s, sql, &statement) : -ENOMEM;
	size_t n = 0;
	bool first = true;

	if (rc == 0) {
		n = (size_t)snprintf(text, VIEW_SQL_BYTES, "DROP VIEW IF EXISTS %s; CREATE VIEW %s AS ", name, name);
		if (with_zero)
			n += (size_t)snprintf(text + n, VIEW_SQL_BYTES - n, "SELECT * FROM %s0", prefix);
		first = !with_zero;
		while (sqlite3_step(statement) == SQLITE_ROW && n < VIEW_SQL_BYTES) {
			n += (size_t)snprintf(text + n, VIEW_SQL_BYTES - n, "%sSELECT * FROM %s%" PRId64,
					      first ? "" : " UNION ALL ", prefix,
					      (int64_t)sqlite3_column_int64(statement, 0));
			first = false;
		}
		rc = n < VIEW_SQL_BYTES ? 0 : -E2BIG;
	}
	sqlite3_finalize(statement);
	if (rc == 0)
		rc = first ? store_exec_format(s, "DROP VIEW IF EXISTS %s", name) : store_exec(s, text);
	free(text);
	return rc;
}

int
segments_refresh_views(struct store *s, int64_t id)
{
	int64_t view = id / SEGMENTS_PER_VIEW;
	char name[64], sql[256];
	int rc;

	snprintf(name, sizeof(name), "sessions_view_%" PRId64, view);
	snprintf(sql, sizeof(sql), "SELECT id FROM segments WHERE id BETWEEN %" PRId64 " AND %" PRId64 " ORDER BY id",
		 view * SEGMENTS_PER_VIEW, view * SEGMENTS_PER_VIEW + SEGMENTS_PER_VIEW - 1);
	rc = recreate_view(s, name, "sessions_", sql, view == 0);
	if (rc < 0)
		return rc;
	snprintf(sql, sizeof(sql), "SELECT DISTINCT id / %d FROM segments WHERE id >= %d ORDER BY 1", SEGMENTS_PER_VIEW,
		 SEGMENTS_PER_VIEW);
	return recreate_view(s, "sessions", "sessions_view_", sql, true);
}

/* The table as the template's text has it, under the segment's name. */
static int
create_table(struct store *s, int64_t id)
{
	static const char sql[] = "SELECT substr(sql, instr(sql, '(')) FROM sqlite_schema WHERE name = 'sessions_0'";
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, sql, &statement);

	if (rc == 0 && sqlite3_step(statement) == SQLITE_ROW)
		rc = store_exec_format(s, "CREATE TABLE sessions_%" PRId64 " %s", id,
				       sqlite3_column_text(statement, 0));
	else if (rc == 0)
		rc = -EBADMSG;
	sqlite3_finalize(statement);
	return rc;
}

static int
create_segment(struct store *s, struct segment *segment)
{
	int64_t now_ms = store_now_ms();
	int rc = store_exec_format(s,
				   "INSERT INTO segments (id, table_name, created) SELECT coalesce(max(id), 0) + 1,"
				   " 'sessions_' || (coalesce(max(id), 0) + 1), %" PRId64 " FROM segments",
				   now_ms);

	if (rc < 0)
		return rc;
	*segment = (struct segment){.id = sqlite3_last_insert_rowid(s->db),
				    .created_ms = now_ms,
				    .first_ms = INT64_MAX,
				    .last_ms = INT64_MIN};
	rc = create_table(s, segment->id);
	if (rc == 0)
		rc = set_owner(s, segment->id);
	if (rc == 0)
		rc = segments_refresh_views(s, segment->id);
	return rc;
}

int
segments_claim(struct store *s, struct segments *next, bool create)
{
	int rc = scan_open(s, next);

	if (rc < 0 || next->current.id != 0 || !create)
		return rc;
	return create_segment(s, &next->current);
}

int
segments_check(struct store *s, struct segments *next)
{
	int rc, found;

	if (next->current.id == 0)
		return 0;
	if (s->owned == NULL) {
		rc = store_prepare(s,
				   "SELECT last_sequence FROM segments WHERE id=? AND owner_token=? AND closed IS NULL",
				   &s->owned);
		if (rc < 0)
			return rc;
	}
	sqlite3_bind_int64(s->owned, 1, next->current.id);
	sqlite3_bind_int64(s->owned, 2, s->owner.token);
	found = sqlite3_step(s->owned);
	if (found == SQLITE_ROW)
		next->current.last_sequence = (uint64_t)sqlite3_column_int64(s->owned, 0);
	rc = store_result(s, found);
	sqlite3_reset(s->owned);
	if (rc == 0 && found != SQLITE_ROW)
		next->current.id = 0; /* Somebody took it. */
	return rc < 0 ? rc : found == SQLITE_ROW;
}

int
segments_note(struct store *s, const struct segments *next)
{
	const struct segment *c = &next->current;

	if (s->note == NULL) {
		int rc = store_prepare(s,
				       "UPDATE segments SET rows=?, first_packet=?, last_packet=?, touched=?,"
				       " last_sequence=? WHERE id=?",
				       &s->note);

		if (rc < 0)
			return rc;
	}
	sqlite3_bind_int64(s->note, 1, (int64_t)c->rows);
	sqlite3_bind_int64(s->note, 2, c->first_ms);
	sqlite3_bind_int64(s->note, 3, c->last_ms);
	sqlite3_bind_int64(s->note, 4, store_now_ms());
	sqlite3_bind_int64(s->note, 5, (int64_t)c->last_sequence);
	sqlite3_bind_int64(s->note, 6, c->id);
	return store_run(s, s->note);
}

void
segments_retire(struct segments *g)
{
	if (g->current.id == 0 || g->n_closing == SEGMENTS_CLOSING_MAX)
		return; /* It goes on growing until there is room. */
	g->closing[g->n_closing].id = g->current.id;
	g->closing[g->n_closing++].step = 0;
	g->current.id = 0;
}

static int
create_index(struct store *s, int64_t id, unsigned step)
{
	return store_exec_format(s, "CREATE INDEX IF NOT EXISTS sessions_%" PRId64 "_%s ON sessions_%" PRId64 " (%s)",
				 id, index_columns[step], id, index_columns[step]);
}

/* Rows are sorted in lists as large as the page cache may be, some 40 MB if it may, and a list that is larger than the
 * CPU's caches takes twice as long: so it may not, meanwhile. The lists wait in a file without a name to be merged. */
static int
build_index(struct store *s, int64_t id, unsigned step)
{
	int rc = store_exec_format(s, "PRAGMA cache_size=-%d", SQLITE_SORT_KIB), restored;

	if (rc == 0)
		rc = create_index(s, id, step);
	restored = store_exec_format(s, "PRAGMA cache_size=-%d", SQLITE_CACHE_KIB);
	return rc < 0 ? rc : restored;
}

static int
mark_closed(struct store *s, int64_t id)
{
	return store_exec_format(s,
				 "UPDATE segments SET closed=%" PRId64 ", owner_pid=NULL, owner_start=NULL,"
				 " owner_host=NULL, owner_token=NULL, last_sequence=NULL WHERE id=%" PRId64,
				 store_now_ms(), id);
}

int
segments_close_step(struct store *s)
{
	struct segments *g = &s->segments;
	int64_t id = g->closing[0].id;
	int rc;

	if (g->n_closing == 0)
		return 0;
	if (g->closing[0].step < N_INDICES) {
		rc = build_index(s, id, g->closing[0].step);
		if (rc == -EINVAL) /* The table is gone or is not what it was: searches lack an index, no more. */
			LOG_WARN("sqlite.index", "segment=%" PRId64 " column=%s error=\"%s\"", id,
				 index_columns[g->closing[0].step], s->error);
		else if (rc < 0)
			return rc;
		g->closing[0].step++;
		return 1;
	}
	rc = mark_closed(s, id);
	if (rc < 0)
		return rc;
	g->n_closing--;
	memmove(&g->closing[0], &g->closing[1], g->n_closing * sizeof(g->closing[0]));
	return 1;
}

int
segments_release(struct store *s)
{
	int rc;

	if (s->segments.current.id == 0)
		return 0;
	rc = store_exec_format(s,
			       "UPDATE segments SET owner_pid=NULL, owner_start=NULL, owner_host=NULL,"
			       " owner_token=NULL, last_sequence=NULL WHERE id=%" PRId64 " AND owner_token=%" PRId64,
			       s->segments.current.id, s->owner.token);
	if (rc == 0)
		s->segments.current.id = 0;
	return rc;
}
