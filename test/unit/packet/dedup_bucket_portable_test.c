/* As a CPU without vectors of four words does it. */
#undef __AVX512F__
#undef __AVX2__
#include "packet/dedup_bucket_checks.h"

DEDUP_BUCKET_TEST(dedup_bucket_without_vectors)
