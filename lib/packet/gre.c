/* GRE (RFC 2784, 2890, 1701) and PPTP's version of it (RFC 2637 section 4.1).
 *
 * Which optional words follow is said by flags; routing entries of RFC 1701 are stepped over. The key is no virtual
 * network id. Protocol 88be without a sequence number is ERSPAN type I: an Ethernet frame without a header of its own.
 */

#include "decode_priv.h"

enum {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACKNOWLEDGMENT = 0x0080,
	GRE_VERSION = 0x0007,
	GRE_VERSION_PPTP = 1,
	GRE_ROUTES_MAX = 32,
};

/* Ends with an empty entry (RFC 1701 section 1). False: there is none among the first. */
static bool
skip_routing(struct cursor *c)
{
	for (unsigned i = 0; i <= GRE_ROUTES_MAX; i++) {
		uint8_t length;

		cursor_skip(c, 3);
		length = cursor_u8(c);
		cursor_skip(c, length);
		if (length == 0)
			return true;
	}
	return false;
}

static enum packet_verdict
handle_gre(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t flags = cursor_be16(&c), type = cursor_be16(&c);

	packet_tunnel(p, TUNNEL_GRE);
	if ((flags & GRE_VERSION) == 0) {
		cursor_skip(&c, (flags & (GRE_CHECKSUM | GRE_ROUTING)) != 0 ? 4 : 0);
		cursor_skip(&c, (flags & GRE_KEY) != 0 ? 4 : 0);
		cursor_skip(&c, (flags & GRE_SEQUENCE) != 0 ? 4 : 0);
		if ((flags & GRE_ROUTING) != 0 && !skip_routing(&c))
			return PACKET_CORRUPT;
	} else if ((flags & GRE_VERSION) == GRE_VERSION_PPTP) {
		cursor_skip(&c, 4);
		cursor_skip(&c, (flags & GRE_SEQUENCE) != 0 ? 4 : 0);
		cursor_skip(&c, (flags & GRE_ACKNOWLEDGMENT) != 0 ? 4 : 0);
	} else {
		return PACKET_UNKNOWN_IP;
	}
	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	if (type == 0)
		return PACKET_UNKNOWN_ETHER;
	if (type == ETHERTYPE_ERSPAN && (flags & GRE_SEQUENCE) == 0)
		return packet_decode_ethertype(conf, p, ETHERTYPE_TRANSPARENT_ETHERNET, c);
	return packet_decode_ethertype(conf, p, type, c);
}

HOOK(hook_gre, HOOK_IP_PROTOCOL, IP_PROTOCOL_GRE, handle_gre, "gre");
