/* The spool: a list of segments on disk, and in memory where each entry lies in them.
 *
 * The index in memory (32 bytes for some 256 KB on disk) is what makes the rest simple: how many documents are inside,
 * which of them are lost with a segment that is dropped, and where the reader goes on, all without looking at the disk.
 *
 * Two threads work here at once and do not wait for each other's disk: the list has a lock that is held for a few
 * assignments only. The writer marks the segment it writes to, so that the reader, who removes what is empty, lets it
 * be; the reader takes entries off before it reads them, so that a writer who drops their segment counts them neither
 * as lost nor as still there. What the reader has in hand is answered as if nothing had happened.
 *
 * A full disk is treated as a full spool: the oldest segment goes until there is room. What this gives up: entries are
 * dropped by the segment, up to 64 MiB at a time (a sixteenth of spoolMax when that is less). */
#include "spool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_common.h>

#include "log.h"

enum { SEGMENTS_AT_LEAST = 16 };

/* ---- Segments */

struct spool_segment *
spool_segment_create(uint64_t number)
{
	struct spool_segment *segment = calloc(1, sizeof(*segment));

	if (segment != NULL)
		segment->number = number;
	return segment;
}

void
spool_segment_free(struct spool_segment *segment)
{
	if (segment == NULL)
		return;
	free(segment->entry);
	free(segment);
}

bool
spool_segment_reserve(struct spool_segment *segment)
{
	unsigned capacity = segment->capacity > 0 ? 2 * segment->capacity : 16;
	struct spool_index *entry;

	if (segment->n < segment->capacity)
		return true;
	entry = realloc(segment->entry, capacity * sizeof(*entry));
	if (entry == NULL)
		return false;
	segment->entry = entry;
	segment->capacity = capacity;
	return true;
}

void
spool_segment_add(struct spool *s, struct spool_segment *segment)
{
	*s->last = segment;
	s->last = &segment->next;
	s->numbers.bytes += segment->bytes;
	for (unsigned i = 0; i < segment->n; i++)
		s->numbers.documents += segment->entry[i].n_rows;
}

/* The oldest segment off the list and off the disk. With the lock. */
static void
remove_first(struct spool *s)
{
	struct spool_segment *segment = s->first;
	char path[PATH_MAX];

	s->first = segment->next;
	if (s->first == NULL)
		s->last = &s->first;
	s->numbers.bytes -= segment->bytes;
	if (segment == s->tail) {
		s->tail = NULL;
		close(s->write_fd);
		s->write_fd = -1;
	}
	spool_segment_path(s, segment, path, sizeof(path));
	unlink(path);
	segment->is_gone = true;
	if (s->window.segment != segment)
		spool_segment_free(segment);
}

static void
count_out(struct spool *s, const struct spool_segment *segment, const struct spool_index *entry)
{
	s->numbers.documents -= entry->n_rows;
	if (segment->is_former)
		s->numbers.former_documents -= entry->n_rows;
	if (entry->is_file)
		atomic_fetch_sub(&s->n_file_entries, 1);
	atomic_fetch_sub(&s->n_entries, 1);
}

/* An entry nobody will read. With the lock. */
static void
lose(struct spool *s, const struct spool_segment *segment, const struct spool_index *entry)
{
	count_out(s, segment, entry);
	s->numbers.dropped_documents += entry->n_rows;
	if (!entry->is_file)
		s->params.lost(entry->ticket, entry->n_rows, s->params.context);
}

/* With the lock. False: there is nothing that could be dropped. */
static bool
drop_oldest(struct spool *s, const char *reason)
{
	struct spool_segment *segment = s->first;
	unsigned n = 0;

	if (segment == NULL || segment->is_writing)
		return false;
	for (unsigned i = segment->taken; i < segment->n; i++) {
		n += segment->entry[i].n_rows;
		lose(s, segment, &segment->entry[i]);
	}
	segment->n = segment->taken;
	LOG_WARN("spool.dropped",
		 "sink=%s documents=%u bytes=%" PRIu64 " reason=\"%s\" do=\"bring the store back, or raise spoolMax\"",
		 s->params.sink, n, segment->bytes, reason);
	remove_first(s);
	return true;
}

/* ---- Writing */

