/* The control role.
 *
 * A run ends in a fixed order, each step after the one before has nothing left: workers have saved every session and
 * handed over their last block, the writer has written it, the exporter's sinks have acknowledged every document. A
 * signal starts the same order; a second one stops the lcores at once, and only the files are closed properly. */
#include "control.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_ring.h>

#include "clock.h"
#include "log.h"
#include "progress.h"
#include "rcu.h"
#include "reload.h"

enum {
	CONTROL_INTERVAL_NS = 2000000,
	STATS_INTERVAL_NS = 500000000,
	CLOSE_TRIES = 2000,
	EVENT_BURST = 16,
	RECLAIM_BURST = 16
};

static volatile sig_atomic_t signals, hangups;

static void
count_signal(int number)
{
	(void)number;
	signals++;
}

static void
count_hangup(int number)
{
	(void)number;
	hangups++;
}

void
control_catch_signals(void)
{
	struct sigaction action = {.sa_handler = count_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = count_hangup;
	sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static void
end_input(struct sensor *s)
{
	if (s->replay != NULL) {
		replay_stop(s->replay);
		return;
	}
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_stop(s->worker[i]);
}

static void
handle_signals(struct sensor *s)
{
	unsigned seen = (unsigned)signals, hung_up = (unsigned)hangups;

	if (hung_up != s->hangups_seen)
		reload_ask(s->reload);
	s->hangups_seen = hung_up;
	if (seen == s->signals_seen)
		return;
	if (s->signals_seen == 0) {
		LOG_INFO("control.stopping", "note=\"saving all sessions; a second signal stops at once\"");
		end_input(s);
		s->phase = PHASE_WORKERS;
	}
	if (seen > 1) {
		LOG_WARN("control.aborted", "note=\"stopped by a second signal\"");
		exporter_abandon(s->exporter);
		s->aborted = true;
		s->phase = PHASE_DONE;
		role_plan_stop(&s->plan);
	}
	s->signals_seen = seen;
}

static bool
workers_done(const struct sensor *s)
{
	for (unsigned i = 0; i < s->n_workers; i++)
		if (!worker_done(s->worker[i]))
			return false;
	return true;
}

/* Ports that never say that they ended: all quiet for long enough. */
static bool
idle_for_long(const struct sensor *s, uint64_t now_ns)
{
	uint64_t last_ns = s->started_ns;

	if (s->exit_idle_ns == 0)
		return false;
	for (unsigned i = 0; i < s->n_workers; i++)
		if (worker_last_packet_ns(s->worker[i]) > last_ns)
			last_ns = worker_last_packet_ns(s->worker[i]);
	return now_ns > last_ns + s->exit_idle_ns;
}

/* The closing update of every input read in place. */
static void
close_inputs(struct sensor *s)
{
	if (s->replay == NULL)
		return;
	for (uint32_t i = 0; i < replay_input_count(s->replay); i++) {
		const struct replay_input *in = replay_input(s->replay, i);

		writer_input_closed(s->writer, i, in->read_bytes, in->packets, in->last_ns);
	}
}

static void
next_phase(struct sensor *s, uint64_t now_ns)
{
	if (s->phase == PHASE_RUNNING && idle_for_long(s, now_ns)) {
		end_input(s);
		s->phase = PHASE_WORKERS;
	}
	if (s->phase <= PHASE_WORKERS && workers_done(s))
		s->phase = PHASE_WRITER;
	if (s->phase == PHASE_WRITER && writer_idle(s->writer)) {
		close_inputs(s);
		s->phase = PHASE_INPUTS;
	}
	/* The updates may not have fitted into the ring at once. */
	if (s->phase == PHASE_INPUTS && writer_idle(s->writer)) {
		atomic_store(&s->export_finish, true);
		s->phase = PHASE_EXPORTER;
	}
	if (s->phase == PHASE_EXPORTER && atomic_load(&s->export_done)) {
		s->phase = PHASE_DONE;
		role_plan_stop(&s->plan);
	}
}

static void
read_port_stats(struct sensor *s, uint64_t now_ns)
{
	if (s->replay != NULL || now_ns < s->next_stats_ns)
		return;
	s->next_stats_ns = now_ns + STATS_INTERVAL_NS;
	for (unsigned i = 0; i < s->n_ports; i++)
		port_tick(&s->port[i]);
}

static unsigned
control_poll(void *context)
{
	struct sensor *s = context;
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns < s->next_control_ns)
		return 0;
	s->next_control_ns = now_ns + CONTROL_INTERVAL_NS;
	handle_signals(s);
	if (s->aborted)
		return 0;
	next_phase(s, now_ns);
	read_port_stats(s, now_ns);
	progress_draw(s, now_ns);
	rcu_reclaim(RECLAIM_BURST);
	for (unsigned i = 0; i < s->n_workers; i++)
		overload_report(worker_overload(s->worker[i]), i);
	return 0;
}

static unsigned
poll_worker(void *context)
{
	return worker_poll(context);
}

static unsigned
poll_replay(void *context)
{
	struct sensor *s = context;

	return replay_done(s->replay) ? 0 : replay_poll(s->replay);
}

static unsigned
poll_writer(void *context)
{
	return writer_poll(context);
}

/* What the writer reports about files, in the words of lib/export, which does not see lib/writer. False: later. */
static bool
put_file(struct sensor *s, const struct file_event *event)
{
	struct export_file file = {
		.closing = event->closing,
		.number = event->number,
		.name = event->name,
		.first_ns = event->first_ns,
		.last_ns = event->last_ns,
		.start_ns = event->start_ns,
		.finish_ns = event->finish_ns,
		.file_bytes = event->file_bytes,
		.packets_bytes = event->packets_bytes,
		.packets = event->packets,
		.sessions_started = event->sessions_started,
		.sessions_present = event->sessions_present,
		.locked = event->locked,
		.gap_positions = event->gap_positions,
		.in_place = event->in_place,
	};

	return exporter_put_file(s->exporter, &file);
}

static unsigned
pass_file_events(struct sensor *s)
{
	unsigned n = 0;

	for (; n < EVENT_BURST; n++) {
		if (s->file_event == NULL && rte_ring_sc_dequeue(s->file_events, (void **)&s->file_event) != 0)
			break;
		if (!put_file(s, s->file_event))
			break;
		file_event_free(s->file_event);
		s->file_event = NULL;
	}
	return n;
}

static unsigned
poll_exporter(void *context)
{
	struct sensor *s = context;
	unsigned work = pass_file_events(s) + exporter_poll(s->exporter);

	if (work == 0 && s->file_event == NULL && atomic_load(&s->export_finish) && !atomic_load(&s->export_done)) {
		exporter_finish(s->exporter);
		if (exporter_idle(s->exporter))
			atomic_store(&s->export_done, true);
	}
	return work;
}

void
control_add_roles(struct sensor *s)
{
	struct role_plan *plan = &s->plan;

	role_plan_add(plan, ROLE_CONTROL, 0, &(struct role){"control", control_poll, s});
	if (s->replay != NULL)
		role_plan_add(plan, ROLE_REPLAY, 0, &(struct role){"replay", poll_replay, s});
	for (unsigned i = 0; i < s->n_workers; i++)
		role_plan_add(plan, ROLE_WORKER, i, &(struct role){"worker", poll_worker, s->worker[i]});
	role_plan_add(plan, ROLE_WRITER, 0, &(struct role){"writer", poll_writer, s->writer});
	role_plan_add(plan, ROLE_EXPORTER, 0, &(struct role){"exporter", poll_exporter, s});
	role_plan_add(plan, ROLE_CONTROL, 0, &(struct role){"stats", stats_poll, s->stats});
}

/* After a second signal: no more sessions are saved, but every pcap file gets its true length. */
static void
close_files(struct sensor *s)
{
	for (unsigned i = 0; i < s->n_workers; i++)
		for (unsigned tries = 0; tries < CLOSE_TRIES && !worker_close_stream(s->worker[i]); tries++)
			writer_poll(s->writer);
	for (unsigned tries = 0; tries < CLOSE_TRIES && !writer_idle(s->writer); tries++) {
		writer_poll(s->writer);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

enum exit_code
sensor_run(struct sensor *s)
{
	int error;

	control_catch_signals();
	s->started_ns = clock_monotonic_ns();
	s->cpu_started_ns = clock_process_cpu_ns();
	progress_begin(s);
	error = watchdog_start(s->watchdog, &s->library_cpus);
	if (error == 0)
		error = role_plan_run(&s->plan);
	s->ended_ns = clock_monotonic_ns();
	s->cpu_ended_ns = clock_process_cpu_ns();
	progress_end(s);
	if (s->aborted)
		close_files(s);
	for (unsigned i = 0; i < s->n_ports; i++)
		port_stop(&s->port[i]);
	stats_finish(s->stats);
	if (error != 0) {
		LOG_ERROR("control.lcore", "error=\"%s\"", strerror(-error));
		return EXIT_ENVIRONMENT;
	}
	return s->aborted ? EXIT_FAILED : EXIT_FINE;
}
