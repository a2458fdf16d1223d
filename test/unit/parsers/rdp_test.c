/* RDP: the negotiation, the client's own data, messages over segments. */
#include "harness.h"

#define REQUEST "\x03\0\0\x29\x24\xe0\0\0\0\0\0Cookie: mstshash=Ada\r\n\x01\0\x08\0\x0b\0\0\0"
#define CONFIRM "\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0"

TEST(user_and_protocols_of_both_sides)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(REQUEST));
	harness_tcp(h, 1, HARNESS_TEXT(CONFIRM));
	EXPECT_FIELD(h, "protocol", "rdp");
	EXPECT_FIELD(h, "user", "ada");
	EXPECT_FIELD(h, "rdp.requestedProtocols", "ssl,nla,nla-ext");
	EXPECT_FIELD(h, "rdp.selectedProtocol", "nla");
	harness_every_truncation(h);
	harness_every_split(h, sizeof(REQUEST) - 1, NULL);
	harness_destroy(h);
}

/* MCS Connect-Initial whose core data stand directly behind the key. */
static size_t
connect_initial(uint8_t *out)
{
	static const char head[] = "\x03\0\x01\x20\x02\xf0\x80\x7f\x65\x82\x01\x14"
				   "................................Duca\x01\xc0\xd8\0";
	static const char core[] = "\x04\0\x08\0\0\x04\0\x03\x01\xca\x03\xaa\x07\x04\0\0\x28\x0a\0\0P\0C\0";
	size_t size = sizeof(head) - 1;

	memset(out, 0, 0x120);
	memcpy(out, head, size);
	memcpy(out + size, core, sizeof(core) - 1);
	return 0x120;
}

TEST(a_client_in_clear_names_itself)
{
	struct harness *h = harness_create();
	uint8_t mcs[0x120];
	size_t size = connect_initial(mcs);

	harness_tcp(h, 0, HARNESS_TEXT(REQUEST));
	harness_tcp(h, 0, mcs, size);
	EXPECT_FIELD(h, "rdp.clientName", "PC");
	EXPECT_FIELD(h, "rdp.clientBuild", "2600");
	EXPECT_FIELD(h, "rdp.keyboardLayout", "de-DE");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(what_is_no_tpkt_ends_it)
{
	struct harness *h = harness_create();

	harness_tcp(h, 0, HARNESS_TEXT(REQUEST));
	EXPECT(harness_tcp(h, 0, HARNESS_TEXT("\x16\x03\x01\x02\0")));
	harness_tcp(h, 1, HARNESS_TEXT("no answer of RDP"));
	EXPECT(!harness_is_live(h));
	harness_reset(h);
	harness_tcp(h, 0, HARNESS_TEXT("\x03\0\xff\xff\x22\xe0\0\0\0\0\0\x01\0\x08\0\0\0\0\0"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}
