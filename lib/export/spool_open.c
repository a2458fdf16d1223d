/* What former runs left in the spool: found at start.
 *
 * Several processes may have the same conf (a live sensor and replays beside it), so each has a folder of its own,
 * <sink>.<n>, locked for as long as it lives. The first one that nobody has locked is ours, with what is in it; what is
 * in the other ones without an owner is taken over by renaming. A folder that was removed between our opening and
 * our locking it is no longer what its name says, and is looked at again.
 *
 * A kill can only tear the entry that was being written, which is the last one of the last segment: of that segment
 * every checksum is looked at. In the others the headers are followed, some 250 in a segment, and their checksums are
 * looked at when they are read. What cannot be followed is cut off there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "log.h"
#include "paths_priv.h"
#include "spool_priv.h"

static const char suffix[] = ".spool";

static void
segment_path(const char *folder, uint64_t number, uint64_t offset, char *out, size_t size)
{
	if (offset > 0)
		snprintf(out, size, "%s/%012" PRIu64 "-%" PRIu64 "%s", folder, number, offset, suffix);
	else
		snprintf(out, size, "%s/%012" PRIu64 "%s", folder, number, suffix);
}

void
spool_segment_path(const struct spool *s, const struct spool_segment *segment, char *out, size_t size)
{
	segment_path(s->folder, segment->number, segment->name_offset, out, size);
}

/* "NUMBER.spool", "NUMBER-OFFSET.spool". */
static bool
parse_name(const char *name, uint64_t *number, uint64_t *offset)
{
	char *end;

	*offset = 0;
	if (name[0] < '0' || name[0] > '9')
		return false;
	*number = strtoull(name, &end, 10);
	if (*end == '-')
		*offset = strtoull(end + 1, &end, 10);
	return strcmp(end, suffix) == 0 && *number > 0 && *number < UINT64_MAX / 2;
}

/* ---- Folders */

/* 1: locked, and still the folder of that name; 0: somebody else's; -errno. */
static int
lock_folder(const char *path, bool create, int *out)
{
	struct stat here, there;
	int fd;

	for (;;) {
		if (create && mkdir(path, 0750) != 0 && errno != EEXIST)
			return -errno;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && create)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int error = errno;

			close(fd);
			return error == EWOULDBLOCK ? 0 : -error;
		}
		if (fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino) {
			*out = fd;
			return 1;
		}
		close(fd);
	}
}

static int
find_folder(struct spool *s, unsigned *place, char *why, size_t why_size)
{
	int rc = 0;

	snprintf(s->folder, sizeof(s->folder), "%s/%s.0", s->params.directory, s->params.sink);
	if (paths_make_parents(s->folder) != 0)
		rc = -errno;
	for (*place = 0; rc == 0 && *place < SPOOL_FOLDERS_MAX; ++*place) {
		snprintf(s->folder, sizeof(s->folder), "%s/%s.%u", s->params.directory, s->params.sink, *place);
		rc = lock_folder(s->folder, true, &s->folder_fd);
		if (rc == 1)
			return 0;
	}
	snprintf(why, why_size, "%s: %s (set spoolDir to a folder that can be written, or spool=never)", s->folder,
		 rc == 0 ? "so many processes have a spool there" : strerror(-rc));
	return rc < 0 ? rc : -EBUSY;
}

/* ---- Segments */

struct found {
	struct spool_segment **segment;
	unsigned n, capacity;
};

static bool
found_add(struct found *f, uint64_t number, uint64_t offset)
{
	if (f->n == f->capacity) {
		unsigned capacity = f->capacity > 0 ? 2 * f->capacity : 64;
		struct spool_segment **more = realloc(f->segment, capacity * sizeof(struct spool_segment *));

		if (more == NULL)
			return false;
		f->segment = more;
		f->capacity = capacity;
	}
	f->segment[f->n] = spool_segment_create(number);
	if (f->segment[f->n] == NULL)
		return false;
	f->segment[f->n]->name_offset = offset;
	f->segment[f->n]->is_former = true;
	f->n++;
	return true;
}

