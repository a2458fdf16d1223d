/* Calls of NFS over both transports. */
#include "harness.h"

#define CALL "\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa3"
#define MARK "\x80\0\0\x10"

TEST(calls_are_recognised_over_udp_and_tcp)
{
	struct harness *h = harness_create();

	harness_udp(h, 0, HARNESS_TEXT(CALL));
	EXPECT_FIELD(h, "protocol", "nfs");
	harness_every_truncation(h);
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT(MARK CALL));
	EXPECT_FIELD(h, "protocol", "nfs");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(other_programs_and_places_are_not_nfs)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(CALL));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT(MARK CALL));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT(MARK "\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa5"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, MARK CALL, sizeof(MARK CALL) - 2);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
