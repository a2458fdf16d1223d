/* The worker role.
 *
 * A burst is received only when there is head-room for all it may need (records, chunks, blocks): a replay waits, so
 * back-pressure reaches the file; a live port goes on and sheds, counted. What was received waits in 'held' and is
 * worked off in runs: packets that share one second of the clock. When the second moves, sessions that are over are
 * saved before the next packet is looked at; saving is resumable, because it may run out of head-room too. Control
 * mbufs (tick, flush, end) end a run.
 *
 * Lookup, store and process follow each other for each packet, in order, because a packet may end the session that the
 * next one would have found (port reuse); what makes the burst fast is that session_prefetch_burst() went over all of
 * it before. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "log.h"
#include "pool.h"
#include "record_id.h"
#include "worker_payload.h"

COUNTER(received, "worker.received", "packets taken from the ports", LEDGER_PACKETS, LEDGER_IN);
COUNTER(received_bytes, "worker.received_bytes", "their captured bytes", LEDGER_NONE, LEDGER_IN);
COUNTER(processed, "worker.processed", "packets that belong to a session", LEDGER_PACKETS, LEDGER_OUT);
COUNTER_LOSS(oversized, "worker.oversized", "packets longer than 65,535 bytes", LEDGER_PACKETS);
COUNTER_LOSS(no_session, "worker.no_session", "packets for which no session could be had", LEDGER_PACKETS);
COUNTER(emitted, "record.emitted", "records handed to the exporter", LEDGER_RECORDS, LEDGER_IN);
COUNTER(not_wanted, "record.not_wanted", "records dropped because of --nospi", LEDGER_NONE, LEDGER_IN);
COUNTER(blocked, "worker.blocked", "polls in which a replay waited for head-room", LEDGER_NONE, LEDGER_IN);

enum {
	EXPIRE_MAX = 64,
	TICK_INTERVAL_NS = 100000000,
	LIVE_CLOCK_LAG_S = 10,
	STAGE_SAMPLE = 16,
	PREFETCH_AHEAD = 2,
	PREFETCH_BYTES = 1536
};

enum task { TASK_NONE, TASK_EXPIRE, TASK_FLUSH, TASK_FINISH, TASK_DONE };

struct worker_port {
	const struct port *port;
	uint16_t queue;
};

struct worker {
	struct worker_params params;
	struct counters counters;
	struct record_pool *pool;
	struct record_id_source ids;
	struct fragments *fragments;
	struct session_table *sessions;
	struct worker_payload payload;
	struct writer_stream *stream;
	struct worker_port port[WORKER_PORTS_MAX];
	unsigned n_ports, next_port;

	struct rte_mbuf *held[BURST_MAX]; /* received, not yet worked off: held[next_held .. n_held) */
	unsigned n_held, next_held;
	struct burst *burst;
	unsigned run_mbufs;   /* of 'held' that are in the burst; 0: no run is being worked off */
	unsigned next_packet; /* of the burst */
	bool looked_up;	      /* that packet has its session, but no place in the pcap yet */
	uint8_t *linear;      /* BURST_MAX x PACKET_BYTES_MAX for packets in several segments; touched only by those */
	struct record *outgoing; /* did not fit into the ring */

	enum task task;
	enum task after_flush; /* what follows TASK_FLUSH */
	uint64_t clock_ns;     /* ports without a replay: the greatest stamp so far */
	uint64_t expired_ns;   /* the clock up to which sessions were expired */
	uint64_t expire_to_ns;
	uint64_t next_tick_ns;
	_Atomic bool stop, done;

	_Atomic uint64_t last_packet_ns;
	uint64_t live_peak, bytes_peak;
	bool sampled; /* this poll's stages are timed */
	uint64_t polls;
	struct worker_stages stages;
	uint64_t saved_by_type[SESSION_TYPES];
};

const char *const worker_stage_names[STAGES] = {"receive", "decode", "session", "store",
						"process", "parse",  "expire",	"records"};

