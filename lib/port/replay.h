/* The replay role: capture files into the receive rings of an ethdev port, without losing a packet (DESIGN 2.3).
 *
 * The port has one queue per worker. Every packet is an mbuf (where it is copied, a chain when it is longer than
 * one) with its metadata (struct packet_meta: time, clock, sequence, position, wire length), and goes to the queue of
 * the worker that owns its flow (packet_decode() and flow_key_owner(); with one worker nothing is decoded here). When
 * mbufs or ring room are missing the role does nothing this turn: back-pressure reaches the file.
 *
 * The clock is the greatest stamp of all packets so far. Whenever its second moves, every queue gets a META_TICK before
 * any packet that comes after it, so every worker sees the same history of seconds and sessions end at the same points
 * however many workers there are. The last tick carries the clock before the last packet; META_END ends every queue. A
 * new file that begins before the clock (or --flush) puts META_FLUSH on every queue first.
 *
 * With several workers fragments are put together here: which worker owns a datagram is known when it is whole. It
 * travels as META_DATAGRAM, with what decode said of it.
 *
 * In place, packets are read-only, and buffers and mbufs are used again in the order of the file: who keeps a packet
 * holds the file sooner or later, so what is needed for longer than a burst has to be copied. Any lcore may free, by
 * any of rte_pktmbuf_free*().
 *
 * Threads: replay_poll() on one lcore; the counters and replay_progress() may be read by others. */
#ifndef REPLAY_H
#define REPLAY_H

#include "capture.h"
#include "conf.h"
#include "counters.h"
#include "decode.h"
#include "fragments.h"

struct filter;
struct rte_mempool;
struct replay;

enum {
	REPLAY_WORKERS_MAX = 16, /* rte_eth_from_rings() takes no more queues */
	REPLAY_MBUFS_MIN = 512,	 /* in the pool, beyond what the workers hold at once and keep in caches */
};

struct replay_params {
	const struct capture_list *files;
	unsigned n_workers;
	struct rte_mempool *pool; /* mbufs with sizeof(struct packet_meta) private bytes */
	const struct decode_conf *decode;
	const struct fragments_conf *fragments; /* NULL: fragments go to worker 0 as they are */
	const struct hash_secret *secret;	/* for their table */
	struct filter *filter;			/* 'bpf'; NULL: everything is taken */
	uint64_t packets_per_file_max;		/* --packetcnt; 0: no limit */
	bool flush_between_files;		/* --flush */
	bool ignore_errors;			/* --ignoreerrors: an unknown link type is skipped, not an error */
	uint64_t ring_size;			/* slots of each receive ring; a power of two */
	bool in_place; /* packets stay in the buffers their file was read into; not where each has to be alone in its
			* mbuf, to be poisoned around (the sanitize build) */
	bool apart;    /* a worker has another lcore than the replay: decides how far it may lag behind */
	int socket;
};

/* NULL and 'why' (a file that does not exist or may not be read, a pool without private area, ...). Creates the port by
 * rte_eth_from_rings(); port_start() configures it. What is wrong inside a file is found when its turn comes: it is
 * logged and counted in replay_progress.files_damaged. */
struct replay *replay_create(const struct replay_params *, char *why, size_t why_size);
void replay_destroy(struct replay *);

/* Of EAL's memory, with in_place. */
size_t replay_memory_bytes(bool apart);

uint16_t replay_port(const struct replay *);
struct counters *replay_counters(struct replay *);

/* Does a bounded piece of work and returns how many packets it put on rings. */
unsigned replay_poll(struct replay *);
unsigned replay_queue_depth(const struct replay *, unsigned worker); /* packets on its ring; any thread */
bool replay_done(const struct replay *);			     /* META_END is on every queue */
void replay_stop(struct replay *); /* any thread: finish with the packets read so far; META_END follows */

/* How many packets there will be, from the size of the files; what comes through a pipe has none. */
uint64_t replay_packets_about(const struct replay *);

/* Input files by index (struct packet.input), for positions in place. Valid for indices of packets that were seen. */
struct replay_input {
	const char *path, *absolute; /* absolute NULL: cannot be opened again */
	bool plain_pcap, has_nanoseconds, done;
	uint16_t link_type;
	uint32_t snap_length;
	uint64_t size_bytes, read_bytes;
	uint64_t packets;	    /* records read, stored or not */
	uint64_t first_ns, last_ns; /* of the first and the last record */
};
const struct replay_input *replay_input(const struct replay *, uint32_t index);
uint32_t replay_input_count(const struct replay *); /* opened so far */

struct replay_progress {
	unsigned files, files_done, files_damaged;
	uint64_t bytes, bytes_done, packets;
	const char *path; /* being read */
};
void replay_progress(const struct replay *, struct replay_progress *);

#endif
