/* The index of the session table: from a 32-bit hash to a 32-bit handle.
 *
 * Threads: one owner. Keys are the caller's: a match is only a match of hashes, he compares. Handles are 1 .. 2^28 - 1,
 * hashes are never 0. Memory: 64 bytes for 8 entries, at most BUCKETS_LOAD_PERCENT full. */
#ifndef BUCKETS_H
#define BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
	BUCKET_ENTRIES = 8,
	BUCKETS_LOAD_PERCENT = 80,
	BUCKET_INDEX_BITS = 28,
	BUCKET_INDEX_MAX = (1 << BUCKET_INDEX_BITS) - 1,
};

struct bucket {
	uint32_t hash[BUCKET_ENTRIES]; /* 0: free */
	/* The upper 4 bits of the first: how many entries that belong here live in their second bucket (15: once were
	 * 15 or more). */
	uint32_t index[BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

struct buckets {
	struct bucket *bucket;
	uint32_t n, n_max;
	uint32_t used;
};

/* Room for 'start_entries' now and, by growing, for 'max_entries'. 0 or -errno. */
int buckets_init(struct buckets *, uint32_t start_entries, uint32_t max_entries);
void buckets_fini(struct buckets *);

/* False: both buckets of the hash are full and so is every place their entries could move to; buckets_rivals()
 * shows whom to remove. */
bool buckets_insert(struct buckets *, uint32_t hash, uint32_t index);

/* False: it is not there. */
bool buckets_remove(struct buckets *, uint32_t hash, uint32_t index);

/* The handles in the two buckets of a hash: 'out' has room for 2 * BUCKET_ENTRIES. Returns how many. */
unsigned buckets_rivals(const struct buckets *, uint32_t hash, uint32_t *out);

size_t buckets_bytes(const struct buckets *);

static inline struct bucket *
buckets_first(const struct buckets *b, uint32_t hash)
{
	return &b->bucket[(uint64_t)hash * b->n >> 32];
}

/* Never the first one: there are always at least two buckets. */
static inline struct bucket *
buckets_second(const struct buckets *b, uint32_t hash)
{
	struct bucket *first = buckets_first(b, hash);
	struct bucket *second = &b->bucket[(uint64_t)(hash * UINT32_C(0x9e3779b1)) * b->n >> 32];

	if (second != first)
		return second;
	return first + 1 < b->bucket + b->n ? first + 1 : b->bucket;
}

static inline bool
bucket_has_overflow(const struct bucket *bucket)
{
	return bucket->index[0] >> BUCKET_INDEX_BITS != 0;
}

/* One bit for each entry with this hash; with hash 0, for each free one. */
static inline unsigned
bucket_match(const struct bucket *bucket, uint32_t hash)
{
#if defined(__SSE2__)
	const __m128i *line = (const __m128i *)(const void *)bucket->hash;
	__m128i want = _mm_set1_epi32((int)hash);
	__m128i low = _mm_cmpeq_epi32(_mm_load_si128(line), want);
	__m128i high = _mm_cmpeq_epi32(_mm_load_si128(line + 1), want);

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
#else
	unsigned match = 0;

	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		match |= (unsigned)(bucket->hash[i] == hash) << i;
	return match;
#endif
}

static inline uint32_t
bucket_index(const struct bucket *bucket, unsigned i)
{
	return bucket->index[i] & BUCKET_INDEX_MAX;
}

#endif
