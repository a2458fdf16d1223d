/* The session table.
 *
 * A look-up costs two to three cache misses when the table is larger than the caches: the bucket, the two lines of the
 * session, and for the first ten packets of a direction its 'start'. session_prefetch_burst() asks for all of a burst's
 * lines before the first is used, one kind after the other, so that the misses overlap; what follows finds them in the
 * cache. (Measured in test/bench/session_bench.c.)
 *
 * Memory: what every session needs is 128 bytes in two cache lines, one that is read for each packet and one that is
 * only written, and 48 bytes that matter at the beginning and the end and lie in an array of their own. Everything else
 * is an attachment, made when there is payload or something unusual: two TTLs, an ECN flag, a record to be continued.
 * The price is code: a value has two homes, and counters spill.
 *
 * Time: see session_time.c. Saving: session_save.c. TCP: session_tcp.c. */
#include "session_priv.h"

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

COUNTER(session_opened, "session.opened", "sessions begun", LEDGER_SESSIONS, LEDGER_IN);
COUNTER_LOSS(session_lost, "session.not_saved_destroyed", "sessions still open when their table was destroyed",
	     LEDGER_SESSIONS);
COUNTER(evicted_streams, "session.early_streams", "sessions saved early: more of their type than maxStreams allows",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(evicted_pool, "session.early_pool", "sessions saved early: the session pool was full", LEDGER_NONE, LEDGER_OUT);
COUNTER(evicted_bucket, "session.early_bucket", "sessions saved early: no room in the buckets of a new one",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(positions_full, "session.linked_positions", "linked records made because the pools of positions were full",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(port_reused, "session.port_reused", "TCP sessions saved because a new one began between the same ports",
	LEDGER_NONE, LEDGER_OUT);

struct attachment *
session_attach(struct session_table *t, struct session *s)
{
	if (s->attachment == 0) {
		s->attachment = pool_get(t->attachments);
		memset(&t->attachment[s->attachment], 0, sizeof(struct attachment));
	}
	return &t->attachment[s->attachment];
}

static uint64_t
live_sessions(const void *context)
{
	const struct session_table *t = context;

	return t->sessions->used;
}

static bool
find_fields(struct session_fields *f)
{
	const struct {
		const char *name;
		field_id *id;
	} wanted[] = {
		{"source.mac", &f->mac[0]},
		{"destination.mac", &f->mac[1]},
		{"srcOuterMac", &f->outer_mac[0]},
		{"dstOuterMac", &f->outer_mac[1]},
		{"srcOuterIp", &f->outer_ip[0]},
		{"dstOuterIp", &f->outer_ip[1]},
		{"vni", &f->vni},
		{"srcTTL", &f->ttl[0]},
		{"dstTTL", &f->ttl[1]},
		{"srcDscp", &f->dscp[0]},
		{"dstDscp", &f->dscp[1]},
		{"network.vlan.id", &f->vlan},
		{"dot1q.id", &f->dot1q},
		{"dot1ad.id", &f->dot1ad},
		{"icmp.type", &f->icmp_type},
		{"icmp.code", &f->icmp_code},
		{"tags", &f->tags},
		{"protocol", &f->protocol},
		{"sctp.protoId", &f->sctp_protocol},
	};

	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		*wanted[i].id = field_find(wanted[i].name);
		if (*wanted[i].id == 0) {
			LOG_ERROR("session.field", "field=%s message=\"nobody has defined it\"", wanted[i].name);
			return false;
		}
	}
	return true;
}

_Static_assert(PACKET_PROTOCOLS_MAX <= 64, "payload_protocols has a bit for each");

static void
fill_protocols(struct session_table *t, uint64_t payload_protocols)
{
	for (unsigned id = 1; id <= packet_protocol_count(); id++) {
		const struct packet_protocol *p = packet_protocol((uint8_t)id);

		t->protocol[id] = (struct protocol_row){.record_name = p->record_name,
							.timeout_s = t->conf->timeout_s[id],
							.type = (uint8_t)p->type,
							.one_way = p->one_way,
							.has_addresses = p->has_addresses,
							.has_ports = p->has_ports,
							.has_payload = (payload_protocols >> id & 1) != 0};
	}
}

/* PARSERS 1: maxStreams is shared out among the workers, by type. */
static void
fill_limits(struct session_table *t, unsigned n_workers)
{
	static const double share[SESSION_TYPES] = {
		[SESSION_TCP] = 1.25,	   [SESSION_UDP] = 1.0 / 20,  [SESSION_ICMP] = 1.0 / 200,
		[SESSION_SCTP] = 1.0 / 20, [SESSION_ESP] = 1.0 / 200, [SESSION_OTHER] = 1.0 / 20};

	for (unsigned type = 0; type < SESSION_TYPES; type++) {
		double limit = share[type] * t->conf->max_streams / (n_workers > 0 ? n_workers : 1);

		t->limit[type] = limit < 64 ? 64 : (uint32_t)limit;
	}
}

static bool
make_pools(struct session_table *t, const struct session_table_params *params)
{
	const struct pool_params sessions = {.name = "sessions",
					     .object_bytes = sizeof(struct session),
					     .max_objects = params->max_sessions,
					     .align_bytes = sizeof(struct session)};
	const struct pool_params attachments = {.name = "session attachments",
						.object_bytes = sizeof(struct attachment),
						.max_objects = params->max_sessions,
						.align_bytes = RTE_CACHE_LINE_SIZE};
	int rc = buckets_init(&t->buckets, params->start_sessions, params->max_sessions);

	if (rc < 0) {
		errno = -rc;
		return false;
	}
	rc = position_store_init(&t->positions, params->max_sessions, t->conf->packet_lengths);
	if (rc < 0) {
		errno = -rc;
		return false;
	}
	t->sessions = pool_create(&sessions);
	t->attachments = pool_create(&attachments);
	t->start_bytes = ((size_t)params->max_sessions + 1) * sizeof(struct session_start);
	t->start = vmem_reserve(t->start_bytes);
	t->outer_bytes = ((size_t)params->max_sessions + 1) * sizeof(*t->outer);
	t->outer = vmem_reserve(t->outer_bytes);
	if (t->sessions == NULL || t->attachments == NULL || t->start == NULL || t->outer == NULL ||
	    !session_names_init(&t->names, params->max_sessions))
		return false;
	POISON(t->start, t->start_bytes);
	POISON(t->outer, t->outer_bytes);
	t->session = pool_at(t->sessions, 0);
	t->attachment = pool_at(t->attachments, 0);
	/* Those of number 0 are nobody's, and looked at by prefetch_parsed(). */
	UNPOISON(t->session, sizeof(struct session));
	UNPOISON(t->attachment, sizeof(struct attachment));
	t->start_ahead = (struct vmem_ahead){.area = (uint8_t *)t->start,
					     .bytes = t->start_bytes,
					     .fresh = &t->sessions->fresh,
					     .object_bytes = sizeof(struct session_start)};
	vmem_ahead_attach(&t->start_ahead);
	t->tcp = tcp_hold_create(&t->conf->tcp, params->n_workers, t->counters);
	return t->tcp != NULL;
}

static void
free_pools(struct session_table *t)
{
	vmem_ahead_detach(&t->start_ahead);
	if (t->start != NULL)
		UNPOISON(t->start, t->start_bytes);
	vmem_release(t->start, t->start_bytes);
	if (t->outer != NULL)
		UNPOISON(t->outer, t->outer_bytes);
	vmem_release(t->outer, t->outer_bytes);
	session_names_fini(&t->names);
	tcp_hold_destroy(t->tcp);
	pool_destroy(t->attachments);
	pool_destroy(t->sessions);
	if (t->positions.pool[0] != NULL)
		position_store_fini(&t->positions);
	buckets_fini(&t->buckets);
	free(t);
}

struct session_table *
session_table_create(const struct session_table_params *params)
{
	struct session_table *t;

	if (params->max_sessions == 0 || params->max_sessions > BUCKET_INDEX_MAX) {
		errno = EINVAL;
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->conf = params->conf;
	t->secret = params->secret;
	t->counters = params->counters;
	t->records = params->records;
	t->record_chunks = record_pool_room(t->records) + record_pool_used(t->records);
	t->held_max = t->record_chunks / 2;
	t->before_save = params->before_save;
	t->prefetch_slot = params->prefetch_slot;
	t->context = params->context;
	fill_protocols(t, params->payload_protocols);
	fill_limits(t, params->n_workers);
	if (!find_fields(&t->fields)) {
		free(t);
		errno = ENOENT;
		return NULL;
	}
	if (!make_pools(t, params)) {
		int saved = errno;

		free_pools(t);
		errno = saved;
		return NULL;
	}
	t->ids = params->ids;
	if (t->ids == NULL) {
		t->ids = &t->own_ids;
		record_id_init(t->ids, false, NULL, 0);
	}
	for (unsigned type = 0; type < SESSION_TYPES; type++)
		wheel_init(&t->wheel[type], t->sessions, offsetof(struct session, link));
	t->gauge = (struct ledger_gauge){
		.name = "session.live", .account = LEDGER_SESSIONS, .read = live_sessions, .context = t};
	ledger_gauge_attach(&t->gauge);
	return t;
}

/* What nobody saved: counted, and given back so that the pools' own check for leaks stays meaningful. */
static void
drop_all(struct session_table *t)
{
	uint32_t lost = t->sessions->used;

	for (unsigned type = 0; type < SESSION_TYPES; type++) {
		uint64_t slot_s;
		uint32_t handle;

		while (slot_s = 0, (handle = wheel_peek(&t->wheel[type], &slot_s)) != 0) {
			struct session *s = &t->session[handle];

			session_before_save(t, s, SESSION_SAVE_NONE);
			session_tcp_end(t, s);
			wheel_remove(&t->wheel[type], handle);
			position_clear(&t->positions, &s->positions);
			record_free(t->records, session_record_take(t, s));
			if (s->attachment != 0) {
				session_unname(t, session_attached(t, s));
				pool_put(t->attachments, s->attachment);
			}
			pool_put(t->sessions, handle);
		}
	}
	COUNTER_ADD(t->counters, session_lost, lost);
	LOG_ERROR("session.lost", "sessions=%u message=\"the table was destroyed before they were saved\"", lost);
}

void
session_table_destroy(struct session_table *t)
{
	struct record *r;

	if (t == NULL)
		return;
	if (t->sessions->used > 0)
		drop_all(t);
	while ((r = session_pull(t)) != NULL)
		record_free(t->records, r);
	ledger_gauge_detach(&t->gauge);
	free_pools(t);
}

static inline uint32_t
find_in(const struct session_table *t, const struct bucket *bucket, uint32_t hash, const struct flow_key *key)
{
	for (unsigned match = bucket_match(bucket, hash); match != 0; match &= match - 1) {
		uint32_t handle = bucket_index(bucket, (unsigned)__builtin_ctz(match));

		if (likely(flow_key_equal(&t->session[handle].key, key)))
			return handle;
	}
	return 0;
}

/* Its handle when session_prefetch_burst() has seen it already, as it has nearly all. 0: it has not. */
static inline uint32_t
find_hinted(const struct session_table *t, const struct packet *p)
{
	uintptr_t at = ((uintptr_t)p - (uintptr_t)t->hinted) / sizeof(*p);
	uint32_t handle = at < t->n_hints ? t->hint[at] : 0;

	return likely(handle != 0) && likely(flow_key_equal(&t->session[handle].key, &p->key)) ? handle : 0;
}

static __rte_noinline uint32_t
find(const struct session_table *t, uint32_t hash, const struct flow_key *key)
{
	const struct bucket *first = buckets_first(&t->buckets, hash);
	uint32_t handle = find_in(t, first, hash, key);

	if (handle != 0 || likely(!bucket_has_overflow(first)))
		return handle;
	return find_in(t, buckets_second(&t->buckets, hash), hash, key);
}

/* Distance at which what a session points to is asked for. All of a burst at once would be more than a CPU has room
 * for, and what has no room is forgotten. */
enum { SESSIONS_AHEAD = 16 };

/* The handle that matches, probably the one; its lines are asked for. 0: none in this bucket. */
static inline uint32_t
prefetch_session(const struct session_table *t, const struct bucket *bucket, uint32_t hash)
{
	unsigned match = bucket_match(bucket, hash);
	uint32_t handle;

	if (unlikely(match == 0))
		return 0;
	handle = bucket_index(bucket, (unsigned)__builtin_ctz(match));
	rte_prefetch0(&t->session[handle]);
	rte_prefetch0(t->session[handle].bytes);
	return handle;
}

/* Of a session whose key holds its addresses and ports. */
static inline uint8_t
direction_by_key(const struct session *s, const struct packet *p)
{
	return (uint8_t)(p->reversed != ((s->flags & SESSION_REVERSED) != 0));
}

/* 'start' is needed while the session is young on the packet's side, the last chunk of positions later on. Which of
 * them nobody can predict, and a wrong guess costs as much as the prefetches: what is not needed is asked for all the
 * same, at number 0, which no session has and which stays in the cache. */
static inline void
prefetch_rest(const struct session_table *t, uint32_t handle, const struct packet *p)
{
	const struct session *s = &t->session[handle];
	bool is_young = s->packets[direction_by_key(s, p)] < FIRST_PACKETS;

	rte_prefetch0(&t->start[handle & -(uint32_t)is_young]);
	if (unlikely((s->seen & SEEN_OUTER) != 0)) {
		rte_prefetch0(&t->outer[handle][0]);
		rte_prefetch0(&t->outer[handle][1]);
	}
	rte_prefetch0(position_tail(&t->positions, &s->positions));
	rte_prefetch0(&t->attachment[s->attachment]);
}

void
session_prefetch_buckets(const struct session_table *t, const struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(buckets_first(&t->buckets, p[i].hash));
}

/* One in ten in a full table: too many to leave them to the look-up. */
static void
prefetch_elsewhere(struct session_table *t, const struct packet *p, const uint8_t *elsewhere, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		uint32_t hash = p[elsewhere[k]].hash;

		t->hint[elsewhere[k]] = prefetch_session(t, buckets_second(&t->buckets, hash), hash);
	}
	for (unsigned k = 0; k < n; k++)
		if (t->hint[elsewhere[k]] != 0)
			prefetch_rest(t, t->hint[elsewhere[k]], &p[elsewhere[k]]);
}

void
session_prefetch_burst(struct session_table *t, const struct packet *p, unsigned n)
{
	uint32_t *handle = t->hint;
	uint8_t elsewhere[BURST_MAX];
	unsigned n_elsewhere = 0;

	t->wall_ns = 0;
	if (n > BURST_MAX)
		n = BURST_MAX;
	t->hinted = p;
	t->n_hints = n;
	for (unsigned i = 0; i < n + SESSIONS_AHEAD; i++) {
		const struct bucket *bucket;

		if (i >= SESSIONS_AHEAD && handle[i - SESSIONS_AHEAD] != 0)
			prefetch_rest(t, handle[i - SESSIONS_AHEAD], &p[i - SESSIONS_AHEAD]);
		if (i >= n)
			continue;
		bucket = buckets_first(&t->buckets, p[i].hash);
		handle[i] = p[i].hash != 0 ? prefetch_session(t, bucket, p[i].hash) : 0;
		if (handle[i] == 0 && p[i].hash != 0 && bucket_has_overflow(bucket)) {
			rte_prefetch0(buckets_second(&t->buckets, p[i].hash));
			elsewhere[n_elsewhere++] = (uint8_t)i;
		}
	}
	prefetch_elsewhere(t, p, elsewhere, n_elsewhere);
}

/* Where parsers begin to read. */
static inline void
prefetch_payload(const struct packet *p)
{
	rte_prefetch0(p->data + p->payload_offset);
	rte_prefetch0(p->data + p->payload_offset + RTE_CACHE_LINE_SIZE);
}

/* Parsers will be called for the packet: it has payload that somebody wants and has not said to skip. NULL: they will
 * not, or their session has nothing yet. One branch, which is rarely taken: a packet without a session, and a session
 * without an attachment, have number 0, which skips nothing. */
static inline struct attachment *
prefetch_parsed(const struct session_table *t, const struct packet *p, uint32_t handle)
{
	const struct session *s = &t->session[handle];
	struct attachment *att = &t->attachment[s->attachment];
	uint32_t skip = RTE_MAX(att->skip[0], att->skip[1]);

	if (likely(!((p->payload_bytes > skip) & (p->hash != 0) & ((s->flags & SESSION_NO_PAYLOAD) == 0))))
		return NULL;
	prefetch_payload(p);
	return s->attachment != 0 ? att : NULL;
}

/* Of a record its first line: all that hold values, 13, are more than a CPU takes note of, and came no sooner. */
unsigned
session_prefetch_parsed(struct session_table *t, const struct packet *p, unsigned n, void *slot[BURST_MAX])
{
	struct attachment *parsed[BURST_MAX];
	unsigned n_parsed = 0;

	for (unsigned i = 0; i < n && i < BURST_MAX; i++) {
		struct attachment *att = prefetch_parsed(t, &p[i], t->hint[i]);

		if (likely(att == NULL))
			continue;
		rte_prefetch0(&att->record);
		slot[n_parsed] = att->slot;
		parsed[n_parsed++] = att;
	}
	for (unsigned i = 0; i < n_parsed; i++)
		rte_prefetch0(parsed[i]->record);
	return n_parsed;
}

/* Keys that are not made of addresses and ports: the record has those of the first packet (PARSERS igmp, dhcp). */
static void
note_endpoints(struct session_table *t, struct session *s, const struct packet *p, const struct protocol_row *row)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	struct attachment *att = session_attach(t, s);
	static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
	unsigned size = p->ip_version == 6 ? 16 : 4;

	s->flags |= SESSION_ENDPOINTS;
	cursor_skip(&c, p->ip_offset + (p->ip_version == 6 ? 8u : 12u));
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *address = cursor_take(&c, size);

		if (address == NULL)
			return;
		memcpy(att->address[i], v4_prefix, sizeof(v4_prefix));
		memcpy(att->address[i] + 16 - size, address, size);
	}
	if (!row->has_ports)
		return;
	c = cursor_make(p->data, p->captured_bytes);
	cursor_skip(&c, p->transport_offset);
	att->port[0] = cursor_be16(&c);
	att->port[1] = cursor_be16(&c);
}

