/* Arena.
 *
 * A list of blocks from malloc; the newest is filled from its start. A request that does not fit opens a new block, as
 * large as it has to be, and what was left of the old one is given up: simple, and at start-up nobody counts bytes.
 *
 * In the sanitize build everything not handed out is poisoned, with 16 poisoned bytes between neighbours. */
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "poison.h"

enum { ALIGN_BYTES = 16, GAP_BYTES = POISON_ENABLED ? 16 : 0 };

struct block {
	struct block *next;
	size_t size, used; /* of bytes[] */
	_Alignas(ALIGN_BYTES) uint8_t bytes[];
};

struct arena {
	struct block *blocks; /* the newest first */
	size_t block_bytes;
	size_t used_bytes;
};

struct arena *
arena_create(size_t block_bytes)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena != NULL)
		arena->block_bytes = block_bytes;
	return arena;
}

static void
block_free(struct block *block)
{
	UNPOISON(block->bytes, block->size);
	free(block);
}

void
arena_destroy(struct arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena);
}

void
arena_reset(struct arena *arena)
{
	struct block *next;

	for (struct block *block = arena->blocks; block != NULL; block = next) {
		next = block->next;
		block_free(block);
	}
	arena->blocks = NULL;
	arena->used_bytes = 0;
}

static struct block *
block_add(struct arena *arena, size_t at_least)
{
	size_t size = at_least > arena->block_bytes ? at_least : arena->block_bytes;
	struct block *block = calloc(1, sizeof(*block) + size);

	if (block == NULL)
		return NULL;
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	POISON(block->bytes, block->size);
	return block;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	struct block *block = arena->blocks;
	size_t whole;
	void *p;

	if (size > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	/* Nothing asked for still gets an address of its own. */
	whole = ((size > 0 ? size : 1) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES + GAP_BYTES;
	if (block == NULL || block->size - block->used < whole) {
		block = block_add(arena, whole);
		if (block == NULL)
			return NULL;
	}
	p = block->bytes + block->used;
	block->used += whole;
	arena->used_bytes += whole;
	UNPOISON(p, size);
	return p;
}

char *
arena_strndup(struct arena *arena, const char *text, size_t length)
{
	size_t n = strnlen(text, length);
	char *copy = arena_alloc(arena, n + 1);

	if (copy != NULL)
		memcpy(copy, text, n);
	return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

size_t
arena_used_bytes(const struct arena *arena)
{
	return arena->used_bytes;
}
