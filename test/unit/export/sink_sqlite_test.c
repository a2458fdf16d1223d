#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "export_fixture.h"

/* The first column of the first row, or -1. */
static int64_t
query(struct fixture *f, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;
	sqlite3 *db = NULL;

	sqlite3_open_v2(fixture_path(f, "store/s.sqlite"), &db, SQLITE_OPEN_READWRITE, NULL);
	sqlite3_busy_timeout(db, 10000);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
		int rc = sqlite3_step(statement);

		if (rc == SQLITE_ROW)
			value = sqlite3_column_int64(statement, 0);
		else if (rc == SQLITE_DONE)
			value = 0;
	}
	if (value == -1)
		printf("%s: %s\n", sql, sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

static const char *
query_text(struct fixture *f, const char *sql)
{
	static char text[512];
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;

	snprintf(text, sizeof(text), "(no row)");
	sqlite3_open_v2(fixture_path(f, "store/s.sqlite"), &db, SQLITE_OPEN_READWRITE, NULL);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return text;
}

static void *
open_sink(struct fixture *f)
{
	char why[512] = "";
	void *s = fixture_sink(f, "sqlite", NULL, why, sizeof(why));

	if (s == NULL)
		printf("%s\n", why);
	return s;
}

/* As the sink's thread ends it. */
static void
end_sink(void *s)
{
	const struct sink_kind *kind = fixture_kind("sqlite");

	while (kind->maintain(s, true) != 0)
		;
	kind->flush(s);
	kind->destroy(s);
}

/* As a process ends that is killed. */
static void
maintain_all(void *s)
{
	while (fixture_kind("sqlite")->maintain(s, false) == 1)
		;
}

/* A sink and the folder of its file. */
struct rig {
	struct fixture f;
	const struct sink_kind *kind;
	void *sink; /* NULL: closed */
};

static bool
rig_open(struct rig *r)
{
	r->sink = open_sink(&r->f);
	return r->sink != NULL;
}

static bool
rig_init(struct rig *r, const char *const *settings)
{
	r->kind = fixture_kind("sqlite");
	return fixture_init(&r->f, settings) && rig_open(r);
}

static void
rig_close(struct rig *r)
{
	end_sink(r->sink);
	r->sink = NULL;
}

static void
rig_fini(struct rig *r)
{
	if (r->sink != NULL)
		rig_close(r);
	fixture_fini(&r->f);
}

static int
rig_write(struct rig *r, uint64_t first, unsigned n)
{
	return made_write(r->kind, r->sink, first, n);
}

TEST(sessions_are_found_by_their_columns_and_by_their_document)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(rig_write(&r, 1, 300), 0);
	/* Searchable at once, while the sink is open and the segment has no index. */
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 300);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions WHERE source_ip='10.0.0.7'"), 1);
	EXPECT_EQ(query(&r.f,
			"SELECT json_extract(document, '$.sequence') FROM sessions WHERE destination_ip='192.0.1.4'"),
		  260);
	EXPECT_STR(query_text(&r.f,
			      "SELECT protocols || ' ' || node || ' ' || community_id || ' ' || ip_protocol || ' ' ||"
			      " source_port || ' ' || destination_port || ' ' || packets || ' ' || bytes || ' ' ||"
			      " data_bytes FROM sessions LIMIT 1"),
		   "tcp;tls test 1:abc= 6 40000 443 3 1000 500");
	EXPECT_EQ(query(&r.f, "SELECT rows FROM segments"), 300);
	EXPECT_EQ(query(&r.f, "SELECT first_packet FROM segments"), 1700000000001);
	EXPECT_EQ(query(&r.f, "SELECT last_packet FROM segments"), 1700000001300);
	rig_fini(&r);
}

