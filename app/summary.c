/* The end of a run, for people and for programs. jansson builds the JSON: it is a rare document. */
#include "summary.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "counters.h"

static const char *const type_names[SESSION_TYPES] = {"tcp", "udp", "icmp", "sctp", "esp", "other"};

static double
run_seconds(const struct sensor *s)
{
	double seconds = (double)(s->ended_ns - s->started_ns) / 1e9;

	return seconds > 0 ? seconds : 1e-9;
}

static uint64_t
saved_of_type(const struct sensor *s, unsigned type)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_workers; i++)
		n += worker_saved_by_type(s->worker[i])[type];
	return n;
}

unsigned
summary_damaged_inputs(const struct sensor *s)
{
	struct replay_progress p;

	if (s->replay == NULL)
		return 0;
	replay_progress(s->replay, &p);
	return p.files_damaged;
}

/* A line of /proc/self/status in bytes: "VmHWM", "HugetlbPages". */
static uint64_t
status_bytes(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t kilobytes = 0;
	size_t length = strlen(name);

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			kilobytes = strtoull(line + length + 1, NULL, 10);
	fclose(f);
	return kilobytes * 1024;
}

static void
print_loss(const struct counter *c, uint64_t total, void *context)
{
	if (c->loss && total > 0)
		fprintf(context, "  lost      %" PRIu64 " %s (%s)\n", total, c->name, c->help);
}

static void
print_sink(const char *sink, const char *text, void *context)
{
	fprintf(context, "  records   %s: %s\n", sink, text);
}

static void
print_sessions(const struct sensor *s, FILE *out)
{
	const char *separator = "";

	fprintf(out, "  sessions  %" PRIu64 " (", counters_total("session.opened"));
	for (unsigned t = 0; t < SESSION_TYPES; t++) {
		uint64_t n = saved_of_type(s, t);

		if (n == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64, separator, type_names[t], n);
		separator = ", ";
	}
	fprintf(out, "), %" PRIu64 " records\n", counters_total("record.emitted"));
}

static void
print_pcap(const struct sensor *s, FILE *out)
{
	switch (s->writer_conf.effective_method) {
	case WRITER_SIMPLE:
		fprintf(out, "  pcap      %" PRIu64 " bytes in %s\n", counters_total("writer.written_bytes"),
			s->writer_conf.directories.n > 0 ? s->writer_conf.directories.item[0] : "?");
		break;
	case WRITER_INPLACE:
		fprintf(out, "  pcap      %s\n",
			s->options->dry_run ? "positions in the input, nothing stored (dry run)"
					    : "in place: records point into the input");
		break;
	default:
		fputs("  pcap      not stored\n", out);
	}
}

void
summary_print(const struct sensor *s, FILE *out)
{
	double seconds = run_seconds(s);
	uint64_t packets = counters_total("worker.received"), bytes = counters_total("worker.received_bytes");

	fprintf(out, "shrike: %.2f s, %.2f Mpkt/s, %.2f Gbit/s\n", seconds, (double)packets / seconds / 1e6,
		(double)bytes * 8 / seconds / 1e9);
	fprintf(out, "  packets   %" PRIu64 ", %" PRIu64 " bytes\n", packets, bytes);
	print_sessions(s, out);
	print_pcap(s, out);
	exporter_describe(s->exporter, print_sink, out);
	counters_each(print_loss, out);
	if (summary_damaged_inputs(s) > 0)
		fprintf(out, "  damaged   %u of the inputs were read only in part\n", summary_damaged_inputs(s));
	ledger_check(out);
}

static void
add_counter(const struct counter *c, uint64_t total, void *context)
{
	json_t *root = context;

	json_object_set_new(json_object_get(root, "counters"), c->name, json_integer((json_int_t)total));
	if (c->loss && total > 0)
		json_object_set_new(json_object_get(root, "losses"), c->name, json_integer((json_int_t)total));
}

static void
add_sink(const char *sink, const char *text, void *context)
{
	json_object_set_new(context, sink, json_string(text));
}

