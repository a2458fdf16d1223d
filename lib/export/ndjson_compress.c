/* Rotated NDJSON files become zstd files.
 *
 * The file that is written stays plain: it is appended to by several processes, cut when one dies and followed with
 * tail -f. What has been rotated away is compressed beside it under a hidden name, synced, and renamed, so that
 * FILE.STAMP.zst is whole whenever it is there; then the plain one goes. Work is done in pieces between batches, of the
 * size of a batch: as much is compressed as is written.
 *
 * Which files are to be done is not remembered but looked up: names of the form FILE.YYYYMMDD-HHMMSS, with a -N
 * perhaps. So those that a dead process left are done by the next, and several processes share the work: whoever locks
 * the hidden file has it. A process that wrote to the file before it was renamed holds its lock while it writes, so
 * after having had that lock once nothing is added to it any more. */
#include "ndjson_compress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <zstd.h>

#include "log.h"

enum { PIECE_BYTES = 256 << 10, LEVEL = 3, STAMP_CHARACTERS = 15, NAMES_TRIED_MAX = 10000 };

struct ndjson_compress {
	char folder[PATH_MAX], name[NAME_MAX + 1]; /* of FILE */
	bool look;
	char source[PATH_MAX + NAME_MAX + 16], part[PATH_MAX + NAME_MAX + 16];
	int in, out; /* -1: none */
	ZSTD_CCtx *zstd;
	uint8_t *piece, *packed;
	size_t packed_bytes;
	uint64_t read_bytes, written_bytes;
};

struct ndjson_compress *
ndjson_compress_create(const char *path)
{
	struct ndjson_compress *c = calloc(1, sizeof(*c));
	const char *slash = strrchr(path, '/');

	if (c == NULL)
		return NULL;
	c->in = c->out = -1;
	snprintf(c->folder, sizeof(c->folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
		 slash != NULL ? path : ".");
	if (slash == path)
		snprintf(c->folder, sizeof(c->folder), "/");
	snprintf(c->name, sizeof(c->name), "%s", slash != NULL ? slash + 1 : path);
	c->zstd = ZSTD_createCCtx();
	c->packed_bytes = ZSTD_CStreamOutSize();
	c->piece = malloc(PIECE_BYTES);
	c->packed = malloc(c->packed_bytes);
	c->look = true;
	if (c->zstd == NULL || c->piece == NULL || c->packed == NULL) {
		ndjson_compress_destroy(c);
		errno = ENOMEM;
		return NULL;
	}
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
	return c;
}

static void
close_both(struct ndjson_compress *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0)
		close(c->out);
	c->in = c->out = -1;
}

static void
give_up(struct ndjson_compress *c)
{
	if (c->out >= 0)
		unlink(c->part);
	close_both(c);
}

void
ndjson_compress_destroy(struct ndjson_compress *c)
{
	if (c == NULL)
		return;
	give_up(c);
	ZSTD_freeCCtx(c->zstd);
	free(c->piece);
	free(c->packed);
	free(c);
}

void
ndjson_compress_look(struct ndjson_compress *c)
{
	c->look = true;
}

/* "FILE.20261121-163000", "FILE.20261121-163000-2". */
static bool
is_rotated(const struct ndjson_compress *c, const char *name)
{
	size_t length = strlen(c->name);
	const char *stamp = name + length + 1;

	if (strncmp(name, c->name, length) != 0 || name[length] != '.' || strlen(stamp) < STAMP_CHARACTERS)
		return false;
	for (unsigned i = 0; i < STAMP_CHARACTERS; i++)
		if (i == 8 ? stamp[i] != '-' : stamp[i] < '0' || stamp[i] > '9')
			return false;
	stamp += STAMP_CHARACTERS;
	return *stamp == '\0' ||
	       (*stamp == '-' && stamp[1] != '\0' && strspn(stamp + 1, "0123456789") == strlen(stamp + 1));
}

