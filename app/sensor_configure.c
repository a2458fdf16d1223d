/* Settings into structs, and what only the whole can check. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "sensor.h"
#include "sensor_ports.h"

/* What to read, as the command line says. EXIT_INPUT when a folder or list gives nothing. */
static enum exit_code
collect_files(struct sensor *s)
{
	const struct options *o = s->options;
	char why[512] = "out of memory";
	int error = 0;

	for (unsigned i = 0; i < o->files.n && error == 0; i++)
		error = capture_list_add_file(&s->files, o->files.item[i]);
	for (unsigned i = 0; i < o->folders.n && error == 0; i++)
		error = capture_list_add_folder(&s->files, o->folders.item[i], s->app.name_regex, o->recursive,
						o->sorted, why, sizeof(why));
	for (unsigned i = 0; i < o->lists.n && error == 0; i++)
		error = capture_list_add_list(&s->files, o->lists.item[i], why, sizeof(why));
	if (error == 0)
		return EXIT_FINE;
	fprintf(stderr, "shrike: %s\n", why);
	return EXIT_INPUT;
}

/* Records can point into a plain pcap file that can be opened again; everything else is copied. */
static bool
is_readable_in_place(const char *path)
{
	struct capture_file *capture;
	struct stat st;
	char why[256];
	bool plain;

	/* Opening a pipe would take bytes out of it. */
	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return strcmp(path, "-") != 0 && errno == ENOENT;
	capture = capture_open(path, why, sizeof(why));
	plain = capture == NULL || capture_info(capture)->plain_pcap;
	capture_close(capture);
	return plain;
}

static void
find_inputs_to_copy(struct sensor *s)
{
	if (s->writer_conf.effective_method != WRITER_INPLACE || s->options->dry_run)
		return;
	for (unsigned i = 0; i < s->files.n && !s->writer_conf.copy_unnamed; i++) {
		char quoted[512];

		if (is_readable_in_place(s->files.path[i]))
			continue;
		s->writer_conf.copy_unnamed = true;
		LOG_INFO("replay.copies",
			 "file=\"%s\" note=\"records cannot point into pcapng, compressed files and pipes: their "
			 "packets are "
			 "copied into pcap files in %s\"",
			 log_quote(quoted, sizeof(quoted), s->files.path[i]),
			 s->writer_conf.directories.n > 0 ? s->writer_conf.directories.item[0] : "pcapDir");
	}
}

static enum exit_code
parse_operations(struct sensor *s)
{
	const struct text_list *list = &s->options->operations;
	char why[256];

	if (list->n == 0)
		return EXIT_FINE;
	s->ops = calloc(list->n, sizeof(*s->ops));
	if (s->ops == NULL)
		return EXIT_FAILED;
	for (unsigned i = 0; i < list->n; i++) {
		if (!field_op_parse(list->item[i], &s->ops[i], why, sizeof(why))) {
			fprintf(stderr, "shrike: --op %s: %s\n", list->item[i], why);
			return EXIT_USAGE;
		}
	}
	s->session_conf.ops = s->ops;
	s->session_conf.n_ops = list->n;
	return EXIT_FINE;
}

/* Which writer a run uses: the reference reads captures in place unless told to copy, whatever pcapWriteMethod says for
 * live traffic; methods that store nothing (null, discard) are meant as such in both. */
static enum writer_method
effective_method(const struct sensor *s)
{
	const struct options *o = s->options;
	enum writer_method set = (enum writer_method)s->writer_conf.method;
	bool stores_nothing = set == WRITER_NULL || set == WRITER_DISCARD;

	if (!options_is_replay(o))
		return o->dry_run ? WRITER_NULL : set;
	if (o->dry_run)
		return stores_nothing ? set : WRITER_INPLACE;
	if (o->copy)
		return stores_nothing ? set : WRITER_SIMPLE;
	return conf_is_set(s->conf, "pcapWriteMethod") && stores_nothing ? set : WRITER_INPLACE;
}

