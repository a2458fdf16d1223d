/* TPKT (RFC 1006, section 6): messages of ISO transport on a stream of TCP.
 *
 * Threads: a pure function. */
#ifndef TPKT_H
#define TPKT_H

#include "cursor.h"

enum { TPKT_BYTES = 4 }; /* version, reserved, length of all */

enum tpkt { TPKT_WHOLE, TPKT_MORE, TPKT_BAD };

/* The next one off 'in', with its header. TPKT_MORE: it is not all there, and 'in' is as it was. TPKT_BAD: this is
 * none, or its length is not from 'min' to 'max'. */
enum tpkt tpkt_next(struct cursor *in, uint16_t min, uint16_t max, struct cursor *whole);

#endif
