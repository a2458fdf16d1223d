/* The replay role.
 *
 * A poll puts what is staged on the rings, then stages up to a burst of packets, then puts those on the rings. A step
 * (one packet, with the flush and tick markers that go before it) is taken only when all its mbufs are there; before
 * that the packet stays where the reader left it, so nothing has to be undone and nothing waits. One full ring stops
 * the file for all workers: the price of one order for all.
 *
 * The packet is copied (PERFORMANCE B.2: attaching the file's pages as external buffers is half as fast, as no
 * prefetcher sees a stream then). Mbufs are taken from the pool in bulk and kept; the markers are mbufs without bytes.
 *
 * With several workers the packet is decoded here, from the reader's window, to find its owner: about 10 ns a packet,
 * which the worker pays again. Sending the key along would save that and double the metadata. */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_memcpy.h>
#include <rte_ring.h>

#include "clock.h"
#include "log.h"
#include "packet.h"
#include "poison.h"
#include "port_priv.h"

COUNTER(read_packets, "replay.read", "packets read from capture files", LEDGER_WIRE, LEDGER_IN);
COUNTER(delivered, "replay.delivered", "packets of capture files given to workers", LEDGER_WIRE, LEDGER_OUT);
COUNTER_LOSS(skipped, "replay.skipped", "records of capture files too long for a packet, or of no described interface",
	     LEDGER_WIRE);
COUNTER(read_bytes, "replay.bytes", "captured bytes of the packets read", LEDGER_NONE, LEDGER_IN);
COUNTER(stalled, "replay.stalled", "polls that had no mbufs or no room on a ring", LEDGER_NONE, LEDGER_IN);

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
	unsigned n_workers, n_fresh;
	uint32_t room; /* bytes in one mbuf */
	uint32_t input_index;
	uint64_t sequence;
	uint64_t greatest_ns;	  /* stamp so far: the clock of the next packet */
	uint64_t clock_ns;	  /* of the last packet */
	uint64_t next_tick_ns;	  /* the clock's next second begins here */
	uint64_t packets_in_file; /* staged */
	struct rte_mbuf *fresh[FRESH_MAX];
	struct packet packet; /* to find the owner */
	struct stage stage[REPLAY_WORKERS_MAX];
	struct rte_ring *ring[REPLAY_WORKERS_MAX];

	struct replay_params params;
	struct counters counters;
	struct ledger_gauge gauge;
	struct replay_input *inputs;
	atomic_uint n_inputs; /* opened so far */
	atomic_bool stopping;
	unsigned next_file, files_done, files_damaged;
	uint64_t bytes, bytes_done;
	char port_name[RTE_ETH_NAME_MAX_LEN];
};

/* --- mbufs ------------------------------------------------------------------------------------------------------ */

static bool
refill(struct replay *r, unsigned need)
{
	unsigned before = r->n_fresh;

	if (rte_mempool_get_bulk(r->params.pool, (void **)&r->fresh[before], FRESH_MAX - before) == 0)
		r->n_fresh = FRESH_MAX;
	else if (rte_mempool_get_bulk(r->params.pool, (void **)&r->fresh[before], need - before) == 0)
		r->n_fresh = need;
	/* They may have been freed by somebody who does not know of poison. */
	if (POISON_ENABLED)
		for (unsigned i = before; i < r->n_fresh; i++)
			port_unpoison(r->fresh[i]);
	return r->n_fresh >= need;
}

/* What rte_pktmbuf_reset() does without its second cache line, as drivers do: in a pool an mbuf has no successor, and
 * nobody sends these. 1.4 ns a packet. */
static inline struct rte_mbuf *
take_mbuf(struct replay *r)
{
	struct rte_mbuf *m = r->fresh[--r->n_fresh];

	m->data_off = RTE_PKTMBUF_HEADROOM;
	rte_mbuf_refcnt_set(m, 1);
	m->nb_segs = 1;
	m->port = r->port;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->vlan_tci = 0;
	return m;
}

/* --- staging ---------------------------------------------------------------------------------------------------- */

static inline void
stage_mbuf(struct stage *s, struct rte_mbuf *m, bool is_packet)
{
	s->mbuf[s->n] = m;
	s->is_packet[s->n] = is_packet;
	s->n++;
}

