#include "harness.h"

#include "document.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>

enum {
	MEMORY_BYTES = 64 << 20,
	RECORD_CHUNKS = 4096,
	CHUNKS_MAX = 65536,
	OVERRIDES_MAX = 32,
	SESSION_PROTOCOLS_MAX = 32,
	CHUNK_NS = 1000000,
	VALUE_BYTES = 1 << 20,
};

struct fed_chunk {
	uint8_t transport, protocol, direction;
	uint32_t missing, sctp_protocol;
	size_t size;
	uint8_t *bytes;
};

struct harness {
	struct conf *conf;
	struct parsers *parsers;
	struct parsing *parsing;
	struct record_pool *records;
	struct formatter *formatter;
	struct counters counters;
	struct parsing_facts facts;

	/* The session. */
	void *slot;
	bool is_live, was_saved, was_final;
	uint64_t now_ns;
	struct record *record;
	uint32_t sctp_protocol;
	struct fed_chunk *chunk; /* all that was fed */
	unsigned n_chunks, capacity;
};

static const char *session_protocol[SESSION_PROTOCOLS_MAX + 1]; /* by id, from 1 */
static unsigned n_session_protocols;

static void
die_if(bool condition, const char *what)
{
	if (!condition)
		return;
	fprintf(stderr, "parsers/harness: %s\n", what);
	abort();
}

/* ---- The host of parsing.h */

static struct record *
record_open(void *context, void *session)
{
	struct harness *h = context;

	die_if(session != h, "another session than the one that was fed");
	if (h->record == NULL)
		h->record = record_create(h->records);
	return h->record;
}

static void
record_close(void *context, void *session)
{
	die_if(session != context, "another session than the one that was fed");
}

static const struct record *
record_peek(void *context, void *session)
{
	const struct harness *h = context;

	die_if(session != context, "another session than the one that was fed");
	return h->record;
}

static void
facts(void *context, void *session, struct parsing_facts *out)
{
	const struct harness *h = context;

	die_if(session != context, "another session than the one that was fed");
	*out = h->facts;
}

/* ---- Create and destroy */

static const char *
protocol_name(uint8_t id)
{
	return id <= n_session_protocols ? session_protocol[id] : NULL;
}

static uint8_t
protocol_id(const char *name)
{
	for (unsigned i = 1; i <= n_session_protocols; i++)
		if (strcmp(session_protocol[i], name) == 0)
			return (uint8_t)i;
	return 0;
}

static void
collect_protocols(const struct parsers *parsers)
{
	for (unsigned i = 0; i < parsers_count(parsers); i++) {
		const struct shrike_match *m = parsers_at(parsers, i)->match;

		for (; m != NULL && (m->transports != 0 || m->session != NULL); m++) {
			if (m->session == NULL || protocol_id(m->session) != 0)
				continue;
			die_if(n_session_protocols == SESSION_PROTOCOLS_MAX, "SESSION_PROTOCOLS_MAX is too small");
			session_protocol[++n_session_protocols] = m->session;
		}
	}
}

static struct conf *
load_conf(const char *first, va_list arguments)
{
	const char *override[OVERRIDES_MAX];
	char path[] = "/tmp/shrike-harness.XXXXXX";
	struct conf_params params = {.node = "test", .overrides = override};
	struct conf *conf;
	FILE *file = NULL;

	for (const char *text = first; text != NULL; text = va_arg(arguments, const char *)) {
		if (strchr(text, '\n') == NULL) {
			die_if(params.n_overrides == OVERRIDES_MAX, "too many settings");
			override[params.n_overrides++] = text;
			continue;
		}
		if (file == NULL) {
			int fd = mkstemp(path);

			file = fd >= 0 ? fdopen(fd, "w") : NULL;
			die_if(file == NULL, "no file in /tmp");
			params.path = path;
		}
		fputs(text, file);
	}
	if (file != NULL)
		fclose(file);
	conf = conf_load(&params, stderr);
	if (file != NULL)
		unlink(path);
	return conf;
}

static void
create_parsing(struct harness *h)
{
	struct parsing_params params = {
		.parsers = h->parsers,
		.records = h->records,
		.counters = &h->counters,
		.host = {.context = h,
			 .record_open = record_open,
			 .record_close = record_close,
			 .record_peek = record_peek,
			 .facts = facts},
		.memory_bytes = MEMORY_BYTES,
	};

	h->parsing = parsing_create(&params);
	die_if(h->parsing == NULL, "parsing_create() failed");
}