static bool
create_parts(struct worker *w, const struct worker_params *params)
{
	struct session_table_params table = {
		.conf = params->sessions,
		.n_workers = params->n_workers,
		.max_sessions = params->max_sessions,
		.counters = &w->counters,
		.secret = params->secret,
		.ids = &w->ids,
		.payload_protocols = params->payload_protocols,
		.before_save = worker_payload_before_save,
		.context = &w->payload,
	};
	struct fragments_params fragments = {
		.conf = params->fragments,
		.decode = params->decode,
		.secret = params->secret,
		.counters = &w->counters,
		.n_workers = params->n_workers,
	};

	w->burst = calloc(1, sizeof(*w->burst));
	w->linear = vmem_reserve((size_t)BURST_MAX * PACKET_BYTES_MAX);
	w->pool = record_pool_create(params->record_chunks, (uint16_t)params->index, &w->counters);
	if (w->burst == NULL || w->linear == NULL || w->pool == NULL)
		return false;
	if (record_id_init(&w->ids, params->sequential_ids, params->node, params->index) != 0)
		return false;
	w->fragments = fragments_create(&fragments);
	if (w->fragments == NULL)
		return false;
	table.records = w->pool;
	w->sessions = session_table_create(&table);
	if (w->sessions == NULL || worker_payload_init(&w->payload, params, w->sessions, w->pool, &w->counters) != 0)
		return false;
	w->stream = writer_stream_create(params->writer, params->index, &w->counters);
	return w->stream != NULL;
}

struct worker *
worker_create(const struct worker_params *params)
{
	static const char *const names[] = {"worker 0",	 "worker 1",  "worker 2",  "worker 3", "worker 4",  "worker 5",
					    "worker 6",	 "worker 7",  "worker 8",  "worker 9", "worker 10", "worker 11",
					    "worker 12", "worker 13", "worker 14", "worker 15"};
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->params = *params;
	counters_attach(&w->counters, names[params->index % RTE_DIM(names)]);
	if (!create_parts(w, params)) {
		worker_destroy(w);
		errno = ENOMEM;
		return NULL;
	}
	return w;
}

void
worker_destroy(struct worker *w)
{
	struct record *r;

	if (w == NULL)
		return;
	while (w->params.returns != NULL && rte_ring_dequeue(w->params.returns, (void **)&r) == 0)
		record_free(w->pool, r);
	if (w->outgoing != NULL)
		record_free(w->pool, w->outgoing);
	port_free_burst(w->held + w->next_held, w->n_held - w->next_held);
	writer_stream_destroy(w->stream);
	fragments_destroy(w->fragments);
	session_table_destroy(w->sessions);
	worker_payload_fini(&w->payload);
	record_pool_destroy(w->pool);
	vmem_release(w->linear, (size_t)BURST_MAX * PACKET_BYTES_MAX);
	free(w->burst);
	counters_detach(&w->counters);
	free(w);
}

void
worker_add_port(struct worker *w, const struct port *port, uint16_t queue)
{
	w->port[w->n_ports++] = (struct worker_port){.port = port, .queue = queue};
}

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

static uint64_t
sample_begin(struct worker *w)
{
	w->sampled = w->params.stage_times && w->polls++ % STAGE_SAMPLE == 0;
	return w->sampled ? rte_rdtsc() : 0;
}

/* Records that the exporter has finished with. */
static unsigned
take_back_records(struct worker *w)
{
	struct record *r[BURST_MAX];
	unsigned n = rte_ring_dequeue_burst(w->params.returns, (void **)r, BURST_MAX, NULL);

	for (unsigned i = 0; i < n; i++)
		record_free(w->pool, r[i]);
	return n;
}

/* Finished records to the exporter. False: its ring is full, and one waits here. */
static bool
push_records(struct worker *w)
{
	for (;;) {
		struct record *r = w->outgoing != NULL ? w->outgoing : session_pull(w->sessions);

		w->outgoing = NULL;
		if (r == NULL)
			return true;
		if (unlikely(w->params.no_records)) {
			COUNTER_ADD(&w->counters, not_wanted, 1);
			record_free(w->pool, r);
			continue;
		}
		if (unlikely(rte_ring_enqueue(w->params.records, r) != 0)) {
			w->outgoing = r;
			return false;
		}
		COUNTER_ADD(&w->counters, emitted, 1);
		if (r->summary.is_final)
			w->saved_by_type[r->summary.session_type]++;
	}
}

static void
note_peak(struct worker *w)
{
	struct session_stats stats;

	session_stats(w->sessions, &stats);
	if (stats.live_all > w->live_peak)
		w->live_peak = stats.live_all;
	if (stats.bytes_in_use > w->bytes_peak)
		w->bytes_peak = stats.bytes_in_use;
}

