/* BGP: the first message of each chunk, and what ends it. */
#include "harness.h"

#define MARKER	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
#define KEEPALIVE MARKER "\0\x13\x04"
#define OPEN	  MARKER "\0\x1d\x01\x04\xfd\xe8\0\xb4\x0a\0\0\x01\0"
#define UPDATE	  MARKER "\0\x17\x02\0\0\0\0"
#define NOTICE	  MARKER "\0\x15\x03\x06\x02"

#define active(h, bytes)  harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define passive(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

static struct harness *
neighbours(uint16_t port)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, port);
	return h;
}

TEST(the_first_message_of_each_chunk_is_named)
{
	struct harness *h = neighbours(179);

	active(h, OPEN NOTICE);
	passive(h, OPEN);
	active(h, KEEPALIVE);
	EXPECT(passive(h, UPDATE));
	EXPECT_FIELD(h, "protocol", "bgp");
	EXPECT_FIELD(h, "bgp.type", "OPEN,KEEPALIVE,UPDATE");
	EXPECT(passive(h, NOTICE));
	EXPECT_FIELD(h, "bgp.type", "OPEN,KEEPALIVE,UPDATE,NOTIFICATION");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(chunks_that_begin_otherwise_are_ignored)
{
	struct harness *h = neighbours(179);

	active(h, OPEN);
	EXPECT(active(h, "the rest of an UPDATE that does not begin here"));
	EXPECT(active(h, MARKER "\0\x13"));
	EXPECT(harness_gap(h, 0, 100));
	EXPECT(active(h, KEEPALIVE));
	EXPECT_FIELD(h, "bgp.type", "OPEN,KEEPALIVE");
	harness_destroy(h);
}

TEST(unknown_kinds_are_bgp_without_a_type)
{
	struct harness *h = neighbours(179);

	active(h, MARKER "\0\x13\0");
	EXPECT(active(h, MARKER "\0\x13\x05"));
	EXPECT_FIELD(h, "protocol", "bgp");
	EXPECT_NO_FIELD(h, "bgp.type");
	harness_destroy(h);
}

TEST(a_length_out_of_bounds_ends_it_until_the_other_side_begins)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {{HARNESS_TEXT(MARKER "\0\x12\x04")},
		     {HARNESS_TEXT(MARKER "\0\x14\x04")},
		     {HARNESS_TEXT(MARKER "\x10\x01\x04")}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = neighbours(179);

		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		active(h, KEEPALIVE);
		EXPECT_FIELD(h, "protocol", "bgp");
		EXPECT_NO_FIELD(h, "bgp.type");
		passive(h, OPEN);
		active(h, KEEPALIVE);
		EXPECT_FIELD(h, "bgp.type", "OPEN,KEEPALIVE");
		harness_destroy(h);
	}
}

TEST(a_message_of_4096_bytes_is_the_longest)
{
	uint8_t update[4097] = {0};
	struct harness *h = neighbours(179);

	memcpy(update, MARKER "\x10\0\x02", 19);
	EXPECT(harness_tcp(h, 0, update, 4096));
	EXPECT_FIELD(h, "bgp.type", "UPDATE");
	harness_reset(h);
	update[17] = 1;
	harness_tcp(h, 0, update, sizeof(update));
	EXPECT_NO_FIELD(h, "bgp.type");
	harness_destroy(h);
}

TEST(only_the_port_of_the_destination_counts)
{
	struct harness *h = neighbours(180);

	active(h, OPEN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_ports(h, 179, 40000);
	active(h, OPEN);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_ports(h, 40000, 179);
	harness_tcp(h, 0, OPEN, 18);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
