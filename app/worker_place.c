/* Whose a packet is.
 *
 * Live, most packets of others are told by a glance at their headers and leave as soon as a burst was received. Not
 * those of a NIC that places flows by RSS: there are next to none then, and the glance would be for nothing (two
 * workers to whom nothing has to be passed on: 76 ns a packet by the clock with it, 67 without).
 *
 * Where a glance does not tell, a run is decoded first, and then each packet is ours or another worker's, by the hash
 * of its flow: the innermost one, so tunnels need no more. Those of others leave when their turn comes, so that for one
 * target packets and the datagrams between them, which we put together, stay in order.
 *
 * Fragments have no flow yet. Where several workers receive, they go to the one that their addresses say, which is also
 * how NICs place them; it puts them together, and the whole goes to its flow's owner. Where one worker receives
 * everything, it does that itself, as the replay role does, and order is exact without anybody waiting.
 *
 * With mergeWindow, live, what is ours goes into the merge and comes back later, to be decoded again: about 15 ns a
 * packet for those who ask for it. Fragments do not wait: what they make, with the stamp of the one that came last, is
 * what has to be in order. */
#include <errno.h>

#include <rte_branch_prediction.h>

#include "worker_priv.h"

COUNTER_LOSS(no_mbuf, "worker.datagram_no_mbuf",
	     "datagrams put together that could not go to their worker, because the mbuf pool was empty",
	     LEDGER_PACKETS);
COUNTER_LOSS(too_long, "worker.datagram_too_long",
	     "datagrams put together that are too long to go to their worker, above 65 KB", LEDGER_PACKETS);

/* Addresses of the IP header that the fragment header is behind of. */
static unsigned
fragment_owner(const struct worker *w, const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	unsigned bytes = p->ip_version == 6 ? 32 : 8;
	const uint8_t *addresses;

	cursor_skip(&c, p->ip_offset + (p->ip_version == 6 ? 8u : 12u));
	addresses = cursor_take(&c, bytes);
	return addresses != NULL ? flow_owner_of_addresses(w->params.owners, addresses, bytes) : w->params.index;
}

/* The port has asked for all of them, faster than they come. */
enum { FRAMES_AHEAD = 16 };

/* False: a glance does not tell whose it is. */
static bool
glance(const struct worker *w, const struct packet_meta *meta, unsigned *owner)
{
	struct flow_key key;

	if (meta->plain_bytes == 0 || !packet_glance(w->params.decode, meta->data, meta->plain_bytes, &key))
		return false;
	*owner = flow_owner(w->params.owners, &key);
	return true;
}

static inline void
keep_held(struct worker *w, unsigned to, unsigned from)
{
	w->held.mbuf[to] = w->held.mbuf[from];
	w->held.meta[to] = w->held.meta[from];
}

/* Up to the first that has to be decoded to be told: what comes after it may be of its flow. */
void
worker_place_burst(struct worker *w, const struct port *port)
{
	unsigned owner = 0, n_kept = 0, i = 0;
	uint64_t bytes = 0;

	if (port->spread == PORT_BY_RSS || port->link_type != LINK_ETHERNET || w->params.filter != NULL)
		return;
	for (; i < w->n_held && glance(w, w->held.meta[i], &owner); i++) {
		if (i + FRAMES_AHEAD < w->n_held)
			rte_prefetch0(w->held.meta[i + FRAMES_AHEAD]->data);
		if (owner == w->params.index) {
			keep_held(w, n_kept++, i);
			continue;
		}
		bytes += w->held.meta[i]->plain_bytes;
		handoff_put(w->handoff, owner, w->held.mbuf[i], w->held.meta[i]);
	}
	w->settled = i == w->n_held;
	worker_count_received(w, i - n_kept, bytes);
	for (; i < w->n_held; i++)
		keep_held(w, n_kept++, i);
	w->n_held = n_kept;
	handoff_send(w->handoff);
}

static unsigned
owner_of(const struct worker *w, const struct packet *p)
{
	if (w->handoff == NULL)
		return w->params.index;
	if (likely(p->verdict == PACKET_OK))
		return flow_owner(w->params.owners, &p->key);
	return w->receives_alone ? w->params.index : fragment_owner(w, p);
}

