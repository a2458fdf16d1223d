/* Packets from worker to worker. */
#include "handoff.h"

#include <rte_mbuf.h>

#include "packet.h"
#include "port.h"
#include "test.h"

enum { WORKERS = 3, SLOTS = 128 };

static struct rte_mempool *pool;
static struct handoff *handoff;
static struct handoff_end *end[WORKERS];
static struct counters counters[WORKERS];

static void
begin(bool lossless)
{
	test_eal();
	pool = port_pool_create("handoff test", 1023, 1, 0);
	handoff = handoff_create(&(struct handoff_params){.n_workers = WORKERS, .slots = SLOTS, .lossless = lossless});
	memset(counters, 0, sizeof(counters));
	for (unsigned i = 0; i < WORKERS && handoff != NULL; i++) {
		counters_attach(&counters[i], "worker");
		end[i] = handoff_end(handoff, i, &counters[i]);
	}
}

static void
finish(void)
{
	handoff_destroy(handoff);
	for (unsigned i = 0; i < WORKERS; i++)
		counters_detach(&counters[i]);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

static void
put(unsigned from, unsigned to, uint64_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	*(struct packet_meta *)rte_mbuf_to_priv(m) = (struct packet_meta){.sequence = number};
	handoff_put(end[from], to, m);
}

static unsigned
take(unsigned worker, unsigned from, uint64_t *first, uint64_t *tick_ns)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned n = handoff_take(end[worker], from, m, BURST_MAX, tick_ns);

	for (unsigned i = 0; i < n; i++) {
		const struct packet_meta *meta = rte_mbuf_to_priv(m[i]);

		if (i == 0)
			*first = meta->sequence;
		EXPECT_EQ(meta->sequence, *first + i);
	}
	port_free_burst(m, n);
	return n;
}

/* What the counters say is on the rings. */
static uint64_t
under_way(void)
{
	return counters_total("worker.handed_off") - counters_total("worker.taken_over") -
	       counters_total("worker.handoff_full");
}

TEST(packets_reach_the_worker_they_are_for_in_order_after_a_send)
{
	uint64_t first = 0, tick_ns = 0;

	begin(true);
	REQUIRE(handoff != NULL);
	put(0, 1, 10);
	put(0, 2, 20);
	put(0, 1, 11);
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 0);
	EXPECT(handoff_send(end[0]));
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 2);
	EXPECT_EQ(first, 10);
	EXPECT_EQ(take(2, 0, &first, &tick_ns), 1);
	EXPECT_EQ(first, 20);
	EXPECT_EQ(take(2, 1, &first, &tick_ns), 0);
	EXPECT_EQ(tick_ns, 0);
	EXPECT_EQ(under_way(), 0);
	finish();
}

TEST(a_tick_lies_between_the_packets_before_and_after_it)
{
	uint64_t first = 0, tick_ns = 0;

	begin(true);
	put(0, 1, 1);
	EXPECT(handoff_send(end[0]));
	handoff_tick(end[0], 1600000000000000001);
	put(0, 1, 2);
	EXPECT(handoff_send(end[0]));

	EXPECT_EQ(take(1, 0, &first, &tick_ns), 1);
	EXPECT_EQ(first, 1);
	EXPECT_EQ(tick_ns, 0);
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 0);
	EXPECT_EQ(tick_ns, 1600000000000000001);
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 1);
	EXPECT_EQ(first, 2);
	/* The third worker, which got no packet, is told too; the sender is not. */
	tick_ns = 0;
	EXPECT_EQ(take(2, 0, &first, &tick_ns), 0);
	EXPECT_EQ(tick_ns, 1600000000000000001);
	finish();
}

TEST(a_full_ring_loses_what_does_not_fit_and_counts_it)
{
	begin(false);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < BURST_MAX; k++)
			put(0, 1, i * BURST_MAX + k);
		EXPECT(handoff_send(end[0]));
	}
	EXPECT_EQ(counters_total("worker.handed_off"), 3 * BURST_MAX);
	EXPECT_EQ(counters_total("worker.handoff_full"), 3 * BURST_MAX - SLOTS);
	EXPECT_EQ(under_way(), SLOTS);
	EXPECT_EQ(rte_mempool_in_use_count(pool), SLOTS);
	finish();
}

TEST(without_loss_a_full_ring_keeps_the_rest_for_later)
{
	uint64_t first = 0, tick_ns = 0, next = 0;

	begin(true);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < BURST_MAX; k++)
			put(0, 1, i * BURST_MAX + k);
		EXPECT(handoff_send(end[0]));
	}
	for (unsigned k = 0; k < BURST_MAX; k++)
		put(0, 1, 2 * BURST_MAX + k);
	EXPECT(!handoff_send(end[0]));
	for (unsigned n; (n = take(1, 0, &first, &tick_ns)) > 0; next += n) {
		EXPECT_EQ(first, next);
		handoff_send(end[0]);
	}
	EXPECT_EQ(next, 3 * BURST_MAX);
	EXPECT_EQ(counters_total("worker.handoff_full"), 0);
	finish();
}

TEST(what_was_never_taken_is_given_back)
{
	uint64_t first = 0, tick_ns = 0;

	begin(true);
	put(0, 1, 1);
	handoff_tick(end[0], 5);
	put(0, 1, 2);
	EXPECT(handoff_send(end[0]));
	/* One in the taker's hands behind a tick, one in a bin. */
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 1);
	put(0, 2, 3);
	finish();
}

TEST(nobody_is_at_the_end_while_another_may_still_hand_off)
{
	uint64_t first = 0, tick_ns = 0;

	begin(true);
	/* The first round: 2 has a packet left for 0. */
	EXPECT(!handoff_close(end[0]) && !handoff_close(end[1]));
	EXPECT(!handoff_close(end[0]) && !handoff_close(end[1]));
	put(2, 0, 1);
	EXPECT(!handoff_close(end[2]));
	EXPECT(handoff_send(end[2]));
	EXPECT(!handoff_close(end[2]));
	/* The second: that was a fragment, and what 0 makes of it is for 1. */
	EXPECT(!handoff_close(end[0]));
	EXPECT_EQ(take(0, 2, &first, &tick_ns), 1);
	EXPECT(!handoff_close(end[1]) && !handoff_close(end[2]));
	EXPECT(!handoff_close(end[1]));
	put(0, 1, 2);
	EXPECT(!handoff_close(end[0]));
	EXPECT(handoff_send(end[0]));
	EXPECT(!handoff_close(end[0]));
	EXPECT(!handoff_close(end[1]));
	EXPECT_EQ(take(1, 0, &first, &tick_ns), 1);
	EXPECT(handoff_close(end[1]) && handoff_close(end[2]) && handoff_close(end[0]));
	finish();
}
