/* SCTP (RFC 9260): sessions by addresses and ports. The payload is everything behind the common header: all chunks. */

#include "decode_priv.h"

enum { SCTP_HEADER_BYTES = 12 };

static const struct packet_protocol sctp_protocol = {
	.name = "sctp",
	.record_name = "sctp",
	.type = SESSION_SCTP,
	.timeout_s = 60,
	.timeout_setting = "sctpTimeout",
	.has_addresses = true,
	.has_ports = true,
};
PACKET_PROTOCOL(sctp_protocol);

static enum packet_verdict
handle_sctp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t source_port = cursor_be16(&c), destination_port = cursor_be16(&c);

	/* Verification tag and checksum. */
	cursor_skip(&c, SCTP_HEADER_BYTES - 4);
	if (cursor_bad(&c))
		return PACKET_CORRUPT;
	p->payload_offset = packet_offset(p, &c);
	p->payload_bytes = p->data_bytes = (uint32_t)cursor_left(&c);
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(sctp_protocol), source_port, destination_port);
	return PACKET_OK;
}

HOOK(hook_sctp, HOOK_IP_PROTOCOL, IP_PROTOCOL_SCTP, handle_sctp, "sctp");
