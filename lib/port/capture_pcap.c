/* Classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 bytes and the packet.
 *
 * The magic says the byte order and the unit of the fraction of a second. a1b2cd34 is Kuznetzov's variant, which some
 * Linux systems wrote around 2000: its record headers have 8 bytes more (interface, protocol, packet type).
 *
 * A record that claims more than CAPTURE_RECORD_MAX bytes is passed over by its length, as the reference does: when the
 * length is garbage, that leads beyond the end of the file, which is damage at this record. */
#include "capture_priv.h"

#include <errno.h>

#include "clock.h"

enum { FILE_HEADER_BYTES = 24, RECORD_HEADER_BYTES = 16, KUZNETZOV_BYTES = 8 };

struct magic {
	uint8_t bytes[4]; /* as a little-endian writer has them */
	uint32_t unit_ns;
	uint32_t extra_bytes; /* in each record header */
};

static const struct magic magics[] = {
	{{0xd4, 0xc3, 0xb2, 0xa1}, 1000, 0},
	{{0x4d, 0x3c, 0xb2, 0xa1}, 1, 0},
	{{0x34, 0xcd, 0xb2, 0xa1}, 1000, KUZNETZOV_BYTES},
};

static const struct magic *
find_magic(const uint8_t bytes[4], bool *big_endian)
{
	const uint8_t turned[4] = {bytes[3], bytes[2], bytes[1], bytes[0]};

	for (unsigned i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		*big_endian = memcmp(magics[i].bytes, turned, 4) == 0;
		if (*big_endian || memcmp(magics[i].bytes, bytes, 4) == 0)
			return &magics[i];
	}
	return NULL;
}

bool
pcap_magic(const uint8_t bytes[4])
{
	bool big_endian;

	return find_magic(bytes, &big_endian) != NULL;
}

static inline uint32_t
read32(const uint8_t *field, bool big_endian)
{
	return big_endian ? read_be32(field) : read_le32(field);
}

/* One function for each kind of file, so that none of this is decided for every packet. */
static inline __attribute__((always_inline)) enum capture_status
next_record(struct capture_file *f, struct capture_packet *packet, const bool big_endian, const uint32_t header_bytes)
{
	struct input *in = &f->input;
	uint32_t seconds, fraction, captured, wire;
	enum input_status status;
	const uint8_t *header;

	for (;;) {
		status = input_need(in, header_bytes);
		if (__builtin_expect(status != INPUT_OK, 0))
			return capture_short(f, status, "a record");
		header = in->window.p;
		seconds = read32(&header[0], big_endian);
		fraction = read32(&header[4], big_endian);
		captured = read32(&header[8], big_endian);
		wire = read32(&header[12], big_endian);
		if (__builtin_expect(captured <= CAPTURE_RECORD_MAX, 1))
			break;
		f->record_offset = input_offset(in);
		f->skipped++;
		input_skip(in, (uint64_t)header_bytes + captured);
	}
	status = input_need(in, header_bytes + captured);
	if (__builtin_expect(status != INPUT_OK, 0))
		return capture_short(f, status, "a record");

	packet->time_ns = seconds * NS_PER_S + (uint64_t)fraction * f->unit_ns;
	packet->position = input_offset(in);
	packet->captured_bytes = captured;
	packet->wire_bytes = wire > captured ? wire : captured;
	packet->link_type = f->info.link_type;
	packet->has_nanoseconds = f->info.has_nanoseconds;
	cursor_skip(&in->window, header_bytes);
	packet->data = cursor_take(&in->window, captured);
	return CAPTURE_PACKET;
}

static enum capture_status
next_little(struct capture_file *f, struct capture_packet *packet)
{
	return next_record(f, packet, false, RECORD_HEADER_BYTES);
}

static enum capture_status
next_big(struct capture_file *f, struct capture_packet *packet)
{
	return next_record(f, packet, true, RECORD_HEADER_BYTES);
}

static enum capture_status
next_kuznetzov(struct capture_file *f, struct capture_packet *packet)
{
	return next_record(f, packet, f->big_endian, RECORD_HEADER_BYTES + KUZNETZOV_BYTES);
}

enum input_status
pcap_open(struct capture_file *f)
{
	struct input *in = &f->input;
	enum input_status status = input_need(in, FILE_HEADER_BYTES);
	const struct magic *magic;

	if (status != INPUT_OK) {
		errno = EBADMSG;
		return status;
	}
	magic = find_magic(in->window.p, &f->big_endian);
	cursor_skip(&in->window, 16); /* magic, version, time zone and accuracy (always 0) */
	f->info.snap_length = f->big_endian ? cursor_be32(&in->window) : cursor_le32(&in->window);
	/* The upper bits say whether frames have a checksum at their end. */
	f->info.link_type = (uint16_t)(f->big_endian ? cursor_be32(&in->window) : cursor_le32(&in->window));
	if (!capture_link_type_known(f->info.link_type)) {
		input_fail(in, "link type %u is not supported", f->info.link_type);
		errno = EPROTONOSUPPORT;
		return INPUT_FAILED;
	}
	f->unit_ns = magic->unit_ns;
	f->info.has_nanoseconds = magic->unit_ns == 1;
	/* A reader of positions expects 16 bytes before the packet, and the file as it is on disk. */
	f->info.plain_pcap = in->regular && in->kind == INPUT_PLAIN && magic->extra_bytes == 0;
	f->next = magic->extra_bytes != 0 ? next_kuznetzov : f->big_endian ? next_big : next_little;
	return INPUT_OK;
}
