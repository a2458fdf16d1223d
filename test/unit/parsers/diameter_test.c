/* Diameter. */
#include "harness.h"

static uint8_t message[9000];
static size_t size;

static void
be32(size_t place, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		message[place + i] = (uint8_t)(value >> (24 - 8 * i));
}

static void
begin(uint8_t flags, uint32_t command, uint32_t application)
{
	memset(message, 0, sizeof(message));
	be32(4, (uint32_t)flags << 24 | command);
	be32(8, application);
	size = 20;
}

static void
attribute(uint32_t code, const char *data, size_t n)
{
	be32(size, code);
	be32(size + 4, 0x40000000 | (uint32_t)(8 + n));
	memcpy(message + size + 8, data, n);
	size += 8 + ((n + 3) & ~(size_t)3);
}

#define ATTRIBUTE(code, literal) attribute((code), (literal), sizeof(literal) - 1)

static void
end_message(void)
{
	be32(0, 0x01000000 | (uint32_t)size);
}

static bool
send_message(struct harness *h, unsigned direction)
{
	end_message();
	return harness_tcp(h, direction, message, size);
}

static struct harness *
peer(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, 3868);
	return h;
}

TEST(requests_and_answers_are_recorded)
{
	struct harness *h = peer();

	begin(0xc0, 272, 16777238);
	ATTRIBUTE(263, "gx;1");
	ATTRIBUTE(264, "pcrf.example");
	ATTRIBUTE(296, "example");
	ATTRIBUTE(293, "pgw.example");
	ATTRIBUTE(283, "epc.example");
	ATTRIBUTE(1, "User@Example");
	EXPECT(send_message(h, 0));
	begin(0x40, 272, 16777238);
	ATTRIBUTE(268, "\xff\0\x07\xd1");
	EXPECT(send_message(h, 1));
	EXPECT_FIELD(h, "protocol", "diameter");
	EXPECT_FIELD(h, "diameter.cmd", "Credit-Control-Request (272),Credit-Control-Answer (272)");
	EXPECT_FIELD(h, "diameter.app", "3GPP-Gx (16777238)");
	EXPECT_FIELD(h, "diameter.sessionId", "gx;1");
	EXPECT_FIELD(h, "diameter.originHost", "pcrf.example");
	EXPECT_FIELD(h, "diameter.originRealm", "example");
	EXPECT_FIELD(h, "diameter.destHost", "pgw.example");
	EXPECT_FIELD(h, "diameter.destRealm", "epc.example");
	EXPECT_FIELD(h, "diameter.user", "User@Example");
	EXPECT_FIELD(h, "diameter.resultCode", "4278192081");
	harness_every_truncation(h);
	harness_every_split(h, 20, NULL);
	harness_destroy(h);
}

TEST(codes_without_names_stay_numbers)
{
	struct harness *h = peer();

	begin(0x80, 0xffffff, 10);
	send_message(h, 0);
	begin(0, 259, 4294967295);
	send_message(h, 0);
	EXPECT_FIELD(h, "diameter.cmd", "Request (16777215),Answer (259)");
	EXPECT_FIELD(h, "diameter.app", "10,Relay (4294967295)");
	harness_destroy(h);
}

TEST(vendors_are_not_looked_at_and_empty_texts_are_kept)
{
	struct harness *h = peer();

	begin(0x80, 257, 0);
	ATTRIBUTE(264, "\0\0\x28\xaf"
		       "a");
	message[24] |= 0x80;
	ATTRIBUTE(296, "");
	ATTRIBUTE(268, "\0\0\7");
	ATTRIBUTE(1, "u");
	send_message(h, 0);
	EXPECT_FIELD(h, "diameter.originHost", "a");
	EXPECT_EQ(harness_count(h, "diameter.originRealm"), 1);
	EXPECT_NO_FIELD(h, "diameter.resultCode");
	EXPECT_FIELD(h, "diameter.user", "u");
	harness_destroy(h);
}

