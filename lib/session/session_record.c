/* The record of a live session.
 *
 * A record takes a 1 KB chunk, so a session gets one only when there is a value that has no other home; then all that
 * is known so far goes into it, and from then on every value. Sessions that hold a record form a list in the order in
 * which they got it. Together they may hold half of the pool's chunks: beyond that the first of the list is saved
 * early, before the next packet is processed. So a pool that is too small costs split sessions, never a deadlock, and
 * never a record. */
#include "session_priv.h"

#include <string.h>

COUNTER_LOSS(value_lost, "session.values_lost", "values of sessions for which there was no record chunk", LEDGER_NONE);
COUNTER(evicted_record, "session.early_records", "sessions saved early: live sessions held half of the record chunks",
	LEDGER_NONE, LEDGER_OUT);

enum { EVICTIONS_MAX = 8 };

static void
holder_add(struct session_table *t, struct attachment *att, uint32_t handle)
{
	att->older = t->holder_newest;
	att->newer = 0;
	if (t->holder_newest != 0)
		session_attached(t, &t->session[t->holder_newest])->newer = handle;
	else
		t->holder_oldest = handle;
	t->holder_newest = handle;
}

static void
holder_remove(struct session_table *t, struct attachment *att)
{
	if (att->older != 0)
		session_attached(t, &t->session[att->older])->newer = att->newer;
	else
		t->holder_oldest = att->newer;
	if (att->newer != 0)
		session_attached(t, &t->session[att->newer])->older = att->older;
	else
		t->holder_newest = att->older;
	att->older = att->newer = 0;
}

static void
count_held(struct session_table *t, struct attachment *att)
{
	t->held_chunks += att->record->chunks - att->held_chunks;
	att->held_chunks = att->record->chunks;
}

void
session_record_put(struct session_table *t, struct session *s, struct record *r)
{
	struct attachment *att = session_attach(t, s);

	att->record = r;
	att->held_chunks = 0;
	holder_add(t, att, session_handle(t, s));
	count_held(t, att);
}

struct record *
session_record_take(struct session_table *t, struct session *s)
{
	struct attachment *att = session_attachment(t, s);
	struct record *r = att != NULL ? att->record : NULL;

	if (r == NULL)
		return NULL;
	holder_remove(t, att);
	t->held_chunks -= att->held_chunks;
	att->held_chunks = 0;
	att->record = NULL;
	return r;
}

static void
add_folded(struct session_table *t, struct record *r, const struct field_op *op)
{
	const char *kind = field_at(op->field)->kind;
	bool lower = strncmp(kind, "lo", 2) == 0, upper = strncmp(kind, "up", 2) == 0;
	char text[FIELD_OP_TEXT_MAX];
	size_t size = strlen(op->text);

	for (size_t i = 0; i < size; i++) {
		char c = op->text[i];

		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		else if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		text[i] = c;
	}
	record_add_str(t->records, r, op->field, text, size);
}

/* --op: on every new session, so a later interval only has what is kept over a mid-save. */
static void
flush_ops(struct session_table *t, const struct session *s, struct record *r)
{
	for (unsigned i = 0; i < t->conf->n_ops; i++) {
		const struct field_op *op = &t->conf->ops[i];

		if (op->is_store_limit)
			continue;
		if ((s->flags & SESSION_LINKED) != 0 && (field_at(op->field)->flags & FIELD_LINKED) == 0)
			continue;
		if (op->is_integer)
			record_add_int(t->records, r, op->field, op->integer);
		else
			add_folded(t, r, op);
	}
}

void
session_record_fill(struct session_table *t, struct session *s, struct record *r)
{
	const struct protocol_row *row = &t->protocol[s->key.protocol];

	record_add_str(t->records, r, t->fields.protocol, row->record_name, strlen(row->record_name));
	for (unsigned i = 0; i < t->conf->tags.n; i++)
		record_add_str(t->records, r, t->fields.tags, t->conf->tags.item[i], strlen(t->conf->tags.item[i]));
	if (t->conf->n_ops > 0)
		flush_ops(t, s, r);
	session_first_flush(t, s, r);
	s->flags |= SESSION_IN_RECORD;
}

static void
save_oldest_holder(struct session_table *t, const struct session *current)
{
	uint32_t handle = t->holder_oldest;

	if (handle != 0 && &t->session[handle] == current)
		handle = session_attached(t, current)->newer;
	if (handle == 0)
		return;
	COUNTER_ADD(t->counters, evicted_record, 1);
	session_save_final(t, &t->session[handle]);
}

/* Not when a value is added: then chunks of payload may be in flight, and saving another session would let parsers
 * loose on it while they are at work on this one. */
void
session_record_make_room(struct session_table *t, const struct session *current)
{
	for (unsigned i = 0; i < EVICTIONS_MAX && t->held_chunks >= t->held_max; i++)
		save_oldest_holder(t, current);
}

static struct record *
record_of(struct session_table *t, struct session *s)
{
	struct attachment *att = session_attach(t, s);
	struct record *r;

	if (att->record != NULL)
		return att->record;
	r = record_create(t->records);
	if (r == NULL)
		return NULL;
	session_record_fill(t, s, r);
	session_record_put(t, s, r);
	return r;
}

/* By the time it is saved there may be room again: then the record says that something is missing. */
static void
value_is_lost(struct session_table *t, struct session *s)
{
	COUNTER_ADD(t->counters, value_lost, 1);
	session_shed(s, SESSION_NOT_PARSED);
}

static void
added(struct session_table *t, struct session *s, bool ok)
{
	(void)ok; /* record.value_lost has counted it */
	session_record_close(t, s);
}

struct record *
session_record_open(struct session_table *t, struct session *s)
{
	struct record *r = record_of(t, s);

	if (r == NULL)
		value_is_lost(t, s);
	return r;
}

const struct record *
session_record_peek(const struct session_table *t, const struct session *s)
{
	const struct attachment *att = session_attachment(t, s);

	return att != NULL ? att->record : NULL;
}

void
session_record_close(struct session_table *t, struct session *s)
{
	struct attachment *att = session_attached(t, s);

	count_held(t, att);
	if (record_wants_mid_save(att->record))
		s->flags |= SESSION_WANTS_SAVE;
}

void
session_add_int(struct session_table *t, struct session *s, field_id field, int64_t value)
{
	struct record *r = record_of(t, s);

	if (r != NULL)
		added(t, s, record_add_int(t->records, r, field, value));
	else
		value_is_lost(t, s);
}

void
session_add_ip(struct session_table *t, struct session *s, field_id field, const uint8_t address[16])
{
	struct record *r = record_of(t, s);

	if (r != NULL)
		added(t, s, record_add_ip(t->records, r, field, address));
	else
		value_is_lost(t, s);
}

void
session_add_str(struct session_table *t, struct session *s, field_id field, const char *text, size_t size)
{
	struct record *r = record_of(t, s);

	if (r != NULL)
		added(t, s, record_add_str(t->records, r, field, text, size));
	else
		value_is_lost(t, s);
}

void
session_add_tag(struct session_table *t, struct session *s, const char *tag)
{
	session_add_str(t, s, t->fields.tags, tag, strlen(tag));
}
