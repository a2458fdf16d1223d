/* Starting EAL.
 *
 * A replay never takes anything that another process could miss: --in-memory (no files in hugetlbfs, no shared prefix),
 * no PCI devices, no telemetry socket unless asked for, and --no-huge when no hugepages are free. Then it says so:
 * without hugepages everything works, several times slower (PERFORMANCE B.2: all mbufs at the same page offset). */
#include "eal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "log.h"

enum { ARGUMENTS_MAX = 64, HUGE_PAGE_MB = 2, LCORES_MAX_CPUS = 128 };

struct arguments {
	char *argv[ARGUMENTS_MAX];
	char *kept[ARGUMENTS_MAX]; /* the same: EAL moves those in argv, and overwrites the last */
	int argc;
};

static void
add(struct arguments *a, const char *text)
{
	if (a->argc < ARGUMENTS_MAX - 1) {
		a->kept[a->argc] = a->argv[a->argc] = strdup(text);
		a->argc++;
	}
}

/* CPUs this process may use, in number order. */
static unsigned
allowed_cpus(int *cpu, unsigned max)
{
	cpu_set_t set;
	unsigned n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (int i = 0; i < CPU_SETSIZE && n < max; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	return n;
}

unsigned
eal_cpu_count(void)
{
	int cpu[LCORES_MAX_CPUS];

	return allowed_cpus(cpu, LCORES_MAX_CPUS);
}

static uint64_t
free_hugepages(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

size_t
eal_reserved_pages_left(size_t memory_bytes)
{
	size_t left = (size_t)free_hugepages() * HUGE_PAGE_MB << 20;

	return left > memory_bytes ? left - memory_bytes : 0;
}

/* "0@0,1@1,2@0,3@1": more lcores than CPUs share them. */
static void
add_lcores(struct arguments *a, unsigned n_lcores, struct eal_state *state)
{
	int cpu[LCORES_MAX_CPUS];
	char list[2048] = "";
	size_t at = 0;

	state->n_cpus = allowed_cpus(cpu, LCORES_MAX_CPUS);
	if (state->n_cpus == 0)
		return;
	state->shared_cpus = n_lcores > state->n_cpus;
	for (unsigned i = 0; i < n_lcores && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%u@%d", i > 0 ? "," : "", i,
				       cpu[i % state->n_cpus]);
	add(a, "--lcores");
	add(a, list);
}

/* Of PCI devices only those that 'interface' names. */
static void
add_devices(struct arguments *a, const struct interfaces *interfaces)
{
	unsigned n_pci = 0;
	char device[INTERFACE_TEXT_MAX];

	for (unsigned i = 0; i < interfaces->n; i++) {
		const struct interface *in = &interfaces->item[i];

		if (in->kind != INTERFACE_PCI)
			continue;
		snprintf(device, sizeof(device), "%s%s%s", in->name, in->more[0] != '\0' ? "," : "", in->more);
		add(a, "-a");
		add(a, device);
		n_pci++;
	}
	if (n_pci == 0)
		add(a, "--no-pci");
}

static bool
has_argument(const struct options *o, const char *name)
{
	for (int i = 1; i < o->eal_argc; i++)
		if (strcmp(o->eal_argv[i], name) == 0)
			return true;
	return false;
}

/* EAL has its telemetry unless told otherwise. */
static void
add_telemetry(struct arguments *a, const struct options *o, const struct app_conf *conf)
{
	bool wanted = conf->telemetry == TELEMETRY_ON || (conf->telemetry == TELEMETRY_AUTO && !options_is_replay(o));

	if (!wanted && !has_argument(o, "--telemetry") && !has_argument(o, "--no-telemetry"))
		add(a, "--no-telemetry");
}

static void
own_arguments(struct arguments *a, const struct options *o, const struct app_conf *conf,
	      const struct interfaces *interfaces, size_t memory_bytes, struct eal_state *state)
{
	unsigned n_cpus = eal_cpu_count();
	unsigned n_lcores = conf->lcores != 0 ? conf->lcores : (n_cpus > 0 ? n_cpus : 1);
	char megabytes[32];

	add(a, "shrike");
	add_lcores(a, n_lcores, state);
	add_devices(a, interfaces);
	if (options_is_replay(o))
		add_telemetry(a, o, conf);
	state->huge = free_hugepages() * HUGE_PAGE_MB > (memory_bytes >> 20) + 2 * HUGE_PAGE_MB;
	if (state->huge) {
		add(a, "--in-memory");
	} else {
		snprintf(megabytes, sizeof(megabytes), "%zu", (memory_bytes >> 20) + 128);
		add(a, "--no-huge");
		add(a, "--no-shconf");
		add(a, "-m");
		add(a, megabytes);
		LOG_INFO("eal.no_hugepages", "note=\"too few free hugepages: running without, several times slower; "
					     "sysctl vm.nr_hugepages=512 reserves some\"");
	}
}

bool
eal_names_devices(const struct options *o)
{
	static const char *const names[] = {"-a", "--allow", "-b", "--block", "--vdev"};

	for (int i = 1; i < o->eal_argc; i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			if (strncmp(o->eal_argv[i], names[j], strlen(names[j])) == 0)
				return true;
	return false;
}

static void
user_arguments(struct arguments *a, const struct options *o, const struct app_conf *conf,
	       const struct interfaces *interfaces, struct eal_state *state)
{
	for (int i = 0; i < o->eal_argc; i++)
		add(a, o->eal_argv[i]);
	add_telemetry(a, o, conf);
	if (interfaces->n > 0 && !has_argument(o, "--no-pci"))
		add_devices(a, interfaces);
	state->huge = !has_argument(o, "--no-huge");
	state->n_cpus = eal_cpu_count();
}

enum exit_code
eal_start(const struct options *o, const struct app_conf *conf, const struct interfaces *interfaces,
	  size_t memory_bytes, struct eal_state *state)
{
	static struct arguments a; /* kept: EAL may look at its arguments as long as it runs */

	memset(state, 0, sizeof(*state));
	if (o->eal_argc >= ARGUMENTS_MAX) {
		fprintf(stderr, "shrike: more than %d EAL arguments\n", ARGUMENTS_MAX - 1);
		return EXIT_USAGE;
	}
	if (o->eal_argc > 0)
		user_arguments(&a, o, conf, interfaces, state);
	else
		own_arguments(&a, o, conf, interfaces, memory_bytes, state);
	/* EAL's own chatter below "error" would drown our lines on a terminal; --log-level before the -- brings it
	 * back. */
	if (!has_argument(o, "--log-level"))
		rte_log_set_global_level(o->debug > 1 ? RTE_LOG_INFO : RTE_LOG_ERR);
	if (rte_eal_init(a.argc, a.argv) >= 0) {
		state->started = true;
		return EXIT_FINE;
	}
	fprintf(stderr,
		"shrike: EAL does not start: %s\n"
		"  hugepages: sysctl vm.nr_hugepages=512, and --in-memory (or a hugetlbfs mount); without any: "
		"--no-huge -m 1024\n"
		"  devices: scripts/bind --status; another DPDK process: --file-prefix NAME\n"
		"  lcores: -l must name CPUs that this process may use\n",
		rte_strerror(rte_errno));
	return EXIT_ENVIRONMENT;
}

void
eal_stop(void)
{
	rte_eal_cleanup();
}
