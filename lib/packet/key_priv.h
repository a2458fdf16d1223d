/* Endpoints in registers, ordered and stored as a key.
 *
 * Keys are made word by word: the hash loads them as 8 and 16 bytes, and bytes stored one by one would make it wait.
 * Ordering takes no branch, since which side sends is a coin toss. */
#ifndef KEY_PRIV_H
#define KEY_PRIV_H

#include "decode_priv.h"

#ifdef __SSE4_1__
#include <smmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are composed");
_Static_assert(offsetof(struct flow_key, port) == 32 && offsetof(struct flow_key, tracking) == 36 &&
		       offsetof(struct flow_key, protocol) == 39,
	       "see key_tail()");

/* An address as a number of 128 bits, and a port. */
struct endpoint {
	uint64_t high, low;
	uint16_t port;
};

/* ::ffff:0:0/96 */
static inline uint64_t
ipv4_mapped(uint32_t address)
{
	return UINT64_C(0xffff) << 32 | address;
}

static inline void
key_set_address(uint8_t out[16], uint64_t high, uint64_t low)
{
#ifdef __SSE2__
	/* Left to itself gcc puts the words together in memory, and the load waits for the two stores.
	 */
	_mm_storeu_si128((void *)out,
			 _mm_set_epi64x((int64_t)__builtin_bswap64(low), (int64_t)__builtin_bswap64(high)));
#else
	uint64_t word[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};

	memcpy(out, word, sizeof(word));
#endif
}

/* What all keys of a packet have after the ports; tracking bytes are the number's, highest first. */
static inline uint64_t
key_tail(uint32_t tracking, uint64_t protocol)
{
	return protocol << 56 | (uint64_t)(tracking & 0xff) << 48 | (uint64_t)(tracking >> 8 & 0xff) << 40 |
	       (uint64_t)(tracking >> 16 & 0xff) << 32;
}

static inline void
key_set_tail(struct flow_key *key, uint16_t first_port, uint16_t second_port, uint64_t tail)
{
	tail |= (uint64_t)second_port << 16 | first_port;
	memcpy((uint8_t *)key + offsetof(struct flow_key, port), &tail, sizeof(tail));
}

/* Swaps when 'swap' is set. */
static inline void
swap_words(uint64_t *a, uint64_t *b, bool swap)
{
	uint64_t difference = (*a ^ *b) & -(uint64_t)swap;

	*a ^= difference;
	*b ^= difference;
}

/* Addresses by number, which is their order as bytes, then ports; equal ones count as sent by the first. Returns what
 * p->reversed is then. */
static inline bool
key_set_endpoints(struct flow_key *key, const struct endpoint *source, const struct endpoint *destination,
		  uint64_t tail)
{
	uint64_t high[2] = {source->high, destination->high}, low[2] = {source->low, destination->low};
	uint64_t port[2] = {source->port, destination->port};
	bool reversed = high[0] > high[1] ||
			(high[0] == high[1] && (low[0] > low[1] || (low[0] == low[1] && port[0] > port[1])));

	swap_words(&high[0], &high[1], reversed);
	swap_words(&low[0], &low[1], reversed);
	swap_words(&port[0], &port[1], reversed);
	key_set_address(key->address[0], high[0], low[0]);
	key_set_address(key->address[1], high[1], low[1]);
	key_set_tail(key, (uint16_t)port[0], (uint16_t)port[1], tail);
	return reversed;
}

static inline struct endpoint
ipv6_endpoint(const uint8_t address[16], uint16_t port)
{
	return (struct endpoint){.high = (uint64_t)read_be32(&address[0]) << 32 | read_be32(&address[4]),
				 .low = (uint64_t)read_be32(&address[8]) << 32 | read_be32(&address[12]),
				 .port = port};
}

/* 'addresses': source and destination. */
static inline bool
key_set_ipv6(struct flow_key *key, const uint8_t addresses[32], uint16_t source_port, uint16_t destination_port,
	     uint64_t tail)
{
	struct endpoint source = ipv6_endpoint(&addresses[0], source_port);
	struct endpoint destination = ipv6_endpoint(&addresses[16], destination_port);

	return key_set_endpoints(key, &source, &destination, tail);
}

/* The same for IPv4: one comparison. */
static inline bool
key_set_ipv4(struct flow_key *key, uint32_t source, uint32_t destination, uint16_t source_port,
	     uint16_t destination_port, uint64_t tail)
{
	uint64_t first = (uint64_t)source << 16 | source_port, second = (uint64_t)destination << 16 | destination_port;
	bool reversed = first > second;

	swap_words(&first, &second, reversed);
	key_set_address(key->address[0], 0, ipv4_mapped((uint32_t)(first >> 16)));
	key_set_address(key->address[1], 0, ipv4_mapped((uint32_t)(second >> 16)));
	key_set_tail(key, (uint16_t)first, (uint16_t)second, tail);
	return reversed;
}

/* The same for a header without options, where 'ends' has both addresses, both ports, and four bytes more: what lies
 * side by side is shuffled into its places. */
static inline bool
key_set_plain_ipv4(struct flow_key *key, const uint8_t ends[16], uint64_t tail)
{
#ifdef __SSE4_1__
	static const int8_t from[2][3][16] = {
		{{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3},
		 {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 4, 5, 6, 7},
		 {9, 8, 11, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}},
		{{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 4, 5, 6, 7},
		 {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3},
		 {11, 10, 9, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}},
	};
	static const int8_t order[16] = {9, 8, 3, 2, 1, 0, -1, -1, 11, 10, 7, 6, 5, 4, -1, -1};
	const __m128i mapped = _mm_set_epi64x((int64_t)__builtin_bswap64(ipv4_mapped(0)), 0);
	const __m128i bytes = _mm_loadu_si128((const void *)ends);
	const __m128i numbers = _mm_shuffle_epi8(bytes, _mm_loadu_si128((const void *)order));
	bool reversed = _mm_cvtsi128_si64(numbers) > _mm_extract_epi64(numbers, 1);
	const __m128i *places = (const void *)from[reversed];

	_mm_storeu_si128((void *)key->address[0],
			 _mm_or_si128(_mm_shuffle_epi8(bytes, _mm_loadu_si128(&places[0])), mapped));
	_mm_storeu_si128((void *)key->address[1],
			 _mm_or_si128(_mm_shuffle_epi8(bytes, _mm_loadu_si128(&places[1])), mapped));
	_mm_storel_epi64((void *)key->port, _mm_or_si128(_mm_shuffle_epi8(bytes, _mm_loadu_si128(&places[2])),
							 _mm_cvtsi64_si128((int64_t)tail)));
	return reversed;
#else
	return key_set_ipv4(key, read_be32(&ends[0]), read_be32(&ends[4]), read_be16(&ends[8]), read_be16(&ends[10]),
			    tail);
#endif
}

#endif
