/* Packet positions of a record: gap coded.
 *
 * One entry is a byte that says how long the others are, then the distance from the last position, the file when it is
 * another (the distance is then the position itself), and the length. The packets of a session that lie close together
 * cost four to six bytes each. Lengths are in front, and not in each byte as with varints, so that reading has no loop
 * whose end nobody can predict; a dozen positions are half of what there is to read of a typical record. */
#include "record_priv.h"

COUNTER_LOSS(position_lost, "record.position_lost", "packet positions that found no room in the record chunks",
	     LEDGER_NONE);

static unsigned
bytes_of(uint64_t value)
{
	return (71 - (unsigned)__builtin_clzll(value | 1)) / 8;
}

static unsigned
length_code(uint32_t length)
{
	return length == 0 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
}

/* The chunk that has room for an entry and its reach; NULL: the pool is empty. */
static struct record_chunk *
chunk_with_room(struct record_pool *pool, struct record *r)
{
	struct record_chunk *c = r->positions_last;

	if (chunk_room(c) < POSITION_REACH_BYTES) {
		c->next = record_chunk_get(pool, r);
		if (c->next == NULL)
			return NULL;
		c = r->positions_last = c->next;
	}
	UNPOISON(c->bytes + c->used, POSITION_REACH_BYTES);
	return c;
}

bool
record_add_position(struct record_pool *pool, struct record *r, uint32_t file, uint64_t position, uint32_t length)
{
	bool other_file = file != r->file_last;
	uint64_t base = other_file ? 0 : r->position_last;
	uint64_t gap = position >= base ? position - base : base - position;
	unsigned gap_bytes = bytes_of(gap), code = length_code(length);
	struct record_chunk *c = chunk_with_room(pool, r);
	uint8_t *p;

	if (c == NULL) {
		COUNTER_ADD(pool->counters, position_lost, 1);
		return false;
	}
	p = c->bytes + c->used;
	*p++ = (uint8_t)((gap_bytes - 1) | code << POSITION_LENGTH_SHIFT | (other_file ? POSITION_OTHER_FILE : 0) |
			 (position < base ? POSITION_GOES_BACK : 0));
	memcpy(p, &gap, sizeof(gap));
	p += gap_bytes;
	memcpy(p, &file, sizeof(file));
	p += other_file ? sizeof(file) : 0;
	memcpy(p, &length, sizeof(length));
	p += position_length_bytes[code];
	c->used = (uint16_t)(p - c->bytes);
	r->n_positions++;
	r->file_last = file;
	r->position_last = position;
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
