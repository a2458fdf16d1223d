/* Builds frames for the tests of lib/packet, and decodes them where the byte behind them is unmapped. */
#ifndef FRAMES_H
#define FRAMES_H

#include "decode_priv.h"
#include "test.h"

struct frame {
	uint8_t bytes[4096];
	size_t size;
};

static inline void
frame_add(struct frame *f, const void *bytes, size_t size)
{
	memcpy(&f->bytes[f->size], bytes, size);
	f->size += size;
}

static inline void
frame_zero(struct frame *f, size_t size)
{
	memset(&f->bytes[f->size], 0, size);
	f->size += size;
}

static inline void
frame_u8(struct frame *f, unsigned value)
{
	f->bytes[f->size++] = (uint8_t)value;
}

static inline void
frame_be16(struct frame *f, unsigned value)
{
	frame_u8(f, value >> 8);
	frame_u8(f, value);
}

static inline void
frame_be32(struct frame *f, uint32_t value)
{
	frame_be16(f, value >> 16);
	frame_be16(f, value & 0xffff);
}

static inline void
frame_set_be16(struct frame *f, size_t offset, unsigned value)
{
	f->bytes[offset] = (uint8_t)(value >> 8);
	f->bytes[offset + 1] = (uint8_t)value;
}

static inline void
frame_ethernet(struct frame *f, unsigned type)
{
	frame_add(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	frame_be16(f, type);
}

enum { SOURCE_IPV4 = 0x0a000002, DESTINATION_IPV4 = 0x0a000001 };

/* 10.0.0.2 to 10.0.0.1: the sender is the key's second endpoint. */
static inline void
frame_ipv4(struct frame *f, unsigned protocol, unsigned payload_bytes)
{
	frame_be16(f, 0x45b8);
	frame_be16(f, IPV4_HEADER_BYTES + payload_bytes);
	frame_be32(f, 0x12340000);
	frame_u8(f, 63);
	frame_u8(f, protocol);
	frame_be16(f, 0);
	frame_be32(f, SOURCE_IPV4);
	frame_be32(f, DESTINATION_IPV4);
}

/* 2001:db8::1 to 2001:db8::2: the sender is the key's first endpoint. */
static inline void
frame_ipv6(struct frame *f, unsigned next_header, unsigned payload_bytes)
{
	frame_be32(f, 0x6b800000);
	frame_be16(f, payload_bytes);
	frame_u8(f, next_header);
	frame_u8(f, 61);
	for (unsigned i = 1; i <= 2; i++) {
		frame_be32(f, 0x20010db8);
		frame_zero(f, 11);
		frame_u8(f, i);
	}
}

static inline void
frame_tcp(struct frame *f, unsigned source_port, unsigned destination_port)
{
	frame_be16(f, source_port);
	frame_be16(f, destination_port);
	frame_be32(f, 1000);
	frame_be32(f, 0);
	frame_be16(f, 0x5002);
	frame_zero(f, 6);
}

static inline void
frame_udp(struct frame *f, unsigned source_port, unsigned destination_port, unsigned payload_bytes)
{
	frame_be16(f, source_port);
	frame_be16(f, destination_port);
	frame_be16(f, UDP_HEADER_BYTES + payload_bytes);
	frame_be16(f, 0);
}

/* Ethernet, IPv4, UDP 5000 to 53 and 3 bytes: what other headers are put around. */
static inline void
frame_ipv4_udp(struct frame *f)
{
	frame_ipv4(f, IP_PROTOCOL_UDP, UDP_HEADER_BYTES + 3);
	frame_udp(f, 5000, 53, 3);
	frame_add(f, "abc", 3);
}

static inline void
frame_ipv6_udp(struct frame *f)
{
	frame_ipv6(f, IP_PROTOCOL_UDP, UDP_HEADER_BYTES + 3);
	frame_udp(f, 5000, 53, 3);
	frame_add(f, "abc", 3);
}

/* By both paths, which have to agree in every byte. 'data' of the result is NULL: the bytes are gone. */
struct packet frames_decode(const struct decode_conf *, uint16_t link_type, const void *bytes, size_t size);

/* With all defaults. */
struct packet frames_decode_default(uint16_t link_type, const struct frame *);

/* With saveUnknownPackets, tracking and so on as in 'settings'. NULL: refused. */
struct decode_conf *frames_conf(const struct decode_settings *settings);

/* Every frame cut short is decoded at an unmapped page, and none is accepted. */
void frames_expect_truncations_refused(uint16_t link_type, const struct frame *);

/* p->protocol's name, or "". */
const char *frames_protocol(const struct packet *);

#endif
