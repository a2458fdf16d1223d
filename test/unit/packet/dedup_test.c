/* dedup.c, dedup_hash.c. */
#include "dedup_bucket.h"
#include "dedup_priv.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "packet/frames.h"

static struct {
	struct dedup *table;
	struct decode_conf *decode;
	struct counters counters;
	uint64_t now_ns;
} setup;

static const struct hash_secret secret = {
	{0x0123456789abcdef, 0xfedcba9876543210, 0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0}};
static const struct dedup_conf defaults = {.enabled = true, .seconds = 2, .packets = 65535, .vlan_vni = true};

static void
begin_with(const struct dedup_conf *conf, const struct decode_settings *settings)
{
	struct dedup_params params = {.conf = conf, .secret = &secret, .counters = &setup.counters, .n_workers = 1};

	memset(&setup, 0, sizeof(setup));
	setup.now_ns = 1000 * NS_PER_S;
	counters_attach(&setup.counters, "test");
	setup.decode = settings != NULL ? frames_conf(settings) : decode_conf_create(NULL);
	params.decode = setup.decode;
	setup.table = dedup_create(&params);
	REQUIRE(setup.table != NULL);
}

static void
begin(void)
{
	begin_with(&defaults, NULL);
}

static void
end(void)
{
	dedup_destroy(setup.table);
	decode_conf_destroy(setup.decode);
	counters_detach(&setup.counters);
}

/* The frame's end is the end of what may be read. */
static bool
is_copy(const struct frame *f)
{
	uint8_t *bytes = test_guard(f->bytes, f->size);
	struct packet p = {.data = bytes,
			   .time_ns = setup.now_ns,
			   .captured_bytes = (uint32_t)f->size,
			   .wire_bytes = (uint32_t)f->size,
			   .link_type = LINK_ETHERNET};
	bool copy;

	packet_decode(setup.decode, &p);
	dedup_grow(setup.table);
	dedup_prefetch_burst(setup.table, &p, 1);
	copy = dedup_is_copy(setup.table, &p);
	EXPECT_EQ(copy, p.verdict == PACKET_DUPLICATE);
	test_guard_free(bytes, f->size);
	return copy;
}

static struct frame
tcp_frame(unsigned payload_bytes)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES + payload_bytes);
	frame_tcp(&f, 1234, 80);
	frame_zero(&f, payload_bytes);
	return f;
}

static struct frame
udp_frame(unsigned payload_bytes)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_UDP, UDP_HEADER_BYTES + payload_bytes);
	frame_udp(&f, 5000, 53, payload_bytes);
	frame_zero(&f, payload_bytes);
	return f;
}

static struct frame
ipv6_frame(unsigned payload_bytes)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV6);
	frame_ipv6(&f, IP_PROTOCOL_TCP, TCP_HEADER_BYTES + payload_bytes);
	frame_tcp(&f, 1234, 80);
	frame_zero(&f, payload_bytes);
	return f;
}

/* A frame with one byte changed: whether that is a copy of the one before. */
static bool
changed_is_copy(const struct frame *f, size_t offset)
{
	struct frame changed = *f;
	bool copy;

	changed.bytes[offset] ^= 0x01;
	EXPECT(!is_copy(f));
	copy = is_copy(&changed);
	/* Neither may be there for the next one. */
	setup.now_ns += 10 * NS_PER_S;
	return copy;
}

TEST(a_second_packet_is_a_copy)
{
	struct frame tcp = tcp_frame(10), udp = udp_frame(30), ipv6 = ipv6_frame(0);

	begin();
	EXPECT(!is_copy(&tcp));
	EXPECT(!is_copy(&udp));
	EXPECT(!is_copy(&ipv6));
	EXPECT(is_copy(&ipv6));
	EXPECT(is_copy(&udp));
	EXPECT(is_copy(&tcp));
	EXPECT(is_copy(&tcp));
	end();
}

