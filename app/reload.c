/* Reading the settings again.
 *
 * A thread does it, not the control role: a list of addresses may have millions of lines, and control shares its lcore,
 * on a small machine with a worker. SIGHUP only asks; the telemetry command asks and waits, so that who gave it reads
 * what is wrong.
 *
 * Everything new is made before anything old is replaced, so that an error leaves the sensor as it was. Then each table
 * is swapped by itself: for some microseconds a worker may see the new list of addresses and its old filter, which no
 * packet can tell from packets that came a moment earlier or later. What two workers do with one packet (the one that
 * receives it decodes it, and the one that owns it again) may differ in that moment; both count what they do.
 *
 * Only live: a replay keeps the settings that it began with, or its records would depend on when the signal came.
 *
 * What is not here stays as it is until the next start, and a reload names it: its memory, threads and devices are made
 * of it. */
#include "reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "counters.h"
#include "filter.h"
#include "log.h"
#include "rcu.h"
#include "sensor.h"
#include "thread.h"

COUNTER(done, "reload.done", "times that changed settings were read again and count", LEDGER_NONE, LEDGER_IN);
COUNTER(refused, "reload.refused", "times that settings read again were wrong, and nothing changed", LEDGER_NONE,
	LEDGER_IN);

struct reload {
	struct sensor *sensor;
	struct counters counters;
	pthread_t thread;
	bool has_thread;

	/* With the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned asked, finished; /* reloads; who asks waits until 'finished' has come to its number */
	unsigned n_waiting;
	bool stop;
	struct reload_result result; /* of the last one */
};

/* What is to replace what there is. */
struct fresh {
	const struct drop_ips *drop_ips;
	struct filter *filter[WORKERS_MAX];
};

/* ---- Lines */

static void
add_line(struct reload_lines *lines, const char *text, size_t length)
{
	if (length == 0)
		return;
	if (lines->n == RELOAD_LINES_MAX) {
		lines->n_more++;
		return;
	}
	snprintf(lines->line[lines->n++], RELOAD_LINE_BYTES, "%.*s", (int)length, text);
}

static void
add_lines(struct reload_lines *lines, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t length = strcspn(text, "\n");

		add_line(lines, text, length);
		text += length + (text[length] == '\n');
	}
}

/* ---- Making */

static bool
make_filters(const struct sensor *s, const struct conf *conf, struct fresh *fresh, FILE *errors)
{
	struct filter_conf filter_conf;
	char why[512];

	conf_fill(conf, &filter_settings_group, &filter_conf);
	if (filter_conf.bpf == NULL || filter_conf.bpf[0] == '\0')
		return true;
	for (unsigned i = 0; i < s->n_workers; i++) {
		fresh->filter[i] = filter_create(&filter_conf, why, sizeof(why));
		if (fresh->filter[i] == NULL) {
			fprintf(errors, "bpf=%s: %s\n", filter_conf.bpf, why);
			return false;
		}
	}
	return true;
}

static void
destroy_filter(void *filter)
{
	filter_destroy(filter);
}

static void
discard(const struct sensor *s, struct fresh *fresh)
{
	drop_ips_destroy(fresh->drop_ips);
	for (unsigned i = 0; i < s->n_workers; i++)
		filter_destroy(fresh->filter[i]);
}

static bool
make(const struct sensor *s, const struct conf *conf, struct fresh *fresh, FILE *errors)
{
	bool made = packet_drop_ips_load(conf, errors, &fresh->drop_ips) == 0;

	made &= make_filters(s, conf, fresh, errors);
	if (made && rcu_waiting() + s->n_workers + 1 >= RCU_WAITING_MAX) {
		fprintf(errors, "too many former tables wait for an lcore that does not come to the end of its turn\n");
		made = false;
	}
	if (!made)
		discard(s, fresh);
	return made;
}

/* ---- Replacing */

/* Only rcu's own queue can refuse, when others have filled it since make() looked; then nothing has changed. */
static bool
replace(struct sensor *s, struct fresh *fresh, FILE *errors)
{
	struct rcu_change change[WORKERS_MAX + 1];
	unsigned n = 0;
	int error;

	change[n++] = decode_conf_change_of_drop_ips(s->decode, fresh->drop_ips);
	for (unsigned i = 0; i < s->n_workers; i++)
		change[n++] = (struct rcu_change){&s->filter[i], fresh->filter[i], destroy_filter};
	error = rcu_replace_all(change, n);
	if (error == 0)
		return true;
	fprintf(errors, "nothing was replaced: %s\n", strerror(-error));
	discard(s, fresh);
	return false;
}

