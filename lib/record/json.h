/* Streaming JSON writer into a growing buffer.
 *
 * Commas come by themselves. Keys are written as they are (they are ours); texts are escaped as RECORD.md 1.10 says.
 * Nothing is checked twice: a caller that closes what it did not open gets what it wrote.
 *
 * Names keep clear of jansson's (json_object(), json_array()), which the sinks use beside this.
 *
 * Threads: one owner. Errors: out of memory, or more than the limit, sticks in 'failed' and the text is useless then.
 * The small calls are inline, because a document is some fifty of them in 500 ns. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json {
	char *text;
	size_t size, capacity, limit;
	bool failed, comma;
};

void json_init(struct json *, size_t limit_bytes);
void json_fini(struct json *);

/* Starts again in the same buffer. */
void json_reset(struct json *);

/* Makes room for 'size' bytes more; false: 'failed' is set. */
bool json_grow(struct json *, size_t size);

static inline bool
json_room(struct json *j, size_t size)
{
	return __builtin_expect(j->capacity - j->size >= size, 1) || json_grow(j, size);
}

/* Bytes without a comma: for callers that write several members at once. */
static inline void
json_bytes(struct json *j, const char *bytes, size_t size)
{
	if (!json_room(j, size))
		return;
	memcpy(j->text + j->size, bytes, size);
	j->size += size;
}

/* The comma before a value or key, if one is due, and 'size' bytes of room after it. */
static inline bool
json_next(struct json *j, size_t size)
{
	if (!json_room(j, size + 1))
		return false;
	j->text[j->size] = ',';
	j->size += j->comma;
	j->comma = true;
	return true;
}

static inline void
json_open(struct json *j, char bracket)
{
	if (!json_next(j, 1))
		return;
	j->text[j->size++] = bracket;
	j->comma = false;
}

static inline void
json_close(struct json *j, char bracket)
{
	if (!json_room(j, 1))
		return;
	j->text[j->size++] = bracket;
	j->comma = true;
}

static inline void
json_object_begin(struct json *j)
{
	json_open(j, '{');
}

static inline void
json_object_end(struct json *j)
{
	json_close(j, '}');
}

static inline void
json_array_begin(struct json *j)
{
	json_open(j, '[');
}

static inline void
json_array_end(struct json *j)
{
	json_close(j, ']');
}

/* A finished value, or several with their commas. */
static inline void
json_raw(struct json *j, const char *text, size_t size)
{
	if (!json_next(j, size))
		return;
	memcpy(j->text + j->size, text, size);
	j->size += size;
}

static inline void
json_key(struct json *j, const char *key)
{
	size_t size = strlen(key);

	if (!json_next(j, size + 3))
		return;
	j->text[j->size] = '"';
	memcpy(j->text + j->size + 1, key, size);
	memcpy(j->text + j->size + 1 + size, "\":", 2);
	j->size += size + 3;
	j->comma = false;
}

/* NUL-terminated, plain ASCII that needs no escapes. */
static inline void
json_text(struct json *j, const char *text)
{
	size_t size = strlen(text);

	if (!json_next(j, size + 2))
		return;
	j->text[j->size] = '"';
	memcpy(j->text + j->size + 1, text, size);
	j->text[j->size + 1 + size] = '"';
	j->size += size + 2;
}

static inline void
json_bool(struct json *j, bool value)
{
	json_raw(j, value ? "true" : "false", value ? 4 : 5);
}

void json_u64(struct json *, uint64_t);
void json_i64(struct json *, int64_t);

/* Six decimals, as the reference; null for what JSON has no number for. */
void json_double(struct json *, double);

/* Up to the first NUL. 'utf8': valid sequences pass, other bytes >= 0x80 are taken as Latin-1; else all of them are. */
void json_str(struct json *, const void *text, size_t size, bool utf8);

