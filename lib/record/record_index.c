/* Where the values of a big record are: linear hashing over chunks.
 *
 * The index holds one entry (hash, reference) for each value of a set, and one for each field: its slot, with the size
 * estimate and the newest value. Buckets are chunks; when the load passes ENTRIES_PER_BUCKET one more bucket is added
 * and one existing bucket is split, so no add ever moves more than one bucket and there is no pause for a rehash. The
 * first FIRST_BUCKETS bucket references are in the root chunk, the others in table chunks of which the root knows
 * TABLES. Beyond these (1.4 million values in one record) buckets get chains, which no pool in use can reach.
 *
 * The hash is keyed by a secret of the pool: a peer chooses the values, but not where they land. */
#include "record_priv.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

enum {
	BUCKET_ENTRIES = CHUNK_CAPACITY / 8,
	ENTRIES_PER_BUCKET = BUCKET_ENTRIES * 7 / 10,
	FIRST_BUCKETS = 36,
	TABLES = 64,
	TABLE_BUCKETS = CHUNK_CAPACITY / 4,
	BUCKETS_MAX = FIRST_BUCKETS + TABLES * TABLE_BUCKETS,
	ROOT_SLOTS_CAPACITY = CHUNK_CAPACITY - 4 * (FIRST_BUCKETS + TABLES) - 16 - (int)sizeof(struct record_chunk),
};

struct entry {
	uint32_t hash;
	uint32_t reference;
};

struct index_root {
	struct record_chunk *slots_last;
	uint64_t padding;
	uint32_t table[TABLES];
	uint32_t first[FIRST_BUCKETS];
	/* A record_chunk with ROOT_SLOTS_CAPACITY bytes follows: the first field slots. */
};
_Static_assert(sizeof(struct index_root) + sizeof(struct record_chunk) + ROOT_SLOTS_CAPACITY == CHUNK_CAPACITY, "");
_Static_assert(ROOT_SLOTS_CAPACITY >= INDEX_FROM_VALUES * (int)sizeof(struct field_slot), "room for the first values");
_Static_assert(BUCKET_ENTRIES >= 2 * INDEX_FROM_VALUES, "room for the first values and their fields");

static struct index_root *
root_of(const struct record *r)
{
	return (struct index_root *)r->index->bytes;
}

static struct record_chunk *
root_slots(const struct record *r)
{
	return (struct record_chunk *)(r->index->bytes + sizeof(struct index_root));
}

static uint64_t
load_u64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
record_index_hash(const struct record_pool *pool, const struct value *v)
{
	uint64_t hash = pool->secret[0] ^ (uint64_t)v->field << 48 ^ (uint64_t)(v->kind == VALUE_SLOT) << 47 ^ v->size;
	uint8_t tail[16] = {0};
	uint32_t i = 0;

	for (; v->size - i >= 16; i += 16)
		hash = fold(load_u64(v->bytes + i) ^ pool->secret[1], load_u64(v->bytes + i + 8) ^ hash);
	if (v->size > i)
		memcpy(tail, v->bytes + i, v->size - i);
	hash = fold(load_u64(tail) ^ pool->secret[1], load_u64(tail + 8) ^ hash);
	return fold(hash ^ UINT64_C(0x9e3779b97f4a7c15), pool->secret[1] ^ UINT64_C(0xd6e8feb86659fd93));
}

/* Where the reference of bucket 'n' is kept; NULL: its table chunk does not exist. */
static uint32_t *
bucket_place(const struct record_pool *pool, const struct record *r, uint32_t n)
{
	struct index_root *root = root_of(r);
	struct record_chunk *table;
	uint32_t *places;

	if (n < FIRST_BUCKETS)
		return &root->first[n];
	n -= FIRST_BUCKETS;
	if (root->table[n / TABLE_BUCKETS] == 0)
		return NULL;
	table = reference_at(pool, root->table[n / TABLE_BUCKETS]);
	places = (uint32_t *)table->bytes;
	return &places[n % TABLE_BUCKETS];
}

static struct record_chunk *
bucket_at(const struct record_pool *pool, const struct record *r, uint32_t n)
{
	return reference_at(pool, *bucket_place(pool, r, n));
}

/* Buckets 0 .. n-1 exist; those below the split point, and their twins, look at one bit more of the hash. */
static uint32_t
bucket_number(uint32_t hash, uint32_t n)
{
	uint32_t mask = n > 1 ? UINT32_MAX >> __builtin_clz(n - 1) : 0, number = hash & mask;

	return number < n ? number : number & mask >> 1;
}

static uint32_t
bucket_used(const struct record_chunk *c)
{
	return c->used / (uint32_t)sizeof(struct entry);
}

static const struct entry *
bucket_entry(const struct record_chunk *c, uint32_t i)
{
	return (const struct entry *)c->bytes + i;
}

/* The next entry with this hash, from place 'i' on; bucket_used(): none. With AVX2 four places are looked at together.
 */
