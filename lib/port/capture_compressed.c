/* Capture input: gzip and zstd.
 *
 * Both are read as what they are, a sequence of members or frames (RFC 1952, 2.2; RFC 8878, 3), because 'cat a.gz b.gz'
 * and parallel compressors make such files. A stream that ends within one is damage, and so is what follows it and is
 * not another, except the zero bytes that tapes and some tools pad with. A zstd frame may ask for a window of up to
 * 128 MB (the library's own limit), so a hostile file cannot ask for more. */
#include "capture_priv.h"

#include <errno.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in is const */
#include <zlib.h>
#include <zstd.h>

static int
gzip_open(struct input *in)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return -ENOMEM;
	/* 15 bits of window, plus 16: gzip headers only. */
	if (inflateInit2(z, 15 + 16) != Z_OK) {
		free(z);
		return -ENOMEM;
	}
	in->decompressor = z;
	in->in_frame = true;
	return 0;
}

static void
gzip_close(struct input *in)
{
	inflateEnd(in->decompressor);
	free(in->decompressor);
	in->decompressor = NULL;
}

/* Between members. 1: another one begins; 0: the end; else as input_read_raw(). */
static ssize_t
gzip_next_member(struct input *in)
{
	for (;;) {
		ssize_t n = input_raw(in);

		if (n <= 0)
			return n;
		if (cursor_peek(&in->raw_left, 0) != 0)
			break;
		cursor_skip(&in->raw_left, 1);
	}
	if (cursor_peek(&in->raw_left, 0) != 0x1f)
		return input_fail(in, "bytes that are not gzip follow the gzip stream");
	inflateReset(in->decompressor);
	in->in_frame = true;
	return 1;
}

/* One step with what input there is: the bytes given out, or input_fail(). */
static ssize_t
gzip_step(struct input *in, uint8_t *out, size_t room)
{
	z_stream *z = in->decompressor;
	size_t left = cursor_left(&in->raw_left);
	int rc;

	z->avail_in = (uInt)left;
	z->next_in = in->raw_left.p;
	z->avail_out = (uInt)room;
	z->next_out = out;
	rc = inflate(z, Z_NO_FLUSH);
	cursor_skip(&in->raw_left, left - z->avail_in);
	in->output_full = z->avail_out == 0;
	if (rc == Z_STREAM_END)
		in->in_frame = false;
	else if (rc != Z_OK && rc != Z_BUF_ERROR && z->avail_out == room)
		return input_fail(in, "damaged gzip stream: %s", z->msg != NULL ? z->msg : zError(rc));
	return (ssize_t)(room - z->avail_out);
}

static ssize_t
gzip_read(struct input *in, uint8_t *out, size_t room)
{
	ssize_t n;

	do {
		if (!in->in_frame && (n = gzip_next_member(in)) <= 0)
			return n;
		if (!in->output_full && (n = input_raw(in)) <= 0)
			return n < 0 ? n : input_fail(in, "the file ends within a gzip stream");
		n = gzip_step(in, out, room);
	} while (n == 0);
	return n;
}

const struct input_decompressor input_gzip = {.open = gzip_open, .read = gzip_read, .close = gzip_close};

static int
zstd_open(struct input *in)
{
	in->decompressor = ZSTD_createDCtx();
	return in->decompressor != NULL ? 0 : -ENOMEM;
}

static void
zstd_close(struct input *in)
{
	ZSTD_freeDCtx(in->decompressor);
	in->decompressor = NULL;
}

static ssize_t
zstd_step(struct input *in, uint8_t *out, size_t room)
{
	ZSTD_outBuffer output = {.dst = out, .size = room};
	ZSTD_inBuffer input = {.src = in->raw_left.p, .size = cursor_left(&in->raw_left)};
	size_t rc = ZSTD_decompressStream(in->decompressor, &output, &input);

	cursor_skip(&in->raw_left, input.pos);
	if (ZSTD_isError(rc))
		return input_fail(in, "damaged zstd stream: %s", ZSTD_getErrorName(rc));
	in->in_frame = rc != 0;
	in->output_full = output.pos == room;
	return (ssize_t)output.pos;
}

static ssize_t
zstd_read(struct input *in, uint8_t *out, size_t room)
{
	ssize_t n;

	do {
		if (!(in->in_frame && in->output_full) && (n = input_raw(in)) <= 0) {
			if (n < 0 || !in->in_frame)
				return n;
			return input_fail(in, "the file ends within a zstd stream");
		}
		n = zstd_step(in, out, room);
	} while (n == 0);
	return n;
}

const struct input_decompressor input_zstd = {.open = zstd_open, .read = zstd_read, .close = zstd_close};
