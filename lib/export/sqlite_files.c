/* What files the store knows: for a replay that skips or reprocesses captures.
 *
 * A connection of its own, read only and closed again: this runs once, before the sink exists. */
#include <errno.h>
#include <unistd.h>

#include "log.h"
#include "sqlite_priv.h"

int
sqlite_open_beside(const struct sqlite_conf *conf, int busy_ms, sqlite3 **db)
{
	*db = NULL;
	if (access(conf->path, F_OK) != 0)
		return -errno;
	if (sqlite3_open_v2(conf->path, db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return -EIO;
	sqlite3_busy_timeout(*db, busy_ms);
	return 0;
}

static int
walk(sqlite3 *db, const char *node, export_file_callback each, void *context)
{
	static const char sql[] = "SELECT name, num FROM files WHERE node = ? AND name IS NOT NULL ORDER BY num";
	sqlite3_stmt *statement;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return -EIO;
	sqlite3_bind_text(statement, 1, node, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		each((const char *)sqlite3_column_text(statement, 0), (uint32_t)sqlite3_column_int64(statement, 1),
		     context);
	sqlite3_finalize(statement);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

int
sqlite_each_file(const struct sink_params *params, export_file_callback each, void *context)
{
	enum { BUSY_MS = 10000 };
	struct sqlite_conf conf;
	sqlite3 *db;
	int error;

	conf_fill(params->conf, &sqlite_settings_group, &conf);
	error = sqlite_open_beside(&conf, BUSY_MS, &db);
	if (error == 0)
		error = walk(db, params->document->node, each, context);
	if (error != 0 && db != NULL)
		LOG_ERROR("sqlite.files", "file=\"%s\" error=\"%s\"", conf.path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return error;
}