static void
note_later(const char *name, void *context)
{
	static const char *const now[] = {"bpf", "packetDropIpsFiles", "[packet-drop-ips]"};

	for (unsigned i = 0; i < sizeof(now) / sizeof(now[0]); i++)
		if (strcmp(now[i], name) == 0)
			return;
	add_line(context, name, strlen(name));
}

static struct conf *
read_conf(const struct options *o, FILE *errors)
{
	struct conf_params params = {
		.path = o->conf_path,
		.node = o->node,
		.overrides = o->overrides.item,
		.n_overrides = o->overrides.n,
	};

	return conf_load(&params, errors);
}

static bool
reload_with(struct sensor *s, const struct conf *conf, struct reload_result *result, FILE *errors)
{
	struct fresh fresh = {0};

	if (!make(s, conf, &fresh, errors))
		return false;
	result->drop_ips_lines = drop_ips_lines(fresh.drop_ips);
	result->has_filter = fresh.filter[0] != NULL;
	if (!replace(s, &fresh, errors))
		return false;
	parsers_reload(s->parsers, conf, errors);
	conf_differences(s->conf, conf, note_later, &result->later);
	return true;
}

static void
reload_once(struct sensor *s, struct reload_result *result)
{
	char *conf_text = NULL, *text = NULL;
	size_t conf_bytes, bytes;
	FILE *conf_errors = open_memstream(&conf_text, &conf_bytes), *errors = open_memstream(&text, &bytes);
	struct conf *conf = NULL;

	*result = (struct reload_result){0};
	if (options_is_replay(s->options))
		add_lines(&result->errors, "a replay keeps the settings that it began with");
	else if (conf_errors == NULL || errors == NULL)
		add_lines(&result->errors, strerror(ENOMEM));
	else if ((conf = read_conf(s->options, conf_errors)) != NULL)
		result->is_done = reload_with(s, conf, result, errors);
	if (conf_errors != NULL)
		fclose(conf_errors);
	if (errors != NULL)
		fclose(errors);
	/* Of a conf that is good these are warnings, which were said at start. */
	if (conf == NULL)
		add_lines(&result->errors, conf_text);
	add_lines(&result->errors, text);
	conf_destroy(conf);
	free(conf_text);
	free(text);
}

static void
say(const struct reload_result *result)
{
	char quoted[RELOAD_LINE_BYTES * 2];

	for (unsigned i = 0; i < result->errors.n; i++)
		LOG_ERROR("reload.error", "what=\"%s\"", log_quote(quoted, sizeof(quoted), result->errors.line[i]));
	for (unsigned i = 0; i < result->later.n; i++)
		LOG_WARN("reload.later", "setting=\"%s\" note=\"changed; it counts from the next start\"",
			 log_quote(quoted, sizeof(quoted), result->later.line[i]));
	if (result->is_done)
		LOG_INFO("reload.done", "packet_drop_ips=%u bpf=%s", result->drop_ips_lines,
			 result->has_filter ? "set" : "none");
	else
		LOG_ERROR("reload.refused", "errors=%u note=\"all settings stay as they were\"",
			  result->errors.n + result->errors.n_more);
}

/* ---- The thread */