TEST(what_routers_change_and_what_lies_behind_is_not_compared)
{
	struct frame f = tcp_frame(10);

	begin();
	for (size_t i = 0; i < 14; i++)
		if (i != 12 && i != 13)
			EXPECT(changed_is_copy(&f, i));
	EXPECT(changed_is_copy(&f, 14 + 8));  /* TTL */
	EXPECT(changed_is_copy(&f, 14 + 10)); /* checksum */
	EXPECT(changed_is_copy(&f, 14 + 11));
	for (size_t i = 14 + 40; i < f.size; i++)
		EXPECT(changed_is_copy(&f, i));
	f = ipv6_frame(10);
	EXPECT(changed_is_copy(&f, 14 + 7));
	for (size_t i = 14 + 60; i < f.size; i++)
		EXPECT(changed_is_copy(&f, i));
	end();
}

TEST(every_other_byte_of_the_headers_is_compared)
{
	struct frame f = tcp_frame(10);

	begin();
	for (size_t i = 1; i < 40; i++)
		if (i != 8 && i != 10 && i != 11 && i != 2 && i != 9 && i != 6 && i != 32)
			EXPECT(!changed_is_copy(&f, 14 + i));
	f = ipv6_frame(10);
	for (size_t i = 1; i < 60; i++)
		if (i != 7 && i != 4 && i != 6 && i != 52)
			EXPECT(!changed_is_copy(&f, 14 + i));
	end();
}

TEST(of_a_datagram_twelve_bytes_are_compared)
{
	begin();
	for (unsigned size = 0; size < 40; size++) {
		struct frame f = udp_frame(size);

		for (unsigned i = 0; i < size; i++)
			EXPECT_EQ(changed_is_copy(&f, 42 + i), i >= 12);
		/* Padding is not payload. */
		frame_zero(&f, 4);
		EXPECT(changed_is_copy(&f, f.size - 1));
	}
	end();
}

TEST(options_and_extension_headers_are_compared)
{
	struct frame f = {.size = 0};

	begin();
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_TCP, 4 + TCP_HEADER_BYTES);
	f.bytes[14] = 0x46;
	frame_be32(&f, 0x94040000);
	frame_tcp(&f, 1234, 80);
	EXPECT(!changed_is_copy(&f, 14 + 20 + 3));
	EXPECT(!changed_is_copy(&f, 14 + 24 + 4));

	f.size = 0;
	frame_ethernet(&f, ETHERTYPE_IPV6);
	frame_ipv6(&f, 0, 8 + TCP_HEADER_BYTES);
	frame_be32(&f, 0x06000502);
	frame_be32(&f, 0x00000100);
	frame_tcp(&f, 1234, 80);
	EXPECT(!changed_is_copy(&f, 14 + 40 + 5));
	EXPECT(!changed_is_copy(&f, 14 + 48 + 4));
	EXPECT(!is_copy(&f));
	EXPECT(is_copy(&f));
	end();
}

TEST(headers_longer_than_256_bytes_are_not_compared)
{
	begin();
	for (unsigned length = 25; length <= 27; length++) {
		struct frame f = {.size = 0};
		unsigned bytes = 8 + 8 * length;

		frame_ethernet(&f, ETHERTYPE_IPV6);
		frame_ipv6(&f, 60, bytes + TCP_HEADER_BYTES);
		frame_u8(&f, IP_PROTOCOL_TCP);
		frame_u8(&f, length);
		frame_zero(&f, bytes - 2);
		frame_tcp(&f, 1234, 80);
		EXPECT(!is_copy(&f));
		EXPECT_EQ(is_copy(&f), 40 + bytes <= 256);
	}
	end();
}

TEST(other_protocols_have_no_copies)
{
	struct frame f = {.size = 0};

	begin();
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_ICMP, 16);
	frame_be32(&f, 0x08000000);
	frame_zero(&f, 12);
	EXPECT(!is_copy(&f));
	EXPECT(!is_copy(&f));
	end();
}

