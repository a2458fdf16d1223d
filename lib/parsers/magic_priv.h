/* The media type of a body by its first bytes (PARSERS.md 0.2), as the setting magicMode says: what is behind
 * shrike_magic().
 *
 * Threads: a struct magic belongs to one worker (libmagic's contexts are not shared). Cost: the table of ours reads a
 * few bytes; libmagic takes microseconds to milliseconds, and 2 MB of memory for its database in every worker. */
#ifndef MAGIC_PRIV_H
#define MAGIC_PRIV_H

#include <stddef.h>

#include "conf.h"

enum magic_mode {
	MAGIC_MODE_BOTH,
	MAGIC_MODE_LIBMAGIC,
	MAGIC_MODE_LIBMAGIC_NO_TEXT,
	MAGIC_MODE_BASIC,
	MAGIC_MODE_NONE
};

enum magic_mode magic_mode(const struct conf *); /* at start, once */

struct magic;

/* One for each worker. libmagic's database is loaded only when the mode asks for it. NULL with errno, and the reason in
 * the log: it cannot be loaded. */
struct magic *magic_create(enum magic_mode);
void magic_destroy(struct magic *); /* accepts NULL */

/* NULL: nothing known. The text is valid until the next call. */
const char *magic_of(struct magic *, const void *bytes, size_t size);

#endif
