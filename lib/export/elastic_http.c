/* HTTP over libcurl's multi interface.
 *
 * Each connection has an easy handle of its own, set up once; a request only changes its address, body and headers. The
 * body is not copied: curl reads it where it is, or where it was compressed into the handle's own buffer.
 *
 * A proxy of the environment is not used: the store of a sensor is next to it, and a proxy meant for browsers would see
 * every record. Names are resolved by a thread of curl's, which inherits the CPUs of the thread that calls here.
 *
 * As in the reference a certificate of this very machine (localhost, 127.0.0.1, ::1) is not verified: a store set up
 * with its defaults signs its own, and nobody is between. */
#include "elastic_http.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <rte_common.h>
#include <zlib.h>
#include <zstd.h>

#include "base64.h"
#include "clock.h"
#include "log.h"

enum {
	SMALLEST_COMPRESSED_BYTES = 860,
	UPLOAD_BUFFER_BYTES = 1 << 19,
	DEAD_FIRST_MS = 250,
	DEAD_MAX_MS = 30000,
	DEAD_ONLY_MAX_MS = 5000,
	WAIT_STEP_MS = 100, /* how soon an interruption is seen */
	GZIP_LEVEL = 1, /* records shrink to a tenth already; the best level takes five times as long for a twelfth */
	ZSTD_LEVEL = 1,
	GZIP_WINDOW_BITS = 15 + 16,
	GZIP_MEMORY = 8,
	TEXT_MAX = 512,
};

struct host {
	char *url;   /* as curl wants it, without a slash at its end */
	char *shown; /* without user and password */
	bool is_here;
	unsigned failures, probes; /* probes: requests under way that shall tell whether it is back */
	uint64_t dead_until_ns, answered_ns;
	uint64_t failed_ns; /* the first of 'failures' */
};

struct buffer {
	char *text;
	size_t bytes, capacity;
};

struct slot {
	CURL *easy;
	struct http *http;
	struct http_call *call; /* NULL: free */
	struct host *host;
	struct buffer answer, compressed;
	struct curl_slist *headers;
	bool too_long, is_probe;
	uint64_t begin_ns;
	char error[CURL_ERROR_SIZE];
};

struct http {
	struct http_conf conf;
	CURLM *multi;
	struct host *host;
	unsigned n_hosts, next_host;
	struct slot *slot;
	unsigned n_slots, in_flight;
	char *authorization;
	struct curl_slist *headers[2][2]; /* [is_lines][compressed] */
	z_stream gzip;
	bool has_gzip;
	ZSTD_CCtx *zstd;
	char shown[TEXT_MAX], error[TEXT_MAX];
	_Atomic bool interrupted;
};

static bool
buffer_reserve(struct buffer *b, size_t bytes)
{
	size_t capacity = b->capacity > 0 ? b->capacity : 4096;
	char *grown;

	if (bytes <= b->capacity)
		return true;
	while (capacity < bytes)
		capacity *= 2;
	grown = realloc(b->text, capacity);
	if (grown == NULL)
		return false;
	b->text = grown;
	b->capacity = capacity;
	return true;
}

static size_t
take_answer(char *data, size_t size, size_t n, void *context)
{
	struct slot *s = context;
	size_t bytes = size * n;

	if (s->answer.bytes + bytes > HTTP_ANSWER_MAX || !buffer_reserve(&s->answer, s->answer.bytes + bytes + 1)) {
		s->too_long = true;
		return 0;
	}
	memcpy(s->answer.text + s->answer.bytes, data, bytes);
	s->answer.bytes += bytes;
	return bytes;
}

bool
http_escape(char *out, size_t size, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
	size_t used = 0;

	for (; *text != '\0'; text++) {
		if (used + 4 > size)
			return false;
		if (strchr(plain, *text) != NULL)
			out[used++] = *text;
		else
			used += (size_t)snprintf(out + used, size - used, "%%%02X", (unsigned)(uint8_t)*text);
	}
	out[used] = '\0';
	return true;
}

/* ---- hosts */

static bool
is_this_machine(const char *host, size_t length)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], host, length) == 0)
			return true;
	return false;
}

