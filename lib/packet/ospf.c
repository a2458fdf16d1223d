/* OSPF (RFC 2328, RFC 5340): one session per pair of addresses, every packet sent by the source. */

#include "decode_priv.h"

PROTOCOL_OTHER(ospf_protocol, "ospf", true, 600);

static enum packet_verdict
handle_ospf(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)c;
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(ospf_protocol), 0, 0);
	return PACKET_OK;
}

HOOK(hook_ospf, HOOK_IP_PROTOCOL, IP_PROTOCOL_OSPF, handle_ospf, "ospf");
