/* libFuzzer: frames on their whole way: decode, fragments, session, TCP order, parsers, record, document.
 *
 * The input is the link type (2 bytes, little endian) and a byte whose lowest 2 bits are ipOverlap; then frames, each
 * with 2 bytes little endian before it: 15 bits of length, and 0x8000 when more than a minute goes by before it. They
 * come one ms apart. At the end everything is saved, no fragment waits, all memory is back, and every record is a
 * document. */
#include "fuzz.h"

#include "decode.h"
#include "fragments.h"
#include "session.h"
#include "worker.h"
#include "worker_payload.h"

enum {
	PARSER_BYTES = 256 << 20,
	RECORD_CHUNKS = 65536,
	SESSIONS_MAX = 4096,
	FRAME_NS = 1000000,
	PAUSE_S = 70,
	LENGTH = 0x7fff,
	PAUSE = 0x8000,
	CLOCK_START_S = 1000000000,
	MID_SAVE_PACKETS = 20,
	HEADER_BYTES = 3,
	OVERLAP_MODES = 4,
	DATAGRAMS_MAX = 6,
	FRAGMENT_BYTES = 160 << 10, /* two of the longest datagrams: they push each other out */
};

static struct {
	struct conf *conf;
	struct parsers *parsers;
	struct decode_conf *decode;
	struct session_conf sessions;
	struct hash_secret secret;
	struct record_pool *records;
	struct session_table *table;
	struct worker_payload payload;
	struct counters counters;
	struct formatter *formatter;
	struct fragments *fragments[OVERLAP_MODES];
} fuzz;

static const char *
protocol_name(uint8_t id)
{
	const struct packet_protocol *protocol = packet_protocol(id);

	return protocol != NULL ? protocol->name : NULL;
}

static void
create_table(void)
{
	struct session_table_params table = {
		.conf = &fuzz.sessions,
		.n_workers = 1,
		.max_sessions = SESSIONS_MAX,
		.records = fuzz.records,
		.counters = &fuzz.counters,
		.secret = &fuzz.secret,
		.payload_protocols = worker_payload_protocols(fuzz.parsers),
		.before_save = worker_payload_before_save,
		.context = &fuzz.payload,
	};
	struct worker_params params = {.parsers = fuzz.parsers, .parser_bytes = PARSER_BYTES};

	fuzz.table = session_table_create(&table);
	fuzz_require(fuzz.table != NULL, "a session table");
	fuzz_require(worker_payload_init(&fuzz.payload, &params, fuzz.table, fuzz.records, &fuzz.counters) == 0,
		     "parsing");
}

static void
create_fragments(void)
{
	for (int overlap = 0; overlap < OVERLAP_MODES; overlap++) {
		struct fragments_conf conf = {.timeout_s = PAUSE_S - 1,
					      .max_datagrams = DATAGRAMS_MAX,
					      .memory_bytes = FRAGMENT_BYTES,
					      .overlap = overlap};
		struct fragments_params params = {.conf = &conf,
						  .decode = fuzz.decode,
						  .secret = &fuzz.secret,
						  .counters = &fuzz.counters,
						  .n_workers = 1};

		fuzz.fragments[overlap] = fragments_create(&params);
		fuzz_require(fuzz.fragments[overlap] != NULL, "a table of fragments");
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz.conf = fuzz_conf();
	log_set_level(LOG_LEVEL_ERROR);
	fuzz.parsers = parsers_create(fuzz.conf);
	fuzz_require(fuzz.parsers != NULL, "parsers");
	parsers_bind_protocols(fuzz.parsers, protocol_name, packet_protocol_count());
	fuzz.decode = decode_conf_create(fuzz.conf);
	fuzz_require(fuzz.decode != NULL, "decode");
	conf_fill(fuzz.conf, &session_settings_group, &fuzz.sessions);
	conf_fill(fuzz.conf, &tcp_settings_group, &fuzz.sessions.tcp);
	session_conf_finish(&fuzz.sessions);
	fuzz.sessions.dry_run = true;
	fuzz.sessions.max_packets = MID_SAVE_PACKETS;
	/* The same keys in every run, so that a finding can be repeated. */
	memset(&fuzz.secret, 0x5a, sizeof(fuzz.secret));
	counters_attach(&fuzz.counters, "fuzz");
	fuzz.records = record_pool_create(RECORD_CHUNKS, 0, &fuzz.counters);
	fuzz.formatter = fuzz_formatter();
	fuzz_require(fuzz.records != NULL, "memory");
	create_table();
	create_fragments();
	return 0;
}

static void
take_records(void)
{
	struct record *r;

	while ((r = session_pull(fuzz.table)) != NULL) {
		fuzz_check_record(fuzz.formatter, r);
		record_free(fuzz.records, r);
	}
}

/* As the worker does. */
static void
process_frame(struct fragments *fragments, struct packet *p)
{
	while (!session_expire(fuzz.table, p->clock_ns, UINT32_MAX))
		take_records();
	packet_decode(fuzz.decode, p);
	if (p->verdict == PACKET_FRAGMENT && !fragments_push(fragments, p))
		return;
	if (p->verdict != PACKET_OK)
		return;
	p->hash = flow_key_hash(&p->key, &fuzz.secret);
	session_lookup(fuzz.table, p);
	if (p->fragments_differ && p->session != NULL)
		session_add_tag(fuzz.table, p->session, "ip-overlap");
	if (p->session != NULL && session_process(fuzz.table, p))
		worker_payload_parse(&fuzz.payload, p->session);
	take_records();
}

static void
process_frames(uint16_t link_type, struct fragments *fragments, struct cursor in)
{
	uint64_t time_ns = CLOCK_START_S * UINT64_C(1000000000), clock_ns = 0;

	while (cursor_left(&in) > 2) {
		uint16_t header = cursor_le16(&in);
		size_t size = header & LENGTH, left = cursor_left(&in);
		struct cursor frame = cursor_sub(&in, size < left ? size : left);
		uint8_t *copy = malloc(cursor_left(&frame) + 1);
		struct packet p;

		fuzz_require(copy != NULL, "memory");
		size = cursor_left(&frame);
		/* At the end of its memory, so that the sanitizer sees a read beyond it. */
		memcpy(copy + 1, frame.p, size);
		time_ns += (header & PAUSE) != 0 ? PAUSE_S * UINT64_C(1000000000) : FRAME_NS;
		p = (struct packet){.data = copy + 1,
				    .captured_bytes = (uint32_t)size,
				    .wire_bytes = (uint32_t)size,
				    .link_type = link_type,
				    .time_ns = time_ns,
				    .clock_ns = clock_ns};
		process_frame(fragments, &p);
		clock_ns = time_ns;
		free(copy);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct session_stats stats;
	struct cursor in = cursor_make(bytes, size);
	uint16_t link_type = cursor_le16(&in);
	struct fragments *fragments = fuzz.fragments[cursor_u8(&in) % OVERLAP_MODES];

	if (size < HEADER_BYTES + 16)
		return -1;
	process_frames(link_type, fragments, in);
	fragments_flush(fragments);
	fuzz_require(fragments_held(fragments) == 0, "no fragment is left after a flush");
	while (!session_flush(fuzz.table, UINT32_MAX))
		take_records();
	take_records();
	session_clock_reset(fuzz.table);
	session_stats(fuzz.table, &stats);
	fuzz_require(stats.live_all == 0, "no session is left after a flush");
	fuzz_require(parsing_bytes_used(fuzz.payload.parsing) == 0, "the memory of parsers comes back");
	fuzz_require(record_pool_used(fuzz.records) == 0, "chunks of records come back");
	return 0;
}
