/* Gap-coded packet positions.
 *
 * An entry is a word of four bytes that is the distance from the one before, in the same file. A word above GAP_MAX
 * says that file and position follow in full, as the first entry has them: base-128 numbers, low group first. So it is
 * for another file, for a position that is not behind the last one (two inputs, a rebuilt packet) or far behind it.
 * With lengths each entry ends with one. Words and not numbers of as many bytes as they need: a reader of those knows
 * where one begins only when it has looked at the one before, and on a busy link distances need four or five bytes
 * anyway.
 *
 * New entries are collected in the session's own 15 bytes, whose cache line is there anyway, and moved to the last
 * chunk when these are full: every third packet or so touches a chunk, and only writes to it, for a write that misses
 * keeps nobody waiting. So it is the list that knows how full the last chunk is; the others are full. Chunks of a list
 * form a ring from the tail, so one handle in the session finds both ends. Their sizes grow with the list: a session of
 * ten packets wastes half a small chunk, one of ten thousand half a large one. */
#include "positions.h"

#include <errno.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#define KEPT_MAX (UINT64_MAX >> LAST_SHIFT) /* positions that position_list.last can hold: all that there are */
#define IN_FULL	 UINT32_MAX

enum {
	CHUNK_BYTES_MIN = 32,
	WORD_BYTES = 4,
	ENTRY_BYTES_MAX = WORD_BYTES + 5 + 10 + 5,
	CHUNKS_MIN = 1 << 16,
	GAP_MAX = INT32_MAX,
	LAST_SHIFT = 8, /* of the position in position_list.last */
};

struct chunk {
	uint32_t next; /* the tail's is the first */
	uint8_t bytes[];
};

static uint32_t
order_bytes(uint32_t order)
{
	return (uint32_t)CHUNK_BYTES_MIN << order % POSITION_ORDERS;
}

static uint32_t
capacity_of(uint32_t id)
{
	return order_bytes(id >> POSITION_ORDER_SHIFT) - (uint32_t)offsetof(struct chunk, bytes);
}

static struct chunk *
chunk_at(const struct position_store *store, uint32_t id)
{
	return pool_at(store->pool[id >> POSITION_ORDER_SHIFT], id & POSITION_HANDLE_MASK);
}

_Static_assert((CHUNK_BYTES_MIN << 1) - offsetof(struct chunk, bytes) >= POSITION_INLINE_BYTES + ENTRY_BYTES_MAX,
	       "add_chunk() need not look further than order 1");

static inline uint64_t
last_position(const struct position_list *list)
{
	return list->last >> LAST_SHIFT;
}

static inline uint32_t
tail_fill(const struct position_list *list)
{
	return (uint8_t)list->last;
}

static inline void
set_last_position(struct position_list *list, uint64_t position)
{
	list->last = position << LAST_SHIFT | tail_fill(list);
}

static inline void
set_tail_fill(struct position_list *list, uint32_t fill)
{
	list->last = last_position(list) << LAST_SHIFT | fill;
}

int
position_store_init(struct position_store *store, uint32_t max_sessions, bool has_lengths)
{
	static const char *const names[POSITION_ORDERS] = {"positions 32", "positions 64", "positions 128",
							   "positions 256"};

	memset(store, 0, sizeof(*store));
	store->has_lengths = has_lengths;
	for (uint32_t order = 0; order < POSITION_ORDERS; order++) {
		struct pool_params params = {
			.name = names[order],
			.object_bytes = order_bytes(order),
			.max_objects = max_sessions > CHUNKS_MIN ? max_sessions : CHUNKS_MIN,
			.align_bytes = CHUNK_BYTES_MIN,
		};

		store->pool[order] = pool_create(&params);
		if (store->pool[order] == NULL) {
			position_store_fini(store);
			return -ENOMEM;
		}
	}
	return 0;
}

void
position_store_fini(struct position_store *store)
{
	for (uint32_t order = 0; order < POSITION_ORDERS; order++)
		pool_destroy(store->pool[order]);
	memset(store, 0, sizeof(*store));
}

