/* What overload takes from sessions.
 *
 * A tag in the record would take a chunk from every session that is hit, at the moment when chunks are what is short.
 * So a session remembers it in a bit, and the tag is added when its record is made anyway. */
#include "session_priv.h"

#include <string.h>

COUNTER_LOSS(refused, "session.not_saved_overload",
	     "sessions that ended without a record: they began and ended under overload", LEDGER_SESSIONS);

void
session_shed(struct session *s, enum session_shed what)
{
	s->seen |= what == SESSION_NOT_PARSED ? SHED_PARSING : SHED_PAYLOAD;
}

void
session_refuse_new(struct session_table *t, bool refuse)
{
	t->refuse_new = refuse;
}

void
session_shed_tags(struct session_table *t, const struct session *s, struct record *r)
{
	static const char not_parsed[] = "overload-not-parsed", headers_only[] = "overload-headers-only";

	if ((s->seen & SHED_PARSING) != 0)
		(void)record_add_str(t->records, r, t->fields.tags, not_parsed, strlen(not_parsed));
	if ((s->seen & SHED_PAYLOAD) != 0)
		(void)record_add_str(t->records, r, t->fields.tags, headers_only, strlen(headers_only));
}

/* One that was mid-saved has records already; its last one is made. */
bool
session_is_refused(struct session_table *t, const struct session *s)
{
	if (!t->refuse_new || (s->seen & SHED_BEGAN) == 0 || (s->flags & SESSION_LINKED) != 0)
		return false;
	COUNTER_ADD(t->counters, refused, 1);
	return true;
}
