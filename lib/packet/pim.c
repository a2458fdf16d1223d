/* PIM (RFC 7761): all packets are one session, whose addresses are those of its first packet. */

#include "decode_priv.h"

PROTOCOL_OTHER(pim_protocol, "pim", true, 600);

static enum packet_verdict
handle_pim(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(pim_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_pim, HOOK_IP_PROTOCOL, IP_PROTOCOL_PIM, handle_pim, "pim");
