/* drop_ips.c, and what decode makes of it. */
#include "drop_ips.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "packet/frames.h"

struct line {
	const char *prefix, *verdict;
};

/* NULL: a line was refused. */
static struct drop_ips *
list_of(const struct line *lines, unsigned n)
{
	struct drop_ips_builder *b = drop_ips_begin();

	for (unsigned i = 0; i < n; i++) {
		int error = drop_ips_add(b, lines[i].prefix, lines[i].verdict);

		EXPECT_EQ(error, 0);
	}
	return drop_ips_finish(b);
}

static bool
drops(const struct drop_ips *list, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET6, text, bytes) == 1)
		return drop_ips_either_ipv6(list, bytes, bytes);
	EXPECT_EQ(inet_pton(AF_INET, text, bytes), 1);
	return drop_ips_either_ipv4(list, read_be32(bytes), read_be32(bytes));
}

TEST(the_longest_prefix_decides)
{
	static const struct line lines[] = {
		{"10.0.0.0/8", "drop"},	      {"10.1.0.0/16", "allow"},	  {"10.1.2.3", "drop"},
		{"10.1.2.128/25", "drop"},    {"10.1.2.200/31", "allow"}, {"2001:db8::/32", "drop"},
		{"2001:db8:1::/48", "allow"}, {"2001:db8:1::7", "drop"},
	};
	struct drop_ips *list = list_of(lines, sizeof(lines) / sizeof(lines[0]));

	REQUIRE(list != NULL);
	EXPECT(!drops(list, "9.255.255.255"));
	EXPECT(drops(list, "10.0.0.0"));
	EXPECT(drops(list, "10.0.255.255"));
	EXPECT(!drops(list, "10.1.0.0"));
	EXPECT(!drops(list, "10.1.2.2"));
	EXPECT(drops(list, "10.1.2.3"));
	EXPECT(!drops(list, "10.1.2.4"));
	EXPECT(!drops(list, "10.1.2.127"));
	EXPECT(drops(list, "10.1.2.128"));
	EXPECT(!drops(list, "10.1.2.200"));
	EXPECT(!drops(list, "10.1.2.201"));
	EXPECT(drops(list, "10.1.2.202"));
	EXPECT(drops(list, "10.1.2.255"));
	EXPECT(!drops(list, "10.1.3.0"));
	EXPECT(drops(list, "10.2.0.0"));
	EXPECT(!drops(list, "11.0.0.0"));
	EXPECT(!drops(list, "255.255.255.255"));
	EXPECT(!drops(list, "2001:db7:ffff::"));
	EXPECT(drops(list, "2001:db8::1"));
	EXPECT(!drops(list, "2001:db8:1::6"));
	EXPECT(drops(list, "2001:db8:1::7"));
	EXPECT(!drops(list, "2001:db8:1::8"));
	EXPECT(drops(list, "2001:db8:2::"));
	EXPECT(!drops(list, "2001:db9::"));
	drop_ips_destroy(list);
}

