/* MPLS (RFC 3032): labels up to the bottom of the stack, then IPv4 or IPv6 by their first four bits. */

#include "decode_priv.h"

#include <string.h>

enum { MPLS_LABEL_BYTES = 4, MPLS_BOTTOM = 0x100, LABELS_AT_ONCE = 16 };

/* Over labels none of which is the bottom, sixteen at a time: a frame that is all labels has hundreds, and would cost
 * more than any packet of its length. */
static void
skip_labels(struct cursor *c)
{
	static const uint8_t bottom_of_two[8] = {0, 0, MPLS_BOTTOM >> 8, 0, 0, 0, MPLS_BOTTOM >> 8, 0};
	uint64_t two[LABELS_AT_ONCE / 2], any = 0, bottom;

	memcpy(&bottom, bottom_of_two, sizeof(bottom));
	while (cursor_left(c) >= sizeof(two) + IPV4_HEADER_BYTES) {
		struct cursor ahead = *c;
		const uint8_t *labels = cursor_take(&ahead, sizeof(two));

		if (labels == NULL)
			return;
		memcpy(two, labels, sizeof(two));
		for (unsigned i = 0; i < LABELS_AT_ONCE / 2; i++)
			any |= two[i];
		if ((any & bottom) != 0)
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
