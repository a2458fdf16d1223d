#include "writer_fixture.h"

static const uint64_t start_ns = UINT64_C(1700000000000000000);

static bool
describe(void *context, uint32_t input, struct writer_input_info *info)
{
	static const char *const names[] = {"/captures/a.pcap", "/captures/b.pcap", "/captures/c.pcap"};

	(void)context;
	info->first_ns = 1;
	if (input == 1000) {
		info->absolute = "/captures/far.pcap";
		return true;
	}
	if (input == 1001) {
		info->absolute = "/captures/known.pcap";
		info->number = 77;
		return true;
	}
	if (input >= 3)
		return false;
	info->absolute = names[input];
	return true;
}

static void
start(struct fixture *f, unsigned n_workers)
{
	fixture_init(f);
	f->conf.effective_method = WRITER_INPLACE;
	f->params.input = describe;
	EXPECT(fixture_start(f, n_workers));
}

static struct packet
packet(uint32_t input, uint64_t position)
{
	return (struct packet){.input = input, .input_position = position, .time_ns = start_ns + position};
}

TEST(in_place_positions_are_those_in_the_input_and_documents_name_it)
{
	struct fixture f;
	struct packet p = packet(0, 24), q = packet(2, 4711);

	start(&f, 1);
	EXPECT(writer_stream_room(f.stream[0], 64));
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 1);
	EXPECT_EQ(p.position, 24);
	p = packet(0, 100);
	EXPECT(writer_append(f.stream[0], &p, 1));
	EXPECT_EQ(p.file, 1);
	EXPECT_EQ(p.position, 100);
	EXPECT(writer_append(f.stream[0], &q, 1));
	EXPECT_EQ(q.file, 2);
	fixture_finish(&f);
	REQUIRE(f.n_created == 2);
	EXPECT_STR(f.created[0]->name, "/captures/a.pcap");
	EXPECT_STR(f.created[1]->name, "/captures/c.pcap");
	EXPECT_EQ(f.created[0]->first_ns, start_ns + 24);
	EXPECT_EQ(f.created[0]->file_bytes, 0);
	EXPECT(f.created[0]->in_place && f.created[0]->locked && f.created[0]->gap_positions);
	EXPECT_EQ(f.n_closed, 0);
	for (uint32_t i = 0; i < 3; i++)
		writer_input_closed(f.writer, i, 5000 + i, 60 + i, start_ns + 7);
	EXPECT(writer_idle(f.writer));
	fixture_take_events(&f);
	/* Nothing of input 1 was stored: it has no document. */
	REQUIRE(f.n_closed == 2);
	EXPECT_EQ(f.closed[1]->number, 2);
	EXPECT_EQ(f.closed[1]->file_bytes, 5002);
	EXPECT_EQ(f.closed[1]->packets_bytes, 5002);
	EXPECT_EQ(f.closed[1]->packets, 62);
	EXPECT_EQ(f.closed[1]->last_ns, start_ns + 7);
	EXPECT_EQ(f.closed[0]->sessions_started, 1);
	EXPECT_EQ(f.closed[0]->sessions_present, 1);
	EXPECT_EQ(f.closed[1]->sessions_started, 0);
	EXPECT_EQ(f.closed[1]->sessions_present, 1);
	EXPECT_EQ(writer_memory_bytes(&f.conf, 1), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(in_place_all_workers_use_the_number_of_the_first)
{
	struct fixture f;

	start(&f, 3);
	for (unsigned i = 0; i < 12; i++) {
		struct packet p = packet(i / 6, 24 + i);

		EXPECT(writer_append(f.stream[i % 3], &p, 0));
		EXPECT_EQ(p.file, i / 6 + 1);
	}
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 2);
	writer_input_closed(f.writer, 1, 1, 1, 1);
	fixture_take_events(&f);
	REQUIRE(f.n_closed == 1);
	EXPECT_EQ(f.closed[0]->sessions_started, 6);
	EXPECT_EQ(atomic_load(&f.numbers), 2);
	fixture_stop(&f);
}

