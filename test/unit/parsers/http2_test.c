#include <stdlib.h>
#include <time.h>

#include <nghttp2/nghttp2.h>

#include "feed.h"
#include "harness.h"
#include "tap.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE = 24, CLIENT = 0, SERVER = 1, SESSION_BYTES_MAX = 512 * 1024 };

enum { DATA, HEADERS, PRIORITY_FRAME, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 0x20 };

/* ---- Frames */

struct bytes {
	uint8_t *at;
	size_t n, room;
};

static void
put(struct bytes *b, const void *bytes, size_t n)
{
	if (b->n + n > b->room) {
		b->room = 2 * (b->n + n);
		b->at = realloc(b->at, b->room);
		if (b->at == NULL)
			abort();
	}
	if (n > 0)
		memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static void
put_number(struct bytes *b, uint32_t value, unsigned size)
{
	for (unsigned i = size; i-- > 0;)
		put(b, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void
put_frame(struct bytes *b, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t n)
{
	put_number(b, (uint32_t)n, 3);
	put_number(b, type, 1);
	put_number(b, flags, 1);
	put_number(b, stream, 4);
	put(b, payload, n);
}

/* ---- Header blocks, by nghttp2's encoder or by hand */

struct pair {
	const char *name, *value;
};

static struct bytes
block(nghttp2_hd_deflater *encoder, const struct pair *pairs)
{
	nghttp2_nv nv[400];
	size_t n = 0, room;
	struct bytes b = {.n = 0};

	for (; pairs[n].name != NULL; n++)
		nv[n] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[n].name, (uint8_t *)(uintptr_t)pairs[n].value,
				     strlen(pairs[n].name), strlen(pairs[n].value), NGHTTP2_NV_FLAG_NONE};
	room = nghttp2_hd_deflate_bound(encoder, nv, n);
	b.at = malloc(room);
	b.room = room;
	b.n = (size_t)nghttp2_hd_deflate_hd(encoder, b.at, room, nv, n);
	return b;
}

/* A literal without indexing, not Huffman coded (RFC 7541 6.2.2); names and values below 127 bytes. */
static void
put_literal(struct bytes *b, const char *name, const char *value)
{
	put_number(b, 0, 1);
	put_number(b, (uint32_t)strlen(name), 1);
	put(b, name, strlen(name));
	put_number(b, (uint32_t)strlen(value), 1);
	put(b, value, strlen(value));
}

/* ---- A connection of a client and a server that says what it is told */

struct connection {
	struct harness *h;
	nghttp2_hd_deflater *encoder[2];
};

static bool
feed(struct connection *c, unsigned direction, struct bytes *b)
{
	bool is_live = harness_tcp(c->h, direction, b->at, b->n);

	free(b->at);
	*b = (struct bytes){.n = 0};
	return is_live;
}

static bool
frame(struct connection *c, unsigned direction, unsigned type, unsigned flags, uint32_t stream, const void *payload,
      size_t n)
{
	struct bytes b = {.n = 0};

	put_frame(&b, type, flags, stream, payload, n);
	return feed(c, direction, &b);
}

static bool
headers(struct connection *c, unsigned direction, unsigned flags, uint32_t stream, const struct pair *pairs)
{
	struct bytes b = block(c->encoder[direction], pairs);
	bool is_live = frame(c, direction, HEADERS, flags, stream, b.at, b.n);

	free(b.at);
	return is_live;
}

static struct connection
open_connection(void)
{
	struct connection c = {.h = harness_create("supportSha256=true", "parseHTTPHeaderRequestAll=true",
						   "parseHTTPHeaderResponseAll=true", "parseQSValue=true",
						   "parseCookieValue=true")};

	for (unsigned i = 0; i < 2; i++)
		if (nghttp2_hd_deflate_new(&c.encoder[i], 4096) != 0)
			abort();
	harness_tcp(c.h, CLIENT, preface, PREFACE);
	frame(&c, CLIENT, SETTINGS, 0, 0, "", 0);
	frame(&c, SERVER, SETTINGS, 0, 0, "", 0);
	return c;
}

static void
close_connection(struct connection *c)
{
	for (unsigned i = 0; i < 2; i++)
		nghttp2_hd_deflate_del(c->encoder[i]);
	harness_destroy(c->h);
}

#define PAIRS(...) ((const struct pair[]){__VA_ARGS__, {NULL, NULL}})
#define GET(path)                                                                                                      \
	PAIRS({":method", "GET"}, {":scheme", "http"}, {":authority", "Example.com:8080"}, {":path", path},            \
	      {"user-agent", "a browser"}, {"cookie", "a=1"}, {"cookie", "b=2"}, {"x-test", "Value"})
#define OK PAIRS({":status", "200"}, {"server", "a server"})

/* ---- What is recorded */

TEST(a_request_and_its_answer_are_read)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, GET("/a/b?k=v&l=w"));
	EXPECT(harness_has(c.h, "protocol", "http2"));
	EXPECT_FIELD(c.h, "http.path", "/a/b");
	EXPECT_FIELD(c.h, "http.key", "k,l");
	EXPECT_FIELD(c.h, "http.value", "v,w");
	EXPECT(harness_has(c.h, "http.method", "GET"));
	EXPECT_FIELD(c.h, "http.host", "Example.com");
	EXPECT_FIELD(c.h, "http.useragent", "a browser");
	EXPECT_FIELD(c.h, "http.cookieKey", "a,b");
	EXPECT_FIELD(c.h, "http.cookieValue", "1,2");
	EXPECT_FIELD(c.h, "http.requestHeader", "user-agent,cookie,x-test");
	EXPECT(harness_has(c.h, "http.requestHeaderValue", "value"));
	headers(&c, SERVER, END_HEADERS, 1, OK);
	EXPECT_FIELD(c.h, "http.statuscode", "200");
	EXPECT_FIELD(c.h, "http.responseHeader", "server");
	EXPECT_FIELD(c.h, "http.responseHeaderValue", "a server");
	frame(&c, SERVER, DATA, 0, 1, "<html>", 6);
	EXPECT_FIELD(c.h, "http.bodyMagic", "text/html");
	frame(&c, SERVER, DATA, END_STREAM, 1, "abc", 3);
	EXPECT_FIELD(c.h, "http.md5", "418472f5568b75f709987814ec010025");
	EXPECT_FIELD(c.h, "http.sha256", "5295d4c6dcb7b12843c76ae2b227235a487789cac60d0d8c65853781bb6934a7");
	EXPECT_NO_FIELD(c.h, "tags");
	harness_every_truncation(c.h);
	harness_every_split(c.h, PREFACE, "http.bodyMagic");
	close_connection(&c);
}

