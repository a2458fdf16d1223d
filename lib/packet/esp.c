/* ESP (RFC 4303): one session per pair of addresses, if trackESP asks for it; else it is an unknown IP protocol.
 *
 * Data bytes are those of the frame behind SPI and sequence number, as in the reference. */

#include "decode_priv.h"

enum { ESP_HEADER_BYTES = 8 };

static const struct packet_protocol esp_protocol = {
	.name = "esp",
	.record_name = "esp",
	.type = SESSION_ESP,
	.timeout_s = 600,
	.timeout_setting = "espTimeout",
	.has_addresses = true,
};
PACKET_PROTOCOL(esp_protocol);

static enum packet_verdict
handle_esp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t left = p->captured_bytes - p->transport_offset;

	(void)c;
	if (!conf->track_esp)
		return packet_unknown_ip_protocol(conf, p, IP_PROTOCOL_ESP);
	p->data_bytes = left > ESP_HEADER_BYTES ? left - ESP_HEADER_BYTES : 0;
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(esp_protocol), 0, 0);
	return PACKET_OK;
}

HOOK(hook_esp, HOOK_IP_PROTOCOL, IP_PROTOCOL_ESP, handle_esp, "esp");
