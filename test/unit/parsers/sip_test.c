/* SIP. */
#include "harness.h"

#include <stdlib.h>
#include <time.h>

#define DATAGRAM(h, direction, text) harness_udp(h, direction, HARNESS_TEXT(text))
#define SEGMENT(h, direction, text)  harness_tcp(h, direction, HARNESS_TEXT(text))

static const char registration[] = "REGISTER sip:imstest.example SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n"
				   "Max-Forwards: 70\r\n"
				   "To: <sip:alice@imstest.example>\r\n"
				   "From: \"Alice\" <sip:alice@imstest.example>;tag=1\r\n"
				   "Call-ID: 5PC5dBCGDQ0csFmFPQXQjE57\r\n"
				   "CSeq: 1 REGISTER\r\n"
				   "Contact: <sip:alice@192.0.2.1:5060>;+sip.instance=\"<urn:x>\"\r\n"
				   "Authorization: Digest username=\"263734@imstest.example\",realm=\"x\"\r\n"
				   "User-Agent: iOS/8.1 (12B411) iPhone\r\n"
				   "Content-Length: 0\r\n\r\n";

static const char refusal[] = "SIP/2.0 401 Unauthorized\r\n"
			      "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport=5060\r\n"
			      "To: <sip:alice@imstest.example>;tag=2\r\n"
			      "From: \"Alice\" <sip:alice@imstest.example>;tag=1\r\n"
			      "Call-ID: 5PC5dBCGDQ0csFmFPQXQjE57\r\n"
			      "WWW-Authenticate: Digest realm=\"x\"\r\n"
			      "Content-Length: 0\r\n\r\n";

static void
expect_registration(const struct harness *h)
{
	EXPECT_FIELD(h, "protocol", "sip");
	EXPECT_FIELD(h, "sip.method", "REGISTER");
	EXPECT_FIELD(h, "sip.statuscode", "401");
	EXPECT_FIELD(h, "sip.callid", "5PC5dBCGDQ0csFmFPQXQjE57");
	EXPECT_FIELD(h, "sip.from", "\"Alice\" <sip:alice@imstest.example>;tag=1");
	EXPECT_FIELD(h, "sip.to", "<sip:alice@imstest.example>,<sip:alice@imstest.example>;tag=2");
	EXPECT_FIELD(h, "sip.user", "alice,263734@imstest.example");
	EXPECT_FIELD(h, "sip.useragent", "iOS/8.1 (12B411) iPhone");
	EXPECT_FIELD(h, "sip.contact", "<sip:alice@192.0.2.1:5060>;+sip.instance=\"<urn:x>\"");
	EXPECT_FIELD(h, "sip.via",
		     "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport,"
		     "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport=5060");
}

TEST(datagrams_say_who_registers_and_what_comes_of_it)
{
	struct harness *h = harness_create();

	EXPECT(DATAGRAM(h, 0, registration));
	EXPECT(DATAGRAM(h, 1, refusal));
	expect_registration(h);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(streams_say_the_same)
{
	struct harness *h = harness_create();

	EXPECT(SEGMENT(h, 0, registration));
	EXPECT(SEGMENT(h, 1, refusal));
	expect_registration(h);
	EXPECT(harness_memory_bytes(h) < 1024);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_stream_may_be_cut_anywhere)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0,
		"INVITE sip:b SIP/2.0\r\nf:sip:u@x\r\nL:11\r\n\r\nv:no\r\n\r\n...\r\n\r\n"
		"BYE sip:b SIP/2.0\r\nI: 2\r\n\r\n");
	SEGMENT(h, 1, "SIP/2.0 200 OK\r\nt: sip:w@x\r\nl:4\r\n\r\nv:no\r\n\r\n\r\nSIP/2.0 486 \r\n\r\n");
	EXPECT_FIELD(h, "sip.method", "INVITE,BYE");
	EXPECT_FIELD(h, "sip.statuscode", "200,486");
	EXPECT_FIELD(h, "sip.from", "sip:u@x");
	EXPECT_FIELD(h, "sip.to", "sip:w@x");
	EXPECT_FIELD(h, "sip.user", "u,w");
	EXPECT_FIELD(h, "sip.callid", "2");
	EXPECT_NO_FIELD(h, "sip.via");
	harness_every_truncation(h);
	harness_every_split(h, 20, NULL);
	harness_destroy(h);
}

