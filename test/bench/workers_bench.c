/* Two workers against one, and what a hand-off costs: a whole sensor on net_ring ports whose rings are refilled in
 * place.
 *
 *   workers_bench right|other PACKETS TRACE [SHRIKE'S ARGUMENTS]
 *
 * Beside each worker, on its lcore, is a feeder. It puts packets of the trace, which lies in memory, into the ring that
 * the worker polls: an mbuf from the pool whose data pointer is set, no copy. 'right': each worker gets the packets of
 * the flows that it owns; 'other': those of the next worker's, so each is handed off. Both workers together process
 * the first PACKETS packets of TRACE once. Prints a line of JSON. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "control.h"
#include "log.h"
#include "sensor.h"
#include "worker_priv.h"

enum {
	FEED_BURST = 64,
	UNDER_WAY_MAX = 2048,
	POOL_MBUFS = 16383,
	POOL_CACHE = 256,
	FILE_HEADER = 24,
	RECORD_HEADER = 16
};

struct frame {
	uint8_t *data;
	uint32_t bytes;
};

struct feeder {
	struct rte_ring *ring;
	struct frame *frame;
	unsigned n, next;
	bool done;
} __rte_cache_aligned;

static struct sensor sensor;
static struct feeder feeder[WORKERS_MAX];
static struct rte_mempool *pool;
static unsigned processed; /* the counter's index */
static unsigned n_all;
static _Atomic unsigned n_fed;
static uint64_t begin_ns, end_ns;

static void
die(const char *what)
{
	fprintf(stderr, "workers_bench: %s\n", what);
	exit(1);
}

/* The frames of a pcap file in our byte order, and whose they are. */
static void
read_trace(const char *path, unsigned max, unsigned shift)
{
	struct decode_conf *decode = decode_conf_create(NULL);
	struct stat st;
	int fd = open(path, O_RDONLY);
	uint8_t *map;
	size_t at = FILE_HEADER;

	if (fd < 0 || fstat(fd, &st) != 0 || decode == NULL)
		die("cannot read the trace");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		die("cannot map the trace");
	for (unsigned i = 0; i < sensor.n_workers; i++)
		feeder[i].frame = calloc(max, sizeof(struct frame));
	while (n_all < max && at + RECORD_HEADER < (size_t)st.st_size) {
		struct packet p = {.link_type = LINK_ETHERNET};
		struct feeder *f;
		uint32_t bytes;

		memcpy(&bytes, map + at + 8, sizeof(bytes));
		at += RECORD_HEADER;
		p.data = map + at;
		p.captured_bytes = p.wire_bytes = bytes;
		at += bytes;
		if (at > (size_t)st.st_size || packet_decode(decode, &p) != PACKET_OK)
			continue;
		f = &feeder[(flow_owner(&sensor.owners, &p.key) + shift) % sensor.n_workers];
		f->frame[f->n++] = (struct frame){map + at - bytes, bytes};
		n_all++;
	}
	close(fd);
	decode_conf_destroy(decode);
}

static void
fill(struct feeder *f, unsigned n)
{
	struct rte_mbuf *m[FEED_BURST];

	if (rte_mempool_get_bulk(pool, (void **)m, n) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct frame *frame = &f->frame[f->next + i];

		m[i]->buf_addr = frame->data;
		m[i]->buf_len = (uint16_t)frame->bytes;
		m[i]->data_off = 0;
		m[i]->data_len = (uint16_t)frame->bytes;
		m[i]->pkt_len = frame->bytes;
		m[i]->nb_segs = 1;
		m[i]->ol_flags = 0;
		m[i]->vlan_tci = 0;
		rte_mbuf_refcnt_set(m[i], 1);
	}
	if (rte_ring_sp_enqueue_bulk(f->ring, (void **)m, n, NULL) == 0)
		die("a ring is full that had room");
	f->next += n;
	atomic_fetch_add_explicit(&n_fed, n, memory_order_relaxed);
}

