/* OSPF, IS-IS, ES-IS and ARP: one value each of what the packets say. */
#include "harness.h"

#define OSPF_HELLO "\x02\x01\0\x2c\x0a\0\0\x01\0\0\0\x02\0\0\0\x01password"

TEST(ospf_gives_types_routers_areas_and_authentication)
{
	struct harness *h = harness_create();

	harness_session(h, "ospf", 0, HARNESS_TEXT(OSPF_HELLO));
	EXPECT_FIELD(h, "ospf.msgType", "Hello");
	EXPECT_FIELD(h, "ospf.routerId", "10.0.0.1");
	EXPECT_FIELD(h, "ospf.areaId", "0.0.0.2");
	EXPECT_FIELD(h, "tags", "ospf:auth-simple");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(only_the_first_packets_of_a_record_of_ospf_are_read)
{
	struct harness *h = harness_create();
	char hello[] = OSPF_HELLO;

	for (unsigned i = 0; i < 11; i++)
		harness_session(h, "ospf", 0, HARNESS_TEXT(hello));
	hello[1] = 9;
	harness_session(h, "ospf", 0, HARNESS_TEXT(hello));
	EXPECT_FIELD(h, "ospf.msgType", "Hello");
	harness_save(h, false);
	harness_session(h, "ospf", 0, HARNESS_TEXT(hello));
	EXPECT(harness_has(h, "ospf.msgType", "unk-9"));
	harness_destroy(h);
}

TEST(isis_and_esis_give_the_types_of_their_pdus)
{
	struct harness *h = harness_create();

	harness_session(h, "isis", 0, HARNESS_TEXT("\x1b\x01\0\x10\x01"));
	harness_session(h, "isis", 0, HARNESS_TEXT("\x1b\x01\0\x1f\x01"));
	harness_session(h, "isis", 0, HARNESS_TEXT("\x1b"));
	EXPECT_FIELD(h, "isis.msgType", "lan-l2-hello,unk-31,err-len-1");
	harness_every_truncation(h);
	harness_reset(h);
	harness_session(h, "esis", 0, HARNESS_TEXT("\x82\x10\x01\0\x02\0"));
	harness_session(h, "esis", 0, HARNESS_TEXT("\x82\x10\x01\0\x07\0"));
	EXPECT_FIELD(h, "esis.type", "esh,unknown-7");
	harness_every_truncation(h);
	harness_destroy(h);
}

#define ARP_ADDRESSES "\x02\0\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\x0a\0\0\x02"

TEST(arp_gives_the_answers_where_it_is_not_disabled)
{
	struct harness *h = harness_create("disableParsers=");

	harness_session(h, "arp", 0, HARNESS_TEXT("\0\x01\x08\0\x06\x04\0\x01" ARP_ADDRESSES));
	EXPECT_NO_FIELD(h, "arp.ip");
	harness_session(h, "arp", 0, HARNESS_TEXT("\0\x01\x08\0\x06\x04\0\x02" ARP_ADDRESSES));
	EXPECT_FIELD(h, "arp.opcode", "1,2");
	EXPECT_FIELD(h, "arp.ip", "10.0.0.1");
	EXPECT_FIELD(h, "arp.mac", "02:00:00:00:00:01");
	harness_every_truncation(h);
	harness_destroy(h);
}
