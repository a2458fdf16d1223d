/* BACnet/IP. */
#include "harness.h"

static struct harness *
device(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 47808, 47808);
	return h;
}

#define datagram(h, direction, bytes) harness_udp(h, direction, HARNESS_TEXT(bytes))

TEST(requests_and_answers_of_a_device_are_recorded)
{
	struct harness *h = device();

	/* read-property of device 1: object-name */
	datagram(h, 0, "\x81\x0a\0\x11\1\4\0\5\7\x0c\x0c\2\0\0\1\x19\x4d");
	EXPECT_FIELD(h, "bacnet.service", "read-property");
	EXPECT_NO_FIELD(h, "bacnet.objectName");
	datagram(h, 1,
		 "\x81\x0a\0\x1a\1\0\x30\7\x0c\x0c\2\0\0\1\x19\x4d\x3e"
		 "\x75\6\0AHU-1\x3f");
	EXPECT_FIELD(h, "protocol", "bacnet");
	EXPECT_FIELD(h, "bacnet.function", "original-unicast");
	EXPECT_FIELD(h, "bacnet.apduType", "confirmed-request,complex-ack");
	EXPECT_FIELD(h, "bacnet.service", "read-property");
	EXPECT_FIELD(h, "bacnet.objectName", "AHU-1");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(segments_move_the_service)
{
	struct harness *h = device();

	datagram(h, 0, "\x81\x0a\0\x0c\1\4\x08\5\7\0\1\x0f");
	datagram(h, 1, "\x81\x0a\0\x12\1\0\x38\7\0\1\x0e\x75\4\0abc");
	EXPECT_FIELD(h, "bacnet.service", "write-property");
	EXPECT_FIELD(h, "bacnet.objectName", "abc");
	harness_destroy(h);
}

TEST(addresses_of_networks_and_of_forwarders_are_passed_over)
{
	struct harness *h = device();

	/* by DNET ffff and SNET 5 with a MAC of one byte: who-is */
	datagram(h, 0, "\x81\x04\0\x16\x0a\0\0\1\xba\xc0\1\x28\xff\xff\0\0\5\1\x63\xff\x10\x08");
	EXPECT_FIELD(h, "bacnet.function", "forwarded-npdu");
	EXPECT_FIELD(h, "bacnet.service", "who-is");
	datagram(h, 0, "\x82\x04\0\x1a\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\1\0\x10\x06");
	EXPECT_FIELD(h, "bacnet.service", "who-is,time-synchronization");
	harness_destroy(h);
}

TEST(messages_of_the_network_layer_have_no_application_message)
{
	struct harness *h = device();

	datagram(h, 0, "\x81\x0b\0\x08\1\x80\x10\x08");
	datagram(h, 0, "\x81\x0b\0\x08\2\0\x10\x08");
	datagram(h, 0, "\x81\x05\0\x08\1\0\x10\x08");
	EXPECT_FIELD(h, "bacnet.function", "original-broadcast,register-foreign-device");
	EXPECT_NO_FIELD(h, "bacnet.apduType");
	harness_destroy(h);
}

TEST(unknown_codes_have_no_names)
{
	struct harness *h = device();

	datagram(h, 0, "\x81\x0a\0\x08\1\0\x80\0");
	datagram(h, 0, "\x81\x0a\0\x0a\1\0\0\5\1\x1e");
	datagram(h, 0, "\x81\x0a\0\x08\1\0\x10\x0a");
	datagram(h, 0, "\x81\x0d\0\x08\1\0\x20\x0a");
	datagram(h, 0, "\x81");
	EXPECT_FIELD(h, "bacnet.function", "original-unicast");
	EXPECT_FIELD(h, "bacnet.apduType", "confirmed-request,unconfirmed-request");
	EXPECT_NO_FIELD(h, "bacnet.service");
	harness_destroy(h);
}

static const char *
name_in(struct harness *h, const char *bytes, size_t size)
{
	uint8_t message[64] = "\x81\x0b\0\x08\1\0\x10\x01";

	memcpy(message + 8, bytes, size);
	harness_reset(h);
	harness_udp(h, 0, message, 8 + size);
	return harness_values(h, "bacnet.objectName");
}

#define NAME_IN(h, bytes) name_in((h), HARNESS_TEXT(bytes))

TEST(the_first_name_is_found_by_its_tag)
{
	struct harness *h = device();

	EXPECT_STR(NAME_IN(h, "\xc4\2\0\0\1\x74\0abc\x72\0x"), "abc");
	EXPECT_STR(NAME_IN(h, "\x3c\0abc"), "abc");
	EXPECT_STR(NAME_IN(h, "\x3e\x77\x75\xfe\0\3\0ab"), "ab");
	EXPECT_STR(NAME_IN(h, "\x75\xff\0\0\0\3\0ab"), "ab");
	EXPECT_STR(NAME_IN(h, "\x71\0\0"), "");
	EXPECT_EQ(harness_count(h, "bacnet.objectName"), 1);
	harness_destroy(h);
}

TEST(a_name_of_no_size_or_one_that_is_cut_off_ends_the_search)
{
	struct harness *h = device();

	EXPECT(NAME_IN(h, "\x70\x74\0abc") == NULL);
	EXPECT(NAME_IN(h, "\x75\xff\xff\xff\xff\xff\x74\0abc") == NULL);
	EXPECT(NAME_IN(h, "\x75\x20\0abc\x74\0abc") == NULL);
	EXPECT(NAME_IN(h, "\1\x71\0") == NULL);
	EXPECT(NAME_IN(h, "\x60\x61\x79\x7c\0abc") == NULL);
	harness_destroy(h);
}

TEST(what_is_no_bacnet_emits_nothing)
{
	static const char *const cases[] = {"\x80\x0a\0\x04", "\x81\x0d\0\x04", "\x81\x0a\0\x03", "\x81\x0a\0\x05"};
	struct harness *h = device();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		harness_reset(h);
		harness_udp(h, 0, cases[i], 4);
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "bacnet.function");
	}
	harness_destroy(h);
}
