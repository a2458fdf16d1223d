#include "writer_fixture.h"

#include <sys/statvfs.h>
#include <time.h>

static const uint64_t start_ns = UINT64_C(1700000000000000000);

static void
append_one(struct fixture *f, uint64_t seed, uint64_t time_ns)
{
	struct packet p = fixture_packet(seed, 100, time_ns);

	fixture_append(f, 0, &p, seed, 0);
}

/* 23:30 UTC on 14 November is the 15th twelve hours further east. */
TEST(names_have_the_local_date_of_the_first_packet_and_the_number)
{
	struct fixture f;
	char want[128], *zone = getenv("TZ");

	setenv("TZ", "NZST-12", 1);
	tzset();
	fixture_init(&f);
	f.numbers = 41;
	REQUIRE(fixture_start(&f, 1));
	append_one(&f, 1, UINT64_C(1700004600) * NS_PER_S);
	fixture_finish(&f);
	REQUIRE(f.n_created == 1);
	snprintf(want, sizeof(want), "%s/node1-231115-00000042.pcap", f.directory);
	EXPECT_STR(f.created[0]->name, want);
	EXPECT_STR(f.closed[0]->name, want);
	EXPECT_EQ(f.created[0]->first_ns, UINT64_C(1700004600) * NS_PER_S);
	fixture_stop(&f);
	if (zone != NULL)
		setenv("TZ", zone, 1);
	else
		unsetenv("TZ");
	tzset();
}

TEST(missing_directories_and_those_of_the_template_are_made)
{
	struct fixture f;
	char deep[128], want[256];
	time_t seconds = (time_t)(start_ns / NS_PER_S);
	struct tm tm;

	fixture_init(&f);
	snprintf(deep, sizeof(deep), "%s/a/b", f.directory);
	f.item[0] = deep;
	f.conf.directory_template = "/%Y/%j";
	REQUIRE(fixture_start(&f, 1));
	EXPECT_EQ(access(deep, W_OK), 0);
	append_one(&f, 1, start_ns);
	fixture_finish(&f);
	REQUIRE(f.n_created == 1);
	localtime_r(&seconds, &tm);
	snprintf(want, sizeof(want), "%s/%04d/%03d/node1-", deep, tm.tm_year + 1900, tm.tm_yday + 1);
	EXPECT(strncmp(f.created[0]->name, want, strlen(want)) == 0);
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
}

TEST(a_relative_directory_gives_absolute_names)
{
	struct fixture f;
	char old[512];

	fixture_init(&f);
	REQUIRE(getcwd(old, sizeof(old)) != NULL && chdir(f.directory) == 0);
	f.item[0] = "here";
	REQUIRE(fixture_start(&f, 1));
	append_one(&f, 1, start_ns);
	fixture_finish(&f);
	REQUIRE(f.n_created == 1 && chdir(old) == 0);
	EXPECT(strncmp(f.created[0]->name, f.directory, strlen(f.directory)) == 0);
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
}

TEST(several_directories_take_turns)
{
	struct fixture f;
	char second[128];

	fixture_init(&f);
	snprintf(second, sizeof(second), "%s/second", f.directory);
	f.item[1] = second;
	f.conf.directories.n = 2;
	f.conf.file_time_max_min = 1;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 4; i++)
		append_one(&f, i + 1, start_ns + i * 60 * NS_PER_S);
	fixture_finish(&f);
	REQUIRE(f.n_created == 4);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(strncmp(f.created[i]->name, second, strlen(second)) == 0, i % 2 == 1);
	fixture_stop(&f);
}

