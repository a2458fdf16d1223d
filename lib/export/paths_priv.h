/* Folders for the files that sinks write. */
#ifndef PATHS_PRIV_H
#define PATHS_PRIV_H

/* Makes the folders above 'path' that are missing (0755 less the umask). Returns 0 or -1 with errno. Any thread. */
int paths_make_parents(const char *path);

#endif
