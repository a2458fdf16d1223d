#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export_fixture.h"

static void *
open_sink(struct fixture *f, const char *target)
{
	char why[512] = "";
	void *s = fixture_sink(f, "ndjson", target, why, sizeof(why));

	if (s == NULL)
		printf("%s\n", why);
	return s;
}

static char *
read_all(const char *path, size_t *size)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 8 << 20);

	*size = f != NULL ? fread(text, 1, (8 << 20) - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	return text;
}

/* Adds the sequence numbers of a file's whole lines to 'seen'; returns how many lines are not what was written. */
static unsigned
read_sequences(const char *path, uint8_t *seen, unsigned max)
{
	size_t size;
	char *text = read_all(path, &size), *line = text;
	unsigned wrong = 0;

	while (line < text + size) {
		char *end = strchr(line, '\n'), id[64];
		unsigned sequence = 0;

		if (end == NULL || sscanf(line, "{\"sequence\":%u,\"id\":\"%63[^\"]\"}\n", &sequence, id) != 2 ||
		    sequence >= max || end[-1] != '}')
			wrong++;
		else
			seen[sequence]++;
		if (end == NULL)
			break;
		line = end + 1;
	}
	free(text);
	return wrong;
}

/* All files of lines/; *n_files how many there are. */
static unsigned
read_folder(struct fixture *f, uint8_t *seen, unsigned max, unsigned *n_files)
{
	DIR *d = opendir(fixture_path(f, "lines"));
	struct dirent *entry;
	unsigned wrong = 0;

	*n_files = 0;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/lines/%s", f->folder, entry->d_name);
		wrong += read_sequences(path, seen, max);
		(*n_files)++;
	}
	if (d != NULL)
		closedir(d);
	return wrong;
}

static bool
all_once(const uint8_t *seen, unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		if (seen[i] != 1)
			return false;
	return true;
}

TEST(documents_are_lines_and_a_second_run_appends)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	static uint8_t seen[1000];
	unsigned n_files;
	struct fixture f;

	memset(seen, 0, sizeof(seen));
	REQUIRE(fixture_init(&f, NULL));
	for (unsigned run = 0; run < 2; run++) {
		void *s = open_sink(&f, NULL);

		REQUIRE(s != NULL);
		EXPECT_EQ(made_write(kind, s, 1 + run * 100, 100), 0);
		EXPECT_EQ(kind->flush(s), 0);
		kind->destroy(s);
	}
	EXPECT_EQ(read_folder(&f, seen, 1000, &n_files), 0);
	EXPECT_EQ(n_files, 1);
	EXPECT(all_once(seen, 200));
	fixture_fini(&f);
}

TEST(a_records_file_begins_empty)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	static uint8_t seen[1000];
	struct fixture f;
	char path[128];

	REQUIRE(fixture_init(&f, NULL));
	snprintf(path, sizeof(path), "%s/out", f.folder);
	for (unsigned run = 0; run < 2; run++) {
		void *s = open_sink(&f, path);

		REQUIRE(s != NULL);
		EXPECT_EQ(made_write(kind, s, 1 + run * 100, 100), 0);
		kind->destroy(s);
	}
	memset(seen, 0, sizeof(seen));
	EXPECT_EQ(read_sequences(path, seen, 1000), 0);
	EXPECT(seen[1] == 0 && seen[101] == 1 && seen[200] == 1);
	fixture_fini(&f);
}

TEST(a_file_that_is_large_enough_is_renamed_and_no_line_is_lost)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	enum { BATCHES = 120, ROWS = 500 };
	uint8_t *seen = calloc(1, BATCHES * ROWS + 1);
	unsigned n_files;
	struct fixture f;
	struct stat st;
	void *s;

	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonMaxSizeM=1", NULL}));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	for (unsigned i = 0; i < BATCHES; i++)
		EXPECT_EQ(made_write(kind, s, 1 + i * ROWS, ROWS), 0);
	kind->destroy(s);
	EXPECT_EQ(read_folder(&f, seen, BATCHES * ROWS + 1, &n_files), 0);
	/* 60,000 lines of about 60 bytes; several files within one second get a number. */
	EXPECT(n_files >= 3);
	EXPECT(all_once(seen, BATCHES * ROWS));
	EXPECT(stat(fixture_path(&f, "lines/s.ndjson"), &st) == 0 && st.st_size < 2 << 20);
	free(seen);
	fixture_fini(&f);
}

