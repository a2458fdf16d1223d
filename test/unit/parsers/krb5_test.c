/* Kerberos 5: requests and errors, datagrams, and records of a stream. */
#include "harness.h"

/* A message, whose open elements get their lengths when they are closed: in two bytes, or in one. */
static uint8_t message[16384];
static size_t size;
static size_t open_at[16];
static unsigned n_open, length_bytes = 2;

static void
put(const void *bytes, size_t n)
{
	memcpy(message + size, bytes, n);
	size += n;
}

#define PUT(literal) put((literal), sizeof(literal) - 1)

static void
open_element(uint8_t identifier)
{
	message[size++] = identifier;
	message[size++] = (uint8_t)(0x80 + length_bytes);
	open_at[n_open++] = size;
	size += length_bytes;
}

static void
close_element(void)
{
	size_t at = open_at[--n_open], length = size - at - length_bytes;

	if (length_bytes == 2)
		message[at++] = (uint8_t)(length >> 8);
	message[at] = (uint8_t)length;
}

static void
text(const char *bytes, size_t n)
{
	open_element(0x1b);
	put(bytes, n);
	close_element();
}

/* [tag] PrincipalName of these parts. */
static void
principal(uint8_t tag, const char *first, const char *second, const char *third)
{
	const char *part[] = {first, second, third};

	open_element(0xa0 + tag);
	open_element(0x30);
	PUT("\xa0\3\2\1\1");
	open_element(0xa1);
	open_element(0x30);
	for (unsigned i = 0; i < 3 && part[i] != NULL; i++)
		text(part[i], strlen(part[i]));
	for (unsigned i = 0; i < 4; i++)
		close_element();
}

static void
realm(uint8_t tag, const char *name)
{
	open_element(0xa0 + tag);
	text(name, strlen(name));
	close_element();
}

static void
types(const char *integers, size_t n)
{
	open_element(0xa8);
	open_element(0x30);
	put(integers, n);
	close_element();
	close_element();
}

#define TYPES(literal) types((literal), sizeof(literal) - 1)

static void
begin(uint8_t identifier)
{
	size = 0;
	n_open = 0;
	open_element(identifier);
	open_element(0x30);
}

static void
begin_body(uint8_t identifier, const char *version, const char *type)
{
	begin(identifier);
	put(version, 5);
	put(type, 5);
	open_element(0xa4);
	open_element(0x30);
	PUT("\xa0\7\3\5\0\x50\x81\0\x10");
}

static void
end(void)
{
	while (n_open > 0)
		close_element();
}

#define PVNO "\xa1\3\2\1\5"

static void
as_req(void)
{
	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0a");
	principal(1, "ada", NULL, NULL);
	realm(2, "EXAMPLE.ORG");
	principal(3, "krbtgt", "EXAMPLE.ORG", NULL);
	PUT("\xa5\x11\x18\x0f"
	    "20370913024805Z");
	TYPES("\2\1\x12\2\1\x17\2\2\xff\x7b\2\1\x80\2\1\x04\2\1\x1b\2\5\0\0\0\0\x11\2\1\x12");
	end();
}

static void
krb_error(const char *code, size_t n)
{
	begin(0x7e);
	PUT("\xa0\3\2\1\5\xa1\3\2\1\x1e");
	open_element(0xa6);
	put(code, n);
	close_element();
	realm(7, "CLIENT.ORG");
	principal(8, "ada", "admin", "third");
	realm(9, "EXAMPLE.ORG");
	principal(10, "krbtgt", "EXAMPLE.ORG", NULL);
	PUT("\xac\x84\4\x80padding so that lengths are long");
	end();
}

#define KRB_ERROR(code) krb_error((code), sizeof(code) - 1)

static bool
datagram(struct harness *h, unsigned direction)
{
	return harness_udp(h, direction, message, size);
}

/* The message with its length before it. */
static size_t
record(uint8_t *out)
{
	out[0] = out[1] = 0;
	out[2] = (uint8_t)(size >> 8);
	out[3] = (uint8_t)size;
	memcpy(out + 4, message, size);
	return size + 4;
}

