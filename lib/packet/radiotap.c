/* 802.11 with a radiotap header: plain data frames.
 *
 * Only frame control byte 08 (data, no QoS) is decoded: a MAC header of 24 bytes, LLC and SNAP with OUI 00:00:00, then
 * the ethertype. The flags byte is not looked at, so frames that a driver decrypted but left marked as protected are
 * read too; those that really are encrypted fail the OUI. What fails is an unknown link layer, never a session. */

#include "decode_priv.h"

enum {
	RADIOTAP_FRAME_MIN = 36,
	DOT11_DATA = 0x08,
	DOT11_HEADER_BYTES = 24,
	LLC_BYTES = 3,
	SNAP_OUI_BYTES = 3,
	DOT11_ALL_BYTES = DOT11_HEADER_BYTES + LLC_BYTES + SNAP_OUI_BYTES + 2,
};

enum packet_verdict
packet_decode_radiotap(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	struct cursor frame = c;
	uint8_t version = cursor_u8(&c), frame_control;
	uint16_t header_bytes, type;
	const uint8_t *oui;

	cursor_skip(&c, 1);
	header_bytes = cursor_le16(&c);
	if (cursor_bad(&c) || version != 0 || cursor_left(&frame) < RADIOTAP_FRAME_MIN)
		return PACKET_UNKNOWN_ETHER;

	cursor_skip(&frame, header_bytes);
	if (cursor_left(&frame) <= DOT11_ALL_BYTES)
		return PACKET_UNKNOWN_ETHER;
	frame_control = cursor_u8(&frame);
	cursor_skip(&frame, DOT11_HEADER_BYTES - 1 + LLC_BYTES);
	oui = cursor_take(&frame, SNAP_OUI_BYTES);
	type = cursor_be16(&frame);
	if (cursor_bad(&frame) || frame_control != DOT11_DATA || oui[0] != 0 || oui[1] != 0 || oui[2] != 0)
		return PACKET_UNKNOWN_ETHER;
	return packet_decode_ethertype(conf, p, type, frame);
}
