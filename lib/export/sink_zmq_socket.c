/* The socket of the sink "zmq".
 *
 * PUB is XPUB, the same to subscribers, which tells us what is subscribed to: a topic that nobody wants costs nothing.
 * libzmq tells of each prefix once, when the first subscriber comes and when the last one has gone (killed ones too, as
 * soon as TCP notices), so a bit for each prefix of our topics is all there is to remember, whatever is subscribed to.
 *
 * Full queues. libzmq either drops a message silently for those subscribers whose queue is full, or refuses it for all
 * of them. We first send in the refusing way; a refusal is counted, and the message sent again in the dropping way. So
 * a slow subscriber costs nobody else anything, and it is known that it misses something. How much is not: from the
 * dropped message on libzmq passes the subscriber over, without a refusal, until its queue has room again.
 *
 * libzmq starts threads of its own for a socket; they run on the CPUs of whoever calls create(), which sink.c sees to.
 *
 * Keys: with zmqCurveSecretKey the socket is a CURVE server, or with zmqCurveServerKey too a client. Who may come in is
 * asked of a socket at "inproc://zeromq.zap.01" (RFC 27, ZAP), which we answer ourselves from zmqCurveClients. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "zmq_priv.h"

enum { SUBSCRIPTION_BYTES_MAX = 4096, ZAP_FRAMES_MAX = 16, ZAP_FRAME_BYTES = 256, SERVE_MAX = 64 };

static int
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static bool
is_key(const char *text)
{
	return strlen(text) == ZMQ_KEY_BYTES - 1;
}

static int
set_key(void *socket, int option, const char *key)
{
	return zmq_setsockopt(socket, option, key, ZMQ_KEY_BYTES) == 0 ? 0 : -errno;
}

/* 0 or -errno and 'why'. */
static int
set_keys(struct zmq_sink *z, char *why, size_t why_size)
{
	const struct zmq_conf *c = &z->conf;
	bool is_client = c->curve_server_key[0] != '\0';
	int rc;

	if (c->curve_secret_key[0] == '\0' && !is_client && c->curve_clients.n == 0)
		return 0;
	if (!is_key(c->curve_secret_key) ||
	    (is_client && (!is_key(c->curve_server_key) || !is_key(c->curve_public_key)))) {
		snprintf(why, why_size,
			 "zmqCurve keys: 40 characters each, as zmq_curve_keypair() makes them; zmqCurveSecretKey, and "
			 "with "
			 "zmqCurveServerKey also zmqCurvePublicKey");
		return -EINVAL;
	}
	rc = set_key(z->socket, ZMQ_CURVE_SECRETKEY, c->curve_secret_key);
	if (rc == 0 && is_client)
		rc = set_key(z->socket, ZMQ_CURVE_PUBLICKEY, c->curve_public_key);
	if (rc == 0)
		rc = is_client ? set_key(z->socket, ZMQ_CURVE_SERVERKEY, c->curve_server_key)
			       : set_int(z->socket, ZMQ_CURVE_SERVER, 1);
	if (rc < 0)
		snprintf(why, why_size, "zmqCurve keys: %s", zmq_strerror(-rc));
	return rc;
}

/* The door: asked for every client that connects. */
static int
open_door(struct zmq_sink *z, char *why, size_t why_size)
{
	for (unsigned i = 0; i < z->conf.curve_clients.n; i++) {
		if (is_key(z->conf.curve_clients.item[i]))
			continue;
		snprintf(why, why_size, "zmqCurveClients: \"%s\" is no public key (40 characters)",
			 z->conf.curve_clients.item[i]);
		return -EINVAL;
	}
	if (z->conf.curve_clients.n == 0)
		return 0;
	z->zap = zmq_socket(z->context, ZMQ_REP);
	if (z->zap == NULL || set_int(z->zap, ZMQ_LINGER, 0) < 0 || zmq_bind(z->zap, "inproc://zeromq.zap.01") != 0) {
		snprintf(why, why_size, "sink zmq: ZAP: %s", zmq_strerror(errno));
		return -EIO;
	}
	return 0;
}

