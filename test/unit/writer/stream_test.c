#include "writer_fixture.h"

#include <pthread.h>

static const uint64_t start_ns = UINT64_C(1700000000123456789);

/* Mostly ordinary sizes, and all that is allowed. */
static uint32_t
random_length(uint64_t *state)
{
	uint64_t r = fixture_random(state);

	if (r % 8 == 0)
		return 1 + (uint32_t)(fixture_random(state) % PACKET_BYTES_MAX);
	if (r % 97 == 1)
		return PACKET_BYTES_MAX;
	return 1 + (uint32_t)(r >> 8) % 1600;
}

/* Packets in turn to the streams. The session of packet i is i / 7. */
static void
append_random(struct fixture *f, unsigned n_streams, unsigned n)
{
	uint64_t state = n_streams;
	uint32_t session_file[FIXTURE_STREAMS] = {0};

	for (unsigned i = 0; i < n; i++) {
		unsigned stream = i % n_streams;
		struct packet p = fixture_packet(i + 1, random_length(&state), start_ns + i * UINT64_C(1000003));

		p.has_nanoseconds = true;
		fixture_append(f, stream, &p, i + 1, i / n_streams % 7 == 0 ? 0 : session_file[stream]);
		session_file[stream] = p.file;
	}
}

static void
expect_files_right(struct fixture *f)
{
	uint64_t packets = 0;

	EXPECT_EQ(f->n_created, f->n_closed);
	for (unsigned i = 0; i < f->n_closed; i++) {
		const struct file_event *created = fixture_event(f->created, f->n_created, f->closed[i]->number);

		REQUIRE(created != NULL);
		EXPECT_STR(created->name, f->closed[i]->name);
		EXPECT_EQ(fixture_file_bytes(created->name), f->closed[i]->file_bytes);
		EXPECT_EQ(f->closed[i]->packets_bytes, f->closed[i]->file_bytes);
		EXPECT(!created->locked && !created->in_place && created->gap_positions);
		EXPECT(f->closed[i]->finish_ns >= created->start_ns);
		EXPECT(fixture_pcap_agrees(f, created));
		packets += f->closed[i]->packets;
	}
	EXPECT_EQ(packets, f->n_stored);
}

static void
expect_everything_read_back(unsigned n_streams, bool no_uring, enum writer_method method)
{
	struct fixture f;
	unsigned n = 4000 * n_streams;

	fixture_init(&f);
	f.params.no_uring = no_uring;
	f.conf.effective_method = method;
	f.conf.n_blocks = 2 * n_streams;
	REQUIRE(fixture_start(&f, n_streams));
	append_random(&f, n_streams, n);
	fixture_finish(&f);
	EXPECT_EQ(f.n_stored, n);
	EXPECT(f.n_created >= 2 * n_streams);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	EXPECT_EQ(counters_total("writer.stored_packets"), n);
	EXPECT_EQ(counters_total("writer.written_packets"), n);
	EXPECT_EQ(counters_total("writer.stored_bytes"), counters_total("writer.written_bytes"));
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(ledger_losses(), 0);
	fixture_stop(&f);
}

TEST(every_packet_of_one_stream_is_read_back_at_its_position)
{
	expect_everything_read_back(1, false, WRITER_SIMPLE);
}

TEST(every_packet_of_two_streams_is_read_back_at_its_position)
{
	expect_everything_read_back(2, false, WRITER_SIMPLE);
}

TEST(every_packet_of_four_streams_is_read_back_at_its_position)
{
	expect_everything_read_back(4, false, WRITER_SIMPLE);
}

TEST(every_packet_is_read_back_without_io_uring)
{
	expect_everything_read_back(2, true, WRITER_SIMPLE);
}

TEST(every_packet_is_read_back_without_direct_writes)
{
	expect_everything_read_back(2, false, WRITER_SIMPLE_NODIRECT);
}

