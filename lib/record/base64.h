/* Base64 with padding (RFC 4648 4 and 5).
 *
 * Threads: a pure function. */
#ifndef BASE64_H
#define BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Four characters for every three bytes begun; returns the end, writes no NUL. 'url': the alphabet with '-' and '_'. */
char *base64_put(char *out, const uint8_t *bytes, size_t size, bool url);

/* 24 bytes, the first in the lowest of word[0]: for callers that have them in registers. What is to be padding is the
 * caller's. */
void base64_put_words(char out[32], const uint64_t word[3], bool url);

#endif
