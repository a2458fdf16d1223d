/* Saving: a session becomes a record.
 *
 * The record is the one the session has collected values in, or a fresh one; the values kept in the session itself, the
 * summary and the packet positions are added, and it joins the list that session_pull() hands out. Nothing here waits:
 * session_room() and session_save_room() look ahead, and if there is no chunk all the same the session ends uncounted
 * in no record but in the ledger.
 *
 * A mid-save (RECORD 1.8) writes the interval and goes on: counters and positions restart, values of linked fields
 * stay, and all records of the session carry the id of the first. */
#include "session_priv.h"

#include <rte_branch_prediction.h>
#include <string.h>

COUNTER(saved, "session.saved", "sessions that ended with a record", LEDGER_SESSIONS, LEDGER_OUT);
COUNTER(nothing_stored, "session.not_saved_nothing_stored",
	"sessions that ended without a packet to be stored since their last record", LEDGER_SESSIONS, LEDGER_OUT);
COUNTER_LOSS(store_failed, "session.not_saved_store_failed",
	     "sessions that ended without a record: no packet was stored", LEDGER_SESSIONS);
COUNTER_LOSS(no_record, "session.not_saved_no_record",
	     "sessions that ended without a record: the record pool was empty", LEDGER_SESSIONS);
COUNTER(linked, "session.linked", "linked records of sessions that went on", LEDGER_NONE, LEDGER_OUT);
COUNTER_LOSS(linked_lost, "session.linked_lost", "linked records that were lost: the record pool was empty",
	     LEDGER_NONE);
COUNTER(records, "session.records", "records handed out, final and linked", LEDGER_NONE, LEDGER_OUT);
COUNTER_LOSS(carry_lost, "session.carry_lost", "sessions that lost tags or protocols after a linked record",
	     LEDGER_NONE);

enum {
	EARLY_S = 10, /* times before this second are moved by it (RECORD 1.10) */
	/* Record chunks: what a position or a value takes at most in a record, compared with here. */
	POSITION_GROWTH = 4,
	POSITION_RECORD_BYTES_MAX = 12,
	CHUNK_PAYLOAD_BYTES = RECORD_CHUNK_BYTES - 64,
	VALUE_CHUNKS = 2,
	GAPS = 16,	      /* positions that are handed on together */
	SAVES_PER_PACKET = 4, /* port reuse, an eviction by limit and one by bucket, a mid-save */
};

static void
queue(struct session_table *t, struct record *r)
{
	r->next = NULL;
	if (t->done_last != NULL)
		t->done_last->next = r;
	else
		t->done_first = r;
	t->done_last = r;
	COUNTER_ADD(t->counters, records, 1);
}

static void
add_positions(struct session_table *t, const struct session *s, struct record *r)
{
	struct position_reader reader;
	uint32_t gap[GAPS];
	unsigned n;

	position_read_begin(&reader, &t->positions, &s->positions);
	while (position_read_next(&reader)) {
		if (!record_add_position(t->records, r, reader.file, reader.position, reader.length))
			return;
		while ((n = position_read_gaps(&reader, gap, GAPS, RECORD_GAP_MAX)) > 0)
			if (!record_add_gaps(t->records, r, gap, n))
				return;
	}
}

static uint64_t
written_ns(uint64_t ns)
{
	return ns < EARLY_S * NS_PER_S ? ns + EARLY_S * NS_PER_S : ns;
}

static bool
has_endpoints(const struct session_table *t, const struct session *s)
{
	return t->protocol[s->key.protocol].has_addresses && (s->flags & (SESSION_IPV4 | SESSION_IPV6)) != 0;
}

void
session_endpoints(const struct session_table *t, const struct session *s, uint8_t address[2][16], uint16_t port[2])
{
	const struct protocol_row *row = &t->protocol[s->key.protocol];
	bool reversed = (s->flags & SESSION_REVERSED) != 0;

	if (!has_endpoints(t, s))
		return;
	for (unsigned i = 0; i < 2; i++) {
		if ((s->flags & SESSION_ENDPOINTS) != 0) {
			const struct attachment *att = session_attached(t, s);

			memcpy(address[i], att->address[i], 16);
			port[i] = att->port[i];
			continue;
		}
		memcpy(address[i], s->key.address[i ^ reversed], 16);
		if (row->has_ports)
			port[i] = s->key.port[i ^ reversed];
	}
}

static void
summary_attachment(const struct attachment *att, struct record_summary *out)
{
	for (unsigned i = 0; i < 2; i++) {
		out->data_bytes[i] = att->data_bytes[i];
		out->payload8_bytes[i] = att->payload8_bytes[i];
		memcpy(out->payload8[i], att->payload8[i], PAYLOAD8_BYTES);
	}
}

