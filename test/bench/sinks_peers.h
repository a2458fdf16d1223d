/* The other side of sinks_bench: processes of their own that receive what a sink sends, and keep nothing of it.
 *
 * The HTTP server reads every body to its end (a compressed one is inflated), counts its lines and answers with a
 * status for each item, as the sink insists. The subscriber receives every message and counts. Both say how far they
 * are in memory that they share with the bench. */
#ifndef SINKS_PEERS_H
#define SINKS_PEERS_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <zlib.h>
#include <zmq.h>

enum { PEER_CLIENTS_MAX = 64, PEER_READ_BYTES = 256 << 10, PEER_HEAD_BYTES = 8192, PEER_ITEMS_MAX = 1 << 17 };

/* Shared with the peer. */
struct peer_account {
	_Atomic uint64_t documents, bytes;
};

/* ---- HTTP */

struct peer_client {
	int fd;
	char head[PEER_HEAD_BYTES + 1];
	size_t head_bytes, body_left;
	uint64_t lines;
	bool in_body, is_gzip;
	z_stream gzip;
};

static const char peer_item[] = ",{\"create\":{\"status\":201}}";
static char *peer_items; /* PEER_ITEMS_MAX of them */
static char peer_read_buffer[PEER_READ_BYTES], peer_plain_buffer[1 << 20];
static struct peer_account *peer_account;

static uint64_t
peer_count_lines(const char *text, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += text[i] == '\n';
	return n;
}

static void
peer_count_body(struct peer_client *c, char *text, size_t bytes)
{
	atomic_fetch_add_explicit(&peer_account->bytes, bytes, memory_order_relaxed);
	if (!c->is_gzip) {
		c->lines += peer_count_lines(text, bytes);
		return;
	}
	c->gzip.next_in = (Bytef *)text;
	c->gzip.avail_in = (uInt)bytes;
	while (c->gzip.avail_in > 0) {
		int rc;

		c->gzip.next_out = (Bytef *)peer_plain_buffer;
		c->gzip.avail_out = sizeof(peer_plain_buffer);
		rc = inflate(&c->gzip, Z_NO_FLUSH);
		c->lines += peer_count_lines(peer_plain_buffer, sizeof(peer_plain_buffer) - c->gzip.avail_out);
		if (rc != Z_OK)
			break;
	}
}

static void
peer_send(int fd, struct iovec *part, int n)
{
	while (n > 0) {
		ssize_t sent = writev(fd, part, n);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			_exit(1);
		for (; n > 0 && (size_t)sent >= part->iov_len; part++, n--)
			sent -= (ssize_t)part->iov_len;
		if (n > 0) {
			part->iov_base = (char *)part->iov_base + sent;
			part->iov_len -= (size_t)sent;
		}
	}
}

static void
peer_answer(const struct peer_client *c)
{
	static const char begin[] = "{\"took\":1,\"errors\":false,\"items\":[", end[] = "]}";
	const char *fixed = strstr(c->head, "_template/") != NULL
				    ? "{\"t\":{\"mappings\":{\"_meta\":{\"molochDbVersion\":86}}}}"
				    : "{}";
	uint64_t items = c->lines / 2;
	size_t item_bytes = items > 0 ? items * (sizeof(peer_item) - 1) - 1 : 0;
	bool is_bulk = strstr(c->head, "/_bulk") != NULL;
	char head[256];
	struct iovec part[4] = {{.iov_base = head}};
	size_t size = is_bulk ? sizeof(begin) + sizeof(end) - 2 + item_bytes : strlen(fixed);

	if (items > PEER_ITEMS_MAX)
		_exit(1);
	part[0].iov_len = (size_t)snprintf(
		head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		size);
	if (!is_bulk) {
		part[1] = (struct iovec){(char *)(uintptr_t)fixed, size};
		peer_send(c->fd, part, 2);
		return;
	}
	part[1] = (struct iovec){(char *)(uintptr_t)begin, sizeof(begin) - 1};
	part[2] = (struct iovec){peer_items + 1, item_bytes};
	part[3] = (struct iovec){(char *)(uintptr_t)end, sizeof(end) - 1};
	peer_send(c->fd, part, 4);
	atomic_fetch_add(&peer_account->documents, items);
}

