/* Values of a record: appended, each once where the field is a set.
 *
 * A value is a head of four bytes (field, kind, size) and its bytes. Up to INDEX_FROM_VALUES values a search looks at
 * all of them, but not for a field that has none, which 128 bits tell: most values are the first of their field. Beyond
 * that record_index.c knows where each is. A text that does not fit into the rest of its chunk goes on in the next,
 * unless it is short.
 *
 * A field of one value keeps the last: numbers and addresses are overwritten, texts are marked dead and appended again.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "log.h"
#include "record_priv.h"

enum {
	SPLIT_FROM_BYTES = 64, /* shorter texts stay in one piece */
	PIECE_MAX = CHUNK_CAPACITY - (int)sizeof(struct value_head),
	IP_TEXT_MAX = 1024,
};

COUNTER_LOSS(value_lost, "record.value_lost", "field values that found no room in the record chunks", LEDGER_NONE);
COUNTER(text_cut, "record.text_cut", "texts cut to 16384 bytes", LEDGER_NONE, LEDGER_IN);

bool
value_equal(const struct record *r, const struct value_head *head, const struct value *v)
{
	uint32_t done = 0;

	if (head->field != v->field || !kind_equal(head->kind, v->kind))
		return false;
	for (;;) {
		if (head->size > v->size - done || memcmp(value_data(head), v->bytes + done, head->size) != 0)
			return false;
		done += head->size;
		if (!head->more)
			return done == v->size;
		head = value_continuation(r, head);
	}
}

uint32_t
value_gather(const struct record *r, const struct value_head *head, uint8_t *out)
{
	uint32_t done = 0;

	for (;;) {
		uint32_t size = head->size;

		if (size > RECORD_VALUE_BYTES_MAX - done)
			size = RECORD_VALUE_BYTES_MAX - done;
		memcpy(out + done, value_data(head), size);
		done += size;
		if (!head->more)
			return done;
		head = value_continuation(r, head);
	}
}

uint32_t
value_estimate(const struct value *v)
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

	switch (v->kind) {
	case VALUE_INT:
		return 13;
	case VALUE_FLOAT:
		return 15;
	case VALUE_STR:
	case VALUE_UTF8:
		return 6 + 2 * v->size;
	case VALUE_IP:
		return memcmp(v->bytes, v4_mapped, sizeof(v4_mapped)) == 0 ? 118 : 133;
	default:
		return 0;
	}
}

/* What the record holds of a value's field. */
struct found {
	const struct value_head *same; /* a set's equal value */
	struct value_head *last;       /* the newest value of the field; NULL: it has none */
	struct field_slot *slot;       /* with an index */
	uint64_t hash;		       /* with an index, for sets */
};

static struct found
find_by_walk(const struct record *r, const struct value *v)
{
	struct value_walk walk = {.chunk = r->values_first};
	struct found found = {0};
	struct value_head *head;

	if (!record_may_have(r, v->field))
		return found;
	while ((head = value_walk_next(&walk)) != NULL) {
		if (head->field != v->field || head->kind == VALUE_DEAD || walk.continues)
			continue;
		found.last = head;
		if (found.same == NULL && value_equal(r, head, v))
			found.same = head;
	}
	return found;
}

static struct found
find_by_index(const struct record_pool *pool, const struct record *r, const struct value *v, bool is_set)
{
	struct found found = {.slot = record_index_slot(pool, r, v->field)};

	if (found.slot != NULL && found.slot->last != 0)
		found.last = reference_at(pool, found.slot->last);
	if (is_set) {
		found.hash = record_index_hash(pool, v);
		found.same = record_index_find(pool, r, v, found.hash);
	}
	return found;
}

