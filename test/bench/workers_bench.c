/* Two workers against one, and what a hand-off costs: a whole sensor on net_ring ports whose rings are refilled in
 * place.
 *
 *   workers_bench PACKETS TRACE [SHRIKE'S ARGUMENTS]
 *
 * Beside each worker, on its lcore, is a feeder. It puts packets of the trace, which lies in memory, into the ring that
 * the worker polls: an mbuf from the pool whose data pointer is set, no copy.
 *
 * A line on standard input is a pass over the first PACKETS packets, all workers together: 'right', where each worker
 * gets the packets of the flows that it owns, 'other', those of the next worker's, so each is handed off, or 'rss', as
 * 'right', but from ports that say that a NIC's RSS has placed them. With one worker also 'new', as 'right', but
 * clients (of IPv4, in 10/8, as make_flows has them) have other addresses with each pass: sessions are new ones, and no
 * packet is a copy of one in the pass before. The answer is a line of JSON. Passes follow each other in one process,
 * whose memory has all been touched by the first of them, so the first one says nothing and those after it can be held
 * against each other. End of input ends it.
 *
 * The feeders see the end of a pass: a thread that slept and looked again took 7 % of the first lcore's CPU. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
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
	FEED_AHEAD = 8,
	SOURCE_ADDRESS = 26,
	DESTINATION_ADDRESS = 30,
	CLIENT_NETWORK = 10,
	UNDER_WAY_MAX = 2048,
	TURNS_A_LOOK = 16,
	POOL_MBUFS = 16383,
	POOL_CACHE = 256,
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	LOSS_LOOK_NS = 100000000,
	PATIENCE_S = 300,
	HUGE_BYTES = 2 << 20,
};

struct frame {
	uint8_t *data;
	uint32_t bytes;
};

struct frames {
	struct frame *frame;
	unsigned n;
};

struct feeder {
	struct rte_ring *ring;
	unsigned index, pass;
	const struct frames *frames;
	const struct worker *owner; /* of these frames */
	unsigned next, looks;
	uint64_t processed_before; /* by the owner, before this pass */
	uint64_t processed;	   /* of this pass, when it was last looked at */
	bool ended;
} __rte_cache_aligned;

static struct sensor sensor;
static struct frames frames[WORKERS_MAX]; /* by owner */
static struct feeder feeder[WORKERS_MAX];
static struct rte_mempool *pool;
static unsigned processed; /* the counter's index */
static unsigned n_all;

/* Written by the driver before a pass and when it has ended; feeders only read. */
static struct {
	_Atomic unsigned pass;
	unsigned shift;
	bool renews; /* clients */
} order __rte_cache_aligned;

/* Of a pass: by the last feeder whose packets have all been processed. */
static struct {
	_Atomic unsigned left; /* feeders */
	uint64_t ns;
	sem_t reached;
} end;

static void
die(const char *what)
{
	fprintf(stderr, "workers_bench: %s\n", what);
	exit(1);
}

static const uint8_t *
map_trace(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	const uint8_t *map;

	if (fd < 0 || fstat(fd, &st) != 0)
		die("cannot read the trace");
	*bytes = (size_t)st.st_size;
	map = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		die("cannot map the trace");
	close(fd);
	return map;
}

/* Where frames lie as in the buffers of a port: each begins a cache line, and pages are huge. As they lie in the file
 * nearly each one is the first of its page, and its headers are on two lines, for the lcore that receives it and once
 * more for the one it is handed to. */
static uint8_t *
frame_space(size_t bytes)
{
	uint8_t *space = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (space == MAP_FAILED)
		die("no memory for the trace");
	space = RTE_PTR_ALIGN_CEIL(space, HUGE_BYTES);
	if (madvise(space, bytes, MADV_HUGEPAGE) != 0)
		die("no huge pages for the trace");
	return space;
}

