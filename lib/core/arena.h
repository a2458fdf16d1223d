/* Arena: memory for many small things of one life.
 *
 * Threads: one owner. Ownership: everything is freed at once, by arena_reset() or arena_destroy().
 * Allocates from the system in blocks, so it is for start-up, configuration and control, not for the packet path. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena;

/* NULL with errno ENOMEM. */
struct arena *arena_create(size_t block_bytes);
void arena_destroy(struct arena *); /* accepts NULL */
void arena_reset(struct arena *);

/* Zeroed, aligned to 16 bytes. NULL with errno ENOMEM. */
void *arena_alloc(struct arena *, size_t size);
char *arena_strndup(struct arena *, const char *text, size_t length);
char *arena_strdup(struct arena *, const char *text);
size_t arena_used_bytes(const struct arena *);

#endif
