/* Files: directories, names, opening, preallocation, closing. The only code of the writer that touches the file system
 * besides the writes themselves.
 *
 * Growing an O_DIRECT file write by write makes each of them synchronous inside the kernel, so a file that has shown
 * that it grows is preallocated ahead in steps; what is too much goes at the final truncation. Small files never get
 * there. The size seen by others stays that of what was written (FALLOC_FL_KEEP_SIZE): after a crash the file must not
 * end in zeroes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "writer_priv.h"

enum { ROUND_ROBIN, MAX_FREE_PERCENT, MAX_FREE_BYTES }; /* the order of the setting's words */

enum {
	GROWS_BYTES = 16 << 20, /* a file this long gets preallocated */
	STEP_BYTES = 256 << 20, /* so much ahead */
	PROBE_BYTES = 4 << 20,	/* must be free before storing begins again after a write error */
	TEMPLATE_BYTES = 512,
};

/* mkdir -p. 'path' is changed and changed back. */
static int
make_directories(char *path, mode_t mode)
{
	int error;

	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		error = mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
		/* Above a mount point of another owner mkdir() may fail otherwise than with EEXIST. */
		if (error != 0 && access(path, F_OK) == 0)
			error = 0;
		*p = c;
		if (error != 0)
			return error;
		if (c == '\0')
			return 0;
	}
}

static mode_t
directory_mode(const struct writer *w)
{
	return w->conf->live ? 0770 : 0777;
}

static bool
directory_add(struct writer *w, const char *item, char *why, size_t why_size)
{
	char path[PATH_MAX], *absolute = NULL;
	struct stat st;
	int error;

	if (snprintf(path, sizeof(path), "%s", item) >= (int)sizeof(path) || path[0] == '\0') {
		snprintf(why, why_size, "pcapDir: \"%s\" is no name for a directory", item);
		return false;
	}
	error = make_directories(path, directory_mode(w));
	if (error == 0) {
		absolute = realpath(path, NULL);
		if (absolute == NULL)
			error = -errno;
		else if (stat(absolute, &st) != 0 || !S_ISDIR(st.st_mode))
			error = -ENOTDIR;
		else if (access(absolute, W_OK | X_OK) != 0)
			error = -errno;
	}
	if (error != 0) {
		snprintf(why, why_size, "pcapDir: cannot write to %s: %s; create it for this user, or set pcapDir",
			 item, strerror(-error));
		free(absolute);
		return false;
	}
	w->directory[w->n_directories++] = absolute;
	return true;
}

bool
writer_directories_create(struct writer *w, char *why, size_t why_size)
{
	const struct writer_conf *conf = w->conf;
	const char *template = conf->directory_template;

	if (template != NULL && template[0] != '\0' && template[0] != '/') {
		snprintf(why, why_size, "pcapDirTemplate: \"%s\" must begin with /", template);
		return false;
	}
	if (conf->node == NULL || conf->node[0] == '\0' || strchr(conf->node, '/') != NULL) {
		snprintf(why, why_size, "the node's name \"%s\" cannot be part of a file name; use -n",
			 conf->node != NULL ? conf->node : "");
		return false;
	}
	if (conf->directories.n == 0) {
		snprintf(why, why_size, "pcapDir is empty: name a directory for the pcap files");
		return false;
	}
	w->directory = calloc(conf->directories.n, sizeof(char *));
	if (w->directory == NULL) {
		snprintf(why, why_size, "not enough memory");
		return false;
	}
	for (unsigned i = 0; i < conf->directories.n; i++)
		if (!directory_add(w, conf->directories.item[i], why, why_size))
			return false;
	return true;
}

void
writer_directories_destroy(struct writer *w)
{
	for (unsigned i = 0; i < w->n_directories; i++)
		free(w->directory[i]);
	free(w->directory);
}

static double
free_space(const char *directory, bool percent)
{
	struct statvfs v;

	if (statvfs(directory, &v) != 0 || v.f_blocks == 0)
		return 0;
	return percent ? (double)v.f_bavail / (double)v.f_blocks : (double)v.f_bavail * (double)v.f_frsize;
}

static const char *
choose_directory(struct writer *w)
{
	bool percent = w->conf->directory_algorithm == MAX_FREE_PERCENT;
	unsigned best = 0;
	double best_free = -1;

	if (w->conf->directory_algorithm == ROUND_ROBIN || w->n_directories == 1) {
		best = w->next_directory;
		w->next_directory = (best + 1) % w->n_directories;
		return w->directory[best];
	}
	for (unsigned i = 0; i < w->n_directories; i++) {
		double space = free_space(w->directory[i], percent);

		if (space > best_free) {
			best_free = space;
			best = i;
		}
	}
	return w->directory[best];
}