static bool
sent_from_first_port(const struct attachment *att, const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	uint16_t source, destination;

	cursor_skip(&c, p->transport_offset);
	source = cursor_be16(&c);
	destination = cursor_be16(&c);
	return source == att->port[0] && destination == att->port[1];
}

static inline uint8_t
direction_of(const struct session_table *t, const struct session *s, const struct packet *p)
{
	const struct protocol_row *row = &t->protocol[p->protocol];

	if (row->one_way)
		return 0;
	if (unlikely((s->flags & SESSION_ENDPOINTS) != 0))
		return !row->has_ports || sent_from_first_port(session_attached(t, s), p) ? 0 : 1;
	return direction_by_key(s, p);
}

static bool
save_idlest_of_all(struct session_table *t)
{
	unsigned fullest = 0;

	/* Longest idle of the type that has most: a flood pays for itself. */
	for (unsigned type = 1; type < SESSION_TYPES; type++)
		if (t->live[type] > t->live[fullest])
			fullest = type;
	return session_save_idlest(t, (enum session_type)fullest);
}

/* No place in either bucket, nor in those their entries could move to. */
static void
save_rival(struct session_table *t, uint32_t hash)
{
	uint32_t rival[2 * BUCKET_ENTRIES];
	unsigned n = buckets_rivals(&t->buckets, hash, rival), oldest = 0;

	for (unsigned i = 1; i < n; i++)
		if (t->session[rival[i]].last_ns < t->session[rival[oldest]].last_ns)
			oldest = i;
	COUNTER_ADD(t->counters, evicted_bucket, 1);
	session_save_final(t, &t->session[rival[oldest]]);
}

