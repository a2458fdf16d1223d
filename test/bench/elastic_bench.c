/* What the sink elasticsearch sends: bulk requests over loopback HTTP to a server that counts and discards them.
 *
 *   elastic_bench [records] [key=value...]
 *
 *   elastic_bench 2000000 compressES=false
 *   elastic_bench 500000 compressES=true
 *
 * The sink is called from this thread with the batches that the exporter would hand to it: 64 at a time, 256 KB each,
 * documents of about 1 KB. The server is a process of its own. It reads every body (a compressed one too) to its end
 * and answers with a status for each of its items, as the sink insists. Two figures: records a second by the clock,
 * which on a busy machine says more about the machine, and by the CPU time of this thread, which is what one core would
 * send. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "clock.h"
#include "export.h"
#include "field.h"

enum {
	BATCHES = 64,
	BATCH_BYTES = 262144,
	DOCUMENT_BYTES = 1024,
	ROWS = BATCH_BYTES / (DOCUMENT_BYTES + 1),
	CLIENTS_MAX = 64,
	READ_BYTES = 1 << 20,
	HEAD_BYTES = 8192,
	OVERRIDES_MAX = 32,
};

/* ---- the server */

struct client {
	int fd;
	char head[HEAD_BYTES + 1];
	size_t head_bytes, body_left;
	uint64_t lines;
	bool in_body, is_gzip;
	z_stream gzip;
};

static char read_buffer[READ_BYTES], plain_buffer[READ_BYTES];

static uint64_t
count_lines(const char *text, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += text[i] == '\n';
	return n;
}

static void
count_body(struct client *c, char *text, size_t bytes)
{
	if (!c->is_gzip) {
		c->lines += count_lines(text, bytes);
		return;
	}
	c->gzip.next_in = (Bytef *)text;
	c->gzip.avail_in = (uInt)bytes;
	while (c->gzip.avail_in > 0) {
		int rc;

		c->gzip.next_out = (Bytef *)plain_buffer;
		c->gzip.avail_out = sizeof(plain_buffer);
		rc = inflate(&c->gzip, Z_NO_FLUSH);
		c->lines += count_lines(plain_buffer, sizeof(plain_buffer) - c->gzip.avail_out);
		if (rc != Z_OK)
			break;
	}
}

static void
send_all(int fd, const char *text, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, text, bytes);

		if (n <= 0)
			_exit(1);
		text += n;
		bytes -= (size_t)n;
	}
}

static void
answer(const struct client *c)
{
	static const char item[] = "{\"create\":{\"status\":201}}";
	static char out[4 << 20];
	const char *fixed = "{}";
	char head[256];
	size_t n = 0;

	if (strstr(c->head, "/_bulk") != NULL) {
		n += (size_t)snprintf(out, sizeof(out), "{\"took\":1,\"errors\":false,\"items\":[");
		for (uint64_t i = 0; i < c->lines / 2; i++)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i > 0 ? "," : "", item);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "]}");
	} else {
		if (strstr(c->head, "_template/") != NULL)
			fixed = "{\"t\":{\"mappings\":{\"_meta\":{\"molochDbVersion\":86}}}}";
		n = (size_t)snprintf(out, sizeof(out), "%s", fixed);
	}
	send_all(c->fd, head,
		 (size_t)snprintf(head, sizeof(head),
				  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
				  n));
	send_all(c->fd, out, n);
}

static void
end_request(struct client *c)
{
	answer(c);
	if (c->is_gzip)
		inflateEnd(&c->gzip);
	c->head_bytes = 0;
	c->in_body = c->is_gzip = false;
	c->lines = 0;
}

/* Requests come one after another: what follows a head belongs to its body. */
static void
take_bytes(struct client *c, char *text, size_t bytes)
{
	while (bytes > 0) {
		size_t n = bytes;

		if (c->in_body) {
			n = n < c->body_left ? n : c->body_left;
			count_body(c, text, n);
			c->body_left -= n;
		} else {
			const char *length;

			n = 1;
			if (c->head_bytes == HEAD_BYTES)
				_exit(1);
			c->head[c->head_bytes++] = text[0];
			c->head[c->head_bytes] = '\0';
			if (text[0] == '\n' && c->head_bytes >= 4 &&
			    memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) == 0) {
				length = strcasestr(c->head, "content-length:");
				c->body_left = length != NULL ? strtoull(length + 15, NULL, 10) : 0;
				c->in_body = true;
				c->is_gzip = strcasestr(c->head, "content-encoding: gzip") != NULL;
				memset(&c->gzip, 0, sizeof(c->gzip));
				if (c->is_gzip && inflateInit2(&c->gzip, 15 + 16) != Z_OK)
					_exit(1);
			}
		}
		text += n;
		bytes -= n;
		if (c->in_body && c->body_left == 0)
			end_request(c);
	}
}

