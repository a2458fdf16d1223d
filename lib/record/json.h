/* Streaming JSON writer into a growing buffer.
 *
 * Commas come by themselves. Keys are written as they are (they are ours); texts are escaped as RECORD.md 1.10 says.
 * Nothing is checked twice: a caller that closes what it did not open has a bug, which debug builds assert.
 *
 * Threads: one owner. Errors: out of memory sticks in 'failed' and the text is useless then. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *text;
	size_t size, capacity, limit;
	bool failed, comma;
};

void json_init(struct json *, size_t limit_bytes);
void json_fini(struct json *);
void json_reset(struct json *);

void json_object(struct json *); /* { */
void json_object_end(struct json *);
void json_array(struct json *); /* [ */
void json_array_end(struct json *);
void json_key(struct json *, const char *key);
void json_u64(struct json *, uint64_t);
void json_i64(struct json *, int64_t);
void json_bool(struct json *, bool);
void json_double(struct json *, double); /* six decimals, as the reference */
/* Up to the first NUL. 'utf8': valid sequences pass, other bytes >= 0x80 are taken as Latin-1; else all of them are. */
void json_str(struct json *, const void *text, size_t size, bool utf8);
void json_text(struct json *, const char *text);	/* NUL-terminated, plain ASCII that needs no escapes */
void json_ip(struct json *, const uint8_t address[16]); /* dotted quad for v4-mapped */
void json_hex(struct json *, const uint8_t *bytes, size_t size);
void json_raw(struct json *, const char *text, size_t size); /* a finished value */

#endif
