/* libFuzzer: packet-drop-ips, against the rule as it is written: of all prefixes that hold an address the longest
 * decides, of equal ones the later line.
 *
 *   lines: 1 byte (1: IPv6; 2: drop; 4: any text), 1 byte of bits, 4 or 16 bytes of address; any text: 1 byte of length
 *   and the text, which may be a line or not
 *
 * What is asked for: both ends of every prefix, and the addresses before and behind. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "drop_ips.h"

enum { IPV6 = 1, DROP = 2, TEXT = 4, LINES_MAX = 24, TEXT_BYTES = 256, ADDRESS_BYTES = 16 };

struct line {
	uint8_t address[ADDRESS_BYTES]; /* IPv4 at its end */
	unsigned bits;			/* of the 128 */
	bool is_ipv6, drop;
};

struct list {
	struct line line[LINES_MAX];
	unsigned n;
};

/* True: it is a line. */
static bool
add_text(struct drop_ips_builder *b, struct cursor *in, bool drop)
{
	char text[TEXT_BYTES];
	unsigned length = cursor_u8(in);
	struct cursor bytes = cursor_sub(in, length);
	const uint8_t *taken = cursor_take(&bytes, length);

	if (taken == NULL)
		return false;
	memcpy(text, taken, length);
	text[length] = '\0';
	fuzz_require(drop_ips_add(b, "10.0.0.0/8", text) != 0 || strcmp(text, "drop") == 0 ||
			     strcmp(text, "allow") == 0,
		     "a verdict is one of two words");
	return drop_ips_add(b, text, drop ? "drop" : "allow") == 0;
}

static bool
read_line(struct drop_ips_builder *b, struct cursor *in, unsigned flags, struct line *out)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	unsigned bytes = flags & IPV6 ? 16 : 4, bits = cursor_u8(in) % (8 * bytes + 1);
	const uint8_t *at = cursor_take(in, bytes);

	if (at == NULL)
		return false;
	*out = (struct line){
		.bits = bits + 128 - 8 * bytes, .is_ipv6 = (flags & IPV6) != 0, .drop = (flags & DROP) != 0};
	memcpy(&out->address[ADDRESS_BYTES - bytes], at, bytes);
	fuzz_require(inet_ntop(out->is_ipv6 ? AF_INET6 : AF_INET, at, address, sizeof(address)) != NULL, "an address");
	snprintf(text, sizeof(text), bits == 8 * bytes ? "%s" : "%s/%u", address, bits);
	fuzz_require(drop_ips_add(b, text, out->drop ? "drop" : "allow") == 0, "a good line is taken");
	return true;
}

static bool
holds(const struct line *l, const uint8_t address[ADDRESS_BYTES])
{
	unsigned whole = l->bits / 8, rest = l->bits % 8;

	return memcmp(l->address, address, whole) == 0 &&
	       (rest == 0 || (l->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

static bool
expected(const struct list *list, bool is_ipv6, const uint8_t address[ADDRESS_BYTES])
{
	const struct line *best = NULL;

	for (unsigned i = 0; i < list->n; i++) {
		const struct line *l = &list->line[i];

		if (l->is_ipv6 == is_ipv6 && (best == NULL || l->bits >= best->bits) && holds(l, address))
			best = l;
	}
	return best != NULL && best->drop;
}

static void
ask(const struct drop_ips *d, const struct list *list, bool is_ipv6, const uint8_t address[ADDRESS_BYTES])
{
	struct cursor in = cursor_make(&address[12], 4);
	uint32_t ipv4 = cursor_be32(&in);
	bool drops = is_ipv6 ? drop_ips_either_ipv6(d, address, address) : drop_ips_either_ipv4(d, ipv4, ipv4);

	fuzz_require(drops == expected(list, is_ipv6, address), "the longest prefix decides");
}

/* One up or down, as a number of 'bytes' bytes; around its ends. */
static void
step(uint8_t address[ADDRESS_BYTES], unsigned bytes, int by)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t *digit = &address[ADDRESS_BYTES - 1 - i];

		*digit = (uint8_t)(*digit + by);
		if (*digit != (by > 0 ? 0 : UINT8_MAX))
			break;
	}
}

static void
ask_around(const struct drop_ips *d, const struct list *list, const struct line *l)
{
	unsigned bytes = l->is_ipv6 ? 16 : 4;
	uint8_t first[ADDRESS_BYTES], last[ADDRESS_BYTES];

	memcpy(first, l->address, sizeof(first));
	for (unsigned i = l->bits; i < 128; i++)
		first[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	memcpy(last, first, sizeof(last));
	for (unsigned i = l->bits; i < 128; i++)
		last[i / 8] |= (uint8_t)(0x80 >> i % 8);
	ask(d, list, l->is_ipv6, l->address);
	ask(d, list, l->is_ipv6, first);
	ask(d, list, l->is_ipv6, last);
	step(first, bytes, -1);
	ask(d, list, l->is_ipv6, first);
	step(last, bytes, 1);
	ask(d, list, l->is_ipv6, last);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);
	/* What any text makes is not in the other list. */
	struct drop_ips_builder *exact = drop_ips_begin(), *any = drop_ips_begin();
	bool has_any = false;
	static struct list list;
	struct drop_ips *d;

	fuzz_require(exact != NULL && any != NULL, "memory");
	list.n = 0;
	while (list.n < LINES_MAX && cursor_left(&in) > 2) {
		unsigned flags = cursor_u8(&in);

		if ((flags & TEXT) != 0)
			has_any |= add_text(any, &in, (flags & DROP) != 0);
		else
			list.n += read_line(exact, &in, flags, &list.line[list.n]);
	}
	d = drop_ips_finish(exact);
	fuzz_require(d != NULL, "a list");
	for (unsigned i = 0; i < list.n; i++)
		ask_around(d, &list, &list.line[i]);
	drop_ips_destroy(d);
	/* Making a list costs more than all else. */
	if (has_any)
		drop_ips_destroy(drop_ips_finish(any));
	else
		drop_ips_abandon(any);
	return 0;
}
