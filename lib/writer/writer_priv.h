/* Inside lib/writer: what the worker's end (stream.c) and the writer role (writer.c) share.
 *
 * Threads: every member says whose it is. What goes from one side to the other crosses a ring, whose release and
 * acquire order everything written before; only 'status' is read while the other side may write it. */
#ifndef WRITER_PRIV_H
#define WRITER_PRIV_H

#include <stdatomic.h>

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "writer.h"

enum {
	WRITER_PAGE_BYTES = 4096,
	WRITER_FILE_HEADER_BYTES = 24,
	WRITER_RECORD_BYTES = 16,
	WRITER_LINE_BYTES = RTE_CACHE_LINE_MIN_SIZE,
	WRITER_STAGE_BYTES = 4 * WRITER_LINE_BYTES + WRITER_PAGE_BYTES,
	WRITER_OPEN_FILES = 8, /* of one worker at once: link types times resolutions */
	WRITER_FILES = 32,     /* of one worker, with those the writer has not finished yet */
	WRITER_OWN_BLOCKS = 4, /* of one worker; the rest are the reserve */
	WRITER_OWN_BLOCKS_MIN = 2,
	WRITER_SHARED_BLOCKS = 16,
	WRITER_WRITES = 8, /* in flight at once */
	WRITER_SHARED = UINT16_MAX,
};

/* The private area of a block's mbuf. It belongs to whoever holds the block. */
struct writer_block {
	struct rte_mbuf_ext_shared_info shared;
	struct rte_mbuf *mbuf;
	uint8_t *address;
	struct writer_file *file;
	struct writer_block *next; /* the file's blocks in the writer, in the order of the file */
	uint64_t offset;	   /* in the file */
	uint64_t whole_end;	   /* up to here the file consists of whole records once this block is written */
	uint32_t fill;		   /* whole pages */
	uint32_t bytes;		   /* the same without the padding of the last page; 0: empty (read by the gauge) */
	uint32_t packets;	   /* that end in this block */
	int result;
	uint16_t home; /* the worker it belongs to, or WRITER_SHARED */
	bool last;     /* the file ends here */
	bool done;
};

enum writer_status { WRITER_FILE_OPENING, WRITER_FILE_READY, WRITER_FILE_FAILED };

struct writer_file {
	/* The worker's, until it has handed over the last block. The page that is being filled: of it what is not in
	 * the block yet, at writer_stage(), with a line before and three behind it that nobody reads as the page's. */
	uint8_t stage[WRITER_STAGE_BYTES] __rte_cache_aligned;
	uint32_t staged; /* of the page; 0 only before the file header (read by the gauge) */
	uint32_t pushed; /* of these, in whole lines, that lie in the block, behind its last page, but for: */
	uint32_t late_bytes;
	uint8_t *late_to, *late_from; /* in the block, in the stage */
	uint32_t kind;		      /* link type and resolution */
	uint32_t number;
	uint32_t snap_length;
	uint64_t position;	/* where the next record begins */
	uint64_t record_start;	/* where the record begins that was begun last before the stage was flushed */
	uint64_t flushed_bytes; /* offset of the stage */
	uint64_t rotate_at;
	uint64_t expire_ns;
	struct writer_block *block; /* NULL, or has room for a page and holds at least one */
	uint32_t staged_packets;    /* that end in the stage */
	bool probe;		    /* a try after a write error: the file must be writable before anything is stored */
	uint64_t first_ns, last_ns;
	uint64_t flushed_ns; /* monotonic: when the block got its first page */
	uint64_t opened_ns;  /* monotonic */
	uint64_t last_used;
	uint64_t sessions_started, sessions_present;

	/* Written by the writer, read by the worker for every packet. */
	_Atomic int status __rte_cache_aligned;

	/* The writer's. */
	struct writer_lane *lane __rte_cache_aligned;
	char *name;
	int fd; /* -1: none */
	bool failed, ended, created;
	struct writer_block *head, *tail;
	uint64_t allocated; /* up to here the file has been preallocated; UINT64_MAX: not to be tried again */
	uint64_t accounted; /* written, and counted so */
	uint64_t cut_bytes; /* written after 'accounted': the beginning of a record whose end is still to come */
	uint64_t packets;
};

static inline uint8_t *
writer_stage(struct writer_file *f)
{
	return f->stage + WRITER_LINE_BYTES;
}

