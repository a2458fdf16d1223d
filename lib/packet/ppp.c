/* PPP: LINK_PPP and LINK_PPP_HDLC.
 *
 * Address and control (ff 03) may be left out, and so may the first byte of the protocol when it is zero (RFC 1661
 * sections 2 and 6.5, RFC 1662 section 3.1): protocol numbers have an odd last byte and an even first one, so that one
 * look tells. IPv4 and IPv6 are decoded; the rest, the control protocols among it, is unknown and never a session.
 * LINK_PPP_HDLC also carries Cisco's framing, whose first byte is 0f or 8f (RFC 1547 section 4.3.1). */

#include "decode_priv.h"

enum {
	PPP_ADDRESS = 0xff,
	PPP_CONTROL = 0x03,
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	CISCO_UNICAST = 0x0f,
	CISCO_MULTICAST = 0x8f
};

enum packet_verdict
packet_decode_ppp_protocol(const struct decode_conf *conf, struct packet *p, uint16_t protocol, struct cursor c)
{
	if (protocol == PPP_IPV4)
		return packet_decode_ethertype(conf, p, ETHERTYPE_IPV4, c);
	if (protocol == PPP_IPV6)
		return packet_decode_ethertype(conf, p, ETHERTYPE_IPV6, c);
	return PACKET_UNKNOWN_ETHER;
}

enum packet_verdict
packet_decode_ppp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t protocol;

	if (cursor_peek(&c, 0) == PPP_ADDRESS && cursor_peek(&c, 1) == PPP_CONTROL)
		cursor_skip(&c, 2);
	protocol = cursor_u8(&c);
	if ((protocol & 1) == 0)
		protocol = (uint16_t)(protocol << 8 | cursor_u8(&c));
	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	return packet_decode_ppp_protocol(conf, p, protocol, c);
}

enum packet_verdict
packet_decode_ppp_hdlc(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t address = cursor_peek(&c, 0);

	if (address == CISCO_UNICAST || address == CISCO_MULTICAST)
		return packet_decode_cisco_hdlc(conf, p, c);
	return packet_decode_ppp(conf, p, c);
}
