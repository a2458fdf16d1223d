/* decode_conf.c and collapse.c. */
#include "packet/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct conf *
load(const char *text, const char *const *overrides, unsigned n_overrides)
{
	char path[] = "/tmp/shrike-test-XXXXXX";
	int fd = text != NULL ? mkstemp(path) : -1;
	struct conf *conf;

	if (text != NULL && (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)))
		abort();
	conf = conf_load(&(struct conf_params){.path = text != NULL ? path : NULL,
					       .node = "test",
					       .overrides = overrides,
					       .n_overrides = n_overrides},
			 stderr);
	if (text != NULL) {
		close(fd);
		unlink(path);
	}
	return conf;
}

TEST(no_conf_gives_the_defaults_of_the_settings)
{
	struct conf *defaults = load(NULL, NULL, 0);
	struct decode_conf *from_nothing = decode_conf_create(NULL), *from_defaults;

	REQUIRE(defaults != NULL && from_nothing != NULL);
	from_defaults = decode_conf_create(defaults);
	REQUIRE(from_defaults != NULL);
	EXPECT(memcmp(from_nothing, from_defaults, sizeof(*from_nothing)) == 0);
	EXPECT(from_nothing->fast);
	EXPECT_EQ(from_nothing->tracking, TRACKING_NONE);
	EXPECT_EQ(from_nothing->ethertype_slot[ETHERTYPE_ARP], 0);
	decode_conf_destroy(from_nothing);
	decode_conf_destroy(from_defaults);
	decode_conf_destroy(NULL);
	conf_destroy(defaults);
}

TEST(settings_reach_the_tables)
{
	static const char *const overrides[] = {"saveUnknownPackets=ip:99;corrupt", "sessionIdTracking=vlan",
						"disableParsers=lldp.so;icmp.so", "trackESP=true"};
	struct conf *conf = load(NULL, overrides, 4);
	struct decode_conf *decode;

	REQUIRE(conf != NULL);
	decode = decode_conf_create(conf);
	REQUIRE(decode != NULL);
	EXPECT(decode->save.corrupt && bit_test(decode->save.ip_protocol, 99));
	EXPECT(!bit_test(decode->save.ip_protocol, 98));
	EXPECT_EQ(decode->tracking, TRACKING_VLAN);
	EXPECT(decode->track_esp);
	EXPECT(decode->ethertype_slot[ETHERTYPE_ARP] != 0);
	EXPECT(decode->ethertype_slot[ETHERTYPE_LLDP] == 0);
	EXPECT(decode->ip_protocol[IP_PROTOCOL_ICMP] == NULL && decode->ip_protocol[IP_PROTOCOL_ICMPV6] == NULL);
	EXPECT(decode->ip_protocol[IP_PROTOCOL_IGMP] != NULL);
	decode_conf_destroy(decode);
	conf_destroy(conf);
}

TEST(a_bad_saveUnknownPackets_list_is_refused)
{
	static const char *const overrides[] = {"saveUnknownPackets=ip:99;nonsense"};
	struct conf *conf = load(NULL, overrides, 1);

	REQUIRE(conf != NULL);
	errno = 0;
	EXPECT(decode_conf_create(conf) == NULL);
	EXPECT_EQ(errno, EINVAL);
	conf_destroy(conf);
}

static enum packet_verdict
handle_nothing(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)p, (void)c;
	return PACKET_CORRUPT;
}

TEST(a_second_handler_for_one_number_is_refused)
{
	static const struct {
		enum packet_hook_kind kind;
		uint16_t number;
		int error;
	} cases[] = {
		{HOOK_ETHERTYPE, ETHERTYPE_LLDP, -EEXIST},
		{HOOK_ETHERTYPE, ETHERTYPE_IPV4, -EEXIST},
		{HOOK_ETHERTYPE, ETHERTYPE_IPV6, -EEXIST},
		{HOOK_ETHERTYPE, 0x9999, 0},
		{HOOK_ETHERTYPE, 0x9999, -EEXIST},
		{HOOK_IP_PROTOCOL, IP_PROTOCOL_TCP, -EEXIST},
		{HOOK_IP_PROTOCOL, IP_PROTOCOL_UDP, -EEXIST},
		{HOOK_IP_PROTOCOL, 1, -EEXIST},
		{HOOK_IP_PROTOCOL, 256, -EEXIST},
		{HOOK_IP_PROTOCOL, 99, 0},
		{HOOK_UDP_PORT, 9999, 0},
		{HOOK_UDP_PORT, 9999, -EEXIST},
	};
	struct decode_conf *conf = decode_conf_create(NULL);

	REQUIRE(conf != NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_hook hook = {.kind = cases[i].kind, .number = cases[i].number, .handle = handle_nothing};

		EXPECT_EQ(decode_conf_add_hook(conf, &hook), cases[i].error);
	}
	decode_conf_destroy(conf);
}