static void
set_default_facts(struct parsing_facts *f)
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t address[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};

	f->port[0] = 40000;
	f->port[1] = 40001;
	f->first_ns = UINT64_C(1000000000000000);
	for (unsigned side = 0; side < 2; side++) {
		memcpy(&f->address[side][0], v4_mapped, sizeof(v4_mapped));
		memcpy(&f->address[side][12], address[side], sizeof(address[side]));
	}
}

struct harness *
harness_create_with(const char *first, ...)
{
	struct document_conf document = {.node = "test", .rotate_index = DOCUMENT_DAILY};
	struct harness *h = calloc(1, sizeof(*h));
	va_list arguments;

	die_if(h == NULL, "no memory");
	va_start(arguments, first);
	h->conf = load_conf(first, arguments);
	va_end(arguments);
	die_if(h->conf == NULL, "the settings are refused");
	/* Settings may bring fields of their own, and another test may have fixed the ids without them. */
	fields_reset();
	h->parsers = parsers_create(h->conf);
	die_if(h->parsers == NULL, "parsers_create() failed");
	n_session_protocols = 0;
	collect_protocols(h->parsers);
	parsers_bind_protocols(h->parsers, protocol_name, n_session_protocols);
	counters_attach(&h->counters, "parsers/harness");
	h->records = record_pool_create(RECORD_CHUNKS, 0, &h->counters);
	h->formatter = formatter_create(&document);
	die_if(h->records == NULL || h->formatter == NULL, "no memory");
	create_parsing(h);
	set_default_facts(&h->facts);
	h->is_live = true;
	h->now_ns = h->facts.first_ns;
	return h;
}

static void
end_session(struct harness *h)
{
	parsing_end(h->parsing, &h->slot);
	EXPECT(h->slot == NULL);
	EXPECT_EQ(parsing_bytes_used(h->parsing), 0);
	record_free(h->records, h->record);
	h->record = NULL;
	EXPECT_EQ(record_pool_used(h->records), 0);
	h->is_live = true;
	h->was_saved = h->was_final = false;
	h->now_ns = h->facts.first_ns;
}

static void
free_chunks(struct fed_chunk *chunk, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(chunk[i].bytes);
	free(chunk);
}

void
harness_reset(struct harness *h)
{
	end_session(h);
	free_chunks(h->chunk, h->n_chunks);
	h->chunk = NULL;
	h->n_chunks = h->capacity = 0;
}

void
harness_destroy(struct harness *h)
{
	if (h == NULL)
		return;
	harness_reset(h);
	parsing_destroy(h->parsing);
	record_pool_destroy(h->records);
	formatter_destroy(h->formatter);
	parsers_destroy(h->parsers);
	conf_destroy(h->conf);
	counters_detach(&h->counters);
	/* Ids of fields that these settings brought. */
	fields_reset();
	fields_init();
	free(h);
}

void
harness_ports(struct harness *h, uint16_t source, uint16_t destination)
{
	h->facts.port[0] = source;
	h->facts.port[1] = destination;
}

void
harness_addresses(struct harness *h, const uint8_t source[16], const uint8_t destination[16])
{
	memcpy(h->facts.address[0], source, sizeof(h->facts.address[0]));
	memcpy(h->facts.address[1], destination, sizeof(h->facts.address[1]));
}

void
harness_time(struct harness *h, uint64_t first_ns)
{
	h->facts.first_ns = h->now_ns = first_ns;
}

/* ---- Feeding */

static uint8_t
ip_protocol_of(const struct fed_chunk *c)
{
	switch (c->transport) {
	case SHRIKE_TCP:
		return IPPROTO_TCP;
	case SHRIKE_UDP:
		return IPPROTO_UDP;
	case SHRIKE_SCTP:
		return IPPROTO_SCTP;
	default:
		return 0;
	}
}