/* Chunks that a text needs beyond the last one. */
static uint32_t
chunks_needed(const struct record_chunk *last, uint32_t size)
{
	uint32_t room = chunk_room(last), first;

	if (((size + 3) & ~3U) + sizeof(struct value_head) <= room)
		return 0;
	first = size > SPLIT_FROM_BYTES && room >= sizeof(struct value_head) + SPLIT_FROM_BYTES
			? (room - (uint32_t)sizeof(struct value_head)) & ~3U
			: 0;
	return size == 0 ? 1 : (size - first + PIECE_MAX - 1) / PIECE_MAX;
}

static struct value_head *
append_piece(struct record_chunk *c, const struct value *v, uint32_t offset, uint32_t size)
{
	struct value_head *head = (struct value_head *)chunk_take(c, (uint32_t)sizeof(*head) + ((size + 3) & ~3U));

	*head = (struct value_head){.field = v->field, .kind = v->kind, .more = offset + size < v->size, .size = size};
	memcpy(head + 1, v->bytes + offset, size);
	return head;
}

/* The caller has checked that the pool has the chunks. Returns the first piece. */
static struct value_head *
append(struct record_pool *pool, struct record *r, const struct value *v)
{
	struct value_head *first = NULL;
	uint32_t offset = 0;

	do {
		uint32_t left = v->size - offset, room = chunk_room(r->values_last), size;
		struct value_head *head;

		if (sizeof(*head) + (left < SPLIT_FROM_BYTES ? (left + 3) & ~3U : SPLIT_FROM_BYTES) > room) {
			r->values_last->next = record_chunk_get(pool, r);
			r->values_last = r->values_last->next;
			room = chunk_room(r->values_last);
		}
		size = (room - (uint32_t)sizeof(*head)) & ~3U;
		if (size > left)
			size = left;
		head = append_piece(r->values_last, v, offset, size);
		offset += size;
		if (first == NULL)
			first = head;
	} while (offset < v->size);
	return first;
}

void
value_kill(const struct record *r, struct value_head *head)
{
	for (;;) {
		bool more = head->more;

		head->kind = VALUE_DEAD;
		if (!more)
			return;
		head = (struct value_head *)(uintptr_t)value_continuation(r, head);
	}
}

static void
account(struct record *r, const struct value *v, struct field_slot *slot, bool is_first)
{
	uint32_t bytes = v->estimate_bytes + (is_first ? field_tail_bytes(v->field) : 0);

	if (v->kind == VALUE_OBJECT)
		return;
	r->estimate_bytes += bytes;
	if (slot == NULL)
		return;
	slot->estimate_bytes += bytes;
	if (slot->estimate_bytes > MID_SAVE_BYTES)
		r->wants_mid_save = true;
}

static bool
lost(struct record_pool *pool)
{
	COUNTER_ADD(pool->counters, value_lost, 1);
	return false;
}

/* With an index a peer who sends a hundred thousand values does not make each add slower than the one before, and the
 * estimates are kept by field: no field can have grown beyond the limit while all together are below half of it. */
static bool
needs_index(const struct record *r, const struct value *v)
{
	return r->index == NULL &&
	       (r->n_values >= INDEX_FROM_VALUES || r->estimate_bytes + v->estimate_bytes > MID_SAVE_BYTES / 2);
}

static bool
overwrite(struct value_head *head, const struct value *v)
{
	if (head->more || head->size != v->size)
		return false;
	memcpy(head + 1, v->bytes, v->size);
	head->kind = v->kind;
	return true;
}

/* Puts a value that is known to be new to its place. */
static bool
insert(struct record_pool *pool, struct record *r, const struct value *v, struct found *found, bool is_set)
{
	uint32_t needed = chunks_needed(r->values_last, v->size);
	bool is_first = found->last == NULL;
	struct value_head *head;

	if (r->index != NULL)
		needed += INDEX_ADD_CHUNKS_MAX;
	if (needed > pool_room(pool->chunks))
		return lost(pool);
	if (r->index != NULL && found->slot == NULL)
		found->slot = record_index_slot_add(pool, r, v->field);
	head = append(pool, r, v);
	r->n_values++;
	r->fields_seen[v->field / 64 % 2] |= UINT64_C(1) << v->field % 64;
	if (found->slot != NULL)
		found->slot->last = reference_of(pool, head);
	if (r->index != NULL && is_set)
		record_index_add(pool, r, found->hash, head);
	if (r->index != NULL)
		record_index_grow(pool, r);
	account(r, v, found->slot, is_first);
	return true;
}

