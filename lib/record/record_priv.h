/* Inside of lib/record: how values, positions and their index lie in a record's chunks. */
#ifndef RECORD_PRIV_H
#define RECORD_PRIV_H

#include <string.h>

#include "poison.h"
#include "pool.h"
#include "record.h"

enum {
	CHUNK_CAPACITY = RECORD_CHUNK_BYTES - (int)sizeof(struct record_chunk),
	/* The parts of the record's own chunk. Typical records (MACs, TTLs, a dozen packets) need no second one. */
	HEAD_VALUES_OFFSET = ((int)sizeof(struct record) + 7) & ~7,
	HEAD_POSITIONS_CAPACITY = 192,
	HEAD_POSITIONS_OFFSET = RECORD_CHUNK_BYTES - HEAD_POSITIONS_CAPACITY - (int)sizeof(struct record_chunk),
	HEAD_VALUES_CAPACITY = HEAD_POSITIONS_OFFSET - HEAD_VALUES_OFFSET - (int)sizeof(struct record_chunk),

	INDEX_FROM_VALUES = 32,
	POOL_CHUNKS_MAX = (1 << 24) - 2, /* a reference counts in words of four bytes */
};
_Static_assert(HEAD_VALUES_CAPACITY >= 256, "the common fields of a record fit into its first chunk");

/* What 'value_head.kind' says. */
enum value_kind { VALUE_DEAD, VALUE_INT, VALUE_FLOAT, VALUE_STR, VALUE_UTF8, VALUE_IP, VALUE_OBJECT, VALUE_SLOT };

/* Before every value; the whole is padded to four bytes. */
struct value_head {
	uint16_t field;
	uint16_t kind : 3;
	uint16_t more : 1; /* the text goes on in the next value of the chain */
	uint16_t size : 12;
};
_Static_assert(sizeof(struct value_head) == 4, "values are found by adding up their sizes");

struct record_pool {
	struct pool *chunks;
	struct counters *counters;
	uint16_t worker;
	uint64_t secret[2];
	uint8_t *hash_scratch, *carry_scratch; /* for texts that lie in several chunks */
};

/* A value as it is added: bytes in one piece. */
struct value {
	field_id field;
	enum value_kind kind;
	const uint8_t *bytes;
	uint32_t size;
	uint32_t estimate_bytes; /* RECORD.md 1.8 */
};

static inline struct record_chunk *
head_values(struct record *r)
{
	return (struct record_chunk *)((uint8_t *)r + HEAD_VALUES_OFFSET);
}

static inline struct record_chunk *
head_positions(struct record *r)
{
	return (struct record_chunk *)((uint8_t *)r + HEAD_POSITIONS_OFFSET);
}

static inline uint32_t
chunk_room(const struct record_chunk *c)
{
	return (uint32_t)c->capacity - c->used;
}

/* The next 'size' bytes of a chunk that has room for them. */
static inline uint8_t *
chunk_take(struct record_chunk *c, uint32_t size)
{
	uint8_t *p = c->bytes + c->used;

	UNPOISON(p, size);
	c->used = (uint16_t)(c->used + size);
	return p;
}

static inline uint32_t
reference_of(const struct record_pool *pool, const void *p)
{
	return (uint32_t)((size_t)((const uint8_t *)p - pool->chunks->base) / 4);
}

static inline void *
reference_at(const struct record_pool *pool, uint32_t reference)
{
	return pool->chunks->base + (size_t)reference * 4;
}

static inline uint32_t
value_bytes(const struct value_head *head)
{
	return (uint32_t)sizeof(*head) + (((uint32_t)head->size + 3) & ~3U);
}

static inline bool
record_may_have(const struct record *r, field_id field)
{
	return (r->fields_seen[field / 64 % 2] >> field % 64 & 1) != 0;
}

/* Texts of either kind are one class: the same text is the same value. */
static inline bool
kind_equal(enum value_kind a, enum value_kind b)
{
	return a == b || (a == VALUE_STR && b == VALUE_UTF8) || (a == VALUE_UTF8 && b == VALUE_STR);
}

static inline bool
field_is_set(const struct field *f)
{
	return f->type == FIELD_INT_SET || f->type == FIELD_INT_LIST_UNIQUE || f->type == FIELD_FLOAT_SET ||
	       f->type == FIELD_STR_SET || f->type == FIELD_IP_SET;
}

static inline bool
field_is_single(const struct field *f)
{
	return f->type == FIELD_INT || f->type == FIELD_FLOAT || f->type == FIELD_STR || f->type == FIELD_IP;
}

/* The part of a text that lies in this piece. */
static inline const uint8_t *
value_data(const struct value_head *head)
{
	return (const uint8_t *)(head + 1);
}

/* The chunk in which a value lies: chunks are aligned to their size. */
static inline const struct record_chunk *
value_chunk(const struct record *r, const struct value_head *head)
{
	uintptr_t block = (uintptr_t)head & ~(uintptr_t)(RECORD_CHUNK_BYTES - 1);

	if (block == (uintptr_t)r)
		block += HEAD_VALUES_OFFSET;
	return (const struct record_chunk *)block;
}

/* A text goes on only where it has filled its chunk, at the start of the next. */
static inline const struct value_head *
value_continuation(const struct record *r, const struct value_head *head)
{
	return (const struct value_head *)value_chunk(r, head)->next->bytes;
}

/* record.c */
struct record_chunk *record_chunk_get(struct record_pool *, struct record *);
void record_chunk_put(struct record_pool *, struct record *, struct record_chunk *);
void chunk_init(struct record_chunk *, uint32_t capacity);

