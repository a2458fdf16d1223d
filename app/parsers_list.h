/* --parsers: what parsers there are, by which rules they read a session, which fields they fill. */
#ifndef PARSERS_LIST_H
#define PARSERS_LIST_H

#include <stdio.h>

#include "parsing.h"

/* One line a parser, in name order, tab separated: name; rules, separated by ", "; fields, separated by ",". */
void parsers_list(const struct parsers *, FILE *);

#endif