static void
fill(struct sensor *s)
{
	const struct options *o = s->options;
	const struct conf *conf = s->conf;

	conf_fill(conf, &app_settings_group, &s->app);
	conf_fill(conf, &watchdog_settings_group, &s->watchdog_conf);
	conf_fill(conf, &overload_settings_group, &s->overload_conf);
	conf_fill(conf, &session_settings_group, &s->session_conf);
	conf_fill(conf, &tcp_settings_group, &s->session_conf.tcp);
	conf_fill(conf, &fragments_settings_group, &s->fragments_conf);
	conf_fill(conf, &port_settings_group, &s->port_conf);
	conf_fill(conf, &dedup_settings_group, &s->dedup_conf);
	conf_fill(conf, &filter_settings_group, &s->filter_conf);
	conf_fill(conf, &writer_settings_group, &s->writer_conf);
	conf_fill(conf, &document_settings_group, &s->document_conf);
	export_conf_fill(conf, &s->export_conf);
	s->port_conf.snap_bytes = s->writer_conf.snap_length;
	s->session_conf.dry_run = o->dry_run;
	s->session_conf.tags = (struct conf_list){.item = o->tags.item, .n = o->tags.n};
	s->session_conf.packet_lengths = s->document_conf.packet_lengths;
	session_conf_finish(&s->session_conf);
	s->document_conf.node = conf_node(conf);
	s->document_conf.process_id = (uint16_t)getpid();
	s->document_conf.dry_run = o->dry_run;
	s->export_conf.records_path = o->records_path;
	s->export_conf.dry_run = o->dry_run;
	s->export_conf.live = !options_is_replay(o);
	s->writer_conf.gap_positions = s->document_conf.gap_packet_positions;
	s->writer_conf.lock_input_files = !o->no_lock;
	s->writer_conf.dry_run = o->dry_run;
	s->writer_conf.live = !options_is_replay(o);
	s->writer_conf.node = conf_node(conf);
	s->writer_conf.effective_method = effective_method(s);
}

static enum exit_code
check_filter(const struct sensor *s)
{
	char why[512];

	if (s->filter_conf.bpf == NULL || s->filter_conf.bpf[0] == '\0' ||
	    filter_check(s->filter_conf.bpf, why, sizeof(why)))
		return EXIT_FINE;
	fprintf(stderr, "shrike: bpf=%s: %s\n", s->filter_conf.bpf, why);
	return EXIT_CONF;
}

static const char *
protocol_name(uint8_t id)
{
	return packet_protocol(id)->name;
}

enum exit_code
sensor_configure(struct sensor *s, const struct options *o, const struct conf *conf)
{
	enum exit_code code;
	char why[128];

	memset(s, 0, sizeof(*s));
	s->options = o;
	s->conf = conf;
	if (!counters_validate())
		return EXIT_FAILED;
	/* They define fields of their own, so fields_init() comes with them. */
	s->parsers = parsers_create(conf);
	if (s->parsers == NULL)
		return EXIT_CONF;
	if (parsers_each_plugin(s->parsers, packet_register) != 0)
		return EXIT_CONF;
	parsers_bind_protocols(s->parsers, protocol_name, packet_protocol_count());
	fill(s);
	if ((s->app.receive_ring & (s->app.receive_ring - 1)) != 0) {
		fprintf(stderr, "shrike: receiveRing=%u is not a power of two\n", s->app.receive_ring);
		return EXIT_CONF;
	}
	if (!overload_conf_check(&s->overload_conf, why, sizeof(why))) {
		fprintf(stderr, "shrike: %s\n", why);
		return EXIT_CONF;
	}
	if (!stats_check_conf(conf))
		return EXIT_CONF;
	s->decode = decode_conf_create(conf);
	if (s->decode == NULL)
		return EXIT_CONF;
	code = sensor_configure_interfaces(s);
	if (code == EXIT_FINE)
		code = check_filter(s);
	if (code == EXIT_FINE)
		code = parse_operations(s);
	if (code == EXIT_FINE && o->action == ACTION_RUN)
		code = collect_files(s);
	if (code == EXIT_FINE && o->action == ACTION_RUN)
		code = known_apply(s);
	if (code == EXIT_FINE)
		find_inputs_to_copy(s);
	return code;
}
