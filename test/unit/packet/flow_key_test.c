#include "flow_key_priv.h"
#include "packet/frames.h"

#include <stdlib.h>

typedef uint32_t (*mixer)(const struct flow_key *, const struct hash_secret *);

static uint32_t
mix_portable(const struct flow_key *key, const struct hash_secret *s)
{
	return flow_key_mix_portable(key, s, FLOW_KEY_ALL);
}

#ifdef __AES__
static uint32_t
mix_aes(const struct flow_key *key, const struct hash_secret *s)
{
	return flow_key_mix_aes(key, s, FLOW_KEY_ALL);
}
#endif

static const mixer mixers[] = {
	mix_portable,
#ifdef __AES__
	mix_aes,
#endif
};
enum { MIXERS = sizeof(mixers) / sizeof(mixers[0]) };

static const struct hash_secret secrets[2] = {
	{{0x0123456789abcdef, 0xfedcba9876543210, 0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0}},
	{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0x2545f4914f6cdd1d}},
};

/* Keys as traffic has them: v4-mapped, one field counting up. */
static struct flow_key
key_number(uint32_t i)
{
	struct flow_key key = {.protocol = 5, .port = {443, 1024}};

	key.address[0][10] = key.address[0][11] = key.address[1][10] = key.address[1][11] = 0xff;
	memcpy(&key.address[0][12], "\x0a\x00\x00\x01", 4);
	key.address[1][12] = (uint8_t)(i >> 16);
	key.address[1][13] = (uint8_t)(i >> 8);
	key.address[1][14] = (uint8_t)i;
	key.address[1][15] = (uint8_t)(i >> 24);
	return key;
}

TEST(both_directions_have_one_key)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	struct packet there, back;
	struct frame f = {.size = 0}, g = {.size = 0};

	REQUIRE(conf != NULL);
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES);
	frame_tcp(&f, 1234, 80);
	frame_ethernet(&g, ETHERTYPE_IPV4);
	frame_ipv4(&g, IP_PROTOCOL_TCP, TCP_HEADER_BYTES);
	frame_tcp(&g, 80, 1234);
	memcpy(&g.bytes[26], &f.bytes[30], 4);
	memcpy(&g.bytes[30], &f.bytes[26], 4);

	there = frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
	back = frames_decode(conf, LINK_ETHERNET, g.bytes, g.size);
	EXPECT(flow_key_equal(&there.key, &back.key));
	EXPECT_EQ(flow_key_hash(&there.key, &secrets[0]), flow_key_hash(&back.key, &secrets[0]));
	EXPECT_EQ(flow_key_owner(&there.key, 7), flow_key_owner(&back.key, 7));
	EXPECT(there.reversed && !back.reversed);
	EXPECT_EQ(there.key.port[1], 1234);
	EXPECT_EQ(there.key.address[1][15], 2);
	decode_conf_destroy(conf);
}

TEST(equal_addresses_are_ordered_by_port)
{
	struct frame f = {.size = 0};
	struct packet p;

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	memcpy(&f.bytes[26], &f.bytes[30], 4);
	p = frames_decode_default(LINK_ETHERNET, &f);
	EXPECT(p.reversed);
	EXPECT_EQ(p.key.port[0], 53);
	EXPECT_EQ(p.key.port[1], 5000);
	frame_set_be16(&f, 34, 53);
	EXPECT(!frames_decode_default(LINK_ETHERNET, &f).reversed);
}

/* Flipping any one bit of the key changes each of the 32 bits of the hash about half of the time. */
static void
expect_avalanche(mixer mix)
{
	enum { KEYS = 256, BITS = 8 * sizeof(struct flow_key) };
	unsigned changed[32] = {0};

	for (unsigned bit = 0; bit < BITS; bit++) {
		unsigned flips = 0;

		for (unsigned i = 0; i < KEYS; i++) {
			struct flow_key key = key_number(i * 77);
			uint32_t difference = mix(&key, &secrets[0]);

			((uint8_t *)&key)[bit / 8] ^= (uint8_t)(1u << bit % 8);
			difference ^= mix(&key, &secrets[0]);
			flips += (unsigned)__builtin_popcount(difference);
			for (unsigned j = 0; j < 32; j++)
				changed[j] += difference >> j & 1;
		}
		/* Half of 32 bits, and ten standard deviations of 256 such sums. */
		EXPECT(flips > KEYS * 14 && flips < KEYS * 18);
	}
	for (unsigned j = 0; j < 32; j++)
		EXPECT(changed[j] > KEYS * BITS * 48 / 100 && changed[j] < KEYS * BITS * 52 / 100);
}

TEST(every_bit_of_the_key_changes_half_of_the_hash)
{
	for (unsigned m = 0; m < MIXERS; m++)
		expect_avalanche(mixers[m]);
}

TEST(keys_that_count_up_spread_evenly_over_the_buckets)
{
	enum { BUCKETS = 4096, KEYS = 64 * BUCKETS };
	static unsigned bucket[BUCKETS];

	for (unsigned m = 0; m < 2 * MIXERS; m++) {
		double chi_square = 0;

		memset(bucket, 0, sizeof(bucket));
		for (uint32_t i = 0; i < KEYS; i++) {
			struct flow_key key = key_number(i);
			uint32_t hash = mixers[m / 2](&key, &secrets[1]);

			/* The table uses low bits, the owner high ones. */
			bucket[m % 2 == 0 ? hash % BUCKETS : hash / (UINT32_MAX / BUCKETS + 1)]++;
		}
		for (unsigned i = 0; i < BUCKETS; i++)
			chi_square += ((double)bucket[i] - 64) * ((double)bucket[i] - 64) / 64;
		/* Expected 4095, standard deviation 90. */
		EXPECT(chi_square > 4095 - 6 * 90 && chi_square < 4095 + 6 * 90);
	}
}

