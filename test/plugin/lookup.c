/* A parser with a thread of its own, as one has that asks a service: "LOOK name" is answered by a command to the
 * session. What it answers from is a table that the thread replaces all the time while workers read it. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <shrike/parser.h>

enum { F_ANSWER, F_TABLE, N_FIELDS };

static const struct field lookup_fields[N_FIELDS] = {
	[F_ANSWER] = {"lookup.answer", "lookup.answer", "lookup", "termfield", FIELD_STR_SET, FIELD_COUNT, "Answer",
		      "What the thread said", NULL},
	[F_TABLE] = {"lookup.table", "lookup.table", "lookup", "termfield", FIELD_STR_SET, FIELD_COUNT, "Table",
		     "From the table of the moment", NULL},
};

enum { ASKED_MAX = 64, NAME_MAX_BYTES = 32 };

struct table {
	char text[64];
};

struct question {
	struct shrike_session session;
	char name[NAME_MAX_BYTES];
};

struct lookup {
	struct table *_Atomic table;
	pthread_mutex_t mutex;
	struct question asked[ASKED_MAX];
	unsigned n_asked;
	bool stop;
	pthread_t thread;
};

struct answer {
	char text[64];
};

static void
take_answer(struct shrike_ctx *ctx, void *data, size_t length)
{
	const struct answer *answer = data;

	(void)length;
	shrike_emit_str(ctx, F_ANSWER, answer->text);
	shrike_add_tag(ctx, "looked-up");
}

static void
send_answer(const struct question *q)
{
	struct answer *answer = malloc(sizeof(*answer));

	if (answer == NULL)
		return;
	snprintf(answer->text, sizeof(answer->text), "answer to %s", q->name);
	(void)shrike_session_command(q->session, take_answer, answer, sizeof(*answer), free);
}

static void
table_free(void *object)
{
	struct table *table = object;

	snprintf(table->text, sizeof(table->text), "freed");
	free(table);
}

static void
replace_table(struct lookup *l)
{
	struct table *fresh = malloc(sizeof(*fresh)), *old;
	int error;

	if (fresh == NULL)
		return;
	snprintf(fresh->text, sizeof(fresh->text), "good");
	old = atomic_exchange(&l->table, fresh);
	if (old == NULL)
		return;
	while ((error = shrike_free_later(old, table_free)) == -ENOSPC)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	if (error == -ENODEV)
		table_free(old);
}

static void *
run(void *context)
{
	struct lookup *l = context;
	bool stop = false;

	while (!stop) {
		struct question q = {0};
		bool has_one;

		pthread_mutex_lock(&l->mutex);
		stop = l->stop;
		has_one = l->n_asked > 0;
		if (has_one)
			q = l->asked[--l->n_asked];
		pthread_mutex_unlock(&l->mutex);
		if (has_one)
			send_answer(&q);
		replace_table(l);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return NULL;
}

static void *
lookup_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct lookup *l = calloc(1, sizeof(*l));

	(void)conf, (void)setup;
	if (l == NULL)
		return NULL;
	pthread_mutex_init(&l->mutex, NULL);
	replace_table(l);
	if (pthread_create(&l->thread, NULL, run, l) != 0) {
		free(l);
		return NULL;
	}
	return l;
}

static void
lookup_destroy(void *shared)
{
	struct lookup *l = shared;

	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_mutex_unlock(&l->mutex);
	pthread_join(l->thread, NULL);
	free(l->table);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

/* A test: a real parser would hand its questions over without a lock. */
static enum shrike_verdict
lookup_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct lookup *l = (struct lookup *)(uintptr_t)shrike_shared(ctx);
	const struct table *table = atomic_load(&l->table);
	const uint8_t *magic = cursor_take(&in, 5), *name;
	size_t size = cursor_left(&in) < NAME_MAX_BYTES - 1 ? cursor_left(&in) : NAME_MAX_BYTES - 1;

	name = cursor_take(&in, size);
	if (cursor_bad(&in) || memcmp(magic, "LOOK ", 5) != 0)
		return SHRIKE_NOT_MINE;
	shrike_emit_str(ctx, F_TABLE, table->text);
	pthread_mutex_lock(&l->mutex);
	if (l->n_asked < ASKED_MAX) {
		struct question *q = &l->asked[l->n_asked++];

		*q = (struct question){.session = shrike_session_of(ctx)};
		memcpy(q->name, name, size);
	}
	pthread_mutex_unlock(&l->mutex);
	return SHRIKE_DONE;
}

static const struct shrike_match lookup_match[] = {{.transports = SHRIKE_UDP, SHRIKE_BYTES("LOOK ")}, {0}};

static const struct shrike_parser lookup = {
	.api = SHRIKE_API,
	.name = "lookup",
	.match = lookup_match,
	.fields = lookup_fields,
	.n_fields = N_FIELDS,
	.create = lookup_create,
	.destroy = lookup_destroy,
	.parse = lookup_parse,
};
SHRIKE_PARSER(lookup);

SHRIKE_PLUGIN(.name = "lookup");
