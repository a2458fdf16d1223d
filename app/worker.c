/* The worker role: its life and its polls.
 *
 * A burst is received only when there is head-room for all it may need (records, chunks, blocks): a replay waits, so
 * back-pressure reaches the file; a live port goes on and sheds, counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>

#include "log.h"
#include "pool.h"
#include "rcu.h"
#include "worker_priv.h"

COUNTER(emitted, "record.emitted", "records handed to the exporter", LEDGER_RECORDS, LEDGER_IN);
COUNTER(not_wanted, "record.not_wanted", "records dropped because of --nospi", LEDGER_NONE, LEDGER_IN);
COUNTER(blocked, "worker.blocked", "polls in which a replay waited for head-room", LEDGER_NONE, LEDGER_IN);

enum { TICK_INTERVAL_NS = 100000000, STAGE_SAMPLE = 16 };

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
		.prefetch_slot = parsing_prefetch_step,
		.context = &w->payload,
	};
	struct fragments_params fragments = {
		.conf = params->fragments,
		.decode = params->decode,
		.secret = params->secret,
		.counters = &w->counters,
		.n_workers = params->n_workers,
	};
	struct dedup_params dedup = {
		.conf = params->dedup,
		.decode = params->decode,
		.secret = params->secret,
		.counters = &w->counters,
		.n_workers = params->n_workers,
		.packets_about = params->packets_about,
	};

	w->burst = aligned_alloc(_Alignof(struct burst), sizeof(*w->burst));
	w->linear = vmem_reserve((size_t)BURST_MAX * PACKET_BYTES_MAX);
	w->pool = record_pool_create(params->record_chunks, (uint16_t)params->index, &w->counters);
	if (w->burst == NULL || w->linear == NULL || w->pool == NULL)
		return false;
	memset(w->burst, 0, sizeof(*w->burst));
	if (record_id_init(&w->ids, params->sequential_ids, params->node, params->index) != 0)
		return false;
	w->fragments = fragments_create(&fragments);
	if (w->fragments == NULL)
		return false;
	if (params->dedup->enabled && params->dedup->seconds > 0) {
		w->dedup = dedup_create(&dedup);
		if (w->dedup == NULL)
			return false;
	}
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
	worker_view_attach(w);
	worker_overload_init(w);
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
	port_burst_free(&w->held, w->next_held, w->n_held - w->next_held);
	port_burst_free(&w->ahead, 0, w->n_ahead);
	worker_receive_fini(w);
	writer_stream_destroy(w->stream);
	fragments_destroy(w->fragments);
	dedup_destroy(w->dedup);
	session_table_destroy(w->sessions);
	worker_payload_fini(&w->payload);
	record_pool_destroy(w->pool);
	vmem_release(w->linear, (size_t)BURST_MAX * PACKET_BYTES_MAX);
	free(w->burst);
	worker_view_detach(w);
	counters_detach(&w->counters);
	free(w);
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

void
worker_note_peak(struct worker *w)
{
	struct session_stats stats;

	session_stats(w->sessions, &stats);
	worker_view_show(w, &stats);
	if (stats.live_all > w->live_peak)
		w->live_peak = stats.live_all;
	if (stats.bytes_in_use > w->bytes_peak)
		w->bytes_peak = stats.bytes_in_use;
}

bool
worker_task_step(struct worker *w)
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
		if (w->dedup != NULL)
			dedup_reset(w->dedup);
		session_clock_reset(w->sessions);
		w->clock_ns = w->expired_ns = w->expire_to_ns = 0;
		w->task = w->after_flush;
		return w->task == TASK_NONE;
	case TASK_FINISH:
		if (w->outgoing != NULL || !writer_stream_finish(w->stream))
			return false;
		worker_note_peak(w); /* what is shown last is true */
		w->task = TASK_DONE;
		atomic_store(&w->done, true);
		return false;
	case TASK_DONE:
		return false;
	}
	return true;
}

bool
worker_expire_before(struct worker *w, uint64_t clock_ns)
{
	if (likely(clock_ns / NS_PER_S <= w->expired_ns / NS_PER_S))
		return true;
	fragments_expire(w->fragments, clock_ns);
	w->expire_to_ns = clock_ns;
	w->task = TASK_EXPIRE;
	return worker_task_step(w);
}

