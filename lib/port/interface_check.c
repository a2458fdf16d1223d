/* Whether this machine can use what 'interface' names, before DPDK says so in its own words.
 *
 * The kernel tells all of it in sysfs and by one ioctl; nothing is changed. */
#include "interface.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>

/* Of the kernel, but DPDK shares the device with them. */
static const char *const sharing_drivers[] = {"mlx5_core", "mlx4_core", "mana"};
static const char *const bound_drivers[] = {"vfio-pci", "uio_pci_generic", "igb_uio"};

static int
refuse(int rc, char *why, size_t why_size, const struct interface *in, const char *what)
{
	snprintf(why, why_size, "interface '%s': %s", in->text, what);
	return rc;
}

bool
interface_driver_installed(const char *driver)
{
	char path[PATH_MAX], pattern[PATH_MAX + 64];
	Dl_info info;
	glob_t found;
	int rc;

	/* EAL loads drivers from a folder beside its own library. */
	if (dladdr((void *)(uintptr_t)&rte_eal_init, &info) == 0 || realpath(info.dli_fname, path) == NULL)
		return true;
	dirname(path); /* cuts it in place */
	snprintf(pattern, sizeof(pattern), "%s/dpdk/pmds-*", path);
	if (glob(pattern, 0, NULL, &found) != 0)
		return true;
	globfree(&found);
	snprintf(pattern, sizeof(pattern), "%s/dpdk/pmds-*/librte_%s.so*", path, driver);
	rc = glob(pattern, 0, NULL, &found);
	if (rc == 0)
		globfree(&found);
	return rc == 0;
}

static int
check_driver(const struct interface *in, const char *driver, char *why, size_t why_size)
{
	char package[64], what[192];

	if (interface_driver_installed(driver))
		return 0;
	snprintf(package, sizeof(package), "librte-%s23", driver);
	for (char *at = package; *at != '\0'; at++)
		if (*at == '_')
			*at = '-';
	snprintf(what, sizeof(what), "DPDK's driver %s is not installed: apt-get install %s", driver, package);
	return refuse(-ENOENT, why, why_size, in, what);
}

static void
list_devices(char *out, size_t size)
{
	struct if_nameindex *all = if_nameindex();
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; all != NULL && all[i].if_index != 0 && at + IFNAMSIZ + 2 < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "", all[i].if_name);
	if (all != NULL)
		if_freenameindex(all);
}

/* The device's flags, or a negative errno. */
static int
device_flags(const char *name)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, strnlen(name, sizeof(request.ifr_name) - 1));
	rc = ioctl(fd, SIOCGIFFLAGS, &request) == 0 ? (unsigned short)request.ifr_flags : -errno;
	close(fd);
	return rc;
}

/* Packet sockets need a right that a user without it should hear of by name. */
static int
check_right(const struct interface *in, char *why, size_t why_size)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EPERM && errno != EACCES)
		return 0;
	return refuse(-EPERM, why, why_size, in,
		      "no right to read packets: run as root, or give the program the rights once: setcap "
		      "cap_net_raw,cap_net_admin,cap_ipc_lock,cap_sys_admin+ep shrike");
}

static int
check_kernel_device(const struct interface *in, char *why, size_t why_size)
{
	char what[512], others[300];
	int flags = device_flags(in->name);

	if (flags == -ENODEV) {
		list_devices(others, sizeof(others));
		snprintf(what, sizeof(what), "there is no network device of this name; there are: %s (ip link)",
			 others);
		return refuse(-ENODEV, why, why_size, in, what);
	}
	if (flags < 0)
		return refuse(flags, why, why_size, in, strerror(-flags));
	if ((flags & IFF_UP) == 0) {
		snprintf(what, sizeof(what), "the device is down: ip link set %s up", in->name);
		return refuse(-ENETDOWN, why, why_size, in, what);
	}
	return check_right(in, why, why_size);
}

/* The combined channels of a device, which are all that net_af_xdp counts; it takes none for one. */
static unsigned
combined_channels(const char *device)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (void *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 1;
	memcpy(request.ifr_name, device, strnlen(device, sizeof(request.ifr_name) - 1));
	if (ioctl(fd, SIOCETHTOOL, &request) != 0)
		channels.combined_count = 0;
	close(fd);
	return channels.combined_count > 0 ? channels.combined_count : 1;
}

