/* Traffic of somebody who wants the sensor to fail, and ordinary traffic to compare it with.
 *
 *   make_attacks KIND OUT.pcap PACKETS [BYTES]
 *
 *	benign		datagrams in frames of BYTES (66), ten on each flow
 *	flows		the same, each of another flow, with random keys
 *	toeplitz	the same, their keys equal under the symmetric RSS hash (Toeplitz, key 6d5a6d5a...)
 *	crc		the same, equal under CRC-32C of addresses and ports
 *	jhash		the same, equal under Jenkins' hash of three words (rte_jhash_3words, lookup3)
 *	fragments4	first fragments, each of another datagram that never becomes whole; fragments6: IPv6
 *	last4		last fragments, the same
 *	spread4		datagrams of 32 small fragments, each 2 KB behind the one before, never whole
 *	mixed4		fragments4, and in every hundred packets a datagram in two fragments, fifty apart
 *	repeat4		one fragment again and again
 *	nested		frames of about BYTES (1200) of random tunnels in tunnels, deeper than anybody decodes
 *	tunnels		the same, four deep, around datagrams of which ten are of one flow
 *	labels		MPLS stacks of BYTES (1200); extensions: IPv6 extension headers; routes: GRE routing entries
 *	outer		one flow, each packet in a tunnel between other addresses; macs: between other MAC addresses
 *
 * Every collision is checked against the hash itself, bit by bit. Deterministic. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, UDP = 8, FRAME_MAX = 2048, BYTES_DEFAULT = 66, LONG_DEFAULT = 1200 };
enum {
	PROTOCOL_IPV4 = 4,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_OPTIONS = 60
};
enum { GRE_ROUTING = 0x4000 };
enum { TYPE_IPV4 = 0x0800, TYPE_ETHERNET = 0x6558, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd, TYPE_MPLS = 0x8847 };
enum { PORT_GTP = 2152, PORT_VXLAN = 4789 };
enum { PORT_MIN = 20000, FRAGMENT = 32, SPREAD = 32, SPREAD_STEP = 2048, MIXED = 100, MORE = 0x2000 };
enum { TOEPLITZ_KEY = 0x6d5a, COLLISION = 0x1234abcd, LABELS_MAX = 6, VLANS_MAX = 4, SHALLOW = 4 };

static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint32_t
random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static void
die(const char *what)
{
	fprintf(stderr, "make_attacks: %s\n", what);
	exit(1);
}

/* A frame is made from its end: each layer goes before what is there. */
struct frame {
	uint8_t bytes[FRAME_MAX];
	unsigned begin;
};

static uint8_t *
before(struct frame *f, unsigned size)
{
	if (f->begin < size)
		die("a frame is too long");
	f->begin -= size;
	memset(&f->bytes[f->begin], 0, size);
	return &f->bytes[f->begin];
}