TEST(the_preface_may_be_the_destinations)
{
	struct connection c = {.h = harness_create()};
	struct bytes b = {.n = 0}, f = {.n = 0};

	put_literal(&b, ":path", "/x");
	put(&f, preface, PREFACE);
	put_frame(&f, HEADERS, END_HEADERS, 1, b.at, b.n);
	feed(&c, SERVER, &f);
	EXPECT_FIELD(c.h, "http.path", "/x");
	free(b.at);
	harness_destroy(c.h);
}

/* HTTP/1 first; the server may be quicker than the client's preface, and send frames together with its 101. */
static void
expect_upgrade(bool together, bool client_first)
{
	static const char request[] =
		"GET /old HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n"
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
	static const char switching[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
	struct connection c = {.h = harness_create()};
	struct bytes b = {.n = 0}, f = {.n = 0};

	harness_tcp(c.h, CLIENT, request, sizeof(request) - 1);
	put(&f, switching, sizeof(switching) - 1);
	if (!together)
		feed(&c, SERVER, &f);
	put_frame(&f, SETTINGS, 0, 0, "\0\3\0\0\0\x64", 6);
	put_literal(&b, ":status", "207");
	put_frame(&f, HEADERS, END_HEADERS, 1, b.at, b.n);
	put_frame(&f, DATA, END_STREAM, 1, "abc", 3);
	if (client_first)
		harness_tcp(c.h, CLIENT, preface, PREFACE);
	feed(&c, SERVER, &f);
	if (!client_first) {
		harness_tcp(c.h, CLIENT, preface, 10);
		harness_tcp(c.h, CLIENT, preface + 10, PREFACE - 10);
	}
	b.n = 0;
	put_literal(&b, ":path", "/new");
	put_frame(&f, HEADERS, END_HEADERS, 3, b.at, b.n);
	feed(&c, CLIENT, &f);
	free(b.at);
	EXPECT(harness_has(c.h, "protocol", "http2"));
	EXPECT(harness_has(c.h, "http.path", "/old"));
	EXPECT(harness_has(c.h, "http.path", "/new"));
	EXPECT(harness_has(c.h, "http.statuscode", "207"));
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	EXPECT_NO_FIELD(c.h, "tags");
	harness_every_truncation(c.h);
	harness_destroy(c.h);
}

TEST(an_upgraded_session_is_read)
{
	expect_upgrade(false, true);
	expect_upgrade(false, false);
	expect_upgrade(true, false);
}

TEST(settings_alone_are_not_enough)
{
	struct connection c = {.h = harness_create()};

	frame(&c, SERVER, SETTINGS, 0, 0, "\0\3\0\0\0\x64", 6);
	EXPECT(!harness_has(c.h, "protocol", "http2"));
	harness_destroy(c.h);
}

TEST(padding_priority_and_continuation_are_taken_off)
{
	struct connection c = open_connection();
	struct bytes b = block(c.encoder[CLIENT], GET("/a")), f = {.n = 0};

	put_number(&f, 3, 1);
	put(&f, "\x80\0\0\1\7", 5);
	put(&f, b.at, 5);
	put(&f, "\0\0\0", 3);
	frame(&c, CLIENT, HEADERS, PADDED | PRIORITY | END_STREAM, 1, f.at, f.n);
	for (size_t i = 5; i + 1 < b.n; i++)
		frame(&c, CLIENT, CONTINUATION, 0, 1, b.at + i, 1);
	frame(&c, CLIENT, CONTINUATION, END_HEADERS, 1, b.at + b.n - 1, 1);
	EXPECT_FIELD(c.h, "http.path", "/a");
	EXPECT_FIELD(c.h, "http.useragent", "a browser");
	EXPECT(harness_has(c.h, "http.requestHeaderValue", "value"));
	headers(&c, SERVER, END_HEADERS, 1, OK);
	frame(&c, SERVER, DATA, PADDED | END_STREAM, 1, "\3abc\0\0\0", 7);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	free(b.at);
	free(f.at);
	harness_every_truncation(c.h);
	close_connection(&c);
}

TEST(padding_longer_than_its_frame_is_refused)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	frame(&c, CLIENT, DATA, PADDED | END_STREAM, 1, "\4abc", 4);
	EXPECT_NO_FIELD(c.h, "http.md5");
	frame(&c, CLIENT, DATA, PADDED | END_STREAM, 1, "\3abc", 4);
	EXPECT_FIELD(c.h, "http.md5", "d41d8cd98f00b204e9800998ecf8427e");
	frame(&c, CLIENT, HEADERS, PADDED | END_HEADERS, 3, "\2\0", 2);
	headers(&c, CLIENT, END_HEADERS, 5, GET("/b"));
	EXPECT_FIELD(c.h, "http.path", "/a");
	close_connection(&c);
}

