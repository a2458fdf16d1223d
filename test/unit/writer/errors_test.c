/* What goes wrong with disks, and that it costs packets but never more than the ledger says. */
#include "writer_fixture.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/mount.h>

static const uint64_t start_ns = UINT64_C(1700000000000000000);

/* Appends n packets of 1500 bytes as a live worker does, with the writer keeping up. Returns how many have a position.
 */
static unsigned
append_live(struct fixture *f, unsigned n, uint64_t first_seed)
{
	unsigned stored = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet p = fixture_packet(first_seed + i, 1500, start_ns + i);

		EXPECT(writer_append(f->stream[0], &p, 0));
		if (i % 500 == 0)
			fixture_settle(f);
		if (p.position == 0)
			continue;
		fixture_note(f, &p, first_seed + i);
		stored++;
	}
	fixture_settle(f);
	return stored;
}

static bool
mount_small(const char *where, const char *options)
{
	return geteuid() == 0 && mount("tmpfs", where, "tmpfs", 0, options) == 0;
}

static int
fill(const char *directory, off_t bytes)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s/filler", directory);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, bytes) != 0)
		return -1;
	close(fd);
	return 0;
}

static void
unfill(const char *directory)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/filler", directory);
	unlink(name);
}

/* A disk fills up, is full for a while, and is given room again. */
static void
expect_full_disk_survived(bool no_uring)
{
	struct fixture f;
	unsigned before, during, after;
	uint64_t not_stored;

	fixture_init(&f);
	f.conf.live = true;
	f.params.no_uring = no_uring;
	if (!mount_small(f.directory, "size=24m")) {
		test_skip("needs root and tmpfs");
		fixture_stop(&f);
		return;
	}
	EXPECT_EQ(fill(f.directory, 17 << 20), 0);
	REQUIRE(fixture_start(&f, 1));
	fixture_tick(&f, NS_PER_S);
	before = append_live(&f, 8000, 1); /* 12 MB into 7 */
	EXPECT(before > 0 && before < 8000);
	EXPECT(counters_total("writer.errors") >= 1);
	EXPECT(counters_total("writer.lost_packets") > 0);
	EXPECT_EQ(counters_total("writer.not_stored_error"), 8000 - before);
	EXPECT_EQ(fixture_missing(&f), counters_total("writer.lost_packets"));
	EXPECT_EQ(ledger_check(stdout), 0);
	/* Tries fail: no file, no document, no number wasted but the one of the try. */
	not_stored = counters_total("writer.not_stored_error");
	for (unsigned i = 0; i < 3; i++) {
		fixture_tick(&f, 6 * NS_PER_S);
		during = append_live(&f, 100, 10000);
		EXPECT_EQ(during, 0);
	}
	EXPECT_EQ(counters_total("writer.not_stored_error"), not_stored + 300);
	EXPECT_EQ(f.n_created, 1);
	EXPECT_EQ(f.n_closed, 1);
	EXPECT_EQ(atomic_load(&f.numbers), 2);
	EXPECT_EQ(ledger_check(stdout), 0);
	/* What there is of the first file is a whole pcap file of as many packets as its document says. */
	EXPECT_EQ(fixture_file_bytes(f.closed[0]->name), f.closed[0]->file_bytes);
	EXPECT_EQ(f.closed[0]->packets, counters_total("writer.written_packets"));
	f.n_stored = (unsigned)f.closed[0]->packets;
	EXPECT(fixture_pcap_agrees(&f, f.closed[0]));

	unfill(f.directory);
	fixture_tick(&f, NS_PER_S);
	EXPECT_EQ(append_live(&f, 10, 20000), 0);
	fixture_tick(&f, 5 * NS_PER_S);
	EXPECT_EQ(append_live(&f, 10, 20000), 9); /* the first of them starts the try */
	after = append_live(&f, 1000, 30000);
	EXPECT_EQ(after, 1000);
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 2);
	EXPECT_EQ(fixture_missing(&f), 0);
	EXPECT(fixture_pcap_agrees(&f, f.closed[1]));
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(counters_total("writer.stored_bytes"),
		  counters_total("writer.written_bytes") + counters_total("writer.lost_bytes"));
	writer_stream_destroy(f.stream[0]);
	f.stream[0] = NULL;
	EXPECT_EQ(umount2(f.directory, MNT_DETACH), 0);
	counters_detach(&f.counters[0]);
	f.params.n_workers = 0;
	fixture_stop(&f);
}

