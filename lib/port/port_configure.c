/* Configuring a device: offloads, frame size, queues.
 *
 * Asked for is what the device offers: scattered reception, time stamps, link interrupts. VLAN stripping stays off. A
 * NIC gets the largest MTU that it takes and its buffers hold; a kernel device keeps its own, which is not ours to
 * change. Some drivers (net_tap, net_af_xdp) want as many queues to send as to receive, though nobody sends. */
#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_mbuf.h>

#include "packet.h"
#include "port_priv.h"

enum { TX_DESCRIPTORS = 256, ETHERNET_OVERHEAD = 18 };

static bool
is_nic(const struct rte_eth_dev_info *info)
{
	return strcmp(rte_bus_name(rte_dev_bus(info->device)), "pci") == 0;
}

/* As ethdev reckons: what a frame has beyond the MTU. */
static uint32_t
overhead(const struct rte_eth_dev_info *info)
{
	return info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu ? info->max_rx_pktlen - info->max_mtu
										  : ETHERNET_OVERHEAD;
}

/* Without scattered reception a frame has to fit into one mbuf. 0: the device's default. */
static uint32_t
largest_mtu(const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM, mtu = info->max_mtu;

	if (!is_nic(info))
		return 0;
	if (info->max_rx_pktlen > overhead(info) && mtu > info->max_rx_pktlen - overhead(info))
		mtu = info->max_rx_pktlen - overhead(info);
	if (mtu > PACKET_BYTES_MAX - PORT_FRAME_OVERHEAD)
		mtu = PACKET_BYTES_MAX - PORT_FRAME_OVERHEAD;
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) == 0 && mtu > room - PORT_FRAME_OVERHEAD)
		mtu = room - PORT_FRAME_OVERHEAD;
	return mtu > RTE_ETHER_MTU ? mtu : 0;
}

/* To these a port without queues to send is an error, or (memif) its peer does not connect. */
static bool
must_send(const char *driver)
{
	static const char *const drivers[] = {"net_tap", "net_af_xdp", "net_memif"};

	for (unsigned i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

/* First as is right, then without a large MTU, then with queues to send. */
static int
try_configure(const struct port *port, struct rte_eth_conf *conf, const struct rte_eth_dev_info *info,
	      uint16_t *n_send_queues)
{
	int rc;

	*n_send_queues = must_send(info->driver_name) ? port->n_queues : 0;
	rc = rte_eth_dev_configure(port->id, port->n_queues, *n_send_queues, conf);
	if (rc != 0 && conf->rxmode.mtu != 0) {
		conf->rxmode.mtu = 0;
		rc = rte_eth_dev_configure(port->id, port->n_queues, *n_send_queues, conf);
	}
	if (rc != 0 && *n_send_queues == 0 && info->max_tx_queues >= port->n_queues) {
		*n_send_queues = port->n_queues;
		rc = rte_eth_dev_configure(port->id, port->n_queues, *n_send_queues, conf);
	}
	return rc;
}

static int
set_up_queues(const struct port *port, const struct port_params *params, uint16_t n_send_queues)
{
	uint16_t descriptors = params->descriptors, send_descriptors = TX_DESCRIPTORS;
	unsigned socket = (unsigned)rte_eth_dev_socket_id(port->id);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &descriptors, &send_descriptors);

	for (uint16_t queue = 0; rc == 0 && queue < port->n_queues; queue++)
		rc = rte_eth_rx_queue_setup(port->id, queue, descriptors, socket, NULL, params->pool);
	for (uint16_t queue = 0; rc == 0 && queue < n_send_queues; queue++)
		rc = rte_eth_tx_queue_setup(port->id, queue, send_descriptors, socket, NULL);
	return rc;
}

int
port_configure(struct port *port, const struct rte_eth_dev_info *info, const struct port_params *params,
	       const struct rte_eth_rss_conf *rss, const char **what)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = largest_mtu(info, params->pool),
		.rxmode.offloads = info->rx_offload_capa & (RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TIMESTAMP),
		.intr_conf.lsc = (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0,
	};
	uint16_t n_send_queues;
	int rc;

	if (rss != NULL) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = *rss;
	}
	*what = "cannot be configured";
	rc = try_configure(port, &conf, info, &n_send_queues);
	if (rc != 0)
		return rc;
	port->link_interrupt = conf.intr_conf.lsc;
	*what = "its receive queues cannot be set up";
	return set_up_queues(port, params, n_send_queues);
}
