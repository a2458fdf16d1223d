/* Feeds: rings of bytes from workers to a listener.
 *
 * One writer and one reader: two positions that only grow, each written by one side. A message lies in one piece; where
 * it does not fit before the ring's end, a marker sends the reader to its beginning. The list of feeds has a lock that
 * the listener holds while it takes, so that a feed does not go away under it; workers take it at their beginning and
 * end only.
 *
 * The ring appears when somebody first listens and stays: taking it away again would need the worker's consent. */
#include "feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	uint32_t size; /* of the message; UINT32_MAX: go on at the beginning */
	uint32_t room; /* that it takes, this header included */
};

struct feed {
	struct feed_public public;
	uint8_t *_Atomic ring;
	size_t ring_bytes;
	const char *name;
	struct feed *next;

	_Alignas(64) _Atomic uint64_t head; /* the worker's */
	uint64_t reserved, seen_tail;
	_Atomic uint64_t refused;
	_Alignas(64) _Atomic uint64_t tail; /* the listener's */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct feed *feeds;

/* What feeds that are gone had refused, by name. */
enum { NAMES_MAX = 8 };
struct feed_name {
	const char *name;
	uint64_t refused;
	bool is_wanted;
	size_t ring_bytes;
};
static struct feed_name names[NAMES_MAX];

/* With the lock. NULL: more than NAMES_MAX. */
static struct feed_name *
name_lookup(const char *name)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		if (names[i].name == NULL)
			names[i].name = name;
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
	}
	return NULL;
}

/* With the lock. 0 or -ENOMEM. */
static int
open_ring(struct feed *f, size_t ring_bytes)
{
	uint8_t *ring;

	if (atomic_load(&f->ring) != NULL)
		return 0;
	ring = aligned_alloc(64, ring_bytes);
	if (ring == NULL)
		return -ENOMEM;
	f->ring_bytes = ring_bytes;
	atomic_store_explicit(&f->ring, ring, memory_order_release);
	return 0;
}

struct feed *
feed_create(const char *name)
{
	struct feed *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
	struct feed_name *known;

	if (f == NULL)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->name = name;
	pthread_mutex_lock(&lock);
	known = name_lookup(name);
	if (known == NULL) {
		pthread_mutex_unlock(&lock);
		free(f);
		errno = ENOSPC;
		return NULL;
	}
	f->next = feeds;
	feeds = f;
	if (known->is_wanted && open_ring(f, known->ring_bytes) == 0)
		atomic_store_explicit(&f->public.is_wanted, true, memory_order_release);
	pthread_mutex_unlock(&lock);
	return f;
}

void
feed_destroy(struct feed *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&lock);
	for (struct feed **slot = &feeds; *slot != NULL; slot = &(*slot)->next) {
		if (*slot == f) {
			*slot = f->next;
			break;
		}
	}
	name_lookup(f->name)->refused += atomic_load(&f->refused);
	pthread_mutex_unlock(&lock);
	free(f->ring);
	free(f);
}

/* ---- The worker */

static size_t
room_of(size_t size)
{
	return (sizeof(struct slot) + size + FEED_ALIGN - 1) / FEED_ALIGN * FEED_ALIGN;
}

static bool
has_room(struct feed *f, uint64_t end)
{
	if (end - f->seen_tail <= f->ring_bytes)
		return true;
	f->seen_tail = atomic_load_explicit(&f->tail, memory_order_acquire);
	return end - f->seen_tail <= f->ring_bytes;
}

void *
feed_reserve(struct feed *f, size_t size)
{
	uint8_t *ring = atomic_load_explicit(&f->ring, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&f->head, memory_order_relaxed);
	size_t at = head & (f->ring_bytes - 1), room = room_of(size), skip = 0;

	if (room > f->ring_bytes - at)
		skip = f->ring_bytes - at;
	if (room > f->ring_bytes / 4 || !has_room(f, head + skip + room)) {
		atomic_store_explicit(&f->refused, atomic_load_explicit(&f->refused, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return NULL;
	}
	if (skip > 0) {
		*(struct slot *)(void *)&ring[at] = (struct slot){.size = UINT32_MAX, .room = (uint32_t)skip};
		at = 0;
	}
	f->reserved = head + skip;
	return &ring[at + sizeof(struct slot)];
}

void
feed_commit(struct feed *f, size_t size)
{
	uint8_t *ring = atomic_load_explicit(&f->ring, memory_order_relaxed);
	size_t at = f->reserved & (f->ring_bytes - 1), room = room_of(size);

	*(struct slot *)(void *)&ring[at] = (struct slot){.size = (uint32_t)size, .room = (uint32_t)room};
	atomic_store_explicit(&f->head, f->reserved + room, memory_order_release);
}

/* ---- The listener */

int
feeds_want(const char *name, bool wanted, size_t ring_bytes)
{
	struct feed_name *known;
	int rc = 0;

	pthread_mutex_lock(&lock);
	known = name_lookup(name);
	if (known != NULL) {
		known->is_wanted = wanted;
		known->ring_bytes = ring_bytes;
	}
	for (struct feed *f = feeds; f != NULL; f = f->next) {
		if (strcmp(f->name, name) != 0)
			continue;
		if (wanted && open_ring(f, ring_bytes) < 0)
			rc = -ENOMEM;
		else
			atomic_store_explicit(&f->public.is_wanted, wanted, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static unsigned
take(struct feed *f, unsigned max, feed_take each, void *context)
{
	const uint8_t *ring = atomic_load_explicit(&f->ring, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);
	unsigned n = 0;

	while (ring != NULL && n < max && tail != atomic_load_explicit(&f->head, memory_order_acquire)) {
		const struct slot *slot = (const void *)&ring[tail & (f->ring_bytes - 1)];

		if (slot->size != UINT32_MAX) {
			each(f, slot + 1, slot->size, context);
			n++;
		}
		tail += slot->room;
		atomic_store_explicit(&f->tail, tail, memory_order_release);
	}
	return n;
}

unsigned
feeds_take(const char *name, unsigned max, feed_take each, void *context)
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (struct feed *f = feeds; f != NULL; f = f->next)
		if (strcmp(f->name, name) == 0)
			n += take(f, max, each, context);
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t
feeds_refused(const char *name)
{
	uint64_t n = 0;
	struct feed_name *known;

	pthread_mutex_lock(&lock);
	known = name_lookup(name);
	if (known != NULL)
		n = known->refused;
	for (struct feed *f = feeds; f != NULL; f = f->next)
		if (strcmp(f->name, name) == 0)
			n += atomic_load_explicit(&f->refused, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	return n;
}
