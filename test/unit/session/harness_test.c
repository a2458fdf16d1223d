#include "harness.h"

#include "decode_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct record *pulled;

/* Not in the rig, which lies on the stack: a failed REQUIRE leaves it attached. */
static struct counters counters;

void
rig_init(struct rig *r)
{
	if (counters.owner != NULL)
		counters_detach(&counters);
	memset(&counters, 0, sizeof(counters));
	memset(r, 0, sizeof(*r));
	r->counters = &counters;
	pulled = NULL;
	fields_init();
	r->conf = (struct session_conf){.tcp = {.max_packets = 256,
						.max_bytes = 4 << 20,
						.memory_bytes = 16 << 20,
						.overlap = TCP_OVERLAP_SEQUENCE},
					.tcp_timeout_s = 480,
					.udp_timeout_s = 60,
					.icmp_timeout_s = 10,
					.sctp_timeout_s = 60,
					.esp_timeout_s = 600,
					.dhcp_timeout_s = 60,
					.tcp_closing_timeout_s = 5,
					.tcp_save_timeout_s = 480,
					.max_packets = 10000,
					.max_sctp_chunks = 256,
					.max_streams = 1500000};
	r->max_sessions = 1000;
	r->record_chunks = 2000;
	r->position = 24;
	hash_secret_init(&r->secret);
}

static void
hear(struct rig *r, const char *text, size_t size)
{
	size_t n = strlen(r->heard);

	snprintf(r->heard + n, sizeof(r->heard) - n, "%.*s", (int)size, text);
}

static void
hear_chunk(struct rig *r, struct session *s, const struct session_chunk *chunk)
{
	struct cursor c = chunk->bytes;
	size_t size = cursor_left(&c);
	char head[32];

	snprintf(head, sizeof(head), "%s%u:", r->heard[0] != '\0' ? " " : "", chunk->direction);
	hear(r, head, strlen(head));
	if (chunk->missing > 0) {
		snprintf(head, sizeof(head), "[%u]", chunk->missing);
		hear(r, head, strlen(head));
	}
	hear(r, (const char *)cursor_take(&c, size), size);
	*session_slot(r->table, s) = r;
	if (++r->n_heard == r->stops) {
		*session_slot(r->table, s) = NULL;
		session_stop_payload(r->table, s);
	}
}

static void
before_save(void *context, struct session *s, enum session_save why)
{
	static const char *const names[] = {" mid", " final", " none"};
	struct session_chunk chunk;
	struct rig *r = context;

	while (why == SESSION_SAVE_FINAL && session_pull_last(r->table, s, &chunk))
		hear_chunk(r, s, &chunk);
	hear(r, names[why], strlen(names[why]));
	if (why != SESSION_SAVE_MID)
		*session_slot(r->table, s) = NULL;
}

void
rig_start(struct rig *r)
{
	struct session_table_params params = {.conf = &r->conf,
					      .n_workers = 1,
					      .max_sessions = r->max_sessions,
					      .start_sessions = r->start_sessions,
					      .counters = r->counters,
					      .secret = &r->secret,
					      .payload_protocols = r->feeds ? UINT64_MAX : 0,
					      .before_save = before_save,
					      .context = r};

	session_conf_finish(&r->conf);
	counters_attach(r->counters, "test");
	r->decode = decode_conf_create_from(&(struct decode_settings){.track_esp = r->esp}, NULL);
	r->records = record_pool_create(r->record_chunks, 0, r->counters);
	params.records = r->records;
	r->table = session_table_create(&params);
	if (r->decode == NULL || r->records == NULL || r->table == NULL)
		abort();
}

struct record *
rig_record(struct rig *r)
{
	record_free(r->records, pulled);
	pulled = session_pull(r->table);
	return pulled;
}

void
rig_flush(struct rig *r)
{
	EXPECT(session_flush(r->table, UINT32_MAX));
	session_clock_reset(r->table);
	r->clock_ns = 0;
}

