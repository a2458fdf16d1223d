/* What 'interface' names: words, arguments of drivers, what is missing. */
#include "interface.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include <rte_ethdev.h>

#include "port.h"
#include "test.h"

static const struct port_conf conf = {.snap_bytes = 16384, .buffer_bytes = 300000000, .block_bytes = 2097152};
static struct interface in;
static char why[1024], name[64], arguments[INTERFACE_TEXT_MAX];

static bool
parse(const char *text)
{
	return interface_parse(text, &conf, &in, why, sizeof(why)) == 0;
}

/* The value of an argument in 'arguments', 0 when it is not there. */
static unsigned long
value(const char *key)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof(wanted), ",%s=", key);
	at = strstr(arguments, wanted);
	return at != NULL ? strtoul(at + strlen(wanted), NULL, 10) : 0;
}

static void
make_vdev(const char *text, unsigned n_workers)
{
	EXPECT(parse(text));
	interface_vdev(&in, &conf, 3, n_workers, name, sizeof(name), arguments, sizeof(arguments));
}

TEST(words_name_kinds_of_interfaces)
{
	static const struct {
		const char *text;
		enum interface_kind kind;
		const char *name, *more;
	} cases[] = {
		{"eth0", INTERFACE_AF_PACKET, "eth0", ""},
		{"af_packet:eth0", INTERFACE_AF_PACKET, "eth0", ""},
		{"eth0.100,qpairs=2", INTERFACE_AF_PACKET, "eth0.100", "qpairs=2"},
		{"af_xdp:ens1f0np0", INTERFACE_AF_XDP, "ens1f0np0", ""},
		{"pcap:any", INTERFACE_PCAP, "any", ""},
		{"tap:span0,mac=fixed", INTERFACE_TAP, "span0", "mac=fixed"},
		{"memif:/run/shrike.sock,id=4,role=client", INTERFACE_MEMIF, "/run/shrike.sock", "id=4,role=client"},
		{"net_null0,size=64", INTERFACE_VDEV, "net_null0", "size=64"},
		{"0000:17:00.0", INTERFACE_PCI, "0000:17:00.0", ""},
		{"17:00.1", INTERFACE_PCI, "0000:17:00.1", ""},
		{"0001:AF:1f.7,mprq_en=1", INTERFACE_PCI, "0001:af:1f.7", "mprq_en=1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT(parse(cases[i].text));
		EXPECT_EQ(in.kind, cases[i].kind);
		EXPECT_STR(in.name, cases[i].name);
		EXPECT_STR(in.more, cases[i].more);
	}
}

TEST(words_that_name_nothing_are_refused_with_the_word)
{
	static const char *const wrong[] = {"foo:eth0",	       "af_packet:",  ":eth0",
					    "localhost:57012", "af_xdp:,x=1", "a-name-longer-than-15",
					    "17:00.99",	       "tap:"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why[0] = '\0';
		EXPECT(!parse(wrong[i]));
		EXPECT(strstr(why, wrong[i]) != NULL);
	}
}

TEST(one_interface_cannot_be_named_twice)
{
	const char *items[] = {"eth0", "", "eth1", "af_packet:eth0"};
	struct conf_list list = {.item = items, .n = 4};
	struct interfaces all;

	EXPECT_EQ(interfaces_parse(&list, &conf, &all, why, sizeof(why)), -EINVAL);
	EXPECT(strstr(why, "af_packet:eth0") != NULL);
	list.n = 3;
	EXPECT_EQ(interfaces_parse(&list, &conf, &all, why, sizeof(why)), 0);
	EXPECT_EQ(all.n, 2);
	EXPECT_STR(all.item[1].name, "eth1");
}

TEST(frames_of_a_packet_ring_divide_its_blocks)
{
	static const uint32_t snaps[] = {64, 1500, 4000, 9000, 16384, 65535};

	for (size_t i = 0; i < sizeof(snaps) / sizeof(snaps[0]); i++)
		for (unsigned workers = 1; workers <= 16; workers *= 4) {
			struct port_conf c = conf;
			unsigned long frame, block, frames;

			c.snap_bytes = snaps[i];
			EXPECT(parse("eth0"));
			interface_vdev(&in, &c, 3, workers, name, sizeof(name), arguments, sizeof(arguments));
			EXPECT_STR(name, "net_af_packet3");
			frame = value("framesz");
			block = value("blocksz");
			frames = value("framecnt");
			EXPECT_EQ(value("qpairs"), workers);
			REQUIRE(frame > 0 && block > 0);
			EXPECT_EQ(block % frame, 0);
			EXPECT_EQ(block % 4096, 0);
			EXPECT_EQ(frames % (block / frame), 0);
			EXPECT(block <= c.block_bytes);
			EXPECT(frame >= snaps[i] + 66 || frame == 61440);
			/* Within a block of what was asked, both halves of all queues. */
			EXPECT(2 * workers * (frames * frame - block) <= c.buffer_bytes ||
			       frames * frame <= 64 * frame + block);
		}
}

TEST(what_the_user_gives_a_driver_wins)
{
	make_vdev("eth0,qpairs=3", 2);
	EXPECT_EQ(value("qpairs"), 3);
	EXPECT(strstr(arguments, "qpairs=2") == NULL);
	EXPECT(value("framesz") > 0);
	make_vdev("eth0,framesz=4096", 2);
	EXPECT_STR(arguments, "iface=eth0,qpairs=2,framesz=4096");
	make_vdev("memif:/run/a.sock", 1);
	EXPECT_STR(arguments, "socket=/run/a.sock,role=server,socket-abstract=no");
	make_vdev("memif:/run/a.sock,role=client", 1);
	EXPECT_STR(arguments, "socket=/run/a.sock,socket-abstract=no,role=client");
	make_vdev("net_null7,size=300", 2);
	EXPECT_STR(name, "net_null7");
	EXPECT_STR(arguments, "size=300");
	make_vdev("tap:span0", 2);
	EXPECT_STR(arguments, "iface=span0");
}

TEST(af_xdp_takes_all_queues_of_a_device)
{
	make_vdev("af_xdp:lo", 4);
	EXPECT_STR(arguments, "iface=lo,queue_count=1");
}

TEST(a_plain_name_is_read_as_pcapreadmethod_says)
{
	struct port_conf c = conf;

	c.method = 4;
	EXPECT_EQ(interface_parse("eth0", &c, &in, why, sizeof(why)), 0);
	EXPECT_EQ(in.kind, INTERFACE_AF_XDP);
}

TEST(what_this_machine_lacks_is_said_with_what_to_do)
{
	EXPECT(parse("no-such-dev"));
	EXPECT_EQ(interface_check(&in, why, sizeof(why)), -ENODEV);
	EXPECT(strstr(why, "no-such-dev") != NULL && strstr(why, "lo") != NULL);
	EXPECT(parse("ffff:ff:1f.7"));
	EXPECT_EQ(interface_check(&in, why, sizeof(why)), -ENODEV);
	EXPECT(strstr(why, "scripts/bind") != NULL);
	EXPECT(interface_driver_installed("net_null"));
	EXPECT(!interface_driver_installed("net_nosuchdriver"));
	EXPECT(interface_pci_usable("vfio-pci"));
	EXPECT(interface_pci_usable("mlx5_core"));
	EXPECT(!interface_pci_usable("ixgbe"));
	EXPECT(!interface_pci_usable(""));
}

TEST(an_interface_becomes_a_port_with_what_it_needs)
{
	struct port_needs needs;
	uint16_t id;

	test_eal();
	EXPECT(parse("net_null_interface,size=100"));
	REQUIRE(interface_attach(&in, &conf, 0, 1, why, sizeof(why)) == 0);
	REQUIRE(rte_eth_dev_get_port_by_name("net_null_interface", &id) == 0);
	EXPECT_EQ(port_needs(id, 4, 2048, &needs), 0);
	EXPECT_EQ(needs.data_room_bytes, RTE_MBUF_DEFAULT_BUF_SIZE);
	EXPECT_EQ(needs.descriptors, 2048);
	EXPECT_EQ(needs.n_queues, 4);
	rte_eal_hotplug_remove("vdev", "net_null_interface");
	EXPECT(port_needs(99, 4, 2048, &needs) < 0);
	EXPECT(parse("net_nosuchdriver0"));
	EXPECT(interface_attach(&in, &conf, 0, 1, why, sizeof(why)) < 0);
	EXPECT(strstr(why, "net_nosuchdriver0") != NULL);
}
