/* What the tests need of the counters beyond counters.h. */
#ifndef COUNTERS_PRIV_H
#define COUNTERS_PRIV_H

#include "counters.h"

/* counters_validate() for any list. */
bool counters_validate_list(const struct counter *const *list, unsigned n);

#endif
