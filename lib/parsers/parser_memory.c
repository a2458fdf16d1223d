/* Parser memory: size classes over one range of addresses.
 *
 * Sessions live long and differ in what they keep, so an arena for each would hold on to every outgrown buffer. Classes
 * in steps of a third lose at most a third of a block, and a block that comes back is the next one to go out, still in
 * cache. Neighbours are never joined: what one size was used for at its peak stays with that size (and larger requests
 * cannot use it), which the bound on the whole accepts. */
#include "parser_memory.h"

#include <errno.h>
#include <string.h>

#include "poison.h"
#include "pool.h"

enum {
	UNIT = 16, /* references count in units, so 32 bits reach 64 GB */
	SMALLEST_SHIFT = 6,
	BLOCK_MAX = (128 + 1) * 1024,
};

/* Before every block. Free blocks use 'next' for the chain of their class. */
struct block {
	uint32_t next, prev; /* of the owner's list; 0: none */
	uint16_t size_class;
	uint8_t padding[6];
};
_Static_assert(sizeof(struct block) == UNIT, "blocks stay aligned");

static size_t
class_bytes(unsigned size_class)
{
	size_t power = (size_t)1 << (SMALLEST_SHIFT + size_class / 2);

	return size_class % 2 == 0 ? power : power + power / 2;
}

/* The smallest class that holds 'size' bytes and the head; PARSER_BLOCK_CLASSES: none. */
static unsigned
class_of(size_t size)
{
	size_t need = size + sizeof(struct block);
	unsigned shift = SMALLEST_SHIFT, size_class;

	if (size > BLOCK_MAX)
		return PARSER_BLOCK_CLASSES;
	if (need > (size_t)1 << SMALLEST_SHIFT)
		shift = 63u - (unsigned)__builtin_clzll(need);
	size_class = (shift - SMALLEST_SHIFT) * 2;
	while (class_bytes(size_class) < need)
		size_class++;
	return size_class;
}

size_t
parser_block_max(void)
{
	return BLOCK_MAX;
}

static struct block *
block_at(const struct parser_memory *m, uint32_t reference)
{
	return (struct block *)(m->base + (size_t)reference * UNIT);
}

static uint32_t
reference_of(const struct parser_memory *m, const struct block *b)
{
	return (uint32_t)((size_t)((const uint8_t *)b - m->base) / UNIT);
}

static struct block *
block_of(const void *bytes)
{
	return (struct block *)(uintptr_t)((const uint8_t *)bytes - sizeof(struct block));
}

int
parser_memory_init(struct parser_memory *m, size_t size)
{
	size = size / UNIT < UINT32_MAX ? size : (size_t)UINT32_MAX * UNIT;
	*m = (struct parser_memory){.size = size, .fresh = 1}; /* reference 0 is none */
	m->base = vmem_reserve(size);
	if (m->base == NULL)
		return -errno;
	POISON(m->base, size);
	m->ahead = (struct vmem_ahead){.area = m->base, .bytes = size, .fresh = &m->fresh, .object_bytes = UNIT};
	vmem_ahead_attach(&m->ahead);
	return 0;
}

void
parser_memory_fini(struct parser_memory *m)
{
	if (m->base == NULL)
		return;
	vmem_ahead_detach(&m->ahead);
	UNPOISON(m->base, m->size);
	vmem_release(m->base, m->size);
	m->base = NULL;
}

static struct block *
take_free(struct parser_memory *m, unsigned size_class)
{
	uint32_t reference = m->free_head[size_class];
	struct block *b;

	if (reference == 0)
		return NULL;
	b = block_at(m, reference);
	UNPOISON(b, class_bytes(size_class));
	m->free_head[size_class] = b->next;
	return b;
}

static struct block *
take_fresh(struct parser_memory *m, unsigned size_class)
{
	size_t bytes = class_bytes(size_class);
	struct block *b;

	if (m->size / UNIT - m->fresh < bytes / UNIT)
		return NULL;
	b = block_at(m, m->fresh);
	m->fresh += (uint32_t)(bytes / UNIT);
	UNPOISON(b, bytes);
	b->size_class = (uint16_t)size_class;
	return b;
}

static struct block *
take(struct parser_memory *m, unsigned size_class)
{
	struct block *b = take_free(m, size_class);

	if (b == NULL)
		b = take_fresh(m, size_class);
	/* A block too large is better than none. */
	for (unsigned larger = size_class + 1; b == NULL && larger < PARSER_BLOCK_CLASSES; larger++)
		b = take_free(m, larger);
	return b;
}

static void
link_block(struct parser_memory *m, uint32_t *list, struct block *b)
{
	uint32_t reference = reference_of(m, b);

	b->prev = 0;
	b->next = *list;
	if (b->next != 0)
		block_at(m, b->next)->prev = reference;
	*list = reference;
}

static void
unlink_block(struct parser_memory *m, uint32_t *list, struct block *b)
{
	if (b->prev != 0)
		block_at(m, b->prev)->next = b->next;
	else
		*list = b->next;
	if (b->next != 0)
		block_at(m, b->next)->prev = b->prev;
}

static void
put(struct parser_memory *m, struct block *b)
{
	unsigned size_class = b->size_class;

	m->used -= class_bytes(size_class);
	b->next = m->free_head[size_class];
	m->free_head[size_class] = reference_of(m, b);
	/* The head stays readable: 'next' and the class are ours. */
	POISON(b + 1, class_bytes(size_class) - sizeof(*b));
}

void *
parser_alloc(struct parser_memory *m, uint32_t *list, size_t size)
{
	unsigned size_class = class_of(size);
	struct block *b;

	if (size_class >= PARSER_BLOCK_CLASSES)
		return NULL;
	b = take(m, size_class);
	if (b == NULL)
		return NULL;
	m->used += class_bytes(b->size_class);
	link_block(m, list, b);
	memset(b + 1, 0, size);
	POISON((uint8_t *)(b + 1) + size, parser_block_bytes(b + 1) - size);
	return b + 1;
}

size_t
parser_block_bytes(const void *bytes)
{
	return class_bytes(block_of(bytes)->size_class) - sizeof(struct block);
}

void *
parser_realloc(struct parser_memory *m, uint32_t *list, void *old, size_t size)
{
	void *grown;
	size_t had;

	if (old == NULL)
		return parser_alloc(m, list, size);
	grown = parser_alloc(m, list, size);
	if (grown == NULL)
		return NULL;
	had = parser_block_bytes(old);
	UNPOISON(old, had);
	memcpy(grown, old, had < size ? had : size);
	parser_free(m, list, old);
	return grown;
}

void
parser_free(struct parser_memory *m, uint32_t *list, void *bytes)
{
	if (bytes == NULL)
		return;
	unlink_block(m, list, block_of(bytes));
	put(m, block_of(bytes));
}

void
parser_free_all(struct parser_memory *m, uint32_t *list)
{
	while (*list != 0) {
		struct block *b = block_at(m, *list);

		*list = b->next;
		put(m, b);
	}
}
