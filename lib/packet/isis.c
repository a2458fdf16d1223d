/* IS-IS (ISO/IEC 10589): all PDUs are one session without addresses.
 *
 * Reached through LLC, where the PDU's first byte 83 is the dispatch key; the payload begins behind it. */

#include "decode_priv.h"

PROTOCOL_OTHER(isis_protocol, "isis", false, 600);

static enum packet_verdict
handle_isis(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(isis_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_isis, HOOK_ETHERTYPE, ETHERTYPE_ISIS, handle_isis, "isis");
