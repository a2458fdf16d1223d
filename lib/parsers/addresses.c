/* One pass, without the grammar: comments stay where they are, quoted display names may hold commas. What is wrong in
 * an address may be what one looks for, so nothing is refused. */

#include "addresses.h"

static bool
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
skip_blanks(struct cursor *text)
{
	while (is_blank(cursor_peek(text, 0)))
		cursor_skip(text, 1);
}

/* What comes before 'stop', or all of it; 'stop' is consumed. */
static struct cursor
up_to(struct cursor *text, uint8_t stop)
{
	if (memchr(text->p, stop, cursor_left(text)) != NULL)
		return cursor_until(text, stop);
	return cursor_sub(text, cursor_left(text));
}

bool
address_next(struct cursor *list, struct cursor *address)
{
	struct cursor rest;

	if (cursor_left(list) == 0)
		return false;
	skip_blanks(list);
	if (cursor_peek(list, 0) == '"') {
		cursor_skip(list, 1);
		(void)up_to(list, '"');
		skip_blanks(list);
	}
	rest = *list;
	*address = up_to(&rest, ',');
	if (memchr(address->p, '<', cursor_left(address)) != NULL) {
		(void)up_to(list, '<');
		*address = up_to(list, '>');
		(void)up_to(list, ',');
	} else {
		*list = rest;
	}
	return true;
}
