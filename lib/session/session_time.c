/* When sessions end.
 *
 * The clock is the greatest packet time before this packet (DESIGN 2), in whole seconds, and all comparisons are
 * strict, as the reference's: a session is over when its last second + timeout < clock. "Last" is the second of its
 * last packet or, if that packet came late, the clock it came at. Otherwise a flow whose stamps lie in the past (two
 * captures joined into one file) would be over again after each of its packets. For packets in order the two are the
 * same.
 *
 * A session can only become due later, but for being closed or starting to be mid-saved; so it is put into the wheel of
 * its type once and looked at when its slot comes up. One wheel per type, since the limits of maxStreams are per type
 * and need the one that has been idle longest.
 *
 * Closing goes before idle, idle before a mid-save by time: decided session by session, which gives the same records
 * as the reference's three queues. A session that is closing leaves its idle and mid-save timers. */
#include "session_priv.h"

#include <rte_branch_prediction.h>

COUNTER(saved_closed, "session.closed", "TCP sessions that ended with FIN or RST", LEDGER_NONE, LEDGER_OUT);
COUNTER(saved_idle, "session.timed_out", "sessions that ended because nothing more came", LEDGER_NONE, LEDGER_OUT);

enum {
	EXAMINED_PER_SAVE = 8, /* sessions that live on count as an eighth of a save: bounded work per call */
	SAVES_AHEAD = 5,
	FLUSH_ORDER_SESSIONS = 4096,
	FLUSH_ORDER_LOOK = 64,
	EVICT_TRIES = 64,
	EVICT_TRIES_PER_SLOT = 4,
};

static uint64_t
active_s(const struct session_table *t, const struct session *s)
{
	uint64_t last_s = seconds_of(s->last_ns);

	if (unlikely((s->flags & SESSION_LATE) != 0)) {
		const struct attachment *att = session_attached(t, s);

		return att->active_s > last_s ? att->active_s : last_s;
	}
	return last_s;
}

static uint64_t
idle_due_s(const struct session_table *t, const struct session *s)
{
	return active_s(t, s) + t->protocol[s->key.protocol].timeout_s + 1;
}

/* 32 bits of seconds are kept; 'near_s' says which 2^32 they are of. */
static uint64_t
widen(uint32_t low_s, uint64_t near_s)
{
	return near_s + (uint64_t)(int64_t)(int32_t)(low_s - (uint32_t)near_s);
}

static uint64_t
closing_due_s(const struct session_table *t, const struct session *s)
{
	return widen(session_start_of(t, s)->close_s, active_s(t, s)) + t->conf->tcp_closing_timeout_s + 1;
}

static uint64_t
save_due_s(const struct session_table *t, const struct session *s)
{
	uint64_t first_s;

	if ((s->flags & SESSION_LINKED) != 0)
		return widen(session_attached(t, s)->save_s, active_s(t, s)) + 1;
	first_s = seconds_of(session_start_of(t, s)->first_ns);
	return first_s + t->conf->tcp_save_timeout_s + 1;
}

static uint64_t
due_s(const struct session_table *t, const struct session *s)
{
	uint64_t idle_s, save_s;

	if ((s->flags & SESSION_CLOSING) != 0)
		return closing_due_s(t, s);
	idle_s = idle_due_s(t, s);
	if ((s->flags & TCP_TIMED) == 0)
		return idle_s;
	save_s = save_due_s(t, s);
	return save_s < idle_s ? save_s : idle_s;
}

bool
session_is_over(const struct session_table *t, const struct session *s, uint64_t clock_s)
{
	return clock_s >= ((s->flags & SESSION_CLOSING) != 0 ? closing_due_s(t, s) : idle_due_s(t, s));
}

bool
session_is_save_due(const struct session_table *t, const struct session *s, uint64_t clock_s)
{
	return (s->flags & (TCP_TIMED | SESSION_CLOSING)) == TCP_TIMED && clock_s >= save_due_s(t, s);
}

