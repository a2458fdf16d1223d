/* Two-choice buckets.
 *
 * An entry lives in its first bucket or, when that is full, in its second; a look-up reads one cache line unless the
 * bucket says that something of its own went elsewhere. When both are full one of their sixteen entries moves to its
 * other bucket: the stored hash is all that takes, no session is touched. At 80 % load that practically never fails, so
 * the work of every operation is bounded by eighteen cache lines, whatever keys somebody sends.
 *
 * The number of buckets is no power of two (the bucket is hash * n >> 32): the table grows by half, so that a session's
 * share stays between 10 and 15 bytes. Growing walks old and new buckets in the same order, since the product keeps the
 * order of the hashes, and needs the old and the new array at once; it stops the worker for about 10 ns an entry. So a
 * live table is made in its final size and never grows. */
#include "buckets.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "pool.h"

enum { BUCKETS_MIN = 16, OVERFLOW_MAX = 15 };

static uint32_t
buckets_for(uint32_t entries)
{
	uint64_t n = ((uint64_t)entries * 100 + BUCKET_ENTRIES * BUCKETS_LOAD_PERCENT - 1) /
		     (BUCKET_ENTRIES * BUCKETS_LOAD_PERCENT);

	return n < BUCKETS_MIN ? BUCKETS_MIN : (uint32_t)n;
}

int
buckets_init(struct buckets *b, uint32_t start_entries, uint32_t max_entries)
{
	if (max_entries == 0 || max_entries > BUCKET_INDEX_MAX)
		return -EINVAL;
	memset(b, 0, sizeof(*b));
	b->n_max = buckets_for(max_entries);
	b->n = buckets_for(start_entries < max_entries ? start_entries : max_entries);
	b->bucket = vmem_reserve(b->n * sizeof(struct bucket));
	return b->bucket != NULL ? 0 : -ENOMEM;
}

void
buckets_fini(struct buckets *b)
{
	vmem_release(b->bucket, b->n * sizeof(struct bucket));
	memset(b, 0, sizeof(*b));
}

size_t
buckets_bytes(const struct buckets *b)
{
	return b->n * sizeof(struct bucket);
}

static void
put(struct bucket *bucket, unsigned i, uint32_t hash, uint32_t index)
{
	bucket->hash[i] = hash;
	bucket->index[i] = (bucket->index[i] & ~(uint32_t)BUCKET_INDEX_MAX) | index;
}

static bool
put_where_free(struct bucket *bucket, uint32_t hash, uint32_t index)
{
	unsigned free_entries = bucket_match(bucket, 0);

	if (free_entries == 0)
		return false;
	put(bucket, (unsigned)__builtin_ctz(free_entries), hash, index);
	return true;
}

/* A count that has once been at its maximum stays there: a look-up too many is no harm, one too few would be. */
static void
overflow_add(struct bucket *bucket, int change)
{
	uint32_t count = bucket->index[0] >> BUCKET_INDEX_BITS;

	if (count == OVERFLOW_MAX)
		return;
	count = (uint32_t)((int)count + change);
	bucket->index[0] = (bucket->index[0] & BUCKET_INDEX_MAX) | count << BUCKET_INDEX_BITS;
}

/* Frees an entry of a full bucket by moving it to its other bucket. Returns its number, or -1. */
static int
make_room(struct buckets *b, struct bucket *full)
{
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
		uint32_t hash = full->hash[i];
		struct bucket *first = buckets_first(b, hash), *second = buckets_second(b, hash);

		if (!put_where_free(full == first ? second : first, hash, bucket_index(full, i)))
			continue;
		overflow_add(first, full == first ? 1 : -1);
		full->hash[i] = 0;
		return (int)i;
	}
	return -1;
}

static bool
insert(struct buckets *b, uint32_t hash, uint32_t index)
{
	struct bucket *first = buckets_first(b, hash), *second = buckets_second(b, hash);
	int place;

	if (put_where_free(first, hash, index))
		return true;
	if (put_where_free(second, hash, index)) {
		overflow_add(first, 1);
		return true;
	}
	place = make_room(b, first);
	if (place >= 0) {
		put(first, (unsigned)place, hash, index);
		return true;
	}
	place = make_room(b, second);
	if (place < 0)
		return false;
	put(second, (unsigned)place, hash, index);
	overflow_add(first, 1);
	return true;
}

static bool
move_all(const struct buckets *from, struct buckets *to)
{
	for (uint32_t i = 0; i < from->n; i++) {
		const struct bucket *bucket = &from->bucket[i];

		for (unsigned k = 0; k < BUCKET_ENTRIES; k++)
			if (bucket->hash[k] != 0 && !insert(to, bucket->hash[k], bucket_index(bucket, k)))
				return false;
	}
	return true;
}

/* Without memory for more buckets the table goes on with those it has, until they are full. */
static void
grow(struct buckets *b)
{
	struct buckets next = *b;

	next.n = b->n_max - b->n > b->n / 2 ? b->n + b->n / 2 : b->n_max;
	next.bucket = vmem_reserve(next.n * sizeof(struct bucket));
	if (next.bucket != NULL && move_all(b, &next)) {
		vmem_release(b->bucket, b->n * sizeof(struct bucket));
		*b = next;
		return;
	}
	LOG_WARN("session.buckets", "buckets=%u message=\"the session table cannot grow\"", b->n);
	vmem_release(next.bucket, next.n * sizeof(struct bucket));
	b->n_max = b->n;
}

bool
buckets_insert(struct buckets *b, uint32_t hash, uint32_t index)
{
	if (b->n < b->n_max && (uint64_t)(b->used + 1) * 100 > (uint64_t)b->n * BUCKET_ENTRIES * BUCKETS_LOAD_PERCENT)
		grow(b);
	if (!insert(b, hash, index))
		return false;
	b->used++;
	return true;
}

static bool
remove_from(struct bucket *bucket, uint32_t hash, uint32_t index)
{
	for (unsigned match = bucket_match(bucket, hash); match != 0; match &= match - 1) {
		unsigned i = (unsigned)__builtin_ctz(match);

		if (bucket_index(bucket, i) == index) {
			bucket->hash[i] = 0;
			return true;
		}
	}
	return false;
}

bool
buckets_remove(struct buckets *b, uint32_t hash, uint32_t index)
{
	struct bucket *first = buckets_first(b, hash);

	if (remove_from(first, hash, index)) {
		b->used--;
		return true;
	}
	if (!remove_from(buckets_second(b, hash), hash, index))
		return false;
	overflow_add(first, -1);
	b->used--;
	return true;
}

unsigned
buckets_rivals(const struct buckets *b, uint32_t hash, uint32_t *out)
{
	const struct bucket *both[2] = {buckets_first(b, hash), buckets_second(b, hash)};
	unsigned n = 0;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
			if (both[k]->hash[i] != 0)
				out[n++] = bucket_index(both[k], i);
	return n;
}
