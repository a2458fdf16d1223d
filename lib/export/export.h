/* The exporter role: records become documents, documents go to sinks, chunks go back to their workers.
 *
 * Every poll takes records from the workers' rings, formats each once, and collects the documents into batches
 * (exportBatchBytes or one second). A finished batch is handed to every sink by reference; each sink has a queue of
 * batches and a thread of its own (not on a polling CPU), because SQLite and files block. On a live sensor what does
 * not fit into a sink's queue goes to its spool on disk, so a slow or dead sink slows neither workers nor other sinks.
 * In a replay sinks that are files have none: a queue holds all batches there are then, and when no batch is free the
 * exporter takes no records and the replay waits (sink.c). A sink that fails is retried for ever; a document is
 * acknowledged, rejected, abandoned, spooled or still held here, never forgotten.
 *
 * Threads: exporter_poll() and exporter_put_file() on one thread, the exporter's lcore; create, destroy, finish,
 * abandon and describe on the control thread; exporter_put_stats() on one more; exporter_idle() and
 * exporter_file_number() on any. Sinks run on threads of their own. Ownership: a record belongs to the exporter from
 * its ring to the return ring; a batch to the exporter's pool. Ledger: whoever pushes a record on a ring counts
 * "record.emitted" (IN of LEDGER_RECORDS) and attaches a gauge for what is on the rings; all else of the account is
 * counted and gauged here. exporter_destroy() takes the counters with it: check and print before. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"
#include "document.h"

struct rte_ring;

/* One session document in a batch, with the columns people search by (for sinks with columns). */
struct export_row {
	uint32_t json_offset, json_bytes; /* in the batch's text; a newline follows */
	uint64_t packets, bytes, data_bytes;
	int64_t first_ms, last_ms; /* packet time */
	uint16_t port[2];
	uint8_t ip_version, ip_protocol; /* ip_version 0: no addresses */
	uint8_t address[2][16];		 /* IPv4 as v4-mapped */
	char id[DOCUMENT_ID_BYTES];
	char index_period[DOCUMENT_PERIOD_BYTES];
	char community_id[COMMUNITY_ID_BYTES]; /* "": none */
	char protocols[64];		       /* "tcp;http", cut after the last name that fits */
};

struct export_batch {
	char *text; /* documents, one a line */
	size_t text_bytes;
	struct export_row *row;
	unsigned n_rows;
	uint64_t first_sequence; /* as a sink sees it: number of the first document since it began, from 1 */
};

/* A batch as a sink gets it: with a bit for each row, clear at first. A set bit says that the store will never take
 * this document. Bits count when write() returns 0, or has said that the batch is done; after an error they are cleared
 * and the batch comes again. */
struct sink_batch {
	const struct export_batch *batch;
	uint64_t *rejected;
	bool is_done; /* with an error: it is answered for all the same. Counts for the first batches only */
};

static inline void
sink_reject(struct sink_batch *b, unsigned row)
{
	b->rejected[row / 64] |= UINT64_C(1) << row % 64;
}

/* The 'files' table's row, as lib/writer sends it (same content as its struct file_event; the app copies it over,
 * because export does not see writer). */
struct export_file {
	bool closing;
	uint32_t number;
	const char *name;
	uint64_t first_ns, last_ns, start_ns, finish_ns;
	uint64_t file_bytes, packets_bytes, packets, sessions_started, sessions_present;
	bool locked, gap_positions, in_place;
};

typedef void (*export_file_callback)(const char *name, uint32_t number, void *context);

/* A document about the sensor itself (RECORD.md 7). Flavour 0 is the node's stats document, whose id is the node's
 * name; 1 to 3 are its dstats documents of 5, 60 and 600 s, whose ids go round in a ring. */
enum { EXPORT_STATS_FLAVOURS = 4, EXPORT_STATS_ID_BYTES = 320, EXPORT_STATS_JSON_BYTES_MAX = 8192 };
struct export_stats {
	unsigned flavour;
	bool important; /* a store that sheds should keep this one: it comes once a minute, or is the run's last */
	bool live;	/* not a replay: the stats document has a version that grows, kept by the store */
	const char *id, *json;
	size_t json_bytes; /* less than EXPORT_STATS_JSON_BYTES_MAX */
};
static inline const char *
export_stats_index(const struct export_stats *stats)
{
	return stats->flavour == 0 ? "stats" : "dstats";
}

