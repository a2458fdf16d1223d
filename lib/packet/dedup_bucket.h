/* Inside of lib/packet/dedup.c: a bucket, one cache line of packets that are remembered.
 *
 * A word is a packet: the upper 55 bits of its hash, a flag, and the tick in which it came. The newest is the first
 * one, so that what a new packet pushes out is what will be forgotten first, and nothing is counted or searched for. */
#ifndef DEDUP_BUCKET_H
#define DEDUP_BUCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <rte_common.h>

enum {
	BUCKET_WORDS = 8,
	TICK_MASK = 0xff,
	OVERFLOWED = 0x100, /* when this one came, another one of the bucket went to a neighbour */
	TAG_SHIFT = 9,
};

#define TAG_MASK (UINT64_MAX << TAG_SHIFT)

struct bucket {
	uint64_t word[BUCKET_WORDS]; /* 0: free */
} __rte_cache_aligned;
_Static_assert(sizeof(struct bucket) == 64, "one cache line");

/* Sets of words: a bit for each. */

#if defined(__AVX2__) && !defined(__AVX512F__)
#define BUCKET_AVX2 1

static inline __m256i
half_of(const struct bucket *b, unsigned half)
{
	return _mm256_load_si256((const void *)&b->word[half * BUCKET_WORDS / 2]);
}

/* Of each half the words that are all ones. */
static inline unsigned
set_of(__m256i first, __m256i second)
{
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(first)) |
	       (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(second)) << BUCKET_WORDS / 2;
}

static inline __m256i
equal_in(__m256i words, uint64_t mask, uint64_t wanted)
{
	return _mm256_cmpeq_epi64(_mm256_and_si256(words, _mm256_set1_epi64x((long long)mask)),
				  _mm256_set1_epi64x((long long)wanted));
}

static inline __m256i
alive_in(__m256i words, uint8_t tick, uint8_t life)
{
	const __m256i age =
		_mm256_and_si256(_mm256_sub_epi64(_mm256_set1_epi64x(tick), words), _mm256_set1_epi64x(TICK_MASK));
	const __m256i is_free = _mm256_cmpeq_epi64(words, _mm256_setzero_si256());

	return _mm256_andnot_si256(is_free, _mm256_cmpgt_epi64(_mm256_set1_epi64x(life), age));
}

/* The words of a set of four, in their order, zeros behind them. */
static inline __m256i
keep_in(__m256i words, unsigned set)
{
	/* For each set first the halves of its words, then those of the others, a byte each. */
	static const uint8_t halves[16][8] = {
		{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}, {2, 3, 0, 1, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
		{4, 5, 0, 1, 2, 3, 6, 7}, {0, 1, 4, 5, 2, 3, 6, 7}, {2, 3, 4, 5, 0, 1, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
		{6, 7, 0, 1, 2, 3, 4, 5}, {0, 1, 6, 7, 2, 3, 4, 5}, {2, 3, 6, 7, 0, 1, 4, 5}, {0, 1, 2, 3, 6, 7, 4, 5},
		{4, 5, 6, 7, 0, 1, 2, 3}, {0, 1, 4, 5, 6, 7, 2, 3}, {2, 3, 4, 5, 6, 7, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7},
	};
	const __m256i bits = _mm256_setr_epi64x(1, 2, 4, 8);
	const __m256i kept = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(set), bits), bits);
	const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)halves[set]));

	return _mm256_permutevar8x32_epi32(_mm256_and_si256(words, kept), order);
}
#endif

static inline unsigned
bucket_equal(const struct bucket *b, uint64_t tag)
{
#ifdef __AVX512F__
	const __m512i difference = _mm512_xor_si512(_mm512_load_si512(b), _mm512_set1_epi64((long long)tag));

	return _mm512_testn_epi64_mask(difference, _mm512_set1_epi64((long long)TAG_MASK));
#elif defined(BUCKET_AVX2)
	return set_of(equal_in(half_of(b, 0), TAG_MASK, tag), equal_in(half_of(b, 1), TAG_MASK, tag));
#else
	unsigned equal = 0;

	for (unsigned i = 0; i < BUCKET_WORDS; i++)
		equal |= (unsigned)((b->word[i] & TAG_MASK) == tag) << i;
	return equal;
#endif
}

