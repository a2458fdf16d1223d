/* The writer role: blocks to files.
 *
 * It takes what the workers hand over, keeps up to eight writes in flight, and gives the blocks back. What waits, waits
 * in the workers' rings. Writes finish in any order, but a file's blocks are accounted for in the order of the file: so
 * "written" is always a prefix of the file that consists of whole records, and that is what a file is cut to when a
 * write fails, and what its document says.
 *
 * A failed file stays open here until the worker has noticed and handed over its rest; all of that is lost and
 * counted. The worker stops storing, and tries again every few seconds (stream.c).
 *
 * Opening, preallocating and closing are plain system calls: they happen once in gigabytes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_malloc.h>

#include "clock.h"
#include "log.h"
#include "writer_priv.h"

COUNTER(written_bytes, "writer.written_bytes", "bytes of pcap files written", LEDGER_STORED, LEDGER_OUT);
COUNTER(discarded_bytes, "writer.discarded_bytes", "bytes dropped by the method discard", LEDGER_STORED, LEDGER_OUT);
COUNTER_LOSS(lost_bytes, "writer.lost_bytes", "bytes that could not be written", LEDGER_STORED);
COUNTER_LOSS(lost_packets, "writer.lost_packets", "packets with a position that could not be written", LEDGER_NONE);
COUNTER(written_packets, "writer.written_packets", "packets written to pcap files", LEDGER_NONE, LEDGER_OUT);
COUNTER(files_opened, "writer.files_opened", "pcap files created", LEDGER_NONE, LEDGER_IN);
COUNTER(files_closed, "writer.files_closed", "pcap files closed", LEDGER_NONE, LEDGER_OUT);
COUNTER(write_errors, "writer.errors", "files that could not be opened or written", LEDGER_NONE, LEDGER_OUT);

enum { LANE_BURST = 16, DESTROY_WAIT_NS = 1000000 };

/* The order is that of enum writer_method. */
static const char *const method_words[] = {"simple", "inplace", "null", "discard", "simple-nodirect", NULL};
static const char *const directory_words[] = {"round-robin", "max-free-percent", "max-free-bytes", NULL};

static const struct setting writer_settings[] = {
	SETTING_LIST(struct writer_conf, directories, "pcapDir", "/var/lib/shrike/pcap",
		     "directories for pcap files, made when missing"),
	SETTING_STR(struct writer_conf, directory_template, "pcapDirTemplate", NULL,
		    "strftime pattern appended to pcapDir, in local time of a file's first packet; begins with /"),
	SETTING_ENUM(struct writer_conf, directory_algorithm, "pcapDirAlgorithm", "round-robin", directory_words,
		     "which of several pcapDir gets the next file"),
	SETTING_DOUBLE(struct writer_conf, file_size_max_gib, "maxFileSizeG", 12, 0.01, 1024, "GiB",
		       "a pcap file this long is closed and the next one opened"),
	SETTING_U32(struct writer_conf, file_time_max_min, "maxFileTimeM", 0, 0, 65535, "minutes",
		    "so is one whose first packet is this old; 0: never"),
	SETTING_U32(struct writer_conf, snap_length, "snapLen", 16384, 1, 65535, "bytes",
		    "live: bytes of a packet that are captured at most"),
	SETTING_ENUM(struct writer_conf, method, "pcapWriteMethod", "simple", method_words,
		     "how packets are stored: simple (pcap files, O_DIRECT), simple-nodirect (through the page cache), "
		     "inplace (positions in the file that is read), null (nothing stored), discard (for benchmarks: "
		     "blocks are "
		     "filled and dropped)"),
	SETTING_BOOL(struct writer_conf, wire_length, "pcapWireLength", "true",
		     "the second length of a stored packet is that on the wire; false: the captured one, as Arkime "
		     "writes it"),
	SETTING_U32(struct writer_conf, n_blocks, "pcapBlocks", 0, 0, 32768, "blocks",
		    "2 MB blocks between the workers and the disk, at least 2 per worker; 0: 16 and 4 per worker"),
};
SETTINGS(writer, "Stored packets", writer_settings);

static void
file_failed(struct writer *w, struct writer_file *f, int error)
{
	const char *hint = error == ENOSPC || error == EDQUOT
				   ? "free space below pcapDir, or let the viewer delete more (freeSpaceG)"
				   : "check that pcapDir can be written by this user, and the disk's health";

	f->failed = true;
	atomic_store_explicit(&f->status, WRITER_FILE_FAILED, memory_order_release);
	COUNTER_ADD(&w->counters, write_errors, 1);
	if (!w->failing)
		LOG_ERROR("writer.failed",
			  "number=%u file=\"%s\" error=\"%s\" effect=\"packets are not stored, tried again every 5 s\" "
			  "action=\"%s\"",
			  f->number, f->name != NULL ? f->name : "", strerror(error), hint);
	w->failing = true;
}