enum writer_request { WRITER_OPEN, WRITER_BLOCK, WRITER_ABANDON };

/* What crosses the ring to the writer. */
struct writer_handover {
	uint64_t request;
	struct writer_file *file;
	struct rte_mbuf *block; /* may be NULL for WRITER_ABANDON */
};

/* Between one worker and the writer. */
struct writer_lane {
	struct rte_ring *full;	   /* struct writer_handover, to the writer */
	struct rte_ring *empty;	   /* mbufs, the worker's own */
	struct rte_ring *finished; /* struct writer_file, to the worker */
	struct writer_file *files; /* WRITER_FILES of them */
};

/* One input file, for the in-place method. Never moves, never goes before the writer does. */
struct writer_input {
	uint32_t number;
	struct {
		_Atomic uint64_t sessions_started, sessions_present;
	} __rte_cache_aligned worker[]; /* each written by one worker */
};

struct writer_inputs {
	rte_spinlock_t lock; /* only where an input is seen for the first time by a worker */
	struct writer_input **input;
	uint32_t n;
};

/* File events on their way to the ring: a full ring must neither lose one nor hold anybody up. */
struct writer_events {
	rte_spinlock_t lock;
	struct rte_ring *ring;
	struct event_node *head, **tail;
	_Atomic uint32_t n;
};

struct writer {
	const struct writer_conf *conf;
	struct writer_params params;
	enum writer_method method;
	bool has_blocks;
	bool direct; /* cleared when a file system refuses it */
	unsigned n_workers, n_blocks, n_own;
	char **directory;
	unsigned n_directories, next_directory;
	struct writer_lane *lane;
	unsigned next_lane;
	struct rte_mempool *pool;
	void *memory;
	struct writer_block **block;
	struct rte_ring *reserve; /* mbufs, to whichever worker runs short */
	struct writer_disk *disk;
	uint64_t rotate_bytes, rotate_age_ns;
	struct writer_inputs inputs;
	struct writer_events events;
	_Atomic bool busy;
	bool failing; /* a write error was logged and nothing has been opened well since */
	struct counters counters;
	struct ledger_gauge gauge;
};

/* blocks.c */
bool writer_uses_blocks(const struct writer_conf *, enum writer_method);
unsigned writer_block_count(const struct writer_conf *, unsigned n_workers);
bool writer_blocks_create(struct writer *, char *why, size_t why_size);
void writer_blocks_destroy(struct writer *);
void writer_block_return(struct writer *, struct writer_block *);
uint64_t writer_blocks_held(const void *writer); /* the ledger's gauge */

static inline struct writer_block *
writer_block_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

/* files.c: what touches the file system. All return 0 or -errno. */
bool writer_directories_create(struct writer *, char *why, size_t why_size);
void writer_directories_destroy(struct writer *);
int writer_file_create(struct writer *, struct writer_file *);
void writer_file_preallocate(struct writer *, struct writer_file *, uint64_t end);
int writer_file_finish(struct writer_file *); /* truncates to 'accounted' and closes */

/* disk.c */
struct writer_disk;
struct writer_disk *writer_disk_create(bool allow_uring, const cpu_set_t *cpus); /* NULL with errno; 'cpus' is kept */
void writer_disk_destroy(struct writer_disk *); /* accepts NULL; nothing may be in flight */
bool writer_disk_full(const struct writer_disk *);
unsigned writer_disk_in_flight(const struct writer_disk *);
void writer_disk_write(struct writer_disk *, struct writer_block *); /* not while full */
void writer_disk_submit(struct writer_disk *);
struct writer_block *writer_disk_reap(struct writer_disk *); /* NULL, or a block with its 'result' set */

/* events.c */
void writer_event_send(struct writer *, struct file_event *);
unsigned writer_events_flush(struct writer *);
void writer_events_destroy(struct writer *);
struct file_event *writer_event_created(const struct writer *, const char *name, uint32_t number, uint64_t first_ns);

/* inputs.c */
struct writer_input *writer_input_get(struct writer *, const struct packet *, uint32_t *number, bool *waiting);
void writer_inputs_destroy(struct writer *);

/* lines.c: copies lines of 64 bytes past the caches, as the CPU does best. 'to' is aligned to one. rte_wmb() before
 * others may see them: a ring's release does not order such stores. */
typedef void (*writer_line_store)(void *to, const void *from, uint32_t bytes);
writer_line_store writer_line_store_choose(void);

#endif
