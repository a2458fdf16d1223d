/* The worker's end: packets into blocks.
 *
 * Blocks are filled with non-temporal stores, which want whole lines. Lines that are one packet's go from it to the
 * block at once. What begins or ends within a line, and small packets, are put together in the stage: the page at the
 * end of the file, which stays in L1. A full block leaves for the writer. Only a full page counts as one of the block:
 * so this always begins and ends at a page of the file, a partial block is handed over as it is, and only the last page
 * of a file is ever padded.
 *
 * A pcap file has one link type and one resolution of time stamps, so there is an open file for each that occurs, up to
 * eight; then the one that was used longest ago is closed. Rotation by size and time is looked at for every packet, and
 * waits while there is no number for the next file: a file a little too long is better than a packet not stored.
 *
 * After a write error nothing is stored. Every 5 s a file is opened as a try; only when the writer says that it is
 * writable are packets stored again. The try keeps its number from one time to the next.
 *
 * What cannot be known here: packets already in blocks when the disk fails have positions in records, and are lost.
 * They are counted. */
#include <stdlib.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "clock.h"
#include "copy.h"
#include "log.h"
#include "writer_priv.h"

COUNTER(stored_packets, "writer.stored_packets", "packets that got a position", LEDGER_NONE, LEDGER_IN);
COUNTER(stored_bytes, "writer.stored_bytes", "bytes given to pcap files, headers included", LEDGER_STORED, LEDGER_IN);
COUNTER(partial_blocks, "writer.partial_blocks", "blocks handed over before they were full", LEDGER_NONE, LEDGER_IN);
COUNTER(snapped, "writer.snapped", "packets of which only snapLen bytes were stored", LEDGER_NONE, LEDGER_IN);
COUNTER_LOSS(no_block, "writer.not_stored_no_block", "packets not stored: the disk was too slow", LEDGER_NONE);
COUNTER_LOSS(no_number, "writer.not_stored_no_number", "packets not stored: no file number was ready", LEDGER_NONE);
COUNTER_LOSS(no_file, "writer.not_stored_error", "packets not stored: no pcap file could be written", LEDGER_NONE);
COUNTER_LOSS(no_name, "writer.not_stored_no_name", "packets not stored: their input has no name", LEDGER_NONE);

enum { CHECK_INTERVAL_MS = 500, PARTIAL_AGE_S = 10, RETRY_S = 5 };
/* Packets whose lines need not go through the stage: with at least one line between the first and the last, and so few
 * that these two never share a place in the stage. */
enum { DIRECT_MIN = 2 * WRITER_LINE_BYTES, DIRECT_MAX = WRITER_PAGE_BYTES - 4 * WRITER_LINE_BYTES };
enum { PREFETCH_LINES = 8, PREFETCH_BYTES_MAX = 1536 }; /* of longer packets; the CPU has seen by then where it goes */

enum refusal { REFUSED_BLOCK, REFUSED_NUMBER, REFUSED_ERROR };

struct writer_stream {
	struct writer *writer;
	struct writer_lane *lane;
	struct counters *counters;
	struct writer_file *current; /* the last one used; one of 'open', or NULL */
	struct writer_block *spare;  /* taken from the ring, not used yet */
	writer_line_store store_lines;
	enum writer_method method;
	bool live, wire_length, dry_run;
	uint32_t snap_length;
	uint64_t rotate_bytes, rotate_age_ns; /* UINT64_MAX: never */
	uint64_t now_ns, checked_ns;	      /* monotonic, from the tick */

	struct writer_file *open[WRITER_OPEN_FILES];
	unsigned n_open;
	struct writer_file *unused[WRITER_FILES];
	unsigned n_unused;
	uint64_t uses;
	uint32_t number; /* taken, not used yet */
	bool wants_number;
	unsigned worker;

	bool failing; /* since a write error */
	struct writer_file *trial;
	uint64_t retry_ns;

	uint64_t null_position;
	uint32_t input; /* in place: what 'entry' is about */
	struct writer_input *entry;
	bool entered; /* 'entry' is what 'input' has: NULL when that has no name */
	bool has_blocks;
};

