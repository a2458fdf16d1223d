/* Packets of several sources in the order of their time stamps (mergeWindow, DESIGN 1).
 *
 * Threads: the worker's; merge_held() may be read by others. Ownership: mbufs inside belong to the merge. Time: stamps
 * are only compared with each other; waiting is by the monotonic clock, since a NIC's clock may be ahead. */
#ifndef MERGE_H
#define MERGE_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct merge;

enum { MERGE_SOURCES_MAX = 273 };

struct merge_params {
	unsigned n_sources;
	bool last_is_sorted; /* the last source gives its packets in any order, and nobody waits for it */
	uint64_t window_ns;  /* UINT64_MAX: waits for as long as it takes */
	uint32_t most_mbufs; /* that it holds at once, in all sources together; at least 2 x BURST_MAX a source */
};

/* NULL with errno. */
struct merge *merge_create(const struct merge_params *);
void merge_destroy(struct merge *); /* accepts NULL; frees what is inside */

/* May a burst more come in? */
bool merge_has_room(const struct merge *);

/* In the order in which the source gave them; after merge_has_room(), at most BURST_MAX. */
void merge_push(struct merge *, unsigned source, struct rte_mbuf *const *, unsigned n, uint64_t now_ns);

/* Nobody waits for this source while it is empty. The next push takes that back. */
void merge_leave_out(struct merge *, unsigned source);

/* It is empty and not left out. */
bool merge_awaits(const struct merge *, unsigned source);

/* Up to 'max' packets, oldest first, of equal ones that of the lower source. A packet comes out when every source that
 * is waited for has one, so that nothing older can come; or when it has been here for 'window_ns'; or when there is no
 * room: '*early' counts those. */
unsigned merge_pull(struct merge *, uint64_t now_ns, struct rte_mbuf **, unsigned max, uint64_t *early);

uint64_t merge_held(const struct merge *);

#endif
