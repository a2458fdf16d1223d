#include "counters.h"

#include "core/capture_stderr.h"
#include "counters_priv.h"
#include "test.h"

/* An account of our own would have to be in counters.h: LEDGER_STORED is used by nobody else in this program's tests
 * while these run. */
COUNTER(stored_in, "test.stored_in", "bytes in", LEDGER_STORED, LEDGER_IN);
COUNTER(stored_out, "test.stored_out", "bytes out", LEDGER_STORED, LEDGER_OUT);
COUNTER_LOSS(stored_lost, "test.stored_lost", "bytes lost", LEDGER_STORED);
COUNTER(note, "test.note", "in no account", LEDGER_NONE, LEDGER_IN);

static struct counters one, two;
static struct capture_stderr capture;

static void
begin(void)
{
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	counters_attach(&one, "one");
	counters_attach(&two, "two");
}

static void
end(void)
{
	counters_detach(&one);
	counters_detach(&two);
}

static uint64_t
gauge_value(const void *context)
{
	return *(const uint64_t *)context;
}

TEST(totals_are_the_sum_of_the_attached_arrays)
{
	begin();
	COUNTER_ADD(&one, stored_in, 5);
	COUNTER_ADD(&one, stored_in, 2);
	COUNTER_ADD(&two, stored_in, 10);
	COUNTER_SET(&two, note, 3);
	EXPECT_EQ(counters_total("test.stored_in"), 17);
	EXPECT_EQ(counter_total(&stored_in), 17);
	EXPECT_EQ(counters_total("test.note"), 3);
	EXPECT_EQ(counters_total("test.stored_out"), 0);
	EXPECT_EQ(counters_total("nobody.defined.this"), 0);
	counters_detach(&two);
	EXPECT_EQ(counters_total("test.stored_in"), 7);
	counters_attach(&two, "two");
	counters_attach(&two, "two"); /* Twice is once. */
	EXPECT_EQ(counters_total("test.stored_in"), 17);
	end();
}

TEST(every_counter_has_a_place_of_its_own)
{
	begin();
	EXPECT(COUNTER_INDEX(stored_in) != COUNTER_INDEX(stored_out));
	EXPECT(COUNTER_INDEX(stored_in) < REGISTRY_COUNT(counter));
	EXPECT(__start_registry_counter[COUNTER_INDEX(stored_in)] == &stored_in);
	EXPECT(__start_registry_counter[COUNTER_INDEX(note)] == &note);
	end();
}

TEST(an_account_balances_with_what_its_gauges_hold)
{
	uint64_t inside = 0;
	struct ledger_gauge gauge = {
		.name = "blocks", .account = LEDGER_STORED, .read = gauge_value, .context = &inside};

	begin();
	EXPECT_EQ(ledger_check(NULL), 0);
	ledger_gauge_attach(&gauge);
	COUNTER_ADD(&one, stored_in, 100);
	EXPECT_EQ(ledger_check(NULL), 1);
	COUNTER_ADD(&two, stored_out, 60);
	EXPECT_EQ(ledger_check(NULL), 1);
	inside = 40;
	EXPECT_EQ(ledger_check(NULL), 0);
	COUNTER_ADD(&two, stored_lost, 40);
	EXPECT_EQ(ledger_check(NULL), 1);
	inside = 0;
	EXPECT_EQ(ledger_check(NULL), 0);
	COUNTER_ADD(&two, note, 40); /* In no account. */
	EXPECT_EQ(ledger_check(NULL), 0);
	ledger_gauge_detach(&gauge);
	end();
}

static unsigned
check_text(char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");
	unsigned wrong;

	if (out == NULL)
		abort();
	wrong = ledger_check(out);
	fclose(out);
	return wrong;
}

TEST(an_imbalance_is_found_and_named)
{
	uint64_t inside = 3;
	struct ledger_gauge gauge = {
		.name = "blocks", .account = LEDGER_STORED, .read = gauge_value, .context = &inside};
	char text[1024] = "";

	begin();
	ledger_gauge_attach(&gauge);
	COUNTER_ADD(&one, stored_in, 100);
	COUNTER_ADD(&one, stored_out, 96);
	EXPECT_EQ(check_text(text, sizeof(text)), 1);
	EXPECT(strstr(text, "ledger: stored bytes do not add up: in 100, out 96, inside 3, 1 missing:") == text);
	EXPECT(strstr(text, " +test.stored_in=100") != NULL);
	EXPECT(strstr(text, " -test.stored_out=96") != NULL);
	EXPECT(strstr(text, " inside:blocks=3\n") != NULL);
	inside = 5;
	EXPECT_EQ(check_text(text, sizeof(text)), 1);
	EXPECT(strstr(text, "1 too many") != NULL);
	ledger_gauge_detach(&gauge);
	/* One gauge forgotten is an imbalance too. */
	EXPECT_EQ(check_text(text, sizeof(text)), 1);
	EXPECT(strstr(text, "4 missing") != NULL);
	end();
}