TEST(a_request_names_client_realm_service_and_types)
{
	struct harness *h = harness_create();

	as_req();
	EXPECT(datagram(h, 0));
	EXPECT_FIELD(h, "protocol", "krb5");
	EXPECT_FIELD(h, "krb5.cname", "ada");
	EXPECT_FIELD(h, "krb5.realm", "EXAMPLE.ORG");
	EXPECT_FIELD(h, "krb5.sname", "krbtgt/EXAMPLE.ORG");
	EXPECT_FIELD(h, "krb5.etype", "aes256-cts-hmac-sha1-96,rc4-hmac");
	EXPECT_NO_FIELD(h, "krb5.error");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(errors_have_a_name_and_both_sides)
{
	struct harness *h = harness_create();

	KRB_ERROR("\2\1\x19");
	EXPECT(datagram(h, 1));
	EXPECT_FIELD(h, "protocol", "krb5");
	EXPECT_FIELD(h, "krb5.error", "KDC_ERR_PREAUTH_REQUIRED");
	EXPECT_FIELD(h, "krb5.realm", "CLIENT.ORG,EXAMPLE.ORG");
	EXPECT_FIELD(h, "krb5.cname", "ada/admin");
	EXPECT_FIELD(h, "krb5.sname", "krbtgt/EXAMPLE.ORG");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(errors_without_a_name_give_none)
{
	struct harness *h = harness_create();

	KRB_ERROR("\2\1\x1e");
	datagram(h, 1);
	KRB_ERROR("\2\1\x4d");
	datagram(h, 1);
	KRB_ERROR("\2\4\xff\xff\xff\xff");
	datagram(h, 1);
	KRB_ERROR("\2\5\0\0\0\0\x19");
	datagram(h, 1);
	EXPECT_FIELD(h, "protocol", "krb5");
	EXPECT_NO_FIELD(h, "krb5.error");
	KRB_ERROR("\2\2\0\x4c");
	datagram(h, 1);
	KRB_ERROR("\2\1\0");
	datagram(h, 1);
	EXPECT_FIELD(h, "krb5.error", "KDC_ERR_KDC_NAME_MISMATCH,KDC_ERR_NONE");
	harness_destroy(h);
}

TEST(a_request_for_a_ticket_has_its_body_behind_preauthentication)
{
	struct harness *h = harness_create();

	begin(0x6c);
	PUT("\xa1\3\2\1\5\xa2\3\2\1\x0c");
	open_element(0xa3);
	PUT("\x30\5\4\3pad");
	close_element();
	open_element(0xa4);
	open_element(0x30);
	realm(2, "EXAMPLE.ORG");
	principal(3, "ldap", "dc.example.org", "EXAMPLE.ORG");
	end();
	EXPECT(datagram(h, 0));
	EXPECT_FIELD(h, "krb5.sname", "ldap/dc.example.org");
	EXPECT_FIELD(h, "krb5.realm", "EXAMPLE.ORG");
	EXPECT_NO_FIELD(h, "krb5.cname");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(lengths_of_one_byte_are_recognised_too)
{
	struct harness *h = harness_create();
	uint8_t bytes[512];

	length_bytes = 1;
	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0a");
	principal(1, "ada", NULL, NULL);
	TYPES("\2\1\x11");
	end();
	length_bytes = 2;
	EXPECT(datagram(h, 0));
	EXPECT_FIELD(h, "krb5.cname", "ada");
	EXPECT_FIELD(h, "krb5.etype", "aes128-cts-hmac-sha1-96");
	harness_reset(h);
	EXPECT(harness_tcp(h, 0, bytes, record(bytes)));
	EXPECT_FIELD(h, "krb5.cname", "ada");
	harness_destroy(h);
}

TEST(empty_names_are_none_and_long_ones_are_cut)
{
	struct harness *h = harness_create();
	char name[301];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0a");
	principal(1, "", NULL, NULL);
	realm(2, "");
	principal(3, name, "host", NULL);
	end();
	datagram(h, 0);
	EXPECT_NO_FIELD(h, "krb5.cname");
	EXPECT_NO_FIELD(h, "krb5.realm");
	REQUIRE(harness_values(h, "krb5.sname") != NULL);
	EXPECT_EQ(strlen(harness_values(h, "krb5.sname")), 254);
	harness_destroy(h);
}

TEST(no_more_than_20_types_are_read)
{
	struct harness *h = harness_create();

	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0a");
	open_element(0xa8);
	open_element(0x30);
	for (unsigned i = 0; i < 19; i++)
		PUT("\2\1\x7f");
	PUT("\2\1\1\2\1\2");
	end();
	datagram(h, 0);
	EXPECT_FIELD(h, "krb5.etype", "des-cbc-crc");
	harness_destroy(h);
}

TEST(what_is_no_request_adds_nothing)
{
	struct harness *h = harness_create();

	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0b");
	realm(2, "TYPE.ORG");
	end();
	datagram(h, 0);
	begin_body(0x6a, "\xa1\3\2\1\4", "\xa2\3\2\1\x0a");
	realm(2, "VERSION.ORG");
	end();
	datagram(h, 0);
	EXPECT(harness_is_live(h));
	EXPECT_NO_FIELD(h, "protocol");
	EXPECT_NO_FIELD(h, "krb5.realm");
	/* It goes on until one is. */
	as_req();
	datagram(h, 0);
	EXPECT_FIELD(h, "protocol", "krb5");
	harness_destroy(h);
}

TEST(replies_show_only_that_it_is_kerberos)
{
	static const uint8_t reply[] = {0x6b, 0x09, 0x30, 0x07, 0xa0, 3, 2, 1, 5, 0x05, 0};
	struct harness *h = harness_create();

	begin_body(0x6a, PVNO, "\xa2\3\2\1\x0b");
	end();
	datagram(h, 0);
	EXPECT_NO_FIELD(h, "protocol");
	harness_udp(h, 1, reply, sizeof(reply));
	EXPECT_FIELD(h, "protocol", "krb5");
	EXPECT_NO_FIELD(h, "krb5.realm");
	harness_destroy(h);
}

/* The first datagram decides: a good one after it is not read. */
static void
expect_refused(struct harness *h, size_t n)
{
	harness_reset(h);
	harness_udp(h, 0, message, n);
	as_req();
	datagram(h, 0);
	EXPECT_NO_FIELD(h, "protocol");
}

TEST(replies_cut_messages_and_primitive_elements_do_not_begin_it)
{
	struct harness *h = harness_create();

	as_req();
	message[0] = 0x6b;
	expect_refused(h, size);
	message[0] = 0x4a;
	expect_refused(h, size);
	expect_refused(h, size - 1);
	harness_destroy(h);
}

TEST(records_of_a_stream_may_come_in_pieces)
{
	struct harness *h = harness_create();
	uint8_t bytes[1024];

	as_req();
	EXPECT(harness_tcp(h, 0, bytes, record(bytes)));
	KRB_ERROR("\2\1\x06");
	EXPECT(harness_tcp(h, 1, bytes, record(bytes)));
	EXPECT_FIELD(h, "krb5.error", "KDC_ERR_C_PRINCIPAL_UNKNOWN");
	EXPECT_FIELD(h, "krb5.cname", "ada,ada/admin");
	harness_every_truncation(h);
	harness_every_split(h, 20, NULL);
	harness_destroy(h);
}

TEST(all_records_of_a_segment_are_read)
{
	struct harness *h = harness_create();
	uint8_t bytes[2048];
	size_t n;

	as_req();
	n = record(bytes);
	KRB_ERROR("\2\1\x06");
	n += record(bytes + n);
	EXPECT(harness_tcp(h, 0, bytes, n));
	EXPECT_FIELD(h, "krb5.cname", "ada,ada/admin");
	EXPECT_FIELD(h, "krb5.error", "KDC_ERR_C_PRINCIPAL_UNKNOWN");
	harness_destroy(h);
}

/* A good record is not read any more. */
static void
expect_ended(struct harness *h)
{
	uint8_t bytes[1024];

	EXPECT_FIELD(h, "tags", "krb5:record-too-long");
	KRB_ERROR("\2\1\x06");
	harness_tcp(h, 0, bytes, record(bytes));
	EXPECT_NO_FIELD(h, "krb5.error");
}

static const char long_record[] = "\0\0\x1f\xfd\x6a\x82\x1f\xf9\x30\x82\x1f\xf5\xa1\3\2\1\5";

TEST(records_that_are_too_long_end_it_with_a_tag)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(long_record));
	EXPECT_NO_FIELD(h, "protocol");
	expect_ended(h);
	harness_destroy(h);
}

TEST(the_longest_record_is_read_and_what_follows_in_its_segment)
{
	static uint8_t bytes[8192 + 1024];
	struct harness *h = harness_create();

	memcpy(bytes, long_record, sizeof(long_record) - 1);
	bytes[3] = 0xfc;
	EXPECT(harness_tcp(h, 0, bytes, 8191));
	EXPECT(harness_tcp(h, 0, bytes, 1));
	EXPECT_NO_FIELD(h, "tags");
	as_req();
	EXPECT(harness_tcp(h, 0, bytes, record(bytes)));
	EXPECT_FIELD(h, "protocol", "krb5");
	EXPECT_NO_FIELD(h, "krb5.error");
	memset(bytes, 0, 8192);
	bytes[2] = 0x1f;
	bytes[3] = 0xfc;
	KRB_ERROR("\2\1\x06");
	EXPECT(harness_tcp(h, 0, bytes, 8192 + record(&bytes[8192])));
	EXPECT_FIELD(h, "krb5.error", "KDC_ERR_C_PRINCIPAL_UNKNOWN");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(a_length_whose_high_bit_is_set_is_too_long)
{
	struct harness *h = harness_create();
	uint8_t bytes[1024];

	as_req();
	EXPECT(harness_tcp(h, 0, bytes, record(bytes)));
	harness_tcp(h, 0, HARNESS_TEXT("\x80\0\0\x05hello"));
	expect_ended(h);
	harness_destroy(h);
}

static void
expect_stream(bool accepted, uint8_t second_byte, uint8_t identifier)
{
	struct harness *h = harness_create();
	uint8_t bytes[1024];
	size_t n;

	as_req();
	n = record(bytes);
	bytes[1] = second_byte;
	bytes[4] = identifier;
	harness_tcp(h, 0, bytes, n);
	EXPECT_NO_FIELD(h, "tags");
	as_req();
	harness_tcp(h, 0, bytes, record(bytes));
	EXPECT_EQ(harness_count(h, "protocol"), accepted);
	harness_destroy(h);
}

TEST(the_first_record_of_a_stream_decides)
{
	expect_stream(true, 0, 0x6a);
	expect_stream(true, 0, 0x6d);
	expect_stream(true, 0, 0x7e);
	expect_stream(false, 1, 0x6a);
	expect_stream(false, 0, 0x6e);
	expect_stream(false, 0, 0x69);
}
