#include "hold.h"

#include "test.h"

static unsigned
order_of(const struct hold *hold, const struct held_queue *q)
{
	unsigned digits = 0;

	for (uint32_t i = q->first; i != 0; i = held_at(hold, i)->next)
		digits = digits * 10 + held_at(hold, i)->seq;
	return digits;
}

static uint32_t
add(struct hold *hold, struct held_queue *q, uint32_t after, uint32_t seq)
{
	uint32_t handle = held_create(hold);

	held_at(hold, handle)->seq = seq;
	held_at(hold, handle)->length = 10;
	held_insert(hold, q, after, handle);
	return handle;
}

TEST(a_queue_keeps_its_order_and_its_sums)
{
	struct held_queue q = {0};
	struct hold hold;
	uint32_t one, two, three;

	REQUIRE(hold_init(&hold, 1 << 20) == 0);
	two = add(&hold, &q, 0, 2);
	one = add(&hold, &q, 0, 1);
	three = add(&hold, &q, two, 3);
	EXPECT_EQ(order_of(&hold, &q), 123);
	EXPECT_EQ(q.n, 3);
	EXPECT_EQ(q.bytes, 30);
	held_remove(&hold, &q, two);
	held_free(&hold, two);
	EXPECT_EQ(order_of(&hold, &q), 13);
	EXPECT_EQ(held_at(&hold, three)->previous, one);
	held_remove(&hold, &q, three);
	held_free(&hold, three);
	EXPECT_EQ(q.last, one);
	held_clear(&hold, &q);
	EXPECT_EQ(q.first, 0);
	EXPECT_EQ(q.bytes, 0);
	EXPECT_EQ(hold_bytes_used(&hold), 0);
	hold_fini(&hold);
}

TEST(bytes_of_every_size_are_kept_up_to_the_budget)
{
	static uint8_t bytes[65536];
	static const uint32_t sizes[] = {1, 64, 65, 512, 513, 1460, 2048, 2049, 9000, 16384, 16385, 65535, 65536};
	struct held_queue q = {0};
	struct hold hold;

	REQUIRE(hold_init(&hold, 300000) == 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t handle = add(&hold, &q, q.last, i);

		memset(bytes, (int)i + 1, sizeof(bytes));
		REQUIRE(held_keep(&hold, held_at(&hold, handle), bytes, sizes[i]));
		EXPECT_EQ(memcmp(held_bytes(&hold, held_at(&hold, handle)), bytes, sizes[i]), 0);
	}
	EXPECT(!held_keep(&hold, held_at(&hold, add(&hold, &q, 0, 9)), bytes, 65536));
	EXPECT(!held_keep(&hold, held_at(&hold, q.first), bytes, 65537));
	EXPECT(hold_bytes_used(&hold) < 310000);
	held_clear(&hold, &q);
	EXPECT_EQ(hold_bytes_used(&hold), 0);
	hold_fini(&hold);
}