/* Opens both files; false: it is somebody else's, or gone. */
static bool
begin(struct ndjson_compress *c, const char *name)
{
	snprintf(c->source, sizeof(c->source), "%s/%s", c->folder, name);
	snprintf(c->part, sizeof(c->part), "%s/.%s.zst.part", c->folder, name);
	c->out = open(c->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (c->out < 0)
		return false;
	if (flock(c->out, LOCK_EX | LOCK_NB) != 0) {
		close_both(c);
		return false;
	}
	c->in = open(c->source, O_RDONLY | O_CLOEXEC);
	if (c->in < 0 || flock(c->in, LOCK_EX) != 0 || flock(c->in, LOCK_UN) != 0 || ftruncate(c->out, 0) != 0) {
		give_up(c);
		return false;
	}
	c->read_bytes = c->written_bytes = 0;
	ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only);
	return true;
}

/* 1: one has begun, 0: there is none. */
static int
find_next(struct ndjson_compress *c)
{
	DIR *folder = opendir(c->folder);
	struct dirent *entry;

	if (folder == NULL)
		return -errno;
	while (c->in < 0 && (entry = readdir(folder)) != NULL)
		if (is_rotated(c, entry->d_name))
			(void)begin(c, entry->d_name);
	closedir(folder);
	c->look = c->in >= 0;
	return c->in >= 0;
}

static int
write_packed(struct ndjson_compress *c, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(c->out, c->packed + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	c->written_bytes += size;
	return 0;
}

static int
compress_piece(struct ndjson_compress *c, size_t size, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = {.src = c->piece, .size = size};
	size_t left;
	int rc = 0;

	do {
		ZSTD_outBuffer out = {.dst = c->packed, .size = c->packed_bytes};

		left = ZSTD_compressStream2(c->zstd, &out, &in, directive);
		if (ZSTD_isError(left))
			return -EIO;
		rc = write_packed(c, out.pos);
	} while (rc == 0 && (directive == ZSTD_e_end ? left > 0 : in.pos < in.size));
	return rc;
}

/* FILE.STAMP.zst; that of an earlier file of the same second may be there already. */
static int
give_name(const struct ndjson_compress *c, char *name, size_t size)
{
	for (unsigned i = 0; i < NAMES_TRIED_MAX; i++) {
		if (i == 0)
			snprintf(name, size, "%s.zst", c->source);
		else
			snprintf(name, size, "%s-%u.zst", c->source, i);
		if (renameat2(AT_FDCWD, c->part, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Whole: it gets its name, and the plain one goes. */
static int
finish(struct ndjson_compress *c)
{
	char name[sizeof(c->source) + 24];
	int rc = compress_piece(c, 0, ZSTD_e_end);

	if (rc == 0 && fsync(c->out) != 0)
		rc = -errno;
	if (rc == 0)
		rc = give_name(c, name, sizeof(name));
	if (rc < 0)
		return rc;
	unlink(c->source);
	LOG_INFO("ndjson.compressed", "file=\"%s\" bytes=%" PRIu64 " from=%" PRIu64, name, c->written_bytes,
		 c->read_bytes);
	close_both(c);
	return 1;
}

int
ndjson_compress_step(struct ndjson_compress *c)
{
	ssize_t n;
	int rc;

	if (c->in < 0)
		return c->look ? find_next(c) : 0;
	n = read(c->in, c->piece, PIECE_BYTES);
	if (n > 0) {
		c->read_bytes += (uint64_t)n;
		rc = compress_piece(c, (size_t)n, ZSTD_e_continue);
	} else {
		rc = n < 0 ? -errno : finish(c);
	}
	if (rc >= 0)
		return 1;
	LOG_WARN("ndjson.compress", "file=\"%s\" error=\"%s\" note=\"it stays as it is until the next rotation\"",
		 c->source, strerror(-rc));
	give_up(c);
	c->look = false;
	return 0;
}