TEST(packets_without_a_verdict_of_ok_are_left_alone)
{
	struct frame f = tcp_frame(0);

	begin();
	f.size -= 1;
	EXPECT(!is_copy(&f));
	EXPECT(!is_copy(&f));
	end();
}

TEST(what_is_inside_a_tunnel_is_compared)
{
	struct frame plain = udp_frame(20), f = {.size = 0};

	begin();
	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, IP_PROTOCOL_IPV4, (unsigned)plain.size - 14);
	frame_add(&f, &plain.bytes[14], plain.size - 14);
	EXPECT(!is_copy(&plain));
	EXPECT(is_copy(&f));
	end();
}

TEST(the_window_is_whole_seconds_and_a_copy_does_not_renew_it)
{
	struct frame f = tcp_frame(0);

	for (uint32_t seconds = 1; seconds <= DEDUP_SECONDS_MAX; seconds++) {
		struct dedup_conf conf = defaults;

		conf.seconds = seconds;
		begin_with(&conf, NULL);
		for (unsigned at = 0; at < 3; at++) {
			setup.now_ns = (1000 + 100 * (uint64_t)at) * NS_PER_S + at * 499999999;
			EXPECT(!is_copy(&f));
			setup.now_ns = (setup.now_ns / NS_PER_S + seconds) * NS_PER_S - 1;
			EXPECT(is_copy(&f));
			setup.now_ns++;
			EXPECT(!is_copy(&f));
		}
		end();
	}
}

TEST(late_packets_count_as_of_the_current_second)
{
	struct frame f = tcp_frame(0), other = udp_frame(0);

	begin();
	EXPECT(!is_copy(&f));
	setup.now_ns += NS_PER_S;
	EXPECT(!is_copy(&other));
	setup.now_ns -= 5 * NS_PER_S;
	EXPECT(is_copy(&f));
	setup.now_ns += 6 * NS_PER_S;
	EXPECT(!is_copy(&f));
	EXPECT(is_copy(&other));
	end();
}

TEST(nothing_is_remembered_over_a_restart_of_the_clock)
{
	struct frame f = tcp_frame(0);

	begin();
	for (unsigned i = 0; i < 3; i++) {
		EXPECT(!is_copy(&f));
		EXPECT(is_copy(&f));
		dedup_reset(setup.table);
		setup.now_ns = 5 * NS_PER_S;
	}
	end();
}

static struct frame
vlan_frame(unsigned id)
{
	struct frame plain = tcp_frame(0), f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_VLAN);
	frame_be16(&f, id);
	frame_add(&f, &plain.bytes[12], plain.size - 12);
	return f;
}

TEST(vlans_count_only_where_they_are_part_of_sessions)
{
	static const struct {
		int tracking;
		bool vlan_vni, is_copy;
	} cases[] = {
		{TRACKING_NONE, true, true},
		{TRACKING_NONE, false, true},
		{TRACKING_VLAN, false, true},
		{TRACKING_VLAN, true, false},
	};
	struct frame one = vlan_frame(1), two = vlan_frame(2);

	for (unsigned i = 0; i < 4; i++) {
		struct decode_settings settings = {.tracking = cases[i].tracking};
		struct dedup_conf conf = defaults;

		conf.vlan_vni = cases[i].vlan_vni;
		begin_with(&conf, &settings);
		EXPECT(!is_copy(&one));
		EXPECT_EQ(is_copy(&two), cases[i].is_copy);
		EXPECT(is_copy(&two));
		end();
	}
}

