/* JSON text.
 *
 * Eight digits of a number are made at once (json.h); stores are always eight bytes wide and the pointer moves by what
 * counts (so writers ask for more room than they need). Texts are looked at sixteen bytes at a time, and eight where
 * less is left: all are copied, and the first that needs care says how many of them count. A text may grow sixfold; the
 * room for that is made once, before the loop. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

enum { JSON_FIRST_BYTES = 4096, UTF8_MAX = 4 };

#define ONES  JSON_ONES
#define HIGHS UINT64_C(0x8080808080808080)

static const char hex_digits[16] = "0123456789abcdef";

void
json_init(struct json *j, size_t limit_bytes)
{
	*j = (struct json){.limit = limit_bytes};
}

void
json_fini(struct json *j)
{
	free(j->text);
	*j = (struct json){0};
}

void
json_reset(struct json *j)
{
	j->size = 0;
	j->comma = false;
	j->failed = false;
}

bool
json_grow(struct json *j, size_t size)
{
	size_t capacity = j->capacity > 0 ? j->capacity : JSON_FIRST_BYTES;
	char *text;

	while (capacity - j->size < size && capacity <= j->limit)
		capacity *= 2;
	if (capacity > j->limit)
		capacity = j->limit;
	text = capacity - j->size >= size && !j->failed ? realloc(j->text, capacity) : NULL;
	if (text == NULL) {
		j->failed = true;
		return false;
	}
	j->text = text;
	j->capacity = capacity;
	return true;
}

char *
json_put_long(char *out, uint64_t value)
{
	static const uint64_t unit = 100000000;

	if (value < unit * unit) {
		out = json_put_short(out, (uint32_t)(value / unit));
		return json_put_eight(out, (uint32_t)(value % unit));
	}
	out = json_put_short(out, (uint32_t)(value / (unit * unit)));
	value %= unit * unit;
	return json_put_eight(json_put_eight(out, (uint32_t)(value / unit)), (uint32_t)(value % unit));
}

void
json_u64(struct json *j, uint64_t value)
{
	if (!json_next(j, JSON_U64_BYTES))
		return;
	j->size = (size_t)(json_put_u64(j->text + j->size, value) - j->text);
}

char *
json_put_i64(char *out, int64_t value)
{
	*out = '-';
	return json_put_u64(out + (value < 0), value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void
json_i64(struct json *j, int64_t value)
{
	if (!json_next(j, 1 + JSON_U64_BYTES))
		return;
	j->size = (size_t)(json_put_i64(j->text + j->size, value) - j->text);
}

char *
json_put_double(char *out, double value)
{
	if (!isfinite(value))
		return JSON_PUT(out, "null");
	return out + snprintf(out, JSON_DOUBLE_BYTES, "%.6f", value);
}

void
json_double(struct json *j, double value)
{
	if (json_next(j, JSON_DOUBLE_BYTES))
		j->size = (size_t)(json_put_double(j->text + j->size, value) - j->text);
}

/* The length of the UTF-8 sequence (RFC 3629) at p, 2 to 4; 0: it is none. No overlong forms, no surrogates, nothing
 * above U+10FFFF. */
