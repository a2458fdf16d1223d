/* X.509 certificates in the record (RFC 5280), for TLS, DTLS, IKE and whoever else meets one: hooks "certs.list",
 * "certs.one".
 *
 * Each becomes an object of the field "cert". A certificate is one of a record by its serial number and names; the
 * objects stand in the order of the reference's table, so that equal sessions give equal documents. They are emitted at
 * once and not held until the session is saved: a session keeps no state for them. Should more come in a later message,
 * the objects of the record are read back, and written anew in order while they are few (REORDER_MAX), else added
 * behind.
 *
 * What does not depend on the session comes from the worker's cache (certs_cache.c). Limits: CERTS_MAX certificates of
 * a record, OBJECTS_BYTES_MAX of text at once. Cost: test/unit/parsers/certs_test.c prints it. */
#include <errno.h>
#include <stdlib.h>

#include "certs_priv.h"

enum { F_CERT = 0 };
enum {
	CERTS_MAX = 64,
	REORDER_MAX = 8,
	OBJECTS_BYTES_MAX = 1 << 20,
	OBJECTS_FIRST_BYTES = 64 * 1024,
	CERT_BYTES_MIN = 10
};

static const struct field certs_fields[] = {
	[F_CERT] = {"cert", "cert", "cert", "(no fields doc)", FIELD_OBJECT, FIELD_COUNT | FIELD_NO_DB, "cert",
		    "Certificates that a side showed", NULL},
	{"certCnt", "cert.cnt", "cert", "integer", FIELD_NONE, FIELD_FAKE, "Cert Cnt", "Number of certificates", NULL},
	{"cert.alt", "cert.alt", "cert", "lotermfield", FIELD_NONE, FIELD_COUNT | FIELD_FAKE, "Alt Name",
	 "Alternative names of the subject", NULL},
	{"cert.serial", "cert.serial", "cert", "lotermfield", FIELD_NONE, FIELD_FAKE, "Serial Number", "Serial number",
	 NULL},
	{"cert.issuerCN", "cert.issuer.cn", "cert", "lotermfield", FIELD_NONE, FIELD_FAKE, "Issuer CN",
	 "Common name of the issuer", NULL},
	{"cert.subjectCN", "cert.subject.cn", "cert", "lotermfield", FIELD_NONE, FIELD_FAKE, "Subject CN",
	 "Common name of the subject", NULL},
	{"cert.issuerON", "cert.issuer.on", "cert", "termfield", FIELD_NONE, FIELD_FAKE, "Issuer ON",
	 "Organisation of the issuer", NULL},
	{"cert.subjectON", "cert.subject.on", "cert", "termfield", FIELD_NONE, FIELD_FAKE, "Subject ON",
	 "Organisation of the subject", NULL},
	{"cert.issuerOU", "cert.issuer.ou", "cert", "termfield", FIELD_NONE, FIELD_FAKE, "Issuer Org Unit",
	 "Unit of the issuer's organisation", NULL},
	{"cert.subjectOU", "cert.subject.ou", "cert", "termfield", FIELD_NONE, FIELD_FAKE, "Subject Org Unit",
	 "Unit of the subject's organisation", NULL},
	{"cert.hash", "cert.hash", "cert", "lotermfield", FIELD_NONE, FIELD_FAKE, "Hash",
	 "SHA-1 of the whole certificate", NULL},
	{"cert.notBefore", "cert.notbefore", "cert", "date", FIELD_NONE, FIELD_FAKE, "Not Before", "Valid from", NULL},
	{"cert.notAfter", "cert.notafter", "cert", "date", FIELD_NONE, FIELD_FAKE, "Not After", "Valid until", NULL},
	{"cert.validDays", "cert.validfor", "cert", "integer", FIELD_NONE, FIELD_FAKE, "Days Valid For",
	 "Days from the first to the last second of validity", NULL},
	{"cert.remainingDays", "cert.remainingDays", "cert", "integer", FIELD_NONE, FIELD_FAKE, "Days remaining",
	 "Days of validity that were left when the session began", NULL},
	{"cert.validSeconds", "cert.validforSeconds", "cert", "integer", FIELD_NONE, FIELD_FAKE, "Seconds Valid For",
	 "Seconds from the first to the last one of validity", NULL},
	{"cert.remainingSeconds", "cert.remainingSeconds", "cert", "integer", FIELD_NONE, FIELD_FAKE,
	 "Seconds remaining", "Seconds of validity that were left when the session began", NULL},
	{"cert.curve", "cert.curve", "cert", "termfield", FIELD_NONE, FIELD_FAKE, "Curve",
	 "Elliptic curve of the public key", NULL},
	{"cert.publicAlgorithm", "cert.publicAlgorithm", "cert", "termfield", FIELD_NONE, FIELD_FAKE,
	 "Public Algorithm", "Algorithm of the public key", NULL},
};

