/* What tls.c, dtls.c and the fingerprints share. */
#ifndef TLS_PRIV_H
#define TLS_PRIV_H

#include "parser.h"

enum { TLS_VERSION_SSL3 = 0x0300, TLS_VERSION_1_2 = 0x0303, TLS_VERSION_1_3 = 0x0304 };

enum tls_extension {
	TLS_EXTENSION_SERVER_NAME = 0,
	TLS_EXTENSION_GROUPS = 10,
	TLS_EXTENSION_POINT_FORMATS = 11,
	TLS_EXTENSION_ALGORITHMS = 13,
	TLS_EXTENSION_ALPN = 16,
	TLS_EXTENSION_VERSIONS = 43,
	TLS_EXTENSION_ECH = 0xfe0d,
	TLS_EXTENSION_ESNI = 0xffce,
};

enum tls_handshake {
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_CERTIFICATE = 11,
	TLS_SERVER_HELLO_DONE = 14,
};
enum { TLS_RECORD_HANDSHAKE = 22 };

struct tls_conf {
	bool ja3_strings, ja4_raw;
};
extern const struct setting_group tls_settings_group;
/* shrike_parser.create: a struct tls_conf from malloc. */
void *tls_conf_create(const struct conf *, struct shrike_setup *);

/* RFC 8701: 0a0a, 1a1a, ... fafa mean nothing; clients send them so that servers learn to ignore the unknown. */
static inline bool
tls_is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

/* The name of a cipher suite, upper case; NULL: the registry has none. */
const char *tls_cipher_name(uint16_t code);

/* "TLSv1.2", ...; a code without a name as "0x%04x". 'out' is used when the name is not a constant. */
enum { TLS_VERSION_TEXT = 24 };
const char *tls_version_name(uint16_t version, char out[TLS_VERSION_TEXT]);

/* A list with its length, of 1 or 2 bytes, in front; of a cut one, what is there. */
struct cursor tls_take_list(struct cursor *, unsigned length_bytes);

/* ---- JA4: of TLS over TCP, QUIC and DTLS. */

enum { JA4_CIPHERS_MAX = 500, JA4_EXTENSIONS_MAX = 256, JA4_ALGORITHMS_MAX = 256 };
enum { JA4_PREFIX_BYTES = 11, JA4_TEXT_MAX = 48 };
enum { JA4_RAW_MAX = JA4_PREFIX_BYTES + 3 + 5 * (JA4_CIPHERS_MAX + JA4_EXTENSIONS_MAX + JA4_ALGORITHMS_MAX) };

struct ja4 {
	char transport; /* 't', 'q', 'd' */
	bool has_server_name;
	char alpn[2];
	uint16_t version;
	uint32_t ciphers_seen, extensions_seen; /* GREASE left out */
	uint16_t n_ciphers, n_extensions, n_algorithms;
	uint16_t ciphers[JA4_CIPHERS_MAX];
	uint16_t extensions[JA4_EXTENSIONS_MAX]; /* without server name and ALPN */
	uint16_t algorithms[JA4_ALGORITHMS_MAX];
};

const char *ja4_version(uint16_t version); /* two characters */
/* Only the scalars; the arrays are filled as far as their counts. */
void ja4_reset(struct ja4 *, char transport, uint16_t legacy_version);
void ja4_add_ciphers(struct ja4 *, struct cursor ciphers);
void ja4_add_extension(struct ja4 *, uint16_t id, struct cursor data);
/* The text and, when 'raw' is set, ja4_r; both of the caller. */
void ja4_finish(struct shrike_ctx *, struct ja4 *, const char version[2], char raw[JA4_RAW_MAX], size_t *raw_size,
		char text[JA4_TEXT_MAX], size_t *text_size);

/* The name in a server_name extension (RFC 6066 3); false: none, or its lengths contradict each other. */
bool tls_server_name(struct cursor data, struct cursor *name);

/* ---- Hellos, for tls.c. 'local' is scratch space of the worker. */

enum tls_field {
	TLS_F_VERSION,
	TLS_F_CIPHER,
	TLS_F_JA3,
	TLS_F_JA3_STRING,
	TLS_F_JA3S,
	TLS_F_JA3S_STRING,
	TLS_F_JA4,
	TLS_F_JA4_RAW,
	TLS_F_SOURCE_ID,
	TLS_F_DESTINATION_ID,
	TLS_F_ANY_ID,
	TLS_F_HOST,
	TLS_N_FIELDS
};

enum { TLS_JA3_MAX = 13000 };
struct tls_local {
	struct ja4 ja4;
	char ja3[TLS_JA3_MAX];
	char ja4_raw[JA4_RAW_MAX];
};

/* The hooks "tls.client_hello" and "tls.server_hello". */
int tls_client_hello(struct shrike_ctx *, struct cursor body, void *);
int tls_server_hello(struct shrike_ctx *, struct cursor body, void *);

/* ---- Texts under construction, in a buffer of the caller; what does not fit sets 'full'. */
struct tls_text {
	char *bytes;
	uint32_t size, capacity;
	bool full;
};
void tls_text_decimal(struct tls_text *, uint16_t);
void tls_text_byte(struct tls_text *, char);
/* "23-24-25" of the numbers in 'list', GREASE left out. */
void tls_text_list(struct tls_text *, struct cursor list);

#endif
