/* The worker role: everything that happens to a packet.
 *
 * worker_poll() is the packet's way through Shrike: receive, decode, session, store, process; and the record's way out.
 * One lcore, one shard of sessions, no locks.
 *
 * Threads: worker_poll() on one lcore; the read-only accessors on the control role. */
#ifndef WORKER_H
#define WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "decode.h"
#include "dedup.h"
#include "filter.h"
#include "flow_owner.h"
#include "fragments.h"
#include "overload.h"
#include "parsing.h"
#include "port.h"
#include "record.h"
#include "session.h"
#include "writer.h"

enum { WORKER_QUEUES_MAX = 256 };

enum worker_stage {
	STAGE_RECEIVE,
	STAGE_DECODE,
	STAGE_SESSION,
	STAGE_STORE,
	STAGE_PROCESS,
	STAGE_PARSE,
	STAGE_EXPIRE,
	STAGE_RECORDS,
	STAGES
};
extern const char *const worker_stage_names[STAGES];

/* Of every 16th poll, when stageTimes is on: time stamp counter cycles, how often it was read (each read costs some
 * itself), and how many packets went by. */
struct worker_stages {
	uint64_t cycles[STAGES], reads[STAGES], packets;
};

struct handoff;
struct rte_ring;

struct worker_params {
	unsigned index, n_workers;
	const struct decode_conf *decode;
	const struct hash_secret *secret;
	const struct session_conf *sessions;
	const struct fragments_conf *fragments;
	const struct dedup_conf *dedup;
	/* Of its own: what is here at the beginning of a poll is used until its end (rcu.h). NULL: a replay. */
	void *const _Atomic *filter_now;
	struct filter *filter;	/* of this poll; NULL: all packets are taken */
	uint64_t packets_about; /* that will come, as far as anybody knows */
	uint32_t max_sessions, record_chunks;
	const struct parsers *parsers;
	uint64_t payload_protocols; /* worker_payload_protocols() */
	uint64_t parser_bytes;
	struct writer *writer;
	struct rte_ring *records, *returns;
	const struct overload_conf *overload;
	uint32_t receive_ring; /* of ports that do not tell */
	bool replay;	       /* packets are placed and ordered by it */
	bool replay_apart;     /* it has an lcore of its own */
	bool packet_clock;     /* ports whose packets carry their own time: the wall clock does not advance ours */
	bool lossless;	       /* both of these: wait for head-room instead of shedding */

	/* Live, with several workers; else NULL: what arrives is ours. */
	struct handoff *handoff;
	const struct flow_owners *owners;

	uint64_t merge_window_ns; /* 0: packets are taken as they come */
	uint32_t merge_mbufs;	  /* that may wait in the merge */
	bool stage_times, no_records;
	bool sequential_ids; /* autoGenerateId=sequential */
	const char *node;
};

struct worker;

/* NULL with errno. */
struct worker *worker_create(const struct worker_params *);
void worker_destroy(struct worker *); /* accepts NULL */

/* Before the first poll. -E2BIG: it has too many. */
int worker_add_queue(struct worker *, const struct port *, uint16_t queue);

/* After its last queue: sets up the merge. 'alone': no other worker has a queue, so that it sees all fragments of a
 * datagram. 0 or -errno. */
int worker_queues_done(struct worker *, bool alone);
unsigned worker_queue_count(const struct worker *);

/* Does one burst's worth of work; returns what it found to do, 0 when idle. */
unsigned worker_poll(struct worker *);

/* Control: no more packets will be taken; sessions are saved. For ports that never end by themselves. */
void worker_stop(struct worker *);
bool worker_done(const struct worker *);

/* After the lcores have stopped: hands over the last block without saving sessions. False: call again after
 * writer_poll(). */
bool worker_close_stream(struct worker *);

/* Control; exact only when the worker is done. */
/* Control: what the worker gives up; overload_report(). */
struct overload *worker_overload(struct worker *);
uint64_t worker_live_peak(const struct worker *);
uint64_t worker_session_bytes_peak(const struct worker *);
/* As of the worker's last tick, a tenth of a second ago. */
struct worker_view {
	uint32_t live[SESSION_TYPES], live_all, closing;
	uint64_t session_bytes, fragments;
};
void worker_view(const struct worker *, struct worker_view *);
uint64_t worker_dedup_bytes(const struct worker *);
uint64_t worker_last_packet_ns(const struct worker *); /* monotonic clock of the last burst that held packets */
const struct worker_stages *worker_stages(const struct worker *);
const uint64_t *worker_saved_by_type(const struct worker *); /* [SESSION_TYPES], final records */

#endif
