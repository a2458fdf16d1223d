#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "export_fixture.h"
#include "spool_priv.h"

struct rig {
	char folder[64];
	struct spool *spool;
	uint64_t lost;
};

static void
count_lost(struct spool_ticket *ticket, unsigned documents, void *context)
{
	(void)ticket;
	((struct rig *)context)->lost += documents;
}

static bool
rig_open(struct rig *r, uint64_t max_bytes)
{
	const struct spool_params params = {
		.directory = r->folder, .sink = "test", .max_bytes = max_bytes, .lost = count_lost, .context = r};
	char why[256];

	r->spool = spool_create(&params, why, sizeof(why));
	if (r->spool == NULL)
		printf("%s\n", why);
	return r->spool != NULL;
}

static bool
rig_init(struct rig *r)
{
	*r = (struct rig){.folder = "/tmp/shrike-spool-XXXXXX"};
	return mkdtemp(r->folder) != NULL && rig_open(r, 64 << 20);
}

static void
rig_close(struct rig *r)
{
	spool_destroy(r->spool, NULL);
	r->spool = NULL;
}

static void
rig_fini(struct rig *r)
{
	rig_close(r);
	nftw(r->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static int
append(struct spool *s, uint64_t first, unsigned n)
{
	struct made *m = made_batch(first, n);
	int rc = spool_append_batch(s, &m->batch, NULL);

	made_free(m);
	return rc;
}

static bool
is_batch(const struct spool_entry *e, uint64_t first, unsigned n)
{
	struct made *m = made_batch(first, n);
	bool same = !e->is_file && e->batch.n_rows == n && e->batch.text_bytes == m->batch.text_bytes &&
		    memcmp(e->batch.text, m->batch.text, m->batch.text_bytes) == 0;

	for (unsigned i = 0; same && i < n; i++)
		same = memcmp(&e->batch.row[i], &m->batch.row[i], sizeof(m->batch.row[i])) == 0;
	made_free(m);
	return same;
}

/* Reads one after the other, each of 'n' rows, first numbers 'first' and up by n. Returns how many there were. */
static unsigned
drain(struct spool *s, uint64_t first, unsigned n)
{
	struct spool_entry *e;
	unsigned done = 0;

	while (spool_read(s, 1, &e) == 1) {
		if (!is_batch(e, first + (uint64_t)done * n, n))
			return done;
		done++;
		spool_consume(s, 1);
	}
	return done;
}

static unsigned
count_files(const struct rig *r, const char *folder)
{
	char command[256], text[32] = "0";
	FILE *f;

	snprintf(command, sizeof(command), "ls %s/%s 2>/dev/null | grep -c 'spool$'", r->folder, folder);
	f = popen(command, "r");
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	pclose(f);
	return (unsigned)strtoul(text, NULL, 10);
}

TEST(what_goes_in_comes_out_in_order_with_all_its_columns)
{
	struct rig r;
	struct spool_entry *e;
	struct spool_numbers n;

	REQUIRE(rig_init(&r));
	EXPECT_EQ(spool_read(r.spool, 8, &e), 0);
	for (unsigned i = 0; i < 20; i++)
		EXPECT_EQ(append(r.spool, 1 + i * 100, 100), 0);
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.documents, 2000);
	EXPECT_EQ(spool_entries(r.spool), 20);
	REQUIRE(spool_read(r.spool, 3, &e) == 3);
	for (unsigned i = 0; i < 3; i++)
		EXPECT(is_batch(&e[i], 1 + i * 100, 100));
	EXPECT_EQ(spool_read(r.spool, 8, &e), 3); /* the same, until they are answered */
	EXPECT(is_batch(&e[2], 201, 100));
	spool_consume(r.spool, SPOOL_READ_MAX);
	EXPECT_EQ(drain(r.spool, 301, 100), 17);
	EXPECT_EQ(spool_entries(r.spool), 0);
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.documents, 0);
	EXPECT_EQ(n.bytes, 0);
	EXPECT_EQ(count_files(&r, "test.0"), 0);
	EXPECT_EQ(append(r.spool, 1, 5), 0);
	EXPECT_EQ(drain(r.spool, 1, 5), 1);
	EXPECT_EQ(r.lost, 0);
	rig_fini(&r);
}

