/* What RSS has to prove, and what it looks like when it does not. */
#include "port_rss.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "test.h"

enum { TABLE = 128 };

static struct port_rss rss;
static struct flow_owners owners;

/* As a device that does what we want, with 'n' queues. */
static void
make_good(uint16_t n_queues, unsigned n_workers)
{
	rss = (struct port_rss){
		.n_queues = n_queues,
		.key_bytes = 52,
		.functions = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6 |
			     RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP,
		.reta_size = TABLE,
		.n_slots = TABLE,
	};
	for (unsigned i = 0; i < sizeof(rss.key); i++)
		rss.key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	for (unsigned i = 0; i < TABLE; i++)
		rss.reta[i] = (uint16_t)(i % n_workers % n_queues);
	flow_owners_init(&owners, n_workers);
}

TEST(a_symmetric_device_passes_and_owners_agree_with_it)
{
	for (uint16_t n = 2; n <= 8; n++) {
		make_good(n, n);
		EXPECT(port_rss_verify(&rss, &owners) == NULL);
		EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
		EXPECT(port_rss_verify(&rss, &owners) == NULL);
		EXPECT(owners.by_rss);
		EXPECT_EQ(owners.slot_mask, TABLE - 1);
	}
}

TEST(devices_that_hash_addresses_only_pass_too)
{
	make_good(4, 4);
	rss.functions = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6;
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	EXPECT(port_rss_verify(&rss, &owners) == NULL);
	EXPECT_EQ(owners.ports_of_ipv4 | owners.ports_of_ipv6, 0);
}

TEST(a_key_that_is_not_symmetric_is_found_out)
{
	/* The default of many drivers. */
	static const uint8_t microsoft[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
					      0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
					      0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
					      0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	const char *why;

	make_good(2, 2);
	memcpy(rss.key, microsoft, sizeof(microsoft));
	why = port_rss_verify(&rss, &owners);
	EXPECT(why != NULL && strstr(why, "not symmetric") != NULL);
	/* A device that took the first half of ours only. */
	make_good(2, 2);
	memset(&rss.key[10], 0x11, 20);
	rss.key[15] = 0x99;
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
}

TEST(a_key_that_repeats_other_bits_is_followed)
{
	make_good(4, 4);
	for (unsigned i = 0; i < sizeof(rss.key); i++)
		rss.key[i] = i % 2 == 0 ? 0x12 : 0x9f;
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	EXPECT(port_rss_verify(&rss, &owners) == NULL);
}

TEST(owners_that_place_flows_elsewhere_are_found_out)
{
	make_good(4, 4);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	rss.functions &= ~(uint64_t)RTE_ETH_RSS_NONFRAG_IPV4_TCP; /* the device hashes less than the owners think */
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
	make_good(4, 4);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	for (unsigned i = 0; i < TABLE; i++)
		rss.reta[i] = (uint16_t)((i + 1) % 4);
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
}

TEST(what_cannot_work_is_said)
{
	make_good(2, 2);
	rss.functions = 0;
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
	make_good(2, 2);
	rss.key_bytes = 16;
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
	make_good(2, 2);
	rss.reta[77] = 2;
	EXPECT(port_rss_verify(&rss, &owners) != NULL);
	EXPECT_EQ(port_rss_follow(&rss, &owners), -EINVAL);
	EXPECT(!owners.by_rss);
}

TEST(with_fewer_queues_than_workers_all_workers_own_something)
{
	unsigned owned[5] = {0};

	make_good(2, 5);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	for (unsigned i = 0; i < TABLE; i++)
		owned[owners.slot[i]]++;
	for (unsigned i = 0; i < 5; i++)
		EXPECT(owned[i] >= TABLE / 5);
	/* A table of somebody else is followed as it is. */
	make_good(2, 5);
	for (unsigned i = 0; i < TABLE; i++)
		rss.reta[i] = (uint16_t)(i >= TABLE / 2);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	for (unsigned i = 0; i < TABLE; i++)
		EXPECT(owners.slot[i] == rss.reta[i] || owners.slot[i] % 2 == rss.reta[i]);
}

TEST(a_table_that_repeats_a_smaller_one_is_followed_as_the_smaller)
{
	make_good(3, 3);
	rss.reta_size = 512;
	rss.n_slots = TABLE;
	for (unsigned i = 0; i < 512; i++)
		rss.reta[i] = (uint16_t)(i % TABLE % 3);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	EXPECT_EQ(owners.slot_mask, TABLE - 1);
	EXPECT(port_rss_verify(&rss, &owners) == NULL);
	rss.reta[300] = (uint16_t)((rss.reta[300] + 1) % 3);
	flow_owners_init(&owners, 3);
	EXPECT_EQ(port_rss_follow(&rss, &owners), 0);
	EXPECT_EQ(owners.slot_mask, 511);
	EXPECT(port_rss_verify(&rss, &owners) == NULL);
}

TEST(devices_that_lack_something_are_told_apart)
{
	struct rte_eth_dev_info info = {
		.flow_type_rss_offloads = RTE_ETH_RSS_IPV4, .hash_key_size = 40, .reta_size = 64};

	EXPECT(port_rss_lacks(&info) == NULL);
	info.reta_size = 0; /* net_tap */
	EXPECT(port_rss_lacks(&info) != NULL);
	info.reta_size = 100;
	EXPECT(port_rss_lacks(&info) != NULL);
	info.reta_size = 4096;
	EXPECT(port_rss_lacks(&info) != NULL);
	info.reta_size = 64;
	info.hash_key_size = 65;
	EXPECT(port_rss_lacks(&info) != NULL);
	info.hash_key_size = 52;
	info.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_SCTP;
	EXPECT(port_rss_lacks(&info) != NULL);
}

TEST(only_functions_the_device_has_are_asked_for)
{
	struct rte_eth_dev_info info = {.flow_type_rss_offloads = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_SCTP |
								  RTE_ETH_RSS_L2_PAYLOAD | RTE_ETH_RSS_NONFRAG_IPV6_TCP,
					.hash_key_size = 52};
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_rss_conf wanted = port_rss_wanted(&info, key);

	EXPECT_EQ(wanted.rss_hf, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV6_TCP);
	EXPECT_EQ(wanted.rss_key_len, 52);
	EXPECT_EQ(key[50], 0x6d);
	EXPECT_EQ(key[51], 0x5a);
}