/* What only the sink knows of itself. */
struct sink_gauges {
	uint32_t requests;	/* sent and not answered */
	uint32_t health_ms;	/* how long the last look at the store's health took; 0: none */
	uint64_t spool_bytes;	/* waiting on disk */
	uint64_t spool_records; /* the same in documents */
};

struct sink_params {
	const struct conf *conf;
	const struct document_conf *document;
	const char *target; /* the ndjson sink of --records: its path; NULL: as the sink's settings say */
};

/* When what a sink does not take at once goes to its spool (spool.h) instead of waiting in batches. The setting 'spool'
 * may say otherwise for all but SINK_SPOOL_NEVER. */
enum sink_spooling {
	SINK_SPOOL_LIVE,   /* on a live sensor; a replay waits */
	SINK_SPOOL_ALWAYS, /* in a replay too: a store that may be down for hours */
	SINK_SPOOL_NEVER,  /* it never fails: what it cannot send at once it drops and counts */
};

/* A kind of sink: a file of this folder registers one. create() and destroy() come from the control thread, all other
 * calls from the sink's own thread, where they may block. Errors are negative errno values; the call comes again
 * after a while, for ever.
 *
 * A sink that keeps several requests in flight takes several batches at once (max_batches) and answers for all of them.
 * One whose store is away returns the error each time: sink.c spools what comes meanwhile and calls again, with what
 * failed first, and after a restart with what the former run left. */
struct sink_kind {
	const char *name;
	unsigned max_batches; /* most that write() takes at once; 0 means 1 */
	bool wants_columns;   /* uses more of a row than its place and id */
	bool is_shared;	      /* other sensors write to the same store */
	enum sink_spooling spooling;

	void *(*create)(const struct sink_params *, char *why, size_t why_size); /* NULL: 'why' has the reason */
	void (*destroy)(void *);

	/* 0 answers for every document of the 'n' batches, an error for those of the first ones that are marked as
	 * done. Those that follow come again. */
	int (*write)(void *, struct sink_batch *, unsigned n);
	int (*write_file)(void *, const struct export_file *); /* may be NULL */
	/* Replaces the document of that index and id. Not repeated: what fails is lost, the next one says the same with
	 * newer numbers. It must not wait longer than write() does. May be NULL. */
	int (*write_stats)(void *, const struct export_stats *);
	int (*flush)(void *); /* what was written is durable; when idle for a second, and at exit. May be NULL */
	/* A bounded piece of the sink's own work, after each write and when idle; 'at_exit': all of it that has to be
	 * done before the end. 1: there is more, 0: nothing left. May be NULL. */
	int (*maintain)(void *, bool at_exit);

	/* Told to stop at once: write() and all others end soon, with an error. Any thread. May be NULL. */
	void (*interrupt)(void *);

	/* Every files document of this node, oldest number first. On the control thread, before create(): has a
	 * connection of its own. 0 or -errno (-ENOENT: there is no store yet). May be NULL. */
	int (*each_file)(const struct sink_params *, export_file_callback, void *context);

	/* The node's last stats document, as text. On the control thread, before create(), as each_file(). 0, -ENOENT
	 * or another -errno. May be NULL. */
	int (*read_stats)(const struct sink_params *, char *json, size_t json_size);

	/* The first of 'n' following file numbers of this node, or 0 with errno; NULL: this sink keeps none. Those not
	 * used come back at the end, when they were the last ones taken. */
	uint32_t (*take_file_numbers)(void *, unsigned n);
	void (*return_file_numbers)(void *, uint32_t first, unsigned n);

	/* Adds to the kind's own counters, "sink.NAME.acknowledged" and so on. */
	void (*count)(struct counters *, uint64_t acknowledged, uint64_t rejected);
	void (*gauges)(void *, struct sink_gauges *);	  /* any thread: reads atomics only. May be NULL */
	const char *(*explain)(void *);			  /* the last error in the store's words; may be NULL */
	void (*describe)(void *, char *out, size_t size); /* for the end summary: "/var/lib/shrike/shrike.sqlite" */
};
REGISTRY_DECLARE(sink_kind, struct sink_kind);

/* spool: AUTO is what each kind says (enum sink_spooling). */
enum export_spool { EXPORT_SPOOL_AUTO, EXPORT_SPOOL_ALWAYS, EXPORT_SPOOL_NEVER };

