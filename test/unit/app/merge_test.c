/* Order by time stamp, and how long one waits for it. */
#include "merge.h"

#include <rte_mbuf.h>

#include "packet.h"
#include "port.h"
#include "test.h"

static struct rte_mempool *pool;
static struct merge *merge;
static uint64_t n_early;

static void
begin(unsigned n_sources, uint64_t window_ns, uint32_t most)
{
	test_eal();
	pool = port_pool_create("merge test", 1023, 1, 0);
	merge = merge_create(
		&(struct merge_params){.n_sources = n_sources, .window_ns = window_ns, .most_mbufs = most});
	n_early = 0;
}

static void
end(void)
{
	merge_destroy(merge);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

static void
push(unsigned source, uint64_t time_ns, uint64_t now_ns)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct packet_meta *meta = rte_mbuf_to_priv(m);

	*meta = (struct packet_meta){.time_ns = time_ns, .input = source};
	merge_push(merge, source, &m, 1, now_ns);
}

/* The stamps of what comes out, as decimal digits: they are 1 to 9 here. */
static unsigned
pull(uint64_t now_ns)
{
	struct rte_mbuf *m[16];
	unsigned n = merge_pull(merge, now_ns, m, RTE_DIM(m), &n_early), digits = 0;

	for (unsigned i = 0; i < n; i++)
		digits = digits * 10 + (unsigned)((struct packet_meta *)rte_mbuf_to_priv(m[i]))->time_ns;
	port_free(m, n);
	return digits;
}

TEST(the_oldest_of_all_sources_goes_first_until_one_has_nothing_more)
{
	begin(2, 100, 512);
	REQUIRE(merge != NULL);
	push(0, 1, 0);
	push(0, 3, 0);
	push(0, 6, 0);
	EXPECT_EQ(pull(0), 0);
	push(1, 2, 0);
	push(1, 5, 0);
	/* After 5 nobody knows what the second will bring: 6 waits. */
	EXPECT_EQ(pull(0), 1235);
	EXPECT_EQ(merge_held(merge), 1);
	push(1, 4, 0);
	push(1, 7, 0);
	EXPECT_EQ(pull(0), 46);
	end();
}

TEST(a_silent_source_is_waited_for_as_long_as_the_window)
{
	begin(2, 100, 512);
	push(0, 5, 1000);
	push(0, 9, 1050);
	EXPECT_EQ(pull(1099), 0);
	EXPECT_EQ(pull(1100), 5);
	EXPECT_EQ(pull(1149), 0);
	EXPECT_EQ(pull(1150), 9);
	EXPECT_EQ(n_early, 0);
	end();
}

TEST(who_is_left_out_is_not_waited_for_until_he_brings_something)
{
	begin(2, UINT64_MAX, 512);
	EXPECT(merge_awaits(merge, 1));
	merge_leave_out(merge, 1);
	EXPECT(!merge_awaits(merge, 1));
	push(0, 1, 0);
	push(0, 4, 0);
	push(1, 2, 0);
	EXPECT(!merge_awaits(merge, 1));
	EXPECT_EQ(pull(0), 12);
	EXPECT(merge_awaits(merge, 1));
	merge_leave_out(merge, 1);
	EXPECT_EQ(pull(0), 4);
	end();
}

TEST(equal_stamps_come_in_the_order_of_the_sources)
{
	struct rte_mbuf *m[2];

	begin(2, 100, 512);
	push(1, 3, 0);
	push(0, 3, 0);
	REQUIRE(merge_pull(merge, 1000, m, 2, &n_early) == 2);
	EXPECT_EQ(((struct packet_meta *)rte_mbuf_to_priv(m[0]))->input, 0);
	EXPECT_EQ(((struct packet_meta *)rte_mbuf_to_priv(m[1]))->input, 1);
	port_free(m, 2);
	end();
}

TEST(a_merge_that_is_full_lets_the_oldest_go_early_and_counts_it)
{
	begin(2, UINT64_MAX, 4);
	for (unsigned i = 1; i <= 3; i++)
		push(0, i, 0);
	EXPECT(merge_has_room(merge));
	EXPECT_EQ(pull(0), 0);
	push(0, 4, 0);
	push(0, 5, 0);
	EXPECT(!merge_has_room(merge));
	EXPECT_EQ(pull(0), 12);
	EXPECT_EQ(n_early, 2);
	EXPECT_EQ(merge_held(merge), 3);
	end();
}

TEST(the_sorted_source_comes_in_any_order_and_is_not_waited_for)
{
	begin(2, UINT64_MAX, 512);
	merge_destroy(merge);
	merge = merge_create(&(struct merge_params){
		.n_sources = 2, .last_is_sorted = true, .window_ns = UINT64_MAX, .most_mbufs = 512});
	push(0, 3, 0);
	push(0, 7, 0);
	push(1, 5, 0);
	push(1, 2, 0);
	push(1, 4, 0);
	EXPECT_EQ(pull(0), 23457);
	push(0, 8, 0);
	EXPECT_EQ(pull(0), 8);
	end();
}

TEST(a_source_that_goes_back_in_time_keeps_its_own_order)
{
	begin(2, UINT64_MAX, 512);
	push(0, 5, 0);
	push(0, 2, 0);
	push(0, 6, 0);
	push(1, 4, 0);
	push(1, 9, 0);
	EXPECT_EQ(pull(0), 4526);
	end();
}
