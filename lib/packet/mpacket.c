/* Ethernet mPacket (IEEE 802.3br): preamble, start delimiter, an Ethernet frame, its CRC.
 *
 * The first preamble byte may have lost a nibble (50) or be missing with the others. Whole express frames (d5) and
 * first fragments of preemptable ones (e6, 4c, 7f, b3) are decoded; continuation fragments, verify and response are
 * corrupt, as in the reference: nothing puts fragments together. */

#include "decode_priv.h"

enum { PREAMBLE_SHORT = 0x50, PREAMBLE = 0x55, PREAMBLE_MAX = 8, CRC_BYTES = 4 };

static bool
is_frame_start(uint8_t delimiter)
{
	static const uint8_t starts[] = {0xd5, 0xe6, 0x4c, 0x7f, 0xb3};

	return memchr(starts, delimiter, sizeof(starts)) != NULL;
}

enum packet_verdict
packet_decode_mpacket(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	struct cursor frame;

	if (cursor_peek(&c, 0) == PREAMBLE_SHORT)
		cursor_skip(&c, 1);
	for (unsigned i = 0; i < PREAMBLE_MAX && cursor_peek(&c, 0) == PREAMBLE; i++)
		cursor_skip(&c, 1);
	if (!is_frame_start(cursor_u8(&c)) || cursor_left(&c) < ETHERNET_HEADER_BYTES + CRC_BYTES)
		return PACKET_CORRUPT;
	frame = cursor_sub(&c, cursor_left(&c) - CRC_BYTES);
	p->frame_offset = (uint16_t)packet_offset(p, &frame);
	return packet_decode_ethernet(conf, p, frame);
}