/* Packed: a record begins at any byte of the stage. */
struct record_header {
	uint32_t seconds, fraction, captured, wire;
} __attribute__((packed));

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_length, link_type;
};
_Static_assert(sizeof(struct record_header) == WRITER_RECORD_BYTES, "pcap record header");
_Static_assert(sizeof(struct file_header) == WRITER_FILE_HEADER_BYTES, "pcap file header");

static inline uint32_t
kind_of(const struct packet *p)
{
	return (uint32_t)p->link_type << 1 | p->has_nanoseconds;
}

static inline int
status_of(const struct writer_file *f)
{
	return atomic_load_explicit(&f->status, memory_order_acquire);
}

/* To the writer. The ring holds everything that can ever be under way (writer.c). */
static void
hand_over(struct writer_stream *s, enum writer_request request, struct writer_file *f, struct writer_block *b)
{
	struct writer_handover h = {.request = request, .file = f, .block = b != NULL ? b->mbuf : NULL};

	rte_wmb(); /* pages of the block */
	rte_ring_enqueue_elem(s->lane->full, &h, sizeof(h));
}

/* Lines of the stage that were full after the last packet. They wait for this one because a line is loaded best when
 * its stores are over. */
static inline void
push_late(const struct writer_stream *s, struct writer_file *f)
{
	if (likely(f->late_bytes != 0))
		s->store_lines(f->late_to, f->late_from, f->late_bytes);
	f->late_bytes = 0;
}

/* What lies in the block behind its last page comes back into the stage. */
static void
hand_over_block(struct writer_stream *s, struct writer_file *f)
{
	struct writer_block *b = f->block;

	push_late(s, f);
	memcpy(writer_stage(f), b->address + b->fill, f->pushed);
	f->block = NULL;
	f->pushed = 0;
	hand_over(s, WRITER_BLOCK, f, b);
}

/* Blocks with something in them, of all files but 'keep', go to the writer before their time: the worker is short. */
static void
surrender(struct writer_stream *s, const struct writer_file *keep)
{
	for (unsigned i = 0; i < s->n_open; i++)
		if (s->open[i] != keep && s->open[i]->block != NULL) {
			COUNTER_ADD(s->counters, partial_blocks, 1);
			hand_over_block(s, s->open[i]);
		}
}

/* True when there is a spare block. */
static bool
reserve(struct writer_stream *s, const struct writer_file *keep)
{
	struct rte_mbuf *m;

	if (s->spare != NULL)
		return true;
	if (rte_ring_dequeue(s->lane->empty, (void **)&m) != 0 &&
	    rte_ring_dequeue(s->writer->reserve, (void **)&m) != 0) {
		surrender(s, keep);
		return false;
	}
	s->spare = writer_block_of(m);
	return true;
}

/* One more page of the block is full, with so many bytes of the file; the stage has 'staged' of the next one. */
static inline void
count_page(struct writer_file *f, uint32_t bytes, uint32_t staged)
{
	struct writer_block *b = f->block;

	b->fill += WRITER_PAGE_BYTES;
	b->packets += f->staged_packets;
	b->whole_end = f->record_start;
	__atomic_store_n(&b->bytes, b->bytes + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&f->staged, staged, __ATOMIC_RELAXED);
	f->flushed_bytes += WRITER_PAGE_BYTES;
	f->staged_packets = 0;
}

/* The stage, of which nothing is late, into the block. There is a spare when the file has no block. */
static void
flush_stage(struct writer_stream *s, struct writer_file *f)
{
	struct writer_block *b = f->block;

	if (b == NULL) {
		b = f->block = s->spare;
		s->spare = NULL;
		b->file = f;
		b->offset = f->flushed_bytes;
		f->flushed_ns = s->now_ns;
	}
	s->store_lines(b->address + b->fill + f->pushed, writer_stage(f) + f->pushed, WRITER_PAGE_BYTES - f->pushed);
	f->pushed = 0;
	count_page(f, f->staged, 0);
	if (b->fill == WRITER_BLOCK_BYTES)
		hand_over_block(s, f);
}

