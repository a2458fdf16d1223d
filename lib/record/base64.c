/* Base64 (RFC 4648 4 and 5), padded.
 *
 * Where the CPU can shuffle bytes, twelve of them become sixteen characters at once: an id of a record and its hash are
 * twenty bytes each, one by one a tenth of a document's time. The six bits of each character are moved to a byte of
 * their own by multiplications, and what has to be added to make a character of them depends only on the range in
 * which they lie. */
#include "base64.h"

#include <string.h>

#ifdef __SSSE3__
#include <immintrin.h>
#endif

char *
base64_put(char *out, const uint8_t *bytes, size_t size, bool url)
{
	static const char alphabets[2][65] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	};
	const char *alphabet = alphabets[url];

	for (; size >= 3; size -= 3, bytes += 3, out += 4) {
		uint32_t word = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];

		out[0] = alphabet[word >> 18];
		out[1] = alphabet[word >> 12 & 63];
		out[2] = alphabet[word >> 6 & 63];
		out[3] = alphabet[word & 63];
	}
	if (size > 0) {
		uint32_t word = (uint32_t)bytes[0] << 16 | (size > 1 ? (uint32_t)bytes[1] << 8 : 0);

		out[0] = alphabet[word >> 18];
		out[1] = alphabet[word >> 12 & 63];
		out[2] = size > 1 ? alphabet[word >> 6 & 63] : '=';
		out[3] = '=';
		out += 4;
	}
	return out;
}

#ifdef __SSSE3__
/* Of the sixteen bytes the first twelve count. */
static inline void
put_block(char *out, __m128i bytes, bool url)
{
	const __m128i order = _mm_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1);
	const char digit = '0' - 52, last[2] = {(char)((url ? '-' : '+') - 62), (char)((url ? '_' : '/') - 63)};
	const __m128i to_character = _mm_setr_epi8('a' - 26, digit, digit, digit, digit, digit, digit, digit, digit,
						   digit, digit, last[0], last[1], 'A', 0, 0);
	__m128i in = _mm_shuffle_epi8(bytes, order);
	__m128i odd = _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
	__m128i even = _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
	__m128i six = _mm_or_si128(odd, even);
	/* 0: lower case, 1 to 10: digits, 11 and 12: the last two, 13: upper case. */
	__m128i range = _mm_or_si128(_mm_subs_epu8(six, _mm_set1_epi8(51)),
				     _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), six), _mm_set1_epi8(13)));

	_mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi8(six, _mm_shuffle_epi8(to_character, range)));
}

void
base64_put_words(char out[32], const uint64_t word[3], bool url)
{
	put_block(out, _mm_set_epi64x((long long)word[1], (long long)word[0]), url);
	put_block(out + 16, _mm_set_epi64x((long long)(word[2] >> 32), (long long)(word[1] >> 32 | word[2] << 32)),
		  url);
}
#else
void
base64_put_words(char out[32], const uint64_t word[3], bool url)
{
	uint8_t bytes[24];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(word[i / 8] >> 8 * (i % 8));
	base64_put(out, bytes, sizeof(bytes), url);
}
#endif
