/* Calls of RPC programs over UDP. */
#include "harness.h"

#define CALL "\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86"

TEST(each_known_program_of_a_call_is_named)
{
	static const struct {
		uint8_t program;
		const char *protocol;
	} cases[] = {
		{0xa0, "portmap"}, {0xa1, "rstat"},  {0xa2, "rusers"}, {0xa4, "ypprog"},
		{0xa5, "mount"},   {0xa7, "ypbind"}, {0xa8, "wall"},   {0xa9, "yppasswd"},
		{0xab, "rquota"},  {0xb1, "rexec"},  {0xc5, "tfs"},
	};
	uint8_t call[16];

	memcpy(call, CALL, sizeof(call) - 1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		call[15] = cases[i].program;
		harness_udp(h, 0, call, sizeof(call));
		EXPECT_FIELD(h, "protocol", cases[i].protocol);
		harness_destroy(h);
	}
}

TEST(replies_other_versions_other_programs_and_tcp_are_left_alone)
{
	struct harness *h = harness_create();

	harness_udp(h, 0, HARNESS_TEXT("\x12\x34\x56\x78\0\0\0\x01\0\0\0\x02\0\x01\x86\xa0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT("\x12\x34\x56\x78\0\0\0\0\0\0\0\x03\0\x01\x86\xa0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT(CALL "\xa6"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT(CALL));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT(CALL "\xa0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
