/* The sink "sqlite": the store of one machine, searchable at once with nothing but sqlite3(1).
 *
 * Whatever batches wait are one transaction: the fixed cost of a commit is shared exactly when there is much to do.
 * Columns that people search by stand beside the document, addresses as text ("10.0.0.1", "2001:db8::1"), because that
 * is what one writes into a WHERE clause; a prefix search is GLOB '10.0.*', which uses the index.
 *
 * An error rolls back and the same batches come again, so a full disk, a lock or a read-only file system costs time
 * only. The one case in which nobody can know whether a commit was done is covered by the number of the last document,
 * which the segment's row keeps in the same transaction.
 *
 * A file that was removed or replaced under us is noticed before each transaction and made anew: SQLite would go on
 * writing into a file without a name. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "sqlite_priv.h"

static const struct setting sqlite_settings[] = {
	SETTING_STR(struct sqlite_conf, path, "sqliteFile", "/var/lib/shrike/shrike.sqlite", "file of the sink sqlite"),
	SETTING_U32(struct sqlite_conf, segment_records, "sqliteSegmentRecords", 500000, 1, 100000000, "records",
		    "a segment with so many records is closed: it gets its search indices"),
	SETTING_U32(struct sqlite_conf, segment_minutes, "sqliteSegmentMinutes", 60, 1, 525600, "minutes",
		    "a segment of this age is closed"),
	SETTING_U32(struct sqlite_conf, keep_days, "sqliteKeepDays", 0, 0, 36500, "days",
		    "segments that were closed so long ago are dropped; 0: never"),
	SETTING_U32(struct sqlite_conf, keep_mib, "sqliteKeepM", 0, 0, 1073741824, "MiB",
		    "when the database has more in use, its oldest segments are dropped; 0: never"),
	SETTING_BOOL(struct sqlite_conf, follow_pcap, "sqliteFollowPcap", "false",
		     "drop segments that are older than the oldest pcap file there still is"),
};
SETTINGS(sqlite, "The sink sqlite", sqlite_settings);

COUNTER(sqlite_acknowledged, "sink.sqlite.acknowledged", "documents committed to SQLite", LEDGER_NONE, LEDGER_OUT);
COUNTER(sqlite_rejected, "sink.sqlite.rejected", "documents too large for SQLite", LEDGER_NONE, LEDGER_OUT);

enum {
	BATCHES_IN_TRANSACTION = 32,
	ADDRESS_BYTES = 48,
	LEAVE_OPEN_PART = 4, /* a segment with less than a fourth of its records is left to the next process */
};

enum {
	C_ID = 1,
	C_FIRST_PACKET,
	C_LAST_PACKET,
	C_IP_PROTOCOL,
	C_SOURCE_IP,
	C_SOURCE_PORT,
	C_DESTINATION_IP,
	C_DESTINATION_PORT,
	C_PACKETS,
	C_BYTES,
	C_DATA_BYTES,
	C_COMMUNITY_ID,
	C_PROTOCOLS,
	C_NODE,
	C_DOCUMENT
};

static void
close_store(struct store *s)
{
	sqlite3_finalize(s->insert);
	sqlite3_finalize(s->owned);
	sqlite3_finalize(s->note);
	sqlite3_finalize(s->put_file);
	s->insert = s->owned = s->note = s->put_file = NULL;
	s->insert_segment = 0;
	sqlite3_close(s->db);
	s->db = NULL;
	memset(&s->segments, 0, sizeof(s->segments));
}

/* Before the library is used for the first time: what is sorted goes in pieces that a CPU's cache holds, and into files
 * without a name beside the database, where there has to be room anyway. Later it says MISUSE, and the first setting
 * stays. */
static void
configure_library(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (sqlite3_config(SQLITE_CONFIG_PMASZ, (unsigned)SQLITE_SORT_PAGES) == SQLITE_OK &&
	    sqlite3_initialize() == SQLITE_OK && sqlite3_temp_directory == NULL && slash != NULL && slash > path)
		sqlite3_temp_directory = sqlite3_mprintf("%.*s", (int)(slash - path), path);
}

static void *
sqlite_create(const struct sink_params *p, char *why, size_t why_size)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	conf_fill(p->conf, &sqlite_settings_group, &s->conf);
	s->document = p->document;
	segment_owner_init(&s->owner);
	configure_library(s->conf.path);
	rc = schema_open(s);
	if (rc < 0) {
		snprintf(why, why_size, "%s: %s%s", s->conf.path, s->error[0] != '\0' ? s->error : strerror(-rc),
			 rc == -EPROTO ? "" : " (sqliteFile sets the path)");
		free(s);
		return NULL;
	}
	return s;
}

static void
sqlite_destroy(void *state)
{
	struct store *s = state;

	close_store(s);
	free(s);
}

