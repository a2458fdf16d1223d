/* disableParsers: names that are not decoded and not parsed. Both lib/packet and lib/parsers ask.
 *
 * Threads: read-only after conf_fill(). */
#ifndef DISABLED_H
#define DISABLED_H

#include "conf.h"

struct disabled_names {
	struct conf_list list; /* "arp.so" */
};
extern const struct setting_group disabled_settings_group;

/* 'name' without ".so"; NULL is never disabled. */
bool name_is_disabled(const struct disabled_names *, const char *name);

#endif