TEST(ipv6_and_absent_addresses_are_text_and_null)
{
	struct made *m = made_batch(1, 2);
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	m->row[0].ip_version = 6;
	memset(m->row[0].address, 0, sizeof(m->row[0].address));
	m->row[0].address[0][0] = 0x20, m->row[0].address[0][1] = 0x01, m->row[0].address[0][15] = 1;
	m->row[1].ip_version = 0;
	m->row[1].community_id[0] = '\0';
	EXPECT_EQ(r.kind->write(r.sink, &m->sink, 1), 0);
	EXPECT_STR(query_text(&r.f, "SELECT source_ip || ' ' || destination_ip FROM sessions LIMIT 1"), "2001::1 ::");
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions WHERE source_ip IS NULL AND destination_ip IS NULL AND "
			      "community_id IS NULL"),
		  1);
	made_free(m);
	rig_fini(&r);
}

TEST(a_full_segment_gets_its_indices_and_a_new_one_is_begun)
{
	struct rig r;

	REQUIRE(rig_init(&r, (const char *[]){"sqliteSegmentRecords=100", NULL}));
	for (unsigned i = 0; i < 5; i++) {
		EXPECT_EQ(rig_write(&r, 1 + i * 50, 50), 0);
		maintain_all(r.sink);
	}
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments"), 3);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE closed IS NOT NULL AND rows=100"), 2);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND tbl_name='sessions_1'"), 4);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND tbl_name='sessions_3'"), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 250);
	EXPECT_EQ(query(&r.f, "SELECT count(DISTINCT id) FROM sessions"), 250);
	rig_close(&r);
	/* More than a fourth of a segment: closed at the end. */
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE closed IS NULL"), 0);
	rig_fini(&r);
}

TEST(a_segment_is_closed_when_its_time_has_come)
{
	struct rig r;

	REQUIRE(rig_init(&r, (const char *[]){"sqliteSegmentMinutes=5", NULL}));
	EXPECT_EQ(rig_write(&r, 1, 10), 0);
	rig_close(&r);
	EXPECT_EQ(query(&r.f, "UPDATE segments SET created=created-299000"), 0);
	REQUIRE(rig_open(&r));
	EXPECT_EQ(rig_write(&r, 11, 10), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE rows=20"), 1);
	rig_close(&r);
	EXPECT_EQ(query(&r.f, "UPDATE segments SET created=created-1000"), 0);
	REQUIRE(rig_open(&r));
	EXPECT_EQ(rig_write(&r, 21, 10), 0);
	maintain_all(r.sink);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE rows=20 AND closed IS NOT NULL"), 1);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE rows=10 AND closed IS NULL"), 1);
	rig_fini(&r);
}

TEST(a_small_segment_is_left_to_the_next_process)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	struct fixture f;

	REQUIRE(fixture_init(&f, NULL));
	for (unsigned run = 0; run < 3; run++) {
		void *s = open_sink(&f);

		REQUIRE(s != NULL);
		EXPECT_EQ(made_write(kind, s, 1 + run * 10, 10), 0);
		end_sink(s);
		EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE owner_pid IS NULL AND closed IS NULL"), 1);
	}
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments"), 1);
	EXPECT_EQ(query(&f, "SELECT rows FROM segments"), 30);
	EXPECT_EQ(query(&f, "SELECT count(DISTINCT id) FROM sessions"), 30);
	fixture_fini(&f);
}

TEST(two_sinks_at_once_have_a_segment_each)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	struct fixture f;
	void *a, *b;

	REQUIRE(fixture_init(&f, NULL));
	a = open_sink(&f);
	b = open_sink(&f);
	REQUIRE(a != NULL && b != NULL);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(made_write(kind, a, 1 + 10 * i, 10), 0);
		EXPECT_EQ(made_write(kind, b, 1001 + 10 * i, 10), 0);
	}
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE rows=30"), 2);
	EXPECT_EQ(query(&f, "SELECT count(DISTINCT id) FROM sessions"), 60);
	end_sink(a);
	end_sink(b);
	fixture_fini(&f);
}

