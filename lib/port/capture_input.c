/* Capture input: a stream of bytes and a window into it.
 *
 * Plain files are read by pread(2), 1 MB at a time, into one buffer, or into those of the caller. Measured here
 * (291-byte mix, page cache, copied into mbuf-sized slots): pread 128 KB 38, 256 KB 36, 1 MB 31-33, 4 MB 32-33 ns a
 * packet; mmap 26-34; the whole replay, with the machine shared: pread 56, mmap 52, mmap with software prefetches 1 KB
 * ahead 47. So mapping is faster by up to a sixth of a role that takes a third of what a worker takes. Against it: a
 * file that is cut while it is mapped is a SIGBUS in whoever copies the packet, to be caught process-wide, and what was
 * staged since has to be found and taken back; with pread it is a short read with an offset. (Tried: windows of 16 MB,
 * populated, with a handler that puts zeroes in: with a worker on the other core slower than pread, 203 against 167 ns
 * for mix, since every window ends with a TLB shootdown there.) A thread that reads ahead brings nothing as long as the
 * kernel's read-ahead keeps up, which posix_fadvise() asks for; on a disk slower than the replay the role's lcore waits
 * inside pread.
 *
 * The file is read up to the size it had when it was opened. A file that has grown or shrunk by then is reported: its
 * last record is not to be trusted, and a file that somebody writes would never end.
 *
 * Pipes are asked with poll(2) before each read, rather than made non-blocking: standard input's flags are shared with
 * the shell. The kind of compression is found in the first bytes, which may have to be waited for. */
#include "capture_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct input_decompressor *const decompressors[INPUT_KINDS] = {
	[INPUT_GZIP] = &input_gzip,
	[INPUT_ZSTD] = &input_zstd,
};

static uint8_t *
own_buffer(void *context)
{
	struct input *in = context;

	return in->buffer;
}

static int
allocate(struct input *in, const struct capture_buffers *buffers)
{
	size_t size = INPUT_NEED_MAX + INPUT_READ_BYTES;

	in->raw = malloc(INPUT_RAW_BYTES);
	if (in->raw == NULL)
		return -ENOMEM;
	if (buffers != NULL) {
		in->buffers = *buffers;
	} else {
		/* Not malloc: 2 MB alignment is not needed, fresh pages without a memset are. */
		in->buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		in->buffers = (struct capture_buffers){
			.next = own_buffer, .context = in, .bytes = INPUT_READ_BYTES, .read_bytes = INPUT_READ_BYTES};
	}
	if (in->buffer == MAP_FAILED) {
		in->buffer = NULL;
		return -ENOMEM;
	}
	in->window = cursor_make(in->raw, 0);
	in->raw_left = cursor_make(in->raw, 0);
	return 0;
}

