/* SMB 1, 2 and 3: dialects, names, logins, messages over segments. */
#include "harness.h"

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

#define ZEROES_12 "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROES_20 ZEROES_12 "\0\0\0\0\0\0\0\0"
#define REQUEST	  "\x18"
#define RESPONSE  "\x98"
#define UNICODE	  "\x07\xc8"
#define RAW	  "\x07\x48"

/* A message of version 1; its body is a literal and so is everything else. */
#define SMB1(command, flags, flags2) "\xffSMB" command "\0\0\0\0" flags flags2 ZEROES_20
/* Version 2: 64 bytes of header. */
#define SMB2(version, command, flags)                                                                                  \
	version "SMB\x40\0\0\0\0\0\0\0" command "\0\0\0" flags "\0\0\0" ZEROES_20 ZEROES_12 ZEROES_12

/* A message with its length before it. */
struct frame {
	size_t size;
	char bytes[512];
};

static struct frame
frame_of(const char *message, size_t size)
{
	struct frame f = {.size = size + 4};

	EXPECT(size + 4 <= sizeof(f.bytes));
	f.bytes[2] = (char)(size >> 8);
	f.bytes[3] = (char)size;
	memcpy(&f.bytes[4], message, size);
	return f;
}

static bool
feed(struct harness *h, unsigned direction, const char *message, size_t size)
{
	struct frame f = frame_of(message, size);

	return harness_tcp(h, direction, f.bytes, f.size);
}

/* Each in a chunk of its own. */
#define client_sends(h, message) feed(h, 0, HARNESS_TEXT(message))
#define server_sends(h, message) feed(h, 1, HARNESS_TEXT(message))

#define NEGOTIATE_1 SMB1("\x72", REQUEST, RAW) "\0\x18\0\x02PC NETWORK\0\x02NT LM 0.12\0"
#define CHOOSE_1(i)                                                                                                    \
	SMB1("\x72", RESPONSE, RAW)                                                                                    \
	"\x0d" i "\0" ZEROES_20 "\0\0\0\0\0\0"

