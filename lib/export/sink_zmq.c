/* The sink "zmq": records, HTTP messages, TCP streams and stats for programs that subscribe to them (zmq.h).
 *
 * It is for live use and keeps nothing: a document is offered once, to those who listen now, and counts as taken. What
 * a subscriber is too slow for it does not get; so the sink has no spool and never stands still.
 *
 * The socket belongs to the sink's thread. Records and stats come by the ways of every sink; HTTP messages and stream
 * chunks come from the workers' feeds (core/feed.h), at which the thread looks in its maintain() call, again and again
 * while somebody listens, and which are switched off when nobody does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "zmq_priv.h"

static const char *const type_words[] = {"pub", "push", NULL};

static const struct setting zmq_settings[] = {
	SETTING_LIST(struct zmq_conf, endpoints, "zmqEndpoint", "tcp://127.0.0.1:5599",
		     "endpoints of the sink zmq, tcp:// or ipc://: bound; with > before it connected to"),
	SETTING_ENUM(struct zmq_conf, type, "zmqType", "pub", type_words,
		     "pub: every subscriber gets what it subscribes to; push: each message goes to one peer"),
	SETTING_LIST(struct zmq_conf, topics, "zmqTopics", "record;http;stream;stats",
		     "what can be subscribed to; with push, what is sent"),
	SETTING_U32(struct zmq_conf, high_water, "zmqHighWater", 10000, 1, 10000000, "messages",
		    "messages that wait for one subscriber at most; further ones it does not get"),
	SETTING_U32(struct zmq_conf, body_bytes_max, "zmqBodyMax", 65536, 0, 67108864, "bytes",
		    "so much of an HTTP body is sent"),
	SETTING_U32(struct zmq_conf, buffer_mib, "zmqBuffer", 8, 1, 1024, "MiB",
		    "what each worker may have waiting for each of the topics http and stream; taken when somebody "
		    "subscribes"),
	SETTING_U32(struct zmq_conf, http_memory_mib, "zmqHttpMemory", 64, 1, 65536, "MiB",
		    "memory for HTTP messages that are not whole yet; beyond it the oldest are given up"),
	SETTING_U32(struct zmq_conf, wait_s, "zmqWait", 0, 0, 86400, "seconds",
		    "at start, wait so long for somebody to listen to every topic of zmqTopics (for replays)"),
	SETTING_U32(struct zmq_conf, linger_s, "zmqLinger", 5, 0, 86400, "seconds",
		    "at the end, wait so long for subscribers to fetch what is theirs"),
	SETTING_STR(struct zmq_conf, curve_secret_key, "zmqCurveSecretKey", "",
		    "our secret key for CURVE (Z85, as from zmq_curve_keypair); empty: no encryption"),
	SETTING_STR(struct zmq_conf, curve_public_key, "zmqCurvePublicKey", "",
		    "its public key; needed with zmqCurveServerKey only"),
	SETTING_STR(struct zmq_conf, curve_server_key, "zmqCurveServerKey", "",
		    "public key of the other side, when we connect to it and it is the CURVE server"),
	SETTING_LIST(struct zmq_conf, curve_clients, "zmqCurveClients", "",
		     "public keys that may subscribe; empty: whoever knows our public key"),
};
SETTINGS(zmq, "The sink zmq", zmq_settings);

COUNTER(acknowledged, "sink.zmq.acknowledged", "documents offered to ZeroMQ subscribers", LEDGER_NONE, LEDGER_OUT);
COUNTER(record_sent, "zmq.record_sent", "records sent to subscribers", LEDGER_NONE, LEDGER_OUT);
COUNTER(record_refused, "zmq.record_refused", "records for which the queue of a subscriber was found full", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(http_sent, "zmq.http_sent", "HTTP messages sent to subscribers", LEDGER_NONE, LEDGER_OUT);
COUNTER(http_refused, "zmq.http_refused", "HTTP messages for which the queue of a subscriber was found full",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(http_given_up, "zmq.http_given_up", "HTTP messages not sent: a piece was refused, or there was no memory",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(http_pieces_refused, "zmq.http_pieces_refused", "pieces of HTTP messages for which a worker had no room",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(stream_sent, "zmq.stream_sent", "stream chunks sent to subscribers", LEDGER_NONE, LEDGER_OUT);
COUNTER(stream_refused, "zmq.stream_refused", "stream chunks for which the queue of a subscriber was found full",
	LEDGER_NONE, LEDGER_OUT);
COUNTER(stream_chunks_refused, "zmq.stream_chunks_refused", "stream chunks for which a worker had no room", LEDGER_NONE,
	LEDGER_OUT);
COUNTER(stats_sent, "zmq.stats_sent", "stats documents sent to subscribers", LEDGER_NONE, LEDGER_OUT);
COUNTER(stats_refused, "zmq.stats_refused", "stats documents for which the queue of a subscriber was found full",
	LEDGER_NONE, LEDGER_OUT);

enum { TAKE_AT_ONCE = 256, LISTENING_MS = 2, ADMITTING_MS = 20, WAIT_STEP_MS = 20 };

static const char *const topic_names[ZMQ_TOPICS] = {
	[ZMQ_TOPIC_RECORD] = "record",
	[ZMQ_TOPIC_HTTP] = TAP_HTTP,
	[ZMQ_TOPIC_STREAM] = TAP_STREAM,
	[ZMQ_TOPIC_STATS] = "stats",
};

/* ---- Beginning and end */

