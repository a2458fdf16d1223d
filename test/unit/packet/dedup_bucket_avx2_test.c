/* As a CPU without AVX-512 does it, where this one has AVX2. */
#ifdef __AVX2__
#include <immintrin.h>
#endif

#undef __AVX512F__
#include "packet/dedup_bucket_checks.h"

DEDUP_BUCKET_TEST(dedup_bucket_without_avx512)
