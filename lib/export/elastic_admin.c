/* Making, checking and expiring what the database needs (RECORD.md 8 and 9).
 *
 * Nothing that is there is ever replaced but a template that says it was made here, and that only by "upgrade": an
 * installation may belong to the reference's db.pl, whose templates fit as they are. Session indices that exist keep
 * their mapping; a new template counts from the next period on. */
#include "elastic_admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "elastic_priv.h"
#include "elastic_schema_priv.h"

enum { SHARDS_MAX = 24, ADMIN_TIMEOUT_S = 60, DAY_S = 86400, HOUR_S = 3600 };

struct admin {
	struct elastic *e;
	struct schema_params schema;
	bool is_check, is_upgrade;
	unsigned n_missing;
};

static int
failed(const struct admin *a, int error)
{
	fprintf(stderr, "shrike db: %s\n", a->e->why[0] != '\0' ? a->e->why : strerror(-error));
	return error;
}

static int
request(struct admin *a, const char *method, const char *path, const json_t *body, json_t **answer)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	int status = elastic_request_within(a->e, ADMIN_TIMEOUT_S, method, path, text, answer);

	free(text);
	return status;
}

/* 0, or -errno with a line on standard error. */
static int
require(struct admin *a, const char *method, const char *path, const json_t *body)
{
	int status = request(a, method, path, body, NULL);

	if (status >= 200 && status < 300)
		return 0;
	return failed(a, status < 0 ? status : elastic_status_error(status));
}

static void
say(const char *what, const char *name, const char *state)
{
	printf("%-9s %-45s %s\n", what, name, state);
}

/* ---- templates */

struct template_state {
	bool is_there, is_ours;
	int version;
};

static int
look_at_template(struct admin *a, const char *name, struct template_state *out)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *answer;
	const json_t *template, *meta;
	const char *made_by;
	int status;

	snprintf(path, sizeof(path), "/_template/%s", name);
	status = request(a, "GET", path, NULL, &answer);
	template = json_object_get(answer, name);
	meta = json_object_get(json_object_get(template, "mappings"), "_meta");
	made_by = json_string_value(json_object_get(meta, "madeBy"));
	*out = (struct template_state){
		.is_there = status == 200 && template != NULL,
		.is_ours = made_by != NULL && strcmp(made_by, "shrike") == 0,
		.version = (int)json_integer_value(json_object_get(meta, "molochDbVersion")),
	};
	json_decref(answer);
	if (status == 200 || status == 404)
		return 0;
	return failed(a, status < 0 ? status : elastic_status_error(status));
}

static int
put_template(struct admin *a, const char *name, json_t *body)
{
	char path[ELASTIC_PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "/_template/%s", name);
	rc = body != NULL ? require(a, "PUT", path, body) : -ENOMEM;
	if (rc == 0)
		say("template", name, "made");
	return rc;
}

static int
sessions_template(struct admin *a, bool *is_ours)
{
	char name[ELASTIC_NAME_BYTES], text[64];
	struct template_state state;
	json_t *body;
	int rc;

	snprintf(name, sizeof(name), "%ssessions3_template", a->schema.prefix);
	rc = look_at_template(a, name, &state);
	if (rc < 0)
		return rc;
	*is_ours = !state.is_there || state.is_ours;
	snprintf(text, sizeof(text), "version %d, made by %s", state.version, state.is_ours ? "shrike" : "db.pl");
	if (state.is_there && state.version < ELASTIC_SCHEMA_MIN) {
		fprintf(stderr, "shrike db: %s: version %d is too old; its own db.pl upgrades it to %d or more\n", name,
			state.version, ELASTIC_SCHEMA_MIN);
		return -EPROTO;
	}
	if (state.is_there && !(a->is_upgrade && state.is_ours)) {
		say("template", name, text);
		return 0;
	}
	if (a->is_check) {
		say("template", name, "is missing");
		a->n_missing++;
		return 0;
	}
	body = schema_sessions_template(&a->schema);
	rc = put_template(a, name, body);
	json_decref(body);
	return rc;
}

/* It has no version of its own: that of the sessions' template says who made both. */
static int
ecs_template(struct admin *a, bool is_ours)
{
	char name[ELASTIC_NAME_BYTES];
	struct template_state state;
	json_t *body;
	int rc;

	snprintf(name, sizeof(name), "%ssessions3_ecs_template", a->schema.prefix);
	rc = look_at_template(a, name, &state);
	if (rc < 0)
		return rc;
	if (state.is_there && !(a->is_upgrade && is_ours)) {
		say("template", name, "is there");
		return 0;
	}
	/* One that db.pl made comes without ours. */
	if (!state.is_there && (a->is_check || !is_ours)) {
		say("template", name, is_ours ? "is missing" : "is not there");
		a->n_missing += is_ours;
		return 0;
	}
	body = schema_ecs_template(&a->schema);
	rc = put_template(a, name, body);
	json_decref(body);
	return rc;
}

