/* The table of packets seen a moment ago.
 *
 * 64-byte buckets, so that a packet touches one cache line, which dedup_prefetch_burst() has asked for: seven hashes of
 * 64 bits, and one word that says how long each is remembered still. A packet whose bucket is full goes to the
 * neighbour, and the bucket remembers that it has to be looked for there too; with both full, what will be forgotten
 * first is forgotten at once. Sized for dedupPackets a second the table is half full, and one packet in 200 finds no
 * room; at half that rate one in a million.
 *
 * Time is counted in ticks: seconds of packet time, where pauses longer than any window count as 31. A bucket knows the
 * tick it was last brought up to, and whoever looks at it counts its lives down by the difference, so nothing has to be
 * done when a second ends. Ticks have 16 bits: a hand goes round the table within a quarter of their cycle.
 *
 * Reordered input: a packet that is older than what came before counts as of the current second, as every worker sees
 * the same order of seconds. */

#include "dedup_priv.h"

#include <errno.h>
#include <stdlib.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "decode_priv.h"
#include "pool.h"

COUNTER(dedup_full, "dedup.full", "packets for which the table of copies had no room: an older one was forgotten",
	LEDGER_NONE, LEDGER_IN);

static const struct setting dedup_settings[] = {
	SETTING_BOOL(struct dedup_conf, enabled, "enablePacketDedup", "true",
		     "drop packets that are copies of one seen a moment ago (TCP and UDP; the TTL may differ)"),
	SETTING_U32(struct dedup_conf, seconds, "dedupSeconds", 2, 0, DEDUP_SECONDS_MAX, "seconds",
		    "how far back: to the current second of packet time and those before it; 0 drops nothing"),
	SETTING_U32(struct dedup_conf, packets, "dedupPackets", 1048575, 65535, 16777215, "packets",
		    "packets a second that are remembered, of all workers; with more, some copies pass"),
	SETTING_BOOL(struct dedup_conf, vlan_vni, "dedupVlanVni", "true",
		     "with sessionIdTracking, packets of different VLANs or VNIs are no copies of each other"),
};
SETTINGS(dedup, "Copies of packets", dedup_settings);

enum {
	ENTRIES = 7,
	LIFE_BITS = 6, /* one of them is always 0 but during a subtraction */
	LIFE_MAX = 31,
	OVERFLOW = ENTRIES, /* the eighth life: packets of this bucket are in its neighbour */
	TICK_SHIFT = 48,
	LOAD_DIVISOR = 2, /* of the entries at most one in so many is used */
	HAND_CYCLE = 1 << 14,
	NO_BUCKET = UINT32_MAX,
};

#define EACH_LIFE  UINT64_C(0x041041041041)
#define LIVES_MASK UINT64_C(0xffffffffffff)
#define GUARDS	   (EACH_LIFE << 5)
#define ENTRY_MASK (UINT64_C(0xffffffffffff) >> LIFE_BITS)

_Static_assert((int)DEDUP_SECONDS_MAX < (int)LIFE_MAX, "five bits, and a pause longer than any window");

struct bucket {
	uint64_t head; /* tick << 48, then eight lives; zeroes: empty */
	uint64_t tag[ENTRIES];
} __rte_cache_aligned;
_Static_assert(sizeof(struct bucket) == 64, "one cache line");

struct dedup {
	struct bucket *bucket;
	uint32_t n_buckets; /* even */
	uint32_t hand, hand_step;
	uint64_t life; /* of a new entry: dedupSeconds */
	uint64_t second, next_second_ns;
	uint16_t tick;
	bool with_tracking;
	bool is_compared[PACKET_PROTOCOLS_MAX];
	const struct decode_conf *decode;
	struct counters *counters;
	struct dedup_keys keys;
};

