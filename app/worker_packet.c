/* A packet's way through a worker.
 *
 * What was received waits in 'held' and is worked off in runs: packets that share one second of the clock. When the
 * second moves, sessions that are over are saved before the next packet is looked at; saving is resumable, because it
 * may run out of head-room too. Control mbufs (tick, flush, end) end a run.
 *
 * Lookup, store and process follow each other for each packet, in order, because a packet may end the session that the
 * next one would have found (port reuse); what makes the burst fast is that session_prefetch_burst() went over all of
 * it before. */
#include "port_packet.h"
#include "worker_priv.h"

COUNTER(received, "worker.received", "packets taken from the ports", LEDGER_PACKETS, LEDGER_IN);
COUNTER(received_bytes, "worker.received_bytes", "their captured bytes", LEDGER_NONE, LEDGER_IN);
COUNTER(processed, "worker.processed", "packets that belong to a session", LEDGER_PACKETS, LEDGER_OUT);
COUNTER(processed_bytes, "worker.processed_bytes", "their captured bytes", LEDGER_NONE, LEDGER_OUT);
COUNTER_LOSS(oversized, "worker.oversized", "packets longer than 65,535 bytes", LEDGER_PACKETS);
COUNTER_LOSS(no_session, "worker.no_session", "packets for which no session could be had", LEDGER_PACKETS);

enum { DECODE_PART = 8 };

void
worker_count_received(struct worker *w, unsigned n, uint64_t bytes)
{
	if (unlikely(w->placed))
		return;
	COUNTER_ADD(&w->counters, received, n);
	COUNTER_ADD(&w->counters, received_bytes, bytes);
}

/* The last nanosecond of its second. */
static uint64_t
end_of_second(uint64_t ns)
{
	uint64_t end_ns = ns + (NS_PER_S - 1 - ns % NS_PER_S);

	return likely(end_ns >= ns) ? end_ns : UINT64_MAX;
}

/* The next packets of 'held' that share one second of the clock go into the burst. Control mbufs are not packets. */
static unsigned
take_run(struct worker *w)
{
	struct burst *b = w->burst;
	uint64_t end_ns = end_of_second(w->held.meta[w->next_held]->clock_ns), bytes = 0;
	unsigned taken = 0;

	b->n = 0;
	for (unsigned i = w->next_held; i < w->n_held; i++, taken++) {
		const struct packet_meta *meta = w->held.meta[i];
		struct rte_mbuf *m = w->held.mbuf[i];

		if (meta->kind != META_PACKET || meta->clock_ns > end_ns)
			break;
		bytes += port_packet_bytes(m, meta);
		if (likely(port_packet(m, meta, w->linear, b->n, &b->packet[b->n])))
			b->n += w->params.filter == NULL || w->placed || worker_takes(w, &b->packet[b->n]);
		else
			COUNTER_ADD(&w->counters, oversized, 1);
	}
	worker_count_received(w, taken, bytes);
	return taken;
}

static inline bool
may_be_others(const struct worker *w)
{
	return w->places && !w->placed && !w->settled;
}

/* A CPU has room for some 20 lines on their way: asked for all at once those of a burst would wait for each other. So a
 * few packets are decoded while the lines of those before them come. What belongs to others leaves before anything is
 * asked for. */
static inline void
decode_and_prefetch(struct worker *w)
{
	struct burst *b = w->burst;
	bool others = may_be_others(w);

	if (unlikely(others))
		worker_place_clock(w);
	if (likely(w->dedup != NULL))
		dedup_grow(w->dedup);
	for (unsigned first = 0, end; first < b->n; first = end) {
		end = RTE_MIN(first + DECODE_PART, b->n);
		decode_part(w->params.decode, w->params.secret, b, first, end);
		if (unlikely(others))
			worker_place_part(w, first, end);
		session_prefetch_buckets(w->sessions, &b->packet[first], end - first);
		if (likely(w->dedup != NULL))
			dedup_prefetch_burst(w->dedup, &b->packet[first], end - first);
	}
}

static void
begin_run(struct worker *w, uint64_t *since)
{
	struct burst *b = w->burst;

	w->run_mbufs = take_run(w);
	w->next_packet = 0;
	w->looked_up = false;
	decode_and_prefetch(w);
	stage_end(w, STAGE_DECODE, since);
	session_prefetch_burst(w->sessions, b->packet, b->n);
	parsing_prefetch(w->slot, session_prefetch_parsed(w->sessions, b->packet, b->n, w->slot));
	stage_end(w, STAGE_SESSION, since);
}