static int
by_number(const void *a, const void *b)
{
	const struct spool_segment *const *x = a, *const *y = b;

	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static int
list_folder(const char *folder, struct found *f)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	uint64_t number, offset;
	int rc = 0;

	if (directory == NULL)
		return -errno;
	while (rc == 0 && (entry = readdir(directory)) != NULL)
		if (parse_name(entry->d_name, &number, &offset) && !found_add(f, number, offset))
			rc = -ENOMEM;
	closedir(directory);
	if (f->n > 0)
		qsort(f->segment, f->n, sizeof(struct spool_segment *), by_number);
	return rc;
}

static struct spool_position
read_position(const char *folder)
{
	struct spool_position p = {0};
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/position", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return p;
	if (pread(fd, &p, sizeof(p), 0) != sizeof(p) || !spool_position_is_good(&p))
		p = (struct spool_position){0};
	close(fd);
	return p;
}

static bool
checksum_is_good(int fd, uint64_t offset, uint64_t bytes)
{
	uint8_t *entry = malloc(bytes);
	bool good;

	if (entry == NULL)
		return true; /* It is looked at again when it is read. */
	good = pread(fd, entry, bytes, (off_t)offset) == (ssize_t)bytes && spool_entry_is_whole(entry, bytes);
	free(entry);
	return good;
}

/* The entry at 'offset' into the segment's index. 1, 0: no whole entry begins there, -errno. */
static int
scan_entry(struct spool_segment *segment, int fd, uint64_t offset, uint64_t size, bool verify)
{
	struct spool_entry_header header;
	uint64_t bytes;

	if (size - offset < sizeof(header) ||
	    pread(fd, &header, sizeof(header), (off_t)offset) != (ssize_t)sizeof(header))
		return 0;
	bytes = header.payload_bytes + sizeof(header);
	if (header.magic != SPOOL_ENTRY_MAGIC || header.payload_bytes > SPOOL_ENTRY_BYTES_MAX ||
	    bytes > size - offset || header.n_rows > header.payload_bytes / SPOOL_ROW_BYTES_MIN ||
	    (header.kind != SPOOL_BATCH && header.kind != SPOOL_FILE))
		return 0;
	if (verify && !checksum_is_good(fd, offset, bytes))
		return 0;
	if (!spool_segment_reserve(segment))
		return -ENOMEM;
	segment->entry[segment->n++] = (struct spool_index){.offset = (uint32_t)offset,
							    .bytes = (uint32_t)bytes,
							    .n_rows = header.n_rows,
							    .is_file = header.kind == SPOOL_FILE};
	return 1;
}

static bool
header_is_good(int fd)
{
	struct spool_segment_header h;

	return pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && memcmp(h.magic, "SHRKSPL", sizeof(h.magic)) == 0 &&
	       h.version == SPOOL_VERSION && h.byte_order == SPOOL_BYTE_ORDER;
}

static void
cut(struct spool *s, int fd, const char *path, uint64_t offset, uint64_t size)
{
	LOG_WARN("spool.cut",
		 "file=\"%s\" bytes=%" PRIu64 " at=%" PRIu64 " note=\"a process ended while it wrote this\"", path,
		 size - offset, offset);
	s->numbers.cut_entries++;
	s->numbers.cut_bytes += size - offset;
	if (ftruncate(fd, (off_t)offset) != 0)
		LOG_WARN("spool.truncate", "file=\"%s\" error=\"%s\"", path, strerror(errno));
}

/* Fills the index from 'begin' on; 0 or -errno. */
static int
scan_segment(struct spool *s, struct spool_segment *segment, const char *path, uint64_t begin, bool verify)
{
	uint64_t offset = RTE_MAX(begin, sizeof(struct spool_segment_header));
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC), rc = 0;

	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = -errno;
	} else if (!header_is_good(fd)) {
		/* Killed before the first entry, or not ours: nothing in it can be had. */
		if (st.st_size > 0)
			cut(s, fd, path, 0, (uint64_t)st.st_size);
	} else {
		uint64_t size = (uint64_t)st.st_size;

		while (offset < size && (rc = scan_entry(segment, fd, offset, size, verify)) == 1)
			offset += segment->entry[segment->n - 1].bytes;
		if (rc == 0 && offset < size)
			cut(s, fd, path, offset, size);
		segment->bytes = offset;
	}
	if (fd >= 0)
		close(fd);
	return rc < 0 ? rc : 0;
}