static uint32_t
next_alike(const struct record_chunk *c, uint32_t i, uint32_t hash)
{
	uint32_t n = bucket_used(c);

#ifdef __AVX2__
	const __m256i wanted = _mm256_set1_epi32((int)hash);

	for (; i + 4 <= n; i += 4) {
		__m256i four = _mm256_loadu_si256((const void *)bucket_entry(c, i));
		__m256i equal = _mm256_cmpeq_epi32(four, wanted);
		/* Each second word is a reference. */
		unsigned hits = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(equal)) & 0x55;

		if (hits != 0)
			return i + (unsigned)__builtin_ctz(hits) / 2;
	}
#endif
	while (i < n && bucket_entry(c, i)->hash != hash)
		i++;
	return i;
}

const struct value_head *
record_index_find(const struct record_pool *pool, const struct record *r, const struct value *v, uint64_t hash)
{
	const struct record_chunk *c = bucket_at(pool, r, bucket_number((uint32_t)hash, r->index_buckets));

	for (; c != NULL; c = c->next)
		for (uint32_t i = 0; (i = next_alike(c, i, (uint32_t)hash)) < bucket_used(c); i++) {
			const struct value_head *head = reference_at(pool, bucket_entry(c, i)->reference);

			if (value_equal(r, head, v))
				return head;
		}
	return NULL;
}

/* Takes at most one chunk, which the caller made sure of. */
static void
bucket_push(struct record_pool *pool, struct record *r, struct record_chunk *c, struct entry e)
{
	while (c->next != NULL)
		c = c->next;
	if (chunk_room(c) < sizeof(e)) {
		c->next = record_chunk_get(pool, r);
		c = c->next;
	}
	memcpy(chunk_take(c, sizeof(e)), &e, sizeof(e));
}

static void
free_chunks(struct record_pool *pool, struct record *r, struct record_chunk *c)
{
	while (c != NULL) {
		struct record_chunk *next = c->next;

		record_chunk_put(pool, r, c);
		c = next;
	}
}

/* The end of what a bucket has kept while its entries are moved forward. */
struct bucket_end {
	struct record_chunk *chunk;
	uint32_t n;
};

static void
bucket_keep(struct bucket_end *end, struct entry e)
{
	if (end->n == BUCKET_ENTRIES && end->chunk->next != NULL) {
		end->chunk = end->chunk->next;
		end->n = 0;
	}
	memcpy(end->chunk->bytes + end->n * sizeof(e), &e, sizeof(e));
	end->n++;
}

/* Everything behind the end is free again. */
static void
bucket_cut(struct record_pool *pool, struct record *r, const struct bucket_end *end)
{
	struct record_chunk *c = end->chunk->next;

	end->chunk->used = (uint16_t)(end->n * sizeof(struct entry));
	end->chunk->next = NULL;
	POISON(end->chunk->bytes + end->chunk->used, chunk_room(end->chunk));
	free_chunks(pool, r, c);
}

/* Keeps the entries that stay, in place, and pushes the others to the new bucket. What is kept never overtakes what is
 * read. */
static void
bucket_split(struct record_pool *pool, struct record *r, uint32_t from, uint32_t to)
{
	struct record_chunk *source = bucket_at(pool, r, from), *target = bucket_at(pool, r, to);
	struct bucket_end end = {.chunk = source};

	do {
		for (uint32_t i = 0; i < bucket_used(source); i++) {
			struct entry e = *bucket_entry(source, i);

			if (bucket_number(e.hash, to + 1) == to)
				bucket_push(pool, r, target, e);
			else
				bucket_keep(&end, e);
		}
		source = source->next;
	} while (source != NULL);
	bucket_cut(pool, r, &end);
}

/* The place for the next bucket's reference, with its table chunk; NULL: the index or the pool is full. */
static uint32_t *
next_bucket_place(struct record_pool *pool, struct record *r)
{
	uint32_t n = r->index_buckets;
	uint32_t *place = bucket_place(pool, r, n);
	struct record_chunk *table;

	if (place != NULL)
		return place;
	table = record_chunk_get(pool, r);
	if (table == NULL)
		return NULL;
	memset(chunk_take(table, TABLE_BUCKETS * 4), 0, TABLE_BUCKETS * 4);
	root_of(r)->table[(n - FIRST_BUCKETS) / TABLE_BUCKETS] = reference_of(pool, table);
	return bucket_place(pool, r, n);
}

static uint32_t
chain_length(const struct record_chunk *c)
{
	uint32_t n = 0;

	for (; c != NULL; c = c->next)
		n++;
	return n;
}

/* Which bucket is divided when bucket 'n' comes: its number without the highest bit. */
static uint32_t
twin_of(uint32_t n)
{
	return n & ~(UINT32_C(1) << (31 - __builtin_clz(n)));
}

/* One more bucket. */
static void
add_bucket(struct record_pool *pool, struct record *r)
{
	uint32_t n = r->index_buckets, *place = next_bucket_place(pool, r);
	struct record_chunk *bucket = place != NULL ? record_chunk_get(pool, r) : NULL;

	if (bucket == NULL)
		return;
	*place = reference_of(pool, bucket);
	r->index_buckets = n + 1;
	if (n > 0)
		bucket_split(pool, r, twin_of(n), n);
}

