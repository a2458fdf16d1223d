/* Entries of a spool as bytes.
 *
 * Rows are written field by field and not as the struct they are in memory: the next version of the program, whose
 * struct is another, has to read what this one left. All is little-endian, as are the machines this runs on; the
 * segment's header says so, and a segment of the other kind is refused.
 *
 * The checksum is CRC-32C: the CPU does it at several bytes a nanosecond, and it finds every torn write there is. */
#include "spool_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash_crc.h>

#include "cursor.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a spool is little-endian"
#endif

enum {
	CHECKSUM_OFFSET = offsetof(struct spool_entry_header, checksum),
};

/* Not rte_hash_crc(): that reads eight bytes at any address as if they were aligned. */
uint32_t
spool_checksum(const void *bytes, size_t size, uint32_t so_far)
{
	struct cursor in = cursor_make(bytes, size);

	while (cursor_left(&in) >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, cursor_take(&in, sizeof(word)), sizeof(word));
		so_far = rte_hash_crc_8byte(word, so_far);
	}
	while (cursor_left(&in) > 0)
		so_far = rte_hash_crc_1byte(cursor_u8(&in), so_far);
	return so_far;
}

/* ---- Writing */

static bool
reserve(struct spool_scratch *s, size_t size)
{
	size_t capacity = s->capacity > 0 ? s->capacity : 65536;
	uint8_t *bytes;

	while (capacity < s->used + size)
		capacity *= 2;
	if (capacity == s->capacity)
		return true;
	bytes = realloc(s->bytes, capacity);
	if (bytes == NULL)
		return false;
	s->bytes = bytes;
	s->capacity = capacity;
	return true;
}

/* There is room. */
static void
put(struct spool_scratch *s, const void *bytes, size_t size)
{
	memcpy(&s->bytes[s->used], bytes, size);
	s->used += size;
}

static void
put_u8(struct spool_scratch *s, uint8_t value)
{
	put(s, &value, sizeof(value));
}

static void
put_u32(struct spool_scratch *s, uint32_t value)
{
	put(s, &value, sizeof(value));
}

static void
put_u64(struct spool_scratch *s, uint64_t value)
{
	put(s, &value, sizeof(value));
}

static bool
put_row(struct spool_scratch *s, const struct export_row *row)
{
	const char *text[] = {row->id, row->index_period, row->community_id, row->protocols};
	size_t length[4], all = SPOOL_ROW_BYTES_MIN;

	for (unsigned i = 0; i < 4; i++)
		all += length[i] = strlen(text[i]);
	if (!reserve(s, all))
		return false;
	put_u32(s, row->json_offset);
	put_u32(s, row->json_bytes);
	put_u64(s, row->packets);
	put_u64(s, row->bytes);
	put_u64(s, row->data_bytes);
	put_u64(s, (uint64_t)row->first_ms);
	put_u64(s, (uint64_t)row->last_ms);
	put(s, row->port, sizeof(row->port));
	put_u8(s, row->ip_version);
	put_u8(s, row->ip_protocol);
	for (unsigned i = 0; i < 4; i++)
		put_u8(s, (uint8_t)length[i]);
	put(s, row->address, sizeof(row->address));
	for (unsigned i = 0; i < 4; i++)
		put(s, text[i], length[i]);
	return true;
}

static void
seal(struct spool_scratch *s, enum spool_entry_kind kind, uint32_t n_rows, const char *text, size_t text_bytes)
{
	struct spool_entry_header header = {.magic = SPOOL_ENTRY_MAGIC,
					    .kind = kind,
					    .n_rows = n_rows,
					    .payload_bytes = s->used - sizeof(header) + text_bytes};

	memcpy(s->bytes, &header, sizeof(header));
	header.checksum = spool_checksum(text, text_bytes, spool_checksum(s->bytes, s->used, 0));
	memcpy(s->bytes, &header, sizeof(header));
}

int
spool_encode_batch(struct spool_scratch *s, const struct export_batch *b)
{
	uint32_t row_bytes;

	s->used = 0;
	if (!reserve(s, sizeof(struct spool_entry_header) + sizeof(row_bytes)))
		return -ENOMEM;
	s->used = sizeof(struct spool_entry_header);
	put_u32(s, 0);
	for (unsigned i = 0; i < b->n_rows; i++)
		if (!put_row(s, &b->row[i]))
			return -ENOMEM;
	row_bytes = (uint32_t)(s->used - sizeof(struct spool_entry_header) - sizeof(row_bytes));
	memcpy(&s->bytes[sizeof(struct spool_entry_header)], &row_bytes, sizeof(row_bytes));
	seal(s, SPOOL_BATCH, b->n_rows, b->text, b->text_bytes);
	return 0;
}

enum { FILE_CLOSING = 1, FILE_LOCKED = 2, FILE_GAP_POSITIONS = 4, FILE_IN_PLACE = 8 };

int
spool_encode_file(struct spool_scratch *s, const struct export_file *f)
{
	const uint64_t numbers[] = {f->first_ns,  f->last_ns,	       f->start_ns,
				    f->finish_ns, f->file_bytes,       f->packets_bytes,
				    f->packets,	  f->sessions_started, f->sessions_present};
	size_t name_bytes = strlen(f->name) + 1;

	s->used = 0;
	if (!reserve(s, sizeof(struct spool_entry_header) + 16 + sizeof(numbers) + name_bytes))
		return -ENOMEM;
	s->used = sizeof(struct spool_entry_header);
	put_u32(s, f->number);
	put_u32(s, (f->closing ? FILE_CLOSING : 0) | (f->locked ? FILE_LOCKED : 0) |
			   (f->gap_positions ? FILE_GAP_POSITIONS : 0) | (f->in_place ? FILE_IN_PLACE : 0));
	for (unsigned i = 0; i < RTE_DIM(numbers); i++)
		put_u64(s, numbers[i]);
	put(s, f->name, name_bytes);
	seal(s, SPOOL_FILE, 0, "", 0);
	return 0;
}

