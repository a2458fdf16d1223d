/* The hash behind lib/packet/dedup.c, for it and its tests. */
#ifndef DEDUP_PRIV_H
#define DEDUP_PRIV_H

#include "dedup.h"
#include "flow_key_priv.h"

enum {
	DEDUP_BLOCK_BYTES = 16,
	DEDUP_HEADER_BYTES_MAX = 256, /* longer ones are not compared */
	DEDUP_TRANSPORT_BYTES = 20,
	DEDUP_META_BYTES = 8,
	DEDUP_BLOCKS_MAX = (DEDUP_HEADER_BYTES_MAX + DEDUP_TRANSPORT_BYTES + DEDUP_META_BYTES + 15) / DEDUP_BLOCK_BYTES,
	DEDUP_ROUNDS = 4,
};

/* What is compared of a packet. The meta bytes at the end (tracking id, then the lengths, of which the last is never 0)
 * make texts of different lengths different; zeroes fill the last block. */
struct dedup_text {
	_Alignas(DEDUP_BLOCK_BYTES) uint8_t bytes[DEDUP_BLOCKS_MAX * DEDUP_BLOCK_BYTES];
	unsigned n_blocks;
};

struct dedup_hash {
	uint64_t low, high;
};

struct dedup_keys {
	uint64_t round[DEDUP_ROUNDS][2];
	uint64_t mask[DEDUP_BLOCKS_MAX][2];
};

/* Keys of their own from the secret. */
void dedup_keys_init(struct dedup_keys *, const struct hash_secret *);

/* False: not a packet to compare. */
bool dedup_text_make(struct dedup_text *, const struct packet *, uint32_t tracking_id);

/* SipHash-2-4 with 128 bits, for CPUs without AES instructions. */
struct dedup_hash dedup_hash_portable(const struct dedup_keys *, const struct dedup_text *);

#ifdef __AES__
/* One block: a permutation, in which no difference of two blocks leads to a known difference with more than 2^-113
 * (four rounds of AES; Keliher and Sui, 2007). */
static inline __m128i
dedup_permute(const struct dedup_keys *k, unsigned i, __m128i block)
{
	const __m128i *round = (const void *)k->round, *mask = (const void *)k->mask;

	block = _mm_xor_si128(block, _mm_loadu_si128(&mask[i]));
	for (unsigned r = 0; r < DEDUP_ROUNDS; r++)
		block = _mm_aesenc_si128(block, _mm_loadu_si128(&round[r]));
	return block;
}

static inline struct dedup_hash
dedup_hash_of(__m128i sum)
{
	return (struct dedup_hash){.low = (uint64_t)_mm_cvtsi128_si64(sum),
				   .high = (uint64_t)_mm_extract_epi64(sum, 1)};
}

struct dedup_hash dedup_hash_aes(const struct dedup_keys *, const struct dedup_text *);
#endif

#endif
