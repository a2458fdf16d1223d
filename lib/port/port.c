/* Ethdev ports: set-up, end and what the device counted.
 *
 * Several queues are worth having only when both directions of a flow come through one of them. Three kinds of devices:
 * those whose RSS can be made to do that and shows it (port_rss.c); software drivers whose queues are filled by the
 * kernel or by somebody else, in a way of their own (all their queues are read, or what is in the others would be
 * lost); and the rest, which get one queue. With the last two, workers pass packets to their owners.
 *
 * The wire's account: what the device says it offered, against what the workers received plus what the device says it
 * lost. The two sides are counted by different hands, and a queue that was stopped with packets in it is a loss with a
 * name of its own. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "log.h"
#include "packet.h"
#include "port_priv.h"
#include "port_rss.h"

COUNTER(offered, "port.offered", "packets that devices counted, received or not", LEDGER_WIRE, LEDGER_IN);
COUNTER(received, "port.received", "packets that workers took from devices", LEDGER_WIRE, LEDGER_OUT);
COUNTER_LOSS(missed, "port.missed", "packets lost because a device's receive queue was full", LEDGER_WIRE);
COUNTER_LOSS(errors, "port.errors", "packets that a device received with errors", LEDGER_WIRE);
COUNTER_LOSS(no_mbuf, "port.no_mbuf", "packets lost because the mbuf pool was empty", LEDGER_WIRE);
COUNTER(far_stamps, "port.far_stamps", "packets that got the wall clock because their stamp is far from it",
	LEDGER_NONE, LEDGER_IN);
COUNTER(lost_tags, "port.lost_tags", "packets without the VLAN tag that the device took off", LEDGER_NONE, LEDGER_IN);
COUNTER_LOSS(unread, "port.unread", "packets left in a device when it was stopped", LEDGER_WIRE);

enum { DESCRIPTORS_DEFAULT = 2048 };

enum { BASE_PACKETS, BASE_MISSED, BASE_ERRORS, BASE_NO_MBUF };

static int
fail(const struct port *port, int rc, const char *what, char *why, size_t why_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	if (rte_eth_dev_get_name_by_port(port->id, name) != 0)
		snprintf(name, sizeof(name), "no such port");
	snprintf(why, why_size, "port %u (%s): %s: %s", port->id, name, what, rte_strerror(-rc));
	return rc;
}

static void
identify(struct port *port, const struct rte_eth_dev_info *info)
{
	const struct rte_devargs *args = rte_dev_devargs(info->device);
	const char *text = args != NULL && args->args != NULL ? args->args : "";
	char name[RTE_ETH_NAME_MAX_LEN];

	if (rte_eth_dev_get_name_by_port(port->id, name) == 0)
		port->is_replay = strstr(name, REPLAY_PORT_NAME) != NULL;
	/* With infinite_rx the driver plays the file for ever, without stamps. */
	port->is_capture_file = strcmp(info->driver_name, "net_pcap") == 0 && strstr(text, "rx_pcap=") != NULL &&
				strstr(text, "infinite_rx=1") == NULL;
	port->link_type = LINK_ETHERNET;
}

static int
allocate_queues(struct port *port, uint16_t n_queues)
{
	port->n_queues = n_queues;
	rte_free(port->queue);
	port->queue = rte_zmalloc_socket("port queues", n_queues * sizeof(*port->queue), RTE_CACHE_LINE_SIZE,
					 rte_eth_dev_socket_id(port->id));
	return port->queue != NULL ? 0 : -ENOMEM;
}

/* Configured and running with 'n_queues'. */
static int
run(struct port *port, const struct rte_eth_dev_info *info, const struct port_params *params, uint16_t n_queues,
    const struct rte_eth_rss_conf *rss, const char **what)
{
	int rc = allocate_queues(port, n_queues);

	*what = "no memory for its queues";
	if (rc == 0)
		rc = port_configure(port, info, params, rss, what);
	if (rc != 0)
		return rc;
	*what = "cannot be started";
	return rte_eth_dev_start(port->id);
}

/* With RSS if it proves itself. *why: why it did not. */
static int
try_rss(struct port *port, const struct rte_eth_dev_info *info, const struct port_params *params, uint16_t n_queues,
	const char **what, const char **why)
{
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_rss_conf wanted = port_rss_wanted(info, key);
	struct port_rss rss;
	int rc = run(port, info, params, n_queues, &wanted, what);

	if (rc != 0)
		return rc;
	*why = port_rss_set_up(port->id, info, n_queues, params->owners, &rss);
	if (*why == NULL) {
		port->spread = PORT_BY_RSS;
		LOG_INFO("port.rss",
			 "port=%u queues=%u key=%02x%02x key_bytes=%u functions=0x%" PRIx64
			 " table=%u note=\"verified: "
			 "both directions of a flow come to one worker\"",
			 port->id, n_queues, rss.key[0], rss.key[1], rss.key_bytes, rss.functions, rss.reta_size);
		return 0;
	}
	rte_eth_dev_stop(port->id);
	return -ENOTSUP;
}

