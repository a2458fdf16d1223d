/* Ids of documents.
 *
 * xoshiro256++, seeded from the kernel: 128 bits of it a record. Ids must not collide, they are no secret, so a
 * cryptographic generator would buy nothing for its time. */
#include "record_id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint64_t
rotate_left(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t
next_random(uint64_t s[4])
{
	uint64_t result = rotate_left(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

static void
draw(struct record_id_source *source, uint8_t out[16])
{
	uint64_t words[2] = {next_random(source->state), next_random(source->state)};

	memcpy(out, words, sizeof(words));
}

/* RECORD.md 1.4: bytes 0 to 3 are a hash of the node's name, byte 4 is the worker. */
static void
begin_sequence(struct record_id_source *source, const char *node, unsigned worker)
{
	uint32_t hash = 5381;

	for (; *node != '\0'; node++)
		hash = hash * 33 + (uint8_t)*node;
	draw(source, source->last);
	memcpy(source->last, &hash, sizeof(hash));
	source->last[4] = (uint8_t)worker;
}

int
record_id_init(struct record_id_source *source, bool is_sequential, const char *node, unsigned worker)
{
	memset(source, 0, sizeof(*source));
	do {
		if (getrandom(source->state, sizeof(source->state), 0) != (ssize_t)sizeof(source->state))
			return errno != 0 ? -errno : -EIO;
	} while ((source->state[0] | source->state[1] | source->state[2] | source->state[3]) == 0);
	source->is_sequential = is_sequential;
	if (is_sequential)
		begin_sequence(source, node, worker);
	return 0;
}

/* Counts up with carry, but not into the node and the worker. */
static void
count_up(uint8_t id[16])
{
	for (unsigned i = 15; i > 4; i--)
		if (++id[i] != 0)
			return;
}

void
record_id_next(struct record_id_source *source, uint8_t out[16])
{
	if (!source->is_sequential) {
		draw(source, out);
		return;
	}
	count_up(source->last);
	memcpy(out, source->last, 16);
}