static void
serve(int listener)
{
	static struct client client[CLIENTS_MAX];
	struct pollfd p[CLIENTS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
	unsigned n = 0;

	for (;;) {
		if (poll(p, n + 1, -1) < 0)
			_exit(1);
		for (unsigned i = 0; i < n; i++) {
			ssize_t got;

			if (p[i + 1].revents == 0)
				continue;
			got = read(client[i].fd, read_buffer, sizeof(read_buffer));
			if (got > 0)
				take_bytes(&client[i], read_buffer, (size_t)got);
			else
				p[i + 1].fd = -1;
		}
		if (p[0].revents != 0 && n < CLIENTS_MAX) {
			client[n].fd = accept(listener, NULL, NULL);
			p[n + 1] = (struct pollfd){.fd = client[n].fd, .events = POLLIN};
			n++;
		}
	}
}

static pid_t
start_server(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		exit(1);
	*port = ntohs(at.sin_port);
	pid = fork();
	if (pid == 0)
		serve(listener);
	close(listener);
	return pid;
}

/* ---- batches */

static void
fill_batch(struct export_batch *b, uint64_t number)
{
	static const char words[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	b->text = malloc(BATCH_BYTES);
	b->row = calloc(ROWS, sizeof(*b->row));
	if (b->text == NULL || b->row == NULL)
		exit(1);
	for (unsigned i = 0; i < ROWS; i++) {
		struct export_row *row = &b->row[b->n_rows++];
		char *at = b->text + b->text_bytes;
		size_t n = (size_t)snprintf(
			at, DOCUMENT_BYTES,
			"{\"firstPacket\":1795256738%03u,\"source\":{\"ip\":\"10.1.%u.%u\",\"port\":%u},"
			"\"http\":{\"uri\":[\"",
			i % 1000, i % 256, (unsigned)number, 1024 + i);

		while (n < DOCUMENT_BYTES - 5) {
			at[n] = words[(n * (i + 7) + number) % (sizeof(words) - 1)];
			n++;
		}
		memcpy(at + n, "\"]}}\n", 5);
		*row = (struct export_row){.json_offset = (uint32_t)b->text_bytes, .json_bytes = (uint32_t)(n + 4)};
		snprintf(row->id, sizeof(row->id), "261121-%012" PRIu64 "%012u", number, i);
		snprintf(row->index_period, sizeof(row->index_period), "261121");
		b->text_bytes += n + 5;
	}
}

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct sink_kind *
find_kind(void)
{
	REGISTRY_FOREACH (sink_kind, struct sink_kind, slot)
		if (strcmp((*slot)->name, "elasticsearch") == 0)
			return *slot;
	exit(1);
}

static int
measure(const struct sink_kind *kind, void *sink, uint64_t wanted)
{
	static struct export_batch batch[BATCHES];
	static struct sink_batch group[BATCHES];
	static uint64_t bits[BATCHES][(ROWS + 63) / 64];
	uint64_t sent = 0, begin_ns;
	double begin_cpu_s, wall_s, busy_s;

	for (unsigned i = 0; i < BATCHES; i++) {
		fill_batch(&batch[i], i);
		group[i] = (struct sink_batch){.batch = &batch[i], .rejected = bits[i]};
	}
	if (kind->write(sink, group, BATCHES) != 0) { /* the schema is looked at, the fields are sent, buffers grow */
		fprintf(stderr, "elastic_bench: %s\n", kind->explain(sink));
		return 1;
	}
	begin_ns = clock_monotonic_ns();
	begin_cpu_s = cpu_s();
	for (; sent < wanted; sent += (uint64_t)BATCHES * ROWS)
		if (kind->write(sink, group, BATCHES) != 0)
			return 1;
	wall_s = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
	busy_s = cpu_s() - begin_cpu_s;
	printf("elastic_bench: %" PRIu64
	       " records of %d bytes in %.2f s: %.0f k records/s by the clock, %.0f k on one core "
	       "(%.0f ns a record)\n",
	       sent, DOCUMENT_BYTES, wall_s, (double)sent / wall_s / 1e3, (double)sent / busy_s / 1e3,
	       busy_s * 1e9 / (double)sent);
	return 0;
}

int
main(int argc, char **argv)
{
	char elasticsearch[64], state[] = "/tmp/elastic-bench-XXXXXX", state_word[64];
	const char *overrides[OVERRIDES_MAX] = {elasticsearch, state_word};
	struct conf_params params = {.node = "bench", .overrides = overrides, .n_overrides = 2};
	struct document_conf document = {.node = "bench", .prefix = "arkime_"};
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	const struct sink_kind *kind = find_kind();
	char why[512];
	uint16_t port;
	pid_t server = start_server(&port);
	struct conf *conf;
	void *sink;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(state) == NULL || !fields_init())
		return 1;
	snprintf(elasticsearch, sizeof(elasticsearch), "elasticsearch=127.0.0.1:%u", port);
	snprintf(state_word, sizeof(state_word), "stateDir=%s", state);
	for (int i = 2; i < argc && params.n_overrides < OVERRIDES_MAX; i++)
		overrides[params.n_overrides++] = argv[i];
	conf = conf_load(&params, stderr);
	if (conf == NULL)
		return 1;
	sink = kind->create(&(struct sink_params){.conf = conf, .document = &document}, why, sizeof(why));
	if (sink == NULL) {
		fprintf(stderr, "elastic_bench: %s\n", why);
		return 1;
	}
	rc = measure(kind, sink, wanted);
	kind->destroy(sink);
	conf_destroy(conf);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(state_word, sizeof(state_word), "%s/bench.arkime_sequence", state);
	unlink(state_word);
	rmdir(state);
	return rc;
}
