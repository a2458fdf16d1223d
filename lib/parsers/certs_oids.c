/* Short names of algorithms and curves, as OpenSSL has them ("rsaEncryption", "prime256v1").
 *
 * OpenSSL knows some 1,300 objects; they are read out once at start into a sorted table, because its own look-up
 * allocates. What a library of another version calls differently we call differently too: people know these names from
 * it. */
#include <errno.h>
#include <openssl/objects.h>
#include <stdlib.h>

#include "certs_priv.h"

struct oid {
	const unsigned char *bytes; /* of OpenSSL's own tables */
	size_t size;
	const char *name;
};
struct oid_names {
	unsigned n;
	struct oid oid[];
};

static int
compare(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size)
{
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	return memcmp(a, b, a_size);
}

static int
compare_oids(const void *a, const void *b)
{
	const struct oid *x = a, *y = b;

	return compare(x->bytes, x->size, y->bytes, y->size);
}

struct oid_names *
oid_names_create(void)
{
	int n = OBJ_new_nid(0);
	struct oid_names *names = calloc(1, sizeof(*names) + (size_t)n * sizeof(names->oid[0]));

	if (names == NULL)
		return NULL;
	for (int nid = 1; nid < n; nid++) {
		const ASN1_OBJECT *object = OBJ_nid2obj(nid);

		if (object == NULL || OBJ_length(object) == 0)
			continue;
		names->oid[names->n++] = (struct oid){OBJ_get0_data(object), OBJ_length(object), OBJ_nid2sn(nid)};
	}
	qsort(names->oid, names->n, sizeof(names->oid[0]), compare_oids);
	return names;
}

void
oid_names_destroy(struct oid_names *names)
{
	free(names);
}

const char *
oid_name(const struct oid_names *names, struct cursor oid)
{
	unsigned low = 0, high = names->n;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct oid *o = &names->oid[middle];
		int order = compare(o->bytes, o->size, oid.p, cursor_left(&oid));

		if (order == 0)
			return o->name;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
