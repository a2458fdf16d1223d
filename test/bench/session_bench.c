/* What the session table costs: look-up and process of header-only UDP packets, random over 10 k to 10 M sessions.
 *
 *   session_bench [most sessions]
 *
 * Packets come in bursts of 64 and are stored (a position is noted for each), no record is made but at the end. What
 * making the packets costs is measured apart and subtracted. Columns: ns of CPU a packet for new sessions, for sessions
 * in their first ten packets, and for older ones; then bytes in use a session after three packets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session.h"

enum { WINDOW_BURSTS = 512 };

struct bench {
	struct session_conf conf;
	struct counters counters;
	struct hash_secret secret;
	struct record_pool *records;
	struct session_table *table;
	struct burst burst;
	uint8_t frame[42];
	uint64_t position, random, time_ns;
	uint32_t n_sessions;
};

static uint64_t
next_random(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

/* Session number 'i' as a packet: another address and port for each. */
static void
make_packet(struct bench *b, struct packet *p, uint32_t i)
{
	p->session = NULL;
	p->time_ns = p->clock_ns = b->time_ns;
	p->key.address[0][10] = p->key.address[0][11] = p->key.address[1][10] = p->key.address[1][11] = 0xff;
	memcpy(&p->key.address[0][12], &(uint32_t){i * UINT32_C(2654435761)}, 4);
	p->key.port[0] = (uint16_t)i;
	p->key.port[1] = 53;
	p->hash = flow_key_hash(&p->key, &b->secret);
}

/* Of this thread, so that other programs on the machine do not count. */
static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run_burst(struct bench *b)
{
	session_prefetch_buckets(b->table, b->burst.packet, BURST_MAX);
	session_prefetch_burst(b->table, b->burst.packet, BURST_MAX);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct packet *p = &b->burst.packet[i];

		session_lookup(b->table, p);
		p->position = b->position += 80;
		session_process(b->table, p);
	}
}

/* 'sequential': each session once, in order; else random ones. Without 'work' the packets are only made. Returns the
 * best of the windows of 512 bursts: the others say how busy the machine is with other things. */
static double
run(struct bench *b, uint64_t packets, bool sequential, bool work)
{
	uint64_t bursts = packets / BURST_MAX, window = bursts < WINDOW_BURSTS ? bursts : WINDOW_BURSTS;
	double best = 1e9, since = cpu_ns();
	uint32_t next = 0;

	for (uint64_t k = 1; k <= bursts; k++) {
		for (unsigned i = 0; i < BURST_MAX; i++, next = next + 1 < b->n_sessions ? next + 1 : 0)
			make_packet(b, &b->burst.packet[i],
				    sequential ? next : (uint32_t)(next_random(b) % b->n_sessions));
		if (work)
			run_burst(b);
		if (k % window == 0) {
			double now = cpu_ns(), ns = (now - since) / (double)(window * BURST_MAX);

			best = ns < best ? ns : best;
			since = now;
		}
	}
	return best;
}

static double
cost(struct bench *b, uint64_t packets, bool sequential)
{
	double making = run(b, packets, sequential, false);

	return run(b, packets, sequential, true) - making;
}

static void
start(struct bench *b, uint32_t n_sessions)
{
	struct session_table_params params = {
		.conf = &b->conf, .n_workers = 1, .counters = &b->counters, .secret = &b->secret};

	memset(&b->counters, 0, sizeof(b->counters));
	counters_attach(&b->counters, "bench");
	b->n_sessions = n_sessions;
	b->records = record_pool_create(1024, 0, &b->counters);
	params.records = b->records;
	params.max_sessions = params.start_sessions = n_sessions;
	b->table = session_table_create(&params);
	if (b->records == NULL || b->table == NULL)
		exit(1);
	session_expire(b->table, b->time_ns, 1);
}

static void
stop(struct bench *b)
{
	struct record *r;

	while (!session_flush(b->table, UINT32_MAX))
		while ((r = session_pull(b->table)) != NULL)
			record_free(b->records, r);
	session_table_destroy(b->table);
	record_pool_destroy(b->records);
	counters_detach(&b->counters);
}

static void
measure(struct bench *b, uint32_t n_sessions)
{
	uint64_t packets = n_sessions * UINT64_C(4) > 4000000 ? n_sessions * UINT64_C(4) : 4000000;
	struct session_stats none, three;
	double fresh, young, old;

	start(b, n_sessions);
	session_stats(b->table, &none);
	fresh = cost(b, n_sessions, true);
	run(b, 2 * (uint64_t)n_sessions, true, true);
	session_stats(b->table, &three);
	young = cost(b, n_sessions * UINT64_C(2), false);
	run(b, 12 * (uint64_t)n_sessions, true, true);
	old = cost(b, packets, false);
	printf("%10u sessions: new %5.1f, young %5.1f, old %5.1f ns a packet; %5.1f bytes a session\n", n_sessions,
	       fresh, young, old, (double)(three.bytes_in_use - none.bytes_in_use) / n_sessions);
	fflush(stdout);
	stop(b);
}

int
main(int argc, char **argv)
{
	unsigned long most = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000000;
	static struct bench b = {.random = 88172645463325252, .time_ns = UINT64_C(1700000000000000000), .position = 24};

	fields_init();
	b.conf = (struct session_conf){.tcp_timeout_s = 480,
				       .udp_timeout_s = 60,
				       .icmp_timeout_s = 10,
				       .sctp_timeout_s = 60,
				       .esp_timeout_s = 600,
				       .dhcp_timeout_s = 60,
				       .tcp_closing_timeout_s = 5,
				       .tcp_save_timeout_s = 480,
				       .max_packets = 65535,
				       .max_streams = UINT32_MAX};
	session_conf_finish(&b.conf);
	hash_secret_init(&b.secret);
	memcpy(&b.frame[12], "\x08\x00\x45", 3);
	for (unsigned i = 0; i < BURST_MAX; i++)
		b.burst.packet[i] = (struct packet){.data = b.frame,
						    .captured_bytes = sizeof(b.frame),
						    .is_ethernet = true,
						    .hop_limit = 64,
						    .ip_version = 4,
						    .ip_protocol = 17,
						    .protocol = packet_protocol_find("udp"),
						    .key = {.protocol = packet_protocol_find("udp")}};
	for (unsigned long n = 10000; n <= most; n *= 10)
		measure(&b, (uint32_t)n);
	return 0;
}