/* Goes on with expiring, flushing or finishing. True: nothing of the kind is left, packets may follow. */
static bool
task_step(struct worker *w)
{
	switch (w->task) {
	case TASK_NONE:
		return true;
	case TASK_EXPIRE:
		if (!session_room(w->sessions, EXPIRE_MAX) || !session_expire(w->sessions, w->expire_to_ns, EXPIRE_MAX))
			return false;
		w->expired_ns = w->expire_to_ns;
		w->task = TASK_NONE;
		return true;
	case TASK_FLUSH:
		if (!session_room(w->sessions, EXPIRE_MAX) || !session_flush(w->sessions, EXPIRE_MAX))
			return false;
		fragments_flush(w->fragments);
		session_clock_reset(w->sessions);
		w->clock_ns = w->expired_ns = w->expire_to_ns = 0;
		w->task = w->after_flush;
		return w->task == TASK_NONE;
	case TASK_FINISH:
		if (w->outgoing != NULL || !writer_stream_finish(w->stream))
			return false;
		w->task = TASK_DONE;
		atomic_store(&w->done, true);
		return false;
	case TASK_DONE:
		return false;
	}
	return true;
}

/* Sessions that are over at 'clock_ns' must be saved before anything later is looked at. True: they are. */
static bool
expire_before(struct worker *w, uint64_t clock_ns)
{
	if (likely(clock_ns / NS_PER_S <= w->expired_ns / NS_PER_S))
		return true;
	fragments_expire(w->fragments, clock_ns);
	w->expire_to_ns = clock_ns;
	w->task = TASK_EXPIRE;
	return task_step(w);
}

/* A control mbuf. The clock was expired up to before. */
static void
apply_control(struct worker *w, const struct packet_meta *meta)
{
	if (meta->kind == META_FLUSH) {
		note_peak(w);
		w->task = TASK_FLUSH;
		w->after_flush = TASK_NONE;
	} else if (meta->kind == META_END) {
		note_peak(w);
		w->task = TASK_FLUSH;
		w->after_flush = TASK_FINISH;
	}
}

static struct packet_meta *
meta_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

/* Ports that have no replay behind them: the clock is the greatest stamp before each packet. */
static void
stamp_clock(struct worker *w, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet_meta *meta = meta_of(m[i]);

		meta->clock_ns = w->clock_ns;
		if (meta->time_ns > w->clock_ns)
			w->clock_ns = meta->time_ns;
	}
}

/* Buffers that another lcore or the NIC filled are in nobody's cache here: their misses overlap. */
static void
prefetch_held(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_held; i++) {
		rte_prefetch0(w->held[i]);
		rte_prefetch0(rte_mbuf_to_priv(w->held[i]));
	}
	for (unsigned i = 0; i < w->n_held; i++)
		rte_prefetch0(rte_pktmbuf_mtod(w->held[i], void *));
}

/* One burst from the ports in turn. */
static unsigned
receive(struct worker *w, uint64_t now_ns)
{
	for (unsigned tries = 0; tries < w->n_ports; tries++) {
		const struct worker_port *port = &w->port[w->next_port];
		uint16_t n;

		w->next_port = (w->next_port + 1) % w->n_ports;
		n = port_receive(port->port, port->queue, w->held, BURST_MAX);
		if (n == 0)
			continue;
		if (!port->port->is_replay)
			stamp_clock(w, w->held, n);
		atomic_store_explicit(&w->last_packet_ns, now_ns, memory_order_relaxed);
		w->next_held = 0;
		w->n_held = n;
		prefetch_held(w);
		return n;
	}
	return 0;
}

/* The next packets of 'held' that share one second of the clock go into the burst. Control mbufs are not packets. */
static unsigned
take_run(struct worker *w)
{
	struct burst *b = w->burst;
	uint64_t second = meta_of(w->held[w->next_held])->clock_ns / NS_PER_S;
	unsigned taken = 0;

	b->n = 0;
	for (unsigned i = w->next_held; i < w->n_held; i++, taken++) {
		const struct packet_meta *meta = meta_of(w->held[i]);

		if (meta->kind != META_PACKET || meta->clock_ns / NS_PER_S > second)
			break;
		COUNTER_ADD(&w->counters, received, 1);
		COUNTER_ADD(&w->counters, received_bytes, w->held[i]->pkt_len);
		if (likely(port_packet(w->held[i], w->linear + (size_t)b->n * PACKET_BYTES_MAX, &b->packet[b->n])))
			b->n++;
		else
			COUNTER_ADD(&w->counters, oversized, 1);
	}
	return taken;
}