/* A full stage is flushed when the next byte comes, not before: so it is never empty, and a file that ends always has a
 * last page to hand over. */
static void
put(struct writer_stream *s, struct writer_file *f, const uint8_t *bytes, uint32_t size)
{
	while (size > 0) {
		uint32_t n;

		if (f->staged == WRITER_PAGE_BYTES)
			flush_stage(s, f);
		n = RTE_MIN(size, WRITER_PAGE_BYTES - f->staged);
		copy_bytes(writer_stage(f) + f->staged, bytes, n);
		f->staged += n;
		bytes += n;
		size -= n;
	}
}

/* Pages that 'size' more bytes will push out of the stage. */
static inline uint32_t
pages_pushed(const struct writer_file *f, uint32_t size)
{
	return (f->staged + size - 1) / WRITER_PAGE_BYTES;
}

/* True when these pages fit into the file's block and at most one more, which is then spare. */
static bool
pages_fit(struct writer_stream *s, const struct writer_file *f, uint32_t pages)
{
	uint32_t left = f->block != NULL ? (WRITER_BLOCK_BYTES - f->block->fill) / WRITER_PAGE_BYTES : 0;

	return pages <= left || reserve(s, f);
}

static void
forget(struct writer_stream *s, const struct writer_file *f)
{
	for (unsigned i = 0; i < s->n_open; i++)
		if (s->open[i] == f)
			s->open[i] = s->open[--s->n_open];
	if (s->current == f)
		s->current = NULL;
}

/* The last page, padded, and the file's end. False: no block for it. */
static bool
file_close(struct writer_stream *s, struct writer_file *f)
{
	if (!pages_fit(s, f, 1))
		return false;
	push_late(s, f);
	memset(writer_stage(f) + f->staged, 0, WRITER_PAGE_BYTES - f->staged);
	f->record_start = f->position;
	if (f->block != NULL && f->block->fill == WRITER_BLOCK_BYTES - WRITER_PAGE_BYTES) {
		/* The page fills the block, and a full block is handed over at once. */
		f->block->last = true;
		flush_stage(s, f);
	} else {
		flush_stage(s, f);
		f->block->last = true;
		hand_over_block(s, f);
	}
	forget(s, f);
	return true;
}

/* After a write error: what the file still holds is lost; the writer counts it. */
static void
file_abandon(struct writer_stream *s, struct writer_file *f)
{
	struct writer_block *b = f->block;

	f->block = NULL;
	forget(s, f);
	hand_over(s, WRITER_ABANDON, f, b);
}

static void
note_failure(struct writer_stream *s)
{
	s->failing = true;
	s->retry_ns = s->now_ns + RETRY_S * NS_PER_S;
}

static bool
take_number(struct writer_stream *s)
{
	if (s->number == 0)
		s->number = s->writer->params.take_number(s->writer->params.number_context);
	s->wants_number = s->number == 0;
	return s->number != 0;
}

/* A file object that the writer has finished with. NULL: none. */
static struct writer_file *
take_unused(struct writer_stream *s)
{
	void *f;

	if (s->n_unused > 0)
		return s->unused[--s->n_unused];
	return rte_ring_dequeue(s->lane->finished, &f) == 0 ? f : NULL;
}

/* LINKTYPE_RAW has another number in files than the one some systems use for it. */
static uint32_t
link_type_written(const struct packet *p)
{
	return p->link_type == LINK_RAW_12 ? LINK_RAW : p->link_type;
}

static void
stage_header(struct writer_stream *s, struct writer_file *f, const struct packet *p)
{
	struct file_header header = {
		.magic = p->has_nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4,
		.major = 2,
		.minor = 4,
		.snap_length = f->snap_length,
		.link_type = link_type_written(p),
	};

	memcpy(writer_stage(f), &header, sizeof(header));
	f->position = WRITER_FILE_HEADER_BYTES;
	__atomic_store_n(&f->staged, WRITER_FILE_HEADER_BYTES, __ATOMIC_RELAXED);
	COUNTER_ADD(s->counters, stored_bytes, WRITER_FILE_HEADER_BYTES);
}