static uint32_t
bucket_count(const struct dedup_params *params)
{
	const struct dedup_conf *conf = params->conf;
	uint64_t packets = (uint64_t)conf->packets * RTE_MAX(conf->seconds, 1u);

	if (params->max_packets != 0)
		packets = RTE_MIN(packets, params->max_packets);
	packets = packets / RTE_MAX(params->n_workers, 1u) + 1;
	return (uint32_t)(RTE_MIN(packets * LOAD_DIVISOR / ENTRIES, (uint64_t)INT32_MAX) + 2) & ~1u;
}

struct dedup *
dedup_create(const struct dedup_params *params)
{
	static const char *const compared[] = {"tcp", "udp", "dhcp", "dhcpv6"};
	struct dedup *d;

	if (params->conf->seconds > DEDUP_SECONDS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->n_buckets = bucket_count(params);
	d->hand_step = d->n_buckets / HAND_CYCLE + 1;
	d->life = params->conf->seconds;
	d->next_second_ns = NS_PER_S;
	d->decode = params->decode;
	d->with_tracking = params->conf->vlan_vni && d->decode->tracks;
	d->counters = params->counters;
	for (unsigned i = 0; i < RTE_DIM(compared); i++)
		d->is_compared[packet_protocol_find(compared[i])] = true;
	d->is_compared[0] = false;
	dedup_keys_init(&d->keys, params->secret);
	d->bucket = vmem_reserve(dedup_bytes(d));
	if (d->bucket == NULL) {
		dedup_destroy(d);
		errno = ENOMEM;
		return NULL;
	}
	/* A live worker must not wait for the kernel's pages. */
	if (params->max_packets == 0)
		memset(d->bucket, 0, dedup_bytes(d));
	return d;
}

void
dedup_destroy(struct dedup *d)
{
	if (d == NULL)
		return;
	vmem_release(d->bucket, dedup_bytes(d));
	free(d);
}

uint64_t
dedup_bytes(const struct dedup *d)
{
	return (uint64_t)d->n_buckets * sizeof(struct bucket);
}

/* --- lives ------------------------------------------------------------------------------------------------------ */

/* The bucket's lives at this tick. */
static inline uint64_t
lives_at(uint64_t head, uint16_t tick)
{
	uint64_t lives = head & LIVES_MASK, guards;
	uint16_t gone = (uint16_t)(tick - (uint16_t)(head >> TICK_SHIFT));

	/* Without a branch, because it is 0 for every second packet or so. Where a guard is gone there was less life
	 * than that. */
	lives = (lives | GUARDS) - EACH_LIFE * RTE_MIN(gone, (uint16_t)LIFE_MAX);
	guards = lives & GUARDS;
	return lives & (guards - (guards >> 5));
}

static inline bool
is_alive(uint64_t lives, unsigned i)
{
	return (lives >> (LIFE_BITS * i) & LIFE_MAX) != 0;
}

/* The first entry without life; ENTRIES: there is none. */
static inline unsigned
free_entry(uint64_t lives)
{
	uint64_t dead = ~(lives + EACH_LIFE * LIFE_MAX) & GUARDS & ENTRY_MASK;

	return dead != 0 ? (unsigned)__builtin_ctzll(dead) / LIFE_BITS : ENTRIES;
}

/* What will be forgotten first; of several, any. */
static unsigned
oldest_entry(uint64_t lives, uint64_t random)
{
	unsigned oldest = (unsigned)(random % ENTRIES);

	for (unsigned i = 0; i < ENTRIES; i++)
		if ((lives >> (LIFE_BITS * i) & LIFE_MAX) < (lives >> (LIFE_BITS * oldest) & LIFE_MAX))
			oldest = i;
	return oldest;
}

static inline void
set_head(struct dedup *d, struct bucket *b, uint64_t lives)
{
	b->head = (uint64_t)d->tick << TICK_SHIFT | lives;
}

static inline void
put(struct dedup *d, struct bucket *b, uint64_t lives, unsigned i, uint64_t tag)
{
	b->tag[i] = tag;
	set_head(d, b, (lives & ~((uint64_t)LIFE_MAX << (LIFE_BITS * i))) | d->life << (LIFE_BITS * i));
}

static void
advance(struct dedup *d, uint64_t second)
{
	unsigned ticks = (unsigned)RTE_MIN(second - d->second, (uint64_t)LIFE_MAX + 1);

	d->second = second;
	d->next_second_ns = (second + 1) * NS_PER_S;
	d->tick = (uint16_t)(d->tick + ticks);
	for (uint32_t i = 0; i < RTE_MIN(d->hand_step * ticks, d->n_buckets); i++) {
		struct bucket *b = &d->bucket[d->hand];

		/* Pages that nobody has used stay unmade. */
		if (b->head != 0)
			set_head(d, b, lives_at(b->head, d->tick));
		d->hand = d->hand + 1 < d->n_buckets ? d->hand + 1 : 0;
	}
}

void
dedup_reset(struct dedup *d)
{
	/* Longer than any life. */
	advance(d, d->second + LIFE_MAX + 1);
	d->second = 0;
	d->next_second_ns = NS_PER_S;
}

/* --- packets ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) bool
hash_unusual(const struct dedup *d, const struct packet *p, uint32_t tracking_id, struct dedup_hash *hash)
{
	struct dedup_text text;

	if (!dedup_text_make(&text, p, tracking_id))
		return false;
#ifdef __AES__
	*hash = dedup_hash_aes(&d->keys, &text);
#else
	*hash = dedup_hash_portable(&d->keys, &text);
#endif
	return true;
}

/* IPv4 without options, and 20 bytes behind it: the same hash without a copy of the bytes. */
static inline bool
hash_packet(const struct dedup *d, const struct packet *p, struct dedup_hash *hash)
{
	uint32_t tracking_id = likely(!d->with_tracking) ? 0 : packet_tracking_id(d->decode, p);
#ifdef __AES__
	static const uint8_t kept[DEDUP_BLOCK_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
							0,    0xff, 0,	  0,	0xff, 0xff, 0xff, 0xff};
	const uint64_t lengths = (uint64_t)IPV4_HEADER_BYTES << 32 | (uint64_t)DEDUP_TRANSPORT_BYTES << 56;

	if (likely(p->ip_version == 4 && p->transport_offset - p->ip_offset == IPV4_HEADER_BYTES &&
		   (p->ip_protocol == IP_PROTOCOL_TCP || p->payload_bytes >= 12))) {
		struct cursor c = packet_from(p, p->ip_offset);
		const uint8_t *bytes = cursor_take(&c, IPV4_HEADER_BYTES + DEDUP_TRANSPORT_BYTES);
		__m128i sum, block;

		if (unlikely(bytes == NULL))
			return false;
		block = _mm_and_si128(_mm_loadu_si128((const void *)bytes), _mm_loadu_si128((const void *)kept));
		sum = dedup_permute(&d->keys, 0, block);
		block = _mm_loadu_si128((const void *)&bytes[16]);
		sum = _mm_xor_si128(sum, dedup_permute(&d->keys, 1, block));
		block = _mm_insert_epi64(_mm_loadl_epi64((const void *)&bytes[32]), (long long)(lengths | tracking_id),
					 1);
		sum = _mm_xor_si128(sum, dedup_permute(&d->keys, 2, block));
		*hash = dedup_hash_of(sum);
		return true;
	}
#endif
	return hash_unusual(d, p, tracking_id, hash);
}

void
dedup_prefetch_burst(struct dedup *d, struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct dedup_hash hash;

		p[i].copy_bucket = NO_BUCKET;
		if (unlikely(p[i].verdict != PACKET_OK || !d->is_compared[p[i].protocol]) ||
		    !hash_packet(d, &p[i], &hash))
			continue;
		p[i].copy_tag = hash.low;
		p[i].copy_bucket = (uint32_t)((uint64_t)(uint32_t)hash.high * d->n_buckets >> 32);
		rte_prefetch0(&d->bucket[p[i].copy_bucket]);
	}
}

