/* The sink "elasticsearch": Elasticsearch 7 and 8, OpenSearch 1 to 3.
 *
 * Everything runs on the sink's thread and may wait there: sink.c spools what comes meanwhile. So a request is a call
 * that returns, and only bulk requests are several at a time (elastic_deliver.c).
 *
 * Nothing is written to a store that has not our schema ("shrike db init"): an index that a first document made would
 * have the wrong mapping, and one named like an alias would be in the way of the schema later. Until then the sink says
 * so and its documents wait in the spool, as they do when nobody answers. The sensor runs all the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "elastic_priv.h"
#include "log.h"

static const char *const compression_words[] = {"gzip", "zstd", NULL};

static const struct setting elastic_settings[] = {
	SETTING_STR(struct elastic_conf, urls, "elasticsearch", "localhost:9200",
		    "addresses of the database, separated by commas: [http[s]://][user:password@]host[:port]; all are "
		    "used in turn"),
	SETTING_STR(struct elastic_conf, basic, "elasticsearchBasicAuth", "",
		    "user:password for the database, plain or in base64"),
	SETTING_STR(struct elastic_conf, api_key, "elasticsearchAPIKey", "", "API key for the database"),
	SETTING_STR(struct elastic_conf, ca_file, "caTrustFile", "",
		    "certificates that the database's is checked with"),
	SETTING_STR(struct elastic_conf, client_certificate, "esClientCert", "", "client certificate for the database"),
	SETTING_STR(struct elastic_conf, client_key, "esClientKey", "", "key of the client certificate"),
	SETTING_STR(struct elastic_conf, client_key_password, "esClientKeyPass", "", "password of that key"),
	SETTING_BOOL(struct elastic_conf, insecure, "elasticsearchInsecure", "false",
		     "do not check the database's certificate (that of this machine never is)"),
	SETTING_STR(struct elastic_conf, bulk_path, "esBulkQuery", "/_bulk",
		    "path and query of bulk requests for sessions, such as /_bulk?pipeline=NAME"),
	SETTING_BOOL(struct elastic_conf, compress, "compressES", "true", "compress requests of more than 860 bytes"),
	SETTING_ENUM(struct elastic_conf, compression, "elasticsearchCompression", "gzip", compression_words,
		     "how: gzip, or zstd when the database knows it"),
	SETTING_U32(struct elastic_conf, bulk_bytes, "dbBulkSize", 1000000, 500000, 15000000, "bytes",
		    "a bulk request has so many at most; fewer when the database is slow"),
	SETTING_U32(struct elastic_conf, bulk_records, "dbBulkRecords", 10000, 1, 65535, "records",
		    "a bulk request has so many at most"),
	SETTING_U32(struct elastic_conf, max_connections, "maxESConns", 20, 1, 500, "",
		    "requests under way at once, at most"),
	SETTING_U32(struct elastic_conf, connect_timeout_s, "elasticsearchConnectTimeout", 10, 1, 600, "seconds",
		    "a connection to the database has to be there by then"),
	SETTING_U32(struct elastic_conf, request_timeout_s, "elasticsearchRequestTimeout", 30, 1, 3600, "seconds",
		    "a bulk request has to be answered by then, or it is sent again"),
	SETTING_BOOL(struct elastic_conf, health_check, "dbEsHealthCheck", "true",
		     "ask the database every 30 seconds how it is"),
	SETTING_BOOL(struct elastic_conf, refresh, "elasticsearchRefresh", "true",
		     "at the end let the database make everything visible to searches (--norefresh: false)"),
	SETTING_STR(struct elastic_conf, reject_path, "elasticsearchRejectFile",
		    "/var/lib/shrike/elasticsearch-rejected.ndjson",
		    "documents that the database will never take, with its reasons"),
};
SETTINGS(elastic, "The sink elasticsearch (OpenSearch too)", elastic_settings);

enum {
	BATCHES_AT_ONCE = 64,
	FIRST_WINDOW = 4,
	HEALTH_EVERY_S = 30,
};

/* Of the answer to a bulk request nothing else is read. */
static const char bulk_filter[] = "filter_path=took,errors,error,status,items.*.status,items.*.error";