/* <pcapDir>[template]/<node>-YYMMDD-NNNNNNNN.pcap, local time of the first packet (RECORD.md 3.1). The directories of
 * the template are made. */
static int
make_name(struct writer *w, const struct writer_file *f, char name[PATH_MAX])
{
	const char *template = w->conf->directory_template;
	char extra[TEMPLATE_BYTES] = "", date[16];
	time_t seconds = (time_t)(f->first_ns / NS_PER_S);
	struct tm tm;
	int n, error;

	localtime_r(&seconds, &tm);
	snprintf(date, sizeof(date), "%02u%02u%02u", (unsigned)tm.tm_year % 100, ((unsigned)tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100);
	if (template != NULL && template[0] != '\0') {
/* The format is the user's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (strftime(extra, sizeof(extra), template, &tm) == 0)
			return -ENAMETOOLONG;
#pragma GCC diagnostic pop
	}
	n = snprintf(name, PATH_MAX, "%s%s", choose_directory(w), extra);
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	error = make_directories(name, directory_mode(w));
	if (error != 0)
		return error;
	if (snprintf(name + n, (size_t)(PATH_MAX - n), "/%s-%s-%08u.pcap", w->conf->node, date, f->number) >=
	    PATH_MAX - n)
		return -ENAMETOOLONG;
	return 0;
}

static int
open_new(struct writer *w, const char *name)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOATIME | O_CLOEXEC;
	mode_t mode = w->conf->live ? 0660 : 0666;
	int fd;

	if (unlink(name) != 0 && errno != ENOENT)
		return -errno;
	fd = open(name, flags | (w->direct ? O_DIRECT : 0), mode);
	if (fd < 0 && errno == EINVAL && w->direct) {
		LOG_WARN("writer.buffered",
			 "file=\"%s\" effect=\"this file system has no O_DIRECT: written through the page cache\"",
			 name);
		w->direct = false;
		/* Linux creates the file before it refuses the flag. */
		unlink(name);
		fd = open(name, flags, mode);
	}
	if (fd < 0 && errno == EPERM)
		fd = open(name, (flags & ~O_NOATIME) | (w->direct ? O_DIRECT : 0), mode);
	return fd >= 0 ? fd : -errno;
}

/* Room for a few blocks must be there before a try after a write error counts as good: a disk that is full still lets
 * files be created, and each would get a document. */
static int
probe_space(int fd)
{
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PROBE_BYTES) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return -errno;
}

/* Sets f->name in any case where there is one, for the log. */
int
writer_file_create(struct writer *w, struct writer_file *f)
{
	char name[PATH_MAX] = "";
	int error = make_name(w, f, name), fd;

	free(f->name);
	f->name = strdup(name);
	if (error != 0 || f->name == NULL)
		return error != 0 ? error : -ENOMEM;
	fd = open_new(w, name);
	if (fd < 0)
		return fd;
	error = f->probe ? probe_space(fd) : 0;
	if (error != 0) {
		close(fd);
		unlink(name);
		return error;
	}
	f->fd = fd;
	return 0;
}

/* Before a write that ends at 'end'. A refusal is no error: if the disk is full, the write will say so. */
void
writer_file_preallocate(struct writer *w, struct writer_file *f, uint64_t end)
{
	uint64_t limit = RTE_ALIGN(w->rotate_bytes, (uint64_t)WRITER_BLOCK_BYTES) + WRITER_BLOCK_BYTES;
	uint64_t from = f->allocated > end ? f->allocated : end, to;

	/* Half a step before it is needed. */
	if (end < GROWS_BYTES || (f->allocated != 0 && end + STEP_BYTES / 2 <= f->allocated) || from >= limit)
		return;
	to = RTE_MIN(from + STEP_BYTES, limit);
	f->allocated = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0 ? to : UINT64_MAX;
}

int
writer_file_finish(struct writer_file *f)
{
	int error = 0;

	if (f->fd < 0)
		return 0;
	if (ftruncate(f->fd, (off_t)f->accounted) != 0)
		error = -errno;
	if (close(f->fd) != 0 && error == 0)
		error = -errno;
	/* Nothing could be written: an empty file is no pcap. */
	if (f->accounted == 0)
		unlink(f->name);
	f->fd = -1;
	return error;
}
