/* Ethernet II, 802.1Q and 802.1ad tags, 802.3 with LLC.
 *
 * Only tags 8100 and 88a8 are stepped over. The first id that is not zero, outermost first and through the Ethernet
 * frames inside tunnels, becomes packet.vlan: it tells the sessions of different VLANs apart. Of 802.3 frames the ones
 * with an XID control field and those whose LLC says OSI network layer are looked at, as in the reference. */

#include "decode_priv.h"

enum {
	LENGTH_MAX = 1500,   /* IEEE 802.3 clause 3.2.6: what is no more than this is a length, not a type */
	LLC_LEFT_MIN = 3,    /* DSAP, SSAP, control */
	LLC_XID_MASK = 0xef, /* without the poll/final bit */
	LLC_XID = 0xaf,	     /* IEEE 802.2: exchange identification */
	LLC_SAP_OSI = 0xfe,
	LLC_UI = 0x03,
};

static enum packet_verdict
decode_llc(const struct decode_conf *conf, struct packet *p, uint16_t length, struct cursor c)
{
	struct cursor llc = c;
	const uint8_t *header;

	if (length > cursor_left(&c))
		return PACKET_CORRUPT;
	header = cursor_take(&llc, LLC_LEFT_MIN);
	if (header == NULL)
		return PACKET_CORRUPT;
	if ((header[2] & LLC_XID_MASK) == LLC_XID)
		return packet_decode_ethertype(conf, p, ETHERTYPE_PSEUDO_XID, c);
	if (header[0] == LLC_SAP_OSI && header[1] == LLC_SAP_OSI && header[2] == LLC_UI) {
		/* The network layer protocol id is the PDU's first byte (ISO/IEC 9577). */
		uint8_t network_protocol = cursor_u8(&llc);

		return cursor_bad(&llc) ? PACKET_CORRUPT : packet_decode_ethertype(conf, p, network_protocol, llc);
	}
	return PACKET_CORRUPT;
}

/* A frame inside another is told with the one around it; with link types that are not Ethernet the captured bytes stand
 * for that, as in the reference. */
static void
note_ethernet(struct packet *p, uint16_t offset)
{
	if (p->ethernet_offset != PACKET_NO_OFFSET || !p->is_ethernet) {
		p->outer_ethernet_offset = p->ethernet_offset != PACKET_NO_OFFSET ? p->ethernet_offset : 0;
		p->has_outer = true;
	}
	p->ethernet_offset = offset;
}

enum packet_verdict
packet_decode_ethernet(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t offset = packet_offset(p, &c);
	uint16_t type;

	cursor_skip(&c, 12);
	type = cursor_be16(&c);
	/* At least one byte has to follow the type. */
	if (offset > PACKET_HEADER_OFFSET_MAX || cursor_left(&c) == 0)
		return PACKET_CORRUPT;
	note_ethernet(p, (uint16_t)offset);

	for (unsigned tags = 0; type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN; tags++) {
		uint16_t id = cursor_be16(&c) & 0x0fff;

		type = cursor_be16(&c);
		if (tags == PACKET_VLAN_MAX || cursor_left(&c) == 0)
			return PACKET_CORRUPT;
		if (p->vlan == 0)
			p->vlan = id;
	}
	if (type <= LENGTH_MAX)
		return decode_llc(conf, p, type, c);
	return packet_decode_ethertype(conf, p, type, c);
}

static enum packet_verdict
decode_next_type(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t type = cursor_be16(&c);

	return cursor_bad(&c) ? PACKET_CORRUPT : packet_decode_ethertype(conf, p, type, c);
}

HOOK(hook_pseudo_ethernet, HOOK_ETHERTYPE, ETHERTYPE_PSEUDO_ETHERNET, packet_decode_ethernet, NULL);
HOOK(hook_transparent_ethernet, HOOK_ETHERTYPE, ETHERTYPE_TRANSPARENT_ETHERNET, packet_decode_ethernet, NULL);
HOOK(hook_pseudo_next, HOOK_ETHERTYPE, ETHERTYPE_PSEUDO_NEXT, decode_next_type, NULL);