static bool
enable_topics(struct zmq_sink *z, char *why, size_t why_size)
{
	for (unsigned i = 0; i < ZMQ_TOPICS; i++)
		z->topic[i].name = topic_names[i];
	for (unsigned i = 0; i < z->conf.topics.n; i++) {
		unsigned t = 0;

		while (t < ZMQ_TOPICS && strcmp(z->conf.topics.item[i], topic_names[t]) != 0)
			t++;
		if (t == ZMQ_TOPICS) {
			snprintf(why, why_size, "zmqTopics: there is no topic \"%s\", only: record http stream stats",
				 z->conf.topics.item[i]);
			return false;
		}
		z->topic[t].is_enabled = true;
	}
	return true;
}

static bool
everything_is_wanted(const struct zmq_sink *z)
{
	for (unsigned i = 0; i < ZMQ_TOPICS; i++)
		if (z->topic[i].is_enabled && !z->topic[i].is_wanted)
			return false;
	return true;
}

static void switch_feeds(struct zmq_sink *z);

/* A replay may be over before the first subscriber has found the way. */
static void
wait_for_listeners(struct zmq_sink *z)
{
	uint64_t until_ns = clock_monotonic_ns() + z->conf.wait_s * NS_PER_S;

	if (z->conf.wait_s == 0)
		return;
	LOG_INFO("zmq.waits", "endpoint=\"%s\" seconds=%u note=\"for somebody to listen to each of zmqTopics\"",
		 z->where, z->conf.wait_s);
	while (!everything_is_wanted(z) && clock_monotonic_ns() < until_ns)
		zmq_socket_serve(z, WAIT_STEP_MS);
	if (!everything_is_wanted(z))
		LOG_WARN("zmq.nobody", "endpoint=\"%s\" waited_s=%u note=\"going on all the same\"", z->where,
			 z->conf.wait_s);
	switch_feeds(z);
}

static void
zmq_sink_destroy(void *state)
{
	struct zmq_sink *z = state;

	feeds_want(TAP_HTTP, false, (size_t)z->conf.buffer_mib << 20);
	feeds_want(TAP_STREAM, false, (size_t)z->conf.buffer_mib << 20);
	counters_detach(&z->counters);
	zmq_socket_close(z);
	zmq_http_destroy(z->http);
	json_fini(&z->json);
	free(z->flow);
	free(z);
}

static void *
zmq_sink_create(const struct sink_params *p, char *why, size_t why_size)
{
	struct zmq_sink *z = calloc(1, sizeof(*z));

	if (z == NULL) {
		snprintf(why, why_size, "sink zmq: out of memory");
		return NULL;
	}
	conf_fill(p->conf, &zmq_settings_group, &z->conf);
	json_init(&z->json, ZMQ_HEADERS_BYTES_MAX * 8);
	z->flow = calloc(ZMQ_FLOW_CACHE, sizeof(*z->flow));
	z->http = zmq_http_create((size_t)z->conf.http_memory_mib << 20, z->conf.body_bytes_max);
	while ((z->conf.buffer_mib & (z->conf.buffer_mib - 1)) != 0)
		z->conf.buffer_mib &= z->conf.buffer_mib - 1; /* down to a power of two */
	if (z->flow == NULL || z->http == NULL)
		snprintf(why, why_size, "sink zmq: out of memory");
	else if (enable_topics(z, why, why_size) && zmq_socket_open(z, why, why_size) == 0) {
		counters_attach(&z->counters, "zmq");
		wait_for_listeners(z);
		return z;
	}
	zmq_sink_destroy(z);
	return NULL;
}

/* ---- Records and stats */

static int
zmq_sink_write(void *state, struct sink_batch *b, unsigned n)
{
	struct zmq_sink *z = state;

	zmq_socket_serve(z, 0);
	for (unsigned i = 0; i < n && z->topic[ZMQ_TOPIC_RECORD].is_wanted; i++) {
		const struct export_batch *batch = b[i].batch;

		for (unsigned r = 0; r < batch->n_rows; r++)
			zmq_socket_send(z, ZMQ_TOPIC_RECORD, batch->text + batch->row[r].json_offset,
					batch->row[r].json_bytes, NULL, 0);
	}
	return 0;
}

