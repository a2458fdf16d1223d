/* --doctor: the machine.
 *
 * Three grades: what works, what works worse than it could, and what keeps a run with these settings from working. Only
 * the last makes the exit code 5, so that a start script can ask. Nothing is changed, and EAL is not started: it takes
 * memory and devices, which another instance may be using. */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <rte_version.h>

enum { HUGE_2MB_WANTED = 512, MEMORY_WANTED_MB = 2048, SPACE_WANTED_GB = 10 };

void
doctor_say(struct doctor *d, enum doctor_grade grade, const char *what, const char *todo, const char *format, ...)
{
	static const char *const words[] = {"ok", "note", "MISSING"};
	va_list ap;

	fprintf(d->out, "%-8s %-14s ", words[grade], what);
	va_start(ap, format);
	vfprintf(d->out, format, ap);
	va_end(ap);
	fputc('\n', d->out);
	if (todo != NULL)
		fprintf(d->out, "%24s%s\n", "do: ", todo);
	d->n_missing += grade == DOCTOR_MISSING;
	d->n_notes += grade == DOCTOR_NOTE;
}

bool
doctor_read_line(const struct doctor *d, const char *path, char *out, size_t size)
{
	char full[PATH_MAX];
	FILE *f;
	bool got;

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	f = fopen(full, "re");
	out[0] = '\0';
	if (f == NULL)
		return false;
	got = fgets(out, (int)size, f) != NULL;
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return got;
}

bool
doctor_read_number(const struct doctor *d, const char *path, unsigned long *out)
{
	char line[64], *end;

	if (!doctor_read_line(d, path, line, sizeof(line)))
		return false;
	*out = strtoul(line, &end, 10);
	return end != line;
}

static bool
has_hugetlbfs(const struct doctor *d)
{
	char path[PATH_MAX], line[512];
	FILE *f;
	bool found = false;

	snprintf(path, sizeof(path), "%s/proc/mounts", d->root);
	f = fopen(path, "re");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, " hugetlbfs ") != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

void
doctor_hugepages(struct doctor *d)
{
	static const char folder[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
	unsigned long total = 0, unused = 0, giant = 0;
	char path[128];

	snprintf(path, sizeof(path), "%snr_hugepages", folder);
	doctor_read_number(d, path, &total);
	snprintf(path, sizeof(path), "%sfree_hugepages", folder);
	doctor_read_number(d, path, &unused);
	doctor_read_number(d, "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", &giant);
	if (total == 0 && giant == 0)
		doctor_say(d, d->wants_nic ? DOCTOR_MISSING : DOCTOR_NOTE, "hugepages",
			   "sysctl vm.nr_hugepages=1024   (for good: echo vm.nr_hugepages=1024 "
			   ">/etc/sysctl.d/80-shrike.conf)",
			   "none are reserved: NICs need them, all else is several times slower without");
	else if (unused < HUGE_2MB_WANTED && giant == 0)
		doctor_say(d, DOCTOR_NOTE, "hugepages", "sysctl vm.nr_hugepages=2048   (or end who uses them)",
			   "%lu of 2 MB, %lu free: enough for small captures only", total, unused);
	else
		doctor_say(d, DOCTOR_OK, "hugepages", NULL, "%lu of 2 MB, %lu free; %lu of 1 GB free", total, unused,
			   giant);
	if (has_hugetlbfs(d))
		doctor_say(d, DOCTOR_OK, "hugetlbfs", NULL, "mounted");
	else
		doctor_say(d, DOCTOR_NOTE, "hugetlbfs",
			   "mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M nodev /dev/hugepages",
			   "not mounted: with EAL arguments of your own, --in-memory has to be among them");
}

void
doctor_memory(struct doctor *d)
{
	char path[PATH_MAX], line[256];
	unsigned long total_kb = 0, available_kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/meminfo", d->root);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "MemTotal:", 9) == 0)
			total_kb = strtoul(line + 9, NULL, 10);
		else if (strncmp(line, "MemAvailable:", 13) == 0)
			available_kb = strtoul(line + 13, NULL, 10);
	}
	if (f != NULL)
		fclose(f);
	doctor_say(d, available_kb / 1024 < MEMORY_WANTED_MB ? DOCTOR_NOTE : DOCTOR_OK, "memory",
		   available_kb / 1024 < MEMORY_WANTED_MB
			   ? "lower maxSessions, recordChunks and parserMemory, or end others"
			   : NULL,
		   "%lu MB, %lu MB available", total_kb / 1024, available_kb / 1024);
}