/* ---- indices */

static int
make_index(struct admin *a, const struct schema_index *index, const char *alias)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *body = schema_index_body(index), *aliases;
	int rc;

	snprintf(path, sizeof(path), "/%s%s", alias, index->suffix);
	/* With its alias in the same request: half of it would be in the way for ever. */
	aliases = json_object();
	json_object_set_new(aliases, alias, json_object());
	json_object_set_new(body, "aliases", aliases);
	rc = require(a, "PUT", path, body);
	json_decref(body);
	if (rc == 0)
		say("index", alias, "made");
	return rc;
}

static int
index_step(struct admin *a, const struct schema_index *index)
{
	char path[ELASTIC_PATH_BYTES];
	int status;

	snprintf(path, sizeof(path), "/%s%s", a->schema.prefix, index->name);
	status = request(a, "HEAD", path, NULL, NULL);
	if (status == 200) {
		say("index", path + 1, "is there");
		return 0;
	}
	if (status != 404)
		return failed(a, status < 0 ? status : elastic_status_error(status));
	if (a->is_check) {
		say("index", path + 1, "is missing");
		a->n_missing++;
		return 0;
	}
	return make_index(a, index, path + 1);
}

static int
fields_step(struct admin *a)
{
	int rc;

	if (a->is_check)
		return 0;
	rc = elastic_fields_write(a->e, true);
	if (rc < 0)
		return failed(a, rc);
	say("fields", "", "up to date");
	return 0;
}

/* ---- whose database it is */

/* Requests are such as all of these take: paths without types, legacy templates, no parameter that one of them lacks.
 * What differs between them is in names of errors and the order of members, and nothing here depends on these.
 * OpenSearch 1 and 2 may say that they are Elasticsearch 7.10.2 (compatibility.override_main_response_version), which
 * is just as well. */
static const struct {
	const char *distribution;
	unsigned oldest, newest;
} known_products[] = {
	{"elasticsearch", 7, 8},
	{"opensearch", 1, 3},
};

static int
judge_version(const char *distribution, const char *number)
{
	unsigned long major = strtoul(number, NULL, 10);

	for (size_t i = 0; i < sizeof(known_products) / sizeof(known_products[0]); i++) {
		if (strcmp(known_products[i].distribution, distribution) != 0)
			continue;
		if (major < known_products[i].oldest) {
			fprintf(stderr, "shrike db: %s %s is too old: %u is the oldest that will do\n", distribution,
				number, known_products[i].oldest);
			return -EPROTO;
		}
		if (major > known_products[i].newest)
			fprintf(stderr, "shrike db: note: %s %s is newer than what is known here (%u)\n", distribution,
				number, known_products[i].newest);
		return 0;
	}
	fprintf(stderr, "shrike db: note: %s %s is not known here\n", distribution, number);
	return 0;
}

static int
look_at_product(struct admin *a)
{
	json_t *answer;
	int status = request(a, "GET", "/", NULL, &answer), rc;
	const json_t *version = json_object_get(answer, "version");
	const char *number = json_string_value(json_object_get(version, "number"));
	const char *kind = json_string_value(json_object_get(version, "distribution"));

	if (status == 200 && number != NULL) {
		kind = kind != NULL ? kind : "elasticsearch";
		printf("%s %s at %s\n", kind, number, http_hosts(a->e->http));
		rc = judge_version(kind, number);
	} else if (status == 200) {
		fprintf(stderr, "shrike db: what answers at %s is no Elasticsearch or OpenSearch\n",
			http_hosts(a->e->http));
		rc = -EPROTO;
	} else {
		rc = failed(a, status < 0 ? status : elastic_status_error(status));
	}
	json_decref(answer);
	return rc;
}

/* Composable templates (Elasticsearch 7.8 and later, all OpenSearch) come before legacy ones, whatever their order: one
 * of somebody else that matches our indices would give them its mapping instead of ours. Where the question is not
 * known there are none. */
