/* IPv4 and IPv6 in IPv4 or IPv6 (RFC 2003, RFC 2473, RFC 4213). */

#include "decode_priv.h"

static enum packet_verdict
handle_ipv4(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	return packet_decode_ethertype(conf, p, ETHERTYPE_IPV4, c);
}

static enum packet_verdict
handle_ipv6(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	return packet_decode_ethertype(conf, p, ETHERTYPE_IPV6, c);
}

HOOK(hook_ipv4_in_ip, HOOK_IP_PROTOCOL, IP_PROTOCOL_IPV4, handle_ipv4, NULL);
HOOK(hook_ipv6_in_ip, HOOK_IP_PROTOCOL, IP_PROTOCOL_IPV6, handle_ipv6, NULL);
