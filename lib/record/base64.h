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

#endif
