/* Fuzzes decode: any bytes under any link type. What it says about offsets must lie within the packet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const uint16_t link_types[] = {
	LINK_ETHERNET,
	LINK_NULL,
	LINK_PPP,
	LINK_RAW_12,
	LINK_PPP_HDLC,
	LINK_RAW,
	LINK_CISCO_HDLC,
	LINK_FRAME_RELAY,
	LINK_LOOP,
	LINK_LINUX_SLL,
	LINK_IPV4,
	LINK_IPV6,
	LINK_NFLOG,
	LINK_LINUX_SLL2,
	LINK_IEEE802_11_RADIO,
	LINK_ETHERNET_MPACKET,
};

static void
require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "decode: %s\n", what);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct decode_conf *conf;
	struct packet p = {0};

	if (conf == NULL)
		conf = decode_conf_create(NULL);
	if (size < 1 || size > PACKET_BYTES_MAX)
		return 0;
	p.link_type = link_types[bytes[0] % (sizeof(link_types) / sizeof(link_types[0]))];
	p.data = bytes + 1;
	p.captured_bytes = p.wire_bytes = (uint32_t)(size - 1);
	if (packet_decode(conf, &p) != PACKET_OK)
		return 0;
	require(packet_protocol(p.protocol) != NULL, "a packet with a key has a protocol");
	require(p.payload_offset <= p.captured_bytes && p.payload_bytes <= p.captured_bytes - p.payload_offset,
		"the payload lies within the packet");
	require(p.transport_offset <= p.captured_bytes, "the transport header lies within the packet");
	return 0;
}
