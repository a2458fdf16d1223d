/* TCP streams for those who listen to them. */
#include "worker_tap.h"

#include <string.h>

#include "tap.h"

struct feed *
worker_tap_create(void)
{
	return feed_create(TAP_STREAM);
}

void
worker_tap_copy(struct feed *feed, const struct session_table *t, const struct session *s,
		const struct session_chunk *chunk)
{
	size_t size = cursor_left(&chunk->bytes);
	struct tap_stream *out = feed_reserve(feed, sizeof(*out) + size);
	struct session_facts facts;

	if (out == NULL)
		return;
	session_facts(t, s, &facts);
	*out = (struct tap_stream){
		.flow = {.first_ns = facts.first_ns,
			 .port = {facts.port[0], facts.port[1]},
			 .ip_protocol = facts.ip_protocol,
			 .direction = chunk->direction},
		.time_ns = chunk->time_ns,
		.sequence = session_tcp_next(s, chunk->direction) - (uint32_t)size,
		.missing = chunk->missing,
	};
	memcpy(out->flow.address, facts.address, sizeof(out->flow.address));
	memcpy(out + 1, chunk->bytes.p, size);
	feed_commit(feed, sizeof(*out) + size);
}
