/* The replay role.
 *
 * A poll puts what is staged on the rings, then stages up to a burst of packets, then puts those on the rings. A step
 * (one packet, with the flush and tick markers that go before it) is taken only when all its mbufs are there; before
 * that the packet stays where the reader left it, so nothing has to be undone and nothing waits. One full ring stops
 * the file for all workers: the price of one order for all.
 *
 * A packet stays in the buffer its file was read into (replay_views.c), or, in the sanitize build, is copied into an
 * mbuf, where it is alone and can be poisoned around. (Attaching the file's pages themselves: half as fast, as no
 * prefetcher sees a stream then; PERFORMANCE B.2.) Mbufs are taken from the pool in bulk and kept; the markers are
 * mbufs without bytes.
 *
 * With several workers the packet is decoded here, from the reader's window, to find its owner: about 10 ns a packet,
 * which the worker pays again. Sending the key along would save that and double the metadata. */
#include "replay_priv.h"

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "clock.h"
#include "poison.h"

enum { FRESH_AHEAD = 3 };

COUNTER(read_packets, "replay.read", "packets read from capture files", LEDGER_WIRE, LEDGER_IN);
COUNTER(read_bytes, "replay.bytes", "captured bytes of the packets read", LEDGER_NONE, LEDGER_IN);
COUNTER(delivered, "replay.delivered", "packets of capture files given to workers", LEDGER_WIRE, LEDGER_OUT);
COUNTER(fragments, "replay.fragments", "fragments that the replay puts together itself, for several workers",
	LEDGER_WIRE, LEDGER_OUT);
COUNTER(fragments_taken, "fragment.taken", "fragments that did not reach a worker as packets", LEDGER_PACKETS,
	LEDGER_IN);
COUNTER_LOSS(datagram_too_long, "fragment.oversized", "datagrams put together that no worker can be given, above 65 KB",
	     LEDGER_PACKETS);
COUNTER(stalled, "replay.stalled", "polls that had no mbufs or no room on a ring", LEDGER_NONE, LEDGER_IN);

/* --- mbufs ------------------------------------------------------------------------------------------------------ */

static bool
refill(struct replay *r, unsigned need)
{
	unsigned before = r->n_fresh;

	if (rte_mempool_get_bulk(r->params.pool, (void **)&r->fresh[before], FRESH_MAX - before) == 0)
		r->n_fresh = FRESH_MAX;
	else if (rte_mempool_get_bulk(r->params.pool, (void **)&r->fresh[before], need - before) == 0)
		r->n_fresh = need;
	/* They may have been freed by somebody who does not know of poison. */
	if (POISON_ENABLED)
		for (unsigned i = before; i < r->n_fresh; i++)
			port_unpoison(r->fresh[i]);
	return r->n_fresh >= need;
}

/* What rte_pktmbuf_reset() does without its second cache line, as drivers do: in a pool an mbuf has no successor, and
 * nobody sends these. 1.4 ns a packet. */
static inline struct rte_mbuf *
take_mbuf(struct replay *r)
{
	struct rte_mbuf *m = r->fresh[--r->n_fresh];

	m->data_off = RTE_PKTMBUF_HEADROOM;
	rte_mbuf_refcnt_set(m, 1);
	m->nb_segs = 1;
	m->port = r->port;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->vlan_tci = 0;
	return m;
}

/* --- staging ---------------------------------------------------------------------------------------------------- */

static inline void
stage_mbuf(struct stage *s, struct rte_mbuf *m, bool is_packet)
{
	s->mbuf[s->n] = m;
	s->is_packet[s->n] = is_packet;
	s->n++;
}

/* On every queue. */
static void
stage_marker(struct replay *r, enum packet_meta_kind kind, uint64_t clock_ns)
{
	for (unsigned i = 0; i < r->n_workers; i++) {
		struct rte_mbuf *m = take_mbuf(r);

		m->data_len = 0;
		m->pkt_len = 0;
		*(struct packet_meta *)rte_mbuf_to_priv(m) = (struct packet_meta){
			.kind = (uint8_t)kind, .time_ns = clock_ns, .clock_ns = clock_ns, .sequence = r->sequence};
		stage_mbuf(&r->stage[i], m, false);
	}
}