/* On every queue. */
static void
stage_marker(struct replay *r, enum packet_meta_kind kind, uint64_t clock_ns)
{
	for (unsigned i = 0; i < r->n_workers; i++) {
		struct rte_mbuf *m = take_mbuf(r);

		m->data_len = 0;
		m->pkt_len = 0;
		*(struct packet_meta *)rte_mbuf_to_priv(m) = (struct packet_meta){
			.kind = (uint8_t)kind, .time_ns = clock_ns, .clock_ns = clock_ns, .sequence = r->sequence};
		stage_mbuf(&r->stage[i], m, false);
	}
}

/* False: a ring is full. */
static bool
send_stage(struct replay *r, unsigned queue)
{
	struct stage *s = &r->stage[queue];
	unsigned n = rte_ring_sp_enqueue_burst(r->ring[queue], (void **)&s->mbuf[s->sent], s->n - s->sent, NULL);
	unsigned packets = 0;

	for (unsigned i = s->sent; i < s->sent + n; i++)
		packets += s->is_packet[i];
	COUNTER_ADD(&r->counters, delivered, packets);
	s->sent += n;
	if (s->sent < s->n)
		return false;
	s->sent = 0;
	s->n = 0;
	return true;
}

static bool
send_stages(struct replay *r)
{
	bool all = true;

	for (unsigned i = 0; i < r->n_workers; i++)
		if (r->stage[i].n > 0 && !send_stage(r, i))
			all = false;
	return all;
}

/* The ledger's gauge: counted from the stages, not from the counters. */
static uint64_t
staged_packets(const void *context)
{
	const struct replay *r = context;
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->n_workers; i++)
		for (unsigned j = r->stage[i].sent; j < r->stage[i].n; j++)
			sum += r->stage[i].is_packet[j];
	return sum;
}

/* --- one packet ------------------------------------------------------------------------------------------------- */

/* A packet without a key belongs to worker 0: somebody has to count it. */
static unsigned
find_owner(struct replay *r)
{
	const struct capture_packet *next = &r->next;
	struct packet *p = &r->packet;

	if (r->n_workers == 1)
		return 0;
	p->data = next->data;
	p->time_ns = next->time_ns;
	p->captured_bytes = next->captured_bytes;
	p->wire_bytes = next->wire_bytes;
	p->link_type = next->link_type;
	p->has_nanoseconds = next->has_nanoseconds;
	return packet_decode(r->params.decode, p) == PACKET_OK ? flow_key_owner(&p->key, r->n_workers) : 0;
}

/* The bytes that do not fit into the first mbuf. */
static void
append_segments(struct replay *r, struct rte_mbuf *first)
{
	struct cursor c = cursor_make(r->next.data, r->next.captured_bytes);
	struct rte_mbuf *last = first;

	cursor_skip(&c, first->data_len);
	while (cursor_left(&c) > 0) {
		struct rte_mbuf *m = take_mbuf(r);
		size_t size = cursor_left(&c) < r->room ? cursor_left(&c) : r->room;

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), cursor_take(&c, size), size);
		m->data_len = (uint16_t)size;
		last->next = m;
		last = m;
		first->nb_segs++;
	}
}

static void
set_meta(const struct replay *r, struct packet_meta *meta)
{
	const struct capture_packet *next = &r->next;

	/* Not a compound literal: that is made on the stack first. */
	meta->time_ns = next->time_ns;
	meta->clock_ns = r->greatest_ns;
	meta->sequence = r->sequence;
	meta->input_position = next->position;
	meta->wire_bytes = next->wire_bytes;
	meta->input = r->input_index;
	meta->link_type = next->link_type;
	meta->kind = META_PACKET;
	meta->has_nanoseconds = next->has_nanoseconds;
}

static struct rte_mbuf *
copy_packet(struct replay *r)
{
	struct rte_mbuf *m = take_mbuf(r);
	uint32_t size = r->next.captured_bytes;

	if (unlikely(size > r->room))
		size = r->room;
	rte_memcpy(rte_pktmbuf_mtod(m, uint8_t *), r->next.data, size);
	m->data_len = (uint16_t)size;
	m->pkt_len = r->next.captured_bytes;
	set_meta(r, rte_mbuf_to_priv(m));
	if (unlikely(r->next.captured_bytes > size))
		append_segments(r, m);
	return m;
}

static void
restart_clock(struct replay *r)
{
	stage_marker(r, META_FLUSH, r->clock_ns);
	r->greatest_ns = 0;
	r->clock_ns = 0;
	r->next_tick_ns = NS_PER_S;
}

static bool
starts_again(const struct replay *r)
{
	return r->file_begins && r->sequence > 0 && (r->params.flush_between_files || r->next.time_ns < r->greatest_ns);
}

