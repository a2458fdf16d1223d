#include "text.h"

#include <locale.h>
#include <stdlib.h>
#include <wctype.h>

#include "test.h"

static struct cursor
text(const char *s)
{
	return cursor_make(s, strlen(s));
}

static bool
is(struct cursor c, const char *s)
{
	return cursor_left(&c) == strlen(s) && memcmp(c.p, s, strlen(s)) == 0;
}

TEST(ascii_case_is_all_that_lower_knows)
{
	char out[] = "AbZ@[\xc3\x84";

	EXPECT_EQ(text_lower(out, out, sizeof(out) - 1), 7);
	EXPECT_STR(out, "abz@[\xc3\x84");
}

TEST(comparisons_ignore_ascii_case)
{
	struct cursor c = text("Content-Type: x");

	EXPECT(text_starts_nocase(&c, "content-TYPE:"));
	EXPECT(text_starts_nocase(&c, ""));
	EXPECT(!text_starts_nocase(&c, "content-type: xy"));
	EXPECT(text_equals_nocase(&c, "CONTENT-TYPE: X"));
	EXPECT(!text_equals_nocase(&c, "CONTENT-TYPE: "));
	EXPECT(text_starts(&c, "Content-Type: x"));
	EXPECT(text_starts(&c, ""));
	EXPECT(!text_starts(&c, "content-"));
	EXPECT(!text_starts(&c, "Content-Type: xy"));
	c = text("\xe4");
	EXPECT(!text_equals_nocase(&c, "\xc4"));
	c = text("");
	EXPECT(text_equals_nocase(&c, ""));
	EXPECT(!text_starts_nocase(&c, "a"));
}

TEST(a_needle_is_found_at_both_ends)
{
	EXPECT_EQ(text_find_nocase("xxPASS=", 7, "pass="), 2);
	EXPECT_EQ(text_find_nocase("Pass=xx", 7, "pass="), 0);
	EXPECT_EQ(text_find_nocase("xxPASS=", 6, "pass="), -1);
	EXPECT_EQ(text_find_nocase("", 0, "a"), -1);
	EXPECT_EQ(text_find("xxpass=", 7, "pass="), 2);
	EXPECT_EQ(text_find("xxPass=", 7, "pass="), -1);
	EXPECT_EQ(text_find("a\0b", 3, "b"), 2);
	EXPECT_EQ(text_find("", 0, "b"), -1);
	EXPECT_EQ(text_find(NULL, 0, "b"), -1);
}

TEST(a_needle_is_found_at_every_place_of_every_length)
{
	static const char *const needles[] = {"x", "xy", "xyx", "document.write"};
	char hay[160];

	for (unsigned k = 0; k < sizeof(needles) / sizeof(needles[0]); k++) {
		const char *needle = needles[k];
		size_t needed = strlen(needle);

		for (size_t size = 0; size <= sizeof(hay); size++)
			for (size_t at = 0; at < size; at++) {
				/* What begins and ends as the needle does is everywhere. */
				memset(hay, needle[needed - 1], size);
				hay[at] = needle[0];
				memcpy(&hay[at], needle, needed < size - at ? needed : size - at);
				EXPECT_EQ(text_find(hay, size, needle), needed > size - at && needed > 1 ? -1
									: needed == 1			 ? 0
										      : (ptrdiff_t)at);
			}
	}
}

static size_t
prefix(const char *s)
{
	return text_utf8_prefix(s, strlen(s));
}