/* The frames of a pcap file in our byte order, by owner. */
static void
read_trace(const char *path, unsigned max)
{
	struct decode_conf *decode = decode_conf_create(NULL);
	size_t at = FILE_HEADER, size;
	const uint8_t *file = map_trace(path, &size);
	uint8_t *space = frame_space(size + (size_t)max * RTE_CACHE_LINE_SIZE);

	if (decode == NULL)
		die("no memory");
	for (unsigned i = 0; i < sensor.n_workers; i++)
		frames[i].frame = calloc(max, sizeof(struct frame));
	while (n_all < max && at + RECORD_HEADER < size) {
		struct packet p = {.data = space, .link_type = LINK_ETHERNET};
		struct frames *f;
		uint32_t bytes;

		memcpy(&bytes, file + at + 8, sizeof(bytes));
		at += RECORD_HEADER;
		if (bytes > size - at)
			break;
		memcpy(space, file + at, bytes);
		at += bytes;
		p.captured_bytes = p.wire_bytes = bytes;
		if (packet_decode(decode, &p) != PACKET_OK)
			continue;
		f = &frames[flow_owner(&sensor.owners, &p.key)];
		f->frame[f->n++] = (struct frame){space, bytes};
		space += RTE_ALIGN_CEIL(bytes, RTE_CACHE_LINE_SIZE);
		n_all++;
	}
	decode_conf_destroy(decode);
}

static void
renew_client(uint8_t *frame, unsigned pass)
{
	unsigned address = frame[SOURCE_ADDRESS] == CLIENT_NETWORK ? SOURCE_ADDRESS : DESTINATION_ADDRESS;

	frame[address + 1] = (uint8_t)(pass >> 8);
	frame[address + 2] = (uint8_t)pass;
}

static void
fill(struct feeder *f, unsigned n)
{
	struct rte_mbuf *m[FEED_BURST];

	if (rte_mempool_get_bulk(pool, (void **)m, n) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct frame *frame = &f->frames->frame[f->next + i];

		/* It comes back from whoever freed it. A NIC's driver asks for it, or writes many at once. */
		if (i + FEED_AHEAD < n)
			rte_prefetch0_write(m[i + FEED_AHEAD]);
		if (order.renews)
			renew_client(frame->data, f->pass);
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
}

static uint64_t
processed_by(const struct worker *w)
{
	return __atomic_load_n(&w->counters.value[processed], __ATOMIC_RELAXED);
}

static void
begin_pass(struct feeder *f, unsigned pass)
{
	unsigned owner = (f->index + order.shift) % sensor.n_workers;

	f->pass = pass;
	f->frames = &frames[owner];
	f->owner = sensor.worker[owner];
	f->processed_before = processed_by(f->owner);
	f->processed = f->next = f->looks = 0;
	f->ended = false;
}

static void
look_for_end(struct feeder *f)
{
	if (f->ended || f->looks++ % TURNS_A_LOOK != 0 || processed_by(f->owner) - f->processed_before < f->frames->n)
		return;
	f->ended = true;
	if (atomic_fetch_sub(&end.left, 1) > 1)
		return;
	end.ns = clock_monotonic_ns();
	sem_post(&end.reached);
}

/* The owner's counter is a line that another lcore writes for each packet. Fetched at every turn it would be part of
 * what a hand-off seems to cost, so it is looked at only when there may be too much under way, and then now and then.
 */
static bool
too_many_under_way(struct feeder *f)
{
	if (likely(f->next - f->processed <= UNDER_WAY_MAX))
		return false;
	if (f->looks++ % TURNS_A_LOOK == 0)
		f->processed = processed_by(f->owner) - f->processed_before;
	return f->next - f->processed > UNDER_WAY_MAX;
}

/* Only when the worker has taken what was there, so what lies in memory stays in the cache, as descriptors of a NIC
 * that is kept up with do. */
static unsigned
feed(void *context)
{
	struct feeder *f = context;
	unsigned pass = atomic_load_explicit(&order.pass, memory_order_acquire), n;

	if (pass != f->pass)
		begin_pass(f, pass);
	if (f->frames == NULL)
		return 0;
	n = RTE_MIN(f->frames->n - f->next, (unsigned)FEED_BURST);
	if (n == 0)
		look_for_end(f);
	if (n == 0 || rte_ring_count(f->ring) > 0 || too_many_under_way(f))
		return 0;
	fill(f, n);
	return n;
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
		feeder[i].index = i;
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

static uint64_t
busy_cycles(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < sensor.plan.n_lcores; i++)
		sum += atomic_load_explicit(&sensor.plan.lcore[i].load.busy_cycles, memory_order_relaxed);
	return sum;
}

static void
set_spread(bool by_rss)
{
	for (unsigned i = 0; i < sensor.n_ports; i++)
		sensor.port[i].spread = by_rss ? PORT_BY_RSS : PORT_BY_OTHERS;
}

/* False: something was lost, or it takes for ever. */
static bool
wait_for_end(uint64_t losses)
{
	for (uint64_t waited_ns = 0; waited_ns < PATIENCE_S * NS_PER_S; waited_ns += LOSS_LOOK_NS) {
		uint64_t until_ns = clock_monotonic_ns() + LOSS_LOOK_NS;
		const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
					       .tv_nsec = (long)(until_ns % NS_PER_S)};

		if (sem_clockwait(&end.reached, CLOCK_MONOTONIC, &until) == 0)
			return true;
		if (ledger_losses() != losses)
			return false;
	}
	return false;
}

