/* Base64 (RFC 4648 4 and 5), padded. */
#include "base64.h"

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
