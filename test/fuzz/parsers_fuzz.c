/* libFuzzer: any parser, any bytes, in any chunks, through parsing.h.
 *
 *   byte 0   which parser, in the order of --parsers
 *   byte 1   which of its rules
 *   byte 2   1: the first chunk gets the bytes that the rule asks for; 2: attach it by name, no rule; 4: save in
 * between then chunks: 2 bytes little endian, 14 bits of length, 0x4000: from the destination, 0x8000: so much is
 * missing
 *
 * Whatever else matches reads along, as in the program. At the end all memory is back, and the record is a document. */
#include "fuzz.h"

enum {
	MEMORY_BYTES = 256 << 20,
	RECORD_CHUNKS = 65536,
	HEADER_BYTES = 3,
	FLAG_RULE_BYTES = 1,
	FLAG_BY_NAME = 2,
	FLAG_SAVE = 4,
	CHUNK_LENGTH = 0x3fff,
	CHUNK_DIRECTION = 0x4000,
	CHUNK_GAP = 0x8000,
	CHUNK_NS = 1000000,
	SESSION_PROTOCOLS_MAX = 32,
	PORT_OF_NOBODY = 65535,
};

static struct {
	struct conf *conf;
	struct parsers *parsers;
	struct parsing *parsing;
	struct record_pool *records;
	struct formatter *formatter;
	struct counters counters;
	const char *protocol[SESSION_PROTOCOLS_MAX + 1];
	unsigned n_protocols;

	/* The session. */
	const char *attach; /* by the driver */
	struct parsing_facts facts;
	void *slot;
	struct record *record;
	bool is_live;
} fuzz;

/* ---- Attaches a parser by its name: on UDP and TCP, from the second chunk on. */

enum { DRIVER_PORT = 64999 };

static enum shrike_verdict
driver_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)in;
	if (fuzz.attach != NULL)
		(void)shrike_attach(ctx, fuzz.attach, 0);
	return SHRIKE_DONE;
}

static const struct shrike_match driver_match[] = {{.transports = SHRIKE_TCP | SHRIKE_UDP, .port = DRIVER_PORT}, {0}};
static const struct shrike_parser driver = {
	.api = SHRIKE_API,
	.name = "~driver", /* behind all others in the order of names */
	.match = driver_match,
	.parse = driver_parse,
};
SHRIKE_PARSER(driver);

/* ---- The host of parsing.h */

static struct record *
record_open(void *context, void *session)
{
	(void)context;
	(void)session;
	if (fuzz.record == NULL)
		fuzz.record = record_create(fuzz.records);
	return fuzz.record;
}

static void
record_close(void *context, void *session)
{
	(void)context;
	(void)session;
}

static const struct record *
record_peek(void *context, void *session)
{
	(void)context;
	(void)session;
	return fuzz.record;
}

static void
facts(void *context, void *session, struct parsing_facts *out)
{
	(void)context;
	(void)session;
	*out = fuzz.facts;
}

/* ---- Start */

static bool
rules_end(const struct shrike_match *m)
{
	return m == NULL || (m->transports == 0 && m->session == NULL);
}

static const char *
protocol_name(uint8_t id)
{
	return id <= fuzz.n_protocols ? fuzz.protocol[id] : NULL;
}

static uint8_t
protocol_id(const char *name)
{
	for (unsigned i = 1; i <= fuzz.n_protocols; i++)
		if (strcmp(fuzz.protocol[i], name) == 0)
			return (uint8_t)i;
	return 0;
}

static void
collect_protocols(void)
{
	for (unsigned i = 0; i < parsers_count(fuzz.parsers); i++)
		for (const struct shrike_match *m = parsers_at(fuzz.parsers, i)->match; !rules_end(m); m++)
			if (m->session != NULL && protocol_id(m->session) == 0) {
				fuzz_require(fuzz.n_protocols < SESSION_PROTOCOLS_MAX, "room for session protocols");
				fuzz.protocol[++fuzz.n_protocols] = m->session;
			}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct parsing_params params = {
		.counters = &fuzz.counters,
		.host = {.record_open = record_open,
			 .record_close = record_close,
			 .record_peek = record_peek,
			 .facts = facts},
		.memory_bytes = MEMORY_BYTES,
	};

	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	fuzz.conf = fuzz_conf();
	fuzz.parsers = parsers_create(fuzz.conf);
	fuzz_require(fuzz.parsers != NULL, "parsers");
	collect_protocols();
	parsers_bind_protocols(fuzz.parsers, protocol_name, fuzz.n_protocols);
	counters_attach(&fuzz.counters, "fuzz");
	fuzz.records = record_pool_create(RECORD_CHUNKS, 0, &fuzz.counters);
	params.parsers = fuzz.parsers;
	params.records = fuzz.records;
	fuzz.parsing = parsing_create(&params);
	fuzz.formatter = fuzz_formatter();
	fuzz_require(fuzz.records != NULL && fuzz.parsing != NULL, "memory");
	return 0;
}

/* ---- One input */

struct plan {
	const struct shrike_match *rule; /* NULL: by name */
	bool rule_bytes, save;
	uint8_t transport, protocol;
};