/* False: a ring is full. */
static bool
send_stage(struct replay *r, unsigned queue)
{
	struct stage *s = &r->stage[queue];
	unsigned n = rte_ring_sp_enqueue_burst(r->ring[queue], (void **)&s->mbuf[s->sent], s->n - s->sent, NULL);
	unsigned packets = 0;

	for (unsigned i = s->sent; i < s->sent + n; i++)
		packets += s->is_packet[i];
	COUNTER_ADD(&r->counters, delivered, packets);
	s->sent += n;
	if (s->sent < s->n)
		return false;
	s->sent = 0;
	s->n = 0;
	return true;
}

static bool
send_stages(struct replay *r)
{
	bool all = true;

	for (unsigned i = 0; i < r->n_workers; i++)
		if (r->stage[i].n > 0 && !send_stage(r, i))
			all = false;
	return all;
}

/* --- one packet ------------------------------------------------------------------------------------------------- */

/* A packet without a key belongs to worker 0: somebody has to count it. */
static unsigned
find_owner(struct replay *r)
{
	const struct capture_packet *next = &r->next;
	struct packet *p = &r->packet;

	if (r->n_workers == 1)
		return 0;
	p->data = next->data;
	p->time_ns = next->time_ns;
	p->captured_bytes = next->captured_bytes;
	p->wire_bytes = next->wire_bytes;
	p->link_type = next->link_type;
	p->has_nanoseconds = next->has_nanoseconds;
	return packet_decode(r->params.decode, p) == PACKET_OK ? flow_key_owner(&p->key, r->n_workers) : 0;
}

/* The bytes that do not fit into the first mbuf. */
static void
append_segments(struct replay *r, struct rte_mbuf *first)
{
	struct cursor c = cursor_make(r->next.data, r->next.captured_bytes);
	struct rte_mbuf *last = first;

	cursor_skip(&c, first->data_len);
	while (cursor_left(&c) > 0) {
		struct rte_mbuf *m = take_mbuf(r);
		size_t size = cursor_left(&c) < r->room ? cursor_left(&c) : r->room;

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), cursor_take(&c, size), size);
		m->data_len = (uint16_t)size;
		last->next = m;
		last = m;
		first->nb_segs++;
	}
}

/* 'plain_bytes' 0: the mbuf says how many. */
static inline void
set_meta(const struct replay *r, struct rte_mbuf *m, const uint8_t *data, uint32_t plain_bytes, uint8_t pool_number)
{
	struct packet_meta *meta = rte_mbuf_to_priv(m);
	const struct capture_packet *next = &r->next;

	/* Not a compound literal: that is made on the stack first. */
	meta->time_ns = next->time_ns;
	meta->clock_ns = r->greatest_ns;
	meta->sequence = r->sequence;
	meta->input_position = next->position;
	meta->wire_bytes = next->wire_bytes;
	meta->input = r->input_index;
	meta->link_type = next->link_type;
	meta->kind = META_PACKET;
	meta->has_nanoseconds = next->has_nanoseconds;
	meta->pool = pool_number;
	meta->plain_bytes = (uint16_t)plain_bytes;
	meta->data = data;
}

/* Mbufs were read by another core a moment ago, and to write a line means to fetch it from there first, 30 to 200 ns:
 * so ask for those of an mbuf to come, as many as this packet has, while this one is copied. */