static int
attach_endpoints(struct zmq_sink *z, char *why, size_t why_size)
{
	size_t used = 0;

	if (z->conf.endpoints.n == 0 || z->conf.endpoints.n > ZMQ_ENDPOINTS_MAX) {
		snprintf(why, why_size, "zmqEndpoint: between 1 and %d endpoints", ZMQ_ENDPOINTS_MAX);
		return -EINVAL;
	}
	for (unsigned i = 0; i < z->conf.endpoints.n; i++) {
		const char *text = z->conf.endpoints.item[i];
		bool connects = text[0] == '>';
		const char *endpoint = connects ? text + 1 : text;
		bool is_known = strncmp(endpoint, "tcp://", 6) == 0 || strncmp(endpoint, "ipc://", 6) == 0;

		if (!is_known || (connects ? zmq_connect(z->socket, endpoint) : zmq_bind(z->socket, endpoint)) != 0) {
			snprintf(why, why_size, "zmqEndpoint %s: %s", text,
				 is_known ? zmq_strerror(errno) : "only tcp://HOST:PORT and ipc://PATH");
			return -EINVAL;
		}
		if (used < sizeof(z->where))
			used += (size_t)snprintf(z->where + used, sizeof(z->where) - used, "%s%s", i > 0 ? " " : "",
						 text);
	}
	return 0;
}

static int
set_options(struct zmq_sink *z)
{
	void *s = z->socket;
	int rc = set_int(s, ZMQ_SNDHWM, (int)z->conf.high_water);

	if (rc == 0)
		rc = set_int(s, ZMQ_LINGER, (int)z->conf.linger_s * 1000);
	if (rc == 0)
		rc = set_int(s, ZMQ_TCP_KEEPALIVE, 1); /* subscribers whose machine has died */
	if (rc == 0)
		rc = zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &(int64_t){SUBSCRIPTION_BYTES_MAX}, sizeof(int64_t)) == 0
			     ? 0
			     : -errno;
	if (rc == 0 && z->conf.type == ZMQ_TYPE_PUB)
		rc = set_int(s, ZMQ_XPUB_NODROP, 1);
	return rc;
}

int
zmq_socket_open(struct zmq_sink *z, char *why, size_t why_size)
{
	int rc;

	z->context = zmq_ctx_new();
	if (z->context != NULL)
		z->socket = zmq_socket(z->context, z->conf.type == ZMQ_TYPE_PUB ? ZMQ_XPUB : ZMQ_PUSH);
	rc = z->socket != NULL ? set_options(z) : -errno;
	if (rc < 0) {
		snprintf(why, why_size, "sink zmq: %s", zmq_strerror(-rc));
		return rc;
	}
	rc = set_keys(z, why, why_size);
	if (rc == 0)
		rc = open_door(z, why, why_size);
	if (rc == 0)
		rc = attach_endpoints(z, why, why_size);
	return rc;
}

void
zmq_socket_close(struct zmq_sink *z)
{
	if (z->zap != NULL)
		zmq_close(z->zap);
	if (z->socket != NULL)
		zmq_close(z->socket);
	/* Waits for what lingers. */
	while (z->context != NULL && zmq_ctx_term(z->context) != 0 && errno == EINTR)
		;
}

/* ---- Subscriptions */

/* "\1topic" or "\0topic": a prefix of each topic that begins with it. */
static void
take_subscription(struct zmq_sink *z, const uint8_t *message, size_t size)
{
	if (size == 0 || message[0] > 1)
		return;
	for (unsigned i = 0; i < ZMQ_TOPICS; i++) {
		struct zmq_topic *t = &z->topic[i];
		size_t length = size - 1;

		if (!t->is_enabled || length > strlen(t->name) || memcmp(message + 1, t->name, length) != 0)
			continue;
		if (message[0] == 1)
			t->prefixes |= UINT32_C(1) << length;
		else
			t->prefixes &= ~(UINT32_C(1) << length);
		t->is_wanted = t->prefixes != 0;
	}
}

static bool
receive_subscription(struct zmq_sink *z)
{
	uint8_t message[16]; /* longer than any topic: what is cut off is none of ours */
	int n = zmq_recv(z->socket, message, sizeof(message), ZMQ_DONTWAIT);

	if (n < 0)
		return false;
	if (n < (int)sizeof(message))
		take_subscription(z, message, (size_t)n);
	return true;
}

/* PUSH: somebody is there. */
static void
look_for_peers(struct zmq_sink *z)
{
	int events = 0;
	size_t size = sizeof(events);

	if (zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &size) != 0)
		return;
	/* A peer that is slow is still one: only what is not wanted yet depends on it. */
	for (unsigned i = 0; i < ZMQ_TOPICS; i++)
		z->topic[i].is_wanted = z->topic[i].is_enabled && (events & ZMQ_POLLOUT) != 0;
}

/* ---- The door */

