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
	const struct packet_meta meta = {.sequence = number};

	handoff_put(end[from], to, rte_pktmbuf_alloc(pool), &meta);
}

static unsigned
take(unsigned worker, unsigned from, uint64_t *first, uint64_t *tick_ns)
{
	static struct port_burst b;
	unsigned n = handoff_take(end[worker], from, &b, tick_ns);

	for (unsigned i = 0; i < n; i++) {
		if (i == 0)
			*first = b.meta[i]->sequence;
		EXPECT_EQ(b.meta[i]->sequence, *first + i);
	}
	port_burst_free(&b, 0, n);
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

/* What a plain packet of a live port has; pool 0: the mbuf is asked when it is freed. */
static const struct packet_meta plain = {
	.time_ns = 1600000000000000001,
	.clock_ns = 1600000000000000007,
	.wire_bytes = 60,
	.input = 127,
	.link_type = LINK_ETHERNET,
	.has_nanoseconds = true,
	.plain_bytes = 60,
	.data = (const uint8_t *)&plain,
};

static bool
is_same(const struct packet_meta *a, const struct packet_meta *b)
{
	return a->time_ns == b->time_ns && a->clock_ns == b->clock_ns && a->sequence == b->sequence &&
	       a->input_position == b->input_position && a->wire_bytes == b->wire_bytes && a->input == b->input &&
	       a->link_type == b->link_type && a->has_nanoseconds == b->has_nanoseconds && a->kind == b->kind &&
	       a->is_fragment == b->is_fragment && a->pool == b->pool && a->plain_bytes == b->plain_bytes &&
	       a->arrived_ns == b->arrived_ns && a->data == b->data;
}

/* What arrives, and whether it came without the mbuf. */
static bool
crosses_as_it_is(const struct packet_meta *meta, bool *in_entry)
{
	static struct port_burst b;
	uint64_t tick_ns = 0;
	struct packet_meta got;

	handoff_put(end[0], 1, rte_pktmbuf_alloc(pool), meta);
	if (!handoff_send(end[0]) || handoff_take(end[1], 0, &b, &tick_ns) != 1)
		return false;
	got = *b.meta[0];
	*in_entry = b.meta[0] == &b.space[0];
	port_burst_free(&b, 0, 1);
	return is_same(&got, meta);
}

TEST(metadata_crosses_in_the_entry_where_there_is_room_for_all_of_it)
{
	struct packet_meta meta = plain;
	bool in_entry = false;

	begin(true);
	EXPECT(crosses_as_it_is(&meta, &in_entry) && in_entry);
	meta.clock_ns = meta.time_ns - 2147483648;
	EXPECT(crosses_as_it_is(&meta, &in_entry) && in_entry);
	meta.has_nanoseconds = false;
	meta.input = 0;
	meta.plain_bytes = 65535;
	meta.wire_bytes = 65535;
	EXPECT(crosses_as_it_is(&meta, &in_entry) && in_entry);
	finish();
}

TEST(metadata_that_an_entry_has_no_room_for_crosses_in_the_mbuf)
{
	struct packet_meta other[9];
	bool in_entry = true;

	begin(true);
	for (unsigned i = 0; i < 9; i++)
		other[i] = plain;
	other[0].clock_ns = plain.time_ns - 2147483649;
	other[1].clock_ns = plain.time_ns + 2147483648;
	other[2].wire_bytes = 61;
	other[3].input = 128;
	other[4].link_type = LINK_RAW;
	other[5].kind = META_DATAGRAM;
	other[6].is_fragment = true;
	other[7].plain_bytes = 0;
	other[8].input_position = 24;
	for (unsigned i = 0; i < 9; i++) {
		EXPECT(crosses_as_it_is(&other[i], &in_entry));
		EXPECT(!in_entry);
	}
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
