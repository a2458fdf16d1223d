/* Receiving from a device that stamps its packets: a net_ring port that the test fills. */
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf_dyn.h>

#include "counters.h"
#include "packet.h"
#include "poison.h"
#include "port.h"
#include "port_packet.h"
#include "port_priv.h"
#include "test.h"

static struct rte_mempool *pool;
static struct rte_ring *ring;
static struct port port;
static struct port_burst burst;
static int offset;
static uint64_t flag;

static bool
start(void)
{
	struct port_params params = {.n_queues = 1, .descriptors = 512};
	char why[256];
	int id;

	test_eal();
	params.pool = pool = port_pool_create("receive test", 255, 1, 0);
	ring = rte_ring_create("receive test", 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (rte_mbuf_dyn_rx_timestamp_register(&offset, &flag) != 0)
		return false;
	id = rte_eth_from_rings("receive_test", &ring, 1, &ring, 1, 0);
	return id >= 0 && port_start_live(&port, (uint16_t)id, &params, why, sizeof(why)) == 0;
}

static void
end(void)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	EXPECT_EQ(rte_eth_dev_get_name_by_port(port.id, name), 0);
	port_stop(&port);
	port_close(&port);
	rte_eal_hotplug_remove("vdev", name);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
	rte_ring_free(ring);
}

static struct rte_mbuf *
put(uint64_t stamp)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	memset(rte_pktmbuf_append(m, 60), 0x11, 60);
	if (stamp != 0) {
		*RTE_MBUF_DYNFIELD(m, offset, rte_mbuf_timestamp_t *) = stamp;
		m->ol_flags |= flag;
	}
	EXPECT_EQ(rte_ring_enqueue(ring, m), 0);
	return m;
}

/* The time that the packet got. */
static uint64_t
take(void)
{
	uint64_t time_ns = 0;

	if (port_receive(&port, 0, &burst, 1) != 1)
		return 0;
	time_ns = burst.meta[0]->time_ns;
	port_burst_free(&burst, 0, 1);
	return time_ns;
}

TEST(stamps_in_nanoseconds_are_the_packets_time)
{
	uint64_t now = clock_wall_ns();

	REQUIRE(start());
	for (unsigned i = 0; i < 3; i++) {
		put(now + i);
		EXPECT_EQ(take(), now + i);
	}
	port_tick(&port);
	EXPECT_EQ(counters_total("port.far_stamps"), 0);
	end();
}

TEST(stamps_in_microseconds_are_too)
{
	uint64_t now_us = clock_wall_ns() / 1000;

	REQUIRE(start());
	put(now_us);
	EXPECT_EQ(take(), now_us * 1000);
	put(now_us + 7);
	EXPECT_EQ(take(), now_us * 1000 + 7000);
	end();
}

static bool
has_nanoseconds(uint64_t stamp)
{
	bool has = false;

	put(stamp);
	if (port_receive(&port, 0, &burst, 1) != 1)
		return false;
	has = burst.meta[0]->has_nanoseconds;
	port_burst_free(&burst, 0, 1);
	return has;
}

/* Or every thousandth burst would begin another pcap file. */
TEST(a_live_packet_has_nanoseconds_even_where_they_are_none)
{
	uint64_t now = clock_wall_ns() / 1000 * 1000;

	REQUIRE(start());
	EXPECT(has_nanoseconds(now + 1));
	EXPECT(has_nanoseconds(now + 1000));
	end();
	REQUIRE(start());
	EXPECT(has_nanoseconds(now / 1000));
	end();
}

TEST(a_packet_of_a_capture_has_what_its_stamp_has)
{
	uint64_t now = clock_wall_ns() / 1000 * 1000;

	REQUIRE(start());
	port.is_capture_file = true;
	port_time_start(&port);
	EXPECT(!has_nanoseconds(now / 1000));
	EXPECT(has_nanoseconds(now));
	EXPECT(!has_nanoseconds(1));
	end();
}

static const struct packet_meta *
receive_one(void)
{
	return port_receive(&port, 0, &burst, 1) == 1 ? burst.meta[0] : NULL;
}

/* Its reader needs nothing of the mbuf itself, which another core has: here nothing of it is right any more. */
TEST(metadata_says_all_of_a_plain_mbuf)
{
	uint8_t linear[1];
	const struct packet_meta *meta;
	struct rte_mbuf *m, copy;
	struct packet p;

	REQUIRE(start());
	m = put(0);
	meta = receive_one();
	REQUIRE(meta != NULL);
	EXPECT(meta->pool != 0);
	EXPECT_EQ(meta->plain_bytes, 60);
	if (!POISON_ENABLED) {
		copy = *m;
		memset(m, 0xee, sizeof(*m));
	}
	EXPECT(port_packet(m, meta, linear, 0, &p));
	EXPECT_EQ(p.captured_bytes, 60);
	EXPECT_EQ(port_packet_bytes(m, meta), 60);
	EXPECT_EQ(p.data[59], 0x11);
	port_burst_free(&burst, 0, 1);
	if (!POISON_ENABLED)
		*m = copy;
	end();
}

