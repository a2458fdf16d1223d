/* packet-drop-ips: prefixes into ranges.
 *
 * Prefixes nest, so walking them in order of their first address, with those that are open on a stack, cuts all
 * addresses into ranges of one verdict each: "most specific wins" is decided once, at start. A look-up is a search for
 * the last range that begins at or before the address. IPv4's is confined by an index over the upper 16 bits to the few
 * ranges that begin there, so a list of 100,000 addresses costs two or three steps, and one of ten costs one. (rte_lpm
 * does one step, takes 64 MB for it, and needs EAL, which is not there when the conf is checked.) */
#include "drop_ips.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { IPV4_BITS = 32, IPV6_BITS = 128, INDEX_SIZE = 1 << 16 };

typedef unsigned __int128 ip_number;

struct prefix {
	ip_number first, last;
	uint32_t line; /* the later of two counts */
	uint8_t bits;
	bool drop;
};

struct prefixes {
	struct prefix *prefix;
	uint32_t n, room;
};

struct drop_ips_builder {
	struct prefixes ipv4, ipv6;
};

/* Addresses from 'first' to the next range's. */
struct range_ipv4 {
	uint32_t first;
	bool drop;
};

struct range_ipv6 {
	ip_number first;
	bool drop;
};

struct drop_ips {
	struct range_ipv4 *ipv4; /* [0] begins at address 0 */
	struct range_ipv6 *ipv6;
	uint32_t n_ipv4, n_ipv6;
	uint32_t n_lines;		/* that it was made of */
	uint32_t index[INDEX_SIZE + 1]; /* the range in which the first address with these upper bits is */
};

/* --- lines ------------------------------------------------------------------------------------------------------ */

static bool
parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned long number = 0;
	size_t length = strlen(text);

	if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
		return false;
	number = strtoul(text, NULL, 10);
	*out = (unsigned)number;
	return number <= max;
}

/* "10", "10.1" and "10.1.2" are the beginnings of addresses, as in the prefixes 10/8 and 10.1/16. */
static bool
parse_ipv4(const char *text, bool may_be_short, ip_number *out)
{
	char copy[16], *rest = copy, *part;
	uint32_t value = 0;
	unsigned parts = 0, number;

	if (strlen(text) >= sizeof(copy))
		return false;
	memcpy(copy, text, strlen(text) + 1);
	while ((part = strsep(&rest, ".")) != NULL) {
		if (++parts > 4 || !parse_number(part, UINT8_MAX, &number))
			return false;
		value = value << 8 | number;
	}
	*out = (ip_number)value << 8 * (4 - parts);
	return parts == 4 || may_be_short;
}

static bool
parse_ipv6(const char *text, ip_number *out)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	*out = 0;
	for (unsigned i = 0; i < 16; i++)
		*out = *out << 8 | bytes[i];
	return true;
}

static bool
parse_prefix(const char *text, struct prefix *out, bool *is_ipv6)
{
	const char *slash = strchr(text, '/');
	char name[INET6_ADDRSTRLEN + 1];
	unsigned bits, all;
	ip_number hosts;

	if (slash == NULL)
		slash = text + strlen(text);
	if ((size_t)(slash - text) >= sizeof(name))
		return false;
	memcpy(name, text, (size_t)(slash - text));
	name[slash - text] = '\0';
	*is_ipv6 = strchr(name, ':') != NULL;
	bits = all = *is_ipv6 ? IPV6_BITS : IPV4_BITS;
	if (*slash == '/' && !parse_number(slash + 1, all, &bits))
		return false;
	if (!(*is_ipv6 ? parse_ipv6(name, &out->first) : parse_ipv4(name, *slash == '/', &out->first)))
		return false;
	hosts = bits == 0 ? ~(ip_number)0 : ((ip_number)1 << (all - bits)) - 1;
	if (!*is_ipv6)
		hosts &= UINT32_MAX;
	out->first &= ~hosts;
	out->last = out->first | hosts;
	out->bits = (uint8_t)bits;
	return true;
}

struct drop_ips_builder *
drop_ips_begin(void)
{
	return calloc(1, sizeof(struct drop_ips_builder));
}

void
drop_ips_abandon(struct drop_ips_builder *b)
{
	if (b == NULL)
		return;
	free(b->ipv4.prefix);
	free(b->ipv6.prefix);
	free(b);
}