TEST(the_first_payload_says_whether_it_is_sip)
{
	static const char before_version[] = "OPTIONS sip:";
	static const struct {
		const char *text;
		bool is_sip;
	} first[] = {
		{"SIP/2.0 200 ", true},
		{"SIP/2.0 200", false}, /* 11 bytes */
		{"SIP/2.0\r\n\r\n\r\n", true},
		{"INVITE sip:x SIP/2.0\r\n", true},
		{"REGISTER sip:x SIP/2.0\r\n", true},
		{"OPTIONS sip:x SIP/2.0\r\n", true},
		{"NOTIFY sip:x SIP/2.0\r\n", true},
		{"NOTIFY sip:x SIP/1.0\r\n", false},
		{"NOTIFY sips:x SIP/2.0\r\n", false},
		{"ACK sip:x SIP/2.0\r\n", false},
		{"invite sip:x SIP/2.0\r\n", false},
		{" SIP/2.0 200 OK\r\n", false},
	};
	struct harness *h = harness_create();
	char far[256];

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		for (unsigned tcp = 0; tcp < 2; tcp++) {
			(void)(tcp ? harness_tcp : harness_udp)(h, 0, first[i].text, strlen(first[i].text));
			if (harness_has(h, "protocol", "sip") != first[i].is_sip)
				test_fail(__FILE__, __LINE__, first[i].text);
			harness_reset(h);
		}
	for (size_t end = 199; end <= 202; end++) {
		memset(far, 'a', sizeof(far));
		memcpy(far, before_version, sizeof(before_version) - 1);
		memcpy(far + end - 7, "SIP/2.0", 7);
		(void)harness_udp(h, 0, far, sizeof(far));
		EXPECT_EQ(harness_has(h, "protocol", "sip"), end <= 200);
		harness_reset(h);
	}
	harness_destroy(h);
}

/* A datagram of a session that is SIP already. */
static struct harness *
after_first(struct harness *h, const char *text)
{
	harness_reset(h);
	DATAGRAM(h, 0, "SIP/2.0 \r\n\r\n\r\n");
	EXPECT(harness_udp(h, 0, text, strlen(text)));
	return h;
}

TEST(start_lines)
{
	static const struct {
		const char *line, *method, *status;
	} start[] = {
		{"ACK x SIP/2.0\r\n", "ACK", NULL},
		{"BYE x SIP/2.0\n", "BYE", NULL},
		{"CANCEL sip:x SIP/2.0\r\n", "CANCEL", NULL},
		{"INVITE sip:x SIP/2.0\r\n", "INVITE", NULL},
		{"INFO sip:x SIP/2.0\r\n", "INFO", NULL},
		{"MESSAGE tel:1 SIP/2.0\r\n", "MESSAGE", NULL},
		{"NOTIFY sip:x SIP/2.0\r\n", "NOTIFY", NULL},
		{"OPTIONS sip:x SIP/2.0\r\n", "OPTIONS", NULL},
		{"PRACK sip:x SIP/2.0\r\n", "PRACK", NULL},
		{"PUBLISH sip:x SIP/2.0\r\n", "PUBLISH", NULL},
		{"REGISTER sip:x SIP/2.0\r\n", "REGISTER", NULL},
		{"REFER sip:x SIP/2.0\r\n", "REFER", NULL},
		{"SUBSCRIBE sip:x SIP/2.0\r\n", "SUBSCRIBE", NULL},
		{"UPDATE sip:x SIP/2.0\r\n", "UPDATE", NULL},
		{"\r\n\r\nUPDATE sip:x SIP/2.0\r\n", "UPDATE", NULL},
		{"ACK  SIP/2.0\r\n", NULL, NULL}, /* one byte short */
		{"ACK x SIP/2.0", NULL, NULL},	  /* no line */
		{"ACK sip:x SIP/1.0\r\n", NULL, NULL},
		{"Ack sip:x SIP/2.0\r\n", NULL, NULL},
		{"ACKNOW sip:x SIP/2.0\r\n", NULL, NULL},
		{" ACK sip:x SIP/2.0\r\n", NULL, NULL},
		{"GET sip:x SIP/2.0\r\n", NULL, NULL},
		{"SIP/2.0 100 Trying\r\n", NULL, "100"},
		{"SIP/2.0 699 \r\n", NULL, "699"},
		{"SIP/2.0 99 OK\r\n", NULL, NULL},
		{"SIP/2.0 700 x\r\n", NULL, NULL},
		{"SIP/2.0 200\r\n", NULL, NULL},
		{"SIP/2.0 200 \r\n", NULL, "200"},
		{"SIP/2.0 -200 x\r\n", NULL, NULL},
		{"SIP/2.0 4294967496 x\r\n", NULL, NULL},
		{"SIP/2.0 18446744073709551816 x\r\n", NULL, NULL},
		{"SIP/2.01200 OK\r\n", NULL, NULL},
	};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
		const char *method, *status;

		after_first(h, start[i].line);
		method = start[i].method;
		status = start[i].status;
		if (harness_count(h, "sip.method") != (method != NULL) ||
		    (method != NULL && !harness_has(h, "sip.method", method)) ||
		    harness_count(h, "sip.statuscode") != (status != NULL) ||
		    (status != NULL && !harness_has(h, "sip.statuscode", status)))
			test_fail(__FILE__, __LINE__, start[i].line);
	}
	harness_destroy(h);
}

