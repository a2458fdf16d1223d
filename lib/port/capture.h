/* Reading capture files: pcap (both byte orders, micro- and nanoseconds), pcapng; plain, gzip or zstd; "-" is standard
 * input.
 *
 * Threads: one reader, one thread. Ownership: what capture_next() returns points into the reader's buffer and is valid
 * until the next call, but see capture_open_into(). Time: nanoseconds since 1970. Errors: a file that is cut, damaged,
 * shrinks or fails is read as far as it goes; then capture_next() returns CAPTURE_DAMAGED once, with the offset and the
 * reason, and after that CAPTURE_END. Bounded: a record that claims more than CAPTURE_RECORD_MAX bytes is damage (or,
 * where the format says how to skip it, skipped and counted). */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAPTURE_RECORD_MAX = 65535, CAPTURE_CARRY_BYTES = 256 << 10 };

enum capture_status {
	CAPTURE_PACKET,
	CAPTURE_END,
	CAPTURE_DAMAGED,
	CAPTURE_WAIT, /* standard input or a pipe has nothing right now: ask again later */
};

struct capture_packet {
	const uint8_t *data;
	uint32_t captured_bytes, wire_bytes;
	uint64_t time_ns;
	uint64_t position; /* of the record in the file; pcapng: of the block; in a compressed file: in the uncompressed
			      stream */
	uint16_t link_type;
	bool has_nanoseconds;
};

struct capture_file;

struct capture_info {
	const char *path;     /* as given */
	const char *absolute; /* NULL: cannot be opened again (standard input, a pipe) */
	bool plain_pcap;      /* uncompressed classic pcap: positions can be used in place */
	bool has_nanoseconds; /* pcap: by the magic; pcapng: of the last packet's interface */
	uint16_t link_type;   /* pcap: the file's; pcapng: of the first interface */
	uint32_t snap_length;
	uint64_t size_bytes; /* of the file on disk; 0: not known */
};

/* NULL with errno, and a reason a user can act on in 'why': EINVAL (not a capture), EPROTONOSUPPORT (a link type that
 * is not decoded), EBADMSG (empty, or damaged within its header), or what open(2) says. A pipe's header may not have
 * come yet: there what is wrong with it is damage, and capture_info() knows the format from the first packet on.
 * pcapng: packets of any link type are returned. */
struct capture_file *capture_open(const char *path, char *why, size_t why_size);
/* As capture_open(), but the file is read into buffers of the caller, in the order in which they are given, and a
 * packet's bytes are valid as long as the caller leaves its buffer alone. 'next' gives CAPTURE_CARRY_BYTES, which are
 * for a record that began in the buffer before, and then 'bytes' (64 KB at least); or NULL when none is free: then
 * CAPTURE_WAIT. Nothing is read from a buffer, nor written to it, after the call for the next but one. A regular file's
 * header is read at once, so then two have to be free. */
struct capture_buffers {
	uint8_t *(*next)(void *context);
	void *context;
	size_t bytes, read_bytes; /* in the buffer; and at most this many with one read */
};
struct capture_file *capture_open_into(const char *path, const struct capture_buffers *, char *why, size_t why_size);
void capture_close(struct capture_file *); /* accepts NULL */

enum capture_status capture_next(struct capture_file *, struct capture_packet *);

const struct capture_info *capture_info(const struct capture_file *);
uint64_t capture_consumed_bytes(const struct capture_file *); /* of the file on disk, for the progress bar */
const char *capture_damage(const struct capture_file *, uint64_t *offset); /* NULL: none */
uint64_t capture_skipped_records(const struct capture_file *);

/* What -R takes when the user says nothing: the reference's names, and what else is read here. */
#define CAPTURE_NAME_REGEX "(?i)\\.(pcap|cap|pcapng)(\\.(gz|zst))?$"

/* -r, -R, -F into one list of paths, in order. Returns a negative errno, and 'why', for a missing folder or list; a
 * folder without captures is -ENOENT. 'name_regex' as offlineFilenameRegex, a POSIX extended expression that may begin
 * with (?i), over the file's name; NULL: CAPTURE_NAME_REGEX. Hidden files and folders are passed over. A list has one
 * path a line and passes over empty ones; "-" is standard input. */
struct capture_list {
	char **path;
	unsigned n;
};
int capture_list_add_file(struct capture_list *, const char *path);
int capture_list_add_folder(struct capture_list *, const char *path, const char *name_regex, bool recursive,
			    bool sorted, char *why, size_t why_size);
int capture_list_add_list(struct capture_list *, const char *list_path, char *why, size_t why_size);
void capture_list_free(struct capture_list *);

#endif
