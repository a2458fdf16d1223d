/* Frame relay: an address of two bytes, then control and NLPID (RFC 2427).
 *
 * 03cc is unnumbered information with the NLPID of IPv4 (section 4.1); other values are taken as an ethertype, which is
 * how Cisco's encapsulation writes them. Longer addresses are not known to the reference either. */

#include "decode_priv.h"

enum { FRAME_RELAY_IPV4 = 0x03cc };

enum packet_verdict
packet_decode_frame_relay(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t type;

	cursor_skip(&c, 2);
	type = cursor_be16(&c);
	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	return packet_decode_ethertype(conf, p, type == FRAME_RELAY_IPV4 ? ETHERTYPE_IPV4 : type, c);
}

HOOK(hook_frame_relay, HOOK_ETHERTYPE, ETHERTYPE_FRAME_RELAY, packet_decode_frame_relay, NULL);
