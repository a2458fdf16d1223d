/* Fingerprints of hellos: JA3's lists of decimal numbers, and JA4.
 *
 * Both say which client is talking from what it offers. JA3 is the MD5 of the offers in the order they were sent; JA4
 * sorts them, because browsers began to shuffle their extensions, and puts what a person can read in front. GREASE (RFC
 * 8701) is random and left out of both.
 *
 * Cost: a hello has some 20 ciphers and 15 extensions, so the lists are short and the three digests are most of it. The
 * numbers are sorted in place by Shell's method, which needs neither memory nor luck: 500 numbers in any order take
 * some 5,000 steps. Limits: what is beyond JA4_..._MAX is counted and not listed. */
#include "json.h"
#include "tls_priv.h"

/* ---- Texts */

void
tls_text_byte(struct tls_text *t, char byte)
{
	if (t->size >= t->capacity)
		t->full = true;
	else
		t->bytes[t->size++] = byte;
}

void
tls_text_decimal(struct tls_text *t, uint16_t value)
{
	char digits[8];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	if (t->capacity - t->size < n) {
		t->full = true;
		return;
	}
	while (n > 0)
		t->bytes[t->size++] = digits[--n];
}

void
tls_text_list(struct tls_text *t, struct cursor list)
{
	bool first = true;

	while (cursor_left(&list) >= 2 && !t->full) {
		uint16_t value = cursor_be16(&list);

		if (tls_is_grease(value))
			continue;
		if (!first)
			tls_text_byte(t, '-');
		tls_text_decimal(t, value);
		first = false;
	}
}

struct cursor
tls_take_list(struct cursor *c, unsigned length_bytes)
{
	size_t size = length_bytes == 1 ? cursor_u8(c) : cursor_be16(c), left = cursor_left(c);

	return cursor_sub(c, size < left ? size : left);
}

/* ---- JA4 */

void
ja4_reset(struct ja4 *j, char transport, uint16_t legacy_version)
{
	j->transport = transport;
	j->has_server_name = false;
	j->alpn[0] = j->alpn[1] = '0';
	j->version = legacy_version;
	j->ciphers_seen = j->extensions_seen = 0;
	j->n_ciphers = j->n_extensions = j->n_algorithms = 0;
}

void
ja4_add_ciphers(struct ja4 *j, struct cursor ciphers)
{
	while (cursor_left(&ciphers) >= 2 && j->n_ciphers < JA4_CIPHERS_MAX) {
		uint16_t code = cursor_be16(&ciphers);

		if (tls_is_grease(code))
			continue;
		j->ciphers_seen++;
		j->ciphers[j->n_ciphers++] = code;
	}
}

bool
tls_server_name(struct cursor data, struct cursor *name)
{
	uint16_t list_bytes = cursor_be16(&data);
	bool list_fits = cursor_left(&data) == list_bytes;
	uint8_t type = cursor_u8(&data);
	uint16_t name_bytes = cursor_be16(&data);

	if (cursor_bad(&data) || !list_fits || type != 0 || cursor_left(&data) != name_bytes)
		return false;
	*name = data;
	return true;
}

static bool
is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 7301 3.1. First and last character of the first protocol; of one that cannot be printed, hex digits. */
static void
add_alpn(struct ja4 *j, struct cursor data)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t size, first, last;

	cursor_skip(&data, 2);
	size = cursor_u8(&data);
	data = cursor_sub(&data, size);
	if (cursor_bad(&data) || size == 0)
		return;
	first = cursor_peek(&data, 0);
	last = cursor_peek(&data, size - 1u);
	if (is_alphanumeric(first) && is_alphanumeric(last)) {
		j->alpn[0] = (char)first;
		j->alpn[1] = (char)last;
	} else {
		j->alpn[0] = hex[first >> 4];
		j->alpn[1] = hex[last & 15];
	}
}

static void
add_algorithms(struct ja4 *j, struct cursor data)
{
	uint16_t size = cursor_be16(&data);

	if (size < cursor_left(&data))
		data = cursor_sub(&data, size);
	while (cursor_left(&data) >= 2 && j->n_algorithms < JA4_ALGORITHMS_MAX)
		j->algorithms[j->n_algorithms++] = cursor_be16(&data);
}

