/* Every rule of the JSON writer. */
#include "json.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

#include "test.h"

static struct json j;

/* What a text becomes. */
static const char *
escaped(const void *text, size_t size, bool utf8)
{
	static char out[4096];

	json_init(&j, 1 << 20);
	json_str(&j, text, size, utf8);
	memcpy(out, j.text, j.size);
	out[j.size] = '\0';
	json_fini(&j);
	return out;
}

static const char *
number(uint64_t value)
{
	static char out[32];

	json_init(&j, 1 << 20);
	json_u64(&j, value);
	memcpy(out, j.text, j.size);
	out[j.size] = '\0';
	json_fini(&j);
	return out;
}

TEST(commas_come_by_themselves)
{
	json_init(&j, 1 << 20);
	json_object_begin(&j);
	json_key(&j, "a");
	json_array_begin(&j);
	json_u64(&j, 1);
	json_i64(&j, -2);
	json_array_end(&j);
	json_key(&j, "b");
	json_object_begin(&j);
	json_object_end(&j);
	json_key(&j, "c");
	json_text(&j, "x");
	json_key(&j, "d");
	json_bool(&j, true);
	json_key(&j, "e");
	json_bool(&j, false);
	json_key(&j, "f");
	json_hex(&j, (const uint8_t *)"\x01\xaf", 2);
	json_key(&j, "g");
	json_array_begin(&j);
	json_array_end(&j);
	json_object_end(&j);
	json_bytes(&j, "", 1);
	EXPECT_STR(j.text, "{\"a\":[1,-2],\"b\":{},\"c\":\"x\",\"d\":true,\"e\":false,\"f\":\"01af\",\"g\":[]}");
	json_fini(&j);
}

TEST(numbers_of_every_length_are_written)
{
	uint64_t value = 0;
	char text[32];

	EXPECT_STR(number(0), "0");
	EXPECT_STR(number(UINT64_MAX), "18446744073709551615");
	for (int i = 0; i < 20; i++) {
		value = value * 10 + (uint64_t)(i % 9) + 1;
		for (int delta = -1; delta <= 1; delta++) {
			snprintf(text, sizeof(text), "%llu", (unsigned long long)(value + (uint64_t)delta));
			EXPECT_STR(number(value + (uint64_t)delta), text);
		}
	}
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
		for (int delta = -1; delta <= 1; delta++) {
			snprintf(text, sizeof(text), "%llu", (unsigned long long)(power + (uint64_t)delta));
			EXPECT_STR(number(power + (uint64_t)delta), text);
		}
	json_init(&j, 1 << 20);
	json_i64(&j, INT64_MIN);
	json_bytes(&j, "", 1);
	EXPECT_STR(j.text, "-9223372036854775808");
	json_fini(&j);
}

TEST(every_group_of_digits_is_right)
{
	char out[JSON_U64_BYTES] = "", text[32];

	for (uint32_t value = 0; value < 100000000; value += value < 20000 ? 1 : 9973) {
		*json_put_short(out, value) = '\0';
		snprintf(text, sizeof(text), "%u", value);
		EXPECT_STR(out, text);
	}
	*json_put_short(out, 99999999) = '\0';
	EXPECT_STR(out, "99999999");
}

TEST(reals_have_six_decimals)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0.000000"}, {1.5, "1.500000"}, {-0.1234567, "-0.123457"}, {1e15, "1000000000000000.000000"},
		     {NAN, "null"},   {INFINITY, "null"}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_init(&j, 1 << 20);
		json_double(&j, cases[i].value);
		json_bytes(&j, "", 1);
		EXPECT_STR(j.text, cases[i].text);
		json_fini(&j);
	}
	json_init(&j, 1 << 20);
	json_double(&j, -1.7976931348623157e308);
	EXPECT_EQ(j.size, 1 + 309 + 7);
	json_fini(&j);
}

TEST(control_characters_quotes_and_backslashes_are_escaped)
{
	char text[2] = "", expected[16];

	EXPECT_STR(escaped("\b\n\r\f\t\"\\", 7, false), "\"\\b\\n\\r\\f\\t\\\"\\\\\"");
	EXPECT_STR(escaped("/\x7f'", 3, false), "\"/\x7f'\"");
	for (char c = 1; c < 0x20; c++) {
		if (strchr("\b\n\r\f\t", c) != NULL)
			continue;
		text[0] = c;
		snprintf(expected, sizeof(expected), "\"\\u00%02x\"", (unsigned)c);
		EXPECT_STR(escaped(text, 1, false), expected);
	}
}

TEST(a_text_ends_at_its_first_nul)
{
	EXPECT_STR(escaped("", 0, false), "\"\"");
	EXPECT_STR(escaped("\0abc", 4, false), "\"\"");
	EXPECT_STR(escaped("0123456789\0abcdefgh", 19, false), "\"0123456789\"");
	EXPECT_STR(escaped("\xc3\0\xa9", 3, true), "\"\xc3\x83\"");
}

