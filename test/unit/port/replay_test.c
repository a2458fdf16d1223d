/* The replay role: what arrives on the queues, in which order, and that nothing is lost whatever is full. */
#include "port/capture_build.h"

#include <errno.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "conf.h"
#include "counters.h"
#include "decode.h"
#include "port.h"
#include "port_packet.h"
#include "replay.h"

enum { EVENTS_MAX = 16384, QUEUES_MAX = 4, FILES_MAX = 8 };

struct event {
	uint8_t kind;
	bool bytes_right; /* as frame 'seed', which is the packet's second */
	uint16_t n_segments, port, link_type;
	uint32_t captured, wire, input;
	uint64_t time_ns, clock_ns, sequence, position;
	struct flow_key key;
	bool has_key;
};

struct rig {
	struct capture_list files;
	char path[FILES_MAX][64];
	struct replay_params params;
	struct conf *conf;
	struct decode_conf *decode;
	struct rte_mempool *pool;
	struct replay *replay;
	struct port port;
	unsigned n_events[QUEUES_MAX];
	struct event event[QUEUES_MAX][EVENTS_MAX];
	char why[256];
};

static struct build b;
static struct rig rig;

static void
begin_with(unsigned mbufs)
{
	struct conf_params conf_params = {.node = "test"};

	test_eal();
	rig = (struct rig){0};
	rig.conf = conf_load(&conf_params, stderr);
	rig.decode = decode_conf_create(rig.conf);
	rig.pool = port_pool_create("replay test", mbufs, 1, 0);
	rig.params = (struct replay_params){
		.files = &rig.files, .n_workers = 1, .pool = rig.pool, .decode = rig.decode, .ring_size = 256};
	b = (struct build){0};
	put_pcap_header(&b, 0xa1b23c4d, LINK_ETHERNET);
}

static void
begin(void)
{
	begin_with(2047);
}

/* The file built so far becomes the next input. */
static void
add_file(size_t size)
{
	char *path = rig.path[rig.files.n];

	capture_list_add_file(&rig.files, build_write(&b, size, path));
	b = (struct build){0};
	put_pcap_header(&b, 0xa1b23c4d, LINK_ETHERNET);
}

static bool
start(void)
{
	rig.replay = replay_create(&rig.params, rig.why, sizeof(rig.why));
	return rig.replay != NULL && port_start(&rig.port, replay_port(rig.replay), (uint16_t)rig.params.n_workers,
						rig.pool, rig.why, sizeof(rig.why)) == 0;
}

static void
end(void)
{
	if (rig.replay != NULL) {
		port_stop(&rig.port);
		port_close(&rig.port);
	}
	replay_destroy(rig.replay);
	EXPECT_EQ(rte_mempool_in_use_count(rig.pool), 0);
	rte_mempool_free(rig.pool);
	decode_conf_destroy(rig.decode);
	conf_destroy(rig.conf);
	for (unsigned i = 0; i < FILES_MAX; i++)
		if (rig.path[i][0] != '\0')
			unlink(rig.path[i]);
	capture_list_free(&rig.files);
}

static void
note(struct event *e, struct rte_mbuf *m, const struct packet_meta *meta)
{
	static uint8_t linear[PACKET_BYTES_MAX];
	struct capture_packet as_captured = {0};
	struct packet p = {0};

	*e = (struct event){.kind = meta->kind,
			    .n_segments = m->nb_segs,
			    .port = m->port,
			    .time_ns = meta->time_ns,
			    .clock_ns = meta->clock_ns,
			    .sequence = meta->sequence};
	if (e->kind != META_PACKET) {
		EXPECT_EQ(m->pkt_len, 0);
		return;
	}
	EXPECT(port_packet(m, meta, linear, 0, &p));
	as_captured = (struct capture_packet){.data = p.data, .captured_bytes = p.captured_bytes};
	e->bytes_right = is_frame(&as_captured, (unsigned)(p.time_ns / NS_PER_S));
	e->captured = p.captured_bytes;
	e->wire = p.wire_bytes;
	e->input = p.input;
	e->link_type = p.link_type;
	e->position = p.input_position;
	e->has_key = packet_decode(rig.decode, &p) == PACKET_OK;
	e->key = p.key;
	EXPECT_EQ(p.clock_ns, e->clock_ns);
	EXPECT_EQ(p.sequence, e->sequence);
}

