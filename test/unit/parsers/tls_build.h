/* TLS messages and certificates for tests, one after the other into one buffer. */
#ifndef TLS_BUILD_H
#define TLS_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_BYTES_MAX = 4 * 1024 * 1024 };
struct build {
	uint8_t *bytes; /* BUILD_BYTES_MAX */
	size_t size;
};

static inline struct build
build_create(void)
{
	return (struct build){.bytes = malloc(BUILD_BYTES_MAX)};
}

static inline void
build_destroy(struct build *b)
{
	free(b->bytes);
}

static inline void
put(struct build *b, const void *bytes, size_t size)
{
	memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
}

static inline void
put_number(struct build *b, uint64_t value, unsigned width)
{
	while (width-- > 0)
		b->bytes[b->size++] = (uint8_t)(value >> (8 * width));
}

static inline void
put_text(struct build *b, const char *text)
{
	put(b, text, strlen(text));
}

/* A length of 'width' bytes that is filled in by length_end(). */
struct length {
	size_t at;
	unsigned width;
};

static inline struct length
length_begin(struct build *b, unsigned width)
{
	struct length l = {b->size, width};

	b->size += width;
	return l;
}

static inline void
length_end(struct build *b, struct length l)
{
	uint64_t value = b->size - l.at - l.width;

	for (unsigned i = 0; i < l.width; i++)
		b->bytes[l.at + i] = (uint8_t)(value >> (8 * (l.width - 1 - i)));
}

/* ---- DER, with lengths of three bytes, which readers have to take as they come. */

static inline struct length
der_begin(struct build *b, uint8_t tag)
{
	b->bytes[b->size++] = tag;
	b->bytes[b->size++] = 0x83;
	return length_begin(b, 3);
}

static inline void
der_bytes(struct build *b, uint8_t tag, const void *bytes, size_t size)
{
	struct length l = der_begin(b, tag);

	put(b, bytes, size);
	length_end(b, l);
}

static inline void
der_text(struct build *b, uint8_t tag, const char *text)
{
	der_bytes(b, tag, text, strlen(text));
}

/* What a certificate of a test says; zero and NULL: left out, or something harmless. */
struct certificate_says {
	const char *serial; /* bytes as text; NULL: "\x01" */
	const char *issuer_common, *issuer_organisation, *subject_common, *subject_organisation, *subject_unit;
	uint8_t name_tag; /* 0: UTF8String */
	const char *alternative;
	unsigned n_alternatives; /* the same one many times; 0: once */
	const char *not_before, *not_after;
	uint8_t key_usage;
	unsigned depth; /* of sequences in an extension that nobody knows */
};

static inline void
der_attribute(struct build *b, uint8_t type, uint8_t tag, const char *text)
{
	const uint8_t oid[] = {0x55, 0x04, type};
	struct length set, pair;

	if (text == NULL)
		return;
	set = der_begin(b, 0x31);
	pair = der_begin(b, 0x30);
	der_bytes(b, 0x06, oid, sizeof(oid));
	der_text(b, tag != 0 ? tag : 0x0c, text);
	length_end(b, pair);
	length_end(b, set);
}

static inline void
der_extension(struct build *b, uint8_t id, const struct certificate_says *says)
{
	const uint8_t oid[] = {0x55, 0x1d, id}, bits[] = {0, says->key_usage};
	struct length pair = der_begin(b, 0x30), value, names;

	der_bytes(b, 0x06, oid, sizeof(oid));
	der_bytes(b, 0x01, "\xff", 1);
	value = der_begin(b, 0x04);
	if (id == 0x0f) {
		der_bytes(b, 0x03, bits, sizeof(bits));
	} else {
		names = der_begin(b, 0x30);
		for (unsigned i = 0; id == 0x11 && i < (says->n_alternatives > 0 ? says->n_alternatives : 1); i++)
			der_text(b, 0x82, says->alternative);
		length_end(b, names);
	}
	length_end(b, value);
	length_end(b, pair);
}

static inline void
der_deep_extension(struct build *b, unsigned depth)
{
	const uint8_t oid[] = {0x55, 0x1d, 0x63};
	struct length pair = der_begin(b, 0x30), value;

	der_bytes(b, 0x06, oid, sizeof(oid));
	value = der_begin(b, 0x04);
	for (unsigned i = depth; i > 0; i--) {
		b->bytes[b->size++] = 0x30;
		b->bytes[b->size++] = 0x83;
		put_number(b, 5 * (i - 1), 3);
	}
	length_end(b, value);
	length_end(b, pair);
}