/* The account of sessions, from this table alone: other tests may have left the process's ledger as it is. */
static void
check_ledger(struct rig *r)
{
	static const char *const out[] = {"session.saved",
					  "session.not_saved_nothing_stored",
					  "session.not_saved_store_failed",
					  "session.not_saved_no_record",
					  "session.not_saved_overload",
					  "session.not_saved_destroyed"};
	struct session_stats stats;
	uint64_t sum = 0;

	for (unsigned i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		sum += rig_counter(r, out[i]);
	session_stats(r->table, &stats);
	EXPECT_EQ(rig_counter(r, "session.opened"), sum + stats.live_all);
}

void
rig_stop(struct rig *r)
{
	check_ledger(r);
	while (!session_flush(r->table, UINT32_MAX))
		if (rig_record(r) == NULL)
			break;
	while (rig_record(r) != NULL)
		;
	check_ledger(r);
	session_table_destroy(r->table);
	EXPECT_EQ(record_pool_used(r->records), 0);
	record_pool_destroy(r->records);
	decode_conf_destroy(r->decode);
	counters_detach(r->counters);
	r->counters->owner = NULL;
}

uint64_t
rig_counter(const struct rig *r, const char *name)
{
	REGISTRY_FOREACH (counter, struct counter, c)
		if (strcmp((*c)->name, name) == 0)
			return r->counters->value[c - __start_registry_counter];
	test_fail(__FILE__, __LINE__, name);
	return 0;
}

static uint64_t
ns_at(int64_t ms)
{
	return (uint64_t)(RIG_START_S * INT64_C(1000000000) + ms * 1000000);
}

static void
expire(struct rig *r)
{
	if (!r->no_expire)
		EXPECT(session_expire(r->table, r->clock_ns, UINT32_MAX));
}

void
rig_clock(struct rig *r, int64_t ms)
{
	if (ns_at(ms) > r->clock_ns)
		r->clock_ns = ns_at(ms);
	expire(r);
}

void
rig_frame(struct rig *r, int64_t ms, const uint8_t *frame, size_t size)
{
	struct packet *p = &r->packet;
	struct session_chunk chunk;

	expire(r);
	*p = (struct packet){.data = frame,
			     .captured_bytes = (uint32_t)size,
			     .wire_bytes = (uint32_t)size,
			     .link_type = LINK_ETHERNET,
			     .time_ns = ns_at(ms),
			     .clock_ns = r->clock_ns};
	if (packet_decode(r->decode, p) == PACKET_OK)
		p->hash = flow_key_hash(&p->key, &r->secret);
	session_prefetch_burst(r->table, p, 1);
	session_lookup(r->table, p);
	if (p->store && !r->no_store) {
		p->file = r->file;
		p->position = r->position;
		r->position += 16 + size;
	}
	if (session_process(r->table, p)) {
		EXPECT(r->feeds);
		while (session_pull_payload(r->table, p->session, &chunk))
			hear_chunk(r, p->session, &chunk);
	}
	if (p->time_ns > r->clock_ns)
		r->clock_ns = p->time_ns;
}

static void
put16(uint8_t **p, unsigned value)
{
	*(*p)++ = (uint8_t)(value >> 8);
	*(*p)++ = (uint8_t)value;
}

static void
put32(uint8_t **p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p, value & 0xffff);
}

static uint8_t *
put_ethernet(uint8_t *p, unsigned from, uint8_t mac, uint16_t vlan)
{
	uint8_t source = mac != 0 ? mac : (uint8_t)(from + 1), destination = (uint8_t)(2 - from);

	memset(p, 0, 12);
	p[0] = p[6] = 2;
	p[5] = destination;
	p[11] = source;
	p += 12;
	if (vlan != 0) {
		put16(&p, 0x8100);
		put16(&p, vlan);
	}
	put16(&p, 0x0800);
	return p;
}

