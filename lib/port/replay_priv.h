/* What the parts of the replay share. */
#ifndef REPLAY_PRIV_H
#define REPLAY_PRIV_H

#include <stdatomic.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "packet.h"
#include "port_priv.h"
#include "replay.h"

enum {
	SEGMENTS_MAX = PACKET_BYTES_MAX / (RTE_MBUF_DEFAULT_BUF_SIZE - RTE_PKTMBUF_HEADROOM) + 1,
	STEP_MBUFS_MAX = 2 * REPLAY_WORKERS_MAX + SEGMENTS_MAX, /* flush, tick, packet */
	FRESH_MAX = BURST_MAX,
	STAGE_MAX = 2 * BURST_MAX + REPLAY_WORKERS_MAX, /* every packet with a tick; a flush or end */
};
_Static_assert(STEP_MBUFS_MAX <= FRESH_MAX, "a step's mbufs are all held at once");

/* What waits for one ring. */
struct stage {
	unsigned n, sent;
	struct rte_mbuf *mbuf[STAGE_MAX];
	bool is_packet[STAGE_MAX];
};

/* replay_views.c: packets that stay in the buffers their file was read into. */
enum {
	VIEW_BUFFERS_MAX = 8,
	VIEW_READ_BYTES =
		128 << 10, /* one pread(2): meant to be in the nearer cache still when its packets are found */
	VIEW_GROUP = 32,
	VIEW_GROUPS_MAX = 128,
	VIEW_MBUFS_MAX = VIEW_GROUP * VIEW_GROUPS_MAX,
};

struct views_size {
	unsigned buffers, buffer_bytes;
	unsigned groups; /* a power of two */
};

/* Written by whoever frees. */
struct views_shared {
	bool ready;
	struct {
		_Atomic uint32_t outside; /* mbufs of the group that were not freed yet, or not given out */
	} __rte_cache_aligned group[VIEW_GROUPS_MAX];
};

struct views {
	struct views_shared *shared;
	struct views_size size;
	uint64_t oldest, current; /* groups: the first that is not back, and the one that is given out from */
	unsigned used;		  /* mbufs of it */
	unsigned reading;	  /* buffer */
	struct {
		uint8_t *address; /* CAPTURE_CARRY_BYTES and size.buffer_bytes */
		uint64_t end;	  /* its packets are in groups before this one */
	} buffer[VIEW_BUFFERS_MAX];
	struct rte_mbuf *mbuf[VIEW_MBUFS_MAX];
	struct rte_mempool *pool;
	uint8_t pool_number;
	struct capture_buffers source;
};

/* 0 or a negative errno; views_fini() in either case. */
int views_init(struct views *, bool apart, const char *name, int socket);
void views_fini(struct views *);
bool views_can_open(struct views *); /* a file: its header may be longer than one buffer */
bool views_make_room(struct views *);
struct rte_mbuf *view_take(struct views *); /* after views_make_room() */

struct replay {
	/* The packet path. */
	struct capture_file *capture; /* NULL: the next file has to be opened */
	struct replay_input *input;   /* of 'capture' */
	struct capture_packet next;   /* read, not staged yet, when has_next */
	bool has_next;
	bool file_begins;     /* no packet of this file has been staged */
	bool everything_read; /* META_END is staged, or on its rings when 'done' */
	bool done;
	uint16_t port;
	uint8_t pool_number;
	unsigned n_workers, n_fresh;
	uint32_t room; /* bytes in one mbuf */
	uint32_t input_index;
	uint64_t sequence;
	uint64_t greatest_ns;	  /* stamp so far: the clock of the next packet */
	uint64_t clock_ns;	  /* of the last packet */
	uint64_t next_tick_ns;	  /* the clock's next second begins here */
	uint64_t packets_in_file; /* staged */
	bool in_place;		  /* packets are views */
	struct rte_mbuf *fresh[FRESH_MAX];
	struct packet packet; /* 'next', to find the owner */
	unsigned owner;
	struct fragments *fragments; /* with several workers */
	struct stage stage[REPLAY_WORKERS_MAX];
	struct rte_ring *ring[REPLAY_WORKERS_MAX];
	struct views views;

	struct replay_params params;
	struct counters counters;
	struct ledger_gauge gauge;
	struct replay_input *inputs;
	atomic_uint n_inputs; /* opened so far */
	atomic_bool stopping;
	unsigned next_file, files_done, files_damaged;
	uint64_t bytes, bytes_done;
	uint64_t passed_over;			      /* packets that 'bpf' does not take */
	const struct replay_input *unfilterable_file; /* the last one with a link type for which 'bpf' means nothing */
	char port_name[RTE_ETH_NAME_MAX_LEN];
};

/* replay_files.c. True: r->next is a packet. False: there is nothing to do before the next call, or for ever. */
bool replay_read_packet(struct replay *);
void replay_open_file(struct replay *);
void replay_close_file(struct replay *);

/* replay.c. Records of the input that never become packets are read too. */
void replay_count_read(struct replay *, uint64_t records);
/* r->next has been read. */
void replay_count_packet(struct replay *);

/* replay_filter.c. False: r->next is not taken, and was counted. */
bool replay_takes(struct replay *);

#endif