TEST(a_list_may_hold_all_addresses_and_the_last_one)
{
	static const struct line lines[] = {
		{"0.0.0.0/0", "drop"}, {"255.255.255.255", "allow"}, {"::/0", "drop"}, {"ffff::/16", "allow"}};
	struct drop_ips *list = list_of(lines, 4);

	REQUIRE(list != NULL);
	EXPECT(drops(list, "0.0.0.0"));
	EXPECT(drops(list, "255.255.255.254"));
	EXPECT(!drops(list, "255.255.255.255"));
	EXPECT(drops(list, "::"));
	EXPECT(drops(list, "fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	EXPECT(!drops(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	drop_ips_destroy(list);
}

TEST(of_the_same_prefix_the_last_line_counts)
{
	static const struct line lines[] = {
		{"10.0.0.0/8", "drop"}, {"10.9.9.9/8", "allow"}, {"11/8", "allow"}, {"11.0.0.0/8", "drop"}};
	struct drop_ips *list = list_of(lines, 4);

	REQUIRE(list != NULL);
	EXPECT(!drops(list, "10.1.1.1"));
	EXPECT(drops(list, "11.1.1.1"));
	EXPECT(!drops(list, "12.0.0.0"));
	drop_ips_destroy(list);
}

TEST(either_of_both_addresses_is_enough)
{
	static const struct line lines[] = {{"10.0.0.1", "drop"}, {"10.0.0.2", "allow"}};
	struct drop_ips *list = list_of(lines, 2);

	REQUIRE(list != NULL);
	EXPECT(drop_ips_either_ipv4(list, 0x0a000001, 0x0a000002));
	EXPECT(drop_ips_either_ipv4(list, 0x0a000002, 0x0a000001));
	EXPECT(!drop_ips_either_ipv4(list, 0x0a000002, 0x0a000003));
	drop_ips_destroy(list);
}

TEST(lines_that_are_no_prefix_are_refused)
{
	static const struct line bad[] = {
		{"", "drop"},
		{"10.0.0", "drop"},
		{"10.0.0.0.0", "drop"},
		{"10.0.0.256", "drop"},
		{"10.0.0.0/33", "drop"},
		{"10.0.0.0/", "drop"},
		{"10.0.0.0/-1", "drop"},
		{"10.0.0.0/8x", "drop"},
		{"10..0.0", "drop"},
		{"1.2.3.4", "Drop"},
		{"1.2.3.4", ""},
		{"1.2.3.4", "drop,allow"},
		{"::1/129", "drop"},
		{":::", "drop"},
		{"12345::", "drop"},
		{"example.org", "drop"},
		{"/8", "drop"},
		{"10.0.0.0/0008", "drop"},
		{"0000010.0.0.0", "drop"},
		{" 10.0.0.1", "drop"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct drop_ips_builder *b = drop_ips_begin();

		if (drop_ips_add(b, bad[i].prefix, bad[i].verdict) != -EINVAL)
			EXPECT_STR(bad[i].prefix, "refused");
		drop_ips_abandon(b);
	}
}

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Of all prefixes that hold the address the longest, the last one among equals: by looking at each. */
static bool
plain_answer(const uint32_t *address, const uint8_t *bits, const bool *drop, unsigned n, uint32_t wanted)
{
	bool answer = false;
	int longest = -1;

	for (unsigned i = 0; i < n; i++) {
		uint32_t mask = bits[i] == 0 ? 0 : UINT32_MAX << (32 - bits[i]);

		if (((address[i] ^ wanted) & mask) == 0 && bits[i] >= longest) {
			longest = bits[i];
			answer = drop[i];
		}
	}
	return answer;
}

TEST(random_lists_agree_with_a_plain_search)
{
	enum { LISTS = 60, PREFIXES_MAX = 200, PROBES = 400 };
	uint64_t state = 88172645463325252;

	for (unsigned l = 0; l < LISTS; l++) {
		struct drop_ips_builder *b = drop_ips_begin();
		uint32_t address[PREFIXES_MAX];
		uint8_t bits[PREFIXES_MAX], v6[16] = {0x20, 0x01};
		bool drop[PREFIXES_MAX];
		unsigned n = 1 + (unsigned)(random_next(&state) % PREFIXES_MAX);
		struct drop_ips *list;

		for (unsigned i = 0; i < n; i++) {
			char text[64], in_v6[80];
			uint64_t dice = random_next(&state);

			/* Few first bytes, so that they nest. */
			address[i] = (uint32_t)dice & (l % 2 == 0 ? 0x0303ffff : 0xffffffff);
			bits[i] = (uint8_t)(dice >> 40) % 33;
			drop[i] = (dice >> 50) % 2 == 0;
			snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", address[i] >> 24, address[i] >> 16 & 255,
				 address[i] >> 8 & 255, address[i] & 255, bits[i]);
			snprintf(in_v6, sizeof(in_v6), "2001::%x:%x/%u", address[i] >> 16, address[i] & 0xffff,
				 96 + bits[i]);
			EXPECT_EQ(drop_ips_add(b, text, drop[i] ? "drop" : "allow"), 0);
			EXPECT_EQ(drop_ips_add(b, in_v6, drop[i] ? "drop" : "allow"), 0);
		}
		list = drop_ips_finish(b);
		REQUIRE(list != NULL);
		for (unsigned i = 0; i < PROBES; i++) {
			uint64_t dice = random_next(&state);
			unsigned which = (unsigned)(dice >> 32) % n;
			uint32_t edge = bits[which] == 0 ? 0 : UINT32_MAX << (32 - bits[which]);
			uint32_t probe = dice % 3 == 0	 ? (uint32_t)(dice >> 16)
					 : dice % 3 == 1 ? (address[which] & edge) - (dice >> 62 & 1)
							 : (address[which] | ~edge) + (dice >> 62 & 1);
			bool wanted = plain_answer(address, bits, drop, n, probe);

			EXPECT_EQ(drop_ips_either_ipv4(list, probe, probe), wanted);
			for (unsigned byte = 0; byte < 4; byte++)
				v6[12 + byte] = (uint8_t)(probe >> (24 - 8 * byte));
			EXPECT_EQ(drop_ips_either_ipv6(list, v6, v6), wanted);
		}
		drop_ips_destroy(list);
	}
}

/* --- decode ----------------------------------------------------------------------------------------------------- */

static enum packet_verdict
verdict_with(const struct line *line, const struct frame *f)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	struct packet p;

	EXPECT_EQ(rcu_start(), 0);
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, list_of(line, 1)), 0);
	rcu_stop();
	p = frames_decode(conf, LINK_ETHERNET, f->bytes, f->size);
	decode_conf_destroy(conf);
	return p.verdict;
}

