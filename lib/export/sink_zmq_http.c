/* HTTP messages from their pieces (core/tap.h).
 *
 * Pieces of many messages come mixed, those of one in order. A message is found by its worker's feed and its number; it
 * grows as pieces come, and is sent with its last one. All of them together have a limit of memory (zmqHttpMemory): the
 * one that began first is given up when a new one wants what there is not. A message of which a piece was refused (the
 * worker's ring was full) is not sent: half of one would look like a whole one. Both are counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "clock.h"
#include "zmq_priv.h"

enum { BUCKETS = 4096, TEXT_BYTES_FIRST = 256, START_LINE_BYTES_MAX = 1024 };

/* Of which HTTP/2 has its start lines (RFC 9113 8.3.1). */
enum { PSEUDO_METHOD, PSEUDO_PATH, PSEUDO_AUTHORITY, PSEUDO_HEADERS };
static const char *const pseudo_names[PSEUDO_HEADERS] = {":method", ":path", ":authority"};

struct text {
	char *bytes;
	size_t size, capacity;
};

struct http_message {
	struct http_message *next, **slot;  /* of its bucket */
	struct http_message *newer, *older; /* by when they began */
	const struct feed *feed;
	uint64_t number;
	uint32_t pieces;
	struct tap_http_begin begin;
	struct tap_http_status status;
	struct text line, name, value, headers, body, pseudo[PSEUDO_HEADERS];
	uint64_t body_bytes, body_missing;
	bool is_damaged, has_status, has_value;
};

struct http_assembly {
	struct http_message *bucket[BUCKETS];
	struct http_message *oldest, *newest;
	size_t memory_bytes, memory_max, body_max;
	uint64_t given_up;
};

struct http_assembly *
zmq_http_create(size_t memory_bytes, size_t body_bytes_max)
{
	struct http_assembly *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->memory_max = memory_bytes;
	a->body_max = body_bytes_max;
	return a;
}

static struct http_message **
bucket_of(struct http_assembly *a, const struct feed *feed, uint64_t number)
{
	return &a->bucket[((uintptr_t)feed / 64 + number) % BUCKETS];
}

static struct http_message *
find(struct http_assembly *a, const struct feed *feed, uint64_t number)
{
	struct http_message *m = *bucket_of(a, feed, number);

	while (m != NULL && (m->feed != feed || m->number != number))
		m = m->next;
	return m;
}

static void
text_free(struct http_assembly *a, struct text *t)
{
	a->memory_bytes -= t->capacity;
	free(t->bytes);
	*t = (struct text){0};
}

static void
message_free(struct http_assembly *a, struct http_message *m)
{
	*m->slot = m->next;
	if (m->next != NULL)
		m->next->slot = m->slot;
	if (m->older != NULL)
		m->older->newer = m->newer;
	else
		a->oldest = m->newer;
	if (m->newer != NULL)
		m->newer->older = m->older;
	else
		a->newest = m->older;
	text_free(a, &m->line);
	text_free(a, &m->name);
	text_free(a, &m->value);
	text_free(a, &m->headers);
	text_free(a, &m->body);
	for (unsigned i = 0; i < PSEUDO_HEADERS; i++)
		text_free(a, &m->pseudo[i]);
	a->memory_bytes -= sizeof(*m);
	free(m);
}

void
zmq_http_forget(struct http_assembly *a)
{
	while (a->oldest != NULL)
		message_free(a, a->oldest);
}

void
zmq_http_destroy(struct http_assembly *a)
{
	if (a == NULL)
		return;
	zmq_http_forget(a);
	free(a);
}

uint64_t
zmq_http_given_up(const struct http_assembly *a)
{
	return a->given_up;
}

/* Makes room for 'size' bytes more, at the cost of others than 'keep'. */
static bool
claim(struct http_assembly *a, const struct http_message *keep, size_t size)
{
	while (a->memory_bytes + size > a->memory_max && a->oldest != NULL) {
		struct http_message *victim = a->oldest != keep ? a->oldest : a->oldest->newer;

		if (victim == NULL)
			return false;
		a->given_up++;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one before has been taken off the list */
		message_free(a, victim);
	}
	return a->memory_bytes + size <= a->memory_max;
}

