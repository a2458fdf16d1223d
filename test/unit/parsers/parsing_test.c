/* The framework with parsers of its own: who is called with what, and that all memory comes back. */
#include <stdlib.h>

#include "parsing.h"
#include "test.h"

enum { RECORD_CHUNKS = 256, MEMORY_BYTES = 1 << 20, CALLS_MAX = 32 };

/* ---- Parsers for these tests only: they tell what they were given. */

struct call {
	const char *parser;
	unsigned direction;
	char bytes[32];
};
static struct call calls[CALLS_MAX];
static unsigned n_calls;

static void
note(struct shrike_ctx *ctx, const char *parser, struct cursor in)
{
	size_t size = cursor_left(&in) < 31 ? cursor_left(&in) : 31;
	struct call *call = &calls[n_calls++ % CALLS_MAX];

	*call = (struct call){.parser = parser, .direction = shrike_direction(ctx)};
	memcpy(call->bytes, cursor_take(&in, size), size);
}

enum { F_TEXT, F_USER, N_FIELDS };
static const struct field test_fields[N_FIELDS] = {
	[F_TEXT] = {"zt.parsingText", "zt.parsingText", "test", "termfield", FIELD_STR_LIST, FIELD_COUNT, "Text",
		    "For tests", NULL},
	[F_USER] = {.name = "user"},
};

/* Lines: "more", "done", "attach", "inside REST". */
static enum shrike_verdict
lines_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct shrike_buffer *buffers = shrike_state(ctx);
	struct shrike_buffer *buffer = &buffers[shrike_direction(ctx)];
	struct cursor joined, line;

	if (cursor_peek(&in, 0) == '!')
		return SHRIKE_NOT_MINE;
	note(ctx, "lines", in);
	if (!shrike_join(ctx, buffer, in, 64, &joined))
		return SHRIKE_DONE;
	for (;;) {
		struct cursor rest = joined;

		line = cursor_until(&rest, '\n');
		if (cursor_bad(&rest))
			break;
		joined = rest;
		shrike_emit_rest(ctx, F_TEXT, &line);
		if (cursor_peek(&line, 0) == 'd')
			return SHRIKE_DONE;
		if (cursor_peek(&line, 0) == 'a')
			EXPECT(shrike_attach(ctx, "testother", 7) && !shrike_attach(ctx, "testlabels", 0));
		if (cursor_peek(&line, 0) == 'i') {
			shrike_reclassify(ctx, joined);
			return SHRIKE_DONE;
		}
		if (cursor_peek(&line, 0) == 's')
			shrike_skip(ctx, 10);
		if (cursor_peek(&line, 0) == 'h')
			EXPECT_EQ(shrike_call(ctx, 0, line, NULL), 42);
	}
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
lines_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	shrike_emit_format(ctx, F_TEXT, "gap %u", missing);
	return SHRIKE_MORE;
}

static void
lines_save(struct shrike_ctx *ctx, bool is_final)
{
	shrike_emit_str(ctx, F_TEXT, is_final ? "final" : "mid");
}

static const struct shrike_parser lines = {
	.api = SHRIKE_API,
	.name = "testlines",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x01T")},
					       {.transports = SHRIKE_TCP, .offset = 1, SHRIKE_BYTES("T\x02")},
					       {.transports = SHRIKE_UDP, .port = 53},
					       {.transports = SHRIKE_UDP, SHRIKE_BYTES("\x01")},
					       {.session = "testproto"},
					       {0}},
	.fields = test_fields,
	.n_fields = N_FIELDS,
	.calls = (const char *const[]){"testhook", "nobody", NULL},
	.state_bytes = 2 * sizeof(struct shrike_buffer),
	.parse = lines_parse,
	.gap = lines_gap,
	.save = lines_save,
};
SHRIKE_PARSER(lines);

static enum shrike_verdict
other_parse(struct shrike_ctx *ctx, struct cursor in)
{
	note(ctx, "other", in);
	return SHRIKE_MORE;
}

static int
other_hook(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	(void)argument;
	shrike_emit_rest(ctx, 0, &in); /* a place in the owner's table */
	return 42;
}