static bool
feed(struct harness *h, const struct fed_chunk *c)
{
	uint8_t *guarded;
	struct parsing_chunk chunk;

	if (!h->is_live || (c->size == 0 && c->missing == 0))
		return h->is_live;
	guarded = test_guard(c->bytes, c->size);
	h->facts.ip_protocol = ip_protocol_of(c);
	chunk = (struct parsing_chunk){.session = h,
				       .slot = &h->slot,
				       .time_ns = h->now_ns,
				       .bytes = cursor_make(guarded, c->size),
				       .missing = c->missing,
				       .direction = c->direction,
				       .transport = c->transport,
				       .protocol = c->protocol,
				       .sctp_protocol = c->sctp_protocol};
	h->is_live = parsing_feed(h->parsing, &chunk);
	if (!h->is_live)
		EXPECT(h->slot == NULL);
	test_guard_free(guarded, c->size);
	h->now_ns += CHUNK_NS;
	return h->is_live;
}

static void
keep(struct harness *h, const struct fed_chunk *c)
{
	if (h->n_chunks == h->capacity) {
		h->capacity = h->capacity * 2 + 16;
		h->chunk = realloc(h->chunk, h->capacity * sizeof(h->chunk[0]));
		die_if(h->chunk == NULL || h->capacity > CHUNKS_MAX, "too many chunks");
	}
	h->chunk[h->n_chunks] = *c;
	h->chunk[h->n_chunks].bytes = malloc(c->size + 1);
	die_if(h->chunk[h->n_chunks].bytes == NULL, "no memory");
	if (c->size > 0)
		memcpy(h->chunk[h->n_chunks].bytes, c->bytes, c->size);
	h->n_chunks++;
}

static bool
feed_new(struct harness *h, struct fed_chunk c, const void *bytes)
{
	c.bytes = (uint8_t *)(uintptr_t)bytes;
	keep(h, &c);
	return feed(h, &c);
}

bool
harness_tcp(struct harness *h, unsigned direction, const void *bytes, size_t size)
{
	return feed_new(h, (struct fed_chunk){SHRIKE_TCP, .direction = (uint8_t)direction, .size = size}, bytes);
}

bool
harness_udp(struct harness *h, unsigned direction, const void *bytes, size_t size)
{
	return feed_new(h, (struct fed_chunk){SHRIKE_UDP, .direction = (uint8_t)direction, .size = size}, bytes);
}

void
harness_sctp_protocol(struct harness *h, uint32_t protocol)
{
	h->sctp_protocol = protocol;
}

bool
harness_sctp(struct harness *h, unsigned direction, const void *bytes, size_t size)
{
	return feed_new(h,
			(struct fed_chunk){SHRIKE_SCTP, .direction = (uint8_t)direction,
					   .sctp_protocol = h->sctp_protocol, .size = size},
			bytes);
}

bool
harness_session(struct harness *h, const char *protocol, unsigned direction, const void *bytes, size_t size)
{
	uint8_t id = protocol_id(protocol);

	if (id == 0)
		test_fail(__FILE__, __LINE__, "no parser has a rule for sessions of that protocol");
	return feed_new(h, (struct fed_chunk){.protocol = id, .direction = (uint8_t)direction, .size = size}, bytes);
}

bool
harness_gap(struct harness *h, unsigned direction, uint32_t missing)
{
	return feed_new(h, (struct fed_chunk){SHRIKE_TCP, .direction = (uint8_t)direction, .missing = missing}, "");
}

void
harness_save(struct harness *h, bool is_final)
{
	parsing_save(h->parsing, h, &h->slot, h->now_ns, is_final);
	h->was_saved = true;
	if (!is_final)
		return;
	h->was_final = true;
	h->is_live = false;
	EXPECT(h->slot == NULL);
}

bool
harness_is_live(const struct harness *h)
{
	return h->is_live;
}

uint64_t
harness_memory_bytes(const struct harness *h)
{
	return parsing_bytes_used(h->parsing);
}

uint64_t
harness_counter(const struct harness *h, const char *name)
{
	REGISTRY_FOREACH (counter, struct counter, c)
		if (strcmp((*c)->name, name) == 0)
			return h->counters.value[c - __start_registry_counter];
	test_fail(__FILE__, __LINE__, name);
	return 0;
}

/* ---- Reading back */

/* One value as text; texts may be in several pieces. */
struct harness_value {
	field_id field;
	unsigned order;
	char *text;
	size_t size;
};
struct value_list {
	struct harness_value *value;
	unsigned n, capacity;
};

