/* Stats documents against RECORD.md 7: every key, its type and its value. */
#include "stats_document.h"

#include <jansson.h>

#include "test.h"

static const struct stats_identity identity = {
	.version = "shrike 1.2.3", .node = "node1", .host = "node1.example.org", .start_s = 1700000000};
static const struct stats_totals former = {.packets = 1000, .kilobytes = 2000, .sessions = 3000, .dropped = 4000};

/* In all of them another number, so that no two can be mixed up. */
static const struct stats_gauges gauges = {
	.sessions = {11, 12, 13, 14, 15, 16},
	.sessions_all = 81,
	.closing = 17,
	.fragments = 18,
	.session_bytes = 19,
	.memory_bytes = 20000000,
	.memory_percent = 21.456,
	.disk_queue = 22,
	.sink_queue = 23,
	.packet_queue = 24,
	.record_queue = 25,
	.health_ms = 26,
	.used_megabytes = 27,
	.free_megabytes = 28,
	.free_percent = 29.999,
};
static const struct stats_counts now = {
	.packets = 5000000,
	.bytes = 6000999,
	.records = 7000,
	.dropped = 80,
	.overload_dropped = 9,
};
static const struct stats_counts delta = {
	.packets = 101,
	.bytes = 102,
	.received = 103,
	.received_bytes = 104,
	.stored_bytes = 105,
	.unstored_bytes = 106,
	.opened = 107,
	.records = 108,
	.records_bytes = 109,
	.dropped = 110,
	.fragments_dropped = 111,
	.overload_dropped = 112,
	.records_dropped = 113,
	.duplicates = 114,
	.cpu_ms = 2500,
};

/* RECORD.md 7, in its order. */
static const struct {
	const char *key, *text; /* as JSON */
} expected[] = {
	{"ver", "\"shrike 1.2.3\""},
	{"nodeName", "\"node1\""},
	{"hostname", "\"node1.example.org\""},
	{"interval", "5"},
	{"currentTime", "1700000123"},
	{"usedSpaceM", "27"},
	{"freeSpaceM", "28"},
	{"freeSpaceP", "30.00"},
	{"monitoring", "81"},
	{"memory", "20000000"},
	{"memoryP", "21.46"},
	{"cpu", "5000"},
	{"diskQueue", "22"},
	{"esQueue", "23"},
	{"packetQueue", "24"},
	{"fragsQueue", "0"},
	{"frags", "18"},
	{"needSave", "25"},
	{"closeQueue", "17"},
	{"totalPackets", "5001000"},
	{"totalK", "8000"},
	{"totalSessions", "10000"},
	{"totalDropped", "4089"},
	{"tcpSessions", "11"},
	{"udpSessions", "12"},
	{"icmpSessions", "13"},
	{"sctpSessions", "14"},
	{"espSessions", "15"},
	{"otherSessions", "16"},
	{"deltaPackets", "101"},
	{"deltaBytes", "102"},
	{"deltaWrittenBytes", "105"},
	{"deltaUnwrittenBytes", "106"},
	{"deltaSessions", "108"},
	{"deltaSessionBytes", "109"},
	{"deltaDropped", "110"},
	{"deltaFragsDropped", "111"},
	{"deltaOverloadDropped", "112"},
	{"deltaESDropped", "113"},
	{"deltaDupDropped", "114"},
	{"esHealthMS", "26"},
	{"deltaMS", "5000"},
	{"startTime", "1700000000"},
};

static struct stats_document
made_document(void)
{
	return (struct stats_document){.flavour = 1,
				       .wall_s = 1700000123,
				       .delta_ms = 5000,
				       .now = now,
				       .delta = delta,
				       .gauges = &gauges,
				       .identity = &identity,
				       .former = &former};
}

TEST(stats_document_has_every_key_of_the_reference_and_no_other)
{
	struct stats_document d = made_document();
	char wanted[4096] = "{";
	struct json j;
	size_t at = 1;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		at += (size_t)snprintf(wanted + at, sizeof(wanted) - at, "%s\"%s\":%s", i > 0 ? "," : "",
				       expected[i].key, expected[i].text);
	snprintf(wanted + at, sizeof(wanted) - at, "}");
	json_init(&j, EXPORT_STATS_JSON_BYTES_MAX);
	stats_document_write(&d, &j);
	EXPECT(!j.failed);
	json_bytes(&j, "", 1);
	EXPECT_STR(j.text, wanted);
	json_fini(&j);
}