/* 'ip_version' 4: dotted quad of the last four bytes; 6: as inet_ntop() writes IPv6, also for v4-mapped ones; 0: dotted
 * quad for v4-mapped addresses, else IPv6. */
void json_ip(struct json *, const uint8_t address[16], unsigned ip_version);

/* A text of lower-case hex digits. */
void json_hex(struct json *, const uint8_t *bytes, size_t size);

/* For text of which most is known beforehand: the caller makes room for all of it, and moves a pointer of its own
 * through it, which a compiler keeps in a register. Each returns the end of what it wrote. */

/* Decimal digits. 'out' needs JSON_U64_BYTES, more than the longest number has. */
enum { JSON_U64_BYTES = 24 };
static inline char *json_put_u64(char *out, uint64_t);
char *json_put_i64(char *out, int64_t); /* one more */

/* As json_double(). */
enum { JSON_DOUBLE_BYTES = 512 }; /* the longest has 309 digits before the point */
char *json_put_double(char *out, double);

/* As json_str(), with its quotes. */
#define JSON_STR_BYTES(size) (6 * (size) + 2 + JSON_BLOCK_BYTES)
enum { JSON_BLOCK_BYTES = 32 }; /* written at once, whatever counts of it */
char *json_put_str(char *out, const void *text, size_t size, bool utf8);

/* Twice 'size' hex digits. */
char *json_put_hex(char *out, const uint8_t *bytes, size_t size);
/* With a colon between two bytes, as MAC addresses are written; 3 * size - 1 characters. */
char *json_put_hex_colons(char *out, const uint8_t *bytes, size_t size);

/* As json_ip(), without quotes; 'out' needs 46 bytes. */
char *json_put_ip(char *out, const uint8_t address[16], unsigned ip_version);

/* A text constant. */
#define JSON_PUT(out, literal) json_put_bytes((out), (literal), sizeof(literal) - 1)

static inline char *
json_put_bytes(char *out, const char *bytes, size_t size)
{
	memcpy(out, bytes, size);
	return out + size;
}

#define JSON_ONES UINT64_C(0x0101010101010101)

/* The eight digits of a number below 10^8 as bytes of 0 to 9, the first in the lowest byte: the halves, then the
 * quarters, then the digits are parted all at once, each in a lane of its own. The factors are 1/100 and 1/10 rounded
 * up, which is exact for what a lane can hold. */
static inline uint64_t
json_eight_digits(uint32_t value)
{
	uint64_t v = value / 10000 | (uint64_t)(value % 10000) << 32, upper;

	upper = v * 10486 >> 20 & UINT64_C(0x7f0000007f);
	v = upper | (v - upper * 100) << 16;
	upper = v * 103 >> 10 & UINT64_C(0x000f000f000f000f);
	return upper | (v - upper * 10) << 8;
}

/* A number below 10^8. Leading zeros are shifted away without a branch on how many there are: the lengths of numbers
 * are not predictable. Writes eight bytes. */
static inline char *
json_put_short(char *out, uint32_t value)
{
	uint64_t digits = json_eight_digits(value);
	unsigned zeroes = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8;

	digits = (digits | JSON_ONES * '0') >> 8 * zeroes;
	memcpy(out, &digits, 8);
	return out + 8 - zeroes;
}

/* The last eight digits of a number, its zeros too. */
static inline char *
json_put_eight(char *out, uint32_t value)
{
	uint64_t digits = json_eight_digits(value) | JSON_ONES * '0';

	memcpy(out, &digits, 8);
	return out + 8;
}

/* From 10^8 on. */
char *json_put_long(char *out, uint64_t);

static inline char *
json_put_u64(char *out, uint64_t value)
{
	return value < 100000000 ? json_put_short(out, (uint32_t)value) : json_put_long(out, value);
}

/* Counts are mostly small. */
static inline char *
json_put_count(char *out, uint64_t value)
{
	if (value >= 10)
		return json_put_u64(out, value);
	*out = (char)('0' + value);
	return out + 1;
}

#endif
