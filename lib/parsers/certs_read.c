/* X.509 certificates (RFC 5280 4.1), by walking their DER.
 *
 * Nothing is verified and nothing copied: the reader finds the places of what is recorded. A certificate is known by
 * its shape, so one with odd contents is read as far as it can be, and one of another shape is refused. Nesting is
 * followed by name, never by recursion: Certificate, TBSCertificate, extensions, one extension, its value. */
#include "ber.h"
#include "certs_priv.h"

enum { KEY_CERT_SIGN = 0x04 }; /* bit 5 of keyUsage, RFC 5280 4.2.1.3 */

static bool
take(struct cursor *c, struct ber_element *e, uint32_t tag)
{
	return ber_next(c, e) && e->tag == tag;
}

static bool
oid_is(struct cursor oid, const uint8_t *bytes, size_t size)
{
	return cursor_left(&oid) == size && memcmp(oid.p, bytes, size) == 0;
}

/* RFC 5280 4.2.1.3: a BIT STRING, its first byte the number of unused bits. */
static bool
signs_certificates(struct cursor value)
{
	struct ber_element bits;

	return take(&value, &bits, BER_BIT_STRING) && cursor_left(&bits.value) >= 2 &&
	       (cursor_peek(&bits.value, 1) & KEY_CERT_SIGN) != 0;
}

/* RFC 5280 4.2: OID, critical or not, the extension's own DER in a string. */
static void
read_extension(struct cursor in, struct certificate *cert)
{
	static const uint8_t key_usage[] = {0x55, 0x1d, 0x0f}, alternatives[] = {0x55, 0x1d, 0x11};
	struct ber_element oid, value, names;

	if (!take(&in, &oid, BER_OID) || !ber_next(&in, &value))
		return;
	if (value.tag == BER_BOOLEAN && !ber_next(&in, &value))
		return;
	if (value.tag != BER_OCTET_STRING)
		return;
	if (oid_is(oid.value, key_usage, sizeof(key_usage)))
		cert->is_authority = signs_certificates(value.value) || cert->is_authority;
	else if (oid_is(oid.value, alternatives, sizeof(alternatives)) && take(&value.value, &names, BER_SEQUENCE))
		cert->alternatives = names.value;
}

/* RFC 5280 4.1.2.9: [3], a sequence of sequences. Unique identifiers may come before it. */
static void
read_extensions(struct cursor in, struct certificate *cert)
{
	enum { EXTENSIONS = 3 };
	struct ber_element e;

	while (ber_next(&in, &e)) {
		struct ber_element list, extension;

		if (e.tag != EXTENSIONS || !e.constructed || !take(&e.value, &list, BER_SEQUENCE))
			continue;
		while (take(&list.value, &extension, BER_SEQUENCE))
			read_extension(extension.value, cert);
	}
}

static bool
read_validity(struct cursor in, struct certificate *cert)
{
	struct ber_element before, after;
	bool early_before = false, early_after = false;
	uint64_t seconds = 0;

	if (!ber_next(&in, &before) || !ber_next(&in, &after))
		return false;
	cert->not_before = ber_time(&before, &seconds, &early_before) ? (int64_t)seconds : 0;
	cert->not_after = ber_time(&after, &seconds, &early_after) ? (int64_t)seconds : 0;
	cert->pre_epoch = early_before || early_after;
	return true;
}

/* RFC 5280 4.1.2.7; RFC 5480 2.1.1: the parameters of a key on a curve name the curve. */
static bool
read_public_key(struct cursor in, struct certificate *cert)
{
	struct ber_element algorithm, oid, parameters;

	if (!take(&in, &algorithm, BER_SEQUENCE) || !take(&algorithm.value, &oid, BER_OID))
		return false;
	cert->algorithm = oid.value;
	cert->has_parameters = ber_next(&algorithm.value, &parameters);
	if (cert->has_parameters)
		cert->parameters = parameters.value;
	return true;
}

bool
certificate_read(struct cursor der, struct certificate *cert)
{
	struct ber_element whole, signed_part, e;
	struct cursor in = der;

	*cert = (struct certificate){.der = der};
	if (!take(&in, &whole, BER_SEQUENCE) || !take(&whole.value, &signed_part, BER_SEQUENCE))
		return false;
	in = signed_part.value;
	if (!ber_next(&in, &e))
		return false;
	/* [0]: the version; without it the first edition's. */
	if (e.constructed && e.tag == 0 && !ber_next(&in, &e))
		return false;
	if (e.tag != BER_INTEGER)
		return false;
	cert->serial = e.value;
	if (!take(&in, &e, BER_SEQUENCE) || !take(&in, &e, BER_SEQUENCE)) /* signature's algorithm, issuer */
		return false;
	cert->issuer = e.value;
	if (!take(&in, &e, BER_SEQUENCE) || !read_validity(e.value, cert) || !take(&in, &e, BER_SEQUENCE))
		return false;
	cert->subject = e.value;
	if (!take(&in, &e, BER_SEQUENCE) || !read_public_key(e.value, cert))
		return false;
	read_extensions(in, cert);
	return true;
}

void
name_walk_begin(struct name_walk *walk, struct cursor name, enum name_attribute attribute)
{
	*walk = (struct name_walk){.names = name, .inner = cursor_make(NULL, 0), .attribute = attribute};
}

/* RFC 5280 4.1.2.4: a sequence of type and value. Only types whose bytes can be shown as they are. */
static bool
read_attribute(struct cursor in, enum name_attribute attribute, struct name_value *out)
{
	const uint8_t wanted[] = {0x55, 0x04, (uint8_t)attribute};
	struct ber_element oid, value;

	if (!take(&in, &oid, BER_OID) || !oid_is(oid.value, wanted, sizeof(wanted)) || !ber_next(&in, &value))
		return false;
	*out = (struct name_value){.text = value.value, .is_utf8 = value.tag == BER_UTF8_STRING};
	return value.tag == BER_UTF8_STRING || value.tag == BER_PRINTABLE_STRING || value.tag == BER_TELETEX_STRING;
}

bool
name_walk_next(struct name_walk *walk, struct name_value *out)
{
	struct ber_element e;

	for (;;) {
		if (cursor_left(&walk->inner) == 0) {
			if (!ber_next(&walk->names, &e))
				return false;
			walk->inner = e.value;
		}
		if (ber_next(&walk->inner, &e) && read_attribute(e.value, walk->attribute, out))
			return true;
	}
}