TEST(copies_in_several_vlans_have_one_owner)
{
	struct frame one = vlan_frame(1), two = vlan_frame(2);
	struct decode_settings settings = {.tracking = TRACKING_VLAN};
	struct decode_conf *conf = frames_conf(&settings);
	struct packet p, q;

	for (unsigned port = 0; port < 100; port++) {
		frame_set_be16(&one, 18 + 20, port);
		frame_set_be16(&two, 18 + 20, port);
		p = frames_decode(conf, LINK_ETHERNET, one.bytes, one.size);
		q = frames_decode(conf, LINK_ETHERNET, two.bytes, two.size);
		EXPECT(!flow_key_equal(&p.key, &q.key));
		EXPECT_EQ(flow_key_owner(&p.key, 16), flow_key_owner(&q.key, 16));
	}
	decode_conf_destroy(conf);
}

/* xorshift: the same numbers in every run. */
static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One of 'n' packets, by its IP id and sequence number. */
static bool
number_is_copy(uint32_t number)
{
	static struct frame f;
	struct packet p;

	if (f.size == 0)
		f = tcp_frame(0);
	frame_set_be16(&f, 14 + 4, number & 0xffff);
	frame_set_be16(&f, 14 + 24, number >> 16);
	p = (struct packet){.data = f.bytes,
			    .time_ns = setup.now_ns,
			    .captured_bytes = (uint32_t)f.size,
			    .wire_bytes = (uint32_t)f.size,
			    .link_type = LINK_ETHERNET};
	packet_decode(setup.decode, &p);
	dedup_grow(setup.table);
	dedup_prefetch_burst(setup.table, &p, 1);
	return dedup_is_copy(setup.table, &p);
}

/* Against the simplest table there is; long enough for the ticks to begin again. */
TEST(the_table_agrees_with_a_plain_one_over_any_pauses)
{
	enum { PACKETS = 200, ROUNDS = 300000 };
	static uint64_t seen_s[PACKETS];
	uint64_t state = 88172645463325252, copies = 0, second;
	struct dedup_conf conf = defaults;

	conf.seconds = 3;
	conf.packets = PACKETS;
	memset(seen_s, 0, sizeof(seen_s));
	begin_with(&conf, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t dice = random_next(&state);
		uint32_t number = (uint32_t)(dice >> 20) % PACKETS;
		bool wanted;

		if (dice % 4 == 0)
			setup.now_ns += NS_PER_S;
		if (dice % 1024 == 5)
			setup.now_ns += (dice >> 50) * NS_PER_S;
		second = setup.now_ns / NS_PER_S;
		wanted = second - seen_s[number] < conf.seconds;
		if (!wanted)
			seen_s[number] = second;
		copies += wanted;
		if (number_is_copy(number) != wanted) {
			EXPECT_EQ(i, -1);
			break;
		}
	}
	EXPECT(copies > ROUNDS / 100);
	EXPECT_EQ(counters_total("dedup.full"), 0);
	end();
}

/* Each pause is 32 ticks of 256, and the table grows on the way: wherever the hand is, no packet is found again when
 * its tick is. */
TEST(a_bucket_nobody_looks_at_for_all_ticks_is_empty_then)
{
	enum { PACKETS = 3000, ROUNDS = 40, PAUSES = 8, PAUSE_S = 32 };
	uint32_t number = 0;

	begin();
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t first = number, other;

		for (unsigned i = 0; i < PACKETS; i++)
			EXPECT(!number_is_copy(number++));
		EXPECT(number_is_copy(first));
		other = number;
		for (unsigned i = 0; i < PAUSES; i++) {
			setup.now_ns += PAUSE_S * NS_PER_S;
			for (unsigned k = 0; k < 1 + round * i; k++)
				EXPECT(!number_is_copy(number++));
		}
		for (uint32_t i = first; i < other; i++)
			EXPECT(!number_is_copy(i));
		dedup_reset(setup.table);
	}
	end();
}