static void
apply_ops(struct session_table *t, struct session *s)
{
	for (unsigned i = 0; i < t->conf->n_ops; i++)
		if (t->conf->ops[i].is_store_limit)
			session_store_at_most(t, s, (uint32_t)t->conf->ops[i].integer);
}

static __rte_noinline struct session *
session_new(struct session_table *t, const struct packet *p)
{
	const struct protocol_row *row = &t->protocol[p->protocol];
	struct session_start *start;
	struct session *s;
	uint32_t handle;

	if (unlikely(t->live[row->type] >= t->limit[row->type]) && session_save_idlest(t, row->type))
		COUNTER_ADD(t->counters, evicted_streams, 1);
	if (unlikely(pool_room(t->sessions) == 0) && save_idlest_of_all(t))
		COUNTER_ADD(t->counters, evicted_pool, 1);
	handle = pool_get(t->sessions);
	while (unlikely(!buckets_insert(&t->buckets, p->hash, handle)))
		save_rival(t, p->hash);

	s = &t->session[handle];
	start = &t->start[handle];
	UNPOISON(start, sizeof(*start));
	memset(s, 0, sizeof(*s));
	memset(start, 0, sizeof(*start));
	s->key = p->key;
	s->last_ns = p->time_ns;
	s->ip_protocol = p->ip_protocol;
	s->flags = p->reversed && !row->one_way ? SESSION_REVERSED : 0;
	if (p->ip_version != 0)
		s->flags |= p->ip_version == 6 ? SESSION_IPV6 : SESSION_IPV4;
	if (!row->has_payload)
		s->flags |= SESSION_NO_PAYLOAD;
	if (unlikely(t->refuse_new))
		s->seen |= SHED_BEGAN;
	start->first_ns = p->time_ns;
	/* A capture that begins in the middle of a handshake: the client is the source all the same (PARSERS 1.1). */
	if (session_tcp_handshake(p) == (TCP_FLAG_SYN | TCP_FLAG_ACK))
		s->flags ^= SESSION_REVERSED;
	if (row->type == SESSION_OTHER && row->has_addresses && p->ip_version != 0)
		note_endpoints(t, s, p, row);
	/* Encrypted packets tell no more than the first does (espSavePackets). */
	if (row->type == SESSION_ESP && !t->conf->esp_save_packets)
		session_store_at_most(t, s, 1);
	apply_ops(t, s);
	t->live[row->type]++;
	session_timer_start(t, s);
	COUNTER_ADD(t->counters, session_opened, 1);
	return s;
}

