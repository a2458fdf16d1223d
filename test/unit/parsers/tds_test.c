/* TDS: logins of both generations, NTLM of both sides, lengths that are none. */
#include "harness.h"

enum { HEADER = 8, LOGIN7 = 94, PACKET_MAX = 8192, LOGIN = 599 };

#define NTLM_NEGOTIATE "NTLMSSP\0\1\0\0\0\0\0\0\0"

static uint8_t packet[PACKET_MAX + 64];
static size_t size;

static void
begin(uint8_t type, size_t payload)
{
	memset(packet, 0, sizeof(packet));
	packet[0] = type;
	packet[1] = 1;
	size = HEADER + payload;
}

static void
put16(size_t payload_offset, size_t value)
{
	packet[HEADER + payload_offset] = (uint8_t)value;
	packet[HEADER + payload_offset + 1] = (uint8_t)(value >> 8);
}

static void
add(const char *bytes, size_t n)
{
	memcpy(packet + size, bytes, n);
	size += n;
}

/* A part of LOGIN7: its place, and how long it says it is. */
static void
add_part(size_t at, const char *bytes, size_t n, size_t length)
{
	put16(at, size - HEADER);
	put16(at + 2, length);
	add(bytes, n);
}
#define ADD_USER(text) add_part(40, (text), sizeof(text) - 1, (sizeof(text) - 1) / 2)

static bool
send_packet(struct harness *h, unsigned direction)
{
	packet[2] = (uint8_t)(size >> 8);
	packet[3] = (uint8_t)size;
	return harness_tcp(h, direction, packet, size);
}

static void
send_prelogin(struct harness *h)
{
	begin(0x12, 42);
	send_packet(h, 0);
}

static void
begin_login(size_t n)
{
	memset(packet, 0, sizeof(packet));
	memcpy(packet, "\2\0\2\0\0\0\1", 7);
	memcpy(packet + 39, "Ada_Lovelace", 12);
	packet[69] = 12;
	size = n;
}

TEST(the_user_of_a_login_of_version_7_is_lower_case)
{
	struct harness *h = harness_create();

	send_prelogin(h);
	EXPECT_FIELD(h, "protocol", "tds");
	begin(0x10, LOGIN7);
	ADD_USER("T\0e\0s\0t\0");
	EXPECT(send_packet(h, 0));
	EXPECT_FIELD(h, "user", "test");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(a_user_who_is_none_is_not_recorded)
{
	struct harness *h = harness_create();

	begin(0x10, LOGIN7);
	add_part(40, "A\0", 2, 2); /* one character beyond the end */
	send_packet(h, 0);
	begin(0x10, LOGIN7);
	ADD_USER("");
	send_packet(h, 0);
	begin(0x10, LOGIN7);
	ADD_USER("A\0\x3d\xd8\0\xde");
	send_packet(h, 0);
	begin(0x10, 60);
	ADD_USER("A\0");
	send_packet(h, 0);
	begin(0x10, LOGIN7);
	ADD_USER("A\0");
	EXPECT(send_packet(h, 1));
	EXPECT_FIELD(h, "protocol", "tds");
	EXPECT_NO_FIELD(h, "user");
	harness_destroy(h);
}

TEST(characters_beyond_ascii_are_encoded_twice_as_the_reference_has_them)
{
	struct harness *h = harness_create();

	begin(0x10, LOGIN7);
	ADD_USER("\xe9\0");
	send_packet(h, 0);
	EXPECT(strstr(harness_json(h), "\"\xc3\x83\xc2\xa9\"") != NULL);
	harness_destroy(h);
}

TEST(ntlm_in_logins_and_of_both_sides_is_read)
{
	struct harness *h = harness_create();

	begin(0x10, LOGIN7);
	add_part(78, HARNESS_TEXT(NTLM_NEGOTIATE), 16);
	send_packet(h, 0);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_reset(h);
	begin(0x10, LOGIN7);
	add_part(78, HARNESS_TEXT(NTLM_NEGOTIATE), 0xffff);
	put16(90, 16);
	send_packet(h, 0);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_every_truncation(h);
	for (unsigned direction = 0; direction < 2; direction++) {
		harness_reset(h);
		send_prelogin(h);
		begin(0x11, 0);
		add(HARNESS_TEXT(NTLM_NEGOTIATE));
		send_packet(h, direction);
		EXPECT_FIELD(h, "ntlm.type", "1");
	}
	harness_destroy(h);
}

TEST(ntlm_out_of_bounds_and_in_other_packets_is_not_read)
{
	struct harness *h = harness_create();

	begin(0x10, LOGIN7);
	add_part(78, HARNESS_TEXT(NTLM_NEGOTIATE), 17);
	send_packet(h, 0);
	begin(0x10, LOGIN7);
	add_part(78, HARNESS_TEXT(NTLM_NEGOTIATE), 11);
	send_packet(h, 0);
	begin(0x10, LOGIN7);
	add_part(78, HARNESS_TEXT(NTLM_NEGOTIATE), 0xffff);
	put16(92, 1);
	send_packet(h, 0);
	begin(0x04, 0);
	add(HARNESS_TEXT(NTLM_NEGOTIATE));
	EXPECT(send_packet(h, 1));
	EXPECT_FIELD(h, "protocol", "tds");
	EXPECT_NO_FIELD(h, "ntlm.type");
	harness_destroy(h);
}

TEST(lengths_that_are_none_are_tagged_and_end_it)
{
	static const char *const headers[] = {"\x10\1\0\7....", "\x17\3\x20\1...."};

	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct harness *h = harness_create();

		send_prelogin(h);
		harness_tcp(h, 1, headers[i], 8);
		EXPECT_FIELD(h, "tags", "tds:packet-too-long");
		begin(0x10, LOGIN7);
		ADD_USER("A\0");
		send_packet(h, 0);
		EXPECT_NO_FIELD(h, "user");
		harness_destroy(h);
	}
}

