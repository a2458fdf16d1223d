/* Starting EAL: with the user's arguments, or with ours (DESIGN 2, EAL). */
#ifndef EAL_H
#define EAL_H

#include <stdbool.h>

#include "app_conf.h"
#include "interface.h"
#include "options.h"

struct eal_state {
	bool huge; /* hugepages are used */
	bool started;
	bool shared_cpus; /* more lcores than CPUs */
	unsigned n_cpus;
};

/* The CPUs this process may use, before EAL pins anything. */
unsigned eal_cpu_count(void);

/* True when the user's EAL arguments say which devices there are. */
bool eal_names_devices(const struct options *);

/* EXIT_FINE or EXIT_ENVIRONMENT, after saying what to do. PCI devices among the interfaces are the only ones that EAL
 * looks at then. 'memory_bytes' is what pools and blocks will need without hugepages. */
enum exit_code eal_start(const struct options *, const struct app_conf *, const struct interfaces *,
			 size_t memory_bytes, struct eal_state *);
void eal_stop(void);

/* Bytes of reserved 2 MB pages that nobody has when 'memory_bytes' have been taken of them. */
size_t eal_reserved_pages_left(size_t memory_bytes);

#endif
