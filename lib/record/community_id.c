/* Community ID, version 1, seed 0 (RECORD.md 1.7).
 *
 * SHA-1 over seed, addresses, protocol and ports, the lower endpoint first. ICMP has its type and the type of the
 * answer in place of ports. One difference from the public definition, which the reference has and so do we: for ICMP
 * types without an answer the definition leaves the direction as it is; here the lower address comes first all the
 * same, and type and code change places with it.
 *
 * What is hashed always fits into one block with its padding. SHA1_Transform() is OpenSSL's code for a block, and
 * nothing else: the calls that replace it since 3.0 cost three times as much as the hash, 120 ns of each document. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <rte_byteorder.h>

#include "document_priv.h"

enum { IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_ICMPV6 = 58, INPUT_BYTES_MAX = 40 };

/* Types that answer each other. */
static const uint8_t icmp_pairs[][2] = {{0, 8}, {9, 10}, {13, 14}, {15, 16}, {17, 18}};
static const uint8_t icmpv6_pairs[][2] = {{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}};

static uint8_t
other_of(const uint8_t pairs[][2], unsigned n, uint8_t type, uint8_t code)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned side = 0; side < 2; side++)
			if (pairs[i][side] == type)
				return pairs[i][!side];
	return code;
}

/* What stands for the ports. */
static void
port_numbers(const struct record_summary *s, uint16_t port[2])
{
	port[0] = s->port[0];
	port[1] = s->port[1];
	if (s->ip_protocol == IP_PROTOCOL_ICMP) {
		port[0] = s->icmp_type;
		port[1] = other_of(icmp_pairs, sizeof(icmp_pairs) / 2, s->icmp_type, s->icmp_code);
	} else if (s->ip_protocol == IP_PROTOCOL_ICMPV6) {
		port[0] = s->icmp_type;
		port[1] = other_of(icmpv6_pairs, sizeof(icmpv6_pairs) / 2, s->icmp_type, s->icmp_code);
	}
}

/* Which of the two ends is greater: 1, 0: they are the same, or -1. */
static inline int
compare_addresses(const struct record_summary *s)
{
	rte_be64_t a[2], b[2];
	unsigned half;

	memcpy(a, s->address[0], sizeof(a));
	memcpy(b, s->address[1], sizeof(b));
	half = a[0] == b[0];
	return (rte_be_to_cpu_64(a[half]) > rte_be_to_cpu_64(b[half])) -
	       (rte_be_to_cpu_64(a[half]) < rte_be_to_cpu_64(b[half]));
}

/* The hashed bytes; returns how many. */
static size_t
hash_input(const struct record_summary *s, uint8_t out[INPUT_BYTES_MAX])
{
	size_t skip = s->ip_version == 4 ? 12 : 0, size = 16 - skip;
	int order = compare_addresses(s);
	uint8_t *p = out;
	unsigned low;
	uint16_t port[2];

	port_numbers(s, port);
	low = order > 0 || (order == 0 && port[0] > port[1]);
	*p++ = 0; /* seed */
	*p++ = 0;
	memcpy(p, s->address[low] + skip, size);
	memcpy(p + size, s->address[!low] + skip, size);
	p += 2 * size;
	*p++ = s->ip_protocol;
	*p++ = 0;
	*p++ = (uint8_t)(port[low] >> 8);
	*p++ = (uint8_t)port[low];
	*p++ = (uint8_t)(port[!low] >> 8);
	*p++ = (uint8_t)port[!low];
	return (size_t)(p - out);
}

/* FIPS 180-4, 5.1.1 and 6.1. The hash as bytes, the first in the lowest of hash[0]. */
static void
sha1_of_one_block(uint8_t block[SHA_CBLOCK], size_t size, uint64_t hash[3])
{
	SHA_CTX context;

	SHA1_Init(&context);
	block[size] = 0x80;
	memset(block + size + 1, 0, SHA_CBLOCK - 2 - (size + 1));
	block[SHA_CBLOCK - 2] = (uint8_t)(8 * size >> 8);
	block[SHA_CBLOCK - 1] = (uint8_t)(8 * size);
	SHA1_Transform(&context, block);
	hash[0] = rte_cpu_to_be_32(context.h0) | (uint64_t)rte_cpu_to_be_32(context.h1) << 32;
	hash[1] = rte_cpu_to_be_32(context.h2) | (uint64_t)rte_cpu_to_be_32(context.h3) << 32;
	hash[2] = rte_cpu_to_be_32(context.h4);
}

void
community_id(const struct record_summary *s, char out[COMMUNITY_ID_BYTES])
{
	uint8_t block[SHA_CBLOCK];
	uint64_t hash[3];

	out[0] = '\0';
	if (!s->has_community_id || (s->ip_version != 4 && s->ip_version != 6))
		return;
	sha1_of_one_block(block, hash_input(s, block), hash);
	memcpy(out, "1:", 2);
	base64_put_words(out + 2, hash, false);
	memcpy(out + COMMUNITY_ID_LENGTH - 1, "=", 2);
}
