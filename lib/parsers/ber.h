/* ASN.1 BER and DER, as much as parsers need of it (X.690 8.1; the clipping rules: PARSERS.md 0.3).
 *
 * Threads: pure functions. Errors: a malformed header makes ber_next() false and the cursor bad; a length beyond the
 * bytes is clipped to them and 'clipped' says so. Bounds: no recursion, the caller walks. */
#ifndef BER_H
#define BER_H

#include "cursor.h"

enum ber_tag {
	BER_BOOLEAN = 1,
	BER_INTEGER = 2,
	BER_BIT_STRING = 3,
	BER_OCTET_STRING = 4,
	BER_OID = 6,
	BER_UTF8_STRING = 12,
	BER_SEQUENCE = 16,
	BER_SET = 17,
	BER_PRINTABLE_STRING = 19,
	BER_TELETEX_STRING = 20,
	BER_IA5_STRING = 22,
	BER_UTC_TIME = 23,
	BER_GENERALIZED_TIME = 24,
	BER_BMP_STRING = 30,
};
enum { BER_OID_TEXT_MAX = 256 };

struct ber_element {
	uint32_t tag;	    /* number; its class is in 'identifier' */
	uint8_t identifier; /* the first byte as it stands */
	bool constructed;
	bool clipped;
	struct cursor value;
};

/* False: nothing left, or malformed (then cursor_bad(c)). */
bool ber_next(struct cursor *c, struct ber_element *);

/* Up to 'max' elements of a sequence; unwraps a constructed tag 16 first when 'c' begins with one and 'unwrap' is set
 * (anything else: 0). Returns how many. */
unsigned ber_sequence(struct cursor c, bool unwrap, struct ber_element *out, unsigned max);

/* Content of a primitive element; of a constructed one, the content of its first inner element. */
struct cursor ber_string(const struct ber_element *);
/* 1 to 4 bytes, big-endian; -1 for other lengths (PARSERS.md 0.3: with four bytes and the top bit set negative). */
int32_t ber_int(const struct ber_element *);
/* Dotted text, NUL-terminated, cut when it does not fit; the number of characters. Decoding stops at 64-bit overflow.
 */
size_t ber_oid_text(struct cursor oid, char *out, size_t size);
/* Seconds since 1970 of UTCTime or GeneralizedTime; negative results are 0 and set *pre_epoch. False: malformed. */
bool ber_time(const struct ber_element *, uint64_t *seconds, bool *pre_epoch);

/* Identifier and length of an element whose bytes may still come: streams are cut into messages with it. Only what such
 * messages have: an identifier of one byte, a definite length of up to four. */
enum ber_header { BER_HEADER_OK, BER_HEADER_MORE, BER_HEADER_BAD };
enum ber_header ber_header(struct cursor *c, uint8_t *identifier, uint32_t *length);

#endif
