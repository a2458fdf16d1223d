/* What HTTP costs above TCP: a whole session of request, response headers and a 64 KB body in packets of 930 bytes.
 *
 *   http_bench [rounds [any word]]        with a word: only the first line, for a profiler
 *
 * For each setting of the body digests the ns of CPU of the first exchange's headers (session begun, classified, both
 * header blocks, record, end), and of one body packet behind them. Bytes of the body lie in 64 KB that the cache keeps,
 * so what a packet costs to fetch from memory is not in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parsing.h"

#define BASIC "magicMode=basic"

enum { PACKET_BYTES = 930, BODY_BYTES = 65536, RECORD_CHUNKS = 1024, ROUNDS = 20000, MEMORY_BYTES = 16 << 20 };

struct bench {
	struct counters counters;
	struct record_pool *records;
	struct parsing *parsing;
	struct record *record;
	void *slot;
	uint8_t body[BODY_BYTES];
};

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct record *
record_open(void *context, void *session)
{
	struct bench *b = context;

	(void)session;
	if (b->record == NULL)
		b->record = record_create(b->records);
	return b->record;
}

static void
record_close(void *context, void *session)
{
	(void)context;
	(void)session;
}

static const struct record *
record_peek(void *context, void *session)
{
	(void)session;
	return ((struct bench *)context)->record;
}

static void
facts(void *context, void *session, struct parsing_facts *out)
{
	(void)context;
	(void)session;
	*out = (struct parsing_facts){.ip_protocol = 6, .port = {40000, 80}};
}

static void
feed(struct bench *b, unsigned direction, const void *bytes, size_t size)
{
	struct parsing_chunk chunk = {.session = b,
				      .slot = &b->slot,
				      .bytes = cursor_make(bytes, size),
				      .direction = (uint8_t)direction,
				      .transport = SHRIKE_TCP};

	(void)parsing_feed(b->parsing, &chunk);
}

static void
feed_headers(struct bench *b)
{
	static const char request[] =
		"GET /download/file?id=1234&token=abcdef HTTP/1.1\r\n"
		"Host: www.example.com\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
		"Accept-Language: en-US,en;q=0.5\r\n"
		"Accept-Encoding: gzip, deflate, br\r\n"
		"Cookie: session=0123456789abcdef; theme=dark\r\n"
		"Connection: keep-alive\r\n\r\n";
	static const char response[] = "HTTP/1.1 200 OK\r\n"
				       "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
				       "Server: nginx\r\n"
				       "Content-Type: application/octet-stream\r\n"
				       "Content-Length: 65536\r\n"
				       "Connection: keep-alive\r\n\r\n";

	feed(b, 0, request, sizeof(request) - 1);
	feed(b, 1, response, sizeof(response) - 1);
}

static unsigned
feed_body(struct bench *b)
{
	unsigned packets = 0;

	for (size_t at = 0; at < sizeof(b->body); at += PACKET_BYTES, packets++)
		feed(b, 1, &b->body[at], sizeof(b->body) - at < PACKET_BYTES ? sizeof(b->body) - at : PACKET_BYTES);
	return packets;
}

static void
end_session(struct bench *b)
{
	parsing_save(b->parsing, b, &b->slot, 0, true);
	record_free(b->records, b->record);
	b->record = NULL;
}

static void
measure(struct bench *b, const char *what, unsigned rounds)
{
	double headers = 0, bodies = 0;
	unsigned packets = 0;

	for (unsigned i = 0; i < rounds; i++) {
		feed_headers(b);
		end_session(b);
	}
	headers = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		feed_headers(b);
		end_session(b);
	}
	headers = cpu_ns() - headers;
	bodies = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		feed_headers(b);
		packets += feed_body(b);
		end_session(b);
	}
	bodies = cpu_ns() - bodies - headers;
	printf("%-44s %8.0f %8.1f\n", what, headers / rounds, bodies / packets);
}

static const char *
protocol_name(uint8_t id)
{
	(void)id;
	return NULL;
}

static int
run(struct bench *b, const char *what, const char *const overrides[], unsigned n, unsigned rounds)
{
	struct conf_params conf_params = {.node = "bench", .overrides = overrides, .n_overrides = n};
	struct conf *conf = conf_load(&conf_params, stderr);
	struct parsers *parsers = conf != NULL ? parsers_create(conf) : NULL;
	struct parsing_params params = {.parsers = parsers,
					.records = b->records,
					.counters = &b->counters,
					.host = {b, record_open, record_close, record_peek, facts},
					.memory_bytes = MEMORY_BYTES};

	if (parsers == NULL)
		return 1;
	parsers_bind_protocols(parsers, protocol_name, 0);
	b->parsing = parsing_create(&params);
	if (b->parsing == NULL)
		return 1;
	measure(b, what, rounds);
	parsing_destroy(b->parsing);
	parsers_destroy(parsers);
	conf_destroy(conf);
	return 0;
}

int
main(int argc, char **argv)
{
	static const char *const off[] = {BASIC, "bodyDigests=off"}, *const small[] = {BASIC, "bodyDigests=small"},
				 *const md5[] = {BASIC}, *const both[] = {BASIC, "supportSha256=true"},
				 *const libmagic[] = {"bodyDigests=off"},
				 *const headers[] = {BASIC,
						     "bodyDigests=off",
						     "parseQSValue=true",
						     "parseCookieValue=true",
						     "parseHTTPHeaderRequestAll=true",
						     "parseHTTPHeaderResponseAll=true"};
	static struct bench bench;
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ROUNDS;
	struct bench *b = &bench;
	int failed;

	counters_attach(&b->counters, "bench");
	b->records = record_pool_create(RECORD_CHUNKS, 0, &b->counters);
	if (b->records == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(b->body); i++)
		b->body[i] = (uint8_t)(i * 7);
	printf("%-44s %8s %8s\n", "ns", "headers", "a packet");
	failed = run(b, "no digests", off, 2, rounds);
	if (argc > 2)
		return failed;
	failed |= run(b, "no digests, all headers and values kept", headers, 6, rounds);
	failed |= run(b, "no digests, libmagic for bodies", libmagic, 1, rounds / 10 + 1);
	failed |= run(b, "digests of bodies up to 64 KB", small, 2, rounds / 10 + 1);
	failed |= run(b, "MD5", md5, 1, rounds / 10 + 1);
	failed |= run(b, "MD5 and SHA-256", both, 2, rounds / 10 + 1);
	record_pool_destroy(b->records);
	return failed;
}