struct export_conf {
	struct conf_list sinks;		 /* "sinks" */
	uint32_t batch_bytes, n_batches; /* exportBatchBytes, exportBatches */
	int spool;			 /* enum export_spool */
	const char *spool_directory;	 /* spoolDir */
	uint64_t spool_bytes;		 /* spoolMax, of each sink */
	uint32_t spool_exit_wait_s;	 /* spoolExitWait */
	uint32_t queue_batches;		 /* sinkQueue, of a sink with a spool */
	const char *state_directory;	 /* stateDir: file numbers when no sink keeps them */
	/* Filled by the app, not from the conf file: */
	const char *records_path; /* --records FILE|-: an ndjson sink more; NULL: none */
	bool dry_run;		  /* only --records */
	bool live;		  /* not a replay */
};
extern const struct setting_group export_settings_group;

/* conf_fill(), and what follows: a conf that names a database and no sinks wants that database, as Arkime's do. */
void export_conf_fill(const struct conf *, struct export_conf *);

struct exporter_params {
	const struct conf *conf;
	const struct export_conf *export_conf;
	const struct document_conf *document;
	unsigned n_workers;
	struct rte_ring **records; /* [n_workers] SPSC, struct record pointers in */
	struct rte_ring **returns; /* [n_workers] SPSC, the same pointers back; room for all records of the pool */
	const void *library_cpus;  /* cpu_set_t for sink threads; NULL: inherit */
	unsigned patience_s;	   /* instead of EXPORT_DESTROY_WAIT_S; 0: that */
};

enum { EXPORT_FILES_MAX = 65536, EXPORT_DOCUMENT_BYTES_MAX = 64 << 20, EXPORT_DESTROY_WAIT_S = 30 };

struct exporter;

/* After conf_load() and fields_init(). Attaches its counters and its gauge. NULL: 'why' has the reason. */
struct exporter *exporter_create(const struct exporter_params *, char *why, size_t why_size);

/* Accepts NULL. Nobody polls any more. Sends what is collected and waits for the sinks for as long as they get on. One
 * that does not for EXPORT_DESTROY_WAIT_S (2 s after exporter_abandon()) is abandoned; a thread that does not even come
 * back from its call is logged and left alone, with all of the exporter: false then, and it may be called again. */
bool exporter_destroy(struct exporter *);

/* The files documents of this node in the sinks that keep them; before exporter_create(). 0 or -errno. */
int export_each_file(const struct exporter_params *, export_file_callback, void *context);

/* The node's last stats document in the first sink that has one; before exporter_create(). 0, -ENOENT or another
 * -errno. */
int export_read_stats(const struct exporter_params *, char *json, size_t json_size);

/* Returns how much was done: 0 means idle. */
unsigned exporter_poll(struct exporter *);

/* Copies. False: EXPORT_FILES_MAX of them wait for a sink that fails; offer it again later. */
bool exporter_put_file(struct exporter *, const struct export_file *) __attribute__((warn_unused_result));

/* Copies, for every sink that takes such documents; one of the same flavour that still waits there is replaced. Any one
 * thread, until exporter_destroy(), which sends what waits. */
void exporter_put_stats(struct exporter *, const struct export_stats *);

/* The rings are empty, every document has been answered by every sink or will stay in its spool, and every files
 * document is taken. */
bool exporter_idle(const struct exporter *);

/* No more records will come after those on the rings: batches go out without waiting to be full. */
void exporter_finish(struct exporter *);

/* Second signal: sinks stop after what they are writing; the rest goes to their spools, or is counted as abandoned, and
 * so is what polls still take. A sink that is stuck inside a write keeps the exporter from becoming idle: bound the
 * wait, then destroy. */
void exporter_abandon(struct exporter *);

/* The polling thread's; attached already. */
struct counters *exporter_counters(struct exporter *);

/* writer_number_source: a file number, or 0: none ready yet, ask again. Any thread. */
uint32_t exporter_file_number(void *exporter);

/* What waits where. Any thread. */
struct export_status {
	unsigned batches, batches_in_use;
};
struct export_sink_status {
	const char *name;
	unsigned queued_batches, queued_files, queue_batches; /* 'queue_batches': its queue's size */
	bool failing;
	bool spooling; /* what comes goes to the spool */
	struct sink_gauges gauges;
};
void exporter_status(const struct exporter *, struct export_status *);
void exporter_each_sink(const struct exporter *, void (*each)(const struct export_sink_status *, void *context),
			void *context);

/* One line per sink for the end summary. */
void exporter_describe(const struct exporter *, void (*line)(const char *sink, const char *text, void *context),
		       void *context);

#endif
