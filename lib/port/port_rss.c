/* RSS: both directions of a flow to one worker.
 *
 * The key repeats 6d5a (in the device's own key length), which makes Toeplitz symmetric. Of the hash functions those
 * are asked for that the device has and that are symmetric for sure: SCTP is left out, because some NICs (i40e) hash
 * its verification tag, which differs by direction, and so are the variants for IPv6 extension headers, which hash
 * another address than the packet's. Such packets are hashed by addresses, or not at all, and software passes them on.
 *
 * Drivers say yes to much (net_null to everything, net_tap offers RSS and has none), so what counts is what is read
 * back: key, functions, RETA. From that the owners are made (flow_owner.h), and test flows show that the device's
 * Toeplitz, as DPDK computes it, agrees with them. What cannot be seen from here is whether the NIC does what it says;
 * if not, packets are handed over, counted, and end where they belong all the same. */
#include "port_rss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#include "decode.h"
#include "log.h"

enum { TEST_FLOWS = 64, GROUP = RTE_ETH_RETA_GROUP_SIZE };

static const uint64_t wanted_functions = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
					 RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |
					 RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP |
					 RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_NONFRAG_IPV6_OTHER;

const char *
port_rss_lacks(const struct rte_eth_dev_info *info)
{
	if ((info->flow_type_rss_offloads & wanted_functions) == 0)
		return "the device has no RSS";
	if (info->hash_key_size > RSS_KEY_MAX)
		return "its hash key is longer than we know";
	if (info->reta_size == 0)
		return "its redirection table cannot be seen";
	if (info->reta_size > FLOW_SLOTS_MAX || (info->reta_size & (info->reta_size - 1)) != 0)
		return "the size of its redirection table is none we know";
	return NULL;
}

struct rte_eth_rss_conf
port_rss_wanted(const struct rte_eth_dev_info *info, uint8_t *key)
{
	for (unsigned i = 0; i < RSS_KEY_MAX; i++)
		key[i] = (uint8_t)(i % 2 == 0 ? FLOW_RSS_SYMMETRIC >> 8 : FLOW_RSS_SYMMETRIC & 0xff);
	return (struct rte_eth_rss_conf){
		.rss_key = info->hash_key_size > 0 ? key : NULL,
		.rss_key_len = info->hash_key_size,
		.rss_hf = info->flow_type_rss_offloads & wanted_functions,
	};
}

static bool
read_hash(uint16_t id, struct port_rss *rss)
{
	struct rte_eth_rss_conf found = {.rss_key = rss->key, .rss_key_len = sizeof(rss->key)};

	memset(rss->key, 0, sizeof(rss->key));
	if (rte_eth_dev_rss_hash_conf_get(id, &found) != 0)
		return false;
	rss->functions = found.rss_hf & wanted_functions;
	return true;
}

/* Some drivers pass over what they are configured with, and take it afterwards. */
static bool
set_hash(uint16_t id, const struct rte_eth_dev_info *info, struct port_rss *rss)
{
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_rss_conf wanted = port_rss_wanted(info, key);

	rss->key_bytes = info->hash_key_size > 0 ? info->hash_key_size : RSS_KEY_DEFAULT;
	if (read_hash(id, rss) && memcmp(rss->key, key, rss->key_bytes) == 0 && rss->functions == wanted.rss_hf)
		return true;
	wanted.rss_key = key;
	wanted.rss_key_len = rss->key_bytes;
	(void)rte_eth_dev_rss_hash_update(id, &wanted);
	return read_hash(id, rss);
}

static void
select_all(struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	for (unsigned i = 0; i < size; i++)
		reta[i / GROUP].mask |= RTE_BIT64(i % GROUP);
}

static bool
read_reta(uint16_t id, struct port_rss *rss)
{
	struct rte_eth_rss_reta_entry64 reta[FLOW_SLOTS_MAX / GROUP + 1] = {0};

	select_all(reta, rss->reta_size);
	if (rte_eth_dev_rss_reta_query(id, reta, rss->reta_size) != 0)
		return false;
	for (unsigned i = 0; i < rss->reta_size; i++)
		rss->reta[i] = reta[i / GROUP].reta[i % GROUP];
	return true;
}

/* The smallest table of all ports: what larger ones repeat. */
static uint16_t
common_slots(uint16_t own)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	RTE_ETH_FOREACH_DEV (id)
		if (rte_eth_dev_info_get(id, &info) == 0 && port_rss_lacks(&info) == NULL && info.reta_size < own)
			own = info.reta_size;
	return own;
}

/* The worker of a slot: what the first port with RSS has, else in turn. */
static unsigned
worker_of_slot(const struct flow_owners *o, unsigned slot, uint16_t n_slots)
{
	if (o->by_rss)
		return o->slot[slot & o->slot_mask];
	return slot % n_slots % o->n_workers;
}

static bool
set_reta(uint16_t id, const struct flow_owners *o, struct port_rss *rss)
{
	struct rte_eth_rss_reta_entry64 reta[FLOW_SLOTS_MAX / GROUP + 1] = {0};

	select_all(reta, rss->reta_size);
	for (unsigned i = 0; i < rss->reta_size; i++)
		reta[i / GROUP].reta[i % GROUP] = (uint16_t)(worker_of_slot(o, i, rss->n_slots) % rss->n_queues);
	/* A table that cannot be set is used as it is. */
	(void)rte_eth_dev_rss_reta_update(id, reta, rss->reta_size);
	return read_reta(id, rss);
}

/* A table that could not be set has its own period: all of it. */
static uint16_t
slots_of(const struct port_rss *rss)
{
	for (unsigned i = rss->n_slots; i < rss->reta_size; i++)
		if (rss->reta[i] != rss->reta[i & (rss->n_slots - 1u)])
			return rss->reta_size;
	return rss->n_slots;
}

