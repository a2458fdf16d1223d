/* Ethdev ports as EAL gives them: vdevs and bound NICs.
 *
 * Threads: set-up and stop on the control thread; receiving on the workers, one queue each. Errors: a reason a user can
 * act on. The metadata of each received mbuf (struct packet_meta) is written by port_receive(): the packet's own stamp
 * where the driver gives one (net_pcap: microseconds, recognised by magnitude), else one clock read per burst. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"
#include "packet.h"

struct rte_mempool;
struct rte_mbuf;

/* Everything that receives: mbuf pools with room for struct packet_meta. NULL with rte_errno. 'n_lcores' is how many
 * will take and give back mbufs: each keeps up to an eighth of its share of the pool in a cache of its own. */
struct rte_mempool *port_pool_create(const char *name, uint32_t n_mbufs, unsigned n_lcores, int socket);

/* The same with buffers of 'data_room_bytes' (head-room included; at most 65535). */
struct rte_mempool *port_pool_create_sized(const char *name, uint32_t n_mbufs, unsigned n_lcores,
					   uint32_t data_room_bytes, int socket);

/* What a device asks for before it can be started. */
struct port_needs {
	int socket;		  /* NUMA node, or SOCKET_ID_ANY */
	uint32_t data_room_bytes; /* of its mbufs */
	uint16_t descriptors;	  /* of each receive queue */
	uint16_t held_mbufs;	  /* that each queue keeps: none when the driver copies */
	uint16_t max_queues;
};

/* 'descriptors' is how many the user wants. A negative errno: no such port. */
int port_needs(uint16_t id, uint16_t descriptors, struct port_needs *);

struct port_queue;

struct port {
	uint16_t id;
	uint16_t n_queues;
	uint16_t link_type;	  /* replay: per packet; others: LINK_ETHERNET */
	bool is_replay;		  /* metadata comes with the mbuf */
	bool is_capture_file;	  /* net_pcap with rx_pcap: runs on packet time, never says that it ended */
	int time_offset;	  /* dynfield offset, or -1 */
	uint64_t time_flag;	  /* ol_flags bit that says the field is valid */
	struct counters counters; /* received, imissed, ierrors, rx_nombuf: port_read_stats() */
	char name[16];		  /* "port 0" */
	uint64_t base[4];	  /* what the device had counted when it started */
	struct port_queue *queue; /* one for each receive queue, written by its worker only */
};

/* Configures and starts an ethdev port with 'n_queues' receive queues (fewer when the device has fewer: port->n_queues
 * says). A negative errno and 'why'; then there is nothing to stop or close. */
int port_start(struct port *, uint16_t id, uint16_t n_queues, struct rte_mempool *, char *why, size_t why_size);

/* Nothing is received any more, and the counters are final. */
void port_stop(struct port *);

/* After port_stop(), when the ledger has been read. The port of a replay stays open: replay_destroy() removes it. */
void port_close(struct port *);

void port_read_stats(struct port *); /* into the ledger; control thread */

/* The number of polls that failed or lost something: more than before means that a capture file is damaged. */
uint64_t port_errors(const struct port *);

/* As rte_eth_rx_burst(), with metadata set in every mbuf. In the sanitize build head- and tailroom are poisoned until
 * port_free_burst(), which has to be used for every mbuf that came from here. */
uint16_t port_receive(const struct port *, uint16_t queue, struct rte_mbuf **, uint16_t n);

/* Fills p->data and the receive members from an mbuf; a chain is copied into 'linear' (PACKET_BYTES_MAX bytes), so two
 * chains in one burst need two of them. False: longer than PACKET_BYTES_MAX (counted as a drop by the caller). */
bool port_packet(struct rte_mbuf *, uint8_t *linear, struct packet *);

/* The same for META_DATAGRAM: decode's members are set too. */
bool port_datagram(struct rte_mbuf *, uint8_t *linear, struct packet *);

/* Frees; in the sanitize build the bytes are given back to ASan's free state first. */
void port_free_burst(struct rte_mbuf **, unsigned n);

#endif
