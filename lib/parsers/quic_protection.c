/* Protection of Initial packets (RFC 9001 5, RFC 9369 3.3).
 *
 * Their keys follow from a salt of the version and the client's first connection id, so that anybody may read them. The
 * tag is verified: what decrypts is an Initial of this connection and nothing else, so wrong guesses (whose connection
 * id, which side) are harmless and garbage never reaches a record.
 *
 * A worker fetches AES-ECB and AES-GCM once; their contexts take new keys without a fetch or an allocation. For hashes
 * OpenSSL 3.0 has no such thing: each begin of a digest, an HMAC or an HKDF allocates. Its older SHA-256 calls do not
 * (and are as quick), so HMAC (RFC 2104) and HKDF (RFC 5869; one block of output is always enough here) are written out
 * over these. */

/* They are "deprecated". */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "quic_priv.h"

enum {
	SECRET_BYTES = 32,
	SALT_BYTES = 20,
	HMAC_BLOCK_BYTES = 64,
	INFO_BYTES_MAX = 40,
	TAG_BYTES = 16,
	SAMPLE_BYTES = 16,
	PACKET_NUMBER_BYTES_MAX = 4,
	NONCE_BYTES = 12,
};

struct quic_protection {
	EVP_CIPHER *ecb, *gcm;
	EVP_CIPHER_CTX *header, *payload;
	uint8_t plain[QUIC_DATAGRAM_BYTES_MAX];
};

/* A version's secrets: drafts number from ff000000. */
struct quic_salt {
	uint32_t first, last;
	uint8_t salt[SALT_BYTES];
	const char *key, *iv, *header;
};

#define V1_LABELS .key = "tls13 quic key", .iv = "tls13 quic iv", .header = "tls13 quic hp"
static const struct quic_salt salts[] = {
	{1,
	 1,
	 {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	  0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
	 V1_LABELS},
	{0x6b3343cf,
	 0x6b3343cf,
	 {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
	  0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
	 .key = "tls13 quicv2 key",
	 .iv = "tls13 quicv2 iv",
	 .header = "tls13 quicv2 hp"},
	{0xff00001d,
	 0xff000020,
	 {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
	  0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99},
	 V1_LABELS},
	/* drafts 23 to 28 and mvfst */
	{0,
	 0xffffffff,
	 {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
	  0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02},
	 V1_LABELS},
};

static const struct quic_salt *
salt_find(uint32_t version)
{
	const struct quic_salt *s = salts;

	while (version < s->first || version > s->last)
		s++;
	return s;
}

static bool
set_up(struct quic_protection *p)
{
	p->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	p->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	p->header = EVP_CIPHER_CTX_new();
	p->payload = EVP_CIPHER_CTX_new();
	return p->ecb != NULL && p->gcm != NULL && p->header != NULL && p->payload != NULL &&
	       EVP_EncryptInit_ex2(p->header, p->ecb, NULL, NULL, NULL) == 1 &&
	       EVP_DecryptInit_ex2(p->payload, p->gcm, NULL, NULL, NULL) == 1;
}

struct quic_protection *
quic_protection_create(void)
{
	struct quic_protection *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	if (!set_up(p)) {
		quic_protection_destroy(p);
		errno = ENOMEM;
		return NULL;
	}
	return p;
}

void
quic_protection_destroy(struct quic_protection *p)
{
	if (p == NULL)
		return;
	EVP_CIPHER_CTX_free(p->payload);
	EVP_CIPHER_CTX_free(p->header);
	EVP_CIPHER_free(p->gcm);
	EVP_CIPHER_free(p->ecb);
	free(p);
}

static void
hash(const uint8_t block[HMAC_BLOCK_BYTES], const void *text, size_t size, uint8_t out[SECRET_BYTES])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, block, HMAC_BLOCK_BYTES);
	SHA256_Update(&context, text, size);
	SHA256_Final(out, &context);
}

