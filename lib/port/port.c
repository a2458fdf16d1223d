/* Ethdev ports: set-up, end and what the device counted.
 *
 * Software drivers differ in what they accept, so nothing is asked for that the device does not offer, and a jumbo MTU
 * that is refused is tried again without. Time stamps are not asked for: a NIC would give its own counter; net_pcap
 * gives them unasked. With several queues both directions of a flow have to reach one worker: the RSS key is 6d5a
 * repeated, which makes Toeplitz symmetric.
 *
 * The wire's account: what the device says it offered, against what the workers received plus what the device says it
 * lost. The two sides are counted by different hands, and a queue that was stopped with packets in it is a loss with a
 * name of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>

#include "log.h"
#include "packet.h"
#include "port_priv.h"

COUNTER(offered, "port.offered", "packets that devices counted, received or not", LEDGER_WIRE, LEDGER_IN);
COUNTER(received, "port.received", "packets that workers took from devices", LEDGER_WIRE, LEDGER_OUT);
COUNTER_LOSS(missed, "port.missed", "packets lost because a device's receive queue was full", LEDGER_WIRE);
COUNTER_LOSS(errors, "port.errors", "packets that a device received with errors", LEDGER_WIRE);
COUNTER_LOSS(no_mbuf, "port.no_mbuf", "packets lost because the mbuf pool was empty", LEDGER_WIRE);
COUNTER_LOSS(unread, "port.unread", "packets left in a device when it was stopped", LEDGER_WIRE);

enum {
	RX_DESCRIPTORS = 2048,
	TX_DESCRIPTORS = 256,
	RSS_KEY_MAX = 64,
	RSS_KEY_DEFAULT = 40, /* of a driver that does not say */
	FRAME_OVERHEAD = 26   /* Ethernet, 2 VLANs, CRC */
};
static const uint64_t rss_flows = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;

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

/* Without scattered reception a frame has to fit into one mbuf. 0: the device's default. */
static uint32_t
largest_mtu(const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM, mtu = info->max_mtu;

	if (mtu > PACKET_BYTES_MAX - FRAME_OVERHEAD)
		mtu = PACKET_BYTES_MAX - FRAME_OVERHEAD;
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) == 0 && mtu > room - FRAME_OVERHEAD)
		mtu = room - FRAME_OVERHEAD;
	return mtu > RTE_ETHER_MTU ? mtu : 0;
}

static bool
wants_rss(const struct port *port, const struct rte_eth_dev_info *info)
{
	return port->n_queues > 1 && (info->flow_type_rss_offloads & rss_flows) != 0 &&
	       info->hash_key_size <= RSS_KEY_MAX;
}

/* 'key' has RSS_KEY_MAX bytes and has to live as long as the result. */
static struct rte_eth_rss_conf
symmetric_rss(const struct rte_eth_dev_info *info, uint8_t *key)
{
	for (unsigned i = 0; i < RSS_KEY_MAX; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	return (struct rte_eth_rss_conf){
		.rss_key = info->hash_key_size > 0 ? key : NULL,
		.rss_key_len = info->hash_key_size,
		.rss_hf = info->flow_type_rss_offloads & rss_flows,
	};
}

static int
configure(const struct port *port, const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {.rxmode.mtu = largest_mtu(info, pool)};
	uint8_t key[RSS_KEY_MAX];
	int rc;

	conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if (wants_rss(port, info)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = symmetric_rss(info, key);
	}
	rc = rte_eth_dev_configure(port->id, port->n_queues, 0, &conf);
	if (rc != 0 && conf.rxmode.mtu != 0) {
		conf.rxmode.mtu = 0;
		rc = rte_eth_dev_configure(port->id, port->n_queues, 0, &conf);
	}
	return rc;
}

/* Some drivers (net_null) pass over what they are configured with. */
static void
check_rss(const struct port *port, const struct rte_eth_dev_info *info)
{
	uint8_t key[RSS_KEY_MAX], set[RSS_KEY_MAX] = {0};
	struct rte_eth_rss_conf wanted = symmetric_rss(info, key);
	struct rte_eth_rss_conf found = {.rss_key = set, .rss_key_len = sizeof(set)};
	int rc;

	if (!wants_rss(port, info))
		return;
	if (wanted.rss_key == NULL) {
		wanted.rss_key = key;
		wanted.rss_key_len = RSS_KEY_DEFAULT;
	}
	if (rte_eth_dev_rss_hash_conf_get(port->id, &found) == 0 && memcmp(set, key, wanted.rss_key_len) == 0)
		return;
	rc = rte_eth_dev_rss_hash_update(port->id, &wanted);
	if (rc != 0)
		LOG_WARN(
			"port.rss",
			"port=%u error=\"%s\" do=\"use one queue, or expect both directions of a flow on two workers\"",
			port->id, rte_strerror(-rc));
}

static int
set_up_queues(const struct port *port, struct rte_mempool *pool)
{
	uint16_t descriptors = RX_DESCRIPTORS, unused = TX_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &descriptors, &unused),
	    socket = rte_eth_dev_socket_id(port->id);

	for (uint16_t queue = 0; rc == 0 && queue < port->n_queues; queue++)
		rc = rte_eth_rx_queue_setup(port->id, queue, descriptors, (unsigned)socket, NULL, pool);
	return rc;
}