static unsigned
utf8_length(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	unsigned n;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		low = p[0] == 0xe0 ? 0xa0 : 0x80;
		high = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		low = p[0] == 0xf0 ? 0x90 : 0x80;
		high = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (left < n || p[1] < low || p[1] > high)
		return 0;
	for (unsigned i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static char *
put_control(char *out, uint8_t byte)
{
	static const char letters[0x20] = {['\b'] = 'b', ['\n'] = 'n', ['\r'] = 'r', ['\f'] = 'f', ['\t'] = 't'};

	*out++ = '\\';
	if (byte >= 0x20) {
		*out++ = (char)byte; /* a quote or a backslash */
	} else if (letters[byte] != 0) {
		*out++ = letters[byte];
	} else {
		memcpy(out, "u00", 3);
		out[3] = hex_digits[byte >> 4];
		out[4] = hex_digits[byte & 15];
		out += 5;
	}
	return out;
}

/* The byte at p, or the sequence that it starts, as it has to be written. */
static char *
put_special(char *out, const uint8_t **p, const uint8_t *end, bool utf8)
{
	unsigned n = utf8 && **p >= 0x80 ? utf8_length(*p, (size_t)(end - *p)) : 0;
	uint8_t byte = *(*p)++;

	if (n > 0) {
		memcpy(out, *p - 1, n);
		*p += n - 1;
		return out + n;
	}
	if (byte < 0x80)
		return put_control(out, byte);
	*out++ = (char)(0xc0 | byte >> 6);
	*out++ = (char)(0x80 | (byte & 0x3f));
	return out;
}

#if defined(__AVX512BW__) && defined(__AVX512VL__)
/* Copies what needs no care, up to the first byte that does; returns how many bytes that were. */
static inline size_t
copy_plain(char *out, const uint8_t *p, size_t left)
{
	const __m256i blank = _mm256_set1_epi8(0x20), quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
	size_t done = 0;

	while (done < left) {
		size_t n = left - done < 32 ? left - done : 32;
		__mmask32 valid = _bzhi_u32(UINT32_MAX, (uint32_t)n);
		__m256i v = _mm256_maskz_loadu_epi8(valid, p + done);
		__mmask32 hit = _mm256_mask_cmplt_epi8_mask(valid, v, blank) | _mm256_cmpeq_epi8_mask(v, quote) |
				_mm256_cmpeq_epi8_mask(v, backslash);

		_mm256_storeu_si256((__m256i *)(void *)(out + done), v);
		if (hit != 0)
			return done + (unsigned)__builtin_ctz(hit);
		done += n;
	}
	return done;
}
#else
/* How many of the eight bytes, from the lowest on, can be copied. The borrow of a subtraction spoils only what lies
 * above a real hit. */
static unsigned
plain_bytes(uint64_t w)
{
	uint64_t quote = w ^ ONES * '"', backslash = w ^ ONES * '\\';
	uint64_t hit = ((w - ONES * 0x20) & ~w) | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash) | w;

	hit &= HIGHS;
	return hit != 0 ? (unsigned)__builtin_ctzll(hit) / 8 : 8;
}

static uint64_t
load_bytes(const uint8_t *p, size_t left)
{
	uint64_t w = 0;
	uint32_t low, high;

	if (left >= 8) {
		memcpy(&w, p, 8);
		return w;
	}
	if (left < 4) {
		for (size_t i = 0; i < left; i++)
			w |= (uint64_t)p[i] << 8 * i;
		return w;
	}
	memcpy(&low, p, 4);
	memcpy(&high, p + left - 4, 4);
	return low | (uint64_t)high << 8 * (left - 4);
}

/* Copies what needs no care of as many whole blocks as there are, up to the first byte that does; returns how many
 * bytes that were. As signed numbers, bytes from 0x80 on are less than a blank, too. */
static size_t
copy_blocks(char *out, const uint8_t *p, size_t left)
{
	size_t done = 0;

#ifdef __SSE2__
	const __m128i blank = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; left - done >= 16; done += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + done));
		__m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, blank),
					   _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);

		_mm_storeu_si128((__m128i *)(void *)(out + done), v);
		if (mask != 0)
			return done + (unsigned)__builtin_ctz(mask);
	}
#else
	(void)out;
	(void)p;
	(void)left;
#endif
	return done;
}

/* Copies what needs no care, up to the first byte that does; returns how many bytes that were. */
static inline size_t
copy_plain(char *out, const uint8_t *p, size_t left)
{
	size_t done = copy_blocks(out, p, left);

	/* copy_blocks() ends before a byte that needs care, or with less than a block left. */
	while (done < left) {
		size_t rest = left - done;
		uint64_t w = load_bytes(p + done, rest);
		unsigned n = plain_bytes(w);

		memcpy(out + done, &w, 8);
		if (n < 8)
			return done + (n < rest ? n : rest);
		done += 8;
	}
	return done;
}
#endif

char *
json_put_str(char *out, const void *text, size_t size, bool utf8)
{
	const uint8_t *p = text, *end = p + size;

	*out++ = '"';
	for (;;) {
		size_t copied = copy_plain(out, p, (size_t)(end - p));

		p += copied;
		out += copied;
		if (p == end || *p == '\0')
			break;
		out = put_special(out, &p, end, utf8);
	}
	*out++ = '"';
	return out;
}

void
json_str(struct json *j, const void *text, size_t size, bool utf8)
{
	if (!json_next(j, JSON_STR_BYTES(size)))
		return;
	j->size = (size_t)(json_put_str(j->text + j->size, text, size, utf8) - j->text);
}

