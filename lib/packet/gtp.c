/* GTP-U (3GPP TS 29.281): user packets of mobile networks. Other messages on its port are ordinary datagrams. */

#include "decode_priv.h"

enum {
	GTP_U_PORT = 2152,
	GTP_VERSION_1 = 3, /* version 1 and the protocol type bit: the first four bits */
	GTP_OPTIONAL = 0x07,
	GTP_EXTENSION = 0x04,
	GTP_G_PDU = 255,
	GTP_HEADER_BYTES = 8,
	GTP_BYTES_MIN = 12,
};

/* Section 5.2: each says its length in words and, in its last byte, the type of the next. */
static bool
skip_extensions(struct cursor *c, uint8_t next)
{
	while (next != 0) {
		uint8_t words = cursor_u8(c);

		if (words == 0)
			return false;
		cursor_skip(c, (size_t)words * 4 - 2);
		next = cursor_u8(c);
		if (cursor_bad(c))
			return false;
	}
	return true;
}

static enum packet_verdict
handle_gtp_u(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	size_t bytes = cursor_left(&c);
	uint8_t flags = cursor_u8(&c), type = cursor_u8(&c);
	uint16_t length = cursor_be16(&c);

	cursor_skip(&c, 4);
	if (bytes <= GTP_BYTES_MIN || flags >> 4 != GTP_VERSION_1 || type != GTP_G_PDU ||
	    length != bytes - GTP_HEADER_BYTES)
		return PACKET_UNKNOWN_IP;
	if ((flags & GTP_OPTIONAL) != 0) {
		uint8_t next;

		cursor_skip(&c, 3);
		next = cursor_u8(&c);
		if (cursor_bad(&c) || ((flags & GTP_EXTENSION) != 0 && !skip_extensions(&c, next)))
			return PACKET_UNKNOWN_IP;
	}
	packet_tunnel(p, TUNNEL_GTP);
	return packet_decode_ip(conf, p, c, PACKET_CORRUPT);
}

HOOK(hook_gtp_u, HOOK_UDP_PORT, GTP_U_PORT, handle_gtp_u, "gtp");
