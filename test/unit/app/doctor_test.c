/* --doctor on machines that lack something: folders that stand for /. */
#include "doctor.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char root[64], text[16384];

/* Writes a file below the root, with its folders. */
static void
put(const char *path, const char *content)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = strchr(full + strlen(root) + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(full, 0700);
		*at = '/';
	}
	f = fopen(full, "w");
	if (f == NULL)
		return;
	fputs(content, f);
	fclose(f);
}

static void
put_link(const char *path, const char *target)
{
	char full[512];

	put(path, "");
	snprintf(full, sizeof(full), "%s%s", root, path);
	unlink(full);
	EXPECT_EQ(symlink(target, full), 0);
}

static void
begin(void)
{
	snprintf(root, sizeof(root), "/tmp/shrike-doctor-XXXXXX");
	EXPECT(mkdtemp(root) != NULL);
}

static void
end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	EXPECT_EQ(system(command), 0);
}

/* What one check says; the number of things missing. */
static unsigned
run(void (*check)(struct doctor *), bool wants_nic)
{
	struct doctor d = {.root = root, .wants_nic = wants_nic};

	d.out = fmemopen(text, sizeof(text), "w");
	check(&d);
	fclose(d.out);
	return d.n_missing;
}

#define SAYS(words) EXPECT(strstr(text, words) != NULL)

TEST(hugepages_that_are_not_there_matter_to_nics)
{
	begin();
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	put("/proc/mounts", "proc /proc proc rw 0 0\n");
	EXPECT_EQ(run(doctor_hugepages, true), 1);
	SAYS("MISSING");
	SAYS("sysctl vm.nr_hugepages=");
	SAYS("mount -t hugetlbfs");
	EXPECT_EQ(run(doctor_hugepages, false), 0);
	SAYS("note");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2048\n");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "2000\n");
	put("/proc/mounts", "nodev /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n");
	EXPECT_EQ(run(doctor_hugepages, true), 0);
	EXPECT(strstr(text, "do:") == NULL);
	SAYS("2000 free");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n");
	EXPECT_EQ(run(doctor_hugepages, true), 0);
	SAYS("3 free");
	SAYS("do:");
	end();
}

TEST(vfio_and_iommu_matter_to_nics)
{
	begin();
	EXPECT_EQ(run(doctor_vfio, false), 0);
	EXPECT_EQ(run(doctor_vfio, true), 2);
	SAYS("modprobe vfio-pci");
	SAYS("iommu=pt");
	put("/sys/bus/pci/drivers/vfio-pci/bind", "");
	EXPECT_EQ(run(doctor_vfio, true), 1);
	put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	EXPECT_EQ(run(doctor_vfio, true), 0);
	SAYS("a NIC can write anywhere");
	put("/sys/kernel/iommu_groups/0/type", "DMA\n");
	EXPECT_EQ(run(doctor_vfio, true), 0);
	EXPECT(strstr(text, "do:") == NULL);
	end();
}

TEST(nics_are_listed_with_their_drivers)
{
	begin();
	run(doctor_nics, false);
	SAYS("no PCI NIC");
	put("/sys/bus/pci/devices/0000:17:00.0/class", "0x020000\n");
	put("/sys/bus/pci/devices/0000:17:00.0/net/ens1f0/mtu", "1500\n");
	put_link("/sys/bus/pci/devices/0000:17:00.0/driver", "../../../bus/pci/drivers/ixgbe");
	put("/sys/bus/pci/devices/0000:17:00.1/class", "0x020000\n");
	put_link("/sys/bus/pci/devices/0000:17:00.1/driver", "../../../bus/pci/drivers/vfio-pci");
	put("/sys/bus/pci/devices/0000:18:00.0/class", "0x010802\n");
	put("/sys/bus/pci/devices/0000:19:00.0/class", "0x028000\n");
	EXPECT_EQ(run(doctor_nics, false), 0);
	SAYS("0000:17:00.0 belongs to the kernel's ixgbe as ens1f0");
	SAYS("scripts/bind 0000:17:00.0");
	SAYS("interface=ens1f0");
	SAYS("0000:17:00.1 has driver vfio-pci: interface=0000:17:00.1");
	SAYS("0000:19:00.0 has no driver");
	EXPECT(strstr(text, "0000:18:00.0") == NULL);
	end();
}

static void
check_rights_live(struct doctor *d)
{
	doctor_rights(d, true);
}

static void
check_rights_replay(struct doctor *d)
{
	doctor_rights(d, false);
}

TEST(rights_matter_to_live_traffic)
{
	begin();
	put("/proc/self/status", "Name:\tshrike\nCapEff:\t0000000000000000\n");
	EXPECT_EQ(run(check_rights_live, false), 1);
	SAYS("cap_net_raw, cap_net_admin, cap_ipc_lock");
	SAYS("setcap");
	EXPECT_EQ(run(check_rights_replay, false), 0);
	put("/proc/self/status", "Name:\tshrike\nCapEff:\t0000000000007000\n"); /* net_admin, net_raw, ipc_lock */
	EXPECT_EQ(run(check_rights_live, false), 0);
	EXPECT(strstr(text, "do:") == NULL);
	put("/proc/self/status", "Name:\tshrike\nCapEff:\t0000000000005000\n");
	EXPECT_EQ(run(check_rights_live, false), 1);
	SAYS("lacking cap_net_raw:");
	end();
}

TEST(little_memory_is_noted)
{
	begin();
	put("/proc/meminfo", "MemTotal:  4000000 kB\nMemFree: 1 kB\nMemAvailable:  512000 kB\n");
	EXPECT_EQ(run(doctor_memory, false), 0);
	SAYS("500 MB available");
	SAYS("note");
	put("/proc/meminfo", "MemTotal:  64000000 kB\nMemFree: 1 kB\nMemAvailable:  51200000 kB\n");
	run(doctor_memory, false);
	SAYS("ok");
	end();
}

TEST(what_interface_names_is_checked)
{
	struct interfaces all = {.item = {{.kind = INTERFACE_AF_PACKET, .text = "no-such-dev", .name = "no-such-dev"},
					  {.kind = INTERFACE_VDEV, .text = "net_null0", .name = "net_null0"}},
				 .n = 2};
	struct doctor d = {.root = "", .out = fmemopen(text, sizeof(text), "w")};

	doctor_interfaces(&d, &all);
	fclose(d.out);
	EXPECT_EQ(d.n_missing, 1);
	SAYS("no-such-dev");
	SAYS("net_null0");
}

TEST(a_folder_for_packets_has_to_be_writable)
{
	const char *folders[] = {"/etc/passwd/pcap"};
	struct writer_conf conf = {.directories = {.item = folders, .n = 1}, .method = WRITER_SIMPLE};
	struct doctor d = {.root = "", .out = fmemopen(text, sizeof(text), "w")};

	doctor_folders(&d, &conf);
	folders[0] = "/tmp";
	doctor_folders(&d, &conf);
	fclose(d.out);
	EXPECT_EQ(d.n_missing, 1);
	SAYS("/etc/passwd/pcap cannot be written");
	SAYS("mkdir -p /etc/passwd/pcap");
	SAYS("/tmp has");
}