static void
file_init(struct writer_stream *s, struct writer_file *f, const struct packet *p, bool probe)
{
	f->kind = kind_of(p);
	f->number = s->number;
	s->number = 0;
	f->snap_length = s->snap_length;
	f->rotate_at = s->rotate_bytes;
	f->expire_ns = s->rotate_age_ns < UINT64_MAX - p->time_ns ? p->time_ns + s->rotate_age_ns : UINT64_MAX;
	f->first_ns = f->last_ns = p->time_ns;
	f->opened_ns = s->now_ns;
	f->block = NULL;
	f->pushed = 0;
	f->late_bytes = 0;
	f->probe = probe;
	f->record_start = f->flushed_bytes = 0;
	f->staged_packets = 0;
	f->sessions_started = f->sessions_present = 0;
	stage_header(s, f, p);
	atomic_store_explicit(&f->status, WRITER_FILE_OPENING, memory_order_relaxed);
	hand_over(s, WRITER_OPEN, f, NULL);
}

static struct writer_file *
use(struct writer_stream *s, struct writer_file *f)
{
	if (s->current != NULL)
		s->current->last_used = ++s->uses;
	s->current = f;
	return f;
}

static struct writer_file *
least_recently_used(const struct writer_stream *s)
{
	struct writer_file *oldest = NULL;

	for (unsigned i = 0; i < s->n_open; i++)
		if (s->open[i] != s->current && (oldest == NULL || s->open[i]->last_used < oldest->last_used))
			oldest = s->open[i];
	return oldest;
}

static struct writer_file *
adopt(struct writer_stream *s, struct writer_file *f)
{
	s->open[s->n_open++] = f;
	return use(s, f);
}

/* Starts or looks at the try that follows a write error. True: files can be written again. */
static bool
try_again(struct writer_stream *s, const struct packet *p)
{
	struct writer_file *f = s->trial;

	if (f != NULL && status_of(f) == WRITER_FILE_READY) {
		f->probe = false;
		s->trial = NULL;
		s->failing = false;
		adopt(s, f);
		return true;
	}
	if (s->now_ns < s->retry_ns || (f != NULL && status_of(f) == WRITER_FILE_OPENING))
		return false;
	s->retry_ns = s->now_ns + RETRY_S * NS_PER_S;
	if (f != NULL) {
		atomic_store_explicit(&f->status, WRITER_FILE_OPENING, memory_order_relaxed);
		hand_over(s, WRITER_OPEN, f, NULL);
		return false;
	}
	if (!take_number(s))
		return false;
	s->trial = take_unused(s);
	if (s->trial != NULL)
		file_init(s, s->trial, p, true);
	return false;
}

/* A new file for packets like this one. NULL: '*why'. */
static struct writer_file *
open_file(struct writer_stream *s, const struct packet *p, enum refusal *why)
{
	struct writer_file *f;

	*why = REFUSED_NUMBER;
	if (!take_number(s))
		return NULL;
	*why = REFUSED_BLOCK;
	if (s->n_open == WRITER_OPEN_FILES && !file_close(s, least_recently_used(s)))
		return NULL;
	f = take_unused(s);
	if (f == NULL)
		return NULL;
	file_init(s, f, p, false);
	return adopt(s, f);
}

static struct writer_file *
find_open(const struct writer_stream *s, uint32_t kind)
{
	for (unsigned i = 0; i < s->n_open; i++)
		if (s->open[i]->kind == kind)
			return s->open[i];
	return NULL;
}

/* Closes a file whose time has come, if the next one can be opened. */
static struct writer_file *
rotate_if_due(struct writer_stream *s, struct writer_file *f, const struct packet *p)
{
	struct writer_file *next;

	if ((f->position < f->rotate_at && p->time_ns < f->expire_ns) || !take_number(s))
		return f;
	next = take_unused(s);
	if (next == NULL)
		return f;
	s->unused[s->n_unused++] = next;
	return file_close(s, f) ? NULL : f;
}