TEST(utf8_is_what_rfc_3629_says)
{
	EXPECT(text_is_utf8("", 0));
	EXPECT(text_is_utf8("a\0b", 3));
	EXPECT_EQ(prefix("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
		  22);
	EXPECT_EQ(prefix("ab\x80"), 2);
	EXPECT_EQ(prefix("ab\xc1\xbf"), 2); /* overlong */
	EXPECT_EQ(prefix("ab\xe0\x9f\xbf"), 2);
	EXPECT_EQ(prefix("ab\xf0\x8f\xbf\xbf"), 2);
	EXPECT_EQ(prefix("ab\xed\xa0\x80"), 2);	    /* surrogate */
	EXPECT_EQ(prefix("ab\xf4\x90\x80\x80"), 2); /* beyond U+10FFFF */
	EXPECT_EQ(prefix("ab\xf5\x80\x80\x80"), 2);
	EXPECT_EQ(prefix("ab\xe2\x82"), 2); /* cut */
	EXPECT_EQ(prefix("ab\xe2\x82x"), 2);
	EXPECT_EQ(prefix("0123456789abcdef\xff"), 16);
	EXPECT_EQ(prefix("0123456789abcde\xc3\xa4y"), 18);
}

TEST(lower_case_goes_beyond_ascii)
{
	static const char in[] =
		"GR\xc3\x9cN \xce\x91\xce\xa9 \xd0\x96 \xc4\x80 \xe1\xba\x9e \xf0\x90\x90\x80 \xff \xe2\x82\xac";
	char out[64];
	size_t n = text_utf8_lower(out, sizeof(out) - 1, in, sizeof(in) - 1);

	out[n] = '\0';
	EXPECT_STR(out, "gr\xc3\xbcn \xce\xb1\xcf\x89 \xd0\xb6 \xc4\x81 \xc3\x9f \xf0\x90\x90\xa8 \xff \xe2\x82\xac");
}

TEST(lower_case_that_does_not_fit_ends_at_a_whole_character)
{
	char out[4];

	/* U+023A has two bytes, its lower case U+2C65 three. */
	EXPECT_EQ(text_utf8_lower(out, 4, "\xc8\xba\xc8\xba", 4), 3);
	EXPECT_EQ(memcmp(out, "\xe2\xb1\xa5", 3), 0);
	EXPECT_EQ(text_utf8_lower(out, 2, "\xc8\xba", 2), 0);
	EXPECT_EQ(text_utf8_lower(out, 0, "a", 1), 0);
}

/* The C library's table is another's work from the same source; they differ where it is of another Unicode version. */
TEST(lower_case_is_that_of_the_c_library)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	unsigned differ = 0, mapped = 0;

	if (utf8 == (locale_t)0) {
		test_skip("no locale C.UTF-8");
		return;
	}
	for (uint32_t code = 0x80; code < 0x10000; code++) {
		char in[4] = {0}, out[4] = {0};
		uint32_t lower = (uint32_t)towlower_l((wint_t)code, utf8), have;
		size_t size = code < 0x800 ? 2 : 3, n;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		in[0] = (char)(size == 2 ? 0xc0 | code >> 6 : 0xe0 | code >> 12);
		in[1] = (char)(0x80 | (size == 2 ? code & 0x3f : code >> 6 & 0x3f));
		in[2] = (char)(size == 2 ? 0 : 0x80 | (code & 0x3f));
		n = text_utf8_lower(out, sizeof(out), in, size);
		have = n == 1	? (uint8_t)out[0]
		       : n == 2 ? (uint32_t)(out[0] & 0x1f) << 6 | (out[1] & 0x3f)
				: (uint32_t)(out[0] & 0x0f) << 12 | (uint32_t)(out[1] & 0x3f) << 6 | (out[2] & 0x3f);
		differ += have != lower;
		mapped += have != code;
	}
	freelocale(utf8);
	EXPECT(mapped > 1000);
	EXPECT(differ < 30);
}

static const char *
percent(const char *in)
{
	static char out[64];
	size_t n;

	if (!text_percent_decode(out, &n, in, strlen(in)))
		return "refused";
	out[n] = '\0';
	return out;
}

TEST(percent_escapes_are_decoded_or_refused)
{
	EXPECT_STR(percent(""), "");
	EXPECT_STR(percent("a+b%20c%2Fd%e4"), "a+b c/d\xe4");
	EXPECT_STR(percent("%41"), "A");
	EXPECT_STR(percent("%4"), "refused");
	EXPECT_STR(percent("%"), "refused");
	EXPECT_STR(percent("a%4g"), "refused");
	EXPECT_STR(percent("a%00b"), "refused");
}

static const char *
base64(const char *in)
{
	static char out[64];

	out[text_base64_decode(out, sizeof(out) - 1, in, strlen(in))] = '\0';
	return out;
}

TEST(base64_of_both_alphabets_is_decoded)
{
	EXPECT_STR(base64(""), "");
	EXPECT_STR(base64("Zg=="), "f");
	EXPECT_STR(base64("Zm8="), "fo");
	EXPECT_STR(base64("Zm9vYmFy"), "foobar");
	EXPECT_STR(base64("Zm9v\r\n YmFy"), "foobar");
	EXPECT_STR(base64("-_-_"), "\xfb\xff\xbf");
	EXPECT_STR(base64("+/+/"), "\xfb\xff\xbf");
	EXPECT_STR(base64("Zm9v=YmFy"), "foo");
	EXPECT_STR(base64("Zm9v!YmFy"), "foo");
	EXPECT_STR(base64("Zm9vY"), "foo");
}

