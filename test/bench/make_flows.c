/* Traces of very many flows; what bench/trace.py's "flows" makes, a hundred times faster (10 million flows are 40
 * million packets).
 *
 *   make_flows udp OUT.pcap FLOWS ROUNDS [GENERATIONS]
 *	ROUNDS datagrams of 64 bytes on each of FLOWS flows, each round in another random order. Then, when the flows
 *	have timed out, the same again with as many new flows, until there were GENERATIONS (1) of them.
 *   make_flows headers OUT.pcap FLOWS
 *	TCP handshakes and nothing more: SYN, SYN-ACK and ACK of each flow, random order
 *   make_flows download OUT.pcap FLOWS GENERATIONS PACKETS
 *	HTTP downloads whose body has PACKETS packets (45: 64 KB), FLOWS at once
 *   make_flows download-source OUT.pcap FLOWS GENERATIONS PACKETS
 *	the same bytes under an ethertype that nobody decodes
 *
 * Deterministic: the same arguments give the same bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

enum { ETHERNET = 14, IPV4 = 20, UDP = 8, TCP = 20, UDP_PAYLOAD = 22, FRAME_MAX = 1536 };
enum { DOWNLOAD_BODY_FROM = 5, DOWNLOAD_BODY = 1460, DOWNLOAD_LENGTH = 45 * DOWNLOAD_BODY };
enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, FLAG_SYN = 2, FLAG_PSH = 8, FLAG_ACK = 16 };

/* UDP sessions end after 30 s of silence. */
enum { GENERATION_GAP_US = 40000000 };

static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint64_t
random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void
shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)(random_number() % i), swap = order[i - 1];

		order[i - 1] = order[j];
		order[j] = swap;
	}
}

static void
put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void
put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xFFFF);
}

static unsigned
checksum(const uint8_t *p, unsigned size)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < size; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return ~sum & 0xFFFF;
}

/* Ethernet and IPv4 headers; the payload of 'size' bytes is behind them already. */
static unsigned
put_headers(uint8_t *frame, unsigned protocol, uint32_t source, uint32_t destination, unsigned size)
{
	static const uint8_t ethernet[ETHERNET] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	uint8_t *ip = frame + ETHERNET;

	memcpy(frame, ethernet, sizeof(ethernet));
	memset(ip, 0, IPV4);
	ip[0] = 0x45;
	put16(ip + 2, IPV4 + size);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	put32(ip + 12, source);
	put32(ip + 16, destination);
	put16(ip + 10, checksum(ip, IPV4));
	return ETHERNET + IPV4 + size;
}

static unsigned
udp_frame(uint8_t *frame, uint32_t flow, unsigned round)
{
	uint8_t *udp = frame + ETHERNET + IPV4;

	(void)round;
	memset(udp, 0, UDP + UDP_PAYLOAD);
	put16(udp, 1024 + flow % 50000);
	put16(udp + 2, 5000);
	put16(udp + 4, UDP + UDP_PAYLOAD);
	return put_headers(frame, PROTOCOL_UDP, 0x0A000000 + flow, 0xC0A80202, UDP + UDP_PAYLOAD);
}

static unsigned
handshake_frame(uint8_t *frame, uint32_t flow, unsigned round)
{
	static const uint8_t flags[] = {FLAG_SYN, FLAG_SYN | FLAG_ACK, FLAG_ACK};
	uint8_t *tcp = frame + ETHERNET + IPV4;
	uint32_t ends[2] = {0x0A000000 + flow, 0xC0A80202}, numbers[2] = {flow * 2654435761u, flow * 40503u + 7};
	unsigned ports[2] = {1024 + flow % 50000, 80}, from = round == 1;

	memset(tcp, 0, TCP);
	put16(tcp, ports[from]);
	put16(tcp + 2, ports[!from]);
	put32(tcp + 4, numbers[from] + (round == 2));
	put32(tcp + 8, round == 0 ? 0 : numbers[!from] + 1);
	tcp[12] = 0x50;
	tcp[13] = flags[round];
	put16(tcp + 14, 65535);
	return put_headers(frame, PROTOCOL_TCP, ends[from], ends[!from], TCP);
}

static unsigned
tcp_frame(uint8_t *frame, uint32_t flow, unsigned from, uint32_t number, uint32_t acknowledged, const void *bytes,
	  unsigned size)
{
	uint8_t *tcp = frame + ETHERNET + IPV4;
	uint32_t ends[2] = {0x0A000000 + flow, 0xC0A80202};
	unsigned ports[2] = {1024 + flow % 50000, 80};

	memset(tcp, 0, TCP);
	put16(tcp, ports[from]);
	put16(tcp + 2, ports[!from]);
	put32(tcp + 4, number);
	put32(tcp + 8, acknowledged);
	tcp[12] = 0x50;
	tcp[13] = FLAG_PSH | FLAG_ACK;
	put16(tcp + 14, 65535);
	memcpy(tcp + TCP, bytes, size);
	return put_headers(frame, PROTOCOL_TCP, ends[from], ends[!from], TCP + size);
}

