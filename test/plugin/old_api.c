/* What a .so looks like that was built for another version of parser.h. */
#include <shrike/parser.h>

const struct shrike_plugin *shrike_parser_init(void);

const struct shrike_plugin *
shrike_parser_init(void)
{
	static const struct shrike_plugin plugin = {.api = SHRIKE_API + 1, .name = "old_api"};

	return &plugin;
}
