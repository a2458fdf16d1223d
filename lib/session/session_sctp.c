/* SCTP (RFC 9260): the messages of an association, and when it ends (PARSERS sctp).
 *
 * A DATA chunk that is a whole message and has the expected TSN is delivered from the packet, and so is any unordered
 * one. Fragments, and what lies behind a hole, wait in the session's queue, sorted by TSN for each direction; after
 * every chunk that had the expected TSN those are delivered that have become due, fragments joined. A message of which
 * the beginning was never seen blocks what waits behind it, as in the reference. The streams of an association become
 * one for each direction. A packet may hold many messages, so the walk over its chunks stops at each and goes on with
 * the next call. The walk follows the reference: a chunk must fit with its padding. */
#include "session_priv.h"

#include <rte_branch_prediction.h>
#include <string.h>

COUNTER(messages, "sctp.messages", "SCTP messages delivered", LEDGER_NONE, LEDGER_IN);
COUNTER(given_up, "sctp.given_up", "SCTP sessions in which more than maxSctpOutOfOrderPackets chunks waited",
	LEDGER_NONE, LEDGER_IN);
COUNTER_LOSS(no_memory, "sctp.no_memory", "SCTP chunks and messages for which tcpHoldMemory had no room", LEDGER_NONE);
COUNTER_LOSS(too_long, "sctp.too_long", "SCTP messages of more than 65,536 bytes", LEDGER_NONE);

enum {
	CHUNK_DATA = 0,
	CHUNK_INIT = 1,
	CHUNK_INIT_ACK = 2,
	CHUNK_SHUTDOWN_COMPLETE = 14,
	CHUNK_HEADER_BYTES = 4,
	DATA_END = 1 << 0,
	DATA_BEGIN = 1 << 1,
	DATA_WHOLE = DATA_BEGIN | DATA_END,
	DATA_UNORDERED = 1 << 2,
	INIT_TSN_OFFSET = 12, /* behind tag, window and the numbers of streams */
	MESSAGE_BYTES_MAX = 65536,
};

static const struct field sctp_fields[] = {
	{"sctp.protoId", "sctp.protoId", "sctp", "integer", FIELD_INT_SET, 0, "Proto Id",
	 "Payload protocol of the first SCTP message of each direction", NULL},
};
FIELDS(sctp, sctp_fields);

struct data {
	uint32_t tsn, protocol;
	uint16_t stream;
	uint8_t flags;
	struct cursor bytes;
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
	if (!cursor_bad(&c))
		expect_tsn(s, d, tsn);
}

/* A message: its first bytes for the record when it is the direction's first. True: it is for parsers. */
static bool
deliver(struct session_table *t, struct session *s, struct cursor bytes, uint32_t protocol, struct session_chunk *out)
{
	unsigned d = t->sctp.direction;

	COUNTER_ADD(t->counters, messages, 1);
	if (cursor_left(&bytes) == 0)
		return false;
	if (session_attach(t, s)->payload8_bytes[d] == 0) {
		session_first_payload(t, s, d, bytes);
		session_add_int(t, s, t->fields.sctp_protocol, protocol);
	}
	if ((s->flags & SESSION_NO_PAYLOAD) != 0)
		return false;
	*out = (struct session_chunk){.bytes = bytes,
				      .time_ns = t->sctp.time_ns,
				      .direction = (uint8_t)d,
				      .type = SESSION_SCTP,
				      .protocol = s->key.protocol,
				      .sctp_protocol = protocol};
	return true;
}

static bool
is_deliverable(uint8_t flags)
{
	return (flags & DATA_UNORDERED) != 0 || (flags & DATA_WHOLE) == DATA_WHOLE;
}

static void
give_up(struct session_table *t, struct session *s)
{
	session_tcp_end(t, s);
	COUNTER_ADD(t->counters, given_up, 1);
	session_add_tag(t, s, "incomplete-sctp");
	s->flags |= TCP_STOPPED | SESSION_NO_PAYLOAD;
}

/* Where a TSN belongs: behind the last of its direction that is smaller. */
static uint32_t
place_of(const struct hold *hold, const struct held_queue *q, unsigned d, uint32_t tsn, bool *is_there)
{
	uint32_t handle = q->last;

	*is_there = false;
	for (; handle != 0; handle = held_at(hold, handle)->previous) {
		const struct held *h = held_at(hold, handle);

		if (h->direction != d || (int32_t)(h->seq - tsn) > 0)
			continue;
		*is_there = h->seq == tsn;
		break;
	}
	return handle;
}