TEST(headers_are_known_by_their_whole_name_in_any_case)
{
	struct harness *h = harness_create();

	after_first(h, "garbage\r\ncall-id:a\r\nI: \t b \r\nFROM: <tel:1>\r\nf:2\r\nto: 3\r\nT:4\r\nuser-agent: 5\n"
		       "VIA: 6\nV: 7, 8\r\ncontact:9\r\nM:10\r\n");
	EXPECT_FIELD(h, "sip.callid", "a,b ");
	EXPECT_FIELD(h, "sip.from", "<tel:1>,2");
	EXPECT_FIELD(h, "sip.to", "3,4");
	EXPECT_FIELD(h, "sip.useragent", "5");
	EXPECT_FIELD(h, "sip.via", "6,7, 8");
	EXPECT_FIELD(h, "sip.contact", "9,10");
	harness_every_truncation(h);
	after_first(h, "x\r\nCall-ID :a\r\nCall:b\r\n i:c\r\nX-Call-ID:d\r\ni:\r\ni: \t \r\ni\r\n:e\r\nii:f\r\ni:g");
	EXPECT_NO_FIELD(h, "sip.callid");
	after_first(h, "x\r\ni:a\r\n\r\ni:b\r\n");
	EXPECT_FIELD(h, "sip.callid", "a");
	after_first(h, "x\ni:a\n\ni:b\n");
	EXPECT_FIELD(h, "sip.callid", "a");
	harness_destroy(h);
}

TEST(users_of_addresses_and_credentials)
{
	static const struct {
		const char *header, *user;
	} headers[] = {
		{"From: <sip:alice@x>", "alice"},
		{"To: <SIP:al%20ice@x>;tag=1", "al%20ice"},
		{"f: sips:alice@x", "alice"},
		{"t: sips:a@x sip:b@x", "b"},
		{"t: sip:a:secret@x, sip:b@x", "a:secret"},
		{"From: <sip:x.example>;tag=a@b", NULL},
		{"From: <sip:x;user=a@b>", NULL},
		{"From: <sip:al ice@x>", NULL},
		{"From: <sip:@x>", NULL},
		{"From: <sip:alice", NULL},
		{"From: sip:", NULL},
		{"From: <tel:+1>", NULL},
		{"Contact: <sip:alice@x>", NULL},
		{"Via: sip:alice@x", NULL},
		{"Authorization: Digest USERNAME=\"bob\", realm=\"x\"", "bob"},
		{"authorization: Digest realm=\"x\",username=\"bob@x\"", "bob@x"},
		{"Authorization: Digest username=\"\"", NULL},
		{"Authorization: Digest username=\"bob", NULL},
		{"Authorization: Digest username=bob", NULL},
		{"Authorization: Digest username=\"", NULL},
		{"Proxy-Authorization: Digest username=\"bob\"", NULL},
	};
	struct harness *h = harness_create();
	char text[256];

	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		snprintf(text, sizeof(text), "x\r\n%s\r\n\r\n", headers[i].header);
		after_first(h, text);
		if (harness_count(h, "sip.user") != (headers[i].user != NULL) ||
		    (headers[i].user != NULL && !harness_has(h, "sip.user", headers[i].user)))
			test_fail(__FILE__, __LINE__, headers[i].header);
		harness_every_truncation(h);
	}
	harness_destroy(h);
}

TEST(every_datagram_of_a_session_is_read)
{
	struct harness *h = harness_create();
	char text[64];

	for (unsigned i = 0; i < 300; i++) {
		int size = snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\ni:%u\r\nl:999\r\n\r\n", i);

		EXPECT(harness_udp(h, i % 2, text, (size_t)size));
		EXPECT(DATAGRAM(h, i % 2, "\r\n\r\n"));
	}
	EXPECT_EQ(harness_count(h, "sip.callid"), 300);
	harness_destroy(h);
}