/* Appends, up to 'max' bytes in all; false: there is no memory for it. */
static bool
append(struct http_assembly *a, struct http_message *m, struct text *t, const void *bytes, size_t size, size_t max)
{
	size_t capacity = t->capacity > 0 ? t->capacity : TEXT_BYTES_FIRST;
	char *more;

	if (size > max - t->size)
		size = max - t->size;
	while (capacity < t->size + size)
		capacity *= 2;
	if (capacity > t->capacity) {
		if (!claim(a, m, capacity - t->capacity))
			return false;
		more = realloc(t->bytes, capacity);
		if (more == NULL)
			return false;
		a->memory_bytes += capacity - t->capacity;
		t->bytes = more;
		t->capacity = capacity;
	}
	if (size > 0)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a text with a size has bytes */
		memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
	return true;
}

static struct http_message *
message_begin(struct http_assembly *a, const struct feed *feed, uint64_t number, const struct tap_http_begin *begin)
{
	struct http_message *m, **bucket = bucket_of(a, feed, number);

	if (!claim(a, NULL, sizeof(*m)) || (m = calloc(1, sizeof(*m))) == NULL) {
		a->given_up++;
		return NULL;
	}
	a->memory_bytes += sizeof(*m);
	m->feed = feed;
	m->number = number;
	m->begin = *begin;
	m->slot = bucket;
	m->next = *bucket;
	if (m->next != NULL)
		m->next->slot = &m->next;
	*bucket = m;
	m->older = a->newest;
	if (a->newest != NULL)
		a->newest->newer = m;
	else
		a->oldest = m;
	a->newest = m;
	return m;
}

static bool
pseudo_header_end(struct http_assembly *a, struct http_message *m)
{
	for (unsigned i = 0; i < PSEUDO_HEADERS; i++)
		if (m->name.size == strlen(pseudo_names[i]) &&
		    memcmp(m->name.bytes, pseudo_names[i], m->name.size) == 0 && m->pseudo[i].size == 0)
			return append(a, m, &m->pseudo[i], m->value.bytes, m->value.size, ZMQ_HEADERS_BYTES_MAX);
	return true;
}

/* ["name","value"] into the list, when there is one. 'j' is scratch. */
static bool
header_end(struct http_assembly *a, struct http_message *m, struct json *j)
{
	bool good = true;

	if (m->has_value && m->name.size > 0) {
		json_reset(j);
		json_array_begin(j);
		json_str(j, m->name.bytes, m->name.size, true);
		json_str(j, m->value.bytes != NULL ? m->value.bytes : "", m->value.size, true);
		json_array_end(j);
		if (m->headers.size > 0)
			good = append(a, m, &m->headers, ",", 1, ZMQ_HEADERS_BYTES_MAX);
		/* Half a header would spoil the rest. */
		good = good && !j->failed && j->size < ZMQ_HEADERS_BYTES_MAX - m->headers.size &&
		       append(a, m, &m->headers, j->text, j->size, ZMQ_HEADERS_BYTES_MAX);
		if (m->begin.stream != 0 && m->name.bytes[0] == ':')
			good = good && pseudo_header_end(a, m);
	}
	m->name.size = 0;
	m->value.size = 0;
	m->has_value = false;
	return good;
}

/* METHOD TARGET HTTP/2, into 'line'. The target of CONNECT is the authority (RFC 9113 8.5). */
static bool
join_request_line(struct http_assembly *a, struct http_message *m)
{
	const struct text *target = &m->pseudo[m->pseudo[PSEUDO_PATH].size > 0 ? PSEUDO_PATH : PSEUDO_AUTHORITY];
	const struct text *method = &m->pseudo[PSEUDO_METHOD];

	return append(a, m, &m->line, method->bytes, method->size, ZMQ_HEADERS_BYTES_MAX) &&
	       append(a, m, &m->line, " ", 1, ZMQ_HEADERS_BYTES_MAX) &&
	       append(a, m, &m->line, target->bytes, target->size, ZMQ_HEADERS_BYTES_MAX) &&
	       append(a, m, &m->line, " HTTP/2", 7, ZMQ_HEADERS_BYTES_MAX);
}

/* Of a response the reason phrase was collected alone: version and status are known when the block is whole. */
static void
write_start_line(struct json *j, const struct http_message *m)
{
	char line[START_LINE_BYTES_MAX];
	int n;

	json_key(j, "startLine");
	if (m->begin.is_request) {
		json_str(j, m->line.bytes != NULL ? m->line.bytes : "", m->line.size, true);
		return;
	}
	if (m->begin.stream != 0)
		n = snprintf(line, sizeof(line), "HTTP/2 %03u", m->status.status);
	else
		n = snprintf(line, sizeof(line), "HTTP/%u.%u %03u%s%.*s", m->status.major, m->status.minor,
			     m->status.status, m->line.size > 0 ? " " : "", (int)m->line.size,
			     m->line.size > 0 ? m->line.bytes : "");
	json_str(j, line, RTE_MIN((size_t)n, sizeof(line) - 1), true);
	json_key(j, "statusCode");
	json_u64(j, m->status.status);
}