static unsigned
receive(uint16_t queue, uint16_t n)
{
	static struct port_burst burst;

	n = port_receive(&rig.port, queue, &burst, n);
	for (unsigned i = 0; i < n; i++)
		if (rig.n_events[queue] < EVENTS_MAX)
			note(&rig.event[queue][rig.n_events[queue]++], burst.mbuf[i], burst.meta[i]);
	port_burst_free(&burst, 0, n);
	return n;
}

/* Until META_END is on every queue and everything is received. Bounded, so that a hang is a failure. */
static void
run(void)
{
	unsigned idle = 0;

	while (idle < 1000) {
		unsigned n = replay_poll(rig.replay);

		for (uint16_t queue = 0; queue < rig.params.n_workers; queue++)
			n += receive(queue, BURST_MAX);
		idle = n > 0 ? 0 : idle + 1;
		if (idle > 0 && replay_done(rig.replay))
			break;
	}
	EXPECT(replay_done(rig.replay));
}

static unsigned
count(unsigned queue, enum packet_meta_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rig.n_events[queue]; i++)
		n += rig.event[queue][i].kind == kind;
	return n;
}

/* Packets with these stamps; the frame's seed is its second. */
static void
put_stamps(const uint64_t *time_ns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_pcap_record(&b, (uint32_t)(time_ns[i] / NS_PER_S), (uint32_t)(time_ns[i] % NS_PER_S), 60 + i,
				1000 + i, (unsigned)(time_ns[i] / NS_PER_S));
}

TEST(packets_arrive_with_their_bytes_and_metadata)
{
	static const uint64_t stamp[] = {5 * NS_PER_S + 1, 5 * NS_PER_S + 9, 5 * NS_PER_S + 4, 5 * NS_PER_S + 5};
	static const uint64_t clock[] = {0, 5 * NS_PER_S + 1, 5 * NS_PER_S + 9, 5 * NS_PER_S + 9};
	unsigned next = 0;

	begin();
	put_stamps(stamp, 4);
	add_file(b.n);
	REQUIRE(start());
	EXPECT(rig.port.is_replay);
	run();
	for (unsigned i = 0; i < rig.n_events[0]; i++) {
		const struct event *e = &rig.event[0][i];

		if (e->kind != META_PACKET)
			continue;
		EXPECT(e->bytes_right);
		EXPECT_EQ(e->time_ns, stamp[next]);
		EXPECT_EQ(e->clock_ns, clock[next]);
		EXPECT_EQ(e->sequence, next);
		EXPECT_EQ(e->captured, 60 + next);
		EXPECT_EQ(e->wire, 1000 + next);
		EXPECT_EQ(e->position, 24 + next * 76 + next * (next - 1) / 2);
		EXPECT_EQ(e->link_type, LINK_ETHERNET);
		EXPECT_EQ(e->n_segments, 1);
		EXPECT_EQ(e->port, replay_port(rig.replay));
		next++;
	}
	EXPECT_EQ(next, 4);
	EXPECT_EQ(rig.event[0][rig.n_events[0] - 1].kind, META_END);
	/* The clock before the last packet. */
	EXPECT_EQ(rig.event[0][rig.n_events[0] - 1].clock_ns, clock[3]);
	EXPECT_EQ(replay_input(rig.replay, 0)->packets, 4);
	EXPECT_EQ(replay_input(rig.replay, 0)->first_ns, stamp[0]);
	EXPECT(replay_input(rig.replay, 0)->has_nanoseconds);
	EXPECT(replay_input(rig.replay, 0)->plain_pcap);
	EXPECT(replay_input(rig.replay, 0)->done);
	EXPECT_STR(replay_input(rig.replay, 0)->absolute, rig.path[0]);
	EXPECT_EQ(replay_input(rig.replay, 0)->read_bytes, replay_input(rig.replay, 0)->size_bytes);
	end();
}

