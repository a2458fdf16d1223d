/* BER and DER elements.
 *
 * Captures cut certificates and directory messages anywhere, so a length beyond the bytes is no error: what is there is
 * handed out, marked. Indefinite lengths are one, as in DER: finding their end would take recursion, and no message
 * that we read depends on them.
 *
 * Times are counted from their digits, not by mktime(): no time zone, no locale, and a month of 13 is the next January
 * rather than an error, since what a careless signer wrote still says when. */

#include "ber.h"

#include "json.h"

enum {
	CONSTRUCTED = 0x20,
	TAG_MASK = 0x1f,
	TAG_LONG = 0x1f,
	MORE = 0x80,
	LENGTH_LONG = 0x80,
	LENGTH_BYTES_MAX = 4,
	TAG_BITS_MAX = 32 - 7,
	SUB_IDENTIFIER_BITS_MAX = 64 - 7,
};

/* X.690 8.1.2.4. */
static uint32_t
long_tag(struct cursor *c)
{
	uint32_t tag = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(c);
		if (tag >> TAG_BITS_MAX != 0)
			cursor_fail(c);
		tag = tag << 7 | (byte & (MORE - 1));
	} while ((byte & MORE) != 0 && !cursor_bad(c));
	return tag;
}

/* X.690 8.1.3. */
static uint32_t
length(struct cursor *c)
{
	uint8_t first = cursor_u8(c);
	unsigned n = first & (LENGTH_LONG - 1);
	uint32_t value = 0;

	if ((first & LENGTH_LONG) == 0)
		return first;
	if (n == 0 || n > LENGTH_BYTES_MAX)
		cursor_fail(c);
	else
		while (n-- > 0)
			value = value << 8 | cursor_u8(c);
	return value;
}

bool
ber_next(struct cursor *c, struct ber_element *e)
{
	uint32_t bytes;

	*e = (struct ber_element){0};
	if (cursor_left(c) == 0)
		return false;
	e->identifier = cursor_u8(c);
	e->constructed = (e->identifier & CONSTRUCTED) != 0;
	e->tag = e->identifier & TAG_MASK;
	if (e->tag == TAG_LONG)
		e->tag = long_tag(c);
	bytes = length(c);
	if (cursor_bad(c)) {
		*e = (struct ber_element){0};
		return false;
	}
	if (bytes > cursor_left(c)) {
		e->clipped = true;
		bytes = (uint32_t)cursor_left(c);
	}
	e->value = cursor_sub(c, bytes);
	return true;
}

enum ber_header
ber_header(struct cursor *c, uint8_t *identifier, uint32_t *bytes)
{
	uint8_t first;
	unsigned n;

	*identifier = cursor_u8(c);
	if ((*identifier & TAG_MASK) == TAG_LONG)
		return BER_HEADER_BAD;
	first = cursor_u8(c);
	n = first & (LENGTH_LONG - 1);
	*bytes = first;
	if ((first & LENGTH_LONG) != 0) {
		if (n == 0 || n > LENGTH_BYTES_MAX)
			return BER_HEADER_BAD;
		for (*bytes = 0; n > 0; n--)
			*bytes = *bytes << 8 | cursor_u8(c);
	}
	return cursor_bad(c) ? BER_HEADER_MORE : BER_HEADER_OK;
}

unsigned
ber_sequence(struct cursor c, bool unwrap, struct ber_element *out, unsigned max)
{
	struct ber_element outer;
	unsigned n = 0;

	if (unwrap) {
		if (!ber_next(&c, &outer) || !outer.constructed || outer.tag != BER_SEQUENCE)
			return 0;
		c = outer.value;
	}
	while (n < max && ber_next(&c, &out[n]))
		n++;
	return n;
}

struct cursor
ber_string(const struct ber_element *e)
{
	struct cursor inside = e->value;
	struct ber_element inner;

	if (!e->constructed)
		return inside;
	(void)ber_next(&inside, &inner);
	return inner.value;
}

int32_t
ber_int(const struct ber_element *e)
{
	struct cursor c = ber_string(e);
	uint32_t value = 0;

	if (cursor_left(&c) < 1 || cursor_left(&c) > 4)
		return -1;
	while (cursor_left(&c) > 0)
		value = value << 8 | cursor_u8(&c);
	return (int32_t)value;
}

