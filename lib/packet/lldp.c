/* LLDP (IEEE 802.1AB): all frames are one session without addresses. */

#include "decode_priv.h"

PROTOCOL_OTHER(lldp_protocol, "lldp", false, 600);

static enum packet_verdict
handle_lldp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(lldp_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_lldp, HOOK_ETHERTYPE, ETHERTYPE_LLDP, handle_lldp, "lldp");
