/* Community ID, version 1, seed 0 (RECORD.md 1.7).
 *
 * SHA-1 over seed, addresses, protocol and ports, the lower endpoint first. ICMP has its type and the type of the
 * answer in place of ports. One difference from the public definition, which the reference has and so do we: for ICMP
 * types without an answer the definition leaves the direction as it is; here the lower address comes first all the
 * same, and type and code change places with it. */
#include "document_priv.h"

enum { IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_ICMPV6 = 58, SHA1_BYTES = 20 };

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

/* The hashed bytes; returns how many. */
static size_t
hash_input(const struct record_summary *s, uint8_t out[40])
{
	size_t skip = s->ip_version == 4 ? 12 : 0, size = 16 - skip;
	int order = memcmp(s->address[0] + skip, s->address[1] + skip, size);
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

void
community_id_write(EVP_MD_CTX *digest, EVP_MD *sha1, const struct record_summary *s, char out[COMMUNITY_ID_BYTES])
{
	uint8_t input[40], hash[EVP_MAX_MD_SIZE];
	size_t size;

	out[0] = '\0';
	if (!s->has_community_id || (s->ip_version != 4 && s->ip_version != 6))
		return;
	size = hash_input(s, input);
	if (EVP_DigestInit_ex2(digest, sha1, NULL) != 1 || EVP_DigestUpdate(digest, input, size) != 1 ||
	    EVP_DigestFinal_ex(digest, hash, NULL) != 1)
		return;
	memcpy(out, "1:", 2);
	*base64_put(out + 2, hash, SHA1_BYTES, false) = '\0';
}

void
community_id(const struct record_summary *s, char out[COMMUNITY_ID_BYTES])
{
	EVP_MD *sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	out[0] = '\0';
	if (sha1 != NULL && digest != NULL)
		community_id_write(digest, sha1, s, out);
	EVP_MD_CTX_free(digest);
	EVP_MD_free(sha1);
}
