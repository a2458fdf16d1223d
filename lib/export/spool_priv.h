/* The spool inside: what its files share.
 *
 * spool.c         the list of segments: append, read, consume, drop the oldest
 * spool_open.c    what former runs left: folders, segments, torn ends
 * spool_format.c  entries as bytes */
#ifndef SPOOL_PRIV_H
#define SPOOL_PRIV_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "spool.h"

enum {
	SPOOL_ENTRY_MAGIC = 0x59525445, /* "ETRY" */
	SPOOL_POSITION_MAGIC = 0x4e534f50,
	SPOOL_VERSION = 1,
	SPOOL_BYTE_ORDER = 0x01020304,
	SPOOL_READ_BYTES = 16 << 20, /* taken into memory at once, one entry at least */
	SPOOL_ROW_BYTES_MIN = 2 * 4 + 5 * 8 + 2 * 2 + 2 + 4 + 32,
	SPOOL_ENTRY_BYTES_MAX = EXPORT_DOCUMENT_BYTES_MAX + (64 << 20),
};

enum spool_entry_kind { SPOOL_BATCH = 1, SPOOL_FILE = 2 };

struct spool_segment_header {
	char magic[8]; /* "SHRKSPL" */
	uint32_t version, byte_order;
};

struct spool_entry_header {
	uint32_t magic;
	uint32_t checksum; /* CRC-32C of this header with 0 here, and of what follows */
	uint32_t kind, n_rows;
	uint64_t payload_bytes;
};

/* How far the segment 'number' was answered. */
struct spool_position {
	uint32_t magic, checksum;
	uint64_t number, offset;
};

struct spool_index {
	uint32_t offset, bytes, n_rows; /* in the segment; header and payload */
	bool is_file;
	struct spool_ticket *ticket;
};

struct spool_segment {
	struct spool_segment *next;
	uint64_t number, bytes;
	struct spool_index *entry;
	unsigned n, capacity;
	unsigned taken;	      /* entries before it were read, or lost */
	uint64_t name_offset; /* in its name: taken over from another folder, begun there */
	bool is_former;
	bool is_writing; /* pwrite(2) is under way: stays */
	bool is_gone;	 /* off the list; whoever reads it frees it */
};

/* Bytes of one entry before its documents. */
struct spool_scratch {
	uint8_t *bytes;
	size_t used, capacity;
};

/* What the reader has in hand. */
struct spool_window {
	struct spool_segment *segment;
	unsigned n;
	uint64_t documents;
	struct spool_entry entry[SPOOL_READ_MAX];
	uint8_t *bytes;
	size_t capacity;
	struct export_row *row;
	size_t rows_capacity;
};

struct spool {
	struct spool_params params;
	char folder[PATH_MAX - 64];
	int folder_fd; /* locked as long as the process lives */
	int position_fd;
	uint64_t segment_bytes;

	pthread_mutex_t append_lock;
	struct spool_scratch scratch;

	pthread_mutex_t lock;			    /* all below; never held while bytes are written or read */
	struct spool_segment *first, **last, *tail; /* tail: the one that is written, NULL: none */
	int write_fd, read_fd;
	uint64_t read_number; /* of which read_fd is */
	uint64_t next_number;
	bool folder_changed; /* a segment was made since the last sync */
	struct spool_window window;
	struct spool_numbers numbers;
	_Atomic uint64_t n_entries, n_file_entries;
};

/* ---- spool_format.c */

/* Header and rows (a files document: all of it) into the scratch bytes. 'text' is what follows on disk. 0 or -errno. */
int spool_encode_batch(struct spool_scratch *, const struct export_batch *);
int spool_encode_file(struct spool_scratch *, const struct export_file *);
/* True: these bytes are an entry as it was written. */
bool spool_entry_is_whole(const uint8_t *bytes, size_t size);
/* Into out; 'row' has room for 'max_rows'. False: what is said contradicts itself, or there are more: the file may have
 * been changed since its entries were counted. */
bool spool_decode(const uint8_t *bytes, size_t size, struct export_row *row, uint32_t max_rows,
		  struct spool_entry *out);
uint32_t spool_checksum(const void *bytes, size_t size, uint32_t so_far);
void spool_position_seal(struct spool_position *);
bool spool_position_is_good(const struct spool_position *);

/* ---- spool_open.c */

/* Locks a folder and fills the list. 0 or -errno and 'why'. */
int spool_open(struct spool *, char *why, size_t why_size);
void spool_segment_path(const struct spool *, const struct spool_segment *, char *out, size_t size);

/* ---- spool.c */

struct spool_segment *spool_segment_create(uint64_t number);
void spool_segment_free(struct spool_segment *);
bool spool_segment_reserve(struct spool_segment *);		/* room for one entry more in its index */
void spool_segment_add(struct spool *, struct spool_segment *); /* at the end of the list */

#endif
