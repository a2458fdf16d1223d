/* Held segments and their bytes.
 *
 * Sizes of blocks: telnet's keystrokes, half-filled segments, the usual 1,460 bytes, jumbo frames, and what offloading
 * glues together up to 64 KB. A block is at most eight times its segment; the rest of it was touched once and is not
 * again. Each size may take the whole budget, so address space is five times the budget, memory never is. */
#include "hold.h"

#include <errno.h>
#include <string.h>

static const uint32_t block_bytes[HOLD_SIZES] = {64, 512, 2048, 16384, 65536};

enum { HELD_PER_BYTES = 256, HELD_MIN = 1024, HELD_ALIGN = 8 };

int
hold_init(struct hold *hold, uint64_t bytes_max)
{
	uint64_t n_held = bytes_max / HELD_PER_BYTES;
	struct pool_params held = {
		.name = "held segments", .object_bytes = sizeof(struct held), .align_bytes = HELD_ALIGN};

	memset(hold, 0, sizeof(*hold));
	hold->block_bytes_max = bytes_max;
	held.max_objects = (uint32_t)(n_held < HELD_MIN ? HELD_MIN : n_held > UINT32_MAX - 1 ? UINT32_MAX - 1 : n_held);
	hold->held = pool_create(&held);
	if (hold->held == NULL)
		return -errno;
	for (unsigned i = 0; i < HOLD_SIZES; i++) {
		uint64_t n = bytes_max / block_bytes[i];
		struct pool_params block = {
			.name = "held bytes", .object_bytes = block_bytes[i], .align_bytes = HELD_ALIGN};
		int error;

		block.max_objects = (uint32_t)(n < 1 ? 1 : n > UINT32_MAX - 1 ? UINT32_MAX - 1 : n);
		hold->block[i] = pool_create(&block);
		if (hold->block[i] != NULL)
			continue;
		error = errno;
		hold_fini(hold);
		return -error;
	}
	return 0;
}

void
hold_fini(struct hold *hold)
{
	for (unsigned i = 0; i < HOLD_SIZES; i++)
		pool_destroy(hold->block[i]);
	pool_destroy(hold->held);
	memset(hold, 0, sizeof(*hold));
}

uint64_t
hold_bytes_used(const struct hold *hold)
{
	return hold->block_bytes + (uint64_t)hold->held->used * sizeof(struct held);
}

uint32_t
held_create(struct hold *hold)
{
	uint32_t handle = pool_get(hold->held);
	struct held *h;

	if (handle == 0)
		return 0;
	h = held_at(hold, handle);
	memset(h, 0, sizeof(*h));
	h->arrival = hold->arrivals++;
	return handle;
}

static unsigned
class_for(uint32_t length)
{
	unsigned class = 0;

	while (class + 1 < HOLD_SIZES && block_bytes[class] < length)
		class ++;
	return class;
}

uint8_t *
held_reserve(struct hold *hold, struct held *h, uint32_t length)
{
	unsigned class = class_for(length);

	if (length > block_bytes[class] || hold->block_bytes + block_bytes[class] > hold->block_bytes_max)
		return NULL;
	h->block = pool_get(hold->block[class]);
	if (h->block == 0)
		return NULL;
	h->size_class = (uint8_t) class;
	hold->block_bytes += block_bytes[class];
	return pool_at(hold->block[class], h->block);
}

bool
held_keep(struct hold *hold, struct held *h, const uint8_t *bytes, uint32_t length)
{
	uint8_t *room = held_reserve(hold, h, length);

	if (room != NULL)
		memcpy(room, bytes, length);
	return room != NULL;
}

const uint8_t *
held_bytes(const struct hold *hold, const struct held *h)
{
	return h->block != 0 ? pool_at(hold->block[h->size_class], h->block) : NULL;
}

void
held_free(struct hold *hold, uint32_t handle)
{
	struct held *h = held_at(hold, handle);

	if (h->block != 0) {
		pool_put(hold->block[h->size_class], h->block);
		hold->block_bytes -= block_bytes[h->size_class];
	}
	pool_put(hold->held, handle);
}

void
held_insert(struct hold *hold, struct held_queue *q, uint32_t after, uint32_t handle)
{
	struct held *h = held_at(hold, handle);

	h->previous = after;
	h->next = after != 0 ? held_at(hold, after)->next : q->first;
	if (after != 0)
		held_at(hold, after)->next = handle;
	else
		q->first = handle;
	if (h->next != 0)
		held_at(hold, h->next)->previous = handle;
	else
		q->last = handle;
	q->n++;
	q->bytes += h->length;
}

void
held_remove(struct hold *hold, struct held_queue *q, uint32_t handle)
{
	struct held *h = held_at(hold, handle);

	if (h->previous != 0)
		held_at(hold, h->previous)->next = h->next;
	else
		q->first = h->next;
	if (h->next != 0)
		held_at(hold, h->next)->previous = h->previous;
	else
		q->last = h->previous;
	q->n--;
	q->bytes -= h->length;
	h->next = h->previous = 0;
}

void
held_clear(struct hold *hold, struct held_queue *q)
{
	while (q->first != 0) {
		uint32_t handle = q->first;

		held_remove(hold, q, handle);
		held_free(hold, handle);
	}
}