static void *
run(void *context)
{
	struct reload *r = context;
	struct reload_result result;

	pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		unsigned number = r->asked;

		if (number == r->finished) {
			pthread_cond_wait(&r->changed, &r->mutex);
			continue;
		}
		pthread_mutex_unlock(&r->mutex);
		reload_once(r->sensor, &result);
		say(&result);
		COUNTER_ADD(&r->counters, done, result.is_done);
		COUNTER_ADD(&r->counters, refused, !result.is_done);
		pthread_mutex_lock(&r->mutex);
		r->result = result;
		r->finished = number;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

void
reload_ask(struct reload *r)
{
	pthread_mutex_lock(&r->mutex);
	r->asked++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
}

bool
reload_now(struct reload *r, struct reload_result *out)
{
	unsigned mine;
	bool is_over;

	pthread_mutex_lock(&r->mutex);
	mine = ++r->asked;
	r->n_waiting++;
	pthread_cond_broadcast(&r->changed);
	/* Numbers may wrap. */
	while ((int)(r->finished - mine) < 0 && !r->stop)
		pthread_cond_wait(&r->changed, &r->mutex);
	is_over = (int)(r->finished - mine) < 0;
	*out = r->result;
	r->n_waiting--;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	return !is_over;
}

/* ---- Telemetry. Commands cannot be taken back in this DPDK: without a sensor the answer is an error. */

static pthread_mutex_t shown_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct reload *shown;
static unsigned n_asking; /* with the mutex: they are between finding 'shown' and being done with it */
static pthread_cond_t all_answered = PTHREAD_COND_INITIALIZER;

/* This DPDK puts texts into its JSON as they are. */
static void
plain_text(char out[RTE_TEL_MAX_STRING_LEN], const char *text)
{
	snprintf(out, RTE_TEL_MAX_STRING_LEN, "%.*s", RTE_TEL_MAX_STRING_LEN - 1, text);
	for (; *out != '\0'; out++)
		if (*out == '"' || *out == '\\' || (unsigned char)*out < ' ')
			*out = '\'';
}

static void
add_texts(struct rte_tel_data *d, const char *name, const struct reload_lines *lines)
{
	struct rte_tel_data *array = lines->n > 0 ? rte_tel_data_alloc() : NULL;
	char text[RTE_TEL_MAX_STRING_LEN];

	if (array == NULL)
		return;
	rte_tel_data_start_array(array, RTE_TEL_STRING_VAL);
	for (unsigned i = 0; i < lines->n; i++) {
		plain_text(text, lines->line[i]);
		rte_tel_data_add_array_string(array, text);
	}
	if (rte_tel_data_add_dict_container(d, name, array, 0) != 0)
		rte_tel_data_free(array);
}

static int
answer(const char *command, const char *parameters, struct rte_tel_data *d)
{
	struct reload_result result;
	struct reload *r;
	bool has_result;

	(void)command, (void)parameters;
	pthread_mutex_lock(&shown_mutex);
	r = shown;
	n_asking += r != NULL;
	pthread_mutex_unlock(&shown_mutex);
	if (r == NULL)
		return -1;
	has_result = reload_now(r, &result);
	pthread_mutex_lock(&shown_mutex);
	n_asking--;
	pthread_cond_broadcast(&all_answered);
	pthread_mutex_unlock(&shown_mutex);
	if (!has_result)
		return -1;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "result", result.is_done ? "done" : "refused");
	if (result.is_done) {
		rte_tel_data_add_dict_u64(d, "packet_drop_ips", result.drop_ips_lines);
		rte_tel_data_add_dict_string(d, "bpf", result.has_filter ? "set" : "none");
	}
	add_texts(d, "errors", &result.errors);
	add_texts(d, "later", &result.later);
	return 0;
}

static void
show(struct reload *r)
{
	static bool is_registered;

	if (!is_registered)
		rte_telemetry_register_cmd("/shrike/reload", answer,
					   "Reads the settings again: packet-drop-ips, bpf and what parsers take. "
					   "Answers what is wrong and what waits for the next start");
	is_registered = true;
	pthread_mutex_lock(&shown_mutex);
	shown = r;
	pthread_mutex_unlock(&shown_mutex);
}

static void
hide(void)
{
	pthread_mutex_lock(&shown_mutex);
	shown = NULL;
	while (n_asking > 0)
		pthread_cond_wait(&all_answered, &shown_mutex);
	pthread_mutex_unlock(&shown_mutex);
}

/* ---- Life */

struct reload *
reload_create(struct sensor *s)
{
	struct reload *r = calloc(1, sizeof(*r));
	int error;

	if (r == NULL)
		return NULL;
	r->sensor = s;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	counters_attach(&r->counters, "reload");
	error = thread_start(&r->thread, "reload", &s->library_cpus, run, r);
	r->has_thread = error == 0;
	if (error != 0) {
		reload_destroy(r);
		errno = -error;
		return NULL;
	}
	show(r);
	return r;
}

void
reload_destroy(struct reload *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	hide();
	if (r->has_thread)
		pthread_join(r->thread, NULL);
	pthread_mutex_lock(&r->mutex);
	while (r->n_waiting > 0)
		pthread_cond_wait(&r->changed, &r->mutex);
	pthread_mutex_unlock(&r->mutex);
	counters_detach(&r->counters);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}
