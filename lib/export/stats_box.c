/* Stats documents on their way to one sink.
 *
 * Not a queue: a sink that stands still should have the newest numbers when it goes on, not a thousand old ones. A
 * dstats document that is replaced leaves a hole in the history, as it does when the sensor is off.
 *
 * The lock is held while two kilobytes are copied, and only control and the sink's thread take it: neither handles
 * packets. */
#include "stats_box_priv.h"

#include <string.h>

#include "log.h"

void
stats_box_init(struct stats_box *b)
{
	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
}

void
stats_box_fini(struct stats_box *b)
{
	pthread_mutex_destroy(&b->lock);
}

static void
slot_fill(struct stats_slot *slot, const struct export_stats *stats)
{
	memcpy(slot->id, stats->id, strlen(stats->id) + 1);
	memcpy(slot->json, stats->json, stats->json_bytes);
	slot->json[stats->json_bytes] = '\0';
	slot->stats = *stats;
	slot->stats.id = slot->id;
	slot->stats.json = slot->json;
}

void
stats_box_put(struct stats_box *b, const struct export_stats *stats)
{
	struct stats_slot *slot;

	if (stats->flavour >= EXPORT_STATS_FLAVOURS || strlen(stats->id) >= EXPORT_STATS_ID_BYTES ||
	    stats->json_bytes >= EXPORT_STATS_JSON_BYTES_MAX) {
		LOG_ERROR("export.stats_too_long", "flavour=%u bytes=%zu do=\"shorten the node's name\"",
			  stats->flavour, stats->json_bytes);
		return;
	}
	pthread_mutex_lock(&b->lock);
	slot = &b->slot[stats->flavour];
	slot_fill(slot, stats);
	if (!slot->is_full)
		atomic_fetch_add(&b->n_full, 1);
	slot->is_full = true;
	pthread_mutex_unlock(&b->lock);
}

bool
stats_box_waits(const struct stats_box *b)
{
	return atomic_load(&b->n_full) > 0;
}

/* With the lock held. The longest interval first: a minute's numbers are worth more than a second's. */
static struct stats_slot *
slot_next(struct stats_box *b)
{
	for (unsigned flavour = EXPORT_STATS_FLAVOURS; flavour-- > 0;)
		if (b->slot[flavour].is_full)
			return &b->slot[flavour];
	return NULL;
}

bool
stats_box_take(struct stats_box *b, struct export_stats *out)
{
	struct stats_slot *slot;

	if (!stats_box_waits(b))
		return false;
	pthread_mutex_lock(&b->lock);
	slot = slot_next(b);
	if (slot != NULL) {
		slot_fill(&b->taken, &slot->stats);
		slot->is_full = false;
		atomic_fetch_sub(&b->n_full, 1);
		*out = b->taken.stats;
	}
	pthread_mutex_unlock(&b->lock);
	return slot != NULL;
}
