/* A .so of ours that cannot be loaded: it wants a function that nobody has. */
#include <shrike/parser.h>

void function_of_nobody(void);
const struct shrike_plugin *shrike_parser_init(void);

const struct shrike_plugin *
shrike_parser_init(void)
{
	function_of_nobody();
	return NULL;
}
