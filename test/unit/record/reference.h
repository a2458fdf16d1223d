/* Where the specification and the reference records lie, beside the source or beside its worktree. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdio.h>
#include <unistd.h>

static inline bool
reference_path(const char *name, char *out, size_t size)
{
	static const char *const roots[] = {SOURCE_ROOT "/../shared", SOURCE_ROOT "/../../shared"};

	for (unsigned i = 0; i < 2; i++) {
		snprintf(out, size, "%s/%s", roots[i], name);
		if (access(out, R_OK) == 0)
			return true;
	}
	return false;
}

#endif
