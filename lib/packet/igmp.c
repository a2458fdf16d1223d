/* IGMP (RFC 3376): all packets are one session, whose addresses are those of its first packet. */

#include "decode_priv.h"

PROTOCOL_OTHER(igmp_protocol, "igmp", true, 600);

static enum packet_verdict
handle_igmp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(igmp_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_igmp, HOOK_IP_PROTOCOL, IP_PROTOCOL_IGMP, handle_igmp, "igmp");
