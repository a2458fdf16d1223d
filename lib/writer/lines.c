/* Storing lines past the caches.
 *
 * A stored packet is not read again by this core: written through the cache it would push out sessions and read every
 * line of the block from memory first. Non-temporal stores avoid both (PERFORMANCE B.4: 46-48 -> 40 ns a packet), but
 * only in whole lines, which is what stream.c makes of packets. Chosen at run time: an indirect call. */
#include <string.h>

#include "writer_priv.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <rte_cpuflags.h>

__attribute__((target("avx512f"))) static void
store_avx512(void *to, const void *from, uint32_t bytes)
{
	__m512i *t = to;
	const __m512i *f = from;

	for (unsigned i = 0; i < bytes / 64; i++)
		_mm512_stream_si512(t + i, _mm512_loadu_si512(f + i));
}

__attribute__((target("avx2"))) static void
store_avx2(void *to, const void *from, uint32_t bytes)
{
	__m256i *t = to;
	const __m256i *f = from;

	for (unsigned i = 0; i < bytes / 32; i += 2) {
		__m256i a = _mm256_loadu_si256(f + i), b = _mm256_loadu_si256(f + i + 1);

		_mm256_stream_si256(t + i, a);
		_mm256_stream_si256(t + i + 1, b);
	}
}

static void
store_sse2(void *to, const void *from, uint32_t bytes)
{
	__m128i *t = to;
	const __m128i *f = from;

	for (unsigned i = 0; i < bytes / 16; i++)
		_mm_stream_si128(t + i, _mm_loadu_si128(f + i));
}

writer_line_store
writer_line_store_choose(void)
{
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) > 0)
		return store_avx512;
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		return store_avx2;
	return store_sse2;
}
#else
static void
store_portable(void *to, const void *from, uint32_t bytes)
{
	memcpy(to, from, bytes);
}

writer_line_store
writer_line_store_choose(void)
{
	return store_portable;
}
#endif
