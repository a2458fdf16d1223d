/* Overload as a worker sees it and does something about it: what lies between app/overload.h and the libraries.
 *
 * Threads: the worker's. */
#ifndef WORKER_OVERLOAD_H
#define WORKER_OVERLOAD_H

#include "overload.h"
#include "packet.h"
#include "worker.h"

struct worker;

struct worker_overload {
	struct overload ladder;
	uint64_t next_ns;			 /* UINT64_MAX: who waits instead, or switched off */
	uint64_t full_since_ns;			 /* every burst has been full since; 0: the last one was not */
	uint64_t full_packets;			 /* that came in them */
	bool says_nothing;			 /* a port of this worker's does not tell its queue's length */
	uint32_t descriptors[WORKER_QUEUES_MAX]; /* of the queue of each of its ports; 0: it does not tell how many are
						    used */
};

void worker_overload_init(struct worker *);
/* Port 'i' of the worker's was added. */
void worker_overload_add_port(struct worker *, unsigned i);

/* After a burst of 'n'. */
static inline void
worker_overload_received(struct worker_overload *o, unsigned n, uint64_t now_ns)
{
	if (n < BURST_MAX) {
		o->full_since_ns = 0;
		return;
	}
	if (o->full_since_ns == 0) {
		o->full_since_ns = now_ns;
		o->full_packets = 0;
	}
	o->full_packets += n;
}

/* When 'next_ns' has come: looks, and takes what follows. */
void worker_overload_look(struct worker *, uint64_t now_ns);

/* No more packets come: what is still open gets its record. */
void worker_overload_end(struct worker *);

/* At OVERLOAD_HEADERS_ONLY and above: before the packet is stored. */
void worker_overload_cut(struct worker *, struct packet *);
/* At OVERLOAD_NO_PARSING and above: instead of parsing. */
void worker_overload_skip(struct worker *, struct packet *);

#endif
