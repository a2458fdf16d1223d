/* Ethdev ports: net_pcap and net_null by hot plug. */
#include "port/capture_build.h"

#include <errno.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "counters.h"
#include "packet.h"
#include "port.h"

static struct build b;
static struct rte_mempool *pool;
static struct port port;
static struct port_burst burst;
static char why[256];

static bool
plug(const char *name, const char *arguments, uint16_t n_queues)
{
	uint16_t id;

	test_eal();
	pool = port_pool_create("port test", 1023, 1, 0);
	if (rte_eal_hotplug_add("vdev", name, arguments) != 0 || rte_eth_dev_get_port_by_name(name, &id) != 0)
		return false;
	return port_start(&port, id, n_queues, pool, why, sizeof(why)) == 0;
}

static void
unplug(const char *name)
{
	port_stop(&port);
	EXPECT_EQ(ledger_check(stderr), 0);
	port_close(&port);
	rte_eal_hotplug_remove("vdev", name);
	EXPECT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

TEST(a_capture_file_port_runs_on_packet_time)
{
	static const uint32_t second[] = {0, 1700000005, 1700000003, 1700000009};
	static const uint32_t clock[] = {0, 0, 1700000005, 1700000005};
	char path[64], arguments[128];
	unsigned n = 0;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	for (unsigned i = 0; i < 4; i++)
		put_pcap_record(&b, second[i], 7 * (second[i] != 0), 60 + i, 1000, i);
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s", build_write(&b, b.n, path));
	REQUIRE(plug("net_pcap_test", arguments, 4));
	EXPECT(port.is_capture_file);
	EXPECT(!port.is_replay);
	EXPECT_EQ(port.n_queues, 1); /* one file, one queue */
	for (unsigned turn = 0; turn < 10; turn++) {
		uint16_t got = port_receive(&port, 0, &burst, BURST_MAX);

		for (uint16_t i = 0; i < got && n < 4; i++, n++) {
			const struct packet_meta *meta = burst.meta[i];

			EXPECT_EQ(meta->kind, META_PACKET);
			EXPECT_EQ(meta->time_ns, second[n] * NS_PER_S + 7000 * (second[n] != 0));
			EXPECT_EQ(meta->clock_ns, clock[n] * NS_PER_S + 7000 * (clock[n] != 0));
			EXPECT_EQ(meta->wire_bytes, 60 + n); /* net_pcap does not tell */
			EXPECT_EQ(meta->input, port.id);
			EXPECT_EQ(meta->link_type, LINK_ETHERNET);
			EXPECT(!meta->has_nanoseconds);
		}
		port_burst_free(&burst, 0, got);
	}
	EXPECT_EQ(n, 4);
	EXPECT_EQ(port_errors(&port), 0);
	port_read_stats(&port);
	EXPECT_EQ(counters_total("port.offered"), 4);
	EXPECT_EQ(counters_total("port.received"), 4);
	EXPECT_EQ(ledger_check(stderr), 0);
	unplug("net_pcap_test");
	unlink(path);
}

TEST(a_damaged_capture_file_port_counts_errors)
{
	char path[64], arguments[128];
	uint16_t n = 0;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s", build_write(&b, b.n - 5, path));
	REQUIRE(plug("net_pcap_test", arguments, 1));
	for (unsigned turn = 0; turn < 5; turn++) {
		uint16_t got = port_receive(&port, 0, &burst, BURST_MAX);

		n = (uint16_t)(n + got);
		port_burst_free(&burst, 0, got);
	}
	EXPECT_EQ(n, 1);
	EXPECT(port_errors(&port) > 0);
	unplug("net_pcap_test");
	unlink(path);
}

TEST(an_endless_capture_file_is_live)
{
	char path[64], arguments[128];
	const struct packet_meta *meta;
	uint16_t n;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s,infinite_rx=1", build_write(&b, b.n, path));
	REQUIRE(plug("net_pcap_test", arguments, 1));
	EXPECT(!port.is_capture_file);
	n = port_receive(&port, 0, &burst, 4);
	EXPECT_EQ(n, 4);
	meta = burst.meta[3];
	EXPECT(clock_wall_ns() - meta->time_ns < 60 * NS_PER_S);
	EXPECT(meta->clock_ns == meta->time_ns); /* one clock read a burst */
	port_burst_free(&burst, 0, n);
	unplug("net_pcap_test");
	unlink(path);
}

static struct flow_owners owners;

static bool
plug_live(const char *name, const char *arguments, unsigned n_workers)
{
	struct port_params params = {.n_queues = (uint16_t)n_workers, .descriptors = 512, .owners = &owners};
	uint16_t id;

	test_eal();
	flow_owners_init(&owners, n_workers);
	params.pool = pool = port_pool_create("port test", 4095, 1, 0);
	if (rte_eal_hotplug_add("vdev", name, arguments) != 0 || rte_eth_dev_get_port_by_name(name, &id) != 0)
		return false;
	return port_start_live(&port, id, &params, why, sizeof(why)) == 0;
}

TEST(several_queues_have_a_symmetric_rss_key_and_owners_that_follow)
{
	uint8_t key[64] = {0};
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};
	unsigned of_worker[2] = {0};

	REQUIRE(plug_live("net_null_test", "size=300", 2));
	EXPECT_EQ(port.n_queues, 2);
	EXPECT_EQ(port.spread, PORT_BY_RSS);
	EXPECT(rte_eth_dev_rss_hash_conf_get(port.id, &rss) == 0);
	for (unsigned i = 0; i < 40; i++)
		EXPECT_EQ(key[i], i % 2 == 0 ? 0x6d : 0x5a);
	EXPECT(owners.by_rss);
	EXPECT_EQ(owners.slot_mask, 127); /* net_null's table */
	for (unsigned i = 0; i < 128; i++)
		of_worker[owners.slot[i]]++;
	EXPECT_EQ(of_worker[0], 64);
	EXPECT_EQ(of_worker[1], 64);
	for (uint16_t queue = 0; queue < 2; queue++) {
		uint16_t n = port_receive(&port, queue, &burst, BURST_MAX);

		EXPECT_EQ(n, BURST_MAX);
		for (uint16_t i = 0; i < n; i++) {
			const struct packet_meta *meta = burst.meta[i];

			EXPECT(clock_wall_ns() - meta->time_ns < 60 * NS_PER_S);
			EXPECT_EQ(meta->wire_bytes, 300);
		}
		port_burst_free(&burst, 0, n);
	}
	port_tick(&port);
	EXPECT_EQ(counters_total("port.received"), 2 * BURST_MAX);
	EXPECT_EQ(counters_total("port.link_up"), 1);
	unplug("net_null_test");
}

