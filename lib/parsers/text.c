/* Texts as peers send them.
 *
 * Nothing here asks the locale: a record must not depend on how the sensor was started. towlower() would, and its
 * answer changes with the C library besides, so lower case beyond ASCII is a table of ours, 180 ranges made by
 * scripts/make-lowercase. It maps one character to one: a final sigma is not told from any other.
 *
 * Most texts are ASCII: the UTF-8 check passes over eight bytes at a time as long as they are.
 *
 * A word that is not there is what text_find() is asked for most, in the first segment of every body: 32 places are
 * looked at together, and only where the word's first and last byte both fit all of it is compared. memmem() is four
 * times as long about 1200 bytes. */

#include "text.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "text_lower_priv.h"

enum {
	BASE64_NONE = 64, /* of no alphabet: the end */
	BASE64_BLANK = 65,
	N_LOWER_RANGES = sizeof(text_lower_ranges) / sizeof(text_lower_ranges[0]),
	SURROGATE_HIGH = 0xd800,
	SURROGATE_LOW = 0xdc00,
	SURROGATE_END = 0xe000,
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

size_t
text_lower(char *out, const void *in, size_t size)
{
	const char *text = in;

	for (size_t i = 0; i < size; i++)
		out[i] = lower(text[i]);
	return size;
}

static bool
equals_nocase(const void *a, const char *b, size_t size)
{
	const char *text = a;

	for (size_t i = 0; i < size; i++)
		if (lower(text[i]) != lower(b[i]))
			return false;
	return true;
}

bool
text_equals_nocase(const struct cursor *c, const char *text)
{
	return cursor_left(c) == strlen(text) && equals_nocase(c->p, text, cursor_left(c));
}

bool
text_starts(const struct cursor *c, const char *prefix)
{
	size_t size = strlen(prefix);

	return cursor_left(c) >= size && memcmp(c->p, prefix, size) == 0;
}

bool
text_starts_nocase(const struct cursor *c, const char *prefix)
{
	size_t size = strlen(prefix);

	return cursor_left(c) >= size && equals_nocase(c->p, prefix, size);
}

ptrdiff_t
text_find_nocase(const void *hay, size_t size, const char *needle)
{
	size_t needed = strlen(needle);
	const char *text = hay;

	for (size_t i = 0; i + needed <= size; i++)
		if (equals_nocase(&text[i], needle, needed))
			return (ptrdiff_t)i;
	return -1;
}

#ifdef __AVX2__
/* Of as many whole blocks of places as there are the first where 'needle' begins, or the first behind them. */
static size_t
find_in_blocks(const uint8_t *text, size_t size, const char *needle, size_t needed, bool *found)
{
	const __m256i first = _mm256_set1_epi8(needle[0]), last = _mm256_set1_epi8(needle[needed - 1]);
	size_t at = 0;

	for (; at + needed - 1 + sizeof(first) <= size; at += sizeof(first)) {
		__m256i begins = _mm256_loadu_si256((const void *)&text[at]);
		__m256i ends = _mm256_loadu_si256((const void *)&text[at + needed - 1]);
		__m256i both = _mm256_and_si256(_mm256_cmpeq_epi8(begins, first), _mm256_cmpeq_epi8(ends, last));

		for (unsigned hits = (unsigned)_mm256_movemask_epi8(both); hits != 0; hits &= hits - 1) {
			size_t hit = at + (unsigned)__builtin_ctz(hits);

			*found = memcmp(&text[hit], needle, needed) == 0;
			if (*found)
				return hit;
		}
	}
	return at;
}
#endif

ptrdiff_t
text_find(const void *hay, size_t size, const char *needle)
{
	size_t needed = strlen(needle), at = 0;
	const uint8_t *text = hay, *hit;

	if (needed == 0 || size < needed)
		return needed == 0 ? 0 : -1;
#ifdef __AVX2__
	bool found = false;

	at = find_in_blocks(text, size, needle, needed, &found);
	if (found)
		return (ptrdiff_t)at;
#endif
	hit = memmem(&text[at], size - at, needle, needed);
	return hit != NULL ? hit - text : -1;
}

/* Bytes of the character that begins here (RFC 3629 section 4), 0: none does. */
static unsigned
utf8_length(const uint8_t *p, size_t left)
{
	unsigned length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	uint8_t low = 0x80, high = 0xbf;

	if (length == 0 || length > left)
		return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF: the second byte tells. */
	switch (p[0]) {
	case 0xe0:
		low = 0xa0;
		break;
	case 0xed:
		high = 0x9f;
		break;
	case 0xf0:
		low = 0x90;
		break;
	case 0xf4:
		high = 0x8f;
		break;
	default:
		break;
	}
	if (length > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (unsigned i = 2; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

size_t
text_utf8_prefix(const void *text, size_t size)
{
	const uint8_t *p = text;
	size_t i = 0;

	while (i < size) {
		uint64_t eight;
		unsigned length;

		if (size - i >= sizeof(eight)) {
			memcpy(&eight, &p[i], sizeof(eight));
			if ((eight & 0x8080808080808080) == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		length = utf8_length(&p[i], size - i);
		if (length == 0)
			break;
		i += length;
	}
	return i;
}

bool
text_is_utf8(const void *text, size_t size)
{
	return text_utf8_prefix(text, size) == size;
}

static uint32_t
utf8_decode(const uint8_t *p, unsigned length)
{
	static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = p[0] & first_mask[length];

	for (unsigned i = 1; i < length; i++)
		code = code << 6 | (p[i] & 0x3f);
	return code;
}

static unsigned
utf8_encode(uint32_t code, char out[4])
{
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
	unsigned length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (unsigned i = length - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(first[length] | code);
	return length;
}

static uint32_t
code_lower(uint32_t code)
{
	unsigned low = 0, high = N_LOWER_RANGES;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct text_lower_range *r = &text_lower_ranges[middle];

		if (code < r->first)
			high = middle;
		else if (code > r->last)
			low = middle + 1;
		else
			return (code - r->first) % r->step == 0 ? (uint32_t)((int32_t)code + r->delta) : code;
	}
	return code;
}

size_t
text_utf8_lower(char *out, size_t out_size, const void *in, size_t size)
{
	const uint8_t *p = in;
	size_t used = 0;

	for (size_t i = 0; i < size;) {
		unsigned length = utf8_length(&p[i], size - i), bytes = 1;
		char character[4] = {lower((char)p[i])};

		if (length > 1)
			bytes = utf8_encode(code_lower(utf8_decode(&p[i], length)), character);
		if (bytes > out_size - used)
			break;
		memcpy(&out[used], character, bytes);
		used += bytes;
		i += length > 1 ? length : 1;
	}
	return used;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
text_percent_decode(char *out, size_t *out_size, const void *in, size_t size)
{
	const char *text = in;
	size_t n = 0;

	*out_size = 0;
	for (size_t i = 0; i < size; i++) {
		int high, low;

		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		if (size - i < 3)
			return false;
		high = hex_digit(text[i + 1]);
		low = hex_digit(text[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*out_size = n;
	return true;
}

/* RFC 4648 tables 1 and 2. */
static unsigned
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	switch (c) {
	case '+':
	case '-':
		return 62;
	case '/':
	case '_':
		return 63;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return BASE64_BLANK;
	default:
		return BASE64_NONE;
	}
}

size_t
text_base64_decode(void *out, size_t out_size, const void *in, size_t size)
{
	const char *text = in;
	uint8_t *bytes = out;
	size_t n = 0;
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned value = base64_value(text[i]);

		if (value == BASE64_BLANK)
			continue;
		if (value == BASE64_NONE)
			break;
		bits = (bits << 6 | value) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		if (n == out_size)
			break;
		have -= 8;
		bytes[n++] = (uint8_t)(bits >> have);
	}
	return n;
}

static bool
is_surrogate(uint32_t unit)
{
	return unit >= SURROGATE_HIGH && unit < SURROGATE_END;
}

/* The character that begins with the surrogate 'high' (RFC 2781 2.2), 0: the pair is broken. */
static uint32_t
surrogate_pair(uint32_t high, struct cursor *in)
{
	uint32_t second = cursor_left(in) >= 2 ? cursor_le16(in) : 0;

	if (high >= SURROGATE_LOW || second < SURROGATE_LOW || second >= SURROGATE_END)
		return 0;
	return 0x10000 + ((high - SURROGATE_HIGH) << 10) + (second - SURROGATE_LOW);
}

static bool
utf16le(char *out, size_t out_size, size_t *written, struct cursor in, bool pairs)
{
	size_t n = 0;

	*written = 0;
	while (cursor_left(&in) >= 2) {
		uint32_t code = cursor_le16(&in);
		char character[4];
		unsigned bytes;

		if (code == 0)
			break;
		if (is_surrogate(code))
			code = pairs ? surrogate_pair(code, &in) : 0;
		if (code == 0)
			return false;
		bytes = utf8_encode(code, character);
		if (bytes > out_size - n)
			return false;
		memcpy(&out[n], character, bytes);
		n += bytes;
	}
	*written = n;
	return true;
}

bool
text_ucs2le_to_utf8(char *out, size_t out_size, size_t *written, struct cursor in)
{
	return utf16le(out, out_size, written, in, false);
}

bool
text_utf16le_to_utf8(char *out, size_t out_size, size_t *written, struct cursor in)
{
	return utf16le(out, out_size, written, in, true);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct cursor
text_trim(struct cursor c)
{
	size_t left;

	while (cursor_left(&c) > 0 && is_blank(cursor_peek(&c, 0)))
		cursor_skip(&c, 1);
	left = cursor_left(&c);
	while (left > 0 && is_blank(cursor_peek(&c, left - 1)))
		left--;
	cursor_limit(&c, left);
	return c;
}

bool
text_line(struct cursor *c, struct cursor *line)
{
	struct cursor rest = *c;

	*line = cursor_until(&rest, '\n');
	if (cursor_bad(&rest))
		return false;
	*c = rest;
	if (cursor_left(line) > 0 && cursor_peek(line, cursor_left(line) - 1) == '\r')
		cursor_limit(line, cursor_left(line) - 1);
	return true;
}

uint64_t
text_decimal(const struct cursor *text, unsigned *digits)
{
	struct cursor c = *text;
	uint64_t value = 0;

	*digits = 0;
	while (cursor_peek(&c, 0) == ' ' || cursor_peek(&c, 0) == '\t')
		cursor_skip(&c, 1);
	while (cursor_peek(&c, 0) >= '0' && cursor_peek(&c, 0) <= '9') {
		uint8_t digit = (uint8_t)(cursor_u8(&c) - '0');

		if (__builtin_mul_overflow(value, (uint64_t)10, &value) || __builtin_add_overflow(value, digit, &value))
			value = UINT64_MAX;
		(*digits)++;
	}
	return value;
}