/* What session_expire() has not come to yet, because it is behind or was not called: the same decision, here. True: the
 * session has been saved. */
static __rte_noinline bool
catch_up(struct session_table *t, struct session *s, uint64_t clock_s)
{
	if (session_is_over(t, s, clock_s)) {
		session_save_final(t, s);
		return true;
	}
	if (session_is_save_due(t, s, clock_s)) {
		session_save_mid(t, s, clock_s);
		session_timer_stop(t, s);
		session_timer_start(t, s);
	}
	return false;
}

static bool
wants_store(struct session_table *t, struct session *s)
{
	if (likely((s->flags & (SESSION_LIMITED | SESSION_STOPPED)) == 0))
		return true;
	if ((s->flags & SESSION_STOPPED) != 0)
		return false;
	if ((uint32_t)s->packets[0] + s->packets[1] < session_attached(t, s)->store_max)
		return true;
	s->flags |= SESSION_STOPPED;
	session_add_tag(t, s, "truncated-pcap");
	return false;
}

/* The packet may begin another connection between the same ports. */
static inline bool
is_tcp_syn(const struct packet *p)
{
	return session_tcp_handshake(p) == TCP_FLAG_SYN;
}

/* A session that is not simply there, or needs a closer look. */
static __rte_noinline void
look_up_fully(struct session_table *t, struct packet *p)
{
	uint32_t handle = find(t, p->hash, &p->key);
	struct session *s = NULL;

	if (handle != 0) {
		s = &t->session[handle];
		if (unlikely(p->clock_ns >= t->expired_until_ns) && catch_up(t, s, seconds_of(p->clock_ns))) {
			s = NULL;
		} else if (is_tcp_syn(p) && session_tcp_reuses_ports(t, s, p)) {
			COUNTER_ADD(t->counters, port_reused, 1);
			session_save_final(t, s);
			s = NULL;
		}
	}
	if (s == NULL)
		s = session_new(t, p);
	p->session = s;
	p->direction = direction_of(t, s, p);
	p->store = wants_store(t, s);
	p->store_bytes = p->captured_bytes;
}

