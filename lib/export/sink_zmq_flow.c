/* What messages of "http" and "stream" say about their session, and the latter. */
#include <string.h>

#include "clock.h"
#include "document.h"
#include "zmq_priv.h"

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static unsigned
ip_version(const struct tap_flow *f)
{
	static const uint8_t none[16];

	if (memcmp(f->address, none, sizeof(none)) == 0)
		return 0;
	return memcmp(f->address[0], v4_mapped, sizeof(v4_mapped)) == 0 ? 4 : 6;
}

static unsigned
hash(const struct tap_flow *f)
{
	const uint8_t *bytes = (const uint8_t *)f->address;
	uint64_t h = f->first_ns ^ (uint64_t)f->port[0] << 48 ^ (uint64_t)f->port[1] << 32;

	for (unsigned i = 0; i < sizeof(f->address); i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return (unsigned)(h >> 32) % ZMQ_FLOW_CACHE;
}

/* The same session, whichever side says something. */
static bool
is_same(const struct tap_flow *a, const struct tap_flow *b)
{
	return a->first_ns == b->first_ns && memcmp(a->address, b->address, sizeof(a->address)) == 0 &&
	       memcmp(a->port, b->port, sizeof(a->port)) == 0 && a->ip_protocol == b->ip_protocol;
}

/* Its digest costs more than all else that is said here, and chunks of one session follow each other. */
static const char *
flow_id(struct zmq_sink *z, const struct tap_flow *f)
{
	struct zmq_flow_name *name = &z->flow[hash(f)];
	struct record_summary s = {.has_community_id = true,
				   .ip_version = (uint8_t)ip_version(f),
				   .ip_protocol = f->ip_protocol,
				   .port = {f->port[0], f->port[1]}};

	if (name->is_set && is_same(&name->flow, f))
		return name->community_id;
	memcpy(s.address, f->address, sizeof(s.address));
	community_id(&s, name->community_id);
	name->flow = *f;
	name->is_set = true;
	return name->community_id;
}

static void
write_end(struct json *j, const char *key, const struct tap_flow *f, unsigned side)
{
	json_key(j, key);
	json_object_begin(j);
	if (ip_version(f) != 0) {
		json_key(j, "ip");
		json_ip(j, f->address[side], ip_version(f));
	}
	json_key(j, "port");
	json_u64(j, f->port[side]);
	json_object_end(j);
}

void
zmq_flow_write(struct zmq_sink *z, const struct tap_flow *f)
{
	struct json *j = &z->json;

	json_key(j, "firstPacket");
	json_u64(j, document_ms(f->first_ns));
	write_end(j, "source", f, 0);
	write_end(j, "destination", f, 1);
	json_key(j, "ipProtocol");
	json_u64(j, f->ip_protocol);
	json_key(j, "network");
	json_object_begin(j);
	json_key(j, "community_id");
	json_text(j, flow_id(z, f));
	json_object_end(j);
	json_key(j, "direction");
	json_text(j, f->direction == 0 ? "source" : "destination");
}

static void
key_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

void
zmq_stream_take(const struct feed *feed, const void *message, size_t size, void *sink)
{
	const struct tap_stream *chunk = message;
	struct zmq_sink *z = sink;
	struct json *j = &z->json;

	(void)feed;
	if (!z->topic[ZMQ_TOPIC_STREAM].is_wanted)
		return;
	json_reset(j);
	json_object_begin(j);
	zmq_flow_write(z, &chunk->flow);
	key_u64(j, "timestamp", chunk->time_ns / NS_PER_MS);
	key_u64(j, "sequence", chunk->sequence);
	key_u64(j, "missing", chunk->missing);
	key_u64(j, "bytes", size - sizeof(*chunk));
	json_object_end(j);
	json_bytes(j, "\n", 1);
	if (!j->failed)
		zmq_socket_send(z, ZMQ_TOPIC_STREAM, j->text, j->size, chunk + 1, size - sizeof(*chunk));
}