TEST(a_full_disk_costs_packets_until_there_is_room_again)
{
	expect_full_disk_survived(false);
}

TEST(a_full_disk_costs_packets_until_there_is_room_again_without_io_uring)
{
	expect_full_disk_survived(true);
}

TEST(a_replay_onto_a_full_disk_ends_and_counts)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.n_blocks = 2;
	if (!mount_small(f.directory, "size=5m")) {
		test_skip("needs root and tmpfs");
		fixture_stop(&f);
		return;
	}
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 8000; i++) {
		struct packet p = fixture_packet(i + 1, 1500, start_ns);

		fixture_append(&f, 0, &p, i + 1, 0);
	}
	fixture_finish(&f);
	EXPECT_EQ(f.n_stored + counters_total("writer.not_stored_error"), 8000);
	EXPECT_EQ(fixture_missing(&f), counters_total("writer.lost_packets"));
	EXPECT_EQ(counters_total("writer.lost_packets") + counters_total("writer.written_packets"), f.n_stored);
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT(ledger_losses() > 0);
	umount2(f.directory, MNT_DETACH);
	fixture_stop(&f);
}

/* Root may write everywhere: as nobody the files are opened. */
TEST(a_directory_that_becomes_forbidden_costs_packets_until_it_is_allowed_again)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.live = true;
	REQUIRE(fixture_start(&f, 1));
	fixture_tick(&f, NS_PER_S);
	chmod(f.directory, 0500);
	if (geteuid() == 0)
		setfsuid(65534);
	EXPECT_EQ(append_live(&f, 100, 1), 1); /* the one with which the file was asked for */
	EXPECT_EQ(counters_total("writer.not_stored_error"), 99);
	EXPECT_EQ(counters_total("writer.lost_packets"), 1);
	EXPECT_EQ(f.n_created, 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_tick(&f, 6 * NS_PER_S);
	EXPECT_EQ(append_live(&f, 100, 1), 0);
	chmod(f.directory, 0700);
	setfsuid(0);
	fixture_tick(&f, 6 * NS_PER_S);
	f.n_stored = 0;
	EXPECT_EQ(append_live(&f, 100, 1), 99);
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 1);
	EXPECT_EQ(f.n_closed, 1);
	EXPECT_EQ(f.closed[0]->packets, 99);
	EXPECT_EQ(fixture_missing(&f), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(a_try_that_is_under_way_at_the_end_is_finished_too)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.live = true;
	REQUIRE(fixture_start(&f, 1));
	fixture_tick(&f, NS_PER_S);
	chmod(f.directory, 0500);
	if (geteuid() == 0)
		setfsuid(65534);
	append_live(&f, 10, 1);
	setfsuid(0);
	chmod(f.directory, 0700);
	fixture_tick(&f, 6 * NS_PER_S);
	f.n_stored = 0;
	EXPECT_EQ(append_live(&f, 1, 1), 0);
	fixture_finish(&f);
	REQUIRE(f.n_closed == 1);
	EXPECT_EQ(f.closed[0]->file_bytes, WRITER_FILE_HEADER_BYTES);
	EXPECT_EQ(f.closed[0]->packets, 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(file_events_that_do_not_fit_into_the_ring_wait)
{
	struct fixture f;
	struct rte_ring *big;

	fixture_init(&f);
	f.conf.file_time_max_min = 1;
	big = f.events;
	f.params.file_events = f.events = rte_ring_create("test_small", 2, SOCKET_ID_ANY, RING_F_SC_DEQ);
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 20; i++) {
		struct packet p = fixture_packet(i + 1, 100, start_ns + i * 61 * NS_PER_S);

		fixture_append(&f, 0, &p, i + 1, 0);
		for (unsigned j = 0; j < 100; j++)
			writer_poll(f.writer);
	}
	EXPECT(!writer_idle(f.writer));
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 20);
	EXPECT_EQ(f.n_closed, 20);
	for (unsigned i = 0; i < 20; i++)
		EXPECT_EQ(f.created[i]->number, i + 1);
	fixture_stop(&f);
	rte_ring_free(big);
}