void
session_lookup(struct session_table *t, struct packet *p)
{
	struct session *s;
	uint32_t handle;

	p->file = 0;
	p->position = 0;
	if (unlikely(p->verdict != PACKET_OK || p->hash == 0)) {
		p->session = NULL;
		p->direction = 0;
		p->store = false;
		return;
	}
	handle = find_hinted(t, p);
	s = &t->session[handle];
	if (unlikely(handle == 0 || p->clock_ns >= t->expired_until_ns || is_tcp_syn(p) ||
		     (s->flags & (SESSION_ENDPOINTS | SESSION_LIMITED | SESSION_STOPPED)) != 0)) {
		look_up_fully(t, p);
		return;
	}
	p->session = s;
	p->direction = direction_of(t, s, p);
	p->store = true;
	p->store_bytes = p->captured_bytes;
}

uint32_t
session_file(const struct session *s)
{
	return position_is_empty(&s->positions) ? 0 : s->positions.last_file;
}

void
session_save_after(struct session_table *t, struct session *s, uint64_t second)
{
	session_attach(t, s)->save_after_s = (uint32_t)second;
	s->flags |= SESSION_SAVE_AFTER;
}

void
session_store_at_most(struct session_table *t, struct session *s, uint32_t packets)
{
	session_attach(t, s)->store_max = packets;
	s->flags |= SESSION_LIMITED;
}