TEST(every_length_around_a_page_keeps_its_position)
{
	struct fixture f;
	uint64_t seed = 1;

	fixture_init(&f);
	REQUIRE(fixture_start(&f, 1));
	for (uint32_t length = 0; length < 3 * WRITER_PAGE_BYTES; length += length % 64 < 3 ? 1 : 29) {
		struct packet p = fixture_packet(seed, length, start_ns);

		fixture_append(&f, 0, &p, seed, 0);
		seed++;
	}
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

/* A file that ends exactly at a page, and exactly at a block. */
TEST(a_file_that_ends_at_a_page_or_a_block_is_whole)
{
	static const uint32_t ends[] = {WRITER_PAGE_BYTES, 2 * WRITER_PAGE_BYTES, WRITER_BLOCK_BYTES,
					WRITER_BLOCK_BYTES + 1, WRITER_BLOCK_BYTES - 1};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct fixture f;
		uint32_t left = ends[i] - WRITER_FILE_HEADER_BYTES;

		fixture_init(&f);
		REQUIRE(fixture_start(&f, 1));
		for (uint64_t seed = 1; left > 0; seed++) {
			uint32_t size = left > 9000 ? 8000 : left;
			struct packet p = fixture_packet(seed, size - WRITER_RECORD_BYTES, start_ns);

			fixture_append(&f, 0, &p, seed, 0);
			left -= size;
		}
		fixture_finish(&f);
		EXPECT_EQ(f.n_closed, 1);
		EXPECT_EQ(f.closed[0]->file_bytes, ends[i]);
		EXPECT_EQ(fixture_missing(&f), 0);
		expect_files_right(&f);
		EXPECT_EQ(ledger_check(stdout), 0);
		fixture_stop(&f);
	}
}

TEST(a_partial_block_is_on_disk_after_ten_seconds_and_the_file_goes_on)
{
	struct fixture f;
	uint64_t bytes;

	fixture_init(&f);
	REQUIRE(fixture_start(&f, 1));
	fixture_tick(&f, NS_PER_S);
	append_random(&f, 1, 20);
	fixture_tick(&f, 9 * NS_PER_S);
	fixture_settle(&f);
	REQUIRE(f.n_created == 1);
	EXPECT_EQ(fixture_file_bytes(f.created[0]->name), 0);
	fixture_tick(&f, 2 * NS_PER_S);
	fixture_settle(&f);
	bytes = fixture_file_bytes(f.created[0]->name);
	EXPECT(bytes > 0 && bytes % WRITER_PAGE_BYTES == 0);
	EXPECT(bytes + WRITER_PAGE_BYTES >= f.stored[19].position + WRITER_RECORD_BYTES + f.stored[19].length);
	EXPECT_EQ(counters_total("writer.partial_blocks"), 1);
	/* What is held now is the last page. */
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT(counters_total("writer.written_bytes") < counters_total("writer.stored_bytes"));
	append_random(&f, 1, 500);
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

/* Lines that wait in the stage, behind its end too, are not lost with it. */
TEST(a_block_may_leave_and_a_file_end_after_any_packet)
{
	for (unsigned i = 0; i < 48; i++) {
		struct fixture f;
		uint64_t state = i + 1;

		fixture_init(&f);
		REQUIRE(fixture_start(&f, 1));
		for (unsigned seed = 1; seed <= 40 + i; seed++) {
			struct packet p = fixture_packet(seed, (uint32_t)(fixture_random(&state) % 1600), start_ns);

			fixture_append(&f, 0, &p, seed, 0);
			if (seed % (3 + i % 5) == 0)
				fixture_tick(&f, 11 * NS_PER_S);
		}
		EXPECT(counters_total("writer.partial_blocks") > 0);
		fixture_finish(&f);
		EXPECT_EQ(fixture_missing(&f), 0);
		expect_files_right(&f);
		EXPECT_EQ(ledger_check(stdout), 0);
		fixture_stop(&f);
	}
}

TEST(link_types_and_resolutions_have_files_of_their_own)
{
	static const uint16_t types[] = {1, 101, 113, 127, 228, 229, 276, 9, 0, 104, 12, 50};
	struct fixture f;

	fixture_init(&f);
	f.conf.n_blocks = 2;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 3000; i++) {
		/* Two neighbours alternate, then the pair moves on: both lookups and evictions happen. */
		unsigned kind = i / 50 % 12 + i % 2;
		struct packet p = fixture_packet(i + 1, 700, start_ns + i);

		p.link_type = types[kind % 12];
		p.has_nanoseconds = kind % 3 == 0;
		fixture_append(&f, 0, &p, i + 1, 0);
	}
	fixture_finish(&f);
	EXPECT(f.n_created > WRITER_OPEN_FILES);
	EXPECT_EQ(f.n_stored, 3000);
	EXPECT_EQ(fixture_missing(&f), 0);
	for (unsigned i = 0; i < f.n_created; i++) {
		uint32_t header[6];
		int fd = open(f.created[i]->name, O_RDONLY | O_CLOEXEC);

		EXPECT(fd >= 0 && fixture_read(fd, header, sizeof(header), 0));
		close(fd);
		EXPECT_EQ(header[1], 4 << 16 | 2);
		EXPECT_EQ(header[4], PACKET_BYTES_MAX);
		for (unsigned j = 0; j < f.n_stored; j++)
			if (f.stored[j].file == f.created[i]->number)
				EXPECT_EQ(header[5], f.stored[j].link_type == 12 ? 101 : f.stored[j].link_type);
	}
	expect_files_right(&f);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(the_second_length_is_the_captured_one_when_asked_for)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.wire_length = false;
	REQUIRE(fixture_start(&f, 1));
	append_random(&f, 1, 100);
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	fixture_stop(&f);
}

