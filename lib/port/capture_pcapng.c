/* pcapng (draft-ietf-opsawg-pcapng): a sequence of blocks {type, length, body, length again}.
 *
 * Packets are in Enhanced (6), Simple (3) and the old Packet blocks (2); Section Headers (0a0d0d0a) set the byte order
 * and forget the interfaces, Interface Descriptions (1) say link type, snap length and the unit of the stamps. All
 * other blocks are passed over.
 *
 * A block is only looked at as a whole, with the length at its end compared, so a file that is cut within a block's
 * options loses that packet. Larger blocks than INPUT_NEED_MAX cannot hold a packet we take: they are passed over by
 * their length, and counted when they held one. So is a packet of an interface that was never described: the block's
 * length is right, so what follows can still be read. */
#include "capture_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_OLD_PACKET = 2,
	BLOCK_SIMPLE_PACKET = 3,
	BLOCK_ENHANCED_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};
enum interface_option { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_TSOFFSET = 14 };
enum {
	BLOCK_BYTES_MIN = 12,
	SECTION_BYTES_MIN = 28,
	INTERFACES_MAX = 65536,
	TSRESOL_MICROSECONDS = 6,
	TSRESOL_BINARY = 0x80,
};
/* Leaves room for timeouts: the year 2262. */
static const uint64_t time_max_ns = INT64_MAX;

struct block {
	uint32_t type, length;
	struct cursor body;
};

bool
pcapng_magic(const uint8_t bytes[4])
{
	struct cursor c = cursor_make(bytes, 4);

	return cursor_be32(&c) == BLOCK_SECTION; /* the same from both ends */
}

static inline uint16_t
read16(const struct capture_file *f, struct cursor *c)
{
	return f->big_endian ? cursor_be16(c) : cursor_le16(c);
}

static inline uint32_t
read32(const struct capture_file *f, struct cursor *c)
{
	return f->big_endian ? cursor_be32(c) : cursor_le32(c);
}

static inline uint64_t
read64(const struct capture_file *f, struct cursor *c)
{
	return f->big_endian ? cursor_be64(c) : cursor_le64(c);
}

/* if_tsresol (4.2): a negative power of ten, or of two when the high bit is set. 38 digits are all 128 bits have, and
 * a stamp of 64 bits in a finer unit is less than a nanosecond. */
static void
set_resolution(struct pcapng_interface *interface, uint8_t resolution)
{
	unsigned exponent = resolution & 0x7f;

	interface->multiply = 1;
	interface->divide = 1;
	interface->shift = 0;
	if (resolution & TSRESOL_BINARY) {
		interface->multiply = NS_PER_S;
		interface->shift = (uint8_t)exponent;
		interface->has_nanoseconds = exponent > 20; /* 2^20 a second is no finer than 10^6 */
		return;
	}
	interface->has_nanoseconds = exponent > TSRESOL_MICROSECONDS;
	for (; exponent < 9; exponent++)
		interface->multiply *= 10;
	for (; exponent > 9 && interface->divide < UINT64_MAX / 10; exponent--)
		interface->divide *= 10;
	if (exponent > 9)
		interface->multiply = 0;
}

static uint64_t
stamp_ns(const struct pcapng_interface *interface, uint64_t stamp)
{
	/* Less than 2^94, and 2^64 seconds are less than 2^94 ns: no overflow. */
	__int128 ns =
		(__int128)(((unsigned __int128)stamp * interface->multiply >> interface->shift) / interface->divide);

	ns += (__int128)interface->offset_s * (int64_t)NS_PER_S;
	if (ns < 0)
		return 0;
	return ns > time_max_ns ? time_max_ns : (uint64_t)ns;
}

static void
read_interface_options(const struct capture_file *f, struct pcapng_interface *interface, struct cursor c)
{
	while (cursor_left(&c) >= 4) {
		uint16_t code = read16(f, &c), size = read16(f, &c);
		struct cursor value = cursor_sub(&c, size);

		if (cursor_bad(&c) || code == OPTION_END)
			return;
		if (code == OPTION_TSRESOL && size == 1)
			set_resolution(interface, cursor_u8(&value));
		if (code == OPTION_TSOFFSET && size == 8)
			interface->offset_s = (int64_t)read64(f, &value);
		if (cursor_left(&c) >= (4u - size % 4) % 4)
			cursor_skip(&c, (4u - size % 4) % 4);
	}
}

