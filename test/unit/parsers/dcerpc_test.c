/* DCE/RPC: interfaces, operations, both byte orders, authentication trailers, and where it gives up. */
#include "harness.h"

enum { REQUEST = 0, RESPONSE = 2, BIND = 11, BIND_ACK = 12, AUTH3 = 16, ORPHANED = 19, HEADER = 16 };

#define WINREG_LITTLE	"\1\xd0\x8c\x33\x44\x22\xf1\x31\xaa\xaa\x90\0\x38\0\x10\x03\1\0\0\0"
#define WINREG_BIG	"\x33\x8c\xd0\1\x22\x44\x31\xf1\xaa\xaa\x90\0\x38\0\x10\x03\0\1\0\0"
#define UNKNOWN_LITTLE	"\xef\xbe\xad\xde\xfe\xca\xbe\xba\x12\x34\x56\x78\x90\xab\xcd\xef\x38\0\1\0"
#define TRANSFER_SYNTAX "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\2\0\0\0"
#define BIND_LIMITS	"\xd0\x16\xd0\x16\0\0\0\0"
#define NTLM_NEGOTIATE	"NTLMSSP\0\1\0\0\0\0\0\0\0"

static uint8_t pdu[16384];
static size_t size;

static void
add(const char *bytes, size_t n)
{
	memcpy(pdu + size, bytes, n);
	size += n;
}
#define ADD(literal) add((literal), sizeof(literal) - 1)

static void
put16(size_t at, size_t value)
{
	bool is_little = pdu[4] == 0x10;

	pdu[at + !is_little] = (uint8_t)value;
	pdu[at + is_little] = (uint8_t)(value >> 8);
}

static void
begin(uint8_t type, bool is_little)
{
	memset(pdu, 0, sizeof(pdu));
	pdu[0] = 5;
	pdu[2] = type;
	pdu[3] = 3;
	pdu[4] = is_little ? 0x10 : 0;
	size = HEADER;
}

static void
begin_request(uint8_t opnum, bool is_little)
{
	begin(REQUEST, is_little);
	ADD("\0\0\0\0\0\0\0\0");
	put16(22, opnum);
}

static bool
send_pdu(struct harness *h, unsigned direction)
{
	put16(8, size);
	return harness_tcp(h, direction, pdu, size);
}

static void
add_trailer(uint8_t type, const char *credentials, size_t n)
{
	char head[8] = {(char)type, 2};

	add(head, sizeof(head));
	add(credentials, n);
	put16(10, n);
}

TEST(interfaces_operations_and_kinds_are_recorded)
{
	struct harness *h = harness_create();

	begin(BIND, true);
	ADD(BIND_LIMITS "\2\0\0\0");
	ADD("\0\0\1\0" WINREG_LITTLE TRANSFER_SYNTAX);
	ADD("\1\0\1\0" UNKNOWN_LITTLE TRANSFER_SYNTAX);
	send_pdu(h, 0);
	begin(BIND_ACK, true);
	ADD(BIND_LIMITS "\4\0\x31\x33\x35\0");
	send_pdu(h, 1);
	begin_request(15, true);
	send_pdu(h, 0);
	begin(ORPHANED, true);
	EXPECT(send_pdu(h, 0));
	EXPECT_FIELD(h, "protocol", "dcerpc,winreg");
	EXPECT_FIELD(h, "dcerpc.uuid", "338cd001-2244-31f1-aaaa-900038001003,deadbeef-cafe-babe-1234-567890abcdef");
	EXPECT_FIELD(h, "dcerpc.interface", "winreg");
	EXPECT_FIELD(h, "dcerpc.version", "1,56");
	EXPECT_FIELD(h, "dcerpc.msgType", "bind,bind-ack,request,orphaned");
	EXPECT_FIELD(h, "dcerpc.opnum", "15");
	EXPECT_NO_FIELD(h, "tags");
	harness_every_truncation(h);
	harness_every_split(h, HEADER, NULL);
	harness_destroy(h);
}

TEST(a_side_may_be_big_endian)
{
	struct harness *h = harness_create();

	begin(BIND, false);
	ADD(BIND_LIMITS "\1\0\0\0");
	ADD("\0\0\1\0" WINREG_BIG TRANSFER_SYNTAX);
	send_pdu(h, 0);
	begin_request(7, false);
	send_pdu(h, 0);
	EXPECT_FIELD(h, "dcerpc.interface", "winreg");
	EXPECT_FIELD(h, "dcerpc.version", "1");
	EXPECT_FIELD(h, "dcerpc.opnum", "7");
	harness_destroy(h);
}

