/* What the parsers' side sees of a session: payload in order, a pointer of its own, the record, and facts.
 *
 * Data moves up by return value: session_process() says that there is something, session_pull_payload() gives it, chunk
 * by chunk. Most of it is one chunk that lies in the packet; it is kept in the table for the moment between the two
 * calls. A session that nobody wants payload of costs one flag in its first line. */
#include "session_priv.h"

#include <rte_branch_prediction.h>

static uint8_t
type_of(const struct session_table *t, const struct session *s)
{
	return session_type_of(t, s);
}

bool
session_ready(struct session_table *t, const struct session *s, const struct packet *p, struct cursor bytes)
{
	if (session_skips(s, session_attachment(t, s), p->direction, (uint32_t)cursor_left(&bytes)))
		return false;
	t->ready = READY_CHUNK;
	t->chunk = (struct session_chunk){.bytes = bytes,
					  .time_ns = p->time_ns,
					  .direction = p->direction,
					  .type = type_of(t, s),
					  .protocol = s->key.protocol};
	return true;
}

bool
session_pull_payload(struct session_table *t, struct session *s, struct session_chunk *out)
{
	enum ready ready = t->ready;

	t->ready = READY_NOTHING;
	switch (ready) {
	case READY_NOTHING:
		return false;
	case READY_CHUNK:
		*out = t->chunk;
		return true;
	case READY_SCTP:
		if (!session_sctp_pull(t, s, out))
			return false;
		t->ready = READY_SCTP;
		return true;
	case READY_TCP:
		if (!session_tcp_pull(t, s, out))
			return false;
		t->ready = READY_TCP;
		return true;
	}
	return false;
}

bool
session_pull_last(struct session_table *t, struct session *s, struct session_chunk *out)
{
	return (s->flags & TCP_HELD) != 0 && session_type_of(t, s) == SESSION_TCP && session_tcp_pull_last(t, s, out);
}

uint32_t
session_tcp_next(const struct session *s, unsigned direction)
{
	return s->tcp_next[direction];
}

void
session_before_save(struct session_table *t, struct session *s, enum session_save why)
{
	const struct attachment *att = session_attachment(t, s);
	struct session_chunk unwanted;

	if (att == NULL)
		return;
	if (t->before_save != NULL && (att->slot != NULL || (s->flags & (TCP_HELD | SESSION_NO_PAYLOAD)) == TCP_HELD))
		t->before_save(t->context, s, why);
	if (why == SESSION_SAVE_MID)
		return;
	/* What nobody pulled counts as bytes all the same. */
	while (session_pull_last(t, s, &unwanted))
		;
}

void
session_payload_over(struct session_table *t, struct session *s)
{
	const struct attachment *att = session_attachment(t, s);

	if (att == NULL || att->slot == NULL || t->before_save == NULL)
		return;
	t->before_save(t->context, s, SESSION_SAVE_FINAL);
	s->flags |= SESSION_NO_PAYLOAD;
}

void **
session_slot(struct session_table *t, struct session *s)
{
	return &session_attach(t, s)->slot;
}

uint32_t *
session_skip(struct session_table *t, struct session *s)
{
	return session_attach(t, s)->skip;
}

uint64_t
session_last_ns(const struct session *s)
{
	return s->last_ns;
}

void
session_stop_payload(struct session_table *t, struct session *s)
{
	(void)t;
	s->flags |= SESSION_NO_PAYLOAD;
}

void
session_facts(const struct session_table *t, const struct session *s, struct session_facts *out)
{
	*out = (struct session_facts){.first_ns = session_start_of(t, s)->first_ns, .ip_protocol = s->ip_protocol};
	session_endpoints(t, s, out->address, out->port);
}
