/* Geneve (RFC 8926). Another version or a reserved bit makes it an ordinary datagram, which 'unknown IP' says. */

#include "decode_priv.h"

enum {
	GENEVE_PORT = 6081,
	GENEVE_VERSION = 0xc0,
	GENEVE_OPTIONS = 0x3f, /* their length, in words */
	GENEVE_RESERVED = 0x3f,
};

static enum packet_verdict
handle_geneve(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t head = cursor_u8(&c), flags = cursor_u8(&c);
	uint16_t type = cursor_be16(&c);
	uint32_t word = cursor_be32(&c);

	cursor_skip(&c, (size_t)(head & GENEVE_OPTIONS) * 4);
	if (cursor_bad(&c) || (head & GENEVE_VERSION) != 0 || (flags & GENEVE_RESERVED) != 0)
		return PACKET_UNKNOWN_IP;
	packet_vni(p, word >> 8);
	if (type == 0)
		return PACKET_UNKNOWN_IP;
	packet_tunnel(p, TUNNEL_GENEVE);
	return packet_decode_ethertype(conf, p, type, c);
}

HOOK(hook_geneve, HOOK_UDP_PORT, GENEVE_PORT, handle_geneve, "geneve");
