/* The sink "ndjson": documents as lines of a file, of standard output, or of --records FILE.
 *
 * A batch is one write(2). A regular file is locked (flock) for it, so that several processes may append to one file
 * and every line stays whole: what a full disk cut short is truncated away again before the lock is released and the
 * batch is offered again later; what a killed process left half written is cut off by the next one that opens the file.
 * Such a line was never acknowledged.
 *
 * Rotation renames the file to FILE.YYYYMMDD-HHMMSS (UTC), with -1, -2, ... when that exists; the name FILE always is
 * the file being written. With ndjsonCompression=zstd a renamed file then becomes a .zst (ndjson_compress.c). A process
 * that finds FILE to be another file than the one it has open (another process or logrotate renamed it) opens it anew.
 * Standard output, pipes, devices and --records files are never rotated;
 * --records begins with an empty file, for it is the output of one run.
 *
 * A pipe that nobody reads any more will take nothing ever again: what is not written then is rejected, counted and
 * logged, and the other sinks go on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "export.h"
#include "log.h"
#include "ndjson_compress.h"
#include "paths_priv.h"

struct ndjson_conf {
	const char *path;
	uint32_t max_size_mib, max_time_min;
	int compression; /* enum ndjson_compression */
};

enum ndjson_compression { NDJSON_PLAIN, NDJSON_ZSTD };
static const char *const compression_words[] = {"none", "zstd", NULL};

static const struct setting ndjson_settings[] = {
	SETTING_STR(struct ndjson_conf, path, "ndjsonFile", "/var/lib/shrike/sessions.ndjson",
		    "file of the sink ndjson; - is standard output"),
	SETTING_U32(struct ndjson_conf, max_size_mib, "ndjsonMaxSizeM", 1024, 0, 1048576, "MiB",
		    "size at which a new ndjson file is begun; 0: never"),
	SETTING_U32(struct ndjson_conf, max_time_min, "ndjsonMaxTimeM", 0, 0, 525600, "minutes",
		    "age at which a new ndjson file is begun; 0: never"),
	SETTING_ENUM(struct ndjson_conf, compression, "ndjsonCompression", "none", compression_words,
		     "what becomes of a file that was rotated: none, zstd (FILE.STAMP.zst)"),
};
SETTINGS(ndjson, "The sink ndjson", ndjson_settings);

COUNTER(ndjson_acknowledged, "sink.ndjson.acknowledged", "documents written to ndjson files", LEDGER_NONE, LEDGER_OUT);
COUNTER(ndjson_rejected, "sink.ndjson.rejected", "documents not written because nobody reads the pipe any more",
	LEDGER_NONE, LEDGER_OUT);

enum { NAMES_TRIED_MAX = 10000, TAIL_STEP_BYTES = 65536 };

struct ndjson {
	struct ndjson_conf conf;
	const char *path;
	int fd;
	bool is_standard_output;
	bool is_regular;
	bool is_closed;			  /* the reader of the pipe has gone */
	struct ndjson_compress *compress; /* NULL: rotated files stay as they are */
	uint64_t begun_ns;
	/* A pipe that took a part of a batch gets the rest: how much of which batch. */
	uint64_t part_sequence;
	size_t part_bytes;
};

static bool
is_rotated(const struct ndjson *n)
{
	return n->is_regular && (n->conf.max_size_mib > 0 || n->conf.max_time_min > 0);
}

/* Where the last whole line ends. Returns the offset, or -1 with errno. */
static off_t
last_line_end(int fd, off_t size)
{
	char text[TAIL_STEP_BYTES];

	while (size > 0) {
		size_t step = size < (off_t)sizeof(text) ? (size_t)size : sizeof(text);
		ssize_t n = pread(fd, text, step, size - (off_t)step);
		const char *newline;

		if (n != (ssize_t)step) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		newline = memrchr(text, '\n', step);
		if (newline != NULL)
			return size - (off_t)step + (newline - text) + 1;
		size -= (off_t)step;
	}
	return 0;
}

/* With the lock held: only a dead process can have left a part of a line. */
static int
cut_partial_line(const struct ndjson *n)
{
	struct stat st;
	off_t end;

	if (fstat(n->fd, &st) != 0)
		return -errno;
	end = last_line_end(n->fd, st.st_size);
	if (end < 0)
		return -errno;
	if (end == st.st_size)
		return 0;
	LOG_WARN("ndjson.partial_line", "file=\"%s\" bytes=%jd cut=\"a process ended while it wrote this line\"",
		 n->path, (intmax_t)(st.st_size - end));
	return ftruncate(n->fd, end) == 0 ? 0 : -errno;
}

