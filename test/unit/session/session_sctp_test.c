#include "harness.h"

enum { DATA = 0, INIT = 1, SHUTDOWN_COMPLETE = 14, WHOLE = 3, BEGIN = 2, END = 1, UNORDERED = 4 };

struct sctp_frame {
	uint8_t bytes[256];
	size_t size;
};

static void
add(struct sctp_frame *f, const void *bytes, size_t size)
{
	memcpy(f->bytes + f->size, bytes, size);
	f->size += size;
}

/* Ethernet, IPv4 and the common header; the lengths are set by send_frame(). */
static struct sctp_frame
begin(unsigned from)
{
	static const uint8_t ethernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	static const uint8_t ipv4[] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0};
	static const uint8_t address[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}}, port[2][2] = {{20, 1}, {20, 2}};
	struct sctp_frame f = {.size = 0};

	add(&f, ethernet, sizeof(ethernet));
	add(&f, ipv4, sizeof(ipv4));
	add(&f, address[from], 4);
	add(&f, address[!from], 4);
	add(&f, port[from], 2);
	add(&f, port[!from], 2);
	add(&f, "\0\0\0\0\0\0\0\0", 8);
	return f;
}

static void
chunk(struct sctp_frame *f, unsigned type, unsigned flags, const void *value, size_t size)
{
	uint8_t header[4] = {(uint8_t)type, (uint8_t)flags, (uint8_t)((size + 4) >> 8), (uint8_t)(size + 4)};

	add(f, header, 4);
	add(f, value, size);
	add(f, "\0\0\0", (4 - size % 4) % 4);
}

static void
data(struct sctp_frame *f, unsigned flags, uint8_t tsn, const char *text)
{
	uint8_t value[64] = {0, 0, 0, tsn, 0, 0, 0, 0, 0, 0, 0, 0};
	size_t size = strlen(text);

	memcpy(value + 12, text, size);
	chunk(f, DATA, flags, value, 12 + size);
}

static void
send_frame(struct rig *r, int64_t ms, struct sctp_frame *f)
{
	f->bytes[17] = (uint8_t)(f->size - 14);
	rig_frame(r, ms, f->bytes, f->size);
}

static struct record *
finish(struct rig *r)
{
	rig_flush(r);
	return rig_record(r);
}

TEST(the_first_whole_message_of_a_direction_gives_its_first_bytes)
{
	struct rig r;
	struct record *rec;
	struct sctp_frame f = begin(0);

	rig_init(&r);
	rig_start(&r);
	chunk(&f, INIT, 0, "\0\0\0\1\0\0\0\1\0\1\0\1\0\0\0\x09", 16);
	send_frame(&r, 0, &f);
	f = begin(0);
	data(&f, WHOLE, 7, "older");
	data(&f, WHOLE, 9, "");
	data(&f, WHOLE, 10, "first of all");
	data(&f, WHOLE, 11, "second");
	send_frame(&r, 1, &f);
	f = begin(1);
	data(&f, UNORDERED, 77, "abc");
	send_frame(&r, 2, &f);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.payload8_bytes[0], 8);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "first of", 8), 0);
	EXPECT_EQ(rec->summary.payload8_bytes[1], 3);
	EXPECT_EQ(memcmp(rec->summary.payload8[1], "abc", 3), 0);
	EXPECT_EQ(rec->summary.data_bytes[1], 20);
	EXPECT_STR(rig_values(rec, "protocol"), "sctp");
	rig_stop(&r);
}

TEST(fragments_are_joined_and_what_waited_behind_a_hole_follows)
{
	struct rig r;
	struct record *rec;
	struct sctp_frame f = begin(0);

	rig_init(&r);
	rig_start(&r);
	data(&f, BEGIN, 1, "be");
	data(&f, END, 3, "end"); /* 2 is missing */
	data(&f, WHOLE, 4, "whole");
	send_frame(&r, 0, &f);
	EXPECT_EQ(rig_counter(&r, "sctp.messages"), 0);
	f = begin(0);
	data(&f, 0, 2, "gin-");
	send_frame(&r, 1, &f);
	EXPECT_EQ(rig_counter(&r, "sctp.messages"), 2);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(rec->summary.payload8_bytes[0], 8);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "begin-en", 8), 0);
	EXPECT_STR(rig_values(rec, "sctp.protoId"), "0");
	rig_stop(&r);
}

TEST(a_message_without_its_beginning_blocks_what_waits_behind_it)
{
	struct rig r;
	struct record *rec;
	struct sctp_frame f = begin(0);

	rig_init(&r);
	rig_start(&r);
	data(&f, END, 1, "end");
	data(&f, BEGIN, 2, "begin");
	data(&f, END, 3, "end");
	data(&f, WHOLE, 4, "whole"); /* has the expected number, so it is not behind it */
	send_frame(&r, 0, &f);
	EXPECT_EQ(rig_counter(&r, "sctp.messages"), 1);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_EQ(memcmp(rec->summary.payload8[0], "whole", 5), 0);
	rig_stop(&r);
}

TEST(too_many_sctp_chunks_that_wait_end_the_association_for_parsers)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	r.conf.max_sctp_chunks = 64;
	rig_start(&r);
	for (unsigned i = 0; i < 70; i++) {
		struct sctp_frame f = begin(0);

		data(&f, WHOLE, (uint8_t)(i == 0 ? 1 : i + 2), "x");
		send_frame(&r, 0, &f);
	}
	EXPECT_EQ(rig_counter(&r, "sctp.messages"), 1);
	EXPECT_EQ(rig_counter(&r, "sctp.given_up"), 1);
	rec = finish(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "tags"), "incomplete-sctp");
	EXPECT_EQ(rec->summary.packets[0], 70);
	rig_stop(&r);
}

TEST(shutdown_complete_closes_the_session)
{
	struct rig r;
	struct sctp_frame f = begin(0);

	rig_init(&r);
	rig_start(&r);
	chunk(&f, SHUTDOWN_COMPLETE, 0, "", 0);
	send_frame(&r, 0, &f);
	rig_clock(&r, 5999);
	EXPECT(rig_record(&r) == NULL);
	rig_clock(&r, 6000);
	EXPECT(rig_record(&r) != NULL);
	rig_stop(&r);
}

TEST(every_truncation_of_an_sctp_packet_ends_at_its_end)
{
	struct rig r;
	struct sctp_frame f = begin(0);

	rig_init(&r);
	rig_start(&r);
	data(&f, WHOLE, 1, "message");
	data(&f, WHOLE, 2, "another");
	for (size_t n = 46; n <= f.size; n++) {
		struct sctp_frame cut = f;
		uint8_t *guarded;

		cut.size = n;
		cut.bytes[17] = (uint8_t)(n - 14);
		guarded = test_guard(cut.bytes, n);
		rig_frame(&r, 0, guarded, n);
		test_guard_free(guarded, n);
	}
	rig_stop(&r);
}