static bool
host_init(struct host *h, const char *text, size_t length)
{
	bool has_scheme = memmem(text, length, "://", 3) != NULL;
	const char *rest, *at, *end;
	size_t host_length;

	while (length > 0 && text[length - 1] == '/')
		length--;
	if (asprintf(&h->url, "%s%.*s", has_scheme ? "" : "http://", (int)length, text) < 0) {
		h->url = NULL;
		return false;
	}
	rest = strstr(h->url, "://") + 3;
	end = rest + strcspn(rest, "/");
	at = memrchr(rest, '@', (size_t)(end - rest));
	if (at == NULL)
		at = rest - 1;
	if (asprintf(&h->shown, "%.*s%s", (int)(rest - h->url), h->url, at + 1) < 0) {
		h->shown = NULL;
		return false;
	}
	rest = at + 1;
	host_length = *rest == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
	h->is_here = is_this_machine(rest, host_length);
	return true;
}

static bool
hosts_init(struct http *h, char *why, size_t why_size)
{
	static const char separators[] = ",; \t";
	const char *p = h->conf.urls + strspn(h->conf.urls, separators);

	h->host = calloc(HTTP_HOSTS_MAX, sizeof(*h->host));
	if (h->host == NULL) {
		snprintf(why, why_size, "out of memory");
		return false;
	}
	for (; *p != '\0'; p += strspn(p, separators)) {
		size_t length = strcspn(p, separators);

		if (length > HTTP_URL_MAX || h->n_hosts == HTTP_HOSTS_MAX) {
			snprintf(why, why_size, "elasticsearch: at most %d addresses of at most %d characters",
				 HTTP_HOSTS_MAX, HTTP_URL_MAX);
			return false;
		}
		if (!host_init(&h->host[h->n_hosts++], p, length)) {
			snprintf(why, why_size, "out of memory");
			return false;
		}
		p += length;
	}
	if (h->n_hosts == 0)
		snprintf(why, why_size, "elasticsearch: no address (elasticsearch=http://localhost:9200)");
	for (unsigned i = 0, used = 0; i < h->n_hosts && used < sizeof(h->shown); i++)
		used += (unsigned)snprintf(h->shown + used, sizeof(h->shown) - used, "%s%s", i > 0 ? "," : "",
					   h->host[i].shown);
	return h->n_hosts > 0;
}

/* The next one that may be tried; a host that failed gets one request until it has answered. Those from before its
 * failure do not count: one of them may stand still for long. */
static struct host *
host_next(struct http *h)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (unsigned i = 0; i < h->n_hosts; i++) {
		struct host *host = &h->host[(h->next_host + i) % h->n_hosts];

		if (host->failures > 0 && (host->dead_until_ns > now_ns || host->probes > 0))
			continue;
		h->next_host = (h->next_host + i + 1) % h->n_hosts;
		return host;
	}
	return NULL;
}

/* A request that fails while others of that time are answered has had bad luck; the host has not failed. */
static void
host_failed(struct http *h, const struct slot *s, const char *why)
{
	uint64_t most = h->n_hosts > 1 ? DEAD_MAX_MS : DEAD_ONLY_MAX_MS, now_ns = clock_monotonic_ns();
	struct host *host = s->host;
	uint64_t dead_ms = (uint64_t)DEAD_FIRST_MS << (host->failures < 16 ? host->failures : 16);

	snprintf(h->error, sizeof(h->error), "%s: %s", host->shown, why);
	if (host->failures == 0 && host->answered_ns > s->begin_ns)
		return;
	if (host->failures++ == 0)
		host->failed_ns = now_ns;
	host->dead_until_ns = now_ns + (dead_ms < most ? dead_ms : most) * NS_PER_MS;
	if (host->failures == 1 && h->n_hosts > 1)
		LOG_WARN("elastic.host", "host=\"%s\" error=\"%s\" do=\"the other hosts are used meanwhile\"",
			 host->shown, why);
}

static void
host_answered(struct http *h, struct host *host)
{
	host->answered_ns = clock_monotonic_ns();
	if (host->failures > 0 && h->n_hosts > 1)
		LOG_INFO("elastic.host", "host=\"%s\" note=\"answers again\"", host->shown);
	host->failures = 0;
}

/* ---- bodies */

