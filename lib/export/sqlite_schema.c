/* The SQLite file: opening it, its tables, the documents about fields.
 *
 * Four processes may meet an empty file at once. The switch to WAL and the first transaction are therefore tried again
 * while the file is busy, and the tables are made in one IMMEDIATE transaction that looks again whether it still has
 * to.
 *
 * 'user_version' is the schema's version, 'application_id' says that the file is ours at all: we never write into
 * somebody else's database. A newer version is refused with the way out; an older one is brought up to date step by
 * step, all of it in one transaction, which costs no more than the steps say (upgrades[]).
 *
 * Pages have 16 KB: sessions are appended, 1 KB each, and the bigger page halves the cost of a row against 4 KB
 * (test/bench/sinks_bench.c). The WAL is written back every 64 MB, so that a page that changes often is written back
 * once. synchronous=NORMAL: a crash of the process loses nothing that was committed, a crash of the machine at most
 * what came since the last write-back; flush() brings that forward when there is nothing else to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "field.h"
#include "log.h"
#include "paths_priv.h"
#include "sqlite_priv.h"

enum {
	BUSY_MS = 1000, /* SQLite itself waits so long for the lock */
	OPEN_WAIT_S = 20,
	WAL_PAGES = 4000,
};

static const char schema_sql[] =
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	/* RECORD.md 4: one column for each key of a files document. */
	"CREATE TABLE files (node TEXT NOT NULL, num INTEGER NOT NULL, name TEXT, first INTEGER, filesize INTEGER,"
	" locked INTEGER, encoding TEXT, iv TEXT, dek TEXT, kekId TEXT, dekEncoding TEXT, dekSalt TEXT, dekIv TEXT,"
	" dekTag TEXT, packetPosEncoding TEXT, uncompressedBits INTEGER, compression TEXT, indexFilename TEXT,"
	" scheme TEXT, extra TEXT, startTimestamp INTEGER, firstTimestamp INTEGER, packetsSize INTEGER,"
	" packets INTEGER, finishTimestamp INTEGER, lastTimestamp INTEGER, sessionsStarted INTEGER,"
	" sessionsPresent INTEGER, PRIMARY KEY (node, num)) WITHOUT ROWID;"
	"CREATE TABLE fields (expression TEXT PRIMARY KEY, dbField TEXT, friendly TEXT, \"group\" TEXT, kind TEXT,"
	" type TEXT, help TEXT) WITHOUT ROWID;"
	"CREATE TABLE sequence (node TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;"
	/* closed: NULL while it may grow. touched: wall clock, milliseconds, as created and closed. */
	"CREATE TABLE segments (id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, created INTEGER NOT NULL,"
	" touched INTEGER, closed INTEGER, rows INTEGER NOT NULL DEFAULT 0, first_packet INTEGER, last_packet INTEGER,"
	" owner_pid INTEGER, owner_start INTEGER, owner_host TEXT, owner_token INTEGER, last_sequence INTEGER);"
	"CREATE INDEX segments_open ON segments (id) WHERE closed IS NULL;"
	"CREATE INDEX segments_closed ON segments (id) WHERE closed IS NOT NULL;"
	/* Never filled: what every segment looks like, and a view's first term when there are none. */
	"CREATE TABLE sessions_0 (id TEXT NOT NULL, first_packet INTEGER, last_packet INTEGER, ip_protocol INTEGER,"
	" source_ip TEXT, source_port INTEGER, destination_ip TEXT, destination_port INTEGER, packets INTEGER,"
	" bytes INTEGER, data_bytes INTEGER, community_id TEXT, protocols TEXT, node TEXT, document TEXT NOT NULL);"
	"CREATE VIEW sessions_view_0 AS SELECT * FROM sessions_0;"
	"CREATE VIEW sessions AS SELECT * FROM sessions_view_0;";

/* What makes version i + 1 of version i. A step must be quick however large the database is. */
static const char *const upgrades[SQLITE_SCHEMA_VERSION] = {
	[1] = "CREATE INDEX segments_closed ON segments (id) WHERE closed IS NOT NULL;",
};

static const char *const type_names[] = {
	[FIELD_NONE] = "none",
	[FIELD_INT] = "int",
	[FIELD_INT_LIST] = "int_list",
	[FIELD_INT_SET] = "int_set",
	[FIELD_INT_LIST_UNIQUE] = "int_list_unique",
	[FIELD_FLOAT] = "float",
	[FIELD_FLOAT_LIST] = "float_list",
	[FIELD_FLOAT_SET] = "float_set",
	[FIELD_STR] = "str",
	[FIELD_STR_LIST] = "str_list",
	[FIELD_STR_SET] = "str_set",
	[FIELD_IP] = "ip",
	[FIELD_IP_SET] = "ip_set",
	[FIELD_OBJECT] = "object",
};

