/* Log lines about the sensor.
 *
 * The reference writes one every logEveryXPackets, by default 50,000: at a million packets a second that would be
 * twenty a second. Here that number decides too, but no line comes sooner than ten seconds after the one before. */
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "stats_priv.h"

enum { LINE_EVERY_S = 60, LINES_APART_S = 10 };

void
stats_log_begin(struct stats_log *l, uint64_t now_ns)
{
	*l = (struct stats_log){.last_ns = now_ns,
				.next_ns = now_ns + LINE_EVERY_S * NS_PER_S,
				.not_before_ns = now_ns + LINES_APART_S * NS_PER_S};
}

bool
stats_log_is_due(const struct stats_log *l, bool live, uint64_t every_packets, uint64_t packets, uint64_t now_ns)
{
	if (now_ns < l->not_before_ns)
		return false;
	return packets >= every_packets || (live && now_ns >= l->next_ns);
}

/* "0:12% 1:97%" */
static void
busy_text(const struct stats_view *v, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < v->n_lcores && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%u:%.0f%%", i > 0 ? " " : "", v->lcore[i].id,
				       v->lcore[i].busy * 100);
}

static void
write_line(const struct stats *s, const struct stats_view *v, const struct stats_counts *d, uint64_t elapsed_ns)
{
	const struct stats_gauges *g = &v->gauges;
	char busy[512], space[32] = "";

	busy_text(v, busy, sizeof(busy));
	if (s->last_space.size_bytes > 0)
		snprintf(space, sizeof(space), " free_gb=%.1f", (double)s->last_space.free_bytes / 1e9);
	LOG_INFO("stats",
		 "packets=%" PRIu64 " packets_s=%.0f mbit_s=%.1f sessions=%" PRIu64 " sessions_s=%.0f records_s=%.0f"
		 " dropped=%" PRIu64 " overload=%" PRIu64 " records_lost=%" PRIu64 " packet_queue=%" PRIu64
		 " record_queue=%" PRIu64 " disk_queue=%" PRIu64 " sink_queue=%" PRIu64
		 " busy=\"%s\" memory_mb=%" PRIu64 "%s",
		 v->counts.received, stats_per_second(d->received, elapsed_ns),
		 stats_per_second(d->received_bytes, elapsed_ns) * 8 / 1e6, g->sessions_all,
		 stats_per_second(d->opened, elapsed_ns), stats_per_second(d->records, elapsed_ns), d->dropped,
		 d->overload_dropped + d->fragments_dropped, d->records_dropped, g->packet_queue, g->record_queue,
		 g->disk_queue, g->sink_queue, busy, g->memory_bytes / 1000000, space);
}

static void
check_memory(struct stats *s, const struct stats_view *v, uint64_t now_ns)
{
	if (s->conf.max_memory_percent >= 100 || v->gauges.memory_percent <= s->conf.max_memory_percent)
		return;
	if (s->log.memory_warned_ns != 0 && now_ns < s->log.memory_warned_ns + LINE_EVERY_S * NS_PER_S)
		return;
	s->log.memory_warned_ns = now_ns;
	LOG_ERROR("stats.memory",
		  "percent=%.1f maxMemPercentage=%" PRIu32 " bytes=%" PRIu64 " do=\"lower maxSessions, "
		  "recordChunks, parserMemory or tcpHoldMemory\"",
		  v->gauges.memory_percent, s->conf.max_memory_percent, v->gauges.memory_bytes);
}

void
stats_log_tick(struct stats *s, const struct stats_view *v, uint64_t now_ns)
{
	struct stats_log *l = &s->log;
	struct stats_counts delta;

	check_memory(s, v, now_ns);
	if (!stats_log_is_due(l, s->live, s->conf.log_every_packets, stats_ahead(v->counts.received, l->last.received),
			      now_ns))
		return;
	stats_counts_subtract(&delta, &v->counts, &l->last);
	write_line(s, v, &delta, now_ns - l->last_ns);
	l->last = v->counts;
	l->last_ns = now_ns;
	l->next_ns = now_ns + LINE_EVERY_S * NS_PER_S;
	l->not_before_ns = now_ns + LINES_APART_S * NS_PER_S;
}