static int
open_path(struct ndjson *n, bool truncate)
{
	struct stat st;
	int rc = 0;

	n->fd = open(n->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (truncate ? O_TRUNC : 0), 0644);
	if (n->fd < 0 && errno == EACCES) /* a device or pipe that only takes */
		n->fd = open(n->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (n->fd < 0)
		return -errno;
	if (fstat(n->fd, &st) != 0)
		return -errno;
	n->is_regular = S_ISREG(st.st_mode);
	n->begun_ns = clock_monotonic_ns();
	if (n->is_regular && flock(n->fd, LOCK_EX) == 0) {
		rc = cut_partial_line(n);
		flock(n->fd, LOCK_UN);
	}
	return rc;
}

static void
ndjson_destroy(void *state)
{
	struct ndjson *n = state;

	ndjson_compress_destroy(n->compress);
	if (!n->is_standard_output && n->fd >= 0)
		close(n->fd);
	free(n);
}

static void *
ndjson_create(const struct sink_params *p, char *why, size_t why_size)
{
	struct ndjson *n = calloc(1, sizeof(*n));
	int rc = 0;

	if (n == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	conf_fill(p->conf, &ndjson_settings_group, &n->conf);
	n->path = p->target != NULL ? p->target : n->conf.path;
	if (p->target != NULL)
		n->conf.max_size_mib = n->conf.max_time_min = 0;
	n->is_standard_output = strcmp(n->path, "-") == 0;
	n->fd = STDOUT_FILENO;
	if (!n->is_standard_output)
		rc = paths_make_parents(n->path) == 0 ? open_path(n, p->target != NULL) : -errno;
	if (rc < 0) {
		snprintf(why, why_size, "%s: %s (set %s to a path that can be written)", n->path, strerror(-rc),
			 p->target != NULL ? "--records" : "ndjsonFile");
		free(n);
		return NULL;
	}
	if (p->target == NULL && n->conf.compression == NDJSON_ZSTD && n->is_regular && !n->is_standard_output) {
		n->compress = ndjson_compress_create(n->path);
		if (n->compress == NULL) {
			snprintf(why, why_size, "%s: no memory for zstd", n->path);
			ndjson_destroy(n);
			return NULL;
		}
	}
	return n;
}

/* Opens the path again when it is no longer the file that is open. */
static int
follow_path(struct ndjson *n)
{
	struct stat here, there;

	if (n->fd >= 0 && fstat(n->fd, &here) == 0 && stat(n->path, &there) == 0 && here.st_ino == there.st_ino &&
	    here.st_dev == there.st_dev)
		return 0;
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	return paths_make_parents(n->path) == 0 ? open_path(n, false) : -errno;
}

/* 0, or -errno: the file goes on growing, which is better than losing what belongs there. */
static int
rename_away(const struct ndjson *n)
{
	char name[PATH_MAX], stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	errno = EEXIST;
	for (unsigned i = 0; errno == EEXIST && i < NAMES_TRIED_MAX; i++) {
		int length = i == 0 ? snprintf(name, sizeof(name), "%s.%s", n->path, stamp)
				    : snprintf(name, sizeof(name), "%s.%s-%u", n->path, stamp, i);

		if (length >= (int)sizeof(name))
			errno = ENAMETOOLONG;
		else if (renameat2(AT_FDCWD, n->path, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
			return 0;
	}
	LOG_WARN("ndjson.rotation",
		 "file=\"%s\" error=\"%s\" do=\"allow renames in its folder; the file grows meanwhile\"", n->path,
		 strerror(errno));
	return -errno;
}

static bool
rotation_due(const struct ndjson *n, const struct stat *st)
{
	if (!is_rotated(n) || st->st_size == 0)
		return false;
	if (n->conf.max_size_mib > 0 && (uint64_t)st->st_size >= (uint64_t)n->conf.max_size_mib << 20)
		return true;
	return n->conf.max_time_min > 0 && clock_monotonic_ns() - n->begun_ns >= n->conf.max_time_min * 60 * NS_PER_S;
}

/* True: another file is to be opened. */
static bool
rotate(struct ndjson *n)
{
	if (rename_away(n) < 0)
		return false;
	if (n->compress != NULL)
		ndjson_compress_look(n->compress);
	return true;
}

/* Locks the file that the path names, after a rotation when it is time for one. Others may rename it between any two
 * calls here, so it is looked at again with the lock held. */
static int
lock_current(struct ndjson *n)
{
	for (;;) {
		struct stat here, there;
		int rc = follow_path(n);

		if (rc < 0)
			return rc;
		if (!n->is_regular)
			return 0;
		if (flock(n->fd, LOCK_EX) != 0)
			return -errno;
		if (fstat(n->fd, &here) != 0)
			rc = -errno;
		else if (stat(n->path, &there) != 0 || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
			rc = 1;
		else if (rotation_due(n, &here))
			rc = rotate(n);
		if (rc == 0)
			return 0;
		flock(n->fd, LOCK_UN);
		if (rc < 0)
			return rc;
	}
}

/* Returns how much was written; fewer than 'size' bytes: *error says why. */
static size_t
write_all(int fd, const char *text, size_t size, int *error)
{
	size_t done = 0;

	while (done < size) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, text + done, size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			(void)poll(&p, 1, 1000);
		else if (errno != EINTR) {
			*error = errno;
			break;
		}
	}
	return done;
}

static int
write_regular(struct ndjson *n, const struct export_batch *b)
{
	int rc = lock_current(n), error = 0;
	struct stat before;

	if (rc < 0)
		return rc;
	if (!n->is_regular) /* The path has become a pipe or device. */
		return -EAGAIN;
	if (fstat(n->fd, &before) != 0)
		error = errno;
	else if (write_all(n->fd, b->text, b->text_bytes, &error) < b->text_bytes &&
		 ftruncate(n->fd, before.st_size) != 0)
		LOG_ERROR("ndjson.truncate", "file=\"%s\" error=\"%s\" do=\"expect a broken line\"", n->path,
			  strerror(errno));
	flock(n->fd, LOCK_UN);
	return -error;
}

/* The reader has gone: rows that did not get out whole never will. */
static void
reject_rest(struct sink_batch *b, size_t written)
{
	for (unsigned i = 0; i < b->batch->n_rows; i++)
		if ((size_t)b->batch->row[i].json_offset + b->batch->row[i].json_bytes + 1 > written)
			sink_reject(b, i);
}

static int
write_stream(struct ndjson *n, struct sink_batch *b)
{
	int error = 0;

	if (n->part_sequence != b->batch->first_sequence)
		n->part_bytes = 0;
	n->part_sequence = b->batch->first_sequence;
	if (!n->is_closed)
		n->part_bytes +=
			write_all(n->fd, b->batch->text + n->part_bytes, b->batch->text_bytes - n->part_bytes, &error);
	if (error == EPIPE) {
		n->is_closed = true;
		LOG_WARN("ndjson.closed",
			 "file=\"%s\" error=\"nobody reads it any more\" do=\"nothing more is written there\"",
			 n->path);
	}
	if (n->is_closed) {
		reject_rest(b, n->part_bytes);
		n->part_bytes = 0;
		return 0;
	}
	return -error;
}

static int
ndjson_write(void *state, struct sink_batch *b, unsigned count)
{
	struct ndjson *n = state;

	(void)count; /* one: max_batches is not set */
	if (n->is_regular && !n->is_standard_output)
		return write_regular(n, b->batch);
	return write_stream(n, b);
}

/* What is not compressed at the end is compressed by the next run. */
static int
compress_some(struct ndjson *n, bool at_exit)
{
	return n->compress != NULL && !at_exit ? ndjson_compress_step(n->compress) : 0;
}

/* A file is closed when its time has come, not when the next record comes. */
static int
ndjson_maintain(void *state, bool at_exit)
{
	struct ndjson *n = state;
	struct stat st;
	int rc;

	if (at_exit || n->conf.max_time_min == 0 || !n->is_regular || n->fd < 0 || fstat(n->fd, &st) != 0 ||
	    !rotation_due(n, &st))
		return compress_some(n, at_exit);
	rc = lock_current(n);
	if (rc == 0 && n->is_regular)
		flock(n->fd, LOCK_UN);
	return rc;
}

static int
ndjson_flush(void *state)
{
	const struct ndjson *n = state;

	if (!n->is_regular || n->fd < 0)
		return 0;
	return fdatasync(n->fd) == 0 ? 0 : -errno;
}

static void
ndjson_count(struct counters *counters, uint64_t acknowledged, uint64_t rejected)
{
	COUNTER_ADD(counters, ndjson_acknowledged, acknowledged);
	COUNTER_ADD(counters, ndjson_rejected, rejected);
}

static void
ndjson_describe(void *state, char *out, size_t size)
{
	const struct ndjson *n = state;

	snprintf(out, size, "%s", n->is_standard_output ? "standard output" : n->path);
}

static const struct sink_kind ndjson = {
	.name = "ndjson",
	.create = ndjson_create,
	.destroy = ndjson_destroy,
	.write = ndjson_write,
	.flush = ndjson_flush,
	.maintain = ndjson_maintain,
	.count = ndjson_count,
	.describe = ndjson_describe,
};
REGISTRY_ADD(sink_kind, ndjson);
