/* Names of sessions.
 *
 * A handle alone would do for the worker, but others keep it for as long as they like, and by then the handle may
 * belong to another session. A generation in every session would cost 8 bytes of the 192 that one may have; few
 * sessions are ever named. So a name is a place in a table of its own, which knows the session and the generation; the
 * session knows its place, in its attachment. Generations count up over the whole table and never come again. */
#include "session_priv.h"

#include <errno.h>

bool
session_names_init(struct session_names *names, uint32_t max_sessions)
{
	names->bytes = ((size_t)max_sessions + 1) * sizeof(struct name_entry);
	names->entry = vmem_reserve(names->bytes);
	names->fresh = 1;
	return names->entry != NULL;
}

void
session_names_fini(struct session_names *names)
{
	vmem_release(names->entry, names->bytes);
}

/* There are as many places as sessions. */
static uint32_t
take_place(struct session_names *names)
{
	uint32_t place = names->free_head;

	if (place == 0)
		return names->fresh++;
	names->free_head = names->entry[place].session;
	return place;
}

struct session_name
session_name(struct session_table *t, struct session *s)
{
	struct attachment *att = session_attach(t, s);
	struct session_names *names = &t->names;

	if (att->name == 0) {
		att->name = take_place(names);
		names->entry[att->name] =
			(struct name_entry){.generation = ++names->generation, .session = session_handle(t, s)};
		names->used++;
	}
	return (struct session_name){.generation = names->entry[att->name].generation, .place = att->name};
}

struct session *
session_named(struct session_table *t, struct session_name name)
{
	const struct session_names *names = &t->names;

	if (name.generation == 0 || name.place == 0 || name.place >= names->fresh ||
	    names->entry[name.place].generation != name.generation)
		return NULL;
	return &t->session[names->entry[name.place].session];
}

void
session_unname(struct session_table *t, struct attachment *att)
{
	struct session_names *names = &t->names;

	if (att->name == 0)
		return;
	names->entry[att->name] = (struct name_entry){.session = names->free_head};
	names->free_head = att->name;
	names->used--;
	att->name = 0;
}
