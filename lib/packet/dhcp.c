/* DHCP (RFC 2131) and DHCPv6 (RFC 8415): who owns the session.
 *
 * A client has no address when it asks, so neither protocol's sessions are keyed by addresses: DHCP's by the client's
 * hardware address, DHCPv6's by the transaction, as in the reference. A datagram that is not accepted here becomes an
 * ordinary UDP session. What the messages say is the parser's business. */

#include "decode_priv.h"

enum {
	DHCP_BYTES_MIN = 256,
	DHCP_HARDWARE_ETHERNET = 1,
	DHCP_MAC_OFFSET = 28,
	DHCP_COOKIE_OFFSET = 236,
	DHCPV6_TYPE_MAX = 21,
	DHCPV6_TRANSACTION_BYTES = 3,
	MAC_BYTES = 6,
};

static const uint32_t dhcp_cookie = 0x63825363;

#define PROTOCOL_DHCP(symbol, name_)                                                                                   \
	static const struct packet_protocol symbol = {                                                                 \
		.name = name_,                                                                                         \
		.record_name = "udp",                                                                                  \
		.type = SESSION_OTHER,                                                                                 \
		.timeout_s = 60,                                                                                       \
		.timeout_setting = "dhcpTimeout",                                                                      \
		.has_addresses = true,                                                                                 \
		.has_ports = true,                                                                                     \
	};                                                                                                             \
	PACKET_PROTOCOL(symbol)

PROTOCOL_DHCP(dhcp_protocol, "dhcp");
PROTOCOL_DHCP(dhcpv6_protocol, "dhcpv6");

/* The fixed part (RFC 2131, section 2): only BOOTP over Ethernet with DHCP's options is told apart by its MAC. */
static enum packet_verdict
handle_dhcp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	struct cursor cookie = c;
	uint32_t size = (uint32_t)cursor_left(&c);
	uint8_t operation = cursor_u8(&c), hardware_type = cursor_u8(&c), hardware_bytes = cursor_u8(&c);
	const uint8_t *mac;

	(void)conf;
	cursor_skip(&cookie, DHCP_COOKIE_OFFSET);
	cursor_skip(&c, DHCP_MAC_OFFSET - 3);
	mac = cursor_take(&c, MAC_BYTES);
	if (size < DHCP_BYTES_MIN || p->ip_version != 4 || (operation != 1 && operation != 2) ||
	    hardware_type != DHCP_HARDWARE_ETHERNET || hardware_bytes != MAC_BYTES ||
	    cursor_be32(&cookie) != dhcp_cookie)
		return PACKET_UNKNOWN_IP;
	p->data_bytes = size;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(dhcp_protocol), mac, MAC_BYTES);
	return PACKET_OK;
}

/* Type and transaction id (RFC 8415, section 8); of a relay's message the three bytes are its hop count and two of an
 * address. */
static enum packet_verdict
handle_dhcpv6(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t size = (uint32_t)cursor_left(&c);
	uint8_t type = cursor_u8(&c);
	const uint8_t *transaction = cursor_take(&c, DHCPV6_TRANSACTION_BYTES);

	(void)conf;
	if (transaction == NULL || p->ip_version != 6 || type < 1 || type > DHCPV6_TYPE_MAX)
		return PACKET_UNKNOWN_IP;
	p->data_bytes = size;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(dhcpv6_protocol), transaction, DHCPV6_TRANSACTION_BYTES);
	return PACKET_OK;
}

HOOK(hook_dhcp_server, HOOK_UDP_PORT, 67, handle_dhcp, "dhcp");
HOOK(hook_dhcp_client, HOOK_UDP_PORT, 68, handle_dhcp, "dhcp");
HOOK(hook_dhcpv6_client, HOOK_UDP_PORT, 546, handle_dhcpv6, "dhcp");
HOOK(hook_dhcpv6_server, HOOK_UDP_PORT, 547, handle_dhcpv6, "dhcp");