/* Peers that get no packet of this second have to know of it all the same. */
static void
tell_clock(struct worker *w)
{
	uint64_t clock_ns = w->held.meta[w->next_held]->clock_ns;

	if (clock_ns / NS_PER_S <= w->ticked_s)
		return;
	w->ticked_s = clock_ns / NS_PER_S;
	handoff_tick(w->handoff, clock_ns);
}

/* Where a packet of the burst is in 'held'. Those that were too long have no place in the burst. */
static unsigned
find_held(const struct worker *w, unsigned packet)
{
	const struct rte_mbuf *m = w->burst->packet[packet].mbuf;
	unsigned i = w->next_held + packet;

	while (w->held.mbuf[i] != m)
		i++;
	return i;
}

static void
leave(struct worker *w, unsigned packet)
{
	unsigned owner = w->owner[packet], i = find_held(w, packet);
	struct rte_mbuf *m = w->held.mbuf[i];

	/* The end of the run does not free it. */
	w->held.mbuf[i] = NULL;
	if (owner != w->params.index) {
		handoff_put(w->handoff, owner, m, w->held.meta[i]);
	} else {
		port_keep(m, w->held.meta[i]);
		merge_push(w->merge, w->merge_source, &m, 1, w->received_ns);
	}
}

static void
place(struct worker *w, unsigned packet)
{
	struct packet *p = &w->burst->packet[packet];
	unsigned owner;

	if (unlikely(p->verdict != PACKET_OK && p->verdict != PACKET_FRAGMENT))
		return;
	owner = owner_of(w, p);
	if (p->verdict == PACKET_FRAGMENT)
		w->held.meta[find_held(w, packet)]->is_fragment = true;
	if (owner == w->params.index && (!w->distributing || p->verdict == PACKET_FRAGMENT))
		return;
	w->owner[packet] = (uint8_t)owner;
	p->verdict = PACKET_ELSEWHERE;
	/* Nobody here fetches its session or its bytes. */
	p->hash = 0;
	p->captured_bytes = 0;
}

void
worker_place_clock(struct worker *w)
{
	if (w->params.packet_clock && w->handoff != NULL)
		tell_clock(w);
}

void
worker_place_part(struct worker *w, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		place(w, i);
}

/* To its owner, or into our own merge. */
static void
send_datagram(struct worker *w, const struct packet *p, unsigned owner)
{
	struct rte_mbuf *m = port_copy_datagram(p->mbuf->pool, p);

	if (m != NULL && owner != w->params.index)
		handoff_put(w->handoff, owner, m, rte_mbuf_to_priv(m));
	else if (m != NULL)
		merge_push(w->merge, w->n_sources, &m, 1, w->received_ns);
	else if (errno == E2BIG)
		COUNTER_ADD(&w->counters, too_long, 1);
	else
		COUNTER_ADD(&w->counters, no_mbuf, 1);
}

void
worker_lookup_datagram(struct worker *w, struct packet *p)
{
	if (w->dedup != NULL) {
		dedup_prefetch_burst(w->dedup, p, 1);
		if (dedup_is_copy(w->dedup, p))
			return;
	}
	p->hash = flow_key_hash(&p->key, w->params.secret);
	session_lookup(w->sessions, p);
	if (p->fragments_differ && p->session != NULL)
		session_add_tag(w->sessions, p->session, "ip-overlap");
	w->looked_up = true;
}

bool
worker_place_packet(struct worker *w, struct packet *p)
{
	unsigned owner;

	if (p->verdict == PACKET_ELSEWHERE) {
		leave(w, w->next_packet);
		return false;
	}
	if (p->verdict == PACKET_FRAGMENT && !fragments_push(w->fragments, p))
		return false;
	if (p->verdict != PACKET_OK) {
		packet_count_verdict(&w->counters, p);
		return false;
	}
	owner = owner_of(w, p);
	if (owner != w->params.index || w->distributing) {
		send_datagram(w, p, owner);
		return false;
	}
	worker_lookup_datagram(w, p);
	packet_count_verdict(&w->counters, p);
	return p->verdict == PACKET_OK;
}
