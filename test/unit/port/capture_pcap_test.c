/* Classic pcap: byte orders, units, lengths, damage. */
#include "port/capture_build.h"

#include <errno.h>

#include "packet.h"

static struct build b;
static struct capture_packet seen[8];
static bool frames_right;

static void
collect(const struct capture_packet *p, unsigned index)
{
	if (index == 0)
		frames_right = true;
	if (index < 8)
		seen[index] = *p;
	frames_right = frames_right && is_frame(p, index);
}

static void
three_records(bool big_endian, uint32_t magic, unsigned extra)
{
	b = (struct build){.big_endian = big_endian};
	put_pcap_header(&b, magic, LINK_ETHERNET);
	for (unsigned i = 0; i < 3; i++) {
		put32(&b, 1700000000 + i);
		put32(&b, 123456 + i);
		put32(&b, 60 + i);
		put32(&b, 1000 + i);
		put(&b, "kuznetz", extra);
		put_frame(&b, i, 60 + i);
	}
}

static void
check_three(uint32_t unit_ns, unsigned extra)
{
	struct build_result r = build_read_bytes(&b, b.n, collect);

	EXPECT(r.opened && !r.damaged && frames_right);
	EXPECT_EQ(r.packets, 3);
	EXPECT_EQ(seen[1].time_ns, 1700000001 * NS_PER_S + 123457 * (uint64_t)unit_ns);
	EXPECT_EQ(seen[1].captured_bytes, 61);
	EXPECT_EQ(seen[1].wire_bytes, 1001);
	EXPECT_EQ(seen[1].link_type, LINK_ETHERNET);
	EXPECT_EQ(seen[1].has_nanoseconds, unit_ns == 1);
	EXPECT_EQ(seen[0].position, 24);
	EXPECT_EQ(seen[1].position, 24 + 16 + extra + 60);
	EXPECT_EQ(seen[2].position, 24 + 2 * (16 + extra) + 60 + 61);
}

TEST(both_byte_orders_and_units_give_the_same_packets)
{
	for (int big = 0; big < 2; big++) {
		three_records(big, 0xa1b2c3d4, 0);
		check_three(1000, 0);
		three_records(big, 0xa1b23c4d, 0);
		check_three(1, 0);
		three_records(big, 0xa1b2cd34, 8);
		check_three(1000, 8);
	}
}

TEST(info_tells_whether_positions_can_be_used_in_place)
{
	char path[64], why[100];
	struct capture_file *f;

	three_records(true, 0xa1b23c4d, 0);
	f = capture_open(build_write(&b, b.n, path), why, sizeof(why));
	REQUIRE(f != NULL);
	EXPECT(capture_info(f)->plain_pcap);
	EXPECT(capture_info(f)->has_nanoseconds);
	EXPECT_EQ(capture_info(f)->size_bytes, b.n);
	EXPECT_EQ(capture_info(f)->snap_length, 65535);
	EXPECT_STR(capture_info(f)->path, path);
	EXPECT_STR(capture_info(f)->absolute, path);
	capture_close(f);
	unlink(path);

	three_records(false, 0xa1b2cd34, 8);
	f = capture_open(build_write(&b, b.n, path), why, sizeof(why));
	REQUIRE(f != NULL);
	EXPECT(!capture_info(f)->plain_pcap);
	capture_close(f);
	unlink(path);
}

TEST(the_absolute_path_of_a_relative_one)
{
	char path[64], why[100], before[4096];
	struct capture_file *f;

	REQUIRE(getcwd(before, sizeof(before)) != NULL);
	three_records(false, 0xa1b2c3d4, 0);
	build_write(&b, b.n, path);
	REQUIRE(chdir("/tmp") == 0);
	f = capture_open(path + 5, why, sizeof(why));
	EXPECT(chdir(before) == 0);
	unlink(path);
	REQUIRE(f != NULL);
	EXPECT_STR(capture_info(f)->path, path + 5);
	EXPECT_STR(capture_info(f)->absolute, path);
	capture_close(f);
}

