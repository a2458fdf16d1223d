/* What the kernel counted on the sockets of net_af_packet.
 *
 * The driver of DPDK 22.11 does not ask the kernel how many packets found the ring full, and a loss that nobody counts
 * is what this program is not to have. So its sockets are looked for among the process's own: packet sockets bound to
 * the device. Reading the figures clears them in the kernel, and the driver does not read them. */
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "port_priv.h"

static bool
is_ours(int fd, unsigned if_index)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sll_family == AF_PACKET &&
	       address.sll_ifindex == (int)if_index && address.sll_protocol != 0;
}

void
port_sockets_find(struct port *port, const struct rte_eth_dev_info *info)
{
	DIR *folder;
	const struct dirent *entry;

	if (strcmp(info->driver_name, "net_af_packet") != 0)
		return;
	folder = opendir("/proc/self/fd");
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		char *end;
		long fd = strtol(entry->d_name, &end, 10);

		if (end != entry->d_name && *end == '\0' && port->n_sockets < PORT_SOCKETS_MAX &&
		    is_ours((int)fd, info->if_index))
			port->socket[port->n_sockets++] = (int)fd;
	}
	if (folder != NULL)
		closedir(folder);
}

bool
port_sockets_read(struct port *port, uint64_t *delivered, uint64_t *dropped)
{
	for (unsigned i = 0; i < port->n_sockets; i++) {
		struct tpacket_stats stats = {0};
		socklen_t size = sizeof(stats);

		if (getsockopt(port->socket[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0)
			continue;
		port->socket_packets += stats.tp_packets - stats.tp_drops;
		port->socket_drops += stats.tp_drops;
	}
	*delivered = port->socket_packets;
	*dropped = port->socket_drops;
	return port->n_sockets > 0;
}
