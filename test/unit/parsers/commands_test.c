/* Commands from other threads: run on the session they name, or not at all, and what they carry is freed once. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "counters.h"
#include "parsing.h"
#include "rcu.h"
#include "test.h"

enum { WORKER = 9, SESSIONS = 4, RECORD_CHUNKS = 1024, MEMORY_BYTES = 1 << 20, RING_COMMANDS = 4096 };

/* ---- A parser that hands out the names of its sessions */

enum { F_TEXT, N_FIELDS };
static const struct field asker_fields[N_FIELDS] = {
	[F_TEXT] = {"zt.commandText", "zt.commandText", "test", "termfield", FIELD_STR_LIST, FIELD_COUNT, "Text",
		    "For tests", NULL},
};

static struct shrike_session last_session;

/* "more" or "done". */
static enum shrike_verdict
asker_parse(struct shrike_ctx *ctx, struct cursor in)
{
	*(unsigned *)shrike_state(ctx) = 77;
	last_session = shrike_session_of(ctx);
	cursor_skip(&in, 2);
	return cursor_u8(&in) == 'd' ? SHRIKE_DONE : SHRIKE_MORE;
}

static const struct shrike_parser asker = {
	.api = SHRIKE_API,
	.name = "testasker",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05?")}, {0}},
	.fields = asker_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(unsigned),
	.parse = asker_parse,
};
SHRIKE_PARSER(asker);

/* ---- A host with a few sessions */

struct session {
	struct record *record;
	void *slot;
	uint64_t generation; /* 0: it is not there */
};

struct fixture {
	struct conf *conf;
	struct parsers *parsers;
	struct record_pool *pool;
	struct counters counters;
	struct parsing *parsing;
	struct session session[SESSIONS];
	unsigned opened;
};
static struct fixture f;

static struct record *
host_open(void *context, void *session)
{
	struct session *s = session;

	(void)context;
	f.opened++;
	if (s->record == NULL)
		s->record = record_create(f.pool);
	return s->record;
}

static void
host_close(void *context, void *session)
{
	(void)context, (void)session;
	f.opened--;
}

static const struct record *
host_peek(void *context, void *session)
{
	(void)context;
	return ((struct session *)session)->record;
}

static void
host_facts(void *context, void *session, struct parsing_facts *out)
{
	(void)context, (void)session;
	out->ip_protocol = 6;
}

static void
host_name(void *context, void *session, uint64_t *generation, uint32_t *place)
{
	struct session *s = session;

	(void)context;
	*generation = s->generation;
	*place = (uint32_t)(s - f.session);
}

static bool
host_named(void *context, uint64_t generation, uint32_t place, struct parsing_named *out)
{
	struct session *s = &f.session[place];

	(void)context;
	if (place >= SESSIONS || s->generation != generation)
		return false;
	*out = (struct parsing_named){.session = s, .slot = &s->slot, .time_ns = 1234};
	return true;
}

static void
begin(void)
{
	static const char *const overrides[] = {"magicMode=basic", "parsersDir="};
	struct conf_params params = {.overrides = overrides, .n_overrides = 2};

	memset(&f, 0, sizeof(f));
	f.conf = conf_load(&params, stderr);
	f.parsers = parsers_create(f.conf);
	f.pool = record_pool_create(RECORD_CHUNKS, 0, &f.counters);
	if (f.parsers == NULL || f.pool == NULL)
		abort();
	f.parsing = parsing_create(&(struct parsing_params){
		.parsers = f.parsers,
		.records = f.pool,
		.counters = &f.counters,
		.host = {&f, host_open, host_close, host_peek, host_facts, host_name, host_named},
		.memory_bytes = MEMORY_BYTES,
		.worker = WORKER,
	});
	if (f.parsing == NULL)
		abort();
	counters_attach(&f.counters, "test");
	for (unsigned i = 0; i < SESSIONS; i++)
		f.session[i].generation = 100 + i;
}

static void
drop(struct session *s)
{
	parsing_end(f.parsing, &s->slot);
	record_free(f.pool, s->record);
	*s = (struct session){0};
}

static void
end(void)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		drop(&f.session[i]);
	EXPECT_EQ(f.opened, 0);
	EXPECT_EQ(parsing_bytes_used(f.parsing), 0);
	parsing_destroy(f.parsing);
	parsers_destroy(f.parsers);
	EXPECT_EQ(record_pool_destroy(f.pool), 0);
	conf_destroy(f.conf);
	counters_detach(&f.counters);
}

/* The parser sees the session, and its name is in 'last_session'. */
static struct shrike_session
ask(unsigned i, const char *text)
{
	struct parsing_chunk chunk = {
		.session = &f.session[i],
		.slot = &f.session[i].slot,
		.bytes = cursor_make(text, strlen(text)),
		.transport = SHRIKE_TCP,
	};

	last_session = (struct shrike_session){0};
	parsing_feed(f.parsing, &chunk);
	return last_session;
}