static int
make_room(struct spool *s, uint64_t bytes)
{
	int rc = 0;

	if (bytes > s->params.max_bytes)
		return -EFBIG;
	pthread_mutex_lock(&s->lock);
	while (s->numbers.bytes + bytes > s->params.max_bytes && rc == 0)
		if (!drop_oldest(s, "the spool is full"))
			rc = -ENOSPC;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int
segment_make_file(struct spool *s, const struct spool_segment *segment)
{
	const struct spool_segment_header header = {
		.magic = "SHRKSPL", .version = SPOOL_VERSION, .byte_order = SPOOL_BYTE_ORDER};
	char path[PATH_MAX];
	int fd, error;

	spool_segment_path(s, segment, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header))
		return fd;
	error = errno > 0 ? errno : EIO;
	close(fd);
	unlink(path);
	return -error;
}

/* A new last segment, marked as mark_tail() does; 0 or -errno. */
static int
begin_segment(struct spool *s, struct spool_segment **out)
{
	struct spool_segment *segment = spool_segment_create(s->next_number);
	int fd;

	if (segment == NULL || !spool_segment_reserve(segment)) {
		spool_segment_free(segment);
		return -ENOMEM;
	}
	fd = segment_make_file(s, segment);
	if (fd < 0) {
		spool_segment_free(segment);
		return fd;
	}
	segment->bytes = sizeof(struct spool_segment_header);
	segment->is_writing = true;
	*out = segment;
	pthread_mutex_lock(&s->lock);
	s->next_number++;
	s->write_fd = fd;
	s->tail = segment;
	s->folder_changed = true;
	spool_segment_add(s, segment);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* The last segment is full: it only gets shorter from now on. */
static void
end_segment(struct spool *s)
{
	int fd;

	pthread_mutex_lock(&s->lock);
	fd = s->write_fd;
	s->write_fd = -1;
	s->tail = NULL;
	pthread_mutex_unlock(&s->lock);
	if (fd < 0)
		return;
	(void)fdatasync(fd); /* As spool_sync(): a failure shows in the checksum. */
	close(fd);
}

/* The segment to write 'bytes' to, marked; NULL: a new one has to begin. */
static struct spool_segment *
mark_tail(struct spool *s, uint64_t bytes)
{
	struct spool_segment *tail;

	pthread_mutex_lock(&s->lock);
	tail = s->tail;
	if (tail != NULL && tail->n > 0 && tail->bytes + bytes > s->segment_bytes)
		tail = NULL;
	if (tail != NULL && !spool_segment_reserve(tail))
		tail = NULL;
	if (tail != NULL)
		tail->is_writing = true;
	pthread_mutex_unlock(&s->lock);
	return tail;
}

/* All of it, or nothing: 0 or -errno. */
static int
write_all(int fd, uint64_t offset, struct iovec part[2])
{
	size_t left = part[0].iov_len + part[1].iov_len;
	uint64_t begin = offset;

	while (left > 0) {
		ssize_t n = pwritev(fd, part, 2, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : ENOSPC;

			if (ftruncate(fd, (off_t)begin) != 0)
				LOG_WARN("spool.truncate", "error=\"%s\"", strerror(errno));
			return -error;
		}
		offset += (uint64_t)n;
		left -= (size_t)n;
		for (unsigned i = 0; i < 2; i++) {
			size_t step = RTE_MIN((size_t)n, part[i].iov_len);

			part[i].iov_base = (char *)part[i].iov_base + step;
			part[i].iov_len -= step;
			n -= (ssize_t)step;
		}
	}
	return 0;
}

static void
publish(struct spool *s, struct spool_segment *tail, const struct spool_index *entry)
{
	tail->entry[tail->n++] = *entry;
	tail->bytes += entry->bytes;
	s->numbers.bytes += entry->bytes;
	s->numbers.documents += entry->n_rows;
	if (entry->is_file)
		atomic_fetch_add(&s->n_file_entries, 1);
	atomic_fetch_add(&s->n_entries, 1);
}

static int
write_entry(struct spool *s, struct spool_index *entry, const char *text, size_t text_bytes)
{
	struct spool_segment *tail = mark_tail(s, entry->bytes);
	struct iovec part[2] = {{s->scratch.bytes, s->scratch.used}, {(void *)(uintptr_t)text, text_bytes}};
	int rc;

	if (tail == NULL) {
		end_segment(s);
		rc = begin_segment(s, &tail);
		if (rc < 0)
			return rc;
	}
	entry->offset = (uint32_t)tail->bytes;
	rc = write_all(s->write_fd, entry->offset, part);
	pthread_mutex_lock(&s->lock);
	tail->is_writing = false;
	if (rc == 0)
		publish(s, tail, entry);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static bool
drop_for_the_disk(struct spool *s)
{
	bool dropped;

	pthread_mutex_lock(&s->lock);
	dropped = drop_oldest(s, "the disk is full");
	pthread_mutex_unlock(&s->lock);
	return dropped;
}

/* What the scratch bytes hold, and 'text' behind it. */
static int
append(struct spool *s, struct spool_index *entry, const char *text, size_t text_bytes)
{
	uint64_t bytes = s->scratch.used + text_bytes;
	int rc = make_room(s, bytes);

	entry->bytes = (uint32_t)bytes;
	if (rc < 0)
		return rc;
	do
		rc = write_entry(s, entry, text, text_bytes);
	while ((rc == -ENOSPC || rc == -EDQUOT) && drop_for_the_disk(s));
	return rc;
}

int
spool_append_batch(struct spool *s, const struct export_batch *b, struct spool_ticket *ticket)
{
	struct spool_index entry = {.n_rows = b->n_rows, .ticket = ticket};
	int rc;

	pthread_mutex_lock(&s->append_lock);
	rc = spool_encode_batch(&s->scratch, b);
	if (rc == 0)
		rc = append(s, &entry, b->text, b->text_bytes);
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

int
spool_append_file(struct spool *s, const struct export_file *file)
{
	struct spool_index entry = {.is_file = true};
	int rc;

	pthread_mutex_lock(&s->append_lock);
	rc = spool_encode_file(&s->scratch, file);
	if (rc == 0)
		rc = append(s, &entry, "", 0);
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

int
spool_sync(struct spool *s)
{
	int fd, rc = 0;
	bool folder_changed;

	pthread_mutex_lock(&s->lock);
	fd = s->write_fd >= 0 ? dup(s->write_fd) : -1; /* the reader may close it meanwhile */
	folder_changed = s->folder_changed;
	s->folder_changed = false;
	pthread_mutex_unlock(&s->lock);
	if (fd >= 0) {
		rc = fdatasync(fd) == 0 ? 0 : -errno;
		close(fd);
	}
	if (folder_changed && fsync(s->folder_fd) != 0)
		rc = -errno;
	return rc;
}

/* ---- Reading */

/* The oldest segment with something to read; those that are read are removed. With the lock. */
static struct spool_segment *
first_with_entries(struct spool *s)
{
	while (s->first != NULL && s->first->taken == s->first->n) {
		if (s->first->is_writing)
			return NULL;
		remove_first(s);
	}
	return s->first;
}

static int
open_to_read(struct spool *s, const struct spool_segment *segment)
{
	char path[PATH_MAX];

	if (s->read_fd >= 0 && s->read_number == segment->number)
		return 0;
	if (s->read_fd >= 0)
		close(s->read_fd);
	spool_segment_path(s, segment, path, sizeof(path));
	s->read_fd = open(path, O_RDONLY | O_CLOEXEC);
	s->read_number = segment->number;
	return s->read_fd >= 0 ? 0 : -errno;
}

/* Takes entries of one kind that lie side by side. With the lock. Returns how many. */
static unsigned
take(struct spool *s, struct spool_segment *segment, unsigned max)
{
	struct spool_window *w = &s->window;
	uint64_t bytes = 0;

	w->segment = segment;
	w->documents = 0;
	for (w->n = 0; w->n < max && segment->taken + w->n < segment->n; w->n++) {
		const struct spool_index *entry = &segment->entry[segment->taken + w->n], *before = entry - 1;

		if (w->n > 0 && (entry->is_file != before->is_file || bytes + entry->bytes > SPOOL_READ_BYTES ||
				 before->offset + before->bytes != entry->offset))
			break;
		bytes += entry->bytes;
		w->documents += entry->n_rows;
	}
	segment->taken += w->n;
	return w->n;
}

/* Entries from 'n' on go back, or are lost. */
static void
shorten(struct spool *s, unsigned n)
{
	struct spool_window *w = &s->window;

	w->segment->taken -= w->n - n;
	for (unsigned i = n; w->segment->is_gone && i < w->n; i++) /* nobody reads them again */
		lose(s, w->segment, &w->segment->entry[w->segment->taken + i - n]);
	w->n = n;
}

static bool
window_reserve(struct spool_window *w, size_t bytes, size_t rows)
{
	void *more;

	if (bytes > w->capacity) {
		more = realloc(w->bytes, bytes);
		if (more == NULL)
			return false;
		w->bytes = more;
		w->capacity = bytes;
	}
	rows++; /* for files documents too there is a place */
	if (rows > w->rows_capacity) {
		more = realloc(w->row, rows * sizeof(*w->row));
		if (more == NULL)
			return false;
		w->row = more;
		w->rows_capacity = rows;
	}
	return true;
}

/* Returns how many entries of the window are good, or -errno. */
static int
read_window(struct spool_window *w, const struct spool_index *index, int fd)
{
	size_t size = index[w->n - 1].offset + index[w->n - 1].bytes - index[0].offset;
	uint64_t rows = 0;
	ssize_t got;

	if (!window_reserve(w, size, w->documents))
		return -ENOMEM;
	got = pread(fd, w->bytes, size, index[0].offset);
	if (got < 0)
		return -errno;
	for (unsigned i = 0; i < w->n; i++) {
		const uint8_t *bytes = &w->bytes[index[i].offset - index[0].offset];
		struct spool_entry *out = &w->entry[i];

		if ((size_t)got < index[i].offset - index[0].offset + index[i].bytes ||
		    !spool_entry_is_whole(bytes, index[i].bytes) ||
		    !spool_decode(bytes, index[i].bytes, &w->row[rows], index[i].n_rows, out) ||
		    out->is_file != index[i].is_file || (!out->is_file && out->batch.n_rows != index[i].n_rows))
			return (int)i;
		out->ticket = index[i].ticket;
		rows += index[i].n_rows;
	}
	return (int)w->n;
}

/* The first entry cannot be read back. With the lock. */
static void
lose_damaged(struct spool *s)
{
	struct spool_segment *segment = s->window.segment;
	const struct spool_index *entry = &segment->entry[segment->taken];

	LOG_ERROR("spool.damaged",
		  "sink=%s folder=\"%s\" segment=%" PRIu64 " offset=%" PRIu32 " documents=%" PRIu32
		  " do=\"look at the disk\"",
		  s->params.sink, s->folder, segment->number, entry->offset, entry->n_rows);
	s->numbers.damaged_entries++;
	lose(s, segment, entry);
	segment->taken++;
}

static void
window_release(struct spool *s)
{
	struct spool_segment *segment = s->window.segment;

	s->window.segment = NULL;
	s->window.n = 0;
	if (segment != NULL && segment->is_gone)
		spool_segment_free(segment);
}

/* Fills the window. Returns the number of entries, 0: nothing there, -errno, or -EAGAIN: something was damaged. */
static int
fill_window(struct spool *s, unsigned max)
{
	struct spool_window *w = &s->window;
	struct spool_index index[SPOOL_READ_MAX] = {0};
	struct spool_segment *segment;
	int good, fd;

	pthread_mutex_lock(&s->lock);
	segment = first_with_entries(s);
	if (segment == NULL || open_to_read(s, segment) < 0) {
		pthread_mutex_unlock(&s->lock);
		return segment == NULL ? 0 : -EIO;
	}
	take(s, segment, max);
	memcpy(index, &segment->entry[segment->taken - w->n], w->n * sizeof(index[0]));
	fd = s->read_fd;
	pthread_mutex_unlock(&s->lock);

	good = read_window(w, index, fd);
	pthread_mutex_lock(&s->lock);
	if (good < (int)w->n) {
		shorten(s, good < 0 ? 0 : (unsigned)good);
		if (good == 0 && !segment->is_gone)
			lose_damaged(s);
	}
	if (good <= 0)
		window_release(s);
	pthread_mutex_unlock(&s->lock);
	return good == 0 ? -EAGAIN : good;
}

int
spool_read(struct spool *s, unsigned max, struct spool_entry **out)
{
	int rc = (int)s->window.n;

	if (rc == 0)
		do
			rc = fill_window(s, RTE_MIN(max, (unsigned)SPOOL_READ_MAX));
		while (rc == -EAGAIN);
	*out = s->window.entry;
	return rc;
}

/* The entries before 'n' of the segment are answered for. */
static void
note_position(const struct spool *s, const struct spool_segment *segment, unsigned n)
{
	const struct spool_index *last = &segment->entry[n - 1];
	struct spool_position p = {.number = segment->number, .offset = (uint64_t)last->offset + last->bytes};

	spool_position_seal(&p);
	if (pwrite(s->position_fd, &p, sizeof(p), 0) != (ssize_t)sizeof(p))
		LOG_WARN("spool.position", "folder=\"%s\" error=\"%s\" note=\"after a crash documents may come twice\"",
			 s->folder, strerror(errno));
}

void
spool_consume(struct spool *s, unsigned n)
{
	struct spool_window *w = &s->window;
	struct spool_segment *segment = w->segment;
	unsigned first;

	if (segment == NULL || n == 0)
		return;
	pthread_mutex_lock(&s->lock);
	first = segment->taken - w->n;
	n = RTE_MIN(n, w->n);
	for (unsigned i = 0; i < n; i++)
		count_out(s, segment, &segment->entry[first + i]);
	if (!segment->is_gone)
		note_position(s, segment, first + n);
	w->n -= n;
	memmove(w->entry, w->entry + n, w->n * sizeof(w->entry[0]));
	if (w->n == 0) {
		window_release(s);
		(void)first_with_entries(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- Beginning and end */

struct spool *
spool_create(const struct spool_params *params, char *why, size_t why_size)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	s->params = *params;
	s->segment_bytes = RTE_MIN((uint64_t)SPOOL_SEGMENT_BYTES, params->max_bytes / SEGMENTS_AT_LEAST);
	s->segment_bytes = RTE_MAX(s->segment_bytes, (uint64_t)SPOOL_SEGMENT_BYTES_MIN);
	s->last = &s->first;
	s->write_fd = s->read_fd = s->folder_fd = s->position_fd = -1;
	s->next_number = 1;
	s->numbers.max_bytes = params->max_bytes;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->append_lock, NULL);
	if (spool_open(s, why, why_size) < 0) {
		spool_destroy(s, NULL);
		return NULL;
	}
	return s;
}

static void
leave_segment(struct spool_segment *segment, unsigned from, void (*leave)(struct spool_ticket *))
{
	for (unsigned i = from; leave != NULL && i < segment->n; i++)
		if (segment->entry[i].ticket != NULL)
			leave(segment->entry[i].ticket);
	spool_segment_free(segment);
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
spool_destroy(struct spool *s, void (*leave)(struct spool_ticket *))
{
	struct spool_segment *next;

	if (s == NULL)
		return;
	(void)spool_sync(s);
	if (s->window.segment != NULL && s->window.segment->is_gone)
		leave_segment(s->window.segment, s->window.segment->taken - s->window.n, leave);
	for (struct spool_segment *segment = s->first; segment != NULL; segment = next) {
		next = segment->next;
		leave_segment(segment, segment->taken - (s->window.segment == segment ? s->window.n : 0), leave);
	}
	close_fd(s->write_fd);
	close_fd(s->read_fd);
	close_fd(s->position_fd);
	close_fd(s->folder_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->append_lock);
	free(s->scratch.bytes);
	free(s->window.bytes);
	free(s->window.row);
	free(s);
}

uint64_t
spool_entries(const struct spool *s)
{
	return atomic_load(&s->n_entries);
}

uint64_t
spool_file_entries(const struct spool *s)
{
	return atomic_load(&s->n_file_entries);
}

void
spool_numbers(const struct spool *s, struct spool_numbers *out)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&s->lock;

	pthread_mutex_lock(lock);
	*out = s->numbers;
	pthread_mutex_unlock(lock);
}

const char *
spool_folder(const struct spool *s)
{
	return s->folder;
}
