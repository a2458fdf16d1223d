/* The table of packets seen a moment ago.
 *
 * Buckets of one cache line, which dedup_prefetch_burst() has asked for: eight packets, the newest first, so that to
 * remember one is to shift the line by a word. What a bucket pushes out before its time goes to one of the three others
 * of its group of four, and the bucket remembers that it has to be looked for there too; with all full, what would be
 * forgotten first is forgotten at once.
 *
 * A table for dedupPackets a second is a random line of 34 MB for each packet: no cache has that, and on a virtual
 * machine no TLB, and it was most of what looking for copies cost. So what is in use follows the traffic (linear
 * hashing: Litwin, 1980). It begins with a 64th. When a quarter of its words are alive it doubles, some groups with
 * each burst, in order: of what bucket i of n has, that goes to bucket i + n which has the next bit of its hash set.
 * Nothing stops for it, and a look-up still goes to one bucket. It never shrinks but with dedup_reset(). Fewer than one
 * packet in a million finds no room before the table is whole; at dedupPackets a second one in 38,000, at twice that
 * rate one in seven. (A denser table has more full buckets, whose packets have to be looked for in four: what is saved
 * in lines is lost again.)
 *
 * Time is counted in ticks: seconds of packet time, where pauses longer than any window count as 32. A word has the
 * tick in which it came and says no more when enough others have gone by, so nothing has to be done when a second ends.
 * Ticks have 8 bits: a hand goes round the table before they come again.
 *
 * Reordered input: a packet that is older than what came before counts as of the current second, as every worker sees
 * the same order of seconds. */

#include "dedup_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "decode_priv.h"
#include "dedup_bucket.h"
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
	TICKS_MAX = 32, /* at once: longer than any window */
	GROUP = 4,
	LOAD_DIVISOR = 2, /* of the whole table's words one in so many is used at the rate it is made for */
	DOUBLINGS = 6,
	ALIVE_MAX = 2,	     /* of a bucket's words, on average: then the table doubles */
	GROUPS_AT_ONCE = 16, /* with each burst: done when one more packet has come for each old bucket */
	SPLIT_AHEAD = 16,    /* buckets */
	HAND_CYCLE = 120,    /* ticks in which the hand goes round */
	NO_BUCKET = UINT32_MAX,
};

_Static_assert((int)DEDUP_SECONDS_MAX < (int)TICKS_MAX, "a pause longer than any window");
/* A bucket that was split is not seen while as many as there are come behind it, for half a cycle; and TICKS_MAX go by
 * at once. */
_Static_assert(HAND_CYCLE + HAND_CYCLE / 2 + 2 * TICKS_MAX <= TICK_MASK, "no tick comes again while a word has it");

struct dedup {
	struct bucket *bucket;
	/* In use: base << level buckets, and as many behind them as of those have been split. */
	uint32_t base; /* whole groups */
	uint32_t level, split, max_buckets;
	uint32_t n_buckets; /* the sum */
	uint32_t hand;
	uint64_t second, next_second_ns;
	uint8_t tick, life;		     /* dedupSeconds: ticks in which a word is alive */
	uint32_t n_alive, n_born[TICKS_MAX]; /* words; by the tick in which they came */
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

