/* Digests of bodies, see the header.
 *
 * A digest is begun when the first byte comes and not when the headers say that there will be some: a download that is
 * cut off before its body costs nothing. A body that turns out too long gives its digest up at once, so with "small" no
 * more than bodyDigestMaxBytes of any body are ever hashed. */
#include "bodies.h"

static const char *const digest_words[] = {"all", "small", "off", NULL};

static const struct setting settings[] = {
	SETTING_BOOL(struct body_settings, sha256, "supportSha256", "false",
		     "SHA-256 beside MD5 of HTTP bodies and mail parts"),
	SETTING_ENUM(struct body_settings, digests, "bodyDigests", "all", digest_words,
		     "which bodies get digests; small: those of at most bodyDigestMaxBytes"),
	SETTING_U64(struct body_settings, digest_max_bytes, "bodyDigestMaxBytes", 65536, 1, 1e12, "bytes",
		    "longest body that gets digests with bodyDigests=small"),
};
SETTINGS(bodies, "Digests of bodies", settings);

static bool
body_is_wanted(const struct body_settings *settings_, uint64_t bytes)
{
	switch ((enum body_digests)settings_->digests) {
	case BODY_DIGESTS_ALL:
		return true;
	case BODY_DIGESTS_SMALL:
		return bytes <= settings_->digest_max_bytes;
	case BODY_DIGESTS_OFF:
		break;
	}
	return false;
}

void
body_update(struct shrike_ctx *ctx, const struct body_settings *settings_, struct body *body,
	    const struct cursor *bytes, uint64_t announced)
{
	size_t size = cursor_left(bytes);

	body->begun = true;
	body->bytes += size;
	if (body->given_up)
		return;
	if (!body_is_wanted(settings_, announced > body->bytes ? announced : body->bytes)) {
		body_drop(ctx, body);
		body->begun = true;
		body->given_up = true;
		return;
	}
	if (body->digest == NULL)
		body->digest = shrike_digest_begin(ctx, settings_->sha256 ? SHRIKE_MD5 | SHRIKE_SHA256 : SHRIKE_MD5);
	if (body->digest == NULL)
		body->given_up = true; /* no memory: counted, and half a digest is none */
	else
		shrike_digest_update(body->digest, bytes->p, size);
}

void
body_finish(struct shrike_ctx *ctx, const struct body_settings *settings_, struct body *body, unsigned md5_field,
	    unsigned sha256_field)
{
	char hex[SHRIKE_DIGEST_HEX_BYTES];

	if (body->digest != NULL) {
		shrike_digest_hex(body->digest, SHRIKE_MD5, hex);
		shrike_emit_str(ctx, md5_field, hex);
		if (settings_->sha256) {
			shrike_digest_hex(body->digest, SHRIKE_SHA256, hex);
			shrike_emit_str(ctx, sha256_field, hex);
		}
	}
	body_drop(ctx, body);
}

void
body_drop(struct shrike_ctx *ctx, struct body *body)
{
	shrike_digest_free(ctx, body->digest);
	*body = (struct body){0};
}