TEST(packets_from_or_to_a_dropped_address_are_filtered)
{
	struct frame v4 = {.size = 0}, v6 = {.size = 0};

	frame_ethernet(&v4, ETHERTYPE_IPV4);
	frame_ipv4(&v4, IP_PROTOCOL_TCP, TCP_HEADER_BYTES);
	frame_tcp(&v4, 1234, 80);
	frame_ethernet(&v6, ETHERTYPE_IPV6);
	frame_ipv6_udp(&v6);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.1", "drop"}, &v4), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.2", "drop"}, &v4), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.3", "drop"}, &v4), PACKET_OK);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.1", "allow"}, &v4), PACKET_OK);
	EXPECT_EQ(verdict_with(&(struct line){"2001:db8::1", "drop"}, &v4), PACKET_OK);
	EXPECT_EQ(verdict_with(&(struct line){"2001:db8::1", "drop"}, &v6), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"2001:db8::2", "drop"}, &v6), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"2001:db8::3", "drop"}, &v6), PACKET_OK);
}

TEST(fragments_and_packets_in_tunnels_are_filtered_too)
{
	struct frame inner = {.size = 0}, outer = {.size = 0}, fragment;

	frame_ethernet(&inner, ETHERTYPE_IPV4);
	frame_ipv4_udp(&inner);
	fragment = inner;
	frame_set_be16(&fragment, 14 + 6, 0x2000);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.1", "drop"}, &fragment), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.9", "drop"}, &fragment), PACKET_FRAGMENT);

	frame_ethernet(&outer, ETHERTYPE_IPV6);
	frame_ipv6(&outer, IP_PROTOCOL_IPV4, (unsigned)inner.size - 14);
	frame_add(&outer, &inner.bytes[14], inner.size - 14);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.1", "drop"}, &outer), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"2001:db8::1", "drop"}, &outer), PACKET_FILTERED);
	EXPECT_EQ(verdict_with(&(struct line){"10.0.0.9", "drop"}, &outer), PACKET_OK);
}

/* --- replacing ---------------------------------------------------------------------------------------------------- */

static struct frame
frame_from_10_0_0_2(void)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES);
	frame_tcp(&f, 1234, 80);
	return f;
}

static const struct line dropped = {"10.0.0.2", "drop"}, other = {"10.0.0.3", "drop"};

