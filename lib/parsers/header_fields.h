/* Fields of their own for message headers that the conf names: [headers-email], [headers-http-request],
 * [headers-http-response].
 *
 *   [headers-email]
 *   x-priority=type:integer;unique:true;count:true
 *
 * Threads: made by the parser's create(), read-only afterwards. */
#ifndef HEADER_FIELDS_H
#define HEADER_FIELDS_H

#include "parser.h"

struct header_fields_section {
	const char *section;	       /* "headers-email" */
	const char *group;	       /* "email" */
	const char *field_prefix;      /* "email.header-" */
	const char *expression_prefix; /* "email." */
	const char *alias_prefix;      /* a second expression: "http."; or NULL */
	/* Headers that the parser itself has a field for, lower case, NULL-terminated: the conf cannot have them. */
	const char *const *taken;
};

enum header_field_kind { HEADER_FIELD_STR, HEADER_FIELD_INT, HEADER_FIELD_IP };

struct header_field {
	char *name; /* lower case */
	size_t name_size;
	enum header_field_kind kind;
	unsigned field; /* for the emit calls */
};

struct header_fields;

/* NULL with errno ENOMEM. Lines of the conf that cannot be used are logged and left out. */
struct header_fields *header_fields_create(const struct conf *, struct shrike_setup *,
					   const struct header_fields_section *);
void header_fields_destroy(struct header_fields *); /* accepts NULL */

/* NULL: the conf says nothing of this header. 'name' is lower case. */
const struct header_field *header_fields_find(const struct header_fields *, const void *name, size_t size);

/* The value as the field's type has it; one that is not of this type is left out. */
void header_field_emit(struct shrike_ctx *, const struct header_field *, const void *value, size_t size);

#endif
