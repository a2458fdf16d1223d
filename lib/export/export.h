/* The exporter role: records become documents, documents go to sinks, chunks go back to their workers.
 *
 * Every poll takes records from the workers' rings, formats each once per format, and collects the documents into
 * batches (256 KB or one second). A finished batch is handed to every sink by reference; each sink has a queue of
 * batches and a thread of its own (not on a polling CPU), because SQLite and files block. When no batch buffer is free
 * the exporter takes no records: back-pressure reaches the workers, which shed (live, counted) or wait (replay). A sink
 * that fails is retried; documents are counted as acknowledged or rejected per sink, never forgotten.
 *
 * Threads: exporter_poll() on its lcore; sink threads; the counters are per thread. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"
#include "document.h"

struct rte_ring;
struct file_event;

/* One session document in a batch, with the columns people search by (for sinks with columns). */
struct export_row {
	uint32_t json_offset, json_bytes; /* in the batch's text; a newline follows */
	char id[DOCUMENT_ID_BYTES];
	char index_period[DOCUMENT_PERIOD_BYTES];
	int64_t first_ms, last_ms;
	uint8_t address[2][16];
	uint8_t ip_version, ip_protocol;
	uint16_t port[2];
	uint64_t packets, bytes, data_bytes;
	char community_id[COMMUNITY_ID_BYTES];
	char protocols[64]; /* "tcp;http" */
};

struct export_batch {
	char *text; /* documents, one a line */
	size_t text_bytes;
	struct export_row *row;
	unsigned n_rows;
	uint64_t first_sequence; /* number of the first document since start */
};

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

/* A kind of sink. All calls but create and destroy come from the sink's own thread; they may block. */
struct sink_kind {
	const char *name;
	/* 'why' gets the reason. Settings are the sink's own. */
	void *(*create)(const struct conf *, const struct document_conf *, char *why, size_t why_size);
	void (*destroy)(void *);
	/* 0, or a negative errno: the batch is offered again later. *rejected gets documents that the store will never
	 * take. */
	int (*write)(void *, const struct export_batch *, unsigned *rejected);
	int (*write_file)(void *, const struct export_file *); /* may be NULL */
	int (*flush)(void *);				       /* durable; called at exit and once a second when idle */
	/* A range of file numbers for this node, or 0 with errno; NULL: this sink keeps none. */
	uint32_t (*take_file_numbers)(void *, unsigned n);
	void (*describe)(void *, char *out, size_t size); /* for the end summary: "/var/lib/shrike/sessions.sqlite" */
};
REGISTRY_DECLARE(sink_kind, struct sink_kind);

struct export_conf {
	struct conf_list sinks;		 /* "sinks" */
	uint32_t batch_bytes, n_batches; /* exportBatchBytes, exportBatches */
	const char *records_path;	 /* --records FILE|-: an ndjson sink more; NULL: none */
	bool dry_run;			 /* only --records */
};
extern const struct setting_group export_settings_group;

struct exporter_params {
	const struct conf *conf;
	const struct export_conf *export_conf;
	const struct document_conf *document;
	unsigned n_workers;
	struct rte_ring **records; /* [n_workers] SPSC, struct record pointers in */
	struct rte_ring **returns; /* [n_workers] SPSC, the same pointers back */
	const void *library_cpus;  /* cpu_set_t for sink threads; NULL: inherit */
};

struct exporter;
struct exporter *exporter_create(const struct exporter_params *, char *why, size_t why_size); /* NULL and 'why' */
void exporter_destroy(struct exporter *); /* accepts NULL; waits for the sinks, at most a stated time */
unsigned exporter_poll(struct exporter *);
void exporter_put_file(struct exporter *, const struct export_file *); /* copies; any one thread that also polls */
bool exporter_idle(const struct exporter *); /* all that was taken has been answered by every sink */
void exporter_finish(struct exporter *);     /* no more will come: send what is collected */
void exporter_abandon(
	struct exporter *); /* second signal: sinks stop after their current batch; the rest is counted as lost */
struct counters *exporter_counters(struct exporter *);

/* writer_number_source: a file number, or 0: none ready yet. Any thread. */
uint32_t exporter_file_number(void *exporter);

/* One line per sink for the end summary. */
void exporter_describe(const struct exporter *, void (*line)(const char *sink, const char *text, void *context),
		       void *context);

#endif
