/* Overload as a worker sees it.
 *
 * It looks once a millisecond at what fills up: the device's queue, where the driver tells, and its own pools and
 * rings. Of some drivers the queue's length cannot be had. There a queue that was never found empty for a quarter of a
 * second and 32 times its length is taken for one that runs over: with a load of less than 97 % it would have been
 * emptied by then. Ports that make up their packets (net_pcap with a file, net_null, net_ring) always have one more,
 * and never lose any: they are no sign of anything. */
#include "worker_overload.h"

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "clock.h"
#include "worker_priv.h"

COUNTER_LOSS(not_parsed, "overload.not_parsed", "packets whose payload parsers did not see: overload", LEDGER_NONE);
COUNTER_LOSS(headers_only, "overload.headers_only", "packets stored without their payload: overload", LEDGER_NONE);
COUNTER_LOSS(cut_bytes, "overload.bytes_not_stored", "their bytes that were not stored", LEDGER_NONE);

enum {
	LOOK_INTERVAL_NS = 1000000,
	NEVER_IDLE_MS = 250,
	NEVER_IDLE_QUEUES = 32,
	HEADER_BYTES_MAX = 64, /* of a transport header without payload */
};

/* Drivers that do not say how full a queue is. */
static bool
is_silent(const char *driver)
{
	static const char *const names[] = {"net_af_packet", "net_tap", "net_memif"};

	for (unsigned i = 0; i < RTE_DIM(names); i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return false;
}

void
worker_overload_add_port(struct worker *w, unsigned i)
{
	const struct worker_queue *port = &w->queue[i];
	struct worker_overload *o = &w->overload;
	struct rte_eth_dev_info info;
	uint16_t descriptors = 0;

	if (o->next_ns != 0)
		return;
	if (rte_eth_rx_queue_count(port->port->id, port->number) >= 0)
		descriptors = port_descriptors(port->port->id, port->number);
	if (descriptors != 0)
		o->descriptors[i] = descriptors;
	else if (rte_eth_dev_info_get(port->port->id, &info) == 0 && is_silent(info.driver_name))
		o->says_nothing = true;
}

void
worker_overload_init(struct worker *w)
{
	struct worker_overload *o = &w->overload;

	overload_init(&o->ladder, w->params.overload, &w->counters);
	o->next_ns = w->params.lossless || !w->params.overload->enabled ? UINT64_MAX : 0;
}

static uint8_t
percent_of(uint64_t used, uint64_t all)
{
	return all == 0 ? 0 : (uint8_t)RTE_MIN(100 * used / all, UINT64_C(100));
}

static uint8_t
queue_percent(const struct worker *w)
{
	uint8_t fullest = 0;

	for (unsigned i = 0; i < w->n_queues; i++) {
		int used = w->overload.descriptors[i] == 0
				   ? 0
				   : rte_eth_rx_queue_count(w->queue[i].port->id, w->queue[i].number);
		uint8_t percent = used > 0 ? percent_of((uint64_t)used, w->overload.descriptors[i]) : 0;

		fullest = RTE_MAX(fullest, percent);
	}
	/* To who receives little himself they are what a queue is. */
	if (w->handoff != NULL)
		fullest = RTE_MAX(fullest, (uint8_t)handoff_percent(w->handoff));
	return fullest;
}

/* A quarter of a second of full bursts; then it begins anew. */
static bool
is_never_idle(struct worker_overload *o, uint64_t now_ns, uint32_t queue_packets)
{
	if (!o->says_nothing || o->full_since_ns == 0 || now_ns - o->full_since_ns < NEVER_IDLE_MS * NS_PER_MS ||
	    o->full_packets < (uint64_t)NEVER_IDLE_QUEUES * queue_packets)
		return false;
	o->full_since_ns = 0;
	return true;
}

/* What live sessions hold is theirs, up to half of the pool, and no sign of anything. */
static uint8_t
chunks_percent(const struct worker *w)
{
	uint64_t used = record_pool_used(w->pool), all = used + record_pool_room(w->pool);
	struct session_stats stats;

	session_stats(w->sessions, &stats);
	return percent_of(used - RTE_MIN(used, stats.held_chunks), all - RTE_MIN(all, stats.held_chunks));
}

void
worker_overload_look(struct worker *w, uint64_t now_ns)
{
	struct worker_overload *o = &w->overload;
	struct overload_view view = {
		.percent =
			{
				[OVERLOAD_QUEUE] = queue_percent(w),
				[OVERLOAD_CHUNKS] = chunks_percent(w),
				[OVERLOAD_RING] = percent_of(rte_ring_count(w->params.records),
							     rte_ring_get_capacity(w->params.records)),
				[OVERLOAD_BLOCKS] = (uint8_t)writer_stream_used_percent(w->stream),
			},
		.never_idle = is_never_idle(o, now_ns, w->params.receive_ring),
	};

	for (unsigned i = 0; i < w->n_queues; i++)
		view.lost += port_lost(w->queue[i].port);
	o->next_ns = now_ns + LOOK_INTERVAL_NS;
	if (overload_look(&o->ladder, &view, now_ns))
		session_refuse_new(w->sessions, overload_stage(&o->ladder) == OVERLOAD_NO_RECORDS);
}

void
worker_overload_end(struct worker *w)
{
	w->overload.next_ns = UINT64_MAX;
	session_refuse_new(w->sessions, false);
}

void
worker_overload_cut(struct worker *w, struct packet *p)
{
	uint32_t headers = p->payload_bytes > 0 ? p->payload_offset : p->transport_offset + HEADER_BYTES_MAX;

	if (headers >= p->store_bytes)
		return;
	COUNTER_ADD(&w->counters, headers_only, 1);
	COUNTER_ADD(&w->counters, cut_bytes, p->store_bytes - headers);
	p->store_bytes = headers;
	session_shed(p->session, SESSION_HEADERS_ONLY);
}

/* A stream of which something is missing is not parsed any more; datagrams are again when all is well. */
void
worker_overload_skip(struct worker *w, struct packet *p)
{
	enum session_type type = packet_protocol(p->protocol)->type;
	struct session_chunk unread;

	COUNTER_ADD(&w->counters, not_parsed, 1);
	session_shed(p->session, SESSION_NOT_PARSED);
	if (type == SESSION_TCP || type == SESSION_SCTP)
		session_stop_payload(w->sessions, p->session);
	while (session_pull_payload(w->sessions, p->session, &unread))
		;
}