static inline void
prefetch_fresh(const struct replay *r, uint32_t size)
{
	struct rte_mbuf *m;
	const uint8_t *data;

	if (unlikely(r->n_fresh < FRESH_AHEAD))
		return;
	m = r->fresh[r->n_fresh - FRESH_AHEAD];
	data = (const uint8_t *)rte_mbuf_to_priv(m) + sizeof(struct packet_meta) + RTE_PKTMBUF_HEADROOM;
	rte_prefetch0_write(m);
	rte_prefetch0_write(rte_mbuf_to_priv(m));
	for (uint32_t at = 0; at < size; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0_write(data + at);
}

static struct rte_mbuf *
copy_packet(struct replay *r)
{
	struct rte_mbuf *m = take_mbuf(r);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t size = r->next.captured_bytes;

	if (unlikely(size > r->room))
		size = r->room;
	prefetch_fresh(r, size);
	rte_memcpy(data, r->next.data, size);
	m->data_len = (uint16_t)size;
	m->pkt_len = r->next.captured_bytes;
	if (likely(r->next.captured_bytes == size)) {
		set_meta(r, m, data, size, r->pool_number);
	} else {
		set_meta(r, m, data, 0, 0);
		append_segments(r, m);
	}
	return m;
}

_Static_assert(CAPTURE_RECORD_MAX <= UINT16_MAX, "a packet is one view");

static struct rte_mbuf *
view_packet(struct replay *r)
{
	struct rte_mbuf *m = view_take(&r->views);

	m->buf_addr = (void *)(uintptr_t)r->next.data;
	m->buf_len = (uint16_t)r->next.captured_bytes;
	m->data_len = m->buf_len;
	m->pkt_len = r->next.captured_bytes;
	m->port = r->port;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->vlan_tci = 0;
	set_meta(r, m, r->next.data, r->next.captured_bytes, r->views.pool_number);
	return m;
}

/* Appends to a chain; returns its last mbuf. */
static struct rte_mbuf *
append_bytes(struct replay *r, struct rte_mbuf *first, struct rte_mbuf *last, struct cursor c)
{
	while (cursor_left(&c) > 0) {
		size_t size = r->room - last->data_len;

		if (size == 0) {
			last->next = take_mbuf(r);
			last = last->next;
			last->data_len = 0;
			first->nb_segs++;
			continue;
		}
		if (size > cursor_left(&c))
			size = cursor_left(&c);
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), cursor_take(&c, size), size);
		last->data_len = (uint16_t)(last->data_len + size);
		first->pkt_len += (uint32_t)size;
	}
	return last;
}

/* r->packet is a datagram that was put together. */
static struct rte_mbuf *
copy_datagram(struct replay *r)
{
	const struct packet *p = &r->packet;
	struct rte_mbuf *m = take_mbuf(r), *last;
	struct packet_meta *meta = rte_mbuf_to_priv(m);

	m->data_len = 0;
	m->pkt_len = 0;
	last = append_bytes(r, m, m, cursor_make(p->data, p->captured_bytes));
	append_bytes(r, m, last, cursor_make(&p->verdict, PACKET_DECODED_BYTES));
	set_meta(r, m, NULL, 0, 0);
	meta->kind = META_DATAGRAM;
	meta->wire_bytes = p->wire_bytes;
	return m;
}

static inline bool
is_fragment(const struct replay *r)
{
	return r->packet.verdict == PACKET_FRAGMENT && r->fragments != NULL;
}

/* A fragment that makes no datagram whole ends here, in the ledgers of the file and of the workers. */
static void
stage_fragment(struct replay *r)
{
	struct packet *p = &r->packet;
	bool whole;

	p->clock_ns = r->greatest_ns;
	whole = fragments_push(r->fragments, p);
	if (whole && p->captured_bytes <= PACKET_BYTES_MAX - PACKET_DECODED_BYTES) {
		unsigned owner = p->verdict == PACKET_OK ? flow_key_owner(&p->key, r->n_workers) : 0;

		stage_mbuf(&r->stage[owner], copy_datagram(r), true);
		return;
	}
	COUNTER_ADD(&r->counters, fragments, 1);
	COUNTER_ADD(&r->counters, fragments_taken, 1);
	COUNTER_ADD(&r->counters, datagram_too_long, whole);
}

static void
restart_clock(struct replay *r)
{
	if (r->fragments != NULL)
		fragments_flush(r->fragments);
	stage_marker(r, META_FLUSH, r->clock_ns);
	r->greatest_ns = 0;
	r->clock_ns = 0;
	r->next_tick_ns = NS_PER_S;
}

static bool
starts_again(const struct replay *r)
{
	return r->file_begins && r->sequence > 0 && (r->params.flush_between_files || r->next.time_ns < r->greatest_ns);
}

static void
begin_file(struct replay *r)
{
	const struct capture_info *info = capture_info(r->capture);

	/* A pipe's header was not there yet when it was opened. */
	r->input->link_type = info->link_type;
	r->input->snap_length = info->snap_length;
	r->input->has_nanoseconds = r->next.has_nanoseconds;
	r->input->first_ns = r->next.time_ns;
	r->file_begins = false;
}