TEST(the_server_chooses_a_dialect_by_its_place)
{
	struct harness *h = harness_create();

	client_sends(h, NEGOTIATE_1);
	EXPECT_NO_FIELD(h, "smb.dialect");
	server_sends(h, CHOOSE_1("\x01"));
	EXPECT_FIELD(h, "protocol", "smb");
	EXPECT_FIELD(h, "smb.dialect", "NT LM 0.12");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(places_beyond_the_list_and_short_answers_choose_nothing)
{
	struct harness *h = harness_create();

	client_sends(h, NEGOTIATE_1);
	server_sends(h, CHOOSE_1("\x02"));
	server_sends(h, SMB1("\x72", RESPONSE, RAW) "\x01\0\0");
	EXPECT_NO_FIELD(h, "smb.dialect");
	harness_destroy(h);
}

TEST(dialects_of_further_requests_are_added_until_there_are_ten)
{
	struct harness *h = harness_create();

	for (unsigned i = 0; i < 4; i++)
		client_sends(h, SMB1("\x72", REQUEST, RAW) "\0\x18\0\x02"
							   "A\0\x02"
							   "B\0\x02"
							   "C\0");
	server_sends(h, CHOOSE_1("\x0a"));
	EXPECT_NO_FIELD(h, "smb.dialect");
	server_sends(h, CHOOSE_1("\x09"));
	EXPECT_FIELD(h, "smb.dialect", "A");
	server_sends(h, CHOOSE_1("\x08"));
	EXPECT_FIELD(h, "smb.dialect", "C");
	harness_destroy(h);
}

TEST(names_of_files_of_version_1)
{
	struct harness *h = harness_create();

	client_sends(h, SMB1("\x06", REQUEST, RAW) "\x01\0\0\x07\0\x04"
						   "a.exe\0");
	client_sends(h, SMB1("\x2d", REQUEST, UNICODE) "\x02\0\0\0\0\x07\0\0"
						       "b\0\xe9\0\0\0");
	client_sends(h, SMB1("\xa2", REQUEST, UNICODE) "\0\x05\0\0"
						       "c\0d\0");
	client_sends(h, SMB1("\xa2", REQUEST, UNICODE) "\0\x05\0\0"
						       "\x01\xd8"); /* a surrogate */
	client_sends(h, SMB1("\xa2", REQUEST, RAW) "\xff\x05\0\0"
						   "no such words"); /* more than there is */
	server_sends(h, SMB1("\xa2", RESPONSE, RAW) "\0\x05\0\0"
						    "answer");
	EXPECT_EQ(harness_count(h, "smb.filename"), 3);
	EXPECT(harness_has(h, "smb.filename", "cd"));
	EXPECT(strstr(harness_json(h), "\"a.exe\"") != NULL);
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(shares_of_version_1_stand_behind_the_password)
{
	struct harness *h = harness_create();

	client_sends(h, SMB1("\x75", REQUEST, UNICODE) "\x04\xff\0\0\0\x08\0\x01\0\x0d\0\0"
						       "\\\0s\0\0\0?????\0");
	client_sends(h, SMB1("\x75", REQUEST, UNICODE) "\x04\xff\0\0\0\x08\0\x02\0\x0d\0pw\0"
						       "\\\0t\0\0\0?????\0");
	client_sends(h, SMB1("\x75", REQUEST, UNICODE) "\x04\xff\0\0\0\x08\0\x01\0\x0d\0\0"
						       "\0\0?????\0");
	EXPECT_FIELD(h, "smb.share", "\\s,\\t");
	harness_every_truncation(h);
	harness_destroy(h);
}

/* Words of SESSION_SETUP_ANDX behind their number, up to the lengths. */
#define SETUP_BEGIN "\xff\0\0\0\x04\x11\x0a\0\0\0\0\0\0\0"

TEST(a_login_with_passwords_names_the_client)
{
	struct harness *h = harness_create();

	client_sends(h, SMB1("\x73", REQUEST, RAW) "\x0d" SETUP_BEGIN "\x01\0\0\0\0\0\0\0\x50\0\0\0\x20\0"
						   "x"
						   "ann\0LAB\0Unix\0Samba\0");
	client_sends(h, SMB1("\x73", REQUEST, UNICODE) "\x0d" SETUP_BEGIN "\x01\0\x01\0\0\0\0\0\x50\0\0\0\x20\0"
						       "xy\0"
						       "b\0\0\0\0\0U\0\0\0V\0");
	EXPECT_FIELD(h, "smb.user", "ann,b");
	EXPECT_FIELD(h, "smb.domain", "LAB");
	EXPECT_FIELD(h, "smb.os", "Unix,U");
	EXPECT_FIELD(h, "smb.version", "Samba,V");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

/* The reference aligns texts without Unicode, too. */
TEST(the_first_character_of_a_raw_text_at_an_odd_place_is_lost)
{
	struct harness *h = harness_create();

	client_sends(h, SMB1("\x73", REQUEST, RAW) "\x0d" SETUP_BEGIN "\x02\0\0\0\0\0\0\0\x50\0\0\0\x20\0"
						   "xx"
						   "GUEST\0\0Unix\0");
	EXPECT_FIELD(h, "smb.user", "UEST");
	EXPECT_NO_FIELD(h, "smb.domain");
	EXPECT_FIELD(h, "smb.os", "Unix");
	harness_destroy(h);
}

#define NTLM_NEGOTIATE "NTLMSSP\0\x01\0\0\0\x07\x82\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
/* Domain "D", user "u", host "H"; no digests. 'host_length' is 2. 70 bytes. */
#define NTLM_AUTHENTICATE(host_length)                                                                                 \
	"NTLMSSP\0\x03\0\0\0"                                                                                          \
	"\0\0\0\0\x40\0\0\0\0\0\0\0\x40\0\0\0"                                                                         \
	"\x02\0\x02\0\x40\0\0\0\x02\0\x02\0\x42\0\0\0" host_length "\0\x02\0\x44\0\0\0"                                \
	"\0\0\0\0\x46\0\0\0\x01\0\0\0"                                                                                 \
	"D\0u\0H\0"
/* NegTokenResp: [1] SEQUENCE {[0] ENUMERATED, [2] OCTET STRING of 70 bytes}. 83 bytes. */
#define SPNEGO(ntlm) "\xa1\x51\x30\x4f\xa0\x03\x0a\x01\x01\xa2\x48\x04\x46" ntlm
#define SETUP_BLOB(length, blob)                                                                                       \
	SMB1("\x73", REQUEST, RAW) "\x0c" SETUP_BEGIN length "\0\0\0\0\0\x54\0\0\x80\x70\0" blob

TEST(ntlm_alone_goes_to_its_own_parser)
{
	struct harness *h = harness_create();

	client_sends(h, SETUP_BLOB("\x20", NTLM_NEGOTIATE) "\0Unix\0Samba\0LAB\0");
	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT(harness_has(h, "protocol", "ntlm"));
	EXPECT_FIELD(h, "smb.os", "Unix");
	EXPECT_FIELD(h, "smb.version", "Samba");
	EXPECT_FIELD(h, "smb.domain", "LAB");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(ntlm_within_spnego_names_user_domain_and_host)
{
	struct harness *h = harness_create();

	client_sends(h, SETUP_BLOB("\x53", SPNEGO(NTLM_AUTHENTICATE("\x02"))) "Unix");
	EXPECT_FIELD(h, "ntlm.type", "3");
	EXPECT_FIELD(h, "user", "u");
	EXPECT_FIELD(h, "smb.user", "u");
	EXPECT_FIELD(h, "smb.domain", "D");
	EXPECT_FIELD(h, "smb.host", "H");
	EXPECT_FIELD(h, "smb.os", "Unix");
	EXPECT_NO_FIELD(h, "tags");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(an_ntlm_name_outside_its_message_is_a_bad_blob)
{
	struct harness *h = harness_create();

	client_sends(h, SETUP_BLOB("\x53", SPNEGO(NTLM_AUTHENTICATE("\x04"))) "Unix");
	EXPECT_FIELD(h, "tags", "smb:bad-security-blob");
	EXPECT_FIELD(h, "smb.user", "u");
	EXPECT_NO_FIELD(h, "smb.host");
	EXPECT_FIELD(h, "smb.os", "Unix");
	harness_destroy(h);
}

TEST(the_first_token_of_spnego_and_a_blob_beyond_the_message_say_nothing)
{
	struct harness *h = harness_create();

	client_sends(h, SETUP_BLOB("\x0a", "\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02") "\0Unix\0");
	client_sends(h, SETUP_BLOB("\xf0", NTLM_NEGOTIATE));
	EXPECT_NO_FIELD(h, "ntlm.type");
	EXPECT_NO_FIELD(h, "tags");
	EXPECT_FIELD(h, "smb.os", "Unix");
	harness_destroy(h);
}

#define TREE_CONNECT_2(offset, length)                                                                                 \
	SMB2("\xfe", "\x03", "\0")                                                                                     \
	"\x09\0\0\0" offset "\0" length "\0"                                                                           \
	"\\\0s\0"
#define CREATE_2(offset, length)                                                                                       \
	SMB2("\xfe", "\x05", "\0")                                                                                     \
	"\x39\0" ZEROES_20 ZEROES_20 "\0\0" offset "\0" length "\0"                                                    \
	"\0\0\0\0\0\0\0\0"                                                                                             \
	"f\0g\0"
#define NEGOTIATED_2(revision) SMB2("\xfe", "\0", "\x01") "\x41\0\x01\0" revision "\0\0"

TEST(version_2_says_dialect_shares_and_files)
{
	struct harness *h = harness_create();

	server_sends(h, NEGOTIATED_2("\xff\x02"));
	EXPECT_NO_FIELD(h, "smb.dialect");
	server_sends(h, NEGOTIATED_2("\x02\x02"));
	EXPECT_FIELD(h, "smb.dialect", "SMB 2.0.2");
	server_sends(h, NEGOTIATED_2("\x11\x03"));
	EXPECT_FIELD(h, "smb.dialect", "SMB 3.1.1");
	client_sends(h, TREE_CONNECT_2("\x48", "\x04"));
	EXPECT_FIELD(h, "smb.share", "\\s");
	client_sends(h, CREATE_2("\x78", "\x04"));
	EXPECT_FIELD(h, "smb.filename", "fg");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_destroy(h);
}

TEST(an_empty_name_of_a_file_is_one_and_that_of_a_share_is_none)
{
	struct harness *h = harness_create();

	client_sends(h, CREATE_2("\x78", "\0"));
	EXPECT_EQ(harness_count(h, "smb.filename"), 1);
	EXPECT_FIELD(h, "smb.filename", "");
	client_sends(h, TREE_CONNECT_2("\x48", "\0"));
	EXPECT_NO_FIELD(h, "smb.share");
	harness_destroy(h);
}

TEST(texts_that_begin_in_the_header_or_end_behind_the_message_are_none)
{
	struct harness *h = harness_create();

	client_sends(h, TREE_CONNECT_2("\x47", "\x04"));
	client_sends(h, TREE_CONNECT_2("\x48", "\x06"));
	client_sends(h, CREATE_2("\x6f", "\x04"));
	client_sends(h, CREATE_2("\x78", "\x06"));
	client_sends(h, SMB2("\xfe", "\x03", "\x01") "\x09\0\0\0\x48\0\x04\0"
						     "\\\0s\0"); /* a response */
	EXPECT_FIELD(h, "protocol", "smb");
	EXPECT_NO_FIELD(h, "smb.share");
	EXPECT_NO_FIELD(h, "smb.filename");
	harness_destroy(h);
}

TEST(other_first_bytes_are_not_smb)
{
	static const char *const others[] = {"\0\0\0\x40\xfdSMB" ZEROES_20, "\0\0\0\x40\xfeSMC" ZEROES_20,
					     "\0\0\0\x40\xfeSM"};
	static const size_t sizes[] = {28, 28, 7};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < 3; i++) {
		harness_tcp(h, 0, others[i], sizes[i]);
		EXPECT_NO_FIELD(h, "protocol");
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(short_messages_are_passed_over)
{
	struct harness *h = harness_create();
	uint64_t memory_bytes;

	client_sends(h, NEGOTIATE_1);
	memory_bytes = harness_memory_bytes(h);
	client(h, "\0\0\0\x05\xffSMB\x75\0\0\0\0\0\0\0\x21\xfeSMB.............................");
	EXPECT_EQ(harness_memory_bytes(h), memory_bytes); /* they do not wait for a header */
	client_sends(h, TREE_CONNECT_2("\x48", "\x04"));
	EXPECT_FIELD(h, "smb.share", "\\s");
	harness_destroy(h);
}

/* WRITE of version 2 with 65536 bytes. */
TEST(contents_are_passed_over_without_being_kept)
{
	static const char zeroes[8192];
	struct harness *h = harness_create();

	client(h, "\0\x01\0\x40" SMB2("\xfe", "\x09", "\0"));
	for (unsigned i = 0; i < 8; i++) {
		EXPECT(harness_tcp(h, 0, zeroes, sizeof(zeroes)));
		EXPECT(harness_memory_bytes(h) < 4096);
	}
	client_sends(h, TREE_CONNECT_2("\x48", "\x04"));
	EXPECT_FIELD(h, "smb.share", "\\s");
	harness_destroy(h);
}

TEST(a_message_that_is_kept_and_too_long_ends_it)
{
	static const char zeroes[8192];
	struct harness *h = harness_create();

	client(h, "\0\x01\0\x40" SMB2("\xfe", "\x03", "\0"));
	server_sends(h, NEGOTIATED_2("\x02\x02"));
	EXPECT(harness_tcp(h, 0, zeroes, sizeof(zeroes)));
	harness_tcp(h, 0, zeroes, 1);
	EXPECT(!harness_is_live(h));
	harness_destroy(h);
}

TEST(missing_contents_do_no_harm_and_missing_messages_end_it)
{
	struct harness *h = harness_create();

	server_sends(h, NEGOTIATED_2("\x02\x02"));
	client(h, "\0\x01\0\x40" SMB2("\xfe", "\x09", "\0"));
	EXPECT(harness_gap(h, 0, 65536));
	client_sends(h, TREE_CONNECT_2("\x48", "\x04"));
	EXPECT_FIELD(h, "smb.share", "\\s");
	harness_gap(h, 0, 1);
	EXPECT(!harness_is_live(h));
	harness_destroy(h);
}
