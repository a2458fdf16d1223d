/* What .so files may register, and what is refused. What a real one does is shown by test/check/registration. */
#include "packet/frames.h"

#include <errno.h>
#include <time.h>

#include "core/capture_stderr.h"
#include "log.h"

static enum packet_verdict
handle_nothing(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)p, (void)c;
	return PACKET_CORRUPT;
}

/* A plugin as SHRIKE_PLUGIN() makes it, of single objects. */
struct made {
	struct shrike_plugin plugin;
	const struct packet_protocol *protocol[2];
	const struct packet_hook *hook[2];
	const struct packet_tunnel_name *tunnel[PACKET_TUNNELS_MAX];
	uint8_t ids[PACKET_PROTOCOLS_MAX];
	uint16_t bits[PACKET_TUNNELS_MAX];
};

static const struct shrike_plugin *
make(struct made *m, const char *name, const struct packet_protocol *protocol, const struct packet_hook *hook,
     const struct packet_tunnel_name *tunnel)
{
	*m = (struct made){.protocol = {protocol}, .hook = {hook}, .tunnel = {tunnel}};
	m->plugin = (struct shrike_plugin){.api = SHRIKE_API,
					   .name = name,
					   .protocols = m->protocol,
					   .protocols_end = &m->protocol[protocol != NULL],
					   .packet_hooks = m->hook,
					   .packet_hooks_end = &m->hook[hook != NULL],
					   .tunnels = m->tunnel,
					   .tunnels_end = &m->tunnel[tunnel != NULL],
					   .protocol_ids = m->ids,
					   .tunnel_bits = m->bits};
	return &m->plugin;
}

static const struct packet_protocol good = {
	.name = "made-up", .record_name = "made", .type = SESSION_OTHER, .timeout_s = 9};

TEST(protocols_of_a_so_get_ids_behind_the_built_in_ones)
{
	unsigned n = packet_protocol_count();
	uint8_t tcp = packet_protocol_find("tcp");
	struct made m;

	EXPECT_EQ(packet_register(make(&m, "one", &good, NULL, NULL), "one.so"), 0);
	EXPECT_EQ(m.ids[0], n + 1);
	EXPECT_EQ(packet_protocol_find("made-up"), n + 1);
	EXPECT(packet_protocol(m.ids[0]) == &good);
	EXPECT_EQ(packet_protocol_count(), n + 1);
	EXPECT_EQ(packet_protocol_find("tcp"), tcp);
	packet_unregister();
	EXPECT_EQ(packet_protocol_find("made-up"), 0);
	EXPECT(packet_protocol((uint8_t)(n + 1)) == NULL);
	EXPECT_EQ(packet_protocol_count(), n);
}

TEST(of_two_of_one_name_the_first_counts)
{
	static const struct packet_protocol other = {
		.name = "other", .record_name = "other", .type = SESSION_OTHER, .timeout_s = 9};
	unsigned n = packet_protocol_count();
	struct made m, again;

	EXPECT_EQ(packet_register(make(&m, "one", &good, NULL, NULL), "one.so"), 0);
	EXPECT_EQ(packet_register(make(&again, "one", &other, NULL, NULL), "again.so"), 0);
	EXPECT_EQ(packet_protocol_find("other"), 0);
	EXPECT_EQ(packet_protocol_count(), n + 1);
	packet_unregister();
}