static inline void
der_certificate(struct build *b, const struct certificate_says *says)
{
	static const uint8_t rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
	struct length whole = der_begin(b, 0x30), part = der_begin(b, 0x30), l, inner;

	l = der_begin(b, 0xa0);
	der_bytes(b, 0x02, "\x02", 1);
	length_end(b, l);
	der_text(b, 0x02, says->serial != NULL ? says->serial : "\x01");
	l = der_begin(b, 0x30);
	der_bytes(b, 0x06, rsa, sizeof(rsa));
	length_end(b, l);
	l = der_begin(b, 0x30);
	der_attribute(b, 3, says->name_tag, says->issuer_common);
	der_attribute(b, 10, says->name_tag, says->issuer_organisation);
	length_end(b, l);
	l = der_begin(b, 0x30);
	der_text(b, 0x17, says->not_before != NULL ? says->not_before : "700101000000Z");
	der_text(b, 0x17, says->not_after != NULL ? says->not_after : "700201000000Z");
	length_end(b, l);
	l = der_begin(b, 0x30);
	der_attribute(b, 3, says->name_tag, says->subject_common);
	der_attribute(b, 10, says->name_tag, says->subject_organisation);
	der_attribute(b, 11, says->name_tag, says->subject_unit);
	length_end(b, l);
	l = der_begin(b, 0x30);
	inner = der_begin(b, 0x30);
	der_bytes(b, 0x06, rsa, sizeof(rsa));
	der_bytes(b, 0x05, "", 0);
	length_end(b, inner);
	der_bytes(b, 0x03, "\0key", 4);
	length_end(b, l);
	l = der_begin(b, 0xa3);
	inner = der_begin(b, 0x30);
	if (says->key_usage != 0)
		der_extension(b, 0x0f, says);
	if (says->alternative != NULL)
		der_extension(b, 0x11, says);
	if (says->depth > 0)
		der_deep_extension(b, says->depth);
	length_end(b, inner);
	length_end(b, l);
	length_end(b, part);
	length_end(b, whole);
}

/* ---- TLS */

/* What a ClientHello says. */
struct hello_says {
	const char *host, *alpn;
	unsigned n_ciphers;    /* 0: one; codes from 0x0001 */
	unsigned n_extensions; /* empty ones, numbers from 0x4000 */
	unsigned padding;      /* bytes of an extension 21; 0: none */
	bool with_grease;
};

static inline void
hello_extensions(struct build *b, const struct hello_says *says)
{
	struct length whole, list, name;

	if (says->with_grease)
		put_number(b, 0x0a0a0000, 4);
	if (says->host != NULL) {
		put_number(b, 0, 2);
		whole = length_begin(b, 2);
		list = length_begin(b, 2);
		put_number(b, 0, 1);
		name = length_begin(b, 2);
		put_text(b, says->host);
		length_end(b, name);
		length_end(b, list);
		length_end(b, whole);
	}
	if (says->alpn != NULL) {
		put_number(b, 16, 2);
		whole = length_begin(b, 2);
		list = length_begin(b, 2);
		name = length_begin(b, 1);
		put_text(b, says->alpn);
		length_end(b, name);
		length_end(b, list);
		length_end(b, whole);
	}
	for (unsigned i = 0; i < says->n_extensions; i++)
		put_number(b, (uint64_t)(0x4000 + i) << 16, 4);
	if (says->padding > 0) {
		put_number(b, 21, 2);
		whole = length_begin(b, 2);
		memset(b->bytes + b->size, 0, says->padding);
		b->size += says->padding;
		length_end(b, whole);
	}
}

/* With its handshake header. */
static inline void
put_client_hello(struct build *b, const struct hello_says *says)
{
	struct length message, l;

	put_number(b, 1, 1);
	message = length_begin(b, 3);
	put_number(b, 0x0303, 2);
	memset(b->bytes + b->size, 0x55, 32);
	b->size += 32;
	put_number(b, 0, 1);
	l = length_begin(b, 2);
	if (says->with_grease)
		put_number(b, 0x1a1a, 2);
	for (unsigned i = 0; i < (says->n_ciphers > 0 ? says->n_ciphers : 1); i++)
		put_number(b, i + 1, 2);
	length_end(b, l);
	put_number(b, 0x0100, 2);
	l = length_begin(b, 2);
	hello_extensions(b, says);
	length_end(b, l);
	length_end(b, message);
}

static inline void
put_server_hello(struct build *b, uint16_t version, uint16_t cipher)
{
	struct length message;

	put_number(b, 2, 1);
	message = length_begin(b, 3);
	put_number(b, version, 2);
	memset(b->bytes + b->size, 0x66, 32);
	b->size += 32;
	put_number(b, 0, 1);
	put_number(b, cipher, 2);
	put_number(b, 0, 1);
	length_end(b, message);
}

/* A Certificate message of these. */
static inline void
put_certificates(struct build *b, const struct certificate_says *says, unsigned n)
{
	struct length message, list, one;

	put_number(b, 11, 1);
	message = length_begin(b, 3);
	list = length_begin(b, 3);
	for (unsigned i = 0; i < n; i++) {
		one = length_begin(b, 3);
		der_certificate(b, &says[i]);
		length_end(b, one);
	}
	length_end(b, list);
	length_end(b, message);
}

/* 'messages' in records of at most 'record_bytes'. */
static inline void
put_records(struct build *b, const struct build *messages, size_t record_bytes)
{
	for (size_t at = 0; at < messages->size;) {
		size_t size = messages->size - at < record_bytes ? messages->size - at : record_bytes;

		put_number(b, 0x160303, 3);
		put_number(b, size, 2);
		put(b, messages->bytes + at, size);
		at += size;
	}
}

#endif
