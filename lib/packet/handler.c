/* What handlers of .so files see of a packet, and do to it. They do not see 'struct packet', which changes with every
 * release; ours do, for they are compiled with it. */
#include "decode_priv.h"

enum { MACS_BYTES = 12, IPV4_ADDRESSES_OFFSET = 12, IPV6_ADDRESSES_OFFSET = 8 };

const uint8_t *
packet_macs(const struct packet *p)
{
	struct cursor c = packet_from(p, p->ethernet_offset);

	return p->ethernet_offset != PACKET_NO_OFFSET ? cursor_take(&c, MACS_BYTES) : NULL;
}

const uint8_t *
packet_ip_addresses(const struct packet *p, unsigned *bytes)
{
	struct cursor c = packet_from(p, p->ip_offset);

	*bytes = 0;
	if (p->ip_version == 0)
		return NULL;
	*bytes = p->ip_version == 6 ? 32 : 8;
	cursor_skip(&c, p->ip_version == 6 ? IPV6_ADDRESSES_OFFSET : IPV4_ADDRESSES_OFFSET);
	return cursor_take(&c, *bytes);
}

uint16_t
packet_vlan_id(const struct packet *p)
{
	return p->vlan;
}

void
packet_set_reversed(struct packet *p, bool reversed)
{
	p->reversed = reversed;
}

void
packet_set_payload(struct packet *p, struct cursor payload)
{
	p->payload_offset = packet_offset(p, &payload);
	p->payload_bytes = p->data_bytes = (uint32_t)cursor_left(&payload);
}

void
packet_enter_tunnel(struct packet *p, uint16_t bit, uint32_t vni)
{
	p->tunnels |= bit;
	p->has_outer = true;
	if (vni != 0)
		packet_vni(p, vni);
}
