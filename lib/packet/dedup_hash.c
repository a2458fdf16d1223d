/* What is compared of a packet, as a hash of 128 bits.
 *
 * The table keeps hashes, not packets, so whoever finds two packets of one hash can make the second one vanish from
 * pcap and records. The hash is therefore keyed with a secret of this run, and it has to hold against somebody who
 * chooses both packets, which two rounds of AES (flow_key.c) would not: every block of 16 bytes goes through four
 * rounds under a mask of its own place, and the results are added. That is the sum that PMAC ends with, on a reduced
 * cipher: two texts meet only if differences of two or more blocks cancel, and no difference comes out of four rounds
 * with more than 2^-113. Blocks do not wait for each other, so a usual packet (three blocks) costs about 3 ns.
 * SipHash-2-4 does it on CPUs without AES instructions, ten times slower.
 *
 * MD5 of the same bytes, as in the reference, is not keyed: collisions are made in seconds. */

#include "dedup_priv.h"

#include "decode_priv.h"

enum { IPV4_TTL = 8, IPV4_CHECKSUM = 10, IPV6_HOP_LIMIT = 7, UDP_PAYLOAD_BYTES = 12 };

struct siphash {
	uint64_t v[4];
};

static inline uint64_t
rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void
sip_rounds(struct siphash *s, unsigned n)
{
	uint64_t a = s->v[0], b = s->v[1], c = s->v[2], d = s->v[3];

	while (n-- > 0) {
		a += b;
		c += d;
		b = rotate(b, 13) ^ a;
		d = rotate(d, 16) ^ c;
		a = rotate(a, 32);
		c += b;
		a += d;
		b = rotate(b, 17) ^ c;
		d = rotate(d, 21) ^ a;
		c = rotate(c, 32);
	}
	*s = (struct siphash){{a, b, c, d}};
}

static struct siphash
sip_begin(uint64_t k0, uint64_t k1)
{
	return (struct siphash){{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
				 k1 ^ 0x7465646279746573}};
}

static inline void
sip_word(struct siphash *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s, 2);
	s->v[0] ^= word;
}

/* 'size' is what the whole text has, a multiple of 8. */
static struct dedup_hash
sip_end(struct siphash *s, size_t size)
{
	struct dedup_hash hash;

	sip_word(s, (uint64_t)size << 56);
	s->v[2] ^= 0xee;
	sip_rounds(s, 4);
	hash.low = s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
	s->v[1] ^= 0xdd;
	sip_rounds(s, 4);
	hash.high = s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
	return hash;
}

static void
derive(const struct hash_secret *secret, uint64_t number, uint64_t out[2])
{
	/* "dedup", so that the words are nobody else's. */
	struct siphash first = sip_begin(secret->word[0], secret->word[1]);
	struct siphash second = sip_begin(secret->word[2], secret->word[3]);
	struct dedup_hash a, b;

	sip_word(&first, 0x6465647570000000 + number);
	sip_word(&second, 0x6465647570000000 + number);
	a = sip_end(&first, 8);
	b = sip_end(&second, 8);
	out[0] = a.low ^ b.high;
	out[1] = a.high ^ b.low;
}

void
dedup_keys_init(struct dedup_keys *k, const struct hash_secret *secret)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < DEDUP_ROUNDS; i++)
		derive(secret, number++, k->round[i]);
	for (unsigned i = 0; i < DEDUP_BLOCKS_MAX; i++)
		derive(secret, number++, k->mask[i]);
}

bool
dedup_text_make(struct dedup_text *text, const struct packet *p, uint32_t tracking_id)
{
	uint32_t header_bytes = p->transport_offset - p->ip_offset, transport_bytes = DEDUP_TRANSPORT_BYTES, size;
	struct cursor c = packet_from(p, p->ip_offset);
	const uint8_t *bytes;

	if (p->ip_protocol == IP_PROTOCOL_UDP && p->payload_bytes < UDP_PAYLOAD_BYTES)
		transport_bytes = UDP_HEADER_BYTES + p->payload_bytes;
	size = header_bytes + transport_bytes;
	if (header_bytes > DEDUP_HEADER_BYTES_MAX)
		return false;
	bytes = cursor_take(&c, size);
	if (bytes == NULL)
		return false;
	text->n_blocks = (size + DEDUP_META_BYTES + DEDUP_BLOCK_BYTES - 1) / DEDUP_BLOCK_BYTES;
	memset(&text->bytes[size], 0, text->n_blocks * DEDUP_BLOCK_BYTES - size);
	memcpy(text->bytes, bytes, size);
	if (p->ip_version == 6) {
		text->bytes[IPV6_HOP_LIMIT] = 0;
	} else {
		text->bytes[IPV4_TTL] = 0;
		text->bytes[IPV4_CHECKSUM] = text->bytes[IPV4_CHECKSUM + 1] = 0;
	}
	memcpy(&text->bytes[size], &tracking_id, sizeof(tracking_id));
	text->bytes[size + 4] = (uint8_t)header_bytes;
	text->bytes[size + 5] = (uint8_t)(header_bytes >> 8);
	text->bytes[size + 7] = (uint8_t)transport_bytes;
	return true;
}

struct dedup_hash
dedup_hash_portable(const struct dedup_keys *k, const struct dedup_text *text)
{
	struct siphash s = sip_begin(k->mask[0][0], k->mask[0][1]);
	unsigned n = text->n_blocks * DEDUP_BLOCK_BYTES / 8;

	for (unsigned i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, &text->bytes[8 * i], sizeof(word));
		sip_word(&s, word);
	}
	return sip_end(&s, 8 * (size_t)n);
}

#ifdef __AES__
struct dedup_hash
dedup_hash_aes(const struct dedup_keys *k, const struct dedup_text *text)
{
	__m128i sum = _mm_setzero_si128();

	for (unsigned i = 0; i < text->n_blocks; i++) {
		__m128i block = _mm_load_si128((const void *)&text->bytes[i * DEDUP_BLOCK_BYTES]);

		sum = _mm_xor_si128(sum, dedup_permute(k, i, block));
	}
	return dedup_hash_of(sum);
}
#endif