static bool
gzip_body(struct http *h, struct slot *s, const struct http_call *c)
{
	z_stream *z = &h->gzip;

	if (deflateReset(z) != Z_OK || !buffer_reserve(&s->compressed, deflateBound(z, c->body_bytes)))
		return false;
	z->next_in = (Bytef *)(uintptr_t)c->body;
	z->avail_in = (uInt)c->body_bytes;
	z->next_out = (Bytef *)s->compressed.text;
	z->avail_out = (uInt)s->compressed.capacity;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return false;
	s->compressed.bytes = z->total_out;
	return true;
}

static bool
zstd_body(struct http *h, struct slot *s, const struct http_call *c)
{
	size_t n;

	if (!buffer_reserve(&s->compressed, ZSTD_compressBound(c->body_bytes)))
		return false;
	n = ZSTD_compressCCtx(h->zstd, s->compressed.text, s->compressed.capacity, c->body, c->body_bytes, ZSTD_LEVEL);
	s->compressed.bytes = n;
	return !ZSTD_isError(n);
}

/* False: the body goes as it is. */
static bool
compress_body(struct http *h, struct slot *s, const struct http_call *c)
{
	if (h->conf.compression == HTTP_PLAIN || c->body_bytes <= SMALLEST_COMPRESSED_BYTES)
		return false;
	if (!(h->conf.compression == HTTP_GZIP ? gzip_body(h, s, c) : zstd_body(h, s, c)))
		return false;
	return s->compressed.bytes < c->body_bytes;
}

/* ---- requests */

static struct slot *
slot_free(struct http *h)
{
	for (unsigned i = 0; i < h->n_slots; i++)
		if (h->slot[i].call == NULL)
			return &h->slot[i];
	return NULL;
}

static void
set_body(struct slot *s, const char *body, size_t bytes)
{
	curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, body);
}

static void
set_request(struct http *h, struct slot *s, const struct http_call *c)
{
	bool compressed = c->body != NULL && compress_body(h, s, c);
	bool verify = !h->conf.insecure && !s->host->is_here;
	uint32_t timeout_s = c->timeout_s > 0 ? c->timeout_s : h->conf.request_timeout_s;

	curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(s->easy, CURLOPT_NOBODY, 0L);
	curl_easy_setopt(s->easy, CURLOPT_HTTPGET, 1L);
	if (compressed)
		set_body(s, s->compressed.text, s->compressed.bytes);
	else if (c->body != NULL)
		set_body(s, c->body, c->body_bytes);
	if (strcmp(c->method, "HEAD") == 0)
		curl_easy_setopt(s->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, c->method);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, h->headers[c->is_lines][compressed]);
	curl_easy_setopt(s->easy, CURLOPT_TIMEOUT, (long)timeout_s);
	curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
}

static bool
set_address(struct slot *s, const char *path)
{
	char *url;
	bool good;

	if (asprintf(&url, "%s%s", s->host->url, path) < 0)
		return false;
	good = curl_easy_setopt(s->easy, CURLOPT_URL, url) == CURLE_OK;
	free(url);
	return good;
}

int
http_start(struct http *h, struct http_call *c)
{
	struct slot *s = slot_free(h);
	struct host *host;

	if (http_interrupted(h))
		return -ECANCELED;
	if (s == NULL)
		return -EAGAIN;
	host = host_next(h);
	if (host == NULL)
		return -EHOSTDOWN;
	s->host = host;
	s->answer.bytes = 0;
	s->too_long = false;
	s->begin_ns = clock_monotonic_ns();
	s->error[0] = '\0';
	if (!set_address(s, c->path) || !buffer_reserve(&s->answer, 1))
		return -ENOMEM;
	set_request(h, s, c);
	if (curl_multi_add_handle(h->multi, s->easy) != CURLM_OK)
		return -ENOMEM;
	s->call = c;
	s->is_probe = host->failures > 0;
	host->probes += s->is_probe;
	h->in_flight++;
	return 0;
}

static void
slot_end(struct http *h, struct slot *s)
{
	curl_multi_remove_handle(h->multi, s->easy);
	s->host->probes -= s->is_probe;
	h->in_flight--;
	s->call = NULL;
}

static int
error_of(const struct slot *s, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_WRITE_ERROR:
		return s->too_long ? -EMSGSIZE : -EIO;
	default:
		return -EIO;
	}
}