void
session_timer_start(struct session_table *t, struct session *s)
{
	wheel_insert(&t->wheel[session_type_of(t, s)], session_handle(t, s), due_s(t, s));
}

void
session_timer_stop(struct session_table *t, struct session *s)
{
	wheel_remove(&t->wheel[session_type_of(t, s)], session_handle(t, s));
}

void
session_note_late(struct session_table *t, struct session *s, const struct packet *p)
{
	uint64_t clock_s = seconds_of(p->clock_ns);
	struct attachment *att;

	if (seconds_of(p->time_ns) >= clock_s)
		return;
	att = session_attach(t, s);
	if (att->active_s < clock_s)
		att->active_s = clock_s;
	s->flags |= SESSION_LATE;
}

void
session_mark_closing(struct session_table *t, struct session *s)
{
	if ((s->flags & SESSION_CLOSING) != 0)
		return;
	s->flags |= SESSION_CLOSING;
	t->n_closing++;
	session_start_of(t, s)->close_s = (uint32_t)active_s(t, s);
	session_timer_stop(t, s);
	session_timer_start(t, s);
}

/* Taken out of its wheel, and saved or put back. Returns the work it was. */
static unsigned
examine(struct session_table *t, struct session *s, uint64_t clock_s)
{
	if (session_is_over(t, s, clock_s)) {
		if ((s->flags & SESSION_CLOSING) != 0)
			COUNTER_ADD(t->counters, saved_closed, 1);
		else
			COUNTER_ADD(t->counters, saved_idle, 1);
		session_timer_start(t, s);
		session_save_final(t, s);
		return EXAMINED_PER_SAVE;
	}
	if (!session_is_save_due(t, s, clock_s)) {
		session_timer_start(t, s);
		return 1;
	}
	session_save_mid(t, s, clock_s);
	session_timer_start(t, s);
	return EXAMINED_PER_SAVE;
}

static void
prefetch_record(const struct session_table *t, const struct session *s)
{
	const struct attachment *att = session_attachment(t, s);

	for (unsigned at = 0; att != NULL && att->record != NULL && at < RECORD_CHUNK_BYTES; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const uint8_t *)att->record + at);
	position_prefetch(&t->positions, &s->positions);
}

static void
prefetch_parts(const struct session_table *t, const struct session *s)
{
	const struct attachment *att = session_attachment(t, s);

	rte_prefetch0(session_start_of(t, s));
	rte_prefetch0(position_last(&t->positions, &s->positions));
	rte_prefetch0(buckets_first(&t->buckets, flow_key_hash(&s->key, t->secret)));
	for (unsigned at = 0; att != NULL && at < sizeof(*att); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const uint8_t *)att + at);
}

static void
prefetch_slot(const struct session_table *t, const struct session *s, unsigned step)
{
	const struct attachment *att = session_attachment(t, s);

	if (t->prefetch_slot != NULL && att != NULL && att->slot != NULL)
		t->prefetch_slot(att->slot, step);
}

/* Sessions that end together lie anywhere in memory. While one is saved, the lines come of the fifth after it; of those
 * before that one what hangs on lines that are here by now, step by step to what a parser keeps of the next. */
static void
prefetch_saves(const struct session_table *t, const struct wheel *w, uint32_t next)
{
	const struct session *ahead[SAVES_AHEAD];
	unsigned n = 0;

	while (next != 0) {
		ahead[n++] = &t->session[next];
		if (n == SAVES_AHEAD)
			break; /* whose link is not here yet */
		next = wheel_next(w, next);
	}
	if (n > 0)
		prefetch_slot(t, ahead[0], 2);
	if (n > 1) {
		prefetch_record(t, ahead[1]);
		prefetch_slot(t, ahead[1], 1);
	}
	if (n > 2)
		prefetch_slot(t, ahead[2], 0);
	if (n > 3)
		prefetch_parts(t, ahead[3]);
	if (n > 4) {
		rte_prefetch0(ahead[4]);
		rte_prefetch0(ahead[4]->bytes);
	}
}