TEST(packets_longer_than_an_mbuf_are_chains)
{
	static const uint32_t size[] = {0, 1, 2047, 2048, 2049, 4096, 4097, 9000, 65535};
	unsigned next = 0;

	begin();
	for (unsigned i = 0; i < RTE_DIM(size); i++)
		put_pcap_record(&b, i, 0, size[i], 65535, i);
	add_file(b.n);
	REQUIRE(start());
	run();
	for (unsigned i = 0; i < rig.n_events[0]; i++) {
		const struct event *e = &rig.event[0][i];

		if (e->kind != META_PACKET)
			continue;
		EXPECT(e->bytes_right);
		EXPECT_EQ(e->captured, size[next]);
		EXPECT_EQ(e->n_segments, size[next] <= 2048 ? 1 : (size[next] + 2047) / 2048);
		next++;
	}
	EXPECT_EQ(next, RTE_DIM(size));
	end();
}

/* What the header says, worked out apart: the events of a queue that gets every packet. */
static void
check_history(unsigned queue, const uint64_t *stamp, unsigned n)
{
	const struct event *e = rig.event[queue];
	uint64_t clock = 0, ticked_s = 0, last_clock = 0;

	for (unsigned i = 0; i < n; i++) {
		if (clock / NS_PER_S > ticked_s) {
			EXPECT_EQ(e->kind, META_TICK);
			EXPECT_EQ(e->clock_ns, clock);
			ticked_s = clock / NS_PER_S;
			e++;
		}
		if (e->kind == META_PACKET && e->sequence == i) {
			EXPECT_EQ(e->clock_ns, clock);
			e++;
		}
		last_clock = clock;
		clock = stamp[i] > clock ? stamp[i] : clock;
	}
	EXPECT_EQ(e->kind, META_END);
	EXPECT_EQ(e->clock_ns, last_clock);
	EXPECT_EQ(e - rig.event[queue] + 1, rig.n_events[queue]);
}

TEST(every_queue_sees_the_same_history_of_seconds)
{
	static const uint64_t stamp[] = {10 * NS_PER_S,	 10 * NS_PER_S + 5, 11 * NS_PER_S + 2, 11 * NS_PER_S + 3,
					 9 * NS_PER_S,	 13 * NS_PER_S,	    13 * NS_PER_S + 1, 12 * NS_PER_S,
					 500 * NS_PER_S, 501 * NS_PER_S};

	for (unsigned n_workers = 1; n_workers <= 4; n_workers *= 2) {
		unsigned packets = 0;

		begin();
		rig.params.n_workers = n_workers;
		put_stamps(stamp, RTE_DIM(stamp));
		add_file(b.n);
		REQUIRE(start());
		run();
		for (unsigned queue = 0; queue < n_workers; queue++) {
			check_history(queue, stamp, RTE_DIM(stamp));
			EXPECT_EQ(count(queue, META_TICK), 4); /* 10, 11, 13, 500; not 501 */
			packets += count(queue, META_PACKET);
		}
		EXPECT_EQ(packets, RTE_DIM(stamp));
		end();
	}
}

static const char *const real[] = {SOURCE_ROOT "/test/pcap/http.pcap", SOURCE_ROOT "/test/pcap/udp-many.pcap",
				   SOURCE_ROOT "/test/pcap/ping.pcap", SOURCE_ROOT "/test/pcap/tls.pcap"};

static void
check_owners(void)
{
	for (unsigned queue = 0; queue < rig.params.n_workers; queue++) {
		uint64_t next = 0;

		for (unsigned i = 0; i < rig.n_events[queue]; i++) {
			const struct event *e = &rig.event[queue][i];

			EXPECT(e->sequence >= next);
			next = e->sequence + (e->kind == META_PACKET);
			if (e->kind != META_PACKET)
				continue;
			if (e->has_key)
				EXPECT_EQ(flow_key_owner(&e->key, rig.params.n_workers), queue);
			else
				EXPECT_EQ(queue, 0);
		}
	}
}