/* The file for a packet when it is not simply the last one used. */
static struct writer_file *
select_file(struct writer_stream *s, const struct packet *p, enum refusal *why)
{
	uint32_t kind = kind_of(p);
	struct writer_file *f = find_open(s, kind);

	if (f != NULL && status_of(f) == WRITER_FILE_FAILED) {
		file_abandon(s, f);
		note_failure(s);
		f = NULL;
	}
	if (f != NULL)
		f = rotate_if_due(s, f, p);
	if (f != NULL)
		return f == s->current ? f : use(s, f);
	if (unlikely(s->failing)) {
		*why = REFUSED_ERROR;
		if (!try_again(s, p))
			return NULL;
		f = find_open(s, kind);
		if (f != NULL)
			return use(s, f);
	}
	return open_file(s, p, why);
}

/* In a replay what has no room waits; everything else is shed and counted. */
static __rte_noinline bool
refuse(struct writer_stream *s, struct packet *p, enum refusal why)
{
	if (!s->live && why != REFUSED_ERROR)
		return false;
	p->file = 0;
	p->position = 0;
	if (why == REFUSED_BLOCK)
		COUNTER_ADD(s->counters, no_block, 1);
	else if (why == REFUSED_NUMBER)
		COUNTER_ADD(s->counters, no_number, 1);
	else
		COUNTER_ADD(s->counters, no_file, 1);
	return true;
}

static inline void
write_header(uint8_t *to, const struct packet *p, uint32_t length, bool wire_length)
{
	struct record_header *header = (struct record_header *)to;
	uint64_t seconds = p->time_ns / NS_PER_S;
	uint32_t fraction = (uint32_t)(p->time_ns - seconds * NS_PER_S);

	header->seconds = (uint32_t)seconds;
	header->fraction = p->has_nanoseconds ? fraction : fraction / (uint32_t)NS_PER_US;
	header->captured = length;
	header->wire = wire_length ? p->wire_bytes : length;
}

/* Its bytes are in the file. */
static inline void
note_stored(struct writer_stream *s, struct writer_file *f, struct packet *p, uint32_t size, uint32_t session_file)
{
	f->staged_packets++;
	f->last_ns = p->time_ns;
	p->file = f->number;
	p->position = f->position;
	f->position += size;
	if (session_file != f->number) {
		f->sessions_present++;
		f->sessions_started += session_file == 0;
	}
	COUNTER_ADD(s->counters, stored_packets, 1);
	COUNTER_ADD(s->counters, stored_bytes, size);
}

/* The full lines of the stage that are not in the block are late. */
static inline void
note_late(struct writer_file *f)
{
	uint32_t full = RTE_ALIGN_FLOOR(f->staged, WRITER_LINE_BYTES);

	if (unlikely(f->block == NULL))
		return;
	f->late_to = f->block->address + f->block->fill + f->pushed;
	f->late_from = writer_stage(f) + f->pushed;
	f->late_bytes = full - f->pushed;
	f->pushed = full;
}

/* A record that begins a block, ends it, or is a very long one. */
static __rte_noinline bool
append_beyond(struct writer_stream *s, struct writer_file *f, struct packet *p, uint32_t session_file)
{
	uint32_t length = p->store_bytes, size = WRITER_RECORD_BYTES + length;
	uint8_t header[WRITER_RECORD_BYTES];

	if (unlikely(!pages_fit(s, f, pages_pushed(f, size))))
		return refuse(s, p, REFUSED_BLOCK);
	if (f->staged + size > WRITER_PAGE_BYTES)
		f->record_start = f->position;
	write_header(header, p, length, s->wire_length);
	put(s, f, header, sizeof(header));
	put(s, f, p->data, length);
	note_late(f);
	note_stored(s, f, p, size, session_file);
	return true;
}