static int
zmq_sink_write_stats(void *state, const struct export_stats *stats)
{
	struct zmq_sink *z = state;

	zmq_socket_serve(z, 0);
	if (!z->topic[ZMQ_TOPIC_STATS].is_wanted)
		return 0;
	json_reset(&z->json);
	json_object_begin(&z->json);
	json_key(&z->json, "index");
	json_text(&z->json, export_stats_index(stats));
	json_key(&z->json, "id");
	json_str(&z->json, stats->id, strlen(stats->id), true);
	json_key(&z->json, "document");
	json_raw(&z->json, stats->json, stats->json_bytes);
	json_object_end(&z->json);
	if (!z->json.failed)
		zmq_socket_send(z, ZMQ_TOPIC_STATS, z->json.text, z->json.size, NULL, 0);
	return 0;
}

/* ---- What workers have */

static void
switch_feeds(struct zmq_sink *z)
{
	static const struct {
		enum zmq_topic_id topic;
		const char *feed;
	} feeds[] = {{ZMQ_TOPIC_HTTP, TAP_HTTP}, {ZMQ_TOPIC_STREAM, TAP_STREAM}};

	for (unsigned i = 0; i < 2; i++) {
		const struct zmq_topic *topic = &z->topic[feeds[i].topic];

		if (feeds_want(feeds[i].feed, topic->is_wanted, (size_t)z->conf.buffer_mib << 20) < 0)
			LOG_WARN("zmq.no_memory", "topic=%s do=\"lower zmqBuffer\"", topic->name);
	}
	if (!z->topic[ZMQ_TOPIC_HTTP].is_wanted)
		zmq_http_forget(z->http);
}

static void
count_all(struct zmq_sink *z)
{
	const struct zmq_topic *t = z->topic;

	COUNTER_SET(&z->counters, record_sent, t[ZMQ_TOPIC_RECORD].sent);
	COUNTER_SET(&z->counters, record_refused, t[ZMQ_TOPIC_RECORD].refused);
	COUNTER_SET(&z->counters, http_sent, t[ZMQ_TOPIC_HTTP].sent);
	COUNTER_SET(&z->counters, http_refused, t[ZMQ_TOPIC_HTTP].refused);
	COUNTER_SET(&z->counters, http_given_up, zmq_http_given_up(z->http));
	COUNTER_SET(&z->counters, http_pieces_refused, feeds_refused(TAP_HTTP));
	COUNTER_SET(&z->counters, stream_sent, t[ZMQ_TOPIC_STREAM].sent);
	COUNTER_SET(&z->counters, stream_refused, t[ZMQ_TOPIC_STREAM].refused);
	COUNTER_SET(&z->counters, stream_chunks_refused, feeds_refused(TAP_STREAM));
	COUNTER_SET(&z->counters, stats_sent, t[ZMQ_TOPIC_STATS].sent);
	COUNTER_SET(&z->counters, stats_refused, t[ZMQ_TOPIC_STATS].refused);
}

static int
zmq_sink_maintain(void *state, bool at_exit)
{
	struct zmq_sink *z = state;
	bool wanted[2] = {z->topic[ZMQ_TOPIC_HTTP].is_wanted, z->topic[ZMQ_TOPIC_STREAM].is_wanted};
	unsigned n;

	zmq_socket_serve(z, 0);
	if (wanted[0] != z->topic[ZMQ_TOPIC_HTTP].is_wanted || wanted[1] != z->topic[ZMQ_TOPIC_STREAM].is_wanted)
		switch_feeds(z);
	/* What is left of before is taken too, when nobody listens any more. */
	n = feeds_take(TAP_HTTP, TAKE_AT_ONCE, zmq_http_take, z) +
	    feeds_take(TAP_STREAM, TAKE_AT_ONCE, zmq_stream_take, z);
	count_all(z);
	if (n > 0 || at_exit)
		return n > 0;
	if (z->topic[ZMQ_TOPIC_HTTP].is_wanted || z->topic[ZMQ_TOPIC_STREAM].is_wanted) {
		zmq_socket_serve(z, LISTENING_MS);
		return 1;
	}
	if (z->zap == NULL)
		return 0;
	zmq_socket_serve(z, ADMITTING_MS); /* somebody may stand at the door */
	return 1;
}

static void
zmq_sink_count(struct counters *counters, uint64_t documents, uint64_t rejected)
{
	(void)rejected; /* none */
	COUNTER_ADD(counters, acknowledged, documents);
}

static const char *
zmq_sink_explain(void *state)
{
	return ((const struct zmq_sink *)state)->error;
}

static void
zmq_sink_describe(void *state, char *out, size_t size)
{
	const struct zmq_sink *z = state;

	snprintf(out, size, "%s", z->where);
}

static const struct sink_kind zmq = {
	.name = "zmq",
	.max_batches = 16,
	.spooling = SINK_SPOOL_NEVER,
	.create = zmq_sink_create,
	.destroy = zmq_sink_destroy,
	.write = zmq_sink_write,
	.write_stats = zmq_sink_write_stats,
	.maintain = zmq_sink_maintain,
	.count = zmq_sink_count,
	.explain = zmq_sink_explain,
	.describe = zmq_sink_describe,
};
REGISTRY_ADD(sink_kind, zmq);
