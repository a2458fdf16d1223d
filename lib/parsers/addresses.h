/* Lists of mail addresses as headers have them (RFC 5322 3.4). */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include "cursor.h"

/* Takes the next address off the list: what is inside <> if it has a display name, else all up to the comma, without
 * the blanks before it; it may be empty. False: the list is at its end. */
bool address_next(struct cursor *list, struct cursor *address);

#endif
