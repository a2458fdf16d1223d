/* As this CPU does it. */
#include "packet/dedup_bucket_checks.h"

DEDUP_BUCKET_TEST(dedup_bucket_as_this_cpu_does_it)