TEST(contexts_end_where_too_few_bytes_are_left)
{
	struct harness *h = harness_create();

	begin(BIND, true);
	ADD(BIND_LIMITS "\3\0\0\0");
	ADD("\0\0\2\0" WINREG_LITTLE TRANSFER_SYNTAX TRANSFER_SYNTAX);
	ADD("\1\0\1\0" UNKNOWN_LITTLE TRANSFER_SYNTAX);
	size--;
	send_pdu(h, 0);
	EXPECT_FIELD(h, "dcerpc.interface", "winreg");
	EXPECT_EQ(harness_count(h, "dcerpc.uuid"), 1);
	harness_destroy(h);
}

TEST(kinds_without_a_name_are_none_and_short_requests_call_nothing)
{
	struct harness *h = harness_create();

	begin(REQUEST, true);
	ADD("\0\0\0\0\0\0\0");
	send_pdu(h, 0);
	begin(AUTH3, true);
	send_pdu(h, 0);
	begin(20, true);
	EXPECT(send_pdu(h, 0));
	EXPECT_FIELD(h, "dcerpc.msgType", "request");
	EXPECT_NO_FIELD(h, "dcerpc.opnum");
	harness_destroy(h);
}

TEST(ntlm_in_trailers_of_any_kind_is_read)
{
	struct harness *h = harness_create();

	begin_request(1, true);
	add_trailer(10, HARNESS_TEXT(NTLM_NEGOTIATE));
	send_pdu(h, 0);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_every_truncation(h);
	harness_reset(h);
	begin_request(1, true);
	send_pdu(h, 0);
	begin(AUTH3, true);
	ADD("\0\0\0\0");
	add_trailer(10, HARNESS_TEXT(NTLM_NEGOTIATE));
	send_pdu(h, 0);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_destroy(h);
}

TEST(other_mechanisms_and_trailers_that_do_not_fit_are_passed_over)
{
	struct harness *h = harness_create();

	begin_request(1, true);
	add_trailer(9, HARNESS_TEXT(NTLM_NEGOTIATE));
	send_pdu(h, 0);
	EXPECT_FIELD(h, "dcerpc.opnum", "1");
	EXPECT_NO_FIELD(h, "ntlm.type");
	harness_reset(h);
	begin_request(1, true);
	add_trailer(10, HARNESS_TEXT(NTLM_NEGOTIATE));
	put16(10, size - 23);
	send_pdu(h, 0);
	EXPECT_FIELD(h, "dcerpc.opnum", "1");
	EXPECT_NO_FIELD(h, "ntlm.type");
	harness_destroy(h);
}

TEST(lengths_out_of_bounds_are_tagged_and_end_it)
{
	static const struct {
		size_t length;
		const char *tag;
	} cases[] = {{15, "dcerpc:bad-fraglen"}, {8193, "dcerpc:fragment-too-long"}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		begin(RESPONSE, true);
		put16(8, cases[i].length);
		harness_tcp(h, 1, pdu, size);
		EXPECT_FIELD(h, "protocol", "dcerpc");
		EXPECT_FIELD(h, "tags", cases[i].tag);
		EXPECT_NO_FIELD(h, "dcerpc.msgType");
		begin_request(1, true);
		send_pdu(h, 0);
		EXPECT_NO_FIELD(h, "dcerpc.msgType");
		harness_destroy(h);
	}
}

TEST(a_fragment_of_the_largest_size_is_read_and_what_follows_in_its_segment)
{
	static uint8_t chunk[192 + 8192];
	struct harness *h = harness_create();

	begin_request(1, true);
	size = 8192;
	EXPECT(send_pdu(h, 0));
	EXPECT_FIELD(h, "dcerpc.opnum", "1");
	harness_reset(h);
	begin_request(1, true);
	put16(8, 8192);
	EXPECT(harness_tcp(h, 0, pdu, 8000));
	memcpy(&chunk[192], pdu, 8192);
	EXPECT(harness_tcp(h, 0, chunk, sizeof(chunk)));
	EXPECT_EQ(harness_count(h, "dcerpc.opnum"), 1);
	EXPECT_NO_FIELD(h, "tags");
	EXPECT(harness_memory_bytes(h) < 512);
	harness_destroy(h);
}

TEST(what_begins_otherwise_is_no_dcerpc)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{HARNESS_TEXT("\5\0\x0b\3\x10\0\0\0\x10\0\0\0\0\0\0")},
		{HARNESS_TEXT("\5\1\x0b\3\x10\0\0\0\x10\0\0\0\0\0\0\0")},
		{HARNESS_TEXT("\5\0\x0e\3\x10\0\0\0\x10\0\0\0\0\0\0\0")},
		{HARNESS_TEXT("\4\0\x0b\3\x10\0\0\0\x10\0\0\0\0\0\0\0")},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		harness_tcp(h, 0, cases[i].bytes, cases[i].size);
		EXPECT_NO_FIELD(h, "protocol");
		EXPECT_NO_FIELD(h, "dcerpc.msgType");
		harness_destroy(h);
	}
}