static void
begin_file(struct replay *r)
{
	const struct capture_info *info = capture_info(r->capture);

	/* A pipe's header was not there yet when it was opened. */
	r->input->link_type = info->link_type;
	r->input->snap_length = info->snap_length;
	r->input->has_nanoseconds = r->next.has_nanoseconds;
	r->input->first_ns = r->next.time_ns;
	r->file_begins = false;
}

/* Mbufs for 'r->next' and all that may go before it. */
static inline bool
have_mbufs(struct replay *r)
{
	unsigned need = 1 + r->next.captured_bytes / r->room;

	if (unlikely(r->file_begins || r->greatest_ns >= r->next_tick_ns))
		need += 2 * r->n_workers;
	return likely(r->n_fresh >= need) || refill(r, need);
}

static void
stage_packet(struct replay *r)
{
	unsigned owner = find_owner(r);

	if (unlikely(r->file_begins)) {
		if (starts_again(r))
			restart_clock(r);
		begin_file(r);
	}
	if (unlikely(r->greatest_ns >= r->next_tick_ns)) {
		stage_marker(r, META_TICK, r->greatest_ns);
		r->next_tick_ns = (r->greatest_ns / NS_PER_S + 1) * NS_PER_S;
	}
	stage_mbuf(&r->stage[owner], copy_packet(r), true);
	r->has_next = false;
	r->clock_ns = r->greatest_ns;
	if (r->next.time_ns > r->greatest_ns)
		r->greatest_ns = r->next.time_ns;
	r->sequence++;
	r->packets_in_file++;
	r->input->packets++;
	r->input->last_ns = r->next.time_ns;
	COUNTER_ADD(&r->counters, read_packets, 1);
	COUNTER_ADD(&r->counters, read_bytes, r->next.captured_bytes);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static void
refuse_file(struct replay *r, const char *path, const char *why)
{
	bool is_ignored = r->params.ignore_errors && errno == EPROTONOSUPPORT;
	char quoted[512];

	log_quote(quoted, sizeof(quoted), path);
	if (is_ignored) {
		LOG_WARN("replay.ignored", "file=\"%s\" reason=\"%s\"", quoted, why);
	} else {
		LOG_ERROR("replay.refused", "file=\"%s\" reason=\"%s\"", quoted, why);
		r->files_damaged++;
	}
	r->files_done++;
}

static void
open_file(struct replay *r)
{
	const char *path = r->params.files->path[r->next_file++];
	uint32_t index = atomic_load_explicit(&r->n_inputs, memory_order_relaxed);
	struct replay_input *input = &r->inputs[index];
	const struct capture_info *info;
	char why[256];

	r->capture = capture_open(path, why, sizeof(why));
	if (r->capture == NULL) {
		refuse_file(r, path, why);
		return;
	}
	info = capture_info(r->capture);
	*input = (struct replay_input){
		.path = path, /* the caller's list */
		.absolute = info->absolute != NULL ? strdup(info->absolute) : NULL,
		.plain_pcap = info->plain_pcap,
		.has_nanoseconds = info->has_nanoseconds,
		.link_type = info->link_type,
		.snap_length = info->snap_length,
		.size_bytes = info->size_bytes,
	};
	r->input = input;
	r->input_index = index;
	r->file_begins = true;
	r->packets_in_file = 0;
	/* Whoever sees the count, or a packet of this file, sees the input. */
	atomic_fetch_add_explicit(&r->n_inputs, 1, memory_order_release);
}

static void
close_file(struct replay *r)
{
	uint64_t n_skipped = capture_skipped_records(r->capture);

	COUNTER_ADD(&r->counters, read_packets, n_skipped);
	COUNTER_ADD(&r->counters, skipped, n_skipped);
	r->input->read_bytes = capture_consumed_bytes(r->capture);
	r->input->done = true;
	r->bytes_done += r->input->size_bytes;
	r->files_done++;
	capture_close(r->capture);
	r->capture = NULL;
	r->has_next = false;
}

static void
report_damage(struct replay *r)
{
	char quoted[512];
	uint64_t offset = 0;
	const char *why = capture_damage(r->capture, &offset);

	LOG_ERROR("replay.damaged", "file=\"%s\" offset=%" PRIu64 " reason=\"%s\" packets=%" PRIu64,
		  log_quote(quoted, sizeof(quoted), r->input->path), offset, why, r->input->packets);
	r->files_damaged++;
}

/* True: r->next is a packet. False: there is nothing to do before the next call, or for ever. */
static bool
read_packet(struct replay *r)
{
	if (r->params.packets_per_file_max != 0 && r->packets_in_file >= r->params.packets_per_file_max) {
		close_file(r);
		return false;
	}
	switch (capture_next(r->capture, &r->next)) {
	case CAPTURE_PACKET:
		r->has_next = true;
		return true;
	case CAPTURE_DAMAGED:
		report_damage(r);
		return false;
	case CAPTURE_END:
		close_file(r);
		return false;
	case CAPTURE_WAIT:
		return false;
	}
	return false;
}

/* Stages up to a burst. Each file begins with a poll of its own, which bounds what one poll does with empty files. */
static void
fill_stages(struct replay *r)
{
	for (unsigned i = 0; i < BURST_MAX; i++) {
		if (!r->has_next && !read_packet(r))
			break;
		if (!have_mbufs(r)) {
			COUNTER_ADD(&r->counters, stalled, 1);
			break;
		}
		stage_packet(r);
	}
	if (r->capture != NULL)
		r->input->read_bytes = capture_consumed_bytes(r->capture);
}

static void
end_input(struct replay *r)
{
	if (r->n_fresh < r->n_workers && !refill(r, r->n_workers)) {
		COUNTER_ADD(&r->counters, stalled, 1);
		return;
	}
	stage_marker(r, META_END, r->clock_ns);
	r->everything_read = true;
}

unsigned
replay_poll(struct replay *r)
{
	uint64_t before = r->counters.value[COUNTER_INDEX(delivered)];

	if (r->done)
		return 0;
	if (!send_stages(r)) {
		COUNTER_ADD(&r->counters, stalled, 1);
		return (unsigned)(r->counters.value[COUNTER_INDEX(delivered)] - before);
	}
	if (atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
		if (r->capture != NULL)
			close_file(r);
		r->next_file = r->params.files->n;
	}
	if (r->capture != NULL)
		fill_stages(r);
	else if (r->next_file < r->params.files->n)
		open_file(r);
	else if (!r->everything_read)
		end_input(r);
	r->done = send_stages(r) && r->everything_read;
	return (unsigned)(r->counters.value[COUNTER_INDEX(delivered)] - before);
}

/* --- life and death --------------------------------------------------------------------------------------------- */

/* What can be known of the files without reading them. */
static int
check_files(struct replay *r, char *why, size_t why_size)
{
	const struct capture_list *files = r->params.files;
	struct stat st;

	for (unsigned i = 0; i < files->n; i++) {
		if (strcmp(files->path[i], "-") == 0)
			continue;
		if (access(files->path[i], R_OK) != 0 || stat(files->path[i], &st) != 0) {
			snprintf(why, why_size, "%s: %s", files->path[i], strerror(errno));
			return -errno;
		}
		if (S_ISREG(st.st_mode))
			r->bytes += (uint64_t)st.st_size;
	}
	return 0;
}

static int
check_params(const struct replay_params *params, char *why, size_t why_size)
{
	if (params->n_workers < 1 || params->n_workers > REPLAY_WORKERS_MAX) {
		snprintf(why, why_size, "%u workers: a replay feeds 1 to %u", params->n_workers, REPLAY_WORKERS_MAX);
		return -EINVAL;
	}
	if (params->ring_size < 2 * BURST_MAX || params->ring_size > RTE_RING_SZ_MASK ||
	    !rte_is_power_of_2((uint32_t)params->ring_size)) {
		snprintf(why, why_size, "%" PRIu64 " slots: a receive ring has a power of two of at least %u",
			 params->ring_size, 2 * BURST_MAX);
		return -EINVAL;
	}
	if (rte_pktmbuf_priv_size(params->pool) < sizeof(struct packet_meta) ||
	    rte_pktmbuf_data_room_size(params->pool) < RTE_MBUF_DEFAULT_BUF_SIZE) {
		snprintf(why, why_size, "mempool %s was not made by port_pool_create()", params->pool->name);
		return -EINVAL;
	}
	return 0;
}

static int
create_port(struct replay *r, char *why, size_t why_size)
{
	/* EAL's names are per process, and a test makes several replays. */
	static atomic_uint serial;
	unsigned number = atomic_fetch_add(&serial, 1);
	char name[RTE_RING_NAMESIZE];
	int port;

	for (unsigned i = 0; i < r->n_workers; i++) {
		snprintf(name, sizeof(name), "replay_%u_%u", number, i);
		r->ring[i] = rte_ring_create(name, (unsigned)r->params.ring_size, r->params.socket,
					     RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (r->ring[i] == NULL) {
			snprintf(why, why_size, "no memory for a receive ring: %s", rte_strerror(rte_errno));
			return -rte_errno;
		}
	}
	snprintf(r->port_name, sizeof(r->port_name), REPLAY_PORT_NAME "%u", number);
	/* Nobody sends, but without a ring to send to the driver finds its allocation of 0 bytes failed. */
	port = rte_eth_from_rings(r->port_name, r->ring, r->n_workers, r->ring, 1, (unsigned)r->params.socket);
	if (port < 0) {
		snprintf(why, why_size, "no ethdev port over the receive rings: %s", rte_strerror(rte_errno));
		r->port_name[0] = '\0';
		return -rte_errno;
	}
	r->port = (uint16_t)port;
	return 0;
}

struct replay *
replay_create(const struct replay_params *params, char *why, size_t why_size)
{
	struct replay *r;
	int rc = check_params(params, why, why_size);

	if (rc != 0) {
		errno = -rc;
		return NULL;
	}
	r = rte_zmalloc_socket("replay", sizeof(*r), RTE_CACHE_LINE_SIZE, params->socket);
	if (r == NULL) {
		snprintf(why, why_size, "no memory for the replay");
		errno = ENOMEM;
		return NULL;
	}
	r->params = *params;
	r->n_workers = params->n_workers;
	r->next_tick_ns = NS_PER_S;
	r->room = rte_pktmbuf_data_room_size(params->pool) - RTE_PKTMBUF_HEADROOM;
	r->inputs = calloc(params->files->n + 1, sizeof(*r->inputs));
	rc = r->inputs == NULL ? -ENOMEM : check_files(r, why, why_size);
	if (rc == 0)
		rc = create_port(r, why, why_size);
	counters_attach(&r->counters, "replay");
	r->gauge = (struct ledger_gauge){
		.name = "replay.staged", .account = LEDGER_WIRE, .read = staged_packets, .context = r};
	ledger_gauge_attach(&r->gauge);
	if (rc == 0)
		return r;
	replay_destroy(r);
	errno = -rc;
	return NULL;
}

static void
free_mbufs(struct replay *r)
{
	struct rte_mbuf *m;

	port_free_burst(r->fresh, r->n_fresh);
	for (unsigned i = 0; i < r->n_workers; i++) {
		port_free_burst(&r->stage[i].mbuf[r->stage[i].sent], r->stage[i].n - r->stage[i].sent);
		while (r->ring[i] != NULL && rte_ring_sc_dequeue(r->ring[i], (void **)&m) == 0)
			port_free_burst(&m, 1);
	}
}

void
replay_destroy(struct replay *r)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	if (r == NULL)
		return;
	counters_detach(&r->counters);
	ledger_gauge_detach(&r->gauge);
	capture_close(r->capture);
	if (r->port_name[0] != '\0' && rte_eth_dev_get_name_by_port(r->port, name) == 0) {
		rte_eth_dev_stop(r->port);
		rte_eal_hotplug_remove("vdev", name);
	}
	free_mbufs(r);
	for (unsigned i = 0; i < r->n_workers; i++)
		rte_ring_free(r->ring[i]);
	for (unsigned i = 0; r->inputs != NULL && i < r->n_inputs; i++)
		free((void *)(uintptr_t)r->inputs[i].absolute);
	free(r->inputs);
	rte_free(r);
}

uint16_t
replay_port(const struct replay *r)
{
	return r->port;
}

struct counters *
replay_counters(struct replay *r)
{
	return &r->counters;
}

bool
replay_done(const struct replay *r)
{
	return r->done;
}

void
replay_stop(struct replay *r)
{
	atomic_store_explicit(&r->stopping, true, memory_order_relaxed);
}

const struct replay_input *
replay_input(const struct replay *r, uint32_t index)
{
	return &r->inputs[index];
}

uint32_t
replay_input_count(const struct replay *r)
{
	return atomic_load_explicit(&r->n_inputs, memory_order_acquire);
}

void
replay_progress(const struct replay *r, struct replay_progress *progress)
{
	uint32_t n = replay_input_count(r);
	const struct replay_input *last = n > 0 ? &r->inputs[n - 1] : NULL;

	*progress = (struct replay_progress){
		.files = r->params.files->n,
		.files_done = r->files_done,
		.files_damaged = r->files_damaged,
		.bytes = r->bytes,
		.bytes_done = r->bytes_done + (last != NULL && !last->done ? last->read_bytes : 0),
		.packets = r->counters.value[COUNTER_INDEX(read_packets)],
		.path = last != NULL ? last->path : NULL,
	};
}
