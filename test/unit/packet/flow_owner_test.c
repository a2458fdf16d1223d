/* Owners: DPDK's own Toeplitz is the judge. */
#include <errno.h>
#include <stdlib.h>

#include <rte_thash.h>

#include "decode.h"
#include "flow_owner.h"
#include "test.h"

enum { FLOWS = 2000, WORKERS = 5, SLOTS = 128 };

static struct flow_owners owners;
static uint8_t rss_key[52] __attribute__((aligned(4)));
static uint8_t slots[FLOW_SLOTS_MAX];

static void
follow(bool with_ports)
{
	struct flow_rss rss = {.key = FLOW_RSS_SYMMETRIC,
			       .n_slots = SLOTS,
			       .worker = slots,
			       .tcp_ipv4 = with_ports,
			       .udp_ipv6 = with_ports};

	for (unsigned i = 0; i < sizeof(rss_key); i++)
		rss_key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	for (unsigned i = 0; i < SLOTS; i++)
		slots[i] = (uint8_t)((i * 7 + i / 9) % WORKERS);
	flow_owners_init(&owners, WORKERS);
	EXPECT_EQ(flow_owners_follow(&owners, &rss), 0);
}

/* The words of a packet as rte_softrss() wants them: in host order. */
static unsigned
worker_of(const uint8_t *addresses, unsigned address_bytes, uint32_t ports, unsigned n_words)
{
	uint32_t word[9];

	for (unsigned i = 0; i < address_bytes / 4; i++)
		word[i] = (uint32_t)addresses[4 * i] << 24 | (uint32_t)addresses[4 * i + 1] << 16 |
			  (uint32_t)addresses[4 * i + 2] << 8 | addresses[4 * i + 3];
	word[address_bytes / 4] = ports;
	return slots[rte_softrss(word, n_words, rss_key) % SLOTS];
}

static void
fill(uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		bytes[i] = (uint8_t)(random() >> 7);
}

static struct flow_key
key_of(const uint8_t *addresses, unsigned bytes, uint16_t source, uint16_t destination, const char *protocol)
{
	struct flow_key key = {.port = {source, destination}, .protocol = packet_protocol_find(protocol)};

	for (unsigned i = 0; i < 2; i++) {
		if (bytes == 8)
			key.address[i][10] = key.address[i][11] = 0xff;
		memcpy(&key.address[i][16 - bytes / 2], &addresses[i * bytes / 2], bytes / 2);
	}
	return key;
}

TEST(owners_are_the_workers_of_the_queues_a_nic_would_choose)
{
	static const char *const protocol[] = {"tcp", "udp", "icmp"};

	follow(true);
	srandom(1);
	for (unsigned i = 0; i < FLOWS; i++) {
		unsigned bytes = i % 2 == 0 ? 8 : 32, kind = i / 2 % 3;
		uint16_t source = (uint16_t)random(), destination = (uint16_t)random();
		uint32_t ports = (uint32_t)source << 16 | destination, back = (uint32_t)destination << 16 | source;
		uint8_t addresses[32], turned[32];
		struct flow_key key;
		/* IPv4: ports of TCP only; IPv6: of UDP only. */
		bool with_ports = kind == (bytes == 8 ? 0 : 1);
		unsigned n_words = bytes / 4 + with_ports, wanted;

		fill(addresses, bytes);
		memcpy(turned, &addresses[bytes / 2], bytes / 2);
		memcpy(&turned[bytes / 2], addresses, bytes / 2);
		key = key_of(addresses, bytes, source, destination, protocol[kind]);
		wanted = worker_of(addresses, bytes, ports, n_words);
		EXPECT_EQ(flow_owner(&owners, &key), wanted);
		EXPECT_EQ(worker_of(turned, bytes, back, n_words), wanted);
		key = key_of(turned, bytes, destination, source, protocol[kind]);
		EXPECT_EQ(flow_owner(&owners, &key), wanted);
	}
}

TEST(fragments_belong_to_the_worker_of_their_addresses)
{
	for (unsigned by_rss = 0; by_rss < 2; by_rss++) {
		follow(true);
		if (by_rss == 0)
			flow_owners_init(&owners, WORKERS);
		for (unsigned i = 0; i < 200; i++) {
			unsigned bytes = i % 2 == 0 ? 8 : 32, owner;
			uint8_t addresses[32], turned[32];

			fill(addresses, bytes);
			memcpy(turned, &addresses[bytes / 2], bytes / 2);
			memcpy(&turned[bytes / 2], addresses, bytes / 2);
			owner = flow_owner_of_addresses(&owners, addresses, bytes);
			EXPECT_EQ(flow_owner_of_addresses(&owners, turned, bytes), owner);
			if (by_rss == 1)
				EXPECT_EQ(owner, worker_of(addresses, bytes, 0, bytes / 4));
			else
				EXPECT(owner < WORKERS);
		}
	}
}

TEST(without_rss_the_owner_is_that_of_the_key)
{
	uint8_t addresses[8] = {10, 0, 0, 1, 10, 0, 0, 2};
	struct flow_key key = key_of(addresses, 8, 1, 2, "tcp");

	for (unsigned n = 1; n <= 16; n++) {
		flow_owners_init(&owners, n);
		EXPECT_EQ(flow_owner(&owners, &key), flow_key_owner(&key, n));
	}
}

TEST(a_table_that_cannot_be_is_refused)
{
	static const uint8_t worker[4] = {0, 1, 2, 3};
	struct flow_rss rss = {.key = FLOW_RSS_SYMMETRIC, .n_slots = 4, .worker = worker};

	flow_owners_init(&owners, 3);
	EXPECT_EQ(flow_owners_follow(&owners, &rss), -EINVAL);
	flow_owners_init(&owners, 4);
	EXPECT_EQ(flow_owners_follow(&owners, &rss), 0);
	rss.n_slots = 3;
	EXPECT_EQ(flow_owners_follow(&owners, &rss), -EINVAL);
	rss.n_slots = 0;
	EXPECT_EQ(flow_owners_follow(&owners, &rss), -EINVAL);
}