static void
enqueue(struct session_table *t, struct session *s, const struct data *data)
{
	struct hold *hold = tcp_hold_memory(t->tcp);
	struct held_queue *q = &session_attach(t, s)->queue;
	struct cursor bytes = data->bytes;
	uint32_t length = (uint32_t)cursor_left(&bytes), handle, after;
	struct held *h;
	bool is_there;

	if (q->n > t->conf->max_sctp_chunks) {
		give_up(t, s);
		return;
	}
	after = place_of(hold, q, t->sctp.direction, data->tsn, &is_there);
	if (is_there)
		return;
	handle = held_create(hold);
	if (handle == 0) {
		COUNTER_ADD(t->counters, no_memory, 1);
		return;
	}
	h = held_at(hold, handle);
	h->seq = data->tsn;
	h->ack = data->stream;
	h->flags = data->flags;
	h->protocol = data->protocol;
	h->direction = t->sctp.direction;
	h->length = length;
	if (length > 0 && !held_keep(hold, h, cursor_take(&bytes, length), length)) {
		COUNTER_ADD(t->counters, no_memory, 1);
		held_free(hold, handle);
		return;
	}
	held_insert(hold, q, after, handle);
	s->flags |= TCP_HELD;
}

/* The first of the direction, from 'handle' on. */
static uint32_t
next_of(const struct hold *hold, uint32_t handle, unsigned d)
{
	while (handle != 0 && held_at(hold, handle)->direction != d)
		handle = held_at(hold, handle)->next;
	return handle;
}

/* Chunks with the numbers that follow were there before. */
static void
advance(struct session_table *t, struct session *s)
{
	const struct hold *hold = tcp_hold_memory(t->tcp);
	unsigned d = t->sctp.direction;

	s->tcp_next[d]++;
	if (likely((s->flags & TCP_HELD) == 0))
		return;
	for (uint32_t i = next_of(hold, session_attached(t, s)->queue.first, d); i != 0;
	     i = next_of(hold, held_at(hold, i)->next, d))
		if (held_at(hold, i)->seq == s->tcp_next[d])
			s->tcp_next[d]++;
}

/* A fragment of the message that begins with 'first', as long as no number is missing. */
static bool
is_part(const struct session *s, const struct held *first, const struct held *h)
{
	return h->direction == first->direction && h->ack == first->ack &&
	       (int32_t)(h->seq - s->tcp_next[h->direction]) < 0;
}

/* The end of the message, and its length; 0: it is not there yet. */
static uint32_t
find_end(const struct session_table *t, const struct session *s, uint32_t begin, uint64_t *length)
{
	const struct hold *hold = tcp_hold_memory(t->tcp);
	const struct held *first = held_at(hold, begin);

	*length = 0;
	if ((first->flags & DATA_BEGIN) == 0)
		return 0;
	for (uint32_t i = begin; i != 0; i = held_at(hold, i)->next) {
		const struct held *h = held_at(hold, i);

		if (!is_part(s, first, h))
			continue;
		if (i != begin && (h->flags & DATA_BEGIN) != 0)
			return 0;
		*length += h->length;
		if ((h->flags & DATA_END) != 0)
			return i;
	}
	return 0;
}

/* Takes the fragments out of the queue, and their bytes into one piece that is in no queue. */
static bool
join(struct session_table *t, struct session *s, uint32_t begin, uint32_t end, uint64_t length, struct cursor *out)
{
	struct hold *hold = tcp_hold_memory(t->tcp);
	struct held first = *held_at(hold, begin);
	uint32_t whole = held_create(hold), used = 0;
	uint8_t *bytes = NULL;
	bool last = false;

	if (whole != 0 && length > 0 && length <= MESSAGE_BYTES_MAX)
		bytes = held_reserve(hold, held_at(hold, whole), (uint32_t)length);
	for (uint32_t i = begin, next; i != 0 && !last; i = next) {
		struct held *h = held_at(hold, i);

		next = h->next;
		last = i == end;
		if (!is_part(s, &first, h))
			continue;
		if (bytes != NULL && h->length > 0)
			memcpy(bytes + used, held_bytes(hold, h), h->length);
		used += h->length;
		held_remove(hold, &session_attached(t, s)->queue, i);
		held_free(hold, i);
	}
	t->sctp.given = whole;
	if (bytes != NULL) {
		*out = cursor_make(bytes, used);
		return true;
	}
	if (length > MESSAGE_BYTES_MAX)
		COUNTER_ADD(t->counters, too_long, 1);
	else if (length > 0)
		COUNTER_ADD(t->counters, no_memory, 1);
	return false;
}

