/* Faults put in on purpose, to show that the sanitize build finds them; without one, that the same calls are fine.
 *
 *   faults none|over-read|used-session|lost-chunk CAPTURE
 *
 * The packets come through the replay role and a port, as in the program, so it is their poison that is tested. */
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "field.h"
#include "port.h"
#include "port_packet.h"
#include "replay.h"
#include "session.h"

enum { MBUFS = 4095, RING = 1024, SESSIONS = 1024, CHUNKS = 4096, POLLS = 1000 };

static volatile uint8_t sink;

static void
start_eal(void)
{
	const char *argv[] = {
		"faults",   "--no-huge", "-m", "256", "--no-pci", "--no-telemetry", "--log-level=lib.*:error",
		"--lcores", "0@0",	 NULL};

	if (rte_eal_init((int)RTE_DIM(argv) - 1, (char **)(uintptr_t)argv) < 0)
		rte_exit(5, "faults: EAL does not start\n");
}

/* The first packet of a session, by way of a port; 'mbuf' has to be given to port_free(). */
static struct packet
first_packet(struct replay *replay, const struct port *port, const struct decode_conf *decode, struct rte_mbuf **mbuf)
{
	static uint8_t linear[PACKET_BYTES_MAX];
	static struct port_burst b;
	struct packet p = {0};

	for (unsigned i = 0; i < POLLS; i++) {
		replay_poll(replay);
		if (port_receive(port, 0, &b, 1) == 0)
			continue;
		*mbuf = b.mbuf[0];
		if (b.meta[0]->kind == META_PACKET && port_packet(*mbuf, b.meta[0], linear, 0, &p) &&
		    packet_decode(decode, &p) == PACKET_OK)
			return p;
		port_free(mbuf, 1);
	}
	rte_exit(1, "faults: no packet came\n");
}

static void
fill_conf(struct session_conf *out)
{
	struct conf_params params = {.node = "faults"};
	struct conf *conf = conf_load(&params, stderr);

	if (conf == NULL || !fields_init())
		rte_exit(1, "faults: no settings or no fields\n");
	conf_fill(conf, &session_settings_group, out);
	conf_fill(conf, &tcp_settings_group, &out->tcp);
	out->dry_run = true;
	session_conf_finish(out);
	conf_destroy(conf);
}

/* The session of the packet, which is then saved, and given back. */
static void
use_session(struct packet *p, struct record_pool *records, bool fault)
{
	static struct counters counters;
	static struct session_conf conf;
	struct hash_secret secret;
	struct session_table_params params = {.conf = &conf,
					      .n_workers = 1,
					      .max_sessions = SESSIONS,
					      .records = records,
					      .counters = &counters,
					      .secret = &secret};
	struct session_table *table;
	struct record *record;
	uint8_t first;

	hash_secret_init(&secret);
	fill_conf(&conf);
	table = session_table_create(&params);
	if (table == NULL)
		rte_exit(1, "faults: no session table\n");
	p->hash = flow_key_hash(&p->key, &secret);
	session_lookup(table, p);
	session_process(table, p);
	first = *(const uint8_t *)p->session;
	while (!session_flush(table, 64))
		;
	sink = fault ? *(const uint8_t *)p->session : first;
	while ((record = session_pull(table)) != NULL)
		record_free(records, record);
	session_table_destroy(table);
}

static unsigned
run(const char *fault, const struct capture_list *files)
{
	struct decode_conf *decode = decode_conf_create(NULL);
	struct rte_mempool *pool = port_pool_create("faults", MBUFS, 1, 0);
	struct replay_params params = {
		.files = files, .n_workers = 1, .pool = pool, .decode = decode, .ring_size = RING, .socket = 0};
	struct counters *counters = NULL;
	struct record_pool *records;
	struct rte_mbuf *mbuf;
	struct port port;
	struct packet p;
	char why[256] = "";
	struct replay *replay = replay_create(&params, why, sizeof(why));
	unsigned lost;

	if (replay == NULL || port_start(&port, replay_port(replay), 1, pool, why, sizeof(why)) != 0)
		rte_exit(1, "faults: %s\n", why);
	counters = replay_counters(replay);
	records = record_pool_create(CHUNKS, 0, counters);
	if (records == NULL)
		rte_exit(1, "faults: no record pool\n");
	p = first_packet(replay, &port, decode, &mbuf);
	sink = p.data[p.captured_bytes - 1];
	if (strcmp(fault, "over-read") == 0)
		sink = p.data[p.captured_bytes];
	use_session(&p, records, strcmp(fault, "used-session") == 0);
	if (strcmp(fault, "lost-chunk") == 0)
		(void)record_create(records);
	port_free(&mbuf, 1);
	lost = record_pool_destroy(records);
	port_stop(&port);
	port_close(&port);
	replay_destroy(replay);
	rte_mempool_free(pool);
	decode_conf_destroy(decode);
	return lost;
}

int
main(int argc, char **argv)
{
	struct capture_list files = {0};
	unsigned lost;

	if (argc != 3 || capture_list_add_file(&files, argv[2]) != 0) {
		fprintf(stderr, "usage: faults none|over-read|used-session|lost-chunk CAPTURE\n");
		return 2;
	}
	start_eal();
	lost = run(argv[1], &files);
	capture_list_free(&files);
	rte_eal_cleanup();
	return lost != 0;
}
