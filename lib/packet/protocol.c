/* What owns sessions, by id.
 *
 * A protocol is a registered const object; its id is its place in name order, so it depends on what is linked in but
 * not on the link order. The table is made by a constructor; .so files add theirs behind, at start (registration.c).
 * After that nothing writes it, and finding a protocol costs one load. */

#include "decode_priv.h"

#include <stdlib.h>

uint8_t packet_protocol_ids[PACKET_PROTOCOLS_MAX];
static const struct packet_protocol *by_id[PACKET_PROTOCOLS_MAX];
static unsigned highest_id;
static bool valid;

static int
by_name(const void *a, const void *b)
{
	const struct packet_protocol *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

__attribute__((constructor)) static void
number_protocols(void)
{
	unsigned n = REGISTRY_COUNT(packet_protocol);

	/* Ids are below PACKET_PROTOCOLS_MAX, and 0 is none. */
	if (n > PACKET_PROTOCOLS_MAX - 1)
		return;
	for (unsigned i = 0; i < n; i++)
		by_id[i + 1] = __start_registry_packet_protocol[i];
	qsort(&by_id[1], n, sizeof(by_id[0]), by_name);
	highest_id = n;
	valid = true;
	for (unsigned id = 2; id <= n; id++)
		if (strcmp(by_id[id - 1]->name, by_id[id]->name) == 0)
			valid = false;
	for (unsigned i = 0; i < n; i++)
		packet_protocol_ids[i] = packet_protocol_find(__start_registry_packet_protocol[i]->name);
}

uint8_t
packet_protocol_add(const struct packet_protocol *protocol)
{
	by_id[++highest_id] = protocol;
	return (uint8_t)highest_id;
}

void
packet_protocols_forget(void)
{
	while (highest_id > REGISTRY_COUNT(packet_protocol))
		by_id[highest_id--] = NULL;
}

bool
packet_protocols_valid(void)
{
	return valid;
}

const struct packet_protocol *
packet_protocol(uint8_t id)
{
	return id < PACKET_PROTOCOLS_MAX ? by_id[id] : NULL;
}

uint8_t
packet_protocol_find(const char *name)
{
	for (unsigned id = 1; id <= highest_id; id++)
		if (strcmp(by_id[id]->name, name) == 0)
			return (uint8_t)id;
	return 0;
}

unsigned
packet_protocol_count(void)
{
	return highest_id;
}