/* A place in the program logs so many lines a second. */
static void
spare_the_log(void)
{
	static unsigned n;

	if (++n % LOG_BURST == 0)
		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

static struct capture_stderr said;

static int
refused(const struct shrike_plugin *plugin, const char *word)
{
	unsigned protocols = packet_protocol_count();
	int error;

	spare_the_log();
	capture_stderr_begin(&said);
	error = packet_register(plugin, "/folder/bad.so");
	(void)capture_stderr_end(&said);
	EXPECT(strstr(said.text, word) != NULL);
	EXPECT(strstr(said.text, "/folder/bad.so") != NULL);
	/* Nothing of it is left. */
	EXPECT_EQ(packet_protocol_count(), protocols);
	EXPECT(packet_tunnel_name(PACKET_OWN_TUNNELS) == NULL);
	return error;
}

TEST(protocols_that_make_no_sense_are_refused)
{
	static const struct {
		struct packet_protocol protocol;
		int error;
		const char *word;
	} cases[] = {
		{{.record_name = "x", .type = SESSION_OTHER, .timeout_s = 1}, -EINVAL, "without a name"},
		{{.name = "x", .record_name = "", .type = SESSION_OTHER, .timeout_s = 1}, -EINVAL, "without a name"},
		{{.name = "x", .record_name = "x", .type = SESSION_TCP, .timeout_s = 1}, -EINVAL, "type TCP"},
		{{.name = "x", .record_name = "x", .type = SESSION_SCTP, .timeout_s = 1}, -EINVAL, "type TCP"},
		{{.name = "x", .record_name = "x", .type = SESSION_TYPES, .timeout_s = 1}, -EINVAL, "type TCP"},
		{{.name = "x", .record_name = "x", .type = SESSION_OTHER}, -EINVAL, "timeout_s is 0"},
		{{.name = "lldp", .record_name = "x", .type = SESSION_OTHER, .timeout_s = 1},
		 -EEXIST,
		 "shrike has one"},
	};
	struct made m;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(refused(make(&m, "bad", &cases[i].protocol, NULL, NULL), cases[i].word), cases[i].error);
	make(&m, "bad", &good, NULL, NULL);
	m.plugin.protocol_ids = NULL;
	EXPECT_EQ(refused(&m.plugin, "SHRIKE_PLUGIN()"), -EINVAL);
	make(&m, "bad", &good, NULL, NULL);
	m.protocol[1] = &good;
	m.plugin.protocols_end = &m.protocol[2];
	EXPECT_EQ(refused(&m.plugin, "made-up is there twice"), -EEXIST);
}

TEST(a_protocol_that_another_so_has_names_that_one)
{
	struct made m, second;

	EXPECT_EQ(packet_register(make(&m, "first-one", &good, NULL, NULL), "first.so"), 0);
	EXPECT_EQ(refused(make(&second, "second", &good, NULL, NULL), "first-one has one"), -EEXIST);
	packet_unregister();
}

TEST(hooks_that_make_no_sense_are_refused)
{
	static const struct {
		struct packet_hook hook;
		const char *word;
	} cases[] = {
		{{.kind = HOOK_ETHERTYPE, .number = 0x9999}, "without a handler"},
		{{.kind = PACKET_HOOK_KINDS, .handle = handle_nothing}, "no kind"},
		{{.kind = HOOK_IP_PROTOCOL, .number = 256, .handle = handle_nothing}, "there are 256"},
	};
	struct made m;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(refused(make(&m, "bad", NULL, &cases[i].hook, NULL), cases[i].word), -EINVAL);
}

TEST(tunnels_have_bits_and_names_of_their_own)
{
	static const struct packet_tunnel_name mine = {"mine"}, gre = {"gre"}, none = {NULL};
	struct packet_tunnel_name many[PACKET_TUNNELS_MAX];
	char names[PACKET_TUNNELS_MAX][8];
	struct made m, full;

	EXPECT_EQ(refused(make(&m, "bad", NULL, NULL, &gre), "shrike has one"), -EEXIST);
	EXPECT_EQ(refused(make(&m, "bad", NULL, NULL, &none), "without a name"), -EINVAL);
	make(&full, "bad", NULL, NULL, &mine);
	for (unsigned i = 0; i < PACKET_TUNNELS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		many[i].name = names[i];
		full.tunnel[i] = &many[i];
	}
	full.plugin.tunnels_end = &full.tunnel[PACKET_TUNNELS_MAX - PACKET_OWN_TUNNELS + 1];
	EXPECT_EQ(refused(&full.plugin, "more than 8 tunnels"), -ENOSPC);

	EXPECT_EQ(packet_register(make(&m, "one", NULL, NULL, &mine), "one.so"), 0);
	EXPECT_EQ(m.bits[0], 1u << PACKET_OWN_TUNNELS);
	EXPECT_STR(packet_tunnel_name(PACKET_OWN_TUNNELS), "mine");
	EXPECT_STR(packet_tunnel_name(0), "gre");
	packet_unregister();
	EXPECT(packet_tunnel_name(PACKET_OWN_TUNNELS) == NULL);
	EXPECT(packet_tunnel_name(PACKET_TUNNELS_MAX) == NULL);
}

/* decode_conf_create() with these hooks, each of a plugin of its own; its errno. */
static int
conflict(const struct packet_hook *first, const struct packet_hook *second)
{
	struct made one, two;
	struct decode_conf *conf;
	int error;

	EXPECT_EQ(packet_register(make(&one, "one", NULL, first, NULL), "/folder/one.so"), 0);
	EXPECT_EQ(packet_register(make(&two, "two", NULL, second, NULL), "/folder/two.so"), 0);
	spare_the_log();
	capture_stderr_begin(&said);
	conf = decode_conf_create(NULL);
	error = conf != NULL ? 0 : errno;
	(void)capture_stderr_end(&said);
	decode_conf_destroy(conf);
	packet_unregister();
	return error;
}

TEST(two_hooks_for_one_number_are_an_error_that_names_both)
{
	static const enum packet_hook_kind kinds[] = {HOOK_ETHERTYPE, HOOK_IP_PROTOCOL, HOOK_UDP_PORT};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct packet_hook hook = {.kind = kinds[i], .number = 200, .handle = handle_nothing};
		const struct packet_hook same = hook;
		const struct packet_hook next = {.kind = kinds[i], .number = 201, .handle = handle_nothing};
		const struct packet_hook off = {
			.kind = kinds[i], .number = 200, .handle = handle_nothing, .parser = "arp"};

		EXPECT_EQ(conflict(&hook, &same), EEXIST);
		EXPECT(strstr(said.text, "wanted_by=\"two (/folder/two.so)\"") != NULL);
		EXPECT(strstr(said.text, "taken_by=\"one (/folder/one.so)\"") != NULL);
		EXPECT(strstr(said.text, "=200 (0x00c8)") != NULL);
		EXPECT_EQ(conflict(&hook, &next), 0);
		/* disableParsers has arp.so by default. */
		EXPECT_EQ(conflict(&hook, &off), 0);
	}
}

