/* Linux netfilter log: address family, version 0, resource id, then TLVs padded to 4 bytes.
 *
 * Lengths and types are in the capturing machine's byte order, which the frame does not tell: little endian is read.
 * The TLV of type 9 is the packet, and the family says which IP it is. */

#include "decode_priv.h"

enum {
	NFLOG_INET = 2,
	NFLOG_INET6 = 10,
	NFLOG_TLV_BYTES = 4,
	NFLOG_PAYLOAD = 9,
	NFLOG_TLVS_MAX = 64, /* the kernel knows about 20 types, each at most once */
};

enum packet_verdict
packet_decode_nflog(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t family = cursor_u8(&c), version = cursor_u8(&c);

	cursor_skip(&c, 2);
	if (version != 0 || (family != NFLOG_INET && family != NFLOG_INET6))
		return PACKET_CORRUPT;

	for (unsigned i = 0; i < NFLOG_TLVS_MAX && cursor_left(&c) > 0; i++) {
		uint16_t length = cursor_le16(&c), type = cursor_le16(&c);
		struct cursor value;

		if (length < NFLOG_TLV_BYTES)
			return PACKET_CORRUPT;
		value = cursor_sub(&c, (size_t)length - NFLOG_TLV_BYTES);
		if (cursor_bad(&c))
			return PACKET_CORRUPT;
		if (type == NFLOG_PAYLOAD)
			return family == NFLOG_INET6 ? packet_decode_ipv6(conf, p, value)
						     : packet_decode_ipv4(conf, p, value);
		/* The padding of the last TLV may be missing. */
		cursor_skip(&c, (4 - length % 4) % 4);
	}
	return PACKET_CORRUPT;
}
