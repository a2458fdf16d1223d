/* Digests by OpenSSL.
 *
 * Algorithms are fetched once for the process, because a fetch takes locks and microseconds. Contexts are kept in a
 * list of the worker: a new one is made when more bodies are open at once than ever before, and none is freed before
 * the end, so a worker soon stops asking the system for them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "json.h"
#include "parsing_priv.h"

COUNTER_LOSS(digest_failed, "parser.digest_failed", "digests that could not be begun", LEDGER_NONE);

enum { KINDS = 3, DIGEST_BYTES_MAX = 32 };

static const struct {
	enum shrike_digest_kind kind;
	const char *name;
	unsigned bytes;
} algorithm_of[KINDS] = {{SHRIKE_MD5, "MD5", 16}, {SHRIKE_SHA256, "SHA256", 32}, {SHRIKE_SHA1, "SHA1", 20}};

struct digest_algorithms {
	EVP_MD *algorithm[KINDS];
};

struct shrike_digest {
	struct shrike_digest *next, *previous; /* of its parser; free ones: next only */
	EVP_MD_CTX *context[KINDS];
	unsigned kinds;
};

const struct digest_algorithms *
digest_algorithms_get(void)
{
	static struct digest_algorithms algorithms; /* filled at start, by the control thread */

	for (unsigned i = 0; i < KINDS; i++) {
		if (algorithms.algorithm[i] == NULL)
			algorithms.algorithm[i] = EVP_MD_fetch(NULL, algorithm_of[i].name, NULL);
		if (algorithms.algorithm[i] == NULL) {
			errno = ENOSYS;
			return NULL;
		}
	}
	return &algorithms;
}

static struct shrike_digest *
take(struct parsing *p)
{
	struct shrike_digest *digest = p->free_digests;

	if (digest == NULL)
		return calloc(1, sizeof(*digest));
	p->free_digests = digest->next;
	return digest;
}

static void
give(struct parsing *p, struct shrike_digest *digest)
{
	digest->next = p->free_digests;
	p->free_digests = digest;
}

static bool
begin(const struct parsing *p, struct shrike_digest *digest, unsigned kinds)
{
	digest->kinds = kinds;
	for (unsigned i = 0; i < KINDS; i++) {
		if ((kinds & algorithm_of[i].kind) == 0)
			continue;
		if (digest->context[i] == NULL)
			digest->context[i] = EVP_MD_CTX_new();
		if (digest->context[i] == NULL ||
		    EVP_DigestInit_ex2(digest->context[i], p->algorithms->algorithm[i], NULL) != 1)
			return false;
	}
	return true;
}

struct shrike_digest *
shrike_digest_begin(struct shrike_ctx *ctx, unsigned kinds)
{
	struct parsing *p = ctx->parsing;
	struct shrike_digest *digest = take(p);

	if (digest == NULL || !begin(p, digest, kinds)) {
		COUNTER_ADD(p->counters, digest_failed, 1);
		if (digest != NULL)
			give(p, digest);
		return NULL;
	}
	digest->previous = NULL;
	digest->next = ctx->attached->digests;
	if (digest->next != NULL)
		digest->next->previous = digest;
	ctx->attached->digests = digest;
	return digest;
}

void
shrike_digest_update(struct shrike_digest *digest, const void *bytes, size_t size)
{
	for (unsigned i = 0; i < KINDS && size > 0; i++)
		if ((digest->kinds & algorithm_of[i].kind) != 0)
			(void)EVP_DigestUpdate(digest->context[i], bytes, size);
}

void
shrike_digest_hex(struct shrike_digest *digest, enum shrike_digest_kind kind, char out[SHRIKE_DIGEST_HEX_BYTES])
{
	uint8_t bytes[DIGEST_BYTES_MAX];

	out[0] = '\0';
	for (unsigned i = 0; i < KINDS; i++) {
		if (algorithm_of[i].kind != kind || (digest->kinds & kind) == 0)
			continue;
		if (EVP_DigestFinal_ex(digest->context[i], bytes, NULL) == 1)
			*json_put_hex(out, bytes, algorithm_of[i].bytes) = '\0';
		digest->kinds &= ~(unsigned)kind;
	}
}

void
shrike_digest_free(struct shrike_ctx *ctx, struct shrike_digest *digest)
{
	if (digest == NULL)
		return;
	if (digest->previous != NULL)
		digest->previous->next = digest->next;
	else
		ctx->attached->digests = digest->next;
	if (digest->next != NULL)
		digest->next->previous = digest->previous;
	give(ctx->parsing, digest);
}

void
digests_free_all(struct parsing *p, struct attached *a)
{
	while (a->digests != NULL) {
		struct shrike_digest *digest = a->digests;

		a->digests = digest->next;
		give(p, digest);
	}
}

void
digests_destroy(struct parsing *p)
{
	while (p->free_digests != NULL) {
		struct shrike_digest *digest = p->free_digests;

		p->free_digests = digest->next;
		for (unsigned i = 0; i < KINDS; i++)
			EVP_MD_CTX_free(digest->context[i]);
		free(digest);
	}
}

unsigned
shrike_digest_of(struct shrike_ctx *ctx, enum shrike_digest_kind kind, const void *bytes, size_t size, uint8_t out[32])
{
	struct parsing *p = ctx->parsing;
	struct shrike_digest *digest = take(p);
	unsigned length = 0;

	if (digest == NULL || !begin(p, digest, kind)) {
		COUNTER_ADD(p->counters, digest_failed, 1);
	} else {
		shrike_digest_update(digest, bytes, size);
		for (unsigned i = 0; i < KINDS; i++)
			if (algorithm_of[i].kind == kind && EVP_DigestFinal_ex(digest->context[i], out, NULL) == 1)
				length = algorithm_of[i].bytes;
	}
	if (digest != NULL)
		give(p, digest);
	return length;
}
