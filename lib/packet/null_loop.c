/* BSD loopback: LINK_NULL and LINK_LOOP.
 *
 * Four bytes say the address family, in the byte order of the machine that captured (NULL) or in network order (LOOP).
 * AF_INET6 is 24, 28 or 30, by system, so all three are taken, in both byte orders; everything else is tried as IPv4.
 * The reference takes only a first byte of 30 for IPv6 and loses the packets of the other systems as corrupt. */

#include "decode_priv.h"

static bool
is_ipv6_family(uint32_t family)
{
	/* NetBSD and OpenBSD; FreeBSD; Darwin. */
	return family == 24 || family == 28 || family == 30;
}

enum packet_verdict
packet_decode_null(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t family = cursor_be32(&c);

	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	/* A first byte of 30 is enough, whatever the others are, as in the reference. */
	if (is_ipv6_family(family) || is_ipv6_family(__builtin_bswap32(family)) || family >> 24 == 30)
		return packet_decode_ipv6(conf, p, c);
	return packet_decode_ipv4(conf, p, c);
}
