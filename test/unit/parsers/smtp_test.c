/* SMTP and the mails in it. */
#include "harness.h"

#include <stdlib.h>
#include <time.h>

#define GREETING "220 mail.example.com ESMTP\r\n"
#define ENVELOPE "EHLO client.example\r\nMAIL FROM:<Alice@Example.com> SIZE=9\r\nRCPT TO: <bob@example.com>\r\n"
#define DATA	 ENVELOPE "DATA\r\n"

#define client(h, text) ((void)harness_tcp(h, 0, HARNESS_TEXT(text)))
#define server(h, text) ((void)harness_tcp(h, 1, HARNESS_TEXT(text)))

enum { GREETING_BYTES = 5 }; /* what classification looks at */

/* A session with one mail of these bytes. */
static struct harness *
mail(const char *message)
{
	struct harness *h = harness_create("parseSMTPHeaderAll=true", "supportSha256=true",
					   "smtpIpHeaders=X-Originating-IP:;X-From-IP");

	server(h, GREETING);
	client(h, DATA);
	(void)harness_tcp(h, 0, message, strlen(message));
	return h;
}

TEST(envelope_and_hello_are_recorded_in_lower_case)
{
	struct harness *h = harness_create();

	server(h, GREETING);
	client(h, ENVELOPE);
	EXPECT_FIELD(h, "protocol", "smtp");
	EXPECT_FIELD(h, "email.smtpHello", "client.example");
	EXPECT_FIELD(h, "email.src", "alice@example.com");
	EXPECT_FIELD(h, "email.dst", "bob@example.com");
	harness_every_truncation(h);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(an_empty_sender_is_a_value)
{
	struct harness *h = harness_create();

	client(h, "EHLO x\r\nMAIL FROM:<>\r\n");
	EXPECT_FIELD(h, "email.src", "");
	EXPECT_EQ(harness_count(h, "email.src"), 1);
	harness_destroy(h);
}

TEST(a_greeting_without_the_word_smtp_is_left_to_others)
{
	struct harness *h = harness_create("disableParsers=ftp.so");

	(void)harness_tcp(h, 0, HARNESS_TEXT("220 files.example ready\r\n"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	(void)harness_tcp(h, 0, HARNESS_TEXT("EHLO\r\n"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(a_greeting_may_come_in_pieces)
{
	struct harness *h = harness_create("disableParsers=ftp.so");

	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("220 mail.exam")));
	EXPECT_NO_FIELD(h, "protocol");
	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("ple.com ESM")));
	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("TP\r\n")));
	EXPECT_FIELD(h, "protocol", "smtp");
	client(h, ENVELOPE);
	EXPECT_FIELD(h, "email.dst", "bob@example.com");
	harness_destroy(h);
}

TEST(a_client_is_known_by_its_hello_while_the_greeting_says_nothing)
{
	struct harness *h = harness_create();

	(void)harness_tcp(h, 1, HARNESS_TEXT("220 Greet"));
	(void)harness_tcp(h, 1, HARNESS_TEXT("ings\r\n"));
	EXPECT(harness_has(h, "protocol", "ftp"));
	client(h, "EHLO testhost\r\n");
	EXPECT_FIELD(h, "protocol", "smtp");
	EXPECT_FIELD(h, "email.smtpHello", "testhost");
	EXPECT_NO_FIELD(h, "ftp.banner");
	harness_destroy(h);
}