/* In a process of its own, whose clock is 61 s ahead. 0: it went well, 1: not, 2: this kernel or user may not. */
static int
maintain_later(const struct sink_kind *kind, void *sink)
{
	static const char offset[] = "monotonic 61 0";
	int fd, status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWTIME) != 0)
		return 2;
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0 || write(fd, offset, sizeof(offset) - 1) != (ssize_t)sizeof(offset) - 1)
		return 2;
	close(fd);
	pid = fork();
	if (pid == 0)
		_exit(kind->maintain(sink, false) != 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

TEST(a_file_that_is_old_enough_is_renamed_though_no_record_comes)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	static uint8_t seen[1000];
	int status = 0;
	unsigned n_files;
	struct fixture f;
	pid_t pid;
	void *s;

	memset(seen, 0, sizeof(seen));
	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonMaxTimeM=1", NULL}));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 1, 100), 0);
	EXPECT_EQ(kind->maintain(s, false), 0);
	EXPECT_EQ(read_folder(&f, seen, 1000, &n_files), 0);
	EXPECT_EQ(n_files, 1);
	pid = fork();
	if (pid == 0)
		_exit(maintain_later(kind, s));
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) != 2) {
		EXPECT_EQ(WEXITSTATUS(status), 0);
		EXPECT_EQ(made_write(kind, s, 101, 100), 0);
		memset(seen, 0, sizeof(seen));
		EXPECT_EQ(read_folder(&f, seen, 1000, &n_files), 0);
		EXPECT_EQ(n_files, 2);
		EXPECT(all_once(seen, 200));
	}
	kind->destroy(s);
	fixture_fini(&f);
}

TEST(a_file_renamed_by_somebody_else_is_begun_again)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	static uint8_t seen[1000];
	char moved[128];
	struct fixture f;
	void *s;

	memset(seen, 0, sizeof(seen));
	REQUIRE(fixture_init(&f, NULL));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 1, 10), 0);
	snprintf(moved, sizeof(moved), "%s/moved", f.folder);
	EXPECT_EQ(rename(fixture_path(&f, "lines/s.ndjson"), moved), 0);
	EXPECT_EQ(made_write(kind, s, 11, 10), 0);
	kind->destroy(s);
	EXPECT_EQ(read_sequences(moved, seen, 1000), 0);
	EXPECT(all_once(seen, 10) && seen[11] == 0);
	EXPECT_EQ(read_sequences(fixture_path(&f, "lines/s.ndjson"), seen, 1000), 0);
	EXPECT(all_once(seen, 20));
	fixture_fini(&f);
}

static int
write_batches(struct fixture *f, unsigned process)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	void *s = open_sink(f, NULL);

	if (s == NULL)
		return 1;
	for (unsigned i = 0; i < 50; i++)
		if (made_write(kind, s, 1 + process * 20000 + i * 400, 400) != 0)
			return 2;
	kind->destroy(s);
	return 0;
}

TEST(four_processes_append_to_one_file_through_its_rotations)
{
	uint8_t *seen = calloc(1, 80001);
	unsigned n_files;
	struct fixture f;
	pid_t pid[4];

	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonMaxSizeM=1", NULL}));
	fflush(stdout);
	for (unsigned i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(write_batches(&f, i));
	}
	for (unsigned i = 0; i < 4; i++) {
		int status = -1;

		waitpid(pid[i], &status, 0);
		EXPECT_EQ(status, 0);
	}
	EXPECT_EQ(read_folder(&f, seen, 80001, &n_files), 0);
	EXPECT(n_files >= 4);
	EXPECT(all_once(seen, 80000));
	free(seen);
	fixture_fini(&f);
}

TEST(a_line_that_a_killed_process_left_half_written_is_cut_off)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	static uint8_t seen[1000];
	struct fixture f;
	FILE *out;
	void *s;

	memset(seen, 0, sizeof(seen));
	REQUIRE(fixture_init(&f, NULL));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 1, 10), 0);
	kind->destroy(s);
	out = fopen(fixture_path(&f, "lines/s.ndjson"), "a");
	REQUIRE(out != NULL);
	fputs("{\"sequence\":99,\"id\":\"26", out);
	fclose(out);
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 11, 10), 0);
	kind->destroy(s);
	EXPECT_EQ(read_sequences(fixture_path(&f, "lines/s.ndjson"), seen, 1000), 0);
	EXPECT(all_once(seen, 20) && seen[99] == 0);
	fixture_fini(&f);
}

/* RLIMIT_FSIZE cuts a write short as a full disk does; in a child, for the limit stays. */
static int
write_over_limit(struct fixture *f)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	struct rlimit limit = {.rlim_cur = 20000, .rlim_max = RLIM_INFINITY};
	struct made *m = made_batch(1, 500);
	struct stat st;
	void *s = open_sink(f, NULL);
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	if (s == NULL || setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	rc = kind->write(s, &m->sink, 1);
	if (rc != -EFBIG || stat(fixture_path(f, "lines/s.ndjson"), &st) != 0 || st.st_size != 0)
		return 2;
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || kind->write(s, &m->sink, 1) != 0)
		return 3;
	kind->destroy(s);
	made_free(m);
	return 0;
}

TEST(a_write_cut_short_leaves_no_half_line_and_is_done_again)
{
	static uint8_t seen[1000];
	struct fixture f;
	int status = -1;
	pid_t pid;

	memset(seen, 0, sizeof(seen));
	REQUIRE(fixture_init(&f, NULL));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(write_over_limit(&f));
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(read_sequences(fixture_path(&f, "lines/s.ndjson"), seen, 1000), 0);
	EXPECT(all_once(seen, 500));
	fixture_fini(&f);
}