TEST(a_full_table_forgets_what_is_oldest_counts_it_and_drops_nothing_else)
{
	enum { PACKETS = 100000 };
	struct dedup_conf conf = defaults;
	unsigned remembered = 0, before;

	conf.packets = 5000;
	begin_with(&conf, NULL);
	for (uint32_t i = 0; i < PACKETS; i++)
		EXPECT(!number_is_copy(i));
	EXPECT(counters_total("dedup.full") > PACKETS / 2);
	before = (unsigned)counters_total("dedup.full");
	/* Of those that came last most are there, of the first ones none. */
	for (uint32_t i = PACKETS - 1000; i < PACKETS; i++)
		remembered += number_is_copy(i);
	EXPECT(remembered > 900);
	EXPECT_EQ(before, counters_total("dedup.full") - (1000 - remembered));
	end();
}

TEST(at_the_rate_it_is_made_for_the_table_finds_nearly_every_copy)
{
	enum { PACKETS = 65535 };
	unsigned found = 0;

	begin();
	for (uint32_t i = 0; i < 2 * PACKETS; i++) {
		setup.now_ns += i == PACKETS ? NS_PER_S : 0;
		EXPECT(!number_is_copy(i));
	}
	for (uint32_t i = 0; i < 2 * PACKETS; i++)
		found += number_is_copy(i);
	EXPECT(found > 2 * PACKETS * 0.999);
	end();
}

/* Each packet is looked for in every state of the table on the way to its whole size: in buckets that are split, that
 * wait for it, and in neighbours. */
TEST(nothing_is_lost_while_the_table_grows)
{
	enum { PACKETS = 65535, EVERY = 1500 };

	begin();
	for (uint32_t i = 0; i < PACKETS; i++) {
		EXPECT(!number_is_copy(i));
		for (uint32_t k = 0; i % EVERY == 0 && k <= i; k++)
			EXPECT(number_is_copy(k));
	}
	EXPECT_EQ(counters_total("dedup.full"), 0);
	EXPECT(dedup_bytes_in_use(setup.table) > dedup_bytes_max(setup.table) / 4);
	/* What was split is no older than it was. */
	setup.now_ns += NS_PER_S;
	EXPECT(number_is_copy(0) && number_is_copy(PACKETS - 1));
	setup.now_ns += NS_PER_S;
	for (uint32_t i = 0; i < PACKETS; i++)
		EXPECT(!number_is_copy(i));
	end();
}

TEST(the_table_is_as_large_as_the_traffic)
{
	enum { A_SECOND = 3000, SECONDS = 100 };
	uint64_t smallest;

	begin();
	smallest = dedup_bytes_in_use(setup.table);
	EXPECT(smallest <= dedup_bytes_max(setup.table) / 64);
	for (uint32_t i = 0; i < SECONDS * A_SECOND; i++) {
		setup.now_ns += i % A_SECOND == 0 ? NS_PER_S : 0;
		EXPECT(!number_is_copy(i));
	}
	/* Of two seconds, between an eighth and a quarter full. */
	EXPECT(dedup_bytes_in_use(setup.table) >= 2 * A_SECOND * 64 / 2);
	EXPECT(dedup_bytes_in_use(setup.table) <= 2 * A_SECOND * 64);
	dedup_reset(setup.table);
	EXPECT_EQ(dedup_bytes_in_use(setup.table), smallest);
	for (uint32_t i = 0; i < A_SECOND; i++)
		EXPECT(!number_is_copy(i));
	end();
}

TEST(memory_follows_packets_and_workers)
{
	struct dedup_params params = {
		.conf = &defaults, .secret = &secret, .counters = &setup.counters, .n_workers = 1};
	uint64_t bytes;

	begin();
	params.decode = setup.decode;
	bytes = dedup_bytes_max(setup.table);
	EXPECT(bytes >= 2 * 65535 * 16 && bytes < 2 * 65535 * 20);
	dedup_destroy(setup.table);
	params.n_workers = 4;
	setup.table = dedup_create(&params);
	REQUIRE(setup.table != NULL);
	EXPECT(dedup_bytes_max(setup.table) <= bytes / 4 + 256 * 64);
	end();
	dedup_destroy(NULL);
}