TEST(of_a_chain_and_of_a_held_mbuf_the_mbuf_says_it)
{
	static uint8_t linear[PACKET_BYTES_MAX];
	const struct packet_meta *meta;
	struct rte_mbuf *m, *more;
	struct packet p;

	REQUIRE(start());
	m = put(0);
	more = rte_pktmbuf_alloc(pool);
	memset(rte_pktmbuf_append(more, 40), 0x22, 40);
	EXPECT_EQ(rte_pktmbuf_chain(m, more), 0);
	meta = receive_one();
	REQUIRE(meta != NULL);
	EXPECT(meta->pool == 0 && meta->plain_bytes == 0);
	EXPECT(port_packet(m, meta, linear, 0, &p));
	EXPECT_EQ(p.captured_bytes, 100);
	EXPECT_EQ(port_packet_bytes(m, meta), 100);
	EXPECT(p.data[59] == 0x11 && p.data[60] == 0x22);
	port_burst_free(&burst, 0, 1);
	m = put(0);
	rte_mbuf_refcnt_update(m, 1);
	meta = receive_one();
	REQUIRE(meta != NULL);
	EXPECT(meta->pool == 0 && meta->plain_bytes == 0);
	EXPECT(port_packet(m, meta, linear, 0, &p));
	EXPECT_EQ(p.captured_bytes, 60);
	port_burst_free(&burst, 0, 1);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 1);
	port_free(&m, 1);
	UNPOISON(linear, sizeof(linear));
	end();
}

TEST(packets_of_two_pools_go_back_to_their_own)
{
	struct rte_mempool *other = port_pool_create("receive test 2", 255, 1, 0), *first;
	struct rte_mbuf *elsewhere;

	REQUIRE(start());
	first = pool;
	for (unsigned i = 0; i < 6; i++) {
		pool = i % 3 == 1 ? other : first;
		put(0);
	}
	pool = first;
	EXPECT_EQ(port_receive(&port, 0, &burst, 6), 6);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 4);
	EXPECT_EQ(rte_mempool_in_use_count(other), 2);
	elsewhere = burst.mbuf[2];
	burst.mbuf[2] = NULL; /* it went elsewhere */
	port_burst_free(&burst, 0, 6);
	port_free(&elsewhere, 1);
	EXPECT_EQ(rte_mempool_in_use_count(other), 0);
	rte_mempool_free(other);
	end();
}

/* In a ring or a merge it outlives the burst. */
TEST(kept_metadata_is_in_the_mbuf)
{
	uint64_t now = clock_wall_ns();

	REQUIRE(start());
	put(now);
	put(now + 1);
	REQUIRE(port_receive(&port, 0, &burst, 2) == 2);
	EXPECT(burst.meta[1] == &burst.space[1]);
	port_burst_keep(&burst, 2);
	EXPECT(burst.meta[1] == rte_mbuf_to_priv(burst.mbuf[1]));
	port_burst_keep(&burst, 2);
	EXPECT_EQ(burst.meta[1]->time_ns, now + 1);
	EXPECT_EQ(burst.meta[1]->clock_ns, now);
	EXPECT_EQ(burst.meta[1]->plain_bytes, 60);
	EXPECT(burst.meta[1]->data == rte_pktmbuf_mtod(burst.mbuf[1], const uint8_t *));
	port_burst_free(&burst, 0, 2);
	end();
}

TEST(a_stamp_far_from_the_clock_and_none_give_the_clocks)
{
	uint64_t before = clock_wall_ns(), time_ns;

	REQUIRE(start());
	put(12345); /* ticks of a device whose clock cannot be read */
	time_ns = take();
	EXPECT(time_ns >= before && time_ns <= clock_wall_ns());
	put(0);
	time_ns = take();
	EXPECT(time_ns >= before && time_ns <= clock_wall_ns());
	put(before); /* from now on nanoseconds */
	EXPECT_EQ(take(), before);
	put(before + 48 * 3600 * NS_PER_S);
	time_ns = take();
	EXPECT(time_ns >= before && time_ns <= clock_wall_ns());
	port_tick(&port);
	EXPECT_EQ(counters_total("port.far_stamps"), 2);
	end();
}

TEST(ticks_follow_the_devices_clock)
{
	uint64_t now = clock_wall_ns();

	REQUIRE(start());
	/* As port_time_tick() would have found it: 100 MHz since ten seconds. */
	device_clock_add(&port.clock[1], 1000, NS_PER_S, now - 10 * NS_PER_S);
	device_clock_add(&port.clock[1], 1000 + 1000000000, 11 * NS_PER_S, now);
	atomic_store(&port.clock_index, 1);
	put(1000 + 1000000000);
	EXPECT_EQ(take(), now);
	put(1000 + 1000000000 + 50);
	EXPECT_EQ(take(), now + 500);
	end();
}

TEST(a_tag_that_the_device_took_off_is_put_back)
{
	struct rte_mbuf *m;

	REQUIRE(start());
	m = put(0);
	m->vlan_tci = 0x2123;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->port = port.id;
	REQUIRE(port_receive(&port, 0, &burst, 1) == 1);
	EXPECT_EQ(m->pkt_len, 64);
	EXPECT_EQ(burst.meta[0]->wire_bytes, 64);
	EXPECT_EQ(rte_be_to_cpu_16(*rte_pktmbuf_mtod_offset(m, uint16_t *, 12)), RTE_ETHER_TYPE_VLAN);
	EXPECT_EQ(rte_be_to_cpu_16(*rte_pktmbuf_mtod_offset(m, uint16_t *, 14)), 0x2123);
	EXPECT_EQ(*rte_pktmbuf_mtod_offset(m, uint8_t *, 63), 0x11);
	port_free(&m, 1);
	/* No room before the frame. */
	m = put(0);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m));
	REQUIRE(port_receive(&port, 0, &burst, 1) == 1);
	port_free(&m, 1);
	port_tick(&port);
	EXPECT_EQ(counters_total("port.lost_tags"), 1);
	end();
}