/* The record's first line is put together in the stage, which may mean behind its end, and is late; so is its last one,
 * in the next page's stage where the record goes on there. What lies between goes from the packet to the block. */
static inline void
store_direct(struct writer_stream *s, struct writer_file *f, const struct packet *p, uint32_t length)
{
	uint32_t data = f->staged + WRITER_RECORD_BYTES, end = data + length;
	uint32_t middle = RTE_ALIGN_CEIL(data, WRITER_LINE_BYTES), middle_end = RTE_ALIGN_FLOOR(end, WRITER_LINE_BYTES);
	uint8_t *page = f->block->address + f->block->fill;

	write_header(writer_stage(f) + f->staged, p, length, s->wire_length);
	copy_line64(writer_stage(f) + data, p->data);
	s->store_lines(page + middle, p->data + (middle - data), middle_end - middle);
	f->late_to = page + f->pushed;
	f->late_from = writer_stage(f) + f->pushed;
	f->late_bytes = middle - f->pushed;
	if (end > WRITER_PAGE_BYTES) {
		f->record_start = f->position;
		end -= WRITER_PAGE_BYTES;
		middle_end -= WRITER_PAGE_BYTES;
		count_page(f, WRITER_PAGE_BYTES, end);
	}
	copy_line64(writer_stage(f) + end - WRITER_LINE_BYTES, p->data + length - WRITER_LINE_BYTES);
	f->staged = end;
	f->pushed = middle_end;
}

static inline bool
append_to(struct writer_stream *s, struct writer_file *f, struct packet *p, uint32_t session_file)
{
	uint32_t length = p->store_bytes, size;

	if (unlikely(length > f->snap_length)) {
		p->store_bytes = length = f->snap_length;
		COUNTER_ADD(s->counters, snapped, 1);
	}
	size = WRITER_RECORD_BYTES + length;
	push_late(s, f);
	if (unlikely(f->block == NULL || f->block->fill + f->staged + size > WRITER_BLOCK_BYTES || length > DIRECT_MAX))
		return append_beyond(s, f, p, session_file);
	if (length >= DIRECT_MIN) {
		store_direct(s, f, p, length);
	} else {
		if (unlikely(f->staged + size > WRITER_PAGE_BYTES))
			return append_beyond(s, f, p, session_file);
		write_header(writer_stage(f) + f->staged, p, length, s->wire_length);
		copy_bytes(writer_stage(f) + f->staged + WRITER_RECORD_BYTES, p->data, length);
		f->staged += size;
		note_late(f);
	}
	note_stored(s, f, p, size, session_file);
	return true;
}

/* Another file than the last one, or none yet, or no longer this one. */
static __rte_noinline bool
append_elsewhere(struct writer_stream *s, struct packet *p, uint32_t session_file)
{
	enum refusal why = REFUSED_BLOCK;
	struct writer_file *f = select_file(s, p, &why);

	return f != NULL ? append_to(s, f, p, session_file) : refuse(s, p, why);
}

static inline bool
append_block(struct writer_stream *s, struct packet *p, uint32_t session_file)
{
	struct writer_file *f = s->current;

	if (unlikely(f == NULL || f->kind != kind_of(p) || f->position >= f->rotate_at || p->time_ns >= f->expire_ns ||
		     status_of(f) == WRITER_FILE_FAILED))
		return append_elsewhere(s, p, session_file);
	return append_to(s, f, p, session_file);
}

/* The first packet of an input. False: it has to wait for a file number. */
static __rte_noinline bool
enter_input(struct writer_stream *s, const struct packet *p)
{
	bool waiting;

	s->entry = writer_input_get(s->writer, p, &s->number, &waiting);
	s->wants_number = waiting;
	s->entered = !waiting;
	s->input = p->input;
	return !waiting;
}

static __rte_noinline void
count_session(struct writer_stream *s, uint32_t session_file)
{
	_Atomic uint64_t *started = &s->entry->worker[s->worker].sessions_started;
	_Atomic uint64_t *present = &s->entry->worker[s->worker].sessions_present;

	/* One writer each: no locked instruction is needed. */
	atomic_store_explicit(present, atomic_load_explicit(present, memory_order_relaxed) + 1, memory_order_relaxed);
	if (session_file == 0)
		atomic_store_explicit(started, atomic_load_explicit(started, memory_order_relaxed) + 1,
				      memory_order_relaxed);
}

