/* unknown.c and save_unknown.c. */
#include "packet/frames.h"

static struct decode_conf *
conf_saving(const char *a, const char *b)
{
	const char *items[] = {a, b};

	return frames_conf(
		&(struct decode_settings){.save_unknown_packets = {.item = items, .n = (a != NULL) + (b != NULL)}});
}

static struct packet
decode_saving(const char *a, const char *b, const struct frame *f)
{
	struct decode_conf *conf = conf_saving(a, b);
	struct packet p = {.verdict = PACKET_FILTERED};

	EXPECT(conf != NULL);
	if (conf != NULL)
		p = frames_decode(conf, LINK_ETHERNET, f->bytes, f->size);
	decode_conf_destroy(conf);
	return p;
}

static struct frame
frame_of_type(unsigned type)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, type);
	frame_zero(&f, 46);
	return f;
}

static struct frame
frame_of_protocol(unsigned protocol)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_IPV4);
	frame_ipv4(&f, protocol, 26);
	frame_zero(&f, 26);
	return f;
}

TEST(nothing_unknown_is_saved_by_default)
{
	struct frame type = frame_of_type(0x9999), protocol = frame_of_protocol(99), corrupt = frame_of_protocol(17);

	EXPECT_EQ(decode_saving(NULL, NULL, &type).verdict, PACKET_UNKNOWN_ETHER);
	EXPECT_EQ(decode_saving(NULL, NULL, &protocol).verdict, PACKET_UNKNOWN_IP);
	EXPECT_EQ(decode_saving(NULL, NULL, &corrupt).verdict, PACKET_CORRUPT);
}

TEST(an_unknown_ethertype_is_a_session_of_its_ethernet_header)
{
	struct frame f = frame_of_type(0x9999);
	struct packet p = decode_saving("ether:39321", NULL, &f);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "unknown-ether");
	EXPECT(memcmp(p.key.address, f.bytes, 14) == 0);
	EXPECT_EQ(p.data_bytes, 0);
	EXPECT_EQ(decode_saving("ether:0x9998", NULL, &f).verdict, PACKET_UNKNOWN_ETHER);
	EXPECT_EQ(decode_saving("ether:0x9999", NULL, &f).verdict, PACKET_OK);
	EXPECT_EQ(decode_saving("ether:all", NULL, &f).verdict, PACKET_OK);
	EXPECT_EQ(decode_saving("all", NULL, &f).verdict, PACKET_OK);
	EXPECT_EQ(decode_saving("all", "-ether:0x9999", &f).verdict, PACKET_UNKNOWN_ETHER);
	EXPECT_EQ(decode_saving("-ether:0x9999", "all", &f).verdict, PACKET_OK);
	EXPECT_EQ(decode_saving("ip:all", NULL, &f).verdict, PACKET_UNKNOWN_ETHER);
}

TEST(an_unknown_ip_protocol_is_a_session_of_the_addresses_as_sent)
{
	struct frame f = frame_of_protocol(99), g = frame_of_protocol(100);
	struct packet p = decode_saving("ip:99", NULL, &f), q;

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "unknown-ip");
	EXPECT_EQ(p.key.address[0][15], 2);
	EXPECT_EQ(p.key.address[1][15], 1);
	EXPECT(!p.reversed);
	EXPECT_EQ(p.ip_protocol, 99);
	EXPECT_EQ(p.data_bytes, 0);
	q = decode_saving("ip:all", NULL, &g);
	EXPECT(!flow_key_equal(&p.key, &q.key));
	EXPECT_EQ(decode_saving("all", "-ip:99", &f).verdict, PACKET_UNKNOWN_IP);
	EXPECT_EQ(decode_saving("-all", NULL, &f).verdict, PACKET_UNKNOWN_IP);
	g = frame_of_protocol(112);
	EXPECT_EQ(decode_saving("ip:VRRP", NULL, &g).verdict, PACKET_OK);
}