static int
run_as_can_be(struct port *port, const struct rte_eth_dev_info *info, const struct port_params *params,
	      const char **what)
{
	uint16_t n_queues = RTE_MIN(params->n_queues, info->max_rx_queues);
	const char *why = NULL;

	if (params->owners == NULL)
		return run(port, info, params, n_queues, NULL, what);
	if (port_filled_by_others(info)) {
		port->spread = info->max_rx_queues > 1 ? PORT_BY_OTHERS : PORT_ONE_QUEUE;
		return run(port, info, params, info->max_rx_queues, NULL, what);
	}
	if (n_queues > 1) {
		why = port_rss_lacks(info);
		if (why == NULL && try_rss(port, info, params, n_queues, what, &why) == 0)
			return 0;
		LOG_INFO("port.rss",
			 "port=%u queues=1 why=\"%s\" note=\"one worker receives and passes packets to the owners of "
			 "their flows\"",
			 port->id, why != NULL ? why : *what);
	}
	return run(port, info, params, 1, NULL, what);
}

/* On the heap, for the type's alignment is more than ASan's fake stack (detect_stack_use_after_return) keeps. */
uint16_t
port_descriptors(uint16_t id, uint16_t queue)
{
	struct rte_eth_rxq_info *info = rte_zmalloc("queue info", sizeof(*info), RTE_CACHE_LINE_SIZE);
	uint16_t n = 0;

	if (info != NULL && rte_eth_rx_queue_info_get(id, queue, info) == 0)
		n = info->nb_desc;
	rte_free(info);
	return n;
}

static void
report(const struct port *port, const struct rte_eth_dev_info *info, uint16_t descriptors)
{
	static const char *const words[] = {
		[PORT_ONE_QUEUE] = "one queue", [PORT_BY_RSS] = "RSS", [PORT_BY_OTHERS] = "others"};
	char name[RTE_ETH_NAME_MAX_LEN] = "";
	uint16_t said = port_descriptors(port->id, 0), mtu = 0;

	(void)rte_eth_dev_get_name_by_port(port->id, name);
	(void)rte_eth_dev_get_mtu(port->id, &mtu);
	/* Few software drivers say how many descriptors there are: then it is what was asked for. */
	LOG_INFO("port.start", "port=%u name=%s driver=%s node=%d queues=%u spread=\"%s\" descriptors=%u mtu=%u",
		 port->id, name, info->driver_name, rte_eth_dev_socket_id(port->id), port->n_queues,
		 words[port->spread], said != 0 ? said : descriptors, mtu);
}

static int
bring_up(struct port *port, const struct rte_eth_dev_info *info, const struct port_params *params, char *why,
	 size_t why_size)
{
	const char *what;
	int rc = run_as_can_be(port, info, params, &what);

	if (rc != 0)
		return fail(port, rc, what, why, why_size);
	if (!port->is_replay) {
		/* Devices that strip VLAN tags unasked. */
		(void)rte_eth_dev_set_vlan_offload(port->id, 0);
		report(port, info, params->descriptors);
	}
	rc = rte_eth_promiscuous_enable(port->id);
	if (rc != 0 && rc != -ENOTSUP)
		LOG_WARN("port.promiscuous", "port=%u error=\"%s\" note=\"only packets for this machine may come\"",
			 port->id, rte_strerror(-rc));
	return 0;
}

static void
read_driver(const struct port *port, uint64_t value[4])
{
	struct rte_eth_stats stats = {0};

	if (rte_eth_stats_get(port->id, &stats) != 0)
		return;
	value[BASE_PACKETS] = stats.ipackets;
	value[BASE_MISSED] = stats.imissed;
	value[BASE_ERRORS] = stats.ierrors;
	value[BASE_NO_MBUF] = stats.rx_nombuf;
}

static void
read_device(struct port *port, uint64_t value[4])
{
	uint64_t delivered, dropped;

	read_driver(port, value);
	/* These drivers know of no loss. */
	if (port_sockets_read(port, &delivered, &dropped)) {
		value[BASE_PACKETS] = delivered;
		value[BASE_MISSED] = dropped;
	} else if (port_tap_read(port, &dropped)) {
		value[BASE_MISSED] = dropped;
	}
}

int
port_start_live(struct port *port, uint16_t id, const struct port_params *params, char *why, size_t why_size)
{
	struct rte_eth_dev_info info;
	int rc;

	*port = (struct port){.id = id, .time_offset = -1};
	rc = rte_eth_dev_info_get(id, &info);
	if (rc != 0)
		return fail(port, rc, "gives no information", why, why_size);
	identify(port, &info);
	rc = bring_up(port, &info, params, why, why_size);
	if (rc != 0) {
		rte_free(port->queue);
		port->queue = NULL;
		return rc;
	}
	snprintf(port->name, sizeof(port->name), "port %u", id);
	counters_attach(&port->counters, port->name);
	port_time_start(port);
	port_sockets_find(port, &info);
	port_tap_find(port, &info);
	read_device(port, port->base);
	/* What the kernel put into a socket's ring before the start will be taken from it. */
	if (port->n_sockets > 0)
		memset(port->base, 0, sizeof(port->base));
	if (!port->is_replay) {
		port_link_start(port, &info);
		port_link_tick(port);
	}
	return 0;
}

