/* pcapng: blocks, interfaces, units, byte orders, damage. */
#include "port/capture_build.h"

#include <errno.h>

#include "packet.h"

static struct build b;
static struct capture_packet seen[16];
static bool frames_right;

static void
collect(const struct capture_packet *p, unsigned index)
{
	if (index == 0)
		frames_right = true;
	if (index < 16)
		seen[index] = *p;
	frames_right = frames_right && is_frame(p, index);
}

static size_t
begin_block(uint32_t type)
{
	put32(&b, type);
	put32(&b, 0);
	return b.n - 8;
}

static void
end_block(size_t begin)
{
	uint32_t length;
	size_t end;

	while (b.n % 4 != begin % 4)
		put(&b, "", 1);
	length = (uint32_t)(b.n - begin + 4);
	put32(&b, length);
	end = b.n;
	b.n = begin + 4;
	put32(&b, length);
	b.n = end;
}

static void
put_section(bool big_endian)
{
	size_t at;

	b.big_endian = big_endian;
	at = begin_block(0x0a0d0d0a);
	put32(&b, 0x1a2b3c4d);
	put16(&b, 1);
	put16(&b, 0);
	put32(&b, 0xffffffff);
	put32(&b, 0xffffffff);
	end_block(at);
}

/* 'resolution' -1: none. */
static void
put_interface(uint16_t link_type, uint32_t snap_length, int resolution, uint64_t offset_s)
{
	size_t at = begin_block(1);

	put16(&b, link_type);
	put16(&b, 0);
	put32(&b, snap_length);
	put16(&b, 2); /* if_name, to be passed over, with padding */
	put16(&b, 5);
	put(&b, "eth0x\0\0", 8);
	if (resolution >= 0) {
		put16(&b, 9);
		put16(&b, 1);
		put(&b, (uint8_t[4]){(uint8_t)resolution}, 4);
	}
	if (offset_s != 0) {
		put16(&b, 14);
		put16(&b, 8);
		put32(&b, (uint32_t)(b.big_endian ? offset_s >> 32 : offset_s));
		put32(&b, (uint32_t)(b.big_endian ? offset_s : offset_s >> 32));
	}
	put32(&b, 0); /* opt_endofopt */
	end_block(at);
}

static void
put_enhanced(uint32_t interface, uint64_t stamp, uint32_t captured, uint32_t wire, unsigned seed)
{
	size_t at = begin_block(6);

	put32(&b, interface);
	put32(&b, (uint32_t)(stamp >> 32));
	put32(&b, (uint32_t)stamp);
	put32(&b, captured);
	put32(&b, wire);
	put_frame(&b, seed, captured);
	end_block(at);
}

static void
put_old_packet(uint16_t interface, uint64_t stamp, uint32_t captured, unsigned seed)
{
	size_t at = begin_block(2);

	put16(&b, interface);
	put16(&b, 7); /* drops */
	put32(&b, (uint32_t)(stamp >> 32));
	put32(&b, (uint32_t)stamp);
	put32(&b, captured);
	put32(&b, captured + 1);
	put_frame(&b, seed, captured);
	end_block(at);
}

static void
put_simple(uint32_t wire, uint32_t captured, unsigned seed)
{
	size_t at = begin_block(3);

	put32(&b, wire);
	put_frame(&b, seed, captured);
	end_block(at);
}

static void
put_other(uint32_t type, size_t size)
{
	size_t at = begin_block(type);

	put_frame(&b, 99, size);
	end_block(at);
}

static void
begin_file(bool big_endian)
{
	b.n = 0;
	put_section(big_endian);
}

TEST(enhanced_simple_and_old_packet_blocks_in_both_byte_orders)
{
	for (int big = 0; big < 2; big++) {
		uint64_t stamp = UINT64_C(1700000000123456);
		struct build_result r;
		size_t at;

		begin_file(big);
		put_other(0x0bad, 40);
		put_interface(LINK_ETHERNET, 100, -1, 0);
		at = b.n;
		put_enhanced(0, stamp, 61, 1000, 0);
		put_other(5, 30); /* interface statistics */
		put_old_packet(0, stamp + 1, 62, 1);
		put_simple(63, 63, 2);
		put_simple(500, 100, 3); /* cut by the snap length */
		r = build_read_bytes(&b, b.n, collect);
		EXPECT(r.opened && !r.damaged && frames_right);
		EXPECT_EQ(r.packets, 4);
		EXPECT_EQ(seen[0].time_ns, stamp * 1000);
		EXPECT_EQ(seen[0].captured_bytes, 61);
		EXPECT_EQ(seen[0].wire_bytes, 1000);
		EXPECT_EQ(seen[0].position, at);
		EXPECT(!seen[0].has_nanoseconds);
		EXPECT_EQ(seen[1].time_ns, (stamp + 1) * 1000);
		EXPECT_EQ(seen[1].wire_bytes, 63);
		EXPECT_EQ(seen[2].time_ns, 0);
		EXPECT_EQ(seen[2].captured_bytes, 63);
		EXPECT_EQ(seen[3].captured_bytes, 100);
		EXPECT_EQ(seen[3].wire_bytes, 500);
	}
}