static void
find_time_stamps(struct port *port)
{
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);

	port->time_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	if (flag < 0)
		port->time_offset = -1;
	else
		port->time_flag = RTE_BIT64(flag);
}

static int
bring_up(struct port *port, const struct rte_eth_dev_info *info, struct rte_mempool *pool, char *why, size_t why_size)
{
	int rc = configure(port, info, pool);

	if (rc != 0)
		return fail(port, rc, "cannot be configured", why, why_size);
	rc = set_up_queues(port, pool);
	if (rc != 0)
		return fail(port, rc, "its receive queues cannot be set up", why, why_size);
	rc = rte_eth_dev_start(port->id);
	if (rc != 0)
		return fail(port, rc, "cannot be started", why, why_size);
	check_rss(port, info);
	rc = rte_eth_promiscuous_enable(port->id);
	if (rc != 0 && rc != -ENOTSUP)
		LOG_WARN("port.promiscuous", "port=%u error=\"%s\"", port->id, rte_strerror(-rc));
	return 0;
}

static void
read_device(const struct port *port, uint64_t value[4])
{
	struct rte_eth_stats stats = {0};

	if (rte_eth_stats_get(port->id, &stats) != 0)
		return;
	value[BASE_PACKETS] = stats.ipackets;
	value[BASE_MISSED] = stats.imissed;
	value[BASE_ERRORS] = stats.ierrors;
	value[BASE_NO_MBUF] = stats.rx_nombuf;
}

int
port_start(struct port *port, uint16_t id, uint16_t n_queues, struct rte_mempool *pool, char *why, size_t why_size)
{
	struct rte_eth_dev_info info;
	int rc;

	*port = (struct port){.id = id, .n_queues = n_queues, .time_offset = -1};
	rc = rte_eth_dev_info_get(id, &info);
	if (rc != 0)
		return fail(port, rc, "gives no information", why, why_size);
	identify(port, &info);
	if (port->n_queues > info.max_rx_queues)
		port->n_queues = info.max_rx_queues;
	port->queue = rte_zmalloc_socket("port queues", port->n_queues * sizeof(*port->queue), RTE_CACHE_LINE_SIZE,
					 rte_eth_dev_socket_id(id));
	if (port->queue == NULL)
		return fail(port, -ENOMEM, "no memory for its queues", why, why_size);
	rc = bring_up(port, &info, pool, why, why_size);
	if (rc != 0) {
		rte_free(port->queue);
		port->queue = NULL;
		return rc;
	}
	find_time_stamps(port);
	read_device(port, port->base);
	snprintf(port->name, sizeof(port->name), "port %u", id);
	counters_attach(&port->counters, port->name);
	return 0;
}

static uint64_t
total_received(const struct port *port)
{
	uint64_t sum = 0;

	for (uint16_t queue = 0; queue < port->n_queues; queue++)
		sum += port->queue[queue].received;
	return sum;
}

void
port_read_stats(struct port *port)
{
	uint64_t now[4] = {0};

	/* A replay counts what it read and delivered itself. */
	if (port->is_replay || port->queue == NULL)
		return;
	read_device(port, now);
	for (unsigned i = 0; i < RTE_DIM(now); i++)
		now[i] -= port->base[i];
	COUNTER_SET(&port->counters, offered,
		    now[BASE_PACKETS] + now[BASE_MISSED] + now[BASE_ERRORS] + now[BASE_NO_MBUF]);
	COUNTER_SET(&port->counters, received, total_received(port));
	COUNTER_SET(&port->counters, missed, now[BASE_MISSED]);
	COUNTER_SET(&port->counters, errors, now[BASE_ERRORS]);
	COUNTER_SET(&port->counters, no_mbuf, now[BASE_NO_MBUF]);
}

uint64_t
port_errors(const struct port *port)
{
	uint64_t now[4] = {0};

	read_device(port, now);
	return now[BASE_ERRORS] - port->base[BASE_ERRORS] + now[BASE_NO_MBUF] - port->base[BASE_NO_MBUF];
}

void
port_stop(struct port *port)
{
	uint64_t left = 0;
	int n;

	if (port->queue == NULL)
		return;
	for (uint16_t queue = 0; !port->is_replay && queue < port->n_queues; queue++) {
		n = rte_eth_rx_queue_count(port->id, queue);
		left += n > 0 ? (uint64_t)n : 0;
	}
	rte_eth_dev_stop(port->id);
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