static inline unsigned
bucket_with(const struct bucket *b, uint64_t bit)
{
#ifdef __AVX512F__
	return _mm512_test_epi64_mask(_mm512_load_si512(b), _mm512_set1_epi64((long long)bit));
#elif defined(BUCKET_AVX2)
	return set_of(equal_in(half_of(b, 0), bit, bit), equal_in(half_of(b, 1), bit, bit));
#else
	unsigned with = 0;

	for (unsigned i = 0; i < BUCKET_WORDS; i++)
		with |= (unsigned)((b->word[i] & bit) != 0) << i;
	return with;
#endif
}

/* It came in one of the last 'life' ticks. */
static inline bool
word_alive(uint64_t word, uint8_t tick, uint8_t life)
{
	return word != 0 && (uint8_t)(tick - word) < life;
}

static inline unsigned
bucket_alive(const struct bucket *b, uint8_t tick, uint8_t life)
{
#ifdef __AVX512F__
	const __m512i words = _mm512_load_si512(b);
	const __m512i age =
		_mm512_and_si512(_mm512_sub_epi64(_mm512_set1_epi64(tick), words), _mm512_set1_epi64(TICK_MASK));

	return _mm512_test_epi64_mask(words, words) & _mm512_cmplt_epu64_mask(age, _mm512_set1_epi64(life));
#elif defined(BUCKET_AVX2)
	return set_of(alive_in(half_of(b, 0), tick, life), alive_in(half_of(b, 1), tick, life));
#else
	unsigned alive = 0;

	for (unsigned i = 0; i < BUCKET_WORDS; i++)
		alive |= (unsigned)word_alive(b->word[i], tick, life) << i;
	return alive;
#endif
}

/* The words of a set, in their order; free ones behind them. 'out' may be the bucket. */
static inline void
bucket_keep(struct bucket *out, const struct bucket *b, unsigned set)
{
#ifdef __AVX512F__
	_mm512_store_si512(out, _mm512_maskz_compress_epi64((__mmask8)set, _mm512_load_si512(b)));
#elif defined(BUCKET_AVX2)
	const __m256i first = keep_in(half_of(b, 0), set & 15), second = keep_in(half_of(b, 1), set >> 4);

	_mm256_store_si256((void *)&out->word[4], _mm256_setzero_si256());
	_mm256_store_si256((void *)&out->word[0], first);
	_mm256_storeu_si256((void *)&out->word[__builtin_popcount(set & 15)], second);
#else
	unsigned n = 0;

	/* Without branches, which would be coin tosses. */
	for (unsigned i = 0; i < BUCKET_WORDS; i++) {
		out->word[n] = b->word[i];
		n += set >> i & 1;
	}
	for (; n < BUCKET_WORDS; n++)
		out->word[n] = 0;
#endif
}

/* Some word has the tag, alive or not, or says that a neighbour may have it. */
static inline bool
bucket_may_have(const struct bucket *b, uint64_t tag)
{
#ifdef BUCKET_AVX2
	const __m256i first = half_of(b, 0), second = half_of(b, 1);
	const __m256i same = _mm256_or_si256(equal_in(first, TAG_MASK, tag), equal_in(second, TAG_MASK, tag));
	const __m256i flags = _mm256_and_si256(_mm256_or_si256(first, second), _mm256_set1_epi64x(OVERFLOWED));
	const __m256i any = _mm256_or_si256(same, flags);

	return !_mm256_testz_si256(any, any);
#else
	return (bucket_equal(b, tag) | bucket_with(b, OVERFLOWED)) != 0;
#endif
}

/* A new packet; the last word is gone. */
static inline void
bucket_push(struct bucket *b, uint64_t word)
{
#ifdef __AVX512F__
	const __m512i words = _mm512_load_si512(b);

	_mm512_store_si512(b, _mm512_alignr_epi64(words, _mm512_set1_epi64((long long)word), BUCKET_WORDS - 1));
#elif defined(BUCKET_AVX2)
	const __m256i first = _mm256_loadu_si256((const void *)&b->word[0]);
	const __m256i second = _mm256_loadu_si256((const void *)&b->word[3]);

	_mm256_storeu_si256((void *)&b->word[1], first);
	_mm256_storeu_si256((void *)&b->word[4], second);
	b->word[0] = word;
#else
	memmove(&b->word[1], &b->word[0], sizeof(b->word) - sizeof(b->word[0]));
	b->word[0] = word;
#endif
}

#endif
