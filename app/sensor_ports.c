/* What is received from: interfaces, ports, their queues and mbufs.
 *
 * Devices that EAL arguments name win over 'interface': who writes them knows what he wants, and the settings file may
 * be that of another machine. -i wins over 'interface' too. */
#include "sensor_ports.h"

#include "sensor_handoff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "log.h"

enum { MBUFS_MIN = 4096, MBUFS_OF_LCORE = 512, MBUF_OVERHEAD_BYTES = 384, BURSTS_OF_QUEUE = 16 };

static enum exit_code
environment_error(const char *what, const char *why)
{
	fprintf(stderr, "shrike: %s%s%s\n", what, what[0] != '\0' ? ": " : "", why);
	return EXIT_ENVIRONMENT;
}

enum exit_code
sensor_configure_interfaces(struct sensor *s)
{
	const struct options *o = s->options;
	struct conf_list list = s->port_conf.interfaces;
	char why[512];

	if (o->interfaces.n > 0)
		list = (struct conf_list){.item = o->interfaces.item, .n = o->interfaces.n};
	if (interfaces_parse(&list, &s->port_conf, &s->interfaces, why, sizeof(why)) != 0) {
		fprintf(stderr, "shrike: %s\n", why);
		return o->interfaces.n > 0 ? EXIT_USAGE : EXIT_CONF;
	}
	if (o->action != ACTION_RUN)
		return EXIT_FINE;
	if (options_is_replay(o)) {
		s->interfaces.n = 0;
	} else if (eal_names_devices(o)) {
		if (s->interfaces.n > 0)
			LOG_INFO("port.interface_unused",
				 "note=\"EAL arguments name devices; 'interface' is not looked at\"");
		s->interfaces.n = 0;
	} else if (s->interfaces.n == 0 && o->eal_argc == 0) {
		fprintf(stderr,
			"shrike: nothing to do: name a capture (-r FILE), an interface (-i eth0, or interface= in the "
			"settings), or ports by EAL arguments before a --; see --help\n");
		return EXIT_USAGE;
	}
	return EXIT_FINE;
}

enum exit_code
sensor_check_interfaces(const struct sensor *s)
{
	enum exit_code code = EXIT_FINE;
	char why[1024];

	for (unsigned i = 0; i < s->interfaces.n; i++)
		if (interface_check(&s->interfaces.item[i], why, sizeof(why)) != 0)
			code = environment_error("", why);
		else if (interface_merges_segments(&s->interfaces.item[i]))
			LOG_WARN("port.merged_frames",
				 "interface=%s note=\"segments are merged before they are captured, so frames are not "
				 "those of "
				 "the wire\" do=\"ethtool -K %s gro off lro off\"",
				 s->interfaces.item[i].name, s->interfaces.item[i].name);
	return code;
}

enum exit_code
sensor_attach_interfaces(struct sensor *s)
{
	char why[1024];

	for (unsigned i = 0; i < s->interfaces.n; i++)
		if (interface_attach(&s->interfaces.item[i], &s->port_conf, i, s->n_workers, why, sizeof(why)) != 0)
			return environment_error("", why);
	return EXIT_FINE;
}

/* Every place that can hold an mbuf at once: rings or queues, bursts held by roles, caches. */
static uint32_t
mbufs_of_queues(unsigned n_queues, unsigned held)
{
	return n_queues * (held + BURSTS_OF_QUEUE * BURST_MAX);
}

static uint32_t
mbufs_of_pool(const struct app_conf *app, uint32_t of_queues, unsigned n_lcores)
{
	uint32_t n = of_queues + n_lcores * MBUFS_OF_LCORE;

	if (app->n_mbufs != 0)
		return app->n_mbufs;
	return n > MBUFS_MIN ? n : MBUFS_MIN;
}

size_t
sensor_ports_memory(const struct sensor *s, unsigned n_lcores, unsigned n_workers)
{
	size_t room = RTE_MBUF_DEFAULT_BUF_SIZE, n_ports = s->interfaces.n > 0 ? s->interfaces.n : 1;
	size_t n =
		mbufs_of_pool(&s->app, (uint32_t)n_ports * mbufs_of_queues(n_workers, s->app.receive_ring), n_lcores);

	for (unsigned i = 0; i < s->interfaces.n; i++)
		if (s->interfaces.item[i].kind == INTERFACE_AF_PACKET)
			room = interface_slot_bytes(s->port_conf.snap_bytes) + RTE_PKTMBUF_HEADROOM;
	return (n + MBUFS_MIN) * (room + MBUF_OVERHEAD_BYTES);
}

static struct sensor_pool *
pool_for(struct sensor *s, int socket, uint32_t data_room_bytes)
{
	for (unsigned i = 0; i < s->n_pools; i++)
		if (s->pool[i].socket == socket && s->pool[i].data_room_bytes == data_room_bytes)
			return &s->pool[i];
	if (s->n_pools == PORTS_MAX)
		return NULL;
	s->pool[s->n_pools] = (struct sensor_pool){.socket = socket, .data_room_bytes = data_room_bytes};
	return &s->pool[s->n_pools++];
}

