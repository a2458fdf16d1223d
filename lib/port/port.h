/* Ethdev ports as EAL gives them: vdevs and bound NICs.
 *
 * Threads: set-up, tick and stop on the control thread; receiving on the workers, one queue each. Errors: a reason a
 * user can act on. The metadata of each received mbuf (struct packet_meta) is made by port_receive(): the packet's own
 * stamp where the device gives one (port_time.h), else one clock read per burst. */
#ifndef PORT_H
#define PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"
#include "flow_owner.h"
#include "packet.h"
#include "port_time.h"

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
	uint16_t n_queues;	  /* at most: one for each worker, or as many as somebody else fills */
};

/* 'descriptors' is how many the user wants. A negative errno: no such port. */
int port_needs(uint16_t id, uint16_t n_workers, uint16_t descriptors, struct port_needs *);

struct port_queue;

enum { PORT_CLOCKS = 8, PORT_SOCKETS_MAX = 16 };

/* Who spreads flows over the queues. */
enum port_spread {
	PORT_ONE_QUEUE, /* nobody: the worker of the only queue passes packets to their owners */
	PORT_BY_RSS,	/* the NIC, and owners follow it */
	PORT_BY_OTHERS, /* the kernel or whoever fills the queues, in a way of their own: as with one queue */
};

enum port_link { PORT_LINK_UNKNOWN, PORT_LINK_UP, PORT_LINK_DOWN, PORT_LINK_GONE };

struct port {
	uint16_t id;
	uint16_t n_queues;
	uint16_t link_type;   /* replay: per packet; others: LINK_ETHERNET */
	bool is_replay;	      /* metadata comes with the mbuf */
	bool is_capture_file; /* net_pcap with rx_pcap: runs on packet time, never says that it ended */
	enum port_spread spread;
	int time_offset;	  /* dynfield offset, or -1 */
	uint64_t time_flag;	  /* ol_flags bit that says the field is valid */
	struct counters counters; /* received, imissed, ierrors, rx_nombuf: port_read_stats() */
	char name[16];		  /* "port 0" */
	uint64_t base[4];	  /* what the device had counted when it started */
	uint64_t seen[4];	  /* and the last time */
	struct port_queue *queue; /* one for each receive queue, written by its worker only */

	/* Control only, but for the clock, which workers read. */
	struct device_clock clock[PORT_CLOCKS];
	_Atomic unsigned clock_index; /* the newest */
	bool has_clock, unit_reported;
	enum port_link link;
	bool link_interrupt;
	_Atomic unsigned link_events; /* written by EAL's interrupt thread */
	unsigned link_events_seen;
	char device[16]; /* the kernel's name of it; "" for others */
	int socket[PORT_SOCKETS_MAX];
	unsigned n_sockets;
	uint64_t socket_packets, socket_drops;
	unsigned tap_index; /* the kernel's number of net_tap's device; 0: another driver */
};

/* How a port is wanted. */
struct port_params {
	uint16_t n_queues;	    /* at most; the workers */
	uint16_t descriptors;	    /* of each queue; port_needs() */
	struct rte_mempool *pool;   /* all members but 'owners' are needed */
	struct flow_owners *owners; /* NULL: no RSS. Else several queues where RSS fills them, and owners that follow */
};

/* Configures and starts an ethdev port with 'n_queues' receive queues (fewer when the device has fewer: port->n_queues
 * says). A negative errno and 'why'; then there is nothing to stop or close. */
int port_start(struct port *, uint16_t id, uint16_t n_queues, struct rte_mempool *, char *why, size_t why_size);

/* The same for a live port: as many queues as there are workers and as can be filled so that both directions of a flow
 * come to one; what came of it is logged (port.rss, port.queues) and in port->spread. Drivers whose queues others fill
 * get all the queues they have, even beyond 'n_queues'. */
int port_start_live(struct port *, uint16_t id, const struct port_params *, char *why, size_t why_size);

/* Nothing is received any more, and the counters are final. */
void port_stop(struct port *);

/* After port_stop(), when the ledger has been read. The port of a replay stays open: replay_destroy() removes it. */
void port_close(struct port *);

void port_read_stats(struct port *); /* into the ledger; control thread */

/* What control does now and then (each half second): counters, the device's clock, the state of the link. */
void port_tick(struct port *);

/* Packets that the device has lost for want of a descriptor or an mbuf, at the last port_read_stats(). Any thread. */
uint64_t port_lost(const struct port *);

/* What a receive queue has of descriptors; 0: the driver does not say. */
uint16_t port_descriptors(uint16_t id, uint16_t queue);

/* The number of polls that failed or lost something: more than before means that a capture file is damaged. */
uint64_t port_errors(const struct port *);

/* Packets that were just received, or came over a ring. An mbuf that went elsewhere is NULL. */
struct port_burst {
	struct rte_mbuf *mbuf[BURST_MAX];
	struct packet_meta *meta[BURST_MAX]; /* in 'space', or in the private area of the mbuf */
	struct packet_meta space[BURST_MAX];
};

/* As rte_eth_rx_burst(), up to BURST_MAX, with the metadata of each. In the sanitize build head- and tailroom are
 * poisoned until port_burst_free() or port_free(), one of which has to be used for every mbuf that came from here. */
uint16_t port_receive(const struct port *, uint16_t queue, struct port_burst *, uint16_t n);

/* The metadata into the mbuf, which outlives the burst. The same for a whole burst. */
void port_keep(struct rte_mbuf *, const struct packet_meta *);
void port_burst_keep(struct port_burst *, unsigned n);

/* After mbufs were put into 'mbuf' whose metadata was kept. */
void port_burst_kept(struct port_burst *, unsigned n);

/* As port_packet() (port_packet.h), for META_DATAGRAM: decode's members are set too. */
bool port_datagram(struct rte_mbuf *, uint8_t *linear, struct packet *);

/* A packet that was put together from fragments, as META_DATAGRAM of which port_datagram() makes the packet again: its
 * bytes, and what decode said of it behind them, in mbufs of 'pool'. NULL with errno ENOBUFS, or E2BIG when both
 * together are longer than PACKET_BYTES_MAX. */
struct rte_mbuf *port_copy_datagram(struct rte_mempool *pool, const struct packet *);

/* Frees 'n' of them from 'first' on, a plain mbuf without reading it. In the sanitize build the bytes are given back to
 * ASan's free state first. */
void port_burst_free(struct port_burst *, unsigned first, unsigned n);

/* Frees mbufs whose metadata is not at hand; passes over NULL. */
void port_free(struct rte_mbuf **, unsigned n);

#endif