static void
take_in(struct spool *s, struct spool_segment *segment)
{
	for (unsigned i = 0; i < segment->n; i++) {
		s->numbers.former_documents += segment->entry[i].n_rows;
		if (segment->entry[i].is_file)
			atomic_fetch_add(&s->n_file_entries, 1);
	}
	atomic_fetch_add(&s->n_entries, segment->n);
	spool_segment_add(s, segment);
}

/* Gives a segment of another folder the next name in ours. */
static int
move_here(struct spool *s, const char *folder, struct spool_segment *segment, uint64_t begin)
{
	char old[PATH_MAX], new[PATH_MAX];

	segment_path(folder, segment->number, segment->name_offset, old, sizeof(old));
	segment_path(s->folder, s->next_number, begin, new, sizeof(new));
	if (rename(old, new) != 0)
		return -errno;
	segment->number = s->next_number++;
	segment->name_offset = begin;
	return 0;
}

static int
take_segment(struct spool *s, const char *folder, struct spool_segment *segment, uint64_t begin, bool is_last)
{
	char path[PATH_MAX];
	int rc = strcmp(folder, s->folder) == 0 ? 0 : move_here(s, folder, segment, begin);

	spool_segment_path(s, segment, path, sizeof(path));
	if (rc == 0)
		rc = scan_segment(s, segment, path, begin, is_last);
	if (rc == 0 && segment->n > 0) {
		take_in(s, segment);
		return 0;
	}
	if (rc == 0)
		unlink(path);
	spool_segment_free(segment);
	return rc;
}

/* What is in a folder of which we have the lock. */
static int
take_folder(struct spool *s, const char *folder)
{
	struct spool_position position = read_position(folder);
	struct found f = {0};
	int rc = list_folder(folder, &f), failed = rc;

	/* A number that 'position' speaks of must not come again. */
	if (strcmp(folder, s->folder) == 0)
		s->next_number = RTE_MAX(position.number, f.n > 0 ? f.segment[f.n - 1]->number : 0) + 1;
	for (unsigned i = 0; i < f.n; i++) {
		uint64_t begin = f.segment[i]->name_offset;

		if (position.number == f.segment[i]->number)
			begin = RTE_MAX(begin, position.offset);
		rc = take_segment(s, folder, f.segment[i], begin, i + 1 == f.n);
		if (rc < 0)
			failed = rc;
	}
	free(f.segment);
	return failed;
}

/* Folders of processes that have ended. What cannot be had now stays for another time. */
static void
take_others(struct spool *s, unsigned place)
{
	char folder[PATH_MAX - 64], path[PATH_MAX];
	int fd = -1;

	for (unsigned i = 0; i < SPOOL_FOLDERS_MAX; i++) {
		snprintf(folder, sizeof(folder), "%s/%s.%u", s->params.directory, s->params.sink, i);
		if (i == place || lock_folder(folder, false, &fd) != 1)
			continue;
		if (take_folder(s, folder) == 0) {
			snprintf(path, sizeof(path), "%s/position", folder);
			unlink(path);
			rmdir(folder);
		}
		close(fd);
	}
}

int
spool_open(struct spool *s, char *why, size_t why_size)
{
	char path[PATH_MAX];
	unsigned place;
	int rc = find_folder(s, &place, why, why_size);

	if (rc < 0)
		return rc;
	rc = take_folder(s, s->folder);
	snprintf(path, sizeof(path), "%s/position", s->folder);
	s->position_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (rc == 0 && s->position_fd < 0)
		rc = -errno;
	if (rc < 0) {
		snprintf(why, why_size, "%s: %s (set spoolDir to a folder that can be written, or spool=never)",
			 s->folder, strerror(-rc));
		return rc;
	}
	take_others(s, place);
	s->numbers.found_documents = s->numbers.former_documents;
	if (s->numbers.found_documents > 0)
		LOG_INFO("spool.found", "sink=%s documents=%" PRIu64 " folder=\"%s\" note=\"a former run left them\"",
			 s->params.sink, s->numbers.found_documents, s->folder);
	return 0;
}
