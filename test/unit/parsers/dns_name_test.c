#include "dns_priv.h"
#include "test.h"

static struct dns_name name;

static enum dns_name_result
read_at(const void *bytes, size_t size, size_t offset, size_t *behind)
{
	uint8_t *message = test_guard(bytes, size);
	struct cursor whole = cursor_make(message, size), at = whole;
	enum dns_name_result result;

	cursor_skip(&at, offset);
	result = dns_name_read(&name, whole, &at);
	*behind = size - cursor_left(&at);
	test_guard_free(message, size);
	return result;
}

#define READ(literal, offset, behind) read_at((literal), sizeof(literal) - 1, (offset), (behind))

static const char *
text(void)
{
	static char copy[DNS_UNICODE_BYTES_MAX + 1];

	if (!dns_name_convert(&name))
		return NULL;
	snprintf(copy, sizeof(copy), "%.*s", (int)name.size, name.text);
	return copy;
}

TEST(labels_are_joined_by_dots_in_lower_case)
{
	size_t behind;

	EXPECT_EQ(READ("\3WwW\7Example\3com\0rest", 0, &behind), DNS_NAME_OK);
	EXPECT_EQ(behind, 17);
	EXPECT_STR(text(), "www.example.com");
	EXPECT(!name.is_root);
	EXPECT(!name.is_ace);
}

TEST(the_root_has_a_name_of_its_own)
{
	size_t behind;

	EXPECT_EQ(READ("\0", 0, &behind), DNS_NAME_OK);
	EXPECT_EQ(behind, 1);
	EXPECT_STR(text(), "<root>");
	EXPECT(name.is_root);
}

TEST(a_pointer_ends_the_name_where_it_stands)
{
	size_t behind;

	EXPECT_EQ(READ("\3com\0\7example\xc0\0!", 5, &behind), DNS_NAME_OK);
	EXPECT_EQ(behind, 15);
	EXPECT_STR(text(), "example.com");
}

TEST(bytes_that_do_not_print_are_spelled_out)
{
	size_t behind;

	EXPECT_EQ(READ("\7\1\x7f\xe9\x81\xff \\\0", 0, &behind), DNS_NAME_OK);
	EXPECT_STR(text(), "^a^?m-im-^am-^? \\");
}

TEST(every_truncation_of_a_name_is_broken)
{
	static const char bytes[] = "\3www\7example\xc0\x10\0\0\3com";
	size_t behind;

	for (size_t size = 0; size < sizeof(bytes); size++) {
		enum dns_name_result result = read_at(bytes, size, 0, &behind);

		EXPECT_EQ(result, size < sizeof(bytes) ? DNS_NAME_BROKEN : DNS_NAME_OK);
		EXPECT(behind <= size);
	}
	EXPECT_EQ(read_at(bytes, sizeof(bytes), 0, &behind), DNS_NAME_OK);
	EXPECT_STR(text(), "www.example.com");
}

TEST(labels_of_other_kinds_and_pointers_to_nowhere_are_broken)
{
	size_t behind;

	EXPECT_EQ(READ("\x41"
		       "a\0",
		       0, &behind),
		  DNS_NAME_BROKEN);
	EXPECT_EQ(READ("\x81"
		       "a\0",
		       0, &behind),
		  DNS_NAME_BROKEN);
	EXPECT_EQ(READ("\1a\xff\xff\0", 0, &behind), DNS_NAME_BROKEN);
	EXPECT_EQ(READ("\1a\xc0", 0, &behind), DNS_NAME_BROKEN);
}

TEST(ten_pointers_are_followed_and_eleven_are_a_loop)
{
	uint8_t bytes[64] = {[0] = 1, [1] = 'a'};
	size_t behind;

	for (unsigned i = 0; i < 12; i++) {
		bytes[3 + 2 * i] = 0xc0;
		bytes[4 + 2 * i] = (uint8_t)(i == 0 ? 0 : 1 + 2 * i);
	}
	EXPECT_EQ(read_at(bytes, sizeof(bytes), 3 + 2 * 9, &behind), DNS_NAME_OK);
	EXPECT_STR(text(), "a");
	EXPECT_EQ(behind, 3 + 2 * 9 + 2);
	EXPECT_EQ(read_at(bytes, sizeof(bytes), 3 + 2 * 10, &behind), DNS_NAME_LOOP);
	EXPECT_EQ(READ("\1a\xc0\0", 0, &behind), DNS_NAME_LOOP);
	EXPECT_EQ(READ("\xc0\0", 0, &behind), DNS_NAME_LOOP);
}