TEST(of_what_was_read_some_may_be_answered_before_the_rest)
{
	struct spool_numbers n;
	struct spool_entry *e;
	struct rig r;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 10; i++)
		EXPECT_EQ(append(r.spool, 1 + i * 10, 10), 0);
	REQUIRE(spool_read(r.spool, 8, &e) == 8);
	spool_consume(r.spool, 0);
	spool_consume(r.spool, 3);
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.documents, 70);
	EXPECT_EQ(spool_entries(r.spool), 7);
	REQUIRE(spool_read(r.spool, 8, &e) == 5);
	for (unsigned i = 0; i < 5; i++)
		EXPECT(is_batch(&e[i], 31 + i * 10, 10));
	spool_consume(r.spool, 1);
	rig_close(&r);

	REQUIRE(rig_open(&r, 64 << 20));
	EXPECT_EQ(drain(r.spool, 41, 10), 6);
	EXPECT_EQ(r.lost, 0);
	rig_fini(&r);
}

/* Whoever may write to the folder may have changed a segment since its entries were counted. */
TEST(an_entry_with_more_rows_than_there_is_room_for_is_refused)
{
	struct spool_scratch scratch = {0};
	struct made *m = made_batch(1, 20);
	struct export_row row[20];
	struct spool_entry out;
	uint8_t *bytes;
	size_t size;

	REQUIRE(m != NULL && spool_encode_batch(&scratch, &m->batch) == 0);
	size = scratch.used + m->batch.text_bytes;
	bytes = malloc(size);
	REQUIRE(bytes != NULL);
	memcpy(bytes, scratch.bytes, scratch.used);
	memcpy(bytes + scratch.used, m->batch.text, m->batch.text_bytes);
	EXPECT(spool_decode(bytes, size, row, 20, &out));
	EXPECT_EQ(out.batch.n_rows, 20);
	memset(row, 0x5a, sizeof(row));
	EXPECT(!spool_decode(bytes, size, row, 19, &out));
	EXPECT_EQ(row[0].json_bytes, 0x5a5a5a5a);
	free(bytes);
	free(scratch.bytes);
	made_free(m);
}

TEST(the_next_run_goes_on_where_this_one_ended)
{
	struct rig r;
	struct spool_numbers n;
	struct spool_entry *e;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 10; i++)
		EXPECT_EQ(append(r.spool, 1 + i * 10, 10), 0);
	REQUIRE(spool_read(r.spool, 4, &e) == 4);
	spool_consume(r.spool, SPOOL_READ_MAX);
	REQUIRE(spool_read(r.spool, 2, &e) == 2); /* not answered */
	rig_close(&r);

	REQUIRE(rig_open(&r, 64 << 20));
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.found_documents, 60);
	EXPECT_EQ(n.former_documents, 60);
	EXPECT_EQ(append(r.spool, 101, 10), 0);
	EXPECT_EQ(drain(r.spool, 41, 10), 7);
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.former_documents, 0);
	rig_close(&r);

	/* Numbers of segments that the position speaks of do not come again. */
	REQUIRE(rig_open(&r, 64 << 20));
	EXPECT_EQ(append(r.spool, 1, 10), 0);
	rig_close(&r);
	REQUIRE(rig_open(&r, 64 << 20));
	EXPECT_EQ(drain(r.spool, 1, 10), 1);
	rig_fini(&r);
}