static unsigned
size_of(const struct frame *f)
{
	return FRAME_MAX - f->begin;
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

/* --- layers ----------------------------------------------------------------------------------------------------- */

struct tuple {
	uint32_t source, destination;
	uint16_t source_port, destination_port;
};

static void
add_ethernet(struct frame *f, unsigned type)
{
	uint8_t *p = before(f, ETHERNET);

	p[0] = p[6] = 2;
	p[5] = 1;
	p[11] = 2;
	put16(&p[12], type);
}

static void
add_ipv4(struct frame *f, unsigned protocol, uint32_t source, uint32_t destination, unsigned id, unsigned fragment)
{
	uint8_t *p = before(f, IPV4);
	uint32_t sum = 0;

	p[0] = 0x45;
	put16(&p[2], size_of(f));
	put16(&p[4], id);
	put16(&p[6], fragment);
	p[8] = 64;
	p[9] = (uint8_t)protocol;
	put32(&p[12], source);
	put32(&p[16], destination);
	for (unsigned i = 0; i < IPV4; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xFFFF) + (sum >> 16);
	put16(&p[10], ~(sum + (sum >> 16)) & 0xFFFF);
}

static void
add_ipv6(struct frame *f, unsigned protocol, uint32_t source, uint32_t destination)
{
	unsigned size = size_of(f);
	uint8_t *p = before(f, IPV6);

	p[0] = 0x60;
	put16(&p[4], size);
	p[6] = (uint8_t)protocol;
	p[7] = 64;
	p[8] = p[24] = 0xfd;
	put32(&p[20], source);
	put32(&p[36], destination);
}

static void
add_udp(struct frame *f, unsigned source_port, unsigned destination_port)
{
	uint8_t *p = before(f, UDP);

	put16(&p[0], source_port);
	put16(&p[2], destination_port);
	put16(&p[4], size_of(f));
}

/* Of every packet, so that none is a copy of another. */
static uint32_t packet_number;

static void
add_payload(struct frame *f, unsigned size)
{
	put32(before(f, size), packet_number);
}

static void
make_datagram(struct frame *f, const struct tuple *t, unsigned bytes)
{
	add_payload(f, bytes - ETHERNET - IPV4 - UDP);
	add_udp(f, t->source_port, t->destination_port);
	add_ipv4(f, PROTOCOL_UDP, t->source, t->destination, packet_number & 0xFFFF, 0);
	add_ethernet(f, TYPE_IPV4);
}

/* --- hashes that are known -------------------------------------------------------------------------------------- */

static void
tuple_bytes(const struct tuple *t, uint8_t *out)
{
	put32(out, t->source);
	put32(out + 4, t->destination);
	put16(out + 8, t->source_port);
	put16(out + 10, t->destination_port);
}

/* The key repeats every 16 bits, so any 32 of it are these, turned. */
static uint32_t
toeplitz(const struct tuple *t)
{
	uint32_t window = (uint32_t)TOEPLITZ_KEY << 16 | TOEPLITZ_KEY, hash = 0;
	uint8_t bytes[12];

	tuple_bytes(t, bytes);
	for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
		if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
			hash ^= window;
		window = window << 1 | window >> 31;
	}
	return hash;
}

static uint32_t
crc32c(const struct tuple *t)
{
	uint32_t crc = 0xFFFFFFFF;
	uint8_t bytes[12];

	tuple_bytes(t, bytes);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82F63B78 & -(crc & 1));
	}
	return ~crc;
}

static uint32_t
rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

enum { JHASH_STEPS = 7 };
static const uint8_t jhash_rotate[JHASH_STEPS] = {14, 11, 25, 16, 4, 14, 24};
/* Step i changes word 'target' by word 'by' of {a, b, c}. */
static const uint8_t jhash_target[JHASH_STEPS] = {2, 0, 1, 2, 0, 1, 2}, jhash_by[JHASH_STEPS] = {1, 2, 0, 1, 2, 0, 1};
static const uint32_t jhash_begin = 0xdeadbeef + (3 << 2);

static uint32_t
jhash(const struct tuple *t)
{
	uint32_t word[3] = {t->source, t->destination, (uint32_t)t->source_port << 16 | t->destination_port};

	for (unsigned i = 0; i < 3; i++)
		word[i] += jhash_begin;
	for (unsigned i = 0; i < JHASH_STEPS; i++) {
		uint32_t *x = &word[jhash_target[i]], y = word[jhash_by[i]];

		*x = (*x ^ y) - rotate(y, jhash_rotate[i]);
	}
	return word[2];
}

/* --- keys that collide ------------------------------------------------------------------------------------------ */

static struct tuple
random_tuple(void)
{
	return (struct tuple){.source = 0x0A000000 | (random_number() & 0xFFFFFF),
			      .destination = random_number() & 0x7FFFFFFF,
			      .source_port = (uint16_t)(PORT_MIN + random_number() % 40000),
			      .destination_port = (uint16_t)(PORT_MIN + random_number() % 40000)};
}

/* Equal halves of the key: the hash is that of all 16-bit words of the tuple, added. */
static struct tuple
toeplitz_tuple(void)
{
	struct tuple t;

	do {
		t = random_tuple();
		t.destination_port = (uint16_t)(t.source >> 16 ^ t.source ^ t.destination >> 16 ^ t.destination ^
						t.source_port ^ COLLISION);
	} while (t.destination_port < PORT_MIN);
	return t;
}

/* Linear in each bit of the destination: 32 equations, solved once. */
static uint32_t crc_row[32], crc_inverse[32];