/* The first that waits, if it is due and whole. */
static bool
pull_queued(struct session_table *t, struct session *s, struct session_chunk *out)
{
	struct hold *hold = tcp_hold_memory(t->tcp);
	struct held_queue *q = &session_attach(t, s)->queue;
	uint32_t handle, end;

	while ((handle = next_of(hold, q->first, t->sctp.direction)) != 0) {
		const struct held *h = held_at(hold, handle);
		uint32_t protocol = h->protocol;
		struct cursor bytes = cursor_make("", 0);
		uint64_t length;

		if ((int32_t)(h->seq - s->tcp_next[h->direction]) >= 0)
			return false;
		if (is_deliverable(h->flags)) {
			if (h->length > 0)
				bytes = cursor_make(held_bytes(hold, h), h->length);
			held_remove(hold, q, handle);
			t->sctp.given = handle;
		} else {
			end = find_end(t, s, handle, &length);
			if (end == 0)
				return false;
			(void)join(t, s, handle, end, length, &bytes);
		}
		if (deliver(t, s, bytes, protocol, out))
			return true;
		if (t->sctp.given != 0)
			held_free(hold, t->sctp.given);
		t->sctp.given = 0;
	}
	return false;
}

/* True: 'out' has a message. */
static bool
data_chunk(struct session_table *t, struct session *s, uint8_t flags, struct cursor c, struct session_chunk *out)
{
	struct data data = {.tsn = cursor_be32(&c), .flags = flags};
	unsigned d = t->sctp.direction;
	bool is_expected;

	data.stream = cursor_be16(&c);
	cursor_skip(&c, 2); /* the stream's own sequence number */
	data.protocol = cursor_be32(&c);
	data.bytes = c;
	if (cursor_bad(&c) || (s->flags & TCP_STOPPED) != 0)
		return false;
	if ((s->flags & SCTP_TSN_KNOWN_0 << d) == 0)
		expect_tsn(s, d, data.tsn);
	if ((int32_t)(data.tsn - s->tcp_next[d]) < 0)
		return false;
	is_expected = data.tsn == s->tcp_next[d];
	if (!is_expected || !is_deliverable(flags))
		enqueue(t, s, &data);
	if (!is_expected || (s->flags & TCP_STOPPED) != 0)
		return false;
	advance(t, s);
	t->sctp.drains = (s->flags & TCP_HELD) != 0;
	return is_deliverable(flags) && deliver(t, s, data.bytes, data.protocol, out);
}

/* The next chunk of the packet; an error ends it. */
static bool
next_chunk(struct cursor *c, uint8_t *type, uint8_t *flags, struct cursor *value)
{
	uint16_t length, padding;

	if (cursor_left(c) < CHUNK_HEADER_BYTES)
		return false;
	*type = cursor_u8(c);
	*flags = cursor_u8(c);
	length = cursor_be16(c);
	padding = (4 - length % 4) % 4;
	if (length < CHUNK_HEADER_BYTES || cursor_left(c) < (size_t)(length - CHUNK_HEADER_BYTES) + padding)
		return false;
	*value = cursor_sub(c, length - CHUNK_HEADER_BYTES);
	cursor_skip(c, padding);
	return true;
}

bool
session_sctp_pull(struct session_table *t, struct session *s, struct session_chunk *out)
{
	struct cursor value;
	uint8_t type, flags;

	if (t->sctp.given != 0)
		held_free(tcp_hold_memory(t->tcp), t->sctp.given);
	t->sctp.given = 0;
	for (;;) {
		if (t->sctp.drains && pull_queued(t, s, out))
			return true;
		t->sctp.drains = false;
		if (!next_chunk(&t->sctp.rest, &type, &flags, &value))
			break;
		if (type == CHUNK_DATA) {
			if (data_chunk(t, s, flags, value, out))
				return true;
		} else if (type == CHUNK_INIT || type == CHUNK_INIT_ACK) {
			init(s, t->sctp.direction, value);
		} else if (type == CHUNK_SHUTDOWN_COMPLETE) {
			session_mark_closing(t, s);
		}
	}
	if ((s->flags & TCP_HELD) != 0 && session_attached(t, s)->queue.n == 0)
		s->flags &= ~(uint32_t)TCP_HELD;
	return false;
}

bool
session_sctp(struct session_table *t, struct session *s, const struct packet *p)
{
	struct session_chunk unwanted;

	t->sctp = (struct sctp_walk){
		.rest = cursor_make(p->data, p->captured_bytes), .time_ns = p->time_ns, .direction = p->direction};
	cursor_skip(&t->sctp.rest, p->payload_offset);
	cursor_limit(&t->sctp.rest, p->payload_bytes);
	if ((s->flags & SESSION_NO_PAYLOAD) == 0) {
		t->ready = READY_SCTP;
		return true;
	}
	return session_sctp_pull(t, s, &unwanted);
}
