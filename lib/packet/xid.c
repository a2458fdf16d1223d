/* LLC exchange identification (IEEE 802.2): all frames are one session without addresses.
 *
 * The payload begins with the LLC header. Reached through the pseudo ethertype that ethernet.c raises, or by a
 * LINUX_SLL frame whose protocol is 4 (802.2 frames of that capture). */

#include "decode_priv.h"

enum { LLC_BYTES = 3 };

PROTOCOL_OTHER(xid_protocol, "xid", false, 600);

static enum packet_verdict
handle_xid(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf;
	if (cursor_left(&c) < LLC_BYTES)
		return PACKET_CORRUPT;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(xid_protocol), NULL, 0);
	return PACKET_OK;
}

HOOK(hook_xid, HOOK_ETHERTYPE, ETHERTYPE_PSEUDO_XID, handle_xid, "xid");