void
record_index_grow(struct record_pool *pool, struct record *r)
{
	uint32_t n = r->index_buckets;

	if (r->index_entries <= n * ENTRIES_PER_BUCKET || n >= BUCKETS_MAX)
		return;
	/* A table, the bucket, and a chain as long as the twin's. Without them the chains grow instead. */
	if (pool_room(pool->chunks) >= 2 + chain_length(bucket_at(pool, r, twin_of(n))))
		add_bucket(pool, r);
}

static void
add_entry(struct record_pool *pool, struct record *r, uint64_t hash, const void *what)
{
	struct entry e = {(uint32_t)hash, reference_of(pool, what)};

	bucket_push(pool, r, bucket_at(pool, r, bucket_number(e.hash, r->index_buckets)), e);
	r->index_entries++;
}

void
record_index_add(struct record_pool *pool, struct record *r, uint64_t hash, const struct value_head *head)
{
	add_entry(pool, r, hash, head);
}

struct field_slot *
record_index_slot(const struct record_pool *pool, const struct record *r, field_id field)
{
	const struct value key = {.field = field, .kind = VALUE_SLOT};
	uint64_t hash = record_index_hash(pool, &key);
	const struct record_chunk *c = bucket_at(pool, r, bucket_number((uint32_t)hash, r->index_buckets));

	for (; c != NULL; c = c->next)
		for (uint32_t i = 0; (i = next_alike(c, i, (uint32_t)hash)) < bucket_used(c); i++) {
			struct field_slot *slot = reference_at(pool, bucket_entry(c, i)->reference);

			if (slot->head.kind == VALUE_SLOT && slot->head.field == field)
				return slot;
		}
	return NULL;
}

struct field_slot *
record_index_slot_add(struct record_pool *pool, struct record *r, field_id field)
{
	const struct value key = {.field = field, .kind = VALUE_SLOT};
	struct index_root *root = root_of(r);
	struct field_slot *slot;

	if (chunk_room(root->slots_last) < sizeof(*slot)) {
		root->slots_last->next = record_chunk_get(pool, r);
		root->slots_last = root->slots_last->next;
	}
	slot = (struct field_slot *)chunk_take(root->slots_last, sizeof(*slot));
	*slot = (struct field_slot){.head = {.field = field, .kind = VALUE_SLOT}};
	add_entry(pool, r, record_index_hash(pool, &key), slot);
	return slot;
}

static void
index_value(struct record_pool *pool, struct record *r, struct value_head *head)
{
	struct value v = {.field = head->field, .kind = head->kind, .bytes = value_data(head), .size = head->size};
	const struct field *f = field_at(head->field);
	struct field_slot *slot = record_index_slot(pool, r, head->field);

	if (head->more && head->kind != VALUE_OBJECT) {
		v.size = value_gather(r, head, pool->hash_scratch);
		v.bytes = pool->hash_scratch;
	}
	if (slot == NULL) {
		slot = record_index_slot_add(pool, r, head->field);
		slot->estimate_bytes = head->kind != VALUE_OBJECT ? field_tail_bytes(head->field) : 0;
	}
	slot->estimate_bytes += value_estimate(&v);
	slot->last = reference_of(pool, head);
	if (field_is_set(f))
		record_index_add(pool, r, record_index_hash(pool, &v), head);
}

static void
root_init(struct record *r)
{
	struct index_root *root = (struct index_root *)chunk_take(r->index, CHUNK_CAPACITY);

	memset(root, 0, sizeof(*root));
	root->slots_last = root_slots(r);
	chunk_init(root->slots_last, ROOT_SLOTS_CAPACITY);
	r->index_entries = 0;
	r->index_buckets = 0;
}

bool
record_index_build(struct record_pool *pool, struct record *r)
{
	struct value_walk walk = {.chunk = r->values_first};
	struct value_head *head;

	/* The root and one bucket: that holds the few values a record can have without an index. */
	if (pool_room(pool->chunks) < 2)
		return false;
	r->index = record_chunk_get(pool, r);
	root_init(r);
	add_bucket(pool, r);
	while ((head = value_walk_next(&walk)) != NULL)
		if (!walk.continues && head->kind != VALUE_DEAD)
			index_value(pool, r, head);
	return true;
}

void
record_index_free(struct record_pool *pool, struct record *r)
{
	struct index_root *root = root_of(r);

	for (uint32_t n = 0; n < r->index_buckets; n++)
		free_chunks(pool, r, bucket_at(pool, r, n));
	for (unsigned i = 0; i < TABLES; i++)
		if (root->table[i] != 0)
			record_chunk_put(pool, r, reference_at(pool, root->table[i]));
	free_chunks(pool, r, root_slots(r)->next);
	record_chunk_put(pool, r, r->index);
	r->index = NULL;
}
