/* ES-IS (ISO 9542) as an ethertype of its own: all PDUs are one session without addresses. */

#include "decode_priv.h"

PROTOCOL_OTHER(esis_protocol, "esis", false, 600);

static enum packet_verdict
handle_esis(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(esis_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_esis, HOOK_ETHERTYPE, ETHERTYPE_ESIS, handle_esis, "esis");
