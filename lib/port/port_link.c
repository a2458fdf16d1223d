/* The state of a port's link.
 *
 * A link that is down looks like a quiet one, so every change is a log line and counted. Looked at by control twice a
 * second; where the device interrupts on a change, one that is over by then is noticed too. Drivers on kernel devices
 * say that the link is up for ever: there the kernel is asked, which also tells when somebody removed the device. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counters.h"
#include "log.h"
#include "port_priv.h"

COUNTER(link_up, "port.link_up", "ports whose link is up now", LEDGER_NONE, LEDGER_IN);
COUNTER(link_changes, "port.link_changes", "times that a link came or went", LEDGER_NONE, LEDGER_IN);

static int
on_interrupt(uint16_t id, enum rte_eth_event_type type, void *context, void *unused)
{
	struct port *port = context;

	(void)id;
	(void)type;
	(void)unused;
	atomic_fetch_add_explicit(&port->link_events, 1, memory_order_relaxed);
	return 0;
}

static enum port_link
kernel_state(const char *device)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return PORT_LINK_UNKNOWN;
	memcpy(request.ifr_name, device, strnlen(device, sizeof(request.ifr_name) - 1));
	rc = ioctl(fd, SIOCGIFFLAGS, &request) == 0 ? 0 : errno;
	close(fd);
	if (rc != 0)
		return rc == ENODEV ? PORT_LINK_GONE : PORT_LINK_UNKNOWN;
	return (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING) ? PORT_LINK_UP : PORT_LINK_DOWN;
}

static enum port_link
device_state(const struct port *port, uint32_t *speed)
{
	struct rte_eth_link link = {0};

	*speed = RTE_ETH_SPEED_NUM_UNKNOWN;
	if (port->device[0] != '\0')
		return kernel_state(port->device);
	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return PORT_LINK_UNKNOWN;
	*speed = link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP ? PORT_LINK_UP : PORT_LINK_DOWN;
}

static void
report(const struct port *port, enum port_link state, uint32_t speed)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "";

	(void)rte_eth_dev_get_name_by_port(port->id, name);
	if (state == PORT_LINK_UP)
		LOG_INFO("port.link", "port=%u name=%s device=\"%s\" state=up speed=\"%s\"", port->id, name,
			 port->device, rte_eth_link_speed_to_str(speed));
	else if (state == PORT_LINK_DOWN)
		LOG_WARN("port.link", "port=%u name=%s device=\"%s\" state=down", port->id, name, port->device);
	else if (state == PORT_LINK_GONE)
		LOG_ERROR("port.link",
			  "port=%u name=%s device=\"%s\" state=gone note=\"somebody removed the device: nothing will "
			  "come from it until Shrike is started again\"",
			  port->id, name, port->device);
}

void
port_link_tick(struct port *port)
{
	unsigned events = atomic_load_explicit(&port->link_events, memory_order_relaxed);
	uint32_t speed;
	enum port_link state = device_state(port, &speed);

	if (state != PORT_LINK_UNKNOWN && state != port->link) {
		if (port->link != PORT_LINK_UNKNOWN)
			COUNTER_ADD(&port->counters, link_changes, 1);
		report(port, state, speed);
		port->link = state;
	} else if (events - port->link_events_seen > 1) {
		LOG_WARN("port.link", "port=%u state=%s note=\"was away for a moment\"", port->id,
			 state == PORT_LINK_UP ? "up" : "down");
		COUNTER_ADD(&port->counters, link_changes, events - port->link_events_seen);
	}
	port->link_events_seen = events;
	COUNTER_SET(&port->counters, link_up, port->link == PORT_LINK_UP);
}

void
port_link_start(struct port *port, const struct rte_eth_dev_info *info)
{
	char name[IF_NAMESIZE];

	if (info->if_index != 0 && if_indextoname(info->if_index, name) != NULL)
		memcpy(port->device, name, sizeof(name));
	if (port->link_interrupt &&
	    rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_LSC, on_interrupt, port) != 0)
		port->link_interrupt = false;
}

void
port_link_stop(struct port *port)
{
	if (port->link_interrupt)
		rte_eth_dev_callback_unregister(port->id, RTE_ETH_EVENT_INTR_LSC, on_interrupt, port);
	port->link_interrupt = false;
}
