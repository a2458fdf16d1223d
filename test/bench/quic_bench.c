/* What QUIC costs a worker: sessions from their first Initial to their hellos, and datagrams that only look like it.
 *
 *   quic_bench [sessions] */
#include "../unit/parsers/quic_packets.h"
#include "parsing_bench.h"

static const struct packet_of client = {.version = PACKETS_V1, .keys_from = "clients-id"};
static const struct packet_of server = {
	.version = PACKETS_V1, .role = QUIC_SERVER, .keys_from = "clients-id", .connection_id = ""};

struct datagram {
	unsigned direction;
	struct bytes bytes;
};

static void
measure(const char *what, const struct datagram *datagrams, unsigned n, unsigned sessions)
{
	struct bench b;
	double begin = 0;

	bench_create(&b, SHRIKE_UDP, NULL, 0);
	for (unsigned i = 0; i < sessions + sessions / 10; i++) {
		if (i == sessions / 10)
			begin = bench_now_ns();
		for (unsigned k = 0; k < n; k++)
			bench_feed(&b, datagrams[k].direction, datagrams[k].bytes.at, datagrams[k].bytes.n);
		bench_session_end(&b);
	}
	printf("%-48s %8.0f ns a session\n", what, (bench_now_ns() - begin) / sessions);
	bench_destroy(&b);
}

static struct datagram
datagram_of(const struct packet_of *p, const struct bytes *frames)
{
	return (struct datagram){.direction = p->role == QUIC_SERVER, .bytes = initial(p, frames)};
}

static struct datagram
crypto_datagram(const struct packet_of *p, const struct bytes *hello, size_t from, size_t to)
{
	struct bytes frames = {.n = 0};

	put_crypto(&frames, from, hello->at + from, to - from);
	return datagram_of(p, &frames);
}

/* As browsers do it. */
static struct datagram
shuffled_datagram(const struct bytes *hello)
{
	struct bytes frames = {.n = 0};
	size_t third = hello->n / 3;

	put_crypto(&frames, 2 * third, hello->at + 2 * third, hello->n - 2 * third);
	put_crypto(&frames, 0, hello->at, third);
	put_crypto(&frames, third, hello->at + third, third);
	return datagram_of(&client, &frames);
}

int
main(int argc, char **argv)
{
	unsigned sessions = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;
	struct bytes hello = client_hello("www.example.com", 300), big = client_hello("www.example.com", 1700);
	struct bytes answer = server_hello();
	struct packet_of bad = client;
	struct datagram d[2];

	d[0] = (struct datagram){.bytes = {.at = "\xc3\0\0\0\1", .n = 5}};
	measure("5 bytes that look like QUIC (attach, end)", d, 1, sessions);
	d[0] = crypto_datagram(&client, &hello, 0, hello.n);
	measure("ClientHello of 350 bytes", d, 1, sessions);
	d[0] = shuffled_datagram(&hello);
	measure("the same in three frames, shuffled", d, 1, sessions);
	d[1] = crypto_datagram(&server, &answer, 0, answer.n);
	measure("and a ServerHello", d, 2, sessions);
	d[0] = crypto_datagram(&client, &big, 1000, big.n);
	d[1] = crypto_datagram(&client, &big, 0, 1000);
	measure("ClientHello of 1,750 bytes in two datagrams", d, 2, sessions);
	bad.bad_tag = 1;
	d[0] = crypto_datagram(&bad, &hello, 0, hello.n);
	measure("an Initial whose tag is wrong", d, 1, sessions);
	return 0;
}
