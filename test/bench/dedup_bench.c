/* What looking for copies costs a packet, and what packet-drop-ips does: over the packets of a capture, in bursts
 * of 64.
 *
 *   dedup_bench CAPTURE.pcap [rounds [dedupPackets [packets]]]
 *
 * Of several rounds the fastest counts, so a short capture is better on a busy machine. Columns: ns of this thread's
 * CPU time a packet for decode alone, for decode and dedup, and for decode with a list of 100,000 addresses; what the
 * table took; how many packets were copies. Each round has a table with a secret of its own, so that no packet meets
 * what another round left of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "decode.h"
#include "dedup.h"
#include "rcu.h"

enum { PCAP_HEADER = 24, RECORD_HEADER = 16, PACKETS_MAX = 1 << 22, SEVERAL = 5 };

struct bench {
	struct packet *packet;
	unsigned n, max; /* at most PACKETS_MAX */
	struct decode_conf *decode;
	struct dedup *dedup;
	struct dedup_conf conf;
	struct hash_secret secret;
	struct counters counters;
	uint64_t copies;
};

static uint32_t
word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool
read_capture(struct bench *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct cursor c;
	const uint8_t *bytes;
	uint64_t clock_ns = 0;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < PCAP_HEADER)
		return false;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return false;
	c = cursor_make(bytes, (size_t)st.st_size);
	cursor_skip(&c, PCAP_HEADER);
	b->packet = calloc(PACKETS_MAX, sizeof(*b->packet));
	while (b->packet != NULL && b->n < b->max) {
		const uint8_t *record = cursor_take(&c, RECORD_HEADER);
		struct packet *p = &b->packet[b->n];

		if (record == NULL)
			break;
		p->captured_bytes = word(&record[8]);
		p->wire_bytes = word(&record[12]);
		p->data = cursor_take(&c, p->captured_bytes);
		p->time_ns = word(&record[0]) * NS_PER_S + word(&record[4]) * UINT64_C(1000);
		p->clock_ns = clock_ns;
		p->link_type = LINK_ETHERNET;
		if (p->time_ns > clock_ns)
			clock_ns = p->time_ns;
		if (p->data == NULL)
			break;
		b->n++;
	}
	return b->n > 0;
}

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
round_ns(struct bench *b, bool dedup)
{
	static struct burst burst;
	double begin = cpu_ns();

	for (unsigned i = 0; i < b->n; i += BURST_MAX) {
		burst.n = b->n - i < BURST_MAX ? b->n - i : BURST_MAX;
		memcpy(burst.packet, &b->packet[i], burst.n * sizeof(burst.packet[0]));
		decode_part(b->decode, &b->secret, &burst, 0, burst.n);
		if (!dedup)
			continue;
		dedup_grow(b->dedup);
		dedup_prefetch_burst(b->dedup, burst.packet, burst.n);
		for (unsigned j = 0; j < burst.n; j++)
			b->copies += dedup_is_copy(b->dedup, &burst.packet[j]);
	}
	return (cpu_ns() - begin) / b->n;
}

static bool
new_table(struct bench *b)
{
	struct dedup_params params = {.conf = &b->conf,
				      .decode = b->decode,
				      .secret = &b->secret,
				      .counters = &b->counters,
				      .n_workers = 1,
				      .packets_about = b->n};

	dedup_destroy(b->dedup);
	hash_secret_init(&b->secret);
	b->dedup = dedup_create(&params);
	return b->dedup != NULL;
}

static const struct drop_ips *
many_addresses(void)
{
	struct drop_ips_builder *builder = drop_ips_begin();
	uint32_t random = 1;

	for (unsigned i = 0; i < 100000; i++) {
		char text[32];

		random = random * 1664525 + 1013904223;
		snprintf(text, sizeof(text), "%u.%u.%u.%u", 1 + (random >> 24) % 223, random >> 16 & 255,
			 random >> 8 & 255, random >> 4 & 255);
		drop_ips_add(builder, text, "drop");
	}
	return drop_ips_finish(builder);
}

int
main(int argc, char **argv)
{
	static struct bench b;
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : SEVERAL;
	double best[3] = {1e9, 1e9, 1e9};

	b.max = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : PACKETS_MAX;
	b.conf = (struct dedup_conf){.enabled = true,
				     .seconds = 2,
				     .packets = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1048575,
				     .vlan_vni = true};
	b.decode = decode_conf_create(NULL);
	if (argc < 2 || b.decode == NULL || rcu_start() != 0 || !read_capture(&b, argv[1])) {
		fprintf(stderr, "usage: dedup_bench CAPTURE.pcap [rounds [dedupPackets [packets]]]\n");
		return 2;
	}
	for (unsigned i = 0; i < rounds; i++) {
		double ns[3];

		if (!new_table(&b))
			return 2;
		ns[0] = round_ns(&b, false);
		b.copies = 0;
		ns[1] = round_ns(&b, true);
		decode_conf_replace_drop_ips(b.decode, many_addresses());
		ns[2] = round_ns(&b, false);
		decode_conf_replace_drop_ips(b.decode, NULL);
		rcu_reclaim(1);
		for (unsigned k = 0; k < 3; k++)
			if (ns[k] < best[k])
				best[k] = ns[k];
	}
	printf("%u packets: decode %.1f ns, with dedup %.1f ns (+%.1f), with 100,000 addresses %.1f ns (+%.1f); table "
	       "%.1f "
	       "MB, %lu copies\n",
	       b.n, best[0], best[1], best[1] - best[0], best[2], best[2] - best[0],
	       (double)dedup_bytes_in_use(b.dedup) / 1e6, (unsigned long)b.copies);
	return 0;
}