/* Whatever its place in the eight bytes that are looked at together. */
TEST(an_escape_is_found_at_every_place)
{
	char text[72], expected[80]; /* more than four blocks */

	for (size_t size = 1; size < sizeof(text); size++)
		for (size_t at = 0; at < size; at++) {
			memset(text, 'a' + (int)(size % 26), size);
			text[at] = '"';
			snprintf(expected, sizeof(expected), "\"%.*s\\\"%.*s\"", (int)at, text, (int)(size - at - 1),
				 text + at + 1);
			EXPECT_STR(escaped(text, size, false), expected);
		}
}

TEST(high_bytes_are_latin_1_unless_the_text_is_utf8)
{
	EXPECT_STR(escaped("\xe9", 1, false), "\"\xc3\xa9\"");
	EXPECT_STR(escaped("\x80\xff", 2, false), "\"\xc2\x80\xc3\xbf\"");
	EXPECT_STR(escaped("\xc3\xa9", 2, false), "\"\xc3\x83\xc2\xa9\"");
	EXPECT_STR(escaped("\xc3\xa9", 2, true), "\"\xc3\xa9\"");
	EXPECT_STR(escaped("\xe9", 1, true), "\"\xc3\xa9\"");
}

TEST(valid_utf8_passes_and_the_rest_is_latin_1)
{
	static const char *const good[] = {"\xc2\x80",	       "\xdf\xbf",	   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",     "\xee\x80\x80",	   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xe2\x82\xac"};
	/* Overlong, surrogates, beyond U+10FFFF, cut short, stray continuation, bytes that never occur. */
	static const char *const bad[] = {"\xc0\x80",
					  "\xc1\xbf",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xed\xbf\xbf",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xe2\x82",
					  "\xf0\x90\x80",
					  "\x80",
					  "\xff",
					  "\xfe\xfe",
					  "\xe2\x28\xa1"};
	char expected[64];

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(expected, sizeof(expected), "\"%s\"", good[i]);
		EXPECT_STR(escaped(good[i], strlen(good[i]), true), expected);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(expected, sizeof(expected), "%.60s", escaped(bad[i], strlen(bad[i]), false));
		EXPECT_STR(escaped(bad[i], strlen(bad[i]), true), expected);
	}
}

TEST(no_byte_beyond_a_text_is_read)
{
	for (size_t size = 0; size < 40; size++) {
		char text[40];
		uint8_t *guarded;

		memset(text, 'x', sizeof(text));
		guarded = test_guard(text, size);
		EXPECT_EQ(strlen(escaped(guarded, size, true)), size + 2);
		test_guard_free(guarded, size);
		if (size == 0)
			continue;
		/* The start of a sequence that goes on beyond the end. */
		text[size - 1] = '\xf0';
		guarded = test_guard(text, size);
		EXPECT_EQ(strlen(escaped(guarded, size, true)), size + 3);
		test_guard_free(guarded, size);
	}
}

static const char *
address_text(const uint8_t address[16], unsigned ip_version)
{
	static char out[64];

	json_init(&j, 1 << 20);
	json_ip(&j, address, ip_version);
	memcpy(out, j.text + 1, j.size - 2);
	out[j.size - 2] = '\0';
	json_fini(&j);
	return out;
}

TEST(ipv6_addresses_are_written_as_inet_ntop_does)
{
	char expected[INET6_ADDRSTRLEN];
	uint8_t address[16];
	unsigned seed = 7;

	/* All patterns of zero and other words, with three kinds of others. */
	for (unsigned pattern = 0; pattern < 3 * 256; pattern++) {
		for (unsigned i = 0; i < 8; i++) {
			unsigned word = pattern / 256 == 0   ? 0xffff
					: pattern / 256 == 1 ? (unsigned)rand_r(&seed) & 0xffff
							     : i + 1;

			word = (pattern >> i & 1) != 0 ? word : 0;
			address[2 * i] = (uint8_t)(word >> 8);
			address[2 * i + 1] = (uint8_t)word;
		}
		inet_ntop(AF_INET6, address, expected, sizeof(expected));
		EXPECT_STR(address_text(address, 6), expected);
	}
}

TEST(the_version_decides_how_a_mapped_address_is_written)
{
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 255, [13] = 0, [14] = 10, [15] = 1};

	EXPECT_STR(address_text(address, 4), "255.0.10.1");
	EXPECT_STR(address_text(address, 6), "::ffff:255.0.10.1");
	EXPECT_STR(address_text(address, 0), "255.0.10.1");
	address[0] = 0x20;
	EXPECT_STR(address_text(address, 0), "2000::ffff:ff00:a01");
}

TEST(a_text_beyond_the_limit_fails_and_the_next_one_succeeds)
{
	char *big = calloc(1, 20000);

	memset(big, 'x', 19999);
	json_init(&j, 8192);
	json_text(&j, big);
	EXPECT(j.failed);
	json_reset(&j);
	EXPECT(!j.failed);
	for (int i = 0; i < 3000; i++)
		json_u64(&j, 1234567);
	EXPECT(j.failed);
	json_reset(&j);
	json_u64(&j, 1);
	EXPECT(!j.failed);
	EXPECT_EQ(j.size, 1);
	json_fini(&j);
	free(big);
}
