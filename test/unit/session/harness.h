/* A session table under test: frames go in through decode, expiry, look-up and process, as a worker does it. */
#ifndef HARNESS_H
#define HARNESS_H

#include "session_priv.h"
#include "test.h"

enum { TCP_F = 0x01, TCP_S = 0x02, TCP_R = 0x04, TCP_P = 0x08, TCP_A = 0x10, TCP_U = 0x20, TCP_E = 0x40, TCP_C = 0x80 };

struct rig {
	/* Changed before rig_start(). */
	struct session_conf conf;
	uint32_t max_sessions, start_sessions, record_chunks;
	bool no_expire; /* leave it to the look-up */
	bool no_store;	/* the writer fails */
	bool esp;	/* trackESP */
	bool feeds;	/* payload is pulled, and written to 'heard' */
	unsigned stops; /* chunks after which nobody wants more; 0: never */
	uint32_t file;	/* packets are stored in */

	struct counters *counters;
	struct hash_secret secret;
	struct decode_conf *decode;
	struct record_pool *records;
	struct session_table *table;
	uint64_t clock_ns, position;
	struct packet packet; /* the last one */

	/* "0:abc 1:[5]def": direction, what is missing before it, bytes; and what before_save() heard: "mid", "final",
	 * "none". */
	char heard[4096];
	unsigned n_heard;
};

/* Arkime's defaults, dry run off, small pools. */
void rig_init(struct rig *);
void rig_start(struct rig *);
/* Saves and drops what is left; expects the ledger to add up and no chunk to be missing. */
void rig_stop(struct rig *);

/* A frame at 'ms' milliseconds of packet time after RIG_START_S. */
enum { RIG_START_S = 1000000 };
void rig_frame(struct rig *, int64_t ms, const uint8_t *frame, size_t size);

/* 10.0.0.1 (ports 1000 + flow / 200 and up) and 10.0.x.2:80; 'from' 0: the client sends. */
struct tcp_frame {
	unsigned flow, from;
	unsigned flags;
	uint32_t seq, ack;
	unsigned payload_bytes;
	const char *text; /* instead of 'payload_bytes' */
	bool zero_window;
	uint8_t ttl, tos; /* ttl 0: 64 */
	uint16_t vlan;
	uint8_t mac; /* last byte of the sender's MAC; 0: as usual */
};
void rig_tcp(struct rig *, int64_t ms, const struct tcp_frame *);
#define TCP(rig, ms, ...) rig_tcp(rig, ms, &(struct tcp_frame){__VA_ARGS__})

void rig_udp(struct rig *, int64_t ms, unsigned flow, unsigned from, unsigned payload_bytes);
void rig_icmp(struct rig *, int64_t ms, unsigned from, unsigned type, unsigned code);

/* The next record, or NULL; freed by the next rig_record() or rig_stop(). */
struct record *rig_record(struct rig *);
/* Ends all sessions. */
void rig_flush(struct rig *);
/* The clock goes on to 'ms' without a packet. */
void rig_clock(struct rig *, int64_t ms);

/* The values of a field of the record, in order of entry: "a,b,c". */
const char *rig_values(const struct record *, const char *field);
/* Its positions: "24,100". */
const char *rig_positions(const struct record *);
uint64_t rig_counter(const struct rig *, const char *name);

#endif