static int
composable_step(struct admin *a)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *answer;
	bool is_there;

	snprintf(path, sizeof(path), "/_index_template/_simulate_index/%ssessions3-700101", a->schema.prefix);
	is_there = request(a, "POST", path, NULL, &answer) == 200 && json_object_get(answer, "template") != NULL;
	json_decref(answer);
	if (!is_there)
		return 0;
	fprintf(stderr,
		"shrike db: a composable index template matches %ssessions3-* and counts instead of ours: give it "
		"patterns that do "
		"not (GET /_index_template)\n",
		a->schema.prefix);
	return -EPROTO;
}

/* ---- the commands */

static int
look_at_cluster(struct admin *a, unsigned shards)
{
	json_t *answer;
	int rc = look_at_product(a);

	if (rc < 0)
		return rc;
	(void)request(a, "GET", "/_cluster/health", NULL, &answer);
	a->schema.shards =
		shards > 0 ? shards : (unsigned)json_integer_value(json_object_get(answer, "number_of_data_nodes"));
	json_decref(answer);
	if (a->schema.shards < 1)
		a->schema.shards = 1;
	if (a->schema.shards > SHARDS_MAX && shards == 0)
		a->schema.shards = SHARDS_MAX;
	return 0;
}

static int
run_steps(struct admin *a, unsigned shards)
{
	bool is_ours = true;
	int rc = look_at_cluster(a, shards);

	if (rc == 0)
		rc = composable_step(a);
	if (rc == 0)
		rc = sessions_template(a, &is_ours);
	if (rc == 0)
		rc = ecs_template(a, is_ours);
	for (unsigned i = 0; rc == 0 && i < n_schema_indices; i++)
		rc = index_step(a, &schema_indices[i]);
	if (rc == 0)
		rc = fields_step(a);
	if (rc == 0 && a->n_missing > 0) {
		fprintf(stderr, "shrike db: %u of it missing: run shrike db init\n", a->n_missing);
		rc = -ENOENT;
	}
	return rc;
}

static int
open_admin(struct admin *a, const struct elastic_admin *p)
{
	char why[512] = "";

	a->e = elastic_open(p->conf, p->document, why, sizeof(why));
	if (a->e == NULL) {
		fprintf(stderr, "shrike db: %s\n", why);
		return -EINVAL;
	}
	a->schema = (struct schema_params){.prefix = a->e->prefix, .replicas = p->replicas};
	return 0;
}

static int
run(const struct elastic_admin *p, bool is_check, bool is_upgrade)
{
	struct admin a = {.is_check = is_check, .is_upgrade = is_upgrade};
	int rc = open_admin(&a, p);

	if (rc < 0)
		return rc;
	rc = run_steps(&a, p->shards);
	elastic_close(a.e);
	return rc;
}

int
elastic_db_init(const struct elastic_admin *p)
{
	return run(p, false, false);
}

int
elastic_db_upgrade(const struct elastic_admin *p)
{
	return run(p, false, true);
}

int
elastic_db_check(const struct elastic_admin *p)
{
	return run(p, true, false);
}

/* ---- expiry */

static uint64_t
seconds_of(int year, int month, int day, int hour)
{
	/* Two digits: captures of the last century are sent too. */
	struct tm t = {.tm_year = year < 70 ? year + 100 : year, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour};

	return (uint64_t)timegm(&t);
}

/* Two digits, or -1. */
static int
two_digits(const char *p)
{
	return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' ? (p[0] - '0') * 10 + p[1] - '0' : -1;
}

static bool
ends_here(const char *p)
{
	return *p == '\0' || *p == '-';
}

uint64_t
elastic_period_end(const char *p, unsigned hours)
{
	size_t length = strcspn(p, "-");
	int year = length >= 5 ? two_digits(p) : -1, second, third, hour;

	if (year < 0)
		return 0;
	if (length == 5 && (p[2] == 'w' || p[2] == 'm') && (second = two_digits(p + 3)) >= 0 && ends_here(p + 5)) {
		/* Weeks are counted in days from new year on; the last one is short. */
		if (p[2] == 'w')
			return second < 52 ? seconds_of(year, 1, 1 + 7 * (second + 1), 0)
					   : seconds_of(year + 1, 1, 1, 0);
		return second >= 1 && second <= 12 ? seconds_of(year, second + 1, 1, 0) : 0;
	}
	if (length < 6 || (second = two_digits(p + 2)) < 1 || second > 12 || (third = two_digits(p + 4)) < 1 ||
	    third > 31)
		return 0;
	if (ends_here(p + 6))
		return seconds_of(year, second, third + 1, 0);
	if (length != 9 || p[6] != 'h' || (hour = two_digits(p + 7)) < 0 || hour > 23 || !ends_here(p + 9))
		return 0;
	return seconds_of(year, second, third, hour) + (uint64_t)(hours > 0 ? hours : 1) * HOUR_S;
}