TEST(live_packets_are_cut_to_the_snap_length_of_the_file)
{
	struct fixture f;
	struct packet p;
	uint32_t record[4], header[6];
	int fd;

	fixture_init(&f);
	f.conf.live = true;
	f.conf.snap_length = 200;
	REQUIRE(fixture_start(&f, 1));
	p = fixture_packet(1, 1000, start_ns);
	fixture_append(&f, 0, &p, 1, 0);
	fixture_finish(&f);
	REQUIRE(f.n_created == 1);
	fd = open(f.created[0]->name, O_RDONLY | O_CLOEXEC);
	EXPECT(fixture_read(fd, header, sizeof(header), 0) && fixture_read(fd, record, sizeof(record), p.position));
	close(fd);
	EXPECT_EQ(header[4], 200);
	EXPECT_EQ(record[2], 200);
	EXPECT_EQ(record[3], p.wire_bytes);
	EXPECT_EQ(f.closed[0]->file_bytes, 24 + 16 + 200);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(files_rotate_by_packet_time_checked_for_every_packet)
{
	struct fixture f;
	static const uint64_t seconds[] = {0, 30, 59, 60, 61, 119, 10, 120, 400};
	static const uint32_t file[] = {1, 1, 1, 2, 2, 2, 2, 3, 4};

	fixture_init(&f);
	f.conf.file_time_max_min = 1;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 9; i++) {
		struct packet p = fixture_packet(i + 1, 60, start_ns + seconds[i] * NS_PER_S);

		fixture_append(&f, 0, &p, i + 1, 0);
		EXPECT_EQ(p.file, file[i]);
	}
	fixture_finish(&f);
	EXPECT_EQ(f.n_closed, 4);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	fixture_stop(&f);
}

TEST(live_a_file_without_packets_gets_old_too)
{
	struct fixture f;
	struct packet p;

	fixture_init(&f);
	f.conf.live = true;
	f.conf.file_time_max_min = 1;
	REQUIRE(fixture_start(&f, 1));
	fixture_tick(&f, NS_PER_S);
	p = fixture_packet(1, 60, start_ns);
	fixture_append(&f, 0, &p, 1, 0);
	fixture_tick(&f, 59 * NS_PER_S);
	fixture_settle(&f);
	EXPECT_EQ(f.n_closed, 0);
	fixture_tick(&f, 2 * NS_PER_S);
	fixture_settle(&f);
	EXPECT_EQ(f.n_closed, 1);
	fixture_stop(&f);
}