TEST(handlers_beyond_the_tables_are_refused)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	int error = 0;

	REQUIRE(conf != NULL);
	for (unsigned i = 0; i < 100 && error == 0; i++)
		error = decode_conf_add_hook(conf, &(struct packet_hook){.kind = HOOK_ETHERTYPE,
									 .number = (uint16_t)(0xa000 + i),
									 .handle = handle_nothing});
	EXPECT_EQ(error, -ENOSPC);
	EXPECT(conf->n_ethertypes < ETHERTYPE_HANDLERS_MAX);
	error = 0;
	for (unsigned i = 0; i < 100 && error == 0; i++)
		error = decode_conf_add_hook(conf, &(struct packet_hook){.kind = HOOK_UDP_PORT,
									 .number = (uint16_t)(0xa000 + i),
									 .handle = handle_nothing});
	EXPECT_EQ(error, -ENOSPC);
	EXPECT_EQ(conf->n_udp_ports, UDP_PORT_HANDLERS_MAX);
	decode_conf_destroy(conf);
}

static struct packet
decode_vlan(const struct decode_conf *conf, unsigned id)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_VLAN);
	frame_be16(&f, id);
	frame_be16(&f, ETHERTYPE_IPV4);
	frame_ipv4_udp(&f);
	return frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
}

TEST(vlans_tell_sessions_apart_only_when_tracked)
{
	struct decode_conf *none = frames_conf(&(struct decode_settings){.tracking = TRACKING_NONE});
	struct decode_conf *vlan = frames_conf(&(struct decode_settings){.tracking = TRACKING_VLAN});
	struct packet p, q;

	REQUIRE(none != NULL && vlan != NULL);
	p = decode_vlan(none, 5);
	q = decode_vlan(none, 6);
	EXPECT(flow_key_equal(&p.key, &q.key));
	p = decode_vlan(vlan, 0x105);
	q = decode_vlan(vlan, 6);
	EXPECT(!flow_key_equal(&p.key, &q.key));
	EXPECT_EQ(p.key.tracking[0], 0);
	EXPECT_EQ(p.key.tracking[1], 1);
	EXPECT_EQ(p.key.tracking[2], 5);
	decode_conf_destroy(none);
	decode_conf_destroy(vlan);
}

TEST(vnis_are_tracked_in_all_their_24_bits)
{
	struct decode_conf *conf = frames_conf(&(struct decode_settings){.tracking = TRACKING_VNI});
	struct packet p = {.vni = 0xabcdef, .vlan = 7};

	REQUIRE(conf != NULL);
	EXPECT_EQ(packet_tracking_id(conf, &p), 0xabcdef);
	packet_key_endpoints(conf, &p, 1, 0, 0);
	EXPECT_EQ(p.key.tracking[0], 0xab);
	EXPECT_EQ(p.key.tracking[1], 0xcd);
	EXPECT_EQ(p.key.tracking[2], 0xef);
	decode_conf_destroy(conf);
}

TEST(collapsed_vlans_share_sessions)
{
	struct conf *conf =
		load("[default]\nsessionIdTracking=vlan\n[vlan-vni-collapse]\n10 = 11, 12,9\n3=0\n", NULL, 0);
	static const struct {
		uint16_t from, to;
	} cases[] = {{9, 10}, {10, 10}, {11, 10}, {12, 10}, {13, 13}, {0, 3}, {3, 3}, {4, 4}};
	struct decode_conf *decode;

	REQUIRE(conf != NULL);
	decode = decode_conf_create(conf);
	REQUIRE(decode != NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(decode_vlan(decode, cases[i].from).key.tracking[2], cases[i].to);
	/* Untagged packets too, and by the short path. */
	{
		struct frame f = {.size = 0};

		frame_ethernet(&f, ETHERTYPE_IPV4);
		frame_ipv4_udp(&f);
		frame_zero(&f, 20);
		EXPECT_EQ(frames_decode(decode, LINK_ETHERNET, f.bytes, f.size).key.tracking[2], 3);
	}
	decode_conf_destroy(decode);
	conf_destroy(conf);
}

TEST(a_collapse_line_that_means_nothing_is_refused)
{
	static const char *const lines[] = {"x=1",   "1=x",   "1=",	    "1=2,",
					    "1=,2",  "1=2;3", "16777216=1", "1=16777216",
					    "1=2 3", "1=-2",  "1=2\n3=2",   "1=99999999999999999999"};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256];
		struct conf *conf;

		snprintf(text, sizeof(text), "[vlan-vni-collapse]\n%s\n", lines[i]);
		conf = load(text, NULL, 0);
		if (conf == NULL)
			continue; /* the reader of the file refused it */
		EXPECT(decode_conf_create(conf) == NULL);
		conf_destroy(conf);
	}
}
