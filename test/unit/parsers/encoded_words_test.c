/* Encoded words and charsets. */
#include "encoded_words.h"
#include "test.h"

#include <iconv.h>
#include <stdlib.h>

static struct encoded_words *
words_create(void)
{
	struct encoded_words *e = calloc(1, sizeof(*e));

	if (e != NULL)
		e->charsets = charsets_create();
	return e;
}

static void
words_destroy(struct encoded_words *e)
{
	charsets_destroy(e->charsets);
	free(e);
}

/* The text ends at an unmapped page. */
static const char *
decode(struct encoded_words *e, const char *text, size_t size)
{
	static char out[ENCODED_WORDS_TEXT_MAX + 1];
	uint8_t *guarded = test_guard(text, size);
	struct cursor decoded = encoded_words_decode(e, cursor_make(guarded, size));
	size_t n = cursor_left(&decoded);

	snprintf(out, sizeof(out), "%.*s", (int)n, (const char *)decoded.p);
	test_guard_free(guarded, size);
	return out;
}

#define EXPECT_DECODED(text, expected) EXPECT_STR(decode(e, text, sizeof(text) - 1), expected)

TEST(words_of_several_charsets_are_one_text)
{
	struct encoded_words *e = words_create();

	REQUIRE(e != NULL && e->charsets != NULL);
	EXPECT_DECODED("", "");
	EXPECT_DECODED("plain", "plain");
	EXPECT_DECODED("=?utf-8?Q?caf=C3=A9_au?= lait", "caf\xc3\xa9 au lait");
	EXPECT_DECODED("=?ISO-8859-1?q?=E5?= =?windows-1252?B?kw==?=", "\xc3\xa5\xe2\x80\x9c");
	EXPECT_DECODED("=?gb2312?B?suLK1A==?=", "\xe6\xb5\x8b\xe8\xaf\x95");
	EXPECT_DECODED("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac");
	EXPECT_DECODED("=?ks_c_5601-1987?B?x9GxuQ==?=", "\xed\x95\x9c\xea\xb5\xad");
	EXPECT_DECODED("=?us-ascii*en?Q?hi?=", "hi");
	words_destroy(e);
}

TEST(one_blank_between_words_is_dropped_and_more_stay)
{
	struct encoded_words *e = words_create();

	EXPECT_DECODED("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab");
	EXPECT_DECODED("=?utf-8?Q?a?=  =?utf-8?Q?b?=", "a  b");
	EXPECT_DECODED("a  =?utf-8?Q?b?= c", "a  b c");
	words_destroy(e);
}

TEST(a_word_may_be_empty)
{
	struct encoded_words *e = words_create();

	EXPECT_DECODED("=?ISO-8859-1?B?YQ==?==?ISO-8859-1?B?\?==?ISO-8859-1?B?Yg==?=", "ab");
	EXPECT_DECODED("=?x?Q?\?=", "=?x?Q?\?=");
	words_destroy(e);
}

TEST(what_cannot_be_decoded_stays_as_it_is)
{
	struct encoded_words *e = words_create();

	EXPECT_DECODED("=?klingon?Q?a?=", "=?klingon?Q?a?=");
	EXPECT_DECODED("=?utf-8?X?a?=", "=?utf-8?X?a?=");
	EXPECT_DECODED("=?utf-8?QQ?a?=", "=?utf-8?QQ?a?=");
	EXPECT_DECODED("so =?utf-8?Q?open", "so =?utf-8?Q?open");
	EXPECT_DECODED("what=?", "what=?");
	EXPECT_DECODED("=?us-ascii?Q?=E9?=", "=?us-ascii?Q?=E9?=");
	EXPECT_DECODED("=?utf-8?Q?=E9?=", "Error Decoding");
	words_destroy(e);
}

