/* The end of a run, for people and for programs. */
#include "summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "counters.h"
#include "json.h"

enum { SUMMARY_BYTES_MAX = 1 << 20 };

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
	unsigned damaged = 0;

	if (s->replay != NULL) {
		replay_progress(s->replay, &p);
		return p.files_damaged;
	}
	/* net_pcap tells of a damaged file by errors only. */
	for (unsigned i = 0; i < s->n_ports; i++)
		damaged += s->port[i].is_capture_file && port_errors(&s->port[i]) > 0;
	return damaged;
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
	uint64_t written = counters_total("writer.written_bytes");
	bool in_place = s->writer_conf.effective_method == WRITER_INPLACE;

	if (in_place && s->options->dry_run)
		fputs("  pcap      positions in the input, nothing stored (dry run)\n", out);
	else if (in_place)
		fputs("  pcap      in place: records point into the input\n", out);
	if (s->writer_conf.effective_method == WRITER_NULL || s->writer_conf.effective_method == WRITER_DISCARD)
		fputs("  pcap      not stored\n", out);
	else if (written > 0 && s->writer_conf.directories.n > 0)
		fprintf(out, "  pcap      %" PRIu64 " bytes in %s\n", written, s->writer_conf.directories.item[0]);
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
key_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

static void
key_double(struct json *j, const char *key, double value)
{
	json_key(j, key);
	json_double(j, value);
}

static void
key_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_str(j, text, strlen(text), true);
}

static void
write_counter(const struct counter *c, uint64_t total, void *context)
{
	key_u64(context, c->name, total);
}

static void
write_loss(const struct counter *c, uint64_t total, void *context)
{
	if (c->loss && total > 0)
		key_u64(context, c->name, total);
}

static void
write_sink(const char *sink, const char *text, void *context)
{
	key_text(context, sink, text);
}

/* Cycles that one reading of the time stamp counter takes: the best of several tries, since an interrupt may fall into
 * one. */
static double
tsc_read_cycles(void)
{
	enum { TRIES = 16, READS = 256 };
	uint64_t best = UINT64_MAX;

	for (unsigned try = 0; try < TRIES; try++) {
		uint64_t begin = rte_rdtsc(), cycles;

		for (unsigned i = 1; i < READS; i++)
			(void)rte_rdtsc();
		cycles = rte_rdtsc() - begin;
		if (cycles < best)
			best = cycles;
	}
	return (double)best / READS;
}

/* Net of what reading the time stamp counter itself costs. */
static void
write_stages(const struct sensor *s, struct json *j)
{
	double read_cycles = tsc_read_cycles(), per_ns = (double)rte_get_tsc_hz() / 1e9;

	for (unsigned stage = 0; stage < STAGES; stage++) {
		double cycles = 0, packets = 0;

		for (unsigned i = 0; i < s->n_workers; i++) {
			const struct worker_stages *w = worker_stages(s->worker[i]);

			cycles += (double)w->cycles[stage] - (double)w->reads[stage] * read_cycles;
			packets += (double)w->packets;
		}
		key_double(j, worker_stage_names[stage], packets > 0 && cycles > 0 ? cycles / packets / per_ns : 0);
	}
}

static void
write_memory(const struct sensor *s, struct json *j)
{
	uint64_t live = 0, in_use = 0;

	for (unsigned i = 0; i < s->n_workers; i++) {
		live += worker_live_peak(s->worker[i]);
		in_use += worker_session_bytes_peak(s->worker[i]);
	}
	key_u64(j, "rss_peak_bytes", status_bytes("VmHWM"));
	key_u64(j, "hugepage_bytes", status_bytes("HugetlbPages"));
	key_u64(j, "session_bytes_in_use", in_use);
	key_u64(j, "sessions_live_peak", live);
}

static void
write_pcap(const struct sensor *s, struct json *j)
{
	if (counters_total("writer.written_bytes") == 0)
		return;
	for (unsigned i = 0; i < s->writer_conf.directories.n; i++)
		json_str(j, s->writer_conf.directories.item[i], strlen(s->writer_conf.directories.item[i]), true);
}

static void
begin(struct json *j, const char *key)
{
	json_key(j, key);
	json_object_begin(j);
}

static void
write_parts(const struct sensor *s, struct json *j)
{
	begin(j, "sessions");
	for (unsigned t = 0; t < SESSION_TYPES; t++)
		key_u64(j, type_names[t], saved_of_type(s, t));
	json_object_end(j);
	begin(j, "counters");
	counters_each(write_counter, j);
	json_object_end(j);
	begin(j, "losses");
	counters_each(write_loss, j);
	json_object_end(j);
	begin(j, "stages_ns_per_packet");
	write_stages(s, j);
	json_object_end(j);
	begin(j, "memory");
	write_memory(s, j);
	json_object_end(j);
	begin(j, "sinks");
	exporter_describe(s->exporter, write_sink, j);
	json_object_end(j);
	json_key(j, "pcap");
	json_array_begin(j);
	write_pcap(s, j);
	json_array_end(j);
}

static void
write_document(const struct sensor *s, struct json *j, enum exit_code code)
{
	double seconds = run_seconds(s);
	uint64_t packets = counters_total("worker.received"), bytes = counters_total("worker.received_bytes");

	json_object_begin(j);
	key_text(j, "version", SHRIKE_VERSION);
	key_u64(j, "exit_code", code);
	key_double(j, "wall_s", seconds);
	key_double(j, "cpu_s", (double)(s->cpu_ended_ns - s->cpu_started_ns) / 1e9);
	key_u64(j, "packets", packets);
	key_u64(j, "bytes", bytes);
	key_double(j, "mpps", (double)packets / seconds / 1e6);
	key_double(j, "gbit_s", (double)bytes * 8 / seconds / 1e9);
	key_double(j, "ns_per_packet", packets > 0 ? seconds * 1e9 / (double)packets : 0);
	key_u64(j, "records", counters_total("record.emitted"));
	key_text(j, "ledger", ledger_check(NULL) == 0 ? "balanced" : "unbalanced");
	key_u64(j, "workers", s->n_workers);
	key_u64(j, "damaged_inputs", summary_damaged_inputs(s));
	write_parts(s, j);
	json_object_end(j);
}

int
summary_write(const struct sensor *s, const char *path, enum exit_code code)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	struct json j;
	int result = 0;

	if (f == NULL)
		return -errno;
	json_init(&j, SUMMARY_BYTES_MAX);
	write_document(s, &j, code);
	if (j.failed || fwrite(j.text, 1, j.size, f) != j.size || fputc('\n', f) == EOF)
		result = j.failed ? -ENOMEM : -EIO;
	json_fini(&j);
	if (f != stdout && fclose(f) != 0 && result == 0)
		result = -errno;
	return result;
}