static const struct shrike_parser other = {
	.api = SHRIKE_API,
	.name = "testother",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x03O")}, {0}},
	.fields = &test_fields[F_USER],
	.n_fields = 1,
	.parse = other_parse,
};
SHRIKE_PARSER(other);
static const struct shrike_hook hook = {.name = "testhook", .owner = &other, .call = other_hook};
SHRIKE_HOOK(hook);

static const struct shrike_parser labels = {
	.api = SHRIKE_API,
	.name = "testlabels",
	.match =
		(const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x01T"), .protocol = "labelled"},
					      {0}},
};
SHRIKE_PARSER(labels);

/* ---- A host with one session */

struct fixture {
	struct conf *conf;
	struct parsers *parsers;
	struct record_pool *pool;
	struct counters counters;
	struct parsing *parsing;
	struct record *record;
	void *slot;
	unsigned opened;
	uint16_t port[2];
};

static struct record *
host_open(void *context, void *session)
{
	struct fixture *f = context;

	(void)session;
	f->opened++;
	if (f->record == NULL)
		f->record = record_create(f->pool);
	return f->record;
}

static void
host_close(void *context, void *session)
{
	struct fixture *f = context;

	(void)session;
	f->opened--;
}

static const struct record *
host_peek(void *context, void *session)
{
	struct fixture *f = context;

	(void)session;
	return f->record;
}

static void
host_facts(void *context, void *session, struct parsing_facts *out)
{
	struct fixture *f = context;

	(void)session;
	out->port[0] = f->port[0];
	out->port[1] = f->port[1];
}

static const char *
protocol_name(uint8_t id)
{
	return id == 3 ? "testproto" : NULL;
}

static void
set_up(struct fixture *f, uint64_t memory_bytes)
{
	static const char *const overrides[] = {"magicMode=basic", "parsersDir="};
	struct conf_params params = {.overrides = overrides, .n_overrides = 2};

	*f = (struct fixture){.port = {1000, 2000}};
	f->conf = conf_load(&params, stderr);
	f->parsers = parsers_create(f->conf);
	f->pool = record_pool_create(RECORD_CHUNKS, 0, &f->counters);
	n_calls = 0;
	if (f->parsers == NULL || f->pool == NULL)
		abort();
	parsers_bind_protocols(f->parsers, protocol_name, 5);
	f->parsing = parsing_create(&(struct parsing_params){
		.parsers = f->parsers,
		.records = f->pool,
		.counters = &f->counters,
		.host = {f, host_open, host_close, host_peek, host_facts},
		.memory_bytes = memory_bytes,
	});
	if (f->parsing == NULL)
		abort();
}

static void
tear_down(struct fixture *f)
{
	parsing_end(f->parsing, &f->slot);
	EXPECT_EQ(f->opened, 0);
	EXPECT_EQ(parsing_bytes_used(f->parsing), 0);
	record_free(f->pool, f->record);
	parsing_destroy(f->parsing);
	parsers_destroy(f->parsers);
	EXPECT_EQ(record_pool_destroy(f->pool), 0);
	conf_destroy(f->conf);
}

static bool
feed(struct fixture *f, unsigned transport, unsigned direction, const char *text)
{
	struct parsing_chunk chunk = {
		.session = f,
		.slot = &f->slot,
		.bytes = cursor_make(text, strlen(text)),
		.direction = (uint8_t)direction,
		.transport = (uint8_t)transport,
		.protocol = 3,
	};

	return parsing_feed(f->parsing, &chunk);
}

/* The n-th text of a field, or NULL. */
static const char *
text_of(const struct fixture *f, const char *field, unsigned n)
{
	static char text[64];
	struct record_iterator it;
	struct record_value value;

	if (f->record == NULL)
		return NULL;
	record_values_begin(f->record, &it);
	while (record_values_next(&it, &value)) {
		if (value.field != field_find(field) || n-- > 0)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)value.str.size, (const char *)value.str.text);
		return text;
	}
	return NULL;
}