TEST(a_list_that_was_replaced_is_freed_when_no_reader_can_have_it)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	struct frame f = frame_from_10_0_0_2();
	const struct drop_ips *kept;
	int worker, late;

	REQUIRE(conf != NULL && rcu_start() == 0);
	worker = rcu_reader_add();
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, list_of(&dropped, 1)), 0);
	EXPECT_EQ(frames_decode(conf, LINK_ETHERNET, f.bytes, f.size).verdict, PACKET_FILTERED);
	/* A worker in the middle of a packet. */
	kept = decode_conf_drop_ips(conf);
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, list_of(&other, 1)), 0);
	EXPECT_EQ(frames_decode(conf, LINK_ETHERNET, f.bytes, f.size).verdict, PACKET_OK);
	late = rcu_reader_add();
	rcu_reader_quiescent(late);
	EXPECT_EQ(rcu_reclaim(16), 0);
	EXPECT_EQ(rcu_waiting(), 1);
	EXPECT(drops(kept, "10.0.0.2"));
	EXPECT_EQ(drop_ips_lines(kept), 1);
	rcu_reader_quiescent(worker);
	EXPECT_EQ(rcu_reclaim(16), 1);
	EXPECT_EQ(rcu_waiting(), 0);
	/* To none at all. */
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, NULL), 0);
	EXPECT(decode_conf_drop_ips(conf) == NULL);
	EXPECT_EQ(rcu_waiting(), 1);
	rcu_reader_remove(worker);
	rcu_reader_remove(late);
	rcu_stop();
	decode_conf_destroy(conf);
}

TEST(a_list_that_cannot_be_replaced_stays)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	const struct drop_ips *list = list_of(&dropped, 1), *next = list_of(&other, 1);

	REQUIRE(conf != NULL && rcu_start() == 0);
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, list), 0);
	rcu_stop();
	EXPECT_EQ(decode_conf_replace_drop_ips(conf, next), -ENODEV);
	EXPECT(decode_conf_drop_ips(conf) == list);
	drop_ips_destroy(next);
	decode_conf_destroy(conf);
}

struct decoding {
	struct decode_conf *conf;
	_Atomic bool stop;
	_Atomic unsigned n, filtered;
};

static void *
decode_all_the_time(void *context)
{
	struct decoding *d = context;
	struct frame f = frame_from_10_0_0_2();
	int reader = rcu_reader_add();

	while (!d->stop) {
		struct packet p = {.data = f.bytes,
				   .captured_bytes = (uint32_t)f.size,
				   .wire_bytes = (uint32_t)f.size,
				   .link_type = LINK_ETHERNET};

		d->filtered += packet_decode(d->conf, &p) == PACKET_FILTERED;
		d->n++;
		rcu_reader_quiescent(reader);
	}
	rcu_reader_remove(reader);
	return NULL;
}

/* Both lists drop the frame, so at no moment is there a packet that passes; what is read after it was freed the
 * sanitizers see. */
TEST(lists_are_replaced_while_others_decode)
{
	enum { REPLACEMENTS = 300, PACKETS_MIN = 300 };
	const struct line both[] = {dropped, other};
	struct decoding d = {.conf = decode_conf_create(NULL)};
	pthread_t thread;
	unsigned freed = 0;

	REQUIRE(d.conf != NULL && rcu_start() == 0);
	EXPECT_EQ(decode_conf_replace_drop_ips(d.conf, list_of(both, 1)), 0);
	REQUIRE(pthread_create(&thread, NULL, decode_all_the_time, &d) == 0);
	for (unsigned i = 0; i < REPLACEMENTS || d.n < PACKETS_MIN; i++) {
		int error = decode_conf_replace_drop_ips(d.conf, list_of(both, 1 + i % 2));

		EXPECT_EQ(error, 0);
		do {
			freed += rcu_reclaim(16);
			sched_yield();
		} while (rcu_waiting() > RCU_WAITING_MAX / 2);
	}
	d.stop = true;
	pthread_join(thread, NULL);
	EXPECT(freed > 0);
	EXPECT_EQ(d.filtered, d.n);
	rcu_stop();
	decode_conf_destroy(d.conf);
}