TEST(a_segment_taken_from_its_owner_costs_nothing)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(rig_write(&r, 1, 10), 0);
	/* Another living process: this one, under another token. */
	EXPECT_EQ(query(&r.f, "UPDATE segments SET owner_token=1"), 0);
	EXPECT_EQ(rig_write(&r, 11, 10), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(DISTINCT id) FROM sessions"), 20);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE rows=10"), 2);
	rig_close(&r);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE owner_token=1"), 1);
	rig_fini(&r);
}

/* The same batch again after a commit whose answer was lost: as after a power cut of a disk, simulated by writing
 * twice. */
TEST(a_batch_written_twice_is_stored_once)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(rig_write(&r, 1, 10), 0);
	EXPECT_EQ(rig_write(&r, 1, 10), 0);
	EXPECT_EQ(rig_write(&r, 1, 15), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 15);
	EXPECT_EQ(query(&r.f, "SELECT rows FROM segments"), 15);
	rig_fini(&r);
}

/* Runs 'work' in a child process, returns its pid. */
static pid_t
in_child(struct fixture *f, int (*work)(struct fixture *, int), int argument)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(work(f, argument));
	return pid;
}

static int
child_exit(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
write_and_die(struct fixture *f, int n)
{
	void *s = open_sink(f);

	if (s == NULL || made_write(fixture_kind("sqlite"), s, 1, (unsigned)n) != 0)
		return 1;
	raise(SIGKILL);
	return 2;
}

TEST(a_small_segment_of_a_dead_process_is_adopted)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	struct fixture f;
	void *s;

	REQUIRE(fixture_init(&f, NULL));
	EXPECT_EQ(child_exit(in_child(&f, write_and_die, 20)), 128 + SIGKILL);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE owner_pid IS NOT NULL"), 1);
	s = open_sink(&f);
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 1001, 5), 0);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments"), 1);
	EXPECT_EQ(query(&f, "SELECT rows FROM segments"), 25);
	end_sink(s);
	fixture_fini(&f);
}

TEST(a_full_segment_of_a_dead_process_is_closed_by_the_next)
{
	struct fixture f;
	void *s;

	REQUIRE(fixture_init(&f, (const char *[]){"sqliteSegmentRecords=20", NULL}));
	EXPECT_EQ(child_exit(in_child(&f, write_and_die, 20)), 128 + SIGKILL);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE closed IS NULL"), 1);
	s = open_sink(&f);
	REQUIRE(s != NULL);
	maintain_all(s);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE closed IS NOT NULL"), 1);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND tbl_name='sessions_1'"), 4);
	end_sink(s);
	fixture_fini(&f);
}

enum { PROCESSES = 4, BATCHES_EACH = 30, ROWS_EACH = 40 };

static int
write_much(struct fixture *f, int process)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	void *s = open_sink(f);

	if (s == NULL)
		return 1;
	for (unsigned i = 0; i < BATCHES_EACH; i++) {
		int rc;

		if (made_write(kind, s, (uint64_t)process * 1000000 + i * ROWS_EACH + 1, ROWS_EACH) != 0)
			return 2;
		rc = kind->maintain(s, false);
		if (rc < 0 && rc != -EBUSY)
			return 3;
	}
	for (int rc = 1; rc != 0; rc = kind->maintain(s, true))
		if (rc < 0 && rc != -EBUSY)
			return 4;
	kind->destroy(s);
	return 0;
}

static int
open_only(struct fixture *f, int process)
{
	void *s = open_sink(f);

	(void)process;
	if (s == NULL)
		return 1;
	fixture_kind("sqlite")->destroy(s);
	return 0;
}

TEST(whoever_meets_a_file_that_is_being_made_waits_for_it)
{
	enum { ROUNDS = 40 };

	for (int round = 0; round < ROUNDS; round++) {
		struct fixture f;
		pid_t pid[PROCESSES];

		REQUIRE(fixture_init(&f, NULL));
		for (int i = 0; i < PROCESSES; i++)
			pid[i] = in_child(&f, open_only, i);
		for (int i = 0; i < PROCESSES; i++)
			EXPECT_EQ(child_exit(pid[i]), 0);
		fixture_fini(&f);
	}
}

