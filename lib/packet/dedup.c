/* The table of packets seen a moment ago.
 *
 * 64-byte buckets, so that a packet touches one cache line, which dedup_prefetch_burst() has asked for: seven hashes of
 * 64 bits, and one word that says how long each is remembered still. A packet whose bucket is full goes to one of the
 * three others of its group of four, and the bucket remembers that it has to be looked for there too; with all full,
 * what will be forgotten first is forgotten at once.
 *
 * A table for dedupPackets a second is a random line of 38 MB for each packet: no cache has that, and on a virtual
 * machine no TLB, and it was most of what looking for copies cost. So what is in use follows the traffic (linear
 * hashing: Litwin, 1980). It begins with a 64th. When a quarter of its entries are alive it doubles, some groups with
 * each burst, in order: of what bucket i of n has, that goes to bucket i + n which has the next bit of its hash set.
 * Nothing stops for it, and a look-up still goes to one bucket. It never shrinks but with dedup_reset(). Fewer than one
 * packet in a million finds no room before the table is whole; at dedupPackets a second one in 26,000, at twice that
 * rate one in 13. (A denser table has more full buckets, whose packets have to be looked for in four: what is saved in
 * lines is lost again.)
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
	OVERFLOW = ENTRIES, /* the eighth life: packets of this bucket are in others of its group */
	TICK_SHIFT = 48,
	GROUP = 4,
	LOAD_DIVISOR = 2, /* of the whole table's entries one in so many is used at the rate it is made for */
	DOUBLINGS = 6,
	DOUBLE_AT = 4,	     /* so many entries for each that is alive */
	GROUPS_AT_ONCE = 16, /* with each burst: done when one more packet has come for each old bucket */
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
	/* In use: base << level buckets, and as many behind them as of those have been split. */
	uint32_t base; /* whole groups */
	uint32_t level, split, max_buckets;
	uint32_t n_buckets; /* the sum */
	uint32_t hand, hand_step;
	uint64_t life; /* of a new entry: dedupSeconds */
	uint64_t second, next_second_ns;
	uint16_t tick;
	uint32_t n_alive, n_born[LIFE_MAX + 1]; /* entries; by the tick in which they came, modulo 32 */
	bool with_tracking;
	bool is_compared[PACKET_PROTOCOLS_MAX];
	const struct decode_conf *decode;
	struct counters *counters;
	struct dedup_keys keys;
};

/* At most; it is base << DOUBLINGS. */
static uint32_t
bucket_count(const struct dedup_params *params)
{
	const struct dedup_conf *conf = params->conf;
	uint64_t packets = (uint64_t)conf->packets * RTE_MAX(conf->seconds, 1u) / RTE_MAX(params->n_workers, 1u) + 1;

	return (uint32_t)RTE_ALIGN_CEIL(RTE_MIN(packets * LOAD_DIVISOR / ENTRIES + 1, (uint64_t)INT32_MAX),
					(uint32_t)GROUP << DOUBLINGS);
}

/* As it begins. */
static void
set_smallest(struct dedup *d)
{
	d->level = d->split = d->hand = 0;
	d->n_buckets = d->base;
	d->n_alive = 0;
	memset(d->n_born, 0, sizeof(d->n_born));
}

static size_t
area_bytes(const struct dedup *d)
{
	return (size_t)d->max_buckets * sizeof(struct bucket);
}

/* What so many packets will use, if all of them come within dedupSeconds. */
static size_t
bytes_about(const struct dedup *d, const struct dedup_params *params)
{
	uint64_t packets = params->packets_about / RTE_MAX(params->n_workers, 1u);

	return RTE_MIN(area_bytes(d), packets / ENTRIES * DOUBLE_AT * sizeof(struct bucket));
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
	d->max_buckets = bucket_count(params);
	d->base = d->max_buckets >> DOUBLINGS;
	d->hand_step = d->max_buckets / HAND_CYCLE + 1;
	set_smallest(d);
	d->life = params->conf->seconds;
	d->next_second_ns = NS_PER_S;
	d->decode = params->decode;
	d->with_tracking = params->conf->vlan_vni && d->decode->tracks;
	d->counters = params->counters;
	for (unsigned i = 0; i < RTE_DIM(compared); i++)
		d->is_compared[packet_protocol_find(compared[i])] = true;
	d->is_compared[0] = false;
	dedup_keys_init(&d->keys, params->secret);
	d->bucket = vmem_reserve(area_bytes(d));
	if (d->bucket == NULL) {
		dedup_destroy(d);
		errno = ENOMEM;
		return NULL;
	}
	/* Packets must not wait for the kernel's pages. */
	memset(d->bucket, 0, bytes_about(d, params));
	return d;
}

void
dedup_destroy(struct dedup *d)
{
	if (d == NULL)
		return;
	vmem_release(d->bucket, area_bytes(d));
	free(d);
}

uint64_t
dedup_bytes_max(const struct dedup *d)
{
	return area_bytes(d);
}

uint64_t
dedup_bytes_in_use(const struct dedup *d)
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
	d->n_born[d->tick % RTE_DIM(d->n_born)]++;
	d->n_alive++;
}

/* Entries whose life ends with the tick that begins now. */
static void
count_tick(struct dedup *d)
{
	const uint32_t cycle = RTE_DIM(d->n_born);

	d->tick++;
	d->n_alive -= d->n_born[(d->tick - d->life) % cycle];
	d->n_born[d->tick % cycle] = 0;
}