static void
file_opened(struct writer *w, struct writer_file *f)
{
	if (w->failing && f->probe) {
		w->failing = false;
		LOG_INFO("writer.resumed", "file=\"%s\" effect=\"packets are stored again\"", f->name);
	}
	COUNTER_ADD(&w->counters, files_opened, 1);
	f->created = true;
	writer_event_send(w, writer_event_created(w, f->name, f->number, f->first_ns));
	atomic_store_explicit(&f->status, WRITER_FILE_READY, memory_order_release);
}

static void
file_open(struct writer *w, struct writer_file *f)
{
	int error;

	f->fd = -1;
	f->failed = f->ended = f->created = false;
	f->head = f->tail = NULL;
	f->allocated = f->accounted = f->packets = 0;
	if (w->method == WRITER_DISCARD) {
		atomic_store_explicit(&f->status, WRITER_FILE_READY, memory_order_release);
		return;
	}
	error = writer_file_create(w, f);
	if (error != 0)
		file_failed(w, f, -error);
	else
		file_opened(w, f);
}

static void
send_closing(struct writer *w, const struct writer_file *f)
{
	struct file_event *e = writer_event_created(w, f->name, f->number, f->first_ns);

	if (e == NULL)
		return;
	e->closing = true;
	e->finish_ns = e->start_ns;
	e->last_ns = f->last_ns;
	e->file_bytes = e->packets_bytes = f->accounted;
	e->packets = f->packets;
	e->sessions_started = f->sessions_started;
	e->sessions_present = f->sessions_present;
	writer_event_send(w, e);
}

/* The beginning of a record whose end was lost. */
static void
lose_cut(struct writer *w, struct writer_file *f)
{
	COUNTER_ADD(&w->counters, lost_bytes, f->cut_bytes);
	__atomic_store_n(&f->cut_bytes, 0, __ATOMIC_RELAXED);
}

/* Everything is written or lost: the file gets its true length, and its object goes back to the worker. */
static void
file_close(struct writer *w, struct writer_file *f)
{
	int error = writer_file_finish(f);

	lose_cut(w, f);
	if (error != 0)
		LOG_ERROR("writer.close", "file=\"%s\" error=\"%s\" effect=\"its end is padding\"", f->name,
			  strerror(-error));
	if (f->created) {
		COUNTER_ADD(&w->counters, files_closed, 1);
		send_closing(w, f);
	}
	free(f->name);
	f->name = NULL;
	rte_ring_enqueue(f->lane->finished, f);
}

static void
account(struct writer *w, struct writer_file *f, const struct writer_block *b)
{
	uint64_t written = b->whole_end - f->accounted;

	if (w->method == WRITER_DISCARD) {
		COUNTER_ADD(&w->counters, discarded_bytes, written);
	} else {
		COUNTER_ADD(&w->counters, written_bytes, written);
		COUNTER_ADD(&w->counters, written_packets, b->packets);
	}
	__atomic_store_n(&f->cut_bytes, b->offset + b->bytes - b->whole_end, __ATOMIC_RELAXED);
	f->accounted = b->whole_end;
	f->packets += b->packets;
}

/* Finished blocks at the head of the file. */
static void
settle(struct writer *w, struct writer_file *f)
{
	while (f->head != NULL && f->head->done) {
		struct writer_block *b = f->head;

		f->head = b->next;
		if (f->head == NULL)
			f->tail = NULL;
		if (b->result < 0 && !f->failed)
			file_failed(w, f, -b->result);
		if (f->failed) {
			COUNTER_ADD(&w->counters, lost_bytes, b->bytes);
			COUNTER_ADD(&w->counters, lost_packets, b->packets);
		} else {
			account(w, f, b);
		}
		f->ended = f->ended || b->last;
		writer_block_return(w, b);
	}
	if (f->ended && f->head == NULL)
		file_close(w, f);
}

static void
take_block(struct writer *w, struct writer_file *f, struct writer_block *b)
{
	b->next = NULL;
	if (f->tail != NULL)
		f->tail->next = b;
	else
		f->head = b;
	f->tail = b;
	b->done = f->failed || w->method == WRITER_DISCARD;
	if (b->done) {
		settle(w, f);
		return;
	}
	writer_file_preallocate(w, f, b->offset + b->fill);
	writer_disk_write(w->disk, b);
}

