/* The ladder: in which order, how fast, and how it comes back. */
#include "overload.h"

#include "clock.h"
#include "core/capture_stderr.h"
#include "test.h"

static const struct overload_conf conf = {.enabled = true, .high_percent = 80, .low_percent = 40, .calm_ms = 1000};
static struct counters counters;
static struct overload o;
static uint64_t now_ns, lost;
static struct capture_stderr captured;

static void
begin(void)
{
	memset(&counters, 0, sizeof(counters));
	overload_init(&o, &conf, &counters);
	now_ns = 100 * NS_PER_S;
	lost = 0;
}

/* 'ms' milliseconds in which one thing is that full. */
static unsigned
stay(enum overload_signal signal, unsigned percent, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		struct overload_view view = {.lost = lost};

		view.percent[signal] = (uint8_t)percent;
		now_ns += NS_PER_MS;
		overload_look(&o, &view, now_ns);
	}
	return overload_stage(&o);
}

static uint64_t
count(const char *name)
{
	uint64_t total;

	counters_attach(&counters, "test");
	total = counters_total(name);
	counters_detach(&counters);
	return total;
}

TEST(what_is_given_up_goes_one_step_at_a_time_in_the_stated_order)
{
	unsigned seen[16], n = 0, before = OVERLOAD_NONE;

	begin();
	for (unsigned i = 0; i < 200 && n < 16; i++) {
		unsigned stage = stay(OVERLOAD_QUEUE, 100, 1);

		if (stage != before)
			seen[n++] = stage;
		before = stage;
	}
	REQUIRE(n == 3);
	EXPECT_EQ(seen[0], OVERLOAD_NO_PARSING);
	EXPECT_EQ(seen[1], OVERLOAD_HEADERS_ONLY);
	EXPECT_EQ(seen[2], OVERLOAD_NO_RECORDS);
	EXPECT_EQ(count("overload.steps_up"), 3);
	EXPECT(count("overload.shedding_ms") > 100);
}

TEST(any_of_the_things_that_fill_up_will_do)
{
	for (unsigned signal = 0; signal < OVERLOAD_SIGNALS; signal++) {
		begin();
		EXPECT_EQ(stay((enum overload_signal)signal, 80, 30), OVERLOAD_NO_PARSING);
	}
}

TEST(a_burst_that_a_queue_is_there_for_changes_nothing)
{
	begin();
	for (unsigned i = 0; i < 20; i++) {
		stay(OVERLOAD_QUEUE, 100, 15);
		EXPECT_EQ(stay(OVERLOAD_QUEUE, 60, 5), OVERLOAD_NONE);
	}
	EXPECT_EQ(stay(OVERLOAD_QUEUE, 79, 10000), OVERLOAD_NONE);
	EXPECT_EQ(count("overload.steps_up"), 0);
	EXPECT_EQ(count("overload.shedding_ms"), 0);
}

TEST(between_the_marks_it_stays_as_it_is_and_below_it_comes_back_step_by_step)
{
	begin();
	stay(OVERLOAD_BLOCKS, 90, 50);
	REQUIRE(overload_stage(&o) == OVERLOAD_HEADERS_ONLY);
	EXPECT_EQ(stay(OVERLOAD_BLOCKS, 60, 5000), OVERLOAD_HEADERS_ONLY);
	EXPECT_EQ(stay(OVERLOAD_BLOCKS, 39, 990), OVERLOAD_HEADERS_ONLY);
	EXPECT_EQ(stay(OVERLOAD_BLOCKS, 39, 20), OVERLOAD_NO_PARSING);
	EXPECT_EQ(stay(OVERLOAD_BLOCKS, 39, 980), OVERLOAD_NO_PARSING);
	EXPECT_EQ(stay(OVERLOAD_BLOCKS, 39, 30), OVERLOAD_NONE);
	EXPECT_EQ(count("overload.steps_down"), 2);
}