TEST(a_promised_request_is_the_servers)
{
	struct connection c = open_connection();
	struct bytes b = block(c.encoder[SERVER], GET("/pushed")), f = {.n = 0};

	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, GET("/a"));
	put_number(&f, 2, 4);
	put(&f, b.at, b.n);
	frame(&c, SERVER, PUSH_PROMISE, END_HEADERS, 1, f.at, f.n);
	EXPECT_FIELD(c.h, "http.path", "/a,/pushed");
	EXPECT(harness_has(c.h, "http.responseHeader", "user-agent"));
	EXPECT_FIELD(c.h, "http.useragent", "a browser");
	headers(&c, SERVER, END_HEADERS, 2, OK);
	frame(&c, SERVER, DATA, END_STREAM, 2, "abc", 3);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	/* Nothing but the server's end closes it. */
	frame(&c, SERVER, DATA, END_STREAM, 2, "abc", 3);
	EXPECT(harness_has(c.h, "tags", "http2:data-frame-after-close"));
	free(b.at);
	free(f.at);
	close_connection(&c);
}

TEST(a_body_that_trailers_end_has_no_digest)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	frame(&c, CLIENT, DATA, 0, 1, "abc", 3);
	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, PAIRS({"x-trailer", "t"}));
	EXPECT_NO_FIELD(c.h, "http.md5");
	EXPECT(harness_has(c.h, "http.requestHeader", "x-trailer"));
	close_connection(&c);
}

TEST(data_behind_the_end_is_tagged)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	frame(&c, CLIENT, RST_STREAM, 0, 1, "\0\0\0\0", 4);
	EXPECT_NO_FIELD(c.h, "tags");
	frame(&c, CLIENT, DATA, 0, 1, "abc", 3);
	EXPECT_FIELD(c.h, "tags", "http2:data-frame-after-close");
	close_connection(&c);
}

