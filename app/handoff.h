/* Hand-off of packets between workers: one ring for each ordered pair.
 *
 * A worker that received a packet whose flow another one owns puts it into the bin for that one; handoff_send() moves
 * the bins onto the rings, each with one operation. The owner takes from the rings of all peers. An mbuf belongs to the
 * bin or ring it is in, and to the taker after that. Order is kept for each pair.
 *
 * Beside mbufs rings carry ticks, which say that the sender's clock has come that far: only where packets bring their
 * own time (handoff_params.lossless), for workers that get no packet of that second.
 *
 * Threads: each worker calls with its own end; creation, destruction and the log line on the control thread. */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"

enum { HANDOFF_WORKERS_MAX = 16 };

struct packet_meta;
struct port_burst;
struct rte_mbuf;
struct handoff;
struct handoff_end;

struct handoff_params {
	unsigned n_workers;
	uint32_t slots; /* of each ring: a power of two */
	bool lossless;	/* a full ring makes the sender wait; else what does not fit is lost, counted */
};

/* NULL with errno. */
struct handoff *handoff_create(const struct handoff_params *);
void handoff_destroy(struct handoff *); /* accepts NULL; frees what was never taken */

/* A worker's side; its packets are counted in 'counters' from now on. */
struct handoff_end *handoff_end(struct handoff *, unsigned worker, struct counters *);

/* A packet with its metadata into the bin for worker 'to'. Between two calls of handoff_send() that returned true, at
 * most BURST_MAX packets and one tick. */
void handoff_put(struct handoff_end *, unsigned to, struct rte_mbuf *, const struct packet_meta *);

/* Into all bins. */
void handoff_tick(struct handoff_end *, uint64_t clock_ns);

/* The bins onto the rings. False, only with 'lossless': something is left in a bin; call again. */
bool handoff_send(struct handoff_end *);

/* Up to BURST_MAX packets from worker 'from', their bytes asked for. Those after a tick wait for the next call: when a
 * tick is the next thing there is, the result is 0 and '*tick_ns' its clock, else '*tick_ns' stays as it is. */
unsigned handoff_take(struct handoff_end *, unsigned from, struct port_burst *, uint64_t *tick_ns);

/* How full the fullest ring to this worker is. */
unsigned handoff_percent(const struct handoff_end *);

/* What waits on one ring, ticks included. Any thread. */
unsigned handoff_depth(const struct handoff *, unsigned from, unsigned to);

/* At the end, by a worker that receives no more from ports and has worked off everything it took, again and again until
 * it is true: then no peer will hand off anything any more. */
bool handoff_close(struct handoff_end *);

#endif
