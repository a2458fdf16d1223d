/* Captures that the store knows already: --skip and --reprocess. Control thread. */
#ifndef KNOWN_H
#define KNOWN_H

#include "options.h"

struct sensor;

struct known_file {
	char *name; /* absolute path */
	uint32_t number;
};

struct known_files {
	struct known_file *file; /* by name; of one name the newest number comes last */
	unsigned n, room;
};

/* Reads the list when an option needs it, and applies it: --skip takes known captures off the list of files,
 * --reprocess refuses those that are not known. */
enum exit_code known_apply(struct sensor *);

/* The newest number of this name; 0: not known. */
uint32_t known_number(const struct known_files *, const char *absolute);

void known_free(struct known_files *);

#endif