bool
elastic_prefix(const struct document_conf *document, char out[ELASTIC_PREFIX_BYTES])
{
	char name[ELASTIC_NAME_BYTES];
	size_t length;

	if (document_index_name(document, "", name, sizeof(name)) != 0)
		return false;
	length = strlen(name) - strlen("sessions3-");
	if (length >= ELASTIC_PREFIX_BYTES)
		return false;
	memcpy(out, name, length);
	out[length] = '\0';
	return true;
}

bool
elastic_path(const char *prefix, const char *index_and_more, const char *id, char out[ELASTIC_PATH_BYTES])
{
	int n = snprintf(out, ELASTIC_PATH_BYTES, "/%s%s", prefix, index_and_more);

	return n > 0 && n < ELASTIC_PATH_BYTES && http_escape(out + n, ELASTIC_PATH_BYTES - (size_t)n, id);
}

struct http *
elastic_connect(const struct conf *conf, struct elastic_conf *out, char *why, size_t why_size)
{
	struct http_conf http;

	conf_fill(conf, &elastic_settings_group, out);
	http = (struct http_conf){
		.urls = out->urls,
		.basic = out->basic,
		.api_key = out->api_key,
		.ca_file = out->ca_file,
		.client_certificate = out->client_certificate,
		.client_key = out->client_key,
		.client_key_password = out->client_key_password,
		.insecure = out->insecure,
		.connect_timeout_s = out->connect_timeout_s,
		.request_timeout_s = out->request_timeout_s,
		.max_connections = out->max_connections,
		.compression = !out->compress	       ? HTTP_PLAIN
			       : out->compression == 0 ? HTTP_GZIP
						       : HTTP_ZSTD,
	};
	return http_create(&http, why, why_size);
}

/* ---- requests with a JSON answer */

int
elastic_request_within(struct elastic *e, unsigned timeout_s, const char *method, const char *path, const char *body,
		       json_t **json)
{
	struct http_call call = {.method = method,
				 .path = path,
				 .body = body,
				 .body_bytes = body != NULL ? strlen(body) : 0,
				 .timeout_s = timeout_s};
	struct http_answer answer;
	json_t *root = NULL;
	char text[700];
	int error = http_perform(e->http, &call, &answer);

	if (json != NULL)
		*json = NULL;
	if (error != 0) {
		snprintf(e->why, sizeof(e->why), "%s", http_error(e->http));
		return error == -EHOSTDOWN ? -EHOSTUNREACH : error;
	}
	root = json_loadb(answer.text, answer.bytes, 0, NULL);
	if (answer.status < 300 && answer.bytes > 0 && root == NULL) {
		snprintf(e->why, sizeof(e->why), "%s: %s %.300s: the answer is no JSON", http_hosts(e->http), method,
			 path);
		return -EPROTO;
	}
	if (answer.status >= 300) {
		elastic_explain(root, answer.status, text, sizeof(text));
		snprintf(e->why, sizeof(e->why), "%s: %s %.300s: %s", http_hosts(e->http), method, path, text);
	}
	if (json != NULL)
		*json = root;
	else
		json_decref(root);
	return answer.status;
}

int
elastic_request(struct elastic *e, const char *method, const char *path, const char *body, json_t **json)
{
	return elastic_request_within(e, ELASTIC_TIMEOUT_S, method, path, body, json);
}

/* ---- readiness */

static int
schema_version(const json_t *answer)
{
	const char *name;
	json_t *template, *version;

	json_object_foreach((json_t *)(uintptr_t)answer, name, template)
	{
		version = json_object_get(json_object_get(json_object_get(template, "mappings"), "_meta"),
					  "molochDbVersion");
		if (json_is_integer(version))
			return (int)json_integer_value(version);
	}
	return 0;
}