static void
peer_begin_body(struct peer_client *c)
{
	const char *length = strcasestr(c->head, "content-length:");

	c->body_left = length != NULL ? strtoull(length + 15, NULL, 10) : 0;
	c->in_body = true;
	c->is_gzip = strcasestr(c->head, "content-encoding: gzip") != NULL;
	memset(&c->gzip, 0, sizeof(c->gzip));
	if (c->is_gzip && inflateInit2(&c->gzip, 15 + 16) != Z_OK)
		_exit(1);
}

static void
peer_end_request(struct peer_client *c)
{
	peer_answer(c);
	if (c->is_gzip)
		inflateEnd(&c->gzip);
	c->head_bytes = 0;
	c->in_body = c->is_gzip = false;
	c->lines = 0;
}

static void
peer_take(struct peer_client *c, char *text, size_t bytes)
{
	while (bytes > 0) {
		size_t n = 1;

		if (c->in_body) {
			n = bytes < c->body_left ? bytes : c->body_left;
			peer_count_body(c, text, n);
			c->body_left -= n;
		} else {
			if (c->head_bytes == PEER_HEAD_BYTES)
				_exit(1);
			c->head[c->head_bytes++] = text[0];
			c->head[c->head_bytes] = '\0';
			if (text[0] == '\n' && c->head_bytes >= 4 &&
			    memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) == 0)
				peer_begin_body(c);
		}
		text += n;
		bytes -= n;
		if (c->in_body && c->body_left == 0)
			peer_end_request(c);
	}
}

static void
peer_serve(int listener)
{
	static struct peer_client client[PEER_CLIENTS_MAX];
	struct pollfd p[PEER_CLIENTS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
	unsigned n = 0;

	peer_items = malloc(PEER_ITEMS_MAX * (sizeof(peer_item) - 1));
	for (unsigned i = 0; peer_items != NULL && i < PEER_ITEMS_MAX; i++)
		memcpy(peer_items + i * (sizeof(peer_item) - 1), peer_item, sizeof(peer_item) - 1);
	while (peer_items != NULL) {
		if (poll(p, n + 1, -1) < 0) {
			if (errno == EINTR) /* stopped, and goes on */
				continue;
			break;
		}
		for (unsigned i = 0; i < n; i++) {
			ssize_t got;

			if (p[i + 1].revents == 0)
				continue;
			got = read(client[i].fd, peer_read_buffer, sizeof(peer_read_buffer));
			if (got > 0)
				peer_take(&client[i], peer_read_buffer, (size_t)got);
			else if (got == 0 || errno != EINTR)
				p[i + 1].fd = -1;
		}
		if (p[0].revents != 0 && n < PEER_CLIENTS_MAX) {
			client[n].fd = accept(listener, NULL, NULL);
			p[n + 1] = (struct pollfd){.fd = client[n].fd, .events = POLLIN};
			n++;
		}
	}
	_exit(1);
}

/* ---- ZeroMQ */

/* A process that is stopped and goes on is told so. */
static bool
peer_receive(zmq_msg_t *message, void *socket)
{
	int n;

	do
		n = zmq_msg_recv(message, socket, 0);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

static void
peer_subscribe(const char *endpoint)
{
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_SUB);
	int none = 0;
	zmq_msg_t topic, body;

	if (socket == NULL || zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof(none)) != 0 ||
	    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "record", 6) != 0 || zmq_connect(socket, endpoint) != 0)
		_exit(1);
	zmq_msg_init(&topic);
	zmq_msg_init(&body);
	while (peer_receive(&topic, socket) && peer_receive(&body, socket)) {
		atomic_fetch_add_explicit(&peer_account->bytes, zmq_msg_size(&body), memory_order_relaxed);
		atomic_fetch_add_explicit(&peer_account->documents, 1, memory_order_release);
	}
	_exit(1);
}

/* ---- Starting them */

/* A socket that listens on a free port of 127.0.0.1. */
static int
peer_listen(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		return -1;
	*port = ntohs(at.sin_port);
	return listener;
}

/* 'subscribes': a subscriber of what the bench will bind to; else the HTTP server. It ends with the bench. */
static pid_t
peer_start(bool subscribes, const cpu_set_t *cpus, struct peer_account *account, uint16_t *port)
{
	int listener = peer_listen(port);
	char endpoint[64];
	pid_t pid = listener < 0 ? -1 : fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(*cpus), cpus);
		peer_account = account;
		if (!subscribes)
			peer_serve(listener);
		close(listener);
		snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", *port);
		peer_subscribe(endpoint);
	}
	close(listener);
	return pid;
}

#endif
