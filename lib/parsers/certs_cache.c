/* The worker's cache of certificate objects.
 *
 * A server sends the same certificates in every session, and reading one costs some microseconds: the walk, SHA-1, the
 * text. Here a certificate that came before costs one comparison with its own DER. That makes the cache exact, so
 * nothing that a peer sends can stand for something else; the look-up's hash is over the end of the DER alone (a
 * signature, random by nature), and certificates made to collide only push each other out of one set of WAYS.
 *
 * Memory: one log, written in a circle, with no free list and no allocation after the start; what is overwritten is
 * gone, whatever its use (first in, first out), and is read again the next time. Positions never wrap, so that an index
 * entry knows by itself whether it is still there. Pages are the system's until they are first written. */
#include <errno.h>
#include <stdlib.h>

#include "certs_priv.h"

enum { WAYS = 4, ENTRY_ALIGN = 8, ENTRY_TYPICAL_BYTES = 2048, SAMPLE_BYTES = 32, ENTRY_SHARE = 16 };

struct entry {
	struct cert_object object;
	uint32_t der_bytes, entry_bytes;
	uint8_t bytes[]; /* DER, then text */
};

struct slot {
	uint64_t position; /* + 1; 0: empty */
	uint64_t hash;
};

struct cert_cache {
	uint8_t *log;
	uint64_t head; /* bytes ever written, skipped ends included */
	uint64_t bytes;
	uint32_t set_mask;
	struct slot *slot;
};

struct cert_cache *
cert_cache_create(uint32_t bytes)
{
	struct cert_cache *cache = calloc(1, sizeof(*cache));
	uint32_t sets = 1;

	if (cache == NULL)
		return NULL;
	while (sets * WAYS < bytes / ENTRY_TYPICAL_BYTES)
		sets *= 2;
	cache->bytes = bytes / ENTRY_ALIGN * ENTRY_ALIGN;
	cache->set_mask = sets - 1;
	cache->log = calloc(1, cache->bytes + ENTRY_ALIGN); /* none: nothing fits */
	cache->slot = calloc((size_t)sets * WAYS, sizeof(cache->slot[0]));
	if (cache->log == NULL || cache->slot == NULL) {
		cert_cache_destroy(cache);
		errno = ENOMEM;
		return NULL;
	}
	return cache;
}

void
cert_cache_destroy(struct cert_cache *cache)
{
	if (cache == NULL)
		return;
	free(cache->log);
	free(cache->slot);
	free(cache);
}

static uint64_t
der_hash(struct cursor der)
{
	size_t size = cursor_left(&der), sample = size < SAMPLE_BYTES ? size : SAMPLE_BYTES;
	uint64_t words[SAMPLE_BYTES / sizeof(uint64_t)] = {0}, hash = size;

	cursor_skip(&der, size - sample);
	if (sample > 0)
		memcpy(words, der.p, sample);
	for (unsigned i = 0; i < SAMPLE_BYTES / sizeof(uint64_t); i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

static struct slot *
slots_of(const struct cert_cache *cache, uint64_t hash)
{
	return &cache->slot[(size_t)((hash >> 32) & cache->set_mask) * WAYS];
}

static struct entry *
entry_at(const struct cert_cache *cache, uint64_t position)
{
	return (struct entry *)&cache->log[position % cache->bytes];
}

static bool
is_alive(const struct cert_cache *cache, const struct slot *slot)
{
	return slot->position != 0 && cache->head <= slot->position - 1 + cache->bytes;
}

const char *
cert_cache_find(const struct cert_cache *cache, struct cursor der, struct cert_object *object)
{
	uint64_t hash = der_hash(der);
	const struct slot *slots = slots_of(cache, hash);

	for (unsigned i = 0; i < WAYS; i++) {
		const struct entry *e;

		if (slots[i].hash != hash || !is_alive(cache, &slots[i]))
			continue;
		e = entry_at(cache, slots[i].position - 1);
		if (e->der_bytes != cursor_left(&der) || memcmp(e->bytes, der.p, e->der_bytes) != 0)
			continue;
		*object = e->object;
		return (const char *)&e->bytes[e->der_bytes];
	}
	return NULL;
}

/* Room at the head, never across the end of the log. */
static uint64_t
log_reserve(struct cert_cache *cache, uint32_t bytes)
{
	uint64_t to_end = cache->bytes - cache->head % cache->bytes, position;

	if (to_end < bytes)
		cache->head += to_end;
	position = cache->head;
	cache->head += bytes;
	return position;
}

/* An empty place, or the oldest: what is gone is older than all that is there. */
static struct slot *
slot_choose(const struct cert_cache *cache, uint64_t hash)
{
	struct slot *slots = slots_of(cache, hash), *oldest = &slots[0];

	for (unsigned i = 1; i < WAYS; i++)
		if (slots[i].position < oldest->position)
			oldest = &slots[i];
	return oldest;
}

void
cert_cache_add(struct cert_cache *cache, struct cursor der, const struct cert_object *object, const char *text)
{
	size_t der_bytes = cursor_left(&der), size = sizeof(struct entry) + der_bytes + object->bytes;
	uint64_t hash = der_hash(der), position;
	struct slot *slot = slot_choose(cache, hash);
	struct entry *e;

	size = (size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
	/* One that is much larger than the others would push out too many of them. */
	if (size > cache->bytes / ENTRY_SHARE)
		return;
	position = log_reserve(cache, (uint32_t)size);
	*slot = (struct slot){.position = position + 1, .hash = hash};
	e = entry_at(cache, position);
	*e = (struct entry){.object = *object, .der_bytes = (uint32_t)der_bytes, .entry_bytes = (uint32_t)size};
	memcpy(e->bytes, der.p, der_bytes);
	memcpy(&e->bytes[der_bytes], text, object->bytes);
}
