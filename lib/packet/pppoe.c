/* PPP over Ethernet (RFC 2516 section 4), and PPP in GRE. Only the payload of a session is decoded, and of that only
 * IPv4 and IPv6. */

#include "decode_priv.h"

enum {
	PPPOE_VERSION_TYPE = 0x11,
	PPPOE_SESSION = 0,
	PPP_PROTOCOL_BYTES = 2,
};

static enum packet_verdict
handle_pppoe(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t version_type = cursor_u8(&c), code = cursor_u8(&c);
	uint16_t length, protocol;

	packet_tunnel(p, TUNNEL_PPPOE);
	cursor_skip(&c, 2);
	length = cursor_be16(&c);
	if (cursor_bad(&c) || version_type != PPPOE_VERSION_TYPE || code != PPPOE_SESSION ||
	    length < PPP_PROTOCOL_BYTES || length > cursor_left(&c))
		return PACKET_CORRUPT;
	cursor_limit(&c, length);
	protocol = cursor_be16(&c);
	return packet_decode_ppp_protocol(conf, p, protocol, c);
}

static enum packet_verdict
handle_ppp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	packet_tunnel(p, TUNNEL_PPP);
	return packet_decode_ppp(conf, p, c);
}

HOOK(hook_pppoe, HOOK_ETHERTYPE, ETHERTYPE_PPPOE, handle_pppoe, "ppp");
HOOK(hook_ppp, HOOK_ETHERTYPE, ETHERTYPE_PPP, handle_ppp, "ppp");