static uint64_t
total_processed(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < sensor.n_workers; i++)
		sum += __atomic_load_n(&sensor.worker[i]->counters.value[processed], __ATOMIC_RELAXED);
	return sum;
}

static unsigned
feed(void *context)
{
	struct feeder *f = context;
	unsigned n = RTE_MIN(f->n - f->next, (unsigned)FEED_BURST);

	if (n > 0) {
		if (begin_ns == 0)
			begin_ns = clock_monotonic_ns();
		if (rte_ring_free_count(f->ring) < n || n_fed - total_processed() > UNDER_WAY_MAX * sensor.n_workers)
			return 0;
		fill(f, n);
		return n;
	}
	if (f == &feeder[0] && !f->done && total_processed() == n_all) {
		end_ns = clock_monotonic_ns();
		f->done = true;
		raise(SIGTERM);
	}
	return 0;
}

static void
start_feeders(void)
{
	for (unsigned i = 0; i < sensor.n_workers; i++) {
		const struct worker_queue *queue = &sensor.worker[i]->queue[0];
		char port[RTE_ETH_NAME_MAX_LEN], name[64];

		if (sensor.worker[i]->n_queues == 0 || rte_eth_dev_get_name_by_port(queue->port->id, port) != 0)
			die("a worker has no queue");
		snprintf(name, sizeof(name), "ETH_RXTX%u_%.32s", queue->number, port);
		feeder[i].ring = rte_ring_lookup(name);
		if (feeder[i].ring == NULL)
			die("no ring behind the port: --vdev net_ring0 --vdev net_ring1");
		role_plan_add(&sensor.plan, ROLE_WORKER, i, &(struct role){"feeder", feed, &feeder[i]});
	}
}

static void
configure(struct options *o, int argc, char **argv)
{
	struct conf_params params = {0};
	struct conf *conf;

	if (options_parse(o, argc, argv) != EXIT_FINE)
		die("arguments");
	log_set_level(LOG_LEVEL_WARN);
	params = (struct conf_params){
		.path = o->conf_path, .overrides = o->overrides.item, .n_overrides = o->overrides.n};
	conf = conf_load(&params, stderr);
	if (conf == NULL || sensor_configure(&sensor, o, conf) != EXIT_FINE)
		die("settings");
}

static void
print_loss(const struct counter *c, uint64_t total, void *context)
{
	if (c->loss && total > 0)
		fprintf(context, "workers_bench: %llu %s\n", (unsigned long long)total, c->name);
}

int
main(int argc, char **argv)
{
	static struct options o;
	unsigned max = argc > 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	const char *path = argc > 3 ? argv[3] : "", *mode = argc > 3 ? argv[1] : "";
	double seconds;

	if (max == 0)
		die("workers_bench right|other PACKETS TRACE [ARGUMENTS]");
	argv[3] = argv[0];
	configure(&o, argc - 3, argv + 3);
	if (sensor_start(&sensor) != EXIT_FINE)
		die("start");
	REGISTRY_FOREACH (counter, struct counter, slot) {
		if (strcmp((*slot)->name, "worker.processed") == 0)
			processed = (unsigned)(slot - __start_registry_counter);
	}
	read_trace(path, max, strcmp(mode, "other") == 0 ? 1 : 0);
	pool = rte_pktmbuf_pool_create("feed", POOL_MBUFS, POOL_CACHE, sizeof(struct packet_meta), RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		die("no memory for mbufs");
	start_feeders();
	sensor_run(&sensor);
	seconds = (double)(end_ns - begin_ns) / 1e9;
	printf("{\"workers\": %u, \"packets\": %u, \"seconds\": %.6f, \"ns_per_packet\": %.2f, \"handed_off\": %llu, "
	       "\"lost\": %llu, \"ledger\": %u}\n",
	       sensor.n_workers, n_all, seconds, seconds * 1e9 / n_all,
	       (unsigned long long)counters_total("worker.handed_off"), (unsigned long long)ledger_losses(),
	       ledger_check(NULL));
	counters_each(print_loss, stderr);
	fflush(stdout);
	_exit(end_ns == 0);
}
