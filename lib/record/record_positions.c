/* Packet positions of a record: gap coded.
 *
 * An entry is a word of four bytes that is the distance from the last position, for nearly all packets there are: so a
 * reader takes eight of them at once and looks at none. What does not fit (another file, a step back, a length that
 * somebody wants) is a word that says so, and what follows it. Shorter codes would save a byte of some packets, and
 * were read at half the speed: a reader knew where an entry begins only when it had looked at the one before. */
#include "record_priv.h"

COUNTER_LOSS(position_lost, "record.position_lost", "packet positions that found no room in the record chunks",
	     LEDGER_NONE);

/* The chunk that has room for any entry; NULL: the pool is empty. */
static struct record_chunk *
chunk_with_room(struct record_pool *pool, struct record *r)
{
	struct record_chunk *c = r->positions_last;

	if (chunk_room(c) < POSITION_ENTRY_BYTES_MAX) {
		c->next = record_chunk_get(pool, r);
		if (c->next == NULL)
			return NULL;
		c = r->positions_last = c->next;
	}
	UNPOISON(c->bytes + c->used, POSITION_ENTRY_BYTES_MAX);
	return c;
}

/* Returns its end. */
static uint8_t *
put_long(uint8_t *p, const struct record *r, uint32_t file, uint64_t position, uint32_t length)
{
	bool other_file = file != r->file_last, long_length = length > POSITION_LENGTH;
	uint64_t base = other_file ? 0 : r->position_last;
	uint64_t gap = position >= base ? position - base : base - position;
	uint32_t word = POSITION_LONG | (position < base ? POSITION_GOES_BACK : 0) |
			(other_file ? POSITION_OTHER_FILE : 0) | (gap > UINT32_MAX ? POSITION_LONG_GAP : 0) |
			(long_length ? POSITION_LONG_LENGTH : length);

	memcpy(p, &word, sizeof(word));
	p += sizeof(word);
	memcpy(p, &gap, sizeof(gap));
	p += gap > UINT32_MAX ? sizeof(gap) : sizeof(uint32_t);
	if (other_file)
		memcpy(p, &file, sizeof(file));
	p += other_file ? sizeof(file) : 0;
	if (long_length)
		memcpy(p, &length, sizeof(length));
	return p + (long_length ? sizeof(length) : 0);
}

bool
record_add_position(struct record_pool *pool, struct record *r, uint32_t file, uint64_t position, uint32_t length)
{
	struct record_chunk *c = chunk_with_room(pool, r);
	uint64_t gap = position - r->position_last;
	uint8_t *p;

	if (c == NULL) {
		COUNTER_ADD(pool->counters, position_lost, 1);
		return false;
	}
	p = c->bytes + c->used;
	if (file == r->file_last && length == 0 && gap - 1 < POSITION_SHORT_MAX) {
		memcpy(p, &(uint32_t){(uint32_t)gap}, sizeof(uint32_t));
		c->used = (uint16_t)(c->used + sizeof(uint32_t));
	} else {
		c->used = (uint16_t)(put_long(p, r, file, position, length) - c->bytes);
	}
	r->n_positions++;
	r->file_last = file;
	r->position_last = position;
	return true;
}

/* As many as one by one would go into this chunk. */
static unsigned
gaps_that_fit(const struct record_chunk *c, unsigned n)
{
	unsigned fit = (chunk_room(c) - POSITION_ENTRY_BYTES_MAX) / sizeof(uint32_t) + 1;

	return n < fit ? n : fit;
}

bool
record_add_gaps(struct record_pool *pool, struct record *r, const uint32_t *gap, unsigned n)
{
	while (n > 0) {
		struct record_chunk *c = chunk_with_room(pool, r);
		unsigned fit;

		if (c == NULL) {
			COUNTER_ADD(pool->counters, position_lost, n);
			return false;
		}
		fit = gaps_that_fit(c, n);
		memcpy(chunk_take(c, fit * (uint32_t)sizeof(*gap)), gap, fit * sizeof(*gap));
		for (unsigned i = 0; i < fit; i++)
			r->position_last += gap[i];
		r->n_positions += fit;
		gap += fit;
		n -= fit;
	}
	return true;
}

void
record_positions_begin(const struct record *r, struct record_position_iterator *it)
{
	*it = (struct record_position_iterator){.chunk = r->positions_first};
}

bool
record_positions_next(struct record_position_iterator *it, struct record_position *out)
{
	struct position_reader reader = {
		.chunk = it->chunk, .offset = it->offset, .file = it->last.file, .position = it->last.position};

	if (!position_reader_next(&reader))
		return false;
	it->chunk = reader.chunk;
	it->offset = reader.offset;
	it->last.file = out->file = reader.file;
	it->last.position = out->position = reader.position;
	it->last.length = out->length = reader.length;
	return true;
}