/* Put together and decoded by the replay or by another worker: a run of its own. */
static void
begin_datagram(struct worker *w)
{
	struct rte_mbuf *m = w->held.mbuf[w->next_held];
	struct packet *p = &w->burst->packet[0];

	worker_count_received(w, 1, m->pkt_len);
	w->run_mbufs = 1;
	w->next_packet = 0;
	w->looked_up = false;
	w->burst->n = port_datagram(m, w->linear, p);
	if (w->burst->n == 0)
		COUNTER_ADD(&w->counters, oversized, 1);
	else if (p->verdict == PACKET_OK)
		worker_lookup_datagram(w, p);
}

/* A copy of a packet that was there before ends here. */
static inline bool
take_copy(struct worker *w, struct packet *p)
{
	if (w->dedup == NULL || likely(!dedup_is_copy(w->dedup, p)))
		return false;
	packet_count_verdict(&w->counters, p);
	return true;
}

/* A packet's way after decode. False: the pcap has no room for it yet, go on with it later (only in a replay). */
static bool
process_packet(struct worker *w, struct packet *p, uint64_t *since)
{
	bool has_payload;

	if (unlikely(p->verdict != PACKET_OK) && !worker_place_packet(w, p))
		return true;
	if (!w->looked_up) {
		if (unlikely(take_copy(w, p)))
			return true;
		session_lookup(w->sessions, p);
	}
	stage_end(w, STAGE_SESSION, since);
	if (unlikely(p->session == NULL)) {
		COUNTER_ADD(&w->counters, no_session, 1);
		w->looked_up = false;
		return true;
	}
	/* First the evidence: a bug further down must not cost it. */
	w->looked_up = true;
	if (unlikely(overload_stage(&w->overload.ladder) >= OVERLOAD_HEADERS_ONLY))
		worker_overload_cut(w, p);
	if (likely(p->store) && !writer_append(w->stream, p, session_file(p->session)))
		return false;
	w->looked_up = false;
	/* They come from a cache that cores share, or from memory, while this packet and the next one are parsed. */
	if (likely(w->next_packet + 2 < w->burst->n))
		writer_prefetch(w->stream, p + 2);
	stage_end(w, STAGE_STORE, since);
	has_payload = session_process(w->sessions, p);
	COUNTER_ADD(&w->counters, processed, 1);
	COUNTER_ADD(&w->counters, processed_bytes, p->captured_bytes);
	stage_end(w, STAGE_PROCESS, since);
	if (has_payload) {
		if (likely(overload_stage(&w->overload.ladder) == OVERLOAD_NONE))
			worker_payload_parse(&w->payload, p->session);
		else
			worker_overload_skip(w, p);
		stage_end(w, STAGE_PARSE, since);
	}
	return true;
}

/* Goes on with the run. False: it has to wait. */
static bool
continue_run(struct worker *w, uint64_t *since)
{
	for (; w->next_packet < w->burst->n; w->next_packet++) {
		worker_ask_ahead(w);
		if (unlikely(!process_packet(w, &w->burst->packet[w->next_packet], since)))
			return false;
	}
	port_burst_free(&w->held, w->next_held, w->run_mbufs);
	w->next_held += w->run_mbufs;
	w->run_mbufs = 0;
	if (unlikely(w->handoff != NULL))
		handoff_send(w->handoff);
	stage_end(w, STAGE_RECEIVE, since);
	return true;
}

/* A control mbuf. The clock was expired up to before. */
static void
apply_control(struct worker *w, const struct packet_meta *meta)
{
	if (meta->kind == META_FLUSH) {
		worker_note_peak(w);
		w->task = TASK_FLUSH;
		w->after_flush = TASK_NONE;
	} else if (meta->kind == META_END) {
		worker_note_peak(w);
		w->task = TASK_FLUSH;
		w->after_flush = TASK_FINISH;
	}
}

void
worker_work_off(struct worker *w, uint64_t *since)
{
	while (w->next_held < w->n_held && worker_may_go_on(w)) {
		const struct packet_meta *meta = w->held.meta[w->next_held];

		if (w->run_mbufs == 0) {
			if (unlikely(w->handoff != NULL) && !handoff_send(w->handoff))
				return;
			if (likely(!w->distributing) && !worker_expire_before(w, meta->clock_ns) &&
			    !worker_may_go_on(w))
				return;
			stage_end(w, STAGE_EXPIRE, since);
			if (unlikely(meta->kind != META_PACKET && meta->kind != META_DATAGRAM)) {
				apply_control(w, meta);
				port_burst_free(&w->held, w->next_held++, 1);
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