TEST(the_upper_bits_of_the_network_field_are_no_link_type)
{
	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, 0x14000000 | LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	EXPECT_EQ(build_read_bytes(&b, b.n, collect).packets, 1);
	EXPECT_EQ(seen[0].link_type, LINK_ETHERNET);
}

TEST(an_unknown_link_type_is_refused_by_number)
{
	struct build_result r;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, 147);
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT_EQ(errno, EPROTONOSUPPORT);
	EXPECT(!r.opened);
	EXPECT(strstr(r.why, "147") != NULL);
}

TEST(a_captured_length_above_the_wire_length_is_kept)
{
	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 40, 0);
	EXPECT_EQ(build_read_bytes(&b, b.n, collect).packets, 1);
	EXPECT_EQ(seen[0].captured_bytes, 60);
	EXPECT_EQ(seen[0].wire_bytes, 60);
}

TEST(packets_of_no_bytes_and_of_65535_are_packets)
{
	struct build_result r;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 0, 0, 0);
	put_pcap_record(&b, 1, 0, 65535, 65535, 1);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(frames_right && !r.damaged);
	EXPECT_EQ(r.packets, 2);
	EXPECT_EQ(seen[1].captured_bytes, 65535);
}

TEST(a_longer_record_is_skipped_and_counted)
{
	struct build_result r;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	put_pcap_record(&b, 1, 0, 65536, 65536, 9);
	put_pcap_record(&b, 1, 0, 1500000, 1500000, 9); /* more than the window */
	put_pcap_record(&b, 2, 0, 61, 61, 1);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(!r.damaged && frames_right);
	EXPECT_EQ(r.packets, 2);
	EXPECT_EQ(r.skipped, 2);
	EXPECT_EQ(seen[1].position, 24 + 16 + 60 + 16 + 65536 + 16 + 1500000);
}

TEST(a_skip_beyond_the_end_is_damage_at_that_record)
{
	struct build_result r;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	put32(&b, 1);
	put32(&b, 1);
	put32(&b, 0xfffffff0);
	put32(&b, 0xfffffff0);
	put_frame(&b, 3, 100);
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT(r.damaged);
	EXPECT_EQ(r.packets, 1);
	EXPECT_EQ(r.offset, 24 + 16 + 60);
}

TEST(every_truncation_is_refused_ends_or_is_damage_at_the_cut_record)
{
	static const size_t record[] = {24, 24 + 76, 24 + 76 + 77, 24 + 76 + 77 + 78};

	three_records(false, 0xa1b2c3d4, 0);
	REQUIRE(b.n == record[3]);
	for (size_t n = 0; n <= b.n; n++) {
		struct build_result r = build_read_bytes(&b, n, collect);
		unsigned whole = 0;

		EXPECT_EQ(r.opened, n >= 24);
		if (n < 24) {
			EXPECT_EQ(errno, n > 0 && n < 4 ? EINVAL : EBADMSG);
			EXPECT(r.why[0] != '\0');
			continue;
		}
		while (whole < 3 && record[whole + 1] <= n)
			whole++;
		EXPECT_EQ(r.packets, whole);
		EXPECT_EQ(r.damaged, n != record[whole]);
		if (r.damaged)
			EXPECT_EQ(r.offset, record[whole]);
	}
}

TEST(what_is_no_capture_is_refused_with_a_reason)
{
	struct build_result r;

	b = (struct build){0};
	put(&b, "Dear diary, this is a text file, not packets", 44);
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(!r.opened);
	EXPECT(strstr(r.why, "not a capture") != NULL);

	r = build_read("/nonexistent/x.pcap", NULL);
	EXPECT_EQ(errno, ENOENT);
	EXPECT(!r.opened && r.why[0] != '\0');

	r = build_read("/tmp", NULL);
	EXPECT_EQ(errno, EISDIR);
	EXPECT(!r.opened);
}

TEST(the_window_moves_on_over_large_files)
{
	unsigned n = 0;
	struct build_result r;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	for (; b.n < BUILD_MAX - 66000; n++)
		put_pcap_record(&b, n, 0, n * 977 % 65536, 65535, n);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(!r.damaged && frames_right);
	EXPECT_EQ(r.packets, n);
}