struct hashed {
	uint32_t hash, key;
};

static int
by_hash(const void *a, const void *b)
{
	const struct hashed *left = a, *right = b;

	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

TEST(keys_that_collide_under_one_secret_do_not_under_another)
{
	enum { KEYS = 1 << 19 };
	struct hashed *hashed = malloc(KEYS * sizeof(*hashed));

	REQUIRE(hashed != NULL);
	for (unsigned m = 0; m < MIXERS; m++) {
		unsigned collisions = 0, again = 0;

		for (uint32_t i = 0; i < KEYS; i++) {
			struct flow_key key = key_number(i);

			hashed[i] = (struct hashed){.hash = mixers[m](&key, &secrets[0]), .key = i};
		}
		qsort(hashed, KEYS, sizeof(*hashed), by_hash);
		for (uint32_t i = 1; i < KEYS; i++) {
			struct flow_key a = key_number(hashed[i - 1].key), b = key_number(hashed[i].key);

			if (hashed[i - 1].hash != hashed[i].hash)
				continue;
			collisions++;
			again += mixers[m](&a, &secrets[1]) == mixers[m](&b, &secrets[1]);
		}
		/* 2^38 / 2 pairs in 2^32 values: 32 expected. */
		EXPECT(collisions >= 8 && collisions <= 80);
		EXPECT_EQ(again, 0);
	}
	free(hashed);
}

TEST(secrets_are_random)
{
	struct hash_secret a = {{0}}, b = {{0}};

	hash_secret_init(&a);
	hash_secret_init(&b);
	for (unsigned i = 0; i < 4; i++)
		EXPECT(a.word[i] != 0 && b.word[i] != 0 && a.word[i] != b.word[i]);
}

TEST(one_worker_owns_everything_and_several_share_evenly)
{
	unsigned owned[5] = {0};

	for (uint32_t i = 0; i < 50000; i++) {
		struct flow_key key = key_number(i);
		unsigned owner = flow_key_owner(&key, 5);

		EXPECT_EQ(flow_key_owner(&key, 1), 0);
		REQUIRE(owner < 5);
		owned[owner]++;
	}
	for (unsigned i = 0; i < 5; i++)
		EXPECT(owned[i] > 9500 && owned[i] < 10500);
}

TEST(tracking_changes_the_hash_and_not_the_owner)
{
	for (uint32_t i = 0; i < 1000; i++) {
		struct flow_key key = key_number(i), tagged = key_number(i);

		memset(key.tracking, 0, sizeof(key.tracking));
		tagged.tracking[i % 3] = (uint8_t)(i + 1) | 1;
		EXPECT_EQ(flow_key_owner(&key, 7919), flow_key_owner(&tagged, 7919));
		EXPECT(flow_key_hash(&key, &secrets[0]) != flow_key_hash(&tagged, &secrets[0]));
		EXPECT_EQ(flow_key_mix_portable(&key, &secrets[0], FLOW_KEY_WITHOUT_TRACKING),
			  flow_key_mix_portable(&tagged, &secrets[0], FLOW_KEY_WITHOUT_TRACKING));
	}
}

TEST(the_owner_of_a_key_is_the_same_in_every_run)
{
	struct flow_key key = key_number(12345);

	EXPECT_EQ(mix_portable(&key, &secrets[0]), 950583730);
#ifdef __AES__
	EXPECT_EQ(flow_key_owner(&key, 1000000), 206505);
#endif
}

#ifdef __AES__
/* One AES round undone. */
static __m128i
unround(__m128i state, __m128i round_key)
{
	return _mm_aesdeclast_si128(_mm_aesimc_si128(_mm_xor_si128(state, round_key)), _mm_setzero_si128());
}

TEST(a_key_that_mixes_to_zero_hashes_to_one)
{
	const __m128i k0 = _mm_loadu_si128((const void *)&secrets[0].word[0]);
	const __m128i k1 = _mm_loadu_si128((const void *)&secrets[0].word[2]);
	const __m128i k2 = _mm_add_epi64(k0, k1);
	struct flow_key key = key_number(99);
	__m128i b = _mm_xor_si128(_mm_loadu_si128((const void *)key.address[1]), k1);
	__m128i c = _mm_xor_si128(_mm_loadl_epi64((const void *)key.port), k2);
	__m128i a;

	b = _mm_aesenc_si128(_mm_aesenc_si128(b, k2), k0);
	c = _mm_aesenc_si128(_mm_aesenc_si128(c, k0), k1);
	/* Backwards from a state of zero through the last two rounds, then through the two of the first address. */
	a = unround(unround(_mm_setzero_si128(), k1), k0);
	a = unround(unround(_mm_xor_si128(_mm_xor_si128(a, b), c), k2), k1);
	_mm_storeu_si128((void *)key.address[0], _mm_xor_si128(a, k0));

	EXPECT_EQ(mix_aes(&key, &secrets[0]), 0);
	EXPECT_EQ(flow_key_hash(&key, &secrets[0]), 1);
}
#endif
