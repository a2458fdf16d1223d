/* Documents about files and about the sensor (RECORD.md 4 and 7), and reading them back at start. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "elastic_priv.h"
#include "json.h"
#include "log.h"

enum { DOCUMENT_LIMIT_BYTES = 1 << 20, FILES_PAGE = 1000, STATS_TRIES = 2 };

static void
put_number(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

static void
put_ms(struct json *j, const char *key, uint64_t ns)
{
	if (ns != 0)
		put_number(j, key, ns / NS_PER_MS);
}

static void
put_string(struct json *j, const char *key, const char *value)
{
	if (value == NULL)
		return;
	json_key(j, key);
	json_str(j, value, strlen(value), true);
}

/* What is known when a file is made. 'locked' is the viewer's to change later: only a new document says it. */
static void
put_beginning(struct json *j, const struct elastic *e, const struct export_file *f, bool is_new)
{
	put_number(j, "num", f->number);
	put_string(j, "name", f->name);
	if (f->first_ns != 0)
		put_number(j, "first", f->first_ns / NS_PER_S);
	put_string(j, "node", e->document->node);
	if (f->closing || f->in_place)
		put_number(j, "filesize", f->closing ? f->file_bytes : 0);
	if (is_new)
		put_number(j, "locked", f->locked);
	put_string(j, "packetPosEncoding", f->gap_positions ? "gap0" : NULL);
	put_string(j, "scheme", f->in_place ? "file" : NULL);
	put_ms(j, "startTimestamp", f->start_ns);
	put_ms(j, "firstTimestamp", f->first_ns);
}

static void
put_end(struct json *j, const struct export_file *f)
{
	put_number(j, "packetsSize", f->packets_bytes);
	put_number(j, "packets", f->packets);
	put_ms(j, "finishTimestamp", f->finish_ns);
	if (f->packets > 0)
		put_ms(j, "lastTimestamp", f->last_ns);
	put_number(j, "sessionsStarted", f->sessions_started);
	put_number(j, "sessionsPresent", f->sessions_present);
}

static void
put_file(struct json *j, const char *key, const struct elastic *e, const struct export_file *f, bool is_new)
{
	json_key(j, key);
	json_object_begin(j);
	put_beginning(j, e, f, is_new);
	if (f->closing)
		put_end(j, f);
	json_object_end(j);
}

static bool
file_id(const struct elastic *e, uint32_t number, char *out, size_t size)
{
	int n = snprintf(out, size, "%s-%" PRIu32, e->document->node != NULL ? e->document->node : "", number);

	return n > 0 && (size_t)n < size;
}

/* Refused for ever is no reason to stand still: the documents behind it would wait too. */
static int
file_answered(struct elastic *e, const struct export_file *f, int status)
{
	char quoted[1024];

	if (status < 0)
		return status;
	if (status < 300)
		return 0;
	if (status != 400)
		return elastic_status_error(status);
	LOG_ERROR("elastic.file", "number=%" PRIu32 " file=\"%s\" error=\"%s\" do=\"this files document is lost\"",
		  f->number, f->name != NULL ? f->name : "", log_quote(quoted, sizeof(quoted), e->why));
	return 0;
}

int
elastic_write_file(struct elastic *e, const struct export_file *f)
{
	char path[ELASTIC_PATH_BYTES], id[512];
	size_t length;
	struct json j;
	int status = -ENOMEM;

	if (!file_id(e, f->number, id, sizeof(id)) || !elastic_path(e->prefix, "files/_update/", id, path))
		return -ENAMETOOLONG;
	length = strlen(path);
	snprintf(path + length, sizeof(path) - length, "?retry_on_conflict=5%s", f->closing ? "" : "&refresh=true");
	json_init(&j, DOCUMENT_LIMIT_BYTES);
	json_object_begin(&j);
	put_file(&j, "doc", e, f, !f->closing);
	put_file(&j, "upsert", e, f, true);
	json_object_end(&j);
	json_bytes(&j, "", 1);
	if (!j.failed)
		status = elastic_request(e, "POST", path, j.text, NULL);
	json_fini(&j);
	return file_answered(e, f, status);
}

/* ---- stats: the node's document has a version of its own, so that a late one never replaces a newer one */

static int
stats_version(struct elastic *e, const char *id)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *answer;
	int status;

	if (!elastic_path(e->prefix, "stats/_doc/", id, path))
		return -ENAMETOOLONG;
	status = elastic_request(e, "GET", path, NULL, &answer);
	e->stats_version = (uint64_t)json_integer_value(json_object_get(answer, "_version"));
	json_decref(answer);
	if (status < 0)
		return status;
	return status == 200 || status == 404 ? 0 : elastic_status_error(status);
}

