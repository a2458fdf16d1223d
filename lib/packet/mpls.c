/* MPLS (RFC 3032): labels up to the bottom of the stack, then IPv4 or IPv6 by their first four bits. */

#include "decode_priv.h"

#include <string.h>

enum { MPLS_LABEL_BYTES = 4, MPLS_BOTTOM = 0x100, STRIDE_BYTES = 16 * MPLS_LABEL_BYTES };

/* True when one of the labels in these bytes is the bottom. Two at a time, in no array: gcc 12 with ASan and AVX-512
 * does not keep the alignment that it gives one. */
static inline bool
has_bottom(const uint8_t bytes[STRIDE_BYTES])
{
	static const uint8_t bottom_of_two[8] = {[2] = MPLS_BOTTOM >> 8, [6] = MPLS_BOTTOM >> 8};
	uint64_t any = 0, two;

	for (unsigned at = 0; at < STRIDE_BYTES; at += sizeof(two)) {
		memcpy(&two, &bytes[at], sizeof(two));
		any |= two;
	}
	memcpy(&two, bottom_of_two, sizeof(two));
	return (any & two) != 0;
}

/* Over labels none of which is the bottom, sixteen at a time: a frame that is all labels has hundreds, and would cost
 * more than any packet of its length. */
static void
skip_labels(struct cursor *c)
{
	while (cursor_left(c) >= STRIDE_BYTES + IPV4_HEADER_BYTES) {
		struct cursor ahead = *c;
		const uint8_t *labels = cursor_take(&ahead, STRIDE_BYTES);

		if (labels == NULL || has_bottom(labels))
			return;
		*c = ahead;
	}
}

static enum packet_verdict
handle_mpls(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint32_t label;

	packet_tunnel(p, TUNNEL_MPLS);
	for (unsigned n = 0;; n++) {
		if (cursor_left(&c) < MPLS_LABEL_BYTES + IPV4_HEADER_BYTES)
			return PACKET_CORRUPT;
		label = cursor_be32(&c);
		if ((label & MPLS_BOTTOM) != 0)
			break;
		if (n == 0)
			skip_labels(&c);
	}
	return packet_decode_ip(conf, p, c, PACKET_UNKNOWN_ETHER);
}

HOOK(hook_mpls, HOOK_ETHERTYPE, ETHERTYPE_MPLS, handle_mpls, "mpls");
