/* Stored packets: blocks, positions, files.
 *
 * A worker appends packets to its stream while they are hot: 2 MB blocks (hugepage memory, carried by rte_mbufs) that
 * follow each other in one open file per worker and link type, so the file number and position are known at once. Full
 * blocks cross one SPSC ring to the writer role, which writes them with O_DIRECT through io_uring and sends the blocks
 * back. Methods: "simple" (pcap files of our own), "inplace" (positions in the input file, nothing copied), "null"
 * (positions in an imaginary file).
 *
 * Threads: a stream belongs to its worker; the writer to its lcore; between them only rings. Ownership: blocks are the
 * writer's, lent to streams. Errors: a write error stops storing (packets are then not stored, and counted), is retried
 * every few seconds, and never ends the process. No call waits. */
#ifndef WRITER_H
#define WRITER_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"
#include "packet.h"

enum writer_method {
	WRITER_SIMPLE,
	WRITER_INPLACE,
	WRITER_NULL,
	WRITER_DISCARD, /* benchmark: blocks filled, handed over, dropped */
	WRITER_SIMPLE_NODIRECT
};
enum { WRITER_BLOCK_BYTES = 2 << 20 };

struct writer_conf {
	struct conf_list directories;	/* pcapDir */
	const char *directory_template; /* pcapDirTemplate */
	int directory_algorithm;
	double file_size_max_gib;   /* maxFileSizeG */
	uint32_t file_time_max_min; /* maxFileTimeM */
	uint32_t snap_length;
	int method;	       /* pcapWriteMethod */
	bool wire_length;      /* pcapWireLength */
	bool gap_positions;    /* gapPacketPos */
	bool lock_input_files; /* not --nolockpcap */
	uint32_t n_blocks;     /* pcapBlocks; 0: 16 + 4 per worker */
	/* Filled by the app, not from the conf file: */
	enum writer_method effective_method;
	bool copy_unnamed; /* in place: packets of inputs that cannot be read at a position are copied, not refused */
	bool dry_run;	   /* positions, but no file numbers and no files */
	bool live;	   /* file mode 0660, else 0666 */
	const char *node;
};
extern const struct setting_group writer_settings_group;

/* What becomes a 'files' document (RECORD.md 4). Sent on a ring to the exporter, which frees it with file_event_free().
 */
struct file_event {
	bool closing; /* false: created */
	uint32_t number;
	char *name;		      /* absolute path */
	uint64_t first_ns, last_ns;   /* packet time */
	uint64_t start_ns, finish_ns; /* wall clock */
	uint64_t file_bytes, packets_bytes, packets;
	uint64_t sessions_started, sessions_present;
	bool locked, gap_positions, in_place;
};
void file_event_free(struct file_event *); /* accepts NULL */

struct rte_ring;
struct writer;
struct writer_stream;

/* A file number for a new file, or 0: none ready yet, ask again. Called by workers, any thread. */
typedef uint32_t (*writer_number_source)(void *context);

/* One input file, for the in-place method: the app fills this from the replay. */
struct writer_input_info {
	const char *absolute; /* NULL: cannot be opened again at a position */
	uint64_t first_ns;    /* of its first record */
	uint32_t number;      /* of the files document it has already (--reprocess): none is created; 0: a new one */
};
typedef bool (*writer_input_source)(void *context, uint32_t input, struct writer_input_info *);

struct writer_params {
	const struct writer_conf *conf;
	unsigned n_workers;
	struct rte_ring *file_events; /* MPSC: struct file_event pointers to the exporter; NULL: dropped (dry run) */
	writer_number_source take_number;
	void *number_context;
	writer_input_source input;
	void *input_context;
	int socket;
	bool no_uring;		      /* pwrite() instead of io_uring, as on kernels that forbid it */
	const cpu_set_t *helper_cpus; /* where the kernel's threads for io_uring may run; NULL: anywhere */
};

/* EAL memory for the blocks; 0 for methods that store nothing. */
size_t writer_memory_bytes(const struct writer_conf *, unsigned n_workers);

/* NULL and 'why': directory missing or not writable, not enough memory for the blocks. */
struct writer *writer_create(const struct writer_params *, char *why, size_t why_size);
void writer_destroy(struct writer *); /* accepts NULL */
struct counters *writer_counters(struct writer *);

/* The writer role: takes blocks, starts and completes writes, opens and closes files, passes on file events. Every
 * method needs it. Returns the work it found. */
unsigned writer_poll(struct writer *);

/* Blocks there are, and those that workers have handed over and that are not written yet. Any thread. */
struct writer_load {
	unsigned blocks, waiting;
};
void writer_load(const struct writer *, struct writer_load *);

/* Nothing queued, nothing in flight, all file events in their ring. Any thread. */
bool writer_idle(const struct writer *);

/* The worker's end. 'counters' is the worker's. */
struct writer_stream *writer_stream_create(struct writer *, unsigned worker, struct counters *);
void writer_stream_destroy(struct writer_stream *); /* accepts NULL */

/* Head-room for 'packets' packets of PACKET_BYTES_MAX, as far as the pool allows: checked before each burst. A replay
 * takes no packets while it is false. It looks at the files that are open; whether a packet needs another file is only
 * known from the packet, so writer_append() has the last word. */
bool writer_stream_room(struct writer_stream *, unsigned packets);

/* How much of the blocks that the stream could have is in use, 0 to 100; 0 when none are needed. For a live worker that
 * decides what to shed. */
unsigned writer_stream_used_percent(const struct writer_stream *);

/* Stores at most p->store_bytes of a packet: sets p->file and p->position; position 0 means not stored (counted by
 * reason). False, only in a replay: no block or file number is ready. Nothing has changed; append the same packet again
 * after the other roles have run, before any packet that follows it. Live it is always true: what has no room is shed.
 * 'session_file': p->file of the packet of this session that was stored before this one in the session's current
 * interval, 0: none. It makes sessions_started and sessions_present of the files document. */
bool writer_append(struct writer_stream *, struct packet *, uint32_t session_file) __attribute__((warn_unused_result));

/* Asks for the bytes of a packet that is appended soon, where appending copies them: but for its first two lines, which
 * are there since it was decoded. */
void writer_prefetch(const struct writer_stream *, const struct packet *);

/* Hands over partial blocks older than 10 s, and is the clock for retries after a write error (now: monotonic clock);
 * cheap, called once a poll or a few times a second. */
void writer_stream_tick(struct writer_stream *, uint64_t now_ns);

/* End: hands over what is left and closes the files. Resumable: false means call again after writer_poll(). */
bool writer_stream_finish(struct writer_stream *);

/* In place: the closing update of an input file, with all records and bytes read. Called by the app when the replay and
 * the workers have ended; writer_idle() says when the event has reached its ring. Nothing for other methods, and for
 * inputs of which no packet was stored. */
void writer_input_closed(struct writer *, uint32_t input, uint64_t bytes_read, uint64_t packets_read, uint64_t last_ns);

#endif