static size_t
value_text(const struct record_value *v, char *out, size_t size)
{
	switch (v->type) {
	case FIELD_INT:
		return (size_t)snprintf(out, size, "%lld", (long long)v->integer);
	case FIELD_FLOAT:
		return (size_t)snprintf(out, size, "%g", v->real);
	case FIELD_IP:
		if (memcmp(v->ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0)
			inet_ntop(AF_INET, &v->ip[12], out, (socklen_t)size);
		else
			inet_ntop(AF_INET6, v->ip, out, (socklen_t)size);
		return strlen(out);
	default:
		die_if(v->str.size > size, "a text of more than VALUE_BYTES");
		memcpy(out, v->str.text, v->str.size);
		return v->str.size;
	}
}

static void
list_append(struct value_list *list, field_id field, const char *text, size_t size)
{
	struct harness_value *value;

	if (list->n == list->capacity) {
		list->capacity = list->capacity * 2 + 64;
		list->value = realloc(list->value, list->capacity * sizeof(list->value[0]));
		die_if(list->value == NULL, "no memory");
	}
	value = &list->value[list->n];
	*value = (struct harness_value){field, list->n, malloc(size + 1), size};
	die_if(value->text == NULL, "no memory");
	memcpy(value->text, text, size);
	value->text[size] = '\0';
	list->n++;
}

static void
list_values(const struct harness *h, struct value_list *list)
{
	static char text[VALUE_BYTES];
	struct record_iterator it;
	struct record_value v;
	size_t used = 0;

	*list = (struct value_list){0};
	if (h->record == NULL)
		return;
	record_values_begin(h->record, &it);
	while (record_values_next(&it, &v)) {
		used += value_text(&v, &text[used], sizeof(text) - used);
		if (v.more)
			continue;
		list_append(list, v.field, text, used);
		used = 0;
	}
}

static void
list_free(struct value_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		free(list->value[i].text);
	free(list->value);
}

static field_id
known_field(const char *name)
{
	field_id id = field_find(name);

	if (id == 0) {
		test_fail(__FILE__, __LINE__, "no such field");
		printf("    \"%s\"\n", name);
	}
	return id;
}

const char *
harness_values(const struct harness *h, const char *field)
{
	static char out[VALUE_BYTES];
	field_id id = known_field(field);
	struct value_list list;
	size_t used = 0;
	unsigned n = 0;

	list_values(h, &list);
	for (unsigned i = 0; i < list.n; i++) {
		const struct harness_value *v = &list.value[i];

		if (v->field != id)
			continue;
		die_if(used + v->size + 2 > sizeof(out), "values of more than VALUE_BYTES");
		if (n++ > 0)
			out[used++] = ',';
		memcpy(&out[used], v->text, v->size);
		used += v->size;
	}
	out[used] = '\0';
	list_free(&list);
	return n > 0 ? out : NULL;
}

bool
harness_has(const struct harness *h, const char *field, const char *text)
{
	field_id id = known_field(field);
	struct value_list list;
	bool found = false;

	list_values(h, &list);
	for (unsigned i = 0; i < list.n; i++)
		found = found || (list.value[i].field == id && strcmp(list.value[i].text, text) == 0);
	list_free(&list);
	return found;
}

unsigned
harness_count(const struct harness *h, const char *field)
{
	field_id id = known_field(field);
	struct value_list list;
	unsigned n = 0;

	list_values(h, &list);
	for (unsigned i = 0; i < list.n; i++)
		n += list.value[i].field == id;
	list_free(&list);
	return n;
}

static void
fill_summary(const struct harness *h, struct record_summary *s)
{
	*s = (struct record_summary){.first_ns = h->facts.first_ns,
				     .last_ns = h->now_ns,
				     .saved_ns = h->now_ns,
				     .ip_version = 4,
				     .ip_protocol = h->facts.ip_protocol,
				     .ethertype = 0x0800,
				     .is_final = true};
	memcpy(s->address, h->facts.address, sizeof(s->address));
	memcpy(s->port, h->facts.port, sizeof(s->port));
}

const char *
harness_json(struct harness *h)
{
	static char *json;
	struct document d;

	if (h->record == NULL)
		h->record = record_create(h->records);
	die_if(h->record == NULL, "no record");
	fill_summary(h, &h->record->summary);
	die_if(!formatter_write(h->formatter, h->record, &d), "no document");
	free(json);
	json = strndup(d.json, d.json_bytes);
	die_if(json == NULL, "no memory");
	return json;
}

/* ---- The same bytes again, in other pieces */

static bool
is_excepted(const char *except, const char *field)
{
	size_t size = strlen(field);

	for (const char *hit = except; hit != NULL && (hit = strstr(hit, field)) != NULL; hit += size)
		if ((hit == except || hit[-1] == ',') && (hit[size] == ',' || hit[size] == '\0'))
			return true;
	return false;
}

static int
compare_values(const void *a, const void *b)
{
	const struct harness_value *x = a, *y = b;

	if (x->field != y->field)
		return x->field < y->field ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* "field=value" a line, by field; those of a field in their order. The caller frees it. */
static char *
snapshot(const struct harness *h, const char *except)
{
	struct value_list list;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	die_if(out == NULL, "no memory");
	list_values(h, &list);
	if (list.n > 0)
		qsort(list.value, list.n, sizeof(list.value[0]), compare_values);
	for (unsigned i = 0; i < list.n; i++) {
		const char *name = field_at(list.value[i].field)->name;

		if (is_excepted(except, name))
			continue;
		fprintf(out, "%s=", name);
		fwrite(list.value[i].text, 1, list.value[i].size, out);
		fputc('\n', out);
	}
	list_free(&list);
	fclose(out);
	return text;
}

static void
save_as_before(struct harness *h, bool was_saved, bool was_final)
{
	if (was_saved)
		harness_save(h, was_final);
}

/* The session from its beginning, as it was fed. */
static void
replay(struct harness *h, unsigned n_chunks)
{
	end_session(h);
	for (unsigned i = 0; i < n_chunks; i++)
		(void)feed(h, &h->chunk[i]);
}

void
harness_every_truncation(struct harness *h)
{
	bool was_saved = h->was_saved, was_final = h->was_final;

	for (unsigned i = 0; i < h->n_chunks; i++) {
		for (size_t size = 0; size < h->chunk[i].size; size++) {
			struct fed_chunk cut = h->chunk[i];

			replay(h, i);
			cut.size = size;
			(void)feed(h, &cut);
			harness_save(h, true);
		}
	}
	replay(h, h->n_chunks);
	save_as_before(h, was_saved, was_final);
}

static void
feed_part(struct harness *h, const struct fed_chunk *c, size_t from, size_t to)
{
	struct fed_chunk part = *c;

	part.bytes = &c->bytes[from];
	part.size = to - from;
	(void)feed(h, &part);
}

/* Bytes at the start of chunk 'i' that stay together: the rest of its direction's first 'whole_bytes'. */
static size_t
bytes_together(const struct harness *h, unsigned i, size_t whole_bytes)
{
	size_t before = 0;

	for (unsigned k = 0; k < i; k++)
		if (h->chunk[k].direction == h->chunk[i].direction)
			before += h->chunk[k].size;
	/* Its first segment is what was classified. */
	return before > 0 ? 0 : whole_bytes < h->chunk[i].size ? whole_bytes : h->chunk[i].size;
}

static bool
is_same(struct harness *h, const char *whole, const char *except, const char *how)
{
	char *text;
	bool same;

	harness_save(h, true);
	text = snapshot(h, except);
	same = strcmp(text, whole) == 0;
	if (!same) {
		test_fail(__FILE__, __LINE__, how);
		printf("  whole:\n%s  in pieces:\n%s", whole, text);
	}
	free(text);
	return same;
}

static bool
split_chunk(struct harness *h, unsigned i, size_t whole_bytes, const char *whole, const char *except)
{
	const struct fed_chunk *c = &h->chunk[i];
	size_t from = bytes_together(h, i, whole_bytes);

	for (size_t at = from > 0 ? from : 1; at < c->size; at++) {
		char how[64];

		replay(h, i);
		feed_part(h, c, 0, at);
		feed_part(h, c, at, c->size);
		for (unsigned k = i + 1; k < h->n_chunks; k++)
			(void)feed(h, &h->chunk[k]);
		snprintf(how, sizeof(how), "chunk %u in two at %zu", i, at);
		if (!is_same(h, whole, except, how))
			return false;
	}
	return true;
}

static bool
byte_by_byte(struct harness *h, size_t whole_bytes, const char *whole, const char *except)
{
	end_session(h);
	for (unsigned i = 0; i < h->n_chunks; i++) {
		const struct fed_chunk *c = &h->chunk[i];
		size_t from = c->transport == SHRIKE_TCP ? bytes_together(h, i, whole_bytes) : c->size;

		if (c->missing > 0) {
			(void)feed(h, c);
			continue;
		}
		feed_part(h, c, 0, from);
		for (size_t at = from; at < c->size; at++)
			feed_part(h, c, at, at + 1);
	}
	return is_same(h, whole, except, "byte by byte");
}

void
harness_every_split(struct harness *h, size_t whole_bytes, const char *except)
{
	bool was_saved = h->was_saved, was_final = h->was_final, same = true;
	char *whole;

	replay(h, h->n_chunks);
	harness_save(h, true);
	whole = snapshot(h, except);
	for (unsigned i = 0; i < h->n_chunks && same; i++)
		if (h->chunk[i].transport == SHRIKE_TCP)
			same = split_chunk(h, i, whole_bytes, whole, except);
	if (same)
		(void)byte_by_byte(h, whole_bytes, whole, except);
	free(whole);
	replay(h, h->n_chunks);
	save_as_before(h, was_saved, was_final);
}

/* ---- The harness under test: a parser of lines, one value each. */

enum { LINES_PORT = 65101, LINE_MAX_BYTES = 100, F_USER = 0, N_LINES_FIELDS };

static const struct field lines_fields[N_LINES_FIELDS] = {[F_USER] = {.name = "user"}};

static enum shrike_verdict
lines_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct shrike_buffer *buffer = shrike_state(ctx);
	struct cursor joined, line;

	if (!shrike_join(ctx, &buffer[shrike_direction(ctx)], in, LINE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	for (;;) {
		struct cursor before = joined;

		line = cursor_until(&joined, '\n');
		if (cursor_bad(&joined)) {
			shrike_keep(ctx, &buffer[shrike_direction(ctx)], before);
			return SHRIKE_MORE;
		}
		if (cursor_left(&line) == 3 && memcmp(line.p, "end", 3) == 0)
			return SHRIKE_DONE;
		shrike_emit_rest(ctx, F_USER, &line);
	}
}

static const struct shrike_match lines_match[] = {
	{.transports = SHRIKE_TCP | SHRIKE_UDP, .destination_port = LINES_PORT}, {0}};

static const struct shrike_parser test_lines = {
	.api = SHRIKE_API,
	.name = "test-lines",
	.match = lines_match,
	.fields = lines_fields,
	.n_fields = N_LINES_FIELDS,
	.state_bytes = 2 * sizeof(struct shrike_buffer),
	.parse = lines_parse,
};
SHRIKE_PARSER(test_lines);

TEST(values_are_read_back_in_their_order)
{
	struct harness *h = harness_create();

	harness_ports(h, 1, LINES_PORT);
	EXPECT(harness_tcp(h, 0, HARNESS_TEXT("b\na")));
	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("c\n")));
	EXPECT(harness_memory_bytes(h) > 0);
	EXPECT(!harness_tcp(h, 0, HARNESS_TEXT("\nend\nx\n")));
	EXPECT_EQ(harness_memory_bytes(h), 0);
	EXPECT(!harness_tcp(h, 0, HARNESS_TEXT("late\n")));
	EXPECT_FIELD(h, "user", "b,c,a");
	EXPECT(harness_has(h, "user", "c"));
	EXPECT(!harness_has(h, "user", "late"));
	EXPECT_EQ(harness_count(h, "user"), 3);
	EXPECT_NO_FIELD(h, "tags");
	EXPECT(strstr(harness_json(h), "\"user\":[\"") != NULL);
	harness_every_truncation(h);
	harness_every_split(h, 2, NULL);
	EXPECT_FIELD(h, "user", "b,c,a");
	harness_reset(h);
	EXPECT_NO_FIELD(h, "user");
	harness_destroy(h);
}

TEST(exceptions_are_whole_names)
{
	EXPECT(is_excepted("a.b,c", "a.b"));
	EXPECT(is_excepted("a.b,c", "c"));
	EXPECT(!is_excepted("a.b,c", "b"));
	EXPECT(!is_excepted("a.b,c", "a"));
	EXPECT(!is_excepted(NULL, "a"));
}

TEST(disabled_parsers_are_not_called)
{
	struct harness *h = harness_create("disableParsers=test-lines.so");

	harness_ports(h, 1, LINES_PORT);
	(void)harness_tcp(h, 0, HARNESS_TEXT("b\n"));
	EXPECT_NO_FIELD(h, "user");
	harness_destroy(h);
}
