/* The object of a certificate, as RECORD.md and the viewer have it.
 *
 * It is written in one go into the worker's text buffer; only days and seconds left depend on the session, and have a
 * gap to be filled in (certs.c). Key order is the reference's. Names are walked once for each key that shows them: they
 * are short, and no list of them needs a maximum. Limits: SERIAL_BYTES_MAX; ALTERNATIVES_MAX names; NAME_BYTES_MAX of a
 * name. */
#include "ber.h"
#include "certs_priv.h"
#include "text.h"

enum {
	SERIAL_BYTES_MAX = 256,
	ALTERNATIVES_MAX = 4096,
	NAME_BYTES_MAX = 1024,
	CURVE_BYTES_MAX = 12,
	SHA1_BYTES = 20,
	ORDER_NAMES_MAX = 63, /* 6 bits of the order's key */
};

/* Names of one kind. 'only' is the name when there is exactly one. */
struct names {
	unsigned n;
	struct name_value only;
};

static void
write_name(struct json *out, const struct name_value *v, bool lower)
{
	size_t size = cursor_left(&v->text);
	char text[NAME_BYTES_MAX];

	size = size < sizeof(text) ? size : sizeof(text);
	if (!lower) {
		json_str(out, v->text.p, size, v->is_utf8);
		return;
	}
	if (v->is_utf8)
		size = text_utf8_lower(text, sizeof(text), v->text.p, size);
	else
		text_lower(text, v->text.p, size);
	json_str(out, text, size, v->is_utf8);
}

static struct names
write_names(struct json *out, const char *key, struct cursor name, enum name_attribute attribute)
{
	struct names names = {0};
	struct name_value value;
	struct name_walk walk;

	name_walk_begin(&walk, name, attribute);
	while (name_walk_next(&walk, &value)) {
		if (names.n++ == 0) {
			json_key(out, key);
			json_array_begin(out);
			names.only = value;
		}
		write_name(out, &value, attribute == NAME_COMMON);
	}
	if (names.n > 0)
		json_array_end(out);
	return names;
}

static void
write_hash(struct shrike_ctx *ctx, struct json *out, struct cursor der)
{
	char text[SHA1_BYTES * 3 + 1], *end = text;
	uint8_t digest[32];

	shrike_digest_of(ctx, SHRIKE_SHA1, der.p, cursor_left(&der), digest);
	for (unsigned i = 0; i < SHA1_BYTES; i++) {
		end = json_put_hex(end, &digest[i], 1);
		*end++ = ':';
	}
	end[-1] = '\0';
	json_key(out, "hash");
	json_text(out, text);
}

/* RFC 5480: only keys on curves have one; parameters that are longer than a name are the curve itself (CVE-2020-0601).
 */
static void
write_curve(struct json *out, const struct oid_names *oids, const struct certificate *cert)
{
	const char *name;

	if (!cert->has_parameters || cursor_left(&cert->parameters) > CURVE_BYTES_MAX)
		name = "corrupt";
	else
		name = oid_name(oids, cert->parameters);
	json_key(out, "curve");
	json_text(out, name != NULL ? name : "unknown");
}

static void
write_public_key(struct json *out, const struct oid_names *oids, const struct certificate *cert)
{
	const char *name = oid_name(oids, cert->algorithm);

	if (name == NULL)
		name = cursor_left(&cert->algorithm) > 0 ? "unknown" : "corrupt";
	json_key(out, "publicAlgorithm");
	json_text(out, name);
	if (strcmp(name, "id-ecPublicKey") == 0)
		write_curve(out, oids, cert);
}

static void
write_serial(struct json *out, struct cursor serial)
{
	size_t size = cursor_left(&serial);

	json_key(out, "serial");
	json_hex(out, serial.p, size < SERIAL_BYTES_MAX ? size : SERIAL_BYTES_MAX);
}