/* A byte's decimal digits and a dot. */
#define DIGIT(n)     ('0' + (n) % 10)
#define OCTET_1(n)   (uint32_t)(DIGIT(n) | '.' << 8)
#define OCTET_2(n)   (uint32_t)(DIGIT((n) / 10) | DIGIT(n) << 8 | '.' << 16)
#define OCTET_3(n)   (uint32_t)(DIGIT((n) / 100) | DIGIT((n) / 10) << 8 | DIGIT(n) << 16 | '.' << 24)
#define OCTET(n)     ((n) < 10 ? OCTET_1(n) : (n) < 100 ? OCTET_2(n) : OCTET_3(n))
#define OCTETS_4(n)  OCTET(n), OCTET((n) + 1), OCTET((n) + 2), OCTET((n) + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4((n) + 4), OCTETS_4((n) + 8), OCTETS_4((n) + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16((n) + 16), OCTETS_16((n) + 32), OCTETS_16((n) + 48)
static const uint32_t octets[256] = {OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192)};

static char *
put_octet(char *out, unsigned value)
{
	memcpy(out, &octets[value], sizeof(octets[0]));
	return out + 2 + (value >= 10) + (value >= 100);
}

static char *
put_quad(char *out, const uint8_t *bytes)
{
	for (unsigned i = 0; i < 4; i++)
		out = put_octet(out, bytes[i]);
	return out - 1;
}

static char *
put_word(char *out, unsigned word)
{
	unsigned digits = word > 0xfff ? 4 : word > 0xff ? 3 : word > 0xf ? 2 : 1;

	for (unsigned i = digits; i > 0; i--)
		*out++ = hex_digits[word >> 4 * (i - 1) & 15];
	return out;
}

/* The longest run of two or more zero words, the first of equal ones (RFC 5952 4.2). */
static void
longest_zeroes(const unsigned word[8], unsigned *begin, unsigned *length)
{
	unsigned run = 0;

	*begin = 8;
	*length = 1;
	for (unsigned i = 0; i < 8; i++) {
		run = word[i] == 0 ? run + 1 : 0;
		if (run > *length) {
			*length = run;
			*begin = i + 1 - run;
		}
	}
}

/* As inet_ntop(): the last four bytes are dotted when only they, or ffff before them, are not zero. */
static char *
put_ipv6(char *out, const uint8_t address[16])
{
	unsigned word[8], begin, length;

	for (unsigned i = 0; i < 8; i++)
		word[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
	longest_zeroes(word, &begin, &length);
	for (unsigned i = 0; i < 8; i++) {
		if (i == begin) {
			*out++ = ':';
			if (begin + length == 8)
				*out++ = ':';
			i += length - 1;
			continue;
		}
		if (i > 0)
			*out++ = ':';
		if (i == 6 && begin == 0 && (length == 6 || (length == 5 && word[5] == 0xffff)))
			return put_quad(out, address + 12);
		out = put_word(out, word[i]);
	}
	return out;
}

char *
json_put_ip(char *out, const uint8_t address[16], unsigned ip_version)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (ip_version == 0)
		ip_version = memcmp(address, mapped, sizeof(mapped)) == 0 ? 4 : 6;
	return ip_version == 4 ? put_quad(out, address + 12) : put_ipv6(out, address);
}

void
json_ip(struct json *j, const uint8_t address[16], unsigned ip_version)
{
	char *out;

	if (!json_next(j, 48))
		return;
	out = j->text + j->size;
	*out++ = '"';
	out = json_put_ip(out, address, ip_version);
	*out++ = '"';
	j->size = (size_t)(out - j->text);
}

/* The lower half of each byte as a digit. */
static inline uint64_t
hex_of(uint64_t halves)
{
	uint64_t letters = (halves + ONES * 6) >> 4 & ONES;

	return halves + ONES * '0' + letters * ('a' - '0' - 10);
}

/* Four bytes are eight digits: the bytes are drawn apart, and then the halves of each. */
static inline char *
put_hex_of_four(char *out, const uint8_t *bytes)
{
	uint32_t four;
	uint64_t v;

	memcpy(&four, bytes, sizeof(four));
	v = (four | (uint64_t)four << 16) & UINT64_C(0x0000ffff0000ffff);
	v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
	v = hex_of((v >> 4 & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x000f000f000f000f)) << 8);
	memcpy(out, &v, sizeof(v));
	return out + sizeof(v);
}

char *
json_put_hex(char *out, const uint8_t *bytes, size_t size)
{
	for (; size >= 4; size -= 4, bytes += 4)
		out = put_hex_of_four(out, bytes);
	for (size_t i = 0; i < size; i++) {
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	return out;
}

char *
json_put_hex_colons(char *out, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (i > 0)
			*out++ = ':';
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	return out;
}

void
json_hex(struct json *j, const uint8_t *bytes, size_t size)
{
	char *out;

	if (!json_next(j, 2 * size + 2))
		return;
	out = j->text + j->size;
	*out++ = '"';
	out = json_put_hex(out, bytes, size);
	*out++ = '"';
	j->size = (size_t)(out - j->text);
}