static int
put_stats(struct elastic *e, const struct export_stats *stats, bool versioned)
{
	char path[ELASTIC_PATH_BYTES], index[32];
	size_t length;

	snprintf(index, sizeof(index), "%s/_doc/", export_stats_index(stats));
	if (!elastic_path(e->prefix, index, stats->id, path))
		return -ENAMETOOLONG;
	length = strlen(path);
	if (versioned)
		snprintf(path + length, sizeof(path) - length, "?version=%" PRIu64 "&version_type=external",
			 ++e->stats_version);
	return elastic_request(e, "POST", path, stats->json, NULL);
}

int
elastic_write_stats(struct elastic *e, const struct export_stats *stats)
{
	bool versioned = stats->flavour == 0 && stats->live;
	int status = 409;

	for (unsigned i = 0; status == 409 && i < STATS_TRIES; i++) {
		int rc = versioned && e->stats_version == 0 ? stats_version(e, stats->id) : 0;

		if (rc < 0)
			return rc;
		status = put_stats(e, stats, versioned);
		if (status == 409)
			e->stats_version = 0;
	}
	if (status < 0)
		return status;
	e->wrote = true;
	return status < 300 ? 0 : elastic_status_error(status);
}

/* ---- at start, before there is a sink */

struct elastic *
elastic_open(const struct conf *conf, const struct document_conf *document, char *why, size_t why_size)
{
	struct elastic *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->document = document;
	e->http = elastic_connect(conf, &e->conf, why, why_size);
	if (e->http != NULL && elastic_prefix(document, e->prefix))
		return e;
	http_destroy(e->http);
	free(e);
	return NULL;
}

void
elastic_close(struct elastic *e)
{
	http_destroy(e->http);
	free(e);
}

/* One page of this node's files, from the number after 'after'. How many there were, or -errno. */
static int
files_page(struct elastic *e, uint32_t *after, export_file_callback each, void *context)
{
	char path[ELASTIC_PATH_BYTES], *node = NULL;
	json_t *answer, *hit, *text = json_string(e->document->node != NULL ? e->document->node : "");
	const json_t *hits;
	size_t i, n;
	char *body = NULL;
	int status = -ENOMEM;

	node = text != NULL ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
	json_decref(text);
	snprintf(path, sizeof(path), "/%sfiles/_search", e->prefix);
	if (node != NULL && asprintf(&body,
				     "{\"size\":%d,\"_source\":[\"num\",\"name\"],\"sort\":[{\"num\":\"asc\"}],"
				     "\"query\":{\"bool\":{\"filter\":[{\"term\":{\"node\":%s}},"
				     "{\"range\":{\"num\":{\"gt\":%" PRIu32 "}}}]}}}",
				     FILES_PAGE, node, *after) < 0)
		body = NULL;
	free(node);
	if (body == NULL)
		return -ENOMEM;
	status = elastic_request(e, "POST", path, body, &answer);
	free(body);
	hits = json_object_get(json_object_get(answer, "hits"), "hits");
	n = json_array_size(hits);
	for (i = 0; status == 200 && i < n; i++) {
		const char *name;

		hit = json_object_get(json_array_get(hits, i), "_source");
		name = json_string_value(json_object_get(hit, "name"));
		*after = (uint32_t)json_integer_value(json_object_get(hit, "num"));
		if (name != NULL)
			each(name, *after, context);
	}
	json_decref(answer);
	if (status < 0)
		return status;
	return status == 200 ? (int)n : elastic_status_error(status);
}

int
elastic_each_file(const struct sink_params *p, export_file_callback each, void *context)
{
	char why[512] = "";
	struct elastic *e = elastic_open(p->conf, p->document, why, sizeof(why));
	uint32_t after = 0;
	int n = FILES_PAGE;

	if (e == NULL)
		return -EIO;
	while (n == FILES_PAGE)
		n = files_page(e, &after, each, context);
	if (n < 0)
		LOG_ERROR("elastic.files", "error=\"%s\"",
			  log_quote(why, sizeof(why), e->why[0] != '\0' ? e->why : strerror(-n)));
	elastic_close(e);
	return n < 0 ? n : 0;
}

int
elastic_read_stats(const struct sink_params *p, char *json, size_t json_size)
{
	char why[512] = "", path[ELASTIC_PATH_BYTES];
	struct elastic *e = elastic_open(p->conf, p->document, why, sizeof(why));
	json_t *answer = NULL;
	char *text = NULL;
	int rc;

	if (e == NULL)
		return -EIO;
	rc = elastic_path(e->prefix, "stats/_doc/", p->document->node != NULL ? p->document->node : "", path)
		     ? elastic_request_within(e, ELASTIC_NUMBER_TIMEOUT_S, "GET", path, NULL, &answer)
		     : -ENAMETOOLONG;
	if (rc == 200)
		text = json_dumps(json_object_get(answer, "_source"), JSON_COMPACT);
	if (rc == 200)
		rc = text != NULL && (size_t)snprintf(json, json_size, "%s", text) < json_size ? 0 : -EMSGSIZE;
	else if (rc > 0)
		rc = elastic_status_error(rc);
	free(text);
	json_decref(answer);
	elastic_close(e);
	return rc;
}