/* The worker has given the file up after an error, or is gone. */
static void
abandon(struct writer *w, struct writer_file *f, struct writer_block *b)
{
	COUNTER_ADD(&w->counters, lost_bytes, f->staged + (b != NULL ? b->bytes : 0));
	COUNTER_ADD(&w->counters, lost_packets, f->staged_packets + (b != NULL ? b->packets : 0));
	__atomic_store_n(&f->staged, 0, __ATOMIC_RELAXED);
	if (b != NULL)
		writer_block_return(w, b);
	f->ended = true;
	settle(w, f);
}

static void
handle(struct writer *w, const struct writer_handover *h)
{
	struct writer_block *b = h->block != NULL ? writer_block_of(h->block) : NULL;

	switch ((enum writer_request)h->request) {
	case WRITER_OPEN:
		file_open(w, h->file);
		break;
	case WRITER_BLOCK:
		if (b != NULL)
			take_block(w, h->file, b);
		break;
	case WRITER_ABANDON:
		abandon(w, h->file, b);
		break;
	}
}

static unsigned
poll_lane(struct writer *w, struct writer_lane *lane)
{
	struct writer_handover h;
	unsigned n = 0;

	while (n < LANE_BURST && (w->disk == NULL || !writer_disk_full(w->disk)) &&
	       rte_ring_dequeue_elem(lane->full, &h, sizeof(h)) == 0) {
		handle(w, &h);
		n++;
	}
	return n;
}

static unsigned
complete_writes(struct writer *w)
{
	struct writer_block *b;
	unsigned n = 0;

	while ((b = writer_disk_reap(w->disk)) != NULL) {
		b->done = true;
		settle(w, b->file);
		n++;
	}
	return n;
}

static bool
rings_empty(const struct writer *w)
{
	for (unsigned i = 0; i < w->n_workers; i++)
		if (w->lane[i].full != NULL && !rte_ring_empty(w->lane[i].full))
			return false;
	return true;
}

unsigned
writer_poll(struct writer *w)
{
	unsigned work = 0;

	if (w->has_blocks) {
		if (w->disk != NULL)
			work += complete_writes(w);
		/* Before anything leaves a ring: writer_idle() looks at the rings first. */
		if (!rings_empty(w))
			atomic_store(&w->busy, true);
		for (unsigned i = 0; i < w->n_workers; i++)
			work += poll_lane(w, &w->lane[(w->next_lane + i) % w->n_workers]);
		w->next_lane = w->next_lane + 1 < w->n_workers ? w->next_lane + 1 : 0;
		if (w->disk != NULL)
			writer_disk_submit(w->disk);
		atomic_store_explicit(&w->busy, w->disk != NULL && writer_disk_in_flight(w->disk) > 0,
				      memory_order_release);
	}
	return work + writer_events_flush(w);
}

void
writer_load(const struct writer *w, struct writer_load *out)
{
	*out = (struct writer_load){.blocks = w->has_blocks ? w->n_blocks : 0};
	for (unsigned i = 0; w->has_blocks && i < w->n_workers; i++)
		out->waiting += rte_ring_count(w->lane[i].full);
	if (w->disk != NULL)
		out->waiting += writer_disk_in_flight(w->disk);
}

bool
writer_idle(const struct writer *w)
{
	if (!rings_empty(w))
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	return !atomic_load(&w->busy) && atomic_load(&w->events.n) == 0;
}

struct counters *
writer_counters(struct writer *w)
{
	return &w->counters;
}