static void
check_stamp(int resolution, uint64_t offset_s, uint64_t stamp, uint64_t expected_ns, bool has_nanoseconds)
{
	begin_file(false);
	put_interface(LINK_ETHERNET, 0, resolution, offset_s);
	put_enhanced(0, stamp, 20, 20, 0);
	EXPECT_EQ(build_read_bytes(&b, b.n, collect).packets, 1);
	EXPECT_EQ(seen[0].time_ns, expected_ns);
	EXPECT_EQ(seen[0].has_nanoseconds, has_nanoseconds);
}

TEST(stamps_in_every_unit_become_nanoseconds)
{
	const uint64_t s = UINT64_C(1700000000);

	check_stamp(6, 0, s * 1000000 + 7, s * NS_PER_S + 7000, false);
	check_stamp(9, 0, s * NS_PER_S + 7, s * NS_PER_S + 7, true);
	check_stamp(0, 0, s, s * NS_PER_S, false);
	check_stamp(3, 0, s * 1000 + 7, s * NS_PER_S + 7000000, false);
	check_stamp(12, 0, UINT64_C(1700000) * NS_PER_S * 1000 + 7001, UINT64_C(1700000) * NS_PER_S + 7, true);
	check_stamp(0x80 | 10, 0, (s << 10) + 512, s * NS_PER_S + NS_PER_S / 2, false);
	check_stamp(0x80 | 30, 0, (s << 30) + (1 << 29), s * NS_PER_S + NS_PER_S / 2, true);
	check_stamp(0x80 | 63, 0, UINT64_C(1) << 62, NS_PER_S / 2, true);
	check_stamp(0x80 | 127, 0, UINT64_MAX, 0, true);
	check_stamp(127, 0, UINT64_MAX, 0, true);
	/* An offset, also a negative one, and what would be before 1970 or after 2262. */
	check_stamp(6, s, 5, s * NS_PER_S + 5000, false);
	check_stamp(6, (uint64_t)-10, s * 1000000, (s - 10) * NS_PER_S, false);
	check_stamp(6, (uint64_t)-10, 5, 0, false);
	check_stamp(0, 0, UINT64_MAX, INT64_MAX, false);
	check_stamp(0, UINT64_C(1) << 63, UINT64_MAX, INT64_MAX, false);
}

TEST(interfaces_keep_their_own_link_type_and_unit)
{
	struct build_result r;

	begin_file(false);
	put_interface(LINK_RAW, 0, 9, 0);
	put_interface(LINK_LINUX_SLL, 0, 6, 0);
	put_enhanced(1, 5000000, 30, 30, 0);
	put_enhanced(0, 5000000000, 31, 31, 1);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT_EQ(r.packets, 2);
	EXPECT_EQ(seen[0].link_type, LINK_LINUX_SLL);
	EXPECT_EQ(seen[1].link_type, LINK_RAW);
	EXPECT_EQ(seen[0].time_ns, 5 * NS_PER_S);
	EXPECT_EQ(seen[1].time_ns, 5 * NS_PER_S);
}

TEST(a_new_section_turns_the_byte_order_and_forgets_the_interfaces)
{
	struct build_result r;

	begin_file(false);
	put_interface(LINK_RAW, 0, -1, 0);
	put_interface(LINK_RAW, 0, -1, 0);
	put_enhanced(1, 1, 30, 30, 0);
	put_section(true);
	put_interface(LINK_ETHERNET, 0, -1, 0);
	put_enhanced(0, 1, 30, 30, 1);
	put_enhanced(1, 1, 30, 30, 2); /* not described in this section */
	put_enhanced(0, 1, 30, 30, 2);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(!r.damaged && frames_right);
	EXPECT_EQ(r.packets, 3);
	EXPECT_EQ(r.skipped, 1);
	EXPECT_EQ(seen[1].link_type, LINK_ETHERNET);
}

TEST(info_is_that_of_the_first_interface)
{
	char path[64], why[100];
	struct capture_file *f;

	begin_file(true);
	put_other(0x0bad, 40);
	put_interface(LINK_LINUX_SLL2, 1234, 9, 0);
	put_interface(LINK_RAW, 0, 6, 0);
	f = capture_open(build_write(&b, b.n, path), why, sizeof(why));
	unlink(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_info(f)->link_type, LINK_LINUX_SLL2);
	EXPECT_EQ(capture_info(f)->snap_length, 1234);
	EXPECT(capture_info(f)->has_nanoseconds);
	EXPECT(!capture_info(f)->plain_pcap);
	capture_close(f);
}