TEST(losses_are_only_what_is_marked)
{
	begin();
	COUNTER_ADD(&one, stored_out, 96);
	EXPECT_EQ(ledger_losses(), 0);
	COUNTER_ADD(&one, stored_lost, 4);
	COUNTER_ADD(&two, stored_lost, 1);
	EXPECT_EQ(ledger_losses(), 5);
	end();
}

struct walk {
	const char *last;
	unsigned n, unordered;
	uint64_t stored_in;
};

static void
walk(const struct counter *counter, uint64_t total, void *context)
{
	struct walk *w = context;

	if (w->last != NULL && strcmp(w->last, counter->name) >= 0)
		w->unordered++;
	w->last = counter->name;
	w->n++;
	if (counter == &stored_in)
		w->stored_in = total;
}

TEST(counters_are_given_in_the_order_of_their_names)
{
	struct walk w = {0};

	begin();
	COUNTER_ADD(&one, stored_in, 11);
	counters_each(walk, &w);
	EXPECT_EQ(w.unordered, 0);
	EXPECT_EQ(w.n, REGISTRY_COUNT(counter));
	EXPECT_EQ(w.stored_in, 11);
	end();
}

TEST(the_counters_of_this_program_are_valid)
{
	EXPECT(counters_validate());
}

TEST(a_name_twice_is_refused_and_named)
{
	static const struct counter a = {.name = "x.a", .help = "first"}, b = {.name = "x.b", .help = ""},
				    c = {.name = "x.a", .help = "second"};
	static const struct counter *const good[] = {&a, &b}, *const bad[] = {&a, &b, &c};

	EXPECT(counters_validate_list(good, 2));
	capture_stderr_begin(&capture);
	EXPECT(!counters_validate_list(bad, 3));
	capture_stderr_end(&capture);
	EXPECT(strstr(capture.text, "counters.duplicate name=x.a help=\"first\" help=\"second\"") != NULL);
}

TEST(more_counters_than_the_array_holds_are_refused)
{
	static struct counter counter[COUNTERS_MAX + 1];
	static char name[COUNTERS_MAX + 1][16];
	static const struct counter *list[COUNTERS_MAX + 1];

	for (unsigned i = 0; i <= COUNTERS_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "x.n%u", i);
		counter[i].name = name[i];
		counter[i].help = "";
		list[i] = &counter[i];
	}
	EXPECT(counters_validate_list(list, COUNTERS_MAX));
	capture_stderr_begin(&capture);
	EXPECT(!counters_validate_list(list, COUNTERS_MAX + 1));
	capture_stderr_end(&capture);
	EXPECT(strstr(capture.text, "counters.too_many counters=513 max=512") != NULL);
}

COUNTER(look_in, "test.look.in", "what came in", LEDGER_STORED, LEDGER_IN);
COUNTER(look_out, "test.look.out", "what went out", LEDGER_STORED, LEDGER_OUT);
COUNTER_LOSS(look_lost, "test.look.lost", "what was lost", LEDGER_STORED);

static uint64_t
look_inside(const void *context)
{
	return *(const uint64_t *)context;
}

TEST(account_is_read_with_what_is_inside_and_its_losses)
{
	static struct counters counters;
	uint64_t inside = 5;
	struct ledger_gauge gauge = {
		.name = "test.look.inside", .account = LEDGER_STORED, .read = look_inside, .context = &inside};
	uint64_t losses = ledger_account_losses(LEDGER_STORED), others = ledger_account_losses(LEDGER_RECORDS);
	struct ledger_balance before, now;

	ledger_read(LEDGER_STORED, &before);
	counters_attach(&counters, "test");
	ledger_gauge_attach(&gauge);
	COUNTER_ADD(&counters, look_in, 100);
	COUNTER_ADD(&counters, look_out, 92);
	COUNTER_ADD(&counters, look_lost, 3);
	ledger_read(LEDGER_STORED, &now);
	EXPECT_EQ(now.in_before - before.in_before, 100);
	EXPECT_EQ(now.inside - before.inside, 5);
	EXPECT_EQ(now.out - before.out, 95);
	EXPECT_EQ(now.in_after, now.in_before);
	EXPECT_EQ(ledger_account_losses(LEDGER_STORED) - losses, 3);
	EXPECT_EQ(ledger_account_losses(LEDGER_RECORDS), others);
	EXPECT_STR(ledger_account_name(LEDGER_STORED), "stored bytes");
	ledger_gauge_detach(&gauge);
	counters_detach(&counters);
}
