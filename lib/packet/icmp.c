/* ICMP (RFC 792) and ICMPv6 (RFC 4443): one session per pair of addresses.
 *
 * Data bytes are those of the frame behind the IP header, Ethernet padding included, as in the reference. ICMPv6 over
 * IPv4 is corrupt; ICMP over IPv6 is an ordinary icmp session. */

#include "decode_priv.h"

static const struct packet_protocol icmp_protocol = {
	.name = "icmp",
	.record_name = "icmp",
	.type = SESSION_ICMP,
	.timeout_s = 10,
	.timeout_setting = "icmpTimeout",
	.has_addresses = true,
};
PACKET_PROTOCOL(icmp_protocol);

static const struct packet_protocol icmpv6_protocol = {
	.name = "icmpv6",
	.record_name = "icmp",
	.type = SESSION_ICMP,
	.timeout_s = 10,
	.timeout_setting = "icmpTimeout",
	.has_addresses = true,
};
PACKET_PROTOCOL(icmpv6_protocol);

static enum packet_verdict
handle_icmp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)c;
	p->data_bytes = p->captured_bytes - p->transport_offset;
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(icmp_protocol), 0, 0);
	return PACKET_OK;
}

static enum packet_verdict
handle_icmpv6(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)c;
	if (p->ip_version != 6)
		return PACKET_CORRUPT;
	p->data_bytes = p->captured_bytes - p->transport_offset;
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(icmpv6_protocol), 0, 0);
	return PACKET_OK;
}

HOOK(hook_icmp, HOOK_IP_PROTOCOL, IP_PROTOCOL_ICMP, handle_icmp, "icmp");
HOOK(hook_icmpv6, HOOK_IP_PROTOCOL, IP_PROTOCOL_ICMPV6, handle_icmpv6, "icmp");
