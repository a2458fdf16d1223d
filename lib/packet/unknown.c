/* Sessions of packets that decode cannot read.
 *
 * saveUnknownPackets names ethertypes, IP protocols and corrupt packets that make sessions all the same. These have one
 * direction: the key keeps source and destination as they were sent. Only numbers that no handler is registered for are
 * 'unknown' here; what a handler gives up is never a session. IP protocol 255 and ethertypes 1 and 3 make
 * sessions whatever the setting says, as in the reference, where its own handlers sit in these slots. */

#include "decode_priv.h"

enum { MACS_BYTES = 12 };

PROTOCOL_OTHER(unknown_ether_protocol, "unknown-ether", false, 60);
PROTOCOL_OTHER(unknown_ip_protocol, "unknown-ip", true, 60);
PROTOCOL_OTHER(corrupt_ether_protocol, "corrupt-ether", false, 60);
PROTOCOL_OTHER(corrupt_ip_protocol, "corrupt-ip", true, 60);

/* The innermost Ethernet header, or the frame's first bytes where there is none, as in the reference. */
static const uint8_t *
ethernet_header(const struct packet *p)
{
	struct cursor c = packet_from(p, p->ethernet_offset != PACKET_NO_OFFSET ? p->ethernet_offset : 0);

	return cursor_take(&c, ETHERNET_HEADER_BYTES);
}

static enum packet_verdict
key_unknown_ether(struct packet *p)
{
	const uint8_t *header = ethernet_header(p);

	if (header == NULL)
		return PACKET_UNKNOWN_ETHER;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(unknown_ether_protocol), header, ETHERNET_HEADER_BYTES);
	p->data_bytes = 0;
	return PACKET_OK;
}

static enum packet_verdict
key_unknown_ip(struct packet *p, uint8_t protocol)
{
	packet_key_sender_first(p, PACKET_PROTOCOL_ID(unknown_ip_protocol), protocol);
	p->data_bytes = 0;
	return PACKET_OK;
}

enum packet_verdict
packet_unknown_ethertype(const struct decode_conf *conf, struct packet *p, uint16_t ethertype)
{
	return bit_test(conf->save.ethertype, ethertype) ? key_unknown_ether(p) : PACKET_UNKNOWN_ETHER;
}

enum packet_verdict
packet_unknown_ip_protocol(const struct decode_conf *conf, struct packet *p, uint8_t protocol)
{
	return bit_test(conf->save.ip_protocol, protocol) ? key_unknown_ip(p, protocol) : PACKET_UNKNOWN_IP;
}

bool
packet_key_corrupt(struct packet *p)
{
	/* An IP header at offset 0 (bare IP) does not count: the reference takes 0 for none. */
	if (p->ip_version != 0 && p->ip_offset > 0) {
		packet_key_sender_first(p, PACKET_PROTOCOL_ID(corrupt_ip_protocol), 0);
	} else {
		const uint8_t *header = ethernet_header(p);

		if (header == NULL)
			return false;
		packet_key_opaque(p, PACKET_PROTOCOL_ID(corrupt_ether_protocol), header, MACS_BYTES);
	}
	p->data_bytes = 0;
	return true;
}

static enum packet_verdict
handle_unknown_ether(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	return key_unknown_ether(p);
}

static enum packet_verdict
handle_unknown_ip(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	return key_unknown_ip(p, p->ip_protocol);
}

static enum packet_verdict
handle_corrupt(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	return packet_key_corrupt(p) ? PACKET_OK : PACKET_CORRUPT;
}

HOOK(hook_unknown_ether, HOOK_ETHERTYPE, ETHERTYPE_PSEUDO_UNKNOWN, handle_unknown_ether, NULL);
HOOK(hook_corrupt, HOOK_ETHERTYPE, ETHERTYPE_PSEUDO_CORRUPT, handle_corrupt, NULL);
HOOK(hook_unknown_ip, HOOK_IP_PROTOCOL, 255, handle_unknown_ip, NULL);
