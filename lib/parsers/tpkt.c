/* TPKT. */
#include "tpkt.h"

enum { TPKT_VERSION = 3 };

enum tpkt
tpkt_next(struct cursor *in, uint16_t min, uint16_t max, struct cursor *whole)
{
	struct cursor c = *in;
	uint8_t version = cursor_u8(&c);
	uint16_t length;

	cursor_skip(&c, 1);
	length = cursor_be16(&c);
	if (cursor_bad(&c))
		return TPKT_MORE;
	if (version != TPKT_VERSION || length < min || length > max)
		return TPKT_BAD;
	c = *in;
	*whole = cursor_sub(&c, length);
	if (cursor_bad(&c))
		return TPKT_MORE;
	*in = c;
	return TPKT_WHOLE;
}
