/* Room on the disks of pcapDir, and what this node's pcap files take of it.
 *
 * Threads: a thread of its own looks at the file systems, because one of them may hang; all calls are the control
 * thread's and never wait, stats_space_read() aside, which waits for the first look for a bounded time. */
#ifndef STATS_SPACE_H
#define STATS_SPACE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct space {
	uint64_t used_bytes; /* by files whose names begin with the node's; 0 when folders have patterns in their names
			      */
	uint64_t free_bytes, size_bytes;
};

struct stats_space;

struct stats_space_params {
	const char *const *directories;
	unsigned n_directories;
	const char *node;
	bool has_template;     /* pcapDirTemplate: files are in folders that nobody knows */
	const cpu_set_t *cpus; /* NULL: those of the caller */
};

/* NULL with errno. The strings must live as long. */
struct stats_space *stats_space_create(const struct stats_space_params *);

/* Accepts NULL. False: the thread is inside a call that does not come back, and keeps its memory. */
bool stats_space_destroy(struct stats_space *);

/* The last look; waits up to 'patience_ms' for the first. False: there was none yet. Accepts NULL. */
bool stats_space_read(struct stats_space *, struct space *, unsigned patience_ms);

/* One look, by the caller's thread. */
void stats_space_measure(const struct stats_space_params *, struct space *);

#endif
