/* Linux cooked captures, versions 1 and 2 (the "any" device).
 *
 * Version 1: packet type (0 to 4), ARPHRD type, address length, address of 8 bytes, ethertype. The kernel may leave one
 * 802.1Q tag behind it. What does not begin like one is tried as bare IPv4, as in the reference: some writers name this
 * link type for raw IP. Version 2: ethertype first, 20 bytes in all; a tag there is an unknown ethertype. */

#include "decode_priv.h"

enum { SLL_PACKET_TYPE_MAX = 4, SLL_TYPE_OFFSET = 14, SLL2_HEADER_BYTES = 20 };

enum packet_verdict
packet_decode_sll(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	struct cursor header = c;
	uint16_t type;

	if (cursor_peek(&c, 0) != 0 || cursor_peek(&c, 1) > SLL_PACKET_TYPE_MAX)
		return packet_decode_ipv4(conf, p, c);
	cursor_skip(&header, SLL_TYPE_OFFSET);
	type = cursor_be16(&header);
	if (type == ETHERTYPE_VLAN) {
		p->vlan = cursor_be16(&header) & 0x0fff;
		p->vlan_from_link = p->vlan != 0;
		type = cursor_be16(&header);
	}
	if (cursor_bad(&header))
		return PACKET_CORRUPT;
	return packet_decode_ethertype(conf, p, type, header);
}

enum packet_verdict
packet_decode_sll2(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t type = cursor_be16(&c);

	cursor_skip(&c, SLL2_HEADER_BYTES - 2);
	return cursor_bad(&c) ? PACKET_CORRUPT : packet_decode_ethertype(conf, p, type, c);
}