int
elastic_schema_ready(struct elastic *e)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *answer;
	int status, version;

	if (e->schema_checked)
		return 0;
	snprintf(path, sizeof(path), "/_template/%ssessions3_template?filter_path=**._meta", e->prefix);
	status = elastic_request_within(e, ELASTIC_NUMBER_TIMEOUT_S, "GET", path, NULL, &answer);
	version = schema_version(answer);
	json_decref(answer);
	if (status < 0)
		return status;
	if (status >= 300 && status != 404)
		return elastic_status_error(status);
	if (version < ELASTIC_SCHEMA_MIN) {
		snprintf(e->why, sizeof(e->why),
			 version == 0 ? "%s: no schema with the prefix \"%s\" there: run shrike db init"
				      : "%s: the schema with the prefix \"%s\" is version %d, %d is needed: run shrike "
					"db upgrade",
			 http_hosts(e->http), e->prefix, version, ELASTIC_SCHEMA_MIN);
		return -ENOENT;
	}
	e->schema_checked = true;
	LOG_INFO("elastic.ready", "hosts=\"%s\" schema=%d", http_hosts(e->http), version);
	return 0;
}

int
elastic_ready(struct elastic *e)
{
	int rc = elastic_schema_ready(e);

	if (rc == 0 && !e->fields_written) {
		rc = elastic_fields_write(e, false);
		e->fields_written = rc == 0;
	}
	return rc;
}

/* ---- the kind */

static bool
make_bulk_path(struct elastic *e, char *why, size_t why_size)
{
	const char *path = e->conf.bulk_path;
	char *whole;

	if (asprintf(&whole, "%s%s%c%s", path[0] == '/' ? "" : "/", path, strchr(path, '?') != NULL ? '&' : '?',
		     bulk_filter) < 0) {
		snprintf(why, why_size, "out of memory");
		return false;
	}
	e->bulk_path = whole;
	return true;
}

static void
elastic_destroy(void *state)
{
	struct elastic *e = state;

	counters_detach(&e->counters);
	elastic_numbers_close(e);
	bulk_free_spares(e);
	http_destroy(e->http);
	free(e->bulk_path);
	free(e);
}