TEST(a_torn_end_is_cut_off_wherever_it_tore)
{
	char path[128], copy[1024];
	struct rig r;
	struct stat st;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 3; i++)
		EXPECT_EQ(append(r.spool, 1 + i * 4, 4), 0);
	rig_close(&r);
	snprintf(path, sizeof(path), "%s/test.0/000000000001.spool", r.folder);
	REQUIRE(stat(path, &st) == 0);
	snprintf(copy, sizeof(copy), "cp %s %s/whole", path, r.folder);
	REQUIRE(system(copy) == 0);
	snprintf(copy, sizeof(copy), "mkdir -p %s/test.0; cp %s/whole %s; rm -f %s/test.0/position", r.folder, r.folder,
		 path, r.folder);
	for (off_t cut = 1; cut < st.st_size; cut += 17) {
		struct spool_numbers n;
		off_t entry = (st.st_size - 16) / 3;
		unsigned left = cut >= st.st_size - 16 ? 0 : (unsigned)((st.st_size - 16 - cut) / entry);

		REQUIRE(system(copy) == 0);
		REQUIRE(truncate(path, st.st_size - cut) == 0);
		REQUIRE(rig_open(&r, 64 << 20));
		spool_numbers(r.spool, &n);
		EXPECT_EQ(n.found_documents, 4 * left);
		EXPECT_EQ(n.cut_entries, (st.st_size - cut - 16) % entry != 0);
		EXPECT_EQ(drain(r.spool, 1, 4), left);
		rig_close(&r);
	}
	rig_fini(&r);
}

TEST(a_damaged_entry_is_lost_and_counted_and_the_others_are_not)
{
	char path[128];
	struct rig r;
	struct spool_numbers n;
	struct spool_entry *e;
	struct stat st;
	int fd;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 5; i++)
		EXPECT_EQ(append(r.spool, 1 + i * 4, 4), 0);
	snprintf(path, sizeof(path), "%s/test.0/000000000001.spool", r.folder);
	fd = open(path, O_RDWR);
	REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	REQUIRE(pwrite(fd, "\xff", 1, 16 + (st.st_size - 16) / 5 * 2 + 200) == 1); /* in the third */
	close(fd);
	REQUIRE(spool_read(r.spool, 5, &e) == 2);
	EXPECT(is_batch(&e[1], 5, 4));
	spool_consume(r.spool, SPOOL_READ_MAX);
	EXPECT_EQ(drain(r.spool, 13, 4), 2);
	EXPECT_EQ(r.lost, 4);
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.damaged_entries, 1);
	EXPECT_EQ(n.documents, 0);
	rig_fini(&r);
}

TEST(a_full_spool_drops_its_oldest_segment_but_not_what_the_reader_holds)
{
	enum { ROWS = 500, BATCHES = 200 };
	struct rig r;
	struct spool_numbers n;
	struct spool_entry *e;
	uint64_t first;

	REQUIRE(rig_init(&r));
	rig_close(&r);
	REQUIRE(rig_open(&r, 8 << 20));
	EXPECT_EQ(append(r.spool, 1, ROWS), 0);
	EXPECT_EQ(append(r.spool, 1 + ROWS, ROWS), 0);
	REQUIRE(spool_read(r.spool, 1, &e) == 1);
	for (unsigned i = 2; i < BATCHES; i++)
		EXPECT_EQ(append(r.spool, 1 + (uint64_t)i * ROWS, ROWS), 0);
	spool_numbers(r.spool, &n);
	EXPECT(n.bytes <= 8 << 20);
	EXPECT(r.lost > 0 && r.lost % ROWS == 0);
	EXPECT_EQ(n.documents + r.lost, (uint64_t)BATCHES * ROWS);
	EXPECT(is_batch(&e[0], 1, ROWS)); /* still there */
	spool_consume(r.spool, SPOOL_READ_MAX);
	first = 1 + ROWS + r.lost;
	EXPECT_EQ(drain(r.spool, first, ROWS), BATCHES - 1 - r.lost / ROWS);
	EXPECT_EQ(spool_entries(r.spool), 0);
	rig_fini(&r);
}

