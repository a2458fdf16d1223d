/* The sensor: all parts, wired, run and taken apart again. The one place that knows all layers.
 *
 * Threads: everything here runs on the main thread; sensor_run() turns it into the main lcore. */
#ifndef SENSOR_H
#define SENSOR_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "app_conf.h"
#include "capture.h"
#include "document.h"
#include "eal.h"
#include "export.h"
#include "flow_owner.h"
#include "fragments.h"
#include "handoff.h"
#include "interface.h"
#include "known.h"
#include "options.h"
#include "overload.h"
#include "page_maker.h"
#include "port.h"
#include "reload.h"
#include "replay.h"
#include "role.h"
#include "session.h"
#include "stats.h"
#include "stats_document.h"
#include "watchdog.h"
#include "worker.h"
#include "writer.h"

enum { WORKERS_MAX = 16, PORTS_MAX = 16 };

/* Where a run stands; control moves it on. */
enum sensor_phase {
	PHASE_RUNNING,	/* packets come */
	PHASE_WORKERS,	/* input has ended or a signal came: workers save their sessions */
	PHASE_WRITER,	/* the last blocks are written */
	PHASE_INPUTS,	/* inputs read in place have got their closing update */
	PHASE_EXPORTER, /* the last documents are acknowledged */
	PHASE_DONE,
};

/* Mbufs of ports on one NUMA node that want buffers of one size. */
struct sensor_pool {
	int socket;
	uint32_t data_room_bytes, n_mbufs, n_queues;
	struct rte_mempool *mempool;
};

struct sensor {
	const struct options *options;
	const struct conf *conf;
	struct app_conf app;
	struct session_conf session_conf;
	struct fragments_conf fragments_conf;
	struct port_conf port_conf;
	struct interfaces interfaces; /* what 'interface' names; nothing when EAL arguments name devices */
	struct dedup_conf dedup_conf;
	struct filter_conf filter_conf;
	struct writer_conf writer_conf;
	struct document_conf document_conf;
	struct export_conf export_conf;
	struct field_op *ops;
	struct eal_state eal;

	struct parsers *parsers;
	struct decode_conf *decode;
	struct hash_secret secret;
	struct flow_owners owners;	    /* set before the workers are created, with the ports */
	struct sensor_pool pool[PORTS_MAX]; /* a replay has one */
	unsigned n_pools;
	struct capture_list files;
	struct known_files known;	   /* --skip, --reprocess */
	struct replay *replay;		   /* NULL: live */
	void *_Atomic filter[WORKERS_MAX]; /* struct filter: 'bpf', of each worker; a replay's is the first */
	struct port port[PORTS_MAX];
	unsigned n_ports;
	unsigned n_workers;
	struct handoff *handoff; /* live, with several workers */
	struct worker *worker[WORKERS_MAX];
	struct rte_ring *records[WORKERS_MAX], *returns[WORKERS_MAX];
	struct rte_ring *file_events;
	struct file_event *file_event; /* did not find room in the exporter yet */
	struct writer *writer;
	struct exporter *exporter;
	struct ledger_gauge records_gauge;
	struct stats_totals former_totals; /* of the node's runs before this one */
	struct stats *stats;
	struct role_plan plan;
	struct watchdog_conf watchdog_conf;
	struct overload_conf overload_conf;
	struct watchdog *watchdog;
	struct page_maker pages;
	struct reload *reload;
	cpu_set_t library_cpus; /* for threads beside the lcores */

	/* Control. */
	enum sensor_phase phase;
	_Atomic bool export_finish, export_done; /* control -> exporter role, and back */
	unsigned signals_seen, hangups_seen;
	bool aborted;
	uint64_t started_ns, ended_ns; /* monotonic */
	uint64_t cpu_started_ns, cpu_ended_ns;
	uint64_t exit_idle_ns; /* 0: never */
	uint64_t next_control_ns, next_stats_ns;
};

/* Reads the settings into the parts' structs and checks what only the whole can check. Nothing is started. */
enum exit_code sensor_configure(struct sensor *, const struct options *, const struct conf *);

/* After sensor_configure(): EAL, pools, ports, roles. */
enum exit_code sensor_start(struct sensor *);

/* Runs until the input ends or a signal comes. */
enum exit_code sensor_run(struct sensor *);

/* Accepts a sensor that only got part of the way. False: a sink hangs inside a write, and what it uses (the conf too)
 * must stay. */
bool sensor_destroy(struct sensor *);

#endif