/* No place to point into: copied where that was asked for, else the packet is not stored. */
static __rte_noinline bool
append_unnamed(struct writer_stream *s, struct packet *p, uint32_t session_file)
{
	if (s->has_blocks)
		return append_block(s, p, session_file);
	p->file = 0;
	p->position = 0;
	COUNTER_ADD(s->counters, no_name, 1);
	return true;
}

static __rte_noinline bool
append_inplace(struct writer_stream *s, struct packet *p, uint32_t session_file)
{
	if (unlikely(s->dry_run)) {
		p->file = 0;
	} else {
		if (unlikely(!s->entered || s->input != p->input) && !enter_input(s, p))
			return refuse(s, p, REFUSED_NUMBER);
		if (unlikely(s->entry == NULL))
			return append_unnamed(s, p, session_file);
		p->file = s->entry->number;
		if (session_file != p->file)
			count_session(s, session_file);
	}
	p->position = p->input_position;
	COUNTER_ADD(s->counters, stored_packets, 1);
	return true;
}

/* One imaginary file without end (RECORD.md 1.1), for each worker one of its own: a position shared by all workers
 * would cost more than it means. */
static bool
append_null(struct writer_stream *s, struct packet *p)
{
	p->file = 0;
	p->position = s->null_position;
	s->null_position += WRITER_RECORD_BYTES + p->store_bytes;
	COUNTER_ADD(s->counters, stored_packets, 1);
	return true;
}

bool
writer_append(struct writer_stream *s, struct packet *p, uint32_t session_file)
{
	if (likely(s->method == WRITER_SIMPLE))
		return append_block(s, p, session_file);
	if (s->method == WRITER_INPLACE)
		return append_inplace(s, p, session_file);
	return append_null(s, p);
}

void
writer_prefetch(const struct writer_stream *s, const struct packet *p)
{
	uint32_t end;

	if (s->method != WRITER_SIMPLE)
		return;
	end = RTE_MIN(p->captured_bytes, (uint32_t)PREFETCH_BYTES_MAX);
	for (uint32_t at = 2 * RTE_CACHE_LINE_SIZE; at < end; at += PREFETCH_LINES * RTE_CACHE_LINE_SIZE)
		for (unsigned i = 0; i < PREFETCH_LINES; i++)
			rte_prefetch1(p->data + at + i * RTE_CACHE_LINE_SIZE);
}

/* Blocks at hand, up to what can ever be: with one in the current file the rest of the worker's own come back. */
static bool
has_blocks(struct writer_stream *s, unsigned packets)
{
	uint64_t bytes = (uint64_t)packets * (WRITER_RECORD_BYTES + PACKET_BYTES_MAX);
	unsigned wanted = (unsigned)(bytes / WRITER_BLOCK_BYTES) + 1;
	unsigned at_most = s->writer->n_own - 1;
	unsigned at_hand = rte_ring_count(s->lane->empty) + (s->spare != NULL);

	wanted = RTE_MIN(wanted, at_most);
	if (likely(at_hand >= wanted) || at_hand + rte_ring_count(s->writer->reserve) >= wanted)
		return true;
	surrender(s, s->current);
	return false;
}

bool
writer_stream_room(struct writer_stream *s, unsigned packets)
{
	/* A packet waits for a number: the stream waits with it. */
	if (unlikely(s->wants_number) && !take_number(s))
		return false;
	return !s->has_blocks || s->failing || has_blocks(s, packets);
}

static bool
too_old(const struct writer_stream *s, const struct writer_file *f)
{
	return s->live && s->rotate_age_ns != UINT64_MAX && s->now_ns - f->opened_ns >= s->rotate_age_ns;
}