static struct rte_ring *
ring_create(const char *what, unsigned worker, size_t element, unsigned n, int socket)
{
	static _Atomic unsigned instance;
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s%u_%u", what, atomic_fetch_add(&instance, 1), worker);
	return rte_ring_create_elem(name, (unsigned)element, n, socket,
				    RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static bool
lane_create(struct writer *w, unsigned worker)
{
	struct writer_lane *lane = &w->lane[worker];
	unsigned blocks = writer_block_count(w->conf, w->n_workers);
	int socket = w->params.socket;

	/* Each file has at most three requests without a block under way: open, open again, abandon. */
	lane->full = ring_create("wr_full", worker, sizeof(struct writer_handover), blocks + 3 * WRITER_FILES, socket);
	lane->empty = ring_create("wr_empty", worker, sizeof(void *), blocks, socket);
	lane->finished = ring_create("wr_files", worker, sizeof(void *), WRITER_FILES, socket);
	lane->files = rte_zmalloc_socket("shrike_files", WRITER_FILES * sizeof(struct writer_file), RTE_CACHE_LINE_SIZE,
					 socket);
	if (lane->full == NULL || lane->empty == NULL || lane->finished == NULL || lane->files == NULL)
		return false;
	for (unsigned i = 0; i < WRITER_FILES; i++) {
		lane->files[i].lane = lane;
		lane->files[i].fd = -1;
	}
	return true;
}

/* What only the methods need that fill blocks. */
static bool
create_block_parts(struct writer *w, char *why, size_t why_size)
{
	if (w->method != WRITER_DISCARD && !writer_directories_create(w, why, why_size))
		return false;
	for (unsigned i = 0; i < w->n_workers; i++)
		if (!lane_create(w, i)) {
			snprintf(why, why_size, "not enough EAL memory for the writer's rings");
			return false;
		}
	if (!writer_blocks_create(w, why, why_size))
		return false;
	w->gauge = (struct ledger_gauge){
		.name = "writer.held_bytes", .account = LEDGER_STORED, .read = writer_blocks_held, .context = w};
	ledger_gauge_attach(&w->gauge);
	if (w->method == WRITER_DISCARD)
		return true;
	w->disk = writer_disk_create(!w->params.no_uring, w->params.helper_cpus);
	if (w->disk == NULL)
		snprintf(why, why_size, "not enough memory");
	return w->disk != NULL;
}

struct writer *
writer_create(const struct writer_params *params, char *why, size_t why_size)
{
	struct writer *w = calloc(1, sizeof(*w));

	snprintf(why, why_size, "not enough memory");
	if (w == NULL)
		return NULL;
	w->params = *params;
	w->conf = params->conf;
	w->method = w->conf->effective_method;
	if (w->conf->dry_run && writer_uses_blocks(w->conf, w->method) && w->method != WRITER_DISCARD)
		w->method = WRITER_NULL;
	w->has_blocks = writer_uses_blocks(w->conf, w->method);
	w->direct = w->method != WRITER_SIMPLE_NODIRECT && w->conf->method != WRITER_SIMPLE_NODIRECT;
	w->n_workers = params->n_workers;
	w->rotate_bytes = (uint64_t)(w->conf->file_size_max_gib * (1 << 30));
	w->rotate_age_ns = w->conf->file_time_max_min != 0 ? w->conf->file_time_max_min * 60 * NS_PER_S : UINT64_MAX;
	w->events.ring = w->conf->dry_run ? NULL : params->file_events;
	rte_spinlock_init(&w->events.lock);
	rte_spinlock_init(&w->inputs.lock);
	counters_attach(&w->counters, "writer");
	w->lane = calloc(w->n_workers, sizeof(struct writer_lane));
	if (w->lane == NULL || (w->has_blocks && !create_block_parts(w, why, why_size))) {
		writer_destroy(w);
		return NULL;
	}
	return w;
}

/* What streams handed over before they were destroyed; writes in flight must end before their memory goes. */
static void
drain(struct writer *w)
{
	while (!rings_empty(w) || (w->disk != NULL && writer_disk_in_flight(w->disk) > 0))
		if (writer_poll(w) == 0)
			nanosleep(&(struct timespec){.tv_nsec = DESTROY_WAIT_NS}, NULL);
}

static void
lane_destroy(struct writer_lane *lane)
{
	for (unsigned i = 0; lane->files != NULL && i < WRITER_FILES; i++) {
		writer_file_finish(&lane->files[i]);
		free(lane->files[i].name);
	}
	rte_ring_free(lane->full);
	rte_ring_free(lane->empty);
	rte_ring_free(lane->finished);
	rte_free(lane->files);
}

void
writer_destroy(struct writer *w)
{
	if (w == NULL)
		return;
	if (w->lane != NULL && w->memory != NULL)
		drain(w);
	writer_events_flush(w);
	writer_events_destroy(w);
	if (w->gauge.read != NULL)
		ledger_gauge_detach(&w->gauge);
	for (unsigned i = 0; w->lane != NULL && i < w->n_workers; i++)
		lane_destroy(&w->lane[i]);
	free(w->lane);
	writer_blocks_destroy(w);
	writer_disk_destroy(w->disk);
	writer_directories_destroy(w);
	writer_inputs_destroy(w);
	counters_detach(&w->counters);
	free(w);
}
