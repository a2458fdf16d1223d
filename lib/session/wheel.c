/* One wheel of 1024 slots of a second.
 *
 * Why one level: timeouts are seconds to minutes, so nearly everything finds its slot; what lies further ahead goes
 * into the last slot and is looked at again every 17 minutes, which costs less than a second level would. A bitmap
 * finds the next occupied slot, so a clock that jumps by years costs no more than the members.
 *
 * A slot that comes up is emptied into the 'pending' list first. Members that are inserted again while it is worked off
 * can then never be met again in the same slot, and the work can stop after any member and go on later. Lists are
 * doubly linked and closed by their own number, so that a member can leave without knowing which list it is in. */
#include "wheel.h"

#include <string.h>

#define LIST_FLAG UINT32_C(0x80000000)

static struct wheel_link *
link_of(const struct wheel *w, uint32_t handle)
{
	return (struct wheel_link *)(void *)((uint8_t *)pool_at(w->pool, handle) + w->link_offset);
}

static bool
is_empty(const struct wheel *w, uint32_t list)
{
	return (w->list[list].first & LIST_FLAG) != 0;
}

static void
mark(struct wheel *w, uint32_t list, bool occupied)
{
	uint64_t bit = UINT64_C(1) << (list % 64);

	if (list >= WHEEL_SLOTS)
		return;
	if (occupied)
		w->occupied[list / 64] |= bit;
	else
		w->occupied[list / 64] &= ~bit;
}

void
wheel_init(struct wheel *w, const struct pool *pool, size_t link_offset)
{
	memset(w, 0, sizeof(*w));
	w->pool = pool;
	w->link_offset = link_offset;
	for (uint32_t i = 0; i < WHEEL_LISTS; i++)
		w->list[i] = (struct wheel_list){.first = LIST_FLAG | i, .last = LIST_FLAG | i};
}

void
wheel_reset(struct wheel *w)
{
	w->taken_s = 0;
	w->clock_s = 0;
}

void
wheel_insert(struct wheel *w, uint32_t handle, uint64_t due_s)
{
	uint64_t last_s = w->clock_s + WHEEL_SLOTS - 1;
	uint64_t slot_s = due_s <= w->clock_s ? w->clock_s + 1 : due_s;
	uint32_t list = (uint32_t)((slot_s < last_s ? slot_s : last_s) % WHEEL_SLOTS);
	struct wheel_link *link = link_of(w, handle);
	uint32_t last = w->list[list].last;

	link->prev = last;
	link->next = LIST_FLAG | list;
	if ((last & LIST_FLAG) != 0) {
		w->list[list].first = handle;
		mark(w, list, true);
	} else {
		link_of(w, last)->next = handle;
	}
	w->list[list].last = handle;
}

void
wheel_remove(struct wheel *w, uint32_t handle)
{
	struct wheel_link *link = link_of(w, handle);

	if ((link->prev & LIST_FLAG) != 0)
		w->list[link->prev & ~LIST_FLAG].first = link->next;
	else
		link_of(w, link->prev)->next = link->next;
	if ((link->next & LIST_FLAG) != 0)
		w->list[link->next & ~LIST_FLAG].last = link->prev;
	else
		link_of(w, link->next)->prev = link->prev;
	if ((link->prev & link->next & LIST_FLAG) != 0)
		mark(w, link->prev & ~LIST_FLAG, false);
	link->prev = link->next = 0;
}

/* How many seconds after 'from_s', at most 'span', the next occupied slot lies; 0: there is none. */
static uint64_t
next_occupied(const struct wheel *w, uint64_t from_s, uint64_t span)
{
	for (uint64_t ahead = 1; ahead <= span;) {
		uint32_t slot = (uint32_t)((from_s + ahead) % WHEEL_SLOTS);
		uint64_t bits = w->occupied[slot / 64] >> (slot % 64);

		if (bits != 0) {
			ahead += (uint64_t)__builtin_ctzll(bits);
			return ahead <= span ? ahead : 0;
		}
		ahead += 64 - slot % 64;
	}
	return 0;
}

/* The pending list is empty: all of a slot becomes it. */
static void
slot_to_pending(struct wheel *w, uint32_t slot)
{
	struct wheel_list members = w->list[slot];

	link_of(w, members.first)->prev = LIST_FLAG | WHEEL_LIST_PENDING;
	link_of(w, members.last)->next = LIST_FLAG | WHEEL_LIST_PENDING;
	w->list[WHEEL_LIST_PENDING] = members;
	w->list[slot] = (struct wheel_list){.first = LIST_FLAG | slot, .last = LIST_FLAG | slot};
	mark(w, slot, false);
}

uint32_t
wheel_take(struct wheel *w, uint64_t clock_s)
{
	uint64_t span, ahead;
	uint32_t handle;

	if (clock_s > w->clock_s)
		w->clock_s = clock_s;
	while (is_empty(w, WHEEL_LIST_PENDING)) {
		/* Once around is enough: that is every slot. */
		if (w->clock_s - w->taken_s > WHEEL_SLOTS)
			w->taken_s = w->clock_s - WHEEL_SLOTS;
		span = w->clock_s - w->taken_s;
		ahead = next_occupied(w, w->taken_s, span);
		if (ahead == 0) {
			w->taken_s = w->clock_s;
			return 0;
		}
		w->taken_s += ahead;
		slot_to_pending(w, (uint32_t)(w->taken_s % WHEEL_SLOTS));
	}
	handle = w->list[WHEEL_LIST_PENDING].first;
	wheel_remove(w, handle);
	return handle;
}

void
wheel_put_back(struct wheel *w, uint32_t handle)
{
	struct wheel_list *pending = &w->list[WHEEL_LIST_PENDING];
	struct wheel_link *link = link_of(w, handle);

	link->prev = LIST_FLAG | WHEEL_LIST_PENDING;
	link->next = pending->first;
	if ((pending->first & LIST_FLAG) != 0)
		pending->last = handle;
	else
		link_of(w, pending->first)->prev = handle;
	pending->first = handle;
}

uint32_t
wheel_peek(const struct wheel *w, uint64_t *slot_s)
{
	uint64_t from_s = *slot_s > w->taken_s ? *slot_s : w->taken_s;
	uint64_t end_s = w->taken_s + WHEEL_SLOTS;
	uint64_t ahead;

	if (*slot_s == 0 && !is_empty(w, WHEEL_LIST_PENDING)) {
		*slot_s = w->taken_s;
		return w->list[WHEEL_LIST_PENDING].first;
	}
	ahead = from_s < end_s ? next_occupied(w, from_s, end_s - from_s) : 0;
	if (ahead == 0)
		return 0;
	*slot_s = from_s + ahead;
	return w->list[*slot_s % WHEEL_SLOTS].first;
}

uint32_t
wheel_next(const struct wheel *w, uint32_t handle)
{
	uint32_t next = link_of(w, handle)->next;

	return (next & LIST_FLAG) == 0 ? next : 0;
}
