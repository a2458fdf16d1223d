/* Stats documents.
 *
 * Keys, units and their order are those of RECORD.md 7. A period is a piece of the wall clock (of 2, 5, 60, 600 s), and
 * its number is the slot of the ring, so after a restart the new process goes on where the old one was.
 *
 * "cpu" is what all threads of the process used, as the reference counts it; of lcores that poll that is all there is.
 * How busy they are is in the log line and in telemetry. */
#include "stats_document.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

enum { SLOTS = 1440, IMPORTANT_S = 2 };

static const struct {
	unsigned interval_s, period_s;
} flavours[EXPORT_STATS_FLAVOURS] = {{1, 2}, {5, 5}, {60, 60}, {600, 600}};

unsigned
stats_document_interval_s(unsigned flavour)
{
	return flavours[flavour].interval_s;
}

void
stats_document_id(unsigned flavour, const char *node, uint64_t wall_s, char *out, size_t size)
{
	unsigned interval_s = flavours[flavour].interval_s;

	if (flavour == 0)
		snprintf(out, size, "%s", node);
	else
		snprintf(out, size, "%s-%" PRIu64 "-%u", node, wall_s / interval_s % SLOTS, interval_s);
}

static void
number(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

static void
text(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	json_str(j, value, strlen(value), true);
}

/* Two decimals. */
static void
percent(struct json *j, const char *key, double value)
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%.2f", isfinite(value) ? value : 0);

	json_key(j, key);
	json_raw(j, digits, (size_t)n);
}

/* In hundredths of a percent of one core. */
static uint64_t
cpu_share(const struct stats_document *d)
{
	return d->delta_ms > 0 ? d->delta.cpu_ms * 10000 / d->delta_ms : 0;
}

static void
write_identity(const struct stats_document *d, struct json *j)
{
	text(j, "ver", d->identity->version);
	text(j, "nodeName", d->identity->node);
	text(j, "hostname", d->identity->host);
	number(j, "interval", flavours[d->flavour].interval_s);
	number(j, "currentTime", d->wall_s);
}

static void
write_gauges(const struct stats_document *d, struct json *j)
{
	const struct stats_gauges *g = d->gauges;

	number(j, "usedSpaceM", g->used_megabytes);
	number(j, "freeSpaceM", g->free_megabytes);
	percent(j, "freeSpaceP", g->free_percent);
	number(j, "monitoring", g->sessions_all);
	number(j, "memory", g->memory_bytes);
	percent(j, "memoryP", g->memory_percent);
	number(j, "cpu", cpu_share(d));
	number(j, "diskQueue", g->disk_queue);
	number(j, "esQueue", g->sink_queue);
	number(j, "packetQueue", g->packet_queue);
	number(j, "fragsQueue", 0);
	number(j, "frags", g->fragments);
	number(j, "needSave", g->record_queue);
	number(j, "closeQueue", g->closing);
}

static void
write_totals(const struct stats_document *d, struct json *j)
{
	const struct stats_totals *f = d->former;
	const struct stats_counts *now = &d->now;
	const struct stats_gauges *g = d->gauges;

	number(j, "totalPackets", f->packets + now->packets);
	number(j, "totalK", f->kilobytes + now->bytes / 1000);
	number(j, "totalSessions", f->sessions + now->records);
	number(j, "totalDropped", f->dropped + now->dropped + now->overload_dropped);
	number(j, "tcpSessions", g->sessions[SESSION_TCP]);
	number(j, "udpSessions", g->sessions[SESSION_UDP]);
	number(j, "icmpSessions", g->sessions[SESSION_ICMP]);
	number(j, "sctpSessions", g->sessions[SESSION_SCTP]);
	number(j, "espSessions", g->sessions[SESSION_ESP]);
	number(j, "otherSessions", g->sessions[SESSION_OTHER]);
}

static void
write_deltas(const struct stats_document *d, struct json *j)
{
	const struct stats_counts *delta = &d->delta;

	number(j, "deltaPackets", delta->packets);
	number(j, "deltaBytes", delta->bytes);
	number(j, "deltaWrittenBytes", delta->stored_bytes);
	number(j, "deltaUnwrittenBytes", delta->unstored_bytes);
	number(j, "deltaSessions", delta->records);
	number(j, "deltaSessionBytes", delta->records_bytes);
	number(j, "deltaDropped", delta->dropped);
	number(j, "deltaFragsDropped", delta->fragments_dropped);
	number(j, "deltaOverloadDropped", delta->overload_dropped);
	number(j, "deltaESDropped", delta->records_dropped);
	number(j, "deltaDupDropped", delta->duplicates);
	number(j, "esHealthMS", d->gauges->health_ms);
	number(j, "deltaMS", d->delta_ms);
	number(j, "startTime", d->identity->start_s);
}

void
stats_document_write(const struct stats_document *d, struct json *j)
{
	json_object_begin(j);
	write_identity(d, j);
	write_gauges(d, j);
	write_totals(d, j);
	write_deltas(d, j);
	json_object_end(j);
}

static uint64_t
member(const json_t *document, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(document, key));

	return value > 0 ? (uint64_t)value : 0;
}

void
stats_totals_parse(const char *json, size_t size, struct stats_totals *out)
{
	json_t *document = json_loadb(json, size, 0, NULL);

	*out = (struct stats_totals){
		.packets = member(document, "totalPackets"),
		.kilobytes = member(document, "totalK"),
		.sessions = member(document, "totalSessions"),
		.dropped = member(document, "totalDropped"),
	};
	json_decref(document);
}

void
stats_schedule_begin(struct stats_schedule *s, uint64_t wall_s)
{
	s->period[0] = UINT64_MAX;
	for (unsigned i = 1; i < EXPORT_STATS_FLAVOURS; i++)
		s->period[i] = wall_s / flavours[i].period_s;
}

unsigned
stats_schedule_due(struct stats_schedule *s, uint64_t wall_s)
{
	unsigned due = 0;

	for (unsigned i = 0; i < EXPORT_STATS_FLAVOURS; i++) {
		uint64_t period = wall_s / flavours[i].period_s;

		if (period == s->period[i])
			continue;
		s->period[i] = period;
		due |= 1u << i;
	}
	return due;
}

bool
stats_is_important(uint64_t wall_s)
{
	return wall_s % 60 < IMPORTANT_S;
}