TEST(a_stream_may_be_closed_amid_a_frame)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	put_frame(&b, DATA, END_STREAM, 1, "abcdef", 6);
	harness_tcp(c.h, CLIENT, b.at, 12);
	frame(&c, SERVER, RST_STREAM, 0, 1, "\0\0\0\0", 4);
	harness_tcp(c.h, CLIENT, b.at + 12, 3);
	EXPECT_NO_FIELD(c.h, "http.md5");
	free(b.at);
	close_connection(&c);
}

TEST(a_data_frame_that_is_too_large_is_passed_over)
{
	struct connection c = open_connection();
	size_t n = (1 << 20) + 1;
	uint8_t *zeroes = calloc(1, n);

	REQUIRE(zeroes != NULL);
	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	frame(&c, CLIENT, DATA, 0, 1, zeroes, n);
	EXPECT_FIELD(c.h, "tags", "http2:data-frame-too-large");
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	EXPECT_FIELD(c.h, "http.path", "/a,/b");
	free(zeroes);
	close_connection(&c);
}

TEST(what_is_lost_inside_a_body_costs_only_its_digest)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	put_frame(&b, DATA, 0, 1, "abcdef", 6);
	harness_tcp(c.h, CLIENT, b.at, 11);
	EXPECT(harness_gap(c.h, CLIENT, 4));
	free(b.at);
	frame(&c, CLIENT, DATA, END_STREAM, 1, "abc", 3);
	EXPECT_NO_FIELD(c.h, "http.md5");
	frame(&c, CLIENT, DATA, END_STREAM, 3, "abc", 3);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	EXPECT(!harness_gap(c.h, CLIENT, 1) || !harness_is_live(c.h));
	close_connection(&c);
}

/* ---- HPACK */

TEST(a_table_update_beyond_the_limit_ends_one_direction)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	frame(&c, CLIENT, HEADERS, END_HEADERS, 3, "\x3f\xe2\x1f", 3); /* 4097 */
	headers(&c, CLIENT, END_HEADERS, 5, GET("/b"));
	EXPECT_FIELD(c.h, "http.path", "/a");
	headers(&c, SERVER, END_HEADERS, 1, OK);
	EXPECT_FIELD(c.h, "http.statuscode", "200");
	/* Its streams are open nevertheless. */
	frame(&c, SERVER, DATA, END_STREAM, 5, "abc", 3);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	close_connection(&c);
}

/* As browsers allow it, and servers use it. */
TEST(a_table_may_be_as_large_as_the_other_side_allows)
{
	struct connection c = open_connection();
	struct pair pairs[201];
	char name[200][64];

	frame(&c, SERVER, SETTINGS, 1, 0, "", 0);
	frame(&c, SERVER, SETTINGS, 0, 0, "\0\3\0\0\0\x64\0\1\0\1\0\0", 12);
	REQUIRE(nghttp2_hd_deflate_change_table_size(c.encoder[CLIENT], 65536) == 0);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name[i], sizeof(name[i]), "x-a-name-that-is-rather-long-and-takes-room-%u", i);
		pairs[i] = (struct pair){name[i], "v"};
	}
	pairs[200] = (struct pair){NULL, NULL};
	headers(&c, CLIENT, END_HEADERS, 1, pairs);
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	headers(&c, CLIENT, END_HEADERS, 5, pairs);
	EXPECT_FIELD(c.h, "http.path", "/b");
	EXPECT_EQ(harness_count(c.h, "http.requestHeaderField"), 2 * 200 + 3);
	EXPECT_NO_FIELD(c.h, "tags");
	EXPECT(harness_memory_bytes(c.h) < SESSION_BYTES_MAX);
	harness_every_truncation(c.h);
	close_connection(&c);
}

TEST(what_is_before_an_error_stays)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};

	put_literal(&b, ":path", "/a");
	put(&b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	frame(&c, CLIENT, HEADERS, END_HEADERS, 1, b.at, b.n);
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	EXPECT_FIELD(c.h, "http.path", "/a");
	free(b.at);
	close_connection(&c);
}

TEST(a_block_that_another_interrupts_ends_its_direction)
{
	struct connection c = open_connection();

	headers(&c, CLIENT, 0, 1, GET("/a"));
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	EXPECT_FIELD(c.h, "http.path", "/a");
	close_connection(&c);
}

TEST(names_in_upper_case_are_lowered)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};

	put_literal(&b, "X-Upper", "Value");
	frame(&c, CLIENT, HEADERS, END_HEADERS, 1, b.at, b.n);
	EXPECT_FIELD(c.h, "http.requestHeader", "x-upper");
	free(b.at);
	close_connection(&c);
}

