/* What lies around the innermost packet, and tags beside the first. */
#include "harness.h"

#include <string.h>

enum { ETHERNET = 14, TAG = 4, IPV4 = 20, UDP = 8, VXLAN = 8, INNER = ETHERNET + IPV4 + UDP + 8 };

/* A datagram of 10.0.0.1 in a VXLAN tunnel of 172.16.0.'end', its frame with two tags more. 'from' as in the rig. */
struct tunnelled {
	unsigned from, end, vni;
	uint16_t tag[2];
	uint8_t mac;
};

static uint8_t *
put(uint8_t *p, unsigned value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
	return p + bytes;
}

static uint8_t *
put_ethernet(uint8_t *p, unsigned from, uint8_t mac, const uint16_t tag[2])
{
	memset(p, 0, 12);
	p[0] = p[6] = 2;
	p[5 + 6 * from] = mac;
	p[11 - 6 * from] = (uint8_t)(mac + 1);
	p += 12;
	for (unsigned i = 0; i < 2; i++)
		if (tag[i] != 0)
			p = put(put(p, i == 0 ? 0x88a8 : 0x8100, 2), tag[i], 2);
	return put(p, 0x0800, 2);
}

static uint8_t *
put_udp(uint8_t *p, uint32_t source, uint32_t destination, unsigned source_port, unsigned port, unsigned bytes)
{
	p = put(put(p, 0x4500, 2), IPV4 + UDP + bytes, 2);
	p = put(put(put(p, 0, 4), 0x4011, 2), 0, 2);
	p = put(put(p, source, 4), destination, 4);
	return put(put(put(put(p, source_port, 2), port, 2), UDP + bytes, 2), 0, 2);
}

static void
tunnelled(struct rig *r, int64_t ms, const struct tunnelled *t)
{
	static const uint16_t no_tag[2];
	uint32_t ends[2] = {0xac100000 + t->end, 0xac1000ff}, hosts[2] = {0x0a000001, 0x0a000002};
	unsigned ports[2] = {1000, 2000};
	uint8_t frame[256], *p = put_ethernet(frame, t->from, t->mac, t->tag);

	p = put_udp(p, ends[t->from], ends[!t->from], 5555, 4789, VXLAN + INNER);
	p = put(put(p, 0x08000000, 4), t->vni << 8, 4);
	p = put_ethernet(p, t->from, 50, no_tag);
	p = put_udp(p, hosts[t->from], hosts[!t->from], ports[t->from], ports[!t->from], 8);
	p = put(put(p, 0, 4), 0, 4);
	rig_frame(r, ms, frame, (size_t)(p - frame));
}
#define TUNNELLED(rig, ms, ...) tunnelled(rig, ms, &(struct tunnelled){__VA_ARGS__})

static struct record *
only_record(struct rig *r)
{
	struct record *rec;

	rig_flush(r);
	rec = rig_record(r);
	return rec;
}

TEST(a_session_in_a_tunnel_holds_no_record_until_it_ends)
{
	struct rig r;
	struct session_stats stats;
	uint64_t bytes;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	rig_udp(&r, 0, 1, 0, 8);
	session_stats(r.table, &stats);
	bytes = stats.bytes_in_use;
	for (unsigned i = 0; i < 6; i++)
		TUNNELLED(&r, i, .from = i & 1, .end = 1, .vni = 77, .mac = 3, .tag = {100, 200});
	session_stats(r.table, &stats);
	EXPECT_EQ(stats.held_chunks, 0);
	EXPECT(stats.bytes_in_use >= bytes + 2 * sizeof(struct session_outer));
	rig_flush(&r);
	rec = rig_record(&r);
	REQUIRE(rec != NULL);
	if (*rig_values(rec, "vni") == '\0')
		rec = rig_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "vni"), "77");
	EXPECT_STR(rig_values(rec, "protocol"), "udp,vxlan");
	EXPECT_STR(rig_values(rec, "network.vlan.id"), "100,200");
	EXPECT_STR(rig_values(rec, "dot1q.id"), "200");
	EXPECT_STR(rig_values(rec, "dot1ad.id"), "100");
	EXPECT_STR(rig_values(rec, "srcOuterIp"), "172.16.0.1,172.16.0.255");
	EXPECT_STR(rig_values(rec, "dstOuterIp"), "172.16.0.255,172.16.0.1");
	/* The first MAC of the frame is the destination's, and called the source's, as in the reference. */
	EXPECT_STR(rig_values(rec, "srcOuterMac"), "02:00:00:00:00:03,02:00:00:00:00:04");
	session_stats(r.table, &stats);
	EXPECT_EQ(r.table->n_outer, 0);
	rig_stop(&r);
}

