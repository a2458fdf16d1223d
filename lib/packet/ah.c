/* IPsec authentication header (RFC 4302): what it protects is decoded, unless it is TCP, UDP or IP.
 *
 * The packet's transport stays at this header and its protocol number stays 51, as in the reference. */

#include "decode_priv.h"

enum { AH_LENGTH_EXCESS = 2 }; /* the length counts words, less two (section 2.2) */

static bool
is_built_in(uint8_t protocol)
{
	return protocol == IP_PROTOCOL_IPV4 || protocol == IP_PROTOCOL_IPV6 || protocol == IP_PROTOCOL_TCP ||
	       protocol == IP_PROTOCOL_UDP;
}

static enum packet_verdict
handle_ah(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t bytes = ((uint32_t)cursor_peek(&c, 1) + AH_LENGTH_EXCESS) * 4;
	uint8_t next = cursor_peek(&c, 0);

	if (bytes >= cursor_left(&c))
		return PACKET_CORRUPT;
	if (++p->dispatches > PACKET_DISPATCH_MAX)
		return PACKET_CORRUPT;
	if (is_built_in(next) || conf->ip_protocol[next] == NULL)
		return PACKET_UNKNOWN_IP;
	cursor_skip(&c, bytes);
	return conf->ip_protocol[next](conf, p, c);
}

HOOK(hook_ah, HOOK_IP_PROTOCOL, IP_PROTOCOL_AH, handle_ah, "ah");
