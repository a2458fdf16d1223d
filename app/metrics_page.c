/* The page of /metrics (Prometheus text format 0.0.4).
 *
 * Counters are there under their own names, with their own help, so that a part that adds one has no more to do; what
 * has an owner (ports, lcores, queues, sinks) comes with labels. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "metrics.h"
#include "stats_priv.h"

const char *
metrics_name(char out[METRIC_NAME_BYTES], const char *counter)
{
	char *at;

	snprintf(out, METRIC_NAME_BYTES, "shrike_%.100s_total", counter);
	for (at = out; *at != '\0'; at++)
		if ((*at < 'a' || *at > 'z') && (*at < 'A' || *at > 'Z') && (*at < '0' || *at > '9'))
			*at = '_';
	return out;
}

/* A label's value: what the format escapes, escaped. */
static void
label(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

static void
head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "gauge", help);
	fprintf(out, "%s %.17g\n", name, value);
}

static void
write_counter(const struct counter *c, uint64_t total, void *context)
{
	char name[METRIC_NAME_BYTES];

	/* Those of ports have a label. */
	if (strncmp(c->name, "port.", 5) == 0)
		return;
	head(context, metrics_name(name, c->name), "counter", c->help);
	fprintf(context, "%s %" PRIu64 "\n", name, total);
}

static void
write_port_value(FILE *out, const char *name, const struct port *port, uint64_t value)
{
	char device[RTE_ETH_NAME_MAX_LEN] = "";

	(void)rte_eth_dev_get_name_by_port(port->id, device);
	fprintf(out, "%s{port=\"%u\",device=\"", name, port->id);
	label(out, device);
	fprintf(out, "\"} %" PRIu64 "\n", value);
}

struct wanted {
	const struct counter *counter;
	uint64_t value;
};

static void
pick(const struct counter *c, uint64_t value, void *context)
{
	struct wanted *w = context;

	if (c == w->counter)
		w->value = value;
}

struct port_page {
	const struct sensor *sensor;
	FILE *out;
};

/* All lines of a metric have to follow each other: ports within counters. */
static void
write_port_counter(const struct counter *c, uint64_t total, void *context)
{
	const struct port_page *page = context;
	char name[METRIC_NAME_BYTES];

	(void)total;
	if (strncmp(c->name, "port.", 5) != 0)
		return;
	head(page->out, metrics_name(name, c->name), "counter", c->help);
	for (unsigned i = 0; i < page->sensor->n_ports; i++) {
		struct wanted w = {.counter = c};

		counters_each_of(&page->sensor->port[i].counters, pick, &w);
		write_port_value(page->out, name, &page->sensor->port[i], w.value);
	}
}

static void
write_lcore_values(const struct stats_view *v, FILE *out, const char *name, double (*value)(const struct view_lcore *))
{
	for (unsigned i = 0; i < v->n_lcores; i++)
		fprintf(out, "%s{lcore=\"%u\",cpu=\"%d\",roles=\"%s\"} %.17g\n", name, v->lcore[i].id, v->lcore[i].cpu,
			v->lcore[i].roles, value(&v->lcore[i]));
}

static double
busy_ratio(const struct view_lcore *l)
{
	return l->busy;
}

static double
busy_seconds(const struct view_lcore *l)
{
	return (double)l->busy_cycles / (double)rte_get_tsc_hz();
}

static double
all_seconds(const struct view_lcore *l)
{
	return (double)l->cycles / (double)rte_get_tsc_hz();
}

static void
write_lcores(const struct stats_view *v, FILE *out)
{
	head(out, "shrike_lcore_busy_ratio", "gauge", "part of the last second in turns that found work");
	write_lcore_values(v, out, "shrike_lcore_busy_ratio", busy_ratio);
	head(out, "shrike_lcore_busy_seconds_total", "counter", "time in turns that found work");
	write_lcore_values(v, out, "shrike_lcore_busy_seconds_total", busy_seconds);
	head(out, "shrike_lcore_seconds_total", "counter", "time since the lcore's first turn");
	write_lcore_values(v, out, "shrike_lcore_seconds_total", all_seconds);
}