int
drop_ips_add(struct drop_ips_builder *b, const char *text, const char *verdict)
{
	struct prefix prefix = {.drop = strcmp(verdict, "drop") == 0};
	struct prefixes *list;
	bool is_ipv6;

	if ((!prefix.drop && strcmp(verdict, "allow") != 0) || !parse_prefix(text, &prefix, &is_ipv6))
		return -EINVAL;
	list = is_ipv6 ? &b->ipv6 : &b->ipv4;
	if (list->n == DROP_IPS_MAX)
		return -ENOSPC;
	if (list->n == list->room) {
		uint32_t room = list->room > 0 ? 2 * list->room : 16;
		struct prefix *grown = reallocarray(list->prefix, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		list->prefix = grown;
		list->room = room;
	}
	prefix.line = list->n;
	list->prefix[list->n++] = prefix;
	return 0;
}

/* --- ranges ----------------------------------------------------------------------------------------------------- */

/* The outer one first; of equals the one whose line counts last. */
static int
by_place(const void *a, const void *b)
{
	const struct prefix *p = a, *q = b;

	if (p->first != q->first)
		return p->first < q->first ? -1 : 1;
	if (p->bits != q->bits)
		return p->bits < q->bits ? -1 : 1;
	return p->line < q->line ? -1 : 1;
}

struct ranges {
	struct range_ipv6 *range;
	uint32_t n;
};

/* From 'first' on. One that begins there already is replaced, and no two neighbours say the same. */
static void
add_range(struct ranges *out, ip_number first, bool drop)
{
	if (out->n > 0 && out->range[out->n - 1].first == first)
		out->n--;
	if (out->n > 0 && out->range[out->n - 1].drop == drop)
		return;
	out->range[out->n++] = (struct range_ipv6){.first = first, .drop = drop};
}

/* Room for a range where each prefix begins, one where each ends, and the first. False: no memory. */
static bool
make_ranges(struct prefixes *list, ip_number end, struct ranges *out)
{
	const struct prefix *open[IPV6_BITS + 2];
	unsigned n_open = 0;

	out->n = 0;
	out->range = calloc(2 * (size_t)list->n + 2, sizeof(*out->range));
	if (out->range == NULL)
		return false;
	if (list->n > 0)
		qsort(list->prefix, list->n, sizeof(list->prefix[0]), by_place);
	add_range(out, 0, false);
	for (uint32_t i = 0; i <= list->n; i++) {
		const struct prefix *p = i < list->n ? &list->prefix[i] : NULL;

		while (n_open > 0 && (p == NULL || open[n_open - 1]->last < p->first)) {
			const struct prefix *closed = open[--n_open];

			if (closed->last != end)
				add_range(out, closed->last + 1, n_open > 0 && open[n_open - 1]->drop);
		}
		if (p == NULL)
			break;
		/* The same prefix again: the line before counts no more. */
		if (n_open > 0 && open[n_open - 1]->bits == p->bits)
			n_open--;
		open[n_open++] = p;
		add_range(out, p->first, p->drop);
	}
	return true;
}

static void
make_index(struct drop_ips *d)
{
	uint32_t range = 0;

	for (uint32_t high = 0; high < INDEX_SIZE; high++) {
		while (range + 1 < d->n_ipv4 && d->ipv4[range + 1].first <= high << 16)
			range++;
		d->index[high] = range;
	}
	d->index[INDEX_SIZE] = d->n_ipv4 - 1;
}

struct drop_ips *
drop_ips_finish(struct drop_ips_builder *b)
{
	struct drop_ips *d = calloc(1, sizeof(*d));
	struct ranges ipv4 = {0}, ipv6 = {0};
	uint32_t n_lines = (uint32_t)(b->ipv4.n + b->ipv6.n);
	bool made =
		d != NULL && make_ranges(&b->ipv4, UINT32_MAX, &ipv4) && make_ranges(&b->ipv6, ~(ip_number)0, &ipv6);

	drop_ips_abandon(b);
	if (made)
		d->ipv4 = calloc(ipv4.n, sizeof(*d->ipv4));
	if (!made || d->ipv4 == NULL) {
		free(ipv4.range);
		free(ipv6.range);
		free(d);
		return NULL;
	}
	for (uint32_t i = 0; i < ipv4.n; i++)
		d->ipv4[i] = (struct range_ipv4){.first = (uint32_t)ipv4.range[i].first, .drop = ipv4.range[i].drop};
	free(ipv4.range);
	d->n_ipv4 = ipv4.n;
	d->ipv6 = ipv6.range;
	d->n_ipv6 = ipv6.n;
	d->n_lines = n_lines;
	make_index(d);
	return d;
}

void
drop_ips_destroy(const struct drop_ips *list)
{
	struct drop_ips *d = (void *)(uintptr_t)list;

	if (d == NULL)
		return;
	free(d->ipv4);
	free(d->ipv6);
	free(d);
}

/* --- look-up ---------------------------------------------------------------------------------------------------- */

static bool
drops_ipv4(const struct drop_ips *d, uint32_t address)
{
	/* The answer is one of low .. high. */
	uint32_t low = d->index[address >> 16], high = d->index[(address >> 16) + 1];

	while (low < high) {
		uint32_t middle = high - (high - low) / 2;

		if (d->ipv4[middle].first <= address)
			low = middle;
		else
			high = middle - 1;
	}
	return d->ipv4[low].drop;
}

static bool
drops_ipv6(const struct drop_ips *d, const uint8_t *bytes)
{
	uint32_t low = 0, high = d->n_ipv6 - 1;
	uint64_t word[2];
	ip_number wanted;

	memcpy(word, bytes, sizeof(word));
	wanted = (ip_number)__builtin_bswap64(word[0]) << 64 | __builtin_bswap64(word[1]);
	while (low < high) {
		uint32_t middle = high - (high - low) / 2;

		if (d->ipv6[middle].first <= wanted)
			low = middle;
		else
			high = middle - 1;
	}
	return d->ipv6[low].drop;
}

bool
drop_ips_either_ipv4(const struct drop_ips *d, uint32_t a, uint32_t b)
{
	return drops_ipv4(d, a) || drops_ipv4(d, b);
}

bool
drop_ips_either_ipv6(const struct drop_ips *d, const uint8_t *a, const uint8_t *b)
{
	return drops_ipv6(d, a) || drops_ipv6(d, b);
}

/* --- conf ------------------------------------------------------------------------------------------------------- */

enum { ERRORS_MAX = 100 };

struct load {
	struct drop_ips_builder *builder;
	FILE *errors;
	unsigned n_errors;
	int error;
};

static void
load_line(const struct conf_line *line, void *context)
{
	struct load *load = context;
	int error = drop_ips_add(load->builder, line->key, line->value);
	char quoted[2][128];

	if (error == 0)
		return;
	load->error = error;
	if (load->n_errors++ >= ERRORS_MAX)
		return;
	fprintf(load->errors, "%s:%u: [packet-drop-ips] %s=%s: %s\n", line->where, line->line,
		log_quote(quoted[0], sizeof(quoted[0]), line->key),
		log_quote(quoted[1], sizeof(quoted[1]), line->value),
		error == -EINVAL ? "not ADDRESS=drop, ADDRESS=allow or the same with a prefix ADDRESS/BITS"
				 : strerror(-error));
}

static int
load_files(const struct conf_list *files, struct load *load)
{
	for (unsigned i = 0; i < files->n; i++)
		if (!conf_file_section_lines(files->item[i], "packet-drop-ips", load_line, load, load->errors))
			load->error = -EINVAL;
	if (load->n_errors > ERRORS_MAX)
		fprintf(load->errors, "[packet-drop-ips]: %u more such lines\n", load->n_errors - ERRORS_MAX);
	return load->error;
}

int
drop_ips_load(const struct conf *conf, const struct conf_list *files, FILE *errors, const struct drop_ips **list)
{
	struct load load = {.builder = drop_ips_begin(), .errors = errors};

	*list = NULL;
	if (load.builder != NULL) {
		conf_section_lines(conf, "packet-drop-ips", load_line, &load);
		if (load_files(files, &load) != 0 || (load.builder->ipv4.n == 0 && load.builder->ipv6.n == 0)) {
			drop_ips_abandon(load.builder);
			return load.error;
		}
		*list = drop_ips_finish(load.builder);
	}
	if (*list == NULL)
		fprintf(errors, "[packet-drop-ips]: %s\n", strerror(ENOMEM));
	return *list != NULL ? 0 : -ENOMEM;
}

uint32_t
drop_ips_lines(const struct drop_ips *list)
{
	return list != NULL ? list->n_lines : 0;
}