TEST(ip_protocol_255_and_pseudo_ethertypes_are_sessions_without_asking)
{
	struct frame ip = frame_of_protocol(255), f = {.size = 0};
	struct packet p = decode_saving(NULL, NULL, &ip);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "unknown-ip");

	frame_ethernet(&f, 50);
	frame_be32(&f, 0xfefe0301);
	frame_zero(&f, 46);
	p = decode_saving(NULL, NULL, &f);
	EXPECT_STR(frames_protocol(&p), "unknown-ether");
	f.bytes[17] = 3;
	p = decode_saving(NULL, NULL, &f);
	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "corrupt-ether");
}

TEST(a_corrupt_packet_is_a_session_of_its_addresses_or_macs)
{
	/* UDP of length 0: the IP header is good. */
	struct frame udp = frame_of_protocol(17), ip = frame_of_protocol(6), v6 = {.size = 0};
	struct packet p = decode_saving("corrupt", NULL, &udp);

	EXPECT_EQ(p.verdict, PACKET_OK);
	EXPECT_STR(frames_protocol(&p), "corrupt-ip");
	EXPECT_EQ(p.key.address[0][15], 2);
	EXPECT_EQ(p.data_bytes, 0);
	EXPECT_EQ(decode_saving("all", NULL, &udp).verdict, PACKET_CORRUPT);
	EXPECT_EQ(decode_saving("corrupt", "-corrupt", &udp).verdict, PACKET_CORRUPT);

	frame_set_be16(&ip, 16, 5000);
	p = decode_saving("corrupt", NULL, &ip);
	EXPECT_STR(frames_protocol(&p), "corrupt-ether");
	EXPECT(memcmp(p.key.address, ip.bytes, 12) == 0);
	EXPECT_EQ(p.key.address[0][12], 0);
	EXPECT_EQ(p.ip_version, 0);

	frame_ethernet(&v6, ETHERTYPE_IPV6);
	frame_ipv6(&v6, IP_PROTOCOL_HOPOPTS, 2);
	frame_zero(&v6, 2);
	p = decode_saving("corrupt", NULL, &v6);
	EXPECT_STR(frames_protocol(&p), "corrupt-ip");
	EXPECT_EQ(p.ip_protocol, 0);
}

TEST(corrupt_packets_without_bytes_for_a_key_are_not_saved)
{
	struct decode_conf *conf = conf_saving("corrupt", NULL);
	struct frame f = {.size = 0};

	REQUIRE(conf != NULL);
	frame_ethernet(&f, ETHERTYPE_IPV4);
	for (size_t n = 0; n <= 14; n++)
		EXPECT_EQ(frames_decode(conf, LINK_ETHERNET, f.bytes, n).verdict, n < 14 ? PACKET_CORRUPT : PACKET_OK);
	decode_conf_destroy(conf);
}

TEST(a_corrupt_packet_of_bare_ip_is_a_session_of_its_first_bytes)
{
	struct decode_conf *conf = conf_saving("corrupt", NULL);
	struct frame f = {.size = 0};
	struct packet p;

	REQUIRE(conf != NULL);
	frame_ipv4(&f, 17, 8);
	frame_zero(&f, 8);
	p = frames_decode(conf, LINK_RAW, f.bytes, f.size);
	EXPECT_STR(frames_protocol(&p), "corrupt-ether");
	EXPECT(memcmp(p.key.address, f.bytes, 12) == 0);
	decode_conf_destroy(conf);
}

TEST(what_saveUnknownPackets_cannot_mean_is_refused)
{
	static const char *const bad[] = {
		"everything", "ip:", "ip:256", "ip:nosuch", "ether:65536", "ether:0x",	"ip:12x",
		"--all",      "",    "-",      "ether",	    "ip:-1",	   "corrupted", "ether:99999999999999999999",
		"ip: 6"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct conf_list list = {.item = (const char *[]){"all", bad[i]}, .n = 2};
		struct save_unknown save;
		const char *culprit = NULL;

		EXPECT(!save_unknown_parse(&list, &save, &culprit));
		EXPECT(culprit == bad[i]);
	}
	EXPECT(conf_saving("all", "nonsense") == NULL);
}