bool
worker_may_go_on(const struct worker *w)
{
	if (likely(w->task == TASK_NONE))
		return true;
	return w->task == TASK_EXPIRE && !w->params.lossless && !session_room(w->sessions, EXPIRE_MAX) &&
	       !atomic_load_explicit(&w->stop, memory_order_relaxed);
}

/* Waiting is not being idle (--exit-idle). */
static void
note_blocked(struct worker *w, uint64_t now_ns)
{
	COUNTER_ADD(&w->counters, blocked, 1);
	if (w->params.lossless)
		atomic_store_explicit(&w->last_packet_ns, now_ns, memory_order_relaxed);
}

/* Live, what there is no room for is shed. */
static bool
has_room(struct worker *w, uint64_t now_ns)
{
	if (likely(session_room(w->sessions, BURST_MAX) && writer_stream_room(w->stream, BURST_MAX)) ||
	    !w->params.lossless)
		return true;
	note_blocked(w, now_ns);
	return false;
}

/* A peer's clock says that time has come so far. False: sessions that are over are not all saved yet. */
static bool
follow_tick(struct worker *w)
{
	if (!worker_expire_before(w, w->tick_ns))
		return false;
	if (w->tick_ns > w->clock_ns)
		w->clock_ns = w->tick_ns;
	w->tick_ns = 0;
	return true;
}

/* Nothing more comes from ports: once peers have nothing more for us either, sessions are saved. */
static bool
close_step(struct worker *w)
{
	if (!w->closing || w->task != TASK_NONE || w->next_held < w->n_held || !worker_receive_is_over(w))
		return false;
	worker_overload_end(w);
	w->task = TASK_FLUSH;
	w->after_flush = TASK_FINISH;
	return true;
}

static void
housekeeping(struct worker *w, uint64_t now_ns)
{
	if (likely(now_ns < w->next_tick_ns))
		return;
	w->next_tick_ns = now_ns + TICK_INTERVAL_NS;
	w->closing = atomic_load_explicit(&w->stop, memory_order_relaxed);
	writer_stream_tick(w->stream, now_ns);
	worker_note_peak(w);
}

unsigned
worker_poll(struct worker *w)
{
	uint64_t now_ns = clock_monotonic_ns();
	unsigned work;
	bool ring_has_room;
	enum task before = w->task;
	uint64_t since = sample_begin(w);

	if (w->params.filter_now != NULL)
		w->params.filter = rcu_get(w->params.filter_now);
	work = take_back_records(w);
	ring_has_room = push_records(w);
	stage_end(w, STAGE_RECORDS, &since);
	if (unlikely(w->handoff != NULL))
		handoff_send(w->handoff);
	if (unlikely(!ring_has_room && w->params.lossless)) {
		note_blocked(w, now_ns);
		return work;
	}
	if (unlikely(!worker_task_step(w) && !worker_may_go_on(w))) {
		stage_end(w, STAGE_EXPIRE, &since);
		return work + (w->task != TASK_DONE && (before != w->task || session_room(w->sessions, EXPIRE_MAX)));
	}
	if (w->run_mbufs == 0)
		work += worker_payload_commands(&w->payload);
	housekeeping(w, now_ns);
	if (unlikely(now_ns >= w->overload.next_ns))
		worker_overload_look(w, now_ns);
	if (unlikely(w->tick_ns != 0) && !follow_tick(w))
		return work + 1;
	if (w->next_held == w->n_held && has_room(w, now_ns)) {
		unsigned received = worker_receive(w, now_ns);

		worker_overload_received(&w->overload, received, now_ns);
		work += received;
		stage_end(w, STAGE_RECEIVE, &since);
		if (w->next_held == w->n_held) {
			worker_advance_idle_clock(w);
			work += close_step(w);
		}
	}
	if (w->next_held < w->n_held) {
		unsigned before_held = w->next_held, before_packet = w->next_packet;

		worker_work_off(w, &since);
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

struct overload *
worker_overload(struct worker *w)
{
	return &w->overload.ladder;
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
worker_dedup_bytes(const struct worker *w)
{
	return w->dedup != NULL ? dedup_bytes_max(w->dedup) : 0;
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
