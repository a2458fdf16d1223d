/* Gap-coded packet positions.
 *
 * Base-128 numbers, low group first. The first entry is file, position; the next ones are the distance from the one
 * before. A distance is never 0, so a 0 says that file and position follow in full: another file, or (two inputs, a
 * rebuilt packet) a position that is not behind the last one. With lengths each entry ends with one.
 *
 * Chunks of a list form a ring from the tail, so one handle in the session finds both ends. Their sizes grow with the
 * list: a session of ten packets wastes half a small chunk, one of ten thousand half a large one. */
#include "positions.h"

#include <errno.h>
#include <string.h>

enum {
	CLASS_SHIFT = 30,
	HANDLE_MASK = (1 << CLASS_SHIFT) - 1,
	CHUNK_BYTES_MIN = 32,
	ENTRY_BYTES_MAX = 1 + 5 + 10 + 5,
	CHUNKS_MIN = 1 << 16,
};

struct chunk {
	uint32_t next; /* the tail's is the first */
	uint8_t bytes[];
};

static uint32_t
class_bytes(uint32_t class)
{
	return (uint32_t)CHUNK_BYTES_MIN << class;
}

static uint32_t
room_of(uint32_t id)
{
	return class_bytes(id >> CLASS_SHIFT) - (uint32_t)sizeof(struct chunk);
}

static struct chunk *
chunk_at(const struct position_store *store, uint32_t id)
{
	return pool_at(store->pool[id >> CLASS_SHIFT], id & HANDLE_MASK);
}

int
position_store_init(struct position_store *store, uint32_t max_sessions, bool has_lengths)
{
	static const char *const names[POSITION_CLASSES] = {"positions 32", "positions 64", "positions 128",
							    "positions 256"};

	memset(store, 0, sizeof(*store));
	store->has_lengths = has_lengths;
	for (uint32_t class = 0; class < POSITION_CLASSES; class ++) {
		struct pool_params params = {
			.name = names[class],
			.object_bytes = class_bytes(class),
			.max_objects = max_sessions > CHUNKS_MIN ? max_sessions : CHUNKS_MIN,
			.align_bytes = CHUNK_BYTES_MIN,
		};

		store->pool[class] = pool_create(&params);
		if (store->pool[class] == NULL) {
			position_store_fini(store);
			return -ENOMEM;
		}
	}
	return 0;
}

void
position_store_fini(struct position_store *store)
{
	for (uint32_t class = 0; class < POSITION_CLASSES; class ++)
		pool_destroy(store->pool[class]);
	memset(store, 0, sizeof(*store));
}

size_t
position_store_bytes(const struct position_store *store)
{
	size_t bytes = 0;

	for (uint32_t class = 0; class < POSITION_CLASSES; class ++)
		bytes += (size_t)store->pool[class]->used * class_bytes(class);
	return bytes;
}

static unsigned
encode(uint8_t *out, uint64_t number)
{
	unsigned n = 0;

	for (; number >= 0x80; number >>= 7)
		out[n++] = (uint8_t)(number | 0x80);
	out[n++] = (uint8_t)number;
	return n;
}

static unsigned
encode_entry(const struct position_store *store, const struct position_list *list, uint32_t file, uint64_t position,
	     uint32_t length, uint8_t out[ENTRY_BYTES_MAX])
{
	bool first = position_is_empty(list);
	unsigned n = 0;

	if (!first && file == list->last_file && position > list->last_position) {
		n = encode(out, position - list->last_position);
	} else {
		if (!first)
			out[n++] = 0;
		n += encode(out + n, file);
		n += encode(out + n, position);
	}
	return store->has_lengths ? n + encode(out + n, length) : n;
}

/* Puts a chunk behind the tail. The class goes up with every chunk; when its pool is empty a smaller one will do. */
static bool
add_chunk(struct position_store *store, struct position_list *list)
{
	uint32_t class = list->tail == 0 ? 0 : (list->tail >> CLASS_SHIFT) + 1;
	uint32_t handle = 0, id;

	if (class == POSITION_CLASSES)
		class = POSITION_CLASSES - 1;
	for (;;) {
		handle = pool_get(store->pool[class]);
		if (handle != 0)
			break;
		if (class -- == 0)
			return false;
	}
	id = class << CLASS_SHIFT | handle;
	if (list->tail == 0) {
		chunk_at(store, id)->next = id;
	} else {
		chunk_at(store, id)->next = chunk_at(store, list->tail)->next;
		chunk_at(store, list->tail)->next = id;
	}
	list->tail = id;
	list->fill = 0;
	return true;
}

bool
position_append(struct position_store *store, struct position_list *list, uint32_t file, uint64_t position,
		uint32_t length)
{
	uint8_t entry[ENTRY_BYTES_MAX];
	unsigned n = encode_entry(store, list, file, position, length, entry), fits = n;
	uint8_t *to = list->tail == 0 ? list->bytes : chunk_at(store, list->tail)->bytes;
	uint32_t room = (list->tail == 0 ? POSITION_INLINE_BYTES : room_of(list->tail)) - list->fill;

	to += list->fill;
	if (n > room) {
		fits = room;
		if (!add_chunk(store, list))
			return false;
	}
	for (unsigned i = 0; i < fits; i++)
		to[i] = entry[i];
	if (fits < n)
		memcpy(chunk_at(store, list->tail)->bytes, entry + fits, n - fits);
	list->fill = (uint8_t)(fits < n ? n - fits : list->fill + n);
	list->last_file = file;
	list->last_position = position;
	return true;
}

void
position_clear(struct position_store *store, struct position_list *list)
{
	if (list->tail != 0) {
		uint32_t id = chunk_at(store, list->tail)->next, next;

		for (;; id = next) {
			next = chunk_at(store, id)->next;
			pool_put(store->pool[id >> CLASS_SHIFT], id & HANDLE_MASK);
			if (id == list->tail)
				break;
		}
	}
	memset(list, 0, sizeof(*list));
}

void
position_read_begin(struct position_reader *r, const struct position_store *store, const struct position_list *list)
{
	*r = (struct position_reader){.store = store,
				      .p = list->bytes,
				      .end = list->bytes + (list->tail != 0 ? POSITION_INLINE_BYTES : list->fill),
				      .tail = list->tail,
				      .tail_fill = list->fill,
				      .first = true};
}

/* False at the end of the list. */
static bool
next_chunk(struct position_reader *r)
{
	const struct chunk *chunk;

	if (r->chunk == r->tail)
		return false;
	chunk = chunk_at(r->store, r->chunk != 0 ? r->chunk : r->tail);
	r->chunk = chunk->next;
	chunk = chunk_at(r->store, r->chunk);
	r->p = chunk->bytes;
	r->end = chunk->bytes + (r->chunk == r->tail ? r->tail_fill : room_of(r->chunk));
	return true;
}

static uint64_t
decode(struct position_reader *r)
{
	uint64_t number = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
		if (r->p == r->end && !next_chunk(r))
			return number;
		byte = *r->p++;
		number |= (uint64_t)(byte & 0x7f) << shift;
	}
	return number;
}

bool
position_read_next(struct position_reader *r)
{
	uint64_t gap = 0;

	if (r->p == r->end && !next_chunk(r))
		return false;
	if (!r->first)
		gap = decode(r);
	if (gap != 0) {
		r->position += gap;
	} else {
		r->file = (uint32_t)decode(r);
		r->position = decode(r);
	}
	r->first = false;
	r->length = r->store->has_lengths ? (uint32_t)decode(r) : 0;
	return true;
}
