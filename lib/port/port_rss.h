/* RSS: what a device's receive side scaling is made to do, and whether it does it.
 *
 * Threads: control only, before workers start. */
#ifndef PORT_RSS_H
#define PORT_RSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow_owner.h"

struct rte_eth_dev_info;
struct rte_eth_rss_conf;

enum { RSS_KEY_MAX = 64, RSS_KEY_DEFAULT = 40 /* of a driver that does not say */ };

/* As read back from the device. */
struct port_rss {
	uint16_t n_queues;
	uint8_t key[RSS_KEY_MAX] __attribute__((aligned(4))); /* rte_softrss() reads words */
	uint8_t key_bytes;
	uint64_t functions; /* RTE_ETH_RSS_... */
	uint16_t reta_size;
	uint16_t n_slots;	       /* after which our table repeats itself: that of the smallest port */
	uint16_t reta[FLOW_SLOTS_MAX]; /* the queue of each slot */
};

/* NULL when the device can do what we need, else why not, in words. */
const char *port_rss_lacks(const struct rte_eth_dev_info *);

/* What to configure it with; 'key' has RSS_KEY_MAX bytes and has to live as long as the result. */
struct rte_eth_rss_conf port_rss_wanted(const struct rte_eth_dev_info *, uint8_t *key);

/* After the device was started: sets hash and RETA where they are not as wanted, reads both back, verifies them and
 * makes the owners follow. NULL, or why software has to distribute. 'rss' says what was read. */
const char *port_rss_set_up(uint16_t id, const struct rte_eth_dev_info *, uint16_t n_queues, struct flow_owners *,
			    struct port_rss *);

/* The same verification on what was read: DPDK's own Toeplitz sends both directions of test flows through the RETA to
 * one queue, and that queue is the owner's when there is one for each worker. NULL, or what is wrong. */
const char *port_rss_verify(const struct port_rss *, const struct flow_owners *);

/* Owners as this device places flows; -EINVAL when its RETA names queues that no worker has. */
int port_rss_follow(const struct port_rss *, struct flow_owners *);

#endif