TEST(every_packet_reaches_the_one_worker_that_owns_its_flow)
{
	for (unsigned n_workers = 1; n_workers <= 4; n_workers *= 2) {
		unsigned packets = 0, busy = 0;

		begin();
		rig.params.n_workers = n_workers;
		for (unsigned i = 0; i < RTE_DIM(real); i++)
			capture_list_add_file(&rig.files, real[i]);
		add_file(b.n); /* and one without packets */
		put_pcap_record(&b, 1, 0, 5, 5, 0);
		REQUIRE(start());
		run();
		check_owners();
		for (unsigned queue = 0; queue < n_workers; queue++) {
			packets += count(queue, META_PACKET);
			busy += count(queue, META_PACKET) > 0;
		}
		EXPECT_EQ(packets, 31 + 306 + 24 + 49);
		EXPECT_EQ(busy, n_workers);
		EXPECT_EQ(replay_input_count(rig.replay), RTE_DIM(real) + 1);
		end();
	}
}

TEST(a_packet_without_a_key_goes_to_worker_0)
{
	begin();
	rig.params.n_workers = 4;
	for (unsigned i = 0; i < 20; i++)
		put_pcap_record(&b, i, 0, i % 13, 60, i); /* less than an Ethernet header */
	add_file(b.n);
	REQUIRE(start());
	run();
	EXPECT_EQ(count(0, META_PACKET), 20);
	end();
}

TEST(a_file_that_begins_before_the_clock_flushes_and_restarts_it)
{
	static const uint64_t first[] = {100 * NS_PER_S, 105 * NS_PER_S}, later[] = {105 * NS_PER_S, 106 * NS_PER_S},
			      before[] = {104 * NS_PER_S, 105 * NS_PER_S};
	const struct event *e = rig.event[1];

	begin();
	rig.params.n_workers = 2;
	put_stamps(first, 2);
	add_file(b.n);
	put_stamps(later, 2); /* exactly at the clock: goes on */
	add_file(b.n);
	put_stamps(before, 2);
	add_file(b.n);
	REQUIRE(start());
	run();
	EXPECT_EQ(count(0, META_PACKET), 6); /* bytes without a flow */
	EXPECT_EQ(count(0, META_FLUSH), 1);
	/* The other queue has the markers only. */
	EXPECT_EQ(rig.n_events[1], 5);
	EXPECT(e[0].kind == META_TICK && e[0].clock_ns == first[0]);
	EXPECT(e[1].kind == META_TICK && e[1].clock_ns == first[1]);
	EXPECT(e[2].kind == META_FLUSH && e[2].clock_ns == later[0] && e[2].sequence == 4);
	EXPECT(e[3].kind == META_TICK && e[3].clock_ns == before[0]);
	EXPECT(e[4].kind == META_END && e[4].clock_ns == before[0]);
	/* The first packet after the flush has no clock. */
	for (unsigned i = 0; i < rig.n_events[0]; i++)
		if (rig.event[0][i].kind == META_PACKET && rig.event[0][i].sequence == 4) {
			EXPECT_EQ(rig.event[0][i].clock_ns, 0);
			EXPECT_EQ(rig.event[0][i].input, 2);
			EXPECT_EQ(rig.event[0][i - 1].kind, META_FLUSH);
		}
	end();
}

TEST(flush_between_files_flushes_before_each_but_the_first)
{
	begin();
	rig.params.flush_between_files = true;
	for (unsigned i = 1; i < 4; i++) {
		put_stamps(&(uint64_t){i * 100 * NS_PER_S}, 1);
		add_file(b.n);
	}
	REQUIRE(start());
	run();
	EXPECT_EQ(count(0, META_FLUSH), 2);
	EXPECT_EQ(count(0, META_TICK), 0);
	EXPECT_EQ(count(0, META_PACKET), 3);
	EXPECT_EQ(rig.event[0][0].kind, META_PACKET);
	end();
}

static void
put_many(unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++)
		put_pcap_record(&b, i, 0, size, size, i);
}

static uint64_t
total(const char *name)
{
	return counters_total(name);
}