TEST(plain_text_beyond_ascii_is_utf8_or_windows_1252)
{
	struct encoded_words *e = words_create();

	EXPECT_DECODED("What\x92s", "What\xe2\x80\x99s");
	EXPECT_DECODED("\xc3\xa9"
		       "cureuil",
		       "\xc3\xa9"
		       "cureuil");
	EXPECT_DECODED("\x81", "\x81");
	words_destroy(e);
}

TEST(a_long_text_is_cut_between_characters)
{
	enum { SIZE = 12000 };
	struct encoded_words *e = words_create();
	char *text = malloc(SIZE);
	struct cursor out;

	memset(text, 'a', SIZE);
	out = encoded_words_decode(e, cursor_make(text, SIZE));
	EXPECT_EQ(cursor_left(&out), ENCODED_WORDS_TEXT_MAX);
	memset(text, '\xe9', SIZE); /* two bytes each in UTF-8 */
	out = encoded_words_decode(e, cursor_make(text, SIZE));
	EXPECT_EQ(cursor_left(&out), ENCODED_WORDS_TEXT_MAX - 1);
	free(text);
	words_destroy(e);
}

TEST(every_truncation_of_encoded_words_stays_inside)
{
	static const char text[] = "a =?utf-8?Q?=C3=A9?= =?koi8-r?B?0NI=?= \x92 =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= z";
	struct encoded_words *e = words_create();

	for (size_t n = 0; n < sizeof(text); n++)
		(void)decode(e, text, n);
	EXPECT_STR(decode(e, text, 1), "a");
	words_destroy(e);
}

TEST(charsets_are_known_by_their_aliases_in_any_case)
{
	static const char *const names[] = {"latin1", "ISO8859-15", "Windows-1251", "KOI8-U",	"big5",	       "EUC-KR",
					    "GBK",    "gb18030",    "Shift_JIS",    "x-sjis",	"tis-620",     "UTF-7",
					    "ms949",  "macintosh",  "cp866",	    "utf-16le", "iso-8859-8-i"};
	struct charsets *c = charsets_create();
	char bytes[64];

	REQUIRE(c != NULL);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct charset_out out = {.bytes = bytes, .size = sizeof(bytes)};

		if (!charset_to_utf8(c, names[i], strlen(names[i]), "ab", 2, &out))
			test_fail(__FILE__, __LINE__, names[i]);
	}
	charsets_destroy(c);
}

TEST(a_converter_begins_anew_after_a_text_that_failed)
{
	struct charsets *c = charsets_create();
	char bytes[64];
	struct charset_out out = {.bytes = bytes, .size = sizeof(bytes)};

	EXPECT(!charset_to_utf8(c, "iso-2022-jp", 11, "\x1b$BF", 4, &out));
	out.used = 0;
	EXPECT(charset_to_utf8(c, "iso-2022-jp", 11, "Fa", 2, &out));
	EXPECT(out.used == 2 && memcmp(bytes, "Fa", 2) == 0);
	charsets_destroy(c);
}

TEST(charsets_of_one_byte_are_what_iconv_says)
{
	static const char *const names[] = {"KOI8-R", "CP1251", "ISO-8859-15", "MACINTOSH",
					    "VISCII", "CP874",	"ISO-8859-8"};
	struct charsets *c = charsets_create();

	REQUIRE(c != NULL);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		iconv_t converter = iconv_open("UTF-8", names[i]);

		REQUIRE(converter != (iconv_t)-1);
		for (unsigned b = 0; b < 256; b++) {
			char byte = (char)b, *from = &byte, expected[8] = {0}, *to = expected, ours[8] = {0};
			size_t left = 1, room = sizeof(expected);
			struct charset_out out = {.bytes = ours, .size = sizeof(ours)};
			bool is_one = iconv(converter, &from, &left, &to, &room) == 0;

			EXPECT_EQ(charset_to_utf8(c, names[i], strlen(names[i]), &byte, 1, &out), is_one);
			EXPECT(!is_one || memcmp(ours, expected, sizeof(ours)) == 0);
		}
		iconv_close(converter);
	}
	charsets_destroy(c);
}