TEST(base64_stops_at_the_end_of_its_room)
{
	char out[3] = "xy";

	EXPECT_EQ(text_base64_decode(out, 1, "Zm9vYmFy", 8), 1);
	EXPECT_STR(out, "fy");
	EXPECT_EQ(text_base64_decode(out, 0, "Zm9vYmFy", 8), 0);
}

static const char *
utf16(const char *in, size_t size, bool pairs)
{
	static char out[16];
	size_t n;

	if (!(pairs ? text_utf16le_to_utf8 : text_ucs2le_to_utf8)(out, sizeof(out) - 1, &n, cursor_make(in, size)))
		return "failed";
	out[n] = '\0';
	return out;
}

TEST(two_byte_characters_become_utf8)
{
	EXPECT_STR(utf16("", 0, false), "");
	EXPECT_STR(utf16("a\0\xe4\0\xac\x20", 6, false), "a\xc3\xa4\xe2\x82\xac");
	EXPECT_STR(utf16("a\0b", 3, false), "a");
	EXPECT_STR(utf16("a\0\0\0b\0", 6, false), "a");
	EXPECT_STR(utf16("\x3d\xd8\x00\xde", 4, false), "failed");
	EXPECT_STR(utf16("\x3d\xd8\x00\xde", 4, true), "\xf0\x9f\x98\x80");
	EXPECT_STR(utf16("\x3d\xd8", 2, true), "failed");
	EXPECT_STR(utf16("\x00\xde\x3d\xd8", 4, true), "failed");
	EXPECT_STR(utf16("\x3d\xd8"
			 "a\0",
			 4, true),
		   "failed");
	EXPECT_STR(utf16("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0", 30, false), "abcdefghijklmno");
	EXPECT_STR(utf16("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0", 32, false), "failed");
}

TEST(blanks_come_off_both_ends)
{
	EXPECT(is(text_trim(text(" \t\r\n a b \r\n")), "a b"));
	EXPECT(is(text_trim(text("  ")), ""));
	EXPECT(is(text_trim(text("")), ""));
	EXPECT(is(text_trim(text("a")), "a"));
}

TEST(a_line_ends_at_lf_and_loses_one_cr)
{
	struct cursor c = text("a\r\n\nb\r\r\nrest"), line;

	REQUIRE(text_line(&c, &line));
	EXPECT(is(line, "a"));
	REQUIRE(text_line(&c, &line));
	EXPECT(is(line, ""));
	REQUIRE(text_line(&c, &line));
	EXPECT(is(line, "b\r"));
	EXPECT(!text_line(&c, &line));
	EXPECT(is(c, "rest"));
	EXPECT(!cursor_bad(&c));
}

static uint64_t
decimal(const char *s, unsigned wanted_digits)
{
	struct cursor c = text(s);
	unsigned digits;
	uint64_t value = text_decimal(&c, &digits);

	EXPECT_EQ(digits, wanted_digits);
	return value;
}

TEST(decimals_saturate)
{
	EXPECT_EQ(decimal(" \t42x", 2), 42);
	EXPECT_EQ(decimal("x", 0), 0);
	EXPECT_EQ(decimal("", 0), 0);
	EXPECT(decimal("18446744073709551615", 20) == UINT64_MAX);
	EXPECT(decimal("18446744073709551616", 20) == UINT64_MAX);
	EXPECT(decimal("99999999999999999999999", 23) == UINT64_MAX);
}

TEST(every_truncation_stays_within_its_bytes)
{
	static const char message[] = " \r\nA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80%41 12345678901234 \n";

	for (size_t n = 0; n < sizeof(message); n++) {
		uint8_t *bytes = test_guard(message, n);
		char out[128];
		size_t written;
		unsigned digits;
		struct cursor c = cursor_make(bytes, n), line;

		(void)text_utf8_prefix(bytes, n);
		(void)text_utf8_lower(out, sizeof(out), bytes, n);
		(void)text_percent_decode(out, &written, bytes, n);
		(void)text_base64_decode(out, sizeof(out), bytes, n);
		(void)text_utf16le_to_utf8(out, sizeof(out), &written, c);
		(void)text_decimal(&c, &digits);
		(void)text_find(bytes, n, "needle");
		(void)text_find_nocase(bytes, n, "needle");
		(void)text_trim(c);
		(void)text_line(&c, &line);
		test_guard_free(bytes, n);
	}
}
