#include "harness.h"

static struct harness *
client(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 50618, 69);
	return h;
}

TEST(requests_name_their_file)
{
	struct harness *h = client();

	EXPECT(harness_udp(h, 0, HARNESS_TEXT("\0\1boot.img\0octet\0blksize\0001428\0")));
	EXPECT_FIELD(h, "protocol", "tftp");
	EXPECT_FIELD(h, "tftp.opcode", "rrq");
	EXPECT_FIELD(h, "tftp.filename", "boot.img");
	EXPECT(harness_udp(h, 0, HARNESS_TEXT("\0\2other.img\0netascii\0")));
	EXPECT_FIELD(h, "tftp.opcode", "rrq,wrq");
	EXPECT_FIELD(h, "tftp.filename", "boot.img,other.img");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(other_messages_on_the_port_count_by_their_kind)
{
	struct harness *h = client();

	harness_udp(h, 0, HARNESS_TEXT("\0\2f\0octet\0"));
	harness_udp(h, 1, HARNESS_TEXT("\0\4\0\0"));
	harness_udp(h, 0, HARNESS_TEXT("\0\3\0\1data"));
	harness_udp(h, 1, HARNESS_TEXT("\0\5\0\0no\0"));
	harness_udp(h, 1, HARNESS_TEXT("\0\6blksize\0"));
	harness_udp(h, 1, HARNESS_TEXT("\0\0\0\0"));
	EXPECT_FIELD(h, "tftp.opcode", "wrq,ack,data,error");
	harness_destroy(h);
}

TEST(what_is_no_tftp_emits_nothing)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{"\0\1", 2},	     {"\0\1f", 3},    {"\0\1f\0octet", 9}, {"\0\1\0octet\0", 9},
		{"\0\1file\0\0", 8}, {"\0\6\0\0", 4}, {"\0\0\0\0", 4},	   {"\1\1f\0octet\0", 10},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = client();

		harness_udp(h, 0, cases[i].bytes, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "tftp.opcode");
		harness_destroy(h);
	}
}