/* X.690 8.19.2. False: the end, or a number beyond 64 bits. */
static bool
sub_identifier(struct cursor *c, uint64_t *value)
{
	uint8_t byte;

	*value = 0;
	do {
		byte = cursor_u8(c);
		if (cursor_bad(c) || *value >> SUB_IDENTIFIER_BITS_MAX != 0)
			return false;
		*value = *value << 7 | (byte & (MORE - 1));
	} while ((byte & MORE) != 0);
	return true;
}

size_t
ber_oid_text(struct cursor oid, char *out, size_t size)
{
	uint64_t value;
	size_t used = 0;

	if (size == 0)
		return 0;
	while (cursor_left(&oid) > 0 && sub_identifier(&oid, &value)) {
		/* X.690 8.19.4: the first one holds two. */
		unsigned first = value < 40 ? 0 : value < 80 ? 1 : 2;
		char part[2 + JSON_U64_BYTES], *end = part;
		size_t n;

		if (used == 0) {
			*end++ = (char)('0' + first);
			value -= first * 40ULL;
		}
		*end++ = '.';
		n = (size_t)(json_put_u64(end, value) - part);
		if (n >= size - used)
			break;
		memcpy(&out[used], part, n);
		used += n;
	}
	out[used] = '\0';
	return used;
}

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* 'n' digits; anything else makes the cursor bad. */
static int
number(struct cursor *c, unsigned n)
{
	int value = 0;

	while (n-- > 0) {
		uint8_t byte = cursor_u8(c);

		if (!is_digit(byte))
			cursor_fail(c);
		value = value * 10 + (byte - '0');
	}
	return value;
}

/* Days since 1970 of a day of the Gregorian calendar. Years are counted from March, so that the leap day is their last;
 * 153 days in 5 months is the pattern 31 30 31 30 31. */
static int64_t
days_since_1970(int year, int month, int day)
{
	int years = year + (month > 2 ? 0 : -1), months = month > 2 ? month - 3 : month + 9;
	int leap_days = years / 4 - years / 100 + years / 400;

	return 365LL * years + leap_days + (153 * months + 2) / 5 + day - 1 - 719468;
}

/* "+hhmm" or "-hhmm": what has to be taken off; "Z" or nothing: 0. */
static int64_t
offset_s(struct cursor *c)
{
	uint8_t sign = cursor_peek(c, 0);
	int hours, minutes;

	if ((sign != '+' && sign != '-') || cursor_left(c) < 5)
		return 0;
	cursor_skip(c, 1);
	hours = number(c, 2);
	minutes = number(c, 2);
	return (sign == '-' ? -60 : 60) * (hours * 60LL + minutes);
}

/* X.680 46: minutes, seconds and their fraction may be missing. */
static void
optional_parts(struct cursor *c, int *minute, int *second)
{
	if (is_digit(cursor_peek(c, 0)))
		*minute = number(c, 2);
	if (is_digit(cursor_peek(c, 0)))
		*second = number(c, 2);
	if (cursor_peek(c, 0) == '.' || cursor_peek(c, 0) == ',')
		do
			cursor_skip(c, 1);
		while (is_digit(cursor_peek(c, 0)));
}

bool
ber_time(const struct ber_element *e, uint64_t *seconds, bool *pre_epoch)
{
	struct cursor c = e->value;
	int year, month, day, hour, minute = 0, second = 0;
	int64_t result;

	*seconds = 0;
	*pre_epoch = false;
	if (e->tag == BER_UTC_TIME && cursor_left(&c) > 12) {
		/* RFC 5280 4.1.2.5.1: two digits of a year between 1950 and 2049. */
		year = number(&c, 2);
		year += year < 50 ? 2000 : 1900;
	} else if (e->tag == BER_GENERALIZED_TIME && cursor_left(&c) >= 10) {
		year = number(&c, 4);
	} else {
		return false;
	}
	month = number(&c, 2);
	day = number(&c, 2);
	hour = number(&c, 2);
	if (e->tag == BER_UTC_TIME) {
		minute = number(&c, 2);
		second = number(&c, 2);
	} else {
		optional_parts(&c, &minute, &second);
	}
	year += (month - 1) / 12 - (month < 1);
	month = (month + 11) % 12 + 1;
	result = days_since_1970(year, month, day) * 86400 + hour * 3600LL + minute * 60LL + second - offset_s(&c);
	if (cursor_bad(&c))
		return false;
	*pre_epoch = result < 0;
	*seconds = result < 0 ? 0 : (uint64_t)result;
	return true;
}