TEST(usual_packets_have_the_hash_of_their_text)
{
#ifdef __AES__
	struct frame frames[] = {tcp_frame(0), tcp_frame(100), udp_frame(12), udp_frame(11), ipv6_frame(1)};
	struct dedup_keys keys;

	begin();
	dedup_keys_init(&keys, &secret);
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct packet p = {.data = frames[i].bytes,
				   .captured_bytes = (uint32_t)frames[i].size,
				   .link_type = LINK_ETHERNET};
		struct dedup_text text;

		packet_decode(setup.decode, &p);
		dedup_prefetch_burst(setup.table, &p, 1);
		REQUIRE(dedup_text_make(&text, &p, 0));
		EXPECT(p.copy_tag == (dedup_hash_aes(&keys, &text).low & TAG_MASK));
	}
	end();
#else
	test_skip("no AES instructions");
#endif
}

typedef struct dedup_hash (*hasher)(const struct dedup_keys *, const struct dedup_text *);
static const hasher hashers[] = {
	dedup_hash_portable,
#ifdef __AES__
	dedup_hash_aes,
#endif
};

/* Half of the bits, whichever bit of the text changes: nothing is left out and nothing is linear on the way. */
TEST(each_bit_of_the_text_changes_half_of_the_hash)
{
	struct dedup_text text = {.n_blocks = 5};
	struct dedup_keys keys;

	dedup_keys_init(&keys, &secret);
	for (unsigned h = 0; h < sizeof(hashers) / sizeof(hashers[0]); h++) {
		struct dedup_hash base = hashers[h](&keys, &text);
		unsigned changed = 0;

		for (unsigned bit = 0; bit < 5 * 128; bit++) {
			struct dedup_hash hash;
			unsigned bits;

			text.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			hash = hashers[h](&keys, &text);
			text.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			bits = (unsigned)__builtin_popcountll(hash.low ^ base.low) +
			       (unsigned)__builtin_popcountll(hash.high ^ base.high);
			EXPECT(bits > 30 && bits < 98);
			changed += bits;
		}
		EXPECT(changed > 5 * 128 * 61 && changed < 5 * 128 * 67);
	}
}

TEST(another_secret_gives_other_hashes)
{
	struct hash_secret other = secret;
	struct dedup_text text = {.n_blocks = 3};
	struct dedup_keys a, b;

	dedup_keys_init(&a, &secret);
	for (unsigned word = 0; word < 4; word++) {
		other = secret;
		other.word[word] ^= 1;
		dedup_keys_init(&b, &other);
		for (unsigned h = 0; h < sizeof(hashers) / sizeof(hashers[0]); h++)
			EXPECT(hashers[h](&a, &text).low != hashers[h](&b, &text).low);
	}
}

/* OpenSSL's is the judge. */
TEST(the_portable_hash_is_siphash)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	size_t size = 16, written;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END};
	struct dedup_text text;
	struct dedup_keys keys;

	REQUIRE(mac != NULL);
	dedup_keys_init(&keys, &secret);
	for (unsigned i = 0; i < sizeof(text.bytes); i++)
		text.bytes[i] = (uint8_t)(i * 7);
	for (text.n_blocks = 1; text.n_blocks <= DEDUP_BLOCKS_MAX; text.n_blocks++) {
		EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
		struct dedup_hash hash = dedup_hash_portable(&keys, &text);
		uint8_t wanted[16];

		EXPECT_EQ(EVP_MAC_init(context, (const uint8_t *)keys.mask[0], 16, params), 1);
		EXPECT_EQ(EVP_MAC_update(context, text.bytes, text.n_blocks * (size_t)DEDUP_BLOCK_BYTES), 1);
		EXPECT_EQ(EVP_MAC_final(context, wanted, &written, sizeof(wanted)), 1);
		EXPECT_EQ(written, 16);
		EXPECT(memcmp(&hash, wanted, sizeof(wanted)) == 0);
		EVP_MAC_CTX_free(context);
	}
	EVP_MAC_free(mac);
}