static void
summary(struct session_table *t, const struct session *s, struct record_summary *out)
{
	const struct session_start *start = session_start_of(t, s);
	const struct attachment *att = session_attachment(t, s);
	uint8_t type = session_type_of(t, s);

	out->first_ns = written_ns(start->first_ns);
	out->last_ns = written_ns(s->last_ns);
	if (t->wall_ns == 0)
		t->wall_ns = clock_wall_ns();
	out->saved_ns = t->wall_ns;
	out->ip_protocol = s->ip_protocol;
	out->ethertype = start->ethertype;
	out->session_type = type;
	out->protocol = t->protocol[s->key.protocol].record_name;
	if (has_endpoints(t, s))
		out->ip_version = (s->flags & SESSION_IPV6) != 0 ? 6 : 4;
	session_endpoints(t, s, out->address, out->port);
	out->has_community_id = type != SESSION_OTHER && out->ip_version != 0;
	for (unsigned i = 0; i < 2; i++) {
		out->packets[i] = s->packets[i];
		out->bytes[i] = s->bytes[i];
	}
	if (att != NULL)
		summary_attachment(att, out);
	/* By the number in the record, as the reference: a corrupt-ip session of a TCP packet shows (empty) TCP flags.
	 */
	out->is_tcp = s->ip_protocol == 6;
	if (type == SESSION_TCP)
		session_tcp_summary(t, s, out);
	if (type == SESSION_ICMP) {
		out->icmp_type = start->icmp.first_type;
		out->icmp_code = start->icmp.first_code;
	}
}

/* Ids and the place of this record in a chain of linked ones. */
static void
summary_ids(struct session_table *t, struct session *s, bool is_final, struct record *r)
{
	struct attachment *att = session_attachment(t, s);
	struct record_summary *out = &r->summary;
	struct record_position_iterator it;
	struct record_position first;

	record_id_next(t->ids, out->id);
	out->is_final = is_final;
	out->segment_count = 1;
	if (is_final && (att == NULL || att->segment_count == 0))
		return;
	out->is_linked = true;
	out->segment_count = ++att->segment_count;
	if (att->segment_count == 1) {
		memcpy(att->root_id, out->id, sizeof(att->root_id));
		att->root_last_ns = out->last_ns;
		record_positions_begin(r, &it);
		if (record_positions_next(&it, &first)) {
			att->root_file = first.file;
			att->root_position = first.position;
		}
	}
	memcpy(out->root_id, att->root_id, sizeof(out->root_id));
	out->root_last_ns = att->root_last_ns;
	out->root_file = att->root_file;
	out->root_position = att->root_position;
}

/* The finished record, or NULL: the pool is empty. */
static struct record *
make_record(struct session_table *t, struct session *s, bool is_final)
{
	struct record *r = session_record_take(t, s);

	if (r == NULL) {
		r = record_create(t->records);
		if (unlikely(r == NULL))
			return NULL;
		session_record_fill(t, s, r);
	}
	if (unlikely((s->seen & (SHED_PARSING | SHED_PAYLOAD)) != 0))
		session_shed_tags(t, s, r);
	summary(t, s, &r->summary);
	add_positions(t, s, r);
	summary_ids(t, s, is_final, r);
	return r;
}

static bool
has_something_stored(const struct session_table *t, const struct session *s)
{
	return t->conf->dry_run || !position_is_empty(&s->positions);
}

static void
end(struct session_table *t, struct session *s)
{
	uint32_t handle = session_handle(t, s);
	struct session_start *start = session_start_of(t, s);

	t->n_hints = 0;
	session_tcp_end(t, s);
	buckets_remove(&t->buckets, flow_key_hash(&s->key, t->secret), handle);
	session_timer_stop(t, s);
	position_clear(&t->positions, &s->positions);
	record_free(t->records, session_record_take(t, s));
	t->live[session_type_of(t, s)]--;
	t->n_closing -= (s->flags & SESSION_CLOSING) != 0;
	if (s->attachment != 0) {
		session_unname(t, session_attached(t, s));
		pool_put(t->attachments, s->attachment);
	}
	if (unlikely((s->seen & SEEN_OUTER) != 0)) {
		t->n_outer--;
		POISON(session_outer_of(t, s), sizeof(*t->outer));
	}
	pool_put(t->sessions, handle);
	POISON(start, sizeof(*start));
}

void
session_save_final(struct session_table *t, struct session *s)
{
	struct record *r;

	if (unlikely(session_is_refused(t, s))) {
		session_before_save(t, s, SESSION_SAVE_NONE);
		end(t, s);
		return;
	}
	session_before_save(t, s, has_something_stored(t, s) ? SESSION_SAVE_FINAL : SESSION_SAVE_NONE);
	if (!has_something_stored(t, s)) {
		if ((s->flags & SESSION_STORE_FAILED) != 0 && s->packets[0] + s->packets[1] > 0)
			COUNTER_ADD(t->counters, store_failed, 1);
		else
			COUNTER_ADD(t->counters, nothing_stored, 1);
		end(t, s);
		return;
	}
	r = make_record(t, s, true);
	if (likely(r != NULL)) {
		COUNTER_ADD(t->counters, saved, 1);
		queue(t, r);
	} else {
		COUNTER_ADD(t->counters, no_record, 1);
	}
	end(t, s);
}