static void
advance(struct dedup *d, uint64_t second)
{
	unsigned ticks = (unsigned)RTE_MIN(second - d->second, (uint64_t)LIFE_MAX + 1);

	d->second = second;
	d->next_second_ns = (second + 1) * NS_PER_S;
	for (unsigned i = 0; i < ticks; i++)
		count_tick(d);
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
	/* Longer than any life. What lies behind the smallest table is written anew when it is used again. */
	advance(d, d->second + LIFE_MAX + 1);
	set_smallest(d);
	d->second = 0;
	d->next_second_ns = NS_PER_S;
}

/* --- growth ----------------------------------------------------------------------------------------------------- */

/* The bits of a tag that say which of a bucket's descendants it is in. They are the same for all entries of a bucket:
 * of 64 bits of a tag at most six that distinguish nothing. */
static inline uint32_t
descendant(uint64_t tag, uint32_t level)
{
	return (uint32_t)tag & ((1u << level) - 1);
}

static inline uint32_t
bucket_of(const struct dedup *d, struct dedup_hash hash)
{
	uint32_t first = (uint32_t)((uint64_t)(uint32_t)hash.high * d->base >> 32);
	uint32_t i = first + d->base * descendant(hash.low, d->level);
	uint32_t of_split = first + d->base * descendant(hash.low, d->level + 1);

	return i < d->split ? of_split : i;
}

/* What has the bit moves: each entry lives in one of the two. That some are elsewhere in the group is true of both,
 * whose groups are split together. */
static void
split_bucket(struct dedup *d, struct bucket *b, struct bucket *to)
{
	uint64_t lives = lives_at(b->head, d->tick), moves = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		moves |= (b->tag[i] >> d->level & 1) << (LIFE_BITS * i);
	moves *= LIFE_MAX;
	*to = *b;
	set_head(d, b, lives & ~moves);
	set_head(d, to, lives & (moves | (uint64_t)LIFE_MAX << (LIFE_BITS * OVERFLOW)));
}

static void
split_group(struct dedup *d)
{
	uint32_t whole = d->base << d->level;

	for (unsigned i = 0; i < GROUP; i++, d->split++)
		split_bucket(d, &d->bucket[d->split], &d->bucket[whole + d->split]);
	if (d->split == whole) {
		d->level++;
		d->split = 0;
	}
	d->n_buckets = (d->base << d->level) + d->split;
}

static inline bool
is_crowded(const struct dedup *d)
{
	return d->n_alive > (uint64_t)d->n_buckets * ENTRIES / DOUBLE_AT && d->level < DOUBLINGS;
}

void
dedup_grow(struct dedup *d)
{
	if (likely(d->split == 0 && !is_crowded(d)))
		return;
	for (unsigned i = 0; i < GROUPS_AT_ONCE && (i == 0 || d->split != 0); i++)
		split_group(d);
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
		const unsigned size = IPV4_HEADER_BYTES + DEDUP_TRANSPORT_BYTES;
		struct cursor c = cursor_make_part(p->data, p->captured_bytes, p->ip_offset, size);
		const uint8_t *bytes = cursor_take(&c, size);
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
		p[i].copy_bucket = bucket_of(d, hash);
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

static struct bucket *
neighbour_of(const struct dedup *d, const struct packet *p, unsigned i)
{
	return &d->bucket[p->copy_bucket ^ i];
}

/* The packet's own bucket says that some of its packets are elsewhere. */
static bool
is_elsewhere(const struct dedup *d, const struct packet *p)
{
	for (unsigned i = 1; i < GROUP; i++) {
		const struct bucket *b = neighbour_of(d, p, i);

		if (any_alive(lives_at(b->head, d->tick), find(b, p->copy_tag)))
			return true;
	}
	return false;
}

/* The packet's own bucket is full. */
static void
put_elsewhere(struct dedup *d, const struct packet *p, struct bucket *b, uint64_t lives)
{
	for (unsigned i = 1; i < GROUP; i++) {
		struct bucket *neighbour = neighbour_of(d, p, i);
		uint64_t there = lives_at(neighbour->head, d->tick);
		unsigned free = free_entry(there);

		if (free == ENTRIES)
			continue;
		put(d, neighbour, there, free, p->copy_tag);
		set_head(d, b, (lives & ENTRY_MASK) | d->life << (LIFE_BITS * OVERFLOW));
		return;
	}
	COUNTER_ADD(d->counters, dedup_full, 1);
	put(d, b, lives, oldest_entry(lives, p->copy_tag), p->copy_tag);
}

/* The tag is there, alive or not, or could be elsewhere in the group, or has no room. */
static __attribute__((noinline)) bool
look_closer(struct dedup *d, struct packet *p)
{
	struct bucket *b = &d->bucket[p->copy_bucket];
	uint64_t tag = p->copy_tag, lives = lives_at(b->head, d->tick);
	unsigned i = free_entry(lives);

	if (any_alive(lives, find(b, tag)) || (is_alive(lives, OVERFLOW) && is_elsewhere(d, p))) {
		set_head(d, b, lives);
		p->verdict = PACKET_DUPLICATE;
		return true;
	}
	if (i < ENTRIES)
		put(d, b, lives, i, tag);
	else
		put_elsewhere(d, p, b, lives);
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