static enum exit_code
plan_pools(struct sensor *s)
{
	struct port_needs needs;
	struct sensor_pool *pool;
	unsigned n_ports = 0;
	uint16_t id;

	if (options_is_replay(s->options)) {
		pool = pool_for(s, SOCKET_ID_ANY, RTE_MBUF_DEFAULT_BUF_SIZE);
		pool->n_queues = s->n_workers;
		pool->n_mbufs = mbufs_of_queues(s->n_workers, s->app.receive_ring);
		return EXIT_FINE;
	}
	RTE_ETH_FOREACH_DEV (id) {
		if (n_ports++ == PORTS_MAX)
			return environment_error("ports", "more than 16");
		if (port_needs(id, (uint16_t)s->n_workers, (uint16_t)s->app.receive_ring, &needs) != 0)
			return environment_error("ports", "a device gives no information");
		pool = pool_for(s, needs.socket, needs.data_room_bytes);
		if (pool == NULL)
			return environment_error("ports", "more than 16 kinds of buffers");
		pool->n_queues += needs.n_queues;
		pool->n_mbufs += mbufs_of_queues(needs.n_queues, needs.held_mbufs);
	}
	if (n_ports == 0)
		return environment_error("ports",
					 "EAL found none; name one with -i, -a or --vdev, or a capture with -r; "
					 "shrike --doctor tells what is missing");
	return EXIT_FINE;
}

enum exit_code
sensor_start_pools(struct sensor *s)
{
	enum exit_code code = plan_pools(s);
	char name[32], why[128];

	for (unsigned i = 0; i < s->n_pools && code == EXIT_FINE; i++) {
		struct sensor_pool *pool = &s->pool[i];

		snprintf(name, sizeof(name), "packets%u", i);
		pool->n_mbufs = mbufs_of_pool(&s->app, pool->n_mbufs + sensor_handoff_mbufs(s, pool->n_queues),
					      s->plan.n_lcores);
		if (s->app.merge_window_ms > 0 && s->app.n_mbufs == 0)
			pool->n_mbufs *= 2;
		pool->mempool = port_pool_create_sized(name, pool->n_mbufs, s->plan.n_lcores, pool->data_room_bytes,
						       pool->socket);
		if (pool->mempool == NULL) {
			snprintf(why, sizeof(why),
				 "no memory for %u of %u bytes; reserve more hugepages or lower 'mbufs'%s",
				 pool->n_mbufs, pool->data_room_bytes,
				 pool->data_room_bytes > RTE_MBUF_DEFAULT_BUF_SIZE ? " or snapLen" : "");
			return environment_error("packet buffers", why);
		}
		LOG_INFO("start.pool", "pool=%s socket=%d mbufs=%u data_room=%u queues=%u kb=%" PRIu64, name,
			 pool->socket, pool->n_mbufs, pool->data_room_bytes, pool->n_queues,
			 (uint64_t)pool->n_mbufs * (pool->data_room_bytes + MBUF_OVERHEAD_BYTES) / 1024);
	}
	return code;
}

enum exit_code
sensor_start_ports(struct sensor *s)
{
	struct port_params params;
	struct port_needs needs;
	char why[512];
	uint16_t id;

	RTE_ETH_FOREACH_DEV (id) {
		if (s->n_ports == PORTS_MAX)
			return environment_error("ports", "more than 16");
		if (port_needs(id, (uint16_t)s->n_workers, (uint16_t)s->app.receive_ring, &needs) != 0)
			return environment_error("ports", "a device gives no information");
		params = (struct port_params){
			.n_queues = (uint16_t)s->n_workers,
			.descriptors = needs.descriptors,
			.pool = pool_for(s, needs.socket, needs.data_room_bytes)->mempool,
			.owners = &s->owners,
		};
		if (port_start_live(&s->port[s->n_ports], id, &params, why, sizeof(why)) != 0)
			return environment_error("port", why);
		s->n_ports++;
	}
	return EXIT_FINE;
}

enum exit_code
sensor_assign_queues(struct sensor *s)
{
	for (unsigned port = 0; port < s->n_ports; port++)
		for (uint16_t queue = 0; queue < s->port[port].n_queues; queue++) {
			/* Ports with fewer queues than workers begin at different ones. */
			unsigned first = s->port[port].n_queues < s->n_workers ? port : 0;
			unsigned worker = sensor_is_files(s) ? 0 : (first + queue) % RTE_MAX(s->n_workers, 1u);

			if (worker_add_queue(s->worker[worker], &s->port[port], queue) != 0)
				return environment_error("ports", "too many queues for one worker");
		}
	return sensor_queues_done(s);
}