static bool
may_enter(const struct zmq_sink *z, const uint8_t key[32])
{
	char text[ZMQ_KEY_BYTES];

	if (zmq_z85_encode(text, key, 32) == NULL)
		return false;
	for (unsigned i = 0; i < z->conf.curve_clients.n; i++)
		if (strcmp(text, z->conf.curve_clients.item[i]) == 0)
			return true;
	return false;
}

/* Frames of a request: version, request id, domain, address, identity, mechanism, credentials. */
static bool
answer_at_the_door(struct zmq_sink *z)
{
	uint8_t frame[ZAP_FRAMES_MAX][ZAP_FRAME_BYTES];
	int size[ZAP_FRAMES_MAX] = {0}, n = 0, more = 1;
	size_t more_size = sizeof(more);
	bool good;

	while (more != 0 && n < ZAP_FRAMES_MAX) {
		size[n] = zmq_recv(z->zap, frame[n], sizeof(frame[n]), ZMQ_DONTWAIT);
		if (size[n] < 0)
			return false;
		n++;
		if (zmq_getsockopt(z->zap, ZMQ_RCVMORE, &more, &more_size) != 0)
			return false;
	}
	good = n == 7 && size[5] == 5 && memcmp(frame[5], "CURVE", 5) == 0 && size[6] == 32 && may_enter(z, frame[6]);
	zmq_send(z->zap, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(z->zap, frame[1], size[1] > 0 && size[1] <= ZAP_FRAME_BYTES ? (size_t)size[1] : 0, ZMQ_SNDMORE);
	zmq_send(z->zap, good ? "200" : "400", 3, ZMQ_SNDMORE);
	zmq_send(z->zap, good ? "OK" : "no", 2, ZMQ_SNDMORE);
	zmq_send(z->zap, "", 0, ZMQ_SNDMORE);
	zmq_send(z->zap, "", 0, 0);
	if (!good)
		LOG_WARN("zmq.refused", "endpoint=\"%s\" note=\"a client whose key is not in zmqCurveClients\"",
			 z->where);
	return true;
}

void
zmq_socket_serve(struct zmq_sink *z, int wait_ms)
{
	zmq_pollitem_t item[2] = {{.socket = z->socket, .events = ZMQ_POLLIN},
				  {.socket = z->zap, .events = ZMQ_POLLIN}};

	if (wait_ms > 0)
		(void)zmq_poll(item, z->zap != NULL ? 2 : 1, wait_ms);
	if (z->conf.type == ZMQ_TYPE_PUB)
		for (unsigned i = 0; i < SERVE_MAX && receive_subscription(z); i++)
			;
	else
		look_for_peers(z);
	for (unsigned i = 0; z->zap != NULL && i < SERVE_MAX && answer_at_the_door(z); i++)
		;
}

/* ---- Sending */

static int
send_topic(struct zmq_sink *z, const char *topic)
{
	int rc;

	do
		rc = zmq_send_const(z->socket, topic, strlen(topic), ZMQ_DONTWAIT | ZMQ_SNDMORE);
	while (rc < 0 && errno == EINTR);
	return rc;
}

static void
send_body(struct zmq_sink *z, const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	zmq_msg_t message;

	if (zmq_msg_init_size(&message, a_bytes + b_bytes) != 0) {
		/* The topic has gone out: the message has to end. */
		(void)zmq_send(z->socket, "", 0, ZMQ_DONTWAIT);
		return;
	}
	memcpy(zmq_msg_data(&message), a, a_bytes);
	if (b_bytes > 0)
		memcpy((char *)zmq_msg_data(&message) + a_bytes, b, b_bytes);
	while (zmq_msg_send(&message, z->socket, ZMQ_DONTWAIT) < 0)
		if (errno != EINTR) {
			zmq_msg_close(&message);
			return;
		}
}

bool
zmq_socket_send(struct zmq_sink *z, enum zmq_topic_id id, const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	struct zmq_topic *t = &z->topic[id];
	bool is_full = send_topic(z, t->name) < 0, goes = !is_full;

	if (is_full) {
		t->refused++;
		if (z->conf.type == ZMQ_TYPE_PUSH || set_int(z->socket, ZMQ_XPUB_NODROP, 0) < 0)
			return false;
		goes = send_topic(z, t->name) >= 0; /* to those who have room */
	}
	if (goes)
		send_body(z, a, a_bytes, b, b_bytes);
	if (is_full)
		(void)set_int(z->socket, ZMQ_XPUB_NODROP, 1);
	else
		t->sent++;
	return !is_full;
}