static int
result_errno(struct store *s, int rc)
{
	int system = s->db != NULL ? sqlite3_system_errno(s->db) : 0;

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_TOOBIG:
		return EMSGSIZE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EBADMSG;
	case SQLITE_ERROR:
		return EINVAL;
	default:
		return system > 0 ? system : EIO;
	}
}

int
store_result(struct store *s, int rc)
{
	int error = result_errno(s, rc);

	if (error == 0)
		return 0;
	snprintf(s->error, sizeof(s->error), "%s%s%s", s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc),
		 error == EIO || (rc & 0xff) == SQLITE_IOERR ? ": " : "",
		 error == EIO || (rc & 0xff) == SQLITE_IOERR ? strerror(error) : "");
	return -error;
}

int
store_exec(struct store *s, const char *sql)
{
	return store_result(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

int
store_exec_format(struct store *s, const char *format, ...)
{
	char sql[2048];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(sql, sizeof(sql), format, arguments);
	va_end(arguments);
	return n < (int)sizeof(sql) ? store_exec(s, sql) : -E2BIG;
}

int
store_prepare(struct store *s, const char *sql, sqlite3_stmt **statement)
{
	return store_result(s, sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

int
store_run(struct store *s, sqlite3_stmt *statement)
{
	int rc;

	do
		rc = sqlite3_step(statement);
	while (rc == SQLITE_ROW);
	rc = store_result(s, rc);
	sqlite3_reset(statement);
	return rc;
}

int
store_begin(struct store *s)
{
	return store_exec(s, "BEGIN IMMEDIATE");
}

int
store_commit(struct store *s)
{
	return store_exec(s, "COMMIT");
}

/* Keeps 'error': it is the reason. Some errors have rolled back already. */
void
store_rollback(struct store *s)
{
	if (s->db != NULL && sqlite3_get_autocommit(s->db) == 0)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int64_t
store_now_ms(void)
{
	return (int64_t)(clock_wall_ns() / NS_PER_MS);
}

int
store_number(struct store *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, sql, &statement);

	*out = 0;
	if (rc < 0)
		return rc;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	rc = store_result(s, rc);
	sqlite3_finalize(statement);
	return rc;
}

/* 1: ours and ready, 0: empty, or of an older version (*older), -errno. Inside a transaction: whoever makes the tables
 * may commit between two reads. */
static int
check_version(struct store *s, int64_t *older)
{
	int64_t application = 0, version = 0, tables = 0;
	int rc = store_number(s, "PRAGMA application_id", &application);

	if (rc == 0)
		rc = store_number(s, "PRAGMA user_version", &version);
	if (rc == 0)
		rc = store_number(s, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc < 0)
		return rc;
	if (application == 0 && version == 0 && tables == 0)
		return 0;
	if (application != SQLITE_APPLICATION_ID) {
		snprintf(s->error, sizeof(s->error),
			 "it is the database of another program; set sqliteFile to another path");
		return -EPROTO;
	}
	*older = version > 0 && version < SQLITE_SCHEMA_VERSION ? version : 0;
	if (*older != 0)
		return 0;
	if (version != SQLITE_SCHEMA_VERSION) {
		snprintf(s->error, sizeof(s->error),
			 "its schema has version %" PRId64 " and this program writes version %d; "
			 "use the program that made it, or set sqliteFile to another path",
			 version, SQLITE_SCHEMA_VERSION);
		return -EPROTO;
	}
	return 1;
}

static int
look_at_file(struct store *s)
{
	int rc = store_exec(s, "BEGIN"), version = 0;
	int64_t older;

	if (rc == 0)
		rc = version = check_version(s, &older);
	if (rc >= 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	return rc < 0 ? rc : version;
}

static int
upgrade(struct store *s, int64_t from)
{
	int rc = 0;

	for (int64_t i = from; rc == 0 && i < SQLITE_SCHEMA_VERSION; i++)
		rc = store_exec(s, upgrades[i]);
	if (rc == 0)
		rc = store_exec_format(s, "PRAGMA user_version=%d", SQLITE_SCHEMA_VERSION);
	if (rc == 0)
		LOG_INFO("sqlite.upgraded", "file=\"%s\" from=%" PRId64 " to=%d", s->conf.path, from,
			 SQLITE_SCHEMA_VERSION);
	return rc;
}

/* In a new file. */
static int
create_all(struct store *s)
{
	int rc = store_exec(s, schema_sql);

	if (rc < 0)
		return rc;
	return store_exec_format(s,
				 "PRAGMA application_id=%d; PRAGMA user_version=%d;"
				 "INSERT INTO meta VALUES ('created', '%" PRId64 "')",
				 SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION, store_now_ms());
}

static int
create_tables(struct store *s)
{
	int64_t older = 0;
	int rc = store_begin(s);

	if (rc == 0)
		rc = check_version(s, &older);
	if (rc == 0)
		rc = older != 0 ? upgrade(s, older) : create_all(s);
	if (rc >= 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	return rc;
}

static int
use_wal(struct store *s)
{
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, "PRAGMA journal_mode=WAL", &statement);

	if (rc < 0)
		return rc;
	rc = store_result(s, sqlite3_step(statement));
	if (rc == 0 && strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0) {
		snprintf(s->error, sizeof(s->error),
			 "SQLite cannot use WAL there; set sqliteFile to a local file system");
		rc = -EOPNOTSUPP;
	}
	sqlite3_finalize(statement);
	return rc;
}

static uint64_t
hash_text(uint64_t hash, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3); /* FNV-1a */
	return hash * UINT64_C(0x100000001b3);
}

static uint64_t
hash_fields(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned id = 1; id <= fields_count(); id++) {
		const struct field *f = field_at((field_id)id);
		const char *texts[] = {f->expression,	    f->name, f->friendly, f->group, f->kind,
				       type_names[f->type], f->help};

		for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			hash = hash_text(hash, texts[i]);
	}
	return hash;
}

static int
put_fields(struct store *s)
{
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, "INSERT OR REPLACE INTO fields VALUES (?, ?, ?, ?, ?, ?, ?)", &statement);

	for (unsigned id = 1; rc == 0 && id <= fields_count(); id++) {
		const struct field *f = field_at((field_id)id);
		const char *texts[] = {f->expression,	    f->name, f->friendly, f->group, f->kind,
				       type_names[f->type], f->help};

		if (f->expression == NULL || (f->flags & FIELD_NO_DB) != 0)
			continue;
		for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
		rc = store_run(s, statement);
	}
	sqlite3_finalize(statement);
	return rc;
}

/* Rows of fields that only another version knows stay: its sessions are here too. */
static int
write_fields(struct store *s)
{
	int64_t hash = (int64_t)hash_fields(), stored;
	int rc = store_number(s, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'fields_hash'", &stored);

	if (rc < 0 || stored == hash)
		return rc;
	rc = store_begin(s);
	if (rc == 0)
		rc = put_fields(s);
	if (rc == 0)
		rc = store_exec_format(s, "INSERT OR REPLACE INTO meta VALUES ('fields_hash', '%" PRId64 "')", hash);
	if (rc == 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	return rc;
}

static int
prepare_file(struct store *s)
{
	int rc = store_result(s, sqlite3_busy_timeout(s->db, BUSY_MS));

	if (rc == 0)
		rc = look_at_file(s);
	if (rc >= 0)
		rc = store_exec_format(s, "PRAGMA page_size=%d", SQLITE_PAGE_BYTES);
	if (rc >= 0)
		rc = use_wal(s);
	if (rc >= 0)
		rc = store_exec_format(s,
				       "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-%d;"
				       "PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d",
				       SQLITE_CACHE_KIB, WAL_PAGES, 4 * WAL_PAGES * SQLITE_PAGE_BYTES);
	if (rc >= 0)
		rc = look_at_file(s);
	if (rc == 0)
		rc = create_tables(s);
	if (rc >= 0)
		rc = write_fields(s);
	return rc < 0 ? rc : 0;
}

static int
open_once(struct store *s)
{
	int rc;

	if (paths_make_parents(s->conf.path) != 0) {
		snprintf(s->error, sizeof(s->error), "its folder: %s", strerror(errno));
		return -errno;
	}
	rc = store_result(s, sqlite3_open_v2(s->conf.path, &s->db,
					     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	if (rc == 0)
		rc = prepare_file(s);
	if (rc < 0) {
		sqlite3_close(s->db);
		s->db = NULL;
	}
	return rc;
}

int
schema_open(struct store *s)
{
	uint64_t until_ns = clock_monotonic_ns() + OPEN_WAIT_S * NS_PER_S;
	int rc;

	while ((rc = open_once(s)) == -EBUSY && clock_monotonic_ns() < until_ns)
		usleep(10000);
	return rc;
}
