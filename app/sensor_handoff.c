/* Hand-off and merge, as the sensor sets them up.
 *
 * A replay places its packets itself. Live, with several workers, there is a ring for each ordered pair. Packets that
 * wait in rings and merges are mbufs the ports do not have: rings come on top of the pools, and with mergeWindow a pool
 * is twice as large, of which half is for the merges. */
#include "sensor_handoff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "sensor_ports.h"

enum { MERGE_BURSTS_MIN = 4 };

static enum exit_code
environment_error(const char *what, const char *why)
{
	fprintf(stderr, "shrike: %s: %s\n", what, why);
	return EXIT_ENVIRONMENT;
}

bool
sensor_is_files(const struct sensor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++)
		if (!s->port[i].is_capture_file)
			return false;
	return s->n_ports > 0;
}

uint32_t
sensor_handoff_mbufs(const struct sensor *s, unsigned n_queues)
{
	unsigned receivers = n_queues < s->n_workers ? n_queues : s->n_workers;

	return options_is_replay(s->options) ? 0 : receivers * (s->n_workers - 1) * s->app.handoff_ring;
}

/* Of each worker: together half of the smallest pool. */
static uint32_t
merge_mbufs(const struct sensor *s)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < s->n_pools; i++)
		if (s->pool[i].n_mbufs < least)
			least = s->pool[i].n_mbufs;
	return least / 2 / RTE_MAX(s->n_workers, 1u);
}

enum exit_code
sensor_start_handoff(struct sensor *s, struct worker_params *params)
{
	bool files = sensor_is_files(s);
	struct handoff_params handoff = {.n_workers = s->n_workers, .slots = s->app.handoff_ring, .lossless = files};

	params->replay = s->replay != NULL;
	params->replay_apart = s->plan.n_lcores > 1;
	params->packet_clock = files;
	params->lossless = s->replay != NULL || files;
	params->owners = &s->owners;
	if (s->replay != NULL)
		return EXIT_FINE;
	params->merge_window_ns = s->app.merge_window_ms * NS_PER_MS;
	params->merge_mbufs = merge_mbufs(s);
	if (params->merge_window_ns > 0 && params->merge_mbufs < MERGE_BURSTS_MIN * BURST_MAX)
		return environment_error("mergeWindow", "half of the packet buffers is too little; raise 'mbufs'");
	if (s->n_workers == 1)
		return EXIT_FINE;
	s->handoff = handoff_create(&handoff);
	if (s->handoff == NULL)
		return environment_error("hand-off rings", strerror(errno));
	params->handoff = s->handoff;
	LOG_INFO("start.handoff", "rings=%u slots=%u when_full=%s", s->n_workers * (s->n_workers - 1),
		 s->app.handoff_ring, files ? "wait" : "lose");
	return EXIT_FINE;
}

enum exit_code
sensor_queues_done(struct sensor *s)
{
	unsigned receivers = 0;
	int rc;

	for (unsigned i = 0; i < s->n_workers; i++)
		receivers += worker_queue_count(s->worker[i]) > 0;
	for (unsigned i = 0; i < s->n_workers; i++) {
		rc = worker_queues_done(s->worker[i], receivers == 1 && worker_queue_count(s->worker[i]) > 0);
		if (rc != 0)
			return environment_error("mergeWindow", strerror(-rc));
	}
	if (s->app.merge_window_ms > 0 && s->replay == NULL)
		LOG_INFO("start.merge", "window_ms=%u mbufs_of_each_worker=%u", s->app.merge_window_ms, merge_mbufs(s));
	return EXIT_FINE;
}