TEST(blocks_that_are_too_long_are_passed_over)
{
	struct build_result r;

	begin_file(false);
	put_interface(LINK_ETHERNET, 0, -1, 0);
	put_enhanced(0, 1, 30, 30, 0);
	put_enhanced(0, 1, 65536, 65536, 9);   /* too long for a packet */
	put_enhanced(0, 1, 400000, 400000, 9); /* too long for the window */
	put_other(0x0bad, 300000);	       /* no packet: not counted */
	put_enhanced(0, 1, 65535, 65535, 1);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(!r.damaged && frames_right);
	EXPECT_EQ(r.packets, 2);
	EXPECT_EQ(r.skipped, 2);
}

TEST(lengths_that_lie_are_damage_at_their_block)
{
	struct build_result r;
	size_t at;

	/* The length at the end differs. */
	begin_file(false);
	put_interface(LINK_ETHERNET, 0, -1, 0);
	put_enhanced(0, 1, 30, 30, 0);
	at = b.n;
	put_enhanced(0, 1, 30, 30, 1);
	b.bytes[b.n - 4]++;
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT(r.damaged);
	EXPECT_EQ(r.packets, 1);
	EXPECT_EQ(r.offset, at);

	/* The packet is longer than its block. */
	b.bytes[b.n - 4]--;
	b.bytes[at + 20] = 200;
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT(r.damaged);
	EXPECT_EQ(r.packets, 1);
	EXPECT_EQ(r.offset, at);

	/* No block is that short, and all are multiples of 4. */
	for (uint8_t length = 0; length < 16; length += 1) {
		if (length == 12)
			continue;
		b.bytes[at + 4] = length;
		r = build_read_bytes(&b, b.n, NULL);
		EXPECT(r.damaged);
		EXPECT_EQ(r.offset, at);
	}
}

TEST(damage_before_the_first_interface_is_told_once)
{
	struct build_result r;

	begin_file(false);
	put32(&b, 1);
	put32(&b, 13);
	put32(&b, 0);
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT(r.opened && r.damaged);
	EXPECT_EQ(r.packets, 0);
	EXPECT_EQ(r.offset, 28);
}

TEST(options_that_run_out_of_their_block_are_ignored)
{
	struct build_result r;
	size_t at;

	begin_file(false);
	at = begin_block(1);
	put16(&b, LINK_ETHERNET);
	put16(&b, 0);
	put32(&b, 0);
	put16(&b, 9);
	put16(&b, 60000);
	put32(&b, 0x09090909);
	end_block(at);
	put_enhanced(0, 1, 30, 30, 0);
	r = build_read_bytes(&b, b.n, collect);
	EXPECT(!r.damaged);
	EXPECT_EQ(r.packets, 1);
	EXPECT_EQ(seen[0].time_ns, 1000);
}

TEST(a_file_of_many_interfaces_stays_bounded)
{
	struct build_result r;

	begin_file(false);
	for (unsigned i = 0; i < 70000; i++) {
		size_t at = begin_block(1);

		put16(&b, LINK_ETHERNET);
		put16(&b, 0);
		put32(&b, 0);
		end_block(at);
	}
	put_enhanced(65535, 1, 30, 30, 0);
	put_enhanced(65536, 1, 30, 30, 1);
	r = build_read_bytes(&b, b.n, NULL);
	EXPECT(!r.damaged);
	EXPECT_EQ(r.packets, 1);
	EXPECT_EQ(r.skipped, 1);
}

TEST(every_pcapng_truncation_is_refused_ends_or_is_damage)
{
	size_t boundary[8], n_boundaries = 0;

	begin_file(true);
	boundary[n_boundaries++] = b.n;
	put_interface(LINK_ETHERNET, 0, 9, 5);
	boundary[n_boundaries++] = b.n;
	put_enhanced(0, 1, 33, 33, 0);
	boundary[n_boundaries++] = b.n;
	put_old_packet(0, 1, 34, 1);
	boundary[n_boundaries++] = b.n;
	put_simple(35, 35, 2);
	boundary[n_boundaries++] = b.n;
	for (size_t n = 0; n <= b.n; n++) {
		struct build_result r = build_read_bytes(&b, n, collect);
		unsigned whole = 0;

		EXPECT_EQ(r.opened, n >= boundary[0]);
		if (n < boundary[0])
			continue;
		while (whole + 1 < n_boundaries && boundary[whole + 1] <= n)
			whole++;
		EXPECT_EQ(r.packets, whole > 1 ? whole - 1 : 0);
		EXPECT_EQ(r.damaged, n != boundary[whole]);
		if (r.damaged)
			EXPECT_EQ(r.offset, boundary[whole]);
	}
}