static int
write_to_closed_pipe(struct fixture *f)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	struct made *m = made_batch(1, 500);
	unsigned rejected = 0;
	int ends[2];
	void *s;

	signal(SIGPIPE, SIG_IGN);
	if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0)
		return 1;
	close(ends[1]);
	s = open_sink(f, "-");
	if (s == NULL || kind->write(s, &m->sink, 1) != 0)
		return 2;
	for (unsigned i = 0; i < 500; i++)
		rejected += m->bits[i / 64] >> i % 64 & 1;
	if (rejected != 0)
		return 3;
	close(ends[0]);
	m->batch.first_sequence = 501;
	if (kind->write(s, &m->sink, 1) != 0)
		return 4;
	for (unsigned i = 0; i < 500; i++)
		rejected += m->bits[i / 64] >> i % 64 & 1;
	kind->destroy(s);
	made_free(m);
	return rejected == 500 ? 0 : 5;
}

TEST(a_pipe_that_nobody_reads_rejects_what_it_does_not_take)
{
	struct fixture f;
	int status = -1;
	pid_t pid;

	REQUIRE(fixture_init(&f, NULL));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(write_to_closed_pipe(&f));
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	fixture_fini(&f);
}

TEST(devices_are_written_and_never_rotated)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	struct fixture f;
	void *s;

	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonFile=/dev/null", "ndjsonMaxSizeM=1", NULL}));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	for (unsigned i = 0; i < 100; i++)
		EXPECT_EQ(made_write(kind, s, 1 + i * 500, 500), 0);
	EXPECT_EQ(kind->flush(s), 0);
	kind->destroy(s);
	s = open_sink(&f, "/dev/full");
	REQUIRE(s != NULL);
	EXPECT_EQ(made_write(kind, s, 1, 10), -ENOSPC);
	kind->destroy(s);
	fixture_fini(&f);
}

TEST(a_path_that_cannot_be_opened_is_refused_with_its_setting)
{
	char why[512] = "";
	struct fixture f;

	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonFile=/proc/no/file", NULL}));
	EXPECT(fixture_sink(&f, "ndjson", NULL, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "/proc/no/file") != NULL && strstr(why, "ndjsonFile") != NULL);
	fixture_fini(&f);
}

/* What maintain() does while a sink runs. */
static void
compress_all(const struct sink_kind *kind, void *s)
{
	for (unsigned i = 0; i < 1000000 && kind->maintain(s, false) == 1; i++)
		;
}

static void
unpack(struct fixture *f)
{
	char command[256];

	snprintf(command, sizeof(command), "cd %s/lines && zstd -q -d --rm ./*.zst", f->folder);
	EXPECT_EQ(system(command), 0);
}

static unsigned
count_names(struct fixture *f, const char *pattern)
{
	char command[256], text[32] = "0";
	FILE *p;

	snprintf(command, sizeof(command), "ls -A %s/lines | grep -c '%s'", f->folder, pattern);
	p = popen(command, "r");
	if (fgets(text, sizeof(text), p) == NULL)
		text[0] = '\0';
	pclose(p);
	return (unsigned)strtoul(text, NULL, 10);
}

TEST(rotated_files_become_zstd_and_those_of_a_killed_process_too)
{
	const struct sink_kind *kind = fixture_kind("ndjson");
	enum { BATCHES = 120, ROWS = 500 };
	uint8_t *seen = calloc(1, BATCHES * ROWS + 1);
	unsigned n_files, n_packed;
	struct fixture f;
	void *s;

	REQUIRE(fixture_init(&f, (const char *[]){"ndjsonMaxSizeM=1", "ndjsonCompression=zstd", NULL}));
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	for (unsigned i = 0; i < BATCHES / 2; i++) {
		EXPECT_EQ(made_write(kind, s, 1 + i * ROWS, ROWS), 0);
		compress_all(kind, s);
	}
	n_packed = count_names(&f, "zst$");
	EXPECT(n_packed >= 1);
	EXPECT_EQ(count_names(&f, "part$"), 0);
	for (unsigned i = BATCHES / 2; i < BATCHES; i++)
		EXPECT_EQ(made_write(kind, s, 1 + i * ROWS, ROWS), 0);
	for (unsigned i = 0; i < 3; i++)
		EXPECT_EQ(kind->maintain(s, false), 1); /* half done */
	EXPECT_EQ(count_names(&f, "part$"), 1);
	/* Killed here: the next one begins again. */
	kind->destroy(s);
	EXPECT_EQ(count_names(&f, "zst$"), n_packed);
	s = open_sink(&f, NULL);
	REQUIRE(s != NULL);
	compress_all(kind, s);
	kind->destroy(s);
	EXPECT(count_names(&f, "zst$") > n_packed);
	EXPECT_EQ(count_names(&f, "ndjson.2"), count_names(&f, "zst$")); /* nothing rotated is plain */
	unpack(&f);
	EXPECT_EQ(read_folder(&f, seen, BATCHES * ROWS + 1, &n_files), 0);
	EXPECT(all_once(seen, BATCHES * ROWS));
	free(seen);
	fixture_fini(&f);
}