TEST(four_processes_write_one_file)
{
	struct fixture f;
	pid_t pid[PROCESSES];

	/* They make the file together, too. */
	REQUIRE(fixture_init(&f, (const char *[]){"sqliteSegmentRecords=300", NULL}));
	for (int i = 0; i < PROCESSES; i++)
		pid[i] = in_child(&f, write_much, i);
	for (int i = 0; i < PROCESSES; i++)
		EXPECT_EQ(child_exit(pid[i]), 0);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM sessions"), PROCESSES * BATCHES_EACH * ROWS_EACH);
	EXPECT_EQ(query(&f, "SELECT count(DISTINCT id) FROM sessions"), PROCESSES * BATCHES_EACH * ROWS_EACH);
	EXPECT_EQ(query(&f, "SELECT sum(rows) FROM segments"), PROCESSES * BATCHES_EACH * ROWS_EACH);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM segments WHERE closed IS NULL AND owner_pid IS NOT NULL"), 0);
	EXPECT_STR(query_text(&f, "PRAGMA integrity_check"), "ok");
	fixture_fini(&f);
}

static int acknowledged_pipe[2];

static int
write_for_ever(struct fixture *f, int unused)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	void *s = open_sink(f);

	(void)unused;
	if (s == NULL)
		return 1;
	for (uint64_t first = 1;; first += 20) {
		uint64_t last = first + 19;

		if (made_write(kind, s, first, 20) != 0 ||
		    write(acknowledged_pipe[1], &last, sizeof(last)) != sizeof(last))
			return 2;
		kind->maintain(s, false);
	}
}

