/* Texts as peers send them: case, UTF-8, escapes, base64, UCS-2.
 *
 * Threads: pure functions. Nothing allocates: outputs are the caller's, with their size. */
#ifndef TEXT_H
#define TEXT_H

#include "cursor.h"

/* ASCII only, bytes >= 0x80 stay. In place or not; returns 'size'. */
size_t text_lower(char *out, const void *in, size_t size);
bool text_equals_nocase(const struct cursor *, const char *text); /* the whole of what is left */
bool text_starts(const struct cursor *, const char *prefix);
bool text_starts_nocase(const struct cursor *, const char *prefix);
/* Position of 'needle' (NUL-terminated), ASCII case ignored; -1: not there. */
ptrdiff_t text_find_nocase(const void *hay, size_t size, const char *needle);
ptrdiff_t text_find(const void *hay, size_t size, const char *needle);
bool text_is_utf8(const void *, size_t); /* RFC 3629: no surrogates, no overlong forms */
/* How many leading bytes are valid UTF-8. */
size_t text_utf8_prefix(const void *, size_t);
/* Lower case of UTF-8 text beyond ASCII (Latin, Greek, Cyrillic, ... by towlower in the C.UTF-8 tables of ours). The
 * number of bytes written, at most 'out_size'; invalid bytes are copied. */
size_t text_utf8_lower(char *out, size_t out_size, const void *in, size_t size);
/* RFC 3986 2.1; '+' stays. False: a bad escape or %00, nothing useful in 'out'. 'out' needs 'size' bytes. */
bool text_percent_decode(char *out, size_t *out_size, const void *in, size_t size);
/* RFC 4648 4 and 5; blanks and line ends are passed over, decoding ends at '=' or at a byte of no alphabet. Returns the
 * number of bytes, at most out_size. */
size_t text_base64_decode(void *out, size_t out_size, const void *in, size_t size);
/* UCS-2LE to UTF-8 (PARSERS.md, conventions: surrogates fail, an odd byte is dropped, a NUL ends it). False: failed. */
bool text_ucs2le_to_utf8(char *out, size_t out_size, size_t *written, struct cursor in);
/* UTF-16LE, with surrogate pairs. */
bool text_utf16le_to_utf8(char *out, size_t out_size, size_t *written, struct cursor in);
/* Blanks, tabs, CR and LF off both ends. */
struct cursor text_trim(struct cursor);
/* The next line without its LF and one CR before it; false: no LF left, *c unchanged. */
bool text_line(struct cursor *c, struct cursor *line);
/* Decimal digits at the start (blanks before them passed over), saturating; *digits says how many there were. */
uint64_t text_decimal(const struct cursor *, unsigned *digits);

#endif