/* RFC 8446 4.2.1. The best that is offered; in DTLS, whose numbers count down, ours to take the smallest. */
static void
add_versions(struct ja4 *j, struct cursor data)
{
	uint8_t size = cursor_u8(&data);

	if (size < cursor_left(&data))
		data = cursor_sub(&data, size);
	while (cursor_left(&data) >= 2) {
		uint16_t version = cursor_be16(&data);

		if (tls_is_grease(version))
			continue;
		if (j->transport != 'd' ? version > j->version : version < j->version || j->version == 0)
			j->version = version;
	}
}

void
ja4_add_extension(struct ja4 *j, uint16_t id, struct cursor data)
{
	struct cursor name;

	if (tls_is_grease(id))
		return;
	j->extensions_seen++;
	switch (id) {
	case TLS_EXTENSION_SERVER_NAME:
		j->has_server_name = tls_server_name(data, &name) || j->has_server_name;
		return;
	case TLS_EXTENSION_ALPN:
		add_alpn(j, data);
		return;
	case TLS_EXTENSION_ALGORITHMS:
		add_algorithms(j, data);
		break;
	case TLS_EXTENSION_VERSIONS:
		add_versions(j, data);
		break;
	default:
		break;
	}
	if (j->n_extensions < JA4_EXTENSIONS_MAX)
		j->extensions[j->n_extensions++] = id;
}

static void
sort_numbers(uint16_t *number, unsigned n)
{
	static const unsigned gaps[] = {132, 57, 23, 10, 4, 1};

	for (unsigned g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (unsigned gap = gaps[g], i = gap; i < n; i++) {
			uint16_t value = number[i];
			unsigned place = i;

			for (; place >= gap && number[place - gap] > value; place -= gap)
				number[place] = number[place - gap];
			number[place] = value;
		}
}

/* "c013,c014" */
static char *
put_list(char *out, const uint16_t *number, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t bytes[2] = {(uint8_t)(number[i] >> 8), (uint8_t)number[i]};

		if (i > 0)
			*out++ = ',';
		out = json_put_hex(out, bytes, sizeof(bytes));
	}
	return out;
}

static char *
put_two_digits(char *out, uint32_t n)
{
	n = n < 99 ? n : 99;
	*out++ = (char)('0' + n / 10);
	*out++ = (char)('0' + n % 10);
	return out;
}

/* The first twelve hex digits of the SHA-256 of a list. */
static char *
put_hash(struct shrike_ctx *ctx, char *out, const char *list, size_t size)
{
	uint8_t digest[32] = {0};

	if (size > 0)
		shrike_digest_of(ctx, SHRIKE_SHA256, list, size, digest);
	return json_put_hex(out, digest, 6);
}

static char *
put_prefix(char *out, const struct ja4 *j, const char version[2])
{
	*out++ = j->transport;
	*out++ = version[0];
	*out++ = version[1];
	*out++ = j->has_server_name ? 'd' : 'i';
	out = put_two_digits(out, j->ciphers_seen);
	out = put_two_digits(out, j->extensions_seen);
	*out++ = j->alpn[0];
	*out++ = j->alpn[1];
	*out++ = '_';
	return out;
}

void
ja4_finish(struct shrike_ctx *ctx, struct ja4 *j, const char version[2], char raw[JA4_RAW_MAX], size_t *raw_size,
	   char text[JA4_TEXT_MAX], size_t *text_size)
{
	char *r = put_prefix(raw, j, version), *t = put_prefix(text, j, version), *list = r;

	sort_numbers(j->ciphers, j->n_ciphers);
	sort_numbers(j->extensions, j->n_extensions);
	r = put_list(r, j->ciphers, j->n_ciphers);
	t = put_hash(ctx, t, list, (size_t)(r - list));
	*r++ = *t++ = '_';
	list = r;
	r = put_list(r, j->extensions, j->n_extensions);
	if (j->n_algorithms > 0) {
		*r++ = '_';
		r = put_list(r, j->algorithms, j->n_algorithms);
	}
	t = put_hash(ctx, t, list, (size_t)(r - list));
	*raw_size = (size_t)(r - raw);
	*text_size = (size_t)(t - text);
}