TEST(status_and_authority_may_be_odd)
{
	struct connection c = open_connection();

	headers(&c, SERVER, END_HEADERS, 1, PAIRS({":status", "204x"}, {":authority", "no-port"}));
	headers(&c, SERVER, END_HEADERS, 3, PAIRS({":status", "x"}, {":status", ""}, {":authority", ""}));
	EXPECT_FIELD(c.h, "http.statuscode", "204");
	EXPECT_FIELD(c.h, "http.host", "no-port,");
	close_connection(&c);
}

/* ---- Hostile peers */

TEST(headers_beyond_the_budget_are_decoded_and_tagged)
{
	struct connection c = open_connection();
	struct pair pairs[302];
	char name[301][16];

	for (unsigned i = 0; i < 301; i++) {
		snprintf(name[i], sizeof(name[i]), "x-%u", i);
		pairs[i] = (struct pair){name[i], "v"};
	}
	pairs[301] = (struct pair){NULL, NULL};
	headers(&c, CLIENT, END_HEADERS, 1, pairs);
	EXPECT_FIELD(c.h, "tags", "http2:hpack-budget-exceeded");
	EXPECT_EQ(harness_count(c.h, "http.requestHeader"), 256);
	/* Refers to entries behind the budget. */
	pairs[0] = pairs[300];
	pairs[1] = (struct pair){NULL, NULL};
	headers(&c, CLIENT, END_HEADERS, 3, pairs);
	EXPECT(harness_has(c.h, "http.requestHeader", "x-300"));
	close_connection(&c);
}

/* One entry of 4000 bytes, and frames of 16 bytes that name it 16 times each. */
TEST(a_few_bytes_cannot_become_any_number)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};
	uint8_t index[16];

	put(&b, "\x40\1x\x7f\xa1\x1e", 6); /* literal with indexing: a name of one byte, a value of 4000 */
	for (unsigned i = 0; i < 4000; i++)
		put_number(&b, 'v', 1);
	frame(&c, CLIENT, HEADERS, END_HEADERS, 1, b.at, b.n);
	free(b.at);
	EXPECT_EQ(harness_count(c.h, "http.requestHeaderValue"), 1);
	memset(index, 0x80 | 62, sizeof(index));
	for (unsigned i = 0; i < 2000; i++)
		frame(&c, CLIENT, HEADERS, END_HEADERS, 3, index, sizeof(index));
	EXPECT(harness_has(c.h, "tags", "http2:hpack-budget-exceeded"));
	/* 1 MiB, and 256 bytes for each one of 36,000. */
	EXPECT(harness_count(c.h, "http.requestHeaderValue") < ((1 << 20) + 256 * 36100) / 4000 + 1);
	close_connection(&c);
}

TEST(lengths_that_are_only_announced_take_no_memory)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};

	put(&b, "\0\xff\x80\xff\x03", 5); /* a Huffman coded name of 65535 bytes */
	put_number(&b, 'v', 1);
	frame(&c, CLIENT, HEADERS, 0, 1, b.at, b.n);
	frame(&c, SERVER, HEADERS, 0, 1, b.at, b.n);
	EXPECT(harness_memory_bytes(c.h) < 32768);
	b.n = 0;
	put_number(&b, 0xffff, 3);
	put(&b, "\1\4\0\0\0\1", 6);
	feed(&c, SERVER, &b);
	EXPECT(harness_memory_bytes(c.h) < 32768);
	close_connection(&c);
}

TEST(frames_larger_than_any_are_passed_over)
{
	struct connection c = open_connection();
	size_t n = 65537;
	uint8_t *zeroes = calloc(1, n);

	REQUIRE(zeroes != NULL);
	frame(&c, CLIENT, HEADERS, END_HEADERS, 1, zeroes, n);
	EXPECT_FIELD(c.h, "tags", "http2:hpack-budget-exceeded");
	frame(&c, CLIENT, 0xbe, 0xff, 0, zeroes, n);
	EXPECT(harness_memory_bytes(c.h) < 16384);
	frame(&c, CLIENT, DATA, END_STREAM, 1, "abc", 3);
	EXPECT_FIELD(c.h, "tags", "http2:hpack-budget-exceeded,http2:data-frame-after-close");
	free(zeroes);
	close_connection(&c);
}