TEST(requests_that_http_knows_too_are_both)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0, "OPTIONS sip:probe@edge.example SIP/2.0\r\nTo: <sip:probe@edge.example>\r\n\r\n");
	EXPECT(harness_has(h, "protocol", "sip"));
	EXPECT(harness_has(h, "protocol", "http"));
	EXPECT_FIELD(h, "sip.method", "OPTIONS");
	EXPECT_FIELD(h, "sip.user", "probe");
	harness_destroy(h);
}

/* A message whose headers have 'size' bytes with the empty line. */
static char *
long_message(size_t size)
{
	static const char start[] = "INVITE sip:x SIP/2.0\r\nX: ", end[] = "\r\ni:1\r\n\r\n";
	char *text = malloc(size);

	memset(text, 'a', size);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + size - (sizeof(end) - 1), end, sizeof(end) - 1);
	return text;
}

TEST(headers_in_a_stream_have_a_limit)
{
	struct harness *h = harness_create();

	for (size_t size = 8190; size <= 8194; size++)
		for (size_t first = 100; first < size; first += 997) {
			char *text = long_message(size);
			bool fits = size <= 8192;

			EXPECT(SEGMENT(h, 1, "SIP/2.0 100 Trying\r\n\r\n"));
			EXPECT_EQ(harness_tcp(h, 0, text, first) && harness_tcp(h, 0, text + first, size - first),
				  fits);
			EXPECT_EQ(harness_count(h, "sip.callid"), fits);
			EXPECT_EQ(harness_has(h, "tags", "sip:headers-too-long"), !fits);
			EXPECT_EQ(harness_is_live(h), fits);
			harness_reset(h);
			free(text);
		}
	harness_destroy(h);
}

TEST(messages_in_large_segments_are_read)
{
	enum { MESSAGES = 15, BODY = 3000 };
	static const char message[] = "SIP/2.0 200 OK\r\ni:1\r\nl: 3000\r\n\r\n";
	size_t each = sizeof(message) - 1 + BODY;
	char *chunk = malloc(MESSAGES * each);
	struct harness *h = harness_create();

	memset(chunk, 'b', MESSAGES * each);
	for (unsigned i = 0; i < MESSAGES; i++) {
		memcpy(chunk + i * each, message, sizeof(message) - 1);
		chunk[i * each + strlen("SIP/2.0 200 OK\r\ni:")] = (char)('a' + i);
	}
	EXPECT(harness_tcp(h, 0, chunk, MESSAGES * each));
	EXPECT_FIELD(h, "sip.callid", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o");
	EXPECT(!harness_has(h, "tags", "sip:headers-too-long"));
	harness_destroy(h);
	free(chunk);
}

TEST(a_body_is_as_long_as_its_last_length_says)
{
	static const struct {
		const char *length;
		bool is_next_read;
	} lengths[] = {
		{"l:0", true},
		{"Content-Length: 12", false},
		{"content-length:12\r\nl:0", true},
		{"l:0\r\nl:\r\nl:12", false},
		{"l:12\r\nl: \t", false},
		{"l: \t12 bytes", false},
		{"l:-12", true},
		{"l:twelve", true},
		{"l:4294967295", false},
		{"l:4294967296", false},
		{"l:18446744073709551616", false},
		{"l:99999999999999999999999999999999", false},
	};
	struct harness *h = harness_create();
	char text[256];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int size = snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n%s\r\n\r\ni:1\r\nv:2\r\n\r\n",
				    lengths[i].length);

		EXPECT(harness_tcp(h, 0, text, (size_t)size));
		EXPECT_EQ(harness_count(h, "sip.via"), lengths[i].is_next_read);
		EXPECT(harness_memory_bytes(h) < 1024);
		harness_every_truncation(h);
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(a_body_that_comes_in_pieces_is_passed_over)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0, "INVITE sip:x SIP/2.0\r\nl: 30\r\n\r\n0123456789");
	SEGMENT(h, 1, "SIP/2.0 100 Trying\r\n\r\n");
	SEGMENT(h, 0, "i:1\r\n\r\n...");
	SEGMENT(h, 0, "0123456789BYE sip:x SIP/2.0\r\n");
	EXPECT_FIELD(h, "sip.method", "INVITE");
	SEGMENT(h, 0, "\r\n");
	EXPECT_FIELD(h, "sip.method", "INVITE,BYE");
	EXPECT_NO_FIELD(h, "sip.callid");
	harness_destroy(h);
}