struct old_index {
	char name[ELASTIC_NAME_BYTES];
	uint64_t end_s, bytes;
};

static int
compare_age(const void *a, const void *b)
{
	const struct old_index *x = a, *y = b;

	return x->end_s != y->end_s ? (x->end_s > y->end_s) - (x->end_s < y->end_s) : strcmp(x->name, y->name);
}

static unsigned
period_hours(const struct document_conf *d)
{
	static const unsigned hours[] = {
		[DOCUMENT_HOURLY] = 1,	[DOCUMENT_HOURLY2] = 2, [DOCUMENT_HOURLY3] = 3,	  [DOCUMENT_HOURLY4] = 4,
		[DOCUMENT_HOURLY6] = 6, [DOCUMENT_HOURLY8] = 8, [DOCUMENT_HOURLY12] = 12,
	};

	return (size_t)d->rotate_index < sizeof(hours) / sizeof(hours[0]) ? hours[d->rotate_index] : 24;
}

/* The session indices, oldest first; *list is the caller's. How many, or -errno. */
static int
list_indices(struct admin *a, const struct document_conf *document, struct old_index **list)
{
	char path[ELASTIC_PATH_BYTES], prefix[ELASTIC_NAME_BYTES];
	json_t *answer, *entry;
	size_t i;
	int n = 0, status;

	snprintf(prefix, sizeof(prefix), "%ssessions3-", a->schema.prefix);
	snprintf(path, sizeof(path), "/_cat/indices/%s*?format=json&bytes=b&h=index,store.size", prefix);
	status = request(a, "GET", path, NULL, &answer);
	*list = calloc(json_array_size(answer) + 1, sizeof(**list));
	json_array_foreach(answer, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "index"));
		const char *bytes = json_string_value(json_object_get(entry, "store.size"));
		struct old_index *at = &(*list)[n];

		if (*list == NULL || name == NULL || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		at->end_s = elastic_period_end(name + strlen(prefix), period_hours(document));
		at->bytes = bytes != NULL ? strtoull(bytes, NULL, 10) : 0;
		snprintf(at->name, sizeof(at->name), "%s", name);
		n += at->end_s != 0; /* what is no period is not ours to delete */
	}
	json_decref(answer);
	if (status != 200)
		return failed(a, status < 0 ? status : elastic_status_error(status));
	if (*list == NULL)
		return -ENOMEM;
	qsort(*list, (size_t)n, sizeof(**list), compare_age);
	return n;
}

static int
delete_index(struct admin *a, const struct old_index *index, const char *why, bool dry_run)
{
	char path[ELASTIC_PATH_BYTES];
	int rc = 0;

	snprintf(path, sizeof(path), "/%s", index->name);
	if (!dry_run)
		rc = require(a, "DELETE", path, NULL);
	if (rc == 0)
		printf("%s %s, %" PRIu64 " bytes: %s\n", dry_run ? "would delete" : "deleted", index->name,
		       index->bytes, why);
	return rc;
}

/* The newest stays in any case: it is being written. */
static int
expire(struct admin *a, const struct old_index *list, int n, const struct elastic_expiry *x)
{
	uint64_t total = 0;
	int rc = 0;

	for (int i = 0; i < n; i++)
		total += list[i].bytes;
	for (int i = 0; rc == 0 && i < n - 1; i++) {
		bool is_old = x->days > 0 && list[i].end_s + (uint64_t)x->days * DAY_S <= x->now_s;

		if (!is_old && (x->max_bytes == 0 || total <= x->max_bytes))
			continue;
		rc = delete_index(a, &list[i], is_old ? "for its age" : "for the size of all", x->dry_run);
		total -= list[i].bytes;
	}
	if (rc == 0)
		printf("%" PRIu64 " bytes of sessions remain\n", total);
	return rc;
}

int
elastic_db_expire(const struct elastic_admin *p, const struct elastic_expiry *x)
{
	struct admin a = {0};
	struct old_index *list = NULL;
	int rc = open_admin(&a, p), n;

	if (rc < 0)
		return rc;
	n = list_indices(&a, p->document, &list);
	rc = n < 0 ? n : expire(&a, list, n, x);
	free(list);
	elastic_close(a.e);
	return rc;
}
