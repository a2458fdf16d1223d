/* What DNS records say, as members of an answer: A, AAAA, NS, CNAME, MX, TXT (RFC 1035, RFC 3596), HTTPS (RFC 9460),
 * CAA (RFC 8659), RRSIG, NSEC and DS (RFC 4034). Other types have no members of their own.
 *
 * Data that are not what their type says make the answer as a whole not count, and so does a name that is the root: a
 * null MX, or the signatures of the root zone. Texts are cut at DNS_TEXT_BYTES_MAX. */
#include "dns_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include <rte_common.h>

enum {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_DS = 43,
	TYPE_RRSIG = 46,
	TYPE_NSEC = 47,
	TYPE_HTTPS = 65,
	TYPE_CAA = 257,

	/* RFC 9460, 14.3.2. */
	SVC_ALPN = 1,
	SVC_PORT = 3,
	SVC_IPV4_HINT = 4,
	SVC_IPV6_HINT = 6,

	NSEC_WINDOW_BYTES_MAX = 32,
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
};

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

/* ---- Text of a bounded size, in the worker's scratch space */

struct text {
	char *bytes;
	size_t size;
};

static struct text
text_begin(const struct dns_message *m)
{
	return (struct text){.bytes = m->local->text};
}

static size_t
text_room(const struct text *t)
{
	return DNS_TEXT_BYTES_MAX - t->size;
}