TEST(a_flood_of_continuations_takes_no_memory)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0}, flood = {.n = 0};

	put_literal(&b, "x-flood", "v");
	put_frame(&flood, HEADERS, 0, 1, b.at, b.n);
	for (unsigned i = 0; i < 5000; i++)
		put_frame(&flood, CONTINUATION, 0, 1, b.at, b.n);
	put_frame(&flood, CONTINUATION, END_HEADERS, 1, "", 0);
	feed(&c, CLIENT, &flood);
	EXPECT(harness_memory_bytes(c.h) < 32768);
	EXPECT_FIELD(c.h, "http.requestHeader", "x-flood");
	headers(&c, CLIENT, END_HEADERS, 3, GET("/after"));
	EXPECT_FIELD(c.h, "http.path", "/after");
	free(b.at);
	close_connection(&c);
}

TEST(more_streams_than_there_are_places_lose_only_their_digests)
{
	struct connection c = open_connection();
	char path[16];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		headers(&c, CLIENT, END_HEADERS, 2 * i + 1, GET(path));
		EXPECT(harness_has(c.h, "http.path", path));
	}
	for (unsigned i = 0; i < 200; i++)
		frame(&c, CLIENT, DATA, 0, 2 * i + 1, "abc", 3);
	EXPECT(harness_memory_bytes(c.h) < SESSION_BYTES_MAX);
	EXPECT_NO_FIELD(c.h, "tags");
	frame(&c, CLIENT, DATA, END_STREAM, 127 * 2 + 1, "", 0);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	frame(&c, CLIENT, DATA, END_STREAM, 128 * 2 + 1, "d", 1);
	EXPECT_FIELD(c.h, "http.md5", "900150983cd24fb0d6963f7d28e17f72");
	/* A place becomes free when a stream has ended in both directions. */
	headers(&c, SERVER, END_HEADERS | END_STREAM, 127 * 2 + 1, OK);
	headers(&c, CLIENT, END_HEADERS, 1001, GET("/last"));
	frame(&c, CLIENT, DATA, END_STREAM, 1001, "", 0);
	EXPECT(harness_has(c.h, "http.md5", "d41d8cd98f00b204e9800998ecf8427e"));
	close_connection(&c);
}

static double
cost_of_headers(const void *unused, size_t n)
{
	struct connection c = open_connection();
	struct bytes b = {.n = 0};
	double begin, took;
	char value[16];

	(void)unused;
	for (unsigned i = 0; i < n; i++) {
		snprintf(value, sizeof(value), "%u", i);
		put_literal(&b, "x", value);
	}
	begin = test_cpu_seconds();
	for (size_t at = 0; at < b.n; at += 16384)
		frame(&c, CLIENT, at == 0 ? HEADERS : CONTINUATION, at + 16384 < b.n ? 0 : END_HEADERS, 1, b.at + at,
		      b.n - at < 16384 ? b.n - at : 16384);
	took = test_cpu_seconds() - begin;
	EXPECT_FIELD(c.h, "tags", "http2:hpack-budget-exceeded");
	free(b.at);
	close_connection(&c);
	return took;
}

TEST(the_time_of_64k_headers_is_in_proportion)
{
	EXPECT(test_grows_at_most(cost_of_headers, NULL, 65536, 131072, 2.5, 0));
}

/* ---- What listeners hear (core/tap.h) */

struct heard {
	char text[16384];
	size_t n;
	bool verbose; /* names and values too */
};

static void
note(struct heard *h, const char *text, size_t n)
{
	n = n < sizeof(h->text) - 1 - h->n ? n : sizeof(h->text) - 1 - h->n;
	memcpy(h->text + h->n, text, n);
	h->n += n;
	h->text[h->n] = '\0';
}