TEST(a_replay_waits_for_a_file_number_and_nothing_changes_meanwhile)
{
	struct fixture f;
	struct packet p;

	fixture_init(&f);
	f.numbers_max = 0;
	REQUIRE(fixture_start(&f, 1));
	p = fixture_packet(1, 100, start_ns);
	EXPECT(writer_stream_room(f.stream[0], 64));
	EXPECT(!writer_append(f.stream[0], &p, 0));
	EXPECT(!writer_stream_room(f.stream[0], 64));
	f.numbers_max = 1;
	EXPECT(writer_stream_room(f.stream[0], 64));
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 1);
	EXPECT_EQ(p.position, WRITER_FILE_HEADER_BYTES);
	EXPECT_EQ(ledger_losses(), 0);
	/* Another link type needs another file. */
	p.link_type = LINK_RAW;
	EXPECT(!writer_append(f.stream[0], &p, 0));
	f.numbers_max = 2;
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.file, 2);
	fixture_finish(&f);
	EXPECT_EQ(counters_total("writer.stored_packets"), 2);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(live_a_packet_without_file_number_is_not_stored_and_counted)
{
	struct fixture f;
	struct packet p;

	fixture_init(&f);
	f.numbers_max = 0;
	f.conf.live = true;
	REQUIRE(fixture_start(&f, 1));
	p = fixture_packet(1, 100, start_ns);
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.position, 0);
	EXPECT_EQ(p.file, 0);
	EXPECT_EQ(counters_total("writer.not_stored_no_number"), 1);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(a_file_grows_beyond_its_size_while_no_number_is_ready)
{
	struct fixture f;
	unsigned n = 0;

	fixture_init(&f);
	f.numbers_max = 1;
	f.conf.live = true;
	REQUIRE(fixture_start(&f, 1));
	for (; n < 400; n++) {
		struct packet p = fixture_packet(n + 1, 16000 * 2, start_ns);

		p.captured_bytes = p.store_bytes = 16000;
		fixture_append(&f, 0, &p, n + 1, 0);
		if (n % 8 == 0)
			writer_poll(f.writer);
		if (n == 350)
			f.numbers_max = 2;
	}
	for (; n < 1100; n++) {
		struct packet p = fixture_packet(n + 1, 16000, start_ns);

		fixture_append(&f, 0, &p, n + 1, 0);
		fixture_settle(&f);
	}
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 2);
	EXPECT_EQ(fixture_missing(&f), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(counters_total("writer.not_stored_no_number"), 0);
	fixture_stop(&f);
}

/* Without a writer that runs the blocks come to an end. */
TEST(live_a_packet_without_block_is_not_stored_and_counted)
{
	struct fixture f;
	unsigned not_stored = 0;

	fixture_init(&f);
	f.conf.live = true;
	f.conf.n_blocks = 3;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 600; i++) {
		struct packet p = fixture_packet(i + 1, 16384, start_ns);

		EXPECT(writer_append(f.stream[0], &p, 0));
		if (p.position == 0)
			not_stored++;
		else
			fixture_note(&f, &p, i + 1);
	}
	EXPECT(not_stored > 100);
	EXPECT_EQ(counters_total("writer.not_stored_no_block"), not_stored);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

/* A writer may be in a system call for long. What no worker owns is there for the one that runs short, and what another
 * owns is not. */