static struct pcapng_interface *
add_interface(struct capture_file *f)
{
	unsigned room = f->room_interfaces == 0 ? 8 : 2 * f->room_interfaces;
	struct pcapng_interface *grown;

	if (f->n_interfaces < f->room_interfaces)
		return &f->interface[f->n_interfaces++];
	if (room > INTERFACES_MAX)
		return NULL;
	grown = realloc(f->interface, room * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	f->interface = grown;
	f->room_interfaces = room;
	return &f->interface[f->n_interfaces++];
}

/* 4.2. False: damage. Interfaces beyond the limit stay undescribed, and their packets are counted. */
static bool
read_interface(struct capture_file *f, struct block *b)
{
	struct cursor c = b->body;
	struct pcapng_interface *interface;
	uint16_t link_type = read16(f, &c);
	uint32_t snap_length;

	cursor_skip(&c, 2);
	snap_length = read32(f, &c);
	if (cursor_bad(&c))
		return false;
	interface = add_interface(f);
	if (interface == NULL)
		return true;
	*interface = (struct pcapng_interface){.link_type = link_type, .snap_length = snap_length};
	set_resolution(interface, TSRESOL_MICROSECONDS);
	read_interface_options(f, interface, c);
	return true;
}

/* 4.1: the byte order is that in which the magic at offset 8 reads 1a2b3c4d. */
static bool
read_section(struct capture_file *f)
{
	struct cursor c = f->input.window;

	cursor_skip(&c, 8);
	f->n_interfaces = 0;
	switch (cursor_be32(&c)) {
	case 0x1a2b3c4d:
		f->big_endian = true;
		return true;
	case 0x4d3c2b1a:
		f->big_endian = false;
		return true;
	default:
		return false;
	}
}

/* The header of the next block, not taken. A section header may turn the byte order before its length can be read. */
static enum capture_status
peek_block(struct capture_file *f, struct block *b)
{
	struct input *in = &f->input;
	enum input_status status = input_need(in, BLOCK_BYTES_MIN);
	struct cursor c;

	if (status != INPUT_OK)
		return capture_short(f, status, "a block");
	c = in->window;
	b->type = read32(f, &c);
	if (b->type == BLOCK_SECTION && !read_section(f))
		return capture_fail(f, input_offset(in), "a section header without a byte order");
	b->length = read32(f, &c);
	if (b->length < BLOCK_BYTES_MIN || b->length % 4 != 0 ||
	    (b->type == BLOCK_SECTION && b->length < SECTION_BYTES_MIN))
		return capture_fail(f, input_offset(in), "a block of %u bytes", b->length);
	return CAPTURE_PACKET;
}

static bool
is_packet(const struct block *b)
{
	return b->type == BLOCK_ENHANCED_PACKET || b->type == BLOCK_SIMPLE_PACKET || b->type == BLOCK_OLD_PACKET;
}

/* Takes the block; its body is empty when it was too long to be looked at. */
static enum capture_status
take_block(struct capture_file *f, struct block *b)
{
	struct input *in = &f->input;
	enum input_status status;
	struct cursor whole;

	f->record_offset = input_offset(in);
	if (b->length > INPUT_NEED_MAX) {
		if (b->type == BLOCK_INTERFACE)
			return capture_fail(f, input_offset(in), "an interface description of %u bytes", b->length);
		f->skipped += is_packet(b);
		b->type = 0;
		input_skip(in, b->length);
		return CAPTURE_PACKET;
	}
	status = input_need(in, b->length);
	if (status != INPUT_OK)
		return capture_short(f, status, "a block");
	whole = cursor_sub(&in->window, b->length);
	cursor_skip(&whole, 8);
	b->body = cursor_sub(&whole, b->length - BLOCK_BYTES_MIN);
	if (read32(f, &whole) != b->length)
		return capture_fail(f, f->record_offset, "a block whose lengths differ");
	return CAPTURE_PACKET;
}

/* CAPTURE_END: counted, go on with the next block. */
static enum capture_status
give_packet(struct capture_file *f, struct capture_packet *packet, struct cursor *c, unsigned index, uint64_t stamp,
	    uint32_t captured, uint32_t wire)
{
	const struct pcapng_interface *interface;

	if (cursor_bad(c) || captured > cursor_left(c))
		return capture_fail(f, f->record_offset, "a packet longer than its block");
	if (index >= f->n_interfaces || captured > CAPTURE_RECORD_MAX) {
		f->skipped++;
		return CAPTURE_END;
	}
	interface = &f->interface[index];
	f->info.has_nanoseconds = interface->has_nanoseconds;
	packet->time_ns = stamp_ns(interface, stamp);
	packet->position = f->record_offset;
	packet->captured_bytes = captured;
	packet->wire_bytes = wire > captured ? wire : captured;
	packet->link_type = interface->link_type;
	packet->has_nanoseconds = interface->has_nanoseconds;
	packet->data = cursor_take(c, captured);
	return CAPTURE_PACKET;
}

/* 4.3, and A.1 for the old form, whose interface id has 16 bits, beside a count of drops. */
static enum capture_status
read_packet(struct capture_file *f, struct capture_packet *packet, struct block *b)
{
	struct cursor *c = &b->body;
	unsigned index = b->type == BLOCK_OLD_PACKET ? read16(f, c) : read32(f, c);
	uint64_t stamp;
	uint32_t captured, wire;

	if (b->type == BLOCK_OLD_PACKET)
		cursor_skip(c, 2);
	stamp = (uint64_t)read32(f, c) << 32;
	stamp |= read32(f, c);
	captured = read32(f, c);
	wire = read32(f, c);
	return give_packet(f, packet, c, index, stamp, captured, wire);
}

/* 4.4: no stamp, and the captured length has to be worked out: it is the least of the length on the wire, the snap
 * length of interface 0 and what the block holds. Time 0 is what the reference gives. */
static enum capture_status
read_simple_packet(struct capture_file *f, struct capture_packet *packet, struct block *b)
{
	struct cursor *c = &b->body;
	uint32_t wire = read32(f, c), captured = wire;
	enum capture_status status;

	if (f->n_interfaces > 0 && f->interface[0].snap_length != 0 && captured > f->interface[0].snap_length)
		captured = f->interface[0].snap_length;
	if (captured > cursor_left(c))
		captured = (uint32_t)cursor_left(c);
	status = give_packet(f, packet, c, 0, 0, captured, wire);
	if (status == CAPTURE_PACKET)
		packet->time_ns = 0;
	return status;
}

/* CAPTURE_END: it was no packet. */
static enum capture_status
read_block(struct capture_file *f, struct capture_packet *packet, struct block *b)
{
	switch (b->type) {
	case BLOCK_ENHANCED_PACKET:
	case BLOCK_OLD_PACKET:
		return read_packet(f, packet, b);
	case BLOCK_SIMPLE_PACKET:
		return read_simple_packet(f, packet, b);
	case BLOCK_INTERFACE:
		if (!read_interface(f, b))
			return capture_fail(f, f->record_offset, "an interface description of %u bytes", b->length);
		return CAPTURE_END;
	default:
		return CAPTURE_END;
	}
}

static enum capture_status
pcapng_next(struct capture_file *f, struct capture_packet *packet)
{
	struct block b = {0};
	enum capture_status status;

	do {
		status = peek_block(f, &b);
		if (status == CAPTURE_PACKET)
			status = take_block(f, &b);
		if (status != CAPTURE_PACKET)
			return status;
		status = read_block(f, packet, &b);
	} while (status == CAPTURE_END);
	return status;
}

/* Damage that was found when the file was opened is told by the first call. */
static enum capture_status
next_damage(struct capture_file *f, struct capture_packet *packet)
{
	(void)packet;
	f->next = capture_after_end;
	return CAPTURE_DAMAGED;
}

/* Up to the first interface, for capture_info(). */
static enum capture_status
find_interface(struct capture_file *f)
{
	enum capture_status status;
	struct block b = {0};

	while ((status = peek_block(f, &b)) == CAPTURE_PACKET && !is_packet(&b)) {
		status = take_block(f, &b);
		if (status == CAPTURE_PACKET)
			status = read_block(f, NULL, &b);
		if (status != CAPTURE_END || f->n_interfaces > 0)
			return status;
	}
	return status;
}

enum input_status
pcapng_open(struct capture_file *f)
{
	struct input *in = &f->input;
	enum input_status status = input_need(in, SECTION_BYTES_MIN);

	if (status != INPUT_OK) {
		errno = EBADMSG;
		return status;
	}
	f->next = pcapng_next;
	if (!read_section(f)) {
		input_fail(in, "a section header without a byte order");
		errno = EBADMSG;
		return INPUT_FAILED;
	}
	/* A pipe may not have it yet: there the link type is that of each packet only. */
	if (in->regular && find_interface(f) == CAPTURE_DAMAGED)
		f->next = next_damage;
	if (f->n_interfaces > 0) {
		f->info.link_type = f->interface[0].link_type;
		f->info.snap_length = f->interface[0].snap_length;
		f->info.has_nanoseconds = f->interface[0].has_nanoseconds;
	}
	return INPUT_OK;
}
