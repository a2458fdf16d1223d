/* MPLS (RFC 3032): labels up to the bottom of the stack, then IPv4 or IPv6 by their first four bits. */

#include "decode_priv.h"

enum { MPLS_LABEL_BYTES = 4, MPLS_BOTTOM = 0x100 };

static enum packet_verdict
handle_mpls(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t label;

	packet_tunnel(p, TUNNEL_MPLS);
	do {
		if (cursor_left(&c) < MPLS_LABEL_BYTES + IPV4_HEADER_BYTES)
			return PACKET_CORRUPT;
		label = cursor_be32(&c);
	} while ((label & MPLS_BOTTOM) == 0);
	return packet_decode_ip(conf, p, c, PACKET_UNKNOWN_ETHER);
}

HOOK(hook_mpls, HOOK_ETHERTYPE, ETHERTYPE_MPLS, handle_mpls, "mpls");