TEST(stats_document_of_the_longest_names_is_whole_json)
{
	struct stats_document d = made_document();
	struct stats_identity long_names = identity;
	struct json j;
	json_t *read;
	char name[256];

	memset(name, '"', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	long_names.node = long_names.host = name;
	d.identity = &long_names;
	json_init(&j, EXPORT_STATS_JSON_BYTES_MAX);
	stats_document_write(&d, &j);
	REQUIRE(!j.failed);
	read = json_loadb(j.text, j.size, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(read != NULL);
	EXPECT_STR(json_string_value(json_object_get(read, "nodeName")), name);
	json_decref(read);
	json_fini(&j);
}

TEST(stats_document_of_no_time_has_no_infinite_numbers)
{
	struct stats_document d = made_document();
	struct stats_gauges odd = gauges;
	struct json j;
	json_t *read;

	odd.free_percent = 0.0 / 0.0 * -1;
	d.gauges = &odd;
	d.delta_ms = 0;
	json_init(&j, EXPORT_STATS_JSON_BYTES_MAX);
	stats_document_write(&d, &j);
	read = json_loadb(j.text, j.size, 0, NULL);
	REQUIRE(read != NULL);
	EXPECT_EQ(json_integer_value(json_object_get(read, "cpu")), 0);
	EXPECT(json_real_value(json_object_get(read, "freeSpaceP")) == 0);
	json_decref(read);
	json_fini(&j);
}

static void
expect_id(unsigned flavour, uint64_t wall_s, const char *wanted)
{
	char id[64];

	stats_document_id(flavour, "n", wall_s, id, sizeof(id));
	EXPECT_STR(id, wanted);
}

TEST(ids_of_dstats_documents_go_round_in_a_ring_of_1440)
{
	expect_id(0, 7199, "n");
	expect_id(1, 0, "n-0-5");
	expect_id(1, 7199, "n-1439-5");
	expect_id(1, 7200, "n-0-5");
	expect_id(1, 7206, "n-1-5");
	expect_id(2, 86399, "n-1439-60");
	expect_id(2, 86400, "n-0-60");
	expect_id(3, 864000 - 1, "n-1439-600");
	expect_id(3, 864000 + 600, "n-1-600");
}

TEST(stats_come_every_2_s_and_dstats_every_5_60_and_600_s)
{
	unsigned n[EXPORT_STATS_FLAVOURS] = {0};
	struct stats_schedule schedule;

	stats_schedule_begin(&schedule, 1200);
	EXPECT_EQ(stats_schedule_due(&schedule, 1200), 1); /* viewers need the host's name at once */
	EXPECT_EQ(stats_schedule_due(&schedule, 1200), 0);
	EXPECT_EQ(stats_schedule_due(&schedule, 1201), 0);
	EXPECT_EQ(stats_schedule_due(&schedule, 1202), 1);
	EXPECT_EQ(stats_schedule_due(&schedule, 1205), 3);
	EXPECT_EQ(stats_schedule_due(&schedule, 1260), 7);
	EXPECT_EQ(stats_schedule_due(&schedule, 1800), 15);
	for (uint64_t s = 1801; s <= 1800 + 6000; s++) {
		unsigned due = stats_schedule_due(&schedule, s);

		for (unsigned i = 0; i < EXPORT_STATS_FLAVOURS; i++)
			n[i] += due >> i & 1;
	}
	EXPECT_EQ(n[0], 3000);
	EXPECT_EQ(n[1], 1200);
	EXPECT_EQ(n[2], 100);
	EXPECT_EQ(n[3], 10);
}

TEST(periods_that_were_slept_through_give_one_document_and_a_clock_set_back_goes_on)
{
	struct stats_schedule schedule;

	stats_schedule_begin(&schedule, 100000);
	EXPECT_EQ(stats_schedule_due(&schedule, 200000), 15);
	EXPECT_EQ(stats_schedule_due(&schedule, 200001), 0);
	EXPECT_EQ(stats_schedule_due(&schedule, 50000), 15);
	EXPECT_EQ(stats_schedule_due(&schedule, 50001), 0);
	EXPECT_EQ(stats_schedule_due(&schedule, 50005), 3);
}

TEST(stats_of_the_first_two_seconds_of_a_minute_are_to_be_kept)
{
	EXPECT(stats_is_important(600));
	EXPECT(stats_is_important(601));
	EXPECT(!stats_is_important(602));
	EXPECT(!stats_is_important(659));
}

TEST(totals_go_on_from_the_document_before)
{
	static const char json[] = "{\"totalPackets\":5,\"totalK\":6,\"totalSessions\":7,\"totalDropped\":8,\"x\":9}";
	struct stats_totals t;

	stats_totals_parse(json, strlen(json), &t);
	EXPECT_EQ(t.packets, 5);
	EXPECT_EQ(t.kilobytes, 6);
	EXPECT_EQ(t.sessions, 7);
	EXPECT_EQ(t.dropped, 8);
	for (size_t n = 0; n < strlen(json); n++) {
		stats_totals_parse(json, n, &t);
		EXPECT_EQ(t.packets + t.kilobytes + t.sessions + t.dropped, 0);
	}
	stats_totals_parse("{\"totalPackets\":-5,\"totalK\":\"6\"}", 33, &t);
	EXPECT_EQ(t.packets + t.kilobytes, 0);
}