/* RFC 5280 4.2.1.6: dNSName is [2]. The next one that can be shown; false: no more. */
static bool
next_alternative(struct cursor *in, struct cursor *name, uint32_t *flags)
{
	enum { DNS_NAME = 2 };
	struct ber_element e;

	while (ber_next(in, &e)) {
		if (e.tag != DNS_NAME || e.constructed)
			continue;
		*name = e.value;
		if (text_is_utf8(e.value.p, cursor_left(&e.value)))
			return true;
		*flags |= CERT_BAD_ALTERNATIVE;
	}
	return false;
}

static unsigned
count_alternatives(struct cursor in, uint32_t *flags)
{
	struct cursor name;
	unsigned n = 0;

	while (n < ALTERNATIVES_MAX && next_alternative(&in, &name, flags))
		n++;
	return n;
}

static void
write_alternatives(struct json *out, struct cursor in, uint32_t *flags)
{
	unsigned n = count_alternatives(in, flags);
	struct cursor name;

	if (n == 0)
		return;
	json_key(out, "altCnt");
	json_u64(out, n);
	json_key(out, "alt");
	json_array_begin(out);
	for (unsigned i = 0; i < n && next_alternative(&in, &name, flags); i++) {
		char text[NAME_BYTES_MAX];
		size_t size = cursor_left(&name);

		size = size < sizeof(text) ? size : text_utf8_prefix(name.p, sizeof(text));
		json_str(out, text, text_lower(text, name.p, size), true);
	}
	json_array_end(out);
}

static void
write_tail(struct json *out, const struct certificate *cert)
{
	enum { SECONDS_A_DAY = 86400 };
	int64_t valid = cert->not_after - cert->not_before;

	json_key(out, "validDays");
	json_i64(out, valid / SECONDS_A_DAY);
	json_key(out, "validSeconds");
	json_i64(out, valid);
	json_object_end(out);
}

static bool
same_text(const struct names *a, const struct names *b)
{
	size_t size = cursor_left(&a->only.text);

	return a->n == 1 && b->n == 1 && cursor_left(&b->only.text) == size &&
	       memcmp(a->only.text.p, b->only.text.p, size) == 0;
}

/* The common names as they are shown, in lower case. */
static bool
same_common_name(const struct names *a, const struct names *b)
{
	char x[NAME_BYTES_MAX], y[NAME_BYTES_MAX];
	size_t x_size, y_size;

	if (a->n != 1 || b->n != 1)
		return false;
	x_size = text_utf8_lower(x, sizeof(x), a->only.text.p, cursor_left(&a->only.text));
	y_size = text_utf8_lower(y, sizeof(y), b->only.text.p, cursor_left(&b->only.text));
	return x_size == y_size && memcmp(x, y, x_size) == 0;
}

static uint32_t
order_key(uint8_t first, uint8_t last, const unsigned n[4])
{
	uint32_t key = (uint32_t)first << 28 | (uint32_t)last << 24;

	for (unsigned i = 0; i < 4; i++)
		key |= (n[i] < ORDER_NAMES_MAX ? n[i] : ORDER_NAMES_MAX) << (18 - 6 * i);
	return key;
}

bool
cert_object_write(struct shrike_ctx *ctx, const struct oid_names *oids, const struct certificate *cert,
		  struct json *out, struct cert_object *object)
{
	size_t begin = out->size, serial_bytes = cursor_left(&cert->serial);
	struct names issuer, issuer_unit, issuer_common, subject, subject_common;

	out->comma = false;
	json_object_begin(out);
	write_hash(ctx, out, cert->der);
	write_public_key(out, oids, cert);
	object->identity_begin = (uint32_t)(out->size - begin);
	issuer_common = write_names(out, "issuerCN", cert->issuer, NAME_COMMON);
	issuer = write_names(out, "issuerON", cert->issuer, NAME_ORGANISATION);
	issuer_unit = write_names(out, "issuerOU", cert->issuer, NAME_UNIT);
	subject_common = write_names(out, "subjectCN", cert->subject, NAME_COMMON);
	subject = write_names(out, "subjectON", cert->subject, NAME_ORGANISATION);
	(void)issuer_unit;
	(void)write_names(out, "subjectOU", cert->subject, NAME_UNIT);
	write_serial(out, cert->serial);
	object->identity_end = (uint32_t)(out->size - begin);

