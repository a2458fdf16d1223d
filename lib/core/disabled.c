/* Names are those of the reference's parser files, with or without their ".so". */
#include "disabled.h"

#include <string.h>

static const struct setting disabled_settings[] = {
	SETTING_LIST(struct disabled_names, list, "disableParsers", "arp.so",
		     "protocols not to decode or parse, as NAME.so"),
};
SETTINGS(disabled, "Protocols", disabled_settings);

bool
name_is_disabled(const struct disabled_names *disabled, const char *name)
{
	size_t length = name != NULL ? strlen(name) : 0;

	for (unsigned i = 0; name != NULL && i < disabled->list.n; i++) {
		const char *item = disabled->list.item[i];

		if (strncmp(item, name, length) == 0 && (item[length] == '\0' || strcmp(&item[length], ".so") == 0))
			return true;
	}
	return false;
}
