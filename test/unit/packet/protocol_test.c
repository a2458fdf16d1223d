#include "packet/frames.h"

TEST(protocol_ids_count_up_in_name_order)
{
	unsigned n = packet_protocol_count();

	EXPECT(n >= 16 && n < PACKET_PROTOCOLS_MAX);
	EXPECT_EQ(n, REGISTRY_COUNT(packet_protocol));
	EXPECT(packet_protocols_valid());
	for (unsigned id = 1; id <= n; id++) {
		const struct packet_protocol *protocol = packet_protocol((uint8_t)id);

		REQUIRE(protocol != NULL && protocol->name != NULL && protocol->record_name != NULL);
		EXPECT_EQ(packet_protocol_find(protocol->name), id);
		EXPECT(protocol->timeout_s > 0 && protocol->type < SESSION_TYPES);
		if (id > 1)
			EXPECT(strcmp(packet_protocol((uint8_t)(id - 1))->name, protocol->name) < 0);
	}
}

TEST(no_protocol_has_id_zero)
{
	EXPECT(packet_protocol(0) == NULL);
	EXPECT(packet_protocol((uint8_t)(packet_protocol_count() + 1)) == NULL);
	EXPECT(packet_protocol(255) == NULL);
	EXPECT_EQ(packet_protocol_find("no-such-protocol"), 0);
	EXPECT_EQ(packet_protocol_find(""), 0);
}

TEST(icmpv6_sessions_are_recorded_as_icmp)
{
	const struct packet_protocol *protocol = packet_protocol(packet_protocol_find("icmpv6"));

	REQUIRE(protocol != NULL);
	EXPECT_STR(protocol->record_name, "icmp");
	EXPECT_STR(protocol->timeout_setting, "icmpTimeout");
	EXPECT_EQ(protocol->type, SESSION_ICMP);
}
