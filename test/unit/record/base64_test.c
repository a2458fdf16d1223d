/* Base64: the test vectors of RFC 4648 10, and words against bytes. */
#include "base64.h"

#include <string.h>

#include "test.h"

static const char *
encoded(const char *text, bool url)
{
	static char out[64];

	*base64_put(out, (const uint8_t *)text, strlen(text), url) = '\0';
	return out;
}

TEST(base64_of_the_test_vectors)
{
	EXPECT_STR(encoded("", false), "");
	EXPECT_STR(encoded("f", false), "Zg==");
	EXPECT_STR(encoded("fo", false), "Zm8=");
	EXPECT_STR(encoded("foo", false), "Zm9v");
	EXPECT_STR(encoded("foob", false), "Zm9vYg==");
	EXPECT_STR(encoded("fooba", false), "Zm9vYmE=");
	EXPECT_STR(encoded("foobar", false), "Zm9vYmFy");
	EXPECT_STR(encoded("\xfb\xff\xbf", false), "+/+/");
	EXPECT_STR(encoded("\xfb\xff\xbf", true), "-_-_");
}

/* Every character in every place. */
TEST(base64_of_words_is_that_of_their_bytes)
{
	for (unsigned value = 0; value < 64 * 64; value++) {
		uint8_t bytes[24];
		uint64_t word[3];
		char expected[33], out[33] = "";

		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(value * 0x9e3779b1U >> (i % 4 * 8) ^ i * (value >> 4));
		memcpy(word, bytes, sizeof(word));
		for (unsigned url = 0; url < 2; url++) {
			*base64_put(expected, bytes, sizeof(bytes), url != 0) = '\0';
			base64_put_words(out, word, url != 0);
			EXPECT_STR(out, expected);
		}
	}
}
