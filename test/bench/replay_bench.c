/* How fast a replay is by itself: one lcore reads a capture, fills the rings, receives from the port and frees.
 *
 *   replay-bench FILE [QUEUES [RUNS]]
 *
 * With one queue no packet is decoded; with more, every packet is, to find its owner. The first run, which may read
 * from the disk and touches fresh memory, is printed apart. Needs hugepages, or says that it runs without. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "clock.h"
#include "port.h"
#include "replay.h"

enum { MBUFS = 16384, RING_SLOTS = 1024 };

struct result {
	uint64_t packets, bytes, ns, ticks;
};

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "replay-bench: %s: %s\n", what, why);
	exit(1);
}

/* Markers are counted apart. */
static void
receive(const struct port *port, uint16_t queue, struct result *result)
{
	static struct port_burst burst;
	uint16_t n = port_receive(port, queue, &burst, BURST_MAX);

	for (uint16_t i = 0; i < n; i++) {
		result->packets += burst.meta[i]->kind == META_PACKET;
		result->ticks += burst.meta[i]->kind == META_TICK;
		result->bytes += burst.mbuf[i]->pkt_len;
	}
	port_burst_free(&burst, 0, n);
}

static struct result
run(const char *path, struct rte_mempool *pool, const struct decode_conf *decode, uint16_t n_queues)
{
	struct capture_list files = {0};
	struct replay_params params = {
		.files = &files, .n_workers = n_queues, .pool = pool, .decode = decode, .ring_size = RING_SLOTS};
	struct result result = {0};
	struct replay *replay;
	struct port port;
	char why[256];

	if (capture_list_add_file(&files, path) != 0)
		die(path, "no memory");
	replay = replay_create(&params, why, sizeof(why));
	if (replay == NULL)
		die(path, why);
	if (port_start(&port, replay_port(replay), n_queues, pool, why, sizeof(why)) != 0)
		die("port", why);
	result.ns = clock_monotonic_ns();
	while (!replay_done(replay)) {
		replay_poll(replay);
		for (uint16_t queue = 0; queue < n_queues; queue++)
			receive(&port, queue, &result);
	}
	for (uint16_t queue = 0; queue < n_queues; queue++)
		for (unsigned i = 0; i < RING_SLOTS / BURST_MAX; i++)
			receive(&port, queue, &result);
	result.ns = clock_monotonic_ns() - result.ns;
	port_stop(&port);
	port_close(&port);
	replay_destroy(replay);
	capture_list_free(&files);
	return result;
}

static void
start_eal(char *name)
{
	/* EAL wants strings it could write to. */
	static char in_memory[] = "--in-memory", no_pci[] = "--no-pci", no_telemetry[] = "--no-telemetry",
		    lcores[] = "--lcores", lcore[] = "0@0", log_level[] = "--log-level=lib.*:error",
		    no_huge[] = "--no-huge", m[] = "-m", mb[] = "256";
	char *huge[] = {name, in_memory, no_pci, no_telemetry, lcores, lcore, log_level, NULL};
	char *small[] = {name, no_huge, m, mb, no_pci, no_telemetry, lcores, lcore, NULL};

	if (rte_eal_init(7, huge) >= 0)
		return;
	fprintf(stderr, "replay-bench: no hugepages (%s): the figures will be far too low\n", rte_strerror(rte_errno));
	if (rte_eal_init(8, small) < 0)
		die("EAL", rte_strerror(rte_errno));
}

int
main(int argc, char **argv)
{
	uint16_t n_queues = argc > 2 ? (uint16_t)strtoul(argv[2], NULL, 10) : 1;
	int runs = argc > 3 ? (int)strtoul(argv[3], NULL, 10) : 5;
	struct conf_params conf_params = {.node = "bench"};
	struct conf *conf = conf_load(&conf_params, stderr);
	struct decode_conf *decode = conf != NULL ? decode_conf_create(conf) : NULL;
	struct rte_mempool *pool;

	if (argc < 2 || n_queues < 1 || decode == NULL)
		die("usage", "replay-bench FILE [QUEUES [RUNS]]");
	start_eal(argv[0]);
	pool = port_pool_create("bench", MBUFS, 1, SOCKET_ID_ANY);
	if (pool == NULL)
		die("mempool", rte_strerror(rte_errno));
	for (int i = 0; i <= runs; i++) {
		struct result r = run(argv[1], pool, decode, n_queues);
		double s = (double)r.ns / 1e9;

		printf("%s queues=%u packets=%" PRIu64 " ticks=%" PRIu64
		       " ns/packet=%.1f Mpps=%.1f Gbit/s=%.1f left=%u\n",
		       i == 0 ? "first" : "run", n_queues, r.packets, r.ticks, (double)r.ns / (double)r.packets,
		       (double)r.packets / s / 1e6, (double)r.bytes * 8 / s / 1e9, rte_mempool_in_use_count(pool));
	}
	decode_conf_destroy(decode);
	conf_destroy(conf);
	return 0;
}