TEST(one_worker_has_no_rss)
{
	REQUIRE(plug_live("net_null_test", "size=300", 1));
	EXPECT_EQ(port.n_queues, 1);
	EXPECT_EQ(port.spread, PORT_ONE_QUEUE);
	EXPECT(!owners.by_rss);
	unplug("net_null_test");
}

TEST(a_device_without_rss_has_one_queue)
{
	REQUIRE(plug_live("net_memif_test", "role=server,socket=/tmp/shrike-port-test.sock,socket-abstract=no", 4));
	EXPECT_EQ(port.n_queues, 1);
	EXPECT_EQ(port.spread, PORT_ONE_QUEUE);
	EXPECT(!owners.by_rss);
	unplug("net_memif_test");
	unlink("/tmp/shrike-port-test.sock");
}

TEST(queues_that_others_fill_are_all_read)
{
	char path[64], arguments[256];

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	put_pcap_record(&b, 1, 0, 60, 60, 0);
	build_write(&b, b.n, path);
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s,rx_pcap=%s,rx_pcap=%s", path, path, path);
	REQUIRE(plug_live("net_pcap_test", arguments, 1));
	EXPECT_EQ(port.n_queues, 3);
	EXPECT_EQ(port.spread, PORT_BY_OTHERS);
	for (uint16_t queue = 0; queue < 3; queue++) {
		EXPECT_EQ(port_receive(&port, queue, &burst, 4), 1);
		port_burst_free(&burst, 0, 1);
	}
	unplug("net_pcap_test");
	unlink(path);
}

TEST(a_live_link_that_goes_is_counted)
{
	uint64_t before;

	REQUIRE(plug_live("net_null_test", "size=60", 1));
	before = counters_total("port.link_changes");
	EXPECT_EQ(port.link, PORT_LINK_UP);
	snprintf(port.device, sizeof(port.device), "no-such-device");
	port_tick(&port);
	EXPECT_EQ(port.link, PORT_LINK_GONE);
	EXPECT_EQ(counters_total("port.link_changes"), before + 1);
	EXPECT_EQ(counters_total("port.link_up"), 0);
	port_tick(&port);
	EXPECT_EQ(counters_total("port.link_changes"), before + 1);
	snprintf(port.device, sizeof(port.device), "lo");
	port_tick(&port);
	EXPECT(port.link == PORT_LINK_UP || port.link == PORT_LINK_DOWN);
	EXPECT_EQ(counters_total("port.link_changes"), before + 2);
	port.device[0] = '\0';
	unplug("net_null_test");
}

TEST(a_port_that_does_not_exist_is_refused)
{
	test_eal();
	pool = port_pool_create("port test", 255, 1, 0);
	EXPECT(port_start(&port, 77, 1, pool, why, sizeof(why)) < 0);
	EXPECT(strstr(why, "port 77") != NULL);
	port_stop(&port);
	port_close(&port);
	rte_mempool_free(pool);
}