static void
write_queue_values(const struct stats_view *v, FILE *out, const char *name, bool size)
{
	for (unsigned i = 0; i < v->n_queues; i++)
		fprintf(out, "%s{kind=\"%s\",queue=\"%s\"} %" PRIu32 "\n", name, view_queue_kinds[v->queue[i].kind],
			v->queue[i].name, size ? v->queue[i].size : v->queue[i].used);
}

static void
write_queues(const struct stats_view *v, FILE *out)
{
	head(out, "shrike_queue_used", "gauge", "what waits in a queue");
	write_queue_values(v, out, "shrike_queue_used", false);
	head(out, "shrike_queue_size", "gauge", "what has room in it");
	write_queue_values(v, out, "shrike_queue_size", true);
}

static void
write_sink_values(const struct stats_view *v, FILE *out, const char *name, const char *help,
		  uint64_t (*value)(const struct view_sink *))
{
	head(out, name, "gauge", help);
	for (unsigned i = 0; i < v->n_sinks; i++)
		fprintf(out, "%s{sink=\"%s\"} %" PRIu64 "\n", name, v->sink[i].name, value(&v->sink[i]));
}

static uint64_t
is_failing(const struct view_sink *s)
{
	return s->failing;
}

static uint64_t
requests(const struct view_sink *s)
{
	return s->requests;
}

static uint64_t
spool_bytes(const struct view_sink *s)
{
	return s->spool_bytes;
}

static uint64_t
spool_records(const struct view_sink *s)
{
	return s->spool_records;
}

static void
write_sinks(const struct stats_view *v, FILE *out)
{
	if (v->n_sinks == 0)
		return;
	write_sink_values(v, out, "shrike_sink_failing", "1 while a sink cannot write", is_failing);
	write_sink_values(v, out, "shrike_sink_requests", "requests sent and not answered", requests);
	write_sink_values(v, out, "shrike_sink_spool_bytes", "bytes that wait on disk for a sink", spool_bytes);
	write_sink_values(v, out, "shrike_sink_spool_records", "documents that wait on disk for a sink", spool_records);
}

static void
write_sessions(const struct stats_view *v, FILE *out)
{
	static const char *const types[SESSION_TYPES] = {"tcp", "udp", "icmp", "sctp", "esp", "other"};

	head(out, "shrike_sessions", "gauge", "open sessions");
	for (unsigned i = 0; i < SESSION_TYPES; i++)
		fprintf(out, "shrike_sessions{type=\"%s\"} %" PRIu64 "\n", types[i], v->gauges.sessions[i]);
	gauge(out, "shrike_fragments", "IP fragments that wait for others", (double)v->gauges.fragments);
	gauge(out, "shrike_session_bytes", "memory of open sessions", (double)v->gauges.session_bytes);
}

static void
write_process(const struct stats *s, const struct stats_view *v, FILE *out)
{
	head(out, "shrike_info", "gauge", "version and names of this sensor");
	fprintf(out, "shrike_info{version=\"%s\",node=\"", s->identity.version);
	label(out, s->identity.node);
	fputs("\",host=\"", out);
	label(out, s->identity.host);
	fputs("\"} 1\n", out);
	gauge(out, "shrike_start_time_seconds", "when it started, since 1970", (double)s->identity.start_s);
	gauge(out, "shrike_stalled_lcores", "lcores that do not come to the end of a turn", v->stalled_lcores);
	gauge(out, "shrike_overload_stage", "0: nothing is given up; 1: parsing; 2: payload in pcap; 3: new records",
	      v->overload_stage);
	gauge(out, "shrike_memory_bytes", "resident memory and hugepages", (double)v->gauges.memory_bytes);
	gauge(out, "shrike_pcap_used_bytes", "this node's files in pcapDir", (double)s->last_space.used_bytes);
	gauge(out, "shrike_pcap_free_bytes", "room left on the disks of pcapDir", (double)s->last_space.free_bytes);
	gauge(out, "shrike_pcap_disk_bytes", "size of the disks of pcapDir", (double)s->last_space.size_bytes);
}

void
metrics_write(const struct stats *s, FILE *out)
{
	const struct stats_view *v = &s->view[s->current];
	struct port_page page = {.sensor = s->sensor, .out = out};

	write_process(s, v, out);
	counters_each(write_counter, out);
	counters_each(write_port_counter, &page);
	write_lcores(v, out);
	write_queues(v, out);
	write_sinks(v, out);
	write_sessions(v, out);
}
