/* libFuzzer: any link type, any frame. The input is the link type (2 bytes, little endian), then the frame.
 *
 * Both decode paths have to agree, and what they say has to lie within the frame. */
#include "decode_priv.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CONFS = 3 };

static const struct decode_conf *
conf_number(unsigned i)
{
	static struct decode_conf *conf[CONFS];
	const char *all[] = {"all", "corrupt"};
	const struct decode_settings settings[CONFS] = {
		{.disabled = {.list = {.n = 0}}},
		{.save_unknown_packets = {.item = all, .n = 2}, .tracking = TRACKING_VLAN, .track_esp = true},
		{.trim_ethernet_padding = true, .tracking = TRACKING_VNI},
	};

	if (conf[i] == NULL)
		conf[i] = decode_conf_create_from(&settings[i], NULL);
	if (conf[i] == NULL)
		abort();
	return conf[i];
}

static void
require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "decode: %s\n", what);
	abort();
}

static void
check_packet(const struct packet *p)
{
	require(p->verdict <= PACKET_DUPLICATE, "the verdict is one of the list");
	if (p->verdict != PACKET_OK)
		return;
	require(packet_protocol(p->protocol) != NULL, "a packet with a key has a protocol");
	require(p->key.protocol == p->protocol, "the key has the packet's protocol");
	/* The one that was refused counts: corrupt packets may be sessions. */
	require(p->dispatches <= PACKET_DISPATCH_MAX + 1, "nesting is bounded");
	require(p->payload_offset <= p->captured_bytes && p->payload_bytes <= p->captured_bytes - p->payload_offset,
		"the payload lies within the packet");
	require(p->transport_offset <= p->captured_bytes &&
			p->transport_bytes <= p->captured_bytes - p->transport_offset,
		"the transport header lies within the packet");
	require(p->data_bytes <= p->captured_bytes, "there is no more data than packet");
	require(p->ip_version == 0 || p->ip_offset <= PACKET_HEADER_OFFSET_MAX, "the IP offset is bounded");
	require(p->ethernet_offset == PACKET_NO_OFFSET ||
			p->ethernet_offset + ETHERNET_HEADER_BYTES <= p->captured_bytes,
		"the Ethernet header lies within the packet");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2 || size > 2 + PACKET_BYTES_MAX)
		return -1;
	for (unsigned i = 0; i < CONFS; i++) {
		struct packet p = {.data = &bytes[2],
				   .captured_bytes = (uint32_t)(size - 2),
				   .wire_bytes = (uint32_t)(size - 2),
				   .link_type = (uint16_t)(bytes[0] | bytes[1] << 8)};
		struct packet general = p;

		packet_decode(conf_number(i), &p);
		packet_decode_general(conf_number(i), &general);
		require(memcmp(&p, &general, sizeof(p)) == 0, "both paths give the same");
		check_packet(&p);
	}
	return 0;
}