	return (uint32_t)RTE_ALIGN_CEIL(RTE_MIN(packets * LOAD_DIVISOR / BUCKET_WORDS + 1, (uint64_t)INT32_MAX),
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

	return RTE_MIN(area_bytes(d), packets / ALIVE_MAX * 2 * sizeof(struct bucket));
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
	set_smallest(d);
	d->life = (uint8_t)params->conf->seconds;
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

/* --- time ------------------------------------------------------------------------------------------------------- */

static inline uint8_t
age_of(const struct dedup *d, uint64_t word)
{
	return (uint8_t)(d->tick - (word & TICK_MASK));
}

static inline unsigned
alive_of(const struct dedup *d, const struct bucket *b)
{
	return bucket_alive(b, d->tick, d->life);
}

static inline bool
is_full(const struct dedup *d, const struct bucket *b)
{
	return word_alive(b->word[BUCKET_WORDS - 1], d->tick, d->life);
}

static inline void
count_new(struct dedup *d)
{
	d->n_born[d->tick % TICKS_MAX]++;
	d->n_alive++;
}

/* Words whose life ends with the tick that begins now. */
static void
count_tick(struct dedup *d)
{
	d->tick++;
	d->n_alive -= d->n_born[(uint8_t)(d->tick - d->life) % TICKS_MAX];
	d->n_born[d->tick % TICKS_MAX] = 0;
}

/* Words are freed before their ticks come again. */
static void
move_hand(struct dedup *d, unsigned ticks)
{
	uint32_t n = RTE_MIN((d->n_buckets / HAND_CYCLE + 1) * ticks, d->n_buckets);

	for (uint32_t i = 0; i < n; i++) {
		struct bucket *b = &d->bucket[d->hand];

		/* Pages that nobody has used stay unmade. */
		if (b->word[0] != 0)
			bucket_keep(b, b, alive_of(d, b));
		d->hand = d->hand + 1 < d->n_buckets ? d->hand + 1 : 0;
	}
}

static void
advance(struct dedup *d, uint64_t second)
{
	unsigned ticks = (unsigned)RTE_MIN(second - d->second, (uint64_t)TICKS_MAX);

	d->second = second;
	d->next_second_ns = (second + 1) * NS_PER_S;
	for (unsigned i = 0; i < ticks; i++)
		count_tick(d);
	move_hand(d, ticks);
}

void
dedup_reset(struct dedup *d)
{
	/* What lies behind the smallest table is written anew when it is used again. */
	memset(d->bucket, 0, d->base * sizeof(struct bucket));
	set_smallest(d);
	d->second = 0;
	d->next_second_ns = NS_PER_S;
}

/* --- growth ----------------------------------------------------------------------------------------------------- */

/* The last place that is free; BUCKET_WORDS: all are alive. */
static unsigned
free_place(const struct dedup *d, const struct bucket *b)
{
	unsigned alive = alive_of(d, b), all = (1u << BUCKET_WORDS) - 1;

	return alive != all ? 31 - (unsigned)__builtin_clz(~alive & all) : BUCKET_WORDS;
}

/* Into a place that is free; what is free before it, and what is not younger, moves up. */
static void
insert(const struct dedup *d, struct bucket *b, unsigned place, uint64_t word)
{
	for (; place > 0; place--) {
		uint64_t before = b->word[place - 1];

		if (before != 0 && age_of(d, before) < age_of(d, word))
			break;
		b->word[place] = before;
	}
	b->word[place] = word;
}

/* The bits of a tag that say which of a bucket's descendants it is in. They are the same for all words of a bucket: of
 * 55 bits of a tag at most six that distinguish nothing. */
static inline uint32_t
descendant(uint64_t tag, uint32_t level)
{
	return (uint32_t)(tag >> TAG_SHIFT) & ((1u << level) - 1);
}

static inline uint32_t
bucket_of(const struct dedup *d, struct dedup_hash hash)
{
	uint32_t first = (uint32_t)((uint64_t)(uint32_t)hash.high * d->base >> 32);
	uint32_t i = first + d->base * descendant(hash.low, d->level);
	uint32_t of_split = first + d->base * descendant(hash.low, d->level + 1);

	return i < d->split ? of_split : i;
}

/* Some of the bucket's packets are with neighbours, which is true of both halves, whose groups are split together. The
 * half that does not have the newest word to say so gets a word that is no packet's. */
static __attribute__((noinline)) void
split_overflow(const struct dedup *d, const struct bucket *old, unsigned flagged, struct bucket *half[2])
{
	uint64_t newest = old->word[__builtin_ctz(flagged)];
	struct bucket *other;

	for (flagged &= flagged - 1; flagged != 0; flagged &= flagged - 1) {
		uint64_t word = old->word[__builtin_ctz(flagged)];

		newest = age_of(d, word) < age_of(d, newest) ? word : newest;
	}
	newest ^= UINT64_C(1) << (TAG_SHIFT + d->level);
	other = half[newest >> (TAG_SHIFT + d->level) & 1];
	/* It lacks at least that one: its last place is free. */
	insert(d, other, BUCKET_WORDS - 1, newest);
}

/* What has the bit moves: each word lives in one of the two. */
static void
split_bucket(struct dedup *d, struct bucket *b, struct bucket *to)
{
	const struct bucket old = *b;
	unsigned alive = alive_of(d, &old), moves = bucket_with(&old, UINT64_C(1) << (TAG_SHIFT + d->level));
	unsigned flagged = alive & bucket_with(&old, OVERFLOWED);

	bucket_keep(b, &old, alive & ~moves);
	bucket_keep(to, &old, alive & moves);
	if (unlikely(flagged != 0))
		split_overflow(d, &old, flagged, (struct bucket *[]){b, to});
}

static void
prefetch_group(const struct dedup *d, uint32_t first)
{
	for (unsigned i = 0; i < GROUP; i++)
		rte_prefetch0_write(&d->bucket[first + i]);
}

static void
split_group(struct dedup *d)
{
	uint32_t whole = d->base << d->level;

	prefetch_group(d, d->split + SPLIT_AHEAD);
	prefetch_group(d, whole + d->split + SPLIT_AHEAD);
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
	return d->n_alive > (uint64_t)d->n_buckets * ALIVE_MAX && d->level < DOUBLINGS;
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
		p[i].copy_tag = hash.low & TAG_MASK;
		p[i].copy_bucket = bucket_of(d, hash);
		rte_prefetch0(&d->bucket[p[i].copy_bucket]);
	}
}

static struct bucket *
neighbour_of(const struct dedup *d, const struct packet *p, unsigned i)
{
	return &d->bucket[p->copy_bucket ^ i];
}

static bool
has_alive(const struct dedup *d, const struct bucket *b, uint64_t tag)
{
	unsigned equal = bucket_equal(b, tag);

	return equal != 0 && (equal & alive_of(d, b)) != 0;
}

static bool
is_elsewhere(const struct dedup *d, const struct packet *p)
{
	for (unsigned i = 1; i < GROUP; i++)
		if (has_alive(d, neighbour_of(d, p, i), p->copy_tag))
			return true;
	return false;
}

/* The last word of the packet's own bucket, which is full. */
static bool
move_elsewhere(struct dedup *d, const struct packet *p, uint64_t word)
{
	for (unsigned i = 1; i < GROUP; i++) {
		struct bucket *neighbour = neighbour_of(d, p, i);
		unsigned place = free_place(d, neighbour);

		if (place == BUCKET_WORDS)
			continue;
		insert(d, neighbour, place, word & ~(uint64_t)OVERFLOWED);
		return true;
	}
	return false;
}

/* The packet's tag may be there, or the last word of its bucket is alive. */
static __attribute__((noinline)) bool
look_closer(struct dedup *d, struct packet *p)
{
	struct bucket *b = &d->bucket[p->copy_bucket];
	uint64_t word = p->copy_tag | d->tick;
	unsigned place;

	if (has_alive(d, b, p->copy_tag) ||
	    ((bucket_with(b, OVERFLOWED) & alive_of(d, b)) != 0 && is_elsewhere(d, p))) {
		p->verdict = PACKET_DUPLICATE;
		return true;
	}
	place = free_place(d, b);
	if (place == BUCKET_WORDS) {
		uint64_t last = b->word[--place];

		if (move_elsewhere(d, p, last)) {
			word |= OVERFLOWED;
		} else {
			word |= last & OVERFLOWED;
			COUNTER_ADD(d->counters, dedup_full, 1);
		}
	}
	insert(d, b, place, word);
	count_new(d);
	return false;
}

static inline bool
is_copy(struct dedup *d, struct packet *p)
{
	struct bucket *b = &d->bucket[p->copy_bucket];

	if (unlikely(bucket_may_have(b, p->copy_tag) || is_full(d, b)))
		return look_closer(d, p);
	bucket_push(b, p->copy_tag | d->tick);
	count_new(d);
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