TEST(a_name_that_is_too_long_is_passed_over_and_not_converted)
{
	static uint8_t bytes[65536];
	size_t behind;

	memset(bytes, 1, sizeof(bytes));
	bytes[60001] = 0;
	EXPECT_EQ(read_at(bytes, sizeof(bytes), 1, &behind), DNS_NAME_OK);
	EXPECT_EQ(behind, 60002);
	EXPECT(name.is_too_long);
	EXPECT(text() == NULL);
	EXPECT_EQ(name.raw_size, DNS_NAME_TEXT_MAX);
}

TEST(names_of_the_length_that_the_protocol_allows_are_converted)
{
	uint8_t bytes[255];
	size_t behind;

	memset(bytes, 0x81, sizeof(bytes));
	bytes[0] = bytes[64] = bytes[128] = 63;
	bytes[192] = 61;
	bytes[254] = 0;
	EXPECT_EQ(read_at(bytes, sizeof(bytes), 0, &behind), DNS_NAME_OK);
	EXPECT(!name.is_too_long);
	REQUIRE(dns_name_convert(&name));
	EXPECT_EQ(name.size, (63 * 3 + 61) * 4 + 3);
}

TEST(only_a_dot_of_the_last_label_itself_is_cut)
{
	size_t behind;

	EXPECT_EQ(READ("\2a.\2b.\0", 0, &behind), DNS_NAME_OK);
	EXPECT_STR(text(), "a..b");
	EXPECT_EQ(READ("\1.\0", 0, &behind), DNS_NAME_OK);
	EXPECT_STR(text(), "<root>");
	EXPECT(name.is_root);
}

TEST(international_labels_become_characters)
{
	size_t behind;

	EXPECT_EQ(READ("\3www\x0dXN--BCHER-KVA\7example\0", 0, &behind), DNS_NAME_OK);
	EXPECT(name.is_ace);
	EXPECT_STR(text(), "www.b\xc3\xbc"
			   "cher.example");
	EXPECT_EQ(name.raw_size, 25);
	EXPECT(memcmp(name.raw, "www.xn--bcher-kva.example", 25) == 0);
	EXPECT_EQ(READ("\7xn--a-b\0", 0, &behind), DNS_NAME_OK);
	EXPECT(text() == NULL);
}

static const char *
decoded(const char *label)
{
	static char out[4 * DNS_LABEL_TEXT_MAX + 1];
	uint8_t *guarded = test_guard(label, strlen(label));
	size_t size = 0;
	bool ok = dns_punycode_decode((const char *)guarded, strlen(label), out, &size);

	test_guard_free(guarded, strlen(label));
	out[size] = '\0';
	return ok ? out : NULL;
}

/* The first three: RFC 3492, 7.1 (B), (M) and (S). */
TEST(punycode_is_decoded)
{
	EXPECT_STR(decoded("ihqwcrb4cv8a8dqg056pqjye"), "\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88"
							"\xe4\xb8\x8d\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87");
	EXPECT_STR(decoded("Hello-Another-Way--fc4qua05auwb3674vfr0b"),
		   "Hello-Another-Way-\xe3\x81\x9d\xe3\x82\x8c\xe3\x81\x9e\xe3\x82\x8c\xe3\x81\xae\xe5\xa0\xb4"
		   "\xe6\x89\x80");
	EXPECT_STR(decoded("-> $1.00 <--"), "-> $1.00 <-");
	EXPECT_STR(decoded("tda"), "\xc3\xbc");
	EXPECT_STR(decoded("TDA"), "\xc3\xbc");
	EXPECT_STR(decoded("a-vf2i"), "\xf0\x90\x8d\x88"
				      "a");
	EXPECT_STR(decoded("dn32g"), "\xf4\x8f\xbf\xbf");
	EXPECT_STR(decoded(""), "");
}

TEST(punycode_of_no_character_is_refused)
{
	EXPECT(decoded("ib9b") == NULL);	   /* U+D800 */
	EXPECT(decoded("en32g") == NULL);	   /* U+110000 */
	EXPECT(decoded("99999999999999") == NULL); /* more than 32 bits */
	EXPECT(decoded("a-zzzzzzzzzzzz") == NULL); /* never ends */
	EXPECT(decoded("a-b!") == NULL);
	EXPECT(decoded("a-b") == NULL);
}

TEST(punycode_of_more_than_a_label_is_refused)
{
	char label[DNS_LABEL_TEXT_MAX + 2];

	memset(label, 'a', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	EXPECT(decoded(label) == NULL);
	label[sizeof(label) - 2] = '\0';
	EXPECT(decoded(label) != NULL);
}