int
port_start(struct port *port, uint16_t id, uint16_t n_queues, struct rte_mempool *pool, char *why, size_t why_size)
{
	struct port_params params = {.n_queues = n_queues, .descriptors = DESCRIPTORS_DEFAULT, .pool = pool};

	return port_start_live(port, id, &params, why, why_size);
}

static uint64_t
total_received(const struct port *port)
{
	uint64_t sum = 0;

	for (uint16_t queue = 0; queue < port->n_queues; queue++)
		sum += port->queue[queue].received;
	return sum;
}

/* What workers counted besides. */
static void
read_queues(struct port *port)
{
	uint64_t far = 0, tags = 0;

	for (uint16_t queue = 0; queue < port->n_queues; queue++) {
		far += port->queue[queue].far_stamps;
		tags += port->queue[queue].lost_tags;
	}
	COUNTER_SET(&port->counters, far_stamps, far);
	COUNTER_SET(&port->counters, lost_tags, tags);
}

/* net_memif shows nothing while no peer is connected, or when it was stopped: then it had what workers took. */
static void
never_less(struct port *port, uint64_t now[4])
{
	uint64_t taken = port->base[BASE_PACKETS] + total_received(port);

	if (now[BASE_PACKETS] == 0 || now[BASE_PACKETS] < port->seen[BASE_PACKETS])
		now[BASE_PACKETS] = RTE_MAX(taken, port->seen[BASE_PACKETS]);
	for (unsigned i = 0; i < RTE_DIM(port->seen); i++) {
		now[i] = RTE_MAX(now[i], port->seen[i]);
		port->seen[i] = now[i];
	}
}

void
port_read_stats(struct port *port)
{
	uint64_t now[4] = {0};

	/* A replay counts what it read and delivered itself. */
	if (port->is_replay || port->queue == NULL)
		return;
	read_device(port, now);
	never_less(port, now);
	for (unsigned i = 0; i < RTE_DIM(now); i++)
		now[i] -= port->base[i];
	COUNTER_SET(&port->counters, offered,
		    now[BASE_PACKETS] + now[BASE_MISSED] + now[BASE_ERRORS] + now[BASE_NO_MBUF]);
	COUNTER_SET(&port->counters, received, total_received(port));
	COUNTER_SET(&port->counters, missed, now[BASE_MISSED]);
	COUNTER_SET(&port->counters, errors, now[BASE_ERRORS]);
	COUNTER_SET(&port->counters, no_mbuf, now[BASE_NO_MBUF]);
	read_queues(port);
}

void
port_tick(struct port *port)
{
	port_read_stats(port);
	if (port->is_replay || port->queue == NULL)
		return;
	port_time_tick(port);
	port_link_tick(port);
}

uint64_t
port_lost(const struct port *port)
{
	return __atomic_load_n(&port->counters.value[COUNTER_INDEX(missed)], __ATOMIC_RELAXED) +
	       __atomic_load_n(&port->counters.value[COUNTER_INDEX(no_mbuf)], __ATOMIC_RELAXED);
}

uint64_t
port_errors(const struct port *port)
{
	uint64_t now[4] = {0};

	read_driver(port, now);
	return now[BASE_ERRORS] - port->base[BASE_ERRORS] + now[BASE_NO_MBUF] - port->base[BASE_NO_MBUF];
}

/* What is left in the queues, after port_read_stats(). The kernel's ring has more than the driver tells: what came is
 * taken from the same look at the sockets, since more comes meanwhile. */
static uint64_t
count_unread(struct port *port)
{
	uint64_t left = 0, taken = total_received(port);
	int n;

	if (port->n_sockets > 0)
		return port->seen[BASE_PACKETS] > taken ? port->seen[BASE_PACKETS] - taken : 0;
	for (uint16_t queue = 0; queue < port->n_queues; queue++) {
		n = rte_eth_rx_queue_count(port->id, queue);
		left += n > 0 ? (uint64_t)n : 0;
	}
	return left;
}

void
port_stop(struct port *port)
{
	uint64_t left;

	if (port->queue == NULL)
		return;
	port_link_stop(port);
	/* To stop closes the sockets of net_af_packet and what net_memif has of its peer, with what they counted. */
	port_read_stats(port);
	left = port->is_replay ? 0 : count_unread(port);
	port->n_sockets = 0;
	rte_eth_dev_stop(port->id);
	if (port->socket_packets == 0)
		port_read_stats(port);
	COUNTER_SET(&port->counters, unread, left);
}

void
port_close(struct port *port)
{
	if (port->queue == NULL)
		return;
	counters_detach(&port->counters);
	if (!port->is_replay)
		rte_eth_dev_close(port->id);
	rte_free(port->queue);
	port->queue = NULL;
}
