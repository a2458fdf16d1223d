/* The copy of a packet into the stage.
 *
 * Whole 64-byte vectors, the first and the last overlapping their neighbours, those between stored to whole cache
 * lines: a store that crosses a line costs several times one that does not, and here nearly all would. No byte beyond
 * either end is touched. The compiler makes of a vector what the CPU has (one AVX-512 register, two of AVX2, four of
 * SSE2 or NEON). */
#ifndef COPY_H
#define COPY_H

#include <stdint.h>
#include <string.h>

typedef uint8_t copy_line __attribute__((vector_size(64), aligned(64), may_alias));
typedef uint8_t copy_vector64 __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint8_t copy_vector32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint8_t copy_vector16 __attribute__((vector_size(16), aligned(1), may_alias));

#define COPY_AT(to_type, type, to, from, offset)                                                                       \
	(*(to_type *)((uint8_t *)(to) + (offset)) = *(const type *)((const uint8_t *)(from) + (offset)))

/* One vector, wherever both are. */
static inline void
copy_line64(void *to, const void *from)
{
	COPY_AT(copy_vector64, copy_vector64, to, from, 0);
}

static inline void
copy_bytes(void *to, const void *from, uint32_t n)
{
	if (n >= 64) {
		COPY_AT(copy_vector64, copy_vector64, to, from, 0);
		for (uint32_t i = 64 - ((uintptr_t)to & 63); i + 64 < n; i += 64)
			COPY_AT(copy_line, copy_vector64, to, from, i);
		COPY_AT(copy_vector64, copy_vector64, to, from, n - 64);
	} else if (n >= 32) {
		COPY_AT(copy_vector32, copy_vector32, to, from, 0);
		COPY_AT(copy_vector32, copy_vector32, to, from, n - 32);
	} else if (n >= 16) {
		COPY_AT(copy_vector16, copy_vector16, to, from, 0);
		COPY_AT(copy_vector16, copy_vector16, to, from, n - 16);
	} else {
		memcpy(to, from, n);
	}
}

#endif