	object->flags = (cert->is_authority ? CERT_AUTHORITY : 0) | (cert->pre_epoch ? CERT_PRE_EPOCH : 0);
	write_alternatives(out, cert->alternatives, &object->flags);
	json_key(out, "notBefore");
	json_i64(out, cert->not_before * 1000);
	json_key(out, "notAfter");
	json_i64(out, cert->not_after * 1000);
	object->head_bytes = (uint32_t)(out->size - begin);
	write_tail(out, cert);
	object->bytes = (uint32_t)(out->size - begin);

	if (!cert->is_authority && same_common_name(&issuer_common, &subject_common) &&
	    (same_text(&issuer, &subject) || (issuer.n == 0 && subject.n == 0)))
		object->flags |= CERT_SELF_SIGNED;
	object->not_after = cert->not_after;
	object->order = order_key(cursor_peek(&cert->serial, 0),
				  serial_bytes > 0 ? cursor_peek(&cert->serial, serial_bytes - 1) : 0,
				  (const unsigned[]){issuer_common.n, issuer.n, subject_common.n, subject.n});
	return !out->failed;
}

/* ---- Objects that a record has already */

struct member {
	struct cursor key;
	unsigned n; /* elements of an array, else 1 */
	struct cursor value;
};

static void
skip_string(struct cursor *c)
{
	uint8_t byte;

	while (!cursor_bad(c) && (byte = cursor_u8(c)) != '"')
		if (byte == '\\')
			cursor_skip(c, 1);
}

/* Texts, numbers and arrays of texts: that is all there is in our objects. */
static bool
member_next(struct cursor *c, struct member *m)
{
	size_t before;

	cursor_skip(c, 2); /* brace or comma, and quote */
	m->key = cursor_until(c, '"');
	cursor_skip(c, 1);
	m->n = 1;
	m->value = *c;
	before = cursor_left(c);
	if (cursor_peek(c, 0) == '"') {
		cursor_skip(c, 1);
		skip_string(c);
	} else if (cursor_peek(c, 0) == '[') {
		for (m->n = 0; !cursor_bad(c) && cursor_u8(c) != ']' && cursor_u8(c) == '"'; m->n++)
			skip_string(c);
	} else {
		while (cursor_left(c) > 0 && cursor_peek(c, 0) != ',' && cursor_peek(c, 0) != '}')
			cursor_skip(c, 1);
	}
	m->value = cursor_sub(&m->value, before - cursor_left(c));
	return !cursor_bad(c);
}

static uint8_t
hex_byte(struct cursor c)
{
	uint8_t byte = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t digit = cursor_u8(&c);

		byte = (uint8_t)(byte << 4 | (digit >= 'a' ? digit - 'a' + 10 : digit - '0'));
	}
	return byte;
}

bool
cert_object_recall(struct cursor text, struct cert_object *object)
{
	static const char *const counted[] = {"issuerCN", "issuerON", "subjectCN", "subjectON"};
	size_t size = cursor_left(&text);
	unsigned n[4] = {0};
	struct member m;

	*object = (struct cert_object){.bytes = (uint32_t)size};
	while (member_next(&text, &m)) {
		uint32_t end = (uint32_t)(size - cursor_left(&text));
		size_t value_bytes = cursor_left(&m.value);

		if (text_equals_nocase(&m.key, "publicAlgorithm") || text_equals_nocase(&m.key, "curve"))
			object->identity_begin = end;
		for (unsigned i = 0; i < 4; i++)
			if (text_equals_nocase(&m.key, counted[i]))
				n[i] = m.n;
		if (!text_equals_nocase(&m.key, "serial"))
			continue;
		object->identity_end = end;
		if (value_bytes >= 4) {
			struct cursor first = m.value, last = m.value;

			cursor_skip(&first, 1);
			cursor_skip(&last, value_bytes - 3);
			object->order = order_key(hex_byte(first), hex_byte(last), n);
		} else {
			object->order = order_key(0, 0, n);
		}
		return object->identity_begin > 0;
	}
	return false;
}
