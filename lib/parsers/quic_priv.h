/* QUIC's parts: see quic.c. */
#ifndef QUIC_PRIV_H
#define QUIC_PRIV_H

#include "parser.h"

enum { QUIC_HOST, QUIC_HOST_TOKENS, QUIC_USERAGENT, QUIC_VERSION };
enum { QUIC_CALL_CLIENT_HELLO, QUIC_CALL_SERVER_HELLO };

enum {
	QUIC_CONNECTION_ID_MAX = 20,	/* RFC 9000 17.2 */
	QUIC_CRYPTO_BYTES_MAX = 16384,	/* of one direction's CRYPTO stream: what a hello may take */
	QUIC_DATAGRAM_BYTES_MAX = 9216, /* with Initials inside; more than any path carries but jumbo frames' */
};

/* RFC 9000 16. */
static inline uint64_t
quic_varint(struct cursor *c)
{
	unsigned size = 1U << (cursor_peek(c, 0) >> 6);
	const uint8_t *p = cursor_take(c, size);
	uint64_t value;

	if (p == NULL)
		return 0;
	value = p[0] & 0x3f;
	for (unsigned i = 1; i < size; i++)
		value = value << 8 | p[i];
	return value;
}

/* ---- quic_google.c: QUIC crypto of Google, and Facebook's Zero protocol, which speaks it over TCP */

/* A CHLO from its tag on; adds what it says. False: it is none, or it is cut. */
bool quic_chlo(struct shrike_ctx *, struct cursor in);
enum shrike_verdict quic_google_parse(struct shrike_ctx *, struct cursor datagram);    /* versions 24 to 45 */
enum shrike_verdict quic_google_46_parse(struct shrike_ctx *, struct cursor datagram); /* 46 to 48 */

/* ---- quic_crypto.c: the bytes of CRYPTO frames in order */

/* Zeroed: nothing seen. Memory is of the session. */
struct quic_crypto {
	uint8_t *bytes; /* 'capacity' of them, then a bit for each that has arrived */
	uint32_t capacity;
	uint32_t ready; /* this many from 0 on have arrived */
	bool is_done;	/* the hello was there, or it will never be */
};

/* Takes a frame's data and, when the handshake message at the start is whole, gives it with its header: valid until the
 * next call. False: it is not. Sets 'is_done' where no hello can come any more. */
bool quic_crypto_add(struct shrike_ctx *, struct quic_crypto *, uint64_t offset, struct cursor data,
		     struct cursor *message);
void quic_crypto_reset(struct shrike_ctx *, struct quic_crypto *);  /* all begins anew */
void quic_crypto_finish(struct shrike_ctx *, struct quic_crypto *); /* no more is wanted */

/* ---- quic_protection.c: keys and packets of the Initial level (RFC 9001 5, RFC 9369 3.3) */

enum quic_role { QUIC_CLIENT, QUIC_SERVER };

struct quic_keys {
	uint8_t key[16], iv[12], header[16];
};

/* What one worker has of OpenSSL. */
struct quic_protection;
struct quic_protection *quic_protection_create(void); /* NULL with errno */
void quic_protection_destroy(struct quic_protection *);

void quic_keys_derive(uint32_t version, const void *connection_id, size_t size, enum quic_role, struct quic_keys *out);
/* Takes the protection off: 'header' is the packet up to its packet number, 'protected' the rest up to the packet's
 * end. False: the tag is not right. 'plain' is valid until the next call. */
bool quic_unprotect(struct quic_protection *, const struct quic_keys *, struct cursor header, struct cursor protected,
		    struct cursor *plain);

/* ---- quic_ietf.c: RFC 9000, RFC 9369, the drafts before them and mvfst */

struct quic_ietf {
	uint32_t keys_version[2]; /* of keys[]; 0: none */
	struct quic_keys keys[2]; /* by enum quic_role */
	struct quic_crypto crypto[2];
	uint8_t connection_id[QUIC_CONNECTION_ID_MAX]; /* which the keys come from */
	uint8_t connection_id_bytes;		       /* 0: none known yet */
	uint8_t client;				       /* direction of the client */
	uint8_t n_datagrams;
};

enum shrike_verdict quic_ietf_parse(struct shrike_ctx *, struct quic_ietf *, struct quic_protection *,
				    bool server_hello, struct cursor datagram);

#endif