/* A request, the head of its response, and 45 segments of body: 64 KB. */
static unsigned
download_frame(uint8_t *frame, uint32_t flow, unsigned round)
{
	static const uint8_t body[DOWNLOAD_BODY] = {0x7f, 'E', 'L', 'F', 2, 1};
	static const uint8_t more[DOWNLOAD_BODY];
	uint32_t client = flow * 2654435761u + 1, server = flow * 40503u + 8;
	char request[256], head[256];
	unsigned request_size, head_size, part = round - DOWNLOAD_BODY_FROM;

	if (round < 3)
		return handshake_frame(frame, flow, round);
	request_size =
		(unsigned)snprintf(request, sizeof(request),
				   "GET /files/%u?v=1 HTTP/1.1\r\nHost: host%u.example\r\nUser-Agent: bench/1\r\n"
				   "Accept: */*\r\n\r\n",
				   flow, flow % 5000);
	head_size = (unsigned)snprintf(head, sizeof(head),
				       "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/octet-stream\r\n"
				       "Content-Length: %u\r\n\r\n",
				       DOWNLOAD_LENGTH);
	if (round == 3)
		return tcp_frame(frame, flow, 0, client, server, request, request_size);
	if (round == 4)
		return tcp_frame(frame, flow, 1, server, client + request_size, head, head_size);
	return tcp_frame(frame, flow, 1, server + head_size + part * DOWNLOAD_BODY, client + request_size,
			 part == 0 ? body : more, DOWNLOAD_BODY);
}

/* The same bytes under an ethertype for experiments (IEEE 802 9.2), which nobody decodes. */
static unsigned
source_frame(uint8_t *frame, uint32_t flow, unsigned round)
{
	unsigned size = download_frame(frame, flow, round);

	put16(frame + ETHERNET - 2, 0x88b5);
	return size;
}

struct trace {
	FILE *out;
	uint32_t *order; /* of FLOWS flows */
	uint32_t flows;
	unsigned rounds;
	uint64_t time_us;
	unsigned (*make)(uint8_t *frame, uint32_t flow, unsigned round);
};

static int
write_packet(struct trace *t, uint32_t flow, unsigned round)
{
	uint8_t frame[FRAME_MAX];
	uint32_t record[4];

	t->time_us++;
	record[0] = (uint32_t)(t->time_us / 1000000);
	record[1] = (uint32_t)(t->time_us % 1000000);
	record[2] = record[3] = t->make(frame, flow, round);
	return fwrite(record, sizeof(record), 1, t->out) == 1 && fwrite(frame, record[2], 1, t->out) == 1 ? 0 : -1;
}

static int
write_generation(struct trace *t, uint32_t first_flow)
{
	for (unsigned round = 0; round < t->rounds; round++) {
		shuffle(t->order, t->flows);
		for (uint32_t i = 0; i < t->flows; i++)
			if (write_packet(t, first_flow + t->order[i], round) != 0)
				return -1;
	}
	return 0;
}

static int
write_trace(struct trace *t, unsigned generations)
{
	static const uint32_t header[6] = {0xA1B2C3D4, 4 << 16 | 2, 0, 0, 65535, 1};
	int rc = 0;

	t->time_us = 1700000000000000;
	t->order = malloc((size_t)t->flows * sizeof(*t->order));
	if (t->order == NULL || fwrite(header, sizeof(header), 1, t->out) != 1)
		return -1;
	for (uint32_t i = 0; i < t->flows; i++)
		t->order[i] = i;
	for (unsigned i = 0; i < generations && rc == 0; i++) {
		rc = write_generation(t, i * t->flows);
		t->time_us += GENERATION_GAP_US;
	}
	free(t->order);
	return rc;
}

static int
usage(void)
{
	fprintf(stderr, "usage: make_flows udp OUT FLOWS ROUNDS [GENERATIONS] | make_flows headers OUT FLOWS |\n"
			"       make_flows download|download-source OUT FLOWS GENERATIONS PACKETS\n");
	return 2;
}

static unsigned
number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

/* False: no such kind, or not its arguments. */
static int
read_arguments(int argc, char **argv, struct trace *t, unsigned *generations)
{
	const char *kind = argc > 3 ? argv[1] : "";

	*generations = 1;
	if (strcmp(kind, "udp") == 0 && (argc == 5 || argc == 6)) {
		t->rounds = number(argv[4]);
		t->make = udp_frame;
		if (argc == 6)
			*generations = number(argv[5]);
		return 1;
	}
	if (strcmp(kind, "headers") == 0 && argc == 4) {
		t->rounds = 3;
		t->make = handshake_frame;
		return 1;
	}
	if (strncmp(kind, "download", 8) != 0 || argc != 6)
		return 0;
	t->rounds = DOWNLOAD_BODY_FROM + number(argv[5]);
	t->make = strcmp(kind, "download") == 0 ? download_frame : source_frame;
	*generations = number(argv[4]);
	return 1;
}

int
main(int argc, char **argv)
{
	struct trace t = {0};
	unsigned generations;

	if (!read_arguments(argc, argv, &t, &generations))
		return usage();
	t.flows = number(argv[3]);
	t.out = fopen(argv[2], "wb");
	if (t.out == NULL || setvbuf(t.out, NULL, _IOFBF, 1 << 20) != 0 || write_trace(&t, generations) != 0 ||
	    fclose(t.out) != 0) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
