/* Cisco metadata (security group tags): eight bytes before the real ethertype's frame. */

#include "decode_priv.h"

enum { METADATA_BYTES = 6 };

static enum packet_verdict
handle_cisco_metadata(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t type;

	cursor_skip(&c, METADATA_BYTES);
	type = cursor_be16(&c);
	return cursor_bad(&c) ? PACKET_CORRUPT : packet_decode_ethertype(conf, p, type, c);
}

HOOK(hook_cisco_metadata, HOOK_ETHERTYPE, ETHERTYPE_CISCO_METADATA, handle_cisco_metadata, "ciscometadata");