TEST(an_attribute_of_a_wrong_size_ends_the_message)
{
	static const struct {
		uint8_t flags, length, last;
	} wrong[] = {{0x40, 7, 32}, {0xc0, 11, 32}, {0x40, 13, 32}, {0x40, 9, 31}, {0xc0, 17, 36}};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct harness *h = peer();

		begin(0x80, 257, 0);
		ATTRIBUTE(1, "abcd");
		message[24] = wrong[i].flags;
		message[27] = wrong[i].length;
		size = wrong[i].last;
		EXPECT(send_message(h, 0)); /* the next one is read again */
		begin(0x80, 257, 0);
		ATTRIBUTE(264, "next");
		send_message(h, 0);
		EXPECT_NO_FIELD(h, "diameter.user");
		EXPECT_FIELD(h, "diameter.originHost", "next");
		harness_destroy(h);
	}
}

TEST(a_stream_that_is_none_any_more_ends_it)
{
	static const uint32_t wrong[] = {0x02000014, 0x01000013, 0x01002001};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct harness *h = peer();

		begin(0x80, 257, 0);
		send_message(h, 0);
		be32(0, wrong[i]);
		harness_tcp(h, 0, message, size);
		begin(0x80, 258, 0);
		send_message(h, 0);
		EXPECT_FIELD(h, "diameter.cmd", "Capabilities-Exchange-Request (257)");
		harness_destroy(h);
	}
}

TEST(the_largest_message_is_read_and_what_follows_in_its_segment)
{
	static uint8_t chunk[4192 + 8192];
	struct harness *h = peer();

	begin(0x80, 257, 0);
	size = 8192;
	end_message();
	EXPECT(harness_tcp(h, 0, message, 4000));
	EXPECT(harness_tcp(h, 0, message + 4000, 4192));
	EXPECT_FIELD(h, "diameter.cmd", "Capabilities-Exchange-Request (257)");
	harness_reset(h);
	EXPECT(harness_tcp(h, 0, message, 4000));
	memcpy(chunk, message + 4000, 4192);
	memcpy(chunk + 4192, message, 8192);
	chunk[4192 + 7] = 272 & 0xff;
	EXPECT(harness_tcp(h, 0, chunk, sizeof(chunk)));
	EXPECT_FIELD(h, "diameter.cmd", "Capabilities-Exchange-Request (257),Credit-Control-Request (272)");
	harness_destroy(h);
}

TEST(a_chunk_of_sctp_is_one_message)
{
	struct harness *h = harness_create();

	harness_ports(h, 5658, 40000);
	begin(0xc0, 316, 16777251);
	ATTRIBUTE(264, "mme");
	end_message();
	memcpy(message + size, message, size);
	message[size + 7] = 0x3d; /* 317 */
	EXPECT(harness_sctp(h, 0, message, 2 * size));
	EXPECT(harness_sctp(h, 0, message, 19));
	EXPECT_FIELD(h, "diameter.cmd", "Update-Location-Request (316)");
	EXPECT_FIELD(h, "diameter.originHost", "mme");
	harness_every_truncation(h);
	harness_sctp(h, 0, message, size - 1);
	harness_sctp(h, 0, message + size, size);
	EXPECT_FIELD(h, "diameter.cmd", "Update-Location-Request (316)");
	harness_destroy(h);
}

static void
refused(uint16_t port, uint8_t version, size_t length, uint8_t flags, uint32_t command)
{
	struct harness *h = harness_create();

	harness_ports(h, 40000, port);
	begin(flags, command, 0);
	be32(0, (uint32_t)version << 24 | (uint32_t)length);
	harness_tcp(h, 0, message, size);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(what_is_no_diameter_emits_nothing)
{
	struct harness *h = peer();

	refused(3869, 1, 20, 0x80, 257);
	refused(3868, 2, 20, 0x80, 257);
	refused(3868, 1, 19, 0x80, 257);
	refused(3868, 1, 8193, 0x80, 257);
	refused(3868, 1, 20, 0x81, 257);
	refused(3868, 1, 20, 0x80, 0);
	begin(0x80, 257, 0);
	end_message();
	harness_tcp(h, 0, message, 19);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
