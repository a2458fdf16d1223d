/* Encoded words: =?CHARSET?B or Q?TEXT?= among plain text (RFC 2047 2; CHARSET*LANGUAGE: RFC 2231 5).
 *
 * The text is a row of pieces, plain and encoded. A plain piece that is one single blank between words is no part of
 * the text (RFC 2047 6.2). Plain text beyond ASCII has no charset of its own: it is UTF-8 when it can be (RFC 6532),
 * else Windows-1252. If any piece cannot be decoded the whole text stays as it came, so that half a subject is not
 * taken for a whole one.
 *
 * One pass, and each word is decoded into a buffer of fixed size: time is linear in the text. */

#include "encoded_words.h"

#include "text.h"

static bool
is_ascii(const struct cursor *text)
{
	for (size_t i = 0; i < cursor_left(text); i++)
		if (cursor_peek(text, i) >= 0x80)
			return false;
	return true;
}

static bool
plain(struct encoded_words *e, const struct cursor *piece, struct charset_out *out)
{
	bool is_utf8 = is_ascii(piece) || text_is_utf8(piece->p, cursor_left(piece));
	const char *charset = is_utf8 ? "utf-8" : "cp1252";

	return charset_to_utf8(e->charsets, charset, strlen(charset), piece->p, cursor_left(piece), out);
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 4.2. A '=' that begins no escape stands for itself. */
static size_t
quoted_decode(char *out, size_t out_size, struct cursor in)
{
	size_t n = 0;

	while (cursor_left(&in) > 0 && n < out_size) {
		uint8_t c = cursor_u8(&in);
		int high = hex_digit(cursor_peek(&in, 0)), low = hex_digit(cursor_peek(&in, 1));

		if (c == '_') {
			c = ' ';
		} else if (c == '=' && high >= 0 && low >= 0) {
			c = (uint8_t)(high << 4 | low);
			cursor_skip(&in, 2);
		}
		out[n++] = (char)c;
	}
	return n;
}

/* What is between "=?" and "?=", which is taken off 'rest' too. */
static bool
encoded(struct encoded_words *e, struct cursor *rest, struct charset_out *out)
{
	struct cursor charset = cursor_until(rest, '?');
	struct cursor encoding = cursor_until(rest, '?');
	ptrdiff_t end = text_find(rest->p, cursor_left(rest), "?=");
	const uint8_t *language;
	struct cursor text;
	size_t size;

	if (cursor_bad(rest) || end < 0 || cursor_left(&encoding) != 1)
		return false;
	text = cursor_sub(rest, (size_t)end);
	cursor_skip(rest, 2);
	switch (cursor_u8(&encoding)) {
	case 'b':
	case 'B':
		size = text_base64_decode(e->word, sizeof(e->word), text.p, cursor_left(&text));
		break;
	case 'q':
	case 'Q':
		size = quoted_decode(e->word, sizeof(e->word), text);
		break;
	default:
		return false;
	}
	language = memchr(charset.p, '*', cursor_left(&charset));
	if (language != NULL)
		cursor_limit(&charset, (size_t)(language - charset.p));
	return charset_to_utf8(e->charsets, (const char *)charset.p, cursor_left(&charset), e->word, size, out);
}

static bool
pieces(struct encoded_words *e, struct cursor rest, struct charset_out *out)
{
	while (cursor_left(&rest) > 0 && !out->is_full) {
		ptrdiff_t word = text_find(rest.p, cursor_left(&rest), "=?");
		struct cursor piece = cursor_sub(&rest, word < 0 ? cursor_left(&rest) : (size_t)word);
		bool is_separator = word >= 0 && cursor_left(&piece) == 1 && cursor_peek(&piece, 0) == ' ';

		if (!is_separator && !plain(e, &piece, out))
			return false;
		if (word < 0)
			return true;
		cursor_skip(&rest, 2);
		if (!encoded(e, &rest, out))
			return false;
	}
	return true;
}

struct cursor
encoded_words_decode(struct encoded_words *e, struct cursor text)
{
	static const char failed[] = "Error Decoding";
	struct charset_out out = {.bytes = e->text, .size = sizeof(e->text)};

	if (!pieces(e, text, &out))
		return text;
	if (out.is_full) /* The cut may have gone through a character. */
		out.used = text_utf8_prefix(e->text, out.used);
	else if (!text_is_utf8(e->text, out.used))
		return cursor_make(failed, sizeof(failed) - 1);
	return cursor_make(e->text, out.used);
}
