/* A sink's spool: documents that its store has not taken, on disk, in order.
 *
 * Sinks do not call this. sink.c does it for every kind that spools (sink_kind.spooling): what does not fit into the
 * sink's queue, because the store is slow or down, goes to the spool, and write() and write_file() get it from there,
 * in the same form and as often as it takes. A store that knows documents by their id takes one twice without harm;
 * after a kill -9 the last few answered may come again.
 *
 * Files: <spoolDir>/<sink>.<n>/, one folder for each process (the first that nobody has locked; the segments of others
 * that nobody has locked any more are taken over), in it segments NUMBER.spool of at most 64 MiB, oldest number first,
 * and 'position': how far the oldest one was answered. A segment begins with struct spool_segment_header; then entries
 * follow, each with a header, a checksum (CRC-32C) over header and payload, and the payload: rows, then documents.
 *
 * What is on disk: entries are written with pwrite(2), which a kill -9 cannot take back; the loss of the machine costs
 * at most what came in the last second (spool_sync()). An entry cut short by a kill is found by its checksum at the
 * next start, cut off and counted. An entry damaged later is passed over, and its documents are counted as lost.
 *
 * Full (spoolMax): the oldest segment goes, its documents are counted ("spool.dropped").
 *
 * Threads: spool_append_*() and spool_sync() on any (one at a time, by a lock); spool_read(), spool_consume() on one,
 * at the same time; the numbers on any; create and destroy on the control thread. */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "export.h"

enum {
	SPOOL_SEGMENT_BYTES = 64 << 20,
	SPOOL_SEGMENT_BYTES_MIN = 1 << 20,
	SPOOL_READ_MAX = 64, /* entries a reader has in hand at most */
	SPOOL_FOLDERS_MAX = 256,
};

struct spool;
struct spool_ticket; /* what a document of this run is in the ledger: batch_priv.h */

/* Told of every entry that leaves the spool without having been read: dropped because it is full, or damaged. 'ticket'
 * is NULL for what a former run left. */
typedef void (*spool_lost_callback)(struct spool_ticket *, unsigned documents, void *context);

struct spool_params {
	const char *directory, *sink;
	uint64_t max_bytes;
	spool_lost_callback lost;
	void *context;
};

/* What was read. Valid until spool_consume(). */
struct spool_entry {
	bool is_file;
	struct export_batch batch; /* first_sequence is 0 */
	struct export_file file;
	struct spool_ticket *ticket; /* NULL: of a former run */
};

struct spool_numbers {
	uint64_t documents, former_documents; /* inside now: of all, of former runs */
	uint64_t found_documents;	      /* former_documents at start */
	uint64_t bytes, max_bytes;
	uint64_t cut_entries, cut_bytes; /* torn by a kill, at start */
	uint64_t damaged_entries;
	uint64_t dropped_documents; /* because it was full, or damaged */
};

/* NULL and 'why'. Finds what former runs left. */
struct spool *spool_create(const struct spool_params *, char *why, size_t why_size);
/* Accepts NULL. What is inside stays on disk for the next run; its tickets go to 'leave', which may be NULL. */
void spool_destroy(struct spool *, void (*leave)(struct spool_ticket *));

/* 0 or -errno: nothing was appended then. The spool keeps the ticket until spool_consume() or 'lost'. */
int spool_append_batch(struct spool *, const struct export_batch *, struct spool_ticket *);
int spool_append_file(struct spool *, const struct export_file *);
int spool_sync(struct spool *); /* what was appended survives the loss of the machine */

/* The oldest entries, all files documents or all batches, at most 'max' of them; the same ones again until
 * spool_consume(). Returns how many, 0: empty, or -errno: they cannot be read now. */
int spool_read(struct spool *, unsigned max, struct spool_entry **);
/* The first 'n' of the last spool_read() have been answered. Their tickets are the caller's again. */
void spool_consume(struct spool *, unsigned n);

uint64_t spool_entries(const struct spool *); /* inside, those read and not consumed included */
uint64_t spool_file_entries(const struct spool *);
void spool_numbers(const struct spool *, struct spool_numbers *);
const char *spool_folder(const struct spool *);

#endif