/* What the record keeps over a mid-save. Values that lie in the session itself simply stay there; the TTLs and DSCPs
 * among them, and the types of ICMP, are of the interval. */
static void
forget_first_packets(struct session_table *t, struct session *s)
{
	struct session_start *start = session_start_of(t, s);

	s->flags &= ~(uint32_t)SESSION_IN_RECORD;
	s->seen &= (uint16_t) ~(3 * SEEN_TTL_0 | 3 * SEEN_OTHER_MAC_0);
	memset(start->dscp, 0, sizeof(start->dscp));
	if (session_type_of(t, s) == SESSION_ICMP)
		start->icmp.n_types = start->icmp.n_codes = 0;
}

static void
carry(struct session_table *t, struct session *s, const struct record *from)
{
	bool lost = false;
	struct record *r = record_carry_linked(t->records, from, &lost);

	if (lost)
		COUNTER_ADD(t->counters, carry_lost, 1);
	forget_first_packets(t, s);
	if (r == NULL)
		return;
	session_record_put(t, s, r);
	s->flags |= SESSION_IN_RECORD;
	/* Not all of it may have been carried. */
	s->seen &= (uint16_t) ~(3 * SEEN_OUTER_0);
}

static void
restart_interval(struct session_table *t, struct session *s, uint64_t now_s)
{
	struct attachment *att = session_attached(t, s);

	position_clear(&t->positions, &s->positions);
	for (unsigned i = 0; i < 2; i++) {
		s->packets[i] = 0;
		s->bytes[i] = 0;
		att->data_bytes[i] = 0;
	}
	s->flags = (s->flags | SESSION_LINKED) & ~(SESSION_SAVE_AFTER | SESSION_WANTS_SAVE | SESSION_STORE_FAILED);
	att->save_s = (uint32_t)(now_s + t->conf->tcp_save_timeout_s);
	if (session_type_of(t, s) == SESSION_TCP)
		session_tcp_mid_save(t, s);
}

void
session_save_mid(struct session_table *t, struct session *s, uint64_t now_s)
{
	bool had_record;
	struct record *r;

	session_before_save(t, s, SESSION_SAVE_MID);
	had_record = session_attach(t, s)->record != NULL;
	if (has_something_stored(t, s)) {
		r = make_record(t, s, false);
		if (r != NULL)
			COUNTER_ADD(t->counters, linked, 1);
		else
			COUNTER_ADD(t->counters, linked_lost, 1);
	} else {
		r = session_record_take(t, s);
	}
	if (had_record)
		carry(t, s, r);
	else
		forget_first_packets(t, s);
	if (r != NULL && has_something_stored(t, s))
		queue(t, r);
	else
		record_free(t->records, r);
	restart_interval(t, s, now_s);
}

static uint64_t
chunks_for(uint64_t position_bytes)
{
	return (position_bytes + CHUNK_PAYLOAD_BYTES - 1) / CHUNK_PAYLOAD_BYTES;
}

static uint64_t
chunks_per_save_max(uint32_t packets)
{
	return 1 + VALUE_CHUNKS + chunks_for((uint64_t)packets * POSITION_RECORD_BYTES_MAX);
}

bool
session_save_room(const struct session_table *t, const struct session *s)
{
	uint64_t need = chunks_per_save_max((uint32_t)s->packets[0] + s->packets[1]);

	/* With a pool smaller than one session everything that is free has to do. */
	if (need > t->record_chunks - t->held_max)
		need = t->record_chunks - t->held_max;
	return record_pool_room(t->records) >= need;
}

bool
session_room(const struct session_table *t, unsigned packets)
{
	uint64_t saves = (uint64_t)packets * SAVES_PER_PACKET;
	uint64_t worst = saves * chunks_per_save_max(t->conf->max_packets);
	uint64_t stored = position_store_bytes(&t->positions) + saves * POSITION_INLINE_BYTES;
	uint64_t need = saves * (2 + VALUE_CHUNKS) + chunks_for(stored * POSITION_GROWTH);

	if (need > worst)
		need = worst;
	if (need > t->record_chunks - t->held_max)
		need = t->record_chunks - t->held_max;
	return record_pool_room(t->records) >= need;
}

uint32_t
session_record_chunks_min(const struct session_conf *conf)
{
	return (uint32_t)(2 * BURST_MAX * SAVES_PER_PACKET * chunks_per_save_max(conf->max_packets));
}