/* Before each transaction: the file is open and still has its name. */
static int
ensure_open(struct store *s)
{
	int moved = 0, rc;

	if (s->db != NULL && sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved)
		return 0;
	if (moved) {
		LOG_WARN("sqlite.moved",
			 "file=\"%s\" do=\"nothing: it is made anew; stop the sensor before moving it\"", s->conf.path);
		close_store(s);
	}
	rc = s->db == NULL ? schema_open(s) : 0;
	return rc;
}

static int
prepare_insert(struct store *s, int64_t segment)
{
	char sql[256];
	int rc;

	if (s->insert_segment == segment)
		return 0;
	sqlite3_finalize(s->insert);
	s->insert = NULL;
	s->insert_segment = 0;
	snprintf(sql, sizeof(sql),
		 "INSERT INTO sessions_%" PRId64 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", segment);
	rc = store_prepare(s, sql, &s->insert);
	if (rc == 0)
		s->insert_segment = segment;
	return rc;
}

/* 'text' lives until the statement has run. */
static void
bind_address(sqlite3_stmt *insert, int column, const struct export_row *row, unsigned side, char text[ADDRESS_BYTES])
{
	if (row->ip_version == 0)
		sqlite3_bind_null(insert, column);
	else
		sqlite3_bind_text(insert, column, text, (int)(json_put_ip(text, row->address[side], 0) - text),
				  SQLITE_STATIC);
}

static void
bind_text_or_null(sqlite3_stmt *insert, int column, const char *text)
{
	if (text == NULL || text[0] == '\0')
		sqlite3_bind_null(insert, column);
	else
		sqlite3_bind_text(insert, column, text, -1, SQLITE_STATIC);
}

/* Binds every column, so that nothing is left of the row before: what is bound lives no longer than this call. 0,
 * -EMSGSIZE (the store will never take it) or another -errno. */
static int
insert_row(struct store *s, const struct export_batch *b, const struct export_row *row)
{
	char source[ADDRESS_BYTES], destination[ADDRESS_BYTES];
	sqlite3_stmt *i = s->insert;
	int rc;

	sqlite3_bind_text(i, C_ID, row->id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(i, C_FIRST_PACKET, row->first_ms);
	sqlite3_bind_int64(i, C_LAST_PACKET, row->last_ms);
	sqlite3_bind_int(i, C_IP_PROTOCOL, row->ip_protocol);
	bind_address(i, C_SOURCE_IP, row, 0, source);
	sqlite3_bind_int(i, C_SOURCE_PORT, row->port[0]);
	bind_address(i, C_DESTINATION_IP, row, 1, destination);
	sqlite3_bind_int(i, C_DESTINATION_PORT, row->port[1]);
	sqlite3_bind_int64(i, C_PACKETS, (int64_t)row->packets);
	sqlite3_bind_int64(i, C_BYTES, (int64_t)row->bytes);
	sqlite3_bind_int64(i, C_DATA_BYTES, (int64_t)row->data_bytes);
	bind_text_or_null(i, C_COMMUNITY_ID, row->community_id);
	bind_text_or_null(i, C_PROTOCOLS, row->protocols);
	bind_text_or_null(i, C_NODE, s->document->node);
	rc = sqlite3_bind_text(i, C_DOCUMENT, b->text + row->json_offset, (int)row->json_bytes, SQLITE_STATIC);
	return rc == SQLITE_OK ? store_run(s, i) : store_result(s, rc);
}

static int
insert_batch(struct store *s, struct sink_batch *b, struct segment *segment)
{
	for (unsigned i = 0; i < b->batch->n_rows; i++) {
		const struct export_row *row = &b->batch->row[i];
		int rc;

		if (b->batch->first_sequence + i <= segment->last_sequence)
			continue;
		rc = insert_row(s, b->batch, row);
		if (rc == -EMSGSIZE) {
			sink_reject(b, i);
			continue;
		}
		if (rc < 0)
			return rc;
		segment->rows++;
		if (row->first_ms < segment->first_ms)
			segment->first_ms = row->first_ms;
		if (row->last_ms > segment->last_ms)
			segment->last_ms = row->last_ms;
	}
	return 0;
}

/* In a transaction. */
static int
write_batches(struct store *s, struct segments *next, struct sink_batch *b, unsigned n)
{
	const struct export_batch *last = b[n - 1].batch;
	int rc = segments_check(s, next);

	if (rc == 0)
		rc = segments_claim(s, next, true);
	if (rc >= 0)
		rc = prepare_insert(s, next->current.id);
	for (unsigned i = 0; rc >= 0 && i < n; i++)
		rc = insert_batch(s, &b[i], &next->current);
	if (s->insert != NULL)
		sqlite3_clear_bindings(s->insert);
	if (rc < 0)
		return rc;
	next->current.last_sequence = last->first_sequence + last->n_rows - 1;
	return segments_note(s, next);
}

static void
forget_insert(struct store *s)
{
	sqlite3_finalize(s->insert);
	s->insert = NULL;
	s->insert_segment = 0;
}

/* One transaction on a copy of the segments, which counts when it is committed. */
static int
sqlite_write(void *state, struct sink_batch *b, unsigned n)
{
	struct store *s = state;
	struct segments next;
	int rc = ensure_open(s);

	if (rc == 0)
		rc = store_begin(s);
	if (rc < 0)
		return rc;
	next = s->segments;
	rc = write_batches(s, &next, b, n);
	if (rc == 0) {
		s->is_uncertain = true;
		rc = store_commit(s);
	}
	if (rc < 0) {
		store_rollback(s);
		forget_insert(s); /* its table may have gone with the transaction */
		return rc;
	}
	s->segments = next;
	s->is_uncertain = false;
	return 0;
}

/* Finds what dead processes left, at start. */
static int
scan(struct store *s)
{
	struct segments next = s->segments;
	int rc = store_begin(s);

	if (rc < 0)
		return rc;
	rc = segments_claim(s, &next, false);
	if (rc == 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	else
		s->segments = next;
	return rc;
}

static bool
is_worth_closing(const struct store *s)
{
	return s->segments.current.id != 0 && s->segments.current.rows > s->conf.segment_records / LEAVE_OPEN_PART;
}

static int
sqlite_maintain(void *state, bool at_exit)
{
	struct store *s = state;
	struct segments *g = &s->segments;
	int rc = ensure_open(s);

	if (rc == 0 && !g->is_scanned)
		rc = scan(s);
	if (rc < 0)
		return rc;
	if (!s->is_uncertain && (segment_due(s, &g->current) || (at_exit && is_worth_closing(s))))
		segments_retire(g);
	rc = segments_close_step(s);
	if (rc == 0)
		rc = retention_step(s);
	if (rc != 0 || !at_exit)
		return rc;
	return segments_release(s);
}

static void
bind_ms(sqlite3_stmt *p, const char *name, uint64_t ns)
{
	if (ns != 0)
		sqlite3_bind_int64(p, sqlite3_bind_parameter_index(p, name), (int64_t)(ns / NS_PER_MS));
}

static void
bind_number(sqlite3_stmt *p, const char *name, uint64_t value)
{
	sqlite3_bind_int64(p, sqlite3_bind_parameter_index(p, name), (int64_t)value);
}

static void
bind_name(sqlite3_stmt *p, const char *name, const char *value)
{
	if (value != NULL)
		sqlite3_bind_text(p, sqlite3_bind_parameter_index(p, name), value, -1, SQLITE_STATIC);
}

/* RECORD.md 4: what a files document says at creation, and what its update at the end adds. */
static void
bind_file(const struct store *s, sqlite3_stmt *p, const struct export_file *f)
{
	bind_name(p, ":node", s->document->node);
	bind_number(p, ":num", f->number);
	bind_name(p, ":name", f->name);
	if (f->first_ns != 0)
		bind_number(p, ":first", f->first_ns / NS_PER_S);
	bind_number(p, ":locked", f->locked);
	bind_name(p, ":packetPosEncoding", f->gap_positions ? "gap0" : NULL);
	bind_name(p, ":scheme", f->in_place ? "file" : NULL);
	bind_ms(p, ":startTimestamp", f->start_ns);
	bind_ms(p, ":firstTimestamp", f->first_ns);
	if (f->closing || f->in_place)
		bind_number(p, ":filesize", f->closing ? f->file_bytes : 0);
	if (!f->closing)
		return;
	bind_number(p, ":packetsSize", f->packets_bytes);
	bind_number(p, ":packets", f->packets);
	bind_ms(p, ":finishTimestamp", f->finish_ns);
	if (f->packets > 0)
		bind_ms(p, ":lastTimestamp", f->last_ns);
	bind_number(p, ":sessionsStarted", f->sessions_started);
	bind_number(p, ":sessionsPresent", f->sessions_present);
}

static int
sqlite_write_file(void *state, const struct export_file *f)
{
	/* What an event does not say stays as it was, so the two may come in any order and any number of times. */
	static const char sql[] =
		"INSERT INTO files (node, num, name, first, filesize, locked, packetPosEncoding, scheme, "
		"startTimestamp,"
		" firstTimestamp, packetsSize, packets, finishTimestamp, lastTimestamp, sessionsStarted, "
		"sessionsPresent)"
		" VALUES (:node, :num, :name, :first, :filesize, :locked, :packetPosEncoding, :scheme, :startTimestamp,"
		" :firstTimestamp, :packetsSize, :packets, :finishTimestamp, :lastTimestamp, :sessionsStarted,"
		" :sessionsPresent) ON CONFLICT (node, num) DO UPDATE SET"
		" name=coalesce(excluded.name, name), first=coalesce(excluded.first, first),"
		" filesize=coalesce(excluded.filesize, filesize), locked=excluded.locked,"
		" packetPosEncoding=coalesce(excluded.packetPosEncoding, packetPosEncoding),"
		" scheme=coalesce(excluded.scheme, scheme),"
		" startTimestamp=coalesce(excluded.startTimestamp, startTimestamp),"
		" firstTimestamp=coalesce(excluded.firstTimestamp, firstTimestamp),"
		" packetsSize=coalesce(excluded.packetsSize, packetsSize), packets=coalesce(excluded.packets, packets),"
		" finishTimestamp=coalesce(excluded.finishTimestamp, finishTimestamp),"
		" lastTimestamp=coalesce(excluded.lastTimestamp, lastTimestamp),"
		" sessionsStarted=coalesce(excluded.sessionsStarted, sessionsStarted),"
		" sessionsPresent=coalesce(excluded.sessionsPresent, sessionsPresent)";
	struct store *s = state;
	int rc = ensure_open(s);

	if (rc == 0 && s->put_file == NULL)
		rc = store_prepare(s, sql, &s->put_file);
	if (rc < 0)
		return rc;
	bind_file(s, s->put_file, f);
	rc = store_run(s, s->put_file);
	sqlite3_clear_bindings(s->put_file);
	return rc;
}

static int
sqlite_write_stats(void *state, const struct export_stats *stats)
{
	struct store *s = state;
	int rc = ensure_open(s);

	return rc == 0 ? sqlite_put_stats(s, stats) : rc;
}

/* What is in the WAL goes to the disk and into the file. Readers may keep a part of it back until the next time. */
static int
sqlite_flush(void *state)
{
	struct store *s = state;
	int rc = s->db != NULL ? sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) : 0;

	return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ? 0 : store_result(s, rc);
}

static uint32_t
sqlite_take_numbers(void *state, unsigned n)
{
	/* One statement is one transaction, and an INSERT takes the write lock at once. */
	static const char sql[] = "INSERT INTO sequence (node, next) VALUES (?1, 1 + ?2)"
				  " ON CONFLICT (node) DO UPDATE SET next = next + ?2 RETURNING next - ?2";
	struct store *s = state;
	sqlite3_stmt *statement = NULL;
	uint32_t first = 0;
	int rc = ensure_open(s), step = SQLITE_DONE;

	if (rc == 0)
		rc = store_prepare(s, sql, &statement);
	if (rc == 0) {
		sqlite3_bind_text(statement, 1, s->document->node, -1, SQLITE_STATIC);
		sqlite3_bind_int(statement, 2, (int)n);
		while ((step = sqlite3_step(statement)) == SQLITE_ROW)
			first = (uint32_t)sqlite3_column_int64(statement, 0);
		rc = store_result(s, step);
	}
	sqlite3_finalize(statement);
	errno = -rc;
	return rc == 0 ? first : 0;
}

static void
sqlite_return_numbers(void *state, uint32_t first, unsigned n)
{
	struct store *s = state;
	sqlite3_stmt *statement = NULL;

	if (s->db == NULL || store_prepare(s, "UPDATE sequence SET next=?1 WHERE node=?2 AND next=?3", &statement) < 0)
		return;
	sqlite3_bind_int64(statement, 1, first);
	sqlite3_bind_text(statement, 2, s->document->node, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, (int64_t)first + n);
	(void)store_run(s, statement); /* Failed: the numbers are skipped. */
	sqlite3_finalize(statement);
}

static void
sqlite_count(struct counters *counters, uint64_t acknowledged, uint64_t rejected)
{
	COUNTER_ADD(counters, sqlite_acknowledged, acknowledged);
	COUNTER_ADD(counters, sqlite_rejected, rejected);
}

static const char *
sqlite_explain(void *state)
{
	const struct store *s = state;

	return s->error;
}

static void
sqlite_describe(void *state, char *out, size_t size)
{
	const struct store *s = state;

	snprintf(out, size, "%s", s->conf.path);
}

static const struct sink_kind sqlite = {
	.name = "sqlite",
	.max_batches = BATCHES_IN_TRANSACTION,
	.wants_columns = true,
	.create = sqlite_create,
	.destroy = sqlite_destroy,
	.write = sqlite_write,
	.write_file = sqlite_write_file,
	.write_stats = sqlite_write_stats,
	.read_stats = sqlite_read_stats,
	.flush = sqlite_flush,
	.maintain = sqlite_maintain,
	.each_file = sqlite_each_file,
	.take_file_numbers = sqlite_take_numbers,
	.return_file_numbers = sqlite_return_numbers,
	.count = sqlite_count,
	.explain = sqlite_explain,
	.describe = sqlite_describe,
};
REGISTRY_ADD(sink_kind, sqlite);