bool
record_add_value(struct record_pool *pool, struct record *r, const struct value *v)
{
	const struct field *f = field_at(v->field);
	bool is_set = field_is_set(f);
	struct found found;

	if (needs_index(r, v) && !record_index_build(pool, r))
		return lost(pool);
	found = r->index != NULL ? find_by_index(pool, r, v, is_set) : find_by_walk(r, v);
	if (is_set)
		return found.same != NULL || insert(pool, r, v, &found, true);
	if ((f->flags & FIELD_DIFF_FROM_LAST) != 0 && found.last != NULL && value_equal(r, found.last, v))
		return true;
	if (field_is_single(f) && found.last != NULL) {
		struct value_head *old = found.last;

		if (value_equal(r, old, v) || overwrite(old, v))
			return true;
		if (!insert(pool, r, v, &found, false))
			return false;
		value_kill(r, old);
		r->n_values--;
		return true;
	}
	return insert(pool, r, v, &found, false);
}

/* By address: a copy of a value that was just made would wait for its parts to be written, 7 ns. */
static bool
add(struct record_pool *pool, struct record *r, struct value *v)
{
	if (v->estimate_bytes == 0)
		v->estimate_bytes = value_estimate(v);
	return record_add_value(pool, r, v);
}

bool
record_add_int(struct record_pool *pool, struct record *r, field_id field, int64_t integer)
{
	enum field_type type = field_at(field)->type;
	int32_t narrow;

	if (type != FIELD_INT && type != FIELD_INT_LIST && type != FIELD_INT_SET && type != FIELD_INT_LIST_UNIQUE)
		return lost(pool);
	if (type != FIELD_INT)
		integer = (uint32_t)integer;
	narrow = (int32_t)integer;
	if (narrow == integer)
		return add(pool, r, &(struct value){field, VALUE_INT, (const uint8_t *)&narrow, sizeof(narrow), 0});
	return add(pool, r, &(struct value){field, VALUE_INT, (const uint8_t *)&integer, sizeof(integer), 0});
}

bool
record_add_double(struct record_pool *pool, struct record *r, field_id field, double real)
{
	enum field_type type = field_at(field)->type;

	if (type != FIELD_FLOAT && type != FIELD_FLOAT_LIST && type != FIELD_FLOAT_SET)
		return lost(pool);
	real += 0.0; /* -0 and 0 are one value */
	return add(pool, r, &(struct value){field, VALUE_FLOAT, (const uint8_t *)&real, sizeof(real), 0});
}

static void
tag_truncated(struct record_pool *pool, struct record *r, const struct field *f)
{
	field_id tags = field_find("tags");
	char tag[160];

	COUNTER_ADD(pool->counters, text_cut, 1);
	snprintf(tag, sizeof(tag), "truncated-field-%s", field_tail(f));
	if (tags != 0)
		record_add_str(pool, r, tags, tag, strlen(tag));
}

static bool
add_text(struct record_pool *pool, struct record *r, field_id field, const void *text, size_t size,
	 enum value_kind kind)
{
	const struct field *f = field_at(field);
	const uint8_t *nul;

	if (f->type != FIELD_STR && f->type != FIELD_STR_LIST && f->type != FIELD_STR_SET)
		return lost(pool);
	if ((f->flags & FIELD_TO_NUL) != 0 && size > 0 && (nul = memchr(text, '\0', size)) != NULL)
		size = (size_t)(nul - (const uint8_t *)text);
	if (size > RECORD_VALUE_BYTES_MAX) {
		size = RECORD_VALUE_BYTES_MAX;
		tag_truncated(pool, r, f);
	}
	return add(pool, r, &(struct value){field, kind, text, (uint32_t)size, 0});
}

