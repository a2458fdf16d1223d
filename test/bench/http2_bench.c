/* What HTTP/2 costs a worker: requests with ten headers and their answers, as gRPC and browsers repeat them, and
 * bodies.
 *
 *   http2_bench [sessions] */
#include <nghttp2/nghttp2.h>

#include "parsing_bench.h"

enum { REQUESTS = 100, SEGMENT = 1448, BODY = 1 << 20, FRAME = 16384 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct stream_of_bytes {
	uint8_t at[BODY + BODY / 8];
	size_t n;
};
static struct stream_of_bytes side[2];

static void
put_frame(struct stream_of_bytes *s, unsigned type, unsigned flags, unsigned stream, const uint8_t *payload, size_t n)
{
	const uint8_t head[] = {
		(uint8_t)(n >> 16),	(uint8_t)(n >> 8), (uint8_t)n, (uint8_t)type, (uint8_t)flags, 0, 0,
		(uint8_t)(stream >> 8), (uint8_t)stream};

	if (s->n + sizeof(head) + n > sizeof(s->at))
		abort();
	memcpy(s->at + s->n, head, sizeof(head));
	memcpy(s->at + s->n + sizeof(head), payload, n);
	s->n += sizeof(head) + n;
}

static void
put_headers(struct stream_of_bytes *s, nghttp2_hd_deflater *encoder, unsigned stream, unsigned flags,
	    const char *const *pairs)
{
	nghttp2_nv nv[16];
	uint8_t block[2048];
	size_t n = 0;

	for (; pairs[2 * n] != NULL; n++)
		nv[n] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[2 * n], (uint8_t *)(uintptr_t)pairs[2 * n + 1],
				     strlen(pairs[2 * n]), strlen(pairs[2 * n + 1]), NGHTTP2_NV_FLAG_NONE};
	put_frame(s, 1, flags, stream, block, (size_t)nghttp2_hd_deflate_hd(encoder, block, sizeof(block), nv, n));
}

static void
make_session(unsigned requests, size_t body)
{
	static const uint8_t bytes[FRAME];
	nghttp2_hd_deflater *encoder[2];
	char path[32];

	for (unsigned i = 0; i < 2; i++) {
		side[i].n = 0;
		if (nghttp2_hd_deflate_new(&encoder[i], 4096) != 0)
			abort();
	}
	memcpy(side[0].at, preface, sizeof(preface) - 1);
	side[0].n = sizeof(preface) - 1;
	for (unsigned i = 0; i < requests; i++) {
		snprintf(path, sizeof(path), "/path/%u?key=value", i);
		put_headers(&side[0], encoder[0], 2 * i + 1, 5,
			    (const char *[]){":method",
					     "GET",
					     ":scheme",
					     "http",
					     ":authority",
					     "www.example.com",
					     ":path",
					     path,
					     "user-agent",
					     "a browser",
					     "accept",
					     "*/*",
					     "accept-encoding",
					     "gzip",
					     "cookie",
					     "session=0123456789abcdef",
					     "te",
					     "trailers",
					     "x-id",
					     path,
					     NULL});
		put_headers(&side[1], encoder[1], 2 * i + 1, 4,
			    (const char *[]){":status", "200", "server", "a server", "content-type", "text/html",
					     "date", "Sat, 21 Nov 2026 12:00:00 GMT", "content-length", "100", NULL});
		for (size_t left = body; left > 0;) {
			size_t n = left < FRAME ? left : FRAME;

			left -= n;
			put_frame(&side[1], 0, left == 0, 2 * i + 1, bytes, n);
		}
	}
	for (unsigned i = 0; i < 2; i++)
		nghttp2_hd_deflate_del(encoder[i]);
}

static double
measure(const char *digests, unsigned sessions)
{
	const char *overrides[] = {digests, "magicMode=basic", "parseHTTPHeaderRequestAll=true",
				   "parseHTTPHeaderResponseAll=true"};
	struct bench b;
	double begin = 0;

	bench_create(&b, SHRIKE_TCP, overrides, 4);
	for (unsigned i = 0; i < sessions + sessions / 10; i++) {
		if (i == sessions / 10)
			begin = bench_now_ns();
		for (unsigned d = 0; d < 2; d++)
			for (size_t at = 0; at < side[d].n; at += SEGMENT)
				bench_feed(&b, d, side[d].at + at, side[d].n - at < SEGMENT ? side[d].n - at : SEGMENT);
		bench_session_end(&b);
	}
	begin = (bench_now_ns() - begin) / sessions;
	bench_destroy(&b);
	return begin;
}

int
main(int argc, char **argv)
{
	unsigned sessions = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;

	make_session(REQUESTS, 100);
	printf("%-48s %8.0f ns\n", "request of 10 headers, answer with 100 bytes",
	       measure("bodyDigests=off", sessions) / REQUESTS);
	printf("%-48s %8.0f ns\n", "the same with MD5", measure("bodyDigests=all", sessions) / REQUESTS);
	make_session(1, BODY);
	printf("%-48s %8.0f ns\n", "segment of 1,448 bytes of a body",
	       measure("bodyDigests=off", sessions) / ((double)BODY / SEGMENT));
	return 0;
}