static void
slot_done(struct http *h, struct slot *s, CURLcode code)
{
	struct http_answer answer = {.error = error_of(s, code)};
	struct http_call *call = s->call;
	long status = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	if (answer.error != 0)
		host_failed(h, s, s->error[0] != '\0' ? s->error : curl_easy_strerror(code));
	else
		host_answered(h, s->host);
	answer.status = (int)status;
	s->answer.text[s->answer.bytes] = '\0';
	answer.text = s->answer.text;
	answer.bytes = s->answer.bytes;
	slot_end(h, s);
	call->done(call, &answer);
}

static void
collect_done(struct http *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct slot *s = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&s);
		slot_done(h, s, message->data.result);
	}
}

void
http_wait(struct http *h, unsigned wait_ms)
{
	int running;

	curl_multi_perform(h->multi, &running);
	if ((unsigned)running == h->in_flight)
		curl_multi_poll(h->multi, NULL, 0, (int)(wait_ms < WAIT_STEP_MS ? wait_ms : WAIT_STEP_MS), NULL);
	curl_multi_perform(h->multi, &running);
	collect_done(h);
}

unsigned
http_in_flight(const struct http *h)
{
	return h->in_flight;
}

uint64_t
http_down_since_ns(const struct http *h)
{
	uint64_t since_ns = 0;

	for (unsigned i = 0; i < h->n_hosts; i++) {
		if (h->host[i].failures == 0)
			return 0;
		since_ns = RTE_MAX(since_ns, h->host[i].failed_ns);
	}
	return since_ns;
}

void
http_cancel(struct http *h)
{
	const struct http_answer cancelled = {.error = -ECANCELED, .text = ""};

	for (unsigned i = 0; i < h->n_slots; i++) {
		struct http_call *call = h->slot[i].call;

		if (call == NULL)
			continue;
		slot_end(h, &h->slot[i]);
		call->done(call, &cancelled);
	}
}

struct waited {
	struct http_answer *answer;
	bool done;
};

static void
waited_done(struct http_call *c, const struct http_answer *answer)
{
	struct waited *w = c->context;

	*w->answer = *answer;
	w->done = true;
}

int
http_perform(struct http *h, const struct http_call *call, struct http_answer *answer)
{
	struct waited w = {.answer = answer};
	struct http_call c = *call;
	int error;

	*answer = (struct http_answer){.text = ""};
	c.done = waited_done;
	c.context = &w;
	error = http_start(h, &c);
	while (error == 0 && !w.done) {
		if (http_interrupted(h)) {
			http_cancel(h);
			error = -ECANCELED;
			break;
		}
		http_wait(h, WAIT_STEP_MS);
	}
	if (error != 0)
		answer->error = error;
	return answer->error;
}

void
http_interrupt(struct http *h)
{
	atomic_store(&h->interrupted, true);
}

bool
http_interrupted(const struct http *h)
{
	return atomic_load_explicit(&h->interrupted, memory_order_relaxed);
}

const char *
http_error(const struct http *h)
{
	return h->error;
}

const char *
http_hosts(const struct http *h)
{
	return h->shown;
}

/* ---- beginning and end */

static char *
base64(const char *text)
{
	size_t length = strlen(text);
	char *out = malloc((length + 2) / 3 * 4 + 1);

	if (out != NULL)
		*base64_put(out, (const uint8_t *)text, length, false) = '\0';
	return out;
}

/* A password in clear has a colon before it, which base64 has not. */
static bool
authorization_init(struct http *h)
{
	const char *basic = h->conf.basic;
	char *encoded = NULL;
	int n = 0;

	if (h->conf.api_key[0] != '\0') {
		n = asprintf(&h->authorization, "Authorization: ApiKey %s", h->conf.api_key);
	} else if (basic[0] != '\0') {
		encoded = strchr(basic, ':') != NULL ? base64(basic) : strdup(basic);
		n = encoded != NULL ? asprintf(&h->authorization, "Authorization: Basic %s", encoded) : -1;
		free(encoded);
	}
	if (n < 0)
		h->authorization = NULL;
	return n >= 0;
}