/* Free space is compared for each file; /dev/shm and /var/tmp are never equally full. */
static void
expect_freest(int algorithm, bool percent)
{
	struct fixture f;
	char second[] = "/dev/shm/shrike-writer-XXXXXX";
	struct statvfs a, b;
	double free_a, free_b;
	bool in_second;

	fixture_init(&f);
	if (mkdtemp(second) == NULL || statvfs(f.directory, &a) != 0 || statvfs(second, &b) != 0) {
		test_skip("needs /dev/shm");
		fixture_stop(&f);
		return;
	}
	free_a = (double)a.f_bavail * (percent ? 1.0 / (double)a.f_blocks : (double)a.f_frsize);
	free_b = (double)b.f_bavail * (percent ? 1.0 / (double)b.f_blocks : (double)b.f_frsize);
	f.item[1] = second;
	f.conf.directories.n = 2;
	f.conf.directory_algorithm = algorithm;
	f.conf.file_time_max_min = 1;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 3; i++)
		append_one(&f, i + 1, start_ns + i * 60 * NS_PER_S);
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 3);
	for (unsigned i = 0; i < f.n_created; i++) {
		in_second = strncmp(f.created[i]->name, second, strlen(second)) == 0;
		EXPECT_EQ(in_second, free_b > free_a);
	}
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
	nftw(second, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(the_directory_with_most_free_percent_is_chosen)
{
	expect_freest(1, true);
}

TEST(the_directory_with_most_free_bytes_is_chosen)
{
	expect_freest(2, false);
}

TEST(an_existing_file_of_the_name_is_replaced_not_written_into)
{
	struct fixture f;
	char name[128], link[128], text[8] = "";
	int fd;

	fixture_init(&f);
	REQUIRE(fixture_start(&f, 1));
	append_one(&f, 1, start_ns);
	fixture_finish(&f);
	REQUIRE(f.n_created == 1);
	snprintf(name, sizeof(name), "%s", f.created[0]->name);
	snprintf(link, sizeof(link), "%s/victim", f.directory);
	unlink(name);
	fd = open(link, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	EXPECT_EQ(write(fd, "victim", 6), 6);
	close(fd);
	EXPECT_EQ(symlink(link, name), 0);
	f.numbers = 0;
	append_one(&f, 1, start_ns);
	fixture_finish(&f);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(read(fd, text, 6), 6);
	close(fd);
	EXPECT_STR(text, "victim");
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
}

TEST(live_files_are_not_for_everybody)
{
	for (unsigned live = 0; live < 2; live++) {
		struct fixture f;
		struct stat st;
		mode_t mask = umask(0);

		fixture_init(&f);
		f.conf.live = live == 1;
		REQUIRE(fixture_start(&f, 1));
		append_one(&f, 1, start_ns);
		fixture_finish(&f);
		umask(mask);
		REQUIRE(f.n_created == 1 && stat(f.created[0]->name, &st) == 0);
		EXPECT_EQ(st.st_mode & 0777, live == 1 ? 0660 : 0666);
		fixture_stop(&f);
	}
}

/* Beyond 16 MB a file is preallocated; none of that is left in the end. */
TEST(preallocated_space_is_given_back)
{
	struct fixture f;
	struct stat st;

	fixture_init(&f);
	f.conf.file_size_max_gib = 1;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 500; i++) {
		struct packet p = fixture_packet(i + 1, 60000, start_ns);

		fixture_append(&f, 0, &p, i + 1, 0);
		if (i == 450) {
			fixture_settle(&f);
			REQUIRE(f.n_created == 1 && stat(f.created[0]->name, &st) == 0);
			EXPECT((uint64_t)st.st_blocks * 512 > (uint64_t)st.st_size + (100 << 20));
		}
	}
	fixture_finish(&f);
	REQUIRE(f.n_closed == 1 && stat(f.closed[0]->name, &st) == 0);
	EXPECT_EQ(st.st_size, f.closed[0]->file_bytes);
	EXPECT((uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size + (1 << 20));
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
}

static void
expect_refused(struct fixture *f, const char *part)
{
	char why[256] = "";

	f->params.n_workers = 1;
	f->writer = writer_create(&f->params, why, sizeof(why));
	EXPECT(f->writer == NULL);
	EXPECT(strstr(why, part) != NULL);
	writer_destroy(f->writer);
	f->writer = NULL;
	f->params.n_workers = 0;
}

TEST(what_cannot_work_is_refused_at_the_start)
{
	struct fixture f;
	char file[128];
	int fd;

	fixture_init(&f);
	f.conf.directory_template = "no-slash";
	expect_refused(&f, "pcapDirTemplate");
	f.conf.directory_template = NULL;
	f.conf.node = "a/b";
	expect_refused(&f, "a/b");
	f.conf.node = "n";
	f.conf.directories.n = 0;
	expect_refused(&f, "pcapDir");
	f.conf.directories.n = 1;
	snprintf(file, sizeof(file), "%s/file", f.directory);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	f.item[0] = file;
	expect_refused(&f, file);
	f.item[0] = f.directory;
	f.conf.n_blocks = 30000;
	expect_refused(&f, "pcapBlocks");
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}
