/* LINK_RAW: an IP header and nothing before it. The version says which; what is not 6 is tried as IPv4. */

#include "decode_priv.h"

enum packet_verdict
packet_decode_raw_ip(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	if (cursor_peek(&c, 0) >> 4 == 6)
		return packet_decode_ipv6(conf, p, c);
	return packet_decode_ipv4(conf, p, c);
}