TEST(a_worker_that_stalls_holds_the_file_and_loses_nothing)
{
	begin();
	rig.params.ring_size = 128;
	put_many(3000, 100);
	add_file(b.n);
	REQUIRE(start());
	/* Nobody receives: the ring fills, and no more is done. */
	for (unsigned i = 0; i < 100; i++)
		replay_poll(rig.replay);
	EXPECT_EQ(replay_poll(rig.replay), 0);
	EXPECT(!replay_done(rig.replay));
	EXPECT(total("replay.delivered") < 128);
	EXPECT(total("replay.read") > total("replay.delivered")); /* some are staged: the gauge */
	EXPECT_EQ(ledger_check(stderr), 0);
	EXPECT(total("replay.stalled") > 0);
	/* One by one. */
	for (unsigned i = 0; i < 1000; i++) {
		receive(0, 1);
		replay_poll(rig.replay);
	}
	run();
	EXPECT_EQ(count(0, META_PACKET), 3000);
	for (unsigned i = 0, next = 0; i < rig.n_events[0]; i++)
		if (rig.event[0][i].kind == META_PACKET) {
			EXPECT_EQ(rig.event[0][i].sequence, next);
			EXPECT(rig.event[0][i].bytes_right);
			next++;
		}
	EXPECT_EQ(total("replay.read"), 3000);
	EXPECT_EQ(total("replay.delivered"), 3000);
	EXPECT_EQ(total("replay.bytes"), 300000);
	EXPECT_EQ(ledger_check(stderr), 0);
	end();
}

TEST(an_empty_pool_holds_the_file_and_loses_nothing)
{
	struct rte_mbuf *held[2047];
	unsigned n_held = 0;

	begin();
	put_many(200, 60);
	put_pcap_record(&b, 200, 0, 65535, 65535, 200);
	put_many(200, 60);
	add_file(b.n);
	rig.params.n_workers = 2;
	REQUIRE(start());
	while (n_held < 2047 && (held[n_held] = rte_pktmbuf_alloc(rig.pool)) != NULL)
		n_held++;
	for (unsigned i = 0; i < 10; i++)
		EXPECT_EQ(replay_poll(rig.replay), 0);
	/* One more each time: too few for the long packet at first. */
	while (n_held > 0) {
		rte_pktmbuf_free(held[--n_held]);
		replay_poll(rig.replay);
		receive(0, BURST_MAX);
		receive(1, BURST_MAX);
	}
	run();
	EXPECT_EQ(count(0, META_PACKET), 401);
	EXPECT_EQ(count(1, META_END), 1);
	EXPECT_EQ(ledger_check(stderr), 0);
	end();
}

TEST(stop_ends_after_the_packets_read_so_far)
{
	begin();
	put_many(3000, 100);
	add_file(b.n);
	put_many(10, 100);
	add_file(b.n);
	REQUIRE(start());
	for (unsigned i = 0; i < 5; i++) {
		replay_poll(rig.replay);
		receive(0, BURST_MAX);
	}
	replay_stop(rig.replay);
	run();
	EXPECT(count(0, META_PACKET) > 0 && count(0, META_PACKET) < 1000);
	EXPECT_EQ(count(0, META_END), 1);
	EXPECT_EQ(total("replay.read"), count(0, META_PACKET));
	EXPECT_EQ(ledger_check(stderr), 0);
	EXPECT_EQ(replay_input_count(rig.replay), 1);
	end();
}

TEST(a_replay_that_is_destroyed_in_the_middle_gives_all_mbufs_back)
{
	begin();
	put_many(500, 3000);
	add_file(b.n);
	REQUIRE(start());
	for (unsigned i = 0; i < 20; i++)
		replay_poll(rig.replay);
	end();
}

TEST(packets_per_file_are_limited_in_each_file)
{
	begin();
	rig.params.packets_per_file_max = 7;
	for (unsigned i = 0; i < 3; i++) {
		put_many(5 * (i + 1), 60);
		add_file(b.n);
	}
	REQUIRE(start());
	run();
	EXPECT_EQ(count(0, META_PACKET), 5 + 7 + 7);
	EXPECT_EQ(replay_input(rig.replay, 1)->packets, 7);
	end();
}

TEST(damaged_refused_and_empty_files_do_not_stop_the_others)
{
	struct replay_progress progress;

	begin();
	put_many(10, 60);
	add_file(b.n - 1); /* cut */
	add_file(0);	   /* empty */
	b.bytes[20] = 147; /* a link type we do not decode */
	add_file(b.n);
	put_many(10, 60);
	add_file(b.n);
	REQUIRE(start());
	run();
	replay_progress(rig.replay, &progress);
	EXPECT_EQ(progress.files, 4);
	EXPECT_EQ(progress.files_done, 4);
	EXPECT_EQ(progress.files_damaged, 3);
	EXPECT_EQ(progress.packets, 19);
	EXPECT_EQ(count(0, META_PACKET), 19);
	end();
}