struct certs_conf {
	uint32_t cache_bytes;
};

static const struct setting certs_settings[] = {
	SETTING_U32(struct certs_conf, cache_bytes, "certCacheBytes", 4194304, 0, 1 << 30, "bytes",
		    "certificates that each worker remembers, 0: none; the memory is touched as they come"),
};
SETTINGS(certs, "Certificates", certs_settings);

struct certs_shared {
	struct certs_conf conf;
	struct oid_names *oids;
};

/* An object, its text somewhere in the worker's buffer. */
struct item {
	struct cert_object object;
	size_t begin;
	bool is_old; /* the record has it */
};

struct certs_local {
	struct cert_cache *cache;
	struct json text;
	struct item item[CERTS_MAX];
	unsigned n;
};

/* ---- One certificate */

/* Puts what depends on the session into the gap of the text that ends the buffer. */
static bool
complete_object(struct json *text, size_t begin, struct cert_object *object, uint64_t first_ns)
{
	enum { SECONDS_A_DAY = 86400, TAIL_MAX = 128 };
	int64_t left = object->not_after - (int64_t)(first_ns / UINT64_C(1000000000));
	size_t tail_bytes = object->bytes - object->head_bytes, gap = begin + object->head_bytes;
	char tail[TAIL_MAX];

	if (text->failed || tail_bytes > sizeof(tail))
		return false;
	memcpy(tail, text->text + gap, tail_bytes);
	text->size = gap;
	left = left > 0 ? left : 0;
	json_key(text, "remainingDays");
	json_u64(text, (uint64_t)(left / SECONDS_A_DAY));
	json_key(text, "remainingSeconds");
	json_u64(text, (uint64_t)left);
	json_bytes(text, tail, tail_bytes);
	object->bytes = (uint32_t)(text->size - begin);
	return !text->failed;
}

/* The text of a certificate at the end of the buffer; false: it is none, or there is no room. */
static bool
write_object(struct shrike_ctx *ctx, struct certs_local *local, struct cursor der, struct cert_object *object)
{
	const struct certs_shared *shared = shrike_shared(ctx);
	const char *cached = cert_cache_find(local->cache, der, object);
	size_t begin = local->text.size;
	struct certificate cert;

	if (cached != NULL) {
		json_bytes(&local->text, cached, object->bytes);
		local->text.comma = true;
	} else {
		if (!certificate_read(der, &cert) || !cert_object_write(ctx, shared->oids, &cert, &local->text, object))
			return false;
		cert_cache_add(local->cache, der, object, local->text.text + begin);
	}
	return complete_object(&local->text, begin, object, shrike_first_time_ns(ctx));
}

/* ---- The certificates of a record */

static bool
is_same(const struct certs_local *local, const struct item *a, const struct item *b)
{
	uint32_t size = a->object.identity_end - a->object.identity_begin;

	return a->object.order == b->object.order && b->object.identity_end - b->object.identity_begin == size &&
	       memcmp(local->text.text + a->begin + a->object.identity_begin,
		      local->text.text + b->begin + b->object.identity_begin, size) == 0;
}

static bool
is_known(const struct certs_local *local, const struct item *item)
{
	for (unsigned i = 0; i < local->n; i++)
		if (is_same(local, &local->item[i], item))
			return true;
	return false;
}

static void
emit_tags(struct shrike_ctx *ctx, const struct cert_object *object, bool is_first)
{
	if ((object->flags & CERT_AUTHORITY) != 0)
		shrike_add_tag(ctx, "cert:certificate-authority");
	if ((object->flags & CERT_SELF_SIGNED) != 0 && is_first)
		shrike_add_tag(ctx, "cert:self-signed");
	if ((object->flags & CERT_PRE_EPOCH) != 0)
		shrike_add_tag(ctx, "cert:pre-epoch-time");
	if ((object->flags & CERT_BAD_ALTERNATIVE) != 0)
		shrike_add_tag(ctx, "bad-altname");
}

/* False: not a certificate. */
static bool
collect(struct shrike_ctx *ctx, struct certs_local *local, struct cursor der)
{
	struct item *item = &local->item[local->n];
	size_t size = local->text.size;

	if (local->n == CERTS_MAX)
		return false;
	*item = (struct item){.begin = size};
	if (!write_object(ctx, local, der, &item->object)) {
		local->text.size = size;
		return false;
	}
	emit_tags(ctx, &item->object, local->n == 0);
	if (is_known(local, item))
		local->text.size = size;
	else
		local->n++;
	return true;
}

