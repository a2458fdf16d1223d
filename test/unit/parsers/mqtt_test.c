/* MQTT. */
#include "harness.h"

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

/* flags, then keep-alive; what follows is the payload */
#define CONNECT_311(length, flags) "\x10" length "\0\4MQTT\4" flags "\0\x3c"
#define CONNECT_EMPTY		   CONNECT_311("\x0c", "\2") "\0\0"

TEST(connection_publication_and_subscription_are_recorded)
{
	struct harness *h = harness_create();

	client(h, CONNECT_311("\x28", "\xee") "\0\3dev\0\4will\0\4gone\0\5Alice\0\4pass");
	server(h, "\x20\2\0\5");
	client(h, "\x82\x0b\0\1\0\1#\0\0\2+x\1");
	client(h, "\xa2\x06\0\2\0\2up");
	client(h, "\x32\x0a\0\3a/b\0\7xyz");
	server(h, "\xd0\0\x40\2\0\7");
	EXPECT_FIELD(h, "protocol", "mqtt");
	EXPECT_FIELD(h, "mqtt.version", "3.1.1");
	EXPECT_FIELD(h, "mqtt.clientId", "dev");
	EXPECT_FIELD(h, "mqtt.willTopic", "will");
	EXPECT_FIELD(h, "user", "alice");
	EXPECT_FIELD(h, "mqtt.flags", "hasWill,willRetain,cleanSession,hasPassword");
	EXPECT_FIELD(h, "mqtt.connackCode", "5");
	EXPECT_FIELD(h, "mqtt.topic", "#,+x,up,a/b");
	EXPECT_FIELD(h, "mqtt.qos", "1");
	EXPECT_FIELD(h, "mqtt.type", "CONNECT,CONNACK,SUBSCRIBE,UNSUBSCRIBE,PUBLISH,PINGRESP,PUBACK");
	EXPECT(harness_memory_bytes(h) < 512);
	harness_every_truncation(h);
	harness_every_split(h, 12, NULL);
	harness_destroy(h);
}

TEST(the_old_protocol_has_another_name)
{
	struct harness *h = harness_create();

	client(h, "\x10\x0f\0\6MQIsdp\3\2\0\x3c\0\1c");
	EXPECT_FIELD(h, "mqtt.version", "3.1");
	EXPECT_FIELD(h, "mqtt.clientId", "c");
	harness_destroy(h);
}

TEST(properties_of_version_5_are_passed_over)
{
	struct harness *h = harness_create();

	client(h, "\x10\x19\0\4MQTT\5\6\0\x3c\3\x21\0\x14\0\1c\2\1\1\0\1w\0\0");
	client(h, "\x82\x09\0\1\2\x0b\1\0\1t\1");
	client(h, "\xa2\x06\0\2\0\0\1u");
	EXPECT_FIELD(h, "mqtt.version", "5.0");
	EXPECT_FIELD(h, "mqtt.clientId", "c");
	EXPECT_FIELD(h, "mqtt.willTopic", "w");
	EXPECT_FIELD(h, "mqtt.qos", "0");
	EXPECT_FIELD(h, "mqtt.topic", "t,u");
	/* Either side's last CONNECT says which version it is. */
	server(h, CONNECT_EMPTY);
	client(h, "\x82\x06\0\1\0\1v\1");
	EXPECT_FIELD(h, "mqtt.topic", "t,u,v");
	harness_destroy(h);
}

TEST(will_flags_without_a_will_and_empty_texts_say_nothing)
{
	struct harness *h = harness_create();

	client(h, "\x10\x0e\0\4MQTT\7\xa8\0\x3c\0\0\0\0");
	client(h, "\x30\3\0\0x\x36\6\0\1q\0\1x");
	EXPECT_FIELD(h, "mqtt.version", "unknown");
	EXPECT_NO_FIELD(h, "mqtt.flags");
	EXPECT_NO_FIELD(h, "mqtt.clientId");
	EXPECT_NO_FIELD(h, "user");
	EXPECT_FIELD(h, "mqtt.topic", "q");
	EXPECT_FIELD(h, "mqtt.qos", "0"); /* 3 there is none */
	harness_destroy(h);
}

