/* The sink "zmq" inside.
 *
 * sink_zmq.c         the kind: settings, records, stats, its turns
 * sink_zmq_socket.c  the socket: endpoints, keys, subscriptions, sending
 * sink_zmq_http.c    HTTP messages from their pieces
 * sink_zmq_flow.c    what both http and stream say of a session; stream chunks
 *
 * Threads: create and destroy on the control thread, all else on the sink's. */
#ifndef ZMQ_PRIV_H
#define ZMQ_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "feed.h"
#include "json.h"
#include "tap.h"
#include "zmq.h"

enum zmq_topic_id { ZMQ_TOPIC_RECORD, ZMQ_TOPIC_HTTP, ZMQ_TOPIC_STREAM, ZMQ_TOPIC_STATS, ZMQ_TOPICS };
enum zmq_type { ZMQ_TYPE_PUB, ZMQ_TYPE_PUSH };

enum {
	ZMQ_ENDPOINTS_MAX = 16,
	ZMQ_KEY_BYTES = 41, /* Z85 */
	ZMQ_HEADERS_BYTES_MAX = 256 << 10,
	ZMQ_FLOW_CACHE = 1024,
};

struct zmq_conf {
	struct conf_list endpoints, topics, curve_clients;
	int type; /* enum zmq_type */
	uint32_t high_water, body_bytes_max, buffer_mib, http_memory_mib, wait_s, linger_s;
	const char *curve_secret_key, *curve_public_key, *curve_server_key;
};

struct zmq_topic {
	const char *name;
	bool is_enabled;   /* zmqTopics names it */
	bool is_wanted;	   /* somebody listens */
	uint32_t prefixes; /* bit n: its first n characters are subscribed to */
	uint64_t sent, refused;
};

struct zmq_flow_name {
	struct tap_flow flow; /* of either direction */
	bool is_set;
	char community_id[COMMUNITY_ID_BYTES];
};

struct http_assembly;

struct zmq_sink {
	struct zmq_conf conf;
	void *context, *socket, *zap;
	struct zmq_topic topic[ZMQ_TOPICS];
	struct json json; /* one message's */
	struct http_assembly *http;
	struct zmq_flow_name *flow; /* [ZMQ_FLOW_CACHE] */
	uint64_t feeds_refused[2];  /* counted so far */
	struct counters counters;
	char where[256], error[128];
};

extern const struct setting_group zmq_settings_group;

/* ---- sink_zmq_socket.c */

/* 0 or -errno and 'why'. */
int zmq_socket_open(struct zmq_sink *, char *why, size_t why_size);
void zmq_socket_close(struct zmq_sink *);
/* Takes what came in: subscriptions, clients that want in. Waits for it at most 'wait_ms'. */
void zmq_socket_serve(struct zmq_sink *, int wait_ms);
/* Never waits. False: the queue of a subscriber was found full, which is counted. */
bool zmq_socket_send(struct zmq_sink *, enum zmq_topic_id, const void *a, size_t a_bytes, const void *b,
		     size_t b_bytes);

/* ---- sink_zmq_flow.c */

/* Members of the object in z->json that say which session this is. */
void zmq_flow_write(struct zmq_sink *, const struct tap_flow *);
void zmq_stream_take(const struct feed *, const void *message, size_t size, void *sink); /* feed_take */

/* ---- sink_zmq_http.c */

struct http_assembly *zmq_http_create(size_t memory_bytes, size_t body_bytes_max);     /* NULL with errno */
void zmq_http_destroy(struct http_assembly *);					       /* accepts NULL */
void zmq_http_take(const struct feed *, const void *message, size_t size, void *sink); /* feed_take */
void zmq_http_forget(struct http_assembly *);					       /* nobody listens any more */
uint64_t zmq_http_given_up(const struct http_assembly *); /* messages of which a piece was refused, or with no room */

#endif