static void
crc_prepare(void)
{
	static const struct tuple zero;
	uint32_t none = crc32c(&zero);

	for (unsigned i = 0; i < 32; i++) {
		crc_row[i] = crc32c(&(struct tuple){.destination = UINT32_C(1) << i}) ^ none;
		crc_inverse[i] = UINT32_C(1) << i;
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		unsigned pivot = bit;

		while (pivot < 32 && (crc_row[pivot] >> bit & 1) == 0)
			pivot++;
		if (pivot == 32)
			die("CRC has no inverse");
		for (unsigned k = 0; k < 2; k++) {
			uint32_t *m = k == 0 ? crc_row : crc_inverse, swap = m[bit];

			m[bit] = m[pivot];
			m[pivot] = swap;
		}
		for (unsigned i = 0; i < 32; i++)
			if (i != bit && (crc_row[i] >> bit & 1) != 0) {
				crc_row[i] ^= crc_row[bit];
				crc_inverse[i] ^= crc_inverse[bit];
			}
	}
}

static struct tuple
crc_tuple(void)
{
	struct tuple t = random_tuple();
	uint32_t wanted;

	t.destination = 0;
	wanted = crc32c(&t) ^ COLLISION;
	for (unsigned bit = 0; bit < 32; bit++)
		if ((wanted >> bit & 1) != 0)
			t.destination ^= crc_inverse[bit];
	return t;
}

/* Each step can be taken back, so any end leads to its beginning. */
static struct tuple
jhash_tuple(void)
{
	struct tuple t;

	do {
		uint32_t word[3] = {random_number(), random_number(), COLLISION};

		for (unsigned i = JHASH_STEPS; i-- > 0;) {
			uint32_t *x = &word[jhash_target[i]], y = word[jhash_by[i]];

			*x = (*x + rotate(y, jhash_rotate[i])) ^ y;
		}
		for (unsigned i = 0; i < 3; i++)
			word[i] -= jhash_begin;
		t = (struct tuple){.source = word[0],
				   .destination = word[1],
				   .source_port = (uint16_t)(word[2] >> 16),
				   .destination_port = (uint16_t)word[2]};
	} while (t.source_port < PORT_MIN || t.destination_port < PORT_MIN);
	return t;
}

static void
make_collision(struct frame *f, struct tuple (*next)(void), uint32_t (*hash)(const struct tuple *), unsigned bytes)
{
	static uint32_t expected;
	static int is_known;
	struct tuple t = next();

	if (!is_known)
		expected = hash(&t);
	is_known = 1;
	if (hash(&t) != expected)
		die("two keys do not collide");
	make_datagram(f, &t, bytes);
}

/* --- fragments and tunnels -------------------------------------------------------------------------------------- */

static void
make_fragment4(struct frame *f, uint32_t datagram, unsigned offset, unsigned more)
{
	before(f, FRAGMENT);
	add_ipv4(f, PROTOCOL_UDP, 0x0A000000 + (datagram >> 16), 0xC0A80202, datagram & 0xFFFF, more | offset / 8);
	add_ethernet(f, TYPE_IPV4);
}

/* UDP datagrams of their own addresses, so that each is a session's. */
static void
make_mixed4(struct frame *f, uint32_t i)
{
	uint8_t *udp;

	if (i % MIXED != 0 && i % MIXED != MIXED / 2) {
		make_fragment4(f, i, 0, MORE);
		return;
	}
	udp = before(f, FRAGMENT);
	if (i % MIXED == 0) {
		put16(&udp[0], PORT_MIN);
		put16(&udp[2], PORT_MIN + 1);
		put16(&udp[4], 2 * FRAGMENT);
	}
	add_ipv4(f, PROTOCOL_UDP, 0x0B000000 + i / MIXED, 0xC0A80203, 1, i % MIXED == 0 ? MORE : FRAGMENT / 8);
	add_ethernet(f, TYPE_IPV4);
}

static void
make_fragment6(struct frame *f, uint32_t datagram)
{
	uint8_t *p;

	before(f, FRAGMENT);
	p = before(f, 8);
	p[0] = PROTOCOL_UDP;
	p[3] = 1;
	put32(&p[4], datagram);
	add_ipv6(f, PROTOCOL_FRAGMENT, datagram >> 16, 1);
	add_ethernet(f, TYPE_IPV6);
}

/* An IP header of either version around what is there. */
static unsigned
add_ip(struct frame *f, unsigned protocol)
{
	if ((random_number() & 3) == 0) {
		add_ipv6(f, protocol, random_number(), random_number());
		return TYPE_IPV6;
	}
	add_ipv4(f, protocol, random_number(), random_number(), 0, 0);
	return TYPE_IPV4;
}

