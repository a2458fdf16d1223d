/* TCP byte order: segments go in as they come, chunks come out in the order of the stream.
 *
 *   tcp_in_order()          the usual case, decided by one comparison: the segment is the chunk
 *   tcp_push()              anything else; what comes too early waits as a copy
 *   tcp_pull()              the next chunk that is due, until there is none
 *
 * Both directions share one queue, which is sorted as the conversation went: an answer does not overtake a question
 * that is still missing. Pure over sequence numbers and cursors: no packet, no session, no parser is known here. What a
 * connection needs is two numbers and a queue of 16 bytes, which its owner keeps.
 *
 * Threads: one struct tcp_hold for each worker. Ownership: a chunk's bytes lie in the packet or in the hold, and are
 * valid until the next call with that hold. Limits: struct tcp_conf. Time: the packets'. */
#ifndef TCP_H
#define TCP_H

#include <rte_branch_prediction.h>

#include "conf.h"
#include "counters.h"
#include "cursor.h"
#include "hold.h"

enum tcp_overlap { TCP_OVERLAP_FIRST, TCP_OVERLAP_SEQUENCE };

struct tcp_conf {
	uint32_t max_packets;  /* that wait in a session, plus one */
	uint32_t max_bytes;    /* of them */
	uint64_t memory_bytes; /* of all workers */
	bool midstream, gap_skip;
	int overlap; /* enum tcp_overlap */
};
extern const struct setting_group tcp_settings_group;

struct tcp_segment {
	struct cursor payload;
	uint64_t time_ns;
	uint32_t seq, ack;
	uint8_t direction;
};

/* The last bytes that were delivered of each side, to compare what comes again with. */
enum { TCP_RECENT_BYTES = 16 };
struct tcp_recent {
	uint8_t bytes[2][TCP_RECENT_BYTES]; /* the last one at the end */
	uint8_t n[2];			    /* how many are known */
};

/* What the owner keeps of a connection, for one call. */
struct tcp_stream {
	uint32_t *next; /* [2]: the number expected from each side; 0: none */
	struct held_queue *queue;
	const struct tcp_recent *recent;
	bool synchronised; /* the numbers come from the connection itself; else both are 0 and compared plainly */
	bool keeps_bytes;  /* else only numbers and lengths wait */
};

struct tcp_chunk {
	struct cursor bytes; /* empty when they were not kept */
	uint64_t time_ns;    /* of the packet that brought them */
	uint32_t length;
	uint32_t missing; /* before them, given up by tcp_skip_gap() */
	uint8_t direction;
};

/* What tcp_push() says, as bits. */
enum {
	TCP_PULL = 1 << 0,	      /* call tcp_pull() until it returns false, before the packet's buffer is reused */
	TCP_OUT_OF_ORDER = 1 << 1,    /* it was put into a queue in which others waited */
	TCP_OVERLAP_DIFFERS = 1 << 2, /* it has other bytes where there were some already */
};

struct tcp_hold;

/* NULL with errno. */
struct tcp_hold *tcp_hold_create(const struct tcp_conf *, unsigned n_workers, struct counters *);
void tcp_hold_destroy(struct tcp_hold *); /* accepts NULL; logs what was not given back */
uint64_t tcp_hold_bytes(const struct tcp_hold *);
/* The memory itself, for what else has to wait. */
struct hold *tcp_hold_memory(struct tcp_hold *);

/* The segment has the expected number and nothing waits: its payload is the next chunk as it is. */
static inline bool
tcp_in_order(uint32_t next[2], bool nothing_waits, const struct tcp_segment *seg)
{
	if (unlikely(seg->seq != next[seg->direction] || !nothing_waits))
		return false;
	next[seg->direction] += (uint32_t)cursor_left(&seg->payload);
	return true;
}

/* A chunk was delivered: its owner notes the end of it. Empty bytes: they were not kept. */
static inline void
tcp_recent_add(struct tcp_recent *recent, unsigned direction, struct cursor bytes)
{
	size_t size = cursor_left(&bytes);
	uint8_t *tail = recent->bytes[direction];

	if (likely(size >= TCP_RECENT_BYTES)) {
		cursor_skip(&bytes, size - TCP_RECENT_BYTES);
		memcpy(tail, cursor_take(&bytes, TCP_RECENT_BYTES), TCP_RECENT_BYTES);
		recent->n[direction] = TCP_RECENT_BYTES;
	} else if (size == 0) {
		recent->n[direction] = 0;
	} else {
		unsigned n = recent->n[direction] + (unsigned)size;

		memmove(tail, tail + size, TCP_RECENT_BYTES - size);
		memcpy(tail + TCP_RECENT_BYTES - size, cursor_take(&bytes, size), size);
		recent->n[direction] = (uint8_t)(n < TCP_RECENT_BYTES ? n : TCP_RECENT_BYTES);
	}
}

/* What comes next does not border on what was delivered: a hole was given up, or the numbers begin anew. */
static inline void
tcp_recent_forget(struct tcp_recent *recent, unsigned direction)
{
	recent->n[direction] = 0;
}

unsigned tcp_push(struct tcp_hold *, const struct tcp_stream *, const struct tcp_segment *);
bool tcp_pull(struct tcp_hold *, const struct tcp_stream *, struct tcp_chunk *);

/* More waits than a session may have waiting. */
bool tcp_is_full(const struct tcp_hold *, const struct held_queue *);

/* The other side acknowledges what we miss, and it is not just about to arrive: the hole will stay. */
bool tcp_gap_is_lost(const struct tcp_hold *, const struct tcp_stream *, const struct tcp_segment *);

/* What the first that waits is waiting for will not come: the next tcp_pull() says so and goes on behind it. */
void tcp_skip_gap(struct tcp_hold *, const struct tcp_stream *);

/* The bytes of the only one that waits, which is no part of the stream then. False: there is none, or more than one. */
bool tcp_pull_single(struct tcp_hold *, const struct tcp_stream *, struct tcp_chunk *);

/* Nothing is to wait any longer. */
void tcp_clear(struct tcp_hold *, struct held_queue *);

#endif