static bool
header_append(struct curl_slist **list, const char *text)
{
	struct curl_slist *grown = curl_slist_append(*list, text);

	if (grown != NULL)
		*list = grown;
	return grown != NULL;
}

static bool
headers_init(struct http *h)
{
	static const char *const content[] = {"Content-Type: application/json", "Content-Type: application/x-ndjson"};
	static const char *const encoding[] = {"", "Content-Encoding: gzip", "Content-Encoding: zstd"};
	bool good = true;

	for (unsigned lines = 0; lines < 2; lines++)
		for (unsigned compressed = 0; compressed < 2; compressed++) {
			struct curl_slist **list = &h->headers[lines][compressed];

			good = good && header_append(list, content[lines]) && header_append(list, "Expect:");
			if (h->authorization != NULL)
				good = good && header_append(list, h->authorization);
			if (compressed)
				good = good && header_append(list, encoding[h->conf.compression]);
		}
	return good;
}

static void
set_text(CURL *easy, CURLoption option, const char *text)
{
	if (text[0] != '\0')
		curl_easy_setopt(easy, option, text);
}

static bool
slot_init(struct http *h, struct slot *s)
{
	const struct http_conf *c = &h->conf;

	s->http = h;
	s->easy = curl_easy_init();
	if (s->easy == NULL)
		return false;
	curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "shrike");
	curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(s->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
	curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT, (long)c->connect_timeout_s);
	curl_easy_setopt(s->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (c->compression != HTTP_PLAIN)
		curl_easy_setopt(s->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	set_text(s->easy, CURLOPT_CAINFO, c->ca_file);
	set_text(s->easy, CURLOPT_SSLCERT, c->client_certificate);
	set_text(s->easy, CURLOPT_SSLKEY, c->client_key);
	set_text(s->easy, CURLOPT_KEYPASSWD, c->client_key_password);
	return true;
}

static bool
connections_init(struct http *h)
{
	h->n_slots = h->conf.max_connections > 0 ? h->conf.max_connections : 1;
	if (h->n_slots > HTTP_CONNECTIONS_MAX)
		h->n_slots = HTTP_CONNECTIONS_MAX;
	h->multi = curl_multi_init();
	h->slot = calloc(h->n_slots, sizeof(*h->slot));
	if (h->multi == NULL || h->slot == NULL)
		return false;
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->n_slots);
	for (unsigned i = 0; i < h->n_slots; i++)
		if (!slot_init(h, &h->slot[i]))
			return false;
	return true;
}

static bool
compression_init(struct http *h)
{
	if (h->conf.compression == HTTP_GZIP)
		return h->has_gzip = deflateInit2(&h->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY,
						  Z_DEFAULT_STRATEGY) == Z_OK;
	if (h->conf.compression == HTTP_ZSTD)
		return (h->zstd = ZSTD_createCCtx()) != NULL;
	return true;
}

struct http *
http_create(const struct http_conf *conf, char *why, size_t why_size)
{
	struct http *h = calloc(1, sizeof(*h));

	snprintf(why, why_size, "out of memory");
	if (h == NULL)
		return NULL;
	h->conf = *conf;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !hosts_init(h, why, why_size) ||
	    !authorization_init(h) || !headers_init(h) || !compression_init(h) || !connections_init(h)) {
		http_destroy(h);
		return NULL;
	}
	return h;
}

void
http_destroy(struct http *h)
{
	if (h == NULL)
		return;
	if (h->multi != NULL && h->slot != NULL)
		http_cancel(h);
	for (unsigned i = 0; h->slot != NULL && i < h->n_slots; i++) {
		curl_easy_cleanup(h->slot[i].easy);
		free(h->slot[i].answer.text);
		free(h->slot[i].compressed.text);
	}
	curl_multi_cleanup(h->multi);
	for (unsigned i = 0; i < 4; i++)
		curl_slist_free_all(h->headers[i / 2][i % 2]);
	for (unsigned i = 0; h->host != NULL && i < h->n_hosts; i++) {
		free(h->host[i].url);
		free(h->host[i].shown);
	}
	if (h->has_gzip)
		deflateEnd(&h->gzip);
	ZSTD_freeCCtx(h->zstd);
	free(h->authorization);
	free(h->host);
	free(h->slot);
	free(h);
}
