/* 'bpf' in a replay: before anything else sees the packet, so that it is as if the file had been filtered by tcpdump
 * before: the clock does not move for what is not taken, and fragments are filtered one by one. */
#include "filter.h"
#include "log.h"
#include "replay_priv.h"

COUNTER(filtered, "replay.filtered", "packets of capture files that 'bpf' does not take", LEDGER_WIRE, LEDGER_OUT);
COUNTER_LOSS(unfilterable, "replay.unfilterable", "packets of link types for which 'bpf' means nothing", LEDGER_WIRE);

static void
report_unfilterable(struct replay *r)
{
	char quoted[512];

	if (r->unfilterable_file == r->input)
		return;
	r->unfilterable_file = r->input;
	LOG_ERROR("replay.unfilterable", "file=\"%s\" link_type=%u reason=\"'bpf' cannot be used on this link type\"",
		  log_quote(quoted, sizeof(quoted), r->input->path), r->next.link_type);
	r->files_damaged++;
}

bool
replay_takes(struct replay *r)
{
	const struct capture_packet *next = &r->next;
	enum filter_answer answer =
		filter_ask(r->params.filter, next->data, next->captured_bytes, next->wire_bytes, next->link_type);

	if (answer == FILTER_YES)
		return true;
	if (answer == FILTER_IMPOSSIBLE)
		report_unfilterable(r);
	COUNTER_ADD(&r->counters, filtered, answer == FILTER_NO);
	COUNTER_ADD(&r->counters, unfilterable, answer == FILTER_IMPOSSIBLE);
	replay_count_packet(r);
	r->has_next = false;
	r->passed_over++;
	return false;
}