static void
note_position(struct session_table *t, struct session *s, const struct packet *p)
{
	if (likely(p->position != 0)) {
		uint32_t length = 16 + p->store_bytes;

		if (likely(position_append(&t->positions, &s->positions, p->file, p->position, length)))
			return;
		COUNTER_ADD(t->counters, positions_full, 1);
		session_save_mid(t, s, seconds_of(p->time_ns));
		position_append(&t->positions, &s->positions, p->file, p->position, length);
	} else if (p->store && (s->flags & SESSION_STORE_FAILED) == 0) {
		s->flags |= SESSION_STORE_FAILED;
		session_add_tag(t, s, "pcap-disk-overload");
	}
}

void
session_payload(struct session_table *t, struct session *s, unsigned direction, struct cursor payload,
		uint32_t payload_bytes)
{
	struct attachment *att = session_attach(t, s);
	uint8_t have = att->payload8_bytes[direction];
	size_t size = cursor_left(&payload);

	att->data_bytes[direction] += payload_bytes;
	if (likely(have == PAYLOAD8_BYTES) || size == 0)
		return;
	if (size > (size_t)(PAYLOAD8_BYTES - have))
		size = (size_t)(PAYLOAD8_BYTES - have);
	memcpy(&att->payload8[direction][have], cursor_take(&payload, size), size);
	att->payload8_bytes[direction] = (uint8_t)(have + size);
}

