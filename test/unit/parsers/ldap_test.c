/* LDAP. */
#include "harness.h"

/* A message: SEQUENCE {INTEGER 1, operation}. All lengths of one byte. */
#define MESSAGE(length, operation) "\x30" length "\x02\x01\x01" operation

/* version 3, "cn=a", simple "pw" */
#define BIND_SIMPLE                                                                                                    \
	MESSAGE("\x12", "\x60\x0d\x02\x01\x03\x04\x04"                                                                 \
			"cn=a"                                                                                         \
			"\x80\x02"                                                                                     \
			"pw")
/* version 3, "", simple "" */
#define BIND_NONE MESSAGE("\x0c", "\x60\x07\x02\x01\x03\x04\x00\x80\x00")
/* version 3, "", [9] "x" */
#define BIND_9                                                                                                         \
	MESSAGE("\x0d", "\x60\x08\x02\x01\x03\x04\x00\x89\x01"                                                         \
			"x")
#define SEARCH                                                                                                         \
	MESSAGE("\x09", "\x63\x04\x04\x02"                                                                             \
			"dc")
#define UNBIND MESSAGE("\x05", "\x42\x00")
#define START_TLS                                                                                                      \
	MESSAGE("\x1d", "\x77\x18\x80\x16"                                                                             \
			"1.3.6.1.4.1.1466.20037")
#define WHO_AM_I                                                                                                       \
	MESSAGE("\x1e", "\x77\x19\x80\x17"                                                                             \
			"1.3.6.1.4.1.4203.1.11.3")

#define NTLM_NEGOTIATE "NTLMSSP\0\x01\0\0\0\x07\x82\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
/* version 3, "", SASL {"GSS-SPNEGO", 32 bytes} */
#define BIND_SASL                                                                                                      \
	MESSAGE("\x3c", "\x60\x37\x02\x01\x03\x04\x00\xa3\x30\x04\x0a"                                                 \
			"GSS-SPNEGO"                                                                                   \
			"\x04\x22" NTLM_NEGOTIATE "\0\0")
/* success, "", "", [7] */
#define BIND_RESPONSE MESSAGE("\x2e", "\x61\x29\x0a\x01\x0e\x04\x00\x04\x00\x87\x20" NTLM_NEGOTIATE)

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

TEST(names_and_ways_of_binds_are_recorded)
{
	struct harness *h = harness_create();

	client(h, BIND_NONE SEARCH BIND_SIMPLE UNBIND BIND_9 WHO_AM_I BIND_SASL);
	EXPECT_FIELD(h, "protocol", "ldap,ntlm");
	EXPECT_FIELD(h, "ldap.bindname", "<ROOT>,cn=a");
	EXPECT_FIELD(h, "ldap.authtype", "none,simple,9,sasl");
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_every_truncation(h);
	harness_every_split(h, 2, NULL);
	harness_destroy(h);
}

TEST(ntlm_of_bind_responses_is_read)
{
	struct harness *h = harness_create();

	server(h, BIND_RESPONSE);
	EXPECT_FIELD(h, "ntlm.type", "1");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(ldap_over_udp_is_read_by_datagrams)
{
	struct harness *h = harness_create();

	EXPECT(harness_udp(h, 0, HARNESS_TEXT(SEARCH)));
	EXPECT(harness_udp(h, 0, HARNESS_TEXT("junk")));
	(void)harness_udp(h, 0, HARNESS_TEXT(BIND_SIMPLE));
	EXPECT_FIELD(h, "protocol", "ldap");
	EXPECT_FIELD(h, "ldap.bindname", "cn=a");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_sequence_without_an_operation_is_not_ldap)
{
	struct harness *h = harness_create();

	client(h, "\x30\x05\x02\x01\x01\x30\x00");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "\x30\x05\x04\x01\x01\x60\x00");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "\x30\x80\x02\x01\x01\x60\x00");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(a_direction_ends_at_what_is_no_message)
{
	struct harness *h = harness_create();

	client(h, BIND_NONE);
	client(h, "\x00\x00\x00\x10" BIND_SIMPLE);
	client(h, BIND_SIMPLE);
	EXPECT_FIELD(h, "ldap.bindname", "<ROOT>");
	harness_destroy(h);
}

TEST(long_messages_are_passed_over_without_being_kept)
{
	struct harness *h = harness_create();
	char chunk[1000] = {0};

	client(h, BIND_NONE "\x30\x83\x01\x00\x05\x02\x01\x01\x63\x00"); /* 65541 bytes, of which 5 are here */
	for (unsigned i = 0; i < 65; i++)
		EXPECT(harness_tcp(h, 0, chunk, sizeof(chunk)));
	EXPECT(harness_memory_bytes(h) < 4096);
	EXPECT(harness_tcp(h, 0, chunk, 536));
	client(h, BIND_SIMPLE);
	EXPECT_FIELD(h, "ldap.bindname", "<ROOT>,cn=a");
	harness_destroy(h);
}

TEST(start_tls_hands_over_unless_the_server_refuses)
{
	struct harness *h = harness_create();

	client(h, START_TLS);
	client(h, BIND_SIMPLE START_TLS);
	EXPECT_FIELD(h, "ldap.bindname", "cn=a");
	client(h, "\x16\x03\x01");
	client(h, BIND_NONE);
	EXPECT_FIELD(h, "ldap.bindname", "cn=a");
	harness_destroy(h);
}

TEST(a_bind_that_is_cut_off_is_read_as_far_as_it_goes)
{
	struct harness *h = harness_create();

	(void)harness_tcp(h, 0, HARNESS_TEXT(BIND_SIMPLE) - 4);
	EXPECT_NO_FIELD(h, "ldap.bindname");
	harness_save(h, true);
	EXPECT_FIELD(h, "ldap.bindname", "cn=a");
	harness_destroy(h);
}
