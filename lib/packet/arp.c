/* ARP (RFC 826) for IPv4 over Ethernet: a request and its reply share a session.
 *
 * The key is the address that is asked for: the target's of a request, the sender's of a reply. Other hardware,
 * protocols and operations are corrupt, as in the reference, which does not load its ARP parser by default: see
 * disableParsers. */

#include "decode_priv.h"

enum {
	ARP_ETHERNET = 1,
	ARP_LENGTHS = 0x0604, /* of a hardware and of a protocol address */
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	MAC_BYTES = 6,
	IPV4_BYTES = 4,
};

PROTOCOL_OTHER(arp_protocol, "arp", false, 600);

static enum packet_verdict
handle_arp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t hardware = cursor_be16(&c), protocol = cursor_be16(&c), lengths = cursor_be16(&c);
	uint16_t operation = cursor_be16(&c);
	const uint8_t *sender, *target;

	(void)conf;
	cursor_skip(&c, MAC_BYTES);
	sender = cursor_take(&c, IPV4_BYTES);
	cursor_skip(&c, MAC_BYTES);
	target = cursor_take(&c, IPV4_BYTES);
	if (cursor_bad(&c) || hardware != ARP_ETHERNET || protocol != ETHERTYPE_IPV4 || lengths != ARP_LENGTHS ||
	    (operation != ARP_REQUEST && operation != ARP_REPLY))
		return PACKET_CORRUPT;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(arp_protocol), operation == ARP_REQUEST ? target : sender, IPV4_BYTES);
	return PACKET_OK;
}

HOOK(hook_arp, HOOK_ETHERTYPE, ETHERTYPE_ARP, handle_arp, "arp");