/* "1>GET", "1<200": message and direction; then what comes, of each message behind its number. */
static void
hear(const struct feed *f, const void *message, size_t size, void *context)
{
	const struct tap_http *piece = message;
	const void *bytes = piece + 1;
	const struct tap_http_begin *begin = bytes;
	const struct tap_http_status *status = bytes;
	struct heard *h = context;
	uint32_t missing;
	char text[64];
	int n = snprintf(text, sizeof(text), "%s%u", h->n > 0 ? " " : "", (unsigned)piece->message);

	(void)f;
	size -= sizeof(*piece);
	if (!h->verbose && (piece->kind == TAP_HTTP_NAME || piece->kind == TAP_HTTP_VALUE))
		return;
	note(h, text, (size_t)n);
	n = 0;
	switch ((enum tap_http_kind)piece->kind) {
	case TAP_HTTP_BEGIN:
		n = snprintf(text, sizeof(text), "%c%s/%u", begin->flow.direction == CLIENT ? '>' : '<',
			     begin->is_request ? "request" : "response", begin->stream);
		break;
	case TAP_HTTP_STATUS:
		n = snprintf(text, sizeof(text), "=%u.%u,%u", status->major, status->minor, status->status);
		break;
	case TAP_HTTP_MISSING:
		memcpy(&missing, bytes, sizeof(missing));
		n = snprintf(text, sizeof(text), "-%u", missing);
		break;
	case TAP_HTTP_END:
		n = snprintf(text, sizeof(text), "%s", ((const struct tap_http_end *)bytes)->is_complete ? "." : "...");
		break;
	case TAP_HTTP_LINE:
	case TAP_HTTP_NAME:
	case TAP_HTTP_VALUE:
	case TAP_HTTP_UNNAME:
	case TAP_HTTP_BODY:
		note(h, ":", 1);
		note(h, bytes, size);
		break;
	}
	note(h, text, (size_t)n);
}

/* From now on somebody listens to what 'c' says. */
static struct connection
open_heard_connection(void)
{
	struct connection c = open_connection();

	EXPECT_EQ(feeds_want(TAP_HTTP, true, FEED_RING_BYTES_MIN), 0);
	return c;
}

static const char *
hear_all(struct heard *h)
{
	h->n = 0;
	h->text[0] = '\0';
	while (feeds_take(TAP_HTTP, 64, hear, h) > 0)
		;
	return h->text;
}

static void
close_heard_connection(struct connection *c)
{
	feeds_want(TAP_HTTP, false, FEED_RING_BYTES_MIN);
	close_connection(c);
}

TEST(listeners_hear_request_and_response_of_each_stream)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = true};

	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, PAIRS({":method", "GET"}, {":path", "/a"}, {"x", "y"}));
	EXPECT_STR(hear_all(&h), "1>request/1 1::method 1:GET 1::path 1:/a 1:x 1:y 1=2.0,0 1.");
	h.verbose = false;
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	headers(&c, SERVER, END_HEADERS, 1, OK);
	EXPECT_STR(hear_all(&h), "2>request/3 2=2.0,0 3<response/1 3=2.0,200");
	/* Mixed: both streams, both directions. */
	frame(&c, CLIENT, DATA, 0, 3, "one", 3);
	frame(&c, SERVER, DATA, 0, 1, "abc", 3);
	frame(&c, CLIENT, DATA, END_STREAM | PADDED, 3, "\2two\0\0", 6);
	frame(&c, SERVER, DATA, END_STREAM, 1, "", 0);
	EXPECT_STR(hear_all(&h), "2:one 3:abc 2:two 2. 3.");
	headers(&c, SERVER, END_HEADERS | END_STREAM, 3, PAIRS({":status", "204"}));
	EXPECT_STR(hear_all(&h), "4<response/3 4=2.0,204 4.");
	harness_save(c.h, true);
	EXPECT_STR(hear_all(&h), "");
	close_heard_connection(&c);
}

TEST(informational_responses_are_messages_and_trailers_are_not)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = false};

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	headers(&c, SERVER, END_HEADERS, 1, PAIRS({":status", "100"}));
	headers(&c, SERVER, END_HEADERS, 1, PAIRS({":status", "103"}, {"link", "</a>"}));
	headers(&c, SERVER, END_HEADERS, 1, OK);
	EXPECT_STR(hear_all(&h), "1>request/1 1=2.0,0 2<response/1 2=2.0,100 2. 3<response/1 3=2.0,103 3. "
				 "4<response/1 4=2.0,200");
	frame(&c, SERVER, DATA, 0, 1, "abc", 3);
	h.verbose = true;
	headers(&c, SERVER, END_HEADERS | END_STREAM, 1, PAIRS({"grpc-status", "0"}));
	EXPECT_STR(hear_all(&h), "4:abc 4:grpc-status 4:0 4.");
	close_heard_connection(&c);
}

