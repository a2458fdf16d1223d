/* The HTTP side of /metrics.
 *
 * libmicrohttpd runs in a thread of ours instead of one of its own: that thread is then started on the CPUs that do not
 * poll. Few connections, small requests, ten seconds: whoever may reach the port can keep others from their numbers and
 * nothing else. There is no password: the default address is this machine's own. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "stats_priv.h"
#include "thread.h"

enum { CONNECTIONS_MAX = 16, TIMEOUT_S = 10, CONNECTION_BYTES_MAX = 16384, WAIT_MS = 200 };

struct metrics {
	struct MHD_Daemon *daemon;
	pthread_t thread;
	_Atomic bool stop;
};

static bool
parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n == 0 || n > UINT16_MAX)
		return false;
	*port = (uint16_t)n;
	return true;
}

/* 'host' without brackets. */
static bool
set_address(struct sockaddr_storage *out, const char *host, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

bool
metrics_parse_address(const char *text, struct sockaddr_storage *out, char *why, size_t why_size)
{
	const char *colon = strrchr(text, ':'), *number = colon != NULL ? colon + 1 : text;
	size_t length = colon != NULL ? (size_t)(colon - text) : 0;
	char host[INET6_ADDRSTRLEN + 2] = "127.0.0.1";
	uint16_t port;

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length) != NULL) {
		length = sizeof(host); /* IPv6 without brackets */
	}
	if (length > 0 && length < sizeof(host)) {
		memcpy(host, text, length);
		host[length] = '\0';
	}
	if (parse_port(number, &port) && length < sizeof(host) && (colon == NULL || length > 0) &&
	    set_address(out, host, port))
		return true;
	snprintf(why, why_size, "neither PORT nor ADDRESS:PORT, such as 9150, 0.0.0.0:9150 or [::]:9150");
	return false;
}

static enum MHD_Result
respond(struct MHD_Connection *connection, unsigned status, char *text, size_t size, const char *type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
respond_briefly(struct MHD_Connection *connection, unsigned status, const char *text)
{
	char *copy = strdup(text);

	return copy != NULL ? respond(connection, status, copy, strlen(text), "text/plain; charset=utf-8") : MHD_NO;
}

static enum MHD_Result
respond_metrics(struct MHD_Connection *connection)
{
	const struct stats *s;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return MHD_NO;
	s = stats_reader_enter();
	if (s != NULL)
		metrics_write(s, out);
	stats_reader_leave();
	if (fclose(out) != 0 || s == NULL) {
		free(text);
		return respond_briefly(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no numbers\n");
	}
	return respond(connection, MHD_HTTP_OK, text, size, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
       const char *upload, size_t *upload_size, void **state)
{
	(void)context, (void)version, (void)upload, (void)state;
	if (*upload_size > 0) {
		*upload_size = 0; /* passed over */
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond_briefly(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
	if (strcmp(url, "/metrics") != 0)
		return respond_briefly(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
	return respond_metrics(connection);
}

static void *
serve(void *argument)
{
	struct metrics *m = argument;

	while (!atomic_load(&m->stop))
		MHD_run_wait(m->daemon, WAIT_MS);
	return NULL;
}

struct metrics *
metrics_create(const struct sockaddr_storage *address, const cpu_set_t *cpus)
{
	struct metrics *m = calloc(1, sizeof(*m));
	unsigned flags = MHD_USE_EPOLL;
	int error;

	if (m == NULL)
		return NULL;
	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	m->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, address,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX, MHD_OPTION_END);
	error = m->daemon != NULL ? -thread_start(&m->thread, "metrics", cpus, serve, m) : errno;
	if (m->daemon != NULL && error == 0)
		return m;
	if (m->daemon != NULL)
		MHD_stop_daemon(m->daemon);
	free(m);
	errno = error != 0 ? error : EADDRNOTAVAIL;
	return NULL;
}

void
metrics_destroy(struct metrics *m)
{
	if (m == NULL)
		return;
	atomic_store(&m->stop, true);
	pthread_join(m->thread, NULL);
	MHD_stop_daemon(m->daemon);
	free(m);
}
