/* Parsers from .so files: every *.so of the folders of parsersDir.
 *
 * Threads: start and end of the process only. Ownership: what a .so defines lives as long as the process. */
#ifndef LOAD_PRIV_H
#define LOAD_PRIV_H

#include "parser.h"

struct loaded;

/* Folders in the order of the setting, files of each by name (strcmp). Files without shrike_parser_init(), of which
 * another program's folder is full, are passed over with a warning for the folder; so is a folder that is not there,
 * when the user named it. NULL, and what is wrong in the log, with errno: a .so of ours that cannot be loaded
 * or offers nothing (ELIBBAD), of another SHRIKE_API (EPROTO), too many (E2BIG), or no memory. */
struct loaded *load_parsers(const struct conf *);
void load_unload(struct loaded *); /* accepts NULL */

/* In the order of loading; several may have one name, and then the first counts, over the built-in one too. */
unsigned load_count(const struct loaded *);
const struct shrike_plugin *load_plugin(const struct loaded *, unsigned i);
const char *load_path(const struct loaded *, unsigned i);

#endif