TEST(a_line_end_without_carriage_return_ends_no_message)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0, "SIP/2.0 200 OK\ni:1\n\nv:2\n\n");
	EXPECT_NO_FIELD(h, "sip.callid");
	SEGMENT(h, 0, "\r\n\r\n");
	EXPECT_FIELD(h, "sip.callid", "1");
	EXPECT_NO_FIELD(h, "sip.via");
	harness_destroy(h);
}

TEST(a_stream_is_read_for_201_chunks)
{
	struct harness *h = harness_create();
	char text[64];
	bool wants_more = true;

	for (unsigned i = 0; i < 205; i++) {
		int size = snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\ni:%u\r\n\r\n", i);

		EXPECT_EQ(wants_more, i < 201);
		wants_more = harness_tcp(h, i % 2, text, (size_t)size);
	}
	EXPECT_EQ(harness_count(h, "sip.callid"), 201);
	EXPECT(harness_has(h, "sip.callid", "200"));
	harness_destroy(h);
}

TEST(behind_a_hole_reading_goes_on_with_the_next_message)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0, "INVITE sip:x SIP/2.0\r\ni:1\r\n");
	EXPECT(harness_gap(h, 0, 10));
	EXPECT(SEGMENT(h, 0, "i:2\r\n\r\n"));
	EXPECT(SEGMENT(h, 1, "SIP/2.0 200 OK\r\ni:3\r\n\r\n"));
	EXPECT(SEGMENT(h, 0, "more of a body\r\n\r\n"));
	EXPECT(SEGMENT(h, 0, "\r\nBYE sip:x SIP/2.0\r\ni:"));
	EXPECT(SEGMENT(h, 0, "4\r\n\r\n"));
	EXPECT_FIELD(h, "sip.callid", "3,4");
	EXPECT_FIELD(h, "sip.method", "BYE");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_hole_within_a_body_loses_nothing)
{
	struct harness *h = harness_create();

	SEGMENT(h, 0, "INVITE sip:x SIP/2.0\r\nl: 20\r\n\r\n01234");
	EXPECT(harness_gap(h, 0, 10));
	EXPECT(SEGMENT(h, 0, "56789i:5\r\n"));
	EXPECT(SEGMENT(h, 0, "i:6\r\nl:4\r\n\r\n"));
	EXPECT_FIELD(h, "sip.callid", "6");
	EXPECT(harness_gap(h, 0, 5));
	EXPECT(SEGMENT(h, 0, "x\r\ni:7\r\n\r\n"));
	EXPECT_FIELD(h, "sip.callid", "6");
	EXPECT(SEGMENT(h, 0, "SIP/2.0 200 OK\r\ni:8\r\n\r\n"));
	EXPECT_FIELD(h, "sip.callid", "6,8");
	harness_destroy(h);
}

struct repeated {
	const char *before, *text;
};

/* Datagrams of 'size' bytes. */
static double
cost(const void *what, size_t size)
{
	const struct repeated *r = what;
	struct harness *h = harness_create();
	size_t used = strlen(r->before);
	char *datagram = malloc(size);
	double begin, took;

	memcpy(datagram, r->before, used);
	for (size_t i = used; i < size; i++)
		datagram[i] = r->text[(i - used) % strlen(r->text)];
	DATAGRAM(h, 0, "SIP/2.0 \r\n\r\n\r\n");
	begin = test_cpu_seconds();
	for (unsigned i = 0; i < 8; i++)
		(void)harness_udp(h, 0, datagram, size);
	took = test_cpu_seconds() - begin;
	harness_destroy(h);
	free(datagram);
	return took;
}

static void
expect_linear(const char *before, const char *text)
{
	enum { SIZE = 8000, TIMES = 8 };

	EXPECT(test_grows_at_most(cost, &(struct repeated){before, text}, SIZE, (size_t)SIZE * TIMES, 2 * TIMES, 0.01));
}

TEST(time_is_linear_in_hostile_datagrams)
{
	expect_linear("", "\r\n");
	expect_linear("x\r\n", "v:x\n");
	expect_linear("x\r\n", "f:sip:\n");
	expect_linear("x\r\nf:", "sip:");
	expect_linear("x\r\nf:", "sisi");
	expect_linear("x\r\nAuthorization:", "username=");
	expect_linear("x\r\nl:", "9");
	expect_linear("x\r\n", ":");
	expect_linear("", "SIP/2.");
}