static const char *
text_of(unsigned i)
{
	static char text[64];
	struct record_iterator it;
	struct record_value value;

	text[0] = '\0';
	if (f.session[i].record == NULL)
		return text;
	record_values_begin(f.session[i].record, &it);
	while (record_values_next(&it, &value))
		if (value.field == field_find("zt.commandText"))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.*s]", (int)value.str.size,
				 (const char *)value.str.text);
	return text;
}

/* ---- Commands */

static unsigned n_run, seen_state;
static _Atomic unsigned n_freed;

static void
count_free(void *data)
{
	(void)data;
	atomic_fetch_add(&n_freed, 1);
}

static void
emit(struct shrike_ctx *ctx, void *data, size_t length)
{
	const unsigned *state = shrike_state(ctx);

	n_run++;
	seen_state = state != NULL ? *state : 0;
	EXPECT_EQ(shrike_time_ns(ctx), 1234);
	EXPECT_EQ(shrike_ip_protocol(ctx), 6);
	shrike_emit_bytes(ctx, F_TEXT, data, length);
}

static int
send(struct shrike_session to, const char *text)
{
	return shrike_session_command(to, emit, (void *)(uintptr_t)text, strlen(text), count_free);
}

static void
reset(void)
{
	n_run = 0;
	n_freed = 0;
	begin();
}

TEST(a_command_emits_into_the_session_it_names)
{
	struct shrike_session a, b;

	reset();
	a = ask(0, "\x05?more");
	b = ask(1, "\x05?more");
	EXPECT(a.generation != 0 && b.generation != 0);
	EXPECT_EQ(a.worker, WORKER);
	EXPECT_EQ(send(b, "answer"), 0);
	EXPECT_EQ(send(b, "another"), 0);
	EXPECT_EQ(n_run, 0);
	EXPECT_EQ(n_freed, 0);
	EXPECT_EQ(parsing_commands(f.parsing), 2);
	EXPECT_STR(text_of(0), "");
	EXPECT_STR(text_of(1), "[answer][another]");
	EXPECT_EQ(seen_state, 77);
	EXPECT_EQ(n_freed, 2);
	EXPECT_EQ(parsing_commands(f.parsing), 0);
	EXPECT_EQ(counters_total("command.run"), 2);
	end();
}

TEST(a_parser_that_is_done_has_its_fields_but_no_state)
{
	struct shrike_session a;

	reset();
	a = ask(0, "\x05?done");
	EXPECT_EQ(send(a, "late"), 0);
	EXPECT_EQ(parsing_commands(f.parsing), 1);
	EXPECT_STR(text_of(0), "[late]");
	EXPECT_EQ(seen_state, 0);
	end();
}

TEST(a_session_that_has_gone_is_a_counted_no_op)
{
	struct shrike_session a;

	reset();
	a = ask(0, "\x05?more");
	EXPECT_EQ(send(a, "too late"), 0);
	drop(&f.session[0]);
	f.session[0].generation = 200; /* another one in its place */
	EXPECT_EQ(parsing_commands(f.parsing), 1);
	EXPECT_EQ(n_run, 0);
	EXPECT_EQ(n_freed, 1);
	EXPECT_STR(text_of(0), "");
	EXPECT_EQ(counters_total("command.session_gone"), 1);
	EXPECT_EQ(counters_total("command.run"), 0);
	end();
}

TEST(a_full_ring_is_an_error_and_counted_and_a_poll_runs_a_bounded_number)
{
	struct shrike_session a;
	unsigned sent = 0, polls = 0;

	reset();
	a = ask(0, "\x05?more");
	while (send(a, "x") == 0)
		sent++;
	EXPECT_EQ(sent, RING_COMMANDS - 1);
	EXPECT_EQ(send(a, "x"), -ENOBUFS);
	EXPECT_EQ(n_freed, 2);
	EXPECT_EQ(parsing_commands(f.parsing), 32);
	EXPECT_EQ(counters_total("command.refused"), 2);
	EXPECT_EQ(send(a, "x"), 0);
	while (parsing_commands(f.parsing) > 0)
		polls++;
	EXPECT_EQ(polls, RING_COMMANDS / 32 - 1);
	EXPECT_EQ(n_run, sent + 1);
	EXPECT_EQ(n_freed, sent + 3);
	end();
}

