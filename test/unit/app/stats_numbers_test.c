/* Rates, differences, looks at the ledger, and when a line is due. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "stats_priv.h"
#include "test.h"

TEST(differences_never_go_below_zero)
{
	struct stats_counts a = {.packets = 10, .bytes = UINT64_MAX, .cpu_ms = 5}, b = {.packets = 12, .bytes = 1};
	struct stats_counts d;

	stats_counts_subtract(&d, &a, &b);
	EXPECT_EQ(d.packets, 0);
	EXPECT(d.bytes == UINT64_MAX - 1);
	EXPECT_EQ(d.cpu_ms, 5);
	EXPECT_EQ(d.records, 0);
}

TEST(rates_are_for_a_second_and_of_no_time_zero)
{
	EXPECT(stats_per_second(500, 2 * NS_PER_S) == 250);
	EXPECT(stats_per_second(500, NS_PER_S / 2) == 1000);
	EXPECT(stats_per_second(500, 0) == 0);
	EXPECT(stats_per_second(UINT64_MAX, 1) > 1e28);
}

TEST(busy_part_of_an_lcore_is_of_the_time_since_the_last_look)
{
	EXPECT(view_busy(1000, 100, 3000, 600) == 0.25);
	EXPECT(view_busy(1000, 100, 3000, 100) == 0);
	EXPECT(view_busy(1000, 100, 1000, 100) == 1); /* inside one long turn */
	EXPECT(view_busy(0, 0, 0, 0) == 1);
}

TEST(counts_are_read_from_the_counters)
{
	struct stats_counts before, after;

	stats_counts_read(&before);
	while (stats_counts_read(&after), after.cpu_ms < before.cpu_ms + 2)
		;
	EXPECT(after.cpu_ms < before.cpu_ms + 60000);
	EXPECT(after.packets >= before.packets);
	EXPECT(stats_memory_bytes() > 1000000);
	EXPECT(stats_machine_bytes() > stats_memory_bytes() / 2);
}

static const uint64_t second = NS_PER_S;

TEST(line_comes_after_so_many_packets_but_not_within_10_s_and_live_every_minute)
{
	struct stats_log l;

	stats_log_begin(&l, 100 * second);
	EXPECT(!stats_log_is_due(&l, true, 1000, 5000, 109 * second));
	EXPECT(stats_log_is_due(&l, true, 1000, 1000, 110 * second));
	EXPECT(stats_log_is_due(&l, false, 1000, 1000, 110 * second));
	EXPECT(!stats_log_is_due(&l, true, 1000, 999, 159 * second));
	EXPECT(stats_log_is_due(&l, true, 1000, 0, 160 * second));
	EXPECT(!stats_log_is_due(&l, false, 1000, 999, 1000 * second));
}

static struct ledger_balance
balance(uint64_t in_before, uint64_t inside, uint64_t out, uint64_t in_after)
{
	return (struct ledger_balance){.in_before = in_before, .inside = inside, .out = out, .in_after = in_after};
}

TEST(account_that_adds_up_is_right_whatever_moves_meanwhile)
{
	struct ledger_balance b = balance(100, 10, 90, 100);

	EXPECT_EQ(stats_ledger_wrong(&b, 0), 0);
	b = balance(100, 10, 150, 170); /* 60 came and went during the look */
	EXPECT_EQ(stats_ledger_wrong(&b, 0), 0);
	b = balance(100, 10, 95, 100); /* 5 counted inside and then out */
	EXPECT_EQ(stats_ledger_wrong(&b, 0), 0);
}

TEST(imbalance_of_one_packet_is_seen_by_either_sign)
{
	struct ledger_balance b = balance(100, 10, 89, 100);

	EXPECT_EQ(stats_ledger_wrong(&b, 0), 1);
	EXPECT_EQ(stats_ledger_wrong(&b, 1), 0);
	b = balance(100, 0, 101, 100);
	EXPECT_EQ(stats_ledger_wrong(&b, 0), -1);
}

static unsigned
looks_until_wrong(const struct ledger_balance *b, uint64_t step, uint64_t between, uint64_t always)
{
	struct stats_ledger l = {0};
	struct ledger_balance moving = *b;

	for (unsigned i = 1; i <= 100; i++) {
		if (stats_ledger_look(&l, LEDGER_PACKETS, &moving, between, always))
			return i;
		moving.in_before += step;
		moving.in_after += step;
		moving.out += step;
	}
	return 0;
}