static void
text_bytes(struct text *t, const void *bytes, size_t size)
{
	size = RTE_MIN(size, text_room(t));
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

static void
text_rest(struct text *t, struct cursor c)
{
	size_t size = cursor_left(&c);

	text_bytes(t, cursor_take(&c, size), size);
}

__attribute__((format(printf, 2, 3))) static void
text_format(struct text *t, const char *format, ...)
{
	char piece[128];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	text_bytes(t, piece, (size_t)RTE_MIN(size, (int)sizeof(piece) - 1));
}

static void
text_name(struct text *t, const struct dns_name *name)
{
	text_bytes(t, name->text, name->size);
}

static bool
text_write(struct dns_message *m, const char *key, const struct text *t)
{
	json_key(&m->local->json, key);
	json_str(&m->local->json, t->bytes, t->size, true);
	return true;
}

/* ---- Names */

static bool
read_target(struct dns_message *m, struct cursor *rdata)
{
	return dns_message_name(m, &m->local->target, rdata) == DNS_NAME_OK && dns_name_convert(&m->local->target);
}

/* The root is no target. */
static bool
read_host(struct dns_message *m, struct cursor *rdata)
{
	return read_target(m, rdata) && !m->local->target.is_root;
}

static void
add_host(struct dns_message *m, enum dns_set set)
{
	const struct dns_name *name = &m->local->target;

	dns_store_add(m->ctx, m->store, m->object, set, name->text, name->size);
	if (name->is_ace)
		dns_store_add(m->ctx, m->store, m->object, DNS_PUNY, name->raw, name->raw_size);
}

static void
write_host(struct dns_message *m, const char *key)
{
	json_key(&m->local->json, key);
	json_str(&m->local->json, m->local->target.text, m->local->target.size, true);
}

static bool
write_ns(struct dns_message *m, struct cursor rdata)
{
	if (!read_host(m, &rdata))
		return false;
	if (m->conf->parse_record_all)
		add_host(m, DNS_NAMESERVER_HOST);
	write_host(m, "nameserver");
	return true;
}

static bool
write_cname(struct dns_message *m, struct cursor rdata)
{
	if (!read_host(m, &rdata))
		return false;
	add_host(m, DNS_HOST);
	write_host(m, "cname");
	return true;
}

static bool
write_mx(struct dns_message *m, struct cursor rdata)
{
	uint16_t priority = cursor_be16(&rdata);

	if (!read_host(m, &rdata))
		return false;
	add_host(m, m->conf->parse_record_all ? DNS_MAILSERVER_HOST : DNS_HOST);
	json_key(&m->local->json, "priority");
	json_u64(&m->local->json, priority);
	write_host(m, "mx");
	return true;
}

/* ---- Addresses */

/* An address belongs to whatever its owner was named as before it. */
static void
add_address(struct dns_message *m, const uint8_t address[16])
{
	static const struct {
		enum dns_set hosts, addresses;
	} kinds[] = {
		{DNS_HOST, DNS_IP},
		{DNS_NAMESERVER_HOST, DNS_NAMESERVER_IP},
		{DNS_MAILSERVER_HOST, DNS_MAILSERVER_IP},
	};
	const struct dns_name *owner = &m->local->owner;

	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		if (dns_store_has(m->ctx, m->store, m->object, kinds[i].hosts, owner->text, owner->size))
			dns_store_add(m->ctx, m->store, m->object, kinds[i].addresses, address, IPV6_BYTES);
}

static bool
write_address(struct dns_message *m, const uint8_t address[16])
{
	add_address(m, address);
	json_key(&m->local->json, "ip");
	json_ip(&m->local->json, address, 0);
	return true;
}

static bool
write_a(struct dns_message *m, struct cursor rdata)
{
	uint8_t address[IPV6_BYTES];

	if (cursor_left(&rdata) != IPV4_BYTES)
		return false;
	memcpy(address, v4_mapped, sizeof(v4_mapped));
	memcpy(address + sizeof(v4_mapped), cursor_take(&rdata, IPV4_BYTES), IPV4_BYTES);
	return write_address(m, address);
}

static bool
write_aaaa(struct dns_message *m, struct cursor rdata)
{
	return cursor_left(&rdata) == IPV6_BYTES && write_address(m, cursor_take(&rdata, IPV6_BYTES));
}

/* ---- TXT */

static bool
write_txt(struct dns_message *m, struct cursor rdata)
{
	struct json *j = &m->local->json;
	bool is_open = false;

	while (cursor_left(&rdata) > 0) {
		size_t size = cursor_u8(&rdata);
		const uint8_t *text = cursor_take(&rdata, size);

		if (text == NULL)
			break;
		if (size == 0)
			continue;
		if (!is_open) {
			json_key(j, "txt");
			json_array_begin(j);
			is_open = true;
		}
		json_str(j, text, size, true);
	}
	if (is_open)
		json_array_end(j);
	return true;
}

/* ---- HTTPS */

/* Also without any protocol in it the key is there, and so it is of the hints. */
static void
put_alpn(struct text *t, struct cursor value)
{
	const char *separator = "";

	text_format(t, " alpn=");
	while (cursor_left(&value) > 0) {
		struct cursor id = cursor_sub(&value, cursor_u8(&value));

		if (cursor_bad(&value))
			break;
		text_format(t, "%s", separator);
		text_rest(t, id);
		separator = ",";
	}
}

static void
put_port(struct text *t, struct cursor value)
{
	if (cursor_left(&value) == 2)
		text_format(t, " port=%u", cursor_be16(&value));
}

static void
put_address(struct text *t, const uint8_t address[16], unsigned ip_version)
{
	char text[46];

	text_bytes(t, text, (size_t)(json_put_ip(text, address, ip_version) - text));
}

static void
put_hints(struct text *t, struct cursor value, size_t address_bytes)
{
	unsigned ip_version = address_bytes == IPV4_BYTES ? 4 : 6;
	uint8_t address[IPV6_BYTES];
	const char *separator = "";

	text_format(t, " ipv%uhint=", ip_version);
	while (cursor_left(&value) >= address_bytes) {
		memcpy(address, v4_mapped, sizeof(v4_mapped));
		memcpy(address + IPV6_BYTES - address_bytes, cursor_take(&value, address_bytes), address_bytes);
		text_format(t, "%s", separator);
		put_address(t, address, ip_version);
		separator = ",";
	}
}

static bool
write_https(struct dns_message *m, struct cursor rdata)
{
	struct text t = text_begin(m);
	uint16_t priority = cursor_be16(&rdata);

	if (!read_target(m, &rdata))
		return false;
	text_format(&t, "HTTPS %u ", priority);
	if (m->local->target.is_root)
		text_bytes(&t, ".", 1);
	else
		text_name(&t, &m->local->target);
	while (cursor_left(&rdata) > 0) {
		uint16_t key = cursor_be16(&rdata);
		struct cursor value = cursor_sub(&rdata, cursor_be16(&rdata));

		if (key == SVC_ALPN)
			put_alpn(&t, value);
		else if (key == SVC_PORT)
			put_port(&t, value);
		else if (key == SVC_IPV4_HINT)
			put_hints(&t, value, IPV4_BYTES);
		else if (key == SVC_IPV6_HINT)
			put_hints(&t, value, IPV6_BYTES);
	}
	return text_write(m, "https", &t);
}

/* ---- CAA and DNSSEC */

static bool
write_caa(struct dns_message *m, struct cursor rdata)
{
	struct text t = text_begin(m);
	uint8_t flags = cursor_u8(&rdata);
	struct cursor tag = cursor_sub(&rdata, cursor_u8(&rdata));

	if (cursor_bad(&rdata))
		return false;
	text_format(&t, "CAA %u ", flags);
	text_rest(&t, tag);
	text_bytes(&t, " ", 1);
	text_rest(&t, rdata);
	return text_write(m, "caa", &t);
}

static bool
write_rrsig(struct dns_message *m, struct cursor rdata)
{
	struct text t = text_begin(m);
	uint16_t type = cursor_be16(&rdata);
	uint8_t algorithm = cursor_u8(&rdata), labels = cursor_u8(&rdata);
	uint32_t ttl = cursor_be32(&rdata), expires = cursor_be32(&rdata), begins = cursor_be32(&rdata);
	uint16_t key_tag = cursor_be16(&rdata);
	const char *name = dns_type_name(type);

	if (cursor_bad(&rdata) || !read_host(m, &rdata))
		return false;
	text_format(&t, "RRSIG %s %u %u %u %u %u %u ", name != NULL ? name : "UNKNOWN", algorithm, labels, ttl, expires,
		    begins, key_tag);
	text_name(&t, &m->local->target);
	return text_write(m, "rrsig", &t);
}

static void
put_type(struct text *t, uint16_t type)
{
	const char *name = dns_type_name(type);

	if (t->bytes[t->size - 1] != ' ')
		text_bytes(t, " ", 1);
	if (name != NULL)
		text_bytes(t, name, strlen(name));
	else
		text_format(t, "TYPE%u", type);
}

/* RFC 4034, 4.1.2: one window of a bitmap, the leftmost bit of its first byte being its first type. */
static void
put_window(struct text *t, unsigned window, struct cursor bitmap)
{
	for (unsigned type = window << 8; cursor_left(&bitmap) > 0; type += 8) {
		uint8_t bits = cursor_u8(&bitmap);

		for (unsigned i = 0; i < 8; i++)
			if ((bits & 0x80 >> i) != 0)
				put_type(t, (uint16_t)(type + i));
	}
}

static bool
write_nsec(struct dns_message *m, struct cursor rdata)
{
	struct text t = text_begin(m);

	if (!read_host(m, &rdata))
		return false;
	text_bytes(&t, "NSEC ", 5);
	text_name(&t, &m->local->target);
	text_bytes(&t, " ", 1);
	while (cursor_left(&rdata) > 0 && text_room(&t) > 0) {
		uint8_t window = cursor_u8(&rdata), size = cursor_u8(&rdata);
		struct cursor bitmap = cursor_sub(&rdata, size);

		if (cursor_bad(&rdata) || size > NSEC_WINDOW_BYTES_MAX)
			break;
		put_window(&t, window, bitmap);
	}
	return text_write(m, "nsec", &t);
}

static bool
write_ds(struct dns_message *m, struct cursor rdata)
{
	static const char digits[] = "0123456789ABCDEF";
	struct text t = text_begin(m);
	uint16_t key_tag = cursor_be16(&rdata);
	uint8_t algorithm = cursor_u8(&rdata), digest_type = cursor_u8(&rdata);

	if (cursor_bad(&rdata) || cursor_left(&rdata) == 0)
		return false;
	text_format(&t, "DS %u %u %u ", key_tag, algorithm, digest_type);
	while (cursor_left(&rdata) > 0 && text_room(&t) >= 2) {
		uint8_t byte = cursor_u8(&rdata);

		text_bytes(&t, &digits[byte >> 4], 1);
		text_bytes(&t, &digits[byte & 0xf], 1);
	}
	return text_write(m, "ds", &t);
}

bool
dns_rdata_write(struct dns_message *m, uint16_t type, struct cursor rdata)
{
	switch (type) {
	case TYPE_A:
		return write_a(m, rdata);
	case TYPE_NS:
		return write_ns(m, rdata);
	case TYPE_CNAME:
		return write_cname(m, rdata);
	case TYPE_MX:
		return write_mx(m, rdata);
	case TYPE_TXT:
		return write_txt(m, rdata);
	case TYPE_AAAA:
		return write_aaaa(m, rdata);
	case TYPE_DS:
		return write_ds(m, rdata);
	case TYPE_RRSIG:
		return write_rrsig(m, rdata);
	case TYPE_NSEC:
		return write_nsec(m, rdata);
	case TYPE_HTTPS:
		return write_https(m, rdata);
	case TYPE_CAA:
		return write_caa(m, rdata);
	default:
		return true;
	}
}