void
doctor_cpus(struct doctor *d)
{
	char isolated[256] = "", governor[64] = "", todo[256];
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;

	snprintf(todo, sizeof(todo),
		 "add isolcpus=managed_irq,domain,1-%ld nohz_full=1-%ld rcu_nocbs=1-%ld to the kernel's command line, "
		 "and run with -l 0-%ld",
		 last, last, last, last);
	doctor_read_line(d, "/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
	doctor_say(d, n >= 2 ? DOCTOR_OK : DOCTOR_NOTE, "CPUs", n >= 2 ? NULL : "give this process more CPUs (taskset)",
		   "%d for this process%s", n, n >= 2 ? "" : ": everything shares one");
	if (isolated[0] != '\0')
		doctor_say(d, DOCTOR_OK, "isolation", NULL, "CPUs %s are isolated; run with -l and those", isolated);
	else if (last > 0)
		doctor_say(d, DOCTOR_NOTE, "isolation", todo,
			   "no CPUs are kept free for polling: other processes will interrupt workers");
	if (doctor_read_line(d, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof(governor)) &&
	    strcmp(governor, "performance") != 0)
		doctor_say(d, DOCTOR_NOTE, "CPU clock", "cpupower frequency-set -g performance", "governor is %s",
			   governor);
}

/* The effective capabilities, from /proc/self/status. */
static uint64_t
capabilities(const struct doctor *d)
{
	char path[PATH_MAX], line[256];
	uint64_t caps = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/status", d->root);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "CapEff:", 7) == 0)
			caps = strtoull(line + 7, NULL, 16);
	if (f != NULL)
		fclose(f);
	return caps;
}

void
doctor_rights(struct doctor *d, bool reads_live)
{
	static const struct {
		unsigned bit;
		const char *name;
	} wanted[] = {{CAP_NET_RAW, "cap_net_raw"}, {CAP_NET_ADMIN, "cap_net_admin"}, {CAP_IPC_LOCK, "cap_ipc_lock"}};
	uint64_t caps = capabilities(d);
	char lacking[128] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if ((caps >> wanted[i].bit & 1) == 0)
			at += (size_t)snprintf(lacking + at, sizeof(lacking) - at, "%s%s", at > 0 ? ", " : "",
					       wanted[i].name);
	if (lacking[0] == '\0')
		doctor_say(d, DOCTOR_OK, "rights", NULL, "packets, devices and locked memory are allowed");
	else
		doctor_say(d, reads_live ? DOCTOR_MISSING : DOCTOR_NOTE, "rights",
			   "run as root, or: setcap cap_net_raw,cap_net_admin,cap_ipc_lock,cap_sys_admin+ep "
			   "$(command -v shrike)",
			   "lacking %s: captures can be replayed, live traffic cannot be read", lacking);
}

void
doctor_clock(struct doctor *d)
{
	struct timex now = {0};

	if (adjtimex(&now) == TIME_ERROR || (now.status & STA_UNSYNC) != 0)
		doctor_say(d, DOCTOR_NOTE, "clock", "timedatectl set-ntp true   (or chrony, ptp4l)",
			   "not synchronised: the times in records are this machine's opinion");
	else
		doctor_say(d, DOCTOR_OK, "clock", NULL, "synchronised");
}

/* A folder that packets go to: there or to be made, writable, with space. */
static void
check_folder(struct doctor *d, const char *folder)
{
	char parent[PATH_MAX], todo[PATH_MAX + 64], *slash;
	struct statvfs fs;
	struct stat st;
	uint64_t free_gb;

	snprintf(parent, sizeof(parent), "%s", folder);
	/* What is not there yet is made in what is. */
	while (access(parent, F_OK) != 0 && (slash = strrchr(parent, '/')) != NULL && slash != parent)
		*slash = '\0';
	if (access(parent, F_OK) != 0)
		snprintf(parent, sizeof(parent), "/");
	snprintf(todo, sizeof(todo), "mkdir -p %s && chown %u %s   (or another pcapDir)", folder, (unsigned)getuid(),
		 folder);
	if (stat(parent, &st) != 0 || !S_ISDIR(st.st_mode) || access(parent, W_OK) != 0 || statvfs(parent, &fs) != 0) {
		doctor_say(d, DOCTOR_MISSING, "pcapDir", todo, "%s cannot be written", folder);
		return;
	}
	free_gb = (uint64_t)fs.f_bavail * fs.f_frsize >> 30;
	if (free_gb < SPACE_WANTED_GB)
		doctor_say(d, DOCTOR_NOTE, "pcapDir", "make room there, or set pcapDir to a larger disk",
			   "%s has %" PRIu64 " GB left", folder, free_gb);
	else
		doctor_say(d, DOCTOR_OK, "pcapDir", NULL, "%s has %" PRIu64 " GB left", folder, free_gb);
}

void
doctor_folders(struct doctor *d, const struct writer_conf *conf)
{
	if (conf->method == WRITER_NULL || conf->method == WRITER_DISCARD)
		return;
	for (unsigned i = 0; i < conf->directories.n; i++)
		check_folder(d, conf->directories.item[i]);
}

static bool
needs_vfio(const struct interface *in)
{
	char driver[64];

	return in->kind == INTERFACE_PCI &&
	       !(interface_pci_driver(in->name, driver, sizeof(driver)) && interface_pci_shared(driver));
}

enum exit_code
doctor(const struct sensor *s, FILE *out)
{
	struct doctor d = {.out = out, .root = ""};

	for (unsigned i = 0; i < s->interfaces.n; i++)
		d.wants_nic |= needs_vfio(&s->interfaces.item[i]);
	fprintf(out, "Shrike on this machine, with %s\n\n", rte_version());
	doctor_hugepages(&d);
	doctor_memory(&d);
	doctor_cpus(&d);
	doctor_rights(&d, s->interfaces.n > 0);
	doctor_clock(&d);
	doctor_folders(&d, &s->writer_conf);
	doctor_drivers(&d);
	doctor_vfio(&d);
	doctor_nics(&d);
	doctor_interfaces(&d, &s->interfaces);
	fprintf(out, "\n%s: %u missing, %u that could be better\n",
		d.n_missing > 0 ? "a run with these settings does not work yet" : "able to run", d.n_missing,
		d.n_notes);
	return d.n_missing > 0 ? EXIT_ENVIRONMENT : EXIT_FINE;
}
