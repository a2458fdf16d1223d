/* Fields documents (RECORD.md 6): what the viewer's expressions may ask for.
 *
 * Every field has one, under its expression, and so have what is derived from it: the count beside a list, and country,
 * autonomous system and registry of addresses. They come from the same tables as the records. At start those that are
 * not there, or that say something else, are written; what others have added to a document stays in it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elastic_priv.h"
#include "elastic_schema_priv.h"
#include "field.h"
#include "json.h"
#include "log.h"

enum { FIELDS_READ_MAX = 10000, BODY_BYTES = 64 << 10, DOCUMENTS_LIMIT_BYTES = 16 << 20, NAME_BYTES = 512 };

struct entry {
	const char *friendly, *suffix, *group, *help, *name, *kind, *extra;
};

static void
put_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_str(j, text, strlen(text), true);
}

/* "key=value; key=value": an array stands as it is, and so do the escapes in a regular expression. */
static void
put_extra(struct json *j, const char *extra)
{
	while (extra != NULL && *extra != '\0') {
		const char *end = strstr(extra, "; "), *equals;
		char key[64];

		if (end == NULL)
			end = extra + strlen(extra);
		equals = memchr(extra, '=', (size_t)(end - extra));
		if (equals != NULL && (size_t)(equals - extra) < sizeof(key)) {
			memcpy(key, extra, (size_t)(equals - extra));
			key[equals - extra] = '\0';
			json_key(j, key);
			if (equals[1] == '[') {
				json_raw(j, equals + 1, (size_t)(end - equals - 1));
			} else {
				json_raw(j, "\"", 1);
				json_bytes(j, equals + 1, (size_t)(end - equals - 1));
				json_bytes(j, "\"", 1);
			}
		}
		extra = *end != '\0' ? end + 2 : end;
	}
}

struct writing {
	struct json j;
	void (*each)(const char *expression, const char *document, void *context);
	void *context;
};

static void
write_entry(struct writing *w, const char *expression, const struct entry *n)
{
	char friendly[NAME_BYTES];
	struct json *j = &w->j;

	snprintf(friendly, sizeof(friendly), "%s%s", n->friendly, n->suffix);
	json_reset(j);
	json_object_begin(j);
	put_text(j, "friendlyName", friendly);
	put_text(j, "group", n->group);
	put_text(j, "help", n->help);
	put_text(j, "dbField2", n->name);
	put_text(j, "type", n->kind);
	put_extra(j, n->extra);
	json_object_end(j);
	json_bytes(j, "", 1);
	if (!j->failed)
		w->each(expression, j->text, w->context);
}

static void
write_count(struct writing *w, const struct field *f)
{
	char name[NAME_BYTES], expression[NAME_BYTES], help[NAME_BYTES];
	struct entry n = {f->friendly, " Cnt", f->group, help, name, "integer", NULL};

	snprintf(name, sizeof(name), "%s%s", f->name, (f->flags & FIELD_ECS_COUNT) != 0 ? "-cnt" : "Cnt");
	snprintf(expression, sizeof(expression), "%s.cnt", f->expression);
	snprintf(help, sizeof(help), "Number of values: %s", f->friendly);
	write_entry(w, expression, &n);
}

/* Country, autonomous system and registry of an address. */
static void
write_lookups(struct writing *w, const struct field *f)
{
	static const struct {
		const char *word, *suffix, *kind, *help;
	} lookups[] = {
		{"country", " GEO", "uptermfield", "Country that the address belongs to: "},
		{"asn", " ASN", "termfield", "Autonomous system that announces the address: "},
		{"rir", " RIR", "uptermfield", "Regional registry of the address: "},
	};
	size_t length = strlen(f->name), base = length > 2 ? length - 2 : 0; /* without "ip" or "Ip" */

	bool is_prefix = (f->flags & FIELD_IP_PREFIX) != 0 && strncmp(f->expression, "ip.", 3) == 0;
	char friendly[NAME_BYTES];

	/* The reference takes the "IP" off here, and leaves the blank. */
	snprintf(friendly, sizeof(friendly), "%.*s", (int)(strlen(f->friendly) - (is_prefix ? 2 : 0)), f->friendly);
	for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++) {
		char name[NAME_BYTES], expression[NAME_BYTES], help[NAME_BYTES];
		struct entry n = {friendly, lookups[i].suffix, f->group, help, name, lookups[i].kind, NULL};

		snprintf(name, sizeof(name), "%.*s%s", (int)base, f->name, lookups[i].suffix + 1);
		if (is_prefix)
			snprintf(expression, sizeof(expression), "%s.%s", lookups[i].word, f->expression + 3);
		else
			snprintf(expression, sizeof(expression), "%s.%s", f->expression, lookups[i].word);
		snprintf(help, sizeof(help), "%s%s", lookups[i].help, f->friendly);
		write_entry(w, expression, &n);
	}
}

static void
write_field(struct writing *w, const struct field *f)
{
	struct entry n = {f->friendly, "", f->group, f->help != NULL ? f->help : "", f->name, f->kind, f->extra};

	write_entry(w, f->expression, &n);
}

static bool
is_address(const struct field *f)
{
	return f->type == FIELD_IP || f->type == FIELD_IP_SET;
}

void
elastic_fields_each(bool of_schema, void (*each)(const char *expression, const char *document, void *context),
		    void *context)
{
	struct writing w = {.each = each, .context = context};

	json_init(&w.j, DOCUMENTS_LIMIT_BYTES);
	for (unsigned i = 0; of_schema && i < n_schema_fields; i++)
		write_field(&w, &schema_fields[i]);
	for (unsigned id = 1; id <= fields_count(); id++) {
		const struct field *f = field_at((field_id)id);

		if ((f->flags & FIELD_NO_DB) != 0 || f->expression == NULL)
			continue;
		write_field(&w, f);
		if ((f->flags & (FIELD_COUNT | FIELD_ECS_COUNT)) != 0)
			write_count(&w, f);
		if (is_address(f))
			write_lookups(&w, f);
	}
	json_fini(&w.j);
}