TEST(a_packet_of_the_largest_size_is_read_and_what_follows_in_its_segment)
{
	static uint8_t chunk[2 * PACKET_MAX];
	struct harness *h = harness_create();

	begin(0x10, LOGIN7);
	ADD_USER("A\0");
	size = PACKET_MAX;
	EXPECT(send_packet(h, 0));
	EXPECT_FIELD(h, "user", "a");
	memset(chunk, 0, PACKET_MAX);
	chunk[0] = 0x11;
	chunk[2] = PACKET_MAX >> 8;
	begin(0x10, LOGIN7);
	ADD_USER("B\0");
	packet[3] = (uint8_t)size;
	memcpy(&chunk[PACKET_MAX], packet, size);
	EXPECT(harness_tcp(h, 0, chunk, PACKET_MAX + size));
	EXPECT_FIELD(h, "user", "a,b");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(the_login_record_of_versions_4_and_5_names_the_user)
{
	struct harness *h = harness_create();

	begin_login(LOGIN);
	harness_tcp(h, 0, packet, 512);
	EXPECT_FIELD(h, "protocol", "tds");
	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("\4\1\0\x10\0\0\0\0")));
	harness_tcp(h, 0, packet + 512, LOGIN - 512 - 1);
	EXPECT_NO_FIELD(h, "user");
	harness_tcp(h, 0, packet + LOGIN - 1, 1);
	EXPECT_FIELD(h, "user", "ada_lovelace");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(the_length_of_that_user_is_believed)
{
	struct harness *h = harness_create();

	begin_login(LOGIN);
	memset(packet + 39, 'X', 255);
	packet[69] = 255;
	harness_tcp(h, 0, packet, size);
	EXPECT_EQ(strlen(harness_values(h, "user")), 255);
	harness_reset(h);
	begin_login(LOGIN);
	packet[69] = 0;
	harness_tcp(h, 0, packet, size);
	EXPECT_EQ(harness_count(h, "user"), 1);
	EXPECT_FIELD(h, "user", "");
	harness_destroy(h);
}

TEST(what_comes_from_the_server_first_or_is_short_is_no_tds)
{
	struct harness *h = harness_create();

	begin(0x12, 42);
	send_packet(h, 1);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	begin(0x10, 41);
	send_packet(h, 0);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	begin_login(511);
	harness_tcp(h, 0, packet, size);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	begin(0x11, 50);
	send_packet(h, 0);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
