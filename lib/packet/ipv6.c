/* IPv6 (RFC 8200).
 *
 * Hop-by-hop, routing and destination headers are stepped over, at most EXTENSIONS_MAX of them and all within the
 * payload. Fragments, atomic ones too, are put together elsewhere (fragments.h): p->transport_offset is their fragment
 * header. With disableIp6Defrag they are an unknown IP protocol, as in the reference. Payload length 0 means no
 * payload: jumbograms are not decoded. */

#include "decode_priv.h"

#include <rte_branch_prediction.h>

enum { EXTENSIONS_MAX = 16 };

static bool
is_extension(uint8_t next_header)
{
	return next_header == IP_PROTOCOL_HOPOPTS || next_header == IP_PROTOCOL_ROUTING ||
	       next_header == IP_PROTOCOL_DSTOPTS;
}

enum packet_verdict
packet_decode_ipv6_in(const struct decode_conf *conf, struct packet *p, struct span in)
{
	struct cursor c = span_cursor(in);
	uint32_t offset = packet_offset(p, &c), payload_bytes;
	const uint8_t *header = cursor_take(&c, IPV6_HEADER_BYTES);
	const struct drop_ips *drops = packet_drop_ips(conf);

	if (header == NULL || header[0] >> 4 != 6 || offset > PACKET_HEADER_OFFSET_MAX)
		return PACKET_CORRUPT;
	payload_bytes = read_be16(&header[4]);
	if (payload_bytes > cursor_left(&c))
		return PACKET_CORRUPT;
	if (unlikely(drops != NULL) && drop_ips_either_ipv6(drops, &header[8], &header[24]))
		return PACKET_FILTERED;

	packet_ip_accept(conf, p, 6, offset, IPV6_HEADER_BYTES + payload_bytes);
	p->traffic_class = (uint8_t)(read_be16(header) >> 4);
	p->hop_limit = header[7];
	p->ip_protocol = header[6];
	cursor_limit(&c, payload_bytes);

	for (unsigned extensions = 0; is_extension(p->ip_protocol); extensions++) {
		uint8_t next_header = cursor_u8(&c);

		/* In units of 8 bytes, not counting the first (RFC 8200 section 4.3). */
		cursor_skip(&c, 6 + (size_t)cursor_u8(&c) * 8);
		if (cursor_bad(&c) || extensions == EXTENSIONS_MAX)
			return PACKET_CORRUPT;
		p->ip_protocol = next_header;
	}
	if (p->ip_protocol == IP_PROTOCOL_FRAGMENT) {
		packet_set_transport(p, &c);
		return conf->keep_ipv6_fragments ? PACKET_UNKNOWN_IP : PACKET_FRAGMENT;
	}
	return packet_decode_ip_protocol(conf, p, p->ip_protocol, c);
}

enum packet_verdict
packet_decode_ipv6(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	return packet_decode_ipv6_in(conf, p, span_of(c));
}