TEST(in_place_a_packet_waits_for_the_number_of_its_input)
{
	struct fixture f;
	struct packet p = packet(0, 24);

	start(&f, 1);
	f.numbers_max = 0;
	EXPECT(!writer_append(f.stream[0], &p, 0));
	EXPECT(!writer_stream_room(f.stream[0], 1));
	fixture_take_events(&f);
	EXPECT_EQ(f.n_created, 0);
	f.numbers_max = 1;
	EXPECT(writer_stream_room(f.stream[0], 1));
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 1);
	p = packet(1, 24);
	EXPECT(!writer_append(f.stream[0], &p, 1));
	EXPECT_EQ(ledger_losses(), 0);
	f.numbers_max = 2;
	EXPECT(writer_append(f.stream[0], &p, 1));
	EXPECT_EQ(p.file, 2);
	fixture_stop(&f);
}

TEST(in_place_unlocked_and_ungapped_when_asked_for)
{
	struct fixture f;
	struct packet p = packet(0, 24);

	fixture_init(&f);
	f.conf.effective_method = WRITER_INPLACE;
	f.conf.lock_input_files = f.conf.gap_positions = false;
	f.params.input = describe;
	REQUIRE(fixture_start(&f, 1));
	EXPECT(writer_append(f.stream[0], &p, 0));
	fixture_finish(&f);
	REQUIRE(f.n_created == 1);
	EXPECT(!f.created[0]->locked && !f.created[0]->gap_positions);
	fixture_stop(&f);
}

TEST(in_place_dry_run_has_positions_but_no_numbers_and_no_documents)
{
	struct fixture f;
	struct packet p = packet(0, 99);

	fixture_init(&f);
	f.conf.effective_method = WRITER_INPLACE;
	f.conf.dry_run = true;
	f.params.input = describe;
	REQUIRE(fixture_start(&f, 1));
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 0);
	EXPECT_EQ(p.position, 99);
	writer_input_closed(f.writer, 0, 1, 1, 1);
	fixture_finish(&f);
	EXPECT_EQ(f.n_created + f.n_closed, 0);
	EXPECT_EQ(atomic_load(&f.numbers), 0);
	fixture_stop(&f);
}

TEST(in_place_inputs_may_be_many_and_without_a_name)
{
	struct fixture f;
	struct packet p = packet(1000, 24), q = packet(5, 24);

	start(&f, 1);
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 1);
	EXPECT(writer_append(f.stream[0], &q, 0));
	EXPECT_EQ(q.position, 0);
	EXPECT_EQ(counters_total("writer.not_stored_no_name"), 1);
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 1);
	fixture_finish(&f);
	fixture_stop(&f);
}

/* Inputs with and without a name in turn: the one is pointed into, the other copied. */
TEST(in_place_inputs_without_a_name_are_copied_when_asked_for)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.effective_method = WRITER_INPLACE;
	f.conf.copy_unnamed = true;
	f.conf.n_blocks = 2;
	f.params.input = describe;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 2000; i++) {
		struct packet p = fixture_packet(i + 1, 3000, start_ns + i);

		p.input = i / 500 % 2 == 0 ? 5 : 1;
		p.input_position = 24 + i;
		while (!writer_stream_room(f.stream[0], 64) || !writer_append(f.stream[0], &p, 0))
			writer_poll(f.writer);
		if (p.input == 5) {
			EXPECT_EQ(p.file, 1);
			fixture_note(&f, &p, i + 1);
		} else {
			EXPECT_EQ(p.file, 2);
			EXPECT_EQ(p.position, 24 + i);
		}
	}
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 2);
	EXPECT_EQ(f.n_closed, 1);
	EXPECT_EQ(fixture_missing(&f), 0);
	EXPECT_EQ(counters_total("writer.not_stored_no_name"), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(in_place_an_input_with_a_document_keeps_its_number)
{
	struct fixture f;
	struct packet p = packet(1001, 24);

	start(&f, 1);
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 77);
	fixture_finish(&f);
	writer_input_closed(f.writer, 1001, 9, 8, 7);
	fixture_take_events(&f);
	EXPECT_EQ(f.n_created, 0);
	REQUIRE(f.n_closed == 1);
	EXPECT_EQ(f.closed[0]->number, 77);
	EXPECT_EQ(atomic_load(&f.numbers), 0);
	fixture_stop(&f);
}