TEST(calm_has_to_last_on_end)
{
	begin();
	stay(OVERLOAD_CHUNKS, 90, 30);
	for (unsigned i = 0; i < 10; i++) {
		EXPECT_EQ(stay(OVERLOAD_CHUNKS, 10, 900), OVERLOAD_NO_PARSING);
		stay(OVERLOAD_CHUNKS, 50, 1);
	}
	EXPECT_EQ(stay(OVERLOAD_CHUNKS, 10, 1010), OVERLOAD_NONE);
}

TEST(a_load_that_comes_back_at_once_is_waited_for_longer)
{
	begin();
	stay(OVERLOAD_RING, 100, 30);
	EXPECT_EQ(stay(OVERLOAD_RING, 0, 1010), OVERLOAD_NONE);
	EXPECT_EQ(stay(OVERLOAD_RING, 100, 30), OVERLOAD_NO_PARSING);
	EXPECT_EQ(stay(OVERLOAD_RING, 0, 1990), OVERLOAD_NO_PARSING);
	EXPECT_EQ(stay(OVERLOAD_RING, 0, 20), OVERLOAD_NONE);
	/* Never more than a minute. */
	for (unsigned i = 0; i < 12; i++) {
		stay(OVERLOAD_RING, 100, 30);
		stay(OVERLOAD_RING, 0, 60010);
		EXPECT_EQ(overload_stage(&o), OVERLOAD_NONE);
	}
	/* After a minute of peace it begins again with what the setting says. */
	stay(OVERLOAD_RING, 0, 61000);
	stay(OVERLOAD_RING, 100, 30);
	EXPECT_EQ(stay(OVERLOAD_RING, 0, 1010), OVERLOAD_NONE);
}

TEST(packets_that_a_device_lost_are_a_step_each_time_it_is_known)
{
	begin();
	lost = 1000; /* before the first look: of an earlier time */
	EXPECT_EQ(stay(OVERLOAD_QUEUE, 0, 500), OVERLOAD_NONE);
	lost = 1001;
	EXPECT_EQ(stay(OVERLOAD_QUEUE, 0, 500), OVERLOAD_NO_PARSING);
	lost = 1002;
	EXPECT_EQ(stay(OVERLOAD_QUEUE, 0, 500), OVERLOAD_HEADERS_ONLY);
}

TEST(a_queue_that_is_never_found_empty_is_a_step)
{
	struct overload_view view = {.never_idle = true};

	begin();
	EXPECT(overload_look(&o, &view, now_ns + NS_PER_MS));
	EXPECT_EQ(overload_stage(&o), OVERLOAD_NO_PARSING);
}

TEST(every_step_is_told_with_its_cause)
{
	const char *text;

	begin();
	capture_stderr_begin(&captured);
	overload_report(&o, 3);
	stay(OVERLOAD_CHUNKS, 93, 50);
	overload_report(&o, 3);
	overload_report(&o, 3);
	stay(OVERLOAD_CHUNKS, 0, 2050);
	overload_report(&o, 3);
	text = capture_stderr_end(&captured);
	text = strstr(text,
		      "warn overload.sheds worker=3 stage=no-parsing before=none because=record-memory percent=93");
	REQUIRE(text != NULL);
	text = strstr(text, "overload.sheds worker=3 stage=headers-only before=no-parsing");
	REQUIRE(text != NULL);
	EXPECT(strstr(text + 1, "overload.sheds") == NULL);
	text = strstr(text, "overload.recovers worker=3 stage=no-parsing before=headers-only");
	REQUIRE(text != NULL);
	EXPECT(strstr(text, "overload.recovers worker=3 stage=none before=no-parsing") != NULL);
}

TEST(marks_in_the_wrong_order_are_refused)
{
	const struct overload_conf wrong = {.high_percent = 50, .low_percent = 50};
	char why[128] = "";

	EXPECT(!overload_conf_check(&wrong, why, sizeof(why)));
	EXPECT_STR(why, "overloadLow=50 is not less than overloadHigh=50");
	EXPECT(overload_conf_check(&conf, why, sizeof(why)));
}