/* The bits of entries that hold the tag, alive or not. */
static inline unsigned
find(const struct bucket *b, uint64_t tag)
{
	unsigned found = 0;

	/* The first of eight words is the head. */
#ifdef __AVX512F__
	found = _mm512_cmpeq_epi64_mask(_mm512_load_si512(b), _mm512_set1_epi64((long long)tag)) >> 1;
#elif defined(__AVX2__)
	const __m256i wanted = _mm256_set1_epi64x((long long)tag), *words = (const void *)b;

	for (unsigned i = 0; i < 2; i++)
		found |= (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(words[i], wanted)))
			 << 4 * i;
	found >>= 1;
#else
	for (unsigned i = 0; i < ENTRIES; i++)
		found |= (unsigned)(b->tag[i] == tag) << i;
#endif
	return found;
}

static inline bool
any_alive(uint64_t lives, unsigned entries)
{
	for (; entries != 0; entries &= entries - 1)
		if (is_alive(lives, (unsigned)__builtin_ctz(entries)))
			return true;
	return false;
}

static bool
is_in(const struct dedup *d, const struct bucket *b, uint64_t tag)
{
	return any_alive(lives_at(b->head, d->tick), find(b, tag));
}

/* The packet's own bucket is full. */
static void
put_elsewhere(struct dedup *d, struct bucket *b, uint64_t lives, uint64_t tag, struct bucket *neighbour)
{
	uint64_t there = lives_at(neighbour->head, d->tick);
	unsigned i = free_entry(there);

	if (i < ENTRIES) {
		put(d, neighbour, there, i, tag);
		set_head(d, b, (lives & ENTRY_MASK) | d->life << (LIFE_BITS * OVERFLOW));
		return;
	}
	COUNTER_ADD(d->counters, dedup_full, 1);
	put(d, b, lives, oldest_entry(lives, tag), tag);
}

