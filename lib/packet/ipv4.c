/* IPv4 (RFC 791).
 *
 * Checksums are not looked at: network cards compute those of the sending host after the capture. A total length of 0,
 * as segmentation offload leaves it, is corrupt, as in the reference. Fragments have a verdict of their own and are
 * put together elsewhere (fragments.h). With disableIp4Defrag the first one is decoded as what it begins, and of the
 * others nothing is known but addresses. */

#include "decode_priv.h"

#include <rte_branch_prediction.h>

/* MF and the offset: whatever is set makes it a fragment (RFC 791 section 3.1). */
enum { FRAGMENT_MASK = 0x3fff, FRAGMENT_OFFSET_MASK = 0x1fff };

/* Bytes behind the outermost IP packet are padding of the link. */
static void
trim_padding(struct packet *p, uint32_t end)
{
	uint32_t padding = p->captured_bytes - end;

	p->captured_bytes = end;
	p->wire_bytes = p->wire_bytes > end + padding ? p->wire_bytes - padding : end;
}

void
packet_ip_accept(const struct decode_conf *conf, struct packet *p, uint8_t version, uint32_t offset, uint32_t bytes)
{
	if (unlikely(conf->trim_ethernet_padding && p->ip_version == 0))
		trim_padding(p, offset + bytes);
	/* The reference takes an outer header at offset 0 for none. One at the same offset is this one, before its
	 * fragments were put together. */
	if (unlikely(p->ip_version != 0 && p->ip_offset != 0 && p->ip_offset != offset)) {
		p->outer_ip_version = p->ip_version;
		p->outer_ip_offset = p->ip_offset;
		p->has_outer = true;
	}
	p->ip_version = version;
	p->ip_offset = (uint16_t)offset;
}

enum packet_verdict
packet_decode_ipv4_in(const struct decode_conf *conf, struct packet *p, struct span in)
{
	struct cursor c = span_cursor(in);
	uint32_t offset = packet_offset(p, &c), total_bytes, header_bytes;
	const struct drop_ips *drops = packet_drop_ips(conf);
	struct cursor datagram = c;
	const uint8_t *header = cursor_take(&c, IPV4_HEADER_BYTES);

	if (header == NULL || header[0] >> 4 != 4 || offset > PACKET_HEADER_OFFSET_MAX)
		return PACKET_CORRUPT;
	header_bytes = (uint32_t)(header[0] & 0x0f) * 4;
	total_bytes = read_be16(&header[2]);
	if (header_bytes < IPV4_HEADER_BYTES || total_bytes < header_bytes || total_bytes > cursor_left(&datagram))
		return PACKET_CORRUPT;
	if (unlikely(drops != NULL) && drop_ips_either_ipv4(drops, read_be32(&header[12]), read_be32(&header[16])))
		return PACKET_FILTERED;

	packet_ip_accept(conf, p, 4, offset, total_bytes);
	p->traffic_class = header[1];
	p->hop_limit = header[8];
	p->ip_protocol = header[9];
	cursor_limit(&datagram, total_bytes);
	cursor_skip(&datagram, header_bytes);
	if (unlikely((read_be16(&header[6]) & FRAGMENT_MASK) != 0)) {
		packet_set_transport(p, &datagram);
		if (!conf->keep_ipv4_fragments)
			return PACKET_FRAGMENT;
		if ((read_be16(&header[6]) & FRAGMENT_OFFSET_MASK) != 0)
			return PACKET_UNKNOWN_IP;
	}
	return packet_decode_ip_protocol(conf, p, header[9], datagram);
}

enum packet_verdict
packet_decode_ipv4(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	return packet_decode_ipv4_in(conf, p, span_of(c));
}
