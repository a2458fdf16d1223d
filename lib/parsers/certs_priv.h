/* Certificates: from DER to the object of a record, and the worker's cache of those objects. */
#ifndef CERTS_PRIV_H
#define CERTS_PRIV_H

#include "json.h"
#include "parser.h"

/* ---- certs_read.c */

/* What is recorded of a certificate; cursors into its DER. */
struct certificate {
	struct cursor der, serial, issuer, subject;
	struct cursor algorithm, parameters; /* of the public key: OID, and an OID of a curve or something else */
	struct cursor alternatives;	     /* GeneralNames; empty: none */
	bool has_parameters;
	bool is_authority; /* may sign certificates */
	bool pre_epoch;
	int64_t not_before, not_after; /* seconds since 1970 */
};

/* False: not a certificate. */
bool certificate_read(struct cursor der, struct certificate *);

/* Names of one kind in a distinguished name, in order: 'attribute' is the last byte of its OID, 2.5.4.x. */
enum name_attribute { NAME_COMMON = 3, NAME_ORGANISATION = 10, NAME_UNIT = 11 };
struct name_walk {
	struct cursor names; /* relative distinguished names */
	struct cursor inner; /* attributes of one of them */
	enum name_attribute attribute;
};
struct name_value {
	struct cursor text;
	bool is_utf8;
};
void name_walk_begin(struct name_walk *, struct cursor name, enum name_attribute);
bool name_walk_next(struct name_walk *, struct name_value *);

/* ---- certs_oids.c: names of algorithms and curves, read-only once made. */

struct oid_names;
struct oid_names *oid_names_create(void); /* NULL with errno */
void oid_names_destroy(struct oid_names *);
const char *oid_name(const struct oid_names *, struct cursor oid); /* NULL: unknown */

/* ---- certs_object.c */

enum { CERT_SORT_BUCKETS = 13 };
enum cert_flags {
	CERT_AUTHORITY = 1 << 0,
	CERT_SELF_SIGNED = 1 << 1, /* if it is the first one of its session */
	CERT_PRE_EPOCH = 1 << 2,
	CERT_BAD_ALTERNATIVE = 1 << 3,
};

/* The object's text but for what depends on the session's time, which stands between 'head_bytes' and the rest. */
struct cert_object {
	uint32_t head_bytes, bytes;
	uint32_t identity_begin, identity_end; /* names and serial: what makes two certificates one */
	uint32_t order;			       /* CERT_SORT_BUCKETS buckets of it, descending in each */
	uint32_t flags;
	int64_t not_after;
};

/* Appends the text to 'out', whose first byte becomes byte 0 of the object. */
bool cert_object_write(struct shrike_ctx *, const struct oid_names *, const struct certificate *, struct json *out,
		       struct cert_object *);
/* Order and identity of an object that was emitted before; false: not one of ours. */
bool cert_object_recall(struct cursor text, struct cert_object *);

/* ---- certs_cache.c */

struct cert_cache;
struct cert_cache *cert_cache_create(uint32_t bytes); /* NULL with errno */
void cert_cache_destroy(struct cert_cache *);
/* The text, and the object it belongs to; NULL: not there. Valid until the next add. */
const char *cert_cache_find(const struct cert_cache *, struct cursor der, struct cert_object *);
void cert_cache_add(struct cert_cache *, struct cursor der, const struct cert_object *, const char *text);

#endif
