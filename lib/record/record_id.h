/* The 16 bytes that make a document's id its own (record_summary.id).
 *
 * Random ones come from a generator of the worker's own, seeded by getrandom(2): no system call per record. In the
 * style "sequential" (autoGenerateId) they are drawn once and then counted up, with the node and the worker in front.
 *
 * Threads: one source per worker. */
#ifndef RECORD_ID_H
#define RECORD_ID_H

#include <stdbool.h>
#include <stdint.h>

struct record_id_source {
	uint64_t state[4];
	bool is_sequential;
	uint8_t last[16];
};

/* Returns 0 or -errno. */
int record_id_init(struct record_id_source *, bool is_sequential, const char *node, unsigned worker);
void record_id_next(struct record_id_source *, uint8_t out[16]);

#endif
