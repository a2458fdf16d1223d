/* SCTP (RFC 9260), as far as the session needs it: when it ends, and the first bytes of each direction.
 *
 * A DATA chunk that is a whole message and has the expected TSN is delivered. Fragments and what lies behind a hole
 * wait for the parser that puts messages together; until then a direction whose first message comes in fragments has no
 * first bytes rather than wrong ones. The walk over the chunks follows the reference: a chunk must fit with its
 * padding. */
#include "session_priv.h"

#include <rte_branch_prediction.h>

enum {
	CHUNK_DATA = 0,
	CHUNK_INIT = 1,
	CHUNK_INIT_ACK = 2,
	CHUNK_SHUTDOWN_COMPLETE = 14,
	CHUNK_HEADER_BYTES = 4,
	DATA_END = 1 << 0,
	DATA_BEGIN = 1 << 1,
	DATA_UNORDERED = 1 << 2,
	INIT_TSN_OFFSET = 12, /* behind tag, window and the numbers of streams */
	DATA_REST_BYTES = 8,  /* stream, sequence and protocol */
};

static void
expect_tsn(struct session *s, unsigned d, uint32_t tsn)
{
	s->tcp_next[d] = tsn;
	s->flags |= (uint32_t)SCTP_TSN_KNOWN_0 << d;
}

static void
init(struct session *s, unsigned d, struct cursor c)
{
	uint32_t tsn;

	cursor_skip(&c, INIT_TSN_OFFSET);
	tsn = cursor_be32(&c);
	if (!c.bad)
		expect_tsn(s, d, tsn);
}

static void
data(struct session_table *t, struct session *s, unsigned d, uint8_t flags, struct cursor c)
{
	uint32_t tsn = cursor_be32(&c);

	cursor_skip(&c, DATA_REST_BYTES);
	if (c.bad)
		return;
	if ((s->flags & SCTP_TSN_KNOWN_0 << d) == 0)
		expect_tsn(s, d, tsn);
	if (tsn != s->tcp_next[d])
		return;
	s->tcp_next[d]++;
	if ((flags & DATA_UNORDERED) == 0 && (flags & (DATA_BEGIN | DATA_END)) != (DATA_BEGIN | DATA_END))
		s->flags |= (uint32_t)SCTP_FRAGMENTED_0 << d;
	else if ((s->flags & SCTP_FRAGMENTED_0 << d) == 0)
		session_first_payload(t, s, d, c);
}

void
session_sctp(struct session_table *t, struct session *s, const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);

	cursor_skip(&c, p->payload_offset);
	cursor_limit(&c, p->payload_bytes);
	while (cursor_left(&c) >= CHUNK_HEADER_BYTES) {
		uint8_t type = cursor_u8(&c), flags = cursor_u8(&c);
		uint16_t length = cursor_be16(&c), padding = (4 - length % 4) % 4;
		struct cursor chunk;

		if (length < CHUNK_HEADER_BYTES || cursor_left(&c) < (size_t)(length - CHUNK_HEADER_BYTES) + padding)
			return;
		chunk = cursor_sub(&c, length - CHUNK_HEADER_BYTES);
		cursor_skip(&c, padding);
		switch (type) {
		case CHUNK_DATA:
			data(t, s, p->direction, flags, chunk);
			break;
		case CHUNK_INIT:
		case CHUNK_INIT_ACK:
			init(s, p->direction, chunk);
			break;
		case CHUNK_SHUTDOWN_COMPLETE:
			session_mark_closing(t, s);
			break;
		}
	}
}