TEST(a_hook_for_a_number_of_ours_is_an_error_that_names_ours)
{
	static const struct packet_hook nothing = {.kind = HOOK_UDP_PORT, .number = 1, .handle = handle_nothing};
	static const struct packet_hook lldp = {
		.kind = HOOK_ETHERTYPE, .number = ETHERTYPE_LLDP, .handle = handle_nothing};
	static const struct packet_hook tcp = {
		.kind = HOOK_IP_PROTOCOL, .number = IP_PROTOCOL_TCP, .handle = handle_nothing};
	static const struct packet_hook ipv6 = {
		.kind = HOOK_ETHERTYPE, .number = ETHERTYPE_IPV6, .handle = handle_nothing};

	EXPECT_EQ(conflict(&nothing, &lldp), EEXIST);
	EXPECT(strstr(said.text, "taken_by=\"shrike's lldp\"") != NULL);
	EXPECT_EQ(conflict(&nothing, &tcp), EEXIST);
	EXPECT(strstr(said.text, "taken_by=\"shrike\"") != NULL);
	EXPECT_EQ(conflict(&nothing, &ipv6), EEXIST);
	EXPECT(strstr(said.text, "wanted_by=\"two (/folder/two.so)\"") != NULL);
}

/* ---- What handlers may ask and say */

static unsigned asked;

static enum packet_verdict
handle_asking(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	unsigned bytes = 1;
	const uint8_t *addresses = packet_ip_addresses(p, &bytes), *macs = packet_macs(p);

	(void)conf;
	asked++;
	EXPECT(macs != NULL && memcmp(macs, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12) == 0);
	EXPECT_EQ(packet_vlan_id(p), 7);
	if (p->ip_version == 0)
		EXPECT(addresses == NULL && bytes == 0);
	else if (p->ip_version == 4)
		EXPECT(bytes == 8 && memcmp(addresses, "\x0a\0\0\2\x0a\0\0\1", 8) == 0);
	else
		EXPECT(bytes == 32 && addresses[15] == 1 && addresses[31] == 2);
	packet_key_opaque(p, packet_protocol_find("lldp"), "id", 2);
	packet_set_reversed(p, true);
	cursor_skip(&c, 2);
	packet_set_payload(p, c);
	return PACKET_OK;
}

/* A frame in VLAN 7 with 5 bytes for the handler. */
static struct packet
decode_for(const struct decode_conf *conf, unsigned version)
{
	struct frame f = {.size = 0};

	frame_ethernet(&f, ETHERTYPE_VLAN);
	frame_be16(&f, 7);
	frame_be16(&f, version == 0 ? 0x9999 : version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (version == 4)
		frame_ipv4(&f, 200, 5);
	if (version == 6)
		frame_ipv6(&f, 200, 5);
	frame_add(&f, "abcde", 5);
	return frames_decode(conf, LINK_ETHERNET, f.bytes, f.size);
}

TEST(handlers_see_what_is_around_and_say_what_the_payload_is)
{
	static const struct packet_hook ether = {.kind = HOOK_ETHERTYPE, .number = 0x9999, .handle = handle_asking};
	static const struct packet_hook ip = {.kind = HOOK_IP_PROTOCOL, .number = 200, .handle = handle_asking};
	struct made one, two;
	struct decode_conf *conf;

	EXPECT_EQ(packet_register(make(&one, "one", NULL, &ether, NULL), "one.so"), 0);
	EXPECT_EQ(packet_register(make(&two, "two", NULL, &ip, NULL), "two.so"), 0);
	conf = decode_conf_create(NULL);
	REQUIRE(conf != NULL);
	for (unsigned version = 0; version <= 6; version += version == 0 ? 4 : 2) {
		struct packet p;

		asked = 0;
		p = decode_for(conf, version);
		EXPECT_EQ(p.verdict, PACKET_OK);
		EXPECT(asked > 0 && p.reversed);
		EXPECT_EQ(p.payload_bytes, 3);
		EXPECT_EQ(p.data_bytes, 3);
		EXPECT_EQ(p.payload_offset, p.transport_offset + 2);
		EXPECT_EQ(p.captured_bytes, p.payload_offset + 3);
	}
	decode_conf_destroy(conf);
	packet_unregister();
}

static enum packet_verdict
handle_keyless(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)p, (void)c;
	return PACKET_OK;
}

TEST(a_handler_that_makes_no_key_makes_no_session)
{
	static const struct packet_hook ether = {.kind = HOOK_ETHERTYPE, .number = 0x9999, .handle = handle_keyless};
	struct decode_conf *conf;
	struct made one;

	EXPECT_EQ(packet_register(make(&one, "one", NULL, &ether, NULL), "one.so"), 0);
	conf = decode_conf_create(NULL);
	REQUIRE(conf != NULL);
	EXPECT_EQ(decode_for(conf, 0).verdict, PACKET_CORRUPT);
	decode_conf_destroy(conf);
	packet_unregister();
}