TEST(live_a_worker_has_the_reserve_while_the_writer_does_not_run)
{
	enum { BLOCKS = 12, OWN = 4, PACKET_BYTES = 16384 };
	const unsigned usable = BLOCKS - OWN, packets = usable * (WRITER_BLOCK_BYTES / PACKET_BYTES) + 200;
	struct fixture f;
	unsigned stored = 0;

	fixture_init(&f);
	f.conf.live = true;
	f.conf.n_blocks = BLOCKS;
	f.conf.file_size_max_gib = 1;
	REQUIRE(fixture_start(&f, 2));
	EXPECT_EQ(writer_stream_used_percent(f.stream[0]), 0);
	for (unsigned i = 0; i < packets; i++) {
		struct packet p = fixture_packet(i + 1, PACKET_BYTES, start_ns);

		EXPECT(writer_append(f.stream[0], &p, 0));
		if (p.position == 0)
			continue;
		stored++;
		fixture_note(&f, &p, i + 1);
	}
	EXPECT((uint64_t)stored * (PACKET_BYTES + WRITER_RECORD_BYTES) >
	       usable * WRITER_BLOCK_BYTES - 2 * PACKET_BYTES);
	EXPECT_EQ(writer_stream_used_percent(f.stream[0]), 100);
	EXPECT(writer_stream_room(f.stream[1], 64));
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(a_replay_without_block_waits_and_says_so)
{
	struct fixture f;
	unsigned i = 0;
	struct packet p;

	fixture_init(&f);
	f.conf.n_blocks = 2;
	REQUIRE(fixture_start(&f, 1));
	for (;; i++) {
		p = fixture_packet(i + 1, 60000, start_ns);
		if (!writer_append(f.stream[0], &p, 0))
			break;
		fixture_note(&f, &p, i + 1);
	}
	EXPECT(!writer_stream_room(f.stream[0], 64));
	fixture_settle(&f);
	EXPECT(writer_stream_room(f.stream[0], 64));
	EXPECT(writer_append(f.stream[0], &p, 0));
	fixture_note(&f, &p, i + 1);
	fixture_finish(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	fixture_stop(&f);
}

TEST(sessions_are_counted_where_they_start_and_where_they_are_present)
{
	struct fixture f;
	struct packet p;
	uint32_t a = 0, b = 0;

	fixture_init(&f);
	f.conf.file_time_max_min = 1;
	REQUIRE(fixture_start(&f, 1));
	for (unsigned i = 0; i < 10; i++) {
		p = fixture_packet(i + 1, 100, start_ns + i * 20 * NS_PER_S);
		fixture_append(&f, 0, &p, i + 1, a);
		a = p.file;
		if (i < 2)
			continue;
		fixture_append(&f, 0, &p, i + 1, b);
		b = p.file;
	}
	fixture_finish(&f);
	/* Files 1 to 4 begin at 0, 60, 120 and 180 s. Session b starts at 40 s. Files may close in any order. */
	REQUIRE(f.n_closed == 4);
	for (uint32_t number = 1; number <= 4; number++) {
		const struct file_event *e = fixture_event(f.closed, f.n_closed, number);

		REQUIRE(e != NULL);
		EXPECT_EQ(e->sessions_started, number == 1 ? 2 : 0);
		EXPECT_EQ(e->sessions_present, 2);
		EXPECT_EQ(e->last_ns, start_ns + (number < 4 ? number * 60 - 20 : 180) * NS_PER_S);
		EXPECT_EQ(e->first_ns, start_ns + (number - 1) * 60 * NS_PER_S);
	}
	fixture_stop(&f);
}

TEST(null_has_positions_of_an_imaginary_file)
{
	struct fixture f;
	struct packet p;

	fixture_init(&f);
	f.conf.effective_method = WRITER_NULL;
	REQUIRE(fixture_start(&f, 1));
	p = fixture_packet(1, 100, start_ns);
	EXPECT(writer_stream_room(f.stream[0], 64));
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.position, 24);
	EXPECT(writer_append(f.stream[0], &p, 0));
	EXPECT_EQ(p.position, 24 + 16 + 100);
	EXPECT_EQ(p.file, 0);
	fixture_finish(&f);
	EXPECT_EQ(f.n_created, 0);
	EXPECT_EQ(atomic_load(&f.numbers), 0);
	EXPECT_EQ(writer_memory_bytes(&f.conf, 1), 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

TEST(discard_hands_blocks_over_and_drops_them)
{
	struct fixture f;

	fixture_init(&f);
	f.conf.effective_method = WRITER_DISCARD;
	REQUIRE(fixture_start(&f, 1));
	append_random(&f, 1, 2000);
	fixture_finish(&f);
	EXPECT(counters_total("writer.discarded_bytes") > 4 * WRITER_BLOCK_BYTES);
	EXPECT_EQ(counters_total("writer.discarded_bytes"), counters_total("writer.stored_bytes"));
	EXPECT_EQ(f.n_created, 0);
	EXPECT_EQ(ledger_check(stdout), 0);
	fixture_stop(&f);
}

/* A stream that is destroyed in the middle loses its last page, and the ledger says so. */
TEST(a_stream_that_was_not_finished_leaves_a_whole_file_and_counts_the_rest)
{
	struct fixture f;
	uint64_t written, lost;

	fixture_init(&f);
	REQUIRE(fixture_start(&f, 1));
	append_random(&f, 1, 800);
	writer_stream_destroy(f.stream[0]);
	f.stream[0] = NULL;
	fixture_settle(&f);
	written = counters_total("writer.written_bytes");
	lost = counters_total("writer.lost_bytes");
	EXPECT(written > 0 && lost > 0);
	EXPECT_EQ(written + lost, counters_total("writer.stored_bytes"));
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(counters_total("writer.written_packets") + counters_total("writer.lost_packets"), 800);
	EXPECT_EQ(f.n_created, f.n_closed);
	EXPECT_EQ(fixture_missing(&f), counters_total("writer.lost_packets"));
	counters_detach(&f.counters[0]);
	f.params.n_workers = 0;
	fixture_stop(&f);
}

struct thread {
	struct fixture *f;
	unsigned stream;
	pthread_t id;
	struct stored *stored;
	unsigned n;
};

static void *
append_in_thread(void *argument)
{
	struct thread *t = argument;
	uint64_t state = t->stream + 100;

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t seed = (uint64_t)t->stream << 32 | i;
		struct packet p = fixture_packet(seed, random_length(&state), start_ns + i);

		while (!writer_append(t->f->stream[t->stream], &p, 0))
			usleep(50);
		t->stored[t->n++] = (struct stored){.seed = seed,
						    .time_ns = p.time_ns,
						    .position = p.position,
						    .file = p.file,
						    .length = p.captured_bytes,
						    .wire = p.wire_bytes,
						    .link_type = p.link_type};
	}
	while (!writer_stream_finish(t->f->stream[t->stream]))
		usleep(50);
	return NULL;
}

TEST(workers_and_writer_run_at_the_same_time)
{
	struct fixture f;
	struct thread t[3] = {0};

	fixture_init(&f);
	f.conf.n_blocks = 7;
	REQUIRE(fixture_start(&f, 3));
	for (unsigned i = 0; i < 3; i++) {
		t[i] = (struct thread){.f = &f, .stream = i, .stored = calloc(3000, sizeof(struct stored))};
		pthread_create(&t[i].id, NULL, append_in_thread, &t[i]);
	}
	while (counters_total("writer.stored_packets") < 9000)
		if (writer_poll(f.writer) == 0)
			usleep(20);
	for (unsigned i = 0; i < 3; i++) {
		while (pthread_tryjoin_np(t[i].id, NULL) != 0)
			if (writer_poll(f.writer) == 0)
				usleep(20);
		memcpy(f.stored + f.n_stored, t[i].stored, t[i].n * sizeof(struct stored));
		f.n_stored += t[i].n;
		free(t[i].stored);
	}
	fixture_settle(&f);
	EXPECT_EQ(fixture_missing(&f), 0);
	expect_files_right(&f);
	EXPECT_EQ(ledger_check(stdout), 0);
	EXPECT_EQ(ledger_losses(), 0);
	fixture_stop(&f);
}