TEST(a_promised_request_and_its_response_are_heard_from_the_server)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = false};
	struct bytes b = block(c.encoder[SERVER], GET("/pushed")), f = {.n = 0};

	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, GET("/a"));
	(void)hear_all(&h);
	put_number(&f, 2, 4);
	put(&f, b.at, b.n);
	frame(&c, SERVER, PUSH_PROMISE, END_HEADERS, 1, f.at, f.n);
	headers(&c, SERVER, END_HEADERS, 2, OK);
	frame(&c, SERVER, DATA, END_STREAM, 2, "abc", 3);
	EXPECT_STR(hear_all(&h), "2<request/2 2=2.0,0 2. 3<response/2 3=2.0,200 3:abc 3.");
	free(b.at);
	free(f.at);
	close_heard_connection(&c);
}

TEST(what_breaks_off_is_heard_as_not_complete)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = false};
	struct bytes b = {.n = 0};

	/* A stream that is reset. */
	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	headers(&c, SERVER, END_HEADERS, 1, OK);
	frame(&c, SERVER, RST_STREAM, 0, 1, "\0\0\0\0", 4);
	EXPECT_STR(hear_all(&h), "1>request/1 1=2.0,0 2<response/1 2=2.0,200 1... 2...");
	/* Bytes that are lost inside a body. */
	headers(&c, CLIENT, END_HEADERS, 3, GET("/b"));
	put_frame(&b, DATA, END_STREAM, 3, "abcdef", 6);
	harness_tcp(c.h, CLIENT, b.at, 11);
	harness_gap(c.h, CLIENT, 3);
	harness_tcp(c.h, CLIENT, b.at + 14, 1);
	EXPECT_STR(hear_all(&h), "3>request/3 3=2.0,0 3:ab 3-3 3:f 3.");
	/* Bytes that are lost anywhere else: of the other direction, too. */
	headers(&c, CLIENT, END_HEADERS, 5, GET("/c"));
	headers(&c, SERVER, END_HEADERS, 3, OK);
	harness_gap(c.h, CLIENT, 1);
	EXPECT_STR(hear_all(&h), "4>request/5 4=2.0,0 5<response/3 5=2.0,200 5... 4...");
	free(b.at);
	close_heard_connection(&c);

	/* The session. */
	c = open_heard_connection();
	headers(&c, CLIENT, END_HEADERS, 1, GET("/d"));
	frame(&c, CLIENT, HEADERS, 0, 3, "\x82", 1);
	harness_save(c.h, false);
	EXPECT_STR(hear_all(&h), "1>request/1 1=2.0,0 2>request/3");
	harness_save(c.h, true);
	EXPECT_STR(hear_all(&h), "2... 1...");
	close_heard_connection(&c);
}

TEST(streams_without_a_place_are_heard_with_their_headers_only)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = false};

	for (unsigned i = 0; i < 128; i++)
		headers(&c, CLIENT, END_HEADERS, 2 * i + 1, GET("/"));
	(void)hear_all(&h);
	headers(&c, CLIENT, END_HEADERS, 1001, GET("/"));
	frame(&c, CLIENT, DATA, END_STREAM, 1001, "abc", 3);
	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1003, GET("/"));
	EXPECT_STR(hear_all(&h), "129>request/1001 129=2.0,0 129... 130>request/1003 130=2.0,0 130.");
	close_heard_connection(&c);
}

TEST(headers_beyond_the_budget_make_no_complete_message)
{
	struct connection c = open_heard_connection();
	struct heard h = {.verbose = false};
	struct bytes b = {.n = 0};

	for (unsigned i = 0; i < 300; i++)
		put_literal(&b, "x", "y");
	frame(&c, CLIENT, HEADERS, END_HEADERS, 1, b.at, b.n);
	frame(&c, CLIENT, DATA, END_STREAM, 1, "abc", 3);
	EXPECT_STR(hear_all(&h), "1>request/1 1=2.0,0 1:abc 1...");
	free(b.at);
	close_heard_connection(&c);
}

TEST(who_comes_late_hears_no_half_messages)
{
	struct connection c = open_connection();
	struct heard h = {.verbose = true};

	headers(&c, CLIENT, END_HEADERS, 1, GET("/a"));
	EXPECT_EQ(feeds_want(TAP_HTTP, true, FEED_RING_BYTES_MIN), 0);
	frame(&c, CLIENT, DATA, 0, 1, "abc", 3);
	headers(&c, CLIENT, END_HEADERS | END_STREAM, 1, PAIRS({"x-trailer", "t"}));
	EXPECT_STR(hear_all(&h), "");
	headers(&c, SERVER, END_HEADERS | END_STREAM, 1, PAIRS({":status", "204"}));
	EXPECT_STR(hear_all(&h), "1<response/1 1::status 1:204 1=2.0,204 1.");
	close_heard_connection(&c);
}