static struct plan
make_plan(const uint8_t header[HEADER_BYTES])
{
	const struct shrike_parser *parser = parsers_at(fuzz.parsers, header[0] % parsers_count(fuzz.parsers));
	struct plan plan = {.rule_bytes = (header[2] & FLAG_RULE_BYTES) != 0, .save = (header[2] & FLAG_SAVE) != 0};
	unsigned n = 0;

	while (parser->match != NULL && !rules_end(&parser->match[n]))
		n++;
	fuzz.attach = NULL;
	if (n > 0 && (header[2] & FLAG_BY_NAME) == 0) {
		plan.rule = &parser->match[header[1] % n];
		if (plan.rule->session != NULL)
			plan.protocol = protocol_id(plan.rule->session);
		else
			plan.transport = plan.rule->transports & SHRIKE_TCP   ? SHRIKE_TCP
					 : plan.rule->transports & SHRIKE_UDP ? SHRIKE_UDP
									      : SHRIKE_SCTP;
		return plan;
	}
	fuzz.attach = parser->name;
	plan.transport = header[1] & 1 ? SHRIKE_UDP : SHRIKE_TCP;
	return plan;
}

static void
set_facts(const struct plan *plan)
{
	const struct shrike_match *rule = plan->rule;

	fuzz.facts = (struct parsing_facts){.first_ns = UINT64_C(1000000000000000000)};
	fuzz.facts.ip_protocol = plan->transport == SHRIKE_TCP ? 6 : plan->transport == SHRIKE_UDP ? 17 : 132;
	memcpy(fuzz.facts.address[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	memcpy(fuzz.facts.address[1], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2", 16);
	fuzz.facts.port[0] = fuzz.facts.port[1] = PORT_OF_NOBODY;
	if (rule == NULL) {
		fuzz.facts.port[1] = DRIVER_PORT;
	} else {
		if (rule->port != 0 || rule->destination_port != 0)
			fuzz.facts.port[1] = rule->port != 0 ? rule->port : rule->destination_port;
		if (rule->source_port != 0)
			fuzz.facts.port[0] = rule->source_port;
	}
}

static void
feed(const struct plan *plan, struct cursor bytes, uint16_t header, uint64_t time_ns)
{
	size_t size = cursor_left(&bytes);
	bool is_gap = (header & CHUNK_GAP) != 0 && plan->transport == SHRIKE_TCP;
	struct parsing_chunk chunk = {.session = &fuzz,
				      .slot = &fuzz.slot,
				      .time_ns = time_ns,
				      .missing = is_gap ? header & CHUNK_LENGTH : 0,
				      .direction = (header & CHUNK_DIRECTION) != 0,
				      .transport = plan->transport,
				      .protocol = plan->protocol};
	uint8_t *copy;

	if (!fuzz.is_live || (size == 0 && chunk.missing == 0))
		return;
	/* Of its size exactly, so that the sanitizer sees its end, and gone when the call returns. */
	copy = malloc(size + (size == 0));
	fuzz_require(copy != NULL, "memory");
	if (size > 0)
		memcpy(copy, bytes.p, size);
	chunk.bytes = cursor_make(copy, size);
	fuzz.is_live = parsing_feed(fuzz.parsing, &chunk);
	free(copy);
}

/* The first chunk with the bytes that the rule looks for. */
static struct cursor
with_rule_bytes(const struct shrike_match *rule, struct cursor bytes, uint8_t *out, size_t room)
{
	size_t size = cursor_left(&bytes), needed = (size_t)rule->offset + rule->n_bytes;

	if (needed > room || size > room)
		return bytes;
	memset(out, 0, needed);
	memcpy(out, bytes.p, size);
	if (rule->n_bytes > 0)
		memcpy(&out[rule->offset], rule->bytes, rule->n_bytes);
	return cursor_make(out, size > needed ? size : needed);
}

static void
feed_all(const struct plan *plan, struct cursor in)
{
	static uint8_t first[CHUNK_LENGTH];
	uint64_t time_ns = fuzz.facts.first_ns;
	bool is_first = true;

	if (plan->rule == NULL)
		feed(plan, cursor_make("\0\0", 2), 0, time_ns);
	while (cursor_left(&in) >= 2 && fuzz.is_live) {
		uint16_t header = cursor_le16(&in);
		size_t size = (header & CHUNK_GAP) != 0 ? 0 : header & CHUNK_LENGTH, left = cursor_left(&in);
		struct cursor bytes = cursor_sub(&in, size < left ? size : left);

		if (is_first && plan->rule != NULL && plan->rule_bytes && (header & CHUNK_GAP) == 0)
			bytes = with_rule_bytes(plan->rule, bytes, first, sizeof(first));
		feed(plan, bytes, header, time_ns);
		time_ns += CHUNK_NS;
		if (is_first && plan->save)
			parsing_save(fuzz.parsing, &fuzz, &fuzz.slot, time_ns, false);
		is_first = false;
	}
	parsing_save(fuzz.parsing, &fuzz, &fuzz.slot, time_ns, true);
	parsing_end(fuzz.parsing, &fuzz.slot);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct plan plan;

	if (size < HEADER_BYTES + 2)
		return -1;
	plan = make_plan(bytes);
	set_facts(&plan);
	fuzz.is_live = true;
	feed_all(&plan, cursor_make(&bytes[HEADER_BYTES], size - HEADER_BYTES));
	fuzz_require(fuzz.slot == NULL, "nothing hangs on a session that has ended");
	fuzz_require(parsing_bytes_used(fuzz.parsing) == 0, "the memory of parsers comes back");
	if (fuzz.record != NULL) {
		fuzz.record->summary = (struct record_summary){
			.first_ns = fuzz.facts.first_ns, .last_ns = fuzz.facts.first_ns, .is_final = true};
		fuzz_check_record(fuzz.formatter, fuzz.record);
		record_free(fuzz.records, fuzz.record);
		fuzz.record = NULL;
	}
	fuzz_require(record_pool_used(fuzz.records) == 0, "chunks of records come back");
	return 0;
}