/* Mbufs for 'r->next' and all that may go before it. */
static inline bool
have_mbufs(struct replay *r)
{
	unsigned need = r->in_place ? 0 : 1 + r->next.captured_bytes / r->room;

	if (r->in_place && unlikely(!views_make_room(&r->views)))
		return false;
	if (unlikely(is_fragment(r)))
		need = SEGMENTS_MAX;
	if (unlikely(r->file_begins || r->greatest_ns >= r->next_tick_ns))
		need += 2 * r->n_workers;
	return likely(r->n_fresh >= need) || refill(r, need);
}

void
replay_count_read(struct replay *r, uint64_t records)
{
	COUNTER_ADD(&r->counters, read_packets, records);
}

void
replay_count_packet(struct replay *r)
{
	r->input->packets++;
	r->input->last_ns = r->next.time_ns;
	COUNTER_ADD(&r->counters, read_packets, 1);
	COUNTER_ADD(&r->counters, read_bytes, r->next.captured_bytes);
}

static void
stage_packet(struct replay *r)
{
	if (unlikely(r->file_begins)) {
		if (starts_again(r))
			restart_clock(r);
		begin_file(r);
	}
	if (unlikely(r->greatest_ns >= r->next_tick_ns)) {
		stage_marker(r, META_TICK, r->greatest_ns);
		r->next_tick_ns = (r->greatest_ns / NS_PER_S + 1) * NS_PER_S;
	}
	if (unlikely(is_fragment(r)))
		stage_fragment(r);
	else
		stage_mbuf(&r->stage[r->owner], r->in_place ? view_packet(r) : copy_packet(r), true);
	r->has_next = false;
	r->clock_ns = r->greatest_ns;
	if (r->next.time_ns > r->greatest_ns)
		r->greatest_ns = r->next.time_ns;
	r->sequence++;
	r->packets_in_file++;
	replay_count_packet(r);
}

/* --- polls ------------------------------------------------------------------------------------------------------ */

/* Stages up to a burst. Each file begins with a poll of its own, which bounds what one poll does with empty files. */
static void
fill_stages(struct replay *r)
{
	for (unsigned i = 0; i < BURST_MAX; i++) {
		if (!r->has_next) {
			if (!replay_read_packet(r))
				break;
			if (r->params.filter != NULL && !replay_takes(r))
				continue;
		}
		r->owner = find_owner(r);
		if (!have_mbufs(r)) {
			COUNTER_ADD(&r->counters, stalled, 1);
			break;
		}
		stage_packet(r);
	}
	if (r->capture != NULL)
		r->input->read_bytes = capture_consumed_bytes(r->capture);
}

static void
end_input(struct replay *r)
{
	if (r->n_fresh < r->n_workers && !refill(r, r->n_workers)) {
		COUNTER_ADD(&r->counters, stalled, 1);
		return;
	}
	if (r->fragments != NULL)
		fragments_flush(r->fragments);
	stage_marker(r, META_END, r->clock_ns);
	r->everything_read = true;
}

static void
open_next_file(struct replay *r)
{
	if (!r->in_place || views_can_open(&r->views))
		replay_open_file(r);
	else
		COUNTER_ADD(&r->counters, stalled, 1);
}

static uint64_t
worked_off(const struct replay *r)
{
	return r->counters.value[COUNTER_INDEX(delivered)] + r->passed_over;
}

unsigned
replay_poll(struct replay *r)
{
	uint64_t before = worked_off(r);

	if (r->done)
		return 0;
	if (!send_stages(r)) {
		COUNTER_ADD(&r->counters, stalled, 1);
		return (unsigned)(worked_off(r) - before);
	}
	if (atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
		if (r->capture != NULL)
			replay_close_file(r);
		r->next_file = r->params.files->n;
	}
	if (r->capture != NULL)
		fill_stages(r);
	else if (r->next_file < r->params.files->n)
		open_next_file(r);
	else if (!r->everything_read)
		end_input(r);
	r->done = send_stages(r) && r->everything_read;
	return (unsigned)(worked_off(r) - before);
}