static void
key_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

static void
message_send(struct zmq_sink *z, struct http_message *m, bool is_complete)
{
	struct json *j = &z->json;

	json_reset(j);
	json_object_begin(j);
	zmq_flow_write(z, &m->begin.flow);
	key_u64(j, "timestamp", m->begin.time_ns / NS_PER_MS);
	json_key(j, "type");
	json_text(j, m->begin.is_request ? "request" : "response");
	if (m->begin.stream != 0)
		key_u64(j, "stream", m->begin.stream);
	write_start_line(j, m);
	json_key(j, "headers");
	json_array_begin(j);
	if (m->headers.size > 0)
		json_raw(j, m->headers.bytes, m->headers.size);
	json_array_end(j);
	key_u64(j, "bodyBytes", m->body_bytes);
	key_u64(j, "bodyCut", m->body_bytes - m->body.size);
	key_u64(j, "bodyMissing", m->body_missing);
	json_key(j, "complete");
	json_bool(j, is_complete);
	json_object_end(j);
	json_bytes(j, "\n", 1);
	if (j->failed)
		z->http->given_up++;
	else
		zmq_socket_send(z, ZMQ_TOPIC_HTTP, j->text, j->size, m->body.bytes, m->body.size);
}

static void
message_end(struct zmq_sink *z, struct http_message *m, const struct tap_http_end *end)
{
	if (!header_end(z->http, m, &z->json))
		m->is_damaged = true;
	if (m->is_damaged)
		z->http->given_up++;
	else if (m->has_status) /* else not even its headers came */
		message_send(z, m, end->is_complete);
	message_free(z->http, m);
}

/* One piece of what is there already; false: no memory. */
static bool
piece_add(struct zmq_sink *z, struct http_message *m, enum tap_http_kind kind, const void *bytes, size_t size)
{
	struct http_assembly *a = z->http;
	bool good = true;
	uint32_t missing;

	switch (kind) {
	case TAP_HTTP_LINE:
		return append(a, m, &m->line, bytes, size, ZMQ_HEADERS_BYTES_MAX);
	case TAP_HTTP_NAME:
		if (m->has_value)
			good = header_end(a, m, &z->json);
		return good && append(a, m, &m->name, bytes, size, ZMQ_HEADERS_BYTES_MAX);
	case TAP_HTTP_VALUE:
		m->has_value = true;
		return append(a, m, &m->value, bytes, size, ZMQ_HEADERS_BYTES_MAX);
	case TAP_HTTP_UNNAME:
		m->name.size = 0;
		return true;
	case TAP_HTTP_STATUS:
		memcpy(&m->status, bytes, sizeof(m->status));
		m->has_status = true;
		return header_end(a, m, &z->json) &&
		       (m->begin.stream == 0 || !m->begin.is_request || join_request_line(a, m));
	case TAP_HTTP_BODY:
		m->body_bytes += size;
		return append(a, m, &m->body, bytes, size, a->body_max);
	case TAP_HTTP_MISSING:
		memcpy(&missing, bytes, sizeof(missing));
		m->body_missing += missing;
		return true;
	case TAP_HTTP_BEGIN:
	case TAP_HTTP_END:
		break;
	}
	return true;
}

void
zmq_http_take(const struct feed *feed, const void *message, size_t size, void *sink)
{
	const struct tap_http *piece = message;
	const void *bytes = piece + 1;
	struct zmq_sink *z = sink;
	struct http_message *m;

	size -= sizeof(*piece);
	if (!z->topic[ZMQ_TOPIC_HTTP].is_wanted)
		return;
	if (piece->kind == TAP_HTTP_BEGIN) {
		m = message_begin(z->http, feed, piece->message, bytes);
		if (m != NULL)
			m->pieces = 1;
		return;
	}
	m = find(z->http, feed, piece->message);
	if (m == NULL)
		return; /* given up, and counted then; or its beginning was refused, and counted there */
	if (piece->piece != m->pieces++)
		m->is_damaged = true;
	if (piece->kind == TAP_HTTP_END)
		message_end(z, m, bytes);
	else if (!m->is_damaged && !piece_add(z, m, (enum tap_http_kind)piece->kind, bytes, size))
		m->is_damaged = true;
}