static bool
run_pass(const char *mode)
{
	uint64_t losses = ledger_losses(), handed_off = counters_total("worker.handed_off");
	uint64_t begin_ns = clock_monotonic_ns(), busy = busy_cycles();
	double busy_ns;
	bool ended;

	order.shift = strcmp(mode, "other\n") == 0;
	order.renews = strcmp(mode, "new\n") == 0;
	set_spread(strcmp(mode, "rss\n") == 0);
	end.ns = begin_ns;
	atomic_store(&end.left, sensor.n_workers);
	atomic_fetch_add_explicit(&order.pass, 1, memory_order_release);
	ended = wait_for_end(losses);
	busy_ns = (double)(busy_cycles() - busy) * NS_PER_S / (double)rte_get_tsc_hz();
	printf("{\"workers\": %u, \"packets\": %u, \"ns_per_packet\": %.2f, \"busy_ns_per_packet\": %.2f, "
	       "\"handed_off\": %llu, \"lost\": %llu}\n",
	       sensor.n_workers, n_all, (double)(end.ns - begin_ns) / n_all, busy_ns / n_all,
	       (unsigned long long)(counters_total("worker.handed_off") - handed_off),
	       (unsigned long long)(ledger_losses() - losses));
	fflush(stdout);
	return ended;
}

static void *
drive(void *context)
{
	char line[16];

	while (fgets(line, sizeof(line), stdin) != NULL)
		if (!run_pass(line))
			break;
	raise(SIGTERM);
	return context;
}

int
main(int argc, char **argv)
{
	static struct options o;
	unsigned max = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	const char *path = argc > 2 ? argv[2] : "";
	pthread_t driver;

	if (max == 0)
		die("workers_bench PACKETS TRACE [ARGUMENTS]");
	argv[2] = argv[0];
	configure(&o, argc - 2, argv + 2);
	if (sensor_start(&sensor) != EXIT_FINE)
		die("start");
	REGISTRY_FOREACH (counter, struct counter, slot) {
		if (strcmp((*slot)->name, "worker.processed") == 0)
			processed = (unsigned)(slot - __start_registry_counter);
	}
	read_trace(path, max);
	pool = rte_pktmbuf_pool_create("feed", POOL_MBUFS, POOL_CACHE, sizeof(struct packet_meta), RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		die("no memory for mbufs");
	start_feeders();
	if (sem_init(&end.reached, 0, 0) != 0 || pthread_create(&driver, NULL, drive, NULL) != 0)
		die("no thread");
	sensor_run(&sensor);
	fflush(stdout);
	_exit(ledger_check(stderr) != 0);
}