TEST(an_unknown_link_type_can_be_ignored)
{
	struct replay_progress progress;

	begin();
	rig.params.ignore_errors = true;
	b.bytes[20] = 147;
	add_file(b.n);
	put_many(10, 60);
	add_file(b.n);
	REQUIRE(start());
	run();
	replay_progress(rig.replay, &progress);
	EXPECT_EQ(progress.files_damaged, 0);
	EXPECT_EQ(progress.bytes, progress.bytes_done + 24);
	EXPECT_EQ(count(0, META_PACKET), 10);
	end();
}

TEST(records_too_long_for_a_packet_are_a_named_loss)
{
	begin();
	put_many(1, 60);
	put_pcap_record(&b, 1, 0, 70000, 70000, 1);
	put_many(1, 60);
	add_file(b.n);
	REQUIRE(start());
	run();
	EXPECT_EQ(count(0, META_PACKET), 2);
	EXPECT_EQ(total("replay.read"), 3);
	EXPECT_EQ(total("replay.skipped"), 1);
	EXPECT_EQ(ledger_check(stderr), 0);
	end();
}

TEST(no_files_at_all_end_at_once)
{
	begin();
	rig.params.n_workers = 4;
	REQUIRE(start());
	run();
	for (unsigned queue = 0; queue < 4; queue++) {
		EXPECT_EQ(rig.n_events[queue], 1);
		EXPECT_EQ(rig.event[queue][0].kind, META_END);
	}
	end();
}

static void
refuses(const char *reason)
{
	EXPECT(replay_create(&rig.params, rig.why, sizeof(rig.why)) == NULL);
	EXPECT(strstr(rig.why, reason) != NULL);
}

TEST(what_cannot_work_is_refused_with_a_reason)
{
	struct rte_mempool *bare;

	begin();
	rig.params.n_workers = 0;
	refuses("workers");
	rig.params.n_workers = REPLAY_WORKERS_MAX + 1;
	refuses("workers");
	rig.params.n_workers = 1;
	rig.params.ring_size = 100;
	refuses("slots");
	rig.params.ring_size = 256;
	bare = rte_pktmbuf_pool_create("bare", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	rig.params.pool = bare;
	refuses("bare");
	rig.params.pool = rig.pool;
	capture_list_add_file(&rig.files, "/nonexistent/x.pcap");
	refuses("/nonexistent/x.pcap");
	EXPECT_EQ(errno, ENOENT);
	rte_mempool_free(bare);
	end();
}

/* --- packets that stay in the buffers they were read into -------------------------------------------------------- */

static void
check_bytes_in_order(unsigned n)
{
	unsigned next = 0;

	for (unsigned i = 0; i < rig.n_events[0]; i++) {
		const struct event *e = &rig.event[0][i];

		if (e->kind != META_PACKET)
			continue;
		EXPECT(e->bytes_right);
		EXPECT_EQ(e->sequence, next);
		EXPECT_EQ(e->n_segments, 1);
		EXPECT_EQ(e->port, replay_port(rig.replay));
		next++;
	}
	EXPECT_EQ(next, n);
}

/* With these sizes records are cut at every place. */
static void
check_across_buffers(bool apart, unsigned n_files)
{
	static const uint32_t size[] = {0, 1, 60, 1500, 1499, 9000, 65535, 64, 333};
	unsigned n = 0;

	begin();
	rig.params.in_place = true;
	rig.params.apart = apart;
	for (unsigned files = 0; files < n_files; files++) {
		for (unsigned i = 0; i < 180; i++, n++)
			put_pcap_record(&b, n, 0, size[i % RTE_DIM(size)], 65535, n);
		add_file(b.n);
	}
	REQUIRE(start());
	run();
	check_bytes_in_order(n);
	EXPECT_EQ(ledger_check(stderr), 0);
	end();
}

/* Twice and more what the buffers hold, 512 KB and 4 MB, so that each is used again. */
TEST(packets_in_place_keep_their_bytes_across_buffers)
{
	check_across_buffers(false, 3);
	check_across_buffers(true, 6);
}

TEST(packets_in_place_are_as_many_as_fit_and_come_back_to_several_workers)
{
	unsigned packets = 0;

	begin();
	rig.params.in_place = true;
	rig.params.n_workers = 4;
	rig.params.ring_size = 4096;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned j = 0; j < RTE_DIM(real); j++)
			if (rig.files.n < FILES_MAX)
				capture_list_add_file(&rig.files, real[j]);
	REQUIRE(start());
	run();
	check_owners();
	for (unsigned queue = 0; queue < 4; queue++)
		packets += count(queue, META_PACKET);
	EXPECT_EQ(packets, 2 * (31 + 306 + 24 + 49));
	end();
}

