/* libFuzzer: what is inside QUIC's Initial packets. Their tags keep parsers_fuzz from there: here any bytes become
 * frames, properly sealed.
 *
 *   datagrams: 1 byte (1: from the server, 2: not padded, 4: another connection, 8: version 2), 2 bytes little endian
 * of length, then that many bytes of frames */
#include "fuzz.h"

#include "../bench/parsing_bench.h"
#include "../unit/parsers/quic_packets.h"

enum {
	SERVER = 1,
	UNPADDED = 2,
	OTHER = 4,
	VERSION_2 = 8,
	FRAMES_MAX = 8000,
	DATAGRAMS = 40,
	SESSION_BYTES_MAX = 65536
};

static struct bench session;
static struct formatter *formatter;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	bench_create(&session, SHRIKE_UDP, (const char *const[]){"ja4Raw=true", "ja3Strings=true"}, 2);
	counters_attach(&session.counters, "fuzz");
	formatter = fuzz_formatter();
	return 0;
}

static void
feed(unsigned flags, struct cursor frames_in)
{
	struct packet_of packet = {.version = flags & VERSION_2 ? PACKETS_V2 : PACKETS_V1,
				   .role = flags & SERVER ? QUIC_SERVER : QUIC_CLIENT,
				   .keys_from = flags & OTHER ? "another-id" : "clients-id"};
	struct bytes frames = {.n = 0}, datagram = {.n = 0};
	uint8_t *copy;

	put(&frames, frames_in.p, cursor_left(&frames_in));
	put_initial(&datagram, &packet, &frames, flags & UNPADDED ? 0 : PACKETS_PADDED);
	/* Of its size exactly, so that the sanitizer sees its end. */
	copy = malloc(datagram.n);
	fuzz_require(copy != NULL, "memory");
	memcpy(copy, datagram.at, datagram.n);
	bench_feed(&session, (flags & SERVER) != 0, copy, datagram.n);
	free(copy);
	fuzz_require(parsing_bytes_used(session.parsing) < SESSION_BYTES_MAX, "memory of a session is bounded");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);

	for (unsigned i = 0; i < DATAGRAMS && cursor_left(&in) > 3; i++) {
		unsigned flags = cursor_u8(&in), n = cursor_le16(&in) % FRAMES_MAX;

		feed(flags, cursor_sub(&in, n < cursor_left(&in) ? n : cursor_left(&in)));
	}
	parsing_save(session.parsing, &session, &session.slot, UINT64_C(1579293816559000000), true);
	parsing_end(session.parsing, &session.slot);
	fuzz_require(parsing_bytes_used(session.parsing) == 0, "the memory of parsers comes back");
	if (session.record != NULL) {
		session.record->summary.is_final = true;
		fuzz_check_record(formatter, session.record);
	}
	record_free(session.records, session.record);
	session.record = NULL;
	fuzz_require(record_pool_used(session.records) == 0, "chunks of records come back");
	return 0;
}
