#include <rte_atomic.h>

#include "test.h"
#include "writer_fixture.h"

/* From any alignment, and not a byte too few or too many. */
TEST(a_page_is_stored_whole_and_nothing_beyond_it)
{
	static uint8_t to[3 * WRITER_PAGE_BYTES] __attribute__((aligned(4096)));
	static uint8_t from[WRITER_PAGE_BYTES + 64];
	writer_page_store store;

	test_eal();
	store = writer_page_store_choose();
	for (unsigned offset = 0; offset < 64; offset += 7) {
		memset(to, 0xee, sizeof(to));
		fixture_bytes(offset + 1, from + offset, WRITER_PAGE_BYTES);
		store(to + WRITER_PAGE_BYTES, from + offset);
		rte_wmb();
		EXPECT(memcmp(to + WRITER_PAGE_BYTES, from + offset, WRITER_PAGE_BYTES) == 0);
		EXPECT(to[WRITER_PAGE_BYTES - 1] == 0xee && to[2 * WRITER_PAGE_BYTES] == 0xee);
	}
}
