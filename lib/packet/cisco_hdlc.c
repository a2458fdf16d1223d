/* Cisco HDLC: address (0f unicast, 8f multicast), control, ethertype. SLARP and CDP are unknown ethertypes. */

#include "decode_priv.h"

enum packet_verdict
packet_decode_cisco_hdlc(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t type;

	cursor_skip(&c, 2);
	type = cursor_be16(&c);
	return cursor_bad(&c) ? PACKET_CORRUPT : packet_decode_ethertype(conf, p, type, c);
}
