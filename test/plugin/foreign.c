/* A parser of another program: it does not know us, and nobody may run its constructor. */
#include <stdlib.h>

void other_parser_init(void);

__attribute__((constructor)) static void
say(void)
{
	setenv("SHRIKE_TEST_FOREIGN_WAS_OPENED", "1", 1);
}

void
other_parser_init(void)
{
}