static void
begin_run(struct worker *w, uint64_t *since)
{
	struct burst *b = w->burst;

	w->run_mbufs = take_run(w);
	w->next_packet = 0;
	w->looked_up = false;
	decode_burst(w->params.decode, w->params.secret, b);
	stage_end(w, STAGE_DECODE, since);
	session_prefetch_burst(w->sessions, b->packet, b->n);
	stage_end(w, STAGE_SESSION, since);
}

static void
lookup_datagram(struct worker *w, struct packet *p)
{
	p->hash = flow_key_hash(&p->key, w->params.secret);
	session_lookup(w->sessions, p);
	if (p->fragments_differ && p->session != NULL)
		session_add_tag(w->sessions, p->session, "ip-overlap");
	w->looked_up = true;
}

/* The replay put it together and had it decoded: a run of its own. */
static void
begin_datagram(struct worker *w)
{
	struct rte_mbuf *m = w->held[w->next_held];
	struct packet *p = &w->burst->packet[0];

	COUNTER_ADD(&w->counters, received, 1);
	COUNTER_ADD(&w->counters, received_bytes, m->pkt_len);
	w->run_mbufs = 1;
	w->next_packet = 0;
	w->looked_up = false;
	w->burst->n = port_datagram(m, w->linear, p);
	if (w->burst->n == 0)
		COUNTER_ADD(&w->counters, oversized, 1);
	else if (p->verdict == PACKET_OK)
		lookup_datagram(w, p);
}

/* What decode gave no key. True: it was a fragment, and the packet is the whole datagram now, with its session. */
static bool
take_fragment(struct worker *w, struct packet *p)
{
	if (p->verdict == PACKET_FRAGMENT && !fragments_push(w->fragments, p))
		return false;
	if (p->verdict != PACKET_OK) {
		packet_count_verdict(&w->counters, p);
		return false;
	}
	lookup_datagram(w, p);
	return true;
}

/* A packet's way after decode. False: the pcap has no room for it yet, go on with it later (only in a replay). */
static bool
process_packet(struct worker *w, struct packet *p, uint64_t *since)
{
	bool has_payload;

	if (unlikely(p->verdict != PACKET_OK) && !take_fragment(w, p))
		return true;
	if (!w->looked_up)
		session_lookup(w->sessions, p);
	stage_end(w, STAGE_SESSION, since);
	if (unlikely(p->session == NULL)) {
		COUNTER_ADD(&w->counters, no_session, 1);
		w->looked_up = false;
		return true;
	}
	/* First the evidence: a bug further down must not cost it. */
	w->looked_up = true;
	if (likely(p->store) && !writer_append(w->stream, p, session_file(p->session)))
		return false;
	w->looked_up = false;
	stage_end(w, STAGE_STORE, since);
	has_payload = session_process(w->sessions, p);
	COUNTER_ADD(&w->counters, processed, 1);
	stage_end(w, STAGE_PROCESS, since);
	if (has_payload) {
		worker_payload_parse(&w->payload, p->session);
		stage_end(w, STAGE_PARSE, since);
	}
	return true;
}

