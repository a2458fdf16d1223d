/* What the kernel could not give to net_tap.
 *
 * A tap device keeps 500 or 1,000 frames for each queue until the driver reads them and drops the rest. It counts those
 * where a device counts what it did not send, which the driver does not look at. /proc/net/dev has the figure for the
 * devices of our network namespace, in 64 bits. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_priv.h"

void
port_tap_find(struct port *port, const struct rte_eth_dev_info *info)
{
	if (strcmp(info->driver_name, "net_tap") == 0)
		port->tap_index = info->if_index;
}

/* "  span0: " and two times 8 numbers, received and sent: bytes, packets, errors, drops and four more. */
static bool
read_line(const char *line, const char *device, uint64_t *dropped)
{
	size_t length = strlen(device);

	line += strspn(line, " ");
	return strncmp(line, device, length) == 0 && line[length] == ':' &&
	       sscanf(line + length + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, dropped) == 1;
}

bool
port_tap_read(const struct port *port, uint64_t *dropped)
{
	char device[IF_NAMESIZE], line[512];
	bool found = false;
	FILE *f;

	if (port->tap_index == 0 || if_indextoname(port->tap_index, device) == NULL)
		return false;
	f = fopen("/proc/net/dev", "re");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = read_line(line, device, dropped);
	if (f != NULL)
		fclose(f);
	return found;
}
