/* --doctor: NICs, their drivers, and what 'interface' names. */
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

enum { PCI_CLASS_NETWORK = 0x02, NICS_MAX = 64 };

void
doctor_drivers(struct doctor *d)
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "net_tap", "net_memif", "net_pcap"};
	char lacking[256] = "", todo[512] = "apt-get install";
	size_t at = 0, length = strlen(todo);

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (interface_driver_installed(drivers[i]))
			continue;
		at += (size_t)snprintf(lacking + at, sizeof(lacking) - at, "%s%s", at > 0 ? ", " : "", drivers[i]);
		length += (size_t)snprintf(todo + length, sizeof(todo) - length, " librte-%s23", drivers[i]);
	}
	for (char *c = todo; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
	if (lacking[0] == '\0')
		doctor_say(d, DOCTOR_OK, "DPDK drivers", NULL, "af_packet, af_xdp, tap, memif, pcap");
	else
		doctor_say(d, DOCTOR_NOTE, "DPDK drivers", todo, "not installed: %s", lacking);
}

static bool
exists(const struct doctor *d, const char *pattern)
{
	char full[PATH_MAX];
	glob_t found;

	snprintf(full, sizeof(full), "%s%s", d->root, pattern);
	if (glob(full, 0, NULL, &found) != 0)
		return false;
	globfree(&found);
	return true;
}

/* NICs are driven from user space through vfio-pci, and safely so only behind an IOMMU. */
void
doctor_vfio(struct doctor *d)
{
	enum doctor_grade lacking = d->wants_nic ? DOCTOR_MISSING : DOCTOR_NOTE;
	bool unsafe, iommu = exists(d, "/sys/kernel/iommu_groups/[0-9]*");
	char line[8] = "";

	doctor_read_line(d, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", line, sizeof(line));
	unsafe = line[0] == 'Y' || line[0] == '1';
	if (!exists(d, "/sys/bus/pci/drivers/vfio-pci"))
		doctor_say(d, lacking, "vfio-pci",
			   "modprobe vfio-pci   (for good: echo vfio-pci "
			   ">/etc/modules-load.d/shrike.conf)",
			   "not loaded: NICs cannot be bound (kernel devices and mlx5 do without)");
	else
		doctor_say(d, DOCTOR_OK, "vfio-pci", NULL, "loaded");
	if (iommu)
		doctor_say(d, DOCTOR_OK, "IOMMU", NULL, "on");
	else if (unsafe)
		doctor_say(d, DOCTOR_NOTE, "IOMMU",
			   "add intel_iommu=on or amd_iommu=on, and iommu=pt, to the kernel's "
			   "command line",
			   "off, and vfio does without: a NIC can write anywhere");
	else
		doctor_say(d, lacking, "IOMMU",
			   "add intel_iommu=on or amd_iommu=on, and iommu=pt, to the kernel's command line; or, in a "
			   "virtual machine: echo 1 >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
			   "off: vfio-pci takes no NIC");
}

/* "eth0", or "" when the kernel has no device on this NIC. */
static void
kernel_name(const struct doctor *d, const char *address, char *out, size_t size)
{
	char pattern[PATH_MAX];
	glob_t found;

	out[0] = '\0';
	snprintf(pattern, sizeof(pattern), "%s/sys/bus/pci/devices/%s/net/*", d->root, address);
	if (glob(pattern, 0, NULL, &found) != 0) {
		snprintf(pattern, sizeof(pattern), "%s/sys/bus/pci/devices/%s/virtio*/net/*", d->root, address);
		if (glob(pattern, 0, NULL, &found) != 0)
			return;
	}
	snprintf(out, size, "%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
}

static void
describe_nic(struct doctor *d, const char *address)
{
	char path[PATH_MAX], target[PATH_MAX] = "", device[64], todo[512];
	const char *driver;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/driver", d->root, address);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	driver = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target;
	kernel_name(d, address, device, sizeof(device));
	if (interface_pci_usable(driver)) {
		doctor_say(d, DOCTOR_OK, "NIC", NULL, "%s has driver %s: interface=%s", address, driver, address);
		return;
	}
	snprintf(todo, sizeof(todo), "scripts/bind %s   (takes it from the kernel)%s%s", address,
		 device[0] != '\0' ? "; or leave it and set interface=" : "", device);
	doctor_say(d, DOCTOR_NOTE, "NIC", todo, "%s %s%s%s%s", address,
		   driver[0] != '\0' ? "belongs to the kernel's " : "has no driver", driver,
		   device[0] != '\0' ? " as " : "", device);
}

void
doctor_nics(struct doctor *d)
{
	char path[PATH_MAX], class[32];
	struct dirent **entry;
	unsigned n_nics = 0;
	int n;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", d->root);
	n = scandir(path, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", entry[i]->d_name);
		if (entry[i]->d_name[0] != '.' && doctor_read_line(d, path, class, sizeof(class)) &&
		    strtoul(class, NULL, 16) >> 16 == PCI_CLASS_NETWORK && n_nics++ < NICS_MAX)
			describe_nic(d, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	if (n_nics == 0)
		doctor_say(d, DOCTOR_NOTE, "NIC", NULL, "no PCI NIC here: virtual and kernel devices only");
}

void
doctor_interfaces(struct doctor *d, const struct interfaces *all)
{
	char why[1024], todo[sizeof(all->item[0].name) + 32];

	for (unsigned i = 0; i < all->n; i++) {
		const struct interface *in = &all->item[i];

		if (interface_check(in, why, sizeof(why)) != 0)
			doctor_say(d, DOCTOR_MISSING, "interface", NULL, "%s", why);
		else if (interface_merges_segments(in)) {
			snprintf(todo, sizeof(todo), "ethtool -K %s gro off lro off", in->name);
			doctor_say(d, DOCTOR_NOTE, "interface", todo,
				   "%s merges segments before they are captured: frames are not those of the wire",
				   in->name);
		} else
			doctor_say(d, DOCTOR_OK, "interface", NULL, "%s", in->text);
	}
}
