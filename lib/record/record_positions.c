/* Packet positions of a record: gap coded.
 *
 * One entry is a varint of (zigzag(position - last) << 1 | other file), then, when the bit is set, a varint of the file
 * (the gap is then the position itself), then a varint of the length. The packets of a session that lie close together
 * cost three to five bytes each. */
#include "record_priv.h"

enum { ENTRY_BYTES_MAX = 10 + 5 + 5 };

COUNTER_LOSS(position_lost, "record.position_lost", "packet positions that found no room in the record chunks",
	     LEDGER_NONE);

static uint8_t *
put_varint(uint8_t *p, uint64_t value)
{
	while (value >= 0x80) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

static uint64_t
get_varint(const uint8_t **p)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = *(*p)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte >= 0x80);
	return value;
}

/* Positions are file offsets: 62 bits are plenty, and leave room for the sign and the flag. */
bool
record_add_position(struct record_pool *pool, struct record *r, uint32_t file, uint64_t position, uint32_t length)
{
	bool other_file = file != r->file_last;
	int64_t gap = (int64_t)(position - (other_file ? 0 : r->position_last));
	uint8_t entry[ENTRY_BYTES_MAX], *p = entry;
	struct record_chunk *c = r->positions_last;
	uint32_t size;

	p = put_varint(p, ((uint64_t)gap << 1 ^ (uint64_t)(gap >> 63)) << 1 | other_file);
	if (other_file)
		p = put_varint(p, file);
	p = put_varint(p, length);
	size = (uint32_t)(p - entry);
	if (chunk_room(c) < size) {
		c->next = record_chunk_get(pool, r);
		if (c->next == NULL) {
			COUNTER_ADD(pool->counters, position_lost, 1);
			return false;
		}
		c = r->positions_last = c->next;
	}
	memcpy(chunk_take(c, size), entry, size);
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
	const uint8_t *p;
	uint64_t code;

	while (it->chunk != NULL && it->offset >= it->chunk->used) {
		it->chunk = it->chunk->next;
		it->offset = 0;
	}
	if (it->chunk == NULL)
		return false;
	p = it->chunk->bytes + it->offset;
	code = get_varint(&p);
	if ((code & 1) != 0) {
		it->last.file = (uint32_t)get_varint(&p);
		it->last.position = 0;
	}
	code >>= 1;
	it->last.position += code >> 1 ^ -(code & 1);
	it->last.length = (uint32_t)get_varint(&p);
	it->offset = (uint32_t)(p - it->chunk->bytes);
	*out = it->last;
	return true;
}
