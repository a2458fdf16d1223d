/* What the tunnels share. */

#include "decode_priv.h"

enum packet_verdict
packet_decode_ip(const struct decode_conf *conf, struct packet *p, struct cursor c, enum packet_verdict otherwise)
{
	switch (cursor_peek(&c, 0) >> 4) {
	case 4:
		return packet_decode_ethertype(conf, p, ETHERTYPE_IPV4, c);
	case 6:
		return packet_decode_ethertype(conf, p, ETHERTYPE_IPV6, c);
	default:
		return otherwise;
	}
}
