/* VXLAN (RFC 7348) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
 *
 * Reserved bits have to be zero, or the datagram is an ordinary one; 'unknown IP' gives it back. */

#include "decode_priv.h"

enum {
	VXLAN_PORT = 4789,
	VXLAN_GPE_PORT = 4790,
	VXLAN_RESERVED_0 = 0x77, /* bits of the first byte that the group policy extension does not use either */
	VXLAN_RESERVED_1 = 0xb7,
	VXLAN_VNI_VALID = 0x08,
	GPE_RESERVED_0 = 0xf0,
	GPE_IPV4 = 1,
	GPE_IPV6 = 2,
	GPE_ETHERNET = 3,
	GPE_NSH = 4,
};

/* The second word, whose last byte is reserved. */
static void
read_vni(struct packet *p, uint8_t flags, struct cursor *c)
{
	uint32_t word = cursor_be32(c);

	if ((flags & VXLAN_VNI_VALID) != 0)
		packet_vni(p, word >> 8);
}

static enum packet_verdict
handle_vxlan(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t flags = cursor_u8(&c), more = cursor_u8(&c);

	if ((flags & VXLAN_RESERVED_0) != 0 || (more & VXLAN_RESERVED_1) != 0)
		return PACKET_UNKNOWN_IP;
	packet_tunnel(p, TUNNEL_VXLAN);
	cursor_skip(&c, 2);
	read_vni(p, flags, &c);
	return packet_decode_ethertype(conf, p, ETHERTYPE_TRANSPARENT_ETHERNET, c);
}

static enum packet_verdict
handle_vxlan_gpe(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	static const uint16_t ethertype[] = {
		[GPE_IPV4] = ETHERTYPE_IPV4,
		[GPE_IPV6] = ETHERTYPE_IPV6,
		[GPE_ETHERNET] = ETHERTYPE_TRANSPARENT_ETHERNET,
		[GPE_NSH] = ETHERTYPE_NSH,
	};
	uint8_t flags = cursor_u8(&c), more = cursor_u8(&c), next;

	if ((flags & GPE_RESERVED_0) != 0 || more != 0)
		return PACKET_UNKNOWN_IP;
	packet_tunnel(p, TUNNEL_VXLAN_GPE);
	cursor_skip(&c, 1);
	next = cursor_u8(&c);
	read_vni(p, flags, &c);
	if (next < GPE_IPV4 || next > GPE_NSH)
		return PACKET_UNKNOWN_IP;
	return packet_decode_ethertype(conf, p, ethertype[next], c);
}

HOOK(hook_vxlan, HOOK_UDP_PORT, VXLAN_PORT, handle_vxlan, "vxlan");
HOOK(hook_vxlan_gpe, HOOK_UDP_PORT, VXLAN_GPE_PORT, handle_vxlan_gpe, "vxlan");
