/* A replay's life: its rings, its port, its end.
 *
 * The port is net_ring over our rings, one a worker. It needs a ring to send to, though nobody sends: without one the
 * driver takes its allocation of 0 bytes for a failed one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_malloc.h>

#include "clock.h"
#include "replay_priv.h"

enum { PACKET_BYTES_ABOUT = 500 };

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
			int rc = -errno;

			snprintf(why, why_size, "%s: %s", files->path[i], strerror(-rc));
			return rc;
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
		snprintf(why, why_size, "%u workers: a replay feeds 1 to %d", params->n_workers, REPLAY_WORKERS_MAX);
		return -EINVAL;
	}
	if (params->ring_size < 2 * BURST_MAX || params->ring_size > RTE_RING_SZ_MASK ||
	    !rte_is_power_of_2((uint32_t)params->ring_size)) {
		snprintf(why, why_size, "%" PRIu64 " slots: a receive ring has a power of two of at least %d",
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
	port = rte_eth_from_rings(r->port_name, r->ring, r->n_workers, r->ring, 1, (unsigned)r->params.socket);
	if (port < 0) {
		snprintf(why, why_size, "no ethdev port over the receive rings: %s", rte_strerror(rte_errno));
		r->port_name[0] = '\0';
		return -rte_errno;
	}
	r->port = (uint16_t)port;
	return 0;
}

static int
create_views(struct replay *r, char *why, size_t why_size)
{
	int rc = views_init(&r->views, r->params.apart, r->port_name, r->params.socket);

	if (rc != 0)
		snprintf(why, why_size, "no memory for the buffers files are read into: %s", rte_strerror(-rc));
	return rc;
}

static int
create_fragments(struct replay *r, char *why, size_t why_size)
{
	struct fragments_params params = {.conf = r->params.fragments,
					  .decode = r->params.decode,
					  .secret = r->params.secret,
					  .counters = &r->counters,
					  .n_workers = 1};

	r->fragments = fragments_create(&params);
	if (r->fragments != NULL)
		return 0;
	snprintf(why, why_size, "no memory for fragments");
	return -ENOMEM;
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
	r->in_place = params->in_place;
	r->room = rte_pktmbuf_data_room_size(params->pool) - RTE_PKTMBUF_HEADROOM;
	r->pool_number = port_pool_number(params->pool);
	r->inputs = calloc(params->files->n + 1, sizeof(*r->inputs));
	if (r->inputs == NULL) {
		snprintf(why, why_size, "no memory for %u input files", params->files->n);
		rc = -ENOMEM;
	}
	if (rc == 0)
		rc = check_files(r, why, why_size);
	if (rc == 0)
		rc = create_port(r, why, why_size);
	if (rc == 0 && r->in_place)
		rc = create_views(r, why, why_size);
	if (rc == 0 && r->n_workers > 1 && params->fragments != NULL)
		rc = create_fragments(r, why, why_size);
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

unsigned
replay_queue_depth(const struct replay *r, unsigned worker)
{
	return rte_ring_count(r->ring[worker]);
}

static void
free_mbufs(struct replay *r)
{
	struct rte_mbuf *m;

	port_free(r->fresh, r->n_fresh);
	for (unsigned i = 0; i < r->n_workers; i++) {
		port_free(&r->stage[i].mbuf[r->stage[i].sent], r->stage[i].n - r->stage[i].sent);
		while (r->ring[i] != NULL && rte_ring_sc_dequeue(r->ring[i], (void **)&m) == 0)
			port_free(&m, 1);
	}
}

void
replay_destroy(struct replay *r)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	if (r == NULL)
		return;
	fragments_destroy(r->fragments);
	counters_detach(&r->counters);
	ledger_gauge_detach(&r->gauge);
	capture_close(r->capture);
	if (r->port_name[0] != '\0' && rte_eth_dev_get_name_by_port(r->port, name) == 0) {
		rte_eth_dev_stop(r->port);
		rte_eal_hotplug_remove("vdev", name);
	}
	free_mbufs(r);
	views_fini(&r->views);
	for (unsigned i = 0; i < r->n_workers; i++)
		rte_ring_free(r->ring[i]);
	for (unsigned i = 0; r->inputs != NULL && i < r->n_inputs; i++)
		free((void *)(uintptr_t)r->inputs[i].absolute);
	free(r->inputs);
	rte_free(r);
}

uint64_t
replay_packets_about(const struct replay *r)
{
	return r->bytes / PACKET_BYTES_ABOUT;
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