/* Some drivers (mlx5) have another size once they are configured. */
static bool
find_reta(uint16_t id, struct port_rss *rss)
{
	struct rte_eth_dev_info now;

	if (rte_eth_dev_info_get(id, &now) != 0 || port_rss_lacks(&now) != NULL || now.reta_size == rss->reta_size)
		return false;
	rss->reta_size = now.reta_size;
	rss->n_slots = RTE_MIN(rss->n_slots, now.reta_size);
	return true;
}

int
port_rss_follow(const struct port_rss *rss, struct flow_owners *o)
{
	uint8_t worker[FLOW_SLOTS_MAX];
	struct flow_rss follow = {
		.key = (uint16_t)(rss->key[0] << 8 | rss->key[1]),
		.n_slots = slots_of(rss),
		.worker = worker,
		.tcp_ipv4 = (rss->functions & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0,
		.udp_ipv4 = (rss->functions & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0,
		.tcp_ipv6 = (rss->functions & RTE_ETH_RSS_NONFRAG_IPV6_TCP) != 0,
		.udp_ipv6 = (rss->functions & RTE_ETH_RSS_NONFRAG_IPV6_UDP) != 0,
	};

	/* With fewer queues than workers each queue stands for several of them, in turn. */
	for (unsigned i = 0; i < rss->reta_size; i++)
		worker[i] = (uint8_t)(rss->n_queues < o->n_workers && rss->reta[i] == i % o->n_workers % rss->n_queues
					      ? i % o->n_workers
					      : rss->reta[i]);
	return flow_owners_follow(o, &follow);
}

/* A test flow, the same in every run: addresses and ports as rte_softrss() takes them, and as a key. */
static void
test_flow(unsigned number, bool ipv6, uint32_t *forth, uint32_t *back, struct flow_key *key)
{
	unsigned n = ipv6 ? 4 : 1;
	uint32_t seed = number * 2654435761u + ipv6;

	*key = (struct flow_key){.protocol = packet_protocol_find("tcp")};
	for (unsigned i = 0; i < 2 * n; i++) {
		seed = seed * 1664525u + 1013904223u;
		forth[i] = seed ^ seed >> 15;
		back[(i + n) % (2 * n)] = forth[i];
		for (unsigned b = 0; b < 4; b++)
			key->address[i / n][16 - 4 * (n - i % n) + b] = (uint8_t)(forth[i] >> (24 - 8 * b));
	}
	for (unsigned i = 0; i < 2 && !ipv6; i++)
		key->address[i][10] = key->address[i][11] = 0xff;
	key->port[0] = (uint16_t)(1024 + number * 257);
	key->port[1] = (uint16_t)(80 + number);
	forth[2 * n] = (uint32_t)key->port[0] << 16 | key->port[1];
	back[2 * n] = (uint32_t)key->port[1] << 16 | key->port[0];
}

static unsigned
queue_of(const struct port_rss *rss, uint32_t *words, unsigned n)
{
	return rss->reta[rte_softrss(words, n, rss->key) & (rss->reta_size - 1u)];
}

const char *
port_rss_verify(const struct port_rss *rss, const struct flow_owners *o)
{
	if (rss->functions == 0)
		return "no hash function is on";
	if (rss->key_bytes < RSS_KEY_DEFAULT)
		return "its hash key is too short for IPv6";
	for (unsigned i = 0; i < rss->reta_size; i++)
		if (rss->reta[i] >= rss->n_queues)
			return "its redirection table names a queue that there is not";
	for (unsigned i = 0; i < 2 * TEST_FLOWS; i++) {
		bool ipv6 = i % 2 == 1;
		uint64_t tcp = ipv6 ? RTE_ETH_RSS_NONFRAG_IPV6_TCP : RTE_ETH_RSS_NONFRAG_IPV4_TCP;
		unsigned n = (ipv6 ? 8 : 2) + ((rss->functions & tcp) != 0);
		uint32_t forth[9], back[9];
		struct flow_key key;
		unsigned queue;

		test_flow(i, ipv6, forth, back, &key);
		queue = queue_of(rss, forth, n);
		if (queue_of(rss, back, n) != queue)
			return "the two directions of a flow come to different queues: its hash key is not symmetric";
		if (o->by_rss && rss->n_queues == o->n_workers && flow_owner(o, &key) != queue)
			return "a flow comes to another queue than that of its owner";
	}
	return NULL;
}

const char *
port_rss_set_up(uint16_t id, const struct rte_eth_dev_info *info, uint16_t n_queues, struct flow_owners *o,
		struct port_rss *rss)
{
	struct flow_owners own = *o;
	const char *why;

	*rss = (struct port_rss){
		.n_queues = n_queues, .reta_size = info->reta_size, .n_slots = common_slots(info->reta_size)};
	if (!set_hash(id, info, rss))
		return "its hash cannot be read back";
	if (!set_reta(id, o, rss) && !(find_reta(id, rss) && set_reta(id, o, rss)))
		return "its redirection table cannot be read back";
	/* First by itself: before a port is followed it has to deserve it. */
	own.by_rss = false;
	why = port_rss_verify(rss, &own);
	if (why == NULL && !o->by_rss && port_rss_follow(rss, &own) != 0)
		return "its redirection table names a queue that no worker has";
	if (why == NULL && !o->by_rss) {
		why = port_rss_verify(rss, &own);
		if (why == NULL)
			*o = own;
	} else if (why == NULL && port_rss_verify(rss, o) != NULL) {
		LOG_WARN("port.rss",
			 "port=%u note=\"places flows differently from the first port: workers hand over what does not "
			 "fit\"",
			 id);
	}
	return why;
}