/* ---- Reading */

bool
spool_entry_is_whole(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);
	struct spool_entry_header header;
	const uint8_t *head = cursor_take(&in, sizeof(header));
	uint32_t checksum;

	if (head == NULL)
		return false;
	memcpy(&header, head, sizeof(header));
	checksum = header.checksum;
	header.checksum = 0;
	return header.magic == SPOOL_ENTRY_MAGIC && header.payload_bytes == cursor_left(&in) &&
	       spool_checksum(in.p, cursor_left(&in), spool_checksum(&header, sizeof(header), 0)) == checksum;
}

static bool
get_text(struct cursor *in, size_t length, char *out, size_t size)
{
	const uint8_t *text = cursor_take(in, length);

	if (text == NULL || length >= size)
		return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

static bool
get_row(struct cursor *in, struct export_row *row)
{
	uint8_t length[4];
	const uint8_t *address;

	*row = (struct export_row){.json_offset = cursor_le32(in), .json_bytes = cursor_le32(in)};
	row->packets = cursor_le64(in);
	row->bytes = cursor_le64(in);
	row->data_bytes = cursor_le64(in);
	row->first_ms = (int64_t)cursor_le64(in);
	row->last_ms = (int64_t)cursor_le64(in);
	row->port[0] = cursor_le16(in);
	row->port[1] = cursor_le16(in);
	row->ip_version = cursor_u8(in);
	row->ip_protocol = cursor_u8(in);
	for (unsigned i = 0; i < 4; i++)
		length[i] = cursor_u8(in);
	address = cursor_take(in, sizeof(row->address));
	if (address == NULL)
		return false;
	memcpy(row->address, address, sizeof(row->address));
	return get_text(in, length[0], row->id, sizeof(row->id)) &&
	       get_text(in, length[1], row->index_period, sizeof(row->index_period)) &&
	       get_text(in, length[2], row->community_id, sizeof(row->community_id)) &&
	       get_text(in, length[3], row->protocols, sizeof(row->protocols));
}

static bool
decode_batch(struct cursor in, uint32_t n_rows, struct export_row *row, struct spool_entry *out)
{
	uint32_t row_bytes = cursor_le32(&in);
	struct cursor rows = cursor_sub(&in, row_bytes);
	size_t text_bytes = cursor_left(&in);

	for (uint32_t i = 0; i < n_rows; i++)
		if (!get_row(&rows, &row[i]) || (uint64_t)row[i].json_offset + row[i].json_bytes >= text_bytes)
			return false;
	out->is_file = false;
	out->batch = (struct export_batch){
		/* Nobody writes there: sinks get it as const. */
		.text = (char *)(uintptr_t)in.p,
		.text_bytes = text_bytes,
		.row = row,
		.n_rows = n_rows,
	};
	return !cursor_bad(&in) && cursor_left(&rows) == 0;
}

static bool
decode_file(struct cursor in, struct spool_entry *out)
{
	struct export_file *f = &out->file;
	uint32_t flags;

	out->is_file = true;
	*f = (struct export_file){.number = cursor_le32(&in)};
	flags = cursor_le32(&in);
	f->closing = (flags & FILE_CLOSING) != 0;
	f->locked = (flags & FILE_LOCKED) != 0;
	f->gap_positions = (flags & FILE_GAP_POSITIONS) != 0;
	f->in_place = (flags & FILE_IN_PLACE) != 0;
	f->first_ns = cursor_le64(&in);
	f->last_ns = cursor_le64(&in);
	f->start_ns = cursor_le64(&in);
	f->finish_ns = cursor_le64(&in);
	f->file_bytes = cursor_le64(&in);
	f->packets_bytes = cursor_le64(&in);
	f->packets = cursor_le64(&in);
	f->sessions_started = cursor_le64(&in);
	f->sessions_present = cursor_le64(&in);
	f->name = (const char *)in.p;
	return !cursor_bad(&in) && cursor_left(&in) > 0 && memchr(in.p, '\0', cursor_left(&in)) != NULL;
}

bool
spool_decode(const uint8_t *bytes, size_t size, struct export_row *row, uint32_t max_rows, struct spool_entry *out)
{
	struct cursor in = cursor_make(bytes, size);
	struct spool_entry_header header;
	const uint8_t *head = cursor_take(&in, sizeof(header));

	if (head == NULL)
		return false;
	memcpy(&header, head, sizeof(header));
	if (header.kind == SPOOL_BATCH)
		return header.n_rows <= max_rows && decode_batch(in, header.n_rows, row, out);
	return header.kind == SPOOL_FILE && decode_file(in, out);
}

/* ---- The position */

static uint32_t
position_checksum(const struct spool_position *p)
{
	return spool_checksum(&p->number, sizeof(p->number) + sizeof(p->offset), p->magic);
}

void
spool_position_seal(struct spool_position *p)
{
	p->magic = SPOOL_POSITION_MAGIC;
	p->checksum = position_checksum(p);
}

bool
spool_position_is_good(const struct spool_position *p)
{
	return p->magic == SPOOL_POSITION_MAGIC && p->checksum == position_checksum(p);
}