TEST(headers_go_to_their_fields)
{
	struct harness *h = mail("From: \"Doe, Alice\" <Alice@Example.com>\r\n"
				 "To: bob@example.com, Carol <carol@example.org>;, <dave@example.net>\r\n"
				 "Cc: eve@example.com\r\n"
				 "Message-ID: <1.2@example.com>\r\n"
				 "Subject: plain\r\n"
				 "X-Mailer: Pigeon 1.0\r\n"
				 "MIME-Version: 1.0\r\n"
				 "Content-Type: text/plain; charset=utf-8\r\n"
				 "X-Originating-IP: [10.1.2.3]\r\n"
				 "x-from-ip: 2001:db8::1\r\n"
				 "List-Id:\r\n"
				 "X-Long: a\r\n\t b\r\n"
				 "\r\nbody: no header\r\n.\r\n");

	EXPECT_FIELD(h, "email.src", "alice@example.com");
	EXPECT_FIELD(h, "email.dst", "bob@example.com,carol@example.org,dave@example.net,eve@example.com");
	EXPECT_FIELD(h, "email.id", "1.2@example.com");
	EXPECT_FIELD(h, "email.subject", "plain");
	EXPECT_FIELD(h, "email.useragent", "Pigeon 1.0");
	EXPECT_FIELD(h, "email.mimeVersion", "1.0");
	EXPECT_FIELD(h, "email.contentType", "text/plain; charset=utf-8");
	EXPECT_EQ(harness_count(h, "email.ip"), 2);
	EXPECT_EQ(harness_count(h, "email.header"), 12);
	EXPECT_FIELD(h, "email.headerField", "list-id,x-long");
	EXPECT_FIELD(h, "email.headerValue", ",a  b");
	server(h, "250 queued\r\n");
	EXPECT_FIELD(h, "tags", "smtp:statuscode:250");
	harness_every_truncation(h);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(header_values_are_recorded_only_when_they_are_asked_for)
{
	struct harness *h = harness_create();

	client(h, DATA "X-Test: 1\r\n\r\n.\r\n");
	EXPECT_FIELD(h, "email.header", "x-test");
	EXPECT_NO_FIELD(h, "email.headerValue");
	harness_destroy(h);
}

TEST(the_conf_names_headers_with_fields_of_their_own)
{
	struct harness *h =
		harness_create("parseSMTPHeaderAll=true", "[headers-email]\n"
							  "X-Priority = type:integer;unique:true;count:true\n"
							  "x-trace = type:string;unique:false\n"
							  "x-relay = type:ip\n"
							  "subject = type:string\n");

	client(h, DATA "X-Priority: 3\r\nX-Trace: a\r\nX-Trace: a\r\nX-Relay: 10.0.0.9\r\nX-Priority: no\r\n"
		       "Subject: s\r\nX-Other: o\r\n\r\n.\r\n");
	EXPECT_FIELD(h, "email.header-x-priority", "3");
	EXPECT_FIELD(h, "email.header-x-trace", "a,a");
	EXPECT_EQ(harness_count(h, "email.header-x-relay"), 1);
	EXPECT_FIELD(h, "email.subject", "s");
	EXPECT_FIELD(h, "email.headerField", "x-other");
	harness_destroy(h);
}

TEST(received_headers_say_the_way)
{
	struct harness *h = mail("Received: from A.example (b.example [10.0.0.1]:25)\r\n"
				 "\tby C.example with ESMTP (envelope-from <x@y.example>)\r\n"
				 "Received: (from root@Localhost) by d.example ; some day\r\n"
				 "Received: from [10.0.0.2] (helo=[IPv6:2001:db8::2]) by e.example with x\r\n\r\n");

	EXPECT_FIELD(h, "email.host", "a.example,c.example,localhost,d.example,e.example");
	EXPECT_EQ(harness_count(h, "email.ip"), 3);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(subjects_are_decoded)
{
	struct harness *h = mail("Subject: =?iso-8859-1?Q?=E5_=E9?= =?utf-8?B?w7w=?=\r\n =?KOI8-R?B?0NI=?=\r\n\r\n");

	EXPECT_FIELD(h, "email.subject", "\xc3\xa5 \xc3\xa9\xc3\xbc\xd0\xbf\xd1\x80");
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(a_subject_without_a_blank_is_tagged)
{
	struct harness *h = mail("Subject:x\r\n\r\n");

	EXPECT_FIELD(h, "email.subject", "x");
	EXPECT_FIELD(h, "tags", "smtp:missing-subject-space");
	harness_destroy(h);
}

/* The attachment begins with "%PDF-"; its sums are those of md5sum and sha256sum. */
#define MULTIPART                                                                                                      \
	"Content-Type: multipart/mixed;\r\n boundary=\"b1\"\r\n\r\npreamble\r\n"                                       \
	"--b1\r\nContent-Type: multipart/alternative; BOUNDARY=b2\r\n\r\n"                                             \
	"--b2\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b2--\r\n"                                                   \
	"--b1\r\nContent-Disposition: attachment;\r\n\tfilename=\"=?utf-8?Q?r=C3=A9sum=C3=A9?=.txt\"\r\n"              \
	"Content-Transfer-Encoding: BASE64\r\n\r\n"                                                                    \
	"JVBERi1oZWxsbyBhdHRhY2htZW50Cgpo\r\nZWxsbyBhdHRhY2htZW50Cg==\r\n"                                             \
	"--b1--\r\n"

TEST(attachments_have_names_digests_and_types)
{
	struct harness *h = mail(MULTIPART ".\r\nQUIT\r\n");

	EXPECT_FIELD(h, "email.filename", "r\xc3\xa9sum\xc3\xa9.txt");
	EXPECT_FIELD(h, "email.bodyMagic", "application/pdf");
	EXPECT_FIELD(h, "email.md5", "428b7b0f618044da834cb4f0fc423b9d");
	EXPECT_FIELD(h, "email.sha256", "dee9b184133db1fd902ba581f5597dcc8b11730884b591e847d6644f231b0996");
	harness_every_truncation(h);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(an_attachment_whose_end_was_not_seen_has_no_digest)
{
	struct harness *h = mail("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
				 "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n.\r\n");

	EXPECT_NO_FIELD(h, "email.md5");
	harness_destroy(h);
}

TEST(chunks_of_bdat_are_one_message_however_they_are_cut)
{
	static const char message[] = "Subject: chunked\r\n" MULTIPART;
	size_t size = sizeof(message) - 1 - 2; /* the last line needs no CRLF */
	struct harness *h = harness_create();

	for (size_t step = 1; step < size; step += 7) {
		client(h, ENVELOPE);
		for (size_t at = 0; at < size; at += step) {
			size_t n = size - at < step ? size - at : step;
			char command[64];

			snprintf(command, sizeof(command), "BDAT %zu%s\r\n", n, at + n == size ? " LAST" : "");
			(void)harness_tcp(h, 0, command, strlen(command));
			(void)harness_tcp(h, 0, message + at, n);
		}
		client(h, "MAIL FROM:<second@example.com>\r\n");
		EXPECT_FIELD(h, "email.subject", "chunked");
		EXPECT_FIELD(h, "email.md5", "428b7b0f618044da834cb4f0fc423b9d");
		EXPECT(harness_has(h, "email.src", "second@example.com"));
		harness_reset(h);
	}
	harness_destroy(h);
}

TEST(the_second_mail_of_bdat_has_headers_too)
{
	struct harness *h = harness_create();

	client(h, ENVELOPE "BDAT 14 LAST\r\nSubject: one\r\n" ENVELOPE
			   "BDAT 0\r\nBDAT 14 LAST\r\nSubject: two\r\nQUIT\r\n");
	EXPECT_FIELD(h, "email.subject", "one,two");
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(bdat_of_no_size_ends_the_parser)
{
	struct harness *h = harness_create();

	(void)harness_tcp(h, 0, HARNESS_TEXT(ENVELOPE "BDAT -1 LAST\r\nRCPT TO:<late@example.com>\r\n"));
	EXPECT_FIELD(h, "email.dst", "bob@example.com");
	EXPECT_FIELD(h, "tags", "smtp:bad-bdat");
	harness_reset(h);
	(void)harness_tcp(h, 0, HARNESS_TEXT(ENVELOPE "BDAT 18446744073709551630 LAST\r\n"));
	EXPECT_FIELD(h, "tags", "smtp:bad-bdat");
	harness_destroy(h);
}

TEST(users_of_auth_are_recorded)
{
	struct harness *h = harness_create();

	client(h,
	       "EHLO x\r\nAUTH LOGIN\r\nQm9i\r\ncGFzcw==\r\nAUTH LOGIN Q2Fyb2w=\r\nAUTH PLAIN\r\nAGRhdmUAcGFzcw==\r\n"
	       "AUTH PLAIN AEV2ZQBwYXNz\r\nAUTH LOGIN\r\n*\r\n");
	EXPECT_FIELD(h, "user", "bob,carol,dave,eve");
	EXPECT_FIELD(h, "tags", "smtp:authlogin,smtp:authplain");
	harness_every_truncation(h);
	harness_every_split(h, GREETING_BYTES, NULL);
	harness_destroy(h);
}

TEST(ntlm_messages_are_read_on_both_sides)
{
	struct harness *h = harness_create();

	client(h, "EHLO x\r\nAUTH NTLM\r\n");
	server(h, "334 ntlm supported\r\n");
	client(h, "TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=\r\n");
	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT(harness_has(h, "protocol", "ntlm"));
	EXPECT_FIELD(h, "tags", "smtp:authntlm");
	harness_destroy(h);
}

TEST(starttls_hands_over_and_a_refusal_does_not)
{
	struct harness *h = harness_create();

	client(h, "EHLO x\r\nSTARTTLS\r\n");
	EXPECT_FIELD(h, "tags", "smtp:starttls");
	server(h, "454 no\r\n");
	client(h, "MAIL FROM:<a@b.example>\r\n");
	EXPECT_FIELD(h, "email.src", "a@b.example");
	client(h, "STARTTLS\r\n");
	client(h, "\x16\x03\x01");
	client(h, "MAIL FROM:<c@d.example>\r\n");
	EXPECT_FIELD(h, "email.src", "a@b.example");
	harness_destroy(h);
}

TEST(only_cr_ends_a_line)
{
	struct harness *h = mail("Subject: x\r\n\r\nbody\n.\nMAIL FROM:<z@z.example>\r\n.\r\n");

	server(h, "250 ok\r\n");
	EXPECT_FIELD(h, "email.src", "alice@example.com");
	EXPECT_FIELD(h, "tags", "smtp:statuscode:250");
	harness_destroy(h);
}

TEST(a_line_that_is_too_long_ends_the_parser)
{
	enum { SIZE = 10001 };
	char *line = malloc(SIZE);
	struct harness *h = harness_create();

	memset(line, 'a', SIZE);
	server(h, GREETING);
	client(h, "EHLO x\r\n");
	EXPECT(harness_tcp(h, 0, line, SIZE - 1));
	EXPECT(harness_tcp(h, 0, "\r\n", 2));
	EXPECT_NO_FIELD(h, "tags");
	EXPECT(!harness_tcp(h, 0, line, SIZE));
	EXPECT_FIELD(h, "tags", "smtp:line-too-long");
	harness_reset(h);
	server(h, GREETING);
	client(h, DATA "Subject: x\r\n");
	for (unsigned i = 0; i < 99; i++)
		EXPECT(harness_tcp(h, 0,
				   HARNESS_TEXT(" 45678901234567890123456789012345678901234567890"
						"1234567890123456789012345678901234567890123456789012\r\n")));
	EXPECT(harness_tcp(h, 0, HARNESS_TEXT(" ")));
	EXPECT_NO_FIELD(h, "tags");
	EXPECT(!harness_tcp(h, 0, line, 200) || !harness_tcp(h, 0, HARNESS_TEXT("\r\n")));
	EXPECT_FIELD(h, "tags", "smtp:line-too-long");
	harness_destroy(h);
	free(line);
}

TEST(bytes_that_are_lost_cost_a_line_and_no_mail)
{
	struct harness *h = harness_create();

	client(h, "EHLO x\r\nMAIL FR");
	EXPECT(harness_gap(h, 0, 20));
	client(h, "rest\r\nRCPT TO:<bob@example.com>\r\nBDAT 40 LAST\r\n0123456789");
	EXPECT(harness_gap(h, 0, 30));
	client(h, "RCPT TO:<carol@example.com>\r\n");
	EXPECT_FIELD(h, "email.dst", "bob@example.com,carol@example.com");
	EXPECT_NO_FIELD(h, "email.src");
	harness_destroy(h);
}

struct repeated {
	const char *before, *text;
};

/* 'n' times this text from the client, in chunks of about 1 KB. */
static double
cost(const void *what, size_t n)
{
	const struct repeated *r = what;
	struct harness *h = harness_create();
	size_t size = strlen(r->text), each = size < 1024 ? 1024 / size : 1;
	char *chunk = malloc(size * each);
	double begin, took;

	for (size_t i = 0; i < each; i++)
		memcpy(chunk + i * size, r->text, size);
	(void)harness_tcp(h, 0, r->before, strlen(r->before));
	begin = test_cpu_seconds();
	for (unsigned i = 0; i < n; i++)
		(void)harness_tcp(h, 0, chunk, size * each);
	took = test_cpu_seconds() - begin;
	harness_destroy(h);
	free(chunk);
	return took;
}

static void
expect_linear(const char *before, const char *text)
{
	enum { CHUNKS = 2000 };

	EXPECT(test_grows_at_most(cost, &(struct repeated){before, text}, CHUNKS, 2 * CHUNKS, 2.5, 0.01));
}

TEST(time_is_linear_in_hostile_input)
{
	expect_linear("EHLO x\r\n", "NOOP\r\n");
	expect_linear("EHLO x\r\n", "DATA\r\n.\r\n");
	expect_linear(DATA, "X-H: 1\r\n");
	expect_linear(DATA, "Received: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\r\n");
	expect_linear(DATA "Content-Type: m; boundary=b\r\n\r\n",
		      "--b\r\nContent-Type: m; boundary=bb\r\n\r\n--b\r\n\r\n");
	expect_linear(DATA "Content-Type: m; boundary=--------------------\r\n\r\n", "--------------------\r\n");
	expect_linear(DATA "Subject: ", "=?utf-8?Q?");
}

TEST(boundaries_are_bounded_in_number_and_bytes)
{
	struct harness *h = harness_create();
	char header[1100];

	client(h, DATA "Content-Type: m; boundary=first\r\n\r\n--first\r\n");
	for (unsigned i = 0; i < 1000; i++) {
		int n = snprintf(header, sizeof(header), "Content-Type: m; boundary=%01000u\r\n", i);

		EXPECT(harness_tcp(h, 0, header, (size_t)n));
	}
	EXPECT(harness_memory_bytes(h) < 64 * 1024);
	client(h, "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--first--\r\n");
	EXPECT_FIELD(h, "email.md5", "5d41402abc4b2a76b9719d911017c592");
	harness_destroy(h);
}