TEST(the_first_payload_of_each_direction_is_classified_and_chunks_come_in_order)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "nothing known"));
	EXPECT_EQ(n_calls, 0);
	EXPECT(feed(&f, SHRIKE_TCP, 1, "\x01Tmo"));
	EXPECT(feed(&f, SHRIKE_TCP, 0, "more\n"));
	EXPECT(feed(&f, SHRIKE_TCP, 1, "re\n"));
	EXPECT_EQ(n_calls, 3);
	EXPECT_STR(calls[0].bytes, "\x01Tmo");
	EXPECT_EQ(calls[1].direction, 0);
	EXPECT_STR(text_of(&f, "zt.parsingText", 0), "more");
	EXPECT_STR(text_of(&f, "zt.parsingText", 1), "\x01Tmore");
	EXPECT_STR(text_of(&f, "protocol", 0), "labelled");
	tear_down(&f);
}

TEST(memory_comes_back_when_nobody_wants_more)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01Thalf a line"));
	EXPECT(parsing_bytes_used(f.parsing) > 0);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\ndone\n"));
	EXPECT(!feed(&f, SHRIKE_TCP, 1, "answer"));
	EXPECT(f.slot == NULL);
	EXPECT_EQ(parsing_bytes_used(f.parsing), 0);
	tear_down(&f);
}

TEST(a_parser_that_says_not_mine_leaves_nothing_and_may_match_again)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "!T\x02"));
	EXPECT(text_of(&f, "zt.parsingText", 0) == NULL);
	EXPECT(feed(&f, SHRIKE_TCP, 1, "\x01Tmore\n"));
	EXPECT_EQ(n_calls, 1);
	tear_down(&f);
}

TEST(one_byte_on_tcp_is_not_classified_and_ends_the_chance_of_its_direction)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01"));
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T"));
	EXPECT_EQ(n_calls, 0);
	EXPECT(!feed(&f, SHRIKE_TCP, 1, "x"));
	tear_down(&f);
}

TEST(on_port_53_of_udp_bytes_do_not_count)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	f.port[1] = 53;
	EXPECT(feed(&f, SHRIKE_UDP, 0, "\x01 more\n"));
	EXPECT_EQ(n_calls, 1); /* by the port, once */
	tear_down(&f);
}

TEST(a_parser_attached_by_name_begins_with_the_next_chunk)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\nattach\n"));
	EXPECT_EQ(n_calls, 1);
	EXPECT(feed(&f, SHRIKE_TCP, 1, "next"));
	EXPECT_EQ(n_calls, 3);
	EXPECT_STR(calls[2].parser, "other");
	tear_down(&f);
}

TEST(what_is_reclassified_goes_to_new_parsers_once_and_without_what_came_before)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\ninside\n\x03Other bytes"));
	EXPECT_EQ(n_calls, 2);
	EXPECT_STR(calls[1].bytes, "\x03Other bytes");
	EXPECT(feed(&f, SHRIKE_TCP, 0, "more"));
	EXPECT_EQ(n_calls, 3);
	tear_down(&f);

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\ninside\n"));
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x03Other"));
	EXPECT_EQ(n_calls, 2);
	EXPECT_STR(calls[1].parser, "other");
	tear_down(&f);
}

TEST(a_hook_runs_with_its_owners_fields)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\nhook\n"));
	EXPECT_STR(text_of(&f, "user", 0), "hook");
	tear_down(&f);
}

TEST(bytes_that_a_parser_skips_do_not_reach_it)
{
	struct fixture f;
	struct parsing_chunk gap = {.session = &f, .slot = &f.slot, .transport = SHRIKE_TCP, .missing = 3};

	set_up(&f, MEMORY_BYTES);
	gap.bytes = cursor_make("", 0);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\nskip\n"));
	EXPECT(feed(&f, SHRIKE_TCP, 0, "01234"));
	EXPECT(feed(&f, SHRIKE_TCP, 1, "other side\n"));
	EXPECT(parsing_feed(f.parsing, &gap));
	EXPECT(feed(&f, SHRIKE_TCP, 0, "89more\n"));
	EXPECT_EQ(n_calls, 3);
	EXPECT_STR(calls[1].bytes, "other side\n");
	EXPECT_STR(calls[2].bytes, "more\n");
	EXPECT_STR(text_of(&f, "zt.parsingText", 3), "more");
	EXPECT(feed(&f, SHRIKE_TCP, 0, "skip\n"));
	gap.missing = 14;
	EXPECT(parsing_feed(f.parsing, &gap));
	EXPECT_STR(text_of(&f, "zt.parsingText", 5), "gap 4");
	tear_down(&f);
}