bool
session_expire(struct session_table *t, uint64_t clock_ns, unsigned max)
{
	uint64_t clock_s = seconds_of(clock_ns);
	uint64_t budget = (uint64_t)max * EXAMINED_PER_SAVE;

	if (clock_ns < t->expired_until_ns)
		return true;
	t->wall_ns = 0;
	for (unsigned type = 0; type < SESSION_TYPES; type++) {
		struct wheel *w = &t->wheel[type];
		uint32_t handle;

		while ((handle = wheel_take(w, clock_s)) != 0) {
			struct session *s = &t->session[handle];
			unsigned work;

			if (budget == 0 || !session_save_room(t, s)) {
				wheel_put_back(w, handle);
				return false;
			}
			prefetch_saves(t, w, wheel_pending(w));
			work = examine(t, s, clock_s);
			budget = budget > work ? budget - work : 0;
		}
	}
	t->expired_until_ns = (clock_s + 1) * NS_PER_S;
	return true;
}

/* Of the members of a slot the one whose last packet came first, as the reference's queues have it. Only the order of
 * the records is at stake, so a large table does without, and not all of a long slot are looked at. */
static uint32_t
first_to_flush(const struct session_table *t, const struct wheel *w, uint32_t handle)
{
	uint32_t first = handle;

	if (t->sessions->used > FLUSH_ORDER_SESSIONS)
		return first;
	for (unsigned i = 0; i < FLUSH_ORDER_LOOK && handle != 0; i++, handle = wheel_next(w, handle))
		if (t->session[handle].last_ns < t->session[first].last_ns)
			first = handle;
	return first;
}

bool
session_flush(struct session_table *t, unsigned max)
{
	t->wall_ns = 0;
	for (unsigned type = 0; type < SESSION_TYPES; type++) {
		uint64_t slot_s = 0;
		uint32_t handle;

		while ((handle = wheel_peek(&t->wheel[type], &slot_s)) != 0) {
			struct session *s = &t->session[first_to_flush(t, &t->wheel[type], handle)];

			if (max-- == 0 || !session_save_room(t, s))
				return false;
			prefetch_saves(t, &t->wheel[type], wheel_next(&t->wheel[type], handle));
			session_save_final(t, s);
			slot_s = 0;
		}
	}
	return true;
}

void
session_clock_reset(struct session_table *t)
{
	t->expired_until_ns = 0;
	for (unsigned type = 0; type < SESSION_TYPES; type++)
		wheel_reset(&t->wheel[type]);
}

/* The wheel's order is nearly that of idleness. What it holds because of a mid-save to come, or has not looked at for
 * long, may be busy: some are passed over, behind the others of their slot. */
bool
session_save_idlest(struct session_table *t, enum session_type type)
{
	struct wheel *w = &t->wheel[type];
	struct session *idlest = NULL;
	unsigned tries = 0;
	uint64_t slot_s = 0;

	while (tries < EVICT_TRIES) {
		uint64_t before_s = slot_s;
		uint32_t handle = wheel_peek(w, &slot_s);

		if (handle == 0)
			break;
		for (unsigned i = 0; i < EVICT_TRIES_PER_SLOT && tries < EVICT_TRIES; i++, tries++) {
			struct session *s = &t->session[handle];
			uint64_t at_s = before_s;

			if (idlest == NULL || active_s(t, s) < active_s(t, idlest))
				idlest = s;
			if (idle_due_s(t, s) <= slot_s || (s->flags & SESSION_CLOSING) != 0) {
				session_save_final(t, s);
				return true;
			}
			wheel_remove(w, handle);
			session_timer_start(t, s);
			handle = wheel_peek(w, &at_s);
			if (handle == 0 || at_s != slot_s)
				break;
		}
	}
	if (idlest == NULL)
		return false;
	session_save_final(t, idlest);
	return true;
}
