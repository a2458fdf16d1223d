/* What a device asks of its buffers, before it is configured.
 *
 * Drivers that copy out of the kernel (af_packet, pcap) hold no buffers, so a queue of theirs costs none. net_af_packet
 * refuses buffers smaller than a slot of its ring. net_tap fills a chain of as many buffers as it has descriptors with
 * each packet, so there the number is what one frame of 64 KB needs, and more would only make every read slower. A NIC
 * that cannot scatter a frame over several buffers gets buffers that hold its MTU. */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "packet.h"
#include "port_priv.h"

enum { TAP_DESCRIPTORS = PACKET_BYTES_MAX / 2048 + 2, DATA_ROOM_MAX = 65535, AF_PACKET_SLOT_DEFAULT = 2048 };

bool
port_filled_by_others(const struct rte_eth_dev_info *info)
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "net_pcap", "net_ring", "net_vhost"};

	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(info->driver_name, drivers[i]) == 0)
			return true;
	return false;
}

/* The value of a driver argument, or 'otherwise'. */
static unsigned long
argument(const struct rte_eth_dev_info *info, const char *key, unsigned long otherwise)
{
	const struct rte_devargs *args = rte_dev_devargs(info->device);
	const char *at = args != NULL && args->args != NULL ? strstr(args->args, key) : NULL;

	return at != NULL ? strtoul(at + strlen(key), NULL, 10) : otherwise;
}

static uint32_t
data_room(uint16_t id, const struct rte_eth_dev_info *info)
{
	uint32_t room = RTE_MBUF_DEFAULT_BUF_SIZE, frame = 0;
	uint16_t mtu = 0;

	if (strcmp(info->driver_name, "net_af_packet") == 0)
		frame = (uint32_t)argument(info, "framesz=", AF_PACKET_SLOT_DEFAULT) -
			(uint32_t)(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll));
	else if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) == 0 &&
		 strcmp(rte_bus_name(rte_dev_bus(info->device)), "pci") == 0 && rte_eth_dev_get_mtu(id, &mtu) == 0)
		frame = (uint32_t)mtu + PORT_FRAME_OVERHEAD;
	if (frame + RTE_PKTMBUF_HEADROOM > room)
		room = RTE_ALIGN_CEIL(frame + RTE_PKTMBUF_HEADROOM, RTE_CACHE_LINE_SIZE);
	return room < DATA_ROOM_MAX ? room : DATA_ROOM_MAX;
}

int
port_needs(uint16_t id, uint16_t n_workers, uint16_t descriptors, struct port_needs *needs)
{
	struct rte_eth_dev_info info;
	uint16_t unused = 0;
	int rc = rte_eth_dev_info_get(id, &info);

	if (rc != 0)
		return rc;
	if (strcmp(info.driver_name, "net_tap") == 0)
		descriptors = TAP_DESCRIPTORS;
	if (descriptors > info.rx_desc_lim.nb_max && info.rx_desc_lim.nb_max > 0)
		descriptors = info.rx_desc_lim.nb_max;
	(void)rte_eth_dev_adjust_nb_rx_tx_desc(id, &descriptors, &unused);
	*needs = (struct port_needs){
		.socket = rte_eth_dev_socket_id(id),
		.data_room_bytes = data_room(id, &info),
		.descriptors = descriptors,
		.held_mbufs = descriptors,
		.n_queues = port_filled_by_others(&info) ? info.max_rx_queues : RTE_MIN(n_workers, info.max_rx_queues),
	};
	if (strcmp(info.driver_name, "net_af_packet") == 0 || strcmp(info.driver_name, "net_pcap") == 0)
		needs->held_mbufs = 0;
	return 0;
}