/* ---- those that are not there */

struct missing {
	struct elastic *e;
	json_t *known; /* expression: document */
	struct json body;
	unsigned n, written;
	int error;
};

/* Every member of ours is there and says the same; help is the reader's own words, and those may differ. */
static bool
is_known(const json_t *known, const char *document)
{
	static const char *const compared[] = {"group",	    "dbField2", "type",	       "category",
					       "transform", "aliases",	"friendlyName"};
	json_t *ours = json_loads(document, 0, NULL);
	bool same = known != NULL && ours != NULL;

	for (size_t i = 0; same && i < sizeof(compared) / sizeof(compared[0]); i++) {
		json_t *value = json_object_get(ours, compared[i]);

		same = value == NULL || json_equal(value, json_object_get(known, compared[i])) == 1;
	}
	json_decref(ours);
	return same;
}

/* 0 or -errno. *known gets an object with what is there, by expression. */
static int
read_known(struct elastic *e, json_t **known)
{
	char path[ELASTIC_PATH_BYTES];
	json_t *answer, *hit;
	size_t i;
	int status;

	*known = json_object();
	snprintf(path, sizeof(path), "/%sfields/_search?size=%d", e->prefix, FIELDS_READ_MAX);
	status = elastic_request(e, "GET", path, NULL, &answer);
	json_array_foreach(json_object_get(json_object_get(answer, "hits"), "hits"), i, hit)
	{
		const char *id = json_string_value(json_object_get(hit, "_id"));

		if (id != NULL)
			json_object_set(*known, id, json_object_get(hit, "_source"));
	}
	json_decref(answer);
	if (status < 0)
		return status;
	return status == 200 ? 0 : elastic_status_error(status);
}

static void
count_answered(unsigned item, const struct item_answer *a, void *context)
{
	struct missing *m = context;

	(void)item;
	if (a->fate == ITEM_TAKEN) {
		m->written++;
		return;
	}
	m->error = -EBUSY;
	snprintf(m->e->why, sizeof(m->e->why), "%s: fields: %d %s: %.600s", http_hosts(m->e->http), a->status, a->type,
		 a->reason);
}

/* What was collected. 0 or -errno. */
static int
send_missing(struct missing *m)
{
	struct elastic *e = m->e;
	struct http_call call = {.method = "POST",
				 .path = "/_bulk?filter_path=took,errors,error,status,items.*.status,items.*.error",
				 .body = m->body.text,
				 .body_bytes = m->body.size,
				 .is_lines = true};
	struct http_answer answer;
	int rc;

	if (m->body.failed)
		return -ENOMEM;
	rc = http_perform(e->http, &call, &answer);
	if (rc != 0) {
		snprintf(e->why, sizeof(e->why), "%s", http_error(e->http));
		return rc == -EHOSTDOWN ? -EHOSTUNREACH : rc;
	}
	if (answer.status != 200) {
		snprintf(e->why, sizeof(e->why), "%s: fields: answers %d", http_hosts(e->http), answer.status);
		return elastic_status_error(answer.status);
	}
	rc = answer_each(answer.text, answer.bytes, m->n, count_answered, m);
	m->n = 0;
	json_reset(&m->body);
	return rc != 0 ? rc : m->error;
}

static void
append_missing(const char *expression, const char *document, void *context)
{
	struct missing *m = context;
	char index[ELASTIC_NAME_BYTES];

	if (m->error < 0 || is_known(json_object_get(m->known, expression), document))
		return;
	snprintf(index, sizeof(index), "%sfields", m->e->prefix);
	m->body.comma = false;
	json_object_begin(&m->body);
	json_key(&m->body, "update");
	json_object_begin(&m->body);
	put_text(&m->body, "_index", index);
	put_text(&m->body, "_id", expression);
	json_key(&m->body, "retry_on_conflict");
	json_u64(&m->body, 5);
	json_object_end(&m->body);
	json_object_end(&m->body);
	json_bytes(&m->body, "\n", 1);
	m->body.comma = false;
	json_object_begin(&m->body);
	json_key(&m->body, "doc");
	json_raw(&m->body, document, strlen(document));
	json_key(&m->body, "doc_as_upsert");
	json_bool(&m->body, true);
	json_object_end(&m->body);
	json_bytes(&m->body, "\n", 1);
	m->n++;
	if (m->body.size >= BODY_BYTES)
		m->error = send_missing(m);
}

/* *written gets how many documents the store has taken. */
static int
write_missing(struct elastic *e, bool of_schema, unsigned *written)
{
	struct missing m = {.e = e};
	int rc = read_known(e, &m.known);

	json_init(&m.body, DOCUMENTS_LIMIT_BYTES);
	if (rc == 0) {
		elastic_fields_each(of_schema, append_missing, &m);
		rc = m.error == 0 && m.n > 0 ? send_missing(&m) : m.error;
	}
	*written = m.written;
	json_fini(&m.body);
	json_decref(m.known);
	return rc;
}

/* They are several requests. A store that refuses some of it is asked again for the rest as long as it gets on. */
int
elastic_fields_write(struct elastic *e, bool of_schema)
{
	unsigned written = 0, all = 0;
	int rc;

	do {
		rc = write_missing(e, of_schema, &written);
		all += written;
	} while (rc < 0 && written > 0 && !http_interrupted(e->http));
	if (rc == 0 && all > 0)
		LOG_INFO("elastic.fields", "written=%u", all);
	return rc;
}
