/* Folders: mkdir -p, for a path's parents. Folders that others make at the same time are fine. */
#include "paths_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int
paths_make_parents(const char *path)
{
	char folder[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 1; i < length; i++) {
		if (path[i] != '/')
			continue;
		memcpy(folder, path, i);
		folder[i] = '\0';
		if (mkdir(folder, 0755) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -1; /* EROFS, EACCES: it may be there, open() will tell */
	}
	return 0;
}
