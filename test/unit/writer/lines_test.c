#include <rte_atomic.h>

#include "test.h"
#include "writer_fixture.h"

/* From any alignment, and not a byte too few or too many. */
TEST(lines_are_stored_whole_and_nothing_beyond_them)
{
	static const uint32_t sizes[] = {0, 64, 192, 960, WRITER_PAGE_BYTES};
	static uint8_t to[3 * WRITER_PAGE_BYTES] __attribute__((aligned(4096)));
	static uint8_t from[WRITER_PAGE_BYTES + 64];
	writer_line_store store;

	test_eal();
	store = writer_line_store_choose();
	for (unsigned i = 0; i < RTE_DIM(sizes); i++)
		for (unsigned offset = 0; offset < 64; offset += 7) {
			uint8_t *begin = to + WRITER_PAGE_BYTES;

			memset(to, 0xee, sizeof(to));
			fixture_bytes(offset + 1, from + offset, sizes[i]);
			store(begin, from + offset, sizes[i]);
			rte_wmb();
			EXPECT(memcmp(begin, from + offset, sizes[i]) == 0);
			EXPECT(begin[-1] == 0xee && begin[sizes[i]] == 0xee);
		}
}