TEST(what_is_published_is_passed_over_in_any_size)
{
	struct harness *h = harness_create();
	uint8_t bytes[1000];

	memset(bytes, 0xff, sizeof(bytes));
	client(h, CONNECT_EMPTY);
	client(h, "\x30\xc2\x8d\x06\0\1t"); /* 3 + 100000 + 31 bytes */
	for (unsigned i = 0; i < 100; i++) {
		EXPECT(harness_tcp(h, 0, bytes, sizeof(bytes)));
		EXPECT(harness_memory_bytes(h) < 512);
	}
	client(h, "0123456789012345678901234567890\x30\4\0\2uv");
	EXPECT_FIELD(h, "mqtt.topic", "t,uv");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

static void
refused(const char *bytes, size_t size, const char *tag)
{
	struct harness *h = harness_create();

	client(h, CONNECT_EMPTY);
	harness_tcp(h, 0, bytes, size);
	EXPECT_FIELD(h, "tags", tag);
	client(h, "\x30\3\0\1t");
	EXPECT_NO_FIELD(h, "mqtt.topic");
	harness_destroy(h);
}

#define REFUSED(bytes, tag) refused(HARNESS_TEXT(bytes), (tag))

TEST(contradictions_end_it_with_a_tag)
{
	REFUSED("\xc0\x80\x80\x80\x80", "mqtt:bad-varint");
	REFUSED("\x30\1\0\1", "mqtt:bad-publish");
	REFUSED("\x30\3\0\2tt", "mqtt:bad-publish");
	REFUSED("\x32\4\0\1tt", "mqtt:bad-publish");
	REFUSED("\x30\xff\x7f\x1f\xfcttt", "mqtt:message-too-long"); /* 3 + 2 + 8188 */
	REFUSED("\x82\x81\x40\0\1", "mqtt:message-too-long");	     /* 8193 */
}

TEST(the_largest_packets_are_read)
{
	static uint8_t bytes[8192];
	struct harness *h = harness_create();

	memset(bytes, 't', sizeof(bytes));
	client(h, CONNECT_EMPTY);
	client(h, "\x30\xff\x7f\x1f\xfb"); /* 3 + 2 + 8187 */
	EXPECT(harness_tcp(h, 0, bytes, 8187));
	EXPECT_EQ(harness_count(h, "mqtt.topic"), 1);
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(any_number_of_packets_in_a_segment_is_read)
{
	static uint8_t bytes[14 + 5 * 4000];
	struct harness *h = harness_create();

	memcpy(bytes, CONNECT_EMPTY, 14);
	for (size_t at = 14; at < sizeof(bytes); at += 5)
		memcpy(&bytes[at], at < 10000 ? "\x30\3\0\1t" : "\x30\3\0\1u", 5);
	EXPECT(harness_tcp(h, 0, bytes, sizeof(bytes)));
	EXPECT(client(h, "\x30\3\0\1v"));
	EXPECT_FIELD(h, "mqtt.topic", "t,u,v");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(what_is_no_mqtt_emits_nothing)
{
	static const char *const cases[] = {
		"\x11\x0c\0\4MQTT\4\2\0",      "\x10\x0c\0\4MQTX\4\2\0", "\x10\x0c\0\6MQTT\4\2\0",
		"\x10\x80\x80\x80\x80\0\4MQT", "\x10\x0c\0\5MQTT\4\2\0",
	};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		harness_reset(h);
		harness_tcp(h, 0, cases[i], 11);
		EXPECT_NO_FIELD(h, "protocol");
	}
	harness_reset(h);
	harness_tcp(h, 0, CONNECT_EMPTY, 9);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