void
session_first_payload(struct session_table *t, struct session *s, unsigned direction, struct cursor payload)
{
	struct attachment *att = session_attach(t, s);
	size_t size = cursor_left(&payload);

	if (att->payload8_bytes[direction] != 0 || size == 0)
		return;
	if (size > PAYLOAD8_BYTES)
		size = PAYLOAD8_BYTES;
	memcpy(att->payload8[direction], cursor_take(&payload, size), size);
	att->payload8_bytes[direction] = (uint8_t)size;
}

static bool
datagram(struct session_table *t, struct session *s, const struct packet *p)
{
	bool is_udp = session_type_of(t, s) == SESSION_UDP;
	struct cursor c;

	if (p->data_bytes != 0)
		session_attach(t, s)->data_bytes[p->direction] += p->data_bytes;
	if (session_type_of(t, s) == SESSION_SCTP)
		return session_sctp(t, s, p);
	if (p->payload_bytes == 0 || (!is_udp && (s->flags & SESSION_NO_PAYLOAD) != 0))
		return false;
	c = cursor_make(p->data, p->captured_bytes);
	cursor_skip(&c, p->payload_offset);
	cursor_limit(&c, p->payload_bytes);
	if (is_udp)
		session_first_payload(t, s, p->direction, c);
	return session_ready(t, s, p, c);
}