/* Live, a file gets old without packets too. */
static void
check_files(struct writer_stream *s)
{
	for (unsigned i = s->n_open; i-- > 0;) {
		struct writer_file *f = s->open[i];

		if (status_of(f) == WRITER_FILE_FAILED) {
			file_abandon(s, f);
			note_failure(s);
			continue;
		}
		if (too_old(s, f)) {
			file_close(s, f);
			continue;
		}
		if (f->block != NULL && s->now_ns - f->flushed_ns >= PARTIAL_AGE_S * NS_PER_S) {
			COUNTER_ADD(s->counters, partial_blocks, 1);
			hand_over_block(s, f);
		}
	}
}

void
writer_stream_tick(struct writer_stream *s, uint64_t now_ns)
{
	s->now_ns = now_ns;
	if (likely(now_ns - s->checked_ns < CHECK_INTERVAL_MS * NS_PER_MS))
		return;
	s->checked_ns = now_ns;
	check_files(s);
}

/* The try that follows a write error, at the end: a file that could be opened is closed like any other. */
static bool
finish_trial(struct writer_stream *s)
{
	struct writer_file *f = s->trial;
	int status;

	if (f == NULL)
		return true;
	status = status_of(f);
	if (status == WRITER_FILE_OPENING)
		return false;
	s->trial = NULL;
	if (status == WRITER_FILE_READY)
		adopt(s, f);
	else
		file_abandon(s, f);
	return true;
}

bool
writer_stream_finish(struct writer_stream *s)
{
	if (!finish_trial(s))
		return false;
	for (unsigned i = s->n_open; i-- > 0;) {
		struct writer_file *f = s->open[i];

		if (status_of(f) == WRITER_FILE_FAILED)
			file_abandon(s, f);
		else if (!file_close(s, f))
			return false;
	}
	return true;
}

unsigned
writer_stream_used_percent(const struct writer_stream *s)
{
	const struct writer *w = s->writer;
	unsigned all, at_hand;

	if (!s->has_blocks || s->failing)
		return 0;
	all = w->n_blocks - w->n_own * (w->n_workers - 1);
	at_hand = rte_ring_count(s->lane->empty) + rte_ring_count(w->reserve);
	return at_hand >= all ? 0 : 100 * (all - at_hand) / all;
}

struct writer_stream *
writer_stream_create(struct writer *w, unsigned worker, struct counters *counters)
{
	struct writer_stream *s =
		rte_zmalloc_socket("shrike_stream", sizeof(*s), RTE_CACHE_LINE_SIZE, w->params.socket);

	if (s == NULL)
		return NULL;
	s->writer = w;
	s->worker = worker;
	s->lane = &w->lane[worker];
	s->counters = counters;
	s->store_lines = writer_line_store_choose();
	s->method = w->has_blocks && w->method != WRITER_INPLACE ? WRITER_SIMPLE : w->method;
	s->has_blocks = w->has_blocks;
	s->live = w->conf->live;
	s->wire_length = w->conf->wire_length;
	s->dry_run = w->conf->dry_run;
	/* A capture may have been made with any snap length: nothing of it is cut. */
	s->snap_length = s->live ? w->conf->snap_length : PACKET_BYTES_MAX;
	s->rotate_bytes = w->rotate_bytes;
	s->rotate_age_ns = w->rotate_age_ns;
	s->null_position = WRITER_FILE_HEADER_BYTES;
	for (unsigned i = 0; s->has_blocks && i < WRITER_FILES; i++)
		s->unused[s->n_unused++] = &s->lane->files[WRITER_FILES - 1 - i];
	return s;
}

void
writer_stream_destroy(struct writer_stream *s)
{
	if (s == NULL)
		return;
	if (s->trial != NULL)
		file_abandon(s, s->trial);
	if (s->n_open > 0)
		LOG_ERROR("writer.unfinished", "worker=%u files=%u effect=\"their last bytes are lost\"", s->worker,
			  s->n_open);
	while (s->n_open > 0)
		file_abandon(s, s->open[s->n_open - 1]);
	rte_free(s);
}