/* Somebody listens to the session's stream. */
static bool
feed_heard(struct fixture *f, uint32_t skip[2], const char *text)
{
	const struct parsing_chunk chunk = {.session = f,
					    .slot = &f->slot,
					    .skip = skip,
					    .is_heard = true,
					    .transport = SHRIKE_TCP,
					    .bytes = cursor_make(text, strlen(text))};

	return parsing_feed(f->parsing, &chunk);
}

TEST(of_a_session_that_is_heard_nothing_is_kept_back)
{
	uint32_t skip[2] = {0};
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed_heard(&f, skip, "\x01T\nskip\n"));
	EXPECT_EQ(skip[0] + skip[1], 0);
	EXPECT(feed_heard(&f, skip, "0123456789more\n"));
	EXPECT_STR(calls[1].bytes, "more\n");
	/* Nobody listens any more. */
	EXPECT(parsing_feed(f.parsing, &(struct parsing_chunk){.session = &f,
							       .slot = &f.slot,
							       .skip = skip,
							       .transport = SHRIKE_TCP,
							       .bytes = cursor_make("skip\n", 5)}));
	EXPECT_EQ(skip[0], 10);
	tear_down(&f);
}

TEST(what_is_over_for_all_parsers_does_not_begin_again_when_it_is_heard)
{
	uint32_t skip[2] = {0};
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 1, "nothing"));
	EXPECT(!feed_heard(&f, skip, "\x01T\ndone\n"));
	EXPECT_EQ(n_calls, 1);
	feed_heard(&f, skip, "\x01T\nwould match\n");
	EXPECT_EQ(n_calls, 1);
	EXPECT_EQ(skip[0] + skip[1], 0);
	tear_down(&f);
}

TEST(sessions_of_a_packet_protocol_are_parsed_packet_by_packet)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(parsers_want_session(f.parsers, "testproto"));
	EXPECT(!parsers_want_session(f.parsers, "testnobody"));
	EXPECT(feed(&f, 0, 0, "one\n"));
	EXPECT(feed(&f, 0, 1, "two\n"));
	EXPECT_STR(text_of(&f, "zt.parsingText", 1), "two");
	tear_down(&f);
}

TEST(gaps_and_saves_are_told)
{
	struct fixture f;
	struct parsing_chunk gap = {.session = &f, .slot = &f.slot, .transport = SHRIKE_TCP, .missing = 5};

	set_up(&f, MEMORY_BYTES);
	gap.bytes = cursor_make("", 0);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01T\n"));
	EXPECT(parsing_feed(f.parsing, &gap));
	EXPECT_STR(text_of(&f, "zt.parsingText", 1), "gap 5");
	parsing_save(f.parsing, &f, &f.slot, 0, false);
	EXPECT_STR(text_of(&f, "zt.parsingText", 2), "mid");
	parsing_save(f.parsing, &f, &f.slot, 0, true);
	EXPECT_STR(text_of(&f, "zt.parsingText", 3), "final");
	EXPECT(f.slot == NULL);
	tear_down(&f);
}

TEST(without_memory_parsers_end_and_it_is_counted)
{
	struct fixture f;
	uint64_t before = counters_total("parser.no_memory");

	set_up(&f, 64);
	counters_attach(&f.counters, "test");
	EXPECT(!feed(&f, SHRIKE_TCP, 0, "\x01Tmore\n"));
	EXPECT_EQ(counters_total("parser.no_memory"), before + 1);
	counters_detach(&f.counters);
	tear_down(&f);
}

TEST(a_line_that_is_longer_than_its_limit_ends_the_parser)
{
	struct fixture f;

	set_up(&f, MEMORY_BYTES);
	EXPECT(feed(&f, SHRIKE_TCP, 0, "\x01Tno end"));
	for (unsigned i = 0; i < 10; i++)
		feed(&f, SHRIKE_TCP, 0, "0123456789");
	EXPECT_EQ(n_calls, 8); /* the one after which more than 64 bytes waited, and the next, was the last */
	tear_down(&f);
}
