/* Names in DNS messages (RFC 1035, 3.1 and 4.1.4) and as people read them (RFC 3490).
 *
 * A name is read into its text with dots between the labels; bytes that do not print are written "^x" and those of the
 * upper half "m-x", so the text is always ASCII and its case can be folded byte by byte. Labels that begin with xn--
 * are then decoded (RFC 3492) to UTF-8. Case is folded before that, so two spellings of a name are one.
 *
 * A name costs at most DNS_NAME_TEXT_MAX steps and the bytes it occupies itself, whatever pointers say: behind a
 * pointer the walk ends where the text is too long for a name, and after DNS_POINTERS_MAX pointers. */
#include "dns_priv.h"

#include <string.h>

enum {
	LABEL_KIND = 0xc0,
	LABEL_POINTER = 0xc0,
	PUNYCODE_BASE = 36,
	PUNYCODE_TMIN = 1,
	PUNYCODE_TMAX = 26,
	PUNYCODE_SKEW = 38,
	PUNYCODE_DAMP = 700,
	PUNYCODE_BIAS = 72,
	PUNYCODE_FIRST = 0x80,
	UNICODE_MAX = 0x10ffff,
	ACE_PREFIX_BYTES = 4,
};

static const char root_text[] = "<root>";
static const char ace_prefix[] = "xn--";

static void
append(struct dns_name *name, char c)
{
	if (name->raw_size == sizeof(name->raw)) {
		name->is_too_long = true;
		return;
	}
	name->raw[name->raw_size++] = c;
}

static char
lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static void
append_byte(struct dns_name *name, uint8_t byte)
{
	if (byte >= 0x80) {
		append(name, 'm');
		append(name, '-');
		byte &= 0x7f;
	}
	if (byte < ' ' || byte == 0x7f) {
		append(name, '^');
		byte ^= 0x40;
	}
	append(name, lower(byte));
}

static void
append_label(struct dns_name *name, struct cursor label)
{
	if (name->raw_size > 0)
		append(name, '.');
	while (cursor_left(&label) > 0 && !name->is_too_long)
		append_byte(name, cursor_u8(&label));
}

/* Most names have no hyphen, which is found out faster. */
static bool
contains_ace(const struct dns_name *name)
{
	return memchr(name->raw, '-', name->raw_size) != NULL &&
	       memmem(name->raw, name->raw_size, ace_prefix, ACE_PREFIX_BYTES) != NULL;
}

/* RFC 1035, 4.1.4. 'at' stays behind the first pointer; what follows is read by a cursor of its own. */
enum dns_name_result
dns_name_read(struct dns_name *name, struct cursor whole, struct cursor *at)
{
	struct cursor behind, *c = at;
	unsigned pointers = 0;

	name->raw_size = 0;
	name->is_too_long = false;
	for (;;) {
		uint8_t length = cursor_u8(c);

		if (cursor_bad(c))
			return DNS_NAME_BROKEN;
		if (length == 0)
			break;
		if ((length & LABEL_KIND) == LABEL_POINTER) {
			uint16_t offset = (uint16_t)((length & ~LABEL_KIND) << 8 | cursor_u8(c));

			if (cursor_bad(c))
				return DNS_NAME_BROKEN;
			if (name->is_too_long)
				break;
			if (++pointers > DNS_POINTERS_MAX)
				return DNS_NAME_LOOP;
			behind = whole;
			cursor_skip(&behind, offset);
			c = &behind;
			continue;
		}
		/* 0x40 and 0x80 are other kinds of labels (RFC 6891, 5), which no name in use has. */
		if ((length & LABEL_KIND) != 0)
			return DNS_NAME_BROKEN;
		append_label(name, cursor_sub(c, length));
		if (name->is_too_long && c == &behind)
			break;
	}
	name->is_ace = contains_ace(name);
	return DNS_NAME_OK;
}

/* RFC 3492, 6.1. */
static uint32_t
adapt(uint32_t delta, uint32_t n_points, bool is_first)
{
	uint32_t k = 0;

	delta = is_first ? delta / PUNYCODE_DAMP : delta / 2;
	delta += delta / n_points;
	for (; delta > (PUNYCODE_BASE - PUNYCODE_TMIN) * PUNYCODE_TMAX / 2; k += PUNYCODE_BASE)
		delta /= PUNYCODE_BASE - PUNYCODE_TMIN;
	return k + (PUNYCODE_BASE - PUNYCODE_TMIN + 1) * delta / (delta + PUNYCODE_SKEW);
}

static uint32_t
digit_of(uint8_t c)
{
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a');
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 26);
	return PUNYCODE_BASE;
}