/* Each packet has its own second, so as many markers wait. */
static void
check_small_packets(bool apart, unsigned n_mbufs)
{
	unsigned n = 2 * n_mbufs;

	begin_with(2 * n_mbufs - 1);
	rig.params.in_place = true;
	rig.params.apart = apart;
	rig.params.ring_size = 2 * n_mbufs;
	put_many(n, 20);
	add_file(b.n);
	REQUIRE(start());
	for (unsigned i = 0; i < 1000; i++)
		replay_poll(rig.replay);
	EXPECT(total("replay.stalled") > 0);
	EXPECT_EQ(total("replay.delivered"), n_mbufs);
	run();
	check_bytes_in_order(n);
	EXPECT_EQ(ledger_check(stderr), 0);
	end();
}

TEST(small_packets_in_place_wait_for_mbufs)
{
	check_small_packets(false, 1024);
	check_small_packets(true, 4096);
}

/* What is held stays as it is, and holds the file; nothing is lost. Freed one by one, in another order. */
TEST(a_packet_in_place_that_is_kept_holds_its_buffer)
{
	static struct port_burst kept;
	struct capture_packet as_captured;
	unsigned n_kept = 0, n_packets = 0;

	begin();
	rig.params.in_place = true;
	put_many(2000, 1000);
	add_file(b.n);
	put_many(2000, 1000);
	add_file(b.n);
	REQUIRE(start());
	while (n_kept == 0) {
		replay_poll(rig.replay);
		n_kept = port_receive(&rig.port, 0, &kept, BURST_MAX);
	}
	for (unsigned i = 0; i < 1000; i++) {
		replay_poll(rig.replay);
		receive(0, BURST_MAX);
	}
	EXPECT(!replay_done(rig.replay));
	EXPECT_EQ(replay_poll(rig.replay), 0);
	for (unsigned i = 0; i < n_kept; i++) {
		if (kept.meta[i]->kind != META_PACKET)
			continue;
		as_captured = (struct capture_packet){.data = rte_pktmbuf_mtod(kept.mbuf[i], const uint8_t *),
						      .captured_bytes = kept.mbuf[i]->pkt_len};
		EXPECT(is_frame(&as_captured, n_packets++));
	}
	while (n_kept > 0)
		rte_pktmbuf_free(kept.mbuf[--n_kept]);
	run();
	EXPECT_EQ(count(0, META_PACKET) + n_packets, 4000);
	end();
}

TEST(a_replay_in_place_can_be_stopped_and_destroyed_at_any_point)
{
	for (unsigned polls = 0; polls < 40; polls += 3) {
		begin();
		rig.params.in_place = true;
		put_many(3000, 300);
		add_file(b.n);
		put_many(10, 300);
		add_file(b.n);
		REQUIRE(start());
		for (unsigned i = 0; i < polls; i++)
			replay_poll(rig.replay);
		if (polls % 2 == 0) {
			replay_stop(rig.replay);
			run();
			EXPECT_EQ(total("replay.read"), count(0, META_PACKET));
		}
		end();
	}
}

TEST(damage_is_told_of_files_read_in_place)
{
	struct replay_progress progress;

	begin();
	rig.params.in_place = true;
	put_many(2000, 300);
	add_file(b.n - 1);
	add_file(0);
	put_many(10, 60);
	add_file(b.n);
	REQUIRE(start());
	run();
	replay_progress(rig.replay, &progress);
	EXPECT_EQ(progress.files_damaged, 2);
	EXPECT_EQ(count(0, META_PACKET), 2009);
	end();
}
