#include "harness.h"

static struct harness *
agent(void)
{
	struct harness *h = harness_create();

	harness_ports(h, 50000, 161);
	return h;
}

/* A message of short elements, which fill in the lengths of everything around them. */
static uint8_t message[256];
static size_t size;
static size_t open_at[8];
static unsigned n_open;

static void
begin(void)
{
	size = 0;
	n_open = 0;
}

static void
put(const char *bytes, size_t n)
{
	memcpy(message + size, bytes, n);
	size += n;
}

#define PUT(literal) put((literal), sizeof(literal) - 1)

static void
open_element(uint8_t identifier)
{
	message[size++] = identifier;
	open_at[n_open++] = size++;
}

static void
close_element(void)
{
	size_t at = open_at[--n_open];

	message[at] = (uint8_t)(size - at - 1);
}

static void
begin_pdu(const char *version, uint8_t identifier, const char *error)
{
	begin();
	open_element(0x30);
	put(version, 3);
	PUT("\4\6public");
	open_element(identifier);
	PUT("\2\1\x2a");
	put(error, 3);
	PUT("\2\1\0");
	open_element(0x30);
}

static bool
end_pdu(struct harness *h, unsigned direction)
{
	while (n_open > 0)
		close_element();
	return harness_udp(h, direction, message, size);
}

static void
variable(const char *value, size_t n)
{
	open_element(0x30);
	put(value, n);
	close_element();
}

#define VARIABLE(literal) variable((literal), sizeof(literal) - 1)
#define V1		  "\2\1\0"
#define V2C		  "\2\1\1"
#define SYS_DESCR	  "\6\x08\x2b\6\1\2\1\1\1\0"

