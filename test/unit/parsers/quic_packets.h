/* Initial packets as a client or a server sends them (RFC 9001 5), for the tests of QUIC. */
#ifndef QUIC_PACKETS_H
#define QUIC_PACKETS_H

#include <stdlib.h>

#include <openssl/evp.h>

#include "quic_priv.h"

enum { PACKETS_V1 = 1, PACKETS_V2 = 0x6b3343cf, PACKETS_PADDED = 1200 };

/* Bytes that grow at their end. */
struct bytes {
	uint8_t at[16384];
	size_t n;
};

static inline void
put(struct bytes *b, const void *bytes, size_t n)
{
	if (b->n + n > sizeof(b->at))
		abort();
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static inline void
put_number(struct bytes *b, uint64_t value, unsigned size)
{
	for (unsigned i = size; i-- > 0;)
		put(b, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* RFC 9000 16, in the size that was asked for (1, 2, 4, 8). */
static inline void
put_varint(struct bytes *b, uint64_t value, unsigned size)
{
	static const uint8_t prefix[] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};

	put_number(b, value | (uint64_t)prefix[size] << (8 * size - 2), size);
}

static inline void
put_crypto(struct bytes *frames, uint64_t offset, const uint8_t *data, size_t n)
{
	put_number(frames, 6, 1);
	put_varint(frames, offset, 8);
	put_varint(frames, n, 4);
	put(frames, data, n);
}

/* A handshake message. 'filler' makes it longer by an extension that means nothing. */
static inline struct bytes
client_hello(const char *host, size_t filler)
{
	struct bytes m = {.n = 0};
	size_t n = strlen(host), extensions = 9 + n + (filler > 0 ? 4 + filler : 0);

	put_number(&m, 1, 1);
	put_number(&m, 2 + 32 + 1 + 4 + 2 + 2 + extensions, 3);
	put_number(&m, 0x0303, 2);
	for (unsigned i = 0; i < 32; i++)
		put_number(&m, i, 1);
	put_number(&m, 0, 1);
	put_number(&m, 0x0002, 2);
	put_number(&m, 0x1301, 2);
	put_number(&m, 0x0100, 2);
	put_number(&m, extensions, 2);
	put_number(&m, 0, 2);
	put_number(&m, n + 5, 2);
	put_number(&m, n + 3, 2);
	put_number(&m, 0, 1);
	put_number(&m, n, 2);
	put(&m, host, n);
	if (filler > 0) {
		put_number(&m, 0xeeee, 2);
		put_number(&m, filler, 2);
		for (size_t i = 0; i < filler; i++)
			put_number(&m, i, 1);
	}
	return m;
}

static inline struct bytes
server_hello(void)
{
	struct bytes m = {.n = 0};

	put_number(&m, 2, 1);
	put_number(&m, 2 + 32 + 1 + 2 + 1 + 2 + 6, 3);
	put_number(&m, 0x0303, 2);
	for (unsigned i = 0; i < 32; i++)
		put_number(&m, 64 + i, 1);
	put_number(&m, 0, 1);
	put_number(&m, 0x1301, 2);
	put_number(&m, 0, 1);
	put_number(&m, 6, 2);
	put_number(&m, 0x002b, 2);
	put_number(&m, 2, 2);
	put_number(&m, 0x0304, 2);
	return m;
}

struct packet_of {
	uint32_t version;
	enum quic_role role;
	const char *keys_from;	   /* connection id whose keys are used */
	const char *connection_id; /* that it is sent to; NULL: keys_from */
	uint32_t number;
	const char *token;
	unsigned bad_tag;
};

/* Appends an Initial with these frames to a datagram. The frames are padded until the datagram has 'size' bytes. */
static inline void
put_initial(struct bytes *datagram, const struct packet_of *p, const struct bytes *frames, size_t size)
{
	const char *to = p->connection_id != NULL ? p->connection_id : p->keys_from;
	size_t start = datagram->n, n = frames->n, number_at, token = p->token != NULL ? strlen(p->token) : 0;
	size_t header = 1 + 4 + 1 + strlen(to) + 1 + 1 + token + 4 + 4;
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	struct quic_keys keys;
	uint8_t plain[16384] = {0}, nonce[12], mask[16], tag[16];
	int written;

	if (start + header + n + 16 < size)
		n = size - start - header - 16;
	if (n > sizeof(plain))
		abort();
	quic_keys_derive(p->version, p->keys_from, strlen(p->keys_from), p->role, &keys);
	memcpy(plain, frames->at, frames->n);
	put_number(datagram, p->version == PACKETS_V2 ? 0xd3 : 0xc3, 1);
	put_number(datagram, p->version, 4);
	put_number(datagram, strlen(to), 1);
	put(datagram, to, strlen(to));
	put_number(datagram, 0, 1);
	put_varint(datagram, token, 1);
	put(datagram, p->token != NULL ? p->token : "", token);
	put_varint(datagram, 4 + n + 16, 4);
	number_at = datagram->n;
	put_number(datagram, p->number, 4);

	memcpy(nonce, keys.iv, sizeof(nonce));
	for (unsigned i = 0; i < 4; i++)
		nonce[8 + i] ^= datagram->at[number_at + i];
	EVP_EncryptInit_ex2(cipher, EVP_aes_128_gcm(), keys.key, nonce, NULL);
	EVP_EncryptUpdate(cipher, NULL, &written, datagram->at + start, (int)(datagram->n - start));
	put(datagram, plain, n);
	EVP_EncryptUpdate(cipher, datagram->at + datagram->n - n, &written, plain, (int)n);
	EVP_EncryptFinal_ex(cipher, plain, &written);
	EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, tag);
	tag[0] ^= (uint8_t)p->bad_tag;
	put(datagram, tag, 16);

	EVP_CIPHER_CTX_reset(cipher);
	EVP_EncryptInit_ex2(cipher, EVP_aes_128_ecb(), keys.header, NULL, NULL);
	EVP_EncryptUpdate(cipher, mask, &written, datagram->at + number_at + 4, 16);
	datagram->at[start] ^= mask[0] & 0x0f;
	for (unsigned i = 0; i < 4; i++)
		datagram->at[number_at + i] ^= mask[1 + i];
	EVP_CIPHER_CTX_free(cipher);
}

/* A datagram of one Initial. */
static inline struct bytes
initial(const struct packet_of *p, const struct bytes *frames)
{
	struct bytes datagram = {.n = 0};

	put_initial(&datagram, p, frames, PACKETS_PADDED);
	return datagram;
}

#endif