static void
add_tags(struct frame *f, unsigned type)
{
	unsigned n = random_number() % VLANS_MAX;

	for (; n > 0; n--) {
		put16(before(f, 2), type);
		put16(before(f, 2), 1 + random_number() % 4000);
		type = TYPE_VLAN;
	}
	add_ethernet(f, type);
}

/* One tunnel around what has ethertype 'type'. Returns the ethertype of the whole. */
static unsigned
wrap(struct frame *f, unsigned type)
{
	uint8_t *p;
	unsigned labels;

	switch (random_number() % 5) {
	case 0:
		put16(before(f, 2), type);
		put16(before(f, 2), 0);
		return add_ip(f, PROTOCOL_GRE);
	case 1:
		return add_ip(f, type == TYPE_IPV4 ? PROTOCOL_IPV4 : PROTOCOL_IPV6);
	case 2:
		for (labels = 1 + random_number() % LABELS_MAX, p = NULL; labels > 0; labels--)
			put32(before(f, 4), random_number() << 12 | (p == NULL ? 0x140 : 0x40)), p = f->bytes;
		put16(before(f, 2), TYPE_MPLS);
		put16(before(f, 2), 0);
		return add_ip(f, PROTOCOL_GRE);
	case 3:
		p = before(f, 8);
		p[0] = 0x30;
		p[1] = 255;
		put16(&p[2], size_of(f) - 8);
		add_udp(f, PORT_GTP, PORT_GTP);
		return add_ip(f, PROTOCOL_UDP);
	default:
		add_tags(f, type);
		p = before(f, 8);
		p[0] = 8;
		put32(&p[4], random_number() << 8);
		add_udp(f, PORT_MIN, PORT_VXLAN);
		return add_ip(f, PROTOCOL_UDP);
	}
}

static void
make_tunnels(struct frame *f, unsigned bytes, unsigned depth)
{
	struct tuple t = random_tuple();
	unsigned type = TYPE_IPV4;

	add_payload(f, 32);
	add_udp(f, t.source_port, t.destination_port);
	add_ipv4(f, PROTOCOL_UDP, t.source, t.destination, packet_number & 0xFFFF, 0);
	for (unsigned i = 0; i < depth && size_of(f) + 100 < bytes; i++)
		type = wrap(f, type);
	add_tags(f, type);
}

/* The ten packets of a flow are the same. */
static void
make_tunnel_flow(struct frame *f, uint32_t i, unsigned bytes)
{
	static uint64_t state;

	if (i % 10 == 0)
		state = random_state;
	random_state = state;
	make_tunnels(f, bytes, SHALLOW);
}

static void
add_datagram_ipv4(struct frame *f)
{
	add_payload(f, 32);
	add_udp(f, PORT_MIN, PORT_MIN + 1);
	add_ipv4(f, PROTOCOL_UDP, 0x0A000001, 0x0A000002, packet_number & 0xFFFF, 0);
}

static void
make_labels(struct frame *f, unsigned bytes)
{
	uint32_t label = 0x12140;

	for (add_datagram_ipv4(f); size_of(f) < bytes; label = 0x12040)
		put32(before(f, 4), label);
	add_ethernet(f, TYPE_MPLS);
}

static void
make_extensions(struct frame *f, unsigned bytes)
{
	unsigned following = PROTOCOL_UDP;

	add_payload(f, 32);
	add_udp(f, PORT_MIN, PORT_MIN + 1);
	for (; size_of(f) < bytes; following = PROTOCOL_OPTIONS) {
		uint8_t *p = before(f, 8);

		p[0] = (uint8_t)following;
		p[2] = 1;
		p[3] = 4;
	}
	add_ipv6(f, following, 1, 2);
	add_ethernet(f, TYPE_IPV6);
}

static void
make_routes(struct frame *f, unsigned bytes)
{
	add_datagram_ipv4(f);
	for (before(f, 4); size_of(f) < bytes;)
		before(f, 5)[3] = 1;
	put32(before(f, 4), 0);
	put16(before(f, 2), TYPE_IPV4);
	put16(before(f, 2), GRE_ROUTING);
	add_ipv4(f, PROTOCOL_GRE, 0x0A000003, 0x0A000004, 0, 0);
	add_ethernet(f, TYPE_IPV4);
}

static void
make_outer(struct frame *f)
{
	add_datagram_ipv4(f);
	add_ipv4(f, PROTOCOL_IPV4, random_number(), random_number(), 0, 0);
	add_ethernet(f, TYPE_IPV4);
}

