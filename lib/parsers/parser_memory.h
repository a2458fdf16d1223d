/* Memory of the parsers of one worker: blocks of any size, in lists that are given back whole.
 *
 * Blocks come in sizes of 2^n and 3 * 2^(n-1) out of one reserved address range; each size has a chain of free blocks.
 * What is freed is used again for blocks of its size, or larger ones when the range is used up. No system call but page
 * faults at first use.
 *
 * Threads: one owner. Limits: parser_memory_create()'s size; parser_alloc() returns NULL beyond it. Every block is in
 * the list (an owner's head, 0: empty) that it was allocated for. */
#ifndef PARSER_MEMORY_H
#define PARSER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "pool.h"

enum { PARSER_BLOCK_CLASSES = 32 };

struct parser_memory {
	uint8_t *base;
	size_t size;
	uint32_t fresh; /* reference of the first byte that was never used */
	size_t used;	/* in blocks that are out */
	struct vmem_ahead ahead;
	uint32_t free_head[PARSER_BLOCK_CLASSES];
};

/* 0 or -errno. */
int parser_memory_init(struct parser_memory *, size_t size);
void parser_memory_fini(struct parser_memory *);

/* Zeroed, aligned to 16 bytes; NULL: more than parser_block_max(), or no memory left. */
void *parser_alloc(struct parser_memory *, uint32_t *list, size_t size);
/* The old bytes stay, new ones are zero. NULL as above, and the old block is still there. */
void *parser_realloc(struct parser_memory *, uint32_t *list, void *, size_t size);
void parser_free(struct parser_memory *, uint32_t *list, void *); /* accepts NULL */
void parser_free_all(struct parser_memory *, uint32_t *list);
size_t parser_block_bytes(const void *); /* what the block can hold */
size_t parser_block_max(void);

#endif
