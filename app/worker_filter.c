/* 'bpf' on live ports. A replay filters before it finds the owner of a packet (replay_filter.c).
 *
 * What is not taken moves the clock all the same: without it a link full of such packets would keep sessions from
 * ending. */
#include "worker_priv.h"

COUNTER(filtered, "worker.filtered", "packets of live ports that 'bpf' does not take", LEDGER_PACKETS, LEDGER_OUT);
COUNTER_LOSS(unfilterable, "worker.unfilterable", "packets of ports whose link type 'bpf' means nothing for",
	     LEDGER_PACKETS);

bool
worker_takes(struct worker *w, const struct packet *p)
{
	enum filter_answer answer =
		filter_ask(w->params.filter, p->data, p->captured_bytes, p->wire_bytes, p->link_type);

	COUNTER_ADD(&w->counters, filtered, answer == FILTER_NO);
	COUNTER_ADD(&w->counters, unfilterable, answer == FILTER_IMPOSSIBLE);
	return answer == FILTER_YES;
}