/* record_values.c */

/* A raw walk: dead values and all pieces, too. */
struct value_walk {
	const struct record_chunk *chunk;
	uint32_t offset;
	bool continues; /* the value last returned is not the first piece of its text */
	bool more;
};

static inline struct value_head *
value_walk_next(struct value_walk *walk)
{
	struct value_head *head;

	while (walk->chunk != NULL && walk->offset >= walk->chunk->used) {
		walk->chunk = walk->chunk->next;
		walk->offset = 0;
	}
	if (walk->chunk == NULL)
		return NULL;
	/* The walk is for readers and for the owner; only the owner writes through what it finds. */
	head = (struct value_head *)(uintptr_t)(walk->chunk->bytes + walk->offset);
	walk->offset += value_bytes(head);
	walk->continues = walk->more;
	walk->more = head->more;
	return head;
}

/* Is the value that starts at this piece these bytes? */
bool value_equal(const struct record *, const struct value_head *, const struct value *);
/* Copies the text that starts at this piece, at most RECORD_VALUE_BYTES_MAX bytes; returns its size. */
uint32_t value_gather(const struct record *, const struct value_head *, uint8_t *out);
bool record_add_value(struct record_pool *, struct record *, const struct value *);
void value_kill(const struct record *, struct value_head *);
uint32_t value_estimate(const struct value *);

/* Packet positions (record_positions.c): words of four bytes. An entry that is a number from 1 to POSITION_SHORT_MAX is
 * the distance from the position before, in the same file, and has no length. Other entries begin with a word of these
 * bits; then follow the distance in four or eight bytes, the file, the length. */
enum {
	POSITION_SHORT_MAX = RECORD_GAP_MAX, /* seven digits */
	POSITION_LENGTH = (1 << 27) - 1,
	POSITION_LONG_LENGTH = 1 << 27, /* it does not fit into these bits, and follows */
	POSITION_GOES_BACK = 1 << 28,	/* the distance is negative */
	POSITION_OTHER_FILE = 1 << 29,	/* its number follows, and the distance is the position */
	POSITION_LONG_GAP = 1 << 30,
	POSITION_ENTRY_BYTES_MAX = 4 + 8 + 4 + 4,
};
#define POSITION_LONG (UINT32_C(1) << 31)

/* A walk over the positions whose state a compiler can keep in registers: a copy of a struct whose members were just
 * written one by one waits for the stores, which was half the time of a document. */
struct position_reader {
	const struct record_chunk *chunk;
	uint32_t offset;
	uint32_t file, length; /* of the entry last read */
	uint64_t position;
};

/* The entry at 'p', whose first word this is. */
static inline const uint8_t *
position_read_long(struct position_reader *r, const uint8_t *p, uint32_t word)
{
	uint32_t low;
	uint64_t gap;

	p += sizeof(word);
	memcpy(&low, p, sizeof(low));
	gap = low;
	if ((word & POSITION_LONG_GAP) != 0)
		memcpy(&gap, p, sizeof(gap));
	p += (word & POSITION_LONG_GAP) != 0 ? sizeof(gap) : sizeof(low);
	if ((word & POSITION_OTHER_FILE) != 0) {
		memcpy(&r->file, p, sizeof(r->file));
		p += sizeof(r->file);
		r->position = 0;
	}
	r->length = word & POSITION_LENGTH;
	if ((word & POSITION_LONG_LENGTH) != 0) {
		memcpy(&r->length, p, sizeof(r->length));
		p += sizeof(r->length);
	}
	r->position += (word & POSITION_GOES_BACK) != 0 ? -gap : gap;
	return p;
}

static inline bool
position_reader_next(struct position_reader *r)
{
	const uint8_t *entry;
	uint32_t word;

	while (r->chunk != NULL && r->offset >= r->chunk->used) {
		r->chunk = r->chunk->next;
		r->offset = 0;
	}
	if (r->chunk == NULL)
		return false;
	entry = r->chunk->bytes + r->offset;
	memcpy(&word, entry, sizeof(word));
	if ((word & POSITION_LONG) != 0) {
		r->offset = (uint32_t)(position_read_long(r, entry, word) - r->chunk->bytes);
		return true;
	}
	r->length = 0;
	r->position += word;
	r->offset += sizeof(word);
	return true;
}

/* record_index.c */
/* A field that takes more has its record saved (RECORD.md 1.8). */
enum { MID_SAVE_BYTES = 20000 };

struct field_slot {
	struct value_head head;
	uint32_t estimate_bytes;
	uint32_t last; /* reference of the field's newest value; 0: none */
};
bool record_index_build(struct record_pool *, struct record *);
void record_index_free(struct record_pool *, struct record *);
uint64_t record_index_hash(const struct record_pool *, const struct value *);
const struct value_head *record_index_find(const struct record_pool *, const struct record *, const struct value *,
					   uint64_t hash);
struct field_slot *record_index_slot(const struct record_pool *, const struct record *, field_id);
struct field_slot *record_index_slot_add(struct record_pool *, struct record *, field_id);
void record_index_add(struct record_pool *, struct record *, uint64_t hash, const struct value_head *);
/* record_index_slot_add() and record_index_add() together cannot fail while the pool has this many free chunks. */
enum { INDEX_ADD_CHUNKS_MAX = 3 };
/* After an add: spreads the entries over one bucket more when they have become too many and the pool has room. */
void record_index_grow(struct record_pool *, struct record *);

#endif