TEST(no_session_and_no_worker_are_errors_that_free_too)
{
	struct shrike_session a;

	reset();
	a = ask(0, "\x05?more");
	EXPECT_EQ(send((struct shrike_session){0}, "x"), -EINVAL);
	a.worker = 1000;
	EXPECT_EQ(send(a, "x"), -EINVAL);
	a.worker = WORKER + 1;
	EXPECT_EQ(send(a, "x"), -ESHUTDOWN);
	a.worker = WORKER;
	EXPECT_EQ(send(a, "left in the ring"), 0);
	end();
	EXPECT_EQ(n_run, 0);
	EXPECT_EQ(send(a, "x"), -ESHUTDOWN);
	EXPECT_EQ(n_freed, 5);
}

static void
does_what_only_chunks_allow(struct shrike_ctx *ctx, void *data, size_t length)
{
	void *block = shrike_alloc(ctx, 100);

	(void)data, (void)length;
	n_run++;
	EXPECT(block != NULL); /* given back after the call at the latest */
	EXPECT(!shrike_attach(ctx, "testother", 0));
	shrike_reclassify(ctx, cursor_make("\x05?more", 6));
	shrike_reclassify_next(ctx, 0);
	shrike_skip(ctx, 10);
	shrike_consume(ctx);
	EXPECT_EQ(shrike_bytes_before(ctx, 0), 0);
}

TEST(what_belongs_to_a_chunk_does_nothing)
{
	struct shrike_session a;

	reset();
	a = ask(0, "\x05?done");
	parsing_end(f.parsing, &f.session[0].slot);
	EXPECT_EQ(shrike_session_command(a, does_what_only_chunks_allow, NULL, 0, NULL), 0);
	EXPECT_EQ(parsing_commands(f.parsing), 1);
	EXPECT_EQ(n_run, 1);
	EXPECT(f.session[0].slot == NULL);
	EXPECT_EQ(parsing_bytes_used(f.parsing), 0);
	end();
}

/* ---- Threads */

enum { SENDERS = 3, PER_SENDER = 20000 };

struct sender {
	pthread_t thread;
	unsigned index, refused, accepted;
	struct shrike_session to[SESSIONS];
};

static unsigned next_of[SENDERS];
static unsigned out_of_order;

static void
check_order(struct shrike_ctx *ctx, void *data, size_t length)
{
	const unsigned *number = data;

	(void)ctx;
	n_run++;
	if (number[1] < next_of[number[0]])
		out_of_order++;
	next_of[number[0]] = number[1] + 1;
	EXPECT_EQ(length, 2 * sizeof(unsigned));
}

static void
free_number(void *data)
{
	free(data);
	atomic_fetch_add(&n_freed, 1);
}

static void *
send_many(void *argument)
{
	struct sender *s = argument;

	for (unsigned i = 0; i < PER_SENDER; i++) {
		unsigned *number = malloc(2 * sizeof(*number));

		number[0] = s->index;
		number[1] = i;
		if (shrike_session_command(s->to[i % SESSIONS], check_order, number, 2 * sizeof(*number),
					   free_number) == 0)
			s->accepted++;
		else
			s->refused++;
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* One of the sessions ends half-way; the ring runs full now and then; the worker goes while they still send. */
TEST(many_threads_send_and_everything_is_freed_once)
{
	struct sender sender[SENDERS] = {0};
	unsigned accepted = 0, refused = 0, gone;

	reset();
	memset(next_of, 0, sizeof(next_of));
	out_of_order = 0;
	for (unsigned i = 0; i < SENDERS; i++) {
		sender[i].index = i;
		for (unsigned j = 0; j < SESSIONS; j++)
			sender[i].to[j] = ask(j, "\x05?more");
		REQUIRE(pthread_create(&sender[i].thread, NULL, send_many, &sender[i]) == 0);
	}
	while (n_run < PER_SENDER / 4) {
		if (parsing_commands(f.parsing) == 0)
			sched_yield();
		if (n_run > PER_SENDER / 8 && f.session[2].generation != 0)
			drop(&f.session[2]);
	}
	gone = (unsigned)counters_total("command.session_gone");
	end();
	for (unsigned i = 0; i < SENDERS; i++) {
		pthread_join(sender[i].thread, NULL);
		accepted += sender[i].accepted;
		refused += sender[i].refused;
	}
	EXPECT_EQ(out_of_order, 0);
	EXPECT_EQ(accepted + refused, SENDERS * PER_SENDER);
	EXPECT_EQ(atomic_load(&n_freed), SENDERS * PER_SENDER);
	EXPECT(accepted >= n_run + gone);
}

TEST(free_later_is_rcu)
{
	static int object;
	int reader;

	n_freed = 0;
	EXPECT_EQ(shrike_free_later(&object, count_free), -ENODEV);
	REQUIRE(rcu_start() == 0);
	reader = rcu_reader_add();
	EXPECT_EQ(shrike_free_later(&object, count_free), 0);
	EXPECT_EQ(rcu_reclaim(16), 0);
	rcu_reader_quiescent(reader);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT_EQ(n_freed, 1);
	rcu_reader_remove(reader);
	rcu_stop();
}