/* The objects that the record has. */
static void
recall(struct shrike_ctx *ctx, struct certs_local *local)
{
	json_reset(&local->text);
	local->n = 0;
	if (!shrike_has_field(ctx, F_CERT))
		return;
	while (local->n < CERTS_MAX) {
		struct item *item = &local->item[local->n];
		size_t begin = local->text.size, room = local->text.capacity - begin, size;

		size = shrike_object_at(ctx, F_CERT, local->n, local->text.text + begin, room);
		if (size == 0)
			return;
		if (size > room) {
			if (!json_grow(&local->text, size))
				return;
			continue;
		}
		*item = (struct item){.begin = begin, .is_old = true};
		(void)cert_object_recall(cursor_make(local->text.text + begin, size), &item->object);
		local->text.size += size;
		local->n++;
	}
}

static int
compare_items(const struct item *a, const struct item *b)
{
	uint32_t x = a->object.order % CERT_SORT_BUCKETS, y = b->object.order % CERT_SORT_BUCKETS;

	if (x != y)
		return x < y ? -1 : 1;
	if (a->object.order != b->object.order)
		return a->object.order > b->object.order ? -1 : 1;
	return 0;
}

/* Few, and mostly two or three. */
static void
sort_items(struct item *item, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct item moved = item[i];
		unsigned place = i;

		for (; place > 0 && compare_items(&item[place - 1], &moved) > 0; place--)
			item[place] = item[place - 1];
		item[place] = moved;
	}
}

/* A record gives back no space before it is closed, so its objects are written anew only a few times. */
static void
emit(struct shrike_ctx *ctx, struct certs_local *local, unsigned n_old)
{
	unsigned first = n_old;

	if (local->n == n_old)
		return;
	if (n_old > 0 && n_old <= REORDER_MAX) {
		shrike_remove_field(ctx, F_CERT);
		first = 0;
	}
	sort_items(&local->item[first], local->n - first);
	for (unsigned i = first; i < local->n; i++)
		shrike_emit_object(ctx, F_CERT, local->text.text + local->item[i].begin, local->item[i].object.bytes);
}

/* ---- Hooks */

/* RFC 5246 7.4.2. */
static int
certs_list(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	struct certs_local *local = shrike_local(ctx);
	unsigned n_old;
	int n = 0;

	(void)argument;
	cursor_skip(&in, 3);
	if (cursor_left(&in) <= 3)
		return 0;
	recall(ctx, local);
	n_old = local->n;
	while (cursor_left(&in) > 3) {
		uint32_t size = cursor_be24(&in);

		if (size > cursor_left(&in) || !collect(ctx, local, cursor_sub(&in, size)))
			break;
		n++;
	}
	emit(ctx, local, n_old);
	return n;
}

static int
certs_one(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	struct certs_local *local = shrike_local(ctx);
	unsigned n_old;
	bool taken;

	(void)argument;
	if (cursor_left(&in) < CERT_BYTES_MIN)
		return 0;
	recall(ctx, local);
	n_old = local->n;
	taken = collect(ctx, local, in);
	emit(ctx, local, n_old);
	return taken;
}

/* ---- The parser: hooks only */

static enum shrike_verdict
certs_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	(void)in;
	return SHRIKE_NOT_MINE;
}

static void
certs_destroy(void *arg)
{
	struct certs_shared *shared = arg;

	if (shared != NULL)
		oid_names_destroy(shared->oids);
	free(shared);
}

static void *
certs_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct certs_shared *shared = calloc(1, sizeof(*shared));

	(void)setup;
	if (shared == NULL)
		return NULL;
	conf_fill(conf, &certs_settings_group, &shared->conf);
	shared->oids = oid_names_create();
	if (shared->oids == NULL) {
		certs_destroy(shared);
		errno = ENOMEM;
		return NULL;
	}
	return shared;
}

static void
certs_destroy_local(void *arg)
{
	struct certs_local *local = arg;

	if (local == NULL)
		return;
	cert_cache_destroy(local->cache);
	json_fini(&local->text);
	free(local);
}

static void *
certs_create_local(const void *arg)
{
	const struct certs_shared *shared = arg;
	struct certs_local *local = calloc(1, sizeof(*local));

	if (local == NULL)
		return NULL;
	json_init(&local->text, OBJECTS_BYTES_MAX);
	local->cache = cert_cache_create(shared->conf.cache_bytes);
	if (local->cache == NULL || !json_grow(&local->text, OBJECTS_FIRST_BYTES)) {
		certs_destroy_local(local);
		errno = ENOMEM;
		return NULL;
	}
	return local;
}

static const struct shrike_parser certs = {
	.api = SHRIKE_API,
	.name = "certs",
	.fields = certs_fields,
	.n_fields = sizeof(certs_fields) / sizeof(certs_fields[0]),
	.create = certs_create,
	.destroy = certs_destroy,
	.create_local = certs_create_local,
	.destroy_local = certs_destroy_local,
	.parse = certs_parse,
};
SHRIKE_PARSER(certs);

static const struct shrike_hook list_hook = {"certs.list", &certs, certs_list};
SHRIKE_HOOK(list_hook);
static const struct shrike_hook one_hook = {"certs.one", &certs, certs_one};
SHRIKE_HOOK(one_hook);
