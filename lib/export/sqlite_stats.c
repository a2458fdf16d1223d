/* Documents about the sensor in SQLite: the latest one of each node, and a ring of them for its history.
 *
 * The tables came later than the schema's first version and are made when they are missed: a program that does not know
 * them loses nothing, so this is no new version. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sqlite_priv.h"

static const char tables_sql[] =
	"CREATE TABLE IF NOT EXISTS stats (node TEXT PRIMARY KEY, time INTEGER NOT NULL, document TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS dstats (id TEXT PRIMARY KEY, node TEXT NOT NULL, time INTEGER NOT NULL,"
	" document TEXT NOT NULL) WITHOUT ROWID;";

/* 'time': wall clock, milliseconds. */
static const char *const put_sql[] = {
	"INSERT OR REPLACE INTO stats (node, time, document) VALUES (?1, ?3, ?4)",
	"INSERT OR REPLACE INTO dstats (id, node, time, document) VALUES (?1, ?2, ?3, ?4)",
};

static int
put(struct store *s, const struct export_stats *stats)
{
	sqlite3_stmt *statement = NULL;
	int rc = store_prepare(s, put_sql[stats->flavour != 0], &statement);

	if (rc < 0)
		return rc;
	sqlite3_bind_text(statement, 1, stats->id, -1, SQLITE_STATIC);
	if (stats->flavour != 0)
		sqlite3_bind_text(statement, 2, s->document->node, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, store_now_ms());
	sqlite3_bind_text(statement, 4, stats->json, (int)stats->json_bytes, SQLITE_STATIC);
	rc = store_run(s, statement);
	sqlite3_finalize(statement);
	return rc;
}

int
sqlite_put_stats(struct store *s, const struct export_stats *stats)
{
	int rc = put(s, stats);

	if (rc != -EINVAL)
		return rc;
	rc = store_exec(s, tables_sql); /* SQLITE_ERROR: no such table */
	return rc == 0 ? put(s, stats) : rc;
}

static int
read_document(sqlite3 *db, const char *node, char *json, size_t json_size)
{
	sqlite3_stmt *statement;
	int rc;

	/* There may be no such table, which is no document too. */
	if (sqlite3_prepare_v2(db, "SELECT document FROM stats WHERE node = ?", -1, &statement, NULL) != SQLITE_OK)
		return -ENOENT;
	sqlite3_bind_text(statement, 1, node, -1, SQLITE_STATIC);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		snprintf(json, json_size, "%s", (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	if (rc == SQLITE_ROW)
		return 0;
	return rc == SQLITE_DONE ? -ENOENT : -EIO;
}

int
sqlite_read_stats(const struct sink_params *params, char *json, size_t json_size)
{
	enum { BUSY_MS = 1000 };
	struct sqlite_conf conf;
	sqlite3 *db;
	int error;

	conf_fill(params->conf, &sqlite_settings_group, &conf);
	error = sqlite_open_beside(&conf, BUSY_MS, &db);
	if (error == 0)
		error = read_document(db, params->document->node, json, json_size);
	sqlite3_close(db);
	return error;
}
