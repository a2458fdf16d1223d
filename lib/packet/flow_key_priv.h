/* The mixers behind flow_key_hash(), for its users in this folder and its tests. */
#ifndef FLOW_KEY_PRIV_H
#define FLOW_KEY_PRIV_H

#include <stddef.h>

#include "flow_key.h"

#ifdef __AES__
#include <immintrin.h>
#endif

/* a * b folded to 64 bits: nonlinear over both GF(2) and the integers. */
static inline uint64_t
flow_key_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
flow_key_word(const struct flow_key *key, unsigned i)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)key + 8 * i, sizeof(word));
	return word;
}

/* Bits of a key's last word (ports, tracking, protocol) that count: all, or without tracking. Masked in a register: a
 * copy of the key with bytes set in it would wait for its own stores, ten times as long as all the rest. */
#define FLOW_KEY_ALL		  UINT64_MAX
#define FLOW_KEY_WITHOUT_TRACKING UINT64_C(0xff000000ffffffff)
_Static_assert(offsetof(struct flow_key, tracking) == 36 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the mask");

/* For CPUs without AES instructions: about twice as slow. */
static inline uint32_t
flow_key_mix_portable(const struct flow_key *key, const struct hash_secret *s, uint64_t keep)
{
	uint64_t a = flow_key_fold(flow_key_word(key, 0) ^ s->word[0], flow_key_word(key, 1) ^ s->word[1]);
	uint64_t b = flow_key_fold(flow_key_word(key, 2) ^ s->word[2], flow_key_word(key, 3) ^ s->word[3]);
	uint64_t c = flow_key_fold((flow_key_word(key, 4) & keep) ^ s->word[1], s->word[3] | 1);
	uint64_t h = flow_key_fold(a ^ s->word[2], b ^ c ^ s->word[0]);

	h ^= h >> 32;
	return (uint32_t)h;
}

#ifdef __AES__
static inline uint32_t
flow_key_mix_aes(const struct flow_key *key, const struct hash_secret *s, uint64_t keep)
{
	const __m128i k0 = _mm_loadu_si128((const void *)&s->word[0]);
	const __m128i k1 = _mm_loadu_si128((const void *)&s->word[2]);
	const __m128i k2 = _mm_add_epi64(k0, k1);
	__m128i a = _mm_xor_si128(_mm_loadu_si128((const void *)key->address[0]), k0);
	__m128i b = _mm_xor_si128(_mm_loadu_si128((const void *)key->address[1]), k1);
	__m128i c = _mm_xor_si128(
		_mm_and_si128(_mm_loadl_epi64((const void *)key->port), _mm_set1_epi64x((int64_t)keep)), k2);

	a = _mm_aesenc_si128(_mm_aesenc_si128(a, k1), k2);
	b = _mm_aesenc_si128(_mm_aesenc_si128(b, k2), k0);
	c = _mm_aesenc_si128(_mm_aesenc_si128(c, k0), k1);
	a = _mm_xor_si128(_mm_xor_si128(a, b), c);
	a = _mm_aesenc_si128(_mm_aesenc_si128(a, k0), k1);
	return (uint32_t)_mm_cvtsi128_si32(a);
}
#endif

static inline uint32_t
flow_key_mix_some(const struct flow_key *key, const struct hash_secret *s, uint64_t keep)
{
#ifdef __AES__
	uint32_t h = flow_key_mix_aes(key, s, keep);
#else
	uint32_t h = flow_key_mix_portable(key, s, keep);
#endif
	return h != 0 ? h : 1;
}

static inline uint32_t
flow_key_mix(const struct flow_key *key, const struct hash_secret *s)
{
	return flow_key_mix_some(key, s, FLOW_KEY_ALL);
}

#endif
