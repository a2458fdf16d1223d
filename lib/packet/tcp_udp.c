/* TCP and UDP.
 *
 * A TCP header has to lie within the captured bytes, not within the IP length: one that lies in the padding of a short
 * frame is accepted, without payload, as in the reference. UDP's own length has to fit the IP payload.
 *
 * A UDP port's handler (a tunnel) that finds an unknown IP protocol, itself or further in, gives the datagram back: it
 * becomes a session of the outer endpoints. Then what was decoded inside is forgotten but for the ids, the Ethernet
 * offset and the IP protocol number, which stay as in the reference. */

#include "decode_priv.h"

#include <rte_branch_prediction.h>

enum { TCP_DATA_OFFSET_BYTE = 12, TCP_FLAGS_BYTE = 13 };

static const struct packet_protocol tcp_protocol = {
	.name = "tcp",
	.record_name = "tcp",
	.type = SESSION_TCP,
	.timeout_s = 480,
	.timeout_setting = "tcpTimeout",
	.has_addresses = true,
	.has_ports = true,
};
PACKET_PROTOCOL(tcp_protocol);

static const struct packet_protocol udp_protocol = {
	.name = "udp",
	.record_name = "udp",
	.type = SESSION_UDP,
	.timeout_s = 60,
	.timeout_setting = "udpTimeout",
	.has_addresses = true,
	.has_ports = true,
};
PACKET_PROTOCOL(udp_protocol);

enum packet_verdict
packet_decode_tcp(const struct decode_conf *conf, struct packet *p)
{
	struct cursor c = packet_from(p, p->transport_offset);
	struct cursor whole = c;
	const uint8_t *header = cursor_take(&c, TCP_HEADER_BYTES);
	uint32_t header_bytes;

	if (header == NULL)
		return PACKET_CORRUPT;
	header_bytes = (uint32_t)(header[TCP_DATA_OFFSET_BYTE] >> 4) * 4;
	if (header_bytes < TCP_HEADER_BYTES || header_bytes > cursor_left(&whole))
		return PACKET_CORRUPT;
	p->payload_offset = p->transport_offset + header_bytes;
	p->payload_bytes = p->transport_bytes > header_bytes ? p->transport_bytes - header_bytes : 0;
	p->tcp_flags = header[TCP_FLAGS_BYTE];
	packet_key_endpoints(conf, p, conf->tcp, read_be16(&header[0]), read_be16(&header[2]));
	return PACKET_OK;
}

static packet_handler
udp_port_handler(const struct decode_conf *conf, uint16_t port)
{
	if (likely(!bit_test(conf->udp_port_bits, port)))
		return NULL;
	for (unsigned i = 0; i < conf->n_udp_ports; i++)
		if (conf->udp_port[i].number == port)
			return conf->udp_port[i].handle;
	return NULL;
}

/* What a handler changes and may have to give back. */
struct udp_outer {
	uint32_t transport_offset, transport_bytes, payload_offset, payload_bytes, data_bytes;
	uint16_t ip_offset, outer_ip_offset;
	uint8_t ip_version, traffic_class, hop_limit, outer_ip_version;
};

static struct udp_outer
udp_keep(const struct packet *p)
{
	return (struct udp_outer){
		.transport_offset = p->transport_offset,
		.transport_bytes = p->transport_bytes,
		.payload_offset = p->payload_offset,
		.payload_bytes = p->payload_bytes,
		.data_bytes = p->data_bytes,
		.ip_offset = p->ip_offset,
		.outer_ip_offset = p->outer_ip_offset,
		.ip_version = p->ip_version,
		.traffic_class = p->traffic_class,
		.hop_limit = p->hop_limit,
		.outer_ip_version = p->outer_ip_version,
	};
}

/* The outer headers again, after a handler gave the datagram back. */
static void
udp_restore(struct packet *p, const struct udp_outer *outer)
{
	p->ip_version = outer->ip_version;
	p->ip_offset = outer->ip_offset;
	p->traffic_class = outer->traffic_class;
	p->hop_limit = outer->hop_limit;
	p->transport_offset = outer->transport_offset;
	p->transport_bytes = outer->transport_bytes;
	p->payload_offset = outer->payload_offset;
	p->payload_bytes = outer->payload_bytes;
	p->data_bytes = outer->data_bytes;
	p->outer_ip_version = outer->outer_ip_version;
	p->outer_ip_offset = outer->outer_ip_offset;
}

enum packet_verdict
packet_decode_udp(const struct decode_conf *conf, struct packet *p, struct span in)
{
	struct cursor c = span_cursor(in);
	uint32_t available_bytes = (uint32_t)cursor_left(&c);
	uint16_t source_port = cursor_be16(&c), destination_port = cursor_be16(&c), length = cursor_be16(&c);
	packet_handler handle;

	cursor_skip(&c, 2);
	/* RFC 768: the length counts the header, so 0 (jumbograms, RFC 2675) is corrupt too. */
	if (cursor_bad(&c) || length < UDP_HEADER_BYTES || length > available_bytes)
		return PACKET_CORRUPT;
	cursor_limit(&c, (size_t)length - UDP_HEADER_BYTES);
	p->payload_offset = packet_offset(p, &c);
	p->payload_bytes = p->data_bytes = (uint32_t)cursor_left(&c);

	handle = udp_port_handler(conf, destination_port);
	if (unlikely(handle != NULL) && p->payload_bytes > 8) {
		struct udp_outer outer = udp_keep(p);
		enum packet_verdict verdict;

		p->data_bytes = 0;
		verdict = handle(conf, p, c);
		if (verdict != PACKET_UNKNOWN_IP)
			return verdict;
		udp_restore(p, &outer);
	}
	packet_key_endpoints(conf, p, conf->udp, source_port, destination_port);
	return PACKET_OK;
}
