/* Digests of bodies: HTTP messages and mail parts.
 *
 * MD5 of a body costs more than all else that is done with its bytes (1.4 ns a byte, SHA-256 by the CPU's instructions
 * 0.6), so the settings say of which bodies they are made: bodyDigests=all as the reference, small: those of at most
 * bodyDigestMaxBytes, off. A body turns out to be too long as early as its announced length says so.
 *
 * Threads and memory: as parser.h. A struct body of zeroes is a body of which nothing has come. */
#ifndef BODIES_H
#define BODIES_H

#include "parser.h"

enum body_digests { BODY_DIGESTS_ALL, BODY_DIGESTS_SMALL, BODY_DIGESTS_OFF };

struct body_settings {
	bool sha256;		   /* supportSha256 */
	int digests;		   /* enum body_digests */
	uint64_t digest_max_bytes; /* for BODY_DIGESTS_SMALL */
};
extern const struct setting_group bodies_settings_group; /* conf_fill(conf, &bodies_settings_group, &...) */

struct body {
	struct shrike_digest *digest;
	uint64_t bytes;
	bool begun, given_up;
};

enum { BODY_LENGTH_UNKNOWN = 0 };

/* The next bytes; none: the body is there, though it may stay empty. 'announced' is the whole body's length if the peer
 * said it, else BODY_LENGTH_UNKNOWN. */
void body_update(struct shrike_ctx *, const struct body_settings *, struct body *, const struct cursor *,
		 uint64_t announced);

/* The body is whole: its digests go to these places of the caller's table (SHA-256 only when it is asked for), and
 * *body is zeroes again. A body that never began emits nothing. */
void body_finish(struct shrike_ctx *, const struct body_settings *, struct body *, unsigned md5_field,
		 unsigned sha256_field);

/* It will never be whole: memory back, and zeroes again. */
void body_drop(struct shrike_ctx *, struct body *);

#endif