/* Keys are never longer than a block here. */
static void
hmac(const uint8_t *key, size_t key_bytes, const void *text, size_t size, uint8_t out[SECRET_BYTES])
{
	uint8_t inner[HMAC_BLOCK_BYTES], outer[HMAC_BLOCK_BYTES], digest[SECRET_BYTES];

	memset(inner, 0x36, sizeof(inner));
	memset(outer, 0x5c, sizeof(outer));
	for (size_t i = 0; i < key_bytes; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	hash(inner, text, size, digest);
	hash(outer, digest, sizeof(digest), out);
}

/* RFC 8446 7.1 with an empty context; 'out_bytes' at most SECRET_BYTES. */
static void
expand_label(const uint8_t secret[SECRET_BYTES], const char *label, uint8_t *out, size_t out_bytes)
{
	uint8_t info[INFO_BYTES_MAX], block[SECRET_BYTES];
	size_t length = strlen(label);

	info[0] = 0;
	info[1] = (uint8_t)out_bytes;
	info[2] = (uint8_t)length;
	memcpy(info + 3, label, length);
	info[3 + length] = 0; /* no context */
	info[4 + length] = 1; /* first block of RFC 5869 2.3 */
	hmac(secret, SECRET_BYTES, info, length + 5, block);
	memcpy(out, block, out_bytes);
}

void
quic_keys_derive(uint32_t version, const void *connection_id, size_t size, enum quic_role role, struct quic_keys *out)
{
	const struct quic_salt *s = salt_find(version);
	uint8_t initial[SECRET_BYTES], secret[SECRET_BYTES];

	hmac(s->salt, sizeof(s->salt), connection_id, size, initial);
	expand_label(initial, role == QUIC_CLIENT ? "tls13 client in" : "tls13 server in", secret, sizeof(secret));
	expand_label(secret, s->key, out->key, sizeof(out->key));
	expand_label(secret, s->iv, out->iv, sizeof(out->iv));
	expand_label(secret, s->header, out->header, sizeof(out->header));
}

/* RFC 9001 5.4.3: the mask of AES. */
static bool
header_mask(struct quic_protection *p, const struct quic_keys *keys, struct cursor protected,
	    uint8_t mask[SAMPLE_BYTES])
{
	const uint8_t *sample;
	int n = 0;

	cursor_skip(&protected, PACKET_NUMBER_BYTES_MAX);
	sample = cursor_take(&protected, SAMPLE_BYTES);
	return sample != NULL && EVP_EncryptInit_ex2(p->header, NULL, keys->header, NULL, NULL) == 1 &&
	       EVP_EncryptUpdate(p->header, mask, &n, sample, SAMPLE_BYTES) == 1 && n == SAMPLE_BYTES;
}

/* AEAD_AES_128_GCM with the header as associated data, which comes in pieces: its two protected parts are copies. */
static bool
open_payload(struct quic_protection *p, const struct quic_keys *keys, const uint8_t nonce[NONCE_BYTES],
	     const struct cursor aad[3], struct cursor sealed, struct cursor *plain)
{
	size_t size = cursor_left(&sealed) - TAG_BYTES;
	struct cursor text = cursor_sub(&sealed, size);
	uint8_t tag[TAG_BYTES];
	int n = 0;

	memcpy(tag, cursor_take(&sealed, TAG_BYTES), TAG_BYTES);
	if (EVP_DecryptInit_ex2(p->payload, NULL, keys->key, nonce, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(p->payload, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1)
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (EVP_DecryptUpdate(p->payload, NULL, &n, aad[i].p, (int)cursor_left(&aad[i])) != 1)
			return false;
	if (EVP_DecryptUpdate(p->payload, p->plain, &n, text.p, (int)size) != 1 ||
	    EVP_DecryptFinal_ex(p->payload, p->plain + n, &n) != 1)
		return false;
	*plain = cursor_make(p->plain, size);
	return true;
}

bool
quic_unprotect(struct quic_protection *p, const struct quic_keys *keys, struct cursor header, struct cursor protected,
	       struct cursor *plain)
{
	uint8_t mask[SAMPLE_BYTES], first, number[PACKET_NUMBER_BYTES_MAX], nonce[NONCE_BYTES];
	struct cursor aad[3];
	unsigned number_bytes;

	if (!header_mask(p, keys, protected, mask))
		return false;
	first = cursor_u8(&header) ^ (mask[0] & 0x0f);
	number_bytes = (first & 3) + 1U;
	memcpy(nonce, keys->iv, sizeof(nonce));
	/* An Initial's packet number is small: what is cut from it (RFC 9000 17.1) are zeroes. */
	for (unsigned i = 0; i < number_bytes; i++) {
		number[i] = cursor_u8(&protected) ^ mask[1 + i];
		nonce[NONCE_BYTES - number_bytes + i] ^= number[i];
	}
	if (cursor_left(&protected) < TAG_BYTES || cursor_left(&protected) > sizeof(p->plain))
		return false;
	aad[0] = cursor_make(&first, 1);
	aad[1] = header;
	aad[2] = cursor_make(number, number_bytes);
	return open_payload(p, keys, nonce, aad, protected, plain);
}