size_t
position_store_bytes(const struct position_store *store)
{
	size_t bytes = 0;

	for (uint32_t order = 0; order < POSITION_ORDERS; order++)
		bytes += (size_t)store->pool[order]->used * order_bytes(order);
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

/* The usual case: the same file, somewhat further. */
static inline bool
is_gap(const struct position_list *list, uint32_t file, uint64_t position)
{
	return file == list->last_file && position - last_position(list) - 1 < GAP_MAX && position <= KEPT_MAX &&
	       !position_is_empty(list);
}

static unsigned
encode_entry(const struct position_store *store, const struct position_list *list, uint32_t file, uint64_t position,
	     uint32_t length, uint8_t out[ENTRY_BYTES_MAX])
{
	bool is_near = is_gap(list, file, position);
	uint32_t word = is_near ? (uint32_t)(position - last_position(list)) : IN_FULL;
	unsigned n = 0;

	if (!position_is_empty(list)) {
		memcpy(out, &word, sizeof(word));
		n = sizeof(word);
	}
	if (!is_near) {
		n += encode(out + n, file);
		n += encode(out + n, position);
	}
	return store->has_lengths ? n + encode(out + n, length) : n;
}

/* Puts a chunk behind the tail, with room for 'n' bytes. The order goes up with every chunk; when its pool is empty a
 * smaller one will do. */
static bool
add_chunk(struct position_store *store, struct position_list *list, unsigned n)
{
	uint32_t least = n > capacity_of(0) ? 1 : 0,
		 order = list->tail == 0 ? 0 : (list->tail >> POSITION_ORDER_SHIFT) + 1;
	uint32_t handle = 0, id;

	if (order < least)
		order = least;
	if (order == POSITION_ORDERS)
		order = POSITION_ORDERS - 1;
	for (;;) {
		handle = pool_get(store->pool[order]);
		if (handle != 0)
			break;
		if (order-- == least)
			return false;
	}
	id = order << POSITION_ORDER_SHIFT | handle;
	if (list->tail == 0) {
		chunk_at(store, id)->next = id;
	} else {
		chunk_at(store, id)->next = chunk_at(store, list->tail)->next;
		chunk_at(store, list->tail)->next = id;
	}
	list->tail = id;
	set_tail_fill(list, 0);
	return true;
}

/* Bytes behind those in the chunks. An entry may lie in two of them. False, and nothing has changed: no chunk is left.
 */
static __rte_noinline bool
chunk_append(struct position_store *store, struct position_list *list, const uint8_t *bytes, unsigned n)
{
	uint32_t old = list->tail, old_fill = tail_fill(list), room = old != 0 ? capacity_of(old) - old_fill : 0;
	unsigned fits = n < room ? n : room;

	if (fits < n && !add_chunk(store, list, n - fits))
		return false;
	if (fits > 0)
		memcpy(chunk_at(store, old)->bytes + old_fill, bytes, fits);
	if (list->tail == old) {
		set_tail_fill(list, old_fill + n);
	} else {
		memcpy(chunk_at(store, list->tail)->bytes, bytes + fits, n - fits);
		set_tail_fill(list, n - fits);
	}
	return true;
}

/* The list's own bytes go to its last chunk. */
static inline bool
spill(struct position_store *store, struct position_list *list)
{
	/* All of them, used or not: a copy of a known size is two moves. */
	if (unlikely(list->tail == 0 || capacity_of(list->tail) - tail_fill(list) < POSITION_INLINE_BYTES))
		return chunk_append(store, list, list->bytes, list->fill);
	memcpy(chunk_at(store, list->tail)->bytes + tail_fill(list), list->bytes, POSITION_INLINE_BYTES);
	list->last += list->fill;
	return true;
}

/* There is room for it. */
static inline void
put_gap(struct position_list *list, uint64_t position)
{
	uint32_t word = (uint32_t)(position - last_position(list));

	memcpy(list->bytes + list->fill, &word, sizeof(word));
	list->fill = (uint8_t)(list->fill + sizeof(word));
	set_last_position(list, position);
}

static __rte_noinline bool
append(struct position_store *store, struct position_list *list, uint32_t file, uint64_t position, uint32_t length)
{
	uint8_t bytes[POSITION_INLINE_BYTES + ENTRY_BYTES_MAX];
	unsigned n = encode_entry(store, list, file, position, length, bytes + POSITION_INLINE_BYTES);
	uint8_t *entry = bytes + POSITION_INLINE_BYTES;

	if (list->fill + n <= POSITION_INLINE_BYTES) {
		memcpy(list->bytes + list->fill, entry, n);
		list->fill = (uint8_t)(list->fill + n);
	} else if (n <= POSITION_INLINE_BYTES) {
		if (!chunk_append(store, list, list->bytes, list->fill))
			return false;
		memcpy(list->bytes, entry, n);
		list->fill = (uint8_t)n;
	} else {
		/* Together, so that a refusal changes nothing. */
		entry -= list->fill;
		memcpy(entry, list->bytes, list->fill);
		if (!chunk_append(store, list, entry, list->fill + n))
			return false;
		list->fill = 0;
	}
	/* What cannot be kept cannot be what a distance is from. */
	list->last_file = likely(position <= KEPT_MAX) ? file : ~file;
	set_last_position(list, position);
	return true;
}

/* A gap for which the list's own bytes must make room. */
static __rte_noinline bool
spill_and_append(struct position_store *store, struct position_list *list, uint64_t position)
{
	if (unlikely(!spill(store, list)))
		return append(store, list, list->last_file, position, 0);
	list->fill = 0;
	put_gap(list, position);
	return true;
}

/* What is rarer is called last: so the usual way saves no registers. */
bool
position_append(struct position_store *store, struct position_list *list, uint32_t file, uint64_t position,
		uint32_t length)
{
	if (unlikely(store->has_lengths || !is_gap(list, file, position)))
		return append(store, list, file, position, length);
	if (list->fill + WORD_BYTES > POSITION_INLINE_BYTES)
		return spill_and_append(store, list, position);
	put_gap(list, position);
	return true;
}

void
position_clear(struct position_store *store, struct position_list *list)
{
	if (list->tail != 0) {
		uint32_t id = chunk_at(store, list->tail)->next, next;

		for (;; id = next) {
			next = chunk_at(store, id)->next;
			pool_put(store->pool[id >> POSITION_ORDER_SHIFT], id & POSITION_HANDLE_MASK);
			if (id == list->tail)
				break;
		}
	}
	memset(list, 0, sizeof(*list));
}

void
position_prefetch(const struct position_store *store, const struct position_list *list)
{
	const struct chunk *last;

	if (list->tail == 0)
		return;
	last = chunk_at(store, list->tail);
	rte_prefetch0(chunk_at(store, last->next));
	for (uint32_t at = RTE_CACHE_LINE_SIZE; at < tail_fill(list); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(&last->bytes[at]);
}

static void
read_chunk(struct position_reader *r, uint32_t id)
{
	const struct chunk *chunk = chunk_at(r->store, id);

	r->chunk = id;
	r->p = chunk->bytes;
	r->end = chunk->bytes + (id == r->list->tail ? tail_fill(r->list) : capacity_of(id));
}

static void
read_inline(struct position_reader *r)
{
	r->chunk = 0;
	r->p = r->list->bytes;
	r->end = r->list->bytes + r->list->fill;
}

void
position_read_begin(struct position_reader *r, const struct position_store *store, const struct position_list *list)
{
	*r = (struct position_reader){.store = store, .list = list, .first = true};
	if (list->tail != 0)
		read_chunk(r, chunk_at(store, list->tail)->next);
	else
		read_inline(r);
}

/* False at the end of the list. */
static bool
next_chunk(struct position_reader *r)
{
	if (r->chunk == 0)
		return false;
	if (r->chunk == r->list->tail)
		read_inline(r);
	else
		read_chunk(r, chunk_at(r->store, r->chunk)->next);
	return r->p < r->end;
}

/* The next byte; 0 behind the end. */
static uint8_t
read_byte(struct position_reader *r)
{
	if (r->p == r->end && !next_chunk(r))
		return 0;
	return *r->p++;
}

static uint64_t
decode(struct position_reader *r)
{
	uint64_t number = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
		byte = read_byte(r);
		number |= (uint64_t)(byte & 0x7f) << shift;
	}
	return number;
}

/* It may lie in two chunks. */
static uint32_t
read_word(struct position_reader *r)
{
	uint8_t bytes[WORD_BYTES];
	uint32_t word;

	for (unsigned i = 0; i < WORD_BYTES; i++)
		bytes[i] = read_byte(r);
	memcpy(&word, bytes, sizeof(word));
	return word;
}

unsigned
position_read_gaps(struct position_reader *r, uint32_t *gap, unsigned n, uint32_t largest)
{
	uint32_t greatest = 0;
	uint64_t sum = 0;

	if (unlikely(r->first || r->store->has_lengths))
		return 0;
	n = RTE_MIN(n, (unsigned)(r->end - r->p) / WORD_BYTES);
	for (unsigned i = 0; i < n; i++) {
		memcpy(&gap[i], r->p + (size_t)i * WORD_BYTES, sizeof(*gap));
		greatest = RTE_MAX(greatest, gap[i]);
		sum += gap[i];
	}
	if (unlikely(greatest > largest)) {
		sum = 0;
		for (n = 0; gap[n] <= largest; n++)
			sum += gap[n];
	}
	r->p += (size_t)n * WORD_BYTES;
	r->position += sum;
	return n;
}

bool
position_read_next(struct position_reader *r)
{
	uint32_t word = IN_FULL;

	if (r->p == r->end && !next_chunk(r))
		return false;
	if (!r->first)
		word = read_word(r);
	if (word <= GAP_MAX) {
		r->position += word;
	} else {
		r->file = (uint32_t)decode(r);
		r->position = decode(r);
	}
	r->first = false;
	r->length = r->store->has_lengths ? (uint32_t)decode(r) : 0;
	return true;
}