/* Net of what reading the time stamp counter itself costs. */
static json_t *
stages_json(const struct sensor *s)
{
	json_t *stages = json_object();
	uint64_t begin = rte_rdtsc();
	double read_cycles, per_ns = (double)rte_get_tsc_hz() / 1e9;

	for (unsigned i = 0; i < 1000; i++)
		(void)rte_rdtsc();
	read_cycles = (double)(rte_rdtsc() - begin) / 1001;
	for (unsigned stage = 0; stage < STAGES; stage++) {
		double cycles = 0, packets = 0;

		for (unsigned i = 0; i < s->n_workers; i++) {
			const struct worker_stages *w = worker_stages(s->worker[i]);

			cycles += (double)w->cycles[stage] - (double)w->reads[stage] * read_cycles;
			packets += (double)w->packets;
		}
		json_object_set_new(stages, worker_stage_names[stage],
				    json_real(packets > 0 && cycles > 0 ? cycles / packets / per_ns : 0));
	}
	return stages;
}

static json_t *
memory_json(const struct sensor *s)
{
	uint64_t live = 0, in_use = 0;

	for (unsigned i = 0; i < s->n_workers; i++) {
		live += worker_live_peak(s->worker[i]);
		in_use += worker_session_bytes_peak(s->worker[i]);
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "rss_peak_bytes", (json_int_t)status_bytes("VmHWM"), "hugepage_bytes",
			 (json_int_t)status_bytes("HugetlbPages"), "session_bytes_in_use", (json_int_t)in_use,
			 "sessions_live_peak", (json_int_t)live);
}

static json_t *
summary_json(const struct sensor *s, enum exit_code code)
{
	double seconds = run_seconds(s);
	uint64_t packets = counters_total("worker.received"), bytes = counters_total("worker.received_bytes");
	json_t *sessions = json_object(), *sinks = json_object(), *pcap = json_array(), *root;

	for (unsigned t = 0; t < SESSION_TYPES; t++)
		json_object_set_new(sessions, type_names[t], json_integer((json_int_t)saved_of_type(s, t)));
	exporter_describe(s->exporter, add_sink, sinks);
	for (unsigned i = 0; i < s->writer_conf.directories.n && s->writer_conf.effective_method == WRITER_SIMPLE; i++)
		json_array_append_new(pcap, json_string(s->writer_conf.directories.item[i]));
	root = json_pack(
		"{s:s, s:i, s:f, s:I, s:I, s:f, s:f, s:f, s:o, s:I, s:{}, s:{}, s:s, s:o, s:o, s:o, s:o, s:i, s:i}",
		"version", SHRIKE_VERSION, "exit_code", (int)code, "wall_s", seconds, "packets", (json_int_t)packets,
		"bytes", (json_int_t)bytes, "mpps", (double)packets / seconds / 1e6, "gbit_s",
		(double)bytes * 8 / seconds / 1e9, "ns_per_packet", packets > 0 ? seconds * 1e9 / (double)packets : 0.0,
		"sessions", sessions, "records", (json_int_t)counters_total("record.emitted"), "counters", "losses",
		"ledger", ledger_check(NULL) == 0 ? "balanced" : "unbalanced", "stages_ns_per_packet", stages_json(s),
		"memory", memory_json(s), "pcap", pcap, "sinks", sinks, "workers", (int)s->n_workers, "damaged_inputs",
		(int)summary_damaged_inputs(s));
	if (root != NULL)
		counters_each(add_counter, root);
	return root;
}

int
summary_write(const struct sensor *s, const char *path, enum exit_code code)
{
	json_t *root = summary_json(s, code);
	int result = -ENOMEM;

	if (root != NULL)
		result = strcmp(path, "-") == 0 ? json_dumpf(root, stdout, JSON_INDENT(1))
						: json_dump_file(root, path, JSON_INDENT(1));
	json_decref(root);
	return result == 0 ? 0 : (errno != 0 ? -errno : -EIO);
}
