/* Header texts with encoded words (RFC 2047) as UTF-8. */
#ifndef ENCODED_WORDS_H
#define ENCODED_WORDS_H

#include "charset.h"
#include "cursor.h"

enum { ENCODED_WORDS_TEXT_MAX = 4095 };

struct encoded_words {
	struct charsets *charsets;
	char text[ENCODED_WORDS_TEXT_MAX];
	char word[16384]; /* one word's bytes, before its charset is converted */
};

/* The decoded text, valid until the next call: cut at ENCODED_WORDS_TEXT_MAX bytes; what cannot be decoded is the text
 * as it came, and a result that is not UTF-8 is "Error Decoding". */
struct cursor encoded_words_decode(struct encoded_words *, struct cursor text);

#endif