TEST(files_documents_keep_their_place_and_all_they_say)
{
	const struct export_file file = {.closing = true,
					 .number = 7,
					 .name = "/pcap/a.pcap",
					 .first_ns = 1,
					 .last_ns = 2,
					 .start_ns = 3,
					 .finish_ns = 4,
					 .file_bytes = 5,
					 .packets_bytes = 6,
					 .packets = 8,
					 .sessions_started = 9,
					 .sessions_present = 10,
					 .gap_positions = true};
	struct rig r;
	struct spool_entry *e;

	REQUIRE(rig_init(&r));
	EXPECT_EQ(append(r.spool, 1, 4), 0);
	EXPECT_EQ(spool_append_file(r.spool, &file), 0);
	EXPECT_EQ(append(r.spool, 5, 4), 0);
	EXPECT_EQ(spool_file_entries(r.spool), 1);
	REQUIRE(spool_read(r.spool, 8, &e) == 1);
	spool_consume(r.spool, SPOOL_READ_MAX);
	REQUIRE(spool_read(r.spool, 8, &e) == 1 && e[0].is_file);
	EXPECT_STR(e[0].file.name, file.name);
	e[0].file.name = file.name;
	EXPECT(memcmp(&e[0].file, &file, sizeof(file)) == 0);
	spool_consume(r.spool, SPOOL_READ_MAX);
	EXPECT_EQ(spool_file_entries(r.spool), 0);
	EXPECT_EQ(drain(r.spool, 5, 4), 1);
	rig_fini(&r);
}

TEST(a_second_process_has_a_folder_of_its_own_and_takes_over_what_dead_ones_left)
{
	struct rig r, second;
	struct spool_numbers n;

	REQUIRE(rig_init(&r));
	second = r;
	EXPECT_EQ(append(r.spool, 1, 4), 0);
	REQUIRE(rig_open(&second, 64 << 20));
	spool_numbers(second.spool, &n);
	EXPECT_EQ(n.found_documents, 0);
	EXPECT_EQ(append(second.spool, 5, 4), 0);
	EXPECT_EQ(append(second.spool, 9, 4), 0);
	EXPECT_EQ(count_files(&r, "test.1"), 1);
	{
		struct spool_entry *e;

		REQUIRE(spool_read(second.spool, 1, &e) == 1);
		spool_consume(second.spool, SPOOL_READ_MAX);
	}
	rig_close(&second);
	rig_close(&r);
	REQUIRE(rig_open(&r, 64 << 20));
	spool_numbers(r.spool, &n);
	EXPECT_EQ(n.found_documents, 8);
	EXPECT_EQ(count_files(&r, "test.1"), 0);
	{
		struct spool_entry *e;

		REQUIRE(spool_read(r.spool, 1, &e) == 1 && is_batch(e, 1, 4));
		spool_consume(r.spool, SPOOL_READ_MAX);
	}
	EXPECT_EQ(drain(r.spool, 9, 4), 1);
	rig_fini(&r);
}

/* Appends for ever, and says after each which was the last. */
static void
appender(struct rig *r, int out)
{
	if (!rig_open(r, UINT64_C(1) << 40))
		_exit(1);
	for (uint64_t i = 0;; i++) {
		if (append(r->spool, 1 + i * 50, 50) != 0)
			_exit(1);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

TEST(kill_9_loses_nothing_that_was_appended)
{
	struct rig r = {.folder = "/tmp/shrike-spool-XXXXXX"};
	struct spool_numbers n;
	int ends[2];

	REQUIRE(mkdtemp(r.folder) != NULL);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t last = 0, value;
		pid_t child;

		REQUIRE(pipe(ends) == 0);
		child = fork();
		if (child == 0)
			appender(&r, ends[1]);
		close(ends[1]);
		while (last < 30 + round * 40 && read(ends[0], &value, sizeof(value)) == sizeof(value))
			last = value;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(ends[0], &value, sizeof(value)) == sizeof(value))
			last = value;
		close(ends[0]);
		REQUIRE(rig_open(&r, UINT64_C(1) << 40));
		spool_numbers(r.spool, &n);
		EXPECT(n.found_documents >= (last + 1) * 50);
		EXPECT_EQ(drain(r.spool, 1, 50), n.found_documents / 50);
		rig_close(&r);
	}
	nftw(r.folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(a_folder_that_cannot_be_written_is_refused_with_its_setting)
{
	const struct spool_params params = {.directory = "/proc/nowhere", .sink = "test", .max_bytes = 64 << 20};
	char why[256] = "";

	EXPECT(spool_create(&params, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "spoolDir") != NULL);
}
