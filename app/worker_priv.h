/* What the files of the worker share: worker.c is its life and its polls, worker_receive.c where packets come from,
 * worker_packet.c a packet's way, worker_view.c what control and stats see of it. */
#ifndef WORKER_PRIV_H
#define WORKER_PRIV_H

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "handoff.h"
#include "merge.h"
#include "record_id.h"
#include "worker.h"
#include "worker_overload.h"
#include "worker_payload.h"

enum { EXPIRE_MAX = 64, WORKER_METADATA_AHEAD = 16 };

enum task { TASK_NONE, TASK_EXPIRE, TASK_FLUSH, TASK_FINISH, TASK_DONE };

struct worker_queue {
	const struct port *port;
	uint16_t number;
};

struct worker {
	struct worker_params params;
	struct counters counters;
	struct record_pool *pool;
	struct record_id_source ids;
	struct fragments *fragments;
	struct dedup *dedup; /* NULL: copies are packets */
	struct session_table *sessions;
	struct worker_payload payload;
	struct writer_stream *stream;
	struct worker_queue queue[WORKER_QUEUES_MAX];
	unsigned n_queues, n_sources, next_source; /* sources: the queues, then the peers' rings */
	struct handoff_end *handoff;		   /* NULL: all that arrives is ours */
	struct merge *merge;			   /* NULL: sources are taken in turn */
	struct ledger_gauge merge_gauge;
	bool pull_next; /* from the merge, before anything more goes in */
	struct worker_overload overload;

	struct port_burst held;	   /* received, not yet worked off: next_held .. n_held */
	struct port_burst passing; /* on its way into the merge */
	struct port_burst ahead;   /* of a replay: received, 'held' comes first */
	unsigned n_held, next_held;
	unsigned n_ahead, n_asked; /* of 'ahead'; of these so many packets have been asked for */
	struct burst *burst;
	unsigned run_mbufs;	  /* of 'held' that are in the burst; 0: no run is being worked off */
	unsigned next_packet;	  /* of the burst */
	bool looked_up;		  /* that packet has its session, but no place in the pcap yet */
	bool receives_alone;	  /* no other worker has a queue */
	bool places;		  /* packets may be others', or have to go into the merge */
	bool placed;		  /* 'held' went through that already: it is ours, and counted as received */
	bool settled;		  /* 'held' is ours, all of it, as a glance at each frame said */
	bool glances;		  /* others' packets leave by a glance, when nothing forbids it */
	bool distributing;	  /* 'held' is on its way to its owners' merges, ours or others' */
	uint8_t owner[BURST_MAX]; /* of the packets of the burst that are PACKET_ELSEWHERE */
	unsigned merge_source;	  /* whose burst is on its way into the merge */
	void *slot[BURST_MAX];	  /* of sessions that are about to be parsed */
	uint8_t *linear; /* BURST_MAX x PACKET_BYTES_MAX for packets in several segments; touched only by those */
	struct record *outgoing; /* did not fit into the ring */

	enum task task;
	enum task after_flush; /* what follows TASK_FLUSH */
	uint64_t clock_ns;     /* ports without a replay: the greatest stamp so far */
	uint64_t expired_ns;   /* the clock up to which sessions were expired */
	uint64_t expire_to_ns;
	uint64_t next_tick_ns;
	uint64_t received_ns; /* monotonic: of this poll */
	uint64_t tick_ns;     /* a peer's clock, not yet expired up to; 0: none */
	uint64_t ticked_s;    /* second of the clock that peers were told */
	bool closing;	      /* nothing more is received from ports */
	_Atomic bool stop, done;

	_Atomic uint64_t last_packet_ns;
	uint64_t live_peak, bytes_peak;
	struct worker_shown {
		_Atomic uint32_t live[SESSION_TYPES], live_all, closing;
		_Atomic uint64_t session_bytes;
	} shown;
	struct ledger_gauge run_gauge; /* packets of the run that wait for their turn */
	bool sampled;		       /* this poll's stages are timed */
	uint64_t polls;
	struct worker_stages stages;
	uint64_t saved_by_type[SESSION_TYPES];
};

/* Time since *since goes to 'stage'. Only in every 16th poll that has packets, and only when asked for: reading the
 * time stamp counter around each stage of each packet costs more than some stages do. */
static inline void
stage_end(struct worker *w, enum worker_stage stage, uint64_t *since)
{
	uint64_t now;

	if (likely(!w->sampled))
		return;
	now = rte_rdtsc();
	w->stages.cycles[stage] += now - *since;
	w->stages.reads[stage]++;
	*since = now;
}

/* worker.c. Goes on with expiring, flushing or finishing. True: nothing of the kind is left, packets may follow. */
bool worker_task_step(struct worker *);
void worker_note_peak(struct worker *);

/* Sessions that are over at 'clock_ns' must be saved before anything later is looked at. True: they are. */
bool worker_expire_before(struct worker *, uint64_t clock_ns);

/* worker_view.c. What others may see of it. */
void worker_view_attach(struct worker *);
void worker_view_detach(struct worker *);
void worker_view_show(struct worker *, const struct session_stats *);

/* Nothing has to be done before packets; or live, sessions that are over wait for room for their records: packets of
 * others are counted meanwhile, and one of theirs ends them. */
bool worker_may_go_on(const struct worker *);

/* worker_receive.c. One burst into 'held'. Returns what it found to do; 0: nothing there. */
unsigned worker_receive(struct worker *, uint64_t now_ns);
void worker_advance_idle_clock(struct worker *);

/* Asks for the next packet of 'ahead': once for each packet of 'held' that is worked off. */
static inline void
worker_ask_ahead(struct worker *w)
{
	unsigned i = w->n_asked;

	if (i >= w->n_ahead)
		return;
	rte_prefetch0(w->ahead.meta[RTE_MIN(i + WORKER_METADATA_AHEAD, w->n_ahead - 1)]);
	rte_prefetch0(w->ahead.meta[i]->data);
	rte_prefetch0(cursor_after(w->ahead.meta[i]->data, RTE_CACHE_LINE_SIZE)); /* control mbufs: NULL */
	w->n_asked++;
}

void worker_receive_fini(struct worker *);

/* While 'closing': true when nothing is on its way to this worker any more. */
bool worker_receive_is_over(struct worker *);

/* worker_place.c. A burst that was just received: packets that are plainly others' leave. */
void worker_place_burst(struct worker *, const struct port *);

/* A run that was just received: tells peers the clock. */
void worker_place_clock(struct worker *);

/* Packets of it that were just decoded: finds those that are others'. */
void worker_place_part(struct worker *, unsigned first, unsigned end);

/* One packet that is not simply ours: it leaves for its owner or for the merge, or is one of the verdicts. True: go on
 * with it here. */
bool worker_place_packet(struct worker *, struct packet *);

/* The hash and session of a datagram that was put together; its verdict says if it is a copy. */
void worker_lookup_datagram(struct worker *, struct packet *);

/* worker_filter.c. 'bpf': false: the packet is not taken, and was counted. */
bool worker_takes(struct worker *, const struct packet *);

/* worker_packet.c. Packets that are counted by the worker that had them from the port. */
void worker_count_received(struct worker *, unsigned n, uint64_t bytes);

/* Works off 'held', run by run. Stops early when something runs out of head-room. */
void worker_work_off(struct worker *, uint64_t *since);

#endif