TEST(running_ledger_is_wrong_when_it_stays_wrong)
{
	struct ledger_balance fine = balance(100, 10, 90, 100), lost_one = balance(100, 10, 89, 100),
			      lost_many = balance(1000, 0, 500, 1000), one_twice = balance(100, 10, 91, 100);

	EXPECT_EQ(looks_until_wrong(&fine, 0, 128, 0), 0);
	EXPECT_EQ(looks_until_wrong(&fine, 1000, 128, 0), 0);
	/* At rest a single one shows; the first look has nothing to compare with. */
	EXPECT_EQ(looks_until_wrong(&lost_one, 0, 128, 0), LEDGER_LOOKS + 1);
	EXPECT_EQ(looks_until_wrong(&one_twice, 0, 128, 0), LEDGER_LOOKS + 1);
	EXPECT_EQ(looks_until_wrong(&lost_one, 0, 128, 1), 0);
	/* On the move what may be between two counters does not. */
	EXPECT_EQ(looks_until_wrong(&lost_one, 1000, 128, 0), 0);
	EXPECT_EQ(looks_until_wrong(&lost_many, 1000, 128, 0), LEDGER_LOOKS);
}

TEST(an_lcore_in_the_middle_of_a_turn_is_known)
{
	static struct role_plan plan = {.n_lcores = 2};
	struct stats_ledger l = {0};

	atomic_store(&plan.lcore[0].load.turns, 5);
	atomic_store(&plan.lcore[1].load.turns, 7);
	EXPECT(stats_ledger_all_turned(&l, &plan));
	atomic_store(&plan.lcore[0].load.turns, 6);
	EXPECT(!stats_ledger_all_turned(&l, &plan));
	atomic_store(&plan.lcore[0].load.turns, 7);
	atomic_store(&plan.lcore[1].load.turns, 8);
	EXPECT(stats_ledger_all_turned(&l, &plan));
	EXPECT(!stats_ledger_all_turned(&l, &plan));
}

TEST(one_good_look_starts_the_count_again)
{
	struct ledger_balance bad = balance(1000, 0, 500, 1000), good = balance(1000, 500, 500, 1000);
	struct stats_ledger l = {0};

	for (unsigned i = 0; i < 20; i++)
		EXPECT(!stats_ledger_look(&l, LEDGER_PACKETS, i % 4 == 3 ? &good : &bad, 128, 0));
}

TEST(exact_look_tells_a_ledger_that_adds_up_from_one_that_does_not)
{
	static struct counters counters;
	const struct counter *in = NULL;
	size_t index = 0, at = 0;

	REGISTRY_FOREACH (counter, struct counter, slot) {
		if (in == NULL && (*slot)->account == LEDGER_WIRE && (*slot)->side == LEDGER_IN) {
			in = *slot;
			at = index;
		}
		index++;
	}
	REQUIRE(in != NULL);
	EXPECT(stats_ledger_is_exact(LEDGER_WIRE, 0, NS_PER_MS));
	counters_attach(&counters, "test");
	counters.value[at] = 1;
	EXPECT(!stats_ledger_is_exact(LEDGER_WIRE, 0, NS_PER_MS));
	EXPECT(stats_ledger_is_exact(LEDGER_WIRE, 1, NS_PER_MS));
	counters.value[at] = 0;
	counters_detach(&counters);
}

static void
make_file(const char *folder, const char *name, size_t bytes)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	close(fd);
}

static void
remove_file(const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

TEST(space_is_that_of_all_folders_and_of_the_files_of_this_node)
{
	char folder[] = "/tmp/shrike-space-XXXXXX";
	const char *folders[2] = {folder, folder};
	struct stats_space_params p = {.directories = folders, .n_directories = 1, .node = "node1"};
	struct space one, two;
	struct stats_space *s;

	REQUIRE(mkdtemp(folder) != NULL);
	make_file(folder, "node1-1.pcap", 1000);
	make_file(folder, "node1-2.pcap", 234);
	make_file(folder, "node2-1.pcap", 5000);
	stats_space_measure(&p, &one);
	EXPECT_EQ(one.used_bytes, 1234);
	EXPECT(one.free_bytes > 0 && one.size_bytes >= one.free_bytes);
	p.n_directories = 2;
	stats_space_measure(&p, &two);
	EXPECT(two.size_bytes == 2 * one.size_bytes);
	p.has_template = true;
	stats_space_measure(&p, &two);
	EXPECT_EQ(two.used_bytes, 0);
	p.n_directories = 1;
	p.has_template = false;
	s = stats_space_create(&p);
	REQUIRE(s != NULL);
	EXPECT(stats_space_read(s, &two, 60000));
	EXPECT_EQ(two.used_bytes, 1234);
	EXPECT(stats_space_destroy(s));
	remove_file(folder, "node1-1.pcap");
	remove_file(folder, "node1-2.pcap");
	remove_file(folder, "node2-1.pcap");
	rmdir(folder);
	stats_space_measure(&p, &one);
	EXPECT_EQ(one.size_bytes, 0);
	EXPECT(!stats_space_read(NULL, &one, 0));
	EXPECT(stats_space_destroy(NULL));
}