static uint8_t *
put_ipv4(uint8_t *p, unsigned flow, unsigned from, unsigned protocol, unsigned bytes, uint8_t ttl, uint8_t tos)
{
	uint32_t client = 0x0a000001, server = 0x0a000002 + ((flow / 60000) << 8);

	*p++ = 0x45;
	*p++ = tos;
	put16(&p, 20 + bytes);
	put32(&p, 0);
	*p++ = ttl != 0 ? ttl : 64;
	*p++ = (uint8_t)protocol;
	put16(&p, 0);
	put32(&p, from == 0 ? client : server);
	put32(&p, from == 0 ? server : client);
	return p;
}

static void
put_ports(uint8_t **p, unsigned flow, unsigned from)
{
	unsigned port = 1000 + flow % 60000;

	put16(p, from == 0 ? port : 80);
	put16(p, from == 0 ? 80 : port);
}

static uint8_t *
put_payload(uint8_t *p, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		*p++ = (uint8_t)('a' + i % 26);
	return p;
}

void
rig_tcp(struct rig *r, int64_t ms, const struct tcp_frame *f)
{
	uint8_t frame[2048], *p = put_ethernet(frame, f->from, f->mac, f->vlan);
	unsigned bytes = f->text != NULL ? (unsigned)strlen(f->text) : f->payload_bytes;

	p = put_ipv4(p, f->flow, f->from, 6, 20 + bytes, f->ttl, f->tos);
	put_ports(&p, f->flow, f->from);
	put32(&p, f->seq);
	put32(&p, f->ack);
	*p++ = 0x50;
	*p++ = (uint8_t)f->flags;
	put16(&p, f->zero_window ? 0 : 1000);
	put32(&p, 0);
	if (f->text != NULL)
		p = (uint8_t *)memcpy(p, f->text, bytes) + bytes;
	else
		p = put_payload(p, bytes);
	rig_frame(r, ms, frame, (size_t)(p - frame));
}

void
rig_udp(struct rig *r, int64_t ms, unsigned flow, unsigned from, unsigned payload_bytes)
{
	uint8_t frame[2048], *p = put_ethernet(frame, from, 0, 0);

	p = put_ipv4(p, flow, from, 17, 8 + payload_bytes, 0, 0);
	put_ports(&p, flow, from);
	put16(&p, 8 + payload_bytes);
	put16(&p, 0);
	p = put_payload(p, payload_bytes);
	rig_frame(r, ms, frame, (size_t)(p - frame));
}

void
rig_icmp(struct rig *r, int64_t ms, unsigned from, unsigned type, unsigned code)
{
	uint8_t frame[128], *p = put_ethernet(frame, from, 0, 0);

	p = put_ipv4(p, 0, from, 1, 8, 0, 0);
	*p++ = (uint8_t)type;
	*p++ = (uint8_t)code;
	put16(&p, 0);
	put32(&p, 0);
	rig_frame(r, ms, frame, (size_t)(p - frame));
}

/* IPv4 without the prefix that maps it. */
static const char *
address_text(const uint8_t ip[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static char text[INET6_ADDRSTRLEN];
	bool is_ipv4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

	return inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? ip + 12 : ip, text, sizeof(text));
}

const char *
rig_values(const struct record *r, const char *field)
{
	static char text[2048];
	struct record_iterator it;
	struct record_value v;
	size_t n = 0;

	text[0] = '\0';
	record_values_begin(r, &it);
	while (record_values_next(&it, &v)) {
		if (v.field != field_find(field))
			continue;
		if (n > 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ",");
		if (v.type == FIELD_INT)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%lld", (long long)v.integer);
		else if (v.type == FIELD_IP)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", address_text(v.ip));
		else
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s", (int)v.str.size,
					      (const char *)v.str.text);
	}
	return text;
}

const char *
rig_positions(const struct record *r)
{
	static char text[4096];
	struct record_position_iterator it;
	struct record_position at;
	size_t n = 0;

	text[0] = '\0';
	record_positions_begin(r, &it);
	while (record_positions_next(&it, &at))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu", n > 0 ? "," : "",
				      (unsigned long long)at.position);
	return text;
}