TEST(a_tunnel_that_changes_is_in_the_record_with_all_its_values)
{
	struct rig r;
	struct session_stats stats;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	TUNNELLED(&r, 0, .end = 1, .vni = 77, .mac = 3);
	TUNNELLED(&r, 1, .end = 2, .vni = 77, .mac = 3);
	TUNNELLED(&r, 2, .end = 2, .vni = 78, .mac = 3);
	TUNNELLED(&r, 3, .end = 1, .vni = 77, .mac = 3, .tag = {0, 5});
	TUNNELLED(&r, 4, .end = 1, .vni = 77, .mac = 6, .tag = {5, 0});
	session_stats(r.table, &stats);
	EXPECT_EQ(stats.held_chunks, 1);
	rec = only_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "vni"), "77,78");
	EXPECT_STR(rig_values(rec, "srcOuterIp"), "172.16.0.1,172.16.0.2");
	EXPECT_STR(rig_values(rec, "dstOuterIp"), "172.16.0.255");
	EXPECT_STR(rig_values(rec, "srcOuterMac"), "02:00:00:00:00:03,02:00:00:00:00:06");
	EXPECT_STR(rig_values(rec, "network.vlan.id"), "5");
	EXPECT_STR(rig_values(rec, "dot1q.id"), "5");
	EXPECT_STR(rig_values(rec, "dot1ad.id"), "5");
	rig_stop(&r);
}

/* 'direction 0' writes first when the record is made, but tags are a list. */
TEST(tags_are_in_the_order_in_which_they_came)
{
	struct rig r;
	struct record *rec;

	rig_init(&r);
	rig_start(&r);
	TUNNELLED(&r, 0, .from = 0, .end = 1, .mac = 3);
	TUNNELLED(&r, 1, .from = 1, .end = 1, .mac = 3, .tag = {7, 6});
	TUNNELLED(&r, 2, .from = 0, .end = 1, .mac = 3, .tag = {7, 9});
	TUNNELLED(&r, 3, .from = 1, .end = 1, .mac = 3, .tag = {7, 8});
	rec = only_record(&r);
	REQUIRE(rec != NULL);
	EXPECT_STR(rig_values(rec, "network.vlan.id"), "7,6,9,8");
	rig_stop(&r);
}

TEST(a_tunnels_values_stay_over_a_mid_save)
{
	struct rig r;

	for (unsigned changes = 0; changes < 2; changes++) {
		struct record *rec;

		rig_init(&r);
		r.conf.max_packets = 3;
		rig_start(&r);
		for (unsigned i = 0; i < 7; i++)
			TUNNELLED(&r, i, .end = 1, .vni = 77, .mac = 3, .tag = {100, changes && i == 1 ? 201 : 200});
		rig_flush(&r);
		for (unsigned i = 0; i < 3; i++) {
			rec = rig_record(&r);
			REQUIRE(rec != NULL);
			EXPECT_STR(rig_values(rec, "vni"), "77");
			EXPECT_STR(rig_values(rec, "protocol"), "udp,vxlan");
			EXPECT_STR(rig_values(rec, "srcOuterIp"), "172.16.0.1");
			EXPECT_STR(rig_values(rec, "network.vlan.id"), changes ? "100,200,201" : "100,200");
		}
		rig_stop(&r);
	}
}