/* veth has queues to receive, and none that are combined. What comes in on a queue that nobody reads would be missed by
 * nobody. */
static int
check_xdp_queues(const struct interface *in, char *why, size_t why_size)
{
	unsigned queues = interface_receive_queues(in->name), channels = combined_channels(in->name);
	char what[512];

	if (queues <= channels || strstr(in->more, "start_queue=") != NULL)
		return 0;
	snprintf(what, sizeof(what),
		 "it has %u receive queues but %u combined channel%s, and net_af_xdp reads no more than those: ethtool "
		 "-L %s rx %u, or af_packet:%s",
		 queues, channels, channels > 1 ? "s" : "", in->name, channels, in->name);
	return refuse(-ENOTSUP, why, why_size, in, what);
}

bool
interface_pci_driver(const char *address, char *out, size_t size)
{
	char path[128], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (access(path, F_OK) != 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "%s", n > 0 ? basename(target) : "");
	return true;
}

bool
interface_pci_shared(const char *driver)
{
	for (size_t i = 0; i < sizeof(sharing_drivers) / sizeof(sharing_drivers[0]); i++)
		if (strcmp(driver, sharing_drivers[i]) == 0)
			return true;
	return false;
}

bool
interface_pci_usable(const char *driver)
{
	for (size_t i = 0; i < sizeof(bound_drivers) / sizeof(bound_drivers[0]); i++)
		if (strcmp(driver, bound_drivers[i]) == 0)
			return true;
	return interface_pci_shared(driver);
}

static int
check_pci(const struct interface *in, char *why, size_t why_size)
{
	char driver[64], what[512];

	if (!interface_pci_driver(in->name, driver, sizeof(driver)))
		return refuse(-ENODEV, why, why_size, in,
			      "there is no PCI device of this address: scripts/bind --status lists what there is");
	if (interface_pci_usable(driver))
		return 0;
	snprintf(what, sizeof(what), "the NIC %s%s, DPDK cannot take it: scripts/bind %s",
		 driver[0] != '\0' ? "belongs to the kernel's driver " : "has no driver", driver, in->name);
	return refuse(-EBUSY, why, why_size, in, what);
}

int
interface_check(const struct interface *in, char *why, size_t why_size)
{
	static const char *const drivers[INTERFACE_KINDS] = {
		[INTERFACE_AF_PACKET] = "net_af_packet", [INTERFACE_AF_XDP] = "net_af_xdp",
		[INTERFACE_PCAP] = "net_pcap",		 [INTERFACE_TAP] = "net_tap",
		[INTERFACE_MEMIF] = "net_memif",
	};
	int rc = drivers[in->kind] != NULL ? check_driver(in, drivers[in->kind], why, why_size) : 0;

	if (rc != 0)
		return rc;
	switch (in->kind) {
	case INTERFACE_AF_XDP:
		rc = check_kernel_device(in, why, why_size);
		return rc != 0 ? rc : check_xdp_queues(in, why, why_size);
	case INTERFACE_AF_PACKET:
	case INTERFACE_PCAP:
		return check_kernel_device(in, why, why_size);
	case INTERFACE_TAP:
		if (access("/dev/net/tun", R_OK | W_OK) != 0)
			return refuse(-errno, why, why_size, in,
				      "/dev/net/tun cannot be opened: modprobe tun, as root");
		return 0;
	case INTERFACE_PCI:
		return check_pci(in, why, why_size);
	default:
		return 0;
	}
}

bool
interface_merges_segments(const struct interface *in)
{
	static const uint32_t questions[] = {ETHTOOL_GGRO, ETHTOOL_GFLAGS};
	int fd = -1;
	bool merges = false;

	if (in->kind == INTERFACE_AF_PACKET || in->kind == INTERFACE_PCAP)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; fd >= 0 && i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct ethtool_value value = {.cmd = questions[i]};
		struct ifreq request = {.ifr_data = (void *)&value};

		memcpy(request.ifr_name, in->name, strnlen(in->name, sizeof(request.ifr_name) - 1));
		if (ioctl(fd, SIOCETHTOOL, &request) == 0)
			merges |= questions[i] == ETHTOOL_GGRO ? value.data != 0 : (value.data & ETH_FLAG_LRO) != 0;
	}
	if (fd >= 0)
		close(fd);
	return merges;
}
