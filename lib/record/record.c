/* Records: life of the chunks.
 *
 * A record's first chunk holds the record itself, then a part for values and a part for packet positions; both go on in
 * whole chunks when they are full. So a typical session is one chunk of 1 KB, taken and given back by a pointer, and
 * the worker's ring to the exporter carries it without a copy. What that gives up: chunks are never merged, so a record
 * that is just over one chunk costs two.
 *
 * Everything that grows is in chunks of the one pool, the index of the values too: the pool's size is the bound for all
 * of it, and what does not fit is counted as lost by value or position, never by record. */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "log.h"
#include "record_priv.h"

void
chunk_init(struct record_chunk *c, uint32_t capacity)
{
	c->next = NULL;
	c->used = 0;
	c->capacity = (uint16_t)capacity;
	c->padding = 0;
	POISON(c->bytes, capacity);
}

struct record_chunk *
record_chunk_get(struct record_pool *pool, struct record *r)
{
	uint32_t handle = pool_get(pool->chunks);
	struct record_chunk *c;

	if (handle == 0)
		return NULL;
	c = pool_at(pool->chunks, handle);
	chunk_init(c, CHUNK_CAPACITY);
	r->chunks++;
	return c;
}

static void
chunk_release(struct record_pool *pool, void *chunk)
{
	pool_put(pool->chunks, reference_of(pool, chunk) / (RECORD_CHUNK_BYTES / 4));
}

void
record_chunk_put(struct record_pool *pool, struct record *r, struct record_chunk *c)
{
	r->chunks--;
	chunk_release(pool, c);
}

static void
pool_release(struct record_pool *pool)
{
	free(pool->hash_scratch);
	free(pool->carry_scratch);
	free(pool);
}

struct record_pool *
record_pool_create(uint32_t max_chunks, uint16_t worker, struct counters *counters)
{
	const struct pool_params params = {
		.name = "record chunks",
		.object_bytes = RECORD_CHUNK_BYTES,
		.max_objects = max_chunks,
		.align_bytes = RECORD_CHUNK_BYTES,
	};
	struct record_pool *pool;

	if (max_chunks > POOL_CHUNKS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return NULL;
	pool->counters = counters;
	pool->worker = worker;
	pool->hash_scratch = malloc(RECORD_VALUE_BYTES_MAX);
	pool->carry_scratch = malloc(RECORD_VALUE_BYTES_MAX);
	if (pool->hash_scratch == NULL || pool->carry_scratch == NULL ||
	    getrandom(pool->secret, sizeof(pool->secret), 0) != (ssize_t)sizeof(pool->secret) ||
	    (pool->chunks = pool_create(&params)) == NULL) {
		int error = errno;

		pool_release(pool);
		errno = error;
		return NULL;
	}
	return pool;
}

uint32_t
record_pool_destroy(struct record_pool *pool)
{
	uint32_t left;

	if (pool == NULL)
		return 0;
	left = pool_destroy(pool->chunks); /* It logs what was not given back. */
	pool_release(pool);
	return left;
}

uint32_t
record_pool_room(const struct record_pool *pool)
{
	return pool_room(pool->chunks);
}

uint32_t
record_pool_used(const struct record_pool *pool)
{
	return pool->chunks->used;
}

/* The exporter's core read it last, and has its lines. */
static inline void
prefetch_head(const struct record *r)
{
	for (unsigned at = 64; at < RECORD_CHUNK_BYTES; at += 64)
		__builtin_prefetch((const uint8_t *)r + at, 1);
}

struct record *
record_create(struct record_pool *pool)
{
	uint32_t handle = pool_get(pool->chunks);
	struct record *r;

	if (handle == 0)
		return NULL;
	r = pool_at(pool->chunks, handle);
	prefetch_head(r);
	memset(r, 0, sizeof(*r));
	r->worker = pool->worker;
	r->chunks = 1;
	r->values_first = r->values_last = head_values(r);
	r->positions_first = r->positions_last = head_positions(r);
	chunk_init(r->values_first, HEAD_VALUES_CAPACITY);
	chunk_init(r->positions_first, HEAD_POSITIONS_CAPACITY);
	return r;
}

static void
free_chain(struct record_pool *pool, struct record_chunk *c)
{
	while (c != NULL) {
		struct record_chunk *next = c->next;

		chunk_release(pool, c);
		c = next;
	}
}

void
record_free(struct record_pool *pool, struct record *r)
{
	if (r == NULL)
		return;
	if (r->index != NULL)
		record_index_free(pool, r);
	free_chain(pool, r->values_first->next);
	free_chain(pool, r->positions_first->next);
	chunk_release(pool, r);
}

/* Returns false when the value did not fit into the pool. */
static bool
carry_value(struct record_pool *pool, struct record *to, const struct record *from, const struct value_head *head)
{
	struct value v = {.field = head->field, .kind = head->kind, .bytes = value_data(head), .size = head->size};

	if (head->more) {
		v.size = value_gather(from, head, pool->carry_scratch);
		v.bytes = pool->carry_scratch;
	}
	v.estimate_bytes = value_estimate(&v);
	return record_add_value(pool, to, &v);
}

static bool
is_carried(const struct value_walk *walk, const struct value_head *head)
{
	return !walk->continues && head->kind != VALUE_DEAD && head->kind != VALUE_OBJECT &&
	       (field_at(head->field)->flags & FIELD_LINKED) != 0;
}

/* A field that is to be carried at its full size would have the next record saved at its next value, and so on: each
 * packet could cost a record as large as the one before. So it starts anew; what it had was saved. Without an index no
 * field is that large. */
static bool
fills_half(const struct record_pool *pool, const struct record *from, const struct value_head *head)
{
	const struct field_slot *slot;

	if (from->index == NULL)
		return false;
	slot = record_index_slot(pool, from, head->field);
	return slot != NULL && slot->estimate_bytes > MID_SAVE_BYTES / 2;
}

struct record *
record_carry_linked(struct record_pool *pool, const struct record *from, bool *lost)
{
	struct value_walk walk = {.chunk = from->values_first};
	const struct value_head *head;
	struct record *to = NULL;

	*lost = false;
	while ((head = value_walk_next(&walk)) != NULL) {
		if (!is_carried(&walk, head) || fills_half(pool, from, head))
			continue;
		if (to == NULL && (to = record_create(pool)) == NULL) {
			*lost = true;
			return NULL;
		}
		if (!carry_value(pool, to, from, head))
			*lost = true;
	}
	if (to != NULL)
		to->wants_mid_save = false;
	return to;
}

bool
record_wants_mid_save(const struct record *r)
{
	return r->wants_mid_save;
}