static uint32_t
threshold(uint32_t k, uint32_t bias)
{
	if (k <= bias)
		return PUNYCODE_TMIN;
	return k - bias > PUNYCODE_TMAX ? PUNYCODE_TMAX : k - bias;
}

/* A generalized variable-length integer, added to *i; false: it does not end, or overflows. */
static bool
read_delta(struct cursor *in, uint32_t bias, uint32_t *i)
{
	uint64_t weight = 1, sum = *i;

	for (uint32_t k = PUNYCODE_BASE;; k += PUNYCODE_BASE) {
		uint32_t digit = digit_of(cursor_u8(in)), t = threshold(k, bias);

		if (cursor_bad(in) || digit == PUNYCODE_BASE)
			return false;
		sum += digit * weight;
		if (sum > UINT32_MAX)
			return false;
		if (digit < t)
			break;
		weight *= PUNYCODE_BASE - t;
		if (weight > UINT32_MAX)
			return false;
	}
	*i = (uint32_t)sum;
	return true;
}

static size_t
put_utf8(char *out, uint32_t point)
{
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (char)(0xc0 | point >> 6);
		out[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (char)(0xe0 | point >> 12);
		out[1] = (char)(0x80 | (point >> 6 & 0x3f));
		out[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | point >> 18);
	out[1] = (char)(0x80 | (point >> 12 & 0x3f));
	out[2] = (char)(0x80 | (point >> 6 & 0x3f));
	out[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

/* What stands before the last hyphen is literal; a hyphen at the very start separates nothing. */
static struct cursor
literal_part(struct cursor *in)
{
	size_t size = cursor_left(in), literal = 0;
	struct cursor part;

	for (size_t i = 1; i < size; i++)
		if (cursor_peek(in, i) == '-')
			literal = i;
	part = cursor_sub(in, literal);
	if (literal > 0)
		cursor_skip(in, 1);
	return part;
}

bool
dns_punycode_decode(const char *text, size_t in_size, char *out, size_t *out_size)
{
	uint32_t points[DNS_LABEL_TEXT_MAX], n = 0, i = 0, point = PUNYCODE_FIRST, bias = PUNYCODE_BIAS;
	struct cursor in = cursor_make(text, in_size), literal = literal_part(&in);

	*out_size = 0;
	if (in_size > DNS_LABEL_TEXT_MAX)
		return false;
	while (cursor_left(&literal) > 0)
		points[n++] = cursor_u8(&literal);
	while (cursor_left(&in) > 0) {
		uint32_t before = i;

		if (!read_delta(&in, bias, &i))
			return false;
		n++;
		bias = adapt(i - before, n, before == 0);
		if (i / n > UNICODE_MAX - point)
			return false;
		point += i / n;
		i %= n;
		/* Surrogates are no characters (RFC 3629, 3). */
		if (point >= 0xd800 && point <= 0xdfff)
			return false;
		memmove(&points[i + 1], &points[i], (n - 1 - i) * sizeof(points[0]));
		points[i++] = point;
	}
	for (i = 0; i < n; i++)
		*out_size += put_utf8(out + *out_size, points[i]);
	return true;
}

/* One label, or the empty piece between two dots. */
static bool
convert_label(struct dns_name *name, struct cursor label)
{
	size_t size = cursor_left(&label), written;
	const char *text = (const char *)cursor_take(&label, size);

	if (size < ACE_PREFIX_BYTES || memcmp(text, ace_prefix, ACE_PREFIX_BYTES) != 0) {
		memcpy(name->unicode + name->size, text, size);
		name->size += (uint32_t)size;
		return true;
	}
	if (!dns_punycode_decode(text + ACE_PREFIX_BYTES, size - ACE_PREFIX_BYTES, name->unicode + name->size,
				 &written))
		return false;
	name->size += (uint32_t)written;
	return true;
}

static bool
convert_labels(struct dns_name *name, uint32_t raw_size)
{
	struct cursor in = cursor_make(name->raw, raw_size);

	name->text = name->unicode;
	name->size = 0;
	for (;;) {
		const void *dot = memchr(in.p, '.', cursor_left(&in));

		if (dot == NULL)
			return convert_label(name, in);
		if (!convert_label(name, cursor_until(&in, '.')))
			return false;
		name->unicode[name->size++] = '.';
	}
}

bool
dns_name_convert(struct dns_name *name)
{
	uint32_t size = name->raw_size;

	if (name->is_too_long)
		return false;
	/* Only a label that itself ends with a dot can leave one here. */
	if (size > 0 && name->raw[size - 1] == '.')
		size--;
	name->is_root = size == 0;
	name->text = name->is_root ? root_text : name->raw;
	name->size = name->is_root ? (uint32_t)sizeof(root_text) - 1 : size;
	return !name->is_ace || name->is_root || convert_labels(name, size);
}
