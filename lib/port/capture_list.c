/* Which files to read: -r, -R and -F into one list.
 *
 * Folders are walked by fts(3), which bounds itself: no recursion of ours, no file descriptor a level, and links that
 * lead back are recognised. Names are matched by POSIX expressions; the reference's are PCRE, of which its own default
 * needs only the (?i) in front, so that is taken off and becomes REG_ICASE. */
#include "capture.h"

#include <errno.h>
#include <fts.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
capture_list_add_file(struct capture_list *list, const char *path)
{
	/* Grows whenever the number reaches a power of two. */
	if ((list->n & (list->n - 1)) == 0) {
		size_t room = list->n == 0 ? 1 : 2 * (size_t)list->n;
		char **grown = realloc(list->path, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		list->path = grown;
	}
	list->path[list->n] = strdup(path);
	if (list->path[list->n] == NULL)
		return -ENOMEM;
	list->n++;
	return 0;
}

void
capture_list_free(struct capture_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		free(list->path[i]);
	free(list->path);
	*list = (struct capture_list){0};
}

static int
compile(regex_t *regex, const char *text, char *why, size_t why_size)
{
	int flags = REG_EXTENDED | REG_NOSUB, rc;

	if (text == NULL)
		text = CAPTURE_NAME_REGEX;
	if (strncmp(text, "(?i)", 4) == 0) {
		flags |= REG_ICASE;
		text += 4;
	}
	rc = regcomp(regex, text, flags);
	if (rc == 0)
		return 0;
	regerror(rc, regex, why, why_size);
	return -EINVAL;
}

static int
compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int
unreadable(const char *path, int error, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: %s", path, strerror(error));
	return -error;
}

/* One entry of the walk. */
static int
visit(struct capture_list *list, FTS *fts, FTSENT *entry, const regex_t *regex, bool recursive, char *why,
      size_t why_size)
{
	bool inside = entry->fts_level > FTS_ROOTLEVEL;

	switch (entry->fts_info) {
	case FTS_D:
		if (inside && (!recursive || entry->fts_name[0] == '.'))
			fts_set(fts, entry, FTS_SKIP);
		return 0;
	case FTS_DNR:
	case FTS_ERR:
		return unreadable(entry->fts_path, entry->fts_errno, why, why_size);
	case FTS_NS:
		/* Gone since its folder was read. */
		return inside ? 0 : unreadable(entry->fts_path, entry->fts_errno, why, why_size);
	case FTS_F:
	case FTS_DEFAULT: /* a FIFO */
		if (!inside)
			return unreadable(entry->fts_path, ENOTDIR, why, why_size);
		if (entry->fts_name[0] == '.' || regexec(regex, entry->fts_name, 0, NULL, 0) != 0)
			return 0;
		return capture_list_add_file(list, entry->fts_path);
	default:
		return 0;
	}
}

static int
walk(struct capture_list *list, const char *path, const regex_t *regex, bool recursive, bool sorted, char *why,
     size_t why_size)
{
	/* fts wants to write into its argument list, not into the path. */
	char *root = strdup(path), *roots[] = {root, NULL};
	FTS *fts = root != NULL ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, sorted ? compare_names : NULL) : NULL;
	int rc = fts == NULL ? unreadable(path, errno, why, why_size) : 0;
	FTSENT *entry;

	while (rc == 0 && (entry = fts_read(fts)) != NULL)
		rc = visit(list, fts, entry, regex, recursive, why, why_size);
	if (fts != NULL)
		fts_close(fts);
	free(root);
	return rc;
}

int
capture_list_add_folder(struct capture_list *list, const char *path, const char *name_regex, bool recursive,
			bool sorted, char *why, size_t why_size)
{
	unsigned before = list->n;
	regex_t regex;
	int rc;

	if (path[0] == '\0') /* fts would take it for the current folder */
		return unreadable("\"\"", ENOENT, why, why_size);
	rc = compile(&regex, name_regex, why, why_size);
	if (rc != 0)
		return rc;
	rc = walk(list, path, &regex, recursive, sorted, why, why_size);
	regfree(&regex);
	if (rc == 0 && list->n == before) {
		snprintf(why, why_size, "%s: no capture in this folder%s", path, recursive ? " or below it" : "");
		rc = -ENOENT;
	}
	return rc;
}

int
capture_list_add_list(struct capture_list *list, const char *list_path, char *why, size_t why_size)
{
	bool standard_input = strcmp(list_path, "-") == 0;
	FILE *file = standard_input ? stdin : fopen(list_path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int rc = 0;

	if (file == NULL)
		return unreadable(list_path, errno, why, why_size);
	while (rc == 0 && (length = getline(&line, &room, file)) >= 0) {
		while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
			line[--length] = '\0';
		if (length > 0)
			rc = capture_list_add_file(list, line);
	}
	if (rc == 0 && ferror(file))
		rc = unreadable(list_path, EIO, why, why_size);
	free(line);
	if (!standard_input)
		fclose(file);
	return rc;
}