TEST(kill_9_in_the_middle_loses_nothing_acknowledged)
{
	struct fixture f;

	REQUIRE(fixture_init(&f, (const char *[]){"sqliteSegmentRecords=500", NULL}));
	for (unsigned round = 1; round <= 5; round++) {
		uint64_t last = 0, number;
		char sql[160];
		pid_t pid;

		REQUIRE(pipe(acknowledged_pipe) == 0);
		pid = in_child(&f, write_for_ever, 0);
		close(acknowledged_pipe[1]);
		while (last < 400 * round && read(acknowledged_pipe[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		kill(pid, SIGKILL);
		while (read(acknowledged_pipe[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		close(acknowledged_pipe[0]);
		EXPECT_EQ(child_exit(pid), 128 + SIGKILL);
		EXPECT(last >= 400 * round);
		EXPECT_STR(query_text(&f, "PRAGMA integrity_check"), "ok");
		snprintf(sql, sizeof(sql),
			 "SELECT count(DISTINCT id) FROM sessions WHERE json_extract(document, '$.sequence') <= "
			 "%" PRIu64,
			 last);
		EXPECT_EQ(query(&f, sql), last);
		EXPECT_EQ(query(&f, "SELECT count(*) FROM sessions") - query(&f, "SELECT sum(rows) FROM segments"), 0);
		EXPECT_EQ(query(&f, "DELETE FROM segments"), 0);
		EXPECT_EQ(unlink(fixture_path(&f, "store/s.sqlite")), 0);
		unlink(fixture_path(&f, "store/s.sqlite-wal"));
		unlink(fixture_path(&f, "store/s.sqlite-shm"));
	}
	fixture_fini(&f);
}

TEST(searches_cover_1200_segments_by_their_indices)
{
	struct rig r;

	REQUIRE(rig_init(&r, (const char *[]){"sqliteSegmentRecords=2", NULL}));
	for (unsigned i = 0; i < 1200; i++) {
		REQUIRE(rig_write(&r, 1 + i * 2, 2) == 0);
		maintain_all(r.sink);
	}
	EXPECT_EQ(rig_write(&r, 2401, 1), 0); /* the open one */
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments WHERE closed IS NOT NULL"), 1200);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 2401);
	EXPECT_EQ(query(&r.f, "SELECT json_extract(document, '$.sequence') FROM sessions WHERE source_ip='10.0.7.200'"),
		  7 * 256 + 200);
	EXPECT_EQ(
		query(&r.f, "SELECT count(*) FROM sessions WHERE first_packet BETWEEN 1700000000100 AND 1700000000199"),
		100);
	EXPECT_EQ(query(&r.f, "SELECT first_packet FROM sessions ORDER BY first_packet DESC LIMIT 1"), 1700000002401);
	EXPECT_EQ(query(&r.f, "SELECT max(n) FROM (SELECT protocols, count(*) AS n FROM sessions GROUP BY protocols)"),
		  2401);
	rig_fini(&r);
}

static unsigned
plan_lines(struct fixture *f, const char *sql, const char *words)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	unsigned n = 0;

	sqlite3_open_v2(fixture_path(f, "store/s.sqlite"), &db, SQLITE_OPEN_READONLY, NULL);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK)
		while (sqlite3_step(statement) == SQLITE_ROW)
			n += strstr((const char *)sqlite3_column_text(statement, 3), words) != NULL;
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return n;
}

TEST(a_search_through_the_view_uses_the_indices_of_closed_segments)
{
	struct rig r;

	REQUIRE(rig_init(&r, (const char *[]){"sqliteSegmentRecords=10", NULL}));
	for (unsigned i = 0; i < 6; i++) {
		EXPECT_EQ(rig_write(&r, 1 + i * 5, 5), 0);
		maintain_all(r.sink);
	}
	for (const char *const *where = (const char *const[]){"source_ip='10.0.0.1'", "destination_ip GLOB '192.0.*'",
							      "first_packet > 5", "id = 'x'", NULL};
	     *where != NULL; where++) {
		char sql[256];

		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN SELECT document FROM sessions WHERE %s", *where);
		EXPECT_EQ(plan_lines(&r.f, sql, "SEARCH sessions_1 USING INDEX"), 1);
		EXPECT_EQ(plan_lines(&r.f, sql, "SEARCH sessions_3 USING INDEX"), 1);
	}
	rig_fini(&r);
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

TEST(files_that_are_not_ours_are_refused_with_the_reason)
{
	char why[512] = "";
	struct rig r;
	FILE *out;

	REQUIRE(rig_init(&r, NULL));
	rig_close(&r);
	run_sql(fixture_path(&r.f, "store/s.sqlite"), "PRAGMA user_version=9");
	EXPECT(fixture_sink(&r.f, "sqlite", NULL, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "version 9") != NULL && strstr(why, "version 2") != NULL &&
	       strstr(why, "sqliteFile") != NULL);

	unlink(fixture_path(&r.f, "store/s.sqlite"));
	run_sql(fixture_path(&r.f, "store/s.sqlite"), "CREATE TABLE t (x)");
	EXPECT(fixture_sink(&r.f, "sqlite", NULL, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "another program") != NULL);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sqlite_schema"), 1);

	unlink(fixture_path(&r.f, "store/s.sqlite"));
	out = fopen(fixture_path(&r.f, "store/s.sqlite"), "w");
	REQUIRE(out != NULL);
	for (unsigned i = 0; i < 1000; i++)
		fputs("This is no database.\n", out);
	fclose(out);
	EXPECT(fixture_sink(&r.f, "sqlite", NULL, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "not a database") != NULL);
	rig_fini(&r);
}

TEST(fields_are_written_once_and_again_when_they_change)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	rig_close(&r);
	EXPECT(query(&r.f, "SELECT count(*) FROM fields") > 20);
	EXPECT_STR(query_text(&r.f,
			      "SELECT dbField || ' ' || kind || ' ' || type || ' ' || \"group\" FROM fields WHERE "
			      "expression='mac.src'"),
		   "source.mac lotermfield str_set general");
	query(&r.f, "UPDATE fields SET help='mine' WHERE expression='mac.src'");
	REQUIRE(rig_open(&r));
	rig_close(&r);
	EXPECT_STR(query_text(&r.f, "SELECT help FROM fields WHERE expression='mac.src'"), "mine");
	query(&r.f, "UPDATE meta SET value='1' WHERE key='fields_hash'");
	REQUIRE(rig_open(&r));
	rig_close(&r);
	EXPECT(strcmp(query_text(&r.f, "SELECT help FROM fields WHERE expression='mac.src'"), "mine") != 0);
	rig_fini(&r);
}

TEST(files_documents_are_created_and_then_updated)
{
	struct export_file file = {.number = 7,
				   .name = "/pcap/x.pcap",
				   .first_ns = UINT64_C(1700000000123000000),
				   .start_ns = UINT64_C(1700000005000000000),
				   .gap_positions = true,
				   .locked = true,
				   .in_place = true};
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(r.kind->write_file(r.sink, &file), 0);
	EXPECT_STR(
		query_text(
			&r.f,
			"SELECT node || ' ' || num || ' ' || name || ' ' || first || ' ' || filesize || ' ' || locked"
			" || ' ' || packetPosEncoding || ' ' || scheme || ' ' || startTimestamp || ' ' ||"
			" firstTimestamp FROM files WHERE packets IS NULL AND finishTimestamp IS NULL"),
		"test 7 /pcap/x.pcap 1700000000 0 1 gap0 file 1700000005000 1700000000123");
	file.closing = true;
	file.last_ns = UINT64_C(1700000009000000000);
	file.finish_ns = UINT64_C(1700000010000000000);
	file.file_bytes = file.packets_bytes = 5000;
	file.packets = 9;
	file.sessions_started = 2;
	file.sessions_present = 3;
	EXPECT_EQ(r.kind->write_file(r.sink, &file), 0);
	EXPECT_EQ(r.kind->write_file(r.sink, &file), 0);
	EXPECT_STR(
		query_text(&r.f,
			   "SELECT filesize || ' ' || packetsSize || ' ' || packets || ' ' || finishTimestamp || ' ' ||"
			   " lastTimestamp || ' ' || sessionsStarted || ' ' || sessionsPresent || ' ' ||"
			   " startTimestamp FROM files"),
		"5000 5000 9 1700000010000 1700000009000 2 3 1700000005000");
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM files"), 1);
	rig_fini(&r);
}

TEST(file_numbers_are_ranges_that_nobody_else_gets)
{
	const struct sink_kind *kind = fixture_kind("sqlite");
	struct fixture f;
	void *a, *b;

	REQUIRE(fixture_init(&f, NULL));
	a = open_sink(&f);
	b = open_sink(&f);
	REQUIRE(a != NULL && b != NULL);
	EXPECT_EQ(kind->take_file_numbers(a, 16), 1);
	EXPECT_EQ(kind->take_file_numbers(b, 4), 17);
	kind->return_file_numbers(a, 10, 7); /* not the last any more */
	EXPECT_EQ(kind->take_file_numbers(a, 1), 21);
	kind->return_file_numbers(a, 21, 1);
	EXPECT_EQ(kind->take_file_numbers(b, 1), 21);
	end_sink(a);
	end_sink(b);
	fixture_fini(&f);
}

TEST(a_locked_database_is_busy_and_loses_nothing)
{
	struct made *m = made_batch(1, 10);
	sqlite3 *other = NULL;
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(sqlite3_open(fixture_path(&r.f, "store/s.sqlite"), &other), SQLITE_OK);
	EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(r.kind->write(r.sink, &m->sink, 1), -EBUSY);
	EXPECT_EQ(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(r.kind->write(r.sink, &m->sink, 1), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 10);
	sqlite3_close(other);
	made_free(m);
	rig_fini(&r);
}

TEST(a_file_removed_while_open_is_made_anew)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(rig_write(&r, 1, 10), 0);
	unlink(fixture_path(&r.f, "store/s.sqlite"));
	unlink(fixture_path(&r.f, "store/s.sqlite-wal"));
	unlink(fixture_path(&r.f, "store/s.sqlite-shm"));
	EXPECT_EQ(rig_write(&r, 11, 10), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 10);
	rig_fini(&r);
}

/* A size limit of SQLite's own is a full disk to everything above it. */
TEST(a_full_disk_is_an_error_that_passes)
{
	struct rig r;
	sqlite3 **db;
	int rc = 0;

	REQUIRE(rig_init(&r, NULL));
	db = r.sink; /* struct store begins with its connection */
	EXPECT_EQ(sqlite3_exec(*db, "PRAGMA max_page_count=40", NULL, NULL, NULL), SQLITE_OK);
	uint64_t first = 1;
	while ((rc = rig_write(&r, first, 500)) == 0 && first < 100000)
		first += 500;
	EXPECT_EQ(rc, -ENOSPC);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), first - 1);
	EXPECT(strstr(r.kind->explain(r.sink), "full") != NULL);
	EXPECT_EQ(sqlite3_exec(*db, "PRAGMA max_page_count=1000000", NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(rig_write(&r, first, 500), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(DISTINCT id) FROM sessions"), first + 499);
	rig_fini(&r);
}

static void
put_stats(void *sink, unsigned flavour, const char *id, const char *json)
{
	struct export_stats stats = {.flavour = flavour, .id = id, .json = json, .json_bytes = strlen(json)};

	EXPECT_EQ(fixture_kind("sqlite")->write_stats(sink, &stats), 0);
}

TEST(stats_documents_are_the_latest_of_the_node_and_a_ring)
{
	struct sink_params params;
	struct fixture f;
	char why[256] = "", json[256];
	void *sink;

	REQUIRE(fixture_init(&f, NULL));
	params = (struct sink_params){.conf = f.conf, .document = &f.document};
	EXPECT_EQ(fixture_kind("sqlite")->read_stats(&params, json, sizeof(json)), -ENOENT);
	sink = fixture_sink(&f, "sqlite", NULL, why, sizeof(why));
	REQUIRE(sink != NULL);
	EXPECT_EQ(fixture_kind("sqlite")->read_stats(&params, json, sizeof(json)), -ENOENT);
	put_stats(sink, 0, "test", "{\"a\":1}");
	put_stats(sink, 0, "other", "{\"a\":9}");
	put_stats(sink, 0, "test", "{\"a\":2}");
	put_stats(sink, 1, "test-7-5", "{\"b\":1}");
	put_stats(sink, 1, "test-8-5", "{\"b\":2}");
	put_stats(sink, 1, "test-7-5", "{\"b\":3}");
	EXPECT_EQ(fixture_kind("sqlite")->read_stats(&params, json, sizeof(json)), 0);
	EXPECT_STR(json, "{\"a\":2}");
	fixture_kind("sqlite")->destroy(sink);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM stats"), 2);
	EXPECT_EQ(query(&f, "SELECT count(*) FROM dstats WHERE node = 'test'"), 2);
	EXPECT_EQ(query(&f, "SELECT document ->> '$.b' FROM dstats WHERE id = 'test-7-5'"), 3);
	EXPECT_EQ(query(&f, "SELECT time > 1700000000000 FROM stats WHERE node = 'test'"), 1);
	fixture_fini(&f);
}

/* Four closed segments of 100 rows and one that is open. */
static void
fill_segments(struct rig *r)
{
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(rig_write(r, 1 + i * 100, 100), 0);
		maintain_all(r->sink);
	}
	EXPECT_EQ(rig_write(r, 401, 10), 0);
	maintain_all(r->sink);
}

TEST(segments_closed_long_ago_are_dropped_and_searches_go_on)
{
	const char *const settings[] = {"sqliteSegmentRecords=100", "sqliteKeepDays=7", NULL};
	struct rig r;

	REQUIRE(rig_init(&r, settings));
	fill_segments(&r);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 410);
	rig_close(&r);
	run_sql(fixture_path(&r.f, "store/s.sqlite"),
		"UPDATE segments SET closed = closed - 8 * 86400000 WHERE id <= 2");
	REQUIRE(rig_open(&r));
	maintain_all(r.sink);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments"), 3);
	EXPECT_EQ(
		query(&r.f,
		      "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN ('sessions_1', 'sessions_2')"),
		0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 210);
	EXPECT_EQ(query(&r.f, "SELECT min(json_extract(document, '$.sequence')) FROM sessions"), 201);
	EXPECT_EQ(rig_write(&r, 411, 10), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 220);
	rig_fini(&r);
}

TEST(a_database_that_is_too_large_loses_its_oldest_segments_and_not_the_open_one)
{
	const char *const settings[] = {"sqliteSegmentRecords=100", "sqliteKeepM=1", NULL};
	struct rig r;

	REQUIRE(rig_init(&r, settings));
	fill_segments(&r);
	rig_close(&r);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments"), 5);
	run_sql(fixture_path(&r.f, "store/s.sqlite"),
		"UPDATE sessions_3 SET document = hex(randomblob(20000)) WHERE rowid <= 60");
	REQUIRE(rig_open(&r));
	maintain_all(r.sink);
	/* The large one is the third: all up to it go. */
	EXPECT_EQ(query(&r.f, "SELECT min(id) FROM segments"), 4);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 110);
	rig_fini(&r);
}

TEST(segments_older_than_the_oldest_pcap_file_go_with_it)
{
	const char *const settings[] = {"sqliteSegmentRecords=100", "sqliteFollowPcap=true", NULL};
	char path[4][128];
	struct rig r;

	REQUIRE(rig_init(&r, settings));
	for (unsigned i = 0; i < 4; i++) {
		struct export_file file = {.number = i + 1, .name = path[i]};
		FILE *pcap;

		/* Their packets begin with those of the segments. */
		file.first_ns = (UINT64_C(1700000000000) + i * 2000) * 1000000;
		snprintf(path[i], sizeof(path[i]), "%s/%u.pcap", r.f.folder, i);
		pcap = fopen(path[i], "w");
		REQUIRE(pcap != NULL);
		fclose(pcap);
		EXPECT_EQ(r.kind->write_file(r.sink, &file), 0);
	}
	fill_segments(&r);
	rig_close(&r);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM segments"), 5);
	for (unsigned i = 0; i < 4; i++) { /* last packets 1.1, 1.2, ... s after the first file's first one */
		char sql[128];

		snprintf(sql, sizeof(sql), "UPDATE segments SET last_packet = 1700000000000 + %u WHERE id = %u",
			 i * 2000 + 1000, i + 1);
		run_sql(fixture_path(&r.f, "store/s.sqlite"), sql);
	}
	REQUIRE(unlink(path[0]) == 0 && unlink(path[1]) == 0);
	REQUIRE(rig_open(&r));
	maintain_all(r.sink);
	EXPECT_EQ(query(&r.f, "SELECT min(id) FROM segments"), 3);
	EXPECT_EQ(query(&r.f, "SELECT min(num) FROM files"), 3);
	rig_close(&r);
	/* None is there: the disk is missing, and nothing goes. */
	REQUIRE(unlink(path[2]) == 0 && unlink(path[3]) == 0);
	REQUIRE(rig_open(&r));
	maintain_all(r.sink);
	EXPECT_EQ(query(&r.f, "SELECT min(id) FROM segments"), 3);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM files"), 2);
	rig_fini(&r);
}

TEST(a_database_of_version_1_is_brought_up_to_date)
{
	struct rig r;

	REQUIRE(rig_init(&r, NULL));
	EXPECT_EQ(rig_write(&r, 1, 100), 0);
	rig_close(&r);
	run_sql(fixture_path(&r.f, "store/s.sqlite"), "DROP INDEX segments_closed; PRAGMA user_version=1");
	REQUIRE(rig_open(&r));
	EXPECT_EQ(query(&r.f, "SELECT user_version FROM pragma_user_version"), 2);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sqlite_schema WHERE name='segments_closed'"), 1);
	EXPECT_EQ(rig_write(&r, 101, 100), 0);
	EXPECT_EQ(query(&r.f, "SELECT count(*) FROM sessions"), 200);
	rig_fini(&r);
}