/* The tag is there, alive or not, or could be in the neighbour, or has no room. */
static __attribute__((noinline)) bool
look_closer(struct dedup *d, struct packet *p)
{
	struct bucket *b = &d->bucket[p->copy_bucket], *neighbour = &d->bucket[p->copy_bucket ^ 1];
	uint64_t tag = p->copy_tag, lives = lives_at(b->head, d->tick);
	unsigned i = free_entry(lives);

	if (any_alive(lives, find(b, tag)) || (is_alive(lives, OVERFLOW) && is_in(d, neighbour, tag))) {
		set_head(d, b, lives);
		p->verdict = PACKET_DUPLICATE;
		return true;
	}
	if (i < ENTRIES)
		put(d, b, lives, i, tag);
	else
		put_elsewhere(d, b, lives, tag, neighbour);
	return false;
}

static inline bool
is_copy(struct dedup *d, struct packet *p)
{
	struct bucket *b = &d->bucket[p->copy_bucket];
	uint64_t lives = lives_at(b->head, d->tick);
	unsigned i = free_entry(lives);

	if (unlikely(find(b, p->copy_tag) != 0 || is_alive(lives, OVERFLOW) || i == ENTRIES))
		return look_closer(d, p);
	put(d, b, lives, i, p->copy_tag);
	return false;
}

static __attribute__((noinline)) bool
is_copy_in_new_second(struct dedup *d, struct packet *p, uint64_t now_ns)
{
	advance(d, now_ns / NS_PER_S);
	return is_copy(d, p);
}

/* What is rare is called last, so that the usual way has nothing to keep while it is away, and saves no registers. */
bool
dedup_is_copy(struct dedup *d, struct packet *p)
{
	uint64_t now_ns = RTE_MAX(p->time_ns, p->clock_ns);

	if (unlikely(p->copy_bucket == NO_BUCKET))
		return false;
	if (unlikely(now_ns >= d->next_second_ns))
		return is_copy_in_new_second(d, p, now_ns);
	return is_copy(d, p);
}
