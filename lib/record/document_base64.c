/* Base64 (RFC 4648 4 and 5), padded. */
#include "document_priv.h"

char *
base64_put(char *out, const uint8_t *bytes, size_t size, bool url)
{
	static const char alphabets[2][65] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	};
	const char *alphabet = alphabets[url];

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t word = (uint32_t)bytes[i] << 16;

		word |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		word |= left > 2 ? bytes[i + 2] : 0;
		out[0] = alphabet[word >> 18];
		out[1] = alphabet[word >> 12 & 63];
		out[2] = left > 1 ? alphabet[word >> 6 & 63] : '=';
		out[3] = left > 2 ? alphabet[word & 63] : '=';
		out += 4;
	}
	return out;
}
