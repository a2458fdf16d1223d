/* ERSPAN types II and III (draft-foschiano-erspan): mirrored Ethernet frames in GRE.
 *
 * The VLAN of the mirrored port takes the place of the packet's, as if the NIC had taken a tag out; 0 leaves it to a
 * tag of the inner frame. */

#include "decode_priv.h"

enum {
	ERSPAN_II = 1,
	ERSPAN_III = 2,
	ERSPAN_VLAN_MASK = 0x0fff,
	ERSPAN_II_REST = 6,  /* behind version and VLAN */
	ERSPAN_III_REST = 8, /* up to the flags */
	ERSPAN_PLATFORM = 1, /* a subheader follows */
	ERSPAN_PLATFORM_BYTES = 8,
};

static enum packet_verdict
inner_frame(const struct decode_conf *conf, struct packet *p, uint16_t head, uint8_t version, struct cursor c)
{
	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	if (head >> 12 != version)
		return PACKET_UNKNOWN_ETHER;
	p->vlan = head & ERSPAN_VLAN_MASK;
	p->vlan_from_link = p->vlan != 0;
	return packet_decode_ethertype(conf, p, ETHERTYPE_TRANSPARENT_ETHERNET, c);
}

static enum packet_verdict
handle_erspan_2(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t head = cursor_be16(&c);

	cursor_skip(&c, ERSPAN_II_REST);
	return inner_frame(conf, p, head, ERSPAN_II, c);
}

static enum packet_verdict
handle_erspan_3(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t head = cursor_be16(&c);

	cursor_skip(&c, ERSPAN_III_REST);
	if ((cursor_be16(&c) & ERSPAN_PLATFORM) != 0)
		cursor_skip(&c, ERSPAN_PLATFORM_BYTES);
	return inner_frame(conf, p, head, ERSPAN_III, c);
}

HOOK(hook_erspan_2, HOOK_ETHERTYPE, ETHERTYPE_ERSPAN, handle_erspan_2, "erspan");
HOOK(hook_erspan_3, HOOK_ETHERTYPE, ETHERTYPE_ERSPAN_III, handle_erspan_3, "erspan");
