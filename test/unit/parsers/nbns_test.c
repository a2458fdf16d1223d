#include "harness.h"

static uint8_t datagram[512];
static size_t size;

static void
put(const void *bytes, size_t n)
{
	memcpy(datagram + size, bytes, n);
	size += n;
}

static void
put16(unsigned value)
{
	put((const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void
begin(unsigned flags, unsigned questions, unsigned answers, unsigned additionals)
{
	size = 0;
	put16(0x1234);
	put16(flags);
	put16(questions);
	put16(answers);
	put16(0);
	put16(additionals);
}

/* Filled up with blanks to 15 bytes; 'kind' is the 16th. */
static void
put_name(const char *name, uint8_t kind)
{
	uint8_t raw[16];

	memset(raw, ' ', sizeof(raw));
	memcpy(raw, name, strlen(name));
	raw[15] = kind;
	put(" ", 1);
	for (unsigned i = 0; i < 16; i++)
		put((const uint8_t[]){(uint8_t)('A' + (raw[i] >> 4)), (uint8_t)('A' + (raw[i] & 15))}, 2);
	put("\0", 1);
}

static void
put_question(const char *name, unsigned type)
{
	put_name(name, 0x20);
	put16(type);
	put16(1);
}

static void
put_record_tail(unsigned type, const void *data, unsigned n)
{
	put16(type);
	put16(1);
	put("\0\0\0\1", 4);
	put16(n);
	put(data, n);
}

static struct harness *
client(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 137, 137);
	return h;
}

TEST(names_are_asked_for_and_registered)
{
	struct harness *h = client();

	begin(0x0110, 1, 0, 0);
	put_question("FILE SERVER", 0x20);
	EXPECT(harness_udp(h, 0, datagram, size));
	EXPECT_FIELD(h, "protocol", "nbns");
	EXPECT_FIELD(h, "nbns.queryType", "NB");
	EXPECT_FIELD(h, "nbns.queryHost", "FILE SERVER");
	EXPECT_NO_FIELD(h, "nbns.host");
	begin(0x2910, 1, 0, 1);
	put_question("PC", 0x21);
	put("\xc0\x0c", 2);
	put_record_tail(0x20, "\0\0\xc0\xa8\0\1\0\0\xc0\xa8\0\2\0\0\1", 15);
	EXPECT(harness_udp(h, 0, datagram, size));
	EXPECT_FIELD(h, "nbns.queryType", "NB,NBSTAT");
	EXPECT_FIELD(h, "nbns.name", "FILE SERVER,PC");
	EXPECT_FIELD(h, "nbns.host", "PC");
	EXPECT_FIELD(h, "nbns.ip", "192.168.0.1,192.168.0.2");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(answers_have_no_question)
{
	struct harness *h = client();

	begin(0x8500, 0, 2, 0);
	put_name("\1\2WORK\3GROUP  ", 0x1e);
	put_record_tail(0x21, "\1\2\3\4\5\6", 6);
	put_name("", 0x1e);
	put_record_tail(0x20, "\0\0\1\1\1\1", 6);
	EXPECT(harness_udp(h, 1, datagram, size));
	EXPECT_FIELD(h, "nbns.name", "WORKGROUP");
	EXPECT_FIELD(h, "nbns.host", "WORKGROUP");
	EXPECT_FIELD(h, "nbns.ip", "1.1.1.1");
	EXPECT_NO_FIELD(h, "nbns.queryHost");
	harness_destroy(h);
}

TEST(pointers_to_no_name_leave_the_record)
{
	struct harness *h = client();

	begin(0x8500, 1, 3, 0);
	put_question("PC", 0x20);
	put("\xc0\x0d", 2);
	put_record_tail(0x20, "\0\0\1\1\1\1", 6);
	put("\xff\xff", 2);
	put_record_tail(0x20, "\0\0\2\2\2\2", 6);
	put("\x05", 1);
	put_record_tail(0x20, "\0\0\3\3\3\3", 6);
	harness_udp(h, 0, datagram, size);
	EXPECT_FIELD(h, "nbns.ip", "1.1.1.1,2.2.2.2");
	EXPECT_NO_FIELD(h, "nbns.host");
	harness_destroy(h);
}

TEST(letters_that_are_none_end_a_question_and_cut_a_record)
{
	struct harness *h = client();

	begin(0x8500, 1, 1, 0);
	put_question("PC", 0x20);
	put_name("HOST", 0);
	datagram[size - 34 + 5] = 'Z';
	put_record_tail(0x20, "\0\0\1\1\1\1", 6);
	harness_udp(h, 1, datagram, size);
	EXPECT_FIELD(h, "nbns.host", "HO");
	datagram[12 + 20] = 'Q';
	harness_reset(h);
	harness_udp(h, 1, datagram, size);
	EXPECT_FIELD(h, "protocol", "nbns");
	EXPECT_NO_FIELD(h, "nbns.name");
	harness_destroy(h);
}

TEST(counts_beyond_the_datagram_end_it)
{
	struct harness *h = client();

	begin(0x0110, 65535, 65535, 65535);
	put_question("PC", 0x20);
	harness_udp(h, 0, datagram, size);
	EXPECT_FIELD(h, "nbns.name", "PC");
	harness_destroy(h);
}

TEST(what_begins_without_a_name_is_not_nbns)
{
	struct harness *h = client();

	begin(0x0110, 1, 0, 0);
	put_question("PC", 0x20);
	harness_udp(h, 0, datagram, size - 1);
	EXPECT_NO_FIELD(h, "protocol");
	datagram[12] = 0x1f;
	harness_reset(h);
	harness_udp(h, 0, datagram, size);
	datagram[12] = 0x20;
	datagram[16] = 'a';
	harness_udp(h, 1, datagram, size);
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