bool
record_add_str(struct record_pool *pool, struct record *r, field_id field, const void *text, size_t size)
{
	return add_text(pool, r, field, text, size, VALUE_STR);
}

bool
record_add_utf8(struct record_pool *pool, struct record *r, field_id field, const void *text, size_t size)
{
	return add_text(pool, r, field, text, size, VALUE_UTF8);
}

static bool
add_address(struct record_pool *pool, struct record *r, field_id field, const uint8_t address[16], uint32_t estimate)
{
	enum field_type type = field_at(field)->type;

	if (type != FIELD_IP && type != FIELD_IP_SET)
		return lost(pool);
	return add(pool, r, &(struct value){field, VALUE_IP, address, 16, estimate});
}

bool
record_add_ip(struct record_pool *pool, struct record *r, field_id field, const uint8_t address[16])
{
	return add_address(pool, r, field, address, 0);
}

bool
record_add_ip_text(struct record_pool *pool, struct record *r, field_id field, const void *text, size_t size)
{
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff};
	char literal[IP_TEXT_MAX];
	struct in_addr v4;

	if (size >= sizeof(literal))
		return false;
	memcpy(literal, text, size);
	literal[size] = '\0';
	/* inet_aton() is what the reference's rules describe: 1 to 4 parts, no leading blank, nothing matters after
	 * one. */
	if (strchr(literal, '.') != NULL) {
		if (inet_aton(literal, &v4) == 0)
			return false;
		memcpy(address + 12, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, literal, address) != 1) {
		return false;
	}
	return add_address(pool, r, field, address, 103 + (uint32_t)strlen(literal));
}

bool
record_add_object(struct record_pool *pool, struct record *r, field_id field, const void *json, size_t size)
{
	if (field_at(field)->type != FIELD_OBJECT || size > RECORD_OBJECT_BYTES_MAX)
		return lost(pool);
	return add(pool, r, &(struct value){field, VALUE_OBJECT, json, (uint32_t)size, 0});
}

void
record_values_begin(const struct record *r, struct record_iterator *it)
{
	*it = (struct record_iterator){.chunk = r->values_first};
}

static void
value_read(const struct value_head *head, struct record_value *out)
{
	static const uint8_t types[] = {
		[VALUE_INT] = FIELD_INT,  [VALUE_FLOAT] = FIELD_FLOAT, [VALUE_STR] = FIELD_STR,
		[VALUE_UTF8] = FIELD_STR, [VALUE_IP] = FIELD_IP,       [VALUE_OBJECT] = FIELD_OBJECT,
	};
	const uint8_t *bytes = value_data(head);
	int32_t narrow;

	out->field = head->field;
	out->type = types[head->kind];
	out->utf8 = head->kind == VALUE_UTF8;
	out->more = head->more;
	switch (head->kind) {
	case VALUE_INT:
		memcpy(&narrow, bytes, sizeof(narrow));
		out->integer = narrow;
		if (head->size == sizeof(out->integer))
			memcpy(&out->integer, bytes, sizeof(out->integer));
		break;
	case VALUE_FLOAT:
		memcpy(&out->real, bytes, sizeof(out->real));
		break;
	case VALUE_IP:
		memcpy(out->ip, bytes, sizeof(out->ip));
		break;
	default:
		out->str.text = bytes;
		out->str.size = head->size;
		break;
	}
}

bool
record_values_next(struct record_iterator *it, struct record_value *out)
{
	struct value_walk walk = {.chunk = it->chunk, .offset = it->offset};
	const struct value_head *head;

	do {
		head = value_walk_next(&walk);
	} while (head != NULL && head->kind == VALUE_DEAD);
	it->chunk = walk.chunk;
	it->offset = walk.offset;
	if (head == NULL)
		return false;
	value_read(head, out);
	return true;
}
