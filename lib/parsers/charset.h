/* Texts in the charsets of mail to UTF-8, as iconv(3) has them.
 *
 * Opening a converter reads files and allocates, so a worker opens all it will ever have at start; a charset that is
 * not in the table, or that this machine's C library does not have, is unknown. Converting does neither.
 *
 * Threads: a struct charsets belongs to one worker. */
#ifndef CHARSET_H
#define CHARSET_H

#include <stdbool.h>
#include <stddef.h>

struct charsets;

/* What a conversion is appended to; nothing is written behind 'size', and 'is_full' says that something was cut. */
struct charset_out {
	char *bytes;
	size_t used, size;
	bool is_full;
};

struct charsets *charsets_create(void);	  /* NULL with errno */
void charsets_destroy(struct charsets *); /* accepts NULL */

/* 'name' in any case, as a peer wrote it; UTF-8 is copied as it is. False: an unknown charset, or bytes that are none
 * of it; what came before them may be in 'out'. */
bool charset_to_utf8(struct charsets *, const char *name, size_t name_size, const void *in, size_t in_size,
		     struct charset_out *out);

#endif