static void *
elastic_create(const struct sink_params *p, char *why, size_t why_size)
{
	struct elastic *e = calloc(1, sizeof(*e));
	struct export_conf export_conf;
	int rc;

	if (e == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	e->numbers.fd = -1;
	e->document = p->document;
	e->window = FIRST_WINDOW;
	counters_attach(&e->counters, "elasticsearch");
	e->http = elastic_connect(p->conf, &e->conf, why, why_size);
	e->bulk_bytes = e->conf.bulk_bytes;
	if (e->http == NULL || !make_bulk_path(e, why, why_size)) {
		elastic_destroy(e);
		return NULL;
	}
	if (!elastic_prefix(p->document, e->prefix)) {
		snprintf(why, why_size, "prefix: more than 50 characters");
		elastic_destroy(e);
		return NULL;
	}
	conf_fill(p->conf, &export_settings_group, &export_conf);
	rc = elastic_numbers_open(e, export_conf.state_directory);
	if (rc < 0) {
		snprintf(why, why_size, "%s: %s (it keeps file numbers; set stateDir to a folder that can be written)",
			 e->numbers.path, strerror(-rc));
		elastic_destroy(e);
		return NULL;
	}
	return e;
}

static int
elastic_write(void *state, struct sink_batch *b, unsigned n)
{
	struct elastic *e = state;
	int rc = elastic_ready(e);

	if (rc == 0)
		rc = elastic_deliver(e, b, n);
	e->wrote = e->wrote || rc == 0;
	/* A schema that has gone is looked for again. */
	if (rc == -ENOENT)
		e->schema_checked = false;
	return rc;
}

static int
write_file(void *state, const struct export_file *file)
{
	struct elastic *e = state;
	int rc = elastic_ready(e);

	if (rc == 0)
		rc = elastic_write_file(e, file);
	return rc;
}

static int
write_stats(void *state, const struct export_stats *stats)
{
	struct elastic *e = state;
	int rc = elastic_schema_ready(e);

	return rc == 0 ? elastic_write_stats(e, stats) : rc;
}

static void
look_at_health(struct elastic *e)
{
	uint64_t begin_ns = clock_monotonic_ns();
	json_t *answer;
	const char *status;

	if (!e->conf.health_check || begin_ns < e->next_health_ns || !e->schema_checked)
		return;
	e->next_health_ns = begin_ns + HEALTH_EVERY_S * NS_PER_S;
	if (elastic_request(e, "GET", "/_cat/health?format=json", NULL, &answer) == 200) {
		status = json_string_value(json_object_get(json_array_get(answer, 0), "status"));
		atomic_store(&e->health_ms, (uint32_t)((clock_monotonic_ns() - begin_ns) / NS_PER_MS));
		if (status != NULL && strcmp(status, e->health) != 0) {
			if (strcmp(status, "red") == 0)
				LOG_WARN("elastic.health", "hosts=\"%s\" status=red do=\"look at its logs\"",
					 http_hosts(e->http));
			else
				LOG_INFO("elastic.health", "hosts=\"%s\" status=%.30s", http_hosts(e->http), status);
			snprintf(e->health, sizeof(e->health), "%s", status);
		}
	}
	json_decref(answer);
}

static void
refresh(struct elastic *e)
{
	char path[ELASTIC_PATH_BYTES];

	if (!e->wrote || !e->conf.refresh)
		return;
	e->wrote = false;
	snprintf(path, sizeof(path), "/%s*/_refresh", e->prefix);
	(void)elastic_request(e, "GET", path, NULL, NULL); /* it happens by itself some time later */
}

static int
elastic_maintain(void *state, bool at_exit)
{
	struct elastic *e = state;

	if (at_exit) {
		(void)elastic_numbers_reconcile(e); /* or at the next start */
		refresh(e);
		return 0;
	}
	if (e->schema_checked && e->numbers.raise_to > 0)
		(void)elastic_numbers_reconcile(e);
	look_at_health(e);
	return 0;
}

static uint32_t
take_numbers(void *state, unsigned n)
{
	return elastic_numbers_take(state, n);
}

static void
return_numbers(void *state, uint32_t first, unsigned n)
{
	elastic_numbers_return(state, first, n);
}

static void
elastic_gauges(void *state, struct sink_gauges *out)
{
	struct elastic *e = state;

	out->requests = atomic_load_explicit(&e->requests, memory_order_relaxed);
	out->health_ms = atomic_load_explicit(&e->health_ms, memory_order_relaxed);
}

static void
elastic_interrupt(void *state)
{
	struct elastic *e = state;

	http_interrupt(e->http);
}

static const char *
elastic_explain_last(void *state)
{
	struct elastic *e = state;

	return e->why;
}

static void
elastic_describe(void *state, char *out, size_t size)
{
	struct elastic *e = state;

	snprintf(out, size, "%s, %ssessions3-*", http_hosts(e->http), e->prefix);
}

static const struct sink_kind elasticsearch = {
	.name = "elasticsearch",
	.max_batches = BATCHES_AT_ONCE,
	.is_shared = true,
	.spooling = SINK_SPOOL_ALWAYS,
	.create = elastic_create,
	.destroy = elastic_destroy,
	.write = elastic_write,
	.write_file = write_file,
	.write_stats = write_stats,
	.maintain = elastic_maintain,
	.interrupt = elastic_interrupt,
	.each_file = elastic_each_file,
	.read_stats = elastic_read_stats,
	.take_file_numbers = take_numbers,
	.return_file_numbers = return_numbers,
	.count = elastic_deliver_count,
	.gauges = elastic_gauges,
	.explain = elastic_explain_last,
	.describe = elastic_describe,
};
REGISTRY_ADD(sink_kind, elasticsearch);