TEST(a_request_and_its_response_name_variables)
{
	struct harness *h = agent();

	begin_pdu(V2C, 0xa0, "\2\1\0");
	VARIABLE(SYS_DESCR "\5\0");
	VARIABLE("\6\x08\x2b\6\1\2\1\1\5\0\5\0");
	EXPECT(end_pdu(h, 0));
	begin_pdu(V1, 0xa2, "\2\1\2");
	VARIABLE(SYS_DESCR "\4\3box");
	EXPECT(end_pdu(h, 1));
	EXPECT_FIELD(h, "protocol", "snmp");
	EXPECT_FIELD(h, "snmp.version", "2,1");
	EXPECT_FIELD(h, "snmp.community", "public");
	EXPECT_FIELD(h, "snmp.type", "GetRequest,GetResponse");
	EXPECT_FIELD(h, "snmp.error", "noSuchName");
	EXPECT_FIELD(h, "snmp.variable", "1.3.6.1.2.1.1.1.0,1.3.6.1.2.1.1.5.0");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(bulk_requests_have_no_error)
{
	struct harness *h = agent();

	begin_pdu(V2C, 0xa5, "\2\1\5");
	VARIABLE(SYS_DESCR "\5\0");
	EXPECT(end_pdu(h, 0));
	EXPECT_FIELD(h, "snmp.type", "GetBulkRequest");
	EXPECT_NO_FIELD(h, "snmp.error");
	EXPECT_FIELD(h, "snmp.variable", "1.3.6.1.2.1.1.1.0");
	harness_destroy(h);
}

TEST(traps_of_both_versions_have_an_identifier)
{
	struct harness *h = agent();

	begin_pdu(V2C, 0xa7, "\2\1\0");
	VARIABLE("\6\x0a\x2b\6\1\6\3\1\1\4\1\0\6\x09\x2b\6\1\6\3\1\1\5\1");
	EXPECT(end_pdu(h, 0));
	begin();
	open_element(0x30);
	PUT("\2\1\0\4\6public");
	open_element(0xa4);
	PUT("\6\7\x2b\6\1\4\1\x82\x37\x40\4\1\2\3\4");
	EXPECT(end_pdu(h, 0));
	EXPECT_FIELD(h, "snmp.type", "SNMPv2-Trap,Trap");
	EXPECT_FIELD(h, "snmp.trapOid", "1.3.6.1.6.3.1.1.5.1,1.3.6.1.4.1.311");
	EXPECT_FIELD(h, "snmp.variable", "1.3.6.1.6.3.1.1.4.1.0");
	harness_destroy(h);
}

/* 'flags' and the security parameters; the rest of a message of version 3 is of no interest here. */
static bool
send_v3(struct harness *h, char flags, const char *parameters, size_t n)
{
	begin();
	open_element(0x30);
	PUT("\2\1\3");
	open_element(0x30);
	PUT("\2\1\1\2\2\5\xdc\4\1");
	put(&flags, 1);
	PUT("\2\1\3");
	close_element();
	open_element(4);
	put(parameters, n);
	return end_pdu(h, 0);
}

TEST(version_3_shows_level_engine_and_user)
{
	static const char parameters[] = "\x30\x12\4\5\x80\0\x1f\x88\4\2\1\1\2\1\2\4\3bob";
	struct harness *h = agent();

	EXPECT(send_v3(h, 3, parameters, sizeof(parameters) - 1));
	EXPECT(send_v3(h, 1, "\x30\x0c\4\0\2\1\1\2\1\2\4\2", 12));
	EXPECT(send_v3(h, 4, "\4\0", 2));
	EXPECT_FIELD(h, "snmp.version", "3");
	EXPECT_FIELD(h, "snmp.secLevel", "authPriv,authNoPriv,noAuthNoPriv");
	EXPECT_FIELD(h, "snmp.engineId", "80001f8804");
	EXPECT_FIELD(h, "user", "bob");
	EXPECT_NO_FIELD(h, "snmp.community");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(what_is_no_community_or_request_ends_the_parser)
{
	struct harness *h = agent();

	begin();
	open_element(0x30);
	PUT("\2\1\1\4\0\xa0\x0apadding...");
	end_pdu(h, 0);
	EXPECT_FIELD(h, "snmp.version", "2");
	EXPECT_NO_FIELD(h, "snmp.community");
	begin_pdu(V2C, 0xa0, "\2\1\0");
	end_pdu(h, 0);
	EXPECT_NO_FIELD(h, "snmp.type");
	harness_reset(h);
	begin_pdu(V2C, 0xa8, "\2\1\0");
	end_pdu(h, 0);
	begin_pdu(V2C, 0xa0, "\2\1\0");
	end_pdu(h, 0);
	EXPECT_FIELD(h, "snmp.community", "public");
	EXPECT_NO_FIELD(h, "snmp.type");
	harness_destroy(h);
}

TEST(variables_end_at_the_first_that_is_none)
{
	struct harness *h = agent();

	begin_pdu(V2C, 0xa0, "\2\1\0");
	VARIABLE(SYS_DESCR "\5\0");
	VARIABLE("\5\0");
	VARIABLE("\6\1\x2b\5\0");
	EXPECT(end_pdu(h, 0));
	EXPECT_FIELD(h, "snmp.variable", "1.3.6.1.2.1.1.1.0");
	harness_destroy(h);
}

TEST(names_of_variables_have_a_bounded_length)
{
	struct harness *h = agent();

	begin_pdu(V2C, 0xa0, "\2\1\0");
	open_element(0x30);
	open_element(6);
	for (unsigned i = 0; i < 60; i++)
		PUT("\x7f");
	close_element();
	close_element();
	EXPECT(end_pdu(h, 0));
	REQUIRE(harness_values(h, "snmp.variable") != NULL);
	EXPECT(strlen(harness_values(h, "snmp.variable")) <= 99);
	EXPECT(strlen(harness_values(h, "snmp.variable")) > 90);
	harness_destroy(h);
}

TEST(what_is_no_snmp_emits_nothing)
{
	static const uint16_t ports[] = {160, 163, 8162};
	struct harness *h = agent();

	harness_udp(h, 0, HARNESS_TEXT("\x30\x0f\2\1\0\4\6public\xa0\2\5\0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT("\x30\x20\2\1\2\4\6public\xa0\4\2\2\0\0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	harness_udp(h, 0, HARNESS_TEXT("\x30\x20\2\2\0\1\4\6public\xa0\4\2\2\0\0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		h = harness_create();
		harness_ports(h, 50000, ports[i]);
		begin_pdu(V2C, 0xa0, "\2\1\0");
		end_pdu(h, 0);
		EXPECT_NO_FIELD(h, "protocol");
		harness_destroy(h);
	}
}
