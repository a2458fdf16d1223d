/* What the session table has in order goes to parsing, chunk by chunk, and values go into the session's record.
 *
 * Neither library knows the other. Parsing opens a session's record before it calls the first parser of a chunk. */
#include "worker_payload.h"

#include <errno.h>
#include <string.h>

#include "worker.h"
#include "worker_tap.h"

uint64_t
worker_payload_protocols(const struct parsers *parsers)
{
	uint64_t bits = 0;

	for (uint8_t id = 1; id <= packet_protocol_count(); id++) {
		const struct packet_protocol *protocol = packet_protocol(id);
		bool is_stream = protocol->type == SESSION_TCP || protocol->type == SESSION_SCTP;

		if (is_stream || protocol->type == SESSION_UDP || parsers_want_session(parsers, protocol->name))
			bits |= UINT64_C(1) << id;
	}
	return bits;
}

static struct record *
record_open(void *context, void *session)
{
	return session_record_open(((struct worker_payload *)context)->sessions, session);
}

static void
record_close(void *context, void *session)
{
	session_record_close(((struct worker_payload *)context)->sessions, session);
}

static const struct record *
record_peek(void *context, void *session)
{
	return session_record_peek(((struct worker_payload *)context)->sessions, session);
}

static void
facts(void *context, void *session, struct parsing_facts *out)
{
	struct session_facts f;

	session_facts(((struct worker_payload *)context)->sessions, session, &f);
	out->ip_protocol = f.ip_protocol;
	out->first_ns = f.first_ns;
	memcpy(out->port, f.port, sizeof(out->port));
	memcpy(out->address, f.address, sizeof(out->address));
}

static void
save_after(void *context, void *session, uint64_t second)
{
	session_save_after(((struct worker_payload *)context)->sessions, session, second);
}

static void
name(void *context, void *session, uint64_t *generation, uint32_t *place)
{
	struct session_name n = session_name(((struct worker_payload *)context)->sessions, session);

	*generation = n.generation;
	*place = n.place;
}

static bool
named(void *context, uint64_t generation, uint32_t place, struct parsing_named *out)
{
	struct session_table *table = ((struct worker_payload *)context)->sessions;
	struct session *s = session_named(table, (struct session_name){.generation = generation, .place = place});

	if (s == NULL)
		return false;
	*out = (struct parsing_named){.session = s, .slot = session_slot(table, s), .time_ns = session_last_ns(s)};
	return true;
}

int
worker_payload_init(struct worker_payload *w, const struct worker_params *params, struct session_table *sessions,
		    struct record_pool *records, struct counters *counters)
{
	struct parsing_params parsing = {
		.parsers = params->parsers,
		.records = records,
		.counters = counters,
		.memory_bytes = params->parser_bytes,
		.worker = (uint16_t)params->index,
		.host = {.context = w,
			 .record_open = record_open,
			 .record_close = record_close,
			 .record_peek = record_peek,
			 .facts = facts,
			 .save_after = save_after,
			 .name = name,
			 .named = named},
	};

	w->sessions = sessions;
	w->streams = worker_tap_create();
	if (w->streams == NULL)
		return -errno;
	w->parsing = parsing_create(&parsing);
	if (w->parsing != NULL)
		return 0;
	worker_payload_fini(w);
	return -ENOMEM;
}

void
worker_payload_fini(struct worker_payload *w)
{
	parsing_destroy(w->parsing);
	feed_destroy(w->streams);
	w->parsing = NULL;
	w->streams = NULL;
}

unsigned
worker_payload_commands(struct worker_payload *w)
{
	return parsing_commands(w->parsing);
}

static uint8_t
transport_of(const struct session_chunk *chunk)
{
	switch (chunk->type) {
	case SESSION_TCP:
		return SHRIKE_TCP;
	case SESSION_UDP:
		return SHRIKE_UDP;
	case SESSION_SCTP:
		return SHRIKE_SCTP;
	default:
		return 0;
	}
}

static bool
feed(struct worker_payload *w, struct session *s, const struct session_chunk *chunk)
{
	struct parsing_chunk in = {
		.session = s,
		.slot = session_slot(w->sessions, s),
		.skip = session_skip(w->sessions, s),
		.is_heard = worker_tap_chunk(w->streams, w->sessions, s, chunk),
		.time_ns = chunk->time_ns,
		.bytes = chunk->bytes,
		.missing = chunk->missing,
		.direction = chunk->direction,
		.transport = transport_of(chunk),
		.protocol = chunk->protocol,
		.sctp_protocol = chunk->sctp_protocol,
	};

	return parsing_feed(w->parsing, &in) || in.is_heard;
}

void
worker_payload_parse(struct worker_payload *w, struct session *s)
{
	struct session_chunk chunk;

	while (session_pull_payload(w->sessions, s, &chunk))
		if (!feed(w, s, &chunk))
			session_stop_payload(w->sessions, s);
}

void
worker_payload_before_save(void *context, struct session *s, enum session_save why)
{
	struct worker_payload *w = context;
	void **slot = session_slot(w->sessions, s);
	struct session_chunk chunk;
	uint64_t time_ns;

	if (why == SESSION_SAVE_NONE) {
		parsing_end(w->parsing, slot);
		return;
	}
	time_ns = session_last_ns(s);
	while (why == SESSION_SAVE_FINAL && session_pull_last(w->sessions, s, &chunk))
		if (!feed(w, s, &chunk))
			session_stop_payload(w->sessions, s);
	parsing_save(w->parsing, s, slot, time_ns, why == SESSION_SAVE_FINAL);
}
