/* Network service header (RFC 8300 section 2.2): its length in words, and what follows it. */

#include "decode_priv.h"

enum { NSH_LENGTH = 0x3f, NSH_BYTES_MIN = 8, NSH_IPV4 = 1, NSH_MPLS = 5 };

static enum packet_verdict
handle_nsh(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	static const uint16_t ethertype[] = {
		0, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_TRANSPARENT_ETHERNET, ETHERTYPE_NSH, ETHERTYPE_MPLS};
	uint32_t bytes = (uint32_t)(cursor_peek(&c, 1) & NSH_LENGTH) * 4;
	uint8_t next = cursor_peek(&c, 3);

	cursor_skip(&c, bytes);
	if (cursor_bad(&c) || bytes < NSH_BYTES_MIN || next < NSH_IPV4 || next > NSH_MPLS)
		return PACKET_CORRUPT;
	return packet_decode_ethertype(conf, p, ethertype[next], c);
}

HOOK(hook_nsh, HOOK_ETHERTYPE, ETHERTYPE_NSH, handle_nsh, "nsh");