static void
make_macs(struct frame *f, unsigned bytes)
{
	static const struct tuple t = {0x0A000001, 0x0A000002, PORT_MIN, PORT_MIN + 1};

	make_datagram(f, &t, bytes);
	put32(&f->bytes[f->begin + 2], random_number());
	put32(&f->bytes[f->begin + 8], random_number());
}

/* --- traces ----------------------------------------------------------------------------------------------------- */

static int
make(struct frame *f, const char *kind, uint32_t i, unsigned bytes)
{
	static struct tuple t;

	if (strcmp(kind, "benign") == 0 || strcmp(kind, "flows") == 0) {
		if (i % 10 == 0 || kind[0] == 'f')
			t = random_tuple();
		make_datagram(f, &t, bytes);
	} else if (strcmp(kind, "toeplitz") == 0)
		make_collision(f, toeplitz_tuple, toeplitz, bytes);
	else if (strcmp(kind, "crc") == 0)
		make_collision(f, crc_tuple, crc32c, bytes);
	else if (strcmp(kind, "jhash") == 0)
		make_collision(f, jhash_tuple, jhash, bytes);
	else if (strcmp(kind, "fragments4") == 0)
		make_fragment4(f, i, 0, MORE);
	else if (strcmp(kind, "fragments6") == 0)
		make_fragment6(f, i);
	else if (strcmp(kind, "last4") == 0)
		make_fragment4(f, i, 65400, 0);
	else if (strcmp(kind, "spread4") == 0)
		make_fragment4(f, i / SPREAD, i % SPREAD * SPREAD_STEP, i % SPREAD == SPREAD - 1 ? 0 : MORE);
	else if (strcmp(kind, "mixed4") == 0)
		make_mixed4(f, i);
	else if (strcmp(kind, "repeat4") == 0)
		make_fragment4(f, 0, 0, MORE);
	else if (strcmp(kind, "nested") == 0)
		make_tunnels(f, bytes, UINT32_MAX);
	else if (strcmp(kind, "tunnels") == 0)
		make_tunnel_flow(f, i, bytes);
	else if (strcmp(kind, "labels") == 0)
		make_labels(f, bytes);
	else if (strcmp(kind, "extensions") == 0)
		make_extensions(f, bytes);
	else if (strcmp(kind, "routes") == 0)
		make_routes(f, bytes);
	else if (strcmp(kind, "outer") == 0)
		make_outer(f);
	else if (strcmp(kind, "macs") == 0)
		make_macs(f, bytes);
	else
		return 0;
	return 1;
}

static int
write_packets(FILE *out, const char *kind, uint32_t packets, unsigned bytes)
{
	static const uint32_t header[6] = {0xA1B2C3D4, 4 << 16 | 2, 0, 0, 65535, 1};
	static struct frame f;

	if (fwrite(header, sizeof(header), 1, out) != 1)
		return 0;
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t record[4];

		f.begin = FRAME_MAX;
		packet_number = i;
		if (!make(&f, kind, i, bytes))
			die("no such kind");
		record[0] = 1700000000 + i / 1000000;
		record[1] = i % 1000000;
		record[2] = record[3] = size_of(&f);
		if (fwrite(record, sizeof(record), 1, out) != 1 || fwrite(&f.bytes[f.begin], record[2], 1, out) != 1)
			return 0;
	}
	return 1;
}

static int
is_long(const char *kind)
{
	static const char *const kinds[] = {"nested", "tunnels", "labels", "extensions", "routes"};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned bytes;
	FILE *out;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: make_attacks KIND OUT.pcap PACKETS [BYTES]\n");
		return 2;
	}
	bytes = is_long(argv[1]) ? LONG_DEFAULT : BYTES_DEFAULT;
	if (argc == 5)
		bytes = (unsigned)strtoul(argv[4], NULL, 10);
	if (bytes < BYTES_DEFAULT || bytes > FRAME_MAX - 256)
		die("BYTES is from 66 to 1792");
	crc_prepare();
	out = fopen(argv[2], "wb");
	if (out == NULL || setvbuf(out, NULL, _IOFBF, 1 << 20) != 0 ||
	    !write_packets(out, argv[1], (uint32_t)strtoul(argv[3], NULL, 10), bytes) || fclose(out) != 0) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
