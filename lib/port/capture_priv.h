/* What the parts of the capture reader share.
 *
 * A capture file is an input (a stream of bytes with a window into it: capture_input.c, and capture_compressed.c where
 * the file is compressed) and a format (capture_pcap.c, capture_pcapng.c) that takes records out of the window. A
 * format never keeps half a record: when the window lacks bytes it returns and starts again at the same record, so
 * waiting for a pipe needs no state. */
#ifndef CAPTURE_PRIV_H
#define CAPTURE_PRIV_H

#include <sys/types.h>

#include "capture.h"
#include "cursor.h"

enum {
	INPUT_READ_BYTES = 1 << 20,	      /* one pread(2): measured, see capture_input.c */
	INPUT_NEED_MAX = CAPTURE_CARRY_BYTES, /* the most a format may ask for at once */
	INPUT_ROOM_MIN = 4 << 10,	      /* less at the end of a buffer is not worth a read */
	INPUT_RAW_BYTES = 128 << 10,	      /* compressed bytes, and those that say whether there is a compression */
	INPUT_WHY_BYTES = 160,
};

enum input_status { INPUT_OK, INPUT_END, INPUT_WAIT, INPUT_FAILED };
enum input_kind { INPUT_UNKNOWN, INPUT_PLAIN, INPUT_GZIP, INPUT_ZSTD, INPUT_KINDS };

struct input {
	struct cursor window; /* read, not yet taken; a part of 'buffer' */
	uint64_t window_end;  /* offset of window.end in the (uncompressed) stream */
	uint64_t to_skip;     /* after the window, which is then empty */
	struct capture_buffers buffers;
	size_t room;	 /* behind the window in its buffer */
	uint8_t *buffer; /* its own: INPUT_NEED_MAX bytes for what is carried over, then INPUT_READ_BYTES */
	enum input_kind kind;
	bool failed;

	int file;
	bool regular;		/* size known, read by position */
	uint64_t size_at_open;	/* of a regular file */
	uint64_t raw_offset;	/* bytes of the file read so far */
	uint8_t *raw;		/* INPUT_RAW_BYTES */
	struct cursor raw_left; /* the part of 'raw' not yet used */
	void *decompressor;	/* gzip: struct z_stream_s; zstd: struct ZSTD_DCtx_s */
	bool in_frame;		/* the compressed stream may not end here */
	bool output_full;	/* the decompressor may have more without more input */
	char why[INPUT_WHY_BYTES];
};

/* 0, or a negative errno. Without buffers it has one of its own. Takes the file descriptor over, except standard
 * input's, also when it fails. */
int input_init(struct input *, int file, const struct capture_buffers *);
void input_fini(struct input *);

enum input_status input_fill(struct input *, size_t need);

/* INPUT_OK: at least 'need' bytes (1 to INPUT_NEED_MAX) are in the window. INPUT_END: the stream ends before that.
 * INPUT_FAILED: in->why says what happened. */
static inline enum input_status
input_need(struct input *in, size_t need)
{
	return __builtin_expect(cursor_left(&in->window) >= need, 1) ? INPUT_OK : input_fill(in, need);
}

void input_skip(struct input *, uint64_t size);

static inline uint64_t
input_offset(const struct input *in)
{
	return in->window_end - cursor_left(&in->window);
}

/* Bytes of the file that have been used. */
uint64_t input_consumed_bytes(const struct input *);

/* For the decompressors: as read(2), but -EAGAIN for "nothing right now" and in->why for every other error. */
ssize_t input_read_raw(struct input *, void *out, size_t room);
/* Refills in->raw_left when it is empty. The number of bytes in it; 0 at the end; else as input_read_raw(). */
ssize_t input_raw(struct input *);
ssize_t input_fail(struct input *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* capture_compressed.c: open returns 0 or a negative errno; read as input_read_raw(). */
struct input_decompressor {
	int (*open)(struct input *);
	ssize_t (*read)(struct input *, uint8_t *out, size_t room);
	void (*close)(struct input *);
};
extern const struct input_decompressor input_gzip, input_zstd;

struct pcapng_interface {
	uint64_t multiply, divide; /* stamp * multiply / divide >> shift are nanoseconds */
	int64_t offset_s;
	uint32_t snap_length;
	uint16_t link_type;
	uint8_t shift;
	bool has_nanoseconds;
};

struct capture_file {
	enum capture_status (*next)(struct capture_file *, struct capture_packet *);
	struct input input;
	struct capture_info info;
	char *path, *absolute;
	uint64_t skipped;
	uint64_t record_offset; /* where the record that is being skipped began */

	bool damaged;
	uint64_t damage_offset;
	char damage[INPUT_WHY_BYTES];

	/* pcap */
	uint32_t unit_ns;

	/* pcapng */
	struct pcapng_interface *interface;
	unsigned n_interfaces, room_interfaces;
	bool big_endian;
};

/* Records the damage (once) and returns CAPTURE_DAMAGED. */
enum capture_status capture_fail(struct capture_file *, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

enum capture_status capture_after_end(struct capture_file *, struct capture_packet *);

/* What a format returns when input_need() was not INPUT_OK: waiting, the end when no record has begun, else damage. */
enum capture_status capture_short(struct capture_file *, enum input_status, const char *within);

/* Reads the file's header and sets f->next. INPUT_END: the file ends within the header. INPUT_FAILED: f->input.why. */
enum input_status pcap_open(struct capture_file *);
enum input_status pcapng_open(struct capture_file *);
bool pcap_magic(const uint8_t magic[4]);
bool pcapng_magic(const uint8_t magic[4]);

bool capture_link_type_known(uint16_t);

#endif