/* Of a session that has many packets, or one of two flags. */
static __rte_noinline bool
is_save_wanted(const struct session_table *t, const struct session *s, const struct packet *p)
{
	if ((s->flags & SESSION_WANTS_SAVE) != 0 || (uint32_t)s->packets[0] + s->packets[1] >= t->conf->max_packets)
		return true;
	return (int32_t)((uint32_t)seconds_of(p->time_ns) - session_attached(t, s)->save_after_s) > 0;
}

bool
session_process(struct session_table *t, struct packet *p)
{
	struct session *s = p->session;
	unsigned direction = p->direction;

	if (unlikely(s == NULL))
		return false;
	if (unlikely(t->held_chunks >= t->held_max))
		session_record_make_room(t, s);
	if (unlikely(p->time_ns < p->clock_ns))
		session_note_late(t, s, p);
	s->packets[direction]++;
	s->bytes[direction] += p->captured_bytes;
	s->last_ns = p->time_ns;
	note_position(t, s, p);
	/* Before the packet's headers are counted: they belong to the next record (RECORD 1.8). */
	if (unlikely((uint32_t)s->packets[0] + s->packets[1] >= t->conf->max_packets ||
		     (s->flags & (SESSION_WANTS_SAVE | SESSION_SAVE_AFTER)) != 0) &&
	    is_save_wanted(t, s, p))
		session_save_mid(t, s, seconds_of(p->time_ns));
	if (s->packets[direction] <= FIRST_PACKETS)
		session_first_packet(t, s, p);
	switch (session_type_of(t, s)) {
	case SESSION_TCP:
		return session_tcp(t, s, p);
	case SESSION_ICMP:
		session_icmp(t, s, p);
		return datagram(t, s, p);
	default:
		return datagram(t, s, p);
	}
}

struct record *
session_pull(struct session_table *t)
{
	struct record *r = t->done_first;

	if (r == NULL)
		return NULL;
	t->done_first = r->next;
	if (t->done_first == NULL)
		t->done_last = NULL;
	r->next = NULL;
	return r;
}

void
session_stats(const struct session_table *t, struct session_stats *out)
{
	memcpy(out->live, t->live, sizeof(out->live));
	out->live_all = t->sessions->used;
	out->held_chunks = t->held_chunks;
	out->closing = t->n_closing;
	out->bytes_in_use = sizeof(*t) + buckets_bytes(&t->buckets) + position_store_bytes(&t->positions) +
			    (size_t)t->sessions->used * (sizeof(struct session) + sizeof(struct session_start)) +
			    (size_t)t->attachments->used * sizeof(struct attachment) +
			    (size_t)t->n_outer * sizeof(*t->outer) + (size_t)t->names.used * sizeof(struct name_entry) +
			    tcp_hold_bytes(t->tcp);
}
