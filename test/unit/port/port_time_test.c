/* Units of device stamps, told by the clock. */
#include "port_time.h"

#include "test.h"

static const uint64_t now_ns = UINT64_C(1763740000123456789);

static struct device_clock
clock_of(double ticks_per_ns, uint64_t ticks, uint64_t later_ns)
{
	struct device_clock c = {0};

	device_clock_add(&c, ticks, 5 * NS_PER_S, now_ns - later_ns);
	device_clock_add(&c, ticks + (uint64_t)((double)later_ns * ticks_per_ns), 5 * NS_PER_S + later_ns, now_ns);
	return c;
}

TEST(the_unit_is_what_brings_a_stamp_near_the_clock)
{
	struct device_clock none = {0}, slow = clock_of(0.078125, 1000000, NS_PER_S),
			    fast = clock_of(1.0, 77, NS_PER_S);

	EXPECT_EQ(stamp_detect(now_ns, now_ns, &none), STAMP_NS);
	EXPECT_EQ(stamp_detect(now_ns - 3600 * NS_PER_S, now_ns, &none), STAMP_NS);
	EXPECT_EQ(stamp_detect(now_ns + 37 * NS_PER_S, now_ns, &none), STAMP_NS); /* atomic time */
	EXPECT_EQ(stamp_detect(now_ns / 1000, now_ns, &none), STAMP_US);
	EXPECT_EQ(stamp_detect(1000000, now_ns, &slow), STAMP_TICKS);
	EXPECT_EQ(stamp_detect(NS_PER_S, now_ns, &fast), STAMP_TICKS);
	EXPECT_EQ(stamp_detect(now_ns, now_ns, &fast), STAMP_NS);
}

TEST(a_stamp_that_fits_nothing_has_no_unit)
{
	struct device_clock none = {0}, slow = clock_of(0.078125, 1000000, NS_PER_S);

	EXPECT_EQ(stamp_detect(0, now_ns, &none), STAMP_UNKNOWN);
	EXPECT_EQ(stamp_detect(1000000, now_ns, &none), STAMP_UNKNOWN);
	EXPECT_EQ(stamp_detect(now_ns / NS_PER_S, now_ns, &none), STAMP_UNKNOWN); /* seconds: nobody does */
	EXPECT_EQ(stamp_detect(now_ns + 48 * 3600 * NS_PER_S, now_ns, &none), STAMP_UNKNOWN);
	EXPECT_EQ(stamp_detect(UINT64_MAX, now_ns, &none), STAMP_UNKNOWN);
	/* A year of ticks away. */
	EXPECT_EQ(stamp_detect(1000000 + UINT64_C(2463750000000000), now_ns, &slow), STAMP_UNKNOWN);
}

TEST(ticks_become_time_at_the_measured_rate)
{
	/* 78.125 MHz: 12.8 ns a tick. */
	struct device_clock c = clock_of(0.078125, 1000000, 10 * NS_PER_S);
	uint64_t ticks_now = 1000000 + 781250000;

	EXPECT(c.ns_per_tick > 12.7999 && c.ns_per_tick < 12.8001);
	EXPECT_EQ(stamp_ns(STAMP_TICKS, ticks_now, &c), now_ns);
	EXPECT_EQ(stamp_ns(STAMP_TICKS, ticks_now + 1000, &c), now_ns + 12800);
	EXPECT_EQ(stamp_ns(STAMP_TICKS, ticks_now - 1000, &c), now_ns - 12800);
	EXPECT_EQ(stamp_ns(STAMP_NS, 77, &c), 77);
	EXPECT_EQ(stamp_ns(STAMP_US, 77, &c), 77000);
}

TEST(setting_the_wall_clock_moves_the_offset_and_not_the_rate)
{
	struct device_clock c = clock_of(1.0, 500, 10 * NS_PER_S);

	device_clock_add(&c, 500 + 11 * NS_PER_S, 16 * NS_PER_S, now_ns + 3600 * NS_PER_S);
	EXPECT(c.ns_per_tick > 0.999999 && c.ns_per_tick < 1.000001);
	EXPECT_EQ(stamp_ns(STAMP_TICKS, 500 + 11 * NS_PER_S + 5, &c), now_ns + 3600 * NS_PER_S + 5);
}

TEST(a_counter_that_was_reset_is_measured_anew)
{
	struct device_clock c = clock_of(1.0, 500000, 10 * NS_PER_S);

	device_clock_add(&c, 10, 30 * NS_PER_S, now_ns);
	EXPECT_EQ(stamp_detect(10, now_ns, &c), STAMP_UNKNOWN);
	device_clock_add(&c, 10 + NS_PER_S / 2, 31 * NS_PER_S, now_ns + NS_PER_S);
	EXPECT(c.ns_per_tick > 1.99 && c.ns_per_tick < 2.01);
}

TEST(a_captures_stamps_are_taken_as_they_are)
{
	struct device_clock none = {0};

	EXPECT_EQ(stamp_ns(STAMP_FILE, 0, &none), 0);
	EXPECT_EQ(stamp_ns(STAMP_FILE, 1700000005000007, &none), UINT64_C(1700000005000007000));
	EXPECT_EQ(stamp_ns(STAMP_FILE, UINT64_C(1700000005000000007), &none), UINT64_C(1700000005000000007));
}