int
input_init(struct input *in, int file, const struct capture_buffers *buffers)
{
	struct stat st;
	int rc;

	*in = (struct input){.file = file};
	rc = allocate(in, buffers);
	if (rc == 0 && fstat(file, &st) != 0)
		rc = -errno;
	if (rc == 0 && S_ISDIR(st.st_mode))
		rc = -EISDIR;
	if (rc != 0) {
		input_fini(in);
		return rc;
	}
	/* Standard input may stand anywhere in its file, and whoever shares it expects it to move. */
	in->regular = S_ISREG(st.st_mode) && file != STDIN_FILENO;
	if (in->regular) {
		in->size_at_open = (uint64_t)st.st_size;
		(void)posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return 0;
}

void
input_fini(struct input *in)
{
	if (in->decompressor != NULL)
		decompressors[in->kind]->close(in);
	if (in->buffer != NULL)
		munmap(in->buffer, INPUT_NEED_MAX + INPUT_READ_BYTES);
	free(in->raw);
	if (in->file != STDIN_FILENO)
		close(in->file);
	*in = (struct input){.file = STDIN_FILENO};
}

ssize_t
input_fail(struct input *in, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(in->why, sizeof(in->why), format, arguments);
	va_end(arguments);
	in->failed = true;
	return -EIO;
}

/* Everything that was there when the file was opened has been read. */
static ssize_t
check_size(struct input *in)
{
	struct stat st;

	if (fstat(in->file, &st) != 0)
		return input_fail(in, "the file cannot be examined: %s", strerror(errno));
	if ((uint64_t)st.st_size == in->size_at_open)
		return 0;
	return input_fail(in, "the file %s from %llu to %llu bytes while it was read",
			  (uint64_t)st.st_size > in->size_at_open ? "grew" : "shrank",
			  (unsigned long long)in->size_at_open, (unsigned long long)st.st_size);
}

static ssize_t
read_regular(struct input *in, void *out, size_t room)
{
	uint64_t left = in->size_at_open - in->raw_offset;
	ssize_t n;

	if (left == 0)
		return check_size(in);
	if (room > left)
		room = (size_t)left;
	do
		n = pread(in->file, out, room, (off_t)in->raw_offset);
	while (n < 0 && errno == EINTR);
	if (n != 0)
		return n;
	return check_size(in) != 0 ? -EIO : input_fail(in, "the file ends before its size");
}

static ssize_t
read_stream(struct input *in, void *out, size_t room)
{
	struct pollfd ready = {.fd = in->file, .events = POLLIN};
	ssize_t n;

	if (poll(&ready, 1, 0) == 0)
		return -EAGAIN;
	n = read(in->file, out, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return n;
}

ssize_t
input_read_raw(struct input *in, void *out, size_t room)
{
	ssize_t n;

	if (in->failed)
		return -EIO;
	n = in->regular ? read_regular(in, out, room) : read_stream(in, out, room);
	if (n > 0)
		in->raw_offset += (uint64_t)n;
	if (n < 0 && n != -EAGAIN && !in->failed)
		return input_fail(in, "the file cannot be read: %s", strerror(errno));
	return n;
}

ssize_t
input_raw(struct input *in)
{
	ssize_t n;

	if (cursor_left(&in->raw_left) > 0)
		return (ssize_t)cursor_left(&in->raw_left);
	n = input_read_raw(in, in->raw, INPUT_RAW_BYTES);
	if (n > 0)
		in->raw_left = cursor_make(in->raw, (size_t)n);
	return n;
}

/* A gzip member begins 1f 8b (RFC 1952, 2.3.1), a zstd frame 28 b5 2f fd (RFC 8878, 3.1.1) or, skippable, 5x 2a 4d 18
 * (3.1.2). */
static enum input_kind
kind_of(struct cursor bytes)
{
	uint32_t magic = cursor_be32(&bytes);

	if (cursor_bad(&bytes))
		return INPUT_PLAIN;
	if (magic >> 16 == 0x1f8b)
		return INPUT_GZIP;
	if (magic == 0x28b52ffd || (magic & 0xf0ffffff) == 0x502a4d18)
		return INPUT_ZSTD;
	return INPUT_PLAIN;
}

/* 0, or as input_read_raw(). */
static ssize_t
find_kind(struct input *in)
{
	size_t have = cursor_left(&in->raw_left);

	while (have < 4) {
		ssize_t n = input_read_raw(in, in->raw + have, INPUT_RAW_BYTES - have);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		have += (size_t)n;
		in->raw_left = cursor_make(in->raw, have);
	}
	in->kind = kind_of(in->raw_left);
	if (decompressors[in->kind] != NULL && decompressors[in->kind]->open(in) != 0)
		return input_fail(in, "no memory to decompress the file");
	return 0;
}

/* As input_read_raw(), for the stream after decompression. */
static ssize_t
read_stream_bytes(struct input *in, uint8_t *out, size_t room)
{
	size_t left;

	if (in->kind == INPUT_UNKNOWN) {
		ssize_t rc = find_kind(in);

		if (rc != 0)
			return rc;
	}
	if (decompressors[in->kind] != NULL)
		return decompressors[in->kind]->read(in, out, room);
	left = cursor_left(&in->raw_left);
	if (left == 0)
		return input_read_raw(in, out, room);
	if (left > room)
		left = room;
	memcpy(out, cursor_take(&in->raw_left, left), left);
	return (ssize_t)left;
}

/* Moves on in the file itself where that is possible. What is beyond the file's end stays in to_skip. */
static void
seek(struct input *in)
{
	uint64_t left = in->size_at_open - in->raw_offset, step = in->to_skip < left ? in->to_skip : left;

	if (in->kind != INPUT_PLAIN || !in->regular || cursor_left(&in->raw_left) > 0)
		return;
	in->raw_offset += step;
	in->window_end += step;
	in->to_skip -= step;
}

static void
skip_in_window(struct input *in)
{
	size_t left = cursor_left(&in->window), step = in->to_skip < left ? (size_t)in->to_skip : left;

	cursor_skip(&in->window, step);
	in->to_skip -= step;
}

void
input_skip(struct input *in, uint64_t size)
{
	in->to_skip = size;
	skip_in_window(in);
}

/* Room behind the window, which moves to another buffer for that when its own is full. False: there is none. */
static bool
make_room(struct input *in)
{
	/* Less than INPUT_NEED_MAX, so it fits before the area. */
	size_t carried = cursor_left(&in->window);
	uint8_t *area;

	if (in->room >= INPUT_ROOM_MIN)
		return true;
	area = in->buffers.next(in->buffers.context);
	if (area == NULL)
		return false;
	area += INPUT_NEED_MAX;
	if (carried > 0)
		memmove(area - carried, cursor_take(&in->window, carried), carried);
	in->window = cursor_make(area - carried, carried);
	in->room = in->buffers.bytes;
	return true;
}

enum input_status
input_fill(struct input *in, size_t need)
{
	while (in->to_skip > 0 || cursor_left(&in->window) < need) {
		ssize_t n;

		if (in->to_skip > 0)
			seek(in);
		if (!make_room(in))
			return INPUT_WAIT;
		n = read_stream_bytes(in, (uint8_t *)(uintptr_t)cursor_after(in->window.p, cursor_left(&in->window)),
				      in->room < in->buffers.read_bytes ? in->room : in->buffers.read_bytes);
		if (n <= 0)
			return n == 0 ? INPUT_END : n == -EAGAIN ? INPUT_WAIT : INPUT_FAILED;
		in->window = cursor_make(in->window.p, cursor_left(&in->window) + (size_t)n);
		in->window_end += (uint64_t)n;
		in->room -= (size_t)n;
		if (in->to_skip > 0)
			skip_in_window(in);
	}
	return INPUT_OK;
}

uint64_t
input_consumed_bytes(const struct input *in)
{
	/* What a decompressor holds in its window cannot be told from what it has given out. */
	if (in->kind == INPUT_PLAIN)
		return input_offset(in);
	return in->raw_offset - cursor_left(&in->raw_left);
}