/* What writer_append() is about to copy; the headers are there already. */
static inline void
prefetch_bytes(const struct packet *p)
{
	uint32_t end = RTE_MIN(p->captured_bytes, (uint32_t)PREFETCH_BYTES);

	for (uint32_t at = RTE_CACHE_LINE_SIZE; at < end; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(p->data + at);
}

/* Goes on with the run. False: it has to wait. */
static bool
continue_run(struct worker *w, uint64_t *since)
{
	for (; w->next_packet < w->burst->n; w->next_packet++) {
		if (w->next_packet + PREFETCH_AHEAD < w->burst->n)
			prefetch_bytes(&w->burst->packet[w->next_packet + PREFETCH_AHEAD]);
		if (unlikely(!process_packet(w, &w->burst->packet[w->next_packet], since)))
			return false;
	}
	port_free_burst(w->held + w->next_held, w->run_mbufs);
	w->next_held += w->run_mbufs;
	w->run_mbufs = 0;
	stage_end(w, STAGE_RECEIVE, since);
	return true;
}

/* Works off what was received, run by run. Stops early when something runs out of head-room. */
static void
work_off(struct worker *w, uint64_t *since)
{
	while (w->next_held < w->n_held && w->task == TASK_NONE) {
		struct packet_meta *meta = meta_of(w->held[w->next_held]);

		if (w->run_mbufs == 0) {
			if (!expire_before(w, meta->clock_ns))
				return;
			stage_end(w, STAGE_EXPIRE, since);
			if (unlikely(meta->kind != META_PACKET && meta->kind != META_DATAGRAM)) {
				apply_control(w, meta);
				port_free_burst(w->held + w->next_held++, 1);
				continue;
			}
			if (likely(meta->kind == META_PACKET))
				begin_run(w, since);
			else
				begin_datagram(w);
		}
		if (unlikely(!continue_run(w, since)))
			return;
	}
}

/* Live: empty polls let wall time, less a margin for packets still on their way, advance the clock. */
static void
advance_idle_clock(struct worker *w)
{
	uint64_t wall;

	if (w->params.replay || w->params.packet_clock)
		return;
	wall = clock_wall_ns() - (uint64_t)LIVE_CLOCK_LAG_S * NS_PER_S;
	if (wall > w->clock_ns)
		w->clock_ns = wall;
	expire_before(w, w->clock_ns);
}

static bool
has_room(struct worker *w)
{
	if (likely(session_room(w->sessions, BURST_MAX) && writer_stream_room(w->stream, BURST_MAX)))
		return true;
	COUNTER_ADD(&w->counters, blocked, 1);
	return !w->params.replay;
}

static unsigned
housekeeping(struct worker *w, uint64_t now_ns)
{
	if (likely(now_ns < w->next_tick_ns))
		return 0;
	w->next_tick_ns = now_ns + TICK_INTERVAL_NS;
	writer_stream_tick(w->stream, now_ns);
	note_peak(w);
	if (atomic_load_explicit(&w->stop, memory_order_relaxed) && w->task == TASK_NONE && w->next_held == w->n_held) {
		w->task = TASK_FLUSH;
		w->after_flush = TASK_FINISH;
		return 1;
	}
	return 0;
}

unsigned
worker_poll(struct worker *w)
{
	uint64_t now_ns = clock_monotonic_ns();
	unsigned work;
	bool ring_has_room;
	enum task before = w->task;
	uint64_t since = sample_begin(w);

	work = take_back_records(w);
	ring_has_room = push_records(w);
	stage_end(w, STAGE_RECORDS, &since);
	if (unlikely(!ring_has_room && w->params.replay)) {
		COUNTER_ADD(&w->counters, blocked, 1);
		return work;
	}
	if (unlikely(!task_step(w))) {
		stage_end(w, STAGE_EXPIRE, &since);
		return work + (w->task != TASK_DONE && (before != w->task || session_room(w->sessions, EXPIRE_MAX)));
	}
	work += housekeeping(w, now_ns);
	if (w->next_held == w->n_held && has_room(w)) {
		work += receive(w, now_ns);
		stage_end(w, STAGE_RECEIVE, &since);
		if (w->next_held == w->n_held)
			advance_idle_clock(w);
	}
	if (w->next_held < w->n_held) {
		unsigned before_held = w->next_held, before_packet = w->next_packet;

		work_off(w, &since);
		if (w->sampled)
			w->stages.packets += w->next_held - before_held;
		work += w->next_held != before_held || w->next_packet != before_packet;
	}
	return work;
}

void
worker_stop(struct worker *w)
{
	atomic_store(&w->stop, true);
}

bool
worker_done(const struct worker *w)
{
	return atomic_load(&w->done);
}

bool
worker_close_stream(struct worker *w)
{
	return worker_done(w) || writer_stream_finish(w->stream);
}

uint64_t
worker_live_peak(const struct worker *w)
{
	return w->live_peak;
}

uint64_t
worker_session_bytes_peak(const struct worker *w)
{
	return w->bytes_peak;
}

uint64_t
worker_last_packet_ns(const struct worker *w)
{
	return atomic_load_explicit(&w->last_packet_ns, memory_order_relaxed);
}

const struct worker_stages *
worker_stages(const struct worker *w)
{
	return &w->stages;
}

const uint64_t *
worker_saved_by_type(const struct worker *w)
{
	return w->saved_by_type;
}