/* --- conf ------------------------------------------------------------------------------------------------------- */

static char *
write_file(const char *text)
{
	char *path = strdup("/tmp/shrike-drop-ips-XXXXXX");
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	fputs(text, file);
	fclose(file);
	return path;
}

/* 1: the address is dropped, 0: it is not, -1: the conf is refused. */
static int
with_conf(const char *text, const char *more, const char *address)
{
	char *extra = more != NULL ? write_file(more) : strdup("/nonexistent/file"), *path, *whole = NULL;
	struct decode_conf *decode;
	struct conf *conf;
	int answer = -1;
	uint8_t bytes[4];

	EXPECT(asprintf(&whole, "[default]\npacketDropIpsFiles=%s\n%s", extra, text) > 0);
	path = write_file(whole);
	conf = conf_load(&(struct conf_params){.path = path}, stderr);
	if (conf != NULL) {
		decode = decode_conf_create(conf);
		inet_pton(AF_INET, address, bytes);
		if (decode != NULL)
			answer = decode->drop_ips != NULL &&
				 drop_ips_either_ipv4(decode->drop_ips, read_be32(bytes), read_be32(bytes));
		decode_conf_destroy(decode);
	}
	conf_destroy(conf);
	remove(path);
	remove(extra);
	free(path);
	free(extra);
	free(whole);
	return answer;
}

TEST(wrong_lines_are_named_with_file_and_line)
{
	char *more = write_file("# a comment\n[packet-drop-ips]\n10/8=drop\n10/33=drop\n"), *path, *whole = NULL;
	char *text = NULL, expected[256];
	const struct drop_ips *list = NULL;
	struct conf *conf;
	size_t size;
	FILE *errors = open_memstream(&text, &size);

	EXPECT(asprintf(&whole, "[default]\npacketDropIpsFiles=%s\n[packet-drop-ips]\nten=drop\n", more) > 0);
	path = write_file(whole);
	conf = conf_load(&(struct conf_params){.path = path}, stderr);
	REQUIRE(conf != NULL && errors != NULL);
	EXPECT_EQ(packet_drop_ips_load(conf, errors, &list), -EINVAL);
	EXPECT(list == NULL);
	fclose(errors);
	snprintf(expected, sizeof(expected), "%s:4: [packet-drop-ips] ten=drop: ", path);
	EXPECT(strstr(text, expected) == text);
	snprintf(expected, sizeof(expected), "\n%s:4: [packet-drop-ips] 10/33=drop: ", more);
	EXPECT(strstr(text, expected) != NULL);
	conf_destroy(conf);
	remove(path);
	remove(more);
	free(path);
	free(more);
	free(whole);
	free(text);
}

TEST(the_section_and_further_files_are_read)
{
	EXPECT_EQ(with_conf("", "", "10.0.0.1"), 0);
	EXPECT_EQ(with_conf("[packet-drop-ips]\n10/8=drop\n", "", "10.0.0.1"), 1);
	EXPECT_EQ(with_conf("[packet-drop-ips]\n10/8 = drop\n", "[packet-drop-ips]\n10.0.0.1 = allow\n", "10.0.0.1"),
		  0);
	EXPECT_EQ(with_conf("[packet-drop-ips]\n10/8 = drop\n", "[packet-drop-ips]\n10.0.0.1 = allow\n", "10.0.0.2"),
		  1);
	EXPECT_EQ(with_conf("[packet-drop-ips]\n10/8 = drop\n", "[packet-drop-ips]\n10/8 = allow\n", "10.0.0.2"), 0);
	EXPECT_EQ(with_conf("", "[other]\n10/8=drop\n", "10.0.0.1"), 0);
	EXPECT_EQ(with_conf("[packet-drop-ips]\nten=drop\n", "", "10.0.0.1"), -1);
	EXPECT_EQ(with_conf("", "[packet-drop-ips]\n10/8=no\n", "10.0.0.1"), -1);
	EXPECT_EQ(with_conf("", NULL, "10.0.0.1"), -1);
}
