/* Hashes of flow keys.
 *
 * Traffic chooses the keys, so the session table's hash is keyed with a secret that a sender cannot learn, and it is
 * not linear: with CRC or Toeplitz two keys that collide do so under every seed, because the difference of their hashes
 * does not depend on it. Each 16-byte part of the key goes through two AES rounds of its own, the parts are added and
 * two more rounds follow. Two rounds spread one changed byte over the whole part through at least five S-boxes (2^-30
 * for the best difference), which is what a 32-bit hash can make use of; it is no MAC. The parts run side by side in
 * the CPU, so it costs eight instructions, not a chain of eight latencies.
 *
 * The owner hash is the same function under a fixed secret, without the VLAN: workers, and runs, must agree on it. So a
 * sender can aim at one worker, as with any RSS key that is known; what he cannot do is to make one bucket of its table
 * long. Builds for CPUs with and without AES instructions place flows differently. */

#include "flow_key_priv.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

/* The first digits of pi after the point: nobody chose them. */
static const struct hash_secret owner_secret = {
	{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}};

void
hash_secret_init(struct hash_secret *s)
{
	size_t done = 0;

	/* 32 bytes come at once; only a signal before the kernel's generator is ready makes it shorter. */
	while (done < sizeof(*s)) {
		ssize_t n = getrandom((uint8_t *)s->word + done, sizeof(*s) - done, 0);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	if (done < sizeof(*s)) {
		/* No system call of that name (a seccomp filter): addresses and clocks are better than nothing. */
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		s->word[0] ^= (uint64_t)t.tv_nsec << 32 ^ (uint64_t)t.tv_sec;
		s->word[1] ^= (uint64_t)(uintptr_t)s;
		clock_gettime(CLOCK_REALTIME, &t);
		s->word[2] ^= flow_key_fold((uint64_t)t.tv_nsec | 1, owner_secret.word[2]);
		s->word[3] ^= flow_key_fold((uint64_t)(uintptr_t)&hash_secret_init, owner_secret.word[3]);
	}
}

uint32_t
flow_key_hash(const struct flow_key *key, const struct hash_secret *s)
{
	return flow_key_mix(key, s);
}

unsigned
flow_key_owner(const struct flow_key *key, unsigned n_workers)
{
	if (n_workers <= 1)
		return 0;
	/* Whatever VLAN or VNI: as a NIC does, and so that copies in several of them meet (dedup.h). */
	return (unsigned)((uint64_t)flow_key_mix_some(key, &owner_secret, FLOW_KEY_WITHOUT_TRACKING) * n_workers >> 32);
}
